//! The start-up files of the shell: who reads whom, and where keychain is called.

use std::io;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{AskedKey, KeychainCall, StartupFile};

use super::shell::{Simple, Word, commands};
use crate::host::{FileKind, Host};

/// The files, bash's for a login shell in the order in which it looks for them.
const NAMES: [&str; 7] = [".bash_profile", ".bash_login", ".profile", ".bashrc", ".zshenv", ".zprofile", ".zshrc"];
/// Start-up files are short; one of this size is not read.
const MAX_SIZE: u64 = 256 * 1024;

/// Options of keychain 2.8 and 2.9 whose next word is their value.
const WITH_VALUE: [&str; 9] =
    ["--agents", "--attempts", "--dir", "--env", "--host", "--inherit", "--lockwait", "--timeout", "--ssh-agent-socket"];
/// Calls with these start no agent and add no key.
const OTHER_ACTIONS: [&str; 13] =
    ["--stop", "-k", "--list", "-l", "--list-fp", "-L", "--query", "--help", "-h", "--version", "-V", "--wipe", "--ssh-rm"];

/// The start-up files that exist.
pub(super) fn files(host: &dyn Host, home: &Path) -> Vec<StartupFile> {
    NAMES.iter().filter_map(|name| file(host, home, name)).collect()
}

/// The file that a login shell reads: bash(1), "INVOCATION"; zsh(1), "STARTUP/SHUTDOWN FILES".
pub(super) fn login_file(host: &dyn Host, home: &Path, shell: &str) -> Option<String> {
    let candidates: &[&str] = match shell {
        "bash" => &NAMES[..3],
        "sh" | "dash" | "ksh" | "mksh" => &[".profile"],
        "zsh" => &[".zprofile"],
        _ => &[],
    };
    candidates.iter().find(|name| host.exists(&home.join(name)) == Some(true)).map(|name| (*name).to_owned())
}

