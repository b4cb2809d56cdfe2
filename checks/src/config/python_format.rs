//! The brace language of Python's `str.format`, as far as casa_distro 3.x meets it.
//!
//! casa_distro runs `text.format(**config)` over every value of `env` and `gui_env` and over both sides of every mount
//! (its `singularity.py`, function `run`), and dies with a traceback when that fails. The grammar here is that of CPython's
//! `Objects/stringlib/unicode_format.h`.

use serde_json::{Map, Value};

/// A piece of a text that `str.format` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Text that stays as it is.
    Text(&'a str),
    /// A doubled brace, which becomes a single one.
    Brace(char),
    /// A replacement field.
    Field(Field<'a>),
}

/// A replacement field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// What is looked up, such as `name` or `env[HOME]`.
    pub name: &'a str,
    /// The conversion after `!`.
    pub conversion: Option<char>,
    /// The format after `:`; empty when there is none.
    pub spec: &'a str,
}

/// Takes a text apart as `str.format` does, or tells with Python's own words why it cannot.
///
/// # Errors
///
/// The text of Python's `ValueError`.
pub fn parse(text: &str) -> Result<Vec<Segment<'_>>, String> {
    let mut rest = text;
    std::iter::from_fn(|| next_segment(&mut rest)).collect()
}

/// The first segment of a text, which is cut off; `None` at its end. After an error there is nothing more to read.
fn next_segment<'a>(rest: &mut &'a str) -> Option<Result<Segment<'a>, String>> {
    let text = *rest;
    let brace = text.chars().next()?;
    if !matches!(brace, '{' | '}') {
        let (before, after) = text.split_at(text.find(['{', '}']).unwrap_or(text.len()));
        *rest = after;
        return Some(Ok(Segment::Text(before)));
    }
    let after = &text[1..];
    if let Some(after) = after.strip_prefix(brace) {
        *rest = after;
        return Some(Ok(Segment::Brace(brace)));
    }
    *rest = "";
    Some(if brace == '}' || after.is_empty() {
        Err(format!("Single '{brace}' encountered in format string"))
    } else {
        parse_field(after).map(|(field, length)| {
            *rest = &after[length..];
            Segment::Field(field)
        })
    })
}

/// Takes the field apart that begins after an opening brace; tells how many bytes it has, closing brace included.
fn parse_field(text: &str) -> Result<(Field<'_>, usize), String> {
    let mut in_index = false;
    let mut end_of_name = None;
    for (at, character) in text.char_indices() {
        match character {
            ']' if in_index => in_index = false,
            _ if in_index => {}
            '[' => in_index = true,
            '{' => return Err("unexpected '{' in field name".to_owned()),
            '}' | ':' | '!' => {
                end_of_name = Some((at, character));
                break;
            }
            _ => {}
        }
    }
    let Some((at, end)) = end_of_name else { return Err("expected '}' before end of string".to_owned()) };
    let name = &text[..at];
    let mut position = at + 1;
    let mut conversion = None;
    match end {
        '}' => return Ok((Field { name, conversion, spec: "" }, position)),
        '!' => {
            let mut characters = text[position..].chars();
            let letter = characters.next().ok_or("end of string while looking for conversion specifier")?;
            position += letter.len_utf8();
            conversion = Some(letter);
            match characters.next() {
                Some('}') => return Ok((Field { name, conversion, spec: "" }, position + 1)),
                Some(':') => position += 1,
                Some(_) => return Err("expected ':' after conversion specifier".to_owned()),
                None => return Err("unmatched '{' in format spec".to_owned()),
            }
        }
        _ => {}
    }
    let mut depth = 1;
    for (at, character) in text[position..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let spec = &text[position..position + at];
            return Ok((Field { name, conversion, spec }, position + at + 1));
        }
    }
    Err("unmatched '{' in format spec".to_owned())
}

