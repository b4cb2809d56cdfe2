//! Does a key stand twice?

use super::layers::{Layer, layers};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

/// Does a key stand twice?
pub(super) static CHECK: Check = Check {
    id: "config-duplicates",
    category: Category::Config,
    question: "Does every key of the configuration files stand only once?",
    needs: &[ProbeId::Environment],
    findings: &[&DUPLICATE_KEY],
    run,
};

static DUPLICATE_KEY: FindingKind = FindingKind {
    id: "config-duplicate-key",
    code: "CD0914",
    severity: Severity::Warning,
    title: "A key stands twice in a configuration file",
    why: "Of a key that stands twice in the same object only the last one counts. What the first one says is lost without a word, \
          and the next program that writes the file drops it.",
    cure: "Join both entries into one.",
    example: "\"mounts\": {\"/data\": \"/data\"}, … \"mounts\": {\"/nfs\": \"/nfs\"}",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    match layers(facts) {
        Ok(layers) => Outcome::of(layers.all.iter().filter_map(finding).collect()),
        Err(outcome) => outcome,
    }
}

fn finding(layer: &Layer<'_>) -> Option<Finding> {
    if layer.file.duplicate_keys.is_empty() {
        return None;
    }
    let mut finding = DUPLICATE_KEY.found();
    for pointer in &layer.file.duplicate_keys {
        finding = finding.evidence(format!("{}: the key {pointer} stands here a second time", layer.place(pointer)));
    }
    Some(finding.advise("Join the entries of that name into one; casa-doctor does not guess which of them is meant."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{facts, findings};
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_named_and_not_touched() {
        let mut facts = facts(&json!({"mounts": {"/a": "/a"}}));
        facts.environment.as_mut().unwrap().found.as_mut().unwrap().file.duplicate_keys = vec!["/mounts".into()];
        let found = findings(&CHECK, &facts);
        assert_eq!(found[0].evidence, ["/env/conf/casa_distro.json:2: the key /mounts stands here a second time"]);
        assert!(found[0].edits.is_empty());
    }
}
