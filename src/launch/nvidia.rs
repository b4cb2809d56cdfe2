//! What the mode "nv" needs besides `--nv`: the C library, the `tls` directory of old drivers, and what this version of the engine
//! leaves out.
//!
//! No part of this has been tried on a machine with a card: the rules are those of the engines' source (`nvliblist.conf`, the action
//! script) and of stock casa_distro. Mixing the C libraries was tried without one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::Facts;

use super::binds::Bind;
use super::dialect::Wanted;
use super::gbm;
use super::nv_parts;
use crate::host::Host;

/// Where the `tls` directory of the driver stands in the container, as casa_distro has it.
const TLS: &str = "/usr/local/lib/tls";

/// Where the C library is.
struct Layout {
    /// The processor, as the kernel names it.
    arch: &'static str,
    /// The loader, on the host and in the image. Where it leads to on the host, the rest of its build is.
    loader: &'static str,
    /// Else: Debian and Ubuntu; Fedora, openSUSE and their kin; Arch.
    directories: [&'static str; 3],
    /// Where every casa-distro image has it, with or without a merged `/usr`.
    in_image: &'static str,
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        arch: "x86_64",
        loader: "/lib64/ld-linux-x86-64.so.2",
        directories: ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"],
        in_image: "/lib/x86_64-linux-gnu",
    },
    Layout {
        arch: "aarch64",
        loader: "/lib/ld-linux-aarch64.so.1",
        directories: ["/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"],
        in_image: "/lib/aarch64-linux-gnu",
    },
];

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

