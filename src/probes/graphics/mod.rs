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
#[cfg(all(unix, not(target_vendor = "apple")))]
mod glx_old;
#[cfg(unix)]
mod nvml;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod scene;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod together;
#[cfg(unix)]
mod vulkan;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod xlib;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::Duration;

use casa_doctor_checks::facts::{ChildEnd, ChildRun, Draw, Facts, GlContext, GlProbe, NvmlProbe, ProbeId, VulkanProbe};
use casa_doctor_checks::renderer::{RendererClass, classify};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::host::{Host, Input};
use crate::probes::{Context, child as children};

/// The argument that makes a child draw the mesh after the triangle.
const MESH: &str = "mesh";

/// An interface through which programs get OpenGL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Interface {
    /// GLX on the display.
    Glx,
    /// EGL on the display.
    EglX11,
    /// EGL on devices, without a display.
    EglDevice,
    /// EGL without a display and without a device.
    EglSurfaceless,
}

impl Interface {
    /// The name of its child, and the word of the JSON document.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Glx => "glx",
            Self::EglX11 => "egl-x11",
            Self::EglDevice => "egl-device",
            Self::EglSurfaceless => "egl-surfaceless",
        }
    }
}

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

/// The hidden probe of [`probe_together`].
pub(crate) const TOGETHER_PROBE: &str = "graphics-together";

/// The hidden probe of [`probe_nvml`].
pub(crate) const NVML_PROBE: &str = "nvml";

/// Which part of the limit several tests in one process may use up before each is asked alone in what is left. A driver may have to
/// be read from a slow disk first.
const PART: u32 = 4;

/// What a test of this module answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// OpenGL.
    Gl(GlProbe),
    /// Vulkan.
    Vulkan(VulkanProbe),
}

impl Seen {
    /// Puts the answer of a test where it belongs.
    pub(crate) fn write(self, test: ProbeId, facts: &mut Facts) {
        match (self, test) {
            (Self::Vulkan(run), _) => facts.vulkan = Some(run),
            (Self::Gl(run), ProbeId::Glx) => facts.glx = Some(run),
            (Self::Gl(run), ProbeId::EglX11) => facts.egl_x11 = Some(run),
            (Self::Gl(run), ProbeId::EglSurfaceless) => facts.egl_surfaceless = Some(run),
            (Self::Gl(run), _) => facts.egl_device = Some(run),
        }
    }
}

/// The name under which the child knows a test.
const fn name(test: ProbeId) -> &'static str {
    match test {
        ProbeId::Glx => "glx",
        ProbeId::EglX11 => "egl-x11",
        ProbeId::EglDevice => "egl-device",
        ProbeId::EglSurfaceless => "egl-surfaceless",
        _ => "vulkan",
    }
}

/// One test in a process of its own: GLX or EGL on the display of `DISPLAY`, EGL on each device that it lists, EGL without display
/// and device (Mesa's surfaceless platform), or Vulkan. `authority` is the file whose cookie let us in, if one was needed.
pub(crate) fn probe_alone(context: &Context, test: ProbeId, authority: Option<&Path>) -> Seen {
    match test {
        ProbeId::Vulkan => {
            let variables = set(&[&NO_TRACES[..], &NO_LAYERS]);
            Seen::Vulkan(run_twice(context, name(test), &[], &variables, vulkan_is_useless))
        }
        _ => Seen::Gl(gl_probe(context, name(test), authority)),
    }
}

/// NVIDIA's management library, in a process of its own: a card that has stopped answering may hold it for ever.
pub(crate) fn probe_nvml(context: &Context) -> NvmlProbe {
    children::run(context, NVML_PROBE, &[], &[])
}

/// The word that lets [`probe_together`] draw on the display.
const MAY_DRAW: &[u8] = b"draw";

/// Lets tests that wait for it draw on the display.
pub(crate) fn may_draw(tests: &Sender<Vec<u8>>) {
    // They may have ended already.
    let _ = tests.send(MAY_DRAW.to_vec());
}

