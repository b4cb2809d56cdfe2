//! Whether what was tried out in the image agrees with what was expected of it.

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, Measurement, MeasurementOutcome, Measurements, OpenGl, Place, Prediction};
use crate::finding::{Finding, FindingKind, Severity};
use crate::log;
use crate::renderer::RendererClass;

pub(super) static CHECK: Check = Check {
    id: "gl-measurement",
    category: Category::Rendering,
    question: "Do the OpenGL modes do in the image what was expected of them?",
    // It is judged from what was tried out, which no probe does by itself.
    needs: &[],
    findings: &[&NOT_STARTED, &NO_MODE, &CONTRADICTED],
    run,
};

static NO_MODE: FindingKind = FindingKind {
    id: "gl-no-mode-works",
    code: "CD0220",
    severity: Severity::Error,
    title: "No OpenGL mode works in the image",
    why: "casa-doctor started the container in every OpenGL mode that could work here and drew test pictures in it. None of the modes \
          gave a picture that is right, so the viewers of BrainVISA will show nothing, wrong pictures, or end at once.",
    cure: "The evidence tells for each mode why. An image with /usr/local/lib/mesa has a software OpenGL that needs neither a graphics \
           card nor the X server's help: take a newer image of your version.",
    example: "container: crashed, software: no OpenGL",
    since: "0.1.0",
};

static NOT_STARTED: FindingKind = FindingKind {
    id: "engine-start-failed",
    code: "CD0222",
    severity: Severity::Error,
    title: "The container does not start",
    why: "casa-doctor started the container as a program of it is started, once for each OpenGL mode, and the engine gave up before it came to \
          the test. No other program of this environment will start either.",
    cure: "Cure what the engine's own words name: a damaged image, a mount of something that is not there, an option that it does not know.",
    example: "FATAL: container creation failed: mount hook function failure: mount /data->/data error: while mounting /data: mount source /data doesn't exist",
    since: "0.1.0",
};

static CONTRADICTED: FindingKind = FindingKind {
    id: "gl-prediction-contradicted",
    code: "CD0221",
    severity: Severity::Warning,
    title: "The OpenGL modes behave otherwise than expected",
    why: "From the X server, the graphics driver and the image casa-doctor expects how each OpenGL mode will do. Trying them out in the \
          image showed something else. What was tried out counts, and the recommendation rests on it; but something on this machine \
          or in this image is not as it looks, which other programs may run into.",
    cure: "Use the recommended mode. If the reason that the evidence gives can be cured, measure again afterwards.",
    example: "expected: container, because your screen is driven by Mesa; measured: the OpenGL library crashed in glXCreateContextAttribsARB",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let Some(measurements) = &facts.measurements else {
        return Outcome::Skipped("the OpenGL modes were not tried out: --measure does".into());
    };
    let tried: Vec<&Measurement> = measurements.measured.iter().filter(|one| one.place == Place::Image).collect();
    let unfinished = measurements.unfinished.iter().map(|one| format!("{}: {}", one.opengl.word(), one.reason)).collect::<Vec<_>>();
    if tried.is_empty() && unfinished.is_empty() {
        return Outcome::Skipped("no OpenGL mode was tried out in an image".into());
    }
    let untold = |why: &str| Outcome::Unknown(format!("{why} ({})", unfinished.join("; ")));
    if tried.is_empty() {
        return untold("no OpenGL mode was tried to the end");
    }
    let started = |one: &&&Measurement| one.outcome != MeasurementOutcome::NotStarted;
    if tried.iter().filter(started).count() == 0 {
        if tried.iter().any(|one| !one.stderr.is_empty()) {
            return Outcome::Findings(vec![not_started(&tried)]);
        }
        // The engine was not even called; other checks tell why.
        let reason = tried.iter().find_map(|one| one.reason.clone()).unwrap_or_else(|| "no reason is known".into());
        return Outcome::Unknown(format!("no OpenGL mode could be tried out: {reason}"));
    }
    let works = |one: &&Measurement| one.outcome == MeasurementOutcome::Works;
    let mut findings = Vec::new();
    let is_told = tried.iter().any(works) || unfinished.is_empty();
    if !tried.iter().any(works) && is_told {
        findings.push(no_mode(&tried));
    }
    findings.extend(measurements.predicted.as_ref().and_then(|predicted| contradiction(measurements, predicted)));
    if findings.is_empty() && !is_told {
        return untold("the OpenGL modes that were tried do not work, and others were not tried to the end");
    }
    Outcome::of(findings)
}

