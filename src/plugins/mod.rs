//! Plug-ins of sites: programs `casa-doctor-check-NAME` that are given the facts and answer findings.
//!
//! They are started side by side after the probes, each with a probe's limit, and judged like everything else: what they say
//! is kept as a fact, and a check reads it. Nothing of theirs is done by `--fix`.

mod discover;

use std::ffi::OsStr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{Facts, Plugin, PluginEnd, Plugins, ProbeEnd, ProbeId, ProbeRun};

pub(crate) use discover::Candidate;

use crate::host::{Command, CommandEnd, CommandOutput, Host};
use crate::probes::Context;

/// How much of an answer is read, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;
/// How much of standard error is kept: lines, and characters.
const STDERR_TAIL: (usize, usize) = (3, 400);
/// How long the directories of plug-ins may take to be listed; longer, and they are on a disk that hangs.
const LISTING_LIMIT: Duration = Duration::from_secs(2);
/// How long after its own limit a plug-in's end is waited for.
const GRACE: Duration = Duration::from_millis(500);

/// Every plug-in there is, without starting any.
///
/// # Errors
///
/// When a directory of plug-ins cannot be listed, or not in time.
pub(crate) fn discover(host: &Arc<dyn Host>, limit: Duration) -> Result<Vec<Candidate>, String> {
    Listing::start(host).wait(limit).map_err(|(_, reason)| reason)
}

/// The plug-ins, being listed beside whatever else is done.
#[derive(Debug)]
pub(crate) struct Listing {
    receiver: mpsc::Receiver<Result<Vec<Candidate>, String>>,
    started: Instant,
}

impl Listing {
    /// Starts to list them.
    pub(crate) fn start(host: &Arc<dyn Host>) -> Self {
        let (sender, receiver) = mpsc::channel();
        let host = Arc::clone(host);
        // Nobody may wait any more when it ends.
        thread::spawn(move || drop(sender.send(discover::candidates(host.as_ref()))));
        Self { receiver, started: Instant::now() }
    }

    /// The plug-ins, or why they are not known and how the listing ended.
    fn wait(self, limit: Duration) -> Result<Vec<Candidate>, (ProbeEnd, String)> {
        let left = limit.min(LISTING_LIMIT).saturating_sub(self.started.elapsed());
        match self.receiver.recv_timeout(left) {
            Ok(listed) => listed.map_err(|reason| (ProbeEnd::Crashed, reason)),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err((ProbeEnd::Crashed, "the listing of plug-ins ended without an answer".to_owned()))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Err((
                ProbeEnd::TimedOut,
                "the directories of plug-ins could not be listed in time: one of them, or one of PATH, may be on a disk that hangs, or PATH is very long"
                    .to_owned(),
            )),
        }
    }
}

/// Asks every wanted plug-in of a listing, and adds to the facts what they say.
pub(crate) fn ask(
    context: &Context,
    facts: &mut Facts,
    listing: Listing,
    deadline: Option<Instant>,
    wanted: impl Fn(&str) -> bool,
) {
    let started = Instant::now();
    let left = deadline.map_or(context.limit, |deadline| context.limit.min(deadline.saturating_duration_since(started)));
    let (plugins, end, reason) = if left.is_zero() {
        (None, ProbeEnd::TimedOut, Some("the time for the whole run was over before the plug-ins' turn".to_owned()))
    } else {
        match listing.wait(left) {
            Ok(found) => {
                let wanted = found.into_iter().filter(|candidate| wanted(&candidate.name)).collect();
                (Some(run(context, facts, left, wanted)), ProbeEnd::Answered, None)
            }
            Err((end, reason)) => (None, end, Some(reason)),
        }
    };
    facts.plugins = plugins;
    facts.probes.insert(ProbeId::Plugins, ProbeRun { end, reason, duration_ms: millis(started.elapsed()) });
}

/// Leaves the plug-ins alone, because.
pub(crate) fn leave_out(facts: &mut Facts, reason: &str) {
    let run = ProbeRun { end: ProbeEnd::Skipped, reason: Some(reason.to_owned()), duration_ms: 0 };
    facts.plugins = None;
    facts.probes.insert(ProbeId::Plugins, run);
}

/// Runs them side by side. One that not even KILL ends is abandoned.
fn run(context: &Context, facts: &Facts, limit: Duration, candidates: Vec<Candidate>) -> Plugins {
    let (mut found, waiting): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|candidate| candidate.refusal.is_some());
    let mut found: Vec<Plugin> = found.drain(..).map(refused).collect();
    // In the form of recordings: another one would be compiled anew for every type of the facts.
    let input: Arc<[u8]> = serde_json::to_vec_pretty(facts).unwrap_or_default().into();
    let (sender, receiver) = mpsc::channel();
    let due = Instant::now() + limit + GRACE;
    let mut pending: Vec<Plugin> = Vec::new();
    for candidate in waiting {
        pending.push(Plugin {
            name: candidate.name.clone(),
            file: candidate.file.clone(),
            end: PluginEnd::TimedOut { limit_ms: millis(limit) },
            duration_ms: millis(limit + GRACE),
            ..Plugin::default()
        });
        let (host, sender, input) = (Arc::clone(&context.host), sender.clone(), Arc::clone(&input));
        thread::spawn(move || drop(sender.send(ask_one(host.as_ref(), candidate, &input, limit))));
    }
    drop(sender);
    while !pending.is_empty() {
        let Ok(plugin) = receiver.recv_timeout(due.saturating_duration_since(Instant::now())) else { break };
        pending.retain(|waiting| waiting.name != plugin.name);
        found.push(plugin);
    }
    found.extend(pending);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Plugins { found }
}

