//! Can the virtual machine draw?

use super::acceleration::ends_machines;
use super::{Candidate, candidates};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CONTROLLER_CHECK: Check = Check {
    id: "vbox-graphics",
    category: Category::Virtualbox,
    question: "Has the virtual machine the graphics controller that Linux draws best with?",
    needs: &[ProbeId::Virtualbox],
    findings: &[&CONTROLLER],
    run: controllers,
};

pub(super) static MEMORY_CHECK: Check = Check {
    id: "vbox-memory",
    category: Category::Virtualbox,
    question: "Has the virtual machine enough video memory?",
    needs: &[ProbeId::Virtualbox],
    findings: &[&VIDEO_MEMORY],
    run: memories,
};

static CONTROLLER: FindingKind = FindingKind {
    id: "vbox-graphics-controller",
    code: "CD1402",
    severity: Severity::Warning,
    title: "The virtual machine's graphics controller cannot draw in 3D",
    why: "Linux in VirtualBox draws in 3D through the controller VMSVGA with 3D acceleration. With the older ones (VBoxVGA, VBoxSVGA) or without \
          acceleration the processor draws, and the window cannot be resized properly.",
    cure: "With the machine shut down, choose VMSVGA in its settings under Display, and tick 3D acceleration. If it then shows black or white windows, \
           switch 3D acceleration off again. On macOS 15 leave it off: VirtualBox 7.1 and 7.2 end machines with it on Macs with Apple's own processors. If letters and icons are too small to read, \
           as on the fine screen of a Mac, set the scale factor in the same place to 200 %.",
    example: "graphicscontroller=\"vboxvga\"\naccelerate3d=\"off\"",
    since: "0.1.0",
};

static VIDEO_MEMORY: FindingKind = FindingKind {
    id: "vbox-video-memory",
    code: "CD1403",
    severity: Severity::Warning,
    title: "The virtual machine has little video memory",
    why: "3D views and large screens need video memory: with little of it windows stay black, the screen stays small, or 3D acceleration is switched \
          off by itself. 128 MB is what works for BrainVISA.",
    cure: "With the machine shut down, set the video memory to 128 MB in its settings under Display.",
    example: "vram=16",
    since: "0.1.0",
};

/// The video memory of casa_distro's recipe, in MB; also the most that older versions of VirtualBox offer.
const ENOUGH_MB: u64 = 128;

fn controllers(facts: &Facts) -> Outcome {
    match candidates(facts) {
        Ok(candidates) => {
            let unstable = ends_machines(facts);
            Outcome::of(candidates.into_iter().filter_map(|candidate| controller(candidate, unstable)).collect())
        }
        Err(outcome) => outcome,
    }
}

/// `unstable` tells that 3D acceleration is known to fail on this computer: then it is right that it is off.
fn controller(candidate: Candidate<'_>, unstable: bool) -> Option<Finding> {
    let controller = candidate.machine.graphics_controller.as_deref()?;
    let accelerated = candidate.machine.accelerate_3d;
    let is_old = matches!(controller, "vboxvga" | "vboxsvga" | "none");
    let finding = if is_old {
        CONTROLLER
            .found()
            .severity(candidate.severity(Severity::Warning))
            .evidence(candidate.shown("graphicscontroller", controller))
    } else if controller == "vmsvga" && accelerated == Some(false) && !unstable {
        // The processor draws: slower, and right.
        CONTROLLER.found().severity(Severity::Info).title("3D acceleration of the virtual machine is off")
    } else {
        return None;
    };
    let mut options = Vec::new();
    if is_old {
        options.push("--graphicscontroller vmsvga");
    }
    let mut finding = finding;
    if accelerated == Some(false) && !unstable {
        finding = finding.evidence(candidate.shown("accelerate3d", "off"));
        options.push("--accelerate3d on");
    }
    if unstable {
        return Some(
            candidate.change(finding, "Choose the controller VMSVGA.", &options.join(" ")).advise(
                "Also leave 3D acceleration off: this version of VirtualBox ends machines with it on Macs with this macOS.",
            ),
        );
    }
    let text = match (is_old, accelerated) {
        (true, Some(false)) => "Choose the controller VMSVGA with 3D acceleration.",
        (true, _) => "Choose the controller VMSVGA.",
        (false, _) => "Switch 3D acceleration on.",
    };
    Some(
        candidate
            .change(finding, text, &options.join(" "))
            .advise("Also see that the guest additions are installed inside of the machine (menu Devices). If windows then stay black or white, switch 3D acceleration off again."),
    )
}

