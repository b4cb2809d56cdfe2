//! Is a wish for an OpenGL mode written where casa_distro drops it?

use super::layers::{Layer, Layers, layers, outcome};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Environment, Facts, ProbeId};
use crate::finding::{Change, Finding, FindingKind, Safety, Severity};

/// Is a wish for an OpenGL mode written where casa_distro drops it?
pub(super) static CHECK: Check = Check {
    id: "config-opengl",
    category: Category::Config,
    question: "Does every OpenGL setting of the configuration have an effect?",
    needs: &[ProbeId::Environment],
    findings: &[&NV_IGNORED, &SOFTWARE_IGNORED],
    run,
};

static NV_IGNORED: FindingKind = FindingKind {
    id: "config-nv-ignored",
    code: "CD0906",
    severity: Severity::Warning,
    title: "--nv in the configuration has no effect",
    why: "casa_distro 3.x takes --nv out of the options without a word and decides about the NVIDIA driver by itself at each start. \
          Whoever wrote it believes that the NVIDIA driver is used, and may be looking at another one.",
    cure: "Remove it. The mode is asked for with opengl=nv on the command line of bv, or recorded by casa-doctor --fix.",
    example: "\"container_options\": [\"--nv\"]",
    since: "0.1.0",
};

static SOFTWARE_IGNORED: FindingKind = FindingKind {
    id: "config-software-ignored",
    code: "CD0907",
    severity: Severity::Warning,
    title: "SOFTWARE_OPENGL in the configuration has no effect",
    why: "casa_distro 3.x takes SOFTWARE_OPENGL out of the environment without a word and sets it only when it is started with \
          opengl=software. Whoever wrote it believes that software rendering is used.",
    cure: "Remove it. The mode is asked for with opengl=software on the command line of bv, or recorded by casa-doctor --fix.",
    example: "\"gui_env\": {\"SOFTWARE_OPENGL\": \"1\"}",
    since: "0.1.0",
};

const OPTIONS: [&str; 2] = ["container_options", "container_gui_options"];
const VARIABLES: [&str; 2] = ["env", "gui_env"];

fn run(facts: &Facts) -> Outcome {
    match layers(facts) {
        Ok(layers) => {
            let nv = nv_elements(&layers).into_iter().map(|(layer, key, pointer)| nv_finding(&layer, key, &pointer));
            let software =
                software_entries(&layers).into_iter().map(|(layer, key, pointer)| software_finding(&layer, key, &pointer));
            outcome(nv.chain(software).collect())
        }
        Err(none) => none,
    }
}

fn nv_finding(layer: &Layer<'_>, key: &str, pointer: &str) -> Finding {
    NV_IGNORED
        .found()
        .evidence(format!("{}: \"{key}\" contains \"--nv\"", layer.place(pointer)))
        .fix("Remove \"--nv\", which does nothing there", Safety::Safe, [layer.edit(pointer, Change::Remove, &NV_IGNORED)])
        .advise_command("Then, to ask for the NVIDIA driver at one start:", "bv opengl=nv anatomist")
}

fn software_finding(layer: &Layer<'_>, key: &str, pointer: &str) -> Finding {
    SOFTWARE_IGNORED
        .found()
        .evidence(format!("{}: \"{key}\" sets SOFTWARE_OPENGL", layer.place(pointer)))
        .fix(
            "Remove SOFTWARE_OPENGL, which does nothing there",
            Safety::Safe,
            [layer.edit(pointer, Change::Remove, &SOFTWARE_IGNORED)],
        )
        .advise_command("Then, to ask for software rendering at one start:", "bv opengl=software anatomist")
}

/// The places of the exact element `--nv`; other spellings (`--nv=true`) do reach the engine.
fn nv_elements<'a>(layers: &Layers<'a>) -> Vec<(Layer<'a>, &'static str, String)> {
    if !layers.is_singularity() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for layer in &layers.all {
        for key in OPTIONS {
            let elements = layer.elements(key).into_iter().filter(|(value, _)| value.as_str() == Some("--nv"));
            found.extend(elements.map(|(_, pointer)| (*layer, key, pointer)));
        }
    }
    found
}

