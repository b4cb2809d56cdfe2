//! Taking out what is private, before anything is shared.
//!
//! A [`Redactor`] first learns what is private: from the facts (user, home, machine names), from the host (real name, domain,
//! serial numbers) and from the shape of texts (addresses, keys, e-mail). Each value gets one stand-in, the same everywhere, so
//! that what belonged together still does. It then rewrites a whole document or the facts of a recording once; renderers never
//! see what was taken out.
//!
//! Structure stays: a home directory is still `/home/<user>`, a display keeps its number, `localhost` and the loopback addresses
//! are nobody's. The words of the format (ids, states, keys) are known from its schema and are never touched, whatever a user is
//! called.

mod forms;
mod learn;
mod patterns;
mod private;
mod replace;
mod stand_in;
#[cfg(test)]
mod tests;
mod tree;
mod variables;
mod vocabulary;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use casa_doctor_checks::facts::Facts;
use serde_json::Value;

pub(crate) use private::Private;
pub(crate) use variables::{hide_secrets, hide_secrets_in_texts};

use self::learn::Learnt;
use self::replace::Replacer;
use self::stand_in::StandIns;
use self::tree::{Place, Shape};
use crate::report::Document;
use crate::tree_of_json;

/// Knows what is private on one machine, and takes it out.
pub(crate) struct Redactor {
    stand_ins: RefCell<StandIns>,
    replacer: Replacer,
    /// Identifiers that look like those of hardware and are those of images.
    public_ids: BTreeSet<String>,
    /// Names that are too short or too common to be looked for in prose, and are replaced where they stand alone as a name.
    only_as_names: Vec<(String, String)>,
    /// What became of texts that mean the same wherever they stand: a report tells most of them several times.
    known: RefCell<HashMap<String, Option<String>>>,
}

impl Redactor {
    /// Learns what is private in these facts and on their machine. Every text of `hide` is taken out, too.
    pub(crate) fn new(facts: &Facts, private: &Private, hide: &[String]) -> Self {
        let mut value = tree_of_json::from(facts).unwrap_or_default();
        Self::learn(&mut value, Shape::Facts, private, hide)
    }

    /// The same for a finished document, which may tell more than its facts (measurements, a launch).
    pub(crate) fn of_document(document: &Document, private: &Private, hide: &[String]) -> Self {
        let mut value = tree_of_json::from(document).unwrap_or_default();
        Self::learn(&mut value, Shape::Document, private, hide)
    }

    fn learn(value: &mut Value, shape: Shape, private: &Private, hide: &[String]) -> Self {
        let Learnt { stand_ins, literals, public_ids, only_as_names } = learn::learn(value, shape, private, hide);
        Self {
            stand_ins: RefCell::new(stand_ins),
            replacer: Replacer::new(literals),
            public_ids,
            only_as_names,
            known: RefCell::default(),
        }
    }

    /// The facts without what is private, for a recording.
    ///
    /// # Errors
    ///
    /// None in practice: only texts change, and those of a closed list of words do not.
    pub(crate) fn facts(&self, facts: &Facts) -> serde_json::Result<Facts> {
        let mut value = tree_of_json::from(facts)?;
        self.value(&mut value, Shape::Facts);
        tree_of_json::into(&value)
    }

    /// The document without what is private.
    ///
    /// # Errors
    ///
    /// None in practice, as for [`Self::facts`].
    pub(crate) fn document(&self, document: &Document) -> serde_json::Result<Document> {
        let mut value = tree_of_json::from(document)?;
        self.value(&mut value, Shape::Document);
        tree_of_json::into(&value)
    }

    /// A text without what is private: a line of standard error, a configuration file.
    pub(crate) fn text(&self, text: &str) -> String {
        self.at(&Place::default(), text).unwrap_or_else(|| text.to_owned())
    }

    /// Each stand-in and what it stands for, to be kept by the user alone.
    pub(crate) fn map(&self) -> Value {
        self.stand_ins.borrow().map()
    }

    fn value(&self, value: &mut Value, shape: Shape) {
        tree::walk(value, shape, &mut |place, text| self.at(place, text));
    }

    /// The text as it may be told at this place; `None` when it stays as it is.
    fn at(&self, place: &Place<'_>, text: &str) -> Option<String> {
        // The number of a display stays, whatever its host is called.
        if place.holds_a_display()
            && let Some((host, number)) = text.rsplit_once(':').filter(|(host, number)| is_display(host, number))
        {
            let place = Place { key: "host", ..Place::default() };
            return self.at(&place, host).map(|host| format!("{host}:{number}"));
        }
        if !place.is_plain() {
            return self.told(place, text);
        }
        if let Some(known) = self.known.borrow().get(text) {
            return known.clone();
        }
        let told = self.told(place, text);
        self.known.borrow_mut().insert(text.to_owned(), told.clone());
        told
    }

    fn told(&self, place: &Place<'_>, text: &str) -> Option<String> {
        if text.is_empty() || place.holds_a_picture(text) {
            return None;
        }
        if place.holds_a_name()
            && let Some((_, stand_in)) = self.only_as_names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text))
        {
            return Some(stand_in.clone());
        }
        let pointer = self.pointers_to_decisions(text);
        let told = self.told_by_words(place, pointer.as_deref().unwrap_or(text));
        told.or(pointer)
    }

    /// The text with a stand-in for every machine that a pointer to a recorded decision names, whatever the machine is called;
    /// `None` when there is none.
    fn pointers_to_decisions(&self, text: &str) -> Option<String> {
        let name = Place { key: "hostname", ..Place::default() };
        let above = format!("{}/", tree::DECISIONS);
        let mut parts = text.split_inclusive(above.as_str());
        let mut told = parts.next()?.to_owned();
        for part in parts {
            let end = part.find(|c: char| c == '/' || c == '"' || c.is_whitespace()).unwrap_or(part.len());
            let (machine, rest) = part.split_at(end);
            told.push_str(&self.at(&name, machine).unwrap_or_else(|| machine.to_owned()));
            told.push_str(rest);
        }
        (told != text).then_some(told)
    }

    fn told_by_words(&self, place: &Place<'_>, text: &str) -> Option<String> {
        let mut stand_ins = self.stand_ins.borrow_mut();
        let masked = variables::mask(place, text, &mut stand_ins);
        let masked_text = masked.as_deref().unwrap_or(text);
        let replaced = self.replacer.replace(masked_text, place, &self.public_ids, &mut stand_ins);
        replaced.or(masked)
    }
}

/// Whether two parts are the host and the number of a display, perhaps with that of a screen.
fn is_display(host: &str, number: &str) -> bool {
    let is_host = !host.contains(':') || host.starts_with('[') || host.parse::<std::net::Ipv6Addr>().is_ok();
    is_host && number.starts_with(|c: char| c.is_ascii_digit()) && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
