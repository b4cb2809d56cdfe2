//! Is the configuration written for casa_distro 3.x?

use serde_json::{Map, Value, json};

use super::layers::{Entry, Layer, Layers, layers, outcome, step};
use super::python_format::repaired;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, Edit, Finding, FindingKind, Safety, Severity};

/// Is the configuration written for casa_distro 3.x?
pub(super) static CHECK: Check = Check {
    id: "config-generation",
    category: Category::Config,
    question: "Are all keys of the configuration ones that casa_distro 3.x reads?",
    needs: &[ProbeId::Environment],
    findings: &[&OLD_KEYS],
    run,
};

static OLD_KEYS: FindingKind = FindingKind {
    id: "config-old-keys",
    code: "CD0904",
    severity: Severity::Warning,
    title: "The configuration has keys of casa-distro 2.x, which 3.x ignores",
    why: "casa_distro 3.x reads other keys than 2.x and ignores the old ones without a word: mounts, variables and the image that \
          they name are not there in the container. Part of the documentation still shows the old names.",
    cure: "Use the new names: mounts, env, gui_env, image, distro, branch.",
    example: "\"container_env\": {\"BRAINVISA_SHARE\": \"%(build_workflow_dir)s/share\"}",
    since: "0.1.0",
};

/// Objects of 2.x that have another name in 3.x, and whether they hold mounts.
const OBJECTS: [(&str, &str, bool); 3] =
    [("container_env", "env", false), ("container_gui_env", "gui_env", false), ("container_mounts", "mounts", true)];
/// Texts of 2.x that have another name in 3.x.
const TEXTS: [(&str, &str); 3] = [("container_image", "image"), ("distro_name", "distro"), ("casa_branch", "branch")];
/// Keys of 2.x that nothing in 3.x corresponds to.
const DEAD: [(&str, &str); 5] = [
    ("user_specific_home", "3.x uses a home directory of the user's own wherever the environment has no directory called home"),
    ("alt_configs", "3.x has one configuration for each environment"),
    ("build_workflow_dir", "3.x calls it {directory} and finds it by itself"),
    ("distro_source", "3.x needs it only when an environment is made"),
    ("init_workflow_cmd", "3.x has no such step"),
];
/// Variables that 2.x wrote into every configuration and that 3.x sets by itself, better.
const SET_BY_3X: [&str; 7] =
    ["CASA_DISTRO", "CASA_BRANCH", "CASA_SYSTEM", "CASA_HOST_DIR", "CASA_ENVIRONMENT", "HOME", "XAUTHORITY"];
/// Mounts that 2.x wrote into every configuration and that 3.x makes by itself.
const MOUNTED_BY_3X: [&str; 2] = ["/casa/home", "/casa/host"];

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let merged = layers.merged();
    let mut findings = Vec::new();
    for layer in &layers.all {
        let namespace = namespace(layer, &merged);
        for (old, new, mounts) in OBJECTS {
            if let Some(value) = layer.object.get(old) {
                findings.push(of_object(layer, (old, new), value, mounts, &namespace));
            }
        }
        if let Some(value) = layer.object.get("container_volumes") {
            findings.push(of_volumes(layer, value, &namespace));
        }
        for (old, new) in TEXTS {
            if layer.object.contains_key(old) {
                findings.push(of_text(&layers, layer, old, new));
            }
        }
        for (key, reason) in DEAD {
            if layer.object.contains_key(key) {
                findings.push(
                    OLD_KEYS
                        .found()
                        .severity(Severity::Info)
                        .title(format!("\"{key}\" of casa-distro 2.x has no effect in 3.x"))
                        .evidence(evidence(layer, key))
                        .advise(format!("Nothing takes its place: {reason}. It may be removed.")),
                );
            }
        }
    }
    outcome(findings)
}

fn evidence(layer: &Layer<'_>, key: &str) -> String {
    format!("{}: \"{key}\" is a key of casa-distro 2.x", layer.place(&format!("/{key}")))
}

/// The keys that texts in braces may name once the old names are replaced.
fn namespace(layer: &Layer<'_>, merged: &Value) -> Value {
    let mut namespace = merged.as_object().cloned().unwrap_or_else(Map::new);
    for (old, new) in TEXTS {
        if let Some(value) = layer.object.get(old) {
            namespace.entry(new).or_insert_with(|| value.clone());
        }
    }
    namespace.into()
}

