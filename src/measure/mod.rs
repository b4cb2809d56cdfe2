//! Measuring: one and the same test on the machine and inside the real image, in every OpenGL mode, on the display that is there.
//!
//! A mode is measured in one start of the container, by the very launch of `run`: our own program is shown to the container
//! read-only and is its command. It starts the graphics probes there as killable children and leaves its answer in the launch's
//! private directory, which neither the output of an entry point nor that of a driver can spoil.

mod inside;
mod judge;
mod look;
#[cfg(test)]
mod tests;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{Connection, Facts, Measurement, MeasurementOutcome, Measurements, NotTried, OpenGl, Place};

use self::inside::Answer;
pub(crate) use self::inside::{PROBE, main};
use self::judge::{Times, blank, judge, with_cause};
use crate::host::{CommandEnd, Host};
use crate::launch::{self, Captured, LaunchError, Plan, RESULT, Request};
use crate::probes::{Context, needed_glibc, stderr_lines};
use crate::recommend::expectation;
use crate::recommend::nvidia::{NvidiaPath, nvidia_path};
use crate::recommend::situation::DisplayKind;

/// Where the container sees our own program.
const OURS: &str = "/casa/casa-doctor";

/// The modes, in the order in which they are measured.
const MODES: [OpenGl; 3] = [OpenGl::Container, OpenGl::Nv, OpenGl::Software];

/// Works out a launch of the environment.
pub(crate) type Planner<'a> = dyn Fn(&Request) -> Result<Plan, anyhow::Error> + 'a;

/// What the measuring of a machine needs besides its facts.
pub(crate) struct Wish<'a> {
    /// How long a mode may take, the start of the container included.
    pub(crate) limit: Duration,
    /// When everything must be over.
    pub(crate) deadline: Option<Instant>,
    /// Whether modes that cannot work are tried all the same.
    pub(crate) all_modes: bool,
    /// Works out a launch of the environment; `None` when there is none, and only the machine itself is measured.
    pub(crate) plan: Option<&'a Planner<'a>>,
    /// Told how it goes on.
    pub(crate) tell: &'a dyn Fn(Progress<'_>),
}

