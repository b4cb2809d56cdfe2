//! `--fix` and `undo`: write, look again, launch, tell what changed.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use casa_doctor_checks::facts::Environment;
use casa_doctor_checks::finding::{Safety, Severity};

use super::args::Options;
use super::conclude::conclude;
use super::diagnose::{Diagnosis, context, look_only, render, request, selection};
use super::run::{self, Manner, environment};
use super::{Failure, decided, deliver, share};
use crate::casa_distro;
use crate::catalog::Selection;
use crate::fix::{self, FileChange, Scope, Written};
use crate::host::{Host, OverlayHost};
use crate::launch::{self, Request, Stdout};
use crate::output;
use crate::plan::{Plan, Repair};
use crate::probes::collect;
use crate::recommend::OpenGl;
use crate::recommend::decision::Decision;
use crate::recommend::memory::{self, Remembered};
use crate::report::{Document, ExitStatus, LaunchDoc};

/// `casa-doctor --fix [ENV] [-- CMD…]`.
pub(super) fn fix(
    host: Arc<dyn Host>,
    options: &Options,
    env: Option<OsString>,
    command: Vec<OsString>,
) -> Result<ExitStatus, Failure> {
    if options.replay.is_some() {
        return Err(Failure::usage(anyhow::anyhow!("a recording cannot be fixed: --fix and --replay do not go together")));
    }
    share::check(options, share::is_redacted(options))?;
    let selection = selection(&host, options)?;
    // A command that is not started has its own status, whatever the reason.
    let in_vain_status = if command.is_empty() { ExitStatus::Failed } else { ExitStatus::NotStarted };
    let not_done = |failure: Failure| match failure.status {
        ExitStatus::Failed | ExitStatus::NotStarted => Failure { status: in_vain_status, ..failure },
        _ => failure,
    };
    let before = look_only(&host, options, env.clone(), &selection).map_err(not_done)?;
    let in_vain = |failure| in_vain(host.as_ref(), options, &selection, &before, not_done(failure));
    let found = environment(&before.facts).map_err(in_vain)?.clone();
    let plan = before.repairs();
    let agreed = agree(options, &plan).map_err(not_done)?;
    let agrees = |repair: &Repair| agreed.contains(&repair.because) || repair.safety == Safety::Safe;
    let planned = Planned::new(&host, options, &before, agrees, &selection).map_err(in_vain)?;
    for note in plan.notes.iter().chain(&planned.notes) {
        output::notice(note);
    }
    let changes = &planned.changes;

    if options.dry_run {
        return dry_run(host.as_ref(), options, &selection, &before, &plan, &planned, &command);
    }
    let written = write(host.as_ref(), &found, changes).map_err(in_vain)?;
    if !options.format.is_prose() {
        announce(&written);
    }
    // Whatever ends it from here on, what was written stays written: the user has to know where the copies are.
    let cut_short = |failure: Failure| {
        if options.format.is_prose() {
            announce(&written);
        }
        not_done(failure)
    };
    if let Some(decision) = &planned.keep {
        match decided::keep(host.as_ref(), &found, decision) {
            Ok(file) if !options.quiet && !decided::is_writable(host.as_ref(), &found) => {
                output::notice(&format!("the environment cannot be written by you, so the decision is kept in {}", file.display()));
            }
            Ok(_) => {}
            // What was written stays written, and is told.
            Err(error) => output::notice(&format!("the decision could not be kept for you: {error:#}")),
        }
    }

    // Look again: what counts now is what the machine says now. Where nothing of what was agreed to was left to be written, somebody else
    // was faster.
    let somebody_else_did = plan.repairs.iter().any(agrees);
    let after = if changes.is_empty() && !somebody_else_did {
        planned.then.clone()
    } else {
        let mut facts = look_only(&host, options, env, &selection).map_err(cut_short)?.facts;
        facts.measurements.clone_from(&planned.then.facts.measurements);
        Diagnosis::of(before.source, facts, &selection)
    };
    let now = environment(&after.facts).map_err(cut_short)?.clone();
    let mode = after.mode();
    let mut document = after.document(host.as_ref());
    document.plan = after.plan().document(&after.facts);
    conclude(host.as_ref(), options, &selection, &mut document).map_err(cut_short)?;
    let mut told = before.document(host.as_ref());
    plan.mark_applied(&mut told, agrees);

    if command.is_empty() {
        // Nothing was asked for, so the container only shows that it starts.
        let (launch, status) = try_start(host.as_ref(), &after, &now, mode, beside(options));
        document.launch = launch;
        if status != Some(0) {
            document.exit_status = ExitStatus::Failed;
        }
        tell(host.as_ref(), options, &told, &document, changes, &written).map_err(cut_short)?;
        return Ok(document.exit_status);
    }
    if options.format.is_prose() || options.output.is_some() {
        tell(host.as_ref(), options, &told, &document, changes, &written).map_err(cut_short)?;
    }
    let request = Request::new(mode, command);
    let planned_launch = run::plan(host.as_ref(), &now, &after.facts, &request).map_err(Failure::not_started);
    let ended = planned_launch.and_then(|launch| {
        let ended = run::start(host.as_ref(), options, &after.facts, &launch, Manner { explains: true, stdout: beside(options) });
        document.launch = Some(launch_doc(&launch, ended.as_ref().ok().map(|status| i32::from(status.code()))));
        ended
    });
    // On a terminal the report came before the program; a file, and what is for programs, tells how it ended, too.
    if !options.format.is_prose() || options.output.is_some() {
        document.exit_status = ended.as_ref().map_or_else(|failure| failure.status, |status| *status);
        tell(host.as_ref(), options, &told, &document, changes, &written)?;
    }
    ended
}

