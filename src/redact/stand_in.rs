//! The stand-ins: one for each private value, numbered by kind in the order in which the values were met.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::patterns::is_stand_in;
use super::vocabulary;

/// What a private value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A login name.
    User,
    /// A person's real name, or a part of it.
    Name,
    /// The name of a machine, without its domain.
    Host,
    /// A domain.
    Domain,
    /// A directory on the way to a home directory.
    Directory,
    /// An e-mail address, or the like of it (`user@machine`).
    Email,
    /// An IP address.
    Ip,
    /// The address of a network card.
    Mac,
    /// An identifier of hardware.
    Uuid,
    /// A serial number.
    Serial,
    /// A key, token, cookie, password or fingerprint.
    Key,
    /// The value of a variable that is nobody else's business.
    Value,
    /// A word that the user wants hidden.
    Hidden,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Name => "name",
            Self::Host => "host",
            Self::Domain => "domain",
            Self::Directory => "dir",
            Self::Email => "email",
            Self::Ip => "ip",
            Self::Mac => "mac",
            Self::Uuid => "uuid",
            Self::Serial => "serial",
            Self::Key => "key",
            Self::Value => "value",
            Self::Hidden => "hidden",
        }
    }
}

/// A stand-in that was given out.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) kind: Kind,
    /// The value as it was met first.
    pub(super) value: String,
    pub(super) stand_in: String,
}

/// The stand-ins that were given out, by their values in small letters.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    given: BTreeMap<String, Given>,
    counted: BTreeMap<Kind, usize>,
    taken: BTreeSet<String>,
}

impl StandIns {
    /// The stand-in of a value; capitals make no difference.
    pub(super) fn of(&mut self, kind: Kind, value: &str) -> String {
        if is_stand_in(value) {
            return value.to_owned();
        }
        let key = value.to_lowercase();
        if let Some(known) = self.given.get(&key) {
            return known.stand_in.clone();
        }
        let count = self.counted.entry(kind).or_default();
        let stand_in = loop {
            *count += 1;
            // Nearly always there is one user, whose stand-in reads best without a number.
            let one = matches!(kind, Kind::User) && *count == 1;
            let stand_in = if one { format!("<{}>", kind.word()) } else { format!("<{}-{count}>", kind.word()) };
            if !self.taken.contains(&stand_in) {
                break stand_in;
            }
        };
        self.given.insert(key, Given { kind, value: value.to_owned(), stand_in: stand_in.clone() });
        stand_in
    }

    /// The stand-in of a machine's name: of its first part and of its domain.
    pub(super) fn of_host(&mut self, name: &str) -> String {
        match name.split_once('.') {
            Some((label, domain)) if !domain.is_empty() => format!("{}.{}", self.of_host(label), self.of_domain(domain)),
            _ => self.of(Kind::Host, name),
        }
    }

    /// The stand-in of a domain; what stands for every home network is told.
    pub(super) fn of_domain(&mut self, domain: &str) -> String {
        if vocabulary::is_common(domain) || is_stand_in(domain) { domain.to_owned() } else { self.of(Kind::Domain, domain) }
    }

    /// All that were given out.
    pub(super) fn given(&self) -> impl Iterator<Item = &Given> {
        self.given.values()
    }

    /// Keeps a stand-in that stands in the text already from being given to another value.
    pub(super) fn take(&mut self, stand_in: &str) {
        self.taken.insert(stand_in.to_owned());
    }

    /// Each stand-in and its value.
    pub(super) fn map(&self) -> Value {
        let mut pairs: Vec<_> = self.given().map(|given| (given.stand_in.clone(), Value::from(given.value.as_str()))).collect();
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        pairs.into_iter().collect::<Map<_, _>>().into()
    }
}
