use serde_json::{Value, json};

use super::*;
use crate::recommend::OpenGl::{Container, None as NoMode, Nv, Software};

const LLVMPIPE: &str = "llvmpipe (LLVM 15.0.6, 256 bits)";
const SOFTPIPE: &str = "softpipe";
const GEFORCE: &str = "NVIDIA GeForce RTX 3070/PCIe/SSE2";
const NOUVEAU: &str = "NV136";

fn one(opengl: OpenGl, renderer: &str, class: RendererClass, fps: f64) -> Measurement {
    Measurement {
        opengl,
        place: Place::Image,
        outcome: MeasurementOutcome::Works,
        renderer: Some(renderer.into()),
        renderer_class: class,
        gl_version: Some("4.5".into()),
        pixels_correct: Some(true),
        frames_per_second: Some(fps),
        startup_ms: Some(600),
        stderr: Vec::new(),
        picture: None,
        interface: Some("glx".into()),
        direct: Some(true),
        first_frame_ms: Some(100),
        reason: None,
        notes: Vec::new(),
        others: Vec::new(),
    }
}

fn hardware(opengl: OpenGl, renderer: &str, fps: f64) -> Measurement {
    one(opengl, renderer, RendererClass::Hardware, fps)
}

fn software(opengl: OpenGl, renderer: &str, fps: f64) -> Measurement {
    one(opengl, renderer, RendererClass::Software, fps)
}

fn failed(opengl: OpenGl, outcome: MeasurementOutcome) -> Measurement {
    Measurement {
        outcome,
        pixels_correct: (outcome == MeasurementOutcome::WrongPixels).then_some(false),
        reason: Some("the OpenGL library crashed in dlopen libGL.so.1 (SIGSEGV)".into()),
        ..one(opengl, GEFORCE, RendererClass::Hardware, 500.0)
    }
}

fn unverified(opengl: OpenGl, renderer: &str, class: RendererClass) -> Measurement {
    Measurement { pixels_correct: None, frames_per_second: None, ..one(opengl, renderer, class, 0.0) }
}

fn facts(measured: Vec<Measurement>) -> Facts {
    Facts { measurements: Some(Measurements { measured, ..Measurements::default() }), ..Facts::default() }
}

fn mode(measured: Vec<Measurement>) -> OpenGl {
    let found = recommend(&facts(measured)).unwrap();
    assert_eq!(found.basis, Basis::Measured);
    found.opengl
}

#[test]
fn the_table_of_decisions() {
    use MeasurementOutcome::{Crashed, Failed, NotStarted, TimedOut, WrongPixels};
    let virtual_card = |opengl, fps| one(opengl, "virgl", RendererClass::Virtual, fps);
    let table: &[(&str, Vec<Measurement>, OpenGl)] = &[
        ("all by the processor", vec![software(Container, LLVMPIPE, 20.0), software(Software, SOFTPIPE, 4.0)], Container),
        ("software is faster by far", vec![software(Container, SOFTPIPE, 4.0), software(Software, LLVMPIPE, 20.0)], Software),
        (
            "software is faster by a little",
            vec![software(Container, SOFTPIPE, 17.0), software(Software, LLVMPIPE, 20.0)],
            Container,
        ),
        ("just as much as counts", vec![software(Container, SOFTPIPE, 15.9), software(Software, LLVMPIPE, 20.0)], Software),
        ("one renderer, two figures", vec![software(Container, LLVMPIPE, 9.0), software(Software, LLVMPIPE, 20.0)], Container),
        ("a card is better, though slower", vec![software(Container, LLVMPIPE, 90.0), hardware(Nv, GEFORCE, 50.0)], Nv),
        ("two drivers of one card", vec![hardware(Container, NOUVEAU, 40.0), hardware(Nv, GEFORCE, 400.0)], Nv),
        ("two drivers, about as fast", vec![hardware(Container, NOUVEAU, 350.0), hardware(Nv, GEFORCE, 400.0)], Container),
        ("a virtual card", vec![software(Container, LLVMPIPE, 90.0), virtual_card(Nv, 30.0)], Nv),
        ("a card before a virtual one", vec![virtual_card(Container, 90.0), hardware(Nv, GEFORCE, 60.0)], Nv),
        ("wrong pixels never win", vec![failed(Nv, WrongPixels), software(Software, SOFTPIPE, 1.0)], Software),
        ("a crash never wins", vec![failed(Container, Crashed), software(Software, SOFTPIPE, 1.0)], Software),
        ("a hang never wins", vec![failed(Container, TimedOut), software(Software, SOFTPIPE, 1.0)], Software),
        ("no context never wins", vec![failed(Container, Failed), software(Software, SOFTPIPE, 1.0)], Software),
        (
            "seen pixels before unseen ones",
            vec![unverified(Nv, GEFORCE, RendererClass::Hardware), software(Container, LLVMPIPE, 9.0)],
            Container,
        ),
        (
            "unseen pixels before nothing",
            vec![unverified(Container, LLVMPIPE, RendererClass::Software), failed(Software, Failed)],
            Container,
        ),
        (
            "an unknown renderer before a known slow one",
            vec![software(Container, LLVMPIPE, 9.0), one(Nv, "Frobnicator", RendererClass::Unknown, 80.0)],
            Nv,
        ),
        (
            "the processor before the X server",
            vec![one(Container, "Mesa", RendererClass::Indirect, 80.0), software(Software, SOFTPIPE, 1.0)],
            Software,
        ),
        ("nothing works", vec![failed(Container, Crashed), failed(Software, WrongPixels)], NoMode),
        ("one did not start", vec![failed(Container, NotStarted), software(Software, SOFTPIPE, 1.0)], Software),
    ];
    for (name, measured, expected) in table {
        assert_eq!(mode(measured.clone()), *expected, "{name}");
        let backwards = measured.iter().rev().cloned().collect();
        assert_eq!(mode(backwards), *expected, "{name}, in the other order");
    }
}

