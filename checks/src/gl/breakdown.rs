//! Drivers that crash or hang whoever loads them, and tests that end for a reason unknown.

use super::{last_lines, variable, x_server};
use crate::check::{Category, Check, Outcome};
use crate::facts::{ChildEnd, ChildRun, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "gl-driver-stability",
    category: Category::Rendering,
    question: "Do the graphics drivers run without crashing or hanging?",
    // Each test that ran is judged; the others need not have run.
    needs: &[],
    findings: &[&CRASHED, &HUNG],
    run,
};

static CRASHED: FindingKind = FindingKind {
    id: "gl-probe-crashed",
    code: "CD0203",
    severity: Severity::Error,
    title: "A graphics driver crashes the programs that load it",
    why: "casa-doctor draws a small test picture in a process of its own, and that process ended without a result. Where a signal \
          ended it, it died inside of the driver, and so will every program of this machine that draws in the same way. Usual \
          causes are a driver that was updated only in part, a driver's library that does not fit the others (an LD_PRELOAD or \
          LD_LIBRARY_PATH may have brought it in), or a driver's bug. A process that exits by itself leaves its reason open: \
          libraries do that, for instance, when the X server closes the connection.",
    cure: "Reinstall or update the graphics driver, and restart the machine after an update. Until then, the mode software avoids \
           the driver.",
    example: "Segmentation fault (core dumped)",
    since: "0.1.0",
};

static HUNG: FindingKind = FindingKind {
    id: "gl-probe-hung",
    code: "CD0204",
    severity: Severity::Error,
    title: "A graphics driver hangs the programs that load it",
    why: "casa-doctor draws a small test picture in a process of its own. That process did not come back within its limit and was \
          killed; other programs would wait for ever. Usual causes are a card that stopped answering (the kernel's log then \
          tells of a reset or of an Xid), a hung X server, or a very slow connection to a remote display.",
    cure: "Look into the kernel's log, restart the machine, update the graphics driver. Until then, the mode software avoids the \
           driver.",
    example: "(nothing is printed; the program does not end)",
    since: "0.1.0",
};

/// A way to draw, and how its test ended.
struct Test<'a> {
    name: &'static str,
    library: String,
    end: &'a ChildEnd,
    last_call: Option<&'a str>,
    stderr: &'a [String],
    severity: Severity,
}

fn run(facts: &Facts) -> Outcome {
    let tests = tests(facts);
    if tests.is_empty() {
        let reason = [ProbeId::Glx, ProbeId::EglX11, ProbeId::EglDevice, ProbeId::EglSurfaceless, ProbeId::Vulkan]
            .iter()
            .find_map(|id| facts.probes.get(id)?.reason.clone());
        return Outcome::Skipped(reason.unwrap_or_else(|| "no graphics driver was tried".into()));
    }
    let (hung, others): (Vec<_>, Vec<_>) = tests.iter().partition(|test| matches!(test.end, ChildEnd::TimedOut { .. }));
    let (crashed, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|test| has_crashed(test));
    let left: Vec<_> = others.into_iter().filter(|test| matches!(test.end, ChildEnd::Exited { .. })).collect();
    if crashed.is_empty()
        && left.is_empty()
        && hung.is_empty()
        && tests.iter().all(|test| matches!(test.end, ChildEnd::NotStarted { .. }))
    {
        let reasons = tests.iter().find_map(|test| match test.end {
            ChildEnd::NotStarted { reason } => Some(reason.clone()),
            _ => None,
        });
        return Outcome::Unknown(reasons.unwrap_or_default());
    }
    let found = [report(&CRASHED, &crashed, facts), report_left(&left), report(&HUNG, &hung, facts)];
    Outcome::of(found.into_iter().flatten().collect())
}

/// Whether the driver is to blame for the end: a signal, or the dynamic linker, which exits with 127 for a library that does not fit.
fn has_crashed(test: &Test<'_>) -> bool {
    match test.end {
        ChildEnd::Signal { .. } => true,
        ChildEnd::Exited { status: 127 } => test.stderr.iter().any(|line| line.contains("symbol lookup error")),
        _ => false,
    }
}

fn tests(facts: &Facts) -> Vec<Test<'_>> {
    fn test<'a, T>(name: &'static str, run: Option<&'a ChildRun<T>>, library: String, severity: Severity) -> Option<Test<'a>> {
        let run = run?;
        Some(Test { name, library, end: &run.end, last_call: run.last_call.as_deref(), stderr: &run.stderr, severity })
    }
    // Without an X server these two only repeat what the check of the X server says.
    let has_display = facts.x11.is_none() || x_server(facts).is_ok();
    let on_display = [
        test("OpenGL (GLX)", facts.glx.as_ref(), glx_library(facts), Severity::Error),
        test("EGL on the X display", facts.egl_x11.as_ref(), egl_libraries(), Severity::Warning),
    ];
    let others = [
        test("EGL on devices", facts.egl_device.as_ref(), egl_libraries(), Severity::Warning),
        test("EGL without a surface", facts.egl_surfaceless.as_ref(), egl_libraries(), Severity::Warning),
        test("Vulkan", facts.vulkan.as_ref(), "libvulkan.so.1 and the drivers of its manifests".into(), Severity::Warning),
    ];
    on_display.into_iter().filter(|_| has_display).chain(others).flatten().collect()
}

