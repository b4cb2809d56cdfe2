//! Apptainer and Singularity: mounting the image, starting, options, configuration.

use super::super::pattern::{Captures, Pattern, Texts};
use crate::finding::Severity;

fn is_old_name(captures: &Captures) -> bool {
    captures.get("old").is_some_and(|name| name.starts_with("SINGULARITY"))
}

/// Whether the path is one of ours to explain: casa_distro prints the same for every path.
fn is_agent_socket(captures: &Captures) -> bool {
    captures.get("path").is_some_and(looks_like_agent)
}

/// Whether a path looks like the socket of an ssh agent: those of OpenSSH, GnuPG, GNOME and keychain.
pub(super) fn looks_like_agent(path: &str) -> bool {
    ["/ssh-", "/.ssh/agent/", "/agent.", "S.gpg-agent", "/keyring/", "/gcr/ssh", "agent.sock", "ssh_auth_sock", "ssh-agent"]
        .iter()
        .any(|sign| path.contains(sign))
}

fn is_not_agent_socket(captures: &Captures) -> bool {
    !is_agent_socket(captures)
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "ap-missing-exe",
        case: 69,
        finding: Some("engine-missing"),
        fatal: true,
        matcher: not_found!(
            "apptainer", "singularity";
            "Cannot find singularity nor apptainer on the PATH", "apptainer: not found", "singularity: not found"
        ),
        cause: "No container engine was found: it is not installed, its module is not loaded, or sudo hides it.",
        cure: "Install Apptainer, or load its module on a cluster (module load apptainer).",
        confirm: "Neither apptainer nor singularity is on the PATH.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-too-old",
        case: 68,
        finding: Some("engine-too-old"),
        fatal: true,
        matcher: Texts::Any(&["Your version of Singularity ({version}) is not supported, please install"]),
        cause: "casa_distro needs Singularity 3.1 or newer, or any Apptainer, and found an older one first.",
        cure: "Install Apptainer, the successor of Singularity, or load its module on a cluster (module load apptainer).",
        confirm: "singularity --version.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-fuse-missing",
        case: 62,
        finding: Some("engine-fuse-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "fuse: failed to exec fusermount3: No such file or directory",
            "fuse: failed to exec fusermount: No such file or directory",
            "exec: 'fusermount3': executable file not found",
        ]),
        cause: "To mount the image the engine needs the program fusermount3, which is not installed.",
        cure: "Install the package fuse3.",
        confirm: "fusermount3 is not on the PATH.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-fuse-denied",
        case: 63,
        fatal: true,
        matcher: Texts::Any(&[
            "fusermount3: mount failed: Operation not permitted",
            "fusermount: mount failed: Operation not permitted",
            "A fusermount error may indicate that the kernel is too old",
        ]),
        cause: "The kernel does not let an ordinary user mount the image: it is older than 4.18, or this is inside another container.",
        cure: "Have the setuid version installed (package apptainer-suid), or let the image be unpacked with --unsquash, which needs much space.",
        confirm: "The kernel version, and whether /dev/fuse can be opened.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-fuse-device",
        finding: Some("engine-fuse-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "fuse: mount failed: Invalid argument",
            "fuse: device not found, try 'modprobe fuse' first",
            "failed to open /dev/fuse: {reason*}",
        ]),
        cause: "The engine could not use /dev/fuse to mount the image: the device is missing, is no real one, or may not be opened.",
        cure: "Load it with sudo modprobe fuse; inside another container that one must be given /dev/fuse.",
        confirm: "/dev/fuse exists, is a character device 10:229, and can be opened for reading and writing.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-fuse-timeout",
        case: 64,
        fatal: true,
        matcher: Texts::Any(&[
            "squashfuse_ll failed to mount {*} in {seconds}s",
            "squashfuse failed to mount {*} in {seconds}s",
            "fuse2fs failed to mount {*} in {seconds}s",
        ]),
        follows: &["ap-overlay-ro"],
        cause: "Mounting the image took longer than the engine waits, as happens the first time with a large image on a network disk.",
        cure: "Try again; keep the image on a local disk; use Apptainer 1.1.6 or newer, which waits longer.",
        confirm: "The image is on a network file system, and the version of the engine.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-squashfuse-missing",
        finding: Some("engine-fuse-missing"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["squashfuse not found, will not be able to mount SIF"]),
        cause: "The engine has no squashfuse, so it unpacks the whole image at every start: slow, and it needs as much space as the image.",
        cure: "Install the package squashfuse.",
        confirm: "squashfuse is not on the PATH nor in the engine's own directory.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-squashfuse-needed",
        finding: Some("engine-fuse-missing"),
        fatal: true,
        matcher: Texts::Any(&["while mounting image {image}: squashfuse not found"]),
        cause: "To mount the image the engine needs the program squashfuse, which is not installed on this machine, or not where the engine looks.",
        cure: "Install the package squashfuse; on a cluster the machines that run jobs need it as well.",
        confirm: "squashfuse is not on the PATH, nor in the directory libexec/apptainer/bin of the engine.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-unsquashfs-missing",
        finding: Some("engine-fuse-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "exec: 'unsquashfs': executable file not found in $PATH",
            "exec: 'unsquashfs': executable file not found",
        ]),
        follows: &["ap-squashfuse-missing"],
        cause: "The engine can neither mount the image nor unpack it: squashfuse and unsquashfs are both missing.",
        cure: "Install the packages squashfuse and squashfs-tools.",
        confirm: "Neither program is on the PATH.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-loop",
        case: 65,
        fatal: true,
        matcher: Texts::Any(&[
            "could not attach image file to loop device",
            "failed to find loop device",
            "no loop devices available",
        ]),
        follows: &["wsl1-engine"],
        cause: "The engine mounts the image through a loop device, and none was free: a known race with some Ubuntu kernels, or many containers at once.",
        cure: "Try again; use Apptainer 1.3 or newer, which mounts through FUSE; or the administrator raises max_loop and max loop devices.",
        confirm: "The engine is setuid Singularity 3.x, and how many /dev/loop* are in use.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-tmp-full",
        case: 75,
        finding: Some("disk-full"),
        fatal: true,
        matcher: Texts::Any(&["write {path}/rootfs-{rest}: no space left on device"]),
        cause: "The engine unpacks the image at every start, because it cannot mount it, and the temporary directory is too small.",
        cure: "Set APPTAINER_TMPDIR to a directory on a large local disk; better, install squashfuse and fuse3 so that nothing is unpacked.",
        confirm: "Free space in the directory named in the message, and whether squashfuse and /dev/fuse are usable.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-bind-source",
        case: 70,
        finding: Some("config-missing-mount"),
        fatal: true,
        matcher: Texts::Any(&["mount source {path} doesn't exist"]),
        when: Some(is_not_agent_socket),
        cause: "The container was told to show a directory or file of this machine that does not exist. The engine refuses to start, where casa_distro would only warn.",
        cure: "Remove it from container_options, APPTAINER_BIND and SINGULARITY_BIND, or create it.",
        confirm: "The path in the message does not exist on the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-bind-agent",
        case: 70,
        also: &[110],
        finding: Some("ssh-agent-dead"),
        fatal: true,
        matcher: Texts::Any(&["mount source {path} doesn't exist"]),
        when: Some(is_agent_socket),
        cause: "The container was told to show the socket of an ssh agent that has ended, and the engine refuses to start without it.",
        cure: "Start an agent again (or open a new session) so that SSH_AUTH_SOCK is valid, and do not write the path of a socket into a configuration.",
        confirm: "SSH_AUTH_SOCK names a path that does not exist.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-cwd",
        case: 71,
        fatal: true,
        matcher: Texts::Any(&["failed to set working directory: chdir {directory*}: no such file or directory"]),
        cause: "The program should start in a directory that the container does not see.",
        cure: "Start from a directory that is mounted, add a mount for it, or drop --cwd, cwd= or --pwd.",
        confirm: "The directory in the message is not below any mount of the environment.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-unknown-flag",
        case: 72,
        finding: Some("config-unknown-flag"),
        fatal: true,
        matcher: Texts::Any(&[
            "Error for command '{command}': unknown flag: {flag}",
            "Error for command '{command}': unknown shorthand flag: {flag*}",
        ]),
        cause: "container_options holds a word that the engine does not know. The old pseudo-options --softgl and --no-nv were never options of the engine.",
        cure: "Remove it (casa-doctor --fix does), and choose the OpenGL mode with opengl=software on the command line or casa-doctor run.",
        confirm: "The option stands in container_options or container_gui_options.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-overlay-fs",
        case: 73,
        fatal: true,
        matcher: Texts::Any(&[
            "can't mount overlay filesystem",
            "overlay filesystem seems not enabled and/or supported by your kernel",
        ]),
        cause: "The kernel cannot layer directories on this kind of disk (Lustre, GPFS, NFS): the image is a directory, or a writable layer lies there.",
        cure: "Keep the image as one file (.sif) or on a local disk, or start with --underlay.",
        confirm: "The file system of the image and of overlay.img.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-overlay-ro",
        case: 74,
        fatal: true,
        matcher: Texts::Any(&[
            "Bad magic number in super-block",
            "setup of overlay upper dir failed",
            "failed to open overlay{*} {image}: image format not recognized",
            "failed to open overlay{*} {image}: permission denied",
        ]),
        cause: "A file system in a file cannot be used: for the engine that is the writable layer, overlay.img, which is damaged, not formatted, or not yours to write.",
        cure: "Check it with e2fsck -fy overlay.img, or move it away when nothing in it is needed: casa_distro uses it whenever it exists.",
        confirm: "overlay.img exists in the environment, and its owner, mode and format.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-overlay-busy",
        fatal: true,
        matcher: Texts::Any(&["while locking ext3 partition from {image*}: can't open"]),
        cause: "The writable layer, overlay.img, is in use by another container, and only one at a time may write to it. Some network disks keep the lock of a container that has ended.",
        cure: "End the other container, or move overlay.img away when nothing in it is needed: casa_distro opens it for writing whenever it exists.",
        confirm: "Another container of this environment runs, on this or on another machine that sees the file.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-squashfs-refused",
        fatal: true,
        matcher: Texts::Any(&[
            "Failed to mount squashfs image in (read only): Invalid argument",
            "failed to mount squashfs filesystem: invalid argument",
        ]),
        cause: "An old Singularity (before 3.5.3) mounts the image with an option that kernels since Linux 5.4 refuse; a damaged image looks the same to it.",
        cure: "Install Apptainer, the successor of Singularity. When it fails as well, download the image again.",
        confirm: "singularity --version is older than 3.5.3, and the kernel's log has: squashfs: Unknown parameter.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-squashfs-missing",
        fatal: true,
        matcher: Texts::Any(&[
            "failed to mount squashfs filesystem: no such device",
            "squashfs filesystem seems not enabled and/or supported by your kernel",
        ]),
        follows: &["wsl1-engine"],
        cause: "The kernel of this machine does not mount the kind of file system that images hold (squashfs): its module is missing, or forbidden in /etc/modprobe.d as on hardened machines.",
        cure: "sudo modprobe squashfs tells which; or use Apptainer without setuid, which mounts images through FUSE.",
        confirm: "/proc/filesystems has no squashfs, also after modprobe squashfs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-singularity-env-warn",
        case: 76,
        finding: Some("env-leftover"),
        severity: Severity::Info,
        matcher: Texts::Any(&[
            "Environment variable {old} is set, but {new} is preferred",
            "DEPRECATED USAGE: Environment variable {old} will not be supported",
            "DEPRECATED USAGE: Forwarding {old} as environment variable will not be supported",
        ]),
        when: Some(is_old_name),
        cause: "A variable for the old Singularity is still set, and reaches every container.",
        cure: "Remove its export from ~/.bashrc or ~/.profile, or rename it.",
        confirm: "The variable is set in the shell.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-env-differs",
        case: 76,
        finding: Some("env-leftover"),
        severity: Severity::Warning,
        matcher: Texts::Any(&[
            "{old*} have different values, using the latter",
            "and {new} have different values, using the latter",
            "have different values, using the latter",
        ]),
        cause: "Two variables for the engine, with the old and the new name, contradict each other; only the new one counts.",
        cure: "Unset the one whose name begins with SINGULARITY.",
        confirm: "Both variables are set.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-sandbox-root",
        finding: Some("image-not-an-image"),
        fatal: true,
        matcher: Texts::Any(&["/ as sandbox is not authorized"]),
        cause: "The engine was given the whole system as image, which happens when the image path is empty or wrong.",
        cure: "Correct the key image in casa_distro.json.",
        confirm: "The image that the configuration names.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-command-missing",
        case: 116,
        fatal: true,
        matcher: Texts::Any(&[
            "FATAL: '{command}': executable file not found in $PATH",
            "FATAL: stat {command}: no such file or directory",
        ]),
        cause: "The image does not have the program that should be started, or the name is misspelt.",
        cure: "Check the name; bv without arguments shows what the environment offers.",
        confirm: "The program exists in the image or in the mounted directories.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-writable-sif",
        finding: Some("config-writable-image"),
        fatal: true,
        matcher: Texts::Any(&[
            "could not use {image*} for writing, you don't have write permissions",
            "no SIF writable overlay partition found in {image*}",
            "could not set {image*} image writable: squashfs is a read-only filesystem",
        ]),
        cause: "The container is started writable (-w), and the image is a read-only file.",
        cure: "Remove -w or --writable from container_options.",
        confirm: "container_options contains -w or --writable.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-bind-control",
        finding: Some("engine-policy"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["user bind control disabled by system administrator"]),
        cause: "The administrator forbids mounting directories into containers, so neither your data nor NVIDIA libraries get in.",
        cure: "Ask for user bind control = yes in the engine's configuration.",
        confirm: "The engine's configuration file says user bind control = no.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-setuid-mount",
        fatal: true,
        matcher: Texts::Any(&["configuration disallows users from mounting {*}in setuid mode"]),
        cause: "The engine works with root's rights (setuid), and then it may not mount this kind of file system, because a prepared file could harm the kernel: mostly the writable layer (extfs), overlay.img.",
        cure: "Add --userns to container_options, or move overlay.img away when nothing in it is needed: casa_distro uses it whenever it exists.",
        confirm: "overlay.img exists in the environment, and the package apptainer-suid is installed.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-policy",
        finding: Some("engine-policy"),
        fatal: true,
        matcher: Texts::Any(&[
            "configuration disallows users from running",
            "image is not in an allowed configured path",
            "image is not owned by required user(s)",
            "image is not owned by required group(s)",
        ]),
        cause: "The administrator of this machine restricts which images may be started, by kind, place or owner.",
        cure: "Ask where images may be kept, and move the image there.",
        confirm: "The limits in the engine's configuration file (allow container, limit container paths, limit container owners).",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-config-broken",
        finding: Some("engine-config-broken"),
        fatal: true,
        matcher: Texts::Any(&[
            "couldn't parse configuration file {file}",
            "open {path}/apptainer.conf: no such file or directory",
            "open {path}/singularity.conf: no such file or directory",
        ]),
        cause: "The engine cannot read its own configuration: the file is missing or holds a wrong value.",
        cure: "The administrator repairs or reinstalls it; apptainer config global checks values.",
        confirm: "The configuration file named in the message.",
        ..Pattern::BLANK
    },
];
