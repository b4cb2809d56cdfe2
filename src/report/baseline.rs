//! The baseline: findings that are known and accepted, so that a CI job fails on new ones only.
//!
//! An entry names a kind of finding and the fingerprint of one finding of that kind: of its title and its evidence, in which
//! numbers that stand alone are left out, since line numbers, process ids and free space change from day to day. An entry
//! without a fingerprint accepts every finding of its kind.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::PluginEnd;
use casa_doctor_checks::plugin::belongs_to;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::document::{CheckOutcome, Document, FindingDoc};
use crate::catalog::{Catalog, Selection};
use crate::host::Host;

/// The version of the form that this program reads and writes.
const SCHEMA_VERSION: &str = "1";
/// No real baseline comes near this.
const LIMIT: u64 = 16 << 20;

/// A baseline file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    schema_version: String,
    accepted: Vec<Entry>,
}

/// What is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Id of the kind.
    id: String,
    /// The finding's title, for whoever reads the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Which finding of that kind; without it every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    /// Why it is accepted, in the words of whoever accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// The file cannot be read.
    #[error("cannot read the baseline {} (--write-baseline makes one)", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a baseline.
    #[error("{}:{line}:{column}: not a baseline of casa-doctor: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It was made by a later program.
    #[error("{}: the baseline has version {found}, and this casa-doctor reads version {SCHEMA_VERSION}: use a newer casa-doctor", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

impl Baseline {
    /// A baseline that accepts everything that was found. The reasons that an earlier one gives are kept.
    pub(crate) fn of(document: &Document, earlier: Option<&Self>) -> Self {
        let mut accepted: Vec<Entry> = Vec::new();
        for finding in &document.findings {
            let known = earlier.and_then(|earlier| earlier.accepted.iter().find(|entry| entry.accepts(finding)));
            let entry = known.filter(|entry| entry.fingerprint.is_none()).cloned().unwrap_or_else(|| Entry {
                id: finding.id.clone(),
                title: Some(finding.title.clone()),
                fingerprint: Some(fingerprint(finding)),
                because: known.and_then(|entry| entry.because.clone()),
            });
            if !accepted.contains(&entry) {
                accepted.push(entry);
            }
        }
        Self { schema_version: SCHEMA_VERSION.into(), accepted }
    }

    /// Reads a baseline.
    ///
    /// # Errors
    ///
    /// [`BaselineError`], which names the file and, where it can, the line.
    pub(crate) fn read(host: &dyn Host, path: &Path) -> Result<Self, BaselineError> {
        let bytes = host.read(path, LIMIT).map_err(|source| BaselineError::Unreadable { path: path.into(), source })?;
        let baseline: Self = serde_json::from_slice(&bytes).map_err(|error| BaselineError::Malformed {
            path: path.into(),
            line: error.line(),
            column: error.column(),
            message: error.to_string(),
        })?;
        if baseline.schema_version != SCHEMA_VERSION {
            return Err(BaselineError::Newer { path: path.into(), found: baseline.schema_version });
        }
        Ok(baseline)
    }

    /// How many entries it has.
    pub(crate) fn len(&self) -> usize {
        self.accepted.len()
    }

    /// The file's text.
    ///
    /// # Errors
    ///
    /// None in practice: everything in it is text.
    pub(crate) fn text(&self) -> serde_json::Result<String> {
        super::json::render(self)
    }

    /// Marks what it accepts. Gives a sentence for each entry that accepts nothing any more, as far as that can be told: a
    /// check that was not asked, or could not tell, says nothing about its entries.
    pub(crate) fn apply(&self, document: &mut Document, catalog: &Catalog, selection: &Selection) -> Vec<String> {
        for finding in &mut document.findings {
            finding.accepted = self.accepted.iter().any(|entry| entry.accepts(finding));
        }
        let stale = |entry: &&Entry| !document.findings.iter().any(|finding| entry.accepts(finding));
        self.accepted.iter().filter(stale).filter_map(|entry| entry.complaint(document, catalog, selection)).collect()
    }
}

impl Entry {
    fn accepts(&self, finding: &FindingDoc) -> bool {
        self.id == finding.id && self.fingerprint.as_ref().is_none_or(|known| *known == fingerprint(finding))
    }

    /// What is to be said of an entry that accepts nothing.
    fn complaint(&self, document: &Document, catalog: &Catalog, selection: &Selection) -> Option<String> {
        let Some((kind, checks)) = catalog.kinds().into_iter().find(|(kind, _)| kind.id == self.id) else {
            return self.complaint_about_a_plugin(document, catalog, selection);
        };
        let answered = |check: &super::document::CheckDoc| matches!(check.outcome, CheckOutcome::Pass | CheckOutcome::Finding);
        let asked = checks.iter().all(|check| {
            selection.wants_finding(check, kind) && document.checks.iter().any(|done| done.id == check.id && answered(done))
        });
        if !asked {
            return None;
        }
        Some(self.is_gone(document))
    }

    /// The same for an id that is none of casa-doctor's own: that of a plug-in's finding, or a slip of the pen. A plug-in that is
    /// not here may be on another machine.
    fn complaint_about_a_plugin(&self, document: &Document, catalog: &Catalog, selection: &Selection) -> Option<String> {
        let mut plugins = document.facts.plugins.iter().flat_map(|plugins| &plugins.found);
        match plugins.find(|plugin| belongs_to(&self.id, &plugin.name)) {
            Some(plugin) if plugin.end == PluginEnd::Answered && selection.wants_plugin(&plugin.name) => {
                Some(self.is_gone(document))
            }
            Some(_) => None,
            None => {
                let nearest = catalog.misspelt(&self.id)?;
                Some(format!("no finding is called {:?}; did you mean {nearest:?}?", self.id))
            }
        }
    }

