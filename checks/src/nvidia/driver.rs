//! Whether a card of NVIDIA has NVIDIA's driver.

use super::devices::WITH_CARDS;
use super::{Driver, NvidiaCard, cards, gpu, kernel_driver};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, GlContext, Gpu, Nvidia, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};
use crate::packages::{distribution, is_layered};
use crate::renderer::{RendererClass, classify};

pub(super) static CHECK: Check = Check {
    id: "nvidia-driver",
    category: Category::Nvidia,
    question: "Does NVIDIA's driver drive NVIDIA's cards?",
    needs: &[ProbeId::Gpu],
    findings: &[&MISSING, &NOUVEAU],
    run,
};

static MISSING: FindingKind = FindingKind {
    id: "nvidia-driver-missing",
    code: "CD0302",
    severity: Severity::Warning,
    title: "No driver is loaded for the NVIDIA card",
    why: "Without a driver in the kernel the card draws nothing, and OpenGL is computed by the processor, which is slow. NVIDIA's \
          other parts (libraries, nvidia-container-cli) are of no use without it, and a container that is started with --nv gets \
          no card. Usual causes: the module was not built for a new kernel, Secure Boot refuses it, or it was never installed.",
    cure: "Install the driver from your distribution, or have its module built for the running kernel, and start the machine again. \
           Until then use the OpenGL modes container or software.",
    example: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver \
              is installed and running.",
    since: "0.1.0",
};

static NOUVEAU: FindingKind = FindingKind {
    id: "nvidia-nouveau",
    code: "CD0305",
    severity: Severity::Info,
    title: "The NVIDIA card is driven by nouveau, the free driver",
    why: "Nouveau is part of Linux and works with the OpenGL of the image, without NVIDIA's libraries. The mode nv has nothing to \
          bring in this case. Computing on the card (CUDA) needs NVIDIA's own driver, which cannot run beside nouveau.",
    cure: "Nothing has to be done: the OpenGL mode container fits. For NVIDIA's driver, install it from your distribution, which also \
           sets nouveau aside, and start the machine again.",
    example: "/sys/bus/pci/devices/0000:01:00.0/driver -> ../../../bus/pci/drivers/nouveau",
    since: "0.1.0",
};

/// The driver by which a card is handed to a virtual machine as a whole.
const HANDED_ON: &str = "vfio-pci";

fn run(facts: &Facts) -> Outcome {
    let gpu = match gpu(facts) {
        Ok(gpu) => gpu,
        Err(outcome) => return outcome,
    };
    let cards = cards(gpu);
    let nouveau: Vec<_> = cards.iter().filter(|card| card.driver == Some("nouveau")).collect();
    match kernel_driver(gpu) {
        Driver::Runs(version, nvidia) => return libraries(facts, version, nvidia),
        Driver::NotKnown(reason) => return Outcome::Unknown(reason),
        Driver::Absent if !nouveau.is_empty() => return Outcome::Findings(vec![driven_by_nouveau(gpu, &nouveau)]),
        Driver::Absent => {}
    }
    let idle: Vec<_> = cards.iter().filter(|card| card.driver != Some(HANDED_ON)).collect();
    if !idle.is_empty() {
        return Outcome::Findings(vec![undriven(facts, gpu, &idle)]);
    }
    if !cards.is_empty() {
        return Outcome::Skipped("the card of NVIDIA is handed to a virtual machine".into());
    }
    remains(gpu)
}

