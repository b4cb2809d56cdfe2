//! OpenGL through GLX: the way in which BrainVISA and nearly every other X program gets it.
#![expect(unsafe_code, reason = "GLX is a C interface, loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::num::NonZeroU32;

use casa_doctor_checks::facts::{GlContext, GlError, GlResult};
use glutin::api::glx::config::Config;
use glutin::api::glx::display::Display;
use glutin::config::{AsRawConfig, ConfigSurfaceTypes, ConfigTemplateBuilder, GlConfig, RawConfig};
use glutin::context::{AsRawContext, ContextAttributesBuilder, GlProfile, RawContext};
use glutin::display::GlDisplay;
use glutin::surface::{AsRawSurface, PbufferSurface, RawSurface, SurfaceAttributesBuilder};
use glutin_glx_sys::glx::types::{GLXContext, GLXDrawable};
use glutin_glx_sys::glx::{self, Glx};
use libloading::Library;
use raw_window_handle::{RawDisplayHandle, XlibDisplayHandle};

use super::child::failed;
use super::draw::{self, Loader, Surface, Wish};
use super::glx_old::{self, Introduced};
use super::xlib::{self, Connection};
use crate::probes::child::Trail;

/// Side of a pbuffer, which draws what the framebuffer object of the test draws where there is none.
const SIDE: NonZeroU32 = NonZeroU32::new(draw::SIZE).expect("not zero");

/// Makes a context on the display of `DISPLAY` and tells what it can do.
pub(super) fn probe(trail: &'static Trail, wish: Wish) -> GlResult {
    match examine(trail, wish) {
        Ok(context) => GlResult { error: None, contexts: vec![context] },
        Err(error) => GlResult { error: Some(error), contexts: Vec::new() },
    }
}

fn examine(trail: &'static Trail, wish: Wish) -> Result<GlContext, GlError> {
    let x = Connection::open(trail)?;
    let mut facts = GlContext::default();
    let told = introduce(trail, &x, &mut facts)?;
    if told.version < (1, 3) {
        glx_old::examine(trail, &x, &told, wish, &mut facts)?;
    } else {
        examine_current(trail, &x, &told.extensions, wish, &mut facts)?;
    }
    if let Some(server) = x.sync() {
        // Indirect drawing fails here: the server answers the commands, not the library.
        facts.draw.get_or_insert_default().error.get_or_insert_with(|| failed("glDrawArrays", server));
    }
    Ok(facts)
}

/// By the calls of GLX 1.3 and newer.
fn examine_current(trail: &Trail, x: &Connection, extensions: &str, wish: Wish, facts: &mut GlContext) -> Result<(), GlError> {
    let handle = RawDisplayHandle::Xlib(XlibDisplayHandle::new(Some(x.display.cast()), x.screen));
    // SAFETY: the display is open and stays so, and our error handler calls what is registered.
    let display = unsafe { Display::new(handle, Box::new(xlib::add_hook)) }.map_err(|error| failed("glXQueryVersion", error))?;
    trail.at("glXChooseFBConfig");
    let config = choose(&display).ok_or_else(|| match x.sync() {
        Some(server) => failed("glXChooseFBConfig", server),
        None => failed("glXChooseFBConfig", "the X server and the driver have no double-buffered RGB format in common"),
    })?;

    let context = create(trail, x, &display, &config)?;
    let surface = make_current(trail, x, &display, &config, context)?;
    trail.at("glXIsDirect");
    // SAFETY: display and context are alive.
    facts.direct = Some(unsafe { display.glx().IsDirect(x.display.as_ptr().cast(), context) } != 0);
    if extensions.split(' ').any(|name| name == "GLX_MESA_query_renderer") {
        trail.at("glXQueryCurrentRendererIntegerMESA");
        query_renderer(&|name| display.get_proc_address(name), facts);
    }
    draw::examine(trail, &|name| display.get_proc_address(name), surface, wish, facts);
    Ok(())
}

