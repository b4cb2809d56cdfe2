//! Why OpenGL fails although nothing is broken: the X server's protocol is too old, or a variable chooses the wrong library.

use super::renderer::{NO_CONTEXT, display_evidence, stderr_evidence};
use super::variable;
use crate::facts::{Facts, ServerKind, XServer};
use crate::finding::{Finding, Severity};

/// The finding for such a case.
pub(super) fn misfit(facts: &Facts, server: &XServer) -> Option<Finding> {
    if is_too_old(server) { Some(too_old(facts, server)) } else { forced_vendor(facts, server).map(|vendor| forced(facts, vendor)) }
}

/// Whether the server speaks a GLX by which newer OpenGL libraries cannot draw, as nxagent and some X servers of Windows do. Older
/// ones can: Mesa 20.3 draws on nxagent, Mesa 22.3 does not.
fn is_too_old(server: &XServer) -> bool {
    let version =
        server.glx.as_ref().map(|glx| glx.version.split('.').map_while(|part| part.parse::<u32>().ok()).collect::<Vec<_>>());
    version.is_some_and(|version| !version.is_empty() && version < vec![1, 3])
}

fn too_old(facts: &Facts, server: &XServer) -> Finding {
    let version = server.glx.as_ref().map_or("", |glx| &glx.version);
    // There it is so with everybody, and the mode software does without.
    let severity = if server.kind == ServerKind::Nxagent { Severity::Info } else { Severity::Warning };
    display_evidence(facts, NO_CONTEXT.found())
        .severity(severity)
        .title(format!(
            "The X server offers OpenGL by a protocol that is too old for this machine's OpenGL library (GLX {version})"
        ))
        .advise("In the container, use the mode software: the image's own software OpenGL asks nothing of the X server.")
}

/// The vendor library that a variable chooses in place of the one that the server asks for.
fn forced_vendor<'a>(facts: &'a Facts, server: &XServer) -> Option<&'a str> {
    let vendor = variable(facts.session.as_ref(), "__GLX_VENDOR_LIBRARY_NAME")?;
    let asked = &server.glx.as_ref()?.vendor_names;
    (!asked.is_empty() && !asked.iter().any(|name| name == vendor)).then_some(vendor)
}

fn forced(facts: &Facts, vendor: &str) -> Finding {
    stderr_evidence(facts, display_evidence(facts, NO_CONTEXT.found()))
        .title(format!("A variable chooses the OpenGL library of {vendor}, which cannot draw on this display"))
        .evidence(format!("__GLX_VENDOR_LIBRARY_NAME={vendor}, and the X server asks for another one"))
        .advise_command(
            "Unset the variable; remove it from your shell's start-up files, too.",
            "unset __GLX_VENDOR_LIBRARY_NAME __NV_PRIME_RENDER_OFFLOAD",
        )
}

#[cfg(test)]
mod tests {
    use super::super::renderer::CHECK;
    use super::super::samples::{card, desktop, display, facts, refused, session};
    use super::*;
    use crate::check::Outcome;
    use crate::facts::{Connection, Reach, ServerGlx};

    fn found(facts: &Facts) -> Finding {
        match CHECK.judge(facts) {
            Outcome::Findings(mut findings) => findings.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_protocol_that_is_too_old_is_told_as_such() {
        let mut facts = facts();
        facts.session = Some(session(&[]));
        facts.gpu = Some(card("i915"));
        facts.glx = Some(refused("glXMakeCurrent", "GLXUnsupportedPrivateRequest; the X server has GLX 1.2"));
        for (kind, severity) in [(ServerKind::Nxagent, Severity::Info), (ServerKind::Xorg, Severity::Warning)] {
            let mut x11 = display(Reach::Local, kind, &["GLX"], &["NX1"]);
            if let Connection::Connected(server) = &mut x11.connection {
                server.glx = Some(ServerGlx { version: "1.2".into(), ..ServerGlx::default() });
            }
            facts.x11 = Some(x11);
            let finding = found(&facts);
            assert_eq!((finding.kind.id, finding.severity), ("gl-no-context", severity));
            assert!(finding.title.unwrap().contains("GLX 1.2"));
        }
    }

    #[test]
    fn a_variable_that_chooses_another_library_is_the_reason() {
        let mut facts = facts();
        facts.gpu = Some(card("i915"));
        facts.x11 = Some(desktop());
        facts.glx = Some(refused("glXCreateNewContext", "BadValue, X_GLXCreateNewContext"));
        for (vendor, expected) in [("nvidia", "gl-no-context"), ("mesa", "gl-indirect")] {
            facts.session = Some(session(&[("__GLX_VENDOR_LIBRARY_NAME", vendor)]));
            assert_eq!(found(&facts).kind.id, expected, "{vendor}");
        }
    }
}
