//! The report as one line for Nagios, Icinga and other monitors, with performance data behind the bar.
//!
//! The word at its start is the one by which such a monitor calls the exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. The
//! status itself is that of every other format; whoever wants problems to be critical lets `negate -s -w CRITICAL` say so.

use casa_doctor_checks::finding::Severity;

use super::document::Document;
use super::status::{ExitStatus, FailOn};
use super::text::harmless;
use super::wording::{self, Counts};

/// The name at the start of the line.
const SERVICE: &str = "CASA-DOCTOR";

/// The line.
pub(crate) fn render(document: &Document, fail_on: FailOn) -> String {
    let ids = ids(document, fail_on);
    let ids = if ids.is_empty() { String::new() } else { format!(": {}", ids.join(", ")) };
    let text = format!("{SERVICE} {} - {}{ids}", word(document.exit_status), wording::verdict(document).1);
    format!("{} | {}\n", one_line(&text), performance(document).join(" "))
}

/// The line that says why there is no report.
pub(crate) fn failure(message: &str, status: ExitStatus) -> String {
    format!("{}\n", one_line(&format!("{SERVICE} {} - {message}", word(status))))
}

const fn word(status: ExitStatus) -> &'static str {
    match status.code() {
        0 => "OK",
        1 => "WARNING",
        2 => "CRITICAL",
        _ => "UNKNOWN",
    }
}

/// What makes the run fail, each kind once.
fn ids(document: &Document, fail_on: FailOn) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    for finding in document.findings.iter().filter(|finding| fail_on.fails(finding)) {
        if !ids.contains(&finding.id.as_str()) {
            ids.push(&finding.id);
        }
    }
    ids
}

/// `label=value[unit];warn;crit;min`: the counts, the slowest probe, and the speed of every mode that was tried.
fn performance(document: &Document) -> Vec<String> {
    let count = |severity| document.findings.iter().filter(|finding| !finding.accepted && finding.severity == severity).count();
    let accepted = document.findings.iter().filter(|finding| finding.accepted).count();
    let mut data = vec![
        format!("errors={};;;0", count(Severity::Error)),
        format!("warnings={};;;0", count(Severity::Warning)),
        format!("remarks={};;;0", count(Severity::Info)),
        format!("accepted={accepted};;;0"),
        format!("unanswered={};;;0", Counts::of(document).open()),
        format!("checks={};;;0", document.checks.len()),
    ];
    data.extend(document.facts.probes.values().map(|run| run.duration_ms).max().map(|ms| format!("slowest_probe={ms}ms;;;0")));
    for measurement in &document.measurements {
        let fps = measurement.frames_per_second.filter(|fps| fps.is_finite());
        let label = format!("fps_{}_{}", measurement.place.word(), measurement.opengl.word());
        data.extend(fps.map(|fps| format!("{label}={fps:.1};;;0")));
    }
    data
}

/// A bar would start the performance data, a line break the long text.
fn one_line(text: &str) -> String {
    harmless(text).replace('|', "/").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn one_line_with_the_word_of_the_status() {
        assert_eq!(
            render(&samples::sick(), FailOn::Error),
            "CASA-DOCTOR WARNING - 2 problems found that stop something from working, and 1 warning; 1 question could not be \
             answered: x11-cookie-rejected, nvidia-driver-mismatch | errors=2;;;0 warnings=1;;;0 remarks=1;;;0 accepted=0;;;0 \
             unanswered=1;;;0 checks=7;;;0 slowest_probe=4000ms;;;0 fps_image_software=14.2;;;0\n"
        );
        assert!(render(&samples::healthy(), FailOn::Error).starts_with("CASA-DOCTOR OK - All is well: 6 checks passed"));
        for (name, document) in samples::all() {
            let line = render(&document, FailOn::Error);
            assert!(line.matches('\n').count() == 1 && line.matches('|').count() == 1, "{name}: {line}");
        }
    }

    #[test]
    fn a_failure_is_unknown_and_wrong_usage_critical() {
        assert_eq!(failure("cannot read x | y\nz", ExitStatus::Failed), "CASA-DOCTOR UNKNOWN - cannot read x / y z\n");
        assert!(failure("x", ExitStatus::Usage).starts_with("CASA-DOCTOR CRITICAL"));
    }
}
