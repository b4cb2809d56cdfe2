//! The sentences that every format for people shares.

use std::borrow::Cow;

use casa_doctor_checks::finding::{Safety, Severity};

use super::document::{CheckOutcome, Document, FindingDoc, MachineDoc, MeasurementDoc, Source};
use super::text::{harmless, plural, shell_word};
use crate::recommend::{Basis, MeasurementOutcome, OpenGl, Place, Recommendation, RendererClass};

/// What kind of news the first line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// The worst finding has this severity.
    Found(Severity),
    /// Nothing wrong was found, and something could not be seen.
    Open,
    /// Nothing is wrong.
    Good,
}

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) skipped: usize,
    pub(super) unknown: usize,
    pub(super) timed_out: usize,
    pub(super) crashed: usize,
}

impl Counts {
    pub(super) fn of(document: &Document) -> Self {
        let mut counts = Self::default();
        for check in &document.checks {
            match check.outcome {
                CheckOutcome::Pass => counts.passed += 1,
                CheckOutcome::Finding => {}
                CheckOutcome::Skipped => counts.skipped += 1,
                CheckOutcome::Unknown => counts.unknown += 1,
                CheckOutcome::TimedOut => counts.timed_out += 1,
                CheckOutcome::Crashed => counts.crashed += 1,
            }
        }
        counts
    }

    /// Checks whose question stays open.
    pub(super) const fn open(self) -> usize {
        self.unknown + self.timed_out + self.crashed
    }

    /// `14 checks passed, 2 skipped, 1 could not tell`.
    pub(super) fn sentence(self) -> String {
        let mut parts = vec![format!("{} passed", plural(self.passed, "check"))];
        for (count, what) in
            [(self.skipped, "skipped"), (self.unknown, "could not tell"), (self.timed_out, "timed out"), (self.crashed, "crashed")]
        {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }
}

/// The first line of the report. What the baseline accepts is no news; it is only counted.
pub(super) fn verdict(document: &Document) -> (Mood, String) {
    let new = || document.findings.iter().filter(|finding| !finding.accepted);
    let count = |severity| new().filter(|finding| finding.severity == severity).count();
    let (errors, warnings, infos) = (count(Severity::Error), count(Severity::Warning), count(Severity::Info));
    let counts = Counts::of(document);
    let known = match document.findings.len() - new().count() {
        0 => String::new(),
        some => format!("; {} accepted by the baseline", plural(some, "known finding")),
    };
    let open = match counts.open() {
        0 => String::new(),
        some => format!("; {} could not be answered", plural(some, "question")),
    };
    let rest = format!("{known}{open}");
    if errors > 0 {
        let stop = if errors == 1 { "stops" } else { "stop" };
        let mut text = format!("{} found that {stop} something from working", plural(errors, "problem"));
        if warnings > 0 {
            text.push_str(&format!(", and {}", plural(warnings, "warning")));
        }
        return (Mood::Found(Severity::Error), text + &rest);
    }
    if warnings > 0 {
        let text = format!("Nothing found that stops you from working, but {}", plural(warnings, "warning"));
        return (Mood::Found(Severity::Warning), text + &rest);
    }
    if infos > 0 {
        return (Mood::Found(Severity::Info), format!("Nothing wrong found; {}{rest}", plural(infos, "remark")));
    }
    if !known.is_empty() {
        return (if open.is_empty() { Mood::Good } else { Mood::Open }, format!("Nothing new found{rest}"));
    }
    if !open.is_empty() {
        return (Mood::Open, format!("Nothing wrong found, but {}", open.trim_start_matches("; ")));
    }
    // One check judges the measurements; with no other one, they are what was asked for.
    if counts.passed > 0 && (counts.passed > 1 || document.measurements.is_empty()) {
        return (Mood::Good, format!("All is well: {}", counts.sentence()));
    }
    if !document.measurements.is_empty() {
        let works = document.measurements.iter().filter(|one| one.outcome == MeasurementOutcome::Works).count();
        let mood = if works == 0 { Mood::Open } else { Mood::Good };
        return (mood, format!("{} of {} drew the right picture", works, plural(document.measurements.len(), "measurement")));
    }
    (Mood::Open, "Nothing was checked".to_owned())
}

/// Who was examined, in one line: tool, machine, system, environment.
pub(super) fn subject(document: &Document) -> String {
    let MachineDoc { os, distribution, hostname, .. } = &document.machine;
    let mut parts = vec![format!("{} {}", document.tool.name, document.tool.version)];
    if document.source == Source::Recording {
        parts.push("from a recording".to_owned());
    }
    parts.extend(hostname.clone());
    parts.extend(distribution.clone().or_else(|| os.clone()));
    parts.push(match (&document.environment, &document.facts.environment) {
        (Some(environment), _) => format!("environment {}", environment.directory),
        (None, Some(search)) if search.candidates.is_empty() => "no casa-distro environment".to_owned(),
        (None, Some(search)) => format!("none of {} chosen", plural(search.candidates.len(), "environment")),
        (None, None) => "environment not known".to_owned(),
    });
    parts.join(", ")
}

/// The question which environment is meant, with a command for each, when there are several and none was named.
pub(super) fn choice(document: &Document) -> Option<(&'static str, Vec<String>)> {
    let search = document.facts.environment.as_ref().filter(|search| search.found.is_none() && !search.candidates.is_empty())?;
    let command = |path: &std::path::PathBuf| format!("casa-doctor {}", shell_word(&path.to_string_lossy()));
    Some((
        "Only the machine was examined. To examine an environment too, name it:",
        search.candidates.iter().map(command).collect(),
    ))
}

/// The recommendation for somebody who does not know what OpenGL is.
pub(super) fn mode_sentence(opengl: OpenGl) -> &'static str {
    match opengl {
        OpenGl::Nv => {
            "For 3D views, use the OpenGL mode \"nv\": the container draws with the NVIDIA card, through this machine's own NVIDIA driver."
        }
        OpenGl::Container => {
            "For 3D views, use the OpenGL mode \"container\": the image draws with the OpenGL that it brings along."
        }
        OpenGl::Software => {
            "For 3D views, use the OpenGL mode \"software\": the processor draws them, without a graphics card, which is slower."
        }
        OpenGl::None => "Use no OpenGL (\"none\"): 3D views, such as Anatomist's, cannot be drawn here.",
    }
}

