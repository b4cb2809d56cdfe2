//! What a `library_path` leads to, found as the dynamic linker would find it but without loading it.

use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::probes::gpu::ld_cache;

/// Where the linker looks after its cache, in the builds of the usual distributions.
const DIRECTORIES: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// The linker's view of the machine.
pub(super) struct Linker {
    path: Vec<PathBuf>,
    /// `None` when the cache cannot be read.
    pub(super) cache: Option<Vec<(String, PathBuf)>>,
}

/// What a library's name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    At(PathBuf),
    Nowhere,
    NotKnown,
}

impl Linker {
    pub(super) fn of(host: &dyn Host) -> Self {
        let path = host.env("LD_LIBRARY_PATH").unwrap_or_default();
        let cache = host.read(Path::new("/etc/ld.so.cache"), 32 << 20).map(|bytes| ld_cache::entries(&bytes, |_| true)).ok();
        // An empty part means the current directory, which says nothing about the next program.
        Self { path: split(&path).into_iter().filter(|part| part.is_absolute()).collect(), cache }
    }

    /// Whether the cache or a directory has the library; `None` when the cache cannot be read.
    pub(super) fn has(&self, host: &dyn Host, name: &str) -> Option<bool> {
        match self.find(host, name, Path::new("/")) {
            Found::At(_) => Some(true),
            Found::Nowhere => Some(false),
            Found::NotKnown => None,
        }
    }

    /// Follows a `library_path` of a manifest in `directory`: a bare name is looked for, a path is taken as it is, and one
    /// that is relative begins at the manifest.
    pub(super) fn find(&self, host: &dyn Host, library: &str, directory: &Path) -> Found {
        if library.contains('/') {
            let path = directory.join(library);
            return match host.exists(&path) {
                Some(true) => Found::At(path),
                Some(false) => Found::Nowhere,
                None => Found::NotKnown,
            };
        }
        let there = |path: &PathBuf| host.exists(path) == Some(true);
        let in_path = self.path.iter().map(|directory| directory.join(library)).find(there);
        let cached = || {
            let entries = self.cache.iter().flatten();
            entries.filter(|(name, _)| name == library).map(|(_, path)| path.clone()).find(there)
        };
        let usual = || DIRECTORIES.iter().map(|directory| Path::new(directory).join(library)).find(there);
        match in_path.or_else(cached).or_else(usual) {
            Some(path) => Found::At(path),
            None if self.cache.is_some() => Found::Nowhere,
            None => Found::NotKnown,
        }
    }
}

/// The parts of a value such as `/a:/b`, byte for byte; empty ones are left out.
pub(super) fn split(value: &std::ffi::OsStr) -> Vec<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let parts = value.as_bytes().split(|byte| *byte == b':').filter(|part| !part.is_empty());
        parts.map(|part| PathBuf::from(std::ffi::OsStr::from_bytes(part))).collect()
    }
    #[cfg(not(unix))]
    {
        let text = value.to_string_lossy();
        text.split(';').filter(|part| !part.is_empty()).map(PathBuf::from).collect()
    }
}
