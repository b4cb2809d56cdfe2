use serde_json::{Value, json};

use super::*;
use crate::facts::{Plugins, ProbeEnd, ProbeRun};

fn plugin(name: &str, end: PluginEnd, answer: Option<Value>) -> Plugin {
    let file = format!("/opt/site/casa-doctor-check-{name}").into();
    Plugin { name: name.to_owned(), file, end, answer, stderr: None, duration_ms: 5 }
}

fn answered(name: &str, answer: Value) -> Plugin {
    plugin(name, PluginEnd::Answered, Some(answer))
}

fn judge(found: Vec<Plugin>) -> Outcome {
    let run = ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 5 };
    CHECK.judge(&Facts { probes: [(ProbeId::Plugins, run)].into(), plugins: Some(Plugins { found }), ..Facts::default() })
}

/// Ids of what is found, in order.
fn ids(found: Vec<Plugin>) -> Vec<String> {
    match judge(found) {
        Outcome::Findings(findings) => findings.iter().map(|finding| finding.id().to_owned()).collect(),
        outcome => vec![outcome.word().to_owned()],
    }
}

fn item(id: &str) -> Value {
    json!({"id": id, "severity": "warning", "title": "T", "why": "W"})
}

#[test]
fn a_finding_is_told_in_the_plug_ins_words_and_names_it() {
    let answer = json!([{
        "id": "quota-home", "severity": "error", "title": "The quota is used up", "why": "Nothing can be saved.",
        "evidence": ["/home: 100 %"], "advice": [{"text": "Remove files.", "command": "du -sh ~/*"}, {"text": "Ask for more."}],
        "docs": "https://wiki.example.org/quota",
    }]);
    let Outcome::Findings(found) = judge(vec![answered("quota", answer)]) else { panic!("expected a finding") };
    let finding = &found[0];
    assert_eq!((finding.id(), finding.severity, finding.why()), ("quota-home", Severity::Error, "Nothing can be saved."));
    assert_eq!(finding.kind.id, "plugin-finding");
    assert_eq!(finding.evidence[0], "/home: 100 %");
    assert!(finding.evidence[1].contains("\"quota\" (/opt/site/casa-doctor-check-quota)"), "{:?}", finding.evidence);
    assert_eq!(finding.advice[0].command.as_deref(), Some("du -sh ~/*"));
    assert!(finding.advice.iter().all(|advice| advice.safety == crate::finding::Safety::Manual));
}

#[test]
fn nothing_found_is_a_pass_and_no_plug_in_is_no_question() {
    assert_eq!(judge(vec![answered("quota", json!([])), answered("licence", json!({"findings": []}))]), Outcome::Pass);
    assert!(matches!(judge(vec![]), Outcome::Skipped(_)));
    assert!(matches!(CHECK.judge(&Facts::default()), Outcome::Unknown(_)));
}

#[test]
fn every_end_but_an_answer_is_a_finding_with_the_name() {
    for (end, expected, told) in [
        (PluginEnd::Silent, "plugin-silent", "wrote nothing"),
        (PluginEnd::Refused { reason: "everybody may write to it".into() }, "plugin-refused", "everybody may write"),
        (PluginEnd::NotStarted { reason: "Exec format error".into() }, "plugin-crashed", "Exec format error"),
        (PluginEnd::Failed { status: 3 }, "plugin-crashed", "status 3"),
        (PluginEnd::Killed { signal: 11 }, "plugin-crashed", "signal 11"),
        (PluginEnd::TimedOut { limit_ms: 1500 }, "plugin-hung", "1.5 s"),
        (PluginEnd::TooMuch { limit_bytes: 10 }, "plugin-invalid", "10 bytes"),
        (PluginEnd::NotJson { reason: "line 1".into() }, "plugin-invalid", "line 1"),
        (PluginEnd::Answered, "plugin-invalid", "missing"),
    ] {
        let mut broken = plugin("quota", end, None);
        broken.stderr = Some("last words".into());
        let Outcome::Findings(found) = judge(vec![broken, answered("other", json!([item("other-thing")]))]) else { panic!() };
        assert_eq!((found[0].id(), found[1].id()), (expected, "other-thing"));
        let title = found[0].title.as_deref().unwrap();
        assert!(title.contains("\"quota\""), "{title}");
        assert!(found[0].evidence.join("\n").contains(told), "{:?}", found[0].evidence);
        assert_eq!(found[0].plugin.as_deref(), Some("quota"));
    }
}

#[test]
fn an_answer_of_another_form_is_not_half_believed() {
    for (answer, told) in [
        (json!("all is well"), "expected a list"),
        (json!({"finding": []}), "\"finding\" is not known"),
        (json!({"findings": {}}), "must be a list"),
        (json!([item("quota-a"), {"id": "quota-b"}]), "finding 2: missing field `severity`"),
        (json!([{"id": "quota-a", "severity": "fatal", "title": "T", "why": "W"}]), "unknown variant `fatal`"),
        (json!([{"id": "quota-a", "severity": "info", "title": "T", "why": "W", "advise": []}]), "unknown field `advise`"),
        (json!([{"id": "Quota A", "severity": "info", "title": "T", "why": "W"}]), "small letters"),
        (json!([{"id": "quota-a", "severity": "info", "title": "T\nU", "why": "W"}]), "one line"),
        (json!([{"id": "quota-a", "severity": "info", "title": "T", "why": " "}]), "why it matters"),
        (Value::Array(vec![item("quota-a"); 51]), "51 findings"),
    ] {
        let Outcome::Findings(found) = judge(vec![answered("quota", answer)]) else { panic!("{told}") };
        assert_eq!((found.len(), found[0].id()), (1, "plugin-invalid"));
        assert!(found[0].evidence[0].contains(told), "{told}: {:?}", found[0].evidence);
    }
}

#[test]
fn foreign_ids_are_not_told_and_the_rest_is() {
    let lying = answered("quota", json!([item("disk-full"), item("quota-home"), item("quotas"), item("licence-server")]));
    assert_eq!(ids(vec![lying]), ["quota-home", "plugin-foreign-id"]);
    // The longest name owns an id, and an id of casa-doctor's own is nobody else's.
    let (long, short) =
        (answered("disk-full-soon", json!([item("disk-full-soon-a")])), answered("disk-full", json!([item("disk-full")])));
    assert_eq!(ids(vec![short, long]), ["plugin-foreign-id", "disk-full-soon-a"]);
    let other = answered("quota", json!([item("quota-home-full")]));
    assert_eq!(ids(vec![other, answered("quota-home", json!([]))]), ["plugin-foreign-id"]);
    assert_eq!(ids(vec![answered("quota", json!([item("quota")]))]), ["quota"], "the bare name is an id, too");
}

#[test]
fn names_that_would_be_mistaken_for_ours_are_refused() {
    for name in ["x11", "gl", "disk", "plugin", "rendering", "Quota", "a--b", "", "-a", "quota~"] {
        assert!(objection_to_name(name).is_some(), "{name}");
    }
    for name in ["quota", "site-x11", "disk-quota", "n0de"] {
        assert_eq!(objection_to_name(name), None);
    }
}