/// What the recommendation rests on and how sure it is.
pub(super) fn basis_sentence(recommendation: &Recommendation, source: Source) -> String {
    let basis = match (recommendation.basis, source) {
        (Basis::Measured, _) => "Tried out in the image",
        (Basis::Predicted, Source::Live) => "Predicted from what was seen, not tried out in the image",
        (Basis::Predicted, Source::Recording) => "Predicted from what was recorded, not tried out",
    };
    format!("{basis}; confidence: {}.", recommendation.confidence.word())
}

/// Rows of the table of modes: mode, verdict, why.
pub(super) fn mode_rows(recommendation: &Recommendation) -> Vec<[String; 3]> {
    let mut rows = vec![[
        recommendation.opengl.word().to_owned(),
        "use this".to_owned(),
        if recommendation.reasons.is_empty() { "(no reason was given)".to_owned() } else { recommendation.reasons.join("; ") },
    ]];
    rows.extend(recommendation.rejected.iter().map(|one| [one.opengl.word().to_owned(), "no".to_owned(), one.reason.clone()]));
    rows
}

/// What came of trying the modes out, a sentence for the image and one for the machine itself.
pub(super) fn trial_sentences(document: &Document) -> Vec<String> {
    let sentence = |place: Place, start: &str| {
        let trials: Vec<_> = document.measurements.iter().filter(|one| one.place == place).map(trial_words).collect();
        (!trials.is_empty()).then(|| format!("{start}: {}.", trials.join("; ")))
    };
    [sentence(Place::Image, "Tried out in the image"), sentence(Place::Host, "Tried out on the machine itself")]
        .into_iter()
        .flatten()
        .collect()
}

