//! What NVIDIA's management library says when it asks the kernel's driver: the second opinion on what the files tell.

use super::{Driver, gpu, kernel_driver, numbers, until_then};
use crate::check::{Category, Check, Outcome};
use crate::facts::{ChildEnd, Facts, NvmlResult, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};
use crate::renderer::{RendererClass, classify};

pub(super) static CHECK: Check = Check {
    id: "nvidia-management",
    category: Category::Nvidia,
    question: "Does NVIDIA's driver answer its own management library?",
    needs: &[ProbeId::Gpu, ProbeId::Nvml],
    findings: &[&FAILED],
    run,
};

static FAILED: FindingKind = FindingKind {
    id: "nvidia-nvml-failed",
    code: "CD0310",
    severity: Severity::Error,
    title: "NVIDIA's driver is loaded and does not work",
    why: "casa-doctor asks NVIDIA's management library (NVML), as nvidia-smi does, in a process of its own. The files say that the driver runs, and \
          the library says that it cannot be used: the card has stopped answering, access is closed, or parts of two drivers are mixed. \
          Programs that draw or compute with the card fail in the same way, in containers, too.",
    cure: "Start the machine again; if it stays, look into the kernel's log for messages of NVRM. Until then use the OpenGL mode software.",
    example: "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost. Reboot the system to recover this GPU",
    since: "0.1.0",
};

/// `nvmlReturn_t` (nvml.h).
mod code {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const NO_PERMISSION: u32 = 4;
    pub(super) const DRIVER_NOT_LOADED: u32 = 9;
    pub(super) const GPU_IS_LOST: u32 = 15;
    pub(super) const OPERATING_SYSTEM: u32 = 17;
    pub(super) const LIB_RM_VERSION_MISMATCH: u32 = 18;
}

fn run(facts: &Facts) -> Outcome {
    let gpu = match gpu(facts) {
        Ok(gpu) => gpu,
        Err(outcome) => return outcome,
    };
    let Some(run) = &facts.nvml else { return Outcome::Skipped("NVIDIA's management library was not asked".into()) };
    let version = match kernel_driver(gpu) {
        // What the files show already needs no second word.
        Driver::Runs(version, nvidia)
            if nvidia.user_version.as_deref().is_some_and(|user| numbers(user) != numbers(version))
                || nvidia.nodes.is_empty()
                || nvidia.nodes.iter().any(|node| !node.usable) =>
        {
            return Outcome::Skipped(
                "what keeps NVIDIA's library from its driver is known (see nvidia-versions, nvidia-devices)".into(),
            );
        }
        Driver::Runs(version, _) => version,
        // That is another check's finding, and the library can only say the same.
        Driver::Absent => return Outcome::Skipped("NVIDIA's driver is not loaded".into()),
        Driver::NotKnown(reason) => return Outcome::Unknown(reason),
    };
    let seen = format!("/proc/driver/nvidia/version: the kernel runs {version}");
    let draws = drew_with_nvidia(facts);
    let found = |title: &str, evidence: String, severity: Severity| {
        let finding = FAILED.found().title(title).evidence(seen.clone()).evidence(evidence);
        // The library is one thing and OpenGL another.
        let finding = if draws {
            finding.severity(severity.min(Severity::Warning)).evidence("OpenGL draws with the card all the same")
        } else {
            finding.severity(severity)
        };
        Outcome::Findings(vec![advise(facts, finding, draws)])
    };
    let call = run.last_call.as_deref().unwrap_or("the first call");
    match (&run.end, &run.result) {
        (ChildEnd::Finished, Some(result)) => answered(result, &found),
        // Where nothing keeps the driver at work, many cards take seconds to wake up.
        (ChildEnd::TimedOut { limit_ms }, _) => {
            let hangs = facts.glx.as_ref().is_some_and(|glx| matches!(glx.end, ChildEnd::TimedOut { .. }));
            let (title, severity) = if hangs {
                ("NVIDIA's driver is loaded and does not answer", Severity::Error)
            } else {
                ("NVIDIA's management library does not answer in time", Severity::Warning)
            };
            found(title, format!("NVML: no answer within {limit_ms} ms in {call}"), severity)
        }
        (ChildEnd::Signal { name, .. }, _) => {
            let evidence = format!("NVML: the test was ended by {name} in {call}");
            found("NVIDIA's management library crashes", evidence, Severity::Warning)
        }
        (ChildEnd::NotStarted { reason }, _) => Outcome::Unknown(format!("the test could not be started: {reason}")),
        _ => Outcome::Unknown("the test of NVIDIA's management library ended without an answer".into()),
    }
}

/// Whether the driver fails its own library, so that nothing of NVIDIA's can work.
#[must_use]
pub fn fails(facts: &Facts) -> bool {
    let Some(_) = &facts.nvml else { return false };
    matches!(CHECK.judge(facts), Outcome::Findings(findings) if findings.iter().any(|finding| finding.severity == Severity::Error))
}

/// Whether OpenGL drew rightly on the display, with an NVIDIA card.
#[must_use]
pub fn drew_with_nvidia(facts: &Facts) -> bool {
    let contexts = facts.glx_contexts();
    contexts
        .filter(|context| context.draw.as_ref().is_some_and(|draw| draw.error.is_none() && draw.wrong == 0))
        .any(|context| classify(context).class == RendererClass::Hardware && context.vendor.to_ascii_lowercase().contains("nvidia"))
}

