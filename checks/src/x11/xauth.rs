//! Is the program xauth there, which casa_distro starts before every program with windows?

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};
use crate::image::{environment, setting};
use crate::packages::{Package, install};

pub(super) static CHECK: Check = Check {
    id: "x11-xauth",
    category: Category::X11,
    question: "Is the program xauth there, which casa_distro needs for windows?",
    needs: &[ProbeId::Environment, ProbeId::X11],
    findings: &[&MISSING],
    run,
};

static MISSING: FindingKind = FindingKind {
    id: "x11-xauth-missing",
    code: "CD0113",
    severity: Severity::Warning,
    title: "The program xauth is not installed, which casa_distro needs to open windows",
    why: "Before it starts a program with windows, casa_distro copies the cookie of the display with the program xauth, and ends with an error when \
          there is none. ssh -Y needs it, too, on the machine that is logged in to. Small installations, such as nodes of a cluster, lack it.",
    cure: "Install the package xauth. casa-doctor run does without.",
    example: "FileNotFoundError: [Errno 2] No such file or directory: 'xauth'",
    since: "0.1.0",
};

static PACKAGE: Package =
    Package { apt: Some("xauth"), dnf: Some("xorg-x11-xauth"), zypper: Some("xauth"), pacman: Some("xorg-xauth") };

fn run(facts: &Facts) -> Outcome {
    let Some(environment) = environment(facts) else { return Outcome::Skipped("there is no casa-distro environment".to_owned()) };
    if !matches!(setting(environment, "container_type"), Some("singularity" | "apptainer" | "apptainer_pixi")) {
        return Outcome::Skipped("casa_distro does not start this environment with windows".to_owned());
    }
    if facts.is_windows() {
        return Outcome::Skipped("the engine does not run on Windows itself".to_owned());
    }
    if facts.session.as_ref().is_some_and(|session| session.inside_container.is_some()) {
        return Outcome::Skipped("this is inside of a container".to_owned());
    }
    match facts.x11.as_ref().and_then(|x11| x11.xauth) {
        Some(true) => Outcome::Pass,
        None => Outcome::Unknown("whether xauth is installed was not recorded".to_owned()),
        Some(false) => {
            let finding = MISSING.found().evidence("xauth is not on PATH");
            let finding = match install(facts, &PACKAGE) {
                Some(command) => finding.advise_command("Have an administrator install it.", command),
                None => {
                    finding.advise("Have an administrator install it: the package is called xauth, xorg-x11-xauth or xorg-xauth.")
                }
            };
            Outcome::Findings(vec![finding.advise("Or start programs with casa-doctor run, which does without.")])
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{Distribution, Machine, X11};
    use crate::image::tests::facts_with;

    fn with(container_type: &str, xauth: Option<bool>) -> Outcome {
        let facts = facts_with(json!({"container_type": container_type}));
        CHECK.judge(&Facts { x11: Some(X11 { xauth, ..X11::default() }), ..facts })
    }

    #[test]
    fn windows_itself_needs_none() {
        let mut facts = facts_with(json!({"container_type": "singularity"}));
        facts.machine = Some(Machine { os: "windows".into(), ..Machine::default() });
        facts.x11 = Some(X11 { xauth: Some(false), ..X11::default() });
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }

    #[test]
    fn no_distribution_is_given_the_command_of_another() {
        for (id, command) in [("opensuse-leap", Some("sudo zypper install xauth")), ("gentoo", None)] {
            let mut facts = facts_with(json!({"container_type": "singularity"}));
            let distribution = Some(Distribution { id: id.into(), ..Distribution::default() });
            facts.machine = Some(Machine { distribution, ..Machine::default() });
            facts.x11 = Some(X11 { xauth: Some(false), ..X11::default() });
            let Outcome::Findings(found) = CHECK.judge(&facts) else { panic!() };
            assert_eq!(found[0].advice[0].command.as_deref(), command, "{id}");
        }
    }

    #[test]
    fn only_casa_distro_s_own_start_needs_it() {
        assert_eq!(with("singularity", Some(true)), Outcome::Pass);
        assert_eq!(with("singularity", Some(false)).word(), "finding");
        assert_eq!(with("singularity", None).word(), "unknown");
        assert_eq!(with("docker", Some(false)).word(), "skipped");
    }
}
