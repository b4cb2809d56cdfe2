//! Can every mount be made?

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::layers::{Entry, Layer, Layers, layers, outcome, shell_word, step};
use super::python_format::variable_references;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, Mount, ProbeId};
use crate::finding::{Change, Finding, FindingKind, Safety, Severity};

/// Can every mount be made?
pub(super) static CHECK: Check = Check {
    id: "config-mounts",
    category: Category::Config,
    question: "Can every mount of the configuration be made?",
    needs: &[ProbeId::Environment],
    findings: &[&NULL_MOUNT, &MISSING_MOUNT, &MISSING_BIND],
    run,
};

static NULL_MOUNT: FindingKind = FindingKind {
    id: "config-null-mount",
    code: "CD0909",
    severity: Severity::Error,
    title: "A mount is disabled with null, which ends the first start",
    why: "null is the documented way to disable a mount, but casa_distro 3.x dies of it whenever it has to make the container's \
          home directory: at the first start, and for every new user of a shared installation.",
    cure: "Write an empty text, \"\", which disables the mount as well and does no harm.",
    example: "TypeError: expected str, bytes or os.PathLike object, not NoneType",
    since: "0.1.0",
};

static MISSING_MOUNT: FindingKind = FindingKind {
    id: "config-missing-mount",
    code: "CD0910",
    severity: Severity::Warning,
    title: "A directory to be mounted does not exist on this machine",
    why: "casa_distro leaves the mount out and starts all the same, so the data are not there in the container. It is often \
          harmless: the user's file lists the directories of the machine where it was made, and a home directory shared by several \
          machines brings it to all of them.",
    cure: "Mount or create the directory, correct its path, or remove the mount if no machine needs it any more.",
    example: "WARNING: the path /nfs/data cannot be found on your system, so it cannot be mounted in the container",
    since: "0.1.0",
};

static MISSING_BIND: FindingKind = FindingKind {
    id: "config-missing-bind",
    code: "CD0921",
    severity: Severity::Error,
    title: "An option of the configuration binds what does not exist, which ends every start",
    why: "casa_distro hands \"container_options\" to the engine as they are. What stands under \"mounts\" is left out where it is missing; \
          of a missing path after --bind or --mount the engine dies, whatever program is started.",
    cure: "Write it under \"mounts\" of the configuration instead, or remove the option, or mount the directory that is missing.",
    example: "FATAL: container creation failed: mount hook function failure: mount source /data/projects doesn't exist",
    since: "0.1.0",
};

/// What casa_distro mounts by itself when it exists and is no link (its function `standard_dirs_to_mount`).
const STANDARD: [&str; 8] = ["/home", "/mnt", "/media", "/srv", "/neurospin", "/drf", "/i2bm", "/nfs"];
/// The mounts that casa_distro starts from.
const BUILT_IN: [&str; 3] = ["/casa/host", "/host", "/run/shm"];

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let mut findings = Vec::new();
    for layer in &layers.all {
        for entry in layer.entries("mounts") {
            if entry.value.is_null() && !layers.is_replaced(layer, &entry.pointer) {
                findings.push(null_mount(&layers, layer, &entry));
            }
        }
    }
    findings.extend(missing_mounts(&layers));
    if layers.is_singularity() {
        findings.extend(missing_binds(&layers));
    }
    match (findings.is_empty(), &layers.environment.merged) {
        (true, None) => Outcome::Skipped("the user's configuration file cannot be used".to_owned()),
        _ => outcome(findings),
    }
}

fn null_mount(layers: &Layers<'_>, layer: &Layer<'_>, entry: &Entry<'_>) -> Finding {
    let home_exists = layers.environment.home_exists;
    let mut found = NULL_MOUNT
        .found()
        .severity(if home_exists == Some(false) { Severity::Error } else { Severity::Warning })
        .evidence(format!("{}: the mount at \"{}\" is null", layer.place(&entry.pointer), entry.name));
    if let (Some(home), Some(exists)) = (&layers.environment.home, home_exists) {
        let home = home.display();
        found = found.evidence(if exists {
            format!("{home}: the container's home directory exists, so this user's next start survives it")
        } else {
            format!("{home}: the container's home directory does not exist yet, so the next start dies of it")
        });
    }
    if disables_something(layers, layer, entry.name) {
        let edit = layer.edit(&entry.pointer, Change::Set { to: json!("") }, &NULL_MOUNT);
        found.fix("Write \"\" for null: the mount stays disabled, and casa_distro can read it", Safety::Safe, [edit])
    } else {
        let edit = layer.edit(&entry.pointer, Change::Remove, &NULL_MOUNT);
        found.fix("Remove the entry: no other file asks for a mount there, so it disables nothing", Safety::Safe, [edit])
    }
}

/// Whether something would be mounted there without this entry: by casa_distro itself or by the layer below. What cannot be
/// told counts as mounted.
fn disables_something(layers: &Layers<'_>, layer: &Layer<'_>, container: &str) -> bool {
    let trimmed = container.trim_end_matches('/');
    let by_itself = BUILT_IN.contains(&trimmed)
        || STANDARD.contains(&trimmed)
        || trimmed.starts_with("/volatile")
        || container.contains(['$', '{'])
        || trimmed.starts_with("/casa/")
        || trimmed == "/var/lib/xkb";
    let below = layer.is_user && layers.own().entries("mounts").iter().any(|entry| entry.name == container);
    by_itself || below
}