fn refused(candidate: Candidate) -> Plugin {
    let end = PluginEnd::Refused { reason: candidate.refusal.unwrap_or_default() };
    Plugin { name: candidate.name, file: candidate.file, end, ..Plugin::default() }
}

fn ask_one(host: &dyn Host, candidate: Candidate, input: &[u8], limit: Duration) -> Plugin {
    let mut command = Command::new(&candidate.file, limit).env("CASA_DOCTOR_VERSION", OsStr::new(env!("CARGO_PKG_VERSION")));
    command.stdin = Some(input.into());
    // One byte more than is read tells that there is more.
    command.output_limit = ANSWER_LIMIT + 1;
    let output = host.run(&command);
    let (end, answer) = end_of(&output, limit);
    Plugin {
        name: candidate.name,
        file: candidate.file,
        end,
        answer,
        stderr: tail(&output.stderr_text()),
        duration_ms: millis(output.duration),
    }
}

fn end_of(output: &CommandOutput, limit: Duration) -> (PluginEnd, Option<serde_json::Value>) {
    let end = match &output.end {
        // Whoever writes without end is told so, although the limit ended it.
        _ if output.stdout.len() > ANSWER_LIMIT => PluginEnd::TooMuch { limit_bytes: ANSWER_LIMIT as u64 },
        CommandEnd::NotStarted(reason) => PluginEnd::NotStarted { reason: reason.clone() },
        CommandEnd::TimedOut { .. } => PluginEnd::TimedOut { limit_ms: millis(limit) },
        CommandEnd::Signal(signal) => PluginEnd::Killed { signal: *signal },
        CommandEnd::Exited(0) if output.stdout.trim_ascii().is_empty() => PluginEnd::Silent,
        CommandEnd::Exited(0) => match serde_json::from_slice(&output.stdout) {
            Ok(answer) => return (PluginEnd::Answered, Some(answer)),
            Err(error) => PluginEnd::NotJson { reason: error.to_string() },
        },
        CommandEnd::Exited(status) => PluginEnd::Failed { status: *status },
    };
    (end, None)
}

/// The last lines of a text, and of these the last characters.
fn tail(text: &str) -> Option<String> {
    let (lines, characters) = STDERR_TAIL;
    let all: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = all[all.len().saturating_sub(lines)..].join("\n");
    let surplus = last.chars().count().saturating_sub(characters);
    let last: String = last.chars().skip(surplus).collect();
    (!last.is_empty()).then_some(last)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(end: CommandEnd, stdout: impl Into<Vec<u8>>) -> PluginEnd {
        let output = CommandOutput { end, stdout: stdout.into(), stderr: Vec::new(), duration: Duration::from_millis(7) };
        end_of(&output, Duration::from_secs(4)).0
    }

    #[test]
    fn directories_that_are_not_listed_in_time_are_a_limit_that_was_reached_and_no_crash() {
        let (_sender, receiver) = mpsc::channel();
        let listing = Listing { receiver, started: Instant::now() };
        let context = Context { host: Arc::new(crate::host::RecordedHost::new()), limit: Duration::from_millis(10) };
        let mut facts = Facts::default();
        ask(&context, &mut facts, listing, None, |_| true);
        let run = &facts.probes[&ProbeId::Plugins];
        assert_eq!((run.end, facts.plugins), (ProbeEnd::TimedOut, None));
        assert!(run.reason.as_ref().unwrap().contains("could not be listed in time"));
    }

    #[test]
    fn every_end_is_told_apart() {
        assert_eq!(ended(CommandEnd::Exited(0), "[]"), PluginEnd::Answered);
        assert_eq!(ended(CommandEnd::Exited(0), " \n"), PluginEnd::Silent);
        assert_eq!(ended(CommandEnd::Exited(1), "[]"), PluginEnd::Failed { status: 1 }, "an error is not overruled by an answer");
        assert_eq!(ended(CommandEnd::Signal(11), ""), PluginEnd::Killed { signal: 11 });
        assert_eq!(ended(CommandEnd::TimedOut { abandoned: false }, "[]"), PluginEnd::TimedOut { limit_ms: 4000 });
        assert!(matches!(ended(CommandEnd::NotStarted("no".into()), ""), PluginEnd::NotStarted { .. }));
        assert!(matches!(ended(CommandEnd::Exited(0), "[] []"), PluginEnd::NotJson { .. }), "one document, not two");
        assert!(matches!(ended(CommandEnd::Exited(0), "[{]"), PluginEnd::NotJson { .. }));
        let long = vec![b' '; ANSWER_LIMIT + 1];
        assert!(matches!(ended(CommandEnd::TimedOut { abandoned: false }, long), PluginEnd::TooMuch { .. }));
    }

    #[test]
    fn the_last_words_are_kept() {
        assert_eq!(tail("a\nb\n\nc\nd\n").as_deref(), Some("b\nc\nd"));
        assert_eq!(tail(" \n"), None);
        assert_eq!(tail(&"ä".repeat(1000)).map(|tail| tail.chars().count()), Some(400));
    }
}
