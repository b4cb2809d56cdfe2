//! The wire document: what `--format json` prints. Its keys, their order and their words are public; an unknown is `null`
//! and a key never goes away. The structs are copies made for the wire, so that the inside may change.

use std::collections::BTreeMap;

use casa_doctor_checks::check::Category;
use casa_doctor_checks::facts::Facts;
use casa_doctor_checks::finding::{Edit, Safety, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::status::ExitStatus;
use crate::recommend::{MeasurementOutcome, OpenGl, Place, Recommendation, RendererClass};

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "casa-doctor report")]
pub(crate) struct Document {
    /// Version of this format.
    pub(crate) schema_version: SchemaVersion,
    /// The program that wrote it.
    pub(crate) tool: Tool,
    /// When, as RFC 3339 writes it, in UTC.
    pub(crate) generated_at: String,
    /// Whether this machine was looked at, or a recording of one.
    pub(crate) source: Source,
    /// The machine in short; `facts` has the rest.
    pub(crate) machine: MachineDoc,
    /// The casa-distro environment; `null` when there is none, or none was chosen among several.
    pub(crate) environment: Option<EnvironmentDoc>,
    /// What was seen, without judgement.
    pub(crate) facts: Facts,
    /// Every check and how it ended, in the order of the registry.
    pub(crate) checks: Vec<CheckDoc>,
    /// What is wrong, most important first.
    pub(crate) findings: Vec<FindingDoc>,
    /// The OpenGL mode to use; `null` when none was asked for or none can be told.
    pub(crate) recommendation: Option<Recommendation>,
    /// OpenGL modes that were tried out.
    pub(crate) measurements: Vec<MeasurementDoc>,
    /// What `--fix` changes.
    pub(crate) plan: PlanDoc,
    /// The launch; `null` when nothing was launched.
    pub(crate) launch: Option<LaunchDoc>,
    /// The exit status of the process that wrote this.
    pub(crate) exit_status: ExitStatus,
}

/// Version of the document's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum SchemaVersion {
    /// The first.
    #[serde(rename = "1")]
    V1,
}

/// The program that wrote a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tool {
    /// `casa-doctor`.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

impl Tool {
    /// This program.
    pub(crate) fn this() -> Self {
        Self { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// Where the facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// This machine, now.
    Live,
    /// A recording.
    Recording,
}

/// The machine and the session in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MachineDoc {
    /// `linux`, `macos` or `windows`.
    pub(crate) os: Option<String>,
    /// Kernel release.
    pub(crate) kernel: Option<String>,
    /// Processor architecture.
    pub(crate) arch: Option<String>,
    /// The distribution as it calls itself, such as `Debian GNU/Linux 12 (bookworm)`.
    pub(crate) distribution: Option<String>,
    /// Name of the machine.
    pub(crate) hostname: Option<String>,
    /// Kind of session (`x11`, `wayland`, `tty`).
    pub(crate) session: Option<String>,
    /// `DISPLAY`.
    pub(crate) display: Option<String>,
    /// Whether the session came by ssh.
    pub(crate) ssh: Option<bool>,
    /// Version of the C library.
    pub(crate) glibc: Option<String>,
    /// Memory, in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// Version of the Windows Subsystem for Linux, inside one.
    pub(crate) wsl: Option<u8>,
    /// The hypervisor, in a virtual machine.
    pub(crate) hypervisor: Option<String>,
    /// The container that casa-doctor ran in, if any.
    pub(crate) inside_container: Option<String>,
}

/// One OpenGL mode, tried out; `facts` has more about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MeasurementDoc {
    /// The mode; `none` on the machine itself, which has no modes.
    pub(crate) opengl: OpenGl,
    /// Where it was tried.
    #[serde(rename = "where")]
    pub(crate) place: Place,
    /// How that ended.
    pub(crate) outcome: MeasurementOutcome,
    /// GL_RENDERER; `null` without a context.
    pub(crate) renderer: Option<String>,
    /// What that string means.
    pub(crate) renderer_class: RendererClass,
    /// GL_VERSION; `null` without a context.
    pub(crate) gl_version: Option<String>,
    /// Whether every pixel of the test pictures has the colour it must have; `null` when nothing could be read back.
    pub(crate) pixels_correct: Option<bool>,
    /// Pictures of the test mesh (about 150,000 lit triangles) per second; `null` when it was not timed.
    pub(crate) frames_per_second: Option<f64>,
    /// Time from the start of the container (or of the test, on the machine itself) to the first finished picture, in
    /// milliseconds.
    pub(crate) startup_ms: Option<u64>,
    /// What was written to standard error meanwhile, bounded, one line each.
    pub(crate) stderr: Vec<String>,
    /// The picture of the mesh, 256 × 256 pixels, as a URI `data:image/png;base64,…` of some 50 kB that a web page can show as it
    /// is; `null` when none was drawn.
    pub(crate) picture: Option<String>,
}

