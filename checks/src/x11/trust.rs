//! Are we a trusted client?

use super::server;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, Reach};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "x11-trust",
    category: Category::X11,
    question: "Does the X server trust the programs of this session?",
    needs: &[ProbeId::X11],
    findings: &[&KIND],
    run,
};

/// The cookie is an untrusted one.
static KIND: FindingKind = FindingKind {
    id: "x11-untrusted-cookie",
    code: "CD0106",
    severity: Severity::Warning,
    title: "The display was forwarded with ssh -X, which hides OpenGL and most of the X server from programs",
    why: "ssh -X asks the X server for an untrusted cookie. Programs that use it see two extensions only: no OpenGL (GLX), no shared \
          memory, no screen layout. 3D views fail or the program ends; copying and pasting is limited. After 20 minutes no new \
          window opens at all. On Debian, Ubuntu, Fedora and RHEL ssh -X usually means ssh -Y, on a Mac and elsewhere it does not.",
    cure: "Log in with ssh -Y to machines that you trust with your screen and keyboard.",
    example: "Error: couldn't find RGB GLX visual or fbconfig",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let (x11, server) = match server(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    if !server.untrusted {
        return if server.extensions.is_empty() {
            Outcome::Unknown("the X server did not list its extensions".to_owned())
        } else {
            Outcome::Pass
        };
    }
    let local = x11.display.as_ref().is_some_and(|display| display.reach == Reach::Local);
    let finding = if local {
        KIND.found().title("The cookie of this session is an untrusted one, which hides OpenGL from programs")
    } else {
        KIND.found()
    };
    let finding = finding.evidence(format!("{}: the X server shows {} only", server.address, server.extensions.join(" and ")));
    let finding = match &server.cookie_from {
        Some(file) => finding.evidence(format!("the cookie was taken from {}", file.display())),
        None => finding,
    };
    Outcome::of(vec![if local {
        finding.advise("Use the cookie that the desktop itself uses: open a new terminal there, and do not set XAUTHORITY by hand.")
    } else {
        finding.advise("Log out, and log in again with ssh -Y.").advise(
            "Also, to make that lasting, write \"ForwardX11Trusted yes\" for this machine into ~/.ssh/config at your own end.",
        )
    }])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{connected, display, facts, only_finding, told, xorg};
    use super::*;
    use crate::facts::X11;

    #[test]
    fn two_extensions_are_an_untrusted_cookie() {
        let mut server = xorg();
        server.untrusted = true;
        server.extensions = vec!["BIG-REQUESTS".into(), "XC-MISC".into()];
        let mut x11 = connected(server);
        x11.display = display("localhost:10.0", 10, Reach::Loopback);
        let finding = only_finding(&CHECK, &facts(x11.clone()));
        assert_eq!(finding.kind.id, "x11-untrusted-cookie");
        assert!(told(&finding).contains("ssh -Y") && told(&finding).contains("BIG-REQUESTS and XC-MISC"));
        x11.display = display(":0", 0, Reach::Local);
        assert!(!told(&only_finding(&CHECK, &facts(x11))).contains("ssh -X"), "nobody forwarded a local display");
    }

    #[test]
    fn a_trusted_client_passes_and_an_unknown_one_is_unknown() {
        assert_eq!(CHECK.judge(&facts(connected(xorg()))), Outcome::Pass);
        let mut server = xorg();
        server.extensions.clear();
        assert!(matches!(CHECK.judge(&facts(connected(server))), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&facts(X11::default())), Outcome::Skipped(_)));
    }
}
