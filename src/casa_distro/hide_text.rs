//! Keeping secrets out of the text of a configuration file, so that the text itself can be shown.

use casa_doctor_checks::finding::{Change, Edit};
use serde_json::Value;

use super::hide::{HIDDEN, has_url_password, hide_secrets, is_secret_name};
use crate::fix;

/// The text with its secrets hidden and every other byte kept, so that line numbers stay true. A text that is no JSON cannot be
/// understood: there every line that may hold a secret is hidden, and the next one, where its value may stand.
pub(crate) fn hide_secrets_in_text(text: &str) -> String {
    // Of a key that stands twice an edit would reach one alone.
    let Some(value) = super::json::parse(text).ok().filter(|parsed| parsed.duplicate_keys.is_empty()).map(|parsed| parsed.value)
    else {
        return hide_lines(text);
    };
    let mut hidden = value.clone();
    hide_secrets(&mut hidden);
    let mut edits = Vec::new();
    differences(&value, &hidden, String::new(), &mut edits);
    fix::apply(text, &edits).unwrap_or_else(|_| hide_lines(text))
}

/// The values that were hidden, as edits.
fn differences(value: &Value, hidden: &Value, pointer: String, edits: &mut Vec<Edit>) {
    match (value, hidden) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                let step = key.replace('~', "~0").replace('/', "~1");
                let hidden = right.get(key).unwrap_or(&Value::Null);
                differences(value, hidden, format!("{pointer}/{step}"), edits);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for (index, (value, hidden)) in left.iter().zip(right).enumerate() {
                differences(value, hidden, format!("{pointer}/{index}"), edits);
            }
        }
        (value, hidden) if value != hidden => {
            let change = Change::Set { to: hidden.clone() };
            edits.push(Edit { file: "".into(), key: pointer, change, because: "hidden".into() });
        }
        _ => {}
    }
}

fn hide_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_a_secret = false;
    for line in text.split_inclusive('\n') {
        let tells = line.split(['/', '"', '\'', ' ', '=', ',', ';', '&', '?']).any(is_secret_name);
        let hides = tells || after_a_secret || has_url_password(line);
        after_a_secret = tells;
        if hides {
            out.push_str(HIDDEN);
            out.push_str(if line.ends_with('\n') { "\n" } else { "" });
        } else {
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_goes_from_a_valid_text() {
        let text = "{\n  \"env\": {\"API_TOKEN\": \"abc\",   \"A/B\": [1,2]},\n\n  \"container_options\": [\"--env=DB_PASSWD=x\", \"--nv\"]\n}";
        assert_eq!(
            hide_secrets_in_text(text),
            "{\n  \"env\": {\"API_TOKEN\": \"(hidden)\",   \"A/B\": [1,2]},\n\n  \"container_options\": [\"--env=DB_PASSWD=(hidden)\", \"--nv\"]\n}"
        );
        assert_eq!(hide_secrets_in_text("{ \"a\" : 1 }\n"), "{ \"a\" : 1 }\n");
    }

    #[test]
    fn no_secret_is_left_in_a_text_that_is_no_json() {
        let text =
            "{\n  \"name\": \"e\",\n  \"env\": {\"API_TOKEN\":\n     \"abc\",\n  \"proxy\": \"http://u:pw@h\"\n  \"mounts\": 1\n";
        let hidden = hide_secrets_in_text(text);
        assert_eq!(hidden, "{\n  \"name\": \"e\",\n(hidden)\n(hidden)\n(hidden)\n  \"mounts\": 1\n");
        // The same key twice: the text is JSON of a kind, and neither value may be told.
        let twice = hide_secrets_in_text("{\"API_TOKEN\": \"one\", \"API_TOKEN\": \"two\"}");
        assert!(!twice.contains("one") && !twice.contains("two"), "{twice}");
    }
}
