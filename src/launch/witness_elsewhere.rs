//! Systems on which nothing is started.

/// Where the standard output of what is started goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// Where ours goes.
    Ours,
    /// To standard error.
    Aside,
}
