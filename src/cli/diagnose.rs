//! Looking and telling: the diagnosis, and the recording.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use casa_doctor_checks::check::Category;
use casa_doctor_checks::facts::{Environment, Facts, ProbeId};
use casa_doctor_checks::registry;

use super::args::{Format, Options};
use super::conclude::{conclude, write_baseline};
use super::{Failure, deliver, folder, share};
use crate::catalog::{Catalog, Selection};
use crate::host::Host;
use crate::plan::{self, Plan};
use crate::probes::{Context, Request, checksum, collect};
use crate::recommend::{OpenGl, Recommendation, recommend};
use crate::recording::Recording;
use crate::redact::{Private, Redactor, hide_secrets};
use crate::report::human::{self, HumanOptions};
use crate::report::{
    CheckRun, Document, Examination, ExitStatus, FindingDoc, Source, github, html, json, junit, markdown, nagios, sarif,
};
use crate::{judge, output, plugins, report};

/// The probes that load a graphics driver.
const GRAPHICS: [ProbeId; 6] =
    [ProbeId::Glx, ProbeId::EglX11, ProbeId::EglDevice, ProbeId::EglSurfaceless, ProbeId::Vulkan, ProbeId::Nvml];

/// Why no plug-in is asked.
const NO_PLUGINS: &str = "--no-plugins was given";

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
        let recommendation = recommend(&facts);
        Self { source, facts, runs, recommendation }
    }

    /// What `--fix` would change because of it.
    pub(super) fn plan(&self) -> Plan {
        plan::build(&self.facts, &self.runs, self.recommendation.as_ref())
    }

    /// The repairs that the findings give a reason for, without the decision.
    pub(super) fn repairs(&self) -> Plan {
        plan::build(&self.facts, &self.runs, None)
    }

    /// The environment that was found.
    pub(super) fn environment(&self) -> Option<&Environment> {
        self.facts.environment.as_ref()?.found.as_ref()
    }

    /// The mode in which to start the container: the recommended one, and the plainest where none is.
    pub(super) fn mode(&self) -> OpenGl {
        match self.recommendation.as_ref().map(|recommendation| recommendation.opengl) {
            None | Some(OpenGl::None) => OpenGl::Container,
            Some(mode) => mode,
        }
    }

    /// The same machine, looked at again as far as its configuration goes: environment and image through `host`.
    pub(super) fn with_planned_files(
        &self,
        host: &Arc<dyn Host>,
        options: &Options,
        selection: &Selection,
    ) -> Result<Self, Failure> {
        let named = self.environment().map(|environment| environment.directory.clone().into_os_string());
        let mut wanted = request(options, named, selection);
        let others = ProbeId::ALL.iter().copied().filter(|probe| !matches!(probe, ProbeId::Environment | ProbeId::Image));
        wanted.skip.extend(others.map(|probe| (probe, "it was looked at already".to_owned())));
        let again = collect(&context(host, options), &wanted)?;
        let mut facts = self.facts.clone();
        for probe in [ProbeId::Environment, ProbeId::Image] {
            facts.probes.extend(again.probes.get(&probe).cloned().map(|run| (probe, run)));
        }
        (facts.environment, facts.image) = (again.environment, again.image);
        Ok(Self::of(self.source, facts, selection))
    }

    /// What was found, the worst first.
    pub(super) fn findings(&self) -> Vec<FindingDoc> {
        report::findings(&self.runs)
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
    share::check(options, share::is_redacted(options))?;
    if let Some(folder) = options.replay.as_ref().filter(|path| folder::is_folder(host.as_ref(), path)) {
        return folder::judge(&host, options, folder);
    }
    let (diagnosis, selection) = examine(&host, options, env)?;
    let mut document = diagnosis.document(host.as_ref());
    document.plan = diagnosis.plan().document(&diagnosis.facts);
    conclude(host.as_ref(), options, &selection, &mut document)?;
    write_baseline(host.as_ref(), options, &selection, &mut document)?;
    let text = render(host.as_ref(), options, &document)?;
    // Prose says it itself, unless it is kept quiet because all is well; a program that reads the document does not ask.
    if text.is_empty() || !(options.format.is_prose() || options.quiet) {
        tell_several(&diagnosis.facts);
    }
    deliver(options, &text)?;
    Ok(document.exit_status)
}

