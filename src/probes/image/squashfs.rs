//! An image that is a squashfs, read without being mounted.

use std::ffi::OsString;
use std::io::{self, BufReader, Read};
use std::path::Path;

use backhand::{FilesystemReader, InnerNode, Node, SquashfsFileReader};
use casa_doctor_checks::facts::ImageContents;

use super::contents;
use super::tree::{Entry, Tree};
use crate::host::ReadSeek;

/// Why the contents of an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentsError {
    /// It is damaged, or packed in a way that is not known here.
    #[error("its squashfs cannot be read: {0}")]
    Squashfs(#[from] backhand::BackhandError),
}

/// Reads what matters of the squashfs that begins at `offset` bytes.
///
/// Everything about the files but their content is held in memory: some 350 bytes for each file of the image.
pub(crate) fn read_contents(source: Box<dyn ReadSeek>, offset: u64) -> Result<ImageContents, ContentsError> {
    let filesystem = FilesystemReader::from_reader_with_offset(BufReader::new(source), offset)?;
    Ok(contents::examine(&Squashfs { filesystem }))
}

struct Squashfs<'a> {
    filesystem: FilesystemReader<'a>,
}

impl Squashfs<'_> {
    /// All nodes, sorted by path.
    fn nodes(&self) -> &[Node<SquashfsFileReader>] {
        &self.filesystem.root.nodes
    }

    fn node(&self, path: &Path) -> Option<&Node<SquashfsFileReader>> {
        let index = self.nodes().binary_search_by(|node| node.fullpath.as_path().cmp(path)).ok()?;
        self.nodes().get(index)
    }
}

impl Tree for Squashfs<'_> {
    fn entry(&self, path: &Path) -> Option<Entry> {
        Some(match &self.node(path)?.inner {
            InnerNode::File(file) => Entry::File(file.file_len() as u64),
            InnerNode::Dir(_) => Entry::Directory,
            InnerNode::Symlink(link) => Entry::Symlink(link.link.clone()),
            _ => Entry::Other,
        })
    }

    fn names(&self, directory: &Path) -> Vec<OsString> {
        let nodes = self.nodes();
        let start = nodes.partition_point(|node| node.fullpath.as_path() <= directory);
        nodes[start..]
            .iter()
            .map(|node| node.fullpath.as_path())
            .take_while(|path| path.starts_with(directory))
            .filter(|path| path.parent() == Some(directory))
            .filter_map(|path| path.file_name().map(OsString::from))
            .collect()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let Some(InnerNode::File(file)) = self.node(path).map(|node| &node.inner) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let file = self.filesystem.file(file);
        let reader = file.reader_checked().map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        reader.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
