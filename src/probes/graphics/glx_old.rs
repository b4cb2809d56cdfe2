//! OpenGL through GLX 1.2 and older, the only one of nxagent (X2Go) and of some X servers of Windows: visuals instead of
//! framebuffer configurations, and windows instead of pbuffers. glutin knows GLX from 1.3 on only. Qt and freeglut fall back to the
//! same calls, so what draws here draws there.
#![expect(unsafe_code, reason = "GLX is a C interface, loaded at run time")]

use std::ffi::{CStr, c_int, c_void};

use casa_doctor_checks::facts::{GlContext, GlError};
use glutin_glx_sys::glx::types::{GLXContext, XVisualInfo};
use glutin_glx_sys::glx::{self, Glx};

use super::child::failed;
use super::draw::{self, Surface, Wish};
use super::glx::query_renderer;
use super::xlib::Connection;
use crate::probes::child::Trail;

/// What the first questions have told.
pub(super) struct Introduced {
    /// The functions of the library.
    pub(super) table: Glx,
    /// The version of GLX that library and server have in common.
    pub(super) version: (c_int, c_int),
    /// The extensions that both sides know, separated by spaces.
    pub(super) extensions: String,
}

/// Makes a context by the calls of GLX 1.2, current on a window that is never shown, and tells what it can do.
pub(super) fn examine(trail: &Trail, x: &Connection, told: &Introduced, wish: Wish, facts: &mut GlContext) -> Result<(), GlError> {
    let display = x.display.as_ptr().cast();
    let visual = choose(trail, x, told)?;
    let context = create(trail, x, told, visual)?;

    trail.at("XCreateWindow");
    let window = x.window(visual.visual.cast(), visual.depth, draw::SIZE);
    trail.at("glXMakeCurrent");
    // SAFETY: display, window and context are alive, and the window is of the visual of the context.
    let made = unsafe { told.table.MakeCurrent(display, window, context) };
    if let Some(error) = refused(x, "glXMakeCurrent", told, (made == 0).then_some("the driver refuses and gives no reason")) {
        return Err(error);
    }
    trail.at("glXIsDirect");
    // SAFETY: display and context are alive.
    facts.direct = Some(unsafe { told.table.IsDirect(display, context) } != 0);
    let load = |name: &CStr| address(&told.table, name);
    if told.extensions.split(' ').any(|name| name == "GLX_MESA_query_renderer") {
        trail.at("glXQueryCurrentRendererIntegerMESA");
        query_renderer(&load, facts);
    }
    draw::examine(trail, &load, Surface::None, wish, facts);
    Ok(())
}

/// Finds a function of OpenGL. The name ends with a NUL, which is all that the call asks for.
fn address(table: &Glx, name: &CStr) -> *const c_void {
    // SAFETY: the name lives during the call. The function is older than GLX 1.4, which only made it official.
    let found = unsafe { table.GetProcAddress(name.as_ptr().cast()) };
    found.cast()
}

/// The visual that programs ask for: double-buffered RGB with depth, and as few bits for each colour as the server has at the least.
fn choose<'a>(trail: &Trail, x: &Connection, told: &Introduced) -> Result<&'a mut XVisualInfo, GlError> {
    trail.at("glXChooseVisual");
    let mut wanted = [
        glx::RGBA,
        glx::DOUBLEBUFFER,
        glx::RED_SIZE,
        1,
        glx::GREEN_SIZE,
        1,
        glx::BLUE_SIZE,
        1,
        glx::DEPTH_SIZE,
        1,
        0, // the end of the list
    ]
    .map(u32::cast_signed);
    // SAFETY: the display is open and the list ends with a zero; the structure that comes back stays until somebody frees it.
    let visual = unsafe { told.table.ChooseVisual(x.display.as_ptr().cast(), x.screen, wanted.as_mut_ptr()).as_mut() };
    let none = visual.is_none().then_some("the X server and the driver have no double-buffered RGB format in common");
    match (refused(x, "glXChooseVisual", told, none), visual) {
        (None, Some(visual)) => Ok(visual),
        (error, _) => Err(error.unwrap_or_else(|| failed("glXChooseVisual", "there is no visual"))),
    }
}

fn create(trail: &Trail, x: &Connection, told: &Introduced, visual: &mut XVisualInfo) -> Result<GLXContext, GlError> {
    trail.at("glXCreateContext");
    // SAFETY: display and visual are alive; null means that nothing is shared; 1 asks for a direct context.
    let context = unsafe { told.table.CreateContext(x.display.as_ptr().cast(), visual, std::ptr::null(), 1) };
    let none = context.is_null().then_some("the driver gives no context and no reason");
    refused(x, "glXCreateContext", told, none).map_or(Ok(context), Err)
}

/// Why a call failed, if it did: what the server said, or else what the library's answer means; and by which GLX, which is often
/// the cause.
fn refused(x: &Connection, call: &str, told: &Introduced, answer: Option<&str>) -> Option<GlError> {
    let (major, minor) = told.version;
    let why = x.sync().or_else(|| answer.map(str::to_owned))?;
    Some(failed(call, format!("{why}; the X server has GLX {major}.{minor}, and newer OpenGL libraries need 1.3")))
}
