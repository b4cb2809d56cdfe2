//! From a sick environment to a container that runs: diagnose, fix, launch, undo.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{Patient, XServer, ids, lab};

/// An environment with four illnesses: a removed flag, a key of casa-distro 2, a variable that casa_distro 3 cannot read, and
/// an image that was moved.
fn sick(patient: &Patient) -> (PathBuf, PathBuf) {
    let environment = patient.home().join("brainvisa-5.3");
    let image = lab().image();
    let name = image.file_name().unwrap().to_str().unwrap();
    let configuration = format!(
        r#"{{
    "casa_distro_compatibility": "3",
    "name": "brainvisa-5.3",
    "image": "/home/somebody/old-disk/{name}",
    "type": "user",
    "system": "debian-12",
    "container_type": "singularity",
    "distro": "brainvisa",
    "version": "5.3",
    "container_options": [
        "--softgl"
    ],
    "container_gui_env": {{
        "QT_X11_NO_MITSHM": "1"
    }},
    "mounts": {{
        "/data": "${{HOME}}/data"
    }},
    "notes_of_the_lab":   {{ "kept" : [1,2,   3] }}
}}"#
    );
    let file = patient.file("brainvisa-5.3/conf/casa_distro.json", configuration);
    fs::create_dir_all(patient.home().join("data")).unwrap();
    fs::hard_link(&image, environment.join(name)).or_else(|_| fs::copy(&image, environment.join(name)).map(drop)).unwrap();
    lab().give(&patient.home().join("data"));
    lab().give(&patient.home().join("brainvisa-5.3/conf"));
    (environment, file)
}

const FOUR: [&str; 4] = ["config-unknown-flag", "config-old-keys", "config-braces", "image-moved"];

#[test]
fn the_four_illnesses_are_found_fixed_and_undone() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let (environment, file) = sick(&patient);
    let before = fs::read(&file).unwrap();

    let (document, answer) = patient.diagnose([&environment]);
    answer.assert_status(1);
    for id in FOUR {
        assert!(ids(&document).contains(&id), "{id} is missing: {:?}", ids(&document));
    }
    assert_eq!(fs::read(&file).unwrap(), before, "a diagnosis changes nothing");

    let environment = environment.to_str().unwrap();
    let dry = patient.run(["--fix", "--dry-run", environment, "--", "glxinfo", "-B"]);
    assert!(dry.stdout().contains("-        \"--softgl\""), "{}", dry.all());
    assert_eq!(fs::read(&file).unwrap(), before, "--dry-run changes nothing");

    let fixed = patient.run(["--fix", "--yes", environment, "--", "glxinfo", "-B"]);
    fixed.assert_status(0);
    assert!(fixed.stdout().contains("-        \"--softgl\""), "the diff is shown: {}", fixed.all());
    assert!(fixed.stdout().contains("OpenGL renderer string"), "glxinfo ran: {}", fixed.all());
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""notes_of_the_lab":   { "kept" : [1,2,   3] }"#), "unknown keys keep every byte: {text}");
    let backup = backups(&file);
    assert_eq!(backup.len(), 1, "{backup:?}");
    assert!(fixed.all().contains(backup[0].file_name().unwrap().to_str().unwrap()), "the copy's path is told: {}", fixed.all());

    let (document, answer) = patient.diagnose([environment]);
    answer.assert_status(0);
    for id in FOUR {
        assert!(!ids(&document).contains(&id), "{id} is left after --fix");
    }

    let again = patient.run(["--fix", "--yes", environment]);
    again.assert_status(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "a second --fix changes nothing");
    assert_eq!(backups(&file).len(), 1);

    patient.run(["undo", environment]).assert_status(0);
    assert_eq!(fs::read(&file).unwrap(), before, "undo restores it byte for byte");
}

fn backups(file: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path != file && path.file_name().unwrap().to_str().unwrap().starts_with("casa_distro.json.")).collect()
}

#[test]
fn the_status_of_the_command_is_handed_on() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let (environment, _) = sick(&patient);
    let answer = patient.run(["--fix", "--yes", environment.to_str().unwrap(), "--", "sh", "-c", "exit 42"]);
    answer.assert_status(42);
}

