//! Under another name: `bin/anatomist`, a link to casa-doctor, and `bv`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::lab::{Patient, lab};
use crate::support::{environment, patient};

/// An environment with a link `bin/NAME` to casa-doctor.
fn with_link(patient: &Patient, name: &str) -> (String, PathBuf) {
    let environment = environment(patient, &json!({}));
    let bin = Path::new(&environment).join("bin");
    fs::create_dir_all(&bin).unwrap();
    let link = bin.join(name);
    symlink(lab().program(), &link).unwrap();
    lab().give(patient.home());
    (environment, link)
}

fn start(patient: &Patient, program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Output {
    let mut command: Command = lab().command(program, patient.home());
    command.args(args).envs(patient.variables.iter().map(|(name, value)| (name, value))).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_link_runs_its_name_in_the_environment_around_it() {
    let patient = patient();
    let (environment, link) = with_link(&patient, "printf");
    let output = start(&patient, &link, &["%s|", "opengl=software", "--help", "$CASA_ENVIRONMENT"]);
    assert_eq!(text(&output.stdout), "opengl=software|--help|$CASA_ENVIRONMENT|", "{}", text(&output.stderr));
    // The same when the environment is on PATH and when its directory was reached by a link.
    let path = format!("PATH={environment}/bin:/usr/bin:/bin");
    let output = start(&patient, "env", &[&path, "printf", "%s$CASA_ENVIRONMENT", "by-path"]);
    assert_eq!(text(&output.stdout), "by-path$CASA_ENVIRONMENT", "{}", text(&output.stderr));
    let beside = patient.home().join("beside");
    symlink(&environment, &beside).unwrap();
    let output = start(&patient, beside.join("bin/printf"), &["%s", "beside"]);
    assert_eq!(text(&output.stdout), "beside", "{}", text(&output.stderr));
}

#[test]
fn the_status_of_the_linked_program_is_handed_on() {
    let patient = patient();
    let (_, link) = with_link(&patient, "sh");
    let output = start(&patient, &link, &["-c", "echo $CASA_ENVIRONMENT; exit 42"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(42), "brainvisa-5.3\n".into()), "{}", text(&output.stderr));
}

#[test]
fn bv_takes_its_options_before_the_command() {
    let patient = patient();
    let (_, link) = with_link(&patient, "bv");
    let output = start(&patient, &link, &["gui=no", "env=A=b=c", "sh", "-c", "echo $A $0", "gui=yes"]);
    assert_eq!(text(&output.stdout), "b=c gui=yes\n", "{}", text(&output.stderr));
    let wrong = start(&patient, &link, &["colour=red", "true"]);
    assert_eq!(wrong.status.code(), Some(125));
    assert!(text(&wrong.stderr).contains("colour=red"), "{}", text(&wrong.stderr));
}

#[test]
fn a_link_without_an_environment_says_so() {
    let patient = patient();
    let link = patient.home().join("anatomist");
    symlink(lab().program(), &link).unwrap();
    let output = start(&patient, &link, &[]);
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("no environment"), "{}", text(&output.stderr));
    // The variable names one, as for bv.
    let (environment, _) = with_link(&patient, "unused");
    let link = patient.home().join("echo");
    symlink(lab().program(), &link).unwrap();
    let mut patient = patient;
    patient.set("CASA_ENVIRONMENT_DIR", &environment);
    assert_eq!(text(&start(&patient, &link, &["found"]).stdout), "found\n");
}

#[test]
fn a_renamed_copy_is_still_casa_doctor() {
    let patient = patient();
    let copy = patient.home().join("doctor");
    fs::copy(lab().program(), &copy).unwrap();
    let output = start(&patient, &copy, &["--version"]);
    assert!(text(&output.stdout).starts_with("casa-doctor "), "{}", text(&output.stdout));
    let mut patient = patient;
    let environment = environment(&patient, &json!({}));
    patient.set("CASA_ENVIRONMENT_DIR", &environment);
    let output = start(&patient, &copy, &["--version"]);
    assert!(text(&output.stdout).starts_with("casa-doctor "), "an environment is named: {}", text(&output.stderr));
}
