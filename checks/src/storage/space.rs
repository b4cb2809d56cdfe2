//! Is there room where a launch writes?

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::place;
use crate::check::{Category, Check, Outcome};
use crate::config::layers::shell_word;
use crate::engine::{self, sif_engine};
use crate::facts::{DiskPlace, DiskRole, EngineKind, Facts, ImageKind, ProbeId, Space, Storage};
use crate::finding::{Finding, FindingKind, Severity};
use crate::image::{environment, setting};

pub(super) static CHECK: Check = Check {
    id: "disk-space",
    category: Category::Storage,
    question: "Is there room on the disks that a launch writes to?",
    needs: &[ProbeId::Storage],
    findings: &[&FULL],
    run: space,
};

static FULL: FindingKind = FindingKind {
    id: "disk-full",
    code: "CD1301",
    severity: Severity::Error,
    title: "A disk that is needed is full",
    why: "Every launch writes: private files for the X server and the engine into the directory for temporary files, settings into the home directories. On a full disk that fails, often with a message about something else. Less than 10 MiB, or no room for more files, counts as full. An engine without squashfuse, or an old one, also unpacks the whole image for every start, and Docker unpacks it once; less than 1 GiB is not enough for that.",
    cure: "Make room on the disk, or let TMPDIR or APPTAINER_TMPDIR (SINGULARITY_TMPDIR for Singularity) name a directory on another one.",
    example: "write /tmp/rootfs-2718/archive-31: no space left on device",
    since: "0.1.0",
};

/// Less than this is full: the private files of a launch and a program's settings take some MiB.
const LAUNCH: u64 = 10 << 20;
/// Less than this does not hold an unpacked image: those of BrainVISA have several GiB.
const IMAGE: u64 = 1 << 30;
/// Fewer new files than this are none: a launch alone makes some dozens.
const FILES: u64 = 100;

/// What is too little at a place.
struct Lack {
    severity: Severity,
    evidence: String,
    /// Whether it is room that lacks; else there is room, and no more files can be made.
    bytes: bool,
}

fn space(facts: &Facts) -> Outcome {
    let Some(storage) = &facts.storage else { return Outcome::Unknown("nothing was recorded about disks".to_owned()) };
    if storage.places.iter().all(|place| place.space.is_none()) {
        return Outcome::Unknown("the room on the disks could not be asked for".to_owned());
    }
    let unpacks = unpacks(facts);
    // Places on one filesystem are full together.
    let mut disks: BTreeMap<PathBuf, Vec<(&DiskPlace, Lack)>> = BTreeMap::new();
    for place in storage.places.iter().filter(|place| is_used(facts, place)) {
        if let Some(lack) = lack(facts, storage, place, unpacks) {
            let disk = place.mount_point.clone().unwrap_or_else(|| place.path.clone());
            disks.entry(disk).or_default().push((place, lack));
        }
    }
    Outcome::of(disks.iter().map(|(disk, lacks)| finding(facts, disk, lacks)).collect())
}

/// Singularity does not look at Apptainer's variable; Apptainer knows both.
fn is_used(facts: &Facts, place: &DiskPlace) -> bool {
    let is_named_for_apptainer = place.variable.as_deref().is_some_and(|name| name.starts_with("APPTAINER_"));
    !(is_named_for_apptainer && prefix(facts) == "SINGULARITY")
}

/// With what the names of the engine's variables begin.
fn prefix(facts: &Facts) -> &'static str {
    match sif_engine(facts) {
        Ok((_, engine)) if engine.kind == EngineKind::Singularity => "SINGULARITY",
        _ => "APPTAINER",
    }
}

