//! Can the container's home directory be reached and written to?

use super::place;
use crate::check::{Category, Check, Outcome};
use crate::config::layers::shell_word;
use crate::facts::{DiskPlace, DiskRole, EngineKind, Environment, Facts, PathPart, ProbeId, RootAccess, Storage};
use crate::finding::{Finding, FindingKind, Severity};
use crate::image::{environment, setting};

pub(super) static CHECK: Check = Check {
    id: "home-access",
    category: Category::Storage,
    question: "Can the container's home directory be reached and written to?",
    needs: &[ProbeId::Environment, ProbeId::Storage],
    findings: &[&UNWRITABLE, &NOT_TRAVERSABLE],
    run: home,
};

static UNWRITABLE: FindingKind = FindingKind {
    id: "home-unwritable",
    code: "CD1302",
    severity: Severity::Error,
    title: "The container's home directory cannot be written to",
    why: "Programs in the container keep their settings in its home directory, and the first start makes it. casa_distro takes the directory home of the environment whenever that exists, even if it belongs to somebody else, as in an installation for several people; it makes one for each user only where there is none.",
    cure: "Let the directory belong to the user, or, in an installation for several people, let its owner remove or rename the environment's directory home, so that each user gets a home of their own.",
    example: "OSError: [Errno 30] Read-only file system: '/opt/brainvisa-5.1/home/.bashrc'",
    since: "0.1.0",
};

static NOT_TRAVERSABLE: FindingKind = FindingKind {
    id: "home-not-traversable",
    code: "CD1303",
    severity: Severity::Error,
    title: "A directory on the way to the container's home directory lets nobody pass",
    why: "To mount a directory, whoever mounts it must pass through all directories above it. Docker's service does that as root of this machine, and a file server usually takes that root for nobody, who passes only where everybody may. A FUSE mount lets nobody in but the user who made it, not even root.",
    cure: "Let everybody pass through the directories that the evidence names, with chmod o+x, which does not let anybody list or read them; or keep the directory on a disk of this machine.",
    example: "error while creating mount source path '/home/anna/bv/home': mkdir /home/anna/bv: file exists",
    since: "0.1.0",
};

fn home(facts: &Facts) -> Outcome {
    let Some(environment) = environment(facts) else { return Outcome::Skipped("there is no environment".to_owned()) };
    let Some(storage) = &facts.storage else { return Outcome::Unknown("nothing was recorded about disks".to_owned()) };
    let Some(home) = place(storage, DiskRole::ContainerHome) else {
        return Outcome::Unknown("where the container's home directory is was not recorded".to_owned());
    };
    if let Some(blocked) = storage.home_path.iter().find(|part| part.passable == Some(false)) {
        return Outcome::Findings(vec![closed_to_user(home, blocked)]);
    }
    let mut findings = Vec::new();
    if home.writable == Some(false) {
        findings.push(unwritable(facts, home, environment));
    }
    findings.extend(closed_to_root(facts, environment, storage, home));
    match (findings.is_empty(), home.writable) {
        (true, None) => Outcome::Unknown(format!(
            "whether {} can be written to is not known: {}",
            home.path.display(),
            home.refusal.as_deref().unwrap_or("it was not recorded")
        )),
        _ => Outcome::of(findings),
    }
}

fn unwritable(facts: &Facts, home: &DiskPlace, environment: &Environment) -> Finding {
    let path = home.path.display();
    let mut finding = UNWRITABLE.found().evidence(match home.exists {
        Some(false) => format!("{path} does not exist, and cannot be made"),
        _ => format!("{path} exists, and this user may not write to it"),
    });
    if let Some(refusal) = &home.refusal {
        finding = finding.evidence(refusal.as_str());
    }
    if home.exists != Some(false) && home.path.starts_with(&environment.directory) {
        return finding
            .advise("If the installation serves several people, let its owner rename the directory: everybody then gets a home of their own.")
            .advise_command("If it is yours alone, let an administrator give it to you:", format!("sudo chown -R {} {}", crate::this_user(facts), word(home)));
    }
    finding.advise("Let the directory belong to you, or make room for it on a disk that you may write to.")
}

fn word(home: &DiskPlace) -> String {
    shell_word(&home.path.display().to_string())
}

fn closed_to_user(home: &DiskPlace, part: &PathPart) -> Finding {
    NOT_TRAVERSABLE
        .found()
        .evidence(format!("{} is the container's home directory", home.path.display()))
        .evidence(format!("{} has mode {:04o} and does not let this user pass", part.path.display(), part.mode))
        .advise_command(
            "Ask the owner, or an administrator, to let you pass:",
            format!("chmod o+x {}", shell_word(&part.path.display().to_string())),
        )
}

