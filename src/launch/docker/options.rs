//! The options of the configuration for `docker run` and `podman run`.

use super::super::Request;
use super::super::options as common;
use super::super::settings::Settings;
use crate::host::Host;

/// Options that the launch gives itself, with whether a value follows: a second one would take the container out of our hands.
const OURS: [(&str, bool); 11] = [
    ("--name", true),
    ("--cidfile", true),
    ("--detach", false),
    ("-d", false),
    ("--rm", false),
    ("--interactive", false),
    ("-i", false),
    ("--tty", false),
    ("-t", false),
    ("-it", false),
    ("-ti", false),
];

/// The options of the configuration, cleaned. Those of a configuration for Apptainer mean nothing here.
pub(super) fn from_configuration(
    host: &dyn Host,
    settings: &Settings,
    request: &Request,
    warnings: &mut Vec<String>,
) -> Vec<String> {
    let for_us = matches!(settings.container_type.as_deref(), Some("docker" | "podman"));
    if !for_us {
        let gui = if request.gui { settings.container_gui_options.as_slice() } else { &[] };
        let left_out: Vec<_> = settings.container_options.iter().chain(gui).map(String::as_str).collect();
        if !left_out.is_empty() {
            warnings.push(format!("the options of the configuration are for Apptainer and are left out: {}", left_out.join(" ")));
        }
        return Vec::new();
    }
    let options = common::from_configuration(host, settings, request.opengl, request.gui, request.cwd.is_some(), warnings);
    let mut kept = Vec::new();
    let mut rest = options.into_iter().peekable();
    while let Some(option) = rest.next() {
        let (name, has_value) = option.split_once('=').map_or((option.as_str(), false), |(name, _)| (name, true));
        if let Some((_, takes_value)) = OURS.iter().find(|(ours, _)| *ours == name) {
            if *takes_value && !has_value {
                rest.next();
            }
            if name != "--rm" && !name.starts_with("-i") && !name.starts_with("-t") && name != "--interactive" && name != "--tty" {
                warnings.push(format!("\"{name}\" in the options of the configuration is left out: casa-doctor gives its own"));
            }
        } else if request.cwd.is_some() && matches!(name, "--workdir" | "-w") {
            if !has_value {
                rest.next();
            }
        } else {
            kept.push(option);
        }
    }
    kept
}

/// The value of an option, in either way of writing it.
pub(super) fn value<'a>(options: &'a [String], names: &[&str]) -> Option<&'a str> {
    options.iter().enumerate().rev().find_map(|(index, option)| {
        names.iter().find_map(|name| match option.strip_prefix(name)? {
            "" => options.get(index + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        })
    })
}

/// Whether one of the options is there, with or without a value.
pub(super) fn has(options: &[String], names: &[&str]) -> bool {
    options.iter().any(|option| {
        names.iter().any(|name| option.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    })
}

/// The entry point that the options give.
pub(super) fn entry_point(options: &[String]) -> Option<&str> {
    value(options, &["--entrypoint"]).filter(|word| !word.is_empty())
}

/// The options without the entry point, which is ours.
pub(super) fn without_entry_point(options: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        if option == "--entrypoint" {
            rest.next();
        } else if !option.starts_with("--entrypoint=") {
            kept.push(option.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;
    use crate::recommend::OpenGl;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    fn cleaned(container_type: &str, options: &[&str]) -> (Vec<String>, Vec<String>) {
        let settings =
            Settings { container_type: Some(container_type.into()), container_options: texts(options), ..Settings::default() };
        let mut warnings = Vec::new();
        let request = Request::new(OpenGl::Container, Vec::new());
        (from_configuration(&RecordedHost::new(), &settings, &request, &mut warnings), warnings)
    }

    #[test]
    fn what_would_take_the_container_out_of_our_hands_is_left_out() {
        let (kept, warnings) =
            cleaned("docker", &["-it", "--rm", "--name", "mine", "-d", "--cidfile=/x", "--privileged", "-v", "/a:/b"]);
        assert_eq!(kept, ["--privileged", "-v", "/a:/b"]);
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }

    #[test]
    fn options_for_apptainer_are_left_out_and_told() {
        let (kept, warnings) = cleaned("singularity", &["--contain", "--writable-tmpfs"]);
        assert!(kept.is_empty() && warnings.len() == 1 && warnings[0].contains("--contain --writable-tmpfs"), "{warnings:?}");
        assert!(cleaned("singularity", &[]).1.is_empty());
    }

    #[test]
    fn values_are_read_in_either_way() {
        let options = texts(&["--net=host", "--ipc", "private", "--entrypoint", "/x", "--network", "none"]);
        assert_eq!(value(&options, &["--network", "--net"]), Some("none"), "the last one counts");
        assert_eq!((value(&options, &["--ipc"]), entry_point(&options)), (Some("private"), Some("/x")));
        assert!(has(&options, &["--net"]) && !has(&options, &["--user", "-u"]));
        assert_eq!(without_entry_point(&options), ["--net=host", "--ipc", "private", "--network", "none"]);
    }
}
