//! The program that users download (`release/build`): old enough for old images, small, and at work in one of them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{Dyn, FileHeader};
use serde_json::Value;
use tempfile::TempDir;

use crate::displays::{Display, Kind};
use crate::lab::lab;

/// The oldest C library that it has to run with.
const OLDEST: (u32, u32) = (2, 17);
/// In bytes: it must not grow unnoticed.
const SIZE: u64 = 6_000_000;

/// A copy of the released program that the lab's user can start. Panics, naming the cure, when it was not built.
pub(crate) fn program() -> &'static Path {
    static COPY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, copy) = COPY.get_or_init(|| {
        let directory = lab().directory();
        let copy = directory.path().join("casa-doctor");
        std::fs::copy(built(), &copy).unwrap();
        lab().give(directory.path());
        (directory, copy)
    });
    copy
}

/// Where `release/build` puts it.
fn built() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_casa-doctor")).ancestors().nth(2).unwrap();
    let path = target.join("x86_64-unknown-linux-gnu/dist/casa-doctor");
    assert!(path.exists(), "{} is not there: run release/build", path.display());
    path
}

/// `GLIBC_2.17` as (2, 17); a name of another kind as none.
fn version(name: &[u8]) -> Option<(u32, u32)> {
    let numbers = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = numbers.split('.').map(|number| number.parse().expect("a number"));
    Some((numbers.next()?, numbers.next()?))
}

/// The symbol versions that the file needs, and the libraries.
fn needs(file: &[u8]) -> (Vec<String>, Vec<String>) {
    let header = FileHeader64::<Endianness>::parse(file).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, file).unwrap();
    let mut versions = Vec::new();
    let (mut needs, link) = sections.gnu_verneed(endian, file).unwrap().expect("a dynamic program needs versions");
    let strings = sections.strings(endian, file, link).unwrap();
    while let Some((_, mut names)) = needs.next().unwrap() {
        while let Some(name) = names.next().unwrap() {
            versions.push(String::from_utf8(name.name(endian, strings).unwrap().to_vec()).unwrap());
        }
    }
    let (dynamic, link) = sections.dynamic(endian, file).unwrap().expect("a dynamic program");
    let strings = sections.strings(endian, file, link).unwrap();
    let needed = dynamic.iter().filter(|entry| entry.tag(endian) == object::elf::DT_NEEDED);
    let libraries = needed.map(|entry| String::from_utf8(entry.string(endian, strings).unwrap().to_vec()).unwrap());
    (versions, libraries.collect())
}

#[test]
fn it_needs_no_newer_symbol_than_old_images_have() {
    let file = std::fs::read(built()).unwrap();
    let (versions, libraries) = needs(&file);
    println!("needs {versions:?} of {libraries:?}");
    assert!(versions.iter().any(|name| version(name.as_bytes()).is_some()), "no version of glibc at all: {versions:?}");
    let newer: Vec<_> = versions.iter().filter(|name| version(name.as_bytes()).is_some_and(|found| found > OLDEST)).collect();
    assert!(newer.is_empty(), "symbols newer than GLIBC_2.17: {newer:?}");
    // libgcc_s is missing in small images; libGL and its like are loaded when they are wanted.
    let always = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "ld-linux-x86-64.so.2"];
    assert!(libraries.iter().all(|library| always.contains(&library.as_str())), "{libraries:?}");
    // The same reading finds the newer symbols of what is linked on this machine.
    let (ours, _) = needs(&std::fs::read(env!("CARGO_BIN_EXE_casa-doctor")).unwrap());
    assert!(ours.iter().any(|name| version(name.as_bytes()).is_some_and(|found| found > OLDEST)), "{ours:?}");
}

#[test]
fn it_is_small() {
    let size = std::fs::metadata(built()).unwrap().len();
    println!("{size} bytes");
    assert!(size <= SIZE, "{size} bytes, at most {SIZE} are wanted");
}

#[test]
fn its_probe_draws_in_debian_11() {
    let display = Display::start(Kind::Xvfb);
    for (probe, renderer) in [("glx", "llvmpipe"), ("egl-x11", "llvmpipe"), ("egl-surfaceless", "llvmpipe")] {
        let mut apptainer = display.command("apptainer");
        apptainer.args(["--quiet", "exec", "--bind"]).arg(format!("{}:/opt/casa-doctor:ro", program().display()));
        apptainer.arg("--bind").arg(format!("{}:/opt/authority:ro", display.authority().display()));
        apptainer.args(["--env", "XAUTHORITY=/opt/authority"]);
        apptainer.arg(lab().value("LAB_IMAGE_BULLSEYE")).args(["/opt/casa-doctor", "__probe", probe]);
        let output = apptainer.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut records = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let result = records.next_back().map(|record| record["result"].clone()).unwrap_or_default();
        let context = &result["contexts"][0];
        assert!(context["renderer"].as_str().is_some_and(|told| told.contains(renderer)), "{probe}:\n{said}\n{errors}");
        assert!(context["version"].as_str().unwrap().contains("Mesa 20.3"), "not the Mesa of Debian 11: {context:#}");
        assert_eq!((&context["draw"]["pixels"], &context["draw"]["wrong"]), (&Value::from(512 * 512), &Value::from(0)), "{probe}");
    }
}
