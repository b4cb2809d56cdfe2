use casa_doctor_checks::facts::{
    ChildEnd, ChildRun, Draw, GlContext, GlError, GlProbe, GlResult, Gpu, Image, ImageContents, Machine, MeshDraw, X11,
};
use casa_doctor_checks::renderer::RendererClass;

use super::look::{Look, Probed};
use super::*;
use crate::host::LiveHost;
use crate::probes::graphics::Interface;

fn run(end: ChildEnd, result: Option<GlResult>) -> GlProbe {
    ChildRun { end, last_call: Some("glXCreateNewContext".into()), stderr: Vec::new(), duration_ms: 300, result }
}

fn drawn(wrong: u32, mesh: Option<MeshDraw>) -> GlProbe {
    let draw = Draw { pixels: 262_144, wrong, since_start_us: Some(120_000), mesh, ..Draw::default() };
    let context = GlContext {
        renderer: "llvmpipe (LLVM 15.0.6, 256 bits)".into(),
        version: "4.5 (Compatibility Profile) Mesa 22.3.6".into(),
        direct: Some(true),
        draw: Some(draw),
        ..GlContext::default()
    };
    run(ChildEnd::Finished, Some(GlResult { error: None, contexts: vec![context] }))
}

fn mesh(off: u32) -> MeshDraw {
    MeshDraw {
        triangles: 150_544,
        frames: 4.0,
        frames_per_second: Some(20.0),
        cells: 4096,
        cells_off: Some(off),
        picture: Some("data:image/png;base64,AAAA".into()),
        error: None,
    }
}

fn judged(run: GlProbe) -> Measurement {
    let look = Look { main: Probed { interface: Interface::Glx, after_ms: 10, run }, others: Vec::new() };
    judge(Place::Image, OpenGl::Container, &look, Times { began: 400 })
}

#[test]
fn a_right_picture_works_and_is_timed_from_the_start_of_the_container() {
    let one = judged(drawn(0, Some(mesh(3))));
    assert_eq!(
        (one.outcome, one.pixels_correct, one.renderer_class),
        (MeasurementOutcome::Works, Some(true), RendererClass::Software)
    );
    assert_eq!((one.startup_ms, one.first_frame_ms, one.frames_per_second), (Some(530), Some(120), Some(20.0)));
    assert!(one.picture.is_some() && one.reason.is_none());
}

#[test]
fn wrong_pixels_of_either_picture_are_wrong() {
    let triangle = judged(drawn(7, Some(mesh(0))));
    assert_eq!((triangle.outcome, triangle.pixels_correct), (MeasurementOutcome::WrongPixels, Some(false)));
    assert_eq!(triangle.reason.as_deref(), Some("7 of 262144 pixels of the test triangle have a wrong colour"));
    let of_mesh = judged(drawn(0, Some(mesh(900))));
    assert_eq!((of_mesh.outcome, of_mesh.pixels_correct), (MeasurementOutcome::WrongPixels, Some(false)));
    assert_eq!(of_mesh.reason.as_deref(), Some("the picture of the test mesh is wrong in 900 of 4096 places"));
}

#[test]
fn ends_are_told_apart_with_the_call_in_which_they_came() {
    let signal = ChildEnd::Signal { number: 11, name: "SIGSEGV".into() };
    let (crashed, hung) = (judged(run(signal, None)), judged(run(ChildEnd::TimedOut { limit_ms: 19_500 }, None)));
    assert_eq!(crashed.outcome, MeasurementOutcome::Crashed);
    assert_eq!(crashed.reason.as_deref(), Some("the OpenGL library crashed in glXCreateNewContext (SIGSEGV)"));
    assert_eq!(hung.outcome, MeasurementOutcome::TimedOut);
    assert_eq!(hung.reason.as_deref(), Some("OpenGL did not answer within 19.5 s and hung in glXCreateNewContext"));
    assert_eq!((crashed.renderer_class, crashed.pixels_correct), (RendererClass::None, None));
}

