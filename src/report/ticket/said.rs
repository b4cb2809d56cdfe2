//! What probes and measurements that failed wrote to standard error.

use casa_doctor_checks::facts::{ChildEnd, GlError, GlProbe, ProbeId, VulkanProbe};

use super::Part;
use crate::recommend::MeasurementOutcome;
use crate::report::document::Document;
use crate::report::text::harmless;
use crate::report::wording::result_words;

/// One file for each probe and each measurement that failed and said something.
pub(super) fn parts(document: &Document) -> Vec<Part> {
    let facts = &document.facts;
    let gl =
        [(ProbeId::Glx, &facts.glx), (ProbeId::EglDevice, &facts.egl_device), (ProbeId::EglSurfaceless, &facts.egl_surfaceless)];
    let mut parts: Vec<Part> = gl.into_iter().filter_map(|(id, probe)| gl_part(id, probe.as_ref()?)).collect();
    parts.extend(facts.vulkan.as_ref().and_then(vulkan_part));
    for measurement in &document.measurements {
        if measurement.outcome == MeasurementOutcome::Works || measurement.stderr.is_empty() {
            continue;
        }
        let (mode, place) = (measurement.opengl.word(), measurement.place.word());
        let head = format!("OpenGL mode {mode}, {place}: {}", result_words(measurement.outcome));
        let about = format!("what the mode {mode} said, which did not work");
        parts.push(Part::new(format!("stderr/measured-{place}-{mode}.txt"), about, lines(&head, &measurement.stderr)));
    }
    parts
}

fn gl_part(id: ProbeId, probe: &GlProbe) -> Option<Part> {
    let works = probe.result.as_ref().is_some_and(|result| !result.contexts.is_empty());
    let error = probe.result.as_ref().and_then(|result| result.error.as_ref());
    part(id, works, &probe.end, error, probe.last_call.as_deref(), &probe.stderr)
}

fn vulkan_part(probe: &VulkanProbe) -> Option<Part> {
    let error = probe.result.as_ref().and_then(|result| result.error.as_ref());
    let works = probe.result.is_some() && error.is_none();
    part(ProbeId::Vulkan, works, &probe.end, error, probe.last_call.as_deref(), &probe.stderr)
}

fn part(
    id: ProbeId,
    works: bool,
    end: &ChildEnd,
    error: Option<&GlError>,
    last_call: Option<&str>,
    stderr: &[String],
) -> Option<Part> {
    if works || stderr.is_empty() {
        return None;
    }
    let mut head = match end {
        ChildEnd::Finished => "the probe finished".to_owned(),
        ChildEnd::Exited { status } => format!("the probe exited with status {status}"),
        ChildEnd::Signal { name, .. } => format!("the probe was ended by {name}"),
        ChildEnd::TimedOut { limit_ms } => format!("the probe did not end within {limit_ms} ms"),
        ChildEnd::NotStarted { reason } => format!("the probe did not start: {reason}"),
    };
    head.extend(last_call.map(|call| format!("; its last call was {call}")));
    head.extend(error.map(|error| format!("; {}: {}", error.call, error.message)));
    let name = id.name();
    Some(Part::new(format!("stderr/{name}.txt"), format!("what the probe {name} said, which failed"), lines(&head, stderr)))
}

fn lines(head: &str, stderr: &[String]) -> String {
    let mut out = format!("{}\n\n", harmless(head));
    for line in stderr {
        out.push_str(&harmless(line));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::GlResult;

    use super::*;
    use crate::report::samples;

    #[test]
    fn only_what_failed_and_spoke_is_kept() {
        let mut document = samples::warned();
        let crashed = GlProbe {
            end: ChildEnd::Signal { number: 11, name: "SIGSEGV".into() },
            last_call: Some("glXCreateContext".into()),
            stderr: vec!["libGL error: failed\u{1b}[0m".into()],
            duration_ms: 1,
            result: None,
        };
        document.facts.egl_device = Some(GlProbe { stderr: Vec::new(), ..crashed.clone() });
        document.facts.egl_surfaceless = Some(GlProbe {
            end: ChildEnd::Finished,
            result: Some(GlResult { contexts: vec![Default::default()], ..GlResult::default() }),
            ..crashed.clone()
        });
        document.facts.glx = Some(crashed);
        let parts = parts(&document);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].name, "stderr/glx.txt");
        assert_eq!(
            String::from_utf8_lossy(&parts[0].bytes),
            "the probe was ended by SIGSEGV; its last call was glXCreateContext\n\nlibGL error: failed\\u{1b}[0m\n"
        );
    }
}
