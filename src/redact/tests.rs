//! Examples, and the property over many made-up machines.

mod examples;
mod generated;
