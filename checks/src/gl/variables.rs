//! Variables that make OpenGL behave in another way than it would by itself.

use super::{breakdown, is_yes, manifests, renderer};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "gl-environment",
    category: Category::Rendering,
    question: "Is OpenGL left alone by the variables of your session?",
    needs: &[ProbeId::Session],
    findings: &[&OVERRIDE],
    run,
};

static OVERRIDE: FindingKind = FindingKind {
    id: "gl-env-override",
    code: "CD0207",
    severity: Severity::Warning,
    title: "Variables of your session change how OpenGL works",
    why: "Drivers read variables that choose another driver, switch off the card or pretend another version. One that was set for \
          an experiment, or copied from a forum, is easily forgotten, and then explains what nothing else does. They act on the \
          programs of this machine, so also on what casa-doctor measures here. casa_distro starts containers with a clean \
          environment, so they reach a container only when the configuration or a variable of the engine passes them on.",
    cure: "Unset them, and remove them from your shell's start-up files, unless you know why they are there.",
    example: "export LIBGL_ALWAYS_INDIRECT=1",
    since: "0.1.0",
};

/// What a variable does.
struct Effect {
    name: &'static str,
    /// Whether this value does anything.
    acts: fn(&str) -> bool,
    effect: &'static str,
    severity: Severity,
}

const fn warning(name: &'static str, acts: fn(&str) -> bool, effect: &'static str) -> Effect {
    Effect { name, acts, effect, severity: Severity::Warning }
}

const fn info(name: &'static str, acts: fn(&str) -> bool, effect: &'static str) -> Effect {
    Effect { name, acts, effect, severity: Severity::Info }
}

fn always(value: &str) -> bool {
    !value.is_empty()
}

/// The variables, sorted. Those that only print, cache or time are not among them.
static EFFECTS: &[Effect] = &[
    info("DRI_PRIME", |value| !value.is_empty() && value != "0", "lets another graphics card draw than the one of the screen"),
    info("EGL_PLATFORM", always, "chooses the platform of EGL for programs that do not choose one"),
    warning("GALLIUM_DRIVER", always, "chooses which of Mesa's drivers draws where no driver of a card does"),
    warning("GBM_BACKENDS_PATH", always, "makes Mesa look for its buffer drivers in another directory"),
    warning(
        "LIBGL_ALWAYS_INDIRECT",
        is_yes,
        "asks the X server to draw, which nearly every server refuses: programs get no OpenGL",
    ),
    warning("LIBGL_ALWAYS_SOFTWARE", is_yes, "lets the processor draw, even where there is a card"),
    info("LIBGL_DRI2_DISABLE", is_yes, "switches off one of the two ways to share a card with the X server"),
    info("LIBGL_DRI3_DISABLE", is_yes, "switches off the newer way to share a card with the X server"),
    warning("LIBGL_DRIVERS_DIR", always, "makes Mesa look for its drivers in another directory"),
    warning("LIBGL_DRIVERS_PATH", always, "makes Mesa look for its drivers in another directory"),
    info("MESA_D3D12_DEFAULT_ADAPTER_NAME", always, "chooses the Windows graphics adapter under WSL"),
    warning("MESA_EXTENSION_OVERRIDE", always, "hides or pretends features of OpenGL"),
    warning("MESA_GLSL_VERSION_OVERRIDE", always, "pretends another version of the shading language"),
    warning("MESA_GL_VERSION_OVERRIDE", always, "pretends another version of OpenGL, which the driver may not be able to keep"),
    warning("MESA_LOADER_DRIVER_OVERRIDE", always, "chooses one of Mesa's drivers, whatever the card is"),
    info("MESA_VK_DEVICE_SELECT", always, "chooses the device of Vulkan"),
    warning("QT_XCB_GL_INTEGRATION", |value| value == "none", "takes OpenGL from Qt programs"),
    info("QT_XCB_GL_INTEGRATION", |value| !value.is_empty() && value != "none", "chooses how Qt programs reach OpenGL"),
    warning("VK_DRIVER_FILES", always, "replaces the list of Vulkan drivers"),
    warning("VK_ICD_FILENAMES", always, "replaces the list of Vulkan drivers"),
    warning("__EGL_EXTERNAL_PLATFORM_CONFIG_DIRS", always, "replaces the list of EGL's platform libraries"),
    warning("__EGL_EXTERNAL_PLATFORM_CONFIG_FILENAMES", always, "replaces the list of EGL's platform libraries"),
    warning("__EGL_VENDOR_LIBRARY_DIRS", always, "replaces the list of EGL drivers"),
    warning("__EGL_VENDOR_LIBRARY_FILENAMES", always, "replaces the list of EGL drivers"),
    warning("__GLX_VENDOR_LIBRARY_NAME", always, "chooses the OpenGL driver, whatever the X server asks for"),
    info(
        "__NV_PRIME_RENDER_OFFLOAD",
        |value| value != "0" && !value.is_empty(),
        "lets the NVIDIA card draw for the screen of another one",
    ),
];

