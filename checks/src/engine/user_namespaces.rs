//! Does the kernel let an engine without root make a container?

use super::{described, has_working_setuid, major_minor, severity, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{EngineKind, Facts, ProbeId, Setuid};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "engine-user-namespaces",
    category: Category::Engine,
    question: "Does the kernel let the engine make a container without root?",
    needs: &[ProbeId::Engines],
    findings: &[&BLOCKED],
    run: allowed,
};

static BLOCKED: FindingKind = FindingKind {
    id: "engine-userns-blocked",
    code: "CD0703",
    severity: Severity::Error,
    title: "This machine does not let users make containers",
    why: "Apptainer, as it is mostly installed today, has no rights of root and makes a user namespace instead, which the kernel must allow. Some systems switch that off: old Red Hat and Debian kernels, hardened machines, Ubuntu from 23.10 on for every program that its AppArmor does not know, and containers in which the engine itself runs. No image can then be started.",
    cure: "Let an administrator install the package apptainer-suid, allow user namespaces with the switch that the evidence names, or on Ubuntu install Apptainer from a package that brings its AppArmor profile (1.3.4 or later).",
    example: "ERROR  : Could not write info to setgroups: Permission denied",
    since: "0.1.0",
};

fn allowed(facts: &Facts) -> Outcome {
    let (engines, engine) = match sif_engine(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if has_working_setuid(engine) {
        return Outcome::Pass;
    }
    if facts.session.as_ref().is_some_and(|session| session.uid == Some(0)) {
        return Outcome::Skipped("root needs no user namespace".to_owned());
    }
    let error = engines.user_namespaces_error.as_deref().unwrap_or("the kernel refused");
    match engines.user_namespaces {
        Some(true) => return Outcome::Pass,
        None => {
            let reason = engines.unknown.get("user_namespaces").map_or("it was not recorded", String::as_str);
            return Outcome::Unknown(format!("whether user namespaces can be made is not known: {reason}"));
        }
        Some(false) => {}
    }
    if engine.setuid.is_none() {
        return Outcome::Unknown(format!(
            "user namespaces are refused ({error}), and whether {} has a setuid starter, which needs none, is not known",
            engine.path.display()
        ));
    }
    let switched_off = engines.max_user_namespaces == Some(0) || engines.unprivileged_userns_clone == Some(false);
    let apparmor = engines.apparmor_restricts_userns == Some(true) && !switched_off;
    if apparmor && !engines.apparmor_profiles.is_empty() {
        let profiles: Vec<_> = engines.apparmor_profiles.iter().map(|path| path.display().to_string()).collect();
        return Outcome::Unknown(format!(
            "AppArmor refuses user namespaces to other programs, and allows them to the engine by {}; whether that profile is loaded only root can see",
            profiles.join(", ")
        ));
    }
    let mut finding = BLOCKED
        .found()
        .severity(severity(facts))
        .evidence(described(engine))
        .evidence(format!("a user namespace was tried and refused: {error}"));
    if engine.setuid == Some(Setuid::Absent) {
        finding = finding.evidence("the engine has no setuid starter, which would do without");
    }
    if engines.max_user_namespaces == Some(0) {
        finding = finding.evidence("/proc/sys/user/max_user_namespaces is 0").advise_command(
            "As an administrator, allow them (until the next boot; a file in /etc/sysctl.d makes it last):",
            "sudo sysctl user.max_user_namespaces=15000",
        );
    }
    if engines.unprivileged_userns_clone == Some(false) {
        finding = finding.evidence("/proc/sys/kernel/unprivileged_userns_clone is 0").advise_command(
            "As an administrator, allow them (until the next boot; a file in /etc/sysctl.d makes it last):",
            "sudo sysctl kernel.unprivileged_userns_clone=1",
        );
    }
    if apparmor {
        finding = finding.evidence(
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1 and /etc/apparmor.d has no profile for the engine",
        );
        let old = engine.kind == EngineKind::Apptainer
            && engine.version.as_deref().and_then(major_minor).is_some_and(|version| version < (1, 3));
        finding = finding.advise(if old {
            "Install Apptainer 1.3.4 or later from its project's packages for Ubuntu: they bring the profile that AppArmor needs."
        } else {
            "Install Apptainer from its project's packages for Ubuntu (1.3.4 or later): they bring the profile that AppArmor needs. An engine that was built from sources or came with conda needs a profile of its own."
        });
    }
    if !switched_off && !apparmor {
        finding = finding.evidence("none of the known switches of the kernel is the reason").advise(
            "If this shell runs in a container or in the job of a cluster, that is what forbids it: ask its administrator.",
        );
    }
    Outcome::Findings(vec![finding.advise(match engine.setuid {
        Some(Setuid::Lost { .. }) => "Or give its setuid starter its power back (see engine-suid-lost), which does without them.",
        _ => "Or let an administrator install the package apptainer-suid, which does without user namespaces.",
    })])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_alone, facts_for, healthy};
    use super::*;
    use crate::facts::{Engines, Session};
    use crate::image::tests::findings;

    fn blocked(setuid: Option<Setuid>) -> Engines {
        Engines {
            user_namespaces: Some(false),
            user_namespaces_error: Some("unshare: unshare failed: No space left on device".to_owned()),
            ..healthy(vec![engine(EngineKind::Apptainer, "1.4.5", setuid)])
        }
    }

    #[test]
    fn each_switch_is_named_with_its_own_cure() {
        let zero = Engines { max_user_namespaces: Some(0), ..blocked(Some(Setuid::Absent)) };
        let clone = Engines { unprivileged_userns_clone: Some(false), ..blocked(Some(Setuid::Absent)) };
        let apparmor = Engines { apparmor_restricts_userns: Some(true), ..blocked(Some(Setuid::Absent)) };
        for (engines, evidence, cure) in [
            (zero, "max_user_namespaces is 0", "sysctl user.max_user_namespaces"),
            (clone, "unprivileged_userns_clone is 0", "sysctl kernel.unprivileged_userns_clone=1"),
            (apparmor, "apparmor_restrict_unprivileged_userns is 1", "profile that AppArmor needs"),
            (blocked(Some(Setuid::Absent)), "none of the known switches", "ask its administrator"),
        ] {
            let found = findings(&CHECK, &facts_for("singularity", engines));
            assert_eq!((found[0].kind.id, found[0].severity), ("engine-userns-blocked", Severity::Error));
            assert!(found[0].evidence.iter().any(|line| line.contains(evidence)), "{:?}", found[0].evidence);
            let advice = format!("{:?}", found[0].advice);
            assert!(advice.contains(cure), "{advice}");
        }
    }

    #[test]
    fn a_setuid_starter_needs_none_and_a_lost_one_does() {
        assert_eq!(CHECK.judge(&facts_for("singularity", blocked(Some(Setuid::Works)))), Outcome::Pass);
        let lost = Some(Setuid::Lost { reason: "x".to_owned() });
        let found = findings(&CHECK, &facts_for("singularity", blocked(lost)));
        assert_eq!((found.len(), found[0].kind.id), (1, "engine-userns-blocked"));
        assert!(!format!("{:?}", found[0].advice).contains("apptainer-suid"), "it is installed: {:?}", found[0].advice);
        assert!(matches!(CHECK.judge(&facts_for("singularity", blocked(None))), Outcome::Unknown(_)));
    }

    #[test]
    fn an_engine_with_its_own_profile_is_not_accused() {
        let engines = Engines {
            apparmor_restricts_userns: Some(true),
            apparmor_profiles: vec!["/etc/apparmor.d/apptainer".into()],
            ..blocked(Some(Setuid::Absent))
        };
        assert!(
            matches!(CHECK.judge(&facts_for("singularity", engines)), Outcome::Unknown(reason) if reason.contains("/etc/apparmor.d/apptainer"))
        );
    }

    #[test]
    fn root_docker_environments_and_untried_kernels_are_not_accused() {
        let mut root = facts_for("singularity", blocked(Some(Setuid::Absent)));
        root.session = Some(Session { uid: Some(0), ..Session::default() });
        assert!(matches!(CHECK.judge(&root), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&facts_for("docker", blocked(Some(Setuid::Absent)))), Outcome::Skipped(_)));
        let untried = Engines { user_namespaces: None, ..blocked(Some(Setuid::Absent)) };
        assert!(matches!(CHECK.judge(&facts_for("singularity", untried)), Outcome::Unknown(_)));
        assert_eq!(findings(&CHECK, &facts_alone(blocked(Some(Setuid::Absent))))[0].severity, Severity::Warning);
    }
}
