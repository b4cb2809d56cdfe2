//! The user's own record of decisions: where an environment cannot be written, and what `measure` found. It is kept in the user's state
//! directory, in one file for each environment, so that two that are decided at once do not get into each other's way.

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde_json::Value;

use crate::host::Host;

/// A record of some hundred decisions has some 10 kB.
const LIMIT: u64 = 4 << 20;

/// The file for an environment, by its directory and its configuration file; `None` when the user's home directory is not known.
pub(crate) fn file(host: &dyn Host, directory: &Path, config: &Path) -> Option<PathBuf> {
    let named = host.env("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let records = named.or_else(|| Some(host.identity().home?.join(".local/state")))?.join("casa-doctor/decisions");
    let path = host.canonicalize(config).unwrap_or_else(|_| config.to_owned());
    let sum = Md5::digest(path.as_os_str().as_encoded_bytes());
    let name = directory.file_name().map(|name| name.to_string_lossy().replace(|c: char| !c.is_alphanumeric(), "-"));
    let hash: String = sum.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Some(records.join(format!("{}-{hash}.json", name.unwrap_or_default())))
}

/// What stands in such a file.
pub(crate) fn read(host: &dyn Host, file: &Path) -> Option<Value> {
    serde_json::from_slice(&host.read(file, LIMIT).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn each_environment_has_a_file_of_its_own_in_the_state_directory() {
        let of = |host: &RecordedHost, directory: &str| {
            file(host, Path::new(directory), &Path::new(directory).join("conf/casa_distro.json"))
        };
        let host = RecordedHost::new().env("XDG_STATE_HOME", "/state");
        let (one, other) = (of(&host, "/a/brainvisa-5.3").unwrap(), of(&host, "/b/brainvisa-5.3").unwrap());
        assert!(one.starts_with("/state/casa-doctor/decisions") && one != other, "{one:?} {other:?}");
        assert!(one.file_name().unwrap().to_str().unwrap().starts_with("brainvisa-5-3-"));
        let relative = of(&RecordedHost::new().env("XDG_STATE_HOME", "state"), "/a/e");
        assert!(relative.is_none_or(|file| file.is_absolute()), "a relative directory is no state directory (XDG)");
    }
}
