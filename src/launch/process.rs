//! Running the engine: signals, waiting, and the exit status.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, getpid, getsid, kill_process, waitid};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use super::dialect::{HandedOver, Running};
use super::plan::Plan;
use super::private::Private;
use super::witness::Streams;
use crate::host::{Command, Host};

/// The keyboard sends these to everything in the foreground, so that the program has them already. From a process they are meant for
/// whoever was started, and are passed on.
const OF_THE_KEYBOARD: [i32; 3] = [SIGINT, SIGQUIT, SIGTSTP];

/// These are sent to us, so they are passed on. The kernel tells the end of a terminal to the first process there alone.
const SENT_TO_US: [i32; 5] = [SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT];

/// Those that stop or continue a program and do not end it.
const NOT_ENDING: [i32; 3] = [SIGCHLD, SIGTSTP, SIGCONT];

/// While a signal could not be handed over because the command is not there yet, it is tried this often.
const RETRY: Duration = Duration::from_millis(20);

/// A program that got a signal and ends so much later has another reason.
const BECAUSE_OF_A_SIGNAL: Duration = Duration::from_secs(5);

/// How long an engine may clean up after its command. One that takes longer hangs, and gets the signal itself.
const CLEANING: Duration = Duration::from_secs(2);

/// How long `sudo` may take to pass a signal on.
const SUDO_LIMIT: Duration = Duration::from_secs(5);

/// How often it is looked whether we are in the foreground.
const FOREGROUND: Duration = Duration::from_millis(100);

/// Helpers of the engine that serve the image's filesystem: they end with the container.
const FILESYSTEM_HELPERS: [&str; 4] = ["squashfuse", "fuse2fs", "fuse-overlayfs", "gocryptfs"];

/// Signals while a container runs. Outside of that they do what they always do.
pub(super) struct Watch {
    signals: SignalsInfo<WithOrigin>,
    idle: Arc<AtomicBool>,
    /// Whether whoever started us keeps the end of a child from being told to us.
    is_deaf: bool,
}

impl Watch {
    /// Takes the signals over, but for those that whoever started us wants to be ignored (`nohup`, jobs in the background of a script).
    pub(super) fn start(host: &dyn Host) -> io::Result<Self> {
        static IDLE: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        let status = status(host);
        let ignored = masked(&status, "SigIgn:");
        let watched: Vec<_> = OF_THE_KEYBOARD.into_iter().chain(SENT_TO_US).filter(|signal| !ignored.contains(signal)).collect();
        let idle = match IDLE.get() {
            Some(idle) => Arc::clone(idle),
            None => {
                let idle = Arc::new(AtomicBool::new(true));
                for &signal in &watched {
                    // A handler, once set, stays: this one does what the system would have done.
                    signal_hook::flag::register_conditional_default(signal, Arc::clone(&idle))?;
                }
                Arc::clone(IDLE.get_or_init(|| idle))
            }
        };
        let signals = SignalsInfo::new(watched.into_iter().chain([SIGCHLD]))?;
        idle.store(false, Ordering::SeqCst);
        Ok(Self { signals, idle, is_deaf: masked(&status, "SigBlk:").contains(&SIGCHLD) })
    }

    /// A signal that came before anything was started and means that nothing should be.
    pub(super) fn already_ended(&mut self) -> Option<i32> {
        self.signals.pending().map(|origin| origin.signal).find(|signal| !NOT_ENDING.contains(signal))
    }

