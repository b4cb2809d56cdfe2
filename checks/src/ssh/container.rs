//! Can ssh in the container do without the user's ~/.ssh?

use serde_json::Value;

use crate::check::{Category, Check, Outcome};
use crate::config::layers::{shell_word, step};
use crate::engine::major_minor;
use crate::facts::{AgentState, EngineKind, Environment, Facts, ProbeId};
use crate::finding::{Change, Edit, Finding, FindingKind, Safety, Severity};
use crate::image::{environment, setting};
use crate::paths::below;

pub(super) static MOUNT: Check = Check {
    id: "ssh-mount",
    category: Category::Ssh,
    question: "Is ~/.ssh kept out of the container?",
    needs: &[ProbeId::Environment],
    findings: &[&MOUNTED],
    run: mount,
};

pub(super) static KNOWN_HOSTS: Check = Check {
    id: "ssh-known-hosts",
    category: Category::Ssh,
    question: "Does ssh in the container know the machines that it talks to?",
    needs: &[ProbeId::Environment, ProbeId::SshAgent, ProbeId::SshSetup],
    findings: &[&NO_KNOWN_HOSTS],
    run: known_hosts,
};

static MOUNTED: FindingKind = FindingKind {
    id: "ssh-dir-mounted",
    code: "CD0410",
    severity: Severity::Error,
    title: "A directory is mounted at .ssh in the container's home directory",
    why: "The container's home directory is a mount itself, and Singularity before 4 refuses a mount inside of it, at least on some systems, so that nothing starts. Later versions and Apptainer accept it; every program in the container can then read the private keys. casa_distro hands the ssh agent on to the container, so that the directory is not needed there.",
    cure: "Remove the mount and use an ssh agent. Only known_hosts is worth copying.",
    example: "\"mounts\": { \"/casa/home/.ssh\": \"/home/anna/.ssh\" }",
    since: "0.1.0",
};

static NO_KNOWN_HOSTS: FindingKind = FindingKind {
    id: "ssh-known-hosts-missing",
    code: "CD0411",
    severity: Severity::Info,
    title: "ssh in the container knows no other machine yet",
    why: "The agent's keys reach the container, and the list of machines that you trust does not: the container has a home directory of its own. ssh there asks whether you trust each machine again, and programs that cannot ask, such as git in a window, fail.",
    cure: "Copy known_hosts, and nothing else, from ~/.ssh into the container's home directory.",
    example: "Host key verification failed.",
    since: "0.1.0",
};

/// Where the container's home directory is for it, unless the configuration sets HOME.
const HOME: &str = "/casa/home";

fn mount(facts: &Facts) -> Outcome {
    let Some(environment) = environment(facts) else { return Outcome::Skipped("there is no environment".to_owned()) };
    if matches!(setting(environment, "container_type"), Some("docker" | "podman" | "vbox")) {
        return Outcome::Skipped("the environment is not for Apptainer or Singularity".to_owned());
    }
    let merged = environment.merged.as_ref().or(environment.file.value.as_ref());
    let Some(merged) = merged else { return Outcome::Skipped("the configuration cannot be used".to_owned()) };
    let home = merged.pointer("/env/HOME").and_then(Value::as_str).unwrap_or(HOME);
    let target = format!("{}/.ssh", home.trim_end_matches('/'));
    let mut findings = Vec::new();
    for mount in &environment.mounts {
        // An empty or null source disables a mount.
        let Some(host) = mount.host.as_deref().filter(|host| !host.is_empty()) else { continue };
        if mount.place() == target {
            findings.push(by_mount(facts, environment, &mount.container, host, mount.source == "user"));
        }
    }
    for (key, option) in options(merged).filter(|(_, option)| binds_to(option, &target)) {
        findings.push(
            severity(
                facts,
                MOUNTED.found().evidence(format!("{}: \"{key}\" contains \"{option}\"", environment.file.path.display())),
            )
            .advise(format!("Remove the option from \"{key}\" in the configuration, and use an ssh agent.")),
        );
    }
    Outcome::of(findings)
}

fn by_mount(facts: &Facts, environment: &Environment, container: &str, host: &str, by_user: bool) -> Finding {
    let file = environment.user_file.as_ref().filter(|_| by_user).unwrap_or(&environment.file);
    let pointer = format!("/mounts/{}", step(container));
    let line = file.lines.get(&pointer).map(|line| format!(":{line}")).unwrap_or_default();
    let path = file.path.display();
    let edit = Edit::new(&file.path, pointer, Change::Remove, &MOUNTED);
    severity(facts, MOUNTED.found()).evidence(format!("{path}{line}: \"{host}\" is mounted at \"{container}\"")).fix(
        "Remove the mount; the ssh agent reaches the container without it",
        Safety::Confirm,
        [edit],
    )
}

