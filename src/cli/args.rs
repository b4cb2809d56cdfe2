//! The options and commands, as clap reads them. Completions and the manual page come from here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::recommend::OpenGl;
use crate::report::FailOn;
use crate::report::style::ColorChoice;

/// Shown under `--help`.
const AFTER_HELP: &str = "\
Exit status:
  0    nothing at or above --fail-on (after --fix: what is left)
  1    problems found
  2    wrong usage
  3    casa-doctor itself could not do its work
  run and --fix -- CMD end with the command's own status; 125 when the container could not be started

Examples:
  casa-doctor                                look at this machine and this environment
  casa-doctor ~/casa_distro/brainvisa-5.1    look at that environment
  casa-doctor --measure                      the same, and try every OpenGL mode in the image
  casa-doctor --fix                          write a fixed casa_distro.json and try it
  casa-doctor --fix -- anatomist             the same, then start anatomist in the container
  casa-doctor run -- anatomist               just start it
  casa-doctor explain x11-cookie-missing     what a finding means
  casa-doctor report -o ticket.zip           everything that a support ticket needs
  casa-doctor --baseline known.json          fail on new findings only";

/// Finds out why a window, a 3D view or an ssh key does not work in a casa-distro container, and cures it.
#[derive(Debug, Parser)]
#[command(name = "casa-doctor", version, after_help = AFTER_HELP, max_term_width = 100, subcommand_precedence_over_arg = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,

    /// Repair: write a fixed casa_distro.json, start the container, look again
    #[arg(long)]
    pub(crate) fix: bool,

    /// Environment directory, casa_distro.json, or name of an environment under the base directory
    pub(crate) env: Option<OsString>,

    /// With --fix: the command to start in the container afterwards
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,

    #[command(subcommand)]
    pub(crate) subcommand: Option<Command>,
}

/// The commands besides the diagnosis.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a command in the container, in the OpenGL mode that was decided for this machine and this display
    Run(RunArgs),
    /// Try every OpenGL mode in the image, on this display, and say which one to use
    Measure {
        /// Environment directory, casa_distro.json, or name of an environment
        env: Option<OsString>,
    },
    /// Put back what the last --fix changed
    Undo {
        /// Environment directory, casa_distro.json, or name of an environment
        env: Option<OsString>,
    },
    /// List every check and every finding
    List,
    /// Explain a check or a finding, or the error output of a program
    Explain {
        /// Id of a check or a finding
        #[arg(required_unless_present = "log", conflicts_with = "log")]
        id: Option<String>,
        /// Name the known failures in a program's error output (- reads standard input)
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
    /// Save the facts of this machine, to be judged elsewhere with --replay
    Record {
        /// Environment directory, casa_distro.json, or name of an environment
        env: Option<OsString>,
        /// Save them as they are, with the names of users, machines and home directories
        #[arg(long, conflicts_with_all = ["redact", "hide", "redaction_map"])]
        raw: bool,
    },
    /// Write a support ticket without names and secrets: -o FILE.zip, FILE.md or FILE.html
    Report {
        /// Environment directory, casa_distro.json, or name of an environment
        env: Option<OsString>,
    },
    /// Print a script that completes casa-doctor's command line in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Look at one thing in a process of its own (for casa-doctor itself)
    #[command(name = "__probe", hide = true)]
    Probe {
        /// Which
        name: String,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// What `run` takes.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Environment directory, casa_distro.json, or name of an environment
    #[arg(value_name = "ENV")]
    pub(crate) environment: Option<OsString>,
    /// OpenGL mode; without it the one that was decided for this machine and this display
    #[arg(long, value_name = "MODE")]
    pub(crate) opengl: Option<Mode>,
    /// No display in the container
    #[arg(long)]
    pub(crate) no_gui: bool,
    /// Working directory in the container
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// A variable for the container; may be given several times
    #[arg(long = "env", value_name = "K=V", value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,
    /// Another image than the configured one
    #[arg(long, value_name = "PATH")]
    pub(crate) image: Option<PathBuf>,
    /// Another engine than the first one on PATH: apptainer, singularity, or the path of one
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Option<String>,
    /// An option for the engine, such as --engine-option=--writable-tmpfs; may be given several times
    #[arg(long = "engine-option", value_name = "OPT", allow_hyphen_values = true)]
    pub(crate) engine_options: Vec<String>,
    /// Start the engine as root, through sudo
    #[arg(long)]
    pub(crate) root: bool,
    /// Say nothing about the reason when the command fails
    #[arg(long)]
    pub(crate) no_diagnosis: bool,
    /// The command and its arguments; a shell without one
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How the report is written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    /// Write the report to a file (- is standard output)
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only these checks, findings or categories (comma-separated, * and ? allowed)
    #[arg(long, global = true, value_name = "ID", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Not these
    #[arg(long, global = true, value_name = "ID", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    /// The least severity that makes the exit status 1
    #[arg(long, global = true, value_name = "LEVEL", default_value = "error")]
    pub(crate) fail_on: FailOn,
    /// Known findings that do not make the exit status 1
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write everything that is found to a baseline, which accepts it from then on
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Judge a recording instead of this machine, or every recording of a folder
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
    /// Limit of the whole run, without the program that it starts
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<Duration>,
    /// When the run began.
    #[arg(skip = Instant::now())]
    pub(crate) began: Instant,
    /// Limit of each probe, at least 1
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true, default_value = "4")]
    pub(crate) probe_timeout: Duration,
    /// Compare the image's checksum with its metadata, too (reads the whole image)
    #[arg(long, global = true)]
    pub(crate) checksum: bool,
    /// Try every OpenGL mode inside the image, too (starts the container once for each)
    #[arg(long, global = true)]
    pub(crate) measure: bool,
    /// Limit of each OpenGL mode that is tried
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true, default_value = "20")]
    pub(crate) measure_timeout: Duration,
    /// Try also the OpenGL modes that cannot work here
    #[arg(long, global = true)]
    pub(crate) all_modes: bool,
    /// Load no graphics driver
    #[arg(long, global = true)]
    pub(crate) no_graphics: bool,
    /// Start none of the site's plug-ins (casa-doctor-check-NAME)
    #[arg(long, global = true)]
    pub(crate) no_plugins: bool,
    /// Take out what is private from human and json, too: names of users, machines and home directories, addresses, keys
    #[arg(long, global = true)]
    pub(crate) redact: bool,
    /// Take out this word, too, such as the name of another directory; may be given several times
    #[arg(long, global = true, value_name = "WORD")]
    pub(crate) hide: Vec<String>,
    /// Write what each stand-in stands for to a file that only you can read
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) redaction_map: Option<PathBuf>,
    /// With --fix, run and undo: show what would be done, change and start nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Answer every question with yes
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// Print nothing when nothing is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Tell more: passed and skipped checks, facts, durations
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

