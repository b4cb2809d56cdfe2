use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The X server that DISPLAY names, as seen over the X protocol alone: no graphics library is loaded for this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct X11 {
    /// DISPLAY taken apart; `None` when it is unset, empty or malformed.
    pub display: Option<DisplayName>,
    /// How connecting ended.
    pub connection: Connection,
    /// Every address that was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Every place where a cookie may be, with what is there, in the order in which they were tried.
    pub cookies: Vec<CookieFile>,
    /// The displays whose sockets stand in `/tmp/.X11-unix`, such as `:0`; that nobody listens on one of them is possible.
    pub local_displays: Vec<String>,
    /// Whether the program xauth is on PATH, which casa_distro starts before every program with windows.
    pub xauth: Option<bool>,
    /// User id of the owner of the socket of a local display: the user who runs its server, or root.
    pub socket_owner: Option<u32>,
}

impl X11 {
    /// The first display number that sshd gives away (sshd_config, X11DisplayOffset).
    pub const SSH_DISPLAY_OFFSET: u16 = 10;

    /// Whether a TCP display of this machine is one that sshd forwards to another. sshd listens on TCP only: a display that has a
    /// socket in the file system as well is a server's own, such as that of VNC. In a session that came by ssh (`by_ssh`) it need not
    /// be: servers mostly leave TCP alone, and sshd then takes the number of a server of somebody else.
    #[must_use]
    pub fn is_made_by_ssh(&self, number: u16, by_ssh: bool) -> bool {
        number >= Self::SSH_DISPLAY_OFFSET && (by_ssh || !self.local_displays.contains(&format!(":{number}")))
    }
}

/// The parts of DISPLAY.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DisplayName {
    /// As written.
    pub text: String,
    /// Host part; empty for a local display; the socket's path for launchd.
    pub host: String,
    /// Display number.
    pub number: u16,
    /// Screen number.
    pub screen: u16,
    /// Whether it names a local socket (`:0`, `unix:0`), a TCP port on this machine (`localhost:10`), another machine, or launchd's socket.
    pub reach: Reach,
}

/// How a display is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// A local socket.
    #[default]
    Local,
    /// TCP on this machine: what ssh makes.
    Loopback,
    /// TCP to another machine.
    Remote,
    /// A socket of macOS launchd, whose path is the display's name.
    Launchd,
}

/// How connecting ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Connection {
    /// DISPLAY is unset or empty.
    #[default]
    NoDisplay,
    /// DISPLAY is not a display's name.
    Malformed {
        /// Why.
        reason: String,
    },
    /// The server let us in.
    Connected(Box<XServer>),
    /// It did not.
    Failed(ConnectFailure),
}

/// Why the X server could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectFailure {
    /// The kind.
    pub kind: ConnectFailureKind,
    /// What the server or the system said, in its own words.
    pub detail: String,
    /// The address on which the connection got furthest.
    #[serde(default)]
    pub address: Option<String>,
    /// Whether a cookie was sent.
    #[serde(default)]
    pub cookie_sent: bool,
}

/// The kinds of [`ConnectFailure`], each told apart on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectFailureKind {
    /// There is no socket (ENOENT).
    SocketMissing,
    /// A socket or port on which nobody listens (ECONNREFUSED).
    Refused,
    /// The socket may not be opened (EACCES).
    PermissionDenied,
    /// The host's name has no address.
    Unresolvable,
    /// No route to the host (ENETUNREACH, EHOSTUNREACH).
    NetworkUnreachable,
    /// The server's queue of connections is full: it no longer accepts any (EAGAIN).
    BacklogFull,
    /// No answer to the connection attempt in time.
    ConnectTimeout,
    /// Connected, but the server said nothing in time: hung, or stopped.
    HandshakeTimeout,
    /// The other side closed without a word: what sshd does to a wrong or missing cookie.
    ClosedDuringHandshake,
    /// The other side reset the connection: what sshd does when the X server at the far end is gone.
    Reset,
    /// Something answers there that is not an X server.
    NotX11,
    /// The server wants a cookie and none was sent.
    AuthorizationRequired,
    /// The server does not know the cookie that was sent.
    CookieRejected,
    /// The server refused for another reason.
    Rejected,
    /// The display has no such screen.
    InvalidScreen,
    /// It let us in and then did not answer a request in time.
    ReplyTimeout,
    /// Anything else, told in the detail.
    Other,
}

