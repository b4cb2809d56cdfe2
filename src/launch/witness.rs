//! Reading along in the error output of what is started, without being in its way.
//!
//! What a program writes, when, in which order and onto what must stay as it is without us. So a terminal is left alone: a program
//! sees, asks and sets it, and nothing that stands in between is quite the same. A file is read afterwards. A pipe or a socket is
//! read along: the program gets a pipe of ours, and every byte is passed on before it is looked at. When standard output leads to the
//! same place, it goes through the same pipe, which keeps the order.

use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;

use crate::host::Host;

/// How much of the beginning and of the end is kept, each: the reason of an end stands in one of them.
const KEPT: usize = 128 << 10;

/// Where standard error leads to when it is a file.
const STDERR_FILE: &str = "/proc/self/fd/2";

/// Where the standard output of what is started goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// Where ours goes.
    Ours,
    /// To standard error: a document is written to ours, and nothing else may stand there.
    Aside,
}

/// What is kept of a text that may be long.
#[derive(Debug, Default)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Kept {
    fn push(&mut self, mut bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        if self.tail.len() > 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
    }

    fn into_text(self) -> String {
        let mut bytes = self.head;
        if !self.tail.is_empty() {
            bytes.push(b'\n');
            bytes.extend(self.tail);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Reads along until [`Witness::text`] is called.
#[derive(Debug, Default)]
pub(super) enum Witness {
    /// Nothing can be read without being in the way.
    #[default]
    Absent,
    /// Standard error is a file: what is behind this place of it is read afterwards.
    File {
        /// Where the file ended at the start.
        from: u64,
    },
    /// Standard error is a pipe or a socket.
    Pipe {
        /// Passes on what comes and keeps of it.
        copier: JoinHandle<Kept>,
        /// Closed to tell that the program has ended.
        ended: PipeWriter,
    },
}

/// The streams that the program gets instead of ours.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Standard output, where it leads to the same place as standard error.
    pub(super) stdout: Option<Stdio>,
    /// Standard error.
    pub(super) stderr: Option<Stdio>,
}

impl Witness {
    /// Looks at where standard error leads to. A failure here only means that nothing is read.
    ///
    /// # Errors
    ///
    /// When standard output is to go aside and cannot: it must not come into the document.
    pub(super) fn start(output: Stdout) -> std::io::Result<(Self, Streams)> {
        let (witness, mut streams) = Self::beside(output == Stdout::Aside);
        if output == Stdout::Aside && streams.stdout.is_none() {
            streams.stdout = Some(rustix::stdio::stderr().try_clone_to_owned()?.into());
        }
        Ok((witness, streams))
    }

    fn beside(aside: bool) -> (Self, Streams) {
        let (stdout, stderr) = (rustix::stdio::stdout(), rustix::stdio::stderr());
        let Ok(stat) = rustix::fs::fstat(stderr) else { return (Self::Absent, Streams::default()) };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                (Self::File { from: place(stderr, u64::try_from(stat.st_size).unwrap_or(0)) }, Streams::default())
            }
            FileType::Fifo | FileType::Socket => {
                let same = aside
                    || rustix::fs::fstat(stdout).is_ok_and(|other| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino));
                read_along(same).unwrap_or_default()
            }
            _ => (Self::Absent, Streams::default()),
        }
    }

    /// What was written, once the program has ended. Whoever it left behind keeps its error output.
    pub(super) fn text(self, host: &dyn Host) -> String {
        match self {
            Self::Absent => String::new(),
            Self::File { from } => read_file(host, from).unwrap_or_default(),
            Self::Pipe { copier, ended } => {
                drop(ended);
                copier.join().map(Kept::into_text).unwrap_or_default()
            }
        }
    }
}

/// Where the next byte will be written.
fn place(file: BorrowedFd<'_>, size: u64) -> u64 {
    let appends = rustix::fs::fcntl_getfl(file).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::APPEND));
    if appends { size } else { rustix::fs::seek(file, rustix::fs::SeekFrom::Current(0)).unwrap_or(size) }
}

