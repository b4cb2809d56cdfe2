//! Reaching an X server, with every way to fail told apart.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{ConnectFailureKind as Kind, DisplayName, Reach};
use x11rb::errors::ConnectError;
use x11rb::rust_connection::{DefaultStream, RustConnection};

use super::display::{TCP_PORT_BASE, without_brackets};
use super::timed::{NotX11, Timed};
use crate::crash;
use crate::host::{Address, Host, Socket};
use crate::xauthority::Entry;

/// Where the sockets of local displays are.
pub(super) const SOCKET_DIRECTORY: &str = "/tmp/.X11-unix";

/// A connection to an X server all of whose waits are bounded.
pub(super) type Connection = RustConnection<Timed>;

/// Why an address did not lead to an X server that lets us in.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Refusal {
    /// The kind.
    pub(super) kind: Kind,
    /// What the server or the system said.
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// One address of a display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Where.
    pub(super) address: Address,
    /// Whether it is TCP for a display that names no host: libxcb's last resort, where anything may listen.
    pub(super) last_resort: bool,
}

/// Who is at the other end, as far as choosing a cookie needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// This machine: a local socket, 127.0.0.1 or ::1. Its cookies stand under this machine's name.
    Here,
    /// Another address.
    At(IpAddr),
}

/// The addresses of a display, in libxcb's order.
///
/// Releases of libxcb up to 1.17 try the abstract socket first (Linux), then the file, and for a display without a host TCP
/// at last; a container that has a /tmp of its own but the network of the machine still reaches the abstract one.
pub(super) fn targets(display: &DisplayName) -> Vec<Target> {
    let target = |address| Target { address, last_resort: false };
    let tcp = |host: &str| Address::Tcp { host: host.to_owned(), port: TCP_PORT_BASE.saturating_add(display.number) };
    match display.reach {
        Reach::Local => {
            let path = format!("{SOCKET_DIRECTORY}/X{}", display.number);
            let mut targets = Vec::new();
            if cfg!(target_os = "linux") {
                targets.push(target(Address::Abstract(path.clone().into_bytes())));
            }
            if cfg!(unix) {
                targets.push(target(Address::Unix(path.into())));
            }
            let names_unix = display.text.starts_with("unix");
            if !names_unix && TCP_PORT_BASE.checked_add(display.number).is_some() {
                targets.push(Target { address: tcp("localhost"), last_resort: cfg!(unix) });
            }
            targets
        }
        Reach::Launchd => vec![target(Address::Unix(PathBuf::from(&display.host)))],
        Reach::Loopback | Reach::Remote => vec![target(tcp(without_brackets(&display.host)))],
    }
}

/// Connects a socket, by the deadline.
pub(super) fn dial(host: &Arc<dyn Host>, address: &Address, deadline: Instant) -> Result<(DefaultStream, Peer), Refusal> {
    let socket = match address {
        Address::Tcp { host: name, port } => dial_tcp(host, name, *port, deadline)?,
        _ => open(host.as_ref(), address, left(deadline)).map_err(|error| system_refusal(&error))?,
    };
    let wrapped = match socket {
        #[cfg(unix)]
        Socket::Unix(stream) => DefaultStream::from_unix_stream(stream).map(|(stream, _)| (stream, Peer::Here)),
        Socket::Tcp(stream) => stream.peer_addr().and_then(|peer| {
            let (stream, _) = DefaultStream::from_tcp_stream(stream)?;
            Ok((stream, peer_of(peer.ip())))
        }),
    };
    wrapped.map_err(|error| system_refusal(&error))
}

/// Tries the addresses of a machine in turn. Of several failures the most telling one is kept: that this machine has no IPv6
/// says nothing.
fn dial_tcp(host: &Arc<dyn Host>, name: &str, port: u16, deadline: Instant) -> Result<Socket, Refusal> {
    let addresses = match name.parse() {
        Ok(address) => vec![address],
        Err(_) => lookup(host, name, deadline)?,
    };
    let mut failure = Refusal::new(Kind::Unresolvable, format!("\"{name}\" has no address"));
    for (tried, address) in (0_u32..).zip(&addresses) {
        let others = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_sub(tried).max(1);
        match open(host.as_ref(), &Address::Tcp { host: address.to_string(), port }, left(deadline) / others) {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                let refusal = system_refusal(&error);
                if tried == 0 || matches!(failure.kind, Kind::NetworkUnreachable | Kind::Other) {
                    failure = refusal;
                }
            }
        }
    }
    Err(failure)
}

