//! What was seen of a display, in words: the evidence that the findings of this family share.

use std::path::Path;

use crate::facts::{Attempt, ConnectFailure, ConnectFailureKind as Kind, CookieFile, CookieState, Facts, Reach, Session, X11};
use crate::finding::Finding;

/// The facts about a display that did not open.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) facts: &'a Facts,
    pub(super) x11: &'a X11,
    pub(super) failure: &'a ConnectFailure,
}

impl<'a> Sight<'a> {
    /// DISPLAY as it is set.
    pub(super) fn display(&self) -> &'a str {
        self.x11.display.as_ref().map_or("", |display| &display.text)
    }

    pub(super) fn reach(&self) -> Reach {
        self.x11.display.as_ref().map_or(Reach::Local, |display| display.reach)
    }

    pub(super) fn number(&self) -> u16 {
        self.x11.display.as_ref().map_or(0, |display| display.number)
    }

    pub(super) fn host(&self) -> &'a str {
        self.x11.display.as_ref().map_or("", |display| &display.host)
    }

    pub(super) fn session(&self) -> Option<&'a Session> {
        self.facts.session.as_ref()
    }

    /// Whether the display is one that ssh makes: `localhost:10.0`, or `machine:10.0` where sshd listens to the network.
    pub(super) fn is_forwarded(&self) -> bool {
        let by_ssh = self.session().is_some_and(|session| session.ssh);
        match self.reach() {
            Reach::Loopback => self.x11.is_made_by_ssh(self.number(), by_ssh),
            // What the sockets of this machine tell is no matter for a display of another one.
            Reach::Remote => by_ssh && self.number() >= X11::SSH_DISPLAY_OFFSET,
            Reach::Local | Reach::Launchd => false,
        }
    }

    /// Whether sshd let us through and the X server behind it refused the cookie of the ssh client: sshd itself answers a wrong cookie
    /// with no word at all.
    pub(super) fn is_refused_at_the_far_end(&self) -> bool {
        self.is_forwarded() && self.failure.kind == Kind::CookieRejected
    }

    /// The file that programs take their cookie from.
    pub(super) fn cookie_file(&self) -> Option<&'a CookieFile> {
        self.x11.cookies.first()
    }

    /// Adds DISPLAY and what came of each address.
    pub(super) fn tell(&self, finding: Finding) -> Finding {
        let finding = finding.evidence(format!("DISPLAY={}", self.display()));
        let last = self.failure.address.as_deref().unwrap_or("no address");
        let others = self.x11.attempts.iter().filter(|attempt| Some(attempt.address.as_str()) != self.failure.address.as_deref());
        let finding = others.filter_map(attempt_words).fold(finding, Finding::evidence);
        let waited = matches!(self.failure.kind, Kind::HandshakeTimeout | Kind::ConnectTimeout | Kind::ReplyTimeout);
        let after = match self.x11.attempts.last() {
            Some(attempt) if waited && attempt.after_ms >= 100 => format!(" (waited {:.1} s)", seconds(attempt.after_ms)),
            _ => String::new(),
        };
        finding.evidence(format!("{last}: {}{after}", self.failure.detail))
    }

    /// Adds what stands at each place for cookies.
    pub(super) fn tell_cookies(&self, finding: Finding) -> Finding {
        self.x11.cookies.iter().map(cookie_words).fold(finding, Finding::evidence)
    }
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a wait is far shorter than 2^52 ms")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn attempt_words(attempt: &Attempt) -> Option<String> {
    let words = match attempt.failure? {
        Kind::SocketMissing => "there is no such socket",
        Kind::Refused => "nobody listens there",
        Kind::PermissionDenied => "permission denied",
        _ => "no X server answered there",
    };
    let kind = if attempt.address.starts_with('@') { " (abstract socket)" } else { "" };
    Some(format!("{}{kind}: {words}", attempt.address))
}

/// What stands at a place for cookies.
pub(super) fn cookie_words(file: &CookieFile) -> String {
    let state = match &file.state {
        CookieState::Missing => "no such file".to_owned(),
        CookieState::Unreadable { reason } => format!("cannot be read: {reason}"),
        CookieState::Empty => "empty".to_owned(),
        CookieState::Malformed => "not an authority file".to_owned(),
        CookieState::Entries { total, matching, other_host } => {
            let other = match other_host {
                0 => String::new(),
                count => format!(", and {count} under another machine's name"),
            };
            let accepted = match file.accepted {
                Some(true) => "; the server accepts it",
                Some(false) => "; the server does not accept it",
                None => "",
            };
            let noun = if *total == 1 { "cookie" } else { "cookies" };
            format!("{total} {noun}, {matching} for this display{other}{accepted}")
        }
    };
    format!("{}: {state}", place(file))
}

/// A file with the reason why it was looked at.
fn place(file: &CookieFile) -> String {
    let path = file.path.display();
    match file.source.as_str() {
        "XAUTHORITY" => format!("XAUTHORITY={path}"),
        "~/.Xauthority" => path.to_string(),
        source => format!("{path} ({source})"),
    }
}

/// Whether a path lies in a directory.
pub(super) fn is_under(path: &Path, directory: Option<&Path>) -> bool {
    directory.is_some_and(|directory| path.starts_with(directory))
}
