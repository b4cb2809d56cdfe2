//! Made-up environments for the tests of this family.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::check::{Check, Outcome};
use crate::facts::*;
use crate::finding::{Change, Edit, Finding};

/// An environment `/env` whose file holds this; every key is on line 2.
pub(super) fn facts(config: &Value) -> Facts {
    facts_with_user(config, None)
}

/// The same with a user's file.
pub(super) fn facts_with_user(config: &Value, user: Option<&Value>) -> Facts {
    let mut merged = json!({"directory": "/env", "config_files": [],
        "mounts": {"/casa/host": "{directory}", "/host": "/"}, "env": {"CASA_SYSTEM": "{system}"}});
    for layer in std::iter::once(config).chain(user) {
        for (key, value) in layer.as_object().into_iter().flatten() {
            match (merged[key].as_object_mut(), value.as_object()) {
                (Some(old), Some(new)) => old.extend(new.clone()),
                _ => merged[key] = value.clone(),
            }
        }
    }
    let environment = Environment {
        directory: "/env".into(),
        file: file("/env/conf/casa_distro.json", config),
        user_file: user.map(|user| file("/u/casa_distro_3.json", user)),
        merged: Some(merged),
        home: Some("/env/home".into()),
        home_signs: Some(BTreeSet::new()),
        home_exists: Some(true),
        ..Environment::default()
    };
    with_environment(environment)
}

/// Facts with this environment and nothing else.
pub(super) fn with_environment(environment: Environment) -> Facts {
    let search = EnvironmentSearch { named_by: "argument".into(), found: Some(environment), ..EnvironmentSearch::default() };
    Facts { environment: Some(search), probes: answered(), ..Facts::default() }
}

fn answered() -> BTreeMap<ProbeId, ProbeRun> {
    BTreeMap::from([(ProbeId::Environment, ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 1 })])
}

fn file(path: &str, value: &Value) -> ConfigFile {
    let mut lines = BTreeMap::new();
    mark(value, &mut String::new(), &mut lines);
    ConfigFile { path: path.into(), value: Some(value.clone()), lines, ..ConfigFile::default() }
}

fn mark(value: &Value, pointer: &mut String, lines: &mut BTreeMap<String, u32>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (super::layers::step(key), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => return,
    };
    for (name, child) in children {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name);
        lines.insert(pointer.clone(), 2);
        mark(child, pointer, lines);
        pointer.truncate(length);
    }
}

/// The findings; fails when the check ended in another way than pass or finding.
pub(super) fn findings(check: &Check, facts: &Facts) -> Vec<Finding> {
    match check.judge(facts) {
        Outcome::Pass => Vec::new(),
        Outcome::Findings(findings) => {
            assert!(!findings.is_empty());
            for finding in &findings {
                assert!(check.findings.contains(&finding.kind), "{} is not declared", finding.kind.id);
                assert!(!finding.evidence.is_empty() && !finding.advice.is_empty(), "{}: no evidence or advice", finding.kind.id);
                assert!(!finding.title.as_ref().is_some_and(|title| title.ends_with('.')));
            }
            findings
        }
        other => panic!("{}: {other:?}", check.id),
    }
}

/// Ids of the findings.
pub(super) fn ids(check: &Check, facts: &Facts) -> Vec<&'static str> {
    findings(check, facts).iter().map(|finding| finding.kind.id).collect()
}

/// The edits of all findings in short: `set /env/A "1"`, `remove /x`, `rename /a b`.
pub(super) fn edits(check: &Check, facts: &Facts) -> Vec<String> {
    let edits = findings(check, facts).into_iter().flat_map(|finding| finding.edits);
    edits
        .map(|edit| match edit.change {
            Change::Set { to } => format!("set {} {to}", edit.key),
            Change::Remove => format!("remove {}", edit.key),
            Change::Rename { to } => format!("rename {} {to}", edit.key),
            Change::Append { value } => format!("append {} {value}", edit.key),
        })
        .collect()
}

/// Every check of the family but `syntax` and `layout` must skip when there is nothing to look at.
pub(super) fn assert_skips_without_configuration(check: &Check) {
    let mut facts = Facts { environment: Some(EnvironmentSearch::default()), probes: answered(), ..Facts::default() };
    assert!(matches!(check.judge(&facts), Outcome::Skipped(_)), "{}: without environment", check.id);
    facts.environment.as_mut().unwrap().candidates = vec!["/a".into(), "/b".into()];
    assert!(matches!(check.judge(&facts), Outcome::Skipped(_)), "{}: with several", check.id);
    let error = ConfigError { kind: ConfigErrorKind::Syntax, message: "x".into(), line: Some(1), column: Some(1) };
    let broken = ConfigFile { path: "/env/conf/casa_distro.json".into(), error: Some(error), ..ConfigFile::default() };
    let facts = with_environment(Environment { file: broken, ..Environment::default() });
    assert!(matches!(check.judge(&facts), Outcome::Skipped(_)), "{}: with a broken file", check.id);
    assert!(matches!(check.judge(&Facts::default()), Outcome::Unknown(_)), "{}: without a probe", check.id);
}

