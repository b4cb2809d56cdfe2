//! What the options of the configuration bind by themselves, past the mounts: is it there? The engine does not leave out what is
//! missing, as casa_distro does with its mounts, but gives up.

use std::path::PathBuf;

use casa_doctor_checks::facts::OptionBind;
use serde_json::Value;

use crate::casa_distro::has_url_password;
use crate::host::Host;

/// The keys whose options every start uses, and those that programs with windows use besides.
const KEYS: [&str; 2] = ["container_options", "container_gui_options"];

/// Looks at every absolute path that an option binds. Others depend on where the engine is started, or on variables.
pub(super) fn look(host: &dyn Host, merged: &Value) -> Vec<OptionBind> {
    let mut found = Vec::new();
    for key in KEYS {
        let options = merged.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut options = options.iter().map(|option| option.as_str().unwrap_or_default());
        while let Some(option) = options.next() {
            let Some((name, glued)) = split(option) else { continue };
            let Some(value) = glued.or_else(|| options.next()) else { continue };
            found.extend(paths(name, value).into_iter().map(|path| OptionBind {
                option: format!("{name} {value}"),
                exists: host.exists(&path),
                path,
            }));
        }
    }
    found
}

/// An option that binds, by its long name, and the value that stands in the same word.
fn split(option: &str) -> Option<(&'static str, Option<&str>)> {
    for name in ["--bind", "--mount"] {
        match option.strip_prefix(name) {
            Some("") => return Some((name, None)),
            Some(rest) if rest.starts_with('=') => return Some((name, Some(&rest[1..]))),
            _ => {}
        }
    }
    let value = option.strip_prefix("-B")?;
    Some(("--bind", Some(value.strip_prefix('=').unwrap_or(value)).filter(|value| !value.is_empty())))
}

/// The paths on the host: `SOURCE[:TARGET[:OPTIONS]],…`, or of `--mount` what follows `src=` or `source=`.
fn paths(name: &str, value: &str) -> Vec<PathBuf> {
    // A backslash hides what would separate, and quotes do so for --mount; a password may stand in an address.
    if value.contains(['\\', '"', '$', '{']) || has_url_password(value) {
        return Vec::new();
    }
    let words = value.split(',');
    let sources: Vec<&str> = match name {
        "--bind" => words.filter_map(|word| word.split(':').next()).collect(),
        _ if words.clone().any(|word| word == "type=bind") => {
            words.filter_map(|word| word.strip_prefix("src=").or_else(|| word.strip_prefix("source="))).collect()
        }
        _ => Vec::new(),
    };
    sources.into_iter().filter(|source| source.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn each_way_to_bind_is_read() {
        let host = RecordedHost::new().file("/there/x", "");
        let look = |options: Value| -> Vec<(String, Option<bool>)> {
            let found = look(&host, &json!({"container_options": options}));
            found.into_iter().map(|one| (one.path.display().to_string(), one.exists)).collect()
        };
        let gone = |path: &str| vec![(path.to_owned(), Some(false))];
        assert_eq!(look(json!(["--bind", "/gone:/x:ro"])), gone("/gone"));
        assert_eq!(look(json!(["--bind=/gone"])), gone("/gone"));
        assert_eq!(look(json!(["-B/gone:/x"])), gone("/gone"));
        assert_eq!(look(json!(["--nv", "-B", "/gone:/x", "--cleanenv"])), gone("/gone"));
        assert_eq!(look(json!(["--mount", "type=bind,src=/gone,dst=/x"])), gone("/gone"));
        assert_eq!(
            look(json!(["--bind", "/there:/a:ro,/gone"])),
            [("/there".to_owned(), Some(true)), ("/gone".to_owned(), Some(false))]
        );
        for unknown in
            [json!(["--bind", "$HOME:/x"]), json!(["--bind", "here:/x"]), json!(["--bind", "/a\\:b:/x"]), json!(["--bind"])]
        {
            assert_eq!(look(unknown.clone()), [], "{unknown}");
        }
    }
}
