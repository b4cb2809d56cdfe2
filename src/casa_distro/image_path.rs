//! How casa_distro finds the image at run time.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::home::normalised;
use crate::host::Host;

/// What the look-up of an image gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageLookUp {
    /// The path that is tried first: absolute, or seen from the environment's directory.
    pub(crate) path: PathBuf,
    /// Whether something stands there; `None` when that cannot be known.
    pub(crate) exists: Option<bool>,
    /// The image that is used.
    pub(crate) used: Option<PathBuf>,
    /// Images of the same name with another patch number, the highest first.
    pub(crate) other_patches: Vec<PathBuf>,
    /// The name of a neighbour at which stock casa_distro 3.x dies with "'NoneType' object has no attribute 'group'", because
    /// it expects a patch number there.
    pub(crate) stock_dies_of: Option<PathBuf>,
}

/// Finds the image that the configuration names, by the rules of casa_distro's `run_container` and `updated_image`: as named;
/// else seen from the real path of the environment's directory; else the same name with the highest patch number; else
/// without one.
///
/// casa_distro takes a glob's only match whatever its name is, and so do we. Of several it wants all to end in a number and
/// dies otherwise; we leave the others out.
pub(crate) fn look_up_image(host: &dyn Host, directory: &Path, image: &str) -> ImageLookUp {
    let path = normalised(&directory.join(image));
    let exists = host.exists(&path);
    let mut found = ImageLookUp { path, exists, used: None, other_patches: Vec::new(), stock_dies_of: None };
    if exists != Some(false) {
        found.used = (exists == Some(true)).then(|| found.path.clone());
        return found;
    }
    let real = normalised(&host.canonicalize(directory).unwrap_or_else(|_| directory.to_owned()).join(image));
    let siblings = siblings(host, &real);
    let mut numbered: Vec<(u64, &PathBuf)> =
        siblings.iter().filter_map(|sibling| Some((patch_number(sibling)?, sibling))).collect();
    numbered.sort_by_key(|(patch, _)| Reverse(*patch));
    found.other_patches = numbered.iter().map(|(_, sibling)| (*sibling).clone()).collect();
    let real_exists = host.exists(&real) == Some(true);
    if real_exists && host.exists(&with_appended(&real, ".json")) == Some(true) {
        found.used = Some(real);
        return found;
    }
    found.used = match siblings.as_slice() {
        [only] => Some(only.clone()),
        [] => without_patch(&real).filter(|plain| host.exists(plain) == Some(true)),
        several => {
            found.stock_dies_of = several.iter().find(|sibling| patch_number(sibling).is_none()).cloned();
            found.other_patches.first().cloned()
        }
    };
    if found.used.is_none() && real_exists {
        found.used = Some(real);
    }
    found
}

/// The files of the image's directory that casa_distro's pattern `<stem>-*.<ext>` matches.
fn siblings(host: &dyn Host, image: &Path) -> Vec<PathBuf> {
    let Some((directory, stem, extension)) = parts(image) else { return Vec::new() };
    let prefix = format!("{stem}-");
    let suffix = format!(".{extension}");
    let names = host.read_dir(directory).unwrap_or_default();
    let matches = |name: &&std::ffi::OsString| {
        name.to_str().is_some_and(|name| {
            name.strip_prefix(&prefix).is_some_and(|rest| rest.ends_with(&suffix))
                && (!name.starts_with('.') || stem.starts_with('.'))
        })
    };
    names.iter().filter(matches).map(|name| directory.join(name)).collect()
}

/// Directory, stem without patch number, extension; `None` without an extension.
fn parts(image: &Path) -> Option<(&Path, &str, &str)> {
    let extension = image.extension().and_then(OsStr::to_str)?;
    let stem = image.file_stem().and_then(OsStr::to_str)?;
    let stem = match stem.rsplit_once('-') {
        Some((stem, patch)) if is_number(patch) => stem,
        _ => stem,
    };
    Some((image.parent()?, stem, extension))
}

fn patch_number(image: &Path) -> Option<u64> {
    let (_, patch) = image.file_stem()?.to_str()?.rsplit_once('-')?;
    is_number(patch).then(|| patch.parse().unwrap_or(u64::MAX))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn without_patch(image: &Path) -> Option<PathBuf> {
    let (directory, stem, extension) = parts(image)?;
    Some(directory.join(format!("{stem}.{extension}")))
}

fn with_appended(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn used(host: &RecordedHost, directory: &str, image: &str) -> Option<String> {
        look_up_image(host, Path::new(directory), image).used.map(|path| path.display().to_string())
    }

    #[test]
    fn an_image_is_seen_from_the_directory_or_absolute() {
        let host = RecordedHost::new().file("/env/a.sif", "").file("/b.sif", "").file("/my images/c, d.sif", "");
        assert_eq!(used(&host, "/env", "a.sif").as_deref(), Some("/env/a.sif"));
        assert_eq!(used(&host, "/env", "../b.sif").as_deref(), Some("/b.sif"));
        assert_eq!(used(&host, "/env", "/my images/c, d.sif").as_deref(), Some("/my images/c, d.sif"));
        assert_eq!(used(&host, "/env", "none.sif"), None);
    }

    #[test]
    fn a_linked_environment_finds_the_image_beside_the_real_one() {
        let host = RecordedHost::new().directory("/data/env").file("/data/a.sif", "").symlink("/home/anna/env", "/data/env");
        assert_eq!(used(&host, "/home/anna/env", "../a.sif").as_deref(), Some("/data/a.sif"));
    }

    #[test]
    fn the_highest_patch_stands_in_for_a_missing_image() {
        let host = RecordedHost::new()
            .file("/env/bv-5.1-2.sif", "")
            .file("/env/bv-5.1-10.sif", "")
            .file("/env/bv-5.1-9.sif.json", "")
            .file("/env/bv-5.0.sif", "");
        assert_eq!(used(&host, "/env", "bv-5.1-1.sif").as_deref(), Some("/env/bv-5.1-10.sif"));
        assert_eq!(used(&host, "/env", "bv-5.1.sif").as_deref(), Some("/env/bv-5.1-10.sif"));
        assert_eq!(used(&host, "/env", "bv-5.0-3.sif").as_deref(), Some("/env/bv-5.0.sif"));
        assert_eq!(used(&host, "/env", "noextension"), None);
    }

    #[test]
    fn a_neighbour_without_number_kills_stock_only() {
        let host = RecordedHost::new().file("/env/bv-5.1-2.sif", "").file("/env/bv-5.1-old.sif", "");
        let found = look_up_image(&host, Path::new("/env"), "bv-5.1.sif");
        assert_eq!(found.used, Some("/env/bv-5.1-2.sif".into()));
        assert_eq!(found.stock_dies_of, Some("/env/bv-5.1-old.sif".into()));
        assert_eq!(found.exists, Some(false));
    }
}
