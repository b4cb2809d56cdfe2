//! Is XQuartz there, and does it run?

use super::{container, is_connected, is_forwarded, open_command, xquartz};
use crate::check::{Category, Check, Outcome};
use crate::facts::{ConnectFailureKind as Kind, Connection, Facts, ProbeId, Xquartz, XquartzTcp};
use crate::finding::{Finding, FindingKind, Severity};
use crate::virtualbox::{MACHINE_IS_THERE, NOTHING_TO_DO, has_machine_of_brainvisa};

pub(super) static CHECK: Check = Check {
    id: "xquartz-server",
    category: Category::Macos,
    question: "Is XQuartz installed, and does it run?",
    needs: &[ProbeId::Xquartz],
    findings: &[&MISSING, &NOT_RUNNING],
    run,
};

static MISSING: FindingKind = FindingKind {
    id: "xquartz-missing",
    code: "CD0501",
    severity: Severity::Error,
    title: "XQuartz, the X server of macOS, is not installed",
    why: "Programs in a container of Linux draw their windows with an X server. macOS brings none of its own: without XQuartz, no \
          window of BrainVISA opens.",
    cure: "Install XQuartz (https://www.xquartz.org), then log out of macOS and in again: only then is DISPLAY set.",
    example: "qt.qpa.xcb: could not connect to display",
    since: "0.1.0",
};

static NOT_RUNNING: FindingKind = FindingKind {
    id: "xquartz-not-running",
    code: "CD0502",
    severity: Severity::Error,
    title: "XQuartz is not running",
    why: "macOS starts XQuartz by itself for a program of the Mac that uses the display of the session. A container comes over the \
          network, which starts nothing: XQuartz must run before.",
    cure: "Open XQuartz, and leave it open while the container is used.",
    example: "connect /private/tmp/com.apple.launchd.gUv6Xr3pTQ/org.xquartz:0: Connection refused",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let xquartz = match xquartz(facts) {
        Ok(xquartz) => xquartz,
        Err(outcome) => return outcome,
    };
    let answers = matches!(xquartz.tcp, XquartzTcp::LetsIn | XquartzTcp::WantsCookie { .. });
    if is_connected(facts) || answers {
        return Outcome::Pass;
    }
    if is_forwarded(facts) {
        return Outcome::Skipped("the display is one that ssh makes".to_owned());
    }
    if xquartz.app.is_none() {
        return match xquartz.unknown.get("app") {
            Some(reason) => Outcome::Unknown(format!("whether XQuartz is installed is not known: {reason}")),
            None if xquartz.running == Some(true) => {
                Outcome::Unknown("an X server runs, and its application is in none of the usual places".to_owned())
            }
            None => Outcome::Findings(vec![missing(facts)]),
        };
    }
    match xquartz.running {
        Some(true) => Outcome::Pass,
        Some(false) => Outcome::Findings(vec![not_running(facts, xquartz)]),
        None => {
            let reason = xquartz.unknown.get("running").cloned().unwrap_or_else(|| "it was not recorded".to_owned());
            Outcome::Unknown(format!("whether XQuartz runs is not known: {reason}"))
        }
    }
}

fn missing(facts: &Facts) -> Finding {
    let finding = MISSING
        .found()
        .evidence("there is no XQuartz.app in /Applications/Utilities or /Applications, and no /opt/X11/bin/Xquartz");
    // Its windows are those of the virtual machine.
    if container(facts).is_none() && has_machine_of_brainvisa(facts) {
        return finding.severity(Severity::Info).evidence(MACHINE_IS_THERE).advise(NOTHING_TO_DO);
    }
    finding
        .advise_command("Install it, with Homebrew or from https://www.xquartz.org.", "brew install --cask xquartz")
        .advise("Then log out of macOS and in again: only then is DISPLAY set.")
        .advise("Also use the OpenGL mode \"software\" for 3D views, which asks no more than that of XQuartz.")
}

