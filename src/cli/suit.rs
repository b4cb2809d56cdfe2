//! Options that a command would pass over, although they ask for something else than what it then does.

use std::ffi::OsStr;

use super::Failure;
use super::args::{Command, Options};
use crate::output;

/// Refuses them, with the reason. What merely has no effect is let through.
pub(super) fn check(options: &Options, fix: bool, command: Option<&Command>, env: Option<&OsStr>) -> Result<(), Failure> {
    if options.replay.is_some() {
        let word = match command {
            Some(Command::Run(_)) => Some("run"),
            Some(Command::Undo { .. }) => Some("undo"),
            Some(Command::Record { .. }) => Some("record"),
            _ => None,
        };
        if let Some(word) = word {
            return Err(Failure::usage(anyhow::anyhow!(
                "--replay judges a recording, and {word} is about this machine: they do not go together"
            )));
        }
        if let Some(env) = env.filter(|_| !fix && !options.quiet) {
            output::notice(&format!(
                "\"{}\" was not looked at: a recording holds the environment that was there when it was made",
                env.to_string_lossy()
            ));
        }
    }
    if options.write_baseline.is_some() && (fix || command.is_some()) {
        return Err(Failure::usage(anyhow::anyhow!(
            "--write-baseline accepts what the diagnosis finds: give it without --fix and without another command"
        )));
    }
    Ok(())
}
