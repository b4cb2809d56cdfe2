//! An image that is a squashfs, read without being mounted.
//!
//! Only the directories and the blocks on the way to what is asked for are unpacked, so that an image with a million files takes as
//! long as a small one. The layout is that of squashfs 4.0, the only one since Linux 2.6.29.

mod blocks;
mod content;
mod inode;
#[cfg(all(test, unix))]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path};
use std::rc::Rc;

use self::blocks::{Blocks, Codec, u16_of, u32_of, u64_of};
use self::content::Reader;
use self::inode::{Inode, InodeAt, Name};
use super::tree::{Content, Entry, Tree};
use crate::host::ReadSeek;

/// The names of a directory, sorted.
type Listing = Rc<Vec<Name>>;

/// A squashfs that is open for reading.
pub(super) struct Squashfs {
    blocks: Blocks,
    /// Where it ends, in bytes from the beginning of the file.
    end: u64,
    root: InodeAt,
    /// Where the tables begin, in bytes.
    inodes: u64,
    directories: u64,
    fragments: u64,
    /// The directories that were read, by where their inode stands: the same ones are asked for again and again.
    listings: RefCell<HashMap<InodeAt, Listing>>,
}

impl Squashfs {
    /// Opens the squashfs that begins at `offset` bytes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] when it is damaged, [`io::ErrorKind::Unsupported`] when it is made in a way that is not known here.
    /// So do all that read from it.
    pub(super) fn open(source: Box<dyn ReadSeek>, offset: u64) -> io::Result<Self> {
        const LENGTH: usize = 96;
        /// From 4 KiB to 1 MiB, says the kernel.
        const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 1 << 12..=1 << 20;
        let mut blocks = Blocks::new(source, offset);
        let superblock = blocks.raw(0, LENGTH)?;
        let word = |at: usize| u32_of(&superblock[at..]);
        let long = |at: usize| u64_of(&superblock[at..]);
        if superblock[..4] != *b"hsqs" {
            return Err(damaged("it does not begin as one"));
        }
        let version = (u16_of(&superblock[28..]), u16_of(&superblock[30..]));
        if version != (4, 0) {
            return Err(unknown(&format!("its version is {}.{}, and 4.0 is known here", version.0, version.1)));
        }
        if !BLOCK_SIZES.contains(&word(12)) {
            return Err(damaged(&format!("its blocks have {} bytes", word(12))));
        }
        blocks.understand(Codec::of(u16_of(&superblock[20..]))?, word(12), long(40));
        Ok(Self {
            blocks,
            end: offset.saturating_add(long(40)),
            root: InodeAt::of(long(32)),
            inodes: long(64),
            directories: long(72),
            fragments: long(80),
            listings: RefCell::default(),
        })
    }

    /// Where it ends by its own words, in bytes from the beginning of the file.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    fn inode(&self, at: InodeAt) -> io::Result<Inode> {
        Inode::read(self.blocks.stream(self.inodes.saturating_add(at.block), at.byte)?, self.blocks.size())
    }

    fn listing(&self, at: InodeAt, inode: &Inode) -> io::Result<Listing> {
        if let Some(known) = self.listings.borrow().get(&at) {
            return Ok(Rc::clone(known));
        }
        let Inode::Directory { block, byte, size } = *inode else { return Ok(Listing::default()) };
        let mut names = inode::names(self.blocks.stream(self.directories.saturating_add(block.into()), byte)?, size)?;
        names.sort_by(|one, other| one.name.cmp(&other.name));
        let names = Rc::new(names);
        self.listings.borrow_mut().insert(at, Rc::clone(&names));
        Ok(names)
    }

    /// What stands at a path, and where.
    fn find(&self, path: &Path) -> io::Result<Option<(InodeAt, Inode)>> {
        let mut at = self.root;
        let mut inode = self.inode(at)?;
        for part in path.components() {
            let Component::Normal(part) = part else { continue };
            if !matches!(inode, Inode::Directory { .. }) {
                return Ok(None);
            }
            let names = self.listing(at, &inode)?;
            let Ok(index) = names.binary_search_by(|name| name.name.as_os_str().cmp(part)) else { return Ok(None) };
            at = names[index].at;
            inode = self.inode(at)?;
        }
        Ok(Some((at, inode)))
    }
}

impl Tree for Squashfs {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        Ok(self.find(path)?.map(|(_, inode)| match inode {
            Inode::File(file) => Entry::File(file.size),
            Inode::Directory { .. } => Entry::Directory,
            Inode::Symlink(target) => Entry::Symlink(target),
            Inode::Other => Entry::Other,
        }))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let Some((at, inode)) = self.find(directory)? else { return Ok(Vec::new()) };
        Ok(self.listing(at, &inode)?.iter().map(|name| name.name.clone()).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Content + '_>> {
        let Some((_, Inode::File(file))) = self.find(path)? else { return Err(io::ErrorKind::NotFound.into()) };
        Ok(Box::new(Reader::new(&self.blocks, file, self.fragments)?))
    }
}

/// How a squashfs is made that is not known here.
fn unknown(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("its squashfs cannot be read: {what}"))
}

/// What is wrong with a squashfs.
fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its squashfs cannot be read: {what}"))
}
