//! Does the Docker daemon answer, where something here needs it?

use super::{described, engines, wanted};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Daemon, EngineKind, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

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
    let is_there = |kind: &&EngineKind| engines.found.iter().any(|engine| engine.kind == **kind);
    let severity = match wanted(facts) {
        // Docker starts the environments of Podman where that is not installed.
        Some(wanted) if wanted.iter().find(is_there) == Some(&EngineKind::Docker) => Severity::Error,
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
    let finding = match daemon {
        Daemon::Answers | Daemon::NotNeeded => return Outcome::Pass,
        Daemon::Denied { socket } if matches!(owner(socket), Owner::User | Owner::Desktop) => DENIED
            .found()
            .evidence(format!("{socket}: permission denied"))
            .advise_command(
                "This is a daemon that a user runs for himself. DOCKER_HOST or Docker's context leads to somebody else's: see which.",
                "echo \"$DOCKER_HOST\"; docker context ls",
            ),
        Daemon::Denied { socket } if owner(socket) == Owner::Podman => DENIED
            .found()
            .title("This user may not talk to the service of Podman that docker is led to")
            .evidence(format!("{socket}: permission denied"))
            .advise_command(
                "That is the one of root. Have your own made, and let DOCKER_HOST name podman/podman.sock in the directory of \
                 XDG_RUNTIME_DIR.",
                "systemctl --user start podman.socket",
            ),
        Daemon::Denied { socket } => DENIED.found().evidence(format!("{socket}: permission denied")).advise_command(
            "Have an administrator add you to the group, then log out and in again. Whoever is in it has the rights of root on this \
             machine, so that not everybody is let in:",
            format!("sudo usermod -aG docker {}", crate::this_user(facts)),
        ),
        Daemon::Down { socket, reason } => start(DOWN.found().evidence(format!("{socket}: {reason}")), facts, socket),
        Daemon::Hung { socket } => DOWN
            .found()
            .title("The Docker daemon accepts connections and says nothing")
            .evidence(format!("{socket}: connected, and no answer in time"))
            .advise("Restart the daemon, or Docker Desktop."),
    };
    let finding = finding.severity(severity).evidence(described(docker));
    let wants_podman = wanted(facts).and_then(<[EngineKind]>::first) == Some(&EngineKind::Podman);
    Outcome::Findings(vec![if wants_podman {
        finding
            .evidence("the environment is one for Podman, which is not installed, so that Docker would start it")
            .advise("Or install Podman, which needs no daemon.")
    } else {
        finding
    }])
}

/// Who runs the daemon behind a socket.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// The machine.
    System,
    /// A user, without the rights of root.
    User,
    /// Docker Desktop.
    Desktop,
    /// Colima, a virtual machine on a Mac.
    Colima,
    /// Another program in whose virtual machine it runs.
    Program(&'static str),
    /// Podman, which speaks Docker's language.
    Podman,
    /// Somebody at an address of the network.
    Network,
}

fn owner(socket: &str) -> Owner {
    match socket {
        _ if !socket.starts_with('/') => Owner::Network,
        _ if socket.contains("/.docker/desktop/") || socket.contains("/.docker/run/") => Owner::Desktop,
        _ if socket.contains("/.colima/") || socket.contains("/.config/colima/") => Owner::Colima,
        _ if socket.contains("/.lima/") => Owner::Program("the virtual machine of Lima"),
        _ if socket.contains("/.orbstack/") => Owner::Program("OrbStack"),
        _ if socket.contains("/.rd/") => Owner::Program("Rancher Desktop"),
        _ if socket.ends_with("/podman/podman.sock") => Owner::Podman,
        _ if socket.starts_with("/run/user/") => Owner::User,
        _ => Owner::System,
    }
}

