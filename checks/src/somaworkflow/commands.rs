//! Will the commands of distributed jobs be found, and run in the container?

use super::{host_file, place};
use crate::check::{Category, Check, Outcome};
use crate::config::layers::shell_word;
use crate::facts::{Facts, ProbeId, SomaFile, SomaResource, SomaWorkflow};
use crate::finding::{Finding, FindingKind, Severity};
use crate::paths::below;

pub(super) static COMMANDS: Check = Check {
    id: "somaworkflow-commands",
    category: Category::Distributed,
    question: "Will distributed jobs find the commands of the container?",
    needs: &[ProbeId::SomaWorkflow],
    findings: &[&PATH],
    run: commands,
};

pub(super) static PYTHON: Check = Check {
    id: "somaworkflow-interpreter",
    category: Category::Distributed,
    question: "Does soma-workflow start a Python that has soma-workflow?",
    needs: &[ProbeId::SomaWorkflow],
    findings: &[&BARE_PYTHON],
    run: python,
};

static PATH: FindingKind = FindingKind {
    id: "somaworkflow-path",
    code: "CD1201",
    severity: Severity::Warning,
    title: "Distributed jobs would not find the commands of the container",
    why: "A batch system starts a job on a machine outside of any container. The job's command must therefore either be started through the environment's bv, which CONTAINER_COMMAND asks for, or be one of the environment's run scripts, whose directory must be on PATH. In casa-distro 3 that is the directory bin of the environment, whatever older documentation says.",
    cure: "Let CONTAINER_COMMAND name the environment's bv, or add the environment's bin directory to PATH in ~/.bashrc on the machines that run jobs.",
    example: "slurmstepd: error: execve(): AimsFileInfo: No such file or directory",
    since: "0.1.0",
};

static BARE_PYTHON: FindingKind = FindingKind {
    id: "somaworkflow-python",
    code: "CD1202",
    severity: Severity::Warning,
    title: "soma-workflow is started with the machine's own Python, and the jobs run in the container",
    why: "PYTHON_COMMAND is what soma-workflow runs on the other machine to start its own server there; where it is not set, it has the name of the Python from which soma-workflow is started here, mostly python3. A bare python is the machine's own, which knows soma-workflow only if somebody installed it outside of the container; the run scripts of an environment leave python out on purpose.",
    cure: "Let PYTHON_COMMAND start the container's Python: PYTHON_COMMAND = /path/to/environment/bin/bv python. Or install soma-workflow for the machine's own Python.",
    example: "Cannot find soma-workflow on cluster. Please verify if your PYTHONPATH includes the soma-workflow.",
    since: "0.1.0",
};

