//! Living with a container while it runs, and removing it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCONT, SIGTSTP};

use super::super::dialect::{HandedOver, Running};
use crate::host::{Command, Host};

/// How long the engine may take to run a small command in a container, or to remove one.
const LIMIT: Duration = Duration::from_secs(20);

/// How long signals wait for the command before they end what would start it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a container that may come to be is looked for, how often where nothing is left that makes it, and the time in between.
const ATTEMPTS: u32 = 20;
const FEW_ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);

/// Sends signals to the command. Before it is there they wait for it, since a container that is just being made cannot be removed; only
/// where that takes too long, they end the engine's program.
pub(super) fn hand_over(host: &dyn Host, engine: &Path, running: &Running<'_>, signals: &BTreeSet<i32>) -> HandedOver {
    let Some(started) = running.started else {
        let ends = signals.iter().any(|signal| ![SIGTSTP, SIGCONT].contains(signal));
        if running.waited < PATIENCE || !ends {
            return HandedOver::NotYet;
        }
        signal(running.engine, &BTreeSet::from([Signal::TERM.as_raw()]));
        return HandedOver::EngineEnded;
    };
    if let Some(pid) = number_outside(host, started, running.name)
        && signal(pid, signals)
    {
        return HandedOver::Done;
    }
    // The process is in a virtual machine, or belongs to another user: somebody inside has to send it.
    for number in signals {
        let words = ["exec", running.name, "/bin/sh", "-c", &format!("kill -{number} {started}")];
        host.run(&Command::new(engine, LIMIT).args(words));
    }
    HandedOver::Done
}

/// True when all could be sent, or the process has ended meanwhile.
fn signal(pid: i32, signals: &BTreeSet<i32>) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    let mut signals = signals.iter().filter_map(|signal| Signal::from_named_raw(*signal));
    signals.all(|signal| matches!(kill_process(pid, signal), Ok(()) | Err(rustix::io::Errno::SRCH)))
}

/// The number that a process of the container has on this machine. It is known by its number inside and by the directory of the launch,
/// which stands among its mounts; so no engine has to be asked.
fn number_outside(host: &dyn Host, inside: i32, name: &str) -> Option<i32> {
    let numbers = host.read_dir(Path::new("/proc")).unwrap_or_default();
    let mut numbers = numbers.iter().filter_map(|number| number.to_str()?.parse::<i32>().ok());
    numbers.find(|pid| {
        let read = |file: &str| host.read_text(Path::new(&format!("/proc/{pid}/{file}")), 4 << 20).unwrap_or_default();
        let innermost = |line: &str| line.strip_prefix("NSpid:")?.split_whitespace().next_back()?.parse::<i32>().ok();
        read("status").lines().find_map(innermost) == Some(inside) && read("mountinfo").contains(&format!("/{name}/"))
    })
}

/// Removes a container. It may be just being made: by the engine's program of a killed run, which is waited for and then ended, or, with
/// `abandoned`, by a daemon whose client was ended meanwhile. False when it may still be there.
pub(in crate::launch) fn remove(host: &dyn Host, engine: &Path, name: &str, abandoned: bool) -> bool {
    for attempt in 0..ATTEMPTS {
        match remove_once(host, engine, name) {
            Removed::Yes => return true,
            Removed::Unknown => return false,
            Removed::NotThere => {}
        }
        let clients = clients(host, engine, name);
        if clients.is_empty() && (!abandoned || attempt >= FEW_ATTEMPTS) {
            return true;
        }
        if attempt == ATTEMPTS / 2 {
            for pid in clients {
                signal(pid, &BTreeSet::from([Signal::TERM.as_raw()]));
            }
        }
        std::thread::sleep(PAUSE);
    }
    clients(host, engine, name).is_empty()
}

enum Removed {
    Yes,
    NotThere,
    Unknown,
}

fn remove_once(host: &dyn Host, engine: &Path, name: &str) -> Removed {
    let output = host.run(&Command::new(engine, LIMIT).args(["rm", "--force", "--volumes", name]).env("LC_ALL", "C"));
    let said = output.stderr_text().to_ascii_lowercase();
    if ["no such container", "no container with"].iter().any(|words| said.contains(words)) {
        Removed::NotThere
    } else if output.success() && !output.stdout_text().trim().is_empty() {
        Removed::Yes
    } else if output.success() {
        // Docker since 23 is silent about one that is not there.
        Removed::NotThere
    } else {
        Removed::Unknown
    }
}

/// The engine's programs that make or run a container.
fn clients(host: &dyn Host, engine: &Path, name: &str) -> Vec<i32> {
    let numbers = host.read_dir(Path::new("/proc")).unwrap_or_default();
    let is_client = |pid: &i32| {
        let words = host.read(Path::new(&format!("/proc/{pid}/cmdline")), 4 << 20).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0);
        words.next() == Some(engine.as_os_str().as_encoded_bytes()) && words.any(|word| word == name.as_bytes())
    };
    numbers.iter().filter_map(|number| number.to_str()?.parse::<i32>().ok()).filter(is_client).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn a_process_of_a_container_is_found_by_its_number_and_its_mounts() {
        let mounts = |name: &str| format!("9 8 0:1 /run/{name}/shown /casa/doctor rw - tmpfs tmpfs rw\n");
        let host = RecordedHost::new()
            .file("/proc/40/status", "Name:\tsh\nNSpid:\t40\t7\n")
            .file("/proc/40/mountinfo", mounts("casa-doctor-run.1.b"))
            .file("/proc/41/status", "Name:\tsh\nNSpid:\t41\t7\n")
            .file("/proc/41/mountinfo", mounts("casa-doctor-run.1.a"))
            .file("/proc/42/status", "Name:\tsh\nNSpid:\t42\n")
            .file("/proc/7/status", "Name:\tsh\nNSpid:\t7\n");
        assert_eq!(number_outside(&host, 7, "casa-doctor-run.1.a"), Some(41));
        assert_eq!(number_outside(&host, 8, "casa-doctor-run.1.a"), None);
    }

    #[test]
    fn a_container_that_is_not_there_is_removed_already() {
        let rm = ["/usr/bin/docker", "rm", "--force", "--volumes", "casa-doctor-run.1.a"];
        let answer = |status, said: &str| {
            let host = RecordedHost::new().command(&rm, status, "", said);
            remove(&host, Path::new("/usr/bin/docker"), "casa-doctor-run.1.a", false)
        };
        assert!(answer(0, ""));
        assert!(answer(1, "Error response from daemon: No such container: casa-doctor-run.1.a\n"));
        assert!(answer(1, "Error: no container with ID or name \"casa-doctor-run.1.a\" found: no such container\n"));
        assert!(!answer(1, "Cannot connect to the Docker daemon\n"));
    }
}
