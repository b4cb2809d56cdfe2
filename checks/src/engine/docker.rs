//! Does the Docker daemon answer, where something here needs it?

use super::{described, engines, wanted};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Daemon, EngineKind, Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "docker-daemon",
    category: Category::Engine,
    question: "Does the Docker daemon answer?",
    needs: &[ProbeId::Engines],
    findings: &[&DENIED, &DOWN],
    run: answers,
};

static DENIED: FindingKind = FindingKind {
    id: "docker-daemon-denied",
    code: "CD0707",
    severity: Severity::Error,
    title: "This user may not talk to the Docker daemon",
    why: "The docker command does nothing by itself: it talks to a daemon through a socket that belongs to root and the group \"docker\". A user who is not in that group, or was added to it after the session began, is refused.",
    cure: "Let an administrator add you to the group \"docker\", then log out and in again. Membership amounts to the rights of root on that machine: rootless Docker, Podman or Apptainer need no such right.",
    example: "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
    since: "0.1.0",
};

static DOWN: FindingKind = FindingKind {
    id: "docker-daemon-down",
    code: "CD0708",
    severity: Severity::Error,
    title: "The Docker daemon does not answer",
    why: "The docker command does nothing by itself: it talks to a daemon, which is not running, or runs somewhere else than DOCKER_HOST or Docker's context says.",
    cure: "Start the daemon, or Docker Desktop; or correct DOCKER_HOST or the context.",
    example: "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    since: "0.1.0",
};

fn answers(facts: &Facts) -> Outcome {
    let engines = match engines(facts) {
        Ok(engines) => engines,
        Err(outcome) => return outcome,
    };
    let Some(docker) = engines.found.iter().find(|engine| engine.kind == EngineKind::Docker) else {
        return Outcome::Skipped("Docker is not installed".to_owned());
    };
    let severity = match wanted(facts) {
        Some(wanted) if wanted.first() == Some(&EngineKind::Docker) => Severity::Error,
        Some(_) => return Outcome::Skipped("the environment does not use Docker".to_owned()),
        None if engines.found.len() > 1 => {
            return Outcome::Skipped("nothing here needs Docker, and another engine is installed".to_owned());
        }
        None => Severity::Warning,
    };
    let Some(daemon) = &docker.daemon else {
        let reason = engines.unknown.get("docker.daemon").map_or("it was not recorded", String::as_str);
        return Outcome::Unknown(format!("whether the Docker daemon answers is not known: {reason}"));
    };
    let start = "sudo systemctl start docker";
    let is_linux = facts.machine.as_ref().is_none_or(|machine| machine.os == "linux");
    let finding = match daemon {
        Daemon::Answers | Daemon::NotNeeded => return Outcome::Pass,
        Daemon::Denied { socket } => DENIED.found().evidence(format!("{socket}: permission denied")).advise_command(
            "Have an administrator add you to the group, then log out and in again. Whoever is in it has the rights of root on this \
             machine, so that not everybody is let in:",
            format!("sudo usermod -aG docker {}", crate::this_user(facts)),
        ),
        Daemon::Down { socket, reason } => {
            let finding = DOWN.found().evidence(format!("{socket}: {reason}"));
            if is_linux {
                finding.advise_command("Start it:", start)
            } else {
                finding.advise("Start Docker Desktop and wait until it says that it runs.")
            }
        }
        Daemon::Hung { socket } => DOWN
            .found()
            .title("The Docker daemon accepts connections and says nothing")
            .evidence(format!("{socket}: connected, and no answer in time"))
            .advise("Restart the daemon, or Docker Desktop."),
    };
    Outcome::Findings(vec![finding.severity(severity).evidence(described(docker))])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_alone, facts_for, healthy};
    use super::*;
    use crate::facts::Engine;
    use crate::image::tests::findings;

    fn docker(daemon: Option<Daemon>) -> Engine {
        Engine { daemon, ..engine(EngineKind::Docker, "28.2.2", None) }
    }

    fn down() -> Option<Daemon> {
        Some(Daemon::Down { socket: "/var/run/docker.sock".to_owned(), reason: "there is no such socket".to_owned() })
    }

    #[test]
    fn every_state_where_docker_is_needed() {
        let socket = || "/var/run/docker.sock".to_owned();
        for (daemon, id) in [
            (down(), "docker-daemon-down"),
            (Some(Daemon::Hung { socket: socket() }), "docker-daemon-down"),
            (Some(Daemon::Denied { socket: socket() }), "docker-daemon-denied"),
        ] {
            let found = findings(&CHECK, &facts_for("docker", healthy(vec![docker(daemon)])));
            assert_eq!((found[0].kind.id, found[0].severity), (id, Severity::Error));
        }
        assert_eq!(CHECK.judge(&facts_for("docker", healthy(vec![docker(Some(Daemon::Answers))]))), Outcome::Pass);
        assert!(matches!(CHECK.judge(&facts_for("docker", healthy(vec![docker(None)]))), Outcome::Unknown(_)));
    }

    #[test]
    fn a_sleeping_docker_that_nobody_needs_is_no_alarm() {
        let both = || healthy(vec![engine(EngineKind::Apptainer, "1.4.5", None), docker(down())]);
        assert!(matches!(CHECK.judge(&facts_alone(both())), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&facts_for("singularity", healthy(vec![docker(down())]))), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&facts_alone(healthy(Vec::new()))), Outcome::Skipped(_)));
        assert_eq!(findings(&CHECK, &facts_alone(healthy(vec![docker(down())])))[0].severity, Severity::Warning);
    }
}
