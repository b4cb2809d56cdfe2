use std::collections::BTreeMap;
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
    /// The graphics devices of the PCI bus, with or without a driver; `None` when the bus cannot be listed.
    pub pci: Option<Vec<PciCard>>,
    /// Which of NVIDIA's programs are on PATH: `nvidia-container-cli`, `nvidia-ctk`, `nvidia-modprobe`, `nvidia-smi`.
    pub nvidia_tools: Vec<String>,
    /// Whether the running kernel has NVIDIA's module among its modules, loaded or not.
    pub nvidia_module: Option<bool>,
    /// Whether the firmware has Secure Boot on, so that the kernel takes signed modules only.
    pub secure_boot: Option<bool>,
    /// The specifications of NVIDIA devices for containers (CDI), from `/etc/cdi` and `/var/run/cdi`.
    pub cdi: Vec<CdiSpec>,
    /// The job of a batch scheduler that this process belongs to.
    pub job: Option<Job>,
    /// What the configuration of Apptainer or Singularity says about `--nv`; `None` when there is no such engine.
    pub nv_settings: Option<NvSettings>,
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
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Whether this user may read and write it.
    pub usable: bool,
    /// Owner's group id.
    pub group: Option<u32>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Name of the group, when the group file has one.
    pub group_name: Option<String>,
    /// Whether it was refused by the device controller of a cgroup (EPERM) and not by the permission bits (EACCES).
    pub refused_by_cgroup: bool,
}

/// A graphics device of the PCI bus (class 03).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PciCard {
    /// Such as `0000:01:00.0`.
    pub address: String,
    /// Vendor id, such as `0x10de`.
    pub vendor: String,
    /// Device id.
    pub device: Option<String>,
    /// The kernel driver that is bound to it (`nvidia`, `nouveau`, `vfio-pci`); `None` when none is.
    pub driver: Option<String>,
}

/// A CDI specification of NVIDIA devices: what an engine puts into a container that asks for `nvidia.com/gpu`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CdiSpec {
    /// The file.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Why it cannot be used, if so.
    pub error: Option<String>,
    /// How many paths of the host it names.
    pub host_paths: u32,
    /// Those that do not exist (the first ones).
    #[serde(serialize_with = "super::lossy::list")]
    pub missing: Vec<PathBuf>,
    /// Versions of the driver in the names of the libraries that it mounts.
    pub versions: Vec<String>,
}

/// A job of a batch scheduler.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Job {
    /// `Slurm`, `PBS`, `LSF`, `Grid Engine` or `OAR`.
    pub scheduler: String,
    /// The cards that it was given, as the scheduler names them; `None` when it names none.
    pub gpus: Option<String>,
}

/// What decides about `--nv` in the configuration of Apptainer or Singularity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NvSettings {
    /// `apptainer.conf` or `singularity.conf`.
    #[serde(serialize_with = "super::lossy::option")]
    pub config: Option<PathBuf>,
    /// `always use nv`: every start is as if `--nv` had been given.
    pub always: Option<bool>,
    /// `use nvidia-container-cli`: NVIDIA's own tool chooses the libraries, not the list.
    pub container_cli: Option<bool>,
    /// `nvliblist.conf`.
    #[serde(serialize_with = "super::lossy::option")]
    pub list: Option<PathBuf>,
    /// Names of libraries in the list, as beginnings of names (`libGL.so`).
    pub libraries: Vec<String>,
    /// Other files in the list.
    #[serde(serialize_with = "super::lossy::list")]
    pub files: Vec<PathBuf>,
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
    #[serde(serialize_with = "super::lossy::option")]
    pub user_library: Option<PathBuf>,
    /// `/dev/nvidia*` nodes.
    pub nodes: Vec<DeviceNode>,
    /// Whether `nvidia-container-cli` is on PATH; stock casa_distro's `auto` asks for it.
    pub container_cli: bool,
    /// Libraries of other versions that are installed as well, each with its file.
    pub other_versions: BTreeMap<String, PathBuf>,
    /// Whether the part that draws (libGLX_nvidia) was found; a driver without it serves computing only.
    pub draws: Option<bool>,
    /// Numbers of the cards that the loaded driver has, from /proc/driver/nvidia/gpus: each needs its `/dev/nvidiaN`.
    pub minors: Vec<u32>,
    /// The directory with a second build of libnvidia-tls, which old drivers have.
    #[serde(serialize_with = "super::lossy::option")]
    pub tls: Option<PathBuf>,
}
