//! Does an ssh agent with keys answer?

use std::path::Path;

use crate::check::{Category, Check, Outcome};
use crate::facts::{AgentState, Facts, ProbeId, SshAgent};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "ssh-agent",
    category: Category::Ssh,
    question: "Does an ssh agent with keys answer?",
    needs: &[ProbeId::SshAgent],
    findings: &[&DEAD, &DENIED, &EMPTY, &HUNG, &LOCKED, &MANY, &UNSET],
    run: agent,
};

static UNSET: FindingKind = FindingKind {
    id: "ssh-agent-unset",
    code: "CD0401",
    severity: Severity::Info,
    title: "There is no ssh agent in this session",
    why: "An ssh agent keeps unlocked keys in memory, and casa_distro hands the agent on to the container. Without one, programs in the container that work on other machines, or fetch private code, cannot use your keys, since ~/.ssh itself is not visible there. Who does none of that needs no agent.",
    cure: "Start an agent in the shell from which you start the programs, and add your key. keychain does both and finds the same agent again in the next shell.",
    example: "Could not open a connection to your authentication agent.",
    since: "0.1.0",
};

static DEAD: FindingKind = FindingKind {
    id: "ssh-agent-dead",
    code: "CD0402",
    severity: Severity::Warning,
    title: "SSH_AUTH_SOCK leads to an ssh agent that is gone",
    why: "The variable names the socket of an agent that has ended: it is left from another login, another boot, or a terminal multiplexer that outlived its connection, or a batch job took it along to another machine. casa_distro sets the variable in the container all the same, although there is no socket to hand on, so that ssh there reports an agent that cannot be reached.",
    cure: "Start a new agent, or take the settings of the living one; with keychain both is one command. An agent that came with an ssh login (ssh -A) comes again with a new login.",
    example: "Error connecting to agent: Connection refused",
    since: "0.1.0",
};

static DENIED: FindingKind = FindingKind {
    id: "ssh-agent-denied",
    code: "CD0403",
    severity: Severity::Warning,
    title: "The ssh agent does not serve this user",
    why: "SSH_AUTH_SOCK names the agent of somebody else, which happens after su or sudo. An agent serves nobody but the user who started it: the socket may not be opened, or the agent closes the connection without a word.",
    cure: "Work as the user whose agent it is, or start an agent of your own.",
    example: "Error connecting to agent: Permission denied",
    since: "0.1.0",
};

static LOCKED: FindingKind = FindingKind {
    id: "ssh-agent-locked",
    code: "CD0404",
    severity: Severity::Warning,
    title: "The ssh agent refuses to list its keys",
    why: "The agent answers, but with a refusal: agents that belong to a password manager do that while it is locked. The agent of OpenSSH gives no refusal when it is locked; it looks empty then, and is reported as ssh-agent-empty.",
    cure: "Unlock the agent, or the password manager that it belongs to.",
    example: "error fetching identities: agent refused operation",
    since: "0.1.0",
};

static EMPTY: FindingKind = FindingKind {
    id: "ssh-agent-empty",
    code: "CD0405",
    severity: Severity::Warning,
    title: "The ssh agent is empty or locked",
    why: "An agent answers and lists no key. An empty agent and a locked one (ssh-add -x) give exactly the same answer, so that only you can tell which it is. Programs in the container cannot use your keys until it lists them.",
    cure: "Add a key with ssh-add; if that is refused, unlock the agent with ssh-add -X.",
    example: "The agent has no identities.",
    since: "0.1.0",
};

static HUNG: FindingKind = FindingKind {
    id: "ssh-agent-hung",
    code: "CD0406",
    severity: Severity::Warning,
    title: "The ssh agent does not answer",
    why: "The agent accepts connections and then says nothing: its process is stopped, it waits for a question on a screen that nobody sees, or the connection of a forwarded agent hangs. ssh and git then wait, too, without a limit.",
    cure: "End the agent and start a new one. An agent that came with an ssh connection needs a new connection.",
    example: "ssh-add -l prints nothing and does not return",
    since: "0.1.0",
};

static MANY: FindingKind = FindingKind {
    id: "ssh-agent-many-keys",
    code: "CD0415",
    severity: Severity::Info,
    title: "The ssh agent offers more keys than a server hears",
    why: "ssh offers the agent's keys one after the other, and a server closes the connection after six that it refuses (MaxAuthTries in sshd_config). Where the right key comes late, the login fails, although the key is there.",
    cure: "Tell ssh which key belongs to which server: IdentityFile and IdentitiesOnly in ~/.ssh/config.",
    example: "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures",
    since: "0.1.0",
};