/// The kernel's part runs: are the libraries there, too?
fn libraries(facts: &Facts, version: &str, nvidia: &Nvidia) -> Outcome {
    let seen = format!("/proc/driver/nvidia/version: the kernel runs {version}");
    let finding = match (&nvidia.user_library, nvidia.draws) {
        (None, _) => MISSING
            .found()
            .title("NVIDIA's driver is loaded, but its libraries were not found")
            .evidence(seen)
            .evidence("neither the linker's cache nor the usual directories have libGLX_nvidia, libcuda or libnvidia-ml"),
        (Some(library), Some(false)) => MISSING
            .found()
            .severity(Severity::Info)
            .title("NVIDIA's driver is installed for computing, without its OpenGL")
            .evidence(seen)
            .evidence(format!("{} is there, libGLX_nvidia is not", library.display())),
        _ => return Outcome::Pass,
    };
    if let Some(container) = facts.session.as_ref().and_then(|session| session.inside_container.as_deref()) {
        return Outcome::Findings(vec![
            finding.evidence(format!("casa-doctor itself runs in a container ({container})")).advise(WITH_CARDS),
        ]);
    }
    let series = version.split('.').next().unwrap_or(version);
    Outcome::Findings(vec![finding.advise(format!(
        "Install the OpenGL libraries of version {version} of the driver from your distribution (on Debian libgl1-nvidia-glvnd-glx, on \
         Ubuntu libnvidia-gl-{series}, with -server behind it where the driver's other packages have that). Until then use the OpenGL \
         modes container or software."
    ))])
}