/// Says that no environment was examined because there are several.
fn tell_several(facts: &Facts) {
    let Some(search) = facts.environment.as_ref().filter(|search| search.found.is_none() && !search.candidates.is_empty()) else {
        return;
    };
    let names: Vec<_> = search.candidates.iter().map(|path| format!("  {}", path.display())).collect();
    output::notice(&format!("several environments were found, and none of them was examined; name one:\n{}", names.join("\n")));
}

/// Looks at this machine, or reads a recording of one, and judges it. Gives what the user wants of it, too.
pub(super) fn examine(host: &Arc<dyn Host>, options: &Options, env: Option<OsString>) -> Result<(Diagnosis, Selection), Failure> {
    let Some(path) = &options.replay else {
        let selection = selection(host, options)?;
        return Ok((look(host, options, env, &selection)?, selection));
    };
    replayed(host, options, path)
}

/// Reads a recording and judges it.
pub(super) fn replayed(host: &Arc<dyn Host>, options: &Options, path: &Path) -> Result<(Diagnosis, Selection), Failure> {
    let mut facts = Recording::read(host.as_ref(), path)?.facts;
    let named = facts.plugins.iter().flat_map(|plugins| &plugins.found).map(|plugin| plugin.name.clone());
    let selection = select(options, &named.collect::<Vec<_>>())?;
    if options.no_plugins {
        plugins::leave_out(&mut facts, NO_PLUGINS);
    }
    Ok((Diagnosis::of(Source::Recording, facts, &selection), selection))
}

/// `casa-doctor record -o FILE`.
pub(super) fn record(host: Arc<dyn Host>, options: &Options, env: Option<OsString>, raw: bool) -> Result<ExitStatus, Failure> {
    let selection = Selection::default();
    let wanted = Request { thorough: true, ..request(options, env, &selection) };
    let plugins = list_plugins(&host, options, &selection);
    let mut facts = collect(&context(&host, options), &wanted)?;
    ask_plugins(&host, options, &mut facts, &selection, plugins, wanted.deadline);
    let mut diagnosis = Diagnosis::of(Source::Live, facts, &selection);
    if options.measure {
        diagnosis.measure(&host, &host, options, &selection)?;
    }
    let mut facts = diagnosis.facts;
    if !raw {
        let redactor = Redactor::new(&facts, &Private::of(host.as_ref()), &options.hide);
        facts = redactor.facts(&facts)?;
        share::write_map(options, &redactor)?;
    }
    let recording = Recording { redacted: !raw, ..Recording::new(facts, host.now()) };
    deliver(options, &format!("{}\n", serde_json::to_string_pretty(&recording)?))?;
    Ok(ExitStatus::Clean)
}

/// Which checks and findings the user wants of this machine, whose plug-ins may be named, too.
pub(super) fn selection(host: &Arc<dyn Host>, options: &Options) -> Result<Selection, Failure> {
    if options.only.is_empty() && options.skip.is_empty() {
        return Ok(Selection::default());
    }
    // Where they cannot be listed their names are not known; the report tells why.
    let found = plugins::discover(host, options.probe_timeout).unwrap_or_default();
    select(options, &found.into_iter().map(|candidate| candidate.name).collect::<Vec<_>>())
}

fn select(options: &Options, plugins: &[String]) -> Result<Selection, Failure> {
    Selection::parse(&Catalog::registered(), plugins, &options.only, &options.skip).map_err(Failure::usage)
}

/// Starts to list the plug-ins, which takes a while where PATH is long; the error says why none is asked.
fn list_plugins(host: &Arc<dyn Host>, options: &Options, selection: &Selection) -> Result<plugins::Listing, &'static str> {
    if options.no_plugins {
        return Err(NO_PLUGINS);
    }
    if !registry::checks().any(|check| check.category == Category::Plugin && selection.wants_check(check)) {
        return Err("no plug-in was asked for");
    }
    Ok(plugins::Listing::start(host))
}

/// Asks the plug-ins that are wanted; they are given all other facts.
fn ask_plugins(
    host: &Arc<dyn Host>,
    options: &Options,
    facts: &mut Facts,
    selection: &Selection,
    listing: Result<plugins::Listing, &'static str>,
    deadline: Option<Instant>,
) {
    match listing {
        Err(why_not) => return plugins::leave_out(facts, why_not),
        Ok(listing) => plugins::ask(&context(host, options), facts, listing, deadline, |name| selection.wants_plugin(name)),
    }
    // What was seen before is searched already.
    if facts.plugins.as_ref().is_some_and(|plugins| !plugins.found.is_empty()) {
        *facts = hide_secrets(std::mem::take(facts));
    }
}

