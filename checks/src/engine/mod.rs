//! Checks of the family "engine".

mod docker;
mod fuse;
mod leftover;
mod missing;
mod nested;
mod settings;
mod setuid;
mod silent;
mod sudo;
mod user_namespaces;
mod version;

use crate::check::{Check, Outcome};
use crate::facts::{Engine, EngineKind, Engines, Facts, Setuid};
use crate::finding::Severity;
use crate::image::{environment, setting};

pub(crate) use fuse::unpacks;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[
    &docker::CHECK,
    &silent::CHECK,
    &fuse::CHECK,
    &missing::CHECK,
    &settings::CHECK,
    &setuid::CHECK,
    &user_namespaces::CHECK,
    &version::CHECK,
    &leftover::CHECK,
    &nested::CHECK,
    &sudo::CHECK,
];

/// The engines that can start the environment's image, best first; `None` when there is no environment or its type is not one
/// that an engine of this machine could be for.
fn wanted(facts: &Facts) -> Option<&'static [EngineKind]> {
    match setting(environment(facts)?, "container_type")? {
        // casa_distro takes whichever of the two is there, Apptainer first.
        "singularity" | "apptainer" | "apptainer_pixi" => Some(&[EngineKind::Apptainer, EngineKind::Singularity]),
        "docker" => Some(&[EngineKind::Docker, EngineKind::Podman]),
        "podman" => Some(&[EngineKind::Podman, EngineKind::Docker]),
        _ => None,
    }
}

/// The engines that were found, or the outcome of a check without them.
fn engines(facts: &Facts) -> Result<&Engines, Outcome> {
    facts.engines.as_ref().ok_or_else(|| Outcome::Unknown("nothing was recorded about the container engines".to_owned()))
}

/// The engine that starts SIF images here, Apptainer before Singularity, or why there is no use in asking about it.
pub(crate) fn sif_engine(facts: &Facts) -> Result<(&Engines, &Engine), Outcome> {
    let engines = engines(facts)?;
    if wanted(facts).is_some_and(|wanted| !wanted.contains(&EngineKind::Apptainer)) {
        return Err(Outcome::Skipped("the environment is not for Apptainer or Singularity".to_owned()));
    }
    let engine = [EngineKind::Apptainer, EngineKind::Singularity]
        .iter()
        .find_map(|kind| engines.found.iter().find(|engine| engine.kind == *kind))
        .ok_or_else(|| Outcome::Skipped("neither Apptainer nor Singularity is installed".to_owned()))?;
    Ok((engines, engine))
}

/// An error when an environment waits for it, else a warning.
fn severity(facts: &Facts) -> Severity {
    if environment(facts).is_some() { Severity::Error } else { Severity::Warning }
}

/// Whether the engine's setuid starter works, so that it needs nothing of the kernel's user namespaces.
fn has_working_setuid(engine: &Engine) -> bool {
    engine.setuid == Some(Setuid::Works)
}

/// The first two numbers of a version; `None` when it has none.
pub(crate) fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next().flatten().unwrap_or(0)))
}

/// An engine as evidence: `/usr/bin/apptainer: apptainer version 1.4.5`.
fn described(engine: &Engine) -> String {
    let version = engine.version_text.as_deref().or(engine.version_error.as_deref()).unwrap_or("version unknown");
    format!("{}: {version}", engine.path.display())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::image::tests::{answered, facts_with};

    pub(super) fn engine(kind: EngineKind, version: &str, setuid: Option<Setuid>) -> Engine {
        Engine {
            kind,
            path: format!("/usr/bin/{}", kind.program()).into(),
            version_text: Some(format!("{} version {version}", kind.program())),
            version: Some(version.to_owned()),
            version_error: None,
            setuid,
            daemon: None,
        }
    }

    /// A healthy kernel with every helper.
    pub(super) fn healthy(found: Vec<Engine>) -> Engines {
        Engines {
            found,
            user_namespaces: Some(true),
            max_user_namespaces: Some(63000),
            dev_fuse: Some(true),
            helpers: ["squashfuse", "squashfuse_ll", "fusermount3", "unsquashfs", "fuse-overlayfs", "fuse2fs"]
                .map(str::to_owned)
                .into(),
            settings: Some(crate::facts::EngineSettings::default()),
            ..Engines::default()
        }
    }

    /// Facts with an environment of this type.
    pub(super) fn facts_for(container_type: &str, engines: Engines) -> Facts {
        Facts { engines: Some(engines), ..facts_with(json!({"container_type": container_type, "image": "x.sif"})) }
    }

    /// Facts without an environment.
    pub(super) fn facts_alone(engines: Engines) -> Facts {
        Facts { engines: Some(engines), ..answered() }
    }

    #[test]
    fn a_healthy_machine_has_no_finding_whatever_the_environment() {
        let apptainer = engine(EngineKind::Apptainer, "1.4.5", Some(Setuid::Absent));
        for facts in [facts_alone(healthy(vec![apptainer.clone()])), facts_for("singularity", healthy(vec![apptainer]))] {
            for check in CHECKS {
                let mut facts = facts.clone();
                facts.session = Some(crate::facts::Session::default());
                let outcome = check.judge(&facts);
                assert!(!matches!(outcome, Outcome::Findings(_)), "{}: {outcome:?}", check.id);
            }
        }
    }
}
