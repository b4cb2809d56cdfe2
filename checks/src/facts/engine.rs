use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// The container engines of the machine and what decides whether they can start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Engines {
    /// The engines that were found, in the order in which casa_distro prefers them.
    pub found: Vec<Engine>,
    /// Names that were looked for on PATH and not found.
    pub missing: Vec<String>,
    /// Whether an unprivileged user namespace could be made and mapped, really tried in a child.
    pub user_namespaces: Option<bool>,
    /// What the kernel or the child said when it could not.
    pub user_namespaces_error: Option<String>,
    /// `/proc/sys/user/max_user_namespaces`.
    pub max_user_namespaces: Option<u64>,
    /// `/proc/sys/kernel/unprivileged_userns_clone`, where it exists.
    pub unprivileged_userns_clone: Option<bool>,
    /// `/proc/sys/kernel/apparmor_restrict_unprivileged_userns`, where it exists.
    pub apparmor_restricts_userns: Option<bool>,
    /// AppArmor profile files that let a starter of Apptainer or Singularity make user namespaces, which no trial by another program shows.
    #[serde(serialize_with = "super::lossy::list")]
    pub apparmor_profiles: Vec<PathBuf>,
    /// Whether `/dev/fuse` can be opened for reading and writing.
    pub dev_fuse: Option<bool>,
    /// Helpers found on PATH or where the engine keeps them: `squashfuse`, `squashfuse_ll`, `fusermount3`, `unsquashfs`, `fuse-overlayfs`, `fuse2fs`.
    pub helpers: Vec<String>,
    /// Kinds of processor, by Go's names (`amd64`), whose programs the kernel runs through an emulator that works in containers, too
    /// (binfmt_misc, with the flag F); `None` where that cannot be seen from here.
    pub emulated: Option<Vec<String>>,
    /// What the administrator set in the configuration of Apptainer or Singularity; `None` when there is no such engine, or when its
    /// configuration was not found.
    pub settings: Option<EngineSettings>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// The configuration of Apptainer or Singularity (`apptainer.conf`), as far as it changes what a start does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EngineSettings {
    /// The file.
    #[serde(serialize_with = "super::lossy::path")]
    pub config: PathBuf,
    /// The directives that are judged and that the file has, such as `user bind control`, with their values.
    pub values: BTreeMap<String, String>,
    /// Lines that give a directive a value which the engine refuses, as `line 12: allow setuid = maybe`.
    pub invalid: Vec<String>,
}

/// The kinds of engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Apptainer.
    Apptainer,
    /// SingularityCE or the old Singularity; a `singularity` that is Apptainer's link counts as Apptainer.
    Singularity,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

impl EngineKind {
    /// The program's name.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Apptainer => "apptainer",
            Self::Singularity => "singularity",
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Engine {
    /// Which.
    pub kind: EngineKind,
    /// Where its program is.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// What `--version` printed, first line.
    #[serde(default)]
    pub version_text: Option<String>,
    /// The numbers of it, such as `1.4.5`.
    #[serde(default)]
    pub version: Option<String>,
    /// Why it did not tell its version, if so (an exit status, a signal, a time-out).
    #[serde(default)]
    pub version_error: Option<String>,
    /// Whether a setuid starter is installed (Apptainer, Singularity).
    #[serde(default)]
    pub setuid: Option<Setuid>,
    /// The daemon's or service's answer (Docker, Podman).
    #[serde(default)]
    pub daemon: Option<Daemon>,
}

/// The setuid starter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Setuid {
    /// No `starter-suid` is installed: user namespaces are needed.
    Absent,
    /// It is there and works as far as its owner, mode and mount tell.
    Works,
    /// It is there but has lost its power.
    Lost {
        /// Why: owner, mode or a nosuid mount.
        reason: String,
    },
}

/// How the Docker daemon answered on its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Daemon {
    /// It answered.
    Answers,
    /// Its socket exists and this user may not open it.
    Denied {
        /// The socket.
        socket: String,
    },
    /// No socket, or nobody behind it.
    Down {
        /// The socket or address.
        socket: String,
        /// In words.
        reason: String,
    },
    /// It has none and needs none (rootless Podman).
    NotNeeded,
    /// It accepted and did not answer in time.
    Hung {
        /// The socket.
        socket: String,
    },
}
