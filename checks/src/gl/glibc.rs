//! Whether the libraries that `--nv` takes along from the machine ask for a newer C library than the image has.
//!
//! NVIDIA's own libraries ask for an old one. What asks for the machine's is the distribution's libglvnd, which the engine's list
//! has, too (`nvliblist.conf`). Apptainer puts them behind the image's own since 1.5.0, and before them in every older version, as
//! SingularityCE does.

use super::x_server;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engine, EngineKind, Facts, HostLibrary, MeasurementOutcome, NvSettings, OpenGl, Place, ProbeId};
use crate::finding::{FindingKind, Severity};
use crate::nvidia::request::{nv_is_used, requests};
use crate::nvidia::{Driver, engine_in_words, kernel_driver, numbers, sif_engine};

pub(super) static CHECK: Check = Check {
    id: "glibc",
    category: Category::Rendering,
    question: "Can the image run the libraries that --nv takes along from this machine?",
    needs: &[ProbeId::Gpu, ProbeId::Engines, ProbeId::Manifests, ProbeId::Image],
    findings: &[&TOO_NEW],
    run,
};

static TOO_NEW: FindingKind = FindingKind {
    id: "glibc-too-new",
    code: "CD0212",
    severity: Severity::Warning,
    title: "Libraries of this machine are too new for the image in the mode nv",
    why: "With --nv, Apptainer before 1.5 and SingularityCE put this machine's libGL, libEGL and their like before those of the image. \
          They are made for this machine's C library (glibc); when the image has an older one, no OpenGL program starts in the mode \
          nv. The modes container and software are not concerned.",
    cure: "Use Apptainer 1.5 or later, a newer image, or another OpenGL mode. An administrator can also take the libraries which are \
           not NVIDIA's out of nvliblist.conf.",
    example: "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /.singularity.d/libs/libGLdispatch.so.0)",
    since: "0.1.0",
};

/// Whether the mode nv comes into question here.
enum Use {
    /// Every start uses it, because of this.
    Always(String),
    /// The X server asks for NVIDIA's library.
    ForTheServer,
    /// It can be asked for.
    Perhaps(String),
}

fn run(facts: &Facts) -> Outcome {
    let usage = match usage(facts) {
        Ok(usage) => usage,
        Err(outcome) => return outcome,
    };
    let (engine, newer, in_image) = match gap(facts) {
        Gap::None => return Outcome::Pass,
        Gap::NoMatter(reason) => return Outcome::Skipped(reason),
        Gap::Unknown(reason) => return Outcome::Unknown(reason),
        Gap::Open { engine, libraries, in_image } => (engine, libraries, in_image),
    };
    let highest = newer[0].glibc.as_deref().unwrap_or_default();
    let mut finding = TOO_NEW
        .found()
        .title(format!("In the mode nv, libraries of this machine ask for the C library {highest}, and the image has {in_image}"));
    for library in newer.iter().take(3) {
        let need = library.glibc.as_deref().unwrap_or_default();
        finding = finding.evidence(format!("{}: asks for GLIBC_{need}", library.path.display()));
    }
    finding = finding
        .evidence(format!("image: its C library is {in_image}"))
        .evidence(format!("{}: puts this machine's libraries before the image's", engine_in_words(engine)));
    finding = match usage {
        Use::Always(evidence) => finding.severity(Severity::Error).evidence(evidence),
        Use::ForTheServer => {
            finding.severity(Severity::Error).evidence("the X server asks for NVIDIA's library, so nv is the mode for it")
        }
        Use::Perhaps(evidence) if nv_is_used(facts) => finding.evidence(evidence),
        Use::Perhaps(evidence) => finding
            .severity(Severity::Info)
            .evidence(evidence)
            .evidence("nothing here starts containers in the mode nv: this matters only when it is asked for"),
    };
    // What casa-doctor run lays over the image's C library has helped, and no other start has that.
    if works_as_tried(facts) {
        let severity = finding.severity.min(Severity::Warning);
        finding =
            finding.severity(severity).evidence("tried out in the image, the mode nv draws with casa-doctor run all the same");
    }
    Outcome::Findings(vec![
        finding
            .advise("Install Apptainer 1.5 or later, which puts the image's own libraries first.")
            .advise("Until then use the OpenGL mode software (or container, where the X server is not NVIDIA's), or a newer image.")
            .advise("casa-doctor run lays this machine's whole C library over the image's in the mode nv, which often helps and is fragile."),
    ])
}

/// Whether the mode nv was tried out in the image and drew rightly.
fn works_as_tried(facts: &Facts) -> bool {
    let mut measured = facts.measurements.iter().flat_map(|measurements| &measurements.measured);
    measured.any(|one| {
        (one.place, one.opengl) == (Place::Image, OpenGl::Nv)
            && one.outcome == MeasurementOutcome::Works
            && one.pixels_correct == Some(true)
    })
}

