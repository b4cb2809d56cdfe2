//! Docker and Podman.

use super::super::pattern::{Captures, Pattern, Texts};
use crate::finding::Severity;

fn is_docker_desktop_agent(captures: &Captures) -> bool {
    captures.get("path").is_some_and(|path| path.contains("ssh-auth.sock"))
}

fn is_other_path(captures: &Captures) -> bool {
    !is_docker_desktop_agent(captures)
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "docker-denied",
        finding: Some("docker-daemon-denied"),
        fatal: true,
        matcher: Texts::Any(&[
            "permission denied while trying to connect to the Docker daemon socket",
            "permission denied while trying to connect to the docker API",
            // The library for Python.
            "Error while fetching server API version: ('Connection aborted.', PermissionError(13",
        ]),
        cause: "You may not talk to Docker: its socket belongs to the group docker.",
        cure: "Have your user added to that group (sudo usermod -aG docker NAME) and log in again; it gives root's rights, so Apptainer is the better choice on shared computers.",
        confirm: "Group and mode of /var/run/docker.sock, and the groups of this session.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "docker-down",
        finding: Some("docker-daemon-down"),
        fatal: true,
        matcher: Texts::Any(&[
            "Cannot connect to the Docker daemon at {url}. Is the docker daemon running",
            "Cannot connect to the Docker daemon",
            "failed to connect to the docker API at {url}",
            "This error may indicate that the docker daemon is not running",
            // The library for Python.
            "Error while fetching server API version: ('Connection aborted.', FileNotFoundError(2",
            "Error while fetching server API version: ('Connection aborted.', ConnectionRefusedError(",
        ]),
        cause: "Docker does not run, or the variable DOCKER_HOST or the chosen context points elsewhere.",
        cure: "Start it (sudo systemctl start docker, or Docker Desktop), or unset DOCKER_HOST.",
        confirm: "Whether something listens at the address in the message.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-docker-driver",
        case: 44,
        fatal: true,
        matcher: Texts::Any(&[
            "could not select device driver '{driver*}' with capabilities: [",
            "Unknown runtime specified nvidia",
            "unknown or invalid runtime name: nvidia",
            "failed to discover GPU vendor from CDI",
        ]),
        cause: "Docker does not know how to give graphics cards to containers: NVIDIA's container toolkit is not installed, Docker was not restarted since, or it is the snap version of Docker.",
        cure: "Install nvidia-container-toolkit, run sudo nvidia-ctk runtime configure, and restart Docker.",
        confirm: "docker info lists no runtime called nvidia.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "docker-dri-missing",
        fatal: true,
        matcher: Texts::Any(&[
            "error gathering device information while adding custom device '{device}'",
            // Podman.
            "Error: stat /dev/dri{rest*}: no such file or directory",
        ]),
        cause: "The container should get a graphics device that this machine does not have, as in a virtual machine or under Docker Desktop.",
        cure: "Remove the option --device for it, and use opengl=software.",
        confirm: "The device named in the message does not exist on the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-mac-docker",
        case: 115,
        finding: Some("ssh-agent-dead"),
        fatal: true,
        matcher: Texts::Any(&["bind source path does not exist: {path}"]),
        when: Some(is_docker_desktop_agent),
        cause: "The ssh agent should be reached by the path that exists only inside Docker Desktop's virtual machine, and this Docker is not Docker Desktop, or forwards no agent.",
        cure: "With Docker Desktop mount /run/host-services/ssh-auth.sock and set SSH_AUTH_SOCK to it; with another Docker mount $SSH_AUTH_SOCK itself.",
        confirm: "docker context ls, and whether Docker Desktop runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "docker-bind-missing",
        finding: Some("config-missing-mount"),
        fatal: true,
        matcher: Texts::Any(&["bind source path does not exist: {path}"]),
        when: Some(is_other_path),
        cause: "The container was told to show a directory or file that does not exist where Docker runs (on a Mac or Windows that is a virtual machine).",
        cure: "Create it or remove the mount.",
        confirm: "The path in the message does not exist.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "docker-root-squash",
        case: 79,
        finding: Some("home-not-traversable"),
        fatal: true,
        matcher: Texts::Any(&[
            "error while creating mount source path '{path*}': mkdir {*}: file exists",
            "error while creating mount source path '{path*}': mkdir {*}: permission denied",
        ]),
        cause: "Docker, which runs as root, cannot enter a directory of yours: on a network disk root is treated as a stranger.",
        cure: "Let others pass through the directories (chmod o+x), keep the data on a local disk, or use Apptainer, which runs as you.",
        confirm: "The path is on NFS or FUSE, and a directory above it has no x for others.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "podman-subuid",
        fatal: true,
        matcher: Texts::Any(&[
            "cannot set up namespace using '{program}': exit status",
            "cannot setup namespace using {program}: exit status",
            "no subuid ranges found for user '{user}'",
            "potentially insufficient UIDs or GIDs available in user namespace",
            "there might not be enough IDs available in the namespace",
        ]),
        cause: "A container without root's rights needs a range of user numbers of its own for you (/etc/subuid, /etc/subgid) and the programs newuidmap and newgidmap that hand it out; one of these is missing, or this is already inside another container.",
        cure: "The administrator runs: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME, and installs the package uidmap (shadow-utils). Then: podman system migrate.",
        confirm: "/etc/subuid and /etc/subgid have no line for you, or newuidmap has neither the setuid bit nor the capability cap_setuid.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "podman-shared-mount",
        severity: Severity::Info,
        matcher: Texts::Any(&["'/' is not a shared mount, this could cause issues or missing mounts with rootless containers"]),
        cause: "Podman notes how the root directory is mounted. Harmless unless mounts made later are missing in the container.",
        cure: "Nothing.",
        confirm: "The container starts and sees its mounts.",
        ..Pattern::BLANK
    },
];
