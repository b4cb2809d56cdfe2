//! The version of a GNU C library, told by the file itself.

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, FileKind, ReadRef};

/// What glibc prints when it is run as a program; the text stands in its read-only data.
const BANNER: &[u8] = b"GNU C Library (";
const BANNER_VERSION: &[u8] = b"release version ";

/// The version (`2.36`) of the C library in this ELF file, `None` when it is not glibc.
///
/// The banner is exact. Symbol versions are second best: some releases (2.19 to 2.21 on x86-64) brought no new symbol, so the
/// highest one may be lower than the library is.
pub(in crate::probes) fn version<'data>(data: impl ReadRef<'data>) -> Option<String> {
    match FileKind::parse(data).ok()? {
        FileKind::Elf64 => version_in::<FileHeader64<Endianness>, _>(data),
        FileKind::Elf32 => version_in::<FileHeader32<Endianness>, _>(data),
        _ => None,
    }
}

fn version_in<'data, Elf: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> Option<String> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    let banner = sections
        .section_by_name(endian, b".rodata")
        .and_then(|(_, section)| section.data(endian, data).ok())
        .and_then(version_in_banner);
    if banner.is_some() {
        return banner;
    }
    let (mut definitions, link) = sections.gnu_verdef(endian, data).ok()??;
    let strings = sections.strings(endian, data, link).ok()?;
    let mut highest: Option<Vec<u32>> = None;
    while let Ok(Some((_, mut names))) = definitions.next() {
        let Ok(Some(name)) = names.next() else { continue };
        let numbers = name.name(endian, strings).ok().and_then(|name| name.strip_prefix(b"GLIBC_")).and_then(numbers);
        highest = highest.max(numbers);
    }
    highest.map(|numbers| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// Reads `2.36` out of `GNU C Library (Debian GLIBC 2.36-9+deb12u13) stable release version 2.36.`
fn version_in_banner(bytes: &[u8]) -> Option<String> {
    let start = find(bytes, BANNER)?;
    let line = bytes[start..].split(|byte| *byte == b'\n' || *byte == 0).next()?;
    let version = &line[find(line, BANNER_VERSION)? + BANNER_VERSION.len()..];
    let end = version.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(version.len());
    let version = std::str::from_utf8(&version[..end]).ok()?.trim_end_matches('.');
    version.contains('.').then(|| version.to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

fn numbers(text: &[u8]) -> Option<Vec<u32>> {
    std::str::from_utf8(text).ok()?.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_of_several_distributions() {
        for (banner, version) in [
            ("GNU C Library (Debian GLIBC 2.36-9+deb12u13) stable release version 2.36.\n", "2.36"),
            ("GNU C Library (Ubuntu GLIBC 2.27-3ubuntu1.6) stable release version 2.27.\n", "2.27"),
            ("GNU C Library (GNU libc) release release version 2.40.\n", "2.40"),
            ("GNU C Library (GNU libc) development release version 2.41.9000.\n", "2.41.9000"),
        ] {
            let data = [b"\0before\0", banner.as_bytes(), b"Copyright"].concat();
            assert_eq!(version_in_banner(&data).as_deref(), Some(version));
        }
        assert_eq!(version_in_banner(b"GNU C Library (cut"), None);
        assert_eq!(version_in_banner(b"musl libc (x86_64) Version 1.2.3"), None);
    }

    #[test]
    fn what_is_not_a_c_library_has_no_version() {
        assert_eq!(version(&b""[..]), None);
        assert_eq!(version(&b"\x7fELF\x02\x01\x01"[..]), None);
        assert_eq!(version(&[0_u8; 4096][..]), None);
    }

    /// The real library of the machine that runs the test, read by its symbol versions as well.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn symbol_versions_of_the_real_library_do_not_exceed_its_banner() {
        use crate::host::{Host, LiveHost};
        let path = super::super::own_c_library(&LiveHost).unwrap();
        let bytes = LiveHost.read(&path, 64 << 20).unwrap();
        let banner = version(&bytes[..]).unwrap();
        let mut without_banner = bytes;
        let at = find(&without_banner, BANNER).unwrap();
        without_banner[at] = b'X';
        let symbols = version(&without_banner[..]).unwrap();
        assert!(numbers(symbols.as_bytes()).unwrap() <= numbers(banner.as_bytes()).unwrap(), "{symbols} > {banner}");
    }
}
