//! The test itself, the same on the machine and in the image: every interface to OpenGL that programs could use here, in children
//! that can crash or hang without harm.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use casa_doctor_checks::facts::GlProbe;
use serde::{Deserialize, Serialize};

use crate::probes::Context;
use crate::probes::graphics::{Interface, drew, measure, measure_together};

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
    let alone = |interface, mesh| {
        let spent = started.elapsed();
        let left = Context { host: Arc::clone(&context.host), limit: context.limit.saturating_sub(spent) };
        let after_ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        Probed { interface, after_ms, run: measure(&left, interface, mesh, authority) }
    };
    let (main, other) = if display {
        // What BrainVISA's viewers use, and what Qt's web pages use.
        (Interface::Glx, Interface::EglX11)
    } else {
        (Interface::EglSurfaceless, Interface::EglDevice)
    };
    let [main_run, other_run] = measure_together(context, [main, other], authority);
    let probed = |interface, run: Option<GlProbe>, mesh| match run {
        Some(run) => Probed { interface, after_ms: 0, run },
        None => alone(interface, mesh),
    };
    let (main, other) = thread::scope(|scope| {
        let other = scope.spawn(|| probed(other, other_run, false));
        (probed(main, main_run, true), other.join())
    });
    let Ok(other) = other else { return Look { main, others: Vec::new() } };
    if !display && !drew(&main.run) && drew(&other.run) {
        return Look { main: alone(Interface::EglDevice, true), others: vec![main] };
    }
    Look { main, others: vec![other] }
}