/// Looks a field up in the merged configuration and gives the text that Python would put in its place.
///
/// # Errors
///
/// The Python exception that stock casa_distro would die with, such as `KeyError: 'HOME'`.
pub fn look_up(field: &Field<'_>, merged: &Value) -> Result<String, String> {
    let first_end = field.name.find(['.', '[']).unwrap_or(field.name.len());
    let first = &field.name[..first_end];
    if first.is_empty() || first.bytes().all(|byte| byte.is_ascii_digit()) {
        let index = if first.is_empty() { "0" } else { first };
        return Err(format!("IndexError: Replacement index {index} out of range for positional args tuple"));
    }
    let mut value = merged.get(first).ok_or_else(|| format!("KeyError: {}", python_quoted(first)))?;
    let mut rest = &field.name[first_end..];
    while !rest.is_empty() {
        let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
            return Err(format!("AttributeError: {} has no attribute", python_quoted(first)));
        };
        if !(after.is_empty() || after.starts_with(['.', '['])) {
            return Err("ValueError: Only '.' or '[' may follow ']' in format field specifier".to_owned());
        }
        let found = match value {
            Value::Object(map) => map.get(index),
            Value::Array(list) => index.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        };
        value = found.ok_or_else(|| format!("KeyError: {}", python_quoted(index)))?;
        rest = after;
    }
    if !matches!(field.conversion, None | Some('s')) || !is_plain_spec(field.spec) {
        return Err(format!("ValueError: the format of {} is not supported", python_quoted(field.name)));
    }
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        // Python writes lists and dictionaries in its own notation; nobody wants them inside a path, so the difference to
        // JSON is not worth the code.
        other => other.to_string(),
    })
}

/// Formats that leave a text as it is.
fn is_plain_spec(spec: &str) -> bool {
    matches!(spec, "" | "s")
}

/// A text as Python's `repr` writes simple ones.
fn python_quoted(text: &str) -> String {
    if text.contains('\'') && !text.contains('"') { format!("\"{text}\"") } else { format!("'{}'", text.replace('\'', "\\'")) }
}

/// Whether stock casa_distro 3.x can read the text.
///
/// # Errors
///
/// The exception that it would die with.
pub fn stock_reads(text: &str, merged: &Value) -> Result<(), String> {
    let mut rest = text;
    // One after the other, as Python goes: of several troubles the first one is told.
    while let Some(segment) = next_segment(&mut rest) {
        if let Segment::Field(field) = segment.map_err(|message| format!("ValueError: {message}"))? {
            look_up(&field, merged)?;
        }
    }
    Ok(())
}

/// Whether a text is a variable's name as shells and `os.path.expandvars` know them.
#[must_use]
pub fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|other| other.is_ascii_alphanumeric() || other == '_')
}

/// A reference to a variable of the host inside a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariableReference<'a> {
    /// Where the `$` stands, in bytes.
    pub start: usize,
    /// Where the reference ends, in bytes.
    pub end: usize,
    /// The variable's name.
    pub name: &'a str,
    /// How it is written.
    pub style: Style,
}

/// How a reference to a variable is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `$NAME`, which casa_distro reads.
    Bare,
    /// `${NAME}`, which casa_distro 3.x cannot read although its documentation advises it.
    Braces,
    /// `${{NAME}}`, which casa_distro 3.x reads as `${NAME}`.
    DoubledBraces,
}

/// Every reference to a variable of the host, in order. A `$` before anything but a name stays what it is.
#[must_use]
pub fn variable_references(text: &str) -> Vec<VariableReference<'_>> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(dollar) = text[position..].find('$').map(|at| position + at) {
        let after = &text[dollar + 1..];
        let reference = braced(after, "{{", "}}")
            .map(|(name, length)| (name, length, Style::DoubledBraces))
            .or_else(|| braced(after, "{", "}").map(|(name, length)| (name, length, Style::Braces)))
            .or_else(|| {
                let length = after.find(|other: char| !(other.is_ascii_alphanumeric() || other == '_')).unwrap_or(after.len());
                is_variable_name(&after[..length]).then_some((&after[..length], length, Style::Bare))
            });
        position = dollar + 1;
        if let Some((name, length, style)) = reference {
            position += length;
            found.push(VariableReference { start: dollar, end: position, name, style });
        }
    }
    found
}

