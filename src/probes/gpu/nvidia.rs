//! The parts of the NVIDIA driver, from files alone: nvidia-smi may hang in the kernel.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{Nvidia, Unknowns};

use super::{device_node, ld_cache};
use crate::host::Host;
use crate::probes::Purpose;

/// Where NVIDIA's libraries are: what `--nv` brought into the container around us, then what distributions use, in the order in which
/// NVIDIA's own container toolkit looks.
const LIBRARY_DIRECTORIES: &[&str] = &[
    "/.singularity.d/libs",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/lib64",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib64/nvidia",
    "/usr/lib",
    "/run/opengl-driver/lib",
];

/// Libraries whose real file names end in the driver's version, the one that GLX programs load first.
const VERSIONED_LIBRARIES: &[&str] = &["libGLX_nvidia.so.", "libnvidia-glcore.so.", "libnvidia-ml.so.", "libcuda.so."];

/// Those of them without which nothing is drawn.
const DRAWING: [&str; 2] = ["libGLX_nvidia.so.", "libnvidia-glcore.so."];

/// Every part that is there; `None` when there is none.
///
/// A launch reads the directories of libraries, which may hold thousands of files, only where something else says that NVIDIA's may
/// be among them.
pub(super) fn nvidia(host: &dyn Host, purpose: Purpose, unknown: &mut Unknowns) -> Option<Nvidia> {
    let kernel_version = kernel_version(host, unknown);
    let nodes: Vec<_> = host
        .read_dir(Path::new("/dev"))
        .unwrap_or_default()
        .iter()
        .filter(|name| is_node(name))
        .map(|name| device_node(host, Path::new("/dev").join(name)))
        .collect();
    let cache = cached(host);
    let is_hinted_at = kernel_version.is_some() || !nodes.is_empty() || cache.as_ref().is_none_or(|cache| !cache.is_empty());
    let libraries = match purpose {
        Purpose::Launch if !is_hinted_at => Vec::new(),
        Purpose::Diagnosis | Purpose::Launch => user_libraries(host, &cache.unwrap_or_default()),
    };
    if kernel_version.is_none() && libraries.is_empty() && nodes.is_empty() {
        return None;
    }
    let (user_version, user_library) = libraries.first().map(|library| (library.version.clone(), library.path.clone())).unzip();
    let others = libraries.iter().filter(|library| Some(&library.version) != user_version.as_ref());
    let other_versions = others.map(|library| (library.version.clone(), library.path.clone())).collect();
    // Remains of another driver draw nothing.
    let mut of_driver = libraries.iter().filter(|library| Some(&library.version) == user_version.as_ref());
    let draws = of_driver.any(|library| DRAWING.contains(&library.prefix));
    let tls = user_library.as_deref().and_then(|library| tls_directory(host, library));
    Some(Nvidia {
        kernel_version,
        user_version,
        user_library,
        nodes,
        container_cli: host.which(OsStr::new("nvidia-container-cli")).is_some(),
        other_versions,
        draws: Some(draws),
        minors: minors(host),
        tls,
    })
}

/// The numbers of the driver's cards: the loaded module has a directory for each.
fn minors(host: &dyn Host) -> Vec<u32> {
    const CARDS: &str = "/proc/driver/nvidia/gpus";
    let names = host.read_dir(Path::new(CARDS)).unwrap_or_default();
    let number = |name: &std::ffi::OsString| {
        let text = host.read_text(&Path::new(CARDS).join(name).join("information"), 64 * 1024).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Device Minor:"))?.trim().parse().ok()
    };
    let mut minors: Vec<u32> = names.iter().filter_map(number).collect();
    minors.sort_unstable();
    minors
}

/// The directory beside the libraries with a second build of libnvidia-tls, which no engine brings along.
fn tls_directory(host: &dyn Host, library: &Path) -> Option<PathBuf> {
    let tls = library.parent()?.join("tls");
    let has_library = host.read_dir(&tls).ok()?.iter().any(|name| name.as_encoded_bytes().starts_with(b"libnvidia-tls.so"));
    has_library.then_some(tls)
}

/// `nvidiactl`, `nvidia0`, `nvidia-modeset`, `nvidia-uvm`, `nvidia-uvm-tools`; `nvidia-caps` is a directory.
fn is_node(name: &OsStr) -> bool {
    let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("nvidia")) else { return false };
    matches!(rest, "ctl" | "-modeset" | "-uvm" | "-uvm-tools") || !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
}

fn kernel_version(host: &dyn Host, unknown: &mut Unknowns) -> Option<String> {
    const PROC: &str = "/proc/driver/nvidia/version";
    let text = host.read_text(Path::new(PROC), 64 * 1024).ok();
    let version = text.as_deref().and_then(parse_kernel_version);
    let version = version.or_else(|| {
        let module = host.read_text(Path::new("/sys/module/nvidia/version"), 4096).ok()?;
        leading_version(module.trim()).map(str::to_owned)
    });
    if text.is_some() && version.is_none() {
        unknown.insert("nvidia.kernel_version".to_owned(), format!("{PROC} names no version"));
    }
    version
}

