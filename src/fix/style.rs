//! How a JSON text is written, so that what is added to it looks like what is there.

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged;
use serde_json::Value;

/// The habits of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Style {
    /// What one more level is indented by.
    pub(super) unit: String,
    /// How lines end.
    pub(super) newline: &'static str,
    /// What stands between a key and its value.
    pub(super) colon: String,
    /// Whether the text is pure ASCII. It is kept so: in the C locale an old Python reads nothing else.
    ascii: bool,
}

impl Style {
    /// The habits of a text: four spaces where it shows none, as casa_distro itself writes.
    pub(super) fn of(text: &str, root: &Ast<'_>) -> Self {
        let newline = if text.contains("\r\n") {
            "\r\n"
        } else if text.contains('\r') && !text.contains('\n') {
            "\r"
        } else {
            "\n"
        };
        Self {
            unit: unit(text, root).unwrap_or_else(|| "    ".to_owned()),
            newline,
            colon: first_colon(text, root).unwrap_or_else(|| ": ".to_owned()),
            ascii: text.is_ascii(),
        }
    }

    /// What follows a comma on one line.
    pub(super) fn after_comma(&self) -> &'static str {
        if self.colon.ends_with(':') { "" } else { " " }
    }

    /// A value as text: on one line without `indent`, else with the lines after the first indented for a member that stands
    /// at `indent`.
    pub(super) fn value(&self, value: &Value, indent: Option<&str>) -> String {
        let mut out = String::new();
        self.write(&mut out, value, indent);
        out
    }

    /// A text as JSON string.
    pub(super) fn string(&self, text: &str) -> String {
        let quoted = Value::from(text).to_string();
        if !self.ascii || quoted.is_ascii() {
            return quoted;
        }
        let mut escaped = String::new();
        for unit in quoted.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => escaped.push(char::from(byte)),
                _ => escaped.push_str(&format!("\\u{unit:04x}")),
            }
        }
        escaped
    }

    fn write(&self, out: &mut String, value: &Value, indent: Option<&str>) {
        match value {
            Value::String(text) => out.push_str(&self.string(text)),
            Value::Array(elements) => {
                let items = elements.iter().map(|element| (None, element));
                self.write_items(out, "[", "]", items, indent);
            }
            Value::Object(members) => {
                let items = members.iter().map(|(name, member)| (Some(name.as_str()), member));
                self.write_items(out, "{", "}", items, indent);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        }
    }

    fn write_items<'v>(
        &self,
        out: &mut String,
        open: &str,
        close: &str,
        items: impl Iterator<Item = (Option<&'v str>, &'v Value)>,
        indent: Option<&str>,
    ) {
        let inner = indent.map(|indent| format!("{indent}{}", self.unit));
        out.push_str(open);
        let mut first = true;
        for (name, value) in items {
            if !first {
                out.push(',');
            }
            match &inner {
                Some(inner) => out.extend([self.newline, inner]),
                None if !first => out.push_str(self.after_comma()),
                None => {}
            }
            first = false;
            if let Some(name) = name {
                out.push_str(&self.string(name));
                out.push_str(&self.colon);
            }
            self.write(out, value, inner.as_deref());
        }
        if let (Some(indent), false) = (indent, first) {
            out.extend([self.newline, indent]);
        }
        out.push_str(close);
    }
}

/// The white space with which the line of a place begins.
pub(super) fn line_indent(text: &str, place: usize) -> &str {
    let start = text[..place].rfind(['\n', '\r']).map_or(0, |newline| newline + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Whether a place is the first on its line.
pub(super) fn begins_line(text: &str, place: usize) -> bool {
    text[..place].trim_end_matches([' ', '\t']).ends_with(['\n', '\r'])
}

/// The parts of a value: where each begins, and its own value.
fn parts<'a>(value: &'a Ast<'a>) -> Vec<(usize, &'a Ast<'a>)> {
    match value {
        Ast::Object(object) => object.properties.iter().map(|member| (member.range.start, &member.value)).collect(),
        Ast::Array(array) => array.elements.iter().map(|element| (element.range().start, element)).collect(),
        _ => Vec::new(),
    }
}

/// The indentation of the first part that stands on a line of its own, less that of what it is a part of.
fn unit(text: &str, value: &Ast<'_>) -> Option<String> {
    let outer = line_indent(text, value.range().start);
    parts(value).into_iter().find_map(|(start, part)| {
        let here = || {
            let inner = begins_line(text, start).then(|| line_indent(text, start).strip_prefix(outer))??;
            (!inner.is_empty()).then(|| inner.to_owned())
        };
        here().or_else(|| unit(text, part))
    })
}

/// What stands between the first key and its value that are on one line; columns that were aligned by hand count as one space.
fn first_colon(text: &str, value: &Ast<'_>) -> Option<String> {
    if let Ast::Object(object) = value {
        let mut members = object.properties.iter();
        let colon = members.find_map(|member| {
            let colon = &text[member.name.range().end..member.value.range().start];
            let space = |spaces: &str| if spaces.is_empty() { "" } else { " " };
            let (before, after) = colon.split_once(':').filter(|_| !colon.contains(['\n', '\r']))?;
            Some(format!("{}:{}", space(before), space(after)))
        });
        if colon.is_some() {
            return colon;
        }
    }
    parts(value).into_iter().find_map(|(_, part)| first_colon(text, part))
}