/// The engine was called and started nothing, in no mode.
fn not_started(tried: &[&Measurement]) -> Finding {
    let finding = tried.iter().fold(NOT_STARTED.found(), |finding, one| finding.evidence(in_words(one)));
    let said = tried.iter().flat_map(|one| &one.stderr).fold(Vec::<&str>::new(), |mut said, line| {
        if !line.starts_with("INFO:") && !said.contains(&line.as_str()) {
            said.push(line);
        }
        said
    });
    let finding = said.iter().take(4).fold(finding, |finding, line| finding.evidence(format!("the engine said: {line}")));
    match log::explain_for_launch(&said.join("\n")) {
        Some(known) => finding.evidence(format!("what it says is known: {}", known.pattern.cause)).advise(known.pattern.cure),
        None => finding.advise_command("Cure what the engine names. To see it again:", "casa-doctor run -- true"),
    }
}

/// No mode draws by the interface that decides, which on a display is GLX.
fn no_mode(tried: &[&Measurement]) -> Finding {
    let finding = tried.iter().fold(NO_MODE.found(), |finding, one| finding.evidence(in_words(one)));
    let finding = match tried.iter().find_map(|one| Some((one.opengl.word(), by_egl(one)?))) {
        // Qt 5 takes EGL when it is told to, and late releases of it (5.15.8) on their own, when the server's GLX is too old.
        Some((mode, renderer)) => finding
            .severity(Severity::Warning)
            .title("In the image, OpenGL works by EGL only, and not by GLX, which most programs use")
            .evidence(format!("{mode}: by EGL the test triangle is right, drawn by {renderer}"))
            .advise_command(
                "Programs of Qt 5, such as those of BrainVISA, can be told to use EGL; others, such as glxinfo, cannot.",
                format!("casa-doctor run --opengl {mode} --env QT_XCB_GL_INTEGRATION=xcb_egl -- COMMAND"),
            ),
        None => finding,
    };
    finding.advise(
        "Take an image with the Mesa libraries, among them /usr/local/lib/mesa, or repair what the evidence names; then run \
         `casa-doctor measure` again.",
    )
}

/// Who draws by EGL on the display, where that works.
fn by_egl(one: &Measurement) -> Option<&str> {
    let by = one.others.iter().find(|other| other.interface == "egl-x11" && other.outcome == MeasurementOutcome::Works)?;
    by.renderer.as_deref().filter(|_| by.pixels_correct == Some(true))
}

/// What was expected and came otherwise.
fn contradiction(measurements: &Measurements, predicted: &Prediction) -> Option<Finding> {
    let measured = |mode: OpenGl| measurements.measured.iter().find(|one| one.place == Place::Image && one.opengl == mode);
    let because = predicted.reasons.first().map(|reason| format!(", because {reason}")).unwrap_or_default();
    if let Some(one) = measured(predicted.opengl)
        && !matches!(one.outcome, MeasurementOutcome::Works | MeasurementOutcome::NotStarted)
    {
        let finding = CONTRADICTED
            .found()
            .title(format!("The OpenGL mode {} was expected to work and does not", predicted.opengl.word()))
            .evidence(format!("expected: {}{because}", predicted.opengl.word()))
            .evidence(format!("measured: {}", in_words(one)));
        return Some(
            one.stderr
                .iter()
                .take(3)
                .fold(finding, |finding, line| finding.evidence(format!("standard error: {line}")))
                .advise("Use the mode that casa-doctor recommends now; it was tried out."),
        );
    }
    let surprises: Vec<String> = predicted
        .failing
        .iter()
        .filter_map(|failing| {
            let one = measured(failing.opengl).filter(|one| is_itself(one))?;
            Some(format!("expected: {} fails, because {}; measured: {}", failing.opengl.word(), failing.reason, in_words(one)))
        })
        .collect();
    if surprises.is_empty() {
        return None;
    }
    let finding = CONTRADICTED.found().severity(Severity::Info).title("An OpenGL mode that was expected to fail works");
    let finding = surprises.into_iter().fold(finding, Finding::evidence);
    Some(finding.advise("Nothing has to be done: the recommendation rests on what was tried out."))
}

