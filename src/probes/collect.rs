//! Running the probes side by side, each with its limit, so that no one of them can hold up or bring down the others.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{Connection, Environment, Facts, Machine, ProbeEnd, ProbeId, ProbeRun, Session, SshAgent};

use super::graphics::Seen;
use super::{
    Context, Purpose, engines, environment, gpu, graphics, image, machine, manifests, session, soma_workflow, ssh_agent, ssh_setup,
    storage, virtualbox, windows, wsl, x11, xquartz,
};
use crate::casa_distro::LocateError;
use crate::crash;
use crate::host::Input;
use crate::redact::hide_secrets;

/// How long after its own limit a probe may still answer before it is abandoned. A probe keeps its limit itself; this is for
/// the one that cannot, such as a file on a dead network disk.
const GRACE: Duration = Duration::from_millis(250);

/// How long nobody minds waiting without a word.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is said again what is waited for.
const TURN: Duration = Duration::from_millis(120);

/// What to look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// The environment as the user named it.
    pub(crate) environment: Option<OsString>,
    /// Probes that are not started, each with the reason.
    pub(crate) skip: Vec<(ProbeId, String)>,
    /// Whether to ask also what has no part in the diagnosis: for a recording, which may be judged by a later version.
    pub(crate) thorough: bool,
    /// When the whole run must be over.
    pub(crate) deadline: Option<Instant>,
    /// Is told which probes are waited for, with the number of the time, and at the end that there is none; `None` to keep quiet.
    pub(crate) tell: Option<fn(&[ProbeId], usize)>,
}

impl Request {
    fn skipped(&self, probe: ProbeId) -> Option<String> {
        let unwanted = self.skip.iter().find(|(skipped, _)| *skipped == probe).map(|(_, reason)| reason.clone());
        unwanted.or_else(|| graphics::unsupported(probe).map(str::to_owned))
    }
}

/// How one probe ended, with the change to the facts that it makes.
struct Answer {
    probe: ProbeId,
    end: ProbeEnd,
    reason: Option<String>,
    duration: Duration,
    write: Box<dyn FnOnce(&mut Facts) + Send>,
}

/// Starts every probe and waits until each has answered or its time is over.
///
/// # Errors
///
/// When the user named an environment that is not there.
pub(crate) fn collect(context: &Context, request: &Request) -> Result<Facts, LocateError> {
    // Each probe leaves out the secrets that it knows of; this is for those that nobody expects where they stand.
    run(context, request, Purpose::Diagnosis).map(hide_secrets)
}

/// The same for a launch: without what no launch depends on, see [`Purpose::Launch`]. It uses the facts and does not tell them:
/// searching every text would take longer than all the rest of it, and a path must stay what it is. Whoever tells them after all has
/// to call [`hide_secrets`].
///
/// # Errors
///
/// As [`collect`].
pub(crate) fn collect_for_launch(context: &Context, request: &Request) -> Result<Facts, LocateError> {
    run(context, request, Purpose::Launch)
}

