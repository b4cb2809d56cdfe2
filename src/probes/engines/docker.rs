//! The Docker daemon: which one the client would talk to, and whether it answers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::Daemon;
use serde_json::Value;

use crate::host::{Address, Host, Stream};

/// Where the client looks when nothing else is said; on Windows in a pipe.
const DEFAULT_ENDPOINT: &str = if cfg!(windows) { "npipe:////./pipe/docker_engine" } else { "unix:///var/run/docker.sock" };
/// The cheapest question of Docker's HTTP interface.
const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";

/// Asks the daemon whether it is there. An error says why that cannot be asked.
pub(crate) fn daemon(host: &dyn Host, limit: Duration) -> Result<Daemon, String> {
    let endpoint = endpoint(host)?;
    let address = address(&endpoint)?;
    let socket = address.to_string();
    let down = |reason: &str| Daemon::Down { socket: socket.clone(), reason: reason.to_owned() };
    let mut stream = match host.connect(&address, limit) {
        Ok(stream) => stream,
        Err(error) => {
            return Ok(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => down("there is no such socket"),
                io::ErrorKind::ConnectionRefused => down("nobody listens behind it"),
                io::ErrorKind::PermissionDenied => Daemon::Denied { socket },
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Daemon::Hung { socket },
                _ => down(&error.to_string()),
            });
        }
    };
    Ok(match ping(&mut *stream) {
        Ok(answer) if answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200") => Daemon::Answers,
        // So a server of Go answers who does not speak TLS; Docker itself has no such answer to this question.
        Ok(answer) if answer.starts_with(b"HTTP/1.0 400") => {
            return Err(format!("the daemon at {endpoint} speaks TLS, which is not tried"));
        }
        Ok(answer) if answer.starts_with(b"HTTP/") => {
            let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().trim().to_owned();
            down(&format!("it answers \"{line}\""))
        }
        Ok(answer) if answer.is_empty() => down("it closes the connection without an answer"),
        Ok(_) => down("what answers there is not Docker"),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Daemon::Hung { socket },
        Err(error) => down(&error.to_string()),
    })
}

