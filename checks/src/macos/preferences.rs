//! Are the preferences of XQuartz written so that it takes them?

use super::{domain, installed, is_on, preference, told};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, Xquartz, XquartzSetting};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "xquartz-preferences",
    category: Category::Macos,
    question: "Are the preferences of XQuartz written so that it takes them?",
    needs: &[ProbeId::Xquartz],
    findings: &[&WRONG_TYPE, &OTHER_DOMAIN],
    run,
};

static WRONG_TYPE: FindingKind = FindingKind {
    id: "xquartz-preference-type",
    code: "CD0508",
    severity: Severity::Warning,
    title: "A preference of XQuartz is a word where it must be a boolean",
    why: "XQuartz compares the preference with 1 or 0 when it starts. Written without -bool, true and false are mere words: \
          \"enable_iglx true\" enables nothing, \"no_auth false\" switches the cookie off, and \"nolisten_tcp true\" makes it listen.",
    cure: "Write the preference again with -bool, then quit XQuartz and open it again.",
    example: "$ defaults write org.xquartz.X11 enable_iglx true\n$ defaults read-type org.xquartz.X11 enable_iglx\nType is string",
    since: "0.1.0",
};

static OTHER_DOMAIN: FindingKind = FindingKind {
    id: "xquartz-old-preferences",
    code: "CD0509",
    severity: Severity::Info,
    title: "A preference of XQuartz stands where this version does not look",
    why: "XQuartz 2.8 reads org.xquartz.X11, version 2.7 read org.macosforge.xquartz.X11. Many instructions still name the old one, and \
          writing there has no effect.",
    cure: "Write the preference where the installed version reads it, then quit XQuartz and open it again.",
    example: "defaults write org.macosforge.xquartz.X11 nolisten_tcp -bool false",
    since: "0.1.0",
};

const KEYS: [&str; 3] = ["nolisten_tcp", "no_auth", "enable_iglx"];

fn run(facts: &Facts) -> Outcome {
    let xquartz = match installed(facts) {
        Ok(xquartz) => xquartz,
        Err(outcome) => return outcome,
    };
    if is_on(xquartz, KEYS[0]).is_none() {
        return Outcome::Unknown("the preferences of XQuartz could not be read".to_owned());
    }
    Outcome::of(wrong_type(xquartz).into_iter().chain(other_domain(xquartz)).collect())
}

/// One finding for all words.
fn wrong_type(xquartz: &Xquartz) -> Option<Finding> {
    let words =
        KEYS.iter().filter_map(|key| preference(xquartz, key)).filter(|setting| !matches!(setting.value.as_str(), "0" | "1"));
    words.fold(None, |finding, setting| {
        let (effect, severity) = effect(setting);
        let so_far = finding.unwrap_or_else(|| WRONG_TYPE.found().severity(Severity::Info));
        let worst = so_far.severity.max(severity);
        // Nobody is told to switch the cookie off, whatever was meant.
        let word = if means_no(&setting.value) || setting.key == "no_auth" { "false" } else { "true" };
        Some(so_far.severity(worst).evidence(format!("{}: {effect}", told(setting))).advise_command(
            format!("Write {} as a boolean, then quit XQuartz and open it again.", setting.key),
            format!("defaults write {} {} -bool {word}", setting.domain, setting.key),
        ))
    })
}

fn means_no(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "")
}

/// What comes of a word, and how bad that is.
fn effect(setting: &XquartzSetting) -> (&'static str, Severity) {
    match (setting.key.as_str(), means_no(&setting.value)) {
        ("no_auth", true) => ("XQuartz asks nobody for a cookie, though it was meant to", Severity::Warning),
        ("no_auth", false) => ("XQuartz asks nobody for a cookie", Severity::Info),
        ("nolisten_tcp", false) => ("XQuartz listens to the network, though it was meant not to", Severity::Warning),
        ("nolisten_tcp", true) => ("XQuartz listens to the network, as it was meant to", Severity::Info),
        (_, true) => ("it stays off, as it was meant to", Severity::Info),
        (_, false) => ("it stays off, though it was meant to be on", Severity::Info),
    }
}

