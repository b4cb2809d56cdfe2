//! Whether what is drawn comes out as it must.

use super::{result, x_server};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Draw, Facts, GlContext, GlProbe, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "gl-drawing",
    category: Category::Rendering,
    question: "Does OpenGL draw each pixel in the right colour?",
    needs: &[ProbeId::X11, ProbeId::Glx],
    findings: &[&WRONG_PIXELS],
    run,
};

static WRONG_PIXELS: FindingKind = FindingKind {
    id: "gl-wrong-pixels",
    code: "CD0206",
    severity: Severity::Error,
    title: "OpenGL draws wrong pixels",
    why: "casa-doctor draws a triangle of which the colour of each pixel is known, reads the picture back and compares. A driver that \
          fails this shows black, garbled or empty views, although it reports no error; what the viewers show cannot be trusted.",
    cure: "Update the graphics driver. Until then, use the mode software.",
    example: "(a window that stays black, or shows noise instead of the image)",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    if let Err(outcome) = x_server(facts).map(|_| ()).and_then(|()| result(facts.glx.as_ref()).map(|_| ())) {
        return outcome;
    }
    let ways: [(&str, Option<&GlProbe>, Severity); 4] = [
        ("GLX", facts.glx.as_ref(), Severity::Error),
        ("EGL on the X display", facts.egl_x11.as_ref(), Severity::Warning),
        ("EGL on devices", facts.egl_device.as_ref(), Severity::Warning),
        ("EGL without a surface", facts.egl_surfaceless.as_ref(), Severity::Warning),
    ];
    let mut finding: Option<Finding> = None;
    let mut drawn = false;
    for (way, run, severity) in ways {
        for context in run.and_then(|run| run.result.as_ref()).map(|result| result.contexts.as_slice()).unwrap_or_default() {
            drawn |= way == "GLX" && context.draw.is_some();
            let Some(evidence) = fault(way, context) else { continue };
            let worse = finding.take().unwrap_or_else(|| WRONG_PIXELS.found().severity(severity));
            finding = Some(worse.evidence(evidence));
        }
    }
    match finding {
        Some(finding) => Outcome::Findings(vec![
            finding
                .advise("Update the graphics driver of this machine, and restart it afterwards.")
                .advise("Until that is done, start programs in the mode software, which does not use the driver."),
        ]),
        None if drawn => Outcome::Pass,
        None => Outcome::Skipped("there is no OpenGL on the display that could draw the test picture".into()),
    }
}

/// What is wrong with a context's picture. A device of EGL that cannot be opened at all is no fault of drawing.
fn fault(way: &str, context: &GlContext) -> Option<String> {
    if context.renderer.is_empty() || context.direct == Some(false) {
        return None;
    }
    let by = format!("{way}, {}", context.renderer);
    match context.draw.as_ref()? {
        Draw { error: Some(error), .. } => Some(format!("{by}: {} failed: {}", error.call, error.message)),
        Draw { wrong: 0, .. } => None,
        Draw { wrong, pixels, .. } => Some(format!("{by}: {wrong} of {pixels} pixels have a wrong colour")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, desktop, drawn_by, facts, refused};
    use super::*;
    use crate::facts::{ChildEnd, GlError};

    fn with(change: impl Fn(&mut GlContext)) -> GlProbe {
        let mut probe = drawn_by("NV136");
        if let Some(result) = probe.result.as_mut() {
            change(&mut result.contexts[0]);
        }
        probe
    }

    fn severity(facts: &Facts) -> Severity {
        match CHECK.judge(facts) {
            Outcome::Findings(findings) => findings[0].severity,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn wrong_pixels_and_failed_calls_are_found() {
        let wrong = || with(|context| context.draw = Some(Draw { pixels: 262_144, wrong: 7, ..Draw::default() }));
        let error = GlError { call: "glDrawArrays".into(), message: "GL_INVALID_OPERATION (0x502)".into() };
        let failed = with(|context| context.draw = Some(Draw { error: Some(error.clone()), ..Draw::default() }));
        let base = Facts { x11: Some(desktop()), ..facts() };
        assert_eq!(severity(&Facts { glx: Some(wrong()), ..base.clone() }), Severity::Error);
        assert_eq!(severity(&Facts { glx: Some(failed), ..base.clone() }), Severity::Error);
        assert_eq!(severity(&Facts { glx: Some(drawn_by("NV136")), egl_device: Some(wrong()), ..base }), Severity::Warning);
    }

    #[test]
    fn right_pixels_pass() {
        let facts = Facts { x11: Some(desktop()), glx: Some(drawn_by("NV136")), egl_x11: Some(drawn_by("NV136")), ..facts() };
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn a_device_that_cannot_be_opened_draws_nothing_wrong() {
        let closed = with(|context| {
            *context = GlContext { device: Some("/dev/dri/renderD128".into()), ..GlContext::default() };
            context.draw = Some(Draw { error: Some(GlError::default()), ..Draw::default() });
        });
        let facts = Facts { x11: Some(desktop()), glx: Some(drawn_by("NV136")), egl_device: Some(closed), ..facts() };
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn without_a_picture_there_is_no_question() {
        let base = Facts { x11: Some(desktop()), ..facts() };
        assert_eq!(CHECK.judge(&Facts { glx: Some(refused("glXChooseFBConfig", "none")), ..base.clone() }).word(), "skipped");
        assert_eq!(CHECK.judge(&Facts { glx: Some(broken(ChildEnd::Exited { status: 1 }, "")), ..base.clone() }).word(), "skipped");
        assert_eq!(CHECK.judge(&base).word(), "unknown");
    }
}