#[test]
fn the_machine_itself_is_no_mode() {
    let machine = Measurement { place: Place::Host, ..hardware(NoMode, GEFORCE, 400.0) };
    let found =
        recommend(&facts(vec![machine, software(Container, LLVMPIPE, 9.4), failed(Software, MeasurementOutcome::Failed)])).unwrap();
    assert_eq!(found.opengl, Container);
    assert_eq!(
        found.reasons,
        [
            "tried out in the image: 3D runs at 9.4 frames/s on the processor (llvmpipe (LLVM 15.0.6, 256 bits)), and every pixel of the test picture was right",
            "outside of the container 3D runs at 400 frames/s on the graphics card (NVIDIA GeForce RTX 3070/PCIe/SSE2), but no OpenGL mode brings that into this image",
        ]
    );
}

#[test]
fn every_other_mode_is_rejected_with_its_reason() {
    let mut facts = facts(vec![software(Container, LLVMPIPE, 20.0), software(Software, SOFTPIPE, 4.0)]);
    facts.measurements.as_mut().unwrap().not_tried =
        vec![casa_doctor_checks::facts::NotTried { opengl: Nv, reason: "this machine has no NVIDIA driver".into() }];
    let found = recommend(&facts).unwrap();
    assert_eq!(found.confidence, Confidence::High);
    let told: Vec<_> = found.rejected.iter().map(|one| (one.opengl, one.reason.as_str())).collect();
    assert_eq!(
        told,
        [(Nv, "this machine has no NVIDIA driver"), (Software, "it only runs at 4.0 frames/s on the processor (softpipe)")]
    );
}

#[test]
fn who_had_no_time_may_still_work() {
    let unfinished = |facts: &mut Facts, mode, predicted| {
        let all = facts.measurements.as_mut().unwrap();
        all.unfinished.push(casa_doctor_checks::facts::NotTried { opengl: mode, reason: "the time was over".into() });
        all.predicted = Some(casa_doctor_checks::facts::Prediction { opengl: predicted, reasons: Vec::new(), failing: Vec::new() });
    };
    let mut crashed = facts(vec![failed(Container, MeasurementOutcome::Crashed)]);
    unfinished(&mut crashed, Software, Container);
    let found = recommend(&crashed).unwrap();
    assert_eq!((found.opengl, found.basis, found.confidence), (Software, Basis::Predicted, Confidence::Low));
    assert_eq!(found.rejected.iter().map(|one| one.opengl).collect::<Vec<_>>(), [Container]);
    assert!(found.reasons[0].ends_with("and \"software\" was not: the time was over"), "{:?}", found.reasons);
    unfinished(&mut crashed, Nv, Software);
    assert_eq!(recommend(&crashed).unwrap().opengl, Software, "the expected one");

    let mut works = facts(vec![hardware(Container, NOUVEAU, 40.0)]);
    unfinished(&mut works, Software, Container);
    let found = recommend(&works).unwrap();
    assert_eq!((found.opengl, found.basis), (Container, Basis::Measured));
    assert_eq!(found.rejected[0].reason, "the time was over");
}

#[test]
fn why_not_is_told_in_words() {
    let against = |chosen: Measurement, other: Measurement| {
        let found = recommend(&facts(vec![chosen, other])).unwrap();
        found.rejected[0].reason.clone()
    };
    assert_eq!(
        against(software(Container, LLVMPIPE, 9.0), software(Software, LLVMPIPE, 20.0)),
        "it draws with the same renderer as \"container\", and changes more"
    );
    assert_eq!(
        against(hardware(Container, NOUVEAU, 350.0), hardware(Nv, GEFORCE, 400.0)),
        "it runs at 400 frames/s on the graphics card (NVIDIA GeForce RTX 3070/PCIe/SSE2), which is not clearly faster, and changes more"
    );
    assert!(against(software(Software, SOFTPIPE, 2.0), failed(Container, MeasurementOutcome::Crashed)).contains("SIGSEGV"));
    let unseen = unverified(Nv, GEFORCE, RendererClass::Hardware);
    assert!(against(software(Container, LLVMPIPE, 9.0), unseen).ends_with("could not be compared"));
}

