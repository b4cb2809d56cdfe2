//! The lab as the tests see it: the program run as an ordinary user, X servers of their own, environments made for one test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// What `tests/lab/setup` wrote down.
pub(crate) struct Lab {
    values: BTreeMap<String, String>,
    program: PathBuf,
    _keep: TempDir,
}

/// The lab. Panics, naming the cure, when it is not set up: a test that cannot run must not pass.
pub(crate) fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| {
        let root = std::env::var("CASA_DOCTOR_LAB").unwrap_or_else(|_| "/var/tmp/casa-doctor-lab".into());
        let file = Path::new(&root).join("lab.env");
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}: the lab is not set up, run tests/lab/setup", file.display()));
        let values =
            text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.trim_matches('"').to_owned()));
        // The ordinary user may not be able to look into the build directory.
        let keep = tempfile::Builder::new().prefix("casa-doctor-test-").tempdir().unwrap();
        open_to_all(keep.path());
        let program = keep.path().join("casa-doctor");
        fs::copy(env!("CARGO_BIN_EXE_casa-doctor"), &program).unwrap();
        open_to_all(&program);
        Lab { values: values.collect(), program, _keep: keep }
    })
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t"))
}

impl Lab {
    /// A value of `lab.env`.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.get(name).unwrap_or_else(|| panic!("lab.env has no {name}: run tests/lab/setup again"))
    }

    /// The healthy image.
    pub(crate) fn image(&self) -> PathBuf {
        self.value("LAB_IMAGE").into()
    }

    /// A command as the lab's ordinary user, with an environment of just PATH, HOME, USER and LANG.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
        let mut command = if is_root() {
            let user = self.value("LAB_USER");
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home).env("LANG", "C.UTF-8");
        command.env("USER", self.value("LAB_USER")).current_dir("/");
        command
    }

    /// The copy of casa-doctor that the ordinary user can start.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A directory that belongs to the ordinary user.
    pub(crate) fn directory(&self) -> TempDir {
        let directory = tempfile::Builder::new().prefix("casa-doctor-test-").tempdir().unwrap();
        open_to_all(directory.path());
        self.give(directory.path());
        directory
    }

    /// Makes the ordinary user the owner of a path and of all below it.
    pub(crate) fn give(&self, path: &Path) {
        if is_root() {
            let user = self.value("LAB_USER");
            let status = Command::new("chown").args(["-R", "-h"]).arg(format!("{user}:{user}")).arg(path).status().unwrap();
            assert!(status.success());
        }
    }
}

/// A user with a home of their own, an environment and, perhaps, a display.
pub(crate) struct Patient {
    home: TempDir,
    pub(crate) variables: Vec<(String, String)>,
}

impl Patient {
    /// Somebody without a display.
    pub(crate) fn new() -> Self {
        Self { home: lab().directory(), variables: Vec::new() }
    }

    /// Somebody at a display.
    pub(crate) fn at(server: &XServer) -> Self {
        let mut patient = Self::new();
        patient.set("DISPLAY", &server.display());
        patient.set("XAUTHORITY", server.authority().to_str().unwrap());
        patient
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Their home directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// casa-doctor with arguments.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = lab().command(lab().program(), self.home());
        command.args(args).envs(self.variables.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs casa-doctor.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Answer {
        let started = Instant::now();
        let output = self.command(args).output().unwrap();
        Answer { output, took: started.elapsed() }
    }

    /// Runs the diagnosis and gives its JSON document. What was seen is judged again from a recording of it.
    pub(crate) fn diagnose<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> (Value, Answer) {
        let args: Vec<std::ffi::OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let (document, answer) = self.diagnose_once(&args);
        if document["source"] == "live" && !args.iter().any(|arg| arg == "--fix" || arg == "--baseline") {
            self.assert_replayed(&document, &args);
        }
        (document, answer)
    }

    /// The same without a recording, for hundreds of small differences.
    pub(crate) fn diagnose_once<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> (Value, Answer) {
        let mut all: Vec<std::ffi::OsString> = vec!["--format".into(), "json".into()];
        all.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        let answer = self.run(&all);
        (one_document(&answer), answer)
    }

    /// What was seen, judged again from a recording of it, and from one without what is private, must give the same.
    fn assert_replayed(&self, live: &Value, args: &[std::ffi::OsString]) {
        let directory = lab().directory();
        let mut judged = live.clone();
        for name in ["raw.json", "redacted.json"] {
            let file = directory.path().join(name);
            let recording = serde_json::json!({"schema_version": "1", "facts": judged["facts"]});
            fs::write(&file, recording.to_string()).unwrap();
            lab().give(directory.path());
            let mut again: Vec<std::ffi::OsString> =
                ["--format", "json", "--redact", "--replay"].iter().map(Into::into).chain([file.into()]).collect();
            if args.first().is_some_and(|arg| arg == "measure") {
                // It judges only what the measurements are about.
                again.extend(["--only".into(), "gl-measurement".into()]);
            }
            for pair in args.windows(2).filter(|pair| pair[0] == "--only" || pair[0] == "--skip") {
                again.extend_from_slice(pair);
            }
            again.extend(args.iter().filter(|arg| *arg == "--no-plugins").cloned());
            let answer = self.run(again);
            judged = one_document(&answer);
            assert_eq!(verdict(live), verdict(&judged), "{name} is judged in another way than the machine itself");
        }
    }

    /// Makes a file in their home.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        lab().give(self.home());
        path
    }

    /// Makes an environment `name` with this configuration.
    pub(crate) fn environment(&self, name: &str, configuration: &str) -> PathBuf {
        self.file(&format!("{name}/conf/casa_distro.json"), configuration);
        self.home().join(name)
    }

    /// Makes a healthy environment around the lab's image.
    pub(crate) fn healthy_environment(&self) -> PathBuf {
        let image = lab().image();
        let configuration = healthy_configuration(image.to_str().unwrap());
        self.environment("brainvisa-5.3", &configuration)
    }
}

fn one_document(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.output.stdout)
        .unwrap_or_else(|error| panic!("standard output is not one JSON document: {error}\n{}", answer.all()))
}

