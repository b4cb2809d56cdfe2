//! Paths of the machine that was looked at, which may be of another system than the one that judges.

use std::path::{Path, PathBuf};

/// Something below a directory, with the separator of the machine it is on: [`Path::join`] takes that of the machine that judges.
pub(crate) fn below(directory: &Path, name: &str) -> PathBuf {
    let text = directory.to_string_lossy();
    let separator = if text.contains('\\') && !text.starts_with('/') { "\\" } else { "/" };
    let mut path = directory.as_os_str().to_owned();
    if !text.ends_with(separator) {
        path.push(separator);
    }
    path.push(name);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_that_of_the_machine() {
        for (directory, path) in [
            ("/home/anna", "/home/anna/.ssh"),
            ("/", "/.ssh"),
            ("/odd\\name", "/odd\\name/.ssh"),
            (r"C:\Users\anna", r"C:\Users\anna\.ssh"),
        ] {
            assert_eq!(below(Path::new(directory), ".ssh").to_str(), Some(path));
        }
    }
}
