//! Docker and rootless Podman: the same launch, tried on both.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::displays::{Display, Kind};
use crate::lab::{Patient, ids_of, lab};

/// The program under which containers of a launch are known.
const NAME: &str = "casa-doctor-run.";

/// An engine that keeps its images itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Docker,
    Podman,
}

/// Both engines, one test at a time: what they leave behind is counted.
pub(crate) fn both(test: impl Fn(Engine)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one: MutexGuard<'_, ()> = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    daemon();
    for engine in [Engine::Docker, Engine::Podman] {
        test(engine);
        assert_eq!(engine.containers(), "", "{engine:?} keeps containers");
    }
}

/// Docker's daemon, held as long as this test program lives.
fn daemon() {
    static HELD: OnceLock<Child> = OnceLock::new();
    HELD.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/hold-docker");
        let mut child = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{script} found no Docker daemon and could not start one");
        child
    });
}

impl Engine {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// Gives somebody what the engine needs, and a place for private files.
    pub(crate) fn give(self, mut patient: Patient) -> Patient {
        patient.file("run/.keep", "");
        let own = patient.home().join("run");
        match self {
            Self::Docker => patient.set("XDG_RUNTIME_DIR", own.to_str().unwrap()),
            Self::Podman => {
                let run = Path::new(lab().value("LAB_PODMAN_RUN"));
                if !run.exists() {
                    std::fs::create_dir_all(run).unwrap();
                    lab().give(run);
                }
                patient.set("CONTAINERS_STORAGE_CONF", lab().value("LAB_PODMAN_STORAGE"));
                patient.set("XDG_RUNTIME_DIR", run.to_str().unwrap())
            }
        };
        patient
    }

    /// Somebody who can use the engine.
    pub(crate) fn patient(self) -> Patient {
        self.give(Patient::new())
    }

    /// The engine itself, as the ordinary user.
    fn command(self, args: &[&str]) -> Command {
        let patient = self.patient();
        let mut command = lab().command(self.name(), Path::new(lab().value("LAB_HOME")));
        command.args(args).envs(patient.variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        // The place of private files goes with the person; the engine's own does not.
        if self == Self::Docker {
            command.env_remove("XDG_RUNTIME_DIR");
        }
        command
    }

    /// Names of containers of launches, running or not.
    fn containers(self) -> String {
        let output =
            self.command(&["ps", "--all", "--filter", &format!("name={NAME}"), "--format", "{{.Names}} {{.Status}}"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    /// An environment around the lab's image with more in its configuration.
    pub(crate) fn environment(self, patient: &Patient, more: &Value) -> String {
        let mut configuration: Value =
            serde_json::from_str(&crate::lab::healthy_configuration(lab().value("LAB_DOCKER_IMAGE"))).unwrap();
        configuration["container_type"] = json!(self.name());
        for (key, value) in more.as_object().unwrap() {
            configuration[key] = value.clone();
        }
        patient.environment("brainvisa-5.3", &configuration.to_string()).to_str().unwrap().to_owned()
    }
}

/// Private directories of launches, in the place of a person.
pub(crate) fn private_directories(patient: &Patient) -> Vec<PathBuf> {
    let (_, place) = patient.variables.iter().find(|(name, _)| name == "XDG_RUNTIME_DIR").unwrap();
    let entries = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().as_bytes().starts_with(NAME.as_bytes())).collect()
}

/// `casa-doctor run` without a display, in the mode that needs no look at the machine.
fn run<'a>(environment: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    [&["run", environment, "--no-gui", "--opengl", "container", "--"], command].concat()
}

/// A launch under way, whose program has said "ready" on standard output.
pub(crate) struct Launch {
    child: Child,
    pub(crate) output: BufReader<std::process::ChildStdout>,
}

impl Launch {
    /// Starts it.
    pub(crate) fn start(patient: &Patient, args: &[&str]) -> Self {
        let mut child = patient.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "ready", "{:?}", child.wait());
        Self { child, output }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status().unwrap().success());
    }

    /// What else it says on standard output, and how it ends.
    pub(crate) fn rest(&mut self) -> (String, ExitStatus) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        (text, self.child.wait().unwrap())
    }
}

impl Drop for Launch {
    /// A test that fails half-way leaves no container to the next one.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            drop(self.child.wait());
        }
    }
}

#[test]
fn exit_statuses_are_those_of_the_command_or_of_a_shell() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        for (script, status) in
            [("exit 0", 0), ("exit 42", 42), ("exit 125", 125), ("exit 127", 127), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
        {
            let answer = patient.run(run(&environment, &["sh", "-c", script]));
            answer.assert_status(status);
            assert!(!answer.stderr().contains("before the command was started"), "{}", answer.all());
        }
        patient.run(run(&environment, &["no-such-program", "x"])).assert_status(127);
        patient.run(run(&environment, &["/etc/passwd"])).assert_status(126);
        assert!(private_directories(&patient).is_empty());
    });
}

