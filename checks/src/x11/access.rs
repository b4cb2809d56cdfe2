//! Who else may use the X server?

use super::{server, shell_word};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, Reach, XServer};
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
    if !control && crate::windows::is_server_of_windows(facts) {
        return Outcome::Findings(vec![for_wsl(facts, server)]);
    }
    let me = facts.session.as_ref().and_then(|session| session.user.as_deref());
    // Under sudo the display is mostly that of the user who called it.
    let caller = facts.session.as_ref().and_then(|session| session.sudo_user.as_deref());
    let is_own = |entry: &String| is_user(facts, entry) || caller.is_some() && entry.strip_prefix(LOCAL_USER) == caller;
    let strangers = server.access_list.iter().filter(|entry| !is_meant(facts, entry) && !is_own(entry));
    let entries: Vec<_> = strangers.filter_map(|entry| weigh(entry, me).map(|guest| (entry, guest))).collect();
    let finding = match entries.iter().map(|(_, guest)| guest.severity).max() {
        _ if !control => {
            let open = format!("{}: access control is disabled, programs can connect from anywhere", server.address);
            keep_yourself_in(facts, server, KIND.found().evidence(open))
                .then_command("Switch access control on again; windows that are open stay open.", "xhost -")
        }
        None => return Outcome::Pass,
        Some(severity) => keep_yourself_in(facts, server, KIND.found().severity(severity).title(title(&entries))),
    };
    Outcome::of(vec![entries.into_iter().fold(finding, |finding: Finding, (entry, guest)| {
        finding.evidence(format!("the access list (xhost) has \"{entry}\", which is {}", guest.who)).then_command(
            &format!("Remove the entry, unless it is meant: {}.", guest.who),
            format!("xhost {}", shell_word(&format!("-{entry}"))),
        )
    })])
}

/// An X server of Windows must be started so for WSL, which has no cookie for it: to close it would shut out whoever asks.
fn for_wsl(facts: &Facts, server: &XServer) -> Finding {
    let finding = KIND
        .found()
        .severity(Severity::Info)
        .title("The X server of Windows lets everybody in, which WSL needs, as it has no cookie")
        .evidence(format!("{}: access control is disabled, programs can connect from anywhere", server.address))
        .advise("Let the firewall of Windows admit nothing but the network of WSL to that X server.");
    if facts.wsl.as_ref().is_some_and(|wsl| wsl.wslg) {
        return finding
            .evidence("/mnt/wslg is there: Windows has a display for Linux programs, at DISPLAY=:0")
            .advise_command("Or use the display that Windows brings, which other machines do not reach.", "export DISPLAY=:0");
    }
    finding
}

/// Whether an entry is how the display is meant to work: WSLg has no cookies and lets in who is in this Linux, and on a Mac the
/// containers come in as programs of the Mac.
fn is_meant(facts: &Facts, entry: &str) -> bool {
    match entry.to_ascii_uppercase().as_str() {
        "LOCAL:" => crate::windows::is_display_of_windows(facts),
        upper => is_this_machine(&host_of(upper).to_ascii_lowercase()) && crate::macos::lets_containers_in(facts),
    }
}

/// What an entry for one user of this machine begins with.
const LOCAL_USER: &str = "SI:localuser:";

/// Whether an entry is this user's own, by name or as `#` and a number (X.Org, os/access.c).
fn is_user(facts: &Facts, entry: &str) -> bool {
    let (Some(session), Some(named)) = (&facts.session, entry.strip_prefix(LOCAL_USER)) else { return false };
    let number = named.strip_prefix('#').and_then(|number| number.parse().ok());
    session.user.as_deref() == Some(named) || number.is_some() && session.uid == number
}

/// Who came in without a cookie may have come by the very entry that is to be removed, and would be shut out with the others.
fn keep_yourself_in(facts: &Facts, server: &XServer, finding: Finding) -> Finding {
    let me = facts.session.as_ref().and_then(|session| session.user.as_deref());
    let has_entry = server.access_list.iter().any(|entry| is_user(facts, entry));
    if server.cookie_from.is_some() || has_entry {
        return finding;
    }
    let finding = finding.evidence("you came in without a cookie yourself");
    let is_local = facts.x11.as_ref().and_then(|x11| x11.display.as_ref()).is_some_and(|display| display.reach == Reach::Local);
    match me.filter(|_| is_local) {
        Some(me) => finding.advise_command(
            "Let yourself in by name first: without a cookie, you would be shut out with the others.",
            format!("xhost +si:localuser:{}", shell_word(me)),
        ),
        None => finding.advise(
            "See first that you have a cookie for this display (xauth list), or you are shut out with the others. ssh -Y brings one.",
        ),
    }
}

/// Somebody whom an entry lets in.
struct Guest {
    who: String,
    severity: Severity,
}

