use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DisplayLine, Unknowns};

/// The Windows Subsystem for Linux, seen from inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Wsl {
    /// 1 or 2.
    pub version: u8,
    /// The name under which Windows knows the distribution (`WSL_DISTRO_NAME`), which sudo, ssh and services lose.
    pub distribution: Option<String>,
    /// How it is connected with Windows: `nat`, `mirrored`, `bridged` …, as `wslinfo --networking-mode` prints it.
    pub networking: Option<String>,
    /// Whether `/mnt/wslg` is there: the display of Windows for Linux programs.
    pub wslg: bool,
    /// Whether its X server has made its socket (`/mnt/wslg/.X11-unix/X0`).
    pub wslg_socket: bool,
    /// What programs find at the place where they look for that socket.
    pub display_socket: WslDisplaySocket,
    /// The default gateway, which is Windows itself unless networking is mirrored or bridged (`/proc/net/route`).
    pub gateway: Option<String>,
    /// The first name server of `/etc/resolv.conf`, which old instructions take for Windows.
    pub nameserver: Option<String>,
    /// Whether `/dev/dxg`, the graphics card as Windows lends it, can be opened.
    pub dxg: Option<bool>,
    /// Libraries of `/usr/lib/wsl/lib` that graphics and computing need.
    pub libraries: Vec<String>,
    /// What `/dev/shm` is.
    pub shared_memory: WslSharedMemory,
    /// Libraries of an NVIDIA driver for Linux, which hide those of Windows.
    #[serde(serialize_with = "super::lossy::list")]
    pub linux_nvidia_libraries: Vec<PathBuf>,
    /// Lines of start-up files that set DISPLAY.
    pub display_lines: Vec<DisplayLine>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// The state of `/tmp/.X11-unix/X0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WslDisplaySocket {
    /// It could not be looked at.
    #[default]
    Unknown,
    /// A socket.
    Present,
    /// The directory `/tmp/.X11-unix` is not there.
    NoDirectory,
    /// The directory is there and has no such name: something made it anew over that of WSLg.
    Hidden,
    /// A link that leads nowhere, mostly to itself: what "rm; ln -s" leaves behind.
    Loop,
    /// Something else.
    Other,
}

/// What `/dev/shm` is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum WslSharedMemory {
    /// It could not be looked at.
    #[default]
    Unknown,
    /// A directory, as programs expect it.
    Directory,
    /// A link, as older versions of WSL make it: in a container it leads nowhere unless its target is mounted.
    Link {
        /// Where it points to.
        target: PathBuf,
        /// Whether the target is a directory in which everybody may make files.
        usable: bool,
    },
    /// Nothing is there.
    Missing,
}
