//! Can the X server that DISPLAY names be used?

use super::sight::Sight;
use super::{cookie, forwarding, hung, no_display, other_user, unreachable};
use crate::check::{Category, Check, Outcome};
use crate::facts::{ConnectFailureKind as Kind, Connection, Facts, ProbeId, Reach};
use crate::finding::Finding;

/// Goes from the nearest cause to the farthest: exactly one finding names why no window opens.
pub(super) static CHECK: Check = Check {
    id: "x11-connection",
    category: Category::X11,
    question: "Can programs open windows on the display?",
    needs: &[ProbeId::Session, ProbeId::X11],
    findings: &[
        &no_display::KIND,
        &unreachable::KIND,
        &hung::KIND,
        &cookie::MISSING,
        &cookie::REJECTED,
        &forwarding::KIND,
        &other_user::KIND,
    ],
    run,
};

fn run(facts: &Facts) -> Outcome {
    let Some(x11) = &facts.x11 else { return Outcome::Unknown("nothing was recorded about the X server".to_owned()) };
    if !matches!(x11.connection, Connection::Connected(_)) {
        // DISPLAY is set there for programs that log in to other machines, whether their server runs now or not.
        if facts.is_windows() {
            return Outcome::Skipped("on Windows the display is set inside of WSL or of the virtual machine".to_owned());
        }
        if let Some(reason) = crate::macos::explains(facts).or_else(|| crate::windows::explains(facts)) {
            return Outcome::Skipped(reason.to_owned());
        }
    }
    match &x11.connection {
        Connection::NoDisplay => no_display::judge(facts, x11),
        Connection::Malformed { reason } => Outcome::of(vec![unreachable::malformed(facts, reason)]),
        Connection::Connected(server) => Outcome::of(cookie::of_programs(facts, x11, server).into_iter().collect()),
        Connection::Failed(failure) => Outcome::of(vec![of_failure(Sight { facts, x11, failure })]),
    }
}

