//! `casa-doctor report -o FILE`: a support ticket in one file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use casa_doctor_checks::facts::ConfigFile;
use casa_doctor_checks::finding::Edit;

use super::args::{Format, Options};
use super::conclude::conclude;
use super::diagnose::{Diagnosis, examine};
use super::repair::Planned;
use super::{Failure, share};
use crate::casa_distro::hide_secrets_in_text;
use crate::catalog::Selection;
use crate::fix;
use crate::host::Host;
use crate::output;
use crate::recording::Recording;
use crate::redact::Redactor;
use crate::report::ticket::{self, Config, Material, Part};
use crate::report::{ExitStatus, Source, html, markdown};

/// No configuration comes near this.
const LARGEST_CONFIG: u64 = 1 << 20;

/// The kinds of file that a ticket can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zip,
    Markdown,
    Html,
}

impl Kind {
    /// What the name of the file asks for.
    fn of(file: Option<&Path>) -> Result<Self, Failure> {
        let three = "the file's name tells what the ticket becomes: -o FILE.zip, -o FILE.md or -o FILE.html";
        let Some(file) = file else { return Err(Failure::usage(anyhow::anyhow!("report needs a file to write; {three}"))) };
        match file.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("zip") => Ok(Self::Zip),
            Some("md") => Ok(Self::Markdown),
            Some("html") => Ok(Self::Html),
            _ => Err(Failure::usage(anyhow::anyhow!("{}: a ticket is no such file; {three}", file.display()))),
        }
    }

    /// Refuses a format that the file does not have. `human` is the default, and nobody's wish; an archive holds three.
    fn check(self, format: Format) -> Result<(), Failure> {
        let holds: &[Format] = match self {
            Self::Zip => &[Format::Html, Format::Markdown, Format::Json],
            Self::Markdown => &[Format::Markdown],
            Self::Html => &[Format::Html],
        };
        if format == Format::Human || holds.contains(&format) {
            return Ok(());
        }
        Err(Failure::usage(anyhow::anyhow!(
            "the name of the file says what the ticket becomes, and --format {} says something else: leave --format out, or write the \
             report with \"casa-doctor --format {0} -o FILE\"",
            format.name()
        )))
    }
}

/// Looks, takes out what is private, writes the ticket, and tells what is in it.
pub(super) fn report(host: Arc<dyn Host>, options: &Options, env: Option<OsString>) -> Result<ExitStatus, Failure> {
    let kind = Kind::of(options.output.as_deref())?;
    kind.check(options.format)?;
    let file = options.output.clone().unwrap_or_default();
    let (diagnosis, selection) = examine(&host, options, env)?;
    let mut document = diagnosis.document(host.as_ref());
    document.plan = diagnosis.plan().document(&diagnosis.facts);
    conclude(host.as_ref(), options, &selection, &mut document)?;

    let redactor = share::redactor_for_others(host.as_ref(), options, &document);
    let shared = redactor.document(&document)?;
    let parts = match kind {
        Kind::Markdown => vec![Part::new("", "the report", markdown::render(&shared))],
        Kind::Html => vec![Part::new("", "the report", html::render(&shared)?)],
        Kind::Zip => {
            let facts = redactor.facts(&diagnosis.facts)?;
            let recording = Recording { redacted: true, ..Recording::new(facts, host.now()) };
            let configs = configs(&host, options, &selection, &diagnosis, &redactor);
            ticket::parts(&Material { document: &shared, recording: &recording, configs: &configs })?
        }
    };
    let bytes = match kind {
        Kind::Zip => ticket::archive(&parts)?,
        Kind::Markdown | Kind::Html => parts.iter().flat_map(|part| part.bytes.clone()).collect(),
    };
    output::file_of_bytes(&file, &bytes)?;
    share::write_map(options, &redactor)?;
    if !options.quiet {
        output::notice(&told(kind, &file, &parts, bytes.len()).join("\n"));
    }
    Ok(document.exit_status)
}

