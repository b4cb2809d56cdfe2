//! Variables: those of the container, those of the engine's own process, and those that the calling shell has left there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use super::engine::Chosen;
use super::options;
use super::settings::Settings;
use crate::casa_distro::substitute;
use crate::host::Host;
use crate::recommend::OpenGl;

/// Names that casa_distro maps when it tells the branch (`bv_maker_branches` of `environment.py`).
const BRANCHES: [(&str, &str); 2] = [("bug_fix", "master"), ("trunk", "integration")];

/// Keys that the built-in variables of casa_distro refer to.
const REQUIRED_KEYS: [&str; 3] = ["{name}", "{system}", "{distro}"];

/// Prefixes of variables for the container.
const CONTAINER_PREFIXES: [&str; 2] = ["APPTAINERENV_", "SINGULARITYENV_"];

/// Prefixes of variables that stand for options of the engine.
const OPTION_PREFIXES: [&str; 2] = ["APPTAINER_", "SINGULARITY_"];

/// Options that contradict the OpenGL mode when they come from the environment.
const MODE_OPTIONS: [&str; 5] = ["NV", "NVCCLI", "ROCM", "NO_NV", "NO_ROCM"];

/// Options that change what the container sees, which a site may well set on purpose.
const TELLING_OPTIONS: [&str; 21] = [
    "BIND",
    "BINDPATH",
    "MOUNT",
    "CONTAIN",
    "CONTAINALL",
    "CONTAINLIBS",
    "COMPAT",
    "NO_MOUNT",
    "NO_HOME",
    "NO_EVAL",
    "PWD",
    "CWD",
    "WORKDIR",
    "SCRATCH",
    "OVERLAY",
    "OVERLAYIMAGE",
    "HOSTNAME",
    "NETWORK",
    "FAKEROOT",
    "SECURITY",
    "WRITABLE",
];

/// Variables that decide what a program draws with, where it draws, or who it is: from the calling shell they would silently change
/// what the configuration and the mode say.
const DECIDING: [&str; 8] = [
    "DISPLAY",
    "XAUTHORITY",
    "SSH_AUTH_SOCK",
    "SOFTWARE_OPENGL",
    "XLIB_SKIP_ARGB_VISUALS",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_AUDIT",
];
const DECIDING_PREFIXES: [&str; 10] =
    ["__GLX_", "__EGL_", "__GL_", "__NV_", "__VK_", "LIBGL_", "MESA_", "GALLIUM_", "EGL_", "CASA_"];

/// The variables of the container that the configuration and the request give.
pub(super) fn of_configuration(
    host: &dyn Host,
    settings: &Settings,
    gui: bool,
    asked: &[(String, String)],
    warnings: &mut Vec<String>,
) -> BTreeMap<String, OsString> {
    let mut variables: BTreeMap<String, OsString> = BTreeMap::new();
    let configured = settings.env.iter().chain(settings.gui_env.iter().filter(|_| gui));
    for (name, value) in configured {
        let substitution = substitute(host, value, &settings.merged);
        if REQUIRED_KEYS.contains(&substitution.text.as_str()) {
            // A key that stock casa_distro cannot do without. No program is served by its name in braces.
            warnings.push(format!("the variable {name} is left out of the container: the configuration has no \"{value}\""));
        } else if substitution.unset.is_empty() {
            variables.insert(name.clone(), substitution.text.into());
        } else {
            // A later value that leads nowhere also takes back an earlier one: it was meant to replace it.
            variables.remove(name);
            if name != "DISPLAY" && !is_passed_on(name, value) {
                warnings.push(format!(
                    "the variable {name} is left out of the container: {} is not set on this machine",
                    substitution.unset.join(", ")
                ));
            }
        }
    }
    if let Some(branch) = &settings.branch {
        let mapped = BRANCHES.iter().find(|(from, _)| from == branch).map_or(branch.as_str(), |(_, to)| to);
        variables.insert("CASA_BRANCH".into(), mapped.into());
    }
    variables.extend(asked.iter().map(|(name, value)| (name.clone(), value.into())));
    variables.retain(|name, value| {
        let reason = if !is_name(name) {
            "it has no name that a shell could use"
        } else if value.as_encoded_bytes().contains(&0) {
            "its value has a NUL in it"
        } else {
            return true;
        };
        warnings.push(format!("the variable {name:?} is left out of the container: {reason}"));
        false
    });
    variables
}

