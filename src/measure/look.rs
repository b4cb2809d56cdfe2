//! The test itself, the same on the machine and in the image: every interface to OpenGL that programs could use here, each in a
//! child of its own that can crash or hang without harm.

use std::path::Path;
use std::thread;
use std::time::Instant;

use casa_doctor_checks::facts::GlProbe;
use serde::{Deserialize, Serialize};

use crate::probes::Context;
use crate::probes::graphics::{Interface, drew, measure};

/// What was seen.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Look {
    /// The interface that decides, with the mesh.
    pub(super) main: Probed,
    /// Others, with the triangle only.
    pub(super) others: Vec<Probed>,
}

/// One interface.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Probed {
    pub(super) interface: Interface,
    /// When its child was started, in milliseconds from the start of the look.
    pub(super) after_ms: u64,
    pub(super) run: GlProbe,
}

/// Looks. `display` tells whether there is one; `authority` is the file with its cookie, where the environment does not name it.
pub(super) fn look(context: &Context, display: bool, authority: Option<&Path>) -> Look {
    let started = Instant::now();
    let probed = |interface, mesh| {
        let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Probed { interface, after_ms, run: measure(context, interface, mesh, authority) }
    };
    let (main, other) = if display {
        // What BrainVISA's viewers use, and what Qt's web pages use.
        (Interface::Glx, Interface::EglX11)
    } else {
        (Interface::EglSurfaceless, Interface::EglDevice)
    };
    let (main, other) = thread::scope(|scope| {
        let other = scope.spawn(|| probed(other, false));
        (probed(main, true), other.join())
    });
    let Ok(other) = other else { return Look { main, others: Vec::new() } };
    if !display && !drew(&main.run) && drew(&other.run) {
        return Look { main: probed(Interface::EglDevice, true), others: vec![main] };
    }
    Look { main, others: vec![other] }
}
