//! From a diagnosis to a window whose pixels are right: `--fix -- PROGRAM`, and the screenshot of the program's window.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::displays::{Display, Kind, Process};
use crate::lab::{healthy_configuration, lab};
use crate::scene::assert_scene_is_seen;

/// How long measuring, fixing and starting the program may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Repairs, launches, and looks at the window; gives what the program said of its OpenGL.
#[track_caller]
fn fix_and_look(image: &str, mode: &str) -> String {
    let display = Display::start(Kind::Xvfb);
    let patient = display.patient();
    let environment = patient.environment("brainvisa", &healthy_configuration(lab().value(image)));
    let log = patient.home().join("log");
    let mut command = patient.command(["--fix", "--yes", environment.to_str().unwrap(), "--", "casa-scene"]);
    command.stdin(Stdio::null());
    let program = Process::start(command, &log);
    assert_scene_is_seen(&display, Instant::now() + PATIENCE, &format!("fix-{image}"), || program.said());

    let told = program.said();
    let kept = std::fs::read_to_string(environment.join("conf/casa_distro.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let decisions = &kept["casa_doctor"]["decisions"];
    let decision = decisions.as_object().unwrap().values().next().unwrap().as_object().unwrap().values().next().unwrap();
    assert_eq!((&decision["opengl"], &decision["basis"]), (&mode.into(), &"measured".into()), "{kept:#}\n{told}");
    told.lines().find(|line| line.contains("GL_RENDERER=")).unwrap_or_else(|| panic!("casa-scene said nothing:\n{told}")).to_owned()
}

#[test]
fn of_a_program_in_the_image_whose_mesa_crashes() {
    let told = fix_and_look("LAB_IMAGE_CRASH", "software");
    assert!(told.contains("softpipe") && told.contains(lab().value("LAB_MESA_SOFTWARE")), "{told}");
}

#[test]
fn of_a_program_in_the_healthy_image() {
    let told = fix_and_look("LAB_IMAGE", "container");
    assert!(told.contains("llvmpipe") && !told.contains("xlib"), "{told}");
}
