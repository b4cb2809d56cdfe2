//! Whether the manifests by which EGL and Vulkan find their drivers can be used.

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, Manifest, ManifestSearch, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "egl-manifests",
    category: Category::Rendering,
    question: "Do the manifests of EGL and Vulkan lead to drivers?",
    needs: &[ProbeId::Manifests],
    findings: &[&BROKEN],
    run,
};

static BROKEN: FindingKind = FindingKind {
    id: "egl-manifest-broken",
    code: "CD0208",
    severity: Severity::Warning,
    title: "A manifest of EGL or Vulkan does not lead to a driver",
    why: "EGL and Vulkan learn from small JSON files, called manifests, which drivers there are. A file that is damaged, or that names a \
          library which is not there, is passed over without a word: its driver is not used, and programs draw in software or not at \
          all. Such files are left behind by removed drivers, or written by hand.",
    cure: "Install the driver's package again, or remove the file if nobody needs it. If a variable names the file, take the variable out.",
    example: "libEGL warning: egl: failed to create dri2 screen\nERROR: [Loader Message] Code 0 : loader_icd_scan: Failed to find \
              \"ICD\" object in /etc/vulkan/icd.d/nvidia_icd.json",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let Some(manifests) = &facts.manifests else { return Outcome::Unknown("nothing is known of the manifests".into()) };
    // Without the loader nobody reads its manifests.
    let sides = [("EGL", &manifests.egl, manifests.has_egl), ("Vulkan", &manifests.vulkan, manifests.has_vulkan)];
    let read: Vec<_> = sides.into_iter().filter(|(_, _, installed)| *installed != Some(false)).collect();
    let asked: Vec<_> = read.iter().filter(|(_, search, _)| !search.found.is_empty() || search.variable.is_some()).collect();
    if asked.is_empty() {
        return Outcome::Skipped("there is no manifest of EGL or Vulkan".into());
    }
    let findings = asked.iter().filter_map(|(api, search, _)| side(api, search, facts)).collect();
    match Outcome::of(findings) {
        Outcome::Pass if asked.iter().flat_map(|(_, search, _)| &search.found).any(not_known) => {
            Outcome::Unknown("where the libraries of some manifests are cannot be told".into())
        }
        outcome => outcome,
    }
}

fn is_broken(manifest: &&Manifest) -> bool {
    !manifest.other_architecture && (manifest.error.is_some() || manifest.library_missing)
}

fn not_known(manifest: &Manifest) -> bool {
    !manifest.other_architecture && manifest.error.is_none() && !manifest.library_missing && manifest.resolved.is_none()
}

/// What is wrong with the manifests of one of the two.
fn side(api: &str, search: &ManifestSearch, facts: &Facts) -> Option<Finding> {
    let broken: Vec<_> = search.found.iter().filter(is_broken).collect();
    let usable = search.found.iter().any(|manifest| !is_broken(&manifest) && !manifest.other_architecture);
    if broken.is_empty() && (usable || search.variable.is_none()) {
        return None;
    }
    let title = match (usable, broken.as_slice()) {
        (false, _) => format!("No manifest leads {api} to a driver"),
        (true, [one]) => format!("A manifest of {api} does not lead to a driver: {}", one.path.display()),
        (true, several) => format!("{} manifests of {api} do not lead to a driver", several.len()),
    };
    let mut finding = BROKEN.found().title(title);
    if let Some(variable) = &search.variable {
        finding = finding.evidence(format!("the variable {variable} replaces the usual places"));
    }
    for manifest in &broken {
        finding = finding.evidence(in_words(manifest));
    }
    if usable && broken.iter().all(|manifest| is_remainder(manifest, facts)) {
        let path = broken[0].path.display();
        return Some(
            finding
                .severity(Severity::Info)
                .evidence("NVIDIA's driver is not installed: these are remains of it")
                .advise_command("Nothing fails because of it. This tells which package it belongs to.", owner(&path)),
        );
    }
    Some(match (&search.variable, broken.first()) {
        (Some(variable), _) => finding.advise_command(
            "Take the variable out of the files that start your session, and out of this shell.",
            format!("unset {variable}"),
        ),
        (None, Some(manifest)) => finding.advise_command(
            "Install the package again to which the file belongs, or remove the file if no package does.",
            owner(&manifest.path.display()),
        ),
        (None, None) => finding,
    })
}

