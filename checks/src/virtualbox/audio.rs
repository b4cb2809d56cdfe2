//! Does the virtual machine have a sound device that may crash it?

use super::{Candidate, candidates, virtualbox};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "vbox-sound",
    category: Category::Virtualbox,
    question: "Is the sound of the virtual machine off?",
    needs: &[ProbeId::Machine, ProbeId::Virtualbox],
    findings: &[&AUDIO],
    run,
};

static AUDIO: FindingKind = FindingKind {
    id: "vbox-audio",
    code: "CD1401",
    severity: Severity::Warning,
    title: "The virtual machine has a sound device, which may crash it on a Mac",
    why: "On macOS 10.15 the machine of BrainVISA crashed at every start because of its sound, which BrainVISA does not need. The working recipe \
          switches it off, or takes the driver that makes no sound. On other systems it does no harm.",
    cure: "With the machine shut down, choose \"Null Audio Driver\" in its settings under Audio, or switch audio off.",
    example: "audio=\"coreaudio\"",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let candidates = match candidates(facts) {
        Ok(candidates) => candidates,
        Err(outcome) => return outcome,
    };
    let severity = if facts.is_mac() { Severity::Warning } else { Severity::Info };
    let major = virtualbox(facts).ok().and_then(|virtualbox| virtualbox.version.as_deref()?.split('.').next()?.parse().ok());
    Outcome::of(candidates.into_iter().filter_map(|candidate| judge(candidate, severity, major)).collect())
}

fn judge(candidate: Candidate<'_>, severity: Severity, major: Option<u32>) -> Option<Finding> {
    let driver = candidate.machine.audio.as_deref().filter(|driver| !matches!(*driver, "none" | "null"))?;
    let finding = AUDIO.found().severity(candidate.severity(severity));
    let finding = if severity == Severity::Info {
        finding.title("The virtual machine has a sound device, which matters on a Mac only")
    } else {
        finding
    };
    let finding = finding.evidence(candidate.shown("audio", driver));
    let text = "Take the driver that makes no sound.";
    Some(match major {
        // Version 7 renamed the option; 6.1 does not know the new name.
        Some(7..) => candidate.change(finding, text, "--audio-driver null"),
        Some(_) => candidate.change(finding, text, "--audio null"),
        None => candidate.begin(finding).then("Choose \"Null Audio Driver\" in the settings of the machine, under Audio."),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bare, computer};
    use super::*;
    use crate::facts::VirtualMachine;
    use crate::image::tests::findings;

    fn found(os: &str, version: &str, driver: &str) -> Vec<Finding> {
        let machine = VirtualMachine { audio: Some(driver.into()), ..bare("brainvisa-5.1") };
        findings(&CHECK, &computer(os, version, vec![machine]))
    }

    #[test]
    fn sound_matters_on_a_mac() {
        for (version, driver, command) in [
            ("6.1.32", "coreaudio", "VBoxManage modifyvm brainvisa-5.1 --audio null"),
            ("7.0.16", "default", "VBoxManage modifyvm brainvisa-5.1 --audio-driver null"),
            ("7.2.22", "default", "VBoxManage modifyvm brainvisa-5.1 --audio-driver null"),
        ] {
            let finding = found("macos", version, driver).remove(0);
            assert_eq!((finding.kind.id, finding.severity), ("vbox-audio", Severity::Warning));
            assert_eq!(finding.advice[0].command.as_deref(), Some(command), "{version}");
        }
        assert_eq!(found("linux", "6.1.32", "alsa")[0].severity, Severity::Info);
        for silent in ["none", "null"] {
            assert!(found("macos", "7.2.22", silent).is_empty());
        }
    }

    #[test]
    fn a_machine_that_runs_must_be_shut_down_first() {
        let machine = VirtualMachine { state: Some("running".into()), ..bare("brainvisa-5.1") };
        let finding = findings(&CHECK, &computer("macos", "7.2.22", vec![machine])).remove(0);
        assert!(finding.advice[0].text.contains("Shut the virtual machine down"));
    }
}
