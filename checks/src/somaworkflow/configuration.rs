//! Can soma-workflow read its configuration?

use super::{configured, place};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, SomaFile, SomaResource};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "somaworkflow-configuration",
    category: Category::Distributed,
    question: "Can soma-workflow read its configuration?",
    needs: &[ProbeId::SomaWorkflow],
    findings: &[&INVALID],
    run: configuration,
};

static INVALID: FindingKind = FindingKind {
    id: "somaworkflow-config-invalid",
    code: "CD1203",
    severity: Severity::Error,
    title: "soma-workflow cannot use its configuration",
    why: "soma-workflow reads .soma-workflow.cfg with Python's configparser, which refuses a whole file for one bad line. Some values are read as Python: CONTAINER_COMMAND must be a list of quoted texts, and LIGHT_MODE a whole number, although its documentation says True. An error there appears late, when a resource is chosen or a job is started.",
    cure: "Correct the line that the evidence names.",
    example: "ValueError: invalid literal for int() with base 10: 'True'",
    since: "0.1.0",
};

fn configuration(facts: &Facts) -> Outcome {
    let found = match configured(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    Outcome::of(found.files.iter().filter_map(judge).collect())
}

fn judge(file: &SomaFile) -> Option<Finding> {
    let path = file.path.display();
    if let Some(error) = &file.error {
        let line = error.line.map(|line| format!(":{line}")).unwrap_or_default();
        return Some(
            INVALID
                .found()
                .title("soma-workflow cannot read its configuration file")
                .evidence(format!("{path}{line}: {}", error.message))
                .advise(format!("Correct {path}, or move it away if you do not use soma-workflow.")),
        );
    }
    let finding = file.resources.iter().fold(INVALID.found(), |finding, resource| values(finding, file, resource));
    (!finding.evidence.is_empty()).then_some(finding)
}

fn values(mut finding: Finding, file: &SomaFile, resource: &SomaResource) -> Finding {
    if let Some(command) = &resource.container_command
        && let Some(error) = &command.error
    {
        finding = finding
            .evidence(format!(
                "{}: CONTAINER_COMMAND is no list in Python's notation: {error}",
                place(file, command.line, resource)
            ))
            .advise("Write CONTAINER_COMMAND as a list with quotes: CONTAINER_COMMAND = ['/path/to/environment/bin/bv']");
    }
    if let Some(mode) = resource.light_mode.as_ref().filter(|mode| !is_integer(&mode.value)) {
        finding = finding
            .evidence(format!(
                "{}: LIGHT_MODE is \"{}\", which is not a whole number",
                place(file, mode.line, resource),
                mode.value
            ))
            .advise("Write LIGHT_MODE = 1, or LIGHT_MODE = 0 to switch it off.");
    }
    for setting in &resource.bad_percent {
        finding = finding
            .evidence(format!("{}: {} contains a lone %", place(file, setting.line, resource), setting.value))
            .advise("Write %% for each percent sign.");
    }
    finding
}

/// Whether Python's `int` takes the text.
fn is_integer(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['+', '-']);
    !digits.is_empty()
        && text.trim().len() - digits.len() <= 1
        && digits.split('_').all(|group| !group.is_empty() && group.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, facts_of};
    use super::*;
    use crate::facts::{ContainerCommand, SomaError, SomaSetting};
    use crate::image::tests::findings;

    #[test]
    fn a_file_that_python_refuses() {
        let mut facts = facts_of(SomaResource::default());
        facts.soma_workflow.as_mut().unwrap().files[0].error = Some(SomaError { line: Some(7), message: "twice".into() });
        let found = findings(&CHECK, &facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("somaworkflow-config-invalid", Severity::Error));
        assert_eq!(found[0].evidence[0], "/home/anna/.soma-workflow.cfg:7: twice");
    }

    #[test]
    fn values_that_python_cannot_take() {
        let setting = |value: &str| SomaSetting { line: 3, value: value.into() };
        let command = ContainerCommand { line: 2, error: Some("it is a plain path".into()), ..ContainerCommand::default() };
        let bad = SomaResource {
            container_command: Some(command),
            light_mode: Some(setting("True")),
            bad_percent: vec![setting("LOGIN")],
            ..cluster()
        };
        let found = findings(&CHECK, &facts_of(bad));
        assert_eq!((found.len(), found[0].evidence.len(), found[0].advice.len()), (1, 3, 3));
        let good =
            SomaResource { light_mode: Some(setting("1")), container_command: Some(ContainerCommand::default()), ..cluster() };
        assert_eq!(CHECK.judge(&facts_of(good)), Outcome::Pass);
    }

    #[test]
    fn whole_numbers_as_python_reads_them() {
        for (text, is) in [
            ("1", true),
            (" -0 ", true),
            ("1_000", true),
            ("True", false),
            ("", false),
            ("--1", false),
            ("1.0", false),
            ("_1", false),
        ] {
            assert_eq!(is_integer(text), is, "{text}");
        }
    }
}
