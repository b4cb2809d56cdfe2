//! Finding the engines' programs and asking each for its version.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::EngineKind;

use crate::host::{Command, Host};

/// The engines, in the order in which casa_distro prefers them.
pub(super) const KINDS: [EngineKind; 4] = [EngineKind::Apptainer, EngineKind::Singularity, EngineKind::Docker, EngineKind::Podman];

/// Where installations that are not on everybody's PATH go: sources, modules, Homebrew, Docker Desktop.
const OTHER_PLACES: &[&str] = &[
    "/usr/local/bin",
    "/usr/bin",
    "/opt/apptainer/bin",
    "/usr/local/apptainer/bin",
    "/opt/singularity/bin",
    "/usr/local/singularity/bin",
    "/opt/homebrew/bin",
    "/Applications/Docker.app/Contents/Resources/bin",
];

/// Engines that were found by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LookUp {
    /// Program of each, at most one per kind, every file once.
    pub(super) programs: Vec<(EngineKind, PathBuf)>,
    /// Names that are not on PATH.
    pub(super) missing: Vec<String>,
}

/// Looks on PATH, then in the other places.
pub(super) fn look_up(host: &dyn Host) -> LookUp {
    let mut found = LookUp::default();
    let mut real_files = Vec::new();
    for kind in KINDS {
        let name = kind.program();
        let on_path = host.which(OsStr::new(name));
        if on_path.is_none() {
            found.missing.push(name.to_owned());
        }
        let elsewhere =
            || OTHER_PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| host.exists(path) == Some(true));
        let Some(program) = on_path.or_else(elsewhere) else { continue };
        // Apptainer installs itself under the name of its ancestor, too.
        let real = host.canonicalize(&program).unwrap_or_else(|_| program.clone());
        if !real_files.contains(&real) {
            real_files.push(real);
            found.programs.push((kind, program));
        }
    }
    found
}

/// What an engine said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// First line, as printed.
    pub(super) text: String,
    /// Which engine it says it is: a `singularity` may be Apptainer, a `docker` may be Podman.
    pub(super) kind: EngineKind,
    /// The numbers.
    pub(super) numbers: String,
}

/// Runs `PROGRAM --version`. The error says why there is none.
pub(super) fn version(host: &dyn Host, kind: EngineKind, program: &Path, limit: Duration) -> Result<Version, String> {
    let command = Command::new(program, limit).arg("--version").env("LC_ALL", "C");
    let output = host.run(&command);
    if !output.success() {
        let said = without_colours(&output.stderr_text());
        let said = said.lines().map(str::trim).find(|line| !line.is_empty()).map(|line| format!(": {line}"));
        return Err(format!("\"{} --version\" {}{}", program.display(), output.end_in_words(), said.unwrap_or_default()));
    }
    let text = output.stdout_text();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    parse(kind, line)
        .ok_or_else(|| format!("\"{} --version\" printed {line:?}, which is no version of {}", program.display(), kind.program()))
}

/// The text without the escape sequences that Apptainer writes even into a pipe: ESC, `[`, parameters, a letter (ECMA-48).
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.strip_prefix('[').unwrap_or(part);
        let end = rest.find(|c: char| ('@'..='~').contains(&c)).map_or(rest.len(), |end| end + 1);
        plain.push_str(rest.get(end..).unwrap_or_default());
    }
    plain
}

