//! Checks of the family "gl".

use crate::check::Check;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[];
