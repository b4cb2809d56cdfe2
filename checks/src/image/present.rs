//! Is the image where the configuration says?

use std::path::Path;

use serde_json::Value;

use super::{configured, file_that_sets, image_of, setting};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Environment, Facts, Image, ImageKind, ProbeId};
use crate::finding::{Change, Edit, FindingKind, Safety, Severity};

pub(super) static CHECK: Check = Check {
    id: "image-present",
    category: Category::Image,
    question: "Is the image where the configuration says, and may it be read?",
    needs: &[ProbeId::Environment, ProbeId::Image],
    findings: &[&MISSING, &MOVED, &UNREADABLE],
    run: present,
};

static MISSING: FindingKind = FindingKind {
    id: "image-missing",
    code: "CD0801",
    severity: Severity::Error,
    title: "The image is not there",
    why: "The image holds the whole software. The configuration names it by its path; when nothing stands at that path and no other image of that name is nearby, no program of the environment can start.",
    cure: "Put the image back, or download it again, and let \"image\" in casa_distro.json name it. A path that does not begin with a slash counts from the environment's directory.",
    example: "'/home/anna/casa_distro/brainvisa-5.1.sif' does not exist",
    since: "0.1.0",
};

static MOVED: FindingKind = FindingKind {
    id: "image-moved",
    code: "CD0802",
    severity: Severity::Error,
    title: "The image is somewhere else than the configuration says",
    why: "Moving or renaming an environment leaves the image's path in casa_distro.json behind, and downloading an update gives the image another patch number. casa_distro then says that the image does not exist, although it is on the disk.",
    cure: "Let \"image\" in casa_distro.json name the image that is there. A path relative to the environment's directory survives the next move.",
    example: "'/old/place/brainvisa-5.1.sif' does not exist",
    since: "0.1.0",
};

static UNREADABLE: FindingKind = FindingKind {
    id: "image-unreadable",
    code: "CD0807",
    severity: Severity::Error,
    title: "The image may not be read by this user",
    why: "The container engine opens the image as the user who calls it. Where the file's permissions do not let this user read it, which happens with images that somebody else downloaded, no program of the environment can start.",
    cure: "Ask the owner of the image to make it readable for everybody, with chmod a+r.",
    example: "FATAL: While checking container encryption: could not open image /data/brainvisa-5.1.sif: permission denied",
    since: "0.1.0",
};