/// For tests that need not wait.
pub(crate) fn at_once() -> Input {
    MAY_DRAW.into()
}

/// Several tests in one process, which costs much less than one process for each. Gives the answers that leave no question open;
/// any other test is to be asked alone, so that nothing that went wrong is ever blamed on its neighbour.
///
/// `when` is what those on the display wait for: [`at_once`], or [`Input::later`] with [`may_draw`]. They are not made when its sender
/// goes without.
pub(crate) fn probe_together(
    context: &Context,
    tests: &[ProbeId],
    authority: Option<&Path>,
    when: Input,
) -> BTreeMap<ProbeId, Seen> {
    if tests.len() < 2 || !SUPPORTED {
        return BTreeMap::new();
    }
    let names: Vec<OsString> = tests.iter().map(|test| name(*test).into()).collect();
    let part = Context { host: context.host.clone(), limit: context.limit / PART };
    let mut variables = set(&[&NO_TRACES[..], &NO_LAYERS]);
    variables.extend(authority_variable(authority));
    let (answers, stderr) = children::run_several(&part, TOGETHER_PROBE, &names, &variables, Some(when));
    let known = |answer: children::Answer| {
        let test = *tests.iter().find(|test| name(**test) == answer.test)?;
        let seen = match test {
            ProbeId::Vulkan => Seen::Vulkan(answer.into_run(&stderr).filter(|run| !vulkan_is_useless(run))?),
            _ => Seen::Gl(answer.into_run(&stderr).filter(|run| is_healthy(context.host.as_ref(), run))?),
        };
        Some((test, seen))
    };
    answers.into_iter().filter_map(known).collect()
}

/// Whether every context has drawn every pixel, and by what the machine has best.
fn is_healthy(host: &dyn Host, run: &GlProbe) -> bool {
    let drawn = |context: &GlContext| context.draw.as_ref().is_some_and(|draw| draw.error.is_none() && draw.wrong == 0);
    run.result.as_ref().is_some_and(|result| result.contexts.iter().all(drawn)) && !is_useless(host, run)
}

fn vulkan_is_useless(run: &VulkanProbe) -> bool {
    run.result.as_ref().is_none_or(|result| result.devices.is_empty() && has_drivers(result))
}

/// Whether it is worth asking why: a missing loader says it all.
fn has_drivers(result: &casa_doctor_checks::facts::VulkanResult) -> bool {
    result.error.as_ref().is_none_or(|error| !error.call.starts_with("dlopen"))
}

/// Whether GLX and EGL are looked at on this system.
const SUPPORTED: bool = cfg!(all(unix, not(target_vendor = "apple")));
const NOT_SUPPORTED: &str = "GLX and EGL are looked at on Linux and BSD systems only";

/// Why a probe is for other systems than this one.
pub(crate) fn unsupported(probe: ProbeId) -> Option<&'static str> {
    match probe {
        ProbeId::Glx | ProbeId::EglX11 | ProbeId::EglDevice | ProbeId::EglSurfaceless if !SUPPORTED => Some(NOT_SUPPORTED),
        ProbeId::Vulkan if cfg!(not(unix)) => Some("Vulkan is looked at on Unix systems only"),
        _ => None,
    }
}

fn gl_probe(context: &Context, probe: &str, authority: Option<&Path>) -> GlProbe {
    gl_child(context, probe, &[], authority, |run| is_useless(context.host.as_ref(), run))
}

/// OpenGL through one interface, with the mesh if wanted. When it fails, the drivers are asked for their reasons in a second run.
pub(crate) fn measure(context: &Context, interface: Interface, mesh: bool, authority: Option<&Path>) -> GlProbe {
    let args: &[OsString] = if mesh { &[MESH.into()] } else { &[] };
    gl_child(context, interface.word(), args, authority, |run| can_say_more(run) && !drew(run))
}

