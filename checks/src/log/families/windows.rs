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
    Pattern {
        id: "wsl-no-distribution",
        finding: Some("wsl-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "Windows Subsystem for Linux has no installed distributions",
            "The Windows Subsystem for Linux is not installed",
            "WslRegisterDistribution failed with error: 0x8007019e",
        ]),
        cause: "Windows has no Linux yet: the subsystem is not switched on, or no distribution was installed in it.",
        cure: "As an administrator, run wsl --install -d Ubuntu in a Windows terminal, and start the machine again.",
        confirm: "wsl --list prints no distribution.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "wsl-no-virtualization",
        fatal: true,
        matcher: Texts::Any(&[
            "WslRegisterDistribution failed with error: 0x80370102",
            "Error: 0x80370102",
            "enable the Virtual Machine Platform Windows feature and ensure virtualization is enabled in the BIOS",
        ]),
        cause: "Version 2 of WSL runs Linux in a small virtual machine, and Windows may not make one: its feature Virtual Machine Platform is off, or virtualization is switched off in the firmware (BIOS).",
        cure: "As an administrator: wsl --install --no-distribution, and start the machine again. If that does not help, switch virtualization (VT-x, SVM) on in the firmware; inside of a virtual machine, the one around it must hand virtualization on.",
        confirm: "The Task Manager says under Performance, CPU whether virtualization is enabled.",
        ..Pattern::BLANK
    },
];
