//! What an administrator decides, and what the options of a configuration do, with the real engine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;

use crate::lab::{Patient, XServer, lab};
use crate::support::{Launch, environment, patient, private_directories, run, with_runtime_directory};

/// The lab's engine with a changed configuration: a program in a prefix of its own, as an administrator may have it.
fn engine_with(patient: &Patient, changes: &[(&str, &str)]) -> PathBuf {
    let mut text = fs::read_to_string("/etc/apptainer/apptainer.conf").unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let file = patient.file("prefix/etc/apptainer/apptainer.conf", text);
    let script = format!("#!/bin/sh\nexec {} --config {} \"$@\"\n", lab().value("LAB_APPTAINER"), file.display());
    let program = patient.file("prefix/bin/apptainer", script);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

const NO_BINDS: (&str, &str) = ("user bind control = yes", "user bind control = no");

#[test]
fn without_mounts_it_starts_all_the_same_and_says_what_is_missing() {
    let server = XServer::start();
    let patient = with_runtime_directory(Patient::at(&server));
    let environment = environment(&patient, &json!({"mounts": {"/data": "/srv"}}));
    let engine = engine_with(&patient, &[NO_BINDS]);
    let engine = engine.to_str().unwrap();
    let answer = patient.run([
        "run",
        &environment,
        "--engine",
        engine,
        "--opengl",
        "container",
        "--",
        "sh",
        "-c",
        "glxinfo -B >/dev/null && echo drawn; exit 5",
    ]);
    answer.assert_status(5);
    assert_eq!(answer.stdout(), "drawn\n", "{}", answer.all());
    assert!(answer.stderr().contains("user bind control = no") && answer.stderr().contains("/data"), "{}", answer.stderr());
    // Signals and the failure to start are told apart as ever.
    let mut launch = Launch::start(
        &patient,
        &[
            "run",
            &environment,
            "--engine",
            engine,
            "--no-gui",
            "--",
            "sh",
            "-c",
            "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done",
        ],
    );
    launch.signal("TERM");
    assert_eq!(launch.rest().1.code(), Some(9));
    patient
        .run(["run", &environment, "--engine", engine, "--no-gui", "--engine-option=--no-such", "--", "true"])
        .assert_status(125);
    assert!(private_directories(&patient).is_empty());
    assert!(!fs::read_dir("/tmp").unwrap().any(|entry| {
        let entry = entry.unwrap();
        entry.file_name().to_string_lossy().starts_with("casa-doctor-run.")
            && fs::read_dir(entry.path().join("shown"))
                .is_ok_and(|_| fs::read_to_string(entry.path().join("shown/start")).is_ok_and(|text| text.contains("glxinfo")))
    }));
}

#[test]
fn without_mounts_tmp_and_home_it_still_starts() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let engine = engine_with(&patient, &[NO_BINDS, ("mount tmp = yes", "mount tmp = no"), ("mount home = yes", "mount home = no")]);
    for (script, status) in [("exit 0", 0), ("exit 6", 6)] {
        let answer = patient.run(["run", &environment, "--engine", engine.to_str().unwrap(), "--no-gui", "--", "sh", "-c", script]);
        answer.assert_status(status);
    }
    let missing = ["run", &environment, "--engine", engine.to_str().unwrap(), "--no-gui", "--", "no-such-program"];
    assert_ne!(patient.run(missing).output.status.code(), Some(0));
}

#[test]
fn an_overlay_is_used_and_left_unwritten_where_it_may_not_be_written() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let overlay = PathBuf::from(&environment).join("overlay.img");
    let made = lab()
        .command("apptainer", patient.home())
        .args(["overlay", "create", "--size", "64", "--create-dir", "/kept", overlay.to_str().unwrap()])
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    patient.run(run(&environment, &["sh", "-c", "echo kept >/kept/file"])).assert_status(0);
    assert_eq!(patient.run(run(&environment, &["cat", "/kept/file"])).stdout(), "kept\n");
    fs::set_permissions(&overlay, fs::Permissions::from_mode(0o444)).unwrap();
    let read_only = patient.run(run(&environment, &["sh", "-c", "cat /kept/file; touch /kept/new 2>/dev/null || echo refused"]));
    assert_eq!(read_only.stdout(), "kept\nrefused\n", "{}", read_only.all());
}

