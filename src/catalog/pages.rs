//! The pages of `docs/checks`: one for each kind of finding and an index, generated from the registry.

use casa_doctor_checks::check::Check;
use casa_doctor_checks::finding::FindingKind;

use super::{CATEGORIES, Catalog};
use crate::report::markdown::{fenced, prose, table};

/// Where the pages are, in the project.
pub(crate) const DIRECTORY: &str = "docs/checks";

/// The page about a kind of finding, as a path in the project.
pub(crate) fn path_of(id: &str) -> String {
    format!("{DIRECTORY}/{id}.md")
}

/// Every page: path in the project and content.
#[cfg(test)]
pub(crate) fn pages(catalog: &Catalog) -> Vec<(String, String)> {
    let mut pages = vec![(format!("{DIRECTORY}/README.md"), index(catalog))];
    pages.extend(catalog.kinds().into_iter().map(|(kind, checks)| (path_of(kind.id), page(kind, &checks))));
    pages
}

const GENERATED: &str = "<!-- Generated from the registry of checks; edit the check, not this page. -->\n\n";

/// The page about a kind of finding that these checks may give.
pub(crate) fn page(kind: &FindingKind, checks: &[&'static Check]) -> String {
    let mut out = format!("{GENERATED}# {}\n\n", kind.id);
    out.push_str(&format!("**{}**\n\n", prose(kind.title)));
    let found_by: Vec<_> = checks.iter().map(|check| format!("`{}` ({})", check.id, prose(check.question))).collect();
    let category = checks.first().map_or("", |check| check.category.word());
    out.push_str(&format!("- Code: {}\n- Severity: {}\n- Category: {category}\n", kind.code, kind.severity.word()));
    out.push_str(&format!("- Found by: {}\n- Known since: casa-doctor {}\n", found_by.join(", "), kind.since));
    out.push_str(&format!("\n## Why it matters\n\n{}\n", prose(kind.why)));
    out.push_str(&format!("\n## What to do\n\n{}\n", prose(kind.cure)));
    out.push_str("\n## What it looks like\n\n");
    fenced(&mut out, "text", kind.example);
    out.push_str(&format!("\n## Leaving it out\n\n`casa-doctor --skip {}`\n", kind.id));
    out
}

/// The page that lists all others.
pub(crate) fn index(catalog: &Catalog) -> String {
    let mut out = format!("{GENERATED}# Checks and findings\n\n");
    out.push_str(
        "A check answers one question about the machine; what is wrong is told as findings. `--only` and `--skip` take the ids \
         of either, and categories. `casa-doctor explain ID` shows these pages in the terminal.\n",
    );
    for category in CATEGORIES {
        let checks: Vec<_> = catalog.checks().filter(|check| check.category == *category).collect();
        if checks.is_empty() {
            continue;
        }
        out.push_str(&format!("\n## {}\n", category.word()));
        for check in checks {
            out.push_str(&format!("\n### {}\n\n{}\n\n", check.id, prose(check.question)));
            // The link is put in after the cells were escaped: an id has nothing that Markdown would read.
            let mut rows = String::new();
            table(
                &mut rows,
                ["finding", "code", "severity", "what is wrong"],
                check
                    .findings
                    .iter()
                    .map(|kind| [kind.id.to_owned(), kind.code.to_owned(), kind.severity.word().to_owned(), kind.title.to_owned()]),
            );
            for kind in check.findings {
                rows = rows.replace(&format!("| {} |", kind.id), &format!("| [{id}]({id}.md) |", id = kind.id));
            }
            out.push_str(&rows);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::report::samples;

    #[test]
    fn the_shipped_pages_are_the_generated_ones() {
        let pages = pages(&Catalog::registered());
        remove_or_report_orphans(&pages);
        for (path, content) in pages {
            samples::compare_with_shipped(&path, &content);
        }
    }

    /// A book without a page in its summary has links that lead nowhere. What stands around the list is written by hand.
    #[test]
    fn the_books_summary_lists_every_page() {
        const SUMMARY: &str = "docs/SUMMARY.md";
        let head = "- [Every check](checks/README.md)\n";
        let list: String = pages(&Catalog::registered())
            .iter()
            .filter_map(|(path, _)| path.strip_prefix("docs/"))
            .filter(|path| !path.ends_with("README.md"))
            .map(|path| format!("  - [{}]({path})\n", path.trim_start_matches("checks/").trim_end_matches(".md")))
            .collect();
        let shipped = samples::shipped(SUMMARY);
        let (before, after) = shipped.split_once(head).expect("the line of the pages' index");
        let after: String = after.split_inclusive('\n').skip_while(|line| line.starts_with("  - ")).collect();
        samples::compare_with_shipped(SUMMARY, &format!("{before}{head}{list}{after}"));
    }

    /// A page of a finding that no longer exists would still be found and believed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the project's own files are looked at, not those of a machine under examination"
    )]
    fn remove_or_report_orphans(pages: &[(String, String)]) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIRECTORY);
        let expected: BTreeSet<_> = pages.iter().filter_map(|(path, _)| path.strip_prefix(DIRECTORY)?.strip_prefix('/')).collect();
        let Ok(entries) = std::fs::read_dir(&directory) else { return };
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if expected.contains(name.as_str()) {
                continue;
            }
            assert!(samples::is_blessing(), "{DIRECTORY}/{name} belongs to no finding: run once with CASA_DOCTOR_BLESS=1");
            std::fs::remove_file(directory.join(name)).unwrap();
        }
    }

    #[test]
    fn a_page_about_a_made_up_finding() {
        let pages = pages(&Catalog::of(samples::CHECKS));
        assert_eq!(pages.len(), 6);
        let (path, content) = pages.iter().find(|(path, _)| path.ends_with("config-unknown-flag.md")).unwrap();
        assert_eq!(path, "docs/checks/config-unknown-flag.md");
        insta::assert_snapshot!(content);
    }

    #[test]
    fn the_index_of_made_up_checks() {
        insta::assert_snapshot!(index(&Catalog::of(samples::CHECKS)));
    }
}
