//! An image that is a directory.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::tree::{Entry, Tree};
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

impl Tree for Sandbox<'_> {
    fn entry(&self, path: &Path) -> Option<Entry> {
        let path = self.on_host(path);
        let metadata = self.host.symlink_metadata(&path).ok()?;
        Some(match metadata.kind {
            FileKind::File => Entry::File(metadata.size),
            FileKind::Directory => Entry::Directory,
            FileKind::Symlink => Entry::Symlink(self.host.read_link(&path).ok()?),
            FileKind::Socket | FileKind::Other => Entry::Other,
        })
    }

    fn names(&self, directory: &Path) -> Vec<OsString> {
        self.host.read_dir(&self.on_host(directory)).unwrap_or_default()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        use std::io::Read;
        let mut bytes = Vec::new();
        self.host.open(&self.on_host(path))?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
