//! Looking at the machine. Each probe leaves typed facts and judges nothing.

mod checksum;
pub(crate) mod child;
mod collect;
mod display_lines;
mod engines;
mod environment;
mod gpu;
pub(crate) mod graphics;
mod image;
mod machine;
mod manifests;
mod session;
mod soma_workflow;
mod ssh_agent;
mod ssh_setup;
mod storage;
mod virtualbox;
mod wsl;
mod x11;
mod xquartz;

use std::sync::Arc;
use std::time::Duration;

use crate::host::Host;

pub(crate) use checksum::checksum;
pub(crate) use collect::{Request, collect};

/// What every probe is given.
#[derive(Clone)]
pub(crate) struct Context {
    /// The machine.
    pub(crate) host: Arc<dyn Host>,
    /// How long one probe may take.
    pub(crate) limit: Duration,
}
