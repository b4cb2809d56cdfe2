//! The probe "image": the image that the configuration names, examined without being started.

mod contents;
mod locate;
mod magic;
mod metadata;
pub(crate) mod named;
mod sandbox;
mod sif;
mod squashfs;
#[cfg(test)]
mod tests;
mod tree;

use std::io;
use std::path::Path;
use std::time::Duration;

use casa_doctor_checks::facts::{ChildEnd, ChildRun, Environment, Image, ImageContents, ImageKind};
use serde_json::Value;

use squashfs::read_contents;

use super::{Context, child};
use crate::host::{Access, Host, LiveHost};

/// Looks at the image of an environment.
pub(crate) fn probe(context: &Context, environment: &Environment) -> Image {
    let host = context.host.as_ref();
    let mut image = Image::default();
    let configuration = environment.merged.as_ref().or(environment.file.value.as_ref());
    let text = |key: &str| configuration.and_then(|value| value.get(key)).and_then(Value::as_str);
    let Some(configured) = text("image") else {
        image.unknown.insert("path".to_owned(), "the configuration has no text under the key \"image\"".to_owned());
        return image;
    };
    image.configured = configured.to_owned();
    if let Some(kind @ ("docker" | "podman")) = text("container_type") {
        ask_by_name(context, kind, &mut image);
        return image;
    }
    let located = locate::locate(host, &environment.directory, configured);
    image.path = located.path;
    image.exists = located.exists;
    image.candidates = located.candidates;
    image.part_file = host.exists(&metadata::beside(&image.path, ".part")) == Some(true);
    if image.exists.is_none() {
        image.unknown.insert("exists".to_owned(), format!("{} cannot be looked at: permission denied", image.path.display()));
    }
    if let Some(used) = &located.used {
        image.metadata = metadata::read(host, used);
        if text("container_type") == Some("vbox") {
            image.unknown.insert("kind".to_owned(), "images of VirtualBox are not examined".to_owned());
        } else {
            look_at(context, used, &mut image);
        }
    }
    image.used = located.used;
    image
}

/// Asks Docker or Podman, which keep their images by name.
fn ask_by_name(context: &Context, container_type: &str, image: &mut Image) {
    let host = context.host.as_ref();
    image.kind = Some(ImageKind::Name);
    image.unknown.insert("contents".to_owned(), "the image is kept by the container engine and is not a file".to_owned());
    let answer = match named::keeper(host, container_type) {
        Some((kind, program)) => named::inspect(host, kind, &program, &image.configured, context.limit.mul_f32(0.75)),
        None => Err("neither docker nor podman was found on PATH to ask for the image".to_owned()),
    };
    match answer {
        Ok(found) => {
            image.exists = Some(found.is_some());
            image.named = found;
        }
        Err(reason) => {
            image.unknown.insert("exists".to_owned(), reason);
        }
    }
}

/// Recognises the file and reads what can be read of it.
fn look_at(context: &Context, path: &Path, image: &mut Image) {
    let host = context.host.as_ref();
    image.readable = match host.access(path, Access::Read) {
        Ok(()) => Some(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(false),
        Err(_) => None,
    };
    let recognised = match magic::recognise(host, path) {
        Ok(recognised) => recognised,
        Err(error) => {
            image.unknown.insert("kind".to_owned(), format!("{} cannot be read: {error}", path.display()));
            return;
        }
    };
    image.size = (recognised.kind != ImageKind::Sandbox).then(|| host.metadata(path).ok().map(|metadata| metadata.size)).flatten();
    let read = match recognised.kind {
        ImageKind::Sif => contents_of_sif(context, path, image),
        ImageKind::Squashfs => contents_of_squashfs(context, path, recognised.offset),
        ImageKind::Sandbox => Ok(contents::examine(&sandbox::Sandbox { host, root: path.to_owned() })),
        ImageKind::Ext3 => Err("an ext3 image cannot be read without being mounted".to_owned()),
        ImageKind::Name | ImageKind::NotAnImage { .. } => Err("it is not an image".to_owned()),
    };
    image.kind = Some(recognised.kind);
    match read {
        Ok(contents) => {
            if contents.mesa.is_none() {
                let reason = "neither a file's name nor Debian's package list names Mesa's version";
                image.unknown.insert("contents.mesa".to_owned(), reason.to_owned());
            }
            image.contents = Some(contents);
        }
        Err(reason) => {
            image.unknown.insert("contents".to_owned(), reason);
        }
    }
}

fn contents_of_sif(context: &Context, path: &Path, image: &mut Image) -> Result<ImageContents, String> {
    let mut file = context.host.open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let header = match sif::read(&mut *file) {
        Ok(header) => header,
        Err(error) => {
            image.unknown.insert("sif".to_owned(), error.to_string());
            return Err(error.to_string());
        }
    };
    let sif = image.sif.insert(header.sif);
    if image.size.is_some_and(|size| size < sif.end) {
        return Err("the file is cut short".to_owned());
    }
    match (sif.filesystem.as_deref(), header.partition_offset) {
        (Some("squashfs"), Some(offset)) => contents_of_squashfs(context, path, offset),
        (Some(other), _) => Err(format!("its filesystem is {other}, which cannot be read here")),
        (None, _) => Err("it has no system partition".to_owned()),
    }
}

/// The hidden probe that reads a squashfs.
pub(crate) const CONTENTS_PROBE: &str = "image-contents";

/// Reads a squashfs in a child: the tables of a large image take tens of megabytes, and a damaged one may take whatever a
/// library makes of it.
fn contents_of_squashfs(context: &Context, path: &Path, offset: u64) -> Result<ImageContents, String> {
    let run: ChildRun<Result<ImageContents, String>> =
        child::run(context, CONTENTS_PROBE, &[path.as_os_str().to_owned(), offset.to_string().into()], &[]);
    match (run.result, run.end) {
        (Some(contents), _) => contents,
        (None, ChildEnd::TimedOut { limit_ms }) => {
            Err(format!("reading its squashfs took longer than {:.1} s", Duration::from_millis(limit_ms).as_secs_f64()))
        }
        (None, ChildEnd::Signal { name, .. }) => Err(format!("reading its squashfs ended with {name}: it may be damaged")),
        (None, ChildEnd::NotStarted { reason }) => Err(reason),
        (None, ChildEnd::Exited { .. } | ChildEnd::Finished) => Err(run.stderr.join(" ")),
    }
}

/// The child half of [`contents_of_squashfs`]: the path of the image and the offset of the squashfs in it.
pub(crate) fn read_contents_in_child(args: &[std::ffi::OsString]) -> Result<ImageContents, String> {
    let [path, offset] = args else { return Err("expected the path of an image and an offset".to_owned()) };
    let offset = offset.to_str().and_then(|text| text.parse().ok()).ok_or("the offset is no number")?;
    let file = LiveHost.open(Path::new(path)).map_err(|error| format!("{}: {error}", Path::new(path).display()))?;
    read_contents(file, offset).map_err(|error| error.to_string())
}
