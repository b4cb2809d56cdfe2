//! Who draws what a program shows on the display.

use super::misfit::misfit;
use super::{card_in_words, devices, drawing_cards, is_elsewhere, is_yes, result, telling_lines, variable, x_server};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Card, DisplayName, Facts, GlContext, GlError, Gpu, ProbeId, Reach, ServerKind, XServer};
use crate::finding::{Finding, FindingKind, Severity};
use crate::nvidia::known_trouble;
use crate::packages::{Package, install};
use crate::renderer::{RendererClass, classify};

pub(super) static CHECK: Check = Check {
    id: "gl-renderer",
    category: Category::Rendering,
    question: "Does a graphics card draw what programs show on the display?",
    needs: &[ProbeId::X11, ProbeId::Glx, ProbeId::Gpu, ProbeId::Session],
    findings: &[&INDIRECT, &NO_CONTEXT, &SOFTWARE],
    run,
};

static SOFTWARE: FindingKind = FindingKind {
    id: "gl-software-renderer",
    code: "CD0201",
    severity: Severity::Warning,
    title: "The processor draws instead of a graphics card",
    why: "Without a usable driver for a graphics card, OpenGL falls back to a renderer that computes each pixel on the processor. \
          Everything works, but turning a mesh or a large volume is slow. On a machine without a card, and on most remote and \
          virtual displays, this is how it must be.",
    cure: "Where there is a card, install or repair its driver, and give your user access to it. On a remote display, VirtualGL \
           draws on the remote card.",
    example: "OpenGL renderer string: llvmpipe (LLVM 15.0.6, 256 bits)",
    since: "0.1.0",
};

static INDIRECT: FindingKind = FindingKind {
    id: "gl-indirect",
    code: "CD0202",
    severity: Severity::Warning,
    title: "OpenGL is indirect: the X server is asked to draw",
    why: "With indirect rendering each OpenGL command travels to the X server, which draws it. That way ends at OpenGL 1.4, too \
          little for the viewers of BrainVISA, and X.Org servers refuse it by default since version 1.17: programs then stop with BadValue \
          although simple windows appear. It happens with remote displays, and on a local one when the direct driver does not load.",
    cure: "Let the image draw with its own software OpenGL (mode software), or draw on the remote machine with VirtualGL.",
    example: "X Error of failed request:  BadValue (integer parameter out of range for operation)\n  \
              Major opcode of failed request:  150 (GLX)\n  Minor opcode of failed request:  24 (X_GLXCreateNewContext)",
    since: "0.1.0",
};

pub(super) static NO_CONTEXT: FindingKind = FindingKind {
    id: "gl-no-context",
    code: "CD0213",
    severity: Severity::Warning,
    title: "Programs of this machine get no OpenGL on the display",
    why: "The X server offers OpenGL, but this machine's own OpenGL libraries cannot use it: a driver is missing, does not fit, or \
          does not fit the X server. A container brings its own libraries, so programs in it can still work, except in the mode nv, \
          which takes the machine's.",
    cure: "Install this machine's OpenGL libraries and drivers, or choose the mode container or software.",
    example: "libGL error: MESA-LOADER: failed to open swrast\nError: couldn't find RGB GLX visual or fbconfig",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let server = match x_server(facts) {
        Ok(server) => server,
        Err(outcome) => return outcome,
    };
    let result = match result(facts.glx.as_ref()) {
        Ok(result) => result,
        Err(outcome) => return outcome,
    };
    if let Some(error) = &result.error {
        return failed(facts, server, error);
    }
    let Some(context) = result.contexts.first() else {
        return Outcome::Unknown("the test of GLX told neither a context nor an error".into());
    };
    let verdict = classify(context);
    if verdict.class == RendererClass::Indirect || context.direct == Some(false) {
        return Outcome::Findings(vec![indirect(facts).evidence(strings(context))]);
    }
    match verdict.class {
        RendererClass::Software => Outcome::Findings(vec![software(facts, server, context, verdict.contradictions)]),
        RendererClass::None => {
            Outcome::Findings(vec![no_context(facts).evidence("the context says neither who draws nor with what version")])
        }
        RendererClass::Unknown => Outcome::Unknown(format!("the renderer \"{}\" is not known to casa-doctor", context.renderer)),
        RendererClass::Hardware | RendererClass::Virtual | RendererClass::Indirect => Outcome::Pass,
    }
}