fn not_running(facts: &Facts, xquartz: &Xquartz) -> Finding {
    let display = facts.session.as_ref().and_then(|session| session.display.as_deref());
    let failure = facts.x11.as_ref().and_then(|x11| match &x11.connection {
        Connection::Failed(failure) => Some(failure.kind),
        _ => None,
    });
    let app = xquartz.app.as_ref().map(|app| app.display().to_string()).unwrap_or_default();
    let version = xquartz.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let mut finding = NOT_RUNNING
        .found()
        .evidence(format!("{app}: XQuartz{version} is installed"))
        .evidence("ps: there is no process X11.bin or Xquartz of this user");
    if display.is_some_and(|display| display.starts_with('/')) && matches!(failure, Some(Kind::HandshakeTimeout)) {
        // The look at the display was itself what made launchd start it.
        return finding
            .severity(Severity::Warning)
            .title("XQuartz was not running and is just starting")
            .advise("Wait until XQuartz shows in the Dock, and run casa-doctor again.")
            .advise(
                "If it never gets there, allow it in System Settings > General > Login Items (macOS 13 and later), and try again.",
            );
    }
    finding = finding.advise_command("Start it, and leave it running.", open_command(xquartz));
    if display.is_some_and(|display| display.starts_with('/')) && matches!(failure, Some(Kind::Refused | Kind::SocketMissing)) {
        // macOS no longer waits at this socket, and XQuartz comes back to another one.
        finding = finding.evidence("nobody listens at the socket that DISPLAY names").advise(
            "Then open a new terminal. If DISPLAY leads nowhere there either, log out of macOS and in again: that makes a new socket.",
        );
    }
    if display.is_none() {
        finding = finding
            .evidence("DISPLAY is not set")
            .advise("If XQuartz was just installed, log out of macOS and in again: only then is DISPLAY set.");
    }
    if container(facts).is_none() && failure.is_none() && display.is_some() {
        finding = finding.severity(Severity::Info);
    }
    finding.advise(
        "If it ends at once: allow it in System Settings > General > Login Items (macOS 13 and later), and see whether the login \
         shell of the account is one that macOS brings (/bin/zsh).",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::facts::{Reach, VirtualBox, VirtualMachine, X11};
    use crate::image::tests::findings;

    #[test]
    fn without_xquartz_there_is_one_error() {
        let mut facts = alone(Xquartz { running: Some(false), ..Xquartz::default() });
        facts.x11 = Some(X11::default());
        let found = findings(&CHECK, &facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("xquartz-missing", Severity::Error));
        show(&mut facts, "localhost:10.0", Reach::Loopback);
        assert_eq!(CHECK.judge(&facts), Outcome::Pass, "a display that answers is enough, wherever it comes from");
    }

    #[test]
    fn who_works_in_the_virtual_machine_needs_no_xquartz() {
        let mut facts = alone(Xquartz { running: Some(false), ..Xquartz::default() });
        facts.x11 = Some(X11::default());
        let brainvisa = VirtualMachine { name: "BrainVISA 5.1".into(), ..VirtualMachine::default() };
        facts.virtualbox = Some(VirtualBox { machines: vec![brainvisa], ..VirtualBox::default() });
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Info);
        facts.environment = with_environment("docker", Xquartz::default()).environment;
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Error, "a container has no other display");
    }

    #[test]
    fn a_server_that_starts_on_demand_is_no_error() {
        let mut facts = with_environment("singularity", Xquartz { running: Some(false), tcp: XquartzTcp::Closed, ..ready() });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass, "the look at the display has started it");
        fail(&mut facts, Kind::HandshakeTimeout);
        let found = findings(&CHECK, &facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("xquartz-not-running", Severity::Warning));
        fail(&mut facts, Kind::Refused);
        let found = findings(&CHECK, &facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("xquartz-not-running", Severity::Error));
        assert_eq!(found[0].advice[0].command.as_deref(), Some("open -a XQuartz"));
    }

    #[test]
    fn a_display_that_ssh_made_says_nothing_of_this_mac() {
        let mut facts = alone(Xquartz { running: Some(false), ..Xquartz::default() });
        show(&mut facts, "localhost:10.0", Reach::Loopback);
        facts.x11.as_mut().unwrap().display.as_mut().unwrap().number = 10;
        fail(&mut facts, Kind::Refused);
        assert_eq!(findings(&CHECK, &facts)[0].kind.id, "xquartz-missing");
        facts.session.as_mut().unwrap().ssh = true;
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
        assert_eq!(super::super::explains(&facts), None, "x11-forwarding tells it");
    }

    #[test]
    fn an_application_that_was_not_found_need_not_be_missing() {
        let mut facts = alone(Xquartz { running: Some(true), tcp: XquartzTcp::NotTried, ..Xquartz::default() });
        fail(&mut facts, Kind::Refused);
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
        let xquartz = facts.xquartz.as_mut().unwrap();
        xquartz.running = Some(false);
        xquartz.unknown.insert("app".into(), "/Applications: permission denied".into());
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
    }

    #[test]
    fn a_socket_at_which_macos_no_longer_waits_takes_a_new_terminal() {
        let mut facts = with_environment("docker", Xquartz { running: Some(false), tcp: XquartzTcp::Closed, ..ready() });
        fail(&mut facts, Kind::Refused);
        let found = findings(&CHECK, &facts);
        assert!(found[0].advice[1].text.starts_with("Then open a new terminal"), "{:?}", found[0].advice);
        show(&mut facts, ":0", Reach::Local);
        fail(&mut facts, Kind::SocketMissing);
        assert!(!findings(&CHECK, &facts)[0].advice.iter().any(|advice| advice.text.contains("new terminal")));
    }

    #[test]
    fn a_list_of_processes_that_cannot_be_had_is_unknown() {
        let mut facts = alone(Xquartz { running: None, tcp: XquartzTcp::Closed, ..ready() });
        fail(&mut facts, Kind::SocketMissing);
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
    }
}
