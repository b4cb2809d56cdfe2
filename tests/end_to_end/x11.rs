//! Nine ways in which an X server cannot be used, each with its own finding, within the probe's limit.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use crate::lab::{Patient, XServer, cookie, free_display, ids, lab, write_authority};

/// The limit that these tests give each probe.
const LIMIT: Duration = Duration::from_millis(1500);
/// How much longer the whole run may take.
const SLACK: Duration = Duration::from_millis(300);

/// Diagnoses and expects one of the X findings and no other.
#[track_caller]
fn expect_only(patient: &Patient, expected: &str) -> serde_json::Value {
    let (document, answer) = patient.diagnose(["--probe-timeout", "1.5", "--fail-on", "warning"]);
    let found: Vec<_> = ids(&document).into_iter().filter(|id| id.starts_with("x11-")).collect();
    assert_eq!(found, [expected], "{}", answer.all());
    assert!(answer.took <= LIMIT + SLACK, "{expected} took {:?}", answer.took);
    answer.assert_status(1);
    document["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == expected).unwrap().clone()
}

/// The text of a finding's evidence and title, in one string.
fn told(finding: &serde_json::Value) -> String {
    let evidence = finding["evidence"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    std::iter::once(finding["title"].as_str().unwrap()).chain(evidence).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_display() {
    expect_only(&Patient::new(), "x11-no-display");
}

#[test]
fn without_a_socket() {
    let mut patient = Patient::new();
    let number = free_display();
    patient.set("DISPLAY", &format!(":{number}"));
    let finding = expect_only(&patient, "x11-unreachable");
    assert!(told(&finding).contains(&format!("X{number}")), "{finding:#}");
}

#[test]
fn with_a_stale_socket() {
    let number = free_display();
    let path = PathBuf::from(format!("/tmp/.X11-unix/X{number}"));
    drop(UnixListener::bind(&path).unwrap());
    let mut patient = Patient::new();
    patient.set("DISPLAY", &format!(":{number}"));
    lab().give(&path);
    let stale = expect_only(&patient, "x11-unreachable");
    std::fs::remove_file(&path).unwrap();
    let missing = expect_only(&patient, "x11-unreachable");
    assert_ne!(told(&stale), told(&missing), "a stale socket and a missing one are told alike");
}

#[test]
fn without_a_cookie() {
    let server = XServer::start();
    let mut patient = Patient::new();
    patient.set("DISPLAY", &server.display());
    expect_only(&patient, "x11-cookie-missing");
}

#[test]
fn with_the_wrong_cookie() {
    let server = XServer::start();
    let mut patient = Patient::new();
    let authority = patient.home().join(".Xauthority");
    write_authority(&authority, server.number(), &cookie());
    lab().give(patient.home());
    patient.set("DISPLAY", &server.display());
    expect_only(&patient, "x11-cookie-rejected");
}

#[test]
fn with_an_untrusted_cookie() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let untrusted = patient.home().join("untrusted");
    let mut xauth = lab().command("xauth", patient.home());
    xauth.arg("-f").arg(&untrusted).args(["generate", &server.display(), ".", "untrusted", "timeout", "600"]);
    // xauth asks the server with the cookie that it finds in the file it writes to.
    std::fs::copy(server.authority(), &untrusted).unwrap();
    lab().give(patient.home());
    let made = xauth.env("XAUTHORITY", server.authority()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut patient = patient;
    patient.set("XAUTHORITY", untrusted.to_str().unwrap());
    expect_only(&patient, "x11-untrusted-cookie");
}

#[test]
fn with_a_silent_listener() {
    let number = free_display();
    let path = PathBuf::from(format!("/tmp/.X11-unix/X{number}"));
    let listener = UnixListener::bind(&path).unwrap();
    lab().give(&path);
    let mut patient = Patient::new();
    patient.set("DISPLAY", &format!(":{number}"));
    expect_only(&patient, "x11-server-hung");
    drop(listener);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn with_a_stopped_server() {
    let server = XServer::start();
    server.signal("STOP");
    expect_only(&Patient::at(&server), "x11-server-hung");
}

#[test]
fn when_tcp_is_refused() {
    let mut patient = Patient::new();
    // Nobody listens on the port of so high a display.
    patient.set("DISPLAY", "127.0.0.1:7");
    let finding = expect_only(&patient, "x11-unreachable");
    assert!(told(&finding).contains("6007"), "{finding:#}");
}

#[test]
fn when_a_forwarded_display_is_dead() {
    let mut patient = Patient::new();
    patient.set("DISPLAY", "localhost:87.0").set("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22");
    expect_only(&patient, "x11-forwarding-dead");
}

#[test]
fn a_healthy_server_gives_no_x_finding_above_info() {
    let server = XServer::start();
    let (document, answer) = Patient::at(&server).diagnose::<&str>([]);
    let bad = crate::lab::ids_of(&document, &["error", "warning"]);
    assert!(!bad.iter().any(|id| id.starts_with("x11-") || id.starts_with("gl-")), "{bad:?}\n{}", answer.all());
    assert_eq!(document["facts"]["x11"]["connection"]["state"], "connected");
}

#[test]
fn without_the_program_xauth() {
    let server = XServer::start();
    let mut patient = Patient::at(&server);
    let environment = patient.healthy_environment();
    let (document, answer) = patient.diagnose([&environment]);
    assert!(!ids(&document).contains(&"x11-xauth-missing"), "{}", answer.all());
    let programs = patient.home().join("programs");
    std::fs::create_dir(&programs).unwrap();
    // What the lab itself needs to start a program as its user.
    std::os::unix::fs::symlink("/usr/bin/setpriv", programs.join("setpriv")).unwrap();
    patient.set("PATH", programs.to_str().unwrap());
    let (document, answer) = patient.diagnose([&environment]);
    assert!(ids(&document).contains(&"x11-xauth-missing"), "{}", answer.all());
}
