//! The known messages, one file for each family.

use super::pattern::Pattern;

mod configuration;
mod docker;
mod engine;
mod engine_image;
mod files;
mod forwarding;
mod harmless;
mod macos;
mod mesa;
mod nvidia;
mod qt;
mod rendering;
mod somaworkflow;
mod ssh;
mod userns;
mod virtualbox;
mod windows;
mod x11;

/// Every known message.
pub fn patterns() -> impl Iterator<Item = &'static Pattern> {
    [
        x11::PATTERNS,
        forwarding::PATTERNS,
        rendering::PATTERNS,
        mesa::PATTERNS,
        qt::PATTERNS,
        nvidia::PATTERNS,
        userns::PATTERNS,
        engine::PATTERNS,
        engine_image::PATTERNS,
        docker::PATTERNS,
        files::PATTERNS,
        configuration::PATTERNS,
        ssh::PATTERNS,
        somaworkflow::PATTERNS,
        macos::PATTERNS,
        windows::PATTERNS,
        virtualbox::PATTERNS,
        harmless::PATTERNS,
    ]
    .into_iter()
    .flatten()
}
