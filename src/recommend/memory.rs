//! Remembering a decision: for which machine and display it holds, on what it rests, and finding it again.

use casa_doctor_checks::facts::{Environment, Facts, Nvidia};
use casa_doctor_checks::finding::Edit;
use serde_json::{Map, Value, json};

use super::decision::{self, Decision, KEY, Record, Stock, stock_edits};
use super::situation::{DisplayKind, ServerVendor, server, server_vendor};
use super::{OpenGl, Recommendation};

/// The edits that remember a decision.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Remembered {
    /// They change the environment's own file.
    pub(crate) edits: Vec<Edit>,
    /// What is not done and why, in words.
    pub(crate) notes: Vec<String>,
}

/// Works out the edits that record a recommendation, and that make stock casa_distro follow it where one choice suits every
/// recorded machine and display.
pub(crate) fn remember(environment: &Environment, facts: &Facts, recommendation: &Recommendation) -> Remembered {
    let Some(config) = environment.file.value.as_ref().filter(|value| value.is_object()) else { return Remembered::default() };
    let (Some(machine), Some(display)) = (machine(facts), DisplayKind::of(facts)) else { return Remembered::default() };
    if recommendation.opengl == OpenGl::None {
        return Remembered::default();
    }
    let decision = Decision {
        machine: machine.to_owned(),
        display,
        opengl: recommendation.opengl,
        basis: recommendation.basis,
        because: recommendation.reasons.first().cloned().unwrap_or_default(),
        fingerprint: fingerprint(facts),
        // A time would be the only thing that changes from one run to the next.
        decided_at: None,
    };
    let file = environment.file.path.as_path();
    let mut remembered = Remembered { edits: decision::edits(config.get(KEY), file, &decision), notes: Vec::new() };
    let user = environment.user_file.as_ref().and_then(|user| Some((user.path.as_path(), user.value.as_ref()?)));
    let contents = facts.image.as_ref().and_then(|image| image.contents.as_ref());
    let stock = Stock {
        file,
        config,
        user,
        decision: &decision,
        software_mesa: contents.and_then(|contents| contents.software_mesa),
        auto_is_nv: stock_chooses_nv(facts),
    };
    match stock_edits(&stock) {
        Ok(edits) => remembered.edits.extend(edits),
        Err(clash) => remembered.notes.push(clash.to_string()),
    }
    remembered
}

/// The mode that was decided for this machine and this kind of display, if it still rests on what is there now.
pub(crate) fn recall(config: &Value, facts: &Facts) -> Option<OpenGl> {
    let record = Record::read(config.get(KEY));
    record.decision(machine(facts)?, DisplayKind::of(facts)?).map(|recorded| recorded.opengl)
}

fn machine(facts: &Facts) -> Option<&str> {
    facts.machine.as_ref()?.hostname.as_deref()
}

/// What a decision rests on. No times and no figures: a difference means that the decision must be made again.
fn fingerprint(facts: &Facts) -> Map<String, Value> {
    let mut map = Map::new();
    if let Some(vendor) = server(facts).map(server_vendor) {
        let told = match vendor {
            ServerVendor::NoGlx => json!("no GLX"),
            ServerVendor::Unnamed => json!("none named"),
            ServerVendor::Named(names) => json!(names.join(" ")),
        };
        map.insert("glx_vendor".into(), told);
    }
    if let Some(gpu) = &facts.gpu {
        let cards: Vec<_> = gpu
            .cards
            .iter()
            .map(|card| [&card.vendor, &card.device, &card.driver].map(|part| part.as_deref().unwrap_or("?")).join(":"))
            .collect();
        if !cards.is_empty() {
            map.insert("cards".into(), json!(cards));
        }
        if let Some(Nvidia { kernel_version, user_version, .. }) = &gpu.nvidia {
            map.insert("nvidia".into(), json!({"kernel": kernel_version, "libraries": user_version}));
        }
    }
    let engine = facts.engines.as_ref().and_then(|engines| engines.found.first());
    if let Some(version) = engine.and_then(|engine| engine.version_text.as_deref()) {
        map.insert("engine".into(), json!(version));
    }
    let image = facts.image.as_ref();
    let metadata = image.and_then(|image| image.metadata.as_ref()).and_then(|metadata| metadata.image_id.as_deref());
    if let Some(id) = image.and_then(|image| image.contents.as_ref()).and_then(|contents| contents.image_id.as_deref()).or(metadata)
    {
        map.insert("image_id".into(), json!(id));
    }
    map
}

/// Whether stock casa_distro's `opengl=auto` chooses nv by itself: it asks for a device node it can open and for
/// `nvidia-container-cli` on PATH, and for nothing else.
fn stock_chooses_nv(facts: &Facts) -> bool {
    facts.gpu.as_ref().and_then(|gpu| gpu.nvidia.as_ref()).is_some_and(|nvidia| {
        nvidia.container_cli
            && nvidia.nodes.iter().any(|node| node.usable && node.path.file_name().is_some_and(|name| name == "nvidiactl"))
    })
}
