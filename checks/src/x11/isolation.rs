//! Does the container, as it is configured, keep programs away from the X server?

mod options;

use self::options::Options;
use super::server;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Environment, Facts, Mount, ProbeId, Reach, X11, XServer};
use crate::finding::{Change, Edit, Finding, FindingKind, Safety, Severity};

pub(super) static CHECK: Check = Check {
    id: "x11-isolation",
    category: Category::X11,
    question: "Does the container, as configured, leave the way to the X server open?",
    needs: &[ProbeId::Environment, ProbeId::X11],
    findings: &[&SHM_ISOLATED, &SOCKET_HIDDEN],
    run,
};

/// The container has shared memory of its own while the server offers to use the machine's.
static SHM_ISOLATED: FindingKind = FindingKind {
    id: "x11-shm-isolated",
    code: "CD0111",
    severity: Severity::Warning,
    title: "The container has shared memory of its own, and the X server offers to use the machine's",
    why: "Programs hand pictures to a local X server through shared memory (its extension MIT-SHM). In a container with an IPC \
          namespace of its own the server cannot see that memory. Programs of a recent Qt notice and do without (5.15 was tried); older \
          ones and others show blank windows, or end with BadAccess.",
    cure: "Start the container without the option that makes the namespace (for Docker and Podman: with --ipc=host, which casa-doctor run gives by itself), or tell Qt not to use \
           shared memory: QT_X11_NO_MITSHM=1.",
    example: "X Error: BadAccess (attempt to access private resource denied) 10\n  Extension: 130 (MIT-SHM)\n  Minor opcode: 1 (X_ShmAttach)",
    since: "0.1.0",
};

/// The container does not see the X server's socket.
static SOCKET_HIDDEN: FindingKind = FindingKind {
    id: "x11-socket-hidden",
    code: "CD0112",
    severity: Severity::Error,
    title: "The container does not see the socket of the X server",
    why: "A local X server is reached through a socket in /tmp/.X11-unix, and a display that ssh forwards through a port of this \
          machine. A container with a /tmp or a network of its own does not have them, and no window opens in it, though windows \
          open outside.",
    cure: "Remove the option, or mount /tmp/.X11-unix into the container.",
    example: "Error: Can't open display: :0",
    since: "0.1.0",
};

/// Where local X servers have their sockets.
const SOCKET_DIRECTORY: &str = "/tmp/.X11-unix";
/// The variable that keeps Qt from using shared memory with the X server.
const QT_NO_SHM: &str = "QT_X11_NO_MITSHM";

fn run(facts: &Facts) -> Outcome {
    let (x11, server) = match server(facts) {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let Some(environment) = facts.environment.as_ref().and_then(|search| search.found.as_ref()) else {
        return Outcome::Skipped("there is no casa-distro environment".to_owned());
    };
    let kind = merged_text(environment, "container_type").unwrap_or_default();
    if !matches!(kind, "singularity" | "apptainer" | "apptainer_pixi" | "docker" | "podman") {
        return Outcome::Skipped(format!("a container of type \"{kind}\" has a display of its own"));
    }
    let Some(display) = &x11.display else { return Outcome::Unknown("the display's name was not recorded".to_owned()) };
    let options = Options::read(environment);
    let by_name = matches!(kind, "docker" | "podman");
    let shared = if by_name { options.named_images_share_ipc() } else { options.ipc.is_none() };
    let mut findings = Vec::new();
    if display.reach == Reach::Local && !shared && server.extensions.iter().any(|name| name == "MIT-SHM") {
        findings.extend(isolated_memory(environment, server, &options));
    }
    if !by_name {
        findings.extend(hidden_socket(environment, x11, server, &options, display.reach));
    }
    Outcome::of(findings)
}

fn isolated_memory(environment: &Environment, server: &XServer, options: &Options<'_>) -> Option<Finding> {
    if tells_qt(environment) {
        return None;
    }
    let file = &environment.file.path;
    let finding = SHM_ISOLATED.found().evidence(format!("{}: the X server offers MIT-SHM", server.address));
    let finding = match &options.ipc {
        Some(word) => {
            finding.evidence(word.tell()).advise(format!("If nothing needs {}, remove it from {}.", word.text, word.place()))
        }
        None => finding,
    };
    let edit = Edit::new(file, format!("/gui_env/{QT_NO_SHM}"), Change::Set { to: "1".into() }, &SHM_ISOLATED);
    Some(finding.fix(format!("Tell Qt programs in the container not to use shared memory: {QT_NO_SHM}=1."), Safety::Safe, [edit]))
}

/// Whether the configuration sets Qt's variable already.
fn tells_qt(environment: &Environment) -> bool {
    let merged = environment.merged.as_ref();
    ["env", "gui_env"].iter().any(|key| merged.and_then(|merged| merged.get(key)?.get(QT_NO_SHM)).is_some())
}

fn hidden_socket(environment: &Environment, x11: &X11, server: &XServer, options: &Options<'_>, reach: Reach) -> Option<Finding> {
    if let (Reach::Loopback, Some(word)) = (reach, &options.network) {
        let display = x11.display.as_ref().map_or("", |display| &display.text);
        let finding = SOCKET_HIDDEN.found().title("The container has a network of its own and does not see the forwarded display");
        return Some(
            finding
                .evidence(format!("DISPLAY={display} is a port of this machine: {}", server.address))
                .evidence(word.tell())
                .advise(format!("Remove {} from {}.", word.text, word.place())),
        );
    }
    if reach != Reach::Local || options.binds.iter().any(|inside| shows_socket(inside)) {
        return None;
    }
    let shown = environment.mounts.iter().any(|mount| is_made(mount) && shows_socket(mount.place()) && !replaces_tmp(mount));
    let replaced = environment.mounts.iter().find(|mount| is_made(mount) && replaces_tmp(mount));
    if shown {
        return None;
    }
    let evidence = match (&options.tmp, replaced) {
        (Some(word), _) => word.tell(),
        (None, Some(mount)) => format!(
            "{}: \"mounts\" puts {} in the place of /tmp",
            environment.file.path.display(),
            mount.resolved.as_ref().map_or_else(String::new, |path| path.display().to_string()),
        ),
        (None, None) => return None,
    };
    let abstractly = server.address.starts_with('@') && options.network.is_none();
    let finding = SOCKET_HIDDEN.found().evidence(evidence).evidence(format!("the X server was reached at {}", server.address));
    let finding = if abstractly {
        // Tried: an older libxcb in such a container reaches the server through the abstract socket of the shared network.
        finding
            .severity(Severity::Info)
            .title("The container sees the X server by its abstract socket only, which newer programs do not use")
    } else {
        finding
    };
    let key = format!("/mounts/{}", SOCKET_DIRECTORY.replace('/', "~1"));
    let edit = Edit::new(&environment.file.path, key, Change::Set { to: SOCKET_DIRECTORY.into() }, &SOCKET_HIDDEN);
    let finding = finding.fix(format!("Mount {SOCKET_DIRECTORY} into the container."), Safety::Safe, [edit]);
    Some(match &options.tmp {
        Some(word) => finding.advise(format!("Or, if nothing needs {}, remove it from {}.", word.text, word.place())),
        None => finding,
    })
}

fn merged_text<'a>(environment: &'a Environment, key: &str) -> Option<&'a str> {
    environment.merged.as_ref()?.get(key)?.as_str()
}

