//! Every known text against the pattern that must name it, and logs in which nothing must be found.

mod engine;
mod files;
mod harmless;
mod neighbours;
mod nvidia;
mod platforms;
mod properties;
mod rendering;
mod ssh;
mod x11;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// An error text as users met it, what must name it first, and the failures of the catalogue that it belongs to.
pub(super) struct Row {
    text: &'static str,
    id: &'static str,
    cases: &'static [u16],
}

pub(super) const fn row(text: &'static str, id: &'static str, cases: &'static [u16]) -> Row {
    Row { text, id, cases }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    [x11::ROWS, rendering::ROWS, nvidia::ROWS, engine::ROWS, files::ROWS, ssh::ROWS, platforms::ROWS].into_iter().flatten()
}

/// Failures of the catalogue that no error text names, and why.
const WITHOUT_TEXT: &[(u16, &str)] = &[
    (4, "the failure shows as a refused X connection, which other cases name"),
    (14, "a configuration that is wrong on another screen: no message of its own"),
    (22, "a crash without a message"),
    (25, "windows look wrong, no message"),
    (27, "a crash after a successful query, no message"),
    (28, "a crash without a message"),
    (36, "a crash in some starts, no message"),
    (38, "a cure that is silently absent"),
    (40, "a driver that is silently not used"),
    (41, "a component that is silently absent"),
    (84, "data that is silently not mounted"),
    (94, "the program prints nothing"),
    (99, "forwarding breaks with the messages of other cases"),
    (101, "slow drawing, no message"),
    (102, "a crash without a message"),
    (105, "a virtual machine that ends"),
    (106, "a virtual machine that ends"),
    (107, "blank windows, no message"),
    (109, "slow drawing, no message"),
    (114, "a container that does not start, message not recorded"),
    (118, "jobs that silently use another Python"),
    (119, "missing data, with the messages of the programs that miss it"),
];

