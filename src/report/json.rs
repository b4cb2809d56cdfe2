//! The report as JSON, and the schema that describes it.

use serde::Serialize;

/// A document as indented JSON with a line break at its end.
///
/// # Errors
///
/// When the facts hold a path that is not UTF-8, which JSON cannot carry.
pub(crate) fn render<T: Serialize>(document: &T) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}

/// The JSON Schema of [`Document`], generated from its type: `docs/schema/report.json`.
///
/// # Errors
///
/// None in practice: a schema is plain JSON.
#[cfg(test)]
pub(crate) fn schema() -> serde_json::Result<String> {
    use super::document::Document;
    let schema =
        schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Document>();
    render(&schema)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::samples;

    #[test]
    fn the_shipped_schema_is_the_generated_one() {
        samples::compare_with_shipped("docs/schema/report.json", &schema().unwrap());
    }

    #[test]
    fn every_sample_obeys_the_schema() {
        let schema: Value = serde_json::from_str(&schema().unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (name, document) in samples::all() {
            let instance: Value = serde_json::from_str(&render(&document).unwrap()).unwrap();
            let errors: Vec<_> = validator.iter_errors(&instance).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
        assert!(!validator.is_valid(&serde_json::json!({"schema_version": "1"})), "the schema must demand the keys");
    }

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_keys_and_their_order_are_those_of_the_contract() {
        for (name, document) in samples::all() {
            let value: Value = serde_json::from_str(&render(&document).unwrap()).unwrap();
            let top = "schema_version tool generated_at source machine environment facts checks findings recommendation measurements plan launch exit_status";
            assert_eq!(keys(&value).join(" "), top, "{name}");
            assert_eq!(keys(&value["plan"]), ["edits", "commands"]);
            assert_eq!(keys(&value["machine"])[..6], ["os", "kernel", "arch", "distribution", "hostname", "session"]);
        }
        let value = serde_json::to_value(samples::sick()).unwrap();
        for (pointer, expected) in [
            ("/tool", "name version"),
            ("/environment", "directory config_file container_type image name version"),
            ("/checks/0", "id category outcome reason duration_ms"),
            ("/findings/0", "id code severity title why evidence advice docs accepted"),
            ("/findings/0/advice/0", "text command safety applied"),
            ("/recommendation", "opengl basis confidence reasons rejected"),
            ("/recommendation/rejected/0", "opengl reason"),
            (
                "/measurements/0",
                "opengl where outcome renderer renderer_class gl_version pixels_correct frames_per_second startup_ms stderr picture",
            ),
            ("/plan/edits/0", "file key from to because"),
            ("/plan/commands/0", "argv safety because"),
            ("/launch", "engine argv env mode exit_status"),
        ] {
            assert_eq!(keys(value.pointer(pointer).unwrap()).join(" "), expected, "{pointer}");
        }
        assert_eq!(value["exit_status"], 1);
        assert_eq!(value["schema_version"], "1");
    }

    #[test]
    fn one_document_and_one_line_break_at_the_end() {
        let text = render(&samples::healthy()).unwrap();
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
        assert_eq!(serde_json::Deserializer::from_str(&text).into_iter::<Value>().count(), 1);
    }
}
