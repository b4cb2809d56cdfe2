//! The cookie: missing, or not the right one.

use super::shell_word;
use super::sight::{Sight, cookie_words};
use crate::facts::{Attempt, ConnectFailureKind as Kind, CookieFile, CookieState, Facts, Reach, X11, XServer};
use crate::finding::{Finding, FindingKind, Severity};

/// The X server wants a cookie and programs have none for it.
pub(super) static MISSING: FindingKind = FindingKind {
    id: "x11-cookie-missing",
    code: "CD0104",
    severity: Severity::Error,
    title: "The X server asks for a cookie and programs find none",
    why: "An X server lets in who knows its cookie, a secret in the file that XAUTHORITY names, or else in ~/.Xauthority. Programs \
          find no cookie for this display there, and are refused. casa_distro 3 copies the cookie from there into the container, \
          and says nothing when there is none.",
    cure: "Point XAUTHORITY to the file with the cookie of this session, or log in again so that it is written. Where a session has \
           no cookie at all, allow your own user: xhost +si:localuser:NAME.",
    example: "Authorization required, but no authorization protocol specified\nError: Can't open display: :0",
    since: "0.1.0",
};

/// The X server does not accept the cookie that programs send.
pub(super) static REJECTED: FindingKind = FindingKind {
    id: "x11-cookie-rejected",
    code: "CD0105",
    severity: Severity::Error,
    title: "The X server does not accept the cookie: it is that of an earlier session",
    why: "Every start of an X server and every ssh login makes a new cookie. A file that was copied, or a variable that was kept \
          from an earlier session (in tmux, in a job, in a start-up file), still has the old one, and programs are refused. A \
          display that ssh forwards needs two cookies: one here, for ssh itself, and one at your own end, for the X server there.",
    cure: "Log in again, or open a new terminal on the desktop. Remove copies of .Xauthority, and lines that set XAUTHORITY in \
           start-up files. Where the X server at your own end of ssh refuses, look there: ssh takes its cookie with xauth.",
    example: "Invalid MIT-MAGIC-COOKIE-1 key\nX11 connection rejected because of wrong authentication.",
    since: "0.1.0",
};

/// What the silence of sshd's end of a forwarded display means, when a cookie was sent.
const OF_AN_EARLIER_LOGIN: &str = "ssh does not accept the cookie of the forwarded display: it is that of an earlier login";

/// The finding for a server that refused us, whatever cookie was tried.
pub(super) fn judge(sight: Sight<'_>) -> Finding {
    if sight.is_refused_at_the_far_end() {
        return of_far_end(sight);
    }
    let rejected = sight.failure.kind == Kind::CookieRejected || sight.failure.cookie_sent;
    let finding = match (rejected, sight.is_forwarded()) {
        (true, true) => REJECTED.found().title(OF_AN_EARLIER_LOGIN),
        (true, false) => REJECTED.found(),
        (false, true) => MISSING.found().title("ssh asks for the cookie of the forwarded display, and programs find none"),
        (false, false) => missing(sight.cookie_file()),
    };
    let finding = sight.tell_cookies(sight.tell(finding));
    if sight.is_forwarded() {
        return of_forwarded(sight, finding);
    }
    let finding = of_compositor(sight, of_file(sight.x11, finding));
    let finding = match sight.reach() {
        Reach::Remote => finding.advise(format!("Log in from {} with ssh -Y: that brings the cookie along.", sight.host())),
        _ if rejected => finding.advise("Log out and in again, or open a new terminal on the desktop: it knows the new cookie."),
        _ => finding,
    };
    match sight.session().and_then(|session| session.user.as_deref()) {
        Some(user) if sight.reach() == Reach::Local => finding.advise_command(
            "Allow your own user, and nobody else, in a terminal of the desktop where windows do open.",
            format!("xhost +si:localuser:{}", shell_word(user)),
        ),
        _ => finding.advise("Log out of the desktop and in again: that makes a new cookie and writes it where programs look."),
    }
}