/// A variables' or mounts' object: it gets its new name, and its entries what 3.x can read.
fn of_object(layer: &Layer<'_>, (old, new): (&str, &str), value: &Value, mounts: bool, namespace: &Value) -> Finding {
    let found = OLD_KEYS
        .found()
        .title(format!("\"{old}\" of casa-distro 2.x is called \"{new}\" in 3.x, which ignores it"))
        .evidence(evidence(layer, old));
    if !value.is_object() {
        return found.advise(format!("Remove it, or write it as an object under the name \"{new}\"."));
    }
    let mut edits = Vec::new();
    for entry in layer.entries(old) {
        match converted(&entry, mounts, namespace) {
            Converted::As(_) if layer.object.get(new).is_some_and(|object| object.get(entry.name).is_some()) => {}
            Converted::As(text) if entry.value.as_str() == Some(text.as_str()) => {}
            Converted::As(text) => edits.push(layer.edit(&entry.pointer, Change::Set { to: json!(text) }, &OLD_KEYS)),
            Converted::Dropped => edits.push(layer.edit(&entry.pointer, Change::Remove, &OLD_KEYS)),
            Converted::Unreadable => {
                return found.advise(format!(
                    "Rename it to \"{new}\" by hand: what {} says has no meaning in 3.x.",
                    layer.place(&entry.pointer)
                ));
            }
        }
    }
    // Renaming alone gives 3.x exactly what is written; anything more is for the user to agree to.
    let safety = if edits.is_empty() { Safety::Safe } else { Safety::Confirm };
    let more = if edits.is_empty() { "" } else { ", and write its entries as 3.x reads them" };
    let text = if layer.object.contains_key(new) {
        format!("Move its entries to \"{new}\", where those that exist already win{more}")
    } else {
        format!("Rename it to \"{new}\"{more}")
    };
    edits.push(layer.edit(&format!("/{old}"), Change::Rename { to: new.to_owned() }, &OLD_KEYS));
    found.fix(text, safety, edits)
}

/// `container_volumes` has the host's path as the key: the other way round.
fn of_volumes(layer: &Layer<'_>, value: &Value, namespace: &Value) -> Finding {
    let found = OLD_KEYS
        .found()
        .title("\"container_volumes\" of casa-distro 2.x is called \"mounts\" in 3.x, the other way round")
        .evidence(evidence(layer, "container_volumes"));
    let by_hand = "Write each entry into \"mounts\" by hand, the container's path first.";
    let Some(volumes) = value.as_object() else { return found.advise(by_hand) };
    let present = |container: &str| {
        ["mounts", "container_mounts"]
            .iter()
            .any(|key| layer.object.get(*key).is_some_and(|mounts| mounts.get(container).is_some()))
    };
    let mut edits: Vec<Edit> = Vec::new();
    let mut containers: Vec<String> = Vec::new();
    // Without "mounts" in this file, "container_mounts" becomes it by being renamed, and cannot be written to before.
    let target = if !layer.object.contains_key("mounts") && layer.object.contains_key("container_mounts") {
        "container_mounts"
    } else {
        "mounts"
    };
    for (host, container) in volumes {
        let Some(container) = container.as_str() else { return found.advise(by_hand) };
        let (Some(host), Some(container)) = (modern_text(host, namespace), modern_text(container, namespace)) else {
            return found.advise(by_hand);
        };
        if !present(&container) && !MOUNTED_BY_3X.contains(&container.as_str()) && !containers.contains(&container) {
            let pointer = format!("/{target}/{}", step(&container));
            edits.push(layer.edit(&pointer, Change::Set { to: json!(host) }, &OLD_KEYS));
            containers.push(container);
        }
    }
    edits.push(layer.edit("/container_volumes", Change::Remove, &OLD_KEYS));
    found.fix("Write its entries into \"mounts\", the container's path first, and remove it", Safety::Confirm, edits)
}

fn of_text(layers: &Layers<'_>, layer: &Layer<'_>, old: &str, new: &str) -> Finding {
    let pointer = format!("/{old}");
    let found = OLD_KEYS
        .found()
        .title(format!("\"{old}\" of casa-distro 2.x is called \"{new}\" in 3.x, which ignores it"))
        .evidence(evidence(layer, old));
    if let Some(other) = layers.last_with(new) {
        let edit = layer.edit(&pointer, Change::Remove, &OLD_KEYS);
        return found
            .severity(Severity::Info)
            .evidence(format!("{}: \"{new}\" is there as well, and counts", other.place(&format!("/{new}"))))
            .fix(format!("Remove \"{old}\""), Safety::Confirm, [edit]);
    }
    let edit = layer.edit(&pointer, Change::Rename { to: new.to_owned() }, &OLD_KEYS);
    if old == "container_image" {
        return found.fix(
            "Rename it to \"image\". An image made for casa-distro 2.x may not work with 3.x: then get a new one",
            Safety::Confirm,
            [edit],
        );
    }
    found.fix(format!("Rename it to \"{new}\""), Safety::Safe, [edit])
}

/// What becomes of an entry.
enum Converted {
    As(String),
    Dropped,
    Unreadable,
}

