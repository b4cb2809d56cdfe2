//! The authority file of the X Window System: reading, choosing and writing entries.
//!
//! Format (libXau): a sequence of entries, each a big-endian `u16` family followed by four strings, each a big-endian `u16`
//! length and bytes: address, display number in ASCII, name of the protocol, data. Nothing here prints a cookie: the data
//! of an [`Entry`] has no `Debug` and is cleared when dropped.

/// Family of an entry that is for any address.
const FAMILY_WILD: u16 = 0xffff;
/// Family of an entry for a local socket; its address is the machine's name.
const FAMILY_LOCAL: u16 = 0x0100;
/// The one protocol that every X server knows.
const MIT_MAGIC_COOKIE_1: &[u8] = b"MIT-MAGIC-COOKIE-1";
/// Families of IPv4 and IPv6 addresses.
const FAMILY_INTERNET: u16 = 0;
const FAMILY_INTERNET6: u16 = 6;

/// The secret of an entry. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// The bytes, for sending them to the X server or writing them to a private file.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} secret bytes)", self.0.len())
    }
}

/// An entry of an authority file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Address family.
    pub(crate) family: u16,
    /// Address: the machine's name for a local entry, packed bytes for an internet one.
    pub(crate) address: Vec<u8>,
    /// Display number in ASCII; empty means any.
    pub(crate) number: Vec<u8>,
    /// Name of the protocol.
    pub(crate) name: Vec<u8>,
    /// The cookie.
    pub(crate) data: Secret,
}

/// How an entry relates to a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is for this display.
    Matches,
    /// It is for a local display of this number, under another machine's name.
    OtherHost,
    /// It is for another display.
    Foreign,
}

impl Entry {
    /// How the entry relates to display `number`, reached under `hostname` (this machine's name for local displays and for
    /// `localhost`, as libxcb does) or under one of `addresses`.
    pub(crate) fn relation(&self, number: u16, hostname: &[u8], addresses: &[std::net::IpAddr]) -> Relation {
        if !self.number.is_empty() && self.number != number.to_string().as_bytes() {
            return Relation::Foreign;
        }
        match self.family {
            FAMILY_WILD => Relation::Matches,
            FAMILY_LOCAL if self.address == hostname => Relation::Matches,
            FAMILY_LOCAL => Relation::OtherHost,
            FAMILY_INTERNET | FAMILY_INTERNET6 => {
                let ours = addresses.iter().any(|address| match address {
                    std::net::IpAddr::V4(v4) => self.address == v4.octets(),
                    std::net::IpAddr::V6(v6) => self.address == v6.octets(),
                });
                if ours { Relation::Matches } else { Relation::Foreign }
            }
            _ => Relation::Foreign,
        }
    }

    /// Whether it is for the local displays of one machine, whatever its name.
    pub(crate) fn is_local(&self) -> bool {
        self.family == FAMILY_LOCAL
    }

    /// Whether it is a cookie that an X server understands without further negotiation.
    pub(crate) fn is_magic_cookie(&self) -> bool {
        self.name == MIT_MAGIC_COOKIE_1
    }

    /// The same cookie for any address: what a container needs, whose machine name may be another.
    pub(crate) fn for_any_address(&self) -> Self {
        Self { family: FAMILY_WILD, address: Vec::new(), ..self.clone() }
    }
}

/// Reads an authority file, up to the first entry that is cut short, as libXau does. `None` when that is the very first one: it is
/// something else.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut rest = bytes;
    let mut entries = Vec::new();
    while let Some(entry) = take_entry(&mut rest) {
        entries.push(entry);
    }
    (bytes.is_empty() || !entries.is_empty()).then_some(entries)
}

fn take_entry(rest: &mut &[u8]) -> Option<Entry> {
    let family = take_u16(rest)?;
    let [address, number, name, data] = [take_string(rest)?, take_string(rest)?, take_string(rest)?, take_string(rest)?];
    Some(Entry { family, address, number, name, data: Secret(data) })
}

/// Writes an authority file.
pub(crate) fn serialize(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(entry.family.to_be_bytes());
        for string in [&entry.address, &entry.number, &entry.name, &entry.data.0] {
            // The parser read the length from a u16, so it fits.
            bytes.extend(u16::try_from(string.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend(string);
        }
    }
    bytes
}

fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    let (head, tail) = rest.split_first_chunk::<2>()?;
    *rest = tail;
    Some(u16::from_be_bytes(*head))
}

fn take_string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::from(take_u16(rest)?);
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(family: u16, address: &[u8], number: &[u8]) -> Entry {
        Entry {
            family,
            address: address.into(),
            number: number.into(),
            name: MIT_MAGIC_COOKIE_1.into(),
            data: Secret(vec![238; 16]),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let entries =
            [entry(FAMILY_LOCAL, b"host", b"0"), entry(FAMILY_WILD, b"", b""), entry(FAMILY_INTERNET, &[127, 0, 0, 1], b"10")];
        assert_eq!(parse(&serialize(&entries)).unwrap(), entries);
    }

    #[test]
    fn a_file_cut_anywhere_is_no_authority_file() {
        let bytes = serialize(&[entry(FAMILY_LOCAL, b"host", b"0")]);
        for length in 1..bytes.len() {
            assert!(parse(&bytes[..length]).is_none(), "cut at {length}");
        }
    }

    #[test]
    fn what_stands_before_a_cut_counts() {
        let whole = entry(FAMILY_LOCAL, b"host", b"0");
        let bytes = serialize(&[whole.clone(), entry(FAMILY_LOCAL, b"host", b"1")]);
        for cut in 1..bytes.len() / 2 {
            assert_eq!(parse(&bytes[..bytes.len() - cut]).unwrap(), std::slice::from_ref(&whole));
        }
    }

    #[test]
    fn an_entry_is_matched_by_number_and_name() {
        let local = entry(FAMILY_LOCAL, b"host", b"5");
        assert_eq!(local.relation(5, b"host", &[]), Relation::Matches);
        assert_eq!(local.relation(5, b"renamed", &[]), Relation::OtherHost);
        assert_eq!(local.relation(6, b"host", &[]), Relation::Foreign);
        assert_eq!(local.for_any_address().relation(5, b"renamed", &[]), Relation::Matches);
        assert_eq!(entry(FAMILY_WILD, b"", b"").relation(77, b"x", &[]), Relation::Matches);
        let v4 = entry(FAMILY_INTERNET, &[10, 0, 0, 1], b"0");
        assert_eq!(v4.relation(0, b"host", &["10.0.0.1".parse().unwrap()]), Relation::Matches);
        assert_eq!(v4.relation(0, b"host", &[]), Relation::Foreign);
    }

    #[test]
    fn a_cookie_is_not_printed() {
        assert!(!format!("{:?}", entry(FAMILY_WILD, b"", b"0")).contains("238"));
    }
}
