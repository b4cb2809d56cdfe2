//! The software OpenGL that an image brings for the mode software.

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "image-software-gl",
    category: Category::Rendering,
    question: "Does the image have its own software OpenGL?",
    needs: &[ProbeId::Image],
    findings: &[&MISSING],
    run,
};

static MISSING: FindingKind = FindingKind {
    id: "image-no-software-gl",
    code: "CD0211",
    severity: Severity::Warning,
    title: "The image has no software OpenGL, so the mode software does nothing",
    why: "With opengl=software, casa_distro tells the container to put /usr/local/lib/mesa first: a build of Mesa that draws on the \
          processor and asks nothing of the X server. This image has no such directory. casa_distro does not notice: the program \
          starts as in the mode container, with whatever problem the mode software was meant to avoid.",
    cure: "Take a newer image. Where the X server offers GLX, LIBGL_ALWAYS_SOFTWARE=1 with the mode container is the next best.",
    example: "casa_distro run opengl=software anatomist   (and glxinfo still names the system's Mesa)",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let Some(image) = &facts.image else { return Outcome::Skipped("there is no image to look at".into()) };
    let contents = image.contents.as_ref();
    match contents.and_then(|contents| contents.software_mesa) {
        Some(true) => Outcome::Pass,
        Some(false) => {
            let finding = MISSING.found().evidence("image: there is no /usr/local/lib/mesa/libGL.so.1");
            Outcome::Findings(vec![
                finding
                    .advise("Take a newer image of the same distribution, if there is one: the later ones have it.")
                    .advise("Until then, use the mode container with LIBGL_ALWAYS_SOFTWARE=1 in \"gui_env\" of the configuration."),
            ])
        }
        None => {
            let reason = ["contents", "software_mesa"].iter().find_map(|field| image.unknown.get(*field)).cloned();
            Outcome::Unknown(reason.unwrap_or_else(|| "it is not known what the image holds".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::facts;
    use super::*;
    use crate::facts::{Image, ImageContents};

    fn judge(software_mesa: Option<bool>) -> Outcome {
        let contents = ImageContents { software_mesa, ..ImageContents::default() };
        CHECK.judge(&Facts { image: Some(Image { contents: Some(contents), ..Image::default() }), ..facts() })
    }

    #[test]
    fn the_directory_decides_and_an_image_that_was_not_read_is_unknown() {
        assert_eq!(judge(Some(true)), Outcome::Pass);
        assert_eq!(judge(Some(false)).word(), "finding");
        assert_eq!(judge(None).word(), "unknown");
        let mut unread = Image::default();
        unread.unknown.insert("contents".into(), "the image is encrypted".into());
        let outcome = CHECK.judge(&Facts { image: Some(unread), ..facts() });
        assert_eq!(outcome, Outcome::Unknown("the image is encrypted".into()));
    }
}
