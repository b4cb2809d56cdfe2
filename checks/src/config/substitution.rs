//! Can casa_distro read the braces?

use serde_json::Value;

use super::layers::{Entry, Layer, layers, outcome};
use super::python_format::{Piece, Style, pieces, repaired, stock_reads};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, Finding, FindingKind, Safety, Severity};

/// Can casa_distro read the braces?
pub(super) static CHECK: Check = Check {
    id: "config-substitution",
    category: Category::Config,
    question: "Can casa_distro read every brace of the configuration?",
    needs: &[ProbeId::Environment],
    findings: &[&BRACES],
    run,
};

static BRACES: FindingKind = FindingKind {
    id: "config-braces",
    code: "CD0908",
    severity: Severity::Error,
    title: "The configuration has braces that casa_distro 3.x cannot read",
    why: "casa_distro 3.x takes braces in env, gui_env and mounts for keys of the configuration, and dies with a traceback when \
          there is no such key. So the form ${VAR}, which its documentation advises, ends every start, and so does a piece of JSON \
          or a shell prompt.",
    cure: "Write $VAR; where a letter, digit or underscore follows, ${{VAR}}. Double every other brace that is meant literally.",
    example: "KeyError: 'HOME'",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let merged = layers.merged();
    let mut findings = Vec::new();
    for layer in &layers.all {
        for key in ["env", "gui_env", "mounts"] {
            for entry in layer.entries(key) {
                // casa_distro puts SOFTWARE_OPENGL away only after it has read it, but removing it is the other finding's cure.
                let replaced = layers.is_replaced(layer, &entry.pointer);
                if entry.name != "SOFTWARE_OPENGL" && !replaced {
                    findings.extend(of_value(layer, &entry, &merged));
                }
                if key == "mounts" {
                    findings.extend(of_container_path(layer, &entry, &merged));
                }
            }
        }
    }
    outcome(findings)
}

/// Why stock casa_distro cannot read a text as it is meant; `None` when it can.
pub(super) fn trouble(text: &str, merged: &Value) -> Option<String> {
    match stock_reads(text, merged) {
        Err(exception) => Some(exception),
        // "${name}" with a key called "name" is read, and gives a dollar sign and the key's value.
        Ok(()) => pieces(text, merged).iter().find_map(|piece| match piece {
            Piece::Variable(reference) if reference.style == Style::Braces => {
                Some(format!("${{{0}}} becomes \"$\" and the configuration's own \"{0}\"", reference.name))
            }
            _ => None,
        }),
    }
}

fn of_value(layer: &Layer<'_>, entry: &Entry<'_>, merged: &Value) -> Option<Finding> {
    let text = entry.value.as_str()?;
    let trouble = trouble(text, merged)?;
    let right = repaired(text, merged);
    let found = described(layer, entry, text, &trouble);
    let edit = layer.edit(&entry.pointer, Change::Set { to: Value::String(right.clone()) }, &BRACES);
    Some(cured(found, text, &right, merged, edit))
}

fn of_container_path(layer: &Layer<'_>, entry: &Entry<'_>, merged: &Value) -> Option<Finding> {
    let trouble = trouble(entry.name, merged)?;
    let right = repaired(entry.name, merged);
    let found = described(layer, entry, entry.name, &trouble);
    let edit = layer.edit(&entry.pointer, Change::Rename { to: right.clone() }, &BRACES);
    Some(cured(found, entry.name, &right, merged, edit))
}

fn described(layer: &Layer<'_>, entry: &Entry<'_>, text: &str, trouble: &str) -> Finding {
    BRACES.found().evidence(format!(
        "{}: {} in \"{}\" cannot be read: {trouble}",
        layer.place(&entry.pointer),
        Value::from(text),
        entry.pointer
    ))
}

