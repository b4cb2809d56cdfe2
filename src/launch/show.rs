//! A plan as text: a line for a shell, and JSON.

use std::ffi::OsStr;

use serde_json::Value;

use super::plan::Plan;
use crate::casa_distro::hide_secrets;
use crate::redact::hide_secrets_in_texts;
use crate::report::LaunchDoc;

impl Plan {
    /// One line that does the same when it is pasted into a shell. What it mounts is made first where a launch would make it.
    pub(crate) fn dry_run_line(&self) -> String {
        let mut words = Vec::new();
        if let Some(directory) = &self.made_first {
            words.extend(["mkdir".to_owned(), "-p".to_owned(), quote(directory.as_os_str()), "&&".to_owned()]);
        }
        let removed: Vec<_> = self.process_env.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        if !removed.is_empty() {
            words.push("env".to_owned());
            words.extend(removed.into_iter().flat_map(|name| ["-u".to_owned(), quote(name)]));
        }
        for (name, value) in &self.process_env {
            if let Some(value) = value {
                words.push(format!("{}={}", name.to_string_lossy(), quote(value)));
            }
        }
        words.extend(self.argv().iter().map(|word| quote(word)));
        words.join(" ")
    }

    /// The launch as the report tells it, not yet ended, without what looks like a secret in its variables and its command.
    pub(crate) fn document(&self) -> LaunchDoc {
        let text = |value: &OsStr| value.to_string_lossy().into_owned();
        let mut env: Value = self.env.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let mut argv: Value = self.argv().iter().map(|word| text(word)).collect();
        for value in [&mut env, &mut argv] {
            hide_secrets(value);
            hide_secrets_in_texts(value);
        }
        LaunchDoc {
            engine: text(self.engine.as_os_str()),
            argv: serde_json::from_value(argv).unwrap_or_default(),
            env: serde_json::from_value(env).unwrap_or_default(),
            mode: self.mode,
            exit_status: None,
        }
    }

    /// [`Plan::document`] as JSON.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(self.document()).unwrap_or_default()
    }
}

/// A word for a shell. What no quotes can hold is written as `$'...'`, which bash, zsh and ksh read.
fn quote(word: &OsStr) -> String {
    let bytes = word.as_encoded_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:,=+@%".contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let escaped: String = bytes
                .iter()
                .map(|&byte| match byte {
                    b'\'' | b'\\' => format!("\\{}", char::from(byte)),
                    b' '..=b'~' => char::from(byte).to_string(),
                    // Three digits always, so that a digit that follows does not belong to it.
                    byte => format!("\\{byte:03o}"),
                })
                .collect();
            format!("$'{escaped}'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_and_others_are_quoted() {
        for (word, quoted) in [
            ("/a/b-c.sif", "/a/b-c.sif"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$HOME`x`", "'$HOME`x`'"),
            ("~", "'~'"),
            ("a\nb", r"$'a\012b'"),
            ("é", "'é'"),
        ] {
            assert_eq!(quote(OsStr::new(word)), quoted);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_real_shell_reads_back_every_byte() {
        use std::os::unix::ffi::OsStrExt;
        let words: Vec<Vec<u8>> = (1..=255u8).map(|byte| vec![byte, b'1', b'\'']).collect();
        for word in words {
            let line = format!("printf %s {}", quote(OsStr::from_bytes(&word)));
            #[expect(clippy::disallowed_methods, reason = "a test of what a real shell reads")]
            let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(output.stdout, word, "{line}");
        }
    }
}
