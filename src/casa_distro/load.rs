//! The configuration that casa_distro would work with: built-in defaults, environment file, user file.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::ConfigFile;
use serde_json::{Map, Value, json};

use super::merge::{Clash, merge};
use super::read::read_config;
use crate::host::Host;

/// Why a configuration cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoadError {
    /// One of its files cannot be used. casa_distro stops at a broken user file as well.
    #[error("{}{}: {message}", .path.display(), place(*.line, *.column))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
        /// Line, from 1, where there is one.
        line: Option<u32>,
        /// Column in characters, from 1, where there is one.
        column: Option<u32>,
    },
}

fn place(line: Option<u32>, column: Option<u32>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        (Some(line), None) => format!(":{line}"),
        _ => String::new(),
    }
}

/// Which layer something comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// casa_distro's own defaults.
    BuiltIn,
    /// The environment's file.
    Environment,
    /// The user's file.
    User,
}

impl Source {
    /// The word that stands in the facts.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Environment => "environment",
            Self::User => "user",
        }
    }
}

/// A mount as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedMount {
    /// Path in the container.
    pub(crate) container: String,
    /// Path on the host; `None` when the mount is disabled, with `null` or an empty text.
    pub(crate) host: Option<String>,
    /// The layer that has the last word on it.
    pub(crate) source: Source,
}