    /// Starts the engine, does what is to be done `meanwhile`, and waits for its end.
    pub(super) fn run(
        &mut self,
        host: &dyn Host,
        plan: &Plan,
        argv: &[OsString],
        streams: Streams,
        private: &Private,
        meanwhile: impl FnOnce(),
    ) -> io::Result<End> {
        let dialect = plan.dialect();
        let mut child = spawn(argv, plan, streams)?;
        meanwhile();
        let engine = i32::try_from(child.id()).map_err(io::Error::other)?;
        if self.is_deaf {
            self.end_with(engine);
        }
        let mut pending = BTreeSet::new();
        let mut ending: Option<(i32, Instant)> = None;
        let mut waiting_since = None;
        let mut engine_ended = false;
        loop {
            let came: Vec<Origin> = if pending.is_empty() {
                self.signals.wait().collect()
            } else {
                std::thread::sleep(RETRY);
                self.signals.pending().collect()
            };
            for origin in came.iter().filter(|origin| !NOT_ENDING.contains(&origin.signal)) {
                // Of several the first one is the reason, and the last one tells when.
                let first = ending.map_or(origin.signal, |(first, _)| first);
                ending = Some((first, Instant::now()));
            }
            let is_apart = dialect.is_apart();
            let for_it = came.iter().filter(|origin| is_for_the_command(host, engine, is_apart, origin));
            pending.extend(for_it.map(|origin| origin.signal));
            if let Some(status) = child.try_wait()? {
                let is_recent = ending.is_some_and(|(_, at)| at.elapsed() < BECAUSE_OF_A_SIGNAL);
                return Ok(End { status, signal: ending.map(|(first, _)| first), is_recent, engine_ended });
            }
            if !pending.is_empty() {
                let since = *waiting_since.get_or_insert_with(Instant::now);
                let (started, name) = (private.started(host), private.name());
                let running = Running { engine, started, name, waited: since.elapsed() };
                match dialect.hand_over(host, plan, &running, &pending) {
                    HandedOver::Done => {
                        pending.clear();
                        waiting_since = None;
                    }
                    HandedOver::NotYet => {}
                    HandedOver::EngineEnded => engine_ended = true,
                }
            }
            if came.iter().any(|origin| origin.signal == SIGTSTP) {
                stop_ourselves(host);
            }
        }
    }

    /// Has the waiting end when the engine's process does, where its signal does not come.
    fn end_with(&self, engine: i32) {
        let handle = self.signals.handle();
        std::thread::spawn(move || {
            if let Some(pid) = Pid::from_raw(engine) {
                // Whatever comes of it, there is nothing to wait for any more. The status is left for the one who waits.
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            }
            handle.close();
        });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.idle.store(true, Ordering::SeqCst);
    }
}

/// Whether a signal that we got has to be passed on, since the command did not get it.
fn is_for_the_command(host: &dyn Host, engine: i32, is_apart: bool, origin: &Origin) -> bool {
    let by_process = matches!(origin.cause, Cause::Sent(_));
    if !(SENT_TO_US.contains(&origin.signal) || ((by_process || is_apart) && OF_THE_KEYBOARD.contains(&origin.signal))) {
        return false;
    }
    // What the program sends to its whole group comes to us, too, and would go round in a circle.
    !origin.process.is_some_and(|sender| sender.pid > 0 && Tree::read(host).is_below(sender.pid, engine))
}

/// Stops us as the keyboard stops a program, so that the shell which waits for us takes over. Where no shell could continue us, the
/// system ignores that signal, and so do we.
fn stop_ourselves(host: &dyn Host) {
    if has_shell(&Tree::read(host)) {
        // It stops at once, and goes on here when it is continued.
        drop(signal_hook::low_level::emulate_default_handler(SIGTSTP));
    }
}

/// Whether the first process above us that is not of our group is of our session: a shell that can continue us.
fn has_shell(tree: &Tree) -> bool {
    let (group, session) = (getpgrp(), getsid(None));
    let mut pid = getpid().as_raw_nonzero().get();
    for _ in 0..tree.0.len() {
        let Some((parent, _)) = tree.0.get(&pid) else { return false };
        let Some(parent) = Pid::from_raw(*parent) else { return false };
        if rustix::process::getpgid(Some(parent)) != Ok(group) {
            return session.is_ok() && getsid(Some(parent)) == session;
        }
        pid = parent.as_raw_nonzero().get();
    }
    false
}

/// How the engine ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// Its exit status.
    pub(super) status: ExitStatus,
    /// The first signal that we got meanwhile: when the command was not started, it is the reason, whatever status the engine makes
    /// of it.
    pub(super) signal: Option<i32>,
    /// Whether one came shortly before the end, which is then no surprise.
    pub(super) is_recent: bool,
    /// Whether the engine's program was told to end because of it, before the command was there.
    pub(super) engine_ended: bool,
}

