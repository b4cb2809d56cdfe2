//! Systems on which neither Apptainer nor Singularity run.

use super::LaunchError;
use super::plan::Plan;
use super::witness::Stdout;
use crate::host::Host;

/// How a launch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The command's exit status, as a shell gives it.
    pub(crate) status: i32,
    /// What was written to standard error.
    pub(crate) stderr: String,
    /// Whether a signal that came to us may have been the reason.
    pub(crate) by_signal: bool,
}

/// Nothing can be started here.
pub(crate) fn launch(_: &dyn Host, _: &Plan, _: Stdout, _: impl FnOnce()) -> Result<Ended, LaunchError> {
    Err(LaunchError::NoEngine)
}
