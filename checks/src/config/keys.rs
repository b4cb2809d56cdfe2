//! Does the configuration have the keys that casa_distro needs, with values of the right kind?

use serde_json::{Value, json};

use super::layers::{Layer, Layers, kind_of, layers, outcome, step};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, Finding, FindingKind, Safety, Severity};

/// Does the configuration have the keys that casa_distro needs, with values of the right kind?
pub(super) static CHECK: Check = Check {
    id: "config-keys",
    category: Category::Config,
    question: "Does the configuration have every key that casa_distro needs, with a value of the right kind?",
    needs: &[ProbeId::Environment],
    findings: &[&MISSING_KEY, &WRONG_TYPE, &CONTAINER_TYPE],
    run,
};

static MISSING_KEY: FindingKind = FindingKind {
    id: "config-missing-key",
    code: "CD0902",
    severity: Severity::Error,
    title: "The configuration lacks a key that casa_distro needs",
    why: "casa_distro does not check its configuration. Where a key is missing it dies with a Python traceback that names the key at \
          best.",
    cure: "Add the key to the environment's casa_distro.json.",
    example: "KeyError: 'container_type'",
    since: "0.1.0",
};

static WRONG_TYPE: FindingKind = FindingKind {
    id: "config-wrong-type",
    code: "CD0913",
    severity: Severity::Error,
    title: "A key of the configuration has a value of the wrong kind",
    why: "casa_distro does not check its configuration. A number where a text should stand, or a text where a list should stand, \
          ends the start with a Python traceback, or is read letter by letter.",
    cure: "Write the value in the kind that casa_distro reads: texts in quotes, options as a list of texts, mounts and variables as \
           an object of texts.",
    example: "AttributeError: 'int' object has no attribute 'format'",
    since: "0.1.0",
};

static CONTAINER_TYPE: FindingKind = FindingKind {
    id: "config-container-type",
    code: "CD0919",
    severity: Severity::Error,
    title: "casa_distro 3.x cannot start this container type",
    why: "casa_distro 3.x starts containers of the types singularity, apptainer and apptainer_pixi, spelt exactly so. Its code for \
          Docker and VirtualBox makes images and does not start them. casa-doctor run starts those of Docker and Podman, too.",
    cure: "Use singularity with an image for it, or start programs with casa-doctor run where the image is one of Docker or Podman.",
    example: "Invalid container type: Singularity",
    since: "0.1.0",
};

/// The keys that casa_distro puts into texts in braces. Its own defaults use the first three.
pub(super) const SUBSTITUTED: [&str; 6] = ["name", "system", "distro", "version", "branch", "type"];

/// What a key must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    TextList,
    TextMap,
    MountMap,
}

/// The keys that casa_distro 3.x reads when it starts a container, what each must hold, and whether it dies otherwise.
const KEYS: [(&str, Kind, bool); 15] = [
    ("name", Kind::Text, false),
    ("type", Kind::Text, false),
    ("system", Kind::Text, false),
    ("distro", Kind::Text, false),
    ("version", Kind::Text, false),
    ("image_id", Kind::Text, false),
    ("image_version", Kind::Text, false),
    ("branch", Kind::Text, true),
    ("container_type", Kind::Text, true),
    ("image", Kind::Text, true),
    ("env", Kind::TextMap, true),
    ("gui_env", Kind::TextMap, true),
    ("mounts", Kind::MountMap, true),
    ("container_options", Kind::TextList, true),
    ("container_gui_options", Kind::TextList, true),
];

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let mut findings = missing_keys(&layers);
    let os = facts.machine.as_ref().map_or("", |machine| machine.os.as_str());
    findings.extend(container_type(&layers, matches!(os, "macos" | "windows")));
    for layer in &layers.all {
        for (key, kind, dies) in KEYS {
            if let Some(value) = layer.object.get(key).filter(|value| !(value.is_null() && may_be_null(layer, key))) {
                findings.extend(wrong_types(&layers, layer, key, value, kind, dies));
            }
        }
    }
    findings.extend(clashes(&layers));
    outcome(findings)
}

