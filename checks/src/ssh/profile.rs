//! Does the login shell read the file that was meant?

use crate::check::{Category, Check, Outcome};
use crate::facts::{AgentState, Facts, ProbeId, StartupFile};
use crate::finding::{FindingKind, Severity};

pub(super) static HIDDEN: Check = Check {
    id: "shell-profile",
    category: Category::Ssh,
    question: "Does the login shell read every start-up file that was meant for it?",
    needs: &[ProbeId::SshSetup],
    findings: &[&PROFILE_HIDDEN],
    run: hidden,
};

pub(super) static IDENTITY_AGENT: Check = Check {
    id: "ssh-identity-agent",
    category: Category::Ssh,
    question: "Does the container see the agent that ssh uses?",
    needs: &[ProbeId::SshAgent, ProbeId::SshSetup],
    findings: &[&AGENT_IN_CONFIG],
    run: identity_agent,
};

static PROFILE_HIDDEN: FindingKind = FindingKind {
    id: "shell-profile-hidden",
    code: "CD0413",
    severity: Severity::Info,
    title: "~/.profile is no longer read, because another start-up file stands before it",
    why: "bash reads the first of ~/.bash_profile, ~/.bash_login and ~/.profile at a login, and only that one. Whoever makes a ~/.bash_profile for keychain, as casa-distro's documentation says, switches ~/.profile off, which on Debian and Ubuntu adds ~/.local/bin to PATH and reads ~/.bashrc.",
    cure: "Let the first file read ~/.profile, or move its lines there.",
    example: "[ -f ~/.profile ] && . ~/.profile",
    since: "0.1.0",
};

static AGENT_IN_CONFIG: FindingKind = FindingKind {
    id: "ssh-identity-agent",
    code: "CD0414",
    severity: Severity::Info,
    title: "ssh finds its agent through ~/.ssh/config, which the container does not see",
    why: "A password manager often writes IdentityAgent into ~/.ssh/config. ssh on this machine then finds the agent without SSH_AUTH_SOCK, and nothing in the container does: casa_distro hands on what SSH_AUTH_SOCK names, and the container has a home directory of its own.",
    cure: "Let SSH_AUTH_SOCK name the same socket in the shell from which you start the programs.",
    example: "IdentityAgent ~/.1password/agent.sock",
    since: "0.1.0",
};

fn hidden(facts: &Facts) -> Outcome {
    let Some(setup) = &facts.ssh_setup else { return Outcome::Unknown("nothing was recorded about start-up files".to_owned()) };
    let login = match setup.login_file.as_deref() {
        Some(login @ (".bash_profile" | ".bash_login")) => login,
        _ => return Outcome::Skipped("the login shell has no file that hides another".to_owned()),
    };
    let file = |name: &str| setup.startup_files.iter().find(|file| file.name == name);
    let (Some(first), Some(profile)) = (file(login), file(".profile")) else { return Outcome::Pass };
    if let Some(unread) = [first, profile].into_iter().find(|file| file.error.is_some()) {
        return Outcome::Unknown(format!("~/{} could not be read", unread.name));
    }
    let calls = |file: &StartupFile| !file.keychain.is_empty() || !file.keychain_file_lines.is_empty();
    // Many people keep both files for reasons of their own; here it matters when keychain is in one of them.
    if !profile.has_commands || first.reads.iter().any(|read| read == ".profile") || !(calls(first) || calls(profile)) {
        return Outcome::Pass;
    }
    let mut finding = PROFILE_HIDDEN
        .found()
        .evidence(format!("~/{login} exists and does not read ~/.profile"))
        .evidence("~/.profile exists and has commands in it");
    if calls(profile) && !calls(first) {
        finding =
            finding.severity(Severity::Warning).evidence("keychain is called in ~/.profile, where no login shell of bash comes");
    }
    Outcome::Findings(vec![
        finding.advise_command(format!("Let ~/{login} read it:"), format!("echo '[ -f ~/.profile ] && . ~/.profile' >> ~/{login}")),
    ])
}