fn file(host: &dyn Host, home: &Path, name: &str) -> Option<StartupFile> {
    let found = StartupFile { name: name.to_owned(), ..StartupFile::default() };
    match host.read_text(&home.join(name), MAX_SIZE) {
        Ok(text) => Some(examine(host, home, found, &text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(StartupFile { error: Some(error.to_string()), ..found }),
    }
}

fn examine(host: &dyn Host, home: &Path, mut file: StartupFile, text: &str) -> StartupFile {
    let mut guarded = false;
    // A line that only sets a variable is no command to the scanner, and does something all the same.
    file.has_commands = text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'));
    for command in commands(text) {
        guarded |= asks_for_a_terminal(&command);
        for word in &command.words {
            let base = word.text.rsplit('/').next().unwrap_or_default();
            // A file that is only asked for with `test -f` counts as read: to say that it is not read needs more certainty.
            if NAMES.contains(&base) && base != file.name && !file.reads.iter().any(|read| read == base) {
                file.reads.push(base.to_owned());
            }
        }
        let program = command.words[0].text.as_str();
        if matches!(program, "." | "source") && command.words.iter().any(|word| word.text.contains(".keychain/")) {
            file.keychain_file_lines.push(command.line);
        }
        if program.rsplit('/').next() == Some("keychain") {
            file.keychain.extend(call(host, home, &command, guarded));
        }
    }
    file
}

/// Whether a command asks for what only an interactive shell has.
fn asks_for_a_terminal(command: &Simple) -> bool {
    let program = command.words[0].text.as_str();
    let tests = matches!(program, "[" | "[[" | "test");
    let by_variable = |word: &Word| {
        word.expands
            && ["$-", "$PS1", "${PS1", "SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"].iter().any(|name| word.text.contains(name))
    };
    program == "tty"
        || command.words.iter().any(by_variable)
        || (tests && command.words.iter().any(|word| word.text == "-t"))
        || command.words.iter().any(|word| word.text.contains("interactive") || word.text == "login_shell")
}

/// A call that starts an agent; `None` for the other uses of keychain.
fn call(host: &dyn Host, home: &Path, command: &Simple, guarded: bool) -> Option<KeychainCall> {
    let mut call = KeychainCall { line: command.line, quiet: command.stderr_elsewhere, guarded, ..KeychainCall::default() };
    let mut names = Vec::new();
    let (mut only_ssh, mut optional, mut only_names) = (false, false, false);
    let mut words = command.words.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if only_names || !text.starts_with('-') {
            names.push(word);
            continue;
        }
        match text {
            "--" => only_names = true,
            "-q" | "--quiet" => call.quiet = true,
            "--dir" | "--host" => call.elsewhere = true,
            // The word after it is a host of ~/.ssh/config, whose key keychain looks up by itself.
            "--confhost" | "-c" | "--confallhosts" | "--ignore-missing" | "--extended" => optional = true,
            _ if OTHER_ACTIONS.contains(&text) => return None,
            _ => {}
        }
        if WITH_VALUE.contains(&text) {
            let value = words.next();
            only_ssh |= text == "--agents" && value.is_some_and(|value| value.text == "ssh");
        }
    }
    call.keys = names
        .into_iter()
        .map(|word| AskedKey {
            name: word.text.clone(),
            exists: exists(host, home, word, only_ssh).filter(|exists| *exists || !optional),
        })
        .collect();
    Some(call)
}

/// Whether the file that a word of keychain's command line names is there: as a path, or in ~/.ssh or ~/.ssh2. Another name
/// may be that of a GPG key.
fn exists(host: &dyn Host, home: &Path, word: &Word, only_ssh: bool) -> Option<bool> {
    let name = word.text.as_str();
    let below_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|start| name.strip_prefix(start));
    if below_home.unwrap_or(name).contains(['$', '*', '?', '[', '`']) && word.expands || name.is_empty() {
        return None;
    }
    let candidates: Vec<PathBuf> = match below_home {
        Some(rest) => vec![home.join(rest)],
        // A login shell starts in the home directory. An absolute name replaces what it is joined to.
        None => ["", ".ssh", ".ssh2"].iter().map(|directory| home.join(directory).join(name)).collect(),
    };
    let is_file = |path: &PathBuf| host.metadata(path).map(|metadata| metadata.kind == FileKind::File);
    let found: Vec<_> = candidates.iter().map(is_file).collect();
    if found.iter().any(|found| matches!(found, Ok(true))) {
        return Some(true);
    }
    let missing = |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let certain = found.iter().all(|found| found.as_ref().map_or_else(missing, |_| true));
    let is_ssh = only_ssh || name.starts_with("id_") || name.contains("/.ssh/");
    (certain && is_ssh).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn profile(text: &str) -> StartupFile {
        let host = RecordedHost::new().file("/home/anna/.bash_profile", text).file("/home/anna/.ssh/id_ed25519", "");
        files(&host, Path::new("/home/anna")).remove(0)
    }

    fn only_call(text: &str) -> KeychainCall {
        let mut calls = profile(text).keychain;
        assert_eq!(calls.len(), 1, "{text}");
        calls.remove(0)
    }

    #[test]
    fn the_line_of_the_documentation_of_casa_distro() {
        let call = only_call("\neval $(keychain --eval --agents ssh id_rsa)\n");
        let keys = vec![AskedKey { name: "id_rsa".into(), exists: Some(false) }];
        assert_eq!(call, KeychainCall { line: 2, keys, ..KeychainCall::default() });
    }

    #[test]
    fn keys_are_looked_for_where_keychain_does() {
        for (asked, exists) in [
            ("id_ed25519", Some(true)),
            ("~/.ssh/id_ed25519", Some(true)),
            ("$HOME/.ssh/id_ed25519", Some(true)),
            ("\"${HOME}/.ssh/id_rsa\"", Some(false)),
            ("/home/anna/.ssh/id_ed25519", Some(true)),
            ("id_rsa", Some(false)),
            ("0x12345678", None),
            ("anna@example.org", None),
            ("$KEY", None),
            ("~/.ssh/id_*", None),
            ("--ignore-missing id_rsa", None),
            ("--agents ssh cluster", Some(false)),
        ] {
            let call = only_call(&format!("eval $(keychain --eval {asked})"));
            assert_eq!(call.keys.last().unwrap().exists, exists, "{asked}");
        }
        let call = only_call("keychain --timeout 60 --agents gpg,ssh --quiet id_ed25519");
        assert_eq!((call.keys.len(), call.quiet), (1, true));
    }

    #[test]
    fn quiet_guarded_and_elsewhere() {
        assert!(only_call("eval \"$(keychain --eval -q id_ed25519)\"").quiet);
        assert!(only_call("eval \"$(keychain --eval id_ed25519 2>/dev/null)\"").quiet);
        assert!(!only_call("eval \"$(keychain --eval id_ed25519)\" 2>/dev/null").quiet);
        assert!(only_call("keychain --host work id_ed25519").elsewhere);
        for guard in
            ["[ -z \"$PS1\" ] && return", "case $- in *i*) ;; *) return;; esac", "if [ -t 0 ]; then", "[[ -o interactive ]]"]
        {
            assert!(only_call(&format!("{guard}\nkeychain id_ed25519")).guarded, "{guard}");
        }
        assert!(!only_call("PS1='> '\nkeychain id_ed25519\n[ -t 0 ]").guarded);
        assert!(profile("keychain -k mine\nkeychain --list").keychain.is_empty());
    }

    #[test]
    fn files_that_read_each_other() {
        let file = profile("[ -f ~/.bashrc ] && . ~/.bashrc\n. \"$HOME/.keychain/$HOSTNAME-sh\"\n");
        assert_eq!((file.reads, file.keychain_file_lines, file.has_commands), (vec![".bashrc".to_owned()], vec![2], true));
        assert!(!profile("# . ~/.profile\n").has_commands);
        assert!(profile("PATH=/x:$PATH\n").has_commands);
    }

    #[test]
    fn the_file_that_a_login_shell_reads() {
        let host = RecordedHost::new().file("/home/anna/.bash_profile", "").file("/home/anna/.profile", "");
        let home = Path::new("/home/anna");
        assert_eq!(login_file(&host, home, "bash").as_deref(), Some(".bash_profile"));
        assert_eq!(login_file(&host, home, "dash").as_deref(), Some(".profile"));
        assert_eq!(login_file(&host, home, "zsh"), None);
        assert_eq!(login_file(&host, home, "fish"), None);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let host = RecordedHost::new().file_mode("/home/anna/.profile", "", 0o000).directory("/home/anna/.bashrc");
        let files = files(&host, Path::new("/home/anna"));
        assert!(files.len() == 2 && files.iter().all(|file| file.error.is_some()), "{files:?}");
    }
}
