//! Is it clear which files belong to the environment?

use super::layers::{environment, shell_word};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

/// Is it clear which files belong to the environment?
pub(super) static CHECK: Check = Check {
    id: "config-layout",
    category: Category::Config,
    question: "Is it clear which configuration files belong to the environment?",
    needs: &[ProbeId::Environment],
    findings: &[&TWO_LAYOUTS, &UNREAD_FILE, &STALE_VARIABLE],
    run,
};

static TWO_LAYOUTS: FindingKind = FindingKind {
    id: "config-two-layouts",
    code: "CD0915",
    severity: Severity::Error,
    title: "The environment has two configuration files",
    why: "An environment keeps its configuration in conf/casa_distro.json or in host/conf/casa_distro.json. When both exist, bv \
          takes them for two environments and refuses to choose.",
    cure: "Keep the one that belongs to this environment and move the other one away.",
    example: "Several environments found, use a more selective criterion: brainvisa-5.1, brainvisa-5.1",
    since: "0.1.0",
};

static UNREAD_FILE: FindingKind = FindingKind {
    id: "config-unread-file",
    code: "CD0916",
    severity: Severity::Info,
    title: "A configuration file has a name that casa_distro 3.x does not read",
    why: "casa_distro 3.x reads conf/casa_distro.json of the environment and casa_distro_3.json of the user. Parts of its \
          documentation spell these names in other ways, and casa-distro 2.x had other files; what stands in them has no effect.",
    cure: "Move what is still wanted into the file that is read, and remove the other one.",
    example: "~/.config/casa-distro/casa_distro3.json",
    since: "0.1.0",
};

static STALE_VARIABLE: FindingKind = FindingKind {
    id: "config-environment-dir-stale",
    code: "CD0917",
    severity: Severity::Warning,
    title: "CASA_ENVIRONMENT_DIR names no environment",
    why: "The variable tells bv which environment to use when bv is not started from one. It names a directory without \
          conf/casa_distro.json, for instance because the environment was moved, and is of no use.",
    cure: "Set the variable to the environment's directory, or unset it.",
    example: "ERROR: Cannot find execution environment",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let mut findings = Vec::new();
    if let Some(stale) = facts.environment.as_ref().and_then(|search| search.stale_variable.as_ref()) {
        let text = format!("environment variable CASA_ENVIRONMENT_DIR: \"{}\" has no conf/casa_distro.json", stale.display());
        findings.push(
            STALE_VARIABLE
                .found()
                .evidence(text)
                .advise_command("Unset it, and look where it is set (~/.bashrc):", "unset CASA_ENVIRONMENT_DIR"),
        );
    }
    match environment(facts) {
        Ok(environment) => {
            if let Some(other) = &environment.other_layout {
                let (used, other) = (environment.file.path.display().to_string(), other.display().to_string());
                findings.push(
                    TWO_LAYOUTS
                        .found()
                        .evidence(format!("{used}: exists, and casa-doctor looks at this one"))
                        .evidence(format!("{other}: exists as well"))
                        .advise_command(
                            format!("If \"{used}\" is the right one, move the other one away:"),
                            format!("mv {} {}", shell_word(&other), shell_word(&format!("{other}.unused"))),
                        ),
                );
            }
            if !environment.unread_files.is_empty() {
                let mut finding = UNREAD_FILE.found();
                for file in &environment.unread_files {
                    finding = finding.evidence(format!("{}: exists and is not read", file.display()));
                }
                findings.push(finding.advise("Move what you still want from there into the file that is read, then remove it."));
            }
            Outcome::of(findings)
        }
        Err(outcome) if findings.is_empty() => outcome,
        Err(_) => Outcome::of(findings),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{facts, findings, ids};
    use super::*;
    use crate::facts::{Environment, EnvironmentSearch};

    fn changed(change: impl FnOnce(&mut EnvironmentSearch, &mut Environment)) -> Facts {
        let mut facts = facts(&json!({}));
        let search = facts.environment.as_mut().unwrap();
        let mut environment = search.found.take().unwrap();
        change(search, &mut environment);
        search.found = Some(environment);
        facts
    }

    #[test]
    fn two_layouts_are_told_with_the_command_that_ends_it() {
        let found = findings(&CHECK, &changed(|_, environment| environment.other_layout = Some("/env/host/conf/it's.json".into())));
        assert_eq!(found[0].kind.id, "config-two-layouts");
        assert_eq!(
            found[0].advice[0].command.as_deref(),
            Some("mv '/env/host/conf/it'\\''s.json' '/env/host/conf/it'\\''s.json.unused'")
        );
    }

    #[test]
    fn unread_files_and_a_stale_variable_are_told() {
        let facts = changed(|search, environment| {
            search.stale_variable = Some("/gone".into());
            environment.unread_files = vec!["/u/casa_distro3.json".into()];
        });
        assert_eq!(ids(&CHECK, &facts), ["config-environment-dir-stale", "config-unread-file"]);
    }

    #[test]
    fn a_stale_variable_is_told_without_any_environment() {
        let mut facts = changed(|search, _| search.stale_variable = Some("/gone".into()));
        facts.environment.as_mut().unwrap().found = None;
        assert_eq!(ids(&CHECK, &facts), ["config-environment-dir-stale"]);
        facts.environment.as_mut().unwrap().stale_variable = None;
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }
}
