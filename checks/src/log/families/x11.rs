//! The X server: reaching it, and being let in.

use super::super::pattern::{Captures, Pattern, Texts};
use crate::finding::Severity;

/// What programs say when they cannot open a display, with the display. The same text means different things for
/// different displays, so several patterns share it.
const NO_DISPLAY_OPENED: Texts = Texts::Any(&[
    "could not connect to display {display}",
    "couldn't connect to display {display}",
    "cannot connect to X server {display}",
    "can't open display: {display}",
    "cannot open display: {display}",
    "cannot open display {display}",
    "unable to open display {display}",
    "could not open display {display}",
    "could not open display: {display}",
    "couldn't open display {display}",
    "failed to open display {display}",
    "bad X server connection. DISPLAY={display}",
    // GTK's words in French, German and Spanish.
    "Impossible d'ouvrir l'affichage : {display}",
    "Anzeige kann nicht geöffnet werden: {display}",
    "No se puede abrir el visor: {display}",
]);

/// What explains a display that cannot be opened better than the failure itself.
const REFUSED: &[&str] = &[
    "x-empty-cookie",
    "x-cookie-invalid",
    "x-wrong-auth",
    "x-motty-cookie",
    "x-xauth-missing",
    "x-too-many-clients",
    "x-authority-locked",
    "ssh-x-server-gone",
];

/// A display as a program names it: the computer, and the number of the display on it.
fn split(display: &str) -> Option<(&str, u32)> {
    let (host, number) = display.rsplit_once(':')?;
    let number = number.split('.').next()?;
    Some((host, number.parse().ok()?))
}

fn display(captures: &Captures) -> &str {
    captures.get("display").unwrap_or_default()
}

/// Whether the text stands where a display should be because there was none.
fn is_unset(captures: &Captures) -> bool {
    let display = display(captures);
    display.is_empty() || display.eq_ignore_ascii_case("$DISPLAY") || display == "(null)" || display == "(null"
}

fn is_local(captures: &Captures) -> bool {
    split(display(captures)).is_some_and(|(host, _)| host.is_empty() || host == "unix")
}

/// The machine and the number of a display that is reached by network: `node7:12`, `tcp/node7:12`. What `xauth list` prints for a
/// display of this machine (`node7/unix:12`) is none.
fn by_network(captures: &Captures) -> Option<u32> {
    let (host, number) = split(display(captures))?;
    let host = host.strip_prefix("tcp/").unwrap_or(host);
    (!host.is_empty() && host != "unix" && !host.contains('/')).then_some(number)
}

/// Whether sshd made the display: it numbers those that it forwards from 10 on (`X11DisplayOffset` in sshd_config).
fn is_forwarded(captures: &Captures) -> bool {
    by_network(captures).is_some_and(|number| number >= 10)
}

fn is_network(captures: &Captures) -> bool {
    by_network(captures).is_some_and(|number| number < 10)
}

