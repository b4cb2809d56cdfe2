//! git over ssh from inside of the container, with a key that exists in the user's agent and nowhere else: the lab's own sshd, a bare
//! repository behind it, and each engine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::displays::{Process, sshd};
use crate::docker::{Engine, both};
use crate::lab::{Answer, Patient, healthy_configuration, ids, lab};

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Another machine, as far as git can tell: a sshd that lets one key in, and a repository with one commit.
struct Server {
    _sshd: Process,
    port: u16,
    commit: String,
    directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = lab().directory();
        let (sshd, port) = sshd(directory.path());
        let repository = directory.path().join("repository.git");
        run(lab().command("git", directory.path()).args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&repository));
        let git = |args: &[&str]| {
            let mut command = lab().command("git", directory.path());
            for who in ["AUTHOR", "COMMITTER"] {
                command.env(format!("GIT_{who}_NAME"), "Anna").env(format!("GIT_{who}_EMAIL"), "anna@localhost");
            }
            run(command.arg("--git-dir").arg(&repository).args(args))
        };
        let tree = git(&["mktree"]);
        let commit = git(&["commit-tree", "-m", "first", &tree]);
        git(&["update-ref", "refs/heads/main", &commit]);
        Self { _sshd: sshd, port, commit, directory }
    }

    /// The repository's address, which is the same inside of the container.
    fn url(&self) -> String {
        let path = self.directory.path().display();
        format!("ssh://{}@127.0.0.1:{}{path}/repository.git", lab().value("LAB_USER"), self.port)
    }

    /// The only key that is let in moves into a new agent of this person: its file is gone afterwards.
    fn hand_over_key(&self, patient: &Patient) -> (Process, PathBuf) {
        let (key, socket) = (self.directory.path().join("user_key"), patient.home().join("agent"));
        let mut command = lab().command("ssh-agent", patient.home());
        command.args(["-D", "-a"]).arg(&socket);
        let agent = Process::start(command, &patient.home().join("agent.log"));
        agent.wait_until("the agent's socket", || socket.exists());
        run(lab().command("ssh-add", patient.home()).env("SSH_AUTH_SOCK", &socket).arg("-q").arg(&key));
        std::fs::remove_file(&key).unwrap();
        let listed = run(lab().command("ssh-add", patient.home()).env("SSH_AUTH_SOCK", &socket).arg("-l"));
        assert!(listed.ends_with("(ED25519)") && listed.lines().count() == 1, "{listed}");
        (agent, socket)
    }

    /// The server's key as somebody's own ssh would have noted it.
    fn make_known(&self, patient: &Patient) {
        let mut scan = lab().command("ssh-keyscan", patient.home());
        let known = run(scan.args(["-t", "ed25519", "-p", &self.port.to_string(), "127.0.0.1"]).stderr(Stdio::null()));
        assert!(known.contains(" ssh-ed25519 "), "{known}");
        patient.file(".ssh/known_hosts", format!("{known}\n"));
    }
}

/// Files below a directory that hold a private key of any kind.
fn private_keys(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(private_keys(&entry.path()));
        } else if kind.is_file() && std::fs::read(entry.path()).unwrap().windows(11).any(|bytes| bytes == b"PRIVATE KEY") {
            found.push(entry.path());
        }
    }
    found
}

/// `git ls-remote` in the container of an environment.
fn ls_remote(patient: &Patient, environment: &str, server: &Server) -> Answer {
    patient.run(["run", environment, "--no-gui", "--opengl", "container", "--", "git", "ls-remote", &server.url()])
}

/// A person's way from a container that has never been started to one in which git works, and back to one without an agent.
fn git_works_with_the_key_of_the_agent(mut patient: Patient, environment: &str) {
    let server = Server::start();
    server.make_known(&patient);
    // The search finds what it is about.
    assert_eq!(private_keys(server.directory.path()).len(), 2, "the server's key and the user's");
    let (_agent, socket) = server.hand_over_key(&patient);
    for home in [patient.home(), Path::new(lab().value("LAB_HOME"))] {
        assert_eq!(private_keys(home), Vec::<PathBuf>::new(), "the key is to be in the agent and nowhere else");
    }
    patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());

    // The container has a home of its own, where no machine is known yet: said after the failure, with the command that helps.
    let stranger = ls_remote(&patient, environment, &server);
    stranger.assert_status(128);
    assert!(stranger.stderr().contains("Host key verification failed"), "{}", stranger.all());
    assert!(stranger.stderr().contains("ssh-known-hosts-missing"), "{}", stranger.all());
    let (document, answer) = patient.diagnose([environment, "--only", "ssh"]);
    let findings = document["findings"].as_array().unwrap();
    let finding =
        findings.iter().find(|finding| finding["id"] == "ssh-known-hosts-missing").unwrap_or_else(|| panic!("{}", answer.all()));
    run(lab().command("sh", patient.home()).arg("-c").arg(finding["advice"][0]["command"].as_str().unwrap()));

    let answer = ls_remote(&patient, environment, &server);
    answer.assert_status(0);
    let refs = format!("{0}\tHEAD\n{0}\trefs/heads/main\n", server.commit);
    assert_eq!(answer.stdout(), refs, "{}", answer.all());
    assert_eq!(private_keys(patient.home()), Vec::<PathBuf>::new());

    // The counter-proof: the same without the agent.
    patient.variables.retain(|(name, _)| name != "SSH_AUTH_SOCK");
    let refused = ls_remote(&patient, environment, &server);
    refused.assert_status(128);
    assert_eq!(refused.stdout(), "");
    assert!(refused.stderr().contains("Permission denied (publickey"), "{}", refused.all());
    assert!(refused.stderr().contains("[ssh-agent-unset]"), "{}", refused.all());
    let (document, answer) = patient.diagnose([environment, "--only", "ssh"]);
    assert!(ids(&document).contains(&"ssh-agent-unset"), "{}", answer.all());
}

#[test]
fn in_an_apptainer_container_git_uses_the_key_of_the_agent() {
    let patient = Patient::new();
    let environment = patient.environment("brainvisa-5.3", &healthy_configuration(lab().value("LAB_IMAGE_GIT")));
    git_works_with_the_key_of_the_agent(patient, environment.to_str().unwrap());
}

#[test]
fn in_a_container_of_docker_and_podman_git_uses_the_key_of_the_agent() {
    both(|engine: Engine| {
        let patient = engine.patient();
        let image: Value = json!({"image": lab().value("LAB_DOCKER_IMAGE_GIT")});
        let environment = engine.environment(&patient, &image);
        git_works_with_the_key_of_the_agent(patient, &environment);
    });
}