#[test]
fn a_container_that_does_not_start_is_125_with_the_reason() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let start = |more: &[&str]| {
            let answer =
                patient.run([&["run", environment.as_str(), "--no-gui", "--opengl", "container"], more, &["--", "true"]].concat());
            answer.assert_status(125);
            answer.stderr()
        };
        assert!(start(&["--image", "no-such-image:1"]).contains("image-missing"));
        assert!(start(&["--image", "/nowhere.sif"]).contains("convert_image"));
        start(&["--cwd", "/nowhere"]);
        let unknown_option = engine.environment(&patient, &json!({"container_options": ["--no-such-option"]}));
        patient.run(run(&unknown_option, &["true"])).assert_status(125);
        assert!(private_directories(&patient).is_empty(), "nothing stays behind a failed start");
    });
}

#[test]
fn a_daemon_that_cannot_be_used_is_125_and_named() {
    both(|engine| {
        if engine == Engine::Podman {
            return;
        }
        let mut patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        patient.set("DOCKER_HOST", "unix:///nowhere/docker.sock");
        let answer = patient.run(run(&environment, &["true"]));
        answer.assert_status(125);
        assert!(
            answer.stderr().contains("docker-daemon-down") && answer.stderr().contains("/nowhere/docker.sock"),
            "{}",
            answer.all()
        );
    });
}

#[test]
fn signals_reach_the_program_and_nothing_stays() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        for signal in ["TERM", "HUP", "INT", "QUIT", "USR1"] {
            let trap = format!("trap 'echo {signal}; exit 5' {signal}; echo ready; for i in $(seq 100); do sleep 0.1; done");
            let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", &trap]));
            assert_eq!(private_directories(&patient).len(), 1);
            launch.signal(signal);
            let (text, ended) = launch.rest();
            assert_eq!((text, ended.code()), (format!("{signal}\n"), Some(5)), "{engine:?}");
        }
        let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", "echo ready; exec sleep 30"]));
        launch.signal("TERM");
        assert_eq!(launch.rest().1.code(), Some(143));
        assert!(private_directories(&patient).is_empty());
    });
}

#[test]
fn a_signal_during_the_start_ends_it() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        for delay in [30, 120, 250, 400, 600] {
            let mut child = patient.command(run(&environment, &["sleep", "30"])).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            let started = Instant::now();
            Command::new("kill").arg(child.id().to_string()).status().unwrap();
            let status = child.wait().unwrap();
            // Before casa-doctor has taken the signal over, it ends by it as any program does.
            assert!(status.code() == Some(143) || status.signal() == Some(15), "{engine:?} after {delay} ms: {status:?}");
            assert!(started.elapsed() < Duration::from_secs(15), "{engine:?} after {delay} ms");
        }
        assert!(private_directories(&patient).is_empty());
    });
}

#[test]
fn what_a_killed_launch_leaves_is_removed_by_the_next_one() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", "echo ready; exec sleep 600"]));
        launch.signal("KILL");
        assert_eq!(launch.child.wait().unwrap().signal(), Some(9));
        assert_ne!(engine.containers(), "", "it goes on by itself");
        let mut beside = Launch::start(&patient, &run(&environment, &["sh", "-c", "echo ready; exec sleep 2"]));
        assert_eq!(engine.containers().lines().count(), 1, "the old one is gone, the running one is there");
        patient.run(run(&environment, &["true"])).assert_status(0);
        assert_eq!(beside.rest().1.code(), Some(0), "a launch in use is not swept");
        assert!(private_directories(&patient).is_empty());
    });
}

#[test]
fn streams_pass_through_untouched() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let mut command = patient.command(run(&environment, &["cat"]));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let to_write = bytes.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&to_write).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success() && output.stdout == bytes, "{} bytes came back of {}", output.stdout.len(), bytes.len());
        let answer = patient.run(run(&environment, &["sh", "-c", "echo out; echo err >&2; test ! -t 1"]));
        answer.assert_status(0);
        assert_eq!(answer.stdout(), "out\n");
        assert!(answer.stderr().contains("err\n"));
    });
}

#[test]
fn the_program_has_a_terminal_of_the_right_size_when_there_is_one() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let line = format!(
            "stty rows 33 cols 99; {} run {environment} --no-gui --opengl container -- sh -c 'test -t 0 && test -t 1 && test -t 2 && stty size && exit 9'",
            lab().program().display()
        );
        let mut command = lab().command("script", patient.home());
        command.envs(patient.variables.iter().map(|(name, value)| (name, value)));
        let output = command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("33 99"), "{}", String::from_utf8_lossy(&output.stdout));
    });
}

