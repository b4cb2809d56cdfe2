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

use casa_doctor_checks::facts::{Environment, Image, ImageContents, ImageKind};
use serde_json::Value;

use self::squashfs::Squashfs;
use super::Context;
use crate::host::{Access, FileKind, Host};

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
            look_at(host, used, &mut image);
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
fn look_at(host: &dyn Host, path: &Path, image: &mut Image) {
    // Who may not search a directory sees its names and nothing of what they stand for.
    let is_directory = host.metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::Directory);
    let needed: &[Access] = if is_directory { &[Access::Read, Access::Execute] } else { &[Access::Read] };
    image.readable = match needed.iter().try_for_each(|access| host.access(path, *access)) {
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
        ImageKind::Sif => contents_of_sif(host, path, image),
        ImageKind::Squashfs => contents_of_squashfs(host, path, recognised.offset, image),
        ImageKind::Sandbox => {
            contents::examine(&sandbox::Sandbox { host, root: path.to_owned() }).map_err(|error| error.to_string())
        }
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

fn contents_of_sif(host: &dyn Host, path: &Path, image: &mut Image) -> Result<ImageContents, String> {
    let mut file = host.open(path).map_err(|error| format!("{}: {error}", path.display()))?;
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
        (Some("squashfs"), Some(offset)) => contents_of_squashfs(host, path, offset, image),
        (Some(other), _) => Err(format!("its filesystem is {other}, which cannot be read here")),
        (None, _) => Err("it has no system partition".to_owned()),
    }
}

fn contents_of_squashfs(host: &dyn Host, path: &Path, offset: u64, image: &mut Image) -> Result<ImageContents, String> {
    let mut read = || {
        let squashfs = Squashfs::open(host.open(path)?, offset)?;
        if image.sif.is_none() {
            image.end = Some(squashfs.end());
            if image.size.is_some_and(|size| size < squashfs.end()) {
                return Err(io::Error::other("the file is cut short"));
            }
        }
        contents::examine(&squashfs)
    };
    read().map_err(|error| {
        let reason = error.to_string();
        if error.kind() == io::ErrorKind::InvalidData {
            image.damage = Some(reason.clone());
        }
        reason
    })
}