/// How many keys a server hears with OpenSSH's own setting: the sixth refusal ends the connection.
const HEARD: usize = 5;

fn agent(facts: &Facts) -> Outcome {
    let Some(agent) = &facts.ssh_agent else { return Outcome::Unknown("nothing was recorded about the ssh agent".to_owned()) };
    if facts.is_windows() {
        return Outcome::Skipped("on Windows containers get the agent of the Linux in which they run".to_owned());
    }
    let socket = agent.socket.as_deref().unwrap_or(Path::new("")).display();
    let variable = format!("SSH_AUTH_SOCK is \"{socket}\"");
    let found = |kind: &'static FindingKind| kind.found().evidence(variable.as_str());
    let finding = match &agent.state {
        AgentState::Listed { key_types } if key_types.len() > HEARD => found(&MANY)
            .evidence(format!("it lists {} keys", key_types.len()))
            .advise("If a login ends with \"Too many authentication failures\", name its key in ~/.ssh/config, below the line \"Host\" of the server: \"IdentityFile ~/.ssh/KEY\" and \"IdentitiesOnly yes\".")
            .advise("Or take keys that nobody needs out of the agent: ssh-add -d FILE."),
        AgentState::Listed { key_types } if !key_types.is_empty() => return Outcome::Pass,
        AgentState::Unset => start_one(UNSET.found().evidence("SSH_AUTH_SOCK is not set"), agent),
        AgentState::Missing => dead(found(&DEAD).evidence(format!("{socket} does not exist")), facts, agent),
        AgentState::Refused => dead(found(&DEAD).evidence("nobody listens there: the connection is refused"), facts, agent),
        AgentState::NotAnAgent { detail } => start_one(
            found(&DEAD)
                .title("SSH_AUTH_SOCK leads to something that is not an ssh agent")
                .evidence(format!("what answers there speaks another language: {detail}")),
            agent,
        ),
        AgentState::Denied => start_one(found(&DENIED).evidence("this user may not open it"), agent),
        AgentState::Closed => start_one(
            found(&DENIED).evidence("it closed the connection without an answer, as ssh-agent does to another user than its own"),
            agent,
        ),
        AgentState::Failure => found(&LOCKED)
            .evidence("it answered the request for its keys with a failure")
            .advise("Unlock the agent, or the password manager that it belongs to."),
        AgentState::Listed { .. } => add_key(found(&EMPTY).evidence("it answers and lists no key"), agent),
        AgentState::Hung { limit_ms } => found(&HUNG)
            .evidence(format!("it did not answer within {limit_ms} ms"))
            .advise("Open a new terminal or a new ssh connection. If the agent there hangs, too, end it and start another."),
        AgentState::Other { detail } => return Outcome::Unknown(format!("the ssh agent at {socket} could not be asked: {detail}")),
    };
    Outcome::Findings(vec![finding])
}

/// An agent that is gone, or one that was never here: a job has the variables of the login that started it, mostly on another machine.
fn dead(finding: Finding, facts: &Facts, agent: &SshAgent) -> Finding {
    let Some(job) = facts.gpu.as_ref().and_then(|gpu| gpu.job.as_ref()) else { return start_one(reconnect(finding, facts), agent) };
    let finding = finding
        .severity(Severity::Info)
        .title("SSH_AUTH_SOCK names the ssh agent of the login from which this job was started")
        .evidence(format!("this is a job of {}, which has the variables of that login", job.scheduler));
    start_one(finding.advise("A job that uses no ssh needs no agent: nothing is wrong then."), agent)
}

/// Adds how to come by an agent that a new login, or the one that tmux is attached from, has already.
fn reconnect(finding: Finding, facts: &Facts) -> Finding {
    const TAKE_OVER: &str = r#"eval "$(tmux show-environment -s SSH_AUTH_SOCK)""#;
    let Some(session) = &facts.session else { return finding };
    let finding = match &session.multiplexer {
        Some(name) => finding.evidence(format!("this is a session of {name}, which keeps the variables of its beginning")),
        None => finding,
    };
    match (session.ssh, session.multiplexer.as_deref()) {
        (true, Some("tmux")) => finding
            .advise("If the agent is that of your own end (ssh -A): detach, log in again with ssh -A, and attach again.")
            .advise_command("Then take over the new agent in this shell.", TAKE_OVER),
        (true, Some(_)) => finding.advise(
            "If the agent is that of your own end (ssh -A): detach, log in again with ssh -A, note what echo $SSH_AUTH_SOCK says, \
             attach again and export that value here.",
        ),
        (true, None) => finding.advise("If the agent is that of your own end (ssh -A), log in again with ssh -A."),
        (false, Some("tmux")) => finding.advise_command("Take over the agent of the terminal that tmux is attached to.", TAKE_OVER),
        (false, _) => finding,
    }
}