fn of_failure(sight: Sight<'_>) -> Finding {
    let forwarded = sight.is_forwarded();
    match sight.failure.kind {
        Kind::Refused | Kind::Reset if forwarded => forwarding::judge(sight),
        Kind::CookieRejected if sight.is_refused_at_the_far_end() => cookie::judge(sight),
        Kind::AuthorizationRequired | Kind::CookieRejected => other_user::judge(sight).unwrap_or_else(|| cookie::judge(sight)),
        // sshd's end of a forwarded display says nothing about a wrong cookie.
        Kind::ClosedDuringHandshake if forwarded => other_user::judge(sight).unwrap_or_else(|| cookie::judge(sight)),
        Kind::HandshakeTimeout | Kind::ReplyTimeout | Kind::BacklogFull => hung::judge(sight),
        Kind::ConnectTimeout if sight.reach() != Reach::Remote => hung::judge(sight),
        Kind::SocketMissing
        | Kind::Refused
        | Kind::PermissionDenied
        | Kind::Unresolvable
        | Kind::NetworkUnreachable
        | Kind::ConnectTimeout
        | Kind::ClosedDuringHandshake
        | Kind::Reset
        | Kind::NotX11
        | Kind::Rejected
        | Kind::InvalidScreen
        | Kind::Other => unreachable::judge(sight),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{connected, display, facts, only_finding, told, xorg};
    use super::*;
    use crate::facts::{Attempt, ConnectFailure, CookieFile, CookieState, X11};

    fn failed(text: &str, number: u16, reach: Reach, kind: Kind, detail: &str, address: &str) -> X11 {
        let attempt = Attempt { address: address.into(), cookie_from: None, failure: Some(kind), after_ms: 3400 };
        X11 {
            display: display(text, number, reach),
            connection: Connection::Failed(ConnectFailure {
                kind,
                detail: detail.into(),
                address: Some(address.into()),
                cookie_sent: false,
            }),
            attempts: vec![attempt],
            ..X11::default()
        }
    }

    fn local(kind: Kind, detail: &str) -> X11 {
        failed(":0", 0, Reach::Local, kind, detail, "/tmp/.X11-unix/X0")
    }

    fn forwarded(kind: Kind, detail: &str) -> X11 {
        failed("localhost:10.0", 10, Reach::Loopback, kind, detail, "localhost:6010")
    }

    fn remote(kind: Kind, detail: &str) -> X11 {
        failed("far:0", 0, Reach::Remote, kind, detail, "far:6000")
    }

    #[test]
    fn a_healthy_display_passes() {
        assert_eq!(CHECK.judge(&facts(connected(xorg()))), Outcome::Pass);
    }

    #[test]
    fn every_failure_has_its_finding_and_its_own_words() {
        let cases = [
            (X11::default(), "x11-no-display"),
            (X11 { connection: Connection::Malformed { reason: "it has no colon".into() }, ..X11::default() }, "x11-unreachable"),
            (local(Kind::SocketMissing, "No such file or directory"), "x11-unreachable"),
            (local(Kind::Refused, "Connection refused"), "x11-unreachable"),
            (local(Kind::PermissionDenied, "Permission denied"), "x11-unreachable"),
            (failed("localhost:0", 0, Reach::Loopback, Kind::Refused, "Connection refused", "localhost:6000"), "x11-unreachable"),
            (remote(Kind::Refused, "Connection refused"), "x11-unreachable"),
            (remote(Kind::Unresolvable, "Name or service not known"), "x11-unreachable"),
            (remote(Kind::NetworkUnreachable, "Network is unreachable"), "x11-unreachable"),
            (remote(Kind::ConnectTimeout, "no answer"), "x11-unreachable"),
            (remote(Kind::NotX11, "it answers \"SSH-2.0\""), "x11-unreachable"),
            (local(Kind::ClosedDuringHandshake, "it closed"), "x11-unreachable"),
            (local(Kind::Rejected, "Maximum number of clients reached"), "x11-unreachable"),
            (local(Kind::InvalidScreen, "no such screen"), "x11-unreachable"),
            (local(Kind::Other, "Too many levels of symbolic links"), "x11-unreachable"),
            (local(Kind::HandshakeTimeout, "it said nothing"), "x11-server-hung"),
            (local(Kind::ReplyTimeout, "it did not answer a request"), "x11-server-hung"),
            (local(Kind::BacklogFull, "Resource temporarily unavailable"), "x11-server-hung"),
            (forwarded(Kind::HandshakeTimeout, "it said nothing"), "x11-server-hung"),
            (local(Kind::AuthorizationRequired, "Authorization required"), "x11-cookie-missing"),
            (forwarded(Kind::ClosedDuringHandshake, "it closed"), "x11-cookie-missing"),
            (local(Kind::CookieRejected, "Invalid MIT-MAGIC-COOKIE-1 key"), "x11-cookie-rejected"),
            (forwarded(Kind::CookieRejected, "Invalid MIT-MAGIC-COOKIE-1 key"), "x11-cookie-rejected"),
            (forwarded(Kind::Refused, "Connection refused"), "x11-forwarding-dead"),
            (forwarded(Kind::Reset, "Connection reset by peer"), "x11-forwarding-dead"),
        ];
        let mut titles = std::collections::BTreeSet::new();
        for (x11, expected) in cases {
            let shown = format!("{:?}", x11.connection);
            let finding = only_finding(&CHECK, &facts(x11));
            assert_eq!(finding.kind.id, expected, "{shown}");
            assert!(!finding.evidence.is_empty() && !finding.advice.is_empty(), "{shown}");
            let words = told(&finding);
            assert!(!words.contains("xhost +\n") && !words.ends_with("xhost +"), "{words}");
            let title = finding.title.unwrap_or_else(|| finding.kind.title.to_owned());
            assert!(!title.ends_with('.'), "{title}");
            assert!(titles.insert(title.clone()), "two failures are told alike: {title}");
        }
    }

    #[test]
    fn the_evidence_names_the_address_and_the_systems_words() {
        let finding = only_finding(&CHECK, &facts(local(Kind::Refused, "Connection refused")));
        assert_eq!(finding.evidence, ["DISPLAY=:0", "/tmp/.X11-unix/X0: Connection refused"]);
        let finding = only_finding(&CHECK, &facts(local(Kind::HandshakeTimeout, "it said nothing")));
        assert_eq!(finding.evidence[1], "/tmp/.X11-unix/X0: it said nothing (waited 3.4 s)");
    }

    #[test]
    fn a_wrong_cookie_through_ssh_is_a_rejected_one() {
        let mut x11 = forwarded(Kind::ClosedDuringHandshake, "it closed the connection without a word");
        x11.cookies = vec![CookieFile {
            path: "/home/anna/.Xauthority".into(),
            source: "~/.Xauthority".into(),
            state: CookieState::Entries { total: 1, matching: 1, other_host: 0 },
            accepted: Some(false),
            owner: Some(1000),
        }];
        if let Connection::Failed(failure) = &mut x11.connection {
            failure.cookie_sent = true;
        }
        let finding = only_finding(&CHECK, &facts(x11));
        assert_eq!(finding.kind.id, "x11-cookie-rejected");
        assert!(told(&finding).contains("ssh -Y"));
    }

    #[test]
    fn a_machine_name_with_a_high_number_is_forwarded_only_within_ssh() {
        let x11 = failed("node7:11.0", 11, Reach::Remote, Kind::Refused, "Connection refused", "node7:6011");
        let mut facts = facts(x11);
        assert_eq!(only_finding(&CHECK, &facts).kind.id, "x11-unreachable");
        facts.session.as_mut().unwrap().ssh = true;
        assert_eq!(only_finding(&CHECK, &facts).kind.id, "x11-forwarding-dead");
    }

    #[test]
    fn windows_has_no_display_of_its_own_and_needs_none() {
        for x11 in
            [X11::default(), failed("localhost:0", 0, Reach::Loopback, Kind::Refused, "Connection refused", "localhost:6000")]
        {
            let mut facts = facts(x11);
            facts.machine.as_mut().unwrap().os = "windows".into();
            assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
        }
    }

    #[test]
    fn nothing_is_concluded_when_the_probe_did_not_answer() {
        let mut facts = facts(X11::default());
        facts.x11 = None;
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
        facts.probes.remove(&ProbeId::X11);
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
    }
}
