//! The OpenGL modes tried out in real containers on real X servers: what is seen, what is chosen, what is left behind.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::lab::{Answer, Patient, XServer, healthy_configuration, ids, lab};
use super::repair::without_path;

/// An environment around one of the lab's images.
fn around(patient: &Patient, image: &str) -> String {
    let environment = patient.environment("brainvisa-5.3", &healthy_configuration(lab().value(image)));
    environment.to_str().unwrap().to_owned()
}

/// Measures and gives the document.
fn measure(patient: &Patient, environment: &str, more: &[&str]) -> (Value, Answer) {
    let mut args = vec!["measure", environment];
    args.extend(more);
    patient.diagnose(args)
}

fn of<'a>(document: &'a Value, mode: &str) -> &'a Value {
    let all = document["measurements"].as_array().unwrap();
    let place = if mode == "none" { "host" } else { "image" };
    all.iter().find(|one| one["opengl"] == mode && one["where"] == place).unwrap_or_else(|| panic!("{mode} in {document:#}"))
}

/// Reads the picture of a measurement: 256 × 256 pixels of red, green and blue.
fn picture(measurement: &Value) -> Vec<u8> {
    use base64::Engine as _;
    let uri = measurement["picture"].as_str().unwrap_or_else(|| panic!("no picture in {measurement}"));
    let text = uri.strip_prefix("data:image/png;base64,").unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (256, 256));
    pixels
}

/// Pixels of two pictures that differ by more than renderers may.
fn differing(one: &[u8], other: &[u8]) -> usize {
    assert_eq!(one.len(), other.len());
    one.chunks(3).zip(other.chunks(3)).filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 40)).count()
}

