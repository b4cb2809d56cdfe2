//! The screen forwarded by ssh, as the ssh client, sshd and xauth speak of it.

use super::super::pattern::{Pattern, Texts};
use crate::finding::Severity;

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "ssh-x-refused",
        finding: Some("x11-no-display"),
        matcher: Texts::Any(&["X11 forwarding request failed on channel"]),
        follows: &["ssh-x-no-xauth", "ssh-x-key-option"],
        cause: "The remote computer does not forward the screen: X11Forwarding is off in its sshd_config, xauth is not installed there, or the key forbids it.",
        cure: "Ask its administrator to install xauth and to set X11Forwarding yes; ssh -v names a missing xauth and a key that forbids it, and when it names neither, it is the setting.",
        confirm: "xauth is on the PATH of the remote computer, and sshd -T there says x11forwarding yes.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-no-xauth",
        finding: Some("x11-xauth-missing"),
        matcher: Texts::Any(&["No xauth program; cannot forward X11"]),
        cause: "The remote computer has no xauth, without which its sshd forwards no screen.",
        cure: "Have xauth installed on the remote computer.",
        confirm: "xauth is not on the PATH there.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-key-option",
        finding: Some("x11-no-display"),
        matcher: Texts::Any(&["X11 forwarding disabled by key options"]),
        cause: "The key with which you log in is restricted: its line in ~/.ssh/authorized_keys on the remote computer forbids forwarding the screen.",
        cure: "Remove no-X11-forwarding or restrict from that line, or log in with another key.",
        confirm: "The options of the key in authorized_keys.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-no-local-display",
        finding: Some("x11-no-display"),
        matcher: Texts::Any(&["X11 forwarding requested but DISPLAY not set"]),
        cause: "ssh was asked to forward the screen, but where it was started there is none.",
        cure: "Start ssh from a terminal of your graphical session (on a Mac from one opened after XQuartz was started).",
        confirm: "DISPLAY is unset where ssh is started.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "slurm-x-no-display",
        finding: Some("x11-no-display"),
        matcher: Texts::Any(&[
            "No DISPLAY variable set, cannot setup x11 forwarding",
            "Cannot forward to local display. Can only use X11 forwarding with network displays",
        ]),
        cause: "Slurm was asked to forward the screen to a job (--x11), and where it was started there is none that it can forward.",
        cure: "Log in to the cluster with ssh -X or ssh -Y, and start the job from that shell.",
        confirm: "DISPLAY is unset, or names a display of the machine itself, in the shell that starts the job.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "slurm-x-no-cookie",
        finding: Some("x11-cookie-missing"),
        matcher: Texts::Any(&["Could not retrieve magic cookie. Cannot use X11 forwarding"]),
        cause: "Slurm was asked to forward the screen to a job (--x11), and xauth has no cookie for DISPLAY where it was started: an old DISPLAY (in screen or tmux), or a job started from within a job.",
        cure: "Log in to the cluster again with ssh -Y, and start the job from that shell.",
        confirm: "xauth list shows no line for DISPLAY in the shell that starts the job.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-fake-cookie",
        finding: Some("x11-cookie-missing"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["No xauth data; using fake authentication data for X11 forwarding"]),
        cause: "On your own computer ssh found no cookie for the screen: xauth is missing there, or it has no entry for DISPLAY, or the X server is gone. A server that asks for cookies will refuse the programs.",
        cure: "Install xauth on your computer; on a Mac add the line XAuthLocation /opt/X11/bin/xauth to ~/.ssh/config.",
        confirm: "The command xauth list on your computer shows no entry for DISPLAY.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-untrusted-failed",
        finding: Some("x11-untrusted-cookie"),
        matcher: Texts::Any(&["untrusted X11 forwarding setup failed"]),
        cause: "ssh -X asked your X server for a restricted cookie and got none: Xwayland cannot make one, or xauth is missing, or the X server is gone. The screen is not forwarded.",
        cure: "Connect with ssh -Y.",
        confirm: "The X server of your computer has no SECURITY extension, or xauth is not installed.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-server-gone",
        finding: Some("x11-forwarding-dead"),
        matcher: Texts::Any(&[
            "connect /tmp/.X11-unix/{socket}: No such file or directory",
            "connect /tmp/.X11-unix/{socket}: Connection refused",
        ]),
        cause: "ssh forwards to a screen that no longer exists on your computer: its X server has ended since ssh was started.",
        cure: "Start ssh again from the present graphical session.",
        confirm: "The socket named in the message does not exist on the computer where ssh runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-timeout",
        finding: Some("x11-forwarding-dead"),
        matcher: Texts::Any(&["Rejected X11 connection after ForwardX11Timeout expired"]),
        cause: "An untrusted connection (ssh -X) lets new windows open for 20 minutes only.",
        cure: "Connect with ssh -Y, or set ForwardX11Timeout 0 in ~/.ssh/config.",
        confirm: "ssh -G HOST says forwardx11trusted no.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "ssh-x-listen-failed",
        finding: Some("x11-no-display"),
        matcher: Texts::Any(&["Failed to allocate internet-domain X11 display socket"]),
        cause: "sshd could not listen for windows. Usually IPv6 is switched off on that computer while sshd wants both address families.",
        cure: "The administrator sets AddressFamily inet in sshd_config.",
        confirm: "IPv6 is disabled on the remote computer.",
        ..Pattern::BLANK
    },
];
