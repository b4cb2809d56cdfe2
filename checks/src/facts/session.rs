use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// The user's session. Only variables that are named here or on the allow-list of the probe are ever stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Session {
    /// Effective user id; `None` where there is none (Windows).
    pub uid: Option<u32>,
    /// Login name.
    pub user: Option<String>,
    /// Home directory, from HOME or the user database.
    #[serde(serialize_with = "super::lossy::option")]
    pub home: Option<PathBuf>,
    /// Ids of the groups of *this* process, which is what counts, not what the group file says now.
    pub groups: Vec<u32>,
    /// `DISPLAY`, `None` when unset or empty.
    pub display: Option<String>,
    /// `XAUTHORITY`, `None` when unset or empty.
    #[serde(serialize_with = "super::lossy::option")]
    pub xauthority: Option<PathBuf>,
    /// `XDG_SESSION_TYPE` (`x11`, `wayland`, `tty`).
    pub session_type: Option<String>,
    /// `WAYLAND_DISPLAY`.
    pub wayland_display: Option<String>,
    /// Whether the session came by ssh: `SSH_CONNECTION` is set or an sshd is among the ancestors.
    pub ssh: bool,
    /// `tmux` or `screen`, when inside one of them.
    pub multiplexer: Option<String>,
    /// Whether `X2GO_SESSION` is set.
    pub x2go: bool,
    /// The user who called sudo (`SUDO_USER`).
    pub sudo_user: Option<String>,
    /// The container that casa-doctor itself runs in, as its markers name it (`casa-distro`, `apptainer`, `docker`, `podman`, `flatpak`).
    pub inside_container: Option<String>,
    /// Variables that bend rendering and are set (`LIBGL_*`, `__GLX_*`, `MESA_*`, …), with their values.
    pub graphics_variables: BTreeMap<String, String>,
    /// Names of engine and casa-distro variables that are set and would reach the container (`APPTAINERENV_*`, `CASA_HOST_DIR` …).
    pub leftover_variables: Vec<String>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}