/// The vendor library that GLX loads: the variable's, else the first one that the X server asks for.
fn glx_library(facts: &Facts) -> String {
    let forced = variable(facts.session.as_ref(), "__GLX_VENDOR_LIBRARY_NAME");
    let asked = || x_server(facts).ok()?.glx.as_ref()?.vendor_names.first().map(String::as_str);
    match forced.or_else(asked) {
        Some(name) => format!("libGLX_{name}.so.0"),
        None => "libGL.so.1".into(),
    }
}

fn egl_libraries() -> String {
    "libEGL.so.1 and the vendor libraries of its manifests".into()
}

/// One finding for all tests that ended alike: several of them load the same driver.
fn report(kind: &'static FindingKind, tests: &[&Test<'_>], facts: &Facts) -> Option<Finding> {
    let severity = tests.iter().map(|test| test.severity).max()?;
    let names: Vec<&str> = tests.iter().map(|test| test.name).collect();
    // The other tests ask every card of the machine, and some must be woken up first.
    let slow = kind.id == HUNG.id && severity < Severity::Error;
    let title = if slow { "A graphics driver does not answer in time" } else { kind.title };
    let finding = kind.found().severity(severity).title(format!("{title}: {}", names.join(", ")));
    Some(advise(ends(finding, tests), kind, facts))
}