/// A name between these delimiters at the beginning of a text, with the length of all of it.
fn braced<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, usize)> {
    let inner = text.strip_prefix(open)?;
    let end = inner.find(['{', '}'])?;
    let name = &inner[..end];
    (inner[end..].starts_with(close) && is_variable_name(name)).then_some((name, open.len() + end + close.len()))
}

/// What a text with braces means, read with good will: what its author wrote it for, not what stock casa_distro makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Literal text; doubled braces are single here already.
    Text(&'a str),
    /// A literal brace.
    Brace(char),
    /// A key of the configuration.
    Key(Field<'a>),
    /// A variable of the host.
    Variable(VariableReference<'a>),
}

/// Takes a text apart by its meaning.
///
/// `${NAME}` is the variable NAME. When everything else is what `str.format` takes, that is its meaning; otherwise the
/// author did not think of `str.format` at all (a piece of JSON, a shell prompt), and every brace that does not enclose a
/// known key is a literal one.
#[must_use]
pub fn pieces<'a>(text: &'a str, merged: &Value) -> Vec<Piece<'a>> {
    let formatted = between_references(text).iter().all(|part| match part {
        Ok(part) => stock_reads(part, merged).is_ok(),
        Err(_) => true,
    });
    let mut pieces = Vec::new();
    for part in between_references(text) {
        match part {
            Err(reference) => pieces.push(Piece::Variable(reference)),
            Ok(part) if formatted => {
                for segment in parse(part).unwrap_or_default() {
                    pieces.push(match segment {
                        Segment::Text(text) => Piece::Text(text),
                        Segment::Brace(brace) => Piece::Brace(brace),
                        Segment::Field(field) => Piece::Key(field),
                    });
                }
            }
            Ok(part) => literal_pieces(part, merged, &mut pieces),
        }
    }
    pieces
}

/// The text between references to variables (`Ok`) and these references (`Err`), in order.
fn between_references(text: &str) -> Vec<Result<&str, VariableReference<'_>>> {
    let mut parts = Vec::new();
    let mut position = 0;
    for reference in variable_references(text) {
        if reference.start > position {
            parts.push(Ok(&text[position..reference.start]));
        }
        parts.push(Err(reference));
        position = reference.end;
    }
    if position < text.len() {
        parts.push(Ok(&text[position..]));
    }
    parts
}

fn literal_pieces<'a>(text: &'a str, merged: &Value, pieces: &mut Vec<Piece<'a>>) {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let known_key = rest[at..].strip_prefix('{').and_then(|inner| {
            let end = inner.find(['{', '}'])?;
            let name = &inner[..end];
            let known = inner[end..].starts_with('}') && merged.as_object().is_some_and(|map: &Map<_, _>| map.contains_key(name));
            known.then_some(name)
        });
        if let Some(name) = known_key {
            pieces.push(Piece::Key(Field { name, conversion: None, spec: "" }));
            rest = &rest[at + name.len() + 2..];
        } else {
            pieces.push(Piece::Brace(if rest.as_bytes()[at] == b'{' { '{' } else { '}' }));
            rest = &rest[at + 1..];
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
}

