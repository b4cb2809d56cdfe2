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
