//! Does DISPLAY name XQuartz in a way that a container can use?

use super::{container, xquartz};
use crate::check::{Category, Check, Outcome};
use crate::facts::{DisplayLine, Environment, Facts, ProbeId, Reach, Xquartz};
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
    why: "On a Mac, DISPLAY is the path of a socket of the system. A container runs in a virtual machine of Linux, where this path \
          means nothing: its programs must be given the address of the Mac instead.",
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
    why: "macOS sets DISPLAY to a socket that starts XQuartz on demand. A fixed value hides it, and is wrong as soon as XQuartz gets another \
          number. The installer of MacPorts, for one, writes such a line.",
    cure: "Remove the line that sets DISPLAY, and open a new terminal.",
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
    if matches!(display.reach, Reach::Loopback | Reach::Remote) {
        // Chosen for containers, or made by ssh.
        return Outcome::Pass;
    }
    match container(facts).filter(|environment| takes_the_sessions_display(environment)) {
        Some(environment) => Outcome::Findings(vec![local(environment, &display.text, xquartz)]),
        None => match xquartz.launchd_display.as_deref() {
            Some(launchd) if !launchd.is_empty() && launchd != display.text => {
                Outcome::Findings(vec![overridden(&display.text, launchd, xquartz)])
            }
            _ => Outcome::Pass,
        },
    }
}

/// Whether the configuration leaves DISPLAY to the session.
fn takes_the_sessions_display(environment: &Environment) -> bool {
    let merged = environment.merged.as_ref().or(environment.file.value.as_ref());
    let mut fixed = ["env", "gui_env"].iter().filter_map(|key| merged?.get(key)?.get("DISPLAY")?.as_str());
    fixed.next_back().is_none_or(|value| value.contains('$'))
}

fn local(environment: &Environment, display: &str, xquartz: &Xquartz) -> Finding {
    let finding = LOCAL
        .found()
        .evidence(format!("DISPLAY={display}"))
        .evidence("containers on macOS run in a virtual machine of Linux, which does not see the sockets of the Mac");
    let finding = lines(finding, &xquartz.display_lines);
    let finding = if setting(environment, "container_type") == Some("docker") {
        finding.advise_command(
            "Launch with the name under which Docker Desktop knows this Mac.",
            "DISPLAY=host.docker.internal:0 casa-doctor run -- COMMAND",
        )
    } else {
        finding
            .advise_command(
                "Launch with the Mac's address in the network.",
                "DISPLAY=\"$(ipconfig getifaddr en0)\":0 casa-doctor run -- COMMAND",
            )
            .advise("In a virtual machine of Lima, the Mac is host.lima.internal.")
    };
    finding.advise("Use the OpenGL mode \"software\": no container on a Mac can use its graphics card through XQuartz.")
}

fn overridden(display: &str, launchd: &str, xquartz: &Xquartz) -> Finding {
    let finding = OVERRIDDEN
        .found()
        .evidence(format!("DISPLAY={display}"))
        .evidence(format!("launchctl getenv DISPLAY: {launchd}"))
        .advise("Remove the line that sets DISPLAY from the start-up file of the shell, and open a new terminal.");
    lines(finding, &xquartz.display_lines)
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
