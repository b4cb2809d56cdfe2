//! Finding the environment that is meant.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::host::{FileKind, Host};

/// The configuration file's path below an environment's directory, in both layouts. `bv` accepts both.
const LAYOUTS: [&str; 2] = ["conf/casa_distro.json", "host/conf/casa_distro.json"];

/// Why a named environment was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LocateError {
    /// Nothing of that name is an environment.
    #[error("\"{name}\" is no casa-distro environment; looked for {}", list(.tried))]
    NotFound {
        /// What the user wrote.
        name: String,
        /// The places where a configuration file was looked for.
        tried: Vec<PathBuf>,
    },
    /// It is a file, and none that casa_distro reads.
    #[error("\"{path}\" is not a casa_distro.json; name the environment's directory or its conf/casa_distro.json")]
    OtherFile {
        /// The file.
        path: String,
    },
    /// Several environments have that name.
    #[error("several environments are called \"{name}\": {}; name the directory of one", list(.found))]
    Several {
        /// What the user wrote.
        name: String,
        /// Their directories.
        found: Vec<PathBuf>,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("\"{}\"", path.display())).collect::<Vec<_>>().join(", ")
}

/// An environment's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What casa_distro calls `directory`: the parent of `conf`.
    pub(crate) directory: PathBuf,
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// The file of the other layout, when both exist.
    pub(crate) other_layout: Option<PathBuf>,
}

/// What looking gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Located {
    /// How the environment was named: `argument`, `CASA_ENVIRONMENT_DIR`, `current-directory`, `base-directory`, `none`.
    pub(crate) named_by: &'static str,
    /// The environment, when it is one.
    pub(crate) place: Option<Place>,
    /// The directories to choose from, when there are several.
    pub(crate) candidates: Vec<PathBuf>,
    /// The value of `CASA_ENVIRONMENT_DIR` when it names no environment.
    pub(crate) stale_variable: Option<PathBuf>,
}

/// Finds the environment: the named one; else the one of `$CASA_ENVIRONMENT_DIR`; else the one that the current directory is
/// in; else the only one of the base directory (`$CASA_BASE_DIRECTORY`, else `~/casa_distro`). Of several it takes none.
///
/// # Errors
///
/// When `named` is given and is no environment.
pub(crate) fn locate(host: &dyn Host, named: Option<&OsStr>) -> Result<Located, LocateError> {
    if let Some(named) = named {
        let place = locate_named(host, named)?;
        return Ok(Located { named_by: "argument", place: Some(place), ..Located::default() });
    }
    let mut located = Located::default();
    if let Some(variable) = host.env("CASA_ENVIRONMENT_DIR").filter(|value| !value.is_empty()) {
        let directory = super::home::absolute(host, Path::new(&variable));
        if let Some(place) = place_at(host, &directory) {
            return Ok(Located { named_by: "CASA_ENVIRONMENT_DIR", place: Some(place), ..located });
        }
        located.stale_variable = Some(directory);
    }
    if let Ok(current) = host.current_dir()
        && let Some(place) = current.ancestors().find_map(|directory| place_at(host, directory))
    {
        return Ok(Located { named_by: "current-directory", place: Some(place), ..located });
    }
    let mut places: Vec<_> = base_directory(host).map(|base| environments_below(host, &base)).unwrap_or_default();
    Ok(match places.len() {
        0 => Located { named_by: "none", ..located },
        1 => Located { named_by: "base-directory", place: places.pop(), ..located },
        _ => {
            Located { named_by: "base-directory", candidates: places.into_iter().map(|place| place.directory).collect(), ..located }
        }
    })
}

