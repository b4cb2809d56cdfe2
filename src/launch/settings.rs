//! What the launch needs of the merged configuration.

use std::path::{Path, PathBuf};

use serde_json::Value;

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
    /// Takes them from the merged configuration, which holds what casa_distro has built in.
    pub(crate) fn from_merged(directory: &Path, merged: &Value) -> Self {
        let mut settings = Self { directory: directory.to_owned(), ..Self::default() };
        settings.container_type = settings.text(merged, "container_type");
        settings.image = settings.text(merged, "image");
        settings.branch = settings.text(merged, "branch");
        settings.container_options = settings.list(merged, "container_options");
        settings.container_gui_options = settings.list(merged, "container_gui_options");
        settings.gui_env = settings.variables(merged, "gui_env");
        settings.env = settings.variables(merged, "env");
        settings.mounts = settings.mounts(merged);
        settings.merged = merged.clone();
        settings
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_the_mounts_is_kept_and_null_switches_one_off() {
        let merged = json!({"mounts": {"/casa/host": "{directory}", "/z": "/d", "/host": null, "/a": "", "/b": false}});
        let settings = Settings::from_merged(Path::new("/e"), &merged);
        let expected = [("/casa/host", Some("{directory}")), ("/z", Some("/d")), ("/host", None), ("/a", None), ("/b", None)];
        assert_eq!(settings.mounts, expected.map(|(place, source)| (place.into(), source.map(str::to_owned))));
    }

    #[test]
    fn values_of_a_wrong_type_are_left_out_and_named() {
        let merged =
            json!({"mounts": {"/a": 3}, "env": {"N": 4, "L": []}, "gui_env": "x", "container_options": "--nv", "image": 1});
        let settings = Settings::from_merged(Path::new("/e"), &merged);
        assert!(settings.env.contains(&("N".into(), "4".into())));
        assert_eq!(settings.problems.len(), 5, "{:?}", settings.problems);
        assert!(settings.container_options.is_empty() && settings.image.is_none());
    }
}
