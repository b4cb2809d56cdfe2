//! `casa-doctor run`: just the launch.

use std::ffi::OsString;
use std::sync::Arc;

use casa_doctor_checks::facts::{Environment, Facts, ProbeId};

use super::args::{Format, Options, RunArgs};
use super::diagnose::{context, request};
use super::{Failure, deliver};
use crate::casa_distro;
use crate::catalog::Selection;
use crate::host::Host;
use crate::launch::{self, Plan, Request, Settings};
use crate::output;
use crate::probes::collect;
use crate::recommend::{OpenGl, memory, predict};
use crate::report::{ExitStatus, json};

/// Probes without which a launch is worked out all the same: they cost more than they tell.
const NOT_FOR_A_LAUNCH: [ProbeId; 7] =
    [ProbeId::Engines, ProbeId::Image, ProbeId::Glx, ProbeId::EglX11, ProbeId::EglDevice, ProbeId::EglSurfaceless, ProbeId::Vulkan];

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
        options: Vec::new(),
        command: args.command,
    };
    let plan = plan(host.as_ref(), environment, &facts, &request).map_err(Failure::not_started)?;
    if options.dry_run {
        let text = match options.format {
            Format::Json => json::render(&plan.to_json())?,
            Format::Human | Format::Markdown => format!("{}\n", plan.dry_run_line()),
        };
        deliver(options, &text)?;
        return Ok(ExitStatus::Clean);
    }
    start(host.as_ref(), options, &plan)
}

/// Starts what was planned.
pub(super) fn start(host: &dyn Host, options: &Options, plan: &Plan) -> Result<ExitStatus, Failure> {
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
    let ended = launch::launch(host, plan).map_err(Failure::not_started)?;
    Ok(ExitStatus::of_exit(ended.status))
}

/// Works out a launch of an environment.
pub(super) fn plan(host: &dyn Host, environment: &Environment, facts: &Facts, request: &Request) -> Result<Plan, anyhow::Error> {
    let loaded = casa_distro::load(host, &environment.directory)?;
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
        _ => {
            return Err(Failure::not_started(anyhow::anyhow!(
                "no casa-distro environment was found: name its directory, or start casa-doctor in it"
            )));
        }
    }
    search.and_then(|search| search.found.as_ref()).ok_or_else(|| Failure::not_started(anyhow::anyhow!("no environment")))
}

/// What a launch needs to know of the machine, and the mode: the one that was asked for, else the one that was decided for
/// this machine and this display, else the one that is predicted from a full look.
fn facts_and_mode(host: &Arc<dyn Host>, options: &Options, args: &RunArgs) -> Result<(Facts, OpenGl), Failure> {
    let context = context(host, options);
    let mut light = request(options, args.environment.clone(), &Selection::default());
    let reason = "a launch does not need it";
    let asked = args.opengl.map(OpenGl::from);
    // The driver's libraries and the image's own software OpenGL are looked at only by the modes that use them.
    let kept = |probe: ProbeId| match probe {
        ProbeId::Engines => asked == Some(OpenGl::Nv),
        ProbeId::Image => asked == Some(OpenGl::Software),
        _ => false,
    };
    light.skip.extend(NOT_FOR_A_LAUNCH.into_iter().filter(|probe| !kept(*probe)).map(|probe| (probe, reason.to_owned())));
    let facts = collect(&context, &light).map_err(Failure::not_started)?;
    if let Some(mode) = asked {
        return Ok((facts, mode));
    }
    if args.no_gui {
        return Ok((facts, OpenGl::Container));
    }
    if let Some(mode) = decided(&facts)
        && mode == OpenGl::Container
    {
        return Ok((facts, mode));
    }
    let full =
        collect(&context, &request(options, args.environment.clone(), &Selection::default())).map_err(Failure::not_started)?;
    let mode = decided(&full).or_else(|| predict(&full).map(|found| found.opengl)).unwrap_or(OpenGl::Container);
    if options.verbose {
        output::notice(&format!("OpenGL mode \"{}\" is used", mode.word()));
    }
    Ok((full, mode))
}

/// The mode that an earlier `--fix` decided on for this machine and this kind of display.
fn decided(facts: &Facts) -> Option<OpenGl> {
    let value = facts.environment.as_ref()?.found.as_ref()?.file.value.as_ref()?;
    memory::recall(value, facts)
}
