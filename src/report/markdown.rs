//! The report as Markdown, for a ticket: the same content as the terminal's, with nothing left out.

use super::document::{Document, FindingDoc};
use super::facts_summary;
use super::text::{harmless, shell_line};
use super::wording::{self, Counts, MEASUREMENT_HEADINGS};

/// The report as GitHub-flavoured Markdown.
pub(crate) fn render(document: &Document) -> String {
    let mut out = format!("# casa-doctor report\n\n**{}**\n\n", prose(&wording::verdict(document).1));
    out.push_str(&format!("{}, {}\n", prose(&wording::subject(document)), document.generated_at));
    if let Some((text, commands)) = wording::choice(document) {
        out.push_str(&format!("\n{}\n\n", prose(text)));
        fenced(&mut out, "sh", &commands.join("\n"));
    }
    if !document.findings.is_empty() {
        out.push_str("\n## Findings\n");
        for finding in &document.findings {
            finding_section(&mut out, finding);
        }
    }
    if let Some(recommendation) = &document.recommendation {
        out.push_str(&format!(
            "\n## OpenGL mode\n\n{} {}\n\n",
            prose(wording::mode_sentence(recommendation.opengl)),
            prose(&wording::basis_sentence(recommendation, document.source))
        ));
        table(&mut out, ["mode", "verdict", "why"], wording::mode_rows(recommendation));
    }
    if !document.measurements.is_empty() {
        out.push_str(&format!("\n## Measurements\n\n{}\n\n", prose(&wording::trial_sentences(document).join(" "))));
        table(&mut out, MEASUREMENT_HEADINGS, document.measurements.iter().map(wording::measurement_row));
        for measurement in document.measurements.iter().filter(|measurement| !measurement.stderr.is_empty()) {
            out.push_str(&format!("\n`{}` said:\n\n", measurement.opengl.word()));
            fenced(&mut out, "text", &measurement.stderr.join("\n"));
        }
    }
    plan_section(&mut out, document);
    if let Some(launch) = &document.launch {
        let end = launch.exit_status.map_or_else(|| "no exit status".to_owned(), |status| format!("exit status {status}"));
        out.push_str(&format!("\n## Launch\n\n{}, OpenGL mode `{}`, {end}\n\n", prose(&launch.engine), launch.mode.word()));
        fenced(&mut out, "sh", &shell_line(&launch.argv));
    }
    let seen = facts_summary::lines(document);
    if !seen.is_empty() {
        out.push_str("\n## What was seen\n\n");
        table(&mut out, ["", ""], seen.into_iter().map(|(label, text)| [label.to_owned(), text]));
    }
    if !document.checks.is_empty() {
        out.push_str(&format!("\n## Checks\n\n{}\n\n", prose(&Counts::of(document).sentence())));
        let rows = document.checks.iter().map(|check| {
            let reason = check.reason.clone().unwrap_or_default();
            [check.id.clone(), check.outcome.word().to_owned(), reason, format!("{} ms", check.duration_ms)]
        });
        table(&mut out, ["check", "outcome", "reason", "time"], rows);
    }
    out
}

fn finding_section(out: &mut String, finding: &FindingDoc) {
    out.push_str(&format!(
        "\n### {}: {} (`{}`, {}{})\n\n{}\n",
        finding.severity.word(),
        prose(&finding.title),
        finding.id,
        finding.code,
        if finding.accepted { ", accepted by the baseline" } else { "" },
        prose(&finding.why)
    ));
    if !finding.evidence.is_empty() {
        out.push_str("\nSeen:\n\n");
        for evidence in &finding.evidence {
            out.push_str(&format!("- {}\n", code(evidence)));
        }
    }
    for (index, advice) in finding.advice.iter().enumerate() {
        let (label, said) = wording::advice_words(index, advice.applied, &advice.text);
        let note = wording::advice_note(advice.safety, advice.applied);
        out.push_str(&format!("\n**{label}:** {}\n", prose(&format!("{said}{note}"))));
        if let Some(command) = &advice.command {
            out.push('\n');
            fenced(out, "sh", command);
        }
    }
}

fn plan_section(out: &mut String, document: &Document) {
    let plan = &document.plan;
    if !plan.edits.is_empty() {
        out.push_str("\n## Changes to the configuration\n\n");
        let rows = plan.edits.iter().map(|edit| {
            let (from, to) = (wording::value_text(edit.from.as_ref()), wording::value_text(edit.to.as_ref()));
            [edit.file.clone(), edit.key.clone(), from, to, edit.because.clone()]
        });
        table(out, ["file", "key", "from", "to", "because"], rows);
    }
    if !plan.commands.is_empty() {
        out.push_str("\n## Commands\n\n");
        fenced(out, "sh", &plan.commands.iter().map(|command| shell_line(&command.argv)).collect::<Vec<_>>().join("\n"));
    }
}

/// Prose in which only back-ticks keep their meaning: what stands between two of them is left as it is.
pub(crate) fn prose(text: &str) -> String {
    let text = harmless(text);
    let paired = text.matches('`').count().is_multiple_of(2);
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for character in text.chars() {
        match character {
            '`' if paired => {
                in_code = !in_code;
                out.push('`');
            }
            '<' if !in_code => out.push_str("&lt;"),
            '>' if !in_code => out.push_str("&gt;"),
            '&' if !in_code => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '@' if !in_code => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// Text as it is, in a code span on one line, fenced by more back-ticks than it holds.
pub(crate) fn code(text: &str) -> String {
    let text = harmless(text).replace('\n', " ");
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Text as it is, in a block fenced by more back-ticks than it holds.
pub(crate) fn fenced(out: &mut String, language: &str, text: &str) {
    let text = harmless(text);
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    out.push_str(&format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n')));
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A table; what would end a cell or a row is escaped.
pub(crate) fn table<const N: usize>(out: &mut String, headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    out.push_str(&format!("| {} |\n|{}\n", headings.join(" | "), "---|".repeat(N)));
    for row in rows {
        let cells = row.map(|cell| prose(&cell).replace('|', r"\|").replace('\n', "<br>"));
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_sick_machine() {
        insta::assert_snapshot!(render(&samples::sick()));
    }

    #[test]
    fn quoted_text_cannot_break_out() {
        assert_eq!(prose("a <b> *c* `d*e` x_y"), r"a &lt;b&gt; \*c\* `d*e` x\_y");
        assert_eq!(prose("one ` alone"), r"one \` alone");
        assert_eq!(code("a `` b"), "```a `` b```");
        assert_eq!(code("`"), "`` ` ``");
        let mut out = String::new();
        fenced(&mut out, "sh", "echo ```");
        assert_eq!(out, "````sh\necho ```\n````\n");
        let mut out = String::new();
        table(&mut out, ["a"], [["x|y\nz".to_owned()]]);
        assert_eq!(out, "| a |\n|---|\n| x\\|y<br>z |\n");
    }

    #[test]
    fn every_finding_and_every_check_is_told() {
        for (name, document) in samples::all() {
            let text = render(&document);
            for id in document.findings.iter().map(|f| &f.id).chain(document.checks.iter().map(|c| &c.id)) {
                assert!(text.contains(id.as_str()), "{name}: {id} is missing");
            }
        }
    }
}
