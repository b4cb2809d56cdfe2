//! The image: missing, damaged, of the wrong kind, for another processor.

use super::super::pattern::{Captures, Pattern, Texts};
use crate::finding::Severity;

/// Whether a module of the kernel is not one of NVIDIA's, of which another pattern speaks.
fn is_no_module_of_nvidia(captures: &Captures) -> bool {
    captures.get("module").is_some_and(|module| !module.starts_with("nvidia"))
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "ap-image-notimage",
        case: 66,
        finding: Some("image-not-an-image"),
        fatal: true,
        matcher: Texts::Any(&[
            "could not open image {image*}: image format not recognized",
            "could not open image {image*}: unknown image format",
        ]),
        cause: "The file is no container image: mostly an error page or an empty file saved by a failed download. Old engines say the same of an image that they may not read.",
        cure: "Download the image again and compare its size and md5 with the .json file beside it.",
        confirm: "The first bytes of the file, its size, and its mode.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-image-too-new",
        case: 68,
        finding: Some("engine-too-old"),
        fatal: true,
        matcher: Texts::Any(&["ERROR : Unknown image format/type: {image}"]),
        cause: "Singularity 2 does not know the format of today's images (SIF). It says the same of a file that is no image, such as the rest of a failed download.",
        cure: "Install Apptainer, the successor of Singularity. When it does not know the image either, download the image again.",
        confirm: "singularity --version begins with 2.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-image-truncated",
        case: 67,
        finding: Some("image-truncated"),
        fatal: true,
        matcher: Texts::Any(&[
            "kernel reported a bad superblock for squashfs image partition",
            "SIF image {image*} is corrupted: wrong partition size",
            "is corrupted: wrong partition size",
            "Something went wrong trying to read the squashfs image",
            "image partition contains a bad superblock (corrupted image",
        ]),
        cause: "The image is shorter than it says of itself: the copy or download was interrupted. A kernel that does not know the compression gives the first of the three messages too.",
        cure: "Download or copy the image again, and compare its size and md5 with the .json file beside it.",
        confirm: "The size of the file against the size in its .json file and in its own header.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-image-missing",
        case: 89,
        finding: Some("image-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "could not open image {image*}: failed to retrieve path for",
            "could not open image {image*}: no such file or directory",
        ]),
        cause: "The image is not where the engine was told to look.",
        cure: "Correct the key image in casa_distro.json, mount the disk that holds it, or download it again.",
        confirm: "The path in the message does not exist.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ap-image-unreadable",
        finding: Some("image-unreadable"),
        fatal: true,
        matcher: Texts::Any(&[
            "could not open image {image*}: permission denied",
            "is not readable by the current user, check permissions",
        ]),
        cause: "You may not read the image, or not enter the directory that holds it.",
        cure: "Have it made readable (chmod a+r for the file, a+x for its directories).",
        confirm: "Mode and owner of the file and of every directory above it.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "img-architecture",
        finding: Some("image-other-architecture"),
        fatal: true,
        matcher: Texts::Any(&[
            "the image's architecture ({image}) could not run on the host's ({host})",
            "image targets '{image}', cannot run on '{host}'",
            // VirtualBox.
            "its platform architecture {image} is not supported on {host}",
            "VBOX_E_PLATFORM_ARCH_NOT_SUPPORTED",
        ]),
        cause: "The image was made for another kind of processor than this computer has: BrainVISA images are for Intel and AMD (amd64), new Macs are arm64.",
        cure: "Use an image for this processor, or a virtual machine with emulation (Lima with Rosetta or QEMU).",
        confirm: "The architecture of the image and the one that uname -m gives.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "img-platform-warning",
        finding: Some("image-other-architecture"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["requested image's platform ({image}) does not match the detected host platform ({host})"]),
        cause: "The image was made for another kind of processor; it runs slowly in emulation, when there is one.",
        cure: "Use an image for this processor if there is one.",
        confirm: "The architecture of the image and the one of the computer.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "img-exec-format",
        finding: Some("image-other-architecture"),
        fatal: true,
        matcher: Texts::Any(&["exec format error"]),
        yields_to: &["kernel-module-format", "nv-not-loaded"],
        follows: &["img-platform-warning"],
        cause: "A program was made for another kind of processor than this computer has, and there is no emulation for it; or the file is no program at all.",
        cure: "Use an image for this processor, or install the emulation (qemu-user-static with binfmt).",
        confirm: "What the command file says of the program, and what uname -m gives.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "kernel-module-format",
        matcher: Texts::Any(&["could not insert '{module}': Exec format error"]),
        when: Some(is_no_module_of_nvidia),
        cause: "A module of the kernel was built for another kernel than the one that runs, mostly after an update.",
        cure: "Start the computer again, and have the module built for the kernel that runs (dkms autoinstall, or /sbin/vboxconfig for VirtualBox).",
        confirm: "uname -r differs from the kernel that modinfo names as vermagic of the module.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "cpu-illegal-instruction",
        finding: Some("image-other-architecture"),
        fatal: true,
        matcher: Texts::Any(&[
            "Illegal instruction (core dumped)",
            "^Illegal instruction$",
            "Illegal instruction: 4",
            // What shells say of it in French, German and Spanish.
            "^Instruction non permise$",
            "Instruction non permise (core dumped)",
            "^Ungültiger Maschinenbefehl$",
            "Ungültiger Maschinenbefehl (Speicherabzug geschrieben)",
            "^Instrucción ilegal$",
            "Instrucción ilegal ('core' generado)",
        ]),
        cause: "The program uses instructions that this processor lacks, mostly AVX: an old processor, or emulation on an Apple processor (Rosetta has no AVX).",
        cure: "Run it on a newer processor; on a Mac use QEMU with a full processor model instead of Rosetta.",
        confirm: "avx is not among the flags in /proc/cpuinfo.",
        ..Pattern::BLANK
    },
];
