//! Every kind of display that can be had without a screen, each on a number of its own with a cookie of its own, started as the
//! lab's ordinary user and ended when dropped.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::{Patient, XServer, cookie, free_display, lab, write_authority};

/// How long a server may take until it answers; generous, for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// What serves the display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Xvfb.
    Xvfb,
    /// TigerVNC's server.
    Xvnc,
    /// An X server in a window of an Xvfb.
    Xephyr,
    /// Xwayland under a headless weston.
    Xwayland,
    /// The server of X2Go, in a window of an Xvfb. Its GLX is of version 1.2.
    Nxagent,
    /// An Xvfb forwarded by `ssh -Y`, through a real sshd.
    SshTrusted,
    /// An Xvfb forwarded by `ssh -X` as OpenSSH means it: with an untrusted cookie.
    SshUntrusted,
    /// An Xvfb that announces this GLX vendor.
    GlxVendor(&'static str),
}

/// A display in use.
pub(crate) struct Display {
    name: String,
    authority: PathBuf,
    /// What a session there has beside DISPLAY and XAUTHORITY.
    variables: Vec<(String, String)>,
    // Dropped in this order: who draws on another display goes before it.
    _processes: Vec<Process>,
    _beneath: Option<XServer>,
    directory: TempDir,
}

impl Display {
    /// Starts one and waits until it answers.
    pub(crate) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Xvfb => Self::server("Xvfb", &["-screen", "0", "1024x768x24", "-nolisten", "tcp"]),
            Kind::Xvnc => {
                Self::server("Xvnc", &["-geometry", "1024x768", "-depth", "24", "-SecurityTypes", "None", "-rfbport", "-1"])
            }
            Kind::Xephyr => Self::nested("Xephyr", &["-screen", "1000x700"]),
            Kind::Xwayland => Self::xwayland(),
            Kind::Nxagent => Self::nxagent(),
            Kind::SshTrusted => Self::forwarded("-Y", "yes"),
            Kind::SshUntrusted => Self::forwarded("-X", "no"),
            Kind::GlxVendor(vendor) => Self::vendor(vendor),
        }
    }

    /// Its name for DISPLAY.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file with its cookie.
    pub(crate) fn authority(&self) -> &Path {
        &self.authority
    }

    /// Somebody at this display.
    pub(crate) fn patient(&self) -> Patient {
        let mut patient = Patient::new();
        patient.set("DISPLAY", self.name()).set("XAUTHORITY", self.authority().to_str().unwrap());
        for (name, value) in &self.variables {
            patient.set(name, value);
        }
        patient
    }

    /// A program of this machine at this display, as the ordinary user.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = lab().command(program, self.directory.path());
        command.env("DISPLAY", &self.name).env("XAUTHORITY", &self.authority).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// An X server that needs nothing beneath it.
    fn server(program: &str, arguments: &[&str]) -> Self {
        let (number, directory) = (free_display(), lab().directory());
        let mut command = lab().command(program, directory.path());
        command.args(arguments);
        Self::await_server(command, number, directory, None, Vec::new())
    }

    /// An X server that is a client of another one.
    fn nested(program: &str, arguments: &[&str]) -> Self {
        let beneath = XServer::start();
        let (number, directory) = (free_display(), lab().directory());
        let mut command = lab().command(program, directory.path());
        command.env("DISPLAY", beneath.display()).env("XAUTHORITY", beneath.authority()).args(arguments);
        Self::await_server(command, number, directory, Some(beneath), Vec::new())
    }

    fn nxagent() -> Self {
        let beneath = XServer::start();
        let (number, directory) = (free_display(), lab().directory());
        let mut command = lab().command("nxagent", directory.path());
        command.args(["-display", &beneath.display(), "-geometry", "1000x700"]);
        // It looks for the cookie of the display beneath in the file of its own cookies, and for no other one.
        command.env("XAUTHORITY", directory.path().join("authority"));
        command.env("NX_CLIENT", "/bin/true");
        Self::await_server(command, number, directory, Some(beneath), Vec::new())
    }

    fn xwayland() -> Self {
        let (number, directory) = (free_display(), lab().directory());
        let runtime = directory.path().join("runtime");
        std::fs::create_dir(&runtime).unwrap();
        std::fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        lab().give(&runtime);
        let mut weston = lab().command("weston", directory.path());
        weston.args(["--backend=headless-backend.so", "--socket=outer", "--no-config", "--width=1000", "--height=700"]);
        weston.env("XDG_RUNTIME_DIR", &runtime);
        let weston = Process::start(weston, &directory.path().join("weston.log"));
        weston.wait_until("weston's socket", || runtime.join("outer").exists());
        let mut command = lab().command("Xwayland", directory.path());
        command.env("XDG_RUNTIME_DIR", &runtime).env("WAYLAND_DISPLAY", "outer");
        Self::await_server(command, number, directory, None, vec![weston])
    }

    /// Adds what all X servers understand, starts it and waits for an answer.
    fn await_server(
        mut command: Command,
        number: u16,
        directory: TempDir,
        beneath: Option<XServer>,
        mut processes: Vec<Process>,
    ) -> Self {
        let authority = directory.path().join("authority");
        write_authority(&authority, number, &cookie());
        if let Some(beneath) = &beneath {
            let both = [std::fs::read(&authority).unwrap(), std::fs::read(beneath.authority()).unwrap()].concat();
            std::fs::write(&authority, both).unwrap();
        }
        lab().give(directory.path());
        command.arg(format!(":{number}")).args(["-noreset", "-auth"]).arg(&authority);
        let server = Process::start(command, &directory.path().join("server.log"));
        processes.insert(0, server);
        let display = Self {
            name: format!(":{number}"),
            authority,
            variables: Vec::new(),
            _processes: processes,
            _beneath: beneath,
            directory,
        };
        display.wait_for_answer();
        display
    }

    /// An Xvfb behind the proxy that rewrites its GLX vendor name.
    fn vendor(vendor: &str) -> Self {
        let beneath = XServer::start();
        let (number, directory) = (free_display(), lab().directory());
        let authority = directory.path().join("authority");
        // The proxy hands everything on: its cookie is that of the display beneath.
        write_authority(&authority, number, &cookie_in(&beneath.authority()));
        lab().give(directory.path());
        let mut command = lab().command(lab().value("LAB_GLX_PROXY"), directory.path());
        command.args([number.to_string(), beneath.number().to_string(), vendor.to_owned()]);
        let proxy = Process::start(command, &directory.path().join("proxy.log"));
        let name = format!(":{number}");
        let display = Self { name, authority, variables: Vec::new(), _processes: vec![proxy], _beneath: Some(beneath), directory };
        display.wait_for_answer();
        display
    }

    /// An Xvfb seen through ssh: a session on this very machine, held open.
    fn forwarded(option: &str, trusted: &str) -> Self {
        let beneath = XServer::start();
        let directory = lab().directory();
        let (sshd, port) = sshd(directory.path());
        let told = directory.path().join("session");
        let mut ssh = lab().command("ssh", directory.path());
        ssh.env("DISPLAY", beneath.display()).env("XAUTHORITY", beneath.authority());
        // Debian's own configuration makes -X trusted; that of OpenSSH, which most others keep, does not.
        ssh.args([option, "-F", "none", "-o", &format!("ForwardX11Trusted={trusted}"), "-o", "ExitOnForwardFailure=yes"]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]);
        ssh.arg("-i").arg(directory.path().join("user_key")).args(["-p", &port.to_string()]);
        ssh.arg(format!("{}@127.0.0.1", lab().value("LAB_USER")));
        // One word after the other reaches the login shell of the session as one line. A sshd that is ended leaves what it started
        // without a terminal, so that ends by itself when the directory is gone.
        ssh.arg(format!("env >{0}.new && mv {0}.new {0} && while test -e {0}; do sleep 1; done", told.display()));
        let ssh = Process::start(ssh, &directory.path().join("ssh.log"));
        ssh.wait_until("a session", || told.exists());
        let text = std::fs::read_to_string(&told).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("the ssh session has no {name}:\n{text}\n{}", ssh.said())).to_owned()
        };
        let variables = ["SSH_CONNECTION", "SSH_CLIENT"].map(|name| (name.to_owned(), value(name)));
        let display = Self {
            name: value("DISPLAY"),
            authority: value("XAUTHORITY").into(),
            variables: variables.into(),
            _processes: vec![ssh, sshd],
            _beneath: Some(beneath),
            directory,
        };
        display.wait_for_answer();
        display
    }

    fn wait_for_answer(&self) {
        self._processes[0].wait_until(&self.name, || {
            let mut xdpyinfo = self.command("xdpyinfo");
            xdpyinfo.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        });
    }
}