/// Whether a variable is only handed on from this machine, so that one which is not set here is nothing to tell: casa_distro writes
/// two of this kind, for jobs of soma-workflow, into every environment.
fn is_passed_on(name: &str, value: &str) -> bool {
    let of = value.strip_prefix('$');
    of == Some(name) || of.and_then(|of| of.strip_prefix('{')?.strip_suffix('}')) == Some(name)
}

/// What was asked for on the command line and reaches the container so far, to be compared with what it gets in the end.
pub(super) fn asked_for(asked: &[(String, String)], variables: &BTreeMap<String, OsString>) -> BTreeMap<String, OsString> {
    let name = |(name, _): &(String, String)| name.clone();
    asked.iter().map(name).filter_map(|name| Some((name.clone(), variables.get(&name)?.clone()))).collect()
}

/// Names the variables that were asked for and are not used, because the display, the agent or the mode decides about them.
pub(super) fn tell_overridden(
    asked: &BTreeMap<String, OsString>,
    variables: &BTreeMap<String, OsString>,
    mode: OpenGl,
    warnings: &mut Vec<String>,
) {
    for name in asked.iter().filter(|(name, value)| variables.get(*name) != Some(*value)).map(|(name, _)| name) {
        let reason = match name.as_str() {
            "DISPLAY" | "XAUTHORITY" => format!(
                "the container gets the display of this shell, with its cookie; for another one, set {name} for casa-doctor itself"
            ),
            "SSH_AUTH_SOCK" => {
                "the container gets the ssh agent of this shell, if it has one; for another one, set SSH_AUTH_SOCK for casa-doctor itself".into()
            }
            _ => format!("the OpenGL mode \"{}\" decides about it; --opengl chooses another one", mode.word()),
        };
        warnings.push(format!("the variable {name} that was given with --env is not used: {reason}"));
    }
}

/// The engine sources the variables in a shell script of its own, with their names as they are.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Changes to the environment of the engine's process: values to set, names to remove. The variables of the container go there and
/// not into arguments, which every user of the machine can read.
pub(super) fn of_process(
    host: &dyn Host,
    engine: &Chosen,
    options: &[String],
    variables: &BTreeMap<String, OsString>,
    warnings: &mut Vec<String>,
) -> BTreeMap<OsString, Option<OsString>> {
    let leftovers = Leftovers::find(host, variables);
    leftovers.tell(warnings);
    let mut process: BTreeMap<_, _> = leftovers.removed.into_iter().map(|name| (name, None)).collect();
    let forbidden = options::forbid_evaluation(options)
        || OPTION_PREFIXES
            .iter()
            .any(|prefix| ["NO_EVAL", "COMPAT"].iter().any(|name| host.env_text(&format!("{prefix}{name}")).is_some()));
    for (name, value) in variables {
        // What the engine would spoil is set by the script that starts the command.
        if engine.quotes_as_go() && !survives_go(value) {
            continue;
        }
        let evaluated = engine.evaluates_variables() && !engine.quotes_as_go() && !forbidden;
        let value = if evaluated { escaped(value) } else { value.clone() };
        process.insert(format!("{}ENV_{name}", engine.prefix()).into(), Some(value));
    }
    process
}

/// What survives the shell of the engine, which puts the value between double quotes and escapes nothing but those (`injectEnvHandler`
/// of Apptainer and SingularityCE): a dollar, a backquote and a backslash would be read as shell there.
fn escaped(value: &OsStr) -> OsString {
    let mut bytes = Vec::new();
    for &byte in value.as_encoded_bytes() {
        if matches!(byte, b'$' | b'`' | b'\\') {
            bytes.push(b'\\');
        }
        bytes.push(byte);
    }
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes);
    #[cfg(not(unix))]
    return String::from_utf8_lossy(&bytes).into_owned().into();
}

