//! `casa-doctor run`: just the launch.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{Connection, Environment, Facts, Image, ProbeId};

use super::args::{Format, Options, RunArgs};
use super::death::{self, Death};
use super::diagnose::{context, request};
use super::{Failure, decided, deliver, image_cache};
use crate::casa_distro;
use crate::catalog::Selection;
use crate::host::Host;
use crate::launch::{self, LaunchError, Plan, Request, Settings, Stdout};
use crate::output;
use crate::probes::collect_for_launch;
use crate::recommend::decision::without_stock;
use crate::recommend::memory::Recall;
use crate::recommend::nvidia::{NvidiaPath, nvidia_path};
use crate::recommend::{OpenGl, predict};
use crate::report::{ExitStatus, json};

/// Probes without which no launch is worked out. The others cost more than they tell, or are asked for by a mode.
const FOR_A_LAUNCH: [ProbeId; 6] =
    [ProbeId::Machine, ProbeId::Session, ProbeId::Environment, ProbeId::X11, ProbeId::Gpu, ProbeId::SshAgent];

/// When a container has started and leaves time to get ready for its end. One that ends before is explained some milliseconds later.
const START: Duration = Duration::from_secs(2);

/// Starts a command in the container and hands on its status.
pub(super) fn run(host: Arc<dyn Host>, options: &Options, args: RunArgs) -> Result<ExitStatus, Failure> {
    let (facts, mode) = facts_and_mode(&host, options, &args)?;
    let environment = environment(&facts)?;
    let request = Request {
        opengl: mode,
        gui: !args.no_gui,
        cwd: args.cwd,
        env: args.variables,
        image: args.image,
        engine: args.engine.map(OsString::from),
        options: args.engine_options,
        root: args.root,
        shown: Vec::new(),
        command: args.command,
    };
    let plan = plan(host.as_ref(), environment, &facts, &request).map_err(Failure::not_started)?;
    if options.dry_run {
        let text = match options.format {
            Format::Json => json::render(&plan.to_json())?,
            _ => format!("{}\n", plan.dry_run_line()),
        };
        deliver(options, &text)?;
        return Ok(ExitStatus::Clean);
    }
    start(host.as_ref(), options, &facts, &plan, Manner { explains: !args.no_diagnosis, stdout: Stdout::Ours })
}

/// How something is started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether it is said what may be the reason when it dies.
    pub(super) explains: bool,
    /// Where its standard output goes.
    pub(super) stdout: Stdout,
}

/// Starts what was planned.
pub(super) fn start(host: &dyn Host, options: &Options, facts: &Facts, plan: &Plan, manner: Manner) -> Result<ExitStatus, Failure> {
    let Manner { explains, stdout } = manner;
    if !options.quiet {
        for warning in &plan.warnings {
            output::notice(warning);
        }
        if options.verbose {
            for note in &plan.notes {
                output::notice(note);
            }
        }
    }
    let get_ready = || {
        if explains {
            drop(std::thread::spawn(|| {
                std::thread::sleep(START);
                casa_doctor_checks::log::prepare();
            }));
        }
    };
    let started = Instant::now();
    let of = |death: Death| if explains { death::explain(facts, &death) } else { None };
    match launch::launch(host, plan, stdout, get_ready) {
        Ok(launch::Ended { status, stderr, by_signal }) => {
            let death =
                Death { status, stderr, was_asked_to: by_signal, started: true, ..Death::new(host, plan, started.elapsed()) };
            if let Some(text) = of(death) {
                output::notice(&text);
            }
            Ok(ExitStatus::of_exit(status))
        }
        Err(error) => {
            // What the engine was not even asked for has its whole reason in the error.
            let stderr = if let LaunchError::NotStarted { stderr, .. } = &error { Some(stderr.clone()) } else { None };
            let told = stderr.and_then(|stderr| of(Death { stderr, ..Death::new(host, plan, started.elapsed()) }));
            Err(Failure::not_started(match told {
                Some(text) => anyhow::anyhow!("{error:#}\ncasa-doctor: {text}"),
                None => error.into(),
            }))
        }
    }
}

