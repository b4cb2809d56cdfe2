//! Judging facts: every wanted check, in the registry's order. Pure.

use std::time::Instant;

use casa_doctor_checks::facts::Facts;
use casa_doctor_checks::{dialect, registry};

use crate::catalog::Selection;
use crate::report::CheckRun;

/// Runs the checks that are wanted, keeps of what they find what is wanted, and says which commands are for bash where the user's
/// shell is of another kind. The time of a check is that of the slowest
/// probe that it rests on, plus its own.
pub(crate) fn judge(facts: &Facts, selection: &Selection) -> Vec<CheckRun> {
    registry::checks()
        .filter(|check| selection.wants_check(check))
        .map(|check| {
            let started = Instant::now();
            let mut outcome = selection.keep(check, check.judge(facts));
            dialect::adapt(&mut outcome, facts);
            let own = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let probes = check.needs.iter().filter_map(|probe| facts.probes.get(probe)).map(|run| run.duration_ms);
            CheckRun { check, outcome, duration_ms: own.saturating_add(probes.max().unwrap_or(0)) }
        })
        .collect()
}
