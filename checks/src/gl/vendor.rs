//! Whether the image has the OpenGL library that the X server asks for.
//!
//! The rule is libglvnd's: a GLX client asks the server for its vendor names (GLX_VENDOR_NAMES_EXT) and takes the first one
//! whose `libGLX_<name>.so.0` loads; when none does, or the server names none, it takes `libGLX_indirect.so.0`, which Debian
//! makes a link to Mesa's.

use super::{glibc, is_elsewhere, variable, x_server};
use crate::check::{Category, Check, Outcome};
use crate::facts::{ChildEnd, Facts, ImageContents, Nvidia, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};
use crate::nvidia::{closed_node, driver_fails, missing_node};

pub(super) static CHECK: Check = Check {
    id: "gl-vendor",
    category: Category::Rendering,
    question: "Does the image have the OpenGL library that the X server asks for?",
    needs: &[ProbeId::X11, ProbeId::Image],
    findings: &[&MISSING],
    run,
};

static MISSING: FindingKind = FindingKind {
    id: "gl-vendor-missing",
    code: "CD0205",
    severity: Severity::Error,
    title: "The X server asks for an OpenGL library that the image does not have",
    why: "An X server that is driven by a card's own driver tells each program which library fits it, such as libGLX_nvidia. The \
          image does not have that library. Without it, programs in the container find no OpenGL on this display, or try Mesa, \
          which cannot work with such a server.",
    cure: "For an NVIDIA server on the same machine, the mode nv brings the library into the container. Everywhere else, the mode \
           software uses an OpenGL of the image that asks nothing of the server.",
    example: "libGL error: No matching fbConfigs or visuals found\nlibGL error: failed to load driver: swrast",
    since: "0.1.0",
};

