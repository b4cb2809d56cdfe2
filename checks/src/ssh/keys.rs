//! Are the private keys where they belong, and closed to others?

use crate::check::{Category, Check, Outcome};
use crate::config::layers::shell_word;
use crate::facts::{ContainerSsh, Facts, KeyFile, ProbeId, SshSetup};
use crate::finding::{Finding, FindingKind, Severity};
use crate::paths::below;

pub(super) static CHECK: Check = Check {
    id: "ssh-keys",
    category: Category::Ssh,
    question: "Are private keys where they belong, and closed to others?",
    needs: &[ProbeId::SshSetup],
    findings: &[&COPIED, &OPEN],
    run: keys,
};

static COPIED: FindingKind = FindingKind {
    id: "ssh-keys-copied",
    code: "CD0409",
    severity: Severity::Warning,
    title: "Private ssh keys were copied into the container's home directory",
    why: "A private key should exist once. Every program of every container of the environment can read the copy, it is forgotten when the key is replaced, and whoever gets the environment's directory, by a shared disk or an archive, gets the key with it. casa_distro hands the ssh agent on to the container, so that no copy is needed.",
    cure: "Let the agent serve the container, and delete the copies once ssh works without them.",
    example: "/home/anna/casa_distro/brainvisa-5.1/home/.ssh/id_rsa",
    since: "0.1.0",
};

static OPEN: FindingKind = FindingKind {
    id: "ssh-key-permissions",
    code: "CD0412",
    severity: Severity::Warning,
    title: "A private ssh key can be read by others, so that ssh refuses it",
    why: "ssh ignores a private key of yours whose permissions let anybody else read or change it, and so do ssh-add and keychain. Copies from another disk, from an archive or from Windows often arrive with open permissions.",
    cure: "Take the permissions away from everybody but yourself, with chmod 600.",
    example: "Permissions 0644 for '/home/anna/.ssh/id_rsa' are too open.",
    since: "0.1.0",
};

fn keys(facts: &Facts) -> Outcome {
    let Some(setup) = &facts.ssh_setup else { return Outcome::Unknown("nothing was recorded about ssh keys".to_owned()) };
    let mut findings: Vec<_> = setup.container_home.as_ref().and_then(|home| copied(setup, home)).into_iter().collect();
    findings.extend(open(setup));
    if findings.is_empty() {
        if let Some(home) = setup.container_home.as_ref().filter(|home| home.keys.is_none()) {
            return Outcome::Unknown(format!("{} cannot be looked into", below(&home.path, ".ssh").display()));
        }
        if let Some(reason) = setup.unknown.get("home").or_else(|| setup.unknown.get("keys")) {
            return Outcome::Unknown(format!("~/.ssh could not be looked into: {reason}"));
        }
    }
    Outcome::of(findings)
}

fn copied(setup: &SshSetup, home: &ContainerSsh) -> Option<Finding> {
    let keys = home.keys.as_ref().filter(|keys| !keys.is_empty())?;
    // A link leads to keys that exist once, and so does a container's home that is the user's own.
    if home.is_home || home.link.is_some() {
        return None;
    }
    let mut finding = COPIED.found();
    for key in keys {
        let protection = match key.encrypted {
            Some(true) => "",
            Some(false) => ", and no passphrase protects it",
            None => "",
        };
        finding =
            finding.evidence(format!("{} is a private key{protection}", below(&below(&home.path, ".ssh"), &key.name).display()));
    }
    finding = finding.advise("Let an ssh agent hold the key on this machine: casa_distro hands the agent on to the container.");
    // The name alone says nothing: what is deleted must exist a second time, byte by byte.
    let (twice, once): (Vec<&KeyFile>, Vec<&KeyFile>) = keys.iter().partition(|key| key.same_as_own == Some(true));
    let is_named_alike = |key: &&KeyFile| setup.keys.iter().any(|own| own.name == key.name);
    let (other, lone): (Vec<&KeyFile>, Vec<&KeyFile>) = once.into_iter().partition(is_named_alike);
    let names = |keys: &[&KeyFile]| keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(" or ");
    if !lone.is_empty() {
        let names = names(&lone);
        finding = finding.advise(format!("Also save what is only here: no key in ~/.ssh is called {names}; move it there first."));
    }
    let (differ, unread): (Vec<&KeyFile>, Vec<&KeyFile>) = other.into_iter().partition(|key| key.same_as_own == Some(false));
    if !differ.is_empty() {
        let names = names(&differ);
        finding = finding.advise(format!(
            "Also take care: in ~/.ssh another key, or the same with another passphrase, is called {names}. Keep this one, under another \
             name there, until you know that nothing needs it."
        ));
    }
    if !unread.is_empty() {
        let names = names(&unread);
        finding = finding.advise(format!(
            "Also take care: a key in ~/.ssh is called {names}, too. It could not be compared, or a link makes both one file: make sure that there are \
             two, and that they are the same, before you delete one."
        ));
    }
    let paths: Vec<_> =
        twice.iter().map(|key| shell_word(&below(&below(&home.path, ".ssh"), &key.name).display().to_string())).collect();
    if !paths.is_empty() {
        finding =
            finding.advise_command("Then delete the copies; the very same keys are in ~/.ssh:", format!("rm {}", paths.join(" ")));
    }
    Some(finding)
}

