//! The real Docker daemon: not there, closed to the user, in order, hung and dead; and what it says of a card that it cannot give.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::{as_nobody, assert_found, document_of, environment, expect, expect_in_log, finding, told};
use crate::displays::{Display, Kind, Process};
use crate::lab::{Patient, lab};

/// A daemon of this test's own, with all that it keeps in a directory.
struct Daemon {
    process: Process,
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("casa-doctor-docker-").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let at = |name: &str| directory.path().join(name);
        let socket = at("docker.sock");
        let mut command = Command::new("/usr/sbin/dockerd");
        command.arg("--host").arg(format!("unix://{}", socket.display())).args(["--group", lab().value("LAB_USER")]);
        command.arg("--data-root").arg(at("data")).arg("--exec-root").arg(at("exec")).arg("--pidfile").arg(at("pid"));
        // Without a network of its own it does not touch that of the machine.
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let process = Process::start(command, &at("log"));
        let daemon = Self { process, socket, _directory: directory };
        daemon.process.wait_until("the Docker daemon", || daemon.docker().arg("version").output().unwrap().status.success());
        daemon
    }

    /// Docker's own program, as root.
    fn docker(&self) -> Command {
        let mut command = Command::new("/usr/bin/docker");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }
}

#[test]
fn from_its_start_to_its_death() {
    let mut patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &json!({"container_type": "docker", "image": "casa-lab:5.3"}));
    let args = ["--only", "engine", "--probe-timeout", "2", environment.as_str()];
    patient.set("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let document = expect(&patient, args, &["docker-daemon-down"]);
    assert!(told(&document, "docker-daemon-down").contains("there is no such socket"));

    let daemon = Daemon::start();
    patient.set("DOCKER_HOST", &format!("unix://{}", daemon.socket.display()));
    expect(&patient, args, &[]);

    let command = as_nobody(&patient.command(["--format", "json"].iter().chain(&args)));
    let (document, answer) = document_of(command);
    assert_found(&document, &answer, &["docker-daemon-denied"]);
    assert_eq!(finding(&document, "docker-daemon-denied")["severity"], "error");

    healthy_as_a_whole(&daemon);
    no_card_to_give(&daemon);

    daemon.process.signal("STOP");
    let document = expect(&patient, args, &["docker-daemon-down"]);
    assert!(told(&document, "docker-daemon-down").contains("no answer in time"), "{:#}", document["findings"]);
    daemon.process.signal("CONT");
    expect(&patient, args, &[]);
    daemon.process.signal("KILL");
    daemon.process.wait_until_gone();
    let document = expect(&patient, args, &["docker-daemon-down"]);
    assert!(told(&document, "docker-daemon-down").contains("nobody listens"));
}

/// Every check, at a display, for an environment of Docker: nothing but "info".
fn healthy_as_a_whole(daemon: &Daemon) {
    let display = Display::start(Kind::Xvfb);
    let mut patient = display.patient();
    patient.set("DOCKER_HOST", &format!("unix://{}", daemon.socket.display()));
    let keys = json!({"container_type": "docker", "image": "casa-lab:5.3", "container_options": ["--ipc=host"]});
    let environment = environment(&patient, "LAB_IMAGE", &keys);
    // What casa_distro 3.x itself cannot start is another matter.
    let args = ["--skip", "config-container-type", &environment];
    expect(&patient, args, &["image-missing"]);
    import(daemon, "casa-lab:5.3");
    expect(&patient, args, &[]);
}

/// Gives the daemon an image with nothing in it.
fn import(daemon: &Daemon, name: &str) {
    let mut import = daemon.docker();
    import.args(["import", "-", name]).stdin(std::fs::File::open(empty_archive(&daemon.socket)).unwrap());
    assert!(import.output().unwrap().status.success());
}

/// NVIDIA's container toolkit is not installed.
fn no_card_to_give(daemon: &Daemon) {
    import(daemon, "empty");
    expect_in_log(daemon.docker().args(["run", "--rm", "--network=none", "--gpus", "all", "empty", "true"]), "nv-docker-driver");
}

/// An archive of tar without an entry is two blocks of zeros.
fn empty_archive(beside: &Path) -> PathBuf {
    let path = beside.with_file_name("empty.tar");
    std::fs::write(&path, [0; 1024]).unwrap();
    path
}
