//! The mesh: a closed surface with the folds and the two halves of a brain, computed on a grid of longitudes and latitudes.

/// Columns and rows of the grid: 2 × 388 × 194 triangles.
const COLUMNS: u32 = 388;
const ROWS: u32 = 194;

/// Triangles of the mesh.
pub(super) const TRIANGLES: u32 = 2 * COLUMNS * ROWS;

/// Corners of triangles.
pub(super) const INDICES: u32 = 3 * TRIANGLES;

/// A corner: its place in clip space (x to the right, y up, z away from the eye, -1 to 1), and the direction in which the surface
/// looks there, with z towards the eye.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(super) struct Vertex {
    pub(super) place: [f32; 3],
    pub(super) normal: [f32; 3],
}

/// The corners, and for each triangle the numbers of its three.
#[derive(Debug)]
pub(super) struct Mesh {
    pub(super) vertices: Vec<Vertex>,
    pub(super) indices: Vec<u32>,
}

/// Computes the mesh.
pub(super) fn mesh() -> Mesh {
    use std::f32::consts::{PI, TAU};
    let (columns, rows) = (COLUMNS as usize, ROWS as usize);
    let angles: Vec<(f32, f32)> = (0..=columns).map(|column| (TAU * column as f32 / columns as f32).sin_cos()).collect();
    let mut places = Vec::with_capacity((columns + 1) * (rows + 1));
    for row in 0..=rows {
        let (sine, cosine) = (PI * row as f32 / rows as f32).sin_cos();
        places.extend(angles.iter().map(|(along, across)| turned(surface([sine * across, cosine, sine * along]))));
    }
    let at = |row: usize, column: usize| places[row * (columns + 1) + column];
    let mut vertices = Vec::with_capacity(places.len());
    for row in 0..=rows {
        for column in 0..=columns {
            // Neighbours; the first and the last column are the same line.
            let (before, after) =
                (if column == 0 { columns - 1 } else { column - 1 }, if column == columns { 1 } else { column + 1 });
            let along = difference(at(row, after), at(row, before));
            let down = difference(at((row + 1).min(rows), column), at(row.saturating_sub(1), column));
            let place = at(row, column);
            let normal = unit(cross(along, down)).unwrap_or_else(|| unit(place).unwrap_or([0.0, 0.0, 1.0]));
            // Away from the eye is forward in clip space and backward for the normal.
            vertices.push(Vertex { place: [place[0], place[1], -place[2]], normal });
        }
    }
    let number = |row: u32, column: u32| row * (COLUMNS + 1) + column;
    let mut indices = Vec::with_capacity(INDICES as usize);
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let [here, right] = [number(row, column), number(row, column + 1)];
            let [below, across] = [number(row + 1, column), number(row + 1, column + 1)];
            indices.extend([here, below, right, right, below, across]);
        }
    }
    Mesh { vertices, indices }
}

/// The surface in a direction of length 1: an egg, with furrows where a wave through space is zero, and the cleft between the
/// halves.
fn surface([x, y, z]: [f32; 3]) -> [f32; 3] {
    let one = (11.0 * x + 2.2 * (4.0 * y + 0.7).sin() + 1.6 * (5.0 * z + 2.1).sin()).sin();
    let two = (10.0 * y + 2.0 * (5.0 * z + 1.3).sin() + 1.8 * (4.0 * x + 0.2).sin()).sin();
    let three = (9.0 * z + 2.1 * (5.0 * x + 0.4).sin() + 1.7 * (4.0 * y + 1.9).sin()).sin();
    let wave = (one + two + three) / 3.0;
    let furrow = bell(wave / 0.16);
    let cleft = bell(x / 0.07) * (0.35 + y).clamp(0.0, 1.0);
    let radius = 0.92 - 0.11 * furrow - 0.22 * cleft;
    [0.80 * radius * x, 0.76 * radius * y, radius * z]
}

/// 1 in the middle, near 0 beyond 1.
fn bell(value: f32) -> f32 {
    1.0 / (1.0 + (value * value) * (value * value))
}

/// The surface as it is looked at: from above and in front, a little from the side.
fn turned([x, y, z]: [f32; 3]) -> [f32; 3] {
    // Sine and cosine of 35 and of 30 degrees.
    const AROUND: (f32, f32) = (0.573_576_45, 0.819_152_06);
    const DOWN: (f32, f32) = (0.5, 0.866_025_4);
    let (x, z) = (AROUND.1 * x + AROUND.0 * z, AROUND.1 * z - AROUND.0 * x);
    [x, DOWN.1 * y - DOWN.0 * z, DOWN.0 * y + DOWN.1 * z]
}

fn difference(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The same direction with length 1; `None` when it has none.
fn unit(vector: [f32; 3]) -> Option<[f32; 3]> {
    let length = vector.iter().map(|part| part * part).sum::<f32>().sqrt();
    (length > 1e-9).then(|| vector.map(|part| part / length))
}
