//! A line as it can be compared: without colours, with one kind of quotation mark, with single blanks.

/// How much of a piece of a log is looked at as one line, in bytes. Longer lines are read in pieces.
pub(super) const PIECE: usize = 8 << 10;

/// A piece of a log made comparable.
#[derive(Debug, Default)]
pub(super) struct Clean {
    /// The text; every quotation mark is an apostrophe, every run of blanks one space, no control characters.
    pub(super) text: String,
    /// Where back-ticks stood in the original.
    ticks: Vec<usize>,
}

impl Clean {
    /// Replaces the content by a piece of a log, keeping the memory.
    pub(super) fn set(&mut self, raw: &str) {
        self.text.clear();
        self.ticks.clear();
        let mut rest = raw;
        loop {
            let run = plain_run(rest.as_bytes(), self.text.is_empty() || self.text.ends_with(' '));
            self.text.push_str(&rest[..run]);
            rest = &rest[run..];
            let mut printable = Printable(rest.chars());
            let Some(character) = printable.next() else { break };
            rest = printable.0.as_str();
            // An output that was written down as one text has its quotation marks behind backslashes.
            if matches!(character, '"' | '\'') && self.text.ends_with('\\') {
                self.text.pop();
            }
            self.push(character);
        }
        self.text.truncate(self.text.trim_end().len());
    }

    fn push(&mut self, character: char) {
        match character {
            '`' => {
                self.ticks.push(self.text.len());
                self.text.push('\'');
            }
            '"' | '\u{b4}' | '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}' => self.text.push('\''),
            '\u{2026}' => self.text.push_str("..."),
            ' ' if self.text.is_empty() || self.text.ends_with(' ') => {}
            other => self.text.push(other),
        }
    }

    /// Whether a message at a byte position is quoted by prose, such as the documentation of a failure, and is not a program
    /// speaking: it stands inside back-ticks amid other words, or on a line that is plainly Markdown.
    pub(super) fn is_quoted_prose(&self, position: usize) -> bool {
        let is_table = self.text.starts_with("| ") && self.text.ends_with(" |");
        // GLib writes two stars, too, though not around words.
        let is_bold = || self.text.split("**").skip(1).any(|bold| bold.starts_with(|c: char| c.is_alphanumeric() || c == '\''));
        let is_list_of_cells = self.text.contains(" | ") && is_bold();
        if is_table || is_list_of_cells {
            return true;
        }
        let before = self.ticks.iter().take_while(|tick| **tick < position).count();
        let closed_later = self.ticks.len() > before;
        let after_words = self.ticks.first().is_some_and(|first| !self.text[..*first].trim().is_empty());
        // A message may quote a word or two of its own in front; more pieces of inline code are prose.
        before >= 4 || (before % 2 == 1 && closed_later && after_words)
    }
}

