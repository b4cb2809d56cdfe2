//! What drivers write to standard error, made fit for a report.

/// How many lines are kept, half of them from the beginning and half from the end: the cause comes first, the fatal line last.
const LINES: usize = 40;
/// How long a line may be, in characters.
const LINE_LENGTH: usize = 300;

/// The lines of a text, without empty ones, terminal sequences and control characters, and bounded.
pub(in crate::probes) fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let plain = without_sequences(&text);
    let lines: Vec<&str> = plain.split(['\n', '\r']).map(str::trim_end).filter(|line| !line.trim_start().is_empty()).collect();
    let cut = |line: &&str| match line.char_indices().nth(LINE_LENGTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => (*line).to_owned(),
    };
    if lines.len() <= LINES {
        return lines.iter().map(cut).collect();
    }
    let half = LINES / 2;
    let left_out = lines.len() - 2 * half;
    let middle = format!("… {left_out} lines left out …");
    lines[..half].iter().map(cut).chain([middle]).chain(lines[lines.len() - half..].iter().map(cut)).collect()
}

/// A text without the escape sequences of ECMA-48 (colours, titles) and without control characters but line ends and tabs.
fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                // Control sequence: parameters, then one final character of @ to ~.
                Some('[') => drop(characters.by_ref().find(|c| ('@'..='~').contains(c))),
                // Operating system command: up to BEL, or ESC and a backslash. It never spans lines in what we read.
                Some(']') => {
                    while let Some(c) = characters.next_if(|c| *c != '\n') {
                        if c == '\u{7}' || (c == '\u{1b}' && characters.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\n' | '\r' => plain.push(character),
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_titles_and_control_characters_are_removed() {
        let text = b"\x1b[1;31merror\x1b[0m: x\r\n\x1b]0;title\x07y\tz\x08\n\n   \n\x1b]8;;http://a\x1b\\link\n";
        assert_eq!(lines(text), ["error: x", "y z", "link"]);
    }

    #[test]
    fn the_first_and_the_last_lines_of_a_flood_are_kept() {
        let flood: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let kept = lines(flood.as_bytes());
        assert_eq!(kept.len(), LINES + 1);
        assert_eq!((kept[0].as_str(), kept[LINES].as_str()), ("line 0", "line 999"));
        assert_eq!(kept[LINES / 2], "… 960 lines left out …");
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_bad_bytes_do_no_harm() {
        let mut long = "é".repeat(400).into_bytes();
        long.extend(b"\xff\xfe");
        let kept = lines(&long);
        assert_eq!(kept[0].chars().count(), LINE_LENGTH + 1);
        assert_eq!(lines(b"a\xffb\x1b["), ["a\u{fffd}b"]);
    }
}
