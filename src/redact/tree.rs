//! Going through a document by its schema: which texts are free, and which are words of the format.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::variables;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The facts of a machine.
    Facts,
    /// A whole report.
    Document,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'a> {
    /// The nearest key above it.
    pub(super) key: &'a str,
    /// The variable whose value it is, where it stands in a table of variables.
    pub(super) variable: Option<&'a str>,
    /// Whether it is an element of a command line that sets variables (`--env A=1`).
    pub(super) assignments: bool,
    /// Whether the keys of the table that stands here are names of machines: those for which a decision is recorded.
    pub(super) machines: bool,
}

impl Place<'_> {
    /// Whether a text means here what it means in most places.
    pub(super) fn is_plain(&self) -> bool {
        let special = self.variable.is_some() || self.assignments || self.holds_a_name() || self.holds_a_version();
        !special && !self.holds_an_image_id() && self.key != "picture"
    }

    /// Whether the text is a picture, written as a URI.
    pub(super) fn holds_a_picture(&self, text: &str) -> bool {
        self.key == "picture" && text.starts_with("data:image/png;base64,")
    }

    /// Whether the whole text is the name of a user or of a machine.
    pub(super) fn holds_a_name(&self) -> bool {
        matches!(self.key, "user" | "sudo_user" | "hostname" | "host" | HOST_OPTION)
    }

    /// Whether the whole text is the name of a display.
    pub(super) fn holds_a_display(&self) -> bool {
        self.variable == Some("DISPLAY") || (self.variable.is_none() && self.key == "display")
    }

    /// Whether numbers with dots are versions here, and not addresses.
    pub(super) fn holds_a_version(&self) -> bool {
        let key = self.key;
        key.ends_with("version")
            || key.ends_with("versions")
            || key.starts_with("version_")
            || matches!(key, "kernel" | "glibc" | "mesa" | "glsl")
    }

    /// Whether the text identifies an image or its content.
    pub(super) fn holds_an_image_id(&self) -> bool {
        matches!(self.key, "image_id" | "image_version" | "md5" | "compatibility" | "sha256")
    }
}

/// What is done with each free text: `Some` replaces it.
pub(super) type Change<'f> = dyn FnMut(&Place<'_>, &str) -> Option<String> + 'f;

/// The schema of a report, and in it that of the facts, as far as a walk reads it. It is written down, not made of the types
/// when it is needed: what makes it would be a twelfth of the program.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("schema.json")).unwrap_or_default());

/// Where the facts of a machine stand in it.
const FACTS: &str = "/$defs/Facts";

/// Where a configuration holds the decisions, by the names of machines, as a JSON pointer.
pub(super) const DECISIONS: &str = "/casa_doctor/decisions";

/// The key of a word that names a machine because of the option before it.
pub(super) const HOST_OPTION: &str = "--hostname";

/// Every word of the format: its keys and its closed lists of words.
fn words() -> Vec<&'static str> {
    fn gather(schema: &'static Value, words: &mut Vec<&'static str>) {
        match schema {
            Value::Object(map) => {
                words.extend(map.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str));
                words.extend(map.get("const").and_then(Value::as_str));
                words.extend(map.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
                map.iter().filter(|(key, _)| *key != "description").for_each(|(_, value)| gather(value, words));
            }
            Value::Array(list) => list.iter().for_each(|value| gather(value, words)),
            _ => {}
        }
    }
    let mut words = Vec::new();
    gather(&SCHEMA, &mut words);
    words
}

/// Keys that are nobody's name, wherever they stand: those of the format, and those of casa_distro.
pub(super) static KEYS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let casa_distro = [
        "casa_doctor",
        "container_gui_options",
        "container_options",
        "decisions",
        "distro",
        "env",
        "gui_env",
        "init_actions",
        "mounts",
        "set_for_stock",
        "system",
    ];
    words().into_iter().chain(casa_distro).collect()
});

/// Calls `change` with every free text of the value, keys of free tables included.
pub(super) fn walk(value: &mut Value, shape: Shape, change: &mut Change<'_>) {
    let schemas: Vec<&'static Value> = match shape {
        Shape::Facts => SCHEMA.pointer(FACTS).into_iter().collect(),
        Shape::Document => vec![&SCHEMA],
    };
    Walker { change }.value(value, &schemas, Place::default());
}

struct Walker<'f, 'c> {
    change: &'f mut Change<'c>,
}

type Schemas<'s> = [&'s Value];