/// Two interfaces in one process, the first with the mesh, which is drawn when nothing else is at work there. Gives what drew
/// rightly; anything else is to be measured alone.
pub(crate) fn measure_together(context: &Context, [main, other]: [Interface; 2], authority: Option<&Path>) -> [Option<GlProbe>; 2] {
    if !SUPPORTED {
        return [None, None];
    }
    let mut variables = set(&[&NO_TRACES[..]]);
    variables.extend(authority_variable(authority));
    let names = [main.word(), other.word(), MESH].map(OsString::from);
    let part = Context { host: context.host.clone(), limit: context.limit / PART };
    let (mut answers, stderr) = children::run_several(&part, TOGETHER_PROBE, &names, &variables, None);
    [main, other].map(|interface| {
        let at = answers.iter().position(|answer| answer.test == interface.word())?;
        answers.swap_remove(at).into_run(&stderr).filter(drew)
    })
}

/// Whether a run drew something, and all of it rightly.
pub(crate) fn drew(run: &GlProbe) -> bool {
    let right = |draw: &Draw| {
        let mesh = draw.mesh.as_ref();
        draw.error.is_none() && draw.wrong == 0 && mesh.is_none_or(|mesh| mesh.error.is_none() && mesh.is_right() != Some(false))
    };
    let contexts = run.result.as_ref().map(|result| result.contexts.as_slice()).unwrap_or_default();
    contexts.iter().any(|context| !context.renderer.is_empty() && context.draw.as_ref().is_some_and(right))
}

fn gl_child(
    context: &Context,
    probe: &str,
    args: &[OsString],
    authority: Option<&Path>,
    useful: impl Fn(&GlProbe) -> bool,
) -> GlProbe {
    if !SUPPORTED {
        let reason = NOT_SUPPORTED.to_owned();
        return ChildRun {
            end: ChildEnd::NotStarted { reason },
            last_call: None,
            stderr: Vec::new(),
            duration_ms: 0,
            result: None,
        };
    }
    let mut variables = set(&[&NO_TRACES[..]]);
    variables.extend(authority_variable(authority));
    run_twice(context, probe, args, &variables, useful)
}

/// Whether a driver was loaded that could say more: a library that is missing and a display that cannot be opened say it all.
fn can_say_more(run: &GlProbe) -> bool {
    let error = run.result.as_ref().and_then(|result| result.error.as_ref());
    error.is_none_or(|error| error.call != "XOpenDisplay" && !error.call.starts_with("dlopen"))
}

fn authority_variable(authority: Option<&Path>) -> Option<(OsString, Option<OsString>)> {
    authority.map(|authority| ("XAUTHORITY".into(), Some(authority.into())))
}

/// Whether nothing useful came back, so that the drivers' own words are wanted.
fn is_useless(host: &dyn Host, run: &GlProbe) -> bool {
    let Some(result) = &run.result else { return true };
    if result.error.is_some() {
        return can_say_more(run);
    }
    let drawn = |context: &GlContext| {
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
    args: &[OsString],
    variables: &Variables,
    useful: impl Fn(&ChildRun<T>) -> bool,
) -> ChildRun<T> {
    let mut first = children::run(context, probe, args, variables);
    let left = context.limit.saturating_sub(Duration::from_millis(first.duration_ms));
    let ended = !matches!(first.end, ChildEnd::TimedOut { .. } | ChildEnd::NotStarted { .. });
    if ended && left >= WORTH_WAITING.min(context.limit / 2) && useful(&first) {
        let again = Context { host: context.host.clone(), limit: left };
        let variables: Variables = variables.iter().cloned().chain(set(&[&VERBOSE[..]])).collect();
        let second: ChildRun<T> = children::run(&again, probe, args, &variables);
        if !second.stderr.is_empty() {
            first.stderr = second.stderr;
        }
    }
    first
}

fn set(groups: &[&[(&str, &str)]]) -> Variables {
    groups.iter().copied().flatten().map(|(name, value)| (OsString::from(name), Some(OsString::from(value)))).collect()
}