/// Tells what was found although nothing could be repaired, with the status that says so. Gives the failure back.
fn in_vain(host: &dyn Host, options: &Options, selection: &Selection, before: &Diagnosis, failure: Failure) -> Failure {
    if !matches!(failure.status, ExitStatus::Failed | ExitStatus::NotStarted) {
        return failure;
    }
    let tell = || {
        let mut document = before.document(host);
        document.plan = before.repairs().document(&before.facts);
        conclude(host, options, selection, &mut document)?;
        document.exit_status = failure.status;
        deliver(options, &render(host, options, &document)?)
    };
    match tell() {
        Ok(()) => failure,
        Err(other) => Failure { error: failure.error.context(format!("{:#}", other.error)), ..failure },
    }
}

/// Says beside a report that has no place for it, or that is not told, which files were changed.
fn announce(written: &[Written]) {
    for written in written {
        output::notice(&format!("{} was changed; its copy is {}", written.path.display(), written.backup.display()));
    }
}

/// Asks about each repair that is not to be made without asking; gives the ids of those that the user agrees to.
fn agree(options: &Options, plan: &Plan) -> Result<Vec<String>, Failure> {
    let mut agreed: Vec<String> = Vec::new();
    let mut held = 0;
    for repair in plan.repairs.iter().filter(|repair| repair.safety == Safety::Confirm) {
        let answer = match (options.yes, options.dry_run) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => output::ask(&format!("{} [{}]", repair.text, repair.because))?,
        };
        match answer {
            Some(true) => agreed.push(repair.because.clone()),
            Some(false) => {}
            None => held += 1,
        }
    }
    if held > 0 && !options.quiet {
        let (changes, them) = (crate::report::text::plural(held, "change"), if held == 1 { "it" } else { "them" });
        output::notice(&format!("{changes} held back because you were not asked: --yes makes {them} too"));
    }
    Ok(agreed)
}

/// What is about to be written, judged as if it were written already.
pub(super) struct Planned {
    /// The files that change.
    pub(super) changes: Vec<FileChange>,
    /// The machine with the new texts.
    host: Arc<dyn Host>,
    /// What will be known of it.
    then: Diagnosis,
    /// What is not done and why.
    notes: Vec<String>,
    /// The decision that goes into the user's own record: the environment cannot be written, or that record has an older one.
    keep: Option<Decision>,
}

/// How often a repaired file is looked at again: a key of casa-distro 2 that gets its new name may then show another illness.
const ROUNDS: usize = 4;

