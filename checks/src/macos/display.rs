//! Does DISPLAY name XQuartz in a way that a container can use?

use super::{container, is_connected, is_forwarded, number, xquartz};
use crate::check::{Category, Check, Outcome};
use crate::facts::{DisplayLine, DisplayName, Environment, Facts, ProbeId, Reach, Xquartz};
use crate::finding::{Finding, FindingKind, Severity};
use crate::image::setting;

pub(super) static CHECK: Check = Check {
    id: "xquartz-display",
    category: Category::Macos,
    question: "Does DISPLAY name XQuartz in a way that a container can use?",
    needs: &[ProbeId::Session, ProbeId::X11, ProbeId::Xquartz],
    findings: &[&LOCAL, &OVERRIDDEN],
    run,
};

static LOCAL: FindingKind = FindingKind {
    id: "xquartz-display-local",
    code: "CD0505",
    severity: Severity::Error,
    title: "DISPLAY names a display that only programs of the Mac itself can reach",
    why: "On a Mac, DISPLAY is the path of a socket of the system, or names the machine itself. A container runs in a virtual machine \
          of Linux, where that path means nothing and localhost means the virtual machine: its programs must be given the address of \
          the Mac instead.",
    cure: "Start the container with DISPLAY set to an address under which the virtual machine knows the Mac: host.docker.internal:0 \
           for Docker Desktop, host.lima.internal:0 for Lima, else the Mac's address in the network.",
    example: "Error: Can't open display: /private/tmp/com.apple.launchd.gUv6Xr3pTQ/org.xquartz:0",
    since: "0.1.0",
};

static OVERRIDDEN: FindingKind = FindingKind {
    id: "xquartz-display-overridden",
    code: "CD0507",
    severity: Severity::Warning,
    title: "A start-up file sets DISPLAY in place of macOS",
    why: "macOS sets DISPLAY to a socket that starts XQuartz on demand, and makes another one at each log-in. A fixed value, such as the \
          line that the installer of MacPorts writes, or one that tmux has kept from before, hides it and leads nowhere as soon as \
          something changes.",
    cure: "Remove the line that sets DISPLAY, or end the session that kept it, and open a new terminal.",
    example: "~/.zprofile:12: export DISPLAY=:0",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let xquartz = match xquartz(facts) {
        Ok(xquartz) => xquartz,
        Err(outcome) => return outcome,
    };
    let display = facts.x11.as_ref().and_then(|x11| x11.display.as_ref());
    let Some(display) = display else { return Outcome::Skipped("there is no display (see x11-connection)".to_owned()) };
    // Chosen for containers, or made by ssh.
    if display.reach == Reach::Remote || is_forwarded(facts) {
        return Outcome::Pass;
    }
    match container(facts).filter(|environment| takes_the_sessions_display(environment)) {
        Some(environment) => Outcome::Findings(vec![local(environment, display, xquartz)]),
        None => Outcome::of(hidden(facts).map(|launchd| overridden(facts, display, launchd, xquartz)).into_iter().collect()),
    }
}

/// The display that macOS sets, when the session has another one that is meant to be the same.
fn hidden(facts: &Facts) -> Option<&str> {
    let display = facts.x11.as_ref()?.display.as_ref()?;
    let launchd = facts.xquartz.as_ref()?.launchd_display.as_deref()?;
    let is_own = matches!(display.reach, Reach::Local | Reach::Launchd);
    (is_own && !launchd.is_empty() && launchd != display.text).then_some(launchd)
}

/// Whether the X server cannot be reached because the session's DISPLAY is not the one of macOS.
pub(super) fn is_overridden(facts: &Facts) -> bool {
    let Outcome::Findings(findings) = CHECK.judge(facts) else { return false };
    findings.iter().any(|finding| finding.kind.id == OVERRIDDEN.id)
}

