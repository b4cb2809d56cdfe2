//! The picture by which the OpenGL modes are compared: a lit, shaded mesh of about 150,000 triangles, folded like the cortex that
//! the viewers of BrainVISA show. It is computed, always the same, and drawn through the same calls as theirs: vertices and
//! triangles in buffers, a depth buffer, light for each pixel.

mod draw;
mod mesh;
mod picture;
#[cfg(test)]
mod tests;

pub(super) use draw::draw;

/// Side of the drawn picture, in pixels.
const SIDE: u32 = super::draw::SIZE;

/// Where the light comes from; its length is 1.
const LIGHT: [f32; 3] = [0.36, 0.48, 0.8];

/// Colour of the surface.
const FLESH: [f32; 3] = [0.86, 0.66, 0.60];

/// Colour behind it.
const BACKGROUND: [f32; 3] = [0.10, 0.12, 0.16];

/// Light that comes from everywhere, and how strong light from [`LIGHT`] and its reflection are.
const AMBIENT: f32 = 0.18;
const DIFFUSE: f32 = 0.78;
const SPECULAR: f32 = 0.25;