fn run(context: &Context, request: &Request, purpose: Purpose) -> Result<Facts, LocateError> {
    let started = Instant::now();
    let (sender, receiver) = mpsc::channel::<Answer>();
    let (refusal_sender, refusal) = mpsc::channel::<LocateError>();
    let mut starter = Starter { context, request, sender, pending: Vec::new() };

    // First what takes longest: the graphics drivers, then the X server's answer, which they wait for; in a launch, the cards.
    let (tell, display) = mpsc::channel();
    starter.start_graphics(display);
    let held = starter.start_display(tell);
    match purpose {
        Purpose::Diagnosis => {
            starter.start_cards();
            starter.start(ProbeId::Machine, |context| tell_machine(machine::probe(context)));
            starter.start(ProbeId::Session, |context| tell_session(session::probe(context)));
            starter.start(ProbeId::SshAgent, |context| tell_agent(ssh_agent::probe(context)));
        }
        Purpose::Launch => starter.start_in_turn(),
    }
    let named = request.environment.clone();
    starter.start(ProbeId::SshSetup, move |context| {
        let facts = ssh_setup::probe(context, named.as_deref());
        Box::new(move |all| all.ssh_setup = Some(facts))
    });
    let named = request.environment.clone();
    starter.start(ProbeId::SomaWorkflow, move |context| {
        let facts = soma_workflow::probe(context, named.as_deref());
        Box::new(move |all| all.soma_workflow = Some(facts))
    });
    let named = request.environment.clone();
    starter.start(ProbeId::Storage, move |context| {
        let facts = storage::probe(context, named.as_deref());
        Box::new(move |all| all.storage = Some(facts))
    });
    starter.start(ProbeId::Manifests, |context| {
        let facts = manifests::probe(context);
        Box::new(move |all| all.manifests = Some(facts))
    });
    starter.start_where_there_is_one(ProbeId::Xquartz, |context| {
        let facts = xquartz::probe(context, std::env::consts::OS)?;
        Ok(Box::new(move |all| all.xquartz = Some(facts)))
    });
    starter.start_where_there_is_one(ProbeId::Wsl, |context| {
        let facts = wsl::probe(context)?;
        Ok(Box::new(move |all| all.wsl = Some(facts)))
    });
    starter.start_where_there_is_one(ProbeId::Windows, |context| {
        let facts = windows::probe(context, std::env::consts::OS)?;
        Ok(Box::new(move |all| all.windows = Some(facts)))
    });
    starter.start_where_there_is_one(ProbeId::Virtualbox, |context| {
        let facts = virtualbox::probe(context)?;
        Ok(Box::new(move |all| all.virtualbox = Some(facts)))
    });
    let container_type = starter.start_environment(refusal_sender);
    let thorough = request.thorough;
    starter.start(ProbeId::Engines, move |context| {
        let known = || if thorough { None } else { container_type.recv_timeout(SOON).ok() };
        let facts = engines::probe(context, known);
        Box::new(move |all| all.engines = Some(facts))
    });

    let facts = starter.gather(&receiver, started);
    // The connection to the X server outlives the children: a server that resets when its last client leaves would
    // otherwise shut out those that are just connecting.
    drop(held);
    match refusal.try_recv() {
        Ok(error) => Err(error),
        Err(_) => Ok(facts),
    }
}

type Write = Box<dyn FnOnce(&mut Facts) + Send>;

fn tell_machine(facts: Machine) -> Write {
    Box::new(move |all| all.machine = Some(facts))
}

fn tell_session(facts: Session) -> Write {
    Box::new(move |all| all.session = Some(facts))
}

fn tell_agent(facts: SshAgent) -> Write {
    Box::new(move |all| all.ssh_agent = Some(facts))
}

/// Starts probes in threads and remembers which have not answered yet.
struct Starter<'a> {
    context: &'a Context,
    request: &'a Request,
    sender: Sender<Answer>,
    /// Probes that have not answered, with the number of limits that they may use up (one for each probe they wait for).
    pending: Vec<(ProbeId, u32)>,
}

