//! The device nodes of NVIDIA's driver: are they there, and may this user open them?

use super::{running, until_then};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Connection, DeviceNode, Facts, Gpu, Job, Nvidia, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};
use crate::gl::{CLOSED_OTHERWISE, is_elsewhere, permits};

pub(super) static CHECK: Check = Check {
    id: "nvidia-devices",
    category: Category::Nvidia,
    question: "Can you use the device nodes of NVIDIA's driver?",
    needs: &[ProbeId::Gpu],
    findings: &[&MISSING, &PERMISSION],
    run,
};

static PERMISSION: FindingKind = FindingKind {
    id: "nvidia-device-permission",
    code: "CD0303",
    severity: Severity::Error,
    title: "You may not open the device nodes of NVIDIA's driver",
    why: "Programs reach the card through /dev/nvidiactl and /dev/nvidia0, /dev/nvidia1 and so on. Whoever may not open them gets no \
          NVIDIA OpenGL, neither on the machine nor in a container, and casa_distro does not choose the mode nv. Some distributions \
          open the nodes to a group only; batch schedulers open them only to jobs that asked for a card.",
    cure: "Have an administrator add you to the nodes' group (usually video), then log out and in again; in a batch job, ask the \
           scheduler for a card.",
    example: "Failed to initialize NVML: Insufficient Permissions",
    since: "0.1.0",
};

static MISSING: FindingKind = FindingKind {
    id: "nvidia-device-missing",
    code: "CD0304",
    severity: Severity::Error,
    title: "The device nodes of NVIDIA's driver do not exist",
    why: "NVIDIA's driver is loaded, but nobody has made the nodes in /dev through which programs reach it. On the machine they are \
          made by nvidia-modprobe, when the first program of root or of NVIDIA asks for them; they cannot be made from inside a \
          container, so the mode nv fails.",
    cure: "Make them once after each start of the machine with nvidia-modprobe, or let nvidia-persistenced do it.",
    example: "ls: cannot access '/dev/nvidia*': No such file or directory",
    since: "0.1.0",
};

/// The group id that stands for ids which are unknown in a user namespace (/proc/sys/kernel/overflowgid).
const NOBODY: u32 = 65534;

const CONTROL: &str = "nvidiactl";

/// What to do in a container that lacks the driver's nodes or libraries.
pub(super) const WITH_CARDS: &str = "Neither the driver's libraries nor its device nodes can be made from inside a container. Start it with the \
     cards: with Apptainer --nv, with Docker --gpus all, with Podman --device nvidia.com/gpu=all.";

fn run(facts: &Facts) -> Outcome {
    let (gpu, version, nvidia) = match running(facts) {
        Ok(running) => running,
        Err(outcome) => return outcome,
    };
    let missing = missing(nvidia, gpu).map(|names| absent(facts, gpu, version, &names));
    let closed = closed(nvidia).map(|closed| denied(facts, gpu, &closed));
    Outcome::of([missing, closed].into_iter().flatten().collect())
}

/// The nodes of the cards themselves, such as `/dev/nvidia0`.
pub fn card_nodes(nodes: &[DeviceNode]) -> impl Iterator<Item = &DeviceNode> {
    nodes.iter().filter(|node| is_card(node))
}

/// The node that keeps this user from every card: the control node, or that of a card when none can be used. A batch job is given
/// some of the cards, and the nodes of the others are closed to it.
#[must_use]
pub fn closed_node(nodes: &[DeviceNode]) -> Option<&DeviceNode> {
    let control = nodes.iter().find(|node| name(node) == CONTROL && !node.usable);
    control.or_else(|| if card_nodes(nodes).any(|node| node.usable) { None } else { card_nodes(nodes).next() })
}

/// The node without which no card can be reached and which does not exist.
pub(crate) fn missing_node(nodes: &[DeviceNode]) -> Option<&'static str> {
    if !nodes.iter().any(|node| name(node) == CONTROL) {
        return Some(CONTROL);
    }
    (card_nodes(nodes).next().is_none()).then_some("nvidia0")
}

