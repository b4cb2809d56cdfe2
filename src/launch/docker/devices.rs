//! The graphics card in the container.
//!
//! The parts for NVIDIA have not been tried on a machine with a card: the rules are those of NVIDIA's container toolkit.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{EngineKind, Facts};

use super::super::engine::Chosen;
use crate::host::Host;
use crate::recommend::OpenGl;

/// Where the kernel has its graphics devices.
const DRI: &str = "/dev/dri";

/// Every device that a specification of NVIDIA's toolkit describes (CDI).
const CDI: [&str; 2] = ["--device", "nvidia.com/gpu=all"];

/// By default NVIDIA's toolkit brings what computing needs, and nothing that draws.
const CAPABILITIES: [&str; 2] = ["--env", "NVIDIA_DRIVER_CAPABILITIES=all"];

/// The hook by which Podman served NVIDIA's cards before there were specifications.
const HOOK: &str = "/usr/share/containers/oci/hooks.d/oci-nvidia-hook.json";

/// The options that bring the devices of a mode.
pub(super) fn bring(host: &dyn Host, facts: &Facts, engine: &Chosen, mode: OpenGl, warnings: &mut Vec<String>) -> Vec<String> {
    match mode {
        OpenGl::Software | OpenGl::None => Vec::new(),
        OpenGl::Container => dri(host, engine.kind, warnings),
        OpenGl::Nv => {
            let mut words = nvidia(host, facts, engine, warnings).to_vec();
            // The card that the screen hangs on may be another one.
            words.extend(dri(host, engine.kind, warnings));
            words
        }
    }
}

/// The nodes of the kernel, and the right to open them: they keep their group in the container, whatever that is called there, and the
/// access list by which a desktop session may open them is left behind.
fn dri(host: &dyn Host, kind: EngineKind, warnings: &mut Vec<String>) -> Vec<String> {
    let nodes = host.read_dir(Path::new(DRI)).unwrap_or_default();
    let nodes = nodes.iter().filter(|name| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"card") || name.starts_with(b"renderD")
    });
    let nodes: Vec<PathBuf> = nodes.map(|name| Path::new(DRI).join(name)).collect();
    if nodes.is_empty() {
        return Vec::new();
    }
    let mut words = vec!["--device".to_owned(), DRI.to_owned()];
    let closed = nodes.iter().filter_map(|node| host.metadata(node).ok()).filter(|node| node.mode & 0o006 != 0o006);
    let mut groups: Vec<u32> = closed.map(|node| node.gid).filter(|group| *group != 0).collect();
    groups.sort_unstable();
    groups.dedup();
    let who = host.identity();
    if kind == EngineKind::Docker {
        words.extend(groups.iter().flat_map(|group| ["--group-add".to_owned(), group.to_string()]));
    } else if who.uid != Some(0) && groups.iter().any(|group| who.groups.contains(group)) && host.which("crun".as_ref()).is_none() {
        warnings.push(format!(
            "Podman without the runtime \"crun\" does not hand your groups on, so programs in the container may not open {DRI}: install crun"
        ));
    }
    words
}

