use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where an environment was looked for, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EnvironmentSearch {
    /// How the environment was named: `argument`, `CASA_ENVIRONMENT_DIR`, `current-directory`, `base-directory`, `none`.
    pub named_by: String,
    /// The environment, when exactly one was found.
    pub found: Option<Environment>,
    /// Environments to choose from, when there are several and none was named.
    #[serde(serialize_with = "super::lossy::list")]
    pub candidates: Vec<PathBuf>,
    /// The value of `CASA_ENVIRONMENT_DIR`, when it is set and names no environment.
    #[serde(serialize_with = "super::lossy::option")]
    pub stale_variable: Option<PathBuf>,
}

/// A casa-distro environment and the configuration that casa_distro 3.x would work with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Environment {
    /// What casa_distro calls `directory`: the parent of `conf`, so `<env>/host` in the second layout.
    #[serde(serialize_with = "super::lossy::path")]
    pub directory: PathBuf,
    /// The environment's own file.
    pub file: ConfigFile,
    /// The other layout's file, when both exist; casa_distro then refuses with "Several environments found".
    #[serde(serialize_with = "super::lossy::option")]
    pub other_layout: Option<PathBuf>,
    /// The user's file (`casa_distro_3.json`), when it exists.
    pub user_file: Option<ConfigFile>,
    /// Built-in defaults, environment file and user file merged by casa_distro's rules; `None` when a file cannot be read.
    pub merged: Option<Value>,
    /// The mounts of the merged view, substituted as casa_distro means them, with what stands on the host.
    pub mounts: Vec<Mount>,
    /// What casa-doctor recorded for this user alone: the value of the key `casa_doctor` in the user's own record.
    pub decided: Option<Value>,
    /// The absolute paths that options of the merged configuration bind.
    pub option_binds: Vec<OptionBind>,
    /// What the directory's path has of the signs at which engines end a path.
    pub directory_signs: BTreeSet<PathSign>,
    /// The same of the path of the container's home directory; `None` when that was not recorded.
    pub home_signs: Option<BTreeSet<PathSign>>,
    /// Where the container's home directory is on the host.
    #[serde(serialize_with = "super::lossy::option")]
    pub home: Option<PathBuf>,
    /// Whether that directory exists.
    pub home_exists: Option<bool>,
    /// Whether the user may write into it, or could create it.
    pub home_writable: Option<bool>,
    /// Whether `overlay.img` exists in the directory.
    pub overlay: Option<bool>,
    /// Variables of the host that the configuration refers to (`$NAME`, `${NAME}`), and whether each is set.
    pub referenced_variables: BTreeMap<String, bool>,
    /// Directories that casa_distro mounts into every container and passes over here, because they are links.
    pub linked_directories: Vec<LinkedDirectory>,
    /// Files that look like configuration of this environment or user and that casa_distro 3.x never reads.
    #[serde(serialize_with = "super::lossy::list")]
    pub unread_files: Vec<PathBuf>,
}

/// A sign at which Apptainer and Singularity end a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PathSign {
    /// `:`
    Colon,
    /// `,`
    Comma,
    /// The end of a line.
    LineBreak,
}

impl PathSign {
    /// Those that a path has.
    #[must_use]
    pub fn of(path: &str) -> BTreeSet<Self> {
        let all = [(Self::Colon, ':'), (Self::Comma, ','), (Self::LineBreak, '\n')];
        all.into_iter().filter(|(_, sign)| path.contains(*sign)).map(|(sign, _)| sign).collect()
    }
}

/// A directory of the root, such as `/home`, that is a link to another place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LinkedDirectory {
    /// Its path.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Where it leads in the end.
    #[serde(serialize_with = "super::lossy::path")]
    pub target: PathBuf,
}

/// A configuration file as it was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConfigFile {
    /// Its path, as it was found (links not resolved).
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Size, in bytes.
    pub size: Option<u64>,
    /// Why its text could not be read or is not the JSON that Python's `json` module takes.
    pub error: Option<ConfigError>,
    /// The top-level object.
    pub value: Option<Value>,
    /// JSON pointer of every key and element → line (from 1), so that a finding can name the place.
    pub lines: BTreeMap<String, u32>,
    /// Keys that stand twice in one object, as JSON pointers; the last one counts.
    pub duplicate_keys: Vec<String>,
}

/// Why a configuration file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigError {
    /// What kind of trouble.
    pub kind: ConfigErrorKind,
    /// In words, lower-case, without the file's name.
    pub message: String,
    /// Line, from 1, where there is one.
    #[serde(default)]
    pub line: Option<u32>,
    /// Column in characters, from 1, where there is one.
    #[serde(default)]
    pub column: Option<u32>,
}

/// The kinds of [`ConfigError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigErrorKind {
    /// There is no such file.
    Missing,
    /// The file cannot be opened or read.
    Unreadable,
    /// A directory or another thing stands where the file should be.
    NotAFile,
    /// Larger than any real configuration (1 MiB); it was not read.
    TooLarge,
    /// It has no text.
    Empty,
    /// It is not UTF-8.
    NotUtf8,
    /// The JSON is broken.
    Syntax,
    /// Nested deeper than 128 levels.
    TooDeep,
    /// The JSON is not an object.
    NotAnObject,
}

/// A path that an option of the engine binds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OptionBind {
    /// The option with its value.
    pub option: String,
    /// The path on the host.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Whether it exists.
    pub exists: Option<bool>,
}

/// The place in the container that a key of `mounts` names, and whether what is there is for reading only. casa_distro hands the key
/// to the engine as it stands, which reads `/data:ro` as a place and an option.
#[must_use]
pub fn place_of_mount(container: &str) -> (&str, bool) {
    match container.rsplit_once(':') {
        Some((place, "ro")) => (place, true),
        Some((place, "rw")) => (place, false),
        _ => (container, false),
    }
}

/// One mount of the merged configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Mount {
    /// Path in the container, as written.
    pub container: String,
    /// Path on the host, as written; `None` when the mount is disabled with `null`.
    pub host: Option<String>,
    /// Path on the host after substitution; `None` when it cannot be worked out.
    #[serde(serialize_with = "super::lossy::option")]
    pub resolved: Option<PathBuf>,
    /// Whether the resolved path exists.
    pub exists: Option<bool>,
    /// `built-in`, `environment` or `user`: which file it comes from.
    pub source: String,
}

impl Mount {
    /// The place in the container, without what the engine reads as an option.
    #[must_use]
    pub fn place(&self) -> &str {
        place_of_mount(&self.container).0.trim_end_matches('/')
    }
}