fn missing_keys(layers: &Layers<'_>) -> Vec<Finding> {
    let own = layers.own();
    let has = |key: &str| layers.last_with(key).is_some();
    let image = layers.last_with("image").and_then(|layer| layer.object["image"].as_str());
    let mut findings = Vec::new();
    let missing = |key: &str| {
        MISSING_KEY
            .found()
            .title(format!("The configuration lacks \"{key}\""))
            .evidence(format!("{}: there is no key \"{key}\"", own.path().display()))
    };
    let set = |key: &str, to: &str| [own.edit(&format!("/{key}"), Change::Set { to: json!(to) }, &MISSING_KEY)];
    // It is read before the user's file is merged.
    if !own.object.contains_key("container_type") {
        let looks_like_sif = image.is_some_and(|image| image.ends_with(".sif") || image.ends_with(".simg"));
        let finding = missing("container_type");
        findings.push(if looks_like_sif {
            finding.fix(
                "Add \"container_type\": \"singularity\", which fits the image",
                Safety::Safe,
                set("container_type", "singularity"),
            )
        } else {
            finding.advise("Add \"container_type\": \"singularity\" if the image is one for Apptainer or Singularity.")
        });
    }
    if image.is_none() && !has("image") {
        findings.push(missing("image").advise(
            "Add \"image\": the path of the environment's image file, absolute or relative to the environment's directory.",
        ));
    }
    if !has("name") {
        let finding = missing("name");
        let name = layers.environment.directory.file_name().and_then(|name| name.to_str()).filter(|name| *name != "host");
        findings.push(match name {
            Some(name) => finding.fix(format!("Add \"name\": \"{name}\", after the directory"), Safety::Confirm, set("name", name)),
            None => finding.advise("Add \"name\": any name for this environment."),
        });
    }
    for (key, meaning) in [
        ("system", "the system inside the image, such as ubuntu-22.04; it stands in the image's .json file"),
        ("distro", "the software distribution, such as brainvisa or opensource"),
    ] {
        if !has(key) {
            findings.push(missing(key).advise(format!("Add \"{key}\": {meaning}.")));
        }
    }
    findings
}

/// `needs_docker` tells that the system has no other engine that could start the environment.
fn container_type(layers: &Layers<'_>, needs_docker: bool) -> Option<Finding> {
    let layer = layers.last_with("container_type")?;
    let written = layer.object["container_type"].as_str()?;
    let found =
        CONTAINER_TYPE.found().evidence(format!("{}: \"container_type\" is {}", layer.place("/container_type"), json!(written)));
    let right = written.trim().to_lowercase().replace('-', "_");
    let spelt = match right.as_str() {
        "singularity" | "singularityce" | "singularity_ce" => "singularity",
        "apptainer" => "apptainer",
        "apptainer_pixi" => "apptainer_pixi",
        "docker" | "podman" => {
            let found = found
                .severity(Severity::Warning)
                .title("casa_distro 3.x does not start containers of Docker or Podman; casa-doctor does")
                .evidence(if right == "docker" {
                    "casa_distro 3.x says: run command is not implemented for Docker"
                } else {
                    "casa_distro 3.x says: Invalid container type: podman"
                })
                .advise_command(
                    "Start the programs of this environment with casa-doctor instead of bv:",
                    "casa-doctor run -- PROGRAM",
                );
            if needs_docker {
                return Some(found);
            }
            return Some(found.advise(
                "For bv to start them, get the image of this environment for Singularity and set \"container_type\" to \"singularity\".",
            ));
        }
        "vbox" | "virtualbox" => {
            return Some(
                found
                    .title("casa_distro 3.x does not start VirtualBox machines")
                    .evidence("casa_distro 3.x says: run command is not implemented for VirtualBox")
                    .advise("Start the machine in VirtualBox itself; it is complete in itself and needs no casa_distro outside."),
            );
        }
        _ => {
            return Some(found.advise("Write singularity or apptainer, whichever the image is for."));
        }
    };
    (spelt != written).then(|| {
        let edit = layer.edit("/container_type", Change::Set { to: json!(spelt) }, &CONTAINER_TYPE);
        found.title("The container type is not spelt as casa_distro reads it").fix(
            format!("Write it as \"{spelt}\""),
            Safety::Safe,
            [edit],
        )
    })
}

