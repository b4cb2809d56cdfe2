//! A connection to the X server through Xlib, as GLX wants it, with every error of the server collected.
#![expect(unsafe_code, reason = "Xlib is a C library, loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use casa_doctor_checks::facts::{GlError, GlResult};
use x11_dl::xlib::{Display, Visual, XErrorEvent, Xlib};

use super::child::{failed, leave};
use crate::probes::child::{Trail, trail};

/// What glutin wants to be called back with when the server reports an error: display and event.
pub(super) type Hook = Box<dyn Fn(*mut c_void, *mut c_void) -> bool + Send + Sync>;

/// Numbers of an error event that arrived, with the address of the display that it came from.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    display: usize,
    code: u8,
    request: u8,
    minor: u8,
}

/// Errors that arrived since the last [`Connection::sync`] of their display. Xlib's handlers belong to the process, so this does, too.
static ARRIVED: Mutex<Vec<Arrived>> = Mutex::new(Vec::new());
static HOOKS: Mutex<Vec<Hook>> = Mutex::new(Vec::new());

/// Adds a function that is told of every error of the server.
pub(super) fn add_hook(hook: Hook) {
    HOOKS.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
}

/// An open display. It is never closed: that has crashed and stalled with some drivers, and the process ends anyway.
pub(super) struct Connection {
    xlib: Xlib,
    /// The display.
    pub(super) display: NonNull<Display>,
    /// Its default screen, which `DISPLAY` names.
    pub(super) screen: c_int,
}

impl Connection {
    /// Opens the display that `DISPLAY` names.
    pub(super) fn open(trail: &Trail) -> Result<Self, GlError> {
        trail.at("dlopen libX11.so.6");
        let xlib = Xlib::open().map_err(|error| failed("dlopen libX11.so.6", error))?;
        // SAFETY: the handlers are functions that live as long as the process. Tests in two threads have a display each; what their
        // displays share is locked from the first call on, which an Xlib before 1.8 does when it is told so.
        unsafe {
            (xlib.XInitThreads)();
            (xlib.XSetErrorHandler)(Some(on_error));
            (xlib.XSetIOErrorHandler)(Some(on_io_error));
        }
        trail.at("XOpenDisplay");
        // SAFETY: a null name stands for the variable DISPLAY.
        let display = unsafe { (xlib.XOpenDisplay)(std::ptr::null()) };
        let display =
            NonNull::new(display).ok_or_else(|| failed("XOpenDisplay", "the X server that DISPLAY names cannot be opened"))?;
        // SAFETY: the display was just opened.
        let screen = unsafe { (xlib.XDefaultScreen)(display.as_ptr()) };
        Ok(Self { xlib, display, screen })
    }

    /// Waits until the server has dealt with everything, and tells the first error of this display that arrived since the last time.
    pub(super) fn sync(&self) -> Option<String> {
        // SAFETY: the display is open.
        unsafe { (self.xlib.XSync)(self.display.as_ptr(), 0) };
        let mut first = None;
        ARRIVED.lock().unwrap_or_else(PoisonError::into_inner).retain(|error| {
            let is_ours = error.display == self.display.addr().get();
            first = first.or(is_ours.then_some(*error));
            !is_ours
        });
        first.map(|error| self.describe(error))
    }

    /// The error in Xlib's words, with the name of the GLX request that it answers.
    fn describe(&self, error: Arrived) -> String {
        let mut text: [c_char; 256] = [0; 256];
        let (mut glx, mut event, mut base) = (0, 0, 0);
        // SAFETY: the display is open; Xlib ends the text with a NUL within the length that it is given; the name is a C string
        // and the three numbers are ours.
        let text = unsafe {
            (self.xlib.XGetErrorText)(self.display.as_ptr(), c_int::from(error.code), text.as_mut_ptr(), 255);
            (self.xlib.XQueryExtension)(self.display.as_ptr(), c"GLX".as_ptr(), &raw mut glx, &raw mut event, &raw mut base);
            CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
        };
        // What Mesa reports without asking the server has no request; 0 is none of GLX that fails.
        if error.minor == 0 {
            text
        } else if c_int::from(error.request) == glx {
            format!("{text}, to GLX request {} ({})", error.minor, glx_request(error.minor))
        } else {
            format!("{text}, to request {}.{}", error.request, error.minor)
        }
    }

    /// An unmapped window of the given visual, for servers that offer no pbuffers.
    pub(super) fn window(&self, visual: *mut Visual, depth: c_int, size: u32) -> c_ulong {
        /// `InputOutput` of X.h.
        const INPUT_OUTPUT: u32 = 1;
        let display = self.display.as_ptr();
        // SAFETY: the display is open; the visual is one of its own, given by GLX; the attributes live during the call and a
        // structure of integers may be all zero. A border and a colour map are needed for a visual that is not the root's.
        unsafe {
            let root = (self.xlib.XRootWindow)(display, self.screen);
            let mut attributes: x11_dl::xlib::XSetWindowAttributes = std::mem::zeroed();
            attributes.colormap = (self.xlib.XCreateColormap)(display, root, visual, 0);
            let mask = x11_dl::xlib::CWBorderPixel | x11_dl::xlib::CWColormap;
            let attributes = &raw mut attributes;
            (self.xlib.XCreateWindow)(display, root, 0, 0, size, size, 0, depth, INPUT_OUTPUT, visual, mask, attributes)
        }
    }
}

/// Names of the GLX requests that fail in practice (glxproto.h).
fn glx_request(minor: u8) -> &'static str {
    match minor {
        1 => "X_GLXRender",
        3 => "X_GLXCreateContext",
        5 => "X_GLXMakeCurrent",
        6 => "X_GLXIsDirect",
        16 => "X_GLXVendorPrivate",
        17 => "X_GLXVendorPrivateWithReply",
        24 => "X_GLXCreateNewContext",
        26 => "X_GLXMakeContextCurrent",
        27 => "X_GLXCreatePbuffer",
        31 => "X_GLXCreateWindow",
        34 => "X_GLXCreateContextAttribsARB",
        _ => "another GLX request",
    }
}

unsafe extern "C" fn on_error(display: *mut Display, event: *mut XErrorEvent) -> c_int {
    // SAFETY: Xlib calls this with an event that lives during the call.
    let Some(error) = (unsafe { event.as_ref() }) else { return 0 };
    let arrived = Arrived { display: display.addr(), code: error.error_code, request: error.request_code, minor: error.minor_code };
    ARRIVED.lock().unwrap_or_else(PoisonError::into_inner).push(arrived);
    for hook in &*HOOKS.lock().unwrap_or_else(PoisonError::into_inner) {
        hook(display.cast(), event.cast());
    }
    0
}

/// The connection broke. Xlib would end the process with status 1 and a line of its own; the parent is told first.
unsafe extern "C" fn on_io_error(_: *mut Display) -> c_int {
    if let Some(trail) = trail() {
        let error = failed(trail.last(), "the connection to the X server broke");
        trail.result(&GlResult { error: Some(error), contexts: Vec::new() });
    }
    leave()
}
