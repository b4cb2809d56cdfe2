//! The facts in a few lines, for `-v` and for tickets.

use casa_doctor_checks::facts::{AgentState, ChildEnd, Connection, GlProbe, XServer};

use super::document::Document;

/// Each line with its label. Only what is known is told.
pub(super) fn lines(document: &Document) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut add = |label, text: Option<String>| lines.extend(text.map(|text| (label, text)));
    add("machine", machine(document));
    add("session", session(document));
    add("environment", document.environment.as_ref().map(|environment| environment.config_file.clone()));
    add("image", image(document));
    add("engines", engines(document));
    add("X server", x_server(document));
    add("GLX", document.facts.glx.as_ref().map(gl));
    add("EGL", document.facts.egl_device.as_ref().or(document.facts.egl_surfaceless.as_ref()).map(gl));
    add("cards", cards(document));
    add("ssh agent", document.facts.ssh_agent.as_ref().map(|agent| agent_state(&agent.state)));
    lines
}

fn machine(document: &Document) -> Option<String> {
    let machine = &document.machine;
    let os = machine.distribution.clone().or_else(|| machine.os.clone())?;
    let mut parts = vec![os];
    parts.extend(machine.kernel.as_ref().map(|kernel| format!("kernel {kernel}")));
    parts.extend(machine.arch.clone());
    parts.extend(machine.glibc.as_ref().map(|glibc| format!("glibc {glibc}")));
    parts.extend(machine.memory_bytes.map(|bytes| format!("{:.1} GiB of memory", bytes as f64 / f64::from(1 << 30))));
    parts.extend(machine.wsl.map(|version| format!("WSL {version}")));
    parts.extend(machine.hypervisor.as_ref().map(|name| format!("virtual machine ({name})")));
    Some(parts.join(", "))
}

fn session(document: &Document) -> Option<String> {
    let session = document.facts.session.as_ref()?;
    let mut parts: Vec<String> = session.user.iter().cloned().collect();
    parts.extend(session.session_type.clone());
    parts.push(session.display.as_ref().map_or_else(|| "DISPLAY is not set".to_owned(), |display| format!("DISPLAY={display}")));
    if session.ssh {
        parts.push("by ssh".to_owned());
    }
    if session.x2go {
        parts.push("x2go".to_owned());
    }
    parts.extend(session.multiplexer.clone());
    parts.extend(session.inside_container.as_ref().map(|name| format!("inside a container ({name})")));
    Some(parts.join(", "))
}

fn image(document: &Document) -> Option<String> {
    let image = document.facts.image.as_ref()?;
    let mut parts = vec![image.used.as_ref().unwrap_or(&image.path).display().to_string()];
    if image.exists == Some(false) && image.used.is_none() {
        parts.push("missing".to_owned());
    }
    let contents = image.contents.as_ref();
    parts.extend(contents.and_then(|contents| contents.distribution.clone()));
    parts.extend(contents.and_then(|contents| contents.glibc.as_ref()).map(|glibc| format!("glibc {glibc}")));
    parts.extend(contents.and_then(|contents| contents.mesa.as_ref()).map(|mesa| format!("Mesa {mesa}")));
    Some(parts.join(", "))
}

fn engines(document: &Document) -> Option<String> {
    let engines = document.facts.engines.as_ref()?;
    if engines.found.is_empty() {
        return Some("none".to_owned());
    }
    let one = |engine: &casa_doctor_checks::facts::Engine| {
        let version = engine.version.as_deref().unwrap_or("of unknown version");
        format!("{} {version} ({})", engine.kind.program(), engine.path.display())
    };
    Some(engines.found.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn x_server(document: &Document) -> Option<String> {
    Some(match &document.facts.x11.as_ref()?.connection {
        Connection::NoDisplay => "none: DISPLAY is not set".to_owned(),
        Connection::Malformed { reason } => format!("none: {reason}"),
        Connection::Failed(failure) => format!("not reached: {}", failure.detail),
        Connection::Connected(server) => connected(server),
    })
}

fn connected(server: &XServer) -> String {
    let mut parts = vec![format!("{} at {}", server.vendor, server.address)];
    if server.untrusted {
        parts.push("untrusted".to_owned());
    }
    parts.push(match &server.glx {
        Some(glx) if glx.vendor_names.is_empty() => format!("GLX {}", glx.version),
        Some(glx) => format!("GLX {} for {}", glx.version, glx.vendor_names.join(" ")),
        None => "no GLX".to_owned(),
    });
    parts.join(", ")
}

fn gl(probe: &GlProbe) -> String {
    match &probe.end {
        ChildEnd::Finished => {}
        ChildEnd::Exited { status } => return format!("the probe exited with status {status}"),
        ChildEnd::Signal { name, .. } => return format!("the probe was ended by {name}"),
        ChildEnd::TimedOut { limit_ms } => return format!("the probe did not end within {limit_ms} ms"),
        ChildEnd::NotStarted { reason } => return format!("the probe did not start: {reason}"),
    }
    let Some(result) = &probe.result else { return "no result".to_owned() };
    let contexts: Vec<_> =
        result.contexts.iter().map(|context| format!("{}, OpenGL {}", context.renderer, context.version)).collect();
    match (&result.error, contexts.is_empty()) {
        (_, false) => contexts.join("; "),
        (Some(error), true) => format!("{}: {}", error.call, error.message),
        (None, true) => "no context".to_owned(),
    }
}

fn cards(document: &Document) -> Option<String> {
    let gpu = document.facts.gpu.as_ref()?;
    let mut parts: Vec<String> =
        gpu.cards.iter().map(|card| format!("{} ({})", card.name, card.driver.as_deref().unwrap_or("driver unknown"))).collect();
    if parts.is_empty() {
        parts.push("none that the kernel drives".to_owned());
    }
    parts.extend(gpu.nvidia.as_ref().and_then(|nvidia| nvidia.kernel_version.as_ref()).map(|v| format!("NVIDIA driver {v}")));
    Some(parts.join(", "))
}

fn agent_state(state: &AgentState) -> String {
    match state {
        AgentState::Unset => "SSH_AUTH_SOCK is not set".to_owned(),
        AgentState::Missing => "its socket is gone".to_owned(),
        AgentState::Refused => "nobody listens on its socket".to_owned(),
        AgentState::Denied => "its socket may not be opened".to_owned(),
        AgentState::Closed => "it closed the connection".to_owned(),
        AgentState::Hung { limit_ms } => format!("it said nothing within {limit_ms} ms"),
        AgentState::NotAnAgent { detail } | AgentState::Other { detail } => detail.clone(),
        AgentState::Failure => "it answered with a failure".to_owned(),
        AgentState::Listed { key_types } if key_types.is_empty() => "it answers, and shows no key".to_owned(),
        AgentState::Listed { key_types } => format!("it answers, with {}", key_types.join(", ")),
    }
}
