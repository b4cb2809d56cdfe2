//! Checks of the family "nvidia": from the card over the kernel's driver and its device nodes to what reaches the container.
//!
//! Everything but one check rests on files: NVIDIA's own tools load the driver, which may hang in the kernel after an error of the
//! card. The management library is asked in a child with a deadline, and its answer is a second opinion.

mod cdi;
mod devices;
mod driver;
mod flag;
mod libraries;
mod management;
mod manifests;
pub(crate) mod request;
mod versions;

#[cfg(test)]
pub(crate) mod samples;

pub(crate) use self::devices::missing_node;
pub use self::devices::{card_nodes, closed_node};
pub use self::libraries::lacks_a_part_of_opengl;
pub use self::management::{drew_with_nvidia, fails as driver_fails};
use crate::check::{Check, Outcome};
use crate::facts::{Connection, Engine, EngineKind, Facts, Gpu, Nvidia, ServerKind};
use crate::finding::{Finding, Severity};
use crate::gl::{card_in_words, drawing_cards, is_elsewhere};
use crate::image::{environment, setting};
use crate::renderer::{Family, RendererClass, classify};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[
    &cdi::CHECK,
    &devices::CHECK,
    &driver::CHECK,
    &flag::CHECK,
    &libraries::CHECK,
    &management::CHECK,
    &manifests::CHECK,
    &versions::CHECK,
];

/// NVIDIA's number as a maker of PCI devices.
const VENDOR: &str = "0x10de";

/// The driver of the kernel.
pub(crate) enum Driver<'a> {
    /// It is loaded, in this version.
    Runs(&'a str, &'a Nvidia),
    /// It is not.
    Absent,
    /// It seems to be loaded, and more is not known, because.
    NotKnown(String),
}

/// Tells the state of the kernel's driver.
pub(crate) fn kernel_driver(gpu: &Gpu) -> Driver<'_> {
    if let Some(nvidia) = &gpu.nvidia
        && let Some(version) = &nvidia.kernel_version
    {
        return Driver::Runs(version, nvidia);
    }
    if let Some(reason) = gpu.unknown.get("nvidia.kernel_version") {
        return Driver::NotKnown(reason.clone());
    }
    match cards(gpu).into_iter().find(|card| card.driver == Some("nvidia")) {
        Some(card) => {
            Driver::NotKnown(format!("{} is driven by \"nvidia\", but /proc/driver/nvidia/version tells no version", card.name))
        }
        None => Driver::Absent,
    }
}

/// The finding that tells why NVIDIA's driver cannot be used, for checks that see what comes of it.
pub(crate) fn known_trouble(facts: &Facts) -> Option<&'static str> {
    let worst = |check: &&Check| match check.judge(facts) {
        Outcome::Findings(findings) => {
            findings.iter().filter(|finding| finding.severity >= Severity::Warning).map(|finding| finding.kind.id).next()
        }
        _ => None,
    };
    [&versions::CHECK, &devices::CHECK, &driver::CHECK, &management::CHECK].iter().find_map(worst)
}

/// What draws on this machine's display in place of NVIDIA's card, as evidence; `None` where that card does, and where it does not
/// show. Many laptops have a card besides that of the processor, which drives the screen.
pub(crate) fn other_card_draws(facts: &Facts) -> Option<String> {
    if is_elsewhere(facts) {
        return None;
    }
    if let Some(glx) = &facts.glx {
        let contexts = glx.result.iter().flat_map(|result| &result.contexts);
        return contexts.into_iter().find_map(|context| {
            let who = classify(context);
            let of_nvidia = matches!(who.family, Some(Family::Nvidia | Family::Tegra | Family::Nouveau | Family::Nvk));
            let by_card = matches!(who.class, RendererClass::Hardware | RendererClass::Virtual);
            (by_card && !of_nvidia).then(|| format!("GLX: \"{}\" draws on the display, not NVIDIA's card", context.renderer))
        });
    }
    // Nothing was drawn: what the X server asks for tells, where it has a screen of its own.
    let server = match facts.x11.as_ref().map(|x11| &x11.connection) {
        Some(Connection::Connected(server)) if matches!(server.kind, ServerKind::Xorg | ServerKind::Xwayland) => server,
        _ => return None,
    };
    let names = server.glx.as_ref().map(|glx| glx.vendor_names.as_slice()).unwrap_or_default();
    let by_mesa = names.first().is_some_and(|name| name == "mesa") && !names.iter().any(|name| name == "nvidia");
    let chosen = facts.session.as_ref().is_some_and(|session| {
        ["__GLX_VENDOR_LIBRARY_NAME", "__NV_PRIME_RENDER_OFFLOAD"].iter().any(|name| session.graphics_variables.contains_key(*name))
    });
    let is_nvidias = |driver: &str| driver.starts_with("nvidia") || driver == "nouveau";
    let card = drawing_cards(facts.gpu.as_ref())
        .find(|card| !card.driver.as_deref().is_some_and(is_nvidias))
        .filter(|_| by_mesa && !chosen)?;
    Some(format!("the X server asks for Mesa's library, and {} is there besides NVIDIA's card", card_in_words(card)))
}

