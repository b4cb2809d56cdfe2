//! No X server stands where DISPLAY points to.

use super::shell_word;
use super::sight::Sight;
use crate::facts::{ConnectFailureKind as Kind, Facts, Reach};
use crate::finding::{Finding, FindingKind, Severity};

/// No X server can be reached at the display.
pub(super) static KIND: FindingKind = FindingKind {
    id: "x11-unreachable",
    code: "CD0102",
    severity: Severity::Error,
    title: "The X server cannot be reached",
    why: "DISPLAY is set, but no X server answers where it points to: the server has ended, the number or the machine is wrong, \
          or something lies between. Programs with windows end at once with \"cannot open display\".",
    cure: "Set DISPLAY to the display of this session, or unset it in the start-up file of the shell that sets it by hand. \
           Through ssh, do not set it at all: ssh -Y does.",
    example: "Error: Can't open display: :1",
    since: "0.1.0",
};

/// DISPLAY is not a display's name.
pub(super) fn malformed(facts: &Facts, reason: &str) -> Finding {
    let text = facts.session.as_ref().and_then(|session| session.display.as_deref());
    let shown = text.map_or_else(|| "DISPLAY".to_owned(), |text| format!("DISPLAY={text}"));
    KIND.found()
        .title("DISPLAY is not the name of a display")
        .evidence(format!("{shown}: {reason}"))
        .advise_command(
            "Find who sets it: it is often a line in a start-up file of the shell.",
            "grep -ns DISPLAY ~/.profile ~/.bash_profile ~/.bashrc ~/.zshenv ~/.zprofile ~/.zshrc",
        )
        .then("Remove that line and open a new terminal: the desktop and ssh set the right value by themselves.")
}

pub(super) fn judge(sight: Sight<'_>) -> Finding {
    let (number, host) = (sight.number(), sight.host());
    let local = matches!(sight.reach(), Reach::Local | Reach::Launchd);
    let title = match sight.failure.kind {
        Kind::SocketMissing => format!("There is no X server at display {}", sight.display()),
        Kind::Refused if local => format!("The X server of display {} has ended and left its socket behind", sight.display()),
        Kind::Refused if sight.reach() == Reach::Loopback => {
            format!("No X server listens on TCP for display {number} of this machine")
        }
        Kind::Refused => format!("No X server listens on {host} for display {number}"),
        Kind::PermissionDenied => format!("This user may not open the socket of display {}", sight.display()),
        Kind::Unresolvable => format!("DISPLAY names a machine that cannot be found: {host}"),
        Kind::NetworkUnreachable => format!("There is no way through the network to {host}"),
        Kind::ConnectTimeout => format!("The machine {host} does not answer for display {number}"),
        Kind::ClosedDuringHandshake | Kind::Reset => "The X server closes the connection without a word".to_owned(),
        Kind::NotX11 => "What answers at the display's address is not an X server".to_owned(),
        Kind::Rejected => format!("The X server refuses new programs: {}", sight.failure.detail),
        Kind::InvalidScreen => "DISPLAY names a screen that the X server does not have".to_owned(),
        _ => "The connection to the X server fails".to_owned(),
    };
    advise(sight, sight.tell(KIND.found().title(title)))
}

