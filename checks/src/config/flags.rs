//! Does the engine know the options of the configuration?

use serde_json::Value;

use super::flag_table::{self, Engines, Flag};
use super::layers::{HIDDEN, Layer, Layers, layers, outcome};
use crate::check::{Category, Check, Outcome};
use crate::engine::{major_minor, sif_engine};
use crate::facts::{Engine, EngineKind, Facts, ImageKind, ProbeId, Session, Setuid};
use crate::finding::{Change, Finding, FindingKind, Safety, Severity};
use crate::storage::unpacks;

/// Does the engine know the options of the configuration?
pub(super) static CHECK: Check = Check {
    id: "config-flags",
    category: Category::Config,
    question: "Does the container engine know every option of the configuration?",
    needs: &[ProbeId::Environment],
    findings: &[&UNKNOWN_FLAG, &WRITABLE],
    run,
};

static UNKNOWN_FLAG: FindingKind = FindingKind {
    id: "config-unknown-flag",
    code: "CD0903",
    severity: Severity::Error,
    title: "The configuration has an option that the container engine does not know",
    why: "casa_distro hands container_options and container_gui_options to Apptainer or Singularity as they are. An option that \
          the engine does not know ends every start before anything runs. An old page of the documentation advises --softgl, \
          which only a development version of casa-distro ever understood.",
    cure: "Remove the option. An OpenGL mode is asked for with opengl=software, opengl=container or opengl=nv on the command line \
           of bv, or recorded by casa-doctor --fix.",
    example: "Error for command \"run\": unknown flag: --softgl",
    since: "0.1.0",
};

static WRITABLE: FindingKind = FindingKind {
    id: "config-writable-image",
    code: "CD0923",
    severity: Severity::Error,
    title: "The configuration asks for a writable image, and the image is a read-only file",
    why: "With -w or --writable the engine is to write into the image itself. An image in one file is made of squashfs, which nothing \
          can write to, and the engine ends before anything runs. Only an image that is a directory can be written to, or one into \
          which somebody put a writable layer (apptainer overlay create).",
    cure: "Remove the option. To change what stands in the image, use the environment's overlay.img; --writable-tmpfs lets programs \
           write into the image until they end.",
    example: "FATAL:   no SIF writable overlay partition found in /data/brainvisa-5.3.sif",
    since: "0.1.0",
};

/// The options for programs with windows, in which casa_distro puts variables of the host; in the others it does not.
const GUI_OPTIONS: &str = "container_gui_options";

/// An element of the options with where it stands.
struct Element<'a> {
    layer: Layer<'a>,
    key: &'static str,
    pointer: String,
    text: &'a str,
}

/// What is wrong with an element.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// A pseudo-option of an older casa-distro.
    OfOldCasaDistro,
    /// Option and value stand in one element; with the element that they should be.
    Glued(String),
    /// An option of `docker run`.
    OfDocker,
    /// An option that must stand before `run`.
    BeforeRun,
    /// A switch that was given a value.
    NotABoolean,
    /// The other engine has it.
    OfOtherEngine(Engines),
    /// No engine that is known here has it; with the long option that is probably meant.
    Unknown(Option<&'static Flag>),
    /// No option at all: the engine takes it for the image.
    Stray,
    /// The last option lacks its value.
    NoValue,
    /// It asks for a writable image.
    Writable,
}

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    if !layers.is_singularity() {
        return Outcome::Skipped("the environment is not for Apptainer or Singularity".to_owned());
    }
    let engines = facts.engines.iter().flat_map(|engines| &engines.found);
    let engine = engines.into_iter().find(|engine| matches!(engine.kind, EngineKind::Apptainer | EngineKind::Singularity));
    let elements = elements(&layers);
    let texts: Vec<_> = elements.iter().map(|element| (element.text, element.key == GUI_OPTIONS)).collect();
    let troubles = read(&texts, engine.map(|engine| engine.kind));
    let known = engine.and_then(by_name_and_version);
    let program = engine.map_or(EngineKind::Apptainer, |engine| engine.kind).program();
    let read_only = is_read_only(facts);
    let troubles = troubles.into_iter().filter(|(_, trouble)| *trouble != Trouble::Writable || read_only);
    let findings = troubles.filter_map(|(index, trouble)| Some(finding(elements.get(index)?, &trouble, known.as_deref(), program)));
    outcome(findings.collect())
}

