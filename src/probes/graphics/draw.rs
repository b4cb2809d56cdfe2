//! The drawing test: a picture whose every pixel is known beforehand, drawn, read back and compared.
#![expect(unsafe_code, reason = "OpenGL is called through function pointers of the driver")]

use std::ffi::{CStr, c_void};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use casa_doctor_checks::facts::{Draw, GlContext, GlError};
use casa_doctor_checks::renderer::{RendererClass, classify};
use glow::HasContext;

use super::child::failed;
use super::scene;
use crate::probes::child::Trail;

/// Side of the picture, in pixels.
pub(super) const SIZE: u32 = 512;
/// Colour of the triangle. Channels of 0 and 1 are exact in every format; the two colours differ in each of them, so swapped
/// channels show.
const INK: [f32; 4] = [1.0, 1.0, 0.0, 1.0];
/// Colour of the rest.
const PAPER: [f32; 4] = [0.0, 0.0, 1.0, 1.0];

/// Corners of the triangle, in pixels: base and height of 256, hence 32768 pixels.
const CORNERS: [[f32; 2]; 3] = [[128.0, 128.0], [384.0, 128.0], [256.0, 384.0]];

/// Finds the address of an OpenGL function.
pub(super) type Loader<'a> = &'a dyn Fn(&CStr) -> *const c_void;

/// What can be drawn into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// A pbuffer of [`SIZE`] squared: its own pixels can be read.
    Pbuffer,
    /// Nothing, or an unmapped window: only a framebuffer object has pixels that count.
    None,
}

/// What is to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// The triangle, every pixel of which is compared.
    Triangle,
    /// The same, then the mesh for a while, to see how fast that goes.
    Mesh,
    /// The same, when the other tests of this process have ended: they would make it slower than it is.
    MeshWhenQuiet,
}

/// Fills in what OpenGL says of the context that is current, and draws with it.
pub(super) fn examine(trail: &Trail, load: Loader<'_>, surface: Surface, wish: Wish, context: &mut GlContext) {
    trail.at("glGetString");
    context.vendor = string(load, glow::VENDOR).unwrap_or_default();
    context.renderer = string(load, glow::RENDERER).unwrap_or_default();
    context.version = string(load, glow::VERSION).unwrap_or_default();
    context.glsl = match version(&context.version) {
        // Before 2.0 the question itself is an error.
        Some(version) if version >= (2, 0) => string(load, glow::SHADING_LANGUAGE_VERSION),
        _ => None,
    };
    a_driver_is_up();
    // What is timed has a process of its own.
    context.draw = match once(context).filter(|_| wish == Wish::Triangle) {
        None => picture(trail, load, surface, wish, &context.version),
        Some(drawn) => {
            let mut is_first = false;
            let draw = drawn.get_or_init(|| {
                is_first = true;
                picture(trail, load, surface, wish, &context.version)
            });
            // The times of another context's first frame are not this one's.
            let own = |time: Option<u64>| time.filter(|_| is_first);
            draw.clone().map(|draw| Draw {
                first_frame_us: own(draw.first_frame_us),
                since_start_us: own(draw.since_start_us),
                ..draw
            })
        }
    };
}

/// The drawing of a software renderer that is drawn with once in a process: it is one piece of code whatever it is reached through,
/// and compiling its shaders again is most of what a test costs. Hardware is drawn with each time, since two cards may bear one name.
fn once(context: &GlContext) -> Option<Arc<OnceLock<Option<Draw>>>> {
    type Drawn = (String, String, Arc<OnceLock<Option<Draw>>>);
    static DRAWN: Mutex<Vec<Drawn>> = Mutex::new(Vec::new());
    if classify(context).class != RendererClass::Software {
        return None;
    }
    let mut all = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().find(|(renderer, version, _)| *renderer == context.renderer && *version == context.version);
    let drawn = known.map_or_else(Arc::default, |(_, _, drawn)| Arc::clone(drawn));
    if known.is_none() {
        all.push((context.renderer.clone(), context.version.clone(), Arc::clone(&drawn)));
    }
    Some(drawn)
}

/// How many tests of this process have a driver loaded and a context, or will have none.
static DRIVERS: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());

/// One more test has its driver up.
fn a_driver_is_up() {
    set_drivers(|count| count + 1);
}

/// At least so many have: told at the end of a test, which may have failed before.
pub(super) fn drivers_are_up(least: u32) {
    set_drivers(|count| count.max(least));
}

fn set_drivers(change: impl Fn(u32) -> u32) {
    let (count, changed) = &DRIVERS;
    let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
    *count = change(*count);
    changed.notify_all();
}