/// The mounts that the mode needs, and the library path when one of them is found only by it.
pub(super) fn bring(wanted: &Wanted<'_>, variables: &mut BTreeMap<String, OsString>, warnings: &mut Vec<String>) -> Vec<Bind> {
    let Wanted { host, facts, engine, site, .. } = *wanted;
    if !site.binds {
        warnings.push(
            "the mode is \"nv\", but without mounts the engine brings no library of the driver: ask for the mode \"software\" instead".into(),
        );
        return Vec::new();
    }
    let mut binds = Vec::new();
    if facts.gpu.as_ref().is_some_and(|gpu| gpu.nvidia.is_none()) {
        warnings.push("the mode is \"nv\", but this machine has no NVIDIA driver: the engine then mixes libraries of the host with those of the image".into());
    }
    if engine.host_libraries_first() == Some(true) {
        if let Some(tls) = tls_directory(host, facts) {
            binds.push(Bind { source: Some(tls), container: TLS.into(), read_only: false });
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
    binds.extend(nv_parts::left_out(host, facts, engine, site));
    binds.extend(gbm::bring(host, facts, variables));
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
    let (Some(on_host), Some(in_image)) = (on_host, in_image) else {
        if facts.gpu.as_ref().is_some_and(|gpu| gpu.nvidia.is_some()) {
            warnings.push("the C libraries of this machine and of the image could not be compared: if programs do not start for a missing GLIBC version, use the OpenGL mode \"software\"".into());
        }
        return Vec::new();
    };
    let is_newer = matches!((numbers(on_host), numbers(in_image)), (Some(host), Some(image)) if host > image);
    if !is_newer {
        return Vec::new();
    }
    let arch = facts.machine.as_ref().map(|machine| machine.arch.as_str());
    let Some(layout) = LAYOUTS.iter().find(|layout| Some(layout.arch) == arch) else { return Vec::new() };
    let exists = |path: &Path| host.exists(path) == Some(true);
    // Beside the loader stands what was built with it: parts of two builds do not fit together.
    let beside_loader = host.canonicalize(Path::new(layout.loader)).ok().and_then(|loader| Some(loader.parent()?.to_owned()));
    let usual = layout.directories.iter().map(PathBuf::from);
    let directory = beside_loader.into_iter().chain(usual).find(|directory| exists(&directory.join(C_LIBRARY[0])));
    let Some(directory) = directory.filter(|_| exists(Path::new(layout.loader))) else { return Vec::new() };
    warnings.push(format!(
        "the image has the C library {in_image} and this machine the newer {on_host}, which this version of the engine needs in the container \
         for --nv: it is put over the image's. If programs do not start then, use the OpenGL mode \"software\", or Apptainer 1.5 or later"
    ));
    let libraries = C_LIBRARY.iter().map(|name| (directory.join(name), Path::new(layout.in_image).join(name)));
    libraries
        .filter(|(source, _)| exists(source))
        .chain([(layout.loader.into(), layout.loader.into())])
        .map(|(source, container)| Bind { source: Some(source), container, read_only: false })
        .collect()
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{EngineKind, Gpu, Image, ImageContents, Machine, Nvidia};

    use super::*;
    use crate::host::RecordedHost;
    use crate::launch::Request;
    use crate::launch::dialect;
    use crate::launch::engine::Chosen;
    use crate::launch::settings::Settings;
    use crate::launch::site::Site;
    use crate::recommend::OpenGl;

    fn apptainer(version: Option<(u32, u32, u32)>) -> Chosen {
        Chosen { path: "/usr/bin/apptainer".into(), kind: EngineKind::Apptainer, version }
    }

    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

    fn facts(host_glibc: &str, image_glibc: &str) -> Facts {
        let nvidia = Nvidia { user_library: Some("/usr/lib/libGLX_nvidia.so.390.138".into()), ..Nvidia::default() };
        let contents = ImageContents { glibc: Some(image_glibc.into()), ..ImageContents::default() };
        Facts {
            gpu: Some(Gpu { nvidia: Some(nvidia), ..Gpu::default() }),
            machine: Some(Machine { arch: "x86_64".into(), glibc: Some(host_glibc.into()), ..Machine::default() }),
            image: Some(Image { contents: Some(contents), ..Image::default() }),
            ..Facts::default()
        }
    }

    fn host() -> RecordedHost {
        RecordedHost::new()
            .file("/usr/lib/tls/libnvidia-tls.so.390.138", "")
            .file("/usr/lib64/libc.so.6", "")
            .file("/usr/lib64/libpthread.so.0", "")
            .symlink(LOADER, "/usr/lib64/ld-linux-x86-64.so.2")
            .file("/usr/lib64/ld-linux-x86-64.so.2", "")
            .file("/etc/vulkan/icd.d/nvidia_icd.json", r#"{"ICD": {"library_path": "libGLX_nvidia.so.0"}}"#)
    }

    fn bring_to(
        host: &RecordedHost,
        version: Option<(u32, u32, u32)>,
        facts: &Facts,
        site: &Site,
    ) -> (Vec<Bind>, BTreeMap<String, OsString>, Vec<String>) {
        let (mut variables, mut warnings) = (BTreeMap::from([("LD_LIBRARY_PATH".to_owned(), OsString::from("/x"))]), Vec::new());
        let home = crate::launch::home::find(host, Path::new("/e")).unwrap();
        let wanted = Wanted {
            host,
            settings: &Settings::default(),
            facts,
            request: &Request::new(OpenGl::Nv, Vec::new()),
            engine: &apptainer(version),
            image: &dialect::Image { what: "/e/image.sif".into(), entry_point: Vec::new() },
            site,
            options: &[],
            home: &home,
            home_in_container: Path::new("/casa/home"),
        };
        let binds = bring(&wanted, &mut variables, &mut warnings);
        (binds, variables, warnings)
    }

    fn places(version: Option<(u32, u32, u32)>, facts: &Facts) -> (Vec<String>, BTreeMap<String, OsString>, Vec<String>) {
        let (binds, variables, warnings) = bring_to(&host(), version, facts, &Site::default());
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
                "/etc/vulkan/icd.d/nvidia_icd.json",
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

    #[test]
    fn the_libraries_are_of_one_build_whatever_the_distribution() {
        // Described machines: Debian, Fedora, Arch, and Debian on an ARM processor. An old copy elsewhere is not mixed in.
        for (arch, loader, real, in_image) in [
            ("x86_64", LOADER, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu"),
            ("x86_64", LOADER, "/usr/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu"),
            ("x86_64", LOADER, "/usr/lib/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu"),
            ("aarch64", "/lib/ld-linux-aarch64.so.1", "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", "/lib/aarch64-linux-gnu"),
        ] {
            let directory = Path::new(real).parent().unwrap().to_str().unwrap();
            let mut host = RecordedHost::new().symlink(loader, real).file(real, "").file("/opt/old/libc.so.6", "");
            for name in ["libc.so.6", "libm.so.6", "libpthread.so.0"] {
                host = host.file(format!("{directory}/{name}"), "");
            }
            let mut facts = facts("2.40", "2.31");
            facts.machine.as_mut().unwrap().arch = arch.into();
            let (binds, _, _) = bring_to(&host, Some((1, 4, 5)), &facts, &Site::default());
            let pairs: Vec<_> = binds
                .iter()
                .map(|bind| (bind.source.as_deref().unwrap().to_str().unwrap(), bind.container.to_str().unwrap()))
                .collect();
            let of = |name: &str| (format!("{directory}/{name}"), format!("{in_image}/{name}"));
            let expected: Vec<_> = ["libc.so.6", "libm.so.6", "libpthread.so.0"].map(of).to_vec();
            let expected: Vec<_> =
                expected.iter().map(|(source, place)| (source.as_str(), place.as_str())).chain([(loader, loader)]).collect();
            assert_eq!(pairs, expected);
        }
    }

    #[test]
    fn where_nothing_can_be_mounted_that_is_told_beforehand() {
        let site = Site { binds: false, ..Site::default() };
        let (binds, _, warnings) = bring_to(&host(), Some((1, 4, 5)), &facts("2.36", "2.31"), &site);
        assert!(binds.is_empty() && warnings.len() == 1 && warnings[0].contains("mounts"), "{warnings:?}");
    }
}
