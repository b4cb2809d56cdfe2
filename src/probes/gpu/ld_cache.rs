//! The dynamic linker's cache: which file a library's name leads to.
//!
//! Format of glibc's `dl-cache.h`, version 1.1: magic, `nlibs` and `len_strings` as 32-bit numbers, 24 bytes of flags and room,
//! then per library flags (i32), offset of the name, offset of the path (u32 each), OS version (u32) and hardware capabilities
//! (u64). Offsets count from the start of the header. Older glibc puts another table, which has fewer fields, before it.

use std::borrow::Cow;
use std::path::PathBuf;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// The libraries of the cache that are made for the machine's own 64-bit programs and whose names are wanted, as (name, path), in the
/// cache's order.
pub(in crate::probes) fn entries(bytes: &[u8], is_wanted: impl Fn(&str) -> bool) -> Vec<(String, PathBuf)> {
    let Some(start) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC) else { return Vec::new() };
    let cache = &bytes[start..];
    let Some(count) = u32_at(cache, MAGIC.len()) else { return Vec::new() };
    cache
        .get(HEADER..)
        .unwrap_or_default()
        .chunks_exact(ENTRY)
        .take(count as usize)
        .filter_map(|entry| {
            let flags = u32_at(entry, 0)?;
            // The second byte names the kind of machine; 0 is the plain 32-bit one of i386 and the only one of some machines.
            if cfg!(target_arch = "x86_64") && (flags >> 8) & 0xff != 3 {
                return None;
            }
            let name = text_at(cache, u32_at(entry, 4)?)?;
            is_wanted(&name).then_some(())?;
            Some((name.into_owned(), PathBuf::from(text_at(cache, u32_at(entry, 8)?)?.into_owned())))
        })
        .collect()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn text_at(bytes: &[u8], at: u32) -> Option<Cow<'_, str>> {
    let text = bytes.get(at as usize..)?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_caches_are_empty() {
        for bytes in [&b""[..], MAGIC, b"ld.so-1.7.0", &[MAGIC, &[0xff; 20]].concat(), &[MAGIC, &[0xff; 200]].concat()] {
            assert_eq!(entries(bytes, |_| true), []);
        }
    }

    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    #[test]
    fn the_real_cache_knows_the_c_library() {
        use crate::host::{Host, LiveHost};
        let bytes = LiveHost.read(std::path::Path::new("/etc/ld.so.cache"), 16 << 20).unwrap();
        let entries = entries(&bytes, |_| true);
        let libc = entries.iter().find(|(name, _)| name == "libc.so.6").unwrap();
        assert!(libc.1.is_absolute(), "{libc:?}");
        assert!(LiveHost.exists(&libc.1).unwrap());
    }
}
