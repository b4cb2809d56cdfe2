//! NVIDIA's real user space, in the states in which people have it. The card and the kernel's part of the driver cannot be had:
//! those two are fakes, made of the files by which they show.

use serde_json::{Value, json};

use super::{environment, expect_on_stage, finding, mode, on_stage, told};
use crate::displays::{Display, Kind};
use crate::lab::{Patient, lab};

/// A machine with such a card, whose kernel runs a version, with the libraries of a tree, and nodes with a mode.
fn machine(kernel: Option<&str>, trees: &[&str], nodes: &str) -> String {
    let kernel = kernel.map_or_else(String::new, |version| format!("stage_kernel {version}\n"));
    let libraries = if trees.is_empty() { String::new() } else { format!("stage_libraries {}\n", trees.join(" ")) };
    format!("stage_begin\nstage_card\n{kernel}{libraries}{nodes}")
}

const NODES: &str = "stage_nodes 666 nvidiactl 195 255 nvidia0 195 0";

#[test]
fn a_driver_in_order_on_a_screen_of_its_own_and_on_others() {
    let (version, tree) = (lab().value("LAB_NVIDIA_VERSION"), lab().value("LAB_NVIDIA"));
    let healthy = machine(Some(version), &[tree], NODES);
    for (kind, expected, opengl) in [
        // The card is not what drives these screens.
        (Kind::Xvfb, &[][..], "container"),
        (Kind::Xvnc, &[], "container"),
        (Kind::SshTrusted, &[], "software"),
        (Kind::Nxagent, &[], "software"),
    ] {
        let display = Display::start(kind);
        let patient = display.patient();
        let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
        let document = expect_on_stage(&patient, &healthy, &[&environment], expected);
        assert_eq!(document["facts"]["gpu"]["nvidia"]["user_version"], version);
        assert_eq!(mode(&document), opengl, "{kind:?}: {:#}", document["recommendation"]);
    }
}

/// The proxy stands in for an X server that the card drives.
#[test]
fn a_screen_that_asks_for_the_library_of_nvidia() {
    let (version, tree) = (lab().value("LAB_NVIDIA_VERSION"), lab().value("LAB_NVIDIA"));
    let display = Display::start(Kind::GlxVendor("nvidia"));
    let mut patient = display.patient();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let only = ["--no-graphics", environment.as_str()];
    let document = expect_on_stage(&patient, &machine(Some(version), &[tree], NODES), &only, &[]);
    assert_eq!((mode(&document), &finding(&document, "gl-vendor-missing")["severity"]), ("nv", &"info".into()));
    assert!(told(&document, "gl-vendor-missing").contains("libGLX_nvidia"));
    // Without the driver, and with one that does not fit, the library cannot be brought.
    let document = expect_on_stage(&patient, "true", &only, &["gl-vendor-missing"]);
    assert_eq!((mode(&document), &finding(&document, "gl-vendor-missing")["severity"]), ("software", &"error".into()));
    let other = lab().value("LAB_NVIDIA_OTHER_VERSION");
    let mismatch = machine(Some(other), &[tree], NODES);
    let document = expect_on_stage(&patient, &mismatch, &only, &["gl-vendor-missing", "nvidia-driver-mismatch"]);
    assert_eq!(mode(&document), "software");
    // Mesa is forced upon the server of NVIDIA.
    patient.set("__GLX_VENDOR_LIBRARY_NAME", "mesa");
    let healthy = machine(Some(version), &[tree], NODES);
    let document = expect_on_stage(&patient, &healthy, &only, &["gl-env-override"]);
    assert!(told(&document, "gl-env-override").contains("__GLX_VENDOR_LIBRARY_NAME=mesa"));
}

#[test]
fn a_driver_that_was_updated_and_remains_of_an_older_one() {
    let (version, tree) = (lab().value("LAB_NVIDIA_VERSION"), lab().value("LAB_NVIDIA"));
    let (older, older_tree) = (lab().value("LAB_NVIDIA_OTHER_VERSION"), lab().value("LAB_NVIDIA_OTHER"));
    let patient = Patient::new();
    let only = ["--only", "nvidia,gl-vendor"];
    let document = expect_on_stage(&patient, &machine(Some(older), &[tree], NODES), &only, &["nvidia-driver-mismatch"]);
    let told_of = told(&document, "nvidia-driver-mismatch");
    assert!(told_of.contains(version) && told_of.contains(older) && told_of.contains("sudo reboot"), "{told_of}");
    let both = machine(Some(older), &[tree, older_tree], NODES);
    let document = expect_on_stage(&patient, &both, &only, &["nvidia-driver-mismatch"]);
    assert!(told(&document, "nvidia-driver-mismatch").contains("are installed as well"));
}

#[test]
fn nodes_that_are_missing_or_closed() {
    let (version, tree) = (lab().value("LAB_NVIDIA_VERSION"), lab().value("LAB_NVIDIA"));
    let patient = Patient::new();
    let only = ["--only", "nvidia"];
    expect_on_stage(&patient, &machine(Some(version), &[tree], ""), &only, &["nvidia-device-missing"]);
    let closed = machine(Some(version), &[tree], "stage_nodes 600 nvidiactl 195 255 nvidia0 195 0");
    let document = expect_on_stage(&patient, &closed, &only, &["nvidia-device-permission"]);
    assert!(told(&document, "nvidia-device-permission").contains("mode 0600"));
    let half = machine(Some(version), &[tree], "stage_nodes 666 nvidia0 195 0");
    let document = expect_on_stage(&patient, &half, &only, &["nvidia-device-missing"]);
    assert!(told(&document, "nvidia-device-missing").contains("/dev/nvidiactl does not exist"));
}