/// What an entry of the access list means; `None` for root, who can do everything anyway.
///
/// A whole machine may be any of its users, over a network without encryption, so it weighs more than the users of this one.
fn weigh(entry: &str, me: Option<&str>) -> Option<Guest> {
    let guest = |who: String, severity| Some(Guest { who, severity });
    let upper = entry.to_ascii_uppercase();
    if let Some(name) = entry.strip_prefix(LOCAL_USER) {
        // Without knowing our own name every user might be us.
        return if me.is_none() || matches!(name, "root" | "#0") {
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
    let host = host_of(entry);
    if is_this_machine(host) {
        return guest("every user of this machine, over TCP".to_owned(), Severity::Info);
    }
    guest(format!("every user of {host}"), Severity::Warning)
}

/// The host of an entry such as `INET:pc17`; all of what has no family before it.
fn host_of(entry: &str) -> &str {
    let is_family = |family: &str| family.bytes().all(|byte| byte.is_ascii_alphanumeric());
    entry.split_once(':').filter(|(family, _)| is_family(family)).map_or(entry, |(_, host)| host)
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "::1" | "localhost")
}

fn title(entries: &[(&String, Guest)]) -> String {
    match entries {
        [(_, guest)] => format!("The X server lets others in without a cookie: {}", guest.who),
        _ => "The X server lets others in without a cookie".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{connected, display, facts, only_finding, told, xorg};
    use super::*;
    use crate::facts::{Machine, Wsl, X11};
    use crate::image::tests::facts_with;

    fn with(control: Option<bool>, list: &[&str]) -> Facts {
        let mut server = xorg();
        server.access_control = control;
        server.access_list = list.iter().map(|entry| (*entry).to_owned()).collect();
        facts(connected(server))
    }

    #[test]
    fn only_the_user_and_root_is_healthy() {
        for list in [&[][..], &["SI:localuser:anna"], &["SI:localuser:root", "SI:localuser:anna"], &["SI:localuser:#1000"]] {
            assert_eq!(CHECK.judge(&with(Some(true), list)), Outcome::Pass, "{list:?}");
        }
    }

    #[test]
    fn nobody_is_told_to_shut_out_the_user_who_called_sudo() {
        let mut facts = with(Some(true), &["SI:localuser:anna"]);
        let session = facts.session.as_mut().unwrap();
        (session.user, session.sudo_user) = (Some("root".into()), Some("anna".into()));
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
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
            ("SI:localuser:#1001", Severity::Info),
            ("SI:localgroup:lab", Severity::Info),
            ("INET:127.0.0.1", Severity::Info),
            ("INET:10.0.0.7", Severity::Warning),
            ("INET6:fe80::1", Severity::Warning),
            ("NIS:cluster", Severity::Warning),
        ] {
            let finding = only_finding(&CHECK, &with(Some(true), &[entry]));
            assert_eq!(finding.severity, expected, "{entry}");
            assert!(told(&finding).contains(&format!("-{entry}")), "{}", told(&finding));
        }
        let both = only_finding(&CHECK, &with(Some(true), &["LOCAL:", "INET:10.0.0.7"]));
        assert_eq!(both.severity, Severity::Warning, "the worst counts");
    }

    #[test]
    fn nobody_is_told_to_shut_himself_out() {
        let mut server = xorg();
        server.cookie_from = None;
        server.access_list = vec!["LOCAL:".to_owned()];
        let commands = |facts: &Facts| {
            let finding = only_finding(&CHECK, facts);
            finding.advice.iter().filter_map(|advice| advice.command.clone()).collect::<Vec<_>>()
        };
        assert_eq!(commands(&facts(connected(server.clone()))), ["xhost +si:localuser:anna", "xhost -LOCAL:"]);
        // The entry of a machine from which one comes oneself.
        server.access_list = vec!["INET:desk".to_owned()];
        let mut remote = facts(connected(server.clone()));
        remote.x11.as_mut().unwrap().display.as_mut().unwrap().reach = Reach::Remote;
        let finding = only_finding(&CHECK, &remote);
        assert!(finding.advice[0].command.is_none() && finding.advice[1].text.starts_with("Then remove"), "{}", told(&finding));
        server.access_list.push("SI:localuser:anna".to_owned());
        assert_eq!(commands(&facts(connected(server))), ["xhost -INET:desk"]);
    }

    #[test]
    fn entries_by_which_windows_and_macs_let_in_are_meant() {
        let mut wslg = with(Some(true), &["LOCAL:"]);
        wslg.wsl = Some(Wsl { wslg: true, ..Wsl::default() });
        assert_eq!(CHECK.judge(&wslg), Outcome::Pass);
        wslg.wsl = Some(Wsl::default());
        assert_eq!(only_finding(&CHECK, &wslg).severity, Severity::Info);
        let mut mac = with(Some(true), &["INET:localhost", "INET6:::1"]);
        mac.machine = Some(Machine { os: "macos".into(), ..Machine::default() });
        assert_eq!(only_finding(&CHECK, &mac).severity, Severity::Info, "without a container nobody needs it");
        mac.environment = facts_with(json!({"container_type": "docker"})).environment;
        assert_eq!(CHECK.judge(&mac), Outcome::Pass);
        mac.x11 = Some(connected(XServer { access_list: vec!["INET:10.0.0.7".to_owned()], ..xorg() }));
        assert_eq!(only_finding(&CHECK, &mac).severity, Severity::Warning);
    }

    #[test]
    fn a_server_of_windows_is_not_closed_to_wsl() {
        let mut facts = with(Some(false), &[]);
        facts.x11.as_mut().unwrap().display = display("172.24.0.1:0", 0, Reach::Remote);
        facts.wsl = Some(Wsl { version: 2, wslg: true, ..Wsl::default() });
        let finding = only_finding(&CHECK, &facts);
        assert_eq!(finding.severity, Severity::Info);
        let words = told(&finding);
        assert!(!words.contains("xhost") && words.contains("firewall") && words.contains("DISPLAY=:0"), "{words}");
        facts.x11.as_mut().unwrap().display = display("localhost:10.0", 10, Reach::Loopback);
        assert_eq!(only_finding(&CHECK, &facts).severity, Severity::Warning, "ssh made it");
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
