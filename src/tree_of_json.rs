//! Facts and documents as trees of JSON and back, by way of their text.
//!
//! serde_json can do both without the text. But each of its ways is compiled anew for every type of the facts, and those of the text
//! are there anyhow, for recordings and reports: a second pair would make the program a tenth larger.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a report or a recording of this would say, as a tree.
///
/// # Errors
///
/// As [`serde_json::to_value`].
pub(crate) fn from<T: Serialize>(value: &T) -> serde_json::Result<Value> {
    serde_json::from_slice(&serde_json::to_vec_pretty(value)?)
}

/// The facts or the document that a tree tells.
///
/// # Errors
///
/// When it tells something else.
pub(crate) fn into<T: DeserializeOwned>(tree: &Value) -> serde_json::Result<T> {
    serde_json::from_slice(&serde_json::to_vec(tree)?)
}