/// What is judged: how each check ended, what was found, which mode is recommended.
fn verdict(document: &Value) -> Vec<String> {
    let list = |key: &str| document[key].as_array().unwrap().clone();
    let checks = list("checks").into_iter().map(|check| format!("{} {}", check["id"], check["outcome"]));
    let findings = list("findings").into_iter().map(|finding| format!("{} {}", finding["id"], finding["severity"]));
    let recommendation = &document["recommendation"];
    let rejected = recommendation["rejected"].as_array().into_iter().flatten().map(|other| other["opengl"].to_string());
    let mode = format!("{} {} {}", recommendation["opengl"], recommendation["basis"], recommendation["confidence"]);
    checks.chain(findings).chain(rejected).chain([mode]).collect()
}

/// The configuration that casa_distro's own set-up would write.
pub(crate) fn healthy_configuration(image: &str) -> String {
    let configuration = serde_json::json!({
        "casa_distro_compatibility": "3",
        "type": "user",
        "container_type": "singularity",
        "distro": "brainvisa",
        "system": "debian-12",
        "version": "5.3",
        "image": image,
        "name": "brainvisa-5.3",
    });
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, serde_json::ser::PrettyFormatter::with_indent(b"    "));
    serde::Serialize::serialize(&configuration, &mut serializer).unwrap();
    String::from_utf8(text).unwrap()
}

/// What the program answered.
pub(crate) struct Answer {
    pub(crate) output: Output,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Both streams and the status, for messages.
    pub(crate) fn all(&self) -> String {
        format!("status {:?}\n-- stdout\n{}\n-- stderr\n{}", self.output.status, self.stdout(), self.stderr())
    }

    #[track_caller]
    pub(crate) fn assert_status(&self, expected: i32) -> &Self {
        assert_eq!(self.output.status.code(), Some(expected), "{}", self.all());
        self
    }
}

/// Ids of the findings of a document.
pub(crate) fn ids(document: &Value) -> Vec<&str> {
    document["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

/// Ids of the findings at or above a severity.
pub(crate) fn ids_of(document: &Value, severities: &[&str]) -> Vec<String> {
    let findings = document["findings"].as_array().unwrap().iter();
    let wanted = findings.filter(|finding| severities.contains(&finding["severity"].as_str().unwrap()));
    wanted.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

/// An Xvfb with a cookie, stopped when dropped.
pub(crate) struct XServer {
    number: u16,
    child: Child,
    directory: TempDir,
}

/// Display numbers of this test program; other tests of the project use others.
static NEXT_DISPLAY: AtomicU16 = AtomicU16::new(0);

/// A display number that nobody uses.
pub(crate) fn free_display() -> u16 {
    let base = 300 + u16::try_from(std::process::id() % 100).unwrap() * 40;
    loop {
        let number = base + NEXT_DISPLAY.fetch_add(1, Ordering::Relaxed);
        if !Path::new(&format!("/tmp/.X11-unix/X{number}")).exists() && !Path::new(&format!("/tmp/.X{number}-lock")).exists() {
            return number;
        }
    }
}

impl XServer {
    /// Starts one that keeps its state when its last client leaves.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further arguments.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        Self::of("Xvfb", &[&["-screen", "0", "1024x768x24"], args].concat())
    }

    /// Starts another program that is an X server of its own.
    pub(crate) fn of(program: &str, args: &[&str]) -> Self {
        let number = free_display();
        let directory = lab().directory();
        let authority = directory.path().join("authority");
        write_authority(&authority, number, &cookie());
        lab().give(directory.path());
        let mut command = lab().command(program, directory.path());
        command.arg(format!(":{number}")).arg("-noreset");
        command.arg("-auth").arg(&authority).args(args).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}: run tests/lab/setup"));
        let server = Self { number, child, directory };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !server.answers() {
            assert!(Instant::now() < deadline, "{program} :{number} does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn answers(&self) -> bool {
        let mut command = lab().command("xdpyinfo", self.directory.path());
        command.env("DISPLAY", self.display()).env("XAUTHORITY", self.authority());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Its name for DISPLAY.
    pub(crate) fn display(&self) -> String {
        format!(":{}", self.number)
    }

    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// The file with its cookie.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.path().join("authority")
    }

    /// Sends a signal to the server itself.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-CONT".into(), self.child.id().to_string()]).status();
        let _ = Command::new("kill").args(["-TERM".into(), self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// A fresh cookie.
pub(crate) fn cookie() -> [u8; 16] {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    bytes
}

/// Writes an authority file with one entry for a local display under this machine's name.
pub(crate) fn write_authority(path: &Path, number: u16, cookie: &[u8]) {
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut bytes = 0x0100_u16.to_be_bytes().to_vec();
    for part in [hostname.trim().as_bytes(), number.to_string().as_bytes(), b"MIT-MAGIC-COOKIE-1", cookie] {
        bytes.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend(part);
    }
    fs::write(path, bytes).unwrap();
}
