//! Whether kernel and libraries are of one version. The driver refuses every other version of its libraries.

use super::{numbers, running, until_then};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, Gpu, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "nvidia-versions",
    category: Category::Nvidia,
    question: "Are the parts of NVIDIA's driver of one version?",
    needs: &[ProbeId::Gpu],
    findings: &[&MISMATCH],
    run,
};

static MISMATCH: FindingKind = FindingKind {
    id: "nvidia-driver-mismatch",
    code: "CD0301",
    severity: Severity::Error,
    title: "The kernel runs another version of NVIDIA's driver than the libraries are",
    why: "NVIDIA's libraries work with the kernel's part of the same version only. After an update of the driver the kernel goes on \
          with the old part until the machine starts again. Until then OpenGL of this card fails or falls back to slow software \
          rendering, on the machine and in containers.",
    cure: "Start the machine again. Until then use the OpenGL mode software, or the mode container where another card draws.",
    example: "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.163",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let (gpu, kernel, nvidia) = match running(facts) {
        Ok(running) => running,
        Err(outcome) => return outcome,
    };
    let Some(user) = &nvidia.user_version else {
        return Outcome::Skipped("no library of the driver was found to compare with".into());
    };
    if numbers(kernel) == numbers(user) {
        return Outcome::Pass;
    }
    let library = nvidia.user_library.as_ref().map_or_else(|| "the libraries".to_owned(), |path| path.display().to_string());
    let finding = MISMATCH
        .found()
        .title(format!("The kernel runs version {kernel} of NVIDIA's driver, and the libraries are of version {user}"))
        .evidence(format!("/proc/driver/nvidia/version: the kernel runs {kernel}"))
        .evidence(format!("{library}: programs load {user}"));
    let finding = containers(finding, gpu);
    let same = nvidia.other_versions.iter().find(|(version, _)| numbers(version) == numbers(kernel));
    let finding = match same {
        // Two drivers side by side: the kernel's own libraries are there, and the linker finds the other ones first.
        Some((version, path)) => finding
            .evidence(format!("{}: libraries of version {version} are installed as well", path.display()))
            .advise("Two versions of the driver are installed. Start the machine again first.")
            .advise_command(
                "If that does not help, remains of one installation hide the other: remove the one that you do not use (that of \
                 NVIDIA's installer with \"nvidia-uninstall\", that of a package with the package manager), then renew the \
                 linker's cache.",
                "sudo ldconfig",
            ),
        None => finding
            .advise_command("Start the machine again: the kernel then loads the part that fits the libraries.", "sudo reboot"),
    };
    Outcome::Findings(vec![until_then(facts, finding)])
}

/// What a container engine would bring.
fn containers(finding: Finding, gpu: &Gpu) -> Finding {
    gpu.cdi.iter().filter(|spec| !spec.versions.is_empty()).fold(finding, |finding, spec| {
        finding.evidence(format!("{}: containers are given {}", spec.path.display(), spec.versions.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{beside_intel, finding, healthy};
    use super::*;
    use crate::facts::CdiSpec;

    fn updated() -> Facts {
        let mut facts = healthy();
        let gpu = facts.gpu.as_mut().unwrap();
        gpu.nvidia.as_mut().unwrap().kernel_version = Some("535.183.01".into());
        facts
    }

    #[test]
    fn an_update_before_the_next_start_shows_every_version() {
        let mut facts = updated();
        let spec = CdiSpec { path: "/etc/cdi/nvidia.yaml".into(), versions: vec!["550.163.01".into()], ..CdiSpec::default() };
        facts.gpu.as_mut().unwrap().cdi.push(spec);
        let found = finding(&CHECK, &facts);
        assert_eq!(found.severity, Severity::Error);
        for (evidence, word) in found.evidence.iter().zip(["535.183.01", "550.163.01", "/etc/cdi/nvidia.yaml"]) {
            assert!(evidence.contains(word), "{evidence}");
        }
        assert_eq!(found.advice[0].command.as_deref(), Some("sudo reboot"));
    }

    #[test]
    fn where_another_card_draws_it_is_a_warning_and_the_mode_container_works() {
        let found = finding(&CHECK, &beside_intel(updated()));
        assert_eq!(found.severity, Severity::Warning);
        let advice: Vec<_> = found.advice.iter().map(|advice| advice.text.as_str()).collect();
        assert!(advice.iter().any(|text| text.contains("mode container")), "{advice:?}");
        assert!(!advice.iter().any(|text| text.contains("mode software")), "{advice:?}");
    }

    #[test]
    fn remains_of_another_installation_are_named() {
        let mut facts = updated();
        let nvidia = facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap();
        nvidia.other_versions.insert("535.183.01".into(), "/usr/lib/libGLX_nvidia.so.535.183.01".into());
        let found = finding(&CHECK, &facts);
        assert!(found.advice.iter().any(|advice| advice.command.as_deref() == Some("sudo ldconfig")), "{found:?}");
    }

    #[test]
    fn one_version_passes_and_a_missing_half_is_no_mismatch() {
        assert_eq!(CHECK.judge(&healthy()), Outcome::Pass);
        for remove in [true, false] {
            let mut facts = updated();
            let nvidia = facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap();
            if remove {
                nvidia.user_version = None
            } else {
                nvidia.kernel_version = None
            }
            facts.gpu.as_mut().unwrap().pci = Some(Vec::new());
            assert_eq!(CHECK.judge(&facts).word(), "skipped");
        }
    }

    #[test]
    fn a_version_that_cannot_be_read_is_unknown() {
        let mut facts = updated();
        let gpu = facts.gpu.as_mut().unwrap();
        gpu.nvidia.as_mut().unwrap().kernel_version = None;
        gpu.unknown.insert("nvidia.kernel_version".into(), "/proc/driver/nvidia/version names no version".into());
        assert_eq!(CHECK.judge(&facts).word(), "unknown");
    }
}