/// Whether casa_distro takes null for a key that is not there. A list that the environment has does not take the user's null.
fn may_be_null(layer: &Layer<'_>, key: &str) -> bool {
    match key {
        "branch" | "image_id" | "image_version" | "type" | "version" => true,
        "container_gui_options" => !layer.is_user,
        _ => false,
    }
}

fn wrong_types(layers: &Layers<'_>, layer: &Layer<'_>, key: &str, value: &Value, kind: Kind, dies: bool) -> Vec<Finding> {
    let pointer = format!("/{key}");
    let whole = |wanted: &str| {
        WRONG_TYPE
            .found()
            .severity(if dies { Severity::Error } else { Severity::Warning })
            .title(format!("\"{key}\" must be {wanted}"))
            .evidence(format!("{}: \"{key}\" is {}", layer.place(&pointer), kind_of(value)))
    };
    let set = |to: Value| [layer.edit(&pointer, Change::Set { to }, &WRONG_TYPE)];
    match (kind, value) {
        (Kind::Text, Value::String(_)) => Vec::new(),
        (Kind::Text, Value::Number(number)) => {
            let right = number.to_string();
            vec![whole("a text").fix(format!("Put it into quotes: \"{right}\""), Safety::Safe, set(json!(right)))]
        }
        (Kind::Text, _) => vec![whole("a text").advise(format!("Write \"{key}\" as a text in quotes."))],
        (Kind::TextList, Value::Array(list)) => wrong_elements(layer, key, list),
        (Kind::TextList, Value::String(text)) => {
            let words: Vec<_> = text.split_whitespace().collect();
            let simple = !text.contains(['\'', '"', '\\']);
            let finding = whole("a list of texts");
            vec![if simple {
                let text = format!("Write it as a list of options: {}", json!(words));
                finding.fix(text, Safety::Confirm, set(json!(words)))
            } else {
                finding.advise("Write it as a list, with each option and each value in quotes of its own.")
            }]
        }
        (Kind::TextList, _) => vec![whole("a list of texts").advise(format!("Write \"{key}\" as a list of texts, or remove it."))],
        (Kind::TextMap | Kind::MountMap, Value::Object(_)) => wrong_entries(layers, layer, key, kind == Kind::MountMap),
        (Kind::TextMap | Kind::MountMap, _) => {
            vec![whole("an object of texts").advise(format!("Write \"{key}\" as an object in braces, or remove it."))]
        }
    }
}

fn wrong_elements(layer: &Layer<'_>, key: &str, list: &[Value]) -> Vec<Finding> {
    let wrong = list.iter().enumerate().filter(|(_, element)| !element.is_string());
    wrong
        .map(|(index, element)| {
            let pointer = format!("/{key}/{index}");
            let found = entry_finding(layer, &pointer, key, element);
            match element {
                Value::Number(number) => in_quotes(found, layer, &pointer, &number.to_string()),
                _ => {
                    let edit = layer.edit(&pointer, Change::Remove, &WRONG_TYPE);
                    found.fix("Remove the element, which can be no option", Safety::Confirm, [edit])
                }
            }
        })
        .collect()
}

fn wrong_entries(layers: &Layers<'_>, layer: &Layer<'_>, key: &str, mounts: bool) -> Vec<Finding> {
    let wrong = layer.entries(key).into_iter().filter(|entry| !(entry.value.is_string() || (mounts && entry.value.is_null())));
    // A scalar is replaced; into an object casa_distro would merge, and dies.
    let wrong =
        wrong.filter(|entry| entry.value.is_object() || entry.value.is_array() || !layers.is_replaced(layer, &entry.pointer));
    wrong
        .map(|entry| {
            let found = entry_finding(layer, &entry.pointer, key, entry.value);
            match entry.value {
                Value::Number(number) if !mounts => in_quotes(found, layer, &entry.pointer, &number.to_string()),
                Value::Bool(value) if !mounts => {
                    let edit = layer.edit(&entry.pointer, Change::Set { to: json!(value.to_string()) }, &WRONG_TYPE);
                    found.fix(
                        format!("Put it into quotes: \"{value}\" (some programs want 1 or 0 instead)"),
                        Safety::Confirm,
                        [edit],
                    )
                }
                Value::Null if !mounts => {
                    let edit = layer.edit(&entry.pointer, Change::Remove, &WRONG_TYPE);
                    found.fix("Remove the entry, or write \"\" for an empty value", Safety::Confirm, [edit])
                }
                _ => found.advise(format!("Write the value of \"{}\" as a text in quotes.", entry.name)),
            }
        })
        .collect()
}

