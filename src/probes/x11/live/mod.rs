//! The probe against real X servers (`servers`) and against real sockets with stand-ins behind them (`sockets`).
//!
//! Display numbers 150 to 199 belong to these tests, each number to one test. A server that is not installed fails its test.
#![expect(clippy::disallowed_methods, reason = "tests start real servers and clients, which outlive one bounded command")]

mod forwarding;
mod servers;
mod sockets;
mod verdicts;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use casa_doctor_checks::facts::{ConnectFailure, Connection, X11, XServer};

use super::cookies::entry;
use super::{Held, hostname, probe};
use crate::host::{Access, Address, Command, CommandOutput, Host, Identity, LiveHost, Metadata, ReadSeek, Stream};
use crate::probes::Context;

/// The limit of a probe whose peer never answers.
const LIMIT: Duration = Duration::from_millis(700);
/// How much later than its limit a probe may end on a busy machine.
const GRACE: Duration = Duration::from_millis(300);

/// The real machine, with another environment and another home directory.
struct Laboratory {
    env: BTreeMap<String, OsString>,
    home: PathBuf,
    /// Whether processes are seen: the test's own server would give its cookie away.
    processes: bool,
    /// How long looking up a host's name takes.
    lookup: Duration,
}

impl Laboratory {
    fn new(display: &str, home: &Path) -> Self {
        let env = BTreeMap::from([("DISPLAY".to_owned(), display.into())]);
        Self { env, home: home.to_owned(), processes: false, lookup: Duration::ZERO }
    }

    fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    fn probe(self) -> (X11, Option<Held>, Duration) {
        let started = Instant::now();
        let (facts, held) = probe(&Context { host: Arc::new(self), limit: LIMIT });
        (facts, held, started.elapsed())
    }

    /// The server that let us in.
    fn server(self) -> (XServer, X11) {
        let (facts, held, _) = self.probe();
        assert!(held.is_some(), "the connection must be held: {facts:?}");
        let Connection::Connected(server) = facts.connection.clone() else { panic!("not connected: {facts:?}") };
        (*server, facts)
    }

    /// The failure, which must come in time.
    fn failure(self) -> (ConnectFailure, X11) {
        let (facts, held, took) = self.probe();
        assert!(held.is_none());
        assert!(took < LIMIT + GRACE, "it took {took:?}: {facts:?}");
        let Connection::Failed(failure) = facts.connection.clone() else { panic!("no failure: {facts:?}") };
        (failure, facts)
    }
}

impl Host for Laboratory {
    fn env(&self, name: &str) -> Option<OsString> {
        self.env.get(name).cloned()
    }
    fn env_names(&self) -> Vec<OsString> {
        self.env.keys().map(OsString::from).collect()
    }
    fn identity(&self) -> Identity {
        Identity { home: Some(self.home.clone()), ..LiveHost.identity() }
    }
    fn current_dir(&self) -> io::Result<PathBuf> {
        LiveHost.current_dir()
    }
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        LiveHost.read(path, limit)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek>> {
        LiveHost.open(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        LiveHost.metadata(path)
    }
    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        LiveHost.symlink_metadata(path)
    }
    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        LiveHost.read_link(path)
    }
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        LiveHost.canonicalize(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>> {
        if path == Path::new("/proc") && !self.processes {
            return Ok(Vec::new());
        }
        LiveHost.read_dir(path)
    }
    fn access(&self, path: &Path, access: Access) -> io::Result<()> {
        LiveHost.access(path, access)
    }
    fn free_space(&self, path: &Path) -> io::Result<crate::host::Space> {
        LiveHost.free_space(path)
    }
    fn run(&self, command: &Command) -> CommandOutput {
        LiveHost.run(command)
    }
    fn which(&self, program: &OsStr) -> Option<PathBuf> {
        LiveHost.which(program)
    }
    fn connect(&self, address: &Address, limit: Duration) -> io::Result<Box<dyn Stream>> {
        LiveHost.connect(address, limit)
    }
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        std::thread::sleep(self.lookup);
        LiveHost.lookup(name)
    }
    fn now(&self) -> SystemTime {
        LiveHost.now()
    }
    fn own_program(&self) -> io::Result<PathBuf> {
        LiveHost.own_program()
    }
}

/// A real X server with a home directory of its own, whose `.Xauthority` opens it.
struct Server {
    child: Child,
    number: u16,
    home: tempfile::TempDir,
}

impl Server {
    /// Starts Xvfb that asks for a cookie and does not start afresh when its last client leaves.
    fn xvfb(number: u16, more: &[&str]) -> Self {
        let mut args = vec!["-screen", "0", "640x480x24", "-noreset"];
        args.extend(more);
        Self::start("Xvfb", number, &args, &[])
    }

    /// Starts a server of the X.Org family and waits until it answers.
    fn start(program: &str, number: u16, args: &[&str], env: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = home.path().join(".Xauthority");
        std::fs::write(&authority, entry(0x100, hostname(&LiveHost).as_bytes(), number.to_string().as_bytes(), 7)).unwrap();
        let child = std::process::Command::new(program)
            .arg(format!(":{number}"))
            .args(args)
            .arg("-auth")
            .arg(&authority)
            .envs(env.iter().copied())
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
        let mut server = Self { child, number, home };
        server.wait_until_it_answers(program);
        server
    }

    fn wait_until_it_answers(&mut self, program: &str) {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let (facts, ..) = self.laboratory().probe();
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{program} :{} has ended: does the display number belong to somebody else?", self.number);
            if matches!(facts.connection, Connection::Connected(_)) {
                return;
            }
            assert!(Instant::now() < patience, "{program} :{} did not come up: {facts:?}", self.number);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn display(&self) -> String {
        format!(":{}", self.number)
    }

    fn authority(&self) -> PathBuf {
        self.home.path().join(".Xauthority")
    }

    /// A user who has the cookie at the usual place.
    fn laboratory(&self) -> Laboratory {
        Laboratory::new(&self.display(), self.home.path())
    }

    /// Runs a program as a client of the server.
    fn client(&self, program: &str, args: &[&str]) -> std::process::Output {
        std::process::Command::new(program)
            .args(args)
            .env("DISPLAY", self.display())
            .env("XAUTHORITY", self.authority())
            .output()
            .unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that ends by TERM removes its lock and its socket; a stopped one has to go on for that.
        self.signal(rustix::process::Signal::TERM);
        self.signal(rustix::process::Signal::CONT);
        let patience = Instant::now() + Duration::from_secs(5);
        while Instant::now() < patience {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
