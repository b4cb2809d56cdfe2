//! The report as JUnit XML, for the test pages of CI servers: a suite for each category, a test case for each check.
//!
//! A test case fails when a finding of its check makes the run fail, so that the page and the exit status say the same. What
//! could not be told counts as skipped, with its reason. The form is that of the schema `junit-10.xsd` of Jenkins.

use std::io;

use casa_doctor_checks::check::Category;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::document::{CheckDoc, CheckOutcome, Document, FindingDoc};
use super::status::FailOn;
use super::text::harmless;
use super::wording;
use crate::catalog::{CATEGORIES, Catalog};

type Xml = Writer<Vec<u8>>;

/// The document as XML.
///
/// # Errors
///
/// None in practice: it is written to memory.
pub(crate) fn render(document: &Document, catalog: &Catalog, fail_on: FailOn) -> io::Result<String> {
    let suites = suites(document, catalog, fail_on);
    let total = |count: fn(&Case<'_>) -> bool| suites.iter().flat_map(|suite| &suite.cases).filter(|case| count(case)).count();
    let (tests, failures) = (total(|_| true).to_string(), total(|case| case.fails()).to_string());
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attributes([("name", "casa-doctor"), ("tests", &tests), ("failures", &failures), ("errors", "0")])
        .write_inner_content(|xml| suites.iter().try_for_each(|suite| suite.write(xml, document)))?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The checks of one category, or what was found without a check.
struct Suite<'a> {
    name: &'static str,
    cases: Vec<Case<'a>>,
}

/// One check, or one finding that no check gave.
struct Case<'a> {
    name: &'a str,
    duration_ms: u64,
    check: Option<&'a CheckDoc>,
    /// What makes the run fail.
    failing: Vec<&'a FindingDoc>,
    /// What does not: less severe, or accepted.
    told: Vec<&'a FindingDoc>,
}

fn suites<'a>(document: &'a Document, catalog: &Catalog, fail_on: FailOn) -> Vec<Suite<'a>> {
    let mut cases: Vec<(Option<Category>, Case<'a>)> =
        document.checks.iter().map(|check| (Some(check.category), Case::of(check))).collect();
    for finding in &document.findings {
        let found_by = catalog.checks_of(&finding.code);
        let owner = |case: &Case<'_>| {
            case.check.is_some_and(|check| check.outcome == CheckOutcome::Finding && found_by.contains(&check.id.as_str()))
        };
        let at = cases.iter().position(|(_, case)| owner(case)).unwrap_or_else(|| {
            cases.push((None, Case { name: &finding.id, duration_ms: 0, check: None, failing: Vec::new(), told: Vec::new() }));
            cases.len() - 1
        });
        let case = &mut cases[at].1;
        if fail_on.fails(finding) { case.failing.push(finding) } else { case.told.push(finding) }
    }
    let mut suites: Vec<Suite<'a>> = Vec::new();
    for category in CATEGORIES.iter().copied().map(Some).chain([None]) {
        let (mine, others): (Vec<_>, Vec<_>) = cases.into_iter().partition(|(of, _)| *of == category);
        cases = others;
        if !mine.is_empty() {
            let name = category.map_or("measurements", Category::word);
            suites.push(Suite { name, cases: mine.into_iter().map(|(_, case)| case).collect() });
        }
    }
    suites
}

impl Suite<'_> {
    fn write(&self, xml: &mut Xml, document: &Document) -> io::Result<()> {
        let count = |count: fn(&Case<'_>) -> bool| self.cases.iter().filter(|case| count(case)).count().to_string();
        let (tests, failures, skipped) = (count(|_| true), count(|case| case.fails()), count(|case| case.is_skipped()));
        let time = seconds(self.cases.iter().map(|case| case.duration_ms).max().unwrap_or(0));
        let hostname = clean(document.machine.hostname.as_deref().unwrap_or("localhost"));
        // The schema's date has no zone; the document's is UTC.
        let timestamp = document.generated_at.trim_end_matches('Z');
        let counts = [("tests", tests.as_str()), ("failures", &failures), ("errors", "0"), ("skipped", &skipped), ("time", &time)];
        xml.create_element("testsuite")
            .with_attribute(("name", self.name))
            .with_attributes(counts)
            .with_attributes([("timestamp", timestamp), ("hostname", &hostname)])
            .write_inner_content(|xml| {
                let version = format!("{} {}", document.tool.name, document.tool.version);
                let environment = document.environment.as_ref().map_or("none", |environment| &environment.directory);
                xml.create_element("properties").write_inner_content(|xml| {
                    for (name, value) in [("tool", version.as_str()), ("environment", environment)] {
                        xml.create_element("property").with_attributes([("name", name), ("value", &clean(value))]).write_empty()?;
                    }
                    Ok(())
                })?;
                self.cases.iter().try_for_each(|case| case.write(xml, self.name))
            })?;
        Ok(())
    }
}

