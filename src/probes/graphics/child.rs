//! What the child processes do. Nothing here may be called in a process that must live on.
#![expect(unsafe_code, reason = "ending without the drivers' exit handlers is a call of the C library")]

use std::ffi::{OsString, c_int};

use casa_doctor_checks::facts::{GlError, GlResult, NvmlResult, VulkanResult};

use crate::probes::child::Trail;

unsafe extern "C" {
    /// Ends the process at once, without the handlers that libraries registered (POSIX.1-2024, `_exit`).
    safe fn _exit(status: c_int) -> !;
}

/// Ends the child. Closing a display, unloading a driver and a driver's own exit handlers have crashed and stalled with some
/// drivers; the kernel gives everything back without them.
pub(crate) fn leave() -> ! {
    _exit(0)
}

/// A call that failed, in the form of the facts.
pub(super) fn failed(call: impl Into<String>, message: impl std::fmt::Display) -> GlError {
    GlError { call: call.into(), message: message.to_string() }
}

/// The child of [`super::probe_nvml`].
pub(crate) fn nvml(trail: &Trail) -> NvmlResult {
    super::nvml::probe(trail)
}

/// The child of [`super::probe_vulkan`].
pub(crate) fn vulkan(trail: &Trail) -> VulkanResult {
    super::vulkan::probe(trail)
}

#[cfg(not(target_vendor = "apple"))]
pub(crate) use drivers::{egl_device, egl_surfaceless, egl_x11, glx, together};

#[cfg(not(target_vendor = "apple"))]
mod drivers {
    use std::io::Read;

    use super::super::draw::Wish;
    use super::super::{MAY_DRAW, MESH, egl, glx, together};
    use super::{GlResult, OsString, Trail};

    /// What the arguments of a child ask for.
    fn wish(args: &[OsString]) -> Wish {
        if args.iter().any(|arg| arg == MESH) { Wish::Mesh } else { Wish::Triangle }
    }

    /// The child of [`super::super::probe_together`].
    pub(crate) fn together(trail: &'static Trail, tests: &[OsString]) {
        match tests {
            [main, other, mesh] if mesh == MESH => together::measure(trail, main, other),
            _ => together::run(trail, tests, may_draw),
        }
    }

    /// Waits for the word of the parent. None comes where there is no display, or where it is not opened with our variables.
    fn may_draw() -> bool {
        let mut word = Vec::new();
        std::io::stdin().read_to_end(&mut word).is_ok() && word == MAY_DRAW
    }

    /// The child of [`super::super::probe_glx`].
    pub(crate) fn glx(trail: &'static Trail, args: &[OsString]) -> GlResult {
        glx::probe(trail, wish(args))
    }

    /// The child of [`super::super::probe_egl_x11`].
    pub(crate) fn egl_x11(trail: &'static Trail, args: &[OsString]) -> GlResult {
        egl::x11(trail, wish(args))
    }

    /// The child of [`super::super::probe_egl_device`].
    pub(crate) fn egl_device(trail: &'static Trail, args: &[OsString]) -> GlResult {
        egl::devices(trail, wish(args))
    }

    /// The child of [`super::super::probe_egl_surfaceless`].
    pub(crate) fn egl_surfaceless(trail: &'static Trail, args: &[OsString]) -> GlResult {
        egl::surfaceless(trail, wish(args))
    }
}

#[cfg(target_vendor = "apple")]
pub(crate) use absent::{absent as egl_device, absent as egl_surfaceless, absent as egl_x11, absent as glx, together};

#[cfg(target_vendor = "apple")]
mod absent {
    use super::{GlResult, OsString, Trail, failed};

    /// Nothing is answered together where nothing is looked at.
    pub(crate) fn together(_: &'static Trail, _: &[OsString]) {}

    /// On macOS the parent does not start these children; one that is started by hand says why.
    pub(crate) fn absent(_: &'static Trail, _: &[OsString]) -> GlResult {
        GlResult { error: Some(failed("dlopen", "GLX and EGL are not looked at on macOS")), contexts: Vec::new() }
    }
}
