//! Where the image is: the configured path, and images that could be the one meant when nothing stands there.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::magic;
use crate::casa_distro::{ImageLookUp, look_up_image};
use crate::host::Host;

/// What the look-up gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Located {
    /// The configured path, joined to the environment's directory when relative.
    pub(super) path: PathBuf,
    /// Whether something stands there; `None` when that cannot be known.
    pub(super) exists: Option<bool>,
    /// The image that casa_distro would take.
    pub(super) used: Option<PathBuf>,
    /// Images that could be meant, best first; empty when the path exists.
    pub(super) candidates: Vec<PathBuf>,
}

/// Looks for the image as casa_distro 3 does, and then where people move images to.
pub(super) fn locate(host: &dyn Host, directory: &Path, configured: &str) -> Located {
    let ImageLookUp { path, exists, used, .. } = look_up_image(host, directory, configured);
    if exists != Some(false) {
        return Located { path, exists, used, candidates: Vec::new() };
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(path.parent().map(Path::to_owned));
    folders.extend(directory.ancestors().take(3).map(Path::to_owned));
    folders.extend(host.env("CASA_BASE_DIRECTORY").filter(|value| !value.is_empty()).map(PathBuf::from));
    folders.extend(host.identity().home.map(|home| home.join("casa_distro")));
    let candidates = candidates(host, &path, &folders);
    Located { path, exists, used, candidates }
}

/// Images of the same name in the folders, then other patches of the same version, the highest first.
fn candidates(host: &dyn Host, path: &Path, folders: &[PathBuf]) -> Vec<PathBuf> {
    let Some(name) = path.file_name() else { return Vec::new() };
    let wanted = name.to_str().map(Name::of);
    let mut found: Vec<(Reverse<Rank>, PathBuf)> = Vec::new();
    let mut seen = Vec::new();
    for folder in folders {
        let Ok(real) = host.canonicalize(folder) else { continue };
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        for other in host.read_dir(folder).unwrap_or_default() {
            let Some(rank) = rank(name, wanted.as_ref(), &other) else { continue };
            let candidate = folder.join(&other);
            if magic::is_image(host, &candidate) {
                found.push((Reverse(rank), candidate));
            }
        }
    }
    // The sort is stable: among equals, the folder that was looked at first wins.
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, path)| path).collect()
}

/// How likely a file is the one meant; the later, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    OtherPatch(u64),
    SameName,
}

fn rank(name: &OsStr, wanted: Option<&Name<'_>>, other: &OsStr) -> Option<Rank> {
    if name == other {
        return Some(Rank::SameName);
    }
    let other = Name::of(other.to_str()?);
    let family = other.family?;
    let wanted = wanted?;
    (wanted.family == Some(family) && wanted.extension == other.extension).then_some(Rank::OtherPatch(other.patch))
}

/// An image's file name: `<name>-<x.y[.z]>[-<patch>].<extension>`.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    /// Name and version, `None` when the file is not called after this pattern.
    family: Option<&'a str>,
    /// Patch number; 0 when there is none, which is older than any.
    patch: u64,
    extension: &'a str,
}

impl<'a> Name<'a> {
    fn of(file: &'a str) -> Self {
        let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
        if ends_in_version(stem) {
            return Self { family: Some(stem), patch: 0, extension };
        }
        let patched = stem.rsplit_once('-').and_then(|(family, patch)| {
            let patch = patch.bytes().all(|byte| byte.is_ascii_digit()).then(|| patch.parse().ok())??;
            ends_in_version(family).then_some((family, patch))
        });
        Self { family: patched.map(|(family, _)| family), patch: patched.map_or(0, |(_, patch)| patch), extension }
    }
}

