//! `casa-doctor explain ID`: one check or one kind of finding, without looking at anything.

use casa_doctor_checks::check::Check;
use casa_doctor_checks::finding::FindingKind;
use casa_doctor_checks::log::Pattern;
use casa_doctor_checks::plugin::belongs_to;
use owo_colors::Style;
use serde::Serialize;

use super::message::{self, MessageEntry};
use super::select::{SelectError, unknown};
use super::{Catalog, CheckEntry, FindingEntry, PluginEntry, pages};
use crate::plugins::Candidate;
use crate::report::human::HumanOptions;
use crate::report::page::Page;
use crate::report::{SchemaVersion, Tool};

/// What an id, or a code, stands for: a check, a kind of finding, one of each, or else a plug-in, a finding of its, or a
/// known message of a program.
#[derive(Debug, Clone)]
pub(crate) struct Explanation {
    check: Option<&'static Check>,
    finding: Option<(&'static FindingKind, Vec<&'static Check>)>,
    plugin: Option<Candidate>,
    message: Option<&'static Pattern>,
}

/// An explanation in JSON: every key is there, and `null` for what the id does not stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ExplanationDoc {
    schema_version: SchemaVersion,
    tool: Tool,
    check: Option<CheckEntry>,
    finding: Option<FindingEntry>,
    plugin: Option<PluginEntry>,
    message: Option<MessageEntry>,
}

impl Explanation {
    /// Looks an id or a code up, in any case of letters.
    ///
    /// # Errors
    ///
    /// [`SelectError::Unknown`] when nothing is called so, [`SelectError::IsCategory`] when a category is.
    pub(crate) fn find(catalog: &Catalog, plugins: &[Candidate], name: &str) -> Result<Self, SelectError> {
        let name = name.trim();
        let check = catalog.checks().find(|check| check.id.eq_ignore_ascii_case(name));
        let is_called = |kind: &FindingKind| kind.id.eq_ignore_ascii_case(name) || kind.code.eq_ignore_ascii_case(name);
        let finding = catalog.kinds().into_iter().find(|(kind, _)| is_called(kind));
        let owners = plugins.iter().filter(|plugin| belongs_to(name, &plugin.name));
        let plugin = owners.max_by_key(|plugin| plugin.name.len()).filter(|_| check.is_none() && finding.is_none());
        let message = message::find(name).filter(|_| check.is_none() && finding.is_none() && plugin.is_none());
        if check.is_none() && finding.is_none() && plugin.is_none() && message.is_none() {
            let of_category = |check: &&'static Check| check.category.word().eq_ignore_ascii_case(name);
            let checks: Vec<_> = catalog.checks().filter(of_category).map(|check| check.id).collect();
            return Err(match checks.is_empty() {
                true => {
                    let plugins = plugins.iter().map(|plugin| plugin.name.as_str());
                    unknown(catalog, plugins.chain(message::ids()), name)
                }
                false => SelectError::IsCategory { name: name.to_owned(), checks },
            });
        }
        Ok(Self { check, finding, plugin: plugin.cloned(), message })
    }

    /// For JSON.
    pub(crate) fn document(&self) -> ExplanationDoc {
        ExplanationDoc {
            schema_version: SchemaVersion::V1,
            tool: Tool::this(),
            check: self.check.map(|check| CheckEntry::new(check, check.findings.iter().copied())),
            finding: self.finding.as_ref().and_then(|(kind, checks)| FindingEntry::new(kind, checks)),
            plugin: self.plugin.as_ref().map(PluginEntry::from),
            message: self.message.map(MessageEntry::from),
        }
    }

    /// For a person.
    pub(crate) fn render(&self, options: &HumanOptions) -> String {
        let mut page = Page::new(options.color, options.unicode, options.width);
        if let Some((kind, checks)) = &self.finding {
            explain_finding(&mut page, kind, checks);
        }
        if let Some(check) = self.check {
            page.gap();
            explain_check(&mut page, check);
        }
        if let Some(plugin) = &self.plugin {
            explain_plugin(&mut page, plugin);
        }
        if let Some(message) = self.message {
            message::explain(&mut page, message);
        }
        page.into_text()
    }

    /// The pages about what it stands for; of a check, those of all that it may find.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        if let Some((kind, checks)) = &self.finding {
            text.push_str(&pages::page(kind, checks));
        }
        if let Some(check) = self.check {
            let kinds = check.findings.iter().filter(|kind| self.finding.as_ref().is_none_or(|(told, _)| told != *kind));
            text.extend(kinds.map(|kind| pages::page(kind, &[check])));
        }
        if let Some(plugin) = &self.plugin {
            text.push_str(&format!("# {}\n\n`{}`\n\n{}\n", plugin.name, plugin.file.display(), about_plugin(plugin)));
        }
        if let Some(message) = self.message {
            text.push_str(&message::markdown(message));
        }
        text
    }
}