fn open(setup: &SshSetup) -> Option<Finding> {
    // What OpenSSH asks: sshkey_perm_ok in its authfile.c looks at the owner's own files only.
    let open: Vec<_> = setup.keys.iter().filter(|key| key.own && key.mode & 0o077 != 0).collect();
    if open.is_empty() {
        return None;
    }
    let directory = below(&setup.home.clone().unwrap_or_default(), ".ssh");
    let mut finding = OPEN.found();
    for key in &open {
        finding = finding.evidence(format!("{} has mode {:04o}", below(&directory, &key.name).display(), key.mode));
    }
    let paths: Vec<_> = open.iter().map(|key| shell_word(&below(&directory, &key.name).display().to_string())).collect();
    Some(finding.advise_command("Close them to everybody but yourself:", format!("chmod 600 {}", paths.join(" "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::{answered, findings};

    fn key(name: &str, mode: u32) -> KeyFile {
        KeyFile { name: name.into(), mode, own: true, encrypted: Some(false), same_as_own: None }
    }

    fn compared(name: &str, same_as_own: Option<bool>) -> KeyFile {
        KeyFile { same_as_own, ..key(name, 0o600) }
    }

    fn facts(own: Vec<KeyFile>, copied: Option<Vec<KeyFile>>) -> Facts {
        let container =
            ContainerSsh { path: "/bv/my home".into(), keys: copied, known_hosts: Some(false), ..ContainerSsh::default() };
        let home = Some("/home/anna".into());
        Facts {
            ssh_setup: Some(SshSetup { home, keys: own, container_home: Some(container), ..SshSetup::default() }),
            ..answered()
        }
    }

    #[test]
    fn copies_are_told_and_only_what_exists_twice_is_to_be_deleted() {
        let copies = vec![compared("id_rsa", Some(true)), compared("lone", None)];
        let found = findings(&CHECK, &facts(vec![key("id_rsa", 0o600)], Some(copies)));
        assert_eq!((found.len(), found[0].kind.id), (1, "ssh-keys-copied"));
        assert!(found[0].evidence[0].contains("no passphrase"));
        assert_eq!(found[0].advice.last().unwrap().command.as_deref(), Some("rm '/bv/my home/.ssh/id_rsa'"));
        assert!(found[0].advice[1].text.contains("lone"));
    }

    #[test]
    fn a_key_that_only_bears_the_name_of_another_is_not_to_be_deleted() {
        for (same, said) in [(Some(false), "another passphrase"), (None, "one file")] {
            let found = findings(&CHECK, &facts(vec![key("id_rsa", 0o600)], Some(vec![compared("id_rsa", same)])));
            assert!(found[0].advice.iter().all(|advice| advice.command.is_none()), "{found:?}");
            assert!(found[0].advice[1].text.contains(said), "{found:?}");
        }
    }

    #[test]
    fn the_own_home_a_link_and_a_home_without_keys_are_healthy() {
        assert_eq!(CHECK.judge(&facts(vec![key("id_rsa", 0o600)], Some(vec![]))), Outcome::Pass);
        for change in [|home: &mut ContainerSsh| home.is_home = true, |home: &mut ContainerSsh| home.link = Some("/x".into())] {
            let mut facts = facts(vec![], Some(vec![key("id_rsa", 0o600)]));
            change(facts.ssh_setup.as_mut().unwrap().container_home.as_mut().unwrap());
            assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        }
    }

    #[test]
    fn open_permissions_of_own_keys() {
        let found = findings(&CHECK, &facts(vec![key("id_rsa", 0o644), key("ok", 0o400)], Some(vec![])));
        assert_eq!((found.len(), found[0].kind.id), (1, "ssh-key-permissions"));
        assert!(found[0].evidence[0].contains("0644") && found[0].evidence.len() == 1);
        let mut foreign = key("id_rsa", 0o644);
        foreign.own = false;
        assert_eq!(CHECK.judge(&facts(vec![foreign], Some(vec![]))), Outcome::Pass);
    }

    #[test]
    fn what_cannot_be_looked_into_is_unknown() {
        assert!(matches!(CHECK.judge(&facts(vec![], None)), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&answered()), Outcome::Unknown(_)));
    }
}
