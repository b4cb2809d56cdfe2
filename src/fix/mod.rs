//! Carrying out the edits of a plan: new text, unified diff, whole-file atomic write, copy of the old file, undo.
//!
//! [`plan_files`] works out what would change and touches nothing; [`write_all`] writes it; [`undo`] takes the last fix back.

mod apply;
mod diff;
mod error;
mod journal;
mod mask;
mod plan;
mod pointer;
mod settle;
mod style;
mod text;
mod transaction;
mod tree;
mod value;
mod write;

pub(crate) use apply::apply;
pub(crate) use diff::unified;
pub(crate) use plan::{FileChange, plan_files};
pub(crate) use pointer::json_pointer;
pub(crate) use transaction::{Scope, Written, preview_undo, undo, was_fixed, write_all};
