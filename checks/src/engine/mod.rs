//! Checks of the family "engine".

use crate::check::Check;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[];