/// Singularity makes directories for mounts inside of mounts since 3.5 ("Fix nested binds with session overrided path"), and BrainVISA
/// had to give up such a mount a year after that, since containers did not start with it on some systems (casa-distro, 42ccd31 of 2021).
/// Apptainer 1.4 was seen to make it.
const NESTED_MOUNTS: (u32, u32) = (4, 0);

/// An error where the engine refuses it.
fn severity(facts: &Facts, finding: Finding) -> Finding {
    let engines = facts.engines.as_ref().map(|engines| engines.found.as_slice()).unwrap_or_default();
    let engine = engines.iter().find(|engine| matches!(engine.kind, EngineKind::Apptainer | EngineKind::Singularity));
    let version = engine.and_then(|engine| engine.version.as_deref()).and_then(major_minor);
    match engine {
        Some(engine) if engine.kind == EngineKind::Singularity && version.is_some_and(|version| version < NESTED_MOUNTS) => {
            let version = engine.version_text.as_deref().unwrap_or("an old version");
            finding.evidence(format!("{}, the engine, is {version}", engine.path.display()))
        }
        Some(engine) if engine.kind == EngineKind::Singularity && version.is_none() => finding
            .severity(Severity::Warning)
            .evidence(format!("whether {} accepts the mount depends on its version, which is not known", engine.path.display())),
        Some(engine) => finding.severity(Severity::Warning).evidence(format!(
            "{} accepts the mount, and shows the private keys to every program in the container",
            engine.path.display()
        )),
        None => finding.severity(Severity::Warning),
    }
}

