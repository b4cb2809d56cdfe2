//! What `--nv` of this version leaves out: libraries of the driver, and the manifests by which EGL, Vulkan and OpenCL find them.
//!
//! What a version brings stands in its `nvliblist.conf`, which an administrator may have changed: it is read, and only where it cannot
//! be, the version tells.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::Facts;
use serde_json::Value;

use super::binds::Bind;
use super::engine::Chosen;
use super::site::Site;
use crate::host::{FileKind, Host};

/// Where the engine puts what it brings, and looks for libraries.
pub(super) const LIBRARIES: &str = "/.singularity.d/libs";

/// Libraries of the driver that no version, or only later ones, have in their list. Those that programs of this kind never load
/// (encoders of video, management) are not among them.
const LEFT_OUT: [&str; 9] = [
    "libnvidia-allocator.so",
    "libnvidia-egl-gbm.so",
    "libnvidia-egl-wayland.so",
    "libnvidia-egl-wayland2.so",
    "libnvidia-egl-xcb.so",
    "libnvidia-egl-xlib.so",
    "libnvidia-gpucomp.so",
    "libnvidia-ngx.so",
    "libnvidia-vulkan-producer.so",
];

/// Manifests, under the names that the distributions' packages give them.
const MANIFESTS: [&str; 14] = [
    "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
    "/etc/glvnd/egl_vendor.d/10_nvidia.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.aarch64.json",
    "/etc/vulkan/icd.d/nvidia_icd.json",
    "/usr/share/vulkan/implicit_layer.d/nvidia_layers.json",
    "/etc/vulkan/implicit_layer.d/nvidia_layers.json",
    "/usr/share/egl/egl_external_platform.d/09_nvidia_wayland2.json",
    "/usr/share/egl/egl_external_platform.d/10_nvidia_wayland.json",
    "/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json",
    "/usr/share/egl/egl_external_platform.d/20_nvidia_xcb.json",
    "/usr/share/egl/egl_external_platform.d/20_nvidia_xlib.json",
    "/etc/OpenCL/vendors/nvidia.icd",
];

/// Those of them that are in the list since Apptainer 1.4.0, where the list itself cannot be read.
const LISTED_SINCE_1_4: [&str; 5] = [
    "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.json",
    "/usr/share/vulkan/implicit_layer.d/nvidia_layers.json",
    "/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json",
    "/usr/share/egl/egl_external_platform.d/10_nvidia_wayland.json",
];

/// Libraries that every list has and that manifests name.
const ALWAYS_LISTED: [&str; 3] = ["libEGL_nvidia.so", "libGLX_nvidia.so", "libnvidia-opencl.so"];

/// A manifest has some hundred bytes.
const MANIFEST_LIMIT: u64 = 64 << 10;

/// The mounts that complete the driver in the container.
pub(super) fn left_out(host: &dyn Host, facts: &Facts, engine: &Chosen, site: &Site) -> Vec<Bind> {
    let list = site.nv_list(host);
    let libraries = libraries(host, facts, list.as_deref());
    let brought = |name: &str| {
        let listed = list.iter().flatten().any(|entry| entry.contains(".so") && name.starts_with(entry));
        listed || ALWAYS_LISTED.iter().any(|known| name.starts_with(known)) || libraries.contains_key(name)
    };
    // An unknown version is taken for a new one.
    let is_listed = |path: &str| match &list {
        Some(list) => list.iter().any(|entry| entry == path),
        None => engine.binds_manifests().unwrap_or(true) && LISTED_SINCE_1_4.contains(&path),
    };
    let manifests = MANIFESTS.iter().filter(|path| !is_listed(path)).map(PathBuf::from);
    let manifests = manifests.filter(|path| host.metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::File));
    // One that is named by its path on the host is not there in the container, and one that is not brought only costs time.
    let manifests: Vec<_> =
        manifests.filter(|path| library(host, path).is_some_and(|name| !name.contains('/') && brought(&name))).collect();
    let to_libraries = |(name, source): (&String, &PathBuf)| (source.clone(), Path::new(LIBRARIES).join(name));
    let pairs = libraries.iter().map(to_libraries).chain(manifests.into_iter().map(|path| (path.clone(), path)));
    pairs.map(|(source, container)| Bind { source: Some(source), container, read_only: false }).collect()
}

