//! Does keychain lead to the agent?

use super::agent::{key, start_one};
use crate::check::{Category, Check, Outcome};
use crate::config::layers::shell_word;
use crate::facts::{AgentState, Facts, KeychainFile, ProbeId, SshAgent, SshSetup};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "keychain",
    category: Category::Ssh,
    question: "Does keychain lead to a living agent with the right key?",
    needs: &[ProbeId::SshAgent, ProbeId::SshSetup],
    findings: &[&MISSING, &STALE],
    run: keychain,
};

static MISSING: FindingKind = FindingKind {
    id: "keychain-missing",
    code: "CD0407",
    severity: Severity::Info,
    title: "There is neither an ssh agent nor keychain",
    why: "keychain starts one ssh agent for a whole machine and lets every new shell find it again, so that a passphrase is asked for once. It is the way in which casa-distro's documentation brings ssh keys into a container. Who uses no ssh in containers, or has an agent from the desktop, does not need it.",
    cure: "Let an administrator install the package keychain, and call it in the start-up file of the login shell.",
    example: "bash: keychain: command not found",
    since: "0.1.0",
};

static STALE: FindingKind = FindingKind {
    id: "keychain-stale",
    code: "CD0408",
    severity: Severity::Warning,
    title: "keychain remembers an agent that is gone",
    why: "keychain writes the socket of its agent into a file in ~/.keychain, named after the machine. After a reboot, or when the agent was ended, the file still names the old socket: shells that only read the file, and programs started from them, look for an agent that is not there, and so does the container. The same happens when the machine gets another name, or when keychain is asked for a key that does not exist.",
    cure: "Call keychain, which looks whether its agent lives and starts another one if not, in every shell that needs the agent, with the name of a key that exists.",
    example: "Error connecting to agent: No such file or directory",
    since: "0.1.0",
};

fn keychain(facts: &Facts) -> Outcome {
    let (Some(agent), Some(setup)) = (&facts.ssh_agent, &facts.ssh_setup) else {
        return Outcome::Unknown("nothing was recorded about the ssh agent or keychain".to_owned());
    };
    if facts.is_windows() {
        return Outcome::Skipped("keychain is not used on Windows".to_owned());
    }
    let mut findings = Vec::new();
    if is_gone(&agent.state) && agent.keychain.is_none() {
        findings.push(missing(agent, setup));
    }
    match file(agent, setup) {
        Ok(finding) => findings.extend(finding),
        // What was found so far is known all the same.
        Err(reason) if findings.is_empty() => return Outcome::Unknown(reason),
        Err(_) => {}
    }
    findings.extend(asked_key(agent, setup));
    Outcome::of(findings)
}

/// Whether there is certainly no agent.
fn is_gone(state: &AgentState) -> bool {
    matches!(state, AgentState::Unset | AgentState::Missing | AgentState::Refused)
}

fn has_keys(state: &AgentState) -> bool {
    matches!(state, AgentState::Listed { key_types } if !key_types.is_empty())
}

fn missing(agent: &SshAgent, setup: &SshSetup) -> Finding {
    let calls: Vec<_> =
        setup.startup_files.iter().flat_map(|file| file.keychain.iter().map(move |call| (&file.name, call.line))).collect();
    let mut finding = MISSING.found().evidence(variable(agent)).evidence("keychain was not found on PATH");
    if !calls.is_empty() {
        finding = finding.severity(Severity::Warning).title("The shell's start-up file calls keychain, which is not installed");
    }
    for (name, line) in calls {
        finding = finding.evidence(format!("~/{name}:{line}: calls keychain"));
    }
    let finding = finding.advise("To have one agent for all shells, let an administrator install the package keychain.");
    if setup.keys.is_empty() && agent.key_files.is_empty() { finding } else { start_one(finding, agent) }
}

fn variable(agent: &SshAgent) -> String {
    let state = match &agent.state {
        AgentState::Missing => ", which does not exist",
        AgentState::Refused => ", where nobody listens",
        AgentState::Listed { key_types } if key_types.is_empty() => ", an agent that lists no key",
        AgentState::Listed { .. } => ", an agent with keys",
        _ => "",
    };
    agent
        .socket
        .as_ref()
        .map_or_else(|| "SSH_AUTH_SOCK is not set".to_owned(), |socket| format!("SSH_AUTH_SOCK is \"{}\"{state}", socket.display()))
}

