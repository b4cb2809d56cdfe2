//! Whether `--nv` of this engine knows a library that newer drivers have added.

use super::{engine_in_words, numbers, running, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{EngineKind, Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "nvidia-libraries",
    category: Category::Nvidia,
    question: "Does --nv bring all the libraries of this version of NVIDIA's driver?",
    needs: &[ProbeId::Gpu, ProbeId::Engines],
    findings: &[&UNBOUND],
    run,
};

static UNBOUND: FindingKind = FindingKind {
    id: "nvidia-library-unbound",
    code: "CD0309",
    severity: Severity::Info,
    title: "With --nv the engine does not bring a library that newer drivers of NVIDIA need",
    why: "The engine brings the libraries that its list names (nvliblist.conf). NVIDIA's driver has one more since version 525.85, \
          libnvidia-nvvm, which Apptainer knows since 1.2.5. Without it OpenCL and some programs for computing fail in the container; OpenGL \
          is not concerned.",
    cure: "Install Apptainer 1.2.5 or later, or let an administrator add libnvidia-nvvm.so to nvliblist.conf.",
    example: "clGetPlatformIDs failed: CL_PLATFORM_NOT_FOUND_KHR",
    since: "0.1.0",
};

/// The first driver that has the library.
const FIRST_DRIVER: [u32; 2] = [525, 85];
const LIBRARY: &str = "libnvidia-nvvm";

fn run(facts: &Facts) -> Outcome {
    let (gpu, version, _) = match running(facts) {
        Ok(running) => running,
        Err(outcome) => return outcome,
    };
    let engine = match sif_engine(facts) {
        Ok(engine) => engine,
        Err(outcome) => return outcome,
    };
    if numbers(version).as_slice() < FIRST_DRIVER.as_slice() {
        return Outcome::Pass;
    }
    let settings = gpu.nv_settings.as_ref();
    if settings.is_some_and(|settings| settings.container_cli == Some(true)) {
        return Outcome::Skipped("NVIDIA's own tool chooses the libraries (use nvidia-container-cli)".into());
    }
    let list = settings.and_then(|settings| settings.list.as_ref().map(|list| (list, &settings.libraries)));
    let evidence = match (list, engine.version.as_deref()) {
        (Some((list, libraries)), _) => {
            if libraries.iter().any(|start| LIBRARY.starts_with(start.as_str()) || start.starts_with(LIBRARY)) {
                return Outcome::Pass;
            }
            format!("{}: does not name {LIBRARY}.so", list.display())
        }
        // Without its file, its version tells what the list of the package has.
        (None, Some(known)) if engine.kind == EngineKind::Apptainer => {
            if numbers(known) >= vec![1, 2, 5] {
                return Outcome::Pass;
            }
            format!("{}: knows {LIBRARY}.so since version 1.2.5", engine_in_words(engine))
        }
        (None, _) => return Outcome::Unknown("which libraries the engine brings is not known: its list was not found".into()),
    };
    Outcome::Findings(vec![
        UNBOUND
            .found()
            .evidence(format!("/proc/driver/nvidia/version: the kernel runs {version}"))
            .evidence(evidence)
            .advise("Nothing has to be done for OpenGL. For OpenCL, install a newer Apptainer, or have an administrator add the library to that list."),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::samples::{engine, healthy, of_kind};
    use super::*;

    #[test]
    fn the_list_decides_and_else_the_version() {
        assert_eq!(CHECK.judge(&healthy()), Outcome::Pass);
        assert_eq!(CHECK.judge(&engine(healthy(), "1.2.4")).word(), "finding");
        assert_eq!(CHECK.judge(&of_kind(healthy(), EngineKind::Singularity, "4.1.0")).word(), "unknown");
        let mut listed = engine(healthy(), "1.4.5");
        let settings = listed.gpu.as_mut().unwrap().nv_settings.as_mut().unwrap();
        settings.list = Some("/etc/apptainer/nvliblist.conf".into());
        settings.libraries = vec!["libGL.so".into()];
        assert_eq!(CHECK.judge(&listed).word(), "finding");
        listed.gpu.as_mut().unwrap().nv_settings.as_mut().unwrap().libraries.push("libnvidia-nvvm.so".into());
        assert_eq!(CHECK.judge(&listed), Outcome::Pass);
    }

    #[test]
    fn an_old_driver_has_no_such_library() {
        let mut facts = engine(healthy(), "1.2.4");
        facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().kernel_version = Some("470.256.02".into());
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }
}