impl Planned {
    /// Makes the edits that `agrees` lets through, looks at the environment and its image as they will be, goes on while that
    /// shows something new to repair, and adds the decision that follows: the mode must rest on the image that will be used,
    /// not on the one that was moved.
    pub(super) fn new(
        host: &Arc<dyn Host>,
        options: &Options,
        before: &Diagnosis,
        agrees: impl Fn(&Repair) -> bool,
        selection: &Selection,
    ) -> Result<Self, Failure> {
        let mut changes = Vec::new();
        let mut then = before.clone();
        for _ in 0..ROUNDS {
            let seen = overlay(host, &changes);
            let found = fix::plan_files(seen.as_ref(), &then.repairs().edits(&agrees))?;
            if found.is_empty() {
                break;
            }
            changes = combine(changes, found);
            then = before.with_planned_files(&overlay(host, &changes), options, selection)?;
        }
        if !options.no_graphics {
            then.measure(host, &overlay(host, &changes), options, selection)?;
        }
        let (mut remembered, mut keep) = (Remembered::default(), None);
        if let (Some(environment), Some(recommendation)) = (then.environment(), &then.recommendation) {
            let identities = decided::identities(overlay(host, &changes).as_ref(), environment);
            remembered = memory::remember(environment, &then.facts, recommendation, &identities);
            let writable = decided::is_writable(host.as_ref(), environment);
            if !writable {
                remembered.edits.clear();
            }
            // What cannot be read decides nothing.
            let is_read = environment.file.value.is_some();
            if is_read && (!writable || decided::is_kept(host.as_ref(), environment)) {
                keep = memory::decision(&then.facts, recommendation, &identities);
            }
        }
        let decided = fix::plan_files(overlay(host, &changes).as_ref(), &remembered.edits)?;
        let changes = combine(changes, decided);
        let host = overlay(host, &changes);
        Ok(Self { changes, host, then, notes: remembered.notes, keep })
    }
}

fn overlay(host: &Arc<dyn Host>, changes: &[FileChange]) -> Arc<dyn Host> {
    Arc::new(OverlayHost::new(Arc::clone(host), changes.iter().map(|change| (change.target.clone(), change.new.clone()))))
}

/// Two rounds of changes as one: from the text that is there to the last one.
fn combine(first: Vec<FileChange>, second: Vec<FileChange>) -> Vec<FileChange> {
    let mut changes = first;
    for change in second {
        match changes.iter_mut().find(|known| known.target == change.target) {
            Some(known) => {
                known.diff = fix::unified(&known.path, &known.old, &change.new);
                known.new = change.new;
            }
            None => changes.push(change),
        }
    }
    changes
}

/// Shows the diff and the command, and changes nothing.
fn dry_run(
    host: &dyn Host,
    options: &Options,
    selection: &Selection,
    before: &Diagnosis,
    plan: &Plan,
    planned: &Planned,
    command: &[OsString],
) -> Result<ExitStatus, Failure> {
    let request = Request::new(planned.then.mode(), if command.is_empty() { vec!["true".into()] } else { command.to_vec() });
    let environment = environment(&planned.then.facts)?;
    let mut document = before.document(host);
    document.plan = plan.document(&before.facts);
    conclude(host, options, selection, &mut document)?;
    let line = match run::plan(planned.host.as_ref(), environment, &planned.then.facts, &request) {
        Ok(launch) => {
            document.launch = Some(launch_doc(&launch, None));
            launch.dry_run_line()
        }
        Err(error) => format!("# the container could not be started then: {error:#}"),
    };
    let text = match options.format {
        // Only the plan is told to others: the files themselves may hold what no report may.
        format if !format.is_prose() || share::is_redacted(options) => render(host, options, &document)?,
        _ => {
            let diffs: String = planned.changes.iter().map(|change| change.diff.as_str()).collect();
            let head = if planned.changes.is_empty() { "Nothing would be written.\n" } else { "" };
            format!("{head}{diffs}\n{line}\n")
        }
    };
    deliver(options, &text)?;
    Ok(document.exit_status)
}

fn write(host: &dyn Host, environment: &Environment, changes: &[FileChange]) -> Result<Vec<Written>, Failure> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let scope = scope(environment);
    Ok(fix::write_all(host, scope, changes)?)
}

fn scope(environment: &Environment) -> Scope<'_> {
    Scope { config_file: Some(&environment.file.path), user_file: environment.user_file.as_ref().map(|file| file.path.as_path()) }
}

/// Where the output of a program goes beside our own: a document for programs stands alone on standard output.
fn beside(options: &Options) -> Stdout {
    if options.format.is_prose() || options.output.is_some() { Stdout::Ours } else { Stdout::Aside }
}

/// Starts the container with a command that does nothing, to see that it starts.
fn try_start(
    host: &dyn Host,
    after: &Diagnosis,
    environment: &Environment,
    mode: OpenGl,
    stdout: Stdout,
) -> (Option<LaunchDoc>, Option<i32>) {
    let request = Request::new(mode, vec!["true".into()]);
    let plan = match run::plan(host, environment, &after.facts, &request) {
        Ok(plan) => plan,
        Err(error) => {
            output::notice(&format!("the container was not started: {error:#}"));
            return (None, None);
        }
    };
    let status = match launch::launch(host, &plan, stdout, || ()) {
        Ok(ended) => Some(ended.status),
        Err(error) => {
            output::notice(&format!("the container was not started: {error:#}"));
            None
        }
    };
    (Some(launch_doc(&plan, status)), status)
}

