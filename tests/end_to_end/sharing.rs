//! What is shared tells nothing private, and says the same.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lab::{Patient, XServer, ids, lab};

/// A real agent with a key whose comment is private, ended with the test.
struct Agent {
    pid: String,
    socket: String,
}

impl Agent {
    fn start(patient: &Patient, comment: &str) -> Self {
        let told = run(lab().command("ssh-agent", patient.home()).arg("-s"));
        let value = |name: &str| told.split([';', '\n']).find_map(|part| part.trim().strip_prefix(name)).unwrap().to_owned();
        let agent = Self { socket: value("SSH_AUTH_SOCK="), pid: value("SSH_AGENT_PID=") };
        let key = patient.home().join("key");
        run(lab().command("ssh-keygen", patient.home()).args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(&key));
        run(lab().command("ssh-add", patient.home()).env("SSH_AUTH_SOCK", &agent.socket).arg(&key));
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(Command::new("kill").arg(&self.pid).status());
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const SECRETS: &[&str] = &[
    "zqtoken8",
    "zqpass7",
    "zqsetting6",
    "zqcomment5",
    "zqvalue4",
    "zqhost3.example.org",
    "10.77.66.55",
    "52:54:00:aa:bb:cc",
    "zqword2",
];

/// A patient with something private in every source that can be had here.
fn planted() -> (Patient, Agent, String) {
    let mut patient = Patient::new();
    let agent = Agent::start(&patient, "zqcomment5@zqhost3.example.org");
    let home = patient.home().to_str().unwrap().to_owned();
    patient.set("SSH_AUTH_SOCK", &agent.socket.clone());
    patient.set("MY_TOKEN", "zqtoken8");
    patient.set("VK_ICD_FILENAMES", &format!("{home}/icd.json"));
    patient.set("LIBGL_DRIVERS_PATH", &format!("{home}/zqword2/dri"));
    let image = patient.file("images/x.sif", "no image at all");
    patient.file("images/x.sif.json", json!({"image_id": 3, "compatibility": [format!("of {home}")]}).to_string());
    patient.file(".profile", "export API_TOKEN=zqtoken8 DISPLAY=zqhost3.example.org:0\n");
    let configuration = json!({
        "name": "study of zqword2", "container_type": "singularity", "image": image, "name_of_host": "zqhost3.example.org at 10.77.66.55",
        "card": "52:54:00:aa:bb:cc", "env": {"API_TOKEN": "zqtoken8", "MY_SETTING": "zqsetting6", "PROXY": "http://me:zqpass7@proxy/"},
        "mounts": {format!("{home}/in"): format!("{home}/out")},
        "container_options": ["--softgl", "--env", "OTHER=zqvalue4"],
    });
    let environment = patient.environment("e", &configuration.to_string());
    (patient, agent, environment.to_str().unwrap().to_owned())
}

/// Every format but those for this user alone, as the program itself lists them.
fn formats_for_sharing(patient: &Patient) -> Vec<String> {
    let told = patient.run(["--format", "?"]).stderr();
    let list = told.split("[possible values: ").nth(1).unwrap().split(']').next().unwrap().to_owned();
    list.split(", ").filter(|format| !matches!(*format, "human" | "json")).map(str::to_owned).collect()
}

fn hostname() -> String {
    run(Command::new("uname").arg("-n")).trim().to_owned()
}

fn outcomes(document: &Value) -> Vec<(Value, Value)> {
    document["checks"].as_array().unwrap().iter().map(|check| (check["id"].clone(), check["outcome"].clone())).collect()
}

#[track_caller]
fn assert_nothing_private(patient: &Patient, name: &str, text: &str) {
    let lower = text.to_lowercase();
    let directory = patient.home().file_name().unwrap().to_str().unwrap().to_lowercase();
    let mut private: Vec<String> =
        SECRETS.iter().map(|secret| (*secret).to_owned()).chain([directory, "casalab".to_owned()]).collect();
    // A machine called "vm" is recognised by nothing, and the word stands in the names of libraries.
    private.extend(Some(hostname().to_lowercase()).filter(|name| name.len() > 4));
    assert!(!text.contains(&format!("\"hostname\": \"{}\"", hostname())), "{name}: {text}");
    for secret in private {
        // The lab itself has a name that everybody may know.
        let lower = lower.replace("/opt/casalab", "");
        let around = lower
            .find(&secret)
            .map(|at| lower[lower.floor_char_boundary(at.saturating_sub(200))..].chars().take(400).collect::<String>());
        assert!(around.is_none(), "{name} tells {secret}: {}", around.unwrap_or_default());
    }
}

#[test]
fn what_is_meant_for_others_tells_nothing_private_and_says_the_same() {
    let (patient, _agent, environment) = planted();
    let (live, answer) = patient.diagnose(["--no-graphics", "--hide", "zqword2", "--redact", &environment]);
    assert_nothing_private(&patient, "json", &answer.stdout());
    let (plain, answer) = patient.diagnose(["--no-graphics", &environment]);
    for secret in ["zqtoken8", "zqpass7", "zqcomment5"] {
        assert!(!answer.stdout().contains(secret), "{secret} has entered the facts:\n{}", answer.stdout());
    }
    assert!(answer.stdout().contains("zqword2") && answer.stdout().contains(patient.home().to_str().unwrap()));
    assert_eq!(ids(&live), ids(&plain));
    assert_eq!(outcomes(&live), outcomes(&plain));
    assert_eq!(live["exit_status"], plain["exit_status"]);
    let formats = formats_for_sharing(&patient);
    assert!(formats.iter().any(|format| format == "markdown"), "{formats:?}");
    for format in &formats {
        let answer = patient.run(["--no-graphics", "--format", format, "--hide", "zqword2", &environment]);
        assert_nothing_private(&patient, format, &answer.stdout());
        answer.assert_status(i32::try_from(plain["exit_status"].as_i64().unwrap()).unwrap());
    }
    let answer = patient.run(["-v", "--no-graphics", "--redact", "--hide", "zqword2", &environment]);
    assert_nothing_private(&patient, "human", &answer.stdout());
}

#[test]
fn a_redacted_recording_is_judged_as_the_machine_itself() {
    let server = XServer::start();
    let (mut patient, _agent, environment) = planted();
    patient.set("DISPLAY", &server.display());
    patient.set("XAUTHORITY", server.authority().to_str().unwrap());
    let path = |name: &str| patient.home().join(name).to_str().unwrap().to_owned();
    let (raw, redacted, map) = (path("raw.json"), path("redacted.json"), path("map.json"));
    patient.run(["record", "--raw", "-o", &raw, &environment]).assert_status(0);
    patient.run(["record", "--hide", "zqword2", "--redaction-map", &map, "-o", &redacted, &environment]).assert_status(0);
    let text = std::fs::read_to_string(&redacted).unwrap();
    assert_nothing_private(&patient, "the recording", &text);
    assert!(text.contains("\"redacted\": true") && !text.contains("(uid"));
    let (one, _) = patient.diagnose(["--replay", &raw]);
    let (other, _) = patient.diagnose(["--replay", &redacted]);
    assert_eq!(ids(&one), ids(&other));
    assert_eq!(outcomes(&one), outcomes(&other));
    assert_eq!(one["recommendation"]["opengl"], other["recommendation"]["opengl"]);
    assert_eq!(one["exit_status"], other["exit_status"]);

    let mode = std::fs::metadata(&map).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let map: Value = serde_json::from_slice(&std::fs::read(&map).unwrap()).unwrap();
    assert_eq!(map["<hidden-1>"], "zqword2");
    assert!(map.as_object().unwrap().values().any(|value| value == patient.home().file_name().unwrap().to_str().unwrap()));
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let patient = Patient::new();
    patient.run(["--hide", "x"]).assert_status(2);
    patient.run(["--redaction-map", "/tmp/x", "--format", "json"]).assert_status(2);
    patient.run(["record", "--raw", "--hide", "x"]).assert_status(2);
    assert!(!Path::new("/tmp/x").exists());
}

#[test]
fn a_dry_run_for_others_does_not_show_the_files() {
    let (patient, _agent, environment) = planted();
    let answer = patient.run(["--fix", "--dry-run", "--no-graphics", "--format", "markdown", "--hide", "zqword2", &environment]);
    assert_nothing_private(&patient, "the dry run", &answer.stdout());
    assert!(answer.stdout().contains("softgl"), "{}", answer.all());
}
