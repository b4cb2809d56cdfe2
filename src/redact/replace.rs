//! Replacing: every known value and every value of a known shape in a text, the longest first.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::stand_in::{Kind, StandIns};
use super::tree::Place;
use super::{patterns, variables};

/// Where a known value counts as found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edges {
    /// As a word of its own: no letter or digit on either side.
    Word,
    /// The same, but not in the value of another variable, which may have the same value and may be told.
    Value,
    /// As a path, or the beginning of one.
    Path,
    /// Anywhere.
    Any,
}

/// A known value in one of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) text: String,
    pub(super) stand_in: String,
    pub(super) edges: Edges,
}

/// Finds known values in texts.
#[derive(Debug)]
pub(super) struct Replacer {
    literals: Vec<Literal>,
    automaton: Option<AhoCorasick>,
}

/// The shortest beginning of a value that is recognised where a text was cut.
const SHORTEST_PART: usize = 3;

impl Replacer {
    pub(super) fn new(literals: Vec<Literal>) -> Self {
        let texts = literals.iter().map(|literal| literal.text.as_str());
        let builder = AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(texts);
        Self { literals, automaton: builder.ok() }
    }

    /// The text with stand-ins; `None` when nothing private is in it.
    pub(super) fn replace(
        &self,
        text: &str,
        place: &Place<'_>,
        public_ids: &BTreeSet<String>,
        stand_ins: &mut StandIns,
    ) -> Option<String> {
        // The steps of a JSON pointer are names by themselves, with their own way to write a slash.
        if text.starts_with('/') && (text.contains("~1") || text.contains("~0")) {
            let steps = text.split('/').map(|step| {
                let plain = step.replace("~1", "/").replace("~0", "~");
                let told = self.replace_plain(&plain, place, public_ids, stand_ins).unwrap_or(plain);
                told.replace('~', "~0").replace('/', "~1")
            });
            let told = steps.collect::<Vec<_>>().join("/");
            let told = self.replace_plain(&told, place, public_ids, stand_ins).unwrap_or(told);
            return (told != text).then_some(told);
        }
        self.replace_plain(text, place, public_ids, stand_ins)
    }

    fn replace_plain(&self, text: &str, place: &Place<'_>, ids: &BTreeSet<String>, stand_ins: &mut StandIns) -> Option<String> {
        let mut found = self.known(text, place);
        found.extend(by_shape(text, place, ids, stand_ins));
        if found.is_empty() {
            return None;
        }
        // The longest first; what stands in already is nobody's.
        found.sort_by_key(|(range, _)| (std::cmp::Reverse(range.len()), range.start));
        let mut chosen: Vec<(Range<usize>, Option<String>)> =
            patterns::stand_ins(text).into_iter().map(|range| (range, None)).collect();
        for (range, stand_in) in found {
            for free in uncovered(&chosen, range) {
                chosen.push((free, Some(stand_in.clone())));
            }
        }
        chosen.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for (range, stand_in) in chosen {
            out.push_str(&text[end..range.start]);
            out.push_str(stand_in.as_deref().unwrap_or(&text[range.clone()]));
            end = range.end;
        }
        out.push_str(&text[end..]);
        (out != text).then_some(out)
    }

    /// The known values in a text.
    fn known(&self, text: &str, place: &Place<'_>) -> Vec<(Range<usize>, String)> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let matches = automaton.find_overlapping_iter(text);
        let mut found: Vec<_> = matches
            .filter(|found| place.variable.is_none() || self.literals[found.pattern()].edges != Edges::Value)
            .filter(|found| has_edges(text, found.range(), self.literals[found.pattern()].edges))
            .map(|found| (found.range(), self.literals[found.pattern()].stand_in.clone()))
            .collect();
        found.extend(self.cut(text));
        found
    }

    /// Beginnings of known values before "…", and ends of them behind it: texts are shortened there.
    fn cut(&self, text: &str) -> Vec<(Range<usize>, String)> {
        let mut found = Vec::new();
        for mark in ["…", "..."] {
            for (at, _) in text.match_indices(mark) {
                let (before, after) = (&text[..at], &text[at + mark.len()..]);
                for literal in &self.literals {
                    if let Some(part) = beginning(literal, before) {
                        found.push((at - part..at, literal.stand_in.clone()));
                    }
                    if let Some(part) = ending(literal, after) {
                        let start = at + mark.len();
                        found.push((start..start + part, literal.stand_in.clone()));
                    }
                }
            }
        }
        found
    }
}

