//! What needs no machine: list, explain, completions, manual.

use clap::CommandFactory;

use super::args::{Cli, Format, Options};
use super::diagnose::human_options;
use super::{Failure, deliver};
use crate::catalog::explain::Explanation;
use crate::catalog::list::{self, Listing};
use crate::catalog::{Catalog, manual, pages};
use crate::host::Host;
use crate::output;
use crate::report::{ExitStatus, json};

/// `casa-doctor list`.
pub(super) fn list(host: &dyn Host, options: &Options) -> Result<ExitStatus, Failure> {
    let catalog = Catalog::registered();
    let text = match options.format {
        Format::Json => json::render(&Listing::new(&catalog))?,
        Format::Human => list::render(&catalog, &human_options(host, options)),
        Format::Markdown => pages::index(&catalog),
    };
    deliver(options, &text)?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor explain ID`.
pub(super) fn explain(host: &dyn Host, options: &Options, id: &str) -> Result<ExitStatus, Failure> {
    let catalog = Catalog::registered();
    let explanation = Explanation::find(&catalog, id).map_err(Failure::usage)?;
    let text = match options.format {
        Format::Json => json::render(&explanation.document())?,
        Format::Human => explanation.render(&human_options(host, options)),
        Format::Markdown => explanation.markdown(),
    };
    deliver(options, &text)?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor completions SHELL`.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<ExitStatus, Failure> {
    output::bytes(&manual::completions(shell, &mut Cli::command()))?;
    Ok(ExitStatus::Clean)
}

/// `casa-doctor man`.
pub(super) fn man() -> Result<ExitStatus, Failure> {
    output::bytes(&manual::man(&Cli::command())?)?;
    Ok(ExitStatus::Clean)
}
