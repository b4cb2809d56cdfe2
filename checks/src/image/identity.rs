//! Is it the image that the environment was set up with?

use serde_json::Value;

use super::{file_that_sets, image_file_of, setting};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Change, Edit, FindingKind, Safety, Severity};

pub(super) static CHECK: Check = Check {
    id: "image-identity",
    category: Category::Image,
    question: "Is it the image that the environment was set up with?",
    needs: &[ProbeId::Environment, ProbeId::Image],
    findings: &[&MISMATCH],
    run: same,
};

static MISMATCH: FindingKind = FindingKind {
    id: "image-id-mismatch",
    code: "CD0806",
    severity: Severity::Error,
    title: "The image is another one than the environment was set up with",
    why: "Every image has an id, and the environment remembers the one it was set up with. casa_distro compares them only in a special case: when the configuration has no \"image_version\" and the image's metadata has one. It then refuses to start. In the other cases it starts without a word, and programs may not find what the environment prepared for the other image.",
    cure: "Put the right image back, or set the environment up again with the new one. When you changed the image on purpose, let \"image_id\" in casa_distro.json name it.",
    example: "The selected image is incompatible with the environment to run",
    since: "0.1.0",
};

fn same(facts: &Facts) -> Outcome {
    let (environment, image, path) = match image_file_of(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let Some(wanted) = setting(environment, "image_id") else {
        return Outcome::Skipped("the configuration has no \"image_id\"".to_owned());
    };
    let metadata = image.metadata.as_ref();
    let beside = metadata.and_then(|metadata| Some((metadata.image_id.as_deref()?, metadata.path.display().to_string())));
    let inside = image.contents.as_ref().and_then(|contents| contents.image_id.as_deref());
    let inside = inside.map(|id| (id, format!("/casa/image_id in {}", path.display())));
    let from_metadata = beside.is_some();
    let Some((id, source)) = beside.or(inside) else {
        return Outcome::Unknown("neither a file beside the image nor the image itself tells its id".to_owned());
    };
    if id == wanted || metadata.is_some_and(|metadata| metadata.compatibility.iter().any(|other| other == wanted)) {
        return Outcome::Pass;
    }
    let metadata_version = metadata.and_then(|metadata| metadata.image_version.as_deref());
    let refused = from_metadata && setting(environment, "image_version").is_none() && metadata_version.is_some();
    let file = file_that_sets(environment, "image_id");
    let line = file.lines.get("/image_id").map(|line| format!(":{line}")).unwrap_or_default();
    let finding = MISMATCH
        .found()
        .severity(if refused { Severity::Error } else { Severity::Info })
        .evidence(format!("{}{line}: \"image_id\" is \"{wanted}\"", file.path.display()))
        .evidence(format!("{source}: \"image_id\" is \"{id}\""))
        .evidence(if refused {
            "the configuration has no \"image_version\" and the image's metadata has one: casa_distro refuses to start"
        } else {
            "casa_distro does not compare them here and starts all the same"
        });
    let edit = Edit::new(&file.path, "/image_id", Change::Set { to: Value::String(id.to_owned()) }, &MISMATCH);
    Outcome::Findings(vec![if refused {
        finding.fix(
            format!("If you changed the image on purpose, set \"image_id\" to \"{id}\" in {}.", file.path.display()),
            Safety::Confirm,
            [edit],
        )
    } else {
        finding.advise("If programs miss files, set the environment up again with this image.")
    }])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{facts_with, findings};
    use super::*;
    use crate::facts::{Image, ImageContents, ImageMetadata};

    fn facts(configuration: Value, metadata: Option<ImageMetadata>) -> Facts {
        let mut facts = facts_with(configuration);
        facts.image = Some(Image {
            configured: "x.sif".to_owned(),
            path: "/e/x.sif".into(),
            exists: Some(true),
            used: Some("/e/x.sif".into()),
            metadata,
            ..Image::default()
        });
        facts
    }

    fn metadata(id: &str, version: Option<&str>, compatibility: &[&str]) -> Option<ImageMetadata> {
        Some(ImageMetadata {
            path: "/e/x.sif.json".into(),
            image_id: Some(id.to_owned()),
            image_version: version.map(str::to_owned),
            compatibility: compatibility.iter().map(|id| (*id).to_owned()).collect(),
            ..ImageMetadata::default()
        })
    }

    #[test]
    fn the_case_in_which_casa_distro_refuses() {
        let found = findings(&CHECK, &facts(json!({"image_id": "a"}), metadata("b", Some("5.3"), &[])));
        assert_eq!((found[0].severity, found[0].edits.len()), (Severity::Error, 1));
        assert_eq!(found[0].advice[0].safety, Safety::Confirm);
        assert_eq!(found[0].edits[0].change, Change::Set { to: json!("b") });
    }

    #[test]
    fn the_cases_in_which_it_does_not_compare() {
        let with_version = json!({"image_id": "a", "image_version": "5.2"});
        for facts in
            [facts(with_version, metadata("b", Some("5.3"), &[])), facts(json!({"image_id": "a"}), metadata("b", None, &[]))]
        {
            let found = findings(&CHECK, &facts);
            assert_eq!((found[0].severity, found[0].edits.len()), (Severity::Info, 0));
        }
    }

    #[test]
    fn the_same_or_a_compatible_image_passes() {
        assert_eq!(CHECK.judge(&facts(json!({"image_id": "a"}), metadata("a", Some("5.3"), &[]))), Outcome::Pass);
        assert_eq!(CHECK.judge(&facts(json!({"image_id": "a"}), metadata("b", Some("5.3"), &["a"]))), Outcome::Pass);
    }

    #[test]
    fn the_id_inside_the_image_serves_when_there_is_no_file_beside_it() {
        let mut facts = facts(json!({"image_id": "a"}), None);
        assert!(matches!(CHECK.judge(&facts), Outcome::Unknown(_)));
        facts.image.as_mut().unwrap().contents = Some(ImageContents { image_id: Some("b".to_owned()), ..ImageContents::default() });
        assert_eq!(findings(&CHECK, &facts)[0].severity, Severity::Info);
        facts.image.as_mut().unwrap().contents = Some(ImageContents { image_id: Some("a".to_owned()), ..ImageContents::default() });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn without_an_id_in_the_configuration_there_is_nothing_to_compare() {
        assert!(matches!(CHECK.judge(&facts(json!({}), metadata("b", Some("5.3"), &[]))), Outcome::Skipped(_)));
    }
}
