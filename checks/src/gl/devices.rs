//! The device nodes by which programs reach a card.

use super::drawing_cards;
use crate::check::{Category, Check, Outcome};
use crate::facts::{DeviceNode, Facts, Gpu, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};
use crate::nvidia::{closed_node, missing_node};

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
    } else if goes_by_its_own_nodes(gpu) {
        finding.severity(Severity::Info).evidence(
            "NVIDIA's driver draws by way of /dev/nvidiactl and /dev/nvidia0, which you may use, with or without this node",
        )
    } else {
        finding
    };
    Outcome::Findings(vec![advise(finding, first, facts)])
}

/// Whether every card that draws is one of NVIDIA's own driver, which needs no render node, and can be used.
fn goes_by_its_own_nodes(gpu: &Gpu) -> bool {
    let of_nvidia = drawing_cards(Some(gpu)).all(|card| card.driver.as_deref().is_some_and(|driver| driver.starts_with("nvidia")));
    let nodes = gpu.nvidia.as_ref().map(|nvidia| nvidia.nodes.as_slice()).unwrap_or_default();
    of_nvidia && missing_node(nodes).is_none() && closed_node(nodes).is_none()
}

/// Whether owner, group and mode of a node that is closed to this user would let him in.
pub(crate) fn permits(node: &DeviceNode, groups: &[u32]) -> bool {
    let may = |bits: u32| node.mode.is_some_and(|mode| mode & bits == bits);
    // What is meant for everybody is kept from the group where the group has less.
    if node.group.is_some_and(|group| groups.contains(&group)) { may(0o060) } else { may(0o006) }
}

/// What to do about a node that is closed for another reason than its permissions.
pub(crate) const CLOSED_OTHERWISE: &str = "The permissions of the node would let you in, so that something else keeps you out: SELinux, or the container \
     or service in which this session runs. What started the session must pass the device on.";

fn in_words(node: &DeviceNode) -> String {
    if node.refused_by_cgroup {
        return format!("{}: refused by a device cgroup (operation not permitted)", node.path.display());
    }
    let group = node.group.map_or_else(|| "not known".to_owned(), |group| group.to_string());
    let mode = node.mode.map_or_else(|| "not known".to_owned(), |mode| format!("{mode:04o}"));
    format!("{}: no permission to read and write; group {group}, mode {mode}", node.path.display())
}

fn advise(finding: Finding, node: &DeviceNode, facts: &Facts) -> Finding {
    let path = node.path.display();
    let groups = facts.session.as_ref().map(|session| session.groups.as_slice()).unwrap_or_default();
    match node.group {
        _ if node.refused_by_cgroup || permits(node, groups) => finding.advise(CLOSED_OTHERWISE),
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
    use crate::facts::{Card, Nvidia, Session};

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
        let shut = DeviceNode { mode: Some(0o600), ..node(128, false, 105) };
        let found = finding(judge(vec![shut], &[1000, 105]));
        assert!(found.advice[0].command.as_deref().is_some_and(|command| command.starts_with("sudo chmod")));
        let found = finding(judge(vec![node(128, false, NOBODY)], &[1000]));
        assert_eq!(found.advice[0].command, None);
    }

    #[test]
    fn what_permissions_do_not_explain_is_not_cured_by_them() {
        let by_cgroup = DeviceNode { refused_by_cgroup: true, ..node(128, false, 105) };
        let for_all = DeviceNode { mode: Some(0o666), ..node(128, false, 105) };
        for (node, groups) in [(by_cgroup, vec![1000]), (for_all, vec![1000]), (node(128, false, 105), vec![1000, 105])] {
            let found = finding(judge(vec![node], &groups));
            assert_eq!(found.advice[0].command, None, "{found:?}");
            assert!(found.advice[0].text.contains("something else"), "{found:?}");
        }
    }

    #[test]
    fn a_server_whose_only_card_is_of_nvidias_own_driver_needs_no_render_node() {
        let usable = |name: &str| DeviceNode { path: format!("/dev/{name}").into(), usable: true, ..DeviceNode::default() };
        let card = |driver: &str| Card { name: "card0".into(), driver: Some(driver.into()), ..Card::default() };
        let gpu = |cards: &[&str], nodes: &[&str]| Gpu {
            cards: cards.iter().map(|driver| card(driver)).collect(),
            render_nodes: vec![node(128, false, 105)],
            nvidia: Some(Nvidia { nodes: nodes.iter().map(|name| usable(name)).collect(), ..Nvidia::default() }),
            ..Gpu::default()
        };
        let nodes = ["nvidia0", "nvidiactl"];
        for (gpu, severity) in [
            (gpu(&["ast", "nvidia"], &nodes), Severity::Info),
            (gpu(&["i915", "nvidia"], &nodes), Severity::Warning),
            (gpu(&["nvidia"], &[]), Severity::Warning),
        ] {
            let facts = Facts { gpu: Some(gpu), session: Some(session(&[])), ..facts() };
            assert_eq!(finding(CHECK.judge(&facts)).severity, severity, "{facts:?}");
        }
    }

    #[test]
    fn one_open_node_is_enough() {
        assert_eq!(finding(judge(vec![node(128, true, 105), node(129, false, 105)], &[])).severity, Severity::Info);
    }
}
