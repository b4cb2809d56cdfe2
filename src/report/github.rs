//! The report as workflow commands of GitHub Actions, which become annotations of the run.

use casa_doctor_checks::finding::Severity;

use super::document::{Document, FindingDoc};
use super::place;
use super::text::harmless;
use super::wording;

/// One line of plain text with the verdict, then a command for each finding that no baseline accepts, and for each check that
/// could not tell. Files below `root`, the directory of the job, are named from there: that is how GitHub finds them.
pub(crate) fn render(document: &Document, root: Option<&str>) -> String {
    // A line that begins with two colons would be a command.
    let mut out = format!("casa-doctor: {}\n", harmless(&wording::verdict(document).1));
    for finding in document.findings.iter().filter(|finding| !finding.accepted) {
        out.push_str(&annotation(finding, root));
    }
    for check in document.checks.iter().filter(|check| check.outcome.is_open()) {
        let reason = check.reason.as_deref().unwrap_or("no reason was given");
        let text = format!("{} {}: {reason}", check.id, wording::open_words(check.outcome));
        out.push_str(&format!("::notice title={}::{}\n", property("casa-doctor could not tell"), data(&text)));
    }
    out
}

fn annotation(finding: &FindingDoc, root: Option<&str>) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let mut properties = format!("title={}", property(&format!("{} [{}]", finding.title, finding.id)));
    if let Some(place) = place::of(finding) {
        properties.push_str(&format!(",file={},line={}", property(place.below(root).unwrap_or(place.file)), place.line));
        properties.extend(place.column.map(|column| format!(",col={column}")));
    }
    // The title is told already.
    let text = wording::finding_text(finding);
    let text = text.split_once('\n').map_or("", |(_, rest)| rest).trim_end();
    format!("::{command} {properties}::{}\n", data(text))
}

/// Text after the second pair of colons.
fn data(text: &str) -> String {
    harmless(text).replace('%', "%25").replace('\n', "%0A")
}

/// The value of a property, in which colons and commas would end it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_sick_machine() {
        insta::assert_snapshot!(render(&samples::sick(), None));
    }

    #[test]
    fn a_file_of_the_job_is_named_from_its_directory() {
        let text = render(&samples::warned(), Some("/data/brainvisa-5.1"));
        assert!(text.contains(",file=conf/casa_distro.json,line=7::"), "{text}");
    }

    #[test]
    fn nothing_that_is_quoted_becomes_a_command() {
        let mut document = samples::sick();
        document.findings[0].title = "a: b, c 100 %\n::error::x".into();
        document.findings[0].evidence = vec!["\r\n::stop-commands::pause".into()];
        let text = render(&document, None);
        let commands = text.lines().filter(|line| line.starts_with("::")).count();
        assert_eq!(commands, document.findings.len() + 1, "one for each finding, one for the open question: {text}");
        assert!(text.contains("title=a%3A b%2C c 100 %25%0A%3A%3Aerror%3A%3Ax [x11-cookie-rejected]::"), "{text}");
        assert_eq!(text.lines().count(), commands + 1, "{text}");
    }

    #[test]
    fn what_the_baseline_accepts_is_no_annotation() {
        assert_eq!(render(&samples::accepted(), None).lines().count(), 1);
    }
}
