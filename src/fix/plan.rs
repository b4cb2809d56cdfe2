//! From edits to the new text of each file, with nothing written: what a dry run shows.

use std::path::{Path, PathBuf};

use casa_doctor_checks::finding::Edit;

use super::apply::apply;
use super::diff;
use super::error::FixError;
use crate::host::Host;

/// Larger than any real configuration.
pub(super) const LARGEST: u64 = 1 << 20;

/// What is to become of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileChange {
    /// The file, as the edits name it.
    pub(crate) path: PathBuf,
    /// The file itself, links followed.
    pub(crate) target: PathBuf,
    /// Its text now.
    pub(crate) old: String,
    /// Its text afterwards.
    pub(crate) new: String,
    /// The unified diff.
    pub(crate) diff: String,
}

/// Works out the new text of every file that edits name, in the order in which they name them. Files that would not change are
/// left out.
pub(crate) fn plan_files(host: &dyn Host, edits: &[Edit]) -> Result<Vec<FileChange>, FixError> {
    let mut files: Vec<(PathBuf, PathBuf, Vec<Edit>)> = Vec::new();
    for edit in edits {
        let target = host.canonicalize(&edit.file).map_err(|error| FixError::unreadable(&edit.file, &error))?;
        match files.iter_mut().find(|(_, known, _)| *known == target) {
            Some((_, _, edits)) => edits.push(edit.clone()),
            None => files.push((edit.file.clone(), target, vec![edit.clone()])),
        }
    }
    let mut changes = Vec::new();
    for (path, target, edits) in files {
        let old = read_text(host, &path)?;
        let new = apply(&old, &edits).map_err(|error| FixError::Edit { path: path.clone(), error })?;
        if new != old {
            let diff = diff::unified(&path, &old, &new);
            changes.push(FileChange { path, target, old, new, diff });
        }
    }
    Ok(changes)
}

fn read_text(host: &dyn Host, path: &Path) -> Result<String, FixError> {
    let bytes = host.read(path, LARGEST).map_err(|error| FixError::unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|error| FixError::Unreadable {
        path: path.to_owned(),
        reason: format!("it is not UTF-8 (byte {})", error.utf8_error().valid_up_to() + 1),
    })
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::finding::Change;
    use serde_json::json;

    use super::*;
    use crate::host::RecordedHost;

    fn set(file: &str, key: &str) -> Edit {
        Edit { file: file.into(), key: key.into(), change: Change::Set { to: json!(1) }, because: "test".into() }
    }

    #[test]
    fn edits_of_a_recorded_machine_are_gathered_by_file_links_followed() {
        let host = RecordedHost::new()
            .file("/shared/site.json", "{}\n")
            .symlink("/e/conf/casa_distro.json", "/shared/site.json")
            .file("/home/anna/user.json", "{\"b\": 1}")
            .directory("/e/conf");
        let edits = [set("/e/conf/casa_distro.json", "/a"), set("/home/anna/user.json", "/b"), set("/shared/site.json", "/c")];
        let changes = plan_files(&host, &edits).unwrap();
        assert_eq!(changes.len(), 1, "the user's file would not change");
        assert_eq!(changes[0].path, Path::new("/e/conf/casa_distro.json"));
        assert_eq!(changes[0].target, Path::new("/shared/site.json"));
        assert_eq!(changes[0].new, "{\n    \"a\": 1,\n    \"c\": 1\n}\n");
        assert!(changes[0].diff.contains("+    \"a\": 1,\n"));
    }

    #[test]
    fn files_of_a_recorded_machine_that_cannot_be_edited_are_named() {
        let host = RecordedHost::new().file("/bad.json", "{\n  \"a\": 1,\n}").file("/latin.json", b"{\"a\": \"\xe9\"}".as_slice());
        let told = |path: &str| plan_files(&host, &[set(path, "/x")]).unwrap_err().to_string();
        assert_eq!(told("/bad.json"), "/bad.json was not changed: line 3, column 1: trailing comma");
        assert!(told("/latin.json").starts_with("/latin.json could not be read: it is not UTF-8"));
        assert!(told("/none.json").starts_with("/none.json could not be read: "));
    }
}
