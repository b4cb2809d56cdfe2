//! Can the display of Windows be reached?

use super::{is_connected, shown, wsl};
use crate::check::{Category, Check, Outcome};
use crate::facts::{
    ConnectFailure, ConnectFailureKind as Kind, Connection, DisplayName, Facts, ProbeId, Reach, Wsl, WslDisplaySocket,
};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "wsl-display",
    category: Category::Windows,
    question: "Can the display of Windows be reached from WSL?",
    needs: &[ProbeId::Session, ProbeId::X11, ProbeId::Wsl],
    findings: &[&UNREACHABLE],
    run,
};

static UNREACHABLE: FindingKind = FindingKind {
    id: "wsl-xserver-unreachable",
    code: "CD0602",
    severity: Severity::Error,
    title: "The X server on Windows cannot be reached from WSL",
    why: "Windows 11, and Windows 10 with a current WSL, bring a display for Linux programs (WSLg) at DISPLAY=:0. Older set-ups use an X \
          server of Windows (VcXsrv, Xming, X410), whose address changes with every start of WSL, and which a firewall and the server's own \
          access control may close.",
    cure: "Use WSLg: update WSL (wsl --update), and remove the lines that set DISPLAY from the start-up files of the shell. With an X server \
           of Windows, DISPLAY must name the default gateway.",
    example: "Error: Can't open display: 10.255.255.254:0",
    since: "0.1.0",
};

/// Name servers inside of WSL itself, which stand in resolv.conf where it answers questions about names by itself (DNS tunnelling).
const OWN_NAME_SERVERS: [&str; 2] = ["10.255.255.254", "127.0.0.42"];
/// Displays from here on are those of ssh (sshd_config, X11DisplayOffset).
const SSH_DISPLAY_OFFSET: u16 = 10;
/// Puts the sockets of WSLg back (microsoft/wslg, wiki).
const BIND: &str = "sudo mount -o bind,ro,X-mount.mkdir -t none /mnt/wslg/.X11-unix /tmp/.X11-unix";

/// What switches the display of WSL off: the user's file in Windows for all distributions, and each one's own (microsoft/WSL,
/// `wsl2.guiApplications` and `general.guiApplications`).
pub(crate) const SWITCHED_OFF: &str = "If it is still missing then: take \"guiApplications=false\" out of the file .wslconfig in your \
     Windows user's folder and out of /etc/wsl.conf here, and see with wsl -l -v that the distribution has version 2.";

/// What goes with `wsl --shutdown`.
pub(crate) const END: &str = "In a Windows terminal, end WSL with every program in it; it starts again with the next command.";

fn run(facts: &Facts) -> Outcome {
    let wsl = match wsl(facts) {
        Ok(wsl) => wsl,
        Err(outcome) => return outcome,
    };
    if is_connected(facts) {
        return Outcome::Pass;
    }
    let Some(x11) = &facts.x11 else { return Outcome::Unknown("nothing was recorded about the X server".to_owned()) };
    let (Connection::Failed(failure), Some(display)) = (&x11.connection, &x11.display) else {
        return Outcome::Skipped("DISPLAY names no display (see x11-connection)".to_owned());
    };
    let sight = Sight { wsl, display, failure };
    let finding = match display.reach {
        Reach::Loopback | Reach::Remote if display.number >= SSH_DISPLAY_OFFSET => {
            return Outcome::Skipped("the display is one that ssh makes".to_owned());
        }
        Reach::Loopback | Reach::Remote => of_windows_server(sight),
        Reach::Local if display.number == 0 && sight.is_lost() => of_wslg(sight),
        _ => return Outcome::Skipped("the display is one inside of WSL (see x11-connection)".to_owned()),
    };
    Outcome::Findings(vec![finding])
}

#[derive(Clone, Copy)]
struct Sight<'a> {
    wsl: &'a Wsl,
    display: &'a DisplayName,
    failure: &'a ConnectFailure,
}

