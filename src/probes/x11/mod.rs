//! The X server, over the X protocol alone: no graphics library is loaded for this.
//!
//! The first connection is made as a program would make it: libxcb's addresses in libxcb's order, and the cookie that libXau
//! would choose. Only when that is refused are cookies from elsewhere tried, so that the facts tell both what programs meet
//! and what would help them.

mod connect;
mod cookies;
mod display;
#[cfg(all(test, target_os = "linux"))]
mod live;
mod search;
mod server;
mod timed;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{Connection, Reach, X11};

use self::connect::SOCKET_DIRECTORY;
use self::search::Search;
use super::Context;
use crate::host::Host;

/// Part of the limit that is kept for telling what was seen.
const RESERVE_PART: u32 = 10;
/// The most that is kept for it.
const RESERVE_LIMIT: Duration = Duration::from_millis(150);

/// A connection that is kept open.
///
/// Some X servers start afresh when their last client leaves, and refuse everybody while they do: whoever starts other
/// clients holds this until they have ended.
pub(crate) struct Held {
    _connection: connect::Connection,
}

/// Looks at the X server that DISPLAY names. Ends within the context's limit.
pub(crate) fn probe(context: &Context) -> (X11, Option<Held>) {
    let host = &context.host;
    let reserve = (context.limit / RESERVE_PART).min(RESERVE_LIMIT);
    let deadline = Instant::now() + context.limit.saturating_sub(reserve);
    let xauth = Some(host.which(OsStr::new("xauth")).is_some());
    let mut facts = X11 { local_displays: local_displays(host.as_ref()), xauth, ..X11::default() };

    let Some(text) = host.env("DISPLAY").filter(|text| !text.is_empty()) else { return (facts, None) };
    let hostname = hostname(host.as_ref());
    let parsed = match text.to_str() {
        Some(text) => display::parse(text, &hostname, |path| host.metadata(path).is_ok()),
        None => Err(display::Malformed::NotText),
    };
    let display = match parsed {
        Ok(display) => display,
        Err(error) => {
            facts.connection = Connection::Malformed { reason: error.to_string() };
            return (facts, None);
        }
    };
    facts.socket_owner = match display.reach {
        Reach::Local => socket_owner(host.as_ref(), &Path::new(SOCKET_DIRECTORY).join(format!("X{}", display.number))),
        Reach::Launchd => socket_owner(host.as_ref(), Path::new(&display.host)),
        Reach::Loopback | Reach::Remote => None,
    };
    let found = Search::new(host, &display, &hostname, deadline).run();
    facts.connection = found.connection;
    facts.attempts = found.attempts;
    facts.cookies = found.cookies;
    facts.display = Some(display);
    (facts, found.held.map(|connection| Held { _connection: connection }))
}

/// The file whose cookie programs send (libXau, `XauFileName`).
pub(super) fn authority_of_programs(host: &dyn Host) -> Option<PathBuf> {
    let named = host.env("XAUTHORITY").map(PathBuf::from);
    named.or_else(|| host.env("HOME").map(|home| Path::new(&home).join(".Xauthority")))
}

/// The displays whose sockets stand in the usual directory, by number.
fn local_displays(host: &dyn Host) -> Vec<String> {
    let names = host.read_dir(Path::new(SOCKET_DIRECTORY)).unwrap_or_default();
    let mut numbers: Vec<u16> = names.iter().filter_map(|name| name.to_str()?.strip_prefix('X')?.parse::<u16>().ok()).collect();
    numbers.sort_unstable();
    numbers.iter().map(|number| format!(":{number}")).collect()
}

fn socket_owner(host: &dyn Host, socket: &Path) -> Option<u32> {
    host.metadata(socket).ok().filter(|_| cfg!(unix)).map(|metadata| metadata.uid)
}

/// This machine's name as `uname -n` prints it, which is what cookies of local displays are stored under.
fn hostname(host: &dyn Host) -> String {
    if let Ok(name) = host.read_text(Path::new("/proc/sys/kernel/hostname"), 4096) {
        return name.trim().to_owned();
    }
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    return host.env_text("COMPUTERNAME").unwrap_or_default();
}
