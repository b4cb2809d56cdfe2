//! The probe "manifests": which drivers EGL and Vulkan are led to, and what `--nv` would take along. Files alone: nothing is loaded.

mod library;
pub(super) mod needs;

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{HostLibrary, Manifest, ManifestSearch, Manifests};
use serde_json::Value;

use self::library::{Found, Linker, split};
use super::Context;
use crate::host::Host;

/// Where libglvnd looks unless a variable says otherwise (`DEFAULT_EGL_VENDOR_CONFIG_DIRS` of the distributions).
const EGL_DIRECTORIES: [&str; 2] = ["/etc/glvnd/egl_vendor.d", "/usr/share/glvnd/egl_vendor.d"];

/// A manifest has some hundred bytes.
const MANIFEST_LIMIT: u64 = 64 << 10;

/// More manifests than any machine has; a directory of thousands is not read to its end.
const MOST: usize = 200;

/// A dispatch library has some hundred kilobytes, an OpenGL from before libglvnd some megabytes.
const LIBRARY_LIMIT: u64 = 64 << 20;

/// Libraries of the distribution (not of NVIDIA) that `nvliblist.conf` has as beginnings of names.
const DISPATCH: [&str; 8] =
    ["libGL.so", "libGLX.so", "libGLdispatch.so", "libEGL.so", "libOpenGL.so", "libGLESv1_CM.so", "libGLESv2.so", "libOpenCL.so"];

/// Looks for manifests.
pub(crate) fn probe(context: &Context) -> Manifests {
    let host = context.host.as_ref();
    let linker = Linker::of(host);
    let mut facts = Manifests {
        egl: egl(host, &linker),
        vulkan: vulkan(host, &linker),
        has_egl: linker.has(host, "libEGL.so.1"),
        has_vulkan: linker.has(host, "libvulkan.so.1"),
        dispatch: dispatch(host, &linker),
        ..Manifests::default()
    };
    if linker.cache.is_none() {
        for field in ["has_egl", "has_vulkan", "dispatch"] {
            facts.unknown.insert(field.to_owned(), "the linker's cache /etc/ld.so.cache cannot be read".to_owned());
        }
    }
    facts
}

/// libglvnd's order (`src/EGL/libeglvendor.c`): one variable names the files and replaces everything, another the directories;
/// in each directory the files are taken by name.
fn egl(host: &dyn Host, linker: &Linker) -> ManifestSearch {
    const FILES: &str = "__EGL_VENDOR_LIBRARY_FILENAMES";
    const DIRECTORIES: &str = "__EGL_VENDOR_LIBRARY_DIRS";
    let (variable, files) = if let Some(value) = host.env(FILES) {
        (Some(FILES), split(&value))
    } else if let Some(value) = host.env(DIRECTORIES) {
        (Some(DIRECTORIES), split(&value).iter().flat_map(|directory| in_directory(host, directory)).collect())
    } else {
        (None, EGL_DIRECTORIES.iter().flat_map(|directory| in_directory(host, Path::new(directory))).collect())
    };
    let found = files.iter().take(MOST).map(|path| read(host, linker, path, egl_version)).collect();
    ManifestSearch { variable: variable.map(str::to_owned), found }
}

/// The order of Vulkan's loader (its `LoaderDriverInterface` document).
fn vulkan(host: &dyn Host, linker: &Linker) -> ManifestSearch {
    let replaced = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find_map(|name| {
        let value = host.env(name).filter(|value| !value.is_empty())?;
        Some((name, files_of(host, &split(&value))))
    });
    let (variable, files) = match replaced {
        Some((name, files)) => (Some(name.to_owned()), files),
        None => {
            let added = host.env("VK_ADD_DRIVER_FILES").unwrap_or_default();
            let mut files = files_of(host, &split(&added));
            for directory in vulkan_directories(host) {
                for file in in_directory(host, &directory.join("vulkan/icd.d")) {
                    if !files.contains(&file) {
                        files.push(file);
                    }
                }
            }
            (None, files)
        }
    };
    let found = files.iter().take(MOST).map(|path| read(host, linker, path, vulkan_version)).collect();
    ManifestSearch { variable, found }
}

