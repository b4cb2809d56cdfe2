//! The probes of OpenGL and Vulkan as children of their own: the real program, a real X server, real drivers (Mesa without a
//! card), and vendor libraries that crash.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod lab;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use lab::{Vendor, Xvfb};
use serde_json::Value;

/// Runs one probe with a bare environment and a home directory of its own.
fn probe(name: &str, variables: &[(OsString, OsString)]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_casa-doctor"))
        .args(["__probe", name])
        .env_clear()
        .env("HOME", home.path())
        // What the parent sets, so that looking leaves no trace.
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .env("MESA_GLSL_CACHE_DISABLE", "true")
        .envs(variables.iter().cloned())
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .unwrap();
    let left = home.path().read_dir().unwrap().count();
    assert_eq!(left, 0, "{name} left something in the home directory");
    output
}

fn on(server: &Xvfb) -> Vec<(OsString, OsString)> {
    vec![("DISPLAY".into(), server.display.clone().into())]
}

fn records(output: &Output) -> Vec<Value> {
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The result, which must be the last record.
fn result(output: &Output) -> Value {
    let last = records(output).pop().unwrap_or_default();
    assert!(output.status.success(), "{output:?}");
    assert!(last["result"].is_object(), "{output:?}");
    last["result"].clone()
}

fn last_call(output: &Output) -> String {
    records(output).pop().unwrap()["at"].as_str().unwrap().to_owned()
}

fn assert_drawn(context: &Value) {
    assert!(context["renderer"].as_str().is_some_and(|text| !text.is_empty()), "{context}");
    assert!(context["version"].as_str().is_some_and(|text| !text.is_empty()), "{context}");
    assert_eq!((&context["draw"]["pixels"], &context["draw"]["wrong"]), (&262_144.into(), &0.into()), "{context}");
    assert!(context["draw"]["first_frame_us"].as_u64().is_some_and(|time| time > 0), "{context}");
}

#[test]
fn glx_on_a_real_server_is_direct_and_draws_each_pixel_right() {
    let server = Xvfb::start(&[]);
    let result = result(&probe("glx", &on(&server)));
    let context = &result["contexts"][0];
    assert_drawn(context);
    assert_eq!(context["direct"], true);
    assert!(context["accelerated"].is_boolean() && context["vendor_id"].is_u64(), "{context}");
    assert!(context["platform_vendor"].as_str().is_some_and(|vendor| vendor.contains("Mesa")), "{context}");
}

#[test]
fn egl_on_a_real_server_draws_each_pixel_right() {
    let server = Xvfb::start(&[]);
    let result = result(&probe("egl-x11", &on(&server)));
    let context = &result["contexts"][0];
    assert_drawn(context);
    assert_eq!((&context["driver"], &context["software_device"]), (&"swrast".into(), &true.into()), "no card is here");
}

#[test]
fn egl_without_a_server_draws_on_devices_and_without_a_surface() {
    let devices = result(&probe("egl-device", &[]));
    let devices = devices["contexts"].as_array().unwrap();
    assert!(devices.iter().any(|context| context["device"] == "software"), "{devices:?}");
    devices.iter().filter(|context| context["device"] == "software").for_each(assert_drawn);
    assert_drawn(&result(&probe("egl-surfaceless", &[]))["contexts"][0]);
}

#[test]
fn vulkan_lists_the_software_device_of_mesa() {
    let result = result(&probe("vulkan", &[]));
    let device = result["devices"].as_array().unwrap().iter().find(|device| device["kind"] == "cpu").unwrap();
    assert_eq!(device["driver_id"], "MESA_LLVMPIPE");
    assert!(result["loader_version"].as_str().unwrap().starts_with("1."));
}

#[test]
fn vulkan_without_any_driver_is_told_apart() {
    let result = result(&probe("vulkan", &[("VK_ICD_FILENAMES".into(), "/nowhere.json".into())]));
    assert_eq!(result["error"]["call"], "vkCreateInstance");
    assert_eq!(result["error"]["message"], "ERROR_INCOMPATIBLE_DRIVER");
}

#[test]
fn a_driver_that_faults_ends_the_child_by_its_signal_and_the_last_call_is_known() {
    let server = Xvfb::start(&[]);
    let vendor = Vendor::new("crash", "*(volatile int *)0 = 1;");
    let output = probe("glx", &[on(&server), vendor.variables()].concat());
    assert_eq!(output.status.signal(), Some(11), "{output:?}");
    // libglvnd loads the vendor library that the variable names together with itself.
    assert_eq!(last_call(&output), "dlopen libGL.so.1", "{output:?}");
}

#[test]
fn what_a_driver_prints_on_standard_output_does_not_reach_the_answer() {
    let server = Xvfb::start(&[]);
    let vendor = Vendor::new("chatty", r#"puts("{\"result\":{\"error\":null}}"); fflush(stdout);"#);
    let output = probe("glx", &[on(&server), vendor.variables()].concat());
    // The library is no OpenGL, so libglvnd goes on to the next one.
    assert_drawn(&result(&output)["contexts"][0]);
    assert!(String::from_utf8_lossy(&output.stderr).contains(r#"{"result""#), "{output:?}");
}

#[test]
fn a_server_that_dies_is_told_as_a_broken_connection() {
    let server = Xvfb::start(&[]);
    let vendor = Vendor::new("killer", "kill(atoi(getenv(\"SERVER\")), SIGKILL);\nusleep(200000);");
    let pid = [("SERVER".into(), server.pid().to_string().into())].to_vec();
    let result = result(&probe("glx", &[on(&server), vendor.variables(), pid].concat()));
    assert!(result["error"]["message"].as_str().unwrap().contains("broke"), "{result}");
    assert!(result["error"]["call"].as_str().unwrap().starts_with("glX"), "{result}");
}

#[test]
fn refusals_of_a_real_server_are_told_in_its_words() {
    let server = Xvfb::start(&[]);
    let with = |name: &str, value: &str| probe("glx", &[on(&server), vec![(name.into(), value.into())]].concat());
    for output in [with("LIBGL_ALWAYS_INDIRECT", "1"), with("LIBGL_DRIVERS_PATH", "/nowhere")] {
        let error = result(&output)["error"].clone();
        assert_eq!(error["call"], "glXCreateNewContext");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("BadValue") && message.contains("X_GLXCreate"), "{message}");
    }
    let none = Xvfb::start(&["-extension", "GLX"]);
    assert_eq!(result(&probe("glx", &on(&none)))["error"]["message"], "the X server has no GLX");
    let nowhere = probe("glx", &[("DISPLAY".into(), ":199".into())]);
    assert_eq!(result(&nowhere)["error"]["call"], "XOpenDisplay");
}

#[test]
fn indirect_rendering_on_a_server_that_allows_it_is_seen() {
    let server = Xvfb::start(&["+iglx"]);
    let output = probe("glx", &[on(&server), vec![("LIBGL_ALWAYS_INDIRECT".into(), "1".into())]].concat());
    let result = result(&output);
    let context = &result["contexts"][0];
    assert_eq!(context["direct"], false, "{result}");
    assert_ne!(context["draw"]["wrong"], 0, "nothing was drawn and verified: {result}");
}

#[test]
fn an_unknown_probe_is_wrong_usage() {
    let output = probe("frobnicate", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(!Path::new("core").exists());
}
