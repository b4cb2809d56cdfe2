//! A stream with an end: every wait of the X protocol is bounded by one instant.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use x11rb::rust_connection::{DefaultStream, PollMode, Stream};
use x11rb::utils::RawFdContainer;

/// The largest first byte of an X server's answer: 0 refused, 1 accepted, 2 wants more authentication (X11 protocol,
/// connection setup).
const LARGEST_STATUS: u8 = 2;
/// How many bytes of a foreign greeting are kept.
const GREETING_LIMIT: usize = 40;

/// How much a peer may say. What we ask an X server for is a hundredth of it.
const SAID_LIMIT: u64 = 4 << 20;

/// The peer says more than any X server does.
#[derive(Debug, thiserror::Error)]
#[error("said more than any X server does")]
pub(super) struct TooMuch;

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
    heard: Mutex<Heard>,
}

impl Timed {
    /// Wraps a connected stream.
    pub(super) fn new(stream: DefaultStream, deadline: Instant) -> Self {
        Self { stream, deadline, greeted: AtomicBool::new(false), heard: Mutex::default() }
    }
}

/// What a peer has said so far, taken apart into packets. x11rb makes room for a whole packet as soon as it has read how long it
/// will be, and keeps every event.
#[derive(Debug, Default)]
struct Heard {
    /// Whether the answer to the greeting is over; every packet after it begins with 32 bytes.
    set_up: bool,
    /// The beginning of a packet of which more is needed to tell its length.
    head: Vec<u8>,
    /// How much of a packet is still to come.
    rest: u64,
    /// How much was said.
    said: u64,
}

impl Heard {
    /// Takes what was read. An error when there is too much of it, or when too much is announced.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), TooMuch> {
        self.said += bytes.len() as u64;
        while !bytes.is_empty() {
            let length = if self.set_up { 32 } else { 8 };
            let wanted = if self.rest > 0 { self.rest } else { length - self.head.len() as u64 };
            let (now, later) = bytes.split_at(usize::try_from(wanted).unwrap_or(usize::MAX).min(bytes.len()));
            bytes = later;
            if self.rest > 0 {
                self.rest -= now.len() as u64;
                continue;
            }
            self.head.extend_from_slice(now);
            if self.head.len() as u64 == length {
                self.rest = announced(&self.head) * 4;
                self.set_up = true;
                self.head.clear();
            }
        }
        if self.said.saturating_add(self.rest) > SAID_LIMIT { Err(TooMuch) } else { Ok(()) }
    }
}

/// How many units of four bytes follow the beginning of a packet, in this machine's order of bytes, which x11rb asks for: that of
/// the answer to the greeting has eight bytes.
fn announced(head: &[u8]) -> u64 {
    const REPLY: u8 = 1;
    const GENERIC_EVENT: u8 = 35;
    match *head {
        [_, _, _, _, _, _, low, high] => u16::from_ne_bytes([low, high]).into(),
        [kind, _, _, _, a, b, c, d, ..] if kind == REPLY || kind & 0x7f == GENERIC_EVENT => u32::from_ne_bytes([a, b, c, d]).into(),
        _ => 0,
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
        // Nobody waits for a peer that always has more to say.
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
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
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
        heard.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
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
    fn what_no_x_server_says_is_too_much() {
        let accepted = [[1, 0, 11, 0, 0, 0].as_slice(), &2_u16.to_ne_bytes(), &[0; 8]].concat();
        let packet = |kind: u8, length: u32| [[kind, 0, 1, 0].as_slice(), &length.to_ne_bytes(), &[0; 24]].concat();
        let takes = |parts: &[Vec<u8>], pieces: usize| {
            let mut heard = Heard::default();
            let all = [accepted.clone(), parts.concat()].concat();
            all.chunks(pieces).try_for_each(|piece| heard.take(piece)).is_ok()
        };
        for pieces in [1, 3, 32, 4096] {
            assert!(takes(&[packet(1, 2), vec![255; 8], packet(0, u32::MAX), packet(34, u32::MAX), packet(1, 1000)], pieces));
            assert!(!takes(&[packet(1, 2), vec![255; 8], packet(1, u32::MAX)], pieces), "a reply in pieces of {pieces}");
            assert!(!takes(&[packet(35 | 0x80, 0x3fff_ffff)], pieces), "an event in pieces of {pieces}");
        }
        assert!(!takes(&vec![packet(2, 0); 140_000], 4096), "a flood of events");
    }

    #[test]
    fn a_greeting_ends_at_the_first_unprintable_byte() {
        assert_eq!(printable(b"SSH-2.0-OpenSSH_9.2p1\r\nmore"), "SSH-2.0-OpenSSH_9.2p1");
        assert_eq!(printable(b"\x1b[31mred\xff"), "");
        assert_eq!(printable(b"l\0\x0b\0secret"), "l");
        assert_eq!(printable(&[b'x'; 100]).len(), GREETING_LIMIT);
    }
}
