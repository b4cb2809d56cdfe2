//! From edits to what becomes of each place of a document, which the value and the text are then changed by.

use std::collections::{BTreeMap, BTreeSet};

use casa_doctor_checks::finding::Edit;
use serde_json::{Map, Value};

use super::apply::EditError;
use super::pointer;
use super::tree::Node;
use super::value;

/// What becomes of a value that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Settled {
    /// It stays.
    Untouched,
    /// It is replaced.
    Replaced(Value),
    /// It is an object, and stays one.
    Object(ObjectChange),
    /// It is a list, and stays one.
    List(ListChange),
}

/// What becomes of an object's members.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ObjectChange {
    /// Members that go away.
    pub(super) removed: BTreeSet<String>,
    /// Members that get another name.
    pub(super) renamed: BTreeMap<String, String>,
    /// Objects that go away after their entries went over to another member, where the entries that are there already win.
    pub(super) merged: BTreeMap<String, String>,
    /// Members whose value changes, by their old name.
    pub(super) changed: BTreeMap<String, Settled>,
    /// New members.
    pub(super) added: Vec<(String, Value)>,
}

/// What becomes of a list's elements.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ListChange {
    /// Elements that go away.
    pub(super) removed: BTreeSet<usize>,
    /// Elements that change.
    pub(super) changed: BTreeMap<usize, Settled>,
    /// New elements for the end.
    pub(super) added: Vec<Value>,
}

/// Works out what becomes of a value. `path` names its place, for errors.
pub(super) fn settle(node: Node<'_>, value: &Value, path: &mut Vec<String>) -> Result<Settled, EditError> {
    if let Some((set, edit)) = node.set {
        let to = completed(set, edit, node, path)?;
        return Ok(if to == *value { Settled::Untouched } else { Settled::Replaced(to) });
    }
    settle_below(node, value, path)
}

fn settle_below(node: Node<'_>, value: &Value, path: &mut Vec<String>) -> Result<Settled, EditError> {
    match value {
        Value::Object(members) if node.appends.is_empty() => settle_object(node, members, path),
        Value::Array(elements) => settle_list(node, elements, path),
        _ => match node.first_creation() {
            Some(edit) => {
                let wanted = if node.appends.is_empty() { "an object" } else { "a list" };
                Err(EditError::WrongKind {
                    key: pointer::json_pointer(path.iter()),
                    found: kind(value),
                    wanted,
                    because: edit.because.clone(),
                })
            }
            // What is to be removed below is not there.
            None => Ok(Settled::Untouched),
        },
    }
}

/// A value that is set, with what other edits add inside it. They may not contradict it.
fn completed(set: &Value, edit: &Edit, node: Node<'_>, path: &mut Vec<String>) -> Result<Value, EditError> {
    let Some(other) = node.first_below() else { return Ok(set.clone()) };
    let settled = settle_below(Node { set: None, ..node }, set, path).map_err(|_| EditError::clash(edit, other))?;
    let completed = value::applied(set.clone(), &settled);
    if extends(&completed, set) { Ok(completed) } else { Err(EditError::clash(edit, other)) }
}

/// Whether everything that the second value says is still so in the first.
fn extends(value: &Value, base: &Value) -> bool {
    match (value, base) {
        (Value::Object(value), Value::Object(base)) => {
            base.iter().all(|(name, base)| value.get(name).is_some_and(|value| extends(value, base)))
        }
        _ => value == base,
    }
}

/// The value of a place that is not there yet; `None` when nothing is to be there.
fn made(node: Node<'_>, path: &mut Vec<String>) -> Result<Option<Value>, EditError> {
    if let Some((set, edit)) = node.set {
        return completed(set, edit, node, path).map(Some);
    }
    if !node.appends.is_empty() {
        let settled = settle_list(node, &[], path)?;
        return Ok(Some(value::applied(Value::Array(Vec::new()), &settled)));
    }
    let settled = settle_object(node, &Map::new(), path)?;
    Ok((settled != Settled::Untouched).then(|| value::applied(Value::Object(Map::new()), &settled)))
}

fn settle_object(mut node: Node<'_>, members: &Map<String, Value>, path: &mut Vec<String>) -> Result<Settled, EditError> {
    let mut change = ObjectChange::default();
    settle_renames(&mut node, members, &mut change, path)?;
    for (name, child) in node.children {
        path.push(name.clone());
        if let (Some(edit), Some(other)) = (child.remove, child.first_that_keeps()) {
            return Err(EditError::clash(edit, other));
        }
        let removed = child.remove.is_some();
        match members.get(&name) {
            Some(_) if removed => {
                change.removed.insert(name);
            }
            Some(value) => {
                let settled = settle(Node { rename: None, ..child }, value, path)?;
                if settled != Settled::Untouched {
                    change.changed.insert(name, settled);
                }
            }
            None if removed => {}
            None => {
                if let Some(value) = made(child, path)? {
                    change.added.push((name, value));
                }
            }
        }
        path.pop();
    }
    Ok(if change == ObjectChange::default() { Settled::Untouched } else { Settled::Object(change) })
}