/// The finding for a server that let us in with a cookie that programs do not find.
pub(super) fn of_programs(facts: &Facts, x11: &X11, server: &XServer) -> Option<Finding> {
    // A server of this machine that closes without a word starts afresh, and refused nobody: what programs send was accepted in the end.
    // sshd's end of a forwarded display says no more to a wrong cookie.
    let by_tcp = x11.display.as_ref().is_some_and(|display| display.reach == Reach::Loopback);
    let is_refusal = |kind| is_refusal(kind) || by_tcp && kind == Kind::ClosedDuringHandshake;
    let refused = x11.attempts.iter().find(|attempt| attempt.failure.is_some_and(is_refusal))?;
    let program_file = x11.cookies.first();
    let sent_first = refused.cookie_from.as_ref();
    let under_old_name =
        program_file.is_some_and(|file| matches!(file.state, CookieState::Entries { matching: 0, other_host: 1.., .. }));
    let place = server.cookie_from.as_ref()?;
    let silent = refused.failure == Some(Kind::ClosedDuringHandshake);
    let finding = match sent_first {
        Some(_) if silent => REJECTED.found().title(OF_AN_EARLIER_LOGIN),
        Some(_) => REJECTED.found(),
        None => missing(program_file),
    };
    let display = x11.display.as_ref().map_or("", |display| &display.text);
    let finding = finding.evidence(format!("DISPLAY={display}")).evidence(refusal_words(refused));
    let finding = x11.cookies.iter().map(cookie_words).fold(finding, Finding::evidence);
    let finding = finding.evidence(format!("{}: the cookie in {} opens the display", server.address, place.display()));
    if program_file.is_some_and(|file| &file.path == place) {
        let finding = if under_old_name {
            finding.advise("The machine has got another name since the cookie was written. Log out and in again.")
        } else {
            finding.advise("An older cookie stands before the right one in the same file. Log out and in again.")
        };
        return Some(finding.advise("casa-doctor run hands the right cookie to the container by itself."));
    }
    let tmux = facts.session.as_ref().is_some_and(|session| session.multiplexer.is_some());
    let finding = finding.advise_command(
        "Point programs to the file with the right cookie, in this terminal.",
        format!("export XAUTHORITY={}", shell_word(&place.to_string_lossy())),
    );
    Some(if tmux {
        finding.advise("tmux and screen keep XAUTHORITY of their beginning: start a new session of them after a new login.")
    } else if silent {
        finding.advise(
            "If XAUTHORITY is set in a start-up file of the shell, remove that line; casa-doctor run hands the right cookie to the container.",
        )
    } else {
        finding.advise("A new terminal on the desktop knows it by itself; casa-doctor run hands it to the container.")
    })
}

/// Some compositors of Wayland start an X server and give its cookie to nobody but their own programs.
fn of_compositor(sight: Sight<'_>, finding: Finding) -> Finding {
    let wayland = sight.session().is_some_and(|session| session.session_type.as_deref() == Some("wayland"));
    let none = sight.x11.cookies.iter().all(|file| !matches!(file.state, CookieState::Entries { .. }));
    if !(wayland && none && sight.reach() == Reach::Local) {
        return finding;
    }
    finding.evidence(
        "this is a session of Wayland, whose X server takes its cookie from the compositor; none was found in the usual places",
    )
}

fn is_refusal(kind: Kind) -> bool {
    matches!(kind, Kind::AuthorizationRequired | Kind::CookieRejected)
}

fn refusal_words(attempt: &Attempt) -> String {
    let address = &attempt.address;
    match (&attempt.cookie_from, attempt.failure) {
        (Some(path), Some(Kind::ClosedDuringHandshake)) => {
            format!("{address}: it closes the connection without a word, at the cookie from {}", path.display())
        }
        (None, Some(Kind::ClosedDuringHandshake)) => {
            format!("{address}: it closes the connection without a word to those who have no cookie")
        }
        (Some(path), _) => format!("{address}: the server rejects the cookie from {}", path.display()),
        (None, _) => format!("{address}: the server asks for a cookie"),
    }
}

