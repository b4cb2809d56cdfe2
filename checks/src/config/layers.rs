//! The configuration files of the environment as the checks go through them.

use std::path::Path;

use serde_json::{Map, Value};

use crate::check::Outcome;
use crate::facts::{ConfigFile, Environment, Facts};
use crate::finding::{Change, Edit, Finding, FindingKind, Safety};

/// A readable configuration file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    /// As it was read.
    pub(super) file: &'a ConfigFile,
    /// Its top-level object.
    pub(super) object: &'a Map<String, Value>,
    /// Whether it is the user's file, which serves all of the user's environments.
    pub(super) is_user: bool,
}

/// An environment whose own file can be read.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    /// The environment.
    pub(super) environment: &'a Environment,
    /// The environment's file, then the user's file if there is one that can be read.
    pub(super) all: Vec<Layer<'a>>,
}

/// The environment that was found.
///
/// # Errors
///
/// The outcome of every check of this family when there is none.
pub(super) fn environment(facts: &Facts) -> Result<&Environment, Outcome> {
    let search =
        facts.environment.as_ref().ok_or_else(|| Outcome::Unknown("nothing was recorded about environments".to_owned()))?;
    search.found.as_ref().ok_or_else(|| {
        Outcome::Skipped(if search.candidates.is_empty() {
            "no casa-distro environment was found".to_owned()
        } else {
            "there are several environments and none was named".to_owned()
        })
    })
}

/// The readable files of the environment that was found.
///
/// # Errors
///
/// The outcome of every check but the one for syntax when there is no environment or its file cannot be used.
pub(super) fn layers(facts: &Facts) -> Result<Layers<'_>, Outcome> {
    let environment = environment(facts)?;
    let Some(own) = layer(&environment.file, false) else {
        return Err(Outcome::Skipped(format!("{} cannot be used", environment.file.path.display())));
    };
    let user = environment.user_file.as_ref().and_then(|file| layer(file, true));
    Ok(Layers { environment, all: std::iter::once(own).chain(user).collect() })
}

fn layer(file: &ConfigFile, is_user: bool) -> Option<Layer<'_>> {
    let object = file.value.as_ref()?.as_object()?;
    file.error.is_none().then_some(Layer { file, object, is_user })
}

impl<'a> Layers<'a> {
    /// The environment's own file.
    pub(super) fn own(&self) -> Layer<'a> {
        self.all[0]
    }

    /// The layer that has the last word on a top-level key that is neither list nor object.
    pub(super) fn last_with(&self, key: &str) -> Option<Layer<'a>> {
        self.all.iter().rev().find(|layer| layer.object.contains_key(key)).copied()
    }

    /// Whether an entry of an object, such as `/env/NAME`, has another value in the user's file, which counts.
    pub(super) fn is_replaced(&self, layer: &Layer<'_>, pointer: &str) -> bool {
        let in_users = |pointer: &str| {
            let user = self.all.iter().find(|other| other.is_user)?;
            user.file.value.as_ref()?.pointer(pointer)
        };
        // Elements of lists are joined.
        let is_entry = ["/env/", "/gui_env/", "/mounts/"].iter().any(|object| pointer.starts_with(object));
        !layer.is_user && is_entry && in_users(pointer).is_some()
    }

    /// The merged view, or what there is of it when the user's file cannot be read.
    pub(super) fn merged(&self) -> Value {
        self.environment.merged.clone().unwrap_or_else(|| {
            let mut own = self.own().object.clone();
            own.entry("directory").or_insert_with(|| self.environment.directory.to_string_lossy().into());
            own.into()
        })
    }

    /// The container type that counts.
    pub(super) fn container_type(&self) -> Option<&'a str> {
        self.last_with("container_type")?.object["container_type"].as_str()
    }

    /// Whether the options are those of Apptainer or Singularity, as far as the container type tells.
    pub(super) fn is_singularity(&self) -> bool {
        !matches!(self.container_type().map(|text| text.trim().to_ascii_lowercase()).as_deref(), Some("docker" | "vbox" | "podman"))
    }
}

impl<'a> Layer<'a> {
    /// `path:line` of a key, or the path alone when its line is not known.
    pub(super) fn place(&self, pointer: &str) -> String {
        let path = self.file.path.display();
        self.file.lines.get(pointer).map_or_else(|| path.to_string(), |line| format!("{path}:{line}"))
    }

    /// The file's path.
    pub(super) fn path(&self) -> &'a Path {
        &self.file.path
    }

    /// A change of a key of this file.
    pub(super) fn edit(&self, pointer: &str, change: Change, because: &FindingKind) -> Edit {
        Edit::new(self.path(), pointer, change, because)
    }

    /// The entries of an object of this file, each with its pointer; none when there is no such object.
    pub(super) fn entries(&self, key: &str) -> Vec<Entry<'a>> {
        let object = self.object.get(key).and_then(Value::as_object);
        let entries = object.into_iter().flatten();
        entries.map(|(name, value)| Entry { name, value, pointer: format!("/{}/{}", step(key), step(name)) }).collect()
    }

    /// The elements of a list of this file, each with its pointer; none when there is no such list.
    pub(super) fn elements(&self, key: &str) -> Vec<(&'a Value, String)> {
        let list = self.object.get(key).and_then(Value::as_array);
        list.into_iter().flatten().enumerate().map(|(index, value)| (value, format!("/{}/{index}", step(key)))).collect()
    }
}

/// An entry of an object.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// Its key.
    pub(super) name: &'a str,
    /// Its value.
    pub(super) value: &'a Value,
    /// Its JSON pointer.
    pub(super) pointer: String,
}

/// What stands in the facts in the place of a secret, or at the end of a text that holds one.
pub(super) const HIDDEN: &str = "(hidden)";

/// The outcome of a check. The facts do not hold the secrets of the configuration, so an edit that would write such a text
/// back would destroy it: it becomes advice to do the same by hand.
pub(super) fn outcome(mut findings: Vec<Finding>) -> Outcome {
    for finding in &mut findings {
        let destroys = |edit: &Edit| matches!(&edit.change, Change::Set { to } if holds_hidden(to));
        if finding.edits.iter().any(destroys) {
            finding.edits.clear();
            for advice in &mut finding.advice {
                if advice.safety != Safety::Manual {
                    advice.safety = Safety::Manual;
                    advice.text.push_str(" (by hand: the text holds a secret, which casa-doctor does not keep)");
                }
            }
        }
    }
    Outcome::of(findings)
}

fn holds_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(HIDDEN),
        Value::Array(list) => list.iter().any(holds_hidden),
        Value::Object(map) => map.values().any(holds_hidden),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A key as a step of a JSON pointer (RFC 6901).
pub(crate) fn step(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The kind of a value in words.
pub(super) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A word for a POSIX shell.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:=@%,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
