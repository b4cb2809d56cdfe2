//! Watched launches exist on Unix systems only.

use std::time::Duration;

use super::LaunchError;
use super::plan::Plan;
use crate::host::{CommandEnd, Host};

/// Where the command in the container leaves its answer.
pub(crate) const RESULT: &str = "/casa/doctor/result";

/// How a watched launch ended.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The end of the engine.
    pub(crate) end: CommandEnd,
    /// Whether the command was started in the container.
    pub(crate) started: bool,
    /// Standard output, bounded.
    pub(crate) stdout: Vec<u8>,
    /// Standard error, bounded.
    pub(crate) stderr: Vec<u8>,
    /// Wall time.
    pub(crate) duration: Duration,
    /// What the command left at [`RESULT`].
    pub(crate) result: Option<Vec<u8>>,
    /// A signal that came to us and made us stop it.
    pub(crate) interrupted: Option<i32>,
}

/// Says that it cannot.
pub(crate) fn capture(_: &dyn Host, plan: &Plan, _: Duration) -> Result<Captured, LaunchError> {
    Err(LaunchError::Run { engine: plan.engine.clone(), source: std::io::ErrorKind::Unsupported.into() })
}
