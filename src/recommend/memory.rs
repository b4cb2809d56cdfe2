//! Remembering a decision: for which machine and display it holds, on what it rests, and finding it again.

use casa_doctor_checks::facts::{Environment, Facts, Nvidia};
use casa_doctor_checks::finding::Edit;
use casa_doctor_checks::gl::{GlibcGap, glibc_gap};
use casa_doctor_checks::nvidia::lacks_a_part_of_opengl;
use serde_json::{Map, Value, json};

use super::decision::{self, Clash, Decision, KEY, Record, Recorded, Stock, stock_edits};
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
pub(crate) fn remember(
    environment: &Environment,
    facts: &Facts,
    recommendation: &Recommendation,
    identities: &Map<String, Value>,
) -> Remembered {
    let Some(config) = environment.file.value.as_ref().filter(|value| value.is_object()) else { return Remembered::default() };
    let Some(decision) = decision(facts, recommendation, identities) else { return Remembered::default() };
    let file = environment.file.path.as_path();
    let mut remembered = Remembered { edits: decision::edits(config.get(KEY), file, &decision), notes: Vec::new() };
    let user = environment.user_file.as_ref().and_then(|user| Some((user.path.as_path(), user.value.as_ref()?)));
    let contents = facts.image.as_ref().and_then(|image| image.contents.as_ref());
    let nv_alone_fails = nv_alone_fails(facts);
    let stock = Stock {
        file,
        config,
        user,
        decision: &decision,
        software_mesa: contents.and_then(|contents| contents.software_mesa),
        auto_is_nv: stock_chooses_nv(facts),
        nv_alone_fails: nv_alone_fails.as_deref(),
    };
    match stock_edits(&stock) {
        Ok(edits) => remembered.edits.extend(edits),
        // Nor would bv's own way to ask for the mode be enough.
        Err(clash @ Clash::NotEnough(_)) => remembered.notes.push(clash.to_string()),
        Err(clash) => remembered.notes.push(format!("{clash}; {}", by_hand(&decision))),
    }
    let modes_agree = Record::read(config.get(KEY)).agreed_mode(&decision).is_some();
    if !modes_agree && !remembered.edits.is_empty() {
        remembered.notes.push(format!(
            "the machines and displays that are recorded for this environment need different OpenGL modes, so casa_distro by itself \
             cannot be set to one of them; {}",
            by_hand(&decision)
        ));
    }
    remembered
}

/// How stock casa_distro is told the mode.
fn by_hand(decision: &Decision) -> String {
    format!("on this display, start programs with \"bv opengl={} PROGRAM\"", decision.opengl.word())
}

/// A recommendation as a decision for this machine and this kind of display; `None` when one of them is not known, or when no mode
/// is recommended. `identities` is what else it rests on, which facts do not tell (see [`Recall`]).
pub(crate) fn decision(facts: &Facts, recommendation: &Recommendation, identities: &Map<String, Value>) -> Option<Decision> {
    if recommendation.opengl == OpenGl::None {
        return None;
    }
    let mut fingerprint = fingerprint(facts);
    fingerprint.extend(identities.clone());
    Some(Decision {
        machine: machine(facts)?.to_owned(),
        display: DisplayKind::of(facts)?,
        opengl: recommendation.opengl,
        basis: recommendation.basis,
        because: recommendation.reasons.first().cloned().unwrap_or_default(),
        fingerprint,
        // A time would be the only thing that changes from one run to the next.
        decided_at: None,
    })
}

/// What is remembered for this machine and this kind of display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recall {
    /// Nothing.
    Nothing,
    /// This decision, and everything that it rests on is still so.
    Holds(Box<Recorded>),
    /// This mode, and something that it rests on is different now.
    Changed {
        /// The mode that was decided.
        was: OpenGl,
        /// What is different, each in words.
        what: Vec<String>,
    },
}