/// Whether a value is the same when Go has quoted it and a shell has read it again. Go writes signs that cannot be printed in a way that
/// a shell does not know; of those beyond ASCII only letters and digits are trusted.
fn survives_go(value: &OsStr) -> bool {
    let same = |c: char| !matches!(c, '$' | '`') && (c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric());
    value.to_str().is_some_and(|text| text.chars().all(same))
}

/// Whether the engine hands a variable on to the container.
#[cfg(unix)]
pub(super) fn is_handed_over(process_env: &BTreeMap<OsString, Option<OsString>>, name: &str) -> bool {
    let set = |prefix: &str| process_env.get(OsStr::new(&format!("{prefix}{name}"))).is_some_and(Option::is_some);
    CONTAINER_PREFIXES.iter().any(|prefix| set(prefix))
}

/// Variables of the calling shell that would reach the engine or the container.
#[derive(Debug, Default)]
struct Leftovers {
    /// Names to be removed.
    removed: BTreeSet<OsString>,
    /// Those of them that the user should know about.
    kept_out: Vec<String>,
    /// Names that stay and take part.
    taking_part: Vec<String>,
}

impl Leftovers {
    fn find(host: &dyn Host, variables: &BTreeMap<String, OsString>) -> Self {
        let mut leftovers = Self::default();
        for name in host.env_names() {
            let Some(text) = name.to_str() else { continue };
            let inner = CONTAINER_PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).filter(|inner| !inner.is_empty());
            let option = OPTION_PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
            if inner.is_some_and(|inner| variables.contains_key(inner)) {
                // Replaced by ours, under whichever prefix it was.
                leftovers.removed.insert(name);
            } else if matches!(text, "LD_PRELOAD" | "LD_AUDIT")
                || inner.is_some_and(decides)
                || option.is_some_and(|option| MODE_OPTIONS.contains(&option))
            {
                leftovers.kept_out.push(text.to_owned());
                leftovers.removed.insert(name);
            } else if inner.is_some() || option.is_some_and(|option| TELLING_OPTIONS.contains(&option)) {
                leftovers.taking_part.push(text.to_owned());
            }
        }
        leftovers
    }

    fn tell(&self, warnings: &mut Vec<String>) {
        if !self.kept_out.is_empty() {
            warnings.push(format!(
                "set in this shell and kept out of the container, because it would change what programs draw with: {}",
                self.kept_out.join(", ")
            ));
        }
        if !self.taking_part.is_empty() {
            warnings.push(format!("set in this shell and taking part in the container: {}", self.taking_part.join(", ")));
        }
    }
}