    fn is_gone(&self, document: &Document) -> String {
        let title = self.title.as_deref().map_or_else(String::new, |title| format!(" ({title})"));
        let other = document.findings.iter().any(|finding| finding.id == self.id);
        let what = if other { "is found with other evidence than was accepted" } else { "is found no more" };
        format!("{}{title} {what}", self.id)
    }
}

/// What tells one finding from another of its kind, from one day to the next.
pub(super) fn fingerprint(finding: &FindingDoc) -> String {
    let mut hash = Md5::new();
    hash.update(&finding.id);
    for text in std::iter::once(&finding.title).chain(&finding.evidence) {
        hash.update(b"\0");
        hash.update(without_numbers(text));
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The text with every number that stands alone replaced. The 1 of `data1` is part of a name and stays.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        let word = &rest[start..end];
        out.push_str(if word.bytes().all(|byte| byte.is_ascii_digit()) { "#" } else { word });
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;
    use crate::report::samples;

    fn catalog() -> Catalog {
        Catalog::of(samples::CHECKS)
    }

    fn apply(baseline: &Baseline, document: &mut Document) -> Vec<String> {
        baseline.apply(document, &catalog(), &Selection::default())
    }

    #[test]
    fn what_was_found_once_is_accepted_and_what_is_new_is_not() {
        let baseline = Baseline::of(&samples::warned(), None);
        let mut document = samples::sick();
        assert_eq!(apply(&baseline, &mut document), Vec::<String>::new());
        let new: Vec<_> = document.findings.iter().filter(|finding| !finding.accepted).map(|finding| finding.id.as_str()).collect();
        assert_eq!(new, ["x11-cookie-rejected", "nvidia-driver-mismatch", "gl-env-override"]);
    }

    #[test]
    fn another_line_is_the_same_finding_and_another_value_is_not() {
        let baseline = Baseline::of(&samples::warned(), None);
        let evidence = |text: &str| {
            let mut document = samples::warned();
            document.findings[0].evidence[0] = document.findings[0].evidence[0].replace(":7:", ":123:").replace("--softgl", text);
            let complaints = apply(&baseline, &mut document);
            (document.findings[0].accepted, complaints)
        };
        assert_eq!(evidence("--softgl"), (true, vec![]));
        let (accepted, complaints) = evidence("--hardgl");
        assert!(!accepted && complaints[0].ends_with("is found with other evidence than was accepted"), "{complaints:?}");
        assert_eq!(without_numbers("/data1/x-12: 3.25 GB, pid 7, 0x7f (100%)"), "/data1/x-#: #.# GB, pid #, 0x7f (#%)");
    }

    #[test]
    fn stale_entries_are_told_only_when_the_check_answered() {
        let baseline = Baseline::of(&samples::sick(), None);
        let complaints = apply(&baseline, &mut samples::healthy());
        assert_eq!(complaints.len(), 3, "gl-env-override may come from the agent's check, which was skipped: {complaints:?}");
        assert!(
            complaints[0].starts_with("x11-cookie-rejected (The X server does not accept") && complaints[0].ends_with("no more")
        );
        let complaints = apply(&baseline, &mut samples::open());
        assert_eq!(complaints, Vec::<String>::new(), "nothing there was asked or could tell");
        let skipping = Selection::parse(&catalog(), &[], &[], &["config-unknown-flag".into()]).unwrap();
        let complaints = baseline.apply(&mut samples::healthy(), &catalog(), &skipping);
        assert!(complaints.len() == 2 && !complaints.iter().any(|text| text.contains("config-unknown-flag")), "{complaints:?}");
    }

    #[test]
    fn a_baseline_by_hand() {
        let host = RecordedHost::new()
            .file("/wide.json", r#"{"schema_version": "1", "accepted": [{"id": "config-unknown-flag", "because": "old"}]}"#)
            .file("/slip.json", r#"{"schema_version": "1", "accepted": [{"id": "config-unknown-flog"}]}"#)
            .file("/bad.json", "{\n \"schema_version\": \"1\",\n \"accept\": []}")
            .file("/newer.json", r#"{"schema_version": "9", "accepted": []}"#);
        let read = |path: &str| Baseline::read(&host, Path::new(path));
        let wide = read("/wide.json").unwrap();
        let mut document = samples::warned();
        assert_eq!(apply(&wide, &mut document), Vec::<String>::new());
        assert!(document.findings[0].accepted);
        assert_eq!(Baseline::of(&samples::warned(), Some(&wide)), wide, "what was accepted widely stays so");
        let complaints = apply(&read("/slip.json").unwrap(), &mut document);
        assert_eq!(complaints, ["no finding is called \"config-unknown-flog\"; did you mean \"config-unknown-flag\"?"]);
        assert!(
            read("/bad.json").unwrap_err().to_string().starts_with("/bad.json:3:9: not a baseline of casa-doctor: unknown field")
        );
        assert!(read("/newer.json").unwrap_err().to_string().contains("version 9"));
        assert!(read("/none.json").unwrap_err().to_string().starts_with("cannot read the baseline /none.json"));
    }

    #[test]
    fn it_reads_what_it_writes_and_keeps_the_reasons() {
        let mut baseline = Baseline::of(&samples::sick(), None);
        baseline.accepted[2].because = Some("the image is frozen".into());
        let host = RecordedHost::new().file("/b.json", baseline.text().unwrap());
        let read = Baseline::read(&host, Path::new("/b.json")).unwrap();
        assert_eq!(read, baseline);
        let again = Baseline::of(&samples::warned(), Some(&read));
        assert_eq!((again.len(), again.accepted[0].because.as_deref()), (1, Some("the image is frozen")));
    }
}
