//! Recordings of machines, each judged as it must be. `tests/machines/NAME/facts.json` is a recording (or the part of one
//! that matters), `expected.json` what the program must say of it; `CASA_DOCTOR_BLESS=1` writes the latter, to be read
//! before it is kept.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![expect(clippy::disallowed_methods, reason = "tests drive the program from outside: they have no host")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The part of a report that a recording is kept for.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Expected {
    /// Id and severity of every finding, in the report's order.
    findings: Vec<(String, String)>,
    /// The recommended mode.
    opengl: Option<String>,
    /// Checks that could not tell, were not asked or did not apply, with how they ended and the reason. Those for which the
    /// recording has no facts at all are not among them.
    open: BTreeMap<String, String>,
    /// The exit status.
    exit_status: u64,
}

fn machines() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
    let mut machines: Vec<_> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    machines.sort();
    assert!(!machines.is_empty(), "there are no recordings");
    machines
}

fn judge(machine: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_casa-doctor"));
    command.args(["--format", "json", "--replay"]).arg(machine.join("facts.json")).env_clear();
    // Wine cannot start one of two thousand programs ("Internal error").
    let tries = if cfg!(windows) { 5 } else { 1 };
    let output = (0..tries).find_map(|_| command.output().ok()).expect("casa-doctor could not be started");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", machine.display(), String::from_utf8_lossy(&output.stderr)))
}

fn summary(document: &Value) -> Expected {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    let checks = document["checks"].as_array().unwrap().iter();
    Expected {
        findings: findings.map(|finding| (text(&finding["id"]), text(&finding["severity"]))).collect(),
        opengl: document["recommendation"]["opengl"].as_str().map(str::to_owned),
        open: checks
            .filter(|check| check["reason"].is_string() && !is_without_facts(check))
            .map(|check| (text(&check["id"]), format!("{}: {}", text(&check["outcome"]), text(&check["reason"]))))
            .collect(),
        exit_status: document["exit_status"].as_u64().unwrap(),
    }
}

/// Whether a check only found that the recording says nothing of what it is about.
fn is_without_facts(check: &Value) -> bool {
    check["reason"].as_str().is_some_and(|reason| reason.starts_with("nothing was recorded for the probe"))
}