/// Whether the configuration leaves DISPLAY to the session.
fn takes_the_sessions_display(environment: &Environment) -> bool {
    let merged = environment.merged.as_ref().or(environment.file.value.as_ref());
    let mut fixed = ["env", "gui_env"].iter().filter_map(|key| merged?.get(key)?.get("DISPLAY")?.as_str());
    fixed.next_back().is_none_or(|value| value.contains('$'))
}

fn local(environment: &Environment, display: &DisplayName, xquartz: &Xquartz) -> Finding {
    let is_docker = setting(environment, "container_type") == Some("docker");
    let finding = LOCAL.found().evidence(format!("DISPLAY={}", display.text));
    let finding = if display.reach == Reach::Loopback {
        let finding =
            finding.evidence("containers on macOS run in a virtual machine of Linux, where this name means that machine itself");
        // Docker Desktop can give containers the network of the Mac; whether it does is not seen from here.
        if is_docker {
            finding.severity(Severity::Warning).evidence("only with \"host networking\" of Docker Desktop it is the Mac")
        } else {
            finding
        }
    } else {
        finding.evidence("containers on macOS run in a virtual machine of Linux, which does not see the sockets of the Mac")
    };
    let finding = lines(finding, &xquartz.display_lines);
    // A server that listens as :1 does so for everybody.
    let number = if display.reach == Reach::Loopback { display.number } else { number(xquartz) };
    let finding = if is_docker {
        finding.advise_command(
            "Launch with the name under which Docker Desktop knows this Mac.",
            format!("DISPLAY=host.docker.internal:{number} casa-doctor run -- COMMAND"),
        )
    } else {
        finding
            .advise_command(
                "Launch with the Mac's address in the network (where en0 has none, that of en1 or the like).",
                format!("DISPLAY=\"$(ipconfig getifaddr en0):{number}\" casa-doctor run -- COMMAND"),
            )
            .advise(format!("In a virtual machine of Lima, the Mac is host.lima.internal:{number}."))
    };
    finding.advise("Also use the OpenGL mode \"software\": no container on a Mac can use its graphics card through XQuartz.")
}

fn overridden(facts: &Facts, display: &DisplayName, launchd: &str, xquartz: &Xquartz) -> Finding {
    let mut finding = OVERRIDDEN
        .found()
        .severity(if is_connected(facts) { Severity::Warning } else { Severity::Error })
        .evidence(format!("DISPLAY={}", display.text))
        .evidence(format!("launchctl getenv DISPLAY: {launchd}"));
    finding = lines(finding, &xquartz.display_lines);
    let here = "export DISPLAY=\"$(launchctl getenv DISPLAY)\"";
    if display.reach == Reach::Launchd {
        // macOS gives the socket another name at every log-in, and when XQuartz is installed anew.
        finding
            .title("DISPLAY is that of an earlier log-in, or of an XQuartz that was replaced")
            .advise_command("Take the one of now in this shell.", here)
            .advise("Also end what keeps the old one, such as a session of tmux or screen, and open a new terminal.")
    } else if xquartz.display_lines.is_empty() {
        finding.title("DISPLAY is not the one that macOS sets").advise_command("Take that of macOS in this shell.", here).advise(
            "Also look what sets the other one, such as a start-up file of the shell or the program that opened this terminal.",
        )
    } else {
        finding.advise("Remove the line that sets DISPLAY from the start-up file of the shell, and open a new terminal.")
    }
}

