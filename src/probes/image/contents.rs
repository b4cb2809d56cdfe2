//! What matters of the files of an image: its C library, its OpenGL, its marks of casa-distro.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
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

/// Longer texts are none that is read here, in bytes.
const LONGEST_TEXT: u64 = 64 * 1024;

/// Reads a filesystem.
///
/// # Errors
///
/// When something on the way to what matters cannot be read: half an answer would be a wrong one.
pub(super) fn examine(tree: &dyn Tree) -> io::Result<ImageContents> {
    let image = Inside(tree);
    let mut directories: Vec<PathBuf> = Vec::new();
    for directory in LIBRARY_DIRECTORIES {
        // /lib is mostly a link to /usr/lib.
        directories.extend(image.resolve(Path::new(directory))?.filter(|directory| !directories.contains(directory)));
    }
    let mut contents = ImageContents {
        distribution: distribution(image)?,
        software_mesa: Some(image.has_file("/usr/local/lib/mesa/libGL.so.1")?),
        casa_entrypoint: Some(image.has_file("/usr/local/bin/entrypoint")?),
        ..ImageContents::default()
    };
    for tool in TOOLS {
        for directory in PROGRAM_DIRECTORIES {
            if image.has_file(Path::new(directory).join(tool))? {
                contents.tools.push((*tool).to_owned());
                break;
            }
        }
    }
    for directory in EGL_MANIFESTS {
        contents.egl_vendors.extend(manifests(image, directory)?);
    }
    let mut gallium = None;
    let (mut gl, mut dispatch) = (false, false);
    for directory in &directories {
        if contents.glibc.is_none() {
            contents.glibc = glibc(image, directory)?;
        }
        for name in image.names(directory)? {
            let there = || image.has_file(directory.join(&name));
            match name.as_str() {
                "libGL.so.1" => gl = gl || there()?,
                "libGLdispatch.so.0" => dispatch = dispatch || there()?,
                "libGLX_indirect.so.0" => contents.glx_indirect = contents.glx_indirect || there()?,
                _ => {
                    let between = |before, after| name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                    if let Some(vendor) = between("libGLX_", ".so.0")
                        && there()?
                    {
                        contents.glx_vendors.push(vendor.to_owned());
                    }
                    if let Some(version) = between("libgallium-", ".so")
                        && gallium.is_none()
                        && there()?
                    {
                        gallium = Some(upstream_version(version));
                    }
                }
            }
        }
        for name in image.names(directory.join("dri"))? {
            if let Some(driver) = name.strip_suffix("_dri.so")
                && image.has_file(directory.join("dri").join(&name))?
            {
                contents.dri_drivers.push(driver.to_owned());
            }
        }
    }
    if gallium.is_some() {
        contents.dri_drivers.push("gallium".to_owned());
    }
    contents.glvnd = gl.then_some(dispatch);
    contents.mesa = match gallium {
        Some(version) => Some(version),
        None => mesa_package(image)?,
    };
    (contents.image_id, contents.image_version) = casa_id(image)?;
    for list in [&mut contents.glx_vendors, &mut contents.egl_vendors, &mut contents.dri_drivers] {
        list.sort();
        list.dedup();
    }
    Ok(contents)
}

fn distribution(image: Inside<'_>) -> io::Result<Option<String>> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(text) = image.read(path, LONGEST_TEXT)? {
            return Ok(machine::parse_os_release(&String::from_utf8_lossy(&text)).name);
        }
    }
    Ok(None)
}

/// The version of the C library in a directory. Of the library only its headers and its texts are read.
fn glibc(image: Inside<'_>, directory: &Path) -> io::Result<Option<String>> {
    let Some(library) = image.open(directory.join("libc.so.6"))? else { return Ok(None) };
    let error = Cell::new(None);
    let version = machine::glibc::version(&object::ReadCache::new(Keeping { inner: library, error: &error }));
    error.take().map_or(Ok(version), Err)
}

/// Reads on and keeps an error, for what reads through it and makes nothing of it.
struct Keeping<'a, R> {
    inner: R,
    error: &'a Cell<Option<io::Error>>,
}

impl<R: Read> Read for Keeping<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.error.set(Some(error));
            kind.into()
        })
    }
}

impl<R: Seek> Seek for Keeping<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn manifests(image: Inside<'_>, directory: &str) -> io::Result<Vec<String>> {
    let mut manifests = Vec::new();
    for name in image.names(directory)? {
        if name.ends_with(".json") && image.has_file(Path::new(directory).join(&name))? {
            manifests.push(name);
        }
    }
    Ok(manifests)
}

/// Mesa's version from the list of Debian's packages. That of RPM is a database of its own, which is not read.
fn mesa_package(image: Inside<'_>) -> io::Result<Option<String>> {
    /// Of one source; a distribution may have either. The first one is better.
    const PACKAGES: [&str; 2] = ["libgl1-mesa-dri", "libglx-mesa0"];
    let Some(list) = image.open("/var/lib/dpkg/status")? else { return Ok(None) };
    let mut second = None;
    // A paragraph for each package, with an empty line behind it.
    let (mut package, mut installed, mut version) = (None, false, None);
    for line in BufReader::new(list).split(b'\n').chain([Ok(Vec::new())]) {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if let Some(name) = line.strip_prefix("Package:") {
            package = PACKAGES.iter().position(|package| *package == name.trim());
        } else if package.is_some() && line.starts_with("Status:") {
            installed = line.ends_with(" installed");
        } else if let Some(of) = line.strip_prefix("Version:").filter(|_| package.is_some()) {
            version = Some(upstream_version(of));
        } else if line.is_empty() {
            match (package.take(), std::mem::take(&mut installed), version.take()) {
                (Some(0), true, Some(version)) => return Ok(Some(version)),
                (Some(_), true, found) => second = second.or(found),
                _ => {}
            }
        }
    }
    Ok(second)
}

/// `22.3.6` of Debian's `22.3.6-1+deb12u1` or `1:24.1.3~kisak1~j`.
fn upstream_version(version: &str) -> String {
    let version = version.trim();
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    version.split(['-', '+', '~']).next().unwrap_or(version).to_owned()
}

/// Id and version of `/casa/image_id`, which is JSON.
fn casa_id(image: Inside<'_>) -> io::Result<(Option<String>, Option<String>)> {
    let text = image.read("/casa/image_id", LONGEST_TEXT)?;
    let value: Value = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok((text("image_id"), text("image_version")))
}
