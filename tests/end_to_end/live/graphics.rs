//! OpenGL that a variable, a library or a device node keeps from working, with the real Mesa.

use serde_json::Value;

use super::{environment, expect, expect_in_log, expect_on_stage, finding, mode, named, said_by, told};
use crate::displays::{Display, Kind};
use crate::lab::{Patient, XServer, lab};

const ONLY_GRAPHICS: [&str; 2] = ["--only", "rendering"];

/// The server lists GLX 1.4 and many formats, and refuses the context.
#[test]
fn indirect_rendering_is_asked_for() {
    let server = XServer::start();
    let mut patient = Patient::at(&server);
    patient.set("LIBGL_ALWAYS_INDIRECT", "1");
    let document = expect(&patient, ONLY_GRAPHICS, &["gl-env-override", "gl-indirect"]);
    assert!(told(&document, "gl-indirect").contains("X_GLXCreateNewContext"));
    let mut glxinfo = lab().command("glxinfo", patient.home());
    glxinfo.arg("-B").env("DISPLAY", server.display()).env("XAUTHORITY", server.authority());
    expect_in_log(glxinfo.env("LIBGL_ALWAYS_INDIRECT", "1"), "gl-remote-indirect");
}

#[test]
fn variables_for_another_card_are_left_over() {
    let display = Display::start(Kind::Xwayland);
    let mut patient = display.patient();
    patient.set("__NV_PRIME_RENDER_OFFLOAD", "1").set("__GLX_VENDOR_LIBRARY_NAME", "nvidia");
    let document = expect(&patient, ONLY_GRAPHICS, &["gl-env-override"]);
    let text = told(&document, "gl-env-override");
    assert!(text.contains("unset __GLX_VENDOR_LIBRARY_NAME __NV_PRIME_RENDER_OFFLOAD"), "{text}");
}

/// The C++ library of Debian 11 stands in the way of the driver of Debian 12, as that of conda does at people's.
#[test]
fn an_older_library_comes_first() {
    let server = XServer::start();
    let mut patient = Patient::at(&server);
    let library = format!("{}/rootfs/bullseye/usr/lib/x86_64-linux-gnu/libstdc++.so.6", lab().value("LAB_ROOT"));
    let first = patient.file("conda/lib/libstdc++.so.6", std::fs::read(library).unwrap());
    let directory = first.parent().unwrap().to_str().unwrap().to_owned();
    patient.set("LD_LIBRARY_PATH", &directory);
    let document = expect(&patient, ONLY_GRAPHICS, &["gl-no-context", "vulkan-no-device"]);
    let text = told(&document, "gl-no-context");
    assert!(text.contains("unset LD_LIBRARY_PATH") && !text.contains("apt-get"), "{text}");
    let mut glxinfo = lab().command("glxinfo", patient.home());
    glxinfo.arg("-B").env("DISPLAY", server.display()).env("XAUTHORITY", server.authority()).env("LIBGL_DEBUG", "verbose");
    expect_in_log(glxinfo.env("LD_LIBRARY_PATH", directory), "mesa-stdcxx");
}

/// The node is one of a card that is not there; what counts here are its rights.
#[test]
fn a_render_node_that_is_closed() {
    let patient = Patient::new();
    let script = "stage_begin; stage_nodes 660 dri/renderD128 226 128; chgrp video /dev/dri/renderD128";
    let document = expect_on_stage(&patient, script, &["--only", "dri-access"], &["dri-permission"]);
    assert!(told(&document, "dri-permission").contains("usermod -aG"));
    let script = "stage_begin; stage_nodes 600 dri/renderD128 226 128";
    let document = expect_on_stage(&patient, script, &["--only", "dri-access"], &["dri-permission"]);
    assert!(told(&document, "dri-permission").contains("closed to everybody but root"));
    expect_on_stage(&patient, "stage_begin; stage_nodes 666 dri/renderD128 226 128", &["--only", "dri-access"], &[]);
}

