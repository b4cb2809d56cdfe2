use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// VirtualBox: the virtual machines of this user, and this machine when it is one itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VirtualBox {
    /// The program VBoxManage.
    #[serde(serialize_with = "super::lossy::option")]
    pub manage: Option<PathBuf>,
    /// Its version, the numbers alone.
    pub version: Option<String>,
    /// The machines that it told about, at most sixteen.
    pub machines: Vec<VirtualMachine>,
    /// How many machines the user has.
    pub total: Option<usize>,
    /// What is seen from inside, when this machine is one of VirtualBox.
    pub guest: Option<VirtualBoxGuest>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// A virtual machine, as `VBoxManage showvminfo --machinereadable` tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VirtualMachine {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uuid: String,
    /// What system it is for, in VirtualBox's words: `Ubuntu (64-bit)`.
    pub os_type: Option<String>,
    /// `poweroff`, `running`, `saved`, `paused` …
    pub state: Option<String>,
    /// `vboxvga`, `vboxsvga`, `vmsvga`, `none` …
    pub graphics_controller: Option<String>,
    /// Whether 3D acceleration is on.
    pub accelerate_3d: Option<bool>,
    /// Video memory, in MB.
    pub video_memory_mb: Option<u64>,
    /// Memory, in MB.
    pub memory_mb: Option<u64>,
    /// The sound driver; `none` when sound is off, `null` for the one that makes no sound.
    pub audio: Option<String>,
    /// Names of its shared folders.
    pub shared_folders: Vec<String>,
    /// Version of the guest additions, known while it runs.
    pub guest_additions: Option<String>,
    /// The zoom of its window (`GUI/ScaleFactor`), when one is set.
    pub scale: Option<String>,
    /// Why it did not tell about itself.
    pub error: Option<String>,
}

/// A machine of VirtualBox, from inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VirtualBoxGuest {
    /// Folders of the host that are mounted.
    pub shared_folders: Vec<SharedFolder>,
    /// Whether the group `vboxsf` is there, with its id.
    pub group: Option<u32>,
    /// Whether the group file makes this user a member.
    pub member: Option<bool>,
    /// Whether the kernel has the module of the guest additions (`/dev/vboxguest`); `None` when that cannot be seen.
    pub additions: Option<bool>,
}

/// A mounted folder of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SharedFolder {
    /// Where it is mounted.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Whether this user may read it and go into it.
    pub usable: Option<bool>,
    /// The group that its files belong to.
    pub group: Option<u32>,
}