fn name(node: &DeviceNode) -> &str {
    node.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Whether the node is a card itself, such as `nvidia0`.
fn is_card(node: &DeviceNode) -> bool {
    name(node).strip_prefix("nvidia").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The nodes without which nothing works: the control node, and one card. `nvidia-modeset` and `nvidia-uvm` are made when they
/// are asked for.
fn missing(nvidia: &Nvidia, gpu: &Gpu) -> Option<Vec<String>> {
    let has = |wanted: &str| nvidia.nodes.iter().any(|node| name(node) == wanted);
    let mut names: Vec<String> = (!has(CONTROL)).then(|| CONTROL.to_owned()).into_iter().collect();
    let cards = nvidia.minors.iter().map(|minor| format!("nvidia{minor}"));
    if !nvidia.nodes.iter().any(is_card) {
        names.extend(if nvidia.minors.is_empty() { vec!["nvidia0".to_owned()] } else { cards.collect() });
    } else if gpu.job.is_none() {
        // In a job the nodes of the other cards may be kept away on purpose.
        names.extend(cards.filter(|card| !has(card)));
    }
    (!names.is_empty()).then_some(names)
}

fn absent(facts: &Facts, gpu: &Gpu, version: &str, names: &[String]) -> Finding {
    let some_card = gpu.nvidia.iter().flat_map(|nvidia| &nvidia.nodes).any(is_card);
    let control = names.iter().any(|name| name == CONTROL);
    let verb = if names.len() == 1 { "does" } else { "do" };
    let names = names.iter().map(|name| format!("/dev/{name}")).collect::<Vec<_>>().join(", ");
    let mut finding = MISSING
        .found()
        .severity(if some_card && !control { Severity::Warning } else { Severity::Error })
        .title(format!("NVIDIA's driver is loaded, but {names} {verb} not exist"))
        .evidence(format!("/proc/driver/nvidia/version: the kernel runs {version}"))
        .evidence(format!("not there: {names}"));
    if let Some(container) = facts.session.as_ref().and_then(|session| session.inside_container.as_deref()) {
        return finding.evidence(format!("casa-doctor itself runs in a container ({container})")).advise(WITH_CARDS);
    }
    if gpu.nvidia_tools.iter().any(|tool| tool == "nvidia-modprobe") {
        finding = finding.advise_command("Have the nodes made:", "nvidia-modprobe -c 0 -u -m");
    } else {
        finding = finding.evidence("nvidia-modprobe, which makes them, is not on PATH").advise_command(
            "Have the nodes made by starting a program of NVIDIA as root, and install nvidia-modprobe, which does it from then on.",
            "sudo nvidia-smi",
        );
    }
    until_then(facts, finding)
}

/// The nodes that this user may not open, and whether something can be reached all the same.
fn closed(nvidia: &Nvidia) -> Option<Vec<&DeviceNode>> {
    let closed: Vec<_> = nvidia.nodes.iter().filter(|node| !node.usable && (is_card(node) || name(node) == CONTROL)).collect();
    (!closed.is_empty()).then_some(closed)
}

fn denied(facts: &Facts, gpu: &Gpu, closed: &[&DeviceNode]) -> Finding {
    let nodes = gpu.nvidia.iter().flat_map(|nvidia| &nvidia.nodes);
    let one_card_is_open = nodes.filter(|node| is_card(node)).any(|node| node.usable);
    let control_is_closed = closed.iter().any(|node| name(node) == CONTROL);
    let by_cgroup = closed.iter().any(|node| node.refused_by_cgroup);
    let finding = closed.iter().fold(PERMISSION.found(), |finding, node| finding.evidence(in_words(node)));
    let finding = gpu.job.iter().fold(finding, |finding, job| {
        let given = match cards_of(job) {
            Some(gpus) => format!(", which was given the cards {gpus}"),
            // Not every scheduler names the cards that it opens.
            None if one_card_is_open && job.gpus.is_none() => String::new(),
            None => ", which was given no card".to_owned(),
        };
        finding.evidence(format!("this is a job of {}{given}", job.scheduler))
    });
    if one_card_is_open && !control_is_closed {
        let finding = finding.severity(Severity::Info).title("Some of the NVIDIA cards are closed to you");
        return finding
            .advise("Another card can be used. Nothing has to be done, as a rule: a job is given some of the cards only.");
    }
    if let Some(job) = gpu.job.as_ref().filter(|job| cards_of(job).is_none() && draws_on_no_screen_of_this_machine(facts)) {
        // What a job did not ask for it is not given, and nothing here would draw with it.
        let finding = finding.severity(Severity::Info).title(format!("This job of {} was given no NVIDIA card", job.scheduler));
        return ask_the_scheduler(finding.advise("Nothing has to be done for work without a card."), Some(job));
    }
    if by_cgroup {
        let finding = finding.title("A device cgroup keeps you from the NVIDIA card");
        return until_then(facts, ask_the_scheduler(finding, gpu.job.as_ref()));
    }
    let Some(node) = closed.first() else { return finding };
    let groups = facts.session.as_ref().map(|session| session.groups.as_slice()).unwrap_or_default();
    let path = node.path.display();
    let group_may = node.mode.is_some_and(|mode| mode & 0o060 == 0o060);
    let finding = match (node.group, &node.group_name) {
        _ if permits(node, groups) => finding.advise(CLOSED_OTHERWISE),
        (Some(NOBODY), _) => finding.advise(
            "The node's group is not known in this container: the engine that started it must keep your groups (with Podman, \
             --group-add keep-groups) or pass the device.",
        ),
        (Some(group), Some(group_name)) if group_may && group != 0 && !groups.contains(&group) => finding
            .title(format!("Only the group {group_name} may open the device nodes of NVIDIA's driver, and you are not in it"))
            .advise_command(
                format!("Have an administrator add you to the group {group_name}, then log out and in again."),
                format!("sudo usermod -aG {group_name} {}", crate::this_user(facts)),
            ),
        (Some(group), None) if group_may && group != 0 && !groups.contains(&group) => finding.advise_command(
            "Have an administrator add you to the node's group, then log out and in again.",
            format!("sudo usermod -aG \"$(stat -c %G {path})\" {}", crate::this_user(facts)),
        ),
        _ => finding.advise_command(
            "The nodes are closed to everybody but root. An administrator can look at the driver's settings: \
             NVreg_DeviceFileMode should be 0666, or 0660 with a group. The file tells it as a decimal number: 438 or 432.",
            "grep -E 'DeviceFile' /proc/driver/nvidia/params",
        ),
    };
    let finding = if gpu.job.is_some() { ask_the_scheduler(finding, gpu.job.as_ref()) } else { finding };
    until_then(facts, finding)
}

/// The cards that a job was given. Slurm writes "NoDevFiles" for none.
fn cards_of(job: &Job) -> Option<&str> {
    job.gpus.as_deref().filter(|gpus| !matches!(*gpus, "NoDevFiles" | "-1"))
}

/// Whether it is known that there is no screen of this machine to draw on: no display at all, or one that ssh forwards.
fn draws_on_no_screen_of_this_machine(facts: &Facts) -> bool {
    facts.x11.as_ref().is_some_and(|x11| x11.connection == Connection::NoDisplay) || is_elsewhere(facts)
}

fn ask_the_scheduler(finding: Finding, job: Option<&Job>) -> Finding {
    match job.map(|job| job.scheduler.as_str()) {
        Some("Slurm") => {
            finding.advise_command("Ask for a card when you start the job, if you need one.", "srun --gres=gpu:1 --pty bash")
        }
        Some(scheduler) => finding.advise(format!("Ask {scheduler} for a card when you start the job, if you need one.")),
        None => finding.advise("Ask for a card where this session was started: a scheduler or a container engine opens it there."),
    }
}

fn in_words(node: &DeviceNode) -> String {
    let path = node.path.display();
    if node.refused_by_cgroup {
        return format!("{path}: refused by a device cgroup (operation not permitted)");
    }
    let group = match (&node.group_name, node.group) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (None, Some(id)) => id.to_string(),
        _ => "not known".to_owned(),
    };
    let mode = node.mode.map_or_else(|| "not known".to_owned(), |mode| format!("{mode:04o}"));
    format!("{path}: no permission to read and write; group {group}, mode {mode}")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{beside_intel, finding, healthy, node};
    use super::*;
    use crate::facts::{DisplayName, Reach, Session, X11};

    fn with(nodes: Vec<DeviceNode>) -> Facts {
        let mut facts = healthy();
        facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().nodes = nodes;
        facts
    }

    fn closed(name: &str, group: u32, group_name: &str) -> DeviceNode {
        DeviceNode { usable: false, group: Some(group), group_name: Some(group_name.into()), mode: Some(0o660), ..node(name) }
    }

    #[test]
    fn nodes_that_nobody_made() {
        let found = finding(&CHECK, &with(vec![]));
        assert_eq!((found.kind.id, found.severity), ("nvidia-device-missing", Severity::Error));
        assert!(found.evidence[1].contains("/dev/nvidiactl") && found.evidence[1].contains("/dev/nvidia0"), "{found:?}");
        let mut facts = with(vec![]);
        facts.gpu.as_mut().unwrap().nvidia_tools = vec!["nvidia-modprobe".into()];
        assert!(finding(&CHECK, &facts).advice[0].command.as_deref().unwrap().starts_with("nvidia-modprobe"));
        facts.session = Some(Session { inside_container: Some("docker".into()), ..Session::default() });
        assert!(finding(&CHECK, &facts).advice[0].text.contains("--gpus all"));
    }

    #[test]
    fn a_second_card_may_lack_its_node_alone() {
        let mut facts = healthy();
        facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().minors = vec![0, 1];
        assert_eq!(finding(&CHECK, &facts).severity, Severity::Warning);
        facts.gpu.as_mut().unwrap().job = Some(Job { scheduler: "Slurm".into(), gpus: Some("0".into()) });
        assert_eq!(CHECK.judge(&facts), Outcome::Pass);
    }

    #[test]
    fn a_closed_node_names_its_group() {
        let facts = with(vec![closed("nvidia0", 44, "video"), closed("nvidiactl", 44, "video")]);
        let found = finding(&CHECK, &facts);
        assert_eq!((found.kind.id, found.severity), ("nvidia-device-permission", Severity::Error));
        assert!(found.evidence[0].contains("video (44)") && found.evidence[0].contains("0660"), "{found:?}");
        assert_eq!(found.advice[0].command.as_deref(), Some("sudo usermod -aG video \"$USER\""));
    }

    #[test]
    fn a_member_is_not_sent_to_join() {
        let mut facts = with(vec![closed("nvidia0", 44, "video"), closed("nvidiactl", 44, "video")]);
        facts.session.as_mut().unwrap().groups = vec![44];
        let found = finding(&CHECK, &facts);
        assert!(found.advice[0].text.contains("something else") && found.advice[0].command.is_none(), "{found:?}");
        let shut = ["nvidia0", "nvidiactl"].map(|name| DeviceNode { mode: Some(0o600), ..closed(name, 0, "root") });
        assert!(finding(&CHECK, &with(shut.into())).advice[0].text.contains("closed to everybody but root"));
    }

    #[test]
    fn a_job_without_a_card_is_sent_to_the_scheduler() {
        let cgroup = DeviceNode { usable: false, refused_by_cgroup: true, ..node("nvidia0") };
        let mut facts = with(vec![cgroup.clone(), node("nvidiactl")]);
        facts.gpu.as_mut().unwrap().job = Some(Job { scheduler: "Slurm".into(), gpus: None });
        let found = finding(&CHECK, &facts);
        assert_eq!(found.severity, Severity::Error);
        assert!(found.advice[0].command.as_deref().unwrap().contains("--gres=gpu:1"), "{found:?}");
        // One card of two is what a job is meant to have.
        let nodes = vec![cgroup, node("nvidia1"), node("nvidiactl")];
        facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().nodes = nodes;
        let found = finding(&CHECK, &facts);
        assert_eq!(found.severity, Severity::Info);
        // OAR opens a card and names it nowhere.
        assert!(found.evidence.contains(&"this is a job of Slurm".to_owned()), "{found:?}");
    }

    #[test]
    fn a_job_without_a_card_that_draws_on_no_screen_here_lacks_nothing() {
        let cgroup = DeviceNode { usable: false, refused_by_cgroup: true, ..node("nvidia0") };
        let mut facts = with(vec![cgroup, node("nvidiactl")]);
        facts.gpu.as_mut().unwrap().job = Some(Job { scheduler: "Slurm".into(), gpus: None });
        let forwarded = DisplayName { number: 10, reach: Reach::Loopback, ..DisplayName::default() };
        for display in [None, Some(forwarded)] {
            facts.x11 = Some(X11 { display, ..X11::default() });
            let found = finding(&CHECK, &facts);
            assert_eq!(found.severity, Severity::Info);
            assert!(
                found.advice.iter().any(|advice| advice.command.as_deref() == Some("srun --gres=gpu:1 --pty bash")),
                "{found:?}"
            );
        }
        facts.gpu.as_mut().unwrap().job = Some(Job { scheduler: "Slurm".into(), gpus: Some("NoDevFiles".into()) });
        assert_eq!(finding(&CHECK, &facts).severity, Severity::Info);
        // It asked for a card, and cannot open it.
        facts.gpu.as_mut().unwrap().job = Some(Job { scheduler: "Slurm".into(), gpus: Some("0".into()) });
        assert_eq!(finding(&CHECK, &facts).severity, Severity::Error);
    }

    #[test]
    fn where_another_card_draws_it_is_a_warning() {
        for nodes in [vec![], vec![closed("nvidia0", 44, "video"), closed("nvidiactl", 44, "video")]] {
            let found = finding(&CHECK, &beside_intel(with(nodes.clone())));
            assert_eq!(found.severity, Severity::Warning, "{found:?}");
            assert!(found.advice.last().unwrap().text.contains("mode container"), "{found:?}");
            let alone = finding(&CHECK, &with(nodes));
            assert_eq!(alone.severity, Severity::Error);
            assert!(alone.advice.last().unwrap().text.contains("mode software"), "{alone:?}");
        }
    }

    #[test]
    fn nodes_that_work_pass() {
        assert_eq!(CHECK.judge(&healthy()), Outcome::Pass);
        assert_eq!(CHECK.judge(&with(vec![node("nvidia0"), node("nvidiactl")])), Outcome::Pass, "the other nodes come on demand");
    }
}
