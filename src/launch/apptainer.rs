//! Apptainer and Singularity. The order of the arguments is that of `singularity.py`, so that what one knows of stock casa_distro
//! holds here.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use casa_doctor_checks::facts::Facts;

use super::dialect::{Beginning, Dialect, Image, START, Told, Wanted, Words};
#[cfg(unix)]
use super::dialect::{HandedOver, Running};
use super::engine::Chosen;
use super::home::Home;
use super::plan::Places;
#[cfg(unix)]
use super::plan::Plan;
#[cfg(unix)]
use super::script;
use super::settings::Settings;
use super::site::Site;
use super::{LaunchError, Request, cdi, devices, nvidia, options, variables};
use crate::casa_distro::look_up_image;
use crate::host::{Access, Host};
use crate::recommend::OpenGl;

/// The file with the cookie stands in the directory above that of the script.
#[cfg(unix)]
const OWN_COOKIE: &[u8] = b"XAUTHORITY=${0%/*/*}/Xauthority\nexport XAUTHORITY\n";

/// The engine has bash replace the prompt of the image's settings by its own name, at the first prompt.
#[cfg(unix)]
const OWN_PROMPT: &[u8] = b"case \"${PROMPT_COMMAND-}\" in PS1=*) unset PROMPT_COMMAND ;; esac\n";

/// The dialect of both.
pub(super) struct Apptainer;

impl Dialect for Apptainer {
    /// The one that was asked for, else the one that the probe found, else the configured one.
    fn image(
        &self,
        host: &dyn Host,
        _: &Chosen,
        settings: &Settings,
        facts: &Facts,
        request: &Request,
    ) -> Result<Image, LaunchError> {
        let path = if let Some(asked) = &request.image {
            // An absolute path is never taken for the address of a registry.
            host.current_dir().map_or_else(|_| asked.clone(), |directory| directory.join(asked))
        } else if let Some(used) = facts.image.as_ref().and_then(|image| image.used.clone()) {
            used
        } else {
            let configured = settings.image.as_ref().filter(|image| !image.is_empty()).ok_or(LaunchError::NoImage)?;
            let found = look_up_image(host, &settings.directory, configured);
            found.used.unwrap_or(found.path)
        };
        if host.exists(&path) == Some(false) {
            return Err(LaunchError::ImageMissing(path));
        }
        Ok(Image { what: path, entry_point: Vec::new() })
    }

    fn options(&self, host: &dyn Host, settings: &Settings, request: &Request, warnings: &mut Vec<String>) -> Vec<String> {
        options::from_configuration(host, settings, request.opengl, request.gui, request.cwd.is_some(), warnings)
    }

    fn hides_tmp(&self, options: &[String]) -> bool {
        options::hide_tmp(options)
    }

    fn site(&self, host: &dyn Host, engine: &Chosen) -> Site {
        Site::read(host, engine)
    }