/// The lines of start-up files as evidence.
fn lines(finding: Finding, lines: &[DisplayLine]) -> Finding {
    lines.iter().map(crate::windows::shown).fold(finding, Finding::evidence)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{SOCKET, alone, ready, show, with_environment};
    use super::*;
    use crate::image::tests::findings;

    #[test]
    fn the_systems_socket_does_not_reach_a_container() {
        let found = findings(&CHECK, &with_environment("docker", ready()));
        assert_eq!((found[0].kind.id, found[0].severity), ("xquartz-display-local", Severity::Error));
        assert!(found[0].advice[0].command.as_deref().unwrap().contains("host.docker.internal:0"));
        let found = findings(&CHECK, &with_environment("singularity", ready()));
        assert!(found[0].advice[0].command.as_deref().unwrap().contains("ipconfig getifaddr en0"));
        assert_eq!(CHECK.judge(&alone(ready())), Outcome::Pass, "without a container it is as it should be");
    }

    #[test]
    fn a_display_that_the_configuration_or_the_user_gives_is_left_alone() {
        let mut facts = with_environment("docker", ready());
        let environment = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        environment.merged = Some(json!({"container_type": "docker", "gui_env": {"DISPLAY": "host.docker.internal:0"}}));
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        let mut facts = with_environment("docker", ready());
        show(&mut facts, "host.docker.internal:0", Reach::Remote);
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn the_name_of_this_machine_means_another_one_in_a_container() {
        let mut facts = with_environment("docker", ready());
        show(&mut facts, "localhost:0", Reach::Loopback);
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Warning, "Docker Desktop may share the network");
        let mut facts = with_environment("singularity", ready());
        show(&mut facts, "127.0.0.1:0", Reach::Loopback);
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Error);
        facts.session.as_mut().unwrap().ssh = true;
        facts.x11.as_mut().unwrap().display.as_mut().unwrap().number = 10;
        assert_eq!(CHECK.judge(&facts), Outcome::Pass, "ssh made it");
        let mut second = with_environment("docker", ready());
        second.xquartz.as_mut().unwrap().arguments.as_mut().unwrap().number = Some(1);
        let command = findings(&CHECK, &second)[0].advice[0].command.clone().unwrap();
        assert!(command.contains("host.docker.internal:1 "), "{command}");
    }

    #[test]
    fn a_display_of_an_earlier_log_in_is_not_laid_to_a_start_up_file() {
        let mut facts = alone(ready());
        show(&mut facts, "/private/tmp/com.apple.launchd.oLd0000000/org.macosforge.xquartz:0", Reach::Launchd);
        super::super::testing::fail(&mut facts, crate::facts::ConnectFailureKind::SocketMissing);
        let found = findings(&CHECK, &facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("xquartz-display-overridden", Severity::Error));
        assert!(found[0].title.as_deref().unwrap().contains("earlier log-in"), "{:?}", found[0].title);
        assert!(!found[0].advice.iter().any(|advice| advice.text.contains("line")), "{:?}", found[0].advice);
        // It explains why the server cannot be reached, which is told once.
        assert!(super::super::explains(&facts).unwrap().contains("xquartz-display"));
        show(&mut facts, ":3", Reach::Local);
        let found = findings(&CHECK, &facts);
        assert_eq!(found[0].severity, Severity::Warning);
        assert_eq!(found[0].title.as_deref(), Some("DISPLAY is not the one that macOS sets"), "no line is known to set it");
    }

    #[test]
    fn a_start_up_file_that_hides_the_systems_display() {
        let mut facts = alone(ready());
        show(&mut facts, ":0", Reach::Local);
        let line = DisplayLine { path: "/Users/anna/.zprofile".into(), line: 12, text: "DISPLAY=:0".into() };
        facts.xquartz.as_mut().unwrap().display_lines.push(line);
        let found = findings(&CHECK, &facts);
        assert_eq!((found[0].kind.id, found[0].severity), ("xquartz-display-overridden", Severity::Warning));
        assert!(found[0].evidence.contains(&"/Users/anna/.zprofile:12: DISPLAY=:0".to_owned()), "{:?}", found[0].evidence);
        facts.xquartz.as_mut().unwrap().launchd_display = Some(String::new());
        assert_eq!(CHECK.judge(&facts), Outcome::Pass, "nothing is hidden where launchd sets none");
        assert_eq!(SOCKET.rsplit(':').next(), Some("0"));
    }
}