/// The mounts whose directory is not there, in one finding for each file and cure.
fn missing_mounts(layers: &Layers<'_>) -> Vec<Finding> {
    let merged = layers.merged();
    let mut findings = Vec::new();
    for layer in &layers.all {
        let source = if layer.is_user { "user" } else { "environment" };
        let mut gone: Vec<(&Mount, String)> = Vec::new();
        for mount in layers.environment.mounts.iter().filter(|mount| mount.source == source) {
            let pointer = format!("/mounts/{}", step(&mount.container));
            let Some(host) = mount.host.as_deref() else { continue };
            // What casa_distro cannot read at all is another finding, with another cure.
            if super::substitution::trouble(host, &merged).is_some()
                || super::substitution::trouble(&mount.container, &merged).is_some()
            {
                continue;
            }
            if mount.exists == Some(false) {
                if let Some(rest) = host.strip_prefix("~/").or_else(|| (host == "~").then_some("")) {
                    findings.push(tilde(layer, &pointer, host, rest));
                } else {
                    gone.push((mount, pointer));
                }
            } else if mount.resolved.is_none() && mount.exists.is_none() {
                findings.extend(unset(layer, &pointer, host, &layers.environment.referenced_variables));
            }
        }
        if !gone.is_empty() {
            findings.push(not_there(layer, &gone));
        }
    }
    findings
}

/// Options bind what is not there, of which the engine dies.
fn missing_binds(layers: &Layers<'_>) -> Option<Finding> {
    let gone: Vec<_> = layers.environment.option_binds.iter().filter(|bind| bind.exists == Some(false)).collect();
    let first = gone.first()?;
    let found = gone.iter().fold(MISSING_BIND.found(), |found, bind| {
        found.evidence(format!("\"{}\" of the configuration: {} does not exist", bind.option, bind.path.display()))
    });
    Some(
        found
            .advise(
                "Write it under \"mounts\" of the configuration instead, where casa_distro leaves out what is missing, or remove the option.",
            )
            .advise_command(
                "If it should be there, look which part of its path is missing:",
                format!("namei -l {}", shell_word(&first.path.display().to_string())),
            ),
    )
}

fn not_there(layer: &Layer<'_>, gone: &[(&Mount, String)]) -> Finding {
    let mut found = MISSING_MOUNT.found();
    if gone.len() > 1 {
        found = found.title(format!("{} directories to be mounted do not exist on this machine", gone.len()));
    }
    for (mount, pointer) in gone {
        let host = mount.host.as_deref().unwrap_or_default();
        let resolved = mount.resolved.as_ref().map(|path| path.display().to_string());
        let meaning =
            resolved.as_ref().filter(|path| *path != host).map_or_else(String::new, |path| format!(" (that is \"{path}\")"));
        found = found.evidence(format!("{}: \"{host}\"{meaning} does not exist", layer.place(pointer)));
    }
    let edits = gone.iter().map(|(_, pointer)| layer.edit(pointer, Change::Remove, &MISSING_MOUNT));
    let text = if layer.is_user {
        "Remove from your own file the directories that none of your machines has; a machine that shares your home directory may \
         still need them"
    } else {
        "Remove from the environment's file the directories that no machine with this environment has"
    };
    let found = found.fix(text, Safety::Confirm, edits);
    match gone {
        [(Mount { resolved: Some(path), .. }, _)] => found.advise_command(
            "If the directory should be there, look which part of its path is missing:",
            format!("namei -l {}", shell_word(&path.display().to_string())),
        ),
        _ => found,
    }
}

fn tilde(layer: &Layer<'_>, pointer: &str, host: &str, rest: &str) -> Finding {
    let right = if rest.is_empty() { "$HOME".to_owned() } else { format!("$HOME/{rest}") };
    let edit = layer.edit(pointer, Change::Set { to: Value::String(right.clone()) }, &MISSING_MOUNT);
    MISSING_MOUNT
        .found()
        .title("A mount begins with ~, which casa_distro does not replace by the home directory")
        .evidence(format!("{}: \"{host}\" does not exist", layer.place(pointer)))
        .fix(format!("Write it as \"{right}\""), Safety::Confirm, [edit])
}

