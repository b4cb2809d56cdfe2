//! The real program on real parts: X servers, Apptainer, an image, an ssh agent. `tests/lab/setup` prepares them.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![expect(clippy::disallowed_methods, reason = "tests drive the program from outside: they have no host")]

mod bad_input;
mod baseline;
mod book;
mod choices;
mod command_line;
mod displays;
mod docker;
mod formats;
mod git;
mod graphics;
mod lab;
mod live;
mod measure;
mod picture;
mod plugins;
mod recipes;
mod recordings;
mod release;
mod repair;
mod run;
mod scene;
mod screenshots;
mod sharing;
mod ssh;
mod ticket;
mod x11;
