//! DISPLAY taken apart, as libxcb does it.

use std::net::IpAddr;
use std::path::Path;

use casa_doctor_checks::facts::{DisplayName, Reach};
use x11rb_protocol::parse_display::parse_display_with_file_exists_callback;

/// TCP port of display 0.
pub(super) const TCP_PORT_BASE: u16 = 6000;

/// Why a text is no display's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// It was set to bytes that are no text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// There is no colon.
    #[error("it has no colon: a display is written like :0, localhost:10.0 or machine:0")]
    NoColon,
    /// What follows the colon is no number.
    #[error("\"{0}\", after the colon, is not a display number")]
    Number(String),
    /// What follows the point is no number.
    #[error("\"{0}\", after the point, is not a screen number")]
    Screen(String),
    /// The display's TCP port would be above 65535.
    #[error("display {0} is too large to have a TCP port")]
    NoPort(u16),
}

/// Takes a display's name apart. `hostname` is this machine's name; `exists` tells whether a file is there.
///
/// libxcb first takes the whole text (without `unix:`) for the path of a socket, then the text without its `.screen`, and
/// only then for a name with a number; launchd of macOS relies on that.
pub(super) fn parse(text: &str, hostname: &str, exists: impl Fn(&Path) -> bool) -> Result<DisplayName, Malformed> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if path.starts_with('/') {
        return Ok(socket_path(text, path, exists));
    }
    // The parser of x11rb takes everything after "unix:" for a path and so refuses "unix:0".
    let (plain, named_unix) = text.strip_prefix("unix:").map_or((text.to_owned(), false), |rest| (format!(":{rest}"), true));
    let parsed = parse_display_with_file_exists_callback(&plain, |_| false).map_err(|_| explain(&plain))?;
    // "host/unix:0" is refused by libxcb: "unix" is no protocol of TCP then, but the name of a machine.
    let plain_unix = parsed.host == "unix" && parsed.protocol.is_none();
    let local = parsed.protocol.as_deref() == Some("unix") || parsed.host.is_empty() || plain_unix || named_unix;
    let reach = match () {
        () if local => Reach::Local,
        () if is_this_machine(&parsed.host, hostname) => Reach::Loopback,
        () => Reach::Remote,
    };
    if reach != Reach::Local && TCP_PORT_BASE.checked_add(parsed.display).is_none() {
        return Err(Malformed::NoPort(parsed.display));
    }
    Ok(DisplayName {
        text: text.to_owned(),
        host: if local { String::new() } else { parsed.host },
        number: parsed.display,
        screen: parsed.screen,
        reach,
    })
}

/// A display that is named by its socket. When nothing is there, the screen cannot be told from the path: it is then 0.
fn socket_path(text: &str, path: &str, exists: impl Fn(&Path) -> bool) -> DisplayName {
    let (socket, screen) = match path.rsplit_once('.') {
        Some((shorter, screen)) if !exists(Path::new(path)) && exists(Path::new(shorter)) => {
            screen.parse().map_or((path, 0), |screen| (shorter, screen))
        }
        _ => (path, 0),
    };
    // launchd writes the number into the file's name; its cookies are stored under that number.
    let number = socket.rsplit_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
    DisplayName { text: text.to_owned(), host: socket.to_owned(), number, screen, reach: Reach::Launchd }
}

fn is_this_machine(host: &str, hostname: &str) -> bool {
    let bare = without_brackets(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || (!hostname.is_empty() && bare.eq_ignore_ascii_case(hostname))
}

/// An IPv6 address may be written in brackets, which no resolver understands.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

/// Says what the parser does not: which part is wrong.
fn explain(text: &str) -> Malformed {
    let Some((_, rest)) = text.rsplit_once(':') else { return Malformed::NoColon };
    let (number, screen) = rest.split_once('.').unwrap_or((rest, "0"));
    if number.parse::<u16>().is_err() { Malformed::Number(number.to_owned()) } else { Malformed::Screen(screen.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &Path) -> bool {
        false
    }

    #[test]
    fn names_that_libxcb_takes() {
        for (text, host, number, screen, reach) in [
            (":0", "", 0, 0, Reach::Local),
            (":150.1", "", 150, 1, Reach::Local),
            ("unix:3", "", 3, 0, Reach::Local),
            ("unix:3.2", "", 3, 2, Reach::Local),
            ("unix/pc:4", "", 4, 0, Reach::Local),
            ("localhost:10.0", "localhost", 10, 0, Reach::Loopback),
            ("LocalHost:10", "LocalHost", 10, 0, Reach::Loopback),
            ("127.0.0.1:0", "127.0.0.1", 0, 0, Reach::Loopback),
            ("[::1]:2", "[::1]", 2, 0, Reach::Loopback),
            ("::1:2", "::1", 2, 0, Reach::Loopback),
            ("node7:11.0", "node7", 11, 0, Reach::Loopback),
            ("tcp/other:1", "other", 1, 0, Reach::Remote),
            ("unix:0", "", 0, 0, Reach::Local),
            ("host/unix:0", "unix", 0, 0, Reach::Remote),
            ("other.lab.org:0.1", "other.lab.org", 0, 1, Reach::Remote),
        ] {
            let parsed = parse(text, "node7", nothing).unwrap_or_else(|error| panic!("{text}: {error}"));
            let expected = DisplayName { text: text.into(), host: host.into(), number, screen, reach };
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_display_is_told_apart() {
        for (text, expected) in [
            ("$DISPLAY", Malformed::NoColon),
            ("0", Malformed::NoColon),
            ("localhost", Malformed::NoColon),
            (":", Malformed::Number(String::new())),
            (":x", Malformed::Number("x".into())),
            (":-1", Malformed::Number("-1".into())),
            (":70000", Malformed::Number("70000".into())),
            ("host:0.", Malformed::Screen(String::new())),
            (":0.one", Malformed::Screen("one".into())),
            ("unix:", Malformed::Number(String::new())),
            ("host:60000", Malformed::NoPort(60000)),
        ] {
            assert_eq!(parse(text, "pc", nothing), Err(expected), "{text}");
        }
    }

    #[test]
    fn the_socket_of_launchd_is_a_path_with_an_optional_screen() {
        let socket = "/private/tmp/com.apple.launchd.Ab12/org.xquartz:0";
        let exists = |path: &Path| path == Path::new(socket);
        let expected = DisplayName { text: socket.into(), host: socket.into(), number: 0, screen: 0, reach: Reach::Launchd };
        assert_eq!(parse(socket, "mac", exists), Ok(expected.clone()));
        let with_screen = format!("{socket}.1");
        let parsed = parse(&with_screen, "mac", exists).unwrap();
        assert_eq!((parsed.host.as_str(), parsed.screen), (socket, 1));
        // A stale one is still a path: connecting to it says that it is not there.
        assert_eq!(parse(socket, "mac", nothing), Ok(expected));
        assert_eq!(parse(&format!("unix:{socket}"), "mac", exists).unwrap().host, socket);
    }
}
