//! What casa-doctor knows before it looks at anything: `list`, `explain`, the pages of `docs/checks`, the choice of `--only`
//! and `--skip`, completions and the manual. Everything comes from the registry of checks.

pub(crate) mod explain;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod manual;
mod message;
mod nearest;
pub(crate) mod pages;
pub(crate) mod select;

use casa_doctor_checks::check::{Category, Check};
use casa_doctor_checks::finding::{FindingKind, Severity};
use casa_doctor_checks::registry;
use serde::Serialize;

pub(crate) use select::Selection;

use crate::plugins::Candidate;

/// Every category, in the order in which they are told.
pub(crate) const CATEGORIES: &[Category] = &[
    Category::Config,
    Category::Image,
    Category::Engine,
    Category::X11,
    Category::Rendering,
    Category::Ssh,
    Category::Distributed,
    Category::Storage,
    Category::Nvidia,
    Category::Macos,
    Category::Windows,
    Category::Virtualbox,
    Category::Plugin,
];

/// The checks and kinds of finding that can be named.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    checks: Vec<&'static Check>,
    selection: Selection,
}

impl Catalog {
    /// Everything that is registered.
    pub(crate) fn registered() -> Self {
        Self::of(registry::checks())
    }

    /// These checks.
    pub(crate) fn of(checks: impl IntoIterator<Item = &'static Check>) -> Self {
        Self { checks: checks.into_iter().collect(), selection: Selection::default() }
    }

    /// What of it is wanted.
    pub(crate) fn wanted(mut self, selection: Selection) -> Self {
        self.checks.retain(|check| selection.wants_check(check));
        Self { selection, ..self }
    }

    /// What a check may find.
    fn findings_of(&self, check: &'static Check) -> impl Iterator<Item = &'static FindingKind> {
        check.findings.iter().copied().filter(|kind| self.selection.wants_finding(check, kind))
    }

    /// The checks, in the order of the registry.
    pub(crate) fn checks(&self) -> impl Iterator<Item = &'static Check> {
        self.checks.iter().copied()
    }

    /// The kinds of finding, each with the checks that may give it, in the order of the registry.
    pub(crate) fn kinds(&self) -> Vec<(&'static FindingKind, Vec<&'static Check>)> {
        let mut kinds: Vec<(&'static FindingKind, Vec<&'static Check>)> = Vec::new();
        for check in self.checks() {
            for kind in self.findings_of(check) {
                match kinds.iter_mut().find(|(known, _)| *known == kind) {
                    Some((_, checks)) => checks.push(check),
                    None => kinds.push((kind, vec![check])),
                }
            }
        }
        kinds
    }

    /// The ids of the checks that may give a kind of finding, which is named by its code: a finding of a plug-in has an id of
    /// its own. None for a code that is not known.
    pub(crate) fn checks_of(&self, code: &str) -> Vec<&'static str> {
        self.checks().filter(|check| check.findings.iter().any(|kind| kind.code == code)).map(|check| check.id).collect()
    }
}

/// A check as `list` and `explain` tell it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CheckEntry {
    id: &'static str,
    category: Category,
    question: &'static str,
    findings: Vec<&'static str>,
}

impl CheckEntry {
    fn new(check: &'static Check, findings: impl Iterator<Item = &'static FindingKind>) -> Self {
        Self { id: check.id, category: check.category, question: check.question, findings: findings.map(|kind| kind.id).collect() }
    }
}

/// A plug-in of this machine as `list` and `explain` tell it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PluginEntry {
    name: String,
    file: String,
    /// Why it is not started; `null` when it is.
    refused: Option<String>,
}

impl From<&Candidate> for PluginEntry {
    fn from(plugin: &Candidate) -> Self {
        Self { name: plugin.name.clone(), file: plugin.file.to_string_lossy().into_owned(), refused: plugin.refusal.clone() }
    }
}

/// A kind of finding as `list` and `explain` tell it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FindingEntry {
    id: &'static str,
    code: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    cure: &'static str,
    example: &'static str,
    since: &'static str,
    category: Category,
    checks: Vec<&'static str>,
    docs: String,
}

impl FindingEntry {
    /// The category is that of the first check that may give it. A kind comes from a check, so there always is one; without
    /// any, there is no entry.
    fn new(kind: &'static FindingKind, checks: &[&'static Check]) -> Option<Self> {
        let first = checks.first()?;
        Some(Self {
            id: kind.id,
            code: kind.code,
            severity: kind.severity,
            title: kind.title,
            why: kind.why,
            cure: kind.cure,
            example: kind.example,
            since: kind.since,
            category: first.category,
            checks: checks.iter().map(|check| check.id).collect(),
            docs: pages::path_of(kind.id),
        })
    }
}
