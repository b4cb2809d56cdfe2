//! The real VBoxManage with machines that were made for the test. They are never started: the kernel's part cannot be had.

use std::process::Command;

use serde_json::{Value, json};

use super::{document_of, expect, finding, said_by, told};
use crate::lab::{Patient, lab};

const ONLY: [&str; 4] = ["--only", "virtualbox", "--probe-timeout", "20"];

/// Somebody with VBoxManage on PATH.
fn patient() -> Patient {
    let mut patient = Patient::new();
    patient.set("PATH", &format!("{}:/usr/bin:/bin", lab().value("LAB_VBOX")));
    patient
}

fn manage(patient: &Patient, arguments: &[&str]) {
    let mut command: Command = lab().command(format!("{}/VBoxManage", lab().value("LAB_VBOX")), patient.home());
    command.args(arguments);
    let (mut text, mut success) = said_by(&mut command);
    if text.contains("COM server") {
        // The service was just ending.
        (text, success) = said_by(&mut command);
    }
    assert!(success, "VBoxManage {arguments:?}:\n{text}");
}

/// Does what a finding advises: a command for a shell.
#[track_caller]
fn follow(patient: &Patient, document: &Value, id: &str) {
    let advice = finding(document, id)["advice"].as_array().unwrap();
    let command = advice.iter().find_map(|advice| advice["command"].as_str()).unwrap();
    let words: Vec<_> = command.split(' ').collect();
    assert_eq!(words[0], "VBoxManage", "{command}");
    manage(patient, &words[1..]);
}

#[test]
fn a_machine_from_its_first_settings_to_the_right_ones() {
    let patient = patient();
    expect(&patient, ONLY, &[]);
    let name = "brainvisa-5.3";
    manage(&patient, &["createvm", "--name", name, "--ostype", "Ubuntu_64", "--register"]);
    // What the machine had when casa_distro's recipe was older, or made by hand.
    manage(&patient, &["modifyvm", name, "--graphicscontroller", "vboxvga", "--accelerate3d", "off", "--vram", "50"]);
    manage(&patient, &["modifyvm", name, "--audio-enabled", "on", "--audio-driver", "default"]);
    let document = expect(&patient, ONLY, &["vbox-graphics-controller", "vbox-video-memory"]);
    assert!(told(&document, "vbox-video-memory").contains("50 MB"));
    assert_eq!(finding(&document, "vbox-audio")["severity"], "info", "the sound matters on a Mac only");
    on_a_mac_that_cannot_be_had(&patient);
    for id in ["vbox-graphics-controller", "vbox-video-memory", "vbox-audio"] {
        follow(&patient, &document, id);
    }
    let document = expect(&patient, ONLY, &[]);
    assert_eq!(document["findings"], json!([]), "what was advised is what is right");
    assert_eq!(document["facts"]["virtualbox"]["machines"][0]["video_memory_mb"], 128);
}

/// The same machine's facts, as if the computer were a Mac.
fn on_a_mac_that_cannot_be_had(patient: &Patient) {
    let file = patient.home().join("recording.json");
    patient.run(["record", "--raw", "--no-graphics", "--probe-timeout", "20", "-o", file.to_str().unwrap()]).assert_status(0);
    let mut recording: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let (run, machines) = (&recording["facts"]["probes"]["virtualbox"], &recording["facts"]["virtualbox"]["machines"]);
    assert!(run["end"] == "answered" && machines[0]["audio"] == "default", "{:#}", recording["facts"]["virtualbox"]);
    recording["facts"]["machine"]["os"] = json!("macos");
    let file = patient.file("mac.json", recording.to_string());
    let args = ["--format", "json", "--only", "virtualbox", "--replay", file.to_str().unwrap()];
    let (document, _) = document_of(patient.command(args));
    assert_eq!(finding(&document, "vbox-audio")["severity"], "warning");
    assert!(told(&document, "vbox-audio").contains("--audio-driver null"));
}

/// A VBoxManage that says what the real one said, and does the first time what the real one does now and then when its service is
/// just ending. That cannot be had at will.
fn with_a_made_up_service(first: &str) -> Patient {
    use std::os::unix::fs::PermissionsExt;
    let mut patient = Patient::new();
    let said = |name: &str| std::fs::read(format!("{}/tests/data/virtualbox/{name}.txt", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (argument, name) in [("--version", "version"), ("list", "list-vms"), ("showvminfo", "showvminfo-configured")] {
        patient.file(&format!("said/{argument}"), said(name));
    }
    patient.file(".config/VirtualBox/VirtualBox.xml", "");
    let script =
        format!("#!/bin/sh\n[ \"$1\" = list ] && mkdir \"$HOME/asked\" 2>&- && {{ {first}; }}\nexec cat \"$HOME/said/$1\"\n");
    let program = patient.file("bin/VBoxManage", script);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    patient.set("PATH", &format!("{}:/usr/bin:/bin", program.parent().unwrap().display()));
    patient
}

#[test]
fn a_made_up_service_that_is_just_ending_is_asked_once_more() {
    let refusal = "VBoxManage: error: Most likely, the VirtualBox COM server is not running or failed to start.";
    let refused = format!("echo '{refusal}' >&2; exit 1");
    for (first, arguments) in [(refused.as_str(), &ONLY[..]), ("sleep 60", &["--only", "virtualbox"])] {
        let document = expect(&with_a_made_up_service(first), arguments, &[]);
        let facts = &document["facts"]["virtualbox"];
        assert_eq!((&facts["total"], &facts["unknown"]), (&json!(4), &json!({})), "{first}: {facts:#}");
        assert_eq!(facts["machines"][0]["graphics_controller"], "vmsvga", "{first}: {facts:#}");
    }
    let document = expect(&with_a_made_up_service("exit 1"), ONLY, &[]);
    assert_eq!(document["facts"]["virtualbox"]["unknown"]["total"], "\"VBoxManage list vms\" exited with status 1");
}