fn entry_finding(layer: &Layer<'_>, pointer: &str, key: &str, value: &Value) -> Finding {
    WRONG_TYPE.found().title(format!("\"{key}\" may hold texts only")).evidence(format!(
        "{}: {pointer} is {}",
        layer.place(pointer),
        kind_of(value)
    ))
}

fn in_quotes(found: Finding, layer: &Layer<'_>, pointer: &str, text: &str) -> Finding {
    let edit = layer.edit(pointer, Change::Set { to: json!(text) }, &WRONG_TYPE);
    found.fix(format!("Put it into quotes: \"{text}\""), Safety::Safe, [edit])
}

/// Keys that casa_distro does not know but merges all the same, and dies of when the files give them different kinds.
fn clashes(layers: &Layers<'_>) -> Vec<Finding> {
    let [own, user] = layers.all.as_slice() else { return Vec::new() };
    let mut findings = Vec::new();
    for (key, new) in user.object {
        let Some(old) = own.object.get(key) else { continue };
        if KEYS.iter().any(|(known, ..)| known == key) {
            continue;
        }
        let mut pointer = format!("/{}", step(key));
        if clash(old, new, &mut pointer) {
            findings.push(
                WRONG_TYPE
                    .found()
                    .title("The two configuration files give a key values of different kinds")
                    .evidence(format!("{}: {pointer} is {}", own.place(&pointer), kind_at(own, &pointer)))
                    .evidence(format!("{}: {pointer} is {}", user.place(&pointer), kind_at(user, &pointer)))
                    .advise("Write it in the same kind in both files, or remove it from the user's file."),
            );
        }
    }
    findings
}

