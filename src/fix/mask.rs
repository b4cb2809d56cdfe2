//! What Python reads and serde_json refuses, hidden behind something plain of the same length.
//!
//! casa_distro takes half a surrogate pair (`"\ud800"`), a number beyond all bounds (`1e400`) and lists in lists in lists. No edit
//! is about any of these, so that a file with them is read through a mask, and its own bytes stay where they are.

use std::borrow::Cow;

/// What is nested deeper is hidden; serde_json takes 128 levels.
const MAX_DEPTH: usize = 100;

/// The text as both parsers read it, every byte that is not hidden at its place. What is hidden because of its depth alone must
/// have been read by whoever asks.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, hidden: Vec::new() };
    scanner.scan();
    if scanner.hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end, mask) in scanner.hidden {
        out.push_str(&text[done..start]);
        out.push_str(&mask);
        done = end;
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Where what is hidden begins and ends, and what stands there instead.
    hidden: Vec<(usize, usize, String)>,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        let mut depth = 0;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'-' | b'0'..=b'9' => self.number(),
                b'{' | b'[' if depth == MAX_DEPTH => self.nested(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Passes over a text in quotes, and hides halves of surrogate pairs.
    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => match (self.escaped(self.at), self.escaped(self.at + 6)) {
                    (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => self.at += 12,
                    (Some(0xd800..0xe000), _) => {
                        self.hidden.push((self.at, self.at + 6, "\\ufffd".to_owned()));
                        self.at += 6;
                    }
                    _ => self.at += 2,
                },
                _ => self.at += 1,
            }
        }
    }

    /// The number of the character that is written here as `\u` and four digits.
    fn escaped(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u").filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    /// Passes over a number, and hides one that is too large for every number of the machine.
    fn number(&mut self) {
        let start = self.at;
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        self.at += self.bytes[start..].iter().take_while(is_part).count();
        let number = &self.bytes[start..self.at];
        let is_too_large = |error: serde_json::Error| error.to_string().starts_with("number out of range");
        if serde_json::from_slice::<serde_json::Number>(number).is_err_and(is_too_large) {
            self.hidden.push((start, self.at, "1".repeat(number.len().min(9)) + &" ".repeat(number.len().saturating_sub(9))));
        }
    }

    /// Hides a list or an object to its end, behind a text.
    fn nested(&mut self) {
        let (start, already) = (self.at, self.hidden.len());
        let mut depth = 0_usize;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.hidden.truncate(already);
        if depth == 0 {
            self.hidden.push((start, self.at, format!("\"{}\"", "x".repeat(self.at - start - 2))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_of_the_same_length_and_plain() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let hidden = format!("{}\"{}\"{}", "[".repeat(100), "x".repeat(198), "]".repeat(100));
        for (text, told) in [
            (r#"{"a": "\ud800x", "\udc00": "\ud800\ud800"}"#, r#"{"a": "\ufffdx", "\ufffd": "\ufffd\ufffd"}"#),
            ("[1.0E+400, -1e999]", "[11111111, 111111]"),
            (deep.as_str(), hidden.as_str()),
        ] {
            assert_eq!(masked(text), told);
            assert_eq!(text.len(), told.len());
            assert!(serde_json::from_str::<serde_json::Value>(&masked(text)).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_as_it_is() {
        for text in [
            r#"{"a": "\ud83d\ude00 \\ud800 é", "b": [1e3, -0.5, 1e300, 123456789012345678901234567890], "c": "1e999 [["}"#,
            "{\"a\": NaN}",
            "\"\\u",
            "\"\\",
            "1e+",
            &"[".repeat(5000),
        ] {
            assert!(matches!(masked(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
