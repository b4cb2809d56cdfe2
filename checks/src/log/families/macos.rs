//! macOS, XQuartz, Lima.

use super::super::pattern::{Pattern, Texts};
use crate::finding::Severity;

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "mac-env-lost",
        case: 95,
        finding: Some("engine-too-old"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["SINGULARITY_CONTAINER=/dev/sd{disk}"]),
        cause: "This is Singularity Desktop for Mac, an abandoned trial version, in which variables, home and image path of the container are wrong.",
        cure: "Use a Lima virtual machine with Apptainer, or the VirtualBox image.",
        confirm: "macOS, and singularity --version says 3.3.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mac-launchd-refused",
        finding: Some("xquartz-not-running"),
        fatal: true,
        matcher: Texts::Any(&["connect /private/tmp/com.apple.launchd.{name}/org.{rest}: Connection refused"]),
        cause: "DISPLAY names a socket of macOS behind which no XQuartz answers any more.",
        cure: "Quit XQuartz, log out and in again, and open a new terminal.",
        confirm: "launchctl getenv DISPLAY differs from DISPLAY, or XQuartz does not run.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mac-no-socket",
        finding: Some("xquartz-not-running"),
        matcher: Texts::Any(&["No launchd socket handed off, unsetting DISPLAY"]),
        cause: "XQuartz was started without the socket that macOS should hand to it: its background item is switched off, or the installation needs a new login.",
        cure: "Allow it in System Settings, General, Login Items; log out and in again; if it stays, install XQuartz again.",
        confirm: "launchctl print gui/UID/org.xquartz.startx fails.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mac-defaults-missing",
        severity: Severity::Info,
        matcher: Texts::Any(&["The domain/default pair of (org.{domain}, {key}) does not exist"]),
        cause: "A setting of XQuartz was never written, so its default counts: no network clients, no indirect OpenGL. Harmless in itself.",
        cure: "Nothing; start XQuartz once to have the settings written.",
        confirm: "XQuartz was never started since it was installed.",
        ..Pattern::BLANK
    },
];
