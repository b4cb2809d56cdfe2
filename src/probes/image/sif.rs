//! The Singularity Image Format: a header, a table of data objects, and the objects.
//!
//! Layout of version 1 (github.com/apptainer/sif): all numbers are little-endian, nothing is aligned. Header, 128 bytes:
//! launch script \[32\], magic \[10\], version \[3\], architecture \[3\], id \[16\], then eight 64-bit numbers: times of creation and
//! change, free and total descriptors, offset and length of the descriptors, offset and length of the data. A descriptor has 585
//! bytes: data type i32, used u8, id, group, link u32, then offset, length, length with padding, times of creation and change, user
//! and group, each i64, a name \[128\] and type-dependent room \[384\], which for a partition begins with filesystem i32, purpose i32,
//! architecture \[3\].

use std::io::{self, Read, Seek, SeekFrom};

use casa_doctor_checks::facts::Sif;

const HEADER: usize = 128;
const DESCRIPTOR: usize = 585;
/// More descriptors than any tool reserves (48): a header that claims more is not believed.
const MOST_DESCRIPTORS: u64 = 4096;
const PARTITION: u32 = 0x4004;
const PRIMARY_SYSTEM: u32 = 2;

/// What the header of a SIF file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The facts.
    pub(super) sif: Sif,
    /// Where the primary system partition begins, in bytes.
    pub(super) partition_offset: Option<u64>,
}

/// Why a header cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SifError {
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A number in it cannot be true.
    #[error("its header is damaged: {0}")]
    Damaged(&'static str),
}

/// Reads the header and the descriptors. A file that ends within them is not an error: its [`Sif::end`] lies beyond its end.
pub(super) fn read(source: &mut (impl Read + Seek + ?Sized)) -> Result<Header, SifError> {
    let header = up_to(source, 0, HEADER)?;
    if header.len() < HEADER {
        return Ok(Header { sif: Sif { end: HEADER as u64, ..Sif::default() }, partition_offset: None });
    }
    let number = |at| u64_at(&header, at).ok_or(SifError::Damaged("it is too short"));
    let (total, offset) = (number(88)?, number(96)?);
    if total > MOST_DESCRIPTORS {
        return Err(SifError::Damaged("it claims an impossible number of data objects"));
    }
    let length = usize::try_from(total).unwrap_or_default() * DESCRIPTOR;
    let table_end = offset.checked_add(length as u64).ok_or(SifError::Damaged("its table of data objects lies beyond any file"))?;
    let table = up_to(source, offset, length)?;
    let mut sif =
        Sif { arch: architecture(&header[45..48]), end: if table.len() < length { table_end } else { 0 }, filesystem: None };
    let mut partition_offset = None;
    for descriptor in table.chunks_exact(DESCRIPTOR).filter(|descriptor| descriptor[4] != 0) {
        let start = u64_at(descriptor, 17).unwrap_or_default();
        let length = u64_at(descriptor, 25).unwrap_or_default();
        let end = start.checked_add(length).filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or(SifError::Damaged("a data object lies beyond any file"))?;
        sif.end = sif.end.max(end);
        let extra = &descriptor[201..];
        if u32_at(descriptor, 0) == Some(PARTITION) && u32_at(extra, 4) == Some(PRIMARY_SYSTEM) {
            sif.filesystem = u32_at(extra, 0).map(filesystem).map(str::to_owned);
            sif.arch = architecture(&extra[8..11]).or(sif.arch);
            partition_offset = Some(start);
        }
    }
    Ok(Header { sif, partition_offset })
}

/// Reads so many bytes, or fewer when the file ends before.
fn up_to(source: &mut (impl Read + Seek + ?Sized), offset: u64, length: usize) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    source.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The architecture as Go names it, from its code of two digits.
fn architecture(code: &[u8]) -> Option<String> {
    let name = match code.get(..2)? {
        b"01" => "386",
        b"02" => "amd64",
        b"03" => "arm",
        b"04" => "arm64",
        b"05" => "ppc64",
        b"06" => "ppc64le",
        b"07" => "mips",
        b"08" => "mipsle",
        b"09" => "mips64",
        b"10" => "mips64le",
        b"11" => "s390x",
        b"12" => "riscv64",
        _ => return None,
    };
    Some(name.to_owned())
}

fn filesystem(code: u32) -> &'static str {
    match code {
        1 => "squashfs",
        2 => "ext3",
        3 => "archive",
        4 => "raw",
        5 => "encrypted-squashfs",
        _ => "unknown",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    /// A SIF file by the letter of the format, with one primary system partition.
    pub(in super::super) fn written(filesystem: u32, partition: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[..31].copy_from_slice(b"#!/usr/bin/env run-singularity\n");
        bytes[32..42].copy_from_slice(b"SIF_MAGIC\0");
        bytes[42..45].copy_from_slice(b"01\0");
        bytes[45..48].copy_from_slice(b"02\0");
        for (at, number) in [(80, 1_u64), (88, 2), (96, 128), (104, 1170), (112, 4096), (120, partition.len() as u64)] {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        let descriptor = &mut bytes[128..128 + DESCRIPTOR];
        descriptor[..4].copy_from_slice(&PARTITION.to_le_bytes());
        descriptor[4] = 1;
        descriptor[17..25].copy_from_slice(&4096_u64.to_le_bytes());
        descriptor[25..33].copy_from_slice(&(partition.len() as u64).to_le_bytes());
        descriptor[201..205].copy_from_slice(&filesystem.to_le_bytes());
        descriptor[205..209].copy_from_slice(&PRIMARY_SYSTEM.to_le_bytes());
        descriptor[209..212].copy_from_slice(b"02\0");
        bytes.extend_from_slice(partition);
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<Header, SifError> {
        read(&mut Cursor::new(bytes))
    }

    #[test]
    fn a_file_by_the_letter_of_the_format() {
        let header = read_bytes(&written(1, &[7; 1000])).unwrap();
        assert_eq!(header.partition_offset, Some(4096));
        assert_eq!(header.sif, Sif { arch: Some("amd64".to_owned()), end: 5096, filesystem: Some("squashfs".to_owned()) });
        assert_eq!(read_bytes(&written(5, b"")).unwrap().sif.filesystem.as_deref(), Some("encrypted-squashfs"));
    }

    #[test]
    fn a_cut_file_ends_before_its_end_wherever_it_was_cut() {
        let whole = written(1, &[7; 1000]);
        for length in [42, 127, 128, 700, 1297, 2000, 4096, 5095] {
            let header = read_bytes(&whole[..length]).unwrap();
            assert!(header.sif.end > length as u64, "cut at {length}: {header:?}");
        }
    }

    #[test]
    fn impossible_numbers_are_refused_without_asking_for_memory() {
        let mut many = written(1, b"");
        many[88..96].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(read_bytes(&many), Err(SifError::Damaged(_))));
        let mut far = written(1, b"");
        far[96..104].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(read_bytes(&far).is_err());
        let mut object = written(1, b"");
        object[128 + 17..128 + 25].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(read_bytes(&object), Err(SifError::Damaged(_))));
    }
}
