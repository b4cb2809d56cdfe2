//! The form in which a plug-in answers.

use serde::Deserialize;
use serde_json::Value;

use super::is_id;
use crate::finding::Severity;

/// More findings than this of one plug-in would bury everything else.
const MOST_FINDINGS: usize = 50;
/// More than a line or a paragraph can hold.
const LONGEST_TITLE: usize = 200;

/// One finding of a plug-in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) why: String,
    #[serde(default)]
    pub(super) evidence: Vec<String>,
    #[serde(default)]
    pub(super) advice: Vec<ItemAdvice>,
    #[serde(default)]
    pub(super) docs: Option<String>,
}

/// One thing to do, as a plug-in says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemAdvice {
    pub(super) text: String,
    #[serde(default)]
    pub(super) command: Option<String>,
}

/// Reads an answer: a list of findings, or an object with that list under `findings`. The error names the place.
pub(super) fn read(answer: &Value) -> Result<Vec<Item>, String> {
    let list = match answer {
        Value::Array(list) => list,
        Value::Object(object) => match (object.get("findings"), object.keys().find(|key| *key != "findings")) {
            (_, Some(key)) => return Err(format!("the key \"{key}\" is not known; the answer has one key, \"findings\"")),
            (Some(Value::Array(list)), None) => list,
            _ => return Err("\"findings\" must be a list".to_owned()),
        },
        _ => return Err("expected a list of findings; an empty list says that nothing is wrong".to_owned()),
    };
    if list.len() > MOST_FINDINGS {
        return Err(format!("{} findings; {MOST_FINDINGS} are the most that one plug-in may give", list.len()));
    }
    list.iter().enumerate().map(|(index, value)| item(value).map_err(|reason| format!("finding {}: {reason}", index + 1))).collect()
}

fn item(value: &Value) -> Result<Item, String> {
    let item = Item::deserialize(value).map_err(|error| error.to_string())?;
    if !is_id(&item.id) {
        return Err(format!("the id {:?} must be small letters and digits, with single hyphens between them", item.id));
    }
    if item.title.trim().is_empty() || item.title.contains('\n') || item.title.chars().count() > LONGEST_TITLE {
        return Err(format!("{}: the title must be one line of at most {LONGEST_TITLE} characters", item.id));
    }
    if item.why.trim().is_empty() {
        return Err(format!("{}: \"why\" must say why it matters", item.id));
    }
    Ok(item)
}
