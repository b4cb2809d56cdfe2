//! The child half: what runs inside `casa-doctor __probe NAME`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
#[cfg(not(target_vendor = "apple"))]
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use crate::probes::graphics;
use crate::{measure, output};

/// A probe that runs in a child: its name on the command line, and what it does there.
struct Probe {
    name: &'static str,
    run: fn(&'static Trail, &[OsString]) -> serde_json::Result<Value>,
}

/// The probes. One more is one line more.
const PROBES: &[Probe] = &[
    Probe { name: "egl-device", run: |trail, args| serde_json::to_value(graphics::child::egl_device(trail, args)) },
    Probe { name: "egl-surfaceless", run: |trail, args| serde_json::to_value(graphics::child::egl_surfaceless(trail, args)) },
    Probe { name: "egl-x11", run: |trail, args| serde_json::to_value(graphics::child::egl_x11(trail, args)) },
    Probe { name: "glx", run: |trail, args| serde_json::to_value(graphics::child::glx(trail, args)) },
    Probe {
        name: graphics::TOGETHER_PROBE,
        run: |trail, tests| {
            graphics::child::together(trail, tests);
            Ok(Value::Null)
        },
    },
    Probe { name: graphics::NVML_PROBE, run: |trail, _| serde_json::to_value(graphics::child::nvml(trail)) },
    Probe { name: "vulkan", run: |trail, _| serde_json::to_value(graphics::child::vulkan(trail)) },
    #[cfg(test)]
    Probe { name: "test-abort", run: super::tests::abort },
    #[cfg(test)]
    Probe { name: "test-chatter", run: super::tests::chatter },
    #[cfg(test)]
    Probe { name: "test-flood", run: super::tests::flood },
    #[cfg(test)]
    Probe { name: "test-lingers", run: super::tests::lingers },
    #[cfg(test)]
    Probe { name: "test-silent", run: super::tests::silent },
    #[cfg(test)]
    Probe { name: "test-sleep", run: super::tests::sleep },
];

/// Exit status for a child that was asked for something that it does not know, or whose surroundings are not right.
const USAGE: u8 = 2;

/// The way back to the parent: says where the child is, and in the end what it found.
#[derive(Debug)]
pub(crate) struct Trail {
    channel: File,
    #[cfg(not(target_vendor = "apple"))]
    started: Instant,
    last: Mutex<String>,
}

static TRAIL: OnceLock<Trail> = OnceLock::new();

/// The trail of this process, for callbacks that are given none; `None` outside a child.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn trail() -> Option<&'static Trail> {
    TRAIL.get()
}

impl Trail {
    /// Says which call comes next, so that the parent knows where a crash or a hang happened.
    pub(crate) fn at(&self, call: &str) {
        call.clone_into(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner));
        self.write(&json!({ "at": call }));
    }

    /// The last call that was announced.
    #[cfg(not(target_vendor = "apple"))]
    pub(crate) fn last(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long this process has been at work.
    #[cfg(not(target_vendor = "apple"))]
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Tells the result. Nothing that is written after it counts, to standard error neither, of which the parent need not wait
    /// for more therefore.
    pub(crate) fn result(&self, result: &impl Serialize) {
        if let Ok(nothing) = File::options().write(true).open("/dev/null") {
            // Where it cannot be left the parent waits a little longer.
            let _ = rustix::stdio::dup2_stdout(&nothing).and_then(|()| rustix::stdio::dup2_stderr(&nothing));
        }
        self.write(&json!({ "result": result }));
    }

    /// Tells the result of one of several tests that this process makes. What comes after it counts, too.
    pub(crate) fn answer(&self, test: &str, took: Duration, result: &impl Serialize) {
        self.write(&json!({ "test": test, "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "answer": result }));
    }

    /// Writes one record at once. A parent that has gone away makes this fail, and then nobody is there to be told.
    fn write(&self, record: &Value) {
        let mut line = record.to_string().into_bytes();
        line.push(b'\n');
        drop((&self.channel).write_all(&line));
    }
}

/// Runs the named probe in this process; the measurement in a container is none of them but the parent of some. Does not come back from one that is known: its drivers stay loaded, and what they
/// would do at the end of the process is not worth a crash or a hang.
pub(crate) fn main(name: &str, args: &[OsString]) -> ExitCode {
    if name == measure::PROBE {
        return measure::main(args);
    }
    let Some(probe) = PROBES.iter().find(|probe| probe.name == name) else {
        output::notice(&format!("there is no probe \"{name}\""));
        return ExitCode::from(USAGE);
    };
    let trail = match prepare() {
        Ok(channel) => TRAIL.get_or_init(|| Trail {
            channel,
            #[cfg(not(target_vendor = "apple"))]
            started: Instant::now(),
            last: Mutex::default(),
        }),
        Err(error) => {
            output::notice(&format!("the probe \"{name}\" cannot start: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    match (probe.run)(trail, args) {
        Ok(result) => trail.result(&result),
        Err(error) => output::notice(&format!("the probe \"{name}\" has no result that can be told: {error}")),
    }
    graphics::child::leave()
}

/// Makes this process a harmless child: it dies with its parent, leaves no core file, and its standard output is a private
/// channel that no program started from here inherits.
fn prepare() -> io::Result<File> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // Above the three standard descriptors, which somebody may have started us without.
    let mut channel = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?);
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    // A preloaded library may have begun a line already.
    channel.write_all(b"\n")?;
    Ok(channel)
}
