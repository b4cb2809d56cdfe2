//! Whether the server lets a program of this machine in over TCP, as the programs of a container come.

use std::io::{self, Read, Write};
use std::time::Duration;

use casa_doctor_checks::facts::XquartzTcp;

use crate::host::{Address, Host};

/// The first request of an X client: byte order "l", protocol 11.0, no name and no data of an authorization (X protocol, 8).
const HELLO: [u8; 12] = [b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Connects to the display's port of this machine, without a cookie.
pub(in crate::probes) fn ask(host: &dyn Host, number: u16, limit: Duration) -> XquartzTcp {
    let Some(port) = number.checked_add(6000) else { return XquartzTcp::NotTried };
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port };
    match host.connect(&address, limit) {
        Ok(mut stream) => greet(&mut stream).unwrap_or_else(|error| XquartzTcp::Other { reason: words(&error) }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => XquartzTcp::Closed,
        Err(error) => XquartzTcp::Other { reason: words(&error) },
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection without a word".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads the beginning of the answer: status, length of a reason, protocol version, length of the rest in units of four bytes.
fn greet(stream: &mut impl ReadWrite) -> io::Result<XquartzTcp> {
    stream.write_all(&HELLO)?;
    stream.flush()?;
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let [status, reason_length, major, minor, ..] = head;
    if u16::from_le_bytes([major, minor]) != 11 {
        return Ok(XquartzTcp::Other { reason: "it does not speak the X protocol".to_owned() });
    }
    match status {
        1 => Ok(XquartzTcp::LetsIn),
        0 => {
            let mut reason = vec![0; usize::from(reason_length)];
            stream.read_exact(&mut reason)?;
            let reason = String::from_utf8_lossy(&reason).trim().to_owned();
            // "Authorization required, but …", "Client is not authorized to connect to Server"; a full server says something else.
            Ok(if reason.contains("uthoriz") { XquartzTcp::WantsCookie { reason } } else { XquartzTcp::Other { reason } })
        }
        _ => Ok(XquartzTcp::WantsCookie { reason: "it asks for another kind of authorization".to_owned() }),
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write + ?Sized> ReadWrite for T {}
