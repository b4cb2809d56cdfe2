//! `casa-doctor list`: every check and every kind of finding.

use serde::Serialize;

use super::{CATEGORIES, Catalog, CheckEntry, FindingEntry, PluginEntry};
use crate::plugins::Candidate;
use crate::report::human::HumanOptions;
use crate::report::page::Page;
use crate::report::text::plural;
use crate::report::{SchemaVersion, Tool};

/// The list in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listing {
    schema_version: SchemaVersion,
    tool: Tool,
    checks: Vec<CheckEntry>,
    findings: Vec<FindingEntry>,
    plugins: Vec<PluginEntry>,
}

impl Listing {
    /// Everything in the catalog, and the plug-ins of this machine.
    pub(crate) fn new(catalog: &Catalog, plugins: &[Candidate]) -> Self {
        Self {
            schema_version: SchemaVersion::V1,
            tool: Tool::this(),
            checks: catalog.checks().map(|check| CheckEntry::new(check, catalog.findings_of(check))).collect(),
            findings: catalog.kinds().into_iter().filter_map(|(kind, checks)| FindingEntry::new(kind, &checks)).collect(),
            plugins: plugins.iter().map(PluginEntry::from).collect(),
        }
    }
}

/// The list for a person: a table for each category, the findings below the check that gives them.
pub(crate) fn render(catalog: &Catalog, plugins: &[Candidate], options: &HumanOptions) -> String {
    let mut page = Page::new(options.color, options.unicode, options.width);
    let kinds = catalog.kinds();
    for category in CATEGORIES {
        let mut rows = Vec::new();
        for check in catalog.checks().filter(|check| check.category == *category) {
            rows.push([check.id.to_owned(), "check".to_owned(), check.question.to_owned()]);
            rows.extend(
                catalog
                    .findings_of(check)
                    .map(|kind| [format!("- {}", kind.id), kind.severity.word().to_owned(), kind.title.to_owned()]),
            );
        }
        if !rows.is_empty() {
            page.heading(category.word());
            page.table(["id", "", "question, or what may be found"], rows);
        }
    }
    if !plugins.is_empty() {
        page.heading("plug-ins of this machine (the ids of their findings begin with their names)");
        let told = |plugin: &Candidate| match &plugin.refusal {
            Some(refusal) => format!("{}, not started: {refusal}", plugin.file.display()),
            None => plugin.file.display().to_string(),
        };
        page.table(["id", "program"], plugins.iter().map(|plugin| [plugin.name.clone(), told(plugin)]));
    }
    page.heading(&format!("{}, {}", plural(catalog.checks().count(), "check"), plural(kinds.len(), "finding")));
    page.prose(
        "",
        "",
        "Ids and categories are what --only and --skip take; `casa-doctor explain ID` tells more.",
        page.styles.quiet,
    );
    page.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json;
    use crate::report::samples::{self, PLAIN};

    fn plugin() -> Candidate {
        Candidate { name: "quota".into(), file: "/opt/casa-doctor-check-quota".into(), refusal: None }
    }

    #[test]
    fn made_up_checks_as_a_table() {
        insta::assert_snapshot!(render(&Catalog::of(samples::CHECKS), &[], &PLAIN));
    }

    #[test]
    fn made_up_checks_in_json() {
        let text = json::render(&Listing::new(&Catalog::of(samples::CHECKS), &[plugin()])).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["checks"].as_array().unwrap().len(), 7);
        assert_eq!(value["checks"][2]["findings"], serde_json::json!(["x11-cookie-missing", "x11-cookie-rejected"]));
        assert_eq!(value["findings"].as_array().unwrap().len(), 5, "a kind that two checks give is told once");
        assert_eq!(
            value["plugins"][0],
            serde_json::json!({"name": "quota", "file": "/opt/casa-doctor-check-quota", "refused": null})
        );
        let flag = &value["findings"][0];
        assert_eq!((&flag["id"], &flag["category"]), (&"config-unknown-flag".into(), &"config".into()));
        assert_eq!(flag["checks"], serde_json::json!(["config-flags", "image-file"]));
        for key in ["id", "code", "severity", "title", "why", "cure", "example", "since", "category"] {
            assert!(flag[key].is_string(), "{key}");
        }
    }

    #[test]
    fn everything_registered_fits_the_page_and_is_listed() {
        let catalog = Catalog::registered();
        let text = render(&catalog, &[plugin()], &HumanOptions { unicode: false, ..PLAIN });
        assert!(text.contains("quota") && text.contains("/opt/casa-doctor-check-quota"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let listing = Listing::new(&catalog, &[]);
        assert_eq!(listing.checks.len(), casa_doctor_checks::registry::checks().count());
        assert_eq!(listing.findings.len(), casa_doctor_checks::registry::finding_kinds().count());
    }
}
