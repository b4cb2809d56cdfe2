//! Does the container get shared memory?

use super::display::END;
use super::{container, wsl};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, WslSharedMemory};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "wsl-shared-memory",
    category: Category::Windows,
    question: "Do programs in the container get shared memory in WSL?",
    needs: &[ProbeId::Environment, ProbeId::Session, ProbeId::Wsl],
    findings: &[&DANGLING],
    run,
};

static DANGLING: FindingKind = FindingKind {
    id: "wsl-shm-dangling",
    code: "CD0604",
    severity: Severity::Warning,
    title: "The directory for shared memory is a link that leads nowhere in the container",
    why: "Older versions of WSL make /dev/shm a link to /run/shm, which containers do not have. casa_distro mounts a directory there when it \
          sees WSL by its variable WSL_DISTRO_NAME, which sudo and ssh take away. Programs that need shared memory (web views, MATLAB, \
          databases) fail.",
    cure: "Update WSL (wsl --update), which makes /dev/shm a real directory, or start casa_distro from a terminal of WSL itself.",
    example: "This is frequently caused by incorrect permissions on /dev/shm.  Try 'sudo chmod 1777 /dev/shm' to fix.",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let wsl = match wsl(facts) {
        Ok(wsl) => wsl,
        Err(outcome) => return outcome,
    };
    let (target, usable) = match &wsl.shared_memory {
        WslSharedMemory::Link { target, usable } => (target, *usable),
        WslSharedMemory::Directory => return Outcome::Pass,
        WslSharedMemory::Missing => return Outcome::Unknown("/dev/shm is not there".to_owned()),
        WslSharedMemory::Unknown => return Outcome::Unknown("what /dev/shm is was not recorded".to_owned()),
    };
    let Some(environment) = container(facts) else {
        return Outcome::Skipped("there is no environment of a container".to_owned());
    };
    let mounted = environment.mounts.iter().any(|mount| mount.container == "/run/shm" && mount.exists != Some(false));
    if mounted || wsl.distribution.is_some() {
        return Outcome::Pass;
    }
    let state = if usable { "which is a directory here and not in the container" } else { "where nobody can make files" };
    Outcome::Findings(vec![
        DANGLING
            .found()
            .evidence(format!("/dev/shm is a link to {}, {state}", target.display()))
            .evidence("WSL_DISTRO_NAME is not set, so casa_distro does not mount a directory at /run/shm")
            .advise_command("In a Windows terminal, update WSL.", "wsl --update")
            .then_command(END, "wsl --shutdown")
            .advise("Or start the container from a terminal of WSL itself, without sudo and ssh."),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{alone, healthy, with_environment};
    use super::*;
    use crate::facts::{Mount, Wsl};
    use crate::image::tests::ids;

    fn old() -> Wsl {
        Wsl { shared_memory: WslSharedMemory::Link { target: "/run/shm".into(), usable: true }, ..healthy() }
    }

    #[test]
    fn a_link_is_harmful_only_when_nothing_is_mounted_at_its_end() {
        assert_eq!(CHECK.judge(&with_environment(json!({}), old())), Outcome::Pass, "casa_distro sees WSL by its variable");
        let by_sudo = Wsl { distribution: None, ..old() };
        assert_eq!(ids(&CHECK, &with_environment(json!({}), by_sudo.clone())), ["wsl-shm-dangling"]);
        let mut mounted = with_environment(json!({}), by_sudo.clone());
        let mount = Mount { container: "/run/shm".into(), exists: Some(true), ..Mount::default() };
        mounted.environment.as_mut().unwrap().found.as_mut().unwrap().mounts.push(mount);
        assert_eq!(CHECK.judge(&mounted), Outcome::Pass);
        assert!(matches!(CHECK.judge(&alone(by_sudo)), Outcome::Skipped(_)));
        assert_eq!(CHECK.judge(&alone(healthy())), Outcome::Pass);
    }
}
