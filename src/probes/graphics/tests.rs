//! The parent half with real children: real drivers (Mesa without a card), a real X server, and vendor libraries that
//! misbehave. The children are this test program started again.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{ChildEnd, GlProbe};

use super::*;
use crate::probes::child::tests::SelfHost;
use lab::{Vendor, Xvfb};

#[path = "../../../tests/graphics/lab.rs"]
mod lab;

const ENOUGH: Duration = Duration::from_secs(30);

fn on(server: &Xvfb, vendor: Option<&Vendor>) -> SelfHost {
    let mut env = vec![("DISPLAY".into(), server.display.clone().into())];
    env.extend(vendor.into_iter().flat_map(Vendor::variables));
    SelfHost { env }
}

fn gl(context: &Context, test: ProbeId, authority: Option<&Path>) -> GlProbe {
    match probe_alone(context, test, authority) {
        Seen::Gl(probe) => probe,
        Seen::Vulkan(probe) => panic!("{probe:?}"),
    }
}

fn probe_glx(context: &Context, authority: Option<&Path>) -> GlProbe {
    gl(context, ProbeId::Glx, authority)
}

fn renderer(probe: &GlProbe) -> &str {
    probe.result.as_ref().and_then(|result| result.contexts.first()).map_or("", |context| context.renderer.as_str())
}

#[test]
fn a_healthy_machine_answers_without_a_second_run() {
    let server = Xvfb::start(&[]);
    let context = on(&server, None).context(ENOUGH);
    for probe in [ProbeId::Glx, ProbeId::EglX11, ProbeId::EglSurfaceless].map(|test| gl(&context, test, None)) {
        assert_eq!(probe.end, ChildEnd::Finished);
        assert!(!renderer(&probe).is_empty());
        assert!(!probe.stderr.iter().any(|line| line.contains("MESA-LOADER") || line.contains("libGL:")), "{:?}", probe.stderr);
    }
    assert!(gl(&context, ProbeId::EglDevice, None).result.is_some_and(|result| result.error.is_none()));
    let Seen::Vulkan(vulkan) = probe_alone(&context, ProbeId::Vulkan, None) else { panic!("not Vulkan") };
    assert!(vulkan.result.is_some_and(|result| !result.devices.is_empty()));
}

const ALL: [ProbeId; 5] = [ProbeId::Glx, ProbeId::EglX11, ProbeId::EglSurfaceless, ProbeId::EglDevice, ProbeId::Vulkan];

/// The tests in one process, which may draw on the display at once.
fn together(context: &Context, tests: &[ProbeId]) -> BTreeMap<ProbeId, Seen> {
    probe_together(context, tests, None, at_once())
}

/// The facts of a test that do not change from run to run.
fn told(seen: &Seen) -> String {
    let mut seen = seen.clone();
    let (Seen::Gl(ChildRun { stderr, duration_ms, .. }) | Seen::Vulkan(ChildRun { stderr, duration_ms, .. })) = &mut seen;
    (*stderr, *duration_ms) = (Vec::new(), 0);
    if let Seen::Gl(ChildRun { last_call, result: Some(result), .. }) = &mut seen {
        *last_call = None;
        for draw in result.contexts.iter_mut().filter_map(|context| context.draw.as_mut()) {
            (draw.first_frame_us, draw.since_start_us) = (None, None);
        }
    }
    if let Seen::Vulkan(run) = &mut seen {
        run.last_call = None;
    }
    format!("{seen:#?}")
}

#[test]
fn tests_in_one_process_tell_what_each_tells_alone() {
    let server = Xvfb::start(&[]);
    let context = on(&server, None).context(ENOUGH);
    let seen = together(&context, &ALL);
    assert_eq!(seen.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(ALL), "{seen:#?}");
    for test in ALL {
        assert_eq!(told(&seen[&test]), told(&probe_alone(&context, test, None)), "{test:?}");
    }
}

#[test]
fn what_goes_wrong_in_company_is_left_to_be_asked_alone() {
    let server = Xvfb::start(&[]);
    let crash = Vendor::new("casadoctortogether", "__builtin_trap();");
    let seen = together(&on(&server, Some(&crash)).context(ENOUGH), &ALL);
    let of_the_display = [ProbeId::Glx, ProbeId::EglX11].map(|test| seen.contains_key(&test));
    assert_eq!(of_the_display, [false, false], "nothing but whole answers is believed of a process that died: {seen:#?}");

    let mut host = on(&server, None);
    host.env.push(("EGL_PLATFORM".into(), "none".into()));
    host.env.push(("__EGL_VENDOR_LIBRARY_FILENAMES".into(), "/nowhere".into()));
    let seen = together(&host.context(ENOUGH), &ALL);
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [ProbeId::Glx, ProbeId::Vulkan], "{seen:#?}");
}

#[test]
fn the_display_is_not_drawn_on_before_the_word_comes() {
    let server = Xvfb::start(&[]);
    let context = on(&server, None).context(ENOUGH);
    let (word, when) = Input::later();
    drop(word);
    let seen = probe_together(&context, &ALL, None, when);
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [ProbeId::EglDevice, ProbeId::EglSurfaceless, ProbeId::Vulkan]);

    let (word, when) = Input::later();
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        may_draw(&word);
    });
    let seen = probe_together(&context, &ALL, None, when);
    late.join().unwrap();
    assert_eq!(seen.into_keys().collect::<BTreeSet<_>>(), BTreeSet::from(ALL));
}