/// Sends the question and reads the beginning of the answer.
fn ping(stream: &mut dyn Stream) -> io::Result<Vec<u8>> {
    stream.write_all(PING)?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 512];
    // The first line is enough; a daemon that keeps the connection open must not be waited for.
    while answer.len() < 4096 && !answer.contains(&b'\n') {
        match stream.read(&mut buffer)? {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(answer)
}

/// The daemon's address, found as the client does: `DOCKER_HOST`, then the context of `DOCKER_CONTEXT` or of its configuration,
/// then the default.
pub(crate) fn endpoint(host: &dyn Host) -> Result<String, String> {
    if let Some(endpoint) = host.env_text("DOCKER_HOST") {
        return Ok(endpoint);
    }
    let configured = host.env("DOCKER_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = configured.or_else(|| Some(host.identity().home?.join(".docker")));
    let context = host.env_text("DOCKER_CONTEXT").or_else(|| {
        let config = read_json(host, &directory.as_ref()?.join("config.json"))?;
        config.get("currentContext")?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
    });
    match (context, directory) {
        (Some(context), Some(directory)) if context != "default" => {
            let contexts = directory.join("contexts/meta");
            let metas = host.read_dir(&contexts).unwrap_or_default();
            let endpoint = metas.iter().find_map(|name| {
                let meta = read_json(host, &contexts.join(name).join("meta.json"))?;
                (meta.get("Name")?.as_str()? == context).then_some(())?;
                Some(meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned())
            });
            endpoint.ok_or_else(|| format!("Docker's context \"{context}\" is not described in {}", contexts.display()))
        }
        _ => Ok(DEFAULT_ENDPOINT.to_owned()),
    }
}

fn read_json(host: &dyn Host, path: &Path) -> Option<Value> {
    serde_json::from_slice(&host.read(path, 1 << 20).ok()?).ok()
}

fn address(endpoint: &str) -> Result<Address, String> {
    if let Some(path) = endpoint.strip_prefix("unix://") {
        return Ok(Address::Unix(path.into()));
    }
    if let Some(rest) = endpoint.strip_prefix("tcp://") {
        let (name, port) = rest.trim_end_matches('/').rsplit_once(':').unwrap_or((rest, "2375"));
        let port = port.parse().map_err(|_| format!("\"{endpoint}\" has no port number"))?;
        if port == 2376 {
            return Err(format!("the daemon at {endpoint} speaks TLS, which is not tried"));
        }
        return Ok(Address::Tcp { host: name.trim_matches(['[', ']']).to_owned(), port });
    }
    let kind = endpoint.split("://").next().unwrap_or_default();
    Err(format!("the daemon is reached by \"{kind}\", which is not tried"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Peer, RecordedHost};

    const LIMIT: Duration = Duration::from_millis(300);

    const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

    fn default_socket() -> Address {
        Address::Unix(DEFAULT_SOCKET.into())
    }

    #[test]
    fn described_daemons() {
        let machine = || RecordedHost::new().env("DOCKER_HOST", "unix:///var/run/docker.sock");
        let ask = |peer| daemon(&machine().peer(default_socket(), peer), LIMIT).unwrap();
        assert_eq!(ask(Peer::Answers(b"HTTP/1.1 200 OK\r\nApi-Version: 1.50\r\n\r\nOK".to_vec())), Daemon::Answers);
        assert_eq!(ask(Peer::Silent), Daemon::Hung { socket: DEFAULT_SOCKET.to_owned() });
        assert_eq!(ask(Peer::Refuses(io::ErrorKind::PermissionDenied)), Daemon::Denied { socket: DEFAULT_SOCKET.to_owned() });
        let reason = |daemon| match daemon {
            Daemon::Down { reason, .. } => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(ask(Peer::Refuses(io::ErrorKind::ConnectionRefused))), "nobody listens behind it");
        assert_eq!(reason(ask(Peer::Answers(b"SSH-2.0-OpenSSH\r\n".to_vec()))), "what answers there is not Docker");
        assert!(reason(ask(Peer::Answers(b"HTTP/1.1 503 Service Unavailable\r\n\r\n".to_vec()))).contains("503"));
        assert_eq!(reason(daemon(&machine(), LIMIT).unwrap()), "there is no such socket");
    }

    #[test]
    fn a_daemon_that_speaks_tls_on_another_port_is_not_down() {
        let address = Address::Tcp { host: "build".to_owned(), port: 2375 };
        let answer = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n".to_vec();
        let host = RecordedHost::new().env("DOCKER_HOST", "tcp://build:2375").peer(address, Peer::Answers(answer));
        assert!(daemon(&host, LIMIT).unwrap_err().contains("speaks TLS"));
    }

    #[test]
    fn the_address_is_the_one_that_the_client_takes() {
        let config = |host: RecordedHost| {
            host.file("/home/anna/.docker/config.json", r#"{"currentContext": "rootless"}"#).file(
                "/home/anna/.docker/contexts/meta/12d6/meta.json",
                r#"{"Name": "rootless", "Endpoints": {"docker": {"Host": "unix:///run/user/1000/docker.sock"}}}"#,
            )
        };
        assert_eq!(endpoint(&RecordedHost::new()).unwrap(), DEFAULT_ENDPOINT);
        assert_eq!(endpoint(&config(RecordedHost::new())).unwrap(), "unix:///run/user/1000/docker.sock");
        let by_variable = config(RecordedHost::new()).env("DOCKER_HOST", "tcp://build:2375");
        assert_eq!(endpoint(&by_variable).unwrap(), "tcp://build:2375");
        assert_eq!(endpoint(&config(RecordedHost::new()).env("DOCKER_CONTEXT", "default")).unwrap(), DEFAULT_ENDPOINT);
        assert!(endpoint(&config(RecordedHost::new()).env("DOCKER_CONTEXT", "gone")).unwrap_err().contains("gone"));
    }

    #[test]
    fn what_cannot_be_asked_says_so() {
        assert_eq!(address("tcp://[::1]:2375").unwrap(), Address::Tcp { host: "::1".to_owned(), port: 2375 });
        for endpoint in ["ssh://anna@build", "npipe:////./pipe/docker_engine", "tcp://build:2376", "tcp://build:port", "nonsense"] {
            assert!(address(endpoint).is_err(), "{endpoint}");
        }
    }
}