#[test]
fn every_check_but_syntax_and_layout_skips_without_a_usable_configuration() {
    for check in super::CHECKS.iter().filter(|check| !matches!(check.id, "config-syntax" | "config-layout")) {
        assert_skips_without_configuration(check);
    }
}

#[test]
fn a_healthy_environment_passes_every_check() {
    let healthy = json!({
        "casa_distro_compatibility": "3", "name": "brainvisa-5.1", "type": "user", "system": "ubuntu-22.04",
        "container_type": "singularity", "distro": "brainvisa", "version": "5.1", "image": "brainvisa-5.1.sif",
        "image_id": "d1d9ed56", "env": {"SOMAWF_INPUT_PARAMS": "$SOMAWF_INPUT_PARAMS"}, "gui_env": {"DISPLAY": "$DISPLAY"},
        "mounts": {"/data": "{directory}/data"}, "container_options": ["--bind", "/a b,c:/d", "-B/x:/y", "--no-home"],
        "container_gui_options": ["--env=QT_X11_NO_MITSHM=1"],
    });
    let user = json!({"mounts": {"/home": "/home"}});
    for facts in [facts(&healthy), facts_with_user(&healthy, Some(&user))] {
        for check in super::CHECKS {
            assert_eq!(check.judge(&facts), Outcome::Pass, "{}", check.id);
        }
    }
}

#[test]
fn no_check_panics_whatever_stands_in_the_keys() {
    let keys = [
        "name",
        "system",
        "distro",
        "type",
        "version",
        "branch",
        "image",
        "image_id",
        "container_type",
        "env",
        "gui_env",
        "mounts",
        "container_options",
        "container_gui_options",
        "container_env",
        "container_gui_env",
        "container_mounts",
        "container_volumes",
        "container_image",
        "user_specific_home",
        "distro_name",
        "casa_branch",
        "alt_configs",
        "casa_doctor",
    ];
    let nasty = [
        json!(null),
        json!(true),
        json!(-1.5e300),
        json!(""),
        json!("{"),
        json!("${"),
        json!("%(x)s ${A}{b}\n\"'é,:"),
        json!([]),
        json!([null, 1, "-", "--", "", "-é", "--é=", [], {}]),
        json!({"": null, "/a:b,c \"d\"\n": "~/x", "DISPLAY": ":0", "x": [1]}),
        json!({"DISPLAY": 5, "SOFTWARE_OPENGL": null, "$A{": "}"}),
    ];
    for own in &nasty {
        for user in &nasty {
            let fill = |value: &Value| Value::Object(keys.iter().map(|key| ((*key).to_owned(), value.clone())).collect());
            let facts = facts_with_user(&fill(own), Some(&fill(user)));
            for check in super::CHECKS {
                let _ = check.judge(&facts);
            }
        }
    }
}

#[test]
fn no_edit_writes_a_hidden_secret_back() {
    let config = json!({
        "container_type": "singularity",
        "container_options": ["--env API_KEY=(hidden)"],
        "container_gui_options": ["--env=DISPLAY=:0,API_KEY=(hidden)"],
        "env": {"A": "${HOME} KEY=(hidden)"},
        "container_env": {"B": "${HOME} KEY=(hidden)"},
    });
    let facts = facts_with_user(&config, Some(&json!({"container_options": "--env=API_KEY=(hidden)"})));
    let checks = ["config-display", "config-flags", "config-generation", "config-keys", "config-substitution"];
    for check in super::CHECKS.iter().filter(|check| checks.contains(&check.id)) {
        let told = findings(check, &facts);
        assert!(
            told.iter().any(|finding| finding.advice.iter().any(|advice| advice.text.contains("by hand: the text holds"))),
            "{}",
            check.id
        );
        assert!(!format!("{:?}", edits(check, &facts)).contains("(hidden)"), "{}", check.id);
    }
}

