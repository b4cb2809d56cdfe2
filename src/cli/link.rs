//! Being started under another name: `bin/anatomist`, a link to casa-doctor, starts `anatomist` in the environment around the link.
//!
//! It is what casa_distro's `bv` does, and for `bv` itself and `bv_maker` the same: `bv CMD` starts a command, and `bv_maker` needs
//! no display. Everything after the name belongs to the program, except behind the name `bv`, whose options are words with an equals
//! sign before the command.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::casa_distro;
use crate::host::{FileKind, Host};

/// How far above the real program `bv` looks for an environment.
const LEVELS: usize = 5;

/// How many links may lead to the program, as for the kernel.
const MAX_LINKS: usize = 40;

/// The program that compiles, and what it is started with: no driver of this machine must come into what it makes.
const MAKER: &str = "bv_maker";
const OF_MAKER: [&str; 3] = ["--no-gui", "--opengl", "container"];

/// What a name and its arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The ordinary command line: casa-doctor under its own name, or under another one that has no environment around.
    CommandLine,
    /// A launch, as the words of an ordinary command line (the first one is the program's name).
    Launch(Vec<OsString>),
    /// Nothing that can be done; the reason.
    Nothing(String),
}

/// Finds out under which name the program was started, and what that means.
pub(super) fn asked(host: &dyn Host, argv: &[OsString]) -> Asked {
    let Some(invoked) = argv.first().map(Path::new) else { return Asked::CommandLine };
    let Some(name) = invoked.file_name() else { return Asked::CommandLine };
    let is_own_name = |name: &OsStr| {
        let name = name.to_string_lossy().to_lowercase().replace('_', "-");
        name.starts_with("casa-doctor")
    };
    // A probe is started by casa-doctor itself, whatever it is called.
    if is_own_name(name) || argv.get(1).is_some_and(|first| first == "__probe") {
        return Asked::CommandLine;
    }
    // A copy under another name is still casa-doctor; a link was made to start a program.
    let Some(link) = place(host, invoked, name).filter(|place| is_link(host, place)) else { return Asked::CommandLine };
    let Some(environment) = environment_of(host, &link) else {
        return Asked::Nothing(format!(
            "it was started as \"{}\", a link that starts this program in an environment, but no environment is around {}, and CASA_ENVIRONMENT_DIR names none",
            name.to_string_lossy(),
            link.display()
        ));
    };
    match launch_words(name, &environment, &argv[1..]) {
        Ok(words) => Asked::Launch(words),
        Err(reason) => Asked::Nothing(reason),
    }
}

/// Where the program that was started stands. A shell gives a bare name for what it found on PATH.
fn place(host: &dyn Host, invoked: &Path, name: &OsStr) -> Option<PathBuf> {
    if invoked.components().count() > 1 {
        return Some(if invoked.is_absolute() { invoked.to_owned() } else { host.current_dir().ok()?.join(invoked) });
    }
    host.which(name)
}

/// Whether a program was put there to start another one by its name: a symbolic link anywhere, a hard link in the programs of an
/// environment. Elsewhere a file with several names is nothing special.
fn is_link(host: &dyn Host, place: &Path) -> bool {
    let Ok(metadata) = host.symlink_metadata(place) else { return false };
    match metadata.kind {
        FileKind::Symlink => true,
        FileKind::File if metadata.links > 1 => {
            programs_of(place).is_some_and(|directory| casa_distro::is_environment(host, directory))
        }
        _ => false,
    }
}

/// The directory whose `bin` holds a program.
fn programs_of(place: &Path) -> Option<&Path> {
    place.parent().filter(|bin| bin.ends_with("bin"))?.parent()
}

