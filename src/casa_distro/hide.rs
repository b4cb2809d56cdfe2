//! Keeping secrets of a configuration out of the facts.

use serde_json::Value;

/// What stands in the place of a secret.
pub(crate) const HIDDEN: &str = "(hidden)";

/// Replaces what may be a secret by "(hidden)": the values of keys whose name says so, `NAME=value` options whose name says
/// so, and texts with a URL that carries a password. What only refers to a variable of the host (`$API_TOKEN`) tells nothing
/// and stays.
pub(crate) fn hide_secrets(value: &mut Value) {
    hide_below(value, true);
}

fn hide_below(value: &mut Value, names_tell: bool) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if names_tell && is_secret_name(key) {
                    hide_all(value);
                } else {
                    // The names below our own key are ours.
                    hide_below(value, names_tell && key != "casa_doctor");
                }
            }
        }
        Value::Array(list) => {
            let mut after_secret_option = false;
            for element in list {
                let is_secret = std::mem::replace(&mut after_secret_option, is_secret_option(element));
                if names_tell && is_secret { hide_all(element) } else { hide_below(element, names_tell) }
            }
        }
        Value::String(text) => {
            if has_url_password(text) {
                HIDDEN.clone_into(text);
            } else if names_tell && let Some(kept) = before_secret_assignment(text) {
                *text = format!("{kept}{HIDDEN}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether the next element is the value of an option whose name says that it is a secret (`--docker-password`).
fn is_secret_option(element: &Value) -> bool {
    element.as_str().is_some_and(|text| text.starts_with("--") && !text.contains('=') && is_secret_name(text))
}

/// Hides every text and number at and below a value.
fn hide_all(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(hide_all),
        Value::Array(list) => list.iter_mut().for_each(hide_all),
        Value::String(text) if is_only_a_reference(text) => {}
        Value::String(_) | Value::Number(_) => *value = HIDDEN.into(),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a name says that its value is a secret. A path (the container's side of a mount) is no such name.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    !name.contains('/') && ["TOKEN", "KEY", "SECRET", "PASSW", "COOKIE", "CREDENTIAL"].iter().any(|word| upper.contains(word))
}

/// Whether a text holds `scheme://user:password@…`. A password may hold anything but white space.
pub(crate) fn has_url_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let authority = text[at + 3..].split(char::is_whitespace).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// Whether a text is nothing but `$NAME`, `${NAME}` or `${{NAME}}`.
fn is_only_a_reference(text: &str) -> bool {
    let references = casa_doctor_checks::config::python_format::variable_references(text);
    matches!(references.as_slice(), [only] if only.start == 0 && only.end == text.len())
}

/// The part to keep of `--env=NAME=secret`, `NAME=secret` and `A=1,NAME=secret`: all that stands before the secret.
fn before_secret_assignment(text: &str) -> Option<&str> {
    let mut start = 0;
    for (at, _) in text.match_indices('=') {
        let name = text[start..at].rsplit([',', ' ', ';']).next().unwrap_or_default();
        let value = &text[at + 1..];
        if is_secret_name(name) && !value.is_empty() && !is_only_a_reference(value) {
            return Some(&text[..=at]);
        }
        start = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        let mut value = json!({
            "env": {"API_TOKEN": "abc", "AwsSecret": 42, "DB_PASSWD": "x y", "PATH": "/bin", "TOKEN_REF": "${MY_TOKEN}",
                    "proxy": "http://me:pa/ss@proxy:3128/", "URL": "https://example.org/a:b", "AT": "me@example.org"},
            "container_options": ["--env=API_KEY=abc", "--env", "X=1,MY_COOKIE=abc,Y=2", "--bind", "/a:/b", "--nv",
                                  "--docker-password", "abc", "--env=http_proxy=http://u:p@h"],
            "mounts": {"/data/keys": "/nfs/keys", "/k": "/home/$TOKEN"},
            "credentials": {"user": "u", "list": ["p", null, true]},
            "casa_doctor": {"machine_key": "m"},
        });
        hide_secrets(&mut value);
        assert_eq!(
            value,
            json!({
                "env": {"API_TOKEN": "(hidden)", "AwsSecret": "(hidden)", "DB_PASSWD": "(hidden)", "PATH": "/bin",
                        "TOKEN_REF": "${MY_TOKEN}", "proxy": "(hidden)", "URL": "https://example.org/a:b", "AT": "me@example.org"},
                "container_options": ["--env=API_KEY=(hidden)", "--env", "X=1,MY_COOKIE=(hidden)", "--bind", "/a:/b", "--nv",
                                      "--docker-password", "(hidden)", "(hidden)"],
                "mounts": {"/data/keys": "/nfs/keys", "/k": "/home/$TOKEN"},
                "credentials": {"user": "(hidden)", "list": ["(hidden)", null, true]},
                "casa_doctor": {"machine_key": "m"},
            })
        );
    }
}
