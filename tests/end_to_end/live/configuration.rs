//! Configuration files as people have them, in a real environment around a real image.

use serde_json::{Value, json};

use super::{environment, expect, told};
use crate::lab::{Patient, XServer};

#[test]
fn keys_that_do_not_do_what_they_seem_to() {
    let patient = Patient::new();
    for (keys, expected, words) in [
        (json!({"mounts": {"/casa/host/data": null}}), &["config-null-mount"][..], "/casa/host/data"),
        (json!({"mounts": {"/data": "/nowhere/data"}}), &["config-missing-mount"], "/nowhere/data"),
        (json!({"container_options": ["--softgl"]}), &["config-unknown-flag"], "--softgl"),
        (json!({"container_options": ["--nv"]}), &["config-nv-ignored"], "--nv"),
        (json!({"env": {"DATA": "${HOME}/data"}}), &["config-braces"], "${HOME}"),
    ] {
        let environment = environment(&patient, "LAB_IMAGE", &keys);
        let document = expect(&patient, ["--only", "config,image", &environment], expected);
        assert!(told(&document, expected[0]).contains(words), "{keys}: {:#}", document["findings"]);
    }
    let healthy = environment(&patient, "LAB_IMAGE", &Value::Null);
    expect(&patient, ["--only", "config,image", &healthy], &[]);
}

/// The configuration has the display of the desktop where it was made; today's session has another one.
#[test]
fn a_display_of_another_day() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let environment = environment(&patient, "LAB_IMAGE", &json!({"gui_env": {"DISPLAY": ":0"}}));
    let document = expect(&patient, ["--only", "config,x11", &environment], &["config-hardcoded-display"]);
    assert!(told(&document, "config-hardcoded-display").contains(":0"));
}