/// Libraries of the driver that the list lacks: name and place on the host.
fn libraries(host: &dyn Host, facts: &Facts, list: Option<&[String]>) -> BTreeMap<String, PathBuf> {
    let Some(nvidia) = facts.gpu.as_ref().and_then(|gpu| gpu.nvidia.as_ref()) else { return BTreeMap::new() };
    let (Some(library), Some(version)) = (nvidia.user_library.as_deref(), &nvidia.user_version) else { return BTreeMap::new() };
    // Programs ask for a library by the number of its interface, and some by the driver's version.
    let is_asked_for = |name: &str, library: &str| {
        let number = name.strip_prefix(library).and_then(|rest| rest.strip_prefix('.'));
        number.is_some_and(|number| number == version || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())))
    };
    let is_listed = |name: &str| list.iter().copied().flatten().any(|entry| name.starts_with(entry.as_str()));
    let left_out = |name: &String| LEFT_OUT.iter().any(|library| is_asked_for(name, library)) && !is_listed(name);
    let mut found = BTreeMap::new();
    for directory in directories(library) {
        let names = host.read_dir(directory).unwrap_or_default().into_iter().filter_map(|name| name.into_string().ok());
        for name in names.filter(left_out) {
            let place = directory.join(&name);
            found.entry(name).or_insert(place);
        }
    }
    found
}

/// Where the driver's libraries are. Debian keeps those that another version may take the place of in `nvidia/current`, and the rest
/// above it.
fn directories(library: &Path) -> impl Iterator<Item = &Path> {
    let above = library.ancestors().find(|directory| directory.file_name().is_some_and(|name| name == "nvidia"));
    library.parent().into_iter().chain(above.and_then(Path::parent))
}