fn strings(context: &GlContext) -> String {
    format!("GLX: renderer \"{}\", vendor \"{}\", version \"{}\"", context.renderer, context.vendor, context.version)
}

/// There is no context: because the server refuses an indirect one, or for another reason.
fn failed(facts: &Facts, server: &XServer, error: &GlError) -> Outcome {
    if server.glx.is_none() || error.message.contains("has no GLX") {
        return Outcome::Skipped("the X server has no GLX, see x11-glx-missing".into());
    }
    if error.call == "XOpenDisplay" {
        return Outcome::Skipped("the X server was reached at first and then no more".into());
    }
    let evidence = format!("{}: {}", error.call, error.message);
    if let Some(finding) = misfit(facts, server) {
        return Outcome::Findings(vec![finding.evidence(evidence)]);
    }
    // What the server answers to a request for an indirect context, which is what libGL tries when the direct driver does not
    // load. On a local display the driver is then the matter; elsewhere indirect rendering is all that could be had.
    let refused = error.message.starts_with("BadValue") && error.message.contains("X_GLXCreate");
    let local = !is_elsewhere(facts) && reach(facts) != Some(Reach::Launchd);
    let finding = if refused && (is_wanted(facts) || !(local && says_that_no_driver_loads(facts))) {
        indirect(facts).title("OpenGL would be indirect, and the X server refuses that")
    } else {
        no_context(facts)
    };
    Outcome::Findings(vec![finding.evidence(evidence)])
}

fn reach(facts: &Facts) -> Option<Reach> {
    facts.x11.as_ref()?.display.as_ref().map(|display| display.reach)
}

fn is_wanted(facts: &Facts) -> bool {
    variable(facts.session.as_ref(), "LIBGL_ALWAYS_INDIRECT").is_some_and(is_yes)
}

/// Whether Mesa's loader told that it found no driver.
fn says_that_no_driver_loads(facts: &Facts) -> bool {
    let stderr = facts.glx.as_ref().map(|run| run.stderr.as_slice()).unwrap_or_default();
    stderr.iter().any(|line| line.contains("MESA-LOADER: failed to open") || line.contains("failed to load driver"))
}

fn indirect(facts: &Facts) -> Finding {
    let mut finding = INDIRECT.found();
    let wanted = is_wanted(facts);
    if wanted {
        finding = finding
            .evidence("LIBGL_ALWAYS_INDIRECT is set, which asks for it")
            .advise_command("Unset the variable; remove it from your shell's start-up files, too.", "unset LIBGL_ALWAYS_INDIRECT");
    }
    finding = display_evidence(facts, finding);
    finding = stderr_evidence(facts, finding);
    if wanted {
        finding
    } else if let Some(cause) = cause(facts) {
        of_cause(finding, cause)
    } else {
        finding.advise(SOFTWARE_MODE).advise(
            "If the machine that computes has a graphics card, start the program with vglrun (VirtualGL), or in a VNC session.",
        )
    }
}

/// The library that the dynamic linker found too old for a driver: it says "LIBRARY: version `NAME' not found (required by …)".
fn older_library(facts: &Facts) -> Option<&str> {
    let stderr = facts.glx.as_ref().map(|run| run.stderr.as_slice()).unwrap_or_default();
    stderr.iter().find_map(|line| {
        let (before, _) = line.split_once(": version `").filter(|(_, rest)| rest.contains("' not found (required by "))?;
        before.split_whitespace().next_back().filter(|library| library.starts_with('/'))
    })
}

/// The driver is there and in order; another program's libraries come before those that it was made for.
fn of_older_library(facts: &Facts, finding: Finding, library: &str) -> Finding {
    let finding = finding
        .title("The OpenGL driver of this machine finds an older library than it needs")
        .evidence(format!("{library} is found first, and is too old for the driver"));
    match variable(facts.session.as_ref(), "LD_LIBRARY_PATH") {
        Some(value) => finding.evidence(format!("LD_LIBRARY_PATH={value}")).advise_command(
            "Unset the variable, or take that library's directory out of it, also in your shell's start-up files. It is mostly left \
             by another program that brings libraries of its own, such as conda.",
            "unset LD_LIBRARY_PATH",
        ),
        None => finding.advise(format!("Take {library} out of the linker's way: it does not belong to the driver.")),
    }
    .advise("In the container, the libraries are those of the image, and are not concerned unless the variable is handed on.")
}

