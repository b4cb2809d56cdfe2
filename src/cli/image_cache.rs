//! What is inside an image, kept from one launch to the next: looking into an image takes as long as half a launch, and an image
//! does not change between two of them.
//!
//! It is kept in the user's cache directory, with the size and the time of the image and of the program that looked: a difference
//! in either means looking again. Nothing that goes wrong here can stop a launch.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use casa_doctor_checks::facts::{Image, ImageContents};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// The file below the cache directory.
const FILE: &str = "casa-doctor/images.json";

/// What is said of an image has about a thousand bytes.
const LIMIT: u64 = 1 << 20;

/// How many images are remembered: the latest ones.
const IMAGES: usize = 16;

/// A file as it was: size in bytes and time of its last change in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    size: u64,
    modified: u128,
}

impl Stamp {
    /// A directory says nothing about what is in it, and neither does a file of an unknown time.
    fn of(host: &dyn Host, path: &Path) -> Option<Self> {
        let metadata = host.metadata(path).ok().filter(|metadata| metadata.kind == crate::host::FileKind::File)?;
        let modified = metadata.modified?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Self { path: path.to_owned(), size: metadata.size, modified })
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    images: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    image: Stamp,
    looked_by: Stamp,
    contents: ImageContents,
}

fn file(host: &dyn Host) -> Option<PathBuf> {
    let named = host.env("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(named.or_else(|| Some(host.identity().home?.join(".cache")))?.join(FILE))
}

fn read(host: &dyn Host) -> Remembered {
    let text = file(host).and_then(|file| host.read(&file, LIMIT).ok());
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// What an earlier launch saw in an image that is still the same.
pub(super) fn recall(host: &dyn Host, path: &Path) -> Option<ImageContents> {
    let (image, looked_by) = (Stamp::of(host, path)?, Stamp::of(host, &host.own_program().ok()?)?);
    read(host).images.into_iter().find(|entry| entry.image == image && entry.looked_by == looked_by).map(|entry| entry.contents)
}

/// Remembers what was seen in an image.
pub(super) fn remember(host: &dyn Host, image: &Image) {
    let (Some(path), Some(contents)) = (&image.used, &image.contents) else { return };
    let looked_by = host.own_program().ok().and_then(|program| Stamp::of(host, &program));
    let (Some(stamp), Some(looked_by), Some(file)) = (Stamp::of(host, path), looked_by, file(host)) else { return };
    let mut remembered = read(host);
    remembered.images.retain(|entry| entry.image.path != stamp.path);
    remembered.images.insert(0, Entry { image: stamp, looked_by, contents: contents.clone() });
    remembered.images.truncate(IMAGES);
    drop(write(&file, &remembered));
}

fn write(file: &Path, remembered: &Remembered) -> std::io::Result<()> {
    let directory = file.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(directory)?;
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&mut new, remembered)?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::LiveHost;

    #[test]
    fn an_image_is_looked_into_again_when_it_has_changed() {
        let scratch = tempfile::tempdir().unwrap();
        let (image, cache) = (scratch.path().join("a.sif"), scratch.path().join("cache/images.json"));
        std::fs::File::create(&image).unwrap();
        let entry = |size| Entry {
            image: Stamp { size, ..Stamp::of(&LiveHost, &image).unwrap() },
            looked_by: Stamp::of(&LiveHost, &LiveHost.own_program().unwrap()).unwrap(),
            contents: ImageContents { glvnd: Some(true), ..ImageContents::default() },
        };
        write(&cache, &Remembered { images: vec![entry(0), entry(1)] }).unwrap();
        let text = LiveHost.read(&cache, LIMIT).unwrap();
        let read: Remembered = serde_json::from_slice(&text).unwrap();
        let now = Stamp::of(&LiveHost, &image).unwrap();
        assert_eq!(read.images.iter().filter(|entry| entry.image == now).count(), 1);
        assert_eq!(read.images[0].contents.glvnd, Some(true));
        assert_eq!(Stamp::of(&LiveHost, scratch.path()), None, "a directory may change without a trace");
    }
}
