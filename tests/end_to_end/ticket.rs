//! `report -o`: a support ticket in one file.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use serde_json::Value;

use crate::lab::{Patient, ids, lab};

const CONFIGURATION: &str = r#"{
    "name": "e",
    "container_type": "singularity",
    "image": "x.sif",
    "container_options": ["--softgl", "--env=API_TOKEN=planted-secret-1"],
    "container_env": {"DB_PASSWORD": "planted-secret-2"}
}
"#;

fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let read = |index| {
        let mut file = archive.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        (name, content)
    };
    let count = zip::ZipArchive::new(Cursor::new(bytes)).unwrap().len();
    (0..count).map(read).collect()
}

#[test]
fn one_archive_holds_all_and_says_so() {
    let patient = Patient::new();
    let environment = patient.environment("e", CONFIGURATION);
    let file = patient.home().join("ticket.zip");
    let answer = patient.run(["report".as_ref(), "-o".as_ref(), file.as_os_str(), environment.as_os_str()]);
    answer.assert_status(1);
    assert!(answer.stdout().is_empty(), "{}", answer.all());
    let entries = entries(&std::fs::read(&file).unwrap());
    let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "report.html",
        "report.md",
        "report.json",
        "recording.json",
        "versions.txt",
        "config/casa_distro.json",
        "config/casa_distro.fixed.json",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    // What is in it is told before it is sent, with sizes; how to attach it, too.
    let told = answer.stderr();
    for (name, content) in &entries {
        let line = told.lines().find(|line| line.contains(&format!("  {name} "))).unwrap_or_else(|| panic!("{name}: {told}"));
        assert!(content.len() >= 1024 || line.contains(&format!(" {} B ", content.len())), "{line}");
    }
    assert!(told.contains("were replaced") && told.contains("To attach it"), "{told}");
    assert!(told.contains("names of other directories") && !told.contains("machines and directories"), "{told}");

    let content: BTreeMap<_, _> = entries.iter().map(|(name, content)| (name.as_str(), String::from_utf8_lossy(content))).collect();
    assert!(
        content["config/casa_distro.json"].contains("--softgl") && !content["config/casa_distro.fixed.json"].contains("--softgl")
    );
    assert_eq!(content["config/casa_distro.json"].lines().count(), CONFIGURATION.lines().count(), "line numbers stay true");
    let home = patient.home().to_str().unwrap();
    for (name, text) in &content {
        for private in ["planted-secret-1", "planted-secret-2", lab().value("LAB_USER"), home] {
            assert!(!text.contains(private), "{name} tells {private}");
        }
    }

    // Judged elsewhere, the recording gives what the machine itself gave.
    let recording = patient.file("elsewhere/recording.json", content["recording.json"].as_bytes());
    let (replayed, _) = patient.diagnose(["--replay".as_ref(), recording.as_os_str()]);
    let report: Value = serde_json::from_str(&content["report.json"]).unwrap();
    assert_eq!(ids(&replayed), ids(&report));
    assert_eq!(report["exit_status"], 1);
}

#[test]
fn a_recording_makes_a_ticket_too_and_in_the_same_order() {
    let patient = Patient::new();
    let environment = patient.environment("e", CONFIGURATION);
    let recording = patient.home().join("machine.json");
    patient
        .run(["record".as_ref(), "--raw".as_ref(), "-o".as_ref(), recording.as_os_str(), environment.as_os_str()])
        .assert_status(0);
    let names = |file: &str| {
        let file = patient.home().join(file);
        patient
            .run(["report".as_ref(), "--replay".as_ref(), recording.as_os_str(), "-o".as_ref(), file.as_os_str()])
            .assert_status(1);
        entries(&std::fs::read(&file).unwrap())
    };
    let (first, second) = (names("one.zip"), names("two.zip"));
    assert_eq!(first.iter().map(|(name, _)| name).collect::<Vec<_>>(), second.iter().map(|(name, _)| name).collect::<Vec<_>>());
    let fixed = first.iter().find(|(name, _)| name == "config/casa_distro.fixed.json").unwrap();
    assert!(!String::from_utf8_lossy(&fixed.1).contains("--softgl"));
}

#[test]
fn one_text_or_one_page_where_that_is_asked_for() {
    let patient = Patient::new();
    let environment = patient.environment("e", CONFIGURATION);
    for (name, start) in
        [("ticket.md", "# casa-doctor report\n"), ("ticket.html", "<!DOCTYPE html>\n"), ("TICKET.HTML", "<!DOCTYPE html>\n")]
    {
        let file = patient.home().join(name);
        let answer = patient.run(["report".as_ref(), "-o".as_ref(), file.as_os_str(), environment.as_os_str()]);
        answer.assert_status(1);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(start) && text.contains("config-unknown-flag"), "{name}");
        assert!(!text.contains("planted-secret") && !text.contains(lab().value("LAB_USER")), "{name}");
        assert!(answer.stderr().contains("To attach it"), "{}", answer.all());
    }
}

#[test]
fn another_kind_of_file_is_wrong_usage_and_the_three_are_named() {
    let patient = Patient::new();
    let file = patient.home().join("ticket.tar.gz");
    for answer in [patient.run(["report".as_ref(), "-o".as_ref(), file.as_os_str()]), patient.run(["report"])] {
        answer.assert_status(2);
        for kind in ["FILE.zip", "FILE.md", "FILE.html"] {
            assert!(answer.stderr().contains(kind), "{}", answer.all());
        }
    }
    assert!(!file.exists());
}