/// Whether a mode works as what it is: without NVIDIA's card, the mode nv is the image's own Mesa.
fn is_itself(one: &Measurement) -> bool {
    one.outcome == MeasurementOutcome::Works
        && one.pixels_correct == Some(true)
        && (one.opengl != OpenGl::Nv || one.renderer_class == RendererClass::Hardware)
}

/// A measurement in one line.
fn in_words(one: &Measurement) -> String {
    let mode = one.opengl.word();
    match (&one.reason, &one.renderer) {
        (Some(reason), _) => format!("{mode}: {reason}"),
        (None, Some(renderer)) => format!("{mode}: works, drawn by {renderer}"),
        (None, None) => format!("{mode}: works"),
    }
}

#[cfg(test)]
mod tests {
    use MeasurementOutcome::{Crashed, NotStarted, TimedOut, Works, WrongPixels};
    use OpenGl::{Container, Nv, Software};

    use super::*;
    use crate::facts::{NotTried, OtherInterface};

    fn one(opengl: OpenGl, outcome: MeasurementOutcome) -> Measurement {
        let works = outcome == Works;
        Measurement {
            opengl,
            place: Place::Image,
            outcome,
            renderer: works.then(|| "llvmpipe (LLVM 15.0.6, 256 bits)".to_owned()),
            renderer_class: if works { RendererClass::Software } else { RendererClass::None },
            gl_version: None,
            pixels_correct: works.then_some(true),
            frames_per_second: works.then_some(20.0),
            startup_ms: Some(400),
            stderr: vec!["libGL error: failed".into()],
            picture: None,
            interface: Some("glx".into()),
            direct: None,
            first_frame_ms: None,
            reason: (!works).then(|| "the OpenGL library crashed in glXQueryVersion (SIGSEGV)".into()),
            notes: Vec::new(),
            others: Vec::new(),
        }
    }

    fn facts(measured: Vec<Measurement>, predicted: OpenGl, failing: &[OpenGl]) -> Facts {
        let failing = failing
            .iter()
            .map(|opengl| NotTried { opengl: *opengl, reason: "the image has no Mesa library for GLX".into() })
            .collect();
        let predicted = Some(Prediction { opengl: predicted, reasons: vec!["your screen is driven by Mesa".into()], failing });
        Facts { measurements: Some(Measurements { measured, predicted, ..Measurements::default() }), ..Facts::default() }
    }

