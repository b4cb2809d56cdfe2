//! Whether `--nv` of this engine brings the manifests by which EGL and Vulkan find NVIDIA's driver.

use std::path::Path;

use super::request::nv_is_used;
use super::{engine_in_words, numbers, running, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engine, EngineKind, Facts, Gpu, Image, Manifest, ManifestSearch, NvSettings, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "nvidia-manifests",
    category: Category::Nvidia,
    question: "Does --nv bring what EGL and Vulkan need to find NVIDIA's driver?",
    needs: &[ProbeId::Gpu, ProbeId::Engines, ProbeId::Manifests],
    findings: &[&UNBOUND],
    run,
};

static UNBOUND: FindingKind = FindingKind {
    id: "nvidia-manifest-unbound",
    code: "CD0306",
    severity: Severity::Warning,
    title: "In the container EGL or Vulkan cannot find NVIDIA's driver",
    why: "EGL and Vulkan find their drivers through small files, such as 10_nvidia.json. With --nv, Apptainer brings some of them since \
          version 1.4.0, and SingularityCE none; some distributions keep them at other places than the engine's list has. Without \
          them the libraries are in the container, but programs that use EGL or Vulkan draw in software or not at all. Programs that \
          use GLX, as most windows with OpenGL do, are not concerned.",
    cure: "Start programs with casa-doctor run, which brings these files, or have them mounted; or install Apptainer 1.4 or later.",
    example: "vkEnumeratePhysicalDevices failed with ERROR_INITIALIZATION_FAILED",
    since: "0.1.0",
};

/// The manifests in `nvliblist.conf` of Apptainer since 1.4.0, for when the file itself cannot be read.
const IN_LIST: [&str; 2] = ["/usr/share/glvnd/egl_vendor.d/10_nvidia.json", "/usr/share/vulkan/icd.d/nvidia_icd.json"];

fn run(facts: &Facts) -> Outcome {
    let (gpu, _, nvidia) = match running(facts) {
        Ok(running) => running,
        Err(outcome) => return outcome,
    };
    let engine = match sif_engine(facts) {
        Ok(engine) => engine,
        Err(outcome) => return outcome,
    };
    let Some(manifests) = &facts.manifests else { return Outcome::Unknown("nothing is known of the manifests".into()) };
    let settings = gpu.nv_settings.as_ref();
    if settings.is_some_and(|settings| settings.container_cli == Some(true)) {
        return Outcome::Skipped("NVIDIA's own tool chooses what is brought (use nvidia-container-cli)".into());
    }
    let (egl, vulkan) = (of_nvidia(&manifests.egl), of_nvidia(&manifests.vulkan));
    if egl.is_empty() && vulkan.is_empty() {
        return Outcome::Skipped("this machine has no manifest of NVIDIA for EGL or Vulkan".into());
    }
    let Some(brings) = brings_listed_files(engine) else {
        return Outcome::Unknown("the version of Apptainer is not known, and it decides which files --nv brings".into());
    };
    let bound = |manifest: &&Manifest| brings && listed(settings, &manifest.path);
    let lost_egl = !egl.is_empty() && !egl.iter().any(bound) && !in_image(facts.image.as_ref(), &egl);
    let lost_vulkan = !vulkan.is_empty() && !vulkan.iter().any(bound);
    let (title, severity) = match (lost_egl, lost_vulkan) {
        (false, false) => return Outcome::Pass,
        (true, true) => ("EGL and Vulkan", Severity::Warning),
        (true, false) => ("EGL", Severity::Warning),
        (false, true) => ("Vulkan", Severity::Info),
    };
    let used = nv_is_used(facts);
    let severity = if used { severity } else { Severity::Info };
    let lost: Vec<_> = egl.iter().filter(|_| lost_egl).chain(vulkan.iter().filter(|_| lost_vulkan)).collect();
    let mut finding = UNBOUND
        .found()
        .severity(severity)
        .title(format!("With --nv of {}, {title} cannot find NVIDIA's driver in the container", engine_in_words(engine)));
    for manifest in &lost {
        finding = finding.evidence(format!("{}: on this machine, and not brought into the container", manifest.path.display()));
    }
    finding = finding.evidence(reason(brings, engine, gpu));
    if !used {
        finding = finding.evidence("nothing here starts containers in the mode nv: this matters only when it is asked for");
    }
    if let Some(tls) = &nvidia.tls {
        finding = finding.evidence(format!(
            "{}: a second build of libnvidia-tls, which --nv does not bring either; old drivers crash now and then without it",
            tls.display()
        ));
    }
    let paths: Vec<_> = lost.iter().map(|manifest| manifest.path.display().to_string()).collect();
    let variable = if engine.kind == EngineKind::Singularity { "SINGULARITY_BIND" } else { "APPTAINER_BIND" };
    Outcome::Findings(vec![
        finding
            .advise("Start programs with \"casa-doctor run\", which brings these files along in the mode nv.")
            // What a site or the user mounts by the same variable stays.
            .advise_command(
                "For every other start, have them mounted.",
                format!("export {variable}=\"${{{variable}:+${variable},}}{}\"", paths.join(",")),
            ),
    ])
}