fn no_context(facts: &Facts) -> Finding {
    let finding = stderr_evidence(facts, display_evidence(facts, NO_CONTEXT.found()));
    if let Some(library) = older_library(facts) {
        return of_older_library(facts, finding, library);
    }
    if let Some(cause) = cause(facts) {
        return of_cause(finding, cause);
    }
    if is_elsewhere(facts) && says(facts, "No matching fbConfigs") {
        // Mesa is there, and has no kind of picture in common with a server that another driver draws for.
        return finding
            .evidence("this machine's Mesa and the X server have no kind of picture in common: another driver draws there")
            .advise(SOFTWARE_MODE);
    }
    match install(facts, &MESA) {
        Some(command) => finding.advise_command("Install the OpenGL libraries of this machine (an administrator can).", command),
        None => finding.advise("Install the OpenGL libraries of this machine (Mesa, or the driver of your card's maker)."),
    }
    .advise(SOFTWARE_MODE)
}

static MESA: Package = Package {
    apt: Some("libgl1 libglx-mesa0 libgl1-mesa-dri"),
    dnf: Some("mesa-libGL mesa-dri-drivers"),
    zypper: Some("Mesa-libGL1 Mesa-dri"),
    pacman: Some("mesa"),
};

const SOFTWARE_MODE: &str =
    "In the container, use the mode software: the image's own software OpenGL asks nothing of the X server.";

/// The finding from which this one comes: on a display of this machine, NVIDIA's driver that cannot be used. Where another card could
/// draw, it is to blame only if the X server asks for it.
fn cause(facts: &Facts) -> Option<&'static str> {
    if is_elsewhere(facts) {
        return None;
    }
    let asked = x_server(facts).ok().and_then(|server| server.glx.as_ref());
    let is_asked = asked.is_some_and(|glx| glx.vendor_names.iter().any(|name| name == "nvidia"));
    let is_nvidias = |card: &Card| card.driver.as_deref().is_some_and(|driver| driver.starts_with("nvidia"));
    let is_alone = drawing_cards(facts.gpu.as_ref()).all(is_nvidias);
    if is_asked || is_alone { known_trouble(facts) } else { None }
}

fn of_cause(finding: Finding, cause: &str) -> Finding {
    finding
        .evidence(format!("NVIDIA's driver of this machine cannot be used (see {cause})"))
        .advise(format!("Cure {cause} first: this comes from it."))
        .advise(format!("Until then: {}{}", SOFTWARE_MODE[..1].to_lowercase(), &SOFTWARE_MODE[1..]))
}

fn says(facts: &Facts, words: &str) -> bool {
    facts.glx.as_ref().is_some_and(|run| run.stderr.iter().any(|line| line.contains(words)))
}

pub(super) fn display_evidence(facts: &Facts, finding: Finding) -> Finding {
    match facts.x11.as_ref().and_then(|x11| x11.display.as_ref()) {
        Some(DisplayName { text, reach: Reach::Loopback, .. }) if is_elsewhere(facts) => {
            finding.evidence(format!("DISPLAY={text} leads to another machine's screen through ssh"))
        }
        Some(DisplayName { text, reach: Reach::Remote, .. }) => {
            finding.evidence(format!("DISPLAY={text} is another machine's screen"))
        }
        _ => finding,
    }
}

pub(super) fn stderr_evidence(facts: &Facts, finding: Finding) -> Finding {
    let lines = facts.glx.as_ref().map(|run| telling_lines(&run.stderr)).unwrap_or_default();
    lines.into_iter().fold(finding, Finding::evidence)
}

/// Whether there is a card that could draw: listed by the kernel, driven by NVIDIA's own module, or reached through Windows.
fn has_card(gpu: Option<&Gpu>) -> bool {
    drawing_cards(gpu).next().is_some() || gpu.is_some_and(|gpu| gpu.dxg || has_nvidia(gpu))
}

/// Libraries of NVIDIA's driver alone are no card.
fn has_nvidia(gpu: &Gpu) -> bool {
    gpu.nvidia.as_ref().is_some_and(|nvidia| nvidia.kernel_version.is_some() || !nvidia.nodes.is_empty())
}

