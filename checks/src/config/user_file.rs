//! Does the user's file change what only an environment's file should say?

use super::layers::{layers, outcome};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, FindingKind, Safety, Severity};

/// Does the user's file change what only an environment's file should say?
pub(super) static CHECK: Check = Check {
    id: "config-user-file",
    category: Category::Config,
    question: "Does the user's file leave alone what belongs to each environment?",
    needs: &[ProbeId::Environment],
    findings: &[&USER_OVERRIDES_IMAGE],
    run,
};

static USER_OVERRIDES_IMAGE: FindingKind = FindingKind {
    id: "config-user-overrides-image",
    code: "CD0912",
    severity: Severity::Error,
    title: "The user's file replaces what belongs to each environment",
    why: "The user's file is laid over every environment of that user. An image, a container type or a name in it replaces those of \
          all environments at once, so that they all start the same image, or none when the path is relative.",
    cure: "Remove the key from the user's file and put it into the file of the environment that needs it.",
    example: "'/data/env/brainvisa-5.1.sif' does not exist",
    since: "0.1.0",
};

/// The keys that tell environments apart, and whether a wrong value stops the start.
const KEYS: [(&str, bool); 8] = [
    ("image", true),
    ("container_type", true),
    ("name", false),
    ("image_id", true),
    ("image_version", false),
    ("system", false),
    ("distro", false),
    ("type", false),
];

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let Some(user) = layers.all.iter().find(|layer| layer.is_user) else { return Outcome::Pass };
    let own = layers.own();
    let mut findings = Vec::new();
    for (key, stops) in KEYS {
        let Some(value) = user.object.get(key) else { continue };
        let pointer = format!("/{key}");
        let replaced = own.object.get(key);
        let mut finding = USER_OVERRIDES_IMAGE
            .found()
            .title(format!("\"{key}\" in the user's file counts for every environment"))
            .severity(if stops && replaced.is_some_and(|old| old != value) { Severity::Error } else { Severity::Warning })
            .evidence(format!("{}: \"{key}\" is {value}", user.place(&pointer)));
        finding = match replaced {
            Some(old) => finding.evidence(format!("{}: \"{key}\" is {old} here, and is replaced", own.place(&pointer))).fix(
                format!("Remove \"{key}\" from your own file, so that each environment keeps its own"),
                Safety::Confirm,
                [user.edit(&pointer, Change::Remove, &USER_OVERRIDES_IMAGE)],
            ),
            None => finding.advise(format!("Move \"{key}\" from your own file to {}, which has none.", own.path().display())),
        };
        findings.push(finding);
    }
    outcome(findings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{edits, facts_with_user, findings};
    use super::*;

    #[test]
    fn an_image_in_the_user_s_file_is_removed_there() {
        let facts = facts_with_user(&json!({"image": "a.sif", "name": "a"}), Some(&json!({"image": "b.sif", "name": "a"})));
        let found = findings(&CHECK, &facts);
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Error, Severity::Warning]);
        assert_eq!(found[0].evidence[0], "/u/casa_distro_3.json:2: \"image\" is \"b.sif\"");
        assert_eq!(found[0].edits[0].file, std::path::Path::new("/u/casa_distro_3.json"));
        assert_eq!(edits(&CHECK, &facts), ["remove /image", "remove /name"]);
    }

    #[test]
    fn what_the_environment_lacks_is_not_taken_away() {
        let facts = facts_with_user(&json!({"name": "a"}), Some(&json!({"image": "b.sif"})));
        assert_eq!(edits(&CHECK, &facts), [""; 0]);
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Warning);
    }

    #[test]
    fn mounts_of_the_user_are_healthy() {
        let facts = facts_with_user(&json!({"image": "a.sif"}), Some(&json!({"mounts": {"/data": "/data"}, "env": {"A": "1"}})));
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }
}
