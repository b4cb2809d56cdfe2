//! The search for an address and a cookie with which the server lets us in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{
    Attempt, ConnectFailure, ConnectFailureKind as Kind, Connection as End, CookieFile, DisplayName, Reach,
};

use super::connect::{Connection, Peer, Refusal, Target, dial, handshake, targets};
use super::cookies::{Question, Wallet};
use super::server;
use crate::host::Host;
use crate::xauthority::Entry;

/// How long the question whether the server lets us in without a cookie may take; it is not worth more.
const OPEN_LIMIT: Duration = Duration::from_millis(300);
/// How long libxcb's last resort is given: TCP on this machine, which answers at once or is something else.
const LAST_RESORT_LIMIT: Duration = Duration::from_millis(300);

/// How long a server that starts afresh is waited for, try after try, in milliseconds.
const RESTART_PAUSES: [u64; 5] = [20, 40, 80, 160, 320];

/// What a search found.
pub(super) struct Found {
    pub(super) connection: End,
    pub(super) attempts: Vec<Attempt>,
    pub(super) cookies: Vec<CookieFile>,
    pub(super) held: Option<Connection>,
}

impl Found {
    /// Whether the other side closed or reset the connection during the greeting.
    fn was_cut_off(&self) -> bool {
        matches!(&self.connection, End::Failed(failure) if matches!(failure.kind, Kind::ClosedDuringHandshake | Kind::Reset))
    }
}

/// A search for one display.
pub(super) struct Search<'a> {
    host: &'a Arc<dyn Host>,
    display: &'a DisplayName,
    hostname: &'a str,
    deadline: Instant,
    attempts: Vec<Attempt>,
}

impl<'a> Search<'a> {
    pub(super) fn new(host: &'a Arc<dyn Host>, display: &'a DisplayName, hostname: &'a str, deadline: Instant) -> Self {
        Self { host, display, hostname, deadline, attempts: Vec::new() }
    }

    /// Tries the addresses in order. The failure that is told is that of the last ordinary one: a display whose file is
    /// missing is told so, whatever stands at TCP.
    pub(super) fn run(mut self) -> Found {
        let mut failure = None;
        for target in targets(self.display) {
            match self.reach(&target) {
                Ok(found) => return Found { attempts: self.attempts, ..found },
                Err(refusal) => {
                    let hopeless = matches!(refusal.kind, Kind::BacklogFull | Kind::ConnectTimeout);
                    if !target.last_resort {
                        failure = Some((target, refusal));
                    }
                    if hopeless {
                        break;
                    }
                }
            }
        }
        let cookies = self.wallet(None).into_files();
        let connection = match failure {
            Some((target, refusal)) => failed(refusal, Some(&target), false),
            None => failed(Refusal::new(Kind::SocketMissing, "this system has no sockets for local displays"), None, false),
        };
        Found { connection, attempts: self.attempts, cookies, held: None }
    }

    /// Tries one address, with patience for a local server that is just starting afresh because its last client has left:
    /// it closes what was waiting. `Err` means that there is no X server and that another address may have one.
    fn reach(&mut self, target: &Target) -> Result<Found, Refusal> {
        let mut pauses = RESTART_PAUSES.into_iter().map(Duration::from_millis);
        loop {
            let started = Instant::now();
            let (stream, peer) = dial(self.host, &target.address, self.deadline_of(target)).inspect_err(|refusal| {
                self.attempts.push(attempt(target, None, Some(refusal.kind), started));
            })?;
            let found = self.converse(target, stream, peer, started)?;
            let local = matches!(self.display.reach, Reach::Local | Reach::Launchd);
            match pauses.next() {
                Some(pause) if local && found.was_cut_off() && Instant::now() + pause < self.deadline => std::thread::sleep(pause),
                _ => return Ok(found),
            }
        }
    }

