//! ssh keys, keychain, soma-workflow and disks: the real keychain, ssh-agent and filesystems, as the lab's ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Answer, Patient, ids, lab};

/// The families that these tests are about.
const FAMILIES: &str = "ssh,distributed,storage";

fn diagnose(patient: &Patient, environment: Option<&Path>) -> (Value, Answer) {
    let mut args: Vec<std::ffi::OsString> = vec!["--only".into(), FAMILIES.into()];
    args.extend(environment.map(|path| path.as_os_str().to_owned()));
    patient.diagnose(args)
}

#[track_caller]
fn expect<'a>(document: &'a Value, id: &str, answer: &Answer) -> &'a Value {
    let found = document["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id);
    found.unwrap_or_else(|| panic!("{id} was not found\n{}", answer.all()))
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a key without a passphrase in the patient's ~/.ssh.
fn make_key(patient: &Patient, name: &str) -> PathBuf {
    let directory = patient.home().join(".ssh");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    lab().give(&directory);
    let path = directory.join(name);
    run(lab().command("ssh-keygen", patient.home()).args(["-q", "-t", "ed25519", "-N", ""]).arg("-f").arg(&path));
    path
}

/// The agent that the real keychain starts, ended with the test.
struct Keychain {
    socket: String,
    pid: String,
    alive: bool,
}

impl Keychain {
    fn start(patient: &Patient, key: &str) -> Self {
        let told = run(lab().command("keychain", patient.home()).args(["--eval", "--quiet", "--agents", "ssh", key]));
        let value = |name: &str| {
            let from = told.split([';', '\n']).find_map(|part| part.trim().strip_prefix(name)).expect("keychain gave no variable");
            from.to_owned()
        };
        Self { socket: value("SSH_AUTH_SOCK="), pid: value("SSH_AGENT_PID="), alive: true }
    }

    fn kill(&mut self) {
        run(Command::new("kill").args(["-KILL", &self.pid]));
        self.alive = false;
    }
}

impl Drop for Keychain {
    fn drop(&mut self) {
        if self.alive {
            let _ = Command::new("kill").args(["-TERM", &self.pid]).status();
        }
    }
}

#[test]
fn the_agent_of_keychain_lives_is_not_used_and_dies() {
    let mut patient = Patient::new();
    make_key(&patient, "id_ed25519");
    let mut keychain = Keychain::start(&patient, "id_ed25519");

    patient.set("SSH_AUTH_SOCK", &keychain.socket);
    let (document, answer) = diagnose(&patient, None);
    assert!(ids(&document).is_empty(), "{}", answer.all());
    assert_eq!(document["facts"]["ssh_setup"]["keychain_files"][0]["current"], true);

    patient.variables.clear();
    let (document, answer) = diagnose(&patient, None);
    let unused = expect(&document, "keychain-stale", &answer);
    assert_eq!(unused["severity"], "warning");
    let command = unused["advice"][0]["command"].as_str().unwrap().to_owned();
    // The command that is advised really leads to the agent.
    let keys = run(lab().command("sh", patient.home()).arg("-c").arg(format!("{command}; ssh-add -l")));
    assert!(keys.contains("ED25519"), "{keys}");

    keychain.kill();
    patient.set("SSH_AUTH_SOCK", &keychain.socket);
    let (document, answer) = diagnose(&patient, None);
    let stale = expect(&document, "keychain-stale", &answer);
    assert_eq!(stale["severity"], "warning");
    assert!(stale["evidence"].to_string().contains(&keychain.socket), "{stale:#}");
    expect(&document, "ssh-agent-dead", &answer);
    answer.assert_status(0);

    // After the advised command there is an agent again, and nothing is stale.
    let command = stale["advice"][0]["command"].as_str().unwrap();
    let told = run(lab().command("sh", patient.home()).arg("-c").arg(format!("{command}; echo \"$SSH_AUTH_SOCK $SSH_AGENT_PID\"")));
    let (socket, pid) = told.trim().split_once(' ').unwrap();
    let _renewed = Keychain { socket: socket.into(), pid: pid.into(), alive: true };
    patient.set("SSH_AUTH_SOCK", socket);
    let (document, answer) = diagnose(&patient, None);
    assert!(!ids(&document).contains(&"keychain-stale"), "{}", answer.all());
}

#[test]
fn keychain_is_asked_for_a_key_that_is_not_there_and_hides_the_profile() {
    let patient = Patient::new();
    make_key(&patient, "id_ed25519");
    patient.file(".bash_profile", "eval $(keychain --eval --agents ssh id_rsa)\n");
    patient.file(".profile", "PATH=\"$HOME/.local/bin:$PATH\"\n");
    let mut patient = patient;
    patient.set("SHELL", "/bin/bash");
    let (document, answer) = diagnose(&patient, None);
    let asked = expect(&document, "keychain-stale", &answer).to_string();
    assert!(asked.contains("id_rsa") && asked.contains("id_ed25519") && asked.contains("~/.bash_profile:1"), "{asked}");
    let hidden = expect(&document, "shell-profile-hidden", &answer).clone();
    // bash itself shows both: what is said of it, and the cure.
    let read = || run(lab().command("bash", patient.home()).args(["-lc", "echo $PATH"])).contains(".local/bin");
    assert!(!read());
    run(lab().command("bash", patient.home()).arg("-c").arg(hidden["advice"][0]["command"].as_str().unwrap()));
    assert!(read());
    // The line for keychain started an agent.
    run(lab().command("keychain", patient.home()).args(["--quiet", "--stop", "mine"]));
    let (document, answer) = diagnose(&patient, None);
    assert!(!ids(&document).contains(&"shell-profile-hidden"), "{}", answer.all());
}

#[test]
fn without_keychain_and_agent() {
    let mut patient = Patient::new();
    let empty = patient.home().join("empty");
    fs::create_dir(&empty).unwrap();
    // What the lab itself needs to start a program as its user.
    std::os::unix::fs::symlink("/usr/bin/setpriv", empty.join("setpriv")).unwrap();
    patient.set("PATH", empty.to_str().unwrap());
    let (document, answer) = diagnose(&patient, None);
    assert_eq!(expect(&document, "keychain-missing", &answer)["severity"], "info");
}

#[test]
fn a_copied_key_an_open_key_and_missing_known_hosts() {
    let mut patient = Patient::new();
    let environment = patient.healthy_environment();
    let key = make_key(&patient, "id_ed25519");
    patient.file("brainvisa-5.3/home/.ssh/id_ed25519", fs::read(&key).unwrap());
    patient.file(".ssh/known_hosts", "github.com ssh-ed25519 AAAA\n");
    let keychain = Keychain::start(&patient, "id_ed25519");
    patient.set("SSH_AUTH_SOCK", &keychain.socket);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();

    let (document, answer) = diagnose(&patient, Some(&environment));
    expect(&document, "ssh-keys-copied", &answer);
    let open = expect(&document, "ssh-key-permissions", &answer);
    let missing = expect(&document, "ssh-known-hosts-missing", &answer);
    let body = fs::read_to_string(&key).unwrap();
    assert!(!answer.all().contains(body.lines().nth(1).unwrap()), "a key was told");
    // ssh itself refuses the open key.
    let refused = lab().command("ssh-keygen", patient.home()).arg("-y").arg("-f").arg(&key).stdin(Stdio::null()).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("too open"), "{refused:?}");

    for finding in [open, missing] {
        let command = finding["advice"][0]["command"].as_str().unwrap();
        run(lab().command("sh", patient.home()).arg("-c").arg(command));
    }
    fs::remove_file(environment.join("home/.ssh/id_ed25519")).unwrap();
    let (document, answer) = diagnose(&patient, Some(&environment));
    assert!(ids(&document).is_empty(), "{}", answer.all());
}

