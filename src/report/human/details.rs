//! The lower part of the report: the OpenGL mode, measurements, plan, launch, and what `-v` adds.

use owo_colors::Style;

use crate::recommend::Recommendation;
use crate::report::document::{Document, Source};
use crate::report::facts_summary;
use crate::report::page::Page;
use crate::report::text::{plural, shell_line};
use crate::report::wording::{self, MEASUREMENT_HEADINGS};

impl Page {
    /// The mode in a sentence; with the table of all modes and their reasons when `whole`.
    pub(super) fn recommendation(&mut self, recommendation: &Recommendation, source: Source, whole: bool) {
        if whole {
            self.gap();
        }
        self.prose("", "", wording::mode_sentence(recommendation.opengl), self.styles.strong);
        self.prose("  ", "  ", &wording::basis_sentence(recommendation, source), Style::new());
        if whole {
            self.table(["mode", "verdict", "why"], wording::mode_rows(recommendation));
        }
    }

    /// What was tried out, in a sentence; with a table, and what the programs said when it did not work, when `whole`.
    pub(super) fn measurements(&mut self, document: &Document, whole: bool, verbose: bool) {
        if document.measurements.is_empty() {
            return;
        }
        let sentences = wording::trial_sentences(document).join(" ");
        if !whole {
            self.prose("  ", "  ", &sentences, Style::new());
            return;
        }
        self.heading("OpenGL modes that were tried out");
        self.prose("  ", "  ", &sentences, Style::new());
        self.table(MEASUREMENT_HEADINGS, document.measurements.iter().map(wording::measurement_row));
        for measurement in &document.measurements {
            let works = measurement.outcome == crate::recommend::MeasurementOutcome::Works;
            if works && !verbose {
                continue;
            }
            for said in &measurement.stderr {
                let head = format!("  {} {} said: ", self.symbols.item, measurement.opengl.word());
                self.prose(&head, "      ", said, Style::new());
            }
        }
    }

    /// Changes to files, and commands.
    pub(super) fn plan(&mut self, document: &Document) {
        let plan = &document.plan;
        if !plan.edits.is_empty() {
            self.heading("Changes to the configuration");
            let mut file = None;
            for edit in &plan.edits {
                if file.replace(&edit.file) != Some(&edit.file) {
                    self.prose("  ", "    ", &edit.file, Style::new());
                }
                let (from, to) = (wording::value_text(edit.from.as_ref()), wording::value_text(edit.to.as_ref()));
                let text = format!("{}: {from} {} {to} [{}]", edit.key, self.symbols.becomes, edit.because);
                self.prose(&format!("    {} ", self.symbols.item), "      ", &text, Style::new());
            }
        }
        if !plan.commands.is_empty() {
            self.heading("Commands");
            for command in &plan.commands {
                self.command("  ", &shell_line(&command.argv));
            }
        }
    }

    /// What was launched and how it ended.
    pub(super) fn launch(&mut self, document: &Document, verbose: bool) {
        let Some(launch) = &document.launch else { return };
        let end = match launch.exit_status {
            Some(status) => format!("ended with status {status}"),
            None => "has no exit status".to_owned(),
        };
        self.gap();
        let text = format!("Launch with {}, OpenGL mode \"{}\": {end}", launch.engine, launch.mode.word());
        self.prose("", "  ", &text, self.styles.strong);
        if verbose {
            self.command("  ", &shell_line(&launch.argv));
        }
    }

    /// The facts in a few lines.
    pub(super) fn facts(&mut self, document: &Document) {
        let lines = facts_summary::lines(document);
        if lines.is_empty() {
            return;
        }
        self.heading("What was seen");
        for (label, text) in lines {
            self.prose(&format!("  {label:<12}"), &" ".repeat(14), &text, Style::new());
        }
    }

    /// How every probe and every check ended, and how long it took.
    pub(super) fn durations(&mut self, document: &Document) {
        if !document.facts.probes.is_empty() {
            self.heading(&plural(document.facts.probes.len(), "probe"));
            let rows = document.facts.probes.iter().map(|(id, run)| {
                let end = match run.end {
                    casa_doctor_checks::facts::ProbeEnd::Answered => "answered",
                    casa_doctor_checks::facts::ProbeEnd::Skipped => "skipped",
                    casa_doctor_checks::facts::ProbeEnd::TimedOut => "timed out",
                    casa_doctor_checks::facts::ProbeEnd::Crashed => "crashed",
                };
                [id.name().to_owned(), end.to_owned(), format!("{} ms", run.duration_ms), run.reason.clone().unwrap_or_default()]
            });
            self.table(["probe", "end", "time", "reason"], rows);
        }
        if !document.checks.is_empty() {
            self.heading(&plural(document.checks.len(), "check"));
            let rows = document
                .checks
                .iter()
                .map(|check| [check.id.clone(), check.outcome.word().to_owned(), format!("{} ms", check.duration_ms)]);
            self.table(["check", "outcome", "time"], rows);
        }
    }
}
