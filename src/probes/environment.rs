//! The probe "environment": which casa-distro environment is meant, and the configuration that casa_distro would work with.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use casa_doctor_checks::config::python_format::{is_variable_name, variable_references};
use casa_doctor_checks::facts::{Environment, EnvironmentSearch, LinkedDirectory, Mount, PathSign};
use serde_json::Value;

use super::{Context, option_binds};
use crate::casa_distro::{
    Loaded, LocateError, Place, combine, container_home, has_url_password, hide_secrets, is_secret_name, locate, read_config,
    substitute, user_directory, user_file,
};
use crate::host::{Access, FileKind, Host};
use crate::own_record;
use crate::recommend::decision::KEY;

/// How many different variables are remembered.
const MAX_VARIABLES: usize = 1000;

/// Finds the environment and reads its configuration, without starting anything.
///
/// # Errors
///
/// When `named` is given and is no environment.
pub(crate) fn probe(context: &Context, named: Option<&OsStr>) -> Result<EnvironmentSearch, LocateError> {
    let host = context.host.as_ref();
    let located = locate(host, named)?;
    Ok(EnvironmentSearch {
        named_by: located.named_by.to_owned(),
        found: located.place.map(|place| examine(host, place)),
        candidates: located.candidates,
        stale_variable: located.stale_variable,
    })
}

/// Where an environment and the home of its container are, for probes that need no more of it than that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whereabouts {
    /// What casa_distro calls `directory`.
    pub(super) directory: PathBuf,
    /// The container's home directory on the host.
    pub(super) home: Option<PathBuf>,
}

/// The environment that [`probe`] examines, without reading its configuration.
pub(super) fn whereabouts(host: &dyn Host, named: Option<&OsStr>) -> Option<Whereabouts> {
    let directory = locate(host, named).ok()?.place?.directory;
    Some(Whereabouts { home: container_home(host, &directory), directory })
}

fn examine(host: &dyn Host, place: Place) -> Environment {
    let Place { directory, file, other_layout } = place;
    let mut file = read_config(host, &file);
    let mut user_file = user_file(host);
    let loaded = combine(host, &directory, &file, user_file.as_ref()).ok();
    for file in std::iter::once(&mut file).chain(&mut user_file) {
        file.value.iter_mut().for_each(hide_secrets);
    }
    let merged = loaded.as_ref().map(|loaded| {
        let mut merged = loaded.merged.clone();
        hide_secrets(&mut merged);
        merged
    });
    let home = container_home(host, &directory);
    let mounts = loaded.as_ref().zip(merged.as_ref()).map(|(loaded, hidden)| mounts(host, loaded, hidden));
    Environment {
        home_exists: home.as_ref().and_then(|home| host.exists(home)),
        home_writable: home.as_ref().and_then(|home| may_write(host, home)),
        overlay: host.exists(&directory.join("overlay.img")),
        directory_signs: PathSign::of(&directory.to_string_lossy()),
        home_signs: home.as_ref().map(|home| PathSign::of(&home.to_string_lossy())),
        referenced_variables: loaded.as_ref().map(|loaded| referenced_variables(host, &loaded.merged)).unwrap_or_default(),
        linked_directories: linked_directories(host),
        unread_files: unread_files(host, &directory),
        mounts: mounts.unwrap_or_default(),
        decided: decided(host, &directory, &file.path),
        option_binds: merged.as_ref().map(|merged| option_binds::look(host, merged)).unwrap_or_default(),
        directory,
        file,
        other_layout,
        user_file,
        merged,
        home,
    }
}

/// What casa-doctor recorded for this user alone.
fn decided(host: &dyn Host, directory: &Path, config: &Path) -> Option<Value> {
    let record = own_record::read(host, &own_record::file(host, directory, config)?)?;
    let mut decided = record.get(KEY)?.clone();
    hide_secrets(&mut decided);
    Some(decided)
}

/// The mounts with what stands on the host. A path that holds a secret is looked at and not told.
fn mounts(host: &dyn Host, loaded: &Loaded, hidden: &Value) -> Vec<Mount> {
    let hidden_mounts = hidden.get("mounts");
    loaded
        .mounts()
        .into_iter()
        .map(|mount| {
            let path = mount.host.as_deref().and_then(|text| resolved(host, text, &loaded.merged));
            let shown = hidden_mounts.and_then(|mounts| mounts.get(&mount.container)).and_then(Value::as_str);
            let tells_secret = mount.host.as_deref().is_some_and(|text| {
                shown != Some(text)
                    || variable_references(text).iter().any(|reference| is_secret_name(reference.name))
                    || resolved(host, text, hidden) != path
                    || path.as_ref().is_some_and(|path| has_url_password(&path.to_string_lossy()))
            });
            let as_shown = || shown.map_or_else(|| mount.host.clone(), |text| Some(text.to_owned()));
            Mount {
                host: if mount.host.is_some() { as_shown() } else { None },
                exists: path.as_ref().and_then(|path| host.exists(path)),
                resolved: path.filter(|_| !tells_secret),
                container: mount.container,
                source: mount.source.word().to_owned(),
            }
        })
        .collect()
}

