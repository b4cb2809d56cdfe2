//! When the program dies: what it wrote stays as it was, and what casa-doctor knows about it follows.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::lab::{Patient, XServer, lab};
use crate::support::{environment, patient, run, with_runtime_directory};

/// Somebody whose DISPLAY leads nowhere, and an environment.
fn without_a_server() -> (Patient, String) {
    let mut patient = patient();
    patient.set("DISPLAY", ":4711");
    let environment = environment(&patient, &json!({}));
    (patient, environment)
}

#[test]
fn a_known_text_is_named_with_its_finding_and_the_next_command() {
    let (patient, environment) = without_a_server();
    let answer = patient.run(["run", &environment, "--opengl", "container", "--", "glxinfo", "-B"]);
    answer.assert_status(255);
    let text = answer.stderr();
    let (program, ours) =
        (text.find("Error: unable to open display :4711").unwrap(), text.find("casa-doctor: glxinfo ended").unwrap());
    assert!(program < ours, "the program's own words come first: {text}");
    assert!(text.contains("[x11-unreachable]") && text.contains("next: casa-doctor explain x11-unreachable"), "{text}");
    let quiet = patient.run(["run", &environment, "--opengl", "container", "--no-diagnosis", "--", "glxinfo", "-B"]);
    assert!(quiet.stderr().contains("unable to open display") && !quiet.stderr().contains("glxinfo ended"), "{}", quiet.stderr());
}

#[test]
fn a_known_text_counts_although_the_program_calls_it_a_success() {
    // glxinfo says "couldn't find RGB GLX visual or fbconfig" and ends with 0.
    let server = XServer::start_with(&["-extension", "GLX"]);
    let patient = with_runtime_directory(Patient::at(&server));
    let environment = environment(&patient, &json!({}));
    let answer = patient.run(["run", &environment, "--opengl", "container", "--", "glxinfo", "-B"]);
    assert!(answer.stderr().contains("[x11-glx-missing]"), "{}", answer.all());
}

#[test]
fn what_the_program_does_not_say_is_taken_from_what_was_seen() {
    let (patient, environment) = without_a_server();
    let answer = patient.run(["run", &environment, "--opengl", "container", "--", "sh", "-c", "exit 3"]);
    answer.assert_status(3);
    assert!(answer.stderr().contains("may be why") && answer.stderr().contains("[x11-unreachable]"), "{}", answer.stderr());
    // Without a display nothing of it matters.
    let blind = patient.run(run(&environment, &["sh", "-c", "exit 3"]));
    blind.assert_status(3);
    assert!(!blind.stderr().contains("may be why"), "{}", blind.stderr());
}

#[test]
fn a_container_that_does_not_start_is_explained() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let answer = patient.run(["run", &environment, "--no-gui", "--engine-option=--no-such-flag", "--", "true"]);
    answer.assert_status(125);
    assert!(answer.stderr().contains("[config-unknown-flag]"), "{}", answer.stderr());
}

#[test]
fn nothing_is_said_of_an_ordinary_failure_or_of_a_program_that_was_asked_to_end() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    for script in ["exit 1", "echo no match >&2; exit 2", "exit 0"] {
        let answer = patient.run(run(&environment, &["sh", "-c", script]));
        assert!(!answer.stderr().contains("casa-doctor:"), "{script}: {}", answer.stderr());
    }
    let mut command =
        patient.command(run(&environment, &["sh", "-c", "echo 'Error: unable to open display :0' >&2; exec sleep 30"]));
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("unable to open display") && !text.contains("[x11"), "{text}");
}

#[test]
fn the_error_output_stays_what_it_is() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    // What it leads to: a file is a file, a pipe a pipe, for the program and in the end.
    let kind = "for fd in 1 2; do if test -f /dev/fd/$fd; then set $* file; elif test -p /dev/fd/$fd; then set $* pipe; else set $* else; fi; done; echo $* >&2";
    let file = patient.file("errors", "before\n");
    let open = fs::OpenOptions::new().append(true).open(&file).unwrap();
    let status = patient.command(run(&environment, &["sh", "-c", kind])).stdout(Stdio::null()).stderr(open).status().unwrap();
    assert!(status.success());
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("before\n") && text.ends_with("else file\n"), "{text}");
    let piped = patient.run(run(&environment, &["sh", "-c", kind]));
    assert!(piped.stderr().ends_with("pipe pipe\n"), "{}", piped.stderr());
    // The order of two streams into one place, and every byte.
    let mixed = "i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; printf '\\000\\377' >&2";
    let together = shell(&patient, &environment, mixed, "2>&1 | cat");
    let expected: Vec<u8> = (0..2000).flat_map(|i| format!("out {i}\nerr {i}\n").into_bytes()).chain([0, 255]).collect();
    assert!(together.ends_with(&expected), "{}", String::from_utf8_lossy(&together[together.len().saturating_sub(200)..]));
}

/// Standard output of a shell that runs the launch of a script with a redirection.
fn shell(patient: &Patient, environment: &str, script: &str, redirection: &str) -> Vec<u8> {
    let line = format!("\"$1\" run \"$2\" --no-gui --opengl container -- sh -c \"$3\" {redirection}",);
    let mut command = lab().command("bash", patient.home());
    command.args(["-c", &line, "bash"]).arg(lab().program()).args([environment, script]);
    command.envs(patient.variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    command.output().unwrap().stdout
}

#[test]
fn a_reader_that_goes_away_ends_the_program_as_without_us() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let endless = "while echo x >&2; do :; done; exit 9";
    let mut command = lab().command("bash", patient.home());
    let line = "\"$1\" run \"$2\" --no-gui --no-diagnosis --opengl container -- sh -c \"$3\" 2> >(head -n3 >/dev/null); echo $?";
    command.args(["-c", line, "bash"]).arg(lab().program()).args([&environment, endless]);
    command.envs(patient.variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    let status = String::from_utf8(command.output().unwrap().stdout).unwrap();
    // By the signal, or by the error where the shell ignores it.
    assert!(["141\n", "9\n"].contains(&status.as_str()), "{status}");
}
