//! From what the children of a look left behind to a measurement. Pure.

use casa_doctor_checks::facts::{
    ChildEnd, ChildRun, Draw, GlContext, GlProbe, Measurement, MeasurementOutcome, OpenGl, OtherInterface, Place,
};
use casa_doctor_checks::log;
use casa_doctor_checks::renderer::{RendererClass, classify};

use super::look::{Look, Probed};

/// Times of a look from the start of what is measured, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When the look began.
    pub(super) began: u64,
}

/// A measurement of which nothing is known yet but that it failed.
pub(super) fn blank(place: Place, opengl: OpenGl, outcome: MeasurementOutcome) -> Measurement {
    Measurement {
        opengl,
        place,
        outcome,
        renderer: None,
        renderer_class: RendererClass::None,
        gl_version: None,
        pixels_correct: None,
        frames_per_second: None,
        startup_ms: None,
        stderr: Vec::new(),
        picture: None,
        interface: None,
        direct: None,
        first_frame_ms: None,
        reason: None,
        notes: Vec::new(),
        others: Vec::new(),
    }
}

/// What a look means.
pub(super) fn judge(place: Place, opengl: OpenGl, look: &Look, times: Times) -> Measurement {
    let Probed { interface, after_ms, run } = &look.main;
    let outcome = outcome(run);
    let mut told = blank(place, opengl, outcome);
    told.interface = Some(interface.word().to_owned());
    told.stderr.clone_from(&run.stderr);
    told.others = look.others.iter().map(other).collect();
    if let Some(context) = best(run) {
        let verdict = classify(context);
        told.renderer = Some(context.renderer.clone()).filter(|renderer| !renderer.is_empty());
        told.gl_version = Some(context.version.clone()).filter(|version| !version.is_empty());
        told.renderer_class = verdict.class;
        told.direct = context.direct;
        told.notes.extend(verdict.contradictions);
        if let Some(draw) = &context.draw {
            told.pixels_correct = pixels(draw);
            told.frames_per_second = draw.mesh.as_ref().and_then(|mesh| mesh.frames_per_second).filter(|fps| fps.is_finite());
            told.picture = draw.mesh.as_ref().and_then(|mesh| mesh.picture.clone());
            told.first_frame_ms = draw.since_start_us.map(|time| time / 1000);
            told.startup_ms = told.first_frame_ms.map(|time| times.began + after_ms + time);
        }
    }
    told.reason = (outcome != MeasurementOutcome::Works).then(|| reason(run));
    told
}

/// The context that counts: the first that drew rightly, else the first.
fn best(run: &GlProbe) -> Option<&GlContext> {
    let contexts = &run.result.as_ref()?.contexts;
    contexts.iter().find(|context| of_context(context) == MeasurementOutcome::Works).or(contexts.first())
}

fn outcome(run: &GlProbe) -> MeasurementOutcome {
    match &run.end {
        ChildEnd::Signal { .. } => MeasurementOutcome::Crashed,
        ChildEnd::TimedOut { .. } => MeasurementOutcome::TimedOut,
        ChildEnd::Finished => best(run).map_or(MeasurementOutcome::Failed, of_context),
        ChildEnd::Exited { .. } => MeasurementOutcome::Failed,
        ChildEnd::NotStarted { .. } => MeasurementOutcome::NotStarted,
    }
}

fn of_context(context: &GlContext) -> MeasurementOutcome {
    match &context.draw {
        Some(draw) if draw.error.is_none() && draw.mesh.as_ref().is_none_or(|mesh| mesh.error.is_none()) => match pixels(draw) {
            Some(true) if !context.renderer.is_empty() => MeasurementOutcome::Works,
            Some(false) => MeasurementOutcome::WrongPixels,
            _ => MeasurementOutcome::Failed,
        },
        _ => MeasurementOutcome::Failed,
    }
}

/// Whether what was drawn is right; `None` when nothing was read back.
fn pixels(draw: &Draw) -> Option<bool> {
    if draw.error.is_some() || draw.pixels == 0 {
        return None;
    }
    Some(draw.wrong == 0 && draw.mesh.as_ref().and_then(casa_doctor_checks::facts::MeshDraw::is_right).unwrap_or(true))
}

fn other(probed: &Probed) -> OtherInterface {
    let context = best(&probed.run);
    let error = probed.run.result.as_ref().and_then(|result| result.error.clone());
    OtherInterface {
        interface: probed.interface.word().to_owned(),
        outcome: outcome(&probed.run),
        renderer: context.map(|context| context.renderer.clone()).filter(|renderer| !renderer.is_empty()),
        renderer_class: context.map_or(RendererClass::None, |context| classify(context).class),
        pixels_correct: context.and_then(|context| context.draw.as_ref()).and_then(pixels),
        error: error.or_else(|| context.and_then(|context| context.draw.as_ref()).and_then(|draw| draw.error.clone())),
    }
}

/// Why it did not work: the end, and the sentence of the drivers that explains it.
fn reason(run: &GlProbe) -> String {
    let during = run.last_call.as_deref().map(|call| format!(" in {call}")).unwrap_or_default();
    let what = match &run.end {
        ChildEnd::Signal { name, .. } => format!("the OpenGL library crashed{during} ({name})"),
        ChildEnd::TimedOut { limit_ms } => {
            format!("OpenGL did not answer within {:.1} s and hung{during}", *limit_ms as f64 / 1000.0)
        }
        ChildEnd::Exited { status } => format!("the test ended{during} with status {status}"),
        ChildEnd::NotStarted { reason } => format!("the test could not be started: {reason}"),
        ChildEnd::Finished => finished(run),
    };
    with_cause(what, &run.stderr)
}

fn finished(run: &GlProbe) -> String {
    if let Some(error) = run.result.as_ref().and_then(|result| result.error.as_ref()) {
        return format!("there is no OpenGL: {}: {}", error.call, error.message);
    }
    let Some(context) = best(run) else { return "there is no OpenGL context".to_owned() };
    let Some(draw) = &context.draw else {
        return format!(
            "the OpenGL of \"{}\" ({}) is too old or of another kind, so nothing could be drawn and read back",
            context.renderer, context.version
        );
    };
    let mesh = draw.mesh.as_ref();
    if let Some(error) = draw.error.as_ref().or_else(|| mesh.and_then(|mesh| mesh.error.as_ref())) {
        return format!("drawing failed: {}: {}", error.call, error.message);
    }
    if draw.wrong > 0 {
        return format!("{} of {} pixels of the test triangle have a wrong colour", draw.wrong, draw.pixels);
    }
    match mesh.and_then(|mesh| Some((mesh.cells_off?, mesh.cells))) {
        Some((off, cells)) if off > 0 => format!("the picture of the test mesh is wrong in {off} of {cells} places"),
        _ => "the context tells neither who draws nor with what version".to_owned(),
    }
}

/// A sentence with its cause, where the error output names one.
pub(super) fn with_cause(what: String, stderr: &[String]) -> String {
    match log::explain_for_launch(&stderr.join("\n")) {
        Some(known) => format!("{what}. {}", known.pattern.cause.trim_end_matches('.')),
        None => what,
    }
}

/// A run of the image's own program, told as a probe would tell it.
pub(super) fn finished_run(context: GlContext) -> GlProbe {
    let result = casa_doctor_checks::facts::GlResult { error: None, contexts: vec![context] };
    ChildRun { end: ChildEnd::Finished, last_call: None, stderr: Vec::new(), duration_ms: 0, result: Some(result) }
}