/// `__GLX_FORCE_VENDOR_LIBRARY_0` and so on, one for each screen.
const FORCED_VENDOR: &str = "__GLX_FORCE_VENDOR_LIBRARY_";

/// What a variable does with this value, and how much that matters; `None` when it does nothing. `asked` is the vendor that the X
/// server asks for first: a driver that is chosen by hand and is the server's choice, too, changes nothing.
pub(crate) fn effect(name: &str, value: &str, asked: Option<&str>) -> Option<(&'static str, Severity)> {
    let (effect, severity) = if name.starts_with(FORCED_VENDOR) {
        ("chooses the OpenGL driver of one screen, whatever the X server asks for", Severity::Warning)
    } else {
        let known = EFFECTS.iter().find(|effect| effect.name == name && (effect.acts)(value))?;
        (known.effect, known.severity)
    };
    let harmless = effect.starts_with("chooses the OpenGL driver") && asked == Some(value);
    (!harmless).then_some((effect, severity))
}

/// Whether this lets Windows draw under WSL, for which recent versions of Mesa must be asked.
pub(crate) fn is_how_windows_draws(facts: &Facts, name: &str, value: &str) -> bool {
    (name, value) == ("GALLIUM_DRIVER", "d3d12") && facts.machine.as_ref().is_some_and(|machine| machine.wsl.is_some())
}

fn run(facts: &Facts) -> Outcome {
    let Some(session) = &facts.session else { return Outcome::Unknown("nothing is known of the session".into()) };
    let asked = server_vendor(facts);
    let variables = session.graphics_variables.iter().filter(|(name, value)| !is_how_windows_draws(facts, name, value));
    let acting = variables.filter_map(|(name, value)| {
        let (effect, severity) = effect(name, value, asked)?;
        Some((name, value, effect, severity))
    });
    let acting: Vec<_> = acting.collect();
    let Some(severity) = acting.iter().map(|(.., severity)| *severity).max() else { return Outcome::Pass };
    let finding = acting.iter().fold(OVERRIDE.found().severity(severity), |finding, (name, value, effect, _)| {
        finding.evidence(format!("environment: {name}={value} {effect}"))
    });
    let names: Vec<&str> = acting.iter().map(|(name, ..)| name.as_str()).collect();
    let finding =
        consequences(facts, &names).into_iter().fold(finding, |finding, id| finding.evidence(format!("{id} comes from it")));
    let text = "Unset what you do not need, then try again; remove it from your shell's start-up files, too.";
    Outcome::Findings(vec![finding.advise_command(text, format!("unset {}", names.join(" ")))])
}

/// The findings that have the same cure: one cause is not to look like two.
fn consequences(facts: &Facts, names: &[&str]) -> Vec<&'static str> {
    let cured =
        |command: &str| command.strip_prefix("unset ").is_some_and(|rest| rest.split(' ').any(|name| names.contains(&name)));
    let mut ids: Vec<&'static str> = [&breakdown::CHECK, &manifests::CHECK, &renderer::CHECK]
        .iter()
        .filter_map(|check| match check.judge(facts) {
            Outcome::Findings(findings) => Some(findings),
            _ => None,
        })
        .flatten()
        .filter(|finding| finding.advice.iter().filter_map(|advice| advice.command.as_deref()).any(cured))
        .map(|finding| finding.kind.id)
        .collect();
    ids.dedup();
    ids
}

