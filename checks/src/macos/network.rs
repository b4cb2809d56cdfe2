//! Can a container reach XQuartz over the network?

use super::{
    application, domain, elsewhere, installed, is_connected, is_forwarded, is_on, is_tcp, number, open_command, preference,
    severity, told, xhost,
};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, Xquartz, XquartzTcp};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "xquartz-network",
    category: Category::Macos,
    question: "Can a container reach XQuartz over the network?",
    needs: &[ProbeId::Xquartz],
    findings: &[&TCP_OFF, &RESTART_NEEDED, &NO_XHOST],
    run,
};

static TCP_OFF: FindingKind = FindingKind {
    id: "xquartz-tcp-off",
    code: "CD0503",
    severity: Severity::Error,
    title: "XQuartz takes no connections from the network, which is how a container comes",
    why: "A container on a Mac runs in a virtual machine of Linux, which cannot use the socket by which programs of the Mac reach \
          XQuartz. It comes over TCP, and XQuartz does not listen there unless it is told to.",
    cure: "In the settings of XQuartz, under Security, tick \"Allow connections from network clients\", then quit XQuartz and open it again.",
    example: "$ defaults read org.xquartz.X11 nolisten_tcp\nThe domain/default pair of (org.xquartz.X11, nolisten_tcp) does not exist",
    since: "0.1.0",
};

static RESTART_NEEDED: FindingKind = FindingKind {
    id: "xquartz-restart-needed",
    code: "CD0504",
    severity: Severity::Error,
    title: "XQuartz must be restarted before it takes connections from the network",
    why: "XQuartz reads its settings when it starts. Connections from the network are allowed in the settings, and the server that \
          runs was started before.",
    cure: "Quit XQuartz (not only its windows) and open it again.",
    example: "/opt/X11/bin/Xquartz :0 -nolisten tcp -iglx -auth /Users/anna/.serverauth.812",
    since: "0.1.0",
};

static NO_XHOST: FindingKind = FindingKind {
    id: "xquartz-no-xhost",
    code: "CD0506",
    severity: Severity::Error,
    title: "XQuartz does not let programs of a container in yet",
    why: "XQuartz listens to the network and asks who comes for a cookie, which a container does not have for this address. Programs of \
          this Mac, to which XQuartz counts a container of Docker Desktop, can be let in without one.",
    cure: "Let programs of this Mac in with xhost +localhost. XQuartz forgets it when it ends, so it has to be repeated after each start.",
    example: "Authorization required, but no authorization protocol specified",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let xquartz = match installed(facts) {
        Ok(xquartz) => xquartz,
        Err(outcome) => return outcome,
    };
    match &xquartz.tcp {
        XquartzTcp::LetsIn => return Outcome::Pass,
        // Who has a cookie for this address hands it on to the container.
        XquartzTcp::WantsCookie { .. } if is_tcp(facts) && !is_forwarded(facts) && is_connected(facts) => return Outcome::Pass,
        XquartzTcp::WantsCookie { reason } => return Outcome::Findings(vec![no_xhost(facts, xquartz, reason)]),
        _ => {}
    }
    let allowed = is_on(xquartz, "nolisten_tcp").map(|refuses| !refuses);
    // The log may be that of a server which has ended, and a display that ssh made is another server.
    let runs = xquartz.running != Some(false) || is_connected(facts) && !is_forwarded(facts);
    let listens = xquartz.arguments.as_ref().filter(|_| runs).and_then(|arguments| arguments.tcp);
    match (allowed, listens) {
        (Some(false), Some(true)) => Outcome::Unknown(format!("XQuartz was told to listen, and {}", silence(xquartz))),
        (Some(false), _) | (None, Some(false)) => Outcome::Findings(vec![tcp_off(facts, xquartz)]),
        (Some(true), _) if !runs => Outcome::Skipped("XQuartz is not running (see xquartz-server)".to_owned()),
        (Some(true), Some(false)) => Outcome::Findings(vec![restart_needed(facts, xquartz)]),
        (Some(true), None) if xquartz.tcp == XquartzTcp::Closed && xquartz.running == Some(true) => {
            Outcome::Findings(vec![restart_needed(facts, xquartz)])
        }
        (Some(true), _) => Outcome::Unknown(format!("XQuartz was told to listen, and {}", silence(xquartz))),
        (None, _) => Outcome::Unknown("the preferences of XQuartz could not be read".to_owned()),
    }
}