/// A mount's path on the host; `None` when a variable in it is not set.
fn resolved(host: &dyn Host, text: &str, merged: &Value) -> Option<PathBuf> {
    let substitution = substitute(host, text, merged);
    if !substitution.unset.is_empty() || substitution.text.is_empty() {
        return None;
    }
    let path = PathBuf::from(substitution.text);
    // casa_distro looks at a relative path from where it was started.
    if path.is_absolute() { Some(path) } else { Some(host.current_dir().ok()?.join(path)) }
}

/// Whether the user may write into the directory, or could create it; `None` when that cannot be known.
fn may_write(host: &dyn Host, directory: &Path) -> Option<bool> {
    let nearest = directory.ancestors().find(|ancestor| host.exists(ancestor) != Some(false))?;
    let metadata = host.metadata(nearest).ok()?;
    if metadata.kind != FileKind::Directory {
        return Some(false);
    }
    for access in [Access::Write, Access::Execute] {
        match host.access(nearest, access) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                return Some(false);
            }
            Err(_) => return None,
        }
    }
    Some(true)
}

/// The variables that the configuration refers to where casa_distro substitutes them, and whether each is set.
fn referenced_variables(host: &dyn Host, merged: &Value) -> BTreeMap<String, bool> {
    let mut names = BTreeMap::new();
    let mut collect = |text: &str| {
        for reference in variable_references(text) {
            if names.len() < MAX_VARIABLES && is_variable_name(reference.name) {
                names.entry(reference.name.to_owned()).or_insert_with(|| host.env(reference.name).is_some());
            }
        }
    };
    for key in ["env", "gui_env", "mounts"] {
        for (name, value) in merged.get(key).and_then(Value::as_object).into_iter().flatten() {
            if key == "mounts" {
                collect(name);
            }
            value.as_str().into_iter().for_each(&mut collect);
        }
    }
    let options = merged.get("container_gui_options").and_then(Value::as_array).into_iter().flatten();
    options.filter_map(Value::as_str).for_each(&mut collect);
    names
}

/// The directories of [`crate::launch::STANDARD`] that are links, which casa_distro passes over.
fn linked_directories(host: &dyn Host) -> Vec<LinkedDirectory> {
    let is_link = |path: &Path| host.symlink_metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::Symlink);
    let links = crate::launch::STANDARD.iter().map(Path::new).filter(|path| is_link(path));
    // One that leads nowhere holds no data.
    links.filter_map(|path| Some(LinkedDirectory { path: path.to_owned(), target: host.canonicalize(path).ok()? })).collect()
}