/// What is in the file, and how it reaches those who help.
fn told(kind: Kind, file: &Path, parts: &[Part], size: usize) -> Vec<String> {
    /// What a comment of GitHub may hold, in characters; other trackers take more.
    const LONGEST_COMMENT: usize = 65_536;
    let mut lines = vec![format!("{} ({}) is written; nothing was sent.", file.display(), size_text(size))];
    if kind == Kind::Zip {
        lines.push("In it:".to_owned());
        lines.extend(parts.iter().map(|part| format!("  {:<32} {:>9}  {}", part.name, size_text(part.bytes.len()), part.about)));
    }
    lines.push(
        "Names of users, machines and home directories, addresses, keys and serial numbers were replaced as far as they were \
         recognised. The names of other directories and of files are in it as they are, because faults show in them. Read it before \
         you send it; --hide WORD takes out more."
            .to_owned(),
    );
    lines.push(
        match kind {
            Kind::Zip => "To attach it: drag the file into the text field of the ticket or forum, or add it to your e-mail.",
            Kind::Html => "To attach it: add the file to the ticket or e-mail; whoever gets it opens it in a browser.",
            Kind::Markdown if size < LONGEST_COMMENT => {
                "To attach it: paste its text into the ticket, or add the file to your e-mail."
            }
            Kind::Markdown => "To attach it: add the file to the ticket or e-mail; it is too long for a comment.",
        }
        .to_owned(),
    );
    lines
}

/// A size for people.
fn size_text(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// The configuration files as they are and as `--fix` would leave them, without secrets and without what is private.
fn configs(
    host: &Arc<dyn Host>,
    options: &Options,
    selection: &Selection,
    diagnosis: &Diagnosis,
    redactor: &Redactor,
) -> Vec<Config> {
    let Some(environment) = diagnosis.environment() else { return Vec::new() };
    let files = [("casa_distro.json", Some(&environment.file)), ("user.json", environment.user_file.as_ref())];
    let now: BTreeMap<PathBuf, String> = files
        .iter()
        .filter_map(|(_, file)| *file)
        .filter_map(|file| Some((file.path.clone(), text(host.as_ref(), diagnosis.source, file)?)))
        .collect();
    let fixed = match diagnosis.source {
        Source::Live => planned(host, options, selection, diagnosis),
        Source::Recording => edited(&now, &diagnosis.plan().edits(|_| true)),
    };
    let shown = |text: &str| redactor.text(&hide_secrets_in_text(text));
    files
        .into_iter()
        .filter_map(|(name, file)| {
            let path = &file?.path;
            let old = now.get(path)?;
            Some(Config { name, now: shown(old), fixed: fixed.get(path).filter(|new| *new != old).map(|new| shown(new)) })
        })
        .collect()
}

/// The text of a configuration file: the file's own, or, of another machine, what was recorded of it.
fn text(host: &dyn Host, source: Source, file: &ConfigFile) -> Option<String> {
    match source {
        Source::Live => host.read_text(&file.path, LARGEST_CONFIG).ok(),
        Source::Recording => {
            let mut text = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
            serde::Serialize::serialize(file.value.as_ref()?, &mut serializer).ok()?;
            String::from_utf8(text).ok().map(|text| text + "\n")
        }
    }
}

/// What `--fix` would write, by file.
fn planned(host: &Arc<dyn Host>, options: &Options, selection: &Selection, diagnosis: &Diagnosis) -> BTreeMap<PathBuf, String> {
    match Planned::new(host, options, diagnosis, |_| true, selection) {
        Ok(planned) => planned.changes.into_iter().map(|change| (change.path, change.new)).collect(),
        Err(failure) => {
            output::notice(&format!("the ticket has no fixed configuration: {:#}", failure.error));
            BTreeMap::new()
        }
    }
}

/// The same for a recording, whose files are not at hand: its edits, made on what was recorded.
fn edited(now: &BTreeMap<PathBuf, String>, edits: &[Edit]) -> BTreeMap<PathBuf, String> {
    let edit = |(path, text): (&PathBuf, &String)| {
        let own: Vec<Edit> = edits.iter().filter(|edit| edit.file == *path).cloned().collect();
        match fix::apply(text, &own) {
            Ok(new) => Some((path.clone(), new)),
            Err(error) => {
                output::notice(&format!("the ticket has no fixed {}: {error}", path.display()));
                None
            }
        }
    };
    now.iter().filter_map(edit).collect()
}
