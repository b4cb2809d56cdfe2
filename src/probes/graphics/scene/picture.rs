//! What was drawn, as a picture to be kept and as one to be compared.

use base64::Engine as _;

use super::SIDE;

/// Side of the picture that is kept.
const KEPT: usize = 256;

/// Side of the picture that is compared, in cells. A cell is the mean of 8 × 8 pixels, so that drivers may round as they like and
/// place edges half a pixel beside another's.
pub(super) const CELLS: usize = 64;

/// The brightness of each cell, computed by the rasterizer of the tests, which draws without any driver.
pub(super) const REFERENCE: &[u8; CELLS * CELLS] = include_bytes!("reference.gray");

/// How far the brightness of a cell may be from that of the reference, of 255.
pub(super) const TOLERANCE: u8 = 24;

/// The brightness of each cell, the upper left one first. `pixels` has four bytes for each, the lowest row first.
pub(super) fn cells(pixels: &[u8]) -> Vec<u8> {
    let side = SIDE as usize;
    let step = side / CELLS;
    let mut sums = vec![0u32; CELLS * CELLS];
    for (row, line) in pixels.chunks_exact(side * 4).take(side).enumerate() {
        let cell_row = (side - 1 - row) / step;
        for (column, pixel) in line.chunks_exact(4).enumerate() {
            // The weights of ITU-R BT.601.
            sums[cell_row * CELLS + column / step] +=
                299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2]);
        }
    }
    let scale = 1000 * u32::try_from(step * step).unwrap_or(1);
    sums.into_iter().map(|sum| u8::try_from(sum / scale).unwrap_or(u8::MAX)).collect()
}

/// How many cells have another brightness than the reference.
pub(super) fn cells_off(pixels: &[u8]) -> u32 {
    let off = cells(pixels).iter().zip(REFERENCE).filter(|(drawn, wanted)| drawn.abs_diff(**wanted) > TOLERANCE).count();
    u32::try_from(off).unwrap_or(u32::MAX)
}

/// The picture at half its size, as a URI that a web page can show. `None` when it cannot be made.
pub(super) fn data_uri(pixels: &[u8]) -> Option<String> {
    let png = png(pixels).ok()?;
    Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png)))
}

fn png(pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let side = u32::try_from(KEPT).unwrap_or_default();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&halved(pixels))?;
    writer.finish()?;
    Ok(bytes)
}

/// Red, green and blue of the picture at half its size, the upper row first. The two lowest bits go: nobody sees them, and the
/// file gets smaller by half.
fn halved(pixels: &[u8]) -> Vec<u8> {
    let side = SIDE as usize;
    let at =
        |row: usize, column: usize, channel: usize| pixels.get((row * side + column) * 4 + channel).copied().map_or(0, u16::from);
    let mut small = Vec::with_capacity(KEPT * KEPT * 3);
    for row in (0..KEPT).rev() {
        for column in 0..KEPT {
            for channel in 0..3 {
                let sum: u16 = [(0, 0), (0, 1), (1, 0), (1, 1)]
                    .into_iter()
                    .map(|(down, right)| at(2 * row + down, 2 * column + right, channel))
                    .sum();
                small.push(u8::try_from(sum / 4).unwrap_or(u8::MAX) & 0xfc);
            }
        }
    }
    small
}
