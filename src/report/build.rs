//! From facts and outcomes to the document.

use std::time::SystemTime;

use casa_doctor_checks::check::{Check, Outcome};
use casa_doctor_checks::facts::{Environment, Facts, Measurement};
use casa_doctor_checks::finding::Finding;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::document::{
    AdviceDoc, CheckDoc, CheckOutcome, Document, EnvironmentDoc, FindingDoc, MachineDoc, MeasurementDoc, PlanDoc, SchemaVersion,
    Source, Tool,
};
use super::status::ExitStatus;
use super::text::shell_word;
use crate::catalog::pages;

/// A check that was run.
#[derive(Debug, Clone)]
pub(crate) struct CheckRun {
    /// The check.
    pub(crate) check: &'static Check,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// How long it took with its probes, in milliseconds.
    pub(crate) duration_ms: u64,
}

impl CheckRun {
    /// What it found.
    pub(crate) fn findings(&self) -> &[Finding] {
        match &self.outcome {
            Outcome::Findings(findings) => findings,
            _ => &[],
        }
    }
}

/// What a document is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Examination<'a> {
    /// Where the facts come from.
    pub(crate) source: Source,
    /// The time to be told.
    pub(crate) now: SystemTime,
    /// What was seen.
    pub(crate) facts: &'a Facts,
    /// The checks that were run, in the order of the registry.
    pub(crate) runs: &'a [CheckRun],
}

impl Document {
    /// The document of an examination. Recommendation, plan, launch and exit status are still empty.
    pub(crate) fn new(examination: &Examination<'_>) -> Self {
        let mut document = Self {
            schema_version: SchemaVersion::V1,
            tool: Tool::this(),
            generated_at: rfc3339(examination.now),
            source: examination.source,
            machine: MachineDoc::new(examination.facts),
            environment: examination.facts.environment.as_ref().and_then(|search| search.found.as_ref()).map(EnvironmentDoc::new),
            facts: without_pictures(examination.facts),
            checks: examination.runs.iter().map(CheckDoc::new).collect(),
            findings: findings(examination.runs),
            recommendation: None,
            measurements: examination.facts.measurements.iter().flat_map(|all| &all.measured).map(MeasurementDoc::new).collect(),
            plan: PlanDoc::default(),
            launch: None,
            exit_status: ExitStatus::Clean,
        };
        document.complete_commands();
        document
    }

    /// Names the environment in advised launches, so that they can be pasted wherever the reader is.
    fn complete_commands(&mut self) {
        const LAUNCH: &str = "casa-doctor run ";
        let Some(environment) = self.environment_word() else { return };
        for command in self.findings.iter_mut().flat_map(|finding| &mut finding.advice).filter_map(|advice| advice.command.as_mut())
        {
            if let Some(rest) = command.strip_prefix(LAUNCH).filter(|rest| rest.starts_with("--")) {
                *command = format!("{LAUNCH}{environment} {rest}");
            }
        }
    }

    /// The directory of the environment as a word for a shell. One that is not UTF-8 cannot be written down: better no name than a
    /// wrong one.
    pub(super) fn environment_word(&self) -> Option<String> {
        let directory = &self.environment.as_ref()?.directory;
        (!directory.contains('\u{fffd}')).then(|| shell_word(directory))
    }
}

/// The facts as they are told: the pictures of measurements stand in `measurements`, once.
fn without_pictures(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    for measurement in facts.measurements.iter_mut().flat_map(|all| &mut all.measured) {
        measurement.picture = None;
    }
    facts
}

