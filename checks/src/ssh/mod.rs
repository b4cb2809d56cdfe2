//! Checks of the family "ssh".

mod agent;
mod container;
mod keychain;
mod keys;
mod profile;

use crate::check::Check;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[
    &keychain::CHECK,
    &profile::HIDDEN,
    &agent::CHECK,
    &profile::IDENTITY_AGENT,
    &keys::CHECK,
    &container::KNOWN_HOSTS,
    &container::MOUNT,
];
