//! Is the engine recent enough for casa_distro?

use super::{described, has_working_setuid, major_minor, severity, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{EngineKind, Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "engine-version",
    category: Category::Engine,
    question: "Is the engine recent enough for the image?",
    needs: &[ProbeId::Engines],
    findings: &[&TOO_OLD],
    run: recent,
};

static TOO_OLD: FindingKind = FindingKind {
    id: "engine-too-old",
    code: "CD0702",
    severity: Severity::Error,
    title: "Singularity is too old",
    why: "casa_distro needs Singularity 3.1 or any Apptainer. Version 2 does not know the format of today's images (SIF), and 3.0 lacks options that every start uses.",
    cure: "Install Apptainer, the successor of Singularity, in place of it.",
    example: "2.5.2-dist",
    since: "0.1.0",
};

/// The oldest Singularity that casa_distro works with.
const OLDEST: (u32, u32) = (3, 1);

fn recent(facts: &Facts) -> Outcome {
    let (_, engine) = match sif_engine(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if engine.kind == EngineKind::Apptainer && engine.version.is_some() {
        return Outcome::Pass;
    }
    let Some(version) = engine.version.as_deref().and_then(major_minor) else {
        let reason = engine.version_error.clone().unwrap_or_else(|| "its version was not recorded".to_owned());
        return Outcome::Unknown(format!("the version of {} is not known: {reason}", engine.kind.program()));
    };
    if version >= OLDEST {
        return Outcome::Pass;
    }
    let mut finding = TOO_OLD
        .found()
        .severity(severity(facts))
        .evidence(described(engine))
        .evidence("casa_distro needs Singularity 3.1 or later, or any Apptainer");
    if has_working_setuid(engine) {
        finding = finding.evidence("it was installed with a setuid starter, by an administrator");
    }
    Outcome::Findings(vec![finding.advise("Ask the administrator to replace it by Apptainer, or load a newer module.")])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_alone, facts_for, healthy};
    use super::*;
    use crate::image::tests::{findings, ids};

    #[test]
    fn versions_around_the_limit() {
        for (kind, version, old) in [
            (EngineKind::Singularity, "2.5.2", true),
            (EngineKind::Singularity, "3.0.3", true),
            (EngineKind::Singularity, "3.1.0", false),
            (EngineKind::Singularity, "3.10.0", false),
            (EngineKind::Singularity, "4.1.0", false),
            (EngineKind::Apptainer, "1.0.0", false),
        ] {
            let found = ids(&CHECK, &facts_for("singularity", healthy(vec![engine(kind, version, None)])));
            assert_eq!(found.len(), usize::from(old), "{version}");
        }
    }

    #[test]
    fn an_old_one_beside_apptainer_is_not_used() {
        let both = vec![engine(EngineKind::Singularity, "2.5.2", None), engine(EngineKind::Apptainer, "1.4.5", None)];
        assert_eq!(CHECK.judge(&facts_for("singularity", healthy(both))), Outcome::Pass);
    }

    #[test]
    fn an_engine_without_a_version_is_unknown_and_without_an_environment_it_is_a_warning() {
        let mut silent = engine(EngineKind::Singularity, "", None);
        (silent.version, silent.version_error) = (None, Some("exited with status 127".to_owned()));
        assert!(
            matches!(CHECK.judge(&facts_for("singularity", healthy(vec![silent]))), Outcome::Unknown(reason) if reason.contains("127"))
        );
        let old = healthy(vec![engine(EngineKind::Singularity, "2.5.2", None)]);
        assert_eq!(findings(&CHECK, &facts_alone(old))[0].severity, Severity::Warning);
    }
}