/// Whether the libraries that `--nv` puts before those of the image ask for a newer C library than it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap<'a> {
    /// They do not, or the image's own come first.
    None,
    /// That is no question here, because.
    NoMatter(String),
    /// It cannot be told, because.
    Unknown(String),
    /// They do.
    Open {
        /// Who puts them there.
        engine: &'a Engine,
        /// Those that ask for a newer one, what asks for the newest first; at least one.
        libraries: Vec<&'a HostLibrary>,
        /// The version of the image's C library.
        in_image: &'a str,
    },
}

/// Looks for such a gap. What a library asks for counts, not which C library the machine has.
#[must_use]
pub fn gap(facts: &Facts) -> Gap<'_> {
    let engine = match sif_engine(facts) {
        Ok(engine) => engine,
        Err(Outcome::Skipped(reason)) => return Gap::NoMatter(reason),
        Err(Outcome::Unknown(reason)) => return Gap::Unknown(reason),
        Err(_) => return Gap::Unknown("the engine is not known".into()),
    };
    match host_libraries_first(engine) {
        Some(true) => {}
        Some(false) => return Gap::None,
        None => return Gap::Unknown("the version of Apptainer is not known, and it decides whose libraries come first".into()),
    }
    let settings = facts.gpu.as_ref().and_then(|gpu| gpu.nv_settings.as_ref());
    if settings.is_some_and(|settings| settings.container_cli == Some(true)) {
        return Gap::NoMatter("NVIDIA's own tool chooses the libraries, and leaves those of the distribution out".into());
    }
    let Some(image) = &facts.image else { return Gap::NoMatter("there is no image to look at".into()) };
    let Some(in_image) = image.contents.as_ref().and_then(|contents| contents.glibc.as_deref()) else {
        let reason = image.unknown.get("contents").cloned();
        return Gap::Unknown(reason.unwrap_or_else(|| "the version of the image's C library is not known".into()));
    };
    let Some(manifests) = &facts.manifests else { return Gap::Unknown("nothing is known of this machine's libraries".into()) };
    if let Some(reason) = manifests.unknown.get("dispatch") {
        return Gap::Unknown(reason.clone());
    }
    let is_newer = |library: &&HostLibrary| library.glibc.as_deref().is_some_and(|need| numbers(need) > numbers(in_image));
    let mut libraries: Vec<_> = manifests.dispatch.iter().filter(|library| is_listed(library, settings)).filter(is_newer).collect();
    if libraries.is_empty() {
        return Gap::None;
    }
    libraries.sort_by_key(|library| std::cmp::Reverse(library.glibc.as_deref().map(numbers)));
    Gap::Open { engine, libraries, in_image }
}

/// Whether the mode nv would be used, or the outcome of a check without that.
fn usage(facts: &Facts) -> Result<Use, Outcome> {
    let Some(gpu) = &facts.gpu else { return Err(Outcome::Unknown("nothing is known of the graphics cards".into())) };
    let wishes = requests(facts);
    // NVIDIA's tool leaves the distribution's libraries outside.
    if let Some(wish) = wishes.iter().find(|wish| wish.reaches_engine && !wish.by_tool) {
        return Ok(Use::Always(wish.evidence.clone()));
    }
    match kernel_driver(gpu) {
        Driver::Runs(version, nvidia) if nvidia.user_version.is_some() => {
            let asked = x_server(facts).ok().and_then(|server| server.glx.as_ref());
            if asked.is_some_and(|glx| glx.vendor_names.iter().any(|name| name == "nvidia")) {
                return Ok(Use::ForTheServer);
            }
            Ok(Use::Perhaps(format!("this machine runs NVIDIA's driver {version}, so that the mode nv can be asked for")))
        }
        Driver::NotKnown(reason) => Err(Outcome::Unknown(reason)),
        _ => match wishes.iter().find(|wish| !wish.by_tool) {
            Some(wish) => Ok(Use::Perhaps(format!("{}, which casa_distro 3.x drops and others do not", wish.evidence))),
            None => {
                Err(Outcome::Skipped("the mode nv is not used here: there is no NVIDIA driver, and nothing asks for it".into()))
            }
        },
    }
}

fn host_libraries_first(engine: &Engine) -> Option<bool> {
    match engine.kind {
        EngineKind::Singularity => Some(true),
        _ => engine.version.as_deref().map(|version| numbers(version) < vec![1, 5]),
    }
}

