//! Qt and its web view.

use super::super::pattern::{Captures, Pattern, Texts};
use crate::finding::Severity;

/// What keeps Qt from connecting to the screen, and therefore from loading its plugin, and what else does.
macro_rules! screen_failed {
    ($($other:literal),*) => {
        &[
            "x-empty-cookie",
            "x-cookie-invalid",
            "x-wrong-auth",
            "x-no-display",
            "x-no-display-named",
            "x-forwarding-dead",
            "x-network-display",
            "x-unreachable",
            "mac-launchd-display",
            "qt-xcb-cursor",
            "qt-xcb-library",
            $($other),*
        ]
    };
}

/// Whether the directory is the one that the package opencv-python brings.
fn is_of_opencv(captures: &Captures) -> bool {
    captures.get("directory").is_some_and(|directory| directory.ends_with("/cv2/qt/plugins"))
}

fn is_not_of_opencv(captures: &Captures) -> bool {
    !is_of_opencv(captures)
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "qt-xcb-cursor",
        case: 53,
        fatal: true,
        matcher: Texts::Any(&["xcb-cursor0 or libxcb-cursor0 is needed"]),
        cause: "Qt 6.5 and newer need the library libxcb-cursor, which the image or the system lacks. The screen itself is not the problem.",
        cure: "Use a newer image; outside a container install libxcb-cursor0.",
        confirm: "libxcb-cursor.so.0 is missing where the program runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-xcb-library",
        case: 53,
        fatal: true,
        matcher: Texts::Any(&["Cannot load library {plugin}libqxcb.so: ({library}: cannot open shared object file"]),
        cause: "The plugin by which Qt uses an X server lacks a library.",
        cure: "Use an image that has the library; outside a container install the package that brings it.",
        confirm: "The library named in the message is missing where the program runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-opencv-plugins",
        case: 53,
        fatal: true,
        matcher: Texts::Any(&[
            "Could not load the Qt platform plugin 'xcb' in '{directory*}' even though it was found",
            "Could not find the Qt platform plugin 'xcb' in '{directory*}'",
        ]),
        when: Some(is_of_opencv),
        follows: screen_failed!(),
        cause: "The Python package opencv-python makes Qt take its own plugins, which belong to another version of Qt than the program's.",
        cure: "Install opencv-python-headless in place of opencv-python (mostly in ~/.local), or set QT_QPA_PLATFORM_PLUGIN_PATH to the plugins of the program's Qt after cv2 is imported.",
        confirm: "pip list shows opencv-python, and the directory in the message is inside it.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-xcb-absent",
        case: 53,
        fatal: true,
        matcher: Texts::Any(&["Could not find the Qt platform plugin 'xcb' in '{directory*}'"]),
        when: Some(is_not_of_opencv),
        cause: "Qt looked for its X11 plugin where there is none: a variable of another installation (conda, a module) names the directory, or the plugin is not installed.",
        cure: "Unset QT_PLUGIN_PATH and QT_QPA_PLATFORM_PLUGIN_PATH; outside a container install the package that brings libqxcb.so.",
        confirm: "QT_PLUGIN_PATH or QT_QPA_PLATFORM_PLUGIN_PATH is set, or there is no platforms/libqxcb.so.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-xcb-plugin",
        case: 53,
        finding: Some("x11-unreachable"),
        fatal: true,
        matcher: Texts::Any(&[
            "Could not load the Qt platform plugin 'xcb'",
            "no Qt platform plugin could be initialized",
            "could not find or load the Qt platform plugin 'xcb'",
        ]),
        follows: screen_failed!("qt-opencv-plugins", "qt-xcb-absent"),
        cause: "Qt found its X11 plugin and could not start it: either the screen cannot be reached, or a library is missing. The message before this one says which; here it is not in the log.",
        cure: "Run the program again with QT_DEBUG_PLUGINS=1 and read the lines before this message; casa-doctor tells whether the screen is the reason.",
        confirm: "Whether the X server of DISPLAY can be reached from where the program runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-noglx",
        case: 52,
        finding: Some("x11-glx-missing"),
        fatal: true,
        matcher: Texts::Any(&["Cannot create platform OpenGL context, neither GLX nor EGL are enabled"]),
        follows: &["nv-glibc", "mesa-stdcxx", "gl-no-fbconfig"],
        cause: "Qt got neither GLX nor EGL: the X server has no GLX (XQuartz, a plain VNC server, an untrusted ssh -X), or no OpenGL library could be loaded.",
        cure: "Use opengl=software; where EGL works, QT_XCB_GL_INTEGRATION=xcb_egl helps too.",
        confirm: "GLX is not among the extensions of the X server.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-offscreen6",
        case: 54,
        fatal: true,
        matcher: Texts::Any(&["QOpenGLWidget is not supported on this platform"]),
        cause: "Qt runs without a screen (-platform offscreen), where Qt 6 draws nothing in 3D.",
        cure: "Run the program on a virtual screen (xvfb-run) with software OpenGL or VirtualGL.",
        confirm: "QT_QPA_PLATFORM or the option -platform says offscreen.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-webengine-gpu",
        case: 55,
        fatal: true,
        matcher: Texts::Any(&["GPU process isn't usable. Goodbye"]),
        follows: &["nv-glibc", "gl-no-fbconfig", "gl-x2go"],
        cause: "The web view inside the program (help windows) could not start drawing with OpenGL, and took the program with it.",
        cure: "Set QTWEBENGINE_CHROMIUM_FLAGS=--disable-gpu.",
        confirm: "The program starts with that variable set.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-webengine-sandbox",
        case: 56,
        fatal: true,
        matcher: Texts::Any(&[
            "Running as root without --no-sandbox is not supported",
            "The SUID sandbox helper binary was found, but is not configured correctly",
            "No usable sandbox! Update your kernel",
            "Failed to move to new namespace: PID namespaces supported",
        ]),
        cause: "The web view inside the program (help windows) locks itself into a sandbox, which is not possible as root or where user namespaces are restricted.",
        cure: "Set QTWEBENGINE_DISABLE_SANDBOX=1.",
        confirm: "You are root, or user namespaces are restricted on this machine.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-webengine-shm",
        case: 57,
        fatal: true,
        matcher: Texts::Any(&[
            "^Bus error$",
            "Bus error (core dumped)",
            // What shells say of it in French, German and Spanish.
            "^Erreur du bus$",
            "Erreur du bus (core dumped)",
            "^Bus-Zugriffsfehler$",
            "Bus-Zugriffsfehler (Speicherabzug geschrieben)",
            "^Error del bus$",
            "Error del bus ('core' generado)",
        ]),
        cause: "A program touched memory that could not be provided. In a container that is usually a full /dev/shm (64 MB with Docker), when windows with a web view grow; a file that was cut while in use gives the same.",
        cure: "Docker: start with --shm-size=1g or --ipc=host. Otherwise look for full file systems.",
        confirm: "Size and free space of /dev/shm inside the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "qt-xrandr",
        severity: Severity::Info,
        matcher: Texts::Any(&["QXcbConnection: Failed to initialize XRandr"]),
        cause: "The X server does not tell Qt about its monitors (a remote desktop or a forwarded screen). Harmless.",
        cure: "Nothing.",
        confirm: "Windows appear.",
        ..Pattern::BLANK
    },
];
