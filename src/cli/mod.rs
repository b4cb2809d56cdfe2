//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::probes::child;

/// Runs the program and tells its exit status.
pub(crate) fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.as_slice() {
        [command, name, rest @ ..] if command == child::SUBCOMMAND => child::main(&name.to_string_lossy(), rest),
        _ => ExitCode::SUCCESS,
    }
}