#[test]
fn every_recording_is_judged_as_expected() {
    let bless = std::env::var_os("CASA_DOCTOR_BLESS").is_some();
    let mut wrong = Vec::new();
    for machine in machines() {
        let found = summary(&judge(&machine));
        let file = machine.join("expected.json");
        if bless {
            fs::write(&file, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        }
        let expected: Expected =
            serde_json::from_slice(&fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).unwrap();
        if found != expected {
            wrong.push(format!("{}:\nexpected {expected:#?}\nfound {found:#?}", machine.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What a recording is named after must be among its findings: a recording that no longer shows its illness proves nothing.
#[test]
fn every_recording_shows_what_it_is_kept_for() {
    for machine in machines() {
        let name = machine.file_name().unwrap().to_str().unwrap();
        let Some((id, _)) = name.split_once("--").filter(|(id, _)| !matches!(*id, "healthy" | "unknown")) else { continue };
        let found = summary(&judge(&machine));
        assert!(found.findings.iter().any(|(found, _)| found == id), "{name}: {found:#?}");
    }
}

/// A key that casa-doctor does not know is passed over when a recording is read: the fact would be missing without a word.
#[test]
fn every_fact_of_a_recording_is_read() {
    for machine in machines() {
        let recording: Value = serde_json::from_slice(&fs::read(machine.join("facts.json")).unwrap()).unwrap();
        let mut given = recording["facts"].clone();
        given.as_object_mut().unwrap().remove("probes");
        let mut lost = Vec::new();
        compare(&given, &judge(&machine)["facts"], "", &mut lost);
        assert!(lost.is_empty(), "{}: {lost:?}", machine.display());
    }
}

fn compare(given: &Value, read: &Value, place: &str, lost: &mut Vec<String>) {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            for (key, value) in given {
                compare(value, read.get(key).unwrap_or(&Value::String("not read".into())), &format!("{place}/{key}"), lost);
            }
        }
        (Value::Array(given), Value::Array(read)) if given.len() == read.len() => {
            for (index, (given, read)) in given.iter().zip(read).enumerate() {
                compare(given, read, &format!("{place}/{index}"), lost);
            }
        }
        (given, read) if given == read => {}
        _ => lost.push(place.to_owned()),
    }
}

/// No false alarm: a machine that is as it should be gives nothing above info.
#[test]
fn a_healthy_machine_alarms_nobody() {
    for machine in machines() {
        let name = machine.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("healthy") {
            continue;
        }
        let found = summary(&judge(&machine));
        let alarms: Vec<_> = found.findings.iter().filter(|(_, severity)| severity != "info").collect();
        assert!(alarms.is_empty() && found.exit_status == 0, "{name}: {alarms:?}");
    }
}

/// Checks of which no fact can be missing as long as their probe answers; without the probe they do not know.
const KNOWS_WHEN_ASKED: &[&str] = &[
    "config-display",
    "config-duplicates",
    "config-flags",
    "config-generation",
    "config-image-key",
    "config-keys",
    "config-layout",
    "config-links",
    "config-mounts",
    "config-opengl",
    "config-shared",
    "config-substitution",
    "config-syntax",
    "config-user-file",
    "dri-access",
    "engine-answers",
    "engine-present",
    "gl-environment",
    "nvidia-cdi",
    "plugin-answers",
    "session-leftovers",
    "session-nested",
    "somaworkflow-commands",
    "somaworkflow-configuration",
    "somaworkflow-interpreter",
    "ssh-identity-agent",
    "ssh-mount",
    "wsl-display",
    "wsl-version",
    "x11-connection",
    "x11-isolation",
    "xquartz-display",
];

/// Every finding is shown by a recording; beside it stand one in which the same check is content, and one in which it says
/// that it does not know.
#[test]
fn every_finding_is_proven() {
    let (mut found, mut passed) = (BTreeSet::new(), BTreeSet::new());
    let (mut unknown, mut without_facts) = (BTreeSet::new(), BTreeSet::new());
    for machine in machines() {
        let document = judge(&machine);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        found.extend(document["findings"].as_array().unwrap().iter().map(|finding| text(&finding["id"])));
        for check in document["checks"].as_array().unwrap() {
            match check["outcome"].as_str().unwrap() {
                "pass" => passed.insert(text(&check["id"])),
                "unknown" if is_without_facts(check) => without_facts.insert(text(&check["id"])),
                "unknown" => unknown.insert(text(&check["id"])),
                _ => false,
            };
        }
    }
    // What a plug-in finds has the id that the plug-in gives it.
    let known: BTreeSet<_> = casa_doctor_checks::registry::finding_kinds().map(|(kind, _)| kind.id.to_owned()).collect();
    if !found.is_subset(&known) {
        found.insert("plugin-finding".to_owned());
    }
    let mut wrong = Vec::new();
    for check in casa_doctor_checks::registry::checks() {
        for kind in check.findings.iter().filter(|kind| !found.contains(kind.id)) {
            wrong.push(format!("{}: no recording shows it", kind.id));
        }
        if !passed.contains(check.id) {
            wrong.push(format!("{}: no recording of a healthy machine", check.id));
        }
        let may_lack = if KNOWS_WHEN_ASKED.contains(&check.id) { &without_facts } else { &unknown };
        if !may_lack.contains(check.id) {
            wrong.push(format!("{}: no recording in which it does not know", check.id));
        }
        if KNOWS_WHEN_ASKED.contains(&check.id) && unknown.contains(check.id) {
            wrong.push(format!("{}: some fact can be missing after all: take it out of the list", check.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn judging_a_recording_is_quick() {
    // A bound that only something foolish (a probe, a sleep) would exceed: the figures are for the benchmark.
    let started = std::time::Instant::now();
    let machine = machines().remove(0);
    for _ in 0..10 {
        judge(&machine);
    }
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
