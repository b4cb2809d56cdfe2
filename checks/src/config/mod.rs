//! Checks of the family "config": what stands in casa_distro.json and in the user's file.
//!
//! The rules are those of casa_distro 3.2: its `environment.py` reads and merges, its `singularity.py` uses.

mod display;
mod duplicates;
mod flag_table;
mod flags;
mod generation;
mod gl_variables;
mod image_key;
mod keys;
pub(crate) mod layers;
mod layout;
mod links;
mod mounts;
mod opengl;
mod place;
pub mod python_format;
mod shared;
mod substitution;
mod syntax;
#[cfg(test)]
mod testing;
mod user_file;

use crate::check::Check;
pub use opengl::{asks_for_nvidia, asks_for_software};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[
    &display::CHECK,
    &duplicates::CHECK,
    &flags::CHECK,
    &generation::CHECK,
    &gl_variables::CHECK,
    &image_key::CHECK,
    &keys::CHECK,
    &layout::CHECK,
    &links::CHECK,
    &mounts::CHECK,
    &opengl::CHECK,
    &place::CHECK,
    &shared::CHECK,
    &substitution::CHECK,
    &syntax::CHECK,
    &user_file::CHECK,
];