fn locate_named(host: &dyn Host, named: &OsStr) -> Result<Place, LocateError> {
    let name = named.to_string_lossy().into_owned();
    let path = super::home::absolute(host, Path::new(named));
    let kind = host.metadata(&path).map(|metadata| metadata.kind);
    let is_config = path.file_name() == Some(OsStr::new("casa_distro.json"));
    if is_config
        && kind.as_ref().map_or_else(|_| stands(host, &path) || is_closed(host, &path), |kind| *kind != FileKind::Directory)
    {
        return Ok(place_of(host, path));
    }
    if matches!(kind, Ok(FileKind::File | FileKind::Other | FileKind::Socket)) {
        return Err(LocateError::OtherFile { path: path.display().to_string() });
    }
    // What the user names and nobody may look into is an environment that cannot be read, not one that does not exist.
    let closed = LAYOUTS.iter().map(|layout| path.join(layout)).find(|file| is_closed(host, file));
    if let Some(place) = place_at(host, &path).or_else(|| closed.map(|file| place_of(host, file))) {
        return Ok(place);
    }
    let mut tried: Vec<_> = if is_config { vec![path] } else { LAYOUTS.iter().map(|layout| path.join(layout)).collect() };
    if Path::new(named).components().count() == 1
        && !name.starts_with('.')
        && let Some(base) = base_directory(host)
    {
        if let Some(place) = place_at(host, &base.join(named)) {
            return Ok(place);
        }
        tried.extend(LAYOUTS.iter().map(|layout| base.join(named).join(layout)));
        let mut called: Vec<_> =
            environments_below(host, &base).into_iter().filter(|place| is_called(host, place, &name)).collect();
        match called.len() {
            0 => {}
            1 => return called.pop().ok_or(LocateError::NotFound { name, tried }),
            _ => return Err(LocateError::Several { name, found: called.into_iter().map(|place| place.directory).collect() }),
        }
    }
    Err(LocateError::NotFound { name, tried })
}

/// The configuration file of the environment that is meant, when it is gone and `had_one` knows of it. Looks in the order of
/// [`locate`]; an environment that is there comes first.
pub(crate) fn locate_removed(host: &dyn Host, named: Option<&OsStr>, had_one: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut directories = Vec::new();
    match named {
        Some(named) => {
            let path = super::home::absolute(host, Path::new(named));
            if path.file_name() == Some(OsStr::new("casa_distro.json")) {
                return (!stands(host, &path) && had_one(&path)).then_some(path);
            }
            directories.push(path);
            if Path::new(named).components().count() == 1 {
                directories.extend(base_directory(host).map(|base| base.join(named)));
            }
        }
        None => {
            let variable = host.env("CASA_ENVIRONMENT_DIR").filter(|value| !value.is_empty());
            directories.extend(variable.map(|value| super::home::absolute(host, Path::new(&value))));
            directories.extend(host.current_dir().iter().flat_map(|current| current.ancestors()).map(Path::to_owned));
        }
    }
    for directory in directories {
        if is_environment(host, &directory) {
            return None;
        }
        if let Some(file) = LAYOUTS.iter().map(|layout| directory.join(layout)).find(|file| had_one(file)) {
            return Some(file);
        }
    }
    None
}

/// Whether an environment's `name` is this one: casa_distro selects by it, not by the directory.
fn is_called(host: &dyn Host, place: &Place, name: &str) -> bool {
    let file = super::read_config(host, &place.file);
    file.value.is_some_and(|value| value.get("name").and_then(serde_json::Value::as_str) == Some(name))
}

/// `$CASA_BASE_DIRECTORY`, else `~/casa_distro`.
fn base_directory(host: &dyn Host) -> Option<PathBuf> {
    match host.env("CASA_BASE_DIRECTORY").filter(|value| !value.is_empty()) {
        Some(directory) => Some(super::home::absolute(host, Path::new(&directory))),
        None => Some(host.identity().home?.join("casa_distro")),
    }
}

/// The environments of a base directory, in the order of their names; one that has two names through a link comes once.
fn environments_below(host: &dyn Host, base: &Path) -> Vec<Place> {
    let mut seen = Vec::new();
    let mut places = Vec::new();
    let mut names = host.read_dir(base).unwrap_or_default();
    // What is hidden casa_distro does not see.
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    let children: Vec<_> = names.into_iter().map(|name| base.join(name)).collect();
    let is_link = |path: &PathBuf| host.symlink_metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::Symlink);
    let (links, directories): (Vec<_>, Vec<_>) = children.into_iter().partition(is_link);
    for child in directories.into_iter().chain(links) {
        if let Some(place) = place_at(host, &child) {
            let real = host.canonicalize(&place.file).unwrap_or_else(|_| place.file.clone());
            if !seen.contains(&real) {
                seen.push(real);
                places.push(place);
            }
        }
    }
    places.sort_by(|one, other| one.directory.cmp(&other.directory));
    places
}

