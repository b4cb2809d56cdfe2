//! Vulkan, which BrainVISA does not need: nothing here is an error.

use super::{last_lines, result};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "vulkan-devices",
    category: Category::Rendering,
    question: "Does Vulkan have a device?",
    needs: &[ProbeId::Vulkan],
    findings: &[&NO_DEVICE],
    run,
};

static NO_DEVICE: FindingKind = FindingKind {
    id: "vulkan-no-device",
    code: "CD0209",
    severity: Severity::Info,
    title: "Vulkan has no device on this machine",
    why: "Vulkan is a newer way to draw than OpenGL. BrainVISA does not use it; a few other programs do, and Mesa's driver zink \
          draws OpenGL with it.",
    cure: "Nothing has to be done for BrainVISA. For other programs, install the Vulkan driver of your card.",
    example: "vkCreateInstance: ERROR_INCOMPATIBLE_DRIVER",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let result = match result(facts.vulkan.as_ref()) {
        Ok(result) => result,
        Err(outcome) => return outcome,
    };
    if !result.devices.is_empty() {
        return Outcome::Pass;
    }
    let finding = match &result.error {
        None => NO_DEVICE.found().evidence("Vulkan lists no device"),
        Some(error) => {
            let evidence = format!("{}: {}", error.call, error.message);
            let broken = !error.call.starts_with("dlopen") && error.message != "ERROR_INCOMPATIBLE_DRIVER";
            // A driver that is there and fails is worth a look; none at all is only worth knowing.
            NO_DEVICE.found().severity(if broken { Severity::Warning } else { Severity::Info }).evidence(evidence)
        }
    };
    let stderr = facts.vulkan.as_ref().map(|run| run.stderr.as_slice()).unwrap_or_default();
    let finding = last_lines(stderr, 3).fold(finding, Finding::evidence);
    Outcome::Findings(vec![
        finding.advise("Nothing has to be done for BrainVISA. For other programs, install the Vulkan driver of your card."),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, facts, finished};
    use super::*;
    use crate::facts::{ChildEnd, GlError, VulkanDevice, VulkanResult};

    fn judge(error: Option<(&str, &str)>, devices: usize) -> Outcome {
        let error = error.map(|(call, message)| GlError { call: call.into(), message: message.into() });
        let result = VulkanResult { error, devices: vec![VulkanDevice::default(); devices], ..VulkanResult::default() };
        CHECK.judge(&Facts { vulkan: Some(finished(result)), ..facts() })
    }

    fn severity(outcome: &Outcome) -> Severity {
        match outcome {
            Outcome::Findings(findings) => findings[0].severity,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_device_passes_and_none_is_never_an_error() {
        assert_eq!(judge(None, 1), Outcome::Pass);
        assert_eq!(severity(&judge(None, 0)), Severity::Info);
        assert_eq!(severity(&judge(Some(("dlopen libvulkan.so.1", "not there")), 0)), Severity::Info);
        assert_eq!(severity(&judge(Some(("vkCreateInstance", "ERROR_INCOMPATIBLE_DRIVER")), 0)), Severity::Info);
        assert_eq!(severity(&judge(Some(("vkCreateInstance", "ERROR_INITIALIZATION_FAILED")), 0)), Severity::Warning);
    }

    #[test]
    fn a_crash_is_told_elsewhere() {
        let end = ChildEnd::Signal { number: 11, name: "SIGSEGV".into() };
        assert_eq!(CHECK.judge(&Facts { vulkan: Some(broken(end, "vkCreateInstance")), ..facts() }).word(), "skipped");
    }
}