impl Starter<'_> {
    fn start(&mut self, probe: ProbeId, work: impl FnOnce(&Context) -> Write + Send + 'static) {
        self.pending.push((probe, 1));
        if let Some(reason) = self.request.skipped(probe) {
            send(&self.sender, probe, skipped(reason));
            return;
        }
        let (context, sender) = (self.context.clone(), self.sender.clone());
        thread::spawn(move || guarded(&sender, probe, &[], || Done::answered(work(&context))));
    }

    /// Those of some probes that are not skipped; the others are told so.
    fn wanted(&self, probes: &[ProbeId]) -> Vec<ProbeId> {
        let (skipped_ones, wanted): (Vec<ProbeId>, Vec<ProbeId>) =
            probes.iter().partition(|probe| self.request.skipped(**probe).is_some());
        for probe in skipped_ones {
            send(&self.sender, probe, skipped(self.request.skipped(probe).unwrap_or_default()));
        }
        wanted
    }

    /// A probe of something that most machines do not have; its error is the reason for which it is skipped.
    fn start_where_there_is_one(&mut self, probe: ProbeId, work: impl FnOnce(&Context) -> Result<Write, String> + Send + 'static) {
        self.pending.push((probe, 1));
        if let Some(reason) = self.request.skipped(probe) {
            send(&self.sender, probe, skipped(reason));
            return;
        }
        let (context, sender) = (self.context.clone(), self.sender.clone());
        thread::spawn(move || guarded(&sender, probe, &[], || work(&context).map_or_else(skipped, Done::answered)));
    }

    /// The cards, and after them NVIDIA's management library, where there is any part of NVIDIA's driver.
    fn start_cards(&mut self) {
        self.pending.extend([(ProbeId::Gpu, 1), (ProbeId::Nvml, 2)]);
        let (skip_gpu, skip_nvml) = (self.request.skipped(ProbeId::Gpu), self.request.skipped(ProbeId::Nvml));
        let (context, sender) = (self.context.clone(), self.sender.clone());
        thread::spawn(move || {
            let mut found = None;
            guarded(&sender, ProbeId::Gpu, &[ProbeId::Nvml], || match skip_gpu {
                Some(reason) => skipped(reason),
                None => {
                    let facts = gpu::probe(&context, Purpose::Diagnosis);
                    found = Some(facts.clone());
                    Done::answered(Box::new(move |all| all.gpu = Some(facts)))
                }
            });
            guarded(&sender, ProbeId::Nvml, &[], || match (skip_nvml, found) {
                (Some(reason), _) => skipped(reason),
                (None, None) => skipped("the graphics cards were not looked at".into()),
                (None, Some(gpu)) if gpu.nvidia.is_none() => skipped("there is no part of NVIDIA's driver".into()),
                (None, Some(_)) => {
                    let facts = graphics::probe_nvml(&context);
                    Done::answered(Box::new(move |all| all.nvml = Some(facts)))
                }
            });
        });
    }

    /// For a launch: the cards, the machine and the session, which are read from local files within a millisecond, and last the agent,
    /// which may hang; one after another, since a thread for each would take longer.
    fn start_in_turn(&mut self) {
        self.pending.push((ProbeId::Nvml, 1));
        send(&self.sender, ProbeId::Nvml, skipped("a launch does not need it".into()));
        let wanted = [ProbeId::Gpu, ProbeId::Machine, ProbeId::Session, ProbeId::SshAgent];
        self.pending.extend(wanted.map(|probe| (probe, 1)));
        let wanted = self.wanted(&wanted);
        if wanted.is_empty() {
            return;
        }
        let (context, sender) = (self.context.clone(), self.sender.clone());
        thread::spawn(move || {
            let mut look_at_machine: fn(&Context) -> Machine = machine::probe;
            for (probe, next) in wanted.iter().zip(1..) {
                guarded(&sender, *probe, &wanted[next..], || {
                    Done::answered(match probe {
                        ProbeId::Gpu => {
                            let facts = gpu::probe(&context, Purpose::Launch);
                            if facts.nvidia.is_none() {
                                look_at_machine = machine::probe_without_glibc;
                            }
                            Box::new(move |all| all.gpu = Some(facts))
                        }
                        ProbeId::Machine => tell_machine(look_at_machine(&context)),
                        ProbeId::Session => tell_session(session::probe(&context)),
                        _ => tell_agent(ssh_agent::probe(&context)),
                    })
                });
            }
        });
    }

    /// The environment, and after it the image that it names. Gives the environment's `container_type`, if it has one.
    fn start_environment(&mut self, refusal: Sender<LocateError>) -> mpsc::Receiver<String> {
        let (tell, container_type) = mpsc::channel();
        self.pending.extend([(ProbeId::Environment, 1), (ProbeId::Image, 2)]);
        let skip_image = self.request.skipped(ProbeId::Image);
        if let Some(reason) = self.request.skipped(ProbeId::Environment) {
            send(&self.sender, ProbeId::Environment, skipped(reason.clone()));
            send(&self.sender, ProbeId::Image, skipped(reason));
            return container_type;
        }
        let (context, sender, named) = (self.context.clone(), self.sender.clone(), self.request.environment.clone());
        thread::spawn(move || {
            let mut found = None;
            guarded(&sender, ProbeId::Environment, &[ProbeId::Image], || match environment::probe(&context, named.as_deref()) {
                Ok(search) => {
                    found = search.found.clone();
                    if let Some(kind) = found.as_ref().and_then(container_type_of) {
                        // Whoever wanted to know may have stopped waiting.
                        let _ = tell.send(kind);
                    }
                    Done::answered(Box::new(move |all| all.environment = Some(search)))
                }
                Err(error) => {
                    let reason = error.to_string();
                    // The receiver waits for every answer before it looks here.
                    drop(refusal.send(error));
                    skipped(reason)
                }
            });
            guarded(&sender, ProbeId::Image, &[], || match (skip_image, found) {
                (Some(reason), _) => skipped(reason),
                (None, None) => skipped("there is no environment that names an image".into()),
                (None, Some(environment)) if !names_an_image(&environment) => skipped("the configuration names no image".into()),
                (None, Some(environment)) => {
                    let facts = image::probe(&context, &environment);
                    Done::answered(Box::new(move |all| all.image = Some(facts)))
                }
            });
        });
        container_type
    }

    /// The X server. Gives the connection that is to be held, and tells what it means for those that need a display.
    fn start_display(&mut self, tell: Sender<Display>) -> mpsc::Receiver<x11::Held> {
        let (hold, held) = mpsc::channel();
        self.pending.push((ProbeId::X11, 1));
        if let Some(reason) = self.request.skipped(ProbeId::X11) {
            // Nobody may wait for it.
            let _ = tell.send(Display::Skipped(reason.clone()));
            send(&self.sender, ProbeId::X11, skipped(reason));
            return held;
        }
        let (context, sender) = (self.context.clone(), self.sender.clone());
        thread::spawn(move || {
            guarded(&sender, ProbeId::X11, &[], || {
                let (facts, connection) = x11::probe(&context);
                if let Some(connection) = connection {
                    // The run may be over already.
                    let _ = hold.send(connection);
                }
                let _ = tell.send(Display::of(&facts.connection));
                Done::answered(Box::new(move |all| all.x11 = Some(facts)))
            });
        });
        held
    }

    /// The tests that load graphics drivers: all in one process where the X server answers at once, as it does on a healthy machine.
    fn start_graphics(&mut self, display: mpsc::Receiver<Display>) {
        const ON_DISPLAY: [ProbeId; 2] = [ProbeId::Glx, ProbeId::EglX11];
        const WITHOUT: [ProbeId; 3] = [ProbeId::EglSurfaceless, ProbeId::EglDevice, ProbeId::Vulkan];
        self.pending.extend(ON_DISPLAY.map(|probe| (probe, 2)));
        self.pending.extend(WITHOUT.map(|probe| (probe, 1)));
        let (on_display, without) = (self.wanted(&ON_DISPLAY), self.wanted(&WITHOUT));
        if on_display.is_empty() && without.is_empty() {
            return;
        }
        let graphics = Graphics { context: self.context.clone(), sender: self.sender.clone() };
        let crashed = crashed(&graphics.sender, &[on_display.as_slice(), &without].concat());
        thread::spawn(move || crash::guard(crashed, || graphics.look(display, on_display, without)));
    }

    /// Waits for the answers.
    fn gather(self, receiver: &mpsc::Receiver<Answer>, started: Instant) -> Facts {
        let Self { context, request, sender, mut pending } = self;
        // Without a sender of our own, threads that all died would be noticed.
        drop(sender);
        let mut facts = Facts::default();
        let due = |limits: u32| {
            let own = started + context.limit * limits + GRACE;
            request.deadline.map_or(own, |deadline| deadline.min(own))
        };
        let mut turns = 0;
        while let Some(due_next) = pending.iter().map(|(_, limits)| due(*limits)).min() {
            let tell_at = started + if turns == 0 { PATIENCE } else { PATIENCE + TURN * u32::try_from(turns).unwrap_or(u32::MAX) };
            let next = if request.tell.is_some() { due_next.min(tell_at) } else { due_next };
            match receiver.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(answer) => {
                    pending.retain(|(probe, _)| *probe != answer.probe);
                    let duration_ms = u64::try_from(answer.duration.as_millis()).unwrap_or(u64::MAX);
                    facts.probes.insert(answer.probe, ProbeRun { end: answer.end, reason: answer.reason, duration_ms });
                    (answer.write)(&mut facts);
                }
                Err(error) => {
                    let now = Instant::now();
                    if let Some(tell) = request.tell.filter(|_| now >= tell_at && error == RecvTimeoutError::Timeout) {
                        let probes: Vec<ProbeId> = pending.iter().map(|(probe, _)| *probe).collect();
                        tell(&probes, turns);
                        turns += 1;
                    }
                    let lost = error == RecvTimeoutError::Disconnected;
                    pending.retain(|(probe, limits)| {
                        let late = lost || due(*limits) <= now;
                        if late {
                            facts.probes.insert(*probe, abandoned(now - started, lost));
                        }
                        !late
                    });
                }
            }
        }
        if let Some(tell) = request.tell.filter(|_| turns > 0) {
            tell(&[], turns);
        }
        facts
    }
}

