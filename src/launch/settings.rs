//! What the launch needs of the merged configuration.
//!
//! This is the seam to [`crate::casa_distro`]: everything else here works on [`Settings`] and calls [`substitute`].

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::host::Host;

/// The merged configuration of an environment, as far as it decides a launch. Order is that of the merged dictionaries, which is
/// the order in which casa_distro mounts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    /// What casa_distro calls `directory`.
    pub(crate) directory: PathBuf,
    /// `container_type`.
    pub(crate) container_type: Option<String>,
    /// `image`, as written.
    pub(crate) image: Option<String>,
    /// `branch`.
    pub(crate) branch: Option<String>,
    /// `env`.
    pub(crate) env: Vec<(String, String)>,
    /// `gui_env`.
    pub(crate) gui_env: Vec<(String, String)>,
    /// `container_options`.
    pub(crate) container_options: Vec<String>,
    /// `container_gui_options`.
    pub(crate) container_gui_options: Vec<String>,
    /// `mounts`: path in the container and path on the host, `None` when it is switched off with `null`.
    pub(crate) mounts: Vec<(String, Option<String>)>,
    /// The whole merged configuration: what `{name}` refers to.
    pub(crate) merged: Value,
    /// Keys that have another type than casa_distro expects, in words. What they hold is left out.
    pub(crate) problems: Vec<String>,
}

impl Settings {
    /// Takes them from the merged configuration. What casa_distro has built in (`/casa/host`, `/host`, the `CASA_*` variables) is
    /// added where the configuration does not say otherwise.
    pub(crate) fn from_merged(host: &dyn Host, directory: &Path, merged: &Value) -> Self {
        let mut merged = merged.clone();
        if let Value::Object(object) = &mut merged {
            object.insert("directory".into(), directory.to_string_lossy().into());
        }
        let mut settings = Self { directory: directory.to_owned(), ..Self::default() };
        settings.container_type = settings.text(&merged, "container_type");
        settings.image = settings.text(&merged, "image");
        settings.branch = settings.text(&merged, "branch");
        settings.container_options = settings.list(&merged, "container_options");
        settings.container_gui_options = settings.list(&merged, "container_gui_options");
        settings.gui_env = settings.variables(&merged, "gui_env");
        settings.env = settings.variables(&merged, "env");
        settings.mounts = settings.mounts(&merged);
        settings.add_built_in(host);
        settings.merged = merged;
        settings
    }

    /// The built-in part of `environment.py`, in front of the rest and in its order.
    fn add_built_in(&mut self, host: &dyn Host) {
        let mut mounts = vec![("/casa/host", "{directory}"), ("/host", "/")];
        if host.env_text("WSL_DISTRO_NAME").is_some() {
            mounts.push(("/run/shm", "/tmp"));
        }
        for (container, source) in mounts.into_iter().rev() {
            if !self.mounts.iter().any(|(known, _)| known == container) {
                self.mounts.insert(0, (container.into(), Some(source.into())));
            }
        }
        let env = [
            ("CASA_ENVIRONMENT", "{name}"),
            ("CASA_SYSTEM", "{system}"),
            ("CASA_HOST_DIR", "{directory}"),
            ("CASA_DISTRO", "{distro}"),
        ];
        for (name, value) in env.into_iter().rev() {
            if !self.env.iter().any(|(known, _)| known == name) {
                self.env.insert(0, (name.into(), value.into()));
            }
        }
    }

    fn text(&mut self, merged: &Value, key: &str) -> Option<String> {
        match merged.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.problems.push(format!("\"{key}\" in the configuration is not a text, so it is left out"));
                None
            }
        }
    }

    fn list(&mut self, merged: &Value, key: &str) -> Vec<String> {
        let Some(value) = merged.get(key).filter(|value| !value.is_null()) else { return Vec::new() };
        let texts: Option<Vec<String>> =
            value.as_array().and_then(|list| list.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        texts.unwrap_or_else(|| {
            self.problems.push(format!("\"{key}\" in the configuration is not a list of texts, so it is left out"));
            Vec::new()
        })
    }

    fn variables(&mut self, merged: &Value, key: &str) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for (name, value) in self.object(merged, key) {
            match value {
                Value::String(text) => variables.push((name, text)),
                Value::Number(number) => variables.push((name, number.to_string())),
                _ => self
                    .problems
                    .push(format!("the variable {name} of \"{key}\" in the configuration is not a text, so it is left out")),
            }
        }
        variables
    }

    fn mounts(&mut self, merged: &Value) -> Vec<(String, Option<String>)> {
        let mut mounts = Vec::new();
        for (container, value) in self.object(merged, "mounts") {
            match value {
                Value::String(text) if !text.is_empty() => mounts.push((container, Some(text))),
                // casa_distro takes everything that Python holds for false as "switched off".
                Value::Null | Value::Bool(false) | Value::String(_) => mounts.push((container, None)),
                _ => self.problems.push(format!("the mount {container} in the configuration is not a path, so it is left out")),
            }
        }
        mounts
    }

    fn object(&mut self, merged: &Value, key: &str) -> Vec<(String, Value)> {
        match merged.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(object)) => object.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            Some(_) => {
                self.problems.push(format!("\"{key}\" in the configuration is not an object, so it is left out"));
                Vec::new()
            }
        }
    }
}