/// A sshd of the ordinary user on loopback that lets the key `user_key` in the directory in; its port.
pub(crate) fn sshd(directory: &Path) -> (Process, u16) {
    for key in ["host_key", "user_key"] {
        let mut keygen = lab().command("ssh-keygen", directory);
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(key));
        assert!(keygen.status().expect("ssh-keygen is missing: run tests/lab/setup").success());
    }
    // Below 1000: sshd gives no higher display number. It takes the first free one from here.
    let offset = 200 + std::process::id() % 500;
    // Free a moment ago; whoever takes it in between makes sshd fail with a clear message.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = directory.display();
    let configuration = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {path}/host_key\nPidFile none\nStrictModes no\nUsePAM no\n\
         AuthorizedKeysFile {path}/user_key.pub\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         X11Forwarding yes\nX11UseLocalhost yes\nX11DisplayOffset {offset}\n\
         # A file of this session's own: tests side by side do not share one user's.\n\
         SetEnv XAUTHORITY={path}/forwarded\n"
    );
    let file = directory.join("sshd_config");
    std::fs::write(&file, configuration).unwrap();
    lab().give(&file);
    let mut command = lab().command("/usr/sbin/sshd", directory);
    command.args(["-D", "-e", "-f"]).arg(&file);
    let process = Process::start(command, &directory.join("sshd.log"));
    process.wait_until("sshd", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (process, port)
}

