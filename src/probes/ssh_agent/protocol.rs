//! The one request of the ssh agent protocol (draft-ietf-sshm-ssh-agent) that is ever made: which keys are there.
//!
//! Of an answer only the types of the keys are kept; neither keys nor their comments leave this file.

use std::io::{self, Read, Write};

/// `SSH_AGENTC_REQUEST_IDENTITIES` as a whole message: its length, then the one byte that is its type.
const REQUEST_IDENTITIES: [u8; 5] = [0, 0, 0, 1, 11];
const FAILURE: u8 = 5;
const IDENTITIES_ANSWER: u8 = 12;

/// Longest answer that is believed, in bytes: what OpenSSH allows.
const LONGEST_ANSWER: u32 = 256 * 1024;

/// What an agent answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Types of its keys.
    Keys(Vec<String>),
    /// `SSH_AGENT_FAILURE`.
    Failure,
    /// It closed before it answered.
    Closed,
    /// Something that is no answer of an agent, in words.
    Foreign(String),
}

/// Asks for the keys. An error is one of the connection itself, such as a time-out.
pub(super) fn list(stream: &mut (impl Read + Write + ?Sized)) -> io::Result<Answer> {
    match stream.write_all(&REQUEST_IDENTITIES).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Answer::Closed),
        result => result?,
    }
    let mut length = [0; 4];
    match read_fully(stream, &mut length)? {
        4 => {}
        0 => return Ok(Answer::Closed),
        read => return Ok(Answer::Foreign(format!("it closed after {read} bytes"))),
    }
    let length = u32::from_be_bytes(length);
    if length == 0 || length > LONGEST_ANSWER {
        return Ok(Answer::Foreign(format!("its answer begins with the length {length}, which no agent gives")));
    }
    let mut body = vec![0; length as usize];
    let read = read_fully(stream, &mut body)?;
    if read < body.len() {
        return Ok(Answer::Foreign(format!("it announced {length} bytes and closed after {read}")));
    }
    Ok(match body.split_first() {
        Some((&FAILURE, _)) => Answer::Failure,
        Some((&IDENTITIES_ANSWER, rest)) => {
            key_types(rest).map_or_else(|| Answer::Foreign("its list of keys is malformed".to_owned()), Answer::Keys)
        }
        _ => Answer::Foreign(format!("it answered with a message of type {}", body[0])),
    })
}

/// Reads until the buffer is full or the other side closes; tells how much came.
fn read_fully(stream: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// The types of a list of keys: a count, then for each key its blob, which begins with its type, and a comment.
fn key_types(list: &[u8]) -> Option<Vec<String>> {
    let (count, mut rest) = list.split_first_chunk::<4>()?;
    let mut types = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (blob, after) = string(rest)?;
        let (_comment, after) = string(after)?;
        rest = after;
        let (kind, _) = string(blob)?;
        // A type is a short printable name; anything else is not passed on.
        let kind =
            std::str::from_utf8(kind).ok().filter(|kind| kind.len() <= 64 && kind.bytes().all(|byte| byte.is_ascii_graphic()));
        types.push(kind.unwrap_or("unknown").to_owned());
    }
    Some(types)
}

/// A string of the protocol, its length before it, and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent's side of a conversation, written down.
    struct Script(io::Cursor<Vec<u8>>);

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(bytes: &[u8]) -> Answer {
        list(&mut Script(io::Cursor::new(bytes.to_vec()))).unwrap()
    }

    fn with_string(text: &[u8]) -> Vec<u8> {
        [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
    }

    #[test]
    fn answers_of_scripted_agents() {
        assert_eq!(answer(b"\0\0\0\x05\x0c\0\0\0\0"), Answer::Keys(Vec::new()));
        assert_eq!(answer(b"\0\0\0\x01\x05"), Answer::Failure);
        assert_eq!(answer(b""), Answer::Closed);
        let blob = with_string(&[with_string(b"ssh-ed25519"), with_string(b"SECRETKEY")].concat());
        let body = [&b"\x0c\0\0\0\x01"[..], &blob, &with_string(b"private comment")].concat();
        assert_eq!(answer(&with_string(&body)), Answer::Keys(vec!["ssh-ed25519".to_owned()]));
    }

    #[test]
    fn what_is_no_agent_is_foreign_and_asks_for_no_memory() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"\xff\xff\xff\xff",
            b"\0\0\0\0",
            b"\0\0",
            b"\0\0\0\x05\x0c\xff\xff\xff\xff",
            b"\0\0\0\x09\x0c\0\0\0\x01\xff\xff\xff\xff",
            b"\0\0\0\x01\x63",
            b"\0\0\0\x64\x0c",
        ] {
            assert!(matches!(answer(bytes), Answer::Foreign(_)), "{bytes:?}: {:?}", answer(bytes));
        }
    }

    #[test]
    fn a_type_that_is_no_name_is_not_passed_on() {
        let blob = with_string(&with_string(b"\x1b[31mred"));
        let body = [&b"\x0c\0\0\0\x01"[..], &blob, &with_string(b"")].concat();
        assert_eq!(answer(&with_string(&body)), Answer::Keys(vec!["unknown".to_owned()]));
    }
}