#[test]
fn in_the_background_only_who_reads_waits_for_the_terminal() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let (run, output) = (format!("{} run {environment} --no-gui --opengl container --", lab().program().display()), "output");
        let lines = format!(
            "set -m\ncd {}\n{run} sh -c 'sleep 1; echo done' >{output} 2>&1 & wait $!\necho status=$?\ncat {output}\n\
             {run} head -n 1 >{output} 2>&1\ncat {output}\n",
            patient.home().display()
        );
        let lines = patient.file("lines", lines);
        let mut command = lab().command("script", patient.home());
        command.envs(patient.variables.iter().map(|(name, value)| (name, value))).args(["-qec"]);
        command.arg(format!("bash {}", lines.display())).arg("/dev/null").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"typed\n").unwrap();
        let told = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(told.contains("status=0") && told.contains("done"), "{told}");
        assert_eq!(told.matches("typed").count(), 2, "as it was echoed and as it was read: {told}");
    });
}

#[test]
fn every_byte_of_arguments_and_variables_arrives_and_no_secret_is_listed() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({"env": {"FROM_FILE": "a $HOME {{b}}", "API_TOKEN": "hunter2"}}));
        let words: [&[u8]; 6] = [b"plain", b"", b"two words", b"$HOME`id`\\\"'", b"line\nbreak", b"latin \xe9 1'"];
        let mut command = patient.command(run(&environment, &["printf", "%s|"]));
        command.args(words.iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        let output = command.output().unwrap();
        assert_eq!(output.stdout, words.iter().flat_map(|word| [word, &b"|"[..]].concat()).collect::<Vec<u8>>());

        let value = "x$HOME`id`\\n\\\\\"'{}\ny";
        let assignment = format!("V={value}");
        let script = "echo ready; printf '%s|%s|%s' \"$V\" \"$FROM_FILE\" \"$API_TOKEN\"; sleep 2";
        let args = ["run", &environment, "--no-gui", "--opengl", "container", "--env", &assignment, "--", "sh", "-c", script];
        let mut launch = Launch::start(&patient, &args);
        let name = engine.containers().split(' ').next().unwrap().to_owned();
        let told = engine.command(&["inspect", &name]).output().unwrap();
        assert!(told.status.success());
        assert!(!String::from_utf8_lossy(&told.stdout).contains("hunter2"), "the engine lists the secret");
        let listed = Command::new("ps").args(["-ww", "-eo", "args"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&listed.stdout).contains("hunter2"), "the secret stands in an argument");
        let expected = format!("{value}|a {} {{b}}|hunter2", patient.home().display());
        assert_eq!(launch.rest().0, expected);
    });
}

#[test]
fn the_user_is_the_same_inside_and_files_are_theirs() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let inside = patient.home().join("made inside");
        let script = "id -u; id -un; uname -n; echo $HOME; touch \"$1\"; touch /casa/home/x; ssh -G host >/dev/null && echo known";
        let answer = patient.run(run(&environment, &["sh", "-c", script, "sh", inside.to_str().unwrap()]));
        answer.assert_status(0);
        let of = |option: &str| {
            let output = lab().command("id", Path::new("/")).arg(option).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let expected = [of("-u"), of("-un"), hostname.trim().to_owned(), "/casa/home".into(), "known".into()];
        assert_eq!(answer.stdout().lines().collect::<Vec<_>>(), expected, "{}", answer.all());
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&inside).unwrap());
        assert_eq!(owner.to_string(), expected[0]);
        // In the current directory, as outside; and where that is not there, at home.
        let here = patient.file("here/file", "");
        let mut command = patient.command(run(&environment, &["pwd"]));
        let output = command.current_dir(here.parent().unwrap()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), here.parent().unwrap().to_str().unwrap());
    });
}

#[test]
fn mounts_of_any_name_arrive_and_missing_ones_are_not_made() {
    both(|engine| {
        let patient = engine.patient();
        let names = ["plain", "two words", " blank ", "comma,colon:", "quote\"'caret^", "back\\slash", "é"];
        let missing = patient.home().join("not there");
        let mut mounts = json!({"/gone": missing.to_str().unwrap(), "/mnt": null});
        for (index, name) in names.iter().enumerate() {
            let file = patient.file(&format!("{name}/file"), format!("content {index}"));
            mounts[format!("/data/{index}")] = json!(file.parent().unwrap().to_str().unwrap());
        }
        let environment = engine.environment(&patient, &json!({"mounts": mounts}));
        let answer = patient.run(run(&environment, &["sh", "-c", "cat /data/?/file; test ! -e /gone"]));
        answer.assert_status(0);
        let expected: String = (0..names.len()).map(|index| format!("content {index}")).collect();
        assert_eq!(answer.stdout(), expected, "{}", answer.all());
        assert!(answer.stderr().contains("not there"), "{}", answer.stderr());
        assert!(!missing.exists(), "a missing source was made");
    });
}

