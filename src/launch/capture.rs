//! A launch that is watched: with a limit, without the user's terminal, and with a file for an answer that nothing else can spoil.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::LaunchError;
#[cfg(test)]
use super::dialect::IN_CONTAINER;
use super::plan::Plan;
use super::process::{Tree, Watch};
use super::run::prepare;
use crate::host::{Command, CommandEnd, Host, ProcessTree};

/// Where the command in the container leaves its answer. The directory belongs to this launch alone; entry points, engines and
/// drivers write to standard output and standard error, never here.
pub(crate) const RESULT: &str = "/casa/doctor/result";

/// The file's name in the directory that the container sees.
const RESULT_NAME: &str = "result";

/// An answer has some pictures in it.
const RESULT_LIMIT: u64 = 8 << 20;

/// How often signals to us are looked for.
const TICK: Duration = Duration::from_millis(25);

/// How long what was killed may take to be gone.
const GONE: Duration = Duration::from_secs(1);

/// How a watched launch ended.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The end of the engine.
    pub(crate) end: CommandEnd,
    /// Whether the command was started in the container.
    pub(crate) started: bool,
    /// Standard output, bounded.
    pub(crate) stdout: Vec<u8>,
    /// Standard error, bounded.
    pub(crate) stderr: Vec<u8>,
    /// Wall time.
    pub(crate) duration: Duration,
    /// What the command left at [`RESULT`].
    pub(crate) result: Option<Vec<u8>>,
    /// A signal that came to us and made us stop it.
    pub(crate) interrupted: Option<i32>,
}

/// Starts the container, waits for its end or its limit, ends all that it started, and removes the private files.
pub(crate) fn capture(host: &dyn Host, plan: &Plan, limit: Duration) -> Result<Captured, LaunchError> {
    let failed = |source| LaunchError::Run { engine: plan.engine.clone(), source };
    // Before the private files exist, so that no signal leaves them behind.
    let mut watch = Watch::start(host).map_err(failed)?;
    let mut prepared = prepare(host, plan)?;
    let (program, args) = prepared.argv.split_first().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let mut command = Command::new(program, limit).args(args);
    command.env = plan.process_env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let started = Instant::now();
    let mut tree = ProcessTree::spawn(&command).map_err(failed)?;
    let deadline = started + limit;
    let mut interrupted = None;
    let ended = loop {
        if tree.wait_until(deadline.min(Instant::now() + TICK)) {
            break true;
        }
        interrupted = watch.already_ended();
        if interrupted.is_some() || Instant::now() >= deadline {
            break false;
        }
    };
    // What the engine started is known only while the engine is there.
    let below = match tree.pid() {
        Some(engine) if !ended => Tree::read(host).below(engine.as_raw_pid()),
        _ => Vec::new(),
    };
    let output = tree.finish(Instant::now(), started);
    end_all(&below);
    if !ended {
        prepared.private.was_interrupted();
    }
    let result = host.read(&prepared.private.shown().join(RESULT_NAME), RESULT_LIMIT).ok().filter(|bytes| !bytes.is_empty());
    Ok(Captured {
        end: output.end,
        started: prepared.private.started(host).is_some(),
        stdout: output.stdout,
        stderr: output.stderr,
        duration: output.duration,
        result,
        interrupted,
    })
}

/// Ends processes and waits until they are gone. Those that made themselves a group of their own outlived the engine's.
fn end_all(processes: &[i32]) {
    let mut left: Vec<Pid> = processes.iter().filter_map(|pid| Pid::from_raw(*pid)).collect();
    let deadline = Instant::now() + GONE;
    loop {
        // One that has ended meanwhile needs no signal.
        left.retain(|pid| kill_process(*pid, Signal::KILL).is_ok() && test_kill_process(*pid).is_ok());
        if left.is_empty() || Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_stands_in_the_directory_that_the_container_sees() {
        assert_eq!(RESULT, format!("{}/{RESULT_NAME}", IN_CONTAINER));
    }
}
