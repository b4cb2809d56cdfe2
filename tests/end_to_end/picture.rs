//! Pictures, compared pixel by pixel.

use std::path::{Path, PathBuf};

/// How far a colour may be off, of 255: drivers round in their own ways.
const TOLERANCE: u8 = 24;
/// How many pixels may be off by more: drivers place the edges of triangles in their own ways.
const SHARE: f64 = 0.01;

/// A picture in memory.
pub(crate) struct Picture {
    width: u32,
    height: u32,
    /// Three bytes a pixel, from the top left.
    rgb: Vec<u8>,
}

impl Picture {
    /// From a PNG with red, green and blue, with or without transparency.
    #[track_caller]
    pub(crate) fn decode(png: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("a PNG");
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).expect("a whole PNG");
        assert_eq!(info.bit_depth, png::BitDepth::Eight);
        let channels = match info.color_type {
            png::ColorType::Rgb => 3,
            png::ColorType::Rgba => 4,
            other => panic!("a picture of kind {other:?}"),
        };
        let rgb = bytes[..info.buffer_size()].chunks(channels).flat_map(|pixel| pixel[..3].to_vec()).collect();
        Self { width: info.width, height: info.height, rgb }
    }

    /// From the URI of a measurement.
    #[track_caller]
    pub(crate) fn of_uri(uri: &str) -> Self {
        use base64::Engine as _;
        let text = uri.strip_prefix("data:image/png;base64,").expect("a PNG in a URI");
        Self::decode(&base64::engine::general_purpose::STANDARD.decode(text).expect("base64"))
    }

    /// A reference: drawn once by this machine's own Mesa, looked at, and kept in tests/data/pictures.
    pub(crate) fn reference(name: &str) -> Self {
        let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures").join(name);
        Self::decode(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The colour at a place, from the top left.
    pub(crate) fn at(&self, x: u32, y: u32) -> [u8; 3] {
        let at = 3 * (y * self.width + x) as usize;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// Why this is not the same picture as the other one; `None` when it is.
    pub(crate) fn differs_from(&self, other: &Self) -> Option<String> {
        if (self.width, self.height) != (other.width, other.height) {
            return Some(format!("{}×{} pixels instead of {}×{}", self.width, self.height, other.width, other.height));
        }
        let pixels = self.rgb.chunks(3).zip(other.rgb.chunks(3));
        let off = pixels.filter(|(ours, theirs)| ours.iter().zip(*theirs).any(|(a, b)| a.abs_diff(*b) > TOLERANCE)).count();
        let of = (self.width * self.height) as usize;
        (off as f64 > SHARE * of as f64).then(|| format!("{off} of {of} pixels have another colour"))
    }
}

/// The comparison itself: a picture that is upside down, without light or with its colours exchanged is another one.
#[test]
fn a_wrong_picture_is_told() {
    let right = Picture::reference("mesh.png");
    assert_eq!(right.differs_from(&right), None);
    let row = 3 * right.width as usize;
    let upside_down = right.rgb.chunks(row).rev().flatten().copied().collect();
    let exchanged = right.rgb.chunks(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
    let blank = vec![0; right.rgb.len()];
    let unlit = right.rgb.chunks(3).flat_map(|pixel| if pixel[0] > 60 { [150, 110, 95] } else { [pixel[0], pixel[1], pixel[2]] });
    for rgb in [upside_down, exchanged, blank, unlit.collect()] {
        let wrong = Picture { width: right.width, height: right.height, rgb };
        assert!(wrong.differs_from(&right).is_some());
    }
}
