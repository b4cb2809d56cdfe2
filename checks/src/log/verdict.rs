//! What a message means beside the others: the cause, a consequence, or nothing new.

use std::collections::VecDeque;

use super::pattern::{Captures, Pattern};
use super::table::Table;
use crate::finding::Severity;

/// How many lines before a message its cause may stand: a loader that talks much fills some hundred lines.
const BEFORE: usize = 200;

/// How many lines after a message its cause may stand, when several processes write to one terminal.
const AFTER: usize = 30;

/// How many messages of one pattern are looked at closely; the rest are only counted.
const CLOSELY: usize = 64;

/// A known failure that a log names.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// What was recognised.
    pub pattern: &'static Pattern,
    /// Line of the first message, from 1.
    pub line: usize,
    /// The message as the log has it, without control sequences, bounded, with long hexadecimal numbers masked.
    pub excerpt: String,
    /// The values in it: a display, a file, a version.
    pub captures: Captures,
    /// How many such messages there are, at least 1.
    pub count: usize,
    /// How bad it is here: a message is as bad as the worst of its consequences.
    pub severity: Severity,
    /// Whether a program usually ends because of it, or because of one of its consequences.
    pub fatal: bool,
    /// Id of the pattern that explains this one, when it is only a consequence.
    pub consequence_of: Option<&'static str>,
}

/// A message that was found.
#[derive(Debug)]
pub(super) struct Hit {
    /// Index of its pattern.
    pub(super) pattern: usize,
    /// Its first line.
    pub(super) first: usize,
    /// Its last line.
    pub(super) last: usize,
    pub(super) excerpt: String,
    pub(super) captures: Captures,
}

/// The messages found so far, settled as soon as their neighbours are known.
#[derive(Debug)]
pub(super) struct Verdicts {
    table: &'static Table,
    /// For each pattern the line of its latest message, 0 for none.
    latest: Vec<usize>,
    /// Messages whose neighbours are not all known yet.
    pending: VecDeque<Hit>,
    /// For each pattern what was found of it.
    tallies: Vec<Tally>,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    /// Messages settled.
    count: usize,
    /// The message to show, and the patterns of which it is a consequence.
    shown: Option<Shown>,
}

#[derive(Debug, Clone)]
struct Shown {
    line: usize,
    excerpt: String,
    captures: Captures,
    causes: Vec<usize>,
}

impl Verdicts {
    pub(super) fn new(table: &'static Table) -> Self {
        let count = table.patterns.len();
        Self { table, latest: vec![0; count], pending: VecDeque::new(), tallies: vec![Tally::default(); count] }
    }

    /// Whether so many messages of this pattern stood for themselves already that another one is only counted.
    pub(super) fn only_counts(&self, pattern: usize) -> bool {
        let tally = &self.tallies[pattern];
        tally.count >= CLOSELY && tally.shown.as_ref().is_some_and(|shown| shown.causes.is_empty())
    }

    /// Takes a message on the newest line.
    pub(super) fn take(&mut self, hit: Hit) {
        self.latest[hit.pattern] = hit.last;
        // A report that goes on over several lines may have been recognised by its first line already.
        let begun = self.pending.iter_mut().rev().find(|known| known.pattern == hit.pattern);
        if let Some(begun) = begun
            && hit.first <= begun.last
            && begun.last < hit.last
        {
            *begun = Hit { first: hit.first.min(begun.first), ..hit };
        } else if self.only_counts(hit.pattern) {
            self.tallies[hit.pattern].count += 1;
        } else {
            self.pending.push_back(hit);
        }
    }

    /// Settles the messages that no later line can explain any more.
    pub(super) fn reach(&mut self, line: usize) {
        while self.pending.front().is_some_and(|hit| hit.last + AFTER < line) {
            if let Some(hit) = self.pending.pop_front() {
                self.settle(hit);
            }
        }
    }

    /// Decides what a message means, now that its neighbours are known.
    fn settle(&mut self, hit: Hit) {
        let latest = &self.latest;
        let near = |other: &&usize| latest[**other] != 0 && latest[**other] + BEFORE >= hit.first;
        if self.table.yields_to[hit.pattern].iter().any(|other| near(&other)) {
            return;
        }
        let causes: Vec<usize> = self.table.follows[hit.pattern].iter().filter(near).copied().collect();
        let tally = &mut self.tallies[hit.pattern];
        tally.count += 1;
        // A message that stands for itself is worth more than one that follows from another.
        if tally.shown.as_ref().is_none_or(|known| causes.is_empty() && !known.causes.is_empty()) {
            tally.shown = Some(Shown { line: hit.first, excerpt: hit.excerpt, captures: hit.captures, causes });
        }
    }

    /// Settles everything, and gives what was found: the deciding failures first, the worst before the others.
    pub(super) fn finish(mut self) -> Vec<Diagnosis> {
        self.reach(usize::MAX);
        let named: Vec<bool> = self.tallies.iter().map(|tally| tally.shown.is_some()).collect();
        let mut diagnoses: Vec<Diagnosis> = Vec::new();
        for (pattern, tally) in self.table.patterns.iter().zip(self.tallies) {
            let Some(shown) = tally.shown else { continue };
            diagnoses.push(Diagnosis {
                pattern,
                line: shown.line,
                excerpt: shown.excerpt,
                captures: shown.captures,
                count: tally.count,
                severity: pattern.severity,
                fatal: pattern.fatal,
                consequence_of: shown.causes.into_iter().find(|cause| named[*cause]).map(|cause| self.table.patterns[cause].id),
            });
        }
        promote(&mut diagnoses);
        diagnoses.sort_by_key(|found| {
            (found.pattern.is_harmless(), found.consequence_of.is_some(), std::cmp::Reverse(found.severity), found.line)
        });
        diagnoses
    }
}

/// Makes every message as bad as its consequences. Chains are short, so a few rounds reach the root of each.
fn promote(diagnoses: &mut [Diagnosis]) {
    for _ in 0..4 {
        let effects: Vec<(&'static str, Severity, bool)> =
            diagnoses.iter().filter_map(|found| Some((found.consequence_of?, found.severity, found.fatal))).collect();
        for (cause, severity, fatal) in effects {
            for found in diagnoses.iter_mut().filter(|found| found.pattern.id == cause) {
                found.severity = found.severity.max(severity);
                found.fatal |= fatal;
            }
        }
    }
}
