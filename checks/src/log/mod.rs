//! The error output of a program, read as a person who has seen it before would: which known failure does it name?
//!
//! Pure and bounded: a log goes through a [`Reader`] line by line, a small window of lines is kept, and what comes out is one
//! [`Diagnosis`] for each [`Pattern`] that was recognised, the deciding ones first. A text alone rarely proves a cause, so
//! every pattern says which fact of the machine would confirm it.
//!
//! A line goes through three stages: `clean` takes away colours and makes all quotation marks equal, one automaton over
//! every pattern (`table`) names the few templates that deserve a look, and `template` matches those. What a
//! message means beside others is settled afterwards (`verdict`), because the cause may stand before its consequence or
//! after it.

mod clean;
mod families;
mod pattern;
mod reader;
mod table;
mod template;
mod verdict;

/// Makes ready what reading a log needs, which takes some milliseconds: for whoever has time before the log is there.
pub fn prepare() {
    std::sync::LazyLock::force(&table::TABLE);
}

#[cfg(test)]
mod tests;

pub use families::patterns;
pub use pattern::{Captures, Pattern, Texts};
pub use reader::Reader;
pub use verdict::Diagnosis;

use crate::finding::Severity;

/// Names the known failures in a text, the deciding ones first, their consequences and harmless messages last.
#[must_use]
pub fn read(text: &str) -> Vec<Diagnosis> {
    let mut reader = Reader::new();
    reader.push_bytes(text.as_bytes());
    reader.finish()
}

/// The one failure that best explains why a program ended, from the end of its error output.
///
/// A failure that programs do not survive comes before one that they do; nothing is said when there is neither, since a
/// warning that happens to stand in the output is no explanation.
#[must_use]
pub fn explain_for_launch(stderr_tail: &str) -> Option<Diagnosis> {
    let mut roots: Vec<Diagnosis> = read(stderr_tail).into_iter().filter(|found| found.consequence_of.is_none()).collect();
    let best = roots
        .iter()
        .position(|found| found.fatal && found.severity == Severity::Error)
        .or_else(|| roots.iter().position(|found| found.severity == Severity::Error))?;
    Some(roots.swap_remove(best))
}
