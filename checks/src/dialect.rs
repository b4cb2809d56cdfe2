//! Commands are written for sh and its like. Who uses another shell is told so, since `export` and `unset` fail in tcsh, or do
//! something else there.

use crate::check::Outcome;
use crate::facts::Facts;
use crate::finding::Advice;

/// Shells with words of their own. Others are taken for relatives of sh.
const OTHERS: [&str; 8] = ["csh", "tcsh", "fish", "nu", "elvish", "xonsh", "pwsh", "rc"];

/// Says of each command that only sh and its like understand that it is for bash, where the user's login shell is another one.
pub fn adapt(outcome: &mut Outcome, facts: &Facts) {
    let shell = facts.ssh_setup.as_ref().and_then(|setup| setup.login_shell.as_deref());
    let Some(shell) = shell.filter(|shell| OTHERS.contains(shell)) else { return };
    let Outcome::Findings(findings) = outcome else { return };
    for advice in findings.iter_mut().flat_map(|finding| &mut finding.advice) {
        if advice.command.as_deref().is_some_and(is_for_sh) {
            explain(advice, shell);
        }
    }
}

/// Whether a command has words or signs of sh that other shells do not share.
fn is_for_sh(command: &str) -> bool {
    let first = command.split([' ', '=']).next().unwrap_or_default();
    let assigns = command[first.len()..].starts_with('=');
    assigns || ["export", "unset", "eval"].contains(&first) || ["$(", "2>"].iter().any(|sign| command.contains(sign))
}

fn explain(advice: &mut Advice, shell: &str) {
    let body = advice.text.trim_end_matches(['.', ':']);
    let end = &advice.text[body.len()..];
    advice.text = format!("{body} (in bash, and go on there: your login shell, {shell}, has other words for this){end}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SshSetup;
    use crate::registry;

    fn told(shell: Option<&str>) -> Vec<String> {
        let setup = SshSetup { login_shell: shell.map(str::to_owned), ..SshSetup::default() };
        let facts = Facts { ssh_setup: Some(setup), ..Facts::default() };
        let (kind, _) = registry::finding_kinds().next().unwrap();
        let finding = kind
            .found()
            .advise_command("Name it:", "export DISPLAY=:1")
            .then_command("Look.", "DISPLAY=:1 xdpyinfo")
            .advise_command("Or this.", "ssh -X host")
            .advise("Read on.");
        let mut outcome = Outcome::Findings(vec![finding]);
        adapt(&mut outcome, &facts);
        let Outcome::Findings(findings) = outcome else { unreachable!() };
        findings[0].advice.iter().map(|advice| advice.text.clone()).collect()
    }

    #[test]
    fn who_uses_another_shell_is_told_what_is_for_bash() {
        let why = "(in bash, and go on there: your login shell, tcsh, has other words for this)";
        let expected = [format!("Name it {why}:"), format!("Then look {why}."), "Or this.".into(), "Read on.".into()];
        assert_eq!(told(Some("tcsh")), expected);
    }

    #[test]
    fn relatives_of_sh_and_unknown_shells_are_told_nothing() {
        for shell in [Some("bash"), Some("zsh"), Some("ksh93"), None] {
            assert_eq!(told(shell), ["Name it:", "Then look.", "Or this.", "Read on."], "{shell:?}");
        }
    }

    #[test]
    fn what_is_for_sh() {
        for command in
            ["unset A B", "eval \"$(ssh-agent)\"", "sudo usermod -aG \"$(stat -c %G /dev/x)\" anna", "du -x 2>/dev/null", "A=b c"]
        {
            assert!(is_for_sh(command), "{command}");
        }
        for command in ["ssh-add ~/.ssh/id_rsa", "casa-doctor run --env A=b", "sudo mount -o remount /", ""] {
            assert!(!is_for_sh(command), "{command}");
        }
    }
}
