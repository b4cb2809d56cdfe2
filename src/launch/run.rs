//! Carrying out a plan.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;

use super::LaunchError;
use super::dialect::IN_CONTAINER;
use super::plan::{Places, Plan};
use super::private::Private;
use super::process::{Watch, shell_status};
use super::unbound::Unbound;
use super::witness::{Stdout, Witness};
use crate::host::Host;

/// How a launch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The command's exit status, as a shell gives it.
    pub(crate) status: i32,
    /// What was written to standard error, by the command and by the engine, as far as it could be read.
    pub(crate) stderr: String,
    /// Whether a signal that came to us may have been the reason.
    pub(crate) by_signal: bool,
}

/// The files of a launch. Dropping it removes them.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) private: Private,
    /// What is to be run, program first.
    pub(super) argv: Vec<OsString>,
}

/// Makes the container's home where it is missing, and the private files.
pub(super) fn prepare(host: &dyn Host, plan: &Plan) -> Result<Prepared, LaunchError> {
    let home = &plan.home;
    home.prepare(host).map_err(|source| LaunchError::Prepare {
        what: format!("{}, the container's home directory", home.directory.display()),
        source,
    })?;
    let cookie = plan.authority.as_ref().map(super::display::Authority::bytes);
    let engine = plan.dialect().is_apart().then_some(plan.engine.as_path());
    let parent = match &plan.unbound {
        Some(Unbound::Under(parent)) => Some(parent.as_path()),
        _ => None,
    };
    let private = Private::create(host, parent, cookie.as_deref(), &plan.dialect().scripts(plan), engine)
        .map_err(|source| LaunchError::Prepare { what: "the private files of the launch".into(), source })?;
    let (authority, shown) = (private.authority(), private.shown());
    // Without mounts it is seen where it is, or not at all.
    let seen = if parent.is_some() { shown.to_string_lossy().into_owned() } else { IN_CONTAINER.to_owned() };
    let places = Places { name: private.name(), authority: &authority, shown: (&shown, &seen) };
    let argv = plan.argv_with((plan.unbound != Some(Unbound::Nowhere)).then_some(places));
    Ok(Prepared { private, argv })
}

impl Prepared {
    /// Whether the command was started in the container.
    pub(super) fn command_started(&self, host: &dyn Host) -> bool {
        self.private.started(host).is_some()
    }
}

/// Starts the container on our own terminal or pipes, waits for its end, and removes the private files, whatever happens. What is to
/// be done `meanwhile` is not waited for and must not take long.
pub(crate) fn launch(host: &dyn Host, plan: &Plan, stdout: Stdout, meanwhile: impl FnOnce()) -> Result<Ended, LaunchError> {
    let failed = |source| LaunchError::Run { engine: plan.engine.clone(), source };
    // Before the private files exist, so that no signal leaves them behind.
    let mut watch = Watch::start(host).map_err(failed)?;
    let mut prepared = prepare(host, plan)?;
    let of_signal = |signal: i32| Ended { status: 128 + signal, stderr: String::new(), by_signal: true };
    if let Some(signal) = watch.already_ended() {
        return Ok(of_signal(signal));
    }
    let (witness, streams) = Witness::start(stdout).map_err(failed)?;
    let end = watch.run(host, plan, &prepared.argv, streams, &prepared.private, meanwhile).map_err(failed)?;
    let stderr = witness.text(host);
    let status = shell_status(end.status);
    // Where that cannot be known, only the engine's own status of failure tells.
    let is_unknown = plan.unbound == Some(Unbound::Nowhere) && status != 255;
    let started = is_unknown || (prepared.command_started(host) && !end.engine_ended);
    if started && end.status.code().is_some() {
        prepared.private.without_container();
    } else if end.signal.is_some() || end.status.signal().is_some() {
        prepared.private.was_interrupted();
    }
    if started {
        return Ok(Ended { status, stderr, by_signal: end.is_recent });
    }
    // Nothing was started. A signal that we got, and passed on to whatever was on its way, is the reason whatever the engine makes of
    // it: it ends with 1, 255 or something else, depending on how far it was. One that came to the engine alone ends it itself.
    match end.signal {
        Some(signal) => Ok(of_signal(signal)),
        None if end.status.signal().is_some() || (129..=160).contains(&status) => Ok(Ended { status, stderr, by_signal: true }),
        None => Err(LaunchError::NotStarted { engine: plan.engine.clone(), status, stderr }),
    }
}
