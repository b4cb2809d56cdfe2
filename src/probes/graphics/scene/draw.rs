//! Drawing the mesh for a while, and telling how fast and how well.
#![expect(unsafe_code, reason = "OpenGL is called through function pointers of the driver")]

use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{GlError, MeshDraw};
use glow::HasContext;

use super::mesh::{self, INDICES, TRIANGLES, Vertex};
use super::picture::{self, CELLS};
use super::{AMBIENT, BACKGROUND, DIFFUSE, FLESH, LIGHT, SIDE, SPECULAR};
use crate::probes::child::Trail;
use crate::probes::graphics::child::failed;
use crate::probes::graphics::draw::{check, error_name, link};

/// For how long pictures are drawn once the first one is there.
const WHILE: Duration = Duration::from_millis(200);

/// The first picture is drawn in so many parts, so that a renderer that needs seconds for it can be stopped between them.
const PARTS: u32 = 16;

/// When the first picture is given up. A renderer without a compiler takes half a second for it, and much longer on a busy machine.
const FIRST: Duration = Duration::from_secs(3);

/// Draws the mesh. A context with framebuffer objects and shaders must be current; that is what `version` says.
///
/// # Safety
/// A context with OpenGL 2.0 or newer and framebuffer objects must be current, and nothing else may use it meanwhile.
pub(in crate::probes::graphics) unsafe fn draw(trail: &Trail, gl: &glow::Context, version: (u32, u32)) -> MeshDraw {
    let cells = (CELLS * CELLS) as u32;
    let mut told = MeshDraw { triangles: TRIANGLES, cells, ..MeshDraw::default() };
    trail.at("glDrawElements");
    // SAFETY: the caller vouches for the context.
    if let Err(error) = unsafe { prepare(gl, version).and_then(|()| measure(trail, gl, &mut told)) } {
        told.error = Some(error);
    }
    told
}

/// Makes the buffers, the program and what is drawn into.
///
/// # Safety
/// As for [`draw`].
unsafe fn prepare(gl: &glow::Context, version: (u32, u32)) -> Result<(), GlError> {
    let side = SIDE.cast_signed();
    let mesh = mesh::mesh();
    // SAFETY: the objects are made here and used with the calls that are meant for them; the driver copies what it is given.
    unsafe {
        let frame = gl.create_framebuffer().map_err(|error| failed("glGenFramebuffers", error))?;
        gl.bind_framebuffer(glow::FRAMEBUFFER, Some(frame));
        for (attachment, format) in [(glow::COLOR_ATTACHMENT0, glow::RGBA8), (glow::DEPTH_ATTACHMENT, glow::DEPTH_COMPONENT24)] {
            let buffer = gl.create_renderbuffer().map_err(|error| failed("glGenRenderbuffers", error))?;
            gl.bind_renderbuffer(glow::RENDERBUFFER, Some(buffer));
            gl.renderbuffer_storage(glow::RENDERBUFFER, format, side, side);
            gl.framebuffer_renderbuffer(glow::FRAMEBUFFER, attachment, glow::RENDERBUFFER, Some(buffer));
        }
        let status = gl.check_framebuffer_status(glow::FRAMEBUFFER);
        if status != glow::FRAMEBUFFER_COMPLETE {
            return Err(failed("glCheckFramebufferStatus", format!("the framebuffer with depth is not complete ({status:#x})")));
        }
        let (vertex, fragment) = shaders(version);
        gl.use_program(Some(link(gl, &vertex, &fragment, &["place", "normal"])?));
        if version >= (3, 0) {
            let array = gl.create_vertex_array().map_err(|error| failed("glGenVertexArrays", error))?;
            gl.bind_vertex_array(Some(array));
        }
        let corners = gl.create_buffer().map_err(|error| failed("glGenBuffers", error))?;
        gl.bind_buffer(glow::ARRAY_BUFFER, Some(corners));
        gl.buffer_data_u8_slice(glow::ARRAY_BUFFER, bytes_of(&mesh.vertices), glow::STATIC_DRAW);
        let stride = size_of::<Vertex>() as i32;
        for (index, offset) in [(0, 0), (1, 12)] {
            gl.enable_vertex_attrib_array(index);
            gl.vertex_attrib_pointer_f32(index, 3, glow::FLOAT, false, stride, offset);
        }
        let triangles = gl.create_buffer().map_err(|error| failed("glGenBuffers", error))?;
        gl.bind_buffer(glow::ELEMENT_ARRAY_BUFFER, Some(triangles));
        gl.buffer_data_u8_slice(glow::ELEMENT_ARRAY_BUFFER, bytes_of(&mesh.indices), glow::STATIC_DRAW);
        gl.viewport(0, 0, side, side);
        gl.disable(glow::DITHER);
        gl.enable(glow::DEPTH_TEST);
        gl.clear_color(BACKGROUND[0], BACKGROUND[1], BACKGROUND[2], 1.0);
        check(gl, "glBufferData")
    }
}

