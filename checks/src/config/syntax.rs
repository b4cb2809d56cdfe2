//! Can the configuration files be read?

use super::layers::{environment, shell_word};
use crate::check::{Category, Check, Outcome};
use crate::facts::{ConfigErrorKind, ConfigFile, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

/// Can the configuration files be read?
pub(super) static CHECK: Check = Check {
    id: "config-syntax",
    category: Category::Config,
    question: "Can the configuration files be read, and are they valid JSON?",
    needs: &[ProbeId::Environment],
    findings: &[&INVALID_JSON],
    run,
};

static INVALID_JSON: FindingKind = FindingKind {
    id: "config-invalid-json",
    code: "CD0901",
    severity: Severity::Error,
    title: "A configuration file cannot be used",
    why: "casa_distro stops before it starts anything, and tells a line and a column but not which file they are in. A broken \
          user file stops every environment of that user.",
    cure: "Correct the named line of the named file. JSON wants double quotes around keys and texts, a comma between entries and \
           none after the last one, and has no comments.",
    example: "Expecting property name enclosed in double quotes: line 9 column 5 (char 212)",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    match environment(facts) {
        Ok(environment) => {
            let own = finding(&environment.file, false);
            let user = environment.user_file.as_ref().and_then(|file| finding(file, true));
            Outcome::of(own.into_iter().chain(user).collect())
        }
        Err(outcome) => outcome,
    }
}

fn finding(file: &ConfigFile, is_user: bool) -> Option<Finding> {
    let error = file.error.as_ref()?;
    let path = file.path.display().to_string();
    let place = match (error.line, error.column) {
        (Some(line), Some(column)) => format!("{path}:{line}:{column}"),
        (Some(line), None) => format!("{path}:{line}"),
        _ => path.clone(),
    };
    let name = file.path.file_name().map_or_else(|| path.clone(), |name| name.to_string_lossy().into_owned());
    let title = match error.kind {
        ConfigErrorKind::Missing => format!("{name} does not exist"),
        ConfigErrorKind::Unreadable => format!("{name} cannot be read"),
        ConfigErrorKind::NotAFile => format!("{name} is not a file"),
        ConfigErrorKind::TooLarge => format!("{name} is far too large for a configuration"),
        ConfigErrorKind::Empty => format!("{name} is empty"),
        ConfigErrorKind::NotUtf8 => format!("{name} is not UTF-8 text"),
        ConfigErrorKind::Syntax => format!("{name} is not valid JSON"),
        ConfigErrorKind::TooDeep => format!("{name} is nested too deep"),
        ConfigErrorKind::NotAnObject => format!("{name} does not hold a JSON object"),
    };
    let mut finding = INVALID_JSON.found().title(title).evidence(format!("{place}: {}", error.message));
    let word = shell_word(&path);
    finding = match error.kind {
        ConfigErrorKind::Syntax | ConfigErrorKind::TooDeep | ConfigErrorKind::NotAnObject => {
            let line = error.line.map_or_else(String::new, |line| format!(" at line {line}"));
            finding.advise_command(
                format!("Correct the file{line}. casa-doctor never overwrites a file that it cannot read. This checks it again:"),
                format!("python3 -m json.tool < {word}"),
            )
        }
        ConfigErrorKind::NotUtf8 => finding.advise("Save the file as UTF-8 (without byte order mark) in your editor."),
        ConfigErrorKind::Unreadable => finding
            .advise_command("Ask the owner of the file to let you read it. This shows who that is:", format!("ls -ld {word}")),
        _ => finding.advise_command("Look at what stands there, and put a valid file in its place:", format!("ls -ld {word}")),
    };
    if is_user {
        finding = finding.advise(
            "This is your own file, common to all of your environments. It is optional: moved away, casa_distro makes a new one \
             with the standard mounts.",
        );
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{facts, findings, with_environment};
    use super::*;
    use crate::facts::{ConfigError, Environment, EnvironmentSearch};

    fn broken(kind: ConfigErrorKind, line: Option<u32>) -> ConfigFile {
        let error = ConfigError { kind, message: "a comma is expected".into(), line, column: line.map(|line| line + 1) };
        ConfigFile { path: "/my env/conf/casa_distro.json".into(), error: Some(error), ..ConfigFile::default() }
    }

    #[test]
    fn a_syntax_error_is_named_with_file_line_and_column() {
        let facts = with_environment(Environment { file: broken(ConfigErrorKind::Syntax, Some(3)), ..Environment::default() });
        let found = findings(&CHECK, &facts);
        assert_eq!(found[0].kind.id, "config-invalid-json");
        assert_eq!(found[0].evidence, ["/my env/conf/casa_distro.json:3:4: a comma is expected"]);
        assert_eq!(found[0].advice[0].command.as_deref(), Some("python3 -m json.tool < '/my env/conf/casa_distro.json'"));
        assert!(found[0].edits.is_empty());
    }

    #[test]
    fn every_trouble_of_either_file_is_told() {
        for kind in [
            ConfigErrorKind::Missing,
            ConfigErrorKind::Unreadable,
            ConfigErrorKind::NotAFile,
            ConfigErrorKind::TooLarge,
            ConfigErrorKind::Empty,
            ConfigErrorKind::NotUtf8,
            ConfigErrorKind::TooDeep,
            ConfigErrorKind::NotAnObject,
        ] {
            let mut facts = facts(&json!({}));
            facts.environment.as_mut().unwrap().found.as_mut().unwrap().user_file = Some(broken(kind, None));
            let found = findings(&CHECK, &facts);
            assert_eq!(found.len(), 1, "{kind:?}");
            assert!(found[0].advice.last().unwrap().text.contains("all of your environments"));
        }
    }

    #[test]
    fn readable_files_pass_and_no_environment_is_skipped() {
        assert_eq!(CHECK.judge(&facts(&json!({}))), Outcome::Pass);
        let mut none = facts(&json!({}));
        none.environment = Some(EnvironmentSearch::default());
        assert!(matches!(CHECK.judge(&none), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&Facts::default()), Outcome::Unknown(_)));
    }
}
