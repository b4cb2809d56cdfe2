//! What a known message looks like and what it means.

use crate::finding::Severity;

/// A known message of a program, an engine, a driver or a server.
#[derive(Debug)]
pub struct Pattern {
    /// Kebab-case id, unique among patterns.
    pub id: &'static str,
    /// Number of the failure in the project's catalogue of real failures (1 to 120), 0 when it is not in it.
    pub case: u16,
    /// Other failures of the catalogue that show the same text: the machine tells them apart, the text does not.
    pub also: &'static [u16],
    /// Id of the finding that a diagnosis of the machine would give; none when only a log shows it, and for a harmless message.
    pub finding: Option<&'static str>,
    /// How bad it is on its own.
    pub severity: Severity,
    /// Whether a program that prints it usually ends because of it.
    pub fatal: bool,
    /// What it looks like.
    pub matcher: Texts,
    /// What the captured values must fulfil besides, such as a display that is on another computer.
    pub when: Option<fn(&Captures) -> bool>,
    /// Patterns beside which this one says nothing new: it is left out when one of them is near.
    pub yields_to: &'static [&'static str],
    /// Patterns of which this one is a consequence when one of them is near.
    pub follows: &'static [&'static str],
    /// Why the message is printed.
    pub cause: &'static str,
    /// What to do.
    pub cure: &'static str,
    /// Which fact of the machine would confirm the cause, in words.
    pub confirm: &'static str,
}

impl Pattern {
    /// What a family's table leaves out.
    pub(super) const BLANK: Self = Self {
        id: "",
        case: 0,
        also: &[],
        finding: None,
        severity: Severity::Error,
        fatal: false,
        matcher: Texts::Any(&[]),
        when: None,
        yields_to: &[],
        follows: &[],
        cause: "",
        cure: "",
        confirm: "",
    };

    /// Whether nothing needs to be done about it.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        self.finding.is_none() && matches!(self.severity, Severity::Info)
    }

    /// The numbers of the catalogued failures that show this text, none when it is not in the catalogue.
    pub fn cases(&self) -> impl Iterator<Item = u16> {
        [self.case].into_iter().chain(self.also.iter().copied()).filter(|case| *case != 0)
    }
}

/// Ids are unique, and functions cannot be compared.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// The texts by which a message is known. The notation of templates is described in the module `template`.
#[derive(Debug)]
pub enum Texts {
    /// One of these stands on a line.
    Any(&'static [&'static str]),
    /// The templates of one of these sequences stand on lines close to each other, in this order.
    Sequences(&'static [&'static [&'static str]]),
}

impl Texts {
    /// Every sequence of templates; a template of [`Texts::Any`] is a sequence of one.
    pub(super) fn sequences(&self) -> Vec<Vec<&'static str>> {
        match self {
            Self::Any(texts) => texts.iter().map(|text| vec![*text]).collect(),
            Self::Sequences(sequences) => sequences.iter().map(|sequence| sequence.to_vec()).collect(),
        }
    }
}

/// The values that a template captured, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures(pub Vec<(&'static str, String)>);

impl Captures {
    /// The value of a name, when it was captured.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}