/// Says what to do until NVIDIA's driver works. Where another card draws, programs do without it, and nothing is an error.
fn until_then(facts: &Facts, finding: Finding) -> Finding {
    match other_card_draws(facts) {
        Some(evidence) => {
            let severity = finding.severity.min(Severity::Warning);
            finding.severity(severity).evidence(evidence).advise(
                "Until then the mode container draws with the other card; what asks for NVIDIA's card (the mode nv, CUDA, the \
                 variables of PRIME) fails.",
            )
        }
        None => finding.advise("Until then start programs in the OpenGL mode software."),
    }
}

/// What is known of the graphics cards, or the outcome of a check without that.
fn gpu(facts: &Facts) -> Result<&Gpu, Outcome> {
    let gpu = facts.gpu.as_ref().ok_or_else(|| Outcome::Unknown("nothing is known of the graphics cards".into()))?;
    if gpu.dxg {
        return Err(Outcome::Skipped("under WSL the driver is that of Windows".into()));
    }
    if facts.machine.as_ref().is_some_and(|machine| !matches!(machine.os.as_str(), "" | "linux")) {
        return Err(Outcome::Skipped("this is asked on Linux only".into()));
    }
    Ok(gpu)
}

/// The driver that runs, or the outcome of a check that has no meaning without it.
fn running(facts: &Facts) -> Result<(&Gpu, &str, &Nvidia), Outcome> {
    let gpu = gpu(facts)?;
    match kernel_driver(gpu) {
        Driver::Runs(version, nvidia) => Ok((gpu, version, nvidia)),
        Driver::Absent => Err(Outcome::Skipped("NVIDIA's driver is not loaded".into())),
        Driver::NotKnown(reason) => Err(Outcome::Unknown(reason)),
    }
}

/// A card of NVIDIA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NvidiaCard<'a> {
    /// Its address on the bus, or its name.
    name: &'a str,
    /// The kernel's driver for it.
    driver: Option<&'a str>,
}

/// The cards of NVIDIA. The bus knows those without a driver, too; where it cannot be listed the kernel's list must do.
fn cards(gpu: &Gpu) -> Vec<NvidiaCard<'_>> {
    let on_bus = gpu.pci.iter().flatten().filter(|card| card.vendor.eq_ignore_ascii_case(VENDOR));
    let on_bus: Vec<_> = on_bus.map(|card| NvidiaCard { name: &card.address, driver: card.driver.as_deref() }).collect();
    if !on_bus.is_empty() {
        return on_bus;
    }
    let of_nvidia = |card: &&crate::facts::Card| {
        card.vendor.as_deref().is_some_and(|vendor| vendor.eq_ignore_ascii_case(VENDOR))
            || card.driver.as_deref() == Some("nouveau")
    };
    gpu.cards.iter().filter(of_nvidia).map(|card| NvidiaCard { name: &card.name, driver: card.driver.as_deref() }).collect()
}

/// Apptainer or Singularity, whichever casa_distro would take, or why that is no question here.
pub(crate) fn sif_engine(facts: &Facts) -> Result<&Engine, Outcome> {
    if let Some("docker" | "podman" | "vbox") = environment(facts).and_then(|environment| setting(environment, "container_type")) {
        return Err(Outcome::Skipped("the environment is not for Apptainer or Singularity".into()));
    }
    let engines = facts.engines.as_ref().ok_or_else(|| Outcome::Unknown("nothing is known of the container engines".into()))?;
    [EngineKind::Apptainer, EngineKind::Singularity]
        .iter()
        .find_map(|kind| engines.found.iter().find(|engine| engine.kind == *kind))
        .ok_or_else(|| Outcome::Skipped("neither Apptainer nor Singularity is installed".into()))
}

