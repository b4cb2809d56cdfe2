//! Whether NVIDIA's driver is asked for on a machine that does not have it.

use serde_json::Value;

use super::request::{Request, requests};
use super::{Driver, engine_in_words, kernel_driver, numbers, sif_engine};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Engine, EngineKind, Facts, ProbeId};
use crate::finding::{Change, Edit, Finding, FindingKind, Safety, Severity};
use crate::image::{environment, setting};

pub(super) static CHECK: Check = Check {
    id: "nvidia-flag",
    category: Category::Nvidia,
    question: "Is NVIDIA's driver there where it is asked for?",
    needs: &[ProbeId::Gpu],
    findings: &[&WITHOUT_DRIVER],
    run,
};

static WITHOUT_DRIVER: FindingKind = FindingKind {
    id: "nvidia-flag-without-driver",
    code: "CD0308",
    severity: Severity::Warning,
    title: "NVIDIA's driver is asked for, and this machine does not run it",
    why: "With --nv the engine looks for NVIDIA's libraries and puts what it finds before those of the image. Without the driver it \
          finds only the machine's general OpenGL libraries (libGL, libEGL and their like), and since Apptainer 1.4.0 it mixes them \
          into the image without a word. Programs then fail for want of a newer C library, or draw with a wrong mixture. Since Apptainer \
          1.5 those of the image come first, and the option does no harm.",
    cure: "Take the option out. The mode nv is for machines with NVIDIA's driver; where an environment is shared by several machines, \
           casa-doctor records a mode for each.",
    example: "WARNING: Could not find any nv files on this host!",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let Some(gpu) = &facts.gpu else { return Outcome::Unknown("nothing is known of the graphics cards".into()) };
    if facts.machine.as_ref().is_some_and(|machine| !matches!(machine.os.as_str(), "" | "linux")) {
        return Outcome::Skipped("this is asked on Linux only".into());
    }
    if gpu.dxg {
        return Outcome::Skipped("under WSL --nv brings what Windows has of it".into());
    }
    let docker = docker_request(facts);
    let requests = if docker.is_some() { Vec::new() } else { requests(facts) };
    if docker.is_none() && requests.is_empty() {
        return Outcome::Skipped("nothing asks for NVIDIA's driver".into());
    }
    match kernel_driver(gpu) {
        Driver::Runs(..) => return Outcome::Pass,
        Driver::NotKnown(reason) => return Outcome::Unknown(reason),
        Driver::Absent => {}
    }
    if let Some(word) = docker {
        return Outcome::Findings(vec![for_docker(word)]);
    }
    match sif_engine(facts) {
        Ok(engine) => Outcome::Findings(vec![for_apptainer(facts, &requests, Some(engine))]),
        // Without a known engine the option is as wrong.
        Err(Outcome::Unknown(_)) => Outcome::Findings(vec![for_apptainer(facts, &requests, None)]),
        Err(outcome) => outcome,
    }
}

