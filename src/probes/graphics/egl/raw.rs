//! EGL without glutin: what it tells of a display beyond the strings, and the platform that glutin does not know.

use std::ffi::{CStr, CString, c_char, c_void};

use casa_doctor_checks::facts::{GlContext, GlError};
use glutin_egl_sys::egl::{self, Egl};

use crate::probes::child::Trail;
use crate::probes::graphics::child::failed;
use crate::probes::graphics::draw::{self, Surface, Wish};

/// EGL_MESA_platform_surfaceless.
const PLATFORM_SURFACELESS_MESA: egl::types::EGLenum = 0x31DD;

/// libEGL.so.1, loaded until the process ends.
pub(super) struct Library {
    egl: Egl,
    /// The extensions that need no display.
    extensions: String,
}

impl Library {
    /// Loads it, and the libraries of all vendors with it.
    pub(super) fn load(trail: &Trail) -> Result<Self, GlError> {
        trail.at("dlopen libEGL.so.1");
        // SAFETY: loading runs the library's constructors, which is the risk that this process exists for.
        let library = unsafe { libloading::Library::new("libEGL.so.1") }.map_err(|error| failed("dlopen libEGL.so.1", error))?;
        type GetProcAddress = unsafe extern "system" fn(*const c_char) -> *const c_void;
        // SAFETY: every EGL has this function with this signature.
        let get_proc_address: GetProcAddress =
            *unsafe { library.get(c"eglGetProcAddress") }.map_err(|error| failed("dlopen libEGL.so.1", error))?;
        let egl = Egl::load_with(|name| {
            // SAFETY: the addresses are used while the library is loaded, which is until the end of the process. Functions of
            // extensions are asked for: the library need not export them.
            unsafe {
                library.get::<*const c_void>(name).map_or_else(
                    |_| CString::new(name).map_or(std::ptr::null(), |name| get_proc_address(name.as_ptr())),
                    |symbol| *symbol,
                )
            }
        });
        std::mem::forget(library);
        // glvnd loads the library of every manifest here.
        trail.at("eglQueryString");
        // SAFETY: the extensions of the client are asked of no display.
        let extensions = unsafe { text(egl.QueryString(egl::NO_DISPLAY, egl::EXTENSIONS.cast_signed())) };
        Ok(Self { egl, extensions: extensions.unwrap_or_default() })
    }

    fn has(&self, extension: &str) -> bool {
        self.extensions.split(' ').any(|name| name == extension)
    }

    /// Fills in what EGL tells of an initialized display.
    pub(super) fn introduce(&self, display: egl::types::EGLDisplay, facts: &mut GlContext) {
        // SAFETY: the display is initialized.
        let query = |name: egl::types::EGLenum| unsafe { text(self.egl.QueryString(display, name.cast_signed())) };
        facts.platform_vendor = query(egl::VENDOR);
        facts.platform_version = query(egl::VERSION);
        if query(egl::EXTENSIONS).unwrap_or_default().split(' ').any(|name| name == "EGL_MESA_query_driver") {
            facts.driver = self.driver(display);
        }
        facts.software_device = self.software_device(display);
    }

    /// The driver's name (EGL_MESA_query_driver), which a display must have been seen to offer.
    fn driver(&self, display: egl::types::EGLDisplay) -> Option<String> {
        // SAFETY: the name is a C string; the extension defines the signature; the string that comes back is static.
        unsafe {
            let address: *const c_void = self.egl.GetProcAddress(c"eglGetDisplayDriverName".as_ptr()).cast();
            if address.is_null() {
                return None;
            }
            let get_name: unsafe extern "system" fn(egl::types::EGLDisplay) -> *const c_char = std::mem::transmute(address);
            text(get_name(display))
        }
    }

    /// Whether the display's device is a software one (EGL_EXT_device_query, EGL_MESA_device_software).
    fn software_device(&self, display: egl::types::EGLDisplay) -> Option<bool> {
        if !(self.has("EGL_EXT_device_query") || self.has("EGL_EXT_device_base")) || !self.egl.QueryDisplayAttribEXT.is_loaded() {
            return None;
        }
        let mut device: egl::types::EGLAttrib = 0;
        // SAFETY: the extension was seen, the display is initialized, and the device that comes back is asked at once.
        let extensions = unsafe {
            let known = self.egl.QueryDisplayAttribEXT(display, egl::DEVICE_EXT.cast_signed(), &raw mut device);
            if known == egl::FALSE || device == 0 {
                return None;
            }
            let device = std::ptr::with_exposed_provenance(device.cast_unsigned());
            text(self.egl.QueryDeviceStringEXT(device, egl::EXTENSIONS.cast_signed()))?
        };
        Some(extensions.split(' ').any(|name| name == "EGL_MESA_device_software"))
    }

