//! The probe "ssh_agent": who answers behind `SSH_AUTH_SOCK`.

mod protocol;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{AgentState, SshAgent};

use super::Context;
use crate::host::{Address, FileKind, Host};
use protocol::Answer;

/// How long an agent may take to list its keys. A healthy one needs a millisecond; one on the far end of an ssh connection a
/// round trip.
const PATIENCE: Duration = Duration::from_secs(3);

/// Names that ssh tries by itself (ssh_config(5), IdentityFile).
pub(super) const DEFAULT_KEY_NAMES: &[&str] =
    &["id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "identity"];

/// Asks the agent for a listing, and looks for keys and for keychain. No key file is opened.
pub(crate) fn probe(context: &Context) -> SshAgent {
    let host = context.host.as_ref();
    let socket = host.env("SSH_AUTH_SOCK").filter(|value| !value.is_empty()).map(PathBuf::from);
    // The rest of the probe takes no time, but must still be told when the agent is silent.
    let limit = PATIENCE.min(context.limit.mul_f32(0.8));
    SshAgent {
        state: socket.as_deref().map_or(AgentState::Unset, |socket| ask(host, socket, limit)),
        socket,
        key_files: key_files(host),
        keychain: host.which(OsStr::new("keychain")),
    }
}

/// Asks the agent behind a socket for a listing.
pub(super) fn ask(host: &dyn Host, socket: &Path, limit: Duration) -> AgentState {
    let mut stream = match host.connect(&Address::Unix(socket.to_owned()), limit) {
        Ok(stream) => stream,
        Err(error) => return not_connected(&error, limit),
    };
    match protocol::list(&mut *stream) {
        Ok(Answer::Keys(key_types)) => AgentState::Listed { key_types },
        Ok(Answer::Failure) => AgentState::Failure,
        // To its own user an agent does not do that. What stands between may: a relay to Windows, the near end of a forwarded agent.
        Ok(Answer::Closed) if !is_anothers(host, socket) => {
            AgentState::Other { detail: "it closed the connection without an answer".to_owned() }
        }
        Ok(Answer::Closed) => AgentState::Closed,
        Ok(Answer::Foreign(detail)) => AgentState::NotAnAgent { detail },
        Err(error) => match error.kind() {
            io::ErrorKind::TimedOut => hung(limit),
            // ssh-agent closes on another user at once; when our question was on its way by then, that is a reset.
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe if is_anothers(host, socket) => AgentState::Closed,
            // What the near end of a forwarded agent does when the agent at the far end has gone.
            io::ErrorKind::ConnectionReset => AgentState::Other { detail: "it reset the connection".to_owned() },
            _ => AgentState::Other { detail: error.to_string() },
        },
    }
}

/// Whether the socket belongs to another user.
fn is_anothers(host: &dyn Host, socket: &Path) -> bool {
    let owner = host.metadata(socket).ok().map(|metadata| metadata.uid);
    owner.is_some() && host.identity().uid.is_some() && owner != host.identity().uid
}

fn not_connected(error: &io::Error, limit: Duration) -> AgentState {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => AgentState::Missing,
        io::ErrorKind::ConnectionRefused => AgentState::Refused,
        io::ErrorKind::PermissionDenied => AgentState::Denied,
        // Its queue is full: nobody has taken a connection out of it for a long time.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => hung(limit),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => {
            AgentState::Other { detail: format!("the path cannot be that of a socket: {error}") }
        }
        _ => AgentState::Other { detail: error.to_string() },
    }
}

fn hung(limit: Duration) -> AgentState {
    AgentState::Hung { limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }
}

