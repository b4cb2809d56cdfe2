//! The report: one document, several renderings.
//!
//! [`Document`] is what the JSON format prints and what every other format reads; a renderer is a pure function from it to
//! text, and no renderer decides anything: severities, order and exit status stand in the document already.

pub(crate) mod baseline;
mod build;
mod document;
mod facts_summary;
pub(crate) mod github;
pub(crate) mod html;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod markdown;
pub(crate) mod nagios;
pub(crate) mod page;
mod place;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod sarif;
mod status;
pub(crate) mod style;
pub(crate) mod text;
pub(crate) mod ticket;
mod wording;

pub(crate) use build::{CheckRun, Examination, findings, rfc3339};
pub(crate) use document::*;
pub(crate) use status::{ExitStatus, FailOn, decide_exit_status};
