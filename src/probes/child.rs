//! One of our own probes in a child process that may crash or hang without harm to anybody.
//!
//! The parent half ([`run`]) starts our own program again as `casa-doctor __probe NAME [ARGUMENTS]`, in a process group of its
//! own, with nothing on standard input, bounded output and a deadline. The child half ([`main`]) moves its standard output to
//! a private descriptor and points the old one at standard error before any driver is loaded, so that whatever a driver
//! prints cannot spoil the answer. The answer is one JSON object a line: `{"at":"glXCreateNewContext"}` before each call that
//! may be the last one, `{"result":…}` at the end.

#[cfg(unix)]
mod entry;
pub(super) mod stderr;
#[cfg(all(test, unix))]
pub(crate) mod tests;

use std::ffi::OsString;

use casa_doctor_checks::facts::{ChildEnd, ChildRun};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::host::{Command, CommandEnd, CommandOutput, Input};
use crate::probes::Context;

#[cfg(all(unix, not(target_vendor = "apple")))]
pub(crate) use entry::trail;
#[cfg(unix)]
pub(crate) use entry::{Trail, main};

/// The hidden sub-command that starts the child half.
pub(crate) const SUBCOMMAND: &str = "__probe";

/// How many bytes of the answer, and of standard error, are kept. An answer has some kilobytes.
const OUTPUT_LIMIT: usize = 1 << 20;

/// The child half, where there is none: without POSIX descriptors the answer cannot be kept apart from the drivers' noise.
#[cfg(not(unix))]
pub(crate) fn main(_: &str, _: &[OsString]) -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}

/// Runs a probe in a child and tells how that went, whatever happens to the child.
///
/// `env` sets variables (`Some`) or removes them (`None`) for the child; it keeps the others of this process.
pub(crate) fn run<T: DeserializeOwned>(
    context: &Context,
    probe: &str,
    args: &[OsString],
    env: &[(OsString, Option<OsString>)],
) -> ChildRun<T> {
    match start(context, probe, args, env, None) {
        Ok(output) => read(&output, context),
        Err(reason) => not_started(reason),
    }
}

/// The answer of one of several tests in a child.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// Which test.
    pub(crate) test: String,
    /// How long it took, in milliseconds.
    pub(crate) ms: u64,
    /// What it found.
    answer: Value,
}

impl Answer {
    /// As the run of a child that made this test alone; `None` when the answer has another form.
    pub(crate) fn into_run<T: DeserializeOwned>(self, stderr: &[String]) -> Option<ChildRun<T>> {
        let result = Some(crate::tree_of_json::into(&self.answer).ok()?);
        Some(ChildRun { end: ChildEnd::Finished, last_call: None, stderr: stderr.to_vec(), duration_ms: self.ms, result })
    }
}

/// Runs several tests in one child, which reads `input`. Gives the answers that arrived, however the child ended, and what it wrote to
/// standard error.
pub(crate) fn run_several(
    context: &Context,
    probe: &str,
    tests: &[OsString],
    env: &[(OsString, Option<OsString>)],
    input: Option<Input>,
) -> (Vec<Answer>, Vec<String>) {
    let Ok(output) = start(context, probe, tests, env, input) else { return (Vec::new(), Vec::new()) };
    let lines = output.stdout.split(|byte| *byte == b'\n');
    (lines.filter_map(|line| serde_json::from_slice(line).ok()).collect(), stderr::lines(&output.stderr))
}

/// Starts the child half and waits for its end. The error says why it was not started.
fn start(
    context: &Context,
    probe: &str,
    args: &[OsString],
    env: &[(OsString, Option<OsString>)],
    input: Option<Input>,
) -> Result<CommandOutput, String> {
    if cfg!(not(unix)) {
        return Err("probes in a child process exist on Unix systems only".to_owned());
    }
    let program = context.host.own_program().map_err(|error| format!("the path of our own program is not known: {error}"))?;
    let mut command = Command::new(program, context.limit).arg(SUBCOMMAND).arg(probe).args(args);
    command.env = env.to_vec();
    command.stdin = input;
    command.output_limit = OUTPUT_LIMIT;
    command.enough = Some(has_result);
    Ok(context.host.run(&command))
}

/// How the line with the result begins.
const RESULT: &[u8] = b"{\"result\":";

/// Whether the last line is whole and is the result. What a driver's memory and connections take to be given back need not be
/// waited for.
fn has_result(answer: &[u8]) -> bool {
    let Some(lines) = answer.strip_suffix(b"\n") else { return false };
    lines.rsplit(|byte| *byte == b'\n').next().is_some_and(|line| line.starts_with(RESULT))
}

fn not_started<T>(reason: String) -> ChildRun<T> {
    ChildRun { end: ChildEnd::NotStarted { reason }, last_call: None, stderr: Vec::new(), duration_ms: 0, result: None }
}

/// One line of the answer. A line that is neither is somebody else's and is passed over.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Record<T> {
    at: Option<String>,
    result: Option<T>,
}

/// Makes facts of what a child left behind. The first result counts: a child writes one and ends.
fn read<T: DeserializeOwned>(output: &CommandOutput, context: &Context) -> ChildRun<T> {
    let mut last_call = None;
    let mut result = None;
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(record) = serde_json::from_slice::<Record<T>>(line) else { continue };
        last_call = record.at.or(last_call);
        if record.result.is_some() {
            result = record.result;
            break;
        }
    }
    let end = match &output.end {
        // The answer is whole, so what its process did afterwards does not matter.
        _ if result.is_some() => ChildEnd::Finished,
        CommandEnd::Exited(status) => ChildEnd::Exited { status: *status },
        CommandEnd::Signal(number) => ChildEnd::Signal { number: *number, name: signal_name(*number) },
        CommandEnd::TimedOut { .. } => ChildEnd::TimedOut { limit_ms: millis(context.limit) },
        CommandEnd::NotStarted(reason) => ChildEnd::NotStarted { reason: reason.clone() },
    };
    ChildRun { end, last_call, stderr: stderr::lines(&output.stderr), duration_ms: millis(output.duration), result }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `SIGSEGV` for 11; `signal 40` for one without a name.
fn signal_name(number: i32) -> String {
    #[cfg(unix)]
    if let Some(name) = signal_hook::low_level::signal_name(number) {
        return name.to_owned();
    }
    format!("signal {number}")
}
