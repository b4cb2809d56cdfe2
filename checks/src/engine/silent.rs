//! Does the engine answer at all?

use super::{described, engines, severity, wanted};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engine, EngineKind, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "engine-answers",
    category: Category::Engine,
    question: "Does the container engine answer when it is called?",
    needs: &[ProbeId::Engines],
    findings: &[&SILENT],
    run,
};

static SILENT: FindingKind = FindingKind {
    id: "engine-silent",
    code: "CD0706",
    severity: Severity::Error,
    title: "The container engine does nothing when it is called",
    why: "An engine tells its version at once. One that does not even do that waits for something: on a Mac, Singularity Desktop for a virtual machine \
          that never becomes ready; elsewhere mostly a disk of the network. Every start of the container then hangs without a word.",
    cure: "On a Mac, restart it and update macOS, or run the engine in a virtual machine of Linux (Lima, VirtualBox). Elsewhere see what the engine waits for.",
    example: "$ singularity --version\n(nothing, for minutes)",
    since: "0.1.0",
};

/// What a program that was killed at its deadline is recorded with.
const TIMED_OUT: &str = "did not end within";

fn run(facts: &Facts) -> Outcome {
    let engines = match engines(facts) {
        Ok(engines) => engines,
        Err(outcome) => return outcome,
    };
    let needed: Vec<&Engine> =
        engines.found.iter().filter(|engine| wanted(facts).is_none_or(|wanted| wanted.contains(&engine.kind))).collect();
    if needed.is_empty() {
        return Outcome::Skipped("no engine is installed that could start the container (see engine-present)".to_owned());
    }
    let is_silent = |engine: &Engine| engine.version_error.as_deref().is_some_and(|error| error.contains(TIMED_OUT));
    // One that answers is there in place of it.
    let severity = if needed.iter().all(|engine| is_silent(engine)) { severity(facts) } else { Severity::Warning };
    Outcome::of(needed.into_iter().filter(|engine| is_silent(engine)).map(|engine| of(facts, engine, severity)).collect())
}

fn of(facts: &Facts, engine: &Engine, severity: Severity) -> Finding {
    let name = engine.kind.program();
    let is_mac = facts.is_mac();
    // Elsewhere it may be slow and no more: a large program that comes from a network's disk for the first time.
    let severity = if is_mac { severity } else { severity.min(Severity::Warning) };
    let title = format!("{name} does not answer in time when it is called");
    let finding = SILENT.found().severity(severity).title(title).evidence(described(engine));
    match engine.kind {
        EngineKind::Apptainer | EngineKind::Singularity if is_mac => finding
            .advise("Restart the Mac, and try again: the virtual machine in which Singularity Desktop works may have become stuck.")
            .advise("Singularity Desktop is no longer developed, and was seen to do nothing on macOS before 10.15. Run Apptainer in a virtual machine of Lima, or use the virtual machine of BrainVISA with VirtualBox."),
        _ => finding
            .advise_command("See whether it is only slow.", format!("time {name} --version"))
            .advise(format!("If {} lies on a disk of the network, see whether that answers.", engine.path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_alone, facts_for, healthy};
    use super::*;
    use crate::facts::Machine;
    use crate::image::tests::findings;

    fn silent(kind: EngineKind) -> Engine {
        let error = format!("\"/usr/local/bin/{0} --version\" did not end within 3.0 s", kind.program());
        Engine { version: None, version_text: None, version_error: Some(error), ..engine(kind, "", None) }
    }

    #[test]
    fn a_silent_engine_is_an_error_where_a_container_waits() {
        let mut facts = facts_for("singularity", healthy(vec![silent(EngineKind::Singularity)]));
        facts.machine = Some(Machine { os: "macos".into(), ..Machine::default() });
        let found = findings(&CHECK, &facts).remove(0);
        assert_eq!((found.kind.id, found.severity), ("engine-silent", Severity::Error));
        assert!(found.advice[0].text.contains("Restart the Mac"));
        let slow = facts_for("singularity", healthy(vec![silent(EngineKind::Apptainer)]));
        assert_eq!(findings(&CHECK, &slow).remove(0).severity, Severity::Warning, "on Linux it may only be slow");
        let found = findings(&CHECK, &facts_alone(healthy(vec![silent(EngineKind::Singularity)]))).remove(0);
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.advice[0].command.as_deref().unwrap().contains("time singularity"));
    }

    #[test]
    fn engines_that_answer_or_fail_at_once_are_not_silent() {
        let mut failing = silent(EngineKind::Apptainer);
        failing.version_error = Some("\"/usr/bin/apptainer --version\" exited with status 127".into());
        assert_eq!(CHECK.judge(&facts_for("singularity", healthy(vec![failing]))), Outcome::Pass);
        let both = healthy(vec![engine(EngineKind::Apptainer, "1.4.5", None), silent(EngineKind::Singularity)]);
        assert_eq!(findings(&CHECK, &facts_for("singularity", both)).remove(0).severity, Severity::Warning);
        let docker = healthy(vec![engine(EngineKind::Apptainer, "1.4.5", None), silent(EngineKind::Docker)]);
        assert_eq!(CHECK.judge(&facts_for("singularity", docker)), Outcome::Pass, "nobody needs that one");
        assert!(matches!(CHECK.judge(&facts_alone(healthy(Vec::new()))), Outcome::Skipped(_)));
    }
}
