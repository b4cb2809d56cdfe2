use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The plug-ins of this site, and what they said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Plugins {
    /// Each plug-in, sorted by name.
    pub found: Vec<Plugin>,
}

/// A program `casa-doctor-check-NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Plugin {
    /// Its NAME.
    pub name: String,
    /// The program, as it was found.
    #[serde(serialize_with = "super::lossy::path")]
    pub file: PathBuf,
    /// How it ended.
    pub end: PluginEnd,
    /// What it answered, in JSON; `None` for every other end than [`PluginEnd::Answered`].
    pub answer: Option<Value>,
    /// The last lines of its standard error; `None` when it wrote nothing there.
    pub stderr: Option<String>,
    /// Wall time, in milliseconds.
    pub duration_ms: u64,
}

/// The ends that a plug-in can come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "end")]
pub enum PluginEnd {
    /// It exited with status 0 and wrote one JSON document.
    Answered,
    /// It exited with status 0 and wrote nothing.
    #[default]
    Silent,
    /// It was not started, because casa-doctor does not trust the file or its name.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
    /// It exited with another status than 0.
    Failed {
        /// The status.
        status: i32,
    },
    /// A signal ended it.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// It was still running at the end of its time, and was ended.
    TimedOut {
        /// How long it was given, in milliseconds.
        limit_ms: u64,
    },
    /// It wrote more than is read.
    TooMuch {
        /// How much is read, in bytes.
        limit_bytes: u64,
    },
    /// What it wrote is not one JSON document.
    NotJson {
        /// Why, with line and column.
        reason: String,
    },
}
