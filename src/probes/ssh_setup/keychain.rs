//! The files in which keychain remembers its agents.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{AgentState, KeychainFile};

use super::shell::commands;
use crate::host::Host;
use crate::probes::ssh_agent;

/// Files of more machines than this are not looked at: a home directory shared by a whole cluster has many.
const MAX_FILES: usize = 8;
/// keychain writes two lines.
const MAX_SIZE: u64 = 16 * 1024;

/// The files for the shells of Bourne's family (`HOSTNAME-sh`), this machine's first. The agents are asked in the time given.
///
/// # Errors
///
/// When the directory is there and cannot be listed.
pub(super) fn files(host: &dyn Host, home: &Path, hostname: Option<&str>, limit: Duration) -> io::Result<Vec<KeychainFile>> {
    let directory = home.join(".keychain");
    let names = match host.read_dir(&directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        names => names?,
    };
    let mut files: Vec<_> = names
        .iter()
        .filter_map(|name| name.to_str()?.strip_suffix("-sh").map(str::to_owned))
        .map(|machine| KeychainFile {
            path: directory.join(format!("{machine}-sh")),
            current: hostname == Some(&machine),
            hostname: machine,
            ..KeychainFile::default()
        })
        .collect();
    files.sort_by_key(|file| !file.current);
    files.truncate(MAX_FILES);
    let share = limit / u32::try_from(files.len().max(1)).unwrap_or(1);
    for file in &mut files {
        match host.read_text(&file.path, MAX_SIZE) {
            Ok(text) => file.socket = socket(&text),
            Err(error) => file.error = Some(error.to_string()),
        }
        file.state = file.socket.as_deref().map_or(AgentState::Unset, |socket| ssh_agent::ask(host, socket, share));
    }
    Ok(files)
}

/// The value that a script gives to `SSH_AUTH_SOCK`, without its quotes; `None` when only the shell could tell it.
fn socket(text: &str) -> Option<PathBuf> {
    // Behind the name of a command the value is a word like any other.
    let value = text.split(['\n', ';']).find_map(|part| part.trim().strip_prefix("SSH_AUTH_SOCK="))?;
    let words = commands(&format!("x {value}")).into_iter().next()?.words;
    words.get(1).filter(|word| !word.expands && !word.text.is_empty()).map(|word| PathBuf::from(&word.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Address, Peer, RecordedHost};

    #[test]
    fn this_machine_comes_first_and_every_agent_is_asked() {
        let live = Peer::Answers(b"\0\0\0\x05\x0c\0\0\0\0".to_vec());
        let host = RecordedHost::new()
            .file(
                "/home/anna/.keychain/atlas-sh",
                "SSH_AUTH_SOCK=/tmp/a; export SSH_AUTH_SOCK;\nSSH_AGENT_PID=5; export SSH_AGENT_PID;\n",
            )
            .file("/home/anna/.keychain/old-sh", "SSH_AUTH_SOCK='/tmp/b c'; export SSH_AUTH_SOCK;\n")
            .file("/home/anna/.keychain/a-broken-sh", "")
            .file("/home/anna/.keychain/atlas-csh", "setenv")
            .file_mode("/home/anna/.keychain/b-forbidden-sh", "", 0o000)
            .peer(Address::Unix("/tmp/b c".into()), live);
        let files = files(&host, Path::new("/home/anna"), Some("atlas"), Duration::from_secs(1)).unwrap();
        let told: Vec<_> =
            files.iter().map(|file| (file.hostname.as_str(), file.current, &file.state, file.error.is_some())).collect();
        let empty = AgentState::Listed { key_types: Vec::new() };
        assert_eq!(
            told,
            [
                ("atlas", true, &AgentState::Missing, false),
                ("a-broken", false, &AgentState::Unset, false),
                ("b-forbidden", false, &AgentState::Unset, true),
                ("old", false, &empty, false),
            ]
        );
        assert_eq!(files[0].socket.as_deref(), Some(Path::new("/tmp/a")));
    }

    #[test]
    fn without_the_directory_there_are_none() {
        assert!(files(&RecordedHost::new(), Path::new("/home/anna"), None, Duration::from_secs(1)).unwrap().is_empty());
    }
}
