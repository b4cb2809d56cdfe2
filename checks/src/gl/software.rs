//! The software OpenGL that an image brings for the mode software.

use crate::check::{Category, Check, Outcome};
use crate::facts::{Connection, Facts, ProbeId, ServerKind};
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
            let finding = finding.advise("Take a newer image of the same distribution, if there is one: the later ones have it.");
            let by_mesa = "use the mode container with LIBGL_ALWAYS_SOFTWARE=1 in \"gui_env\" of the configuration.";
            Outcome::Findings(vec![match glx(facts) {
                Glx::Usable => finding.advise(format!("Until then, {by_mesa}")),
                Glx::NotKnown => finding.advise(format!("Until then, where the X server offers GLX, {by_mesa}")),
                Glx::Hidden => finding
                    .evidence("X server: it hides GLX from an untrusted client (ssh -X), so that Mesa cannot take the place of it")
                    .advise(format!("Until then, log in with ssh -Y, which shows GLX, and {by_mesa}")),
                Glx::Unusable(why) => finding
                    .evidence(format!("X server: {why}, so that the image's other Mesa cannot take the place of it"))
                    .advise("Until then, use a session of another kind for 3D views, such as VNC on this machine."),
                Glx::OfAnother => {
                    finding.evidence("X server: it asks for NVIDIA's library, and the image's Mesa cannot take the place of it")
                }
            }])
        }
        None => {
            let reason = ["contents", "software_mesa"].iter().find_map(|field| image.unknown.get(*field)).cloned();
            Outcome::Unknown(reason.unwrap_or_else(|| "it is not known what the image holds".into()))
        }
    }
}

/// What the display offers to the Mesa that every image has.
enum Glx {
    Usable,
    NotKnown,
    /// Untrusted clients do not see it.
    Hidden,
    Unusable(&'static str),
    /// NVIDIA's alone.
    OfAnother,
}

fn glx(facts: &Facts) -> Glx {
    let server = match facts.x11.as_ref().map(|x11| &x11.connection) {
        Some(Connection::Connected(server)) => server,
        _ => return Glx::NotKnown,
    };
    match (&server.glx, server.kind) {
        _ if server.untrusted => Glx::Hidden,
        (None, _) if server.extensions.is_empty() => Glx::NotKnown,
        (None, _) => Glx::Unusable("it has no GLX"),
        (_, ServerKind::Nxagent | ServerKind::Xquartz) => Glx::Unusable("its GLX is too old"),
        (Some(glx), _) if !glx.vendor_names.is_empty() && glx.vendor_names.iter().all(|name| name == "nvidia") => Glx::OfAnother,
        _ => Glx::Usable,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{display, facts};
    use super::*;
    use crate::facts::{Image, ImageContents, Reach};

    fn judge(software_mesa: Option<bool>) -> Outcome {
        let contents = ImageContents { software_mesa, ..ImageContents::default() };
        CHECK.judge(&Facts { image: Some(Image { contents: Some(contents), ..Image::default() }), ..facts() })
    }

    #[test]
    fn mesa_takes_its_place_only_where_the_display_has_glx_for_it() {
        let by_mesa = |change: &dyn Fn(&mut crate::facts::XServer)| {
            let mut x11 = display(Reach::Local, ServerKind::Xorg, &["GLX"], &[]);
            if let Connection::Connected(server) = &mut x11.connection {
                change(server);
            }
            let contents = ImageContents { software_mesa: Some(false), ..ImageContents::default() };
            let image = Some(Image { contents: Some(contents), ..Image::default() });
            let Outcome::Findings(found) = CHECK.judge(&Facts { image, x11: Some(x11), ..facts() }) else { panic!() };
            found[0].advice.iter().map(|advice| advice.text.clone()).collect::<Vec<_>>().join("\n")
        };
        assert!(by_mesa(&|_| {}).contains("LIBGL_ALWAYS_SOFTWARE"));
        let untrusted = by_mesa(&|server| (server.untrusted, server.glx) = (true, None));
        assert!(untrusted.contains("log in with ssh -Y"), "{untrusted}");
        assert!(!by_mesa(&|server| server.glx = None).contains("LIBGL_ALWAYS_SOFTWARE"));
        assert!(!by_mesa(&|server| server.kind = ServerKind::Nxagent).contains("LIBGL_ALWAYS_SOFTWARE"));
        let of_nvidia = by_mesa(&|server| server.glx.as_mut().unwrap().vendor_names = vec!["nvidia".into()]);
        assert!(!of_nvidia.contains("LIBGL_ALWAYS_SOFTWARE"));
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
