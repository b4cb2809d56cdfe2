//! The checks of casa-doctor: facts in, findings out.
//!
//! Nothing here touches the machine. A [`check::Check`] is a record (id, question, the probes it needs, the findings it may
//! give) and one pure function from [`facts::Facts`] to an [`check::Outcome`]; every check is listed in [`registry`].
//! That is what makes a recording of a machine judged here give what the machine itself gave.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod check;
pub mod config;
pub mod dialect;
pub mod engine;
pub mod facts;
pub mod finding;
pub mod gl;
pub mod image;
pub mod log;
pub mod macos;
pub mod nvidia;
mod packages;
mod paths;
pub mod plugin;
pub mod registry;
pub mod renderer;
pub mod somaworkflow;
pub mod ssh;
pub mod storage;
pub mod virtualbox;
pub mod windows;
pub mod x11;

/// This user's name as a word for a shell. An administrator who types a command for somebody would otherwise be meant by `$USER`.
fn this_user(facts: &facts::Facts) -> String {
    let user = facts.session.as_ref().and_then(|session| session.user.as_deref());
    user.map_or_else(|| "\"$USER\"".to_owned(), config::layers::shell_word)
}
