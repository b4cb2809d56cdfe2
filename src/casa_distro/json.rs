//! JSON as Python's `json` module takes it, with the place of every key.
//!
//! casa_distro reads its files with `json.load`, so this reader accepts what that accepts and refuses what that refuses, at
//! the same line and column (only a comma too many is named at the comma, as Python does since 3.13). No crate at hand does:
//! serde_json refuses `NaN` and half surrogates and forgets duplicate keys and places; jsonc-parser lets control characters
//! and missing colons of some kinds through and has no numbers of Python's kind.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// Deepest nesting that is kept: no configuration needs ten, and what reads facts again gives up at 128.
const MAX_DEPTH: usize = 100;
/// Deepest nesting that is read. Python before 3.12 gives up near it.
const DEEPEST: usize = 1000;
/// What stands for what is nested deeper than is kept.
const TOO_DEEP: &str = "(nested too deep to be shown)";
/// How many places are remembered: a file of a mebibyte may hold half a million.
const MAX_PLACES: usize = 10_000;
/// Longest JSON pointer that is remembered, in bytes.
const MAX_POINTER: usize = 1024;

/// What a text holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    /// The value. Of a key that stands twice, the last one. `NaN` and the infinities, which Python reads and JSON has not, are
    /// kept as text. What is nested very deep is read and not kept.
    pub(crate) value: Value,
    /// JSON pointer → line (from 1) of every key and list element, the first ten thousand of them.
    pub(crate) lines: BTreeMap<String, u32>,
    /// Pointers of keys that stand twice in one object.
    pub(crate) duplicate_keys: Vec<String>,
}

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonError {
    /// In words, lower-case.
    pub(crate) message: String,
    /// Line, from 1.
    pub(crate) line: u32,
    /// Column in characters, from 1.
    pub(crate) column: u32,
    /// Whether the only trouble is that it is nested too deep to be looked at.
    pub(crate) too_deep: bool,
}

/// Whether Python reads a text; if not the line, the column and what is wrong there.
///
/// # Errors
///
/// When it does not.
pub(crate) fn check_json(text: &str) -> Result<(), (usize, usize, String)> {
    let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    parse(text).map(drop).map_err(|error| (place(error.line), place(error.column), error.message))
}