fn unset(layer: &Layer<'_>, pointer: &str, host: &str, known: &BTreeMap<String, bool>) -> Option<Finding> {
    let names: Vec<_> = variable_references(host).into_iter().map(|reference| reference.name).collect();
    let name = names.into_iter().find(|name| known.get(*name) == Some(&false))?;
    Some(
        MISSING_MOUNT
            .found()
            .title(format!("A mount needs the variable {name}, which is not set"))
            .evidence(format!("{}: \"{host}\" refers to {name}", layer.place(pointer)))
            .evidence(format!("environment variable {name}: not set"))
            .advise(format!("Set {name} before you start casa_distro, or write the path itself into the configuration.")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{edits, facts, facts_with_user, findings};
    use super::*;
    use crate::facts::{Environment, OptionBind};

    fn change(mut facts: Facts, change: impl FnOnce(&mut Environment)) -> Facts {
        change(facts.environment.as_mut().unwrap().found.as_mut().unwrap());
        facts
    }

    #[test]
    fn an_option_that_binds_what_is_gone_ends_every_start() {
        let with = |exists| {
            let bind = OptionBind { option: "--bind /gone:/x".into(), path: "/gone".into(), exists };
            change(facts(&json!({"container_options": ["--bind", "/gone:/x"]})), |environment| {
                environment.option_binds = vec![bind]
            })
        };
        let found = findings(&CHECK, &with(Some(false)));
        assert_eq!((found.len(), found[0].kind.id, found[0].severity), (1, "config-missing-bind", Severity::Error));
        assert!(found[0].evidence[0].contains("--bind /gone:/x"));
        assert!(findings(&CHECK, &with(None)).is_empty() && findings(&CHECK, &with(Some(true))).is_empty());
    }

    fn mount(container: &str, host: &str, exists: Option<bool>, source: &str) -> Mount {
        Mount {
            container: container.into(),
            host: Some(host.into()),
            resolved: exists.map(|_| host.into()),
            exists,
            source: source.into(),
        }
    }

    #[test]
    fn null_keeps_its_meaning() {
        let own = json!({"mounts": {"/host": null, "/home": null, "/data": null, "/volatile2": null, "/nfs/data": null}});
        let user = json!({"mounts": {"/data": null, "/other": null}});
        let facts = facts_with_user(&own, Some(&user));
        assert_eq!(
            edits(&CHECK, &facts),
            [
                "set /mounts/~1host \"\"",
                "set /mounts/~1home \"\"",
                "set /mounts/~1volatile2 \"\"",
                "remove /mounts/~1nfs~1data",
                "set /mounts/~1data \"\"",
                "remove /mounts/~1other"
            ]
        );
    }

    #[test]
    fn null_is_fatal_only_while_the_home_has_to_be_made() {
        let severity = |exists| {
            let facts = change(facts(&json!({"mounts": {"/x": null}})), |environment| environment.home_exists = exists);
            findings(&CHECK, &facts)[0].severity
        };
        assert_eq!(
            (severity(Some(false)), severity(Some(true)), severity(None)),
            (Severity::Error, Severity::Warning, Severity::Warning)
        );
    }

    #[test]
    fn directories_that_are_gone_are_removed_from_their_file_if_the_user_agrees() {
        let own = json!({"mounts": {"/a": "/a b", "/b": "/b", "/c": "/c"}});
        let user = json!({"mounts": {"/u": "/u"}});
        let facts = change(facts_with_user(&own, Some(&user)), |environment| {
            environment.mounts = vec![
                mount("/host", "/gone", Some(false), "built-in"),
                mount("/a", "/a b", Some(false), "environment"),
                mount("/b", "/b", Some(false), "environment"),
                mount("/c", "/c", Some(true), "environment"),
                mount("/u", "/u", Some(false), "user"),
            ];
        });
        let found = findings(&CHECK, &facts);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].evidence[0], "/env/conf/casa_distro.json:2: \"/a b\" does not exist");
        assert_eq!(found[1].edits[0].file, std::path::Path::new("/u/casa_distro_3.json"));
        assert!(found.iter().all(|finding| finding.advice[0].safety == Safety::Confirm && finding.severity == Severity::Warning));
        assert_eq!(edits(&CHECK, &facts), ["remove /mounts/~1a", "remove /mounts/~1b", "remove /mounts/~1u"]);
    }

    #[test]
    fn what_cannot_be_known_is_no_finding_and_what_is_unset_is_told() {
        let own = json!({"mounts": {"/closed": "/closed", "/x": "/x/$NO", "/y": "~/y", "/z": "${NO}"}});
        let facts = change(facts(&own), |environment| {
            environment.referenced_variables.insert("NO".into(), false);
            environment.mounts = vec![
                Mount { resolved: Some("/closed".into()), ..mount("/closed", "/closed", None, "environment") },
                mount("/x", "/x/$NO", None, "environment"),
                mount("/y", "~/y", Some(false), "environment"),
                mount("/z", "${NO}", None, "environment"),
            ];
        });
        let found = findings(&CHECK, &facts);
        assert_eq!(
            found.iter().filter_map(|finding| finding.title.as_deref()).collect::<Vec<_>>(),
            [
                "A mount needs the variable NO, which is not set",
                "A mount begins with ~, which casa_distro does not replace by the home directory"
            ]
        );
        assert_eq!(edits(&CHECK, &facts), ["set /mounts/~1y \"$HOME/y\""]);
    }

    #[test]
    fn an_empty_text_is_a_healthy_way_to_disable_a_mount() {
        let facts = change(facts(&json!({"mounts": {"/home": ""}})), |environment| {
            environment.mounts = vec![Mount { container: "/home".into(), source: "environment".into(), ..Mount::default() }];
        });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }
}
