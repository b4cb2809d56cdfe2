//! Do the shell's start-up files keep silent for soma-workflow?

use super::host_file;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "somaworkflow-startup",
    category: Category::Distributed,
    question: "Do the shell's start-up files keep silent for soma-workflow?",
    needs: &[ProbeId::SomaWorkflow, ProbeId::SshSetup],
    findings: &[&NOISE],
    run: startup,
};

static NOISE: FindingKind = FindingKind {
    id: "somaworkflow-noise",
    code: "CD1204",
    severity: Severity::Warning,
    title: "The shell's start-up file prints messages that soma-workflow takes for a failure",
    why: "soma-workflow connects by ssh, reads ~/.profile, ~/.bash_profile and ~/.bashrc there, and takes any line on standard error for a sign that it is not installed. keychain writes its messages to standard error unless it is called with --quiet.",
    cure: "Call keychain with --quiet.",
    example: "Cannot find soma-workflow on cluster. Please verify if your PYTHONPATH includes the soma-workflow.",
    since: "0.1.0",
};

/// The files that soma-workflow reads on the other side, whichever of them a login shell would read (its `SSH_exec_cmd`).
const READ: [&str; 3] = [".profile", ".bash_profile", ".bashrc"];

fn startup(facts: &Facts) -> Outcome {
    let file = match host_file(facts) {
        Ok((_, file)) => file,
        Err(outcome) => return outcome,
    };
    let Some(setup) = &facts.ssh_setup else { return Outcome::Unknown("nothing was recorded about start-up files".to_owned()) };
    if file.resources.iter().all(|resource| resource.local) {
        return Outcome::Skipped("no resource is reached by ssh".to_owned());
    }
    let read = || setup.startup_files.iter().filter(|file| READ.contains(&file.name.as_str()));
    let mut finding = NOISE.found();
    for file in read() {
        for call in file.keychain.iter().filter(|call| !call.quiet && !call.guarded) {
            finding = finding
                .evidence(format!("~/{}:{}: calls keychain without --quiet", file.name, call.line))
                .advise(format!("Add --quiet to the call of keychain in line {} of ~/{}.", call.line, file.name));
        }
    }
    if finding.evidence.is_empty() {
        return match read().find_map(|file| file.error.as_ref().map(|error| (&file.name, error))) {
            Some((name, error)) => Outcome::Unknown(format!("~/{name} could not be read: {error}")),
            None => Outcome::Pass,
        };
    }
    if !file.resources.iter().any(|resource| resource.served_here && !resource.local) {
        finding = finding
            .severity(Severity::Info)
            .evidence("soma-workflow reads the files of the other machine, which are these only if both share the home directory");
    }
    Outcome::Findings(vec![finding])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, facts_of};
    use super::*;
    use crate::facts::{KeychainCall, SomaResource, SshSetup, StartupFile};
    use crate::image::tests::findings;

    fn facts(name: &str, quiet: bool, guarded: bool, resource: SomaResource) -> Facts {
        let keychain = vec![KeychainCall { line: 2, quiet, guarded, ..KeychainCall::default() }];
        let file = StartupFile { name: name.into(), keychain, ..StartupFile::default() };
        Facts { ssh_setup: Some(SshSetup { startup_files: vec![file], ..SshSetup::default() }), ..facts_of(resource) }
    }

    #[test]
    fn a_keychain_that_talks() {
        let found = findings(&CHECK, &facts(".bash_profile", false, false, cluster()));
        assert_eq!((found[0].kind.id, found[0].severity), ("somaworkflow-noise", Severity::Warning));
        assert!(found[0].evidence[0].contains("~/.bash_profile:2"));
        let remote = SomaResource { served_here: false, ..cluster() };
        assert_eq!(findings(&CHECK, &facts(".profile", false, false, remote))[0].severity, Severity::Info);
    }

    #[test]
    fn silence_and_what_is_not_read() {
        for (name, quiet, guarded) in [(".bashrc", true, false), (".bashrc", false, true), (".zshrc", false, false)] {
            assert_eq!(CHECK.judge(&facts(name, quiet, guarded, cluster())), Outcome::Pass, "{name}");
        }
        let local = SomaResource { local: true, ..cluster() };
        assert!(matches!(CHECK.judge(&facts(".bashrc", false, false, local)), Outcome::Skipped(_)));
        let mut unread = facts(".bashrc", true, false, cluster());
        unread.ssh_setup.as_mut().unwrap().startup_files[0].error = Some("permission denied".into());
        assert!(matches!(CHECK.judge(&unread), Outcome::Unknown(_)));
    }
}