/// Whether the mode nv can bring NVIDIA's library.
enum Supply {
    Yes,
    /// It could, and the driver breaks when it is used: that is told by another finding.
    Broken(&'static str),
    No(String),
    NotKnown,
}

fn run(facts: &Facts) -> Outcome {
    let server = match x_server(facts) {
        Ok(server) => server,
        Err(outcome) => return outcome,
    };
    let Some(glx) = &server.glx else { return Outcome::Skipped("the X server has no GLX".into()) };
    let Some(image) = &facts.image else { return Outcome::Skipped("there is no image to look at".into()) };
    let Some(contents) = &image.contents else {
        let reason = image.unknown.get("contents").cloned();
        return Outcome::Unknown(reason.unwrap_or_else(|| "it is not known what the image holds".into()));
    };
    if contents.glx_vendors.is_empty() && contents.glvnd.is_none() {
        return Outcome::Unknown("it is not known which OpenGL libraries the image holds".into());
    }
    let has = |name: &String| contents.glx_vendors.contains(name) || (contents.glvnd == Some(false) && name == "mesa");
    if glx.vendor_names.iter().any(has) {
        return Outcome::Pass;
    }
    let Some(wanted) = glx.vendor_names.first() else {
        return unnamed(contents);
    };
    let mut finding = MISSING
        .found()
        .title(format!("The X server asks for libGLX_{wanted}, which the image does not have"))
        .evidence(format!("X server: GLX_VENDOR_NAMES_EXT is \"{}\"", glx.vendor_names.join(" ")));
    finding = finding.evidence(format!("image: it has {}", libraries(contents)));
    if contents.glx_indirect {
        finding =
            finding.evidence("image: libGLX_indirect.so.0 makes programs try Mesa instead, which such a server often refuses");
    }
    if !glx.vendor_names.iter().any(|name| name == "nvidia") {
        return Outcome::Findings(vec![advise_software(finding, contents)]);
    }
    let finding = match supply(facts) {
        // What the mode nv is for, and what is recommended then: nothing is wrong.
        Supply::Yes => {
            let finding = finding
                .severity(Severity::Info)
                .evidence("this machine has NVIDIA's driver, so the mode nv can bring the library into the container");
            if has_glibc_error(facts) {
                finding.advise("Before you start programs in the mode nv, see glibc-too-new: as it is, they may not start. The mode container does not work with this X server.")
            } else {
                finding.advise("Start programs in the mode nv. The mode container does not work with this X server.")
            }
        }
        Supply::Broken(reason) => {
            let finding = finding.severity(Severity::Info).evidence(format!("the mode nv is of no use: {reason}"));
            advise_software(finding, contents)
        }
        Supply::No(reason) => advise_software(finding.evidence(format!("the mode nv cannot bring it: {reason}")), contents),
        Supply::NotKnown => {
            let advice = "If this machine has NVIDIA's driver, start programs in the mode nv; otherwise in the mode software.";
            finding.severity(Severity::Warning).evidence("it is not known whether this machine has NVIDIA's driver").advise(advice)
        }
    };
    Outcome::Findings(vec![finding])
}

/// The server names no vendor: the library for that case decides.
fn unnamed(contents: &ImageContents) -> Outcome {
    // An OpenGL from before libglvnd asks no server.
    if contents.glx_indirect || contents.glvnd == Some(false) {
        return Outcome::Pass;
    }
    let finding = MISSING
        .found()
        .title("The X server names no OpenGL library, and the image lacks the one for that case")
        .evidence("X server: it does not answer GLX_VENDOR_NAMES_EXT")
        .evidence(format!("image: it has {}, and no libGLX_indirect.so.0", libraries(contents)));
    Outcome::Findings(vec![advise_software(finding, contents)])
}

fn libraries(contents: &ImageContents) -> String {
    if contents.glx_vendors.is_empty() {
        return "no libGLX library".into();
    }
    contents.glx_vendors.iter().map(|name| format!("libGLX_{name}.so.0")).collect::<Vec<_>>().join(", ")
}

fn advise_software(finding: Finding, contents: &ImageContents) -> Finding {
    if contents.software_mesa == Some(false) {
        finding.advise("The image has no software OpenGL either: take a newer image, which has one, and the mode software.")
    } else {
        finding.advise("Start programs in the mode software: the image's own OpenGL asks nothing of the X server.")
    }
}

/// Whether programs would not start in the mode nv because of the C library.
fn has_glibc_error(facts: &Facts) -> bool {
    matches!(glibc::CHECK.judge(facts), Outcome::Findings(findings) if findings.iter().any(|finding| finding.severity == Severity::Error))
}

/// A driver that is there and broke when it was tried.
fn broken(facts: &Facts) -> Option<&'static str> {
    if driver_fails(facts) {
        return Some("NVIDIA's driver does not work (see nvidia-nvml-failed)");
    }
    // What a variable chose is not the library that the mode nv would bring.
    let run = facts.glx.as_ref().filter(|_| variable(facts.session.as_ref(), "__GLX_VENDOR_LIBRARY_NAME").is_none())?;
    match run.end {
        ChildEnd::TimedOut { .. } => Some("this machine's own driver hangs (see gl-probe-hung)"),
        ChildEnd::Signal { .. } => Some("this machine's own driver crashes (see gl-probe-crashed)"),
        _ => None,
    }
}

