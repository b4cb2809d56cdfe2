//! Checks of the family "config".

pub mod python_format;

use crate::check::Check;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[];
