//! Several tests in one process, for machines where all goes well: the driver, which for Mesa includes a whole compiler, is loaded
//! once instead of five times. The parent believes only answers that leave no question open and asks every other test again alone.

use std::ffi::{OsStr, OsString};
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

use casa_doctor_checks::facts::GlResult;
use serde::Serialize;

use super::draw::{self, Wish};
use super::{egl, glx, vulkan};
use crate::probes::child::Trail;

/// Runs two tests and answers each: the first, which decides, with the mesh, drawn when the other has ended.
pub(super) fn measure(trail: &'static Trail, main: &OsStr, other: &OsStr) {
    thread::scope(|scope| {
        scope.spawn(|| {
            draw::wait_for_drivers(1);
            run_one(trail, other, Wish::Triangle);
            draw::it_is_quiet();
        });
        run_one(trail, main, Wish::MeshWhenQuiet);
        draw::drivers_are_up(1);
    });
}

fn run_one(trail: &'static Trail, name: &OsStr, wish: Wish) {
    for (known, test) in TESTS {
        if name == *known {
            tell(trail, known, || test(trail, wish));
        }
    }
}

/// A test of OpenGL.
type Test = fn(&'static Trail, Wish) -> GlResult;

/// The tests of OpenGL, by the words of [`super::Interface`].
const TESTS: &[(&str, Test)] =
    &[("glx", glx::probe), ("egl-x11", egl::x11), ("egl-surfaceless", egl::surfaceless), ("egl-device", egl::devices)];

/// Runs the named tests and answers each. The display is drawn on when `may_draw` comes back and allows it.
///
/// What a driver sets up for the whole process is not always safe from two threads; what it does afterwards must be. Hence one
/// driver after the other: the one that needs no display first, since it need not wait for the parent, then the display's. Of the
/// rest that comes first which need not wait for the drawing of another thread.
pub(super) fn run(trail: &'static Trail, tests: &[OsString], may_draw: impl FnOnce() -> bool + Send) {
    let is_wanted = |name: &str| tests.iter().any(|test| test == name);
    let run_if_wanted = |name: &str| {
        if is_wanted(name) {
            run_one(trail, OsStr::new(name), Wish::Triangle);
        }
    };
    let has_display = OnceLock::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let has_display = has_display.get_or_init(may_draw);
            draw::wait_for_drivers(1);
            if *has_display {
                run_if_wanted("glx");
            }
            draw::drivers_are_up(2);
        });
        scope.spawn(|| {
            draw::wait_for_drivers(2);
            if is_wanted("vulkan") {
                tell(trail, "vulkan", || vulkan::probe(trail));
            }
            // Not in the thread of GLX: one that has a context of GLX cannot make one of EGL current (libglvnd).
            if has_display.get() == Some(&true) {
                run_if_wanted("egl-x11");
            }
            run_if_wanted("egl-device");
        });
        run_if_wanted("egl-surfaceless");
        draw::drivers_are_up(1);
    });
}

fn tell<T: Serialize>(trail: &Trail, name: &str, test: impl FnOnce() -> T) {
    let started = Instant::now();
    let result = test();
    trail.answer(name, started.elapsed(), &result);
}