fn trial_words(measurement: &MeasurementDoc) -> String {
    // The machine itself has no modes.
    let mode = if measurement.place == Place::Host { "OpenGL" } else { measurement.opengl.word() };
    let with = match measurement.renderer_class {
        RendererClass::Hardware => " on the graphics card",
        RendererClass::Software => " on the processor",
        RendererClass::Virtual => " on a virtual card",
        RendererClass::Indirect => " through the X server",
        RendererClass::None | RendererClass::Unknown => "",
    };
    match (measurement.outcome, measurement.frames_per_second.filter(|fps| fps.is_finite())) {
        (MeasurementOutcome::Works, Some(fps)) => format!("{mode} draws {} frames per second{with}", frames(fps)),
        (MeasurementOutcome::Works, None) => format!("{mode} draws the right picture{with}"),
        (MeasurementOutcome::WrongPixels, _) => format!("{mode} draws a wrong picture{with}"),
        (MeasurementOutcome::Failed, _) => format!("{mode} has no OpenGL"),
        (MeasurementOutcome::Crashed, _) => format!("{mode} crashes"),
        (MeasurementOutcome::TimedOut, _) => format!("{mode} does not answer in time"),
        (MeasurementOutcome::NotStarted, _) => format!("{mode} does not start"),
    }
}

/// Frames per second: whole ones, and a decimal where there are few.
pub(super) fn frames(fps: f64) -> String {
    if fps < 10.0 { format!("{fps:.1}") } else { format!("{fps:.0}") }
}

/// Headings of the table of measurements.
pub(super) const MEASUREMENT_HEADINGS: [&str; 6] = ["mode", "where", "result", "drawn by", "speed", "start"];

/// One row of the table of measurements.
pub(super) fn measurement_row(measurement: &MeasurementDoc) -> [String; 6] {
    let unknown = || "?".to_owned();
    let (result, class) = (result_words(measurement.outcome), class_words(measurement.renderer_class));
    let drawn_by = measurement.renderer.as_ref().map_or_else(|| class.to_owned(), |renderer| format!("{class}: {renderer}"));
    [
        // The machine itself has no modes.
        if measurement.place == Place::Host { "-" } else { measurement.opengl.word() }.to_owned(),
        measurement.place.word().to_owned(),
        result.to_owned(),
        drawn_by,
        measurement.frames_per_second.filter(|fps| fps.is_finite()).map_or_else(unknown, |fps| format!("{} fps", frames(fps))),
        measurement.startup_ms.map_or_else(unknown, |ms| format!("{:.1} s", ms as f64 / 1000.0)),
    ]
}

/// How a measurement ended, in words.
pub(super) const fn result_words(outcome: MeasurementOutcome) -> &'static str {
    match outcome {
        MeasurementOutcome::Works => "works",
        MeasurementOutcome::WrongPixels => "wrong picture",
        MeasurementOutcome::Failed => "no OpenGL",
        MeasurementOutcome::Crashed => "crashed",
        MeasurementOutcome::TimedOut => "timed out",
        MeasurementOutcome::NotStarted => "did not start",
    }
}

/// What draws, in words.
pub(super) const fn class_words(class: RendererClass) -> &'static str {
    match class {
        RendererClass::Hardware => "graphics card",
        RendererClass::Software => "processor",
        RendererClass::Virtual => "virtual card",
        RendererClass::Indirect => "X server",
        RendererClass::None => "nothing",
        RendererClass::Unknown => "unknown",
    }
}

/// A finding as plain text, for formats that have one place for all of it.
pub(super) fn finding_text(finding: &FindingDoc) -> String {
    let mut text = format!("{}: {} [{}]\n{}\n", finding.severity.word(), finding.title, finding.id, finding.why);
    for evidence in &finding.evidence {
        text.push_str(&format!("seen: {evidence}\n"));
    }
    for (index, advice) in finding.advice.iter().enumerate() {
        let (label, said) = advice_words(index, advice.applied, &advice.text);
        text.push_str(&format!("{label}: {said}{}\n", advice_note(advice.safety, advice.applied)));
        if let Some(command) = &advice.command {
            text.push_str(&format!("    {command}\n"));
        }
    }
    harmless(&text)
}

