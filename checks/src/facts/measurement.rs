use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GlError;
use crate::renderer::RendererClass;

/// The OpenGL modes of casa_distro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenGl {
    /// The image's own Mesa, on the display's or the machine's graphics card.
    Container,
    /// The host's NVIDIA driver, brought into the container.
    Nv,
    /// Software rendering inside the image.
    Software,
    /// No OpenGL at all.
    None,
}

impl OpenGl {
    /// The word that casa_distro and the JSON document use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Nv => "nv",
            Self::Software => "software",
            Self::None => "none",
        }
    }
}

/// The OpenGL modes, tried out: the same test on the machine itself and in the real image, once for each mode.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Measurements {
    /// What was measured, the machine itself first, then each mode in the image.
    pub measured: Vec<Measurement>,
    /// Modes that were not tried, because they cannot work here.
    pub not_tried: Vec<NotTried>,
    /// Modes that may work and were not tried, or not to the end, because the time of the whole run was over.
    pub unfinished: Vec<NotTried>,
    /// What was expected before anything was started; `None` when nothing could be told.
    pub predicted: Option<Prediction>,
}

/// A mode that was not tried, or that was expected to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotTried {
    /// The mode.
    pub opengl: OpenGl,
    /// Why, a clause without a full stop.
    pub reason: String,
}

/// What the facts let expect of the modes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prediction {
    /// The mode that was expected to be best.
    pub opengl: OpenGl,
    /// Why, each a short statement.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The modes that were expected to fail, each with the reason.
    #[serde(default)]
    pub failing: Vec<NotTried>,
}

/// One OpenGL mode, tried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    /// The mode; `none` on the machine itself, which has no modes.
    pub opengl: OpenGl,
    /// Where it was tried.
    #[serde(rename = "where")]
    pub place: Place,
    /// How that ended.
    pub outcome: MeasurementOutcome,
    /// GL_RENDERER; `null` without a context.
    pub renderer: Option<String>,
    /// What that string means.
    pub renderer_class: RendererClass,
    /// GL_VERSION; `null` without a context.
    pub gl_version: Option<String>,
    /// Whether every pixel of the test triangle has the colour it must have and the picture of the mesh is the right one; `null`
    /// when nothing could be read back.
    pub pixels_correct: Option<bool>,
    /// Pictures of the test mesh (about 150,000 lit triangles, 512 × 512 pixels) per second, each read back; `null` when it was not
    /// timed.
    pub frames_per_second: Option<f64>,
    /// Time from the start of the container (or of the test, on the machine itself) to the first finished picture, in
    /// milliseconds.
    pub startup_ms: Option<u64>,
    /// What was written to standard error meanwhile, bounded, one line each; after a failure that of a second run, in which the
    /// drivers were asked to tell their reasons.
    pub stderr: Vec<String>,
    /// The picture of the mesh, 256 × 256 pixels, as a URI `data:image/png;base64,…` of some 30 kB; `null` when none was drawn.
    pub picture: Option<String>,
    /// What answered: `glx` (the way of BrainVISA's viewers), `egl-surfaceless` or `egl-device` (no display), or `glxinfo`, the
    /// image's own program where casa-doctor cannot run in the image; `null` when nothing did.
    #[serde(default)]
    pub interface: Option<String>,
    /// Whether rendering is direct (GLX).
    #[serde(default)]
    pub direct: Option<bool>,
    /// Time from the start of the test inside to the first finished picture, in milliseconds: loading the driver, mostly.
    #[serde(default)]
    pub first_frame_ms: Option<u64>,
    /// Why it ended as it did, a sentence; `null` where it works.
    #[serde(default)]
    pub reason: Option<String>,
    /// What else should be known, each a short statement.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The same test through the other interfaces to OpenGL (EGL), without timing.
    #[serde(default)]
    pub others: Vec<OtherInterface>,
}

/// OpenGL through another interface than the one that decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OtherInterface {
    /// `egl-x11`, `egl-surfaceless` or `egl-device`.
    pub interface: String,
    /// How that ended.
    pub outcome: MeasurementOutcome,
    /// GL_RENDERER; `null` without a context.
    pub renderer: Option<String>,
    /// What that string means.
    pub renderer_class: RendererClass,
    /// Whether every pixel of the test triangle is right; `null` when nothing could be read back.
    pub pixels_correct: Option<bool>,
    /// The call that failed.
    #[serde(default)]
    pub error: Option<GlError>,
}

/// Where a measurement was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On the machine itself, outside any container.
    Host,
    /// Inside the real image.
    Image,
}

impl Place {
    /// The word of the JSON document.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Image => "image",
        }
    }
}

/// How a measurement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MeasurementOutcome {
    /// It drew, and every pixel was right; or, by the image's own program, it has a context and nothing was drawn.
    Works,
    /// It drew something else than it must.
    WrongPixels,
    /// There was no context, or a call failed.
    Failed,
    /// The driver brought the probe down with a signal.
    Crashed,
    /// The probe did not end within its limit.
    TimedOut,
    /// The container could not be started, or nothing in it that could measure.
    NotStarted,
}

/// A lit, shaded mesh, drawn over and over for a short while.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MeshDraw {
    /// Triangles of the mesh.
    pub triangles: u32,
    /// Pictures finished; a fraction when the time was over before the first one was.
    pub frames: f64,
    /// Pictures per second, each read back; `None` when nothing was drawn.
    pub frames_per_second: Option<f64>,
    /// Cells of the picture (64 × 64) that are compared with the reference.
    pub cells: u32,
    /// Cells that have another brightness than they must have; `None` when no picture was finished.
    pub cells_off: Option<u32>,
    /// The call that failed.
    pub error: Option<GlError>,
    /// The picture, as [`Measurement::picture`].
    pub picture: Option<String>,
}

impl MeshDraw {
    /// Whether the picture is the right one; `None` when none was finished. One cell in fifty may be off: drivers place the fine
    /// lines of light on edges as they like.
    #[must_use]
    pub fn is_right(&self) -> Option<bool> {
        self.cells_off.map(|off| off.saturating_mul(50) <= self.cells)
    }
}
