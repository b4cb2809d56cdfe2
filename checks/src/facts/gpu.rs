use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// Graphics cards and their device nodes, read from files: no driver is loaded for this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Gpu {
    /// The cards that the kernel drives.
    pub cards: Vec<Card>,
    /// `/dev/dri/renderD*` and whether this user may open each.
    pub render_nodes: Vec<DeviceNode>,
    /// The NVIDIA driver, when any part of it is there.
    pub nvidia: Option<Nvidia>,
    /// Whether `/dev/dxg`, the Windows graphics of WSL, is there.
    pub dxg: bool,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// A graphics card of `/sys/class/drm`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Card {
    /// Such as `card0`.
    pub name: String,
    /// PCI vendor id, such as `0x10de`.
    pub vendor: Option<String>,
    /// PCI device id.
    pub device: Option<String>,
    /// Kernel driver (`i915`, `amdgpu`, `nvidia`, `nouveau`, `vmwgfx`).
    pub driver: Option<String>,
}

/// A device node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DeviceNode {
    /// Its path.
    pub path: PathBuf,
    /// Whether this user may read and write it.
    pub usable: bool,
    /// Owner's group id.
    pub group: Option<u32>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// The parts of the NVIDIA driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Nvidia {
    /// Version of the loaded kernel module, from /proc/driver/nvidia/version.
    pub kernel_version: Option<String>,
    /// Version of the user-space libraries (suffix of libGLX_nvidia / libnvidia-glcore), as the ld cache names them.
    pub user_version: Option<String>,
    /// Where that was read.
    pub user_library: Option<PathBuf>,
    /// `/dev/nvidia*` nodes.
    pub nodes: Vec<DeviceNode>,
    /// Whether `nvidia-container-cli` is on PATH; stock casa_distro's `auto` asks for it.
    pub container_cli: bool,
}