/// Whether the engine's list has the library; an administrator may have taken it out.
fn is_listed(library: &HostLibrary, settings: Option<&NvSettings>) -> bool {
    match settings.filter(|settings| settings.list.is_some()) {
        Some(settings) => settings.libraries.iter().any(|start| library.name.starts_with(start.as_str())),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::desktop;
    use super::*;
    use crate::facts::{Connection, Image, ImageContents, Measurements};
    use crate::finding::Finding;
    use crate::nvidia::samples::{configured, engine, facts, finding, healthy, of_kind};

    /// This machine's libraries ask for 2.34, as those of every distribution since 2021 do.
    fn with_image(mut facts: Facts, glibc: &str) -> Facts {
        let library = |name: &str, need: &str| HostLibrary {
            name: name.into(),
            path: format!("/usr/lib/x86_64-linux-gnu/{name}").into(),
            glibc: Some(need.into()),
        };
        facts.manifests.as_mut().unwrap().dispatch =
            vec![library("libGL.so.1", "2.14"), library("libGLX.so.0", "2.34"), library("libEGL.so.1", "2.33")];
        let contents = ImageContents { glibc: Some(glibc.into()), ..ImageContents::default() };
        facts.image = Some(Image { contents: Some(contents), ..Image::default() });
        facts
    }

    fn found(facts: &Facts) -> Finding {
        finding(&CHECK, facts)
    }

    #[test]
    fn an_old_image_and_an_old_engine_do_not_fit() {
        let mut facts = with_image(engine(healthy(), "1.4.5"), "2.31");
        let unused = found(&facts);
        assert_eq!(unused.severity, Severity::Info, "nothing uses the mode nv");
        // Then stock casa_distro takes it by itself.
        facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().container_cli = true;
        let found = found(&facts);
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.evidence[0].contains("libGLX.so.0: asks for GLIBC_2.34"), "{found:?}");
        assert!(!found.evidence.iter().any(|evidence| evidence.contains("libGL.so.1")), "it asks for little: {found:?}");
    }

    #[test]
    fn the_engine_and_the_image_decide() {
        assert_eq!(CHECK.judge(&with_image(engine(healthy(), "1.5.0"), "2.31")), Outcome::Pass);
        assert_eq!(CHECK.judge(&with_image(engine(healthy(), "1.4.5"), "2.36")), Outcome::Pass);
        let singularity = with_image(of_kind(healthy(), EngineKind::Singularity, "4.5.1"), "2.31");
        assert_eq!(found(&singularity).kind.id, "glibc-too-new");
    }

    #[test]
    fn a_mode_that_is_used_at_every_start_is_an_error() {
        let asked = configured(with_image(engine(facts(), "1.4.5"), "2.31"), &json!({"container_options": ["--nv=true"]}));
        assert_eq!(found(&asked).severity, Severity::Error);
        let by_tool = configured(with_image(engine(facts(), "1.4.5"), "2.31"), &json!({"container_options": ["--nvccli"]}));
        assert_eq!(CHECK.judge(&by_tool).word(), "skipped");
        let mut server = with_image(engine(healthy(), "1.4.5"), "2.31");
        let mut x11 = desktop();
        if let Connection::Connected(server) = &mut x11.connection {
            server.glx.as_mut().unwrap().vendor_names = vec!["nvidia".into()];
        }
        server.x11 = Some(x11);
        assert_eq!(found(&server).severity, Severity::Error);
        let tried = json!({"opengl": "nv", "where": "image", "outcome": "works", "renderer": "NVIDIA GeForce RTX 3070/PCIe/SSE2",
            "renderer_class": "hardware", "pixels_correct": true, "stderr": []});
        server.measurements =
            Some(Measurements { measured: vec![serde_json::from_value(tried).unwrap()], ..Measurements::default() });
        assert_eq!(found(&server).severity, Severity::Warning, "what was tried out outweighs what was expected");
    }

    #[test]
    fn a_list_without_these_libraries_brings_none() {
        let mut facts = with_image(engine(healthy(), "1.4.5"), "2.31");
        let settings = facts.gpu.as_mut().unwrap().nv_settings.as_mut().unwrap();
        (settings.list, settings.libraries) = (Some("/etc/apptainer/nvliblist.conf".into()), vec!["libGLX_nvidia.so".into()]);
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn without_nv_it_is_no_question_and_without_versions_there_is_no_answer() {
        assert_eq!(CHECK.judge(&with_image(engine(facts(), "1.4.5"), "2.31")).word(), "skipped");
        let mut engine_unknown = with_image(engine(healthy(), "1.4.5"), "2.31");
        engine_unknown.engines.as_mut().unwrap().found[0].version = None;
        assert_eq!(CHECK.judge(&engine_unknown).word(), "unknown");
        let mut image_unknown = with_image(engine(healthy(), "1.4.5"), "2.31");
        image_unknown.image = Some(Image::default());
        assert_eq!(CHECK.judge(&image_unknown).word(), "unknown");
        let mut no_cache = with_image(engine(healthy(), "1.4.5"), "2.31");
        no_cache.manifests.as_mut().unwrap().unknown.insert("dispatch".into(), "no cache".into());
        assert_eq!(CHECK.judge(&no_cache).word(), "unknown");
    }
}
