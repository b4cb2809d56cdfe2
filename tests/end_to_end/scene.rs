//! The lab's OpenGL program in a container of each engine, started by an ordinary user: its window is photographed from outside, and
//! every pixel is compared.

use std::io::BufRead;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::displays::{Display, Kind};
use crate::docker::{Engine, Launch, both, private_directories};
use crate::lab::{Patient, healthy_configuration, lab};
use crate::picture::Picture;

/// Colours that the program puts at known places (tests/lab/scene.c).
const KNOWN: [((u32, u32), [u8; 3]); 5] = [
    ((20, 20), [0xc8, 0x28, 0x28]),
    ((492, 20), [0x28, 0xa0, 0x3c]),
    ((20, 492), [0x28, 0x46, 0xc8]),
    ((492, 492), [0xdc, 0xbe, 0x28]),
    ((256, 246), [0xff, 0xff, 0xff]),
];

/// A directory that is to get the pictures, for people who want to look at them.
const KEEP: &str = "CASA_DOCTOR_KEEP_PICTURES";

/// Waits for the program's window, and for the right picture in it, since a window is there before what is drawn in it. The name is
/// that of the picture where it is kept.
#[track_caller]
pub(crate) fn assert_scene_is_seen(display: &Display, deadline: Instant, name: &str, said: impl Fn() -> String) {
    let reference = Picture::reference("scene.png");
    let mut seen = screenshot(display);
    while seen.as_ref().map_or_else(|_| Some(String::new()), |png| Picture::decode(png).differs_from(&reference)).is_some()
        && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(200));
        seen = screenshot(display);
    }
    let png = seen.unwrap_or_else(|error| panic!("{name}: no window on {}: {error}\n{}", display.name(), said()));
    if let Some(directory) = std::env::var_os(KEEP) {
        std::fs::write(Path::new(&directory).join(format!("{name}.png")), &png).unwrap();
    }
    let picture = Picture::decode(&png);
    assert_eq!(picture.differs_from(&reference), None, "{name} on {}\n{}", display.name(), said());
    for ((x, y), colour) in KNOWN {
        let seen = picture.at(x, y);
        let right = seen.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 8);
        assert!(right, "{name}: ({x}, {y}) is {seen:?}, expected {colour:?}");
    }
}

/// A PNG of the program's window, or why there is none.
fn screenshot(display: &Display) -> Result<Vec<u8>, String> {
    // Asked for a window that is not there, `import` waits for somebody to click on one.
    let mut xwininfo = display.command("xwininfo");
    let there = xwininfo.args(["-name", "casa-scene"]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    if !there.success() {
        return Err("there is none called casa-scene".to_owned());
    }
    let directory = lab().directory();
    let file = directory.path().join("window.png");
    let mut import = display.command("import");
    let output = import.args(["-window", "casa-scene"]).arg(format!("png24:{}", file.display())).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::read(&file).map_err(|error| error.to_string())
}

/// Starts the program in one mode, looks at its window, and ends it.
fn draws(container: &str, patient: &Patient, environment: &str, display: &Display, mode: &str) {
    let renderer = lab().value(if mode == "software" { "LAB_RENDERER_SOFTWARE" } else { "LAB_RENDERER_CONTAINER" });
    for home in [patient.home(), Path::new(lab().value("LAB_HOME"))] {
        assert!(!display.authority().starts_with(home), "the cookie is to be outside of the home");
    }
    let script = "echo ready; id -u; exec casa-scene --seconds 60 2>&1";
    let mut launch = Launch::start(patient, &["run", environment, "--opengl", mode, "--", "sh", "-c", script]);
    let mut line = || {
        let mut line = String::new();
        launch.output.read_line(&mut line).unwrap();
        line
    };
    let (user, said) = (line(), line());
    assert_ne!(user, "0\n", "{container}: the user is an ordinary one");
    assert!(said.contains(renderer), "{container} {mode}: {said}");
    let kind = if display.name().starts_with(':') { "xvfb" } else { "ssh" };
    let deadline = Instant::now() + Duration::from_secs(40);
    assert_scene_is_seen(display, deadline, &format!("{container}-{kind}-{mode}"), || said.clone());
    launch.signal("TERM");
    assert_eq!(launch.rest().1.code(), Some(143), "{container} {mode}");
    assert_eq!(private_directories(patient), Vec::<std::path::PathBuf>::new());
}

/// Both modes of the image, with Apptainer.
fn draws_with_apptainer(display: &Display) {
    let mut patient = display.patient();
    patient.file("run/.keep", "");
    let own = patient.home().join("run");
    patient.set("XDG_RUNTIME_DIR", own.to_str().unwrap());
    let environment = patient.environment("brainvisa-5.3", &healthy_configuration(lab().image().to_str().unwrap()));
    for mode in ["container", "software"] {
        draws("apptainer", &patient, environment.to_str().unwrap(), display, mode);
    }
}

/// Both modes of the image, with Docker and with rootless Podman.
fn draws_with_both(display: &Display) {
    both(|engine: Engine| {
        let patient = engine.give(display.patient());
        let environment = engine.environment(&patient, &json!({}));
        for mode in ["container", "software"] {
            draws(engine.name(), &patient, &environment, display, mode);
        }
    });
}

#[test]
fn apptainer_draws_on_an_xvfb_whose_cookie_is_outside_of_the_home() {
    draws_with_apptainer(&Display::start(Kind::Xvfb));
}

#[test]
fn apptainer_draws_over_ssh() {
    draws_with_apptainer(&Display::start(Kind::SshTrusted));
}

#[test]
fn docker_and_podman_draw_on_an_xvfb_whose_cookie_is_outside_of_the_home() {
    draws_with_both(&Display::start(Kind::Xvfb));
}

#[test]
fn docker_and_podman_draw_over_ssh() {
    draws_with_both(&Display::start(Kind::SshTrusted));
}
