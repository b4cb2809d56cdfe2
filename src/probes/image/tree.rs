//! The files of an image, wherever they are kept, with the image's own links followed inside the image.

use std::ffi::OsString;
use std::io::{self, Read, Seek};
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

/// The content of a file.
pub(super) trait Content: Read + Seek {}
impl<T: Read + Seek> Content for T {}

/// A filesystem. Paths are absolute and hold no links: [`Inside`] resolves them.
///
/// An error is not the same as nothing: of what cannot be read nobody knows whether it is there.
pub(super) trait Tree {
    /// What stands at the path, a link not followed.
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>>;
    /// The names in a directory.
    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>>;
    /// Opens a file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Content + '_>>;
}

/// A filesystem as a process inside the container sees it.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a>(pub(super) &'a dyn Tree);

/// Links that are followed in one path before it counts as a loop, as the kernel has it.
const MOST_LINKS: u32 = 40;

impl<'a> Inside<'a> {
    /// The path without links, when something stands there. No link leads out of the image.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let parts = |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
        let mut resolved = PathBuf::from("/");
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match Path::new(&part).components().next() {
                Some(Component::ParentDir) => drop(resolved.pop()),
                Some(Component::Normal(name)) => {
                    let next = resolved.join(name);
                    match self.0.entry(&next)? {
                        None => return Ok(None),
                        Some(Entry::Symlink(target)) => {
                            links += 1;
                            if links > MOST_LINKS {
                                return Ok(None);
                            }
                            if target.is_absolute() {
                                resolved = PathBuf::from("/");
                            }
                            rest.extend(parts(&target));
                        }
                        Some(_) => resolved = next,
                    }
                }
                _ => {}
            }
        }
        Ok(Some(resolved))
    }

    /// Whether a file with content stands at the path. Engines leave empty files where they bound the host's.
    pub(super) fn has_file(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        let Some(path) = self.resolve(path.as_ref())? else { return Ok(false) };
        Ok(matches!(self.0.entry(&path)?, Some(Entry::File(1..))))
    }

    /// The names in a directory, sorted; none when there is no such directory.
    pub(super) fn names(&self, directory: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let Some(path) = self.resolve(directory.as_ref())? else { return Ok(Vec::new()) };
        let mut names: Vec<_> = self.0.names(&path)?.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Opens a file, `None` when there is none.
    pub(super) fn open(&self, path: impl AsRef<Path>) -> io::Result<Option<Box<dyn Content + 'a>>> {
        let Some(path) = self.resolve(path.as_ref())? else { return Ok(None) };
        match self.0.entry(&path)? {
            Some(Entry::File(_)) => self.0.open(&path).map(Some),
            _ => Ok(None),
        }
    }

    /// The first bytes of a file, `None` when there is none.
    pub(super) fn read(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}
