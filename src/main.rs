//! casa-doctor finds out why a window, a 3D view or an ssh key does not work in a casa-distro container, and cures it.
//!
//! Data flows one way: the [`probes`] look at the machine through the [`host`] and leave facts; the checks (a crate of their
//! own) turn facts into findings; [`recommend`] turns both into a plan; [`measure`] tries it, [`fix`] and [`launch`] carry it out; [`report`]
//! tells it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]
// Windows launches nothing, macOS draws nothing of its own, and some tests are for Linux alone: what they alone use is left over there.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

mod casa_distro;
mod catalog;
mod cli;
mod crash;
mod fix;
mod host;
mod judge;
mod launch;
mod measure;
mod output;
mod own_record;
mod plan;
mod plugins;
mod probes;
mod recommend;
mod recording;
mod redact;
mod report;
mod tree_of_json;
mod xauthority;

fn main() -> std::process::ExitCode {
    let status = cli::main();
    host::end_what_runs();
    status
}