/// Works out a launch of an environment.
pub(super) fn plan(host: &dyn Host, environment: &Environment, facts: &Facts, request: &Request) -> Result<Plan, anyhow::Error> {
    let mut loaded = casa_distro::load(host, &environment.directory)?;
    without_stock(&mut loaded.merged);
    let settings = Settings::from_merged(&environment.directory, &loaded.merged);
    let mut plan = launch::plan(host, &settings, facts, request)?;
    plan.warnings.extend(loaded.clashes.iter().map(|clash| {
        let stock = if clash.fatal { "casa_distro itself stops there" } else { "casa_distro itself reads nonsense there" };
        format!("the environment's file and your own give \"{}\" values that do not go together; {stock}", clash.pointer)
    }));
    Ok(plan)
}

/// The environment, or why there is none to start.
pub(super) fn environment(facts: &Facts) -> Result<&Environment, Failure> {
    let search = facts.environment.as_ref();
    match search {
        Some(search) if search.found.is_some() => {}
        Some(search) if !search.candidates.is_empty() => {
            let names: Vec<_> = search.candidates.iter().map(|path| format!("  {}", path.display())).collect();
            return Err(Failure::not_started(anyhow::anyhow!(
                "several environments were found; name one of them:\n{}",
                names.join("\n")
            )));
        }
        None => {
            let run = facts.probes.get(&ProbeId::Environment);
            let why = run.and_then(|run| run.reason.as_deref()).unwrap_or("it was not looked at");
            return Err(Failure::not_started(anyhow::anyhow!("the environment is not known: {why}")));
        }
        _ => {
            return Err(Failure::not_started(anyhow::anyhow!(
                "no casa-distro environment was found: name its directory, or start casa-doctor in it"
            )));
        }
    }
    search.and_then(|search| search.found.as_ref()).ok_or_else(|| Failure::not_started(anyhow::anyhow!("no environment")))
}

/// What a launch needs to know of the machine, and the mode: the one that was asked for, else the one that was decided for
/// this machine and this display, else the one that is predicted.
fn facts_and_mode(host: &Arc<dyn Host>, options: &Options, args: &RunArgs) -> Result<(Facts, OpenGl), Failure> {
    let mut facts = look(host, options, args, &FOR_A_LAUNCH)?;
    let mut mode = args.opengl.map(OpenGl::from);
    let blind = args.no_gui || headless(&facts);
    let mut changed = None;
    if mode.is_none() && !blind {
        match decided::recall(host.as_ref(), &facts) {
            Recall::Nothing => {}
            Recall::Holds(decided) => mode = Some(decided.opengl),
            Recall::Changed { was, what } => changed = Some((was, what)),
        }
    }
    // Without a display and without NVIDIA's driver there is nothing to choose; else the image and the engine have a say.
    let nvidia = facts.gpu.as_ref().is_some_and(|gpu| gpu.nvidia.is_some());
    let chooses = mode.is_none() && (nvidia || !blind);
    if mode == Some(OpenGl::Nv) || (chooses && nvidia) {
        let more = look(host, options, args, &[ProbeId::Environment, ProbeId::Engines, ProbeId::Manifests])?;
        facts.probes.extend(more.probes.get(&ProbeId::Engines).cloned().map(|run| (ProbeId::Engines, run)));
        (facts.engines, facts.manifests) = (more.engines, more.manifests);
    }
    // What is inside another image than the configured one is not known.
    if args.image.is_none() && (chooses || matches!(mode, Some(OpenGl::Nv | OpenGl::Software))) {
        look_into_image(host, options, args, &mut facts)?;
    }
    let mode = mode.or_else(|| if blind { computing(&facts) } else { predict(&facts).map(|found| found.opengl) });
    let mode = mode.unwrap_or(OpenGl::Container);
    if let Some((was, what)) = changed
        && !options.quiet
    {
        output::notice(&format!(
            "the OpenGL mode \"{}\" was decided here, but meanwhile {}: \"{}\" is expected to suit now; \"casa-doctor measure\" tries it out",
            was.word(),
            what.join(", and "),
            mode.word()
        ));
    }
    if options.verbose {
        output::notice(&format!("OpenGL mode \"{}\" is used", mode.word()));
    }
    Ok((facts, mode))
}

