//! The report: one document, several renderings.
//!
//! [`Document`] is what the JSON format prints and what every other format reads; a renderer is a pure function from it to
//! text, and no renderer decides anything: severities, order and exit status stand in the document already.

mod build;
mod document;
mod facts_summary;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod page;
#[cfg(test)]
pub(crate) mod samples;
mod status;
pub(crate) mod style;
pub(crate) mod text;
mod wording;

pub(crate) use build::{CheckRun, Examination, rfc3339};
pub(crate) use document::*;
pub(crate) use status::{ExitStatus, FailOn, decide_exit_status};