fn owner(path: &dyn std::fmt::Display) -> String {
    format!("dpkg -S {path} || rpm -qf {path}")
}

fn in_words(manifest: &Manifest) -> String {
    let path = manifest.path.display();
    match (&manifest.error, &manifest.library) {
        (Some(error), _) => format!("{path}: {error}"),
        (None, library) => format!("{path}: its library {} is not there", library.as_deref().unwrap_or_default()),
    }
}

/// Whether this is what a removed driver of NVIDIA left behind.
fn is_remainder(manifest: &Manifest, facts: &Facts) -> bool {
    manifest.error.is_none()
        && manifest.library.as_deref().is_some_and(|library| library.contains("nvidia"))
        && facts.gpu.as_ref().is_some_and(|gpu| gpu.nvidia.is_none())
}

#[cfg(test)]
mod tests {
    use super::super::samples::facts;
    use super::*;
    use crate::facts::{Gpu, Manifests, Nvidia};

    fn manifest(name: &str, library: &str, there: bool) -> Manifest {
        Manifest {
            path: format!("/usr/share/glvnd/egl_vendor.d/{name}").into(),
            library: Some(library.into()),
            resolved: there.then(|| format!("/usr/lib/{library}").into()),
            library_missing: !there,
            ..Manifest::default()
        }
    }

    fn judge(egl: Vec<Manifest>, variable: Option<&str>, gpu: Gpu) -> Outcome {
        let egl = ManifestSearch { variable: variable.map(str::to_owned), found: egl };
        let manifests = Manifests { egl, has_egl: Some(true), has_vulkan: Some(false), ..Manifests::default() };
        CHECK.judge(&Facts { manifests: Some(manifests), gpu: Some(gpu), ..facts() })
    }

    #[track_caller]
    fn found(outcome: Outcome) -> Finding {
        match outcome {
            Outcome::Findings(mut findings) if findings.len() == 1 => findings.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn mesa() -> Manifest {
        manifest("50_mesa.json", "libEGL_mesa.so.0", true)
    }

    #[test]
    fn healthy_manifests_pass_and_none_is_no_question() {
        assert_eq!(judge(vec![mesa()], None, Gpu::default()), Outcome::Pass);
        assert_eq!(judge(vec![], None, Gpu::default()).word(), "skipped");
        let foreign = Manifest { other_architecture: true, ..manifest("x.i686.json", "libEGL_x.so.0", false) };
        assert_eq!(judge(vec![mesa(), foreign], None, Gpu::default()), Outcome::Pass);
    }

    #[test]
    fn damaged_and_dangling_manifests_are_named() {
        let damaged = Manifest {
            error: Some("it is no valid JSON: EOF".into()),
            ..Manifest { path: "/etc/x.json".into(), ..Manifest::default() }
        };
        let finding = found(judge(vec![damaged, mesa()], None, Gpu::default()));
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.evidence[0].contains("no valid JSON"), "{finding:?}");
        let driver = Gpu { nvidia: Some(Nvidia::default()), ..Gpu::default() };
        let dangling = manifest("10_nvidia.json", "libEGL_nvidia.so.0", false);
        assert_eq!(found(judge(vec![dangling.clone(), mesa()], None, driver)).severity, Severity::Warning);
        assert_eq!(found(judge(vec![dangling, mesa()], None, Gpu::default())).severity, Severity::Info, "remains of a driver");
    }

    #[test]
    fn a_variable_that_leaves_no_driver() {
        let finding = found(judge(vec![], Some("__EGL_VENDOR_LIBRARY_FILENAMES"), Gpu::default()));
        assert!(finding.title.as_deref().unwrap().starts_with("No manifest"), "{finding:?}");
        assert_eq!(finding.advice[0].command.as_deref(), Some("unset __EGL_VENDOR_LIBRARY_FILENAMES"));
    }

    #[test]
    fn libraries_that_cannot_be_looked_for_are_unknown() {
        let open = Manifest { resolved: None, library_missing: false, ..mesa() };
        assert_eq!(judge(vec![open], None, Gpu::default()).word(), "unknown");
        assert_eq!(CHECK.judge(&facts()).word(), "unknown");
    }
}
