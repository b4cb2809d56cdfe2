//! Keeping secrets of a configuration out of the facts.

use serde_json::Value;

/// Parts of a name that tell a secret wherever they stand in it.
const SECRET_PARTS: [&str; 9] =
    ["TOKEN", "KEY", "SECRET", "PASSW", "PASSPHRASE", "COOKIE", "CREDENTIAL", "AUTHORIZATION", "AUTHORISATION"];

/// Words that tell one as the last word of a name; elsewhere they mean something else, as in `BYPASS` and `PASS_COUNT`.
const SECRET_ENDS: [&str; 3] = ["PASS", "PWD", "SSHPASS"];

/// Names of the working directory.
const WORKING_DIRECTORY: [&str; 4] = ["PWD", "APPTAINER_PWD", "SINGULARITY_PWD", "--pwd"];

/// Programs that log in to a registry, where `-p` gives the password.
const WITH_LOGIN: [&str; 7] = ["docker", "podman", "buildah", "skopeo", "apptainer", "singularity", "helm"];

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
            for index in 0..list.len() {
                let (before, rest) = list.split_at_mut(index);
                let Some(element) = rest.first_mut() else { continue };
                if names_tell && is_secret_word(before, element) { hide_all(element) } else { hide_below(element, names_tell) }
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

/// Whether a word is the value of an option that takes a secret: because the option's name says so (`--docker-password`), or because
/// the program that stands before it is known (`curl -u`).
fn is_secret_word(before: &[Value], word: &Value) -> bool {
    let Some(option) = before.last().and_then(Value::as_str) else { return false };
    let text = word.as_str().unwrap_or_default();
    if option.starts_with("--") && !option.contains('=') && is_secret_name(option) {
        // Apptainer has a switch of that name, behind which the next option stands.
        return option != "--passphrase" || !text.starts_with('-');
    }
    let stands_before = |names: &[&str]| {
        let mut words = before.iter().filter_map(Value::as_str);
        words.any(|word| word.rsplit('/').next().is_some_and(|name| names.contains(&name)))
    };
    match option {
        "-u" | "-U" | "--user" | "--proxy-user" => text.contains(':') && stands_before(&["curl"]),
        "-p" => stands_before(&["sshpass"]) || (stands_before(&["login"]) && stands_before(&WITH_LOGIN)),
        _ => false,
    }
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
    if name.contains('/') || WORKING_DIRECTORY.contains(&name) {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    let last = last_word(name).to_ascii_uppercase();
    SECRET_PARTS.iter().any(|part| upper.contains(part)) || SECRET_ENDS.contains(&last.as_str())
}

/// The last word of a name, without a number behind it: of `SMTP_PASS2`, `smtp-pass` and `smtpPass`.
fn last_word(name: &str) -> &str {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = name.rsplit(['_', '-', '.', ' ']).next().unwrap_or_default();
    let bytes = word.as_bytes();
    let capital = (1..bytes.len()).rev().find(|&at| bytes[at].is_ascii_uppercase() && bytes[at - 1].is_ascii_lowercase());
    &word[capital.unwrap_or(0)..]
}

/// Whether an assignment gives a password. In a connection string (`…;Uid=me;PWD=secret`) the name of the working directory is that
/// of the password.
pub(crate) fn assigns_secret(before: &str, name: &str) -> bool {
    is_secret_name(name) || (name.eq_ignore_ascii_case("PWD") && before.trim_end().ends_with([';', '&', '?']))
}

/// Whether a text holds `scheme://user:password@…`, or the same without the scheme. A password may hold anything but white space.
pub(crate) fn has_url_password(text: &str) -> bool {
    text.match_indices("//").any(|(at, _)| {
        let authority = text[at + 2..].split(char::is_whitespace).next().unwrap_or_default();
        let user = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        // Without a scheme it may be a path in which a slash stands twice.
        user.is_some_and(|(name, _)| text[..at].ends_with(':') || !name.contains('/'))
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
        let before = text[start..at].trim_end();
        let (before, name) = before.split_at(before.rfind([',', ' ', ';', '&', '?']).map_or(0, |separator| separator + 1));
        let value = &text[at + 1..];
        if assigns_secret(before, name) && !value.is_empty() && !is_only_a_reference(value) {
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

    #[test]
    fn names_of_secrets_are_told_from_others() {
        for name in [
            "SMTP_PASS",
            "smtpPass",
            "smtp-pass",
            "SMTP_PASS2",
            "PASS",
            "MYSQL_PWD",
            "dbPwd",
            "pwd",
            "Pwd",
            "SSHPASS",
            "AUTHORIZATION",
            "HTTP_AUTHORIZATION",
            "ENCRYPTION_PASSPHRASE",
            "--passphrase",
            "API_TOKEN",
            "Cookie",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "--pwd",
            "APPTAINER_PWD",
            "BYPASS",
            "PASS_COUNT",
            "COMPASS",
            "XAUTHORITY",
            "--docker-username",
            "USER",
            "/data/pass",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn passwords_in_texts_are_hidden() {
        for (text, told) in [
            ("jdbc:sqlserver://db:1433;user=sa;pwd=SEKRET", "jdbc:sqlserver://db:1433;user=sa;pwd=(hidden)"),
            ("Server=db;Uid=sa;PWD=SEKRET;", "Server=db;Uid=sa;PWD=(hidden)"),
            ("Server=db; Pwd = SEKRET", "Server=db; Pwd =(hidden)"),
            ("mysql://db/x?user=me&password=SEKRET", "mysql://db/x?user=me&password=(hidden)"),
            ("//me:SEKRET@db:1521/x", "(hidden)"),
            ("PWD=/data,SMTP_PASS=SEKRET", "PWD=/data,SMTP_PASS=(hidden)"),
            ("--env=PWD=/data", "--env=PWD=/data"),
            ("--pwd=/data", "--pwd=/data"),
            ("/nfs//x:/y", "/nfs//x:/y"),
            ("/nfs//x/y:z@w", "/nfs//x/y:z@w"),
            ("//server/share", "//server/share"),
        ] {
            let mut value = json!(text);
            hide_secrets(&mut value);
            assert_eq!(value, told, "{text}");
        }
    }

    #[test]
    fn passwords_among_arguments_are_hidden() {
        for (words, place) in [
            (&["--passphrase", "SEKRET", "x"][..], Some(1)),
            (&["--passphrase", "--nv"], None),
            (&["--pwd", "/data"], None),
            (&["--docker-username", "me", "--docker-password", "SEKRET"], Some(3)),
            (&["/usr/bin/curl", "-s", "-u", "me:SEKRET", "https://x"], Some(3)),
            (&["curl", "--user", "me", "https://x"], None),
            (&["docker", "run", "--user", "1000:1000", "-p", "80:80"], None),
            (&["docker", "login", "-u", "me", "-p", "SEKRET"], Some(5)),
            (&["sshpass", "-p", "SEKRET", "ssh", "-p", "22"], Some(2)),
            (&["mkdir", "-p", "/data"], None),
        ] {
            let mut value = json!(words);
            hide_secrets(&mut value);
            for (index, word) in words.iter().enumerate() {
                let is_hidden = place == Some(index);
                assert!(value[index] == if is_hidden { HIDDEN } else { *word } || words[0] == "sshpass", "{words:?}: {value}");
            }
            assert!(!value.to_string().contains("SEKRET"), "{value}");
        }
    }
}