fn supply(facts: &Facts) -> Supply {
    if is_elsewhere(facts) {
        return Supply::No("the X server is on another machine, and NVIDIA's library needs a card of its own machine".into());
    }
    if let Some(reason) = broken(facts) {
        return Supply::Broken(reason);
    }
    let Some(gpu) = &facts.gpu else { return Supply::NotKnown };
    match &gpu.nvidia {
        Some(Nvidia { kernel_version: Some(kernel), user_version: Some(user), .. }) if kernel != user => Supply::No(format!(
            "the kernel runs version {kernel} of the driver, and the libraries are of version {user} (see nvidia-driver-mismatch)"
        )),
        Some(Nvidia { kernel_version: Some(_), draws: Some(false), .. }) => {
            Supply::No("NVIDIA's driver is installed here for computing, without its OpenGL (see nvidia-driver-missing)".into())
        }
        Some(Nvidia { kernel_version: Some(_), user_version: Some(_), nodes, .. }) => {
            match (missing_node(nodes), closed_node(nodes)) {
                (Some(node), _) => Supply::No(format!("/dev/{node} does not exist (see nvidia-device-missing)")),
                (_, Some(node)) => Supply::No(format!("you may not open {} (see nvidia-device-permission)", node.path.display())),
                (None, None) => Supply::Yes,
            }
        }
        Some(Nvidia { user_version: None, .. }) => Supply::No("this machine does not have NVIDIA's OpenGL libraries".into()),
        Some(_) => Supply::No("the kernel of this machine does not run NVIDIA's driver".into()),
        None => Supply::No("this machine has no NVIDIA driver".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken as ended, desktop, facts};
    use super::*;
    use crate::facts::{Connection, DeviceNode, Gpu, Image, Reach};

    fn machine(server: &[&str], image: ImageContents, nvidia: Option<Nvidia>) -> Facts {
        let mut x11 = desktop();
        if let Connection::Connected(connected) = &mut x11.connection
            && let Some(glx) = connected.glx.as_mut()
        {
            glx.vendor_names = server.iter().map(|name| (*name).to_owned()).collect();
        }
        Facts {
            x11: Some(x11),
            image: Some(Image { contents: Some(image), ..Image::default() }),
            gpu: Some(Gpu { nvidia, ..Gpu::default() }),
            ..facts()
        }
    }

    fn image(vendors: &[&str], indirect: bool) -> ImageContents {
        ImageContents {
            glx_vendors: vendors.iter().map(|name| (*name).to_owned()).collect(),
            glx_indirect: indirect,
            glvnd: Some(true),
            software_mesa: Some(true),
            ..ImageContents::default()
        }
    }

    fn node(name: &str, usable: bool) -> DeviceNode {
        DeviceNode { path: format!("/dev/{name}").into(), usable, ..DeviceNode::default() }
    }

    fn driver(kernel: &str, user: Option<&str>) -> Option<Nvidia> {
        let nodes = vec![node("nvidia0", true), node("nvidiactl", true)];
        Some(Nvidia { kernel_version: Some(kernel.into()), user_version: user.map(str::to_owned), nodes, ..Nvidia::default() })
    }

    fn severity(facts: &Facts) -> Severity {
        match CHECK.judge(facts) {
            Outcome::Findings(findings) => findings[0].severity,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_image_with_any_library_that_the_server_names_passes() {
        assert_eq!(CHECK.judge(&machine(&["mesa"], image(&["mesa"], true), None)), Outcome::Pass);
        assert_eq!(CHECK.judge(&machine(&["nvidia", "mesa"], image(&["mesa"], false), None)), Outcome::Pass);
        let old = ImageContents { glvnd: Some(false), ..ImageContents::default() };
        assert_eq!(CHECK.judge(&machine(&["mesa"], old, None)), Outcome::Pass, "an OpenGL from before libglvnd is Mesa's");
    }

    #[test]
    fn nv_supplies_the_library_of_a_sound_driver() {
        let nvidia = driver("550.163.01", Some("550.163.01"));
        assert_eq!(severity(&machine(&["nvidia"], image(&["mesa"], true), nvidia)), Severity::Info);
    }

    #[test]
    fn nv_is_not_advised_with_a_driver_that_breaks() {
        let mut facts = machine(&["nvidia"], image(&["mesa"], true), driver("550.163.01", Some("550.163.01")));
        for end in [ChildEnd::TimedOut { limit_ms: 4000 }, ChildEnd::Signal { number: 11, name: "SIGSEGV".into() }] {
            facts.glx = Some(ended(end, "glXMakeContextCurrent"));
            let Outcome::Findings(found) = CHECK.judge(&facts) else { panic!() };
            assert_eq!(found[0].severity, Severity::Info, "the finding about the driver is the alarm");
            assert!(found[0].advice.iter().all(|advice| !advice.text.contains("mode nv")), "{:?}", found[0].advice);
        }
    }

    #[test]
    fn nv_cannot_supply_what_the_machine_does_not_have() {
        for nvidia in [None, driver("550.163.01", None), driver("550.163.01", Some("535.261.03")), Some(Nvidia::default())] {
            assert_eq!(severity(&machine(&["nvidia"], image(&["mesa"], true), nvidia.clone())), Severity::Error, "{nvidia:?}");
        }
    }

    #[test]
    fn nv_supplies_nothing_without_nodes_and_without_the_part_that_draws() {
        let sound = driver("550.163.01", Some("550.163.01")).unwrap();
        for (nodes, missing) in [(vec![], "/dev/nvidiactl"), (vec![node("nvidiactl", true)], "/dev/nvidia0")] {
            let facts = machine(&["nvidia"], image(&["mesa"], true), Some(Nvidia { nodes, ..sound.clone() }));
            let Outcome::Findings(found) = CHECK.judge(&facts) else { panic!() };
            assert_eq!(found[0].severity, Severity::Error);
            assert!(found[0].evidence.iter().any(|line| line.contains(missing)), "{found:?}");
            assert!(found[0].advice.iter().all(|advice| !advice.text.contains("mode nv")), "{found:?}");
        }
        let computes = Nvidia { draws: Some(false), ..sound };
        assert_eq!(severity(&machine(&["nvidia"], image(&["mesa"], true), Some(computes))), Severity::Error);
    }

    #[test]
    fn nv_cannot_serve_a_remote_display() {
        let mut facts = machine(&["nvidia"], image(&["mesa"], false), driver("550.163.01", Some("550.163.01")));
        if let Some(display) = facts.x11.as_mut().and_then(|x11| x11.display.as_mut()) {
            (display.reach, display.number) = (Reach::Loopback, 10);
        }
        assert_eq!(severity(&facts), Severity::Error);
        facts.x11.as_mut().unwrap().display.as_mut().unwrap().number = 0;
        assert_eq!(severity(&facts), Severity::Info, "a TCP display of this machine is its own");
        let x11 = facts.x11.as_mut().unwrap();
        (x11.display.as_mut().unwrap().number, x11.local_displays) = (12, vec![":12".into()]);
        assert_eq!(severity(&facts), Severity::Info, "ssh makes no socket in the file system");
    }

    #[test]
    fn a_job_that_was_given_the_second_card_can_use_it() {
        for (ctl, first, second, expected) in
            [(true, false, true, Severity::Info), (true, false, false, Severity::Error), (false, true, true, Severity::Error)]
        {
            let mut nvidia = driver("550.163.01", Some("550.163.01")).unwrap();
            nvidia.nodes =
                vec![node("nvidia0", first), node("nvidia1", second), node("nvidiactl", ctl), node("nvidia-modeset", false)];
            assert_eq!(severity(&machine(&["nvidia"], image(&["mesa"], true), Some(nvidia))), expected);
        }
    }

    #[test]
    fn a_server_that_names_nothing_needs_the_library_for_that_case() {
        assert_eq!(CHECK.judge(&machine(&[], image(&["mesa"], true), None)), Outcome::Pass);
        assert_eq!(severity(&machine(&[], image(&["mesa"], false), None)), Severity::Error);
    }

    #[test]
    fn what_is_not_known_is_unknown() {
        let mut facts = machine(&["nvidia"], image(&["mesa"], true), None);
        facts.gpu = None;
        assert_eq!(severity(&facts), Severity::Warning);
        facts.image = Some(Image::default());
        assert_eq!(CHECK.judge(&facts).word(), "unknown");
        facts.x11 = Some(crate::facts::X11::default());
        assert_eq!(CHECK.judge(&facts).word(), "skipped");
    }
}
