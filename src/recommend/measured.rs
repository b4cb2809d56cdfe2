//! Choosing the mode from what was tried out: right pixels first, then who draws, then how fast. Pure.

use casa_doctor_checks::facts::{Facts, Measurement, MeasurementOutcome, Measurements, OpenGl, Place};
use casa_doctor_checks::renderer::RendererClass;

use serde_json::Map;

use super::decision::Recorded;
use super::memory::{self, Recall};
use super::predict::{expectation, predict};
use super::{Basis, Confidence, Recommendation, Rejected};

/// A mode that is this much as fast as the fastest counts as equally fast: measurements of 200 ms are no better than that.
const AS_FAST: f64 = 0.8;

/// Recommends a mode: from what was tried out in the image where that was done, else from the facts alone.
pub(crate) fn recommend(facts: &Facts) -> Option<Recommendation> {
    let Some(measurements) = &facts.measurements else { return untried(facts) };
    let tried: Vec<&Measurement> = measurements.measured.iter().filter(|one| one.place == Place::Image).collect();
    if tried.iter().all(|one| one.outcome == MeasurementOutcome::NotStarted) {
        let of_tried = tried.iter().find_map(|one| one.reason.clone());
        let why = of_tried.or_else(|| measurements.unfinished.first().map(|one| one.reason.clone()));
        return untried(facts).map(|mut found| {
            found.reasons.extend(why.map(|why| format!("no mode could be tried out: {why}")));
            // Of a container that does not start nobody knows how it would draw.
            if !tried.is_empty() {
                found.confidence = Confidence::Low;
            }
            found
        });
    }
    if choose(&tried).is_none() && !measurements.unfinished.is_empty() {
        return Some(best_unfinished(measurements, &tried));
    }
    Some(decide(measurements, &tried))
}

/// Where nothing was tried now: what was tried before, as long as nothing that it rests on has changed, else what the facts let
/// expect.
fn untried(facts: &Facts) -> Option<Recommendation> {
    let environment = facts.environment.as_ref().and_then(|search| search.found.as_ref());
    let recalled = environment.map_or(Recall::Nothing, |environment| memory::recall(environment, facts, &Map::new()));
    match recalled {
        Recall::Holds(recorded) if recorded.basis == Basis::Measured => Some(remembered(facts, *recorded)),
        Recall::Changed { was, what } => predict(facts).map(|mut found| {
            found.reasons.push(format!(
                "before, the mode \"{}\" was decided here, but meanwhile {}; --measure tries the modes out again",
                was.word(),
                what.join(", and ")
            ));
            found
        }),
        Recall::Holds(_) | Recall::Nothing => predict(facts),
    }
}

/// A decision that was made by trying out before.
fn remembered(facts: &Facts, recorded: Recorded) -> Recommendation {
    let failing = expectation(facts).map(|expected| expected.failing).unwrap_or_default();
    let others = [OpenGl::Container, OpenGl::Nv, OpenGl::Software].into_iter().filter(|mode| *mode != recorded.opengl);
    let rejected = others.map(|opengl| {
        let known = failing.iter().find(|one| one.opengl == opengl).map(|one| one.reason.clone());
        let chosen = || format!("when the modes were tried out in the image, \"{}\" was chosen", recorded.opengl.word());
        Rejected { opengl, reason: known.unwrap_or_else(chosen) }
    });
    let rejected = rejected.collect();
    let because = Some(recorded.because).filter(|because| !because.is_empty());
    let since = "this was found out before, and nothing that it rests on has changed since; --measure tries the modes out again";
    Recommendation {
        opengl: recorded.opengl,
        basis: Basis::Measured,
        confidence: Confidence::High,
        reasons: because.into_iter().chain([since.to_owned()]).collect(),
        rejected,
    }
}

/// What is left where no mode that was tried works and others were not tried to the end: the expected one, if it is one of them.
fn best_unfinished(measurements: &Measurements, tried: &[&Measurement]) -> Recommendation {
    let left = &measurements.unfinished;
    let expected = measurements.predicted.as_ref().map(|predicted| predicted.opengl);
    let best = left.iter().find(|one| Some(one.opengl) == expected).or_else(|| left.iter().min_by_key(|one| one.opengl));
    let (opengl, why) = best.map_or((OpenGl::None, ""), |one| (one.opengl, one.reason.as_str()));
    let mut rejected = rejected(measurements, tried, None);
    rejected.retain(|one| one.opengl != opengl);
    Recommendation {
        opengl,
        basis: Basis::Predicted,
        confidence: Confidence::Low,
        reasons: vec![format!(
            "no OpenGL mode that was tried to the end draws a right picture, and \"{}\" was not: {why}",
            opengl.word()
        )],
        rejected,
    }
}

/// Decides between modes that were tried.
fn decide(measurements: &Measurements, tried: &[&Measurement]) -> Recommendation {
    let Some(chosen) = choose(tried) else {
        return Recommendation {
            opengl: OpenGl::None,
            basis: Basis::Measured,
            confidence: Confidence::High,
            reasons: vec!["every OpenGL mode that could work here was tried in the image, and none drew a right picture".into()],
            rejected: rejected(measurements, tried, None),
        };
    };
    let verified = chosen.pixels_correct == Some(true);
    Recommendation {
        opengl: chosen.opengl,
        basis: Basis::Measured,
        confidence: if verified { Confidence::High } else { Confidence::Medium },
        reasons: reasons(measurements, chosen),
        rejected: rejected(measurements, tried, Some(chosen)),
    }
}