#[test]
fn every_known_text_is_named() {
    let mut wrong = Vec::new();
    for row in rows() {
        let found = read(row.text);
        match found.first() {
            Some(first) if first.pattern.id == row.id => {
                for case in row.cases.iter().filter(|case| !first.pattern.cases().any(|known| known == **case)) {
                    wrong.push(format!("{} does not count as case {case}: {}", row.id, row.text));
                }
            }
            Some(first) => wrong.push(format!("{} instead of {}: {}", first.pattern.id, row.id, row.text)),
            None => wrong.push(format!("nothing instead of {}: {}", row.id, row.text)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_of_the_catalogue_has_a_text_or_a_reason_to_have_none() {
    let covered: BTreeSet<u16> = rows().flat_map(|row| row.cases).copied().collect();
    println!("{} of 120 cases are named by {} texts", covered.len(), rows().count());
    for case in 1..=120 {
        let reason = WITHOUT_TEXT.iter().find(|(without, _)| *without == case);
        assert!(covered.contains(&case) != reason.is_some(), "case {case} needs either a row or a reason, and not both");
    }
    assert_eq!(covered.len() + WITHOUT_TEXT.len(), 120);
}

#[test]
fn every_pattern_has_a_row_or_is_harmless() {
    let named: BTreeSet<&str> = rows().map(|row| row.id).chain(harmless::NAMED.iter().map(|(_, id)| *id)).collect();
    let without: Vec<&str> = patterns().map(|known| known.id).filter(|id| !named.contains(id)).collect();
    assert!(without.is_empty(), "no text tests these patterns: {without:?}");
}

#[test]
fn patterns_are_complete_and_refer_to_known_findings() {
    let findings: BTreeSet<&str> = crate::registry::finding_kinds().map(|(kind, _)| kind.id).collect();
    let mut seen = BTreeSet::new();
    for known in patterns() {
        let id = known.id;
        assert!(seen.insert(id), "two patterns are called {id}");
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{id} is not kebab-case");
        assert!(known.cases().all(|case| case <= 120), "{id}");
        assert!(!known.fatal || known.severity == Severity::Error, "{id}: what ends a program is an error");
        if let Some(finding) = known.finding {
            assert!(findings.contains(finding), "{id}: no check gives the finding {finding}");
        }
        for (name, text) in [("cause", known.cause), ("cure", known.cure), ("confirm", known.confirm)] {
            assert!(text.ends_with('.'), "{id}: {name} is no sentence: {text:?}");
            assert!(
                !text.contains("xhost +\"") && !text.contains("xhost + ") && !text.ends_with("xhost +."),
                "{id}: never open the X server"
            );
        }
    }
}

#[test]
fn what_patterns_say_is_no_error_text_itself() {
    for known in patterns() {
        for text in [known.cause, known.cure, known.confirm] {
            let found: Vec<&str> = read(text).iter().map(|found| found.pattern.id).collect();
            assert!(found.is_empty(), "{}: {text:?} is taken for {found:?}", known.id);
        }
    }
}

#[test]
fn a_cause_is_never_the_consequence_of_its_consequence() {
    let causes: BTreeMap<&str, Vec<&str>> =
        patterns().map(|known| (known.id, known.follows.iter().chain(known.yields_to).copied().collect())).collect();
    for id in causes.keys() {
        let mut reached = BTreeSet::new();
        let mut next = causes[id].clone();
        while let Some(cause) = next.pop() {
            assert_ne!(cause, *id, "{id} explains itself");
            if reached.insert(cause) {
                next.extend(&causes[cause]);
            }
        }
    }
    for known in patterns() {
        for cause in known.follows {
            let cause = patterns().find(|other| other.id == *cause).unwrap();
            assert!(!cause.is_harmless(), "{} follows the harmless {}", known.id, cause.id);
        }
    }
}

const NOT_PRINTED: &str = "no failing program prints it: it is a setting, a file, or what is seen or asked for";
const ANY_PROGRAM: &str = "programs print it for many causes; this one is known by what stands beside it, or by the machine alone";
const OWN_WORDS: &str = "casa-doctor or a plug-in says it, not the program that failed";

/// Findings whose example is no message that names a failure, and why.
const EXAMPLES_WITHOUT_NAME: &[(&str, &str)] = &[
    ("config-hardcoded-display", NOT_PRINTED),
    ("config-duplicate-key", NOT_PRINTED),
    ("config-old-keys", NOT_PRINTED),
    ("config-unread-file", NOT_PRINTED),
    ("config-nv-ignored", NOT_PRINTED),
    ("config-software-ignored", NOT_PRINTED),
    ("config-shared-machines", NOT_PRINTED),
    ("config-gl-override", NOT_PRINTED),
    ("engine-silent", NOT_PRINTED),
    ("session-by-sudo", NOT_PRINTED),
    ("engine-too-old", NOT_PRINTED),
    ("x11-server-hung", NOT_PRINTED),
    ("gl-wrong-pixels", NOT_PRINTED),
    ("gl-probe-hung", NOT_PRINTED),
    ("gl-env-override", NOT_PRINTED),
    ("gl-software-renderer", NOT_PRINTED),
    ("image-no-software-gl", NOT_PRINTED),
    ("shell-profile-hidden", NOT_PRINTED),
    ("ssh-agent-hung", NOT_PRINTED),
    ("ssh-identity-agent", NOT_PRINTED),
    ("ssh-keys-copied", NOT_PRINTED),
    ("ssh-dir-mounted", NOT_PRINTED),
    ("nvidia-nouveau", NOT_PRINTED),
    ("xquartz-display-overridden", NOT_PRINTED),
    ("xquartz-restart-needed", NOT_PRINTED),
    ("xquartz-preference-type", NOT_PRINTED),
    ("xquartz-old-preferences", NOT_PRINTED),
    ("wsl-display-off", NOT_PRINTED),
    ("wsl-gl-unbound", NOT_PRINTED),
    ("vbox-3d-unstable", NOT_PRINTED),
    ("vbox-graphics-controller", NOT_PRINTED),
    ("vbox-video-memory", NOT_PRINTED),
    ("vbox-audio", NOT_PRINTED),
    ("config-missing-key", ANY_PROGRAM),
    ("config-wrong-type", ANY_PROGRAM),
    ("config-directory-skipped", ANY_PROGRAM),
    ("config-braces", ANY_PROGRAM),
    ("gl-probe-crashed", ANY_PROGRAM),
    ("nvidia-device-missing", ANY_PROGRAM),
    ("nvidia-library-unbound", ANY_PROGRAM),
    ("nvidia-manifest-unbound", ANY_PROGRAM),
    ("wsl-gl-old-mesa", ANY_PROGRAM),
    ("gl-no-mode-works", OWN_WORDS),
    ("gl-prediction-contradicted", OWN_WORDS),
    ("plugin-finding", OWN_WORDS),
    ("plugin-crashed", OWN_WORDS),
    ("plugin-foreign-id", OWN_WORDS),
    ("plugin-hung", OWN_WORDS),
    ("plugin-invalid", OWN_WORDS),
    ("plugin-refused", OWN_WORDS),
    ("plugin-silent", OWN_WORDS),
    ("xquartz-tcp-off", "the message is harmless by itself, and named as such"),
];

#[test]
fn the_example_of_every_finding_is_named_or_has_a_reason_not_to_be() {
    let mut wrong = Vec::new();
    for (kind, _) in crate::registry::finding_kinds() {
        let reason = EXAMPLES_WITHOUT_NAME.iter().find(|(id, _)| *id == kind.id);
        let named = read(kind.example).iter().any(|found| !found.pattern.is_harmless());
        if named == reason.is_some() {
            wrong.push(format!("{}: {:?} needs either a pattern or a reason, and not both", kind.id, kind.example));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_any_python_program_may_print_is_told_with_that_condition_and_explains_no_end() {
    for text in [
        "Expecting value: line 1 column 1 (char 0)",
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "TypeError: expected str, bytes or os.PathLike object, not NoneType",
    ] {
        let found = read(text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].pattern.cause.starts_with("If casa_distro or bv printed this"), "{text}");
        assert_eq!((found[0].severity, explain_for_launch(text)), (Severity::Warning, None), "{text}");
    }
}