/// A missing cookie, with the reason in the title.
fn missing(file: Option<&CookieFile>) -> Finding {
    let title = match file.map(|file| (&file.state, file.source == "XAUTHORITY")) {
        Some((CookieState::Missing, true)) if file.is_some_and(|file| file.path.as_os_str().is_empty()) => {
            "XAUTHORITY is set and empty, so programs look for no cookie for the X server"
        }
        Some((CookieState::Missing, true)) => {
            "XAUTHORITY names a file that does not exist, so programs have no cookie for the X server"
        }
        Some((CookieState::Unreadable { .. }, _)) => "The file with the cookies of the X server cannot be read",
        Some((CookieState::Empty, _)) => "The file with the cookies of the X server is empty",
        Some((CookieState::Malformed, _)) => "The file with the cookies of the X server is damaged",
        Some((CookieState::Entries { matching: 0, other_host: 1.., .. }, _)) => {
            "The cookie of the X server is stored under another name of this machine"
        }
        _ => MISSING.title,
    };
    MISSING.found().title(title)
}

/// What helps with the file that programs look at.
fn of_file(x11: &X11, finding: Finding) -> Finding {
    let Some(file) = x11.cookies.first() else { return finding };
    let by_variable = file.source == "XAUTHORITY";
    match &file.state {
        CookieState::Missing | CookieState::Empty | CookieState::Malformed if by_variable => finding.advise_command(
            "XAUTHORITY is left from an earlier session or set in a start-up file of the shell: unset it.",
            "unset XAUTHORITY",
        ),
        CookieState::Unreadable { .. } => {
            finding.advise_command("See who may read it.", format!("ls -l {}", shell_word(&file.path.to_string_lossy())))
        }
        CookieState::Malformed => finding.advise_command(
            "Put the damaged file aside and log in again: it is written anew.",
            format!("mv {0} {0}.damaged", shell_word(&file.path.to_string_lossy())),
        ),
        CookieState::Entries { matching: 0, other_host: 1.., .. } => {
            finding.advise("The machine has got another name since the cookie was written. Log out and in again.")
        }
        _ => finding,
    }
}

fn of_forwarded(sight: Sight<'_>, finding: Finding) -> Finding {
    let finding = match sight.cookie_file() {
        Some(file) if file.source == "XAUTHORITY" && !matches!(file.state, CookieState::Entries { matching: 1.., .. }) => finding
            .advise_command(
                "If XAUTHORITY is set in a start-up file of the shell, remove that, and unset it here.",
                "unset XAUTHORITY",
            ),
        _ => finding,
    };
    finding.then("Log in again with ssh -Y: sshd then writes a new cookie with xauth.").advise_command(
        "If that does not help: xauth must be installed on this machine, and be able to write its file in the home directory.",
        "xauth list",
    )
}

/// The X server at the user's own end of ssh refuses what the ssh client shows it. The cookie here is not the reason: to a wrong one
/// sshd says nothing.
fn of_far_end(sight: Sight<'_>) -> Finding {
    let finding = REJECTED.found().title("The X server at your own end of ssh does not accept the cookie that ssh has for it");
    let finding = sight.tell(finding).evidence(
        "sshd took the cookie from here (it closes the connection without a word otherwise): these are the words of the X server \
         at the other end",
    );
    finding
        .advise_command(
            "On the machine that you came from, in the terminal where you start ssh, see whether there is a cookie. Nothing, or \
             \"command not found\", means that xauth is not installed there, or that DISPLAY or XAUTHORITY is not that of the desktop.",
            "xauth list \"$DISPLAY\"",
        )
        .then("Log in again with ssh -v -Y: it warns of \"No xauth data\" as long as it finds none.")
        .advise(
            "On a Mac tell ssh where xauth is: the line \"XAuthLocation /opt/X11/bin/xauth\" in ~/.ssh/config there, which updates \
             of macOS do not touch.",
        )
        .advise(
            "If the X server there was started again since you logged in (a new desktop session, XQuartz opened again), logging in \
             again is enough.",
        )
}

