//! What the mode "nv" needs besides `--nv`.
//!
//! No part of this has been tried on a machine with a card: the rules are those of the engines' source (`nvliblist.conf`, the action
//! script) and of stock casa_distro. Mixing the C libraries was tried without one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::Facts;
use serde_json::Value;

use super::binds::Bind;
use super::engine::Chosen;
use crate::host::{FileKind, Host};

/// Where the `tls` directory of the driver stands in the container, as casa_distro has it.
const TLS: &str = "/usr/local/lib/tls";

/// Where a host has its C library: Debian and Ubuntu; Fedora, openSUSE and their kin; Arch.
const LIBRARY_DIRECTORIES: [&str; 3] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];

/// Where every casa-distro image has it, with or without a merged `/usr`.
const LIBRARIES_IN_IMAGE: &str = "/lib/x86_64-linux-gnu";

/// The loader, on the host and in the image.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// The libraries of the C library that stand on the same private interfaces. casa_distro brings the first one and the loader only:
/// tried with the C library 2.36 over that of an image with 2.31, not even `ls` starts then (libpthread: "undefined symbol ...
/// GLIBC_PRIVATE"), while all of them together work.
const C_LIBRARY: [&str; 14] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libanl.so.1",
    "libmvec.so.1",
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libnss_compat.so.2",
    "libthread_db.so.1",
    "libBrokenLocale.so.1",
];

/// Manifests that name a library which `--nv` brings in every version. Those of `egl_external_platform.d` are not among them: their
/// libraries are not in `nvliblist.conf`, and a manifest without its library only costs time.
const MANIFESTS: [&str; 7] = [
    "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
    "/etc/glvnd/egl_vendor.d/10_nvidia.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.aarch64.json",
    "/etc/vulkan/icd.d/nvidia_icd.json",
    "/usr/share/vulkan/implicit_layer.d/nvidia_layers.json",
];

/// Those of them that are in `nvliblist.conf` since Apptainer 1.4.0.
const IN_LIST: [&str; 3] = [
    "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
    "/usr/share/vulkan/icd.d/nvidia_icd.json",
    "/usr/share/vulkan/implicit_layer.d/nvidia_layers.json",
];

/// A manifest has some hundred bytes.
const MANIFEST_LIMIT: u64 = 64 << 10;

/// The mounts that the mode needs, and the library path when one of them is found only by it.
pub(super) fn bring(
    host: &dyn Host,
    facts: &Facts,
    engine: &Chosen,
    variables: &mut BTreeMap<String, OsString>,
    warnings: &mut Vec<String>,
) -> Vec<Bind> {
    let mut binds = Vec::new();
    if facts.gpu.as_ref().is_some_and(|gpu| gpu.nvidia.is_none()) {
        warnings.push("the mode is \"nv\", but this machine has no NVIDIA driver: the engine then mixes libraries of the host with those of the image".into());
    }
    if engine.host_libraries_first() == Some(true) {
        if let Some(tls) = tls_directory(host, facts) {
            binds.push(Bind { source: Some(tls), container: TLS.into() });
            // The engine adds its own directory behind what is set here.
            let path = variables.entry("LD_LIBRARY_PATH".into()).or_default();
            let rest = std::mem::replace(path, TLS.into());
            if !rest.is_empty() {
                path.push(":");
                path.push(rest);
            }
        }
        binds.extend(c_library(host, facts, warnings));
    }
    binds.extend(manifests(host, engine));
    binds
}

/// The directory with the second build of libnvidia-tls that old drivers have, which no engine brings.
fn tls_directory(host: &dyn Host, facts: &Facts) -> Option<PathBuf> {
    let library = facts.gpu.as_ref()?.nvidia.as_ref()?.user_library.as_ref()?;
    let tls = library.parent()?.join("tls");
    let has_library = host.read_dir(&tls).ok()?.iter().any(|name| name.as_encoded_bytes().starts_with(b"libnvidia-tls.so"));
    has_library.then_some(tls)
}

/// The host's C library over the image's, when the host's is newer: the dispatch libraries that the engine brings from the host need
/// it.
fn c_library(host: &dyn Host, facts: &Facts, warnings: &mut Vec<String>) -> Vec<Bind> {
    let on_host = facts.machine.as_ref().and_then(|machine| machine.glibc.as_deref());
    let in_image = facts.image.as_ref().and_then(|image| image.contents.as_ref()).and_then(|contents| contents.glibc.as_deref());
    let (Some(on_host), Some(in_image)) = (on_host, in_image) else { return Vec::new() };
    let is_newer = matches!((numbers(on_host), numbers(in_image)), (Some(host), Some(image)) if host > image);
    let exists = |path: &Path| host.exists(path) == Some(true);
    let directory = LIBRARY_DIRECTORIES.iter().map(Path::new).find(|directory| exists(&directory.join(C_LIBRARY[0])));
    let Some(directory) = directory.filter(|_| is_newer && exists(Path::new(LOADER))) else { return Vec::new() };
    warnings.push(format!(
        "the image has the C library {in_image} and this machine the newer {on_host}, which this version of the engine needs in the container \
         for --nv: it is put over the image's. If programs do not start then, use the OpenGL mode \"software\", or Apptainer 1.5 or later"
    ));
    let libraries = C_LIBRARY.iter().map(|name| (directory.join(name), Path::new(LIBRARIES_IN_IMAGE).join(name)));
    libraries
        .filter(|(source, _)| exists(source))
        .chain([(LOADER.into(), LOADER.into())])
        .map(|(source, container)| Bind { source: Some(source), container })
        .collect()
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// The manifests of EGL and Vulkan that this version of the engine leaves out.
fn manifests(host: &dyn Host, engine: &Chosen) -> Vec<Bind> {
    // An unknown version is taken for a new one.
    let bound_by_engine = |path: &str| engine.binds_manifests().unwrap_or(true) && IN_LIST.contains(&path);
    MANIFESTS
        .iter()
        .filter(|path| !bound_by_engine(path))
        .map(PathBuf::from)
        .filter(|path| host.metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::File))
        .filter(|path| names_a_library_by_name(host, path))
        .map(|path| Bind { source: Some(path.clone()), container: path })
        .collect()
}

