//! `casa-doctor explain --log`: the known failures that a program's error output names.

use std::io::Read;

use casa_doctor_checks::log::{Diagnosis, Reader};
use owo_colors::Style;
use serde::Serialize;

use crate::report::human::HumanOptions;
use crate::report::page::Page;
use crate::report::text::plural;
use crate::report::{SchemaVersion, Tool};
use casa_doctor_checks::finding::Severity;

/// What was recognised in a log, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct LogDoc {
    schema_version: SchemaVersion,
    tool: Tool,
    diagnoses: Vec<DiagnosisDoc>,
}

/// One recognised failure.
#[derive(Debug, Serialize)]
struct DiagnosisDoc {
    id: &'static str,
    /// Id of the finding that casa-doctor gives when it sees the same on the machine itself; `null` when it has none, or when
    /// the message is harmless.
    finding: Option<&'static str>,
    severity: Severity,
    harmless: bool,
    line: usize,
    count: usize,
    excerpt: String,
    values: Vec<(&'static str, String)>,
    cause: &'static str,
    cure: &'static str,
    confirm: &'static str,
    consequence_of: Option<&'static str>,
}

/// Reads a log to its end.
///
/// # Errors
///
/// When the log cannot be read.
pub(crate) fn read(mut log: impl Read) -> std::io::Result<Vec<Diagnosis>> {
    let mut reader = Reader::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match log.read(&mut buffer) {
            Ok(0) => return Ok(reader.finish()),
            Ok(length) => reader.push_bytes(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// For JSON.
pub(crate) fn document(diagnoses: &[Diagnosis]) -> LogDoc {
    let told = |diagnosis: &Diagnosis| DiagnosisDoc {
        id: diagnosis.pattern.id,
        finding: diagnosis.pattern.finding,
        severity: diagnosis.severity,
        harmless: diagnosis.pattern.is_harmless(),
        line: diagnosis.line,
        count: diagnosis.count,
        excerpt: diagnosis.excerpt.clone(),
        values: diagnosis.captures.0.clone(),
        cause: diagnosis.pattern.cause,
        cure: diagnosis.pattern.cure,
        confirm: diagnosis.pattern.confirm,
        consequence_of: diagnosis.consequence_of,
    };
    LogDoc { schema_version: SchemaVersion::V1, tool: Tool::this(), diagnoses: diagnoses.iter().map(told).collect() }
}

/// For a person.
pub(crate) fn render(diagnoses: &[Diagnosis], options: &HumanOptions) -> String {
    let mut page = Page::new(options.color, options.unicode, options.width);
    let (consequences, roots): (Vec<&Diagnosis>, Vec<_>) = diagnoses.iter().partition(|found| found.consequence_of.is_some());
    let (harmless, roots): (Vec<&Diagnosis>, Vec<_>) = roots.into_iter().partition(|found| found.pattern.is_harmless());
    if roots.is_empty() {
        page.prose("", "", "No message in this log is one that casa-doctor knows as a failure.", page.styles.strong);
        page.prose("", "", "That does not mean that nothing is wrong: `casa-doctor` looks at the machine itself.", Style::new());
    }
    for found in roots {
        page.gap();
        let head = format!("{} {}: ", page.symbols.severity(found.severity), found.severity.word());
        let finding = found.pattern.finding;
        let id = finding.map_or_else(|| format!("({})", found.pattern.id), |id| format!("[{id}]"));
        page.headline(&head, &format!("{} {id}", found.excerpt), page.styles.severity(found.severity), page.styles.strong);
        let times = if found.count > 1 { format!(", {} in all", plural(found.count, "message")) } else { String::new() };
        page.labelled("seen:", &format!("line {}{times}", found.line), 2);
        page.labelled("why:", found.pattern.cause, 2);
        page.labelled("do:", found.pattern.cure, 2);
        page.labelled("look:", found.pattern.confirm, 2);
        if let Some(id) = finding {
            page.command("            ", &format!("casa-doctor explain {id}"));
        }
    }
    for (title, group) in [("Messages that only follow from these:", consequences), ("Harmless messages:", harmless)] {
        if !group.is_empty() {
            page.gap();
            page.prose("", "", title, page.styles.strong);
            for found in group {
                page.prose("  ", "    ", &format!("line {}: {}", found.line, found.excerpt), page.styles.quiet);
            }
        }
    }
    page.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "starting\nAuthorization required, but no authorization protocol specified\nError: Can't open display: :0\n";

    #[test]
    fn a_known_message_is_named_with_its_cure_and_an_unknown_one_is_not() {
        let options = crate::report::samples::PLAIN;
        let found = read(LOG.as_bytes()).unwrap();
        let text = render(&found, &options);
        assert!(text.contains("x11-cookie-missing") && text.contains("do:"), "{text}");
        let nothing = render(&read("all is well\n".as_bytes()).unwrap(), &options);
        assert!(nothing.contains("No message in this log"), "{nothing}");
    }
}
