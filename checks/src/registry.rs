//! Every check. Adding one is adding its record to its family's list; a new family is one line in [`FAMILIES`].

use crate::check::Check;
use crate::finding::FindingKind;

/// The families, in the order in which their checks are told.
static FAMILIES: &[&[&Check]] = &[
    crate::config::CHECKS,
    crate::image::CHECKS,
    crate::engine::CHECKS,
    crate::x11::CHECKS,
    crate::gl::CHECKS,
    crate::ssh::CHECKS,
    crate::somaworkflow::CHECKS,
    crate::storage::CHECKS,
    crate::nvidia::CHECKS,
    crate::macos::CHECKS,
    crate::windows::CHECKS,
    crate::virtualbox::CHECKS,
    crate::plugin::CHECKS,
];

/// Every check, in the order in which they are told.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    FAMILIES.iter().copied().flatten().copied()
}

/// Every kind of finding, each with the first check that may give it.
pub fn finding_kinds() -> impl Iterator<Item = (&'static FindingKind, &'static Check)> {
    checks().enumerate().flat_map(|(index, check)| {
        check
            .findings
            .iter()
            .filter(move |kind| !checks().take(index).any(|earlier| earlier.findings.contains(kind)))
            .map(move |kind| (*kind, check))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_kebab(id: &str) -> bool {
        !id.is_empty()
            && id.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
    }

    #[test]
    fn check_ids_are_unique_and_kebab_case() {
        let mut seen = BTreeSet::new();
        for check in checks() {
            assert!(is_kebab(check.id), "{} is not kebab-case", check.id);
            assert!(seen.insert(check.id), "two checks are called {}", check.id);
            assert!(check.question.ends_with('?'), "{}: the question must be one", check.id);
            assert!(!check.findings.is_empty(), "{} can never find anything", check.id);
        }
    }

    #[test]
    fn finding_ids_and_codes_are_unique_and_documented() {
        let (mut ids, mut codes) = (BTreeSet::new(), BTreeSet::new());
        for (kind, _) in finding_kinds() {
            assert!(is_kebab(kind.id), "{} is not kebab-case", kind.id);
            assert!(ids.insert(kind.id), "two kinds of finding are called {}", kind.id);
            assert!(codes.insert(kind.code), "{}: the code {} is used twice", kind.id, kind.code);
            assert!(kind.code.len() == 6 && kind.code.starts_with("CD"), "{}: {} is no code", kind.id, kind.code);
            assert!(!kind.title.ends_with('.'), "{}: no full stop in a title", kind.id);
            for (name, text) in [("title", kind.title), ("why", kind.why), ("cure", kind.cure), ("example", kind.example)] {
                assert!(!text.trim().is_empty(), "{}: {name} is empty", kind.id);
                assert!(!text.contains("xhost +\n") && !text.ends_with("xhost +"), "{}: never advise an open X server", kind.id);
            }
        }
    }

    #[test]
    fn checks_of_a_family_are_sorted() {
        for family in FAMILIES {
            let ids: Vec<_> = family.iter().map(|check| check.id).collect();
            assert!(ids.is_sorted(), "sort this family by id: {ids:?}");
        }
    }
}
