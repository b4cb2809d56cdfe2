//! Carrying out the edits of a plan: new text, unified diff, whole-file atomic write, copy of the old file, undo.

mod apply;
mod diff;
mod pointer;
mod settle;
mod style;
mod text;
mod tree;
mod value;

pub(crate) use apply::{EditError, apply};
pub(crate) use diff::unified;
pub(crate) use pointer::json_pointer;
