//! Do the administrator's settings let the engine do what casa_distro asks of it?
//!
//! What each directive does was tried with Apptainer 1.4.5; root is asked nothing of all this.

use std::path::Path;

use super::{described, has_working_setuid, severity, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engine, EngineSettings, Facts, ImageKind, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "engine-settings",
    category: Category::Engine,
    question: "Do the administrator's settings let the engine start the container as casa_distro asks?",
    needs: &[ProbeId::Engines],
    findings: &[&BROKEN, &POLICY],
    run,
};

static POLICY: FindingKind = FindingKind {
    id: "engine-policy",
    code: "CD0711",
    severity: Severity::Warning,
    title: "A setting of the administrator changes what containers can do",
    why: "Apptainer and Singularity obey a file of the administrator (apptainer.conf). Some of its settings take away what casa_distro relies on: \
          mounts, the machine's /tmp with the socket of the X server, the device nodes of the card, or images of a kind or from a place. The engine \
          says so in a line that is easily overlooked, or not at all.",
    cure: "Ask the administrator whether the setting is meant, and for an exception; or use another engine of the site.",
    example: "WARNING: Ignoring /home/anna bind mount: user bind control disabled by system administrator",
    since: "0.1.0",
};

static BROKEN: FindingKind = FindingKind {
    id: "engine-config-broken",
    code: "CD0712",
    severity: Severity::Error,
    title: "The engine's configuration has a value that it refuses",
    why: "Apptainer and Singularity read their configuration at every start, and end when a directive has a value that they do not know. No \
          container of this machine starts then.",
    cure: "Let an administrator correct the line; the engine's manual names the values of each directive.",
    example: "FATAL: While initializing: couldn't parse configuration file /etc/apptainer/apptainer.conf: value authorized for directive \"allow setuid\" are [yes no]",
    since: "0.1.0",
};

/// What a value of a directive does here, and how bad that is.
struct Effect {
    directive: &'static str,
    what: String,
    severity: Severity,
}

