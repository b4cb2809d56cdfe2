//! Whether the description of NVIDIA's devices for containers (CDI) still fits the machine.

use super::{Driver, gpu, kernel_driver, numbers};
use crate::check::{Category, Check, Outcome};
use crate::facts::{CdiSpec, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "nvidia-cdi",
    category: Category::Nvidia,
    question: "Does the description of NVIDIA's devices for containers fit the driver?",
    needs: &[ProbeId::Gpu],
    findings: &[&STALE],
    run,
};

static STALE: FindingKind = FindingKind {
    id: "nvidia-cdi-stale",
    code: "CD0307",
    severity: Severity::Warning,
    title: "The description of NVIDIA's devices for containers is out of date",
    why: "Docker, Podman and Apptainer (with --device) can learn from a file in /etc/cdi or /var/run/cdi which files of NVIDIA's driver \
          a container needs. It names each library with its version, so it is wrong after every update of the driver, and \
          containers that ask for nvidia.com/gpu do not start. A start with --nv does not use it.",
    cure: "Write it again with nvidia-ctk cdi generate, or let the service nvidia-cdi-refresh do so.",
    example: "Error: setting up CDI devices: failed to inject devices: failed to stat CDI host device \"/dev/dri/renderD129\": no such \
              file or directory",
    since: "0.1.0",
};

/// Evidence names some missing files; the number says the rest.
const SHOWN: usize = 3;

fn run(facts: &Facts) -> Outcome {
    let gpu = match gpu(facts) {
        Ok(gpu) => gpu,
        Err(outcome) => return outcome,
    };
    if gpu.cdi.is_empty() {
        return Outcome::Skipped("there is no description of NVIDIA's devices in /etc/cdi or /var/run/cdi".into());
    }
    let kernel = match kernel_driver(gpu) {
        Driver::Runs(version, _) => Some(version),
        Driver::Absent | Driver::NotKnown(_) => None,
    };
    let healthy = |spec: &&CdiSpec| wrong(spec, kernel).is_empty();
    // Of two files for the same devices the one in /var/run/cdi counts.
    let overridden = gpu.cdi.iter().filter(healthy).any(|spec| spec.path.starts_with("/var/run"));
    let stale = gpu.cdi.iter().filter(|spec| !healthy(spec));
    Outcome::of(stale.map(|spec| finding(spec, kernel, overridden && spec.path.starts_with("/etc"))).collect())
}

/// What does not fit, as evidence; nothing when all fits.
fn wrong(spec: &CdiSpec, kernel: Option<&str>) -> Vec<String> {
    let path = spec.path.display();
    let mut wrong: Vec<String> = spec.error.iter().map(|error| format!("{path}: {error}")).collect();
    if !spec.missing.is_empty() {
        let names: Vec<_> = spec.missing.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
        let more = if spec.missing.len() > SHOWN { " and others" } else { "" };
        wrong.push(format!("{path}: it names {}{more}, which do not exist", names.join(", ")));
    }
    if let Some(kernel) = kernel
        && let Some(other) = spec.versions.iter().find(|version| numbers(version) != numbers(kernel))
    {
        wrong.push(format!("{path}: it names libraries of version {other}, and the kernel runs {kernel}"));
    }
    wrong
}

fn finding(spec: &CdiSpec, kernel: Option<&str>, overridden: bool) -> Finding {
    let path = spec.path.display();
    let finding = wrong(spec, kernel).into_iter().fold(STALE.found(), Finding::evidence);
    if overridden {
        return finding
            .severity(Severity::Info)
            .evidence("a description in /var/run/cdi fits, and counts")
            .advise_command("Remove the old file, so that nobody is misled.", format!("sudo rm {path}"));
    }
    if kernel.is_none() {
        return finding
            .severity(Severity::Info)
            .evidence("/proc/driver/nvidia/version does not exist: NVIDIA's driver is not loaded")
            .advise(
                "Containers that ask for nvidia.com/gpu cannot start here. Write the description again once the driver is loaded.",
            );
    }
    finding.advise_command("Write it again.", format!("sudo nvidia-ctk cdi generate --output={path}"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{facts, finding as one, healthy};
    use super::*;

    fn spec(path: &str, version: &str, missing: &[&str]) -> CdiSpec {
        let missing = missing.iter().map(|path| (*path).into()).collect();
        CdiSpec { path: path.into(), host_paths: 30, missing, versions: vec![version.into()], ..CdiSpec::default() }
    }

    fn with(specs: Vec<CdiSpec>) -> Facts {
        let mut facts = healthy();
        facts.gpu.as_mut().unwrap().cdi = specs;
        facts
    }

    #[test]
    fn files_that_are_gone_and_versions_that_differ() {
        let found = one(&CHECK, &with(vec![spec("/etc/cdi/nvidia.yaml", "535.183.01", &["/usr/lib64/libcuda.so.535.183.01"])]));
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.evidence[0].contains("libcuda.so.535.183.01") && found.evidence[1].contains("550.163.01"), "{found:?}");
        assert!(found.advice[0].command.as_deref().unwrap().contains("cdi generate"));
    }

    #[test]
    fn what_fits_passes_and_no_file_is_no_question() {
        assert_eq!(CHECK.judge(&with(vec![spec("/etc/cdi/nvidia.yaml", "550.163.01", &[])])), Outcome::Pass);
        assert_eq!(CHECK.judge(&healthy()).word(), "skipped");
    }

    #[test]
    fn a_fresh_file_in_run_outranks_an_old_one() {
        let specs = vec![spec("/etc/cdi/nvidia.yaml", "535.183.01", &[]), spec("/var/run/cdi/nvidia.yaml", "550.163.01", &[])];
        assert_eq!(one(&CHECK, &with(specs)).severity, Severity::Info);
    }

    #[test]
    fn without_a_driver_it_is_a_remark() {
        let mut facts = facts();
        facts.gpu.as_mut().unwrap().cdi = vec![spec("/etc/cdi/nvidia.yaml", "535.183.01", &["/dev/nvidiactl"])];
        assert_eq!(one(&CHECK, &facts).severity, Severity::Info);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_proof_of_health() {
        let broken =
            CdiSpec { path: "/etc/cdi/nvidia.json".into(), error: Some("it is no valid JSON".into()), ..CdiSpec::default() };
        assert!(one(&CHECK, &with(vec![broken])).evidence[0].contains("no valid JSON"));
    }
}
