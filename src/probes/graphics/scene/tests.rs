use casa_doctor_checks::facts::MeshDraw;

use super::mesh::{INDICES, Mesh, TRIANGLES, mesh};
use super::picture::{CELLS, REFERENCE, cells, cells_off, data_uri};
use super::{AMBIENT, BACKGROUND, DIFFUSE, FLESH, LIGHT, SIDE, SPECULAR};

/// Draws the mesh without any driver: each triangle's pixels by their centres, the nearest one wins, light for each pixel.
fn rasterized(mesh: &Mesh) -> Vec<u8> {
    let side = SIDE as usize;
    let mut pixels = vec![0; side * side * 4];
    let mut depths = vec![f32::INFINITY; side * side];
    for pixel in pixels.chunks_exact_mut(4) {
        pixel.copy_from_slice(&BACKGROUND.map(byte).into_iter().chain([255]).collect::<Vec<_>>());
    }
    for corners in mesh.indices.chunks_exact(3) {
        let [a, b, c] = [corners[0], corners[1], corners[2]].map(|index| mesh.vertices[index as usize]);
        let screen = |place: [f32; 3]| [(place[0] + 1.0) * side as f32 / 2.0, (place[1] + 1.0) * side as f32 / 2.0];
        let [p, q, r] = [a.place, b.place, c.place].map(screen);
        let area = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1]);
        if area == 0.0 {
            continue;
        }
        let range = |axis: usize| {
            let least = p[axis].min(q[axis]).min(r[axis]).floor().max(0.0) as usize;
            least..(p[axis].max(q[axis]).max(r[axis]).ceil().max(0.0) as usize).min(side)
        };
        for row in range(1) {
            for column in range(0) {
                let at = [column as f32 + 0.5, row as f32 + 0.5];
                let edge = |from: [f32; 2], to: [f32; 2]| {
                    ((to[0] - from[0]) * (at[1] - from[1]) - (at[0] - from[0]) * (to[1] - from[1])) / area
                };
                let weights = [edge(q, r), edge(r, p), edge(p, q)];
                if weights.iter().any(|weight| *weight < 0.0) {
                    continue;
                }
                let mixed = |of: fn(&super::mesh::Vertex) -> [f32; 3]| {
                    [0, 1, 2]
                        .map(|part| [&a, &b, &c].iter().zip(weights).map(|(vertex, weight)| of(vertex)[part] * weight).sum::<f32>())
                };
                let depth = mixed(|vertex| vertex.place)[2];
                let index = row * side + column;
                if depth < depths[index] {
                    depths[index] = depth;
                    pixels[index * 4..index * 4 + 3].copy_from_slice(&lit(mixed(|vertex| vertex.normal)).map(byte));
                }
            }
        }
    }
    pixels
}

/// What the fragment shader computes.
fn lit(normal: [f32; 3]) -> [f32; 3] {
    let length = normal.iter().map(|part| part * part).sum::<f32>().sqrt().max(1e-9);
    let normal = normal.map(|part| part / length);
    let facing = normal.iter().zip(LIGHT).map(|(part, light)| part * light).sum::<f32>();
    let mirrored = 2.0 * facing * normal[2] - LIGHT[2];
    let shine = if facing > 0.0 { SPECULAR * mirrored.max(0.0).powi(16) } else { 0.0 };
    FLESH.map(|part| (part * (AMBIENT + DIFFUSE * facing.max(0.0)) + shine).min(1.0))
}

fn byte(part: f32) -> u8 {
    (part * 255.0 + 0.5) as u8
}

#[test]
fn the_mesh_is_always_the_same_and_has_about_150_000_triangles() {
    let (one, other) = (mesh(), mesh());
    assert_eq!((one.vertices, &one.indices), (other.vertices, &other.indices));
    assert_eq!(one.indices.len(), INDICES as usize);
    assert!((149_000..=151_000).contains(&TRIANGLES), "{TRIANGLES}");
}

#[test]
fn the_mesh_is_whole_and_lies_in_what_is_seen() {
    let mesh = mesh();
    for vertex in &mesh.vertices {
        assert!(vertex.place.iter().all(|part| part.abs() < 1.0), "{vertex:?}");
        let length = vertex.normal.iter().map(|part| part * part).sum::<f32>();
        assert!((0.99..1.01).contains(&length), "{vertex:?}");
    }
    assert!(mesh.indices.iter().all(|index| (*index as usize) < mesh.vertices.len()));
    // Seen from outside, the surface looks at the eye about as often as away from it.
    let towards = mesh.vertices.iter().filter(|vertex| vertex.normal[2] > 0.0).count();
    assert!((mesh.vertices.len() / 3..mesh.vertices.len() * 2 / 3).contains(&towards), "{towards}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a generated file of the source is written on request")]
fn the_reference_is_what_the_mesh_looks_like_without_any_driver() {
    let pixels = rasterized(&mesh());
    let drawn = cells(&pixels);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/probes/graphics/scene/reference.gray");
    if std::env::var_os("CASA_DOCTOR_BLESS").is_some() {
        std::fs::write(file, &drawn).unwrap();
        return;
    }
    assert_eq!(drawn.len(), CELLS * CELLS);
    let off = drawn.iter().zip(REFERENCE).filter(|(now, kept)| now.abs_diff(**kept) > 1).count();
    assert_eq!(off, 0, "reference.gray is stale: CASA_DOCTOR_BLESS=1 cargo test writes it again");
    assert_eq!(cells_off(&pixels), 0);
    // It is a picture, and not all of one brightness.
    let (dark, light) = (drawn.iter().filter(|cell| **cell < 50).count(), drawn.iter().filter(|cell| **cell > 120).count());
    assert!(dark > 1000 && light > 600, "{dark} dark and {light} light cells");
}

#[test]
fn a_wrong_picture_is_seen() {
    let right = rasterized(&mesh());
    let upside_down: Vec<u8> = right.chunks_exact(SIDE as usize * 4).rev().flatten().copied().collect();
    let far_side_in_front = {
        let mut mesh = mesh();
        for vertex in &mut mesh.vertices {
            vertex.place[2] = -vertex.place[2];
        }
        rasterized(&mesh)
    };
    let unlit: Vec<u8> =
        right.chunks_exact(4).flat_map(|pixel| if pixel[0] > 40 { [150, 115, 105, 255] } else { [26, 31, 41, 255] }).collect();
    for (what, pixels) in [
        ("black", vec![0; right.len()]),
        ("upside down", upside_down),
        ("without a depth test that works", far_side_in_front),
        ("without light", unlit),
    ] {
        let told = |off| MeshDraw { cells: (CELLS * CELLS) as u32, cells_off: Some(off), ..MeshDraw::default() };
        let off = cells_off(&pixels);
        assert_eq!(told(off / 2).is_right(), Some(false), "{what}: {off} cells are off, with little room");
    }
}

#[test]
fn the_kept_picture_is_a_small_png() {
    use base64::Engine as _;
    let uri = data_uri(&rasterized(&mesh())).unwrap();
    let text = uri.strip_prefix("data:image/png;base64,").unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    assert!(bytes.len() < 48 * 1024, "{} bytes", bytes.len());
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height, pixels.len()), (256, 256, 256 * 256 * 3));
    // The upper left corner is background, the middle is not.
    assert!(pixels[0] < 40 && pixels[(128 * 256 + 128) * 3] > 40);
    if let Some(path) = option_env!("CASA_DOCTOR_SCENE") {
        #[expect(clippy::disallowed_methods, reason = "for a person who wants to look at it")]
        std::fs::write(path, bytes).unwrap();
    }
}