/// Looks at this machine and judges it, after trying the OpenGL modes out where that is wanted.
pub(super) fn look(
    host: &Arc<dyn Host>,
    options: &Options,
    env: Option<OsString>,
    selection: &Selection,
) -> Result<Diagnosis, Failure> {
    let mut diagnosis = look_only(host, options, env, selection)?;
    if options.measure {
        diagnosis.measure(host, host, options, selection)?;
    }
    Ok(diagnosis)
}

/// Looks at this machine and judges it; starts no container.
pub(super) fn look_only(
    host: &Arc<dyn Host>,
    options: &Options,
    env: Option<OsString>,
    selection: &Selection,
) -> Result<Diagnosis, Failure> {
    let wanted = request(options, env, selection);
    let plugins = list_plugins(host, options, selection);
    let mut facts = collect(&context(host, options), &wanted)?;
    ask_plugins(host, options, &mut facts, selection, plugins, wanted.deadline);
    if options.checksum
        && let Some(image) = &mut facts.image
    {
        let quiet = options.quiet;
        checksum(host.as_ref(), image, |percent| {
            if !quiet {
                output::progress(&format!("reading the image for its checksum: {percent} %"));
            }
        });
    }
    Ok(Diagnosis::of(Source::Live, facts, selection))
}

pub(super) fn context(host: &Arc<dyn Host>, options: &Options) -> Context {
    Context { host: Arc::clone(host), limit: options.probe_timeout }
}

pub(super) fn request(options: &Options, env: Option<OsString>, selection: &Selection) -> Request {
    let mut skip: Vec<(ProbeId, String)> = Vec::new();
    if options.no_graphics {
        skip.extend(GRAPHICS.map(|probe| (probe, "--no-graphics was given".into())));
    } else if !options.only.is_empty() && !wants_rendering(selection) {
        // Drivers are slow and may hang: they are left alone when nobody wants to know.
        skip.extend(GRAPHICS.map(|probe| (probe, "no selected check is about rendering".into())));
    }
    Request {
        environment: env,
        skip,
        thorough: false,
        deadline: options.deadline(),
        tell: (!options.quiet).then_some(tell_waiting as fn(&[ProbeId], usize)),
    }
}

/// Tells what is waited for: on a terminal again and again, elsewhere once.
fn tell_waiting(probes: &[ProbeId], turn: usize) {
    if probes.is_empty() {
        return output::progress_done();
    }
    let names: Vec<_> = probes.iter().map(|probe| probe.name()).collect();
    output::waiting(&format!("waiting for {}", names.join(", ")), turn);
}

fn wants_rendering(selection: &Selection) -> bool {
    registry::checks().any(|check| check.category == Category::Rendering && selection.wants_check(check))
}

/// The document in the format that the user wants, without what is private where it is meant for others.
pub(super) fn render(host: &dyn Host, options: &Options, document: &Document) -> Result<String, Failure> {
    // The directory of the job, from which files of this machine are named. A recording's files are those of another one.
    let root = match document.source {
        Source::Live => host.current_dir().ok().and_then(|directory| directory.into_os_string().into_string().ok()),
        Source::Recording => None,
    };
    match share::redactor(host, options, document) {
        None => render_as_it_is(host, options, document, root),
        Some(redactor) => {
            share::write_map(options, &redactor)?;
            let root = root.map(|root| redactor.text(&root));
            render_as_it_is(host, options, &redactor.document(document)?, root)
        }
    }
}

fn render_as_it_is(host: &dyn Host, options: &Options, document: &Document, root: Option<String>) -> Result<String, Failure> {
    Ok(match options.format {
        Format::Human => human::render(document, &human_options(host, options)),
        Format::Json => json::render(document)?,
        Format::Markdown => markdown::render(document),
        Format::Html => html::render(document)?,
        Format::Junit => junit::render(document, &Catalog::registered(), options.fail_on)?,
        Format::Sarif => sarif::render(document, &Catalog::registered(), root.as_deref())?,
        Format::Github => github::render(document, root.as_deref()),
        Format::Nagios => nagios::render(document, options.fail_on),
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
