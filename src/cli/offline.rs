//! What needs no machine: list, explain, completions, manual.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use clap::CommandFactory;

use super::args::{Cli, Format, Options};
use super::diagnose::{human_options, selection};
use super::{Failure, deliver, deliver_bytes};
use crate::catalog::explain::Explanation;
use crate::catalog::list::{self, Listing};
use crate::catalog::{Catalog, log, manual, pages};
use crate::host::Host;
use crate::plugins::Candidate;
use crate::report::{ExitStatus, json};

/// `casa-doctor list`.
pub(super) fn list(host: &Arc<dyn Host>, options: &Options) -> Result<ExitStatus, Failure> {
    let mut plugins = plugins(host, options);
    let selection = selection(host, options)?;
    plugins.retain(|plugin| selection.wants_plugin(&plugin.name));
    let catalog = Catalog::registered().wanted(selection);
    let text = match options.format {
        Format::Json => json::render(&Listing::new(&catalog, &plugins))?,
        Format::Human => list::render(&catalog, &plugins, &human_options(host.as_ref(), options)),
        Format::Markdown => pages::index(&catalog),
        other => return Err(no_such_form("list", other)),
    };
    deliver(options, &text)?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor explain ID`.
pub(super) fn explain(host: &Arc<dyn Host>, options: &Options, id: &str) -> Result<ExitStatus, Failure> {
    let catalog = Catalog::registered();
    let explanation = Explanation::find(&catalog, &plugins(host, options), id).map_err(Failure::usage)?;
    let text = match options.format {
        Format::Json => json::render(&explanation.document())?,
        Format::Human => explanation.render(&human_options(host.as_ref(), options)),
        Format::Markdown => explanation.markdown(),
        other => return Err(no_such_form("explain", other)),
    };
    deliver(options, &text)?;
    Ok(ExitStatus::Clean)
}

/// The plug-ins of this machine, by their files; none is started. One that cannot be listed is not missed here: the diagnosis
/// tells why.
fn plugins(host: &Arc<dyn Host>, options: &Options) -> Vec<Candidate> {
    if options.no_plugins { Vec::new() } else { crate::plugins::discover(host, options.probe_timeout).unwrap_or_default() }
}

/// `casa-doctor explain --log FILE|-`.
pub(super) fn explain_log(host: &dyn Host, options: &Options, path: &Path) -> Result<ExitStatus, Failure> {
    let read = if path == Path::new("-") { log::read(std::io::stdin().lock()) } else { host.open_stream(path).and_then(log::read) };
    let diagnoses = read.with_context(|| format!("cannot read the log {}", path.display()))?;
    let text = match options.format {
        Format::Json => json::render(&log::document(&diagnoses))?,
        Format::Human | Format::Markdown => log::render(&diagnoses, &human_options(host, options)),
        other => return Err(no_such_form("explain --log", other)),
    };
    deliver(options, &text)?;
    Ok(ExitStatus::Clean)
}

/// The error for a format that only a report has.
fn no_such_form(command: &str, format: Format) -> Failure {
    Failure::usage(anyhow::anyhow!("{command} has no format {}: it is written as human, json or markdown", format.name()))
}

/// `casa-doctor completions SHELL`.
pub(super) fn completions(options: &Options, shell: clap_complete::Shell) -> Result<ExitStatus, Failure> {
    deliver_bytes(options, &manual::completions(shell, &Cli::command(), &Catalog::registered()))?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor man`.
pub(super) fn man(options: &Options) -> Result<ExitStatus, Failure> {
    deliver_bytes(options, &manual::man(&Cli::command())?)?;
    Ok(ExitStatus::Clean)
}
