//! Is there an engine that can start the environment's image?

use super::{described, engines, wanted};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engines, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};
use crate::image::{environment, setting};
use crate::packages::{distribution, is_layered};
use crate::virtualbox::{MACHINE_IS_THERE, NOTHING_TO_DO, has_machine_of_brainvisa};

pub(super) static CHECK: Check = Check {
    id: "engine-present",
    category: Category::Engine,
    question: "Is a container engine installed that can start the image?",
    needs: &[ProbeId::Engines],
    findings: &[&MISSING],
    run: present,
};

static MISSING: FindingKind = FindingKind {
    id: "engine-missing",
    code: "CD0701",
    severity: Severity::Error,
    title: "No container engine is installed that can start the image",
    why: "The software lives in an image, and a container engine is the program that starts it: Apptainer, or its ancestor Singularity. casa_distro looks for it on PATH only, so that an engine in another place, or behind a \"module load\", does not count.",
    cure: "Install Apptainer from the packages of its project or of your distribution, or load the module that brings it.",
    example: "Cannot find singularity nor apptainer on the PATH.",
    since: "0.1.0",
};

fn present(facts: &Facts) -> Outcome {
    let engines = match engines(facts) {
        Ok(engines) => engines,
        Err(outcome) => return outcome,
    };
    if let Some(container) = facts.session.as_ref().and_then(|session| session.inside_container.as_deref()) {
        return Outcome::Skipped(format!("casa-doctor itself runs in a container ({container}), where no engine is needed"));
    }
    let Some(environment) = environment(facts) else {
        return if engines.found.is_empty() { without_environment(facts, engines) } else { Outcome::Pass };
    };
    let container_type = setting(environment, "container_type").unwrap_or_default();
    let Some(wanted) = wanted(facts) else {
        return Outcome::Skipped(format!("\"container_type\" is \"{container_type}\", which no engine looked for here starts"));
    };
    let usable: Vec<_> = engines.found.iter().filter(|engine| wanted.contains(&engine.kind)).collect();
    let configured = format!("{}: \"container_type\" is \"{container_type}\"", environment.file.path.display());
    let missing = |name: &str| engines.missing.iter().any(|missing| missing == name);
    if usable.is_empty() {
        let mut finding = MISSING.found().evidence(configured).evidence(looked_for(engines));
        for engine in &engines.found {
            finding = finding.evidence(format!("{} is there, and starts no such image", engine.path.display()));
        }
        return Outcome::Findings(vec![advised(finding, facts)]);
    }
    // Its name and not its kind is what is looked for: Apptainer may be there under the name of its ancestor.
    if wanted.iter().all(|kind| missing(kind.program())) {
        let mut finding = MISSING
            .found()
            .title("The container engine is installed in a place that is not on PATH")
            .evidence(configured)
            .evidence(looked_for(engines));
        for engine in &usable {
            finding = finding.evidence(described(engine));
        }
        let folder = usable[0].path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        return Outcome::Findings(vec![
            finding
                .advise(format!("Add {folder} to PATH where your shell starts (~/.profile), or load the module that brings it.")),
        ]);
    }
    Outcome::Pass
}

/// Nothing waits for an engine yet, and it may be that nothing ever will.
fn without_environment(facts: &Facts, engines: &Engines) -> Outcome {
    if facts.is_windows() {
        return Outcome::Skipped("on Windows containers run in its Linux (see windows-wsl)".to_owned());
    }
    let finding = MISSING.found().evidence(looked_for(engines));
    Outcome::Findings(vec![if has_machine_of_brainvisa(facts) {
        finding.severity(Severity::Info).evidence(MACHINE_IS_THERE).advise(NOTHING_TO_DO)
    } else {
        advised(finding.severity(Severity::Warning), facts)
    }])
}

fn looked_for(engines: &Engines) -> String {
    if engines.missing.is_empty() {
        "no engine was found".to_owned()
    } else {
        format!("not on PATH: {}", engines.missing.join(", "))
    }
}

