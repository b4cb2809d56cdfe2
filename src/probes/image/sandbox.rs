//! An image that is a directory.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::tree::{Content, Entry, Tree};
use crate::host::{FileKind, Host};

/// A directory of the host, seen as the root of an image.
pub(super) struct Sandbox<'a> {
    /// The machine.
    pub(super) host: &'a dyn Host,
    /// The directory.
    pub(super) root: PathBuf,
}

impl Sandbox<'_> {
    fn on_host(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Nothing, where nothing is there: other errors stay errors, and name the path.
fn there<T>(path: &Path, answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))),
    }
}

impl Tree for Sandbox<'_> {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        let path = self.on_host(path);
        let Some(metadata) = there(&path, self.host.symlink_metadata(&path))? else { return Ok(None) };
        Ok(Some(match metadata.kind {
            FileKind::File => Entry::File(metadata.size),
            FileKind::Directory => Entry::Directory,
            FileKind::Symlink => Entry::Symlink(self.host.read_link(&path)?),
            FileKind::Socket | FileKind::Other => Entry::Other,
        }))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let path = self.on_host(directory);
        Ok(there(&path, self.host.read_dir(&path))?.unwrap_or_default())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Content + '_>> {
        let path = self.on_host(path);
        match there(&path, self.host.open(&path))? {
            Some(file) => Ok(Box::new(file)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
