//! The agents that hold ssh keys, in every state in which people have them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{as_nobody, expect, finding, told};
use crate::displays::Process;
use crate::lab::{Patient, lab};

const ONLY_SSH: [&str; 4] = ["--only", "ssh", "--probe-timeout", "1"];

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a key in ~/.ssh, and says that the machines of others are known.
fn make_key(patient: &Patient) -> PathBuf {
    let directory = patient.home().join(".ssh");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    lab().give(&directory);
    let key = directory.join("id_ed25519");
    run(lab().command("ssh-keygen", patient.home()).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    key
}

/// A directory for a socket, and the socket in it.
fn socket(patient: &Patient, name: &str) -> PathBuf {
    let directory = patient.home().join(name);
    std::fs::create_dir(&directory).unwrap();
    lab().give(&directory);
    directory.join("agent")
}

/// An ssh-agent with such a socket, as the ordinary user or as another one.
fn ssh_agent(patient: &Patient, socket: &Path, other_user: bool) -> Process {
    let mut command = lab().command("ssh-agent", patient.home());
    command.args(["-D", "-a"]).arg(socket);
    let command = if other_user { as_nobody(&command) } else { command };
    let agent = Process::start(command, &patient.home().join("agent.log"));
    agent.wait_until("the agent's socket", || socket.exists());
    agent
}

fn ssh_add(patient: &Patient, socket: &Path) -> Command {
    let mut command = lab().command("ssh-add", patient.home());
    command.env("SSH_AUTH_SOCK", socket);
    command
}

#[test]
fn an_ssh_agent_from_its_first_key_to_its_death() {
    let mut patient = Patient::new();
    let key = make_key(&patient);
    let socket = socket(&patient, "mine");
    let agent = ssh_agent(&patient, &socket, false);
    patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-empty"]);
    assert!(told(&document, "ssh-agent-empty").contains("ssh-add ~/.ssh/id_ed25519"));

    run(ssh_add(&patient, &socket).arg(&key));
    let document = expect(&patient, ONLY_SSH, &[]);
    assert_eq!(document["findings"].as_array().unwrap().len(), 0, "{:#}", document["findings"]);

    // A locked agent lists nothing, so it is told with the empty one.
    let askpass = patient.file("askpass", "#!/bin/sh\necho secret\n");
    std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o755)).unwrap();
    let lock = |option| {
        let mut command = ssh_add(&patient, &socket);
        run(command.arg(option).env("SSH_ASKPASS", &askpass).env("SSH_ASKPASS_REQUIRE", "force"));
    };
    lock("-x");
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-empty"]);
    let text = told(&document, "ssh-agent-empty");
    assert!(text.contains("empty or locked") && text.contains("ssh-add -X"), "{text}");
    lock("-X");
    expect(&patient, ONLY_SSH, &[]);

    agent.signal("STOP");
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-hung"]);
    assert!(told(&document, "ssh-agent-hung").contains("did not answer within"));
    agent.signal("CONT");
    expect(&patient, ONLY_SSH, &[]);

    // Killed without a chance to remove its socket.
    agent.signal("KILL");
    drop(agent);
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-dead"]);
    assert!(told(&document, "ssh-agent-dead").contains("nobody listens there"));
    // The machine starts again: the name in a start-up file leads nowhere.
    std::fs::remove_file(&socket).unwrap();
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-dead"]);
    assert!(told(&document, "ssh-agent-dead").contains("does not exist"));
}

#[test]
fn the_agent_of_another_user() {
    let mut patient = Patient::new();
    make_key(&patient);
    let socket = socket(&patient, "theirs");
    std::fs::set_permissions(socket.parent().unwrap(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let _agent = ssh_agent(&patient, &socket, true);
    patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-denied"]);
    assert!(told(&document, "ssh-agent-denied").contains("this user may not open it"));
    // An open socket does not help: the agent looks at who is asking.
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-denied"]);
    assert!(told(&document, "ssh-agent-denied").contains("closed the connection"));
}

#[test]
fn the_agents_of_gnupg_and_gnome() {
    let mut patient = Patient::new();
    let key = make_key(&patient);
    let home = patient.home().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    lab().give(&home);
    let mut command = lab().command("gpg-agent", patient.home());
    command.args(["--daemon", "--no-detach", "--enable-ssh-support"]).env("GNUPGHOME", &home);
    // It keeps its key ring open as long as somebody holds its standard input.
    let gnupg = Process::start(command, &patient.home().join("gpg-agent.log"));
    let socket = home.join("S.gpg-agent.ssh");
    gnupg.wait_until("the socket of gpg-agent", || socket.exists());
    patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());
    expect(&patient, ONLY_SSH, &["ssh-agent-empty"]);
    gnupg.signal("STOP");
    expect(&patient, ONLY_SSH, &["ssh-agent-hung"]);
    gnupg.signal("CONT");

    let runtime = patient.home().join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).unwrap();
    lab().give(&runtime);
    let mut command = lab().command("dbus-run-session", patient.home());
    command.args(["--", "gnome-keyring-daemon", "--foreground", "--components=ssh", "--control-directory"]).arg(&runtime);
    command.env("XDG_RUNTIME_DIR", &runtime);
    let gnome = Process::start(command, &patient.home().join("keyring.log"));
    let socket = runtime.join("ssh");
    gnome.wait_until("the socket of GNOME's key ring", || socket.exists());
    patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());
    run(ssh_add(&patient, &socket).arg(&key));
    let document = expect(&patient, ONLY_SSH, &[]);
    assert_eq!(document["facts"]["ssh_agent"]["state"]["key_types"][0], "ssh-ed25519", "{:#}", document["facts"]["ssh_agent"]);
    drop(gnome);
    let document = expect(&patient, ONLY_SSH, &["ssh-agent-dead"]);
    assert_eq!(finding(&document, "ssh-agent-dead")["severity"], "warning");
}