#[test]
fn no_driver_in_the_kernel() {
    let tree = lab().value("LAB_NVIDIA");
    let patient = Patient::new();
    let only = ["--only", "nvidia"];
    let document = expect_on_stage(&patient, &machine(None, &[tree], ""), &only, &["nvidia-driver-missing"]);
    assert!(told(&document, "nvidia-driver-missing").contains("No driver is loaded"));
    let nouveau = format!("stage_begin\nstage_card nouveau\nstage_libraries {tree}");
    expect_on_stage(&patient, &nouveau, &only, &["nvidia-nouveau"]);
    expect_on_stage(&patient, "stage_begin\nstage_card nouveau", &only, &[]);
    // The login machine of a cluster: the libraries are there, a card is not.
    let document = expect_on_stage(&patient, &format!("stage_begin\nstage_libraries {tree}"), &only, &[]);
    assert_eq!(finding(&document, "nvidia-driver-missing")["severity"], "info");
    let version = lab().value("LAB_NVIDIA_VERSION");
    let document = expect_on_stage(&patient, &machine(Some(version), &[], NODES), &only, &["nvidia-driver-missing"]);
    assert!(told(&document, "nvidia-driver-missing").contains("its libraries were not found"));
}

#[test]
fn what_reaches_the_container() {
    let (version, tree) = (lab().value("LAB_NVIDIA_VERSION"), lab().value("LAB_NVIDIA"));
    let healthy = machine(Some(version), &[tree], NODES);
    let patient = Patient::new();
    let diagnose = |image: &str, asked: bool, stage: &str, expected: &[&str]| {
        let keys = if asked { json!({"container_options": ["--nv=true"]}) } else { Value::Null };
        let environment = environment(&patient, image, &keys);
        expect_on_stage(&patient, stage, &["--only", "nvidia,glibc", &environment], expected)
    };
    diagnose("LAB_IMAGE", true, &healthy, &[]);
    let unlisted = format!("{healthy}\nsed -i /json/d /etc/apptainer/nvliblist.conf");
    let document = diagnose("LAB_IMAGE", true, &unlisted, &["nvidia-manifest-unbound"]);
    assert!(told(&document, "nvidia-manifest-unbound").contains("10_nvidia.json"));
    let document = diagnose("LAB_IMAGE_BULLSEYE", true, &healthy, &["glibc-too-new"]);
    assert!(told(&document, "glibc-too-new").contains("the image has 2.31"));
    // Where nothing uses the mode nv, it is a remark.
    let document = diagnose("LAB_IMAGE_BULLSEYE", false, &unlisted, &[]);
    for id in ["glibc-too-new", "nvidia-manifest-unbound"] {
        assert_eq!(finding(&document, id)["severity"], "info", "{document:#}");
    }
}

/// Apptainer and the driver's libraries are real; the part of libgbm is a fake, since no package of Debian 12 has it.
#[test]
fn what_mode_nv_brings_into_a_real_container() {
    let (version, tree) = (lab().value("LAB_NVIDIA_VERSION"), lab().value("LAB_NVIDIA"));
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let part = patient.file("more/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so", "fake\n");
    let more = patient.home().join("more");
    let script = "cat /.singularity.d/libs/nvidia-drm_gbm.so; echo \"$GBM_BACKENDS_PATH\"; ls /.singularity.d/libs";
    let launch = |stage: &str| {
        let run = patient.command(["run", &environment, "--no-gui", "--opengl", "nv", "--", "sh", "-c", script]);
        let output = on_stage(&run, stage).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (text, errors) = launch(&machine(Some(version), &[more.to_str().unwrap(), tree], NODES));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "fake", "{part:?}: {errors}");
    assert!(lines[1].starts_with("/.singularity.d/libs:/usr/lib/x86_64-linux-gnu/gbm:"), "{text}\n{errors}");
    for name in ["libGLX_nvidia.so.0", "libEGL_nvidia.so.0"] {
        assert!(lines.contains(&name), "{name}: {text}\n{errors}");
    }
    let (text, errors) = launch(&machine(Some(version), &[tree], NODES));
    assert_eq!(text.lines().next(), Some(""), "without the part nothing points to it: {text}\n{errors}");
}

#[test]
fn a_description_for_containers_that_is_out_of_date() {
    let (version, tree) = (lab().value("LAB_NVIDIA_VERSION"), lab().value("LAB_NVIDIA"));
    let older = lab().value("LAB_NVIDIA_OTHER_VERSION");
    let patient = Patient::new();
    // As nvidia-ctk writes it, in short.
    let description = |version: &str| {
        format!(
            "mkdir -p /etc/cdi\ncat >/etc/cdi/nvidia.yaml <<'YAML'\n---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  \
             containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia0\ncontainerEdits:\n  mounts:\n  - hostPath: \
             /usr/lib/x86_64-linux-gnu/nvidia/current/libGLX_nvidia.so.{version}\n    containerPath: \
             /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.{version}\nYAML\n"
        )
    };
    let healthy = machine(Some(version), &[tree], NODES);
    let only = ["--only", "nvidia"];
    expect_on_stage(&patient, &format!("{healthy}\n{}", description(version)), &only, &[]);
    let stale = format!("{healthy}\n{}", description(older));
    let document = expect_on_stage(&patient, &stale, &only, &["nvidia-cdi-stale"]);
    assert!(told(&document, "nvidia-cdi-stale").contains(older));
}
