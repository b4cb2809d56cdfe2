//! Which checks and findings are wanted: `--only` and `--skip`.

use std::collections::BTreeSet;

use casa_doctor_checks::check::{Category, Check, Outcome};
use casa_doctor_checks::finding::{Finding, FindingKind};
use casa_doctor_checks::plugin::belongs_to;
use thiserror::Error;

use super::nearest::Nearest;
use super::{CATEGORIES, Catalog};

/// Why a list of names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SelectError {
    /// Nothing is called so.
    #[error("there is no check, finding or category {name:?}; {}", hint(nearest.as_ref()))]
    Unknown {
        /// What was written.
        name: String,
        /// The nearest name.
        nearest: Option<Nearest>,
    },
    /// A category, where one check or finding is wanted.
    #[error("{name:?} is a category, which is explained check by check: {}", checks.join(", "))]
    IsCategory {
        /// What was written.
        name: String,
        /// Its checks.
        checks: Vec<&'static str>,
    },
    /// A pattern that fits nothing.
    #[error("no check, finding or category matches {pattern:?}; {}", hint(nearest.as_ref()))]
    NoMatch {
        /// What was written.
        pattern: String,
        /// The name nearest to what is fixed in it.
        nearest: Option<Nearest>,
    },
    /// A list with an empty name in it.
    #[error("an empty name stands in {list:?}; names are separated by one comma")]
    Empty {
        /// The list.
        list: String,
    },
}

fn hint(nearest: Option<&Nearest>) -> String {
    match nearest {
        Some(Nearest { name, is_near: true }) => format!("did you mean {name:?}?"),
        Some(Nearest { name, is_near: false }) => format!("the nearest name is {name:?}; `casa-doctor list` shows them all"),
        None => "`casa-doctor list` shows them all".to_owned(),
    }
}

/// The error for a name that is not known, when there are these others besides those of the catalog.
pub(super) fn unknown<'a>(catalog: &Catalog, others: impl IntoIterator<Item = &'a str>, name: &str) -> SelectError {
    SelectError::Unknown { name: name.to_owned(), nearest: catalog.nearest(name, others) }
}

/// Names, resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    checks: BTreeSet<&'static str>,
    findings: BTreeSet<&'static str>,
    /// Plug-ins that are meant as a whole.
    plugins: BTreeSet<String>,
    /// Ids and patterns that may fit findings of plug-ins, whose ids are known only when they are given.
    given: BTreeSet<String>,
}

impl Names {
    /// Resolves lists of ids, categories and patterns.
    fn resolve(catalog: &Catalog, plugins: &[String], lists: &[String]) -> Result<Self, SelectError> {
        let mut names = Self::default();
        for list in lists {
            for name in list.split(',').map(str::trim) {
                if name.is_empty() {
                    return Err(SelectError::Empty { list: list.clone() });
                }
                if !names.add(catalog, name) & !names.add_plugins(plugins, name) {
                    let others = plugins.iter().map(String::as_str);
                    let is_pattern = name.contains(['*', '?']);
                    return Err(if is_pattern {
                        SelectError::NoMatch { pattern: name.to_owned(), nearest: catalog.nearest(name, others) }
                    } else {
                        unknown(catalog, others, name)
                    });
                }
            }
        }
        Ok(names)
    }

    /// Adds all that a name or pattern fits; tells whether it fits anything. A category that has no check yet is still a name.
    fn add(&mut self, catalog: &Catalog, pattern: &str) -> bool {
        let fits = |category: Category| matches(pattern, category.word());
        let mut found = CATEGORIES.iter().copied().any(fits);
        for check in catalog.checks() {
            if matches(pattern, check.id) || fits(check.category) {
                found = true;
                self.checks.insert(check.id);
            }
        }
        for (kind, _) in catalog.kinds() {
            if matches(pattern, kind.id) {
                found = true;
                self.findings.insert(kind.id);
            }
        }
        found
    }

