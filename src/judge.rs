//! Judging facts: every wanted check, in the registry's order. Pure.

use std::time::Instant;

use casa_doctor_checks::check::Outcome;
use casa_doctor_checks::facts::Facts;
use casa_doctor_checks::registry;

use crate::catalog::Selection;
use crate::report::CheckRun;

/// Runs the checks that are wanted. A check whose every finding is unwanted counts as passed only if it found nothing else.
pub(crate) fn judge(facts: &Facts, selection: &Selection) -> Vec<CheckRun> {
    registry::checks()
        .filter(|check| selection.wants_check(check))
        .map(|check| {
            let started = Instant::now();
            let outcome = match check.judge(facts) {
                Outcome::Findings(findings) => {
                    let kept = findings.into_iter().filter(|finding| selection.wants_finding(check, finding.kind)).collect();
                    Outcome::of(kept)
                }
                outcome => outcome,
            };
            CheckRun { check, outcome, duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) }
        })
        .collect()
}
