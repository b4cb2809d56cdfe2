//! Reading a log line by line, and settling what each message means beside the others.

use std::collections::VecDeque;

use super::clean::{Clean, PIECE, excerpt};
use super::pattern::{Captures, Pattern};
use super::table::{ANCHOR, TABLE, Table};
use crate::finding::Severity;

/// How many lines a sequence of templates may span: a Python traceback or the report of an X error.
const SPAN: usize = 16;

/// How many lines before a message its cause may stand: a loader that talks much fills some hundred lines.
const BEFORE: usize = 200;

/// How many lines after a message its cause may stand, when several processes write to one terminal.
const AFTER: usize = 30;

/// A line at least this long may have been broken by a terminal, in bytes.
const WRAPPED: usize = 60;

/// How many messages of one pattern are looked at closely; the rest are only counted.
const CLOSELY: usize = 64;

/// How long an excerpt may be, in characters.
const EXCERPT: usize = 240;

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

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// Reads a log of any length in bounded memory.
#[derive(Debug)]
pub struct Reader {
    table: &'static Table,
    /// The last lines, the newest at the back.
    window: VecDeque<Piece>,
    /// Number of the current line.
    number: usize,
    /// Bytes of a line whose end has not come yet.
    partial: Vec<u8>,
    /// Whether the current line already gave a piece.
    continued: bool,
    /// Entries whose anchor is on the newest line though the whole message is not.
    open: Vec<usize>,
    /// For each pattern the line of its latest message, 0 for none.
    latest: Vec<usize>,
    /// Messages whose neighbours are not all known yet.
    pending: VecDeque<Hit>,
    /// For each pattern what was found of it.
    found: Vec<Tally>,
}

#[derive(Debug, Default)]
struct Piece {
    number: usize,
    raw: String,
    clean: Clean,
}

#[derive(Debug)]
struct Hit {
    pattern: usize,
    first: usize,
    last: usize,
    excerpt: String,
    captures: Captures,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    /// Messages seen, settled or not.
    seen: usize,
    /// The message to show, and the patterns of which it is a consequence.
    shown: Option<(usize, String, Captures, Vec<usize>)>,
    /// Messages settled.
    count: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at the beginning of a log.
    #[must_use]
    pub fn new() -> Self {
        let table = &*TABLE;
        let count = table.patterns.len();
        Self {
            table,
            window: VecDeque::with_capacity(SPAN + 1),
            number: 0,
            partial: Vec::new(),
            continued: false,
            open: Vec::new(),
            latest: vec![0; count],
            pending: VecDeque::new(),
            found: vec![Tally::default(); count],
        }
    }