fn answered(result: &NvmlResult, found: &dyn Fn(&str, String, Severity) -> Outcome) -> Outcome {
    if let Some(error) = &result.error {
        return Outcome::Unknown(format!("NVIDIA's management library cannot be asked: {}: {}", error.call, error.message));
    }
    let Some(code) = result.code else { return Outcome::Unknown("NVIDIA's management library gave no code".into()) };
    let said = result.message.as_deref().unwrap_or("no words for it");
    let evidence = format!("NVML: nvmlInit_v2 answers {code} ({said})");
    match code {
        code::SUCCESS if result.devices == Some(0) => {
            let evidence = "NVML: nvmlDeviceGetCount_v2 tells 0 cards".to_owned();
            found("NVIDIA's driver is loaded and finds no card", evidence, Severity::Error)
        }
        code::SUCCESS => Outcome::Pass,
        // The one says so and the other says not: which of them is right is not known.
        code::DRIVER_NOT_LOADED => {
            found("The kernel tells of NVIDIA's driver, and NVIDIA's library does not find it", evidence, Severity::Info)
        }
        code::LIB_RM_VERSION_MISMATCH => {
            found("NVIDIA's library and the kernel's driver are of two versions", evidence, Severity::Error)
        }
        code::NO_PERMISSION => found("NVIDIA's driver refuses this user", evidence, Severity::Error),
        code::OPERATING_SYSTEM => found("The system keeps this session from the NVIDIA card", evidence, Severity::Error),
        code::GPU_IS_LOST => found("The NVIDIA card has stopped answering", evidence, Severity::Error),
        _ => found(FAILED.title, evidence, Severity::Error),
    }
}

fn advise(facts: &Facts, finding: Finding, draws: bool) -> Finding {
    let finding = finding.advise_command("See what the kernel says about it.", "sudo dmesg | grep -iE 'nvrm|xid'");
    if draws || finding.severity < Severity::Error {
        return finding.advise("If the kernel tells of errors of the card, start the machine again.");
    }
    until_then(facts, finding.advise("Then start the machine again."))
}

#[cfg(test)]
mod tests {
    use super::super::samples::healthy;
    use super::*;
    use crate::facts::{ChildRun, Draw, GlContext, GlResult};

    fn with(end: ChildEnd, result: Option<NvmlResult>) -> Outcome {
        let run = ChildRun { end, last_call: Some("nvmlInit_v2".into()), stderr: Vec::new(), duration_ms: 3, result };
        CHECK.judge(&Facts { nvml: Some(run), ..healthy() })
    }

    fn code(code: u32) -> Option<NvmlResult> {
        Some(NvmlResult { code: Some(code), devices: Some(1), ..NvmlResult::default() })
    }

    #[test]
    fn every_answer_has_its_title() {
        assert_eq!(with(ChildEnd::Finished, code(0)), Outcome::Pass);
        let mut titles = std::collections::BTreeSet::new();
        for known in [4, 9, 15, 17, 18, 999] {
            let Outcome::Findings(findings) = with(ChildEnd::Finished, code(known)) else { panic!("{known}") };
            assert!(titles.insert(findings[0].title.clone()), "{known}");
        }
    }

    fn severity(outcome: &Outcome) -> Severity {
        match outcome {
            Outcome::Findings(findings) => findings[0].severity,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_opengl_draws_outweighs_the_library() {
        let drawn = GlContext {
            vendor: "NVIDIA Corporation".into(),
            renderer: "NVIDIA GeForce RTX 3070/PCIe/SSE2".into(),
            draw: Some(Draw { pixels: 4, ..Draw::default() }),
            ..GlContext::default()
        };
        let glx = |end, contexts| {
            let result = Some(GlResult { contexts, ..GlResult::default() });
            ChildRun { end, last_call: None, stderr: Vec::new(), duration_ms: 1, result }
        };
        let judged = |end, result, glx| {
            let nvml = ChildRun { end, last_call: None, stderr: Vec::new(), duration_ms: 3, result };
            let facts = Facts { nvml: Some(nvml), glx: Some(glx), ..healthy() };
            (severity(&CHECK.judge(&facts)), fails(&facts))
        };
        let lost = || code(15);
        assert_eq!(judged(ChildEnd::Finished, lost(), glx(ChildEnd::Finished, vec![drawn])), (Severity::Warning, false));
        assert_eq!(judged(ChildEnd::Finished, lost(), glx(ChildEnd::Finished, Vec::new())), (Severity::Error, true));
        // A library that takes long is not yet a driver that hangs.
        let hung = || ChildEnd::TimedOut { limit_ms: 4000 };
        assert_eq!(judged(hung(), None, glx(ChildEnd::Finished, Vec::new())), (Severity::Warning, false));
        assert_eq!(judged(hung(), None, glx(hung(), Vec::new())), (Severity::Error, true));
    }

    #[test]
    fn where_another_card_draws_a_lost_one_stops_nothing_else() {
        let run = ChildRun { end: ChildEnd::Finished, last_call: None, stderr: Vec::new(), duration_ms: 3, result: code(15) };
        let laptop = Facts { nvml: Some(run), ..super::super::samples::beside_intel(healthy()) };
        let found = super::super::samples::finding(&CHECK, &laptop);
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.advice.last().unwrap().text.contains("mode container draws with the other card"), "{found:?}");
    }

    #[test]
    fn a_hang_and_a_crash_are_findings_and_a_missing_library_is_not_known() {
        assert_eq!(with(ChildEnd::TimedOut { limit_ms: 4000 }, None).word(), "finding");
        assert_eq!(with(ChildEnd::Signal { number: 11, name: "SIGSEGV".into() }, None).word(), "finding");
        let error = Some(crate::facts::GlError { call: "dlopen libnvidia-ml.so.1".into(), message: "no such file".into() });
        assert_eq!(with(ChildEnd::Finished, Some(NvmlResult { error, ..NvmlResult::default() })).word(), "unknown");
    }
}
