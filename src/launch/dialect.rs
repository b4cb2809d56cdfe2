//! What differs from one family of engines to another: how it is told what a launch wants, and how one lives with it while it runs.
//!
//! Everything else of a launch (what the configuration says, which cookie, which agent, which mounts) is worked out once for all.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{EngineKind, Facts};

use super::engine::Chosen;
use super::home::Home;
use super::plan::Places;
#[cfg(unix)]
use super::plan::Plan;
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
    /// Options of the configuration and of the request, in order.
    pub(super) options: &'a [String],
    pub(super) home: &'a Home,
    pub(super) home_in_container: &'a Path,
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
}

/// A family of engines.
pub(super) trait Dialect: Sync {
    /// The image to be started: a file, or a name.
    fn image(&self, host: &dyn Host, settings: &Settings, facts: &Facts, request: &Request) -> Result<PathBuf, LaunchError>;

    /// The options of the configuration that may be passed on; what is left out is told.
    fn options(&self, host: &dyn Host, settings: &Settings, request: &Request, warnings: &mut Vec<String>) -> Vec<String>;

    /// Whether the container has, with these options, a `/tmp` of its own, in which the X server's socket is not found.
    fn hides_tmp(&self, options: &[String]) -> bool;

    /// What the administrator has decided about the engine.
    fn site(&self, _host: &dyn Host, _engine: &Chosen) -> Site {
        Site::default()
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

    /// What stands between image and command in a real launch, and what the image is started with.
    fn start(&self, places: Places<'_>) -> Vec<OsString>;

    /// The files in the directory that the container sees of us, by name: what starts the command.
    #[cfg(unix)]
    fn scripts(&self, plan: &Plan) -> Vec<(&'static str, Vec<u8>)>;

    /// Sends signals to the command, whose number is `started` as the container sees it; before it was started, to what would start
    /// it. True when that is done, false when it has to be tried again.
    #[cfg(unix)]
    fn hand_over(&self, host: &dyn Host, engine: i32, started: Option<i32>, signals: &BTreeSet<i32>) -> bool;
}

/// The family of an engine, which is one that [`super::engine::choose`] gives.
pub(super) const fn of(_: EngineKind) -> &'static dyn Dialect {
    &super::apptainer::Apptainer
}