/// The key that a person would add: the best of those whose names ssh knows.
pub(super) fn key(agent: &SshAgent) -> Option<&str> {
    ["id_ed25519", "id_ecdsa", "id_rsa"]
        .into_iter()
        .find(|name| agent.key_files.iter().any(|file| file == name))
        .or_else(|| agent.key_files.first().map(String::as_str))
        // A name from the disk is not put into a command when a shell could read it otherwise.
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && !name.starts_with('-'))
}

/// Adds the advice to start an agent.
pub(super) fn start_one(finding: Finding, agent: &SshAgent) -> Finding {
    let key = key(agent);
    let has_keys = !agent.key_files.is_empty();
    // Keys may be elsewhere than in ~/.ssh; there are none that a command could name then.
    let and_add = if has_keys { ", and add the key:" } else { "; add your key with ssh-add then:" };
    match &agent.keychain {
        Some(keychain) => finding.evidence(format!("{} is installed", keychain.display())).advise_command(
            format!("Start an agent that every shell finds again{and_add}"),
            format!("eval \"$(keychain --eval --quiet{})\"", key.map(|key| format!(" {key}")).unwrap_or_default()),
        ),
        None => finding.advise_command(
            format!("Start an agent in the shell from which you start the programs{and_add}"),
            match key {
                Some(key) => format!("eval \"$(ssh-agent)\" && ssh-add ~/.ssh/{key}"),
                None if has_keys => "eval \"$(ssh-agent)\" && ssh-add".to_owned(),
                None => "eval \"$(ssh-agent)\"".to_owned(),
            },
        ),
    }
}