    /// Adds the plug-ins that a name or pattern fits, and the name itself when it may be that of a finding of theirs; tells
    /// whether it may.
    fn add_plugins(&mut self, plugins: &[String], pattern: &str) -> bool {
        let mut found = false;
        for name in plugins {
            if matches(pattern, name) {
                found = true;
                self.plugins.insert(name.clone());
            }
            if may_be_of(pattern, name) {
                self.given.insert(pattern.to_owned());
                // A pattern that begins with a star may fit a finding of any plug-in: that alone does not make it a name.
                found |= belongs_to(fixed_part(pattern), name);
            }
        }
        found
    }

    /// Whether a finding that a plug-in gave, or one about a plug-in, is meant.
    fn mean_plugin(&self, finding: &Finding) -> bool {
        let named = finding.plugin.as_ref().is_some_and(|name| self.plugins.contains(name));
        named || (finding.own.is_some() && self.given.iter().any(|pattern| matches(pattern, finding.id())))
    }

    /// Whether a plug-in, or a finding of its, is meant.
    fn may_mean(&self, plugin: &str) -> bool {
        self.plugins.contains(plugin) || self.given.iter().any(|pattern| may_be_of(pattern, plugin))
    }
}

/// Whether a name or pattern may be that of a finding of a plug-in.
fn may_be_of(pattern: &str, plugin: &str) -> bool {
    let fixed = fixed_part(pattern);
    belongs_to(fixed, plugin) || (fixed.len() < pattern.len() && format!("{plugin}-").starts_with(fixed))
}

/// What stands before the first star or question mark.
fn fixed_part(pattern: &str) -> &str {
    pattern.split(['*', '?']).next().unwrap_or(pattern)
}

/// Whether a name fits a pattern, in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and up to where of the name it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, reach)) => {
                    star = Some((at, reach + 1));
                    p = at + 1;
                    n = reach + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// What is wanted. Without `--only` everything is; `--skip` takes away from what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    only: Option<Names>,
    skip: Names,
}

impl Selection {
    /// Reads the lists of `--only` and `--skip`; each item may be several names with commas between them. The names of
    /// plug-ins, and what begins with one, are names as well.
    ///
    /// # Errors
    ///
    /// [`SelectError`] when a name or pattern fits nothing.
    pub(crate) fn parse(catalog: &Catalog, plugins: &[String], only: &[String], skip: &[String]) -> Result<Self, SelectError> {
        let wanted = if only.is_empty() { None } else { Some(Names::resolve(catalog, plugins, only)?) };
        Ok(Self { only: wanted, skip: Names::resolve(catalog, plugins, skip)? })
    }

    /// Whether the check is to be run: it is wanted itself, or a finding of its is.
    pub(crate) fn wants_check(&self, check: &Check) -> bool {
        let names_plugin = || {
            check.category == Category::Plugin
                && self.only.as_ref().is_some_and(|only| !only.plugins.is_empty() || !only.given.is_empty())
        };
        !self.skip.checks.contains(check.id)
            && (names_plugin() || check.findings.iter().any(|kind| self.wants_finding(check, kind)))
    }

    /// Whether a plug-in is to be asked.
    pub(crate) fn wants_plugin(&self, name: &str) -> bool {
        let all = |only: &Names| only.checks.iter().chain(&only.findings).any(|id| id.starts_with("plugin-"));
        !self.skip.plugins.contains(name) && self.only.as_ref().is_none_or(|only| all(only) || only.may_mean(name))
    }

    /// Whether this finding is to be kept when that check gives it.
    fn wants(&self, check: &Check, finding: &Finding) -> bool {
        if self.skip.checks.contains(check.id) || self.skip.findings.contains(finding.kind.id) || self.skip.mean_plugin(finding) {
            return false;
        }
        // What is wrong with a plug-in is told to whoever asks for one of its findings: silence would look like health.
        let trouble = |only: &Names| finding.own.is_none() && finding.plugin.as_ref().is_some_and(|name| only.may_mean(name));
        self.wants_finding(check, finding.kind) || self.only.as_ref().is_some_and(|only| only.mean_plugin(finding) || trouble(only))
    }