/// The library that a manifest names. That of OpenCL is nothing but a name.
fn library(host: &dyn Host, path: &Path) -> Option<String> {
    let text = host.read(path, MANIFEST_LIMIT).ok()?;
    if path.extension().is_some_and(|extension| extension == "icd") {
        return Some(String::from_utf8(text).ok()?.trim().to_owned());
    }
    let manifest: Value = serde_json::from_slice(&text).ok()?;
    let in_layers = manifest.get("layers").and_then(|layers| layers.get(0)).and_then(|layer| layer.get("library_path"));
    let library =
        ["/ICD/library_path", "/layer/library_path"].into_iter().find_map(|pointer| manifest.pointer(pointer)).or(in_layers);
    library.and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{EngineKind, Gpu, Nvidia};

    use super::*;
    use crate::host::RecordedHost;

    const VERSION: &str = "550.163.01";
    const DIRECTORY: &str = "/usr/lib/x86_64-linux-gnu";

    fn facts(directory: &str) -> Facts {
        let nvidia = Nvidia {
            user_version: Some(VERSION.into()),
            user_library: Some(format!("{directory}/libGLX_nvidia.so.{VERSION}").into()),
            ..Nvidia::default()
        };
        Facts { gpu: Some(Gpu { nvidia: Some(nvidia), ..Gpu::default() }), ..Facts::default() }
    }

    /// A described machine with Ubuntu's driver.
    fn host() -> RecordedHost {
        let manifest = |library: &str| format!(r#"{{"ICD": {{"library_path": "{library}"}}}}"#);
        let external = "/usr/share/egl/egl_external_platform.d";
        [
            "libGLX_nvidia.so.0",
            "libnvidia-allocator.so.1",
            "libnvidia-allocator.so",
            "libnvidia-egl-gbm.so.1",
            "libnvidia-egl-gbm.so.1.1.1",
            "libnvidia-gpucomp.so.550.163.01",
            "libnvidia-encode.so.1",
        ]
        .iter()
        .fold(RecordedHost::new(), |host, name| host.file(format!("{DIRECTORY}/{name}"), ""))
        .file("/usr/share/glvnd/egl_vendor.d/10_nvidia.json", manifest("libEGL_nvidia.so.0"))
        .file("/etc/vulkan/icd.d/nvidia_icd.json", manifest("libGLX_nvidia.so.0"))
        .file("/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json", manifest("/usr/lib64/libGLX_nvidia.so.0"))
        .file(format!("{external}/15_nvidia_gbm.json"), manifest("libnvidia-egl-gbm.so.1"))
        .file(format!("{external}/20_nvidia_xcb.json"), manifest("libnvidia-egl-xcb.so.1"))
        .file("/etc/OpenCL/vendors/nvidia.icd", "libnvidia-opencl.so.1\n")
    }

    fn places(host: &RecordedHost, version: (u32, u32, u32), site: &Site) -> Vec<String> {
        let engine = Chosen { path: "/usr/bin/apptainer".into(), kind: EngineKind::Apptainer, version: Some(version) };
        let binds = left_out(host, &facts(DIRECTORY), &engine, site);
        binds.into_iter().map(|bind| bind.container.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_described_machine_gets_what_the_list_of_its_engine_lacks() {
        let list = "libnvidia-gpucomp.so\nlibGLX_nvidia.so\nlibEGL_nvidia.so\n/usr/share/glvnd/egl_vendor.d/10_nvidia.json\n/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json\n";
        let host = host().file("/etc/apptainer/nvliblist.conf", list);
        let site = Site { directory: Some("/etc/apptainer".into()), ..Site::default() };
        let expected = [
            "/.singularity.d/libs/libnvidia-allocator.so.1",
            "/.singularity.d/libs/libnvidia-egl-gbm.so.1",
            "/etc/vulkan/icd.d/nvidia_icd.json",
            "/etc/OpenCL/vendors/nvidia.icd",
        ];
        assert_eq!(places(&host, (1, 4, 5), &site), expected);
    }

    #[test]
    fn without_the_list_the_version_tells() {
        let (old, new) = (places(&host(), (1, 3, 6), &Site::default()), places(&host(), (1, 4, 0), &Site::default()));
        let manifest = "/usr/share/glvnd/egl_vendor.d/10_nvidia.json".to_owned();
        assert!(old.contains(&manifest) && !new.contains(&manifest));
        let gbm = "/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json".to_owned();
        assert!(old.contains(&gbm), "its library is brought, too: {old:?}");
        for places in [old, new] {
            assert!(places.contains(&"/.singularity.d/libs/libnvidia-gpucomp.so.550.163.01".to_owned()), "{places:?}");
            assert!(!places.iter().any(|place| place.contains("xcb") || place.contains("encode") || place.contains("x86_64.json")));
        }
    }

    /// As the packages libglx-nvidia0, libnvidia-allocator1 and libnvidia-gpucomp of Debian lay them down; programs find the first two
    /// through links in the directory above.
    #[test]
    fn debian_keeps_a_part_of_the_driver_above_the_rest() {
        let current = format!("{DIRECTORY}/nvidia/current");
        let host = RecordedHost::new()
            .file(format!("{current}/libGLX_nvidia.so.{VERSION}"), "")
            .file(format!("{current}/libnvidia-allocator.so.{VERSION}"), "")
            .file(format!("{DIRECTORY}/libnvidia-allocator.so.{VERSION}"), "")
            .file(format!("{DIRECTORY}/libnvidia-gpucomp.so.{VERSION}"), "");
        let engine = Chosen { path: "/usr/bin/apptainer".into(), kind: EngineKind::Apptainer, version: Some((1, 1, 9)) };
        let binds = left_out(&host, &facts(&current), &engine, &Site::default());
        let sources: Vec<_> = binds.into_iter().filter_map(|bind| bind.source).collect();
        let expected =
            [format!("{current}/libnvidia-allocator.so.{VERSION}"), format!("{DIRECTORY}/libnvidia-gpucomp.so.{VERSION}")];
        assert_eq!(sources, expected.map(PathBuf::from));
    }
}