/// NVIDIA's manifests that lead to a library.
fn of_nvidia(search: &ManifestSearch) -> Vec<&Manifest> {
    let leads = |manifest: &&Manifest| {
        manifest.resolved.is_some() && manifest.library.as_deref().is_some_and(|library| library.contains("nvidia"))
    };
    search.found.iter().filter(leads).collect()
}

/// Whether `--nv` brings the files of its list that are no libraries.
fn brings_listed_files(engine: &Engine) -> Option<bool> {
    match engine.kind {
        EngineKind::Singularity => Some(false),
        _ => engine.version.as_deref().map(|version| numbers(version) >= vec![1, 4]),
    }
}

fn listed(settings: Option<&NvSettings>, path: &Path) -> bool {
    match settings.filter(|settings| settings.list.is_some()) {
        Some(settings) => settings.files.iter().any(|file| file == path),
        None => IN_LIST.iter().any(|file| Path::new(file) == path),
    }
}

/// Whether the image has a manifest of the same name of its own.
fn in_image(image: Option<&Image>, egl: &[&Manifest]) -> bool {
    let names = image.and_then(|image| image.contents.as_ref()).map(|contents| contents.egl_vendors.as_slice()).unwrap_or_default();
    egl.iter().any(|manifest| manifest.path.file_name().is_some_and(|name| names.iter().any(|known| name == known.as_str())))
}

fn reason(brings: bool, engine: &Engine, gpu: &Gpu) -> String {
    let list = gpu.nv_settings.as_ref().and_then(|settings| settings.list.as_ref());
    match (brings, engine.kind) {
        (true, _) => {
            let list = list.map_or_else(|| "nvliblist.conf".to_owned(), |path| path.display().to_string());
            format!("{list}: does not name them")
        }
        (false, EngineKind::Singularity) => "SingularityCE brings libraries and programs only".to_owned(),
        (false, _) => "Apptainer brings such files since version 1.4.0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{engine, facts, finding, healthy, of_kind};
    use super::*;
    use crate::facts::ImageContents;

    #[test]
    fn engines_that_bring_no_manifest() {
        for mut facts in [engine(healthy(), "1.3.6"), of_kind(healthy(), EngineKind::Singularity, "4.1.0")] {
            assert_eq!(finding(&CHECK, &facts).severity, Severity::Info, "nothing uses the mode nv");
            facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().container_cli = true;
            let found = finding(&CHECK, &facts);
            assert_eq!(found.severity, Severity::Warning);
            assert!(found.evidence[0].contains("10_nvidia.json"), "{found:?}");
            assert!(found.advice[1].command.as_deref().unwrap().contains(",}/usr/share/glvnd"), "{found:?}");
        }
    }

    #[test]
    fn the_list_of_the_installation_itself_counts() {
        let mut facts = engine(healthy(), "1.4.5");
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        let settings = facts.gpu.as_mut().unwrap().nv_settings.as_mut().unwrap();
        settings.list = Some("/etc/apptainer/nvliblist.conf".into());
        settings.files = vec![IN_LIST[0].into()];
        assert_eq!(finding(&CHECK, &facts).severity, Severity::Info, "Vulkan alone");
        facts.gpu.as_mut().unwrap().nv_settings.as_mut().unwrap().files.clear();
        assert!(finding(&CHECK, &facts).evidence.iter().any(|evidence| evidence.contains("nvliblist.conf")));
    }

    #[test]
    fn a_manifest_of_the_image_serves_as_well() {
        let mut facts = engine(healthy(), "1.3.6");
        facts.manifests.as_mut().unwrap().vulkan.found.clear();
        let contents = ImageContents { egl_vendors: vec!["10_nvidia.json".into()], ..ImageContents::default() };
        facts.image = Some(Image { contents: Some(contents), ..Image::default() });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn no_driver_no_question_and_no_version_no_answer() {
        assert_eq!(CHECK.judge(&engine(facts(), "1.3.6")).word(), "skipped");
        let mut unknown = healthy();
        unknown.engines.as_mut().unwrap().found[0].version = None;
        assert_eq!(CHECK.judge(&unknown).word(), "unknown");
    }
}