fn add_key(finding: Finding, agent: &SshAgent) -> Finding {
    let finding = if agent.key_files.is_empty() {
        finding.severity(Severity::Info).evidence("no key was found in ~/.ssh either")
    } else {
        finding.evidence(format!("keys in ~/.ssh: {}", agent.key_files.join(", ")))
    };
    let finding = match key(agent) {
        Some(key) => finding.advise_command("Add the key:", format!("ssh-add ~/.ssh/{key}")),
        None => finding.advise("If you use ssh keys, add one with ssh-add; if you use none, nothing is wrong."),
    };
    finding.advise_command("If that is refused, the agent is locked. Unlock it:", "ssh-add -X")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::{answered, findings};

    fn facts(state: AgentState, key_files: &[&str], keychain: bool) -> Facts {
        let socket = (state != AgentState::Unset).then(|| "/tmp/ssh-x/agent.12".into());
        let keychain = keychain.then(|| "/usr/bin/keychain".into());
        let key_files = key_files.iter().map(|name| (*name).to_owned()).collect();
        Facts { ssh_agent: Some(SshAgent { socket, state, key_files, keychain }), ..answered() }
    }

    #[test]
    fn every_state_has_its_finding() {
        let listed = |types: &[&str]| AgentState::Listed { key_types: types.iter().map(|kind| (*kind).to_owned()).collect() };
        for (state, id, severity) in [
            (AgentState::Unset, "ssh-agent-unset", Severity::Info),
            (AgentState::Missing, "ssh-agent-dead", Severity::Warning),
            (AgentState::Refused, "ssh-agent-dead", Severity::Warning),
            (AgentState::NotAnAgent { detail: "x".to_owned() }, "ssh-agent-dead", Severity::Warning),
            (AgentState::Denied, "ssh-agent-denied", Severity::Warning),
            (AgentState::Closed, "ssh-agent-denied", Severity::Warning),
            (AgentState::Failure, "ssh-agent-locked", Severity::Warning),
            (AgentState::Hung { limit_ms: 3000 }, "ssh-agent-hung", Severity::Warning),
            (listed(&[]), "ssh-agent-empty", Severity::Warning),
        ] {
            let found = findings(&CHECK, &facts(state, &["id_rsa"], false));
            assert_eq!((found.len(), found[0].kind.id, found[0].severity), (1, id, severity));
            assert!(!found[0].advice.is_empty() && !found[0].evidence.is_empty());
        }
        assert_eq!(CHECK.judge(&facts(listed(&["ssh-ed25519"]), &[], false)), Outcome::Pass);
        assert!(matches!(CHECK.judge(&facts(AgentState::Other { detail: "x".to_owned() }, &[], false)), Outcome::Unknown(_)));
    }

    #[test]
    fn an_agent_that_came_by_ssh_comes_again_with_a_new_login() {
        let advised = |ssh, multiplexer: Option<&str>| {
            let mut facts = facts(AgentState::Missing, &["id_rsa"], false);
            let multiplexer = multiplexer.map(str::to_owned);
            facts.session = Some(crate::facts::Session { ssh, multiplexer, ..Default::default() });
            findings(&CHECK, &facts)[0].advice.clone()
        };
        let through_tmux = advised(true, Some("tmux"));
        assert!(through_tmux[0].text.contains("ssh -A"), "{through_tmux:?}");
        assert!(through_tmux[1].command.as_deref().unwrap().contains("tmux show-environment -s SSH_AUTH_SOCK"));
        assert!(advised(true, Some("screen"))[0].text.contains("export"));
        assert!(advised(true, None)[0].text.contains("log in again with ssh -A"));
        assert!(advised(false, Some("tmux"))[0].command.as_deref().unwrap().starts_with("eval"));
        assert!(advised(false, None)[0].command.as_deref().unwrap().contains("ssh-agent"));
    }

    #[test]
    fn the_agent_of_windows_is_none_of_a_container_s() {
        let mut facts = facts(AgentState::Unset, &["id_rsa"], false);
        facts.machine = Some(crate::facts::Machine { os: "windows".into(), ..Default::default() });
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }

    #[test]
    fn a_job_has_the_variable_of_the_login_that_started_it() {
        for state in [AgentState::Missing, AgentState::Refused] {
            let mut facts = facts(state, &["id_rsa"], false);
            facts.session = Some(crate::facts::Session { ssh: true, ..Default::default() });
            let job = crate::facts::Job { scheduler: "Slurm".into(), gpus: None };
            facts.gpu = Some(crate::facts::Gpu { job: Some(job), ..Default::default() });
            let found = findings(&CHECK, &facts).remove(0);
            assert_eq!((found.kind.id, found.severity), ("ssh-agent-dead", Severity::Info));
            assert!(found.title.unwrap().contains("this job"), "{:?}", found.evidence);
            assert!(!found.advice.iter().any(|advice| advice.text.contains("ssh -A")), "{:?}", found.advice);
        }
    }

    #[test]
    fn more_keys_than_a_server_hears_are_told() {
        let of = |count| facts(AgentState::Listed { key_types: vec!["ssh-ed25519".to_owned(); count] }, &[], false);
        assert_eq!(CHECK.judge(&of(5)), Outcome::Pass);
        let found = findings(&CHECK, &of(6));
        assert_eq!((found[0].kind.id, found[0].severity), ("ssh-agent-many-keys", Severity::Info));
    }

    #[test]
    fn an_empty_agent_of_somebody_without_keys_is_no_warning() {
        let found = findings(&CHECK, &facts(AgentState::Listed { key_types: Vec::new() }, &[], false));
        assert_eq!(found[0].severity, Severity::Info);
    }

    #[test]
    fn the_command_names_the_key_that_is_there_and_nothing_a_shell_would_run() {
        let command = |names: &[&str], keychain| {
            let found = findings(&CHECK, &facts(AgentState::Missing, names, keychain));
            found[0].advice[0].command.clone().unwrap()
        };
        assert_eq!(command(&["id_ed25519", "id_rsa"], true), "eval \"$(keychain --eval --quiet id_ed25519)\"");
        assert_eq!(command(&["cluster"], false), "eval \"$(ssh-agent)\" && ssh-add ~/.ssh/cluster");
        assert_eq!(command(&["$(rm -rf ~)"], false), "eval \"$(ssh-agent)\" && ssh-add");
        assert_eq!(command(&[], false), "eval \"$(ssh-agent)\"", "there is no key to add");
        assert_eq!(command(&[], true), "eval \"$(keychain --eval --quiet)\"");
        assert_eq!(command(&["-D"], false), "eval \"$(ssh-agent)\" && ssh-add");
    }
}