#[test]
fn what_could_not_be_started_leaves_the_prediction() {
    let not_started = vec![failed(Container, MeasurementOutcome::NotStarted), failed(Software, MeasurementOutcome::NotStarted)];
    assert_eq!(recommend(&facts(not_started)), None, "nothing is known of the display, so nothing is predicted either");
    assert_eq!(recommend(&facts(Vec::new())), None);
}

#[test]
fn how_a_container_that_never_started_would_draw_is_a_guess() {
    let without_display = |measured| Facts { x11: Some(casa_doctor_checks::facts::X11::default()), ..facts(measured) };
    let confidence = |measured| recommend(&without_display(measured)).unwrap().confidence;
    assert_eq!(confidence(Vec::new()), Confidence::Medium, "only the machine itself was measured");
    assert_eq!(confidence(vec![failed(Container, MeasurementOutcome::NotStarted)]), Confidence::Low);
}

#[test]
fn the_kept_word_is_unsure_when_nothing_was_compared() {
    let found = recommend(&facts(vec![unverified(Container, LLVMPIPE, RendererClass::Software)])).unwrap();
    assert_eq!((found.opengl, found.confidence), (Container, Confidence::Medium));
    assert!(found.reasons[0].ends_with("what it draws could not be compared"), "{:?}", found.reasons);
}

/// A machine whose screen is driven by Mesa, with what was decided there.
fn with_record(own: Option<Value>, shared: Option<Value>) -> Facts {
    use casa_doctor_checks::facts::{
        Connection, Environment, EnvironmentSearch, Gpu, Image, ImageContents, Machine, ServerGlx, X11, XServer,
    };
    let glx = ServerGlx { version: "1.4".into(), vendor_names: vec!["mesa".into()], ..ServerGlx::default() };
    let server = XServer { glx: Some(glx), ..XServer::default() };
    let mut environment = Environment { decided: own, ..Environment::default() };
    environment.file.value = Some(json!({"casa_doctor": shared}));
    let contents = ImageContents {
        glx_vendors: vec!["mesa".into()],
        glvnd: Some(true),
        dri_drivers: vec!["gallium".into()],
        software_mesa: Some(true),
        ..ImageContents::default()
    };
    Facts {
        machine: Some(Machine { os: "linux".into(), hostname: Some("pc".into()), ..Machine::default() }),
        x11: Some(X11 { connection: Connection::Connected(Box::new(server)), ..X11::default() }),
        gpu: Some(Gpu::default()),
        environment: Some(EnvironmentSearch { found: Some(environment), ..EnvironmentSearch::default() }),
        image: Some(Image { contents: Some(contents), ..Image::default() }),
        ..Facts::default()
    }
}

fn record(mode: &str, basis: &str, vendor: &str) -> Value {
    let decision = json!({"opengl": mode, "basis": basis, "because": "it drew", "fingerprint": {"glx_vendor": vendor}});
    json!({"version": 1, "decisions": {"pc": {"local": decision}}})
}

#[test]
fn what_was_tried_out_before_outweighs_what_the_facts_let_expect() {
    let tried = || Some(record("software", "measured", "mesa"));
    for facts in
        [with_record(None, tried()), with_record(tried(), None), with_record(tried(), Some(record("nv", "measured", "mesa")))]
    {
        let found = recommend(&facts).unwrap();
        assert_eq!((found.opengl, found.basis), (Software, Basis::Measured));
        assert_eq!(found.reasons[0], "it drew");
        let others: Vec<_> = found.rejected.iter().map(|one| (one.opengl, one.reason.contains("was chosen"))).collect();
        assert_eq!(others, [(Container, true), (Nv, false)], "{found:#?}");
    }
    let now = Some(Measurements { measured: vec![software(Container, LLVMPIPE, 20.0)], ..Measurements::default() });
    let again = Facts { measurements: now, ..with_record(None, tried()) };
    assert_eq!(recommend(&again).unwrap().opengl, Container, "what is tried now counts");
}

#[test]
fn a_prediction_of_before_and_one_that_rests_on_something_else_decide_nothing() {
    let predicted = recommend(&with_record(None, Some(record("software", "predicted", "mesa")))).unwrap();
    assert_eq!((predicted.opengl, predicted.basis), (Container, Basis::Predicted));
    let changed = recommend(&with_record(None, Some(record("nv", "measured", "nvidia")))).unwrap();
    assert_eq!((changed.opengl, changed.basis), (Container, Basis::Predicted));
    assert!(changed.reasons.last().unwrap().contains("\"nv\" was decided here, but meanwhile"), "{changed:#?}");
}