/// Recalls a decision from the user's own record and from the environment's, and compares what it rests on with what is there now, as
/// far as the facts and the identities of engine and image tell. The user's own comes first: who measures wants that to count.
pub(crate) fn recall(environment: &Environment, facts: &Facts, identities: &Map<String, Value>) -> Recall {
    let shared = environment.file.value.as_ref().and_then(|value| value.get(KEY));
    let [own, shared] = [environment.decided.as_ref(), shared].map(|record| recall_one(record, facts, identities));
    match (own, shared) {
        (own @ Recall::Holds(_), _) => own,
        (_, shared @ Recall::Holds(_)) => shared,
        (Recall::Nothing, shared) => shared,
        (own, _) => own,
    }
}

/// Recalls a decision from the value of the key `casa_doctor`.
fn recall_one(remembered: Option<&Value>, facts: &Facts, identities: &Map<String, Value>) -> Recall {
    let record = Record::read(remembered);
    let (Some(machine), Some(display)) = (machine(facts), DisplayKind::of(facts)) else { return Recall::Nothing };
    let Some(recorded) = record.decision(machine, display).filter(|recorded| recorded.opengl != OpenGl::None) else {
        return Recall::Nothing;
    };
    let mut now = fingerprint(facts);
    now.extend(identities.clone());
    let what: Vec<_> =
        decision::changes(&recorded.fingerprint, &now).iter().map(|key| in_words(key, &recorded.fingerprint, &now)).collect();
    if what.is_empty() { Recall::Holds(Box::new(recorded.clone())) } else { Recall::Changed { was: recorded.opengl, what } }
}

/// A difference in words.
fn in_words(key: &str, then: &Map<String, Value>, now: &Map<String, Value>) -> String {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let (then, now) = (text(then.get(key)), text(now.get(key)));
    match key {
        "glx_vendor" => format!("the X server's OpenGL library was \"{then}\" and is \"{now}\""),
        "server" => format!("the X server was {then} and is {now}"),
        "cards" => format!("the graphics cards were {then} and are {now}"),
        "nvidia" => format!("the NVIDIA driver was {then} and is {now}"),
        "engine" => format!("the container engine was \"{then}\" and is \"{now}\""),
        "engine_file" => "the container engine was replaced".to_owned(),
        "image_id" | "image_file" => "the image is another one".to_owned(),
        other => format!("\"{other}\" is different"),
    }
}

fn machine(facts: &Facts) -> Option<&str> {
    facts.machine.as_ref()?.hostname.as_deref()
}

