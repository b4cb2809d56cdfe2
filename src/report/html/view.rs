//! The parts of the document as the template shows them.

use casa_doctor_checks::finding::Severity;

use crate::recommend::{MeasurementOutcome, Recommendation};
use crate::report::document::{CheckDoc, Document, EditDoc, FindingDoc, MeasurementDoc, Source};
use crate::report::text::harmless;
use crate::report::wording;

/// A stretch of prose: plain, or code (what stood between two back-ticks).
pub(super) struct Span {
    pub(super) code: bool,
    pub(super) text: String,
}

/// Prose in stretches. Back-ticks that do not come in pairs are left as they are.
pub(super) fn spans(text: &str) -> Vec<Span> {
    let text = harmless(text);
    if !text.matches('`').count().is_multiple_of(2) {
        return vec![Span { code: false, text }];
    }
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(index, part)| Span { code: index % 2 == 1, text: part.to_owned() }).collect()
}

/// A finding.
pub(super) struct Finding {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) severity: &'static str,
    pub(super) symbol: &'static str,
    pub(super) title: Vec<Span>,
    pub(super) why: Vec<Span>,
    pub(super) evidence: Vec<String>,
    pub(super) advice: Vec<Advice>,
    pub(super) accepted: bool,
}

/// One thing to do.
pub(super) struct Advice {
    pub(super) label: &'static str,
    pub(super) text: Vec<Span>,
    pub(super) command: Option<String>,
}

impl Finding {
    pub(super) fn new(finding: &FindingDoc) -> Self {
        let advice = finding.advice.iter().enumerate().map(|(index, advice)| {
            let (label, said) = wording::advice_words(index, advice.applied, &advice.text);
            Advice {
                label: match label {
                    "done" => "Done",
                    "do" => "Do",
                    "then" => "Then",
                    "also" => "Also",
                    _ => "Or",
                },
                text: spans(&format!("{said}{}", wording::advice_note(advice.safety, advice.applied))),
                command: advice.command.as_deref().map(harmless),
            }
        });
        Self {
            id: finding.id.clone(),
            code: finding.code.clone(),
            severity: finding.severity.word(),
            symbol: match finding.severity {
                Severity::Error => "✗",
                Severity::Warning => "!",
                Severity::Info => "i",
            },
            title: spans(&finding.title),
            why: spans(&finding.why),
            evidence: finding.evidence.iter().map(|text| harmless(text)).collect(),
            advice: advice.collect(),
            accepted: finding.accepted,
        }
    }
}

/// The recommended OpenGL mode.
pub(super) struct Mode {
    pub(super) sentence: Vec<Span>,
    pub(super) basis: String,
    pub(super) rows: Vec<[String; 3]>,
}

impl Mode {
    pub(super) fn new(recommendation: &Recommendation, source: Source) -> Self {
        Self {
            sentence: spans(wording::mode_sentence(recommendation.opengl)),
            basis: wording::basis_sentence(recommendation, source),
            rows: wording::mode_rows(recommendation).into_iter().map(|row| row.map(|cell| harmless(&cell))).collect(),
        }
    }
}

/// A mode that was tried out.
pub(super) struct Trial {
    pub(super) mode: &'static str,
    pub(super) place: &'static str,
    pub(super) works: bool,
    pub(super) result: &'static str,
    pub(super) drawn_by: String,
    pub(super) class: &'static str,
    pub(super) start: Option<String>,
    /// Frames per second, and the length of its bar in per cent of the fastest one's.
    pub(super) bar: Option<(String, String)>,
    /// A `data:` URI.
    pub(super) picture: Option<String>,
    pub(super) recommended: bool,
    pub(super) said: Vec<String>,
}

/// The modes that were tried out, in the document's order.
pub(super) fn trials(document: &Document) -> Vec<Trial> {
    let speed = |one: &MeasurementDoc| one.frames_per_second.filter(|fps| fps.is_finite() && *fps > 0.0);
    let fastest = document.measurements.iter().filter_map(speed).fold(0.0, f64::max);
    let recommended = document.recommendation.as_ref().map(|recommendation| recommendation.opengl);
    let trial = |one: &MeasurementDoc| {
        let [.., drawn_by, _, start] = wording::measurement_row(one);
        Trial {
            // The machine itself has no modes.
            mode: if one.place == crate::recommend::Place::Host { "OpenGL" } else { one.opengl.word() },
            place: match one.place {
                crate::recommend::Place::Host => "on the machine itself",
                crate::recommend::Place::Image => "in the image",
            },
            works: one.outcome == MeasurementOutcome::Works,
            result: wording::result_words(one.outcome),
            drawn_by: harmless(&drawn_by),
            class: match one.renderer_class {
                crate::recommend::RendererClass::Hardware | crate::recommend::RendererClass::Virtual => "card",
                _ => "processor",
            },
            start: one.startup_ms.map(|_| start),
            bar: speed(one).map(|fps| (wording::frames(fps), format!("{:.1}", fps / fastest * 100.0))),
            picture: one.picture.as_deref().filter(|picture| is_embedded(picture)).map(str::to_owned),
            recommended: Some(one.opengl) == recommended && one.place == crate::recommend::Place::Image,
            said: one.stderr.iter().map(|line| harmless(line)).collect(),
        }
    };
    document.measurements.iter().map(trial).collect()
}

/// Whether this is a PNG picture as a `data:` URI and nothing else.
fn is_embedded(uri: &str) -> bool {
    uri.strip_prefix("data:image/png;base64,")
        .is_some_and(|data| data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)))
}

/// A change to a configuration file.
pub(super) struct Edit {
    pub(super) file: String,
    pub(super) key: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) because: String,
}

impl Edit {
    pub(super) fn new(edit: &EditDoc) -> Self {
        let value = |value: &Option<serde_json::Value>| value.as_ref().map(|value| harmless(&wording::value_text(Some(value))));
        Self {
            file: harmless(&edit.file),
            key: harmless(&edit.key),
            from: value(&edit.from),
            to: value(&edit.to),
            because: edit.because.clone(),
        }
    }
}

/// A check that could not tell.
pub(super) struct Open {
    pub(super) id: String,
    pub(super) what: &'static str,
    pub(super) reason: String,
}

impl Open {
    pub(super) fn new(check: &CheckDoc) -> Self {
        Self {
            id: check.id.clone(),
            what: wording::open_words(check.outcome),
            reason: harmless(check.reason.as_deref().unwrap_or("no reason was given")),
        }
    }
}
