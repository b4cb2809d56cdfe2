//! Options that a command would pass over, although they ask for something else than what it then does.

use std::ffi::OsStr;
use std::sync::Arc;

use super::Failure;
use super::args::{Command, Options};
use super::diagnose::selection;
use crate::host::Host;
use crate::output;

/// Refuses them, with the reason. What merely has no effect is let through.
pub(super) fn check(
    host: &Arc<dyn Host>,
    options: &Options,
    fix: bool,
    command: Option<&Command>,
    env: Option<&OsStr>,
) -> Result<(), Failure> {
    if options.replay.is_some() {
        if options.measure {
            return Err(Failure::usage(anyhow::anyhow!(
                "a recording cannot be measured: --measure and --replay do not go together"
            )));
        }
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
    if options.output.is_some() && !options.dry_run && matches!(command, Some(Command::Run(_))) {
        return Err(Failure::usage(anyhow::anyhow!(
            "run writes no report, and -o does not take the output of the command: give -o with --dry-run only, or redirect the output"
        )));
    }
    if !chooses(command) {
        // Nothing is chosen here, but a misspelt id stays one.
        selection(host, options)?;
    }
    Ok(())
}

/// Whether a command reads `--only` and `--skip` itself, from the catalogue that it works with.
fn chooses(command: Option<&Command>) -> bool {
    matches!(
        command,
        None | Some(
            Command::Measure { .. } | Command::Undo { .. } | Command::List | Command::Report { .. } | Command::Probe { .. }
        )
    )
}