fn named(file: &KeychainFile) -> String {
    let socket = file.socket.as_deref().unwrap_or(std::path::Path::new("")).display();
    let state = match &file.state {
        AgentState::Missing => ", which does not exist",
        AgentState::Refused => ", where nobody listens",
        AgentState::Listed { .. } => ", where an agent answers",
        _ => "",
    };
    format!("{}: names the socket \"{socket}\"{state}", file.path.display())
}

/// What is wrong with the file in which keychain remembers the agent of this machine.
fn file(agent: &SshAgent, setup: &SshSetup) -> Result<Option<Finding>, String> {
    let no_agent = is_gone(&agent.state);
    let Some(current) = setup.keychain_files.iter().find(|file| file.current) else {
        if let Some(reason) = setup.unknown.get("keychain_files") {
            return Err(format!("~/.keychain could not be listed: {reason}"));
        }
        if setup.hostname.is_none() && !setup.keychain_files.is_empty() {
            return Err("the name of this machine, by which keychain calls its file, is not known".to_owned());
        }
        // A home directory shared by several machines holds files of all of them: one matters if its agent answers here.
        let renamed = setup.keychain_files.iter().find(|file| no_agent && matches!(file.state, AgentState::Listed { .. }));
        return Ok(renamed.map(|file| other_name(agent, setup, file)));
    };
    if let Some(error) = &current.error {
        return Err(format!("{} could not be read: {error}", current.path.display()));
    }
    if current.socket.is_none() {
        return Ok(None);
    }
    let evidence = |finding: Finding| finding.evidence(named(current)).evidence(variable(agent));
    let reads = file_reads(setup);
    if is_gone(&current.state) {
        if !no_agent && !matches!(agent.state, AgentState::Listed { .. }) {
            // The agent of the session has a trouble of its own, which is told by itself.
            return Ok(None);
        }
        let uses_keychain = !reads.is_empty() || setup.startup_files.iter().any(|file| !file.keychain.is_empty());
        let severity = match (no_agent, reads.is_empty()) {
            (true, _) if agent.socket.is_some() || uses_keychain => Severity::Warning,
            (false, false) => Severity::Warning,
            _ => Severity::Info,
        };
        let mut finding = evidence(STALE.found().severity(severity));
        if !no_agent {
            finding = finding.title("keychain remembers an agent that is gone, and the session has another one");
        }
        for line in &reads {
            finding = finding
                .evidence(line.as_str())
                .advise("Call keychain there instead of reading its file: it looks whether the agent lives.");
        }
        return Ok(Some(if no_agent { renew(finding, agent, current) } else { forget(finding, current) }));
    }
    let lost =
        no_agent || (matches!(&agent.state, AgentState::Listed { .. }) && !has_keys(&agent.state) && has_keys(&current.state));
    if lost && matches!(current.state, AgentState::Listed { .. }) && agent.socket != current.socket {
        let finding = evidence(STALE.found().title("keychain's agent lives, and this session does not use it"));
        return Ok(Some(adopt(finding, agent, current)));
    }
    Ok(None)
}

/// The lines that read keychain's file instead of calling keychain.
fn file_reads(setup: &SshSetup) -> Vec<String> {
    let called = setup.startup_files.iter().any(|file| !file.keychain.is_empty());
    let files = setup.startup_files.iter().filter(|_| !called);
    files
        .flat_map(|file| file.keychain_file_lines.iter().map(move |line| format!("~/{}:{line}: reads keychain's file", file.name)))
        .collect()
}

fn other_name(agent: &SshAgent, setup: &SshSetup, file: &KeychainFile) -> Finding {
    let finding = STALE
        .found()
        .title("keychain remembers its agent under another name of this machine")
        .evidence(named(file))
        .evidence(format!("keychain now calls this machine \"{}\"", setup.hostname.as_deref().unwrap_or("(unknown)")))
        .evidence(variable(agent));
    adopt(finding, agent, file)
}

fn renew(finding: Finding, agent: &SshAgent, file: &KeychainFile) -> Finding {
    if agent.keychain.is_some() { start_one(finding, agent) } else { forget(start_one(finding, agent), file) }
}

fn forget(finding: Finding, file: &KeychainFile) -> Finding {
    finding.advise_command("If you do not use keychain any more, remove its file:", format!("rm {}", word(file)))
}

