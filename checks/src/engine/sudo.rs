//! Whose session is looked at?

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "session-user",
    category: Category::Engine,
    question: "Is it the user's own session that is looked at, and not that of root?",
    needs: &[ProbeId::Session],
    findings: &[&BY_SUDO],
    run,
};

static BY_SUDO: FindingKind = FindingKind {
    id: "session-by-sudo",
    code: "CD0713",
    severity: Severity::Warning,
    title: "casa-doctor was started with sudo, so it looks at the session of root and not at yours",
    why: "The cookie of the display, the ssh agent, the home directory, the groups and the engine's rights belong to a user. With sudo \
          casa-doctor sees those of root: it may miss what is wrong for you, and find wrong what is right for you. A mode that is \
          measured then is measured for root, and what programs in the container write belongs to root.",
    cure: "Start casa-doctor without sudo, as the user who starts the programs. The report names what needs an administrator.",
    example: "sudo casa-doctor",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let Some(session) = &facts.session else { return Outcome::Unknown("nothing was recorded about the session".to_owned()) };
    let Some(caller) = session.sudo_user.as_deref().filter(|caller| *caller != "root") else { return Outcome::Pass };
    match session.uid {
        None => Outcome::Unknown(format!("sudo was called by {caller}, and which user it leads to was not recorded")),
        Some(0) if session.inside_container.is_some() => Outcome::Skipped("this is inside of a container".to_owned()),
        Some(0) => {
            let finding = BY_SUDO.found().evidence(format!("SUDO_USER={caller}, and the user id is 0"));
            Outcome::Findings(vec![
                finding.advise("Start casa-doctor again, without sudo.").advise(
                    "Where a program in the container has to be root, \"casa-doctor run --root\" calls sudo by itself and keeps your display.",
                ),
            ])
        }
        // Another user than root, whose display x11-other-user looks at.
        Some(_) => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Session;
    use crate::image::tests::answered;

    fn judged(uid: Option<u32>, sudo_user: Option<&str>, inside: Option<&str>) -> Outcome {
        let session = Session {
            uid,
            sudo_user: sudo_user.map(str::to_owned),
            inside_container: inside.map(str::to_owned),
            ..Session::default()
        };
        CHECK.judge(&Facts { session: Some(session), ..answered() })
    }

    #[test]
    fn root_is_somebody_else_only_when_a_user_became_root_by_sudo() {
        assert_eq!(judged(Some(0), Some("anna"), None).word(), "finding");
        assert_eq!(judged(Some(0), Some("anna"), Some("docker")).word(), "skipped");
        assert_eq!(judged(None, Some("anna"), None).word(), "unknown");
        for (uid, sudo_user) in [(0, None), (0, Some("root")), (1000, Some("anna")), (1000, None)] {
            assert_eq!(judged(Some(uid), sudo_user, None), Outcome::Pass, "{uid} {sudo_user:?}");
        }
    }
}
