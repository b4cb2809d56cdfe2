//! Recordings of machines, each judged as it must be. `tests/machines/NAME/facts.json` is a recording (or the part of one
//! that matters), `expected.json` what the program must say of it; `CASA_DOCTOR_BLESS=1` writes the latter, to be read
//! before it is kept.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![expect(clippy::disallowed_methods, reason = "tests drive the program from outside: they have no host")]

use std::collections::BTreeMap;
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
    /// Checks that could not tell, or were not asked, with the reason.
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
    let output = Command::new(env!("CARGO_BIN_EXE_casa-doctor"))
        .args(["--format", "json", "--replay"])
        .arg(machine.join("facts.json"))
        .env_clear()
        .output()
        .unwrap();
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
            .filter(|check| check["reason"].is_string())
            .map(|check| (text(&check["id"]), text(&check["reason"])))
            .collect(),
        exit_status: document["exit_status"].as_u64().unwrap(),
    }
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
        let Some((id, _)) = name.split_once("--") else { continue };
        let found = summary(&judge(&machine));
        assert!(found.findings.iter().any(|(found, _)| found == id), "{name}: {found:#?}");
    }
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
