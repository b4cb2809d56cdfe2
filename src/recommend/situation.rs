//! What the facts mean for OpenGL in the container: the display, the NVIDIA driver, the image.

use casa_doctor_checks::facts::{ChildEnd, Connection, EngineKind, Facts, Nvidia, Reach, ServerKind, XServer};
use casa_doctor_checks::nvidia::{card_nodes, closed_node};

/// The display as far as OpenGL is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DisplayKind {
    /// No DISPLAY: nothing is drawn on a screen.
    Headless,
    /// DISPLAY is set and the server does not let us in, so nothing is known about it.
    Unreachable,
    /// The X server of this machine's own desktop, or one that draws by itself (Xvfb, Xwayland).
    Local,
    /// A VNC server on this machine.
    Vnc,
    /// nxagent of x2go, whose GLX is too old for the Mesa of today.
    Nxagent,
    /// XQuartz of macOS.
    Xquartz,
    /// The Windows desktop of WSLg.
    Wslg,
    /// Another machine's X server, forwarded by ssh.
    Ssh,
    /// Another machine's X server, over TCP.
    Remote,
    /// Any server that an untrusted cookie hides (`ssh -X`).
    Untrusted,
}

impl DisplayKind {
    /// The word under which a decision for this kind of display is kept.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Headless => "none",
            Self::Unreachable => "unknown",
            Self::Local => "local",
            Self::Vnc => "vnc",
            Self::Nxagent => "x2go",
            Self::Xquartz => "xquartz",
            Self::Wslg => "wslg",
            Self::Ssh => "ssh",
            Self::Remote => "remote",
            Self::Untrusted => "ssh-untrusted",
        }
    }

    /// Tells the kind of display from the facts; `None` when the X server was not looked at.
    pub(crate) fn of(facts: &Facts) -> Option<Self> {
        let x11 = facts.x11.as_ref()?;
        let mac = facts.machine.as_ref().is_some_and(|machine| machine.os == "macos");
        Some(match &x11.connection {
            // Whatever becomes of the display, it will be that of XQuartz.
            Connection::NoDisplay | Connection::Malformed { .. } | Connection::Failed(_) if mac => Self::Xquartz,
            Connection::NoDisplay => Self::Headless,
            Connection::Malformed { .. } | Connection::Failed(_) => Self::Unreachable,
            Connection::Connected(server) => {
                let reach = x11.display.as_ref().map_or(Reach::Local, |display| display.reach);
                let ssh_like = x11.display.as_ref().is_some_and(|display| display.number >= 10);
                let wslg = facts.machine.as_ref().and_then(|machine| machine.wsl) == Some(2);
                match (server.kind, reach) {
                    _ if server.untrusted => Self::Untrusted,
                    (ServerKind::Xquartz, _) => Self::Xquartz,
                    (ServerKind::Nxagent, _) => Self::Nxagent,
                    (_, Reach::Launchd) => Self::Xquartz,
                    (_, Reach::Remote) => Self::Remote,
                    // sshd counts from 10; below it a TCP display of this machine is its own server.
                    (_, Reach::Loopback) if ssh_like => Self::Ssh,
                    (ServerKind::Xvnc, _) => Self::Vnc,
                    _ if wslg => Self::Wslg,
                    _ => Self::Local,
                }
            }
        })
    }
}

/// Which library the X server wants OpenGL programs to load (the rule of libglvnd).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerVendor {
    /// The server has no GLX.
    NoGlx,
    /// It names these vendors, best first.
    Named(Vec<String>),
    /// It has GLX and names none, so that the "indirect" library is used.
    Unnamed,
}

/// The answer of the connected server.
pub(crate) fn server_vendor(server: &XServer) -> ServerVendor {
    match &server.glx {
        None => ServerVendor::NoGlx,
        Some(glx) if glx.vendor_names.is_empty() => ServerVendor::Unnamed,
        Some(glx) => ServerVendor::Named(glx.vendor_names.clone()),
    }
}

/// The server, when it let us in.
pub(crate) fn server(facts: &Facts) -> Option<&XServer> {
    match &facts.x11.as_ref()?.connection {
        Connection::Connected(server) => Some(server),
        _ => None,
    }
}

/// Why the NVIDIA driver of the host cannot be used in a container, or that it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NvidiaPath {
    /// Kernel module, libraries and device nodes fit.
    Coherent {
        /// The driver's version.
        version: String,
        /// What is not proven, in words, each lowering the confidence.
        doubts: Vec<String>,
    },
    /// It cannot work, because.
    Broken(String),
    /// The graphics cards were not looked at.
    Unknown,
}