/// The words of the lists of options for the engine, each with the list's name.
fn options(merged: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    ["container_options", "container_gui_options"].into_iter().flat_map(move |key| {
        let list = merged.get(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(move |option| (key, option))
    })
}

/// Whether a word is, or ends with, `source:target`, possibly with options and among others.
fn binds_to(option: &str, target: &str) -> bool {
    let binds = option.split_once('=').filter(|(name, _)| name.starts_with('-')).map_or(option, |(_, value)| value);
    binds.split(',').any(|bind| bind.split(':').nth(1).is_some_and(|place| place.trim_end_matches('/') == target))
}

fn known_hosts(facts: &Facts) -> Outcome {
    let (Some(agent), Some(setup)) = (&facts.ssh_agent, &facts.ssh_setup) else {
        return Outcome::Unknown("nothing was recorded about ssh".to_owned());
    };
    let Some(container) = &setup.container_home else { return Outcome::Skipped("there is no environment".to_owned()) };
    if !matches!(&agent.state, AgentState::Listed { key_types } if !key_types.is_empty()) {
        return Outcome::Skipped("no agent with keys could serve the container".to_owned());
    }
    if environment(facts).is_some_and(|environment| environment.home_exists == Some(false)) {
        return Outcome::Skipped("the container's home directory was not made yet".to_owned());
    }
    if container.is_home || container.link.is_some() {
        return Outcome::Pass;
    }
    match (container.known_hosts, setup.known_hosts) {
        (Some(true), _) => Outcome::Pass,
        (_, Some(false)) => Outcome::Skipped("there is no ~/.ssh/known_hosts that could be copied".to_owned()),
        (None, _) | (_, None) => Outcome::Unknown("known_hosts could not be looked at".to_owned()),
        (Some(false), Some(true)) => {
            let directory = below(&container.path, ".ssh");
            let quoted = shell_word(&directory.display().to_string());
            Outcome::Findings(vec![
                NO_KNOWN_HOSTS
                    .found()
                    .evidence("an agent with keys answers at SSH_AUTH_SOCK")
                    .evidence(format!(
                        "{} is missing or empty, and ~/.ssh/known_hosts is not",
                        below(&directory, "known_hosts").display()
                    ))
                    .advise_command(
                        "Copy the list, and no key:",
                        format!("mkdir -p -m 700 {quoted} && cp ~/.ssh/known_hosts {quoted}/"),
                    ),
            ])
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{ContainerSsh, Engine, Engines, Mount, SshAgent, SshSetup};
    use crate::image::tests::{answered, facts_with, findings};

    fn mounted(container: &str, host: Option<&str>, source: &str) -> Facts {
        let mut facts = facts_with(json!({"container_type": "singularity"}));
        let environment = facts.environment.as_mut().unwrap().found.as_mut().unwrap();
        let host = host.map(str::to_owned);
        environment.mounts = vec![Mount { container: container.into(), host, source: source.into(), ..Mount::default() }];
        facts
    }

    fn with_engine(mut facts: Facts, kind: EngineKind, version: Option<&str>) -> Facts {
        let path = format!("/usr/bin/{}", kind.program()).into();
        let version = version.map(str::to_owned);
        let engine = Engine { kind, path, version_text: None, version, version_error: None, setuid: None, daemon: None };
        facts.engines = Some(Engines { found: vec![engine], ..Engines::default() });
        facts
    }

    #[test]
    fn a_mount_at_the_directory_and_its_engine() {
        let facts = mounted("/casa/home/.ssh/", Some("$HOME/.ssh"), "environment");
        for (kind, version, severity) in [
            (EngineKind::Singularity, Some("3.4.2"), Severity::Error),
            (EngineKind::Singularity, Some("3.11.4"), Severity::Error),
            (EngineKind::Singularity, Some("4.3.0"), Severity::Warning),
            (EngineKind::Singularity, None, Severity::Warning),
            (EngineKind::Apptainer, None, Severity::Warning),
        ] {
            let found = findings(&MOUNT, &with_engine(facts.clone(), kind, version));
            assert_eq!((found.len(), found[0].kind.id, found[0].severity), (1, "ssh-dir-mounted", severity));
            assert_eq!(found[0].edits[0].key, "/mounts/~1casa~1home~1.ssh~1");
        }
        let read_only = findings(&MOUNT, &mounted("/casa/home/.ssh:ro", Some("$HOME/.ssh"), "user"));
        assert_eq!(read_only[0].edits[0].key, "/mounts/~1casa~1home~1.ssh:ro", "the engine reads an option");
    }

    #[test]
    fn other_mounts_disabled_ones_and_docker_are_healthy() {
        for (container, host) in [
            ("/casa/home/.sshx", Some("/x")),
            ("/home/anna/.ssh", Some("/x")),
            ("/casa/home/.ssh", None),
            ("/casa/home/.ssh", Some("")),
        ] {
            assert_eq!(MOUNT.judge(&mounted(container, host, "user")), Outcome::Pass, "{container}");
        }
        assert!(matches!(MOUNT.judge(&facts_with(json!({"container_type": "docker"}))), Outcome::Skipped(_)));
        assert!(matches!(MOUNT.judge(&answered()), Outcome::Skipped(_)));
    }

    #[test]
    fn options_bind_it_too_and_home_may_be_elsewhere() {
        for options in [json!(["--bind", "/a:/b,/h/.ssh:/root/.ssh:ro"]), json!(["-B=/h/.ssh:/root/.ssh"])] {
            let facts =
                facts_with(json!({"container_type": "singularity", "env": {"HOME": "/root"}, "container_options": options}));
            assert_eq!(findings(&MOUNT, &facts)[0].kind.id, "ssh-dir-mounted");
        }
        let elsewhere = json!({"container_type": "singularity", "container_options": ["--bind", "/h/.ssh:/root/.ssh"]});
        assert_eq!(MOUNT.judge(&facts_with(elsewhere)), Outcome::Pass);
    }

    fn hosts(container: Option<bool>, own: Option<bool>, keys: &[&str]) -> Facts {
        let mut facts = facts_with(json!({}));
        let container_home = Some(ContainerSsh { path: "/bv/home".into(), known_hosts: container, ..ContainerSsh::default() });
        facts.ssh_setup = Some(SshSetup { container_home, known_hosts: own, ..SshSetup::default() });
        let state = AgentState::Listed { key_types: keys.iter().map(|key| (*key).to_owned()).collect() };
        facts.ssh_agent = Some(SshAgent { state, ..SshAgent::default() });
        facts
    }

    #[test]
    fn known_hosts_are_missed_only_where_an_agent_works_and_there_are_some() {
        let found = findings(&KNOWN_HOSTS, &hosts(Some(false), Some(true), &["ssh-rsa"]));
        assert_eq!((found[0].kind.id, found[0].severity), ("ssh-known-hosts-missing", Severity::Info));
        assert_eq!(KNOWN_HOSTS.judge(&hosts(Some(true), Some(true), &["ssh-rsa"])), Outcome::Pass);
        assert!(matches!(KNOWN_HOSTS.judge(&hosts(Some(false), Some(true), &[])), Outcome::Skipped(_)));
        assert!(matches!(KNOWN_HOSTS.judge(&hosts(Some(false), Some(false), &["ssh-rsa"])), Outcome::Skipped(_)));
        assert!(matches!(KNOWN_HOSTS.judge(&hosts(None, Some(true), &["ssh-rsa"])), Outcome::Unknown(_)));
        let mut new = hosts(Some(false), Some(true), &["ssh-rsa"]);
        new.environment.as_mut().unwrap().found.as_mut().unwrap().home_exists = Some(false);
        assert!(matches!(KNOWN_HOSTS.judge(&new), Outcome::Skipped(_)));
    }
}
