use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ssh agent that `SSH_AUTH_SOCK` names, asked with the agent's own protocol (only a listing is ever requested).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SshAgent {
    /// `SSH_AUTH_SOCK`; `None` when unset or empty.
    #[serde(serialize_with = "super::lossy::option")]
    pub socket: Option<PathBuf>,
    /// How it answered.
    pub state: AgentState,
    /// Private key files in ~/.ssh, by name only.
    pub key_files: Vec<String>,
    /// Whether `keychain` is on PATH.
    #[serde(serialize_with = "super::lossy::option")]
    pub keychain: Option<PathBuf>,
}

/// How an agent answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum AgentState {
    /// The variable is unset or empty.
    #[default]
    Unset,
    /// The path does not exist.
    Missing,
    /// A socket nobody listens on, or no socket at all (a file, a directory).
    Refused,
    /// The path may not be opened.
    Denied,
    /// The other side closed: what ssh-agent does to another user.
    Closed,
    /// It accepted and said nothing in time.
    Hung {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// It answered in another language.
    NotAnAgent {
        /// What it said, in words.
        detail: String,
    },
    /// It answered with a failure.
    Failure,
    /// It listed its keys. None at all means empty *or* locked: the protocol does not tell them apart.
    Listed {
        /// Types of the keys, such as `ssh-ed25519`.
        key_types: Vec<String>,
    },
    /// Anything else.
    Other {
        /// In words.
        detail: String,
    },
}
