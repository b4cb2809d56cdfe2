//! Reading a configuration file.

use std::io;
use std::path::Path;

use casa_doctor_checks::facts::{ConfigError, ConfigErrorKind, ConfigFile};

use super::json;
use crate::host::{FileKind, Host};

/// Largest file that is read, in bytes. Real ones have a few kilobytes.
const MAX_SIZE: u64 = 1 << 20;

/// Reads a configuration file as casa_distro does. What is wrong with it is told in the result, never by failing. Nothing is
/// hidden yet.
pub(crate) fn read_config(host: &dyn Host, path: &Path) -> ConfigFile {
    let mut file = ConfigFile { path: path.to_owned(), ..ConfigFile::default() };
    match text_of(host, path, &mut file.size).and_then(|text| parse(&text)) {
        Ok(document) => {
            file.value = Some(document.value);
            file.lines = document.lines;
            file.duplicate_keys = document.duplicate_keys;
        }
        Err(error) => file.error = Some(error),
    }
    file
}

fn parse(text: &str) -> Result<json::Document, ConfigError> {
    if text.chars().all(char::is_whitespace) {
        return Err(ConfigError { line: Some(1), column: Some(1), ..trouble(ConfigErrorKind::Empty, "the file is empty") });
    }
    let document = json::parse(text).map_err(|error| ConfigError {
        kind: if error.too_deep { ConfigErrorKind::TooDeep } else { ConfigErrorKind::Syntax },
        message: error.message,
        line: Some(error.line),
        column: Some(error.column),
    })?;
    if document.value.is_object() {
        return Ok(document);
    }
    let message = format!("the JSON is {} where an object in braces is expected", kind_of(&document.value));
    Err(ConfigError { line: Some(1), column: Some(1), ..trouble(ConfigErrorKind::NotAnObject, message) })
}

fn text_of(host: &dyn Host, path: &Path, size: &mut Option<u64>) -> Result<String, ConfigError> {
    let metadata = host.metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => match host.read_link(path) {
            Ok(target) => {
                trouble(ConfigErrorKind::Missing, format!("it is a link to \"{}\", which does not exist", target.display()))
            }
            Err(_) => trouble(ConfigErrorKind::Missing, "there is no such file"),
        },
        _ => unreadable(&error),
    })?;
    match metadata.kind {
        FileKind::File => {}
        FileKind::Directory => return Err(trouble(ConfigErrorKind::NotAFile, "it is a directory")),
        _ => return Err(trouble(ConfigErrorKind::NotAFile, "it is not a regular file")),
    }
    *size = Some(metadata.size);
    let too_large = || {
        let message = format!("it has {} bytes, and no configuration has more than {MAX_SIZE}", metadata.size);
        trouble(ConfigErrorKind::TooLarge, message)
    };
    if metadata.size > MAX_SIZE {
        return Err(too_large());
    }
    let bytes = host.read(path, MAX_SIZE).map_err(|error| match error.kind() {
        // It grew meanwhile, or its size is not told.
        io::ErrorKind::FileTooLarge => too_large(),
        io::ErrorKind::IsADirectory => trouble(ConfigErrorKind::NotAFile, "it is a directory"),
        _ => unreadable(&error),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let encoding = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "; it looks like UTF-16, as some Windows editors write it",
            _ => "",
        };
        let before = &bytes[..at];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
        ConfigError {
            line: u32::try_from(line).ok(),
            column: u32::try_from(column).ok(),
            ..trouble(
                ConfigErrorKind::NotUtf8,
                format!("it is not UTF-8 text: the byte at offset {at} belongs to no character{encoding}"),
            )
        }
    })
}

fn unreadable(error: &io::Error) -> ConfigError {
    let message = match error.kind() {
        io::ErrorKind::PermissionDenied => "you may not read it (permission denied)".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    trouble(ConfigErrorKind::Unreadable, message)
}

fn trouble(kind: ConfigErrorKind, message: impl Into<String>) -> ConfigError {
    ConfigError { kind, message: message.into(), line: None, column: None }
}

fn kind_of(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "true or false",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a text",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::host::{LiveHost, RecordedHost};

    fn error_of(content: &[u8]) -> ConfigError {
        read_config(&RecordedHost::new().file("/c.json", content), Path::new("/c.json")).error.unwrap()
    }

    #[test]
    fn each_trouble_has_its_kind() {
        for (content, kind, word) in [
            (&b""[..], ConfigErrorKind::Empty, "empty"),
            (b" \n\t", ConfigErrorKind::Empty, "empty"),
            (b"{\"a\": \"\xe9\"}", ConfigErrorKind::NotUtf8, "offset 7"),
            (b"\xff\xfe{\0}\0", ConfigErrorKind::NotUtf8, "UTF-16"),
            (b"{\"a\": 1,}", ConfigErrorKind::Syntax, "too many"),
            (b"[1]", ConfigErrorKind::NotAnObject, "a list"),
            (b"\xef\xbb\xbf{}", ConfigErrorKind::Syntax, "byte order mark"),
        ] {
            let error = error_of(content);
            assert_eq!(error.kind, kind, "{content:?}");
            assert!(error.message.contains(word), "{}", error.message);
        }
        assert_eq!(error_of(&b"[".repeat(100_000)).kind, ConfigErrorKind::TooDeep);
        assert_eq!(error_of(&b" ".repeat((1 << 20) + 1)).kind, ConfigErrorKind::TooLarge);
        let not_utf8 = error_of(b"{\n\"\xc3\xa9\xe9\"}");
        assert_eq!((not_utf8.line, not_utf8.column), (Some(2), Some(3)));
    }

    #[test]
    fn what_is_no_readable_file_is_told() {
        let host = RecordedHost::new().directory("/d").symlink("/l", "/gone").file_mode("/f", "{}", 0o000);
        for (path, kind) in [
            ("/none", ConfigErrorKind::Missing),
            ("/l", ConfigErrorKind::Missing),
            ("/d", ConfigErrorKind::NotAFile),
            ("/f", ConfigErrorKind::Unreadable),
        ] {
            assert_eq!(read_config(&host, Path::new(path)).error.unwrap().kind, kind, "{path}");
        }
    }

    #[test]
    fn a_good_file_gives_value_lines_and_duplicates() {
        let host = RecordedHost::new().file("/c.json", "{\n  \"a\": 1,\n  \"a\": [2]\n}");
        let file = read_config(&host, Path::new("/c.json"));
        assert_eq!(file.error, None);
        assert_eq!(file.value, Some(json!({"a": [2]})));
        assert_eq!(file.lines.get("/a/0"), Some(&3));
        assert_eq!(file.duplicate_keys, ["/a"]);
        assert_eq!(file.size, Some(24));
    }

    #[test]
    fn a_real_file_of_100_mb_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(100 << 20).unwrap();
        let started = std::time::Instant::now();
        let read = read_config(&LiveHost, file.path());
        assert_eq!(read.error.unwrap().kind, ConfigErrorKind::TooLarge);
        assert_eq!(read.size, Some(100 << 20));
        assert!(started.elapsed() < std::time::Duration::from_millis(200));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let file = read_config(&RecordedHost::new().file("/c.json", content), Path::new("/c.json"));
            prop_assert!(file.error.is_some() != file.value.is_some());
        }
    }
}
