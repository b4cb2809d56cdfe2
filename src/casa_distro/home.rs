//! Where the container's home directory is on the host.

use std::path::{Component, Path, PathBuf};

use crate::host::Host;

/// The directory that casa_distro binds at `/casa/home` (its `environment.py`, function `run_container`): `home` in the
/// environment's directory if that exists, else one of the user's own, named after the environment's path with `_` for `/`.
/// `None` when the user's home directory is not known.
pub(crate) fn container_home(host: &dyn Host, directory: &Path) -> Option<PathBuf> {
    let shared = directory.join("home");
    if host.exists(&shared) == Some(true) {
        return Some(shared);
    }
    Some(user_directory(host, "XDG_DATA_HOME", ".local/share")?.join("casa-distro").join(flattened(directory)).join("home"))
}

/// A directory of the XDG base directory specification: the variable's value when it is not empty, else below the home.
pub(super) fn user_directory(host: &dyn Host, variable: &str, below_home: &str) -> Option<PathBuf> {
    match host.env(variable).filter(|value| !value.is_empty()) {
        Some(directory) => Some(absolute(host, Path::new(&directory))),
        None => Some(host.identity().home?.join(below_home)),
    }
}

/// `/data/my env` becomes `data_my env`.
fn flattened(directory: &Path) -> std::ffi::OsString {
    let mut name = std::ffi::OsString::new();
    for part in directory.components() {
        if let Component::Normal(part) = part {
            if !name.is_empty() {
                name.push("_");
            }
            name.push(part);
        }
    }
    name
}

/// A path without `.` and `..`, seen from the current directory. Links are kept, as casa_distro keeps them, except where
/// `..` would then lead elsewhere than the system goes.
pub(super) fn absolute(host: &dyn Host, path: &Path) -> PathBuf {
    let joined = if path.is_absolute() { path.to_owned() } else { host.current_dir().unwrap_or_default().join(path) };
    let normal = normalised(&joined);
    let climbs = joined.components().any(|part| part == Component::ParentDir);
    if climbs
        && let Ok(real) = host.canonicalize(&joined)
        && host.canonicalize(&normal).ok().as_ref() != Some(&real)
    {
        return real;
    }
    normal
}

/// A path without `.` and `..`, by its text alone, as Python's `normpath` does.
pub(super) fn normalised(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn the_environment_s_own_home_comes_first() {
        let host = RecordedHost::new().directory("/data/my env/home");
        assert_eq!(container_home(&host, Path::new("/data/my env")), Some("/data/my env/home".into()));
    }

    #[test]
    fn else_the_user_has_one_named_after_the_environment() {
        let host = RecordedHost::new().directory("/data/my env");
        assert_eq!(
            container_home(&host, Path::new("/data/my env")),
            Some("/home/anna/.local/share/casa-distro/data_my env/home".into())
        );
        let host = host.env("XDG_DATA_HOME", "/scratch/é");
        assert_eq!(container_home(&host, Path::new("/data/x/host")), Some("/scratch/é/casa-distro/data_x_host/home".into()));
        let host = RecordedHost::new().env("XDG_DATA_HOME", "");
        assert_eq!(container_home(&host, Path::new("/e")), Some("/home/anna/.local/share/casa-distro/e/home".into()));
    }

    #[test]
    fn dots_climb_as_the_system_climbs() {
        let host = RecordedHost::new().env("PWD", "/a/b").directory("/a/b").directory("/x/y").symlink("/a/link", "/x/y");
        assert_eq!(absolute(&host, Path::new("../c/./d")), Path::new("/a/c/d"));
        assert_eq!(absolute(&host, Path::new("/a/link")), Path::new("/a/link"));
        assert_eq!(absolute(&host, Path::new("/a/link/..")), Path::new("/x"));
    }
}
