//! What a finished look at the machine means for the caller: which findings the baseline accepts, and the exit status.

use std::path::Path;

use super::Failure;
use super::args::Options;
use crate::catalog::{Catalog, Selection};
use crate::host::Host;
use crate::output;
use crate::report::baseline::Baseline;
use crate::report::text::plural;
use crate::report::{Document, decide_exit_status};

/// Applies `--baseline`, and decides the exit status.
pub(super) fn conclude(host: &dyn Host, options: &Options, selection: &Selection, document: &mut Document) -> Result<(), Failure> {
    if let Some(path) = &options.baseline {
        apply(&Baseline::read(host, path)?, path, options, selection, document);
    }
    document.exit_status = decide_exit_status(&document.findings, options.fail_on);
    Ok(())
}

/// Applies a baseline and tells which of its entries are stale.
fn apply(baseline: &Baseline, path: &Path, options: &Options, selection: &Selection, document: &mut Document) {
    let complaints = baseline.apply(document, &Catalog::registered(), selection);
    for complaint in complaints.iter().filter(|_| !options.quiet) {
        output::notice(&format!("{}: {complaint}", path.display()));
    }
}

/// Carries out `--write-baseline`: accepts everything that was found, and judges the document by that. A file that is there and
/// is no baseline is not overwritten.
pub(super) fn write_baseline(
    host: &dyn Host,
    options: &Options,
    selection: &Selection,
    document: &mut Document,
) -> Result<(), Failure> {
    let Some(path) = &options.write_baseline else { return Ok(()) };
    let earlier = match &options.baseline {
        Some(earlier) => Some(Baseline::read(host, earlier)?),
        None if host.exists(path) == Some(false) => None,
        None => Some(Baseline::read(host, path)?),
    };
    let baseline = Baseline::of(document, earlier.as_ref());
    output::file(path, &baseline.text()?)?;
    if !options.quiet {
        output::notice(&format!("{} accepts {} now", path.display(), plural(baseline.len(), "finding")));
    }
    apply(&baseline, path, options, selection, document);
    document.exit_status = decide_exit_status(&document.findings, options.fail_on);
    Ok(())
}
