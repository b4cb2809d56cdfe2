//! Trying the OpenGL modes out: `measure`, `--measure`, and before `--fix` decides.

use std::ffi::OsString;
use std::sync::Arc;

use casa_doctor_checks::facts::{Facts, Measurement, MeasurementOutcome, Measurements, Place};

use super::args::Options;
use super::conclude::conclude;
use super::diagnose::{Diagnosis, context, look_only, render, selection};
use super::{Failure, decided, deliver, run};
use crate::catalog::{Catalog, Selection};
use crate::host::Host;
use crate::launch::Request;
use crate::measure::{self, Planner, Progress, Wish};
use crate::output;
use crate::probes::hold_display;
use crate::recommend::{Basis, memory};
use crate::redact::hide_secrets;
use crate::report::ExitStatus;

/// The check that judges measurements.
const CHECK: &str = "gl-measurement";

/// `casa-doctor measure [ENV]`: the measurements alone, with the recommendation that follows.
pub(super) fn measure(host: Arc<dyn Host>, options: &Options, env: Option<OsString>) -> Result<ExitStatus, Failure> {
    if options.replay.is_some() {
        return Err(Failure::usage(anyhow::anyhow!("a recording cannot be measured: give --replay without \"measure\"")));
    }
    let wanted = selection(&host, options)?;
    let only_this = Selection::parse(&Catalog::registered(), &[], &[CHECK.to_owned()], &options.skip).map_err(Failure::usage)?;
    let mut diagnosis = look_only(&host, options, env, &wanted)?;
    diagnosis.measure(&host, &host, options, &only_this)?;
    if let Err(error) = remember(host.as_ref(), options, &diagnosis) {
        // What was found out is told all the same.
        output::notice(&format!("the decision could not be kept for you: {error:#}"));
    }
    let mut document = diagnosis.document(host.as_ref());
    conclude(host.as_ref(), options, &only_this, &mut document)?;
    if diagnosis.facts.measurements.as_ref().is_some_and(nothing_started) {
        document.exit_status = ExitStatus::Failed;
    }
    deliver(options, &render(host.as_ref(), options, &document)?)?;
    Ok(document.exit_status)
}

/// Whether no container came up at all, so that what was asked for was not done.
fn nothing_started(all: &Measurements) -> bool {
    let mut in_image = all.measured.iter().filter(|one| one.place == Place::Image).peekable();
    in_image.peek().is_some() && in_image.all(|one| one.outcome == MeasurementOutcome::NotStarted)
}

/// Keeps what was measured in the user's own record, which `run` obeys. The environment's file is `--fix`'s.
fn remember(host: &dyn Host, options: &Options, diagnosis: &Diagnosis) -> anyhow::Result<()> {
    let (Some(environment), Some(recommendation)) = (diagnosis.environment(), &diagnosis.recommendation) else { return Ok(()) };
    if recommendation.basis != Basis::Measured {
        return Ok(());
    }
    let identities = decided::identities(host, environment);
    let Some(decision) = memory::decision(&diagnosis.facts, recommendation, &identities) else { return Ok(()) };
    let file = decided::keep(host, environment, &decision)?;
    if !options.quiet {
        output::notice(&format!(
            "\"casa-doctor run\" uses the OpenGL mode \"{}\" here from now on ({})",
            decision.opengl.word(),
            file.display()
        ));
    }
    Ok(())
}

impl Diagnosis {
    /// Tries the modes out and judges again with what came of it. `planned` is the machine with the texts that a repair is about to
    /// write. Nothing is started with `--dry-run`.
    pub(super) fn measure(
        &mut self,
        host: &Arc<dyn Host>,
        planned: &Arc<dyn Host>,
        options: &Options,
        selection: &Selection,
    ) -> Result<(), Failure> {
        if options.no_graphics {
            return Err(Failure::usage(anyhow::anyhow!("--no-graphics loads no driver, so nothing can be measured with it")));
        }
        if options.dry_run {
            if !options.quiet {
                output::notice("--dry-run starts no container, so the OpenGL mode is predicted and not measured");
            }
        } else {
            self.facts.measurements = Some(measured(host, planned.as_ref(), options, &self.facts)?);
        }
        *self = Self::of(self.source, hide_secrets(std::mem::take(&mut self.facts)), selection);
        Ok(())
    }
}

fn measured(host: &Arc<dyn Host>, planned: &dyn Host, options: &Options, facts: &Facts) -> Result<Measurements, Failure> {
    // A server that resets when its last client leaves would shut out programs that are just connecting.
    let _held = hold_display(&context(host, options));
    let environment = facts.environment.as_ref().and_then(|search| search.found.as_ref());
    let plan = environment.map(|environment| move |request: &Request| run::plan(planned, environment, facts, request));
    let wish = Wish {
        limit: options.measure_timeout,
        deadline: options.deadline(),
        all_modes: options.all_modes,
        plan: plan.as_ref().map(|plan| plan as &Planner<'_>),
        tell: &|progress| {
            if !options.quiet {
                tell(&progress);
            }
        },
    };
    if environment.is_none() && !options.quiet {
        output::notice("there is no environment, so OpenGL is measured on this machine alone");
    }
    measure::measure(host, facts, &wish)
        .map_err(|interrupted| Failure { status: ExitStatus::of_exit(128 + interrupted.0), error: interrupted.into() })
}

/// One line for each mode, when it was measured; on a terminal also which one is under way.
fn tell(progress: &Progress<'_>) {
    match progress {
        Progress::Starts(mode, index, of) => {
            output::progress(&format!("trying the OpenGL mode \"{}\" ({index} of {of})", mode.word()));
        }
        Progress::Measured(one) => {
            output::progress_done();
            output::notice(&in_words(one));
        }
        Progress::NotTried(one) => {
            output::progress_done();
            output::notice(&format!("OpenGL mode \"{}\" is not tried out: {}", one.opengl.word(), one.reason));
        }
    }
}

fn in_words(one: &Measurement) -> String {
    let what = match (one.place, one.opengl) {
        (Place::Host, _) => "OpenGL on this machine itself".to_owned(),
        (Place::Image, mode) => format!("OpenGL mode \"{}\"", mode.word()),
    };
    if one.outcome != MeasurementOutcome::Works {
        return format!("{what}: {}", one.reason.as_deref().unwrap_or("does not work"));
    }
    let renderer = one.renderer.as_deref().unwrap_or("an unnamed renderer");
    let fps = one.frames_per_second.map(|fps| format!(", {fps:.1} frames/s")).unwrap_or_default();
    let start = one.startup_ms.map(|ms| format!(", first picture after {:.1} s", ms as f64 / 1000.0)).unwrap_or_default();
    format!("{what}: works, drawn by {renderer}{fps}{start}")
}
