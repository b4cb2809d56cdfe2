//! The machine that casa-doctor runs on.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use super::{
    Access, Address, Command, CommandOutput, FileKind, Host, Identity, Metadata, ReadSeek, Socket, Space, Stream, command,
};

/// The real machine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LiveHost;

#[expect(clippy::disallowed_methods, reason = "this is the door that the other modules must use")]
impl Host for LiveHost {
    fn env(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn env_names(&self) -> Vec<OsString> {
        std::env::vars_os().map(|(name, _)| name).collect()
    }

    fn identity(&self) -> Identity {
        static IDENTITY: OnceLock<Identity> = OnceLock::new();
        IDENTITY.get_or_init(|| identity(self)).clone()
    }

    fn current_dir(&self) -> io::Result<PathBuf> {
        std::env::current_dir()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let (file, size) = open_regular(path)?;
        // Without room for all of it at once it would be read in small pieces. Files of the kernel say that they are empty.
        let room = size.min(limit).max(4096) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(open_regular(path)?.0))
    }

    fn open_stream(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        if std::fs::metadata(path)?.is_dir() {
            return Err(is_a_directory());
        }
        Ok(Box::new(std::fs::File::open(path)?))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        std::fs::metadata(path).map(|metadata| convert(&metadata))
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        std::fs::symlink_metadata(path).map(|metadata| convert(&metadata))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::read_link(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path).map(without_verbatim)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names: Vec<_> =
            std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn access(&self, path: &Path, access: Access) -> io::Result<()> {
        check_access(path, access)
    }

    fn free_space(&self, path: &Path) -> io::Result<Space> {
        room(path)
    }

    fn run(&self, command: &Command) -> CommandOutput {
        command::run(command)
    }

    fn which(&self, program: &OsStr) -> Option<PathBuf> {
        which::which(program).ok()
    }

    fn connect(&self, address: &Address, limit: Duration) -> io::Result<Box<dyn Stream>> {
        let deadline = Instant::now() + limit;
        let socket = match address {
            Address::Tcp { host, port } => Socket::Tcp(connect_tcp(host, *port, deadline)?),
            #[cfg(unix)]
            Address::Unix(path) => Socket::Unix(connect_unix(&rustix::net::SocketAddrUnix::new(path)?)?),
            #[cfg(target_os = "linux")]
            Address::Abstract(name) => Socket::Unix(connect_unix(&rustix::net::SocketAddrUnix::new_abstract_name(name)?)?),
            #[cfg(not(target_os = "linux"))]
            Address::Abstract(_) => return Err(io::Error::new(io::ErrorKind::Unsupported, "abstract sockets exist on Linux only")),
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets on this system")),
        };
        Ok(Box::new(LiveStream { socket, deadline }))
    }

    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn own_program(&self) -> io::Result<PathBuf> {
        std::env::current_exe()
    }
}

/// Opens a file for reading, and gives the size that it tells. A pipe or a device would block, so it is refused before it is opened.
#[expect(clippy::disallowed_methods, reason = "this is the door that the other modules must use")]
fn open_regular(path: &Path) -> io::Result<(std::fs::File, u64)> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(is_a_directory());
    }
    // Files of /proc and /sys are regular files.
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok((std::fs::File::open(path)?, metadata.len()))
}

/// The path as it is written everywhere else: what Windows gives begins with `\\?\`, which few programs take.
#[cfg(windows)]
fn without_verbatim(path: PathBuf) -> PathBuf {
    use std::path::{Component, Prefix};
    let Some(Component::Prefix(prefix)) = path.components().next() else { return path };
    match (prefix.kind(), path.to_str()) {
        (Prefix::VerbatimDisk(_), Some(text)) => text.trim_start_matches(r"\\?\").into(),
        (Prefix::VerbatimUNC(..), Some(text)) => text.replacen(r"\\?\UNC\", r"\\", 1).into(),
        _ => path,
    }
}

#[cfg(not(windows))]
fn without_verbatim(path: PathBuf) -> PathBuf {
    path
}

fn is_a_directory() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "is a directory")
}

fn convert(metadata: &std::fs::Metadata) -> Metadata {
    let kind = metadata.file_type();
    #[cfg(unix)]
    let (mode, uid, gid, links, socket) = {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        (metadata.mode() & 0o7777, metadata.uid(), metadata.gid(), metadata.nlink(), kind.is_socket())
    };
    #[cfg(not(unix))]
    let (mode, uid, gid, links, socket) = (0, 0, 0, 1, false);
    let kind = match kind {
        kind if kind.is_symlink() => FileKind::Symlink,
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_file() => FileKind::File,
        _ if socket => FileKind::Socket,
        _ => FileKind::Other,
    };
    Metadata { kind, size: metadata.len(), mode, uid, gid, links, modified: metadata.modified().ok() }
}