/// The mode of a launch that draws nothing: NVIDIA's driver where it can be used, for computing, as stock casa_distro does.
fn computing(facts: &Facts) -> Option<OpenGl> {
    matches!(nvidia_path(facts), NvidiaPath::Coherent { .. }).then_some(OpenGl::Nv)
}

/// Runs these probes and no others.
fn look(host: &Arc<dyn Host>, options: &Options, args: &RunArgs, wanted: &[ProbeId]) -> Result<Facts, Failure> {
    let mut light = request(options, args.environment.clone(), &Selection::default());
    let others = ProbeId::ALL.iter().copied().filter(|probe| !wanted.contains(probe));
    light.skip.extend(others.map(|probe| (probe, "a launch does not need it".to_owned())));
    collect_for_launch(&context(host, options), &light).map_err(Failure::not_started)
}

/// Learns what is inside the image: from an earlier launch, else by looking.
fn look_into_image(host: &Arc<dyn Host>, options: &Options, args: &RunArgs, facts: &mut Facts) -> Result<(), Failure> {
    if let Some(path) = configured_image(host.as_ref(), facts)
        && let Some(contents) = image_cache::recall(host.as_ref(), &path)
    {
        let known =
            Image { path: path.clone(), exists: Some(true), used: Some(path), contents: Some(contents), ..Image::default() };
        facts.image = Some(known);
        return Ok(());
    }
    let more = look(host, options, args, &[ProbeId::Environment, ProbeId::Image])?;
    facts.probes.extend(more.probes.get(&ProbeId::Image).cloned().map(|run| (ProbeId::Image, run)));
    facts.image = more.image;
    // A dry run leaves nothing behind.
    if let Some(image) = facts.image.as_ref().filter(|_| !options.dry_run) {
        image_cache::remember(host.as_ref(), image);
    }
    Ok(())
}

/// The image that a launch would take.
fn configured_image(host: &dyn Host, facts: &Facts) -> Option<PathBuf> {
    let environment = facts.environment.as_ref()?.found.as_ref()?;
    let loaded = casa_distro::load(host, &environment.directory).ok()?;
    let settings = Settings::from_merged(&environment.directory, &loaded.merged);
    casa_distro::look_up_image(host, &environment.directory, settings.image.as_deref()?).used
}

/// Whether there is no display at all.
fn headless(facts: &Facts) -> bool {
    facts.x11.as_ref().is_some_and(|x11| matches!(x11.connection, Connection::NoDisplay))
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{EnvironmentSearch, ProbeEnd, ProbeRun};

    use super::*;

    #[test]
    fn an_environment_that_was_not_seen_in_time_is_not_one_that_is_not_there() {
        let refused = |facts: &Facts| format!("{:#}", environment(facts).err().unwrap().error);
        let reason = Some("the probe did not answer within 1 ms and was abandoned".to_owned());
        let run = ProbeRun { end: ProbeEnd::TimedOut, reason, duration_ms: 1 };
        let mut facts = Facts::default();
        facts.probes.insert(ProbeId::Environment, run);
        assert_eq!(refused(&facts), "the environment is not known: the probe did not answer within 1 ms and was abandoned");
        facts.environment = Some(EnvironmentSearch::default());
        assert!(refused(&facts).starts_with("no casa-distro environment was found"));
    }
}
