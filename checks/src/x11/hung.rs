//! Something accepts the connection, or should, and does not go on.

use super::sight::Sight;
use crate::facts::{ConnectFailureKind as Kind, Reach};
use crate::finding::{Finding, FindingKind, Severity};

/// The X server is there and does not answer.
pub(super) static KIND: FindingKind = FindingKind {
    id: "x11-server-hung",
    code: "CD0103",
    severity: Severity::Error,
    title: "The X server does not answer",
    why: "The X server, or the connection to it, is there and says nothing: it is frozen, stopped, or busy with something that \
          does not end. Programs with windows hang at their start, without a message.",
    cure: "Free or restart the X server: log out of the desktop, restart the VNC or x2go session, or restart the display manager \
           from a text console. Through ssh, look at the connection and at the screen at its other end.",
    example: "anatomist starts and nothing happens; xdpyinfo hangs, too",
    since: "0.1.0",
};

pub(super) fn judge(sight: Sight<'_>) -> Finding {
    let forwarded = sight.is_forwarded();
    let title = match sight.failure.kind {
        Kind::BacklogFull => "The X server has stopped accepting connections: its queue is full",
        Kind::ConnectTimeout | Kind::HandshakeTimeout if sight.reach() == Reach::Launchd => {
            "XQuartz does not answer at the socket of macOS that should start it"
        }
        Kind::ConnectTimeout => "The X server's port on this machine does not answer: its queue is full",
        Kind::ReplyTimeout => "The X server accepts us and then does not answer requests",
        _ if forwarded => "The forwarded display does not answer: the ssh connection or the X server at its other end hangs",
        _ if sight.reach() == Reach::Remote => "The X server of the other machine accepts the connection and then says nothing",
        _ => KIND.title,
    };
    let finding = sight.tell(KIND.found().title(title));
    if forwarded {
        return finding
            .advise("Look at the screen at your own end: is it locked, asleep or waiting for an answer? Can a key be pressed in the ssh session?")
            .advise("Otherwise end this ssh session (press Enter, then ~ and a full stop) and log in again with ssh -Y.");
    }
    let finding = match sight.reach() {
        Reach::Remote => finding.advise(format!("Look at the screen of {}: its X server is frozen or stopped.", sight.host())),
        Reach::Launchd => {
            finding.advise("Quit XQuartz (or end it in the Activity Monitor); it starts again with the next program.")
        }
        Reach::Local | Reach::Loopback => finding.advise_command(
            "See whether the X server still works: state T is stopped, D waits for the kernel, R with much time is busy.",
            "ps -o pid,user,stat,time,args -C Xorg,Xwayland,Xvnc,Xtigervnc,Xvfb,nxagent,x2goagent",
        ),
    };
    finding.advise(restart_words(sight))
}

fn restart_words(sight: Sight<'_>) -> &'static str {
    match sight.session() {
        Some(session) if session.x2go => {
            "Suspend the x2go session in its client, resume it, and end it there if that does not help."
        }
        _ if sight.reach() == Reach::Launchd => "If it stays like that, log out of macOS and in again.",
        _ => "If it stays like that, save what can be saved and restart it: end the VNC session, or log out of the desktop.",
    }
}
