//! Can the engine mount an image?

use super::{described, has_working_setuid, major_minor, severity, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engine, EngineKind, Engines, Facts, ImageKind, ProbeId};
use crate::finding::{FindingKind, Severity};
use crate::image::environment;

pub(super) static CHECK: Check = Check {
    id: "engine-fuse",
    category: Category::Engine,
    question: "Can the engine mount an image?",
    needs: &[ProbeId::Engines],
    findings: &[&MISSING],
    run: mounts,
};

static MISSING: FindingKind = FindingKind {
    id: "engine-fuse-missing",
    code: "CD0705",
    severity: Severity::Error,
    title: "The engine lacks what it mounts an image with",
    why: "Without root, the engine mounts an image through FUSE: it needs the device /dev/fuse and helper programs. Without squashfuse it unpacks the whole image for every start instead, which takes minutes and as much room as the image's content in the directory for temporary files; without unsquashfs, too, it gives up.",
    cure: "Let an administrator install the helpers that the evidence names: the packages squashfuse, fuse3 and squashfs-tools.",
    example: "INFO: squashfuse not found, will not be able to mount SIF or other squashfs files",
    since: "0.1.0",
};

fn mounts(facts: &Facts) -> Outcome {
    let (engines, engine) = match sif_engine(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if !uses_fuse(engine) {
        return Outcome::Skipped("the engine mounts images through its setuid starter".to_owned());
    }
    if facts.session.as_ref().is_some_and(|session| session.uid == Some(0)) {
        return Outcome::Skipped("root mounts images without FUSE".to_owned());
    }
    if facts.image.as_ref().is_some_and(|image| image.kind == Some(ImageKind::Sandbox)) {
        return Outcome::Skipped("the image is a directory, which needs no mounting".to_owned());
    }
    let Some(dev_fuse) = engines.dev_fuse else {
        let reason = engines.unknown.get("dev_fuse").map_or("it was not recorded", String::as_str);
        return Outcome::Unknown(format!("whether /dev/fuse can be used is not known: {reason}"));
    };
    let has = |helper: &str| engines.helpers.iter().any(|name| name == helper);
    let squashfuse = has("squashfuse") || has("squashfuse_ll");
    let mut finding = MISSING.found().severity(severity(facts)).evidence(described(engine));
    let mut packages = Vec::new();
    match (squashfuse, has("unsquashfs"), dev_fuse) {
        (true, _, true) => {}
        (true, _, false) => {
            finding = finding
                .evidence("/dev/fuse is missing, or this user may not open it")
                .advise_command("As an administrator, load the kernel's module:", "sudo modprobe fuse")
                .advise_command(
                    "If /dev/fuse is there, let an administrator open it to everybody, as distributions do:",
                    "sudo chmod a+rw /dev/fuse",
                )
        }
        (false, true, _) => {
            finding = finding
                .severity(Severity::Warning)
                .title("The engine unpacks the whole image for every start")
                .evidence("neither squashfuse nor squashfuse_ll was found; unsquashfs is there, so that it works, slowly");
            packages.push("squashfuse");
        }
        (false, false, _) => {
            finding = finding.evidence("neither squashfuse, squashfuse_ll nor unsquashfs was found");
            packages.push("squashfuse");
        }
    }
    if squashfuse && needs_fusermount(facts, engines) {
        finding = finding.evidence("fusermount3 was not found, which kernels before 4.18 need");
        packages.push("fuse3");
    }
    if environment(facts).is_some_and(|environment| environment.overlay == Some(true)) && !has("fuse2fs") {
        finding = finding.evidence("the environment has an overlay.img, and fuse2fs, which mounts it, was not found");
        packages.push("fuse2fs");
    }
    // The first piece of evidence names the engine; without a second there is nothing to tell.
    if finding.evidence.len() == 1 {
        return Outcome::Pass;
    }
    if !packages.is_empty() {
        finding = finding.advise(format!("Let an administrator install: {}.", packages.join(", ")));
    }
    Outcome::Findings(vec![finding])
}

/// Whether the engine mounts images through FUSE: always without a setuid starter, and from Apptainer 1.3 on with one, too, as
/// long as its configuration is the default one.
fn uses_fuse(engine: &Engine) -> bool {
    let version = engine.version.as_deref().and_then(major_minor);
    !has_working_setuid(engine) || engine.kind == EngineKind::Apptainer && version.is_none_or(|version| version >= (1, 3))
}

/// Whether FUSE needs its own setuid helper, and lacks it.
fn needs_fusermount(facts: &Facts, engines: &Engines) -> bool {
    let kernel = facts.machine.as_ref().and_then(|machine| machine.kernel.as_deref()).and_then(major_minor);
    let there = engines.helpers.iter().any(|helper| helper == "fusermount3" || helper == "fusermount");
    !there && kernel.is_some_and(|kernel| kernel < (4, 18))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_for, healthy};
    use super::*;
    use crate::facts::{Image, Machine, Session, Setuid};
    use crate::image::tests::findings;

    fn without(helpers: &[&str], setuid: Setuid, version: &str) -> Facts {
        let mut engines = healthy(vec![engine(EngineKind::Apptainer, version, Some(setuid))]);
        engines.helpers.retain(|helper| !helpers.contains(&helper.as_str()));
        facts_for("singularity", engines)
    }

    const SQUASHFUSE: [&str; 2] = ["squashfuse", "squashfuse_ll"];

    #[test]
    fn without_squashfuse_it_is_slow_and_without_unsquashfs_impossible() {
        let slow = findings(&CHECK, &without(&SQUASHFUSE, Setuid::Absent, "1.4.5"));
        assert_eq!((slow[0].kind.id, slow[0].severity), ("engine-fuse-missing", Severity::Warning));
        let impossible = findings(&CHECK, &without(&["squashfuse", "squashfuse_ll", "unsquashfs"], Setuid::Absent, "1.4.5"));
        assert_eq!(impossible[0].severity, Severity::Error);
        assert_eq!(CHECK.judge(&without(&["squashfuse"], Setuid::Absent, "1.4.5")), Outcome::Pass);
    }

    #[test]
    fn a_setuid_starter_mounts_by_itself_before_apptainer_1_3() {
        assert!(matches!(CHECK.judge(&without(&SQUASHFUSE, Setuid::Works, "1.2.5")), Outcome::Skipped(_)));
        assert_eq!(findings(&CHECK, &without(&SQUASHFUSE, Setuid::Works, "1.4.5")).len(), 1);
    }

    #[test]
    fn the_device_the_helper_of_old_kernels_and_the_overlay() {
        let mut facts = without(&[], Setuid::Absent, "1.4.5");
        facts.engines.as_mut().unwrap().dev_fuse = Some(false);
        assert!(findings(&CHECK, &facts)[0].evidence[1].contains("/dev/fuse"));
        facts.engines.as_mut().unwrap().dev_fuse = None;
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
        let mut old = without(&["fusermount3"], Setuid::Absent, "1.4.5");
        assert_eq!(CHECK.judge(&old), Outcome::Pass);
        old.machine = Some(Machine { kernel: Some("3.10.0-1160.el7.x86_64".to_owned()), ..Machine::default() });
        assert!(findings(&CHECK, &old)[0].evidence[1].contains("fusermount3"));
        let mut overlay = without(&["fuse2fs"], Setuid::Absent, "1.4.5");
        assert_eq!(CHECK.judge(&overlay), Outcome::Pass);
        overlay.environment.as_mut().unwrap().found.as_mut().unwrap().overlay = Some(true);
        assert!(findings(&CHECK, &overlay)[0].evidence[1].contains("overlay.img"));
    }

    #[test]
    fn who_needs_no_fuse_is_not_asked() {
        let mut sandbox = without(&SQUASHFUSE, Setuid::Absent, "1.4.5");
        sandbox.image = Some(Image { kind: Some(ImageKind::Sandbox), ..Image::default() });
        assert!(matches!(CHECK.judge(&sandbox), Outcome::Skipped(_)));
        let mut root = without(&SQUASHFUSE, Setuid::Absent, "1.4.5");
        root.session = Some(Session { uid: Some(0), ..Session::default() });
        assert!(matches!(CHECK.judge(&root), Outcome::Skipped(_)));
    }
}