/// Waits until so many tests in other threads have a driver up.
pub(super) fn wait_for_drivers(least: u32) {
    let (count, changed) = &DRIVERS;
    let count = count.lock().unwrap_or_else(PoisonError::into_inner);
    drop(changed.wait_while(count, |count| *count < least).unwrap_or_else(PoisonError::into_inner));
}

/// Set when no other test is at work in this process.
static IS_QUIET: OnceLock<()> = OnceLock::new();

/// Lets what is timed begin.
pub(super) fn it_is_quiet() {
    // Once is enough.
    let _ = IS_QUIET.set(());
}

/// A string of the current context, through a pointer: the driver may know none, which bindings do not expect.
fn string(load: Loader<'_>, name: u32) -> Option<String> {
    let address = load(c"glGetString");
    if address.is_null() {
        return None;
    }
    // SAFETY: every OpenGL has this function with this signature; the string that it gives lives as long as the context.
    unsafe {
        let get_string: unsafe extern "system" fn(u32) -> *const std::ffi::c_char = std::mem::transmute(address);
        let text = get_string(name);
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// The version of a desktop OpenGL: `4.5 (Compatibility Profile) Mesa …` → (4, 5).
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Draws, reads back and compares; `None` when this OpenGL has no way to do so.
fn picture(trail: &Trail, load: Loader<'_>, surface: Surface, wish: Wish, version_text: &str) -> Option<Draw> {
    // glow reads the version itself and does not take every text.
    let version = version(version_text).filter(|_| !version_text.contains(" ES ") && !version_text.contains('\u{fffd}'))?;
    // SAFETY: a desktop context is current, and the loader finds its functions.
    let gl = unsafe { glow::Context::from_loader_function_cstr(load) };
    let has_buffers = version >= (3, 0) || gl.supported_extensions().contains("GL_ARB_framebuffer_object");
    let has_shaders = version >= (2, 0) && has_buffers;
    let draw: unsafe fn(&glow::Context, (u32, u32)) -> Result<(), GlError> = if has_shaders {
        triangle
    } else if surface == Surface::Pbuffer {
        rectangle
    } else {
        return None;
    };
    let expected: fn(u32, u32) -> bool = if has_shaders { in_triangle } else { in_rectangle };
    // Errors of the questions above are not errors of the drawing. A lost context reports one for ever, hence the bound.
    // SAFETY: a context is current.
    unsafe { (0..8).any(|_| gl.get_error() == glow::NO_ERROR) };
    let started = Instant::now();
    trail.at("glDrawArrays");
    // SAFETY: the context is current and has the functions that the chosen way needs.
    if let Err(error) = unsafe { draw(&gl, version) } {
        return Some(Draw { error: Some(error), ..Draw::default() });
    }
    trail.at("glFinish");
    // SAFETY: as above.
    unsafe { gl.finish() };
    let (first_frame, since_start) = (started.elapsed(), trail.elapsed());
    trail.at("glReadPixels");
    let side = i32::try_from(SIZE).ok()?;
    let mut pixels = vec![0x55; (SIZE * SIZE * 4) as usize];
    // SAFETY: the buffer has four bytes for each pixel of the square, rows of four bytes need no padding.
    let error = unsafe {
        let into = glow::PixelPackData::Slice(Some(&mut pixels));
        gl.read_pixels(0, 0, side, side, glow::RGBA, glow::UNSIGNED_BYTE, into);
        gl.get_error()
    };
    if error != glow::NO_ERROR {
        return Some(Draw { error: Some(failed("glReadPixels", error_name(error))), ..Draw::default() });
    }
    let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).ok();
    Some(Draw {
        pixels: SIZE * SIZE,
        wrong: wrong(&pixels, expected),
        error: None,
        first_frame_us: micros(first_frame),
        since_start_us: micros(since_start),
        mesh: (wish != Wish::Triangle && has_shaders).then(|| {
            if wish == Wish::MeshWhenQuiet {
                IS_QUIET.wait();
            }
            // SAFETY: the context is current and has what the mesh needs.
            unsafe { scene::draw(trail, &gl, version) }
        }),
    })
}

/// How many pixels have another colour than they must have. Alpha does not count: a pbuffer need not have it.
fn wrong(pixels: &[u8], is_ink: fn(u32, u32) -> bool) -> u32 {
    let byte = |channel: f32| if channel > 0.5 { 255 } else { 0 };
    let (ink, paper) = (INK.map(byte), PAPER.map(byte));
    let rows = pixels.chunks_exact(SIZE as usize * 4).zip(0..);
    rows.flat_map(|(row, y)| row.chunks_exact(4).zip(0..).map(move |(pixel, x)| (pixel, x, y)))
        .filter(|(pixel, x, y)| pixel[..3] != if is_ink(*x, *y) { ink } else { paper }[..3])
        .fold(0, |count, _| count + 1)
}

/// Whether the centre of a pixel lies inside of the triangle. No centre lies on an edge, so rounding does not matter: at
/// half-integer heights the two long edges, of slope 2, pass a quarter of a pixel beside the centres.
fn in_triangle(x: u32, y: u32) -> bool {
    // Everything in half pixels, from the lower left corner of the picture.
    let (x, y) = (2 * i64::from(x) + 1, 2 * i64::from(y) + 1);
    let from_left = 2 * (x - 256) - (y - 256);
    let from_right = 2 * (768 - x) - (y - 256);
    y > 256 && from_left > 0 && from_right > 0
}

/// The rectangle of [`rectangle`], of as many pixels as the triangle.
fn in_rectangle(x: u32, y: u32) -> bool {
    (128..384).contains(&x) && (128..256).contains(&y)
}

/// Draws the triangle with shaders into a framebuffer object.
///
/// # Safety
/// A context with OpenGL 2.0 and framebuffer objects must be current.
unsafe fn triangle(gl: &glow::Context, version: (u32, u32)) -> Result<(), GlError> {
    let side = SIZE.cast_signed();
    // SAFETY: the objects are made here and used with the calls that are meant for them; the driver copies the vertices.
    unsafe {
        let buffer = gl.create_renderbuffer().map_err(|error| failed("glGenRenderbuffers", error))?;
        gl.bind_renderbuffer(glow::RENDERBUFFER, Some(buffer));
        gl.renderbuffer_storage(glow::RENDERBUFFER, glow::RGBA8, side, side);
        let frame = gl.create_framebuffer().map_err(|error| failed("glGenFramebuffers", error))?;
        gl.bind_framebuffer(glow::FRAMEBUFFER, Some(frame));
        gl.framebuffer_renderbuffer(glow::FRAMEBUFFER, glow::COLOR_ATTACHMENT0, glow::RENDERBUFFER, Some(buffer));
        let status = gl.check_framebuffer_status(glow::FRAMEBUFFER);
        if status != glow::FRAMEBUFFER_COMPLETE {
            return Err(failed("glCheckFramebufferStatus", format!("the framebuffer is not complete ({status:#x})")));
        }
        gl.use_program(Some(program(gl, version)?));
        if version >= (3, 0) {
            let array = gl.create_vertex_array().map_err(|error| failed("glGenVertexArrays", error))?;
            gl.bind_vertex_array(Some(array));
        }
        let vertices = gl.create_buffer().map_err(|error| failed("glGenBuffers", error))?;
        gl.bind_buffer(glow::ARRAY_BUFFER, Some(vertices));
        // From pixels to the coordinates of the clip space, which reach from -1 to 1; exact in binary fractions.
        let clip = CORNERS.as_flattened().iter().flat_map(|pixel| (pixel / 256.0 - 1.0).to_ne_bytes()).collect::<Vec<_>>();
        gl.buffer_data_u8_slice(glow::ARRAY_BUFFER, &clip, glow::STATIC_DRAW);
        gl.enable_vertex_attrib_array(0);
        gl.vertex_attrib_pointer_f32(0, 2, glow::FLOAT, false, 0, 0);
        gl.viewport(0, 0, side, side);
        gl.disable(glow::DITHER);
        clear(gl, PAPER);
        gl.draw_arrays(glow::TRIANGLES, 0, 3);
        check(gl, "glDrawArrays")
    }
}

/// Draws a rectangle into the surface with nothing but OpenGL 1.0.
///
/// # Safety
/// A context must be current on a pbuffer of [`SIZE`] squared.
unsafe fn rectangle(gl: &glow::Context, _: (u32, u32)) -> Result<(), GlError> {
    // SAFETY: the caller vouches for the context.
    unsafe {
        gl.disable(glow::DITHER);
        clear(gl, PAPER);
        gl.enable(glow::SCISSOR_TEST);
        gl.scissor(128, 128, 256, 128);
        clear(gl, INK);
        gl.disable(glow::SCISSOR_TEST);
        // What is cleared is the back buffer, if there is one; it is also what is read.
        check(gl, "glClear")
    }
}

/// # Safety
/// A context must be current.
unsafe fn clear(gl: &glow::Context, [red, green, blue, alpha]: [f32; 4]) {
    // SAFETY: the caller vouches for the context.
    unsafe {
        gl.clear_color(red, green, blue, alpha);
        gl.clear(glow::COLOR_BUFFER_BIT);
    }
}

/// # Safety
/// A context must be current.
pub(super) unsafe fn check(gl: &glow::Context, call: &str) -> Result<(), GlError> {
    // SAFETY: the caller vouches for the context.
    match unsafe { gl.get_error() } {
        glow::NO_ERROR => Ok(()),
        error => Err(failed(call, error_name(error))),
    }
}

/// A program that paints everything with [`INK`].
///
/// # Safety
/// A context with OpenGL 2.0 must be current.
unsafe fn program(gl: &glow::Context, version: (u32, u32)) -> Result<glow::Program, GlError> {
    // A core profile, which exists from 3.2 on, does not take the old language.
    let (vertex, fragment) = if version >= (3, 2) {
        (
            "#version 150\nin vec2 corner;\nvoid main() { gl_Position = vec4(corner, 0.0, 1.0); }\n",
            "#version 150\nout vec4 ink;\nvoid main() { ink = vec4(1.0, 1.0, 0.0, 1.0); }\n",
        )
    } else {
        (
            "#version 110\nattribute vec2 corner;\nvoid main() { gl_Position = vec4(corner, 0.0, 1.0); }\n",
            "#version 110\nvoid main() { gl_FragColor = vec4(1.0, 1.0, 0.0, 1.0); }\n",
        )
    };
    // SAFETY: the caller vouches for the context.
    unsafe { link(gl, vertex, fragment, &["corner"]) }
}

/// A program of two shaders, with its attributes numbered from 0.
///
/// # Safety
/// A context with OpenGL 2.0 must be current.
pub(super) unsafe fn link(gl: &glow::Context, vertex: &str, fragment: &str, attributes: &[&str]) -> Result<glow::Program, GlError> {
    // SAFETY: the caller vouches for the context; the objects are made here.
    unsafe {
        let program = gl.create_program().map_err(|error| failed("glCreateProgram", error))?;
        for (kind, source) in [(glow::VERTEX_SHADER, vertex), (glow::FRAGMENT_SHADER, fragment)] {
            let shader = gl.create_shader(kind).map_err(|error| failed("glCreateShader", error))?;
            gl.shader_source(shader, source);
            gl.compile_shader(shader);
            if !gl.get_shader_compile_status(shader) {
                return Err(failed("glCompileShader", gl.get_shader_info_log(shader).trim()));
            }
            gl.attach_shader(program, shader);
        }
        for (index, attribute) in (0..).zip(attributes) {
            gl.bind_attrib_location(program, index, attribute);
        }
        gl.link_program(program);
        if !gl.get_program_link_status(program) {
            return Err(failed("glLinkProgram", gl.get_program_info_log(program).trim()));
        }
        Ok(program)
    }
}

/// `GL_INVALID_OPERATION (0x502)`.
pub(super) fn error_name(error: u32) -> String {
    let name = match error {
        glow::INVALID_ENUM => "GL_INVALID_ENUM",
        glow::INVALID_VALUE => "GL_INVALID_VALUE",
        glow::INVALID_OPERATION => "GL_INVALID_OPERATION",
        glow::OUT_OF_MEMORY => "GL_OUT_OF_MEMORY",
        glow::INVALID_FRAMEBUFFER_OPERATION => "GL_INVALID_FRAMEBUFFER_OPERATION",
        _ => "an unknown error",
    };
    format!("{name} ({error:#x})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(inside: fn(u32, u32) -> bool) -> usize {
        (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (x, y))).filter(|(x, y)| inside(*x, *y)).count()
    }

    #[test]
    fn both_pictures_cover_exactly_an_eighth_of_the_square() {
        assert_eq!(count(in_triangle), 32768);
        assert_eq!(count(in_rectangle), 32768);
    }

    #[test]
    fn each_wrong_pixel_counts_and_alpha_does_not() {
        let mut pixels: Vec<u8> = (0..SIZE)
            .flat_map(|y| (0..SIZE).map(move |x| if in_triangle(x, y) { [255, 255, 0, 255] } else { [0, 0, 255, 0] }))
            .flatten()
            .collect();
        assert_eq!(wrong(&pixels, in_triangle), 0);
        pixels[0] = 1;
        pixels[5] = 255;
        assert_eq!(wrong(&pixels, in_triangle), 2);
        assert_eq!(wrong(&vec![0; pixels.len()], in_triangle), SIZE * SIZE, "a black picture is wholly wrong");
        for pixel in pixels.chunks_exact_mut(4) {
            pixel.swap(0, 2);
        }
        assert_eq!(wrong(&pixels, in_triangle), SIZE * SIZE, "swapped channels are seen in both colours");
    }

    #[test]
    fn versions_are_read_from_what_drivers_say() {
        assert_eq!(version("4.5 (Compatibility Profile) Mesa 22.3.6"), Some((4, 5)));
        assert_eq!(version("4.6.0 NVIDIA 550.163.01"), Some((4, 6)));
        assert_eq!(version("1.4 (2.1.2 NVIDIA 450.80.02)"), Some((1, 4)));
        assert_eq!(version(""), None);
        assert_eq!(version("OpenGL ES 3.2 Mesa"), None);
    }
}