fn explain_finding(page: &mut Page, kind: &FindingKind, checks: &[&'static Check]) {
    let head = format!("{} {}: ", page.symbols.severity(kind.severity), kind.severity.word());
    let text = format!("{} [{}]", kind.title, kind.id);
    page.headline(&head, &text, page.styles.severity(kind.severity), page.styles.strong);
    let checks = checks.iter().map(|check| check.id).collect::<Vec<_>>().join(", ");
    let about = format!("{}, known since casa-doctor {}, found by the check {checks}", kind.code, kind.since);
    page.prose("  ", "  ", &about, page.styles.quiet);
    for (heading, text) in [("Why it matters", kind.why), ("What to do", kind.cure)] {
        page.heading(heading);
        page.prose("  ", "  ", text, Style::new());
    }
    page.heading("What it looks like");
    page.command("  ", kind.example);
    page.gap();
    page.prose("", "", &format!("To leave it out: --skip {}", kind.id), page.styles.quiet);
}

fn explain_plugin(page: &mut Page, plugin: &Candidate) {
    page.headline("", &format!("A plug-in of this machine [{}]", plugin.name), Style::new(), page.styles.strong);
    page.command("  ", &plugin.file.to_string_lossy());
    page.prose("  ", "  ", &about_plugin(plugin), Style::new());
    page.gap();
    page.prose("", "", &format!("To leave it out: --skip {}", plugin.name), page.styles.quiet);
}

fn about_plugin(plugin: &Candidate) -> String {
    match &plugin.refusal {
        Some(refusal) => format!("It is not started: {refusal}."),
        None => format!(
            "`casa-doctor --only {}` asks it what it finds. It was written for this site: those who put it there know more.",
            plugin.name
        ),
    }
}

fn explain_check(page: &mut Page, check: &Check) {
    page.headline("", &format!("{} [{}]", check.question, check.id), Style::new(), page.styles.strong);
    page.prose("  ", "  ", &format!("check of the category {}", check.category.word()), page.styles.quiet);
    if !check.needs.is_empty() {
        let needs = check.needs.iter().map(|probe| probe.name()).collect::<Vec<_>>().join(", ");
        page.prose("  ", "  ", &format!("needs the probes: {needs}"), page.styles.quiet);
    }
    page.heading("What it may find");
    let rows = check.findings.iter().map(|kind| [kind.id.to_owned(), kind.severity.word().to_owned(), kind.title.to_owned()]);
    page.table(["id", "severity", "what is wrong"], rows);
    page.gap();
    page.prose("", "", &format!("To leave it out: --skip {}", check.id), page.styles.quiet);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, PLAIN};

    fn find(name: &str) -> Result<Explanation, SelectError> {
        let refusal = Some("everybody may write to it".to_owned());
        let plugin = Candidate { name: "quota".into(), file: "/opt/casa-doctor-check-quota".into(), refusal };
        Explanation::find(&Catalog::of(samples::CHECKS), &[plugin], name)
    }

    #[test]
    fn a_made_up_finding() {
        insta::assert_snapshot!(find("x11-cookie-rejected").unwrap().render(&PLAIN));
    }

    #[test]
    fn a_made_up_check() {
        insta::assert_snapshot!(find("x11-cookie").unwrap().render(&PLAIN));
    }

    #[test]
    fn by_code_and_in_json() {
        let value = serde_json::to_value(find("cd0103").unwrap().document()).unwrap();
        assert_eq!(value["finding"]["id"], "x11-cookie-rejected");
        assert!(value["check"].is_null());
    }

    #[test]
    fn a_plug_in_and_a_finding_of_its() {
        for name in ["quota", "quota-home"] {
            let explanation = find(name).unwrap();
            let text = explanation.render(&PLAIN);
            assert!(text.contains("/opt/casa-doctor-check-quota") && text.contains("everybody may write"), "{text}");
            assert_eq!(serde_json::to_value(explanation.document()).unwrap()["plugin"]["name"], "quota");
            assert!(explanation.markdown().starts_with("# quota\n"));
        }
        assert!(find("quotas").is_err());
    }

    #[test]
    fn an_unknown_id_names_the_nearest() {
        let error = find("x11-cookie-rejectd").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no check, finding or category \"x11-cookie-rejectd\"; did you mean \"x11-cookie-rejected\"?"
        );
        let error = find("something else entirely").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("\"something else entirely\"; the nearest name is \"") && text.ends_with("shows them all"), "{text}");
        assert!(find("x-no-displey").unwrap_err().to_string().contains("did you mean \"x-no-display\"?"));
    }
}
