//! A machine that is described instead of had: macOS, Windows, a graphics card, a broken kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, Cursor, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{
    Access, Address, Command, CommandEnd, CommandOutput, FileKind, Host, Identity, Metadata, ReadSeek, Socket, Space, Stream,
};

/// What stands at a path of a recorded machine.
#[derive(Debug, Clone)]
enum Entry {
    File { content: Vec<u8>, mode: u32 },
    Directory { mode: u32 },
    Symlink(PathBuf),
    Socket,
}

/// A machine described by a table of variables, files, commands and sockets. What is not described is not there.
#[derive(Debug, Default)]
pub(crate) struct RecordedHost {
    env: BTreeMap<OsString, OsString>,
    identity: Identity,
    entries: BTreeMap<PathBuf, Entry>,
    owners: BTreeMap<PathBuf, u32>,
    hard_links: BTreeSet<PathBuf>,
    commands: BTreeMap<Vec<OsString>, CommandOutput>,
    programs: BTreeMap<OsString, PathBuf>,
    peers: Vec<(Address, Peer)>,
    spaces: BTreeMap<PathBuf, Space>,
}

/// What somebody behind a socket does.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// Refuses with this kind of error.
    Refuses(io::ErrorKind),
    /// Answers these bytes to whatever is written, then closes.
    Answers(Vec<u8>),
    /// Accepts and says nothing.
    Silent,
}

