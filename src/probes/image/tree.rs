//! The files of an image, wherever they are kept, with the image's own links followed inside the image.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What stands at a path of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A file and its size, in bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(PathBuf),
    /// A device, a pipe, a socket.
    Other,
}

/// A filesystem. Paths are absolute and hold no links: [`Inside`] resolves them.
pub(super) trait Tree {
    /// What stands at the path, a link not followed.
    fn entry(&self, path: &Path) -> Option<Entry>;
    /// The names in a directory.
    fn names(&self, directory: &Path) -> Vec<OsString>;
    /// The first bytes of a file.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
}

/// A filesystem as a process inside the container sees it.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a>(pub(super) &'a dyn Tree);

/// Links that are followed in one path before it counts as a loop, as the kernel has it.
const MOST_LINKS: u32 = 40;

impl Inside<'_> {
    /// The path without links, when something stands there. No link leads out of the image.
    pub(super) fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let parts = |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
        let mut resolved = PathBuf::from("/");
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match Path::new(&part).components().next() {
                Some(Component::ParentDir) => drop(resolved.pop()),
                Some(Component::Normal(name)) => {
                    let next = resolved.join(name);
                    if let Entry::Symlink(target) = self.0.entry(&next)? {
                        links += 1;
                        if links > MOST_LINKS {
                            return None;
                        }
                        if target.is_absolute() {
                            resolved = PathBuf::from("/");
                        }
                        rest.extend(parts(&target));
                    } else {
                        resolved = next;
                    }
                }
                _ => {}
            }
        }
        Some(resolved)
    }

    /// Whether a file with content stands at the path. Engines leave empty files where they bound the host's.
    pub(super) fn has_file(&self, path: impl AsRef<Path>) -> bool {
        self.resolve(path.as_ref()).is_some_and(|path| matches!(self.0.entry(&path), Some(Entry::File(1..))))
    }

    /// The names in a directory, sorted; none when there is no such directory.
    pub(super) fn names(&self, directory: impl AsRef<Path>) -> Vec<String> {
        let names = self.resolve(directory.as_ref()).map(|path| self.0.names(&path)).unwrap_or_default();
        let mut names: Vec<_> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        names
    }

    /// The first bytes of a file, `None` when there is none or it cannot be read.
    pub(super) fn read(&self, path: impl AsRef<Path>, limit: u64) -> Option<Vec<u8>> {
        self.0.read(&self.resolve(path.as_ref())?, limit).ok()
    }
}