/// A launch as the document tells it.
fn launch_doc(plan: &launch::Plan, exit_status: Option<i32>) -> LaunchDoc {
    LaunchDoc { exit_status, ..plan.document() }
}

/// Tells what was done and what is left: the diff, the copies, before and after, and the report of the second look.
fn tell(
    host: &dyn Host,
    options: &Options,
    before: &Document,
    after: &Document,
    changes: &[FileChange],
    written: &[Written],
) -> Result<(), Failure> {
    let report = render(host, options, after)?;
    if !options.format.is_prose() {
        return deliver(options, &report);
    }
    let mut text = String::new();
    let redactor = share::redactor(host, options, after);
    // The files themselves may hold what no report may; the plan tells every change.
    for change in changes.iter().filter(|_| redactor.is_none()) {
        text.push_str(&change.diff);
        text.push('\n');
    }
    for written in written {
        text.push_str(&format!("Written: {}\n", written.path.display()));
        text.push_str(&format!("Its copy: {}   (casa-doctor undo puts it back)\n", written.backup.display()));
    }
    if changes.is_empty() {
        text.push_str("Nothing had to be written.\n");
    }
    text.push_str(&format!("Before: {}. After: {}.\n\n", counts(before), counts(after)));
    if let Some(redactor) = redactor {
        text = redactor.text(&text);
    }
    text.push_str(&report);
    if options.quiet && changes.is_empty() && report.is_empty() {
        return Ok(());
    }
    deliver(options, &text)
}

fn counts(document: &Document) -> String {
    let count = |severity| document.findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = crate::report::text::plural;
    format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

/// `casa-doctor undo [ENV]`.
pub(super) fn undo(host: Arc<dyn Host>, options: &Options, env: Option<OsString>) -> Result<ExitStatus, Failure> {
    let selection = selection(&host, options)?;
    // A file that was deleted since is put back, too.
    let removed = casa_distro::locate_removed(host.as_ref(), env.as_deref(), &|file| fix::was_fixed(host.as_ref(), file));
    if let Some(file) = removed {
        let user_file = casa_distro::user_directory(host.as_ref()).map(|directory| directory.join("casa_distro_3.json"));
        return undo_for(&host, options, Scope { config_file: Some(&file), user_file: user_file.as_deref() });
    }
    let mut wanted = request(options, env, &selection);
    let others = casa_doctor_checks::facts::ProbeId::ALL
        .iter()
        .copied()
        .filter(|probe| *probe != casa_doctor_checks::facts::ProbeId::Environment);
    wanted.skip.extend(others.map(|probe| (probe, "undo does not need it".to_owned())));
    let facts = collect(&context(&host, options), &wanted)?;
    let found = environment(&facts).map_err(|failure| Failure { status: ExitStatus::Failed, ..failure })?;
    undo_for(&host, options, scope(found))
}

fn undo_for(host: &Arc<dyn Host>, options: &Options, scope: Scope<'_>) -> Result<ExitStatus, Failure> {
    let file = scope.config_file.unwrap_or(Path::new("casa_distro.json"));
    let nothing = || anyhow::anyhow!("there is nothing to undo for {}", file.display());
    if options.dry_run {
        let mut text = String::new();
        for (file, diff) in fix::preview_undo(host.as_ref(), scope)?.ok_or_else(nothing)? {
            let is_done = if diff.is_empty() { ", which is as it was before the fix already" } else { "" };
            text.push_str(&format!("{diff}Would be put back: {}{is_done}\n", file.display()));
        }
        deliver(options, &text)?;
        return Ok(ExitStatus::Clean);
    }
    match fix::undo(host.as_ref(), scope)? {
        None => Err(nothing().into()),
        Some(undone) => {
            let mut text = String::new();
            for file in &undone.files {
                text.push_str(&format!("Put back: {}\n", file.path.display()));
                if let Some(kept) = &file.kept {
                    text.push_str(&format!("It had been changed since; that is kept in {}\n", kept.display()));
                }
            }
            if undone.left > 0 {
                text.push_str(&format!("{} can still be undone.\n", crate::report::text::plural(undone.left, "earlier fix")));
            }
            deliver(options, &text)?;
            Ok(ExitStatus::Clean)
        }
    }
}
