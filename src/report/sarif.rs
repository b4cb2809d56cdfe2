//! The report as SARIF 2.1.0, the format of findings that code hosts and editors read.
//!
//! A kind of finding is a rule, a finding a result. A result about a file tells where; one about the machine names the machine,
//! because no line of any file is to blame. What a check could not tell stands in the invocation's notifications.

use std::collections::BTreeMap;

use casa_doctor_checks::finding::{FindingKind, Severity};
use serde::Serialize;

use super::baseline::fingerprint;
use super::document::{CheckDoc, Document, FindingDoc};
use super::place::{self, Place};
use super::text::harmless;
use super::wording;
use crate::catalog::Catalog;

/// Where the form is defined.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    invocations: [Invocation<'a>; 1],
    results: Vec<Outcome<'a>>,
    column_kind: &'static str,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'a str,
    version: &'a str,
    semantic_version: &'a str,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    id: &'a str,
    short_description: Text,
    full_description: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Text>,
    default_configuration: Configuration,
    properties: RuleProperties<'a>,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties<'a> {
    code: &'a str,
    docs: &'a str,
    tags: Vec<&'static str>,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'a> {
    execution_successful: bool,
    exit_code: u8,
    end_time_utc: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    level: &'static str,
    message: Text,
    descriptor: Descriptor<'a>,
}

#[derive(Serialize)]
struct Descriptor<'a> {
    id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location<'a>; 1],
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
}

/// In a file, or on the machine.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<PhysicalLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logical_locations: Option<[LogicalLocation<'a>; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
}

#[derive(Serialize)]
struct LogicalLocation<'a> {
    name: &'a str,
    kind: &'static str,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    justification: &'static str,
}

/// The document as SARIF, with a line break at its end. Files below `root`, the directory of the job, are named from there.
///
/// # Errors
///
/// None in practice: everything in it is text and numbers.
pub(crate) fn render(document: &Document, catalog: &Catalog, root: Option<&str>) -> serde_json::Result<String> {
    let rules = rules(document, catalog);
    let results = document.findings.iter().map(|finding| outcome(document, finding, &rules, root)).collect();
    let status = document.exit_status.code();
    super::json::render(&Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: &document.tool.name,
                    version: &document.tool.version,
                    semantic_version: &document.tool.version,
                    rules,
                },
            },
            invocations: [Invocation {
                // Finding problems is success; only 2 and above mean that the work was not done.
                execution_successful: status < 2,
                exit_code: status,
                end_time_utc: &document.generated_at,
                tool_execution_notifications: document
                    .checks
                    .iter()
                    .filter(|check| check.outcome.is_open())
                    .map(notification)
                    .collect(),
            }],
            results,
            column_kind: "unicodeCodePoints",
        }],
    })
}

/// The rules of the kinds that were found, each once.
fn rules<'a>(document: &'a Document, catalog: &Catalog) -> Vec<Rule<'a>> {
    let kinds = catalog.kinds();
    let mut rules: Vec<Rule<'a>> = Vec::new();
    for finding in &document.findings {
        if rules.iter().any(|rule| rule.id == finding.id) {
            continue;
        }
        let known = kinds.iter().find(|(kind, _)| kind.code == finding.code);
        // What a plug-in gives has an id and words of its own; the kind behind it says nothing about it.
        let kind: Option<&FindingKind> = known.map(|(kind, _)| *kind).filter(|kind| kind.id == finding.id);
        rules.push(Rule {
            id: &finding.id,
            short_description: text(kind.map_or(&finding.title, |kind| kind.title)),
            full_description: text(&finding.why),
            help: kind.map(|kind| text(kind.cure)),
            default_configuration: Configuration { level: level(kind.map_or(finding.severity, |kind| kind.severity)) },
            properties: RuleProperties {
                code: &finding.code,
                docs: &finding.docs,
                tags: known.and_then(|(_, checks)| checks.first()).map(|check| check.category.word()).into_iter().collect(),
            },
        });
    }
    rules
}

fn outcome<'a>(document: &'a Document, finding: &'a FindingDoc, rules: &[Rule<'_>], root: Option<&str>) -> Outcome<'a> {
    let location = match place::of(finding) {
        Some(place) => file(&place, root),
        None => {
            let name = document.machine.hostname.as_deref().unwrap_or("this machine");
            Location { logical_locations: Some([LogicalLocation { name, kind: "resource" }]), ..Location::default() }
        }
    };
    let accepted = Suppression { kind: "external", justification: "accepted by the baseline" };
    Outcome {
        rule_id: &finding.id,
        rule_index: rules.iter().position(|rule| rule.id == finding.id).unwrap_or_default(),
        level: level(finding.severity),
        message: Text { text: message(finding) },
        locations: [location],
        partial_fingerprints: BTreeMap::from([("casaDoctorFinding/v1", fingerprint(finding))]),
        suppressions: finding.accepted.then_some(accepted).into_iter().collect(),
    }
}

