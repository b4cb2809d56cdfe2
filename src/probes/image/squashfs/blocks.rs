//! The packed blocks of a squashfs, and the tables that are written in a row of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::{damaged, unknown};
use crate::host::ReadSeek;

/// What a block of a table holds unpacked, at most.
const TABLE_BLOCK: usize = 8192;
/// In the two bytes before a block of a table: it is not packed.
const TABLE_PLAIN: u16 = 1 << 15;
/// In the length of a block of a file: it is not packed.
const FILE_PLAIN: u32 = 1 << 24;
/// What unpacking may take besides the block itself, in KiB: whatever a damaged block says of itself.
const SCRATCH_KIB: u32 = 16 << 10;

/// How the blocks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Lz4,
    Xz,
    Zstd,
}

impl Codec {
    /// By its number in the superblock.
    pub(super) fn of(number: u16) -> io::Result<Self> {
        let name = match number {
            1 => return Ok(Self::Gzip),
            4 => return Ok(Self::Xz),
            5 => return Ok(Self::Lz4),
            6 => return Ok(Self::Zstd),
            2 => "lzma",
            3 => "lzo",
            other => return Err(unknown(&format!("it is packed in the unknown way number {other}"))),
        };
        Err(unknown(&format!("it is packed with {name}, which is not known here")))
    }

    /// Unpacks a block of at most `limit` bytes.
    fn unpack(self, packed: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(limit + 1);
        let most = limit as u64 + 1;
        match self {
            Self::Gzip => flate2::bufread::ZlibDecoder::new(packed).take(most).read_to_end(&mut bytes)?,
            Self::Lz4 => {
                bytes.resize(limit, 0);
                let length = lz4_flex::block::decompress_into(packed, &mut bytes).map_err(io::Error::other)?;
                bytes.truncate(length);
                length
            }
            Self::Xz => lzma_rust2::XzReader::new_mem_limit(packed, false, SCRATCH_KIB).take(most).read_to_end(&mut bytes)?,
            Self::Zstd => {
                let limit = u64::from(SCRATCH_KIB) << 10;
                let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(packed, limit);
                decoder.map_err(io::Error::other)?.take(most).read_to_end(&mut bytes)?
            }
        };
        match bytes.len() > limit {
            true => Err(io::Error::other("more than fits into a block")),
            false => Ok(bytes),
        }
    }
}

/// A block of a table, and where the next one begins.
#[derive(Clone)]
struct TableBlock {
    bytes: Rc<Vec<u8>>,
    next: u64,
}

/// The file with the squashfs in it. All places are counted from where the squashfs begins.
pub(super) struct Blocks {
    file: RefCell<Box<dyn ReadSeek>>,
    offset: u64,
    codec: Codec,
    size: u32,
    end: u64,
    /// The blocks of tables that were read: many inodes stand in one.
    tables: RefCell<HashMap<u64, TableBlock>>,
}

impl Blocks {
    pub(super) fn new(file: Box<dyn ReadSeek>, offset: u64) -> Self {
        Self { file: RefCell::new(file), offset, codec: Codec::Gzip, size: 0, end: u64::MAX, tables: RefCell::default() }
    }

    /// Takes over what the superblock says: how blocks are packed, what one of a file holds, and where the squashfs ends.
    pub(super) fn understand(&mut self, codec: Codec, size: u32, end: u64) {
        (self.codec, self.size, self.end) = (codec, size, end);
    }

    /// What a block of a file holds unpacked, in bytes.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// Bytes as they are in the file.
    pub(super) fn raw(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        if at.checked_add(length as u64).is_none_or(|end| end > self.end) {
            return Err(damaged("it points behind its end"));
        }
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(self.offset.checked_add(at).ok_or_else(|| damaged("it points behind its end"))?))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("the file ends before"),
            _ => error,
        })?;
        Ok(bytes)
    }

    fn unpack(&self, packed: &[u8], limit: usize, at: u64) -> io::Result<Vec<u8>> {
        self.codec.unpack(packed, limit).map_err(|error| damaged(&format!("the block at {at} cannot be unpacked: {error}")))
    }

    /// A block of a file, from the word that tells its length.
    pub(super) fn of_file(&self, at: u64, word: u32) -> io::Result<Vec<u8>> {
        let limit = self.size as usize;
        let length = (word & (FILE_PLAIN - 1)) as usize;
        if length > limit {
            return Err(damaged(&format!("the block at {at} is longer than a block")));
        }
        let bytes = self.raw(at, length)?;
        if word & FILE_PLAIN == 0 { self.unpack(&bytes, limit, at) } else { Ok(bytes) }
    }

    /// How many bytes of the file a block takes.
    pub(super) fn length(word: u32) -> u64 {
        u64::from(word & (FILE_PLAIN - 1))
    }

    fn of_table(&self, at: u64) -> io::Result<TableBlock> {
        if let Some(known) = self.tables.borrow().get(&at) {
            return Ok(known.clone());
        }
        let head = u16_of(&self.raw(at, 2)?);
        let length = usize::from(head & !TABLE_PLAIN);
        if length == 0 || length > TABLE_BLOCK {
            return Err(damaged(&format!("the block of a table at {at} has {length} bytes")));
        }
        let bytes = self.raw(at + 2, length)?;
        let bytes = if head & TABLE_PLAIN == 0 { self.unpack(&bytes, TABLE_BLOCK, at)? } else { bytes };
        let block = TableBlock { bytes: Rc::new(bytes), next: at + 2 + length as u64 };
        self.tables.borrow_mut().insert(at, block.clone());
        Ok(block)
    }

    /// A table from a byte of the block that begins at a place.
    pub(super) fn stream(&self, block: u64, byte: u16) -> io::Result<Table<'_>> {
        let block = self.of_table(block)?;
        if usize::from(byte) > block.bytes.len() {
            return Err(damaged("it points behind the end of a block"));
        }
        Ok(Table { blocks: self, block, at: byte.into() })
    }
}

/// A place in a table, from which it is read on over the ends of its blocks.
#[derive(Clone)]
pub(super) struct Table<'a> {
    blocks: &'a Blocks,
    block: TableBlock,
    at: usize,
}

impl Table<'_> {
    /// The next bytes.
    pub(super) fn next<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next word.
    pub(super) fn word(&mut self) -> io::Result<u32> {
        self.next().map(u32::from_le_bytes)
    }
}

impl Read for Table<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.bytes.len() && !buffer.is_empty() {
            (self.block, self.at) = (self.blocks.of_table(self.block.next)?, 0);
        }
        let read = (&self.block.bytes[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// The first two bytes. Everything in a squashfs is little-endian.
pub(super) fn u16_of(bytes: &[u8]) -> u16 {
    bytes.first_chunk().copied().map_or(0, u16::from_le_bytes)
}

/// The first four bytes.
pub(super) fn u32_of(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_le_bytes)
}

/// The first eight bytes.
pub(super) fn u64_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or(0, u64::from_le_bytes)
}
