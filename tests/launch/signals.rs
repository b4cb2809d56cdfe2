//! Many launches, each with a signal at a moment of its own: the status is right and nothing stays behind.
//!
//! `CASA_DOCTOR_LAUNCHES` says how many (40 without it), `CASA_DOCTOR_SEED` which: the seed is printed.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::lab::Patient;
use crate::support::{environment, patient, private_directories, run};

/// What is sent: name and number.
const SIGNALS: [(&str, i32); 6] = [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3), ("USR1", 10), ("KILL", 9)];

/// A generator of numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What the launched program is, and the status with which it ends by itself.
const PROGRAMS: [(&str, i32); 3] = [
    ("exec sleep 0.3", 0),
    // It ends a while after it was told.
    ("trap 'sleep 0.1; exit 77' INT TERM HUP QUIT USR1; i=0; while [ $i -lt 4 ]; do sleep 0.1; i=$((i+1)); done; exit 7", 7),
    // Two processes, of which the shell waits.
    ("sleep 0.3; exit 8", 8),
];

/// None of them ends sooner.
const SHORTEST: Duration = Duration::from_millis(300);

#[test]
fn a_signal_at_any_moment_leaves_nothing_behind_and_the_status_is_right() {
    let launches = number("CASA_DOCTOR_LAUNCHES", 40);
    let seed = number("CASA_DOCTOR_SEED", u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()));
    println!("{launches} launches with CASA_DOCTOR_SEED={seed}");
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    patient.run(run(&environment, &["true"])).assert_status(0);
    let mut random = Random(seed);
    let mut told = std::collections::BTreeMap::<String, u32>::new();
    for launch in 0..launches {
        let (name, signal) = SIGNALS[usize::try_from(random.below(SIGNALS.len() as u64)).unwrap()];
        let (script, own) = PROGRAMS[usize::try_from(random.below(PROGRAMS.len() as u64)).unwrap()];
        let delay = Duration::from_millis(random.below(700));
        let mut child =
            patient.command(run(&environment, &["sh", "-c", script])).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        std::thread::sleep(delay);
        // One that has ended already gets no signal.
        drop(Command::new("kill").args([format!("-{name}"), child.id().to_string()]).stderr(Stdio::null()).status());
        // On a busy machine it may come later than it was meant to.
        let sent = started.elapsed();
        let status = child.wait().unwrap();
        let what = format!(
            "launch {launch}: {name} after {delay:?} (sent by {sent:?}) to `{script}`: {status:?} after {:?}",
            started.elapsed()
        );
        assert!(is_right(status, signal, own, sent), "{what}");
        *told
            .entry(format!("{name} {}", status.code().map_or_else(|| "ended casa-doctor".to_owned(), |code| code.to_string())))
            .or_default() += 1;
        if signal == 9 {
            // Nobody is left to clean up: the program goes on to its own end, and the next launch sweeps.
            wait_until(&what, || processes_of(&patient).is_empty());
            patient.run(run(&environment, &["true"])).assert_status(0);
        }
        wait_until(&what, || processes_of(&patient).is_empty());
        assert!(private_directories(&patient).is_empty(), "{what}: {:?}", private_directories(&patient));
    }
    println!("{told:#?}");
}

/// The status of a program that got the signal, that had ended before, or that ends as its trap says; or casa-doctor itself ended by the
/// signal, before it had taken it over.
fn is_right(status: ExitStatus, signal: i32, own: i32, sent: Duration) -> bool {
    let by_trap = own == 7 && status.code() == Some(77);
    // No program is done before that: a signal that came earlier must not get lost.
    let may_be_done = sent >= SHORTEST && status.code() == Some(own);
    status.signal() == Some(signal) || status.code() == Some(128 + signal) || may_be_done || by_trap
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: something is left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes whose environment names the home of this test.
fn processes_of(patient: &Patient) -> Vec<PathBuf> {
    let home = format!("HOME={}", patient.home().display()).into_bytes();
    let mounts = patient.home().as_os_str().as_encoded_bytes().to_owned();
    let is_of_test = |directory: &Path| {
        let has = |file: &str, wanted: &[u8]| {
            fs::read(directory.join(file)).is_ok_and(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
        };
        has("environ", &home) || has("cmdline", &mounts)
    };
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit()) && is_of_test(path))
        .collect()
}
