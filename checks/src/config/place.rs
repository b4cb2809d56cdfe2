//! Does the environment stand where the engine can find it?

use std::path::Path;

use super::layers::{environment, layers, shell_word};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, PathSign, ProbeId};
use crate::finding::{FindingKind, Severity};

/// Does the environment stand where the engine can find it?
pub(super) static CHECK: Check = Check {
    id: "config-place",
    category: Category::Config,
    question: "Can the engine take the path of the environment and of its home directory?",
    needs: &[ProbeId::Environment],
    findings: &[&UNUSABLE_PATH],
    run,
};

static UNUSABLE_PATH: FindingKind = FindingKind {
    id: "config-path-unusable",
    code: "CD0922",
    severity: Severity::Error,
    title: "The environment's path has a sign that the engine takes for the end of a path",
    why: "Apptainer and Singularity get mounts as SOURCE:PLACE, with commas between several of them. A colon or a comma in the path \
          of the environment cuts it in two, and the container is not started. For the home directory there is no other way to \
          write it.",
    cure: "Give the directory a name without colons and commas.",
    example: "FATAL:   While setting home directory: home argument has incorrect number of elements: 3",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let (environment, layers) = match (environment(facts), layers(facts)) {
        (Ok(environment), Ok(layers)) => (environment, layers),
        (Err(none), _) | (_, Err(none)) => return none,
    };
    if !layers.is_singularity() {
        return Outcome::Pass;
    }
    if facts.is_windows() {
        return Outcome::Skipped("the engine does not run on Windows itself, and sees the directory at another path".to_owned());
    }
    // `--home` splits at the first colon and is not split at commas. The paths themselves may have stand-ins in a recording.
    let home_signs = environment.home_signs.clone().unwrap_or_default();
    let stops_everybody = [PathSign::Colon, PathSign::LineBreak].iter().any(|sign| home_signs.contains(sign));
    let path = if !home_signs.is_empty() {
        environment.home.as_deref()
    } else if environment.directory_signs.is_empty() {
        return match environment.home_signs {
            Some(_) => Outcome::Pass,
            None => Outcome::Unknown("it is not known where the container's home directory is".to_owned()),
        };
    } else {
        None
    };
    let directory = environment.directory.to_string_lossy();
    let path = path.map_or_else(|| directory.clone(), Path::to_string_lossy);
    let mut found = UNUSABLE_PATH.found().evidence(format!("the path with the sign: {path}"));
    if !stops_everybody {
        found = found
            .severity(Severity::Warning)
            .title("The environment's path has a sign with which casa_distro does not start it")
            .evidence("casa-doctor run hands mounts over in another form, which newer engines take");
    }
    let plain: String = directory.replace([':', ',', '\n'], "-");
    let text = "Rename the directory while nothing of it runs, and what leads there, such as PATH";
    Outcome::of(vec![if environment.directory_signs.is_empty() {
        found.advise("The home directory is below XDG_DATA_HOME, or ~/.local/share: set XDG_DATA_HOME to another directory.")
    } else if directory == plain {
        found.advise(format!("{text}."))
    } else {
        found.advise_command(format!("{text}:"), format!("mv {} {}", shell_word(&directory), shell_word(&plain)))
    }])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{facts, findings};
    use super::*;

    fn judged(kind: &str, directory: &str, home: &str) -> Vec<(Severity, Option<String>)> {
        let mut facts = facts(&json!({"container_type": kind}));
        let environment = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        (environment.directory, environment.home) = (directory.into(), Some(home.into()));
        (environment.directory_signs, environment.home_signs) = (PathSign::of(directory), Some(PathSign::of(home)));
        let found = findings(&CHECK, &facts).into_iter();
        found.map(|finding| (finding.severity, finding.advice[0].command.clone())).collect()
    }

    #[test]
    fn a_colon_in_the_home_stops_everybody_and_other_cuts_stop_casa_distro() {
        let command = |text: &str| Some(text.to_owned());
        assert_eq!(judged("singularity", "/d/a b", "/d/a b/home"), []);
        assert_eq!(
            judged("singularity", "/d/5.1:old", "/d/5.1:old/home"),
            [(Severity::Error, command("mv /d/5.1:old /d/5.1-old"))]
        );
        assert_eq!(judged("apptainer", "/d/x:y", "/home/anna/h"), [(Severity::Warning, command("mv /d/x:y /d/x-y"))]);
        assert_eq!(judged("apptainer", "/d/x,y", "/d/x,y/home"), [(Severity::Warning, command("mv /d/x,y /d/x-y"))]);
        assert_eq!(judged("apptainer", "/d", "/data:1/h"), [(Severity::Error, None)]);
        assert_eq!(judged("docker", "/d:e", "/d:e/home"), []);
    }

    /// A colon stands in every path of Windows, and the engine runs in WSL, where the path is another one.
    #[test]
    fn a_path_of_windows_is_not_the_one_that_the_engine_sees() {
        let mut facts = facts(&json!({"container_type": "singularity"}));
        facts.machine = Some(crate::facts::Machine { os: "windows".into(), ..Default::default() });
        let environment = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        environment.directory = r"C:\Users\anna\brainvisa".into();
        environment.directory_signs = [PathSign::Colon].into();
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }

    #[test]
    fn a_home_that_is_not_known_is_not_called_good() {
        let mut facts = facts(&json!({"container_type": "singularity"}));
        let environment = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        (environment.home, environment.home_signs) = (None, None);
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
    }
}