    /// A context on Mesa's surfaceless platform.
    pub(super) fn surfaceless(&self, trail: &Trail, wish: Wish) -> Result<GlContext, GlError> {
        if !self.has("EGL_MESA_platform_surfaceless") {
            return Err(failed("eglGetPlatformDisplay", "this EGL does not offer EGL_MESA_platform_surfaceless"));
        }
        let reason = |call: &str| {
            // SAFETY: asking for the last error has no condition.
            failed(call, error_name(unsafe { self.egl.GetError() }))
        };
        let mut facts = GlContext::default();
        trail.at("eglGetPlatformDisplay");
        // SAFETY: this platform wants no native display, and null stands for no attributes.
        let display = unsafe {
            let native = std::ptr::null_mut();
            if self.egl.GetPlatformDisplayEXT.is_loaded() {
                self.egl.GetPlatformDisplayEXT(PLATFORM_SURFACELESS_MESA, native, std::ptr::null())
            } else {
                self.egl.GetPlatformDisplay(PLATFORM_SURFACELESS_MESA, native, std::ptr::null())
            }
        };
        if display == egl::NO_DISPLAY {
            return Err(reason("eglGetPlatformDisplay"));
        }
        trail.at("eglInitialize");
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the display is valid, and the numbers are ours.
        if unsafe { self.egl.Initialize(display, &raw mut major, &raw mut minor) } == egl::FALSE {
            return Err(reason("eglInitialize"));
        }
        self.introduce(display, &mut facts);
        self.make_current(trail, display).map_err(reason)?;
        // SAFETY: the name is a C string.
        let load = |name: &CStr| unsafe { self.egl.GetProcAddress(name.as_ptr()) }.cast::<c_void>().cast_const();
        draw::examine(trail, &load, Surface::None, wish, &mut facts);
        Ok(facts)
    }

    /// Makes a context for desktop OpenGL current without a surface, or tells the call that failed.
    fn make_current(&self, trail: &Trail, display: egl::types::EGLDisplay) -> Result<(), &'static str> {
        let none = egl::NONE.cast_signed();
        let wanted = [egl::RENDERABLE_TYPE.cast_signed(), egl::OPENGL_BIT.cast_signed(), egl::SURFACE_TYPE.cast_signed(), 0, none];
        let mut config: egl::types::EGLConfig = std::ptr::null();
        let mut found = 0;
        // SAFETY: the display is initialized; the lists end with EGL_NONE; there is room for the one configuration asked for.
        unsafe {
            trail.at("eglBindAPI");
            if self.egl.BindAPI(egl::OPENGL_API) == egl::FALSE {
                return Err("eglBindAPI");
            }
            trail.at("eglChooseConfig");
            if self.egl.ChooseConfig(display, wanted.as_ptr(), &raw mut config, 1, &raw mut found) == egl::FALSE || found == 0 {
                return Err("eglChooseConfig");
            }
            trail.at("eglCreateContext");
            // Without attributes EGL gives the newest compatibility context that the driver has.
            let context = self.egl.CreateContext(display, config, egl::NO_CONTEXT, [none].as_ptr());
            if context == egl::NO_CONTEXT {
                return Err("eglCreateContext");
            }
            trail.at("eglMakeCurrent");
            if self.egl.MakeCurrent(display, egl::NO_SURFACE, egl::NO_SURFACE, context) == egl::FALSE {
                return Err("eglMakeCurrent");
            }
        }
        Ok(())
    }
}

/// # Safety
/// The pointer must be null or a C string that lives during the call.
unsafe fn text(string: *const c_char) -> Option<String> {
    // SAFETY: the caller vouches for it.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// `EGL_NOT_INITIALIZED (0x3001)`.
pub(super) fn error_name(code: i32) -> String {
    let name = match code.cast_unsigned() {
        egl::SUCCESS => "EGL gives no reason",
        egl::NOT_INITIALIZED => "EGL_NOT_INITIALIZED",
        egl::BAD_ACCESS => "EGL_BAD_ACCESS",
        egl::BAD_ALLOC => "EGL_BAD_ALLOC",
        egl::BAD_ATTRIBUTE => "EGL_BAD_ATTRIBUTE",
        egl::BAD_CONFIG => "EGL_BAD_CONFIG",
        egl::BAD_CONTEXT => "EGL_BAD_CONTEXT",
        egl::BAD_CURRENT_SURFACE => "EGL_BAD_CURRENT_SURFACE",
        egl::BAD_DISPLAY => "EGL_BAD_DISPLAY",
        egl::BAD_MATCH => "EGL_BAD_MATCH",
        egl::BAD_NATIVE_PIXMAP => "EGL_BAD_NATIVE_PIXMAP",
        egl::BAD_NATIVE_WINDOW => "EGL_BAD_NATIVE_WINDOW",
        egl::BAD_PARAMETER => "EGL_BAD_PARAMETER",
        egl::BAD_SURFACE => "EGL_BAD_SURFACE",
        egl::CONTEXT_LOST => "EGL_CONTEXT_LOST",
        _ => "an unknown error",
    };
    format!("{name} ({code:#x})")
}
