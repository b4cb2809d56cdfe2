//! What the facts mean for OpenGL in the container: the display, and this machine's own driver on it.

use casa_doctor_checks::facts::{ChildEnd, Connection, Facts, Reach, ServerKind, XServer};

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
        let mac = facts.is_mac();
        Some(match &x11.connection {
            // Whatever becomes of the display, it will be that of XQuartz.
            Connection::NoDisplay | Connection::Malformed { .. } | Connection::Failed(_) if mac => Self::Xquartz,
            Connection::NoDisplay => Self::Headless,
            Connection::Malformed { .. } | Connection::Failed(_) => Self::Unreachable,
            Connection::Connected(server) => {
                let reach = x11.display.as_ref().map_or(Reach::Local, |display| display.reach);
                let by_ssh = facts.session.as_ref().is_some_and(|session| session.ssh);
                let ssh_like = x11.display.as_ref().is_some_and(|display| x11.is_made_by_ssh(display.number, by_ssh));
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
