//! Inodes and directories, as they are written in their tables.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;

use super::blocks::{Table, u16_of, u32_of, u64_of};
use super::damaged;

/// Where an inode stands: its block, in bytes from the beginning of the inodes, and the byte in that block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InodeAt {
    pub(super) block: u64,
    pub(super) byte: u16,
}

impl InodeAt {
    /// As the superblock has it in one number.
    pub(super) fn of(number: u64) -> Self {
        Self { block: number >> 16, byte: (number & 0xffff) as u16 }
    }
}

/// What stands at a path.
pub(super) enum Inode {
    /// Where its names are, and how many bytes they take.
    Directory { block: u32, byte: u16, size: u32 },
    /// A file.
    File(FileInode),
    /// The target.
    Symlink(PathBuf),
    /// A device, a pipe, a socket.
    Other,
}

/// Where the content of a file is.
pub(super) struct FileInode {
    /// Its size, in bytes.
    pub(super) size: u64,
    /// Where its first block begins.
    pub(super) start: u64,
    /// The words that tell the length of each block.
    pub(super) blocks: Vec<u32>,
    /// The number of the fragment with its last bytes, and where they stand in it.
    pub(super) fragment: Option<(u32, u32)>,
}

/// The longest target of a link that the kernel takes.
const LONGEST_TARGET: u32 = 65535;

impl Inode {
    /// Reads one. `block_size` is what a block of a file holds.
    pub(super) fn read(mut table: Table<'_>, block_size: u32) -> io::Result<Self> {
        let head: [u8; 16] = table.next()?;
        Ok(match u16_of(&head) {
            1 => {
                let rest: [u8; 16] = table.next()?;
                Self::Directory { block: u32_of(&rest), byte: u16_of(&rest[10..]), size: u16_of(&rest[8..]).into() }
            }
            8 => {
                let rest: [u8; 24] = table.next()?;
                Self::Directory { block: u32_of(&rest[8..]), byte: u16_of(&rest[18..]), size: u32_of(&rest[4..]) }
            }
            2 => {
                let rest: [u8; 16] = table.next()?;
                let (size, fragment) = (u32_of(&rest[12..]).into(), (u32_of(&rest[4..]), u32_of(&rest[8..])));
                Self::File(FileInode::read(table, (u32_of(&rest).into(), size), fragment, block_size)?)
            }
            9 => {
                let rest: [u8; 40] = table.next()?;
                let fragment = (u32_of(&rest[28..]), u32_of(&rest[32..]));
                Self::File(FileInode::read(table, (u64_of(&rest), u64_of(&rest[8..])), fragment, block_size)?)
            }
            3 | 10 => {
                let rest: [u8; 8] = table.next()?;
                let length = u32_of(&rest[4..]);
                if length > LONGEST_TARGET {
                    return Err(damaged(&format!("the target of a link has {length} bytes")));
                }
                Self::Symlink(text(&mut table, length as usize)?.into())
            }
            4..=7 | 11..=14 => Self::Other,
            kind => return Err(damaged(&format!("an inode has the unknown kind {kind}"))),
        })
    }
}

impl FileInode {
    fn read(mut table: Table<'_>, place: (u64, u64), fragment: (u32, u32), block_size: u32) -> io::Result<Self> {
        const NO_FRAGMENT: u32 = u32::MAX;
        let (start, size) = place;
        let fragment = Some(fragment).filter(|(number, _)| *number != NO_FRAGMENT);
        let whole = size / u64::from(block_size);
        let rest = u64::from(fragment.is_none() && !size.is_multiple_of(u64::from(block_size)));
        // Read one by one: a damaged size ends with the table and not with the memory.
        let blocks = (0..whole + rest).map(|_| table.word()).collect::<io::Result<_>>()?;
        Ok(Self { size, start, blocks, fragment })
    }
}

/// A name in a directory.
pub(super) struct Name {
    pub(super) name: OsString,
    pub(super) at: InodeAt,
}

/// Reads the names of a directory, `.` and `..` not being among them.
pub(super) fn names(mut table: Table<'_>, size: u32) -> io::Result<Vec<Name>> {
    /// The kernel's size of a directory counts `.` and `..`, which are not written down.
    const NOT_WRITTEN: u32 = 3;
    const HEAD: u32 = 12;
    const ENTRY: u32 = 8;
    /// Of names that stand under one head.
    const MOST: u32 = 256;
    let mut names = Vec::new();
    let mut left = size.saturating_sub(NOT_WRITTEN);
    while left > 0 {
        let head: [u8; HEAD as usize] = table.next()?;
        let (more, block) = (u32_of(&head), u32_of(&head[4..]));
        if more >= MOST {
            return Err(damaged(&format!("a directory has {more} names in a row")));
        }
        left = left.saturating_sub(HEAD);
        for _ in 0..=more {
            let entry: [u8; ENTRY as usize] = table.next()?;
            let length = u32::from(u16_of(&entry[6..])) + 1;
            let name = text(&mut table, length as usize)?.into();
            names.push(Name { name, at: InodeAt { block: block.into(), byte: u16_of(&entry) } });
            left = left.saturating_sub(ENTRY + length);
        }
    }
    Ok(names)
}

/// Text of so many bytes. Paths that are asked for are ASCII; of others nothing but the name is told.
fn text(table: &mut Table<'_>, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    table.read_exact(&mut bytes)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
