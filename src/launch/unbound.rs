//! A launch where the administrator lets nobody mount anything (`user bind control = no`).
//!
//! The engine refuses the container's home then, and leaves out every other mount with a warning. What it mounts by itself, `/tmp` and
//! the user's home, is enough to start: our private files go there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::agent;
use super::binds::Binds;
use super::dialect::Told;
use super::display::Authority;
use super::engine::Chosen;
use super::site::Site;
use crate::host::{Access, Host};

/// Where the container sees our private files although nothing can be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unbound {
    /// Below this directory, which it sees at the same place.
    Under(PathBuf),
    /// Nowhere: whether the command was started cannot be known.
    Nowhere,
}

/// Takes the mounts away, says so, and leads the variables to where things are seen without them.
pub(super) fn without_mounts(
    (host, site, engine): (&dyn Host, &Site, &Chosen),
    host_home: &Path,
    binds: &mut Binds,
    authority: Option<&Authority>,
    env: &mut BTreeMap<String, OsString>,
    told: &mut Told,
) -> Unbound {
    let places: Vec<_> = std::mem::take(binds).into_list().into_iter().map(|bind| bind.container.display().to_string()).collect();
    told.warnings.push(format!(
        "the administrator has switched mounts off (user bind control = no in {}), so the container gets none of these: {}. Programs have your own home directory",
        site.file(engine),
        places.join(", ")
    ));
    let seen = [("/tmp".into(), site.tmp), (host_home.to_owned(), site.home)];
    let seen: Vec<PathBuf> = seen.into_iter().filter(|(_, seen)| *seen).map(|(path, _)| path).collect();
    let is_seen = |path: &Path| seen.iter().any(|above| path.starts_with(above));
    if env.get("SSH_AUTH_SOCK").is_some_and(|socket| socket == agent::SOCKET) {
        match host.env("SSH_AUTH_SOCK").filter(|socket| is_seen(Path::new(socket))) {
            Some(socket) => drop(env.insert("SSH_AUTH_SOCK".into(), socket)),
            None => {
                env.remove("SSH_AUTH_SOCK");
                told.warnings.push("the ssh agent's socket is not seen in the container without a mount".into());
            }
        }
    }
    let usable = |path: &&PathBuf| host.access(path, Access::Write).is_ok();
    let unbound = seen.iter().find(usable).map_or(Unbound::Nowhere, |path| Unbound::Under(path.clone()));
    if let Some(authority) = authority {
        // The launch replaces it by its own file where there is one.
        if is_seen(&authority.source) {
            env.insert("XAUTHORITY".into(), authority.source.clone().into());
        } else {
            env.remove("XAUTHORITY");
        }
    }
    unbound
}