#[test]
fn a_mount_of_the_ssh_directory_is_found_and_removed() {
    let patient = Patient::new();
    let environment = patient.healthy_environment();
    let file = environment.join("conf/casa_distro.json");
    let mut configuration: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    configuration["mounts"] = serde_json::json!({"/casa/home/.ssh": patient.home().join(".ssh")});
    patient.file("brainvisa-5.3/conf/casa_distro.json", serde_json::to_vec_pretty(&configuration).unwrap());
    make_key(&patient, "id_ed25519");
    let (document, answer) = diagnose(&patient, Some(&environment));
    let found = expect(&document, "ssh-dir-mounted", &answer);
    // The lab's engine is Apptainer, which makes the mount.
    assert_eq!(found["severity"], "warning");

    patient.run([environment.as_os_str(), "--fix".as_ref(), "--yes".as_ref(), "--only".as_ref(), "ssh".as_ref()]).assert_status(0);
    let after = fs::read_to_string(&file).unwrap();
    assert!(!after.contains("/casa/home/.ssh"), "{after}");
}

#[test]
fn soma_workflow_s_file_is_judged_as_python_reads_it() {
    let patient = Patient::new();
    let environment = patient.healthy_environment();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let bv = patient.file("brainvisa-5.3/bin/bv", "#!/bin/sh\n");
    fs::set_permissions(&bv, fs::Permissions::from_mode(0o755)).unwrap();
    patient.file(".bash_profile", "eval $(keychain --eval id_ed25519)\n");
    let resource = |lines: &str| {
        patient.file(".soma-workflow.cfg", format!("[cluster]\nSCHEDULER_TYPE = slurm\nSUBMITTING_MACHINES = {hostname}\n{lines}"));
        let (document, answer) = diagnose(&patient, Some(&environment));
        let found: Vec<_> = ids(&document).into_iter().filter(|id| id.starts_with("soma")).map(str::to_owned).collect();
        (found, answer)
    };
    let (found, answer) = resource("");
    assert_eq!(found, ["somaworkflow-path", "somaworkflow-noise"], "{}", answer.all());
    patient.file(".bash_profile", "eval $(keychain --eval --quiet id_ed25519)\n");
    let (found, answer) = resource(&format!("CONTAINER_COMMAND = ['{}']\nPYTHON_COMMAND = python\n", bv.display()));
    assert_eq!(found, ["somaworkflow-python"], "{}", answer.all());
    let (found, answer) = resource("CONTAINER_COMMAND = ['/nothing/bv']\n");
    assert_eq!(found, ["somaworkflow-path"], "{}", answer.all());
    let (found, answer) = resource("CONTAINER_COMMAND = /nothing/bv\nLIGHT_MODE = True\n");
    assert_eq!(found, ["somaworkflow-config-invalid"], "{}", answer.all());
    let healthy = format!("CONTAINER_COMMAND = ['{0}']\nPYTHON_COMMAND = {0} python\n", bv.display());
    let (found, answer) = resource(&healthy);
    assert!(found.is_empty(), "{}", answer.all());
}