#[test]
fn a_live_agent_lists_its_keys_inside() {
    both(|engine| {
        let mut patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let (socket, key) = (patient.home().join("agent"), patient.home().join("key"));
        let mut agent =
            lab().command("ssh-agent", patient.home()).arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let mut keygen = lab().command("ssh-keygen", patient.home());
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "of the test", "-f"]).arg(&key);
        assert!(keygen.status().unwrap().success());
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let add = lab().command("ssh-add", patient.home()).env("SSH_AUTH_SOCK", &socket).arg("-q").arg(&key).status();
        assert!(add.unwrap().success());
        patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());
        let live = patient.run(run(&environment, &["ssh-add", "-l"]));
        agent.kill().unwrap();
        agent.wait().unwrap();
        live.assert_status(0);
        assert!(live.stdout().contains("of the test"), "{}", live.all());
        let stale = patient.run(run(&environment, &["sh", "-c", "echo agent=$SSH_AUTH_SOCK"]));
        stale.assert_status(0);
        assert_eq!(stale.stdout(), "agent=\n");
    });
}

#[test]
fn the_line_of_a_dry_run_does_the_same_in_a_shell() {
    let display = Display::start(Kind::Xvfb);
    both(|engine| {
        let patient = engine.give(display.patient());
        let environment = engine.environment(&patient, &json!({"env": {"ODD": "it's $HOME", "A_SECRET": "x y"}}));
        let script = "echo \"$ODD|$DISPLAY|$A_SECRET\"; exit 4";
        let args = |dry: &'static str| {
            ["run", &environment, "--opengl", "software", "--cwd", "/casa", dry, "--", "sh", "-c", script].map(str::to_owned)
        };
        let shown = patient.run(args("--dry-run"));
        shown.assert_status(0);
        let line = shown.stdout();
        assert_eq!(line.trim_end().lines().count(), 1, "{line}");
        let mut shell = lab().command("bash", patient.home());
        shell.args(["-c", &line]).envs(patient.variables.iter().map(|(name, value)| (name, value)));
        // The first start makes the home, which the line mounts.
        let real = patient.run(args("--no-diagnosis"));
        let by_hand = shell.output().unwrap();
        assert_eq!(by_hand.status.code(), Some(4), "{line}\n{}", String::from_utf8_lossy(&by_hand.stderr));
        assert_eq!((String::from_utf8_lossy(&by_hand.stdout).into_owned(), real.output.status.code()), (real.stdout(), Some(4)));
    });
}

#[test]
fn the_diagnosis_asks_the_engine_for_the_image() {
    both(|engine| {
        let patient = engine.patient();
        let environment = engine.environment(&patient, &json!({}));
        let (document, answer) = patient.diagnose([environment.as_str(), "--no-graphics"]);
        assert_eq!(document["facts"]["image"]["named"]["engine"], engine.name(), "{}", answer.all());
        let errors = ids_of(&document, &["error"]);
        assert!(
            !errors.iter().any(|id| id.starts_with("image") || id.starts_with("docker") || id.starts_with("config")),
            "{errors:?}"
        );
        let missing = engine.environment(&patient, &json!({"image": "casa-lab:0.0"}));
        let (document, answer) = patient.diagnose([missing.as_str(), "--no-graphics"]);
        answer.assert_status(1);
        assert!(ids_of(&document, &["error"]).contains(&"image-missing".to_owned()), "{}", answer.all());
    });
}

#[test]
fn every_mode_is_measured_inside_the_image() {
    let display = Display::start(Kind::Xvfb);
    both(|engine| {
        let patient = engine.give(display.patient());
        let environment = engine.environment(&patient, &json!({}));
        let answer = patient.run(["measure", "--format", "json", &environment]);
        let document: Value =
            serde_json::from_slice(&answer.output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", answer.all()));
        for (mode, renderer) in [("container", "LAB_RENDERER_CONTAINER"), ("software", "LAB_RENDERER_SOFTWARE")] {
            let measurements = document["measurements"].as_array().unwrap().iter();
            let of_mode = measurements.into_iter().find(|one| one["where"] == "image" && one["opengl"] == mode);
            let of_mode = of_mode.unwrap_or_else(|| panic!("{engine:?} {mode}: {}", answer.all()));
            assert_eq!(of_mode["pixels_correct"], true, "{engine:?} {mode}: {of_mode:#}");
            assert!(of_mode["renderer"].as_str().unwrap().contains(lab().value(renderer)), "{engine:?} {mode}: {of_mode:#}");
        }
        assert!(private_directories(&patient).is_empty());
    });
}