fn identity_agent(facts: &Facts) -> Outcome {
    let (Some(agent), Some(setup)) = (&facts.ssh_agent, &facts.ssh_setup) else {
        return Outcome::Unknown("nothing was recorded about ssh".to_owned());
    };
    let Some(named) = setup.identity_agent.as_deref() else { return Outcome::Pass };
    // "none" and the name of a variable are no socket (ssh_config(5)).
    let is_socket = named.starts_with(['/', '~']) || named.starts_with("%d/");
    if !is_socket || !matches!(agent.state, AgentState::Unset | AgentState::Missing | AgentState::Refused) {
        return Outcome::Pass;
    }
    let plain = named.chars().all(|c| c.is_ascii_alphanumeric() || "/._-~".contains(c));
    let variable = match &agent.socket {
        Some(socket) => format!("SSH_AUTH_SOCK is \"{}\", where no agent answers", socket.display()),
        None => "SSH_AUTH_SOCK is not set".to_owned(),
    };
    let finding =
        AGENT_IN_CONFIG.found().evidence(format!("~/.ssh/config: IdentityAgent is \"{named}\" for every host")).evidence(variable);
    let text = "Let the variable name the same socket before you start programs in the container:";
    Outcome::Findings(vec![if plain {
        finding.advise_command(text, format!("export SSH_AUTH_SOCK={named}"))
    } else {
        finding.advise("Let SSH_AUTH_SOCK name the same socket before you start programs in the container.")
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{KeychainCall, SshAgent, SshSetup};
    use crate::image::tests::{answered, findings};

    fn file(name: &str, keychain: bool) -> StartupFile {
        let keychain = if keychain { vec![KeychainCall::default()] } else { Vec::new() };
        StartupFile { name: name.into(), has_commands: true, keychain, ..StartupFile::default() }
    }

    fn facts(login: &str, files: Vec<StartupFile>) -> Facts {
        let setup = SshSetup { login_file: Some(login.into()), startup_files: files, ..SshSetup::default() };
        Facts { ssh_setup: Some(setup), ..answered() }
    }

    #[test]
    fn a_file_made_for_keychain_hides_the_profile() {
        let found = findings(&HIDDEN, &facts(".bash_profile", vec![file(".bash_profile", true), file(".profile", false)]));
        assert_eq!((found[0].kind.id, found[0].severity), ("shell-profile-hidden", Severity::Info));
        let found = findings(&HIDDEN, &facts(".bash_login", vec![file(".bash_login", false), file(".profile", true)]));
        assert_eq!(found[0].severity, Severity::Warning);
    }

    #[test]
    fn other_pairs_of_files_are_nobody_s_business() {
        let mut reads = file(".bash_profile", true);
        reads.reads = vec![".profile".into()];
        let mut empty = file(".profile", false);
        empty.has_commands = false;
        for files in [
            vec![reads, file(".profile", false)],
            vec![file(".bash_profile", true), empty],
            vec![file(".bash_profile", false), file(".profile", false)],
            vec![file(".bash_profile", true)],
        ] {
            assert_eq!(HIDDEN.judge(&facts(".bash_profile", files)), Outcome::Pass);
        }
        assert!(matches!(HIDDEN.judge(&facts(".profile", vec![])), Outcome::Skipped(_)));
        let mut unread = file(".profile", false);
        unread.error = Some("permission denied".into());
        assert!(matches!(HIDDEN.judge(&facts(".bash_profile", vec![file(".bash_profile", true), unread])), Outcome::Unknown(_)));
    }

    #[test]
    fn an_agent_that_only_the_configuration_names() {
        let facts = |named: &str, state: AgentState| {
            let setup = SshSetup { identity_agent: Some(named.into()), ..SshSetup::default() };
            Facts { ssh_setup: Some(setup), ssh_agent: Some(SshAgent { state, ..SshAgent::default() }), ..answered() }
        };
        let found = findings(&IDENTITY_AGENT, &facts("~/.1password/agent.sock", AgentState::Unset));
        assert_eq!(found[0].advice[0].command.as_deref(), Some("export SSH_AUTH_SOCK=~/.1password/agent.sock"));
        let odd = findings(&IDENTITY_AGENT, &facts("~/a b;c", AgentState::Unset));
        assert_eq!(odd[0].advice[0].command, None);
        for (named, state) in
            [("none", AgentState::Unset), ("SSH_AUTH_SOCK", AgentState::Unset), ("/x", AgentState::Listed { key_types: vec![] })]
        {
            assert_eq!(IDENTITY_AGENT.judge(&facts(named, state)), Outcome::Pass, "{named}");
        }
        assert!(matches!(IDENTITY_AGENT.judge(&answered()), Outcome::Unknown(_)));
    }
}
