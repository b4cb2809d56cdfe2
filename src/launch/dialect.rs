//! What differs from one family of engines to another: how it is told what a launch wants, and how one lives with it while it runs.
//!
//! Everything else of a launch (what the configuration says, which cookie, which agent, which mounts) is worked out once for all.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::time::Duration;

use casa_doctor_checks::facts::{EngineKind, Facts};

use super::engine::Chosen;
use super::home::Home;
use super::plan::{Places, Plan};
use super::settings::Settings;
use super::site::Site;
use super::{LaunchError, Request};
use crate::host::Host;

/// Where the container sees the part of the private directory by which it tells that the command was started.
pub(super) const IN_CONTAINER: &str = "/casa/doctor";

/// The file there in which the started command leaves its number.
pub(super) const STARTED: &str = "started";

/// The script there that starts the command.
pub(super) const START: &str = "start";

/// A launch as far as it does not depend on the engine.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) settings: &'a Settings,
    pub(super) facts: &'a Facts,
    pub(super) request: &'a Request,
    pub(super) engine: &'a Chosen,
    pub(super) site: &'a Site,
    pub(super) image: &'a Image,
    /// Options of the configuration and of the request, in order.
    pub(super) options: &'a [String],
    pub(super) home: &'a Home,
    pub(super) home_in_container: &'a Path,
}

/// The image of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// A file, or a name.
    pub(super) what: PathBuf,
    /// What the image is started with, where casa-doctor has to start it by itself.
    pub(super) entry_point: Vec<OsString>,
}

/// How the command is begun, by those engines that leave more of it to us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The image's entry point.
    pub(super) entry_point: Vec<OsString>,
    /// The working directory in the container.
    pub(super) directory: PathBuf,
    /// Whether it has to be that one; else the home will do.
    pub(super) strict: bool,
    /// Whether the script is the first process of the container, which has to stay.
    pub(super) is_first: bool,
    /// Whether the container gets the terminal.
    pub(super) terminal: bool,
    /// Files that are put over the image's: name among our scripts, place in the container, content.
    pub(super) files: Vec<(&'static str, &'static str, Vec<u8>)>,
}

/// A launch under way.
#[cfg(unix)]
pub(super) struct Running<'a> {
    /// The number of the engine's process.
    pub(super) engine: i32,
    /// The number of the command, as the container sees it, once it was started.
    pub(super) started: Option<i32>,
    /// The name of the launch, which is that of its private directory and of its container.
    pub(super) name: &'a str,
    /// For how long the signals have been waiting.
    pub(super) waited: Duration,
}

/// What came of signals for the command.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandedOver {
    /// The command has them.
    Done,
    /// It is not there yet, so that they have to be handed over again.
    NotYet,
    /// It is not there yet, and the engine's program was told to end: whatever that ends with, the signals are the reason.
    EngineEnded,
}

/// What is being told about a launch while it is worked out.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What is not done, or not as the configuration says.
    pub(super) warnings: Vec<String>,
    /// How things are done.
    pub(super) notes: Vec<String>,
}

/// A launch in the words of an engine.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// What stands before the mounts.
    pub(super) head: Vec<OsString>,
    /// What stands between the mounts and the image.
    pub(super) tail: Vec<OsString>,
    /// Changes to the environment of the engine's process: values to set, names to remove.
    pub(super) process_env: BTreeMap<OsString, Option<OsString>>,
    /// How the command is begun.
    pub(super) beginning: Beginning,
}

/// A family of engines.
pub(super) trait Dialect: Sync {
    /// The image to be started.
    fn image(
        &self,
        host: &dyn Host,
        engine: &Chosen,
        settings: &Settings,
        facts: &Facts,
        request: &Request,
    ) -> Result<Image, LaunchError>;

    /// The options of the configuration that may be passed on; what is left out is told.
    fn options(&self, host: &dyn Host, settings: &Settings, request: &Request, warnings: &mut Vec<String>) -> Vec<String>;

    /// Whether the container has, with these options, a `/tmp` of its own, in which the X server's socket is not found.
    fn hides_tmp(&self, options: &[String]) -> bool;

    /// What the administrator has decided about the engine.
    fn site(&self, _host: &dyn Host, _engine: &Chosen) -> Site {
        Site::default()
    }

    /// Directories that stand in the container at their place without being asked for, where the engine does not do that itself.
    fn shared(&self, _host: &dyn Host) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether a container of root is had by starting the engine as root.
    fn asks_sudo(&self) -> bool {
        true
    }

    /// Whether a path can be part of a mount, or why not. It is UTF-8 and has no line break.
    fn can_mount(&self, engine: &Chosen, path: &str) -> Result<(), &'static str>;

    /// The arguments that make a mount.
    fn mount(&self, source: &Path, container: &Path) -> Vec<OsString>;

    /// The arguments that make a mount which the container cannot write to.
    fn mount_read_only(&self, source: &Path, container: &Path) -> Vec<OsString> {
        let mut arguments = self.mount(source, container);
        let as_fields = arguments.first().is_some_and(|option| option == "--mount");
        if let Some(value) = arguments.last_mut() {
            value.push(if as_fields { ",ro" } else { ":ro" });
        }
        arguments
    }

    /// Everything but the mounts. Variables that only the mode "nv" needs are added to `env`.
    fn words(&self, wanted: &Wanted<'_>, env: &mut BTreeMap<String, OsString>, told: &mut Told) -> Result<Words, LaunchError>;

    /// What stands before the image: in a real launch, whose private files are made, and in the line that shows it.
    fn more(&self, _plan: &Plan, _places: Option<Places<'_>>) -> Vec<OsString> {
        Vec::new()
    }

    /// What stands between image and command in a real launch.
    fn start(&self, places: Places<'_>) -> Vec<OsString>;

    /// The files in the directory that the container sees of us, by name: what starts the command.
    #[cfg(unix)]
    fn scripts(&self, plan: &Plan) -> Vec<(&'static str, Vec<u8>)>;

    /// Whether the command is no process of ours, so that it gets no signal, not even from the keyboard, that is not handed over, and
    /// stays behind, under the name of the launch, when the engine's program ends too early.
    #[cfg(unix)]
    fn is_apart(&self) -> bool {
        false
    }

    /// Sends signals to the command; before it was started, to what would start it.
    #[cfg(unix)]
    fn hand_over(&self, host: &dyn Host, plan: &Plan, running: &Running<'_>, signals: &BTreeSet<i32>) -> HandedOver;
}

/// The family of an engine.
pub(super) const fn of(kind: EngineKind) -> &'static dyn Dialect {
    match kind {
        EngineKind::Apptainer | EngineKind::Singularity => &super::apptainer::Apptainer,
        EngineKind::Docker | EngineKind::Podman => &super::docker::Docker,
    }
}
