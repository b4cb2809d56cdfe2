//! Does casa_distro mount all the directories in which data usually are?

use serde_json::json;

use super::layers::layers;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, LinkedDirectory, ProbeId};
use crate::finding::{Change, Finding, FindingKind, Safety, Severity};

/// Does casa_distro mount all the directories in which data usually are?
pub(super) static CHECK: Check = Check {
    id: "config-links",
    category: Category::Config,
    question: "Does casa_distro mount all the directories in which data usually are?",
    needs: &[ProbeId::Environment],
    findings: &[&SKIPPED],
    run,
};

static SKIPPED: FindingKind = FindingKind {
    id: "config-directory-skipped",
    code: "CD0920",
    severity: Severity::Info,
    title: "A directory that casa_distro usually mounts is a link, and is passed over",
    why: "casa_distro mounts /home, /mnt, /media, /srv and some others into every container, but not where one of them is a link to another \
          place. The data are there on the machine, and programs in the container do not find them under the path that everybody uses.",
    cure: "Mount the directory in the configuration.",
    example: "ls: cannot access '/home/shared/data': No such file or directory",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    if !layers.is_singularity() {
        return Outcome::Skipped("the environment is not for Apptainer or Singularity".to_owned());
    }
    let environment = layers.environment;
    let is_mounted = |link: &&LinkedDirectory| {
        let path = link.path.to_string_lossy();
        environment.mounts.iter().any(|mount| mount.place() == path && mount.host.is_some())
    };
    let home = facts.session.as_ref().and_then(|session| session.home.as_ref());
    let found = environment.linked_directories.iter().filter(|link| !is_mounted(link)).map(|link| -> Finding {
        let holds_home = home.is_some_and(|home| home.starts_with(&link.path));
        let mut finding = SKIPPED.found().evidence(format!("{} is a link to {}", link.path.display(), link.target.display()));
        if holds_home {
            finding = finding
                .severity(Severity::Warning)
                .evidence("your home directory is in it: casa_distro mounts that under its real path, not under this one");
        }
        let own = layers.own();
        let pointer = format!("/mounts/{}", link.path.to_string_lossy().replace('~', "~0").replace('/', "~1"));
        let edit = own.edit(&pointer, Change::Set { to: json!(link.path) }, &SKIPPED);
        finding.fix(format!("Mount {} in the configuration, if programs need it", link.path.display()), Safety::Confirm, [edit])
    });
    Outcome::of(found.collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_skips_without_configuration, edits, facts, findings};
    use super::*;
    use crate::facts::Session;

    fn linked(config: &serde_json::Value, path: &str) -> Facts {
        let mut facts = facts(config);
        let found = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        found.linked_directories = vec![LinkedDirectory { path: path.into(), target: "/export/data".into() }];
        facts.session = Some(Session { home: Some("/home/anna".into()), ..Session::default() });
        facts
    }

    #[test]
    fn a_link_is_passed_over_and_can_be_mounted() {
        let facts = linked(&json!({"container_type": "singularity"}), "/mnt");
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Info);
        assert!(edits(&CHECK, &facts)[0].contains("/mounts/~1mnt"));
        let home = linked(&json!({"container_type": "singularity"}), "/home");
        assert_eq!(findings(&CHECK, &home)[0].severity, Severity::Warning);
    }

    #[test]
    fn a_mounted_link_and_none_at_all_are_healthy() {
        let mut facts = linked(&json!({"container_type": "singularity"}), "/mnt");
        let found = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        found.mounts.push(crate::facts::Mount { container: "/mnt".into(), host: Some("/mnt".into()), ..Default::default() });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        facts.environment.as_mut().unwrap().found.as_mut().unwrap().linked_directories.clear();
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        assert_skips_without_configuration(&CHECK);
    }
}
