//! Which of the 120 known failures casa-doctor names, and what proves each: `tests/coverage.toml` says it, this test believes
//! nothing of it unseen, and `docs/coverage.md` shows it (`CASA_DOCTOR_BLESS=1` writes that page).
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![expect(clippy::disallowed_methods, reason = "tests read the project's own files: they have no host")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// How many failures the catalogue has.
const CASES: u16 = 120;
/// How many of them must be covered at least.
const COVERED: usize = 115;
/// How many must be met for real at least.
const LIVE: usize = 70;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

/// A failure and its proofs; the head of the file says what each key means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    number: u16,
    name: String,
    #[serde(default)]
    findings: Vec<String>,
    #[serde(default)]
    live: Vec<String>,
    #[serde(default)]
    recordings: Vec<String>,
    opengl: Option<String>,
    why: Option<String>,
}

impl Case {
    /// The messages of this failure that `explain --log` knows.
    fn texts(&self) -> Vec<&'static str> {
        let known = casa_doctor_checks::log::patterns();
        known.filter(|pattern| pattern.cases().any(|case| case == self.number)).map(|pattern| pattern.id).collect()
    }

    fn is_covered(&self) -> bool {
        !(self.live.is_empty() && self.recordings.is_empty() && self.texts().is_empty())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(root().join("tests/coverage.toml")).unwrap();
    toml::from_str::<Table>(&text).unwrap_or_else(|error| panic!("tests/coverage.toml: {error}")).case
}

#[test]
fn every_failure_has_its_place() {
    let cases = cases();
    let numbers: Vec<u16> = cases.iter().map(|case| case.number).collect();
    assert_eq!(numbers, (1..=CASES).collect::<Vec<_>>(), "the failures stand in the order of their numbers, each once");
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "two failures have one name");
    let known: BTreeSet<_> = casa_doctor_checks::registry::finding_kinds().map(|(kind, _)| kind.id).collect();
    for case in &cases {
        for id in &case.findings {
            assert!(known.contains(id.as_str()), "{}: there is no finding {id}", case.name);
        }
        assert_ne!(case.is_covered(), case.why.is_some(), "{}: either something covers it, or \"why\" says why not", case.name);
    }
}

/// A check or a kind of finding that stands in a file and in no list is never judged.
#[test]
fn everything_in_the_files_of_the_checks_is_registered() {
    let checks: BTreeSet<_> = casa_doctor_checks::registry::checks().map(|check| check.id).collect();
    let kinds: BTreeSet<_> = casa_doctor_checks::registry::finding_kinds().map(|(kind, _)| kind.id).collect();
    let (mut directories, mut seen) = (vec![root().join("checks/src")], 0);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
                continue;
            }
            let text = fs::read_to_string(&entry).unwrap();
            for (kind, known) in [(": Check = Check {", &checks), (": FindingKind = FindingKind {", &kinds)] {
                for record in text.split(kind).skip(1) {
                    let id = record.split_once("id: \"").and_then(|(_, rest)| rest.split_once('"')).map(|(id, _)| id).unwrap();
                    assert!(known.contains(id), "{}: {id} is not registered", entry.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= checks.len() + kinds.len(), "only {seen} records were found in the files");
}

#[test]
fn every_live_proof_is_a_test() {
    for case in cases() {
        let mut named = case.findings.is_empty() || case.live.is_empty();
        for proof in &case.live {
            let (file, function) = proof.split_once("::").unwrap_or_else(|| panic!("{}: {proof} is no FILE::FUNCTION", case.name));
            let path = root().join("tests").join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {}: {error}", case.name, path.display()));
            let (before, _) = text
                .split_once(&format!("fn {function}("))
                .unwrap_or_else(|| panic!("{}: {file} has no function {function}", case.name));
            let attributes = before.rsplit("\n\n").next().unwrap();
            assert!(attributes.contains("#[test]"), "{}: {file}::{function} is no test", case.name);
            assert!(!attributes.contains("#[ignore"), "{}: {file}::{function} is not run", case.name);
            named |= case.findings.iter().any(|id| text.contains(&format!("\"{id}\"")));
        }
        // One proof may be of the launch, or of the message: another one then looks for the finding.
        assert!(named, "{}: no test of {:?} looks for one of {:?}", case.name, case.live, case.findings);
    }
}

#[test]
fn every_recording_shows_its_failure() {
    for case in cases() {
        for name in &case.recordings {
            let path = root().join("tests/machines").join(name).join("expected.json");
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {}: {error}", case.name, path.display()));
            let expected: Value = serde_json::from_str(&text).unwrap();
            if let Some(opengl) = &case.opengl {
                assert_eq!(expected["opengl"], opengl.as_str(), "{}: {name}", case.name);
                continue;
            }
            let found: Vec<_> = expected["findings"].as_array().unwrap().iter().filter_map(|finding| finding[0].as_str()).collect();
            assert!(case.findings.iter().any(|id| found.contains(&id.as_str())), "{}: {name} shows {found:?}", case.name);
        }
    }
}

#[test]
fn the_page_is_up_to_date_and_tells_enough() {
    let cases = cases();
    let covered = cases.iter().filter(|case| case.is_covered()).count();
    let live = cases.iter().filter(|case| !case.live.is_empty()).count();
    println!("{covered} of {CASES} covered, {live} live");
    assert!(covered >= COVERED, "{covered} of {CASES} failures are covered, {COVERED} must be");
    assert!(live >= LIVE, "{live} failures are met for real, {LIVE} must be");
    let page = page(&cases, covered, live);
    let file = root().join("docs/coverage.md");
    if std::env::var_os("CASA_DOCTOR_BLESS").is_some_and(|value| value == "1") {
        fs::write(&file, &page).unwrap();
    }
    let shipped = fs::read_to_string(&file).unwrap_or_default();
    assert!(shipped == page, "docs/coverage.md is stale: run the tests once with CASA_DOCTOR_BLESS=1 and commit what changes");
}

fn page(cases: &[Case], covered: usize, live: usize) -> String {
    let recorded = cases.iter().filter(|case| !case.recordings.is_empty()).count();
    let named = cases.iter().filter(|case| !case.texts().is_empty()).count();
    let mut page = format!(
        "# Known failures, and what proves that casa-doctor names them\n\n\
         The catalogue has {CASES} failures that users met. Of these {covered} are covered: {live} are met for real by a test (live), \
         {recorded} are judged from the recording of a machine, and of {named} `casa-doctor explain --log` knows the error text. \
         This page is made from tests/coverage.toml, and the tests fail when a name in it proves nothing.\n\n\
         Live tests are in tests/, recordings in tests/machines/.\n\n\
         | # | failure | finding | live | recording | error text |\n|---|---|---|---|---|---|\n"
    );
    for case in cases {
        let findings: Vec<_> = case.findings.iter().map(|id| format!("[{id}](checks/{id}.md)")).collect();
        let opengl = case.opengl.iter().map(|mode| format!("mode {mode}"));
        let findings: Vec<_> = findings.into_iter().chain(opengl).collect();
        let row = match &case.why {
            Some(why) => format!("not covered: {why} | | |"),
            None => format!("{} | {} | {} |", list(&case.live), list(&case.recordings), list(&case.texts())),
        };
        writeln!(page, "| {} | {} | {} | {row}", case.number, case.name, findings.join(", ")).unwrap();
    }
    page
}

fn list(names: &[impl AsRef<str>]) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("<br>")
}