/// Decides what each new name means here: a plain new name, a merge, or nothing because it was done before. What other edits
/// ask for the two names is moved to the place where it belongs.
fn settle_renames(
    node: &mut Node<'_>,
    members: &Map<String, Value>,
    change: &mut ObjectChange,
    path: &mut Vec<String>,
) -> Result<(), EditError> {
    let renames: Vec<_> = node.children.iter().filter_map(|(name, child)| child.rename.map(|to| (name.clone(), to))).collect();
    let renames: Vec<_> = renames.into_iter().filter(|(from, (to, _))| from != to).collect();
    for (_, (to, edit)) in &renames {
        if let Some(target) = node.child(to) {
            let other = target.set.map(|(_, other)| other).or(target.remove).or(target.rename.map(|(_, other)| other));
            if let Some(other) = other {
                return Err(EditError::clash(edit, other));
            }
        }
    }
    let mut taken: BTreeMap<&str, &Edit> = BTreeMap::new();
    for (from, (to, edit)) in renames {
        let Some(old) = members.get(&from) else {
            // The key has its new name already, or never was: what is to be given to it goes to the new name.
            let given = node.take_child(&from).creations();
            if given.first_creation().is_some() {
                node.child_or_new(to).graft(given)?;
            }
            continue;
        };
        if let Some(other) = taken.insert(to, edit) {
            return Err(EditError::clash(other, edit));
        }
        match members.get(to) {
            None => {
                let target = node.take_child(to);
                node.child_or_new(&from).graft(target)?;
                change.renamed.insert(from, to.to_owned());
            }
            Some(Value::Object(existing)) if old.is_object() => {
                settle_merge(node, &from, to, existing)?;
                change.merged.insert(from, to.to_owned());
            }
            Some(existing) if existing == old && node.child(&from).is_some_and(|source| source.first_below().is_none()) => {
                change.removed.insert(from.clone());
                node.take_child(&from);
            }
            Some(_) => {
                path.push(from);
                return Err(EditError::CannotMerge {
                    key: pointer::json_pointer(path.iter()),
                    to: to.to_owned(),
                    because: edit.because.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Moves what is asked for an entry of one of two objects that are merged to the one in which the entry will be.
fn settle_merge(node: &mut Node<'_>, from: &str, to: &str, existing: &Map<String, Value>) -> Result<(), EditError> {
    let mut source = node.take_child(from);
    let target = node.child_or_new(to);
    for (name, child) in std::mem::take(&mut source.children) {
        if existing.contains_key(&name) || target.child(&name).is_some() {
            // The entry below the old name gives way to the existing one, but what is asked for it must come true.
            let given = child.creations();
            if given.first_creation().is_some() {
                target.child_or_new(&name).graft(given)?;
            }
        } else {
            source.children.push((name, child));
        }
    }
    for (name, child) in &target.children {
        // What is to go away below the new name must not come in from the old one.
        if child.remove.is_some() && !existing.contains_key(name) {
            source.child_or_new(name).graft(child.clone())?;
        }
    }
    *node.child_or_new(from) = source;
    Ok(())
}

fn settle_list(node: Node<'_>, elements: &[Value], path: &mut Vec<String>) -> Result<Settled, EditError> {
    let mut change = ListChange::default();
    for (step, child) in node.children {
        path.push(step.clone());
        if let Some((_, edit)) = child.rename {
            return Err(EditError::NoName { key: pointer::json_pointer(path.iter()), because: edit.because.clone() });
        }
        let element = pointer::index(&step).and_then(|index| elements.get(index).map(|element| (index, element)));
        match element {
            Some((index, _)) if child.remove.is_some() => {
                if let (Some(edit), Some(other)) = (child.remove, child.first_that_keeps()) {
                    return Err(EditError::clash(edit, other));
                }
                change.removed.insert(index);
            }
            Some((index, element)) => {
                let settled = settle(child, element, path)?;
                if settled != Settled::Untouched {
                    change.changed.insert(index, settled);
                }
            }
            None => {
                if let Some(edit) = child.first_creation() {
                    return Err(EditError::NoElement { key: pointer::json_pointer(path.iter()), because: edit.because.clone() });
                }
            }
        }
        path.pop();
    }
    let added: Vec<_> = node.appends.iter().map(|(value, _)| (*value).clone()).collect();
    let rest = value::applied(Value::Array(elements.to_vec()), &Settled::List(change.clone()));
    // A list that ends with these values already has them.
    if !rest.as_array().is_some_and(|rest| rest.ends_with(&added)) {
        change.added = added;
    }
    Ok(if change == ListChange::default() { Settled::Untouched } else { Settled::List(change) })
}

/// What a value is, in words.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
