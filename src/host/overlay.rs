//! A machine on which some files already have the text that they are about to get.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Host, Metadata, ReadSeek, forward};

/// Shows planned texts in place of what stands on the disk, so that a plan can be judged before it is carried out.
/// Everything but reading goes to the machine below.
pub(crate) struct OverlayHost {
    below: Arc<dyn Host>,
    /// By real path, links followed.
    texts: BTreeMap<PathBuf, String>,
}

impl OverlayHost {
    /// The machine below with these texts, each under its real path.
    pub(crate) fn new(below: Arc<dyn Host>, texts: impl IntoIterator<Item = (PathBuf, String)>) -> Self {
        Self { below, texts: texts.into_iter().collect() }
    }

    fn planned(&self, path: &Path) -> Option<&String> {
        self.texts.get(&self.below.canonicalize(path).ok()?)
    }
}

impl Host for OverlayHost {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.planned(path) {
            Some(text) if text.len() as u64 > limit => Err(io::ErrorKind::FileTooLarge.into()),
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.below.read(path, limit),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek>> {
        match self.planned(path) {
            Some(text) => Ok(Box::new(Cursor::new(text.clone()))),
            None => self.below.open(path),
        }
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let metadata = self.below.metadata(path)?;
        Ok(self.planned(path).map_or(metadata, |text| Metadata { size: text.len() as u64, ..metadata }))
    }

    forward!(|host| host.below => env, env_names, identity, current_dir, symlink_metadata, read_link, canonicalize, read_dir, access, free_space, run, which, lookup, connect, now, own_program);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn a_planned_text_is_seen_through_every_name_of_the_file() {
        let below = RecordedHost::new().file("/real.json", "old").symlink("/link.json", "/real.json").file("/other", "same");
        let host = OverlayHost::new(Arc::new(below), [(PathBuf::from("/real.json"), "planned".to_owned())]);
        for path in ["/real.json", "/link.json"] {
            assert_eq!(host.read_text(Path::new(path), 100).unwrap(), "planned", "{path}");
            assert_eq!(host.metadata(Path::new(path)).unwrap().size, 7, "{path}");
        }
        assert_eq!(host.read_text(Path::new("/other"), 100).unwrap(), "same");
        assert!(host.read(Path::new("/real.json"), 3).is_err());
    }
}
