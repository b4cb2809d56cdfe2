//! Real images by mksquashfs, read and compared with the directory that they were made of.

use std::io::{Cursor, Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::host::{Command, Host, LiveHost};

/// What mksquashfs is told. Together they make every kind of inode and every way to keep a file.
const WAYS: &[&[&str]] = &[
    &["-comp", "gzip"],
    &["-comp", "lz4"],
    &["-comp", "lz4", "-Xhc"],
    &["-comp", "xz"],
    &["-comp", "xz", "-Xbcj", "x86"],
    &["-comp", "zstd"],
    &["-comp", "gzip", "-b", "4096"],
    &["-comp", "gzip", "-b", "1M"],
    &["-comp", "zstd", "-Xcompression-level", "22", "-b", "1M"],
    &["-comp", "gzip", "-no-fragments"],
    &["-comp", "gzip", "-always-use-fragments"],
    &["-comp", "gzip", "-noI", "-noD", "-noF"],
];

/// Bytes that cannot be packed well, the same ones each time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A directory with what real images have: a directory of some thousand names, long names, large files, holes, links.
fn tree(root: &Path) {
    let file = |path: &str, content: &[u8]| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(content).unwrap();
    };
    for number in 0..3000 {
        file(&format!("usr/lib/many/lib-{number}.so"), number.to_string().as_bytes());
    }
    file(&format!("usr/{}", "n".repeat(255)), b"long");
    file("usr/empty", b"");
    file("usr/large", &noise(1, 3_000_001));
    file("usr/packed", &[7; 2 << 20]);
    file("usr/block", &noise(2, 128 << 10));
    let holes = std::fs::File::create(root.join("usr/holes")).unwrap();
    holes.set_len(5 << 20).unwrap();
    (&holes).write_all(b"begin").unwrap();
    std::fs::hard_link(root.join("usr/large"), root.join("usr/twice")).unwrap();
    std::fs::create_dir(root.join("nothing")).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("/usr/large", root.join("absolute")).unwrap();
    symlink("x".repeat(3000), root.join("far")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
}

fn pack(root: &Path, way: &[&str]) -> Vec<u8> {
    let mksquashfs = LiveHost.which("mksquashfs".as_ref()).expect("mksquashfs is missing: run tests/lab/setup");
    let image = root.with_extension("squashfs");
    let command = Command::new(&mksquashfs, Duration::from_secs(60))
        .arg(root)
        .arg(&image)
        .args(["-noappend", "-no-progress", "-quiet"])
        .args(way.iter().copied());
    let output = LiveHost.run(&command);
    assert!(output.success(), "{way:?}: {}", output.stderr_text());
    LiveHost.read(&image, 256 << 20).unwrap()
}

fn open(bytes: Vec<u8>, offset: u64) -> io::Result<Squashfs> {
    Squashfs::open(Box::new(Cursor::new(bytes)), offset)
}

fn content(image: &Squashfs, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    image.open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Every path below a directory, as the image tells them.
fn paths(image: &Squashfs, directory: &Path, found: &mut Vec<PathBuf>) {
    for name in image.names(directory).unwrap() {
        let path = directory.join(name);
        if image.entry(&path).unwrap() == Some(Entry::Directory) {
            paths(image, &path, found);
        }
        found.push(path);
    }
}

#[test]
fn every_file_and_name_is_that_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    tree(&root);
    for way in WAYS {
        // As in a SIF: behind something else, and with something behind it.
        let image = open([vec![9; 4096], pack(&root, way), vec![9; 100]].concat(), 4096).unwrap();
        let mut found = Vec::new();
        paths(&image, Path::new("/"), &mut found);
        assert_eq!(found.len(), 3000 + 15, "{way:?}");
        for path in found {
            let real = root.join(path.strip_prefix("/").unwrap());
            let metadata = LiveHost.symlink_metadata(&real).unwrap();
            match image.entry(&path).unwrap().unwrap() {
                Entry::File(size) => {
                    assert_eq!(size, metadata.size, "{way:?} {}", path.display());
                    assert!(
                        content(&image, &path).unwrap() == LiveHost.read(&real, 16 << 20).unwrap(),
                        "{way:?} {}",
                        path.display()
                    );
                }
                Entry::Symlink(target) => assert_eq!(target, LiveHost.read_link(&real).unwrap()),
                Entry::Directory => assert_eq!(image.names(&path).unwrap(), LiveHost.read_dir(&real).unwrap()),
                Entry::Other => assert_eq!(path, Path::new("/socket")),
            }
        }
        assert_eq!(image.entry(Path::new("/usr/none")).unwrap(), None);
        assert_eq!(image.entry(Path::new("/usr/large/below")).unwrap(), None);
        assert_eq!(image.names(Path::new("/usr/large")).unwrap(), Vec::<OsString>::new());
        // From the middle, over the end of a block.
        let mut reader = image.open(Path::new("/usr/large")).unwrap();
        reader.seek(io::SeekFrom::End(-2_000_000)).unwrap();
        let mut bytes = vec![0; 300_000];
        reader.read_exact(&mut bytes).unwrap();
        assert!(bytes == noise(1, 3_000_001)[1_000_001..1_300_001], "{way:?}");
    }
}

#[test]
fn what_is_damaged_ends_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    tree(&root);
    for way in [["-comp", "gzip"], ["-comp", "lz4"], ["-comp", "xz"], ["-comp", "zstd"]] {
        let whole = pack(&root, &way);
        let mut told = 0;
        for (turn, at) in (0..whole.len()).step_by(whole.len() / 60 + 1).chain(0..96).enumerate() {
            let mut bytes = whole.clone();
            let end = (at + 1 + turn % 64).min(bytes.len());
            bytes[at..end].fill(0xa5);
            let look = |image: &Squashfs| {
                for name in image.names(Path::new("/usr"))?.iter().map(|name| Path::new("/usr").join(name)) {
                    if let Some(Entry::File(size)) = image.entry(&name)?
                        && size < 16 << 20
                    {
                        content(image, &name)?;
                    }
                }
                image.names(Path::new("/usr/lib/many"))
            };
            told += u32::from(open(bytes, 0).and_then(|image| look(&image)).is_err());
        }
        assert!(told > 40, "{way:?}: {told} were noticed");
        // Places beyond every number that a file can have.
        for at in [32, 40, 64, 72, 80] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].fill(0xff);
            let _ = open(bytes, 0).and_then(|image| image.names(Path::new("/usr/lib/many")));
        }
        // The tables stand at the end.
        let cut = open(whole[..whole.len() / 2].to_vec(), 0).and_then(|image| image.names(Path::new("/usr"))).unwrap_err();
        assert_eq!(cut.to_string(), "its squashfs cannot be read: the file ends before");
    }
}

#[test]
fn what_is_not_known_is_named() {
    let mut bytes = vec![0; 4096];
    let mut reason = |at: usize, with: &[u8]| {
        bytes[at..at + with.len()].copy_from_slice(with);
        open(bytes.clone(), 0).err().unwrap().to_string()
    };
    assert!(reason(0, b"PK").ends_with("it does not begin as one"));
    assert!(reason(0, b"hsqs").ends_with("its version is 0.0, and 4.0 is known here"));
    assert!(reason(28, &[4]).ends_with("its blocks have 0 bytes"));
    assert!(reason(12, &(128_u32 << 10).to_le_bytes()).ends_with("it is packed in the unknown way number 0"));
    assert!(reason(20, &[3]).ends_with("it is packed with lzo, which is not known here"));
}
