use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// The computer and its operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Machine {
    /// `linux`, `macos` or `windows`, as Rust names the target.
    pub os: String,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: Option<String>,
    /// Processor architecture, such as `x86_64`.
    pub arch: String,
    /// The distribution, from os-release.
    pub distribution: Option<Distribution>,
    /// Whether the system is one read-only image onto which packages are layered by rpm-ostree (Fedora Silverblue and its like).
    pub ostree: bool,
    /// The name of the machine, as `uname -n` prints it.
    pub hostname: Option<String>,
    /// Version of the C library that this machine's programs run with, such as `2.36`; `None` also where there is no glibc.
    pub glibc: Option<String>,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Windows Subsystem for Linux, told from the kernel release (`4.4.0-…-Microsoft` is version 1).
    pub wsl: Option<u8>,
    /// The hypervisor, when the machine is a virtual one (`virtualbox`, `vmware`, `kvm` …), from DMI.
    pub hypervisor: Option<String>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// The fields of os-release that are used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Distribution {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`.
    pub version: Option<String>,
    /// `PRETTY_NAME`.
    pub name: Option<String>,
}
