//! Templates: the notation in which a message is written down, and how one is found in a line.
//!
//! A template is the text itself with gaps. `{name}` stands for one word that is captured, `{name*}` for any text that is
//! captured, `{*}` for any text, `{{` for a brace. `^` at the beginning asks for the beginning of a message (of the line, or
//! after the name of a program), `$` at the end for the end of the line. Upper and lower case are equal, as are all quotation
//! marks. `^^` asks for the beginning of the line itself, where no other program has put its name. A template begins with literal text, and neither begins nor ends inside a word.

use memchr::memmem::Finder;

use super::pattern::Captures;

/// How far a gap may reach, in bytes: a message is one sentence, and two words far apart are not one message.
const GAP_REACH: usize = 400;

/// How many places are tried before a line is given up: lines may be made to be slow.
const FUEL: usize = 500;

/// A template, ready to be searched.
#[derive(Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
    at_start: bool,
    at_line_start: bool,
    at_end: bool,
}

#[derive(Debug)]
enum Part {
    Literal(Literal),
    Gap { name: Option<&'static str>, word: bool },
}

/// Text that must stand there, in lower case, with what finds it: lines with a known message are searched many times.
#[derive(Debug)]
struct Literal {
    text: String,
    finder: Box<Finder<'static>>,
}

impl Literal {
    fn find(&self, lower: &str, from: usize) -> Option<usize> {
        let offset = self.finder.find(lower.as_bytes().get(from..)?)?;
        Some(from + offset)
    }
}

/// Where a template was found.
#[derive(Debug)]
pub(super) struct Found {
    /// First byte of the match in the line.
    pub(super) start: usize,
    /// The byte after its last one.
    pub(super) end: usize,
    pub(super) captures: Captures,
}

impl Template {
    pub(super) fn new(source: &'static str) -> Self {
        let (at_start, source) = source.strip_prefix('^').map_or((false, source), |rest| (true, rest));
        let (at_line_start, source) = source.strip_prefix('^').map_or((false, source), |rest| (true, rest));
        let (at_end, mut source) = source.strip_suffix('$').map_or((false, source), |rest| (true, rest));
        let mut parts = Vec::new();
        let mut literal = String::new();
        while let Some(open) = source.find('{') {
            literal.push_str(&source[..open]);
            source = &source[open + 1..];
            if let Some(rest) = source.strip_prefix('{') {
                literal.push('{');
                source = rest;
                continue;
            }
            let (name, rest) = source.split_once('}').unwrap_or((source, ""));
            source = rest;
            push_literal(&mut parts, &mut literal);
            let (name, word) = name.strip_suffix('*').map_or((name, true), |name| (name, false));
            parts.push(Part::Gap { name: (!name.is_empty()).then_some(name), word });
        }
        literal.push_str(source);
        push_literal(&mut parts, &mut literal);
        Self { parts, at_start, at_line_start, at_end }
    }

    /// The longest literal text, by which the automaton looks for the template.
    pub(super) fn anchor(&self) -> &str {
        let mut longest = "";
        for part in &self.parts {
            if let Part::Literal(literal) = part
                && literal.text.len() > longest.len()
            {
                longest = &literal.text;
            }
        }
        longest
    }

    /// Whether the message may be found across the end of a line: gaps of any length would find two messages instead.
    pub(super) fn may_wrap(&self) -> bool {
        self.parts.iter().all(|part| !matches!(part, Part::Gap { word: false, name: None }))
    }

    /// Finds the template in a clean line; `lower` is the same line in lower case.
    pub(super) fn find(&self, line: &str, lower: &str) -> Option<Found> {
        let Some(Part::Literal(first)) = self.parts.first() else { return None };
        let mut fuel = FUEL;
        let mut from = 0;
        while let Some(start) = first.find(lower, from) {
            let mut captures = Captures::default();
            if self.may_start(lower, start)
                && let Some(end) = self.match_rest(1, start + first.text.len(), line, lower, &mut captures, &mut fuel)
            {
                captures.0.reverse();
                return Some(Found { start, end, captures });
            }
            fuel = fuel.checked_sub(1)?;
            from = start + first.text.len();
        }
        None
    }

    fn may_start(&self, lower: &str, start: usize) -> bool {
        let before = &lower[..start];
        if self.at_line_start && !before.trim().is_empty() {
            return false;
        }
        if self.at_start && !is_introduction(before) {
            return false;
        }
        !(before.ends_with(is_word) && lower[start..].starts_with(is_word))
    }

    fn may_end(&self, lower: &str, end: usize) -> bool {
        let after = &lower[end..];
        if self.at_end {
            return is_line_end(after);
        }
        !(after.starts_with(is_word) && lower[..end].ends_with(is_word))
    }