fn decides(name: &str) -> bool {
    let plain = name.strip_prefix("PREPEND_").or_else(|| name.strip_prefix("APPEND_")).unwrap_or(name);
    DECIDING.contains(&plain)
        // What only makes a library talk changes nothing.
        || (!name.ends_with("_DEBUG") && DECIDING_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::EngineKind;
    use serde_json::json;

    use super::*;
    use crate::host::RecordedHost;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn apptainer() -> Chosen {
        Chosen { path: "/usr/bin/apptainer".into(), kind: EngineKind::Apptainer, version: Some((1, 4, 5)) }
    }

    #[test]
    fn later_variables_win_and_those_that_lead_nowhere_are_left_out() {
        let host = RecordedHost::new().env("USER", "anna");
        let settings = Settings {
            env: pairs(&[
                ("A", "1"),
                ("B", "{name}/$USER"),
                ("C", "$NOPE"),
                ("CASA_DISTRO", "{distro}"),
                ("JOB", "$JOB"),
                ("TASK", "${TASK}"),
            ]),
            gui_env: pairs(&[("A", "2"), ("DISPLAY", "$DISPLAY")]),
            branch: Some("bug_fix".into()),
            merged: json!({"name": "n"}),
            ..Settings::default()
        };
        let mut warnings = Vec::new();
        let asked = pairs(&[("Z", "{\"a\": \"$b\"}"), ("bad name", "x"), ("", "x")]);
        let with_gui = of_configuration(&host, &settings, true, &asked, &mut warnings);
        let expected = [("A", "2"), ("B", "n/anna"), ("CASA_BRANCH", "master"), ("Z", "{\"a\": \"$b\"}")];
        assert_eq!(with_gui, expected.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        assert_eq!(warnings.len(), 4, "{warnings:#?}");
        let without = of_configuration(&host, &settings, false, &[], &mut Vec::new());
        assert_eq!(without.get("A"), Some(&OsString::from("1")), "gui_env is for graphical programs only");
    }

    #[test]
    fn values_are_escaped_for_the_engines_shell_unless_it_is_told_not_to_use_one() {
        let variables = BTreeMap::from([("V".to_owned(), OsString::from("a$b`c`\\\"'\n"))]);
        let of = |options: &[&str]| {
            let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
            of_process(&RecordedHost::new(), &apptainer(), &options, &variables, &mut Vec::new())
        };
        assert_eq!(of(&[])[OsStr::new("APPTAINERENV_V")], Some("a\\$b\\`c\\`\\\\\"'\n".into()));
        assert_eq!(of(&["--no-eval"])[OsStr::new("APPTAINERENV_V")], Some("a$b`c`\\\"'\n".into()));
    }

    #[test]
    fn what_an_old_singularity_would_spoil_is_left_to_the_script() {
        let variables = [("PLAIN", "a\\b \"c\""), ("DOLLAR", "5 $"), ("LINES", "a\nb"), ("TICK", "`id`")];
        let variables: BTreeMap<_, _> = variables.map(|(name, value)| (name.to_owned(), OsString::from(value))).into();
        let of = |version| {
            let engine = Chosen { path: "/s".into(), kind: EngineKind::Singularity, version: Some(version) };
            of_process(&RecordedHost::new(), &engine, &[], &variables, &mut Vec::new())
        };
        for version in [(3, 6, 0), (3, 7, 4), (3, 8, 0)] {
            let process = of(version);
            assert_eq!(process.len(), 1, "{process:?}");
            assert_eq!(process[OsStr::new("SINGULARITYENV_PLAIN")], Some("a\\b \"c\"".into()), "Go doubles the backslash");
        }
        for version in [(3, 8, 1), (3, 8, 7), (4, 3, 0)] {
            assert_eq!(of(version).len(), variables.len());
            assert_eq!(of(version)[OsStr::new("SINGULARITYENV_DOLLAR")], Some("5 \\$".into()));
        }
    }

    #[test]
    fn what_the_calling_shell_left_is_named_and_what_decides_is_kept_out() {
        let host = RecordedHost::new()
            .env("LD_PRELOAD", "libdlfaker.so")
            .env("APPTAINERENV_LD_LIBRARY_PATH", "/x")
            .env("SINGULARITYENV___GLX_VENDOR_LIBRARY_NAME", "nvidia")
            .env("APPTAINERENV_LIBGL_DEBUG", "verbose")
            .env("APPTAINER_NV", "1")
            .env("APPTAINER_BIND", "/scratch-secret")
            .env("APPTAINER_CACHEDIR", "/c")
            .env("SINGULARITYENV_MINE", "theirs");
        let mut warnings = Vec::new();
        let variables = BTreeMap::from([("MINE".to_owned(), OsString::from("ours"))]);
        let process = of_process(&host, &apptainer(), &[], &variables, &mut warnings);
        let removed: Vec<_> = process.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(
            removed,
            [
                "APPTAINERENV_LD_LIBRARY_PATH",
                "APPTAINER_NV",
                "LD_PRELOAD",
                "SINGULARITYENV_MINE",
                "SINGULARITYENV___GLX_VENDOR_LIBRARY_NAME"
            ]
        );
        assert_eq!(process[OsStr::new("APPTAINERENV_MINE")], Some("ours".into()));
        let told = warnings.join("\n");
        assert!(told.contains("APPTAINER_BIND") && told.contains("LIBGL_DEBUG") && told.contains("LD_PRELOAD"), "{told}");
        assert!(!told.contains("CACHEDIR") && !told.contains("scratch-secret") && !told.contains("MINE"), "{told}");
    }
}
