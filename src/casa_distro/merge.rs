//! How casa_distro lays one configuration over another.

use serde_json::{Map, Value};

/// Two layers that give one key values that do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clash {
    /// JSON pointer of the key.
    pub(crate) pointer: String,
    /// Whether stock casa_distro dies of it (`AttributeError`, `TypeError`); otherwise it reads nonsense.
    pub(crate) fatal: bool,
}

/// Lays `update` over `config` by the rules of casa_distro's `update_config`: dictionaries are merged, lists are joined
/// (what is there comes first), anything else is replaced.
///
/// casa_distro does not look at types. Where an object meets something else, it dies: here what is there stays. Where a list
/// meets a text, it appends the text letter by letter: here the text becomes one element, which is what its author meant.
pub(crate) fn merge(config: &mut Map<String, Value>, update: &Map<String, Value>) -> Vec<Clash> {
    let mut clashes = Vec::new();
    merge_below(config, update, &mut String::new(), &mut clashes);
    clashes
}

fn merge_below(config: &mut Map<String, Value>, update: &Map<String, Value>, pointer: &mut String, clashes: &mut Vec<Clash>) {
    for (key, new) in update {
        let length = pointer.len();
        super::json::push_step(pointer, key);
        match (config.get_mut(key), new) {
            (None, _) => {
                config.insert(key.clone(), new.clone());
            }
            (Some(Value::Object(old)), Value::Object(new)) => merge_below(old, new, pointer, clashes),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new.iter().cloned()),
            (Some(Value::Array(old)), Value::String(_)) => {
                old.push(new.clone());
                clashes.push(Clash { pointer: pointer.clone(), fatal: false });
            }
            (Some(Value::Array(_)), Value::Object(_)) => clashes.push(Clash { pointer: pointer.clone(), fatal: false }),
            (Some(Value::Object(_) | Value::Array(_)), _) => clashes.push(Clash { pointer: pointer.clone(), fatal: true }),
            (Some(old), _) => *old = new.clone(),
        }
        pointer.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(left: &Value, right: &Value) -> (Value, Vec<(String, bool)>) {
        let mut config = left.as_object().unwrap().clone();
        let clashes = merge(&mut config, right.as_object().unwrap());
        (config.into(), clashes.into_iter().map(|clash| (clash.pointer, clash.fatal)).collect())
    }

    #[test]
    fn dictionaries_merge_lists_join_and_the_rest_is_replaced() {
        let (value, clashes) = merged(
            &json!({"env": {"A": "1", "B": "2"}, "list": ["a"], "image": "x", "mounts": {"/a": "/a"}, "n": null}),
            &json!({"env": {"B": "3", "C": "4"}, "list": ["b", "a"], "image": ["y"], "mounts": {"/a": null}, "n": {}, "new": 1}),
        );
        assert_eq!(
            value,
            json!({"env": {"A": "1", "B": "3", "C": "4"}, "list": ["a", "b", "a"], "image": ["y"], "mounts": {"/a": null},
                   "n": {}, "new": 1})
        );
        assert_eq!(clashes, []);
    }

    #[test]
    fn clashes_are_told_and_do_no_harm() {
        let (value, clashes) = merged(
            &json!({"env": {"A": "1"}, "list": ["a"], "mounts": {"/a/b": {"x": 1}}}),
            &json!({"env": "A=2", "list": "--nv", "mounts": {"/a/b": null}}),
        );
        assert_eq!(value, json!({"env": {"A": "1"}, "list": ["a", "--nv"], "mounts": {"/a/b": {"x": 1}}}));
        assert_eq!(clashes, [("/env".into(), true), ("/list".into(), false), ("/mounts/~1a~1b".into(), true)]);
    }

    #[test]
    fn keys_keep_the_order_in_which_casa_distro_meets_them() {
        let (value, _) = merged(&json!({"mounts": {"/z": "/z", "/a": "/a"}}), &json!({"mounts": {"/m": "/m", "/z": "/y"}}));
        assert_eq!(value["mounts"].as_object().unwrap().keys().collect::<Vec<_>>(), ["/z", "/a", "/m"]);
    }
}