/// All findings, the worst first; among equals the order of the registry decides, which is the order of the runs and, within
/// a check, that of its list of kinds.
pub(crate) fn findings(runs: &[CheckRun]) -> Vec<FindingDoc> {
    let mut found: Vec<&Finding> = Vec::new();
    for run in runs {
        let mut list: Vec<_> = run.findings().iter().collect();
        list.sort_by_key(|finding| run.check.findings.iter().position(|kind| *kind == finding.kind));
        found.extend(list);
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found.into_iter().map(FindingDoc::new).collect()
}

/// A time as RFC 3339 writes it, in UTC and whole seconds. A clock outside the years 0 to 9999 gives the epoch.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

impl MachineDoc {
    fn new(facts: &Facts) -> Self {
        let (machine, session) = (facts.machine.as_ref(), facts.session.as_ref());
        let distribution = machine.and_then(|machine| machine.distribution.as_ref());
        Self {
            os: machine.map(|machine| machine.os.clone()),
            kernel: machine.and_then(|machine| machine.kernel.clone()),
            arch: machine.map(|machine| machine.arch.clone()),
            distribution: distribution.map(|distribution| match (&distribution.name, &distribution.version) {
                (Some(name), _) => name.clone(),
                (None, Some(version)) => format!("{} {version}", distribution.id),
                (None, None) => distribution.id.clone(),
            }),
            hostname: machine.and_then(|machine| machine.hostname.clone()),
            session: session.and_then(|session| session.session_type.clone()),
            display: session.and_then(|session| session.display.clone()),
            ssh: session.map(|session| session.ssh),
            glibc: machine.and_then(|machine| machine.glibc.clone()),
            memory_bytes: machine.and_then(|machine| machine.memory_bytes),
            wsl: machine.and_then(|machine| machine.wsl),
            hypervisor: machine.and_then(|machine| machine.hypervisor.clone()),
            inside_container: session.and_then(|session| session.inside_container.clone()),
        }
    }
}

impl EnvironmentDoc {
    /// What casa_distro would work with is told (the merged view); a file that cannot be merged is told as it is.
    fn new(environment: &Environment) -> Self {
        let text = |key: &str| {
            let config = environment.merged.as_ref().or(environment.file.value.as_ref());
            config.and_then(|config| config.get(key)).and_then(|value| value.as_str()).map(str::to_owned)
        };
        Self {
            directory: environment.directory.to_string_lossy().into_owned(),
            config_file: environment.file.path.to_string_lossy().into_owned(),
            container_type: text("container_type"),
            image: text("image"),
            name: text("name"),
            version: text("version"),
        }
    }
}

impl MeasurementDoc {
    fn new(measurement: &Measurement) -> Self {
        let one = measurement.clone();
        Self {
            opengl: one.opengl,
            place: one.place,
            outcome: one.outcome,
            renderer: one.renderer,
            renderer_class: one.renderer_class,
            gl_version: one.gl_version,
            pixels_correct: one.pixels_correct,
            frames_per_second: one.frames_per_second,
            startup_ms: one.startup_ms,
            stderr: one.stderr,
            picture: one.picture,
        }
    }
}

impl CheckDoc {
    fn new(run: &CheckRun) -> Self {
        Self {
            id: run.check.id.to_owned(),
            category: run.check.category,
            outcome: match &run.outcome {
                Outcome::Pass => CheckOutcome::Pass,
                Outcome::Findings(_) => CheckOutcome::Finding,
                Outcome::Skipped(_) => CheckOutcome::Skipped,
                Outcome::Unknown(_) => CheckOutcome::Unknown,
                Outcome::TimedOut(_) => CheckOutcome::TimedOut,
                Outcome::Crashed(_) => CheckOutcome::Crashed,
            },
            reason: run.outcome.reason().map(str::to_owned),
            duration_ms: run.duration_ms,
        }
    }
}

impl FindingDoc {
    /// A finding as it is told. Its advice counts as not applied.
    pub(crate) fn new(finding: &Finding) -> Self {
        Self {
            id: finding.id().to_owned(),
            code: finding.kind.code.to_owned(),
            severity: finding.severity,
            title: finding.title.clone().unwrap_or_else(|| finding.kind.title.to_owned()),
            why: finding.why().to_owned(),
            evidence: finding.evidence.clone(),
            advice: finding
                .advice
                .iter()
                .map(|advice| AdviceDoc {
                    text: advice.text.clone(),
                    command: advice.command.clone(),
                    safety: advice.safety,
                    applied: false,
                })
                .collect(),
            docs: finding.own.as_ref().and_then(|own| own.docs.clone()).unwrap_or_else(|| pages::path_of(finding.kind.id)),
            accepted: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use casa_doctor_checks::facts::{ConfigFile, EnvironmentSearch};
    use casa_doctor_checks::finding::{Change, Edit};
    use serde_json::json;

    use super::*;
    use crate::report::{EditDoc, samples};

    #[test]
    fn worst_first_then_the_order_of_the_registry() {
        let ids: Vec<_> = samples::sick().findings.into_iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["x11-cookie-rejected", "nvidia-driver-mismatch", "config-unknown-flag", "gl-env-override"]);
    }

    #[test]
    fn kinds_of_one_check_keep_the_order_of_its_list() {
        let (first, second) = (&samples::COOKIE_REJECTED, &samples::COOKIE_MISSING);
        assert_eq!(samples::X11_COOKIE.findings, [second, first], "the sample check lists the missing cookie first");
        let run = CheckRun {
            check: &samples::X11_COOKIE,
            outcome: Outcome::Findings(vec![first.found(), second.found()]),
            duration_ms: 0,
        };
        let ids: Vec<_> = findings(&[run]).into_iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["x11-cookie-missing", "x11-cookie-rejected"]);
    }

    #[test]
    fn an_advised_launch_names_the_environment() {
        let finding = samples::COOKIE_MISSING.found().advise_command("Launch.", "casa-doctor run --no-gui -- COMMAND");
        let finding = finding.advise_command("Look.", "casa-doctor running");
        let run = CheckRun { check: &samples::X11_COOKIE, outcome: Outcome::Findings(vec![finding]), duration_ms: 0 };
        let commands = |directory: &str| -> Vec<String> {
            let environment = Environment { directory: directory.into(), ..Environment::default() };
            let search = EnvironmentSearch { found: Some(environment), ..EnvironmentSearch::default() };
            let facts = Facts { environment: Some(search), ..Facts::default() };
            let examination =
                Examination { source: Source::Live, now: SystemTime::UNIX_EPOCH, facts: &facts, runs: std::slice::from_ref(&run) };
            let document = Document::new(&examination);
            document.findings[0].advice.iter().filter_map(|advice| advice.command.clone()).collect()
        };
        assert_eq!(commands("/my data/bv"), ["casa-doctor run '/my data/bv' --no-gui -- COMMAND", "casa-doctor running"]);
        assert_eq!(commands("/d\u{fffd}")[0], "casa-doctor run --no-gui -- COMMAND");
    }

    #[test]
    fn times_are_rfc_3339_whatever_the_clock_says() {
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH - Duration::from_secs(5)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 1000)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_environment_is_told_from_the_merged_view_else_from_the_file() {
        let mut environment = Environment {
            directory: "/data/bv".into(),
            file: ConfigFile {
                path: "/data/bv/conf/casa_distro.json".into(),
                value: Some(json!({"name": "bv", "image": "a.sif"})),
                ..ConfigFile::default()
            },
            merged: Some(json!({"name": "bv", "image": "b.sif", "version": 5})),
            ..Environment::default()
        };
        let told = EnvironmentDoc::new(&environment);
        assert_eq!((told.image.as_deref(), told.version), (Some("b.sif"), None), "a number is not a version text");
        environment.merged = None;
        assert_eq!(EnvironmentDoc::new(&environment).image.as_deref(), Some("a.sif"));

        let facts = Facts {
            environment: Some(EnvironmentSearch { found: None, candidates: vec!["/a".into()], ..EnvironmentSearch::default() }),
            ..Facts::default()
        };
        let document = Document::new(&Examination { source: Source::Live, now: SystemTime::UNIX_EPOCH, facts: &facts, runs: &[] });
        assert_eq!(document.environment, None);
        assert_eq!(document.machine, MachineDoc::default(), "nothing was seen of the machine");
    }

    #[test]
    fn an_edit_keeps_its_place_and_its_reason() {
        let edit = Edit {
            file: PathBuf::from("/e/conf/casa_distro.json"),
            key: "/container_options/0".into(),
            change: Change::Remove,
            because: "config-unknown-flag".into(),
        };
        let told = EditDoc::new(&edit, Some(json!("--softgl")), None);
        assert_eq!(
            serde_json::to_value(told).unwrap(),
            json!({"file": "/e/conf/casa_distro.json", "key": "/container_options/0", "from": "--softgl", "to": null, "because": "config-unknown-flag"})
        );
    }
}
