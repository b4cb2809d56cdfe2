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
mod option_binds;
mod session;
mod soma_workflow;
mod ssh_agent;
mod ssh_setup;
mod storage;
mod virtualbox;
mod windows;
mod wsl;
mod x11;
mod xquartz;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::host::Host;

pub(crate) use checksum::checksum;
pub(crate) use collect::{Request, collect, collect_for_launch};
pub(crate) use engines::docker as docker_daemon;
pub(crate) use image::named as named_images;
pub(crate) use session::is_graphics_variable;

/// A connection to the X server, if it lets us in, to be held while other programs come and go: a server that resets when its last
/// client leaves would shut out those that are just connecting.
pub(crate) fn hold_display(context: &Context) -> Option<impl Sized + use<>> {
    x11::probe(context).1
}

/// No program of ours is larger.
const PROGRAM_LIMIT: u64 = 1 << 30;

/// The newest version of the C library that a program asks for; `None` when that cannot be told.
pub(crate) fn needed_glibc(host: &dyn Host, program: &Path) -> Option<String> {
    manifests::needs::glibc(&host.read(program, PROGRAM_LIMIT).ok()?)
}

/// Error output fit for a report: bounded, without colours.
pub(crate) fn stderr_lines(bytes: &[u8]) -> Vec<String> {
    child::stderr::lines(bytes)
}

/// What is looked at the machine for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To tell what is wrong.
    Diagnosis,
    /// To start a program, which waits meanwhile: what takes long and no launch depends on is left out.
    Launch,
}

/// What every probe is given.
#[derive(Clone)]
pub(crate) struct Context {
    /// The machine.
    pub(crate) host: Arc<dyn Host>,
    /// How long one probe may take.
    pub(crate) limit: Duration,
}
