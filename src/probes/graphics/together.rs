//! Several tests in one process, for machines where all goes well: the driver, which for Mesa includes a whole compiler, is loaded
//! once instead of five times. The parent believes only answers that leave no question open and asks every other test again alone.

use std::ffi::{OsStr, OsString};
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
            draw::wait_for_a_driver();
            run_one(trail, other, Wish::Triangle);
            draw::it_is_quiet();
        });
        run_one(trail, main, Wish::MeshWhenQuiet);
        draw::a_driver_is_up();
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

/// Runs the named tests and answers each. Those without a display have a thread of their own, which begins when the first driver
/// is up: what a driver sets up for the whole process is not always safe from two threads, what it does afterwards must be.
pub(super) fn run(trail: &'static Trail, tests: &[OsString]) {
    let is_wanted = |name: &str| tests.iter().any(|test| test == name);
    let run_if_wanted = |name: &str| {
        if is_wanted(name) {
            run_one(trail, OsStr::new(name), Wish::Triangle);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            draw::wait_for_a_driver();
            // First what does not wait for the drawing of the other thread.
            if is_wanted("vulkan") {
                tell(trail, "vulkan", || vulkan::probe(trail));
            }
            run_if_wanted("egl-surfaceless");
            run_if_wanted("egl-device");
        });
        run_if_wanted("glx");
        if is_wanted("egl-x11") {
            // A thread that has a context of GLX cannot make one of EGL current (libglvnd).
            drop(scope.spawn(|| run_if_wanted("egl-x11")).join());
        }
        draw::a_driver_is_up();
    });
}

fn tell<T: Serialize>(trail: &Trail, name: &str, test: impl FnOnce() -> T) {
    let started = Instant::now();
    let result = test();
    trail.answer(name, started.elapsed(), &result);
}