/// How far the measuring has come.
#[derive(Debug)]
pub(crate) enum Progress<'a> {
    /// A mode is being started, the first of so many being 1.
    Starts(OpenGl, usize, usize),
    /// A mode, or the machine itself, was measured.
    Measured(&'a Measurement),
    /// A mode is not tried.
    NotTried(&'a NotTried),
}

/// A signal asked us to end.
#[derive(Debug, thiserror::Error)]
#[error("measuring was stopped by signal {0}")]
pub(crate) struct Interrupted(pub(crate) i32);

/// Measures the machine itself and every mode that can work in the image.
///
/// # Errors
///
/// When a signal came that asks us to end; nothing that was started is left then.
pub(crate) fn measure(host: &Arc<dyn Host>, facts: &Facts, wish: &Wish<'_>) -> Result<Measurements, Interrupted> {
    let mut all = Measurements { predicted: expectation(facts), ..Measurements::default() };
    let (wanted, rejected): (Vec<_>, Vec<_>) = match wish.plan {
        Some(_) => MODES.into_iter().partition(|mode| wish.all_modes || why_not(facts, *mode).is_none()),
        None => (Vec::new(), Vec::new()),
    };
    all.not_tried.extend(rejected.into_iter().filter_map(|opengl| Some(NotTried { opengl, reason: why_not(facts, opengl)? })));
    for one in &all.not_tried {
        (wish.tell)(Progress::NotTried(one));
    }
    let of = wanted.len();
    // Nothing else is at work meanwhile: a speed that was measured beside another one would be wrong.
    if let Some(display) = display(facts) {
        let (limit, is_short) = limit(wish);
        // Its libraries are on its own disk: what takes half of the time that a container may take hangs.
        let machine = measure_host(Arc::clone(host), authority(facts).as_deref(), limit / 2, display);
        if let Some(machine) = in_time(machine, is_short) {
            (wish.tell)(Progress::Measured(&machine));
            all.measured.push(machine);
        }
    }
    for (index, opengl) in (1..).zip(wanted) {
        let (limit, is_short) = limit(wish);
        let one = if limit.is_zero() {
            Err("the time of --timeout was over")
        } else {
            (wish.tell)(Progress::Starts(opengl, index, of));
            let one = measure_mode(host.as_ref(), facts, wish, opengl, limit)?;
            in_time(one, is_short).ok_or("the time of --timeout was over before it had answered")
        };
        match one {
            Ok(one) => {
                (wish.tell)(Progress::Measured(&one));
                all.measured.push(one);
            }
            Err(reason) => {
                let one = NotTried { opengl, reason: reason.to_owned() };
                (wish.tell)(Progress::NotTried(&one));
                all.unfinished.push(one);
            }
        }
    }
    Ok(all)
}

/// How long what comes next may take, and whether that is less than it would get if the whole run had no limit.
fn limit(wish: &Wish<'_>) -> (Duration, bool) {
    let left = wish.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    match left.filter(|left| *left < wish.limit) {
        Some(left) => (left, true),
        None => (wish.limit, false),
    }
}

/// A measurement, unless it was the limit of the whole run that ended it: who was given too little time does not hang.
fn in_time(mut one: Measurement, is_short: bool) -> Option<Measurement> {
    if is_short {
        one.others.retain(|other| other.outcome != MeasurementOutcome::TimedOut);
    }
    (!is_short || one.outcome != MeasurementOutcome::TimedOut).then_some(one)
}

/// The file with the cookie that let us in.
fn authority(facts: &Facts) -> Option<PathBuf> {
    match &facts.x11.as_ref()?.connection {
        Connection::Connected(server) => server.cookie_from.clone(),
        _ => None,
    }
}

/// Whether there is a display to be drawn on; `None` when there is one and it does not let us in.
fn display(facts: &Facts) -> Option<bool> {
    match facts.x11.as_ref().map(|x11| &x11.connection) {
        Some(Connection::Connected(_)) => Some(true),
        Some(Connection::NoDisplay) => Some(false),
        Some(Connection::Malformed { .. } | Connection::Failed(_)) | None => None,
    }
}

/// Why a mode cannot work here, so that it need not be started: what is certain, not what is likely.
fn why_not(facts: &Facts, mode: OpenGl) -> Option<String> {
    match DisplayKind::of(facts) {
        None => return Some("the display was not looked at".to_owned()),
        Some(DisplayKind::Unreachable) => return Some("the X server cannot be reached, so there is nothing to draw on".to_owned()),
        Some(_) => {}
    }
    match mode {
        OpenGl::Nv => match nvidia_path(facts) {
            NvidiaPath::Broken(why) => Some(why),
            // What is not known is tried.
            NvidiaPath::Coherent { .. } | NvidiaPath::Unknown => None,
        },
        OpenGl::Container | OpenGl::Software | OpenGl::None => None,
    }
}

fn measure_host(host: Arc<dyn Host>, authority: Option<&Path>, limit: Duration, display: bool) -> Measurement {
    let look = look::look(&Context { host, limit }, display, authority);
    judge(Place::Host, OpenGl::None, &look, Times { began: 0 })
}

/// Measures a mode in the image.
fn measure_mode(
    host: &dyn Host,
    facts: &Facts,
    wish: &Wish<'_>,
    opengl: OpenGl,
    limit: Duration,
) -> Result<Measurement, Interrupted> {
    let mut told = match too_old(host, facts) {
        Some(why) => by_the_images_own(host, facts, wish, opengl, limit, &why)?,
        None => match by_our_own(host, wish, opengl, limit)? {
            Ok(told) => told,
            // The image was not known well enough to see it coming.
            Err(why) => by_the_images_own(host, facts, wish, opengl, limit, &why)?,
        },
    };
    if opengl == OpenGl::Software {
        told.notes.extend(software_in_words(facts).map(str::to_owned));
    }
    Ok(told)
}

/// Measures with our own program in the image; the error tells why it cannot run there.
fn by_our_own(
    host: &dyn Host,
    wish: &Wish<'_>,
    opengl: OpenGl,
    limit: Duration,
) -> Result<Result<Measurement, String>, Interrupted> {
    let program = match host.own_program() {
        Ok(program) => program,
        Err(error) => return Ok(Err(format!("the path of casa-doctor's own program is not known: {error}"))),
    };
    let mut request = Request::new(opengl, vec![OURS.into(), crate::probes::child::SUBCOMMAND.into()]);
    request.command.extend(inside::arguments(RESULT, host.now(), limit));
    request.shown.push((program, PathBuf::from(OURS)));
    let captured = match start(host, wish, &request, limit)? {
        Ok(captured) => captured,
        Err(error) => return Ok(Ok(not_started(opengl, &error, &[]))),
    };
    let stderr = stderr_lines(&captured.stderr);
    let answer = captured.result.as_deref().and_then(|bytes| serde_json::from_slice::<Answer>(bytes).ok());
    if let Some(answer) = answer {
        let told = judge(Place::Image, opengl, &answer.look, Times { began: answer.began_ms });
        return Ok(Ok(told));
    }
    let loader = stderr.iter().find(|line| line.contains(OURS) && line.contains("not found"));
    if let Some(line) = loader {
        return Ok(Err(format!("this casa-doctor cannot run in the image: {}", line.trim())));
    }
    Ok(Ok(without_answer(opengl, &captured, stderr)))
}

/// What it means that the container ended, or was ended, without an answer.
fn without_answer(opengl: OpenGl, captured: &Captured, stderr: Vec<String>) -> Measurement {
    let end = match &captured.end {
        CommandEnd::Exited(status) => format!("ended with status {status}"),
        CommandEnd::Signal(number) => format!("was killed by signal {number}"),
        CommandEnd::TimedOut { .. } => format!("was still running after {:.0} s and was ended", captured.duration.as_secs_f64()),
        CommandEnd::NotStarted(reason) => format!("could not be started: {reason}"),
    };
    let (outcome, what) = match (&captured.end, captured.started) {
        (CommandEnd::TimedOut { .. }, true) => {
            (MeasurementOutcome::TimedOut, "the test in the container gave no answer: the container")
        }
        (CommandEnd::TimedOut { .. }, false) => (MeasurementOutcome::TimedOut, "the container did not come to start the test: it"),
        (_, true) => (MeasurementOutcome::Failed, "the test in the container gave no answer: the container"),
        (_, false) => (MeasurementOutcome::NotStarted, "the container"),
    };
    let reason = with_cause(format!("{what} {end}"), &stderr);
    Measurement { reason: Some(reason), stderr, ..blank(Place::Image, opengl, outcome) }
}

fn not_started(opengl: OpenGl, error: &anyhow::Error, stderr: &[String]) -> Measurement {
    let reason = Some(format!("the container was not started: {error:#}"));
    Measurement { reason, stderr: stderr.to_vec(), ..blank(Place::Image, opengl, MeasurementOutcome::NotStarted) }
}

/// Asks the image's own program, because ours cannot run there.
fn by_the_images_own(
    host: &dyn Host,
    facts: &Facts,
    wish: &Wish<'_>,
    opengl: OpenGl,
    limit: Duration,
    why: &str,
) -> Result<Measurement, Interrupted> {
    let display = display(facts) != Some(false);
    let tool = tools::name(display);
    let known = facts.image.as_ref().and_then(|image| image.contents.as_ref()).map(|contents| contents.tools.as_slice());
    let mut told = blank(Place::Image, opengl, MeasurementOutcome::NotStarted);
    if known.is_some_and(|tools| !tools.iter().any(|known| known == tool)) {
        told.reason = Some(format!("{why}; the image has no {tool} that could tell instead"));
        return Ok(told);
    }
    let captured = match start(host, wish, &Request::new(opengl, tools::command(display)), limit)? {
        Ok(captured) => captured,
        Err(error) => return Ok(not_started(opengl, &error, &[])),
    };
    let stderr = stderr_lines(&captured.stderr);
    match tools::read(&String::from_utf8_lossy(&captured.stdout)) {
        Some(context) => {
            let run = judge::finished_run(context);
            let look = look::Look {
                main: look::Probed { interface: crate::probes::graphics::Interface::Glx, after_ms: 0, run },
                others: Vec::new(),
            };
            told = judge(Place::Image, opengl, &look, Times { began: 0 });
            told.outcome = MeasurementOutcome::Works;
            told.reason = None;
            told.startup_ms = u64::try_from(captured.duration.as_millis()).ok();
        }
        None if captured.end == CommandEnd::Exited(127) => {
            told.reason = Some(format!("{why}; the image has no {tool} that could tell instead"));
        }
        None => {
            told = without_answer(opengl, &captured, stderr.clone());
            if captured.end == CommandEnd::Exited(0) {
                told.reason = Some(format!("{why}; the image's own {tool} names no renderer"));
            }
        }
    }
    told.interface = Some(tool.to_owned());
    told.notes.push(format!("{why}, so the image's own {tool} was asked, which draws nothing that could be compared or timed"));
    if told.outcome != MeasurementOutcome::Works {
        told.stderr = stderr;
    }
    Ok(told)
}

/// Starts the container; the inner error tells why it could not be.
fn start(
    host: &dyn Host,
    wish: &Wish<'_>,
    request: &Request,
    limit: Duration,
) -> Result<Result<Captured, anyhow::Error>, Interrupted> {
    let Some(plan) = wish.plan else { return Ok(Err(LaunchError::NoImage.into())) };
    let captured = plan(request).and_then(|plan| Ok(launch::capture(host, &plan, limit)?));
    match captured {
        Ok(Captured { interrupted: Some(signal), .. }) => Err(Interrupted(signal)),
        other => Ok(other),
    }
}

/// Why our own program cannot run in the image, as far as the image's C library tells.
fn too_old(host: &dyn Host, facts: &Facts) -> Option<String> {
    let here = facts.machine.as_ref()?.glibc.as_deref()?;
    let there = facts.image.as_ref()?.contents.as_ref()?.glibc.as_deref()?;
    let version = |text: &str| text.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>();
    // What runs here asks for nothing newer than what is here.
    if version(here)? <= version(there)? {
        return None;
    }
    let needed = needed_glibc(host, &host.own_program().ok()?)?;
    (version(&needed)? > version(there)?).then(|| {
        format!(
            "this casa-doctor was built for the C library {needed} and the image has {there} (a release of casa-doctor runs from 2.17 on)"
        )
    })
}

/// How software rendering is done in this image.
fn software_in_words(facts: &Facts) -> Option<&'static str> {
    match facts.image.as_ref()?.contents.as_ref()?.software_mesa? {
        true => Some("drawn by the OpenGL library in /usr/local/lib/mesa of the image, which needs nothing of the X server"),
        false => Some(
            "drawn by the image's own Mesa with LIBGL_ALWAYS_SOFTWARE=1 and __GLX_VENDOR_LIBRARY_NAME=mesa, since the image has no \
             /usr/local/lib/mesa",
        ),
    }
}
