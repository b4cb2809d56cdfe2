//! Failures that users met, each brought about for real: the real servers, engines, agents, drivers and kernels, and what
//! casa-doctor says of each. Every test names all errors and warnings that it expects: one more is a false alarm.

mod agents;
mod configuration;
mod displays;
mod docker;
mod engines;
mod files;
mod graphics;
mod nvidia;
mod virtualbox;
mod x11;

use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::lab::{Answer, Patient, healthy_configuration, ids_of, lab};

/// Diagnoses, and expects exactly these findings above the severity "info", in any order.
#[track_caller]
pub(crate) fn expect<S: AsRef<std::ffi::OsStr>>(patient: &Patient, args: impl IntoIterator<Item = S>, expected: &[&str]) -> Value {
    let (document, answer) = patient.diagnose(args);
    assert_found(&document, &answer, expected);
    document
}

/// Expects exactly these findings above the severity "info", in any order.
#[track_caller]
pub(crate) fn assert_found(document: &Value, answer: &Answer, expected: &[&str]) {
    let mut found = ids_of(document, &["error", "warning"]);
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{:#}\n-- stderr\n{}", document["findings"], answer.stderr());
}

/// The finding of that id.
#[track_caller]
pub(crate) fn finding<'a>(document: &'a Value, id: &str) -> &'a Value {
    let findings = document["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id}: {findings:#?}"))
}

/// The mode that is recommended.
pub(crate) fn mode(document: &Value) -> &str {
    document["recommendation"]["opengl"].as_str().unwrap_or("nothing")
}

/// Lets a command run in a mount namespace of its own, which root first prepares by a script. The functions of
/// tests/lab/stage.sh can be used there, after `stage_begin`. Nothing of it is seen outside.
pub(crate) fn on_stage(command: &Command, script: &str) -> Command {
    let stage = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/stage.sh");
    // The variables are those of the command, whose PATH may lack what the script needs.
    let script = format!("played=$PATH; PATH=/usr/sbin:/usr/bin:/sbin:/bin\n. '{stage}'\n{script}\nPATH=$played; exec \"$@\"\n");
    let mut staged = Command::new("/usr/bin/unshare");
    staged.args(["--mount", "--propagation", "private", "--", "/bin/sh", "-euc", &script, "sh"]);
    staged.arg(command.get_program()).args(command.get_args()).env_clear();
    staged.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    staged.current_dir("/").stdin(Stdio::null());
    staged
}

/// Diagnoses on a stage, and expects exactly these findings above the severity "info", in any order.
#[track_caller]
pub(crate) fn expect_on_stage(patient: &Patient, script: &str, args: &[&str], expected: &[&str]) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(args);
    let (document, answer) = document_of(on_stage(&patient.command(&all), script));
    assert_found(&document, &answer, expected);
    document
}

/// Everything that a finding says.
#[track_caller]
pub(crate) fn told(document: &Value, id: &str) -> String {
    finding(document, id).to_string()
}

/// Makes an environment around an image, with some keys more or other ones.
pub(crate) fn environment(patient: &Patient, image: &str, keys: &Value) -> String {
    let mut configuration: Value = serde_json::from_str(&healthy_configuration(lab().value(image))).unwrap();
    for (key, value) in keys.as_object().into_iter().flatten() {
        configuration[key] = value.clone();
    }
    let text = serde_json::to_string_pretty(&configuration).unwrap();
    patient.environment("brainvisa-5.3", &text).to_str().unwrap().to_owned()
}

/// A command of the lab's ordinary user as that of another one, who has no home.
pub(crate) fn as_nobody(command: &Command) -> Command {
    assert_eq!(command.get_program(), "setpriv", "becoming another user needs root: run this test as root");
    let user = lab().value("LAB_USER");
    let mut other = Command::new("setpriv");
    // The first two times that the user is named: --reuid and --regid.
    for (index, arg) in command.get_args().enumerate() {
        match index {
            1 => other.arg("nobody"),
            3 => other.arg("nogroup"),
            4 => other.arg("--clear-groups"),
            _ => other.arg(arg),
        };
    }
    other.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other.env("USER", "nobody").env("HOME", "/nonexistent").current_dir("/").stdin(Stdio::null());
    assert!(other.get_args().all(|arg| arg != user), "{other:?}");
    other
}

/// The document that a command of casa-doctor answers.
#[track_caller]
pub(crate) fn document_of(mut command: Command) -> (Value, Answer) {
    let started = Instant::now();
    let answer = Answer { output: command.output().unwrap(), took: started.elapsed() };
    let document = serde_json::from_slice(&answer.output.stdout)
        .unwrap_or_else(|error| panic!("standard output is not one JSON document: {error}\n{}", answer.all()));
    (document, answer)
}

/// The failures that `explain --log` names in a text, those that are harmless left out.
pub(crate) fn named(text: &str) -> Vec<String> {
    let patient = Patient::new();
    let log = patient.file("log", text);
    let answer = patient.run(["explain", "--format", "json", "--log", log.to_str().unwrap()]);
    let document: Value = serde_json::from_slice(&answer.assert_status(0).output.stdout).unwrap();
    let diagnoses = document["diagnoses"].as_array().unwrap().iter();
    let serious = diagnoses.filter(|diagnosis| diagnosis["harmless"] == false);
    serious.map(|diagnosis| diagnosis["id"].as_str().unwrap().to_owned()).collect()
}

/// Both outputs of a command, and whether it succeeded.
pub(crate) fn said_by(command: &mut Command) -> (String, bool) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success())
}

/// Expects a command to fail, and the reader of logs to name that failure in what it says.
#[track_caller]
pub(crate) fn expect_in_log(command: &mut Command, expected: &str) {
    let (text, success) = said_by(command);
    assert!(!success, "{command:?} succeeded:\n{text}");
    let named = named(&text);
    assert!(named.iter().any(|id| id == expected), "expected {expected}, found {named:?} in:\n{text}");
}
