//! Messages that look like trouble and are none.

use super::super::pattern::{Pattern, Texts};
use crate::finding::Severity;

/// A harmless message.
const HARMLESS: Pattern = Pattern { severity: Severity::Info, cure: "Nothing.", ..Pattern::BLANK };

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "harmless-runtime-dir",
        matcher: Texts::Any(&["XDG_RUNTIME_DIR is invalid or not set", "XDG_RUNTIME_DIR not set, defaulting to"]),
        cause: "The directory for sockets of the session is not known in the container. X11 programs do not need it.",
        confirm: "Windows appear.",
        ..HARMLESS
    },
    Pattern {
        id: "harmless-gocryptfs",
        matcher: Texts::Any(&["gocryptfs not found"]),
        cause: "The engine cannot open encrypted images, which BrainVISA images are not.",
        confirm: "The container starts.",
        ..HARMLESS
    },
    Pattern {
        id: "harmless-xauth-new",
        matcher: Texts::Any(&["xauth: file {file} does not exist"]),
        cause: "xauth says that it makes a new authority file, as at the first login with a forwarded screen.",
        confirm: "The file exists afterwards.",
        ..HARMLESS
    },
    Pattern {
        id: "harmless-keychain-agents",
        matcher: Texts::Any(&["Warning: --agents is deprecated, ignoring", "Warning: --inherit is deprecated, ignoring"]),
        cause: "keychain 2.9 no longer needs an option that older instructions name.",
        confirm: "ssh-add -l lists your keys.",
        ..HARMLESS
    },
];
