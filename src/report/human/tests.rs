//! All documents here are made up; see [`samples`].

use super::*;
use crate::host::RecordedHost;
use crate::report::samples::{self, PLAIN};

#[test]
fn sick() {
    insta::assert_snapshot!(render(&samples::sick(), &PLAIN));
}

#[test]
fn sick_in_ascii_and_narrow() {
    insta::assert_snapshot!(render(&samples::sick(), &HumanOptions { unicode: false, width: 60, ..PLAIN }));
}

#[test]
fn sick_verbose() {
    insta::assert_snapshot!(render(&samples::sick(), &HumanOptions { verbose: true, ..PLAIN }));
}

#[test]
fn sick_and_quiet() {
    insta::assert_snapshot!(render(&samples::sick(), &HumanOptions { quiet: true, ..PLAIN }));
}

#[test]
fn warned() {
    insta::assert_snapshot!(render(&samples::warned(), &PLAIN));
}

#[test]
fn accepted_by_a_baseline() {
    insta::assert_snapshot!(render(&samples::accepted(), &HumanOptions { verbose: true, ..PLAIN }));
    let told = render(&samples::accepted(), &PLAIN);
    assert!(
        told.starts_with("✓ Nothing new found; 1 known finding accepted by the baseline\n") && told.lines().count() == 1,
        "{told}"
    );
}

#[test]
fn healthy_and_measured() {
    insta::assert_snapshot!(render(&samples::measured(), &PLAIN));
}

#[test]
fn healthy() {
    insta::assert_snapshot!(render(&samples::healthy(), &PLAIN));
}

#[test]
fn not_everything_could_be_seen() {
    insta::assert_snapshot!(render(&samples::open(), &PLAIN));
}

#[test]
fn nothing_was_seen() {
    insta::assert_snapshot!(render(&samples::empty(), &PLAIN));
}

#[test]
fn measurements_alone() {
    let mut document = samples::empty();
    document.measurements = samples::sick().measurements;
    insta::assert_snapshot!(render(&document, &PLAIN));
}

#[test]
fn quiet_says_nothing_unless_the_run_fails() {
    let quiet = HumanOptions { quiet: true, ..PLAIN };
    for document in [samples::healthy(), samples::warned(), samples::open(), samples::empty()] {
        assert_eq!(render(&document, &quiet), "");
    }
    let strict = HumanOptions { fail_on: FailOn::Warning, ..quiet };
    assert!(render(&samples::warned(), &strict).contains("[config-unknown-flag]"));
    let lenient = HumanOptions { fail_on: FailOn::Never, ..quiet };
    assert_eq!(render(&samples::sick(), &lenient), "");
}

/// Lines that are commands, as the document has them: these may be of any length.
fn commands(document: &Document) -> Vec<String> {
    let advice = document.findings.iter().flat_map(|finding| &finding.advice).filter_map(|advice| advice.command.clone());
    let plan = document.plan.commands.iter().map(|command| crate::report::text::shell_line(&command.argv));
    let launch = document.launch.iter().map(|launch| crate::report::text::shell_line(&launch.argv));
    let next = wording::next_step(document).map(|(_, command)| command);
    advice.chain(plan).chain(launch).chain(next).collect()
}

#[test]
fn only_commands_are_wider_than_the_page() {
    for (name, document) in samples::all() {
        let commands = commands(&document);
        for width in [40, 60, 80, 100] {
            for (unicode, verbose) in [(true, true), (false, true), (true, false)] {
                let text = render(&document, &HumanOptions { width, unicode, verbose, ..PLAIN });
                for line in text.lines() {
                    let is_command = commands.iter().any(|command| command == line.trim());
                    assert!(line.chars().count() <= width || is_command, "{name} at {width}: {line:?}");
                }
            }
        }
    }
}

#[test]
fn a_long_command_is_whole_on_a_line_of_its_own() {
    for width in [40, 80] {
        let text = render(&samples::sick(), &HumanOptions { width, ..PLAIN });
        let whole = text.lines().any(|line| line.trim().starts_with("sudo systemctl") && line.ends_with("graphical.target"));
        assert!(whole, "{text}");
    }
}

#[test]
fn ascii_means_ascii() {
    for (name, mut document) in samples::all() {
        for finding in &mut document.findings {
            finding.evidence.push("“/home/andré” → 512 × 512…".to_owned());
        }
        let text = render(&document, &HumanOptions { unicode: false, verbose: true, ..PLAIN });
        assert!(text.is_ascii(), "{name}: {text}");
    }
}

#[test]
fn colours_only_when_asked_for_and_they_change_no_word() {
    let document = samples::sick();
    for verbose in [false, true] {
        let plain = render(&document, &HumanOptions { verbose, ..PLAIN });
        assert!(!plain.contains('\u{1b}'));
        let coloured = render(&document, &HumanOptions { color: true, verbose, ..PLAIN });
        assert!(coloured.contains("\u{1b}["));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            stripped.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
    }
}

#[test]
fn what_a_driver_says_cannot_order_the_terminal_about() {
    let mut document = samples::sick();
    document.findings[0].evidence.push("\u{1b}]0;owned\u{7}".to_owned());
    document.measurements[0].stderr.push("\u{1b}[2J".to_owned());
    document.machine.hostname = Some("a\u{1b}[31mb".to_owned());
    document.findings[0].advice[0].command = Some("echo \u{1b}[8m".to_owned());
    let text = render(&document, &HumanOptions { verbose: true, ..PLAIN });
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn advice_that_was_followed_says_so_and_is_not_offered_again() {
    let mut document = samples::warned();
    assert!(render(&document, &PLAIN).contains("casa-doctor --fix --dry-run /data/brainvisa-5.1"));
    document.findings[0].advice[0].applied = true;
    let text = render(&document, &PLAIN);
    assert!(text.contains("done:") && !text.contains("--dry-run"), "{text}");
}

#[test]
fn a_recording_is_not_offered_to_be_fixed() {
    let mut document = samples::warned();
    document.source = crate::report::Source::Recording;
    let text = render(&document, &PLAIN);
    assert!(!text.contains("--dry-run") && text.contains("from a recording"), "{text}");
}

#[test]
fn the_looks_suit_where_the_report_goes() {
    let host = RecordedHost::new().env("LANG", "C.UTF-8").env("TERM", "xterm");
    let on_terminal = HumanOptions::suited(&host, ColorChoice::Auto, true, Some(120));
    assert_eq!((on_terminal.color, on_terminal.unicode, on_terminal.width), (true, true, 100));
    let in_pipe = HumanOptions::suited(&RecordedHost::new(), ColorChoice::Auto, false, None);
    assert_eq!((in_pipe.color, in_pipe.unicode, in_pipe.width), (false, false, 80));
}

#[test]
fn several_environments_are_listed_and_none_is_guessed() {
    let mut document = samples::empty();
    document.facts.environment = Some(casa_doctor_checks::facts::EnvironmentSearch {
        candidates: vec!["/data/bv one".into(), "/data/bv2".into()],
        ..Default::default()
    });
    let text = render(&document, &PLAIN);
    assert!(text.contains("none of 2 environments chosen"), "{text}");
    assert!(text.contains("\n  casa-doctor '/data/bv one'\n  casa-doctor /data/bv2\n"), "{text}");
    assert!(crate::report::markdown::render(&document).contains("casa-doctor /data/bv2\n"));
}