fn finding(facts: &Facts, disk: &std::path::Path, lacks: &[(&DiskPlace, Lack)]) -> Finding {
    let severity = lacks.iter().map(|(_, lack)| lack.severity).max().unwrap_or(FULL.severity);
    let mut finding = FULL.found().severity(severity);
    if severity < Severity::Error {
        finding = finding.title("A disk has little room for what will be written there");
    }
    for (_, lack) in lacks {
        finding = finding.evidence(lack.evidence.as_str());
    }
    // Where the room is used up is below the place itself or beside it on the same disk.
    let shown = shell_word(&disk.display().to_string());
    if lacks.iter().any(|(_, lack)| lack.bytes) {
        finding =
            finding.advise_command("See what fills the disk, and make room:", format!("du -xh -d 1 {shown} 2>/dev/null | sort -h"));
    }
    if lacks.iter().any(|(_, lack)| !lack.bytes) {
        finding = finding.advise_command(
            "See where the many files are (df -i counts them), and delete or pack what is not needed:",
            format!("du --inodes -x -d 1 {shown} 2>/dev/null | sort -n"),
        );
    }
    let is = |role: DiskRole| lacks.iter().any(|(place, _)| place.role == role);
    if is(DiskRole::Temporary) {
        finding = finding.advise_command("Let temporary files go to a disk with room:", "export TMPDIR=/path/to/a/disk/with/room");
    }
    if is(DiskRole::EngineTemporary) {
        let command = format!("export {}_TMPDIR=/path/to/a/disk/with/room", prefix(facts));
        finding = finding.advise_command("Unpack images on a disk with room:", command);
    }
    if is(DiskRole::Docker) {
        finding = finding
            .advise_command("Docker may hold images that nobody needs; it asks before it removes them:", "docker system prune");
    }
    finding
}

/// What is too little at a place, if anything.
fn lack(facts: &Facts, storage: &Storage, disk: &DiskPlace, unpacks: bool) -> Option<Lack> {
    let space = disk.space?;
    // Nobody writes there, whether there is room or not: an image of a filesystem is always full.
    if disk.writable == Some(false) && disk.role != DiskRole::Docker || disk.read_only == Some(true) {
        return None;
    }
    let holds_images = match disk.role {
        DiskRole::EngineTemporary => unpacks,
        DiskRole::Temporary => unpacks && !place(storage, DiskRole::EngineTemporary).is_some_and(|place| is_used(facts, place)),
        DiskRole::Docker if uses_docker(facts) => true,
        DiskRole::Docker => return None,
        DiskRole::Environment | DiskRole::Home | DiskRole::ContainerHome => false,
    };
    let written_at_launch = matches!(disk.role, DiskRole::Temporary | DiskRole::Home | DiskRole::ContainerHome);
    let severity = if is_full(space) {
        match disk.role {
            _ if written_at_launch => Severity::Error,
            DiskRole::EngineTemporary if !unpacks => return None,
            _ => Severity::Warning,
        }
    } else if holds_images && space.free_bytes < IMAGE {
        Severity::Warning
    } else {
        return None;
    };
    let why = if is_full(space) || !holds_images {
        ""
    } else if disk.role == DiskRole::Docker {
        "; an image needs more"
    } else {
        "; the engine unpacks the image there for every start (see engine-fuse)"
    };
    let bytes = space.free_bytes < LAUNCH || !is_full(space);
    Some(Lack { severity, evidence: format!("{}: {}{why}", described(disk), room(space)), bytes })
}

fn is_full(space: Space) -> bool {
    space.free_bytes < LAUNCH || space.free_inodes.is_some_and(|files| files < FILES)
}

/// The room in words.
fn room(space: Space) -> String {
    let files = space.free_inodes.filter(|files| *files < FILES);
    let text = format!("{} of {} are free", bytes(space.free_bytes), bytes(space.total_bytes));
    match files {
        None => text,
        Some(0) => format!("{text}, and no more files can be made"),
        Some(1) => format!("{text}, and only 1 more file can be made"),
        Some(files) => format!("{text}, and only {files} more files can be made"),
    }
}

fn bytes(count: u64) -> String {
    let unit = |shift: u32, name: &str| format!("{:.1} {name}", count as f64 / f64::from(1_u32 << shift));
    match count {
        0..0x400 => format!("{count} bytes"),
        0x400..0x10_0000 => unit(10, "KiB"),
        0x10_0000..0x4000_0000 => unit(20, "MiB"),
        _ => unit(30, "GiB"),
    }
}