/// How many bytes at the end of `before` are the beginning of a value.
fn beginning(literal: &Literal, before: &str) -> Option<usize> {
    let value = &literal.text;
    (SHORTEST_PART..value.len()).rev().filter(|length| value.is_char_boundary(*length)).find(|length| {
        let start = before.len().checked_sub(*length);
        start.is_some_and(|start| {
            before.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(&value[..*length])) && starts_word(before, start)
        })
    })
}

/// How many bytes at the beginning of `after` are the end of a value.
fn ending(literal: &Literal, after: &str) -> Option<usize> {
    let value = &literal.text;
    (1..=value.len().saturating_sub(SHORTEST_PART)).filter(|start| value.is_char_boundary(*start)).find_map(|start| {
        let end = &value[start..];
        let same = after.get(..end.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(end)) && ends_word(after, end.len());
        same.then_some(end.len())
    })
}

/// The values that are known by their shape, with their stand-ins.
fn by_shape(text: &str, place: &Place<'_>, ids: &BTreeSet<String>, stand_ins: &mut StandIns) -> Vec<(Range<usize>, String)> {
    let found = patterns::find(text, place).into_iter().filter(|found| !is_public(text, found, place, ids));
    found
        .map(|found| {
            let value = &text[found.range.clone()];
            let stand_in = match found.kind {
                Kind::Host => stand_ins.of_host(value),
                Kind::Value => variables::mask_value(value, stand_ins),
                kind => stand_ins.of(kind, value),
            };
            (found.range, stand_in)
        })
        .collect()
}

/// Whether something has the shape of a private identifier and is that of an image.
pub(super) fn is_public(text: &str, found: &patterns::Found, place: &Place<'_>, ids: &BTreeSet<String>) -> bool {
    let value = &text[found.range.clone()];
    matches!(found.kind, Kind::Uuid | Kind::Key | Kind::Ip | Kind::Mac)
        && !found.secret
        && (place.holds_an_image_id() || text[..found.range.start].ends_with("sha256:") || ids.iter().any(|id| id.contains(value)))
}

fn has_edges(text: &str, range: Range<usize>, edges: Edges) -> bool {
    match edges {
        Edges::Any => true,
        Edges::Word | Edges::Value => starts_word(text, range.start) && ends_word(text, range.end),
        Edges::Path => {
            let mut next = text[range.end..].chars();
            match next.next() {
                None => true,
                Some('.') => !next.next().is_some_and(char::is_alphanumeric),
                Some(c) => !c.is_alphanumeric() && !matches!(c, '_' | '-'),
            }
        }
    }
}

/// Whether a word may begin here: what stands before is no letter or digit, or belongs to the writing of another character.
fn starts_word(text: &str, start: usize) -> bool {
    let before = &text[..start];
    let (Some(first), Some(last)) = (text[start..].chars().next(), before.chars().next_back()) else { return true };
    if !first.is_alphanumeric() || !last.is_alphanumeric() {
        return true;
    }
    let ends_with = |length: usize, is_escape: fn(&[u8]) -> bool| {
        before.len() >= length && is_escape(&before.as_bytes()[before.len() - length..])
    };
    ends_with(2, |tail| matches!(tail, [b'~', b'0' | b'1'] | [b'\\', b'n' | b't' | b'r' | b'b' | b'f']))
        || ends_with(3, |tail| tail[0] == b'%' && tail[1..].iter().all(u8::is_ascii_hexdigit))
        || ends_with(6, |tail| tail.starts_with(b"\\u") && tail[2..].iter().all(u8::is_ascii_hexdigit))
}

fn ends_word(text: &str, end: usize) -> bool {
    let (last, next) = (text[..end].chars().next_back(), text[end..].chars().next());
    !last.is_some_and(char::is_alphanumeric) || !next.is_some_and(char::is_alphanumeric)
}

/// The parts of a range that nothing chosen covers.
fn uncovered(chosen: &[(Range<usize>, Option<String>)], range: Range<usize>) -> Vec<Range<usize>> {
    let mut free = vec![range];
    for (taken, _) in chosen {
        free = free
            .into_iter()
            .flat_map(|part| [part.start..part.end.min(taken.start), part.start.max(taken.end)..part.end])
            .filter(|part| part.start < part.end)
            .collect();
    }
    free
}