    /// Reads a part of a log, which may end anywhere. What is no UTF-8 is read as replacement characters.
    pub fn push_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (line, rest) = end.map_or((bytes, &bytes[bytes.len()..]), |end| (&bytes[..end], &bytes[end + 1..]));
            bytes = rest;
            if end.is_some() && self.partial.is_empty() && line.len() <= PIECE {
                self.next_line();
                self.push_pieces(line);
                self.continued = false;
                continue;
            }
            for part in line.chunks(PIECE) {
                if self.partial.len() + part.len() > PIECE {
                    self.flush_partial(false);
                }
                self.partial.extend_from_slice(part);
            }
            if end.is_some() {
                self.flush_partial(true);
            }
        }
    }

    /// Reads one line, without its end.
    pub fn push_line(&mut self, line: &str) {
        self.push_bytes(line.as_bytes());
        self.push_bytes(b"\n");
    }

    /// The end of the log: what it names. The deciding failures come first, the worst before the others, then those that are
    /// only a consequence, then harmless messages.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnosis> {
        if !self.partial.is_empty() {
            self.flush_partial(true);
        }
        while let Some(hit) = self.pending.pop_front() {
            self.settle(hit);
        }
        self.diagnoses()
    }

    fn next_line(&mut self) {
        if !self.continued {
            self.number += 1;
            while self.pending.front().is_some_and(|hit| hit.last + AFTER < self.number) {
                if let Some(hit) = self.pending.pop_front() {
                    self.settle(hit);
                }
            }
        }
        self.continued = true;
    }

    fn flush_partial(&mut self, whole: bool) {
        let mut bytes = std::mem::take(&mut self.partial);
        // A character that is cut in two goes to the next piece.
        let kept = match std::str::from_utf8(&bytes) {
            Err(cut) if !whole && cut.error_len().is_none() => bytes.split_off(cut.valid_up_to()),
            _ => Vec::new(),
        };
        self.next_line();
        self.push_pieces(&bytes);
        self.continued = !whole;
        bytes.clear();
        bytes.extend_from_slice(&kept);
        self.partial = bytes;
    }

    /// Reads the parts of a line that overwrite each other on a terminal.
    fn push_pieces(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let mut parts = text.split('\r').filter(|part| !part.is_empty());
        self.push_piece(parts.next().unwrap_or_default());
        for part in parts {
            self.push_piece(part);
        }
    }

    fn push_piece(&mut self, raw: &str) {
        let mut piece = if self.window.len() > SPAN { self.window.pop_front().unwrap_or_default() } else { Piece::default() };
        piece.number = self.number;
        piece.raw.clear();
        piece.raw.push_str(raw);
        piece.clean.set(raw);
        self.window.push_back(piece);
        self.look();
    }

    /// Looks for messages that end in the newest piece.
    fn look(&mut self) {
        let Some(newest) = self.window.back() else { return };
        let mut hits: Vec<Hit> = Vec::new();
        let mut here: Vec<usize> = Vec::new();
        self.table.candidates(newest.clean.text.as_bytes(), |entry, _| here.push(entry));
        here.sort_unstable();
        here.dedup();
        let mut unfinished = Vec::new();
        if !here.is_empty() {
            let lower = newest.clean.text.to_ascii_lowercase();
            for entry in here {
                match self.match_here(entry, newest, &lower) {
                    Some(hit) => add(&mut hits, hit),
                    None => unfinished.push(entry),
                }
            }
        }
        self.look_across(&mut unfinished, &mut hits);
        self.open = unfinished;
        for hit in hits {
            self.take(hit);
        }
    }

    /// Looks for messages that were broken at the end of the line before, by a terminal or by their program.
    fn look_across(&self, unfinished: &mut Vec<usize>, hits: &mut Vec<Hit>) {
        let mut back = self.window.iter().rev();
        let (Some(newest), Some(previous)) = (back.next(), back.next()) else { return };
        if previous.clean.text.len() < WRAPPED || newest.clean.text.is_empty() || newest.number == previous.number {
            return;
        }
        let mut maybe: Vec<usize> = self.open.iter().chain(unfinished.iter()).copied().collect();
        let tail = &previous.clean.text.as_bytes()[previous.clean.text.len().saturating_sub(ANCHOR - 1)..];
        let head = &newest.clean.text.as_bytes()[..newest.clean.text.len().min(ANCHOR - 1)];
        for glue in [&b""[..], b" "] {
            let seam = [tail, glue, head].concat();
            self.table.candidates(&seam, |entry, range| {
                if range.start < tail.len() && range.end > tail.len() + glue.len() {
                    maybe.push(entry);
                }
            });
        }
        maybe.sort_unstable();
        maybe.dedup();
        maybe.retain(|entry| self.table.entries[*entry].before.is_empty() && self.table.entries[*entry].last.may_wrap());
        for entry in maybe {
            for glue in [" ", ""] {
                let mut joined = Clean::default();
                joined.set(&[previous.clean.text.as_str(), glue, newest.clean.text.as_str()].concat());
                let lower = joined.text.to_ascii_lowercase();
                let Some(found) = self.table.entries[entry].last.find(&joined.text, &lower) else { continue };
                if found.start >= previous.clean.text.len() || !self.accepts(entry, &found.captures) {
                    continue;
                }
                let shown = [previous.raw.as_str(), glue, newest.raw.trim_start()].concat();
                add(hits, self.hit(entry, previous.number, newest.number, &shown, found.captures));
                break;
            }
        }
    }

    fn match_here(&self, entry: usize, newest: &Piece, lower: &str) -> Option<Hit> {
        let known = &self.table.entries[entry];
        let found = known.last.find(&newest.clean.text, lower)?;
        if newest.clean.is_quoted_prose(found.start) {
            return None;
        }
        let mut captures = found.captures;
        let mut first = newest.number;
        let mut shown = newest.raw.as_str();
        // The newest piece comes first, since a program may write the whole report on one line.
        let mut earlier = self.window.iter().rev();
        let mut piece = earlier.next();
        for template in known.before.iter().rev() {
            let (before, at) = loop {
                let candidate = piece?;
                if let Some(found) = template.find(&candidate.clean.text, &candidate.clean.text.to_ascii_lowercase()) {
                    break (found, candidate);
                }
                piece = earlier.next();
            };
            let mut values = before.captures.0;
            values.append(&mut captures.0);
            captures.0 = values;
            first = at.number;
            shown = at.raw.as_str();
        }
        if !self.accepts(entry, &captures) {
            return None;
        }
        let text = if first == newest.number { shown.to_owned() } else { [shown, " … ", newest.raw.as_str()].concat() };
        Some(self.hit(entry, first, newest.number, &text, captures))
    }

    fn accepts(&self, entry: usize, captures: &Captures) -> bool {
        self.table.patterns[self.table.entries[entry].pattern].when.is_none_or(|when| when(captures))
    }

    fn hit(&self, entry: usize, first: usize, last: usize, shown: &str, captures: Captures) -> Hit {
        let pattern = self.table.entries[entry].pattern;
        let shown = if self.found[pattern].seen < CLOSELY { excerpt(shown, EXCERPT) } else { String::new() };
        Hit { pattern, first, last, excerpt: shown, captures }
    }

    fn take(&mut self, hit: Hit) {
        self.latest[hit.pattern] = hit.last;
        // A report that goes on over several lines may have been recognised by its first line already.
        let begun = self.pending.iter_mut().rev().find(|known| known.pattern == hit.pattern);
        if let Some(begun) = begun
            && hit.first <= begun.last
            && begun.last < hit.last
        {
            *begun = Hit { first: hit.first.min(begun.first), ..hit };
            return;
        }
        let tally = &mut self.found[hit.pattern];
        tally.seen += 1;
        if tally.seen > CLOSELY {
            tally.count += 1;
        } else {
            self.pending.push_back(hit);
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
        let tally = &mut self.found[hit.pattern];
        tally.count += 1;
        // A message that stands for itself is worth more than one that follows from another.
        let better = tally.shown.as_ref().is_none_or(|(_, _, _, known)| causes.is_empty() && !known.is_empty());
        if better {
            tally.shown = Some((hit.first, hit.excerpt, hit.captures, causes));
        }
    }

    fn diagnoses(self) -> Vec<Diagnosis> {
        let named: Vec<bool> = self.found.iter().map(|tally| tally.shown.is_some()).collect();
        let mut diagnoses: Vec<Diagnosis> = Vec::new();
        for (pattern, tally) in self.table.patterns.iter().zip(self.found) {
            let Some((line, excerpt, captures, causes)) = tally.shown else { continue };
            diagnoses.push(Diagnosis {
                pattern,
                line,
                excerpt,
                captures,
                count: tally.count.max(1),
                severity: pattern.severity,
                fatal: pattern.fatal,
                consequence_of: causes.into_iter().find(|cause| named[*cause]).map(|cause| self.table.patterns[cause].id),
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

/// Adds a message unless the same pattern was found on the same line already.
fn add(hits: &mut Vec<Hit>, hit: Hit) {
    if !hits.iter().any(|known| known.pattern == hit.pattern) {
        hits.push(hit);
    }
}