/// What a check that gave no answer says of itself.
pub(super) const fn open_words(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::TimedOut => "timed out",
        CheckOutcome::Crashed => "crashed",
        CheckOutcome::Skipped => "skipped",
        CheckOutcome::Unknown | CheckOutcome::Pass | CheckOutcome::Finding => "could not tell",
    }
}

/// The label of a piece of advice and what stands behind it. The first word of a text tells how it belongs to the one before: "Then"
/// begins a further step, "Also" something besides, and everything else is another way. Who takes a step for another way does half
/// of what is needed.
pub(super) fn advice_words(index: usize, applied: bool, text: &str) -> (&'static str, Cow<'_, str>) {
    if applied {
        return ("done", text.into());
    }
    if index == 0 {
        return ("do", text.into());
    }
    for (word, label) in
        [("Then, ", "then"), ("Then ", "then"), ("Also, ", "also"), ("Also ", "also"), ("Or, ", "or"), ("Or ", "or")]
    {
        if let Some(rest) = text.strip_prefix(word) {
            let mut letters = rest.chars();
            let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
            return (label, format!("{first}{}", letters.as_str()).into());
        }
    }
    ("or", text.into())
}

/// What `--fix` can do about a piece of advice.
pub(super) fn advice_note(safety: Safety, applied: bool) -> &'static str {
    match (applied, safety) {
        (true, _) | (_, Safety::Manual) => "",
        (false, Safety::Safe) => " (`casa-doctor --fix` does this)",
        (false, Safety::Confirm) => " (`casa-doctor --fix` does this, once you agree)",
    }
}

/// How many findings `--fix` can cure that it has not cured yet.
pub(super) fn fixable(findings: &[FindingDoc]) -> usize {
    let open = |finding: &&FindingDoc| {
        !finding.accepted && finding.advice.iter().any(|advice| !advice.applied && advice.safety != Safety::Manual)
    };
    findings.iter().filter(open).count()
}

/// The next step, with its command; `None` when `--fix` can do nothing, or a recording was judged, which cannot be fixed.
pub(super) fn next_step(document: &Document) -> Option<(String, String)> {
    let count = fixable(&document.findings);
    if count == 0 || document.source == Source::Recording {
        return None;
    }
    let of = document.findings.iter().filter(|finding| !finding.accepted).count();
    let text = if count == of && of == 1 {
        "casa-doctor can cure this itself. To see what it would change, without changing anything:".to_owned()
    } else {
        format!("casa-doctor can cure {count} of these {of} itself. To see what it would change, without changing anything:")
    };
    let environment = document.environment_word().map(|word| format!(" {word}"));
    Some((text, format!("casa-doctor --fix --dry-run{}", environment.unwrap_or_default())))
}

/// A value of the configuration, short enough for a line.
pub(super) fn value_text(value: Option<&serde_json::Value>) -> String {
    const LONGEST: usize = 120;
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).collect::<String>() + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_other_ways() {
        for (index, applied, text, label, said) in [
            (0, false, "Allow it.", "do", "Allow it."),
            (0, false, "Then allow it.", "do", "Then allow it."),
            (1, false, "Then restart it.", "then", "Restart it."),
            (1, false, "Then, to look:", "then", "To look:"),
            (2, false, "Also close it.", "also", "Close it."),
            (2, false, "Or let it be.", "or", "Let it be."),
            (2, false, "If nothing helps, ask.", "or", "If nothing helps, ask."),
            (1, true, "Then restart it.", "done", "Then restart it."),
        ] {
            assert_eq!(advice_words(index, applied, text), (label, Cow::from(said)), "{text}");
        }
    }
}