/// Whether the image is known to be a file that no engine can write to, and is used as such: without squashfuse an engine unpacks
/// it into a directory, which it can write to, and so does Singularity without its setuid starter when it is asked for a writable one.
fn is_read_only(facts: &Facts) -> bool {
    let unpacks_for_it = |engine: &Engine| engine.kind == EngineKind::Singularity && engine.setuid != Some(Setuid::Works);
    if unpacks(facts)
        || sif_engine(facts).is_ok_and(|(_, engine)| unpacks_for_it(engine))
        || facts.session.as_ref().is_some_and(asks_to_unpack)
    {
        return false;
    }
    let Some(image) = &facts.image else { return false };
    match image.kind {
        Some(ImageKind::Squashfs) => true,
        Some(ImageKind::Sif) => image.sif.as_ref().is_some_and(|sif| sif.filesystem.as_deref() == Some("squashfs")),
        _ => false,
    }
}

fn asks_to_unpack(session: &Session) -> bool {
    session.leftover_variables.iter().any(|name| matches!(name.as_str(), "APPTAINER_UNSQUASH" | "SINGULARITY_UNSQUASH"))
}

/// An engine whose every option is known.
fn by_name_and_version(engine: &Engine) -> Option<String> {
    let version = engine.version.as_deref()?;
    flag_table::covers(engine.kind, major_minor(version)?).then(|| format!("{} {version}", engine.kind.program()))
}

/// The elements in the order in which casa_distro joins them.
fn elements<'a>(layers: &Layers<'a>) -> Vec<Element<'a>> {
    let mut elements = Vec::new();
    for key in ["container_options", GUI_OPTIONS] {
        for layer in &layers.all {
            let listed = layer.elements(key).into_iter();
            // An element of another kind is another finding, but it may stand where a value is expected.
            elements.extend(listed.map(|(value, pointer)| Element {
                layer: *layer,
                key,
                pointer,
                text: value.as_str().unwrap_or(HIDDEN),
            }));
        }
    }
    elements
}

/// Goes through the options as the engines' command line (the Go library pflag) does.
///
/// Beside each element stands whether variables of the host are put in.
fn read(elements: &[(&str, bool)], engine: Option<EngineKind>) -> Vec<(usize, Trouble)> {
    let mut troubles = Vec::new();
    let mut waits_for_value = None;
    let (mut writable, mut unpacked) = (None, false);
    let mut may_have_value = false;
    let mut no_more_options = false;
    for (index, &(text, with_variables)) in elements.iter().enumerate() {
        let is_value_of_unknown = std::mem::take(&mut may_have_value) && !text.starts_with('-');
        if waits_for_value.take().is_some() || is_value_of_unknown {
            continue;
        }
        // What is hidden, and what only the variables of the host tell, cannot be judged.
        if text.starts_with(HIDDEN) || (with_variables && text.starts_with('$')) {
            continue;
        }
        let mut switches = Vec::new();
        let reading = match text.strip_prefix("--") {
            _ if no_more_options => Err(Trouble::Stray),
            Some("") => {
                no_more_options = true;
                continue;
            }
            Some(long) => read_long(long, engine, &mut switches),
            None => match text.strip_prefix('-') {
                Some(letters) if !letters.is_empty() => read_letters(letters, engine, &mut switches),
                _ => Err(Trouble::Stray),
            },
        };
        // The last word of the command line counts.
        for (flag, is_on) in switches {
            match flag.name {
                "writable" => writable = is_on.then_some(index),
                "unsquash" => unpacked = is_on,
                _ => {}
            }
        }
        match reading {
            Ok(waits) => waits_for_value = waits.then_some(index),
            Err(trouble) => {
                // Nobody knows whether an unknown option takes a value; what follows it is no trouble of its own.
                may_have_value = !matches!(trouble, Trouble::Stray | Trouble::Glued(_)) && !text.contains('=');
                troubles.push((index, trouble));
            }
        }
    }
    troubles.extend(waits_for_value.map(|index| (index, Trouble::NoValue)));
    // What is unpacked first is a directory, and can be written to.
    troubles.extend(writable.filter(|_| !unpacked).map(|index| (index, Trouble::Writable)));
    troubles
}

