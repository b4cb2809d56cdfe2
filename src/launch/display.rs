//! The X server in the container: DISPLAY, and the cookie that lets programs in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{Attempt, ConnectFailureKind, Connection, CookieFile, CookieState, DisplayName, Facts, Reach, X11};

use crate::host::Host;
use crate::xauthority::{self, Entry, Relation};

/// Where the cookie stands in the container, as casa_distro has it.
pub(super) const AUTHORITY: &str = "/casa/Xauthority";

/// The directory of the X server's sockets.
pub(super) const SOCKETS: &str = "/tmp/.X11-unix";

/// An authority file holds some cookies of 16 bytes; a larger file is none.
const AUTHORITY_LIMIT: u64 = 1 << 20;

/// A cookie for the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    /// The file that it comes from.
    pub(crate) source: PathBuf,
    /// The entry, for any address: the container may have another machine name.
    pub(super) entry: Entry,
}

impl Authority {
    /// The content of the authority file for the container.
    pub(super) fn bytes(&self) -> Vec<u8> {
        xauthority::serialize(std::slice::from_ref(&self.entry))
    }
}

/// Sets DISPLAY, and XAUTHORITY when there is a cookie, which is returned.
///
/// When the X server was seen to let us in without a cookie, or when none is found, there is no XAUTHORITY: an empty authority file
/// would only hide a working default.
pub(super) fn bring(
    host: &dyn Host,
    facts: &Facts,
    variables: &mut BTreeMap<String, OsString>,
    warnings: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Option<Authority> {
    let Some(display) = host.env("DISPLAY").filter(|display| !display.is_empty()) else {
        if variables.get("DISPLAY").is_none_or(|display| display.is_empty()) {
            notes.push("DISPLAY is not set, so programs in the container cannot open windows".into());
            variables.remove("DISPLAY");
        }
        return None;
    };
    let name = facts.x11.as_ref().and_then(|x11| x11.display.clone()).or_else(|| parse(display.to_str()?));
    variables.insert("DISPLAY".into(), display);
    if let Some(X11 { connection: Connection::Failed(failure), .. }) = &facts.x11 {
        warnings.push(format!(
            "the X server does not answer as it should, so windows will probably not open: {}",
            failure.detail.trim()
        ));
    }
    let name = name?;
    let hostname = hostname(host, facts);
    let addresses = if name.reach == Reach::Remote { addresses(&name.host) } else { Vec::new() };
    // As libxcb: the cookies of this machine's displays are for local sockets and loopback, whatever the display is called.
    let here = name.reach != Reach::Remote || addresses.iter().any(|address| is_localhost(*address));
    for Candidate { path, refused } in candidates(host, facts) {
        let Ok(bytes) = host.read(&path, AUTHORITY_LIMIT) else { continue };
        let mut entries = xauthority::parse(&bytes).unwrap_or_default();
        entries.retain(|entry| entry.is_magic_cookie() && (here || !entry.is_local()));
        let relation = |entry: &Entry| entry.relation(name.number, hostname.as_bytes(), &addresses);
        // Programs take the first one that matches. Where there is none, or the server refused it, the probe has gone on to the others, in
        // this order.
        let wanted: &[Relation] = if refused.is_some() { &[Relation::Matches, Relation::OtherHost] } else { &[Relation::Matches] };
        let mut tried: Vec<&Entry> = Vec::new();
        for entry in wanted.iter().flat_map(|wanted| entries.iter().filter(|entry| relation(entry) == *wanted)) {
            if !tried.iter().any(|known| known.data == entry.data) {
                tried.push(entry);
            }
        }
        if let Some(entry) = tried.get(refused.unwrap_or(0)).or(tried.last()) {
            variables.insert("XAUTHORITY".into(), AUTHORITY.into());
            return Some(Authority { source: path, entry: entry.for_any_address() });
        }
    }
    None
}

/// A file that may hold the cookie.
struct Candidate {
    path: PathBuf,
    /// How many of its cookies the server refused before it took one; `None` when it is not known to have taken any.
    refused: Option<usize>,
}

/// Files that may hold the cookie, best first.
fn candidates(host: &dyn Host, facts: &Facts) -> Vec<Candidate> {
    let untried = |path: PathBuf| Candidate { path, refused: None };
    match &facts.x11 {
        Some(x11 @ X11 { connection: Connection::Connected(server), .. }) => {
            let Some(path) = server.cookie_from.clone() else { return Vec::new() };
            let is_refusal = |attempt: &&Attempt| {
                attempt.address == server.address && attempt.cookie_from.as_ref() == Some(&path) && is_refused_cookie(x11, attempt)
            };
            let refused = Some(x11.attempts.iter().filter(is_refusal).count());
            vec![Candidate { path, refused }]
        }
        Some(x11) if !x11.cookies.is_empty() => {
            let matching = |cookie: &&CookieFile| matches!(cookie.state, CookieState::Entries { matching: 1.., .. });
            x11.cookies.iter().filter(matching).map(|cookie| untried(cookie.path.clone())).collect()
        }
        _ => {
            let named = host.env("XAUTHORITY").filter(|path| !path.is_empty()).map(PathBuf::from);
            named.or_else(|| host.identity().home.map(|home| home.join(".Xauthority"))).map(untried).into_iter().collect()
        }
    }
}

/// Whether an attempt failed because of its cookie. An ssh forwarding closes the connection then; a local server does so only while it
/// starts afresh.
fn is_refused_cookie(x11: &X11, attempt: &Attempt) -> bool {
    let local = x11.display.as_ref().is_none_or(|display| matches!(display.reach, Reach::Local | Reach::Launchd));
    match attempt.failure {
        Some(ConnectFailureKind::CookieRejected | ConnectFailureKind::AuthorizationRequired | ConnectFailureKind::Rejected) => true,
        Some(ConnectFailureKind::ClosedDuringHandshake) => !local,
        _ => false,
    }
}

fn hostname(host: &dyn Host, facts: &Facts) -> String {
    let known = facts.machine.as_ref().and_then(|machine| machine.hostname.clone());
    known.unwrap_or_else(|| host.read_text(Path::new("/proc/sys/kernel/hostname"), 4096).unwrap_or_default().trim_end().to_owned())
}

fn addresses(name: &str) -> Vec<IpAddr> {
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse();
    literal.map_or_else(
        |_| (name, 0).to_socket_addrs().map_or_else(|_| Vec::new(), |all| all.map(|one| one.ip()).collect()),
        |ip| vec![ip],
    )
}

/// Whether cookies for an address stand under this machine's name: 127.0.0.1, ::1 and no other loopback address.
fn is_localhost(address: IpAddr) -> bool {
    matches!(address.to_canonical(), IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST))
}

