//! Running a program with a deadline: TERM, then KILL, then walking away.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a program may take to end after TERM, before KILL.
const TERM_GRACE: Duration = Duration::from_millis(100);
/// How long a killed program may take to be reaped before it is abandoned: one that hangs in the kernel never is.
const KILL_GRACE: Duration = Duration::from_millis(100);

/// How often it is looked whether a program has ended where nothing tells.
#[cfg(not(unix))]
const PAUSE: Duration = Duration::from_millis(4);

/// Whether what a program has written to standard output so far is all that is wanted.
pub(crate) type Enough = fn(&[u8]) -> bool;

/// What a program reads on standard input. It may become known only after the program's start.
#[derive(Debug, Clone)]
pub(crate) struct Input(Arc<Mutex<mpsc::Receiver<Vec<u8>>>>);

impl Input {
    /// One that is still to be sent; it is empty when its sender goes without.
    pub(crate) fn later() -> (mpsc::Sender<Vec<u8>>, Self) {
        let (sender, receiver) = mpsc::channel();
        (sender, Self(Arc::new(Mutex::new(receiver))))
    }

    /// Waits for it.
    fn wait(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap_or_default()
    }
}

impl From<&[u8]> for Input {
    fn from(bytes: &[u8]) -> Self {
        let (sender, input) = Self::later();
        // The receiver is there.
        let _ = sender.send(bytes.to_vec());
        input
    }
}

/// A program to run: an argument vector, never a shell's line.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// The program: a path, or a name to be found on PATH.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Variables set (`Some`) or removed (`None`) for it.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// Whether it starts with an empty environment.
    pub(crate) clear_env: bool,
    /// Its working directory.
    pub(crate) current_dir: Option<PathBuf>,
    /// What it reads on standard input.
    pub(crate) stdin: Option<Input>,
    /// How long it may take.
    pub(crate) limit: Duration,
    /// How many bytes of standard output, and of standard error, are kept. What exceeds them is read and thrown away.
    pub(crate) output_limit: usize,
    /// Whether standard output so far is all that is wanted: the program is ended then, and its end not waited for.
    pub(crate) enough: Option<Enough>,
}

impl Command {
    /// A program with a limit of its own and 256 KiB of kept output.
    pub(crate) fn new(program: impl Into<OsString>, limit: Duration) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            clear_env: false,
            current_dir: None,
            stdin: None,
            limit,
            output_limit: 256 * 1024,
            enough: None,
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), Some(value.into())));
        self
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    /// It exited; with status 0, too, when what it had said was [enough](Command::enough).
    Exited(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was still running at its deadline and was killed; `abandoned` when not even KILL ended it.
    TimedOut {
        /// Whether it may still be there.
        abandoned: bool,
    },
    /// It could not be started.
    NotStarted(String),
}

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandOutput {
    /// How it ended.
    pub(crate) end: CommandEnd,
    /// Standard output, up to the limit.
    pub(crate) stdout: Vec<u8>,
    /// Standard error, up to the limit.
    pub(crate) stderr: Vec<u8>,
    /// Wall time.
    pub(crate) duration: Duration,
}

impl CommandOutput {
    /// Whether it exited with status 0.
    pub(crate) fn success(&self) -> bool {
        self.end == CommandEnd::Exited(0)
    }

    /// Standard output as text.
    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The end in words, for a reason: "exited with status 1", "was killed by signal 11".
    pub(crate) fn end_in_words(&self) -> String {
        match &self.end {
            CommandEnd::Exited(status) => format!("exited with status {status}"),
            CommandEnd::Signal(number) => format!("was killed by signal {number}"),
            CommandEnd::TimedOut { .. } => format!("did not end within {:.1} s", self.duration.as_secs_f64()),
            CommandEnd::NotStarted(reason) => format!("could not be started: {reason}"),
        }
    }
}

/// The programs that are running, by their process groups; `None` when we are ending. One that stands here is not reaped, so that its
/// group is its own.
#[cfg(unix)]
static RUNNING: Mutex<Option<Vec<Pid>>> = Mutex::new(Some(Vec::new()));

