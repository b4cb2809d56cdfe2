//! Checks of the family "storage".

mod home;
mod profile;
mod space;
mod temporary;

use crate::check::Check;
use crate::facts::{DiskPlace, DiskRole, Storage};
pub(crate) use space::unpacks;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[&space::CHECK, &home::CHECK, &profile::CHECK, &temporary::CHECK];

/// The place with this use.
fn place(storage: &Storage, role: DiskRole) -> Option<&DiskPlace> {
    storage.places.iter().find(|place| place.role == role)
}
