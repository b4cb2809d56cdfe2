//! Facts for the tests of this family.

use serde_json::{Value, json};

use crate::facts::{
    Card, ConfigFile, Connection, DeviceNode, Engine, EngineKind, Engines, Environment, EnvironmentSearch, Facts, Gpu, Manifest,
    ManifestSearch, Manifests, NvSettings, Nvidia, PciCard, ProbeEnd, ProbeId, ProbeRun, ServerGlx, ServerKind, Session, X11,
    XServer,
};
use crate::finding::Finding;
use crate::{check::Check, check::Outcome};

/// A machine without anything of NVIDIA, of which every probe answered.
pub(crate) fn facts() -> Facts {
    let answered = ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 1 };
    Facts {
        probes: ProbeId::ALL.iter().copied().map(|id| (id, answered.clone())).collect(),
        gpu: Some(Gpu { pci: Some(Vec::new()), secure_boot: Some(false), ..Gpu::default() }),
        engines: Some(Engines::default()),
        manifests: Some(Manifests::default()),
        session: Some(Session { groups: vec![1000], ..Session::default() }),
        ..Facts::default()
    }
}

/// A card on the bus.
pub(crate) fn card(address: &str, driver: Option<&str>) -> PciCard {
    PciCard { address: address.into(), vendor: "0x10de".into(), device: Some("0x1c82".into()), driver: driver.map(str::to_owned) }
}

/// A node that everybody may use.
pub(crate) fn node(name: &str) -> DeviceNode {
    DeviceNode {
        path: format!("/dev/{name}").into(),
        usable: true,
        group: Some(0),
        mode: Some(0o666),
        group_name: Some("root".into()),
        refused_by_cgroup: false,
    }
}

/// A machine whose card is driven by NVIDIA's driver as it should be, with an engine that serves it well.
pub(crate) fn healthy() -> Facts {
    let mut facts = engine(facts(), "1.5.0");
    let library = |path: &str, library: &str| Manifest {
        path: path.into(),
        library: Some(library.into()),
        resolved: Some(format!("/usr/lib/x86_64-linux-gnu/{library}").into()),
        ..Manifest::default()
    };
    let gpu = facts.gpu.get_or_insert_default();
    gpu.pci = Some(vec![card("0000:01:00.0", Some("nvidia"))]);
    gpu.nvidia = Some(Nvidia {
        kernel_version: Some("550.163.01".into()),
        user_version: Some("550.163.01".into()),
        user_library: Some("/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.550.163.01".into()),
        nodes: ["nvidia0", "nvidiactl", "nvidia-modeset"].map(node).into(),
        draws: Some(true),
        minors: vec![0],
        ..Nvidia::default()
    });
    let egl = vec![library("/usr/share/glvnd/egl_vendor.d/10_nvidia.json", "libEGL_nvidia.so.0")];
    let vulkan = vec![library("/usr/share/vulkan/icd.d/nvidia_icd.json", "libGLX_nvidia.so.0")];
    facts.manifests = Some(Manifests {
        egl: ManifestSearch { variable: None, found: egl },
        vulkan: ManifestSearch { variable: None, found: vulkan },
        has_egl: Some(true),
        has_vulkan: Some(true),
        ..Manifests::default()
    });
    facts
}

/// The same with this version of Apptainer and its own list.
pub(crate) fn engine(facts: Facts, version: &str) -> Facts {
    of_kind(facts, EngineKind::Apptainer, version)
}

/// The same as a laptop whose screen is driven by Intel's card.
pub(crate) fn beside_intel(mut facts: Facts) -> Facts {
    let of = |name: &str, driver: &str| Card { name: name.into(), driver: Some(driver.into()), ..Card::default() };
    facts.gpu.get_or_insert_default().cards = vec![of("card0", "i915"), of("card1", "nvidia")];
    let glx = ServerGlx { version: "1.4".into(), vendor_names: vec!["mesa".into()], ..ServerGlx::default() };
    let server = XServer { kind: ServerKind::Xwayland, glx: Some(glx), ..XServer::default() };
    facts.x11 = Some(X11 { connection: Connection::Connected(Box::new(server)), ..X11::default() });
    facts
}

/// The same with an engine.
pub(crate) fn of_kind(mut facts: Facts, kind: EngineKind, version: &str) -> Facts {
    let engine = Engine {
        kind,
        path: format!("/usr/bin/{}", kind.program()).into(),
        version_text: None,
        version: Some(version.into()),
        version_error: None,
        setuid: None,
        daemon: None,
    };
    facts.engines = Some(Engines { found: vec![engine], ..Engines::default() });
    facts.gpu.get_or_insert_default().nv_settings = Some(NvSettings {
        config: Some("/etc/apptainer/apptainer.conf".into()),
        always: Some(false),
        container_cli: Some(false),
        ..NvSettings::default()
    });
    facts
}

/// The same with an environment of this configuration.
pub(crate) fn configured(mut facts: Facts, configuration: &Value) -> Facts {
    let mut value = json!({"container_type": "singularity", "image": "x.sif"});
    value.as_object_mut().unwrap().extend(configuration.as_object().unwrap().clone());
    let file = ConfigFile { path: "/env/conf/casa_distro.json".into(), value: Some(value.clone()), ..ConfigFile::default() };
    let environment = Environment { file, merged: Some(value), ..Environment::default() };
    facts.environment = Some(EnvironmentSearch { found: Some(environment), ..EnvironmentSearch::default() });
    facts
}

/// The one finding of a check.
#[track_caller]
pub(crate) fn finding(check: &Check, facts: &Facts) -> Finding {
    match check.judge(facts) {
        Outcome::Findings(mut findings) if findings.len() == 1 => findings.remove(0),
        other => panic!("{other:?}"),
    }
}
