//! Which version of the C library an ELF file asks for.

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::FileHeader;
use object::{Endianness, FileKind};

/// glibc 2.36 was the first to define this name, which has no number: a library with relative relocations (DT_RELR) asks for it.
const RELATIVE_RELOCATIONS: (&[u8], [u32; 2]) = (b"GLIBC_ABI_DT_RELR", [2, 36]);

/// The newest version (`2.34`) that `.gnu.version_r` asks for; `None` when the file is no ELF file or asks for none.
pub(in crate::probes) fn glibc(data: &[u8]) -> Option<String> {
    match FileKind::parse(data).ok()? {
        FileKind::Elf64 => newest::<FileHeader64<Endianness>>(data),
        FileKind::Elf32 => newest::<FileHeader32<Endianness>>(data),
        _ => None,
    }
}

fn newest<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Option<String> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    let (mut needs, link) = sections.gnu_verneed(endian, data).ok()??;
    let strings = sections.strings(endian, data, link).ok()?;
    let mut newest: Option<Vec<u32>> = None;
    while let Ok(Some((_, mut versions))) = needs.next() {
        while let Ok(Some(version)) = versions.next() {
            newest = newest.max(version.name(endian, strings).ok().and_then(numbers));
        }
    }
    newest.map(|numbers| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

fn numbers(name: &[u8]) -> Option<Vec<u32>> {
    if name == RELATIVE_RELOCATIONS.0 {
        return Some(RELATIVE_RELOCATIONS.1.into());
    }
    std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_versions() {
        assert_eq!(numbers(b"GLIBC_2.2.5"), Some(vec![2, 2, 5]));
        assert_eq!(numbers(b"GLIBC_ABI_DT_RELR"), Some(vec![2, 36]));
        assert_eq!(numbers(b"GLIBC_PRIVATE"), None);
        assert_eq!(numbers(b"GLIBCXX_3.4"), None);
    }

    #[test]
    fn what_is_no_library_asks_for_nothing() {
        assert_eq!(glibc(b""), None);
        assert_eq!(glibc(b"\x7fELF\x02\x01\x01"), None);
        assert_eq!(glibc(&[0; 4096]), None);
    }

    /// This very program, which is linked to the machine's own C library, cannot ask for a newer one than there is.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_test_program_asks_for_a_version_of_the_machines_own() {
        use crate::host::{Host, LiveHost};
        let program = LiveHost.own_program().unwrap();
        let need = glibc(&LiveHost.read(&program, 1 << 30).unwrap()).unwrap();
        assert!(need.starts_with("2."), "{need}");
    }
}
