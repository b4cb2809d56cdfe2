//! `.profile` in the home directory of the container, which images source before every command. It is read and parsed, never run.

use std::io;
use std::path::Path;
use std::time::Duration;

use casa_doctor_checks::facts::{HomeProfile, ProfileSyntax};

use crate::host::{Command, CommandEnd, Host};

/// Start-up files are short; one of this size is not read.
const MAX_SIZE: u64 = 256 * 1024;
/// A shell parses a short file at once.
const LIMIT: Duration = Duration::from_secs(1);
/// The shells that are asked, the best first: `sh` of Debian's and Ubuntu's images is dash.
const SHELLS: [&str; 2] = ["dash", "sh"];

/// Looks at the file; `None` where there is none.
pub(super) fn look(host: &dyn Host, home: &Path) -> Option<HomeProfile> {
    let path = home.join(".profile");
    match host.read_text(&path, MAX_SIZE) {
        Ok(text) => {
            let (syntax, error) = syntax(host, &path).map_or_else(|error| (None, Some(error)), |syntax| (Some(syntax), None));
            Some(HomeProfile { ends_at: ends_at(&text), syntax, error })
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
        Err(error) => Some(HomeProfile { error: Some(error.to_string()), ..HomeProfile::default() }),
    }
}

/// What a shell says that only parses the file (`-n`: no command in it is run); or why no shell told.
fn syntax(host: &dyn Host, path: &Path) -> Result<ProfileSyntax, String> {
    let shell = SHELLS.iter().find(|shell| host.which(shell.as_ref()).is_some()).ok_or("this machine has no shell to ask")?;
    let command = Command { clear_env: true, ..Command::new(*shell, LIMIT) }.arg("-n").arg(path);
    let output = host.run(&command);
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.lines().next().unwrap_or_default();
    let shell = (*shell).to_owned();
    match output.end {
        CommandEnd::Exited(0) => Ok(ProfileSyntax { shell, line: None, message: None }),
        CommandEnd::Exited(_) => {
            let (line, message) = parse(told, path).ok_or_else(|| format!("{shell} says: {told}"))?;
            Ok(ProfileSyntax { shell, line: Some(line), message: Some(message) })
        }
        _ => Err(format!("{shell} could not parse it: it {}", output.end_in_words())),
    }
}

/// `/casa/home/.profile: 3: Syntax error: …` of dash, `…: line 3: syntax error …` of bash.
fn parse(told: &str, path: &Path) -> Option<(u32, String)> {
    let rest = told.strip_prefix(&*path.to_string_lossy())?.strip_prefix(": ")?;
    let (line, message) = rest.strip_prefix("line ").unwrap_or(rest).split_once(": ")?;
    let is_syntax = message.to_ascii_lowercase().starts_with("syntax error");
    is_syntax.then_some((line.parse().ok()?, message.to_owned()))
}

/// The line of an `exit`, or of an `exec` that hands over to another program, which every shell comes to that reads the file: it
/// depends on no condition. Where that is not certain there is none.
fn ends_at(text: &str) -> Option<u32> {
    let mut depth = 0;
    let mut continues = false;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A text over several lines looks like commands.
        let odd = |quote| line.matches(quote).count() % 2 == 1;
        if line.contains("<<") || odd('"') || odd('\'') || odd('`') {
            return None;
        }
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || c == ';').filter(|word| !word.is_empty()).collect();
        if depth == 0 && !continues && ends(&words) && !line.contains(['|', '&']) {
            return Some(number);
        }
        for word in &words {
            match *word {
                "if" | "case" | "for" | "while" | "until" | "select" | "{" | "(" => depth += 1,
                "fi" | "esac" | "done" | "}" | ")" => depth -= 1,
                word if word.starts_with("return") => return None,
                word if word.ends_with('{') || word.starts_with('(') => return None,
                _ => {}
            }
        }
        continues = ["\\", "&&", "||", "|"].iter().any(|end| line.ends_with(end));
    }
    None
}

/// Whether a command is the last one of its shell. `exec` with nothing but redirections is not.
fn ends(words: &[&str]) -> bool {
    match words {
        ["exit", ..] => true,
        ["exec", program, ..] => {
            program.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && !program.contains(['<', '>'])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    const PROFILE: &str = "/bv/home/.profile";

    fn seen(text: &str, status: i32, stderr: &str) -> HomeProfile {
        let host = RecordedHost::new().file(PROFILE, text).command(&["dash", "-n", PROFILE], status, "", stderr);
        look(&host, Path::new("/bv/home")).unwrap()
    }

    #[test]
    fn what_a_shell_says_of_it() {
        let healthy = seen("PATH=/x:$PATH\n", 0, "");
        assert_eq!(healthy.syntax, Some(ProfileSyntax { shell: "dash".into(), ..ProfileSyntax::default() }));
        let broken = seen("a=(1 2)\n", 2, "/bv/home/.profile: 1: Syntax error: \"(\" unexpected\n").syntax.unwrap();
        assert_eq!((broken.line, broken.message.as_deref()), (Some(1), Some("Syntax error: \"(\" unexpected")));
        let bash = parse("/bv/home/.profile: line 3: syntax error: unexpected end of file", Path::new(PROFILE)).unwrap();
        assert_eq!(bash, (3, "syntax error: unexpected end of file".to_owned()));
        let odd = seen("", 2, "dash: 0: cannot open /bv/home/.profile: Permission denied");
        assert!(odd.syntax.is_none() && odd.error.unwrap().contains("cannot open"));
    }

    #[test]
    fn none_unreadable_and_no_shell() {
        let home = Path::new("/bv/home");
        assert_eq!(look(&RecordedHost::new().directory(home), home), None);
        let closed = look(&RecordedHost::new().file_mode(PROFILE, "", 0o000), home).unwrap();
        assert!(closed.error.is_some() && closed.syntax.is_none());
        let alone = look(&RecordedHost::new().file(PROFILE, "exit 1"), home).unwrap();
        assert_eq!((alone.ends_at, alone.error.as_deref()), (Some(1), Some("this machine has no shell to ask")));
    }

    #[test]
    fn where_every_shell_ends() {
        for (text, expected) in [
            ("A=1\nexit 0\n", Some(2)),
            ("exec zsh -l\n", Some(1)),
            ("exec /bin/bash\n", Some(1)),
            ("if [ -t 0 ]; then\n  A=1\nfi\nexit\n", Some(4)),
            ("if [ -t 0 ]; then\n  exec zsh\nfi\n", None),
            ("[ -t 0 ] && exec zsh\n", None),
            ("[ -t 0 ] && \\\nexec zsh\n", None),
            ("case $- in *i*) ;; *) exit;; esac\n", None),
            ("stop() {\n exit 1\n}\n", None),
            ("exec 2>/dev/null\nexec 3<&0\n", None),
            ("cat <<END\nexit\nEND\n", None),
            ("A='x\nexit\n'\n", None),
            ("# exit\necho exit\n", None),
            ("exit_status=0\n", None),
            ("[ -z \"$PS1\" ] && return\nexit 1\n", None),
            ("exit 1 || true\n", None),
        ] {
            assert_eq!(ends_at(text), expected, "{text:?}");
        }
    }
}
