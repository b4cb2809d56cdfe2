//! Reading a log piece by piece: lines, terminals that break them, reports over several lines.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::VecDeque;

use memchr::memmem;

use super::clean::{Clean, PIECE, excerpt};
use super::pattern::Captures;
use super::table::{ANCHOR, TABLE, Table};
use super::template::{Found, Template};
use super::verdict::{Diagnosis, Hit, Verdicts};

/// How many lines a sequence of templates may span: a Python traceback or the report of an X error.
const SPAN: usize = 16;

/// A line at least this long may have been broken by a terminal, in bytes.
const WRAPPED: usize = 60;

/// How long an excerpt may be, in characters.
const EXCERPT: usize = 240;

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
    /// What the messages found so far mean.
    verdicts: Verdicts,
}

#[derive(Debug, Default)]
struct Piece {
    number: usize,
    raw: String,
    clean: Clean,
    /// The clean text in lower case, made when it is first asked for.
    lower: OnceCell<String>,
}

impl Piece {
    fn set(&mut self, number: usize, raw: &str) {
        self.number = number;
        self.raw.clear();
        self.raw.push_str(raw);
        self.clean.set(raw);
        self.lower = OnceCell::new();
    }

    fn find(&self, template: &Template) -> Option<Found> {
        template.find(&self.clean.text, self.lower.get_or_init(|| self.clean.text.to_ascii_lowercase()))
    }
}

/// How an entry fared on a line that has its anchor.
enum Match {
    /// The message is there.
    Whole(Hit),
    /// The message is not there, or goes on in the next line.
    Not,
    /// The message is there, quoted by prose.
    Prose,
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
        Self {
            table,
            window: VecDeque::with_capacity(SPAN + 1),
            number: 0,
            partial: Vec::new(),
            continued: false,
            open: Vec::new(),
            verdicts: Verdicts::new(table),
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
        self.verdicts.finish()
    }

    fn next_line(&mut self) {
        if !self.continued {
            self.number += 1;
            self.verdicts.reach(self.number);
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

    /// Reads the parts of a line that overwrite each other on a terminal, and those of an output that Python or JSON wrote down as
    /// one text with `\n` in it.
    fn push_pieces(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // In a path of Windows such as C:\new the two characters mean nothing.
        let is_written_down = memmem::find(line, br"\n").is_some() && !names_a_drive(line);
        let mut parts = text.split('\r').filter(|part| !part.is_empty());
        let mut push = |part: &str| {
            if is_written_down {
                part.split(r"\n").for_each(|row| self.push_piece(row.trim_end_matches('\\')));
            } else {
                self.push_piece(part);
            }
        };
        push(parts.next().unwrap_or_default());
        parts.for_each(push);
    }

    fn push_piece(&mut self, raw: &str) {
        let mut piece = if self.window.len() > SPAN { self.window.pop_front().unwrap_or_default() } else { Piece::default() };
        piece.set(self.number, raw);
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
        for entry in here {
            match self.match_here(entry, newest) {
                Match::Whole(hit) => add(&mut hits, hit),
                Match::Not => unfinished.push(entry),
                Match::Prose => {}
            }
        }
        self.look_across(&unfinished, &mut hits);
        self.open = unfinished;
        for hit in hits {
            self.verdicts.take(hit);
        }
    }

    /// Looks for messages that were broken at the end of the line before, by a terminal or by their program.
    fn look_across(&self, unfinished: &[usize], hits: &mut Vec<Hit>) {
        let mut back = self.window.iter().rev();
        let (Some(newest), Some(previous)) = (back.next(), back.next()) else { return };
        if previous.clean.text.len() < WRAPPED || newest.clean.text.is_empty() || newest.number == previous.number {
            return;
        }
        let mut maybe: Vec<usize> = self.open.iter().chain(unfinished.iter()).copied().collect();
        let tail = &previous.clean.text.as_bytes()[previous.clean.text.len().saturating_sub(ANCHOR - 1)..];
        let head = &newest.clean.text.as_bytes()[..newest.clean.text.len().min(ANCHOR - 1)];
        let mut seam = [b' '; 2 * ANCHOR];
        seam[..tail.len()].copy_from_slice(tail);
        for glue in [0, 1] {
            let end = tail.len() + glue + head.len();
            seam[tail.len() + glue..end].copy_from_slice(head);
            seam[tail.len()..tail.len() + glue].fill(b' ');
            self.table.candidates(&seam[..end], |entry, range| {
                if range.start < tail.len() && range.end > tail.len() + glue {
                    maybe.push(entry);
                }
            });
        }
        maybe.sort_unstable();
        maybe.dedup();
        maybe.retain(|entry| self.table.entries[*entry].before.is_empty() && self.table.entries[*entry].last.may_wrap());
        if maybe.is_empty() {
            return;
        }
        for glue in [" ", ""] {
            let shown = [previous.raw.trim_end(), glue, newest.raw.trim_start()].concat();
            let mut joined = Piece::default();
            joined.set(previous.number, &shown);
            for entry in &maybe {
                let Some(found) = joined.find(&self.table.entries[*entry].last) else { continue };
                let across = found.start < previous.clean.text.len() && found.end > previous.clean.text.len();
                if across && !joined.clean.is_quoted_prose(found.start) && self.accepts(*entry, &found.captures) {
                    add(hits, self.hit(*entry, previous.number, newest.number, &shown, found.captures));
                }
            }
        }
    }

    fn match_here(&self, entry: usize, newest: &Piece) -> Match {
        let known = &self.table.entries[entry];
        let Some(found) = newest.find(&known.last) else { return Match::Not };
        if newest.clean.is_quoted_prose(found.start) {
            return Match::Prose;
        }
        let mut captures = found.captures;
        let mut first = newest.number;
        let mut shown = newest.raw.as_str();
        // The newest piece comes first, since a program may write the whole report on one line.
        let mut earlier = self.window.iter().rev();
        let mut piece = earlier.next();
        for template in known.before.iter().rev() {
            let (before, at) = loop {
                let Some(candidate) = piece else { return Match::Not };
                if let Some(found) = candidate.find(template) {
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
            return Match::Not;
        }
        let text =
            if first == newest.number { Cow::Borrowed(shown) } else { Cow::Owned([shown, " … ", newest.raw.as_str()].concat()) };
        Match::Whole(self.hit(entry, first, newest.number, &text, captures))
    }

    fn accepts(&self, entry: usize, captures: &Captures) -> bool {
        self.table.patterns[self.table.entries[entry].pattern].when.is_none_or(|when| when(captures))
    }

    fn hit(&self, entry: usize, first: usize, last: usize, shown: &str, captures: Captures) -> Hit {
        let pattern = self.table.entries[entry].pattern;
        // What is only counted is not shown, and a log may repeat one message for megabytes.
        let shown = if self.verdicts.only_counts(pattern) { String::new() } else { excerpt(shown, EXCERPT) };
        Hit { pattern, first, last, excerpt: shown, captures }
    }
}

/// Whether a line has a path of Windows with a drive in it.
fn names_a_drive(line: &[u8]) -> bool {
    memmem::find_iter(line, br":\").any(|colon| {
        let mut before = line[..colon].iter().rev();
        before.next().is_some_and(u8::is_ascii_alphabetic) && !before.next().is_some_and(u8::is_ascii_alphanumeric)
    })
}

/// Adds a message unless the same pattern was found on the same line already.
fn add(hits: &mut Vec<Hit>, hit: Hit) {
    if !hits.iter().any(|known| known.pattern == hit.pattern) {
        hits.push(hit);
    }
}
