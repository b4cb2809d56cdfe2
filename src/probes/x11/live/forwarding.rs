//! Displays that a real sshd forwards, on this machine and as this user.

use std::io::{BufRead, BufReader};

use casa_doctor_checks::facts::{ConnectFailureKind as Kind, Reach};

use super::*;

/// An sshd with keys of its own, and a login through it that forwards a server's display.
struct Forwarding {
    daemon: Child,
    login: Child,
    /// DISPLAY in the login.
    display: String,
    directory: tempfile::TempDir,
}

impl Forwarding {
    /// Logs in with `-X` or `-Y`. The authority file of the login is `authority` in the directory.
    fn start(server: &Server, port: u16, option: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        for name in ["host", "user"] {
            let made = std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path(name)]).output();
            assert!(made.unwrap().status.success());
        }
        std::fs::copy(path("user.pub"), path("authorized_keys")).unwrap();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PermitRootLogin prohibit-password\nX11Forwarding yes\nX11DisplayOffset 195\nSetEnv XAUTHORITY={}\n",
            path("host"),
            path("authorized_keys"),
            path("authority"),
        );
        std::fs::write(path("sshd_config"), config).unwrap();
        // sshd of Debian wants this directory even when it is started by hand.
        let _ = std::fs::create_dir("/run/sshd");
        let daemon = std::process::Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &path("sshd_config")])
            .stderr(std::fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("openssh-server must be installed for this test: {error}"));
        let mut login = std::process::Command::new("ssh")
            .args([option, "-p", &port.to_string(), "-i", &path("user"), "-o", "BatchMode=yes", "-o", "ConnectionAttempts=20"])
            .args(["-o", "StrictHostKeyChecking=no", "-o", &format!("UserKnownHostsFile={}", path("known")), "-F", "none"])
            .args(["-o", if option == "-X" { "ForwardX11Trusted=no" } else { "ForwardX11Trusted=yes" }])
            .args(["127.0.0.1", "echo $DISPLAY; sleep 60"])
            .env("DISPLAY", server.display())
            .env("XAUTHORITY", server.authority())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(path("client-log")).unwrap())
            .spawn()
            .unwrap();
        let mut display = String::new();
        BufReader::new(login.stdout.take().unwrap()).read_line(&mut display).unwrap();
        let log = || std::fs::read_to_string(path("log")).unwrap() + &std::fs::read_to_string(path("client-log")).unwrap();
        assert!(display.contains(':'), "no display was forwarded: {}", log());
        Self { daemon, login, display: display.trim().to_owned(), directory }
    }

    fn laboratory(&self) -> Laboratory {
        Laboratory::new(&self.display, self.directory.path()).env("XAUTHORITY", self.directory.path().join("authority"))
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        for child in [&mut self.login, &mut self.daemon] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_display_forwarded_with_ssh_tells_trusted_from_untrusted_and_its_ends() {
    let xvfb = Server::xvfb(169, &[]);
    let trusted = Forwarding::start(&xvfb, 6169, "-Y");
    let (server, facts) = trusted.laboratory().server();
    assert_eq!(facts.display.unwrap().reach, Reach::Loopback);
    assert!(!server.untrusted && server.glx.is_some());

    let untrusted = Forwarding::start(&xvfb, 6170, "-X");
    let (server, _) = untrusted.laboratory().server();
    assert!(server.untrusted, "{:?}", server.extensions);

    // ssh at the user's end closes the connection on a wrong cookie and on none.
    let nobody = tempfile::tempdir().unwrap();
    let (failure, _) = Laboratory::new(&trusted.display, nobody.path()).failure();
    assert_eq!((failure.kind, failure.cookie_sent), (Kind::ClosedDuringHandshake, false), "{}", failure.detail);
    std::fs::write(nobody.path().join(".Xauthority"), entry(0xffff, b"", b"", 9)).unwrap();
    let (failure, facts) = Laboratory::new(&trusted.display, nobody.path()).failure();
    assert_eq!((failure.kind, failure.cookie_sent), (Kind::ClosedDuringHandshake, true), "{}", failure.detail);
    assert_eq!(facts.cookies[0].accepted, Some(false));

    // The user's own X server ends while the login goes on.
    drop(xvfb);
    let (failure, _) = trusted.laboratory().failure();
    // Whether ssh has read our greeting by then decides how the system tells of the end.
    assert!(matches!(failure.kind, Kind::Reset | Kind::ClosedDuringHandshake), "{}", failure.detail);

    // The login ends: nobody listens any more.
    let laboratory = trusted.laboratory();
    drop(trusted);
    std::thread::sleep(Duration::from_millis(300));
    let (failure, _) = laboratory.failure();
    assert_eq!(failure.kind, Kind::Refused, "{}", failure.detail);
}
