//! What is wrong: the kinds of finding, and one finding with its evidence and its cure.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A kind of finding, known before anything is looked at. Pages, `explain`, `list` and completions come from it.
///
/// An id, once released, is never used for something else.
#[derive(Debug, PartialEq, Eq)]
pub struct FindingKind {
    /// Kebab-case id that says what is wrong, such as `x11-cookie-missing`.
    pub id: &'static str,
    /// Short code to cite, `CD` and four digits; the first two tell the family.
    pub code: &'static str,
    /// The severity it has unless a finding says otherwise.
    pub severity: Severity,
    /// One line, no full stop, saying what is wrong and not what to do.
    pub title: &'static str,
    /// Why it matters: what the user sees because of it, and how it comes about.
    pub why: &'static str,
    /// What to do, in general. A finding's own advice is more precise.
    pub cure: &'static str,
    /// What it looks like: an error text or an excerpt of a file, as the user meets it.
    pub example: &'static str,
    /// Version of casa-doctor that first knew it.
    pub since: &'static str,
}

impl FindingKind {
    /// Starts a finding of this kind.
    #[must_use]
    pub fn found(&'static self) -> Finding {
        Finding {
            kind: self,
            severity: self.severity,
            title: None,
            evidence: Vec::new(),
            advice: Vec::new(),
            edits: Vec::new(),
            edited_by: Vec::new(),
            plugin: None,
            own: None,
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing fails because of it.
    Info,
    /// Something is slower, unsafe or will fail in another situation.
    Warning,
    /// Something that the user wants does not work.
    Error,
}

impl Severity {
    /// The word of the JSON document.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How much a piece of advice may be trusted to do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// `--fix` does it.
    Safe,
    /// `--fix` does it when the user agrees.
    Confirm,
    /// Only the user (or an administrator) can do it.
    Manual,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// What to do, as a sentence. Its first word tells how it belongs to the advice before it: "Then" begins the next step, "Also"
    /// something besides; any other is another way.
    pub text: String,
    /// The command that does it, ready to be pasted into a shell.
    pub command: Option<String>,
    /// Who may do it.
    pub safety: Safety,
}

/// Something wrong that was seen in the facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its kind.
    pub kind: &'static FindingKind,
    /// Its severity here.
    pub severity: Severity,
    /// A title more precise than the kind's, when there is one.
    pub title: Option<String>,
    /// What was seen, each a short statement with its source: `conf/casa_distro.json:7: "container_options" contains "--softgl"`.
    pub evidence: Vec<String>,
    /// What to do, the best first.
    pub advice: Vec<Advice>,
    /// Changes to configuration files that cure it.
    pub edits: Vec<Edit>,
    /// For each edit the index of the advice that it carries out.
    edited_by: Vec<usize>,
    /// Name of the plug-in that it comes from or is about.
    pub plugin: Option<String>,
    /// What a plug-in says in place of the kind.
    pub own: Option<Box<OwnWords>>,
}

/// The words of a finding that a plug-in gives: its kind only says that it comes from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnWords {
    /// Its id.
    pub id: String,
    /// Why it matters.
    pub why: String,
    /// Where to read more.
    pub docs: Option<String>,
}

impl Finding {
    /// Its id: that of its kind, or a plug-in's own.
    #[must_use]
    pub fn id(&self) -> &str {
        self.own.as_ref().map_or(self.kind.id, |own| &own.id)
    }

    /// Why it matters.
    #[must_use]
    pub fn why(&self) -> &str {
        self.own.as_ref().map_or(self.kind.why, |own| &own.why)
    }

    /// Says which plug-in it comes from or is about.
    #[must_use]
    pub fn by_plugin(mut self, name: impl Into<String>) -> Self {
        self.plugin = Some(name.into());
        self
    }

    /// Replaces the severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Replaces the kind's title by a more precise one.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Adds a piece of evidence.
    #[must_use]
    pub fn evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// Adds advice that the user must follow by hand.
    #[must_use]
    pub fn advise(mut self, text: impl Into<String>) -> Self {
        self.advice.push(Advice { text: text.into(), command: None, safety: Safety::Manual });
        self
    }

    /// Adds advice with a command for the user.
    #[must_use]
    pub fn advise_command(mut self, text: impl Into<String>, command: impl Into<String>) -> Self {
        self.advice.push(Advice { text: text.into(), command: Some(command.into()), safety: Safety::Manual });
        self
    }

    /// Adds the next step with its command: the word "Then" stands before it where another piece of advice does.
    #[must_use]
    pub fn then_command(self, text: &str, command: impl Into<String>) -> Self {
        let text = self.as_step(text);
        self.advise_command(text, command)
    }

    /// Adds the next step, without a command.
    #[must_use]
    pub fn then(self, text: &str) -> Self {
        let text = self.as_step(text);
        self.advise(text)
    }

    fn as_step(&self, text: &str) -> String {
        let mut letters = text.chars();
        match letters.next().filter(|_| !self.advice.is_empty()) {
            Some(first) => format!("Then {}{}", first.to_lowercase(), letters.as_str()),
            None => text.to_owned(),
        }
    }

    /// Adds a change that `--fix` makes, with the sentence that says so.
    #[must_use]
    pub fn fix(mut self, text: impl Into<String>, safety: Safety, edits: impl IntoIterator<Item = Edit>) -> Self {
        let index = self.advice.len();
        self.advice.push(Advice { text: text.into(), command: None, safety });
        self.edits.extend(edits);
        self.edited_by.resize(self.edits.len(), index);
        self
    }

    /// Each edit with the index of the advice that it carries out.
    pub fn repairs(&self) -> impl Iterator<Item = (usize, &Edit)> {
        self.edited_by.iter().copied().zip(&self.edits)
    }
}

/// A change to a configuration file, as data. It names places of the file *as it is now*: all edits of a file are resolved
/// before the first one is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// The file.
    pub file: PathBuf,
    /// JSON pointer (RFC 6901) of the key or list element.
    pub key: String,
    /// What happens to it.
    pub change: Change,
    /// Id of the finding that gives the reason, or `recommendation`.
    pub because: String,
}

/// What happens to a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// The key gets this value; missing parents are made as objects.
    Set {
        /// The value.
        to: Value,
    },
    /// The key or element goes away.
    Remove,
    /// The key gets another name and keeps its value, its place and every byte of it. When the new name exists already, both
    /// objects are merged and the existing entries win.
    Rename {
        /// The new name (one step, not a pointer).
        to: String,
    },
    /// The value is added at the end of the list at this place, which is made when missing.
    Append {
        /// The value.
        value: Value,
    },
}

impl Edit {
    /// An edit of one key.
    #[must_use]
    pub fn new(file: &Path, key: impl Into<String>, change: Change, because: &FindingKind) -> Self {
        Self { file: file.to_owned(), key: key.into(), change, because: because.id.to_owned() }
    }
}