impl<'a> Case<'a> {
    fn of(check: &'a CheckDoc) -> Self {
        let (failing, told) = (Vec::new(), Vec::new());
        Self { name: &check.id, duration_ms: check.duration_ms, check: Some(check), failing, told }
    }

    fn fails(&self) -> bool {
        !self.failing.is_empty()
    }

    fn is_skipped(&self) -> bool {
        self.check.is_some_and(|check| check.outcome == CheckOutcome::Skipped || check.outcome.is_open())
    }

    fn write(&self, xml: &mut Xml, suite: &str) -> io::Result<()> {
        let class = format!("casa-doctor.{suite}");
        let time = seconds(self.duration_ms);
        xml.create_element("testcase")
            .with_attributes([("classname", class.as_str()), ("name", self.name), ("time", &time)])
            .write_inner_content(|xml| {
                if let Some(first) = self.failing.first() {
                    let message = self.failing.iter().map(|finding| finding.title.as_str()).collect::<Vec<_>>().join("; ");
                    xml.create_element("failure")
                        .with_attributes([("type", first.severity.word()), ("message", &clean(&message))])
                        .write_text_content(BytesText::new(&texts(&self.failing)))?;
                }
                if let Some(check) = self.check.filter(|_| self.is_skipped()) {
                    let reason = check.reason.as_deref().unwrap_or("no reason was given");
                    let message = format!("{}: {reason}", wording::open_words(check.outcome));
                    xml.create_element("skipped")
                        .with_attributes([("type", check.outcome.word()), ("message", &clean(&message))])
                        .write_empty()?;
                }
                if !self.told.is_empty() {
                    xml.create_element("system-out").write_text_content(BytesText::new(&texts(&self.told)))?;
                }
                Ok(())
            })?;
        Ok(())
    }
}

fn texts(findings: &[&FindingDoc]) -> String {
    let one = |finding: &&FindingDoc| {
        let accepted = if finding.accepted { "accepted by the baseline: " } else { "" };
        format!("{accepted}{}", wording::finding_text(finding))
    };
    clean(&findings.iter().map(one).collect::<Vec<_>>().join("\n"))
}

/// Text without the characters that XML 1.0 cannot carry even when they are escaped.
fn clean(text: &str) -> String {
    harmless(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{decide_exit_status, samples};

    fn rendered(document: &Document, fail_on: FailOn) -> String {
        render(document, &Catalog::of(samples::CHECKS), fail_on).unwrap()
    }

    #[test]
    fn a_sick_machine() {
        insta::assert_snapshot!(rendered(&samples::sick(), FailOn::Error));
    }

    #[test]
    fn it_fails_when_the_run_fails_and_only_then() {
        for (name, document) in samples::all() {
            for fail_on in [FailOn::Error, FailOn::Warning, FailOn::Info, FailOn::Never] {
                let fails = rendered(&document, fail_on).contains("<failure ");
                let status = decide_exit_status(&document.findings, fail_on);
                assert_eq!(fails, status == crate::report::ExitStatus::Problems, "{name} {fail_on:?}");
            }
        }
    }

    #[test]
    fn every_sample_obeys_the_published_schema() {
        for (name, document) in samples::all() {
            let text = rendered(&document, FailOn::Info);
            samples::assert_xml_obeys("tests/data/junit/junit-10.xsd", &text, name);
        }
        let mut odd = samples::sick();
        odd.findings[0].title = "<&>\"' ]]> \u{0}\u{1b}[31m \u{fffe} é".into();
        odd.findings[0].evidence = vec!["-- > \u{ffff}".into()];
        samples::assert_xml_obeys("tests/data/junit/junit-10.xsd", &rendered(&odd, FailOn::Error), "odd characters");
    }

    #[test]
    fn a_finding_without_a_check_has_a_case_of_its_own() {
        let mut document = samples::warned();
        (document.findings[0].id, document.findings[0].code) = ("made-by-no-check".into(), "CD9999".into());
        let text = rendered(&document, FailOn::Warning);
        assert!(text.contains("classname=\"casa-doctor.measurements\" name=\"made-by-no-check\""), "{text}");
    }
}
