//! OpenGL, EGL and Vulkan, each in a child process of our own program that can crash or hang without harm.
//!
//! The functions of this file start such a child and read its answer; they load no driver. What the children do stands in
//! [`child`] and the modules below it.

#[cfg(unix)]
pub(crate) mod child;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod draw;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod egl;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod glx;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(unix)]
mod vulkan;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod xlib;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use casa_doctor_checks::facts::{ChildEnd, ChildRun, GlProbe, VulkanProbe};
use casa_doctor_checks::renderer::{RendererClass, classify};
use serde::de::DeserializeOwned;

use crate::host::Host;
use crate::probes::{Context, child as children};

/// Variables for a child.
type Variables = Vec<(OsString, Option<OsString>)>;

/// Looking at a machine must not change it: the drivers' shader caches in the home directory stay as they are. The older Mesa
/// reads the second name and the newer one the first; the third is NVIDIA's.
const NO_TRACES: [(&str, &str); 3] =
    [("MESA_SHADER_CACHE_DISABLE", "true"), ("MESA_GLSL_CACHE_DISABLE", "true"), ("__GL_SHADER_DISK_CACHE", "0")];

/// Listing Vulkan devices needs no layer. The one of Mesa that sorts devices asks the X server, which may be hung.
const NO_LAYERS: [(&str, &str); 2] = [("VK_LOADER_LAYERS_DISABLE", "~implicit~"), ("NODEVICE_SELECT", "1")];

/// What makes the drivers tell their reasons, on the second run only.
const VERBOSE: [(&str, &str); 3] = [("LIBGL_DEBUG", "verbose"), ("EGL_LOG_LEVEL", "debug"), ("VK_LOADER_DEBUG", "error,driver")];

/// A second run needs at least this much of the limit: most first runs that end badly end within some hundredths of a second.
const WORTH_WAITING: Duration = Duration::from_millis(500);

/// OpenGL through GLX on the display of `DISPLAY`. `authority` is the file whose cookie let us in, if one was needed.
pub(crate) fn probe_glx(context: &Context, authority: Option<&Path>) -> GlProbe {
    gl_probe(context, "glx", authority)
}

/// OpenGL through EGL on the display of `DISPLAY`. `authority` is the file whose cookie let us in, if one was needed.
pub(crate) fn probe_egl_x11(context: &Context, authority: Option<&Path>) -> GlProbe {
    gl_probe(context, "egl-x11", authority)
}

/// OpenGL through EGL on each device that EGL lists, without a display.
pub(crate) fn probe_egl_device(context: &Context) -> GlProbe {
    gl_probe(context, "egl-device", None)
}

/// OpenGL through EGL without display and device: Mesa's surfaceless platform.
pub(crate) fn probe_egl_surfaceless(context: &Context) -> GlProbe {
    gl_probe(context, "egl-surfaceless", None)
}

/// The devices of Vulkan.
pub(crate) fn probe_vulkan(context: &Context) -> VulkanProbe {
    let variables = set(&[&NO_TRACES[..], &NO_LAYERS]);
    let useless = |run: &VulkanProbe| run.result.as_ref().is_none_or(|result| result.devices.is_empty() && has_drivers(result));
    run_twice(context, "vulkan", &variables, useless)
}

/// Whether it is worth asking why: a missing loader says it all.
fn has_drivers(result: &casa_doctor_checks::facts::VulkanResult) -> bool {
    result.error.as_ref().is_none_or(|error| !error.call.starts_with("dlopen"))
}

fn gl_probe(context: &Context, probe: &str, authority: Option<&Path>) -> GlProbe {
    if cfg!(any(not(unix), target_vendor = "apple")) {
        let reason = "GLX and EGL are looked at on Linux and BSD systems only".to_owned();
        return ChildRun {
            end: ChildEnd::NotStarted { reason },
            last_call: None,
            stderr: Vec::new(),
            duration_ms: 0,
            result: None,
        };
    }
    let mut variables = set(&[&NO_TRACES[..]]);
    if let Some(authority) = authority {
        variables.push(("XAUTHORITY".into(), Some(authority.into())));
    }
    run_twice(context, probe, &variables, |run| is_useless(context.host.as_ref(), run))
}

/// Whether nothing useful came back, so that the drivers' own words are wanted.
fn is_useless(host: &dyn Host, run: &GlProbe) -> bool {
    let Some(result) = &run.result else { return true };
    if let Some(error) = &result.error {
        // No driver was loaded yet, so none can say more.
        return error.call != "XOpenDisplay" && !error.call.starts_with("dlopen");
    }
    let drawn = |context: &casa_doctor_checks::facts::GlContext| {
        !context.renderer.is_empty() && context.draw.as_ref().is_some_and(|draw| draw.error.is_none() && draw.wrong == 0)
    };
    // A processor draws although there is a card: the drivers know why.
    let is_software = || result.contexts.iter().all(|context| classify(context).class == RendererClass::Software);
    !result.contexts.iter().any(drawn) || (is_software() && has_render_node(host))
}

fn has_render_node(host: &dyn Host) -> bool {
    host.read_dir(Path::new("/dev/dri")).is_ok_and(|names| names.iter().any(|name| name.as_encoded_bytes().starts_with(b"renderD")))
}

/// Runs a probe, and once more with the drivers' debug output when that is `useful`: never after a hang, and only in the
/// time that is left. The facts are those of the first run; the second one gives its standard error.
fn run_twice<T: DeserializeOwned>(
    context: &Context,
    probe: &str,
    variables: &Variables,
    useful: impl Fn(&ChildRun<T>) -> bool,
) -> ChildRun<T> {
    let mut first = children::run(context, probe, &[], variables);
    let left = context.limit.saturating_sub(Duration::from_millis(first.duration_ms));
    let ended = !matches!(first.end, ChildEnd::TimedOut { .. } | ChildEnd::NotStarted { .. });
    if ended && left >= WORTH_WAITING.min(context.limit / 2) && useful(&first) {
        let again = Context { host: context.host.clone(), limit: left };
        let variables: Variables = variables.iter().cloned().chain(set(&[&VERBOSE[..]])).collect();
        let second: ChildRun<T> = children::run(&again, probe, &[], &variables);
        if !second.stderr.is_empty() {
            first.stderr = second.stderr;
        }
    }
    first
}

fn set(groups: &[&[(&str, &str)]]) -> Variables {
    groups.iter().copied().flatten().map(|(name, value)| (OsString::from(name), Some(OsString::from(value)))).collect()
}