/// The cookie that `write_authority` wrote: the last 16 bytes.
fn cookie_in(authority: &Path) -> Vec<u8> {
    let bytes = std::fs::read(authority).unwrap();
    bytes[bytes.len() - 16..].to_vec()
}

/// A process with its children, ended when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in a process group of its own; what it says goes to a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let output = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}: run tests/lab/setup"));
        Self { child, log: log.to_owned() }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for something that this process is expected to bring about.
    pub(crate) fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(self.is_alive(), "{what}: the process ended and said:\n{}", self.said());
            assert!(Instant::now() < deadline, "{what} is not there after {PATIENCE:?}; the process said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of a process that was told to end.
    pub(crate) fn wait_until_gone(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.is_alive() {
            assert!(Instant::now() < deadline, "the process is still there after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process itself still runs. One that ended is not collected before the end, so its number is not used again.
    fn is_alive(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The state follows the name, which ends with the last parenthesis.
        status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    /// Sends a signal to the process and its children.
    pub(crate) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.args([&format!("-{signal}"), "--", &format!("-{}", self.child.id())]).stdout(Stdio::null()).stderr(Stdio::null());
        // The group may be gone.
        drop(kill.status());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("CONT");
        self.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(3);
        while self.is_alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.signal("KILL");
        drop(self.child.wait());
    }
}

/// The whole line-up: each is there, is what it says it is, and is gone afterwards.
mod line_up {
    use super::*;

    /// What casa-doctor sees at the display: kind of server, GLX version, GLX vendors.
    #[track_caller]
    fn seen(kind: Kind) -> (String, serde_json::Value) {
        let display = Display::start(kind);
        let (document, answer) = display.patient().diagnose(["--no-graphics"]);
        let connection = document["facts"]["x11"]["connection"].clone();
        assert_eq!(connection["state"], "connected", "{kind:?}: {}", answer.all());
        let told = connection["kind"].as_str().unwrap().to_owned();
        let name = display.name().to_owned();
        drop(display);
        if let Some(number) = name.strip_prefix(':') {
            assert!(!Path::new(&format!("/tmp/.X11-unix/X{number}")).exists(), "{kind:?} is still there");
        }
        (told, connection)
    }

    #[test]
    fn servers_on_this_machine() {
        for (kind, expected) in [
            (Kind::Xvfb, "xorg"),
            (Kind::Xvnc, "xvnc"),
            (Kind::Xephyr, "xorg"),
            (Kind::Xwayland, "xwayland"),
            (Kind::Nxagent, "nxagent"),
        ] {
            let (told, connection) = seen(kind);
            assert_eq!(told, expected, "{kind:?}: {connection:#}");
            let version = if kind == Kind::Nxagent { "1.2" } else { "1.4" };
            assert_eq!(connection["glx"]["version"], version, "{kind:?}: {connection:#}");
        }
    }

    #[test]
    fn forwarded_by_ssh() {
        let (_, trusted) = seen(Kind::SshTrusted);
        assert_eq!(trusted["untrusted"], false, "{trusted:#}");
        assert!(trusted["glx"].is_object(), "{trusted:#}");
        let (_, untrusted) = seen(Kind::SshUntrusted);
        assert_eq!(untrusted["untrusted"], true, "{untrusted:#}");
    }

    #[test]
    fn announcing_another_vendor() {
        let (_, connection) = seen(Kind::GlxVendor("nvidia"));
        assert_eq!(connection["glx"]["vendor_names"], serde_json::json!(["nvidia"]), "{connection:#}");
    }
}
