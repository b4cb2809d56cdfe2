//! Starting the container, as casa_distro does and better.
//!
//! [`plan`] works out everything without touching anything; [`Plan::dry_run_line`] and [`Plan::to_json`] show it; [`launch`] makes the
//! private files, starts the engine, waits, and tells the exit status that a shell would give.

mod agent;
mod apptainer;
mod binds;
#[cfg_attr(not(unix), path = "capture_elsewhere.rs")]
mod capture;
mod cdi;
mod devices;
mod dialect;
mod display;
mod docker;
mod engine;
mod gbm;
mod home;
mod nv_parts;
mod nvidia;
mod options;
mod plan;
#[cfg(unix)]
mod private;
#[cfg(unix)]
mod process;
#[cfg_attr(not(unix), path = "run_elsewhere.rs")]
mod run;
#[cfg(unix)]
mod script;
mod settings;
mod show;
mod site;
mod unbound;
mod variables;
#[cfg_attr(not(unix), path = "witness_elsewhere.rs")]
mod witness;

use std::ffi::OsString;
use std::path::PathBuf;

use casa_doctor_checks::facts::EngineKind;

pub(crate) use binds::STANDARD;
pub(crate) use capture::{Captured, RESULT, capture};
pub(crate) use plan::{Plan, plan};
#[cfg(unix)]
pub(crate) use private::remove_at_a_crash;
#[cfg(unix)]
pub(crate) use process::ignored;
pub(crate) use run::{Ended, launch};
pub(crate) use settings::Settings;
pub(crate) use witness::Stdout;

use crate::recommend::OpenGl;

/// What is to be started, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// OpenGL mode.
    pub(crate) opengl: OpenGl,
    /// Whether the container gets the display and what the configuration has for graphical programs.
    pub(crate) gui: bool,
    /// Working directory in the container; without it the engine takes the current one where it exists there.
    pub(crate) cwd: Option<PathBuf>,
    /// Variables for the container, taken literally.
    pub(crate) env: Vec<(String, String)>,
    /// Image instead of the configured one: a file, relative to the current directory, or for Docker and Podman a name.
    pub(crate) image: Option<PathBuf>,
    /// Engine instead of the one that casa_distro would take: `apptainer`, `singularity`, `docker`, `podman`, or the path of one.
    pub(crate) engine: Option<OsString>,
    /// Options for the engine besides those of the configuration.
    pub(crate) options: Vec<String>,
    /// Whether the engine is started as root, through sudo.
    pub(crate) root: bool,
    /// Files of this machine that the container sees, too, and cannot change: the path here, and the one there.
    pub(crate) shown: Vec<(PathBuf, PathBuf)>,
    /// The command and its arguments; a shell when empty.
    pub(crate) command: Vec<OsString>,
}

impl Request {
    /// A command with a display and nothing special.
    pub(crate) fn new(opengl: OpenGl, command: Vec<OsString>) -> Self {
        Self {
            opengl,
            gui: true,
            cwd: None,
            env: Vec::new(),
            image: None,
            engine: None,
            options: Vec::new(),
            shown: Vec::new(),
            root: false,
            command,
        }
    }
}

/// Why the container could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// We are in one already.
    #[error("already inside a container ({0}): start the command itself, or leave the container first")]
    InsideContainer(String),
    /// Nothing on PATH.
    #[error("neither apptainer nor singularity was found on PATH, so the container cannot be started")]
    NoEngine,
    /// One that PATH does not lead to.
    #[error("the container engine {} is not on PATH, so neither casa_distro nor casa-doctor starts it: add its directory to PATH", .0.display())]
    BesidePath(PathBuf),
    /// Nothing on PATH that keeps images by name.
    #[error("neither docker nor podman was found on PATH, so the container cannot be started")]
    NoDocker,
    /// The one that was asked for is not there.
    #[error("the container engine {} was not found", .0.display())]
    EngineMissing(OsString),
    /// `--root` without sudo.
    #[error("sudo was not found on PATH, so the engine cannot be started as root")]
    NoSudo,
    /// The daemon does not answer.
    #[error("{0}")]
    Daemon(String),
    /// A file where a name is needed.
    #[error(
        "{} starts images by their name, and the image of this environment is the file {image}: name one of its own with --image \
         (\"casa_distro_admin convert_image\" makes one of a Singularity image), or start this one with --engine apptainer",
        engine.program()
    )]
    ImageIsFile {
        /// Docker or Podman.
        engine: EngineKind,
        /// As written.
        image: String,
    },
    /// The engine has no image of that name.
    #[error(
        "{program} has no image called \"{image}\" (image-missing): load it with \"{program} load -i FILE\", or make one of the \
         environment's Singularity image with \"casa_distro_admin convert_image\"; \"{program} image ls\" shows which there are",
        program = engine.program()
    )]
    ImageNotKept {
        /// Docker or Podman.
        engine: EngineKind,
        /// The name.
        image: String,
    },
    /// The engine could not be asked.
    #[error("it is not known which images there are: {0}")]
    ImageUnknown(String),
    /// `container_type` `vbox`.
    #[error("the environment is a VirtualBox machine: start it with VirtualBox, casa_distro 3 cannot either")]
    VirtualBox,
    /// Another `container_type`.
    #[error("\"container_type\" of the configuration is \"{0}\", which is none that casa_distro knows")]
    ContainerType(String),
    /// No `image`.
    #[error("the configuration names no image (key \"image\"), and none was given")]
    NoImage,
    /// There is no such image.
    #[error("the image {} does not exist", .0.display())]
    ImageMissing(PathBuf),
    /// Neither HOME nor the user database tells it.
    #[error("your home directory is not known (HOME is not set), so the container's cannot be found")]
    NoHome,
    /// The engine cannot be told the path of the home.
    #[error("{}, the container's home directory, has a colon, a line break or another byte in its path that the engine cannot take", .0.display())]
    HomePath(PathBuf),
    /// Files could not be made.
    #[error("cannot prepare {what}")]
    Prepare {
        /// Which, with its path where it has one.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The engine's program could not be run.
    #[error("cannot run {}", engine.display())]
    Run {
        /// The program.
        engine: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The engine ended before the command was started.
    #[error(
        "{} ended with status {status} before the command was started: what it wrote above says why",
        engine.display()
    )]
    NotStarted {
        /// The program.
        engine: PathBuf,
        /// Its exit status, as a shell gives it.
        status: i32,
        /// What it wrote to standard error, as far as it could be read.
        stderr: String,
    },
}

impl PartialEq for LaunchError {
    /// By the text: what the system says below it does not count.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