fn is_launchd(captures: &Captures) -> bool {
    display(captures).starts_with('/')
}

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "x-no-display",
        case: 1,
        finding: Some("x11-no-display"),
        fatal: true,
        matcher: NO_DISPLAY_OPENED,
        when: Some(is_unset),
        cause: "The program was not told which screen to use: DISPLAY is unset or empty, or reached the container as the literal text $DISPLAY.",
        cure: "Start it from a graphical session, or connect with ssh -X or ssh -Y; for work without windows pass gui=no.",
        confirm: "DISPLAY is unset in the shell that starts the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-no-display-named",
        case: 1,
        finding: Some("x11-no-display"),
        fatal: true,
        matcher: Texts::Any(&[
            "no display name and no $DISPLAY environment variable",
            "could not connect to display$",
            "can't open display:$",
            "cannot open display:$",
            "DISPLAY environment variable is not set",
            "DISPLAY environment variable not set",
            "X11: The DISPLAY environment variable is missing",
            "Missing X server or $DISPLAY",
            // VTK's words, behind which the shell may write of the end without beginning a new line.
            "bad X server connection. DISPLAY=$",
            "bad X server connection. DISPLAY=Aborted$",
            "bad X server connection. DISPLAY=Aborted (core dumped)",
            // GTK's words in French, German and Spanish.
            "Impossible d'ouvrir l'affichage :$",
            "Anzeige kann nicht geöffnet werden:$",
            "No se puede abrir el visor:$",
        ]),
        yields_to: &["x-no-display"],
        cause: "The program was not told which screen to use: DISPLAY is unset or empty.",
        cure: "Start it from a graphical session, or connect with ssh -X or ssh -Y; for work without windows pass gui=no.",
        confirm: "DISPLAY is unset in the shell that starts the program.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-empty-cookie",
        case: 2,
        also: &[8, 9],
        finding: Some("x11-cookie-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "No matches found, authority file {file*} not written",
            "^No protocol specified$",
            "Authorization required, but no authorization protocol specified",
            "^Authorization required, ...",
        ]),
        cause: "The X server was reached but wants a cookie (its password), and the program had none: no authority file was found, or it has no entry for this display.",
        cure: "Launch with casa-doctor run, which looks for the right authority file; or let your own user in with: xhost +si:localuser:NAME.",
        confirm: "The authority file named by XAUTHORITY (or ~/.Xauthority) is missing, unreadable or has no entry for DISPLAY.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-cookie-invalid",
        case: 6,
        also: &[7],
        finding: Some("x11-cookie-rejected"),
        fatal: true,
        // The server's words have no end of line, so that those of the program may follow at once.
        matcher: Texts::Any(&["Invalid MIT-MAGIC-COOKIE-1 key", "Invalid MIT-MAGIC-COOKIE-1 key{rest}"]),
        cause: "The X server got a cookie that is not its own: an old copy, or the cookie of another session. Through ssh it is the ssh client at your own end that has none for the X server there.",
        cure: "Remove copies of .Xauthority in the home of the environment and launch again with casa-doctor run, which takes the cookie of this session each time. Through ssh: see at your own end whether xauth is installed and lists the display, then log in again with ssh -Y.",
        confirm: "The cookie for DISPLAY in the authority file is older than the session, or comes from a copied file.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-too-many-clients",
        fatal: true,
        matcher: Texts::Any(&["Maximum number of clients reached", "Maximum number of clients reached{rest}"]),
        cause: "The X server lets no more programs in: it has as many connections as it takes (256 by default), mostly because a program opens windows and never closes its connection.",
        cure: "End programs that are not needed; xlsclients names those with windows. A server that was started with -maxclients 1024 takes more.",
        confirm: "How many connections the X server has (lsof or ss on its socket).",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-connection-broken",
        fatal: true,
        matcher: Texts::Any(&[
            "X connection to {display} broken (explicit kill or server shutdown)",
            "fatal IO error {number*} on X server {display}",
            "The X11 connection broke{*}Did the X11 server die?",
        ]),
        cause: "The connection to the X server broke while the program ran: the ssh connection, the X server or the session ended, or the window was closed by force.",
        cure: "Log in again (over ssh with ssh -Y) and start the program from there; for long work use a remote desktop that outlives the connection.",
        confirm: "Whether the X server of DISPLAY still answers.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-xauth-missing",
        case: 3,
        finding: Some("x11-xauth-missing"),
        fatal: true,
        matcher: not_found!("xauth"; "FileNotFoundError: [Errno 2] No such file or directory: 'xauth'", "xauth: not found"),
        cause: "casa_distro copies the X cookie with the program xauth, which is not installed on this machine.",
        cure: "Install xauth (package xauth on Debian and Ubuntu, xorg-x11-xauth on Fedora and RHEL), or launch with casa-doctor run, which does not need it.",
        confirm: "xauth is not on the PATH of the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-wrong-auth",
        case: 5,
        finding: Some("x11-cookie-rejected"),
        fatal: true,
        matcher: Texts::Any(&["X11 connection rejected because of wrong authentication"]),
        cause: "ssh forwards the screen, but the program did not show the cookie that ssh made for this connection: it is old, or the container does not see it.",
        cure: "Launch with casa-doctor run, which hands the cookie of this connection to the container; otherwise log out and connect again with ssh -Y.",
        confirm: "The authority file that the program sees has no entry for DISPLAY, or was written before this connection.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-motty-cookie",
        finding: Some("x11-cookie-missing"),
        fatal: true,
        matcher: Texts::Any(&[
            "X11 proxy: Unsupported authorisation protocol",
            "X11 proxy: wrong authorisation protocol attempted",
        ]),
        cause: "The terminal program on Windows (MobaXterm, PuTTY) forwards the screen, and the program came without the cookie for it.",
        cure: "Launch with casa-doctor run, which hands the cookie to the container, and do not copy .Xauthority files.",
        confirm: "The authority file that the program sees has no entry for DISPLAY.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-forwarding-dead",
        case: 11,
        finding: Some("x11-forwarding-dead"),
        fatal: true,
        matcher: NO_DISPLAY_OPENED,
        when: Some(is_forwarded),
        follows: REFUSED,
        cause: "DISPLAY is a screen that ssh forwards, and it cannot be used: the ssh connection that made it has ended (usual in screen and tmux), or its cookie is not seen, or the container has a network of its own.",
        cure: "Log in again with ssh -X or ssh -Y, and in screen or tmux set DISPLAY to the value of the new connection.",
        confirm: "Nothing listens on port 6000 plus the display number, or the cookie of this display is missing.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-network-display",
        case: 96,
        also: &[104],
        finding: Some("x11-unreachable"),
        fatal: true,
        matcher: NO_DISPLAY_OPENED,
        when: Some(is_network),
        follows: REFUSED,
        cause: "DISPLAY is the X server of another computer (XQuartz on a Mac, VcXsrv or Xming on Windows), and it does not answer: it is not started, does not listen to the network, or a firewall is between.",
        cure: "Start that X server and allow network clients in its settings (XQuartz: Settings, Security, then restart it); on Windows let it through the firewall.",
        confirm: "A connection to port 6000 plus the display number of that computer is refused or times out.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-unreachable",
        case: 10,
        also: &[13, 96, 103],
        finding: Some("x11-unreachable"),
        fatal: true,
        matcher: NO_DISPLAY_OPENED,
        when: Some(is_local),
        yields_to: &["gl-vgl-nox"],
        follows: REFUSED,
        cause: "The X server of this machine could not be used: it is not running, its socket under /tmp/.X11-unix is hidden from the container, or it belongs to another user.",
        cure: "Run casa-doctor in the same terminal: it says which of the three it is. An option such as --contain in container_options hides the socket.",
        confirm: "Whether the socket /tmp/.X11-unix/XN of the display exists, answers, and belongs to you.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-server-unnamed",
        case: 96,
        also: &[10, 13],
        finding: Some("x11-unreachable"),
        fatal: true,
        matcher: Texts::Any(&[
            "cannot connect to X server$",
            "unable to open display$",
            "Unable to open X display",
            // wxWidgets.
            "Unable to access the X Display, is $DISPLAY set properly",
        ]),
        yields_to: &["x-no-display"],
        follows: REFUSED,
        cause: "No screen could be opened, and the message names none: DISPLAY is unset or empty, or the program does not tell which X server it tried.",
        cure: "Run casa-doctor in the same terminal; over ssh connect with ssh -X or ssh -Y. On a Mac: start XQuartz, allow network clients in Settings, Security, and restart it.",
        confirm: "What DISPLAY is, and whether something answers there.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "mac-launchd-display",
        case: 97,
        finding: Some("xquartz-display-local"),
        fatal: true,
        matcher: NO_DISPLAY_OPENED,
        when: Some(is_launchd),
        cause: "DISPLAY is a socket of macOS, which does not exist inside a virtual machine or a container.",
        cure: "Give the container the address of the Mac instead (host.docker.internal:0 with Docker Desktop), with network clients allowed in XQuartz; or connect to the virtual machine with ssh -X.",
        confirm: "DISPLAY on the Mac begins with /private/tmp.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-mitshm",
        case: 15,
        finding: Some("x11-shm-isolated"),
        fatal: true,
        matcher: Texts::Sequences(&[
            &["X Error{*}Bad{error}", "(MIT-SHM)"],
            &["BadShmSeg"],
            &["X_ShmAttach"],
            // GTK's report, in older versions without the name of the extension.
            &["The error was 'Bad{error}", "request_code 130 minor_code"],
            &["The error was 'Bad{error}", "(MIT-SHM) minor_code"],
        ]),
        cause: "The program and the X server do not share memory, because the container has its own IPC namespace, though the X server offers shared memory to it.",
        cure: "Start the container without --ipc or --containall (Docker: with --ipc=host), or set QT_X11_NO_MITSHM=1.",
        confirm: "The IPC namespace inside differs from the one of the host. On a Mac a recent Mesa in the image can cause it too.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-xvfb-xkb",
        case: 16,
        fatal: true,
        matcher: Texts::Any(&[
            "XKB: Failed to compile keymap",
            "XKB: Couldn't compile keymap",
            "Cannot open '/var/lib/xkb/{file*}' to write keyboard description",
            "Failed to activate virtual core keyboard",
        ]),
        cause: "A virtual X server inside the container cannot write its keyboard table, because /var/lib/xkb is part of the read-only image.",
        cure: "Mount a writable directory at /var/lib/xkb (casa-distro does it since version 5.1 of its images), or update casa-distro.",
        confirm: "/var/lib/xkb is not writable inside the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-untrusted",
        case: 12,
        finding: Some("x11-untrusted-cookie"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["couldn't query Security extension on display {display}", "RandR extension missing"]),
        cause: "The X server offers this program hardly any extension. That is how an untrusted connection (ssh -X from a Mac, for example) looks; a very plain X server looks the same.",
        cure: "Connect with ssh -Y, and use opengl=software for 3D.",
        confirm: "The X server lists only BIG-REQUESTS and XC-MISC as extensions.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-access-control-off",
        finding: Some("x11-access-control-off"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["access control disabled, clients can connect from any host"]),
        cause: "The X server says that every program of every computer may use this screen. Over an untrusted ssh connection the same is said without being true.",
        cure: "Close it with: xhost - . A single user is let in with: xhost +si:localuser:NAME.",
        confirm: "The list of allowed hosts of the X server, asked on the machine where it runs.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-xhost-missing",
        matcher: not_found!("xhost"; "xhost: not found"),
        cause: "The program that says who may use the X server is not installed, or this terminal does not look where it is.",
        cure: "On a Mac it comes with XQuartz: open a new terminal, or call /opt/X11/bin/xhost. On Debian and Ubuntu it is in the package x11-xserver-utils; casa-doctor run does without it.",
        confirm: "There is no /opt/X11/bin/xhost on a Mac, and no /usr/bin/xhost elsewhere.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-xhost-remote",
        finding: Some("x11-untrusted-cookie"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["must be on local machine to enable or disable access control"]),
        cause: "xhost was called over a forwarded connection, which may not change who is let in.",
        cure: "Call xhost on the computer whose screen it is, or hand the cookie over instead (casa-doctor run does).",
        confirm: "DISPLAY belongs to an ssh connection.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-authority-locked",
        matcher: Texts::Any(&[
            "timeout in locking authority file {file}",
            "timeout in locking authority file$",
            "error in locking authority file {file}",
        ]),
        cause: "xauth could not lock its file: the directory is not writable or full, or a lock of an interrupted xauth was left behind. Logging in then takes 20 seconds longer and the screen is refused.",
        cure: "Remove the lock files (the name of the file followed by -c and -l) when no xauth is running, and make sure that the home can be written.",
        confirm: "The lock files exist, or the home directory is not writable.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "x-authority-readonly",
        matcher: Texts::Any(&["xauth: {file} not writable, changes will be ignored"]),
        cause: "The authority file belongs to another user or cannot be written, so the cookie of this connection was not stored and the screen will be refused.",
        cure: "Make the file your own: move it away and log in again.",
        confirm: "Owner and mode of ~/.Xauthority.",
        ..Pattern::BLANK
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_are_told_apart() {
        let of = |display: &str| Captures(vec![("display", display.to_owned())]);
        assert!(is_local(&of(":0")) && is_local(&of(":1.0")) && is_local(&of("unix:0")));
        assert!(is_forwarded(&of("localhost:10.0")) && is_forwarded(&of("node7:12")));
        assert!(is_network(&of("192.168.1.2:0")) && is_network(&of("localhost:0.0")));
        assert!(is_forwarded(&of("tcp/node7:12")) && is_network(&of("tcp/node7:1")));
        assert!(!is_forwarded(&of("node7/unix:12")) && !is_network(&of("node7/unix:0")));
        assert!(is_launchd(&of("/private/tmp/com.apple.launchd.aB3/org.xquartz:0")));
        assert!(is_unset(&of("")) && is_unset(&of("$DISPLAY")));
        for display in [":0", "localhost:10.0", "10.0.0.2:0", "/private/tmp/x:0", "$DISPLAY", "of", "window"] {
            let captures = of(display);
            let meanings = [is_unset, is_local, is_forwarded, is_network, is_launchd].iter().filter(|is| is(&captures)).count();
            assert!(meanings <= 1, "{display} has {meanings} meanings");
        }
    }
}