impl Sight<'_> {
    /// Whether there is no server behind display 0, as far as the socket tells.
    fn is_lost(&self) -> bool {
        matches!(self.failure.kind, Kind::SocketMissing | Kind::Refused | Kind::Other)
    }

    fn start(&self, title: String) -> Finding {
        let address = self.failure.address.as_deref().unwrap_or(&self.display.text);
        let finding = UNREACHABLE.found().title(title).evidence(format!("DISPLAY={}", self.display.text));
        self.wsl
            .display_lines
            .iter()
            .map(shown)
            .fold(finding, Finding::evidence)
            .evidence(format!("{address}: {}", self.failure.detail))
    }
}

/// Display 0, which is that of WSLg.
fn of_wslg(sight: Sight<'_>) -> Finding {
    let wsl = sight.wsl;
    if !wsl.wslg {
        return sight
            .start("This WSL has no display of its own, and DISPLAY names one".to_owned())
            .evidence("/mnt/wslg is not there")
            .advise_command("In a Windows terminal, update WSL, which brings a display.", "wsl --update")
            .then_command(END, "wsl --shutdown")
            .advise(SWITCHED_OFF);
    }
    if !wsl.wslg_socket {
        // Whatever stands in /tmp/.X11-unix, there is nothing that it could lead to.
        return sight
            .start("The display of Windows has not started".to_owned())
            .evidence("/mnt/wslg is there, and /mnt/wslg/.X11-unix/X0 is not: the X server of WSLg has not started")
            .advise_command(END, "wsl --shutdown")
            .advise("If it stays, look into /mnt/wslg/stderr.log, and keep Docker Desktop from starting together with Windows.");
    }
    let (title, seen) = match wsl.display_socket {
        WslDisplaySocket::NoDirectory => {
            ("The display of Windows is not where programs look for it", "/tmp/.X11-unix is not there")
        }
        WslDisplaySocket::Hidden => {
            ("The display of Windows is hidden by an empty directory", "/tmp/.X11-unix is there and has no socket X0")
        }
        WslDisplaySocket::Loop => (
            "The socket of the display of Windows is a link to itself",
            "/tmp/.X11-unix, or X0 in it, is a link that leads nowhere",
        ),
        WslDisplaySocket::Present => ("The display of Windows does not answer", "/tmp/.X11-unix/X0 is there"),
        _ => ("The display of Windows cannot be used", "/tmp/.X11-unix/X0 is no socket"),
    };
    let finding = sight.start(title.to_owned()).evidence(seen).evidence("/mnt/wslg/.X11-unix/X0 is there");
    match wsl.display_socket {
        WslDisplaySocket::Present => finding.advise_command(END, "wsl --shutdown"),
        WslDisplaySocket::Loop => finding
            .advise_command(
                "Take the link away and put the directory of WSLg there.",
                // The directory itself may be the link.
                format!(
                    "sudo umount /tmp/.X11-unix; if [ -L /tmp/.X11-unix ]; then sudo rm /tmp/.X11-unix; else sudo rm -f \
                     /tmp/.X11-unix/X0; fi; {BIND}"
                ),
            )
            .advise_command(END, "wsl --shutdown"),
        _ => finding.advise_command("Put the directory of WSLg there.", BIND).advise_command(END, "wsl --shutdown"),
    }
}

