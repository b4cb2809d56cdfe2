//! OpenGL through EGL: on the X display, on each device, and without any surface.
#![expect(unsafe_code, reason = "EGL is a C interface, loaded at run time")]

mod raw;

use std::num::NonZeroU32;

use casa_doctor_checks::facts::{Draw, GlContext, GlError, GlResult};
use glutin::api::egl::config::Config;
use glutin::api::egl::context::PossiblyCurrentContext;
use glutin::api::egl::device::Device;
use glutin::api::egl::display::Display;
use glutin::config::{Api, ConfigSurfaceTypes, ConfigTemplateBuilder};
use glutin::context::{ContextAttributesBuilder, GlProfile};
use glutin::display::{AsRawDisplay, GlDisplay, RawDisplay};
use glutin::prelude::{NotCurrentGlContext, PossiblyCurrentGlContext};
use glutin::surface::{PbufferSurface, SurfaceAttributesBuilder};
use raw_window_handle::{RawDisplayHandle, XlibDisplayHandle};

use self::raw::{Library, error_name};
use super::child::failed;
use super::draw::{self, Surface, Wish};
use super::xlib::Connection;
use crate::probes::child::Trail;

/// On the X display that `DISPLAY` names.
pub(super) fn x11(trail: &'static Trail, wish: Wish) -> GlResult {
    let examine = || {
        let x = Connection::open(trail)?;
        let library = Library::load(trail)?;
        trail.at("eglInitialize");
        let handle = RawDisplayHandle::Xlib(XlibDisplayHandle::new(Some(x.display.cast()), x.screen));
        // SAFETY: the display is open and stays so.
        let display = unsafe { Display::new(handle) }.map_err(|error| reason("eglInitialize", &error))?;
        let mut facts = GlContext::default();
        let context = examine(trail, &library, &display, ConfigSurfaceTypes::WINDOW, wish, &mut facts)?;
        if let Some(server) = x.sync() {
            facts.draw.get_or_insert_default().error.get_or_insert_with(|| failed("glDrawArrays", server));
        }
        std::mem::forget(context);
        Ok(facts)
    };
    one(examine())
}

/// Without display and device, on the platform that Mesa has for this.
pub(super) fn surfaceless(trail: &'static Trail, wish: Wish) -> GlResult {
    one(Library::load(trail).and_then(|library| library.surfaceless(trail, wish)))
}

fn one(outcome: Result<GlContext, GlError>) -> GlResult {
    match outcome {
        Ok(context) => GlResult { error: None, contexts: vec![context] },
        Err(error) => GlResult { error: Some(error), contexts: Vec::new() },
    }
}

/// On each device that EGL lists. A device that fails is told as a context without strings, whose drawing failed with the
/// call that did.
pub(super) fn devices(trail: &'static Trail, wish: Wish) -> GlResult {
    let library = match Library::load(trail) {
        Ok(library) => library,
        Err(error) => return one(Err(error)),
    };
    trail.at("eglQueryDevicesEXT");
    let devices: Vec<Device> = match Device::query_devices() {
        Ok(devices) => devices.collect(),
        Err(error) => return one(Err(reason("eglQueryDevicesEXT", &error))),
    };
    if devices.is_empty() {
        return one(Err(failed("eglQueryDevicesEXT", "EGL lists no device")));
    }
    let contexts = devices.iter().enumerate().map(|(index, device)| {
        let mut facts = GlContext { device: Some(name(index, device)), ..GlContext::default() };
        match on_device(trail, &library, device, wish, &mut facts) {
            Ok(context) => {
                // The next device's driver must not find this one's context. That this fails is seen there.
                drop(context.make_not_current_in_place());
                std::mem::forget(context);
            }
            Err(error) => facts.draw = Some(Draw { error: Some(error), ..Draw::default() }),
        }
        facts
    });
    GlResult { error: None, contexts: contexts.collect() }
}

fn on_device(
    trail: &Trail,
    library: &Library,
    device: &Device,
    wish: Wish,
    facts: &mut GlContext,
) -> Result<PossiblyCurrentContext, GlError> {
    trail.at(&format!("eglInitialize ({})", facts.device.as_deref().unwrap_or_default()));
    // SAFETY: the device was just listed.
    let display = unsafe { Display::with_device(device, None) }.map_err(|error| reason("eglInitialize", &error))?;
    examine(trail, library, &display, ConfigSurfaceTypes::PBUFFER, wish, facts)
}

