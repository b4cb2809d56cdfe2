//! Why a fix or an undo could not be done, with the file and with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::apply::EditError;

/// Why a fix or an undo could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FixError {
    /// A file could not be read.
    #[error("{} could not be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file's edits cannot be made.
    #[error("{} was not changed: {error}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        error: EditError,
    },
    /// A file is no longer what the plan was made from.
    #[error("{} changed while casa-doctor was working, so it was left alone: run casa-doctor again", path.display())]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// Something could not be written. Nothing has changed.
    #[error("{} could not be {doing}: {reason}; {advice}; no file was changed", path.display())]
    Unwritable {
        /// The file, or the directory in which it should be made.
        path: PathBuf,
        /// What was being done to it, as a participle.
        doing: &'static str,
        /// What the system says.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// Of several files one was changed, another could not be, and the first could not be put back.
    #[error("{error}; {} had been changed already and could not be put back: its old content is in {}", path.display(), copy.display())]
    NotPutBack {
        /// The file that stays changed.
        path: PathBuf,
        /// Where its old content is.
        copy: PathBuf,
        /// What went wrong.
        error: Box<FixError>,
    },
    /// The copy from which a file should be put back is gone.
    #[error("{} cannot be put back: its copy {} is gone; no file was changed", path.display(), copy.display())]
    CopyGone {
        /// The file.
        path: PathBuf,
        /// The copy.
        copy: PathBuf,
    },
    /// The copy from which a file should be put back is not what was copied.
    #[error("{} was not put back: its copy {} is no longer what the file was before the fix, somebody has changed it; no file was changed: if the copy is what you want, copy it by hand", path.display(), copy.display())]
    CopyChanged {
        /// The file.
        path: PathBuf,
        /// The copy.
        copy: PathBuf,
    },
    /// The record of what was changed cannot be understood.
    #[error("{} does not tell what was changed ({reason}): the copies made before each change stand beside it, with \".casa-doctor-\" in their names; copy the right one back by hand", path.display())]
    BadJournal {
        /// The record.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl FixError {
    /// A failure to read.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), reason: error.to_string() }
    }

    /// A failure to write.
    pub(super) fn unwritable(path: &Path, doing: &'static str, error: &io::Error) -> Self {
        // The kind is enough: the longer text names a temporary file, which means nothing to the user.
        Self::Unwritable { path: path.to_owned(), doing, reason: error.kind().to_string(), advice: advice(error.kind()) }
    }
}

const fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull => "free some space on that disk and try again",
        io::ErrorKind::QuotaExceeded => "your quota on that disk is used up: free some space and try again",
        io::ErrorKind::PermissionDenied => "ask its owner to change it, or to let you write the file and its directory",
        io::ErrorKind::ReadOnlyFilesystem => {
            "that disk is mounted read-only: work on a copy of the environment, or ask your administrator"
        }
        _ => "see whether that disk is there and healthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_its_path_and_cure() {
        let error = FixError::unwritable(Path::new("/e/conf"), "written", &io::Error::from(io::ErrorKind::StorageFull));
        let text = error.to_string();
        assert!(text.starts_with("/e/conf could not be written: "), "{text}");
        assert!(text.contains("free some space on that disk") && text.ends_with("no file was changed"), "{text}");
    }
}