/// The numbers of a version, for comparison. What stands behind a space is no part of it.
pub(crate) fn numbers(version: &str) -> Vec<u32> {
    let version = version.split_whitespace().next().unwrap_or_default();
    version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).collect()
}

/// An engine in words: `Apptainer 1.4.5`.
pub(crate) fn engine_in_words(engine: &Engine) -> String {
    let name = if engine.kind == EngineKind::Singularity { "Singularity" } else { "Apptainer" };
    format!("{name} {}", engine.version.as_deref().unwrap_or("of an unknown version"))
}

#[cfg(test)]
mod tests {
    use super::samples::{beside_intel, card, engine, facts, healthy};
    use super::*;
    use crate::facts::{DisplayName, Machine, PciCard, Reach};
    use crate::gl::samples::drawn_by;

    #[test]
    fn a_version_ends_where_its_word_ends() {
        for (version, expected) in
            [("550.163.01", &[550, 163, 1][..]), ("550.163.01 9389e7", &[550, 163, 1]), ("", &[]), ("x 1", &[])]
        {
            assert_eq!(numbers(version), expected, "{version}");
        }
    }

    #[test]
    fn a_healthy_machine_with_or_without_a_card_has_no_finding() {
        for facts in [healthy(), facts(), engine(facts(), "1.4.5")] {
            for check in CHECKS {
                let outcome = check.judge(&facts);
                assert!(!matches!(outcome, Outcome::Findings(_) | Outcome::Unknown(_)), "{}: {outcome:?}", check.id);
            }
        }
    }

    #[test]
    fn windows_and_other_systems_are_no_question() {
        let mut windows = healthy();
        windows.gpu.as_mut().unwrap().dxg = true;
        let mut mac = healthy();
        mac.machine = Some(Machine { os: "macos".into(), ..Machine::default() });
        for check in CHECKS.iter().filter(|check| check.id != "nvidia-flag") {
            assert_eq!(check.judge(&windows).word(), "skipped", "{}", check.id);
            assert_eq!(check.judge(&mac).word(), "skipped", "{}", check.id);
        }
    }

    #[test]
    fn who_draws_in_place_of_nvidia_is_told_by_the_picture_or_else_by_the_server() {
        assert_eq!(other_card_draws(&healthy()), None, "nothing is known of the display");
        let mut laptop = beside_intel(healthy());
        assert!(other_card_draws(&laptop).is_some_and(|evidence| evidence.contains("card0 (i915)")));
        let mut asked = laptop.clone();
        asked.session.as_mut().unwrap().graphics_variables = [("__NV_PRIME_RENDER_OFFLOAD".to_owned(), "1".to_owned())].into();
        assert_eq!(other_card_draws(&asked), None, "NVIDIA's card is asked for");
        for (renderer, other) in [
            ("Mesa Intel(R) UHD Graphics (TGL GT1)", true),
            ("llvmpipe (LLVM 15.0.6, 256 bits)", false),
            ("NVIDIA GeForce RTX 3070/PCIe/SSE2", false),
        ] {
            laptop.glx = Some(drawn_by(renderer));
            assert_eq!(other_card_draws(&laptop).is_some(), other, "{renderer}");
        }
        laptop.glx = None;
        laptop.x11.as_mut().unwrap().display = Some(DisplayName { number: 10, reach: Reach::Loopback, ..DisplayName::default() });
        assert_eq!(other_card_draws(&laptop), None, "the screen is another machine's");
    }

    #[test]
    fn nothing_known_is_unknown() {
        let mut blind = healthy();
        blind.gpu = None;
        for check in CHECKS {
            assert_eq!(check.judge(&blind).word(), "unknown", "{}", check.id);
        }
    }

    #[test]
    fn the_bus_outranks_the_list_of_driven_cards() {
        let gpu = Gpu {
            pci: Some(vec![card("0000:01:00.0", None), PciCard { vendor: "0x8086".into(), ..PciCard::default() }]),
            ..Gpu::default()
        };
        assert_eq!(cards(&gpu), [NvidiaCard { name: "0000:01:00.0", driver: None }]);
        let listed = crate::facts::Card { name: "card1".into(), driver: Some("nouveau".into()), ..Default::default() };
        let gpu = Gpu { cards: vec![listed], ..Gpu::default() };
        assert_eq!(cards(&gpu)[0].name, "card1");
    }
}