#[test]
fn the_drivers_own_words_explain_a_failure() {
    let error = GlError { call: "glXCreateNewContext".into(), message: "BadValue".into() };
    let mut failed = run(ChildEnd::Finished, Some(GlResult { error: Some(error), contexts: Vec::new() }));
    failed.stderr = vec!["libGL error: unable to load driver: swrast_dri.so".into()];
    let one = judged(failed);
    assert_eq!(one.outcome, MeasurementOutcome::Failed);
    let reason = one.reason.unwrap();
    assert!(reason.starts_with("there is no OpenGL: glXCreateNewContext: BadValue. "), "{reason}");
    assert!(reason.contains("no driver file"), "{reason}");
}

#[test]
fn an_old_opengl_that_cannot_be_read_back_is_no_success() {
    let mut old = drawn(0, None);
    old.result.as_mut().unwrap().contexts[0].draw = None;
    let one = judged(old);
    assert_eq!((one.outcome, one.pixels_correct), (MeasurementOutcome::Failed, None));
}

fn facts(connection: Connection) -> Facts {
    let machine = Machine { os: "linux".into(), glibc: Some("2.36".into()), ..Machine::default() };
    Facts { machine: Some(machine), x11: Some(X11 { connection, ..X11::default() }), gpu: Some(Gpu::default()), ..Facts::default() }
}

fn connected() -> Connection {
    Connection::Connected(Box::default())
}

#[test]
fn what_cannot_work_is_not_started() {
    let seen = facts(connected());
    assert_eq!(why_not(&seen, OpenGl::Nv).as_deref(), Some("this machine has no NVIDIA driver"));
    assert_eq!((why_not(&seen, OpenGl::Container), why_not(&seen, OpenGl::Software)), (None, None));
    assert_eq!(why_not(&facts(Connection::NoDisplay), OpenGl::Container), None);
    let malformed = facts(Connection::Malformed { reason: "no number".into() });
    assert!(why_not(&malformed, OpenGl::Software).is_some_and(|reason| reason.contains("X server")));
    assert!(why_not(&Facts::default(), OpenGl::Container).is_some());
}

/// Measures with a launch that never comes to be, and tells what was reported on the way.
fn without_engine(facts: &Facts, all_modes: bool) -> (Measurements, Vec<String>) {
    let told = std::cell::RefCell::new(Vec::new());
    let wish = Wish {
        limit: Duration::from_secs(5),
        deadline: None,
        all_modes,
        plan: Some(&|request| Err(anyhow::anyhow!("no engine for {}", request.opengl.word()))),
        tell: &|progress| {
            told.borrow_mut().push(match progress {
                Progress::Starts(mode, index, of) => format!("{} {index}/{of}", mode.word()),
                Progress::Measured(one) => format!("{} measured", one.opengl.word()),
                Progress::NotTried(one) => format!("{} not tried", one.opengl.word()),
            });
        },
    };
    let host: Arc<dyn Host> = Arc::new(LiveHost);
    let measured = measure(&host, facts, &wish).unwrap();
    (measured, told.into_inner())
}

#[test]
fn a_container_that_does_not_start_is_told_for_each_mode() {
    let unreachable = facts(Connection::Malformed { reason: "no number".into() });
    let (measured, told) = without_engine(&unreachable, true);
    assert_eq!(
        told,
        ["container 1/3", "container measured", "nv 2/3", "nv measured", "software 3/3", "software measured"],
        "all modes, whatever is expected"
    );
    assert!(measured.measured.iter().all(|one| one.outcome == MeasurementOutcome::NotStarted));
    assert_eq!(measured.measured[1].reason.as_deref(), Some("the container was not started: no engine for nv"));
    let (measured, told) = without_engine(&unreachable, false);
    assert_eq!((measured.measured.len(), measured.not_tried.len()), (0, 3), "{told:?}");
}

