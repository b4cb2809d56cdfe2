//! Checks of the family "x11".

use crate::check::Check;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[];
