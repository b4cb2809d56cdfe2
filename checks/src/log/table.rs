//! Every pattern compiled once: one automaton finds the templates that deserve a look, in one pass over a line.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::families;
use super::pattern::Pattern;
use super::template::Template;

/// The most that the automaton looks for of a template, in bytes. It bounds how far a message that is broken over two lines
/// must be searched around the break.
pub(super) const ANCHOR: usize = 24;

/// A sequence of templates of a pattern; the last one triggers it, the others must stand on the lines before.
#[derive(Debug)]
pub(super) struct Entry {
    /// Index of the pattern.
    pub(super) pattern: usize,
    /// The templates that come before, in order.
    pub(super) before: Vec<Template>,
    /// The template that completes the sequence.
    pub(super) last: Template,
}

/// The compiled patterns.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) patterns: Vec<&'static Pattern>,
    pub(super) entries: Vec<Entry>,
    /// For each pattern, the indexes of those it yields to.
    pub(super) yields_to: Vec<Vec<usize>>,
    /// For each pattern, the indexes of those it follows.
    pub(super) follows: Vec<Vec<usize>>,
    /// Finds anchors; none when it could not be built, which a test excludes.
    anchors: Option<AhoCorasick>,
    /// For each anchor, the entries that it stands for.
    behind: Vec<Vec<usize>>,
}

/// The table of all patterns.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(families::patterns().collect()));

impl Table {
    pub(super) fn new(patterns: Vec<&'static Pattern>) -> Self {
        let mut entries = Vec::new();
        for (pattern, known) in patterns.iter().enumerate() {
            for mut sequence in known.matcher.sequences() {
                let Some(last) = sequence.pop() else { continue };
                entries.push(Entry {
                    pattern,
                    before: sequence.into_iter().map(Template::new).collect(),
                    last: Template::new(last),
                });
            }
        }
        let mut by_anchor: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let anchor = entry.last.anchor();
            let cut = (0..=ANCHOR.min(anchor.len())).rev().find(|at| anchor.is_char_boundary(*at)).unwrap_or(0);
            by_anchor.entry(&anchor[..cut]).or_default().push(index);
        }
        let anchors = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(by_anchor.keys())
            .ok();
        let behind = by_anchor.into_values().collect();
        let indexes = |ids: &[&str]| ids.iter().filter_map(|id| patterns.iter().position(|known| known.id == *id)).collect();
        Self {
            yields_to: patterns.iter().map(|known| indexes(known.yields_to)).collect(),
            follows: patterns.iter().map(|known| indexes(known.follows)).collect(),
            patterns,
            entries,
            anchors,
            behind,
        }
    }

    /// Calls `candidate` with every entry whose anchor is in the text, and with where the anchor is.
    pub(super) fn candidates(&self, text: &[u8], mut candidate: impl FnMut(usize, std::ops::Range<usize>)) {
        let Some(anchors) = &self.anchors else { return };
        // Nearly every line has no anchor at all, and the search for one is the faster of the two.
        if anchors.find(text).is_none() {
            return;
        }
        for found in anchors.find_overlapping_iter(text) {
            for entry in &self.behind[found.pattern().as_usize()] {
                candidate(*entry, found.range());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_automaton_is_built_and_no_template_is_empty() {
        assert!(TABLE.anchors.is_some());
        for entry in &TABLE.entries {
            let id = TABLE.patterns[entry.pattern].id;
            for template in entry.before.iter().chain([&entry.last]) {
                assert!(template.anchor().len() >= 4, "{id}: {template:?} looks for too short a text");
            }
            assert!(entry.last.anchor().len() >= 8, "{id}: {:?} looks for too short a text", entry.last);
        }
    }

    #[test]
    fn every_pattern_that_another_one_names_exists() {
        for known in &TABLE.patterns {
            for id in known.yields_to.iter().chain(known.follows) {
                assert!(TABLE.patterns.iter().any(|other| other.id == *id), "{} names {id}, which does not exist", known.id);
            }
        }
    }
}
