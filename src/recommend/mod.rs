//! The recommender: facts and findings in, OpenGL mode and plan out. Pure.

pub(crate) mod decision;
pub(crate) mod memory;
mod predict;
pub(crate) mod situation;
#[cfg(test)]
mod tests;
mod types;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use predict::predict;
pub(crate) use types::*;

/// The OpenGL modes of casa_distro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OpenGl {
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
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Nv => "nv",
            Self::Software => "software",
            Self::None => "none",
        }
    }
}