/// Takes a display's name apart, for a launch without the X probe: `[HOST]:NUMBER[.SCREEN]`.
fn parse(text: &str) -> Option<DisplayName> {
    let (host, rest) = text.rsplit_once(':')?;
    let (number, screen) = rest.split_once('.').unwrap_or((rest, "0"));
    let reach = match host {
        "" | "unix" => Reach::Local,
        "localhost" | "127.0.0.1" | "::1" | "[::1]" => Reach::Loopback,
        host if host.starts_with('/') => Reach::Launchd,
        _ => Reach::Remote,
    };
    Some(DisplayName { text: text.into(), host: host.into(), number: number.parse().ok()?, screen: screen.parse().ok()?, reach })
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{ConnectFailure, Machine, XServer};

    use super::*;
    use crate::host::RecordedHost;

    /// An authority file with one entry of family Local, written byte by byte.
    pub(super) fn authority_file(hostname: &str, number: &str, cookie: u8) -> Vec<u8> {
        let mut bytes = vec![1, 0];
        for string in [hostname.as_bytes(), number.as_bytes(), b"MIT-MAGIC-COOKIE-1", &[cookie; 16]] {
            bytes.extend([0, u8::try_from(string.len()).unwrap()]);
            bytes.extend(string);
        }
        bytes
    }

    fn facts(x11: X11) -> Facts {
        Facts { x11: Some(x11), machine: Some(Machine { hostname: Some("pc".into()), ..Machine::default() }), ..Facts::default() }
    }

    fn connected(cookie_from: Option<&str>) -> Facts {
        let server = XServer { cookie_from: cookie_from.map(PathBuf::from), ..XServer::default() };
        facts(X11 { display: parse(":5"), connection: Connection::Connected(Box::new(server)), ..X11::default() })
    }

    #[test]
    fn the_cookie_that_let_us_in_is_brought_for_any_address() {
        let file = [authority_file("other", "5", 1), authority_file("pc", "6", 2), authority_file("pc", "5", 3)].concat();
        let host = RecordedHost::new().env("DISPLAY", ":5").file("/run/a", file);
        let mut variables = BTreeMap::new();
        let authority = bring(&host, &connected(Some("/run/a")), &mut variables, &mut Vec::new(), &mut Vec::new()).unwrap();
        assert_eq!(authority.source, Path::new("/run/a"));
        let written = authority.bytes();
        assert_eq!(written[..4], [0xff, 0xff, 0, 0], "family Wild, no address");
        assert!(written.ends_with(&[3; 16]));
        assert_eq!(variables, BTreeMap::from([("DISPLAY".into(), ":5".into()), ("XAUTHORITY".into(), AUTHORITY.into())]));
    }

    #[test]
    fn a_cookie_that_the_server_refused_is_passed_over() {
        let file = [authority_file("oldname", "5", 9), authority_file("pc", "5", 1), authority_file("pc", "5", 2)].concat();
        let host = RecordedHost::new().env("DISPLAY", ":5").file("/run/a", file);
        let refused = |times: usize| {
            let failure = Some(ConnectFailureKind::CookieRejected);
            let attempt = Attempt { address: "@X5".into(), cookie_from: Some("/run/a".into()), failure, after_ms: 1 };
            let mut facts = connected(Some("/run/a"));
            let x11 = facts.x11.as_mut().unwrap();
            x11.attempts = vec![attempt; times];
            if let Connection::Connected(server) = &mut x11.connection {
                server.address = "@X5".into();
            }
            bring(&host, &facts, &mut BTreeMap::new(), &mut Vec::new(), &mut Vec::new()).unwrap().bytes()
        };
        assert!(refused(0).ends_with(&[1; 16]));
        assert!(refused(1).ends_with(&[2; 16]));
        assert!(refused(2).ends_with(&[9; 16]), "the cookie of this machine's former name");
    }

    #[test]
    fn the_cookie_of_this_machines_former_name_is_brought_when_it_let_us_in() {
        let host = RecordedHost::new().env("DISPLAY", ":5").file("/run/a", authority_file("oldname", "5", 9));
        let bring = |facts: &Facts| bring(&host, facts, &mut BTreeMap::new(), &mut Vec::new(), &mut Vec::new());
        assert!(bring(&connected(Some("/run/a"))).is_some_and(|authority| authority.bytes().ends_with(&[9; 16])));
    }

    #[test]
    fn a_display_of_another_machine_gets_its_own_cookie_and_not_that_of_this_machine() {
        let mut remote = vec![0, 0, 0, 4, 10, 0, 0, 1];
        remote.extend_from_slice(&authority_file("", "0", 2)[4..]);
        let local = authority_file("pc", "0", 1);
        let brought = |file: Vec<u8>, display: &str| {
            let host = RecordedHost::new()
                .env("DISPLAY", display)
                .file("/proc/sys/kernel/hostname", "pc\n")
                .file("/home/anna/.Xauthority", file);
            let authority = bring(&host, &Facts::default(), &mut BTreeMap::new(), &mut Vec::new(), &mut Vec::new());
            authority.map(|authority| authority.bytes().last().copied())
        };
        assert_eq!(brought([local.clone(), remote].concat(), "10.0.0.1:0"), Some(Some(2)));
        assert_eq!(brought(local.clone(), "10.0.0.1:0"), None, "the cookie of this machine's display is not for another machine");
        assert_eq!(brought(local, ":0"), Some(Some(1)));
    }

    #[test]
    fn no_cookie_means_no_xauthority() {
        let host = RecordedHost::new().env("DISPLAY", ":5").file("/home/anna/.Xauthority", authority_file("pc", "5", 1));
        for facts in [connected(None), connected(Some("/gone"))] {
            let mut variables = BTreeMap::new();
            assert_eq!(bring(&host, &facts, &mut variables, &mut Vec::new(), &mut Vec::new()), None);
            assert_eq!(variables, BTreeMap::from([("DISPLAY".into(), ":5".into())]));
        }
    }

    #[test]
    fn without_the_probe_the_usual_file_is_read() {
        let host = RecordedHost::new()
            .env("DISPLAY", "localhost:10.0")
            .file("/proc/sys/kernel/hostname", "pc\n")
            .file("/home/anna/.Xauthority", authority_file("pc", "10", 7));
        assert!(bring(&host, &Facts::default(), &mut BTreeMap::new(), &mut Vec::new(), &mut Vec::new()).is_some());
        let host = host.env("XAUTHORITY", "/elsewhere");
        assert!(
            bring(&host, &Facts::default(), &mut BTreeMap::new(), &mut Vec::new(), &mut Vec::new()).is_none(),
            "XAUTHORITY replaces the default"
        );
    }

    #[test]
    fn a_display_that_does_not_answer_is_told_and_still_brought() {
        let failure = ConnectFailure {
            kind: ConnectFailureKind::HandshakeTimeout,
            detail: "no answer\n".into(),
            address: None,
            cookie_sent: true,
        };
        let cookies = vec![CookieFile {
            path: "/run/a".into(),
            source: "gdm".into(),
            state: CookieState::Entries { total: 1, matching: 1, other_host: 0 },
            accepted: None,
            owner: None,
        }];
        let facts = facts(X11 { display: parse(":5"), connection: Connection::Failed(failure), cookies, ..X11::default() });
        let host = RecordedHost::new().env("DISPLAY", ":5").file("/run/a", authority_file("pc", "5", 1));
        let mut warnings = Vec::new();
        assert!(bring(&host, &facts, &mut BTreeMap::new(), &mut warnings, &mut Vec::new()).is_some());
        assert!(warnings.len() == 1 && warnings[0].ends_with("no answer"), "{warnings:?}");
    }

    #[test]
    fn an_unset_display_is_not_brought() {
        let mut variables = BTreeMap::from([("DISPLAY".to_owned(), OsString::new())]);
        let mut notes = Vec::new();
        let host = RecordedHost::new().env("DISPLAY", "");
        assert_eq!(bring(&host, &Facts::default(), &mut variables, &mut Vec::new(), &mut notes), None);
        assert!(variables.is_empty() && notes.len() == 1);
        let mut configured = BTreeMap::from([("DISPLAY".to_owned(), OsString::from(":3"))]);
        bring(&RecordedHost::new(), &Facts::default(), &mut configured, &mut Vec::new(), &mut Vec::new());
        assert_eq!(configured["DISPLAY"], ":3", "one that the configuration gives stays");
    }
}
