//! `<image>.json`, which casa_distro writes beside an image.

use std::io;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::ImageMetadata;
use serde_json::Value;

use crate::host::Host;

/// Reads it; `None` when there is none. What has a wrong type is left out and told in [`ImageMetadata::error`].
pub(super) fn read(host: &dyn Host, image: &Path) -> Option<ImageMetadata> {
    let path = beside(image, ".json");
    let mut metadata = ImageMetadata { path: path.clone(), ..ImageMetadata::default() };
    let bytes = match host.read(&path, 1 << 20) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return None,
        Err(error) => {
            metadata.error = Some(format!("it cannot be read: {error}"));
            return Some(metadata);
        }
    };
    let object = match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => object,
        Ok(_) => {
            metadata.error = Some("its JSON is not an object".to_owned());
            return Some(metadata);
        }
        Err(error) => {
            metadata.error = Some(format!("its JSON is broken: {error}"));
            return Some(metadata);
        }
    };
    let mut wrong = Vec::new();
    let mut text = |key: &'static str| match object.get(key) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) if key == "image_version" => Some(number.to_string()),
        Some(_) => {
            wrong.push(format!("\"{key}\" is not a string"));
            None
        }
    };
    metadata.image_id = text("image_id");
    metadata.image_version = text("image_version");
    metadata.md5 = text("md5");
    metadata.size = object.get("size").filter(|size| !size.is_null()).and_then(|size| {
        if size.as_u64().is_none() {
            wrong.push("\"size\" is not a number of bytes".to_owned());
        }
        size.as_u64()
    });
    match object.get("compatibility") {
        None | Some(Value::Null) => {}
        Some(Value::Array(ids)) => {
            metadata.compatibility = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            if metadata.compatibility.len() < ids.len() {
                wrong.push("\"compatibility\" holds something that is not a string".to_owned());
            }
        }
        Some(_) => wrong.push("\"compatibility\" is not a list".to_owned()),
    }
    if !wrong.is_empty() {
        metadata.error = Some(wrong.join(", "));
    }
    Some(metadata)
}

/// The path with something added to its name.
pub(super) fn beside(image: &Path, suffix: &str) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn read_text(text: &str) -> ImageMetadata {
        read(&RecordedHost::new().file("/x.sif.json", text), Path::new("/x.sif")).unwrap()
    }

    #[test]
    fn a_described_file_of_casa_distro() {
        let metadata = read_text(
            r#"{"name": "brainvisa-5.1", "type": "run", "image_id": "a-b", "image_version": "5.3", "size": 3145728, "md5": "d41d8cd9", "compatibility": ["c-d"]}"#,
        );
        assert_eq!(metadata.image_id.as_deref(), Some("a-b"));
        assert_eq!((metadata.size, metadata.compatibility.len(), metadata.error), (Some(3_145_728), 1, None));
    }

    #[test]
    fn wrong_types_are_told_and_the_rest_is_kept() {
        let metadata = read_text(r#"{"image_id": 12, "size": "big", "compatibility": [1, "c-d"], "md5": "x"}"#);
        assert_eq!((metadata.image_id.as_deref(), metadata.size), (None, None));
        assert_eq!(metadata.md5.as_deref(), Some("x"));
        let error = metadata.error.unwrap();
        assert!(error.contains("image_id") && error.contains("size") && error.contains("compatibility"), "{error}");
        for text in ["", "[]", "{", "\"x\"", "{\"size\": -1}"] {
            assert!(read_text(text).error.is_some(), "{text}");
        }
        assert_eq!(read(&RecordedHost::new(), Path::new("/x.sif")), None);
    }
}