/// The first version after the word `Module`, which both forms have: `… x86_64 Kernel Module  535.183.01  Wed …` and
/// `… Open Kernel Module for x86_64  565.57.01  Release Build …`.
fn parse_kernel_version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains("NVRM version:"))?;
    let (_, rest) = line.split_once("Module")?;
    rest.split_whitespace().find_map(leading_version).map(str::to_owned)
}

/// The text, when it is a version: two or three numbers with points between them.
pub(super) fn leading_version(text: &str) -> Option<&str> {
    let parts: Vec<_> = text.split('.').collect();
    let numbers = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    (matches!(parts.len(), 2 | 3) && numbers && parts[0].len() >= 2).then_some(text)
}

/// A library of the driver whose file name has a version.
struct Library {
    prefix: &'static str,
    version: String,
    path: PathBuf,
}

/// What the linker's cache says of the driver's libraries; `None` where there is no such file.
fn cached(host: &dyn Host) -> Option<Vec<(String, PathBuf)>> {
    let bytes = host.read(Path::new("/etc/ld.so.cache"), 32 << 20).ok()?;
    Some(ld_cache::entries(&bytes, |name| VERSIONED_LIBRARIES.iter().any(|prefix| name.starts_with(prefix))))
}

/// The libraries of the driver: what the linker's cache leads to, then what the directories hold besides. The first one is what
/// programs load.
fn user_libraries(host: &dyn Host, cache: &[(String, PathBuf)]) -> Vec<Library> {
    let mut seen: Vec<PathBuf> = Vec::new();
    // Most of them lead to the same place, which may hold thousands of files.
    let mut is_new = |path: &&Path| {
        host.canonicalize(path).is_ok_and(|real| {
            let is_new = !seen.contains(&real);
            seen.push(real);
            is_new
        })
    };
    let directories: Vec<(&Path, Vec<std::ffi::OsString>)> = LIBRARY_DIRECTORIES
        .iter()
        .map(Path::new)
        .filter(|path| is_new(path))
        .map(|path| (path, host.read_dir(path).unwrap_or_default()))
        .collect();
    let mut libraries: Vec<Library> = Vec::new();
    let mut add = |prefix: &'static str, path: &Path| {
        if let Some((version, path)) = versioned(host, path, prefix)
            && !libraries.iter().any(|known| known.path == path)
        {
            libraries.push(Library { prefix, version, path });
        }
    };
    for prefix in VERSIONED_LIBRARIES {
        cache.iter().filter(|(name, _)| name.starts_with(prefix)).for_each(|(_, path)| add(prefix, path));
    }
    for prefix in VERSIONED_LIBRARIES {
        for (path, names) in &directories {
            let fits = |name: &&std::ffi::OsString| name.to_str().is_some_and(|name| name.starts_with(prefix));
            names.iter().filter(fits).for_each(|name| add(prefix, &path.join(name)));
        }
    }
    libraries
}