#[test]
fn who_is_stopped_by_the_limit_of_the_whole_run_does_not_hang() {
    let hung = || judged(run(ChildEnd::TimedOut { limit_ms: 500 }, None));
    assert_eq!(in_time(hung(), true), None);
    assert_eq!(in_time(hung(), false).map(|one| one.outcome), Some(MeasurementOutcome::TimedOut), "its own limit is a hang");
    let partly = || {
        let other = Probed { interface: Interface::EglX11, after_ms: 0, run: run(ChildEnd::TimedOut { limit_ms: 500 }, None) };
        let main = Probed { interface: Interface::Glx, after_ms: 0, run: drawn(0, Some(mesh(0))) };
        judge(Place::Image, OpenGl::Container, &Look { main, others: vec![other] }, Times { began: 0 })
    };
    assert_eq!(in_time(partly(), true).map(|one| (one.outcome, one.others)), Some((MeasurementOutcome::Works, Vec::new())));
    assert_eq!(in_time(partly(), false).map(|one| one.others.len()), Some(1));

    let wish = |left: Option<Duration>| Wish {
        limit: Duration::from_secs(5),
        deadline: left.map(|left| Instant::now() + left),
        all_modes: false,
        plan: None,
        tell: &|_| (),
    };
    assert_eq!(limit(&wish(None)), (Duration::from_secs(5), false));
    assert_eq!(limit(&wish(Some(Duration::from_secs(60)))), (Duration::from_secs(5), false));
    let (short, is_short) = limit(&wish(Some(Duration::from_secs(2))));
    assert!(is_short && short <= Duration::from_secs(2));
}

#[test]
fn modes_for_which_no_time_is_left_may_work_all_the_same() {
    let told = std::cell::RefCell::new(Vec::new());
    let wish = Wish {
        limit: Duration::from_secs(5),
        deadline: Some(Instant::now()),
        all_modes: true,
        plan: Some(&|_| panic!("nothing may be started")),
        tell: &|progress| told.borrow_mut().push(format!("{progress:?}")),
    };
    let host: Arc<dyn Host> = Arc::new(LiveHost);
    let measured = measure(&host, &facts(Connection::Malformed { reason: "no number".into() }), &wish).unwrap();
    assert_eq!(measured.unfinished.iter().map(|one| one.opengl).collect::<Vec<_>>(), MODES);
    assert!(measured.measured.is_empty() && measured.not_tried.is_empty());
    assert!(told.into_inner().iter().all(|line| line.contains("--timeout")));
}

#[test]
fn our_own_program_is_not_started_where_its_c_library_is_too_old() {
    let image = |glibc: &str| {
        let contents = ImageContents { glibc: Some(glibc.into()), ..ImageContents::default() };
        Facts { image: Some(Image { contents: Some(contents), ..Image::default() }), ..facts(connected()) }
    };
    assert_eq!(too_old(&LiveHost, &image("2.36")), None);
    assert_eq!(too_old(&LiveHost, &facts(connected())), None, "unknown is tried");
    let why = too_old(&LiveHost, &image("2.0")).unwrap();
    assert!(why.contains("has 2.0"), "{why}");
}

#[test]
fn an_answer_that_nobody_left_is_no_answer() {
    let captured = |end, started| Captured {
        end,
        started,
        stdout: Vec::new(),
        stderr: Vec::new(),
        duration: Duration::from_secs(20),
        result: None,
        interrupted: None,
    };
    let told = |end, started| without_answer(OpenGl::Nv, &captured(end, started), Vec::new());
    let timed_out = || CommandEnd::TimedOut { abandoned: false };
    assert_eq!(told(timed_out(), true).outcome, MeasurementOutcome::TimedOut);
    let before = told(timed_out(), false);
    assert_eq!(before.outcome, MeasurementOutcome::TimedOut);
    assert!(before.reason.unwrap().starts_with("the container did not come to start the test"));
    assert_eq!(told(CommandEnd::Exited(255), false).outcome, MeasurementOutcome::NotStarted);
    assert_eq!(told(CommandEnd::Exited(1), true).outcome, MeasurementOutcome::Failed);
}