/// A place and its use: `/scratch (TMPDIR, temporary files)`.
fn described(place: &DiskPlace) -> String {
    let role = match place.role {
        DiskRole::Temporary => "temporary files",
        DiskRole::EngineTemporary => "temporary files of the engine",
        DiskRole::Environment => "the environment",
        DiskRole::Home => "the home directory",
        DiskRole::ContainerHome => "the container's home directory",
        DiskRole::Docker => "Docker's images",
    };
    let variable = place.variable.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
    format!("{} ({variable}{role})", place.path.display())
}

/// Whether the engine unpacks the image for every start: Apptainer and Singularity do where they cannot mount it.
pub(crate) fn unpacks(facts: &Facts) -> bool {
    let Some(environment) = environment(facts) else { return false };
    if matches!(setting(environment, "container_type"), Some("docker" | "podman" | "vbox")) {
        return false;
    }
    if facts.image.as_ref().is_some_and(|image| image.kind == Some(ImageKind::Sandbox)) {
        return false;
    }
    let root = facts.session.as_ref().is_some_and(|session| session.uid == Some(0));
    !root && sif_engine(facts).is_ok_and(|(engines, engine)| engine::unpacks(engine, engines))
}

fn uses_docker(facts: &Facts) -> bool {
    let wanted = environment(facts).and_then(|environment| setting(environment, "container_type")) == Some("docker");
    wanted && facts.engines.as_ref().is_some_and(|engines| engines.found.iter().any(|engine| engine.kind == EngineKind::Docker))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{Engine, Engines, Setuid};
    use crate::image::tests::{answered, facts_with, findings};

    fn disk(role: DiskRole, path: &str, free_bytes: u64) -> DiskPlace {
        let space = Some(Space { free_bytes, total_bytes: 1 << 40, free_inodes: Some(10_000) });
        DiskPlace {
            role,
            path: path.into(),
            writable: Some(true),
            space,
            mount_point: Some("/disk".into()),
            ..DiskPlace::default()
        }
    }

    fn facts(places: Vec<DiskPlace>) -> Facts {
        Facts { storage: Some(Storage { places, ..Storage::default() }), ..answered() }
    }

    fn with_engine(mut facts: Facts, container_type: &str, kind: EngineKind, helpers: &[&str], setuid: Setuid) -> Facts {
        facts.environment = facts_with(json!({"container_type": container_type})).environment;
        let engine = Engine {
            kind,
            path: "/e".into(),
            version_text: None,
            version: None,
            version_error: None,
            setuid: Some(setuid),
            daemon: None,
        };
        let helpers = helpers.iter().map(|helper| (*helper).to_owned()).collect();
        facts.engines = Some(Engines { found: vec![engine], helpers, ..Engines::default() });
        facts
    }

    #[test]
    fn a_full_disk_is_one_finding_with_all_its_places() {
        let places = vec![
            disk(DiskRole::Temporary, "/disk/tmp", 5 << 20),
            disk(DiskRole::Home, "/disk/home", 5 << 20),
            disk(DiskRole::Environment, "/disk/bv", 5 << 20),
        ];
        let found = findings(&CHECK, &facts(places));
        assert_eq!(
            (found.len(), found[0].kind.id, found[0].severity, found[0].evidence.len()),
            (1, "disk-full", Severity::Error, 3)
        );
        assert_eq!(found[0].evidence[0], "/disk/tmp (temporary files): 5.0 MiB of 1024.0 GiB are free");
    }

    #[test]
    fn the_limits() {
        assert_eq!(findings(&CHECK, &facts(vec![disk(DiskRole::Temporary, "/t", LAUNCH - 1)])).len(), 1);
        assert_eq!(CHECK.judge(&facts(vec![disk(DiskRole::Temporary, "/t", LAUNCH)])), Outcome::Pass);
        let environment = findings(&CHECK, &facts(vec![disk(DiskRole::Environment, "/t", 0)]));
        assert_eq!(environment[0].severity, Severity::Warning);
        let mut inodes = disk(DiskRole::Temporary, "/t", 1 << 40);
        inodes.space.as_mut().unwrap().free_inodes = Some(0);
        let found = findings(&CHECK, &facts(vec![inodes.clone()]));
        assert!(found[0].evidence[0].ends_with("and no more files can be made"), "{:?}", found[0].evidence);
        let command = found[0].advice[0].command.as_deref().unwrap();
        assert!(command.starts_with("du --inodes"), "what fills the disk are files and not bytes: {command}");
        let bytes = findings(&CHECK, &facts(vec![disk(DiskRole::Temporary, "/t", 0)]));
        assert!(bytes[0].advice[0].command.as_deref().unwrap().starts_with("du -xh"), "{:?}", bytes[0].advice);
        inodes.space.as_mut().unwrap().free_inodes = None;
        assert_eq!(CHECK.judge(&facts(vec![inodes])), Outcome::Pass);
    }

    #[test]
    fn what_nobody_writes_to_may_be_full() {
        let mut read_only = disk(DiskRole::Environment, "/cvmfs", 0);
        read_only.read_only = Some(true);
        let mut others = disk(DiskRole::Environment, "/opt", 0);
        others.writable = Some(false);
        assert_eq!(CHECK.judge(&facts(vec![read_only, others, disk(DiskRole::Docker, "/var/lib/docker", 0)])), Outcome::Pass);
    }

    #[test]
    fn room_for_an_image_matters_only_where_it_is_unpacked() {
        let small = || facts(vec![disk(DiskRole::Temporary, "/tmp", IMAGE - 1)]);
        let apptainer = |helpers: &[&str], setuid| with_engine(small(), "singularity", EngineKind::Apptainer, helpers, setuid);
        let found = findings(&CHECK, &apptainer(&[], Setuid::Absent));
        assert_eq!((found[0].kind.id, found[0].severity), ("disk-full", Severity::Warning));
        assert_eq!(CHECK.judge(&apptainer(&["squashfuse"], Setuid::Absent)), Outcome::Pass);
        assert_eq!(CHECK.judge(&apptainer(&[], Setuid::Works)), Outcome::Pass);
        assert_eq!(CHECK.judge(&small()), Outcome::Pass);
        let mut elsewhere = apptainer(&[], Setuid::Absent);
        elsewhere.storage.as_mut().unwrap().places.push(disk(DiskRole::EngineTemporary, "/big", IMAGE));
        assert_eq!(CHECK.judge(&elsewhere), Outcome::Pass);
    }

    #[test]
    fn each_engine_has_its_own_variable_for_the_place_where_it_unpacks() {
        for (kind, variable, command) in [
            (EngineKind::Apptainer, "APPTAINER_TMPDIR", Some("export APPTAINER_TMPDIR")),
            (EngineKind::Apptainer, "SINGULARITY_TMPDIR", Some("export APPTAINER_TMPDIR")),
            (EngineKind::Singularity, "SINGULARITY_TMPDIR", Some("export SINGULARITY_TMPDIR")),
            (EngineKind::Singularity, "APPTAINER_TMPDIR", None),
        ] {
            let mut small = disk(DiskRole::EngineTemporary, "/small", IMAGE - 1);
            small.variable = Some(variable.to_owned());
            let facts = with_engine(facts(vec![small]), "singularity", kind, &[], Setuid::Absent);
            let outcome = CHECK.judge(&facts);
            let Some(command) = command else {
                assert_eq!(outcome, Outcome::Pass, "{kind:?} {variable}");
                continue;
            };
            let found = findings(&CHECK, &facts);
            assert!(found[0].advice.iter().any(|advice| advice.command.as_deref().is_some_and(|text| text.starts_with(command))));
        }
    }

    #[test]
    fn docker_s_disk_matters_where_docker_is_the_engine() {
        let full = || {
            let mut disk = disk(DiskRole::Docker, "/var/lib/docker", 5);
            disk.writable = Some(false);
            facts(vec![disk])
        };
        let found = findings(&CHECK, &with_engine(full(), "docker", EngineKind::Docker, &[], Setuid::Absent));
        assert_eq!(found[0].severity, Severity::Warning);
        assert_eq!(CHECK.judge(&with_engine(full(), "singularity", EngineKind::Docker, &[], Setuid::Absent)), Outcome::Pass);
    }

    #[test]
    fn without_figures_it_is_unknown() {
        let mut nothing = disk(DiskRole::Temporary, "/t", 0);
        nothing.space = None;
        assert!(matches!(CHECK.judge(&facts(vec![nothing])), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&answered()), Outcome::Unknown(_)));
    }
}