impl Options {
    /// When the whole run must be over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout.map(|limit| self.began + limit)
    }
}

/// Renderings of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person at a terminal
    Human,
    /// For programs; the schema is docs/schema/report.json
    Json,
    /// For tickets
    Markdown,
    /// For a browser: one file that needs nothing else
    Html,
    /// For the test pages of CI servers
    Junit,
    /// For code hosts and editors: SARIF 2.1.0
    Sarif,
    /// For GitHub Actions: annotations of the run
    Github,
    /// For Nagios, Icinga and the like: one line with performance data
    Nagios,
}

impl Format {
    /// Whether other lines may stand before and after the report.
    pub(crate) const fn is_prose(self) -> bool {
        matches!(self, Self::Human | Self::Markdown)
    }

    /// The word for it on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// OpenGL modes that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The host's NVIDIA driver
    Nv,
    /// The image's own Mesa
    Container,
    /// Software rendering
    Software,
}

impl From<Mode> for OpenGl {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Nv => Self::Nv,
            Mode::Container => Self::Container,
            Mode::Software => Self::Software,
        }
    }
}

/// A positive number of seconds, fractions allowed.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number of seconds, such as 4 or 0.5".to_owned())?;
    if number.is_nan() || number <= 0.0 {
        return Err("expected more than 0 seconds".into());
    }
    // A day is longer than anybody waits, and short enough to be added to any clock.
    Duration::try_from_secs_f64(number.min(86_400.0)).map_err(|error| error.to_string())
}

/// `NAME=value`; the value may hold further equals signs, which stock casa_distro refuses.
fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains(char::is_whitespace) => Ok((name.into(), value.into())),
        _ => Err("expected NAME=value".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_variable_may_hold_equals_signs() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(variable("A").is_err() && variable("=b").is_err() && variable("A B=c").is_err());
    }

    #[test]
    fn limits_are_positive_numbers() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "NaN", "x", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