/// An X server that runs in Windows.
fn of_windows_server(sight: Sight<'_>) -> Finding {
    let Sight { wsl, display, failure } = sight;
    let host = display.host.as_str();
    let shares_addresses = wsl.version == 1 || wsl.networking.as_deref() == Some("mirrored");
    let gateway = wsl.gateway.as_deref().filter(|_| gateway_is_windows(wsl));
    let is_own_name_server = OWN_NAME_SERVERS.contains(&host);
    let from_resolver =
        is_own_name_server || (wsl.nameserver.as_deref() == Some(host) && gateway.is_some_and(|gateway| gateway != host));
    let is_loopback = display.reach == Reach::Loopback;
    let wrong_address = from_resolver || (is_loopback && gateway.is_some());
    // The network of WSL gets other addresses with every start of Windows.
    let is_stale =
        !wrong_address && is_silent(failure.kind) && is_private_172(host) && gateway.is_some_and(|gateway| gateway != host);
    let title = match failure.kind {
        _ if from_resolver => format!("DISPLAY names the name server {host} in place of Windows"),
        _ if wrong_address => "DISPLAY names WSL itself in place of Windows".to_owned(),
        _ if is_stale => format!("DISPLAY names {host}, and Windows is at {}", gateway.unwrap_or_default()),
        Kind::ConnectTimeout if gateway == Some(host) => {
            format!("Windows does not answer at {host}: its firewall drops the connection")
        }
        Kind::ConnectTimeout => format!("Nothing answers at {host}, where DISPLAY looks for an X server of Windows"),
        Kind::Refused => format!("No X server of Windows listens at {host}"),
        Kind::AuthorizationRequired | Kind::CookieRejected | Kind::Rejected => "The X server of Windows refuses WSL".to_owned(),
        _ => format!("The X server of Windows at {host} cannot be used"),
    };
    let mut finding = sight.start(title);
    if let Some(gateway) = gateway {
        finding = finding.evidence(format!("the default gateway, which is Windows, is {gateway}"));
    }
    if is_own_name_server {
        finding = finding.evidence("this is WSL's own name server, which answers questions about names only");
    } else if from_resolver {
        finding = finding.evidence(format!("/etc/resolv.conf: {host} is the name server, and not the address of Windows"));
    }
    if wsl.wslg {
        finding = finding.evidence("/mnt/wslg is there: Windows has a display for Linux programs, at DISPLAY=:0").advise_command(
            "Use the display that Windows brings: remove the line that sets DISPLAY from the start-up file of the shell, and open a new terminal.",
            "export DISPLAY=:0",
        );
    }
    finding = match failure.kind {
        // Told below: here the gateway is another machine of the network.
        _ if from_resolver && shares_addresses => finding,
        _ if from_resolver && gateway.is_none() => finding.advise(
            "With an X server of Windows, let DISPLAY name the address that Windows has in your network (ipconfig in a Windows terminal).",
        ),
        _ if wrong_address || is_stale => finding.advise_command(
            "With an X server of Windows, take the address of the gateway, and put this line in place of the old one.",
            "export DISPLAY=$(ip route show default | awk '{print $3; exit}'):0",
        ),
        Kind::ConnectTimeout if gateway.is_some_and(|gateway| gateway != host) => finding.advise(format!(
            "If {host} is the address of Windows in your network, its firewall drops the connection: allow the X server (such as \
             vcxsrv.exe) there. If it is another machine, log in from there with ssh -Y instead of setting DISPLAY.",
        )),
        Kind::ConnectTimeout => finding.advise(
            "With an X server of Windows: in the Windows firewall, allow it (such as vcxsrv.exe) in private and in public networks, and delete \
             rules that block it. The network of WSL counts as a public one.",
        ),
        Kind::AuthorizationRequired | Kind::CookieRejected | Kind::Rejected => finding.advise(
            "With an X server of Windows: WSL has no cookie for it, so it must be started with access control disabled (a tick in XLaunch, the option \
             -ac). Everybody who reaches its port may then use it: let the firewall admit nothing but the network of WSL.",
        ),
        _ => finding.advise(
            "With an X server of Windows: start it, and let it listen on all addresses (VcXsrv does; others have a setting for WSL).",
        ),
    };
    if shares_addresses && !is_loopback {
        finding = finding.advise_command("Here WSL has the addresses of Windows: take its own.", "export DISPLAY=localhost:0");
    }
    if wsl.wslg {
        return finding;
    }
    finding.advise_command("Better: update WSL in a Windows terminal, which brings a display of its own.", "wsl --update")
}

/// Whether the default gateway is Windows itself, which it is with the networking "nat" alone. Versions of WSL that do not tell how they
/// are connected know nothing else; one that did not answer in time may be any.
fn gateway_is_windows(wsl: &Wsl) -> bool {
    match wsl.networking.as_deref() {
        Some(mode) => wsl.version == 2 && mode == "nat",
        None => wsl.version == 2 && wsl.unknown.get("networking").is_some_and(|reason| !reason.contains("did not end within")),
    }
}

/// Whether nobody answered at all.
fn is_silent(kind: Kind) -> bool {
    matches!(kind, Kind::ConnectTimeout | Kind::Refused | Kind::NetworkUnreachable)
}

