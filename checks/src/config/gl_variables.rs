//! Does the configuration bend OpenGL in every container that it starts?

use serde_json::Value;

use super::layers::{Layer, Layers, layers, outcome};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, FindingKind, Safety, Severity};
use crate::gl::variables::{effect, is_how_windows_draws, server_vendor};
use crate::renderer::{RendererClass, classify};

/// Does the configuration bend OpenGL in every container that it starts?
pub(super) static CHECK: Check = Check {
    id: "config-gl-environment",
    category: Category::Config,
    question: "Does the configuration leave OpenGL in the container alone?",
    needs: &[ProbeId::Environment],
    findings: &[&OVERRIDE],
    run,
};

static OVERRIDE: FindingKind = FindingKind {
    id: "config-gl-override",
    code: "CD0930",
    severity: Severity::Warning,
    title: "The configuration sets variables that change how OpenGL works in the container",
    why: "What stands under \"env\" and \"gui_env\", and in an option --env, is set in every container of the environment, whatever \
          machine and display it is started from. Drivers read variables that choose another driver, switch off the card or ask the X \
          server to draw. One that was an experiment makes programs slow, or keeps them from opening a window, and no mode helps.",
    cure: "Take them out, unless you know why they are there. The OpenGL mode is asked for with opengl=MODE on the command line of bv, or \
           recorded by casa-doctor --fix.",
    example: "\"gui_env\": {\"LIBGL_ALWAYS_INDIRECT\": \"1\"}",
    since: "0.1.0",
};

/// The variable that lets the processor draw.
const SOFTWARE: &str = "LIBGL_ALWAYS_SOFTWARE";

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    let mut findings = Vec::new();
    for setting in layers.all.iter().flat_map(settings).filter(|setting| !layers.is_replaced(&setting.layer, &setting.pointer)) {
        match acts(facts, &layers, &setting) {
            Ok(Some((what, severity))) => {
                let finding = OVERRIDE
                    .found()
                    .severity(severity)
                    .title(format!("The configuration sets {}, which {what}", setting.name))
                    .evidence(format!("{}: {}", setting.layer.place(&setting.pointer), setting.words));
                let edit = setting.layer.edit(&setting.pointer, Change::Remove, &OVERRIDE);
                findings.push(finding.fix("Remove it, unless it is meant.", Safety::Confirm, [edit]));
            }
            Ok(None) => {}
            Err(reason) if findings.is_empty() => return Outcome::Unknown(reason),
            Err(_) => {}
        }
    }
    outcome(findings)
}

/// A variable that the configuration sets.
struct Setting<'a> {
    layer: Layer<'a>,
    pointer: String,
    name: &'a str,
    value: &'a str,
    /// How it stands there.
    words: String,
}

fn settings<'a>(layer: &Layer<'a>) -> Vec<Setting<'a>> {
    let mut all = Vec::new();
    for key in ["env", "gui_env"] {
        for entry in layer.entries(key) {
            let Some(value) = entry.value.as_str() else { continue };
            let words = format!("\"{key}\" sets {} to \"{value}\"", entry.name);
            all.push(Setting { layer: *layer, pointer: entry.pointer, name: entry.name, value, words });
        }
    }
    for key in ["container_options", "container_gui_options"] {
        for (option, pointer) in layer.elements(key) {
            let assignment = option.as_str().and_then(|option| option.strip_prefix("--env="));
            let Some((name, value)) = assignment.and_then(|assignment| assignment.split_once('=')) else { continue };
            all.push(Setting {
                layer: *layer,
                pointer,
                name,
                value,
                words: format!("\"{key}\" contains \"--env={name}={value}\""),
            });
        }
    }
    all
}

/// What a setting does in the container, and how much that matters; the error tells why that is not known.
fn acts(facts: &Facts, layers: &Layers<'_>, setting: &Setting<'_>) -> Result<Option<(&'static str, Severity)>, String> {
    let Setting { layer, name, value, .. } = *setting;
    let record = layer.object.get("casa_doctor");
    let ours = record.and_then(|record| record.get("set_for_stock")?.get(&setting.pointer));
    // A reference is looked up at each start, and may be nothing.
    if value.starts_with('$') || ours == Some(&Value::from(value)) || is_how_windows_draws(facts, name, value) {
        return Ok(None);
    }
    if name == "LD_LIBRARY_PATH" {
        let of_the_machine = value.split(':').any(|directory| directory == "/host" || directory.starts_with("/host/"));
        let what = "lets programs load libraries of this machine in the place of the image's";
        return Ok(of_the_machine.then_some((what, Severity::Warning)));
    }
    let by_software = |setting: &Setting<'_>| setting.name == SOFTWARE && !matches!(setting.value, "" | "0" | "false");
    let all = || layers.all.iter().flat_map(settings);
    if name == SOFTWARE || (name == "__GLX_VENDOR_LIBRARY_NAME" && value == "mesa" && all().any(|other| by_software(&other))) {
        return Ok(software(facts, layers, setting).filter(|_| by_software(setting)));
    }
    if name.starts_with("__GLX_") && facts.x11.is_none() {
        return Err(format!("{name} is set, and it is not known which library the X server asks for"));
    }
    Ok(effect(name, value, server_vendor(facts)))
}