/// Adds how the daemon is started.
fn start(finding: Finding, facts: &Facts, socket: &str) -> Finding {
    const DESKTOP: &str = "Start Docker Desktop and wait until it says that it runs.";
    let machine = facts.machine.as_ref();
    let is_linux = machine.is_none_or(|machine| machine.os == "linux");
    match owner(socket) {
        Owner::Network => finding.advise_command(
            format!("DOCKER_HOST or Docker's context names the daemon at {socket}: start it there, or see which others there are."),
            "docker context ls",
        ),
        Owner::Colima => finding.advise_command("Start the virtual machine in which it runs:", "colima start"),
        Owner::Program(name) => finding.advise(format!("Start {name} and wait until it says that it runs.")),
        Owner::Desktop if is_linux => finding.advise_command(DESKTOP, "systemctl --user start docker-desktop"),
        Owner::Podman if socket.starts_with("/run/user/") => {
            finding.advise_command("That is Podman's socket. Have it made:", "systemctl --user start podman.socket")
        }
        Owner::Podman => finding.advise_command("That is Podman's socket. Have it made:", "sudo systemctl start podman.socket"),
        Owner::User => {
            finding.advise_command("Start it; it is your own, and needs no rights of root:", "systemctl --user start docker")
        }
        Owner::System if machine.is_some_and(|machine| machine.wsl.is_some()) => finding.advise(
            "Start Docker Desktop on Windows, with its integration for this Linux switched on; or, if Docker is installed in this \
             Linux itself, start its service: sudo service docker start.",
        ),
        Owner::System if is_linux => finding.advise_command("Start it:", "sudo systemctl start docker"),
        Owner::Desktop | Owner::System => finding.advise(DESKTOP),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_alone, facts_for, healthy};
    use super::*;
    use crate::facts::{Engine, Machine};
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
    fn each_daemon_is_started_in_its_own_way() {
        for (socket, command) in [
            ("/var/run/docker.sock", Some("sudo systemctl start docker")),
            ("/run/user/1000/docker.sock", Some("systemctl --user start docker")),
            ("/home/anna/.docker/desktop/docker.sock", Some("systemctl --user start docker-desktop")),
            ("/run/user/1000/podman/podman.sock", Some("systemctl --user start podman.socket")),
            ("build:2375", Some("docker context ls")),
            ("/Users/anna/.colima/default/docker.sock", Some("colima start")),
            ("/Users/anna/.config/colima/default/docker.sock", Some("colima start")),
            ("/Users/anna/.lima/docker/sock/docker.sock", None),
        ] {
            let daemon = Some(Daemon::Down { socket: socket.to_owned(), reason: "there is no such socket".to_owned() });
            let found = findings(&CHECK, &facts_for("docker", healthy(vec![docker(daemon)])));
            assert_eq!(found[0].advice[0].command.as_deref(), command, "{socket}");
        }
        let mut mac = facts_for("docker", healthy(vec![docker(down())]));
        mac.machine = Some(Machine { os: "macos".into(), ..Machine::default() });
        assert!(findings(&CHECK, &mac)[0].advice[0].text.contains("Docker Desktop"));
        let other = Daemon::Down { socket: "/Users/anna/.orbstack/run/docker.sock".to_owned(), reason: "no".to_owned() };
        let other = facts_for("docker", healthy(vec![docker(Some(other))]));
        assert!(findings(&CHECK, &other)[0].advice[0].text.contains("OrbStack"));
        for socket in ["/run/user/1001/docker.sock", "/run/podman/podman.sock"] {
            let denied = Some(Daemon::Denied { socket: socket.to_owned() });
            let found = findings(&CHECK, &facts_for("docker", healthy(vec![docker(denied)])));
            let joins =
                |advice: &crate::finding::Advice| advice.command.as_deref().is_some_and(|command| command.contains("usermod"));
            assert!(!found[0].advice.iter().any(joins), "{socket}");
        }
    }

    #[test]
    fn docker_is_used_for_podman_where_that_is_not_installed() {
        let found = findings(&CHECK, &facts_for("podman", healthy(vec![docker(down())])));
        assert_eq!((found[0].kind.id, found[0].severity), ("docker-daemon-down", Severity::Error));
        assert!(found[0].advice.iter().any(|advice| advice.text.contains("install Podman")), "{found:?}");
        let podman = engine(EngineKind::Podman, "4.3.1", None);
        let both = || healthy(vec![docker(down()), podman.clone()]);
        assert!(matches!(CHECK.judge(&facts_for("podman", both())), Outcome::Skipped(_)));
        assert_eq!(findings(&CHECK, &facts_for("docker", both()))[0].severity, Severity::Error);
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
