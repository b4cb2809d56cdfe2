//! Every form of one sick run, each held against the definition that others have published of it; the HTML in a real browser.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::lab::{Answer, Patient, lab};

/// Somebody without a display whose environment is wrong in several ways.
fn patient() -> (Patient, String) {
    let patient = Patient::new();
    let image = lab().image();
    let configuration = serde_json::json!({
        "casa_distro_compatibility": "3", "container_type": "singularity", "name": "e", "version": "5.3", "image": image,
        "container_options": ["--softgl"], "container_gui_env": {"DISPLAY": "$DISPLAY"}, "mounts": {"/data": "${HOME}/<no> & \"data\""},
    });
    let environment = patient.environment("e", &serde_json::to_string_pretty(&configuration).unwrap());
    let environment = environment.to_str().unwrap().to_owned();
    (patient, environment)
}

fn told(patient: &Patient, format: &str, environment: &str) -> Answer {
    let answer = patient.run(["--format", format, environment]);
    answer.assert_status(1);
    answer
}

fn assert_obeys(schema: &str, document: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(schema);
    // The pattern of languages in SARIF's has a bracket too many for this validator. We write no language.
    let published = std::fs::read_to_string(file).unwrap().replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&published).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn json_obeys_the_shipped_schema() {
    let (patient, environment) = patient();
    let document: Value = serde_json::from_str(&told(&patient, "json", &environment).stdout()).unwrap();
    assert_obeys("docs/schema/report.json", &document);
    assert_eq!(document["exit_status"], 1);
}

#[test]
fn sarif_obeys_the_published_schema() {
    let (patient, environment) = patient();
    let log: Value = serde_json::from_str(&told(&patient, "sarif", &environment).stdout()).unwrap();
    assert_obeys("tests/data/sarif/sarif-schema-2.1.0.json", &log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let flag = results.iter().find(|result| result["ruleId"] == "config-unknown-flag").unwrap();
    let location = &flag["locations"][0]["physicalLocation"];
    assert!(location["artifactLocation"]["uri"].as_str().unwrap().ends_with("/e/conf/casa_distro.json"), "{location}");
    assert!(location["region"]["startLine"].as_u64().unwrap() > 1, "{location}");
}

#[test]
fn junit_obeys_the_published_schema() {
    let (patient, environment) = patient();
    let file = patient.file("report.xml", told(&patient, "junit", &environment).stdout());
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/junit/junit-10.xsd");
    let output = Command::new("xmllint").args(["--nonet", "--noout", "--schema"]).arg(schema).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn github_gets_annotations_at_the_line_of_the_file() {
    let (patient, environment) = patient();
    let text = told(&patient, "github", &environment).stdout();
    let line = text.lines().find(|line| line.contains("[config-unknown-flag]")).unwrap();
    assert!(line.starts_with("::error title=") && line.contains("/e/conf/casa_distro.json,line="), "{line}");
    // A job that stands in the checkout names its files from there, whatever is taken out of paths.
    let mut command = patient.command(["--format", "github", "e"]);
    let output = command.current_dir(patient.home()).output().unwrap();
    let text_there = String::from_utf8_lossy(&output.stdout);
    assert!(text_there.contains(",file=e/conf/casa_distro.json,line="), "{text_there}");
    assert!(text.lines().skip(1).all(|line| line.starts_with("::")), "{text}");
}

#[test]
fn a_monitor_gets_one_line_even_when_there_is_no_report() {
    let (patient, environment) = patient();
    let text = told(&patient, "nagios", &environment).stdout();
    assert!(text.starts_with("CASA-DOCTOR WARNING - ") && text.lines().count() == 1 && text.contains(" | errors="), "{text}");
    let answer = patient.run(["--format", "nagios", "/no/such/environment"]);
    answer.assert_status(3);
    assert!(answer.stdout().starts_with("CASA-DOCTOR UNKNOWN - ") && answer.stdout().lines().count() == 1, "{}", answer.all());
}

#[test]
fn offline_commands_name_the_forms_that_they_have() {
    let answer = Patient::new().run(["list", "--format", "sarif"]);
    answer.assert_status(2);
    assert!(answer.stderr().contains("list has no format sarif"), "{}", answer.all());
}

/// What a browser saw of a page.
fn looked_at(patient: &Patient, name: &str, html: &str) -> (Value, std::path::PathBuf) {
    let file = patient.file("report.html", html);
    let folder = patient.home().to_owned();
    let script = patient.file("look.mjs", include_str!("../lab/browser/look.mjs"));
    let mut command = lab().command("node", patient.home());
    command.arg(script).arg(file).arg(&folder).arg(lab().value("LAB_AXE"));
    let output = command.output().expect("node is missing: run tests/lab/setup");
    let seen = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{name}: {error}: {}", String::from_utf8_lossy(&output.stderr)));
    // Kept for whoever wants to look at the pictures.
    if let Some(keep) = std::env::var_os("CASA_DOCTOR_KEEP_PICTURES") {
        for picture in ["wide.png", "dark.png", "phone.png", "print.pdf"] {
            std::fs::copy(folder.join(picture), Path::new(&keep).join(format!("{name}-{picture}"))).unwrap();
        }
    }
    (seen, folder)
}

#[track_caller]
fn assert_pleasant(name: &str, seen: &Value) {
    for empty in ["console", "requests", "violations", "overflow"] {
        assert_eq!(seen[empty], serde_json::json!([]), "{name}: {empty}");
    }
}

#[test]
fn a_browser_shows_the_html_without_error_or_request_and_to_everybody() {
    let (patient, environment) = patient();
    let (seen, folder) = looked_at(&patient, "sick", &told(&patient, "html", &environment).stdout());
    assert_pleasant("sick", &seen);
    assert_eq!(seen["keyboard"], "opens", "a keyboard alone must open what is folded");
    for picture in ["wide.png", "dark.png", "phone.png"] {
        let bytes = std::fs::read(folder.join(picture)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{picture}: {} bytes", bytes.len());
    }
    // What is folded on the screen is printed.
    let text = Command::new("pdftotext").arg("-raw").arg(folder.join("print.pdf")).arg("-").output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).replace(['\n', ' '], "");
    assert!(text.contains("config-unknown-flag") && text.contains("\"container_options\"contains\"--softgl\""), "{text}");
}

/// Were the browser blind, the other tests would prove nothing.
#[test]
fn the_browser_sees_what_is_wrong_with_a_page() {
    let html = "<!DOCTYPE html><html><head><title>x</title><meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\">\
                </head><body><h1 style='width: 9000px'>x</h1><img src='http://127.0.0.1:9/x.png'><script>1</script></body></html>";
    let (seen, _) = looked_at(&Patient::new(), "bad", html);
    for told in ["console", "requests", "violations", "overflow"] {
        assert!(!seen[told].as_array().unwrap().is_empty(), "{told}: {seen:#}");
    }
    assert_eq!(seen["keyboard"], "nothing is folded");
}

#[test]
fn a_browser_shows_a_healthy_recording_and_a_measured_one() {
    let patient = Patient::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
    for machine in ["healthy-xvfb", "healthy--modes-measured-in-the-image"] {
        let recording = patient.file("facts.json", std::fs::read(root.join(machine).join("facts.json")).unwrap());
        let html = patient.run(["--format", "html", "--replay", recording.to_str().unwrap()]).stdout();
        let (seen, _) = looked_at(&patient, machine, &html);
        assert_pleasant(machine, &seen);
    }
}