#[cfg(unix)]
fn check_access(path: &Path, access: Access) -> io::Result<()> {
    use rustix::fs::{Access as Mode, AtFlags, CWD, accessat};
    let mode = match access {
        Access::Read => Mode::READ_OK,
        Access::Write => Mode::WRITE_OK,
        Access::ReadWrite => Mode::READ_OK | Mode::WRITE_OK,
        Access::Execute => Mode::EXEC_OK,
    };
    Ok(accessat(CWD, path, mode, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "this is the door that the other modules must use")]
fn check_access(path: &Path, access: Access) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if matches!(access, Access::Write | Access::ReadWrite) && metadata.permissions().readonly() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

/// Blocks that are kept for root count for root only.
#[cfg(unix)]
fn room(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    let free = if rustix::process::geteuid().is_root() { found.f_bfree } else { found.f_bavail };
    let inodes = if rustix::process::geteuid().is_root() { found.f_ffree } else { found.f_favail };
    Ok(Space {
        free_bytes: free.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        // Btrfs and some network filesystems make inodes as they are needed, and count none.
        free_inodes: (found.f_files > 0).then_some(inodes),
    })
}

#[cfg(not(unix))]
fn room(_: &Path) -> io::Result<Space> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "the room on a disk is not asked for on this system"))
}

#[cfg(unix)]
fn identity(host: &LiveHost) -> Identity {
    let uid = rustix::process::geteuid().as_raw();
    let groups = rustix::process::getgroups().unwrap_or_default().into_iter().map(|group| group.as_raw()).collect();
    // The user database may be on the network: its file is read, which is enough for local users; others have HOME and USER.
    let passwd = host.read_text(Path::new("/etc/passwd"), 4 << 20).unwrap_or_default();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&uid.to_string().as_str()));
    let field = |index: usize| entry.as_ref().and_then(|fields| fields.get(index)).map(|field| (*field).to_owned());
    Identity {
        uid: Some(uid),
        gid: Some(rustix::process::getegid().as_raw()),
        groups,
        user: field(0).or_else(|| host.env_text("USER")),
        home: host.env_text("HOME").or_else(|| field(5)).map(PathBuf::from),
    }
}

#[cfg(not(unix))]
fn identity(host: &LiveHost) -> Identity {
    Identity { user: host.env_text("USERNAME"), home: host.env_text("USERPROFILE").map(PathBuf::from), ..Identity::default() }
}

/// Connects at once or not at all: a full backlog answers EAGAIN on a non-blocking socket instead of waiting for ever.
#[cfg(unix)]
fn connect_unix(address: &rustix::net::SocketAddrUnix) -> io::Result<std::os::unix::net::UnixStream> {
    use rustix::net::{AddressFamily, SocketType, connect, socket};
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    connect(&socket, address)?;
    Ok(socket.into())
}

/// Tries every address of the host until one answers or time is up.
fn connect_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<std::net::TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("\"{host}\" has no address"));
    let addresses =
        (host, port).to_socket_addrs().map_err(|error| io::Error::new(io::ErrorKind::AddrNotAvailable, error.to_string()))?;
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match std::net::TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connected, non-blocking socket with the deadline of its connection.
struct LiveStream {
    socket: Socket,
    deadline: Instant,
}

impl LiveStream {
    /// Waits until the socket is ready, or fails with [`io::ErrorKind::TimedOut`].
    #[cfg(unix)]
    fn wait(&self, events: rustix::event::PollFlags) -> io::Result<()> {
        use rustix::event::{PollFd, Timespec, poll};
        let left = self.deadline.checked_duration_since(Instant::now()).ok_or(io::ErrorKind::TimedOut)?;
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut poll_fds = match &self.socket {
            Socket::Unix(stream) => [PollFd::new(stream, events)],
            Socket::Tcp(stream) => [PollFd::new(stream, events)],
        };
        match poll(&mut poll_fds, Some(&timeout)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => Ok(()),
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Repeats a call on a non-blocking socket until it does not want to wait any more.
macro_rules! retry {
    ($stream:expr, $events:expr, $call:expr) => {{
        loop {
            let result = match &mut $stream.socket {
                #[cfg(unix)]
                Socket::Unix(socket) => $call(socket as &mut dyn ReadWrite),
                Socket::Tcp(socket) => $call(socket as &mut dyn ReadWrite),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                #[cfg(unix)]
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => $stream.wait($events)?,
                #[cfg(not(unix))]
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= $stream.deadline {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                result => return result,
            }
        }
    }};
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

impl Read for LiveStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retry!(self, rustix::event::PollFlags::IN, |socket: &mut dyn ReadWrite| socket.read(buffer))
    }
}

impl Write for LiveStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        retry!(self, rustix::event::PollFlags::OUT, |socket: &mut dyn ReadWrite| socket.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for LiveStream {
    fn into_socket(self: Box<Self>) -> Option<Socket> {
        Some(self.socket)
    }
}