/// Ends what is still running when we end ourselves, as a program does whose probe is not waited for any more. None is started
/// after this.
pub(crate) fn end_what_runs() {
    #[cfg(unix)]
    for group in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take().into_iter().flatten() {
        // It may have ended a moment ago.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Lets a signal that ends us end what is still running, too: it is in groups of its own, which a terminal or whoever watches over us
/// knows nothing of. Signals that are to be ignored stay so.
#[cfg(unix)]
pub(crate) fn end_what_runs_at_a_signal(ignored: &std::collections::BTreeSet<i32>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::SignalsInfo;
    use signal_hook::iterator::exfiltrator::WithOrigin;
    let ending = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !ignored.contains(signal));
    let mut signals = SignalsInfo::<WithOrigin>::new(ending)?;
    thread::spawn(move || {
        for origin in signals.forever() {
            end_what_runs();
            // It does not come back.
            let _ = signal_hook::low_level::emulate_default_handler(origin.signal);
        }
    });
    Ok(())
}

/// Runs a command on this machine.
pub(super) fn run(command: &Command) -> CommandOutput {
    let started = Instant::now();
    match ProcessTree::spawn(command) {
        Ok(tree) => tree.finish(started + command.limit, started),
        Err(error) => CommandOutput {
            end: CommandEnd::NotStarted(error.to_string()),
            stdout: Vec::new(),
            stderr: Vec::new(),
            duration: started.elapsed(),
        },
    }
}

/// A running program in a process group of its own, so that whatever it started dies with it.
#[derive(Debug)]
pub(crate) struct ProcessTree {
    child: Child,
    stdout: Drain,
    stderr: Drain,
    news: mpsc::Receiver<News>,
    last: Option<News>,
}

/// What somebody waits for who waits for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// It has ended and is not reaped yet.
    Ended,
    /// It has said [enough](Command::enough).
    Enough,
}