fn container_type_of(environment: &Environment) -> Option<String> {
    environment.merged.as_ref()?.get("container_type")?.as_str().map(str::to_owned)
}

fn names_an_image(environment: &Environment) -> bool {
    environment.merged.as_ref().and_then(|merged| merged.get("image")).is_some_and(serde_json::Value::is_string)
}

fn abandoned(after: Duration, lost: bool) -> ProbeRun {
    let (end, reason) = if lost {
        (ProbeEnd::Crashed, "the probe ended without an answer".to_owned())
    } else {
        (ProbeEnd::TimedOut, format!("the probe did not answer within {} and was abandoned", in_words(after)))
    };
    ProbeRun { end, reason: Some(reason), duration_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX) }
}

/// `4.0 s`, `50 ms`.
fn in_words(time: Duration) -> String {
    if time < Duration::from_millis(100) { format!("{} ms", time.as_millis()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

/// What a probe's thread has to say.
struct Done {
    end: ProbeEnd,
    reason: Option<String>,
    write: Write,
}

impl Done {
    fn answered(write: Write) -> Self {
        Self { end: ProbeEnd::Answered, reason: None, write }
    }
}

fn skipped(reason: String) -> Done {
    Done { end: ProbeEnd::Skipped, reason: Some(reason), write: Box::new(|_| ()) }
}

fn send(sender: &Sender<Answer>, probe: ProbeId, done: Done) {
    let Done { end, reason, write } = done;
    // Nobody waits any more for a probe that was abandoned.
    let _ = sender.send(Answer { probe, end, reason, duration: Duration::ZERO, write });
}

/// Does a probe's work and sends what came of it, a panic included, after which this thread stops: none of the probes in `after`,
/// which come in it later, gives an answer then.
fn guarded(sender: &Sender<Answer>, probe: ProbeId, after: &[ProbeId], work: impl FnOnce() -> Done) {
    let started = Instant::now();
    let done = crash::guard(crashed(sender, &[&[probe], after].concat()), work);
    let Done { end, reason, write } = done;
    // Nobody waits any more for a probe that was abandoned.
    let _ = sender.send(Answer { probe, end, reason, duration: started.elapsed(), write });
}

/// Says of probes that they ended by a mistake of ours.
fn crashed(sender: &Sender<Answer>, probes: &[ProbeId]) -> impl Fn(&str) + Send + Sync + use<> {
    let (sender, probes) = (sender.clone(), probes.to_vec());
    move |what| {
        for probe in &probes {
            let reason = Some(format!("internal error in the probe: {what}"));
            send(&sender, *probe, Done { end: ProbeEnd::Crashed, reason, write: Box::new(|_| ()) });
        }
    }
}

/// How long a probe waits for another one that answers at once on a healthy machine and could save it work.
const SOON: Duration = Duration::from_millis(50);

/// What the thread needs that starts the tests of graphics.
#[derive(Clone)]
struct Graphics {
    context: Context,
    sender: Sender<Answer>,
}

impl Graphics {
    /// All in one process, which loads a driver while the X server is still asked. It goes on to the display where the server
    /// answers at once and lets programs in with the cookie that they send anyway; else there is a second process for the display.
    fn look(self, display: mpsc::Receiver<Display>, on_display: Vec<ProbeId>, without: Vec<ProbeId>) {
        let started = Instant::now();
        let (begun, when) = Input::later();
        let all = [without.as_slice(), &on_display].concat();
        let together = {
            let (context, all) = (self.context.clone(), all.clone());
            thread::spawn(crash::shared(move || graphics::probe_together(&context, &all, None, when)))
        };
        let soon = display.recv_timeout(SOON);
        let as_programs_do = soon.as_ref().ok().filter(|display| self.lets_programs_in(display)).map(Display::authority);
        let (tests, authority) = match as_programs_do {
            Some(authority) => {
                graphics::may_draw(&begun);
                (all, authority)
            }
            None => {
                drop(begun);
                let graphics = self.clone();
                thread::spawn(crash::shared(move || {
                    let known = if let Err(RecvTimeoutError::Timeout) = soon { display.recv().ok() } else { soon.ok() };
                    let display = known.unwrap_or(Display::Unknown);
                    graphics.run(&graphics.usable(&display, on_display), display.authority(), Instant::now());
                }));
                (without, None)
            }
        };
        self.answer(&tests, together.join().unwrap_or_default(), authority, started);
    }

    /// Whether the server lets programs in that know nothing but their environment.
    fn lets_programs_in(&self, display: &Display) -> bool {
        let usual = || x11::authority_of_programs(self.context.host.as_ref());
        matches!(display, Display::Usable { authority } if authority.is_none() || *authority == usual())
    }

    /// The tests that this display allows; the others are skipped.
    fn usable(&self, display: &Display, tests: Vec<ProbeId>) -> Vec<ProbeId> {
        match display.why_not() {
            None => tests,
            Some(reason) => {
                for test in tests {
                    send(&self.sender, test, skipped(reason.clone()));
                }
                Vec::new()
            }
        }
    }

    /// Makes the tests together, and each alone that is not answered by that. The limit counts from `started`.
    fn run(&self, tests: &[ProbeId], authority: Option<PathBuf>, started: Instant) {
        let known = graphics::probe_together(&self.context, tests, authority.as_deref(), graphics::at_once());
        self.answer(tests, known, authority, started);
    }

    /// Tells what is known, and makes every other test alone.
    fn answer(&self, tests: &[ProbeId], mut known: BTreeMap<ProbeId, Seen>, authority: Option<PathBuf>, started: Instant) {
        for &test in tests {
            let seen = known.remove(&test);
            let Self { mut context, sender } = self.clone();
            let authority = authority.clone();
            let work = move || {
                guarded(&sender, test, &[], || {
                    context.limit = context.limit.saturating_sub(started.elapsed());
                    let seen = seen.unwrap_or_else(|| graphics::probe_alone(&context, test, authority.as_deref()));
                    Done::answered(Box::new(move |all| seen.write(test, all)))
                });
            };
            thread::spawn(work);
        }
    }
}

/// What the X probe means for the probes that need a display.
enum Display {
    Skipped(String),
    Usable { authority: Option<PathBuf> },
    None,
    Refused,
    Unknown,
}

impl Display {
    fn of(connection: &Connection) -> Self {
        match connection {
            Connection::Connected(server) => Self::Usable { authority: server.cookie_from.clone() },
            Connection::NoDisplay => Self::None,
            Connection::Malformed { .. } | Connection::Failed(_) => Self::Refused,
        }
    }

    fn why_not(&self) -> Option<String> {
        match self {
            Self::Usable { .. } => None,
            Self::Skipped(reason) => Some(reason.clone()),
            Self::None => Some("DISPLAY is not set".into()),
            Self::Refused => Some("the X server cannot be reached".into()),
            Self::Unknown => Some("the X server was not looked at".into()),
        }
    }

    fn authority(&self) -> Option<PathBuf> {
        match self {
            Self::Usable { authority } => authority.clone(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_ours_is_told_of_every_probe_that_it_leaves_without_an_answer() {
        let (sender, receiver) = mpsc::channel();
        crashed(&sender, &[ProbeId::Environment, ProbeId::Image])("index out of bounds");
        drop(sender);
        let told: Vec<_> = receiver.iter().map(|answer| (answer.probe, answer.end, answer.reason.unwrap_or_default())).collect();
        let reason = "internal error in the probe: index out of bounds".to_owned();
        assert_eq!(told, [(ProbeId::Environment, ProbeEnd::Crashed, reason.clone()), (ProbeId::Image, ProbeEnd::Crashed, reason)]);
    }
}
