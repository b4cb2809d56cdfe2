//! Is the display left to the session?

use serde_json::{Value, json};

use super::layers::{Layer, layers, outcome};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, Finding, FindingKind, Safety, Severity};

/// Is the display left to the session?
pub(super) static CHECK: Check = Check {
    id: "config-display",
    category: Category::Config,
    question: "Does the configuration leave DISPLAY to the session?",
    needs: &[ProbeId::Environment],
    findings: &[&HARDCODED_DISPLAY],
    run,
};

static HARDCODED_DISPLAY: FindingKind = FindingKind {
    id: "config-hardcoded-display",
    code: "CD0911",
    severity: Severity::Warning,
    title: "The configuration fixes DISPLAY to one display",
    why: "Windows go to the display that is written in the configuration, whatever display the user sits at. It works at the \
          console where it was written and fails, or opens windows on somebody else's screen, by ssh, VNC or x2go. casa_distro \
          corrects it only when it has copied the display's cookie itself.",
    cure: "Write $DISPLAY instead, which is the display of the session.",
    example: "\"gui_env\": {\"DISPLAY\": \":0\"}",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let has_default = layers.container_type() == Some("singularity");
    let mut findings = Vec::new();
    for layer in &layers.all {
        for key in ["env", "gui_env"] {
            for entry in layer.entries(key) {
                let counts = !layers.is_replaced(layer, &entry.pointer);
                if entry.name == "DISPLAY" && counts && entry.value.as_str().is_some_and(is_fixed) {
                    findings.push(of_variable(layer, key, &entry.pointer, entry.value, has_default));
                }
            }
        }
        if layers.is_singularity() {
            for key in ["container_options", "container_gui_options"] {
                findings.extend(of_options(layer, key));
            }
        }
    }
    outcome(findings)
}

/// Whether a value names one display: it is not empty and refers to no variable.
pub(super) fn is_fixed(value: &str) -> bool {
    !value.is_empty() && !value.contains(['$', '{'])
}

/// A display of this machine is a mistake that anybody may correct; another machine's may be meant, and nobody knows what something
/// means that is no display.
fn safety(display: &str) -> Safety {
    match display.rsplit_once(':') {
        Some(("" | "unix" | "localhost" | "127.0.0.1", _)) => Safety::Safe,
        _ => Safety::Confirm,
    }
}

fn of_variable(layer: &Layer<'_>, key: &str, pointer: &str, value: &Value, has_default: bool) -> Finding {
    let display = value.as_str().unwrap_or_default();
    let found = HARDCODED_DISPLAY.found().evidence(format!("{}: \"{key}\" sets DISPLAY to {value}", layer.place(pointer)));
    // What stands in "env" is set without a window as well; casa_distro's own default for windows does better.
    if key == "env" && has_default {
        let edit = layer.edit(pointer, Change::Remove, &HARDCODED_DISPLAY);
        return found.fix(
            "Remove DISPLAY from \"env\": casa_distro passes the session's display on by itself",
            safety(display),
            [edit],
        );
    }
    let edit = layer.edit(pointer, Change::Set { to: json!("$DISPLAY") }, &HARDCODED_DISPLAY);
    found.fix("Write \"$DISPLAY\", the display of the session, instead", safety(display), [edit])
}