/// Whether the manifest's library is found by name. One that is named by its path on the host is not there in the container.
fn names_a_library_by_name(host: &dyn Host, path: &Path) -> bool {
    let Some(manifest) = host.read(path, MANIFEST_LIMIT).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok()) else {
        return false;
    };
    let in_layers = manifest.get("layers").and_then(|layers| layers.get(0)).and_then(|layer| layer.get("library_path"));
    let library =
        ["/ICD/library_path", "/layer/library_path"].into_iter().find_map(|pointer| manifest.pointer(pointer)).or(in_layers);
    library.and_then(Value::as_str).is_some_and(|library| !library.contains('/'))
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{EngineKind, Gpu, Image, ImageContents, Machine, Nvidia};

    use super::*;
    use crate::host::RecordedHost;

    fn apptainer(version: Option<(u32, u32, u32)>) -> Chosen {
        Chosen { path: "/usr/bin/apptainer".into(), kind: EngineKind::Apptainer, version }
    }

    fn facts(host_glibc: &str, image_glibc: &str) -> Facts {
        let nvidia = Nvidia { user_library: Some("/usr/lib/libGLX_nvidia.so.390.138".into()), ..Nvidia::default() };
        let contents = ImageContents { glibc: Some(image_glibc.into()), ..ImageContents::default() };
        Facts {
            gpu: Some(Gpu { nvidia: Some(nvidia), ..Gpu::default() }),
            machine: Some(Machine { glibc: Some(host_glibc.into()), ..Machine::default() }),
            image: Some(Image { contents: Some(contents), ..Image::default() }),
            ..Facts::default()
        }
    }

    fn host() -> RecordedHost {
        RecordedHost::new()
            .file("/usr/lib/tls/libnvidia-tls.so.390.138", "")
            .file("/usr/lib64/libc.so.6", "")
            .file("/usr/lib64/libpthread.so.0", "")
            .file(LOADER, "")
            .file("/usr/share/glvnd/egl_vendor.d/10_nvidia.json", r#"{"ICD": {"library_path": "libEGL_nvidia.so.0"}}"#)
            .file("/etc/vulkan/icd.d/nvidia_icd.json", r#"{"ICD": {"library_path": "libGLX_nvidia.so.0"}}"#)
            .file("/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json", r#"{"ICD": {"library_path": "/usr/lib64/libGLX_nvidia.so.0"}}"#)
            .file(
                "/usr/share/vulkan/implicit_layer.d/nvidia_layers.json",
                r#"{"layers": [{"library_path": "libGLX_nvidia.so.0"}]}"#,
            )
    }

    fn places(version: Option<(u32, u32, u32)>, facts: &Facts) -> (Vec<String>, BTreeMap<String, OsString>, Vec<String>) {
        let (mut variables, mut warnings) = (BTreeMap::from([("LD_LIBRARY_PATH".to_owned(), OsString::from("/x"))]), Vec::new());
        let binds = bring(&host(), facts, &apptainer(version), &mut variables, &mut warnings);
        (binds.into_iter().map(|bind| bind.container.to_string_lossy().into_owned()).collect(), variables, warnings)
    }

    #[test]
    fn an_old_engine_gets_the_c_library_the_tls_directory_and_every_manifest() {
        let (places, variables, warnings) = places(Some((1, 3, 6)), &facts("2.36", "2.31"));
        assert_eq!(
            places,
            [
                TLS,
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib/x86_64-linux-gnu/libpthread.so.0",
                LOADER,
                "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
                "/etc/vulkan/icd.d/nvidia_icd.json",
                "/usr/share/vulkan/implicit_layer.d/nvidia_layers.json"
            ]
        );
        assert_eq!(variables["LD_LIBRARY_PATH"], "/usr/local/lib/tls:/x");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn a_new_engine_gets_only_what_its_list_lacks() {
        for version in [Some((1, 5, 0)), None] {
            let (places, variables, warnings) = places(version, &facts("2.36", "2.31"));
            assert_eq!(places, ["/etc/vulkan/icd.d/nvidia_icd.json"], "{version:?}");
            assert_eq!((&variables["LD_LIBRARY_PATH"], warnings.len()), (&OsString::from("/x"), 0));
        }
    }

    #[test]
    fn the_c_library_stays_where_it_is_as_new() {
        for (on_host, in_image) in [("2.36", "2.36"), ("2.9", "2.31"), ("", "2.31")] {
            let (places, _, _) = places(Some((1, 4, 5)), &facts(on_host, in_image));
            assert!(!places.iter().any(|place| place.contains("libc.so")), "{on_host} {in_image}: {places:?}");
        }
    }
}