/// What a decision rests on. No figures of a measurement: a difference means that the decision must be made again.
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
    if let Some(server) = server(facts) {
        map.insert("server".into(), json!(server.kind));
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

/// Why the option `--nv` alone does not bring a driver into the container that works.
fn nv_alone_fails(facts: &Facts) -> Option<String> {
    if let GlibcGap::Open { in_image, .. } = glibc_gap(facts) {
        return Some(format!("libraries that the engine brings along for it need a newer C library than the image's ({in_image})"));
    }
    if let Some(why) = lacks_a_part_of_opengl(facts) {
        return Some(why);
    }
    let settings = facts.gpu.as_ref()?.nv_settings.as_ref().filter(|settings| settings.list.is_some())?;
    let by_list = settings.container_cli != Some(true);
    let is_listed = settings.libraries.iter().any(|start| "libGLX_nvidia.so.0".starts_with(start.as_str()));
    (by_list && !is_listed)
        .then(|| "the engine's list of the driver's libraries (nvliblist.conf) lacks libGLX_nvidia.so".to_owned())
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{Connection, Gpu, Machine, NvSettings, ServerGlx, ServerKind, X11, XServer};

    use super::*;
    use crate::recommend::{Basis, Confidence};

    fn facts(vendor: &str, kind: ServerKind) -> Facts {
        let glx = ServerGlx { vendor_names: vec![vendor.into()], ..ServerGlx::default() };
        let server = XServer { kind, glx: Some(glx), ..XServer::default() };
        Facts {
            machine: Some(Machine { os: "linux".into(), hostname: Some("pc".into()), ..Machine::default() }),
            x11: Some(X11 { connection: Connection::Connected(Box::new(server)), ..X11::default() }),
            gpu: Some(Gpu::default()),
            ..Facts::default()
        }
    }

    fn identities(image: &str) -> Map<String, Value> {
        Map::from_iter([("engine_file".to_owned(), json!("/usr/bin/apptainer 9 1")), ("image_file".to_owned(), json!(image))])
    }

    fn recorded(facts: &Facts) -> Value {
        let recommendation = Recommendation {
            opengl: OpenGl::Software,
            basis: Basis::Measured,
            confidence: Confidence::High,
            reasons: Vec::new(),
            rejected: Vec::new(),
        };
        let decision = decision(facts, &recommendation, &identities("/i.sif 5 1")).unwrap();
        let edits = decision::edits(None, std::path::Path::new("/e/conf/casa_distro.json"), &decision);
        serde_json::from_str::<Value>(&crate::fix::apply("{}", &edits).unwrap()).unwrap()[KEY].clone()
    }

    #[test]
    fn a_decision_holds_while_everything_it_rests_on_is_the_same() {
        let here = facts("mesa", ServerKind::Xorg);
        let value = recorded(&here);
        let holds = |facts: &Facts, identities: &Map<String, Value>| recall_one(Some(&value), facts, identities);
        let held = Recall::Holds(Box::new(Record::read(Some(&value)).decision("pc", DisplayKind::Local).unwrap().clone()));
        assert_eq!(holds(&here, &identities("/i.sif 5 1")), held);
        assert_eq!(holds(&here, &Map::new()), held, "what cannot be told now says nothing");
        assert_eq!(recall_one(None, &here, &Map::new()), Recall::Nothing);
        let mut elsewhere = here.clone();
        elsewhere.machine.as_mut().unwrap().hostname = Some("laptop".into());
        assert_eq!(holds(&elsewhere, &Map::new()), Recall::Nothing, "another machine has its own");
        let vnc = facts("mesa", ServerKind::Xvnc);
        assert_eq!(holds(&vnc, &Map::new()), Recall::Nothing, "another kind of display has its own");
    }

    #[test]
    fn the_option_for_nvidia_alone_is_not_enough_everywhere() {
        let settings = |list: Option<&str>, libraries: &[&str], container_cli| NvSettings {
            list: list.map(Into::into),
            libraries: libraries.iter().map(|name| (*name).to_owned()).collect(),
            container_cli,
            ..NvSettings::default()
        };
        let fails = |settings| {
            let gpu = Some(Gpu { nv_settings: Some(settings), ..Gpu::default() });
            nv_alone_fails(&Facts { gpu, ..facts("nvidia", ServerKind::Xorg) })
        };
        let list = Some("/etc/apptainer/nvliblist.conf");
        assert_eq!(fails(settings(list, &["libcuda.so", "libGLX_nvidia.so"], None)), None);
        assert!(fails(settings(list, &["libcuda.so"], None)).is_some_and(|why| why.contains("libGLX_nvidia")));
        assert_eq!(fails(settings(list, &["libcuda.so"], Some(true))), None, "NVIDIA's own tool reads no list");
        assert_eq!(fails(settings(None, &[], None)), None, "nothing is known of the list");
    }

    #[test]
    fn what_changed_is_told_in_words() {
        let value = recorded(&facts("mesa", ServerKind::Xorg));
        let now = facts("nvidia", ServerKind::Xwayland);
        let Recall::Changed { was, what } = recall_one(Some(&value), &now, &identities("/i.sif 6 2")) else { panic!("it holds") };
        assert_eq!(was, OpenGl::Software);
        assert_eq!(
            what,
            [
                "the X server's OpenGL library was \"mesa\" and is \"nvidia\"",
                "the X server was xorg and is xwayland",
                "the image is another one"
            ]
        );
    }
}