/// Reads a text.
pub(crate) fn parse(text: &str) -> Result<Document, JsonError> {
    if text.starts_with('\u{feff}') {
        return Err(error_at(
            text,
            0,
            "the file begins with a byte order mark, which Python's JSON reader refuses; save it as UTF-8 without BOM",
        ));
    }
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        line: 1,
        line_counted_to: 0,
        pointer: String::new(),
        lines: BTreeMap::new(),
        duplicate_keys: Vec::new(),
    };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.unexpected("there is more text after the end of the JSON value"));
    }
    Ok(Document { value, lines: reader.lines, duplicate_keys: reader.duplicate_keys })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    line: u32,
    line_counted_to: usize,
    pointer: String,
    lines: BTreeMap<String, u32>,
    duplicate_keys: Vec<String>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn error(&self, at: usize, message: impl Into<String>) -> JsonError {
        error_at(self.text, at, message)
    }

    /// An error here, more precise when a comment stands here.
    fn unexpected(&self, message: &str) -> JsonError {
        let rest = &self.text[self.at..];
        if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') {
            return self.error(self.at, "a comment stands here; JSON has none");
        }
        if rest.is_empty() {
            return self.error(self.at, format!("{message}, but the file ends here"));
        }
        self.error(self.at, message)
    }

    /// Remembers the line of what begins here under the present pointer.
    fn remember(&mut self) {
        self.line += line_ends(self.text.as_bytes(), self.line_counted_to, self.at);
        self.line_counted_to = self.at;
        if self.lines.len() < MAX_PLACES && self.pointer.len() <= MAX_POINTER {
            self.lines.insert(self.pointer.clone(), self.line);
        }
    }

    fn value(&mut self) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'\'') => Err(self.error(self.at, "texts need double quotes in JSON")),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, JsonError>) -> Result<Value, JsonError> {
        if self.depth == MAX_DEPTH {
            return self.deep();
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// Passes over an object or a list that is nested too deep to be kept, without going deeper itself.
    fn deep(&mut self) -> Result<Value, JsonError> {
        // The bracket that closes each, and where it was opened.
        let mut open: Vec<(u8, usize)> = Vec::new();
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    if self.depth + open.len() == DEEPEST {
                        let message = format!("nested deeper than {DEEPEST} levels");
                        return Err(JsonError { too_deep: true, ..self.error(self.at, message) });
                    }
                    let closing = if bracket == b'{' { b'}' } else { b']' };
                    open.push((closing, self.at));
                    self.at += 1;
                    self.skip_space();
                    if self.peek() != Some(closing) {
                        self.key_if_object(closing)?;
                        continue;
                    }
                    self.at += 1;
                    open.pop();
                }
                _ => drop(self.value()?),
            }
            loop {
                let Some(&(closing, opening)) = open.last() else { return Ok(TOO_DEEP.into()) };
                if !self.comma_or_end(closing, opening)? {
                    self.key_if_object(closing)?;
                    break;
                }
                open.pop();
            }
        }
    }

    /// Passes over the key of a member of what ends with that bracket; a list has none.
    fn key_if_object(&mut self, closing: u8) -> Result<(), JsonError> {
        if closing == b'}' {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes is expected"));
            }
            self.string()?;
            self.colon()?;
        }
        Ok(())
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("a colon is expected after the key"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn object(&mut self) -> Result<Value, JsonError> {
        let mut map = Map::new();
        let opening = self.at;
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes is expected"));
            }
            let (key_at, pointer_length) = (self.at, self.pointer.len());
            let key = self.string()?;
            let after_key = std::mem::replace(&mut self.at, key_at);
            push_step(&mut self.pointer, &key);
            self.remember();
            self.at = after_key;
            self.colon()?;
            let value = self.value()?;
            if map.insert(key, value).is_some() && self.duplicate_keys.len() < MAX_PLACES && self.pointer.len() <= MAX_POINTER {
                self.duplicate_keys.push(self.pointer.clone());
            }
            self.pointer.truncate(pointer_length);
            if self.comma_or_end(b'}', opening)? {
                return Ok(Value::Object(map));
            }
        }
    }

    fn array(&mut self) -> Result<Value, JsonError> {
        let mut list = Vec::new();
        let opening = self.at;
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(list));
        }
        loop {
            let pointer_length = self.pointer.len();
            // Past the bound nothing is remembered, and writing the index would only cost time.
            if self.pointer.len() <= MAX_POINTER {
                push_step(&mut self.pointer, &list.len().to_string());
                self.remember();
            }
            list.push(self.value()?);
            self.pointer.truncate(pointer_length);
            if self.comma_or_end(b']', opening)? {
                return Ok(Value::Array(list));
            }
        }
    }

    /// Passes over a comma (`false`) or the closing bracket (`true`).
    fn comma_or_end(&mut self, closing: u8, opening: usize) -> Result<bool, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == closing => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') => {
                let comma = self.at;
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(closing) {
                    let message = format!("the comma before \"{}\" is one too many", char::from(closing));
                    return Err(self.error(comma, message));
                }
                Ok(false)
            }
            None => {
                let (line, _) = position(self.text, opening);
                let message =
                    format!("\"{}\" is missing for the bracket opened on line {line}; the file ends here", char::from(closing));
                Err(self.error(self.at, message))
            }
            Some(_) => {
                let message = format!("a comma or \"{}\" is expected", char::from(closing));
                Err(self.unexpected(&message))
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let opening = self.at;
        let mut result = String::new();
        self.at += 1;
        loop {
            let run = self.text.as_bytes()[self.at..].iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let Some(run) = run else {
                return Err(self.error(opening, "the text that begins here has no closing quote"));
            };
            result.push_str(&self.text[self.at..self.at + run]);
            self.at += run;
            match self.text.as_bytes()[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(result);
                }
                b'\\' => self.escape(opening, &mut result)?,
                b'\n' | b'\r' => {
                    return Err(self.error(self.at, "the line ends inside a text in quotes (a closing quote is missing)"));
                }
                b'\t' => return Err(self.error(self.at, "a tab stands inside a text in quotes; write \\t")),
                _ => return Err(self.error(self.at, "a control character stands inside a text in quotes")),
            }
        }
    }

    fn escape(&mut self, opening: usize, result: &mut String) -> Result<(), JsonError> {
        let backslash = self.at;
        let Some(letter) = self.text[backslash + 1..].chars().next() else {
            return Err(self.error(opening, "the text that begins here has no closing quote"));
        };
        self.at += 1 + letter.len_utf8();
        result.push(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode_escape(backslash)?,
            _ => return Err(self.error(backslash, format!("\"\\{letter}\" means nothing in JSON; write \"\\\\\" for a backslash"))),
        });
        Ok(())
    }

    fn unicode_escape(&mut self, backslash: usize) -> Result<char, JsonError> {
        let first = self.hex4().ok_or_else(|| self.error(backslash + 1, "four hexadecimal digits are expected after \"\\u\""))?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            match self.hex4() {
                Some(second @ 0xdc00..0xe000) => {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                // Not the other half: it is read again on its own.
                Some(_) => self.at = before,
                None => return Err(self.error(before + 1, "four hexadecimal digits are expected after \"\\u\"")),
            }
        }
        // Half a surrogate pair is no character. Python takes it, and fails when the text is handed to a program.
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(code)
    }

    fn word(&mut self) -> Result<Value, JsonError> {
        const WORDS: [(&str, Option<Value>); 5] = [
            ("null", Some(Value::Null)),
            ("true", Some(Value::Bool(true))),
            ("false", Some(Value::Bool(false))),
            ("NaN", None),
            ("Infinity", None),
        ];
        for (word, value) in WORDS {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value.unwrap_or_else(|| word.into()));
            }
        }
        Err(self.unexpected("a value is expected"))
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.text[start..].starts_with("-Infinity") {
            self.at += "-Infinity".len();
            return Ok("-Infinity".into());
        }
        let bytes = self.text.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut at = start + usize::from(bytes[start] == b'-');
        at += match bytes.get(at) {
            Some(b'0') => 1,
            Some(b'1'..=b'9') => digits(at),
            _ => return Err(self.unexpected("a value is expected")),
        };
        let mut whole = true;
        if bytes.get(at) == Some(&b'.') && digits(at + 1) > 0 {
            whole = false;
            at += 1 + digits(at + 1);
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = bytes.get(at + 1 + sign..).map_or(0, |_| digits(at + 1 + sign));
            if exponent > 0 {
                whole = false;
                at += 1 + sign + exponent;
            }
        }
        self.at = at;
        let text = &self.text[start..at];
        let integer = whole.then(|| text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok());
        let number = integer.flatten().or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
        // Python reads 1e999 as infinity.
        Ok(number.map_or_else(|| if text.starts_with('-') { "-Infinity" } else { "Infinity" }.into(), Value::Number))
    }
}

