//! Checks of the family.
use crate::check::Check;
pub(crate) static CHECKS: &[&Check] = &[];