/// A text in which the references were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Substitution {
    /// The text. References that lead nowhere stand in it as they were.
    pub(crate) text: String,
    /// Names that are not set on the host, or are no key of the configuration.
    pub(crate) unset: Vec<String>,
}

/// Replaces `{key}` by the configuration's value, and `$NAME` and `${NAME}` by the host's variable. `{{` and `}}` are literal
/// braces. casa_distro 3 cannot read `${NAME}`, which its documentation recommends; here it means what it looks like.
pub(crate) fn substitute(host: &dyn Host, text: &str, merged: &Value) -> Substitution {
    let mut result = Substitution { text: String::new(), unset: Vec::new() };
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{', '}']) {
        result.text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (written, value) = if let Some(double) = ["{{", "}}"].into_iter().find(|double| rest.starts_with(double)) {
            (double, Some(double[1..].to_owned()))
        } else if let Some((written, name)) = variable_reference(rest) {
            let value = host.env(name).map(|value| value.to_string_lossy().into_owned());
            note_unset(&mut result.unset, name, value.is_none());
            (written, value)
        } else if let Some((written, key)) = braces(rest) {
            let value = merged.get(key).and_then(|value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            note_unset(&mut result.unset, key, value.is_none());
            (written, value)
        } else {
            (&rest[..1], None)
        };
        result.text.push_str(value.as_deref().unwrap_or(written));
        rest = &rest[written.len()..];
    }
    result.text.push_str(rest);
    result
}

fn note_unset(unset: &mut Vec<String>, name: &str, is_unset: bool) {
    if is_unset && !unset.iter().any(|known| known == name) {
        unset.push(name.to_owned());
    }
}

/// `$NAME` or `${NAME}` at the start of the text: all of it, and the name.
pub(super) fn variable_reference(text: &str) -> Option<(&str, &str)> {
    let after = text.strip_prefix('$')?;
    if let Some(inside) = after.strip_prefix('{') {
        let name = &inside[..inside.find('}')?];
        return is_name(name).then(|| (&text[..name.len() + 3], name));
    }
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    is_name(&after[..end]).then(|| (&text[..=end], &after[..end]))
}

/// `{key}` at the start of the text: all of it, and the key.
fn braces(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{')?;
    let key = &inside[..inside.find('}')?];
    is_name(key).then(|| (&text[..key.len() + 2], key))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn references_are_replaced_and_the_unset_ones_named() {
        let host = RecordedHost::new().env("USER", "anna");
        let merged = json!({"name": "brain", "env": {}});
        let text = |text: &str| substitute(&host, text, &merged);
        assert_eq!(text("/data/$USER/{name}/${USER}x").text, "/data/anna/brain/annax");
        assert_eq!(text("{{\"a\": 1}}").text, "{\"a\": 1}");
        assert_eq!(
            text("$NOPE/{nope}/$NOPE"),
            Substitution { text: "$NOPE/{nope}/$NOPE".into(), unset: vec!["NOPE".into(), "nope".into()] }
        );
        assert_eq!(text("cost 5$, {, } and ${").text, "cost 5$, {, } and ${");
        assert_eq!(text("{env}").unset, ["env"], "a key that holds no text cannot be written into one");
    }

    #[test]
    fn what_is_built_in_stands_first_and_can_be_switched_off() {
        let merged = json!({"name": "x", "mounts": {"/data": "/d", "/host": null}, "env": {"CASA_SYSTEM": "mine"}});
        let settings = Settings::from_merged(&RecordedHost::new(), Path::new("/e"), &merged);
        assert_eq!(
            settings.mounts,
            [("/casa/host".into(), Some("{directory}".into())), ("/data".into(), Some("/d".into())), ("/host".into(), None)]
        );
        let names: Vec<_> = settings.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(names, ["CASA_ENVIRONMENT={name}", "CASA_HOST_DIR={directory}", "CASA_DISTRO={distro}", "CASA_SYSTEM=mine"]);
    }

    #[test]
    fn values_of_a_wrong_type_are_left_out_and_named() {
        let merged =
            json!({"mounts": {"/a": 3}, "env": {"N": 4, "L": []}, "gui_env": "x", "container_options": "--nv", "image": 1});
        let settings = Settings::from_merged(&RecordedHost::new(), Path::new("/e"), &merged);
        assert!(settings.env.contains(&("N".into(), "4".into())));
        assert_eq!(settings.problems.len(), 5, "{:?}", settings.problems);
        assert!(settings.container_options.is_empty() && settings.image.is_none());
    }
}
