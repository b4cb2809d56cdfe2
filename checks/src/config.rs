//! Checks of the family "config".

use crate::check::Check;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[];
