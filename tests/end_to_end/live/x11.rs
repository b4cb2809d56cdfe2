//! Displays that let nobody in, the wrong ones in, or everybody; and containers that are cut off from them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{as_nobody, assert_found, document_of, environment, expect, finding, mode, said_by, told};
use crate::displays::{Display, Kind, Process};
use crate::lab::{Patient, XServer, cookie, free_display, lab, write_authority};

const ONLY_X: [&str; 2] = ["--only", "x11"];

/// Has the ordinary user tell the server who may come in.
fn xhost(server: &XServer, words: &[&str]) {
    let mut command = lab().command("xhost", Path::new("/"));
    command.env("DISPLAY", server.display()).env("XAUTHORITY", server.authority()).args(words);
    let output = command.output().expect("xhost is missing: run tests/lab/setup");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_may_come_in_without_a_cookie() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    expect(&patient, ONLY_X, &[]);
    // The cure that is advised for another user is no reason for an alarm.
    xhost(&server, &["+si:localuser:daemon"]);
    let document = expect(&patient, ONLY_X, &[]);
    assert!(told(&document, "x11-access-control-off").contains("xhost -SI:localuser:daemon"));
    xhost(&server, &["-si:localuser:daemon"]);
    xhost(&server, &["+inet:192.0.2.7"]);
    let document = expect(&patient, ONLY_X, &["x11-access-control-off"]);
    assert!(told(&document, "x11-access-control-off").contains("every user of 192.0.2.7"));
    xhost(&server, &["-inet:192.0.2.7"]);
    xhost(&server, &["+"]);
    let document = expect(&patient, ONLY_X, &["x11-access-control-off"]);
    assert_eq!(finding(&document, "x11-access-control-off")["advice"][0]["command"], "xhost -");
    xhost(&server, &["-"]);
    expect(&patient, ONLY_X, &[]);
}

#[test]
fn the_display_of_another_user() {
    let server = XServer::start();
    let mut patient = Patient::new();
    patient.set("DISPLAY", &server.display());
    let document = of_nobody(&patient, &["x11-other-user"]);
    assert_eq!(finding(&document, "x11-other-user")["advice"][0]["command"], "xhost +si:localuser:nobody");
    // What is advised is enough.
    xhost(&server, &["+si:localuser:nobody"]);
    of_nobody(&patient, &[]);
    xhost(&server, &["-si:localuser:nobody"]);
    // su keeps XAUTHORITY: the file of the other one is closed.
    std::fs::set_permissions(server.authority(), std::fs::Permissions::from_mode(0o600)).unwrap();
    patient.set("XAUTHORITY", server.authority().to_str().unwrap());
    of_nobody(&patient, &["x11-other-user"]);
}

#[track_caller]
fn of_nobody(patient: &Patient, expected: &[&str]) -> Value {
    let command = as_nobody(&patient.command(["--format", "json", "--only", "x11"]));
    let (document, answer) = document_of(command);
    assert_found(&document, &answer, expected);
    document
}

#[test]
fn the_cookie_of_a_compositor_that_programs_do_not_find() {
    let display = Display::start(Kind::Xwayland);
    let mut patient = Patient::new();
    let runtime = patient.home().join("run");
    std::fs::create_dir(&runtime).unwrap();
    lab().give(&runtime);
    patient.set("DISPLAY", display.name()).set("XDG_RUNTIME_DIR", runtime.to_str().unwrap());
    patient.set("XDG_SESSION_TYPE", "wayland").set("WAYLAND_DISPLAY", "wayland-0");
    let document = expect(&patient, ONLY_X, &["x11-cookie-missing"]);
    let command = finding(&document, "x11-cookie-missing")["advice"][0]["command"].clone();
    assert_eq!(command, format!("export XAUTHORITY={}", display.authority().display()));
    patient.set("XAUTHORITY", display.authority().to_str().unwrap());
    expect(&patient, ONLY_X, &[]);
}

/// Compositors that start Xwayland without cookies let in their own user only.
#[test]
fn an_xwayland_without_any_cookie() {
    let (number, directory) = (free_display(), lab().directory());
    let runtime = directory.path().join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).unwrap();
    lab().give(&runtime);
    let mut weston = lab().command("weston", directory.path());
    weston.args(["--backend=headless-backend.so", "--socket=outer", "--no-config"]).env("XDG_RUNTIME_DIR", &runtime);
    let weston = Process::start(weston, &directory.path().join("weston.log"));
    weston.wait_until("weston's socket", || runtime.join("outer").exists());
    let mut command = lab().command("Xwayland", directory.path());
    command.arg(format!(":{number}")).arg("-noreset");
    command.env("XDG_RUNTIME_DIR", &runtime).env("WAYLAND_DISPLAY", "outer");
    let server = Process::start(command, &directory.path().join("server.log"));
    let mut patient = Patient::new();
    patient.set("DISPLAY", &format!(":{number}")).set("XDG_SESSION_TYPE", "wayland");
    server.wait_until("Xwayland", || patient.diagnose(ONLY_X).0["facts"]["x11"]["connection"]["state"] == "connected");
    expect(&patient, ONLY_X, &[]);
    let document = of_nobody(&patient, &["x11-other-user"]);
    assert!(told(&document, "x11-other-user").contains("xhost +si:localuser:nobody"));
}

