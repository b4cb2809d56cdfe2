//! Is the image's path written as casa_distro reads it?

use serde_json::Value;

use super::layers::{layers, outcome};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, FindingKind, Safety, Severity};

/// Is the image's path written as casa_distro reads it?
pub(super) static CHECK: Check = Check {
    id: "config-image-key",
    category: Category::Config,
    question: "Is the image's path written as casa_distro reads it?",
    needs: &[ProbeId::Environment],
    findings: &[&IMAGE_VARIABLE],
    run,
};

static IMAGE_VARIABLE: FindingKind = FindingKind {
    id: "config-image-variable",
    code: "CD0918",
    severity: Severity::Error,
    title: "The image's path refers to a variable, which casa_distro does not look up",
    why: "casa_distro puts no variable, no key in braces and no home directory for ~ into the image's path. It looks for a file \
          whose name really has these signs in it, and does not find one.",
    cure: "Write the path itself: absolute, or relative to the environment's directory.",
    example: "'/data/env/$HOME/images/brainvisa-5.1.sif' does not exist",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let layers = match layers(facts) {
        Ok(layers) => layers,
        Err(none) => return none,
    };
    // An image of the user's file that hides the environment's is another finding, whose cure brings this one back.
    let own = layers.own();
    let layer = if own.object.contains_key("image") { Some(own) } else { layers.last_with("image") };
    let Some(layer) = layer else { return Outcome::Pass };
    let Some(image) = layer.object["image"].as_str() else { return Outcome::Pass };
    let home_first = image.starts_with("~/");
    if !(image.contains(['$', '{', '}']) || home_first) {
        return Outcome::Pass;
    }
    // Somebody may really have such a file.
    if facts.image.as_ref().is_some_and(|seen| seen.configured == image && seen.exists == Some(true)) {
        return Outcome::Pass;
    }
    let found = IMAGE_VARIABLE.found().evidence(format!("{}: \"image\" is {}", layer.place("/image"), Value::from(image)));
    let home = facts.session.as_ref().and_then(|session| session.home.as_ref()?.to_str().map(str::to_owned));
    let below_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|start| image.strip_prefix(start));
    let plain = |rest: &str| !rest.contains(['$', '{', '}']);
    let cure = match (image.strip_prefix("{directory}/"), below_home, home) {
        (Some(rest), _, _) if plain(rest) => Some((rest.to_owned(), Safety::Safe)),
        (_, Some(rest), Some(home)) if plain(rest) => Some((format!("{}/{rest}", home.trim_end_matches('/')), Safety::Confirm)),
        _ => None,
    };
    outcome(vec![match cure {
        Some((right, safety)) => {
            let edit = layer.edit("/image", Change::Set { to: Value::String(right.clone()) }, &IMAGE_VARIABLE);
            found.fix(format!("Write the path itself, {}", Value::from(right)), safety, [edit])
        }
        None => found.advise("Write the image's path itself: absolute, or relative to the environment's directory."),
    }])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{edits, facts, ids};
    use super::*;
    use crate::facts::{Image, Session};

    fn with_home(image: &str) -> Facts {
        let mut facts = facts(&json!({"image": image}));
        facts.session = Some(Session { home: Some("/home/anna".into()), ..Session::default() });
        facts
    }

    #[test]
    fn a_path_with_variables_is_written_out_where_it_can_be() {
        for (image, edit) in [
            ("$HOME/my images/a.sif", Some("set /image \"/home/anna/my images/a.sif\"")),
            ("${HOME}/a.sif", Some("set /image \"/home/anna/a.sif\"")),
            ("~/a.sif", Some("set /image \"/home/anna/a.sif\"")),
            ("{directory}/a.sif", Some("set /image \"a.sif\"")),
            ("$DATA/a.sif", None),
            ("{directory}/$X.sif", None),
        ] {
            assert_eq!(ids(&CHECK, &with_home(image)), ["config-image-variable"], "{image}");
            assert_eq!(edits(&CHECK, &with_home(image)), Vec::from_iter(edit), "{image}");
        }
    }

    #[test]
    fn a_file_that_is_really_called_so_is_healthy() {
        let mut facts = with_home("a$b.sif");
        facts.image = Some(Image { configured: "a$b.sif".into(), exists: Some(true), ..Image::default() });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
        assert_eq!(CHECK.judge(&with_home("/data/~/a b,c.sif")), Outcome::Pass);
    }
}