/// One address that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Such as `/tmp/.X11-unix/X0`, `@/tmp/.X11-unix/X0` (abstract), `localhost:6010`.
    pub address: String,
    /// The file whose cookie was sent, if any.
    #[serde(default)]
    #[serde(serialize_with = "super::lossy::option")]
    pub cookie_from: Option<PathBuf>,
    /// The failure, `None` when it succeeded.
    #[serde(default)]
    pub failure: Option<ConnectFailureKind>,
    /// Milliseconds until that was known.
    #[serde(default)]
    pub after_ms: u64,
}

/// A place where a cookie may be. The cookie itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CookieFile {
    /// The file.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Why it was looked at: `XAUTHORITY`, `~/.Xauthority`, `gdm`, `mutter`, `kwin`, `sddm`, `server-argument`.
    pub source: String,
    /// What is there.
    pub state: CookieState,
    /// Whether the server accepted its cookie; `None` when it was not tried, or when the server lets us in without any, so that
    /// it does not show.
    #[serde(default)]
    pub accepted: Option<bool>,
    /// User id of the file's owner, where known.
    #[serde(default)]
    pub owner: Option<u32>,
}

/// What stands at a cookie's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum CookieState {
    /// Nothing.
    Missing,
    /// A file that this user may not read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// An empty file.
    Empty,
    /// A file that is no authority file.
    Malformed,
    /// A file with entries.
    Entries {
        /// How many.
        total: usize,
        /// How many are for this display and this machine's name, or for any.
        matching: usize,
        /// Entries for this display under another machine's name: what a changed host name leaves behind.
        other_host: usize,
    },
}

/// What an X server tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct XServer {
    /// Vendor string.
    pub vendor: String,
    /// Release number (for X.Org 21.1.7: 12101007).
    pub release: u32,
    /// The kind of server, recognised from vendor and extensions.
    pub kind: ServerKind,
    /// The address that was used.
    pub address: String,
    /// The file whose cookie was sent when the server let us in; `None` when none was sent.
    #[serde(serialize_with = "super::lossy::option")]
    pub cookie_from: Option<PathBuf>,
    /// Whether the server would let this user in without any cookie; `None` when not tried.
    pub open_without_cookie: Option<bool>,
    /// Extension names, sorted.
    pub extensions: Vec<String>,
    /// Whether the cookie is an untrusted one (`ssh -X`): the server then shows BIG-REQUESTS and XC-MISC only.
    pub untrusted: bool,
    /// Whether access control is on; `None` when the server does not tell (untrusted clients get a wrong answer).
    pub access_control: Option<bool>,
    /// Who may connect without a cookie, as `xhost` writes it: `SI:localuser:anna`, `LOCAL:`, `INET:host`.
    pub access_list: Vec<String>,
    /// GLX, asked over the protocol; `None` when the server has none.
    pub glx: Option<ServerGlx>,
    /// Size of the first screen, in pixels.
    pub screen_pixels: Option<(u16, u16)>,
    /// Names of the RandR outputs with a monitor, where RandR answers (`XWAYLAND0`, `VNC-0`, `HDMI-1`).
    pub outputs: Vec<String>,
}

/// Kinds of X server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    /// Xorg or another server of its family that gives no further sign (Xvfb, Xephyr).
    #[default]
    Xorg,
    /// Xwayland, the X server of a Wayland desktop.
    Xwayland,
    /// A VNC server (TigerVNC, TurboVNC).
    Xvnc,
    /// nxagent, the server of x2go.
    Nxagent,
    /// XQuartz of macOS.
    Xquartz,
    /// Seen through an untrusted cookie, so its kind cannot be told.
    Unknown,
}

/// What the server tells of GLX.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerGlx {
    /// Protocol version, such as `1.4`.
    pub version: String,
    /// GLX_VENDOR of the server (`SGI`, `NVIDIA Corporation`, `VirtualGL`).
    pub vendor: Option<String>,
    /// GLX extensions of the server.
    pub extensions: Vec<String>,
    /// GLX_VENDOR_NAMES_EXT (0x20F6): the vendor libraries that the server asks for, best first; empty when it names none.
    pub vendor_names: Vec<String>,
}
