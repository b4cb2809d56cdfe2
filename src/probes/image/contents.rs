//! What matters of the files of an image: its C library, its OpenGL, its marks of casa-distro.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::ImageContents;
use serde_json::Value;

use super::super::machine;
use super::tree::{Inside, Tree};

/// Where the dynamic linkers of Debian's and Red Hat's families look, for both processors that images are made for.
const LIBRARY_DIRECTORIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
    "/usr/local/lib/x86_64-linux-gnu",
    "/usr/local/lib",
];

/// Where glvnd looks for EGL vendors.
const EGL_MANIFESTS: &[&str] = &["/etc/glvnd/egl_vendor.d", "/usr/share/glvnd/egl_vendor.d"];

const PROGRAM_DIRECTORIES: &[&str] = &["/usr/local/bin", "/usr/bin", "/bin"];
const TOOLS: &[&str] = &["glxinfo", "eglinfo", "python3", "xauth"];

/// The largest C library or package list that is read, in bytes.
const LARGEST_FILE: u64 = 32 << 20;

/// Reads a filesystem.
pub(super) fn examine(tree: &dyn Tree) -> ImageContents {
    let image = Inside(tree);
    let mut directories: Vec<PathBuf> =
        LIBRARY_DIRECTORIES.iter().filter_map(|directory| image.resolve(Path::new(directory))).collect();
    // /lib is mostly a link to /usr/lib.
    let mut seen = Vec::new();
    directories.retain(|directory| {
        !seen.contains(directory) && {
            seen.push(directory.clone());
            true
        }
    });
    let mut contents = ImageContents {
        distribution: distribution(image),
        glibc: directories.iter().find_map(|directory| glibc(image, directory)),
        software_mesa: Some(image.has_file("/usr/local/lib/mesa/libGL.so.1")),
        casa_entrypoint: Some(image.has_file("/usr/local/bin/entrypoint")),
        tools: TOOLS
            .iter()
            .filter(|tool| PROGRAM_DIRECTORIES.iter().any(|directory| image.has_file(Path::new(directory).join(tool))))
            .map(|tool| (*tool).to_owned())
            .collect(),
        egl_vendors: EGL_MANIFESTS.iter().flat_map(|directory| manifests(image, directory)).collect(),
        ..ImageContents::default()
    };
    let mut gallium = None;
    let (mut gl, mut dispatch) = (false, false);
    for directory in &directories {
        for name in image.names(directory) {
            let there = || image.has_file(directory.join(&name));
            match name.as_str() {
                "libGL.so.1" => gl |= there(),
                "libGLdispatch.so.0" => dispatch |= there(),
                "libGLX_indirect.so.0" => contents.glx_indirect |= there(),
                _ => {
                    let vendor = name.strip_prefix("libGLX_").and_then(|rest| rest.strip_suffix(".so.0"));
                    if let Some(vendor) = vendor.filter(|_| there()) {
                        contents.glx_vendors.push(vendor.to_owned());
                    }
                    let version = name.strip_prefix("libgallium-").and_then(|rest| rest.strip_suffix(".so"));
                    gallium = gallium.or(version.filter(|_| there()).map(upstream_version));
                }
            }
        }
        let drivers = image.names(directory.join("dri"));
        let drivers = drivers.iter().filter(|name| image.has_file(directory.join("dri").join(name)));
        contents.dri_drivers.extend(drivers.filter_map(|name| name.strip_suffix("_dri.so")).map(str::to_owned));
    }
    if gallium.is_some() {
        contents.dri_drivers.push("gallium".to_owned());
    }
    contents.glvnd = gl.then_some(dispatch);
    contents.mesa = gallium.or_else(|| mesa_package(image));
    (contents.image_id, contents.image_version) = casa_id(image);
    for list in [&mut contents.glx_vendors, &mut contents.egl_vendors, &mut contents.dri_drivers] {
        list.sort();
        list.dedup();
    }
    contents
}

fn distribution(image: Inside<'_>) -> Option<String> {
    let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| image.read(path, 64 * 1024))?;
    machine::parse_os_release(&String::from_utf8_lossy(&text)).name
}

fn glibc(image: Inside<'_>, directory: &Path) -> Option<String> {
    let library = image.read(directory.join("libc.so.6"), LARGEST_FILE)?;
    machine::glibc::version(&library[..])
}

fn manifests(image: Inside<'_>, directory: &str) -> Vec<String> {
    let names = image.names(directory);
    names.into_iter().filter(|name| name.ends_with(".json") && image.has_file(Path::new(directory).join(name))).collect()
}

/// Mesa's version from the list of Debian's packages. That of RPM is a database of its own, which is not read.
fn mesa_package(image: Inside<'_>) -> Option<String> {
    let text = image.read("/var/lib/dpkg/status", LARGEST_FILE)?;
    let text = String::from_utf8_lossy(&text);
    ["libgl1-mesa-dri", "libglx-mesa0"].iter().find_map(|package| {
        let paragraph = text.split("\n\n").find(|paragraph| {
            let mut lines = paragraph.lines();
            lines.any(|line| line.strip_prefix("Package:").is_some_and(|name| name.trim() == *package))
                && paragraph.lines().any(|line| line.starts_with("Status:") && line.ends_with(" installed"))
        })?;
        paragraph.lines().find_map(|line| line.strip_prefix("Version:")).map(upstream_version)
    })
}

/// `22.3.6` of Debian's `22.3.6-1+deb12u1` or `1:24.1.3~kisak1~j`.
fn upstream_version(version: &str) -> String {
    let version = version.trim();
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    version.split(['-', '+', '~']).next().unwrap_or(version).to_owned()
}

/// Id and version of `/casa/image_id`, which is JSON.
fn casa_id(image: Inside<'_>) -> (Option<String>, Option<String>) {
    let value: Value =
        image.read("/casa/image_id", 64 * 1024).and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    (text("image_id"), text("image_version"))
}