/// Docker's root, where the home is on a disk that treats root as a stranger.
fn closed_to_root(facts: &Facts, environment: &Environment, storage: &Storage, home: &DiskPlace) -> Option<Finding> {
    let docker = facts.engines.as_ref().is_some_and(|engines| engines.found.iter().any(|engine| engine.kind == EngineKind::Docker));
    if setting(environment, "container_type") != Some("docker") || !docker {
        return None;
    }
    let kind = home.filesystem.as_deref().unwrap_or("unknown");
    let mount = home.mount_point.as_ref()?;
    let on_it = format!("{} is on {}, a filesystem of the type {kind}", home.path.display(), mount.display());
    match home.root_refused {
        RootAccess::Full | RootAccess::Unknown => None,
        RootAccess::Refused => Some(
            NOT_TRAVERSABLE
                .found()
                .title("Docker cannot reach the container's home directory on a FUSE mount")
                .evidence(on_it)
                .evidence("it was mounted without allow_other and allow_root")
                .advise("Mount it with the option allow_root, for which /etc/fuse.conf must have the line user_allow_other, or keep the directory on a disk of this machine."),
        ),
        RootAccess::MayBeSquashed => {
            let closed: Vec<_> =
                storage.home_path.iter().filter(|part| part.path.starts_with(mount) && part.mode & 0o001 == 0).collect();
            if closed.is_empty() {
                return None;
            }
            let mut finding = NOT_TRAVERSABLE
                .found()
                .severity(Severity::Warning)
                .title("Docker may not be able to reach the container's home directory")
                .evidence(on_it);
            for part in &closed {
                finding = finding.evidence(format!(
                    "{} has mode {:04o}: nobody but its owner and group passes",
                    part.path.display(),
                    part.mode
                ));
            }
            let paths: Vec<_> = closed.iter().map(|part| shell_word(&part.path.display().to_string())).collect();
            Some(
                finding
                    .advise_command("Let everybody pass, without letting anybody read:", format!("chmod o+x {}", paths.join(" "))),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{Engine, Engines};
    use crate::image::tests::{answered, facts_with, findings};

    const HOME: &str = "/home/anna/casa_distro/bv/home";

    fn facts(container_type: &str, home: DiskPlace, modes: &[(&str, u32, bool)]) -> Facts {
        let mut facts = facts_with(json!({"container_type": container_type}));
        let parts =
            modes.iter().map(|(path, mode, passable)| PathPart { path: path.into(), mode: *mode, passable: Some(*passable) });
        facts.storage = Some(Storage { places: vec![home], home_path: parts.collect(), ..Storage::default() });
        facts
    }

    fn at_home(writable: Option<bool>, root_refused: RootAccess) -> DiskPlace {
        DiskPlace {
            role: DiskRole::ContainerHome,
            path: HOME.into(),
            exists: Some(true),
            writable,
            refusal: (writable == Some(false)).then(|| format!("permission denied in {HOME}")),
            mount_point: Some("/home".into()),
            filesystem: Some("nfs4".into()),
            root_refused,
            ..DiskPlace::default()
        }
    }

    #[test]
    fn a_home_of_somebody_else() {
        let found = findings(&CHECK, &facts("singularity", at_home(Some(false), RootAccess::Full), &[]));
        assert_eq!((found.len(), found[0].kind.id, found[0].severity), (1, "home-unwritable", Severity::Error));
        assert!(found[0].advice[0].text.contains("several people"));
        assert_eq!(CHECK.judge(&facts("singularity", at_home(Some(true), RootAccess::Full), &[])), Outcome::Pass);
    }

    #[test]
    fn a_closed_directory_is_told_and_not_its_consequence() {
        let way = [("/", 0o755, true), ("/home", 0o700, false)];
        let found = findings(&CHECK, &facts("singularity", at_home(Some(false), RootAccess::Full), &way));
        assert_eq!((found.len(), found[0].kind.id), (1, "home-not-traversable"));
        assert!(found[0].evidence[1].starts_with("/home has mode 0700"));
    }

    fn docker(root_refused: RootAccess, mode: u32) -> Facts {
        let way = [("/", 0o755, true), ("/home", 0o755, true), ("/home/anna", mode, true)];
        let mut facts = facts("docker", at_home(Some(true), root_refused), &way);
        let path = "/usr/bin/docker".into();
        let engine = Engine {
            kind: EngineKind::Docker,
            path,
            version_text: None,
            version: None,
            version_error: None,
            setuid: None,
            daemon: None,
        };
        facts.engines = Some(Engines { found: vec![engine], ..Engines::default() });
        facts
    }

    #[test]
    fn docker_on_a_disk_that_squashes_root() {
        let found = findings(&CHECK, &docker(RootAccess::MayBeSquashed, 0o700));
        assert_eq!((found[0].kind.id, found[0].severity), ("home-not-traversable", Severity::Warning));
        assert_eq!(found[0].advice[0].command.as_deref(), Some("chmod o+x /home/anna"));
        let fuse = findings(&CHECK, &docker(RootAccess::Refused, 0o755));
        assert_eq!((fuse[0].kind.id, fuse[0].severity), ("home-not-traversable", Severity::Error));
        for healthy in
            [docker(RootAccess::MayBeSquashed, 0o711), docker(RootAccess::Full, 0o700), docker(RootAccess::Unknown, 0o700)]
        {
            assert_eq!(CHECK.judge(&healthy), Outcome::Pass);
        }
    }

    #[test]
    fn without_an_environment_or_facts() {
        assert!(matches!(CHECK.judge(&answered()), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&facts_with(json!({}))), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&facts("singularity", at_home(None, RootAccess::Full), &[])), Outcome::Unknown(_)));
    }
}
