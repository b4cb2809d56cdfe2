//! Inside of a virtual machine: are the guest additions at work?

use super::guest;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Connection, Facts, ProbeId};
use crate::finding::{FindingKind, Severity};
use crate::packages::{Package, install};

pub(super) static CHECK: Check = Check {
    id: "vbox-additions",
    category: Category::Virtualbox,
    question: "Are the guest additions of VirtualBox at work?",
    needs: &[ProbeId::Virtualbox],
    findings: &[&MISSING],
    run,
};

static MISSING: FindingKind = FindingKind {
    id: "vbox-guest-additions",
    code: "CD1406",
    severity: Severity::Warning,
    title: "The guest additions are not at work in this virtual machine",
    why: "The guest additions are VirtualBox's drivers for the system inside. Without them no folder of the computer around it can be used, the screen keeps \
          its first, small size, and windows are drawn slowly, in 3D without any help of the computer's graphics card.",
    cure: "Choose \"Insert Guest Additions CD image\" in the menu Devices of the machine's window, run VBoxLinuxAdditions.run of that CD, and restart the \
           virtual machine.",
    example: "mount: /media/sf_home: unknown filesystem type 'vboxsf'.",
    since: "0.1.0",
};

static BUILD: Package = Package {
    apt: Some("build-essential dkms linux-headers-\"$(uname -r)\""),
    dnf: Some("gcc make perl kernel-devel-\"$(uname -r)\""),
    zypper: None,
    pacman: None,
};

fn run(facts: &Facts) -> Outcome {
    let guest = match guest(facts) {
        Ok(guest) => guest,
        Err(outcome) => return outcome,
    };
    match guest.additions {
        Some(true) => Outcome::Pass,
        None => Outcome::Unknown("whether there is /dev/vboxguest is not known".to_owned()),
        Some(false) => {
            // A machine without a screen needs neither its size nor its speed.
            let drawn_on = facts.x11.as_ref().is_some_and(|x11| !matches!(x11.connection, Connection::NoDisplay));
            let finding = MISSING
                .found()
                .severity(if drawn_on { Severity::Warning } else { Severity::Info })
                .evidence("/dev/vboxguest, through which the guest additions speak with VirtualBox, is not there");
            let finding = match install(facts, &BUILD) {
                Some(command) => finding.advise_command("Install what their modules are built with:", command),
                None => finding.advise(
                    "Install what their modules are built with: a C compiler, make, perl and the headers of the running kernel.",
                ),
            };
            let finding = finding
                .then("In the menu Devices of the machine's window, choose \"Insert Guest Additions CD image…\".")
                .then("Run VBoxLinuxAdditions.run of the CD as administrator, and restart the virtual machine.");
            Outcome::Findings(vec![finding])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{VirtualBox, VirtualBoxGuest, X11, XServer};
    use crate::image::tests::{answered, findings};

    fn guest(additions: Option<bool>, connection: Connection) -> Facts {
        let guest = Some(VirtualBoxGuest { additions, ..VirtualBoxGuest::default() });
        let x11 = Some(X11 { connection, ..X11::default() });
        Facts { virtualbox: Some(VirtualBox { guest, ..VirtualBox::default() }), x11, ..answered() }
    }

    #[test]
    fn they_matter_where_something_is_drawn() {
        let desktop = || Connection::Connected(Box::<XServer>::default());
        assert_eq!(findings(&CHECK, &guest(Some(false), desktop()))[0].severity, Severity::Warning);
        assert_eq!(findings(&CHECK, &guest(Some(false), Connection::NoDisplay))[0].severity, Severity::Info);
        assert_eq!(CHECK.judge(&guest(Some(true), desktop())), Outcome::Pass);
        assert!(matches!(CHECK.judge(&guest(None, desktop())), Outcome::Unknown(_)));
        let host = Facts { virtualbox: Some(VirtualBox::default()), ..answered() };
        assert!(matches!(CHECK.judge(&host), Outcome::Skipped(_)));
    }
}