#[test]
fn a_home_that_cannot_be_written_to_or_reached() {
    let mut patient = Patient::new();
    let environment = patient.healthy_environment();
    let home = environment.join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    lab().give(&home);
    let (document, answer) = diagnose(&patient, Some(&environment));
    expect(&document, "home-unwritable", &answer);
    answer.assert_status(1);

    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir(&home).unwrap();
    let closed = patient.home().join("closed");
    fs::create_dir_all(closed.join("data")).unwrap();
    lab().give(&closed);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    patient.set("XDG_DATA_HOME", closed.join("data").to_str().unwrap());
    let (document, answer) = diagnose(&patient, Some(&environment));
    let found = expect(&document, "home-not-traversable", &answer);
    assert!(found["evidence"].to_string().contains("has mode 0600"), "{found:#}");
    assert!(!ids(&document).contains(&"home-unwritable"), "{}", answer.all());
}

/// A filesystem of its own, unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: PathBuf, options: &str) -> Self {
        fs::create_dir(&at).unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at).status().unwrap();
        assert!(status.success(), "mounting a tmpfs needs root: run this test as root");
        Self(at)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_real_filesystem_that_is_full() {
    let mut patient = Patient::new();
    for (name, options, words) in
        [("small", "size=1m,mode=1777", "MiB are free"), ("few", "size=64m,nr_inodes=8,mode=1777", "more files")]
    {
        let disk = Tmpfs::mount(patient.home().join(name), options);
        patient.set("TMPDIR", disk.0.to_str().unwrap());
        let (document, answer) = diagnose(&patient, None);
        let full = expect(&document, "disk-full", &answer);
        assert_eq!(full["severity"], "error");
        let evidence = full["evidence"].to_string();
        assert!(evidence.contains("TMPDIR") && evidence.contains(words), "{evidence}");
    }
    let disk = Tmpfs::mount(patient.home().join("roomy"), "size=64m,mode=1777");
    patient.set("TMPDIR", disk.0.to_str().unwrap());
    let (document, answer) = diagnose(&patient, None);
    assert!(!ids(&document).contains(&"disk-full"), "{}", answer.all());
}
