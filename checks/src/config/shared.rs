//! Does one static OpenGL choice in the file suit every machine and display that shares the environment?

use serde_json::Value;

use super::layers::{Layers, layers, outcome};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

/// Does one static OpenGL choice in the file suit every machine and display that shares the environment?
pub(super) static CHECK: Check = Check {
    id: "config-shared",
    category: Category::Config,
    question: "Does the OpenGL choice in the file suit every machine and display that shares the environment?",
    needs: &[ProbeId::Environment],
    findings: &[&SHARED],
    run,
};

static SHARED: FindingKind = FindingKind {
    id: "config-shared-machines",
    code: "CD0905",
    severity: Severity::Warning,
    title: "One OpenGL choice is written for machines or displays that need different ones",
    why: "An environment on a shared disk is started from several machines, and by one user now at the screen and now by ssh. \
          What the configuration sets for OpenGL holds for all of them. casa-doctor has recorded that they need different \
          modes, so that the written one slows some down or breaks their 3D windows.",
    cure: "Take the static setting out and start programs with \"casa-doctor run\", which takes the mode that was decided for \
           the machine and display at hand, or give bv the mode at each start.",
    example: "\"gui_env\": {\"LIBGL_ALWAYS_SOFTWARE\": \"1\"} in an environment that a workstation with a graphics card uses, too",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let choices = static_choices(&layers);
    if choices.is_empty() {
        return Outcome::Pass;
    }
    let decisions = decisions(layers.own().object.get("casa_doctor"));
    if decisions.is_empty() {
        return Outcome::Skipped("casa-doctor has recorded no decision in this environment yet".to_owned());
    }
    let findings = choices.into_iter().filter_map(|(mode, evidence)| {
        let others: Vec<_> = decisions.iter().filter(|decision| decision.opengl != mode).collect();
        if others.is_empty() {
            return None;
        }
        let mut finding = SHARED.found().evidence(format!("{evidence}, which is the OpenGL mode \"{mode}\""));
        for Decision { machine, display, opengl } in others {
            finding = finding.evidence(format!("\"/casa_doctor\" records \"{opengl}\" for {machine} (display: {display})"));
        }
        Some(finding.advise_command(
            "Take the setting out, and start programs in the mode that suits the machine at hand:",
            "casa-doctor run -- anatomist",
        ))
    });
    outcome(findings.collect())
}

/// A mode that casa-doctor recorded.
struct Decision<'a> {
    machine: &'a str,
    display: &'a str,
    opengl: &'a str,
}

fn decisions(record: Option<&Value>) -> Vec<Decision<'_>> {
    let machines = record.and_then(|record| record.get("decisions")?.as_object()).into_iter().flatten();
    let displays = machines.flat_map(|(machine, displays)| {
        displays.as_object().into_iter().flatten().map(move |(display, entry)| (machine, display, entry))
    });
    displays
        .filter_map(|(machine, display, entry)| Some(Decision { machine, display, opengl: entry.get("opengl")?.as_str()? }))
        .collect()
}

/// What the files set for every start, each with the mode that it amounts to and where it stands.
fn static_choices(layers: &Layers<'_>) -> Vec<(&'static str, String)> {
    let mut choices = Vec::new();
    for layer in &layers.all {
        for key in ["env", "gui_env"] {
            for entry in layer.entries(key) {
                let value = entry.value.as_str().unwrap_or_default();
                let software = match entry.name {
                    "LIBGL_ALWAYS_SOFTWARE" => !matches!(value, "" | "0" | "false"),
                    "LD_LIBRARY_PATH" => value.split(':').any(|directory| directory.trim_end_matches('/') == "/usr/local/lib/mesa"),
                    _ => false,
                };
                if software {
                    choices.push((
                        "software",
                        format!("{}: \"{key}\" sets {} to \"{value}\"", layer.place(&entry.pointer), entry.name),
                    ));
                }
            }
        }
        for key in ["container_options", "container_gui_options"] {
            for (value, pointer) in layer.elements(key) {
                if let Some(option @ ("--nv=true" | "--nvccli")) = value.as_str() {
                    choices.push(("nv", format!("{}: \"{key}\" contains \"{option}\"", layer.place(&pointer))));
                }
            }
        }
    }
    choices
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{facts, findings, ids};
    use super::*;

    fn record(modes: &[(&str, &str, &str)]) -> Value {
        let mut decisions = json!({});
        for (machine, display, mode) in modes {
            decisions[machine][display] = json!({"opengl": mode});
        }
        json!({"version": 1, "decisions": decisions})
    }

    #[test]
    fn a_static_choice_that_another_machine_must_not_have_is_found() {
        for (setting, value) in
            [("gui_env", json!({"LIBGL_ALWAYS_SOFTWARE": "1"})), ("env", json!({"LD_LIBRARY_PATH": "/usr/local/lib/mesa/:/x"}))]
        {
            let facts =
                facts(&json!({setting: value, "casa_doctor": record(&[("desk", "local", "nv"), ("desk", "ssh", "software")])}));
            assert_eq!(ids(&CHECK, &facts), ["config-shared-machines"], "{setting}");
            let evidence = findings(&CHECK, &facts)[0].evidence.join("\n");
            assert!(evidence.contains("\"nv\" for desk (display: local)") && !evidence.contains("display: ssh"), "{evidence}");
        }
        let nv = facts(&json!({"container_options": ["--nv=true"], "casa_doctor": record(&[("laptop", "local", "container")])}));
        assert_eq!(ids(&CHECK, &nv), ["config-shared-machines"]);
    }

    #[test]
    fn a_choice_that_suits_all_and_no_choice_are_healthy() {
        let suits = json!({"gui_env": {"LIBGL_ALWAYS_SOFTWARE": "1"}, "casa_doctor": record(&[("a", "ssh", "software"), ("b", "vnc", "software")])});
        assert_eq!(CHECK.judge(&facts(&suits)), Outcome::Pass);
        let none = json!({"gui_env": {"LIBGL_ALWAYS_SOFTWARE": "0"}, "casa_doctor": record(&[("a", "local", "nv"), ("b", "local", "container")])});
        assert_eq!(CHECK.judge(&facts(&none)), Outcome::Pass);
    }

    #[test]
    fn without_a_record_nothing_is_said() {
        for record in [json!(null), json!(3), json!({"decisions": {"a": 1}})] {
            let facts = facts(&json!({"gui_env": {"LIBGL_ALWAYS_SOFTWARE": "1"}, "casa_doctor": record}));
            assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
        }
    }
}
