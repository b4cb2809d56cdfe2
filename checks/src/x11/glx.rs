//! Does the X server have GLX?

use super::server;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, ServerKind};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "x11-glx",
    category: Category::X11,
    question: "Does the X server have OpenGL (GLX)?",
    needs: &[ProbeId::X11],
    findings: &[&KIND],
    run,
};

/// The server has no GLX.
static KIND: FindingKind = FindingKind {
    id: "x11-glx-missing",
    code: "CD0110",
    severity: Severity::Warning,
    title: "The X server has no OpenGL (GLX)",
    why: "OpenGL programs ask the X server's extension GLX for a place to draw. Without it, the container mode and the nv mode end \
          with \"couldn't find RGB GLX visual\". The software mode of casa-distro draws by itself and needs no GLX.",
    cure: "Use the software mode. Or give the X server GLX: install its Mesa drivers (VNC), start it with +extension GLX, or use \
           another kind of session.",
    example: "Error: couldn't find RGB GLX visual or fbconfig",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let (_, server) = match server(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if server.untrusted {
        return Outcome::Skipped("an untrusted cookie hides GLX (see x11-trust)".to_owned());
    }
    if server.glx.is_some() {
        return Outcome::Pass;
    }
    if server.extensions.is_empty() {
        return Outcome::Unknown("the X server did not list its extensions".to_owned());
    }
    let finding = KIND
        .found()
        .evidence(format!("{}: {} extensions, GLX is not among them", server.address, server.extensions.len()))
        .evidence(format!("the X server is by \"{}\", release {}", server.vendor, server.release))
        .advise_command("Draw in software, which needs no GLX.", "casa-doctor run --opengl software -- COMMAND");
    // Where nobody can change it, and the mode software is the one that is recommended, nothing is wrong.
    let as_it_must_be = matches!(server.kind, ServerKind::Nxagent | ServerKind::Xquartz);
    let finding = if as_it_must_be { finding.severity(Severity::Info) } else { finding };
    Outcome::of(vec![match server.kind {
        ServerKind::Xvnc => {
            finding.advise("Or install the software OpenGL that the VNC server loads (package libgl1-mesa-dri, or mesa-dri-drivers), and start the session anew.")
        }
        ServerKind::Nxagent => finding.advise("x2go has old GLX at best: keep to the software mode there."),
        ServerKind::Xquartz => {
            finding.advise("Also leave enable_iglx of XQuartz alone: the OpenGL that it switches on is too old for the image, and programs crash.")
        }
        _ => finding.advise("Or start the X server with GLX: the option +extension GLX, and its package of OpenGL drivers."),
    }])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{connected, facts, only_finding, told, xorg};
    use super::*;
    use crate::facts::X11;

    #[test]
    fn a_server_without_glx_leads_to_software() {
        let mut server = xorg();
        server.glx = None;
        let finding = only_finding(&CHECK, &facts(connected(server.clone())));
        assert_eq!((finding.kind.id, finding.severity), ("x11-glx-missing", Severity::Warning));
        assert!(told(&finding).contains("--opengl software"));
        server.kind = ServerKind::Xvnc;
        assert!(told(&only_finding(&CHECK, &facts(connected(server.clone())))).contains("libgl1-mesa-dri"));
        for kind in [ServerKind::Nxagent, ServerKind::Xquartz] {
            server.kind = kind;
            assert_eq!(only_finding(&CHECK, &facts(connected(server.clone()))).severity, Severity::Info);
        }
    }

    #[test]
    fn glx_passes_and_what_is_hidden_is_not_judged() {
        assert_eq!(CHECK.judge(&facts(connected(xorg()))), Outcome::Pass);
        let mut server = xorg();
        (server.untrusted, server.glx) = (true, None);
        assert!(matches!(CHECK.judge(&facts(connected(server))), Outcome::Skipped(_)));
        let mut server = xorg();
        server.glx = None;
        server.extensions.clear();
        assert!(matches!(CHECK.judge(&facts(connected(server))), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&facts(X11::default())), Outcome::Skipped(_)));
    }
}
