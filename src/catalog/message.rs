//! A known message of a program, told without a log: what `explain --log` says of it.

use casa_doctor_checks::finding::Severity;
use casa_doctor_checks::log::{Pattern, patterns};
use owo_colors::Style;
use serde::Serialize;

use crate::report::page::Page;

/// A message as `explain` tells it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MessageEntry {
    id: &'static str,
    /// Id of the finding that casa-doctor gives when it sees the same on the machine itself; `null` when only a log shows it.
    finding: Option<&'static str>,
    severity: Severity,
    harmless: bool,
    cause: &'static str,
    cure: &'static str,
    confirm: &'static str,
}

impl From<&Pattern> for MessageEntry {
    fn from(known: &Pattern) -> Self {
        Self {
            id: known.id,
            finding: known.finding,
            severity: known.severity,
            harmless: known.is_harmless(),
            cause: known.cause,
            cure: known.cure,
            confirm: known.confirm,
        }
    }
}

/// The message that is called so, in any case of letters.
pub(super) fn find(name: &str) -> Option<&'static Pattern> {
    patterns().find(|known| known.id.eq_ignore_ascii_case(name))
}

/// What the messages are called.
pub(super) fn ids<'a>() -> impl Iterator<Item = &'a str> {
    patterns().map(|known| known.id)
}

/// For a person.
pub(super) fn explain(page: &mut Page, known: &Pattern) {
    let head = format!("{} {}: ", page.symbols.severity(known.severity), known.severity.word());
    let text = format!("A message of a program [{}]", known.id);
    page.headline(&head, &text, page.styles.severity(known.severity), page.styles.strong);
    page.prose("  ", "  ", about(known), page.styles.quiet);
    for (heading, text) in
        [("Why it is printed", known.cause), ("What to do", known.cure), ("What would confirm it", known.confirm)]
    {
        page.heading(heading);
        page.prose("  ", "  ", text, Style::new());
    }
    if let Some(finding) = known.finding {
        page.gap();
        page.command("", &format!("casa-doctor explain {finding}"));
    }
}

/// For a page.
pub(super) fn markdown(known: &Pattern) -> String {
    let Pattern { id, cause, cure, confirm, .. } = known;
    let about = about(known);
    let finding = known.finding.map(|finding| format!("\nOn the machine: `{finding}`\n")).unwrap_or_default();
    format!(
        "# {id}\n\n{about}\n\n## Why it is printed\n\n{cause}\n\n## What to do\n\n{cure}\n\n## What would confirm it\n\n{confirm}\n{finding}"
    )
}

fn about(known: &Pattern) -> &'static str {
    match known.finding {
        Some(_) => {
            "`casa-doctor explain --log FILE` knows it in a program's error output; on the machine itself casa-doctor finds it, too."
        }
        None if known.is_harmless() => {
            "`casa-doctor explain --log FILE` knows it in a program's error output. Nothing has to be done about it."
        }
        None => "`casa-doctor explain --log FILE` knows it in a program's error output, which is the only place where it shows.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::explain::Explanation;
    use crate::report::samples::PLAIN;

    #[test]
    fn every_message_can_be_explained_and_names_only_findings_that_a_check_gives() {
        let catalog = Catalog::registered();
        for known in patterns() {
            let told = Explanation::find(&catalog, &[], known.id).unwrap_or_else(|error| panic!("{}: {error}", known.id));
            assert!(told.render(&PLAIN).contains(known.id), "{}", known.id);
            if let Some(finding) = known.finding {
                let is_given = catalog.kinds().iter().any(|(kind, _)| kind.id == finding);
                assert!(is_given, "{} names {finding}, which no check gives", known.id);
            }
        }
    }

    #[test]
    fn one_that_only_a_log_shows() {
        let told = Explanation::find(&Catalog::registered(), &[], "GL-VGL-NOX").unwrap();
        let value = serde_json::to_value(told.document()).unwrap();
        assert_eq!((&value["message"]["id"], &value["message"]["finding"]), (&"gl-vgl-nox".into(), &serde_json::Value::Null));
        assert!(value["finding"].is_null() && value["message"]["harmless"] == false);
        assert!(told.markdown().contains("vglserver_config"));
    }
}
