//! Who asks for NVIDIA's driver in a container: options of the configuration, a setting of the engine, a variable.

use crate::facts::{ConfigFile, Connection, DeviceNode, Environment, Facts};
use crate::image::environment;

/// A wish for NVIDIA's driver.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request<'a> {
    /// Where it stands, as evidence.
    pub(crate) evidence: String,
    /// Whether the engine really hears of it: casa_distro 3.x takes the exact word `--nv` out of the options.
    pub(crate) reaches_engine: bool,
    /// Whether NVIDIA's own tool is to choose the libraries (`--nvccli`), so that those of the distribution stay outside.
    pub(crate) by_tool: bool,
    /// File and JSON pointer, when it is an element of the configuration.
    pub(crate) element: Option<(&'a ConfigFile, String)>,
}

const KEYS: [&str; 2] = ["container_options", "container_gui_options"];

/// The wishes that concern Apptainer and Singularity.
pub(crate) fn requests(facts: &Facts) -> Vec<Request<'_>> {
    let environment = environment(facts);
    let settings = facts.gpu.as_ref().and_then(|gpu| gpu.nv_settings.as_ref());
    let tool_is_set = settings.is_some_and(|settings| settings.container_cli == Some(true));
    let mut requests: Vec<_> = environment.into_iter().flat_map(|environment| options(environment, tool_is_set)).collect();
    let refused = environment.is_some_and(|environment| elements(environment).any(|(.., word)| word == "--no-nv"));
    if let Some(settings) = settings.filter(|settings| settings.always == Some(true) && !refused) {
        let config =
            settings.config.as_ref().map_or_else(|| "the engine's configuration".to_owned(), |path| path.display().to_string());
        let evidence = format!("{config}: \"always use nv = yes\"");
        requests.push(Request { evidence, reaches_engine: true, by_tool: tool_is_set, element: None });
    }
    let variables = facts.session.iter().flat_map(|session| &session.leftover_variables);
    for variable in variables
        .filter(|name| matches!(name.as_str(), "APPTAINER_NV" | "APPTAINER_NVCCLI" | "SINGULARITY_NV" | "SINGULARITY_NVCCLI"))
    {
        let by_tool = tool_is_set || variable.ends_with("NVCCLI");
        requests.push(Request {
            evidence: format!("the variable {variable} is set"),
            reaches_engine: true,
            by_tool,
            element: None,
        });
    }
    requests
}

/// Whether containers here are started with NVIDIA's driver as things are: because something asks for it, because the X server
/// wants its library, or because stock casa_distro chooses the mode nv by itself. That it does where the control node is open and
/// nvidia-container-cli is on PATH, whatever the X server wants (its function `opengl=auto`).
pub(crate) fn nv_is_used(facts: &Facts) -> bool {
    let nvidia = facts.gpu.as_ref().and_then(|gpu| gpu.nvidia.as_ref());
    let control = |node: &DeviceNode| node.usable && node.path.file_name().is_some_and(|name| name == "nvidiactl");
    let by_itself = nvidia.is_some_and(|nvidia| nvidia.container_cli && nvidia.nodes.iter().any(control));
    let server = match facts.x11.as_ref().map(|x11| &x11.connection) {
        Some(Connection::Connected(server)) => server.glx.as_ref(),
        _ => None,
    };
    let wanted = server.is_some_and(|glx| glx.vendor_names.iter().any(|name| name == "nvidia"));
    by_itself || wanted || requests(facts).iter().any(|request| request.reaches_engine)
}

fn options(environment: &Environment, tool_is_set: bool) -> Vec<Request<'_>> {
    let mut requests: Vec<Request<'_>> = Vec::new();
    for (file, key, index, word) in elements(environment) {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        if !matches!(name, "--nv" | "--nvccli") {
            continue;
        }
        if value.is_some_and(|value| !is_true(value)) {
            // The last word of the command line counts.
            requests.retain(|request| request.by_tool != (name == "--nvccli"));
            continue;
        }
        let pointer = format!("/{key}/{index}");
        let line = file.lines.get(&pointer).map_or_else(String::new, |line| format!(":{line}"));
        requests.push(Request {
            evidence: format!("{}{line}: \"{key}\" contains \"{word}\"", file.path.display()),
            reaches_engine: word != "--nv",
            by_tool: name == "--nvccli" || tool_is_set,
            element: Some((file, pointer)),
        });
    }
    requests
}

/// The words of the options, in casa_distro's order: those of the environment's file before those of the user's.
fn elements(environment: &Environment) -> impl Iterator<Item = (&ConfigFile, &'static str, usize, &str)> {
    let files = || std::iter::once(&environment.file).chain(&environment.user_file);
    KEYS.into_iter().flat_map(move |key| {
        files().flat_map(move |file| {
            let list = file.value.as_ref().and_then(|value| value.get(key)?.as_array());
            let words = list.into_iter().flatten().enumerate();
            words.filter_map(move |(index, word)| Some((file, key, index, word.as_str()?)))
        })
    })
}

/// What the engines take for yes (Go's `strconv.ParseBool`).
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{configured, facts};
    use super::*;
    use crate::facts::{NvSettings, Session};

    fn told(configuration: serde_json::Value) -> Vec<(bool, bool)> {
        let facts = configured(facts(), &configuration);
        requests(&facts).iter().map(|request| (request.reaches_engine, request.by_tool)).collect()
    }

    #[test]
    fn spellings_that_casa_distro_drops_and_those_it_hands_on() {
        assert_eq!(told(json!({})), []);
        assert_eq!(told(json!({"container_options": ["--nv"]})), [(false, false)]);
        assert_eq!(told(json!({"container_options": ["-c", "--nv=true"]})), [(true, false)]);
        assert_eq!(told(json!({"container_gui_options": ["--nvccli"]})), [(true, true)]);
        assert_eq!(told(json!({"container_options": ["--nv=true", "--nv=false"]})), []);
        assert_eq!(told(json!({"container_options": ["--nv=0", 7, null]})), []);
        assert_eq!(told(json!({"container_options": "--nv=true"})), []);
    }

    #[test]
    fn settings_and_variables_ask_too() {
        let mut facts = configured(facts(), &json!({}));
        facts.gpu.as_mut().unwrap().nv_settings = Some(NvSettings { always: Some(true), ..NvSettings::default() });
        facts.session =
            Some(Session { leftover_variables: vec!["APPTAINER_NV".into(), "APPTAINER_BIND".into()], ..Session::default() });
        assert_eq!(requests(&facts).len(), 2);
        let refused = configured(facts, &json!({"container_options": ["--no-nv"]}));
        assert_eq!(requests(&refused).len(), 1, "--no-nv outranks the setting");
    }
}