/// The environment around a link: the parent of the directory that holds it as it was called; the same, and up to four levels
/// above, of every link on the way to the real program and of that program; else the one that `CASA_ENVIRONMENT_DIR` names.
///
/// `bv` is a file in its environment, so that a link to it leads there. Here a link stands in its place, and counts as `bv` does.
fn environment_of(host: &dyn Host, place: &Path) -> Option<PathBuf> {
    let as_called = place.parent().and_then(Path::parent).map(Path::to_owned);
    let way = way_to_program(host, place);
    let above = way.iter().flat_map(|stop| stop.ancestors().skip(2).take(LEVELS)).map(Path::to_owned);
    let named = host.env("CASA_ENVIRONMENT_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    as_called.into_iter().chain(above).chain(named).find(|directory| casa_distro::is_environment(host, directory))
}

/// The link, those that it leads to, and the program at their end, each in its real directory.
fn way_to_program(host: &dyn Host, place: &Path) -> Vec<PathBuf> {
    let mut way = Vec::new();
    let mut next = Some(place.to_owned());
    while let Some(stop) = next.filter(|_| way.len() <= MAX_LINKS) {
        let real = stop.parent().and_then(|directory| host.canonicalize(directory).ok()).zip(stop.file_name());
        let Some(stop) = real.map(|(directory, name)| directory.join(name)) else { break };
        next = host.read_link(&stop).ok().and_then(|target| Some(stop.parent()?.join(target)));
        way.push(stop);
    }
    way
}

/// The ordinary command line that does it.
fn launch_words(name: &OsStr, environment: &Path, rest: &[OsString]) -> Result<Vec<OsString>, String> {
    let mut words: Vec<OsString> = vec!["casa-doctor".into(), "run".into()];
    let mut command = Vec::new();
    if name == "bv" {
        let is_switch = |word: &OsString, names: [&str; 2]| names.iter().any(|name| word == name);
        let before = rest.iter().take_while(|word| is_switch(word, ["-v", "--verbose"])).count();
        let (verbose, rest) = rest.split_at(before);
        if rest.first().is_some_and(|word| is_switch(word, ["-h", "--help"])) {
            words.push("--help".into());
            return Ok(words);
        }
        words.extend(verbose.first().map(|_| OsString::from("--verbose")));
        let own = rest.iter().take_while(|word| word.to_str().is_some_and(|word| word.contains('=') && !word.starts_with('-')));
        let own: Vec<_> = own.filter_map(|word| word.to_str()).collect();
        for option in &own {
            words.extend(of_bv(option)?);
        }
        command.extend(rest[own.len()..].iter().skip_while(|word| *word == "--").cloned());
        if own.is_empty() && command.first().is_some_and(|command| command == MAKER) {
            words.extend(OF_MAKER.map(OsString::from));
        }
        if command.is_empty() {
            // What casa_distro opens when it is not told what to start.
            command.extend(["casa_container".into(), "config_gui".into()]);
        }
    } else {
        if name == MAKER {
            words.extend(OF_MAKER.map(OsString::from));
        }
        command.push(name.to_owned());
        command.extend(rest.iter().cloned());
    }
    words.push(environment.into());
    words.push("--".into());
    words.extend(command);
    Ok(words)
}

/// An option of `bv`, as ours.
fn of_bv(option: &str) -> Result<Vec<OsString>, String> {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    let truth = || match value.to_lowercase().as_str() {
        "yes" | "y" | "true" | "1" => Ok(true),
        "no" | "n" | "false" | "0" => Ok(false),
        _ => Err(format!("{option}: expected yes or no")),
    };
    let words = |words: &[&str]| Ok(words.iter().map(OsString::from).collect());
    match key {
        "opengl" if value == "auto" => words(&[]),
        "opengl" => words(&["--opengl", value]),
        "gui" => words(if truth()? { &[] } else { &["--no-gui"] }),
        "root" => words(if truth()? { &["--root"] } else { &[] }),
        "cwd" => words(&["--cwd", value]),
        "image" => words(&["--image", value]),
        "env" => Ok(list(value).iter().flat_map(|variable| ["--env".into(), variable.into()]).collect()),
        "container_options" => {
            let options = list(value);
            // A blank between an option and its value is what the engine would not take.
            let split = options.iter().flat_map(|option| {
                let whole = option.contains('=').then_some(option.as_str());
                whole.into_iter().chain(option.split_whitespace().filter(move |_| whole.is_none()))
            });
            Ok(split.map(|option| format!("--engine-option={option}").into()).collect())
        }
        "verbose" => words(if truth()? { &["--verbose"] } else { &[] }),
        _ => Err(format!(
            "{option}: no option of bv that casa-doctor knows; it knows opengl, gui, root, cwd, image, env, container_options and verbose, and \"casa-doctor run --help\" tells its own"
        )),
    }
}

/// A list as casa_distro writes it on a command line: with commas between, in which quotes and backslashes hide a comma.
fn list(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let (mut quote, mut characters) = (None, text.chars());
    while let Some(character) = characters.next() {
        let item = items.last_mut();
        match character {
            '\\' => item.into_iter().for_each(|item| item.extend(characters.next())),
            _ if quote == Some(character) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(character),
            ',' if quote.is_none() => items.push(String::new()),
            _ => item.into_iter().for_each(|item| item.push(character)),
        }
    }
    items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn host() -> RecordedHost {
        RecordedHost::new()
            .file("/opt/casa-doctor/bin/casa-doctor", "")
            .file("/data/brainvisa/conf/casa_distro.json", "{}")
            .symlink("/data/brainvisa/bin/anatomist", "/opt/casa-doctor/bin/casa-doctor")
            .symlink("/data/brainvisa/bin/bv", "/opt/casa-doctor/bin/casa-doctor")
            .symlink("/data/brainvisa/bin/bv_maker", "/opt/casa-doctor/bin/casa-doctor")
            .symlink("/usr/local/bin/anatomist", "/opt/casa-doctor/bin/casa-doctor")
            .file("/home/anna/doctor", "")
    }

    fn asked(host: &RecordedHost, argv: &[&str]) -> Asked {
        super::asked(host, &argv.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn launch(words: &[&str]) -> Asked {
        Asked::Launch(["casa-doctor", "run"].iter().chain(words).map(OsString::from).collect())
    }

    #[test]
    fn under_its_own_name_it_is_itself() {
        for name in ["casa-doctor", "/opt/casa-doctor/bin/casa-doctor", "./casa_doctor-0.1", "casa-doctor.exe"] {
            assert_eq!(asked(&host(), &[name, "list"]), Asked::CommandLine, "{name}");
        }
        assert_eq!(asked(&host(), &["/data/brainvisa/bin/anatomist", "__probe", "glx"]), Asked::CommandLine);
    }

    #[test]
    fn a_link_starts_its_name_in_the_environment_around_it() {
        let expected = launch(&["/data/brainvisa", "--", "anatomist", "opengl=software", "--help"]);
        assert_eq!(asked(&host(), &["/data/brainvisa/bin/anatomist", "opengl=software", "--help"]), expected);
        let maker = launch(&["--no-gui", "--opengl", "container", "/data/brainvisa", "--", "bv_maker", "status"]);
        assert_eq!(asked(&host(), &["/data/brainvisa/bin/bv_maker", "status"]), maker);
    }

    #[test]
    fn bv_takes_its_own_options_before_the_command() {
        let words = ["/data/brainvisa/bin/bv", "opengl=software", "env=A=b=c", "anatomist", "gui=no"];
        let expected = launch(&["--opengl", "software", "--env", "A=b=c", "/data/brainvisa", "--", "anatomist", "gui=no"]);
        assert_eq!(asked(&host(), &words), expected);
        let window = launch(&["/data/brainvisa", "--", "casa_container", "config_gui"]);
        assert_eq!(asked(&host(), &["/data/brainvisa/bin/bv"]), window);
        let words = ["/data/brainvisa/bin/bv", "env=A=1,B=b=c,C='x, y'\\,z", "container_options=--bind=/a b:/c,-c --no-eval", "ls"];
        let listed = [
            ["--env", "A=1", "--env", "B=b=c", "--env", "C=x, y,z"].as_slice(),
            &["--engine-option=--bind=/a b:/c", "--engine-option=-c", "--engine-option=--no-eval", "/data/brainvisa", "--", "ls"],
        ];
        assert_eq!(asked(&host(), &words), launch(&listed.concat()));
        for wrong in ["color=red", "gui=perhaps"] {
            assert!(
                matches!(asked(&host(), &["/data/brainvisa/bin/bv", wrong, "x"]), Asked::Nothing(reason) if reason.contains(wrong))
            );
        }
    }

    #[test]
    fn bv_has_two_switches_and_one_command_of_its_own() {
        let bv = |words: &[&str]| asked(&host(), &[&["/data/brainvisa/bin/bv"], words].concat());
        assert_eq!(bv(&["-v", "anatomist", "-v"]), launch(&["--verbose", "/data/brainvisa", "--", "anatomist", "-v"]));
        assert_eq!(bv(&["--verbose", "-h"]), launch(&["--help"]));
        let maker = launch(&["--no-gui", "--opengl", "container", "/data/brainvisa", "--", "bv_maker", "status"]);
        assert_eq!(bv(&["bv_maker", "status"]), maker);
        let asked_for = launch(&["--opengl", "nv", "/data/brainvisa", "--", "bv_maker"]);
        assert_eq!(bv(&["opengl=nv", "bv_maker"]), asked_for);
    }

    #[test]
    fn a_link_to_a_link_in_an_environment_starts_there_as_a_link_to_bv_would() {
        let host = host()
            .symlink("/home/anna/bin/anatomist", "/data/brainvisa/bin/anatomist")
            .symlink("/home/anna/tools/anatomist", "../bin/anatomist")
            .symlink("/home/anna/programs", "/data/brainvisa/bin")
            .symlink("/home/anna/loop/anatomist", "/home/anna/loop/anatomist");
        let expected = launch(&["/data/brainvisa", "--", "anatomist", "x"]);
        for called in ["/home/anna/bin/anatomist", "/home/anna/tools/anatomist", "/home/anna/programs/anatomist"] {
            assert_eq!(asked(&host, &[called, "x"]), expected, "{called}");
        }
        assert!(matches!(asked(&host, &["/home/anna/loop/anatomist"]), Asked::Nothing(_)));
    }

    #[test]
    fn elsewhere_the_variable_names_the_environment_and_without_it_a_link_is_told() {
        let with_variable = host().env("CASA_ENVIRONMENT_DIR", "/data/brainvisa");
        let expected = launch(&["/data/brainvisa", "--", "anatomist"]);
        assert_eq!(asked(&with_variable, &["/usr/local/bin/anatomist"]), expected);
        assert!(matches!(asked(&host(), &["/usr/local/bin/anatomist"]), Asked::Nothing(reason) if reason.contains("anatomist")));
    }

    #[test]
    fn a_renamed_copy_is_casa_doctor_whatever_is_around_it() {
        let host = host()
            .env("CASA_ENVIRONMENT_DIR", "/data/brainvisa")
            .file("/data/brainvisa/bin/doctor", "")
            .hard_link("/data/brainvisa/bin/morphologist")
            .hard_link("/data/brainvisa/tools/doctor")
            .hard_link("/opt/cdd");
        for copy in ["/home/anna/doctor", "/data/brainvisa/bin/doctor", "/data/brainvisa/tools/doctor", "/opt/cdd", "cdd"] {
            assert_eq!(asked(&host, &[copy, "--no-graphics"]), Asked::CommandLine, "{copy}");
        }
        let expected = launch(&["/data/brainvisa", "--", "morphologist"]);
        assert_eq!(asked(&host, &["/data/brainvisa/bin/morphologist"]), expected, "a hard link among the environment's programs");
    }
}