/// The best mode; `None` when none works.
pub(super) fn choose<'a>(tried: &[&'a Measurement]) -> Option<&'a Measurement> {
    let working = tried.iter().copied().filter(|one| one.outcome == MeasurementOutcome::Works);
    let best = working.clone().map(tier).min()?;
    let equals: Vec<_> = working.filter(|one| tier(one) == best).collect();
    let fastest = equals.iter().copied().max_by(|one, other| speed(one).total_cmp(&speed(other)))?;
    // The less intrusive mode first, which is the order of the modes.
    equals.into_iter().filter(|one| is_as_fast(one, fastest)).min_by_key(|one| one.opengl)
}

/// Whether a mode is as fast as another, as far as can be told: the same renderer is, whatever one short measurement says.
fn is_as_fast(one: &Measurement, fastest: &Measurement) -> bool {
    one.renderer == fastest.renderer || speed(one) >= AS_FAST * speed(fastest)
}

/// Smaller is better: pixels that are known to be right, then who draws.
fn tier(one: &Measurement) -> (bool, u8) {
    let class = match one.renderer_class {
        RendererClass::Hardware => 0,
        RendererClass::Virtual => 1,
        RendererClass::Unknown => 2,
        RendererClass::Software => 3,
        RendererClass::Indirect => 4,
        RendererClass::None => 5,
    };
    (one.pixels_correct != Some(true), class)
}

fn speed(one: &Measurement) -> f64 {
    one.frames_per_second.unwrap_or(0.0)
}

/// Why the chosen mode.
fn reasons(measurements: &Measurements, chosen: &Measurement) -> Vec<String> {
    let seen = if chosen.pixels_correct == Some(true) {
        "every pixel of the test picture was right"
    } else {
        "what it draws could not be compared"
    };
    let mut reasons = vec![format!("tried out in the image: 3D {}, and {seen}", runs(chosen))];
    let machine = measurements.measured.iter().find(|one| one.place == Place::Host);
    if let Some(machine) = machine.filter(|one| one.outcome == MeasurementOutcome::Works)
        && matches!(machine.renderer_class, RendererClass::Hardware | RendererClass::Virtual)
        && tier(machine) < tier(chosen)
    {
        reasons.push(format!("outside of the container 3D {}, but no OpenGL mode brings that into this image", runs(machine)));
    }
    for other in chosen.others.iter().filter(|other| other.interface == "egl-x11" && other.outcome != MeasurementOutcome::Works) {
        let why = other.error.as_ref().map(|error| format!(" ({}: {})", error.call, error.message)).unwrap_or_default();
        reasons.push(format!(
            "EGL, the other way to OpenGL, does not work on this display{why}; web pages inside programs may stay empty"
        ));
    }
    reasons.extend(chosen.notes.iter().cloned());
    reasons
}

/// `runs at 41 frames/s on the graphics card (NVIDIA GeForce …)`.
fn runs(one: &Measurement) -> String {
    let by = match one.renderer_class {
        RendererClass::Hardware => "on the graphics card",
        RendererClass::Virtual => "on the graphics of the virtual machine",
        RendererClass::Software => "on the processor",
        RendererClass::Indirect => "through the X server",
        RendererClass::None | RendererClass::Unknown => "on a renderer that casa-doctor does not know",
    };
    let name = one.renderer.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    match one.frames_per_second {
        Some(fps) => format!("runs at {} {by}{name}", frames(fps)),
        None => format!("runs {by}{name}"),
    }
}

/// `41 frames/s`, `0.6 frames/s`.
fn frames(fps: f64) -> String {
    if fps < 10.0 { format!("{fps:.1} frames/s") } else { format!("{fps:.0} frames/s") }
}

/// The other modes, each with the reason against it, in the order of the modes.
fn rejected(measurements: &Measurements, tried: &[&Measurement], chosen: Option<&Measurement>) -> Vec<Rejected> {
    let not_tried = measurements.not_tried.iter().chain(&measurements.unfinished);
    let mut rejected: Vec<Rejected> = not_tried.map(|one| Rejected { opengl: one.opengl, reason: one.reason.clone() }).collect();
    let others = tried.iter().filter(|one| chosen.is_none_or(|chosen| chosen.opengl != one.opengl));
    rejected.extend(others.map(|one| Rejected { opengl: one.opengl, reason: against(one, chosen) }));
    rejected.sort_by_key(|one| one.opengl);
    rejected
}

fn against(one: &Measurement, chosen: Option<&Measurement>) -> String {
    let works = one.outcome == MeasurementOutcome::Works;
    let Some(chosen) = chosen.filter(|_| works) else {
        return one.reason.clone().unwrap_or_else(|| "it does not work".into());
    };
    if tier(one).0 != tier(chosen).0 {
        format!("it {}, and what it draws could not be compared", runs(one))
    } else if tier(one) == tier(chosen) && is_as_fast(one, chosen) {
        // Where the renderers are the same, figures that differ would only make one wonder.
        match one.renderer == chosen.renderer {
            true => format!("it draws with the same renderer as \"{}\", and changes more", chosen.opengl.word()),
            false => format!("it {}, which is not clearly faster, and changes more", runs(one)),
        }
    } else {
        format!("it only {}", runs(one))
    }
}

#[cfg(test)]
#[path = "measured_tests.rs"]
mod tests;