/// Processes of the lab's user below which something of this patient still runs.
fn left_behind(patient: &Patient) -> Vec<String> {
    let home = patient.home().to_str().unwrap().to_owned();
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let pids = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter_map(|pid| fs::read(format!("/proc/{pid}/cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&home))
        .collect()
}

#[track_caller]
fn assert_nothing_left(patient: &Patient) {
    // The helper that serves the image's filesystem ends a moment after its container.
    for _ in 0..100 {
        if left_behind(patient).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(left_behind(patient), Vec::<String>::new());
    let run = patient.home().join("run");
    assert_eq!(fs::read_dir(run).unwrap().count(), 0, "the private directory of a launch was left");
}

/// Somebody at a display, whose private directories of launches are in their home.
fn at(server: &XServer) -> Patient {
    let mut patient = Patient::at(server);
    let run = patient.home().join("run");
    fs::create_dir(&run).unwrap();
    lab().give(patient.home());
    patient.set("XDG_RUNTIME_DIR", run.to_str().unwrap());
    patient
}

#[test]
fn a_healthy_image_is_measured_in_each_mode_and_container_is_chosen() {
    let server = XServer::start();
    let patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE");
    let before = fs::read(Path::new(&environment).join("conf/casa_distro.json")).unwrap();
    let (document, answer) = measure(&patient, &environment, &[]);
    answer.assert_status(0);
    let recommendation = &document["recommendation"];
    assert_eq!(
        (&recommendation["opengl"], &recommendation["basis"]),
        (&"container".into(), &"measured".into()),
        "{}",
        answer.all()
    );
    assert!(recommendation["reasons"][0].as_str().unwrap().contains("frames/s"), "{recommendation}");
    for (mode, renderer) in [
        ("none", lab().value("LAB_RENDERER_CONTAINER")),
        ("container", lab().value("LAB_RENDERER_CONTAINER")),
        ("software", lab().value("LAB_RENDERER_SOFTWARE")),
    ] {
        let one = of(&document, mode);
        assert_eq!((&one["outcome"], &one["pixels_correct"]), (&"works".into(), &true.into()), "{one}");
        assert_eq!(one["renderer_class"], "software", "{one}");
        assert!(one["renderer"].as_str().unwrap().contains(renderer), "{one}");
        assert!(one["frames_per_second"].as_f64().unwrap() > 0.0 && one["startup_ms"].as_u64().unwrap() > 0, "{one}");
    }
    let nv = &recommendation["rejected"][0];
    assert_eq!((&nv["opengl"], &nv["reason"]), (&"nv".into(), &"this machine has no NVIDIA driver".into()), "not even started");
    let (container, software) = (picture(of(&document, "container")), picture(of(&document, "software")));
    let off = differing(&container, &software);
    assert!(off < 256 * 256 / 50, "{off} pixels differ between two renderers of one picture");
    let told = answer.stderr();
    assert!(told.contains("OpenGL mode \"container\": works") && told.contains("OpenGL mode \"nv\" is not tried"), "{told}");
    assert_eq!(fs::read(Path::new(&environment).join("conf/casa_distro.json")).unwrap(), before, "measuring changed the file");
    assert_nothing_left(&patient);
}

#[test]
fn what_was_measured_is_obeyed_until_the_image_changes() {
    let server = XServer::start();
    let patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE_CRASH");
    let line = || patient.run(["run", &environment, "--dry-run", "--", "true"]);
    assert!(!line().stdout().contains("SOFTWARE_OPENGL"), "nothing was measured yet, and container is expected");
    measure(&patient, &environment, &["--measure-timeout", "60"]).1.assert_status(0);
    let answer = line();
    assert!(answer.stdout().contains("SOFTWARE_OPENGL"), "{}", answer.all());
    assert!(!answer.stderr().contains("was decided here"), "{}", answer.all());
    patient.environment("brainvisa-5.3", &healthy_configuration(lab().value("LAB_IMAGE")));
    let answer = line();
    let told = answer.stderr();
    assert!(told.contains("the image is another one") && told.contains("casa-doctor measure"), "{}", answer.all());
    assert!(!answer.stdout().contains("SOFTWARE_OPENGL"), "{}", answer.all());
}

#[test]
fn an_image_without_software_mesa_has_one_renderer_in_both_modes() {
    let server = XServer::start();
    let patient = at(&server);
    let (document, answer) = measure(&patient, &around(&patient, "LAB_IMAGE_NO_MESA"), &[]);
    answer.assert_status(0);
    assert_eq!(document["recommendation"]["opengl"], "container", "{}", answer.all());
    assert_eq!(of(&document, "software")["renderer"], of(&document, "container")["renderer"]);
    let notes = document["facts"]["measurements"].to_string();
    assert!(notes.contains("LIBGL_ALWAYS_SOFTWARE=1"), "which software is meant is told: {notes}");
}

#[test]
fn a_mesa_that_crashes_is_told_and_software_is_chosen() {
    let server = XServer::start();
    let patient = at(&server);
    let (document, answer) = measure(&patient, &around(&patient, "LAB_IMAGE_CRASH"), &[]);
    answer.assert_status(0);
    assert_eq!(of(&document, "container")["outcome"], "crashed", "{}", answer.all());
    assert_eq!(document["recommendation"]["opengl"], "software", "{}", answer.all());
    assert_eq!(of(&document, "software")["pixels_correct"], true);
    assert_eq!(ids(&document), ["gl-prediction-contradicted"], "{}", answer.all());
    let reason = &document["recommendation"]["rejected"][0]["reason"];
    assert!(reason.as_str().unwrap().contains("SIGSEGV"), "{reason}");
    assert_nothing_left(&patient);
}

#[test]
fn a_mesa_that_hangs_costs_its_limit_once() {
    let server = XServer::start();
    let patient = at(&server);
    let (document, answer) = measure(&patient, &around(&patient, "LAB_IMAGE_HANG"), &["--measure-timeout", "6"]);
    answer.assert_status(0);
    assert_eq!(of(&document, "container")["outcome"], "timed-out", "{}", answer.all());
    assert_eq!(document["recommendation"]["opengl"], "software", "{}", answer.all());
    assert!(answer.took < Duration::from_secs(40), "{:?}", answer.took);
    assert_nothing_left(&patient);
}

#[test]
fn a_run_with_too_little_time_lays_nothing_to_the_image() {
    let server = XServer::start();
    let patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE");
    let (document, answer) = measure(&patient, &environment, &["--timeout", "0.7"]);
    assert!(ids(&document).is_empty(), "{}", answer.all());
    assert_eq!(document["recommendation"]["basis"], "predicted", "{}", answer.all());
    let unfinished = document["facts"]["measurements"]["unfinished"].as_array().unwrap().clone();
    assert!(!unfinished.is_empty(), "{}", answer.all());
    assert!(unfinished.iter().all(|one| one["reason"].as_str().unwrap().contains("--timeout")), "{unfinished:?}");
    assert!(answer.took < Duration::from_secs(5), "{:?}", answer.took);
    assert_nothing_left(&patient);
}

#[test]
fn a_container_that_never_comes_to_the_test_is_ended_with_all_it_started() {
    let server = XServer::start();
    let patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE");
    // The entry point reads the profile of the container's home.
    patient.file("brainvisa-5.3/home/.profile", "sleep 86399 & trap '' TERM; wait; wait; sleep 86399\n");
    let (document, answer) = measure(&patient, &environment, &["--measure-timeout", "3"]);
    for mode in ["container", "software"] {
        assert_eq!(of(&document, mode)["outcome"], "timed-out", "{}", answer.all());
    }
    assert_eq!(document["recommendation"]["opengl"], "none", "{}", answer.all());
    assert_eq!(ids(&document)[0], "gl-no-mode-works");
    answer.assert_status(1);
    let sleeping = Command::new("pgrep").args(["-u", lab().value("LAB_USER"), "-f", "sleep 86399"]).output().unwrap();
    assert!(sleeping.stdout.is_empty(), "{sleeping:?}");
    assert_nothing_left(&patient);
}

#[test]
fn what_cannot_be_started_was_not_measured() {
    let patient = Patient::new();
    let environment = around(&patient, "LAB_IMAGE");
    let output = without_path(&patient, ["measure", "--format", "json", &environment]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((&document["exit_status"], &document["checks"][0]["outcome"]), (&json!(3), &json!("unknown")));
}

#[test]
fn without_a_display_drawing_without_one_is_measured() {
    let mut patient = Patient::new();
    let run = patient.home().join("run");
    fs::create_dir(&run).unwrap();
    lab().give(patient.home());
    patient.set("XDG_RUNTIME_DIR", run.to_str().unwrap());
    let (document, answer) = measure(&patient, &around(&patient, "LAB_IMAGE"), &[]);
    answer.assert_status(0);
    assert_eq!(of(&document, "container")["pixels_correct"], true, "{}", answer.all());
    let told = &document["facts"]["measurements"]["measured"];
    let interfaces: Vec<_> = told.as_array().unwrap().iter().map(|one| one["interface"].as_str().unwrap()).collect();
    assert!(interfaces.iter().all(|interface| interface.starts_with("egl-")), "{interfaces:?}");
}

#[test]
fn a_dead_display_is_not_tried_unless_all_modes_are_asked_for() {
    let mut patient = Patient::new();
    patient.set("DISPLAY", ":9999");
    let environment = around(&patient, "LAB_IMAGE");
    let (document, answer) = measure(&patient, &environment, &[]);
    assert_eq!(document["measurements"], Value::Array(Vec::new()), "{}", answer.all());
    assert_eq!(document["recommendation"], Value::Null);
    assert!(answer.stderr().contains("the X server cannot be reached"), "{}", answer.all());
}

#[test]
fn a_dry_run_starts_nothing_and_says_so() {
    let server = XServer::start();
    let patient = at(&server);
    let (document, answer) = measure(&patient, &around(&patient, "LAB_IMAGE"), &["--dry-run"]);
    assert_eq!(document["recommendation"]["basis"], "predicted", "{}", answer.all());
    assert_eq!(document["measurements"], Value::Array(Vec::new()));
    assert!(answer.stderr().contains("--dry-run starts no container"), "{}", answer.all());
    patient.run(["measure", "--no-graphics"]).assert_status(2);
}

#[test]
fn an_older_image_is_asked_by_its_own_program() {
    let server = XServer::start();
    let patient = at(&server);
    let (document, answer) = measure(&patient, &around(&patient, "LAB_IMAGE_BULLSEYE"), &[]);
    answer.assert_status(0);
    let one = of(&document, "container");
    assert_eq!(one["outcome"], "works", "{}", answer.all());
    assert!(one["renderer"].as_str().unwrap().contains("llvmpipe"), "{one}");
    let told = &document["facts"]["measurements"]["measured"][1];
    // A release of casa-doctor runs in this image itself; one that was built here does not.
    if told["interface"] == "glxinfo" {
        assert_eq!(one["pixels_correct"], Value::Null, "{one}");
        assert!(told["notes"].to_string().contains("C library"), "{told}");
        assert_eq!(document["recommendation"]["confidence"], "medium");
    } else {
        assert_eq!(one["pixels_correct"], true, "{one}");
    }
}

#[test]
fn fix_measures_first_and_a_second_one_changes_nothing() {
    let server = XServer::start();
    let patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE_CRASH");
    let file = Path::new(&environment).join("conf/casa_distro.json");
    let answer = patient.run(["--fix", &environment]);
    answer.assert_status(0);
    let fixed = fs::read_to_string(&file).unwrap();
    let value: Value = serde_json::from_str(&fixed).unwrap();
    let machines = value["casa_doctor"]["decisions"].as_object().unwrap();
    let decision = &machines.values().next().unwrap()["local"];
    assert_eq!((&decision["opengl"], &decision["basis"]), (&"software".into(), &"measured".into()), "{fixed}");
    let again = patient.run(["--fix", &environment]);
    again.assert_status(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), fixed, "{}", again.all());
    let started = patient.run(["run", &environment, "--dry-run", "--", "true"]);
    assert!(started.stdout().contains("SOFTWARE_OPENGL"), "{}", started.all());
}

#[test]
fn a_read_only_environment_keeps_its_decision_in_the_users_state_directory() {
    let server = XServer::start();
    let patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE_CRASH");
    let conf = Path::new(&environment).join("conf");
    let before = fs::read(conf.join("casa_distro.json")).unwrap();
    for (path, mode) in [(conf.join("casa_distro.json"), "444"), (conf.clone(), "555")] {
        assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
    }
    let answer = patient.run(["--fix", &environment]);
    answer.assert_status(0);
    assert!(answer.stderr().contains("cannot be written by you"), "{}", answer.all());
    assert_eq!(fs::read(conf.join("casa_distro.json")).unwrap(), before);
    let kept = patient.home().join(".local/state/casa-doctor/decisions");
    assert_eq!(fs::read_dir(kept).unwrap().count(), 1);
    let started = patient.run(["run", &environment, "--dry-run", "--", "true"]);
    assert!(started.stdout().contains("SOFTWARE_OPENGL"), "{}", started.all());
    assert!(Command::new("chmod").arg("755").arg(conf).status().unwrap().success());
}

#[test]
fn what_was_tried_out_stays_what_is_recommended_and_set() {
    let server = XServer::start();
    let patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE_CRASH");
    let config = Path::new(&environment).join("conf/casa_distro.json");
    // Status 1 means that something is left to be told, which is no matter here.
    patient.run(["--fix", "--yes", &environment]);
    let fixed = fs::read_to_string(&config).unwrap();
    assert!(fixed.contains("\"software\"") && fixed.contains("/usr/local/lib/mesa"), "{fixed}");
    let (document, answer) = patient.diagnose([environment.as_str()]);
    let told = &document["recommendation"];
    assert_eq!((&told["opengl"], &told["basis"]), (&json!("software"), &json!("measured")), "{}", answer.all());
    assert_eq!(document["plan"]["edits"], json!([]), "{}", answer.all());
    patient.run(["--fix", "--yes", "--no-graphics", &environment]);
    assert_eq!(fs::read_to_string(&config).unwrap(), fixed);
}

#[test]
fn where_the_decision_cannot_be_kept_what_was_measured_is_told_all_the_same() {
    let server = XServer::start();
    let mut patient = at(&server);
    let environment = around(&patient, "LAB_IMAGE");
    let state = patient.file("state", "no directory");
    patient.set("XDG_STATE_HOME", state.to_str().unwrap());
    let (document, answer) = measure(&patient, &environment, &[]);
    assert_eq!(of(&document, "container")["outcome"], "works", "{}", answer.all());
    assert!(answer.stderr().contains("could not be kept"), "{}", answer.all());
}