fn cured(found: Finding, text: &str, right: &str, merged: &Value, edit: crate::finding::Edit) -> Finding {
    let right = Value::from(right);
    match placeholder(text, merged) {
        Some(name) if super::keys::SUBSTITUTED.contains(&name.as_str()) => found
            .title(format!("{{{name}}} stands for a key that the configuration lacks"))
            .advise(format!("Add the key \"{name}\" to the environment's configuration.")),
        Some(name) => found
            .title(format!("{{{name}}} is no key of the configuration"))
            .fix(format!("Write it as {right}, if the braces are meant literally"), Safety::Confirm, [edit])
            .advise(format!("If a variable of the host is meant, write ${name}; if a key is meant, add it to the configuration.")),
        None => found.fix(format!("Write it as {right}, which casa_distro 3.x reads as it is meant"), Safety::Safe, [edit]),
    }
}

/// A single word in braces that looks like a key but is none: nobody can tell what is meant.
fn placeholder(text: &str, merged: &Value) -> Option<String> {
    let pieces = pieces(text, merged);
    pieces.windows(3).find_map(|window| match window {
        [Piece::Brace('{'), Piece::Text(name), Piece::Brace('}')] if super::python_format::is_variable_name(name) => {
            Some((*name).to_owned())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{edits, facts, facts_with_user, findings};
    use super::*;

    #[test]
    fn braces_are_told_and_rewritten() {
        let facts = facts(&json!({
            "name": "bv", "system": "s",
            "env": {"A": "${HOME}", "B": "${HOME}_x", "C": "{name}", "D": "{\"a\": {}}", "E": "${name}", "F": 1, "G": "${{HOME}}"},
            "gui_env": {"PROMPT": "\\u{"},
            "mounts": {"/data/${USER}": "/nfs/${USER}/x", "/n": null},
        }));
        assert_eq!(
            edits(&CHECK, &facts),
            [
                "set /env/A \"$HOME\"",
                "set /env/B \"${{HOME}}_x\"",
                "set /env/D \"{{\\\"a\\\": {{}}}}\"",
                "set /env/E \"$name\"",
                "set /gui_env/PROMPT \"\\\\u{{\"",
                "set /mounts/~1data~1${USER} \"/nfs/$USER/x\"",
                "rename /mounts/~1data~1${USER} /data/$USER",
            ]
        );
        let found = findings(&CHECK, &facts);
        assert_eq!(found[0].evidence, ["/env/conf/casa_distro.json:2: \"${HOME}\" in \"/env/A\" cannot be read: KeyError: 'HOME'"]);
        assert!(found.iter().all(|finding| finding.advice[0].safety == Safety::Safe));
    }

    /// A shared environment's file cannot be mended by everybody, but every user can overrule it.
    #[test]
    fn what_the_user_s_file_replaces_is_never_read() {
        let config = json!({"name": "bv", "system": "s", "env": {"A": "${HOME}"}, "mounts": {"/data": "${HOME}/data"}});
        let user = json!({"env": {"A": "$HOME"}, "mounts": {"/data": ""}});
        assert_eq!(CHECK.judge(&facts_with_user(&config, Some(&user))), Outcome::Pass);
        assert_eq!(findings(&CHECK, &facts_with_user(&config, Some(&json!({"env": {}})))).len(), 2);
        assert_eq!(findings(&CHECK, &facts_with_user(&json!({"name": "bv", "system": "s"}), Some(&config))).len(), 2);
    }

    #[test]
    fn a_word_in_braces_is_not_rewritten_unasked() {
        let found = findings(&CHECK, &facts(&json!({"env": {"A": "/data/{HOME}"}})));
        assert_eq!(found[0].advice[0].safety, Safety::Confirm);
        assert_eq!(found[0].title.as_deref(), Some("{HOME} is no key of the configuration"));
    }

    #[test]
    fn keys_that_no_layer_has_are_missing_only_in_what_uses_them() {
        let found = findings(&CHECK, &facts(&json!({"env": {"A": "{distro}"}})));
        assert!(found[0].evidence[0].contains("KeyError: 'distro'"));
        assert!(found[0].edits.is_empty());
    }
}
