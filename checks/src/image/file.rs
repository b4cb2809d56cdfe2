//! Is the file a whole image that this machine can run?

use super::{configured, image_file_of};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ImageKind, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "image-file",
    category: Category::Image,
    question: "Is the file a whole image, made for this kind of processor?",
    needs: &[ProbeId::Environment, ProbeId::Image],
    findings: &[&NOT_AN_IMAGE, &TRUNCATED, &DAMAGED, &OTHER_ARCHITECTURE],
    run: whole,
};

static TRUNCATED: FindingKind = FindingKind {
    id: "image-truncated",
    code: "CD0803",
    severity: Severity::Error,
    title: "The image is cut short",
    why: "The file is smaller than its own header, or the file that was downloaded with it, says. That is what an interrupted download or copy, or a full disk, leaves. Programs then fail in ways that do not name the cause, or the engine speaks of a bad superblock or a corrupted image.",
    cure: "Download or copy the image again, and check that the disk has room for it.",
    example: "kernel reported a bad superblock for squashfs image partition, possible causes are that your kernel doesn't support the compression algorithm or the image is corrupted",
    since: "0.1.0",
};

static DAMAGED: FindingKind = FindingKind {
    id: "image-damaged",
    code: "CD0809",
    severity: Severity::Error,
    title: "The image is damaged",
    why: "The file has its full size, but what stands in it is not what was packed: a download that was resumed wrongly, a copy of which a part was never \
          written, or a disk that fails. The container does not start, or programs in it fail with errors of input and output.",
    cure: "Download or copy the image again. Where it comes with its checksum, casa-doctor --checksum compares it.",
    example: "FATAL: container creation failed: image driver mount failure: squashfuse_ll exited: Something went wrong trying to read the squashfs image.",
    since: "0.1.0",
};

static NOT_AN_IMAGE: FindingKind = FindingKind {
    id: "image-not-an-image",
    code: "CD0804",
    severity: Severity::Error,
    title: "The file is not an image",
    why: "The file has the name of an image, but its first bytes are those of something else: a page with an error message that a server sent in place of the image, an empty file, or a note that stands for a large file. No engine can start it.",
    cure: "Download the image again, from the address that the documentation of the software gives.",
    example: "FATAL: could not open image /data/brainvisa-5.1.sif: image format not recognized",
    since: "0.1.0",
};

static OTHER_ARCHITECTURE: FindingKind = FindingKind {
    id: "image-other-architecture",
    code: "CD0808",
    severity: Severity::Error,
    title: "The image is made for another kind of processor",
    why: "An image holds machine code for one kind of processor. Another kind runs it only through an emulator that is registered with the kernel (binfmt_misc), such as qemu, or Rosetta in a virtual machine on a Mac. That is slow and draws no OpenGL in hardware, and without it nothing starts.",
    cure: "Use an image for this processor, or a machine with the image's kind of processor. Where neither can be had, set up an emulator.",
    example: "FATAL: the image's architecture (amd64) could not run on the host's (arm64)",
    since: "0.1.0",
};