/// The vendor that the X server asks for first.
pub(crate) fn server_vendor(facts: &Facts) -> Option<&str> {
    super::x_server(facts).ok()?.glx.as_ref()?.vendor_names.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, desktop, facts, session};
    use super::*;
    use crate::facts::ChildEnd;

    fn judge(variables: &[(&str, &str)]) -> Outcome {
        CHECK.judge(&Facts { session: Some(session(variables)), x11: Some(desktop()), ..facts() })
    }

    #[test]
    fn a_finding_that_has_the_same_cure_is_named() {
        let mut facts = Facts {
            session: Some(session(&[("__GLX_VENDOR_LIBRARY_NAME", "crash")])),
            x11: Some(desktop()),
            glx: Some(broken(ChildEnd::Signal { number: 11, name: "SIGSEGV".into() }, "dlopen")),
            ..facts()
        };
        let told = |facts: &Facts| match CHECK.judge(facts) {
            Outcome::Findings(findings) => findings[0].evidence.join("\n"),
            other => panic!("{other:?}"),
        };
        assert!(told(&facts).contains("gl-probe-crashed comes from it"), "{}", told(&facts));
        facts.glx = None;
        assert!(!told(&facts).contains("comes from it"), "{}", told(&facts));
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(EFFECTS.is_sorted_by_key(|effect| effect.name));
    }

    #[test]
    fn each_variable_that_acts_is_told_with_its_effect() {
        let Outcome::Findings(findings) =
            judge(&[("LIBGL_ALWAYS_INDIRECT", "1"), ("GALLIUM_DRIVER", "llvmpipe"), ("LIBGL_DEBUG", "verbose")])
        else {
            panic!("nothing found")
        };
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(findings[0].evidence.len(), 2);
        assert_eq!(findings[0].advice[0].command.as_deref(), Some("unset GALLIUM_DRIVER LIBGL_ALWAYS_INDIRECT"));
    }

    #[test]
    fn harmless_variables_pass() {
        let harmless = [
            ("LIBGL_DEBUG", "verbose"),
            ("EGL_LOG_LEVEL", "debug"),
            ("MESA_SHADER_CACHE_DISABLE", "true"),
            ("LIBGL_ALWAYS_SOFTWARE", "0"),
            ("LIBGL_ALWAYS_INDIRECT", "false"),
            // Tried with Mesa 20.3 and 22.3.
            ("LIBGL_ALWAYS_INDIRECT", "on"),
            ("LIBGL_ALWAYS_INDIRECT", "2"),
            ("DRI_PRIME", "0"),
            ("__GLX_VENDOR_LIBRARY_NAME", "mesa"),
            ("GALLIUM_DRIVER", ""),
            // Qt asks for it on Windows only.
            ("QT_OPENGL", "software"),
        ];
        for (name, value) in harmless {
            assert_eq!(judge(&[(name, value)]), Outcome::Pass, "{name}={value}");
        }
        assert_eq!(judge(&[]), Outcome::Pass);
    }

    #[test]
    fn what_wsl_needs_is_no_mistake_there() {
        let mut facts = Facts { session: Some(session(&[("GALLIUM_DRIVER", "d3d12")])), ..facts() };
        assert_eq!(CHECK.judge(&facts).word(), "finding", "Mesa has no other driver left then");
        facts.machine = Some(crate::facts::Machine { wsl: Some(2), ..Default::default() });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn a_choice_of_card_is_only_told() {
        let Outcome::Findings(findings) = judge(&[("DRI_PRIME", "1")]) else { panic!("nothing found") };
        assert_eq!(findings[0].severity, Severity::Info);
    }

    #[test]
    fn another_vendor_than_the_servers_is_found() {
        for name in ["__GLX_VENDOR_LIBRARY_NAME", "__GLX_FORCE_VENDOR_LIBRARY_0"] {
            let Outcome::Findings(findings) = judge(&[(name, "nvidia")]) else { panic!("nothing found for {name}") };
            assert_eq!(findings[0].severity, Severity::Warning);
        }
    }
}