/// Loads the library and its vendor's, each step announced, and tells what both sides know.
fn introduce(trail: &Trail, x: &Connection, facts: &mut GlContext) -> Result<Introduced, GlError> {
    trail.at("dlopen libGL.so.1");
    // SAFETY: loading runs the library's constructors, which is the risk that this process exists for.
    let library = unsafe { Library::new("libGL.so.1") }.map_err(|error| failed("dlopen libGL.so.1", error))?;
    // SAFETY: the table is used while the library is loaded, which is until the end of the process.
    let table = Glx::load_with(|name| unsafe { library.get::<*const _>(name).map_or(std::ptr::null(), |symbol| *symbol) });
    std::mem::forget(library);
    let display = x.display.as_ptr().cast();

    trail.at("glXQueryExtension");
    // SAFETY: the display is open and the numbers are ours; null means that they are not wanted.
    if unsafe { table.QueryExtension(display, std::ptr::null_mut(), std::ptr::null_mut()) } == 0 {
        return Err(failed("glXQueryExtension", "the X server has no GLX"));
    }
    trail.at("glXQueryVersion");
    let (mut major, mut minor): (c_int, c_int) = (0, 0);
    // SAFETY: as above.
    if unsafe { table.QueryVersion(display, &raw mut major, &raw mut minor) } == 0 {
        return Err(failed("glXQueryVersion", "the X server does not tell its version of GLX"));
    }
    if (major, minor) < (1, 1) {
        return Err(failed("glXQueryVersion", format!("the X server has GLX {major}.{minor}, which tells nothing of itself")));
    }
    trail.at("glXGetClientString");
    // SAFETY: the display is open; the strings belong to the library, which stays.
    unsafe {
        facts.platform_vendor = text(table.GetClientString(display, glx::VENDOR.cast_signed()));
        facts.platform_version = text(table.GetClientString(display, glx::VERSION.cast_signed()));
    }
    trail.at("glXQueryExtensionsString");
    // SAFETY: as above; the screen is one of the display.
    let extensions = unsafe { text(table.QueryExtensionsString(display, x.screen)) }.unwrap_or_default();
    Ok(Introduced { table, version: (major, minor), extensions })
}

