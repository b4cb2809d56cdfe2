//! Which engine starts the container, and what it can do.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{EngineKind, Facts};

use super::LaunchError;
use crate::host::Host;

/// The engine of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its program.
    pub(super) path: PathBuf,
    /// Apptainer or Singularity.
    pub(super) kind: EngineKind,
    /// Its version, where known.
    pub(super) version: Option<Version>,
}

/// Major, minor and patch number.
pub(super) type Version = (u32, u32, u32);

impl Chosen {
    /// `APPTAINER` or `SINGULARITY`, with which the names of its variables begin.
    pub(super) const fn prefix(&self) -> &'static str {
        match self.kind {
            EngineKind::Singularity => "SINGULARITY",
            _ => "APPTAINER",
        }
    }

    /// Whether it has `--mount`, which can carry any path (Apptainer; SingularityCE since 3.9).
    pub(super) fn has_mount_option(&self) -> bool {
        self.kind == EngineKind::Apptainer || self.version.is_some_and(|version| version >= (3, 9, 0))
    }

    /// Whether it lets a shell evaluate the variables that it hands over (Apptainer, Singularity since 3.6).
    pub(super) fn evaluates_variables(&self) -> bool {
        self.kind == EngineKind::Apptainer || self.version.is_none_or(|version| version >= (3, 6, 0))
    }

    /// Whether its `--nv` binds the manifests of EGL and Vulkan (Apptainer since 1.4.0, SingularityCE never).
    pub(super) fn binds_manifests(&self) -> Option<bool> {
        match self.kind {
            EngineKind::Singularity => Some(false),
            _ => self.version.map(|version| version >= (1, 4, 0)),
        }
    }

    /// Whether it takes devices of the Container Device Interface (Apptainer since 1.5.0; SingularityCE in its other mode only).
    pub(super) fn knows_cdi(&self) -> Option<bool> {
        match self.kind {
            EngineKind::Singularity => Some(false),
            _ => self.version.map(|version| version >= (1, 5, 0)),
        }
    }

    /// Whether its `--nv` puts the host's dispatch libraries before those of the image (Apptainer before 1.5.0, SingularityCE).
    pub(super) fn host_libraries_first(&self) -> Option<bool> {
        match self.kind {
            EngineKind::Singularity => Some(true),
            _ => self.version.map(|version| version < (1, 5, 0)),
        }
    }
}

/// Finds the engine: the one that was asked for, else what casa_distro would take (Apptainer before Singularity).
pub(super) fn choose(
    host: &dyn Host,
    facts: &Facts,
    container_type: Option<&str>,
    asked: Option<&OsStr>,
) -> Result<Chosen, LaunchError> {
    if let Some(asked) = asked {
        return if asked.as_encoded_bytes().contains(&b'/') {
            at_path(host, facts, Path::new(asked))
        } else {
            named(host, facts, asked)
        };
    }
    match container_type {
        None | Some("singularity" | "apptainer" | "apptainer_pixi") => {}
        Some("docker") => return Err(LaunchError::EngineNotSupported("docker".into())),
        Some("vbox") => return Err(LaunchError::VirtualBox),
        Some(other) => return Err(LaunchError::ContainerType(other.into())),
    }
    let found = facts.engines.iter().flat_map(|engines| &engines.found).find(|engine| can_run(engine.kind));
    match found {
        Some(engine) => at_path(host, facts, &engine.path),
        None => ["apptainer", "singularity"]
            .into_iter()
            .find_map(|name| host.which(OsStr::new(name)))
            .ok_or(LaunchError::NoEngine)
            .and_then(|path| at_path(host, facts, &path)),
    }
}

const fn can_run(kind: EngineKind) -> bool {
    matches!(kind, EngineKind::Apptainer | EngineKind::Singularity)
}

fn named(host: &dyn Host, facts: &Facts, name: &OsStr) -> Result<Chosen, LaunchError> {
    if name == "docker" || name == "podman" {
        return Err(LaunchError::EngineNotSupported(name.to_owned()));
    }
    let known = facts.engines.iter().flat_map(|engines| &engines.found).find(|engine| name == engine.kind.program());
    let path = known.map(|engine| engine.path.clone()).or_else(|| host.which(name));
    at_path(host, facts, &path.ok_or_else(|| LaunchError::EngineMissing(name.to_owned()))?)
}