/// Makes the edits of one file in a value, as the part that writes files is told to: all places are those of the value as
/// it was. A stand-in for that part.
fn apply(value: &Value, edits: &[Edit]) -> Value {
    let mut value = value.clone();
    let split = |pointer: &str| {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        (parent.to_owned(), last.replace("~1", "/").replace("~0", "~"))
    };
    for edit in edits {
        if let Change::Set { to } = &edit.change {
            let (parent, last) = split(&edit.key);
            if value.pointer(&parent).is_none() {
                value[parent.trim_start_matches('/')] = json!({});
            }
            match value.pointer_mut(&parent).unwrap() {
                Value::Array(list) => list[last.parse::<usize>().unwrap()] = to.clone(),
                other => other[last.as_str()] = to.clone(),
            }
        }
    }
    let mut removed: Vec<_> = edits.iter().filter(|edit| edit.change == Change::Remove).map(|edit| split(&edit.key)).collect();
    removed.sort_by_key(|(_, last)| std::cmp::Reverse(last.parse::<usize>().unwrap_or_default()));
    for (parent, last) in removed {
        match value.pointer_mut(&parent).unwrap() {
            Value::Array(list) => drop(list.remove(last.parse().unwrap())),
            other => drop(other.as_object_mut().unwrap().shift_remove(&last).expect("an edit removes what is there")),
        }
    }
    // What is deeper is renamed first, so that the parents still have their names.
    let mut renamed: Vec<_> = edits.iter().filter(|edit| matches!(edit.change, Change::Rename { .. })).collect();
    renamed.sort_by_key(|edit| std::cmp::Reverse(edit.key.matches('/').count()));
    for edit in renamed {
        let Change::Rename { to } = &edit.change else { continue };
        let (parent, last) = split(&edit.key);
        let object = value.pointer_mut(&parent).unwrap().as_object_mut().unwrap();
        let mut moved = object.shift_remove(&last).unwrap();
        if let (Some(existing), Some(moved)) = (object.get(to).and_then(Value::as_object), moved.as_object_mut()) {
            moved.extend(existing.clone());
        }
        object.insert(to.clone(), moved);
    }
    value
}

#[test]
fn after_all_edits_no_check_wants_another() {
    let base = json!({"name": "n", "system": "ubuntu-22.04", "distro": "d", "container_type": "Singularity", "image": "{directory}/a.sif"});
    for messy in [
        json!({"env": {"A": "${HOME}_x", "N": 4, "DISPLAY": ":0", "SOFTWARE_OPENGL": "${X}", "J": "{\"a\": {}}", "Z": null},
               "mounts": {"/home": null, "/gone/${USER}": "${DATA}/x", "/q": null}}),
        json!({"container_options": ["--nv", "--softgl", "--bind /a:/b", "--nv", "--no-nv", "--cpus", 2, "--debug", "--bnd=/x", "--rm"],
               "container_gui_options": ["--env", "DISPLAY=:0", "--nv", null]}),
        json!({"container_options": ["--env", "DISPLAY=:0", "--softgl", "--env=DISPLAY=:1"]}),
        json!({"container_env": {"A": "%(system)s ${USER}", "B": "{", "CASA_SYSTEM": "%(system)s", "N": 1},
               "container_gui_env": {"DISPLAY": ":0", "XAUTHORITY": "x"}, "gui_env": {"DISPLAY": "${DISPLAY}"},
               "container_mounts": {"/a": null, "/casa/home": "x"}, "container_volumes": {"/v": "/w", "/v2": "/a"},
               "distro_name": "old", "casa_branch": "b"}),
    ] {
        let mut own = base.clone();
        own.as_object_mut().unwrap().extend(messy.as_object().unwrap().clone());
        let user = json!({"image": "b.sif", "mounts": {"/mnt": null, "/x": null}, "container_options": ["--nv"]});
        let all = |own: &Value, user: &Value| {
            let facts = facts_with_user(own, Some(user));
            let found: Vec<_> = super::CHECKS
                .iter()
                .flat_map(|check| match check.judge(&facts) {
                    Outcome::Findings(findings) => findings,
                    Outcome::Pass => Vec::new(),
                    other => panic!("{}: {other:?}", check.id),
                })
                .collect();
            found.into_iter().flat_map(|finding| finding.edits).partition::<Vec<Edit>, _>(|edit| edit.file.starts_with("/env"))
        };
        let (own_edits, user_edits) = all(&own, &user);
        let places: BTreeSet<_> = own_edits.iter().map(|edit| (&edit.key, matches!(edit.change, Change::Rename { .. }))).collect();
        assert_eq!(places.len(), own_edits.len(), "two edits of one place: {own_edits:#?}");
        let (own, user) = (apply(&own, &own_edits), apply(&user, &user_edits));
        let (own_again, user_again) = all(&own, &user);
        assert!(own_again.is_empty() && user_again.is_empty(), "{own:#}\n{own_again:#?}\n{user_again:#?}");
    }
}