/// Reads `apptainer version 1.4.5`, `singularity-ce version 4.1.0`, `SingularityPRO version 3.11-7.el8`, `singularity version
/// 3.8.7-1.el8`, the bare `2.5.2-dist` of Singularity 2, `Docker version 26.1.3, build b72abbb`, `podman version 4.3.1`.
fn parse(kind: EngineKind, line: &str) -> Option<Version> {
    let names = [
        ("apptainer version ", EngineKind::Apptainer),
        ("singularity-ce version ", EngineKind::Singularity),
        ("singularitypro version ", EngineKind::Singularity),
        ("singularity version ", EngineKind::Singularity),
        ("docker version ", EngineKind::Docker),
        ("podman version ", EngineKind::Podman),
    ];
    let lower = line.to_ascii_lowercase();
    let (kind, rest) = names
        .iter()
        .find_map(|(name, kind)| lower.strip_prefix(name).map(|rest| (*kind, rest)))
        .or((kind == EngineKind::Singularity).then_some((kind, lower.as_str())))?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let numbers = rest[..end].trim_end_matches('.');
    (numbers.contains('.') && numbers.starts_with(|c: char| c.is_ascii_digit())).then(|| Version {
        text: line.to_owned(),
        kind,
        numbers: numbers.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn version_lines_of_real_engines() {
        use EngineKind::{Apptainer, Docker, Podman, Singularity};
        for (asked, line, kind, numbers) in [
            (Apptainer, "apptainer version 1.4.5", Apptainer, "1.4.5"),
            (Singularity, "apptainer version 1.1.9-1.el8", Apptainer, "1.1.9"),
            (Singularity, "singularity-ce version 4.1.0", Singularity, "4.1.0"),
            (Singularity, "singularity version 3.8.7-1.el8", Singularity, "3.8.7"),
            (Singularity, "singularity version 3.7.1-5.1.ohpc.2.1", Singularity, "3.7.1"),
            (Singularity, "SingularityPRO version 3.11-7.el8", Singularity, "3.11"),
            (Singularity, "SingularityPRO version 4.1.7-1.el9", Singularity, "4.1.7"),
            (Singularity, "2.5.2-dist", Singularity, "2.5.2"),
            (Docker, "Docker version 28.2.2, build e6534b4", Docker, "28.2.2"),
            (Docker, "podman version 4.3.1", Podman, "4.3.1"),
        ] {
            let version = parse(asked, line).unwrap();
            assert_eq!((version.kind, version.numbers.as_str()), (kind, numbers), "{line}");
        }
    }

    #[test]
    fn other_programs_of_the_same_name_have_no_version() {
        // Debian has a game called singularity.
        for line in ["Endgame: Singularity", "", "version", "usage: singularity [-h]", "docker"] {
            assert_eq!(parse(EngineKind::Singularity, line), None, "{line}");
        }
        assert_eq!(parse(EngineKind::Docker, "26.1.3"), None);
    }

    #[test]
    fn a_described_link_counts_once() {
        let host = RecordedHost::new()
            .file("/usr/bin/apptainer", "")
            .symlink("/usr/bin/singularity", "apptainer")
            .command(&["apptainer", "--version"], 0, "apptainer version 1.4.5\n", "")
            .command(&["singularity", "--version"], 0, "apptainer version 1.4.5\n", "");
        let found = look_up(&host);
        assert_eq!(found.programs, [(EngineKind::Apptainer, PathBuf::from("/usr/bin/apptainer"))]);
        assert_eq!(found.missing, ["docker", "podman"]);
    }

    #[test]
    fn an_engine_off_the_path_is_found_and_still_missing_on_it() {
        let host = RecordedHost::new().file("/opt/apptainer/bin/apptainer", "");
        let found = look_up(&host);
        assert_eq!(found.programs, [(EngineKind::Apptainer, PathBuf::from("/opt/apptainer/bin/apptainer"))]);
        assert!(found.missing.contains(&"apptainer".to_owned()));
    }

    #[test]
    fn the_first_words_of_a_failure_are_kept() {
        let host = RecordedHost::new().command(
            &["apptainer", "--version"],
            127,
            "",
            "\n\u{1b}[31mFATAL:  \u{1b}[0m libseccomp.so.2 is missing\n",
        );
        let error = version(&host, EngineKind::Apptainer, Path::new("/usr/bin/apptainer"), Duration::from_secs(1)).unwrap_err();
        assert!(error.ends_with("status 127: FATAL:   libseccomp.so.2 is missing"), "{error}");
    }
}
