//! Mesa: its loader, its drivers and what they need.

use super::super::pattern::{Captures, Pattern, Texts};
use super::rendering::DRIVER_FAILED;
use crate::finding::Severity;

/// Whether the program that lacks a newer libc is one of the libraries that an engine brings in from the host.
fn is_from_the_host(captures: &Captures) -> bool {
    captures.get("library").is_some_and(|library| library.contains("/.singularity.d/libs/"))
}

fn is_not_from_the_host(captures: &Captures) -> bool {
    !is_from_the_host(captures)
}

/// Whether a driver is one that Mesa could have: it has none for NVIDIA's own kernel driver.
fn is_not_of_nvidia(captures: &Captures) -> bool {
    captures.get("driver") != Some("nvidia-drm")
}

/// Whether what needs a newer C++ library is a part of OpenGL or Vulkan; nothing names it where the message is of libffi.
fn is_graphics(captures: &Captures) -> bool {
    const PARTS: &[&str] =
        &["/dri/", "libLLVM", "libGL", "libEGL", "libgallium", "libOSMesa", "libvulkan", "libdrm", "libgbm", "libSPIRV"];
    captures.get("library").is_none_or(|library| PARTS.iter().any(|part| library.contains(part)))
}

fn is_no_graphics(captures: &Captures) -> bool {
    !is_graphics(captures)
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "mesa-nodri",
        case: 46,
        fatal: true,
        matcher: Texts::Any(&["unable to load driver: {driver}_dri.so"]),
        follows: &["mesa-stdcxx", "mesa-render-perm", "nv-glibc"],
        cause: "The OpenGL library found no driver file for this graphics card or for software rendering: the image has no Mesa drivers, or not this one.",
        cure: "Use opengl=software, or an image with the Mesa drivers (package libgl1-mesa-dri).",
        confirm: "The file named in the message is not in the dri directory of the image.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-driver-failed",
        case: 46,
        also: &[19, 45, 48, 98],
        finding: Some("gl-no-context"),
        fatal: true,
        matcher: Texts::Any(&["libGL error: failed to load driver: {driver}", "^failed to load driver: {driver}$"]),
        when: Some(is_not_of_nvidia),
        yields_to: &["gl-no-fbconfig", "mesa-nodri", "mesa-skew", "mesa-loader", "mesa-stdcxx", "mesa-render-perm", "mesa-zink"],
        follows: &["mesa-no-device"],
        cause: "An OpenGL driver could not be used. The reason stands in a message before this one: no common picture format with the X server, a missing file, or no right to use the card.",
        cure: "Use opengl=software; set LIBGL_DEBUG=verbose to have the reason printed.",
        confirm: "The message before this one, or what casa-doctor --measure says about this mode.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-loader",
        case: 47,
        also: &[46],
        // Mesa before 21.1 did not give the reason.
        matcher: Texts::Any(&[
            "MESA-LOADER: failed to open {driver}: {reason*}",
            "MESA-LOADER: failed to open {driver} (search paths",
        ]),
        when: Some(is_not_of_nvidia),
        follows: &["mesa-stdcxx", "glibc-too-new", "mesa-nvidia"],
        cause: "Mesa could not load its driver: the file is not there, or a library that it needs is missing or too old, even when the message says that the driver itself cannot be opened.",
        cure: "Unset LIBGL_DRIVERS_PATH and LD_LIBRARY_PATH; if the file is really missing use opengl=software or an image with the Mesa drivers.",
        confirm: "Whether the driver file exists in the image. If it does, run the program with LIBGL_DEBUG=verbose.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-nvidia",
        case: 31,
        also: &[45],
        finding: Some("gl-vendor-missing"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["MESA-LOADER: failed to open nvidia-drm", "failed to load driver: nvidia-drm"]),
        cause: "The graphics card is driven by NVIDIA's own driver, with which Mesa cannot work, and the program uses Mesa: NVIDIA's libraries are not in the container.",
        cure: "On a local NVIDIA screen use opengl=nv (Docker: with NVIDIA_DRIVER_CAPABILITIES=all), otherwise opengl=software. Nothing, if the window appears.",
        confirm: "The vendor that the X server names for GLX is nvidia, and libGLX_nvidia.so.0 is not found in the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-no-device",
        severity: Severity::Warning,
        matcher: Texts::Any(&["MESA-LOADER: failed to retrieve device information"]),
        cause: "The X server told Mesa which graphics card to draw with, and the card's device is not visible where the program runs.",
        cure: "Docker: start with --device /dev/dri; Apptainer: without --contain. Otherwise use opengl=software.",
        confirm: "/dev/dri exists on the host and not in the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "stdcxx-too-old",
        fatal: true,
        matcher: Texts::Any(&[
            "GLIBCXX_{version}' not found (required by {library})",
            "CXXABI_{version}' not found (required by {library})",
        ]),
        when: Some(is_no_graphics),
        cause: "A library needs a newer C++ library (libstdc++) than the one that is found first: one of another installation (conda, MATLAB, a bundled one) hides that of the system, or the library was built for a newer system.",
        cure: "Leave the conda environment, or remove its directory from LD_LIBRARY_PATH; otherwise use a library that was built for this system or image.",
        confirm: "Which libstdc++.so.6 is named at the beginning of the message, and which files come before it in LD_LIBRARY_PATH.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-stdcxx",
        case: 47,
        finding: Some("gl-no-context"),
        fatal: true,
        matcher: Texts::Any(&[
            "GLIBCXX_{version}' not found (required by {library})",
            "CXXABI_{version}' not found (required by {library})",
            "undefined symbol: ffi_{symbol}",
        ]),
        when: Some(is_graphics),
        cause: "A C++ or ffi library of another installation (conda, pixi, a bundled one) is found before that of the system, and the graphics driver needs a newer one.",
        cure: "Leave the conda environment or remove its directory from LD_LIBRARY_PATH; or install a newer libstdcxx-ng in it.",
        confirm: "LD_LIBRARY_PATH names a directory that holds its own libstdc++.so.6 or libffi, or a conda environment is active.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-glibc",
        case: 37,
        finding: Some("glibc-too-new"),
        fatal: true,
        matcher: Texts::Any(&[
            "GLIBC_{version}' not found (required by {library})",
            "GLIBC_{version} not found (required by {library})",
        ]),
        when: Some(is_from_the_host),
        yields_to: &["ap-fakeroot-glibc"],
        cause: "With --nv the engine put OpenGL libraries of the host before those of the image, and the host's were built for a newer C library than the image has.",
        cure: "Use Apptainer 1.5 or newer, which puts those of the image first; until then opengl=software, or opengl=container on a screen that NVIDIA does not drive.",
        confirm: "The C library of the host is newer than that of the image, and the engine is older than Apptainer 1.5.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "glibc-too-new",
        case: 37,
        finding: Some("glibc-too-new"),
        fatal: true,
        matcher: Texts::Any(&[
            "GLIBC_{version}' not found (required by {library})",
            "GLIBC_{version} not found (required by {library})",
            "GLIBC_{version}' not found",
            "GLIBC_{version} not found",
        ]),
        when: Some(is_not_from_the_host),
        yields_to: &["nv-glibc", "ap-fakeroot-glibc"],
        cause: "A program or library was built for a newer C library than the one it runs with: something of the host is used inside an older image (by --nv, by a mount, by LD_LIBRARY_PATH), or the program is too new for this system.",
        cure: "Look at the file after \"required by\": when it comes from the host, do not mount it or use opengl=software; Apptainer 1.5 or newer prefers the libraries of the image.",
        confirm: "The C library versions of host and image, and where the library named in the message comes from.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-render-perm",
        case: 50,
        finding: Some("dri-permission"),
        matcher: Texts::Any(&[
            "failed to open drm device: Permission denied",
            "failed to open /dev/dri/{device}: Permission denied",
            "could not open /dev/dri/{device}: Permission denied",
            "^failed to open /dev/dri/{device}$",
        ]),
        cause: "You may not use the graphics card: its device belongs to a group (render or video) of which you are no member, and in an ssh session nobody gives you the right.",
        cure: "Have your user added to the groups render and video (sudo usermod -aG render,video NAME), log in again; until then opengl=software works.",
        confirm: "Group and mode of /dev/dri/renderD128, and the groups of this session.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-newgpu",
        case: 49,
        finding: Some("gl-software-renderer"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["Driver does not support the {id} PCI ID"]),
        cause: "The graphics card is newer than the drivers in the image, so drawing is done by the processor: it works, slowly.",
        cure: "Use a newer image when speed matters.",
        confirm: "The OpenGL renderer in the image is llvmpipe while it is the graphics card on the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-zink",
        case: 51,
        finding: Some("gl-software-renderer"),
        severity: Severity::Warning,
        matcher: Texts::Sequences(&[
            &["ZINK: failed to choose pdev", "failed to create drisw screen"],
            &["failed to create drisw screen", "failed to load driver: {driver}"],
        ]),
        follows: &["nv-glibc", "mesa-stdcxx", "nv-mismatch", "gl-no-fbconfig", "mesa-skew"],
        cause: "Mesa tried Vulkan and then plain software rendering for this X server, and got neither. When the window appears all the same (usual on WSL), this is noise.",
        cure: "Nothing, if the window appears. Otherwise use opengl=nv on a local NVIDIA screen and opengl=software elsewhere.",
        confirm: "The GLX vendor that the X server names: with nvidia the container needs the NVIDIA libraries.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-zink-noise",
        case: 51,
        severity: Severity::Info,
        matcher: Texts::Any(&["ZINK: failed to choose pdev", "glx: failed to create drisw screen"]),
        yields_to: &["mesa-zink"],
        cause: "Mesa tried its Vulkan driver first and found no device for it, then went on with another driver. Harmless when the window appears.",
        cure: "Nothing.",
        confirm: "The program shows its window.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-context-creation",
        finding: Some("gl-no-context"),
        fatal: true,
        matcher: Texts::Any(&[
            "QOpenGLWidget: Failed to create context",
            "QOpenGLWidget: Failed to make context current",
            "Could not create OpenGL context",
            "Failed to create OpenGL context for format",
            "GLEW could not be initialized",
            "GLEW initialization failed: missing GL version",
        ]),
        yields_to: &["qt-noglx"],
        follows: DRIVER_FAILED,
        cause: "The program got no OpenGL context, and cannot show anything in 3D.",
        cure: "Run casa-doctor --measure: it tries every mode and says which works here.",
        confirm: "Whether an OpenGL context can be made on this display with the image of the environment.",
        ..Pattern::BLANK
    },
];