/// Why the processor draws, when that is no fault.
fn is_expected(facts: &Facts, server: &XServer) -> Option<String> {
    let session = facts.session.as_ref();
    if variable(session, "LIBGL_ALWAYS_SOFTWARE").is_some_and(is_yes) {
        return Some("LIBGL_ALWAYS_SOFTWARE asks for it".into());
    }
    // It chooses among the drivers that need no node in /dev/dri: a card that has one comes before them (Mesa, `__glXInitialize`).
    if let Some(driver @ ("llvmpipe" | "softpipe" | "swr")) = variable(session, "GALLIUM_DRIVER")
        && facts.gpu.as_ref().is_some_and(|gpu| gpu.dxg)
    {
        return Some(format!("GALLIUM_DRIVER={driver} asks for it"));
    }
    if !has_card(facts.gpu.as_ref()) {
        return Some("this machine has no graphics card that can draw".into());
    }
    if is_elsewhere(facts) {
        return Some("the display is on another machine".into());
    }
    if reach(facts) == Some(Reach::Launchd) {
        return Some("the display is XQuartz".into());
    }
    has_no_card(server).map(str::to_owned)
}

/// Whether the server itself works without a card. A server with a card offers the extensions by which programs share it.
fn has_no_card(server: &XServer) -> Option<&'static str> {
    match server.kind {
        ServerKind::Xvnc => Some("the display is a VNC server, which has no card"),
        ServerKind::Nxagent => Some("the display is an x2go server, which has no card"),
        ServerKind::Xquartz => Some("the display is XQuartz"),
        ServerKind::Unknown => Some("the display does not say what it is"),
        ServerKind::Xwayland => None,
        ServerKind::Xorg => {
            let shares =
                ["DRI2", "DRI3", "NV-GLX", "NV-CONTROL"].iter().any(|name| server.extensions.iter().any(|has| has == name));
            // Xvfb has the output "screen", Xephyr and the simplest drivers of Xorg "default", xrdp "rdp0", the driver dummy "DUMMY0".
            let names = ["screen", "default", "rdp", "DUMMY"];
            let virtual_output =
                server.outputs.iter().all(|output| names.contains(&output.trim_end_matches(|c: char| c.is_ascii_digit())));
            (!shares && virtual_output).then_some("the display is a virtual one (such as Xvfb), which has no card")
        }
    }
}