fn memories(facts: &Facts) -> Outcome {
    match candidates(facts) {
        Ok(candidates) => Outcome::of(candidates.into_iter().filter_map(memory).collect()),
        Err(outcome) => outcome,
    }
}

fn memory(candidate: Candidate<'_>) -> Option<Finding> {
    let megabytes = candidate.machine.video_memory_mb.filter(|megabytes| *megabytes < ENOUGH_MB)?;
    let finding = VIDEO_MEMORY
        .found()
        .severity(candidate.severity(Severity::Warning))
        .title(format!("The virtual machine has {megabytes} MB of video memory, where {ENOUGH_MB} MB are recommended"))
        .evidence(candidate.shown("vram", &format!("{megabytes} MB")));
    Some(candidate.change(finding, "Give it more.", &format!("--vram {ENOUGH_MB}")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bare, computer, right};
    use super::*;
    use crate::facts::VirtualMachine;
    use crate::image::tests::findings;

    #[test]
    fn a_bare_machine_gets_the_recipe() {
        let facts = computer("linux", "6.1.32", vec![bare("brainvisa-5.1")]);
        let found = findings(&CONTROLLER_CHECK, &facts).remove(0);
        assert_eq!((found.kind.id, found.severity), ("vbox-graphics-controller", Severity::Warning));
        // These spellings are taken by 6.1 and by 7.x.
        let command = "VBoxManage modifyvm brainvisa-5.1 --graphicscontroller vmsvga --accelerate3d on";
        assert_eq!(found.advice[0].command.as_deref(), Some(command));
        let found = findings(&MEMORY_CHECK, &facts).remove(0);
        assert_eq!((found.kind.id, found.severity), ("vbox-video-memory", Severity::Warning));
        assert_eq!(found.advice[0].command.as_deref(), Some("VBoxManage modifyvm brainvisa-5.1 --vram 128"));
    }

    #[test]
    fn acceleration_that_is_off_is_worth_a_word_and_no_more() {
        let machine = VirtualMachine { accelerate_3d: Some(false), ..right("brainvisa-5.1") };
        let found = findings(&CONTROLLER_CHECK, &computer("linux", "7.2.22", vec![machine])).remove(0);
        assert_eq!(found.severity, Severity::Info);
        assert_eq!(found.advice[0].command.as_deref(), Some("VBoxManage modifyvm brainvisa-5.1 --accelerate3d on"));
    }

    #[test]
    fn nobody_is_told_to_switch_on_what_ends_the_machine() {
        let machines = || vec![VirtualMachine { accelerate_3d: Some(false), ..right("brainvisa-5.1") }, bare("brainvisa-5.2")];
        let on_macos = |kernel: &str| {
            let mut facts = computer("macos", "7.2.22", machines());
            facts.machine.as_mut().unwrap().kernel = Some(kernel.into());
            findings(&CONTROLLER_CHECK, &facts)
        };
        let found = on_macos("24.1.0");
        assert_eq!(found.len(), 1, "3D acceleration that is off is right there: {found:?}");
        assert_eq!(found[0].advice[0].command.as_deref(), Some("VBoxManage modifyvm brainvisa-5.2 --graphicscontroller vmsvga"));
        let older = on_macos("23.6.0");
        assert!(older.len() == 2 && older[0].advice[0].command.as_deref().unwrap().contains("--accelerate3d on"), "{older:?}");
    }

    #[test]
    fn a_controller_that_is_not_known_is_not_judged() {
        let machine = VirtualMachine { graphics_controller: Some("qemuramfb".into()), ..right("brainvisa-5.1") };
        assert_eq!(CONTROLLER_CHECK.judge(&computer("macos", "7.2.22", vec![machine])), Outcome::Pass);
        let more = VirtualMachine { video_memory_mb: Some(256), ..right("brainvisa-5.1") };
        assert_eq!(MEMORY_CHECK.judge(&computer("macos", "7.2.22", vec![more])), Outcome::Pass);
    }
}