/// Whether a directory is that of an environment, in either layout.
pub(crate) fn is_environment(host: &dyn Host, directory: &Path) -> bool {
    place_at(host, directory).is_some()
}

/// The environment in this directory, if it is one. Of two layouts the first one counts.
fn place_at(host: &dyn Host, directory: &Path) -> Option<Place> {
    let file = LAYOUTS.iter().map(|layout| directory.join(layout)).find(|file| stands(host, file))?;
    Some(place_of(host, file))
}

/// The place of a configuration file.
fn place_of(host: &dyn Host, file: PathBuf) -> Place {
    let directory = file.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
    let other = match directory.parent() {
        Some(parent) if directory.file_name() == Some(OsStr::new("host")) => parent.join(LAYOUTS[0]),
        _ => directory.join(LAYOUTS[1]),
    };
    Place { other_layout: stands(host, &other).then_some(other), directory, file }
}

/// Whether anything stands at the path, even a broken link: a configuration file that is there and unusable must be told, not
/// passed over.
fn stands(host: &dyn Host, path: &Path) -> bool {
    host.symlink_metadata(path).is_ok()
}

/// Whether a directory on the way to the path may not be passed through.
fn is_closed(host: &dyn Host, path: &Path) -> bool {
    host.symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    const CONFIG: &str = "{\"name\": \"bv\"}";

    fn found(host: &RecordedHost, named: Option<&str>) -> (String, &'static str) {
        let located = locate(host, named.map(OsStr::new)).unwrap();
        (located.place.map(|place| place.directory.display().to_string()).unwrap_or_default(), located.named_by)
    }

    #[test]
    fn an_argument_may_be_a_directory_a_file_or_a_name() {
        let host = RecordedHost::new()
            .env("PWD", "/data")
            .file("/data/my env, old/conf/casa_distro.json", CONFIG)
            .file("/data/é/host/conf/casa_distro.json", CONFIG)
            .file("/home/anna/casa_distro/named/conf/casa_distro.json", "{\"name\": \"brainvisa-5.1\"}");
        for (named, directory) in [
            ("/data/my env, old", "/data/my env, old"),
            ("my env, old/", "/data/my env, old"),
            ("my env, old/conf/casa_distro.json", "/data/my env, old"),
            ("é", "/data/é/host"),
            ("é/host", "/data/é/host"),
            ("é/host/conf/casa_distro.json", "/data/é/host"),
            ("named", "/home/anna/casa_distro/named"),
            ("brainvisa-5.1", "/home/anna/casa_distro/named"),
        ] {
            assert_eq!(found(&host, Some(named)), (directory.to_owned(), "argument"), "{named}");
        }
    }

    #[test]
    fn an_argument_that_names_nothing_is_an_error_that_tells_what_was_tried() {
        let host = RecordedHost::new()
            .env("PWD", "/data")
            .directory("/data/empty")
            .file("/data/bv.sif", "SIF")
            .file("/home/anna/casa_distro/a/conf/casa_distro.json", CONFIG)
            .file("/home/anna/casa_distro/b/conf/casa_distro.json", CONFIG);
        let text = |named: &str| locate(&host, Some(OsStr::new(named))).unwrap_err().to_string();
        assert_eq!(
            text("empty"),
            "\"empty\" is no casa-distro environment; looked for \"/data/empty/conf/casa_distro.json\", \
             \"/data/empty/host/conf/casa_distro.json\", \"/home/anna/casa_distro/empty/conf/casa_distro.json\", \
             \"/home/anna/casa_distro/empty/host/conf/casa_distro.json\""
        );
        assert_eq!(
            text("x/conf/casa_distro.json"),
            "\"x/conf/casa_distro.json\" is no casa-distro environment; looked for \"/data/x/conf/casa_distro.json\""
        );
        assert!(text("bv.sif").contains("is not a casa_distro.json"));
        assert!(text("bv").starts_with("several environments are called \"bv\""));
    }

    #[test]
    fn without_an_argument_the_nearest_hint_counts() {
        let base = RecordedHost::new().file("/home/anna/casa_distro/one/conf/casa_distro.json", CONFIG);
        assert_eq!(found(&base, None), ("/home/anna/casa_distro/one".into(), "base-directory"));
        let inside =
            base.file("/data/env/conf/casa_distro.json", CONFIG).directory("/data/env/home/x").env("PWD", "/data/env/home/x");
        assert_eq!(found(&inside, None), ("/data/env".into(), "current-directory"));
        let told = inside.file("/v/host/conf/casa_distro.json", CONFIG).env("CASA_ENVIRONMENT_DIR", "/v");
        assert_eq!(found(&told, None), ("/v/host".into(), "CASA_ENVIRONMENT_DIR"));
        let stale = told.env("CASA_ENVIRONMENT_DIR", "/gone");
        assert_eq!(found(&stale, None), ("/data/env".into(), "current-directory"));
        assert_eq!(locate(&stale, None).unwrap().stale_variable, Some("/gone".into()));
        assert_eq!(found(&RecordedHost::new(), None), (String::new(), "none"));
    }

    #[test]
    fn an_environment_whose_file_is_gone_is_found_where_it_was() {
        let host = RecordedHost::new()
            .env("PWD", "/data/gone/home")
            .directory("/data/gone/home")
            .file("/data/there/conf/casa_distro.json", CONFIG)
            .directory("/home/anna/casa_distro/gone/conf");
        let gone = |named: Option<&str>| {
            let known = ["/data/gone/conf/casa_distro.json", "/home/anna/casa_distro/gone/conf/casa_distro.json"];
            locate_removed(&host, named.map(OsStr::new), &|file| known.iter().any(|known| file == Path::new(known)))
        };
        for (named, file) in [
            (None, "/data/gone/conf/casa_distro.json"),
            (Some("/data/gone"), "/data/gone/conf/casa_distro.json"),
            (Some("/data/gone/conf/casa_distro.json"), "/data/gone/conf/casa_distro.json"),
            (Some("gone"), "/home/anna/casa_distro/gone/conf/casa_distro.json"),
        ] {
            assert_eq!(gone(named).as_deref(), Some(Path::new(file)), "{named:?}");
        }
        for named in ["/data/there", "/data", "other"] {
            assert_eq!(gone(Some(named)), None, "{named}");
        }
        let inside = RecordedHost::new().env("PWD", "/gone/there").file("/gone/there/conf/casa_distro.json", CONFIG);
        assert_eq!(locate_removed(&inside, None, &|_| true), None, "an environment that is there comes first");
    }

    #[test]
    fn of_several_none_is_taken() {
        let host = RecordedHost::new()
            .env("CASA_BASE_DIRECTORY", "/envs")
            .file("/envs/b/conf/casa_distro.json", CONFIG)
            .file("/envs/a/host/conf/casa_distro.json", CONFIG)
            .symlink("/envs/0-link-to-b", "/envs/b")
            .file("/envs/.old/conf/casa_distro.json", CONFIG)
            .file("/envs/image.sif.json", "{}");
        let located = locate(&host, None).unwrap();
        assert_eq!(located.place, None);
        assert_eq!(located.candidates, [Path::new("/envs/a/host"), Path::new("/envs/b")]);
    }

    #[test]
    fn both_layouts_are_noticed_from_either_side() {
        let host = RecordedHost::new().file("/e/conf/casa_distro.json", CONFIG).file("/e/host/conf/casa_distro.json", CONFIG);
        for (named, directory, other) in [
            ("/e", "/e", "/e/host/conf/casa_distro.json"),
            ("/e/host", "/e/host", "/e/conf/casa_distro.json"),
            ("/e/host/conf/casa_distro.json", "/e/host", "/e/conf/casa_distro.json"),
        ] {
            let place = locate(&host, Some(OsStr::new(named))).unwrap().place.unwrap();
            assert_eq!((place.directory.as_path(), place.other_layout.as_deref()), (Path::new(directory), Some(Path::new(other))));
        }
    }

    #[test]
    fn a_file_that_is_there_and_unusable_is_found() {
        let host = RecordedHost::new()
            .directory("/dir/conf/casa_distro.json")
            .directory("/link/conf")
            .symlink("/link/conf/casa_distro.json", "/gone");
        assert_eq!(found(&host, Some("/dir")).0, "/dir");
        assert_eq!(found(&host, Some("/link")).0, "/link");
        assert_eq!(found(&host, Some("/link/conf/casa_distro.json")).0, "/link");
    }
}
