//! Making text safe and fit for a terminal.

use textwrap::{Options, WordSeparator, WordSplitter};

/// A number with its noun: `1 problem`, `3 problems`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Text without anything that a terminal would obey. Evidence quotes what drivers, servers and files say, so it may hold
/// escape sequences, and characters that turn the direction of writing; they are shown as escapes instead.
pub(crate) fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => clean.push('\n'),
            '\t' => clean.push(' '),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}' => {
                clean.extend(character.escape_unicode());
            }
            control if control.is_control() => clean.extend(control.escape_default()),
            other => clean.push(other),
        }
    }
    clean
}

/// Prose in ASCII: typographic signs get their plain form, anything else is escaped rather than lost.
pub(crate) fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ascii if ascii.is_ascii() => plain.push(ascii),
            '…' => plain.push_str("..."),
            '‘' | '’' => plain.push('\''),
            '“' | '”' | '«' | '»' => plain.push('"'),
            '–' | '—' | '−' | '\u{2011}' | '·' | '•' => plain.push('-'),
            '→' => plain.push_str("->"),
            '×' => plain.push('x'),
            '≤' => plain.push_str("<="),
            '≥' => plain.push_str(">="),
            'µ' | 'μ' => plain.push('u'),
            '\u{a0}' | '\u{202f}' => plain.push(' '),
            other => plain.extend(other.escape_unicode()),
        }
    }
    plain
}

/// Prose in lines of at most `width` columns, the indents included. A line break in the text stays one. Words are broken at
/// blanks only, so that paths, options and ids stay whole unless one alone is wider than a line.
pub(crate) fn wrap(text: &str, width: usize, first_indent: &str, indent: &str) -> Vec<String> {
    let options = Options::new(width)
        .initial_indent(first_indent)
        .subsequent_indent(indent)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::wrap(text.trim_end(), options).into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// A word as a POSIX shell must be given it.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// An argument vector as a line for a POSIX shell.
pub(crate) fn shell_line(argv: &[String]) -> String {
    argv.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_an_order() {
        assert_eq!(harmless("a\u{1b}[31mred\u{7}\r\u{9b}"), "a\\u{1b}[31mred\\u{7}\\r\\u{9b}");
        assert_eq!(harmless("safe\u{202e}gpj.exe"), "safe\\u{202e}gpj.exe");
        assert_eq!(harmless("one\ttwo\nthree"), "one two\nthree");
    }

    #[test]
    fn ascii_loses_nothing() {
        assert_eq!(ascii("“wait…” 512 × 512 → André"), "\"wait...\" 512 x 512 -> Andr\\u{e9}");
    }

    #[test]
    fn wrapping_keeps_ids_and_options_whole() {
        let lines = wrap("give --fail-on to x11-cookie-rejected", 20, "- ", "  ");
        assert_eq!(lines, ["- give --fail-on to", "  x11-cookie-rejecte", "  d"], "only what is wider than a line is broken");
        assert_eq!(wrap("see the x11-cookie now", 14, "", ""), ["see the", "x11-cookie now"]);
    }

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        for word in ["plain", "", "two words", "it's", "$HOME", "a;b", "--opt=/p/a.b", "é", "~root", "!1"] {
            let output = crate::host::Host::run(
                &crate::host::LiveHost,
                &crate::host::Command::new("/bin/sh", std::time::Duration::from_secs(5))
                    .args(["-c".to_owned(), format!("printf %s {}", shell_word(word))]),
            );
            assert_eq!(output.stdout_text(), word, "quoted as {}", shell_word(word));
        }
    }
}
