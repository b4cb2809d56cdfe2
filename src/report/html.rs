//! The report as one HTML file that needs nothing but itself: no script, no picture, no font from elsewhere.
//!
//! The verdict comes first, then what is wrong, then the OpenGL modes with a chart and the pictures they drew. The template is
//! compiled in, and escapes every text; what it shows is prepared here.

mod view;

use askama::Template;
use casa_doctor_checks::finding::Severity;

use self::view::{Edit, Finding, Mode, Open, Trial};
use super::document::Document;
use super::facts_summary;
use super::text::{harmless, shell_line};
use super::wording::{self, Counts, Mood};

/// What the template shows.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    tool: String,
    generated_at: &'a str,
    date: String,
    mood: &'static str,
    verdict: String,
    subject: String,
    choice: Option<(&'static str, Vec<String>)>,
    findings: Vec<Finding>,
    accepted: Vec<Finding>,
    mode: Option<Mode>,
    trials: Vec<Trial>,
    trial_sentences: Vec<String>,
    has_speeds: bool,
    has_pictures: bool,
    open: Vec<Open>,
    edits: Vec<Edit>,
    commands: Vec<String>,
    next_step: Option<(String, String)>,
    launch: Option<[String; 2]>,
    summary: Vec<(&'static str, String)>,
    facts: Vec<(String, String)>,
    counts: String,
    checks: Vec<[String; 4]>,
}

/// The document as HTML.
///
/// # Errors
///
/// When the facts hold a path that is not UTF-8.
pub(crate) fn render(document: &Document) -> anyhow::Result<String> {
    let (mood, verdict) = wording::verdict(document);
    let (accepted, findings) = document.findings.iter().map(Finding::new).partition(|finding| finding.accepted);
    let trials = view::trials(document);
    let page = Page {
        tool: format!("{} {}", document.tool.name, document.tool.version),
        generated_at: &document.generated_at,
        date: document.generated_at.replace('T', " ").replace('Z', " UTC"),
        mood: match mood {
            Mood::Found(Severity::Error) => "error",
            Mood::Found(Severity::Warning) => "warning",
            Mood::Found(Severity::Info) => "info",
            Mood::Open => "open",
            Mood::Good => "good",
        },
        verdict: harmless(&verdict),
        subject: harmless(&wording::subject(document)),
        choice: wording::choice(document),
        findings,
        accepted,
        mode: document.recommendation.as_ref().map(|recommendation| Mode::new(recommendation, document.source)),
        has_speeds: trials.iter().any(|trial| trial.bar.is_some()),
        has_pictures: trials.iter().any(|trial| trial.picture.is_some()),
        trials,
        trial_sentences: wording::trial_sentences(document),
        open: document.checks.iter().filter(|check| check.outcome.is_open()).map(Open::new).collect(),
        edits: document.plan.edits.iter().map(Edit::new).collect(),
        commands: document.plan.commands.iter().map(|command| harmless(&shell_line(&command.argv))).collect(),
        next_step: wording::next_step(document),
        launch: document.launch.as_ref().map(launch),
        summary: facts_summary::lines(document).into_iter().map(|(label, text)| (label, harmless(&text))).collect(),
        facts: facts(document)?,
        counts: Counts::of(document).sentence(),
        checks: checks(document),
    };
    Ok(page.render()?)
}

fn launch(launch: &super::document::LaunchDoc) -> [String; 2] {
    let end = launch.exit_status.map_or_else(|| "has no exit status".to_owned(), |status| format!("ended with status {status}"));
    let text = format!("Launch with {}, OpenGL mode \"{}\": {end}", launch.engine, launch.mode.word());
    [harmless(&text), harmless(&shell_line(&launch.argv))]
}

/// Every probe's facts as JSON, for whoever wants to know all of it.
fn facts(document: &Document) -> serde_json::Result<Vec<(String, String)>> {
    let serde_json::Value::Object(facts) = crate::tree_of_json::from(&document.facts)? else { return Ok(Vec::new()) };
    let known = facts.into_iter().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| Ok((name, harmless(&serde_json::to_string_pretty(&value)?)))).collect()
}

fn checks(document: &Document) -> Vec<[String; 4]> {
    let row = |check: &super::document::CheckDoc| {
        let reason = harmless(check.reason.as_deref().unwrap_or_default());
        [check.id.clone(), check.outcome.word().to_owned(), reason, format!("{} ms", check.duration_ms)]
    };
    document.checks.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn every_finding_and_every_check_is_told() {
        for (name, document) in samples::all() {
            let text = render(&document).unwrap();
            for id in document.findings.iter().map(|f| &f.id).chain(document.checks.iter().map(|c| &c.id)) {
                assert!(text.contains(id.as_str()), "{name}: {id} is missing");
            }
        }
    }

    #[test]
    fn nothing_is_fetched_and_nothing_runs() {
        for (name, document) in samples::all() {
            let text = render(&document).unwrap();
            for forbidden in ["<script", "http:", "https:", " src=\"/", "url(", "@import", "<link", "<iframe"] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }

    #[test]
    fn quoted_text_cannot_break_out() {
        let mut document = samples::sick();
        document.findings[0].title = "<script>alert(1)</script> `<b>`".into();
        document.findings[0].evidence = vec!["\"><img src=x onerror=alert(1)>\u{202e}".into()];
        document.measurements[0].picture = Some("https://example.org/x.png".into());
        document.measurements[2].picture = Some("data:image/png;base64,AAAA\" onload=\"x".into());
        let text = render(&document).unwrap();
        for forbidden in ["<script", "<img", "<b>", "\u{202e}", "example.org", "onload"] {
            assert!(!text.contains(forbidden), "{forbidden}: {text}");
        }
    }

    #[test]
    fn the_chart_compares_the_modes_and_the_pictures_stand_beside_each_other() {
        let text = render(&samples::measured()).unwrap();
        assert_eq!(text.matches("<svg class=\"bar\"").count(), 2, "one bar for each mode that was timed");
        assert!(text.contains("width=\"100.0\"") && text.contains("width=\"34.6\""), "relative to the fastest: {text}");
        assert_eq!(text.matches("<img ").count(), 2);
    }
}