/// The node of a device; for one without, what EGL calls it.
fn name(index: usize, device: &Device) -> String {
    let node = device.drm_render_device_node_path().or_else(|| device.drm_device_node_path());
    match node {
        Some(node) => node.display().to_string(),
        None if device.extensions().contains("EGL_MESA_device_software") => "software".to_owned(),
        None => device.name().map_or_else(|| format!("device {index}"), str::to_owned),
    }
}

/// Makes a context current on a display and fills in what it tells and can do.
fn examine(
    trail: &Trail,
    library: &Library,
    display: &Display,
    types: ConfigSurfaceTypes,
    wish: Wish,
    facts: &mut GlContext,
) -> Result<PossiblyCurrentContext, GlError> {
    let RawDisplay::Egl(raw) = display.raw_display() else {
        return Err(failed("eglInitialize", "the display is not one of EGL"));
    };
    trail.at("eglQueryString");
    library.introduce(raw, facts);
    trail.at("eglChooseConfig");
    let config = choose(display, types)?;
    trail.at("eglCreateContext");
    // A compatibility context is what the viewers of BrainVISA get; a driver that has none still has a core one.
    let compatibility = ContextAttributesBuilder::new().with_profile(GlProfile::Compatibility).build(None);
    let core = ContextAttributesBuilder::new().build(None);
    // SAFETY: the configuration is one of this display.
    let create = |attributes| unsafe { display.create_context(&config, attributes) };
    let context = create(&compatibility).or_else(|error| create(&core).map_err(|_| error));
    let context = context.map_err(|error| reason("eglCreateContext", &error))?;
    trail.at("eglMakeCurrent");
    let (context, surface) = match context.make_current_surfaceless() {
        Ok(context) => (context, Surface::None),
        // Without EGL_KHR_surfaceless_context a pbuffer must do. The refused context is gone.
        Err(_) => {
            let context = create(&compatibility).or_else(|_| create(&core)).map_err(|error| reason("eglCreateContext", &error))?;
            let side = NonZeroU32::new(draw::SIZE).unwrap_or(NonZeroU32::MIN);
            let attributes = SurfaceAttributesBuilder::<PbufferSurface>::new().build(side, side);
            // SAFETY: the configuration is one of this display.
            let pbuffer = unsafe { display.create_pbuffer_surface(&config, &attributes) }
                .map_err(|error| reason("eglCreatePbufferSurface", &error))?;
            let context = context.make_current(&pbuffer).map_err(|error| reason("eglMakeCurrent", &error))?;
            std::mem::forget(pbuffer);
            (context, Surface::Pbuffer)
        }
    };
    draw::examine(trail, &|name| display.get_proc_address(name), surface, wish, facts);
    Ok(context)
}

/// The best configuration for desktop OpenGL with surfaces of these types, or without any.
fn choose(display: &Display, types: ConfigSurfaceTypes) -> Result<Config, GlError> {
    let found = [(8, types), (1, types), (8, ConfigSurfaceTypes::empty())].into_iter().find_map(|(bits, types)| {
        let template = ConfigTemplateBuilder::new()
            .with_api(Api::OPENGL)
            .with_buffer_type(glutin::config::ColorBufferType::Rgb { r_size: bits, g_size: bits, b_size: bits })
            .with_alpha_size(0)
            .with_depth_size(1)
            .with_stencil_size(0)
            .with_surface_type(types)
            .build();
        // SAFETY: the template names no native window.
        unsafe { display.find_configs(template) }.ok()?.next()
    });
    found.ok_or_else(|| failed("eglChooseConfig", "the driver has no configuration for desktop OpenGL"))
}

/// A failure in EGL's own words where it has a code.
fn reason(call: &str, error: &glutin::error::Error) -> GlError {
    match error.raw_code().and_then(|code| i32::try_from(code).ok()) {
        Some(code) => failed(call, error_name(code)),
        None => failed(call, error),
    }
}
