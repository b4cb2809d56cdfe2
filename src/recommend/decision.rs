//! The decision, as it is recorded in the environment's `casa_distro.json` under the one key `casa_doctor`.
//!
//! One environment is often shared by several machines, and one user sits at a console today and comes by ssh tomorrow: a
//! decision holds for one machine and one kind of display. casa_distro ignores the key.

mod stock;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use casa_doctor_checks::finding::{Change, Edit};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::situation::DisplayKind;
use super::{Basis, OpenGl};
use crate::fix::json_pointer;

pub(crate) use stock::{Clash, Stock, stock_edits, without_stock};

/// The key of the environment's file that is ours.
pub(crate) const KEY: &str = "casa_doctor";

/// The form of the record that this version writes.
const VERSION: u64 = 1;

/// What the edits of a decision give as their reason.
const BECAUSE: &str = "recommendation";

/// The OpenGL mode for one machine and one kind of display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The machine's host name.
    pub(crate) machine: String,
    /// The kind of display.
    pub(crate) display: DisplayKind,
    /// The mode.
    pub(crate) opengl: OpenGl,
    /// What it rests on.
    pub(crate) basis: Basis,
    /// Why, for people. It may hold figures, and is no reason to write the record again.
    pub(crate) because: String,
    /// What the decision depends on (driver, image, server …), to see later whether it still holds. No times, no figures.
    pub(crate) fingerprint: Map<String, Value>,
    /// When it was made (RFC 3339). No reason to write the record again.
    pub(crate) decided_at: Option<String>,
}

/// A recorded decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The mode.
    pub(crate) opengl: OpenGl,
    /// What it rests on.
    pub(crate) basis: Basis,
    /// Why, for people.
    pub(crate) because: String,
    /// What it depends on.
    pub(crate) fingerprint: Map<String, Value>,
    /// When it was made.
    pub(crate) decided_at: Option<String>,
}

/// Everything that stands under the key `casa_doctor`, as far as it can be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Machine → word of the kind of display → decision. Kinds that this version does not know are kept.
    decisions: BTreeMap<String, BTreeMap<String, Recorded>>,
    /// What was set so that stock casa_distro runs in the decided mode: JSON pointer → text. A pointer that ends in `/-` means an
    /// element of that list.
    set_for_stock: BTreeMap<String, String>,
    /// Whether there are decisions that cannot be understood.
    has_unread_decisions: bool,
    /// What could not be understood, each a short statement.
    pub(crate) notes: Vec<String>,
}

impl Record {
    /// Reads the value of the key `casa_doctor`. What is not understood is noted, never an error.
    pub(crate) fn read(value: Option<&Value>) -> Self {
        let mut record = Self::default();
        let Some(value) = value else { return record };
        let Some(members) = value.as_object() else {
            record.note("", "is not an object");
            return record;
        };
        match members.get("version").map(Value::as_u64) {
            Some(Some(VERSION)) => {}
            Some(Some(newer)) if newer > VERSION => record.note("/version", "is of a newer casa-doctor"),
            _ => record.note("/version", "is missing or not a number that is known"),
        }
        for (machine, displays) in record.objects(members.get("decisions"), &["decisions"]) {
            for (display, entry) in record.objects(Some(displays), &["decisions", machine]) {
                match recorded(entry) {
                    Some(recorded) => {
                        record.decisions.entry(machine.clone()).or_default().insert(display.clone(), recorded);
                    }
                    None => {
                        record.has_unread_decisions = true;
                        record.note(&json_pointer(["decisions", machine, display]), "names no OpenGL mode that is known");
                    }
                }
            }
        }
        for (key, value) in record.objects(members.get("set_for_stock"), &["set_for_stock"]) {
            match value.as_str() {
                Some(text) => drop(record.set_for_stock.insert(key.clone(), text.to_owned())),
                None => record.note(&json_pointer(["set_for_stock", key]), "is not a text"),
            }
        }
        record
    }

    /// The decision for a machine and a kind of display.
    pub(crate) fn decision(&self, machine: &str, display: DisplayKind) -> Option<&Recorded> {
        self.decisions.get(machine)?.get(display.word())
    }

    /// The mode on which all decisions agree once a new one is recorded. Those that found no OpenGL at all have no say; one that
    /// cannot be read may say anything.
    pub(crate) fn agreed_mode(&self, new: &Decision) -> Option<OpenGl> {
        if self.has_unread_decisions {
            return None;
        }
        let others = self.decisions.iter().flat_map(|(machine, displays)| {
            displays
                .iter()
                .filter(move |(display, _)| *machine != new.machine || *display != new.display.word())
                .map(|(_, recorded)| recorded.opengl)
        });
        let modes: BTreeSet<OpenGl> = others.chain([new.opengl]).filter(|mode| *mode != OpenGl::None).collect();
        let mut modes = modes.into_iter();
        modes.next().filter(|_| modes.next().is_none())
    }

