//! The path of NVIDIA's driver from the kernel into the container.

use casa_doctor_checks::facts::{ChildEnd, EngineKind, Facts, Gpu, Nvidia};
use casa_doctor_checks::gl::{GlibcGap, glibc_gap};
use casa_doctor_checks::nvidia::{card_nodes, closed_node, drew_with_nvidia, driver_fails};

/// Why the NVIDIA driver of the host cannot be used in a container, or that it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NvidiaPath {
    /// Kernel module, libraries and device nodes fit.
    Coherent {
        /// The driver's version.
        version: String,
        /// What is not proven, in words, each lowering the confidence.
        doubts: Vec<String>,
        /// What only trying can tell: libraries that come along need a newer C library than the image has, and `casa-doctor run`
        /// deals with it in a way that does not always work.
        gap: Option<String>,
    },
    /// It cannot work, because.
    Broken(String),
    /// The graphics cards were not looked at.
    Unknown,
}

/// Follows the path of the NVIDIA driver from the kernel to the container.
pub(crate) fn nvidia_path(facts: &Facts) -> NvidiaPath {
    let Some(gpu) = &facts.gpu else { return NvidiaPath::Unknown };
    let version = match on_this_machine(gpu) {
        Ok(version) => version.to_owned(),
        Err(why) => return NvidiaPath::Broken(why),
    };
    if driver_fails(facts) {
        return NvidiaPath::Broken("NVIDIA's driver does not work: its own management library gets no good answer from it".into());
    }
    if let Some(why) = kept_out(facts, gpu) {
        return NvidiaPath::Broken(why);
    }
    let mut doubts = Vec::new();
    let asked = facts.nvml.as_ref().map(|nvml| &nvml.end);
    if matches!(asked, Some(ChildEnd::TimedOut { .. } | ChildEnd::Signal { .. })) && !drew_with_nvidia(facts) {
        doubts.push("NVIDIA's own management library got no answer from the driver".into());
    }
    let gap = match glibc(facts) {
        Glibc::Fits => None,
        Glibc::Unknown(reason) => {
            doubts.push(reason);
            None
        }
        Glibc::Gap(what) => Some(what),
    };
    if shadows_the_driver(facts) {
        doubts.push("the image has an OpenGL library of its own from before libglvnd, which this Apptainer puts first".into());
    }
    NvidiaPath::Coherent { version, doubts, gap }
}

/// The version of a driver that is whole on this machine; the error tells what is missing.
fn on_this_machine(gpu: &Gpu) -> Result<&str, String> {
    if gpu.dxg {
        return Err("Windows gives no NVIDIA OpenGL library to WSL, only CUDA".into());
    }
    let Some(nvidia) = &gpu.nvidia else { return Err("this machine has no NVIDIA driver".into()) };
    let Nvidia { kernel_version, user_version, nodes, draws, .. } = nvidia;
    let (kernel, user) = match (kernel_version, user_version) {
        (None, _) => return Err("the NVIDIA kernel module is not loaded".into()),
        (Some(kernel), None) => {
            return Err(format!("the NVIDIA kernel module {kernel} is loaded but its OpenGL libraries were not found"));
        }
        (Some(kernel), Some(user)) => (kernel, user),
    };
    if kernel != user {
        return Err(format!("the NVIDIA kernel module is version {kernel} and the libraries are version {user}"));
    }
    if *draws == Some(false) {
        return Err("the part of NVIDIA's driver that draws is not installed, only the one that computes".into());
    }
    let control = nodes.iter().any(|node| node.path.file_name().is_some_and(|name| name == "nvidiactl"));
    for (is_there, needed) in [(control, "nvidiactl"), (card_nodes(nodes).next().is_some(), "nvidia0")] {
        if !is_there {
            return Err(format!("the device node /dev/{needed} does not exist"));
        }
    }
    match closed_node(nodes) {
        Some(node) => Err(format!("you may not open {}", node.path.display())),
        None => Ok(kernel),
    }
}

/// What the engine's configuration does to keep the driver out. Some of it does not bind root.
fn kept_out(facts: &Facts, gpu: &Gpu) -> Option<String> {
    if !is_apptainer_s(facts) {
        return None;
    }
    let is_root = facts.session.as_ref().is_some_and(|session| session.uid == Some(0));
    let settings = facts.engines.as_ref().and_then(|engines| engines.settings.as_ref());
    let binds = settings.and_then(|settings| settings.values.get("user bind control")).map(String::as_str);
    if binds == Some("no") && !is_root {
        return Some(
            "the administrator lets the engine mount nothing of yours (user bind control), the driver's libraries included".into(),
        );
    }
    let by_tool = gpu.nv_settings.as_ref().is_some_and(|settings| settings.container_cli == Some(true));
    let has_tool = gpu.nvidia.as_ref().is_some_and(|nvidia| nvidia.container_cli);
    (by_tool && !has_tool).then(|| {
        "the engine is set to call nvidia-container-cli for --nv, which is not installed, so that no start gets through".into()
    })
}

/// Whether the environment is one for Apptainer or Singularity, as far as is known.
fn is_apptainer_s(facts: &Facts) -> bool {
    let environment = facts.environment.as_ref().and_then(|search| search.found.as_ref());
    let kind = environment.and_then(|environment| environment.merged.as_ref()?.get("container_type")?.as_str());
    !matches!(kind, Some("docker" | "podman" | "vbox"))
}

/// Whether the image's C library suits what `--nv` brings along.
enum Glibc {
    Fits,
    Unknown(String),
    Gap(String),
}

fn glibc(facts: &Facts) -> Glibc {
    match glibc_gap(facts) {
        GlibcGap::None | GlibcGap::NoMatter(_) => Glibc::Fits,
        GlibcGap::Open { libraries, in_image, .. } => {
            let highest = libraries.first().and_then(|library| library.glibc.as_deref()).unwrap_or("a newer one");
            Glibc::Gap(format!(
                "libraries that the engine brings along for it need the C library {highest}, and the image has {in_image}; casa-doctor run \
                 lays this machine's C library over the image's then, which does not always work"
            ))
        }
        GlibcGap::Unknown(reason) => {
            let host = facts.machine.as_ref().and_then(|machine| machine.glibc.as_deref());
            let image =
                facts.image.as_ref().and_then(|image| image.contents.as_ref()).and_then(|contents| contents.glibc.as_deref());
            match (host, image) {
                // Nothing of this machine asks for more than it has.
                (Some(host), Some(image)) if numbers(host) <= numbers(image) => Glibc::Fits,
                (Some(host), Some(image)) => Glibc::Unknown(format!(
                    "the C library of this machine ({host}) is newer than the image's ({image}), and {reason}"
                )),
                _ => Glibc::Unknown("the C libraries of the host and of the image could not be compared".into()),
            }
        }
    }
}

/// Whether the image's own OpenGL library stands before the driver's: it is from before libglvnd, and Apptainer puts the image's own
/// libraries first since 1.5.
fn shadows_the_driver(facts: &Facts) -> bool {
    let contents = facts.image.as_ref().and_then(|image| image.contents.as_ref());
    let engines = facts.engines.iter().flat_map(|engines| &engines.found);
    let newer = |version: &str| numbers(version) >= vec![1, 5];
    contents.is_some_and(|contents| contents.glvnd == Some(false))
        && engines.clone().any(|engine| engine.kind == EngineKind::Apptainer && engine.version.as_deref().is_some_and(newer))
}

/// The numbers of a version, for comparison.
fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).collect()
}
