//! Can the engine mount an image?

use super::settings::is_set;
use super::{described, has_working_setuid, major_minor, severity, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engine, EngineKind, Engines, Facts, ImageKind, ProbeId, Setuid};
use crate::finding::{Finding, FindingKind, Severity};
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
    why: "Without root, the engine mounts an image through FUSE: it needs the device /dev/fuse and helper programs. Without squashfuse it unpacks the whole image for every start instead, which takes minutes and as much room as the image's content in the directory for temporary files; without unsquashfs, too, it gives up. Apptainer before 1.1 and SingularityCE before 4.1 always unpack it.",
    cure: "Let an administrator install the helpers that the evidence names: the packages squashfuse, fuse3 and squashfs-tools. Where the engine is too old to mount an image, have a newer one.",
    example: "INFO: squashfuse not found, will not be able to mount SIF or other squashfs files",
    since: "0.1.0",
};

/// The title where it works, slowly.
const UNPACKS: &str = "The engine unpacks the whole image for every start";

const SQUASHFUSE: [&str; 2] = ["squashfuse", "squashfuse_ll"];
const FUSERMOUNT: [&str; 2] = ["fusermount3", "fusermount"];
const UNSQUASHFS: [&str; 1] = ["unsquashfs"];

fn mounts(facts: &Facts) -> Outcome {
    let (engines, engine) = match sif_engine(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let way = way(engine, engines);
    if way == Way::Kernel {
        return Outcome::Skipped("the engine mounts images through its setuid starter".to_owned());
    }
    if facts.session.as_ref().is_some_and(|session| session.uid == Some(0)) {
        return Outcome::Skipped("root mounts images without FUSE".to_owned());
    }
    if facts.image.as_ref().is_some_and(|image| image.kind == Some(ImageKind::Sandbox)) {
        return Outcome::Skipped("the image is a directory, which needs no mounting".to_owned());
    }
    if way == Way::Unpacking {
        return match engine.setuid {
            None => Outcome::Unknown(
                "whether the engine has a setuid starter, without which this version unpacks every image, is not known".to_owned(),
            ),
            Some(Setuid::Lost { .. }) => {
                Outcome::Skipped("the engine mounts images through its setuid starter, which has lost its power".to_owned())
            }
            Some(_) => Outcome::Findings(vec![always_unpacks(facts, engines, engine)]),
        };
    }
    let Some(dev_fuse) = engines.dev_fuse else {
        let reason = engines.unknown.get("dev_fuse").map_or("it was not recorded", String::as_str);
        return Outcome::Unknown(format!("whether /dev/fuse can be used is not known: {reason}"));
    };
    let squashfuse = has(engines, &SQUASHFUSE);
    let mut finding = MISSING.found().severity(severity(facts)).evidence(described(engine));
    let mut packages = Vec::new();
    if !squashfuse {
        finding = finding.evidence("neither squashfuse nor squashfuse_ll was found");
        packages.push("squashfuse");
    } else if !dev_fuse {
        finding = finding
            .evidence("/dev/fuse is missing, or this user may not open it")
            .advise_command("As an administrator, load the kernel's module:", "sudo modprobe fuse")
            .advise_command(
                "If /dev/fuse is there, let an administrator open it to everybody, as distributions do:",
                "sudo chmod a+rw /dev/fuse",
            );
    }
    if squashfuse && way == Way::FuseOrUnpacking && !has(engines, &FUSERMOUNT) {
        finding = finding.evidence("neither fusermount3 nor fusermount was found, with which Singularity mounts");
        packages.push("fuse3");
    } else if squashfuse && way == Way::Fuse && needs_fusermount(facts, engines) {
        finding = finding.evidence("fusermount3 was not found, which kernels before 4.18 need");
        packages.push("fuse3");
    }
    if unpacks(engine, engines) {
        if has(engines, &UNSQUASHFS) {
            finding = finding.severity(Severity::Warning).title(UNPACKS).evidence("unsquashfs is there, so that it works, slowly");
        } else {
            finding = finding.evidence("unsquashfs, which would unpack the image instead, was not found either");
        }
    }
    if environment(facts).is_some_and(|environment| environment.overlay == Some(true)) && !has(engines, &["fuse2fs"]) {
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

/// What a version does that cannot do otherwise.
fn always_unpacks(facts: &Facts, engines: &Engines, engine: &Engine) -> Finding {
    let finding = MISSING
        .found()
        .severity(severity(facts))
        .evidence(described(engine))
        .evidence("without its setuid starter this version mounts no image: Apptainer does since 1.1, SingularityCE since 4.1");
    let finding = if has(engines, &UNSQUASHFS) {
        finding.severity(Severity::Warning).title(UNPACKS)
    } else {
        finding
            .evidence("unsquashfs, with which it unpacks the image, was not found")
            .advise("Let an administrator install: squashfs-tools.")
    };
    finding.advise("Have a newer engine installed, or load a newer module; or one with its setuid starter.")
}

/// How an engine comes at what is in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The kernel mounts it, at the word of the setuid starter.
    Kernel,
    /// It is mounted through FUSE; where that fails, so does the start.
    Fuse,
    /// It is mounted through FUSE; where that fails, it is unpacked.
    FuseOrUnpacking,
    /// It is unpacked.
    Unpacking,
}

/// Apptainer mounts through FUSE since 1.1, and from 1.3 on with a setuid starter, too, unless its configuration lets the kernel do
/// it. SingularityCE does since 4.1, and from 3.10 on where its configuration wants it.
fn way(engine: &Engine, engines: &Engines) -> Way {
    let version = engine.version.as_deref().and_then(major_minor);
    let is_since = |first| version.is_none_or(|version| version >= first);
    let value = |directive: &str| engines.settings.as_ref()?.values.get(directive).map(String::as_str);
    let setuid = has_working_setuid(engine);
    if engine.kind == EngineKind::Apptainer {
        let limits = ["limit container owners", "limit container groups", "limit container paths"];
        let kernel = match value("allow setuid-mount squashfs") {
            Some("yes") => true,
            Some("no") => false,
            // The default, "iflimited".
            _ => limits.into_iter().any(|limit| value(limit).is_some_and(is_set)),
        };
        return match setuid {
            true if kernel || !is_since((1, 3)) => Way::Kernel,
            _ if is_since((1, 1)) => Way::Fuse,
            _ => Way::Unpacking,
        };
    }
    match setuid {
        true if value("allow kernel squashfs") != Some("no") => Way::Kernel,
        _ if is_since((4, 1)) || value("sif fuse") == Some("yes") => Way::FuseOrUnpacking,
        _ => Way::Unpacking,
    }
}

/// Whether the engine unpacks an image for every start, as far as that shows.
pub(crate) fn unpacks(engine: &Engine, engines: &Engines) -> bool {
    match way(engine, engines) {
        Way::Kernel => false,
        // Which of the two a setuid starter of an unknown version goes is not known.
        Way::Fuse => !has(engines, &SQUASHFUSE) && (engine.version.is_some() || !has_working_setuid(engine)),
        Way::FuseOrUnpacking => !has(engines, &SQUASHFUSE) || !has(engines, &FUSERMOUNT) || engines.dev_fuse == Some(false),
        Way::Unpacking => engine.setuid == Some(Setuid::Absent),
    }
}

fn has(engines: &Engines, one_of: &[&str]) -> bool {
    engines.helpers.iter().any(|helper| one_of.contains(&helper.as_str()))
}

/// Whether FUSE needs its own setuid helper, and lacks it.
fn needs_fusermount(facts: &Facts, engines: &Engines) -> bool {
    let kernel = facts.machine.as_ref().and_then(|machine| machine.kernel.as_deref()).and_then(major_minor);
    !has(engines, &FUSERMOUNT) && kernel.is_some_and(|kernel| kernel < (4, 18))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_for, healthy};
    use super::*;
    use crate::facts::{Image, Machine, Session};
    use crate::image::tests::findings;

    fn without(helpers: &[&str], setuid: Setuid, version: &str) -> Facts {
        let mut engines = healthy(vec![engine(EngineKind::Apptainer, version, Some(setuid))]);
        engines.helpers.retain(|helper| !helpers.contains(&helper.as_str()));
        facts_for("singularity", engines)
    }

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
    fn a_setuid_starter_lets_the_kernel_mount_where_that_is_allowed() {
        for (directive, value, kernel) in [
            ("allow setuid-mount squashfs", "yes", true),
            ("allow setuid-mount squashfs", "iflimited", false),
            ("limit container owners", "root", true),
            ("limit container owners", "NULL", false),
        ] {
            let mut facts = without(&SQUASHFUSE, Setuid::Works, "1.4.5");
            let settings = facts.engines.as_mut().unwrap().settings.as_mut().unwrap();
            settings.values.insert(directive.to_owned(), value.to_owned());
            assert_eq!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)), kernel, "{directive} = {value}");
        }
    }

    /// Singularity without its setuid starter.
    fn singularity(version: &str, lacks: &[&str]) -> Facts {
        let mut engines = healthy(vec![engine(EngineKind::Singularity, version, Some(Setuid::Absent))]);
        engines.helpers.retain(|helper| !lacks.contains(&helper.as_str()));
        facts_for("singularity", engines)
    }

    #[test]
    fn old_versions_unpack_whatever_is_installed() {
        let apptainer = without(&[], Setuid::Absent, "1.0.3");
        for facts in [singularity("3.8.7", &[]), singularity("4.0.3", &[]), apptainer] {
            let slow = findings(&CHECK, &facts);
            assert_eq!((slow[0].severity, slow[0].title.as_deref()), (Severity::Warning, Some(UNPACKS)));
        }
        let mut unknown = singularity("3.8.7", &[]);
        unknown.engines.as_mut().unwrap().found[0].setuid = None;
        assert!(matches!(CHECK.judge(&unknown), Outcome::Unknown(_)));
        let impossible = findings(&CHECK, &singularity("3.8.7", &UNSQUASHFS));
        assert_eq!(impossible[0].severity, Severity::Error);
        let mut wanted = singularity("3.11.5", &[]);
        wanted.engines.as_mut().unwrap().settings.as_mut().unwrap().values.insert("sif fuse".to_owned(), "yes".to_owned());
        assert_eq!(CHECK.judge(&wanted), Outcome::Pass);
    }

    #[test]
    fn singularity_unpacks_where_it_cannot_mount() {
        assert_eq!(CHECK.judge(&singularity("4.1.5", &[])), Outcome::Pass);
        let mut no_device = singularity("4.3.0", &[]);
        no_device.engines.as_mut().unwrap().dev_fuse = Some(false);
        for facts in [singularity("4.3.0", &SQUASHFUSE), singularity("4.3.0", &FUSERMOUNT), no_device] {
            let slow = findings(&CHECK, &facts);
            assert_eq!((slow[0].severity, slow[0].title.as_deref()), (Severity::Warning, Some(UNPACKS)), "{:?}", slow[0].evidence);
        }
        let impossible = findings(&CHECK, &singularity("4.3.0", &["fusermount3", "unsquashfs"]));
        assert_eq!(impossible[0].severity, Severity::Error);
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