#[test]
fn sessions_that_came_by_ssh() {
    let display = Display::start(Kind::SshTrusted);
    let mut patient = display.patient();
    expect(&patient, ONLY_X, &[]);
    // HOME is another one, or the cookie that of an earlier login: sshd itself refuses.
    let stale = patient.home().join("stale");
    let number: u16 = display.name().rsplit(':').next().unwrap().split('.').next().unwrap().parse().unwrap();
    write_authority(&stale, number, &cookie());
    lab().give(patient.home());
    patient.set("XAUTHORITY", stale.to_str().unwrap());
    let document = expect(&patient, ONLY_X, &["x11-cookie-rejected"]);
    assert!(told(&document, "x11-cookie-rejected").contains("ssh -Y"));
    patient.set("XAUTHORITY", patient.home().join("nothing").to_str().unwrap().to_owned().as_str());
    expect(&patient, ONLY_X, &["x11-cookie-missing"]);
    // The session ends; tmux lives on with its DISPLAY.
    drop(display);
    patient.set("TMUX", "/tmp/tmux-1000/default,1,0");
    let document = expect(&patient, ONLY_X, &["x11-forwarding-dead"]);
    assert!(told(&document, "x11-forwarding-dead").contains("tmux"));
}

#[test]
fn a_session_that_is_not_trusted() {
    let display = Display::start(Kind::SshUntrusted);
    let patient = display.patient();
    let environment = patient.healthy_environment();
    let document = expect(&patient, [environment], &["x11-untrusted-cookie"]);
    assert_eq!(mode(&document), "software", "{:#}", document["recommendation"]);
}

#[test]
fn a_server_without_glx() {
    for kind in ["Xvfb", "Xvnc"] {
        let server = if kind == "Xvfb" {
            XServer::start_with(&["-extension", "GLX"])
        } else {
            XServer::of("Xvnc", &["-SecurityTypes", "None", "-rfbport", "-1", "-extension", "GLX"])
        };
        let patient = Patient::at(&server);
        let environment = patient.healthy_environment();
        let document = expect(&patient, [environment], &["x11-glx-missing"]);
        assert_eq!(mode(&document), "software", "{kind}: {:#}", document["recommendation"]);
    }
}

/// In a batch job XAUTHORITY names a file of the job, outside of the home, which containers do not see by themselves.
#[test]
fn a_cookie_in_the_directory_of_a_job() {
    let server = XServer::start();
    let mut patient = Patient::at(&server);
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    expect(&patient, ONLY_X, &[]);
    let (text, success) = said_by(&mut patient.command(["run", &environment, "--", "glxinfo", "-B"]));
    assert!(success, "{text}");
    patient.variables.retain(|(name, _)| name != "XAUTHORITY");
    expect(&patient, ONLY_X, &["x11-cookie-missing"]);
}

/// What the configuration keeps from the container, with a program in Apptainer as the witness.
#[test]
fn containers_that_are_cut_off() {
    // With an abstract socket, which a container that shares the network sees, and without one.
    for (server, listens) in [(XServer::start(), true), (XServer::start_with(&["-nolisten", "local"]), false)] {
        let user = format!("+si:localuser:{}", lab().value("LAB_USER"));
        xhost(&server, &[&user]);
        let patient = Patient::at(&server);
        for (options, hidden, isolated) in [
            (json!(["-c"]), !listens, false),
            (json!(["--containall"]), !listens, true),
            (json!(["--ipc"]), false, true),
            (json!(["-c", "--bind", "/tmp/.X11-unix"]), false, false),
        ] {
            let mut expected = Vec::new();
            expected.extend(hidden.then_some("x11-socket-hidden"));
            expected.extend(isolated.then_some("x11-shm-isolated"));
            let environment = environment(&patient, "LAB_IMAGE", &json!({"container_options": options}));
            let document = expect(&patient, ["--only", "x11", &environment], &expected);
            let words = options.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
            let mut apptainer = lab().command("apptainer", patient.home());
            apptainer
                .args(["exec", "--env", &format!("DISPLAY={}", server.display())])
                .args(words)
                .arg(lab().image())
                .args(["glxinfo", "-B"]);
            let opens = apptainer.output().unwrap().status.success();
            assert_eq!(opens, !hidden, "{options}, abstract socket: {listens}: {:#}", document["findings"]);
        }
    }
}
