//! Changing the text of one JSON file so that every byte that no edit speaks of stays.

use casa_doctor_checks::finding::{Change, Edit};
use serde_json::Value;

use super::mask::masked;
use super::settle::{self, Settled};
use super::tree::Node;
use super::{text, value};
use crate::casa_distro;

/// Why edits cannot be applied to a text. Values are never told: they may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditError {
    /// The text begins with a byte order mark.
    #[error("the file begins with a byte order mark (BOM), which casa_distro cannot read: save it as plain UTF-8")]
    ByteOrderMark,
    /// The text is no JSON.
    #[error("line {line}, column {column}: {message}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 where the line itself is not there.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// An edit's key is no JSON pointer.
    #[error("\"{key}\" is not a JSON pointer (asked for by {because})")]
    BadPointer {
        /// The key.
        key: String,
        /// Who asks.
        because: String,
    },
    /// An edit names no key but the whole file.
    #[error("{because} asks to change the whole file at once")]
    WholeFile {
        /// Who asks.
        because: String,
    },
    /// Something else stands where an edit needs an object or a list.
    #[error("\"{key}\" is {found} where {because} needs {wanted}")]
    WrongKind {
        /// The place.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
        /// Who asks.
        because: String,
    },
    /// An edit changes an element that the list does not have.
    #[error("\"{key}\" is not in the list, yet {because} asks to change it")]
    NoElement {
        /// The place.
        key: String,
        /// Who asks.
        because: String,
    },
    /// An edit renames an element of a list.
    #[error("\"{key}\" is an element of a list and has no name that {because} could change")]
    NoName {
        /// The place.
        key: String,
        /// Who asks.
        because: String,
    },
    /// The new name of a key exists, and the two values are not two objects.
    #[error("\"{key}\" cannot become \"{to}\", which exists already and cannot be merged with it (asked for by {because})")]
    CannotMerge {
        /// The place.
        key: String,
        /// The new name.
        to: String,
        /// Who asks.
        because: String,
    },
    /// Two edits contradict each other.
    #[error("{first} and {second}: these changes exclude each other")]
    Clash {
        /// What the one asks for, and for which reason.
        first: String,
        /// What the other asks for, and for which reason.
        second: String,
    },
    /// The changed text does not say what it should: a mistake of ours, and the text is not used.
    #[error("internal error: the changed text does not say what it should ({0}); nothing was written")]
    Internal(String),
}

impl EditError {
    /// Two edits that contradict each other.
    pub(super) fn clash(first: &Edit, second: &Edit) -> Self {
        Self::Clash { first: in_words(first), second: in_words(second) }
    }
}

fn in_words(edit: &Edit) -> String {
    let Edit { key, change, because, .. } = edit;
    match change {
        Change::Set { .. } => format!("{because} sets \"{key}\""),
        Change::Remove => format!("{because} removes \"{key}\""),
        Change::Rename { to } => format!("{because} renames \"{key}\" to \"{to}\""),
        Change::Append { .. } => format!("{because} adds to the list \"{key}\""),
    }
}

/// Applies edits to the text of one JSON file. Which file an edit names is not looked at.
///
/// All places are those of the text as it is, before any edit. Edits whose outcome is already there change nothing.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let document = parse(text)?;
    let settled = settle::settle(Node::gather(edits)?, &document, &mut Vec::new())?;
    if settled == Settled::Untouched {
        return Ok(text.to_owned());
    }
    let changed = text::changed(text, &settled)?;
    let expected = value::applied(document, &settled);
    match parse(&changed) {
        Ok(says) if says == expected => Ok(changed),
        Ok(_) => Err(EditError::Internal("it differs from the expected value".into())),
        Err(error) => Err(EditError::Internal(error.to_string())),
    }
}

/// Reads strict JSON, as Python's `json` module and with it casa_distro demands: no comments, no trailing commas. What Python
/// takes beyond JSON, and no edit is about, is read as something plain.
fn parse(text: &str) -> Result<Value, EditError> {
    if text.starts_with('\u{feff}') {
        return Err(EditError::ByteOrderMark);
    }
    let masked = masked(text);
    if masked != text {
        // What is hidden has been read by nobody yet.
        casa_distro::check_json(text).map_err(|(line, column, message)| EditError::NotJson { line, column, message })?;
    }
    serde_json::from_str(&masked).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let at = text.lines().nth(line.saturating_sub(1)).and_then(|text| text.get(column.saturating_sub(1)..)).unwrap_or("");
        if ["NaN", "Infinity"].iter().any(|word| at.starts_with(word)) {
            let message = "NaN and Infinity are no JSON, though casa_distro reads them: write a number".to_owned();
            return EditError::NotJson { line, column, message };
        }
        let message = error.to_string();
        let place = format!(" at line {line} column {column}");
        EditError::NotJson { line, column, message: message.strip_suffix(&place).unwrap_or(&message).to_owned() }
    })
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