/// A switch that was read, and whether it is on.
type Switch = (&'static Flag, bool);

/// Reads an option with a long name; tells whether its value is the next element.
fn read_long(long: &str, engine: Option<EngineKind>, switches: &mut Vec<Switch>) -> Result<bool, Trouble> {
    let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
    if matches!(name, "softgl" | "no-nv") {
        return Err(Trouble::OfOldCasaDistro);
    }
    let Some(flag) = flag_table::by_name(name) else {
        if let Some((name, _)) = name.split_once(char::is_whitespace)
            && flag_table::by_name(name).is_some_and(|flag| flag.takes_value)
        {
            return Err(Trouble::Glued(format!("--{name}={}", long[name.len()..].trim_start())));
        }
        return Err(match name {
            name if flag_table::BEFORE_RUN.contains(&name) => Trouble::BeforeRun,
            name if flag_table::OF_DOCKER.contains(&name) => Trouble::OfDocker,
            name => Trouble::Unknown(flag_table::nearest(name)),
        });
    };
    check_engine(flag, engine)?;
    if !flag.takes_value {
        switches.push((flag, value.is_none_or(is_go_true)));
    }
    match value {
        Some(value) if !flag.takes_value && !is_go_boolean(value) => Err(Trouble::NotABoolean),
        Some(_) => Ok(false),
        None => Ok(flag.takes_value),
    }
}

/// Reads letters behind one dash; tells whether the last one's value is the next element.
fn read_letters(letters: &str, engine: Option<EngineKind>, switches: &mut Vec<Switch>) -> Result<bool, Trouble> {
    for (at, letter) in letters.char_indices() {
        let Some(flag) = flag_table::by_letter(letter) else { return Err(Trouble::Unknown(None)) };
        check_engine(flag, engine)?;
        let rest = &letters[at + letter.len_utf8()..];
        if flag.takes_value {
            if rest.starts_with(char::is_whitespace) {
                return Err(Trouble::Glued(format!("-{}{}", &letters[..at + letter.len_utf8()], rest.trim_start())));
            }
            return Ok(rest.is_empty());
        }
        let value = rest.strip_prefix('=');
        switches.push((flag, value.is_none_or(is_go_true)));
        if let Some(value) = value {
            return if is_go_boolean(value) { Ok(false) } else { Err(Trouble::NotABoolean) };
        }
    }
    Ok(false)
}

fn check_engine(flag: &Flag, engine: Option<EngineKind>) -> Result<(), Trouble> {
    match (flag.engines, engine) {
        (Engines::Apptainer, Some(EngineKind::Singularity)) | (Engines::Singularity, Some(EngineKind::Apptainer)) => {
            Err(Trouble::OfOtherEngine(flag.engines))
        }
        _ => Ok(()),
    }
}

/// What Go's `strconv.ParseBool` takes.
fn is_go_boolean(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false" | "False")
}

fn is_go_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

/// `engine` is one of which every option is known, `program` what the engine is called.
fn finding(element: &Element<'_>, trouble: &Trouble, engine: Option<&str>, program: &str) -> Finding {
    let Element { layer, key, pointer, text } = element;
    let found = UNKNOWN_FLAG.found().evidence(format!("{}: \"{key}\" contains \"{text}\"", layer.place(pointer)));
    let remove = || [layer.edit(pointer, Change::Remove, &UNKNOWN_FLAG)];
    let set = |to: String| [layer.edit(pointer, Change::Set { to: Value::String(to) }, &UNKNOWN_FLAG)];
    match trouble {
        Trouble::OfOldCasaDistro if text.starts_with("--softgl") => found
            .title("--softgl ends every start: no engine knows it")
            .fix(
                "Remove \"--softgl\". It asked for software rendering, which is opengl=software in casa_distro 3.x",
                Safety::Safe,
                remove(),
            )
            .advise_command("Then, to start with software rendering, as --softgl asked:", "bv opengl=software anatomist"),
        Trouble::OfOldCasaDistro => found
            .severity(Severity::Warning)
            .title("--no-nv does not keep casa_distro 3.x from using the NVIDIA driver")
            .evidence("casa-distro 2.x understood it; 3.x hands it to the engine, where it only undoes the engine's own default")
            .fix("Remove \"--no-nv\", which does not do what it says", Safety::Confirm, remove())
            .advise_command("Then, to start without the NVIDIA driver, as --no-nv asked:", "bv opengl=container anatomist"),
        Trouble::Glued(right) => found.title("An option and its value stand in one text with a space between them").fix(
            format!("Write it as \"{right}\", so that the engine sees where the value begins"),
            Safety::Safe,
            set(right.clone()),
        ),
        Trouble::OfDocker => {
            let found = found.title(format!("{text} is an option of docker, and Apptainer does not know it"));
            if matches!(*text, "--rm" | "--privileged" | "--interactive" | "--tty" | "--detach") {
                found.fix(format!("Remove \"{text}\", which has no meaning for Apptainer"), Safety::Confirm, remove())
            } else {
                found.advise("Remove it, with its value, or replace it by the option of Apptainer that does the same.")
            }
        }
        Trouble::BeforeRun => found
            .title(format!("{text} must stand before \"run\", where the configuration cannot put it"))
            .fix(format!("Remove \"{text}\", which ends every start"), Safety::Confirm, remove())
            .advise(format!(
                "Use the engine's variables instead, such as {}_MESSAGELEVEL, or start bv with -v.",
                program.to_uppercase()
            )),
        Trouble::NotABoolean => found
            .title(format!("{text}: this option takes no value"))
            .evidence("the engine takes true or false after \"=\" here; docker takes other values for options of the same name")
            .advise("Correct or remove the option."),
        Trouble::OfOtherEngine(engines) => {
            let (has, lacks) = match engines {
                Engines::Apptainer => ("Apptainer", "Singularity"),
                _ => ("Singularity", "Apptainer"),
            };
            found
                .severity(Severity::Warning)
                .title(format!("{text} is an option of {has}, and {lacks} is installed here"))
                .advise(format!("Remove the option, or install {has}."))
        }
        Trouble::Unknown(Some(meant)) => {
            let right = text.replacen(text[2..].split('=').next().unwrap_or_default(), meant.name, 1);
            let severity = if engine.is_some() { Severity::Error } else { Severity::Warning };
            found.severity(severity).title(format!("{text} is probably a slip of the pen for {right}")).fix(
                format!("Write it as \"{right}\""),
                Safety::Confirm,
                set(right.clone()),
            )
        }
        Trouble::Unknown(None) => match engine {
            Some(engine) => found.title(format!("{text} ends every start: {engine} has no such option")).advise_command(
                "Correct or remove the option. The engine lists those that it has:",
                format!("{program} run --help"),
            ),
            None => found
                .severity(Severity::Info)
                .title(format!("casa-doctor does not know the option {text}"))
                .evidence("it is in no version of Apptainer 1.0 to 1.5 or Singularity 3.5 to 4.5 that casa-doctor knows")
                .advise_command("Look whether your engine has it, and remove it otherwise:", format!("{program} run --help")),
        },
        Trouble::Stray => found
            .title(format!("\"{text}\" is no option, and the engine takes it for the image"))
            .advise("Remove it, or put the option that it is the value of directly before it."),
        Trouble::NoValue => found
            .title(format!("{text} lacks its value, and takes what follows for it"))
            .advise("Add the value as the next element, or remove the option."),
        Trouble::Writable => writable(element),
    }
}

fn writable(element: &Element<'_>) -> Finding {
    let Element { layer, key, pointer, text } = element;
    let found = WRITABLE
        .found()
        .evidence(format!("{}: \"{key}\" contains \"{text}\"", layer.place(pointer)))
        .evidence("the image is one file with a squashfs inside");
    // Other letters may stand behind the same dash.
    if text.starts_with("--") || matches!(*text, "-w" | "-w=true") {
        let remove = [layer.edit(pointer, Change::Remove, &WRITABLE)];
        found.fix(format!("Remove \"{text}\", with which nothing starts"), Safety::Safe, remove)
    } else {
        found.advise(format!("Take the letter w out of \"{text}\"."))
    }
    .advise("Then, if programs must write into the image while they run, add \"--writable-tmpfs\" in its place.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{edits, facts, facts_with_user, findings};
    use super::*;
    use crate::facts::{Engines as InstalledEngines, Image, Sif};

    fn severities(options: Value) -> Vec<(Severity, usize)> {
        let found = findings(&CHECK, &facts(&json!({"container_options": options})));
        found.iter().map(|finding| (finding.severity, finding.edits.len())).collect()
    }

    #[test]
    fn softgl_is_an_error_with_a_safe_cure() {
        let facts = facts(&json!({"container_options": ["--bind", "/a:/b", "--softgl"]}));
        let found = findings(&CHECK, &facts);
        assert_eq!(found[0].evidence, ["/env/conf/casa_distro.json:2: \"container_options\" contains \"--softgl\""]);
        assert_eq!((found[0].severity, found[0].advice[0].safety), (Severity::Error, Safety::Safe));
        assert!(found[0].advice[1].command.as_deref().unwrap().contains("opengl=software"));
        assert_eq!(edits(&CHECK, &facts), ["remove /container_options/2"]);
    }

    #[test]
    fn options_are_read_as_the_engine_reads_them() {
        for healthy in [
            json!(["--bind", "--softgl"]),
            json!(["-ceB", "/a:/b", "-B/a b:/c", "--env=A=--softgl", "--nv=true", "--no-home", "-e=true"]),
            json!(["--pwd", "/casa/home", "(hidden)", "--env=(hidden)"]),
            json!([1, null, {"a": "--softgl"}]),
        ] {
            assert_eq!(severities(healthy.clone()), [], "{healthy}");
        }
        for (options, severity, edits) in [
            (json!(["--no-nv"]), Severity::Warning, 1),
            (json!(["--bind /a b:/c"]), Severity::Error, 1),
            (json!(["-B /a:/b"]), Severity::Error, 1),
            (json!(["--privileged"]), Severity::Error, 1),
            (json!(["--gpus=all"]), Severity::Error, 0),
            (json!(["--gpus", "all"]), Severity::Error, 0),
            (json!(["--bnd", "/a:/b", "-e"]), Severity::Warning, 1),
            (json!(["--net=host"]), Severity::Error, 0),
            (json!(["--debug"]), Severity::Error, 1),
            (json!(["--writeable-tmpfs"]), Severity::Warning, 1),
            (json!(["--something-new=é"]), Severity::Info, 0),
            (json!(["-x"]), Severity::Info, 0),
            (json!(["--no-home", "stray"]), Severity::Error, 0),
            (json!(["--bind"]), Severity::Error, 0),
            (json!([""]), Severity::Error, 0),
        ] {
            assert_eq!(severities(options.clone()), [(severity, edits)], "{options}");
        }
    }

    #[test]
    fn nothing_writes_into_an_image_of_squashfs() {
        let judged = |options: Value, kind: Option<ImageKind>| {
            let mut facts = facts(&json!({"container_options": options}));
            let sif = Some(Sif { filesystem: Some("squashfs".into()), ..Sif::default() });
            facts.image = Some(Image { kind, sif, ..Image::default() });
            let found = findings(&CHECK, &facts).into_iter();
            found.map(|finding| (finding.kind.id, finding.severity, finding.edits.len())).collect::<Vec<_>>()
        };
        let error = |edits| vec![("config-writable-image", Severity::Error, edits)];
        for (options, edits) in
            [(json!(["-w"]), 1), (json!(["--writable"]), 1), (json!(["--writable=true"]), 1), (json!(["-cwB", "/a:/b"]), 0)]
        {
            for kind in [ImageKind::Sif, ImageKind::Squashfs] {
                assert_eq!(judged(options.clone(), Some(kind)), error(edits), "{options}");
            }
            assert_eq!(judged(options.clone(), Some(ImageKind::Sandbox)), [], "a directory can be written to");
            assert_eq!(judged(options, None), [], "what the image is is not known");
        }
        for healthy in [
            json!(["--writable-tmpfs"]),
            json!(["--writable=false"]),
            json!(["-w", "--unsquash"]),
            json!(["-w", "--writable=0"]),
            json!(["--bind", "-w"]),
        ] {
            assert_eq!(judged(healthy.clone(), Some(ImageKind::Sif)), [], "{healthy}");
        }
    }

    #[test]
    fn a_glued_option_is_taken_apart_without_loss() {
        let facts = facts(
            &json!({"container_options": ["--bind  /my data,x=1:/c", "-eB /a:/b"], "container_gui_options": ["--bnd=/x:--bnd"]}),
        );
        assert_eq!(
            edits(&CHECK, &facts),
            [
                "set /container_options/0 \"--bind=/my data,x=1:/c\"",
                "set /container_options/1 \"-eB/a:/b\"",
                "set /container_gui_options/0 \"--bind=/x:--bnd\""
            ]
        );
    }

    #[test]
    fn a_value_may_stand_in_the_user_s_file() {
        let facts =
            facts_with_user(&json!({"container_options": ["--bind"]}), Some(&json!({"container_options": ["/a:/b", "--softgl"]})));
        assert_eq!(findings(&CHECK, &facts)[0].edits[0].file, std::path::Path::new("/u/casa_distro_3.json"));
        assert_eq!(edits(&CHECK, &facts), ["remove /container_options/1"]);
    }

    /// A machine with this engine and no other.
    fn only(kind: EngineKind, version: Option<&str>) -> Option<InstalledEngines> {
        let engine = Engine {
            kind,
            path: "/usr/bin/x".into(),
            version_text: None,
            version: version.map(str::to_owned),
            version_error: None,
            setuid: None,
            daemon: None,
        };
        Some(InstalledEngines { found: vec![engine], ..InstalledEngines::default() })
    }

    #[test]
    fn options_of_the_other_engine_matter_when_the_engine_is_known() {
        let mut facts = facts(&json!({"container_options": ["--oci"]}));
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        facts.engines = only(EngineKind::Singularity, None);
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        facts.engines = only(EngineKind::Apptainer, None);
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Warning);
    }

    #[test]
    fn an_image_that_the_engine_unpacks_can_be_written_to() {
        let mut facts = facts(&json!({"container_type": "singularity", "container_options": ["-w"]}));
        facts.image = Some(Image { kind: Some(ImageKind::Squashfs), ..Image::default() });
        facts.engines = only(EngineKind::Apptainer, Some("1.4.5"));
        assert_eq!(CHECK.judge(&facts), Outcome::Pass, "there is no squashfuse");
        facts.engines.as_mut().unwrap().helpers = vec!["squashfuse".into()];
        assert_eq!(findings(&CHECK, &facts).len(), 1);
        let with = |setuid| {
            let mut facts = facts.clone();
            let engines = facts.engines.as_mut().unwrap();
            (engines.found[0].kind, engines.found[0].version) = (EngineKind::Singularity, Some("4.3.0".to_owned()));
            (engines.found[0].setuid, engines.dev_fuse) = (Some(setuid), Some(true));
            engines.helpers.push("fusermount3".into());
            CHECK.judge(&facts)
        };
        assert!(matches!(with(Setuid::Works), Outcome::Findings(_)));
        assert_eq!(with(Setuid::Absent), Outcome::Pass, "it unpacks the image for --writable");
    }

    #[test]
    fn what_a_known_engine_does_not_know_ends_every_start() {
        let severities = |version: &str, options: Value| -> Vec<Severity> {
            let mut facts = facts(&json!({"container_options": options}));
            facts.engines = only(EngineKind::Apptainer, Some(version));
            findings(&CHECK, &facts).iter().map(|finding| finding.severity).collect()
        };
        assert_eq!(severities("1.4.5", json!(["--NV"])), [Severity::Error]);
        assert_eq!(severities("1.4.5", json!(["--nv "])), [Severity::Error]);
        assert_eq!(severities("1.9.0", json!(["--something-else"])), [Severity::Info]);
        let mut singularity = facts(&json!({"container_options": ["--something-else"]}));
        singularity.engines = only(EngineKind::Singularity, Some("4.3.0"));
        let command = findings(&CHECK, &singularity)[0].advice[0].command.clone();
        assert_eq!(command.as_deref(), Some("singularity run --help"), "there is no apptainer");
    }

    #[test]
    fn options_end_and_variables_are_put_in_where_casa_distro_does() {
        let ids = |configuration| findings(&CHECK, &facts(&configuration)).len();
        assert_eq!(CHECK.judge(&facts(&json!({"container_options": ["--nv", "--"]}))), Outcome::Pass);
        assert_eq!(ids(json!({"container_options": ["--", "--nv"]})), 1);
        assert_eq!(ids(json!({"container_options": ["$X"]})), 1);
        assert_eq!(CHECK.judge(&facts(&json!({"container_gui_options": ["$X"]}))), Outcome::Pass);
    }

    #[test]
    fn options_of_docker_are_not_judged_as_apptainer_s() {
        let facts = facts(&json!({"container_type": "docker", "container_options": ["--privileged"]}));
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }
}