/// The mode software, chosen for every start. Where casa-doctor has recorded decisions, it is compared with them (see config-shared).
fn software(facts: &Facts, layers: &Layers<'_>, setting: &Setting<'_>) -> Option<(&'static str, Severity)> {
    let is_decided = layers.own().object.get("casa_doctor").is_some_and(|record| record.get("decisions").is_some());
    let (what, _) = effect(setting.name, setting.value, None).filter(|_| !is_decided)?;
    let contexts = facts.glx_contexts();
    let mut classes = contexts.map(|context| classify(context).class);
    let has_card = classes.any(|class| matches!(class, RendererClass::Hardware | RendererClass::Virtual));
    Some((what, if has_card { Severity::Warning } else { Severity::Info }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{edits, facts, facts_with_user, findings};
    use super::*;
    use crate::facts::{ChildEnd, ChildRun, GlContext, GlResult};
    use crate::gl::samples::desktop;

    /// A machine on whose display a card draws by Mesa.
    fn with_card(config: &Value) -> Facts {
        let context = GlContext {
            vendor: "Intel".into(),
            renderer: "Mesa Intel(R) UHD Graphics 620 (KBL GT2)".into(),
            version: "4.6 (Compatibility Profile) Mesa 23.2.1".into(),
            ..GlContext::default()
        };
        let result = Some(GlResult { contexts: vec![context], ..GlResult::default() });
        let glx = ChildRun { end: ChildEnd::Finished, last_call: None, stderr: Vec::new(), duration_ms: 1, result };
        Facts { x11: Some(desktop()), glx: Some(glx), ..facts(config) }
    }

    fn severities(facts: &Facts) -> Vec<Severity> {
        findings(&CHECK, facts).iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn what_bends_opengl_is_told_wherever_it_is_set() {
        let config = json!({"env": {"LIBGL_ALWAYS_INDIRECT": "1"}, "gui_env": {"GALLIUM_DRIVER": "llvmpipe"},
            "container_options": ["--env=__GLX_VENDOR_LIBRARY_NAME=nvidia"]});
        let facts = facts_with_user(&config, Some(&json!({"gui_env": {"LD_LIBRARY_PATH": "/host/usr/lib:/opt"}})));
        let facts = Facts { x11: Some(desktop()), ..facts };
        assert_eq!(
            edits(&CHECK, &facts),
            [
                "remove /env/LIBGL_ALWAYS_INDIRECT",
                "remove /gui_env/GALLIUM_DRIVER",
                "remove /container_options/0",
                "remove /gui_env/LD_LIBRARY_PATH"
            ]
        );
        assert!(findings(&CHECK, &facts)[0].title.as_ref().unwrap().contains("asks the X server to draw"));
    }

    #[test]
    fn what_does_nothing_and_what_casa_doctor_set_is_healthy() {
        let harmless = json!({"gui_env": {"LIBGL_ALWAYS_INDIRECT": "0", "LIBGL_DEBUG": "verbose", "GALLIUM_DRIVER": "$DRIVER",
            "LD_LIBRARY_PATH": "/usr/local/lib/mesa", "LIBGL_ALWAYS_SOFTWARE": "1", "__GLX_VENDOR_LIBRARY_NAME": "mesa"},
            "env": {"LD_LIBRARY_PATH": "/opt/lib"},
            "casa_doctor": {"set_for_stock": {"/gui_env/LIBGL_ALWAYS_SOFTWARE": "1"}}});
        assert_eq!(severities(&with_card(&harmless)), []);
    }

    #[test]
    fn software_for_every_start_matters_where_there_is_a_card_and_nothing_was_decided() {
        let config = json!({"gui_env": {"LIBGL_ALWAYS_SOFTWARE": "1"}});
        assert_eq!(severities(&with_card(&config)), [Severity::Warning]);
        assert_eq!(severities(&facts(&config)), [Severity::Info], "there may be no card");
        let decided = json!({"gui_env": {"LIBGL_ALWAYS_SOFTWARE": "1"}, "casa_doctor": {"decisions": {}}});
        assert_eq!(severities(&with_card(&decided)), []);
    }

    #[test]
    fn a_vendor_is_compared_with_what_the_x_server_asks_for() {
        let config = json!({"gui_env": {"__GLX_VENDOR_LIBRARY_NAME": "mesa"}});
        assert_eq!(CHECK.judge(&with_card(&config)), Outcome::Pass);
        assert!(matches!(CHECK.judge(&facts(&config)), Outcome::Unknown(_)));
    }
}