impl RecordedHost {
    /// A machine with user `anna`, uid 1000, home `/home/anna`, and nothing else.
    pub(crate) fn new() -> Self {
        Self {
            identity: Identity {
                uid: Some(1000),
                gid: Some(1000),
                groups: vec![1000],
                user: Some("anna".into()),
                home: Some("/home/anna".into()),
            },
            ..Self::default()
        }
        .directory("/home/anna")
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Replaces who is asking.
    pub(crate) fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Adds a file of mode 0644, and its parents.
    pub(crate) fn file(self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> Self {
        self.entry(path, Entry::File { content: content.into(), mode: 0o644 })
    }

    /// Adds a file with permission bits; those of the owner decide about access.
    pub(crate) fn file_mode(self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.entry(path, Entry::File { content: content.into(), mode })
    }

    /// Gives what stands at a path another owner than user 1000.
    pub(crate) fn owner(mut self, path: impl AsRef<Path>, uid: u32) -> Self {
        self.owners.insert(path.as_ref().to_owned(), uid);
        self
    }

    /// Adds an empty file that has a second name elsewhere.
    pub(crate) fn hard_link(mut self, path: impl AsRef<Path>) -> Self {
        self.hard_links.insert(path.as_ref().to_owned());
        self.file(path, "")
    }

    /// Tells the room below a directory that holds a filesystem.
    pub(crate) fn space(mut self, path: impl AsRef<Path>, space: Space) -> Self {
        self.spaces.insert(path.as_ref().to_owned(), space);
        self
    }

    /// Adds a directory, and its parents.
    pub(crate) fn directory(self, path: impl AsRef<Path>) -> Self {
        self.directory_mode(path, 0o755)
    }

    /// Adds a directory with these permissions.
    pub(crate) fn directory_mode(self, path: impl AsRef<Path>, mode: u32) -> Self {
        self.entry(path, Entry::Directory { mode })
    }

    /// Adds a symbolic link.
    pub(crate) fn symlink(self, path: impl AsRef<Path>, target: impl Into<PathBuf>) -> Self {
        self.entry(path, Entry::Symlink(target.into()))
    }

    /// Adds somebody behind a socket; a Unix one also stands in the filesystem.
    pub(crate) fn peer(mut self, address: Address, peer: Peer) -> Self {
        if let Address::Unix(path) = &address {
            self = self.entry(path.clone(), Entry::Socket);
        }
        self.peers.push((address, peer));
        self
    }

    /// Adds a program on PATH, and what it does for the given arguments.
    pub(crate) fn command(mut self, argv: &[&str], status: i32, stdout: &str, stderr: &str) -> Self {
        let program = argv[0];
        if !program.contains('/') {
            self.programs.insert(program.into(), Path::new("/usr/bin").join(program));
        }
        let output = CommandOutput {
            end: CommandEnd::Exited(status),
            stdout: stdout.into(),
            stderr: stderr.into(),
            duration: Duration::from_millis(1),
        };
        self.commands.insert(argv.iter().map(OsString::from).collect(), output);
        self
    }

    fn entry(mut self, path: impl AsRef<Path>, entry: Entry) -> Self {
        let path = path.as_ref();
        for parent in path.ancestors().skip(1) {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Directory { mode: 0o755 });
        }
        self.entries.insert(path.to_owned(), entry);
        self
    }

    /// Follows every link of a path, as the kernel does.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut resolved = PathBuf::from("/");
        let mut rest: Vec<OsString> = path.components().rev().map(|part| part.as_os_str().to_owned()).collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match Path::new(&part).components().next() {
                Some(Component::ParentDir) => {
                    resolved.pop();
                }
                Some(Component::Normal(name)) => {
                    let next = resolved.join(name);
                    match self.entries.get(&next) {
                        Some(Entry::Symlink(target)) => {
                            links += 1;
                            if links > 40 {
                                return Err(io::ErrorKind::InvalidInput.into());
                            }
                            if target.is_absolute() {
                                resolved = PathBuf::from("/");
                            }
                            rest.extend(target.components().rev().map(|part| part.as_os_str().to_owned()));
                        }
                        Some(_) => resolved = next,
                        None => return Err(io::ErrorKind::NotFound.into()),
                    }
                }
                _ => resolved = PathBuf::from("/"),
            }
        }
        Ok(resolved)
    }

    fn find(&self, path: &Path) -> io::Result<&Entry> {
        let resolved = self.resolve(path)?;
        self.entries.get(&resolved).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn owner_may(mode: u32, bit: u32) -> io::Result<()> {
        if mode & bit == bit { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

fn describe(entry: &Entry) -> Metadata {
    let (kind, size, mode) = match entry {
        Entry::File { content, mode } => (FileKind::File, content.len() as u64, *mode),
        Entry::Directory { mode } => (FileKind::Directory, 4096, *mode),
        Entry::Symlink(target) => (FileKind::Symlink, target.as_os_str().len() as u64, 0o777),
        Entry::Socket => (FileKind::Socket, 0, 0o777),
    };
    Metadata { kind, size, mode, uid: 1000, gid: 1000, links: 1, modified: Some(SystemTime::UNIX_EPOCH) }
}

impl Host for RecordedHost {
    fn env(&self, name: &str) -> Option<OsString> {
        self.env.get(OsStr::new(name)).cloned()
    }

    fn env_names(&self) -> Vec<OsString> {
        self.env.keys().cloned().collect()
    }

    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn current_dir(&self) -> io::Result<PathBuf> {
        Ok(self.env.get(OsStr::new("PWD")).map_or_else(|| "/".into(), PathBuf::from))
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.find(path)? {
            Entry::File { content, mode } => {
                Self::owner_may(*mode, 0o400)?;
                if content.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content.clone()) }
            }
            Entry::Directory { .. } => Err(io::ErrorKind::IsADirectory.into()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(Cursor::new(self.read(path, u64::MAX)?)))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let resolved = self.resolve(path)?;
        let metadata = self.find(path).map(describe)?;
        Ok(self.owners.get(&resolved).map_or(metadata, |uid| Metadata { uid: *uid, ..metadata }))
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        let parent = self.resolve(path.parent().unwrap_or(Path::new("/")))?;
        let entry = path.file_name().map_or(Some(&Entry::Directory { mode: 0o755 }), |name| self.entries.get(&parent.join(name)));
        let metadata = entry.map(describe).ok_or(io::ErrorKind::NotFound)?;
        let links = if self.hard_links.contains(path) { 2 } else { 1 };
        Ok(Metadata { links, ..metadata })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        match self.entries.get(path) {
            Some(Entry::Symlink(target)) => Ok(target.clone()),
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.resolve(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let resolved = self.resolve(path)?;
        match self.entries.get(&resolved) {
            Some(Entry::Directory { mode }) => Self::owner_may(*mode, 0o400)?,
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        }
        let children = self.entries.keys().filter(|child| child.parent() == Some(&resolved));
        Ok(children.filter_map(|child| child.file_name().map(OsStr::to_owned)).collect())
    }

    fn access(&self, path: &Path, access: Access) -> io::Result<()> {
        let mode = describe(self.find(path)?).mode;
        Self::owner_may(
            mode,
            match access {
                Access::Read => 0o400,
                Access::Write => 0o200,
                Access::ReadWrite => 0o600,
                Access::Execute => 0o100,
            },
        )
    }

    fn free_space(&self, path: &Path) -> io::Result<Space> {
        let resolved = self.resolve(path)?;
        let nearest = resolved.ancestors().find_map(|ancestor| self.spaces.get(ancestor));
        nearest.copied().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn run(&self, command: &Command) -> CommandOutput {
        let name = Path::new(&command.program).file_name().unwrap_or(&command.program).to_owned();
        let argv = |program: &OsString| std::iter::once(program).chain(&command.args).cloned().collect::<Vec<_>>();
        let found = self.commands.get(&argv(&command.program)).or_else(|| self.commands.get(&argv(&name)));
        found.cloned().unwrap_or_else(|| CommandOutput {
            end: CommandEnd::NotStarted(format!("the recording has no command {:?}", argv(&command.program))),
            stdout: Vec::new(),
            stderr: Vec::new(),
            duration: Duration::ZERO,
        })
    }

    fn which(&self, program: &OsStr) -> Option<PathBuf> {
        self.programs.get(program).cloned()
    }

    fn connect(&self, address: &Address, _: Duration) -> io::Result<Box<dyn Stream>> {
        let peer = self.peers.iter().find(|(known, _)| known == address).map(|(_, peer)| peer);
        match peer {
            Some(Peer::Refuses(kind)) => Err((*kind).into()),
            Some(Peer::Answers(bytes)) => Ok(Box::new(RecordedStream { answer: Some(Cursor::new(bytes.clone())) })),
            Some(Peer::Silent) => Ok(Box::new(RecordedStream { answer: None })),
            None => Err(match address {
                Address::Unix(path) if self.find(path).is_err() => io::ErrorKind::NotFound,
                _ => io::ErrorKind::ConnectionRefused,
            }
            .into()),
        }
    }

    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if name == "localhost" { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn own_program(&self) -> io::Result<PathBuf> {
        Ok("/usr/bin/casa-doctor".into())
    }
}

struct RecordedStream {
    answer: Option<Cursor<Vec<u8>>>,
}

impl Read for RecordedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.answer.as_mut().map_or_else(|| Err(io::ErrorKind::TimedOut.into()), |answer| answer.read(buffer))
    }
}

impl Write for RecordedStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for RecordedStream {
    fn into_socket(self: Box<Self>) -> Option<Socket> {
        None
    }
}
