//! Are the preferences of XQuartz written so that it takes them?

use super::{container, domain, installed, is_on, network, preference, told};
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

/// The preference that lets programs ask XQuartz to draw in 3D.
const IGLX: &str = "enable_iglx";
const KEYS: [&str; 3] = ["nolisten_tcp", "no_auth", IGLX];
const NO_IGLX: &str = "Leave enable_iglx off for BrainVISA: the OpenGL that it switches on is too old for the image. If another program \
                       needs it, write it as a boolean where this version looks, then quit XQuartz and open it again.";

fn run(facts: &Facts) -> Outcome {
    let xquartz = match installed(facts) {
        Ok(xquartz) => xquartz,
        Err(outcome) => return outcome,
    };
    if is_on(xquartz, KEYS[0]).is_none() {
        return Outcome::Unknown("the preferences of XQuartz could not be read".to_owned());
    }
    let serves = container(facts).is_some();
    // That connections were allowed where nobody looks is told by the check that finds them refused.
    let is_told = matches!(network::CHECK.judge(facts), Outcome::Findings(_));
    Outcome::of(wrong_type(xquartz, serves).into_iter().chain(other_domain(xquartz, serves, is_told)).collect())
}

/// One finding for all words. Containers come over the network: where XQuartz serves one, nobody is told to close it.
fn wrong_type(xquartz: &Xquartz, serves: bool) -> Option<Finding> {
    let words =
        KEYS.iter().filter_map(|key| preference(xquartz, key)).filter(|setting| !matches!(setting.value.as_str(), "0" | "1"));
    words.fold(None, |finding, setting| {
        let (effect, severity) = effect(setting, serves);
        let so_far = finding.unwrap_or_else(|| WRONG_TYPE.found().severity(Severity::Info));
        let worst = so_far.severity.max(severity);
        // Nobody is told to switch the cookie off either, whatever was meant.
        let off = means_no(&setting.value) || setting.key == "no_auth" || setting.key == "nolisten_tcp" && serves;
        let is_first = so_far.advice.is_empty();
        Some(so_far.severity(worst).evidence(format!("{}: {effect}", told(setting))).advise_command(
            match (setting.key == IGLX && !off, is_first) {
                (true, true) => NO_IGLX.to_owned(),
                (true, false) => format!("Also l{}", &NO_IGLX[1..]),
                (false, true) => format!("Write {} as a boolean, then quit XQuartz and open it again.", setting.key),
                (false, false) => format!("Also write {} as a boolean, then quit XQuartz and open it again.", setting.key),
            },
            format!("defaults write {} {} -bool {}", setting.domain, setting.key, !off),
        ))
    })
}

fn means_no(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "")
}

/// What comes of a word, and how bad that is.
fn effect(setting: &XquartzSetting, serves: bool) -> (&'static str, Severity) {
    match (setting.key.as_str(), means_no(&setting.value)) {
        ("nolisten_tcp", _) if serves => ("XQuartz listens to the network, which containers need", Severity::Info),
        ("no_auth", true) => ("XQuartz asks nobody for a cookie, though it was meant to", Severity::Warning),
        ("no_auth", false) => ("XQuartz asks nobody for a cookie", Severity::Info),
        ("nolisten_tcp", false) => ("XQuartz listens to the network, though it was meant not to", Severity::Warning),
        ("nolisten_tcp", true) => ("XQuartz listens to the network, as it was meant to", Severity::Info),
        (_, true) => ("it stays off, as it was meant to", Severity::Info),
        (_, false) => ("it stays off, though it was meant to be on", Severity::Info),
    }
}

/// Preferences of other versions that say something else than what holds.
fn other_domain(xquartz: &Xquartz, serves: bool, is_told: bool) -> Option<Finding> {
    let own = domain(xquartz);
    let lost = xquartz.settings.iter().filter(|setting| setting.domain != own && matches!(setting.value.as_str(), "0" | "1"));
    // A cookie that was switched off and is asked for again is no loss, nor is a network that was closed to containers.
    let lost = lost.filter(|setting| match (setting.key.as_str(), setting.value.as_str()) {
        ("no_auth", "1") => false,
        ("nolisten_tcp", "1") => !serves,
        ("nolisten_tcp", _) => !is_told,
        _ => true,
    });
    let lost: Vec<_> = lost.filter(|setting| is_on(xquartz, &setting.key) != Some(setting.value == "1")).collect();
    (!lost.is_empty()).then(|| {
        let version = xquartz.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        lost.iter().fold(OTHER_DOMAIN.found().evidence(format!("XQuartz{version} reads {own}")), |finding, setting| {
            let on = setting.value == "1";
            let text = if setting.key == IGLX && on {
                NO_IGLX.to_owned()
            } else {
                format!("If {} is still wanted so, write it where it is read.", setting.key)
            };
            finding.evidence(told(setting)).advise_command(text, format!("defaults write {own} {} -bool {on}", setting.key))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alone, fresh, preference as set, ready, with_environment};
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
        assert_eq!(CHECK.judge(&left("nolisten_tcp", "0")), Outcome::Pass, "xquartz-network tells it");
        let mut elsewhere = left("nolisten_tcp", "0");
        elsewhere.xquartz.as_mut().unwrap().app = None;
        assert!(matches!(CHECK.judge(&elsewhere), Outcome::Skipped(_)));
    }

    #[test]
    fn nobody_is_told_to_close_the_network_that_a_container_needs_or_to_switch_indirect_opengl_on() {
        let word = Xquartz { settings: vec![set(DOMAIN, "nolisten_tcp", "true", "string")], ..ready() };
        let found = findings(&CHECK, &with_environment("docker", word));
        assert_eq!(found[0].severity, Severity::Info);
        assert_eq!(found[0].advice[0].command.as_deref(), Some("defaults write org.xquartz.X11 nolisten_tcp -bool false"));
        let mut old = ready();
        old.settings.push(set(OLD_DOMAIN, "nolisten_tcp", "1", "boolean"));
        assert_eq!(CHECK.judge(&with_environment("docker", old)), Outcome::Pass);
        for settings in [set(OLD_DOMAIN, "enable_iglx", "1", "boolean"), set(DOMAIN, "enable_iglx", "true", "string")] {
            let found = findings(&CHECK, &with(vec![settings]));
            assert!(found[0].advice[0].text.starts_with("Leave enable_iglx off for BrainVISA"), "{:?}", found[0].advice);
        }
        let two =
            findings(&CHECK, &with(vec![set(DOMAIN, "nolisten_tcp", "false", "string"), set(DOMAIN, "no_auth", "no", "string")]));
        assert!(two[0].advice[1].text.starts_with("Also write no_auth"), "{:?}", two[0].advice);
    }

    #[test]
    fn preferences_that_could_not_be_read_are_unknown() {
        let mut facts = with(Vec::new());
        facts.xquartz.as_mut().unwrap().unknown.insert(format!("settings.{DOMAIN}"), "no answer".into());
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
    }
}
