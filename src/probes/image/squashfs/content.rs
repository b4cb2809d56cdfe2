//! The content of a file, unpacked block by block where it is read.

use std::io::{self, Read, Seek, SeekFrom};

use super::blocks::{Blocks, u32_of, u64_of};
use super::damaged;
use super::inode::FileInode;

/// A block of a file, or its last bytes in a fragment.
#[derive(Clone, Copy)]
struct Piece {
    /// Where it begins.
    at: u64,
    /// Its length and whether it is packed; 0 for a hole.
    word: u32,
    /// How many bytes of it stand before those of the file.
    skip: usize,
}

/// Reads a file.
pub(super) struct Reader<'a> {
    blocks: &'a Blocks,
    pieces: Vec<Piece>,
    size: u64,
    position: u64,
    /// The piece that was unpacked last, and its number.
    open: Option<(usize, Vec<u8>)>,
}

impl<'a> Reader<'a> {
    /// `fragments` is where the places of the fragments' table begin.
    pub(super) fn new(blocks: &'a Blocks, file: FileInode, fragments: u64) -> io::Result<Self> {
        let mut at = file.start;
        let mut pieces = Vec::with_capacity(file.blocks.len() + 1);
        for word in file.blocks {
            pieces.push(Piece { at, word, skip: 0 });
            at = at.saturating_add(Blocks::length(word));
        }
        if let Some((number, skip)) = file.fragment {
            pieces.push(fragment(blocks, fragments, number, skip as usize)?);
        }
        Ok(Self { blocks, pieces, size: file.size, position: 0, open: None })
    }

    /// The bytes of a piece.
    fn piece(&mut self, number: usize) -> io::Result<&[u8]> {
        let open = match self.open.take() {
            Some(open) if open.0 == number => open,
            _ => {
                let piece = self.pieces.get(number).ok_or_else(|| damaged("a file has less blocks than bytes"))?;
                let bytes = match piece.word {
                    0 => vec![0; self.blocks.size() as usize],
                    word => self.blocks.of_file(piece.at, word)?,
                };
                (number, bytes)
            }
        };
        let skip = self.pieces[number].skip;
        self.open.insert(open).1.get(skip..).ok_or_else(|| damaged("the last bytes of a file stand behind the end of their block"))
    }
}

/// Finds a fragment: a block that holds the last bytes of several files.
fn fragment(blocks: &Blocks, fragments: u64, number: u32, skip: usize) -> io::Result<Piece> {
    /// Fragments in a block of their table, and the bytes of one.
    const IN_BLOCK: u32 = 512;
    const LENGTH: u32 = 16;
    let place = fragments.checked_add(u64::from(number / IN_BLOCK) * 8).ok_or_else(|| damaged("it has no fragments"))?;
    let block = u64_of(&blocks.raw(place, 8)?);
    let byte = u16::try_from(number % IN_BLOCK * LENGTH).unwrap_or(u16::MAX);
    let entry: [u8; LENGTH as usize] = blocks.stream(block, byte)?.next()?;
    Ok(Piece { at: u64_of(&entry), word: u32_of(&entry[8..]), skip })
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.position);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let size = u64::from(self.blocks.size());
        let number = usize::try_from(self.position / size).unwrap_or(usize::MAX);
        let within = usize::try_from(self.position % size).unwrap_or(usize::MAX);
        let bytes = self.piece(number)?.get(within..).unwrap_or_default();
        let length = buffer.len().min(bytes.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
        if length == 0 {
            return Err(damaged("a block of a file is shorter than the file says"));
        }
        buffer[..length].copy_from_slice(&bytes[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