    fn note(&mut self, key: &str, what: &str) {
        self.notes.push(format!("\"/{KEY}{key}\" {what}"));
    }

    /// The members of an object; none, with a note, when it is something else.
    fn objects<'v>(&mut self, value: Option<&'v Value>, path: &[&str]) -> Vec<(&'v String, &'v Value)> {
        match value {
            None => Vec::new(),
            Some(Value::Object(members)) => members.iter().collect(),
            Some(_) => {
                self.note(&json_pointer(path), "is not an object");
                Vec::new()
            }
        }
    }
}

/// Reads one decision. Only the mode must be there; the rest may be missing or of a form that is not known.
fn recorded(entry: &Value) -> Option<Recorded> {
    Some(Recorded {
        opengl: field(entry, "opengl")?,
        basis: field(entry, "basis").unwrap_or(Basis::Predicted),
        because: field(entry, "because").unwrap_or_default(),
        fingerprint: field(entry, "fingerprint").unwrap_or_default(),
        decided_at: field(entry, "decided_at"),
    })
}

fn field<T: DeserializeOwned>(entry: &Value, name: &str) -> Option<T> {
    T::deserialize(entry.get(name)?).ok()
}

/// The edits that record a decision; none when only times or figures would differ. `existing` is the value of the key
/// `casa_doctor`, `file` the environment's configuration file. Other machines' entries are never touched.
pub(crate) fn edits(existing: Option<&Value>, file: &Path, new: &Decision) -> Vec<Edit> {
    let current = Record::read(existing);
    if current.decision(&new.machine, new.display).is_some_and(|recorded| still_says(recorded, new)) {
        return Vec::new();
    }
    let set = |steps: &[&str], to: Value| Edit {
        file: file.to_owned(),
        key: json_pointer([KEY].iter().chain(steps)),
        change: Change::Set { to },
        because: BECAUSE.to_owned(),
    };
    let (machine, display) = (new.machine.as_str(), new.display.word());
    let members = match existing {
        None => None,
        Some(Value::Object(members)) => Some(members),
        Some(_) => {
            return vec![set(&[], json!({"version": VERSION, "decisions": {machine: {display: entry(None, new)}}}))];
        }
    };
    let mut edits = Vec::new();
    if !members.is_some_and(|members| members.get("version").is_some_and(Value::is_u64)) {
        edits.push(set(&["version"], VERSION.into()));
    }
    // The shallowest place that is there and not an object is replaced; the rest is made or changed below.
    let decisions = members.and_then(|members| members.get("decisions"));
    let displays = decisions.and_then(|decisions| decisions.get(machine));
    let old = displays.and_then(|displays| displays.get(display));
    edits.push(match (decisions, displays) {
        (Some(decisions), _) if !decisions.is_object() => set(&["decisions"], json!({machine: {display: entry(None, new)}})),
        (_, Some(displays)) if !displays.is_object() => set(&["decisions", machine], json!({display: entry(None, new)})),
        _ => set(&["decisions", machine, display], entry(old, new)),
    });
    edits
}

/// Whether a recorded decision says what the new one says, times and figures aside. A measured one is not replaced by a prediction
/// that rests on the same.
fn still_says(recorded: &Recorded, new: &Decision) -> bool {
    let measured_before = recorded.basis > new.basis;
    changes(&recorded.fingerprint, &new.fingerprint).is_empty()
        && (measured_before || (recorded.opengl == new.opengl && recorded.basis == new.basis && covers(recorded, new)))
}

/// Whether a recorded decision knows of everything that the new one rests on.
fn covers(recorded: &Recorded, new: &Decision) -> bool {
    new.fingerprint.keys().all(|key| recorded.fingerprint.contains_key(key))
}

/// What of that on which a decision rests is different now. What is not known of one of the two says nothing.
pub(crate) fn changes(then: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
    let differs = |(key, value): &(&String, &Value)| now.get(*key).is_some_and(|now| now != *value);
    then.iter().filter(differs).map(|(key, _)| key.clone()).collect()
}

/// A decision as it is recorded. Members of the old entry that are not known stay.
fn entry(old: Option<&Value>, new: &Decision) -> Value {
    let mut entry = old.and_then(Value::as_object).cloned().unwrap_or_default();
    entry.insert("opengl".into(), new.opengl.word().into());
    entry.insert("basis".into(), json!(new.basis));
    entry.insert("because".into(), new.because.as_str().into());
    entry.insert("fingerprint".into(), Value::Object(new.fingerprint.clone()));
    match &new.decided_at {
        Some(time) => drop(entry.insert("decided_at".into(), time.as_str().into())),
        None => drop(entry.shift_remove("decided_at")),
    }
    Value::Object(entry)
}

#[cfg(test)]
#[path = "decision/tests.rs"]
mod tests;