/// A configuration with all of its secrets: it is for launching, never for facts, logs or reports.
pub(crate) struct Loaded {
    /// What casa_distro calls `directory`: the parent of `conf`.
    pub(crate) directory: PathBuf,
    /// The three layers merged, with `directory` and `config_files` as casa_distro adds them.
    pub(crate) merged: Value,
    /// Where the layers do not go together.
    pub(crate) clashes: Vec<Clash>,
    environment_mounts: Vec<String>,
    user_mounts: Vec<String>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Loaded").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Loads the configuration of the environment whose `conf/casa_distro.json` is below this directory.
///
/// # Errors
///
/// When the environment's file, or the user's file if there is one, cannot be read or is not what Python reads.
pub(crate) fn load(host: &dyn Host, directory: &Path) -> Result<Loaded, LoadError> {
    let file = read_config(host, &directory.join("conf/casa_distro.json"));
    let user_file = user_file(host);
    combine(host, directory, &file, user_file.as_ref())
}

/// Merges files that were read already.
pub(crate) fn combine(
    host: &dyn Host,
    directory: &Path,
    file: &ConfigFile,
    user_file: Option<&ConfigFile>,
) -> Result<Loaded, LoadError> {
    let environment = usable(file)?;
    let user = user_file.map(usable).transpose()?;
    let mut merged = built_in(host, directory, environment, file, user_file);
    let mut clashes = merge(&mut merged, environment);
    if let Some(user) = user {
        clashes.extend(merge(&mut merged, user));
    }
    Ok(Loaded {
        directory: directory.to_owned(),
        merged: merged.into(),
        clashes,
        environment_mounts: mount_names(environment),
        user_mounts: user.map(mount_names).unwrap_or_default(),
    })
}

fn usable(file: &ConfigFile) -> Result<&Map<String, Value>, LoadError> {
    let error =
        |message: &str, line, column| LoadError::File { path: file.path.clone(), message: message.to_owned(), line, column };
    match (&file.error, file.value.as_ref().and_then(Value::as_object)) {
        (Some(trouble), _) => Err(error(&trouble.message, trouble.line, trouble.column)),
        (None, Some(object)) => Ok(object),
        (None, None) => Err(error("it was not read", None, None)),
    }
}

fn mount_names(config: &Map<String, Value>) -> Vec<String> {
    config.get("mounts").and_then(Value::as_object).map(|mounts| mounts.keys().cloned().collect()).unwrap_or_default()
}

/// What casa_distro starts from (its `environment.py`, function `iter_environments`). `DISPLAY` is passed on by default only
/// when the environment's own file says `singularity`.
fn built_in(
    host: &dyn Host,
    directory: &Path,
    environment: &Map<String, Value>,
    file: &ConfigFile,
    user_file: Option<&ConfigFile>,
) -> Map<String, Value> {
    let files: Vec<_> = std::iter::once(file).chain(user_file).map(|file| Value::from(file.path.to_string_lossy())).collect();
    let mut mounts = Map::from_iter([("/casa/host".to_owned(), json!("{directory}")), ("/host".to_owned(), json!("/"))]);
    if host.env("WSL_DISTRO_NAME").is_some() {
        // On WSL /dev/shm is a link to /run/shm, which does not exist in the container.
        mounts.insert("/run/shm".to_owned(), json!("/tmp"));
    }
    let env = json!({
        "CASA_ENVIRONMENT": "{name}",
        "CASA_SYSTEM": "{system}",
        "CASA_HOST_DIR": "{directory}",
        "CASA_DISTRO": "{distro}",
    });
    let mut config = Map::from_iter([
        ("config_files".to_owned(), Value::Array(files)),
        ("directory".to_owned(), Value::from(directory.to_string_lossy())),
        ("mounts".to_owned(), Value::Object(mounts)),
        ("env".to_owned(), env),
    ]);
    if environment.get("container_type").and_then(Value::as_str) == Some("singularity") {
        config.insert("gui_env".to_owned(), json!({"DISPLAY": "$DISPLAY"}));
    }
    config
}

/// The user's file, if there is one: `casa_distro_3.json` in `$XDG_CONFIG_HOME/casa-distro` or `~/.config/casa-distro`.
pub(crate) fn user_file(host: &dyn Host) -> Option<ConfigFile> {
    let path = user_directory(host)?.join("casa_distro_3.json");
    (host.exists(&path) == Some(true)).then(|| read_config(host, &path))
}

/// The directory of the user's file.
pub(crate) fn user_directory(host: &dyn Host) -> Option<PathBuf> {
    Some(super::home::user_directory(host, "XDG_CONFIG_HOME", ".config")?.join("casa-distro"))
}

impl Loaded {
    /// `mounts` in the order in which casa_distro binds them, each with the layer that has the last word on it.
    pub(crate) fn mounts(&self) -> Vec<LoadedMount> {
        let entries = self.merged.get("mounts").and_then(Value::as_object).into_iter().flatten();
        entries
            .map(|(container, host)| LoadedMount {
                container: container.clone(),
                host: scalar_text(host).filter(|host| !host.is_empty()),
                source: match () {
                    () if self.user_mounts.contains(container) => Source::User,
                    () if self.environment_mounts.contains(container) => Source::Environment,
                    () => Source::BuiltIn,
                },
            })
            .collect()
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn host(environment: &Value, user: Option<&Value>) -> RecordedHost {
        let host = RecordedHost::new().file("/e/conf/casa_distro.json", environment.to_string());
        match user {
            Some(user) => host.file("/home/anna/.config/casa-distro/casa_distro_3.json", user.to_string()),
            None => host,
        }
    }

    #[test]
    fn three_layers_are_merged_in_casa_distro_s_order() {
        let environment = json!({
            "name": "bv", "container_type": "singularity", "image": "a.sif", "gui_env": {"QT": "1"},
            "mounts": {"/data": "/data", "/host": null}, "container_options": ["--a"], "env": {"N": 4, "X": null},
        });
        let user = json!({"mounts": {"/data": "/mine", "/u": "$HOME"}, "container_options": ["--b"], "image": "u.sif"});
        let host = host(&environment, Some(&user)).env("WSL_DISTRO_NAME", "Ubuntu");
        let loaded = load(&host, Path::new("/e")).unwrap();
        let mounts: Vec<_> = loaded.mounts().into_iter().map(|mount| (mount.container, mount.host, mount.source.word())).collect();
        assert_eq!(
            mounts,
            [
                ("/casa/host".into(), Some("{directory}".into()), "built-in"),
                ("/host".into(), None, "environment"),
                ("/run/shm".into(), Some("/tmp".into()), "built-in"),
                ("/data".into(), Some("/mine".into()), "user"),
                ("/u".into(), Some("$HOME".into()), "user"),
            ]
        );
        assert_eq!(loaded.merged["container_options"], json!(["--a", "--b"]));
        assert_eq!(loaded.merged["image"], "u.sif");
        assert_eq!(loaded.merged["gui_env"], json!({"DISPLAY": "$DISPLAY", "QT": "1"}));
        assert_eq!(loaded.merged["env"]["N"], 4);
        assert_eq!(loaded.merged["directory"], "/e");
    }

    #[test]
    fn display_is_passed_on_by_default_only_for_singularity() {
        for (kind, has) in [("singularity", true), ("apptainer", false)] {
            let loaded = load(&host(&json!({"container_type": kind}), None), Path::new("/e")).unwrap();
            assert_eq!(loaded.merged.get("gui_env").is_some(), has, "{kind}");
        }
    }

    #[test]
    fn an_unusable_file_is_named_with_the_place() {
        let host = RecordedHost::new().file("/e/conf/casa_distro.json", "{\n1}");
        assert_eq!(
            load(&host, Path::new("/e")).unwrap_err().to_string(),
            "/e/conf/casa_distro.json:2:1: a key in double quotes is expected"
        );
        let host = RecordedHost::new()
            .file("/e/conf/casa_distro.json", "{}")
            .env("XDG_CONFIG_HOME", "/cfg")
            .file("/cfg/casa-distro/casa_distro_3.json", "");
        assert!(load(&host, Path::new("/e")).unwrap_err().to_string().starts_with("/cfg/casa-distro/casa_distro_3.json:1:1: "));
    }

    #[test]
    fn wrong_types_everywhere_are_survived() {
        for wrong in [json!(null), json!(1.5), json!("text"), json!([1, "a", null]), json!({"a": {"b": []}}), json!(true)] {
            let keys = [
                "name",
                "system",
                "container_type",
                "image",
                "env",
                "gui_env",
                "mounts",
                "container_options",
                "container_gui_options",
                "directory",
                "config_files",
            ];
            let environment: Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), wrong.clone())).collect();
            let loaded = load(&host(&environment.clone().into(), Some(&environment.into())), Path::new("/e")).unwrap();
            let _ = loaded.mounts();
        }
    }
}