/// The finding for tests that exited by themselves. Xlib does so when its connection to the X server breaks, wrappers of OpenGL when
/// they find no card: that the driver is to blame is not known.
fn report_left(tests: &[&Test<'_>]) -> Option<Finding> {
    let names: Vec<&str> = tests.iter().map(|test| test.name).collect();
    let first = tests.first()?;
    let title = format!("A test of graphics ended without a result, and it is not known why: {}", names.join(", "));
    let finding = ends(CRASHED.found().severity(Severity::Warning).title(title), tests);
    let finding = finding.advise(
        "Run casa-doctor again: an X server that was just restarting, or cut the connection, does not do it twice. If it happens \
         again, what stands on standard error is the best trace.",
    );
    Some(if first.name.contains("GLX") {
        finding.advise_command("See whether another program comes further.", "glxinfo -B")
    } else {
        finding
    })
}

/// Adds how each test ended.
fn ends(mut finding: Finding, tests: &[&Test<'_>]) -> Finding {
    for test in tests {
        let call = test.last_call.map_or_else(String::new, |call| format!(" in {call}"));
        let end = match test.end {
            ChildEnd::Signal { number, name } => format!("was ended by {name} (signal {number})"),
            ChildEnd::TimedOut { limit_ms } => format!("did not come back within {limit_ms} ms"),
            ChildEnd::Exited { status } => format!("exited with status {status} and without a result"),
            ChildEnd::Finished | ChildEnd::NotStarted { .. } => continue,
        };
        finding = finding.evidence(format!("{}: the test {end}{call}; it loads {}", test.name, test.library));
        finding = last_lines(test.stderr, 3).fold(finding, Finding::evidence);
    }
    finding
}

fn advise(finding: Finding, kind: &'static FindingKind, facts: &Facts) -> Finding {
    let session = facts.session.as_ref();
    let forced = variable(session, "__GLX_VENDOR_LIBRARY_NAME").map(|_| "__GLX_VENDOR_LIBRARY_NAME");
    let finding = match forced {
        Some(name) => finding.advise_command("A variable chooses this driver: unset it and try again.", format!("unset {name}")),
        None => finding,
    };
    let finding = if kind.id == HUNG.id {
        let finding = finding.advise_command(
            "See whether it only takes long: a card that nothing keeps awake needs seconds, and several of them need more.",
            "casa-doctor --probe-timeout 30",
        );
        finding.advise_command("Look for a card that stopped answering.", "sudo dmesg | grep -iE 'drm|nvrm|xid|gpu hang'")
    } else {
        finding.advise("Reinstall or update the graphics driver of this machine, then restart it.")
    };
    finding.advise("Also, until that is done, start programs in the mode software, which does not load this machine's driver.")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, desktop, drawn_by, facts, finished, session};
    use super::*;

    fn segv() -> ChildEnd {
        ChildEnd::Signal { number: 11, name: "SIGSEGV".into() }
    }

    fn findings(facts: &Facts) -> Vec<Finding> {
        match CHECK.judge(facts) {
            Outcome::Findings(findings) => findings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_crash_of_glx_is_an_error_with_call_signal_library_and_last_words() {
        let facts = Facts {
            x11: Some(desktop()),
            session: Some(session(&[("__GLX_VENDOR_LIBRARY_NAME", "crash")])),
            glx: Some(broken(segv(), "glXQueryExtension")),
            ..facts()
        };
        let found = findings(&facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("gl-probe-crashed", Severity::Error));
        let evidence = found[0].evidence.join("\n");
        for part in ["GLX", "SIGSEGV (signal 11)", "glXQueryExtension", "libGLX_crash.so.0", "driver: last words"] {
            assert!(evidence.contains(part), "{part}: {evidence}");
        }
        assert_eq!(found[0].advice[0].command.as_deref(), Some("unset __GLX_VENDOR_LIBRARY_NAME"));
    }

    #[test]
    fn the_library_is_the_one_that_the_server_asks_for() {
        let facts = Facts { x11: Some(desktop()), glx: Some(broken(segv(), "glXQueryVersion")), ..facts() };
        assert!(findings(&facts)[0].evidence[0].contains("libGLX_mesa.so.0"));
    }

    #[test]
    fn a_hang_of_egl_alone_is_a_warning_and_one_finding_tells_of_all_tests() {
        let hang = || broken(ChildEnd::TimedOut { limit_ms: 4000 }, "eglInitialize");
        let facts = Facts {
            x11: Some(desktop()),
            glx: Some(drawn_by("NV136")),
            egl_x11: Some(hang()),
            egl_device: Some(hang()),
            vulkan: Some(broken(segv(), "vkCreateInstance")),
            ..facts()
        };
        let found = findings(&facts);
        let ids: Vec<_> = found.iter().map(|finding| (finding.kind.id, finding.severity)).collect();
        assert_eq!(ids, [("gl-probe-crashed", Severity::Warning), ("gl-probe-hung", Severity::Warning)]);
        assert!(found[1].title.as_deref().is_some_and(|title| title.contains("X display") && title.contains("devices")));
        assert!(found[1].title.as_deref().is_some_and(|title| title.contains("not answer in time")), "it may be slow: {found:?}");
        assert_eq!(found[1].advice[0].command.as_deref(), Some("casa-doctor --probe-timeout 30"));
        let of_glx = findings(&Facts { x11: Some(desktop()), glx: Some(hang()), ..super::super::samples::facts() });
        assert!(of_glx[0].title.as_deref().is_some_and(|title| title.contains("hangs")), "{of_glx:?}");
    }

    #[test]
    fn an_exit_without_a_result_blames_no_driver_but_for_a_library_that_does_not_fit() {
        let left = |status, line: &str| {
            let run = ChildRun { stderr: vec![line.into()], ..broken(ChildEnd::Exited { status }, "glXCreatePbuffer") };
            let found = findings(&Facts { x11: Some(desktop()), glx: Some(run), ..facts() });
            assert_eq!((found.len(), found[0].kind.id), (1, "gl-probe-crashed"));
            found.into_iter().next().unwrap()
        };
        let found = left(1, "XIO:  fatal IO error 11 (Resource temporarily unavailable) on X server \":0\"");
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.title.as_deref().is_some_and(|title| !title.contains("crashes") && title.contains("not known")));
        assert!(found.evidence[0].contains("status 1") && found.evidence[1].contains("fatal IO error"), "{found:?}");
        assert!(found.advice.iter().all(|advice| !advice.text.contains("einstall")), "{found:?}");
        assert_eq!(left(127, "child: Xlib: extension missing").severity, Severity::Warning);
        let misfit = left(127, "child: symbol lookup error: /usr/lib/libGLX_nvidia.so.0: undefined symbol: _nv002glcore");
        assert_eq!(misfit.severity, Severity::Error);
    }

    #[test]
    fn without_an_x_server_only_the_other_tests_count() {
        let unreachable = Facts {
            x11: Some(crate::facts::X11::default()),
            glx: Some(broken(ChildEnd::TimedOut { limit_ms: 4000 }, "XOpenDisplay")),
            egl_surfaceless: Some(drawn_by("llvmpipe")),
            ..facts()
        };
        assert_eq!(CHECK.judge(&unreachable), Outcome::Pass);
    }

    #[test]
    fn nothing_tried_is_skipped_and_nothing_started_is_unknown() {
        assert_eq!(CHECK.judge(&facts()).word(), "skipped");
        let end = ChildEnd::NotStarted { reason: "no such file".into() };
        assert_eq!(CHECK.judge(&Facts { egl_device: Some(broken(end, "")), ..facts() }).word(), "unknown");
        let fine = Facts { vulkan: Some(finished(crate::facts::VulkanResult::default())), ..facts() };
        assert_eq!(CHECK.judge(&fine), Outcome::Pass);
    }
}
