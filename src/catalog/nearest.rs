//! The name that comes nearest to one that is not known.

use super::{CATEGORIES, Catalog};

/// The nearest of all names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nearest {
    /// The name.
    pub(crate) name: String,
    /// Whether it is near enough to be what was meant.
    pub(crate) is_near: bool,
}

/// From here on a name may be what was meant.
const NEAR: f64 = 0.7;
/// A name of which a part begins like what was written, or the other way round.
const BEGINS_ALIKE: f64 = 0.9;
/// A name of which the title, the reason or the example tells what was written: it is nearer than others, and may be far.
const IS_TOLD: f64 = 0.6;
/// A name of which a part may be shortened to what was written.
const IS_SHORT: f64 = 0.75;
/// Shorter words stand in other words by chance.
const SHORTEST_PART: usize = 3;

impl Catalog {
    /// The name that comes nearest to one that is not known, or to what is fixed in a pattern, among those of the catalog and
    /// others; `None` only when there are no names at all. Names that hold the word come first, then those with the like of its
    /// parts, then those that tell of it; the number of letters that differ decides among equals.
    pub(crate) fn nearest<'a>(&self, written: &str, others: impl IntoIterator<Item = &'a str>) -> Option<Nearest> {
        let word = written.replace(['*', '?'], "").replace('_', "-").to_lowercase();
        let word = word.trim_matches('-');
        if let Some(nearest) = self.nearest_code(word) {
            return Some(nearest);
        }
        let checks = self.checks().map(|check| (check.id, [check.question, "", ""]));
        let kinds = self.kinds().into_iter().map(|(kind, _)| (kind.id, [kind.title, kind.why, kind.example]));
        let categories = CATEGORIES.iter().map(|category| (category.word(), [""; 3]));
        let own = checks.chain(kinds).chain(categories).map(|(name, texts)| (score(word, name, &texts), name));
        // Among names that are equally near the catalog's come first.
        let scored = own.chain(others.into_iter().map(|name| (score(word, name, &[]) - 0.02, name)));
        let (score, name) = scored.reduce(|best, other| if is_better(other, best) { other } else { best })?;
        Some(Nearest { name: name.to_owned(), is_near: score >= NEAR })
    }

    /// The finding whose code comes nearest, when a code was written.
    fn nearest_code(&self, word: &str) -> Option<Nearest> {
        let number = |code: &str| code.strip_prefix("cd")?.parse::<u32>().ok();
        let wanted = number(word)?;
        let kinds = self.kinds().into_iter();
        let numbered = kinds.filter_map(|(kind, _)| Some((number(&kind.code.to_lowercase())?.abs_diff(wanted), kind.id)));
        let (distance, id) = numbered.min()?;
        Some(Nearest { name: id.to_owned(), is_near: distance == 0 })
    }

    /// The name from which one that is not known differs by a few letters only: a slip of the pen.
    pub(crate) fn misspelt(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let ids = self.checks().map(|check| check.id).chain(self.kinds().into_iter().map(|(kind, _)| kind.id));
        let limit = (name.chars().count() / 3).clamp(2, 8);
        ids.chain(CATEGORIES.iter().map(|category| category.word()))
            .map(|known| (strsim::damerau_levenshtein(&name, known), known))
            .filter(|(distance, _)| *distance <= limit)
            .min()
            .map(|(_, known)| known.to_owned())
    }
}

/// The higher score, then the shorter name, then the order of letters.
fn is_better(one: (f64, &str), other: (f64, &str)) -> bool {
    one.0.total_cmp(&other.0).then_with(|| other.1.len().cmp(&one.1.len())).then_with(|| other.1.cmp(one.1)).is_gt()
}

fn score(word: &str, name: &str, texts: &[&str]) -> f64 {
    // Never more than the difference between two kinds of likeness.
    let letters = 0.05 * strsim::normalized_damerau_levenshtein(word, name);
    let likeness = if word.is_empty() {
        0.0
    } else if format!("-{name}-").contains(&format!("-{word}-")) {
        3.0
    } else if word.len() >= SHORTEST_PART && name.contains(word) {
        2.0
    } else if word.len() >= SHORTEST_PART && texts.iter().any(|text| tells(text, word)) {
        of_parts(word, name).max(IS_TOLD)
    } else {
        of_parts(word, name)
    };
    likeness + letters
}

