//! The command line.

/// Runs the program and tells its exit status.
pub(crate) fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
