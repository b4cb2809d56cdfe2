//! Every command that `docs/ci.md` shows, run as it stands there.

use std::path::Path;

use crate::lab::{Patient, lab};

/// Commands of the page with the status that each must end with on an environment that is sick, and accepted by the baseline.
const EXPECTED: &[(&str, i32)] = &[
    ("casa-doctor --skip x11,rendering,ssh --fail-on warning environment", 1),
    ("casa-doctor --only config,image,engine environment", 1),
    ("casa-doctor --write-baseline casa-doctor-baseline.json environment", 0),
    ("casa-doctor --baseline casa-doctor-baseline.json environment", 0),
    ("casa-doctor --format github --skip x11,rendering,ssh --baseline casa-doctor-baseline.json environment", 0),
    ("casa-doctor --format html -o casa-doctor.html --fail-on never environment", 0),
    ("casa-doctor --format junit -o casa-doctor.xml --skip x11,rendering,ssh --baseline casa-doctor-baseline.json environment", 0),
    ("casa-doctor --format sarif -o casa-doctor.sarif --fail-on never environment", 0),
    ("casa-doctor -q --no-graphics --skip x11,ssh --fail-on warning /data/brainvisa/environment", 1),
    ("/usr/local/bin/casa-doctor --format nagios --no-graphics --skip x11,ssh /data/brainvisa/environment", 1),
    (
        "/usr/lib/nagios/plugins/negate -s -w CRITICAL /usr/local/bin/casa-doctor --format nagios --no-graphics /data/brainvisa/environment",
        2,
    ),
];

/// The commands in the blocks of code of a page, in their order: what stands after a prompt of YAML, crontab or nrpe.cfg.
fn commands(page: &str) -> Vec<String> {
    let mut in_code = false;
    let mut found: Vec<String> = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if in_code && let Some(command) = command(line.trim()) {
            found.push(command.to_owned());
        }
    }
    found
}

fn command(line: &str) -> Option<&str> {
    let line = line.strip_prefix("- ").unwrap_or(line);
    let line = line.strip_prefix("run: ").or_else(|| line.strip_prefix("command[check_casa]=")).unwrap_or(line);
    let line = line.strip_prefix("17 6 * * * ").unwrap_or(line);
    (line.starts_with("casa-doctor ") || line.starts_with('/')).then_some(line)
}

#[test]
fn every_command_of_the_page_does_what_the_page_says() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md")).unwrap();
    let patient = Patient::new();
    let configuration = r#"{"name": "e", "container_type": "singularity", "image": "x.sif", "container_options": ["--softgl"]}"#;
    let environment = patient.environment("environment", configuration);
    let folder = lab().program().parent().unwrap();
    let mut seen: Vec<String> = Vec::new();
    for shown in commands(&page) {
        let (_, status) =
            EXPECTED.iter().find(|(known, _)| *known == shown).unwrap_or_else(|| panic!("{shown}: what is to be expected of it?"));
        // The page's places are not this machine's.
        let here = shown.replace("/usr/local/bin/casa-doctor", lab().program().to_str().unwrap());
        let here = here.replace("/data/brainvisa/environment", environment.to_str().unwrap());
        let mut command = lab().command("sh", patient.home());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
        let output = command.args(["-c", &here]).env("PATH", path).current_dir(patient.home()).output().unwrap();
        let text = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(*status), "{shown}\n{text}");
        if shown.contains("nagios") {
            let word = if shown.contains("negate") { "CASA-DOCTOR CRITICAL - " } else { "CASA-DOCTOR WARNING - " };
            assert!(text.starts_with(word), "{shown}\n{text}");
        }
        seen.push(shown);
    }
    for (known, _) in EXPECTED {
        assert!(seen.iter().any(|shown| shown == known), "{known} is on the page no more");
    }
    for file in ["casa-doctor.html", "casa-doctor.xml", "casa-doctor.sarif"] {
        assert!(patient.home().join(file).is_file(), "{file}");
    }
    // A quiet job says nothing when nothing is wrong.
    let well = patient.run(["-q", "--no-graphics", "--only", "storage", environment.to_str().unwrap()]);
    assert!(well.stdout().is_empty() && well.stderr().is_empty(), "{}", well.all());
}

#[test]
fn the_baseline_that_the_page_shows_is_one() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md")).unwrap();
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (baseline, _) = rest.split_once("```").unwrap();
    let patient = Patient::new();
    let file = patient.file("shown.json", baseline);
    let environment = patient.environment("e", "{\"name\": \"e\"}");
    let answer = patient.run(["--no-graphics", "--baseline", file.to_str().unwrap(), environment.to_str().unwrap()]);
    answer.assert_status(1);
    assert!(answer.stderr().contains("config-unknown-flag") && !answer.stderr().contains("not a baseline"), "{}", answer.all());
}
