//! A recording is data: of any age, of any content, in any number.

use std::fs;

use serde_json::{Value, json};

use crate::lab::{Patient, ids};

const OLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/recordings/version-1-from-0.1.0.json");

fn old() -> Value {
    serde_json::from_slice(&fs::read(OLD).unwrap()).unwrap()
}

#[test]
fn an_early_recording_stays_readable() {
    let patient = Patient::new();
    let file = patient.file("old.json", fs::read(OLD).unwrap());
    let (document, answer) = patient.diagnose(["--replay", file.to_str().unwrap()]);
    assert_eq!(ids(&document), ["x11-no-display"], "{}", answer.all());
    let check = document["checks"].as_array().unwrap().iter().find(|check| check["id"] == "ssh-agent").unwrap();
    assert_eq!(check["outcome"], "unknown", "what it does not know is unknown: {check}");
}

#[test]
fn a_later_recording_is_refused_with_its_version() {
    let patient = Patient::new();
    let file = patient.file("new.json", json!({"schema_version": "99", "facts": 7}).to_string());
    let answer = patient.run(["--replay", file.to_str().unwrap()]);
    answer.assert_status(3);
    assert!(answer.stderr().contains("version 99") && answer.stderr().contains("newer casa-doctor"), "{}", answer.all());
}

#[test]
fn what_is_no_recording_is_named_with_its_place() {
    let patient = Patient::new();
    let deep = format!("{{\"schema_version\": \"1\", \"facts\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wrong_type = json!({"schema_version": "1", "facts": {"machine": {"os": 7}}}).to_string();
    let wrong_word = json!({"schema_version": "1", "facts": {"x11": {"connection": {"state": "\u{1b}[31mred"}}}}).to_string();
    for (name, content) in [
        ("empty", ""),
        ("cut", "{\"schema_version\": \"1\", \"facts\": {"),
        ("list", "[]"),
        ("deep", deep.as_str()),
        ("wrong-type", wrong_type.as_str()),
        ("wrong-word", wrong_word.as_str()),
    ] {
        let file = patient.file(&format!("{name}.json"), content);
        let answer = patient.run(["--replay", file.to_str().unwrap()]);
        answer.assert_status(3);
        let told = answer.stderr();
        assert!(told.contains(&format!("{name}.json:")) && told.contains("not a recording"), "{name}: {}", answer.all());
        assert!(!told.contains('\u{1b}') && told.lines().count() == 1, "{name}: {told:?}");
    }
    let huge = patient.file("huge.json", "{");
    fs::OpenOptions::new().write(true).open(&huge).unwrap().set_len(200 << 20).unwrap();
    patient.run(["--replay", huge.to_str().unwrap()]).assert_status(3);
}

#[test]
fn nothing_in_a_recording_runs_or_writes_or_reaches_the_terminal() {
    let patient = Patient::new();
    let mark = patient.home().join("mark");
    let command = format!("\u{1b}]0;x\u{7}\u{1b}[2J; touch {0}; $(touch {0}) `touch {0}` \u{202e}", mark.display());
    let mut recording = old();
    let facts = &mut recording["facts"];
    facts["session"]["user"] = command.clone().into();
    facts["session"]["home"] = format!("/home/{command}").into();
    facts["session"]["graphics_variables"] = json!({"LIBGL_ALWAYS_SOFTWARE": "1", "LD_PRELOAD": command});
    facts["probes"]["engines"] = json!({"end": "crashed", "reason": command});
    facts["probes"]["environment"] = json!({"end": "answered"});
    let victim = patient.file("victim.json", "{}");
    facts["environment"] = json!({"found": {"directory": patient.home(), "file": {"path": victim, "value": {"container_options": ["--softgl", command]}}}});
    let file = patient.file("hostile.json", recording.to_string());
    let before = fs::read(&victim).unwrap();
    for format in ["human", "markdown", "html", "junit", "sarif", "github", "nagios"] {
        let answer = patient.run(["-v", "--color", "never", "--format", format, "--replay", file.to_str().unwrap()]);
        assert!(matches!(answer.output.status.code(), Some(0 | 1)), "{format}: {}", answer.all());
        let told = answer.stdout() + &answer.stderr();
        assert!(!told.contains('\u{1b}') && !told.contains('\u{7}') && !told.contains('\u{202e}'), "{format}: {told:?}");
    }
    let answer = patient.run(["--fix", "--yes", "--replay", file.to_str().unwrap()]);
    answer.assert_status(2);
    assert!(answer.stderr().contains("recording"), "{}", answer.all());
    assert!(!mark.exists() && fs::read(&victim).unwrap() == before);
}

#[test]
fn a_folder_of_recordings_is_told_line_by_line() {
    let patient = Patient::new();
    patient.file("all/a.json", old().to_string());
    patient.file("all/b.json", "{");
    patient.file("all/notes.txt", "no recording");
    let folder = patient.home().join("all");
    let folder = folder.to_str().unwrap();
    let answer = patient.run(["--replay", folder]);
    answer.assert_status(3);
    let lines: Vec<_> = answer.stdout().lines().map(str::to_owned).collect();
    assert!(lines.len() == 2 && lines[0].starts_with("a.json: ") && lines[0].contains("x11-no-display"), "{lines:?}");
    assert!(lines[1].starts_with("b.json: not judged: "), "{lines:?}");
    let answer = patient.run(["--format", "json", "--replay", folder]);
    let told: Value = serde_json::from_slice(&answer.output.stdout).unwrap();
    assert_eq!(told[0]["findings"], json!(["x11-no-display"]));
    fs::remove_file(patient.home().join("all/b.json")).unwrap();
    patient.run(["--fail-on", "never", "--replay", folder]).assert_status(0);
}

#[test]
fn a_real_bash_completes_ids() {
    let patient = Patient::new();
    let script = patient.file("complete.bash", patient.run(["completions", "bash"]).stdout());
    let ask = "source \"$1\"; told=$(complete -p casa-doctor); told=${told##*-F }; COMP_WORDS=(casa-doctor explain x11-cook); COMP_CWORD=2; \
               ${told%% *} casa-doctor x11-cook explain; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = std::process::Command::new("bash").args(["--norc", "-c", ask, "bash"]).arg(script).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.lines().any(|line| line == "x11-cookie-missing"), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_takes_long_is_said_once_and_not_with_q() {
    let server = crate::lab::XServer::start();
    let patient = Patient::at(&server);
    server.signal("STOP");
    let loud = patient.run(["--only", "x11-connection", "--probe-timeout", "1.5"]).stderr();
    let quiet = patient.run(["-q", "--only", "x11-connection", "--probe-timeout", "1.5"]).stderr();
    server.signal("CONT");
    assert_eq!(loud.matches("waiting for ").count(), 1, "{loud}");
    assert!(loud.contains("x11"), "{loud}");
    assert!(quiet.is_empty(), "{quiet}");
}