fn read_file(host: &dyn Host, from: u64) -> std::io::Result<String> {
    let mut file = host.open(Path::new(STDERR_FILE))?;
    let end = file.seek(std::io::SeekFrom::End(0))?;
    let mut kept = Kept::default();
    let mut bytes = Vec::new();
    file.seek(std::io::SeekFrom::Start(from))?;
    file.by_ref().take(KEPT as u64).read_to_end(&mut bytes)?;
    kept.push(&bytes);
    let read = from + bytes.len() as u64;
    bytes.clear();
    file.seek(std::io::SeekFrom::Start(read.max(end.saturating_sub(KEPT as u64))))?;
    file.take(KEPT as u64).read_to_end(&mut bytes)?;
    kept.push(&bytes);
    Ok(kept.into_text())
}

fn read_along(with_stdout: bool) -> std::io::Result<(Witness, Streams)> {
    let (from, to) = std::io::pipe()?;
    let (end, ended) = std::io::pipe()?;
    let stdout = if with_stdout { Some(Stdio::from(to.try_clone()?)) } else { None };
    let copier = std::thread::Builder::new().name("error output".into()).spawn(move || copy(from, &end))?;
    Ok((Witness::Pipe { copier, ended }, Streams { stdout, stderr: Some(Stdio::from(to)) }))
}

/// Passes on what comes until the pipe is closed, or until the program has ended and nothing more is there.
fn copy(mut from: PipeReader, end: &PipeReader) -> Kept {
    let mut kept = Kept::default();
    let mut buffer = vec![0; 64 << 10];
    let mut has_ended = false;
    loop {
        let (readable, over) = match wait(&from, end, has_ended) {
            Ok(ready) => ready,
            Err(_) => return kept,
        };
        if readable {
            match from.read(&mut buffer) {
                Ok(0) => return kept,
                Ok(length) => {
                    // Nobody reads any more: closing our end tells the program, as the closed pipe itself would.
                    if !pass_on(&buffer[..length]) {
                        return kept;
                    }
                    kept.push(&buffer[..length]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return kept,
            }
        } else if has_ended {
            leave_to_a_copier(from);
            return kept;
        }
        has_ended |= over;
    }
}

/// Waits for something to read or for the end of the program, and tells which it is; after the end it does not wait.
fn wait(from: &PipeReader, end: &PipeReader, has_ended: bool) -> rustix::io::Result<(bool, bool)> {
    let mut fds = [PollFd::new(from, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
    let (watched, limit) = if has_ended { (1, Some(Timespec { tv_sec: 0, tv_nsec: 0 })) } else { (2, None) };
    match poll(&mut fds[..watched], limit.as_ref()) {
        Ok(_) => Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok((false, false)),
        Err(error) => Err(error),
    }
}

/// Writes everything to our own standard error; false when that is not possible.
fn pass_on(mut bytes: &[u8]) -> bool {
    let stderr = rustix::stdio::stderr();
    while !bytes.is_empty() {
        match rustix::io::write(stderr, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Somebody who shares the pipe made it so that it does not wait.
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
                if poll(&mut fds, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    true
}

/// Something that the program left running still has its error output: `cat` passes it on as long as it lives, so that we can end.
fn leave_to_a_copier(from: PipeReader) {
    let Ok(to) = std::io::stderr().as_fd().try_clone_to_owned() else { return };
    #[expect(clippy::disallowed_methods, reason = "it outlives us, so it has no deadline")]
    let mut command = std::process::Command::new("cat");
    drop(command.stdin(from).stdout(to).stderr(Stdio::null()).spawn());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_both_ends_are_kept() {
        let mut kept = Kept::default();
        kept.push(b"first\n");
        for _ in 0..100 {
            kept.push(&[b'x'; 10_000]);
        }
        kept.push(b"\nlast");
        assert!(kept.head.len() == KEPT && kept.tail.len() <= 2 * KEPT);
        let text = kept.into_text();
        assert!(text.starts_with("first\n") && text.ends_with("\nlast"));
    }

    #[test]
    fn a_short_text_is_kept_whole() {
        let mut kept = Kept::default();
        kept.push(b"one ");
        kept.push(b"two");
        assert_eq!(kept.into_text(), "one two");
    }
}
