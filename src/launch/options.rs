//! The options of the configuration that are passed to the engine.

use super::settings::Settings;
use crate::casa_distro::expand_variables;
use crate::host::Host;
use crate::recommend::OpenGl;

/// Options that are not the engine's, or that the mode decides: stock casa_distro removes `--nv` without a word, and dies of the
/// others, which older versions knew.
const DROPPED: [(&str, &str); 3] = [
    ("--nv", "the OpenGL mode decides about it"),
    ("--softgl", "no engine knows it; ask for the OpenGL mode \"software\" instead"),
    ("--no-nv", "the OpenGL mode decides about it"),
];

/// The options of the configuration, cleaned: those of the environment, then with `gui` those for graphical programs.
pub(super) fn from_configuration(
    host: &dyn Host,
    settings: &Settings,
    mode: OpenGl,
    gui: bool,
    has_cwd: bool,
    warnings: &mut Vec<String>,
) -> Vec<String> {
    let mut options = Vec::new();
    clean(&settings.container_options, "container_options", mode, has_cwd, &mut options, warnings);
    if gui {
        let expanded: Vec<_> = settings.container_gui_options.iter().filter_map(|option| expand(host, option, warnings)).collect();
        clean(&expanded, "container_gui_options", mode, has_cwd, &mut options, warnings);
    }
    options
}

fn clean(from: &[String], key: &str, mode: OpenGl, has_cwd: bool, options: &mut Vec<String>, warnings: &mut Vec<String>) {
    let mut rest = from.iter();
    while let Some(option) = rest.next() {
        if let Some((_, reason)) = DROPPED.iter().find(|(dropped, _)| dropped == option) {
            if !(option == "--nv" && mode == OpenGl::Nv) {
                warnings.push(format!("\"{option}\" in \"{key}\" of the configuration is left out: {reason}"));
            }
        } else if option == "--nv=true" && mode != OpenGl::Nv {
            warnings
                .push(format!("\"{option}\" in \"{key}\" of the configuration is left out: the OpenGL mode is {}", mode.word()));
        } else if has_cwd && matches!(option.as_str(), "--pwd" | "--cwd") {
            rest.next();
        } else if !(has_cwd && (option.starts_with("--pwd=") || option.starts_with("--cwd="))) {
            options.push(option.clone());
        }
    }
}

/// Replaces `$NAME` and `${NAME}`, as casa_distro does in the options for graphical programs and there only.
fn expand(host: &dyn Host, option: &str, warnings: &mut Vec<String>) -> Option<String> {
    let expanded = expand_variables(host, option);
    if expanded.unset.is_empty() {
        return Some(expanded.text);
    }
    warnings.push(format!(
        "\"{option}\" in \"container_gui_options\" of the configuration is left out: {} is not set on this machine",
        expanded.unset.join(", ")
    ));
    None
}

/// Whether the options give the container a `/tmp` of its own, in which the X server's socket is not found.
pub(super) fn hide_tmp(options: &[String]) -> bool {
    has(options, &["--contain", "--containall", "--compat", "--no-tmp"], &['c', 'C'])
        || value_of(options, "--no-mount").any(|value| value.split(',').any(|part| matches!(part, "tmp" | "/tmp")))
}

/// Whether the options give the container few devices, without those of graphics cards.
pub(super) fn hide_devices(options: &[String]) -> bool {
    has(options, &["--contain", "--containall", "--compat"], &['c', 'C'])
        || value_of(options, "--no-mount").any(|value| value.split(',').any(|part| matches!(part, "dev" | "/dev")))
}

/// Whether the options forbid the engine to let a shell evaluate variables.
pub(super) fn forbid_evaluation(options: &[String]) -> bool {
    has(options, &["--no-eval", "--compat"], &[])
}

fn has(options: &[String], long: &[&str], short: &[char]) -> bool {
    options.iter().any(|option| {
        // Letters of options without a value may stand together: `-ce`.
        let cluster = option.strip_prefix('-').filter(|rest| !rest.is_empty() && rest.chars().all(|c| "cCeufwip".contains(c)));
        long.iter().any(|long| option == long || option.strip_prefix(long) == Some("=true"))
            || cluster.is_some_and(|letters| letters.contains(short))
    })
}

/// The values of an option that takes one, however it is written.
pub(super) fn value_of<'a>(options: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    options.iter().enumerate().filter_map(move |(index, option)| match option.strip_prefix(name) {
        Some("") => options.get(index + 1).map(String::as_str),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    fn cleaned(options: &[&str], gui_options: &[&str], mode: OpenGl, gui: bool, has_cwd: bool) -> (Vec<String>, Vec<String>) {
        let settings =
            Settings { container_options: texts(options), container_gui_options: texts(gui_options), ..Settings::default() };
        let mut warnings = Vec::new();
        let host = RecordedHost::new().env("X", "/x y");
        let options = from_configuration(&host, &settings, mode, gui, has_cwd, &mut warnings);
        (options, warnings)
    }

    #[test]
    fn options_of_the_mode_are_left_out_and_named() {
        let (options, warnings) = cleaned(&["--nv", "--softgl", "--no-nv", "--writable-tmpfs"], &[], OpenGl::Software, true, false);
        assert_eq!(options, ["--writable-tmpfs"]);
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        let (options, warnings) = cleaned(&["--nv", "--nv=true"], &[], OpenGl::Nv, true, false);
        assert_eq!((options, warnings.len()), (texts(&["--nv=true"]), 0));
        assert_eq!(cleaned(&["--nv=true"], &[], OpenGl::Container, true, false).0, texts(&[]));
    }

    #[test]
    fn a_working_directory_replaces_the_configured_one() {
        assert_eq!(cleaned(&["--pwd", "/a", "--pwd=/b", "-c"], &[], OpenGl::Container, true, true).0, ["-c"]);
        assert_eq!(cleaned(&["--pwd", "/a"], &[], OpenGl::Container, true, false).0, ["--pwd", "/a"]);
    }

    #[test]
    fn only_options_for_graphical_programs_are_expanded() {
        let (options, warnings) = cleaned(&["--x=$X"], &["--bind=${X}:/x", "a$NOPE$"], OpenGl::Container, true, false);
        assert_eq!(options, ["--x=$X", "--bind=/x y:/x"]);
        assert!(warnings.len() == 1 && warnings[0].contains("NOPE"), "{warnings:?}");
        assert_eq!(cleaned(&[], &["--foo"], OpenGl::Container, false, false).0, texts(&[]));
    }

    #[test]
    fn options_that_hide_tmp_are_known() {
        for hiding in
            [&["-c"][..], &["-eC"], &["--containall"], &["--contain=true"], &["--no-mount", "tmp"], &["--no-mount=home,tmp"]]
        {
            assert!(hide_tmp(&texts(hiding)), "{hiding:?}");
        }
        for showing in [&["-e"][..], &["--no-mount", "home"], &["-B/c:/C"], &["--cleanenv"]] {
            assert!(!hide_tmp(&texts(showing)), "{showing:?}");
        }
    }
}