/// The server's port of this machine.
fn port(xquartz: &Xquartz) -> String {
    format!("127.0.0.1:{}", 6000 + u32::from(number(xquartz)))
}

fn silence(xquartz: &Xquartz) -> String {
    match &xquartz.tcp {
        XquartzTcp::Other { reason } => format!("at {} there is another answer: {reason}", port(xquartz)),
        XquartzTcp::NotTried => format!("{} was not tried", port(xquartz)),
        _ => format!("nobody listens at {}", port(xquartz)),
    }
}

/// An error also without a container when the user's own display is the one that is closed.
fn weight(facts: &Facts) -> Severity {
    if is_tcp(facts) && !is_connected(facts) { Severity::Error } else { severity(facts) }
}

fn tcp_off(facts: &Facts, xquartz: &Xquartz) -> Finding {
    let domain = domain(xquartz);
    let mut finding = TCP_OFF.found().severity(weight(facts));
    finding = match preference(xquartz, "nolisten_tcp") {
        Some(setting) => finding.evidence(told(setting)),
        None if is_on(xquartz, "nolisten_tcp").is_none() => finding,
        None => finding.evidence(format!("{domain} nolisten_tcp is not set, and XQuartz then does not listen")),
    };
    finding = server_evidence(finding, xquartz);
    if let Some(other) = elsewhere(xquartz, "nolisten_tcp").filter(|other| other.value != "1") {
        let version = xquartz.version.as_deref().unwrap_or("");
        finding = finding
            .title("Connections from the network were allowed where this version of XQuartz does not look")
            .evidence(told(other))
            .evidence(format!("XQuartz {version} reads {domain}"));
    }
    let command = format!("defaults write {domain} nolisten_tcp -bool false");
    let_in(facts, xquartz, restarted(xquartz, finding.advise_command("Allow connections from the network.", command)))
}

fn restart_needed(facts: &Facts, xquartz: &Xquartz) -> Finding {
    let mut finding = RESTART_NEEDED.found().severity(weight(facts));
    if let Some(setting) = preference(xquartz, "nolisten_tcp") {
        finding = finding.evidence(told(setting));
    }
    let_in(facts, xquartz, restarted(xquartz, server_evidence(finding, xquartz)))
}

fn server_evidence(finding: Finding, xquartz: &Xquartz) -> Finding {
    let finding = match &xquartz.arguments {
        Some(arguments) if arguments.tcp == Some(false) => {
            finding.evidence(format!("{}: the server was started with -nolisten tcp", arguments.source))
        }
        _ => finding,
    };
    if xquartz.tcp == XquartzTcp::Closed { finding.evidence(silence(xquartz)) } else { finding }
}

fn restarted(xquartz: &Xquartz, finding: Finding) -> Finding {
    if xquartz.running == Some(false) {
        return finding.then_command("Open XQuartz.", open_command(xquartz));
    }
    finding.then_command(
        "Quit XQuartz, which closes its windows, and open it again.",
        format!("osascript -e 'quit app \"{}\"' && sleep 3 && {}", application(xquartz), open_command(xquartz)),
    )
}

fn let_in(facts: &Facts, xquartz: &Xquartz, finding: Finding) -> Finding {
    finding.then_command("Let programs of this Mac in; XQuartz forgets it when it ends.", xhost(facts, xquartz, "+localhost"))
}