/// How much of a word's parts is in a name, from 0 to 1; long parts count more.
fn of_parts(word: &str, name: &str) -> f64 {
    let (mut sum, mut letters) = (0.0, 0.0);
    for part in word.split('-').filter(|part| !part.is_empty()) {
        let best = name.split('-').map(|other| of_part(part, other)).fold(0.0, f64::max);
        let weight = f64::from(u32::try_from(part.chars().count()).unwrap_or(u32::MAX));
        sum += weight * best;
        letters += weight;
    }
    if letters > 0.0 { sum / letters } else { 0.0 }
}

fn of_part(part: &str, other: &str) -> f64 {
    let begins = |one: &str, other: &str| other.len() >= SHORTEST_PART && one.starts_with(other);
    if part == other {
        1.0
    } else if begins(part, other) || begins(other, part) {
        BEGINS_ALIKE
    } else {
        let short = if is_short_for(part, other) { IS_SHORT } else { 0.0 };
        strsim::normalized_damerau_levenshtein(part, other).max(short)
    }
}

/// Whether a word has the first letter of another and some of the others in their order, as `cfg` has of `config`.
fn is_short_for(part: &str, other: &str) -> bool {
    let mut letters = other.chars();
    part.len() >= SHORTEST_PART && part.chars().next() == other.chars().next() && part.chars().all(|c| letters.any(|l| l == c))
}

/// Whether a text holds a word by itself.
fn tells(text: &str, word: &str) -> bool {
    // The name of a file is one word.
    let is_edge = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.');
    text.to_lowercase().split(is_edge).any(|told| told.trim_matches(['-', '.']) == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(written: &str) -> (String, bool) {
        let nearest = Catalog::registered().nearest(written, ["site-quota"]).unwrap();
        (nearest.name, nearest.is_near)
    }

    #[test]
    fn names_that_hold_the_word_or_its_parts_come_before_those_of_like_letters() {
        for (written, name) in [
            ("nvidia-mismatch", "nvidia-driver-mismatch"),
            ("no-display", "x11-no-display"),
            ("cfg", "config"),
            ("conf", "config"),
            ("x11-conection*", "x11-connection"),
            ("config-unknwon-*", "config-unknown-flag"),
            ("*-cookie-mising", "x11-cookie-missing"),
            ("X11_COOKIE_MISSING", "x11-cookie-missing"),
            ("x11-coookie-missing", "x11-cookie-missing"),
            ("nvidea", "nvidia"),
            ("quota", "site-quota"),
            ("site-qouta", "site-quota"),
            ("sshagent", "ssh-agent"),
            ("CD0920", Catalog::registered().kinds().iter().find(|(kind, _)| kind.code == "CD0920").unwrap().0.id),
        ] {
            assert_eq!(nearest(written), (name.to_owned(), true), "{written}");
        }
        for told in ["softgl", "--softgl"] {
            assert_eq!(nearest(told), ("config-unknown-flag".to_owned(), false), "{told}");
        }
        for (written, beginning) in
            [("wsl", "wsl-"), ("wsl-*-display", "wsl-"), ("vbox", "vbox-"), ("gl", "gl-"), ("xquartz", "xquartz-")]
        {
            assert!(nearest(written).0.starts_with(beginning), "{written}: {:?}", nearest(written));
        }
    }

    #[test]
    fn there_is_always_a_nearest_name_and_one_that_is_far_is_not_called_near() {
        for written in ["CD9999", "zzzz", "*", "?", "", "qqq*", "something else entirely"] {
            assert!(!nearest(written).0.is_empty(), "{written:?}");
            assert!(!nearest(written).1, "{written:?}: {:?}", nearest(written));
        }
    }
}