/// The addresses of a name. A lookup cannot be interrupted: the thread that waits for it is given up at the deadline.
fn lookup(host: &Arc<dyn Host>, name: &str, deadline: Instant) -> Result<Vec<IpAddr>, Refusal> {
    let (asked, wanted) = (Arc::clone(host), name.to_owned());
    match within(deadline, move || asked.lookup(&wanted)) {
        Some(Ok(addresses)) => Ok(addresses),
        Some(Err(error)) => Err(Refusal::new(Kind::Unresolvable, words(&error))),
        None => Err(Refusal::new(Kind::Unresolvable, format!("the name service did not answer about \"{name}\""))),
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn open(host: &dyn Host, address: &Address, limit: Duration) -> io::Result<Socket> {
    let stream = host.connect(address, limit)?;
    stream.into_socket().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "a recorded peer has no socket"))
}

/// Runs something that may hang in a thread of its own; `None` when it did not end by the deadline.
fn within<T: Send + 'static>(deadline: Instant, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = std::sync::mpsc::channel();
    // Nobody may be listening any more when it ends.
    std::thread::spawn(crash::shared(move || drop(sender.send(work()))));
    receiver.recv_timeout(left(deadline)).ok()
}

/// libxcb looks for the cookies of 127.0.0.1 and ::1, and of no other loopback address, under this machine's name.
fn peer_of(address: IpAddr) -> Peer {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => Peer::Here,
        other => Peer::At(other),
    }
}

/// Says the X protocol's greeting with this cookie, or with none.
pub(super) fn handshake(
    stream: DefaultStream,
    screen: u16,
    cookie: Option<&Entry>,
    deadline: Instant,
) -> Result<Connection, Refusal> {
    let (name, data) = cookie.map_or_else(Default::default, |entry| (entry.name.clone(), entry.data.expose().to_vec()));
    let sent = cookie.is_some();
    RustConnection::connect_to_stream_with_auth_info(Timed::new(stream, deadline), screen.into(), name, data)
        .map_err(|error| refusal(error, sent))
}

fn refusal(error: ConnectError, cookie_sent: bool) -> Refusal {
    match error {
        ConnectError::SetupFailed(failed) => refused(&failed.reason, cookie_sent),
        ConnectError::SetupAuthenticate(more) => refused(&more.reason, cookie_sent),
        ConnectError::InvalidScreen => Refusal::new(Kind::InvalidScreen, "the server has no such screen"),
        ConnectError::IoError(error) => {
            let kind = match error.kind() {
                io::ErrorKind::TimedOut => Kind::HandshakeTimeout,
                io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero => Kind::ClosedDuringHandshake,
                // A broken pipe is a reset of somebody who was faster: he left before our greeting came, so that he cannot
                // have disliked the cookie in it.
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => Kind::Reset,
                _ if error.get_ref().is_some_and(|inner| inner.is::<NotX11>()) => Kind::NotX11,
                _ => Kind::Other,
            };
            let detail = match kind {
                Kind::HandshakeTimeout => "it accepted the connection and then said nothing".to_owned(),
                Kind::ClosedDuringHandshake => "it closed the connection without a word".to_owned(),
                _ => words(&error),
            };
            Refusal::new(kind, detail)
        }
        error @ (ConnectError::ParseError(_) | ConnectError::Incomplete { .. } | ConnectError::ZeroIdMask) => {
            Refusal::new(Kind::NotX11, format!("its answer cannot be read: {error}"))
        }
        error => Refusal::new(Kind::Other, error.to_string()),
    }
}

/// A refusal with a reason. The texts are those of X.Org's `CheckAuthorization` and of the MIT-MAGIC-COOKIE-1 and
/// XDM-AUTHORIZATION-1 checks (os/auth.c, os/mitauth.c, os/xdmauth.c), which other servers inherited.
fn refused(reason: &[u8], cookie_sent: bool) -> Refusal {
    let reason = String::from_utf8_lossy(reason);
    let reason: String =
        reason.trim_matches(|c: char| c.is_whitespace() || c == '\0').chars().filter(|c| !c.is_control()).collect();
    let lower = reason.to_ascii_lowercase();
    let about_cookie = lower.starts_with("invalid ") || lower.contains("not authorized");
    let kind = if lower.contains("authorization required") || (about_cookie && !cookie_sent) {
        Kind::AuthorizationRequired
    } else if about_cookie {
        Kind::CookieRejected
    } else {
        Kind::Rejected
    };
    Refusal::new(kind, if reason.is_empty() { "it refused without a reason".to_owned() } else { reason })
}