fn software_entries<'a>(layers: &Layers<'a>) -> Vec<(Layer<'a>, &'static str, String)> {
    let mut found = Vec::new();
    for layer in &layers.all {
        for key in VARIABLES {
            let entries = layer.entries(key).into_iter().filter(|entry| entry.name == "SOFTWARE_OPENGL");
            found.extend(entries.map(|entry| (*layer, key, entry.pointer)));
        }
    }
    found
}

/// Whether the configuration asks for the NVIDIA driver, in a way that casa_distro drops or not (`--nv`, `--nv=true`,
/// `--nvccli`).
#[must_use]
pub fn asks_for_nvidia(environment: &Environment) -> bool {
    any_option(environment, |option| matches!(option, "--nv" | "--nv=true" | "--nvccli"))
}

/// Whether the configuration asks for software rendering, in a way that casa_distro drops (`SOFTWARE_OPENGL`), dies of
/// (`--softgl`) or knows from 2.x.
#[must_use]
pub fn asks_for_software(environment: &Environment) -> bool {
    let merged = environment.merged.as_ref();
    let sets = |key: &str| {
        let value = merged.and_then(|merged| merged.get(key)?.get("SOFTWARE_OPENGL"));
        value.is_some_and(|value| value.as_str().is_none_or(|text| !matches!(text, "" | "0")))
    };
    any_option(environment, |option| option == "--softgl") || VARIABLES.into_iter().any(sets)
}

fn any_option(environment: &Environment, matches: impl Fn(&str) -> bool) -> bool {
    let merged = environment.merged.as_ref();
    let lists = OPTIONS.into_iter().filter_map(|key| merged?.get(key)?.as_array());
    lists.flatten().filter_map(serde_json::Value::as_str).any(matches)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{edits, facts, facts_with_user, findings, ids};
    use super::*;

    #[test]
    fn nv_is_found_in_both_lists_of_both_files() {
        let facts = facts_with_user(
            &json!({"container_options": ["--bind", "/a:/b", "--nv"], "container_gui_options": ["--nv"]}),
            Some(&json!({"container_options": ["--nv"]})),
        );
        assert_eq!(ids(&CHECK, &facts), ["config-nv-ignored"; 3]);
        assert_eq!(
            edits(&CHECK, &facts),
            ["remove /container_options/2", "remove /container_gui_options/0", "remove /container_options/0"]
        );
        assert_eq!(findings(&CHECK, &facts)[0].evidence, ["/env/conf/casa_distro.json:2: \"container_options\" contains \"--nv\""]);
    }

    #[test]
    fn software_opengl_is_found_in_both_environments() {
        let facts = facts(&json!({"env": {"SOFTWARE_OPENGL": "1"}, "gui_env": {"SOFTWARE_OPENGL": "$X", "A": "1"}}));
        assert_eq!(edits(&CHECK, &facts), ["remove /env/SOFTWARE_OPENGL", "remove /gui_env/SOFTWARE_OPENGL"]);
    }

    #[test]
    fn what_has_an_effect_is_healthy() {
        let facts = facts(&json!({"container_options": ["--nv=true", "--nvccli"], "env": {"LIBGL_ALWAYS_SOFTWARE": "1"}}));
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn the_wish_itself_is_told_to_who_asks() {
        let wish = |config| {
            let facts = facts(&config);
            let environment = facts.environment.unwrap().found.unwrap();
            (asks_for_nvidia(&environment), asks_for_software(&environment))
        };
        assert_eq!(wish(json!({})), (false, false));
        assert_eq!(wish(json!({"container_options": ["--nv"]})), (true, false));
        assert_eq!(wish(json!({"container_options": ["--softgl"]})), (false, true));
        assert_eq!(wish(json!({"gui_env": {"SOFTWARE_OPENGL": "1"}})), (false, true));
        assert_eq!(wish(json!({"gui_env": {"SOFTWARE_OPENGL": "0"}})), (false, false));
    }
}