fn run(facts: &Facts) -> Outcome {
    let (engines, engine) = match sif_engine(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if facts.session.as_ref().is_some_and(|session| session.uid == Some(0)) {
        return Outcome::Skipped("most of these settings do not bind root".to_owned());
    }
    let Some(settings) = &engines.settings else {
        let reason = engines.unknown.get("settings").map_or("it was not recorded", String::as_str);
        return Outcome::Unknown(format!("the engine's configuration is not known: {reason}"));
    };
    let config = settings.config.display();
    let mut findings = Vec::new();
    if !settings.invalid.is_empty() {
        let finding = settings.invalid.iter().fold(BROKEN.found(), |finding, line| finding.evidence(format!("{config}: {line}")));
        findings.push(
            finding
                .severity(severity(facts))
                .evidence(described(engine))
                .advise("Let an administrator correct the line in that file."),
        );
    }
    let effects = effects(facts, engine, settings);
    if let Some(worst) = effects.iter().map(|effect| effect.severity).max() {
        let finding = effects.iter().fold(POLICY.found().severity(worst), |finding, effect| {
            let value = settings.values.get(effect.directive).map_or("", String::as_str);
            finding.evidence(format!("{config}: \"{} = {value}\": {}", effect.directive, effect.what))
        });
        findings.push(
            finding
                .evidence(described(engine))
                .advise("Ask the administrator of this machine whether that is meant, and show this finding."),
        );
    }
    Outcome::of(findings)
}

fn effects(facts: &Facts, engine: &Engine, settings: &EngineSettings) -> Vec<Effect> {
    let worst = severity(facts);
    let value = |directive: &str| settings.values.get(directive).map(String::as_str);
    let mut effects = Vec::new();
    let mut add = |directive, what: &str, severity| effects.push(Effect { directive, what: what.to_owned(), severity });
    if value("user bind control") == Some("no") {
        add(
            "user bind control",
            "nothing that casa_distro or you ask for is mounted, neither data nor the cookie of the display",
            worst,
        );
    }
    if value("mount tmp") == Some("no") {
        add(
            "mount tmp",
            "the container has a /tmp of its own, without the sockets of the X server and of ssh agents",
            Severity::Warning,
        );
    }
    if let Some("no" | "minimal") = value("mount dev") {
        add(
            "mount dev",
            "the container sees no card but NVIDIA's in the mode nv, so that the processor draws; casa-doctor run brings the others along",
            Severity::Warning,
        );
    }
    if value("mount home") == Some("no") {
        add("mount home", "your home directory is not mounted by itself; casa_distro mounts what it needs", Severity::Info);
    }
    if value("allow user ns") == Some("no") && !has_working_setuid(engine) {
        add("allow user ns", "the engine has no setuid starter, and may not do without one", worst);
    }
    let image = facts.image.as_ref();
    match image.and_then(|image| image.kind.as_ref()) {
        Some(ImageKind::Sif) if value("allow container sif") == Some("no") => {
            add("allow container sif", "the image is a SIF file, which may not be started", worst);
        }
        Some(ImageKind::Sandbox) if value("allow container dir") == Some("no") => {
            add("allow container dir", "the image is a directory, which may not be started", worst);
        }
        _ => {}
    }
    if let (Some(list), Some(used)) =
        (value("limit container paths").filter(|list| is_set(list)), image.and_then(|image| image.used.as_ref()))
        && !list.split(',').any(|path| used.starts_with(Path::new(path.trim())))
    {
        add("limit container paths", &format!("{} is in none of these directories, and may not be started", used.display()), worst);
    }
    for directive in ["limit container owners", "limit container groups"] {
        if value(directive).is_some_and(is_set) {
            add(directive, "images of others than these may not be started", Severity::Info);
        }
    }
    effects
}

/// Whether a list has something in it; the engines write NULL for none.
pub(super) fn is_set(list: &str) -> bool {
    !list.trim().is_empty() && !list.trim().eq_ignore_ascii_case("null")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, facts_for, healthy};
    use super::*;
    use crate::facts::{EngineKind, Engines, Image, Setuid};

    fn facts(values: &[(&str, &str)], invalid: &[&str]) -> Facts {
        let settings = EngineSettings {
            config: "/etc/apptainer/apptainer.conf".into(),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            invalid: invalid.iter().map(|line| (*line).to_owned()).collect(),
        };
        let found = vec![engine(EngineKind::Apptainer, "1.4.5", Some(Setuid::Absent))];
        let mut facts = facts_for("singularity", Engines { settings: Some(settings), ..healthy(found) });
        facts.image = Some(Image { kind: Some(ImageKind::Sif), used: Some("/data/x.sif".into()), ..Image::default() });
        facts
    }

    #[test]
    fn the_settings_of_the_package_are_no_finding() {
        let stock =
            [("user bind control", "yes"), ("mount dev", "yes"), ("allow container sif", "yes"), ("limit container paths", "NULL")];
        assert_eq!(CHECK.judge(&facts(&stock, &[])), Outcome::Pass);
    }

    #[test]
    fn each_setting_that_takes_something_away_is_told() {
        for (name, value) in [
            ("user bind control", "no"),
            ("mount tmp", "no"),
            ("mount dev", "minimal"),
            ("mount home", "no"),
            ("allow user ns", "no"),
            ("allow container sif", "no"),
            ("limit container paths", "/srv/images, /opt/images"),
            ("limit container owners", "root"),
        ] {
            let Outcome::Findings(findings) = CHECK.judge(&facts(&[(name, value)], &[])) else { panic!("{name}") };
            assert!(findings[0].evidence[0].contains(name), "{findings:?}");
        }
        assert_eq!(CHECK.judge(&facts(&[("limit container paths", "/data")], &[])), Outcome::Pass);
        assert_eq!(CHECK.judge(&facts(&[("allow container dir", "no")], &[])), Outcome::Pass, "the image is a file");
    }

    #[test]
    fn a_value_that_the_engine_refuses_ends_every_start() {
        let Outcome::Findings(findings) = CHECK.judge(&facts(&[], &["line 3: allow setuid = maybe"])) else {
            panic!("nothing found")
        };
        assert_eq!(findings[0].kind.id, "engine-config-broken");
    }

    #[test]
    fn without_its_file_nothing_is_known() {
        let mut unknown = facts(&[], &[]);
        unknown.engines.as_mut().unwrap().settings = None;
        assert_eq!(CHECK.judge(&unknown).word(), "unknown");
    }
}