fn kind_at(layer: &Layer<'_>, pointer: &str) -> &'static str {
    let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    let first = steps.next().and_then(|key| layer.object.get(&key));
    steps.fold(first, |value, key| value.and_then(|value| value.get(&key))).map_or("missing", kind_of)
}

/// Whether the user's value cannot be merged into the environment's; the pointer is led to the place.
fn clash(old: &Value, new: &Value, pointer: &mut String) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => new.iter().any(|(key, new)| {
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(&step(key));
            let found = old.get(key).is_some_and(|old| clash(old, new, pointer));
            if !found {
                pointer.truncate(length);
            }
            found
        }),
        (Value::Array(_), Value::Array(_)) => false,
        (Value::Object(_) | Value::Array(_), _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{edits, facts, facts_with_user, findings, ids};
    use super::*;

    fn complete(key: &str, value: Value) -> Value {
        let mut config = json!({"name": "n", "system": "s", "distro": "d", "container_type": "singularity", "image": "a.sif"});
        config[key] = value;
        config
    }

    #[test]
    fn missing_keys_are_named_one_by_one() {
        let titles = |config: &Value| -> Vec<String> {
            findings(&CHECK, &facts(config)).into_iter().map(|finding| finding.title.unwrap()).collect()
        };
        assert_eq!(
            titles(&json!({})),
            ["container_type", "image", "name", "system", "distro"].map(|key| format!("The configuration lacks \"{key}\""))
        );
        let facts = facts(&json!({"image": "/x/a.sif", "system": "s", "distro": "d"}));
        assert_eq!(edits(&CHECK, &facts), ["set /container_type \"singularity\"", "set /name \"env\""]);
    }

    #[test]
    fn the_user_s_file_may_give_keys_but_not_the_container_type() {
        let user = json!({"name": "n", "system": "s", "distro": "d", "container_type": "singularity", "image": "a.sif"});
        let found = findings(&CHECK, &facts_with_user(&json!({}), Some(&user)));
        assert_eq!(found.len(), 1);
        assert!(found[0].evidence[0].ends_with("there is no key \"container_type\""));
    }

    #[test]
    fn the_container_type_is_respelt_or_explained() {
        for (written, edit) in [
            ("Singularity", Some("singularity")),
            ("apptainer ", Some("apptainer")),
            ("APPTAINER-PIXI", Some("apptainer_pixi")),
            ("docker", None),
            ("vbox", None),
            ("", None),
        ] {
            let facts = facts(&complete("container_type", json!(written)));
            assert_eq!(ids(&CHECK, &facts), ["config-container-type"], "{written}");
            assert_eq!(
                edits(&CHECK, &facts),
                Vec::from_iter(edit.map(|edit| format!("set /container_type \"{edit}\""))),
                "{written}"
            );
        }
        for healthy in ["singularity", "apptainer", "apptainer_pixi"] {
            assert_eq!(CHECK.judge(&facts(&complete("container_type", json!(healthy)))), Outcome::Pass);
        }
    }

    #[test]
    fn what_the_user_s_file_replaces_ends_nothing() {
        let wrong = complete("env", json!({"A": 1, "B": {}}));
        let user = json!({"env": {"A": "1", "B": "b"}});
        let found = findings(&CHECK, &facts_with_user(&wrong, Some(&user)));
        assert!(found.len() == 1 && found[0].evidence[0].contains("/env/B"), "only an object is merged into: {found:?}");
    }

    #[test]
    fn a_list_does_not_take_the_user_s_null() {
        let config = complete("container_gui_options", json!(["--nv"]));
        let user = json!({"container_gui_options": null});
        assert_eq!(ids(&CHECK, &facts_with_user(&config, Some(&user))), ["config-wrong-type"]);
    }

    #[test]
    fn wrong_kinds_are_told_for_every_key() {
        for (key, ..) in KEYS {
            for wrong in [json!(null), json!(true), json!(1.5)] {
                if wrong.is_null()
                    && ["branch", "image_id", "image_version", "type", "version", "container_gui_options"].contains(&key)
                {
                    assert_eq!(CHECK.judge(&facts(&complete(key, wrong))), Outcome::Pass, "{key}: as if it were not there");
                    continue;
                }
                let found = findings(&CHECK, &facts(&complete(key, wrong.clone())));
                assert_eq!(
                    found.iter().map(|finding| finding.kind.id).collect::<Vec<_>>(),
                    ["config-wrong-type"],
                    "{key}: {wrong}"
                );
            }
        }
        assert_eq!(ids(&CHECK, &facts(&complete("env", json!([])))), ["config-wrong-type"]);
        assert_eq!(ids(&CHECK, &facts(&complete("container_options", json!({})))), ["config-wrong-type"]);
        assert_eq!(ids(&CHECK, &facts(&complete("image", json!(["a.sif"])))), ["config-wrong-type"]);
    }

    #[test]
    fn wrong_kinds_inside_are_cured_where_the_meaning_is_plain() {
        for (key, value, edit) in [
            ("version", json!(5.1), "set /version \"5.1\""),
            ("env", json!({"A/B": 4}), "set /env/A~1B \"4\""),
            ("env", json!({"A": true}), "set /env/A \"true\""),
            ("gui_env", json!({"A": null}), "remove /gui_env/A"),
            ("container_options", json!("--bind /a:/b"), "set /container_options [\"--bind\",\"/a:/b\"]"),
            ("container_options", json!(["--cpus", 4]), "set /container_options/1 \"4\""),
            ("container_gui_options", json!([null]), "remove /container_gui_options/0"),
        ] {
            assert_eq!(edits(&CHECK, &facts(&complete(key, value))), [edit]);
        }
        for (key, value) in
            [("mounts", json!({"/a": 1})), ("container_options", json!("--bind '/a b:/c'")), ("env", json!({"A": {}}))]
        {
            assert_eq!(edits(&CHECK, &facts(&complete(key, value.clone()))), [""; 0], "{value}");
        }
    }

    #[test]
    fn unknown_keys_of_two_kinds_clash() {
        let facts = facts_with_user(&complete("mine", json!({"a/b": {"c": []}})), Some(&json!({"mine": {"a/b": {"c": "x"}}})));
        let found = findings(&CHECK, &facts);
        assert_eq!(
            found[0].evidence,
            ["/env/conf/casa_distro.json:2: /mine/a~1b/c is a list", "/u/casa_distro_3.json:2: /mine/a~1b/c is a text"]
        );
    }
}