/// Starts the engine on our own terminal or pipes, but for the streams that are read along. It is in our own process group, so that the keyboard reaches the program, unless
/// the program is none of our processes: then the engine must not die of what is meant for the program.
fn spawn(argv: &[OsString], plan: &Plan, streams: Streams) -> io::Result<Child> {
    let (program, args) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    #[expect(clippy::disallowed_methods, reason = "the user's own program has no deadline, and the terminal for itself")]
    let mut command = std::process::Command::new(program);
    command.args(args);
    for (name, value) in &plan.process_env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(stdout) = streams.stdout {
        command.stdout(stdout);
    }
    if let Some(stderr) = streams.stderr {
        command.stderr(stderr);
    }
    let is_apart = plan.dialect().is_apart() && !plan.beginning.terminal;
    // Outside of the terminal's group the engine may not read from it, so that we read for it.
    let relayed = is_apart && io::stdin().is_terminal();
    if is_apart {
        command.process_group(0);
    }
    if relayed {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn()?;
    if let Some(pipe) = child.stdin.take() {
        // It ends with us, or when nobody reads any more.
        std::thread::spawn(move || drop(relay(pipe)));
    }
    Ok(child)
}

/// Reads the terminal for a program, while we are in its foreground. In the background the kernel would stop us for it, although the
/// program may not want to read at all.
fn relay(mut to: impl Write) -> io::Result<()> {
    let stdin = rustix::stdio::stdin();
    let mut buffer = [0; 4096];
    loop {
        if rustix::termios::tcgetpgrp(stdin).is_ok_and(|group| group != getpgrp()) {
            std::thread::sleep(FOREGROUND);
            continue;
        }
        let mut fds = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: FOREGROUND.subsec_nanos().into() })) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::io::read(stdin, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length])?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends signals to the command where it is a process below the engine's; before it is there, to all that would start it.
pub(super) fn signal_below(host: &dyn Host, running: &Running<'_>, signals: &BTreeSet<i32>) -> HandedOver {
    let tree = Tree::read(host);
    let command = running.started.map(|number| tree.command(host, running.engine, number));
    let receivers = match command {
        Some(Found::At(pid)) => vec![pid],
        // The engine is about to end with the status of its command. A signal would change that: of QUIT the programs of Go end with 2.
        Some(Found::Ended) if running.waited < CLEANING => return HandedOver::NotYet,
        Some(Found::Ended | Found::Unknown) | None => tree.below(running.engine),
    };
    for signal in signals.iter().filter_map(|signal| Signal::from_named_raw(*signal)) {
        // One that has ended meanwhile needs no signal.
        let is_roots = |pid: &Pid| kill_process(*pid, signal) == Err(Errno::PERM);
        let of_root: Vec<Pid> = receivers.iter().copied().filter_map(Pid::from_raw).filter(is_roots).collect();
        if !of_root.is_empty() {
            // An engine that was started by sudo belongs to root. sudo remembers the password for a while; it must not ask here.
            let mut sudo = Command::new("sudo", SUDO_LIMIT);
            sudo = sudo.args(["-n", "kill", "-s", &signal.as_raw().to_string(), "--"]);
            sudo = sudo.args(of_root.iter().map(|pid| pid.as_raw_nonzero().to_string()));
            host.run(&sudo);
        }
    }
    if command.is_some() { HandedOver::Done } else { HandedOver::NotYet }
}

/// Where a command is that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The process with this number.
    At(i32),
    /// It has ended.
    Ended,
    /// In a container with numbers of its own, and this kernel does not tell them.
    Unknown,
}

/// The processes of the machine: parent and name of each.
pub(super) struct Tree(BTreeMap<i32, (i32, String)>);

impl Tree {
    pub(super) fn read(host: &dyn Host) -> Self {
        let names = host.read_dir(Path::new("/proc")).unwrap_or_default();
        let pids = names.iter().filter_map(|name| name.to_str()?.parse::<i32>().ok());
        Self(pids.filter_map(|pid| Some((pid, Self::parent_and_name(host, pid)?))).collect())
    }

    /// From `/proc/PID/stat`: number, name in parentheses (which may hold parentheses itself), state, parent.
    fn parent_and_name(host: &dyn Host, pid: i32) -> Option<(i32, String)> {
        let stat = host.read_text(Path::new(&format!("/proc/{pid}/stat")), 4096).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        Some((rest.split_whitespace().nth(1)?.parse().ok()?, name.to_owned()))
    }