/// Files that look like configuration and that casa_distro 3.x never reads. `casa_distro3.json` and `casa-distro.json` are
/// the names that its documentation and its window give; the others are those of casa-distro 2.x.
fn unread_files(host: &dyn Host, directory: &Path) -> Vec<PathBuf> {
    let mut files = vec![directory.join("conf/casa-distro.json")];
    if let Some(user) = user_directory(host) {
        files.extend(["casa_distro3.json", "casa-distro_3.json", "casa_distro.json"].map(|name| user.join(name)));
        if let Ok(below_root) = directory.strip_prefix("/") {
            files.push(user.join(below_root).join("conf/casa_distro.json"));
        }
    }
    files.retain(|file| host.exists(file) == Some(true));
    files
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::host::RecordedHost;

    fn probed(host: RecordedHost, named: Option<&str>) -> EnvironmentSearch {
        let context = Context { host: Arc::new(host), limit: Duration::from_secs(1) };
        probe(&context, named.map(OsStr::new)).unwrap()
    }

    fn environment(host: RecordedHost, config: &Value) -> Environment {
        probed(host.file("/my env/conf/casa_distro.json", config.to_string()), Some("/my env")).found.unwrap()
    }

    #[test]
    fn a_described_environment_gives_complete_facts() {
        let host = RecordedHost::new()
            .directory("/my env/home")
            .file("/my env/overlay.img", "")
            .directory("/home/anna/d, \"a\"")
            .env("HOME", "/home/anna")
            .env("DISPLAY", "")
            .file("/home/anna/.config/casa-distro/casa_distro_3.json", "{\"mounts\": {\"/gone\": \"/gone\"}}")
            .file("/home/anna/.config/casa-distro/casa_distro3.json", "{}")
            .file("/home/anna/.config/casa-distro/my env/conf/casa_distro.json", "{}");
        let config = json!({
            "name": "bv", "container_type": "singularity",
            "mounts": {"/d": "${HOME}/d, \"a\"", "/off": null, "/empty": "", "/x": "/x/$NOT_SET"},
            "env": {"A": "$OTHER"},
        });
        let facts = environment(host, &config);
        assert_eq!(facts.directory, Path::new("/my env"));
        assert_eq!(facts.file.lines.get("/mounts/~1off"), Some(&1));
        let mounts: Vec<_> = facts
            .mounts
            .iter()
            .map(|mount| {
                let resolved = mount.resolved.as_ref().map(|path| path.to_str().unwrap());
                (mount.container.as_str(), mount.host.as_deref(), resolved, mount.exists, mount.source.as_str())
            })
            .collect();
        assert_eq!(
            mounts,
            [
                ("/casa/host", Some("{directory}"), Some("/my env"), Some(true), "built-in"),
                ("/host", Some("/"), Some("/"), Some(true), "built-in"),
                ("/d", Some("${HOME}/d, \"a\""), Some("/home/anna/d, \"a\""), Some(true), "environment"),
                ("/off", None, None, None, "environment"),
                ("/empty", None, None, None, "environment"),
                ("/x", Some("/x/$NOT_SET"), None, None, "environment"),
                ("/gone", Some("/gone"), Some("/gone"), Some(false), "user"),
            ]
        );
        assert_eq!(facts.home.as_deref(), Some(Path::new("/my env/home")));
        assert_eq!((facts.home_exists, facts.home_writable, facts.overlay), (Some(true), Some(true), Some(true)));
        let variables: Vec<_> = facts.referenced_variables.iter().map(|(name, set)| (name.as_str(), *set)).collect();
        assert_eq!(variables, [("DISPLAY", true), ("HOME", true), ("NOT_SET", false), ("OTHER", false)]);
        assert_eq!(
            facts.unread_files,
            [
                Path::new("/home/anna/.config/casa-distro/casa_distro3.json"),
                Path::new("/home/anna/.config/casa-distro/my env/conf/casa_distro.json")
            ]
        );
        assert!(facts.merged.is_some());
    }

    #[test]
    fn a_broken_file_leaves_no_merged_view() {
        let facts = probed(RecordedHost::new().file("/e/conf/casa_distro.json", "{"), Some("/e")).found.unwrap();
        assert!(facts.file.error.is_some() && facts.merged.is_none() && facts.mounts.is_empty());
        let host = RecordedHost::new()
            .file("/e/conf/casa_distro.json", "{}")
            .directory("/home/anna/.config/casa-distro/casa_distro_3.json");
        let facts = probed(host, Some("/e")).found.unwrap();
        assert!(facts.file.error.is_none() && facts.merged.is_none());
        assert!(facts.user_file.unwrap().error.is_some());
    }

    #[test]
    fn secrets_of_mounts_are_not_told() {
        let host = RecordedHost::new().env("API_TOKEN", "s3cr3t").directory("/t/s3cr3t").directory("/k/s3cr3t");
        let config = json!({
            "env": {"MY_KEY": "s3cr3t"},
            "mounts": {"/a": "/t/$API_TOKEN", "/b": "/k/{env[MY_KEY]}", "/c": "ftp://u:s3cr3t@h/"},
        });
        let facts = environment(host, &config);
        assert_eq!(facts.mounts[2].exists, Some(true));
        assert_eq!(facts.mounts[3].exists, Some(true));
        assert!(!serde_json::to_string(&facts).unwrap().contains("s3cr3t"));
    }

    #[test]
    fn a_home_that_cannot_be_made_is_noticed() {
        let host = RecordedHost::new().file_mode("/home/anna/.local", "", 0o644);
        assert_eq!(environment(host, &json!({})).home_writable, Some(false));
        assert_eq!(environment(RecordedHost::new(), &json!({})).home_writable, Some(true));
    }

    proptest! {
        #[test]
        fn hidden_values_never_reach_the_facts(
            name in "[A-Z_]{0,6}(TOKEN|KEY|SECRET|PASSWORD|PASSWD|COOKIE|CREDENTIALS)[A-Z_]{0,6}",
            lower: bool,
            tail in "[a-z0-9 /:@$\"'\\\\{}é\n,=-]{0,12}",
            place in 0..7_usize,
        ) {
            let secret = format!("Zq9{tail}");
            let name = if lower { name.to_lowercase() } else { name };
            let config = match place {
                0 => json!({"env": {name: secret}}),
                1 => json!({"gui_env": {name: [secret]}}),
                2 => json!({"container_options": ["--env", format!("A=1,{name}={secret}")]}),
                3 => json!({"container_gui_options": [format!("--env={name}={secret}")]}),
                4 => json!({"env": {"PROXY": format!("http://me:{}@host", secret.replace(char::is_whitespace, ""))}}),
                5 => json!({"anything": {"deep": [{name: {"below": secret}}]}}),
                _ => json!({"mounts": {"/x": format!("/data/${name}")}}),
            };
            let host = RecordedHost::new().env(config["mounts"]["/x"].as_str().map_or("UNUSED", |text| &text[7..]), &secret);
            let facts = environment(host, &config);
            let text = serde_json::to_string(&facts).unwrap();
            prop_assert!(!text.contains("Zq9"), "{text}");
        }

        #[test]
        fn arbitrary_files_never_panic(content in prop::collection::vec(any::<u8>(), 0..120), user in "[\\[\\]{}\":,a-z0-9$ ]{0,60}") {
            let host = RecordedHost::new()
                .file("/e/conf/casa_distro.json", content)
                .file("/home/anna/.config/casa-distro/casa_distro_3.json", user);
            let _ = probed(host, Some("/e"));
        }
    }
}
