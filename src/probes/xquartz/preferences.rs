//! The preferences of XQuartz: asked of the system, else read from their files.

use casa_doctor_checks::facts::{Unknowns, XquartzSetting};
use plist::Value;

use super::{DOMAIN, Look, OLD_DOMAIN, property_list};
use crate::host::CommandEnd;

/// The preferences that become arguments of the server.
const KEYS: [&str; 3] = ["nolisten_tcp", "no_auth", "enable_iglx"];

/// Reads the keys in the domain that XQuartz reads and in those of its other versions.
pub(super) fn look(look: &Look<'_>, own: Option<&str>, unknown: &mut Unknowns) -> Vec<XquartzSetting> {
    let mut domains = vec![DOMAIN, OLD_DOMAIN];
    domains.extend(own.filter(|own| ![DOMAIN, OLD_DOMAIN].contains(own)));
    let mut settings = Vec::new();
    for domain in domains {
        match of_domain(look, domain) {
            Ok(found) => settings.extend(found),
            Err(reason) => {
                unknown.insert(format!("settings.{domain}"), reason);
            }
        }
    }
    settings
}

fn of_domain(look: &Look<'_>, domain: &str) -> Result<Vec<XquartzSetting>, String> {
    let mut settings = Vec::new();
    for key in KEYS {
        match ask(look, domain, key) {
            Ok(found) => settings.extend(found),
            // The file may lag behind what the system keeps in memory, so it is the second choice.
            Err(reason) => return of_file(look, domain).map_err(|file| format!("{reason}; {file}")),
        }
    }
    Ok(settings)
}

/// Asks `defaults`; `Ok(None)` when the key is not set.
fn ask(look: &Look<'_>, domain: &str, key: &str) -> Result<Option<XquartzSetting>, String> {
    let output = look.run("defaults", &["read", domain, key]);
    match output.end {
        CommandEnd::Exited(0) => {
            let kind = look.run("defaults", &["read-type", domain, key]);
            Ok(Some(XquartzSetting {
                domain: domain.to_owned(),
                key: key.to_owned(),
                value: output.stdout_text().trim().to_owned(),
                kind: kind.success().then(|| kind.stdout_text().trim().trim_start_matches("Type is ").to_owned()),
                source: "defaults".to_owned(),
            }))
        }
        CommandEnd::Exited(_) if output.stderr_text().contains("does not exist") => Ok(None),
        _ => Err(format!("\"defaults read {domain} {key}\" {}", output.end_in_words())),
    }
}

fn of_file(look: &Look<'_>, domain: &str) -> Result<Vec<XquartzSetting>, String> {
    let home = look.host.identity().home.ok_or("the home directory is not known")?;
    let path = home.join("Library/Preferences").join(format!("{domain}.plist"));
    if look.host.exists(&path) == Some(false) {
        return Ok(Vec::new());
    }
    let list = property_list(look.host, &path)?;
    let dictionary = list.as_dictionary().ok_or_else(|| format!("{}: not a dictionary", path.display()))?;
    let settings = KEYS.iter().filter_map(|key| {
        let (value, kind) = as_defaults_prints(dictionary.get(key)?)?;
        Some(XquartzSetting {
            domain: domain.to_owned(),
            key: (*key).to_owned(),
            value,
            kind: Some(kind.to_owned()),
            source: path.display().to_string(),
        })
    });
    Ok(settings.collect())
}

/// A value as the text of `defaults read` and the type of `defaults read-type`.
fn as_defaults_prints(value: &Value) -> Option<(String, &'static str)> {
    match value {
        Value::Boolean(on) => Some((u8::from(*on).to_string(), "boolean")),
        Value::String(text) => Some((text.clone(), "string")),
        Value::Integer(number) => Some((number.to_string(), "integer")),
        Value::Real(number) => Some((number.to_string(), "float")),
        _ => None,
    }
}
