//! Facts for the tests of this family.

use crate::facts::{
    Card, ChildEnd, ChildRun, Connection, DisplayName, Draw, Facts, GlContext, GlError, GlProbe, GlResult, Gpu, ProbeEnd, ProbeId,
    ProbeRun, Reach, ServerGlx, ServerKind, Session, X11, XServer,
};

/// Facts of which every probe answered and said nothing.
pub(super) fn facts() -> Facts {
    let answered = ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 1 };
    Facts { probes: ProbeId::ALL.iter().copied().map(|id| (id, answered.clone())).collect(), ..Facts::default() }
}

/// A probe that ended with this result.
pub(super) fn finished<T>(result: T) -> ChildRun<T> {
    ChildRun { end: ChildEnd::Finished, last_call: None, stderr: Vec::new(), duration_ms: 40, result: Some(result) }
}

/// A probe that ended without one.
pub(super) fn broken<T>(end: ChildEnd, last_call: &str) -> ChildRun<T> {
    ChildRun { end, last_call: Some(last_call.into()), stderr: vec!["driver: last words".into()], duration_ms: 40, result: None }
}

/// A probe with one context that draws well.
pub(crate) fn drawn_by(renderer: &str) -> GlProbe {
    let draw = Draw { pixels: 262_144, first_frame_us: Some(5000), ..Draw::default() };
    let context = GlContext {
        renderer: renderer.into(),
        vendor: "Mesa".into(),
        version: "4.5 (Compatibility Profile) Mesa 22.3.6".into(),
        direct: Some(true),
        draw: Some(draw),
        ..GlContext::default()
    };
    finished(GlResult { error: None, contexts: vec![context] })
}

/// A probe that got no context.
pub(super) fn refused(call: &str, message: &str) -> GlProbe {
    finished(GlResult { error: Some(GlError { call: call.into(), message: message.into() }), contexts: Vec::new() })
}

/// A display with a server of this kind, with these extensions.
pub(super) fn display(reach: Reach, kind: ServerKind, extensions: &[&str], outputs: &[&str]) -> X11 {
    let server = XServer {
        kind,
        extensions: extensions.iter().map(|name| (*name).to_owned()).collect(),
        outputs: outputs.iter().map(|name| (*name).to_owned()).collect(),
        glx: Some(ServerGlx { version: "1.4".into(), vendor_names: vec!["mesa".into()], ..ServerGlx::default() }),
        ..XServer::default()
    };
    // What ssh makes of a TCP display.
    let (text, number) = if reach == Reach::Loopback { ("localhost:10.0", 10) } else { (":0", 0) };
    let name = DisplayName { text: text.into(), number, reach, ..DisplayName::default() };
    X11 { display: Some(name), connection: Connection::Connected(Box::new(server)), ..X11::default() }
}

/// The server of a desktop with its own card.
pub(crate) fn desktop() -> X11 {
    display(Reach::Local, ServerKind::Xorg, &["DRI2", "DRI3", "GLX"], &["HDMI-1"])
}

/// Xvfb: no card is behind it.
pub(super) fn xvfb() -> X11 {
    display(Reach::Local, ServerKind::Xorg, &["GLX", "RANDR"], &["screen"])
}

/// A machine with one card.
pub(super) fn card(driver: &str) -> Gpu {
    Gpu { cards: vec![Card { name: "card0".into(), driver: Some(driver.into()), ..Card::default() }], ..Gpu::default() }
}

/// A session with these variables.
pub(super) fn session(variables: &[(&str, &str)]) -> Session {
    let graphics_variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Session { graphics_variables, ..Session::default() }
}