/// Names of private keys in ~/.ssh: those that ssh tries by itself, and those whose public half lies beside them.
fn key_files(host: &dyn Host) -> Vec<String> {
    let Some(directory) = host.identity().home.map(|home| home.join(".ssh")) else { return Vec::new() };
    let names = host.read_dir(&directory).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.to_str())
        .filter(|name| {
            let public = format!("{name}.pub");
            DEFAULT_KEY_NAMES.contains(name) || names.iter().any(|other| other.as_os_str() == public.as_str())
        })
        .filter(|name| host.metadata(&directory.join(name)).is_ok_and(|metadata| metadata.kind == FileKind::File))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::{Peer, RecordedHost};

    fn probe_of(host: RecordedHost) -> SshAgent {
        probe(&Context { host: Arc::new(host), limit: PATIENCE })
    }

    #[test]
    fn key_files_are_found_by_name() {
        let host = RecordedHost::new()
            .file("/home/anna/.ssh/id_ed25519", "")
            .file("/home/anna/.ssh/id_ed25519.pub", "")
            .file("/home/anna/.ssh/cluster", "")
            .file("/home/anna/.ssh/cluster.pub", "")
            .file("/home/anna/.ssh/lost.pub", "")
            .file("/home/anna/.ssh/known_hosts", "")
            .file("/home/anna/.ssh/config", "")
            .directory("/home/anna/.ssh/id_rsa");
        assert_eq!(probe_of(host).key_files, ["cluster", "id_ed25519"]);
    }

    #[test]
    fn an_agent_that_closes_on_another_user_is_told_from_a_broken_relay() {
        let socket = "/tmp/ssh-x/agent.1";
        let host = || RecordedHost::new().peer(Address::Unix(socket.into()), Peer::Answers(Vec::new()));
        let state = |host: RecordedHost| ask(&host, Path::new(socket), PATIENCE);
        assert!(matches!(state(host()), AgentState::Other { .. }));
        assert_eq!(state(host().owner(socket, 1001)), AgentState::Closed);
    }

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        let agent = probe_of(RecordedHost::new().env("SSH_AUTH_SOCK", ""));
        assert_eq!((agent.state, agent.socket), (AgentState::Unset, None));
    }

    #[cfg(unix)]
    mod real {
        use std::io::{Read, Write};
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::net::UnixListener;
        use std::process::{Child, Stdio};
        use std::time::Instant;

        use super::*;
        use crate::host::LiveHost;

        /// Long enough for a loaded machine; only a hung agent uses it up.
        const LONG: Duration = Duration::from_secs(20);

        fn state_at(path: impl AsRef<Path>) -> AgentState {
            ask(&LiveHost, path.as_ref(), LONG)
        }

        /// A real ssh-agent that dies with the test.
        struct Agent {
            process: Child,
            directory: tempfile::TempDir,
        }

        #[expect(clippy::disallowed_methods, reason = "a test starts real programs")]
        fn command(program: &str) -> std::process::Command {
            let mut command = std::process::Command::new(program);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        }

        impl Agent {
            /// `None` where OpenSSH is not installed.
            fn start() -> Option<Self> {
                let directory = tempfile::tempdir().unwrap();
                let socket = directory.path().join("agent");
                let process = command("ssh-agent").arg("-D").arg("-a").arg(&socket).spawn().ok()?;
                let started = Instant::now();
                // The socket stands there before anybody listens behind it.
                while LiveHost.connect(&Address::Unix(socket.clone()), LONG).is_err() && started.elapsed() < LONG {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Some(Self { process, directory })
            }

            fn socket(&self) -> PathBuf {
                self.directory.path().join("agent")
            }

            fn signal(&self, signal: rustix::process::Signal) {
                let pid = rustix::process::Pid::from_child(&self.process);
                rustix::process::kill_process(pid, signal).unwrap();
            }

            /// Makes a key without a passphrase and adds it.
            fn add_key(&self, kind: &str) {
                let key = self.directory.path().join(kind);
                assert!(
                    command("ssh-keygen")
                        .args(["-q", "-N", "", "-C", "a private comment", "-t", kind, "-f"])
                        .arg(&key)
                        .status()
                        .unwrap()
                        .success()
                );
                assert!(command("ssh-add").arg(&key).env("SSH_AUTH_SOCK", self.socket()).status().unwrap().success());
            }

            /// Locks it; ssh-add takes the password from a program when there is no terminal.
            fn lock(&self) {
                let ask = self.directory.path().join("ask");
                std::fs::File::create(&ask).unwrap().write_all(b"#!/bin/sh\necho password\n").unwrap();
                std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o700)).unwrap();
                let status = command("ssh-add")
                    .arg("-x")
                    .env("SSH_AUTH_SOCK", self.socket())
                    .env("SSH_ASKPASS", &ask)
                    .env("SSH_ASKPASS_REQUIRE", "force")
                    .env("DISPLAY", "none")
                    .status();
                assert!(status.unwrap().success(), "ssh-add -x failed");
            }
        }

        impl Drop for Agent {
            fn drop(&mut self) {
                let _ = self.process.kill();
                let _ = self.process.wait();
            }
        }

        #[test]
        fn a_real_agent_empty_then_with_keys_then_locked() {
            let Some(agent) = Agent::start() else { return };
            assert_eq!(state_at(agent.socket()), AgentState::Listed { key_types: Vec::new() });
            agent.add_key("ed25519");
            agent.add_key("ecdsa");
            let listed = state_at(agent.socket());
            assert_eq!(listed, AgentState::Listed { key_types: vec!["ssh-ed25519".to_owned(), "ecdsa-sha2-nistp256".to_owned()] });
            assert!(!serde_json::to_string(&listed).unwrap().contains("comment"));
            agent.lock();
            assert_eq!(state_at(agent.socket()), AgentState::Listed { key_types: Vec::new() });
        }

        #[test]
        fn a_real_agent_that_is_stopped_is_hung_and_the_probe_ends_in_time() {
            let Some(agent) = Agent::start() else { return };
            agent.signal(rustix::process::Signal::STOP);
            let started = Instant::now();
            let state = ask(&LiveHost, &agent.socket(), Duration::from_millis(320));
            let elapsed = started.elapsed();
            agent.signal(rustix::process::Signal::CONT);
            assert_eq!(state, AgentState::Hung { limit_ms: 320 });
            assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
        }

        #[test]
        fn a_real_agent_that_was_killed_leaves_a_refusing_socket() {
            let Some(mut agent) = Agent::start() else { return };
            agent.process.kill().unwrap();
            agent.process.wait().unwrap();
            assert!(agent.socket().exists());
            assert_eq!(state_at(agent.socket()), AgentState::Refused);
        }

        #[test]
        fn real_things_that_are_no_sockets() {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("file");
            std::fs::File::create(&file).unwrap();
            assert_eq!(state_at(&file), AgentState::Refused);
            assert_eq!(state_at(directory.path()), AgentState::Refused);
            assert_eq!(state_at(directory.path().join("nothing")), AgentState::Missing);
            assert_eq!(state_at(file.join("below a file")), AgentState::Missing);
            let long = directory.path().join("x".repeat(200));
            assert!(matches!(state_at(long), AgentState::Other { .. }));
        }

        /// Real sockets with a stand-in behind them: another program's protocol, another user's agent.
        #[test]
        fn real_sockets_of_other_programs() {
            let directory = tempfile::tempdir().unwrap();
            for (name, answer) in
                [("http", &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]), ("closes", b""), ("fails", b"\0\0\0\x01\x05")]
            {
                let path = directory.path().join(name);
                let listener = UnixListener::bind(&path).unwrap();
                let thread = std::thread::spawn(move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    // Closing with unread input would be a reset instead of an end.
                    let _ = stream.read(&mut [0; 5]);
                    let _ = stream.write_all(answer);
                });
                let state = state_at(&path);
                thread.join().unwrap();
                match name {
                    "http" => assert!(matches!(state, AgentState::NotAnAgent { .. }), "{state:?}"),
                    // Its owner is this user, whom an agent would serve.
                    "closes" => assert!(matches!(state, AgentState::Other { .. }), "{state:?}"),
                    _ => assert_eq!(state, AgentState::Failure),
                }
            }
        }
    }
}
