//! Looking and telling: the diagnosis, and the recording.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use casa_doctor_checks::facts::{Facts, ProbeId};

use super::args::{Format, Options};
use super::{Failure, deliver};
use crate::catalog::{Catalog, Selection};
use crate::host::Host;
use crate::plan::{self, Plan};
use crate::probes::{Context, Request, collect};
use crate::recommend::{Recommendation, predict};
use crate::recording::Recording;
use crate::report::human::{self, HumanOptions};
use crate::report::{CheckRun, Document, Examination, ExitStatus, Source, decide_exit_status, json, markdown};
use crate::{judge, output};

/// The probes that load a graphics driver.
const GRAPHICS: [ProbeId; 5] = [ProbeId::Glx, ProbeId::EglX11, ProbeId::EglDevice, ProbeId::EglSurfaceless, ProbeId::Vulkan];

/// Everything that one look at a machine gave.
#[derive(Clone)]
pub(super) struct Diagnosis {
    pub(super) source: Source,
    pub(super) facts: Facts,
    pub(super) runs: Vec<CheckRun>,
    pub(super) recommendation: Option<Recommendation>,
}

impl Diagnosis {
    /// Judges facts.
    pub(super) fn of(source: Source, facts: Facts, selection: &Selection) -> Self {
        let runs = judge::judge(&facts, selection);
        let recommendation = predict(&facts);
        Self { source, facts, runs, recommendation }
    }

    /// What `--fix` would change because of it.
    pub(super) fn plan(&self) -> Plan {
        plan::build(&self.facts, &self.runs, self.recommendation.as_ref())
    }

    /// The document without plan, launch and status.
    pub(super) fn document(&self, host: &dyn Host) -> Document {
        let now = host.now();
        let mut document = Document::new(&Examination { source: self.source, now, facts: &self.facts, runs: &self.runs });
        document.recommendation.clone_from(&self.recommendation);
        document
    }
}

/// `casa-doctor [ENV]`.
pub(super) fn diagnose(host: Arc<dyn Host>, options: &Options, env: Option<OsString>) -> Result<ExitStatus, Failure> {
    let selection = selection(options)?;
    let diagnosis = match &options.replay {
        Some(path) => Diagnosis::of(Source::Recording, Recording::read(host.as_ref(), path)?.facts, &selection),
        None => look(&host, options, env, &selection)?,
    };
    let mut document = diagnosis.document(host.as_ref());
    document.plan = diagnosis.plan().document(&diagnosis.facts);
    document.exit_status = decide_exit_status(&document.findings, options.fail_on);
    deliver(options, &render(host.as_ref(), options, &document)?)?;
    Ok(document.exit_status)
}

/// `casa-doctor record -o FILE`.
pub(super) fn record(host: Arc<dyn Host>, options: &Options, env: Option<OsString>, raw: bool) -> Result<ExitStatus, Failure> {
    if !raw {
        return Err(Failure::usage(anyhow::anyhow!(
            "this version cannot take names and paths out of a recording yet: add --raw to save it as it is, and read it before you send it"
        )));
    }
    let facts = collect(&context(&host, options), &request(options, env, &Selection::default()))?;
    let recording = Recording::new(facts, host.now());
    deliver(options, &format!("{}\n", serde_json::to_string_pretty(&recording)?))?;
    Ok(ExitStatus::Clean)
}

/// Which checks and findings the user wants.
pub(super) fn selection(options: &Options) -> Result<Selection, Failure> {
    Selection::parse(&Catalog::registered(), &options.only, &options.skip).map_err(Failure::usage)
}

/// Looks at this machine and judges it.
pub(super) fn look(
    host: &Arc<dyn Host>,
    options: &Options,
    env: Option<OsString>,
    selection: &Selection,
) -> Result<Diagnosis, Failure> {
    let facts = collect(&context(host, options), &request(options, env, selection))?;
    Ok(Diagnosis::of(Source::Live, facts, selection))
}

pub(super) fn context(host: &Arc<dyn Host>, options: &Options) -> Context {
    Context { host: Arc::clone(host), limit: options.probe_timeout }
}

pub(super) fn request(options: &Options, env: Option<OsString>, selection: &Selection) -> Request {
    let mut skip: Vec<(ProbeId, String)> = Vec::new();
    if options.no_graphics {
        skip.extend(GRAPHICS.map(|probe| (probe, "--no-graphics was given".into())));
    } else {
        // Drivers are slow and may hang: they are left alone when nobody wants to know.
        let wanted = |probe| {
            casa_doctor_checks::registry::checks().any(|check| check.needs.contains(&probe) && selection.wants_check(check))
        };
        let unwanted = GRAPHICS.into_iter().filter(|probe| !wanted(*probe));
        skip.extend(unwanted.map(|probe| (probe, "no selected check needs it".into())));
    }
    Request { environment: env, skip, deadline: options.timeout.map(|limit| Instant::now() + limit) }
}

/// The document in the format that the user wants.
pub(super) fn render(host: &dyn Host, options: &Options, document: &Document) -> Result<String, Failure> {
    Ok(match options.format {
        Format::Human => human::render(document, &human_options(host, options)),
        Format::Json => json::render(document)?,
        Format::Markdown => markdown::render(document),
    })
}

/// How to write for the person at this terminal.
pub(super) fn human_options(host: &dyn Host, options: &Options) -> HumanOptions {
    let terminal = options.output.is_none() && output::stdout_is_terminal();
    let columns = if terminal { output::stdout_columns() } else { None };
    HumanOptions {
        verbose: options.verbose,
        quiet: options.quiet,
        fail_on: options.fail_on,
        ..HumanOptions::suited(host, options.color, terminal, columns)
    }
}
