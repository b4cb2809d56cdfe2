//! Engines that are not allowed to make a container: user namespaces, setuid, capabilities.

use super::super::pattern::{Pattern, Texts};
use crate::finding::Severity;

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "ap-userns-apparmor",
        case: 58,
        finding: Some("engine-userns-blocked"),
        fatal: true,
        matcher: Texts::Any(&[
            "Failed to create user namespace: Permission denied",
            "Could not write info to setgroups: Permission denied",
        ]),
        cause: "The system forbids ordinary users to make user namespaces, without which this engine cannot start a container. On Ubuntu 23.10 and newer it is AppArmor that does so.",
        cure: "Install Apptainer 1.3.4 or newer from its own package, which brings the permission; or the package apptainer-suid.",
        confirm: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1, and /etc/apparmor.d has no profile for the engine that is used.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-userns-no-event",
        case: 58,
        finding: Some("engine-userns-blocked"),
        fatal: true,
        matcher: Texts::Any(&["Error while waiting event for user namespace mappings: no event received"]),
        yields_to: &["ap-userns-apparmor", "ap-userns-zero"],
        cause: "The engine made a user namespace and could not set it up; on Ubuntu 23.10 and newer that is how AppArmor's restriction shows.",
        cure: "Install Apptainer 1.3.4 or newer from its own package, or the package apptainer-suid.",
        confirm: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "userns-apparmor-denied",
        case: 58,
        finding: Some("engine-userns-blocked"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["apparmor='DENIED'{*}profile='unprivileged_userns'"]),
        follows: &["ap-userns-apparmor"],
        cause: "AppArmor refused something to a program in a user namespace. It matters here only when the program (comm) is the container engine or its starter.",
        cure: "For Apptainer: install version 1.3.4 or newer from its own package, or apptainer-suid.",
        confirm: "The line says comm=\"starter\", \"apptainer\" or \"singularity\".",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-mountns",
        case: 59,
        finding: Some("engine-userns-blocked"),
        fatal: true,
        matcher: Texts::Any(&["Failed to create mount namespace: mount namespace requires privileges"]),
        follows: &["ap-userns-apparmor", "ap-userns-zero"],
        cause: "The engine has neither user namespaces nor setuid rights, so it cannot mount anything.",
        cure: "Have user namespaces allowed, or install apptainer-suid. An Apptainer installed with conda on CentOS 7 has no way to work.",
        confirm: "User namespaces are switched off on this machine, and the engine's starter is not setuid.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-mountns-zero",
        case: 59,
        finding: Some("engine-userns-blocked"),
        fatal: true,
        matcher: Texts::Any(&["maximum number of mount namespaces exceeded"]),
        cause: "The number of mount namespaces is limited on this machine, mostly to 0 by an administrator.",
        cure: "The administrator raises it: sudo sysctl user.max_mnt_namespaces=10000.",
        confirm: "/proc/sys/user/max_mnt_namespaces.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-userns-zero",
        case: 60,
        finding: Some("engine-userns-blocked"),
        fatal: true,
        matcher: Texts::Any(&[
            "Failed to create user namespace: {reason*} check /proc/sys/user/max_user_namespaces",
            "maximum number of user namespaces exceeded, check /proc/sys/user/max_user_namespaces",
            "user namespace requires to set /proc/sys/kernel/unprivileged_userns_clone to 1",
            "Failed to create user namespace: user namespace disabled",
            "Failed to create user namespace: not allowed to create user namespace",
            "Failed to create user namespace: Invalid argument",
            "not allowed to create user namespace",
            "unshare failed: No space left on device",
            // What clone(2) answers to Apptainer with --fakeroot when the number of user namespaces is used up.
            "Failed to create container process: No space left on device",
            "Failed to create container process: Invalid argument",
            "Failed to create container process: Operation not permitted",
            // The same, before Singularity 3.5.
            "Failed to create container namespaces",
        ]),
        follows: &["wsl1-engine"],
        cause: "The kernel of this machine makes no user namespaces for ordinary users: their number is limited to 0, they are switched off, or this is already inside a container.",
        cure: "The administrator allows them (sudo sysctl user.max_user_namespaces=10000; on old Debian kernel.unprivileged_userns_clone=1), or installs apptainer-suid.",
        confirm: "/proc/sys/user/max_user_namespaces is 0, or /proc/sys/kernel/unprivileged_userns_clone is 0.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-userns-config",
        finding: Some("engine-userns-blocked"),
        fatal: true,
        matcher: Texts::Any(&[
            "Unprivileged installation found, user name{spelling} needed but not allowed by configuration",
            "User namespace required but not allowed by configuration",
        ]),
        cause: "The engine is installed without setuid, and its configuration forbids user namespaces: nothing is left to start a container with.",
        cure: "The administrator sets allow user ns = yes in the engine's configuration, or installs apptainer-suid.",
        confirm: "apptainer.conf says allow user ns = no, and there is no starter-suid.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-suid-lost",
        case: 61,
        also: &[60],
        finding: Some("engine-suid-lost"),
        fatal: true,
        matcher: Texts::Any(&[
            "Failed invoking the NEWUSER namespace runtime: Invalid argument",
            "starter-suid doesn't have setuid bit set",
            "apptainer.conf must be owned by root",
            "singularity.conf must be owned by root",
            "suid workflow disabled by administrator",
        ]),
        cause: "The engine was installed to work with root's rights (setuid) and has lost them: files copied by an ordinary user, a network disk, a disk mounted nosuid, or the administrator's decision. It then needs user namespaces, and old kernels have none.",
        cure: "Have the engine installed by the administrator from a package on a local disk.",
        confirm: "starter-suid is not owned by root with mode 4755, or its file system is mounted nosuid.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-capabilities",
        fatal: true,
        matcher: Texts::Any(&["Requesting capability set {wanted} while permitted capability set is {permitted}"]),
        cause: "The engine runs as root on a machine or in a container where root has not all rights, and asks for all of them.",
        cure: "Start it as an ordinary user, or with --no-privs.",
        confirm: "You are root, and CapEff in /proc/self/status is not full.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-fakeroot",
        case: 77,
        matcher: Texts::Any(&[
            "could not use fakeroot: no {*}mapping",
            ", run: sudo apptainer config fakeroot --add {user}",
            ", run: sudo singularity config fakeroot --add {user}",
            "newuidmap was not found in PATH",
            "newuidmap is not installed on your system",
            "newgidmap is not installed on your system",
            "'newuidmap' execution failed. Check that",
            "'newgidmap' execution failed. Check that",
        ]),
        cause: "Building or changing an image as an ordinary user (--fakeroot) needs a range of user numbers for you in /etc/subuid and the program newuidmap.",
        cure: "The administrator runs: sudo apptainer config fakeroot -a NAME, and installs the package uidmap (shadow-utils).",
        confirm: "Your name has no line in /etc/subuid and /etc/subgid, or newuidmap is not installed.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-fakeroot-hint",
        case: 77,
        severity: Severity::Warning,
        matcher: Texts::Any(&["sudo apptainer config fakeroot --add {user}", "sudo singularity config fakeroot --add {user}"]),
        yields_to: &["ap-fakeroot", "ap-fakeroot-glibc"],
        cause: "casa_distro says this whenever an image could not be made as an ordinary user. It is the reason only if the engine speaks of fakeroot, of /etc/subuid or of newuidmap above.",
        cure: "Read what the engine says above. If it is about fakeroot, the administrator runs the command in the message.",
        confirm: "Your name has no line in /etc/subuid and /etc/subgid.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-fakeroot-glibc",
        case: 77,
        finding: Some("glibc-too-new"),
        matcher: Texts::Any(&[
            "fakeroot: error while starting the 'faked' daemon",
            "/.singularity.d/libs/faked: {*}GLIBC_{version} not found",
            "/.singularity.d/libs/faked: {*}GLIBC_{version}' not found",
        ]),
        cause: "For --fakeroot the engine brings the program fakeroot of the host into the image, and it was built for a newer C library than the image has.",
        cure: "Have your name added to /etc/subuid (sudo apptainer config fakeroot -a NAME), or use --ignore-fakeroot-command.",
        confirm: "The C library of the host is newer than that of the image.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-subuid-fallback",
        case: 77,
        severity: Severity::Info,
        matcher: Texts::Any(&[
            "User not listed in /etc/subuid, trying root-mapped namespace",
            "Using fakeroot command combined with root-mapped namespace",
        ]),
        cause: "You have no range of user numbers of your own, so the engine uses a simpler way to look like root. Harmless unless a build fails on the owner of a file.",
        cure: "Nothing.",
        confirm: "The build goes on.",
        ..Pattern::BLANK
    },
];
