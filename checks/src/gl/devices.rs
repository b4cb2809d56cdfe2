//! The device nodes by which programs reach a card.

use crate::check::{Category, Check, Outcome};
use crate::facts::{DeviceNode, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "dri-access",
    category: Category::Rendering,
    question: "May you use the graphics cards' device nodes?",
    needs: &[ProbeId::Gpu],
    findings: &[&PERMISSION],
    run,
};

static PERMISSION: FindingKind = FindingKind {
    id: "dri-permission",
    code: "CD0210",
    severity: Severity::Warning,
    title: "You may not use a graphics card's device node",
    why: "Programs reach a card through its render node in /dev/dri. Whoever may not open it gets the software renderer, which is \
          slow. Who sits at the screen is let in by the desktop session; who comes by ssh, through a job scheduler or under WSL is \
          let in only as a member of the node's group.",
    cure: "Have an administrator add you to the node's group (usually render or video), then log out and in again.",
    example: "libGL error: failed to open /dev/dri/renderD128: Permission denied",
    since: "0.1.0",
};

/// The group id that stands for ids which are unknown in a user namespace (/proc/sys/kernel/overflowgid).
const NOBODY: u32 = 65534;

fn run(facts: &Facts) -> Outcome {
    let Some(gpu) = &facts.gpu else { return Outcome::Unknown("nothing is known of the graphics cards".into()) };
    if gpu.render_nodes.is_empty() {
        return Outcome::Skipped("there is no render node in /dev/dri".into());
    }
    let closed: Vec<&DeviceNode> = gpu.render_nodes.iter().filter(|node| !node.usable).collect();
    let Some(first) = closed.first() else { return Outcome::Pass };
    let finding = closed.iter().fold(PERMISSION.found(), |finding, node| finding.evidence(in_words(node)));
    // With one node open, a program draws on that card; the other one is for whoever asks for it.
    let finding = if closed.len() < gpu.render_nodes.len() {
        finding.severity(Severity::Info).evidence("another render node can be used")
    } else {
        finding
    };
    Outcome::Findings(vec![advise(finding, first, facts)])
}

fn in_words(node: &DeviceNode) -> String {
    let group = node.group.map_or_else(|| "not known".to_owned(), |group| group.to_string());
    let mode = node.mode.map_or_else(|| "not known".to_owned(), |mode| format!("{mode:04o}"));
    format!("{}: no permission to read and write; group {group}, mode {mode}", node.path.display())
}

fn advise(finding: Finding, node: &DeviceNode, facts: &Facts) -> Finding {
    let path = node.path.display();
    let groups = facts.session.as_ref().map(|session| session.groups.as_slice()).unwrap_or_default();
    match node.group {
        Some(NOBODY) => finding.advise(
            "The node's group is not known in this container: the engine that started it must keep your groups (with Podman, \
             --group-add keep-groups) or pass the device.",
        ),
        // The group of root is nobody's to join, and a node that is closed to its group is not opened by joining it.
        Some(group) if group == 0 || !groups.contains(&group) && node.mode.is_some_and(|mode| mode & 0o060 != 0o060) => finding
            .advise_command(
                "The node is closed to everybody but root. An administrator can have it made again as the system's rules mean it.",
                "sudo udevadm trigger --action=add --subsystem-match=drm",
            ),
        Some(group) if groups.contains(&group) => finding.advise_command(
            "You are in the node's group, so the node itself is closed to it: an administrator can open it again.",
            format!("sudo chmod g+rw {path}"),
        ),
        _ => finding.advise_command(
            "Have an administrator add you to the node's group, then log out and in again.",
            format!("sudo usermod -aG \"$(stat -c %G {path})\" {}", crate::this_user(facts)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{facts, session};
    use super::*;
    use crate::facts::{Gpu, Session};

    fn node(number: u32, usable: bool, group: u32) -> DeviceNode {
        DeviceNode {
            path: format!("/dev/dri/renderD{number}").into(),
            usable,
            group: Some(group),
            mode: Some(0o660),
            ..DeviceNode::default()
        }
    }

    #[test]
    fn nobody_is_sent_into_the_group_of_root_or_into_one_that_is_closed_out() {
        for node in [DeviceNode { mode: Some(0o600), ..node(128, false, 44) }, node(128, false, 0)] {
            let outcome = judge(vec![node], &[1000]);
            let Outcome::Findings(findings) = outcome else { panic!("{outcome:?}") };
            assert!(findings[0].advice[0].command.as_deref().is_some_and(|command| command.contains("udevadm")), "{findings:?}");
        }
    }

    fn judge(nodes: Vec<DeviceNode>, groups: &[u32]) -> Outcome {
        let session = Session { groups: groups.to_vec(), ..session(&[]) };
        CHECK.judge(&Facts { gpu: Some(Gpu { render_nodes: nodes, ..Gpu::default() }), session: Some(session), ..facts() })
    }

    fn finding(outcome: Outcome) -> Finding {
        match outcome {
            Outcome::Findings(mut findings) => findings.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn usable_nodes_pass_and_none_is_no_question() {
        assert_eq!(judge(vec![node(128, true, 105)], &[1000]), Outcome::Pass);
        assert_eq!(judge(vec![], &[1000]).word(), "skipped");
    }

    #[test]
    fn a_closed_node_names_its_group_and_the_command() {
        let found = finding(judge(vec![node(128, false, 105)], &[1000]));
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.evidence[0].contains("group 105") && found.evidence[0].contains("0660"), "{:?}", found.evidence);
        assert!(found.advice[0].command.as_deref().is_some_and(|command| command.contains("usermod")));
    }

    #[test]
    fn a_member_of_the_group_is_not_sent_to_join_it() {
        let found = finding(judge(vec![node(128, false, 105)], &[1000, 105]));
        assert!(found.advice[0].command.as_deref().is_some_and(|command| command.starts_with("sudo chmod")));
        let found = finding(judge(vec![node(128, false, NOBODY)], &[1000]));
        assert_eq!(found.advice[0].command, None);
    }

    #[test]
    fn one_open_node_is_enough() {
        assert_eq!(finding(judge(vec![node(128, true, 105), node(129, false, 105)], &[])).severity, Severity::Info);
    }
}
