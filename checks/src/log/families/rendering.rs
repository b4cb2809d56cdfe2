//! OpenGL and Vulkan on the way to the X server: GLX, VirtualGL, the loaders.

use super::super::pattern::{Captures, Pattern, Texts};
use crate::finding::Severity;

/// What makes a context fail before the X server is even asked for one.
pub(super) const DRIVER_FAILED: &[&str] = &[
    "nv-glibc",
    "glibc-too-new",
    "nv-mismatch",
    "mesa-stdcxx",
    "mesa-skew",
    "gl-no-fbconfig",
    "mesa-nodri",
    "mesa-render-perm",
    "mesa-loader",
    "mesa-nvidia",
    "mesa-driver-failed",
    "mesa-zink",
    "gl-force-mesa-on-nv",
];

/// Drivers of Mesa that drive a GPU: one of them got as far as comparing its formats with those of the X server.
fn is_hardware_driver(captures: &Captures) -> bool {
    const DRIVERS: &[&str] =
        &["iris", "crocus", "i965", "i915", "radeonsi", "r600", "r300", "nouveau", "nvc0", "zink", "virtio_gpu", "vmwgfx", "svga"];
    captures.get("driver").is_some_and(|driver| DRIVERS.contains(&driver))
}

/// Whether the driver that an X server could not load is its last one: after another one it goes on with this one.
fn is_software_driver(captures: &Captures) -> bool {
    captures.get("driver").is_some_and(|driver| driver.contains("swrast"))
}