fn commands(facts: &Facts) -> Outcome {
    let (found, file) = match host_file(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let findings: Vec<_> = file.resources.iter().filter_map(|resource| resource_commands(found, file, resource)).collect();
    if findings.is_empty() && !file.resources.iter().any(|resource| resource.served_here) {
        return Outcome::Skipped("the jobs of every resource are submitted on other machines".to_owned());
    }
    Outcome::of(findings)
}

fn resource_commands(found: &SomaWorkflow, file: &SomaFile, resource: &SomaResource) -> Option<Finding> {
    if let Some(command) = &resource.container_command {
        let program = command.program.as_deref().filter(|_| command.found == Some(false))?;
        let finding = PATH.found().evidence(format!(
            "{}: CONTAINER_COMMAND starts \"{program}\", which is not there or may not be run",
            place(file, command.line, resource)
        ));
        let finding = if program.starts_with('~') {
            finding.advise("Write the whole path: soma-workflow does not know what ~ stands for.")
        } else {
            finding
        };
        return Some(if resource.served_here {
            scripts_advice(found, finding)
        } else {
            finding
                .severity(Severity::Info)
                .evidence("the jobs are submitted on another machine, which may have it")
                .advise("Look whether the program is there on the machine that submits the jobs.")
        });
    }
    // A scheduler that starts processes of its own kind, in the container when it runs there itself.
    let batch = resource.scheduler.as_deref().filter(|scheduler| *scheduler != "local_basic")?;
    let scripts = found.scripts.as_ref().filter(|scripts| !scripts.on_path)?;
    if !resource.served_here || found.bv_on_path.is_some() {
        return None;
    }
    let finding = PATH
        .found()
        .evidence(format!(
            "{}: SCHEDULER_TYPE is \"{batch}\" and there is no CONTAINER_COMMAND",
            place(file, resource.line, resource)
        ))
        .evidence(format!("PATH does not name {}", scripts.directory.display()));
    Some(scripts_advice(found, finding))
}

fn scripts_advice(found: &SomaWorkflow, finding: Finding) -> Finding {
    let Some(scripts) = &found.scripts else {
        return finding.advise("Let CONTAINER_COMMAND name the program bv in the environment's directory bin.");
    };
    let directory = scripts.directory.display().to_string();
    finding
        .advise(format!("Let the resource have: CONTAINER_COMMAND = ['{}']", below(&scripts.directory, "bv").display()))
        .advise_command(
            "Add the run scripts to PATH, in ~/.bashrc of the machines that run jobs:",
            format!("export PATH={}:\"$PATH\"", shell_word(&directory)),
        )
}

fn python(facts: &Facts) -> Outcome {
    let (found, file) = match host_file(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    // soma-workflow does not look at PYTHON_COMMAND for its own machine.
    let asked = || file.resources.iter().filter(|resource| !resource.local && resource.container_command.is_some());
    if asked().next().is_none() {
        return Outcome::Skipped("no resource on another machine runs its jobs in a container".to_owned());
    }
    let mut findings = Vec::new();
    for resource in asked() {
        let evidence = match &resource.python_command {
            Some(command) if is_bare_python(&command.value) => {
                format!("{}: PYTHON_COMMAND is \"{}\"", place(file, command.line, resource), command.value)
            }
            // The file of the machine from which one connects is the one that counts (soma-workflow, server_python_interpreter).
            None if !resource.served_here => format!(
                "{}: there is no PYTHON_COMMAND, and soma-workflow then takes the python3 of the other machine",
                place(file, resource.line, resource)
            ),
            _ => continue,
        };
        let finding = BARE_PYTHON.found().evidence(evidence);
        let finding = match (&found.host_package, resource.served_here) {
            (Some(_), true) => continue,
            (None, true) => finding.evidence("no package soma_workflow was found for the Python of this machine"),
            (_, false) => {
                finding.severity(Severity::Info).evidence("whether that Python has soma-workflow cannot be seen from this machine")
            }
        };
        let bv = resource.container_command.as_ref().and_then(|command| command.program.as_deref());
        findings.push(match bv.filter(|program| program.rsplit('/').next() == Some("bv")) {
            Some(bv) => finding.advise(format!("Start the container's Python: PYTHON_COMMAND = {bv} python")),
            None => finding.advise(
                "Start the container's Python with the environment's bv: PYTHON_COMMAND = /path/to/environment/bin/bv python",
            ),
        });
    }
    Outcome::of(findings)
}

/// `python`, `python3`, `/usr/bin/python3.11`: an interpreter of the machine, not one of an environment of its own.
fn is_bare_python(program: &str) -> bool {
    let name = program.strip_prefix("/usr/bin/").unwrap_or(program);
    name.strip_prefix("python").is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, facts_of};
    use super::*;
    use crate::facts::{ContainerCommand, RunScripts, SomaSetting};
    use crate::image::tests::findings;

    fn bv(found: Option<bool>) -> Option<ContainerCommand> {
        Some(ContainerCommand { line: 4, program: Some("/bv/bin/bv".into()), found, ..ContainerCommand::default() })
    }

    fn with_scripts(mut facts: Facts, on_path: bool) -> Facts {
        facts.soma_workflow.as_mut().unwrap().scripts = Some(RunScripts { directory: "/my bv/bin".into(), on_path });
        facts
    }

    #[test]
    fn a_container_command_that_is_not_there() {
        let missing = SomaResource { container_command: bv(Some(false)), ..cluster() };
        let found = findings(&COMMANDS, &facts_of(missing.clone()));
        assert_eq!((found[0].kind.id, found[0].severity), ("somaworkflow-path", Severity::Warning));
        assert!(found[0].evidence[0].contains(":4: [cluster]") && found[0].evidence[0].contains("/bv/bin/bv"));
        let remote = SomaResource { served_here: false, ..missing };
        assert_eq!(findings(&COMMANDS, &facts_of(remote))[0].severity, Severity::Info);
        for found in [Some(true), None] {
            assert_eq!(COMMANDS.judge(&facts_of(SomaResource { container_command: bv(found), ..cluster() })), Outcome::Pass);
        }
    }

    #[test]
    fn run_scripts_that_path_does_not_name() {
        let found = findings(&COMMANDS, &with_scripts(facts_of(cluster()), false));
        assert_eq!(found[0].kind.id, "somaworkflow-path");
        assert_eq!(found[0].advice[1].command.as_deref(), Some("export PATH='/my bv/bin':\"$PATH\""));
        assert_eq!(COMMANDS.judge(&with_scripts(facts_of(cluster()), true)), Outcome::Pass);
        let local = SomaResource { scheduler: Some("local_basic".into()), ..cluster() };
        assert_eq!(COMMANDS.judge(&with_scripts(facts_of(local), false)), Outcome::Pass);
        assert_eq!(COMMANDS.judge(&facts_of(cluster())), Outcome::Pass);
        let elsewhere = SomaResource { served_here: false, ..cluster() };
        assert!(matches!(COMMANDS.judge(&with_scripts(facts_of(elsewhere), false)), Outcome::Skipped(_)));
    }

    fn python_facts(command: &str, served_here: bool) -> Facts {
        let python_command = Some(SomaSetting { line: 5, value: command.into() });
        facts_of(SomaResource { python_command, container_command: bv(Some(true)), served_here, ..cluster() })
    }

    #[test]
    fn a_bare_python() {
        let found = findings(&PYTHON, &python_facts("python3", true));
        assert_eq!((found[0].kind.id, found[0].severity), ("somaworkflow-python", Severity::Warning));
        assert!(found[0].advice[0].text.contains("/bv/bin/bv python"));
        assert_eq!(findings(&PYTHON, &python_facts("python", false))[0].severity, Severity::Info);
        let mut installed = python_facts("python", true);
        installed.soma_workflow.as_mut().unwrap().host_package = Some("/usr/lib/python3/dist-packages/soma_workflow".into());
        assert_eq!(PYTHON.judge(&installed), Outcome::Pass);
    }

    #[test]
    fn without_the_setting_the_other_machine_s_own_python_is_taken() {
        let unset = |served_here| facts_of(SomaResource { container_command: bv(Some(true)), served_here, ..cluster() });
        let found = findings(&PYTHON, &unset(false));
        assert_eq!((found[0].kind.id, found[0].severity), ("somaworkflow-python", Severity::Info));
        assert!(found[0].evidence[0].contains("there is no PYTHON_COMMAND"), "{:?}", found[0].evidence);
        assert_eq!(PYTHON.judge(&unset(true)), Outcome::Pass, "the file at the other end need not have it");
    }

    #[test]
    fn a_python_of_the_container_or_of_nobody_s_business() {
        for command in ["bv", "/bv/bin/bv", "/opt/conda/bin/python", "pythonic"] {
            assert_eq!(PYTHON.judge(&python_facts(command, true)), Outcome::Pass, "{command}");
        }
        let mut local = python_facts("python", true);
        local.soma_workflow.as_mut().unwrap().files[0].resources[0].local = true;
        assert!(matches!(PYTHON.judge(&local), Outcome::Skipped(_)));
    }
}
