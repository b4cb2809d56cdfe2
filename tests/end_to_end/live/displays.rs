//! Displays that are well, of every kind: nothing above "info" may be said of them.

use super::{expect, mode};
use crate::displays::{Display, Kind};

/// A whole diagnosis of a healthy environment at that display.
#[track_caller]
fn healthy(kind: Kind, server: &str, opengl: &str) {
    let display = Display::start(kind);
    let patient = display.patient();
    let environment = patient.healthy_environment();
    let document = expect(&patient, [environment], &[]);
    let connection = &document["facts"]["x11"]["connection"];
    assert_eq!(connection["kind"], server, "{kind:?}: {connection:#}");
    assert_eq!(mode(&document), opengl, "{kind:?}: {:#}", document["recommendation"]);
}

#[test]
fn xvfb_is_healthy() {
    healthy(Kind::Xvfb, "xorg", "container");
}

#[test]
fn xvnc_is_healthy() {
    healthy(Kind::Xvnc, "xvnc", "container");
}

#[test]
fn xephyr_is_healthy() {
    healthy(Kind::Xephyr, "xorg", "container");
}

#[test]
fn xwayland_is_healthy() {
    healthy(Kind::Xwayland, "xwayland", "container");
}

#[test]
fn nxagent_is_healthy_and_gets_software() {
    healthy(Kind::Nxagent, "nxagent", "software");
}

#[test]
fn ssh_with_trust_is_healthy_and_gets_software() {
    healthy(Kind::SshTrusted, "xorg", "software");
}
