//! Has the setuid starter kept its power?

use super::{described, severity, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, Setuid};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "engine-setuid",
    category: Category::Engine,
    question: "Has the engine's setuid starter kept its power?",
    needs: &[ProbeId::Engines],
    findings: &[&LOST],
    run: kept,
};

static LOST: FindingKind = FindingKind {
    id: "engine-suid-lost",
    code: "CD0704",
    severity: Severity::Error,
    title: "The engine's setuid starter has lost its power",
    why: "The engine was installed with a starter that runs as root, and relies on it. The starter works only while it belongs to root, has the setuid bit and lies on a filesystem that honours it. Copying it, unpacking it as an ordinary user, or putting it on a network's disk takes that away.",
    cure: "Let an administrator install the engine again from its package, on a local disk, or install one that needs no such starter. Where only a group may run it, ask to be admitted; where the session may not gain privileges, use another one.",
    example: "FATAL: Installation issue: starter-suid doesn't have setuid bit set",
    since: "0.1.0",
};

fn kept(facts: &Facts) -> Outcome {
    let (engines, engine) = match sif_engine(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    match &engine.setuid {
        Some(Setuid::Works) => Outcome::Pass,
        Some(Setuid::Absent) => Outcome::Skipped("the engine has no setuid starter, and needs none".to_owned()),
        None => {
            let unknown = engines.unknown.get(&format!("{}.setuid", engine.kind.program()));
            Outcome::Unknown(unknown.cloned().unwrap_or_else(|| "the setuid starter was not recorded".to_owned()))
        }
        Some(Setuid::Lost { reason }) => {
            let namespaces = engines.user_namespaces == Some(true);
            let finding = LOST
                .found()
                .severity(if namespaces { Severity::Warning } else { severity(facts) })
                .evidence(described(engine))
                .evidence(reason.as_str());
            let (alone, until_then) = match lost_by(reason) {
                Loss::Session => (
                    "Start the programs from a session that may gain privileges: a container, a service of systemd (NoNewPrivileges) or a job takes that away, and another installation changes nothing.",
                    "Or let the engine do without it, with the option --userns.",
                ),
                Loss::Group => (
                    "Ask the administrator of this machine to admit you to the group of the starter.",
                    "Until then, the option --userns makes the engine do without it.",
                ),
                Loss::Installation if namespaces => (
                    "Let an administrator install the engine again from its package, or the package without the setuid starter.",
                    "Until then, the option --userns makes the engine do without it.",
                ),
                Loss::Installation => ("Let an administrator install the engine again from its package, on a local disk.", ""),
            };
            Outcome::Findings(vec![if namespaces {
                finding
                    .evidence("user namespaces can be made, so that the engine may work without it")
                    .advise(format!("{alone} {until_then}"))
            } else {
                finding.advise(alone)
            }])
        }
    }
}

/// What the starter lost its power by, which decides who can give it back.
enum Loss {
    /// The file itself.
    Installation,
    /// The administrator admits a group.
    Group,
    /// No setuid program has power in this session.
    Session,
}

/// Told from the words of the probe.
fn lost_by(reason: &str) -> Loss {
    if reason.contains("NoNewPrivs") {
        Loss::Session
    } else if reason.contains("this user may not run it") {
        Loss::Group
    } else {
        Loss::Installation
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_for, healthy};
    use super::*;
    use crate::facts::{EngineKind, Engines};
    use crate::image::tests::findings;

    fn with(setuid: Option<Setuid>, namespaces: Option<bool>) -> Facts {
        let engines = Engines { user_namespaces: namespaces, ..healthy(vec![engine(EngineKind::Apptainer, "1.4.5", setuid)]) };
        facts_for("singularity", engines)
    }

    #[test]
    fn a_lost_starter_is_an_error_unless_namespaces_may_stand_in() {
        let lost = || Some(Setuid::Lost { reason: "starter-suid has mode 0755, without the setuid bit".to_owned() });
        for (namespaces, severity) in [(Some(true), Severity::Warning), (Some(false), Severity::Error), (None, Severity::Error)] {
            let found = findings(&CHECK, &with(lost(), namespaces));
            assert_eq!((found[0].kind.id, found[0].severity), ("engine-suid-lost", severity));
            assert!(found[0].evidence.iter().any(|line| line.contains("mode 0755")));
        }
    }

    #[test]
    fn a_new_installation_is_advised_only_where_it_helps() {
        for (reason, helps) in [
            ("starter-suid has mode 0755, without the setuid bit", true),
            ("starter-suid is on /nfs, which is mounted with \"nosuid\"", true),
            ("starter-suid has mode 4750, so that this user may not run it", false),
            ("starter-suid has no effect here: this session may not gain privileges (NoNewPrivs)", false),
        ] {
            for namespaces in [true, false] {
                let lost = Setuid::Lost { reason: reason.to_owned() };
                let found = findings(&CHECK, &with(Some(lost), Some(namespaces)));
                let advice = format!("{:?}", found[0].advice);
                assert_eq!(advice.contains("install the engine again"), helps, "{reason}: {advice}");
                assert_eq!(advice.contains("--userns"), namespaces, "{reason}: {advice}");
            }
        }
    }

    #[test]
    fn the_other_states() {
        assert_eq!(CHECK.judge(&with(Some(Setuid::Works), Some(true))), Outcome::Pass);
        assert!(matches!(CHECK.judge(&with(Some(Setuid::Absent), Some(true))), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&with(None, Some(true))), Outcome::Unknown(_)));
    }
}