#[cfg(test)]
mod tests {
    use super::super::connection::CHECK;
    use super::super::testing::{connected, display, facts, only_finding, told, xorg};
    use super::*;
    use crate::check::Outcome;
    use crate::facts::{ConnectFailure, Connection};

    fn file(path: &str, source: &str, state: CookieState, accepted: Option<bool>) -> CookieFile {
        CookieFile { path: path.into(), source: source.into(), state, accepted, owner: Some(1000) }
    }

    fn entries(matching: usize, other_host: usize) -> CookieState {
        CookieState::Entries { total: matching + other_host, matching, other_host }
    }

    fn refused(cookies: Vec<CookieFile>) -> Facts {
        let failure = ConnectFailure {
            kind: Kind::AuthorizationRequired,
            detail: "Authorization required, but no authorization protocol specified".into(),
            address: Some("@/tmp/.X11-unix/X0".into()),
            cookie_sent: false,
        };
        facts(X11 { display: display(":0", 0, Reach::Local), connection: Connection::Failed(failure), cookies, ..X11::default() })
    }

    #[test]
    fn every_reason_for_a_missing_cookie_has_its_title() {
        let mut titles = std::collections::BTreeSet::new();
        for (source, state) in [
            ("~/.Xauthority", CookieState::Missing),
            ("XAUTHORITY", CookieState::Missing),
            ("~/.Xauthority", CookieState::Unreadable { reason: "Permission denied".into() }),
            ("~/.Xauthority", CookieState::Empty),
            ("~/.Xauthority", CookieState::Malformed),
            ("~/.Xauthority", entries(0, 1)),
        ] {
            let finding = only_finding(&CHECK, &refused(vec![file("/home/anna/.Xauthority", source, state.clone(), None)]));
            assert_eq!(finding.kind.id, "x11-cookie-missing", "{state:?}");
            assert!(finding.evidence.iter().any(|line| line.contains("/home/anna/.Xauthority")), "{finding:?}");
            assert!(told(&finding).contains("xhost +si:localuser:anna"), "{finding:?}");
            assert!(titles.insert(finding.title.clone().unwrap()), "{finding:?}");
        }
        let unset = only_finding(&CHECK, &refused(vec![file("/gone", "XAUTHORITY", CookieState::Missing, None)]));
        assert!(told(&unset).contains("unset XAUTHORITY"));
        let empty = only_finding(&CHECK, &refused(vec![file("", "XAUTHORITY", CookieState::Missing, None)]));
        assert!(empty.title.as_ref().is_some_and(|title| title.contains("set and empty")), "{empty:?}");
    }

    fn let_in(first: CookieFile, sent: bool, opened_by: CookieFile) -> Facts {
        let mut server = xorg();
        server.cookie_from = Some(opened_by.path.clone());
        let mut x11 = connected(server);
        let (cookie_from, failure) =
            if sent { (Some(first.path.clone()), Kind::CookieRejected) } else { (None, Kind::AuthorizationRequired) };
        let attempt = Attempt { address: "@/tmp/.X11-unix/X0".into(), cookie_from, failure: Some(failure), after_ms: 1 };
        x11.attempts.insert(0, attempt);
        x11.cookies = if first.path == opened_by.path { vec![first] } else { vec![first, opened_by] };
        facts(x11)
    }

    #[test]
    fn a_cookie_that_only_casa_doctor_found_is_told_to_programs() {
        let gdm = file("/run/user/1000/gdm/Xauthority", "gdm", entries(1, 0), Some(true));
        let finding = only_finding(
            &CHECK,
            &let_in(file("/home/anna/.Xauthority", "~/.Xauthority", CookieState::Missing, None), false, gdm.clone()),
        );
        assert_eq!(finding.kind.id, "x11-cookie-missing");
        assert!(told(&finding).contains("export XAUTHORITY=/run/user/1000/gdm/Xauthority"));

        let stale = file("/tmp/old", "XAUTHORITY", entries(1, 0), Some(false));
        let finding = only_finding(&CHECK, &let_in(stale, true, gdm));
        assert_eq!(finding.kind.id, "x11-cookie-rejected");
        assert!(told(&finding).contains("rejects the cookie from /tmp/old"), "{}", told(&finding));
    }