/// Adds a step to a JSON pointer (RFC 6901).
pub(crate) fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    for character in step.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

fn error_at(text: &str, at: usize, message: impl Into<String>) -> JsonError {
    let (line, column) = position(text, at);
    JsonError { message: message.into(), line, column, too_deep: false }
}

/// Line, and column in characters, of a byte offset, both from 1. Python opens the file as text, so `\r\n` and `\r` end a
/// line as `\n` does.
fn position(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..at];
    let line_start = before.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    // Between the two halves of `\r\n` there is no new line yet.
    let line = 1 + line_ends(text.as_bytes(), 0, at);
    let column = before[line_start..].chars().count() + 1;
    (line, u32::try_from(column).unwrap_or(u32::MAX))
}

/// How many lines end between two byte offsets; `\r\n` counts once, at its end.
fn line_ends(bytes: &[u8], from: usize, to: usize) -> u32 {
    let ends = (from..to).filter(|&at| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
    u32::try_from(ends.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_stand_where_python_puts_them() {
        // Lines and columns are those of CPython 3.11's `json.loads`, 3.13's for a comma too many.
        for (text, line, column, word) in [
            ("{", 1, 2, "key"),
            ("{]", 1, 2, "key"),
            ("{\"a\"", 1, 5, "colon"),
            ("{\"a\" 1}", 1, 6, "colon"),
            ("{\"a\": }", 1, 7, "value"),
            ("{\"a\": 1", 1, 8, "line 1"),
            ("{\"a\": 1 \"b\": 2}", 1, 9, "comma"),
            ("{\n  \"a\": 1\n  \"b\": 2\n}", 3, 3, "comma"),
            ("{\n  \"a\": 1,\n}", 2, 9, "too many"),
            ("[1,\n2,\n]", 2, 2, "too many"),
            ("{\"a\": \"b\nc\"}", 1, 9, "line ends"),
            ("{\"a\": \"b}", 1, 7, "closing quote"),
            ("{\"a\": \"\\x\"}", 1, 8, "\\x"),
            ("{\"a\": \"\\u12\"}", 1, 9, "hexadecimal"),
            ("{\"a\": tru}", 1, 7, "value"),
            ("{\"a\": 01}", 1, 8, "comma"),
            ("{\"a\": -}", 1, 7, "value"),
            ("{\"a\": 1.}", 1, 8, "comma"),
            ("{} {}", 1, 4, "more text"),
            ("{\"é\": 1, 'x': 2}", 1, 10, "key"),
            ("{\r\n\"a\": 1\r\n\"b\": 2}", 3, 1, "comma"),
            ("{\r\"a\": 1\r\"b\": 2}", 3, 1, "comma"),
            ("// hello\n{}", 1, 1, "comment"),
            ("{\n  # hello\n}", 2, 3, "comment"),
            ("\u{feff}{}", 1, 1, "byte order mark"),
            ("{\"a\": \"\t\"}", 1, 8, "tab"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text:?}: {}", error.message);
            assert!(error.message.contains(word), "{text:?}: {}", error.message);
        }
    }

    #[test]
    fn what_python_reads_is_read() {
        for (text, value) in [
            (" {} \n", json!({})),
            ("{\"a\": NaN, \"b\": [Infinity, -Infinity]}", json!({"a": "NaN", "b": ["Infinity", "-Infinity"]})),
            ("[1e999, -1e999]", json!(["Infinity", "-Infinity"])),
            (
                "[0, -0, 1.5, 1e3, 18446744073709551615, 123456789012345678901234567890]",
                json!([0, 0, 1.5, 1000.0, 18446744073709551615_u64, 1.2345678901234568e29]),
            ),
            ("\"\\u00e9\\ud83d\\ude00\\ud800x\\/\"", json!("é😀\u{fffd}x/")),
            ("{\"a\": 1, \"a\": 2}", json!({"a": 2})),
            ("\"\u{7f}\u{2028}\"", json!("\u{7f}\u{2028}")),
        ] {
            assert_eq!(parse(text).unwrap().value, value, "{text:?}");
        }
    }

    #[test]
    fn places_of_keys_and_elements_are_told() {
        let text = "{\n  \"a/b\": {\"x~\": 1},\n  \"list\": [\n    1,\n    {\"k\":\n 2}\n  ],\n  \"list\": 0\n}\n";
        let document = parse(text).unwrap();
        let lines: Vec<_> = document.lines.iter().map(|(pointer, line)| (pointer.as_str(), *line)).collect();
        assert_eq!(lines, [("/a~1b", 2), ("/a~1b/x~0", 2), ("/list", 8), ("/list/0", 4), ("/list/1", 5), ("/list/1/k", 5)]);
        assert_eq!(document.duplicate_keys, ["/list"]);
    }

    #[test]
    fn a_hundred_thousand_levels_are_too_deep() {
        let error = parse(&"[".repeat(100_000)).unwrap_err();
        assert!(error.too_deep);
        assert_eq!((error.line, error.column), (1, 1001));
        let deepest = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        assert!(parse(&deepest).is_ok());
    }

    #[test]
    fn what_is_nested_deep_is_read_and_not_kept() {
        let nested = |inner: &str| format!("{{\"a\": {}{inner}{}, \"b\": 1}}", "[".repeat(150), "]".repeat(150));
        for inner in ["", "1, {}", "{\"x\": [], \"y\": {\"z\": \"]\"}}, [ ]", "NaN , 1e999"] {
            let value = parse(&nested(inner)).unwrap().value;
            assert_eq!(value["b"], 1, "{inner}");
            let kept = serde_json::to_string(&value).unwrap();
            assert!(kept.contains(TOO_DEEP) && serde_json::from_str::<Value>(&kept).is_ok(), "{inner}");
        }
        for (inner, word) in [
            ("1 2", "comma"),
            ("{1: 2}", "key"),
            ("{\"a\" 1}", "colon"),
            ("{\"a\": 1,}", "too many"),
            ("{]", "key"),
            ("}", "value"),
        ] {
            let error = parse(&nested(inner)).unwrap_err();
            assert!(error.message.contains(word) && !error.too_deep, "{inner}: {}", error.message);
        }
    }

    #[test]
    fn a_long_key_over_many_elements_costs_little() {
        let text = format!("{{\"{}\": [{}0]}}", "k".repeat(500_000), "0,".repeat(250_000));
        let document = parse(&text).unwrap();
        assert!(document.lines.is_empty());
    }

    proptest! {
        #[test]
        fn whatever_serde_json_reads_is_read_alike(value in arbitrary_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(parse(&text).unwrap().value, value);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[\\[\\]{}\":,\\\\u0-9eE.+\\-a-f \n\r\tNIé\u{feff}]{0,60}") {
            let read = parse(&text);
            if let Ok(strict) = serde_json::from_str::<Value>(&text) {
                let read = read.unwrap().value;
                // serde_json reads -0 as a fraction, and other fractions not to the last bit.
                if !text.contains("-0") && !text.contains(['.', 'e', 'E']) {
                    prop_assert_eq!(read, strict);
                }
            }
        }
    }

    fn arbitrary_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((".{0,6}", inner), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect()))
            ]
        })
    }
}
