//! Making settled changes on a parsed document: what the changed text must say.

use serde_json::{Map, Value};

use super::settle::{ListChange, ObjectChange, Settled};

/// The value after its changes.
pub(super) fn applied(value: Value, settled: &Settled) -> Value {
    match (value, settled) {
        (_, Settled::Replaced(to)) => to.clone(),
        (Value::Object(members), Settled::Object(change)) => Value::Object(object(&members, change)),
        (Value::Array(elements), Settled::List(change)) => Value::Array(list(elements, change)),
        (value, _) => value,
    }
}

fn object(members: &Map<String, Value>, change: &ObjectChange) -> Map<String, Value> {
    let mut changed = Map::new();
    for (name, value) in members {
        if change.removed.contains(name) || change.merged.contains_key(name) {
            continue;
        }
        let mut after = changed_member(name, value, change);
        for (from, _) in change.merged.iter().filter(|(_, into)| *into == name) {
            let source = members.get(from).map(|source| changed_member(from, source, change));
            merge(&mut after, value, source);
        }
        changed.insert(change.renamed.get(name).unwrap_or(name).clone(), after);
    }
    changed.extend(change.added.iter().cloned());
    changed
}

fn changed_member(name: &str, value: &Value, change: &ObjectChange) -> Value {
    change.changed.get(name).map_or_else(|| value.clone(), |settled| applied(value.clone(), settled))
}

/// Adds the entries of `source` whose names neither `before` nor `after` knows.
fn merge(after: &mut Value, before: &Value, source: Option<Value>) {
    if let (Value::Object(after), Some(Value::Object(source))) = (after, source) {
        for (name, value) in source {
            if before.get(&name).is_none() && !after.contains_key(&name) {
                after.insert(name, value);
            }
        }
    }
}

fn list(elements: Vec<Value>, change: &ListChange) -> Vec<Value> {
    let kept = elements.into_iter().enumerate().filter(|(index, _)| !change.removed.contains(index));
    let changed = kept.map(|(index, element)| match change.changed.get(&index) {
        Some(settled) => applied(element, settled),
        None => element,
    });
    changed.chain(change.added.iter().cloned()).collect()
}