fn advise(sight: Sight<'_>, finding: Finding) -> Finding {
    let host = sight.host();
    match sight.failure.kind {
        Kind::SocketMissing | Kind::Refused if sight.reach() == Reach::Launchd => finding
            .advise("Log out of macOS and in again: the system then makes a new socket and sets DISPLAY to it.")
            .advise_command("If a start-up file of the shell sets DISPLAY, remove that line.", "launchctl getenv DISPLAY"),
        Kind::SocketMissing | Kind::Refused if sight.reach() == Reach::Local => of_local(sight, finding),
        Kind::Refused if sight.reach() == Reach::Loopback => finding
            .advise_command(
                "X servers do not listen on TCP unless told to. If yours is on this machine, use its local socket.",
                format!("export DISPLAY=:{}", sight.number()),
            )
            .advise("An X server on Windows or macOS must be running, and be told to take connections from the network."),
        Kind::Refused => finding
            .advise(format!("If {host} is the machine that you sit at, do not point DISPLAY to it: log in from there with ssh -Y."))
            .advise("Otherwise the X server there must be running and listen on TCP (the option -listen tcp)."),
        Kind::PermissionDenied => finding
            .advise_command("See who may use the socket; everybody should be able to.", "ls -la /tmp/.X11-unix")
            .advise("In a container or a confined session, the directory /tmp/.X11-unix must be handed in."),
        Kind::Unresolvable => finding
            .advise("Correct the name in DISPLAY, or log in with ssh -Y, which needs no name.")
            .advise_command("See whether the name is known.", format!("{} {}", look_up(sight.facts), shell_word(host))),
        Kind::NetworkUnreachable => finding.advise(
            "See whether the network (or the VPN) is up; in a container with a network of its own, the machine's displays are out of reach.",
        ),
        Kind::ConnectTimeout => finding
            .advise("A firewall probably drops the connection; on Windows it must allow the X server in private and in public networks.")
            .advise("ssh -Y goes through the firewall, if that machine can be logged in from."),
        Kind::NotX11 => finding.advise("Another program has taken the address. Correct DISPLAY, or end that program."),
        Kind::ClosedDuringHandshake | Kind::Reset => finding
            .advise("Try again in a moment: a server that is just starting or ending does this.")
            .advise("If it stays, something else than the X server has taken its address, or the server is broken: restart it."),
        Kind::Rejected => finding.advise(
            "A full X server (\"Maximum number of clients\") needs some windows closed: look for programs that were left running.",
        ),
        Kind::InvalidScreen => finding.advise_command(
            "Leave out the screen number.",
            format!("export DISPLAY={}", shell_word(without_screen(sight.display()))),
        ),
        _ => finding.advise("Log out of the desktop and in again, or start the X server anew."),
    }
}

/// What asks this system for the address of a name.
fn look_up(facts: &Facts) -> &'static str {
    let is_mac = facts.is_mac();
    if is_mac { "dscacheutil -q host -a name" } else { "getent hosts" }
}

/// A display on this machine whose server is not there.
fn of_local(sight: Sight<'_>, finding: Finding) -> Finding {
    let this = format!(":{}", sight.number());
    let others: Vec<_> = sight.x11.local_displays.iter().filter(|other| **other != this).collect();
    let finding = match others.as_slice() {
        [] => finding,
        [first, ..] => {
            let list: Vec<_> = others.iter().map(|other| other.as_str()).collect();
            finding.evidence(format!("/tmp/.X11-unix has sockets of other displays: {}", list.join(", "))).advise_command(
                "If one of these is your own session, name it; another user's will refuse you.",
                format!("export DISPLAY={}", shell_word(first)),
            )
        }
    };
    match sight.session() {
        Some(session) if session.ssh => finding
            .evidence("this session came by ssh, which would have set DISPLAY to something like localhost:10.0")
            .advise("Do not set DISPLAY by hand: remove that from the start-up file of the shell, and log in with ssh -Y."),
        Some(session) if session.inside_container.is_some() => finding.advise(
            "The container does not see the machine's /tmp/.X11-unix: start it with casa-doctor run, or hand that directory in.",
        ),
        _ => finding.advise("Open a new terminal on the desktop, or start the VNC or x2go session that this display belonged to."),
    }
}

/// `machine:0.1` without its `.1`.
fn without_screen(display: &str) -> &str {
    match display.rsplit_once('.') {
        Some((rest, screen)) if rest.contains(':') && screen.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => display,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_taken_off_and_a_domain_is_not() {
        assert_eq!(without_screen(":0.3"), ":0");
        assert_eq!(without_screen("far.lab.org:0.3"), "far.lab.org:0");
        assert_eq!(without_screen("far.lab.org:0"), "far.lab.org:0");
    }
}
