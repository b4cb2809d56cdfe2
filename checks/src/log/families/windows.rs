//! Windows: WSL and WSLg.

use super::super::pattern::{Pattern, Texts};

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "wsl1-engine",
        finding: Some("wsl-version-1"),
        fatal: true,
        matcher: Texts::Any(&[
            "failed to set O_CLOEXEC flags on image",
            "Failed to set securebits: Invalid argument",
            "session/mountinfo to /proc/self/mountinfo: no such file or directory",
        ]),
        cause: "This is version 1 of the Windows Subsystem for Linux, which has no Linux kernel and runs no containers.",
        cure: "Convert it to version 2 in Windows: wsl --set-version NAME 2.",
        confirm: "/proc/version names Microsoft with a capital M and no WSL2.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "wsl-x11-readonly",
        finding: Some("wsl-xserver-unreachable"),
        matcher: Texts::Any(&[
            "/tmp/.X11-unix{rest*}: Read-only file system",
            "/tmp/.X11-unix{rest*}: Too many levels of symbolic links",
            "/tmp/.X11-unix: Read-only file system",
        ]),
        cause: "On WSL the directory of the X sockets is a read-only mount made by Windows; recipes that delete it or link into it fail or leave a loop.",
        cure: "Run wsl --shutdown in Windows and start again; if the sockets stay hidden: sudo mount -o bind,ro /mnt/wslg/.X11-unix /tmp/.X11-unix.",
        confirm: "/mnt/wslg/.X11-unix/X0 exists while /tmp/.X11-unix/X0 does not.",
        ..Pattern::BLANK
    },
];