    /// Talks to whoever accepted the connection. `Err` means that this was no X server and that another address may have one.
    fn converse(
        &mut self,
        target: &Target,
        stream: x11rb::rust_connection::DefaultStream,
        peer: Peer,
        started: Instant,
    ) -> Result<Found, Refusal> {
        let mut wallet = self.wallet(Some(peer));
        let first = wallet.first();
        let cookie = first.as_ref().map(|(_, entry)| entry);
        let mut result = handshake(stream, self.display.screen, cookie, self.deadline_of(target));
        let mut sent_from = first.as_ref().map(|(place, _)| *place);
        self.note_answer(target, &mut wallet, sent_from, &result, started);
        if let Err(refusal) = result {
            if target.last_resort && !is_x_server(refusal.kind) {
                return Err(refusal);
            }
            let other = if self.is_about_cookies(refusal.kind) { self.try_others(target, &mut wallet) } else { None };
            result = match other {
                Some((place, connection)) => {
                    sent_from = Some(place);
                    Ok(connection)
                }
                None => Err(refusal),
            };
        }
        let told =
            result.and_then(|connection| server::describe(&connection, self.display.screen).map(|server| (connection, server)));
        let (connection, held) = match told {
            Err(refusal) => (failed(refusal, Some(target), sent_from.is_some()), None),
            Ok((connection, mut server)) => {
                server.address = target.address.to_string();
                server.cookie_from = sent_from.and_then(|place| wallet.path(place));
                server.open_without_cookie = self.open_without_cookie(target, sent_from.is_some());
                if server.open_without_cookie == Some(true) {
                    wallet.unjudge();
                }
                (End::Connected(Box::new(server)), Some(connection))
            }
        };
        Ok(Found { connection, attempts: Vec::new(), cookies: wallet.into_files(), held })
    }

    /// Tries the cookies that a program would not have sent.
    fn try_others(&mut self, target: &Target, wallet: &mut Wallet<'_>) -> Option<(usize, Connection)> {
        wallet.look_further();
        for (place, entry) in wallet.others() {
            let started = Instant::now();
            let result = self.connect_again(target, Some(&entry), self.deadline);
            self.note_answer(target, wallet, Some(place), &result, started);
            match result {
                Ok(connection) => return Some((place, connection)),
                Err(refusal) if self.is_about_cookies(refusal.kind) => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// Whether the server lets us in without any cookie, for local displays only: there the kernel tells the server who asks.
    fn open_without_cookie(&self, target: &Target, cookie_sent: bool) -> Option<bool> {
        if !cookie_sent {
            return Some(true);
        }
        if !matches!(self.display.reach, Reach::Local | Reach::Launchd) {
            return None;
        }
        match self.connect_again(target, None, self.deadline.min(Instant::now() + OPEN_LIMIT)) {
            Ok(_) => Some(true),
            Err(refusal) => matches!(refusal.kind, Kind::AuthorizationRequired | Kind::CookieRejected).then_some(false),
        }
    }

    fn connect_again(&self, target: &Target, cookie: Option<&Entry>, deadline: Instant) -> Result<Connection, Refusal> {
        let (stream, _) = dial(self.host, &target.address, deadline)?;
        handshake(stream, self.display.screen, cookie, deadline)
    }

    fn deadline_of(&self, target: &Target) -> Instant {
        if target.last_resort { self.deadline.min(Instant::now() + LAST_RESORT_LIMIT) } else { self.deadline }
    }

    fn wallet(&self, peer: Option<Peer>) -> Wallet<'a> {
        let (host, display, hostname, deadline) = (self.host, self.display, self.hostname, self.deadline);
        Wallet::open(Question { host, display, hostname, peer, deadline })
    }

    /// Notes an answer to a greeting, and what it says about the cookie that was sent.
    fn note_answer(
        &mut self,
        target: &Target,
        wallet: &mut Wallet<'_>,
        place: Option<usize>,
        result: &Result<Connection, Refusal>,
        started: Instant,
    ) {
        let failure = result.as_ref().err().map(|refusal| refusal.kind);
        if let Some(place) = place {
            match failure {
                None => wallet.judge(place, true),
                Some(Kind::AuthorizationRequired) => {}
                Some(kind) if self.is_about_cookies(kind) => wallet.judge(place, false),
                Some(_) => {}
            }
        }
        self.attempts.push(attempt(target, place.and_then(|place| wallet.path(place)), failure, started));
    }

    /// Whether another cookie may help. sshd's end of a forwarded display closes the connection without a word on a wrong
    /// cookie.
    fn is_about_cookies(&self, kind: Kind) -> bool {
        match kind {
            Kind::AuthorizationRequired | Kind::CookieRejected => true,
            Kind::ClosedDuringHandshake => self.display.reach == Reach::Loopback,
            _ => false,
        }
    }
}

fn attempt(target: &Target, cookie_from: Option<PathBuf>, failure: Option<Kind>, started: Instant) -> Attempt {
    let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Attempt { address: target.address.to_string(), cookie_from, failure, after_ms }
}

fn failed(refusal: Refusal, target: Option<&Target>, cookie_sent: bool) -> End {
    End::Failed(ConnectFailure {
        kind: refusal.kind,
        detail: refusal.detail,
        address: target.map(|target| target.address.to_string()),
        cookie_sent,
    })
}

/// Whether an X server, and nothing else, ends a greeting like this.
fn is_x_server(kind: Kind) -> bool {
    matches!(kind, Kind::AuthorizationRequired | Kind::CookieRejected | Kind::Rejected | Kind::InvalidScreen)
}