/// The version at the end of the real file's name.
fn versioned(host: &dyn Host, path: &Path, prefix: &str) -> Option<(String, PathBuf)> {
    let real = host.canonicalize(path).ok()?;
    let version = leading_version(real.file_name()?.to_str()?.strip_prefix(prefix)?)?.to_owned();
    Some((version, real))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn both_forms_of_the_kernel_module() {
        let proprietary = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  565.57.01  Release Build  (dvs-builder@U16-I3)  Thu Oct 10 12:29:05 UTC 2024\n";
        assert_eq!(parse_kernel_version(proprietary).as_deref(), Some("535.183.01"));
        assert_eq!(parse_kernel_version(open).as_deref(), Some("565.57.01"));
        assert_eq!(
            parse_kernel_version("NVRM version: NVIDIA UNIX x86_64 Kernel Module  390.87  Tue\n").as_deref(),
            Some("390.87")
        );
        assert_eq!(parse_kernel_version("GCC version: gcc version 12.2.0\n"), None);
        assert_eq!(parse_kernel_version(""), None);
    }

    #[test]
    fn a_described_machine_whose_libraries_are_newer_than_its_kernel_module() {
        let host = RecordedHost::new()
            .file("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun\n")
            .symlink("/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0", "nvidia/current/libGLX_nvidia.so.0")
            .symlink("/usr/lib/x86_64-linux-gnu/nvidia/current/libGLX_nvidia.so.0", "libGLX_nvidia.so.550.163.01")
            .file("/usr/lib/x86_64-linux-gnu/nvidia/current/libGLX_nvidia.so.550.163.01", "")
            .file("/dev/nvidiactl", "")
            .file_mode("/dev/nvidia0", "", 0o060)
            .directory("/dev/nvidia-caps")
            .command(&["nvidia-container-cli"], 0, "", "");
        let nvidia = nvidia(&host, Purpose::Diagnosis, &mut Unknowns::new()).unwrap();
        assert_eq!(nvidia.kernel_version.as_deref(), Some("535.183.01"));
        assert_eq!(nvidia.user_version.as_deref(), Some("550.163.01"));
        assert_eq!(
            nvidia.user_library.as_deref(),
            Some(Path::new("/usr/lib/x86_64-linux-gnu/nvidia/current/libGLX_nvidia.so.550.163.01"))
        );
        let nodes: Vec<_> = nvidia.nodes.iter().map(|node| (node.path.to_str().unwrap(), node.usable)).collect();
        assert_eq!(nodes, [("/dev/nvidia0", false), ("/dev/nvidiactl", true)]);
        assert!(nvidia.container_cli);
        assert_eq!((nvidia.draws, nvidia.tls), (Some(true), None));
    }

    #[test]
    fn a_launch_looks_for_libraries_only_where_something_hints_at_them() {
        let bare = || RecordedHost::new().file("/usr/lib64/libGLX_nvidia.so.550.163.01", "").directory("/dev");
        let with_cache = || bare().file("/etc/ld.so.cache", "glibc-ld.so.cache1.1");
        let version = |host: RecordedHost, purpose| nvidia(&host, purpose, &mut Unknowns::new())?.user_version;
        assert_eq!(version(with_cache(), Purpose::Launch), None);
        let found = Some("550.163.01".to_owned());
        assert_eq!(version(with_cache(), Purpose::Diagnosis), found);
        assert_eq!(version(bare(), Purpose::Launch), found, "nothing says that there are none");
        assert_eq!(version(with_cache().file("/dev/nvidiactl", ""), Purpose::Launch), found);
        let module = with_cache().file("/sys/module/nvidia/version", "550.163.01\n");
        assert_eq!(version(module, Purpose::Launch), found);
    }

    #[test]
    fn a_described_machine_with_remains_of_an_older_driver_and_two_cards() {
        let host = RecordedHost::new()
            .file("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  390.138  Thu\n")
            .file("/proc/driver/nvidia/gpus/0000:02:00.0/information", "Model: \t\t Quadro\nDevice Minor: \t 1\n")
            .file("/proc/driver/nvidia/gpus/0000:01:00.0/information", "Device Minor: \t 0\n")
            .file("/usr/lib64/libnvidia-ml.so.390.138", "")
            .file("/usr/lib64/tls/libnvidia-tls.so.390.138", "")
            .file("/usr/lib/libcuda.so.384.130", "");
        let nvidia = nvidia(&host, Purpose::Diagnosis, &mut Unknowns::new()).unwrap();
        assert_eq!(nvidia.user_version.as_deref(), Some("390.138"));
        assert_eq!(nvidia.other_versions.into_iter().next().unwrap().0, "384.130");
        assert_eq!(nvidia.minors, [0, 1]);
        assert_eq!((nvidia.draws, nvidia.tls.as_deref()), (Some(false), Some(Path::new("/usr/lib64/tls"))));
    }

    #[test]
    fn what_the_linker_knows_counts_more_than_remains_that_it_does_not_know() {
        let host = RecordedHost::new()
            .file("/usr/lib64/nvidia/libGLX_nvidia.so.390.138", "")
            .file("/opt/driver/libnvidia-ml.so.550.163.01", "");
        let cache = [("libnvidia-ml.so.1".to_owned(), PathBuf::from("/opt/driver/libnvidia-ml.so.550.163.01"))];
        let libraries = user_libraries(&host, &cache);
        let versions: Vec<_> = libraries.iter().map(|library| (library.prefix, library.version.as_str())).collect();
        assert_eq!(versions, [("libnvidia-ml.so.", "550.163.01"), ("libGLX_nvidia.so.", "390.138")]);
    }

    #[test]
    fn what_nv_brought_into_the_container_around_us_is_found() {
        let host = RecordedHost::new()
            .file("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Thu\n")
            .file("/.singularity.d/libs/libGLX_nvidia.so.0", "")
            .file("/.singularity.d/libs/libnvidia-glcore.so.550.163.01", "");
        let nvidia = nvidia(&host, Purpose::Diagnosis, &mut Unknowns::new()).unwrap();
        assert_eq!((nvidia.user_version.as_deref(), nvidia.draws), (Some("550.163.01"), Some(true)));
    }

    #[test]
    fn a_machine_without_any_part_has_none() {
        assert_eq!(nvidia(&RecordedHost::new().directory("/dev"), Purpose::Diagnosis, &mut Unknowns::new()), None);
    }

    #[test]
    fn a_soname_is_no_version() {
        assert_eq!(leading_version("0"), None);
        assert_eq!(leading_version("1.1"), None);
        assert_eq!(leading_version("550.163.01"), Some("550.163.01"));
        assert_eq!(leading_version("550.x"), None);
    }
}