fn software(facts: &Facts, server: &XServer, context: &GlContext, contradictions: Vec<String>) -> Finding {
    let mut finding = SOFTWARE.found().evidence(strings(context));
    if context.accelerated == Some(false) {
        finding = finding.evidence("GLX_MESA_query_renderer: not accelerated");
    }
    finding = contradictions.into_iter().fold(finding, Finding::evidence);
    if let Some(reason) = is_expected(facts, server) {
        // A card that has no driver is told elsewhere, and there is something to do.
        if !has_card(facts.gpu.as_ref())
            && let Some(cause) = cause(facts)
        {
            return finding
                .severity(Severity::Info)
                .evidence(format!("the NVIDIA card of this machine cannot draw (see {cause})"))
                .advise(format!("Cure {cause}, from which this comes. Until then drawing is slower than with a card, and right."));
        }
        let advice = match facts.machine.as_ref().and_then(|machine| machine.hypervisor.as_deref()) {
            Some(_) => {
                "Nothing has to be done. If the virtual machine's settings offer 3D acceleration, switching it on is faster."
            }
            None => "Nothing has to be done; drawing is slower than with a card, and right.",
        };
        return finding.severity(Severity::Info).evidence(reason).advise(advice);
    }
    finding = drawing_cards(facts.gpu.as_ref())
        .fold(finding, |finding, card| finding.evidence(format!("this machine has a graphics card: {}", card_in_words(card))));
    finding = stderr_evidence(facts, finding);
    let gpu = facts.gpu.as_ref();
    if gpu.is_some_and(|gpu| gpu.dxg) {
        finding.advise(
            "Under WSL the card is reached through Mesa's driver d3d12: update WSL and the Windows driver of the card, and see \
             wsl-gl-unbound.",
        )
    } else if let Some(cause) = cause(facts) {
        finding
            .evidence(format!("NVIDIA's driver of this machine cannot be used (see {cause})"))
            .advise(format!("Cure {cause} first: this comes from it."))
    } else if gpu.is_some_and(has_nvidia) {
        finding.advise("Repair the NVIDIA driver of this machine; after an update of the driver, a restart is enough.")
    } else {
        let driver = "Install the OpenGL driver of the card (on Debian and Ubuntu the package libgl1-mesa-dri).";
        if matches!(devices::CHECK.judge(facts), Outcome::Findings(_)) {
            finding
                .advise("Cure dri-permission first: you may not use the card.")
                .advise(format!("If that does not help: i{}", &driver[1..]))
        } else {
            finding.advise(driver)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{card, desktop, display, drawn_by, facts, refused, session, xvfb};
    use super::*;
    use crate::facts::Nvidia;

    const LLVMPIPE: &str = "llvmpipe (LLVM 15.0.6, 256 bits)";

    fn machine(x11: crate::facts::X11, gpu: Gpu) -> Facts {
        Facts { x11: Some(x11), gpu: Some(gpu), session: Some(session(&[])), glx: Some(drawn_by(LLVMPIPE)), ..facts() }
    }

    fn found(facts: &Facts) -> (String, Severity) {
        match CHECK.judge(facts) {
            Outcome::Findings(findings) => (findings[0].kind.id.to_owned(), findings[0].severity),
            other => panic!("{other:?}"),
        }
    }

    fn words(facts: &Facts) -> String {
        let Outcome::Findings(findings) = CHECK.judge(facts) else { panic!() };
        let advice = findings[0].advice.iter().map(|advice| format!("{} {:?}", advice.text, advice.command));
        findings[0].evidence.iter().cloned().chain(advice).collect::<Vec<_>>().join("\n")
    }

    fn mismatch() -> Nvidia {
        Nvidia { kernel_version: Some("550.163.01".into()), user_version: Some("550.120".into()), ..Nvidia::default() }
    }

    #[test]
    fn what_comes_of_a_broken_driver_of_nvidia_is_laid_to_it() {
        let broken = Gpu { nvidia: Some(mismatch()), ..card("nvidia") };
        let mut facts = machine(desktop(), broken.clone());
        assert!(words(&facts).contains("Cure nvidia-driver-mismatch first"), "{}", words(&facts));
        facts.glx = Some(refused("glXCreateNewContext", "GLXBadFBConfig"));
        assert!(words(&facts).contains("nvidia-driver-mismatch") && !words(&facts).contains("Install"), "{}", words(&facts));
        // Beside a card that could draw by itself it is not the cause.
        let mut hybrid = broken;
        hybrid.cards.extend(card("i915").cards);
        facts.gpu = Some(hybrid);
        assert!(!words(&facts).contains("nvidia-driver-mismatch"), "{}", words(&facts));
    }

    #[test]
    fn a_card_of_nvidia_without_a_driver_is_not_no_card() {
        let undriven = crate::facts::PciCard { address: "0000:01:00.0".into(), vendor: "0x10de".into(), ..Default::default() };
        let gpu = Gpu { pci: Some(vec![undriven]), nvidia_module: Some(false), ..Gpu::default() };
        let told = words(&machine(desktop(), gpu));
        assert!(told.contains("nvidia-driver-missing") && !told.contains("has no graphics card"), "{told}");
    }

    #[test]
    fn a_server_of_another_driver_is_no_reason_to_install_mesa() {
        let mut facts = machine(display(Reach::Loopback, ServerKind::Xorg, &["GLX"], &["HDMI-1"]), Gpu::default());
        facts.glx = Some(refused("glXCreateNewContext", "GLXBadFBConfig"));
        assert!(words(&facts).contains("Install"));
        facts.glx.as_mut().unwrap().stderr = vec!["libGL error: No matching fbConfigs or visuals found".into()];
        assert!(!words(&facts).contains("Install"), "{}", words(&facts));
    }

    #[test]
    fn dri_permission_is_named_only_where_it_is_found() {
        let told = words(&machine(desktop(), card("i915")));
        assert!(told.contains("Install the OpenGL driver") && !told.contains("dri-permission"), "{told}");
    }

    #[test]
    fn software_on_a_desktop_with_a_card_is_a_warning() {
        for driver in ["i915", "amdgpu", "nvidia"] {
            assert_eq!(found(&machine(desktop(), card(driver))), ("gl-software-renderer".into(), Severity::Warning), "{driver}");
        }
        let wayland = display(Reach::Local, ServerKind::Xwayland, &["DRI3", "GLX", "XWAYLAND"], &["XWAYLAND0"]);
        assert_eq!(found(&machine(wayland, card("i915"))).1, Severity::Warning);
    }

    #[test]
    fn software_without_a_card_or_on_a_display_without_one_is_no_alarm() {
        let no_alarm = [
            machine(xvfb(), Gpu::default()),
            machine(xvfb(), card("i915")),
            machine(display(Reach::Local, ServerKind::Xorg, &["GLX", "RANDR"], &["rdp0", "rdp1"]), card("nvidia")),
            machine(display(Reach::Local, ServerKind::Xorg, &["GLX", "RANDR"], &["DUMMY0"]), card("amdgpu")),
            machine(desktop(), card("ast")),
            machine(desktop(), card("vmwgfx")),
            machine(display(Reach::Local, ServerKind::Xvnc, &["GLX", "VNC-EXTENSION"], &["VNC-0"]), card("amdgpu")),
            machine(display(Reach::Local, ServerKind::Nxagent, &["GLX"], &[]), card("amdgpu")),
            machine(display(Reach::Loopback, ServerKind::Xorg, &["GLX", "DRI3"], &["HDMI-1"]), card("amdgpu")),
        ];
        let mut own = machine(display(Reach::Loopback, ServerKind::Xorg, &["GLX", "DRI3"], &["HDMI-1"]), card("amdgpu"));
        own.x11.as_mut().unwrap().display.as_mut().unwrap().number = 0;
        assert_eq!(found(&own).1, Severity::Warning, "a TCP display of this machine is its own");
        for facts in no_alarm {
            assert_eq!(found(&facts), ("gl-software-renderer".into(), Severity::Info), "{facts:?}");
        }
    }

    #[test]
    fn the_module_of_nvidia_is_a_card_and_its_libraries_alone_are_none() {
        let nvidia = |kernel: Option<&str>| Nvidia { kernel_version: kernel.map(str::to_owned), ..Nvidia::default() };
        let with = |nvidia| machine(desktop(), Gpu { nvidia: Some(nvidia), ..Gpu::default() });
        assert_eq!(found(&with(nvidia(Some("550.163.01")))).1, Severity::Warning);
        assert_eq!(found(&with(nvidia(None))).1, Severity::Info);
    }

    #[test]
    fn software_that_a_variable_asks_for_is_no_alarm() {
        let with = |name, value, gpu| found(&Facts { session: Some(session(&[(name, value)])), ..machine(desktop(), gpu) }).1;
        assert_eq!(with("LIBGL_ALWAYS_SOFTWARE", "1", card("i915")), Severity::Info);
        assert_eq!(with("LIBGL_ALWAYS_SOFTWARE", "0", card("i915")), Severity::Warning);
        assert_eq!(with("LIBGL_ALWAYS_SOFTWARE", "on", card("i915")), Severity::Warning, "Mesa does not know the word");
        let of_windows = Gpu { dxg: true, ..Gpu::default() };
        assert_eq!(with("GALLIUM_DRIVER", "llvmpipe", of_windows), Severity::Info);
        assert_eq!(with("GALLIUM_DRIVER", "llvmpipe", card("i915")), Severity::Warning, "the card comes first, and does not draw");
    }

    #[test]
    fn the_words_of_the_driver_are_evidence() {
        let mut facts = machine(desktop(), card("i915"));
        let line = "libGL error: MESA-LOADER: failed to open iris: Permission denied";
        if let Some(run) = facts.glx.as_mut() {
            run.stderr = vec!["libGL: using driver i915 for 4".into(), line.into()];
        }
        let Outcome::Findings(findings) = CHECK.judge(&facts) else { panic!("nothing found") };
        assert!(findings[0].evidence.iter().any(|evidence| evidence.ends_with(line)), "{:?}", findings[0].evidence);
    }

    #[test]
    fn cards_pass() {
        for renderer in ["NVIDIA GeForce RTX 3070/PCIe/SSE2", "virgl", "D3D12 (NVIDIA GeForce RTX 3060)", "NV136"] {
            let facts = Facts { glx: Some(drawn_by(renderer)), ..machine(desktop(), card("nvidia")) };
            assert_eq!(CHECK.judge(&facts), Outcome::Pass, "{renderer}");
        }
    }

    #[test]
    fn an_unknown_renderer_is_unknown() {
        let facts = Facts { glx: Some(drawn_by("Frobnicator")), ..machine(desktop(), card("i915")) };
        assert_eq!(CHECK.judge(&facts).word(), "unknown");
    }

    #[test]
    fn a_refused_indirect_context_is_indirect() {
        let message = "BadValue (integer parameter out of range for operation), to GLX request 24 (X_GLXCreateNewContext)";
        let refusal = Facts { glx: Some(refused("glXCreateContextAttribsARB", message)), ..machine(xvfb(), card("i915")) };
        assert_eq!(found(&refusal).0, "gl-indirect");
        let wanted = Facts { session: Some(session(&[("LIBGL_ALWAYS_INDIRECT", "1")])), ..refusal };
        let Outcome::Findings(findings) = CHECK.judge(&wanted) else { panic!("nothing found") };
        assert_eq!(findings[0].advice.len(), 1);
        assert_eq!(findings[0].advice[0].command.as_deref(), Some("unset LIBGL_ALWAYS_INDIRECT"));
    }

    #[test]
    fn a_local_driver_that_does_not_load_is_the_matter_and_not_the_refusal_that_follows() {
        let message = "BadValue (integer parameter out of range for operation), to GLX request 24 (X_GLXCreateNewContext)";
        let mut glx = refused("glXCreateNewContext", message);
        glx.stderr = vec!["libGL error: MESA-LOADER: failed to open swrast: cannot open shared object file".into()];
        let local = Facts { glx: Some(glx.clone()), ..machine(xvfb(), card("i915")) };
        assert_eq!(found(&local).0, "gl-no-context");
        let forwarded = display(Reach::Loopback, ServerKind::Xorg, &["GLX"], &["HDMI-1"]);
        assert_eq!(found(&Facts { glx: Some(glx), ..machine(forwarded, card("i915")) }).0, "gl-indirect");
    }

    #[test]
    fn a_context_that_is_not_direct_is_indirect() {
        let mut facts = machine(desktop(), card("i915"));
        if let Some(result) = facts.glx.as_mut().and_then(|run| run.result.as_mut()) {
            result.contexts[0].direct = Some(false);
        }
        assert_eq!(found(&facts).0, "gl-indirect");
    }

    #[test]
    fn other_failures_have_no_context_or_belong_elsewhere() {
        let with = |call: &str, message: &str| Facts { glx: Some(refused(call, message)), ..machine(xvfb(), card("i915")) };
        assert_eq!(found(&with("dlopen libGL.so.1", "no such file")).0, "gl-no-context");
        assert_eq!(found(&with("glXChooseFBConfig", "nothing in common")).0, "gl-no-context");
        assert_eq!(CHECK.judge(&with("glXQueryExtension", "the X server has no GLX")).word(), "skipped");
        assert_eq!(found(&Facts { glx: Some(drawn_by("")), ..machine(xvfb(), card("i915")) }).0, "gl-no-context");
    }

    #[test]
    fn an_older_library_in_the_way_is_named_and_nothing_is_to_be_installed() {
        let line = "libGL: MESA-LOADER: failed to open /usr/lib/dri/swrast_dri.so: /opt/conda/lib/libstdc++.so.6: version \
                    `GLIBCXX_3.4.29' not found (required by /usr/lib/dri/swrast_dri.so)";
        let mut glx = refused("glXCreateNewContext", "BadValue, to GLX request 24 (X_GLXCreateNewContext)");
        glx.stderr = vec![line.to_owned(), "libGL error: failed to load driver: swrast".to_owned()];
        let session = session(&[("LD_LIBRARY_PATH", "/opt/conda/lib")]);
        let facts = Facts { glx: Some(glx), session: Some(session), ..machine(xvfb(), Gpu::default()) };
        let outcome = CHECK.judge(&facts);
        let Outcome::Findings(findings) = outcome else { panic!("{outcome:?}") };
        assert_eq!(findings[0].kind.id, "gl-no-context");
        assert!(findings[0].evidence.iter().any(|line| line.starts_with("/opt/conda/lib/libstdc++.so.6 is found first")));
        let commands: Vec<_> = findings[0].advice.iter().filter_map(|advice| advice.command.as_deref()).collect();
        assert_eq!(commands, ["unset LD_LIBRARY_PATH"]);
    }

    #[test]
    fn without_an_x_server_there_is_no_question() {
        let x11 = crate::facts::X11::default();
        assert_eq!(CHECK.judge(&machine(x11, card("i915"))).word(), "skipped");
    }
}