#[test]
fn one_test_gains_nothing_from_company() {
    let server = Xvfb::start(&[]);
    assert!(together(&on(&server, None).context(ENOUGH), &[ProbeId::Glx]).is_empty());
}

#[test]
fn a_driver_that_does_not_load_says_why_on_the_second_run() {
    let server = Xvfb::start(&[]);
    let mut host = on(&server, None);
    host.env.push(("LIBGL_DRIVERS_PATH".into(), "/nowhere".into()));
    let context = host.context(ENOUGH);
    let glx = probe_glx(&context, None);
    assert!(glx.result.as_ref().is_some_and(|result| result.error.is_some()), "{glx:?}");
    assert!(glx.stderr.iter().any(|line| line.contains("MESA-LOADER") && line.contains("/nowhere")), "{:?}", glx.stderr);
    let egl = gl(&context, ProbeId::EglX11, None);
    assert_eq!(
        egl.result.as_ref().and_then(|result| result.error.as_ref()).map(|error| error.call.as_str()),
        Some("eglInitialize")
    );
    assert!(!egl.stderr.is_empty());
}

/// A constructor that counts its runs, tells whether debug output was asked for, and then does something.
fn counting(then: &str) -> String {
    format!(
        "FILE *runs = fopen(getenv(\"RUNS\"), \"a\"); fputs(\"x\", runs); fclose(runs);\n\
         fprintf(stderr, \"LIBGL_DEBUG is %s\\n\", getenv(\"LIBGL_DEBUG\") ? getenv(\"LIBGL_DEBUG\") : \"unset\");\n{then}"
    )
}

#[test]
fn a_driver_that_crashes_is_run_once_more_for_its_words() {
    let server = Xvfb::start(&[]);
    let vendor = Vendor::new("crash", &counting("*(volatile int *)0 = 1;"));
    let runs = vendor.file("runs");
    let mut host = on(&server, Some(&vendor));
    host.env.push(("RUNS".into(), runs.clone().into()));
    let probe = probe_glx(&host.context(ENOUGH), None);
    assert_eq!(probe.end, ChildEnd::Signal { number: 11, name: "SIGSEGV".into() });
    assert_eq!(probe.last_call.as_deref(), Some("dlopen libGL.so.1"));
    assert_eq!(probe.stderr, ["LIBGL_DEBUG is verbose"]);
    assert_eq!(lab::text(&runs), "xx");
}

#[test]
fn a_driver_that_hangs_is_killed_and_not_run_again() {
    let server = Xvfb::start(&[]);
    let vendor = Vendor::new("sleep", &counting("signal(SIGTERM, SIG_IGN); for (;;) pause();"));
    let runs = vendor.file("runs");
    let mut host = on(&server, Some(&vendor));
    host.env.push(("RUNS".into(), runs.clone().into()));
    let started = Instant::now();
    let probe = probe_glx(&host.context(Duration::from_secs(2)), None);
    assert_eq!(probe.end, ChildEnd::TimedOut { limit_ms: 2000 });
    assert_eq!(probe.stderr, ["LIBGL_DEBUG is unset"]);
    assert_eq!(lab::text(&runs), "x");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn an_x_server_that_is_stopped_makes_the_probe_time_out_where_it_asked() {
    let server = Xvfb::start(&[]);
    server.signal("STOP");
    let probe = probe_glx(&on(&server, None).context(Duration::from_secs(1)), None);
    server.signal("CONT");
    assert_eq!(probe.end, ChildEnd::TimedOut { limit_ms: 1000 });
    assert_eq!(probe.last_call.as_deref(), Some("XOpenDisplay"));
}

#[test]
fn the_cookie_file_is_given_to_the_child() {
    // Xauthority, display 0 of every host, a cookie of sixteen bytes of 0x42.
    let mut entry = vec![0xff, 0xff, 0, 0, 0, 0, 0, 18];
    entry.extend(b"MIT-MAGIC-COOKIE-1\0\x10");
    entry.extend([0x42; 16]);
    let directory = tempfile::tempdir().unwrap();
    let cookie = directory.path().join("cookie");
    tempfile::NamedTempFile::new_in(&directory)
        .and_then(|mut file| {
            io::Write::write_all(&mut file, &entry)?;
            Ok(file.persist(&cookie)?)
        })
        .unwrap();
    let server = Xvfb::start(&["-auth", cookie.to_str().unwrap()]);
    let mut host = on(&server, None);
    host.env.push(("HOME".into(), directory.path().into()));
    let context = host.context(ENOUGH);
    assert!(!renderer(&probe_glx(&context, Some(&cookie))).is_empty());
    let refused = probe_glx(&context, None);
    let error = refused.result.as_ref().and_then(|result| result.error.as_ref()).map(|error| error.call.as_str());
    assert_eq!(error, Some("XOpenDisplay"), "{refused:?}");
    assert!(refused.stderr.iter().any(|line| line.contains("Authorization required")), "{:?}", refused.stderr);
}

#[test]
fn two_interfaces_are_measured_in_one_process_and_only_the_first_draws_the_mesh() {
    let server = Xvfb::start(&[]);
    let context = on(&server, None).context(ENOUGH);
    let [main, other] = measure_together(&context, [Interface::Glx, Interface::EglX11], None);
    let mesh = |run: Option<GlProbe>| run.unwrap().result.unwrap().contexts.remove(0).draw.unwrap().mesh;
    let drawn = mesh(main).unwrap();
    assert_eq!((drawn.is_right(), drawn.error), (Some(true), None));
    assert!(drawn.frames_per_second.is_some_and(|speed| speed > 0.0));
    assert_eq!(mesh(other), None);
}
