//! Homes, mounts, disks, libraries.

use super::super::pattern::{Captures, Pattern, Texts};
use super::engine::looks_like_agent;
use crate::finding::Severity;

fn is_agent(captures: &Captures) -> bool {
    captures.get("path").is_some_and(looks_like_agent)
}

fn is_no_agent(captures: &Captures) -> bool {
    !is_agent(captures)
}

const NOT_FOUND: Texts = Texts::Any(&["the path {path*} cannot be found on your system"]);

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "home-afs",
        case: 78,
        fatal: true,
        matcher: Texts::Any(&[
            "mounting {*}destination {path*} doesn't exist in container",
            "mount hook function failure: destination {path*} doesn't exist in container",
        ]),
        cause: "The engine had to show a directory at a place that the image does not have, and could not make that place. With a home on AFS or an automounter it fails only now and then.",
        cure: "Enter the directory once before the start (ls PATH) so that it is mounted; or have overlay or underlay enabled in the engine's configuration.",
        confirm: "The file system of the path (autofs, afs), and enable overlay and enable underlay in the engine's configuration.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "home-nfs-squash",
        case: 79,
        finding: Some("home-not-traversable"),
        fatal: true,
        matcher: Texts::Any(&[
            "mount {source}->{target} error: {*}permission denied",
            "There was an error binding the path {path}: Permission denied",
            "Failed to restore current working directory: Permission denied",
        ]),
        cause: "The engine, which mounts with root's rights, may not enter a directory of yours: on a network disk root is treated as a stranger.",
        cure: "Use an engine without setuid (user namespaces), or let others pass through the directories (chmod o+x).",
        confirm: "The path is on NFS, a directory above it has no x for others, and the engine is setuid.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "home-nonstd",
        case: 80,
        fatal: true,
        matcher: Texts::Any(&["as session directory: path {path} is not an absolute path"]),
        cause: "The engine takes your home from HOME or the user database and finds no absolute path there.",
        cure: "Set HOME to the full path of your home; the administrator corrects the entry in the user database.",
        confirm: "HOME and the sixth field of getent passwd NAME.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "home-readonly",
        case: 83,
        finding: Some("home-unwritable"),
        fatal: true,
        matcher: Texts::Any(&["Perhaps it is a read-only site-wide install"]),
        cause: "The environment is a shared one that you may not write, while a home directory inside it makes casa_distro write there.",
        cure: "The administrator removes the directory home of the environment, so that each user gets one of their own, or sets the environment up with shared_install=yes.",
        confirm: "The directory home of the environment exists and you may not write it.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mount-stale-user",
        case: 85,
        finding: Some("config-missing-mount"),
        severity: Severity::Warning,
        matcher: NOT_FOUND,
        when: Some(is_no_agent),
        cause: "The configuration asks for a directory that this machine does not have; it was written on another machine, or the disk is not mounted. The container starts without it.",
        cure: "Remove it from mounts in ~/.config/casa-distro/casa_distro_3.json or in the environment's casa_distro.json, or mount the disk.",
        confirm: "The path in the message does not exist on this machine.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mount-dead-agent",
        case: 110,
        finding: Some("ssh-agent-dead"),
        severity: Severity::Warning,
        matcher: NOT_FOUND,
        when: Some(is_agent),
        cause: "SSH_AUTH_SOCK names the socket of an ssh agent that has ended. The container starts, but ssh in it finds no agent.",
        cure: "Start an agent again or open a new session, and launch from there.",
        confirm: "The path in the message does not exist.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "disk-full-docker",
        case: 93,
        finding: Some("disk-full"),
        fatal: true,
        matcher: Texts::Any(&["/var/lib/docker/{*}no space left on device"]),
        cause: "The disk on which Docker keeps its images is full.",
        cure: "Remove what is not needed (docker system prune), or move Docker's directory to a larger disk.",
        confirm: "Free space of /var/lib/docker.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "disk-full",
        finding: Some("disk-full"),
        matcher: Texts::Any(&[
            "no space left on device",
            "Disk quota exceeded",
            // The C library's words in French, German and Spanish.
            "Aucun espace disponible sur le périphérique",
            "Débordement du quota d'espace disque",
            "kein Speicherplatz mehr verfügbar",
            "zugewiesene Plattenplatz (Quota) ist überschritten",
            "No queda espacio en el dispositivo",
            "Se ha excedido la cuota de disco",
        ]),
        yields_to: &["ap-tmp-full", "disk-full-docker", "ap-userns-zero", "ap-mountns-zero"],
        cause: "A disk or your share of it is full, or (for unshare and inotify) another limit of the system is reached.",
        cure: "Make room there: df -h and quota show which disk it is.",
        confirm: "Free space of the file system named in the message.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "tmp-unwritable",
        finding: Some("tmp-unwritable"),
        matcher: Texts::Any(&["No usable temporary directory found in"]),
        cause: "Python found no directory for temporary files that it may write to: TMPDIR leads to one that is gone or closed, and /tmp is full or closed, too.",
        cure: "Set TMPDIR to a directory of yours with room, or unset it; make room in /tmp.",
        confirm: "What TMPDIR is, and whether a file can be made there and in /tmp.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "fs-read-only",
        finding: Some("home-unwritable"),
        severity: Severity::Warning,
        matcher: Texts::Any(&[
            ": Read-only file system",
            "Errno 30] Read-only file system",
            // The C library's words in French, German and Spanish.
            "Système de fichiers accessible en lecture seulement",
            "Das Dateisystem ist nur lesbar",
            "Sistema de ficheros de sólo lectura",
        ]),
        yields_to: &["wsl-x11-readonly"],
        cause: "Something was to be written where nothing can be: inside the image, in a home that Lima shows read-only, or on a disk mounted read-only.",
        cure: "Write to a mounted, writable directory; with Lima set writable: true for the home in lima.yaml.",
        confirm: "The mount options of the path in the message.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "wsl-shm",
        case: 92,
        finding: Some("wsl-shm-dangling"),
        matcher: Texts::Any(&[
            "frequently caused by incorrect permissions on /dev/shm",
            "cannot be connected if '/dev/shm' is a symlink",
            "openat2 dev/shm: No such file or directory",
            "openat2 'dev/shm': No such file or directory",
        ]),
        cause: "/dev/shm cannot be used. On older WSL it is a link to /run/shm, which does not exist inside a container.",
        cure: "Update WSL (wsl --update), or mount a directory at /run/shm; casa_distro does so when WSL_DISTRO_NAME is set.",
        confirm: "/dev/shm is a link, and its target exists inside the container with mode 1777.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-vboxsf",
        case: 108,
        finding: Some("vbox-vboxsf"),
        matcher: Texts::Any(&[
            "/media/sf_{share}: Permission denied",
            "/media/sf_{share}' : Permission denied",
            "/media/sf_{share}': Permission denied",
        ]),
        cause: "Folders that VirtualBox shares may be used by members of the group vboxsf only.",
        cure: "sudo usermod -aG vboxsf $USER, then restart the virtual machine.",
        confirm: "vboxsf is not among the groups of this session.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "home-profile",
        case: 82,
        finding: Some("home-profile-broken"),
        fatal: true,
        matcher: Texts::Any(&[
            "/casa/home/.profile: Syntax error: {error*}$",
            "/casa/home/.profile: line {line}: syntax error",
            "/casa/home/.profile: {variable}: parameter not set",
        ]),
        cause: "The start script of the image reads .profile of the container's home directory before each command, and ends at a mistake in it.",
        cure: "Mend the line that the message names, or move the file away: it is in the directory home of the environment.",
        confirm: "The command starts once home/.profile of the environment is moved away.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "fs-copystat",
        case: 86,
        fatal: true,
        matcher: Texts::Sequences(&[
            &["casa_distro/{}.py', line", "in _copyxattr", "OSError: [Errno {number}]"],
            &["casa_distro/{}.py', line", "in _copyxattr", "PermissionError: [Errno {number}]"],
            &["bin/casa_distro', line", "in _copyxattr", "OSError: [Errno {number}]"],
            &["bin/casa_distro', line", "in _copyxattr", "PermissionError: [Errno {number}]"],
            &["bin/casa_distro_admin', line", "in _copyxattr", "OSError: [Errno {number}]"],
            &["bin/casa_distro_admin', line", "in _copyxattr", "PermissionError: [Errno {number}]"],
        ]),
        cause: "An old casa_distro copies files with their extended attributes, which this file system (NFS, vfat and others) refuses.",
        cure: "Update casa-distro, or make the environment on a local disk.",
        confirm: "The file system of the directory where the environment is made, and the version of casa-distro.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mpi-library",
        case: 120,
        fatal: true,
        matcher: Texts::Any(&[
            "error while loading shared libraries: libmpi{library}: cannot open shared object file",
            "OSError: libmpi{library}: cannot open shared object file",
            "ImportError: libmpi{library}: cannot open shared object file",
            "libmpi.so' from LD_PRELOAD cannot be preloaded (cannot open shared object file)",
        ]),
        cause: "The container does not see the MPI library of the cluster: the directory is not mounted (pcocc run without -M), or the script that puts it on the library path is not there.",
        cure: "Mount the cluster's MPI (pcocc run -M openmpi-VERSION), and name it in /casa/start_scripts/init.sh; in the mode nv casa_distro mounts a directory of its own there, so use container or software for such jobs.",
        confirm: "ls of the library's directory in the container, and what is mounted at /casa/start_scripts.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "library-missing",
        fatal: true,
        matcher: Texts::Any(&[
            "error while loading shared libraries: {library}: cannot open shared object file",
            // Apptainer, when it cannot even start the program.
            "failed: a shared library is likely missing in the image",
        ]),
        yields_to: &["nv-cli-nolib", "gl-libxext", "qt-xcb-library", "mpi-library"],
        cause: "A program needs a library that is not found where it runs: it is started outside its container, or in an image that lacks the library.",
        cure: "Start the program through the environment (bv PROGRAM or casa-doctor run), or use a newer image.",
        confirm: "The library in the message exists in the image.",
        ..Pattern::BLANK
    },
];
