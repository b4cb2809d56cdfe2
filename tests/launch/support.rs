//! What the tests of the launch share.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::lab::{self, Patient, lab};

/// Somebody with a run-time directory of their own, in which the private files of launches are seen.
pub(crate) fn patient() -> Patient {
    with_runtime_directory(Patient::new())
}

pub(crate) fn with_runtime_directory(mut patient: Patient) -> Patient {
    patient.file("run/.keep", "");
    let directory = patient.home().join("run");
    patient.set("XDG_RUNTIME_DIR", directory.to_str().unwrap());
    patient
}

/// Names of the private directories that are there.
pub(crate) fn private_directories(patient: &Patient) -> Vec<PathBuf> {
    let entries = fs::read_dir(patient.home().join("run")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap() != ".keep").collect()
}

/// An environment around the lab's image with more in its configuration.
pub(crate) fn environment(patient: &Patient, more: &Value) -> String {
    let text = lab::healthy_configuration(lab().image().to_str().unwrap());
    let mut configuration: Value = serde_json::from_str(&text).unwrap();
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    patient.environment("brainvisa-5.3", &configuration.to_string()).to_str().unwrap().to_owned()
}

/// `casa-doctor run` without a display, in the mode that needs no look at the machine.
pub(crate) fn run<'a>(environment: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    [&["run", environment, "--no-gui", "--opengl", "container", "--"], command].concat()
}

/// A launch under way, whose program has said "ready" on standard output.
pub(crate) struct Launch {
    pub(crate) child: Child,
    pub(crate) output: BufReader<std::process::ChildStdout>,
}

impl Launch {
    pub(crate) fn start(patient: &Patient, args: &[&str]) -> Self {
        let mut child = patient.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{:?}", child.wait());
        Self { child, output }
    }

    /// setpriv and the program are one process, since one replaces the other.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn rest(&mut self) -> (String, std::process::ExitStatus) {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut text).unwrap();
        (text, self.child.wait().unwrap())
    }
}