fn whole(facts: &Facts) -> Outcome {
    let (environment, image, path) = match image_file_of(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let Some(kind) = &image.kind else {
        if image.readable == Some(false) {
            return Outcome::Skipped("the image may not be read".to_owned());
        }
        return Outcome::Unknown(
            image.unknown.get("kind").cloned().unwrap_or_else(|| "what the file is was not recorded".to_owned()),
        );
    };
    if let ImageKind::NotAnImage { looks_like } = kind {
        let mut finding = NOT_AN_IMAGE
            .found()
            .evidence(configured(environment, image))
            .evidence(format!("{} looks like: {looks_like}", path.display()))
            .advise("Download the image again; check the size of what comes before you put it in its place.");
        if let Some(size) = image.size {
            finding = finding.evidence(format!("its size is {size} bytes"));
        }
        return Outcome::Findings(vec![finding]);
    }
    let mut findings = Vec::new();
    if let Some(size) = image.size {
        let promised = [
            image.sif.as_ref().map(|sif| sif.end).or(image.end).map(|end| (end, "its own header".to_owned())),
            image.metadata.as_ref().and_then(|metadata| Some((metadata.size?, metadata.path.display().to_string()))),
        ];
        let missing: Vec<_> = promised.into_iter().flatten().filter(|(promised, _)| *promised > size).collect();
        if !missing.is_empty() {
            let mut finding = TRUNCATED.found().evidence(format!("{} has {size} bytes", path.display()));
            for (promised, source) in missing {
                finding = finding.evidence(format!("{source} says that there are {promised} bytes"));
            }
            if image.part_file {
                finding = finding.evidence(format!("{}.part is there: a download that was not finished", image.path.display()));
            }
            findings.push(finding.advise("Download or copy the image again. The cut file is of no use."));
        }
    }
    if let Some(damage) = image.damage.as_ref().filter(|_| findings.is_empty()) {
        findings.push(
            DAMAGED
                .found()
                .evidence(format!("{}: {damage}", path.display()))
                .advise("Download or copy the image again, and compare its checksum where one comes with it."),
        );
    }
    let arch = image.sif.as_ref().and_then(|sif| sif.arch.as_deref());
    if let (Some(machine), Some(arch)) = (&facts.machine, arch)
        && go_name(&machine.arch).is_some_and(|name| name != arch && !runs_too(name, arch))
    {
        let evidence =
            [format!("the header of {} names \"{arch}\"", path.display()), format!("this machine is \"{}\"", machine.arch)];
        findings.push(other_architecture(facts, arch, evidence));
    }
    match image.unknown.get("sif") {
        Some(reason) if findings.is_empty() => Outcome::Unknown(format!("the header of the image cannot be used: {reason}")),
        _ => Outcome::of(findings),
    }
}

/// Whether there is an emulator decides whether anything starts.
fn other_architecture(facts: &Facts, arch: &str, evidence: [String; 2]) -> Finding {
    let finding = evidence.into_iter().fold(OTHER_ARCHITECTURE.found(), Finding::evidence);
    let emulated = facts.engines.as_ref().and_then(|engines| engines.emulated.as_ref());
    let own = "Use an image that is made for this processor, or another machine.";
    match emulated.map(|emulated| emulated.iter().any(|name| name == arch)) {
        Some(true) => finding
            .severity(Severity::Info)
            .title("The image is made for another kind of processor, and runs through an emulator")
            .evidence("the kernel has an emulator for it (/proc/sys/fs/binfmt_misc)")
            .advise("Nothing has to be done. An image that is made for this processor is much faster, if there is one."),
        Some(false) => finding
            .evidence("the kernel has no emulator for it that works in containers (/proc/sys/fs/binfmt_misc)")
            .advise(own)
            .advise(
                "If there is none, set up an emulator: the package qemu-user-static, or, in a virtual machine of Lima on a Mac, \
                 rosetta with binfmt in its lima.yaml.",
            ),
        None => finding
            .severity(Severity::Warning)
            .evidence("whether there is an emulator for it is not known")
            .advise(own)
            .advise_command(
                "If there is none, it must go through an emulator. This lists those that the kernel knows (qemu, rosetta); nothing \
             starts without one.",
                "ls /proc/sys/fs/binfmt_misc",
            ),
    }
}

/// Go's name of a processor that Rust names otherwise; `None` for those that no image is made for.
fn go_name(arch: &str) -> Option<&'static str> {
    Some(match arch {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "arm" => "arm",
        "powerpc64" => "ppc64le",
        "s390x" => "s390x",
        "riscv64" => "riscv64",
        _ => return None,
    })
}