#[test]
fn manifests_that_lead_nowhere() {
    let mut patient = Patient::new();
    let only = ["--only", "egl-manifests"];
    expect(&patient, only, &[]);
    let script = "stage_begin; mkdir -p /etc/glvnd/egl_vendor.d; echo '{' >/etc/glvnd/egl_vendor.d/05_broken.json";
    let document = expect_on_stage(&patient, script, &only, &["egl-manifest-broken"]);
    assert!(told(&document, "egl-manifest-broken").contains("05_broken.json"));
    patient.set("VK_DRIVER_FILES", "/nowhere/driver.json");
    expect(&patient, only, &["egl-manifest-broken"]);
}

/// A program in the container, and what it says where the image has no driver.
#[test]
fn an_image_without_drivers() {
    let display = Display::start(Kind::Xvfb);
    let patient = display.patient();
    let environment = environment(&patient, "LAB_IMAGE_NO_DRI", &Value::Null);
    let run = |opengl: &str, command: &[&str]| {
        let mut words = vec!["run", &environment, "--opengl", opengl, "--"];
        words.extend(command);
        said_by(&mut patient.command(words))
    };
    let (text, success) = run("container", &["glxinfo", "-B"]);
    let ids = named(&text);
    assert!(!success && ids.iter().any(|id| id.starts_with("mesa-")), "{ids:?} in {text}");
    let (text, success) = run("software", &["glxinfo", "-B"]);
    assert!(success && text.contains("softpipe"), "{text}");
}

/// The software OpenGL would choose a visual through which one sees what is behind the window.
#[test]
fn windows_are_not_see_through_in_the_mode_software() {
    let display = Display::start(Kind::Xvfb);
    let patient = display.patient();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let (text, success) = said_by(&mut patient.command(["run", &environment, "--opengl", "software", "--", "env"]));
    assert!(success && text.lines().any(|line| line == "XLIB_SKIP_ARGB_VISUALS=1"), "{text}");
}

/// In x2go's sessions only the image's own software OpenGL works.
#[test]
fn the_old_glx_of_x2go() {
    let display = Display::start(Kind::Nxagent);
    let patient = display.patient();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let document = expect(&patient, [environment.as_str()], &[]);
    assert_eq!(mode(&document), "software");
    let (text, success) = said_by(&mut display.command("glxinfo"));
    assert!(!success && named(&text) == ["gl-x2go"], "{text}");
    let (text, success) = said_by(&mut patient.command(["run", &environment, "--opengl", "software", "--", "glxinfo", "-B"]));
    assert!(success && text.contains("softpipe"), "{text}");
}

#[test]
fn where_only_egl_draws_on_x2go() {
    let display = Display::start(Kind::Nxagent);
    let patient = display.patient();
    let environment = environment(&patient, "LAB_IMAGE_NO_MESA", &Value::Null);
    let document = expect(&patient, ["--measure", environment.as_str()], &["gl-no-mode-works", "image-no-software-gl"]);
    let finding = finding(&document, "gl-no-mode-works");
    assert_eq!(finding["severity"], "warning", "{finding:#}");
    let command = finding["advice"][0]["command"].as_str().unwrap();
    assert!(command.contains("--env QT_XCB_GL_INTEGRATION=xcb_egl"), "{finding:#}");
}

#[test]
fn an_older_mesa_draws_by_the_old_glx_of_x2go() {
    let display = Display::start(Kind::Nxagent);
    let patient = display.patient();
    let environment = environment(&patient, "LAB_IMAGE_BULLSEYE", &Value::Null);
    let document = expect(&patient, [environment.as_str()], &["image-no-software-gl"]);
    assert_eq!(mode(&document), "container");
    let (text, success) = said_by(&mut patient.command(["run", &environment, "--opengl", "container", "--", "glxinfo", "-B"]));
    assert!(success && text.contains("llvmpipe"), "{text}");
}