fn converted(entry: &Entry<'_>, mounts: bool, namespace: &Value) -> Converted {
    let by_3x: &[&str] = if mounts { &MOUNTED_BY_3X } else { &SET_BY_3X };
    if by_3x.contains(&entry.name) || (!mounts && entry.name == "SOFTWARE_OPENGL") {
        return Converted::Dropped;
    }
    match entry.value {
        Value::Null if mounts => Converted::As(String::new()),
        Value::Null => Converted::Dropped,
        Value::String(display) if !mounts && entry.name == "DISPLAY" && super::display::is_fixed(display) => {
            Converted::As("$DISPLAY".to_owned())
        }
        Value::String(text) => modern_text(text, namespace).map_or(Converted::Unreadable, Converted::As),
        Value::Number(number) if !mounts => Converted::As(number.to_string()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Converted::Unreadable,
    }
}

/// A text of 2.x as 3.x reads it: `%(name)s` becomes `{name}`, `${VAR}` becomes `$VAR`. `None` when it names what 3.x does not
/// have.
fn modern_text(text: &str, namespace: &Value) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    // Without a percent sign 2.x leaves a text alone, so only what comes of one needs care.
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("%(") {
        let (name, after) = after.split_once(")s")?;
        let name = match name {
            "build_workflow_dir" => "directory",
            "distro_name" => "distro",
            "casa_branch" => "branch",
            other => other,
        };
        namespace.get(name)?;
        result.push_str(before);
        result.push('{');
        result.push_str(name);
        result.push('}');
        rest = after;
    }
    result.push_str(rest);
    Some(repaired(&result, namespace))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{edits, facts, facts_with_user, findings};
    use super::*;

    #[test]
    fn plain_objects_are_only_renamed() {
        let facts = facts_with_user(
            &json!({"container_env": {"A": "1"}, "container_mounts": {"/data": "/data"}, "env": {"B": "2"}}),
            Some(&json!({"container_gui_env": {"DISPLAY": "$DISPLAY"}})),
        );
        assert_eq!(
            edits(&CHECK, &facts),
            ["rename /container_env env", "rename /container_mounts mounts", "rename /container_gui_env gui_env"]
        );
        let found = findings(&CHECK, &facts);
        assert!(found.iter().all(|finding| finding.advice[0].safety == Safety::Safe));
        assert_eq!(found[0].evidence, ["/env/conf/casa_distro.json:2: \"container_env\" is a key of casa-distro 2.x"]);
    }

    #[test]
    fn entries_become_what_3x_reads() {
        let facts = facts(&json!({
            "system": "ubuntu-18.04", "distro_name": "brainvisa",
            "container_env": {"CASA_HOST_DIR": "%(build_workflow_dir)s", "X": "%(distro_name)s-${USER}", "N": 4, "{": "{"},
            "container_gui_env": {"DISPLAY": ":0", "SOFTWARE_OPENGL": "1", "XAUTHORITY": "${HOME}/.Xauthority"},
            "container_mounts": {"/casa/home": "%(build_workflow_dir)s/home", "/casa/src": "%(build_workflow_dir)s/src", "/off": null},
        }));
        assert_eq!(
            edits(&CHECK, &facts),
            [
                "remove /container_env/CASA_HOST_DIR",
                "set /container_env/X \"{distro}-$USER\"",
                "set /container_env/N \"4\"",
                "set /container_env/{ \"{{\"",
                "rename /container_env env",
                "set /container_gui_env/DISPLAY \"$DISPLAY\"",
                "remove /container_gui_env/SOFTWARE_OPENGL",
                "remove /container_gui_env/XAUTHORITY",
                "rename /container_gui_env gui_env",
                "remove /container_mounts/~1casa~1home",
                "set /container_mounts/~1casa~1src \"{directory}/src\"",
                "set /container_mounts/~1off \"\"",
                "rename /container_mounts mounts",
                "rename /distro_name distro",
            ]
        );
    }

    #[test]
    fn volumes_are_turned_round() {
        let facts = facts(&json!({
            "container_volumes": {"%(build_workflow_dir)s/data, 1": "/data", "/b": "/kept", "/twice": "/data"},
            "mounts": {"/kept": "/mine"},
        }));
        assert_eq!(edits(&CHECK, &facts), ["set /mounts/~1data \"{directory}/data, 1\"", "remove /container_volumes"]);
        assert_eq!(findings(&CHECK, &facts)[0].advice[0].safety, Safety::Confirm);
    }

    #[test]
    fn an_old_image_gives_way_to_a_new_one() {
        assert_eq!(edits(&CHECK, &facts(&json!({"container_image": "a.simg"}))), ["rename /container_image image"]);
        let both = facts(&json!({"container_image": "a.simg", "image": "b.sif"}));
        assert_eq!(edits(&CHECK, &both), ["remove /container_image"]);
        assert_eq!(findings(&CHECK, &both)[0].severity, Severity::Info);
    }

    #[test]
    fn what_cannot_be_converted_is_left_to_the_user() {
        for config in [
            json!({"container_env": {"A": "%(unknown)s"}}),
            json!({"container_env": {"A": "%(name"}}),
            json!({"container_env": "A=1"}),
            json!({"container_mounts": {"/a": 5}}),
            json!({"container_volumes": ["/a"]}),
            json!({"container_volumes": {"/a": null}}),
            json!({"user_specific_home": true}),
        ] {
            let found = findings(&CHECK, &facts(&config));
            assert_eq!((found.len(), found[0].edits.len()), (1, 0), "{config}");
        }
    }

    #[test]
    fn keys_of_3x_are_healthy() {
        let facts = facts(&json!({"container_options": [], "container_type": "singularity", "system": "s", "%(x)s": 1}));
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }
}
