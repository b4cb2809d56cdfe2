//! Drivers that fault or sleep are facts; everything else is still told.

use crate::lab::{Patient, XServer, ids, lab};

#[track_caller]
fn with_vendor_library(name: &str) -> (serde_json::Value, crate::lab::Answer) {
    let server = XServer::start();
    let mut patient = Patient::at(&server);
    patient.set("__GLX_VENDOR_LIBRARY_NAME", name).set("LD_LIBRARY_PATH", lab().value("LAB_FAULT_LIBS"));
    patient.diagnose(["--probe-timeout", "2"])
}

#[track_caller]
fn the_rest_is_told(document: &serde_json::Value) {
    assert_eq!(document["facts"]["x11"]["connection"]["state"], "connected", "{document:#}");
    let surfaceless = &document["facts"]["egl_surfaceless"];
    assert_eq!(surfaceless["end"]["end"], "finished", "{surfaceless:#}");
    assert_eq!(surfaceless["result"]["contexts"][0]["draw"]["wrong"], 0, "{surfaceless:#}");
    assert!(document["facts"]["engines"]["found"].as_array().is_some_and(|found| !found.is_empty()));
}

#[test]
fn a_vendor_library_that_faults() {
    let (document, answer) = with_vendor_library("crash");
    assert!(ids(&document).contains(&"gl-probe-crashed"), "{}", answer.all());
    assert_eq!(document["facts"]["glx"]["end"]["name"], "SIGSEGV", "{:#}", document["facts"]["glx"]);
    the_rest_is_told(&document);
}

#[test]
fn a_vendor_library_that_sleeps() {
    let (document, answer) = with_vendor_library("sleep");
    assert!(ids(&document).contains(&"gl-probe-hung"), "{}", answer.all());
    assert!(answer.took.as_secs_f64() < 2.3, "{:?}", answer.took);
    the_rest_is_told(&document);
}

#[test]
fn a_healthy_display_draws_every_pixel() {
    let server = XServer::start();
    let (document, answer) = Patient::at(&server).diagnose::<&str>([]);
    for probe in ["glx", "egl_x11", "egl_surfaceless"] {
        let context = &document["facts"][probe]["result"]["contexts"][0];
        assert_eq!(context["draw"]["wrong"], 0, "{probe}: {}", answer.all());
        assert!(context["renderer"].as_str().unwrap().contains("llvmpipe"), "{probe}: {context:#}");
    }
    assert!(!document["facts"]["vulkan"]["result"]["devices"].as_array().unwrap().is_empty(), "{}", answer.all());
}

#[test]
fn no_graphics_loads_no_driver() {
    let server = XServer::start();
    let mut patient = Patient::at(&server);
    patient.set("__GLX_VENDOR_LIBRARY_NAME", "sleep").set("LD_LIBRARY_PATH", lab().value("LAB_FAULT_LIBS"));
    let (document, answer) = patient.diagnose(["--no-graphics"]);
    assert!(document["facts"]["glx"].is_null());
    assert!(answer.took.as_secs_f64() < 2.0, "{:?}", answer.took);
}

/// The real library of NVIDIA on a machine without a card: it loads, and says that there is no driver.
#[test]
fn nvidia_s_own_library_says_that_its_driver_is_not_loaded() {
    let patient = Patient::new();
    let libraries = format!("{}/usr/lib/x86_64-linux-gnu/nvidia/current", lab().value("LAB_NVIDIA"));
    let mut probe = lab().command(lab().program(), patient.home());
    probe.args(["__probe", "nvml"]).env("LD_LIBRARY_PATH", &libraries);
    let output = probe.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let records: Vec<serde_json::Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let result = &records.last().unwrap()["result"];
    assert_eq!((&result["code"], &result["message"]), (&9.into(), &"Driver Not Loaded".into()), "{text}");
    let version = lab().value("LAB_NVIDIA_VERSION");
    assert!(records.iter().any(|record| record["at"] == "nvmlInit_v2"), "{text}");
    assert!(result["library_version"].as_str().is_none_or(|known| known.contains(version)), "{text}");
}
