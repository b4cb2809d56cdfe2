//! Which engine starts the container, and what it can do.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{EngineKind, Facts};

use super::LaunchError;
use crate::host::Host;
use crate::probes::named_images::kind_of as named_image_kind;

/// The engine of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its program.
    pub(super) path: PathBuf,
    /// Which it is.
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

    /// Whether it quotes the value of a variable for that shell as Go does, which doubles a backslash, so that a dollar cannot be kept
    /// from it (Singularity 3.6.0 to 3.8.0).
    pub(super) fn quotes_as_go(&self) -> bool {
        self.kind == EngineKind::Singularity && self.version.is_some_and(|version| ((3, 6, 0)..(3, 8, 1)).contains(&version))
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

/// Finds the engine: the one that was asked for, else what casa_distro would take (Apptainer before Singularity), else for an image
/// that Docker or Podman keep the one of the two that the configuration names, or the other one.
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
    let kinds = match container_type {
        None | Some("singularity" | "apptainer" | "apptainer_pixi") => [EngineKind::Apptainer, EngineKind::Singularity],
        Some("docker") => [EngineKind::Docker, EngineKind::Podman],
        Some("podman") => [EngineKind::Podman, EngineKind::Docker],
        Some("vbox") => return Err(LaunchError::VirtualBox),
        Some(other) => return Err(LaunchError::ContainerType(other.into())),
    };
    let found =
        |kind: EngineKind| facts.engines.iter().flat_map(|engines| &engines.found).filter(move |engine| engine.kind == kind);
    // The probe finds one beside PATH, too, which neither casa_distro nor a launch without that probe would take.
    let missing = facts.engines.iter().flat_map(|engines| &engines.missing);
    let is_missing = |path: &Path| missing.clone().any(|name| path.file_name() == Some(OsStr::new(name)));
    let (beside, on_path): (Vec<_>, Vec<_>) = kinds.into_iter().flat_map(found).partition(|engine| is_missing(&engine.path));
    if let Some(engine) = on_path.first() {
        return at_path(host, facts, &engine.path);
    }
    if let Some(engine) = beside.first() {
        return Err(LaunchError::BesidePath(engine.path.clone()));
    }
    let path = kinds.into_iter().find_map(|kind| host.which(OsStr::new(kind.program())));
    let missing = if kinds.contains(&EngineKind::Docker) { LaunchError::NoDocker } else { LaunchError::NoEngine };
    at_path(host, facts, &path.ok_or(missing)?)
}

fn named(host: &dyn Host, facts: &Facts, name: &OsStr) -> Result<Chosen, LaunchError> {
    let known = facts.engines.iter().flat_map(|engines| &engines.found).find(|engine| name == engine.kind.program());
    let path = known.map(|engine| engine.path.clone()).or_else(|| host.which(name));
    at_path(host, facts, &path.ok_or_else(|| LaunchError::EngineMissing(name.to_owned()))?)
}

fn at_path(host: &dyn Host, facts: &Facts, path: &Path) -> Result<Chosen, LaunchError> {
    if let Some(engine) = facts.engines.iter().flat_map(|engines| &engines.found).find(|engine| engine.path == path) {
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
        name if name.contains("docker") || name.contains("podman") => named_image_kind(host, path),
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
        let mut facts = facts;
        facts.engines.as_mut().unwrap().missing = vec!["apptainer".into()];
        let error = choose(&RecordedHost::new(), &facts, Some("singularity"), None).unwrap_err();
        assert!(matches!(&error, LaunchError::BesidePath(path) if path == Path::new("/opt/bin/apptainer")), "{error}");
        assert!(choose(&RecordedHost::new(), &facts, Some("singularity"), Some(OsStr::new("apptainer"))).is_ok(), "asked for");
        // A program "singularity" that is Apptainer is on PATH, though no "apptainer" is.
        facts.engines.as_mut().unwrap().found[0].path = "/usr/bin/singularity".into();
        assert!(choose(&RecordedHost::new(), &facts, Some("singularity"), None).is_ok());
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
    fn images_of_docker_are_started_by_docker_or_podman() {
        let host = RecordedHost::new().command(&["podman"], 0, "", "").file("/usr/bin/podman", "");
        let kind = |container_type, asked: Option<&str>| {
            choose(&host, &Facts::default(), container_type, asked.map(OsStr::new)).unwrap().kind
        };
        assert_eq!(kind(Some("docker"), None), EngineKind::Podman, "there is no Docker");
        assert_eq!(kind(Some("singularity"), Some("podman")), EngineKind::Podman);
        let host = host.command(&["docker"], 0, "", "").file("/usr/bin/docker", "");
        let of = |container_type| choose(&host, &Facts::default(), Some(container_type), None).unwrap().kind;
        assert_eq!((of("docker"), of("podman")), (EngineKind::Docker, EngineKind::Podman));
        let facts = facts_with(EngineKind::Docker, "/opt/bin/docker", "28.2.2");
        let chosen = choose(&host, &facts, Some("docker"), None).unwrap();
        assert_eq!((chosen.path.as_path(), chosen.version), (Path::new("/opt/bin/docker"), Some((28, 2, 2))));
    }

    #[test]
    fn what_cannot_be_started_is_refused_by_name() {
        let host = RecordedHost::new();
        let with =
            |kind, asked: Option<&str>| choose(&host, &Facts::default(), kind, asked.map(OsStr::new)).unwrap_err().to_string();
        assert!(with(Some("docker"), None).contains("neither docker nor podman"));
        assert!(with(Some("vbox"), None).contains("VirtualBox"));
        assert!(with(Some("lxc"), None).contains("lxc"));
        assert!(with(None, Some("podman")).contains("podman"));
        assert!(with(None, Some("/opt/none")).contains("/opt/none"));
    }
}