#[test]
fn options_of_the_engine_and_its_kinds_are_taken() {
    let patient = patient();
    for kind in ["singularity", "apptainer", "apptainer_pixi"] {
        let environment = environment(&patient, &json!({"container_type": kind}));
        let args = [
            "run",
            &environment,
            "--no-gui",
            "--engine-option=--hostname=elsewhere",
            "--engine-option",
            "--no-umask",
            "--",
            "sh",
            "-c",
            "uname -n",
        ];
        assert_eq!(patient.run(args).stdout(), "elsewhere\n", "{kind}");
    }
}

#[test]
fn parameters_of_soma_workflow_arrive_when_they_are_set_and_are_left_out_when_not() {
    let mut patient = patient();
    let env = json!({"env": {"SOMAWF_INPUT_PARAMS": "$SOMAWF_INPUT_PARAMS", "SOMAWF_OUTPUT_PARAMS": "$SOMAWF_OUTPUT_PARAMS"}});
    let environment = environment(&patient, &env);
    patient.set("SOMAWF_INPUT_PARAMS", "/tmp/in put.json");
    let script = "echo \"${SOMAWF_INPUT_PARAMS-unset}|${SOMAWF_OUTPUT_PARAMS-unset}\"";
    let answer = patient.run(run(&environment, &["sh", "-c", script]));
    assert_eq!(answer.stdout(), "/tmp/in put.json|unset\n");
    assert!(!answer.stderr().contains("SOMAWF"), "what is handed on when it is set is nothing to tell: {}", answer.stderr());
}

#[test]
fn braces_null_mounts_and_links_do_what_they_say() {
    let mut patient = patient();
    patient.file("data/file", "data");
    patient.set("DATA", patient.home().join("data").to_str().unwrap());
    let more = json!({
        "mounts": {"/by-name": "$DATA", "/by-braces": "${DATA}", "/host": null, "/mnt": null, "/{name}/here": "{directory}"},
        "env": {"PLAIN": "$DATA", "BRACES": "${DATA}", "JSON": "{{\"a\": 1}}"},
    });
    let environment = environment(&patient, &more);
    let script = "cat /by-name/file /by-braces/file; test ! -e /host/etc && echo ' no-host'; echo $JSON; test \"$PLAIN\" = \"$BRACES\"; ls /brainvisa-5.3/here";
    let answer = patient.run(run(&environment, &["sh", "-c", script]));
    answer.assert_status(0);
    assert_eq!(answer.stdout(), "datadata no-host\n{\"a\": 1}\nconf\n", "{}", answer.stderr());
}

#[test]
fn the_users_file_is_merged_behind_that_of_the_environment() {
    let patient = patient();
    let environment = environment(&patient, &json!({"env": {"A": "environment", "B": "environment"}}));
    patient.file(".config/casa-distro/casa_distro_3.json", json!({"env": {"B": "user"}, "mounts": {"/extra": "/etc"}}).to_string());
    let answer = patient.run(run(&environment, &["sh", "-c", "echo $A $B; test -e /extra/passwd && echo extra"]));
    assert_eq!(answer.stdout(), "environment user\nextra\n", "{}", answer.all());
}

/// sudo is replaced by a program that says what it is asked for: root of the lab may not start the engine.
#[test]
fn root_is_had_through_sudo_with_a_fake_sudo() {
    let mut patient = patient();
    let environment = environment(&patient, &json!({"env": {"SECRET": "not-in-arguments"}}));
    let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$HOME/asked\"\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
    let sudo = patient.file("bin/sudo", script);
    fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
    patient.set("PATH", &format!("{}:/usr/local/bin:/usr/bin:/bin", sudo.parent().unwrap().display()));
    let answer = patient.run(["run", &environment, "--no-gui", "--root", "--", "sh", "-c", "echo $SECRET; exit 4"]);
    answer.assert_status(4);
    assert_eq!(answer.stdout(), "not-in-arguments\n", "{}", answer.all());
    let asked = fs::read_to_string(patient.home().join("asked")).unwrap();
    let lines: Vec<_> = asked.lines().collect();
    assert!(lines[0].starts_with("--preserve-env=") && lines[0].contains("APPTAINERENV_SECRET"), "{asked}");
    assert!(lines[1] == "--" && lines[2].ends_with("apptainer") && !asked.contains("not-in-arguments"), "{asked}");
}

#[test]
fn starting_inside_a_container_is_refused_with_the_reason() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    // The program itself is brought into a container.
    let program = lab().program().display().to_string();
    let answer = patient.run(run(&environment, &[&format!("/host{program}"), "run", &environment, "--no-gui", "--", "true"]));
    answer.assert_status(125);
    assert!(answer.stderr().contains("already inside a container"), "{}", answer.all());
}