impl ProcessTree {
    /// Starts it, with threads that drain its output.
    pub(crate) fn spawn(command: &Command) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "this is where commands are started, with deadline, bounds and group")]
        let mut std_command = std::process::Command::new(&command.program);
        std_command.args(&command.args);
        if command.clear_env {
            std_command.env_clear();
        }
        for (name, value) in &command.env {
            match value {
                Some(value) => std_command.env(name, value),
                None => std_command.env_remove(name),
            };
        }
        if let Some(directory) = &command.current_dir {
            std_command.current_dir(directory);
        }
        std_command.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        std_command.stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            std::os::unix::process::CommandExt::process_group(&mut std_command, 0);
            if RUNNING.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        let mut child = std_command.spawn()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), command.stdin.clone()) {
            // A program that does not read all of its input is not an error of ours.
            thread::spawn(move || drop(stdin.write_all(&input.wait())));
        }
        let (tell, news) = mpsc::channel();
        let enough = command.enough.map(|enough| (enough, tell.clone()));
        let stdout = Drain::start(child.stdout.take(), command.output_limit, enough);
        let stderr = Drain::start(child.stderr.take(), command.output_limit, None);
        watch(&child, tell);
        let tree = Self { child, stdout, stderr, news, last: None };
        #[cfg(unix)]
        match RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(running) => running.extend(tree.pid()),
            None => tree.signal(Kill::Kill),
        }
        Ok(tree)
    }

    /// Waits until the deadline, then kills the group. Never waits longer than the graces after it.
    pub(crate) fn finish(mut self, deadline: Instant, started: Instant) -> CommandOutput {
        let timed_out = !self.wait_until(deadline);
        if timed_out {
            self.signal(Kill::Term);
            self.wait_until(Instant::now() + TERM_GRACE);
        }
        let duration = started.elapsed();
        // While the program is not reaped its process group cannot belong to anybody else. This also ends what a program
        // that exited has left running, which would keep the pipes open.
        self.signal(Kill::Kill);
        if self.last == Some(News::Enough) {
            return self.leave(duration);
        }
        let reaped = self.wait_until(Instant::now() + KILL_GRACE);
        self.is_over();
        let end = match (timed_out, reaped) {
            (true, _) => CommandEnd::TimedOut { abandoned: !reaped },
            // `wait_until` saw the end, so this does not wait.
            (false, _) => self.child.wait().map_or(CommandEnd::Exited(-1), end_of),
        };
        if timed_out && reaped {
            drop(self.child.wait());
        }
        CommandOutput { end, stdout: self.stdout.take(), stderr: self.stderr.take(), duration }
    }

    /// Whatever could be done to end it was done, and it may be reaped.
    fn is_over(&self) {
        #[cfg(unix)]
        if let Some(running) = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            running.retain(|group| Some(*group) != self.pid());
        }
    }

    /// Takes what a program said that has said enough. It was killed, and its end may take the kernel a while.
    fn leave(self, duration: Duration) -> CommandOutput {
        self.is_over();
        let Self { mut child, stdout, stderr, .. } = self;
        let output = CommandOutput { end: CommandEnd::Exited(0), stdout: stdout.so_far(), stderr: stderr.take(), duration };
        thread::spawn(move || drop(child.wait()));
        output
    }

    /// Waits for the end without reaping, or for enough; tells whether it came.
    #[cfg(unix)]
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> bool {
        if self.last.is_none() {
            // Nobody is left to tell more only after the end was told.
            self.last = self.news.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        }
        self.last.is_some()
    }

    /// Waits for the end; tells whether it came.
    #[cfg(not(unix))]
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> bool {
        loop {
            if self.last.is_some() || !matches!(self.child.try_wait(), Ok(None)) {
                self.last = self.last.or(Some(News::Ended));
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.last = self.news.recv_timeout(left.min(PAUSE)).ok();
        }
    }

    /// Its number, which is that of its group, too.
    #[cfg(unix)]
    pub(crate) fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    #[cfg(unix)]
    fn signal(&self, kill: Kill) {
        let signal = match kill {
            Kill::Term => Signal::TERM,
            Kill::Kill => Signal::KILL,
        };
        if let Some(group) = self.pid() {
            // The group may be empty already, which is what is wanted.
            let _ = kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _: Kill) {
        // There are no groups and no TERM: the process itself is ended. One that has ended already is no error.
        let _ = self.child.kill();
    }
}

/// Waits for the end of a program in a thread of its own, and tells it. The program is not reaped, so that its number stays its own.
#[cfg(unix)]
fn watch(child: &Child, tell: mpsc::Sender<News>) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while pid.is_some_and(|pid| waitid(WaitId::Pid(pid), options).is_err_and(|error| error == rustix::io::Errno::INTR)) {}
        // Whoever waited may have gone.
        let _ = tell.send(News::Ended);
    });
}

/// There is no waiting without reaping: whoever waits looks again and again.
#[cfg(not(unix))]
fn watch(_: &Child, _: mpsc::Sender<News>) {}

#[derive(Clone, Copy)]
enum Kill {
    Term,
    Kill,
}

fn end_of(status: ExitStatus) -> CommandEnd {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return CommandEnd::Signal(signal);
    }
    CommandEnd::Exited(status.code().unwrap_or(-1))
}

/// A pipe that a thread reads to its end, of which the first bytes are kept.
#[derive(Debug)]
struct Drain {
    kept: Arc<Mutex<Vec<u8>>>,
    done: mpsc::Receiver<()>,
}

impl Drain {
    /// `enough` is told what was kept, and its sender when that is enough.
    fn start(pipe: Option<impl Read + Send + 'static>, limit: usize, enough: Option<(Enough, mpsc::Sender<News>)>) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (sender, done) = mpsc::channel::<()>();
        if let Some(mut pipe) = pipe {
            let kept = Arc::clone(&kept);
            thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = limit.saturating_sub(kept.len());
                    kept.extend_from_slice(&buffer[..read.min(room)]);
                    if let Some((enough, tell)) = &enough
                        && enough(&kept)
                    {
                        let _ = tell.send(News::Enough);
                    }
                }
                drop(sender);
            });
        }
        Self { kept, done }
    }

    /// What was read so far; waits a moment for the end of the pipe, which somebody who escaped the group may keep open.
    fn take(&self) -> Vec<u8> {
        let _ = self.done.recv_timeout(KILL_GRACE);
        self.so_far()
    }

    /// What was read so far.
    fn so_far(&self) -> Vec<u8> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