    /// Whether a finding of that kind is to be kept when that check gives it.
    pub(crate) fn wants_finding(&self, check: &Check, kind: &FindingKind) -> bool {
        if self.skip.checks.contains(check.id) || self.skip.findings.contains(kind.id) {
            return false;
        }
        self.only.as_ref().is_none_or(|only| only.checks.contains(check.id) || only.findings.contains(kind.id))
    }

    /// The outcome without the findings that are not wanted. When none is left the check counts as skipped and says so: it
    /// did not pass.
    pub(crate) fn keep(&self, check: &Check, outcome: Outcome) -> Outcome {
        let Outcome::Findings(findings) = outcome else { return outcome };
        let (kept, left_out): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| self.wants(check, finding));
        if !kept.is_empty() || left_out.is_empty() {
            return Outcome::of(kept);
        }
        let ids: BTreeSet<_> = left_out.iter().map(Finding::id).collect();
        let ids = ids.into_iter().collect::<Vec<_>>().join(", ");
        Outcome::Skipped(format!("what it found was not asked for: {ids}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, CONFIG_FLAGS, COOKIE_MISSING, COOKIE_REJECTED, GL_HOST, X11_COOKIE};

    fn parse(only: &[&str], skip: &[&str]) -> Result<Selection, SelectError> {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Selection::parse(&Catalog::of(samples::CHECKS), &owned(&["quota", "site-x11"]), &owned(only), &owned(skip))
    }

    fn run(selection: &Selection) -> Vec<&'static str> {
        samples::CHECKS.iter().filter(|check| selection.wants_check(check)).map(|check| check.id).collect()
    }

    #[test]
    fn everything_unless_told_otherwise() {
        assert_eq!(run(&parse(&[], &[]).unwrap()).len(), samples::CHECKS.len());
    }

    #[test]
    fn only_a_finding_runs_its_check_and_keeps_that_finding_alone() {
        let selection = parse(&["x11-cookie-rejected"], &[]).unwrap();
        assert_eq!(run(&selection), ["x11-cookie"]);
        assert!(selection.wants_finding(&X11_COOKIE, &COOKIE_REJECTED));
        assert!(!selection.wants_finding(&X11_COOKIE, &COOKIE_MISSING));
        let both = Outcome::Findings(vec![COOKIE_MISSING.found(), COOKIE_REJECTED.found()]);
        assert_eq!(selection.keep(&X11_COOKIE, both), Outcome::Findings(vec![COOKIE_REJECTED.found()]));
    }

    #[test]
    fn skipping_a_finding_drops_it_alone_and_never_makes_its_check_pass() {
        let selection = parse(&[], &["x11-cookie-missing"]).unwrap();
        assert!(selection.wants_check(&X11_COOKIE));
        let dropped = selection.keep(&X11_COOKIE, Outcome::Findings(vec![COOKIE_MISSING.found()]));
        assert_eq!(dropped, Outcome::Skipped("what it found was not asked for: x11-cookie-missing".into()));
        let other = Outcome::Findings(vec![COOKIE_REJECTED.found()]);
        assert_eq!(selection.keep(&X11_COOKIE, other.clone()), other);
        assert_eq!(selection.keep(&X11_COOKIE, Outcome::Pass), Outcome::Pass);
    }

    #[test]
    fn a_check_of_which_every_finding_is_skipped_does_not_run() {
        assert!(!parse(&[], &["x11-cookie-missing,x11-cookie-rejected"]).unwrap().wants_check(&X11_COOKIE));
    }

    #[test]
    fn categories_patterns_and_lists() {
        assert_eq!(run(&parse(&["rendering"], &["nvidia-*"]).unwrap()), ["gl-environment", "gl-host"]);
        assert_eq!(run(&parse(&["ssh, gl-hos?"], &[]).unwrap()), ["gl-host", "ssh-agent"]);
        assert_eq!(run(&parse(&["ssh", "x11"], &[]).unwrap()), ["x11-cookie", "ssh-agent"]);
        assert!(run(&parse(&["x11"], &["x11"]).unwrap()).is_empty(), "what is skipped is skipped");
        assert!(run(&parse(&["engine"], &[]).unwrap()).is_empty(), "a category without checks is still a name");
        let selection = parse(&["gl-host"], &["gl-env-override"]).unwrap();
        assert!(!selection.wants_finding(&GL_HOST, &samples::ENV_OVERRIDE));
        assert!(!selection.wants_check(&CONFIG_FLAGS));
    }

    /// The check of plug-ins, and outcomes of two of them: a finding `quota-home` and trouble with `site-x11`.
    fn plugins(selection: &Selection) -> Vec<String> {
        let check = casa_doctor_checks::registry::checks().find(|check| check.category == Category::Plugin).unwrap();
        let kind = |id| *check.findings.iter().find(|kind| kind.id == id).unwrap();
        let mut given = kind("plugin-finding").found().by_plugin("quota");
        let own = casa_doctor_checks::finding::OwnWords { id: "quota-home".into(), why: "W".into(), docs: None };
        given.own = Some(Box::new(own));
        let trouble = kind("plugin-hung").found().by_plugin("site-x11");
        if !selection.wants_check(check) {
            return vec!["not asked".to_owned()];
        }
        match selection.keep(check, Outcome::Findings(vec![given, trouble])) {
            Outcome::Findings(kept) => kept.iter().map(|finding| finding.id().to_owned()).collect(),
            outcome => vec![outcome.word().to_owned()],
        }
    }

    #[test]
    fn plug_ins_and_their_findings_are_names() {
        for (only, skip, kept, quota, site) in [
            (&[][..], &[][..], &["quota-home", "plugin-hung"][..], true, true),
            (&["x11"], &[], &["not asked"], false, false),
            (&["quota"], &[], &["quota-home"], true, false),
            (&["quota-home"], &[], &["quota-home"], true, false),
            (&["quota-h*"], &[], &["quota-home"], true, false),
            (&["quota-other"], &[], &["skipped"], true, false),
            (&["site-x11-cookie"], &[], &["plugin-hung"], false, true),
            (&[], &["quota"], &["plugin-hung"], false, true),
            (&[], &["quota-home"], &["plugin-hung"], true, true),
            (&[], &["quota-*,site-x11"], &["skipped"], true, false),
        ] {
            let selection = parse(only, skip).unwrap();
            assert_eq!(plugins(&selection), kept, "--only {only:?} --skip {skip:?}");
            assert_eq!((selection.wants_plugin("quota"), selection.wants_plugin("site-x11")), (quota, site), "{only:?} {skip:?}");
        }
        assert!(parse(&["quot"], &[]).is_err() && parse(&["quotas"], &[]).is_err());
    }

    #[test]
    fn wrong_names_are_errors() {
        let unknown = parse(&["x11-coookie"], &[]).unwrap_err();
        let nearest = |name: &str| Some(Nearest { name: name.into(), is_near: true });
        assert_eq!(unknown, SelectError::Unknown { name: "x11-coookie".into(), nearest: nearest("x11-cookie") });
        let plugin = parse(&["site-x12"], &[]).unwrap_err();
        assert_eq!(plugin, SelectError::Unknown { name: "site-x12".into(), nearest: nearest("site-x11") });
        let pattern = parse(&["x11-coookie-*"], &[]).unwrap_err().to_string();
        assert_eq!(pattern, "no check, finding or category matches \"x11-coookie-*\"; did you mean \"x11-cookie\"?");
        assert!(parse(&[], &["zz*"]).unwrap_err().to_string().contains("\"zz*\"; the nearest name is \""));
        for list in ["", "x11,", ",x11", "x11,,ssh"] {
            assert_eq!(parse(&[list], &[]).unwrap_err(), SelectError::Empty { list: list.into() });
        }
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("x11-*", "x11-cookie", true),
            ("*", "", true),
            ("*-cookie-*", "x11-cookie-missing", true),
            ("*-missing", "x11-cookie-missing", true),
            ("x11-?ookie", "x11-cookie", true),
            ("x11", "x11-cookie", false),
            ("?", "", false),
            ("*a*b", "aab", true),
            ("*a*b", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} against {name:?}");
        }
    }
}