fn no_xhost(facts: &Facts, xquartz: &Xquartz, reason: &str) -> Finding {
    NO_XHOST
        .found()
        .severity(severity(facts))
        .evidence(format!("{}, asked without a cookie: {reason}", port(xquartz)))
        .advise_command("Let programs of this Mac in; repeat it after each start of XQuartz.", xhost(facts, xquartz, "+localhost"))
        .advise_command(
            "If the container's virtual machine comes from the Mac's address in the network instead, let in that one address. Where \
             xhost finds no address, the network has another name than en0, such as en1.",
            // Without the word before it, an empty address would open the server to everybody.
            xhost(facts, xquartz, "+inet:\"$(ipconfig getifaddr en0)\""),
        )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alone, fresh, ready, show, started, with_environment};
    use super::super::{DOMAIN, OLD_DOMAIN, testing};
    use super::*;
    use crate::facts::{ConnectFailureKind, Reach};
    use crate::image::tests::findings;

    fn found(facts: &Facts) -> Finding {
        findings(&CHECK, facts).remove(0)
    }

    fn commands(finding: &Finding) -> String {
        finding.advice.iter().filter_map(|advice| advice.command.as_deref()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_fresh_installation_does_not_listen() {
        let finding = found(&with_environment("docker", fresh()));
        assert_eq!((finding.kind.id, finding.severity), ("xquartz-tcp-off", Severity::Error));
        let commands = commands(&finding);
        assert!(commands.contains("defaults write org.xquartz.X11 nolisten_tcp -bool false"), "{commands}");
        assert!(commands.contains("xhost +localhost") && !commands.lines().any(|line| line.trim_end() == "xhost +"), "{commands}");
        assert_eq!(found(&alone(fresh())).severity, Severity::Info);
    }

    #[test]
    fn a_setting_for_the_old_version_does_not_count() {
        let mut xquartz = fresh();
        xquartz.settings = vec![testing::preference(OLD_DOMAIN, "nolisten_tcp", "0", "boolean")];
        let finding = found(&with_environment("singularity", xquartz.clone()));
        assert_eq!(finding.kind.id, "xquartz-tcp-off");
        assert!(finding.title.unwrap().contains("does not look"));
        // The old version reads it, and was started before.
        xquartz.domain = Some(OLD_DOMAIN.into());
        xquartz.version = Some("2.7.11".into());
        assert_eq!(found(&with_environment("singularity", xquartz)).kind.id, "xquartz-restart-needed");
    }

    #[test]
    fn a_server_older_than_its_settings_must_be_restarted() {
        let xquartz = Xquartz { arguments: started(false), tcp: XquartzTcp::Closed, ..ready() };
        let finding = found(&with_environment("singularity", xquartz.clone()));
        assert_eq!((finding.kind.id, finding.severity), ("xquartz-restart-needed", Severity::Error));
        assert!(finding.evidence.iter().any(|line| line.contains("-nolisten tcp")), "{:?}", finding.evidence);
        // One that does not run takes the settings when it starts.
        let mut facts = with_environment("singularity", Xquartz { running: Some(false), ..xquartz });
        testing::fail(&mut facts, ConnectFailureKind::Refused);
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }

    #[test]
    fn a_server_that_wants_a_cookie_needs_a_word_for_the_container() {
        let reason = "Authorization required, but no authorization protocol specified".to_owned();
        let xquartz = Xquartz { tcp: XquartzTcp::WantsCookie { reason }, ..ready() };
        let finding = found(&with_environment("docker", xquartz));
        assert_eq!((finding.kind.id, finding.severity), ("xquartz-no-xhost", Severity::Error));
        assert_eq!(finding.advice[0].command.as_deref(), Some("xhost +localhost"));
    }

    #[test]
    fn an_empty_address_never_opens_the_server_to_everybody() {
        let reason = "Authorization required, but no authorization protocol specified".to_owned();
        let xquartz = Xquartz { tcp: XquartzTcp::WantsCookie { reason }, ..ready() };
        let commands = commands(&found(&with_environment("singularity", xquartz)));
        // `xhost +` followed by nothing is what switches access control off.
        assert!(!commands.contains("xhost +\"$") && !commands.contains("xhost +$"), "{commands}");
        assert!(commands.contains("xhost +inet:\"$(ipconfig getifaddr en0)\""), "{commands}");
    }

    #[test]
    fn xhost_is_sent_to_xquartz_itself() {
        let reason = "Authorization required, but no authorization protocol specified".to_owned();
        let mut xquartz = Xquartz { tcp: XquartzTcp::WantsCookie { reason }, ..ready() };
        xquartz.arguments.as_mut().unwrap().number = Some(1);
        let mut facts = with_environment("docker", xquartz);
        show(&mut facts, "host.docker.internal:1", Reach::Remote);
        testing::fail(&mut facts, ConnectFailureKind::Unresolvable);
        assert_eq!(found(&facts).advice[0].command.as_deref(), Some("DISPLAY=:1 xhost +localhost"));
        facts.x11.as_mut().unwrap().display = None;
        assert_eq!(found(&facts).advice[0].command.as_deref(), Some("DISPLAY=:1 xhost +localhost"));
        // Who has a cookie for that address is let in, and so is the container that gets it.
        show(&mut facts, "192.168.1.5:1", Reach::Remote);
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn what_is_not_known_is_no_reason_for_a_restart() {
        let closed = Xquartz { arguments: None, tcp: XquartzTcp::Closed, ..ready() };
        assert_eq!(found(&alone(closed.clone())).kind.id, "xquartz-restart-needed");
        let mut facts = alone(Xquartz { running: None, ..closed });
        testing::fail(&mut facts, ConnectFailureKind::Refused);
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
        // Preferences that could not be read are not told to be missing.
        let mut unread = fresh();
        unread.unknown.insert(format!("settings.{DOMAIN}"), "no answer".into());
        let finding = found(&alone(unread));
        assert!(!finding.evidence.iter().any(|line| line.contains("is not set")), "{:?}", finding.evidence);
    }

    #[test]
    fn a_server_that_does_not_run_is_opened_and_that_of_macports_by_its_name() {
        let stopped = Xquartz { running: Some(false), arguments: None, ..fresh() };
        let mut facts = with_environment("docker", stopped);
        testing::fail(&mut facts, ConnectFailureKind::Refused);
        let commands_of = |facts: &Facts| commands(&found(facts));
        assert!(commands_of(&facts).contains("\nopen -a XQuartz\n"), "{}", commands_of(&facts));
        facts.xquartz.as_mut().unwrap().running = Some(true);
        facts.xquartz.as_mut().unwrap().app = Some("/Applications/MacPorts/X11.app".into());
        assert!(commands_of(&facts).contains("quit app \"X11\"' && sleep 3 && open -a X11"), "{}", commands_of(&facts));
    }

    #[test]
    fn what_does_not_fit_together_is_unknown() {
        let other = XquartzTcp::Other { reason: "no answer in time".into() };
        assert!(matches!(CHECK.judge(&alone(Xquartz { tcp: other, ..ready() })), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&alone(Xquartz { tcp: XquartzTcp::Closed, ..ready() })), Outcome::Unknown(_)));
        let mut unread = Xquartz { arguments: None, ..fresh() };
        unread.unknown.insert(format!("settings.{DOMAIN}"), "no answer".into());
        assert!(matches!(CHECK.judge(&alone(unread)), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&alone(Xquartz::default())), Outcome::Skipped(_)));
    }

    #[test]
    fn the_users_own_display_over_tcp_makes_it_an_error() {
        let mut facts = alone(fresh());
        show(&mut facts, "localhost:0", Reach::Loopback);
        testing::fail(&mut facts, ConnectFailureKind::Refused);
        assert_eq!(found(&facts).severity, Severity::Error);
    }
}
