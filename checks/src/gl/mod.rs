//! Checks of the family "gl": OpenGL, EGL, Vulkan, and what an image needs for them.

mod breakdown;
mod devices;
mod drawing;
mod glibc;
mod manifests;
mod measured;
mod misfit;
mod renderer;
mod software;
pub(crate) mod variables;
mod vendor;
mod vulkan;

#[cfg(test)]
pub(crate) mod samples;

pub(crate) use self::devices::{CLOSED_OTHERWISE, permits};
pub use self::glibc::{Gap as GlibcGap, gap as glibc_gap};
use crate::check::{Check, Outcome};
use crate::facts::{Card, ChildEnd, ChildRun, Connection, Facts, Gpu, Reach, Session, XServer};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[
    &devices::CHECK,
    &manifests::CHECK,
    &drawing::CHECK,
    &breakdown::CHECK,
    &variables::CHECK,
    &measured::CHECK,
    &renderer::CHECK,
    &vendor::CHECK,
    &glibc::CHECK,
    &software::CHECK,
    &vulkan::CHECK,
];

/// The X server, or the outcome of a check that has no meaning without one.
fn x_server(facts: &Facts) -> Result<&XServer, Outcome> {
    match facts.x11.as_ref().map(|x11| &x11.connection) {
        Some(Connection::Connected(server)) => Ok(server),
        Some(Connection::NoDisplay) => Err(Outcome::Skipped("there is no X display: DISPLAY is not set".into())),
        Some(_) => Err(Outcome::Skipped("the X server cannot be reached".into())),
        None => Err(Outcome::Unknown("nothing is known of the X server".into())),
    }
}

/// What a child found, or the outcome of a check that needs it. A crash or a hang is told by the check of its own.
fn result<T>(run: Option<&ChildRun<T>>) -> Result<&T, Outcome> {
    let Some(run) = run else { return Err(Outcome::Unknown("the test did not run".into())) };
    match (&run.result, &run.end) {
        (Some(result), _) => Ok(result),
        (None, ChildEnd::NotStarted { reason }) => Err(Outcome::Unknown(format!("the test could not be started: {reason}"))),
        (None, _) => Err(Outcome::Skipped("the test crashed or hung, see gl-probe-crashed and gl-probe-hung".into())),
    }
}

/// Whether the display's screen is on another machine.
pub(crate) fn is_elsewhere(facts: &Facts) -> bool {
    let Some(x11) = &facts.x11 else { return false };
    let by_ssh = facts.session.as_ref().is_some_and(|session| session.ssh);
    x11.display.as_ref().is_some_and(|display| match display.reach {
        Reach::Remote => true,
        Reach::Loopback => x11.is_made_by_ssh(display.number, by_ssh),
        Reach::Local | Reach::Launchd => false,
    })
}

/// The value of a set variable that bends rendering.
fn variable<'a>(session: Option<&'a Session>, name: &str) -> Option<&'a str> {
    session?.graphics_variables.get(name).map(String::as_str)
}

/// Whether a variable's value means yes to Mesa: what it does not know, such as `on`, is as if it were not set (`debug_parse_bool_option`).
fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "y" | "t")
}

/// The cards that can draw in three dimensions: not the frame buffers of servers, virtual machines and firmware.
pub(crate) fn drawing_cards(gpu: Option<&Gpu>) -> impl Iterator<Item = &Card> {
    const DRIVERS: [&str; 18] = [
        "amdgpu",
        "asahi",
        "etnaviv",
        "i915",
        "lima",
        "msm",
        "nouveau",
        "nvidia",
        "nvidia-drm",
        "nvidia_drm",
        "panfrost",
        "panthor",
        "powervr",
        "radeon",
        "tegra",
        "v3d",
        "vc4",
        "xe",
    ];
    let cards = gpu.map(|gpu| gpu.cards.as_slice()).unwrap_or_default();
    cards.iter().filter(|card| card.driver.as_deref().is_some_and(|driver| DRIVERS.contains(&driver)))
}

/// A card in words: `card0 (i915)`.
pub(crate) fn card_in_words(card: &Card) -> String {
    match &card.driver {
        Some(driver) => format!("{} ({driver})", card.name),
        None => card.name.clone(),
    }
}

/// The last lines that drivers wrote, as evidence.
fn last_lines(stderr: &[String], count: usize) -> impl Iterator<Item = String> {
    stderr.iter().skip(stderr.len().saturating_sub(count)).map(|line| format!("standard error: {line}"))
}

/// The lines in which drivers say why they did not load, as evidence; the last ones when none is such.
fn telling_lines(stderr: &[String]) -> Vec<String> {
    /// Words of the sentences that matter (Mesa's loader, DRI drivers, the dynamic linker).
    const SIGNS: [&str; 8] =
        ["error", "failed", "denied", "not found", "undefined symbol", "cannot open", "no matching", "warning"];
    let telling = |line: &&String| {
        let line = line.to_lowercase();
        SIGNS.iter().any(|sign| line.contains(sign))
    };
    let lines: Vec<String> = stderr.iter().filter(telling).take(6).map(|line| format!("standard error: {line}")).collect();
    if lines.is_empty() { last_lines(stderr, 3).collect() } else { lines }
}
