//! The ssh agent in the container.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use casa_doctor_checks::facts::{AgentState, Facts};

use crate::host::{Address, Host};

/// Where the agent's socket stands in the container, as casa_distro has it.
pub(super) const SOCKET: &str = "/casa/ssh_auth_sock";

/// A local socket accepts at once or not at all.
const CONNECT_LIMIT: Duration = Duration::from_millis(200);

/// The socket of the agent, when somebody who can be used listens there. A dead one stops the engine or leaves a variable behind that
/// leads nowhere; so it is left out and told.
pub(super) fn live_socket(host: &dyn Host, facts: &Facts, warnings: &mut Vec<String>) -> Option<PathBuf> {
    let socket = PathBuf::from(socket(host)?);
    let trouble = match &facts.ssh_agent {
        Some(agent) if agent.socket.as_ref() == Some(&socket) => match &agent.state {
            AgentState::Listed { .. } | AgentState::Failure => None,
            AgentState::Unset | AgentState::Missing => Some("there is no such socket".to_owned()),
            AgentState::Refused => Some("no agent listens there any more".to_owned()),
            AgentState::Denied => Some("this user may not use it".to_owned()),
            AgentState::Closed => Some("it hung up, as the agent of another user does".to_owned()),
            AgentState::Hung { .. } => Some("it does not answer".to_owned()),
            AgentState::NotAnAgent { detail } | AgentState::Other { detail } => Some(detail.clone()),
        },
        _ => host.connect(&Address::Unix(socket.clone()), CONNECT_LIMIT).err().map(|error| error.to_string()),
    };
    match trouble {
        None => Some(socket),
        Some(trouble) => {
            warnings.push(format!(
                "the ssh agent at {} (SSH_AUTH_SOCK) cannot be used, so the container gets none: {trouble}",
                socket.display()
            ));
            None
        }
    }
}

/// Whether this shell knows of no agent.
pub(super) fn is_unset(host: &dyn Host) -> bool {
    socket(host).is_none()
}

fn socket(host: &dyn Host) -> Option<OsString> {
    host.env("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use casa_doctor_checks::facts::SshAgent;

    use super::*;
    use crate::host::{Peer, RecordedHost};

    fn facts(state: AgentState) -> Facts {
        Facts { ssh_agent: Some(SshAgent { socket: Some("/run/agent".into()), state, ..SshAgent::default() }), ..Facts::default() }
    }

    #[test]
    fn a_live_agent_is_brought_and_a_dead_one_is_told() {
        let host = RecordedHost::new().env("SSH_AUTH_SOCK", "/run/agent");
        let mut warnings = Vec::new();
        let listed = facts(AgentState::Listed { key_types: Vec::new() });
        assert_eq!(live_socket(&host, &listed, &mut warnings), Some("/run/agent".into()));
        assert!(warnings.is_empty());
        for state in [AgentState::Missing, AgentState::Refused, AgentState::Hung { limit_ms: 1 }, AgentState::Closed] {
            let mut warnings = Vec::new();
            assert_eq!(live_socket(&host, &facts(state.clone()), &mut warnings), None, "{state:?}");
            assert_eq!(warnings.len(), 1, "{state:?}");
        }
        assert_eq!(live_socket(&RecordedHost::new().env("SSH_AUTH_SOCK", ""), &listed, &mut warnings), None);
        assert!(warnings.is_empty(), "an unset variable is nothing to tell");
    }

    #[test]
    fn without_the_probe_the_socket_itself_is_tried() {
        let socket = || Address::Unix("/run/agent".into());
        let host = RecordedHost::new().env("SSH_AUTH_SOCK", "/run/agent");
        let alive = host.peer(socket(), Peer::Silent);
        assert!(live_socket(&alive, &Facts::default(), &mut Vec::new()).is_some());
        let host = RecordedHost::new().env("SSH_AUTH_SOCK", "/run/agent");
        let stale = host.peer(socket(), Peer::Refuses(ErrorKind::ConnectionRefused));
        assert!(live_socket(&stale, &Facts::default(), &mut Vec::new()).is_none());
    }
}
