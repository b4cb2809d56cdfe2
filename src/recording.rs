//! Recordings: the facts of a machine in a file, to be judged anywhere.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use casa_doctor_checks::facts::Facts;
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// The version of the form that this program writes.
const SCHEMA_VERSION: &str = "1";
/// No real recording comes near this.
const LIMIT: u64 = 64 << 20;

/// A recording.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Recording {
    /// Version of the form.
    pub(crate) schema_version: String,
    /// Version of the casa-doctor that made it.
    pub(crate) tool_version: String,
    /// When it was made, RFC 3339.
    pub(crate) recorded_at: String,
    /// What was seen.
    pub(crate) facts: Facts,
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
    #[error("{}: the recording has version {found}, and this casa-doctor reads version {SCHEMA_VERSION}: use a newer casa-doctor", path.display())]
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
            schema_version: SCHEMA_VERSION.into(),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            recorded_at: crate::report::rfc3339(now),
            facts,
        }
    }

    /// Reads a recording. It is data: nothing that stands in it runs or writes anything.
    pub(crate) fn read(host: &dyn Host, path: &Path) -> Result<Self, RecordingError> {
        let bytes = host.read(path, LIMIT).map_err(|source| RecordingError::Unreadable { path: path.into(), source })?;
        let recording: Self = serde_json::from_slice(&bytes).map_err(|error| RecordingError::Malformed {
            path: path.into(),
            line: error.line(),
            column: error.column(),
            message: error.to_string(),
        })?;
        if recording.schema_version != SCHEMA_VERSION {
            return Err(RecordingError::Newer { path: path.into(), found: recording.schema_version });
        }
        Ok(recording)
    }
}