/// # Safety
/// The pointer must be null or a C string that lives during the call.
unsafe fn text(string: *const c_char) -> Option<String> {
    // SAFETY: the caller vouches for it.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// The best configuration that a window can have, one that a pbuffer can have, too, if possible. Few bits for each colour are
/// the last resort: remote displays may have no more.
fn choose(display: &Display) -> Option<Config> {
    let both = ConfigSurfaceTypes::WINDOW | ConfigSurfaceTypes::PBUFFER;
    [(8, both), (8, ConfigSurfaceTypes::WINDOW), (1, both), (1, ConfigSurfaceTypes::WINDOW)].into_iter().find_map(
        |(bits, types)| {
            let template = ConfigTemplateBuilder::new()
                .with_buffer_type(glutin::config::ColorBufferType::Rgb { r_size: bits, g_size: bits, b_size: bits })
                .with_alpha_size(0)
                .with_depth_size(1)
                .with_stencil_size(0)
                .with_surface_type(types)
                .build();
            // SAFETY: the template names no native window.
            unsafe { display.find_configs(template) }.ok()?.next()
        },
    )
}

/// A context of the kind that the viewers of BrainVISA get: compatible with old OpenGL. A driver that has none still has a core
/// one; and where the newer call fails altogether, the older one, which every GLX has, gives the context or the reason.
fn create(trail: &Trail, x: &Connection, display: &Display, config: &Config) -> Result<GLXContext, GlError> {
    trail.at("glXCreateContextAttribsARB");
    for profile in [Some(GlProfile::Compatibility), None] {
        let builder = ContextAttributesBuilder::new();
        let attributes = profile.map_or_else(|| builder.clone(), |profile| builder.clone().with_profile(profile)).build(None);
        // SAFETY: the configuration is one of this display.
        let made = unsafe { display.create_context(config, &attributes) };
        if x.sync().is_some() {
            continue;
        }
        let Ok(context) = made else { continue };
        let raw = context.raw_context();
        // Destroying a context is one more risk, and the process ends.
        std::mem::forget(context);
        if let RawContext::Glx(raw) = raw {
            return Ok(raw);
        }
    }
    trail.at("glXCreateNewContext");
    let RawConfig::Glx(raw) = config.raw_config() else {
        return Err(failed("glXCreateNewContext", "the configuration is not one of GLX"));
    };
    let rgba = glx::RGBA_TYPE.cast_signed();
    // SAFETY: display and configuration are alive; null means that nothing is shared; 1 asks for a direct context.
    let context = unsafe { display.glx().CreateNewContext(x.display.as_ptr().cast(), raw, rgba, std::ptr::null(), 1) };
    match x.sync() {
        Some(server) => Err(failed("glXCreateNewContext", server)),
        None if context.is_null() => Err(failed("glXCreateNewContext", "the driver gives no context and no reason")),
        None => Ok(context),
    }
}

/// Makes the context current on a pbuffer or, where there is none, on a window that is never shown.
fn make_current(
    trail: &Trail,
    x: &Connection,
    display: &Display,
    config: &Config,
    context: GLXContext,
) -> Result<Surface, GlError> {
    let (drawable, surface) = match pbuffer(trail, x, display, config) {
        Some(pbuffer) => (pbuffer, Surface::Pbuffer),
        None => (window(trail, x, display, config)?, Surface::None),
    };
    trail.at("glXMakeContextCurrent");
    // SAFETY: display, drawable and context are alive and of the same configuration.
    let made = unsafe { display.glx().MakeContextCurrent(x.display.as_ptr().cast(), drawable, drawable, context) };
    match x.sync() {
        Some(server) => Err(failed("glXMakeContextCurrent", server)),
        None if made == 0 => Err(failed("glXMakeContextCurrent", "the driver refuses and gives no reason")),
        None => Ok(surface),
    }
}

fn pbuffer(trail: &Trail, x: &Connection, display: &Display, config: &Config) -> Option<GLXDrawable> {
    if !config.config_surface_types().contains(ConfigSurfaceTypes::PBUFFER) {
        return None;
    }
    trail.at("glXCreatePbuffer");
    let attributes = SurfaceAttributesBuilder::<PbufferSurface>::new().build(SIDE, SIDE);
    // SAFETY: the configuration is one of this display.
    let made = unsafe { display.create_pbuffer_surface(config, &attributes) }.ok();
    let raw = made.as_ref().map(AsRawSurface::raw_surface);
    std::mem::forget(made);
    match raw {
        Some(RawSurface::Glx(raw)) if x.sync().is_none() => Some(raw),
        _ => None,
    }
}

/// A window that is never shown, of the kind that the configuration asks for.
fn window(trail: &Trail, x: &Connection, display: &Display, config: &Config) -> Result<GLXDrawable, GlError> {
    trail.at("glXCreateWindow");
    // What the refused pbuffer left behind is no error of the window.
    x.sync();
    let RawConfig::Glx(raw) = config.raw_config() else {
        return Err(failed("glXGetVisualFromFBConfig", "the configuration is not one of GLX"));
    };
    // SAFETY: display and configuration are alive; the structure that comes back stays until somebody frees it.
    let visual = unsafe { display.glx().GetVisualFromFBConfig(x.display.as_ptr().cast(), raw).as_ref() };
    let visual = visual.ok_or_else(|| failed("glXGetVisualFromFBConfig", "the configuration has no visual"))?;
    let window = x.window(visual.visual.cast(), visual.depth, draw::SIZE);
    // SAFETY: as above; null stands for no attributes.
    let drawable = unsafe { display.glx().CreateWindow(x.display.as_ptr().cast(), raw, window, std::ptr::null()) };
    match x.sync() {
        Some(server) => Err(failed("glXCreateWindow", server)),
        None => Ok(drawable),
    }
}

/// What Mesa tells beyond the strings (GLX_MESA_query_renderer). glvnd gives an address for any name, so the caller must have
/// seen the extension.
pub(super) fn query_renderer(load: Loader<'_>, facts: &mut GlContext) {
    const VENDOR_ID: c_int = 0x8183;
    const DEVICE_ID: c_int = 0x8184;
    const ACCELERATED: c_int = 0x8186;
    let address = load(c"glXQueryCurrentRendererIntegerMESA");
    if address.is_null() {
        return;
    }
    // SAFETY: the extension defines this signature; each of these attributes has one value.
    let query = |attribute| unsafe {
        let query: unsafe extern "C" fn(c_int, *mut c_uint) -> c_int = std::mem::transmute(address);
        let mut value = 0;
        (query(attribute, &raw mut value) != 0).then_some(value)
    };
    facts.vendor_id = query(VENDOR_ID);
    facts.device_id = query(DEVICE_ID);
    facts.accelerated = query(ACCELERATED).map(|value| value != 0);
}