/// Follows the path of the NVIDIA driver from the kernel to the container.
pub(crate) fn nvidia_path(facts: &Facts) -> NvidiaPath {
    let Some(gpu) = &facts.gpu else { return NvidiaPath::Unknown };
    if gpu.dxg {
        return NvidiaPath::Broken("Windows gives no NVIDIA OpenGL library to WSL, only CUDA".into());
    }
    let Some(Nvidia { kernel_version, user_version, nodes, .. }) = &gpu.nvidia else {
        return NvidiaPath::Broken("this machine has no NVIDIA driver".into());
    };
    let (kernel, user) = match (kernel_version, user_version) {
        (None, _) => return NvidiaPath::Broken("the NVIDIA kernel module is not loaded".into()),
        (Some(kernel), None) => {
            return NvidiaPath::Broken(format!(
                "the NVIDIA kernel module {kernel} is loaded but its OpenGL libraries were not found"
            ));
        }
        (Some(kernel), Some(user)) => (kernel, user),
    };
    if kernel != user {
        return NvidiaPath::Broken(format!("the NVIDIA kernel module is version {kernel} and the libraries are version {user}"));
    }
    let control = nodes.iter().any(|node| node.path.file_name().is_some_and(|name| name == "nvidiactl"));
    for (is_there, needed) in [(control, "nvidiactl"), (card_nodes(nodes).next().is_some(), "nvidia0")] {
        if !is_there {
            return NvidiaPath::Broken(format!("the device node /dev/{needed} does not exist"));
        }
    }
    if let Some(node) = closed_node(nodes) {
        return NvidiaPath::Broken(format!("you may not open {}", node.path.display()));
    }
    if casa_doctor_checks::nvidia::driver_fails(facts) {
        return NvidiaPath::Broken("NVIDIA's driver does not work: its own management library gets no good answer from it".into());
    }
    let mut doubts = Vec::new();
    match glibc_gap(facts) {
        GlibcGap::None => {}
        GlibcGap::Unknown(reason) => doubts.push(reason),
        GlibcGap::Bridged(how) => doubts.push(how),
        GlibcGap::Open(why) => return NvidiaPath::Broken(why),
    }
    NvidiaPath::Coherent { version: kernel.clone(), doubts }
}

/// Whether the host's OpenGL dispatch libraries, which `--nv` brings along, would ask for a newer C library than the image has.
enum GlibcGap {
    None,
    Unknown(String),
    /// There is one, and something deals with it.
    Bridged(String),
    Open(String),
}

/// Up to Apptainer 1.4, and in SingularityCE, `--nv` puts the host's glvnd libraries before the image's; from 1.5 on after.
fn glibc_gap(facts: &Facts) -> GlibcGap {
    let host = facts.machine.as_ref().and_then(|machine| machine.glibc.as_deref());
    let image = facts.image.as_ref().and_then(|image| image.contents.as_ref()).and_then(|contents| contents.glibc.as_deref());
    let (Some(host), Some(image)) = (host, image) else {
        return GlibcGap::Unknown("the C libraries of the host and of the image could not be compared".into());
    };
    if version(host) <= version(image) {
        return GlibcGap::None;
    }
    let engine = facts.engines.as_ref().and_then(|engines| {
        engines.found.iter().find(|engine| matches!(engine.kind, EngineKind::Apptainer | EngineKind::Singularity))
    });
    let gap = format!("the host's C library ({host}) is newer than the image's ({image})");
    match engine {
        Some(engine) if engine.kind == EngineKind::Apptainer => match engine.version.as_deref().map(version) {
            Some(known) if known >= vec![1, 5] => GlibcGap::None,
            Some(_) if debian_family(facts) => {
                GlibcGap::Bridged(format!("{gap}; casa-distro's way around it, taking the host's C library along, is fragile"))
            }
            Some(_) => GlibcGap::Open(format!("{gap}, and this Apptainer puts the host's OpenGL libraries first; 1.5 does not")),
            None => GlibcGap::Unknown(format!("{gap}, and the version of Apptainer is not known")),
        },
        Some(_) if debian_family(facts) => {
            GlibcGap::Bridged(format!("{gap}; casa-distro's way around it, taking the host's C library along, is fragile"))
        }
        Some(_) => GlibcGap::Open(format!("{gap}, and Singularity puts the host's OpenGL libraries first")),
        None => GlibcGap::Unknown(format!("{gap}, and there is no Apptainer or Singularity to tell what it does")),
    }
}

/// What went wrong when casa-doctor drew through GLX with this machine's own driver; `None` when it drew well, was not tried,
/// or when a variable chose another driver than the X server asks for.
pub(crate) fn driver_trouble(facts: &Facts) -> Option<&'static str> {
    let chosen = facts.session.as_ref().is_some_and(|session| session.graphics_variables.contains_key("__GLX_VENDOR_LIBRARY_NAME"));
    let glx = facts.glx.as_ref().filter(|_| !chosen)?;
    match &glx.end {
        ChildEnd::Signal { .. } => Some("this machine's own graphics driver crashed when casa-doctor drew with it"),
        ChildEnd::TimedOut { .. } => Some("this machine's own graphics driver hung when casa-doctor drew with it"),
        ChildEnd::Finished => {
            let drawn = glx.result.iter().flat_map(|result| &result.contexts).filter_map(|context| context.draw.as_ref());
            drawn.into_iter().any(|draw| draw.wrong > 0).then_some("this machine's own graphics driver draws wrong pixels")
        }
        ChildEnd::Exited { .. } | ChildEnd::NotStarted { .. } => None,
    }
}

/// Whether the C library stands where casa-distro's way around a glibc gap looks for it.
fn debian_family(facts: &Facts) -> bool {
    let machine = facts.machine.as_ref();
    let id = machine.and_then(|machine| machine.distribution.as_ref()).map(|distribution| distribution.id.as_str());
    machine.is_some_and(|machine| machine.arch == "x86_64")
        && matches!(id, Some("debian" | "ubuntu" | "linuxmint" | "pop" | "neon"))
}

/// The numbers of a version, for comparison.
fn version(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).collect()
}
