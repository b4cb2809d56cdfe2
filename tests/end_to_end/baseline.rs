//! Known findings are accepted, new ones are not.

use crate::lab::{Patient, ids};

const SICK: &str = r#"{"name": "e", "container_type": "singularity", "image": "x.sif", "container_options": ["--softgl"]}"#;
const SICKER: &str =
    r#"{"name": "e", "container_type": "singularity", "image": "x.sif", "container_options": ["--softgl", "--privileged"]}"#;
const CURED: &str = r#"{"name": "e", "container_type": "singularity", "image": "x.sif", "container_options": []}"#;

#[test]
fn a_job_fails_on_new_findings_only() {
    let patient = Patient::new();
    let environment = patient.environment("e", SICK);
    let environment = environment.to_str().unwrap();
    let baseline = patient.home().join("known.json");
    let baseline = baseline.to_str().unwrap();
    let judged = |options: &[&str]| {
        let mut all = vec!["--no-graphics", "--only", "config", "--fail-on", "warning"];
        all.extend(options);
        all.push(environment);
        patient.diagnose(all)
    };
    judged(&[]).1.assert_status(1);
    let (document, answer) = judged(&["--write-baseline", baseline]);
    answer.assert_status(0);
    assert!(answer.stderr().contains("accepts"), "{}", answer.all());
    assert_eq!(document["exit_status"], 0);
    assert!(document["findings"].as_array().unwrap().iter().all(|finding| finding["accepted"] == true), "{document}");

    let (document, answer) = judged(&["--baseline", baseline]);
    answer.assert_status(0);
    assert!(ids(&document).contains(&"config-unknown-flag"), "what is accepted is told all the same");
    assert!(answer.stderr().is_empty(), "{}", answer.all());

    patient.environment("e", SICKER);
    let (document, answer) = judged(&["--baseline", baseline]);
    answer.assert_status(1);
    let new: Vec<_> = document["findings"].as_array().unwrap().iter().filter(|finding| finding["accepted"] == false).collect();
    assert!(!new.is_empty() && new.iter().all(|finding| finding.to_string().contains("--privileged")), "{new:#?}");

    patient.environment("e", CURED);
    let (_, answer) = judged(&["--baseline", baseline]);
    answer.assert_status(0);
    assert!(answer.stderr().contains("config-unknown-flag") && answer.stderr().contains("is found no more"), "{}", answer.all());
}

#[test]
fn the_status_is_the_same_in_every_format() {
    let patient = Patient::new();
    let environment = patient.environment("e", SICK);
    let environment = environment.to_str().unwrap();
    let baseline = patient.home().join("known.json");
    let baseline = baseline.to_str().unwrap();
    patient.run(["--no-graphics", "--write-baseline", baseline, environment]).assert_status(0);
    for format in ["human", "json", "markdown", "html", "junit", "sarif", "github", "nagios"] {
        patient.run(["--no-graphics", "--format", format, environment]).assert_status(1);
        patient.run(["--no-graphics", "--format", format, "--baseline", baseline, environment]).assert_status(0);
    }
}

#[test]
fn what_is_no_baseline_is_neither_used_nor_overwritten() {
    let patient = Patient::new();
    let environment = patient.environment("e", SICK);
    let configuration = environment.join("conf/casa_distro.json");
    for option in ["--baseline", "--write-baseline"] {
        let answer = patient.run([option, configuration.to_str().unwrap(), "--no-graphics", environment.to_str().unwrap()]);
        answer.assert_status(3);
        assert!(answer.stderr().contains("casa_distro.json:1:") && answer.stderr().contains("not a baseline"), "{}", answer.all());
    }
    assert_eq!(std::fs::read_to_string(&configuration).unwrap(), SICK);
    let answer = patient.run(["--baseline", "/no/such/file.json", "--no-graphics", environment.to_str().unwrap()]);
    answer.assert_status(3);
    assert!(answer.stderr().contains("/no/such/file.json"), "{}", answer.all());
}