#[test]
fn a_link_stays_a_link_and_a_mode_stays_a_mode() {
    use std::os::unix::fs::PermissionsExt;
    let server = XServer::start();
    let patient = Patient::at(&server);
    let (environment, file) = sick(&patient);
    let real = environment.join("real.json");
    fs::rename(&file, &real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../real.json", &file).unwrap();
    patient.run(["--fix", "--yes", environment.to_str().unwrap()]).assert_status(0);
    assert_eq!(fs::read_link(&file).unwrap(), Path::new("../real.json"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(!fs::read_to_string(&real).unwrap().contains("--softgl"));
}

#[test]
fn broken_json_is_never_overwritten() {
    let patient = Patient::new();
    let environment = patient.environment("e", "{\n    \"name\": \"x\",\n    oops\n}\n");
    let file = environment.join("conf/casa_distro.json");
    let before = fs::read(&file).unwrap();
    let (document, answer) = patient.diagnose([&environment]);
    answer.assert_status(1);
    let finding = document["findings"].as_array().unwrap().iter().find(|f| f["id"] == "config-invalid-json").unwrap();
    assert!(finding["evidence"].to_string().contains("casa_distro.json:3:5"), "{finding:#}");
    let fixed = patient.run(["--fix", "--yes", environment.to_str().unwrap()]);
    assert_ne!(fixed.output.status.code(), Some(0), "{}", fixed.all());
    assert_eq!(fs::read(&file).unwrap(), before);
}

/// An environment with one illness that needs no question.
fn with_removed_flag(patient: &Patient) -> (String, PathBuf) {
    let healthy = crate::lab::healthy_configuration(lab().image().to_str().unwrap());
    let sick = healthy.replace("\n}", ",\n    \"container_options\": [\"--softgl\"]\n}");
    let environment = patient.environment("e", &sick);
    (environment.to_str().unwrap().to_owned(), environment.join("conf/casa_distro.json"))
}

/// casa-doctor, started where PATH leads to nothing.
pub(crate) fn without_path<'a>(patient: &Patient, words: impl IntoIterator<Item = &'a str>) -> std::process::Output {
    let mut command = lab().command("/usr/bin/env", patient.home());
    command.arg("PATH=/nowhere").arg(lab().program()).args(words).output().unwrap()
}

#[test]
fn an_undo_that_is_only_tried_shows_the_diff_and_changes_nothing() {
    let patient = Patient::new();
    let (environment, file) = with_removed_flag(&patient);
    let before = fs::read(&file).unwrap();
    patient.run(["--fix", "--no-graphics", &environment]).assert_status(1);
    let fixed = fs::read(&file).unwrap();
    let tried = patient.run(["undo", "--dry-run", &environment]);
    tried.assert_status(0);
    assert!(tried.stdout().contains("+    \"container_options\": [\"--softgl\"]"), "{}", tried.all());
    assert_eq!(fs::read(&file).unwrap(), fixed);
    assert_eq!(backups(&file).len(), 1);
    patient.run(["undo", &environment]).assert_status(0);
    assert_eq!(fs::read(&file).unwrap(), before);
    patient.run(["undo", "--dry-run", &environment]).assert_status(3);
}

#[test]
fn an_undo_puts_a_deleted_file_back_and_refuses_a_copy_that_was_changed() {
    let patient = Patient::new();
    let (environment, file) = with_removed_flag(&patient);
    let before = fs::read(&file).unwrap();
    patient.run(["--fix", "--no-graphics", &environment]).assert_status(1);
    fs::remove_file(&file).unwrap();
    patient.run(["undo", "--dry-run", &environment]).assert_status(0);
    assert!(!file.exists());
    patient.run(["undo", &environment]).assert_status(0);
    assert_eq!(fs::read(&file).unwrap(), before);
    patient.run(["--fix", "--no-graphics", &environment]).assert_status(1);
    let fixed = fs::read(&file).unwrap();
    fs::write(&backups(&file)[0], "{}").unwrap();
    let refused = patient.run(["undo", &environment]);
    refused.assert_status(3);
    assert!(refused.stderr().contains("somebody has changed it"), "{}", refused.all());
    assert_eq!(fs::read(&file).unwrap(), fixed);
}

#[test]
fn a_report_in_a_file_tells_how_the_command_ended() {
    let patient = Patient::new();
    let (environment, _) = with_removed_flag(&patient);
    let file = patient.home().join("report.json");
    let read = || -> serde_json::Value { serde_json::from_slice(&fs::read(&file).unwrap()).unwrap() };
    let report = file.to_str().unwrap();
    let options = ["--fix", "--no-graphics", "--format", "json", "-o", report, &environment];
    let answer = patient.run(options.into_iter().chain(["--", "sh", "-c", "echo mine; exit 9"]));
    answer.assert_status(9);
    assert_eq!(answer.stdout(), "mine\n");
    assert_eq!(answer.stderr().matches("was changed; its copy is").count(), 1, "{}", answer.all());
    assert_eq!((&read()["exit_status"], &read()["launch"]["exit_status"]), (&9.into(), &9.into()));

    // The report is told even when there is no container to hand over to.
    let output = without_path(&patient, options.into_iter().chain(["--", "true"]));
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(read()["exit_status"], 125);
}

#[test]
fn a_document_on_standard_output_stands_alone() {
    let patient = Patient::new();
    let (environment, _) = with_removed_flag(&patient);
    let fix = |format| ["--fix", "--no-graphics", "--format", format, &environment];
    let command = ["--", "sh", "-c", "echo mine; echo wrong >&2; exit 9"];
    let answer = patient.run(fix("json").into_iter().chain(command));
    answer.assert_status(9);
    let document: serde_json::Value = serde_json::from_str(&answer.stdout()).unwrap();
    assert_eq!(document["exit_status"], 9);
    assert!(answer.stderr().contains("mine\nwrong\n"), "{}", answer.all());
    // A person sees the program's output behind the report.
    let answer = patient.run(fix("human").into_iter().chain(command));
    answer.assert_status(9);
    assert!(answer.stdout().ends_with("mine\n") && !answer.stderr().contains("mine"), "{}", answer.all());
}

#[test]
fn what_cannot_be_written_is_told_with_the_report_and_nothing_else_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let patient = Patient::new();
    let (environment, file) = with_removed_flag(&patient);
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o555)).unwrap();
    let before = fs::read(&file).unwrap();
    let answer = patient.run(["--fix", "--no-graphics", "--format", "json", &environment]);
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    answer.assert_status(3);
    let document: serde_json::Value = serde_json::from_str(&answer.stdout()).unwrap();
    assert!(ids(&document).contains(&"config-unknown-flag"), "{}", answer.all());
    assert_eq!(document["exit_status"], 3);
    assert!(answer.stderr().contains("no file was changed"), "{}", answer.all());
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(!patient.home().join(".local/state/casa-doctor").exists(), "a decision was kept although nothing was done");

    // A command that was not started has the status that says so.
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o555)).unwrap();
    let answer = patient.run(["--fix", "--no-graphics", "--format", "json", &environment, "--", "echo", "mine"]);
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    answer.assert_status(125);
    let document: serde_json::Value = serde_json::from_str(&answer.stdout()).unwrap();
    assert_eq!(document["exit_status"], 125);
    patient.run(["--fix", "/no/such/environment", "--", "true"]).assert_status(125);

    // A configuration that cannot be read decides nothing either.
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    let answer = patient.run(["--fix", "--no-graphics", &environment]);
    answer.assert_status(3);
    assert!(!answer.stderr().contains("the decision is kept"), "{}", answer.all());
    assert!(!patient.home().join(".local/state/casa-doctor").exists());
}

#[test]
fn what_was_written_is_told_when_the_report_cannot_be() {
    let patient = Patient::new();
    for format in ["human", "json"] {
        let (environment, file) = with_removed_flag(&patient);
        let args = ["--fix", "--no-graphics", "--format", format, "--baseline", "/no/such/file", &environment];
        let answer = patient.run(args);
        answer.assert_status(3);
        let copy = backups(&file).pop().unwrap();
        assert!(answer.stderr().contains(copy.to_str().unwrap()), "{}", answer.all());
        patient.run(["undo", &environment]).assert_status(0);
        // A command that was not started has the status that says so.
        patient.run(args.into_iter().chain(["--", "true"])).assert_status(125);
        patient.run(["undo", &environment]).assert_status(0);
    }
}

#[test]
fn an_engine_beside_path_is_not_started_unasked() {
    let patient = Patient::new();
    let (environment, _) = with_removed_flag(&patient);
    let output = without_path(&patient, ["--fix", "--no-graphics", "--format", "json", &environment]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(ids(&document).contains(&"engine-missing") && document["launch"].is_null(), "{document:#}");
}
