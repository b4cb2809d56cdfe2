//! Which OpenGL mode was decided, for this machine and this kind of display, and where that is kept: in the environment's own file,
//! which only `--fix` writes, and in the user's state directory, for `measure` and for environments that cannot be written.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use casa_doctor_checks::facts::{Environment, Facts};
use serde_json::{Map, Value, json};

use crate::casa_distro::{self, look_up_image};
use crate::host::{Access, FileKind, Host};
use crate::launch::Settings;
use crate::recommend::decision::{self, Decision, KEY};
use crate::recommend::memory::{self, Recall};
use crate::{output, own_record};

/// What a decision rests on besides facts, learnt without starting anything: which engine and which image, by the stamps of their
/// files.
pub(super) fn identities(host: &dyn Host, environment: &Environment) -> Map<String, Value> {
    let engine = ["apptainer", "singularity"].into_iter().find_map(|name| host.which(OsStr::new(name)));
    let image = || {
        let loaded = casa_distro::load(host, &environment.directory).ok()?;
        let settings = Settings::from_merged(&environment.directory, &loaded.merged);
        look_up_image(host, &environment.directory, settings.image.as_deref()?).used
    };
    let stamps = [("engine_file", engine), ("image_file", image())];
    stamps.into_iter().filter_map(|(key, path)| Some((key.to_owned(), json!(stamp(host, &path?)?)))).collect()
}

/// A file by its path, size and time of last change; `None` for a directory, whose time says nothing of what is in it.
fn stamp(host: &dyn Host, path: &Path) -> Option<String> {
    let path = host.canonicalize(path).ok()?;
    let metadata = host.metadata(&path).ok().filter(|metadata| metadata.kind == FileKind::File)?;
    let seconds = metadata.modified?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(format!("{} {} {seconds}", path.display(), metadata.size))
}

/// What was decided.
pub(super) fn recall(host: &dyn Host, facts: &Facts) -> Recall {
    let Some(environment) = facts.environment.as_ref().and_then(|search| search.found.as_ref()) else { return Recall::Nothing };
    memory::recall(environment, facts, &identities(host, environment))
}

/// Whether the environment's own file can be replaced by this user.
pub(super) fn is_writable(host: &dyn Host, environment: &Environment) -> bool {
    let file = host.canonicalize(&environment.file.path).unwrap_or_else(|_| environment.file.path.clone());
    let may = |path: &Path| host.access(path, Access::Write).is_ok();
    may(&file) && file.parent().is_some_and(may)
}

/// Keeps a decision in the user's state directory; tells the file.
pub(super) fn keep(host: &dyn Host, environment: &Environment, decision: &Decision) -> anyhow::Result<PathBuf> {
    let file = file_of(host, environment).context("your home directory is not known, so the decision cannot be kept")?;
    let mut value = own_record::read(host, &file).filter(Value::is_object).unwrap_or_else(|| json!({}));
    let edits = decision::edits(value.get(KEY), &file, decision);
    if edits.is_empty() {
        return Ok(file);
    }
    let text = crate::fix::apply(&value.to_string(), &edits)?;
    value = serde_json::from_str(&text)?;
    value["environment"] = json!(environment.file.path.to_string_lossy());
    let directory = file.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    output::file(&file, &format!("{}\n", serde_json::to_string_pretty(&value)?))?;
    Ok(file)
}

/// Whether the user's own record has something for this environment, which a new decision must then replace.
pub(super) fn is_kept(host: &dyn Host, environment: &Environment) -> bool {
    file_of(host, environment).is_some_and(|file| host.exists(&file) == Some(true))
}

fn file_of(host: &dyn Host, environment: &Environment) -> Option<PathBuf> {
    own_record::file(host, &environment.directory, &environment.file.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn environment(path: &str) -> Environment {
        let mut environment = Environment { directory: path.into(), ..Environment::default() };
        environment.file.path = Path::new(path).join("conf/casa_distro.json");
        environment
    }

    #[test]
    fn a_changed_image_is_seen_without_looking_into_it() {
        let config = r#"{"name": "e", "image": "/i.sif", "container_type": "singularity"}"#;
        let host = RecordedHost::new().file("/e/conf/casa_distro.json", config).file("/i.sif", "12345");
        let before = identities(&host, &environment("/e"));
        let grown = RecordedHost::new().file("/e/conf/casa_distro.json", config).file("/i.sif", "123456");
        let after = identities(&grown, &environment("/e"));
        if before.contains_key("image_file") {
            assert_ne!(before, after);
        }
    }
}
