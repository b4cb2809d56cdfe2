//! What a file is, told by its first bytes.

use std::io::{self, Read};
use std::path::Path;

use casa_doctor_checks::facts::ImageKind;

use crate::host::{FileKind, Host};

/// How much of a file is looked at, in bytes.
const HEAD: u64 = 4096;

/// Magic of a SIF file, after 32 bytes that make it start like a script.
const SIF: (usize, &[u8]) = (32, b"SIF_MAGIC\0");
const SQUASHFS: &[u8] = b"hsqs";
/// Where an ext2/3/4 superblock keeps its magic, and the magic.
const EXT: (usize, &[u8]) = (1024 + 56, b"\x53\xef");

/// What stands in the directory of a system, at least one of them. The first is what engines put there.
const ROOTS: [&str; 3] = [".singularity.d", "usr", "bin"];

/// A file that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recognised {
    /// What it is.
    pub(super) kind: ImageKind,
    /// Where its filesystem begins; always 0 for a SIF file, whose header tells that.
    pub(super) offset: u64,
}

/// Recognises a file or a directory.
pub(super) fn recognise(host: &dyn Host, path: &Path) -> io::Result<Recognised> {
    let metadata = host.metadata(path)?;
    if metadata.kind == FileKind::Directory {
        // By its names alone, which are told also where nothing more may be seen.
        if host.read_dir(path)?.iter().any(|name| ROOTS.iter().any(|root| name == root)) {
            return Ok(Recognised { kind: ImageKind::Sandbox, offset: 0 });
        }
        return Ok(no_image("directory without a system in it"));
    }
    if metadata.kind != FileKind::File {
        return Ok(no_image("device, pipe or socket"));
    }
    let mut head = Vec::new();
    host.open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(recognise_head(&head))
}

fn no_image(looks_like: &str) -> Recognised {
    Recognised { kind: ImageKind::NotAnImage { looks_like: looks_like.to_owned() }, offset: 0 }
}

/// Whether an engine could start what stands there.
pub(super) fn is_image(host: &dyn Host, path: &Path) -> bool {
    host.metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::File)
        && recognise(host, path).is_ok_and(|recognised| !matches!(recognised.kind, ImageKind::NotAnImage { .. }))
}

fn recognise_head(head: &[u8]) -> Recognised {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let found = |kind, offset| Recognised { kind, offset };
    if at(SIF.0, SIF.1) {
        return found(ImageKind::Sif, 0);
    }
    // Singularity 2 put a script's first line before the filesystem.
    for offset in [0, launcher_length(head)] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        if at(start, SQUASHFS) {
            return found(ImageKind::Squashfs, offset);
        }
        if at(start.saturating_add(EXT.0), EXT.1) {
            return found(ImageKind::Ext3, offset);
        }
    }
    no_image(looks_like(head))
}

/// Length of the line `#!/usr/bin/env run-singularity` and the NUL after it, 0 when it is not there.
fn launcher_length(head: &[u8]) -> u64 {
    let Some(end) = head.starts_with(b"#!").then(|| head.iter().take(128).position(|byte| *byte == b'\n')).flatten() else {
        return 0;
    };
    let padding = head[end + 1..].iter().take_while(|byte| **byte == 0).count().min(1);
    (end + 1 + padding) as u64
}

fn looks_like(head: &[u8]) -> &'static str {
    let text = head.trim_ascii_start();
    let starts = |magic: &[u8]| text.get(..magic.len()).is_some_and(|start| start.eq_ignore_ascii_case(magic));
    match () {
        () if head.is_empty() => "empty file",
        () if head.iter().all(|byte| *byte == 0) => "file that begins with nothing but zeros",
        () if starts(b"<!doctype html") || starts(b"<html") => "HTML page",
        () if starts(b"version https://git-lfs.github.com/") => "git-lfs pointer",
        () if starts(b"<?xml") => "XML file",
        () if starts(b"{") || starts(b"[") => "JSON file",
        () if head.starts_with(b"\x1f\x8b") => "gzip archive",
        () if head.starts_with(b"PK\x03\x04") => "zip archive",
        () if head.starts_with(b"\x7fELF") => "program",
        () if head.starts_with(b"QFI\xfb") => "disk of a virtual machine (qcow2)",
        () if head.starts_with(b"<<< ") || head.starts_with(b"KDMV") => "disk of a virtual machine",
        () if head.get(257..262) == Some(b"ustar") => "tar archive",
        () if head.starts_with(b"#!") => "script",
        () if std::str::from_utf8(head).is_ok() => "text file",
        () => "file of an unknown format",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(head: &[u8]) -> ImageKind {
        recognise_head(head).kind
    }

    fn with(length: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for (at, part) in parts {
            bytes[*at..at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn images() {
        assert_eq!(kind(&with(128, &[(0, b"#!/usr/bin/env run-singularity\n"), SIF])), ImageKind::Sif);
        assert_eq!(kind(&with(128, &[(0, b"hsqs")])), ImageKind::Squashfs);
        assert_eq!(kind(&with(4096, &[EXT])), ImageKind::Ext3);
        let old = with(4096, &[(0, b"#!/usr/bin/env run-singularity\n"), (32, b"hsqs")]);
        assert_eq!(recognise_head(&old), Recognised { kind: ImageKind::Squashfs, offset: 32 });
        let old = with(4096, &[(0, b"#!/usr/bin/env run-singularity\n"), (31, b"hsqs")]);
        assert_eq!(recognise_head(&old), Recognised { kind: ImageKind::Squashfs, offset: 31 });
    }

    #[test]
    fn what_failed_downloads_leave() {
        for (head, what) in [
            (&b""[..], "empty file"),
            (b"\n<!DOCTYPE HTML PUBLIC", "HTML page"),
            (b"<html><body>404", "HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "git-lfs pointer"),
            (b"\x1f\x8b\x08\0", "gzip archive"),
            (b"{\"error\": \"not found\"}", "JSON file"),
            (b"Not found\n", "text file"),
            (&[0; 4096], "file that begins with nothing but zeros"),
            (b"\xde\xad\xbe\xef", "file of an unknown format"),
        ] {
            assert_eq!(kind(head), ImageKind::NotAnImage { looks_like: what.to_owned() });
        }
    }
}