impl Walker<'_, '_> {
    /// Goes on with a value that obeys one of these schemas; none at all means that anything may stand there.
    fn value(&mut self, value: &mut Value, schemas: &Schemas<'static>, place: Place<'_>) {
        match value {
            Value::String(text) => {
                let plain = self.plain(schemas, &Value::Null);
                // An id is a word of the format also where its schema is not ours.
                let is_word = place.key == "id" || plain.iter().any(|schema| is_word(schema, text));
                if !is_word && let Some(changed) = (self.change)(&place, text) {
                    *text = changed;
                }
            }
            Value::Array(list) => {
                let plain = self.plain(schemas, &Value::Array(Vec::new()));
                let items: Vec<&'static Value> = plain.iter().filter_map(|schema| schema.get("items")).collect();
                let mut option = String::new();
                for element in list {
                    let text = element.as_str().unwrap_or_default();
                    let assignments = matches!(option.as_str(), "--env" | "-e") || text.starts_with("--env=");
                    // That of a container tells whose it is.
                    let is_host = matches!(option.as_str(), "--hostname" | "-h" | "--add-host") && element.is_string();
                    let key = if is_host { HOST_OPTION } else { place.key };
                    text.clone_into(&mut option);
                    self.value(element, &items, Place { assignments, key, ..place });
                }
            }
            Value::Object(map) => {
                let seen = Value::Object(tags(map));
                let plain = self.plain(schemas, &seen);
                self.object(map, &plain, place);
            }
            Value::Number(number) if place.variable.is_some_and(|name| !variables::may_be_told(name)) => *number = 0.into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn object(&mut self, map: &mut Map<String, Value>, plain: &Schemas<'static>, place: Place<'_>) {
        let are_variables = matches!(place.key, "env" | "gui_env");
        let is_edit_of_decisions = map.get("key").is_some_and(|key| key == DECISIONS);
        let old = std::mem::take(map);
        for (key, mut value) in old {
            let named: Vec<&'static Value> = plain.iter().filter_map(|schema| schema.get("properties")?.get(&key)).collect();
            let free = named.is_empty();
            let below: Vec<&'static Value> =
                if free { plain.iter().filter_map(|schema| schema.get("additionalProperties")).collect() } else { named };
            let variable = are_variables.then_some(key.as_str());
            // A free table's key tells nothing of what its texts mean.
            let told = if free && !below.is_empty() { place.key } else { key.as_str() };
            let machines = (free && key == "decisions") || (is_edit_of_decisions && matches!(key.as_str(), "from" | "to"));
            self.value(&mut value, &below, Place { key: told, variable, machines, ..Place::default() });
            // The table of unknowns names fields.
            let is_ours = place.key == "unknown" || variables::is_told_by_name(&key) || KEYS.contains(key.as_str());
            let new = if place.machines {
                // A machine may be called like a word of the format, or like any other word.
                (self.change)(&Place { key: "hostname", ..Place::default() }, &key).unwrap_or(key)
            } else if free && !is_ours {
                (self.change)(&Place { key: place.key, ..Place::default() }, &key).unwrap_or(key)
            } else {
                key
            };
            map.insert(unused(map, new), value);
        }
    }

    /// The schemas without references and alternatives, as far as they may be about this value.
    fn plain(&self, schemas: &Schemas<'static>, value: &Value) -> Vec<&'static Value> {
        let mut plain = Vec::new();
        for schema in schemas {
            self.resolve(schema, value, &mut plain);
        }
        plain
    }

    fn resolve(&self, schema: &'static Value, value: &Value, plain: &mut Vec<&'static Value>) {
        let Some(map) = schema.as_object() else { return };
        if let Some(reference) = map.get("$ref").and_then(Value::as_str)
            && let Some(target) = SCHEMA.pointer(reference.trim_start_matches('#'))
        {
            self.resolve(target, value, plain);
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for alternative in map.get(key).and_then(Value::as_array).into_iter().flatten() {
                if key == "allOf" || fits(alternative, value) {
                    self.resolve(alternative, value, plain);
                }
            }
        }
        plain.push(schema);
    }
}

/// The members of an object by which alternatives are told apart.
fn tags(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().filter(|(_, value)| value.is_string()).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether an alternative may be about an object with these members.
fn fits(schema: &Value, value: &Value) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().all(|(key, property)| match property.get("const") {
        None => true,
        Some(tag) => value.get(key) == Some(tag),
    })
}

fn is_word(schema: &Value, text: &str) -> bool {
    schema.get("const").is_some_and(|word| word == text)
        || schema.get("enum").and_then(Value::as_array).is_some_and(|words| words.iter().any(|word| word == text))
}

/// The key, with a number where it stands already: no entry may be lost.
fn unused(map: &Map<String, Value>, key: String) -> String {
    if !map.contains_key(&key) {
        return key;
    }
    (2..).map(|number| format!("{key} ({number})")).find(|other| !map.contains_key(other)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{json, samples};

    /// Leaves out what no walk reads.
    fn bare(schema: Value) -> Value {
        match schema {
            Value::Object(map) => {
                map.into_iter().filter_map(|(key, value)| Some((key.clone(), of_keyword(&key, value)?))).collect()
            }
            Value::Array(list) => list.into_iter().map(bare).collect(),
            other => other,
        }
    }

    fn of_keyword(keyword: &str, value: Value) -> Option<Value> {
        match (keyword, value) {
            ("properties" | "$defs", Value::Object(table)) => {
                Some(table.into_iter().map(|(name, schema)| (name, bare(schema))).collect())
            }
            ("items" | "additionalProperties" | "allOf" | "anyOf" | "oneOf", value) => Some(bare(value)),
            ("$ref" | "const" | "enum", value) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn the_schema_that_is_walked_is_that_of_the_types() {
        let schema = bare(serde_json::from_str(&json::schema().unwrap()).unwrap());
        samples::compare_with_shipped("src/redact/schema.json", &format!("{schema}\n"));
        assert!(schema.pointer(FACTS).is_some_and(|facts| facts.get("properties").is_some()));
    }
}
