//! Variables of the environment: whose values may be told, and what stands in the place of the others.

use std::sync::LazyLock;

use casa_doctor_checks::facts::Facts;
use regex::{Captures, Regex};
use serde_json::Value;

use super::patterns;
use super::stand_in::{Kind, StandIns};
use super::tree::Place;
use crate::casa_distro::is_secret_name;
use crate::probes::is_graphics_variable;

/// Variables whose values decide how something is found, drawn or spoken, besides those of graphics.
const TOLD: &[&str] = &[
    "BRAINVISA",
    "BRAINVISA_HOME",
    "COLORTERM",
    "CUDA_VISIBLE_DEVICES",
    "DBUS_SESSION_BUS_ADDRESS",
    "DESKTOP_SESSION",
    "DISPLAY",
    "DOCKER_HOST",
    "EDITOR",
    "FREESURFER_HOME",
    "FSLDIR",
    "HOME",
    "HOSTNAME",
    "KRB5CCNAME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "MAIL",
    "MATLABPATH",
    "NO_COLOR",
    "OLDPWD",
    "PAGER",
    "PATH",
    "PS1",
    "PWD",
    "SHELL",
    "SHLVL",
    "SPM_PATH",
    "SSH_AUTH_SOCK",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "USERNAME",
    "WAYLAND_DISPLAY",
    "WSL_DISTRO_NAME",
    "XAUTHORITY",
];

/// Families of them.
const TOLD_FAMILIES: &[&str] = &[
    "APPTAINER_",
    "CASA_",
    "DRI_",
    "GDK_",
    "GTK_",
    "ITK_",
    "KMP_",
    "LC_",
    "LD_",
    "MKL_",
    "NUMBA_NUM_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "PYTHON",
    "QT_",
    "SINGULARITY_",
    "SOMA_",
    "VTK_",
    "XDG_",
    "XKB_",
    "XLIB_",
];

/// Whether the value of a variable may be told. What is private in it is taken out all the same.
pub(super) fn may_be_told(name: &str) -> bool {
    !is_secret_name(name)
        && (TOLD.contains(&name) || is_graphics_variable(name) || TOLD_FAMILIES.iter().any(|family| name.starts_with(family)))
}

/// Whether a key is the name of a variable that everybody has: it is nobody's name then.
pub(super) fn is_told_by_name(key: &str) -> bool {
    TOLD.contains(&key) || is_graphics_variable(key)
}

/// The parts of a value that casa_distro acts on, and must be seen: references and braces.
static PARTS: LazyLock<Regex> = LazyLock::new(|| patterns::regex(r"\$[A-Za-z_]\w*|\{[^{}]*\}|[{}$]|[^{}$]+"));

/// The text with values of variables replaced that are nobody else's business; `None` when there is none.
pub(super) fn mask(place: &Place<'_>, text: &str, stand_ins: &mut StandIns) -> Option<String> {
    if let Some(name) = place.variable {
        return (!may_be_told(name)).then(|| mask_value(text, stand_ins));
    }
    place.assignments.then(|| {
        let (option, list) = text.strip_prefix("--env=").map_or(("", text), |list| ("--env=", list));
        let one = |assignment: &str, stand_ins: &mut StandIns| match assignment.split_once('=') {
            Some((name, value)) if !may_be_told(name) => format!("{name}={}", mask_value(value, stand_ins)),
            _ => assignment.to_owned(),
        };
        let masked: Vec<_> = list.split(',').map(|assignment| one(assignment, stand_ins)).collect();
        format!("{option}{}", masked.join(","))
    })
}

/// A value with a stand-in for each part that is no reference.
pub(super) fn mask_value(value: &str, stand_ins: &mut StandIns) -> String {
    if value == crate::casa_distro::HIDDEN {
        return value.to_owned();
    }
    let masked = PARTS.replace_all(value, |part: &Captures<'_>| {
        let text = &part[0];
        // A path stays one, so that what is wrong about it stays wrong.
        let rest = text.trim_start_matches('/');
        if text.starts_with(['$', '{', '}']) || rest.is_empty() {
            return text.to_owned();
        }
        format!("{}{}", &text[..text.len() - rest.len()], stand_ins.of(Kind::Value, rest))
    });
    masked.into_owned()
}

/// Hides the secrets in every text of the facts: what has the shape of a key, and what a name says is one. No word of the format
/// looks like one.
pub(crate) fn hide_secrets(facts: Facts) -> Facts {
    let Ok(mut value) = crate::tree_of_json::from(&facts) else { return facts };
    // A path that is not UTF-8 is whole in the facts alone.
    if hide_secrets_in_texts(&mut value) { crate::tree_of_json::into(&value).unwrap_or(facts) } else { facts }
}

/// Hides what has the shape of a secret in every text of a value, and tells whether there was anything.
pub(crate) fn hide_secrets_in_texts(value: &mut Value) -> bool {
    match value {
        Value::String(text) => hide_in_text(text).map(|hidden| *text = hidden).is_some(),
        Value::Array(list) => list.iter_mut().fold(false, |found, value| hide_secrets_in_texts(value) | found),
        Value::Object(map) => map.values_mut().fold(false, |found, value| hide_secrets_in_texts(value) | found),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A text without its secrets; `None` when it has none.
fn hide_in_text(text: &str) -> Option<String> {
    let secrets = patterns::secrets(text);
    if secrets.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut end = 0;
    for range in secrets {
        if range.start >= end {
            out.push_str(&text[end..range.start]);
            out.push_str(crate::casa_distro::HIDDEN);
        }
        end = end.max(range.end);
    }
    out.push_str(&text[end..]);
    Some(out)
}