/// The text written so that stock casa_distro 3.x reads what [`pieces`] reads.
#[must_use]
pub fn repaired(text: &str, merged: &Value) -> String {
    let pieces = pieces(text, merged);
    let mut result = String::with_capacity(text.len() + 8);
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => result.push_str(text),
            Piece::Brace(brace) => result.extend([*brace, *brace]),
            Piece::Key(field) => {
                result.push('{');
                result.push_str(field.name);
                if let Some(conversion) = field.conversion {
                    result.extend(['!', conversion]);
                }
                if !field.spec.is_empty() {
                    result.push(':');
                    result.push_str(field.spec);
                }
                result.push('}');
            }
            Piece::Variable(reference) => match reference.style {
                Style::Braces if !continues_name(pieces.get(index + 1)) => {
                    result.push('$');
                    result.push_str(reference.name);
                }
                Style::Braces => {
                    result.push_str("${{");
                    result.push_str(reference.name);
                    result.push_str("}}");
                }
                Style::Bare | Style::DoubledBraces => result.push_str(&text[reference.start..reference.end]),
            },
        }
    }
    result
}

/// Whether what follows would become part of a bare `$NAME`. The value of a key may begin with anything.
fn continues_name(next: Option<&Piece<'_>>) -> bool {
    match next {
        Some(Piece::Text(text)) => text.starts_with(|other: char| other.is_ascii_alphanumeric() || other == '_'),
        Some(Piece::Key(_)) => true,
        Some(Piece::Brace(_) | Piece::Variable(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged() -> Value {
        json!({"name": "brainvisa-5.1", "system": "ubuntu-22.04", "directory": "/env", "n": 3, "b": true,
               "env": {"A": "a"}, "config_files": ["/env/conf/casa_distro.json"]})
    }

    #[test]
    fn stock_reading_agrees_with_python_3_11() {
        // The second column was made by running `text.format(**config)`.
        for (text, python) in [
            ("plain", Ok(())),
            ("{name}/{directory}", Ok(())),
            ("{n} {b} {env[A]} {config_files[0]}", Ok(())),
            ("{{literal}}", Ok(())),
            ("${{HOME}}", Ok(())),
            ("${HOME}", Err("KeyError: 'HOME'")),
            ("{\"a\": 1}", Err("KeyError: '\"a\"'")),
            ("{", Err("ValueError: Single '{' encountered in format string")),
            ("}", Err("ValueError: Single '}' encountered in format string")),
            ("{name", Err("ValueError: expected '}' before end of string")),
            ("{name:", Err("ValueError: unmatched '{' in format spec")),
            ("{a{b}}", Err("ValueError: unexpected '{' in field name")),
            ("{name!}", Err("ValueError: unmatched '{' in format spec")),
            ("{env[B]}", Err("KeyError: 'B'")),
        ] {
            assert_eq!(stock_reads(text, &merged()), python.map_err(str::to_owned), "{text}");
        }
        for text in ["{}", "{0}", "{:>4}"] {
            assert!(stock_reads(text, &merged()).unwrap_err().starts_with("IndexError"), "{text}");
        }
    }

    #[test]
    fn repaired_text_is_read_by_stock_and_keeps_its_meaning() {
        for (text, expected) in [
            ("${HOME}", "$HOME"),
            ("${HOME}/data", "$HOME/data"),
            ("${HOME}_old", "${{HOME}}_old"),
            ("${A}${B}", "$A$B"),
            ("${A}{name}", "${{A}}{name}"),
            ("${{A}}/${B}", "${{A}}/$B"),
            ("{directory}/${USER}", "{directory}/$USER"),
            ("{\"a\": {\"b\": 1}}", "{{\"a\": {{\"b\": 1}}}}"),
            ("{\"dir\": \"{directory}\"}", "{{\"dir\": \"{directory}\"}}"),
            ("{{kept}}", "{{kept}}"),
            ("}", "}}"),
            ("$HOME and $ and $5", "$HOME and $ and $5"),
            ("é${HOME}é", "é$HOMEé"),
        ] {
            let repaired = repaired(text, &merged());
            assert_eq!(repaired, expected, "{text}");
            assert_eq!(stock_reads(&repaired, &merged()), Ok(()), "{text}");
            assert_eq!(super::repaired(&repaired, &merged()), repaired, "{text} is repaired twice");
        }
    }
}