    fn ids(facts: &Facts) -> Vec<(&'static str, Severity)> {
        match CHECK.judge(facts) {
            Outcome::Findings(findings) => findings.iter().map(|finding| (finding.kind.id, finding.severity)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_measured_is_no_question() {
        assert_eq!(CHECK.judge(&Facts::default()).word(), "skipped");
        assert_eq!(CHECK.judge(&facts(Vec::new(), Container, &[])).word(), "skipped");
        let mut silent = one(Container, NotStarted);
        silent.stderr.clear();
        assert_eq!(CHECK.judge(&facts(vec![silent], Container, &[])).word(), "unknown");
    }

    #[test]
    fn what_the_engine_says_when_nothing_starts_is_told() {
        let mut failed = one(Container, NotStarted);
        failed.stderr = vec!["INFO:    gocryptfs not found".into(), "FATAL:   mount source /data doesn't exist".into()];
        let Outcome::Findings(found) = CHECK.judge(&facts(vec![failed.clone(), failed], Container, &[])) else { panic!() };
        assert_eq!((found.len(), found[0].kind.id, found[0].severity), (1, "engine-start-failed", Severity::Error));
        assert_eq!(found[0].evidence.iter().filter(|line| line.contains("the engine said: FATAL")).count(), 1);
        assert!(!found[0].evidence.iter().any(|line| line.contains("gocryptfs")));
    }

    #[test]
    fn who_had_no_time_is_not_judged() {
        let unfinished = |measured| {
            let mut facts = facts(measured, Container, &[]);
            let left = NotTried { opengl: Software, reason: "the time of --timeout was over".into() };
            facts.measurements.as_mut().unwrap().unfinished.push(left);
            facts
        };
        for none_works in [Vec::new(), vec![one(Nv, Crashed)]] {
            let Outcome::Unknown(why) = CHECK.judge(&unfinished(none_works)) else { panic!("not unknown") };
            assert!(why.contains("software: the time of --timeout was over"), "{why}");
        }
        assert_eq!(CHECK.judge(&unfinished(vec![one(Container, Works)])), Outcome::Pass);
        let contradicted = [("gl-prediction-contradicted", Severity::Warning)];
        assert_eq!(ids(&unfinished(vec![one(Container, Crashed)])), contradicted, "what was seen is told");
    }

    #[test]
    fn what_was_expected_passes() {
        let as_expected = facts(vec![one(Container, Works), one(Software, Works)], Container, &[Nv]);
        assert_eq!(CHECK.judge(&as_expected), Outcome::Pass);
        let not_started = facts(vec![one(Container, Works), one(Nv, NotStarted)], Nv, &[]);
        assert_eq!(CHECK.judge(&not_started), Outcome::Pass, "what did not start shows nothing");
    }

    #[test]
    fn a_mode_that_was_expected_to_work_and_fails_is_a_warning() {
        for outcome in [Crashed, TimedOut, WrongPixels] {
            let facts = facts(vec![one(Container, outcome), one(Software, Works)], Container, &[]);
            assert_eq!(ids(&facts), [("gl-prediction-contradicted", Severity::Warning)], "{outcome:?}");
        }
    }

    #[test]
    fn a_mode_that_was_expected_to_fail_and_works_is_a_remark() {
        let facts_of = |measured| facts(measured, Software, &[Container, Nv]);
        assert_eq!(ids(&facts_of(vec![one(Container, Works)])), [("gl-prediction-contradicted", Severity::Info)]);
        let nv = facts_of(vec![one(Software, Works), one(Nv, Works)]);
        assert_eq!(CHECK.judge(&nv), Outcome::Pass, "the mode nv without its card is the image's own Mesa");
    }

    #[test]
    fn no_mode_at_all_is_an_error() {
        let none = facts(vec![one(Container, Crashed), one(Software, TimedOut)], OpenGl::None, &[Container]);
        assert_eq!(ids(&none), [("gl-no-mode-works", Severity::Error)]);
        let surprise = facts(vec![one(Container, Crashed), one(Software, TimedOut)], Software, &[]);
        assert_eq!(ids(&surprise).len(), 2);
    }

    #[test]
    fn where_only_egl_works_programs_of_qt_can_be_told_to_use_it() {
        let other = |interface: &str, outcome| OtherInterface {
            interface: interface.to_owned(),
            outcome,
            renderer: Some("llvmpipe".into()),
            renderer_class: RendererClass::Software,
            pixels_correct: Some(outcome == Works),
            error: None,
        };
        let with = |other| Measurement { others: vec![other], ..one(Container, MeasurementOutcome::Failed) };
        let finding = |other| match CHECK.judge(&facts(vec![with(other)], OpenGl::None, &[])) {
            Outcome::Findings(mut findings) => findings.remove(0),
            outcome => panic!("{outcome:?}"),
        };
        let by_egl = finding(other("egl-x11", Works));
        assert_eq!(by_egl.severity, Severity::Warning);
        let told = by_egl.advice[0].command.as_deref();
        assert_eq!(told, Some("casa-doctor run --opengl container --env QT_XCB_GL_INTEGRATION=xcb_egl -- COMMAND"));
        for nothing in [other("egl-x11", WrongPixels), other("egl-surfaceless", Works)] {
            assert_eq!(finding(nothing).severity, Severity::Error);
        }
    }
}