/// Whether a path in the container, when it shows what stands there on the machine, shows the sockets.
fn shows_socket(inside: &str) -> bool {
    let path = inside.trim_end_matches('/');
    path == "/tmp" || path == SOCKET_DIRECTORY || path.starts_with("/tmp/.X11-unix/")
}

/// Whether casa_distro really makes the mount: it passes over those whose source is missing.
fn is_made(mount: &Mount) -> bool {
    mount.host.is_some() && mount.exists != Some(false)
}

/// Whether another directory takes the place of /tmp.
fn replaces_tmp(mount: &Mount) -> bool {
    let other = mount.resolved.as_ref().is_some_and(|path| path.as_os_str() != "/tmp");
    mount.place() == "/tmp" && other
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::super::testing::{connected, display, facts, only_finding, told, xorg};
    use super::*;
    use crate::facts::{ConfigFile, EnvironmentSearch};

    fn environment(kind: &str, options: &[&str]) -> Environment {
        let value = json!({"container_type": kind, "container_options": options});
        let lines = (0..options.len()).map(|index| (format!("/container_options/{index}"), 7)).collect();
        Environment {
            directory: "/env".into(),
            file: ConfigFile {
                path: "/env/conf/casa_distro.json".into(),
                value: Some(value.clone()),
                lines,
                ..ConfigFile::default()
            },
            merged: Some(value),
            ..Environment::default()
        }
    }

    fn machine(environment: Environment, address: &str) -> Facts {
        let mut server = xorg();
        server.address = address.into();
        let mut facts = facts(connected(server));
        facts.environment =
            Some(EnvironmentSearch { named_by: "argument".into(), found: Some(environment), ..EnvironmentSearch::default() });
        facts
    }

    fn ids(facts: &Facts) -> Vec<&'static str> {
        match CHECK.judge(facts) {
            Outcome::Pass => Vec::new(),
            Outcome::Findings(findings) => findings.iter().map(|finding| finding.kind.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    const ABSTRACT: &str = "@/tmp/.X11-unix/X0";
    const FILE: &str = "/tmp/.X11-unix/X0";

    #[test]
    fn options_are_judged_by_what_apptainer_makes_of_them() {
        for (options, expected) in [
            (&[][..], &[][..]),
            (&["--cleanenv", "--nv"], &[]),
            (&["--ipc"], &["x11-shm-isolated"]),
            (&["-i"], &["x11-shm-isolated"]),
            (&["--ipc=false"], &[]),
            (&["--contain"], &["x11-socket-hidden"]),
            (&["-ec"], &["x11-socket-hidden"]),
            (&["-C"], &["x11-shm-isolated", "x11-socket-hidden"]),
            (&["--containall"], &["x11-shm-isolated", "x11-socket-hidden"]),
            (&["--compat"], &["x11-shm-isolated", "x11-socket-hidden"]),
            (&["--no-mount", "home,tmp"], &["x11-socket-hidden"]),
            (&["--contain", "--bind", "/tmp/.X11-unix"], &[]),
            (&["--contain", "-B", "/a:/b,/tmp/.X11-unix:/tmp/.X11-unix:ro"], &[]),
            (&["--contain", "--bind=/tmp"], &[]),
            (&["--contain", "--bind", "/data"], &["x11-socket-hidden"]),
            (&["--bind", "--contain"], &[]),
            (&["-B/C:/i"], &[]),
        ] {
            assert_eq!(ids(&machine(environment("singularity", options), FILE)), expected, "{options:?}");
        }
    }

    #[test]
    fn containers_of_docker_share_memory_unless_the_configuration_says_otherwise() {
        for (options, expected) in [
            (&["--net=host"][..], &[][..]),
            (&["--ipc=host"], &[]),
            (&["--ipc", "host"], &[]),
            (&["--ipc=private"], &["x11-shm-isolated"]),
            (&["--ipc", "private"], &["x11-shm-isolated"]),
        ] {
            for kind in ["docker", "podman"] {
                assert_eq!(ids(&machine(environment(kind, options), FILE)), expected, "{options:?}");
            }
        }
    }

    #[test]
    fn the_abstract_socket_makes_it_a_remark() {
        let finding = only_finding(&CHECK, &machine(environment("apptainer", &["--contain"]), ABSTRACT));
        assert_eq!((finding.kind.id, finding.severity), ("x11-socket-hidden", Severity::Info));
        let finding = only_finding(&CHECK, &machine(environment("apptainer", &["--contain", "--net"]), ABSTRACT));
        assert_eq!(finding.severity, Severity::Error, "the abstract socket belongs to the network");
    }

    #[test]
    fn the_evidence_names_file_line_and_option_and_the_cure_is_an_edit() {
        let finding = only_finding(&CHECK, &machine(environment("singularity", &["--ipc"]), FILE));
        assert!(
            told(&finding).contains("/env/conf/casa_distro.json:7: \"container_options\" contains \"--ipc\""),
            "{}",
            told(&finding)
        );
        assert_eq!(finding.edits[0].key, "/gui_env/QT_X11_NO_MITSHM");
        let finding = only_finding(&CHECK, &machine(environment("singularity", &["-c"]), FILE));
        assert_eq!(finding.edits[0].key, "/mounts/~1tmp~1.X11-unix");
    }

    #[test]
    fn the_cure_once_made_silences_the_finding() {
        let mut qt = environment("singularity", &["--ipc"]);
        qt.merged = Some(json!({"container_type": "singularity", "gui_env": {"QT_X11_NO_MITSHM": "1"}}));
        assert_eq!(ids(&machine(qt, FILE)), [""; 0]);
        let mut mounted = environment("singularity", &["--contain"]);
        mounted.mounts = vec![mount("/tmp/.X11-unix", Some("/tmp/.X11-unix"))];
        assert_eq!(ids(&machine(mounted.clone(), FILE)), [""; 0]);
        mounted.mounts = vec![mount("/tmp/.X11-unix", None)];
        assert_eq!(ids(&machine(mounted, FILE)), ["x11-socket-hidden"], "a mount that is switched off shows nothing");
    }

    fn mount(container: &str, host: Option<&str>) -> Mount {
        let resolved = host.map(PathBuf::from);
        Mount {
            container: container.into(),
            host: host.map(str::to_owned),
            exists: host.map(|_| true),
            resolved,
            source: "environment".into(),
        }
    }

    #[test]
    fn another_directory_in_the_place_of_tmp_hides_the_socket() {
        let mut scratch = environment("singularity", &[]);
        scratch.mounts = vec![mount("/tmp", Some("/scratch/anna"))];
        assert!(told(&only_finding(&CHECK, &machine(scratch, FILE))).contains("/scratch/anna"));
        let mut same = environment("singularity", &["--contain"]);
        same.mounts = vec![mount("/tmp", Some("/tmp"))];
        assert_eq!(ids(&machine(same, FILE)), [""; 0]);
    }

    #[test]
    fn a_forwarded_display_needs_the_network_and_no_shared_memory() {
        let mut facts = machine(environment("singularity", &["--containall"]), "localhost:6010");
        facts.x11.as_mut().unwrap().display = display("localhost:10.0", 10, Reach::Loopback);
        assert_eq!(ids(&facts), [""; 0]);
        let mut facts = machine(environment("singularity", &["--net", "--network", "none"]), "localhost:6010");
        facts.x11.as_mut().unwrap().display = display("localhost:10.0", 10, Reach::Loopback);
        assert_eq!(ids(&facts), ["x11-socket-hidden"]);
    }

    #[test]
    fn without_an_environment_or_a_server_there_is_no_question() {
        assert!(matches!(CHECK.judge(&facts(connected(xorg()))), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&machine(environment("vbox", &[]), FILE)), Outcome::Skipped(_)));
        let mut facts = machine(environment("singularity", &["-C"]), FILE);
        facts.x11 = Some(X11::default());
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }
}
