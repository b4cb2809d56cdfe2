//! Checks of the family "image".

mod checksum;
mod file;
mod identity;
mod present;

use serde_json::Value;

use crate::check::{Check, Outcome};
use crate::facts::{Environment, Facts, Image, ImageKind};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[&checksum::CHECK, &file::CHECK, &identity::CHECK, &present::CHECK];

/// A text of the configuration, in the view that casa_distro works with.
pub(crate) fn setting<'a>(environment: &'a Environment, key: &str) -> Option<&'a str> {
    environment.merged.as_ref().or(environment.file.value.as_ref())?.get(key)?.as_str()
}

/// The environment of these facts, when exactly one was found.
pub(crate) fn environment(facts: &Facts) -> Option<&Environment> {
    facts.environment.as_ref()?.found.as_ref()
}

/// The image and its environment, or the outcome of a check that has none to look at.
fn image_of(facts: &Facts) -> Result<(&Environment, &Image), Outcome> {
    let environment = environment(facts).ok_or_else(|| Outcome::Skipped("there is no environment".to_owned()))?;
    let image = facts.image.as_ref().ok_or_else(|| Outcome::Unknown("nothing was recorded about the image".to_owned()))?;
    if image.configured.is_empty() {
        return Err(Outcome::Skipped("the configuration names no image".to_owned()));
    }
    Ok((environment, image))
}

/// The same, for checks that look at the file itself.
fn image_file_of(facts: &Facts) -> Result<(&Environment, &Image, &std::path::Path), Outcome> {
    let (environment, image) = image_of(facts)?;
    if image.kind == Some(ImageKind::Name) {
        return Err(Outcome::Skipped("the image is kept by the container engine and is not a file".to_owned()));
    }
    match &image.used {
        Some(used) => Ok((environment, image, used)),
        None => Err(Outcome::Skipped("the image was not found".to_owned())),
    }
}

/// Where the configuration names the image, for evidence: `/x/conf/casa_distro.json:7: "image" is "brainvisa-5.1.sif"`.
fn configured(environment: &Environment, image: &Image) -> String {
    let file = file_that_sets(environment, "image");
    let line = file.lines.get("/image").map(|line| format!(":{line}")).unwrap_or_default();
    format!("{}{line}: \"image\" is \"{}\"", file.path.display(), image.configured)
}

/// The configuration file whose value of a key counts: the user's, when it has one.
fn file_that_sets<'a>(environment: &'a Environment, key: &str) -> &'a crate::facts::ConfigFile {
    let sets = |file: &&crate::facts::ConfigFile| {
        file.value.as_ref().and_then(|value| value.get(key)).is_some_and(|value| *value != Value::Null)
    };
    environment.user_file.as_ref().filter(sets).unwrap_or(&environment.file)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::facts::{ConfigFile, EnvironmentSearch, ProbeEnd, ProbeId, ProbeRun};
    use crate::finding::Finding;

    /// Facts in which every probe answered, with an environment of this configuration.
    pub(crate) fn facts_with(configuration: Value) -> Facts {
        let mut facts = answered();
        facts.environment = Some(EnvironmentSearch {
            named_by: "argument".to_owned(),
            found: Some(Environment {
                directory: PathBuf::from("/home/anna/casa_distro/bv"),
                file: ConfigFile {
                    path: PathBuf::from("/home/anna/casa_distro/bv/conf/casa_distro.json"),
                    value: Some(configuration.clone()),
                    lines: [("/image".to_owned(), 7)].into(),
                    ..ConfigFile::default()
                },
                merged: Some(configuration),
                ..Environment::default()
            }),
            ..EnvironmentSearch::default()
        });
        facts
    }

    /// Facts in which every probe answered and found nothing.
    pub(crate) fn answered() -> Facts {
        let run = ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 1 };
        Facts { probes: ProbeId::ALL.iter().map(|probe| (*probe, run.clone())).collect(), ..Facts::default() }
    }

    /// The findings of a check.
    pub(crate) fn findings(check: &Check, facts: &Facts) -> Vec<Finding> {
        match check.judge(facts) {
            Outcome::Findings(findings) => findings,
            Outcome::Pass => Vec::new(),
            other => panic!("{}: {other:?}", check.id),
        }
    }

    /// The ids of the findings of a check.
    pub(crate) fn ids(check: &Check, facts: &Facts) -> Vec<&'static str> {
        findings(check, facts).iter().map(|finding| finding.kind.id).collect()
    }

    pub(super) fn facts_of(image: Image) -> Facts {
        let configured = image.configured.clone();
        let mut facts = facts_with(json!({"container_type": "singularity", "image": configured, "name": "bv"}));
        facts.image = Some(image);
        facts
    }

    #[test]
    fn without_an_environment_or_an_image_nothing_is_judged() {
        for check in CHECKS {
            assert!(
                matches!(check.judge(&Facts { image: Some(Image::default()), ..answered() }), Outcome::Skipped(_)),
                "{}",
                check.id
            );
            assert!(matches!(check.judge(&facts_of(Image::default())), Outcome::Skipped(_)), "{}", check.id);
            assert!(matches!(check.judge(&facts_with(json!({}))), Outcome::Unknown(_)), "{}", check.id);
            let docker = Image { configured: "cati/bv:5.1".to_owned(), kind: Some(ImageKind::Name), ..Image::default() };
            assert!(matches!(check.judge(&facts_of(docker)), Outcome::Skipped(_)), "{}", check.id);
        }
    }
}