/// Whether an address is one of those that Windows gives to the network of WSL (172.16.0.0/12).
fn is_private_172(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| {
        let [first, second, ..] = address.octets();
        first == 172 && (16..32).contains(&second)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alone, failing, healthy};
    use super::*;
    use crate::facts::DisplayLine;
    use crate::image::tests::findings;

    fn told(facts: &Facts) -> String {
        let finding = findings(&CHECK, facts).remove(0);
        assert_eq!((finding.kind.id, finding.severity), ("wsl-xserver-unreachable", Severity::Error));
        let advice =
            finding.advice.iter().map(|advice| format!("{} {}", advice.text, advice.command.as_deref().unwrap_or_default()));
        let lines = finding.title.iter().cloned().chain(finding.evidence.iter().cloned()).chain(advice);
        lines.collect::<Vec<_>>().join("\n")
    }

    fn to_windows(wsl: Wsl, host: &str, kind: Kind) -> Facts {
        let reach = if host == "localhost" { Reach::Loopback } else { Reach::Remote };
        failing(alone(wsl), host, reach, kind)
    }

    fn old() -> Wsl {
        Wsl { wslg: false, wslg_socket: false, display_socket: WslDisplaySocket::NoDirectory, ..healthy() }
    }

    #[test]
    fn the_name_server_is_not_windows() {
        let mut facts = to_windows(old(), "10.255.255.254", Kind::ConnectTimeout);
        let line = DisplayLine { path: "/home/anna/.bashrc".into(), line: 9, text: "DISPLAY=$(awk …)".into() };
        facts.wsl.as_mut().unwrap().display_lines = vec![line];
        let told = told(&facts);
        for word in ["name server 10.255.255.254", "/home/anna/.bashrc:9", "172.24.0.1", "ip route show default", "wsl --update"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        let other = Wsl { nameserver: Some("192.168.1.1".into()), ..old() };
        assert!(self::told(&to_windows(other, "192.168.1.1", Kind::Refused)).contains("name server 192.168.1.1"));
    }

    #[test]
    fn each_failure_at_the_right_address_has_its_own_words() {
        let at_gateway = |kind| told(&to_windows(old(), "172.24.0.1", kind));
        assert!(at_gateway(Kind::ConnectTimeout).contains("firewall"));
        assert!(at_gateway(Kind::AuthorizationRequired).contains("-ac"));
        assert!(at_gateway(Kind::Refused).contains("start it"));
        assert!(!at_gateway(Kind::Refused).contains("ip route"));
    }

    #[test]
    fn with_wslg_an_own_display_comes_first() {
        let told = told(&to_windows(healthy(), "172.24.0.1", Kind::Refused));
        assert!(told.contains("export DISPLAY=:0") && !told.contains("wsl --update"), "{told}");
    }

    #[test]
    fn localhost_is_windows_only_where_addresses_are_shared() {
        let nat = told(&to_windows(old(), "localhost", Kind::Refused));
        assert!(nat.contains("WSL itself in place of Windows") && nat.contains("ip route"), "{nat}");
        let mirrored = Wsl { networking: Some("mirrored".into()), gateway: Some("192.168.1.1".into()), ..old() };
        let told_mirrored = told(&to_windows(mirrored.clone(), "localhost", Kind::Refused));
        assert!(!told_mirrored.contains("ip route") && !told_mirrored.contains("192.168.1.1"), "{told_mirrored}");
        assert!(told(&to_windows(mirrored, "192.168.1.1", Kind::Refused)).contains("DISPLAY=localhost:0"));
    }

    #[test]
    fn the_ways_in_which_wslg_gets_lost() {
        let lost = |socket| {
            let wsl = Wsl { display_socket: socket, ..healthy() };
            told(&failing(alone(wsl), "", Reach::Local, Kind::SocketMissing))
        };
        assert!(lost(WslDisplaySocket::Hidden).contains("mount -o bind,ro"));
        assert!(lost(WslDisplaySocket::NoDirectory).contains("mount -o bind,ro"));
        assert!(lost(WslDisplaySocket::Loop).contains("link to itself"));
        let none = told(&failing(alone(old()), "", Reach::Local, Kind::SocketMissing));
        assert!(none.contains("wsl --update") && none.contains("guiApplications"), "{none}");
        let stopped = Wsl { wslg_socket: false, display_socket: WslDisplaySocket::Hidden, ..healthy() };
        assert!(told(&failing(alone(stopped), "", Reach::Local, Kind::SocketMissing)).contains("wsl --shutdown"));
    }

    #[test]
    fn an_address_of_yesterday_is_not_laid_to_the_firewall() {
        for kind in [Kind::ConnectTimeout, Kind::Refused] {
            let told = told(&to_windows(old(), "172.31.48.1", kind));
            assert!(
                told.contains("DISPLAY names 172.31.48.1, and Windows is at 172.24.0.1") && told.contains("ip route"),
                "{told}"
            );
            assert!(!told.contains("firewall"), "{told}");
        }
        // An address in the network may be that of Windows, or of any machine.
        let other = told(&to_windows(old(), "192.168.1.50", Kind::ConnectTimeout));
        assert!(other.starts_with("Nothing answers at 192.168.1.50") && other.contains("If it is another machine"), "{other}");
        let unknown = Wsl { gateway: None, ..old() };
        assert!(!told(&to_windows(unknown, "172.31.48.1", Kind::ConnectTimeout)).contains("its firewall drops"));
    }

    #[test]
    fn where_addresses_are_shared_the_gateway_is_not_windows() {
        let mirrored = Wsl { networking: Some("mirrored".into()), gateway: Some("192.168.1.1".into()), ..old() };
        let told_mirrored = told(&to_windows(mirrored.clone(), "10.255.255.254", Kind::ConnectTimeout));
        assert!(!told_mirrored.contains("ip route") && told_mirrored.contains("DISPLAY=localhost:0"), "{told_mirrored}");
        let bridged = Wsl { networking: Some("bridged".into()), ..mirrored };
        let told_bridged = told(&to_windows(bridged, "10.255.255.254", Kind::ConnectTimeout));
        assert!(!told_bridged.contains("ip route") && told_bridged.contains("ipconfig"), "{told_bridged}");
    }

    #[test]
    fn how_wsl_is_connected_is_not_guessed() {
        let told_of = |reason: Option<&str>| {
            let unknown = reason.map(|reason| ("networking".to_owned(), reason.to_owned())).into_iter().collect();
            told(&to_windows(Wsl { networking: None, unknown, ..old() }, "localhost", Kind::Refused))
        };
        let missing = told_of(Some("\"wslinfo --networking-mode\" could not be started: No such file or directory"));
        assert!(missing.contains("WSL itself in place of Windows"), "WSL before version 2 knows one way only: {missing}");
        for reason in [None, Some("\"wslinfo --networking-mode\" did not end within 2.0 s")] {
            let told = told_of(reason);
            assert!(!told.contains("WSL itself in place of Windows") && !told.contains("ip route"), "{told}");
        }
    }

    #[test]
    fn a_display_that_has_not_started_is_not_hidden() {
        for socket in [WslDisplaySocket::Hidden, WslDisplaySocket::Loop, WslDisplaySocket::NoDirectory] {
            let stopped = Wsl { wslg_socket: false, display_socket: socket, ..healthy() };
            let told = told(&failing(alone(stopped), "", Reach::Local, Kind::SocketMissing));
            assert!(told.starts_with("The display of Windows has not started") && !told.contains("mount"), "{told}");
        }
    }

    #[test]
    fn commands_for_windows_are_taken_by_each_of_its_shells() {
        let told = told(&failing(alone(old()), "", Reach::Local, Kind::SocketMissing));
        assert!(!told.contains("&&"), "PowerShell 5, which Windows brings, does not know &&: {told}");
    }

    #[test]
    fn displays_of_ssh_and_of_wsl_itself_are_not_those_of_windows() {
        let mut ssh = to_windows(healthy(), "localhost", Kind::Refused);
        ssh.x11.as_mut().unwrap().display.as_mut().unwrap().number = 10;
        assert!(matches!(CHECK.judge(&ssh), Outcome::Skipped(_)));
        let mut inner = failing(alone(healthy()), "", Reach::Local, Kind::SocketMissing);
        inner.x11.as_mut().unwrap().display.as_mut().unwrap().number = 5;
        assert!(matches!(CHECK.judge(&inner), Outcome::Skipped(_)));
        let refused = failing(alone(healthy()), "", Reach::Local, Kind::AuthorizationRequired);
        assert!(matches!(CHECK.judge(&refused), Outcome::Skipped(_)));
    }
}