fn system_refusal(error: &io::Error) -> Refusal {
    Refusal::new(connect_kind(error), words(error))
}

/// The kinds of failure of connecting a socket.
fn connect_kind(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::SocketMissing,
        io::ErrorKind::ConnectionRefused => Kind::Refused,
        io::ErrorKind::PermissionDenied => Kind::PermissionDenied,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkDown => Kind::NetworkUnreachable,
        io::ErrorKind::WouldBlock => Kind::BacklogFull,
        io::ErrorKind::TimedOut => Kind::ConnectTimeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Kind::Reset,
        _ => Kind::Other,
    }
}

/// The system's words, without Rust's "(os error N)".
fn words(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(_) => error.to_string(),
        None if error.kind() == io::ErrorKind::TimedOut => "no answer to the connection attempt".to_owned(),
        None => error.to_string(),
    };
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn display(text: &str) -> DisplayName {
        super::super::display::parse(text, "pc", |_| false).unwrap()
    }

    fn addresses(text: &str) -> Vec<String> {
        targets(&display(text)).iter().map(|target| target.address.to_string()).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_addresses_of_a_display_are_those_of_libxcb() {
        assert_eq!(addresses(":7"), ["@/tmp/.X11-unix/X7", "/tmp/.X11-unix/X7", "localhost:6007"]);
        assert_eq!(addresses("unix:7"), ["@/tmp/.X11-unix/X7", "/tmp/.X11-unix/X7"]);
        assert_eq!(addresses(":60000"), ["@/tmp/.X11-unix/X60000", "/tmp/.X11-unix/X60000"]);
        assert_eq!(addresses("localhost:10.0"), ["localhost:6010"]);
        assert_eq!(addresses("[::1]:1"), ["::1:6001"]);
        assert_eq!(addresses("/private/tmp/com.apple.launchd.x/org.xquartz:0"), ["/private/tmp/com.apple.launchd.x/org.xquartz:0"]);
    }

    #[test]
    fn the_texts_of_servers_are_told_apart() {
        for (reason, sent, expected) in [
            ("Authorization required, but no authorization protocol specified\n", false, Kind::AuthorizationRequired),
            ("Authorization required, but no authorization protocol specified\n", true, Kind::AuthorizationRequired),
            ("Invalid MIT-MAGIC-COOKIE-1 key", true, Kind::CookieRejected),
            ("Client is not authorized to connect to Server", false, Kind::AuthorizationRequired),
            ("Client is not authorized to connect to Server", true, Kind::CookieRejected),
            ("Maximum number of clients reached", true, Kind::Rejected),
            ("", true, Kind::Rejected),
        ] {
            let refusal = refused(reason.as_bytes(), sent);
            assert_eq!(refusal.kind, expected, "{reason:?}");
            assert!(!refusal.detail.is_empty() && !refusal.detail.contains('\n'));
        }
    }

    #[cfg(unix)]
    #[test]
    fn errors_of_the_system_are_told_apart() {
        for (number, expected) in [
            (rustix::io::Errno::NOENT, Kind::SocketMissing),
            (rustix::io::Errno::CONNREFUSED, Kind::Refused),
            (rustix::io::Errno::ACCESS, Kind::PermissionDenied),
            (rustix::io::Errno::NETUNREACH, Kind::NetworkUnreachable),
            (rustix::io::Errno::HOSTUNREACH, Kind::NetworkUnreachable),
            (rustix::io::Errno::AGAIN, Kind::BacklogFull),
            (rustix::io::Errno::TIMEDOUT, Kind::ConnectTimeout),
            (rustix::io::Errno::LOOP, Kind::Other),
            (rustix::io::Errno::ADDRNOTAVAIL, Kind::Other),
        ] {
            assert_eq!(connect_kind(&number.into()), expected, "{number}");
        }
        assert_eq!(words(&rustix::io::Errno::NOENT.into()), "No such file or directory");
    }

    #[test]
    fn only_the_two_usual_loopback_addresses_are_this_machine() {
        for (address, expected) in
            [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("127.0.1.1", false), ("10.0.0.1", false)]
        {
            assert_eq!(peer_of(address.parse().unwrap()) == Peer::Here, expected, "{address}");
        }
    }
}
