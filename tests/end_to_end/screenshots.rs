//! From a diagnosis to a window whose pixels are right: `--fix -- PROGRAM`, and the screenshot of the program's window.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::displays::{Display, Kind, Process};
use crate::lab::{healthy_configuration, lab};
use crate::picture::Picture;

/// How long measuring, fixing and starting the program may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Colours that the program puts at known places (tests/lab/scene.c).
const KNOWN: [((u32, u32), [u8; 3]); 5] = [
    ((20, 20), [0xc8, 0x28, 0x28]),
    ((492, 20), [0x28, 0xa0, 0x3c]),
    ((20, 492), [0x28, 0x46, 0xc8]),
    ((492, 492), [0xdc, 0xbe, 0x28]),
    ((256, 246), [0xff, 0xff, 0xff]),
];

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
    let window = || {
        let mut xwininfo = display.command("xwininfo");
        xwininfo.args(["-name", "casa-scene"]).stdout(Stdio::null()).stderr(Stdio::null());
        xwininfo.status().unwrap().success()
    };
    let deadline = Instant::now() + PATIENCE;
    while !window() {
        assert!(Instant::now() < deadline, "no window after {PATIENCE:?}:\n{}", program.said());
        std::thread::sleep(Duration::from_millis(100));
    }

    let reference = Picture::reference("scene.png");
    // A window is there before what is drawn in it.
    let mut picture = screenshot(&display);
    while picture.differs_from(&reference).is_some() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(300));
        picture = screenshot(&display);
    }
    for ((x, y), colour) in KNOWN {
        let seen = picture.at(x, y);
        assert!(seen.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 8), "({x}, {y}) is {seen:?}, expected {colour:?}");
    }
    assert_eq!(picture.differs_from(&reference), None, "{}", program.said());

    let told = program.said();
    let kept = std::fs::read_to_string(environment.join("conf/casa_distro.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let decisions = &kept["casa_doctor"]["decisions"];
    let decision = decisions.as_object().unwrap().values().next().unwrap().as_object().unwrap().values().next().unwrap();
    assert_eq!((&decision["opengl"], &decision["basis"]), (&mode.into(), &"measured".into()), "{kept:#}\n{told}");
    told.lines().find(|line| line.contains("GL_RENDERER=")).unwrap_or_else(|| panic!("casa-scene said nothing:\n{told}")).to_owned()
}

fn screenshot(display: &Display) -> Picture {
    let directory = lab().directory();
    let file = directory.path().join("window.png");
    drop(File::create(&file).unwrap());
    lab().give(directory.path());
    let mut import = display.command("import");
    let output = import.args(["-window", "casa-scene"]).arg(format!("png24:{}", file.display())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Picture::decode(&std::fs::read(&file).unwrap())
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
