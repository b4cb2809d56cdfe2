//! Checks of the family "plugin": what the programs of a site say, and whether they work.

mod answer;
mod trouble;

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, Plugin, PluginEnd, ProbeId};
use crate::finding::{Finding, FindingKind, OwnWords, Severity};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[&CHECK];

static CHECK: Check = Check {
    id: "plugin-answers",
    category: Category::Plugin,
    question: "What do the plug-ins of this site find?",
    needs: &[ProbeId::Plugins],
    findings: &[
        &FOUND,
        &trouble::CRASHED,
        &trouble::FOREIGN_ID,
        &trouble::HUNG,
        &trouble::INVALID,
        &trouble::REFUSED,
        &trouble::SILENT,
    ],
    run: answers,
};

/// The kind behind every finding that a plug-in gives; the finding itself has the plug-in's id and words.
static FOUND: FindingKind = FindingKind {
    id: "plugin-finding",
    code: "CD1501",
    severity: Severity::Warning,
    title: "A plug-in of this site found something",
    why: "Whoever looks after these machines wrote a check of their own. Its findings have an id of the plug-in's and are told beside those of casa-doctor; only the plug-in's authors can tell more about them.",
    cure: "Follow the finding's own advice. The last line of its evidence names the program that gave it: ask those who wrote it when it is not clear.",
    example: "quota-home-almost-full: 97 % of your quota on /home is used\nsaid by the plug-in \"quota\" (/etc/casa-doctor/checks.d/casa-doctor-check-quota)",
    since: "0.1.0",
};

/// The words that a plug-in's name must not be: they begin the ids of casa-doctor's own, which may become more.
///
/// Returns the reason why a name cannot be that of a plug-in, and `None` when it can.
#[must_use]
pub fn objection_to_name(name: &str) -> Option<String> {
    if !is_id(name) {
        return Some(
            "the name after \"casa-doctor-check-\" must be small letters and digits, with single hyphens between them".to_owned(),
        );
    }
    let first_word = |id: &'static str| id.split('-').next();
    let own = crate::registry::checks().map(|check| check.id).chain(crate::registry::finding_kinds().map(|(kind, _)| kind.id));
    let families = crate::registry::checks().map(|check| check.category.word());
    (own.filter_map(first_word).chain(families).any(|word| word == name)).then(|| {
        format!("\"{name}\" begins ids of casa-doctor's own: give the plug-in a name with another word, such as \"site-{name}\"")
    })
}

/// Whether a text is small letters and digits with single hyphens between them.
fn is_id(text: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 80 && text.split('-').all(is_word)
}

/// Whether an id is one that the plug-in of that name may give: the name itself, or the name, a hyphen and more.
#[must_use]
pub fn belongs_to(id: &str, name: &str) -> bool {
    id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn answers(facts: &Facts) -> Outcome {
    let Some(plugins) = &facts.plugins else { return Outcome::Unknown("nothing was recorded about plug-ins".to_owned()) };
    if plugins.found.is_empty() {
        return Outcome::Skipped("there are no plug-ins".to_owned());
    }
    let names: Vec<&str> = plugins.found.iter().map(|plugin| plugin.name.as_str()).collect();
    Outcome::of(plugins.found.iter().flat_map(|plugin| said_by(plugin, &names)).collect())
}

/// The findings about one plug-in: its own, or the trouble with it.
fn said_by(plugin: &Plugin, names: &[&str]) -> Vec<Finding> {
    let answer = match (&plugin.end, &plugin.answer) {
        (PluginEnd::Answered, Some(answer)) => answer,
        _ => return vec![trouble::of_end(plugin)],
    };
    let items = match answer::read(answer) {
        Ok(items) => items,
        Err(reason) => return vec![trouble::invalid(plugin, &reason)],
    };
    let (own, foreign): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| is_own(&item.id, &plugin.name, names));
    let mut findings: Vec<_> = own.into_iter().map(|item| told(plugin, item)).collect();
    if !foreign.is_empty() {
        findings.push(trouble::foreign(plugin, foreign.iter().map(|item| item.id.as_str())));
    }
    findings
}

/// Whether a plug-in may give this id: of all names that it begins with, the longest is the plug-in's own.
fn is_own(id: &str, name: &str, names: &[&str]) -> bool {
    let owner = names.iter().copied().filter(|other| belongs_to(id, other)).max_by_key(|other| other.len());
    let taken =
        crate::registry::checks().any(|check| check.id == id) || crate::registry::finding_kinds().any(|(kind, _)| kind.id == id);
    owner == Some(name) && !taken
}

/// A plug-in's finding in our form. Whatever it advises is for the user: nothing that a plug-in says is done by `--fix`.
fn told(plugin: &Plugin, item: answer::Item) -> Finding {
    let mut finding = FOUND.found().severity(item.severity).title(item.title).by_plugin(&plugin.name);
    finding.own = Some(Box::new(OwnWords { id: item.id, why: item.why, docs: item.docs }));
    for line in item.evidence {
        finding = finding.evidence(line);
    }
    finding = finding.evidence(said(plugin));
    for advice in item.advice {
        finding = match advice.command {
            Some(command) => finding.advise_command(advice.text, command),
            None => finding.advise(advice.text),
        };
    }
    finding
}

fn said(plugin: &Plugin) -> String {
    format!("said by the plug-in \"{}\" ({})", plugin.name, plugin.file.display())
}

#[cfg(test)]
mod tests;
