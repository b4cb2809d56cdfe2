use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unknowns;

/// XQuartz, the X server of macOS: what is installed, how it is set, and how it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Xquartz {
    /// The application, or the program of the server where the application is not found.
    #[serde(serialize_with = "super::lossy::option")]
    pub app: Option<PathBuf>,
    /// Its version, such as `2.8.5`.
    pub version: Option<String>,
    /// The preference domain that it reads: `org.xquartz.X11`, before version 2.8 `org.macosforge.xquartz.X11`.
    pub domain: Option<String>,
    /// The keys that matter, in every domain where they stand.
    pub settings: Vec<XquartzSetting>,
    /// Whether the server is among the user's processes.
    pub running: Option<bool>,
    /// The arguments of the server, from its process or else from its log (which may be that of an earlier one).
    pub arguments: Option<XquartzArguments>,
    /// DISPLAY as launchd hands it to new sessions; empty when it hands out none.
    pub launchd_display: Option<String>,
    /// What answers on the server's TCP port of this machine, asked without a cookie.
    pub tcp: XquartzTcp,
    /// Lines of start-up files that set DISPLAY.
    pub display_lines: Vec<DisplayLine>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// A preference, as `startx` of XQuartz would read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct XquartzSetting {
    /// The domain in which it stands.
    pub domain: String,
    /// `nolisten_tcp`, `no_auth` or `enable_iglx`.
    pub key: String,
    /// The text that `defaults read` prints: `1` and `0` for booleans.
    pub value: String,
    /// The type: `boolean`, `string`, `integer`.
    pub kind: Option<String>,
    /// `defaults`, or the file that was read.
    pub source: String,
}

/// The part of the server's arguments that matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct XquartzArguments {
    /// Display number.
    pub number: Option<u16>,
    /// Whether it listens on TCP (`-listen tcp`, `-nolisten tcp`).
    pub tcp: Option<bool>,
    /// Whether it takes indirect OpenGL (`+iglx`, `-iglx`).
    pub iglx: Option<bool>,
    /// Whether it asks for a cookie (`-auth`).
    pub authority: bool,
    /// `ps`, or the log file.
    pub source: String,
}

/// What is behind the TCP port of XQuartz.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum XquartzTcp {
    /// It was not tried.
    #[default]
    NotTried,
    /// Nobody listens.
    Closed,
    /// An X server that lets programs of this machine in without a cookie.
    LetsIn,
    /// An X server that wants a cookie, or an entry of `xhost`.
    WantsCookie {
        /// Its words.
        reason: String,
    },
    /// Anything else.
    Other {
        /// In words.
        reason: String,
    },
}

/// A line of a shell's start-up file that sets DISPLAY.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DisplayLine {
    /// The file.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// The line's text, shortened.
    pub text: String,
}
