use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How soma-workflow, which BrainVISA uses for distributed execution, is configured. Nothing but files was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SomaWorkflow {
    /// Its configuration files that exist: the one that soma-workflow reads first comes first.
    pub files: Vec<SomaFile>,
    /// `bv` as PATH finds it.
    #[serde(serialize_with = "super::lossy::option")]
    pub bv_on_path: Option<PathBuf>,
    /// The environment's directory of run scripts, when there is an environment with one.
    pub scripts: Option<RunScripts>,
    /// Where the Python package `soma_workflow` was found for the host's own Python.
    #[serde(serialize_with = "super::lossy::option")]
    pub host_package: Option<PathBuf>,
}

/// The directory with the run scripts of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunScripts {
    /// The directory.
    #[serde(serialize_with = "super::lossy::path")]
    pub directory: PathBuf,
    /// Whether PATH names it.
    pub on_path: bool,
}

/// A configuration file of soma-workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SomaFile {
    /// Its path.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Whether it is for programs in the container only (it lies in the container's home directory).
    pub in_container: bool,
    /// Why it could not be read, or why Python's `configparser` refuses it.
    pub error: Option<SomaError>,
    /// Its sections, one for each computing resource.
    pub resources: Vec<SomaResource>,
}

/// Why a file of soma-workflow cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SomaError {
    /// Line, from 1, where there is one.
    pub line: Option<u32>,
    /// In words, lower-case.
    pub message: String,
}

/// A computing resource. Only settings that are judged are stored: commands may hold secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SomaResource {
    /// The section's name.
    pub name: String,
    /// Line of the section, from 1.
    pub line: u32,
    /// `SCHEDULER_TYPE`.
    pub scheduler: Option<String>,
    /// Whether its jobs are submitted on this machine, as far as the names in the file tell.
    pub served_here: bool,
    /// Whether soma-workflow takes it for its own machine, which it reaches without ssh.
    pub local: bool,
    /// `LIGHT_MODE` as it is written.
    pub light_mode: Option<SomaSetting>,
    /// `PYTHON_COMMAND`, up to the end of its first word.
    pub python_command: Option<SomaSetting>,
    /// `CONTAINER_COMMAND`.
    pub container_command: Option<ContainerCommand>,
    /// Settings whose value `configparser` cannot give out, because of a lone `%`.
    pub bad_percent: Vec<SomaSetting>,
}

/// A setting and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SomaSetting {
    /// Line, from 1.
    pub line: u32,
    /// The value, or the setting's name where the value is not stored.
    pub value: String,
}

/// `CONTAINER_COMMAND`: a list in Python's notation, each item a word of the command before the job's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerCommand {
    /// Line, from 1.
    pub line: u32,
    /// Why it is not a list of texts, if so.
    pub error: Option<String>,
    /// Its first item, as written.
    pub program: Option<String>,
    /// Whether that program is there and may be run; `None` when it names a variable that is not set here.
    pub found: Option<bool>,
}
