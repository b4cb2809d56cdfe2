//! Lines of a shell's start-up files that set DISPLAY.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::DisplayLine;

use crate::host::Host;

/// Files in the home directory that shells read when they start.
const OF_HOME: &[&str] = &[
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".zlogin",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".bashrc",
    ".bash_aliases",
    ".cshrc",
    ".tcshrc",
    ".config/fish/config.fish",
];

/// Files of the system that shells read when they start.
const OF_SYSTEM: &[&str] = &[
    "/etc/environment",
    "/etc/profile",
    "/etc/bashrc",
    "/etc/bash.bashrc",
    "/etc/zshenv",
    "/etc/zprofile",
    "/etc/zshrc",
    "/etc/zsh/zshenv",
    "/etc/zsh/zprofile",
    "/etc/zsh/zshrc",
];

/// No start-up file comes near this.
const LIMIT: u64 = 1 << 20;
/// How much of a line is kept, in characters.
const LONGEST: usize = 160;

/// Looks through the files that this user's shells read.
pub(super) fn look(host: &dyn Host) -> Vec<DisplayLine> {
    let home = host.identity().home.unwrap_or_default();
    let of_home = OF_HOME.iter().map(|name| home.join(name));
    of_home.chain(OF_SYSTEM.iter().map(PathBuf::from)).flat_map(|path| of_file(host, &path)).collect()
}

fn of_file(host: &dyn Host, path: &Path) -> Vec<DisplayLine> {
    let text = host.read_text(path, LIMIT).unwrap_or_default();
    let lines = text.lines().zip(1..).filter_map(|(line, number)| setting(line).map(|text| (text, number)));
    lines.map(|(text, line)| DisplayLine { path: path.to_owned(), line, text }).collect()
}

/// The assignment to DISPLAY in a line, alone: what stands beside it may be private.
fn setting(line: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let starts_a_word = |at: usize| line[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || ";&|({".contains(c));
    let assigned = line.match_indices("DISPLAY=").find(|(at, _)| starts_a_word(*at)).map(|(at, _)| at);
    let c_shell = || line.find("setenv DISPLAY ");
    let fish = || line.starts_with("set ").then(|| line.find(" DISPLAY ").map(|at| at + 1)).flatten();
    let start = assigned.or_else(c_shell).or_else(fish)?;
    let rest = &line[start..];
    // A command substitution may hold blanks and semicolons; without one the value ends there.
    let end = if rest.contains("$(") || rest.contains('`') { None } else { rest.find([';', '&', '|']) };
    let text = rest[..end.unwrap_or(rest.len())].trim_end();
    Some(text.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn assignments_are_found_as_each_shell_writes_them() {
        for (line, expected) in [
            ("export DISPLAY=:0", Some("DISPLAY=:0")),
            ("  DISPLAY=localhost:0.0 ; export DISPLAY", Some("DISPLAY=localhost:0.0")),
            (
                "export DISPLAY=$(awk '/nameserver / {print $2; exit}' /etc/resolv.conf):0",
                Some("DISPLAY=$(awk '/nameserver / {print $2; exit}' /etc/resolv.conf):0"),
            ),
            ("TOKEN=secret DISPLAY=:1 program", Some("DISPLAY=:1 program")),
            ("setenv DISPLAY :0", Some("setenv DISPLAY :0")),
            ("set -gx DISPLAY :0", Some("DISPLAY :0")),
            ("# export DISPLAY=:0", None),
            ("export WAYLAND_DISPLAY=wayland-0", None),
            ("echo $DISPLAY", None),
            ("if [ -z \"$DISPLAY\" ]; then", None),
        ] {
            assert_eq!(setting(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_finding_place_is_a_file_and_a_line() {
        let host =
            RecordedHost::new().file("/home/anna/.zprofile", "# MacPorts\nexport PATH=/opt/local/bin:$PATH\nexport DISPLAY=:0\n");
        let lines = look(&host);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].path.as_path(), lines[0].line), (Path::new("/home/anna/.zprofile"), 3));
    }
}