/// How NVIDIA's driver gets into the container: by the specification that its toolkit has written, or by the toolkit itself.
fn nvidia(host: &dyn Host, facts: &Facts, engine: &Chosen, warnings: &mut Vec<String>) -> Vec<String> {
    let gpu = facts.gpu.as_ref();
    if gpu.is_some_and(|gpu| gpu.nvidia.is_none()) {
        warnings.push("the mode is \"nv\", but this machine has no NVIDIA driver (nvidia-flag-without-driver)".into());
    }
    let specified = gpu.is_some_and(|gpu| gpu.cdi.iter().any(|spec| spec.error.is_none()));
    let stale = gpu.is_some_and(|gpu| gpu.cdi.iter().any(|spec| spec.error.is_none() && !spec.missing.is_empty()));
    let words = |lists: &[&[&str]]| lists.concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let toolkit = gpu.is_some_and(|gpu| gpu.nvidia_tools.iter().any(|tool| tool == "nvidia-container-cli"))
        || host.which("nvidia-container-runtime-hook".as_ref()).is_some();
    let chosen = match engine.kind {
        EngineKind::Podman if specified => words(&[&CDI]),
        EngineKind::Podman if host.exists(Path::new(HOOK)) == Some(true) => {
            words(&[&["--env", "NVIDIA_VISIBLE_DEVICES=all"], &CAPABILITIES, &["--security-opt", "label=disable"]])
        }
        EngineKind::Podman => {
            warnings.push(
                "there is no description of NVIDIA's cards for Podman (CDI): \"sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml\" \
                 makes it"
                    .into(),
            );
            words(&[&CDI])
        }
        // Docker reads such specifications by itself since 28.2, and since 25 where it was told to.
        _ if !toolkit && specified && engine.version.is_none_or(|version| version >= (25, 0, 0)) => words(&[&CDI]),
        _ => {
            if !toolkit {
                warnings.push(
                    "NVIDIA's container toolkit was not found, without which Docker cannot give a card to a container".into(),
                );
            }
            words(&[&["--gpus", "all"], &CAPABILITIES])
        }
    };
    if stale && chosen.iter().any(|word| word == CDI[1]) {
        warnings.push(
            "the description of NVIDIA's cards names files that are not there (nvidia-cdi-stale): \"sudo nvidia-ctk cdi generate \
             --output=/etc/cdi/nvidia.yaml\" makes a new one"
                .into(),
        );
    }
    chosen
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{CdiSpec, Gpu, Nvidia};

    use super::*;
    use crate::host::RecordedHost;

    fn engine(kind: EngineKind, version: Option<(u32, u32, u32)>) -> Chosen {
        Chosen { path: "/usr/bin/x".into(), kind, version }
    }

    fn facts(tools: &[&str], specified: bool) -> Facts {
        let cdi = specified.then(CdiSpec::default).into_iter().collect();
        let nvidia_tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        Facts { gpu: Some(Gpu { nvidia: Some(Nvidia::default()), nvidia_tools, cdi, ..Gpu::default() }), ..Facts::default() }
    }

    #[test]
    fn described_cards_of_nvidia_come_by_what_is_there() {
        let words = |kind, version, facts: &Facts, host: &RecordedHost| {
            let mut warnings = Vec::new();
            let words = bring(host, facts, &engine(kind, version), OpenGl::Nv, &mut warnings);
            (words.join(" "), warnings.len())
        };
        let bare = RecordedHost::new();
        let gpus = "--gpus all --env NVIDIA_DRIVER_CAPABILITIES=all";
        let cdi = "--device nvidia.com/gpu=all";
        let toolkit = facts(&["nvidia-container-cli"], true);
        assert_eq!(words(EngineKind::Docker, Some((28, 2, 2)), &toolkit, &bare), (gpus.into(), 0));
        assert_eq!(words(EngineKind::Docker, Some((28, 2, 2)), &facts(&[], true), &bare), (cdi.into(), 0));
        assert_eq!(words(EngineKind::Docker, Some((20, 10, 24)), &facts(&[], true), &bare), (gpus.into(), 1));
        assert_eq!(words(EngineKind::Podman, None, &toolkit, &bare), (cdi.into(), 0));
        assert_eq!(words(EngineKind::Podman, None, &facts(&[], false), &bare), (cdi.into(), 1));
        let (hooked, told) = words(EngineKind::Podman, None, &facts(&[], false), &RecordedHost::new().file(HOOK, "{}"));
        assert!(hooked.contains("NVIDIA_VISIBLE_DEVICES=all") && told == 0, "{hooked}");
    }

    #[test]
    fn described_nodes_come_with_the_number_of_their_group() {
        let host = RecordedHost::new()
            .file_mode("/dev/dri/card0", "", 0o660)
            .file_mode("/dev/dri/renderD128", "", 0o666)
            .directory("/dev/dri/by-path");
        let of = |kind, mode| bring(&host, &Facts::default(), &engine(kind, None), mode, &mut Vec::new());
        assert_eq!(of(EngineKind::Docker, OpenGl::Container)[..2], ["--device", "/dev/dri"]);
        assert_eq!(of(EngineKind::Podman, OpenGl::Container), ["--device", "/dev/dri"]);
        assert!(of(EngineKind::Docker, OpenGl::Software).is_empty());
    }
}
