//! Is the image whole and unchanged, byte for byte? Judged only when the checksum was asked for.

use super::image_file_of;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "image-bytes",
    category: Category::Image,
    question: "Are the image's bytes those that its metadata promises?",
    needs: &[ProbeId::Environment, ProbeId::Image],
    findings: &[&CHECKSUM],
    run,
};

static CHECKSUM: FindingKind = FindingKind {
    id: "image-checksum",
    code: "CD0805",
    severity: Severity::Error,
    title: "The image's checksum is not the one in its metadata",
    why: "casa_distro compares the checksum of an image only when it downloads it. A copy that was disturbed, a disk that fails, \
          or an image that was replaced by hand is noticed only when something inside breaks in a strange way.",
    cure: "Download or copy the image again. When you changed the image on purpose, its metadata file no longer describes it.",
    example: "RuntimeError: mismatching md5 sum",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let (_, image, path) = match image_file_of(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let Some(found) = &image.md5 else {
        return match image.unknown.get("md5") {
            Some(reason) => Outcome::Unknown(reason.clone()),
            None => Outcome::Skipped("the checksum was not asked for (--checksum)".to_owned()),
        };
    };
    let Some(metadata) = &image.metadata else {
        return Outcome::Unknown("there is no metadata file beside the image that names a checksum".to_owned());
    };
    let Some(wanted) = &metadata.md5 else {
        return Outcome::Unknown(format!("{} names no checksum", metadata.path.display()));
    };
    if wanted.eq_ignore_ascii_case(found) {
        return Outcome::Pass;
    }
    Outcome::Findings(vec![
        CHECKSUM
            .found()
            .evidence(format!("{}: \"md5\" is {wanted}", metadata.path.display()))
            .evidence(format!("{}: the md5 of its bytes is {found}", path.display()))
            .advise(
                "Download or copy the image again, from where it came. \"casa_distro pull_image\" does not: it fetches no image but a \
                 newer one.",
            ),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::facts_with;
    use super::*;
    use crate::facts::{Image, ImageKind, ImageMetadata};

    fn image(md5: Option<&str>, metadata: Option<&str>) -> Image {
        Image {
            configured: "x.sif".into(),
            path: "/e/x.sif".into(),
            used: Some("/e/x.sif".into()),
            exists: Some(true),
            kind: Some(ImageKind::Sif),
            md5: md5.map(str::to_owned),
            metadata: metadata.map(|md5| ImageMetadata { md5: Some(md5.into()), ..ImageMetadata::default() }),
            ..Image::default()
        }
    }

    #[test]
    fn casa_distro_is_not_said_to_fetch_an_image_that_is_there() {
        let facts = Facts { image: Some(image(Some("abc"), Some("abd"))), ..facts_with(json!({"image": "x.sif"})) };
        let Outcome::Findings(found) = CHECK.judge(&facts) else { panic!("it is another checksum") };
        assert!(found[0].advice.iter().all(|advice| advice.command.is_none()), "{:?}", found[0].advice);
    }

    #[test]
    fn another_checksum_is_found_the_same_passes_and_none_is_skipped() {
        let judge = |md5, metadata| {
            let facts = Facts { image: Some(image(md5, metadata)), ..facts_with(json!({"image": "x.sif"})) };
            CHECK.judge(&facts)
        };
        assert_eq!(judge(Some("abc"), Some("abd")).word(), "finding");
        assert_eq!(judge(Some("abc"), Some("ABC")).word(), "pass");
        assert_eq!(judge(None, Some("abc")).word(), "skipped");
        assert_eq!(judge(Some("abc"), None).word(), "unknown");
    }
}
