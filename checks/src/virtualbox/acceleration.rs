//! Is 3D acceleration on where it is known to fail?

use super::{Candidate, described, is_for_arm, of_any_processor, virtualbox};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "vbox-acceleration",
    category: Category::Virtualbox,
    question: "Is 3D acceleration of the virtual machine off where it is known to fail?",
    needs: &[ProbeId::Machine, ProbeId::Session, ProbeId::Virtualbox],
    findings: &[&UNSTABLE],
    run,
};

static UNSTABLE: FindingKind = FindingKind {
    id: "vbox-3d-unstable",
    code: "CD1405",
    severity: Severity::Warning,
    title: "3D acceleration of the virtual machine is on where it is known to fail",
    why: "VirtualBox draws in 3D through the graphics of the computer around it. With VirtualBox 7.1 and 7.2 on macOS 15 of Macs with Apple's \
          own processors the whole machine ends when a program draws in 3D; in a session of Wayland with Ubuntu 24.04, windows of newer programs stay white or black.",
    cure: "Switch 3D acceleration off: the processor draws, slower and right.",
    example: "VirtualBoxVM quit unexpectedly.",
    since: "0.1.0",
};

/// The kernel of macOS 15 (Darwin 24).
const DARWIN_OF_MACOS_15: u32 = 24;

fn run(facts: &Facts) -> Outcome {
    match virtualbox(facts) {
        Ok(virtualbox) if virtualbox.guest.is_some() => return inside(facts),
        Ok(_) => {}
        Err(outcome) => return outcome,
    }
    let candidates = match of_any_processor(facts).and_then(described) {
        Ok(candidates) => candidates,
        Err(outcome) => return outcome,
    };
    if !facts.is_mac() {
        return Outcome::Skipped("3D acceleration is known to end machines on macOS only".to_owned());
    }
    let on: Vec<Candidate<'_>> = candidates.into_iter().filter(|candidate| candidate.machine.accelerate_3d == Some(true)).collect();
    if on.is_empty() {
        return Outcome::Pass;
    }
    let (Some(version), Some(darwin)) = (version(facts), darwin(facts)) else {
        return Outcome::Unknown("the version of VirtualBox or of macOS is not known".to_owned());
    };
    if !fails(darwin, version) {
        return Outcome::Pass;
    }
    let arch = facts.machine.as_ref().map_or("", |machine| machine.arch.as_str());
    Outcome::of(on.into_iter().map(|candidate| of_host(candidate, version, arch)).collect())
}

/// Whether 3D acceleration is known to fail with this kernel of macOS and this version of VirtualBox.
fn fails(darwin: u32, version: (u32, u32)) -> bool {
    darwin >= DARWIN_OF_MACOS_15 && matches!(version, (7, 1 | 2))
}

/// Whether 3D acceleration may end virtual machines on this computer, so that nobody must be told to switch it on.
pub(super) fn ends_machines(facts: &Facts) -> bool {
    facts.is_mac() && version(facts).zip(darwin(facts)).is_some_and(|(version, darwin)| fails(darwin, version))
}

/// All that was reported is from Macs with Apple's own processors; whether those of Intel fail, too, nobody said.
fn of_host(candidate: Candidate<'_>, (major, minor): (u32, u32), arch: &str) -> Finding {
    let finding = if arch == "aarch64" || is_for_arm(candidate.machine) {
        UNSTABLE.found().severity(candidate.severity(Severity::Warning))
    } else {
        UNSTABLE
            .found()
            .severity(Severity::Info)
            .title("3D acceleration of the virtual machine is on, which fails on other Macs with this macOS")
            .evidence(format!(
                "the failure was reported from Macs with Apple's own processors (aarch64), and this one is \"{arch}\""
            ))
    };
    let finding = finding
        .evidence(candidate.shown("accelerate3d", "on"))
        .evidence(format!("VirtualBox {major}.{minor} on macOS 15 or later"));
    candidate.change(finding, "If the machine ends when a program draws in 3D, switch 3D acceleration off.", "--accelerate3d off")
}

/// Seen from inside of the machine.
fn inside(facts: &Facts) -> Outcome {
    let wayland = facts.session.as_ref().is_some_and(|session| session.session_type.as_deref() == Some("wayland"));
    if !wayland {
        return Outcome::Skipped("windows are known to stay blank in sessions of Wayland only".to_owned());
    }
    let Some(result) = facts.glx.as_ref().and_then(|run| run.result.as_ref()) else {
        return Outcome::Unknown("who draws on the display is not known".to_owned());
    };
    match result.contexts.iter().find(|context| context.renderer.starts_with("SVGA3D")) {
        Some(context) => Outcome::Findings(vec![
            UNSTABLE
                .found()
                .severity(Severity::Info)
                .title("3D acceleration of this virtual machine may leave windows white in a session of Wayland")
                .evidence(format!("GLX: renderer \"{}\", in a session of Wayland", context.renderer))
                .advise("If windows stay white or black: choose a session of Xorg at log-in, or switch 3D acceleration of the machine off."),
        ]),
        None => Outcome::Pass,
    }
}

fn version(facts: &Facts) -> Option<(u32, u32)> {
    let mut parts = virtualbox(facts).ok()?.version.as_deref()?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn darwin(facts: &Facts) -> Option<u32> {
    facts.machine.as_ref()?.kernel.as_deref()?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{computer, right};
    use super::*;
    use crate::facts::VirtualMachine;

    #[test]
    fn what_was_reported_from_apples_processors_is_no_warning_on_others() {
        let judge = |arch: &str, os_type: &str| {
            let machine = VirtualMachine { os_type: Some(os_type.into()), ..right("brainvisa-5.3") };
            let mut facts = computer("macos", "7.2.4", vec![machine]);
            let host = facts.machine.as_mut().unwrap();
            (host.arch, host.kernel) = (arch.into(), Some("24.6.0".into()));
            let Outcome::Findings(found) = CHECK.judge(&facts) else { panic!("{arch} {os_type}") };
            found[0].severity
        };
        assert_eq!(judge("aarch64", "Ubuntu (ARM 64-bit)"), Severity::Warning);
        assert_eq!(judge("x86_64", "Ubuntu (ARM 64-bit)"), Severity::Warning, "casa-doctor itself is translated");
        assert_eq!(judge("x86_64", "Ubuntu (64-bit)"), Severity::Info);
    }
}
