//! What the fixes changed, so that they can be undone: one small file in every directory in which a fix changed something.
//!
//! A fix that changes the environment's and the user's file is recorded beside both. Paths in the record's own directory are
//! relative, so that an environment can be moved.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::FixError;
use super::plan::LARGEST;
use super::write;
use crate::host::Host;

const NAME: &str = "casa-doctor-undo.json";
const VERSION: u32 = 1;

/// The fixes that can be undone, the last one last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    version: u32,
    fixes: Vec<Fix>,
}

/// One fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fix {
    /// Greater than that of every earlier fix of the same files; clocks may differ between machines.
    pub(super) number: u64,
    /// When it was made, as in the names of the copies.
    pub(super) time: String,
    /// The configuration file of the environment for which it was made.
    #[serde(default)]
    pub(super) environment: Option<PathBuf>,
    /// What it changed.
    pub(super) files: Vec<FixedFile>,
}

/// A file that a fix changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FixedFile {
    /// The file, links followed.
    pub(super) path: PathBuf,
    /// The copy of what it was.
    pub(super) copy: PathBuf,
    /// What the copy holds; records of earlier versions do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) copied: Option<Digest>,
    /// What the fix wrote, to know it again.
    pub(super) written: Digest,
}

/// Enough of a content to see whether somebody changed it. Not a protection against forgery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digest {
    bytes: usize,
    fnv1a: String,
}

impl Digest {
    /// The digest of a content: its length and its 64-bit FNV-1a hash.
    pub(super) fn of(content: &[u8]) -> Self {
        let hash = content
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self { bytes: content.len(), fnv1a: format!("{hash:016x}") }
    }
}

impl Journal {
    /// The record of a directory, with absolute paths; an empty one when there is none.
    pub(super) fn read(host: &dyn Host, directory: &Path) -> Result<Self, FixError> {
        let path = directory.join(NAME);
        let bytes = match host.read(&path, LARGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self { version: VERSION, fixes: Vec::new() }),
            Err(error) => return Err(FixError::unreadable(&path, &error)),
        };
        let bad = |reason: String| FixError::BadJournal { path: path.clone(), reason };
        let mut journal: Self = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if journal.version != VERSION {
            return Err(bad(format!("it is of version {}, of which this casa-doctor knows nothing", journal.version)));
        }
        for fix in &mut journal.fixes {
            fix.with_paths(|path| directory.join(path));
        }
        Ok(journal)
    }

    /// The record of a directory for adding to it. One that cannot be understood is set aside under another name.
    pub(super) fn read_or_start(host: &dyn Host, directory: &Path, time: &str) -> Result<Self, FixError> {
        match Self::read(host, directory) {
            Err(FixError::BadJournal { path, .. }) => {
                let content = host.read(&path, LARGEST).map_err(|error| FixError::unreadable(&path, &error))?;
                write::keep_copy(host, &path, &content, time)?;
                Ok(Self { version: VERSION, fixes: Vec::new() })
            }
            result => result,
        }
    }

    /// The number of the last fix; 0 when there is none.
    pub(super) fn last_number(&self) -> u64 {
        self.fixes.iter().map(|fix| fix.number).max().unwrap_or(0)
    }

    /// The fixes of an environment: those made for it, and those that changed its file through another name.
    pub(super) fn of<'a>(&'a self, environment: Option<&'a Path>) -> impl Iterator<Item = &'a Fix> {
        self.fixes.iter().filter(move |fix| {
            fix.environment.as_deref() == environment
                || environment.is_some_and(|environment| fix.files.iter().any(|file| file.path == environment))
        })
    }

    /// Adds a fix.
    pub(super) fn add(&mut self, fix: Fix) {
        self.fixes.push(fix);
    }

    /// Forgets a fix.
    pub(super) fn forget(&mut self, forgotten: &Fix) {
        self.fixes.retain(|fix| fix.number != forgotten.number || fix.time != forgotten.time);
    }

    /// Writes the record of a directory, readable for whom the file `like` is; removes it when there is nothing to tell.
    pub(super) fn write(mut self, host: &dyn Host, directory: &Path, like: &Path) -> Result<(), FixError> {
        let path = directory.join(NAME);
        if self.fixes.is_empty() {
            write::remove(&path);
            return Ok(());
        }
        for fix in &mut self.fixes {
            fix.with_paths(|path| path.strip_prefix(directory).map_or_else(|_| path.to_owned(), Path::to_owned));
        }
        let mut text = serde_json::to_string_pretty(&self)
            .map_err(|error| FixError::BadJournal { path: path.clone(), reason: error.to_string() })?;
        text.push('\n');
        write::stage(host, &path, text.as_bytes(), like)?.publish()
    }
}

impl Fix {
    fn with_paths(&mut self, change: impl Fn(&Path) -> PathBuf) {
        let files = self.files.iter_mut().flat_map(|file| [&mut file.path, &mut file.copy]);
        for path in files.chain(self.environment.as_mut()) {
            *path = change(path);
        }
    }
}

/// The directories of files, each once.
pub(super) fn directories<'a>(files: impl IntoIterator<Item = &'a Path>) -> Vec<(&'a Path, &'a Path)> {
    let mut directories: Vec<(&Path, &Path)> = Vec::new();
    for file in files {
        let directory = write::parent(file);
        if !directories.iter().any(|(known, _)| *known == directory) {
            directories.push((directory, file));
        }
    }
    directories
}
