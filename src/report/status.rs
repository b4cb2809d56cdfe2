//! The exit status: decided from the findings, before and apart from any rendering.

use casa_doctor_checks::finding::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::FindingDoc;

/// How the process ends.
///
/// | status | meaning |
/// |---|---|
/// | 0 | nothing at or above `--fail-on` (after `--fix`: what is left) |
/// | 1 | problems found |
/// | 2 | wrong usage |
/// | 3 | casa-doctor itself could not do its work |
/// | `run`, `--fix -- CMD` | the command's own status, when it started; 125 when the container could not be started, 126 and 127 as a shell gives them, 128+n when signal n ended the command |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "u8", from = "u8")]
pub(crate) enum ExitStatus {
    /// 0: nothing at or above the threshold.
    Clean,
    /// 1: problems found.
    Problems,
    /// 2: wrong usage. The command-line parser gives the same status of its own.
    Usage,
    /// 3: casa-doctor could not do its work: an unreadable file, no engine for a launch, an internal error.
    Failed,
    /// 125: the container could not be started.
    NotStarted,
    /// What the user's command ended with.
    Command(u8),
}

impl ExitStatus {
    /// The table of the doc comment, for `--help` and the manual.
    pub(crate) const TABLE: [(&'static str, &'static str); 7] = [
        ("0", "nothing at or above --fail-on (after --fix: what is left)"),
        ("1", "problems found"),
        ("2", "wrong usage"),
        ("3", "casa-doctor itself could not do its work: unreadable file, no engine for a launch, internal error"),
        ("125", "run, --fix -- CMD: the container could not be started"),
        ("126, 127", "run, --fix -- CMD: the command could not be executed, or was not found"),
        ("other", "run, --fix -- CMD: the command's own status, 128+n when signal n ended it"),
    ];

    /// The status of a command that exited. What does not fit into eight bits is cut to them, as the system does.
    pub(crate) const fn of_exit(status: i32) -> Self {
        Self::Command((status & 0xff) as u8)
    }

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Problems => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::NotStarted => 125,
            Self::Command(code) => code,
        }
    }
}

impl From<ExitStatus> for u8 {
    fn from(status: ExitStatus) -> Self {
        status.code()
    }
}

impl From<u8> for ExitStatus {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Clean,
            1 => Self::Problems,
            2 => Self::Usage,
            3 => Self::Failed,
            125 => Self::NotStarted,
            code => Self::Command(code),
        }
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// From which severity on a finding makes the run fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FailOn {
    /// Errors only.
    #[default]
    Error,
    /// Warnings and errors.
    Warning,
    /// Anything.
    Info,
    /// Nothing.
    Never,
}

impl FailOn {
    /// Whether a finding of this severity makes the run fail.
    pub(crate) fn counts(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => true,
            Self::Never => false,
        }
    }
}

impl FailOn {
    /// Whether this finding makes the run fail: it is severe enough, and no baseline accepts it.
    pub(crate) fn fails(self, finding: &FindingDoc) -> bool {
        !finding.accepted && self.counts(finding.severity)
    }
}

/// The status of a diagnosis: problems when any finding that no baseline accepts reaches the threshold.
pub(crate) fn decide_exit_status(findings: &[FindingDoc], fail_on: FailOn) -> ExitStatus {
    if findings.iter().any(|finding| fail_on.fails(finding)) { ExitStatus::Problems } else { ExitStatus::Clean }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn the_threshold_decides_and_nothing_else() {
        let warned = samples::warned().findings;
        assert!(warned.iter().all(|finding| finding.severity < Severity::Error), "the sample must have no error");
        for (fail_on, expected) in [
            (FailOn::Error, ExitStatus::Clean),
            (FailOn::Warning, ExitStatus::Problems),
            (FailOn::Info, ExitStatus::Problems),
            (FailOn::Never, ExitStatus::Clean),
        ] {
            assert_eq!(decide_exit_status(&warned, fail_on), expected, "{fail_on:?}");
        }
        assert_eq!(decide_exit_status(&samples::sick().findings, FailOn::Error), ExitStatus::Problems);
        assert_eq!(decide_exit_status(&[], FailOn::Info), ExitStatus::Clean);
        assert_eq!(decide_exit_status(&samples::accepted().findings, FailOn::Info), ExitStatus::Clean, "the baseline accepts all");
    }

    #[test]
    fn a_command_keeps_its_status() {
        assert_eq!(ExitStatus::of_exit(42).code(), 42);
        assert_eq!(ExitStatus::of_exit(256 + 7).code(), 7);
        assert_eq!(ExitStatus::NotStarted.code(), 125);
        assert_eq!(serde_json::to_string(&ExitStatus::of_exit(137)).unwrap(), "137");
    }
}
