//! What may be shared: everything but what is written for this user alone is told without what is private.

use std::path::Path;

use super::Failure;
use super::args::{Format, Options};
use crate::host::Host;
use crate::output;
use crate::redact::{Private, Redactor};
use crate::report::{Document, Source};

/// Whether the report is to be told without what is private.
pub(super) fn is_redacted(options: &Options) -> bool {
    options.redact || !matches!(options.format, Format::Human | Format::Json)
}

/// Refuses options that would be without effect.
pub(super) fn check(options: &Options, redacts: bool) -> Result<(), Failure> {
    let without_effect = if !options.hide.is_empty() {
        "--hide"
    } else if options.redaction_map.is_some() {
        "--redaction-map"
    } else {
        return Ok(());
    };
    if redacts {
        return Ok(());
    }
    Err(Failure::usage(anyhow::anyhow!("{without_effect} has no effect here, because nothing is taken out: add --redact")))
}

/// What is private in a report on this machine, or on that of a recording, which alone knows its own; `None` when the report is
/// for this user alone.
pub(super) fn redactor(host: &dyn Host, options: &Options, document: &Document) -> Option<Redactor> {
    is_redacted(options).then(|| redactor_for_others(host, options, document))
}

/// The same for what is meant for others in any case.
pub(super) fn redactor_for_others(host: &dyn Host, options: &Options, document: &Document) -> Redactor {
    let private = match document.source {
        Source::Live => Private::of(host),
        Source::Recording => Private::default(),
    };
    Redactor::of_document(document, &private, &options.hide)
}

/// Writes what each stand-in stands for to the file that the user named, for this user alone.
pub(super) fn write_map(options: &Options, redactor: &Redactor) -> Result<(), Failure> {
    let Some(path) = &options.redaction_map else { return Ok(()) };
    save(path, redactor)
}

fn save(path: &Path, redactor: &Redactor) -> Result<(), Failure> {
    let text = format!("{}\n", serde_json::to_string_pretty(&redactor.map())?);
    Ok(output::private_file(path, &text)?)
}