/// How many of the first bytes can be taken as they are: printable ASCII with single blanks and apostrophes as its only
/// quotation marks. Nearly all of a log is that, so it is copied and not looked at character by character.
fn plain_run(bytes: &[u8], after_blank: bool) -> usize {
    let mut blank = after_blank;
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' | b'`' => return index,
            b'!'..=b'~' => blank = false,
            b' ' if !blank => blank = true,
            _ => return index,
        }
    }
    bytes.len()
}

/// The printable text of a piece of a log, as a user would read it, cut to a number of characters.
///
/// Long runs of hexadecimal digits are masked: a cookie or a token in an error message must not travel with it.
pub(super) fn excerpt(raw: &str, limit: usize) -> String {
    let mut text = String::new();
    let mut rest = raw;
    loop {
        let run = plain_run(rest.as_bytes(), text.is_empty() || text.ends_with(' '));
        text.push_str(&rest[..run]);
        rest = &rest[run..];
        let mut printable = Printable(rest.chars());
        let Some(character) = printable.next() else { break };
        rest = printable.0.as_str();
        if character != ' ' || !(text.is_empty() || text.ends_with(' ')) {
            text.push(character);
        }
    }
    let mut text = mask(text.trim_end());
    // A character has at least one byte, so a short text is not counted.
    if text.len() > limit
        && let Some((cut, _)) = text.char_indices().nth(limit)
    {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// Masks every run of at least 32 hexadecimal digits, the length of an MIT-MAGIC-COOKIE-1.
pub(super) fn mask(text: &str) -> String {
    const COOKIE_DIGITS: usize = 32;
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let run = rest[start..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - start);
        masked.push_str(&rest[..start]);
        masked.push_str(if run >= COOKIE_DIGITS { "[masked]" } else { &rest[start..start + run] });
        rest = &rest[start + run..];
    }
    masked.push_str(rest);
    masked
}

/// The characters of a text without terminal control sequences (ECMA-48) and control characters; any blank is a space.
struct Printable<'a>(std::str::Chars<'a>);

impl Iterator for Printable<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            match self.0.next()? {
                '\u{1b}' => self.skip_sequence(),
                '\u{9b}' => self.skip_control(),
                // The byte order mark, the soft hyphen and the zero-width marks that web pages put into copied text.
                '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}' => {}
                c if c.is_whitespace() && c != '\u{85}' => return Some(' '),
                c if c.is_control() => {}
                c => return Some(c),
            }
        }
    }
}

impl Printable<'_> {
    fn skip_sequence(&mut self) {
        match self.0.clone().next() {
            Some('[') => {
                self.0.next();
                self.skip_control();
            }
            // An operating system command, such as a window title or a link, ends with BEL or ESC \.
            Some(']') => {
                let mut ahead = self.0.clone();
                let mut end = None;
                for _ in 0..4096 {
                    match ahead.next() {
                        Some('\u{7}') => end = Some(ahead.clone()),
                        Some('\u{1b}') if ahead.clone().next() == Some('\\') => {
                            ahead.next();
                            end = Some(ahead.clone());
                        }
                        Some(_) => continue,
                        None => {}
                    }
                    break;
                }
                // An unfinished command hides nothing but its introducer.
                if let Some(end) = end {
                    self.0 = end;
                } else {
                    self.0.next();
                }
            }
            Some(' '..='/') => {
                while matches!(self.0.clone().next(), Some(' '..='/')) {
                    self.0.next();
                }
                self.0.next();
            }
            Some('0'..='~') => {
                self.0.next();
            }
            _ => {}
        }
    }

    /// Skips the parameters and the final byte of a control sequence.
    fn skip_control(&mut self) {
        while let Some(c) = self.0.clone().next() {
            match c {
                ' '..='?' => self.0.next(),
                '@'..='~' => {
                    self.0.next();
                    return;
                }
                _ => return,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(raw: &str) -> String {
        let mut clean = Clean::default();
        clean.set(raw);
        clean.text
    }

    #[test]
    fn colours_titles_and_control_characters_go_away() {
        assert_eq!(
            clean("\u{1b}[91mERROR  \u{1b}[0m: Failed\u{7} to\tcreate\u{1b}(B user namespace\u{1b}[K"),
            "ERROR : Failed to create user namespace"
        );
        assert_eq!(clean("\u{1b}]0;a title\u{7}text"), "text");
        assert_eq!(clean("\u{1b}]8;;https://example.org\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "link");
        assert_eq!(clean("\u{1b}]0;a title that never ends"), "0;a title that never ends");
        assert_eq!(clean("a\0b\0"), "ab");
    }

    #[test]
    fn quotation_marks_are_all_the_same() {
        assert_eq!(
            clean("version `GLIBC_2.34' \u{201c}xcb\u{201d} \"in\" \u{2018}it\u{2019}"),
            "version 'GLIBC_2.34' 'xcb' 'in' 'it'"
        );
    }

    #[test]
    fn a_plain_line_is_taken_as_it_is_and_blanks_are_single() {
        assert_eq!(clean("plain text"), "plain text");
        assert_eq!(clean("  X Error:  \u{a0}BadValue  "), "X Error: BadValue");
        assert_eq!(clean(""), "");
        assert_eq!(clean("   "), "");
    }

    #[test]
    fn prose_that_quotes_is_told_from_a_message_that_quotes() {
        let mut line = Clean::default();
        line.set("the user sees `could not connect` and stops");
        assert!(line.is_quoted_prose(line.text.find("could").unwrap()));
        assert!(!line.is_quoted_prose(line.text.find("stops").unwrap()));
        line.set("`could not connect`");
        assert!(!line.is_quoted_prose(1));
        line.set("libc.so.6: version `GLIBC_2.34' not found");
        assert!(!line.is_quoted_prose(line.text.find("GLIBC").unwrap()));
    }

    #[test]
    fn stars_of_glib_are_no_prose() {
        let mut line = Clean::default();
        line.set("app-1 | ** (viewer:12): Gtk-WARNING **: cannot open display: :0");
        assert!(!line.is_quoted_prose(line.text.find("cannot").unwrap()));
        line.set("1. **x-no-display** cannot open display | DISPLAY unset");
        assert!(line.is_quoted_prose(line.text.find("cannot").unwrap()));
    }

    #[test]
    fn an_excerpt_is_bounded_and_keeps_no_cookie() {
        assert_eq!(excerpt("a\u{1b}[1mb\u{1b}[0m  c", 10), "ab c");
        assert_eq!(excerpt("ééééé", 3), "ééé…");
        assert_eq!(excerpt("cookie 0123456789abcdef0123456789abcdef end", 100), "cookie [masked] end");
        assert_eq!(excerpt("version 535.183.01 face", 100), "version 535.183.01 face");
    }
}
