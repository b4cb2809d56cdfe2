//! The image: a name that the engine knows.

use std::path::Path;
use std::time::Duration;

use casa_doctor_checks::facts::{Daemon, EngineKind, Facts};

use super::super::dialect::Image;
use super::super::engine::Chosen;
use super::super::settings::Settings;
use super::super::{LaunchError, Request};
use crate::host::Host;
use crate::probes::{docker_daemon, named_images};

/// How long a daemon may take to say that it is there.
const DAEMON_LIMIT: Duration = Duration::from_secs(2);

/// How long the engine may take to tell about an image: Podman reads its whole store.
const INSPECT_LIMIT: Duration = Duration::from_secs(10);

/// Endings of the names of image files.
const FILE_ENDINGS: [&str; 7] = [".sif", ".simg", ".img", ".sqsh", ".squashfs", ".ova", ".vdi"];

/// The image that was asked for, else the configured one, which must be there.
pub(super) fn find(
    host: &dyn Host,
    engine: &Chosen,
    settings: &Settings,
    facts: &Facts,
    request: &Request,
) -> Result<Image, LaunchError> {
    let asked = request.image.as_ref().map(|image| image.to_string_lossy().into_owned());
    let name = asked.or_else(|| settings.image.clone()).filter(|name| !name.is_empty()).ok_or(LaunchError::NoImage)?;
    if is_file(host, &settings.directory, &name) {
        return Err(LaunchError::ImageIsFile { engine: engine.kind, image: name });
    }
    let known = facts.image.as_ref().filter(|image| image.configured == name).and_then(|image| image.named.as_ref());
    let named = match known.filter(|known| known.engine == engine.kind) {
        Some(known) => known.clone(),
        None => {
            if engine.kind == EngineKind::Docker {
                reach_daemon(host)?;
            }
            named_images::inspect(host, engine.kind, &engine.path, &name, INSPECT_LIMIT)
                .map_err(LaunchError::ImageUnknown)?
                .ok_or_else(|| LaunchError::ImageNotKept { engine: engine.kind, image: name.clone() })?
        }
    };
    Ok(Image { what: name.into(), entry_point: named.entry_point.into_iter().map(Into::into).collect() })
}

fn is_file(host: &dyn Host, directory: &Path, name: &str) -> bool {
    name.starts_with(['/', '.', '~'])
        || FILE_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || host.exists(&directory.join(name)) == Some(true)
}

/// Makes sure that the daemon answers: its client says the same of all that can be wrong.
fn reach_daemon(host: &dyn Host) -> Result<(), LaunchError> {
    // What cannot be asked that way, such as a daemon behind ssh, is left to the client.
    let Ok(daemon) = docker_daemon::daemon(host, DAEMON_LIMIT) else { return Ok(()) };
    // Another one, such as that of a user or of Podman, is not started in that way, and asks for no group.
    let is_of_the_machine = |socket: &str| matches!(socket, "/var/run/docker.sock" | "/run/docker.sock");
    Err(LaunchError::Daemon(match daemon {
        Daemon::Answers | Daemon::NotNeeded => return Ok(()),
        Daemon::Denied { socket } if is_of_the_machine(&socket) => format!(
            "this user may not talk to the Docker daemon at {socket} (docker-daemon-denied): an administrator has to add you to the group \
             \"docker\", after which you log in again"
        ),
        Daemon::Denied { socket } => format!(
            "this user may not talk to the daemon at {socket}, to which DOCKER_HOST or Docker's context leads (docker-daemon-denied)"
        ),
        Daemon::Down { socket, reason } if is_of_the_machine(&socket) => format!(
            "the Docker daemon at {socket} does not answer, {reason} (docker-daemon-down): start it, with \"sudo systemctl start docker\" or \
             by starting Docker Desktop"
        ),
        Daemon::Down { socket, reason } => format!(
            "the daemon at {socket}, to which DOCKER_HOST or Docker's context leads, does not answer, {reason} (docker-daemon-down): start it"
        ),
        Daemon::Hung { socket } => {
            format!("the Docker daemon at {socket} accepts the connection and says nothing (docker-daemon-down): restart it")
        }
    }))
}