/// Whether a machine also runs code of its predecessor.
fn runs_too(machine: &str, image: &str) -> bool {
    matches!((machine, image), ("amd64", "386") | ("arm64", "arm") | ("ppc64le", "ppc64"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{facts_of, findings, ids};
    use super::*;
    use crate::facts::{Engines, Image, ImageMetadata, Machine, Sif};

    fn image(size: u64, end: u64) -> Image {
        Image {
            configured: "x.sif".to_owned(),
            path: "/e/x.sif".into(),
            exists: Some(true),
            readable: Some(true),
            used: Some("/e/x.sif".into()),
            kind: Some(ImageKind::Sif),
            size: Some(size),
            sif: Some(Sif { arch: Some("amd64".to_owned()), end, filesystem: Some("squashfs".to_owned()) }),
            ..Image::default()
        }
    }

    #[test]
    fn whole_images_pass_with_or_without_padding() {
        assert_eq!(CHECK.judge(&facts_of(image(5000, 5000))), Outcome::Pass);
        assert_eq!(CHECK.judge(&facts_of(image(8192, 5000))), Outcome::Pass);
        let sandbox = Image { kind: Some(ImageKind::Sandbox), size: None, sif: None, ..image(0, 0) };
        assert_eq!(CHECK.judge(&facts_of(sandbox)), Outcome::Pass);
    }

    #[test]
    fn a_bare_squashfs_is_cut_by_its_own_words_and_damaged_when_it_is_whole() {
        let bare = |size, damage: Option<&str>| {
            let damage = damage.map(str::to_owned);
            Image { kind: Some(ImageKind::Squashfs), sif: None, end: Some(5000), damage, ..image(size, 5000) }
        };
        assert_eq!(ids(&CHECK, &facts_of(bare(5000, None))), Vec::<&str>::new());
        assert_eq!(ids(&CHECK, &facts_of(bare(4999, Some("the file ends before")))), ["image-truncated"]);
        assert_eq!(ids(&CHECK, &facts_of(bare(8192, Some("a block cannot be unpacked")))), ["image-damaged"]);
    }

    #[test]
    fn a_file_smaller_than_promised_is_truncated_once() {
        assert_eq!(ids(&CHECK, &facts_of(image(4999, 5000))), ["image-truncated"]);
        let metadata = Some(ImageMetadata { path: "/e/x.sif.json".into(), size: Some(6000), ..ImageMetadata::default() });
        let found = findings(&CHECK, &facts_of(Image { metadata: metadata.clone(), ..image(4999, 5000) }));
        assert_eq!((found.len(), found[0].evidence.len()), (1, 3));
        assert_eq!(ids(&CHECK, &facts_of(Image { metadata, ..image(5000, 5000) })), ["image-truncated"]);
    }

    #[test]
    fn what_is_no_image_says_what_it_looks_like() {
        let page = Image { kind: Some(ImageKind::NotAnImage { looks_like: "HTML page".to_owned() }), sif: None, ..image(300, 0) };
        let found = findings(&CHECK, &facts_of(page));
        assert_eq!(found[0].kind.id, "image-not-an-image");
        assert!(found[0].evidence.iter().any(|line| line.contains("HTML page")));
    }

    #[test]
    fn an_image_for_another_processor() {
        let on = |arch: &str| {
            let mut facts = facts_of(image(5000, 5000));
            facts.machine = Some(Machine { arch: arch.to_owned(), ..Machine::default() });
            facts
        };
        assert_eq!(CHECK.judge(&on("x86_64")), Outcome::Pass);
        assert_eq!(CHECK.judge(&on("loongarch64")), Outcome::Pass);
        let emulators = |list: &[&str]| Some(list.iter().map(|name| (*name).to_owned()).collect());
        for (emulated, severity) in [
            (None, Severity::Warning),
            (emulators(&[]), Severity::Error),
            (emulators(&["riscv64"]), Severity::Error),
            (emulators(&["amd64", "riscv64"]), Severity::Info),
        ] {
            let mut facts = on("aarch64");
            facts.engines = Some(Engines { emulated, ..Engines::default() });
            let found = findings(&CHECK, &facts);
            assert_eq!((found.len(), found[0].kind.id, found[0].severity), (1, "image-other-architecture", severity));
        }
    }

    #[test]
    fn a_file_that_could_not_be_recognised_is_unknown_and_an_unreadable_one_is_told_elsewhere() {
        let broken = Image { kind: None, unknown: [("kind".to_owned(), "input/output error".to_owned())].into(), ..image(1, 0) };
        assert_eq!(CHECK.judge(&facts_of(broken.clone())), Outcome::Unknown("input/output error".to_owned()));
        assert!(matches!(CHECK.judge(&facts_of(Image { readable: Some(false), ..broken })), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&facts_of(Image { used: None, ..image(1, 0) })), Outcome::Skipped(_)));
    }
}