/// The title, what was seen and what to do; the reason why it matters stands in the rule.
fn message(finding: &FindingDoc) -> String {
    let mut out = format!("{}.", finding.title);
    for evidence in &finding.evidence {
        out.push_str(&format!("\nSeen: {evidence}"));
    }
    for (index, advice) in finding.advice.iter().enumerate() {
        let (label, said) = wording::advice_words(index, advice.applied, &advice.text);
        out.push_str(&format!("\n{label}: {said}"));
        out.extend(advice.command.iter().map(|command| format!("\n    {command}")));
    }
    harmless(&out)
}

fn file<'a>(place: &Place<'_>, root: Option<&str>) -> Location<'a> {
    let artifact_location = match place.below(root) {
        Some(inside) => ArtifactLocation { uri: encoded(inside, b"-._~/"), uri_base_id: Some("%SRCROOT%") },
        None => ArtifactLocation { uri: uri(place.file), uri_base_id: None },
    };
    let region = Region { start_line: place.line, start_column: place.column };
    Location { physical_location: Some(PhysicalLocation { artifact_location, region }), ..Location::default() }
}

/// A path as a URI of the scheme `file`.
fn uri(path: &str) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("file://{slash}{}", encoded(&path.replace('\\', "/"), b"-._~/!$&'()*+,;=:@"))
}

/// A path with everything but letters, digits and `plain` signs encoded.
fn encoded(path: &str, plain: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(byte as char)
        } else {
            out.push_str(&format!("%{byte:02X}"))
        }
    }
    out
}

fn notification(check: &CheckDoc) -> Notification<'_> {
    let reason = check.reason.as_deref().unwrap_or("no reason was given");
    Notification {
        level: "warning",
        message: text(&format!("{}: {reason}", wording::open_words(check.outcome))),
        descriptor: Descriptor { id: &check.id },
    }
}

fn text(text: &str) -> Text {
    Text { text: harmless(text) }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::samples;

    fn rendered(document: &Document) -> Value {
        serde_json::from_str(&render(document, &Catalog::of(samples::CHECKS), None).unwrap()).unwrap()
    }

    #[test]
    fn a_sick_machine() {
        insta::assert_snapshot!(render(&samples::sick(), &Catalog::of(samples::CHECKS), None).unwrap());
    }

    #[test]
    fn every_sample_obeys_the_published_schema() {
        // The pattern of languages has a bracket too many for this validator. We write no language.
        let published = include_str!("../../tests/data/sarif/sarif-schema-2.1.0.json");
        let schema: Value = serde_json::from_str(&published.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (name, document) in samples::all() {
            let log = rendered(&document);
            let errors: Vec<_> = validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
            assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), document.findings.len(), "{name}");
            assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], document.exit_status.code(), "{name}");
        }
        assert!(!validator.is_valid(&serde_json::json!({"version": "2.1.0"})), "the schema must demand the runs");
    }

    #[test]
    fn a_result_is_where_its_evidence_says() {
        let log = rendered(&samples::warned());
        let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "file:///data/brainvisa-5.1/conf/casa_distro.json");
        assert_eq!(location["region"]["startLine"], 7);
        let log = rendered(&samples::sick());
        assert_eq!(log["runs"][0]["results"][0]["locations"][0]["logicalLocations"][0]["name"], "neuro-ws");
        let log: Value =
            serde_json::from_str(&render(&samples::warned(), &Catalog::of(samples::CHECKS), Some("/data")).unwrap()).unwrap();
        let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!(*location, serde_json::json!({"uri": "brainvisa-5.1/conf/casa_distro.json", "uriBaseId": "%SRCROOT%"}));
        assert_eq!(uri("/a b/é#?.json"), "file:///a%20b/%C3%A9%23%3F.json");
        assert_eq!(uri("C:\\x\\.wslconfig"), "file:///C:/x/.wslconfig");
    }

    #[test]
    fn what_the_baseline_accepts_is_suppressed_and_still_told() {
        let log = rendered(&samples::accepted());
        assert_eq!(log["runs"][0]["results"][0]["suppressions"][0]["kind"], "external");
        assert!(rendered(&samples::warned())["runs"][0]["results"][0].get("suppressions").is_none());
    }
}