fn present(facts: &Facts) -> Outcome {
    let (environment, image) = match image_of(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if image.kind == Some(ImageKind::Name) {
        return kept(environment, image);
    }
    match image.exists {
        None => Outcome::Unknown(
            image.unknown.get("exists").cloned().unwrap_or_else(|| "whether the image exists was not recorded".to_owned()),
        ),
        Some(true) if image.readable == Some(false) => Outcome::Findings(vec![
            UNREADABLE
                .found()
                .evidence(configured(environment, image))
                .evidence(format!("{}: permission denied", image.path.display()))
                .advise_command(
                    "Make the image readable, as its owner or as an administrator:",
                    format!("chmod a+r {}", quoted(&image.path)),
                ),
        ]),
        Some(true) => Outcome::Pass,
        // The same file through the directory's real name.
        Some(false) if image.used.is_some() && image.candidates.is_empty() => Outcome::Pass,
        Some(false) => Outcome::Findings(vec![if image.candidates.is_empty() {
            missing(environment, image)
        } else {
            moved(environment, image)
        }]),
    }
}

/// An image that Docker or Podman keep.
fn kept(environment: &Environment, image: &Image) -> Outcome {
    let engine = if setting(environment, "container_type") == Some("podman") { "podman" } else { "docker" };
    match image.exists {
        Some(true) => Outcome::Pass,
        Some(false) => Outcome::Findings(vec![
            MISSING
                .found()
                .title("The container engine has no image of that name")
                .evidence(configured(environment, image))
                .evidence(format!("\"{engine} image inspect\" knows no image of that name"))
                .advise_command("Load the image, when you have it as a file:", format!("{engine} load -i FILE"))
                .advise(
                    "An image for Singularity becomes one for Docker with \"casa_distro_admin convert_image\", run where both \
                     programs are installed.",
                )
                .advise_command("Or let \"image\" in the configuration have a name that is there:", format!("{engine} image ls")),
        ]),
        None => match image.unknown.get("exists") {
            Some(reason) => Outcome::Unknown(format!("whether the container engine has the image is not known: {reason}")),
            None => Outcome::Skipped("the image is kept by the container engine, which was not asked for it".to_owned()),
        },
    }
}

fn missing(environment: &Environment, image: &Image) -> crate::finding::Finding {
    let mut finding =
        MISSING.found().evidence(configured(environment, image)).evidence(format!("nothing stands at {}", image.path.display()));
    if image.part_file {
        finding = finding
            .evidence(format!("{}.part is there: a download that was not finished", image.path.display()))
            .advise("Finish the download of the image: what is there so far ends in \".part\".");
    }
    finding.advise("Put the image at that path, or let \"image\" in the configuration name the place where it is.")
}

fn moved(environment: &Environment, image: &Image) -> crate::finding::Finding {
    let best = &image.candidates[0];
    let same_name = |path: &Path| path.file_name() == image.path.file_name();
    let only_one = image.candidates.iter().filter(|candidate| same_name(candidate)).count() == 1;
    let safety = if same_name(best) && only_one { Safety::Safe } else { Safety::Confirm };
    let file = file_that_sets(environment, "image");
    // The user's file counts for every environment: a relative path would mean another file in each.
    let relative = (file.path == environment.file.path).then(|| best.strip_prefix(&environment.directory).ok()).flatten();
    let value = relative.unwrap_or(best).to_string_lossy().into_owned();
    let edit = Edit::new(&file.path, "/image", Change::Set { to: Value::String(value.clone()) }, &MOVED);
    let mut finding =
        MOVED.found().evidence(configured(environment, image)).evidence(format!("nothing stands at {}", image.path.display()));
    for candidate in &image.candidates {
        finding = finding.evidence(format!("{} is an image", candidate.display()));
    }
    if image.used.as_ref() == Some(best) {
        finding = finding
            .severity(Severity::Info)
            .title("The configuration names an older image than the one that is used")
            .evidence("casa_distro takes the image with the highest patch number in that folder by itself");
    }
    finding.fix(format!("Set \"image\" to \"{value}\" in {}.", file.path.display()), safety, [edit])
}

/// A path that can be pasted into a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c)) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{facts_of, findings, ids};
    use super::*;

    fn image(candidates: &[&str]) -> Image {
        Image {
            configured: "/gone/brainvisa-5.1.sif".to_owned(),
            path: "/gone/brainvisa-5.1.sif".into(),
            exists: Some(false),
            candidates: candidates.iter().map(Into::into).collect(),
            ..Image::default()
        }
    }

    #[test]
    fn an_image_that_exists_passes() {
        let path = Path::new("/i/x.sif");
        let image = Image {
            configured: "/i/x.sif".to_owned(),
            path: path.into(),
            exists: Some(true),
            readable: Some(true),
            ..Image::default()
        };
        assert_eq!(CHECK.judge(&facts_of(image.clone())), Outcome::Pass);
        let real_name = Image { exists: Some(false), used: Some("/real/x.sif".into()), ..image };
        assert_eq!(CHECK.judge(&facts_of(real_name)), Outcome::Pass);
    }

    #[test]
    fn an_image_of_docker_is_a_name() {
        let named = |exists| Image { configured: "casa:5".to_owned(), kind: Some(ImageKind::Name), exists, ..Image::default() };
        assert_eq!(CHECK.judge(&facts_of(named(Some(true)))), Outcome::Pass);
        let found = findings(&CHECK, &facts_of(named(Some(false))));
        assert_eq!((found[0].kind.id, found[0].advice.len()), ("image-missing", 3));
        assert!(found[0].edits.is_empty());
        assert!(matches!(CHECK.judge(&facts_of(named(None))), Outcome::Skipped(_)), "an older recording");
        let unknown = [("exists".to_owned(), "the daemon is down".to_owned())].into();
        let asked = Image { unknown, ..named(None) };
        assert!(matches!(CHECK.judge(&facts_of(asked)), Outcome::Unknown(_)));
    }

    #[test]
    fn missing_and_unreadable_and_unknown() {
        let missing = Image { part_file: true, ..image(&[]) };
        let found = findings(&CHECK, &facts_of(missing));
        assert_eq!(found[0].kind.id, "image-missing");
        assert!(
            found[0].evidence[0].starts_with("/home/anna/casa_distro/bv/conf/casa_distro.json:7: \"image\" is"),
            "{:?}",
            found[0].evidence
        );
        assert!(found[0].evidence.iter().any(|line| line.contains(".part")));
        let unreadable = Image { exists: Some(true), readable: Some(false), ..image(&[]) };
        assert_eq!(ids(&CHECK, &facts_of(unreadable)), ["image-unreadable"]);
        let unknown = Image { exists: None, ..image(&[]) };
        assert!(matches!(CHECK.judge(&facts_of(unknown)), Outcome::Unknown(_)));
    }

    #[test]
    fn a_moved_image_is_set_relative_when_it_is_inside_the_environment() {
        let found = findings(&CHECK, &facts_of(image(&["/home/anna/casa_distro/bv/brainvisa-5.1.sif"])));
        assert_eq!(found[0].kind.id, "image-moved");
        assert_eq!(found[0].advice[0].safety, Safety::Safe);
        assert_eq!(found[0].edits[0].change, Change::Set { to: json!("brainvisa-5.1.sif") });
        assert_eq!(found[0].edits[0].key, "/image");
    }

    #[test]
    fn another_name_or_several_of_the_same_need_a_question() {
        for candidates in [&["/a/brainvisa-5.1-3.sif"][..], &["/a/brainvisa-5.1.sif", "/b/brainvisa-5.1.sif"]] {
            let found = findings(&CHECK, &facts_of(image(candidates)));
            assert_eq!(found[0].advice[0].safety, Safety::Confirm);
            assert_eq!(found[0].edits[0].change, Change::Set { to: json!(candidates[0]) });
        }
    }

    #[test]
    fn a_patch_that_casa_distro_takes_by_itself_is_no_error() {
        let image = Image { used: Some("/gone/brainvisa-5.1-3.sif".into()), ..image(&["/gone/brainvisa-5.1-3.sif"]) };
        assert_eq!(findings(&CHECK, &facts_of(image))[0].severity, Severity::Info);
    }

    #[test]
    fn the_file_that_names_the_image_is_the_one_that_is_edited() {
        let mut facts = facts_of(image(&["/home/anna/casa_distro/bv/brainvisa-5.1.sif"]));
        let environment = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        environment.user_file = Some(crate::facts::ConfigFile {
            path: "/home/anna/.config/casa-distro/casa_distro_3.json".into(),
            value: Some(json!({"image": "/gone/brainvisa-5.1.sif"})),
            ..Default::default()
        });
        let found = findings(&CHECK, &facts);
        assert!(found[0].edits[0].file.ends_with("casa_distro_3.json"));
        assert_eq!(found[0].edits[0].change, Change::Set { to: json!("/home/anna/casa_distro/bv/brainvisa-5.1.sif") });
    }

    #[test]
    fn paths_for_a_shell() {
        assert_eq!(quoted(Path::new("/a/b-1.sif")), "/a/b-1.sif");
        assert_eq!(quoted(Path::new("/a/it's mine; rm -rf ~")), r"'/a/it'\''s mine; rm -rf ~'");
    }
}
