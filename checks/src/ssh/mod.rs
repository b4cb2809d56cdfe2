//! Checks of the family "ssh".

mod agent;

use crate::check::Check;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[&agent::CHECK];
