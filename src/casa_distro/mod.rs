//! What casa_distro reads and does: environments, configuration, substitution, homes.
//!
//! The rules are those of casa_distro 3.2 (its `environment.py` and `singularity.py`); where they are known to be wrong, the
//! doc comment of the item says what we do instead.

mod hide;
mod hide_text;
mod home;
mod image_path;
mod json;
mod load;
mod locate;
mod merge;
mod read;
mod substitute;

pub(crate) use hide::{HIDDEN, assigns_secret, has_url_password, hide_secrets, is_secret_name};
pub(crate) use hide_text::hide_secrets_in_text;
pub(crate) use home::container_home;
pub(crate) use image_path::{ImageLookUp, look_up_image};
pub(crate) use json::check_json;
pub(crate) use load::{Loaded, combine, load, user_directory, user_file};
pub(crate) use locate::{LocateError, Place, is_environment, locate, locate_removed};
pub(crate) use read::read_config;
pub(crate) use substitute::{expand_variables, substitute};
