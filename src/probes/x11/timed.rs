//! A stream with an end: every wait of the X protocol is bounded by one instant.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use x11rb::rust_connection::{DefaultStream, PollMode, Stream};
use x11rb::utils::RawFdContainer;

/// The largest first byte of an X server's answer: 0 refused, 1 accepted, 2 wants more authentication (X11 protocol,
/// connection setup).
const LARGEST_STATUS: u8 = 2;
/// How many bytes of a foreign greeting are kept.
const GREETING_LIMIT: usize = 40;

/// The peer speaks another protocol.
#[derive(Debug, thiserror::Error)]
#[error("it answers \"{greeting}\", which is not the X protocol")]
pub(super) struct NotX11 {
    /// The beginning of what it said, printable.
    greeting: String,
}

/// An x11rb stream whose waiting ends with [`io::ErrorKind::TimedOut`] at the deadline.
///
/// x11rb waits in [`Stream::poll`] only, so the handshake and every later reply are bounded by it. A read timeout of the
/// socket would do nothing: x11rb makes it non-blocking.
#[derive(Debug)]
pub(super) struct Timed {
    stream: DefaultStream,
    deadline: Instant,
    greeted: AtomicBool,
}

impl Timed {
    /// Wraps a connected stream.
    pub(super) fn new(stream: DefaultStream, deadline: Instant) -> Self {
        Self { stream, deadline, greeted: AtomicBool::new(false) }
    }
}

impl Timed {
    /// A peer that closed before it read what we sent has reset the connection. Linux tells the end first and keeps the reset
    /// as the socket's pending error.
    fn tell_reset(&self) -> io::Result<()> {
        #[cfg(unix)]
        if let Ok(Err(error)) = rustix::net::sockopt::socket_error(&self.stream) {
            return Err(error.into());
        }
        Ok(())
    }
}

impl Stream for Timed {
    #[cfg(unix)]
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, mode.readable());
        flags.set(PollFlags::OUT, mode.writable());
        loop {
            let left = self.deadline.checked_duration_since(Instant::now()).ok_or(io::ErrorKind::TimedOut)?;
            let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
            match poll(&mut [PollFd::new(&self.stream, flags)], Some(&timeout)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                // An error of the socket is told by the read or write that follows.
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// There is no poll in the standard library: x11rb tries again after each of these waits.
    #[cfg(not(unix))]
    fn poll(&self, _: PollMode) -> io::Result<()> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        Ok(())
    }

    fn read(&self, buffer: &mut [u8], descriptors: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        let length = self.stream.read(buffer, descriptors)?;
        if length == 0 {
            self.tell_reset()?;
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        if let Some(first) = bytes.first()
            && !self.greeted.swap(true, Ordering::Relaxed)
            && *first > LARGEST_STATUS
        {
            // x11rb reads eight bytes first; the rest of a greeting has come with them.
            let mut greeting = bytes.to_vec();
            let mut more = [0; GREETING_LIMIT];
            let length = self.stream.read(&mut more, descriptors).unwrap_or(0);
            greeting.extend(more.iter().take(length));
            return Err(io::Error::new(io::ErrorKind::InvalidData, NotX11 { greeting: printable(&greeting) }));
        }
        Ok(length)
    }

    fn write(&self, buffer: &[u8], descriptors: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.write(buffer, descriptors)
    }

    fn write_vectored(&self, buffers: &[IoSlice<'_>], descriptors: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.write_vectored(buffers, descriptors)
    }
}

/// The printable beginning of a greeting. It ends at the first other byte: a peer that sends our own request back, cookie
/// and all, is shown by its first letter only, since zeros follow there.
fn printable(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(GREETING_LIMIT).map_while(|byte| (b' '..=b'~').contains(byte).then(|| char::from(*byte)));
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_ends_at_the_first_unprintable_byte() {
        assert_eq!(printable(b"SSH-2.0-OpenSSH_9.2p1\r\nmore"), "SSH-2.0-OpenSSH_9.2p1");
        assert_eq!(printable(b"\x1b[31mred\xff"), "");
        assert_eq!(printable(b"l\0\x0b\0secret"), "l");
        assert_eq!(printable(&[b'x'; 100]).len(), GREETING_LIMIT);
    }
}
