//! What a check is, and how one ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{Facts, ProbeEnd, ProbeId};
use crate::finding::{Finding, FindingKind};

/// A check: one question about the facts.
#[derive(Debug)]
pub struct Check {
    /// Kebab-case id that names the question, such as `x11-connection`.
    pub id: &'static str,
    /// Its family.
    pub category: Category,
    /// The question, in words: "Can the X server be reached?".
    pub question: &'static str,
    /// The probes without which it cannot be answered.
    pub needs: &'static [ProbeId],
    /// The findings it may give.
    pub findings: &'static [&'static FindingKind],
    /// The answer. Pure: the same facts give the same answer anywhere.
    pub run: fn(&Facts) -> Outcome,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing is wrong.
    Pass,
    /// Something is (never empty).
    Findings(Vec<Finding>),
    /// The question has no meaning here, because.
    Skipped(String),
    /// The facts do not tell, because.
    Unknown(String),
    /// A probe that it needs was too slow.
    TimedOut(String),
    /// A probe that it needs broke down.
    Crashed(String),
}

impl Outcome {
    /// [`Outcome::Findings`], or [`Outcome::Pass`] when there is none.
    #[must_use]
    pub fn of(findings: Vec<Finding>) -> Self {
        if findings.is_empty() { Self::Pass } else { Self::Findings(findings) }
    }

    /// The word of the JSON document.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Findings(_) => "finding",
            Self::Skipped(_) => "skipped",
            Self::Unknown(_) => "unknown",
            Self::TimedOut(_) => "timed-out",
            Self::Crashed(_) => "crashed",
        }
    }

    /// Why, for every outcome but pass and finding.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pass | Self::Findings(_) => None,
            Self::Skipped(reason) | Self::Unknown(reason) | Self::TimedOut(reason) | Self::Crashed(reason) => Some(reason),
        }
    }
}

impl Check {
    /// Answers the question, unless a probe that it needs did not answer.
    #[must_use]
    pub fn judge(&self, facts: &Facts) -> Outcome {
        for need in self.needs {
            let Some(run) = facts.probes.get(need) else {
                return Outcome::Unknown(format!("nothing was recorded for the probe \"{}\"", need.name()));
            };
            let reason = || run.reason.clone().unwrap_or_else(|| format!("the probe \"{}\" gave no reason", need.name()));
            match run.end {
                ProbeEnd::Answered => {}
                ProbeEnd::Skipped => return Outcome::Skipped(reason()),
                ProbeEnd::TimedOut => return Outcome::TimedOut(reason()),
                ProbeEnd::Crashed => return Outcome::Crashed(reason()),
            }
        }
        (self.run)(facts)
    }
}

/// Families of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// The configuration files.
    Config,
    /// The image.
    Image,
    /// The container engines.
    Engine,
    /// The X server and who may use it.
    X11,
    /// OpenGL, EGL, Vulkan.
    Rendering,
    /// The ssh agent and keys.
    Ssh,
    /// Distributed execution with soma-workflow.
    Distributed,
    /// Disks and directories.
    Storage,
    /// NVIDIA's driver.
    Nvidia,
    /// XQuartz and containers on macOS.
    Macos,
    /// The Windows Subsystem for Linux, and X servers on Windows.
    Windows,
    /// Virtual machines of VirtualBox.
    Virtualbox,
    /// Programs with which a site checks its own machines.
    Plugin,
}

impl Category {
    /// The word by which `--only` and `--skip` know it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Image => "image",
            Self::Engine => "engine",
            Self::X11 => "x11",
            Self::Rendering => "rendering",
            Self::Ssh => "ssh",
            Self::Distributed => "distributed",
            Self::Storage => "storage",
            Self::Nvidia => "nvidia",
            Self::Macos => "macos",
            Self::Windows => "windows",
            Self::Virtualbox => "virtualbox",
            Self::Plugin => "plugin",
        }
    }
}
