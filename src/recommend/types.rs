//! What the recommender works with and what it says, in the form in which the report tells it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OpenGl;

/// The OpenGL mode to use on this machine and this display, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Recommendation {
    /// The mode.
    pub(crate) opengl: OpenGl,
    /// What the advice rests on.
    pub(crate) basis: Basis,
    /// How sure it is.
    pub(crate) confidence: Confidence,
    /// Why this mode, each a short statement.
    pub(crate) reasons: Vec<String>,
    /// The other modes, each with the reason against it.
    pub(crate) rejected: Vec<Rejected>,
}

/// What a recommendation rests on, the weaker first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Basis {
    /// The mode follows from the facts; nothing was tried inside the image.
    Predicted,
    /// The modes were tried out inside the image.
    Measured,
}

/// How sure a recommendation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Confidence {
    /// The best guess among several.
    Low,
    /// Likely; something that matters could not be seen.
    Medium,
    /// Everything that matters was seen.
    High,
}

impl Confidence {
    /// The word of the JSON document.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A mode that is not recommended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Rejected {
    /// The mode.
    pub(crate) opengl: OpenGl,
    /// Why not.
    pub(crate) reason: String,
}

/// One OpenGL mode, tried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Measurement {
    /// The mode.
    pub(crate) opengl: OpenGl,
    /// Where it was tried.
    #[serde(rename = "where")]
    pub(crate) place: Place,
    /// How that ended.
    pub(crate) outcome: MeasurementOutcome,
    /// GL_RENDERER; `None` without a context.
    pub(crate) renderer: Option<String>,
    /// What that string means.
    pub(crate) renderer_class: RendererClass,
    /// GL_VERSION; `None` without a context.
    pub(crate) gl_version: Option<String>,
    /// Whether every pixel of the test picture has the colour it must have; `None` when nothing could be read back.
    pub(crate) pixels_correct: Option<bool>,
    /// Frames per second of the drawing test; `None` when it was not timed.
    pub(crate) frames_per_second: Option<f64>,
    /// Time from the start of the container (or of the probe, on the host) to the first finished frame, in milliseconds.
    pub(crate) startup_ms: Option<u64>,
    /// What was written to standard error meanwhile, bounded, one line each.
    pub(crate) stderr: Vec<String>,
    /// The picture that was drawn, as a path; `None` when none was kept.
    pub(crate) picture: Option<String>,
}

/// Where a measurement was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// On the machine itself, outside any container.
    Host,
    /// Inside the real image.
    Image,
}

impl Place {
    /// The word of the JSON document.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Image => "image",
        }
    }
}

/// How a measurement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MeasurementOutcome {
    /// It drew, and every pixel was right.
    Works,
    /// It drew something else than it must.
    WrongPixels,
    /// There was no context, or a call failed.
    Failed,
    /// The driver brought the probe down with a signal.
    Crashed,
    /// The probe did not end within its limit.
    TimedOut,
    /// The container could not be started.
    NotStarted,
}

/// What draws, as far as the renderer's name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RendererClass {
    /// A graphics card.
    Hardware,
    /// The processor.
    Software,
    /// The card of the machine that carries this virtual one.
    Virtual,
    /// The X server, over the X protocol.
    Indirect,
    /// Nothing: there is no context.
    None,
    /// A name that is not known.
    Unknown,
}
