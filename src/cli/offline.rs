//! What needs no machine: list, explain, completions, manual.

use clap::CommandFactory;

use super::args::{Cli, Format, Options};
use super::diagnose::human_options;
use super::{Failure, deliver};
use crate::host::Host;
use crate::report::ExitStatus;
use crate::{catalog, output};

/// `casa-doctor list`.
pub(super) fn list(host: &dyn Host, options: &Options) -> Result<ExitStatus, Failure> {
    let text = match options.format {
        Format::Json => catalog::list_json(),
        Format::Human | Format::Markdown => catalog::list_human(&human_options(host, options)),
    };
    deliver(options, &text)?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor explain ID`.
pub(super) fn explain(host: &dyn Host, options: &Options, id: &str) -> Result<ExitStatus, Failure> {
    let entry = catalog::find(id).map_err(Failure::usage)?;
    let text = match options.format {
        Format::Json => entry.json(),
        Format::Human | Format::Markdown => entry.human(&human_options(host, options)),
    };
    deliver(options, &text)?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor completions SHELL`.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<ExitStatus, Failure> {
    output::document(&catalog::completions(shell, &mut Cli::command()))?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor man`.
pub(super) fn man() -> Result<ExitStatus, Failure> {
    output::document(&catalog::man(&Cli::command())?)?;
    Ok(ExitStatus::Clean)
}
