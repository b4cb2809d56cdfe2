//! Does the container get past the .profile in its home directory?

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, HomeProfile, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};
use crate::image::{environment, setting};
use crate::paths::below;

pub(super) static CHECK: Check = Check {
    id: "home-profile",
    category: Category::Storage,
    question: "Does the container get past the .profile in its home directory?",
    needs: &[ProbeId::Environment, ProbeId::SshSetup],
    findings: &[&BROKEN],
    run: profile,
};

static BROKEN: FindingKind = FindingKind {
    id: "home-profile-broken",
    code: "CD1304",
    severity: Severity::Warning,
    title: "The .profile in the container's home directory stops every command",
    why: "The start script of the images sources .profile of the container's home directory before each command. The script is one of sh, which is dash in images of Debian and Ubuntu: at a mistake in the file it ends, and so it does at exit and exec. Nothing starts then, whatever the command. Images of the first years do not read the file.",
    cure: "Mend the line that the evidence names, or move the file away: only the container uses it.",
    example: "/usr/local/bin/entrypoint: 3: /casa/home/.profile: Syntax error: \"(\" unexpected",
    since: "0.1.0",
};

fn profile(facts: &Facts) -> Outcome {
    let Some(environment) = environment(facts) else { return Outcome::Skipped("there is no environment".to_owned()) };
    if setting(environment, "container_type") == Some("vbox") {
        return Outcome::Skipped("a virtual machine has a home of its own".to_owned());
    }
    let Some(setup) = &facts.ssh_setup else { return Outcome::Unknown("nothing was recorded about start-up files".to_owned()) };
    let Some(home) = &setup.container_home else {
        return match setup.unknown.get("container_home") {
            Some(reason) => Outcome::Unknown(format!("the container's home directory could not be looked into: {reason}")),
            None => Outcome::Skipped("the environment has no home directory for the container".to_owned()),
        };
    };
    let Some(profile) = &home.profile else { return Outcome::Pass };
    let file = below(&home.path, ".profile").display().to_string();
    match (stops(profile, &file), &profile.error) {
        (Some(finding), _) => {
            let away = crate::config::layers::shell_word(&file);
            Outcome::Findings(vec![if home.is_home {
                finding.evidence("it is the one of your own home directory, too").advise("Mend that line.")
            } else {
                finding.advise_command("Mend that line, or move the file away:", format!("mv {away} {away}.broken"))
            }])
        }
        (None, Some(error)) => Outcome::Unknown(format!("{file} could not be read or parsed: {error}")),
        (None, None) => Outcome::Pass,
    }
}

/// What stops whoever reads the file.
fn stops(profile: &HomeProfile, file: &str) -> Option<Finding> {
    let syntax = profile.syntax.as_ref().and_then(|syntax| Some((syntax, syntax.message.as_deref()?)));
    if let Some((syntax, message)) = syntax {
        let line = syntax.line.map(|line| format!(":{line}")).unwrap_or_default();
        return Some(
            BROKEN
                .found()
                .title("The .profile in the container's home directory has a mistake that stops every command")
                .evidence(format!("{file}{line}: {message} (says {}, which parsed it without running it)", syntax.shell)),
        );
    }
    profile.ends_at.map(|line| BROKEN.found().evidence(format!("{file}:{line}: exit or exec, which no condition guards")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{ContainerSsh, ProfileSyntax, SshSetup};
    use crate::image::tests::{facts_with, findings};

    fn facts(profile: Option<HomeProfile>) -> Facts {
        let container_home = Some(ContainerSsh { path: "/bv/home".into(), profile, ..ContainerSsh::default() });
        let setup = SshSetup { container_home, ..SshSetup::default() };
        Facts { ssh_setup: Some(setup), ..facts_with(json!({"container_type": "singularity"})) }
    }

    fn syntax(line: Option<u32>, message: Option<&str>) -> Option<ProfileSyntax> {
        Some(ProfileSyntax { shell: "dash".into(), line, message: message.map(str::to_owned) })
    }

    #[test]
    fn a_mistake_and_an_end() {
        let mistake = HomeProfile { syntax: syntax(Some(3), Some("Syntax error: \"(\" unexpected")), ..HomeProfile::default() };
        let found = findings(&CHECK, &facts(Some(mistake)));
        assert_eq!((found[0].kind.id, found[0].severity), ("home-profile-broken", Severity::Warning));
        assert!(found[0].evidence[0].starts_with("/bv/home/.profile:3: Syntax error"), "{:?}", found[0].evidence);
        assert_eq!(found[0].advice[0].command.as_deref(), Some("mv /bv/home/.profile /bv/home/.profile.broken"));
        let end = HomeProfile { syntax: syntax(None, None), ends_at: Some(2), error: None };
        assert!(findings(&CHECK, &facts(Some(end)))[0].evidence[0].contains(".profile:2: exit"));
    }

    #[test]
    fn one_s_own_home_is_not_moved_away() {
        let mut facts = facts(Some(HomeProfile { ends_at: Some(1), ..HomeProfile::default() }));
        facts.ssh_setup.as_mut().unwrap().container_home.as_mut().unwrap().is_home = true;
        assert_eq!(findings(&CHECK, &facts)[0].advice[0].command, None);
    }

    #[test]
    fn healthy_none_and_unknown() {
        assert_eq!(CHECK.judge(&facts(None)), Outcome::Pass);
        assert_eq!(CHECK.judge(&facts(Some(HomeProfile { syntax: syntax(None, None), ..HomeProfile::default() }))), Outcome::Pass);
        let unread = HomeProfile { error: Some("Permission denied".into()), ..HomeProfile::default() };
        assert!(matches!(CHECK.judge(&facts(Some(unread))), Outcome::Unknown(_)));
        let mut unseen = facts(None);
        unseen.ssh_setup =
            Some(SshSetup { unknown: [("container_home".to_owned(), "stale".to_owned())].into(), ..SshSetup::default() });
        assert!(matches!(CHECK.judge(&unseen), Outcome::Unknown(_)));
        unseen.ssh_setup = Some(SshSetup::default());
        assert!(matches!(CHECK.judge(&unseen), Outcome::Skipped(_)));
    }
}