fn for_apptainer(facts: &Facts, requests: &[Request<'_>], engine: Option<&Engine>) -> Finding {
    let severity = if requests.iter().any(|request| request.by_tool && request.reaches_engine) {
        // The tool ends the start when it finds no driver.
        Severity::Error
    } else if requests.iter().any(|request| request.reaches_engine) && !engine.is_some_and(image_comes_first) {
        Severity::Warning
    } else {
        Severity::Info
    };
    let mut finding = WITHOUT_DRIVER.found().severity(severity);
    for request in requests {
        let dropped = if request.reaches_engine { "" } else { ", which casa_distro 3.x drops" };
        finding = finding.evidence(format!("{}{dropped}", request.evidence));
    }
    finding = finding.evidence("/proc/driver/nvidia/version does not exist: NVIDIA's driver is not loaded");
    if let Some(engine) = engine {
        finding = effect(finding, facts, engine);
    }
    // What casa-doctor set itself it takes back with the decision for this machine.
    let for_others = machines_with_nv(facts);
    for machine in &for_others {
        finding = finding.evidence(format!("\"/casa_doctor\" records that \"--nv=true\" was set for {machine}"));
    }
    if !for_others.is_empty() {
        return finding
            .advise("casa-doctor --fix takes it back: one setting does not suit both machines. casa-doctor run needs none.")
            .advise_command(
                "On the other machine, casa_distro itself is then asked for the mode at each start:",
                "bv opengl=nv anatomist",
            );
    }
    let edits: Vec<Edit> = requests
        .iter()
        .filter(|request| request.reaches_engine)
        .filter_map(|request| request.element.as_ref())
        .map(|(file, pointer)| Edit::new(&file.path, pointer, Change::Remove, &WITHOUT_DRIVER))
        .collect();
    if !edits.is_empty() {
        finding = finding.fix(
            "Remove the option. It is needed only if another machine with NVIDIA's driver shares this file.",
            Safety::Confirm,
            edits,
        );
    } else if requests.iter().any(|request| request.element.is_some()) {
        finding = finding.advise("Remove the option: it has no effect here, and would do harm where it has.");
    }
    if let Some(setting) = requests.iter().find(|request| request.element.is_none()) {
        finding = finding.advise(format!("Take back what asks for it on this machine ({}).", setting.evidence));
    }
    finding
}

/// The machines for which casa-doctor put the option into the configuration.
fn machines_with_nv(facts: &Facts) -> Vec<&str> {
    let record = environment(facts).and_then(|environment| environment.file.value.as_ref()?.get("casa_doctor"));
    let is_ours = record.and_then(|record| record.get("set_for_stock")?.get("/container_options/-")).is_some();
    let decisions = record.filter(|_| is_ours).and_then(|record| record.get("decisions")?.as_object()).into_iter().flatten();
    let needs_it = |displays: &Value| {
        displays.as_object().is_some_and(|displays| displays.values().any(|entry| entry.get("opengl") == Some(&Value::from("nv"))))
    };
    decisions.filter(|(_, displays)| needs_it(displays)).map(|(machine, _)| machine.as_str()).collect()
}

/// Whether the engine lets programs find the image's own libraries before those that it brings.
fn image_comes_first(engine: &Engine) -> bool {
    engine.kind == EngineKind::Apptainer && engine.version.as_deref().is_some_and(|version| numbers(version) >= vec![1, 5])
}

/// What this engine does with the option.
fn effect(finding: Finding, facts: &Facts, engine: &Engine) -> Finding {
    let silent =
        engine.kind == EngineKind::Apptainer && engine.version.as_deref().is_some_and(|version| numbers(version) >= vec![1, 4]);
    let finding = if silent {
        finding.evidence(format!("{}: says nothing about it (older ones warn)", engine_in_words(engine)))
    } else {
        finding
    };
    let libraries = facts.manifests.as_ref().map(|manifests| manifests.dispatch.as_slice()).unwrap_or_default();
    if libraries.is_empty() {
        return finding;
    }
    let names: Vec<_> = libraries.iter().take(4).map(|library| library.name.as_str()).collect();
    let more = if libraries.len() > names.len() { ", …" } else { "" };
    let order = if image_comes_first(engine) { ", behind the image's own" } else { "" };
    finding.evidence(format!(
        "{} libraries of this machine would be put into the image{order}: {}{more}",
        libraries.len(),
        names.join(", ")
    ))
}

/// The option by which Docker or Podman are asked for a card.
fn docker_request(facts: &Facts) -> Option<String> {
    let environment = environment(facts)?;
    if !matches!(setting(environment, "container_type"), Some("docker" | "podman")) {
        return None;
    }
    let merged = environment.merged.as_ref()?;
    let lists = ["container_options", "container_gui_options"].into_iter().filter_map(|key| merged.get(key)?.as_array());
    let mut words = lists.flatten().filter_map(Value::as_str);
    let asks = |word: &&str| {
        *word == "--gpus" || word.starts_with("--gpus=") || *word == "--runtime=nvidia" || word.contains("nvidia.com/gpu")
    };
    words.find(asks).map(str::to_owned)
}

fn for_docker(word: String) -> Finding {
    WITHOUT_DRIVER
        .found()
        .severity(Severity::Error)
        .evidence(format!("the options of the configuration contain \"{word}\""))
        .evidence("/proc/driver/nvidia/version does not exist: NVIDIA's driver is not loaded")
        .evidence("Docker and Podman refuse to start a container whose card they cannot give")
        .advise("Remove the option from container_options on this machine.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{configured, engine, facts, finding, healthy};
    use super::*;
    use crate::facts::HostLibrary;

    fn here(configuration: Value) -> Facts {
        configured(engine(facts(), "1.4.5"), &configuration)
    }

    #[test]
    fn an_option_that_reaches_the_engine_is_removed_on_request() {
        let mut facts = here(json!({"container_options": ["--nv=true"]}));
        let library = HostLibrary { name: "libGL.so.1".into(), path: "/usr/lib/libGL.so.1".into(), glibc: Some("2.14".into()) };
        facts.manifests.as_mut().unwrap().dispatch = vec![library];
        let found = finding(&CHECK, &facts);
        assert_eq!((found.severity, found.advice[0].safety), (Severity::Warning, Safety::Confirm));
        assert_eq!(found.edits[0].key, "/container_options/0");
        assert!(found.evidence.iter().any(|evidence| evidence.contains("libGL.so.1")), "{found:?}");
        assert!(found.evidence.iter().any(|evidence| evidence.contains("says nothing")), "{found:?}");
        // From 1.5 on the image's own come first.
        let found = finding(&CHECK, &engine(facts, "1.5.1"));
        assert_eq!((found.severity, found.edits.len()), (Severity::Info, 1));
        assert!(found.evidence.iter().any(|evidence| evidence.contains("behind the image's own")), "{found:?}");
    }

    #[test]
    fn what_casa_doctor_set_for_another_machine_is_told_as_such() {
        let record = json!({"decisions": {"gpu-box": {"local": {"opengl": "nv"}}, "desk": {"local": {"opengl": "container"}}},
            "set_for_stock": {"/container_options/-": "--nv=true"}});
        let found = finding(&CHECK, &here(json!({"container_options": ["--nv=true"], "casa_doctor": record})));
        assert_eq!((found.severity, found.edits.len()), (Severity::Warning, 0));
        assert!(found.evidence.iter().any(|evidence| evidence.contains("gpu-box")), "{found:?}");
        assert!(!found.evidence.iter().any(|evidence| evidence.contains("desk")), "{found:?}");
    }

    #[test]
    fn a_dropped_word_is_a_remark_and_the_tool_an_error() {
        let found = finding(&CHECK, &here(json!({"container_options": ["--nv"]})));
        assert_eq!((found.severity, found.edits.len()), (Severity::Info, 0));
        assert_eq!(finding(&CHECK, &here(json!({"container_options": ["--nvccli"]}))).severity, Severity::Error);
    }

    #[test]
    fn a_setting_of_the_engine_asks_without_an_environment() {
        let mut facts = engine(facts(), "1.3.6");
        facts.gpu.as_mut().unwrap().nv_settings.as_mut().unwrap().always = Some(true);
        let found = finding(&CHECK, &facts);
        assert!(found.evidence[0].contains("always use nv"), "{found:?}");
        assert!(!found.evidence.iter().any(|evidence| evidence.contains("says nothing")), "1.3.6 warns");
    }

    #[test]
    fn docker_refuses() {
        let facts = configured(facts(), &json!({"container_type": "docker", "container_options": ["--gpus=all", "--nv=true"]}));
        assert_eq!(finding(&CHECK, &facts).severity, Severity::Error);
    }

    #[test]
    fn with_a_driver_or_without_a_wish_nothing_is_wrong() {
        assert_eq!(CHECK.judge(&configured(healthy(), &json!({"container_options": ["--nv=true"]}))), Outcome::Pass);
        assert_eq!(CHECK.judge(&here(json!({}))).word(), "skipped");
    }

    #[test]
    fn a_driver_that_cannot_be_read_is_unknown() {
        let mut facts = here(json!({"container_options": ["--nv=true"]}));
        facts.gpu.as_mut().unwrap().unknown.insert("nvidia.kernel_version".into(), "no version".into());
        assert_eq!(CHECK.judge(&facts).word(), "unknown");
    }
}
