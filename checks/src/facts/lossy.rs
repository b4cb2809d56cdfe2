//! Paths in JSON. A path may hold bytes that are not UTF-8, which JSON cannot carry: they are told as U+FFFD, because a report
//! with one strange path is worth more than none.

use std::path::{Path, PathBuf};

use serde::Serializer;
use serde::ser::SerializeSeq;

pub(super) fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
pub(super) fn option<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => serializer.serialize_some(&path.to_string_lossy()),
        None => serializer.serialize_none(),
    }
}

pub(super) fn list<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(paths.len()))?;
    for path in paths {
        list.serialize_element(&path.to_string_lossy())?;
    }
    list.end()
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use crate::facts::{EnvironmentSearch, Session};

    #[test]
    fn a_path_that_is_not_utf_8_is_told_all_the_same() {
        let strange = || OsString::from_vec(b"/data/\xff".to_vec()).into();
        let session = Session { home: Some(strange()), ..Session::default() };
        let search = EnvironmentSearch { candidates: vec![strange()], ..EnvironmentSearch::default() };
        assert!(serde_json::to_string(&session).unwrap().contains("/data/\u{fffd}"));
        assert!(serde_json::to_string(&search).unwrap().contains("/data/\u{fffd}"));
    }
}