fn vulkan_directories(host: &dyn Host) -> Vec<PathBuf> {
    let home = host.identity().home;
    let one = |name: &str, usual: &str| {
        let value = host.env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        value.or_else(|| Some(home.as_ref()?.join(usual)))
    };
    let several = |name: &str, usual: &str| {
        let value = host.env(name).filter(|value| !value.is_empty()).unwrap_or_else(|| usual.into());
        split(&value)
    };
    let mut directories: Vec<PathBuf> = one("XDG_CONFIG_HOME", ".config").into_iter().collect();
    directories.extend(several("XDG_CONFIG_DIRS", "/etc/xdg"));
    directories.push("/etc".into());
    directories.extend(one("XDG_DATA_HOME", ".local/share"));
    directories.extend(several("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    directories
}

/// Files as they are, and those of directories.
fn files_of(host: &dyn Host, paths: &[PathBuf]) -> Vec<PathBuf> {
    let is_directory = |path: &Path| host.metadata(path).is_ok_and(|metadata| metadata.kind == crate::host::FileKind::Directory);
    paths.iter().flat_map(|path| if is_directory(path) { in_directory(host, path) } else { vec![path.clone()] }).collect()
}

/// The manifests of a directory, by name.
fn in_directory(host: &dyn Host, directory: &Path) -> Vec<PathBuf> {
    let names = host.read_dir(directory).unwrap_or_default();
    let manifests = names.iter().filter(|name| name.as_encoded_bytes().ends_with(b".json"));
    manifests.map(|name| directory.join(name)).collect()
}

/// Reads a manifest as the loaders do: a version that they take, and `library_path` in `ICD`.
fn read(host: &dyn Host, linker: &Linker, path: &Path, takes: fn(&str) -> bool) -> Manifest {
    let mut manifest = Manifest { path: path.to_owned(), ..Manifest::default() };
    let bytes = match host.read(path, MANIFEST_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => {
            manifest.error = Some(format!("it cannot be read: {error}"));
            return manifest;
        }
    };
    // The loaders stop behind the first value, whatever follows it.
    let json = match serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>().next() {
        Some(Ok(json)) => json,
        None => {
            manifest.error = Some("it is empty".into());
            return manifest;
        }
        Some(Err(error)) => {
            manifest.error = Some(format!("it is no valid JSON: {error}"));
            return manifest;
        }
    };
    let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str);
    let named_for_another = path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        let foreign = if cfg!(target_arch = "x86_64") { [".i686.", ".i386."] } else { [".arm.", ".armv7hl."] };
        foreign.iter().any(|word| name.contains(word))
    });
    manifest.other_architecture = named_for_another || text("/ICD/library_arch") == Some("32");
    manifest.library = text("/ICD/library_path").map(str::to_owned);
    manifest.error = match (text("/file_format_version"), &manifest.library) {
        (None, _) => Some("\"file_format_version\" is missing".into()),
        (Some(version), _) if !takes(version) => Some(format!("\"file_format_version\" is \"{version}\", which is not known")),
        (_, None) => Some("\"library_path\" in \"ICD\" is missing".into()),
        _ => None,
    };
    if let (None, Some(library), false) = (&manifest.error, &manifest.library, manifest.other_architecture) {
        match linker.find(host, library, path.parent().unwrap_or(Path::new("/"))) {
            Found::At(path) => manifest.resolved = Some(path),
            Found::Nowhere => manifest.library_missing = true,
            Found::NotKnown => {}
        }
    }
    manifest
}

/// libglvnd takes 1.0.
fn egl_version(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    numbers.next() == Some(Some(1)) && matches!(numbers.next(), None | Some(Some(0)))
}

/// Vulkan's loader takes every version 1 and warns of others.
fn vulkan_version(version: &str) -> bool {
    version.split('.').next() == Some("1")
}

/// The libraries of the host that a `--nv` takes along besides NVIDIA's own, each with the C library that it asks for.
fn dispatch(host: &dyn Host, linker: &Linker) -> Vec<HostLibrary> {
    let mut libraries: Vec<HostLibrary> = Vec::new();
    for (name, path) in linker.cache.iter().flatten() {
        let listed = DISPATCH.iter().any(|prefix| name.starts_with(prefix));
        if listed && !libraries.iter().any(|known| known.name == *name) {
            let glibc = host.read(path, LIBRARY_LIMIT).ok().and_then(|bytes| needs::glibc(&bytes));
            libraries.push(HostLibrary { name: name.clone(), path: path.clone(), glibc });
        }
    }
    libraries
}

#[cfg(test)]
mod tests;