fn driven_by_nouveau(gpu: &Gpu, cards: &[&NvidiaCard<'_>]) -> Finding {
    let finding =
        cards.iter().fold(NOUVEAU.found(), |finding, card| finding.evidence(format!("{}: kernel driver nouveau", card.name)));
    let installed = gpu.nvidia.as_ref().and_then(|nvidia| nvidia.user_library.as_ref());
    match installed {
        // Somebody wanted NVIDIA's driver and did not get it.
        Some(library) => secure_boot(
            finding
                .severity(Severity::Warning)
                .title("NVIDIA's driver is installed, but nouveau drives the card")
                .evidence(format!("{}: NVIDIA's libraries are installed", library.display()))
                .advise_command(
                    "Start the machine again. If nouveau still has the card, it is not set aside: look whether a file says so.",
                    "grep -rs nouveau /etc/modprobe.d /usr/lib/modprobe.d",
                )
                .advise("Until then the OpenGL mode container fits, not nv."),
            gpu,
        ),
        None => finding.advise("The OpenGL mode container fits; nv has nothing to bring. Nothing has to be done."),
    }
}

fn undriven(facts: &Facts, gpu: &Gpu, cards: &[&NvidiaCard<'_>]) -> Finding {
    let finding = cards.iter().fold(MISSING.found(), |finding, card| {
        finding.evidence(format!(
            "{}: a card of NVIDIA, {}",
            card.name,
            card.driver.map_or("without a kernel driver".into(), |driver| format!("kernel driver {driver}"))
        ))
    });
    let finding = finding.evidence("/proc/driver/nvidia/version does not exist: NVIDIA's driver is not loaded");
    let version = gpu.nvidia.as_ref().and_then(|nvidia| nvidia.user_version.as_deref());
    let finding = version
        .into_iter()
        .fold(finding, |finding, version| finding.evidence(format!("NVIDIA's libraries of version {version} are installed")));
    let kernel = facts.machine.as_ref().and_then(|machine| machine.kernel.as_deref()).unwrap_or("that is running");
    let finding = match gpu.nvidia_module {
        Some(true) => finding
            .evidence(format!("/lib/modules: the kernel {kernel} has a module of NVIDIA, which is not loaded"))
            .advise_command("Load it by hand; what it answers tells why it was not loaded.", "sudo modprobe nvidia"),
        Some(false) if version.is_some() => {
            let finding = finding.evidence(format!("/lib/modules: the kernel {kernel} has no module of NVIDIA"));
            let text = "Have the module built for this kernel, then start the machine again. Where your distribution has it ready \
                        made, as Ubuntu has, install the package with that of this kernel.";
            match distribution(facts) {
                _ if is_layered(facts) => finding.advise(text),
                // RPM Fusion's driver, which is the usual one there, does not come with dkms.
                Some(("fedora", _)) => finding.advise_command(text, "sudo akmods --force"),
                _ => finding.advise_command(text, "sudo dkms autoinstall"),
            }
        }
        _ => finding.advise("Install NVIDIA's driver from your distribution, then start the machine again."),
    };
    let finding = secure_boot(finding, gpu);
    // A driver that is installed and has no module, or whose module the firmware may refuse, was wanted.
    let wanted = version.is_some() && (gpu.nvidia_module != Some(true) || gpu.secure_boot == Some(true));
    match drawn_by_another(facts).filter(|_| !wanted) {
        // As on a laptop whose NVIDIA card was set aside on purpose.
        Some(renderer) => finding
            .severity(Severity::Info)
            .evidence(format!("another graphics card draws: {renderer}"))
            .advise("Nothing has to be done unless you want the NVIDIA card: the OpenGL mode container draws with the other one."),
        None => finding.advise("Until then use the OpenGL modes container or software."),
    }
}

/// The card that draws on the display, which is not NVIDIA's where its driver is not loaded.
fn drawn_by_another(facts: &Facts) -> Option<&str> {
    let contexts = &facts.glx.as_ref()?.result.as_ref()?.contexts;
    let hardware = |context: &&GlContext| classify(context).class == RendererClass::Hardware;
    contexts.first().filter(hardware).map(|context| context.renderer.as_str())
}

fn secure_boot(finding: Finding, gpu: &Gpu) -> Finding {
    if gpu.secure_boot != Some(true) {
        return finding;
    }
    finding.evidence("Secure Boot is on: the kernel takes only modules that are signed with a key it knows").advise(
        "If \"modprobe nvidia\" says \"Key was rejected by service\", Secure Boot is the cause: have the firmware take up the key by \
         which your distribution signs the module (with mokutil, at the next start), or turn Secure Boot off in the firmware.",
    )
}

/// No card: parts of the driver may still be there, as on the login machine of a cluster.
fn remains(gpu: &Gpu) -> Outcome {
    let library = gpu.nvidia.as_ref().and_then(|nvidia| nvidia.user_library.as_ref());
    let tool = gpu.nvidia_tools.iter().find(|tool| *tool == "nvidia-container-cli");
    let seen = match (library, tool) {
        (Some(library), _) => format!("{} is installed", library.display()),
        (None, Some(tool)) => format!("{tool} is on PATH"),
        (None, None) => return Outcome::Skipped("there is no card of NVIDIA".into()),
    };
    let finding = MISSING
        .found()
        .severity(Severity::Info)
        .title("Parts of NVIDIA's driver are installed, but no card and no driver were found")
        .evidence(seen)
        .evidence("/proc/driver/nvidia/version does not exist, and no card of NVIDIA is on the PCI bus")
        .advise("Nothing has to be done on a machine without such a card: use the OpenGL modes container or software, not nv.");
    Outcome::Findings(vec![finding])
}

#[cfg(test)]
mod tests {
    use super::super::samples::{card, facts, finding, healthy};
    use super::*;
    use crate::facts::{Distribution, Machine};

    fn with_card(driver: Option<&str>) -> Facts {
        let mut facts = facts();
        facts.gpu.as_mut().unwrap().pci = Some(vec![card("0000:01:00.0", driver)]);
        facts
    }

    #[test]
    fn a_card_without_a_driver() {
        let found = finding(&CHECK, &with_card(None));
        assert_eq!((found.kind.id, found.severity), ("nvidia-driver-missing", Severity::Warning));
        assert!(found.evidence[0].contains("0000:01:00.0"), "{found:?}");
    }

    #[test]
    fn the_causes_are_told_apart() {
        let mut unbuilt = with_card(None);
        let gpu = unbuilt.gpu.as_mut().unwrap();
        gpu.nvidia = Some(Nvidia { user_version: Some("550.163.01".into()), user_library: Some("/x".into()), ..Nvidia::default() });
        gpu.nvidia_module = Some(false);
        assert_eq!(finding(&CHECK, &unbuilt).advice[0].command.as_deref(), Some("sudo dkms autoinstall"));
        let distribution = Some(Distribution { id: "fedora".into(), ..Distribution::default() });
        unbuilt.machine = Some(Machine { distribution, ..Machine::default() });
        assert_eq!(finding(&CHECK, &unbuilt).advice[0].command.as_deref(), Some("sudo akmods --force"));
        let mut refused = with_card(None);
        let gpu = refused.gpu.as_mut().unwrap();
        (gpu.nvidia_module, gpu.secure_boot) = (Some(true), Some(true));
        let found = finding(&CHECK, &refused);
        assert_eq!(found.advice[0].command.as_deref(), Some("sudo modprobe nvidia"));
        assert!(found.evidence.iter().any(|evidence| evidence.contains("Secure Boot")));
    }

    #[test]
    fn a_card_that_was_set_aside_is_a_remark_where_another_one_draws() {
        let draws = |mut facts: Facts, renderer: &str| {
            facts.glx = Some(crate::gl::samples::drawn_by(renderer));
            finding(&CHECK, &facts).severity
        };
        assert_eq!(draws(with_card(None), "Mesa Intel(R) UHD Graphics 620 (KBL GT2)"), Severity::Info);
        assert_eq!(draws(with_card(None), "llvmpipe (LLVM 15.0.6, 256 bits)"), Severity::Warning);
        // Here the driver was wanted, and the module for the kernel is missing.
        let mut unbuilt = with_card(None);
        let gpu = unbuilt.gpu.as_mut().unwrap();
        gpu.nvidia = Some(Nvidia { user_version: Some("550.163.01".into()), user_library: Some("/x".into()), ..Nvidia::default() });
        gpu.nvidia_module = Some(false);
        assert_eq!(draws(unbuilt, "Mesa Intel(R) UHD Graphics 620 (KBL GT2)"), Severity::Warning);
    }

    #[test]
    fn nouveau_is_a_remark_unless_the_other_driver_was_wanted() {
        let found = finding(&CHECK, &with_card(Some("nouveau")));
        assert_eq!((found.kind.id, found.severity), ("nvidia-nouveau", Severity::Info));
        let mut wanted = with_card(Some("nouveau"));
        wanted.gpu.as_mut().unwrap().nvidia = Some(Nvidia { user_library: Some("/x".into()), ..Nvidia::default() });
        assert_eq!(finding(&CHECK, &wanted).severity, Severity::Warning);
    }

    #[test]
    fn libraries_may_be_missing_or_for_computing_only() {
        let mut bare = healthy();
        let nvidia = bare.gpu.as_mut().unwrap().nvidia.as_mut().unwrap();
        (nvidia.user_version, nvidia.user_library) = (None, None);
        assert_eq!(finding(&CHECK, &bare).severity, Severity::Warning);
        let mut computing = healthy();
        computing.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().draws = Some(false);
        assert_eq!(finding(&CHECK, &computing).severity, Severity::Info);
        assert_eq!(CHECK.judge(&healthy()), Outcome::Pass);
    }

    #[test]
    fn in_a_container_the_libraries_are_not_installed_but_brought() {
        let mut inside = healthy();
        let nvidia = inside.gpu.as_mut().unwrap().nvidia.as_mut().unwrap();
        (nvidia.user_version, nvidia.user_library, nvidia.draws) = (None, None, Some(false));
        assert!(finding(&CHECK, &inside).advice[0].text.contains("on Ubuntu libnvidia-gl-550"));
        inside.session.as_mut().unwrap().inside_container = Some("apptainer".into());
        let found = finding(&CHECK, &inside);
        assert!(found.advice.len() == 1 && found.advice[0].text.contains("with Apptainer --nv"), "{found:?}");
    }

    #[test]
    fn tools_without_a_card_are_a_remark() {
        let mut facts = facts();
        facts.gpu.as_mut().unwrap().nvidia_tools = vec!["nvidia-container-cli".into()];
        assert_eq!(finding(&CHECK, &facts).severity, Severity::Info);
        facts.gpu.as_mut().unwrap().nvidia_tools = vec!["nvidia-modprobe".into()];
        assert_eq!(CHECK.judge(&facts).word(), "skipped");
    }

    #[test]
    fn a_card_for_a_virtual_machine_is_no_question_and_a_silent_driver_is_unknown() {
        assert_eq!(CHECK.judge(&with_card(Some("vfio-pci"))).word(), "skipped");
        assert_eq!(CHECK.judge(&with_card(Some("nvidia"))).word(), "unknown");
    }
}