    fn can_mount(&self, engine: &Chosen, path: &str) -> Result<(), &'static str> {
        if is_special(path) && !engine.has_mount_option() {
            return Err("the engine, or its version, cannot mount a path with a comma, colon or quote in its name");
        }
        Ok(())
    }

    /// `--bind` is what casa_distro uses; it takes apart its value at commas, colons and carets and cuts white space off, and quoting
    /// there differs between versions. `--mount` takes a line of CSV, which carries anything.
    fn mount(&self, source: &Path, container: &Path) -> Vec<OsString> {
        let special = |path: &Path| path.to_str().is_none_or(is_special);
        if special(source) || special(container) {
            let field = |name: &str, path: &Path| format!("\"{name}={}\"", path.to_string_lossy().replace('"', "\"\""));
            return vec![
                "--mount".into(),
                format!("type=bind,{},{}", field("source", source), field("destination", container)).into(),
            ];
        }
        let mut value = OsString::from(source);
        value.push(":");
        value.push(container);
        vec!["--bind".into(), value]
    }

    fn words(&self, wanted: &Wanted<'_>, env: &mut BTreeMap<String, OsString>, told: &mut Told) -> Result<Words, LaunchError> {
        let Wanted { host, facts, engine, site, request, options, .. } = *wanted;
        let brings_nv = request.opengl == OpenGl::Nv && !cdi::decides(facts, engine, options, told);
        let mut brought = if brings_nv { nvidia::bring(wanted, env, &mut told.warnings) } else { Vec::new() };
        brought.extend(devices::bring(host, facts, request, options::hide_devices(options) || !site.devices, env));
        if !site.binds {
            brought.clear();
        }
        let process_env = variables::of_process(host, engine, options, env, &mut told.warnings);
        let mut head: Vec<OsString> = vec!["run".into(), "--cleanenv".into()];
        if let Some(cwd) = &request.cwd {
            head.extend(["--pwd".into(), cwd.clone().into()]);
        }
        head.extend(overlay(host, &wanted.settings.directory, &mut told.warnings));
        let mut tail = if site.binds { home_arguments(wanted.home, wanted.home_in_container)? } else { Vec::new() };
        for bind in brought {
            tail.extend(bind.source.map(|source| self.mount(&source, &bind.container)).unwrap_or_default());
        }
        tail.extend(options.iter().map(OsString::from));
        if brings_nv {
            tail.push("--nv".into());
        }
        Ok(Words { head, tail, process_env, beginning: Beginning::default() })
    }

    fn start(&self, places: Places<'_>) -> Vec<OsString> {
        vec!["/bin/sh".into(), places.seen(START).into()]
    }

    /// The engine hands arguments and variables over as JSON, which spoils bytes that are not UTF-8 (Apptainer 1.4.5): those go into
    /// the script, and so does what the engine was not given.
    #[cfg(unix)]
    fn scripts(&self, plan: &Plan) -> Vec<(&'static str, Vec<u8>)> {
        let is_odd = |name: &str, value: &OsString| value.to_str().is_none() || !variables::is_handed_over(&plan.process_env, name);
        let odd = plan.env.iter().filter(|(name, value)| is_odd(name, value));
        // Where nothing can be mounted, the cookie is found from the place of the script.
        let cookie: &[u8] = if plan.unbound.is_some() && plan.authority.is_some() { OWN_COOKIE } else { b"" };
        let prompt = if plan.command.is_empty() { OWN_PROMPT } else { b"" };
        vec![(
            START,
            [script::tell_start(), cookie.to_vec(), script::exports(odd), prompt.to_vec(), script::exec(&plan.words())].concat(),
        )]
    }

    /// The engine passes signals on to the first process of the container only, and only without a terminal; that process is usually
    /// the shell of an entry point, which dies of them and leaves the command behind. So the command is sent them directly.
    #[cfg(unix)]
    fn hand_over(&self, host: &dyn Host, _: &Plan, running: &Running<'_>, signals: &BTreeSet<i32>) -> HandedOver {
        super::process::signal_below(host, running, signals)
    }
}

fn is_special(path: &str) -> bool {
    path.contains([',', ':', '^', '\\', '"', '\'']) || path.trim() != path
}

/// The environment's overlay. casa_distro always asks for writing, which fails for whoever may not.
fn overlay(host: &dyn Host, directory: &Path, warnings: &mut Vec<String>) -> Vec<OsString> {
    let path = directory.join("overlay.img");
    if host.exists(&path) != Some(true) {
        return Vec::new();
    }
    if path.to_str().is_none_or(|text| text.contains([':', ',', '"', '\n'])) {
        warnings.push(format!("{} is left out: the engine cannot take its path", path.display()));
        return Vec::new();
    }
    let mut value = path.clone().into_os_string();
    if host.access(&path, Access::ReadWrite).is_err() {
        value.push(":ro");
    }
    vec!["--overlay".into(), value]
}

fn home_arguments(home: &Home, in_container: &Path) -> Result<Vec<OsString>, LaunchError> {
    let takes = |path: &Path| path.to_str().is_some_and(|text| !text.contains([':', '\n']));
    if !takes(&home.directory) || !takes(in_container) {
        return Err(LaunchError::HomePath(home.directory.clone()));
    }
    let mut value = home.directory.clone().into_os_string();
    value.push(":");
    value.push(in_container);
    Ok(vec!["--home".into(), value])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_into_an_argument_whole() {
        let text = |source: &str, place: &str| {
            let words = Apptainer.mount(Path::new(source), Path::new(place));
            words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(text("/a b", "/c"), ["--bind", "/a b:/c"]);
        assert_eq!(text("/a:b", "/c"), ["--mount", "type=bind,\"source=/a:b\",\"destination=/c\""]);
        assert_eq!(text("/a\"b,", "/c"), ["--mount", "type=bind,\"source=/a\"\"b,\",\"destination=/c\""]);
        assert_eq!(text("/a ", "/c")[0], "--mount", "--bind would cut the blank off");
        let read_only = |source: &str| Apptainer.mount_read_only(Path::new(source), Path::new("/c"));
        assert_eq!(read_only("/a"), ["--bind", "/a:/c:ro"]);
        assert_eq!(read_only("/a:b"), ["--mount", "type=bind,\"source=/a:b\",\"destination=/c\",ro"]);
    }
}
