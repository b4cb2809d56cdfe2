use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// The places that a launch writes to, and the room there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Storage {
    /// Each place, with what it is for.
    pub places: Vec<DiskPlace>,
    /// The directories from the root to the container's home, links resolved; empty without an environment.
    pub home_path: Vec<PathPart>,
    /// Why something above is missing.
    pub unknown: Unknowns,
}

/// A place on a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DiskPlace {
    /// What is written there.
    pub role: DiskRole,
    /// The place.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// The variable that names it, such as `TMPDIR`.
    pub variable: Option<String>,
    /// Whether it exists. The other fields are those of the nearest directory above it when it does not.
    pub exists: Option<bool>,
    /// Whether this user may make files there; `None` when that cannot be told.
    pub writable: Option<bool>,
    /// Why not, in words.
    pub refusal: Option<String>,
    /// The room on its filesystem, for this user.
    pub space: Option<Space>,
    /// Where its filesystem is mounted.
    #[serde(serialize_with = "super::lossy::option")]
    pub mount_point: Option<PathBuf>,
    /// Type of the filesystem, such as `ext4` or `nfs4`.
    pub filesystem: Option<String>,
    /// Whether root of this machine may be refused there: a network filesystem, or a FUSE mount of a user's own.
    pub root_refused: RootAccess,
    /// Whether the filesystem is mounted read-only.
    pub read_only: Option<bool>,
}

/// What is written to a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskRole {
    /// Temporary files of every program.
    #[default]
    Temporary,
    /// Temporary files of Apptainer or Singularity, such as an image that is unpacked.
    EngineTemporary,
    /// The environment's directory.
    Environment,
    /// The user's home directory.
    Home,
    /// The home directory of the container.
    ContainerHome,
    /// Docker's images and containers.
    Docker,
}

/// How root of this machine is treated by a filesystem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RootAccess {
    /// It may do everything.
    #[default]
    Full,
    /// A server may treat it as nobody, as NFS does by default (`root_squash`).
    MayBeSquashed,
    /// The kernel refuses everybody but the user who mounted it (FUSE without `allow_other` or `allow_root`).
    Refused,
    /// It is not known.
    Unknown,
}

/// Room on a filesystem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Space {
    /// What this user may still write, in bytes.
    pub free_bytes: u64,
    /// Size, in bytes.
    pub total_bytes: u64,
    /// How many files may still be made; `None` where the filesystem does not count them.
    pub free_inodes: Option<u64>,
}

/// A directory on the way to the container's home.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PathPart {
    /// The directory.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Whether this user may pass through it; `None` when that cannot be told.
    pub passable: Option<bool>,
}