/// Adds what to do on this system.
fn advised(finding: Finding, facts: &Facts) -> Finding {
    let machine = facts.machine.as_ref();
    match machine.map(|machine| machine.os.as_str()) {
        Some("macos") => finding
            .advise("Apptainer needs Linux. On a Mac it runs in a virtual machine of Linux, for instance one made with Lima."),
        Some("windows") => finding.advise("Apptainer needs Linux. On Windows it runs in the Windows Subsystem for Linux (WSL 2)."),
        _ if machine.is_some_and(|machine| machine.wsl == Some(1)) => finding.advise_command(
            "Apptainer does not work in version 1 of WSL. In a Windows terminal, convert it:",
            "wsl --set-version NAME 2",
        ),
        _ => {
            let from_epel = |release: &str| format!("sudo dnf install {release} && sudo dnf install apptainer");
            let finding = match distribution(facts) {
                Some(("fedora", _)) if is_layered(facts) => finding
                    .advise_command("Install it; it is there after a restart:", "sudo rpm-ostree install apptainer"),
                Some(("fedora", _)) => finding.advise_command("Install it:", "sudo dnf install apptainer"),
                Some(("rhel" | "centos" | "ol", Some(..=7))) => finding.advise(
                    "The packages for version 7 of this system are no longer maintained. Apptainer's project has an installer that \
                     needs neither packages nor the rights of root (install-unprivileged.sh -d el7, https://apptainer.org); without -d el7 it \
                     installs programs for a newer system.",
                ),
                // RHEL itself does not have the package that adds EPEL.
                Some(("rhel", Some(major))) => finding.advise_command(
                    "Install it from EPEL:",
                    from_epel(&format!("https://dl.fedoraproject.org/pub/epel/epel-release-latest-{major}.noarch.rpm")),
                ),
                Some(("ol", Some(major))) => {
                    finding.advise_command("Install it from EPEL:", from_epel(&format!("oracle-epel-release-el{major}")))
                }
                Some(("rocky" | "almalinux" | "centos", _)) => {
                    finding.advise_command("Install it from EPEL:", from_epel("epel-release"))
                }
                Some(("ubuntu", _)) => finding.advise_command(
                    "Install it from the project's archive:",
                    "sudo add-apt-repository -y ppa:apptainer/ppa && sudo apt update && sudo apt install -y apptainer",
                ),
                _ => finding.advise("Install the package of Apptainer; its project offers some for every common distribution (https://apptainer.org)."),
            };
            finding.advise("On a cluster, look for it with \"module avail apptainer\".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_alone, facts_for, healthy};
    use super::*;
    use crate::facts::{Distribution, EngineKind, Machine, Session, Setuid, VirtualBox, VirtualMachine};
    use crate::image::tests::{findings, ids};

    fn without(missing: &[&str], mut engines: Engines) -> Engines {
        engines.missing = missing.iter().map(|name| (*name).to_owned()).collect();
        engines
    }

    #[test]
    fn nothing_at_all_is_an_error_only_when_an_environment_waits() {
        let none = without(&["apptainer", "singularity", "docker", "podman"], healthy(Vec::new()));
        assert_eq!(findings(&CHECK, &facts_for("singularity", none.clone()))[0].severity, Severity::Error);
        assert_eq!(findings(&CHECK, &facts_alone(none.clone()))[0].severity, Severity::Warning);
        let mut inside = facts_for("singularity", none);
        inside.session = Some(Session { inside_container: Some("casa-distro".to_owned()), ..Session::default() });
        assert!(matches!(CHECK.judge(&inside), Outcome::Skipped(_)));
    }

    #[test]
    fn who_works_in_a_virtual_machine_or_in_wsl_is_not_alarmed() {
        let machine = |os: &str| Some(Machine { os: os.into(), ..Machine::default() });
        let mut facts = facts_alone(without(&["apptainer", "singularity", "docker", "podman"], healthy(Vec::new())));
        facts.machine = machine("windows");
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
        facts.machine = machine("macos");
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Warning);
        let brainvisa = VirtualMachine { name: "brainvisa-5.3".into(), ..VirtualMachine::default() };
        facts.virtualbox = Some(VirtualBox { machines: vec![brainvisa], ..VirtualBox::default() });
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Info);
    }

    #[test]
    fn epel_is_added_as_each_distribution_does_it() {
        for (id, version, command) in [
            ("rocky", "9.4", Some("sudo dnf install epel-release && sudo dnf install apptainer")),
            (
                "rhel",
                "9.4",
                Some(
                    "sudo dnf install https://dl.fedoraproject.org/pub/epel/epel-release-latest-9.noarch.rpm && sudo dnf install apptainer",
                ),
            ),
            ("ol", "8.9", Some("sudo dnf install oracle-epel-release-el8 && sudo dnf install apptainer")),
            ("centos", "7", None),
            ("opensuse-leap", "15.6", None),
        ] {
            let mut facts = facts_alone(healthy(Vec::new()));
            let distribution = Some(Distribution { id: id.into(), version: Some(version.into()), name: None });
            facts.machine = Some(Machine { os: "linux".into(), distribution, ..Machine::default() });
            assert_eq!(findings(&CHECK, &facts)[0].advice[0].command.as_deref(), command, "{id}");
        }
    }

    #[test]
    fn an_engine_of_the_wrong_kind_does_not_count() {
        let docker = || without(&["apptainer", "singularity"], healthy(vec![engine(EngineKind::Docker, "28.2.2", None)]));
        assert_eq!(ids(&CHECK, &facts_for("singularity", docker())), ["engine-missing"]);
        assert_eq!(CHECK.judge(&facts_for("docker", docker())), Outcome::Pass);
        assert_eq!(CHECK.judge(&facts_alone(docker())), Outcome::Pass);
        assert!(matches!(CHECK.judge(&facts_for("vbox", docker())), Outcome::Skipped(_)));
    }

    #[test]
    fn an_engine_off_the_path_is_told_with_its_folder() {
        let mut apptainer = engine(EngineKind::Apptainer, "1.4.5", Some(Setuid::Absent));
        apptainer.path = "/opt/apptainer/bin/apptainer".into();
        let found = findings(&CHECK, &facts_for("singularity", without(&["apptainer", "singularity"], healthy(vec![apptainer]))));
        assert_eq!(found[0].severity, Severity::Error);
        assert!(found[0].advice[0].text.contains("/opt/apptainer/bin"));
    }

    #[test]
    fn apptainer_under_its_ancestors_name_is_enough() {
        let mut apptainer = engine(EngineKind::Apptainer, "1.4.5", Some(Setuid::Absent));
        apptainer.path = "/usr/bin/singularity".into();
        assert_eq!(CHECK.judge(&facts_for("singularity", without(&["apptainer"], healthy(vec![apptainer])))), Outcome::Pass);
    }
}