    #[test]
    fn a_changed_machine_name_is_told() {
        let home = file("/home/anna/.Xauthority", "~/.Xauthority", entries(0, 1), Some(true));
        let finding = only_finding(&CHECK, &let_in(home.clone(), false, home));
        assert_eq!(finding.kind.id, "x11-cookie-missing");
        let words = told(&finding);
        assert!(words.contains("another name") && !words.contains("export XAUTHORITY"), "{words}");
    }

    #[test]
    fn words_through_ssh_come_from_the_server_at_the_users_own_end() {
        let failure = ConnectFailure {
            kind: Kind::CookieRejected,
            detail: "Invalid MIT-MAGIC-COOKIE-1 key".into(),
            address: Some("localhost:6010".into()),
            cookie_sent: true,
        };
        let x11 = X11 {
            display: display("localhost:10.0", 10, Reach::Loopback),
            connection: Connection::Failed(failure),
            cookies: vec![file("/home/anna/.Xauthority", "~/.Xauthority", entries(1, 0), Some(false))],
            ..X11::default()
        };
        let mut facts = facts(x11);
        // sshd took the cookie, so nothing speaks for another user's display.
        facts.session.as_mut().unwrap().sudo_user = Some("bob".into());
        let finding = only_finding(&CHECK, &facts);
        assert_eq!(finding.kind.id, "x11-cookie-rejected");
        let words = told(&finding);
        assert!(words.contains("your own end") && words.contains("XAuthLocation") && words.contains("ssh -v -Y"), "{words}");
        assert!(!words.contains("earlier login") && !words.contains("/home/anna/.Xauthority"), "{words}");
        // A server of this machine that is reached by TCP speaks for itself.
        facts.session.as_mut().unwrap().sudo_user = None;
        facts.x11.as_mut().unwrap().local_displays = vec![":10".into()];
        assert!(!told(&only_finding(&CHECK, &facts)).contains("your own end"));
    }

    #[test]
    fn the_silence_of_a_forwarded_display_that_another_cookie_opens_is_a_refusal() {
        let through_ssh = |first: CookieFile, sent: bool| {
            let home = file("/home/anna/.Xauthority", "~/.Xauthority", entries(1, 0), Some(true));
            let mut facts = let_in(first, sent, home);
            let x11 = facts.x11.as_mut().unwrap();
            x11.display = display("localhost:10.0", 10, Reach::Loopback);
            x11.attempts[0].failure = Some(Kind::ClosedDuringHandshake);
            only_finding(&CHECK, &facts)
        };
        let gone = through_ssh(file("/run/user/1000/gdm/Xauthority", "XAUTHORITY", CookieState::Missing, None), false);
        assert_eq!(gone.kind.id, "x11-cookie-missing");
        let words = told(&gone);
        assert!(words.contains("without a word") && words.contains("export XAUTHORITY=/home/anna/.Xauthority"), "{words}");
        assert!(!words.contains("on the desktop"), "{words}");
        let stale = through_ssh(file("/tmp/old", "XAUTHORITY", entries(1, 0), Some(false)), true);
        assert_eq!(stale.kind.id, "x11-cookie-rejected");
        assert!(told(&stale).contains("earlier login"), "{}", told(&stale));
    }

    #[test]
    fn a_server_that_started_afresh_in_between_is_no_trouble() {
        let mut x11 = connected(xorg());
        let cut = Attempt {
            address: "@/tmp/.X11-unix/X0".into(),
            cookie_from: None,
            failure: Some(Kind::ClosedDuringHandshake),
            after_ms: 1,
        };
        x11.attempts.insert(0, cut);
        assert_eq!(CHECK.judge(&facts(x11)), Outcome::Pass);
    }
}
