//! The shell scripts by which the command is started in the container.
//!
//! A shell's `exec` ends with 127 for a command that is not found and 126 for one that cannot be run, which not every engine and entry
//! point does. What it writes down first tells a failed start from a failed command; and since `exec` keeps the number of the process,
//! the command can be sent the signals that the shells of entry points swallow.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::dialect::STARTED;

/// Where images that are made of a Singularity image have their entry point, best first.
const ENTRY_POINTS: [&str; 2] = ["/.singularity.d/runscript", "/usr/local/bin/entrypoint"];

/// Writes the number of the process into the file beside the script, which is started by its path.
pub(super) fn tell_start() -> Vec<u8> {
    format!("echo \"$$\" 2>/dev/null >\"${{0%/*}}/{STARTED}\"\n").into_bytes()
}

/// Sets variables.
pub(super) fn exports<'a>(variables: impl Iterator<Item = (&'a String, &'a OsString)>) -> Vec<u8> {
    let mut script = Vec::new();
    for (name, value) in variables {
        script.extend_from_slice(format!("export {name}=").as_bytes());
        push_quoted(&mut script, value);
        script.push(b'\n');
    }
    script
}

/// Waits a moment for the size of a terminal that was just made: the engine tells it only after the start.
pub(super) const AWAIT_SIZE: &[u8] =
    b"n=0; while [ \"$(stty size 2>/dev/null)\" = '0 0' ] && [ $n -lt 20 ]; do sleep 0.05; n=$((n + 1)); done; unset n\n";

/// Goes to a directory, or to the home when it is not there; with `strict`, ends with 125 then.
pub(super) fn change_directory(directory: &Path, strict: bool) -> Vec<u8> {
    let mut script = b"cd -- ".to_vec();
    push_quoted(&mut script, directory.as_os_str());
    script.extend_from_slice(if strict { b" || exit 125\n" } else { b" 2>/dev/null || cd \"$HOME\" 2>/dev/null || cd /\n" });
    script
}

/// Hands the script's arguments over to another script, by the entry point of the image. Images that were made of a Singularity image
/// without naming their entry point have it all the same. With `stays`, the shell waits and hands on the status instead of becoming the
/// entry point: the first process of a container does not die of signals.
pub(super) fn enter(entry_point: &[OsString], then: &str, stays: bool) -> Vec<u8> {
    let mut script = format!("set -- /bin/sh {then} \"$@\"\n").into_bytes();
    if entry_point.is_empty() {
        for usual in ENTRY_POINTS {
            script.extend_from_slice(format!("if [ -x {usual} ]; then set -- {usual} \"$@\"; el").as_bytes());
        }
        script.extend_from_slice(b"se :; fi\n");
    } else {
        script.extend_from_slice(b"set --");
        for word in entry_point {
            script.push(b' ');
            push_quoted(&mut script, word);
        }
        script.extend_from_slice(b" \"$@\"\n");
    }
    script.extend_from_slice(if stays { b"\"$@\"\nexit $?\n" } else { b"exec \"$@\"\n" });
    script
}

/// Becomes the command: the script's own arguments, unless they hold bytes that would not get there.
pub(super) fn exec(command: &[OsString]) -> Vec<u8> {
    // A name that begins so is an option for the `exec` of some shells, and `--` a name for that of others: there the shell waits.
    let is_option = command.first().is_some_and(|name| name.as_encoded_bytes().starts_with(b"-"));
    let mut script = if is_option { Vec::new() } else { b"exec ".to_vec() };
    if command.iter().all(|word| word.to_str().is_some()) {
        script.extend_from_slice(b"\"$@\"");
    } else {
        for word in command {
            push_quoted(&mut script, word);
            script.push(b' ');
        }
    }
    script.push(b'\n');
    script
}

/// Adds a word in single quotes, which keep every byte but the single quote itself.
pub(super) fn push_quoted(script: &mut Vec<u8>, word: &OsStr) {
    script.push(b'\'');
    for &byte in word.as_encoded_bytes() {
        if byte == b'\'' {
            script.extend_from_slice(br"'\''");
        } else {
            script.push(byte);
        }
    }
    script.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(word: &OsStr) -> String {
        let mut script = Vec::new();
        push_quoted(&mut script, word);
        String::from_utf8(script).unwrap()
    }

    #[test]
    fn a_name_that_begins_with_a_minus_sign_is_no_option_of_the_shell() {
        let text = |words: &[&str]| String::from_utf8(exec(&words.iter().map(OsString::from).collect::<Vec<_>>())).unwrap();
        assert_eq!(text(&["ls", "-l"]), "exec \"$@\"\n");
        assert_eq!(text(&["-c", "ls"]), "\"$@\"\n");
    }

    #[test]
    fn words_are_quoted_for_the_script() {
        assert_eq!(quoted(OsStr::new("a b$c\n")), "'a b$c\n'");
        assert_eq!(quoted(OsStr::new("it's")), r"'it'\''s'");
        assert_eq!(quoted(OsStr::new("")), "''");
    }
}