/// Settings of a living agent, read from keychain's own file.
fn adopt(finding: Finding, agent: &SshAgent, file: &KeychainFile) -> Finding {
    let finding = finding.advise_command("Use it in this shell:", format!(". {}", word(file)));
    match (&agent.keychain, file.current) {
        (Some(_), true) => finding
            .advise("Also, to have it in every shell, call keychain in the start-up file that the shell reads: ~/.bashrc for a terminal of the desktop."),
        _ => finding,
    }
}

fn word(file: &KeychainFile) -> String {
    shell_word(&file.path.display().to_string())
}

/// keychain is asked for keys that do not exist.
fn asked_key(agent: &SshAgent, setup: &SshSetup) -> Option<Finding> {
    let mut finding = STALE.found().title("keychain is asked for a key that does not exist");
    for file in &setup.startup_files {
        for call in &file.keychain {
            for asked in call.keys.iter().filter(|asked| asked.exists == Some(false)) {
                finding = finding.evidence(format!(
                    "~/{}:{}: asks for the key \"{}\", which is not in ~/.ssh",
                    file.name, call.line, asked.name
                ));
            }
        }
    }
    if finding.evidence.is_empty() {
        return None;
    }
    let there: Vec<_> = setup.keys.iter().map(|key| key.name.as_str()).collect();
    let finding = if has_keys(&agent.state) {
        finding.severity(Severity::Info).evidence("the session's agent has a key all the same")
    } else {
        finding
    };
    Some(match (there.is_empty(), key(agent)) {
        (true, _) if setup.unknown.contains_key("keys") => {
            finding.advise("Look which keys there are in ~/.ssh, and let keychain ask for one of them.")
        }
        (true, _) => finding
            .evidence("there is no private key in ~/.ssh")
            .advise_command("Make a key, and let keychain ask for it:", "ssh-keygen -t ed25519"),
        (false, None) => finding
            .evidence(format!("keys in ~/.ssh: {}", there.join(", ")))
            .advise("Let keychain ask for one of the keys that are there."),
        (false, Some(key)) => finding
            .evidence(format!("keys in ~/.ssh: {}", there.join(", ")))
            .advise_command("Write this line instead in the start-up file:", format!("eval \"$(keychain --eval --quiet {key})\"")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{AskedKey, KeyFile, KeychainCall, StartupFile};
    use crate::image::tests::{answered, findings};

    const SOCKET: &str = "/tmp/ssh-new/agent.9";

    fn listed(keys: &[&str]) -> AgentState {
        AgentState::Listed { key_types: keys.iter().map(|kind| (*kind).to_owned()).collect() }
    }

    fn agent(state: AgentState) -> SshAgent {
        let socket = (state != AgentState::Unset).then(|| "/tmp/ssh-old/agent.1".into());
        SshAgent { socket, state, key_files: vec!["id_ed25519".into()], keychain: Some("/usr/bin/keychain".into()) }
    }

    fn remembered(state: AgentState, current: bool) -> KeychainFile {
        let hostname = if current { "atlas" } else { "old" };
        let path = format!("/home/anna/.keychain/{hostname}-sh").into();
        KeychainFile { path, hostname: hostname.into(), current, socket: Some(SOCKET.into()), state, error: None }
    }

    fn facts(state: AgentState, files: Vec<KeychainFile>) -> Facts {
        let keys = vec![KeyFile { name: "id_ed25519".into(), mode: 0o600, own: true, encrypted: Some(true), ..KeyFile::default() }];
        let setup = SshSetup { hostname: Some("atlas".into()), keychain_files: files, keys, ..SshSetup::default() };
        Facts { ssh_agent: Some(agent(state)), ssh_setup: Some(setup), ..answered() }
    }

    fn call(facts: &mut Facts, key: &str, exists: Option<bool>) {
        let keys = vec![AskedKey { name: key.into(), exists }];
        let keychain = vec![KeychainCall { line: 3, keys, ..KeychainCall::default() }];
        facts.ssh_setup.as_mut().unwrap().startup_files =
            vec![StartupFile { name: ".bash_profile".into(), has_commands: true, keychain, ..StartupFile::default() }];
    }

    #[test]
    fn a_dead_agent_in_the_file_and_none_in_the_session() {
        for state in [AgentState::Missing, AgentState::Refused] {
            let found = findings(&CHECK, &facts(state.clone(), vec![remembered(state, true)]));
            assert_eq!((found.len(), found[0].kind.id, found[0].severity), (1, "keychain-stale", Severity::Warning));
            assert!(found[0].advice[0].command.as_ref().unwrap().contains("keychain --eval --quiet id_ed25519"));
        }
        let unused = facts(AgentState::Unset, vec![remembered(AgentState::Missing, true)]);
        assert_eq!(findings(&CHECK, &unused)[0].severity, Severity::Info);
        let mut used = unused;
        call(&mut used, "id_ed25519", Some(true));
        assert_eq!(findings(&CHECK, &used)[0].severity, Severity::Warning);
    }

    #[test]
    fn a_living_agent_that_the_session_does_not_use() {
        for state in [AgentState::Unset, AgentState::Missing, listed(&[])] {
            let found = findings(&CHECK, &facts(state.clone(), vec![remembered(listed(&["ssh-rsa"]), true)]));
            assert_eq!((found.len(), found[0].kind.id), (1, "keychain-stale"), "{state:?}");
            assert_eq!(found[0].advice[0].command.as_deref(), Some(". /home/anna/.keychain/atlas-sh"));
        }
        let renamed = findings(&CHECK, &facts(AgentState::Unset, vec![remembered(listed(&["ssh-rsa"]), false)]));
        assert!(renamed[0].title.as_ref().unwrap().contains("another name"));
    }

    #[test]
    fn a_file_that_does_no_harm_is_no_warning() {
        let other = facts(listed(&["ssh-rsa"]), vec![remembered(AgentState::Missing, true)]);
        assert_eq!(findings(&CHECK, &other)[0].severity, Severity::Info);
        let mut reads = other;
        let file = StartupFile { name: ".bashrc".into(), keychain_file_lines: vec![4], ..StartupFile::default() };
        reads.ssh_setup.as_mut().unwrap().startup_files = vec![file];
        assert_eq!(findings(&CHECK, &reads)[0].severity, Severity::Warning);
        for facts in [
            facts(listed(&["ssh-rsa"]), vec![remembered(listed(&["ssh-rsa"]), true)]),
            facts(listed(&["ssh-rsa"]), vec![]),
            facts(AgentState::Unset, vec![remembered(AgentState::Missing, false)]),
            facts(AgentState::Hung { limit_ms: 1 }, vec![remembered(AgentState::Missing, true)]),
            facts(AgentState::Unset, vec![]),
        ] {
            assert_eq!(CHECK.judge(&facts), Outcome::Pass, "{facts:?}");
        }
    }

    #[test]
    fn a_key_that_does_not_exist() {
        let mut wrong = facts(listed(&[]), vec![]);
        call(&mut wrong, "id_rsa", Some(false));
        let found = findings(&CHECK, &wrong);
        assert_eq!((found[0].kind.id, found[0].severity), ("keychain-stale", Severity::Warning));
        assert!(found[0].evidence[0].contains("~/.bash_profile:3") && found[0].evidence[0].contains("id_rsa"));
        assert!(found[0].advice[0].command.as_ref().unwrap().contains("id_ed25519"));
        wrong.ssh_agent.as_mut().unwrap().state = listed(&["ssh-ed25519"]);
        assert_eq!(findings(&CHECK, &wrong)[0].severity, Severity::Info);
        for exists in [Some(true), None] {
            let mut right = facts(listed(&[]), vec![]);
            call(&mut right, "id_ed25519", exists);
            assert_eq!(CHECK.judge(&right), Outcome::Pass);
        }
    }

    #[test]
    fn without_keychain_it_is_missed_only_where_there_is_no_agent() {
        let mut facts = facts(AgentState::Unset, vec![]);
        facts.ssh_agent.as_mut().unwrap().keychain = None;
        let found = findings(&CHECK, &facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("keychain-missing", Severity::Info));
        call(&mut facts, "id_ed25519", Some(true));
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Warning);
        facts.ssh_agent.as_mut().unwrap().state = listed(&["ssh-rsa"]);
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn what_could_not_be_read_is_unknown() {
        let mut unreadable = remembered(AgentState::Unset, true);
        (unreadable.socket, unreadable.error) = (None, Some("permission denied".into()));
        assert!(matches!(CHECK.judge(&facts(AgentState::Unset, vec![unreadable])), Outcome::Unknown(_)));
        let mut nameless = facts(AgentState::Unset, vec![remembered(listed(&["ssh-rsa"]), false)]);
        nameless.ssh_setup.as_mut().unwrap().hostname = None;
        assert!(matches!(CHECK.judge(&nameless), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&answered()), Outcome::Unknown(_)));
    }
}
