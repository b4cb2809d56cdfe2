//! Inside of a virtual machine: may this user use the folders of the computer around it?

use super::guest;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "vbox-shared-folders",
    category: Category::Virtualbox,
    question: "May this user use the shared folders of the virtual machine?",
    needs: &[ProbeId::Session, ProbeId::Virtualbox],
    findings: &[&VBOXSF],
    run,
};

static VBOXSF: FindingKind = FindingKind {
    id: "vbox-vboxsf",
    code: "CD1404",
    severity: Severity::Error,
    title: "This user may not use the folders that are shared with the virtual machine",
    why: "Folders that VirtualBox mounts by itself (such as /media/sf_home) belong to root and the group vboxsf, and nobody else may look into them. A user \
          becomes a member of a group for sessions that begin later.",
    cure: "Make the user a member with sudo usermod -aG vboxsf $USER, then restart the virtual machine.",
    example: "ls: cannot open directory '/media/sf_home': Permission denied",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let guest = match guest(facts) {
        Ok(guest) => guest,
        Err(outcome) => return outcome,
    };
    if guest.shared_folders.is_empty() {
        return Outcome::Skipped("no folder is shared with this virtual machine".to_owned());
    }
    let closed: Vec<_> = guest.shared_folders.iter().filter(|folder| folder.usable == Some(false)).collect();
    if closed.is_empty() {
        return match guest.shared_folders.iter().find(|folder| folder.usable.is_none()) {
            Some(folder) => Outcome::Unknown(format!("whether {} can be used is not known", folder.path.display())),
            None => Outcome::Pass,
        };
    }
    let mut finding = VBOXSF.found();
    for folder in &closed {
        let group = folder.group.map(|group| format!(", of the group {group}")).unwrap_or_default();
        finding = finding.evidence(format!("{} is a folder of VirtualBox{group}: permission denied", folder.path.display()));
    }
    let in_session = guest.group.zip(facts.session.as_ref()).is_some_and(|(group, session)| session.groups.contains(&group));
    Outcome::Findings(vec![advised(finding, guest.group, guest.member, in_session)])
}

fn advised(finding: Finding, group: Option<u32>, member: Option<bool>, in_session: bool) -> Finding {
    let join = "Become a member of the group, then restart the virtual machine.";
    let command = "sudo usermod -aG vboxsf \"$USER\"";
    match (group, member) {
        (Some(group), _) if in_session => finding
            .evidence(format!("this session is in the group vboxsf ({group}), which the folder does not admit"))
            .advise("Look at the mount's options in /proc/mounts: they name the owner and the group. Mount the folder again with gid=vboxsf."),
        (Some(group), Some(true)) => finding
            .evidence(format!("/etc/group makes this user a member of vboxsf ({group}), and this session began before"))
            .advise_command("Restart the virtual machine: groups are given at log-in.", "sudo reboot"),
        (Some(group), _) => finding.evidence(format!("this session is not in the group vboxsf ({group})")).advise_command(join, command),
        (None, _) => finding
            .evidence("/etc/group has no group vboxsf, which the guest additions make")
            .advise("Install the guest additions (menu Devices of the machine's window).")
            .then_command(join, command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Session, SharedFolder, VirtualBox, VirtualBoxGuest};
    use crate::image::tests::{answered, findings};

    fn guest(usable: Option<bool>, member: bool, groups: Vec<u32>) -> Facts {
        let folder = SharedFolder { path: "/media/sf_home".into(), usable, group: Some(998) };
        let guest = VirtualBoxGuest { shared_folders: vec![folder], group: Some(998), member: Some(member), additions: Some(true) };
        let session = Some(Session { groups, ..Session::default() });
        Facts { session, virtualbox: Some(VirtualBox { guest: Some(guest), ..VirtualBox::default() }), ..answered() }
    }

    #[test]
    fn a_closed_folder_is_told_with_the_way_in() {
        let stranger = findings(&CHECK, &guest(Some(false), false, vec![1000])).remove(0);
        assert_eq!((stranger.kind.id, stranger.severity), ("vbox-vboxsf", Severity::Error));
        assert!(stranger.advice[0].command.as_deref().unwrap().contains("usermod -aG vboxsf"));
        let too_early = findings(&CHECK, &guest(Some(false), true, vec![1000])).remove(0);
        assert_eq!(too_early.advice[0].command.as_deref(), Some("sudo reboot"));
        let admitted = findings(&CHECK, &guest(Some(false), true, vec![998])).remove(0);
        assert!(admitted.advice[0].text.contains("/proc/mounts"));
    }

    #[test]
    fn an_open_folder_is_enough_whatever_the_groups() {
        assert_eq!(CHECK.judge(&guest(Some(true), false, vec![1000])), Outcome::Pass);
        assert!(matches!(CHECK.judge(&guest(None, false, vec![1000])), Outcome::Unknown(_)));
        let host = Facts { virtualbox: Some(VirtualBox::default()), ..answered() };
        assert!(matches!(CHECK.judge(&host), Outcome::Skipped(_)));
    }
}
