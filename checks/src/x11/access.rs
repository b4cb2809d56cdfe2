//! Who else may use the X server?

use super::{server, shell_word};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "x11-access",
    category: Category::X11,
    question: "Does the X server keep strangers out?",
    needs: &[ProbeId::Session, ProbeId::X11],
    findings: &[&KIND],
    run,
};

/// The X server lets in others than its user.
static KIND: FindingKind = FindingKind {
    id: "x11-access-control-off",
    code: "CD0107",
    severity: Severity::Warning,
    title: "The X server lets everybody in",
    why: "Who may connect to an X server can read every key that is pressed, passwords included, and look at every window. \
          \"xhost +\", which many instructions contain, opens it to all users and, where it listens on TCP, to all machines, until \
          it ends. No container needs that: the cookie, or leave for one user, is enough.",
    cure: "Close it again with xhost - and remove the entries of xhost one by one. casa-doctor run hands the cookie to the container.",
    example: "$ xhost\naccess control disabled, clients can connect from any host",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let (_, server) = match server(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if server.untrusted {
        return Outcome::Unknown("an untrusted program is told that access control is off, whether it is or not".to_owned());
    }
    let Some(control) = server.access_control else {
        return Outcome::Unknown("the X server does not tell who may connect".to_owned());
    };
    let me = facts.session.as_ref().and_then(|session| session.user.as_deref());
    let entries: Vec<_> = server.access_list.iter().filter_map(|entry| weigh(entry, me).map(|guest| (entry, guest))).collect();
    let finding = match entries.iter().map(|(_, guest)| guest.severity).max() {
        _ if !control => KIND
            .found()
            .evidence(format!("{}: access control is disabled, programs can connect from anywhere", server.address))
            .advise_command("Switch access control on again; windows that are open stay open.", "xhost -"),
        None => return Outcome::Pass,
        Some(severity) => KIND.found().severity(severity).title(title(&entries)),
    };
    Outcome::of(vec![entries.into_iter().fold(finding, |finding: Finding, (entry, guest)| {
        finding.evidence(format!("the access list (xhost) has \"{entry}\", which is {}", guest.who)).advise_command(
            format!("Remove the entry, unless it is meant: {}.", guest.who),
            format!("xhost {}", shell_word(&format!("-{entry}"))),
        )
    })])
}

/// Somebody whom an entry lets in.
struct Guest {
    who: String,
    severity: Severity,
}

/// What an entry of the access list means; `None` for the user's own, and for root, who can do everything anyway.
///
/// A whole machine may be any of its users, over a network without encryption, so it weighs more than the users of this one.
fn weigh(entry: &str, me: Option<&str>) -> Option<Guest> {
    let guest = |who: String, severity| Some(Guest { who, severity });
    let upper = entry.to_ascii_uppercase();
    if let Some(name) = entry.strip_prefix("SI:localuser:") {
        // Without knowing our own name every user might be us.
        return if Some(name) == me || me.is_none() || name == "root" {
            None
        } else {
            guest(format!("the user {name}"), Severity::Info)
        };
    }
    if let Some(name) = entry.strip_prefix("SI:localgroup:") {
        return guest(format!("every member of the group {name}"), Severity::Info);
    }
    if upper.starts_with("LOCAL:") {
        return guest("every user of this machine".to_owned(), Severity::Info);
    }
    let host = entry.split_once(':').map_or(entry, |(_, host)| host);
    if matches!(host, "127.0.0.1" | "::1" | "localhost") {
        return guest("every user of this machine, over TCP".to_owned(), Severity::Info);
    }
    guest(format!("every user of {host}"), Severity::Warning)
}

fn title(entries: &[(&String, Guest)]) -> String {
    match entries {
        [(_, guest)] => format!("The X server lets others in without a cookie: {}", guest.who),
        _ => "The X server lets others in without a cookie".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{connected, facts, only_finding, told, xorg};
    use super::*;
    use crate::facts::X11;

    fn with(control: Option<bool>, list: &[&str]) -> Facts {
        let mut server = xorg();
        server.access_control = control;
        server.access_list = list.iter().map(|entry| (*entry).to_owned()).collect();
        facts(connected(server))
    }

    #[test]
    fn only_the_user_and_root_is_healthy() {
        for list in [&[][..], &["SI:localuser:anna"], &["SI:localuser:root", "SI:localuser:anna"]] {
            assert_eq!(CHECK.judge(&with(Some(true), list)), Outcome::Pass, "{list:?}");
        }
    }

    #[test]
    fn an_open_server_is_closed_and_its_list_cleared() {
        let finding = only_finding(&CHECK, &with(Some(false), &["LOCAL:", "INET:10.0.0.7", "SI:localuser:anna"]));
        assert_eq!(finding.severity, Severity::Warning);
        let commands: Vec<_> = finding.advice.iter().filter_map(|advice| advice.command.as_deref()).collect();
        assert_eq!(commands, ["xhost -", "xhost -LOCAL:", "xhost -INET:10.0.0.7"]);
        assert!(!told(&finding).contains("anna"));
    }

    #[test]
    fn entries_weigh_by_whom_they_let_in() {
        for (entry, expected) in [
            ("LOCAL:", Severity::Info),
            ("SI:localuser:bob", Severity::Info),
            ("SI:localgroup:lab", Severity::Info),
            ("INET:127.0.0.1", Severity::Info),
            ("INET:10.0.0.7", Severity::Warning),
            ("INET6:fe80::1", Severity::Warning),
            ("NIS:cluster", Severity::Warning),
        ] {
            let finding = only_finding(&CHECK, &with(Some(true), &[entry]));
            assert_eq!(finding.severity, expected, "{entry}");
            assert!(told(&finding).contains(&format!("xhost -{entry}")), "{}", told(&finding));
        }
        let both = only_finding(&CHECK, &with(Some(true), &["LOCAL:", "INET:10.0.0.7"]));
        assert_eq!(both.severity, Severity::Warning, "the worst counts");
    }

    #[test]
    fn a_client_that_is_lied_to_does_not_know() {
        let mut server = xorg();
        server.untrusted = true;
        server.access_control = None;
        assert!(matches!(CHECK.judge(&facts(connected(server))), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&with(None, &[])), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&facts(X11::default())), Outcome::Skipped(_)));
    }
}