/// `--env DISPLAY=:0`, in one element or two.
fn of_options(layer: &Layer<'_>, key: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut option: Option<String> = None;
    for (value, pointer) in layer.elements(key) {
        let text = value.as_str().unwrap_or_default();
        let before = option.take();
        let (prefix, assignment) = match text.strip_prefix("--env=") {
            Some(assignment) => ("--env=", assignment),
            None if before.is_some() => ("", text),
            None => {
                option = (text == "--env").then(|| pointer.clone());
                continue;
            }
        };
        let Some(display) = assignment.split(',').find_map(|one| one.strip_prefix("DISPLAY=")).filter(|one| is_fixed(one)) else {
            continue;
        };
        let found = HARDCODED_DISPLAY.found().evidence(format!("{}: \"{key}\" contains \"{text}\"", layer.place(&pointer)));
        let alone = assignment == format!("DISPLAY={display}");
        findings.push(if key == "container_gui_options" {
            // casa_distro puts variables into these options, not into the others.
            let to = format!("{prefix}{}", assignment.replacen(&format!("DISPLAY={display}"), "DISPLAY=$DISPLAY", 1));
            let edit = layer.edit(&pointer, Change::Set { to: Value::String(to) }, &HARDCODED_DISPLAY);
            found.fix("Write \"$DISPLAY\", the display of the session, instead", safety(display), [edit])
        } else if alone {
            let pointers = before.into_iter().chain(std::iter::once(pointer));
            let edits = pointers.map(|pointer| layer.edit(&pointer, Change::Remove, &HARDCODED_DISPLAY));
            found.fix("Remove the option: casa_distro passes the session's display on by itself", safety(display), edits)
        } else {
            found.advise("Remove the part with DISPLAY: casa_distro passes the session's display on by itself.")
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::testing::{edits, facts, facts_with_user, findings};
    use super::*;

    #[test]
    fn a_fixed_display_becomes_the_session_s() {
        let facts = facts_with_user(
            &json!({"container_type": "singularity", "env": {"DISPLAY": ":0"}, "gui_env": {"DISPLAY": "localhost:10.0"}}),
            Some(&json!({"env": {"OTHER": ":0"}})),
        );
        assert_eq!(edits(&CHECK, &facts), ["remove /env/DISPLAY", "set /gui_env/DISPLAY \"$DISPLAY\""]);
        let safeties: Vec<_> = findings(&CHECK, &facts).iter().map(|finding| finding.advice[0].safety).collect();
        assert_eq!(safeties, [Safety::Safe, Safety::Safe]);
        // What the user's file replaces counts for nobody who reads this.
        let fixed = json!({"container_type": "singularity", "gui_env": {"DISPLAY": ":0"}});
        let elsewhere = facts_with_user(&fixed, Some(&json!({"gui_env": {"DISPLAY": "other:0"}})));
        let found = findings(&CHECK, &elsewhere);
        assert!(found.len() == 1 && found[0].advice[0].safety == Safety::Confirm, "{found:?}");
        assert_eq!(CHECK.judge(&facts_with_user(&fixed, Some(&json!({"gui_env": {"DISPLAY": "$DISPLAY"}})))), Outcome::Pass);
    }

    #[test]
    fn what_is_no_display_of_this_machine_is_not_changed_unasked() {
        for (display, wanted) in [
            (":0", Safety::Safe),
            ("unix:0", Safety::Safe),
            ("work:0", Safety::Confirm),
            ("52:54:00:36:41:a3", Safety::Confirm),
            ("x", Safety::Confirm),
        ] {
            assert_eq!(safety(display), wanted, "{display}");
        }
    }

    #[test]
    fn without_casa_distro_s_default_the_variable_stays() {
        let facts = facts(&json!({"container_type": "apptainer", "env": {"DISPLAY": "unix:0"}}));
        assert_eq!(edits(&CHECK, &facts), ["set /env/DISPLAY \"$DISPLAY\""]);
    }

    #[test]
    fn options_are_looked_through() {
        let facts = facts(&json!({
            "container_options": ["--env", "DISPLAY=:0", "--env=DISPLAY=:1", "--env=A=1,DISPLAY=:2", "DISPLAY=:3"],
            "container_gui_options": ["--env", "A=DISPLAY=:0", "--env=A=1,DISPLAY=:0", "--env", "DISPLAY=$DISPLAY"],
        }));
        assert_eq!(
            edits(&CHECK, &facts),
            [
                "remove /container_options/0",
                "remove /container_options/1",
                "remove /container_options/2",
                "set /container_gui_options/2 \"--env=A=1,DISPLAY=$DISPLAY\""
            ]
        );
        assert_eq!(findings(&CHECK, &facts).len(), 4);
    }

    #[test]
    fn variables_and_emptiness_are_healthy() {
        for display in ["$DISPLAY", "${DISPLAY}", "${{DISPLAY}}", "{name}:0", ""] {
            assert_eq!(CHECK.judge(&facts(&json!({"gui_env": {"DISPLAY": display}}))), Outcome::Pass, "{display}");
        }
    }
}