/// Draws one picture with care, then as many as there is time for.
///
/// # Safety
/// As for [`draw`], after [`prepare`].
unsafe fn measure(trail: &Trail, gl: &glow::Context, told: &mut MeshDraw) -> Result<(), GlError> {
    let mut pixels = vec![0; (SIDE * SIDE * 4) as usize];
    let started = Instant::now();
    // SAFETY: the caller vouches for the context and for what is bound.
    let parts = unsafe { first(gl, started) };
    let took = started.elapsed();
    // SAFETY: as above.
    unsafe { check(gl, "glDrawElements") }?;
    if parts < PARTS {
        told.frames = f64::from(parts) / f64::from(PARTS);
        told.frames_per_second = Some(told.frames / took.as_secs_f64());
        return Ok(());
    }
    trail.at("glReadPixels");
    // SAFETY: as above.
    unsafe { read(gl, &mut pixels) }?;
    told.frames = 1.0;
    told.frames_per_second = Some(1.0 / started.elapsed().as_secs_f64());
    told.cells_off = Some(picture::cells_off(&pixels));
    told.picture = picture::data_uri(&pixels);
    if took > WHILE {
        return Ok(());
    }
    trail.at("glDrawElements");
    let started = Instant::now();
    let mut frames = 0u32;
    while started.elapsed() < WHILE {
        // SAFETY: as above.
        unsafe {
            gl.clear(glow::COLOR_BUFFER_BIT | glow::DEPTH_BUFFER_BIT);
            gl.draw_elements(glow::TRIANGLES, INDICES.cast_signed(), glow::UNSIGNED_INT, 0);
            read(gl, &mut pixels)?;
        }
        frames += 1;
    }
    told.frames += f64::from(frames);
    told.frames_per_second = Some(f64::from(frames) / started.elapsed().as_secs_f64());
    // What counts is what is drawn at full speed.
    told.cells_off = told.cells_off.max(Some(picture::cells_off(&pixels)));
    Ok(())
}

/// Draws the picture in parts, each finished before the next; gives how many there was time for.
///
/// # Safety
/// As for [`measure`].
unsafe fn first(gl: &glow::Context, started: Instant) -> u32 {
    let each = INDICES / 3 / PARTS * 3;
    // SAFETY: the caller vouches for the context; the parts together are all indices and no more.
    unsafe {
        gl.clear(glow::COLOR_BUFFER_BIT | glow::DEPTH_BUFFER_BIT);
        for part in 0..PARTS {
            let from = part * each;
            let count = if part + 1 == PARTS { INDICES - from } else { each };
            let offset = (from * 4).cast_signed();
            gl.draw_elements(glow::TRIANGLES, count.cast_signed(), glow::UNSIGNED_INT, offset);
            gl.finish();
            if part + 1 < PARTS && started.elapsed() > FIRST {
                return part + 1;
            }
        }
    }
    PARTS
}

/// Reads the picture back, which waits until it is drawn.
///
/// # Safety
/// As for [`measure`].
unsafe fn read(gl: &glow::Context, pixels: &mut [u8]) -> Result<(), GlError> {
    let side = SIDE.cast_signed();
    // SAFETY: the buffer has four bytes for each pixel of the square.
    unsafe {
        gl.read_pixels(0, 0, side, side, glow::RGBA, glow::UNSIGNED_BYTE, glow::PixelPackData::Slice(Some(pixels)));
        match gl.get_error() {
            glow::NO_ERROR => Ok(()),
            error => Err(failed("glReadPixels", error_name(error))),
        }
    }
}

/// The bytes of numbers, as they are.
fn bytes_of<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: a plain type has no padding and no invalid bytes, and the slice covers exactly the numbers.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// A type that is nothing but numbers of 32 bits.
trait Plain {}
impl Plain for u32 {}
impl Plain for Vertex {}

/// The vertex and the fragment shader. A core profile, which exists from 3.2 on, does not take the old language.
fn shaders(version: (u32, u32)) -> (String, String) {
    let core = version >= (3, 2);
    let (head, input, output) = if core { ("#version 150", "in", "out") } else { ("#version 110", "attribute", "varying") };
    let vertex = format!(
        "{head}\n{input} vec3 place;\n{input} vec3 normal;\n{output} vec3 facing;\n\
         void main() {{ facing = normal; gl_Position = vec4(place, 1.0); }}\n"
    );
    let (declared, into, from) = if core { ("out vec4 ink;\n", "ink", "in") } else { ("", "gl_FragColor", "varying") };
    let vec3 = |[x, y, z]: [f32; 3]| format!("vec3({x:?}, {y:?}, {z:?})");
    let fragment = format!(
        "{head}\n{declared}{from} vec3 facing;\n\
         void main() {{\n\
           vec3 n = normalize(facing);\n\
           vec3 light = {light};\n\
           float d = dot(n, light);\n\
           float mirrored = max(2.0 * d * n.z - light.z, 0.0);\n\
           float squared = mirrored * mirrored;\n\
           squared = squared * squared;\n\
           squared = squared * squared;\n\
           float shine = d > 0.0 ? {SPECULAR:?} * squared * squared : 0.0;\n\
           {into} = vec4({flesh} * ({AMBIENT:?} + {DIFFUSE:?} * max(d, 0.0)) + vec3(shine), 1.0);\n\
         }}\n",
        light = vec3(LIGHT),
        flesh = vec3(FLESH),
    );
    (vertex, fragment)
}
