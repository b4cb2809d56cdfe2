use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// The manifests by which EGL and Vulkan find their drivers, and the libraries that `--nv` brings from the host. Files alone: no
/// driver is loaded for this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Manifests {
    /// Vendors of EGL, in the order in which libglvnd loads them.
    pub egl: ManifestSearch,
    /// Drivers of Vulkan, in the order in which its loader finds them.
    pub vulkan: ManifestSearch,
    /// Whether the EGL library itself (`libEGL.so.1`) is installed; `None` when the linker's cache cannot be read.
    pub has_egl: Option<bool>,
    /// The same for Vulkan's loader (`libvulkan.so.1`).
    pub has_vulkan: Option<bool>,
    /// Libraries of the host that stand before a driver (`libGL.so.1`, `libEGL.so.1`, …) and that `nvliblist.conf` names.
    pub dispatch: Vec<HostLibrary>,
    /// Why a field above is `None` or empty.
    pub unknown: Unknowns,
}

/// Where manifests were looked for, and those that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManifestSearch {
    /// The variable that replaces the usual places, when one is set.
    pub variable: Option<String>,
    /// The manifests.
    pub found: Vec<Manifest>,
}

/// A manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Manifest {
    /// The file.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Why the loader passes it over, if so.
    pub error: Option<String>,
    /// `library_path`, as it is written.
    pub library: Option<String>,
    /// The file that this leads to; `None` when there is none, or when that cannot be known.
    #[serde(serialize_with = "super::lossy::option")]
    pub resolved: Option<PathBuf>,
    /// Whether the library was looked for and is not there.
    pub library_missing: bool,
    /// Whether it is for programs of another architecture than this machine's own (`*.i686.json`, `library_arch`).
    pub other_architecture: bool,
}

/// A library of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HostLibrary {
    /// Its name in the linker's cache, such as `libGL.so.1`.
    pub name: String,
    /// The file.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// The newest version of the C library that it asks for, such as `2.34`.
    pub glibc: Option<String>,
}
