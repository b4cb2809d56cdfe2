//! Is it the version of WSL that can run containers?

use super::{container, wsl};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "wsl-version",
    category: Category::Windows,
    question: "Is it the version of WSL that can run containers?",
    needs: &[ProbeId::Session, ProbeId::Wsl],
    findings: &[&VERSION_1],
    run,
};

pub(super) static VERSION_1: FindingKind = FindingKind {
    id: "wsl-version-1",
    code: "CD0603",
    severity: Severity::Error,
    title: "This is version 1 of WSL, which cannot run containers",
    why: "Version 1 of the Windows Subsystem for Linux has no kernel of Linux: Apptainer, Singularity and Docker cannot start a container in it, \
          and it has no display and no graphics card.",
    cure: "Convert the distribution to version 2 in a Windows terminal: wsl --set-version NAME 2.",
    example: "ERROR  : Failed to set securebits: Invalid argument",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let wsl = match wsl(facts) {
        Ok(wsl) => wsl,
        Err(outcome) => return outcome,
    };
    if wsl.version != 1 {
        return Outcome::Pass;
    }
    let kernel = facts.machine.as_ref().and_then(|machine| machine.kernel.as_deref()).unwrap_or("not recorded");
    let name = wsl.distribution.as_deref().unwrap_or("NAME");
    let severity = if container(facts).is_some() { Severity::Error } else { Severity::Warning };
    Outcome::Findings(vec![
        VERSION_1
            .found()
            .severity(severity)
            .evidence(format!("/proc/sys/kernel/osrelease: {kernel}"))
            .advise_command("See its name and version, in a Windows terminal.", "wsl --list --verbose")
            .then_command("Convert it; its files are kept, and it takes some minutes.", format!("wsl --set-version \"{name}\" 2")),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{alone, healthy, with_environment};
    use super::*;
    use crate::facts::Wsl;
    use crate::image::tests::findings;

    #[test]
    fn version_1_is_an_error_only_when_a_container_waits() {
        let one = Wsl { version: 1, ..healthy() };
        assert_eq!(findings(&CHECK, &with_environment(json!({}), one.clone()))[0].severity, Severity::Error);
        let found = findings(&CHECK, &alone(one));
        assert_eq!((found[0].kind.id, found[0].severity), ("wsl-version-1", Severity::Warning));
        assert_eq!(found[0].advice[1].command.as_deref(), Some("wsl --set-version \"Ubuntu-22.04\" 2"));
        assert_eq!(CHECK.judge(&alone(healthy())), Outcome::Pass);
    }
}
