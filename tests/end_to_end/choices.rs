//! The mode that is chosen for every kind of image on every kind of display, each tried out for real, and the pixels of its
//! picture. The table in docs/measuring.md is what this test saw: `CASA_DOCTOR_BLESS=1` writes it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::displays::{Display, Kind};
use crate::lab::{Patient, healthy_configuration, lab};
use crate::picture::Picture;
use crate::release;

/// An image of the lab: how the table names it, where lab.env has it, seconds that a mode may take there.
struct Image {
    title: &'static str,
    key: &'static str,
    limit: &'static str,
}

const IMAGES: [Image; 7] = [
    Image { title: "healthy, two Mesas", key: "LAB_IMAGE", limit: "20" },
    Image { title: "no `/usr/local/lib/mesa`", key: "LAB_IMAGE_NO_MESA", limit: "20" },
    Image { title: "Mesa crashes", key: "LAB_IMAGE_CRASH", limit: "20" },
    // Long enough for the other mode on a busy machine.
    Image { title: "Mesa hangs", key: "LAB_IMAGE_HANG", limit: "8" },
    Image { title: "no DRI driver", key: "LAB_IMAGE_NO_DRI", limit: "20" },
    Image { title: "Debian 11", key: "LAB_IMAGE_BULLSEYE", limit: "20" },
    Image { title: "no Python, no glxinfo", key: "LAB_IMAGE_BARE", limit: "20" },
];

const DISPLAYS: [(&str, Option<Kind>); 7] = [
    ("Xvfb", Some(Kind::Xvfb)),
    ("Xvnc", Some(Kind::Xvnc)),
    ("nxagent", Some(Kind::Nxagent)),
    ("`ssh -Y`", Some(Kind::SshTrusted)),
    ("`ssh -X`, untrusted", Some(Kind::SshUntrusted)),
    ("none", None),
    ("GLX of NVIDIA", Some(Kind::GlxVendor("nvidia"))),
];

/// What must be chosen, in the order of the two lists: c(ontainer), s(oftware) or - for none.
const EXPECTED: [[char; 7]; 7] = [
    ['c', 'c', 's', 'c', 's', 'c', 'c'],
    // Without a libGL of its own the software mode needs GLX, too.
    ['c', 'c', '-', 'c', '-', 'c', 'c'],
    // Without a display OpenGL is reached by EGL, which the image's software libGL is not.
    ['s', 's', 's', 's', 's', '-', 's'],
    ['s', 's', 's', 's', 's', '-', 's'],
    ['s', 's', 's', 's', 's', '-', 's'],
    // This older Mesa can still draw by the calls of GLX 1.2.
    ['c', 'c', 'c', 'c', '-', 'c', 'c'],
    ['c', 'c', 's', 'c', 's', 'c', 'c'],
];

const DOCUMENT: &str = "docs/measuring.md";
const BEGIN: &str = "<!-- The table is written by tests/end_to_end/choices.rs. -->\n";
const END: &str = "<!-- End of the table. -->\n";

#[test]
fn for_every_image_and_display() {
    let reference = Picture::reference("mesh.png");
    let next = AtomicUsize::new(0);
    let seen = Mutex::new(BTreeMap::new());
    let at_display = || {
        while let Some((name, kind)) = DISPLAYS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let display = kind.map(Display::start);
            for image in &IMAGES {
                let patient = display.as_ref().map_or_else(Patient::new, Display::patient);
                let told = measured(&patient, image);
                seen.lock().unwrap().insert((image.title, *name), judge(&told, &reference));
            }
        }
    };
    // Two at a time: a container's start mostly waits for the disk, and more would slow each other down.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(at_display);
        }
    });
    let seen = seen.into_inner().unwrap();

    let mut wrong = Vec::new();
    for (image, row) in IMAGES.iter().zip(EXPECTED) {
        for ((display, _), expected) in DISPLAYS.iter().zip(row) {
            let seen = &seen[&(image.title, *display)];
            let expected = match expected {
                'c' => "container",
                's' => "software",
                _ => "none",
            };
            if seen.mode != expected || seen.fault.is_some() {
                wrong.push(format!("{} on {display}: expected {expected}, got {seen:?}", image.title));
            }
        }
    }
    println!("{}", table(&seen));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    the_document_has(&table(&seen));
}

/// What came out for an image on a display.
#[derive(Debug)]
struct Choice {
    mode: String,
    /// Who draws then.
    renderer: String,
    /// Why the choice is no good.
    fault: Option<String>,
}

/// `casa-doctor measure` on an environment with this image.
fn measured(patient: &Patient, image: &Image) -> Value {
    let environment = patient.environment("brainvisa", &healthy_configuration(lab().value(image.key)));
    let mut command = lab().command(release::program(), patient.home());
    command.args(["measure", "--format", "json", "--measure-timeout", image.limit]).arg(environment);
    command.envs(patient.variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{}: {error}\n{errors}", image.title))
}

/// The choice, held against what was measured: the pixels by the program's own word and by our own eyes.
fn judge(document: &Value, reference: &Picture) -> Choice {
    let choice = &document["recommendation"];
    let mode = choice["opengl"].as_str().unwrap_or("none").to_owned();
    let in_image: Vec<_> = document["measurements"].as_array().unwrap().iter().filter(|one| one["where"] == "image").collect();
    let renderer = in_image.iter().find(|one| one["opengl"] == *mode).and_then(|one| one["renderer"].as_str());
    let fault = if mode == "none" {
        in_image.iter().find(|one| one["outcome"] == "works").map(|one| format!("this mode works: {one:#}"))
    } else {
        match in_image.iter().find(|one| one["opengl"] == *mode) {
            None => Some("the mode was not measured in the image".to_owned()),
            Some(one) if one["pixels_correct"] != true || one["outcome"] != "works" => Some(format!("wrong pixels: {one:#}")),
            Some(one) => one["picture"].as_str().map_or(Some("no picture".to_owned()), |uri| {
                Picture::of_uri(uri).differs_from(reference).map(|how| format!("{how} than in the reference"))
            }),
        }
    };
    let fault = fault.map(|fault| format!("{fault}\n{choice:#}"));
    let renderer = renderer.and_then(|name| name.split_whitespace().next()).unwrap_or_default().to_owned();
    Choice { mode, renderer, fault }
}

fn table(seen: &BTreeMap<(&str, &str), Choice>) -> String {
    let mut text = String::from("| image |");
    text.extend(DISPLAYS.iter().map(|(name, _)| format!(" {name} |")));
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(DISPLAYS.len()));
    for image in &IMAGES {
        text.push_str(&format!("\n| {} |", image.title));
        for (display, _) in &DISPLAYS {
            let choice = &seen[&(image.title, *display)];
            let cell = if choice.mode == "none" { "none".into() } else { format!("`{}`: {}", choice.mode, choice.renderer) };
            text.push_str(&format!(" {cell} |"));
        }
    }
    text.push('\n');
    text
}

/// Compares with the page, or writes the page again.
#[track_caller]
fn the_document_has(table: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the place of the table");
    let (told, after) = rest.split_once(END).expect("the end of the table");
    if std::env::var_os("CASA_DOCTOR_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(told.trim(), table.trim(), "{DOCUMENT} tells something else: CASA_DOCTOR_BLESS=1 writes it again");
    }
}
