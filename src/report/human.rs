//! The report for a person at a terminal: the verdict, the problems with their cures, the OpenGL mode, what was left open.

mod details;

use owo_colors::Style;

use super::document::{CheckOutcome, Document, FindingDoc};
use super::page::Page;
use super::status::FailOn;
use super::style::{ColorChoice, shows_unicode, width};
use super::wording::{self, Counts, Mood};
use crate::host::Host;

/// How the report is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HumanOptions {
    /// Whether colours are used.
    pub(crate) color: bool,
    /// Whether signs outside ASCII are.
    pub(crate) unicode: bool,
    /// Columns; only commands are ever longer.
    pub(crate) width: usize,
    /// Whether facts, durations and the reasons of skipped checks are told.
    pub(crate) verbose: bool,
    /// Whether nothing but what fails the run is told.
    pub(crate) quiet: bool,
    /// From which severity on a finding fails the run.
    pub(crate) fail_on: FailOn,
}

impl HumanOptions {
    /// The looks that suit where standard output goes; `terminal` tells whether that is a terminal, `columns` its width.
    pub(crate) fn suited(host: &dyn Host, choice: ColorChoice, terminal: bool, columns: Option<usize>) -> Self {
        Self {
            color: choice.decide(host, terminal),
            unicode: shows_unicode(host),
            width: width(host, columns),
            verbose: false,
            quiet: false,
            fail_on: FailOn::default(),
        }
    }
}

/// The report as text; empty when it is to be quiet and nothing fails the run.
pub(crate) fn render(document: &Document, options: &HumanOptions) -> String {
    let told = |finding: &&FindingDoc| !finding.accepted && (!options.quiet || options.fail_on.fails(finding));
    let shown: Vec<&FindingDoc> = document.findings.iter().filter(told).collect();
    if options.quiet && shown.is_empty() {
        return String::new();
    }
    let mut page = Page::new(options.color, options.unicode, options.width);
    let (mood, verdict) = wording::verdict(document);
    let (symbol, style) = match mood {
        Mood::Found(severity) => (page.symbols.severity(severity), page.styles.severity(severity)),
        Mood::Open => (page.symbols.open, page.styles.warning),
        Mood::Good => (page.symbols.good, page.styles.good),
    };
    page.headline(&format!("{symbol} "), &verdict, style, page.styles.strong);
    if mood != Mood::Good || options.verbose {
        page.prose("  ", "  ", &wording::subject(document), page.styles.quiet);
    }
    if let Some((text, commands)) = wording::choice(document) {
        page.gap();
        page.prose("", "", text, page.styles.strong);
        for command in commands {
            page.command("  ", &command);
        }
    }
    for finding in &shown {
        page.gap();
        page.finding(finding);
    }
    if options.quiet {
        return page.into_text();
    }
    if mood != Mood::Good || options.verbose {
        page.accepted(document);
    }
    page.checks(document, mood, options.verbose);
    if let Some(recommendation) = &document.recommendation {
        page.recommendation(recommendation, document.source, mood != Mood::Good || options.verbose);
    }
    let whole = mood != Mood::Good || options.verbose || document.recommendation.is_none();
    page.measurements(document, whole, options.verbose);
    page.plan(document);
    page.launch(document, options.verbose);
    if let Some((text, command)) = wording::next_step(document) {
        page.gap();
        page.prose("", "", &text, page.styles.strong);
        page.command("  ", &command);
    }
    if options.verbose {
        page.facts(document);
        page.durations(document);
    }
    page.into_text()
}

impl Page {
    fn finding(&mut self, finding: &FindingDoc) {
        let head = format!("{} {}: ", self.symbols.severity(finding.severity), finding.severity.word());
        let text = format!("{} [{}]", finding.title, finding.id);
        self.headline(&head, &text, self.styles.severity(finding.severity), self.styles.strong);
        self.prose("    ", "    ", &finding.why, Style::new());
        for (index, evidence) in finding.evidence.iter().enumerate() {
            self.labelled(if index == 0 { "seen:" } else { "" }, evidence, 2);
        }
        for (index, advice) in finding.advice.iter().enumerate() {
            let note = wording::advice_note(advice.safety, advice.applied);
            let (label, said) = wording::advice_words(index, advice.applied, &advice.text);
            self.labelled(&format!("{label}:"), &format!("{said}{note}"), 0);
            if let Some(command) = &advice.command {
                self.command("            ", command);
            }
        }
    }

    /// What the baseline accepts, a line each.
    fn accepted(&mut self, document: &Document) {
        let accepted: Vec<_> = document.findings.iter().filter(|finding| finding.accepted).collect();
        if accepted.is_empty() {
            return;
        }
        self.heading("Accepted by the baseline");
        for finding in accepted {
            let text = format!("{}: {} [{}]", finding.severity.word(), finding.title, finding.id);
            self.prose(&format!("  {} ", self.symbols.item), "    ", &text, Style::new());
        }
    }

    /// One line with the counts, and the reasons of what stays open.
    fn checks(&mut self, document: &Document, mood: Mood, verbose: bool) {
        if document.checks.is_empty() {
            return;
        }
        let told = |outcome: CheckOutcome| outcome.is_open() || (verbose && outcome == CheckOutcome::Skipped);
        let reasons: Vec<_> = document.checks.iter().filter(|check| told(check.outcome)).collect();
        if mood != Mood::Good {
            self.gap();
            self.prose("", "  ", &Counts::of(document).sentence(), Style::new());
        }
        for check in reasons {
            let what = wording::open_words(check.outcome);
            let reason = check.reason.as_deref().unwrap_or("no reason was given");
            let head = if check.outcome == CheckOutcome::Skipped { self.symbols.item } else { self.symbols.open };
            self.prose(&format!("  {head} "), "    ", &format!("[{}] {what}: {reason}", check.id), Style::new());
        }
    }
}

#[cfg(test)]
mod tests;
