//! The recommender: facts and findings in, OpenGL mode and plan out. Pure.

pub(crate) mod decision;
mod measured;
pub(crate) mod memory;
pub(crate) mod nvidia;
mod predict;
pub(crate) mod situation;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use casa_doctor_checks::facts::{MeasurementOutcome, OpenGl, Place};
pub(crate) use casa_doctor_checks::renderer::RendererClass;
pub(crate) use measured::recommend;
pub(crate) use predict::{expectation, predict};
pub(crate) use types::*;