/// Whether a request that GTK reports by numbers alone is one of GLX for a new context: servers give numbers from 128 on to their
/// extensions, and GLX, one of the last, gets one of these.
fn is_context_request(captures: &Captures) -> bool {
    let number = |name| captures.get(name).map(str::parse::<u32>);
    let is_glx = number("request").is_none_or(|request| request.is_ok_and(|request| (143..=160).contains(&request)));
    is_glx && number("minor").is_none_or(|minor| matches!(minor, Ok(3 | 24 | 34)))
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "gl-no-fbconfig",
        case: 19,
        also: &[24, 45, 98],
        finding: Some("gl-vendor-missing"),
        fatal: true,
        matcher: Texts::Any(&["No matching fbConfigs or visuals found", "No matching fbConfigs ... swrast"]),
        yields_to: &["mesa-skew"],
        follows: &["nv-glibc", "nv-mismatch", "mesa-stdcxx", "mesa-nvidia"],
        cause: "The OpenGL of the container (Mesa) and the X server have no picture format in common. The X server is driven by NVIDIA while the container has no NVIDIA libraries, or it is on another computer, in a remote desktop or on a Mac.",
        cure: "On a local NVIDIA screen use opengl=nv (Docker: with NVIDIA_DRIVER_CAPABILITIES=all); for a remote screen, a remote desktop or a Mac use opengl=software.",
        confirm: "The GLX vendor that the X server names (nvidia or mesa), and whether DISPLAY is on this machine.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mesa-skew",
        case: 48,
        finding: Some("gl-vendor-missing"),
        fatal: true,
        matcher: Texts::Sequences(&[&["No matching fbConfigs or visuals found", "failed to load driver: {driver}"]]),
        when: Some(is_hardware_driver),
        cause: "The graphics driver in the image is older than the one of the X server and does not know its picture formats: Mesa changed them in version 23.3.",
        cure: "Use opengl=software, or an image with a newer Mesa.",
        confirm: "The X server uses Mesa 23.3 or newer while the image has an older one, and the GPU is not NVIDIA's.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-remote-indirect",
        case: 17,
        also: &[18, 29],
        finding: Some("gl-indirect"),
        fatal: true,
        matcher: Texts::Sequences(&[
            &["BadValue", "X_GLXCreateContext"],
            &["BadValue", "X_GLXCreateNewContext"],
            &["BadValue", "X_GLXCreateContextAttribs"],
            &["BadValue", "X_GLXCreateContextAttribsARB"],
            // Xlib has no name for the newest of the three requests, which has number 34.
            &["BadValue", "Major opcode of failed request: {major} (GLX)", "Minor opcode of failed request: 34"],
            // GTK's report, in older versions without the name of the extension.
            &["The error was 'BadValue", "request_code {request} minor_code {minor})"],
            &["The error was 'BadValue", "(GLX) minor_code {minor})"],
        ]),
        when: Some(is_context_request),
        follows: DRIVER_FAILED,
        cause: "The program asked the X server to draw in 3D for it (indirect rendering), which X servers refuse by default. That happens when no OpenGL driver could be used directly: on a remote screen, or with variables meant for another graphics card.",
        cure: "Use opengl=software for a remote screen; on a local one unset __GLX_VENDOR_LIBRARY_NAME, __NV_PRIME_RENDER_OFFLOAD and LIBGL_ALWAYS_INDIRECT, and look at the messages above this one.",
        confirm: "DISPLAY is on another computer, or one of these variables is set, or the image lacks the GLX vendor that the X server names.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-bad-context",
        case: 18,
        also: &[30, 45, 98],
        finding: Some("gl-no-context"),
        fatal: true,
        matcher: Texts::Any(&["GLXBadContext", "GLXBadContextTag"]),
        yields_to: &["gl-remote-indirect"],
        follows: DRIVER_FAILED,
        cause: "An OpenGL context could not be made, and the program used it all the same. The reason stands before this message, or the X server refuses to draw in 3D for its clients.",
        cure: "Use opengl=software on a remote screen, on a Mac and in a remote desktop; on a local screen run casa-doctor --measure, which shows where it fails.",
        confirm: "Whether an OpenGL context can be made on this display with the image of the environment.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-version-refused",
        case: 20,
        also: &[30],
        finding: Some("gl-no-context"),
        fatal: true,
        matcher: Texts::Any(&[
            "GLXBadFBConfig",
            // VTK's words, of the last ten years and before.
            "Unable to find a valid OpenGL {version} or later implementation",
            "with the gpu_shader4 extension is not supported by your graphics driver",
        ]),
        follows: DRIVER_FAILED,
        cause: "The program asked for a version of OpenGL that it cannot have here: on a forwarded screen only old ones exist, and a forced driver may offer less than the right one.",
        cure: "Use opengl=software, which offers OpenGL 4.5 on any screen; unset __GLX_VENDOR_LIBRARY_NAME on a local one.",
        confirm: "The OpenGL version that the image gets on this display.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-mac-current-window",
        case: 98,
        finding: Some("gl-indirect"),
        fatal: true,
        matcher: Texts::Any(&["GLXBadCurrentWindow"]),
        follows: DRIVER_FAILED,
        cause: "The X server does not draw for this OpenGL: indirect rendering of XQuartz fails with recent versions of Mesa.",
        cure: "Use opengl=software, and leave enable_iglx of XQuartz off.",
        confirm: "The X server is XQuartz, or is on another computer.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-indirect-broken",
        case: 18,
        finding: Some("gl-indirect"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["Xlib: sequence lost ({*}in reply type"]),
        cause: "The answers of the X server came out of step, which happens when it draws in 3D for a program (indirect rendering) and does it badly.",
        cure: "Unset LIBGL_ALWAYS_INDIRECT, and use opengl=software on a remote screen.",
        confirm: "LIBGL_ALWAYS_INDIRECT is set, or glxinfo says direct rendering: No.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-indirect-forced",
        finding: Some("gl-env-override"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["direct rendering: No (LIBGL_ALWAYS_INDIRECT set)"]),
        cause: "The variable LIBGL_ALWAYS_INDIRECT makes the X server draw in 3D for the program, which is old, slow and mostly refused.",
        cure: "Unset it: a value of 0 is not always enough.",
        confirm: "LIBGL_ALWAYS_INDIRECT is set in the shell, in a start-up file or in the configuration of the environment.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-invalid-context",
        case: 19,
        finding: Some("gl-no-context"),
        fatal: true,
        matcher: Texts::Any(&["QGLContext::makeCurrent(): Cannot make invalid context current"]),
        follows: DRIVER_FAILED,
        cause: "The program has no OpenGL context to draw in, and usually crashes next. The reason stands before this message.",
        cure: "Use opengl=software; run casa-doctor --measure to see which mode works here.",
        confirm: "Whether an OpenGL context can be made on this display with the image of the environment.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-x2go",
        case: 21,
        finding: Some("x11-glx-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "Could not initialize GLX",
            "GLX 1.3 or later is required",
            "GLX version 1.3 is required",
            // What libGL's first question beyond GLX 1.2 is answered by nxagent.
            "X Error of failed request:{*}GLXUnsupportedPrivateRequest",
        ]),
        follows: DRIVER_FAILED,
        cause: "The X server has no GLX or one that is too old, as that of X2Go and NX (GLX 1.2), or none that fits the OpenGL of the container.",
        cure: "Use opengl=software.",
        confirm: "The GLX version of the X server is below 1.3, or X2GO_SESSION is set.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-glx-no-format",
        case: 21,
        finding: Some("x11-glx-missing"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["qglx_findConfig: Failed to finding matching FBConfig"]),
        yields_to: &["gl-x2go"],
        follows: DRIVER_FAILED,
        cause: "Qt found no picture format of this X server for OpenGL. It goes on without OpenGL: windows appear, those with 3D may stay empty or end the program.",
        cure: "Nothing, if all windows are right. Otherwise use opengl=software.",
        confirm: "The X server has no GLX, or an older one than 1.3, or wants a GLX vendor library that the container lacks.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-xvnc-aiglx",
        case: 23,
        finding: Some("x11-glx-missing"),
        matcher: Texts::Any(&["AIGLX error: dlopen of {driver} failed"]),
        when: Some(is_software_driver),
        cause: "The X server (usually of VNC) could not load its software OpenGL driver, so it offers no 3D to its programs.",
        cure: "Install the Mesa drivers on the host (package libgl1-mesa-dri or mesa-dri-drivers) and restart the VNC server, or use opengl=software.",
        confirm: "The driver file named in the message does not exist on the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-xvnc-noglx",
        case: 23,
        also: &[12, 31],
        finding: Some("x11-glx-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "couldn't find RGB GLX visual or fbconfig",
            "couldn't get an RGB, Double-buffered visual",
            "Xlib: extension 'GLX' missing on display {display}",
            // VTK's words, and those of freeglut and wxWidgets.
            "FBConfig with necessary capabilities not found",
            "Could not find a decent visual",
            "Could not find a decent config",
            "in GetGLXVersion(): GLX version not found",
            "Failed to get a XVisualInfo for the requested attributes",
        ]),
        follows: &[
            "gl-xvnc-aiglx",
            "nv-glibc",
            "nv-mismatch",
            "mesa-stdcxx",
            "mesa-skew",
            "gl-no-fbconfig",
            "mesa-nodri",
            "mesa-nvidia",
            "mesa-zink",
        ],
        cause: "This program gets no 3D from the X server: the server has no GLX, or hides it from an untrusted connection (ssh -X), or wants a GLX vendor library that the container lacks.",
        cure: "Connect with ssh -Y instead of -X; on an NVIDIA screen use opengl=nv; otherwise use opengl=software.",
        confirm: "The extensions of the X server (only two for an untrusted connection) and the GLX vendor that it names.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-vgl-nox",
        case: 26,
        fatal: true,
        matcher: Texts::Any(&["[VGL] ERROR: Could not open display {display}"]),
        cause: "VirtualGL wants a second X server that drives the graphics card, and there is none. The version in BrainVISA images (2.6) cannot do without it.",
        cure: "Have the administrator set up a 3D X server (vglserver_config), use VirtualGL 3.0 or newer with its EGL back end, or use opengl=software.",
        confirm: "No X server answers at the display named in the message.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-vgl-egl",
        finding: Some("nvidia-manifest-unbound"),
        fatal: true,
        matcher: Texts::Any(&["Could not enable OpenGL API"]),
        cause: "VirtualGL found no EGL driver: in a container mostly because the file that tells EGL of the NVIDIA driver is missing.",
        cure: "Use Apptainer 1.4 or newer, or mount /usr/share/glvnd/egl_vendor.d/10_nvidia.json into the container.",
        confirm: "The file 10_nvidia.json is missing in /usr/share/glvnd/egl_vendor.d inside the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-force-mesa-on-nv",
        case: 30,
        finding: Some("gl-env-override"),
        fatal: true,
        matcher: Texts::Any(&["VK_ERROR_NATIVE_WINDOW_IN_USE_KHR", "ERROR_NATIVE_WINDOW_IN_USE_KHR"]),
        cause: "Mesa draws through Vulkan on a window that another driver holds: typically Mesa is forced (__GLX_VENDOR_LIBRARY_NAME=mesa) on an X server driven by NVIDIA.",
        cure: "Unset __GLX_VENDOR_LIBRARY_NAME and use opengl=nv.",
        confirm: "__GLX_VENDOR_LIBRARY_NAME is set to mesa, and the X server names nvidia as its GLX vendor.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vk-manifest-broken",
        finding: Some("egl-manifest-broken"),
        severity: Severity::Warning,
        matcher: Texts::Any(&[
            "loader_icd_scan: Failed to find 'ICD' object in {file}",
            "loader_get_json: Failed to parse JSON file {file}",
        ]),
        cause: "A manifest by which Vulkan finds a driver is damaged, and its driver is not used.",
        cure: "Install the driver's package again, or remove the file if nobody needs it.",
        confirm: "The file in the message is no whole manifest.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vk-no-driver",
        finding: Some("vulkan-no-device"),
        severity: Severity::Warning,
        // In parentheses behind a sentence it is the word of a driver that steps aside for the right one.
        matcher: Texts::Any(&[
            ": VK_ERROR_INCOMPATIBLE_DRIVER",
            ": ERROR_INCOMPATIBLE_DRIVER",
            "with VK_ERROR_INCOMPATIBLE_DRIVER",
            "with ERROR_INCOMPATIBLE_DRIVER",
            "returned VK_ERROR_INCOMPATIBLE_DRIVER",
            "= VK_ERROR_INCOMPATIBLE_DRIVER",
            "^VK_ERROR_INCOMPATIBLE_DRIVER",
            "vkCreateInstance: Found no drivers!",
        ]),
        cause: "Vulkan found no usable driver: its description file (ICD) is not in the container, or the library it names, or one that this library needs, cannot be loaded.",
        cure: "BrainVISA does not need Vulkan. For NVIDIA use Apptainer 1.4 or newer, or mount the file nvidia_icd.json; libXext must be in the image.",
        confirm: "The files in /usr/share/vulkan/icd.d and /etc/vulkan/icd.d inside the container, and whether their libraries load.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "gl-libxext",
        matcher: Texts::Any(&["libXext.so.6: cannot open shared object file"]),
        cause: "A program or a library needs libXext, which is not there. In an image that lacks it, those of the NVIDIA driver cannot be used either.",
        cure: "Use an image that has libXext (package libxext6).",
        confirm: "libXext.so.6 is not where the program runs. What stands before it in the message is what needs it.",
        ..Pattern::BLANK
    },
];
