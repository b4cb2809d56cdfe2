use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Unknowns, XquartzTcp};

/// Windows itself, seen by a casa-doctor that runs there and not in the Windows Subsystem for Linux.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Windows {
    /// The program `wsl.exe` of the system; it may stand there although the subsystem was never installed.
    #[serde(serialize_with = "super::lossy::option")]
    pub wsl: Option<PathBuf>,
    /// The distributions of Linux that this user has, from the registry, whose words are the same in every language.
    pub distributions: Option<Vec<WslDistribution>>,
    /// `guiApplications` in the user's `.wslconfig`; `None` when the file does not say.
    pub gui_applications: Option<bool>,
    /// What answers at the port of the first display (6000), where an X server of Windows listens.
    pub x_server: XquartzTcp,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// A distribution of Linux in the Windows Subsystem for Linux.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WslDistribution {
    /// Its name.
    pub name: String,
    /// 1 or 2.
    pub version: Option<u8>,
    /// Whether it is the one that `wsl` starts without a name.
    pub is_default: bool,
}