    fn is_below(&self, pid: i32, ancestor: i32) -> bool {
        let mut pid = pid;
        // Reading takes time, so that the table may hold a circle: its length is a limit.
        for _ in 0..self.0.len() {
            match self.0.get(&pid) {
                Some((parent, _)) if *parent == ancestor => return true,
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        }
        false
    }

    /// The command that was started below the engine, by its number in the container: that may have numbers of its own.
    fn command(&self, host: &dyn Host, engine: i32, number: i32) -> Found {
        if self.is_below(number, engine) {
            return Found::At(number);
        }
        let mut found = Found::Ended;
        for pid in self.below(engine) {
            // One that ended meanwhile tells nothing more.
            let Ok(status) = host.read_text(Path::new(&format!("/proc/{pid}/status")), 64 << 10) else { continue };
            // Numbers from the outermost namespace of processes to the innermost one (Linux 4.1, proc_pid_status(5)).
            match status.lines().find_map(|line| line.strip_prefix("NSpid:")) {
                None => found = Found::Unknown,
                Some(numbers) if numbers.split_whitespace().skip(1).last().is_some_and(|own| own.parse() == Ok(number)) => {
                    return Found::At(pid);
                }
                Some(_) => {}
            }
        }
        found
    }

    /// The engine and all that it started, without the helpers that serve its filesystems.
    pub(super) fn below(&self, engine: i32) -> Vec<i32> {
        let is_helper =
            |pid: &i32| self.0.get(pid).is_some_and(|(_, name)| FILESYSTEM_HELPERS.iter().any(|helper| name.starts_with(helper)));
        let below = self.0.keys().copied().filter(|pid| self.is_below(*pid, engine) && !is_helper(pid));
        std::iter::once(engine).chain(below).collect()
    }
}

/// Signals that whoever started us wants to be ignored.
pub(crate) fn ignored(host: &dyn Host) -> BTreeSet<i32> {
    masked(&status(host), "SigIgn:")
}

/// What the kernel tells of this process; nothing where there is no such file.
fn status(host: &dyn Host) -> String {
    host.read_text(Path::new("/proc/self/status"), 64 << 10).unwrap_or_default()
}

/// The signals of a mask (those that are ignored or blocked) in `/proc/self/status`; none where there is no such file.
fn masked(status: &str, name: &str) -> BTreeSet<i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix(name)).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    (1..=64).filter(|signal| mask.unwrap_or(0) >> (signal - 1) & 1 == 1).collect()
}

/// The exit status that a shell gives: the program's own, or 128 and the number of the signal that ended it.
pub(super) fn shell_status(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(125)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn the_tree_of_processes_is_read_from_files() {
        let host = RecordedHost::new()
            .file("/proc/10/stat", "10 (starter) S 1 10 10 0")
            .file("/proc/11/stat", "11 (a (b) c) S 10 10 10 0")
            .file("/proc/12/stat", "12 (squashfuse_ll) S 10 10 10 0")
            .file("/proc/13/stat", "13 (prog) S 11 10 10 0")
            .file("/proc/14/stat", "14 (other) S 1 10 10 0")
            .file("/proc/meminfo", "");
        let tree = Tree::read(&host);
        assert_eq!(tree.below(10), [10, 11, 13]);
        assert!(tree.is_below(13, 10) && !tree.is_below(14, 10) && !tree.is_below(10, 10) && !tree.is_below(99, 10));
    }

    #[test]
    fn a_command_is_found_by_its_number_in_the_container_and_known_to_have_ended() {
        let machine = |numbers: &str| {
            RecordedHost::new()
                .file("/proc/10/stat", "10 (starter) S 1 10 10 0")
                .file("/proc/10/status", "Name:\tstarter\nNSpid:\t10\n")
                .file("/proc/11/stat", "11 (prog) S 10 10 10 0")
                .file("/proc/11/status", format!("Name:\tprog\n{numbers}"))
        };
        for (numbers, number, found) in [
            ("NSpid:\t11\n", 11, Found::At(11)),
            ("NSpid:\t11\n", 12, Found::Ended),
            ("NSpid:\t11\t7\n", 7, Found::At(11)),
            ("NSpid:\t11\t8\n", 7, Found::Ended),
            ("", 7, Found::Unknown),
        ] {
            let host = machine(numbers);
            assert_eq!(Tree::read(&host).command(&host, 10, number), found, "{numbers:?} {number}");
        }
        let (host, signals) = (machine("NSpid:\t11\n"), BTreeSet::from([SIGQUIT]));
        let running = Running { engine: 10, started: Some(12), name: "", waited: Duration::ZERO };
        assert_eq!(signal_below(&host, &running, &signals), HandedOver::NotYet, "nobody is told: the engine ends by itself");
    }

    #[test]
    fn signals_are_read_from_a_mask() {
        assert_eq!(masked("Name:\tx\nSigIgn:\t0000000000001003\n", "SigIgn:"), BTreeSet::from([SIGHUP, SIGINT, 13]));
        assert!(masked("", "SigIgn:").is_empty());
    }

    #[test]
    fn a_status_is_what_a_shell_gives() {
        assert_eq!(shell_status(ExitStatus::from_raw(42 << 8)), 42);
        assert_eq!(shell_status(ExitStatus::from_raw(9)), 137);
    }
}
