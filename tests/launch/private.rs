//! Nothing secret where others can read it: arguments are for every user of the machine, an environment for the same user and root.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::lab::{Patient, XServer};
use crate::support::{Launch, environment, private_directories, with_runtime_directory};

/// What must not be in an argument: the value of a variable, and the cookie in any of the ways that it could be written.
#[test]
fn no_argument_of_any_process_holds_a_value_or_a_cookie() {
    let server = XServer::start();
    let mut patient = with_runtime_directory(Patient::at(&server));
    patient.set("TOKEN_OF_THE_SHELL", "shell-secret-5a17");
    let environment = environment(&patient, &json!({"env": {"TOKEN": "file-secret-c0de", "COPY": "$TOKEN_OF_THE_SHELL"}}));
    let script = "echo ready; exec sleep 3";
    let args = ["run", &environment, "--opengl", "container", "--env", "ASKED=line-secret-77", "--", "sh", "-c", script]
        .map(str::to_owned);
    let mut launch = Launch::start(&patient, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let cookie = fs::read(server.authority()).unwrap().split_off(0);
    let cookie = &cookie[cookie.len() - 16..];
    let hexadecimal: String = cookie.iter().map(|byte| format!("{byte:02x}")).collect();
    let processes = below(launch.child.id());
    assert!(processes.len() >= 3, "the engine and the program were looked at: {processes:?}");
    let own = launch.child.id();
    for pid in processes {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let holds = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        let (arguments, variables) = (read("cmdline"), read("environ"));
        for secret in [b"file-secret-c0de".as_slice(), b"shell-secret-5a17", cookie, hexadecimal.as_bytes()] {
            assert!(!holds(&arguments, secret), "process {pid}: {}", String::from_utf8_lossy(&arguments));
        }
        // What the user types is in the arguments of what the user started, and nowhere else.
        assert!(pid == own || !holds(&arguments, b"line-secret-77"), "process {pid}: {}", String::from_utf8_lossy(&arguments));
        for secret in [cookie, hexadecimal.as_bytes()] {
            assert!(!holds(&variables, secret), "process {pid}");
        }
    }
    // The file with the cookie is for its owner alone, and so is the directory that it is in.
    let directory = private_directories(&patient).pop().unwrap();
    use std::os::unix::fs::MetadataExt;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("Xauthority"))), (0o700, 0o600));
    assert_eq!(launch.rest().1.code(), Some(0));
}

/// A process and all below it.
fn below(root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let parents = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()?))
        });
        let more: BTreeSet<u32> = parents.filter(|(_, parent)| found.contains(parent)).map(|(pid, _)| pid).collect();
        let size = found.len();
        found.extend(more);
        if found.len() == size {
            return found;
        }
    }
}
