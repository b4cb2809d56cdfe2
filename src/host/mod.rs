//! The one door to the machine.
//!
//! Every probe, and every part that launches or writes, sees the machine through [`Host`]. [`LiveHost`] is the real one;
//! [`RecordedHost`] answers from a description, so that a probe can be tried against a machine that cannot be had.

mod command;
mod forward;
mod live;
mod overlay;
#[cfg(test)]
mod recorded;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[cfg(unix)]
pub(crate) use command::end_what_runs_at_a_signal;
pub(crate) use command::{Command, CommandEnd, CommandOutput, Input, ProcessTree, end_what_runs};
pub(crate) use forward::forward;
pub(crate) use live::LiveHost;
pub(crate) use overlay::OverlayHost;
#[cfg(test)]
pub(crate) use recorded::{Peer, RecordedHost};

/// What a file is, as far as anything here wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (only from [`Host::symlink_metadata`]).
    Symlink,
    /// A socket.
    Socket,
    /// A device, a pipe or anything else.
    Other,
}

/// The part of a file's metadata that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// What it is.
    pub(crate) kind: FileKind,
    /// Size, in bytes.
    pub(crate) size: u64,
    /// Permission bits, with setuid, setgid and sticky; 0 where the system has none.
    pub(crate) mode: u32,
    /// Owner's user id.
    pub(crate) uid: u32,
    /// Owner's group id.
    pub(crate) gid: u32,
    /// How many names it has (hard links); 1 where the system does not tell.
    pub(crate) links: u64,
    /// Time of the last change of its content, where known.
    pub(crate) modified: Option<SystemTime>,
}

/// Room on a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    /// What this user may still write, in bytes.
    pub(crate) free_bytes: u64,
    /// Size, in bytes; 0 for a filesystem that holds no data, such as /proc.
    pub(crate) total_bytes: u64,
    /// How many files may still be made; `None` where the filesystem does not count them.
    pub(crate) free_inodes: Option<u64>,
}

/// What one wants to do with a file, for [`Host::access`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read it.
    Read,
    /// Write it (or make entries in it).
    Write,
    /// Read and write it.
    ReadWrite,
    /// Run it (or pass through it).
    Execute,
}

/// Who is asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Effective user id; `None` where the system has none.
    pub(crate) uid: Option<u32>,
    /// Effective group id.
    pub(crate) gid: Option<u32>,
    /// Supplementary groups of this process.
    pub(crate) groups: Vec<u32>,
    /// Login name, from the user database, else from USER.
    pub(crate) user: Option<String>,
    /// Home directory: HOME, else from the user database.
    pub(crate) home: Option<PathBuf>,
}

/// Where a stream socket leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A socket in the filesystem.
    Unix(PathBuf),
    /// A Linux abstract socket, without the leading NUL.
    Abstract(Vec<u8>),
    /// A TCP port.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A file that is read in pieces.
pub(crate) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// A connected stream. Reading and writing end with [`io::ErrorKind::TimedOut`] at the deadline given to [`Host::connect`].
pub(crate) trait Stream: Read + Write + Send {
    /// The operating system's socket, for libraries that poll it themselves; `None` for a recorded one.
    fn into_socket(self: Box<Self>) -> Option<Socket>;
}

/// A real socket, already connected and non-blocking.
#[derive(Debug)]
pub(crate) enum Socket {
    /// A Unix one.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
    /// A TCP one.
    Tcp(std::net::TcpStream),
}

/// The one door to the machine: environment, identity, files, commands, sockets, clock.
///
/// Nothing here waits without a limit, except opening a file on a network filesystem that hangs: a probe that is abandoned
/// is the remedy for that.
pub(crate) trait Host: Send + Sync {
    /// A variable of the environment; empty is not unset.
    fn env(&self, name: &str) -> Option<OsString>;

    /// The names (never the values) of all variables.
    fn env_names(&self) -> Vec<OsString>;

    /// A variable as text; `None` when unset, empty or not UTF-8.
    fn env_text(&self, name: &str) -> Option<String> {
        self.env(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
    }

    /// Who is asking.
    fn identity(&self) -> Identity;

    /// The current directory.
    fn current_dir(&self) -> io::Result<PathBuf>;

    /// A whole file, refused with [`io::ErrorKind::FileTooLarge`] when longer than `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// A file to be read in pieces.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek>>;

    /// What is read once from beginning to end: a file, a pipe, a device. It waits for whoever writes to a pipe, so it is only for
    /// what the user has named for reading.
    fn open_stream(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(self.open(path)?))
    }

    /// What stands at a path, links followed.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// What stands at a path, links not followed.
    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Where a link points to.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;

    /// A path without links, `.` and `..`.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// The names in a directory, sorted.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Whether this process may do that with the path, as the kernel sees it (effective ids, ACLs, read-only mounts).
    fn access(&self, path: &Path, access: Access) -> io::Result<()>;

    /// The room on the filesystem that holds the path, which must exist.
    fn free_space(&self, path: &Path) -> io::Result<Space>;

    /// Runs a command to its end, or to its deadline. Never through a shell.
    fn run(&self, command: &Command) -> CommandOutput;

    /// Where a program is on PATH.
    fn which(&self, program: &OsStr) -> Option<PathBuf>;

    /// Connects a stream socket, or fails by the deadline.
    fn connect(&self, address: &Address, limit: Duration) -> io::Result<Box<dyn Stream>>;

    /// The addresses of a machine's name. The name service may keep this waiting for long: ask in a thread that can be abandoned.
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// The time.
    fn now(&self) -> SystemTime;

    /// The program that is running, for starting it again as a child.
    fn own_program(&self) -> io::Result<PathBuf>;

    /// Text of a whole file; bytes that are not UTF-8 are replaced.
    fn read_text(&self, path: &Path, limit: u64) -> io::Result<String> {
        self.read(path, limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether something stands at the path; `None` when that cannot be known.
    fn exists(&self, path: &Path) -> Option<bool> {
        match self.metadata(path) {
            Ok(_) => Some(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Some(false),
            Err(_) => None,
        }
    }
}