fn at_path(host: &dyn Host, facts: &Facts, path: &Path) -> Result<Chosen, LaunchError> {
    if let Some(engine) = facts.engines.iter().flat_map(|engines| &engines.found).find(|engine| engine.path == path) {
        if !can_run(engine.kind) {
            return Err(LaunchError::EngineNotSupported(path.into()));
        }
        let version = engine.version.as_deref().and_then(parse_version);
        return Ok(Chosen { path: path.to_owned(), kind: engine.kind, version });
    }
    if host.exists(path) != Some(true) {
        return Err(LaunchError::EngineMissing(path.into()));
    }
    // A `singularity` may be Apptainer's link, which wants Apptainer's names of variables.
    let real = host.canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = match name.as_str() {
        name if name.contains("docker") || name.contains("podman") => {
            return Err(LaunchError::EngineNotSupported(OsString::from(path)));
        }
        name if name.contains("singularity") => EngineKind::Singularity,
        _ => EngineKind::Apptainer,
    };
    Ok(Chosen { path: path.to_owned(), kind, version: None })
}

/// The numbers of a version such as `1.4.5` or `3.8.7-1.el8`.
pub(super) fn parse_version(text: &str) -> Option<Version> {
    let mut numbers = text.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().ok()
    });
    let major = numbers.next()??;
    Some((major, numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
pub(super) mod tests {
    use casa_doctor_checks::facts::{Engine, Engines};

    use super::*;
    use crate::host::RecordedHost;

    /// Facts with one engine.
    pub(in crate::launch) fn facts_with(kind: EngineKind, path: &str, version: &str) -> Facts {
        let engine = Engine {
            kind,
            path: path.into(),
            version_text: None,
            version: Some(version.into()),
            version_error: None,
            setuid: None,
            daemon: None,
        };
        Facts { engines: Some(Engines { found: vec![engine], ..Engines::default() }), ..Facts::default() }
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("1.4.5"), Some((1, 4, 5)));
        assert_eq!(parse_version("3.8.7-1.el8"), Some((3, 8, 7)));
        assert_eq!(parse_version("2.6-dist"), Some((2, 6, 0)));
        assert_eq!(parse_version("unknown"), None);
    }

    #[test]
    fn the_first_engine_that_can_run_is_taken() {
        let facts = facts_with(EngineKind::Apptainer, "/opt/bin/apptainer", "1.3.6");
        let chosen = choose(&RecordedHost::new(), &facts, Some("singularity"), None).unwrap();
        assert_eq!((chosen.path.as_path(), chosen.version), (Path::new("/opt/bin/apptainer"), Some((1, 3, 6))));
        assert_eq!(chosen.prefix(), "APPTAINER");
        assert_eq!(chosen.binds_manifests(), Some(false));
    }

    #[test]
    fn without_facts_path_is_searched_and_apptainers_link_is_known() {
        let host = RecordedHost::new()
            .command(&["singularity"], 0, "", "")
            .file("/usr/bin/apptainer", "")
            .symlink("/usr/bin/singularity", "apptainer");
        let chosen = choose(&host, &Facts::default(), None, None).unwrap();
        assert_eq!(
            (chosen.path.as_path(), chosen.kind, chosen.version),
            (Path::new("/usr/bin/singularity"), EngineKind::Apptainer, None)
        );
        assert_eq!(choose(&RecordedHost::new(), &Facts::default(), None, None), Err(LaunchError::NoEngine));
    }

    #[test]
    fn what_cannot_be_started_is_refused_by_name() {
        let host = RecordedHost::new();
        let with =
            |kind, asked: Option<&str>| choose(&host, &Facts::default(), kind, asked.map(OsStr::new)).unwrap_err().to_string();
        assert!(with(Some("docker"), None).contains("docker"));
        assert!(with(Some("vbox"), None).contains("VirtualBox"));
        assert!(with(Some("lxc"), None).contains("lxc"));
        assert!(with(None, Some("podman")).contains("podman"));
        assert!(with(None, Some("/opt/none")).contains("/opt/none"));
    }
}
