//! Checks of the family "nvidia".
use crate::check::Check;
/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[];
