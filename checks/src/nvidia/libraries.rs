//! Whether `--nv` of this engine knows the libraries that newer drivers have added.

use super::request::nv_is_used;
use super::{engine_in_words, numbers, running, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{EngineKind, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

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
    why: "The engine brings the libraries that its list names (nvliblist.conf). NVIDIA's driver has two more than older lists know. Without \
          libnvidia-gpucomp (since version 545) its OpenGL does not load in the container, by GLX or by EGL; Apptainer knows it since 1.2.4 and \
          SingularityCE since 4.0.1. Without libnvidia-nvvm (since version 525.85) OpenCL and some programs for computing fail; Apptainer \
          knows it since 1.2.5 and SingularityCE since 4.0.2.",
    cure: "Install Apptainer 1.2.5 or SingularityCE 4.0.2 or later, or let an administrator add the libraries to nvliblist.conf. For windows, \
           casa-doctor run brings what OpenGL needs.",
    example: "clGetPlatformIDs failed: CL_PLATFORM_NOT_FOUND_KHR",
    since: "0.1.0",
};

/// A library that drivers have since some version, and lists since a later one.
struct Library {
    name: &'static str,
    /// The first driver that has it.
    driver: [u32; 2],
    /// The first Apptainer whose list has it.
    apptainer: [u32; 3],
}

/// The part of OpenGL that compiles for the card: libnvidia-glcore and libnvidia-eglcore are linked with it.
static COMPILER: Library = Library { name: "libnvidia-gpucomp", driver: [545, 0], apptainer: [1, 2, 4] };
/// The same for computing.
static NVVM: Library = Library { name: "libnvidia-nvvm", driver: [525, 85], apptainer: [1, 2, 5] };

/// What becomes of a library of the driver.
enum Brought {
    Yes,
    /// No, because.
    No(String),
    /// The list was not found, and the version does not tell.
    NotKnown,
    /// This driver has none.
    NoSuchLibrary,
}

fn run(facts: &Facts) -> Outcome {
    let (gpu, version, nvidia) = match running(facts) {
        Ok(running) => running,
        Err(outcome) => return outcome,
    };
    if let Err(outcome) = sif_engine(facts) {
        return outcome;
    }
    if gpu.nv_settings.as_ref().is_some_and(|settings| settings.container_cli == Some(true)) {
        return Outcome::Skipped("NVIDIA's own tool chooses the libraries (use nvidia-container-cli)".into());
    }
    let seen = format!("/proc/driver/nvidia/version: the kernel runs {version}");
    let found = |evidence: String| UNBOUND.found().evidence(seen.clone()).evidence(evidence);
    let mut findings = Vec::new();
    match brought(facts, &COMPILER) {
        Brought::No(evidence) if nvidia.draws != Some(false) => findings.push(without_opengl(facts, found(evidence))),
        _ => {}
    }
    match brought(facts, &NVVM) {
        Brought::NotKnown => {
            return Outcome::Unknown("which libraries the engine brings is not known: its list was not found".into());
        }
        // One newer engine, or one line more in the list, cures both.
        Brought::No(evidence) => match findings.pop() {
            Some(finding) => findings.push(finding.evidence(format!("{evidence}, which OpenCL needs"))),
            None => findings.push(found(evidence).advise(
                "Nothing has to be done for OpenGL. For OpenCL, install a newer Apptainer, or have an administrator add the library to that list.",
            )),
        },
        Brought::Yes | Brought::NoSuchLibrary => {}
    }
    Outcome::of(findings)
}

fn without_opengl(facts: &Facts, finding: Finding) -> Finding {
    let used = nv_is_used(facts);
    let finding = finding.severity(if used { Severity::Warning } else { Severity::Info }).title(
        "With --nv the engine does not bring libnvidia-gpucomp, without which NVIDIA's OpenGL does not load in the container",
    );
    let finding = if used {
        finding
    } else {
        finding.evidence("nothing here starts containers in the mode nv: this matters only when it is asked for")
    };
    finding.advise("Start programs with \"casa-doctor run\", which brings this library along in the mode nv.").advise(
        "For every other start, install a newer engine, or have an administrator add libnvidia-gpucomp.so to its list (nvliblist.conf).",
    )
}

/// Why `--nv` alone, without what `casa-doctor run` does beside it, leaves NVIDIA's OpenGL without a library that it is linked with.
#[must_use]
pub fn lacks_a_part_of_opengl(facts: &Facts) -> Option<String> {
    match brought(facts, &COMPILER) {
        Brought::No(_) => Some("the engine does not bring the driver's libnvidia-gpucomp (see nvidia-library-unbound)".into()),
        Brought::Yes | Brought::NotKnown | Brought::NoSuchLibrary => None,
    }
}

fn brought(facts: &Facts, library: &Library) -> Brought {
    let (Ok((gpu, version, _)), Ok(engine)) = (running(facts), sif_engine(facts)) else { return Brought::NotKnown };
    if numbers(version).as_slice() < library.driver.as_slice() {
        return Brought::NoSuchLibrary;
    }
    let name = library.name;
    let settings = gpu.nv_settings.as_ref();
    if settings.is_some_and(|settings| settings.container_cli == Some(true)) {
        return Brought::Yes;
    }
    let list = settings.and_then(|settings| settings.list.as_ref().map(|list| (list, &settings.libraries)));
    match (list, engine.version.as_deref()) {
        (Some((_, libraries)), _) if libraries.iter().any(|start| name.starts_with(start.as_str()) || start.starts_with(name)) => {
            Brought::Yes
        }
        (Some((list, _)), _) => Brought::No(format!("{}: does not name {name}.so", list.display())),
        // Without its file, its version tells what the list of the package has.
        (None, Some(known)) if engine.kind == EngineKind::Apptainer => {
            if numbers(known).as_slice() >= library.apptainer.as_slice() {
                return Brought::Yes;
            }
            let [major, minor, patch] = library.apptainer;
            Brought::No(format!("{}: knows {name}.so since version {major}.{minor}.{patch}", engine_in_words(engine)))
        }
        (None, _) => Brought::NotKnown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{engine, finding, healthy, of_kind};
    use super::*;

    fn with_list(facts: Facts, libraries: &[&str]) -> Facts {
        let mut facts = facts;
        let settings = facts.gpu.as_mut().unwrap().nv_settings.as_mut().unwrap();
        settings.list = Some("/etc/apptainer/nvliblist.conf".into());
        settings.libraries = libraries.iter().map(|name| (*name).to_owned()).collect();
        facts
    }

    fn with_driver(facts: Facts, version: &str) -> Facts {
        let mut facts = facts;
        facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().kernel_version = Some(version.into());
        facts
    }

    #[test]
    fn the_list_decides_and_else_the_version() {
        assert_eq!(CHECK.judge(&healthy()), Outcome::Pass);
        assert_eq!(CHECK.judge(&engine(healthy(), "1.2.4")).word(), "finding");
        assert_eq!(CHECK.judge(&of_kind(healthy(), EngineKind::Singularity, "4.1.0")).word(), "unknown");
        let listed = |libraries| with_list(engine(healthy(), "1.4.5"), libraries);
        assert_eq!(CHECK.judge(&listed(&["libGL.so", "libnvidia-gpucomp.so"])).word(), "finding");
        assert_eq!(CHECK.judge(&listed(&["libGL.so", "libnvidia-gpucomp.so", "libnvidia-nvvm.so"])), Outcome::Pass);
    }

    #[test]
    fn an_old_driver_has_no_such_library() {
        assert_eq!(CHECK.judge(&with_driver(engine(healthy(), "1.2.4"), "470.256.02")), Outcome::Pass);
    }

    #[test]
    fn a_driver_that_is_linked_with_what_the_engine_does_not_know_has_no_opengl_in_the_container() {
        let of_clusters = || with_list(of_kind(healthy(), EngineKind::Singularity, "3.8.7"), &["libGL.so", "libGLX_nvidia.so"]);
        let found = finding(&CHECK, &of_clusters());
        assert_eq!(found.severity, Severity::Info, "nothing asks for the mode");
        assert!(found.title.is_some_and(|title| title.contains("libnvidia-gpucomp")) && found.evidence.join("\n").contains("nvvm"));
        let mut used = of_clusters();
        used.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().container_cli = true;
        assert_eq!(finding(&CHECK, &used).severity, Severity::Warning);
        assert!(lacks_a_part_of_opengl(&used).is_some());
        // 535 draws without it, and so does what computes only.
        let older = with_driver(of_clusters(), "535.261.03");
        assert!(finding(&CHECK, &older).title.is_none());
        assert_eq!(lacks_a_part_of_opengl(&older), None);
        used.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().draws = Some(false);
        assert!(finding(&CHECK, &used).title.is_none());
    }
}