/// The environment in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct EnvironmentDoc {
    /// Its directory, as casa_distro means it.
    pub(crate) directory: String,
    /// Its configuration file.
    pub(crate) config_file: String,
    /// `container_type` of the configuration.
    pub(crate) container_type: Option<String>,
    /// `image` of the configuration, as written.
    pub(crate) image: Option<String>,
    /// `name` of the configuration.
    pub(crate) name: Option<String>,
    /// `version` of the configuration.
    pub(crate) version: Option<String>,
}

/// One check and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CheckDoc {
    /// Its id.
    pub(crate) id: String,
    /// Its family.
    pub(crate) category: Category,
    /// How it ended.
    pub(crate) outcome: CheckOutcome,
    /// Why, for every outcome but `pass` and `finding`.
    pub(crate) reason: Option<String>,
    /// How long it took, with what it waited for, in milliseconds.
    pub(crate) duration_ms: u64,
}

/// The ends of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CheckOutcome {
    /// Nothing is wrong.
    Pass,
    /// Something is: see `findings`.
    Finding,
    /// The question has no meaning here, or was not to be asked.
    Skipped,
    /// The facts do not tell.
    Unknown,
    /// Something that it needs was too slow.
    TimedOut,
    /// Something that it needs broke down.
    Crashed,
}

impl CheckOutcome {
    /// The word of the JSON document.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Finding => "finding",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
            Self::TimedOut => "timed-out",
            Self::Crashed => "crashed",
        }
    }

    /// Whether the question was asked and stays open.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::TimedOut | Self::Crashed)
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FindingDoc {
    /// Id of its kind.
    pub(crate) id: String,
    /// Code of its kind.
    pub(crate) code: String,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What is wrong, in one line.
    pub(crate) title: String,
    /// Why it matters.
    pub(crate) why: String,
    /// What was seen, each with its source.
    pub(crate) evidence: Vec<String>,
    /// What to do, the best first.
    pub(crate) advice: Vec<AdviceDoc>,
    /// The page about its kind, as a path in the project.
    pub(crate) docs: String,
    /// Whether the baseline accepts it. What is accepted is told and never decides the exit status.
    pub(crate) accepted: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AdviceDoc {
    /// What to do, as a sentence.
    pub(crate) text: String,
    /// The command that does it, for a shell.
    pub(crate) command: Option<String>,
    /// Who may do it: `safe` and `confirm` are for `--fix`, `manual` for the user.
    pub(crate) safety: Safety,
    /// Whether `--fix` did it in this run.
    pub(crate) applied: bool,
}

/// What `--fix` changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PlanDoc {
    /// Changes to configuration files.
    pub(crate) edits: Vec<EditDoc>,
    /// Commands.
    pub(crate) commands: Vec<CommandDoc>,
}

/// A change to a configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct EditDoc {
    /// The file.
    pub(crate) file: String,
    /// JSON pointer (RFC 6901) of the key or element.
    pub(crate) key: String,
    /// What is there now; `null` when nothing is.
    pub(crate) from: Option<Value>,
    /// What will be there; `null` when it goes away.
    pub(crate) to: Option<Value>,
    /// Id of the finding that gives the reason, or `recommendation`.
    pub(crate) because: String,
}

impl EditDoc {
    /// An edit with the values before and after it, which only the editor of the file knows.
    pub(crate) fn new(edit: &Edit, from: Option<Value>, to: Option<Value>) -> Self {
        Self { file: edit.file.to_string_lossy().into_owned(), key: edit.key.clone(), from, to, because: edit.because.clone() }
    }
}

/// A command of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CommandDoc {
    /// The program and its arguments; no shell is involved.
    pub(crate) argv: Vec<String>,
    /// Who may run it.
    pub(crate) safety: Safety,
    /// Id of the finding that gives the reason, or `recommendation`.
    pub(crate) because: String,
}

/// A launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LaunchDoc {
    /// The engine.
    pub(crate) engine: String,
    /// The engine's command line.
    pub(crate) argv: Vec<String>,
    /// Variables that were set for it.
    pub(crate) env: BTreeMap<String, String>,
    /// The OpenGL mode.
    pub(crate) mode: OpenGl,
    /// What it ended with; `null` when it was not started, or has not ended.
    pub(crate) exit_status: Option<i32>,
}
