//! Options that a command would pass over, although they ask for something else than what it then does.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::Failure;
use super::args::{Command, Options};
use super::diagnose::selection;
use crate::host::{FileKind, Host};
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
    let written =
        [("-o", &options.output), ("--redaction-map", &options.redaction_map), ("--write-baseline", &options.write_baseline)];
    let written: Vec<_> = written.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?))).collect();
    // A baseline is written over its old self, and over no other file.
    for (option, path) in written.iter().filter(|(option, _)| *option != "--write-baseline") {
        keeps_what_is_read(host.as_ref(), options, command, option, path)?;
    }
    apart(host.as_ref(), &written)?;
    if !chooses(command) {
        // Nothing is chosen here, but a misspelt id stays one.
        selection(host, options)?;
    }
    Ok(())
}

/// Refuses to write two things to one file: a ticket would be replaced by the map of what was taken out of it.
fn apart(host: &dyn Host, written: &[(&str, &Path)]) -> Result<(), Failure> {
    let target = |path: &Path| {
        host.canonicalize(path).or_else(|_| {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            host.canonicalize(directory).map(|directory| directory.join(path.file_name().unwrap_or_default()))
        })
    };
    for (index, (option, path)) in written.iter().enumerate() {
        let same = |other: &Path| other == *path || target(other).ok().zip(target(path).ok()).is_some_and(|(a, b)| a == b);
        let is_file = host.metadata(path).map_or(true, |metadata| metadata.kind == FileKind::File);
        if let Some((other, _)) = written[..index].iter().find(|(_, other)| is_file && same(other)) {
            let path = path.display();
            return Err(Failure::usage(anyhow::anyhow!("{other} and {option} name one file, {path}: give each its own")));
        }
    }
    Ok(())
}

/// Refuses to put a report into the place of what is read, which nobody keeps a copy of.
fn keeps_what_is_read(
    host: &dyn Host,
    options: &Options,
    command: Option<&Command>,
    option: &str,
    output: &Path,
) -> Result<(), Failure> {
    // What is not there yet is overwritten by nothing.
    let Ok(target) = host.canonicalize(output) else { return Ok(()) };
    let log = match command {
        Some(Command::Explain { log: Some(log), .. }) => Some(Path::new(log)),
        _ => None,
    };
    let read = [(options.replay.as_deref(), "recording"), (options.baseline.as_deref(), "baseline"), (log, "log")];
    let same = |path: &Path| host.canonicalize(path).is_ok_and(|path| path == target);
    let is_file = host.metadata(&target).is_ok_and(|metadata| metadata.kind == FileKind::File);
    let name = target.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_configuration = name.starts_with("casa_distro") && name.ends_with(".json");
    let is_image = [".sif", ".simg", ".sqfs", ".squashfs", ".vdi"].iter().any(|ending| name.ends_with(ending));
    let what = match read.into_iter().find(|(path, _)| path.is_some_and(same)) {
        Some((_, what)) => format!("the {what} that is read"),
        None if is_file && is_configuration => "a configuration of casa_distro".to_owned(),
        None if is_file && is_image => "an image".to_owned(),
        None => return Ok(()),
    };
    Err(Failure::usage(anyhow::anyhow!(
        "{option} {}: this is {what}, which {} must not replace: name another file",
        output.display(),
        if option == "-o" { "a report" } else { "the map" }
    )))
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