    /// Matches the parts from `index` on at byte `at`, and gives the end. Captures are added from the last to the first.
    fn match_rest(
        &self,
        index: usize,
        at: usize,
        line: &str,
        lower: &str,
        captures: &mut Captures,
        fuel: &mut usize,
    ) -> Option<usize> {
        match (self.parts.get(index), self.parts.get(index + 1)) {
            (None, _) => self.may_end(lower, at).then_some(at),
            // Two literals never stand side by side, so this is never asked for.
            (Some(Part::Literal(_)), _) => None,
            (Some(Part::Gap { name, word }), None) => {
                let rest = &line[at..];
                // A word in quotation marks ends with them, whatever follows.
                let open = usize::from(rest.starts_with('\''));
                let ends = |c: char| c.is_whitespace() || c == '\'';
                let end = if *word { rest[open..].find(ends).map_or(rest.len(), |end| open + end) } else { rest.len() };
                if (*word && end == 0) || (self.at_end && !is_line_end(&rest[end..])) {
                    return None;
                }
                capture(captures, *name, &rest[..end]);
                Some(at + end)
            }
            (Some(Part::Gap { name, word }), Some(Part::Literal(next))) => {
                let mut from = at;
                while let Some(here) = next.find(lower, from) {
                    let gap = &line[at..here];
                    if gap.len() > GAP_REACH || (*word && gap.contains(char::is_whitespace)) {
                        return None;
                    }
                    *fuel = fuel.checked_sub(1)?;
                    if !(*word && gap.is_empty())
                        && let Some(end) = self.match_rest(index + 2, here + next.text.len(), line, lower, captures, fuel)
                    {
                        capture(captures, *name, gap);
                        return Some(end);
                    }
                    // One byte further is inside the literal, which begins with an ASCII or a whole character.
                    from = here + next.text.chars().next().map_or(1, char::len_utf8);
                }
                None
            }
            (Some(Part::Gap { .. }), Some(Part::Gap { .. })) => None,
        }
    }
}

/// Whether nothing but the end of a sentence, or of a quotation in a list of values, stands behind a message.
fn is_line_end(after: &str) -> bool {
    let after = after.trim_start_matches(['.', ':', ' ']);
    after.strip_prefix('\'').unwrap_or(after).trim_matches(['.', ':', '\'', ' ']).is_empty()
        || ["',", "'}", "')", "']"].iter().any(|end| after.starts_with(end))
}

/// Whether what stands before a message on its line is no part of a sentence: the name of a program, a time, a quotation mark.
fn is_introduction(before: &str) -> bool {
    let is_time = || before.contains(':') && before.chars().all(|c| c.is_ascii_digit() || " -:.,/tz+".contains(c));
    before.trim().is_empty() || [": ", "] ", ") ", "| ", "> ", "'"].iter().any(|end| before.ends_with(end)) || is_time()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        let text = literal.to_ascii_lowercase().replace(['"', '`'], "'");
        literal.clear();
        let finder = Box::new(Finder::new(text.as_bytes()).into_owned());
        parts.push(Part::Literal(Literal { text, finder }));
    }
}

fn capture(captures: &mut Captures, name: Option<&'static str>, value: &str) {
    let Some(name) = name else { return };
    let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | ',' | ';'));
    // A sentence may end after the word; a version, a display or a file name never ends with one of these.
    let value = value.trim_end_matches(['.', ':', ')', '\'']);
    captures.0.push((name, super::clean::excerpt(value, 160)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &'static str, line: &str) -> Option<Vec<(&'static str, String)>> {
        Template::new(template).find(line, &line.to_ascii_lowercase()).map(|found| found.captures.0)
    }

    #[test]
    fn gaps_are_captured() {
        let captures = found(
            "version 'GLIBC_{version}' not found (required by {library})",
            "x: Version 'GLIBC_2.34' not found (required by /a/b.so)",
        );
        assert_eq!(captures.unwrap(), [("version", "2.34".to_owned()), ("library", "/a/b.so".to_owned())]);
    }

    #[test]
    fn a_word_has_no_blank_and_is_not_empty_but_any_text_may_be() {
        assert!(found("could not open {image}: no", "could not open my image: no").is_none());
        assert!(found("could not open {image}: no", "could not open : no").is_none());
        assert_eq!(found("could not open {image*}: no", "could not open my image: no").unwrap()[0].1, "my image");
    }

    #[test]
    fn a_later_place_is_tried_when_the_first_one_fails() {
        assert_eq!(found("mount {a}->{b} error", "mount hook: mount /x->/y error").unwrap().len(), 2);
        assert_eq!(found("path {a}: end", "path x: no: end"), None);
        assert_eq!(found("path {a}:end", "path x:y:end").unwrap()[0].1, "x:y");
    }

    #[test]
    fn beginning_end_and_words_are_respected() {
        assert!(found("^no protocol specified$", "No protocol specified").is_some());
        assert!(found("^no protocol specified$", "xterm: No protocol specified").is_some());
        assert!(found("^no protocol specified$", "there was no protocol specified").is_none());
        assert!(found("^no protocol specified$", "2024-11-02T10:00:01.5Z No protocol specified").is_some());
        assert!(found("^no protocol specified$", "12 No protocol specified").is_none());
        assert!(found("^no protocol specified$", "stderr: b'No protocol specified").is_some());
        assert!(found("^no protocol specified$", "No protocol specified here").is_none());
        assert!(found("^^no protocol", "  No protocol specified").is_some());
        assert!(found("^^no protocol", "xterm: No protocol specified").is_none());
        assert!(found("bus error", "omnibus error").is_none());
        assert!(found("bus error", "bus errors").is_none());
    }

    #[test]
    fn braces_can_be_written() {
        assert!(found("unmatched '{{' in format", "unmatched '{' in format").is_some());
    }

    #[test]
    fn a_line_made_to_be_slow_is_given_up() {
        let line = "a b ".repeat(2000);
        assert!(found("a {x*} b {y*} a {z*} b {w*} c", &line).is_none());
    }
}
