//! Do variables change a launch that nobody asked for?

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};
use crate::image::environment;

pub(super) static CHECK: Check = Check {
    id: "session-leftovers",
    category: Category::Engine,
    question: "Is the environment free of variables that change a launch?",
    needs: &[ProbeId::Session],
    findings: &[&LEFTOVER],
    run: free,
};

static LEFTOVER: FindingKind = FindingKind {
    id: "env-leftover",
    code: "CD0710",
    severity: Severity::Warning,
    title: "Variables in this session change how containers start",
    why: "The engine reads variables of its own: APPTAINERENV_NAME and SINGULARITYENV_NAME set NAME in every container, even where the rest of the environment is kept out, and APPTAINER_BIND and the like act as options that nobody sees. casa_distro refuses to start while CASA_HOST_DIR is set. Such variables are often left from an old recipe in ~/.bashrc.",
    cure: "Remove the lines that set them from your shell's files, unless your site needs them, and open a new shell.",
    example: "INFO: Environment variable SINGULARITYENV_DISPLAY is set, but APPTAINERENV_DISPLAY is preferred",
    since: "0.1.0",
};

fn free(facts: &Facts) -> Outcome {
    let Some(session) = &facts.session else { return Outcome::Unknown("nothing was recorded about the session".to_owned()) };
    if session.inside_container.is_some() {
        return Outcome::Skipped("inside a container such variables are the launch's own".to_owned());
    }
    if session.leftover_variables.is_empty() {
        return Outcome::Pass;
    }
    let reaches_the_container = |name: &String| name.starts_with("APPTAINERENV_") || name.starts_with("SINGULARITYENV_");
    let stops_casa_distro = session.leftover_variables.iter().any(|name| name == "CASA_HOST_DIR");
    let severity = match () {
        // There is something that bv would have to start.
        () if stops_casa_distro && environment(facts).is_some() => Severity::Error,
        () if stops_casa_distro || session.leftover_variables.iter().any(reaches_the_container) => Severity::Warning,
        () => Severity::Info,
    };
    let mut finding = LEFTOVER.found().severity(severity);
    for name in &session.leftover_variables {
        let effect =
            if name == "CASA_HOST_DIR" { ": bv and casa_distro believe to be in a container, and start nothing" } else { "" };
        finding = finding.evidence(format!("{name} is set{effect}"));
    }
    // A name from the environment is not put into a command when a shell could read it otherwise.
    let plain = |name: &&String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let names: Vec<_> = session.leftover_variables.iter().filter(plain).map(String::as_str).collect();
    Outcome::Findings(vec![
        finding.advise_command("For this shell alone, unless your site needs them:", format!("unset {}", names.join(" "))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Environment, EnvironmentSearch, Session};
    use crate::image::tests::{answered, findings};

    fn facts(names: &[&str], inside: Option<&str>) -> Facts {
        let leftover_variables = names.iter().map(|name| (*name).to_owned()).collect();
        let inside_container = inside.map(str::to_owned);
        Facts { session: Some(Session { leftover_variables, inside_container, ..Session::default() }), ..answered() }
    }

    #[test]
    fn names_and_severities() {
        let found = findings(&CHECK, &facts(&["APPTAINERENV_DISPLAY", "CASA_HOST_DIR"], None));
        assert_eq!((found[0].severity, found[0].evidence.len()), (Severity::Warning, 2));
        assert_eq!(found[0].advice[0].command.as_deref(), Some("unset APPTAINERENV_DISPLAY CASA_HOST_DIR"));
        assert_eq!(findings(&CHECK, &facts(&["APPTAINER_BIND"], None))[0].severity, Severity::Info);
        let with_environment = Facts {
            environment: Some(EnvironmentSearch { found: Some(Environment::default()), ..EnvironmentSearch::default() }),
            ..facts(&["CASA_HOST_DIR"], None)
        };
        assert_eq!(findings(&CHECK, &with_environment)[0].severity, Severity::Error, "bv does not start it");
        assert_eq!(CHECK.judge(&facts(&[], None)), Outcome::Pass);
        assert!(matches!(CHECK.judge(&facts(&["CASA_HOST_DIR"], Some("casa-distro"))), Outcome::Skipped(_)));
    }

    #[test]
    fn an_odd_name_is_told_and_not_put_into_the_command() {
        let found = findings(&CHECK, &facts(&["APPTAINERENV_A;reboot", "APPTAINERENV_B"], None));
        assert_eq!(found[0].advice[0].command.as_deref(), Some("unset APPTAINERENV_B"));
    }
}