/// Preferences of other versions that say something else than what holds.
fn other_domain(xquartz: &Xquartz) -> Option<Finding> {
    let own = domain(xquartz);
    let lost = xquartz.settings.iter().filter(|setting| setting.domain != own && matches!(setting.value.as_str(), "0" | "1"));
    // A cookie that was switched off and is asked for again is no loss.
    let lost = lost.filter(|setting| (setting.key.as_str(), setting.value.as_str()) != ("no_auth", "1"));
    let lost: Vec<_> = lost.filter(|setting| is_on(xquartz, &setting.key) != Some(setting.value == "1")).collect();
    (!lost.is_empty()).then(|| {
        let version = xquartz.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        lost.iter().fold(OTHER_DOMAIN.found().evidence(format!("XQuartz{version} reads {own}")), |finding, setting| {
            let word = if setting.value == "1" { "true" } else { "false" };
            finding.evidence(told(setting)).advise_command(
                format!("If {} is still wanted so, write it where it is read.", setting.key),
                format!("defaults write {own} {} -bool {word}", setting.key),
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alone, fresh, preference as set, ready};
    use super::super::{DOMAIN, OLD_DOMAIN};
    use super::*;
    use crate::image::tests::{findings, ids};

    fn with(settings: Vec<XquartzSetting>) -> Facts {
        alone(Xquartz { settings, ..fresh() })
    }

    #[test]
    fn words_are_told_with_what_comes_of_them() {
        for (key, value, severity, effect) in [
            ("enable_iglx", "true", Severity::Info, "meant to be on"),
            ("no_auth", "false", Severity::Warning, "asks nobody"),
            ("no_auth", "true", Severity::Info, "asks nobody"),
            ("nolisten_tcp", "true", Severity::Warning, "meant not to"),
            ("nolisten_tcp", "false", Severity::Info, "as it was meant to"),
        ] {
            let found = findings(&CHECK, &with(vec![set(DOMAIN, key, value, "string")]));
            assert_eq!((found[0].kind.id, found[0].severity), ("xquartz-preference-type", severity), "{key} {value}");
            assert!(found[0].evidence[0].contains(effect), "{:?}", found[0].evidence);
            let command = found[0].advice[0].command.as_deref().unwrap();
            let wanted = if key == "no_auth" { "false" } else { value };
            assert_eq!(command, format!("defaults write org.xquartz.X11 {key} -bool {wanted}"));
        }
        assert_eq!(CHECK.judge(&with(vec![set(DOMAIN, "enable_iglx", "1", "string")])), Outcome::Pass, "the text is what counts");
        assert_eq!(CHECK.judge(&alone(ready())), Outcome::Pass);
    }

    #[test]
    fn what_an_update_leaves_behind_is_told_only_when_it_says_something_else() {
        let left = |key: &str, value: &str| with(vec![set(OLD_DOMAIN, key, value, "boolean")]);
        assert_eq!(CHECK.judge(&left("nolisten_tcp", "1")), Outcome::Pass);
        assert_eq!(CHECK.judge(&left("no_auth", "0")), Outcome::Pass);
        assert_eq!(CHECK.judge(&left("no_auth", "1")), Outcome::Pass);
        assert_eq!(ids(&CHECK, &left("enable_iglx", "1")), ["xquartz-old-preferences"]);
        let found = findings(&CHECK, &left("nolisten_tcp", "0"));
        assert_eq!(found[0].severity, Severity::Info);
        assert_eq!(found[0].advice[0].command.as_deref(), Some("defaults write org.xquartz.X11 nolisten_tcp -bool false"));
    }

    #[test]
    fn preferences_that_could_not_be_read_are_unknown() {
        let mut facts = with(Vec::new());
        facts.xquartz.as_mut().unwrap().unknown.insert(format!("settings.{DOMAIN}"), "no answer".into());
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
    }
}
