//! Recordings: the facts of a machine in a file, to be judged anywhere.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use casa_doctor_checks::facts::Facts;
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::report::text::harmless;

/// The version of the form that this program writes. It reads all earlier ones: a fact that they do not know is unknown.
const SCHEMA_VERSION: u32 = 1;
/// No real recording comes near this.
const LIMIT: u64 = 64 << 20;

/// A recording.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Recording {
    /// Version of the form.
    pub(crate) schema_version: String,
    /// Version of the casa-doctor that made it.
    #[serde(default)]
    pub(crate) tool_version: String,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub(crate) recorded_at: String,
    /// Whether what is private was taken out.
    #[serde(default)]
    pub(crate) redacted: bool,
    /// What was seen.
    pub(crate) facts: Facts,
}

/// The part of a recording that tells how to read the rest.
#[derive(Deserialize)]
struct Version {
    schema_version: String,
}

/// Why a recording cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    /// The file cannot be read.
    #[error("cannot read the recording {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a recording.
    #[error("{}:{line}:{column}: not a recording of casa-doctor: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It was made by a later program.
    #[error("{}: the recording has version {found}, and this casa-doctor reads versions up to {SCHEMA_VERSION}: use a newer casa-doctor", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

impl Recording {
    /// A recording of these facts.
    pub(crate) fn new(facts: Facts, now: SystemTime) -> Self {
        Self {
            schema_version: SCHEMA_VERSION.to_string(),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            recorded_at: crate::report::rfc3339(now),
            redacted: false,
            facts,
        }
    }

    /// Reads a recording. It is data: nothing that stands in it runs or writes anything.
    pub(crate) fn read(host: &dyn Host, path: &Path) -> Result<Self, RecordingError> {
        let bytes = host.read(path, LIMIT).map_err(|source| RecordingError::Unreadable { path: path.into(), source })?;
        Self::parse(&bytes, path)
    }

    /// Reads the text of a recording; `path` is for errors.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, RecordingError> {
        let malformed = |error: serde_json::Error| RecordingError::Malformed {
            path: path.into(),
            line: error.line(),
            column: error.column(),
            message: harmless(&error.to_string()),
        };
        // The version comes first: what a later program wrote may look like a mistake.
        let version: Version = serde_json::from_slice(bytes).map_err(malformed)?;
        match version.schema_version.parse::<u32>() {
            Ok(version) if version <= SCHEMA_VERSION => serde_json::from_slice(bytes).map_err(malformed),
            _ => Err(RecordingError::Newer { path: path.into(), found: harmless(&version.schema_version) }),
        }
    }
}
