//! The command line: reads it, calls the parts in their order, tells the exit status.

mod args;
mod conclude;
mod death;
mod decided;
mod diagnose;
mod folder;
mod image_cache;
mod link;
mod measure;
mod offline;
mod repair;
mod run;
mod share;
mod suit;
mod ticket;

use std::ffi::OsStr;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use self::args::{Cli, Command, Format, Options};
use self::link::Asked;
use crate::casa_distro::LocateError;
use crate::host::{Host, LiveHost};
use crate::probes::child;
use crate::report::{ExitStatus, nagios};
use crate::{crash, launch, output};

/// The least time for a probe. Drivers and engines that are read from a disk for the first time need most of it.
const LEAST_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let words = match link::asked(&LiveHost, &words) {
        Asked::CommandLine => words,
        Asked::Launch(words) => words,
        Asked::Nothing(reason) => {
            output::notice(&reason);
            return ExitStatus::NotStarted.into();
        }
    };
    let mut cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no error; clap gives 2 for wrong usage.
            if error.use_stderr() {
                drop(error.print());
                return ExitStatus::Usage.into();
            }
            return match error.print().and_then(|()| output::bytes(&[])) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    output::notice(&error.to_string());
                    ExitStatus::Failed.into()
                }
                _ => ExitStatus::Clean.into(),
            };
        }
    };
    if let Some(Command::Probe { name, args }) = &cli.subcommand {
        return child::main(name, args);
    }
    crash::install(end_by_a_mistake(&cli));
    if cli.options.probe_timeout < LEAST_PROBE_TIMEOUT {
        cli.options.probe_timeout = LEAST_PROBE_TIMEOUT;
        if !cli.options.quiet {
            output::notice("--probe-timeout is taken as 1 second: with less, what is only slow would be called hung");
        }
    }
    // As everywhere, "-" is standard output.
    cli.options.output.take_if(|path| path.as_os_str() == "-");
    let (format, to_file) = (cli.options.format, cli.options.output.is_some());
    match dispatch(cli) {
        Ok(status) => status.into(),
        Err(error) => {
            let message = format!("{:#}", error.error);
            output::notice(&message);
            // A monitor reads standard output and nothing else.
            if format == Format::Nagios && !to_file {
                drop(output::document(&nagios::failure(&message, error.status)));
            }
            error.status.into()
        }
    }
}

/// What a panic outside the probes comes to.
fn end_by_a_mistake(cli: &Cli) -> impl Fn(&PanicHookInfo<'_>) + Send + Sync + use<> {
    let launches = matches!(cli.subcommand, Some(Command::Run(_)));
    let status = if launches { ExitStatus::NotStarted } else { ExitStatus::Failed };
    move |panic| {
        #[cfg(unix)]
        launch::remove_at_a_crash();
        output::notice(&format!("internal error: {}: please report it", crash::in_words(panic)));
        #[expect(clippy::exit, clippy::disallowed_methods, reason = "a panic cannot be returned from")]
        std::process::exit(status.code().into());
    }
}

/// A failure with the exit status that tells it.
#[derive(Debug)]
struct Failure {
    status: ExitStatus,
    error: anyhow::Error,
}

impl Failure {
    /// The command line asks for something that does not exist.
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { status: ExitStatus::Usage, error: error.into() }
    }

    /// The container could not be started.
    fn not_started(error: impl Into<anyhow::Error>) -> Self {
        Self { status: ExitStatus::NotStarted, error: error.into() }
    }
}

/// Every other failure: casa-doctor could not do its work.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { status: ExitStatus::Failed, error: error.into() }
    }
}

fn dispatch(cli: Cli) -> Result<ExitStatus, Failure> {
    let host: Arc<dyn Host> = Arc::new(LiveHost);
    let Cli { options, fix, env, command, subcommand } = cli;
    if subcommand.is_some() && (fix || env.is_some() || !command.is_empty()) {
        return Err(Failure::usage(anyhow::anyhow!(
            "--fix, ENV and -- CMD do not go with a command: give ENV after the command's name"
        )));
    }
    suit::check(&host, &options, fix, subcommand.as_ref(), env.as_deref())?;
    // Whoever starts a container has a word to say about signals.
    #[cfg(unix)]
    if !fix && !options.measure && !matches!(subcommand, Some(Command::Run(_) | Command::Measure { .. } | Command::Undo { .. })) {
        crate::host::end_what_runs_at_a_signal(&launch::ignored(host.as_ref()))?;
    }
    match subcommand {
        None if fix => repair::fix(host, &options, env, command),
        None if !command.is_empty() => Err(Failure::usage(anyhow::anyhow!(
            "a command is started with \"casa-doctor run -- {0}\" or \"casa-doctor --fix -- {0}\"",
            command[0].to_string_lossy()
        ))),
        None => {
            let word = env.clone();
            diagnose::diagnose(host, &options, env).map_err(|failure| perhaps_a_command(failure, word.as_deref()))
        }
        Some(Command::Run(args)) => run::run(host, &options, args),
        Some(Command::Measure { env }) => measure::measure(host, &options, env),
        Some(Command::Undo { env }) => repair::undo(host, &options, env),
        Some(Command::List) => offline::list(&host, &options),
        Some(Command::Explain { log: Some(log), .. }) => offline::explain_log(host.as_ref(), &options, &log),
        Some(Command::Explain { id, .. }) => offline::explain(&host, &options, &id.unwrap_or_default()),
        Some(Command::Record { env, raw }) => diagnose::record(host, &options, env, raw),
        Some(Command::Report { env }) => ticket::report(host, &options, env),
        Some(Command::Completions { shell }) => offline::completions(&options, shell),
        Some(Command::Man) => offline::man(&options),
        Some(Command::Probe { .. }) => Ok(ExitStatus::Usage),
    }
}

/// A misspelt command reads as the name of an environment: names the command that may be meant.
fn perhaps_a_command(failure: Failure, word: Option<&OsStr>) -> Failure {
    let Some(LocateError::NotFound { .. }) = failure.error.downcast_ref() else { return failure };
    let word = word.unwrap_or_default().to_string_lossy().to_lowercase();
    let limit = (word.chars().count() / 3).min(2);
    let program = Cli::command();
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
    let near = commands.map(|name| (strsim::damerau_levenshtein(&word, name), name)).filter(|(distance, _)| *distance <= limit);
    match near.min() {
        Some((_, name)) => {
            let error = anyhow::anyhow!("{:#}; or is the command \"{name}\" meant?", failure.error);
            Failure { error, ..failure }
        }
        None => failure,
    }
}

/// Writes a finished text to where the user wants it.
fn deliver(options: &Options, text: &str) -> Result<(), Failure> {
    deliver_bytes(options, text.as_bytes())
}

/// The same for what need not be text.
fn deliver_bytes(options: &Options, bytes: &[u8]) -> Result<(), Failure> {
    match &options.output {
        None => Ok(output::bytes(bytes)?),
        Some(path) => Ok(output::file_of_bytes(path, bytes)?),
    }
}