fn ends_in_version(stem: &str) -> bool {
    stem.rsplit_once('-').is_some_and(|(name, version)| {
        let parts: Vec<_> = version.split('.').collect();
        !name.is_empty()
            && matches!(parts.len(), 2 | 3)
            && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    const ENVIRONMENT: &str = "/home/anna/casa_distro/brainvisa-5.1";

    fn sif() -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes[32..42].copy_from_slice(b"SIF_MAGIC\0");
        bytes
    }

    fn paths(located: &Located) -> Vec<&str> {
        located.candidates.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn names_of_images() {
        assert_eq!(Name::of("casa-run-5.3-2.sif"), Name { family: Some("casa-run-5.3"), patch: 2, extension: "sif" });
        assert_eq!(Name::of("brainvisa-5.1.sif"), Name { family: Some("brainvisa-5.1"), patch: 0, extension: "sif" });
        assert_eq!(Name::of("brainvisa-5.1.3-11.sif").family, Some("brainvisa-5.1.3"));
        for odd in ["mine.sif", "brainvisa-5.1-beta.sif", "x", "", "-5.1.sif", "brainvisa-5.1-99999999999999999999999.sif"] {
            assert_eq!(Name::of(odd).family, None, "{odd}");
        }
    }

    #[test]
    fn a_described_image_that_exists_has_no_candidates() {
        let host = RecordedHost::new().file("/data/brainvisa-5.1.sif", sif()).directory(ENVIRONMENT);
        let located = locate(&host, Path::new(ENVIRONMENT), "/data/brainvisa-5.1.sif");
        assert_eq!(located.used.as_deref(), Some(Path::new("/data/brainvisa-5.1.sif")));
        assert_eq!((located.exists, located.candidates.len()), (Some(true), 0));
    }

    #[test]
    fn a_described_image_that_was_moved() {
        let host = RecordedHost::new()
            .directory(ENVIRONMENT)
            .file("/home/anna/casa_distro/brainvisa-5.1.sif", sif())
            .file("/home/anna/casa_distro/brainvisa-5.1-3.sif", sif())
            .file("/home/anna/casa_distro/brainvisa-5.1-12.sif", sif())
            .file("/home/anna/casa_distro/brainvisa-5.1-13.sif", "<html>not found</html>")
            .file("/home/anna/casa_distro/brainvisa-5.2.sif", sif())
            .file("/home/anna/casa_distro/brainvisa-5.1-old.sif", sif());
        let located = locate(&host, Path::new(ENVIRONMENT), "/gone/brainvisa-5.1.sif");
        let base = "/home/anna/casa_distro";
        assert_eq!(
            paths(&located),
            [&format!("{base}/brainvisa-5.1.sif"), &format!("{base}/brainvisa-5.1-12.sif"), &format!("{base}/brainvisa-5.1-3.sif")]
        );
        assert_eq!((located.exists, located.used), (Some(false), None));
    }

    #[test]
    fn a_described_image_that_got_a_new_patch_is_found_by_casa_distro_itself() {
        let host = RecordedHost::new()
            .directory(ENVIRONMENT)
            .file("/images/brainvisa-5.1-3.sif", sif())
            .file("/images/brainvisa-5.1-2.sif", sif());
        let located = locate(&host, Path::new(ENVIRONMENT), "/images/brainvisa-5.1-1.sif");
        assert_eq!(located.used.as_deref(), Some(Path::new("/images/brainvisa-5.1-3.sif")));
    }

    #[test]
    fn a_described_environment_behind_a_link() {
        let host = RecordedHost::new()
            .file("/disk/envs/brainvisa/conf/casa_distro.json", "{}")
            .file("/disk/envs/image.sif", sif())
            .symlink("/home/anna/brainvisa", "/disk/envs/brainvisa");
        // casa_distro takes ".." away from the text of the path, finds nothing, and tries the directory's real path next.
        let located = locate(&host, Path::new("/home/anna/brainvisa"), "../image.sif");
        assert_eq!(located.exists, Some(false));
        assert_eq!(located.used.as_deref(), Some(Path::new("/disk/envs/image.sif")));
    }
}
