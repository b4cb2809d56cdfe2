//! Docker and Podman: images by name, and a command that is no process of ours.
//!
//! The container is made as open as Apptainer makes it, which is what the programs of an image are used to: the user's own ids, the
//! network, the shared memory and the temporary files of the machine, and the current directory. Stock casa_distro 3 does not start
//! them at all; casa-distro 2 did, with `--privileged` and a hard-coded display.
//!
//! Variables go into a script in the private directory, not into the arguments: there every user of the machine could read them, and in
//! the daemon's records everybody who may ask it. Only what the engine itself has to read stands in the arguments.

mod devices;
mod image;
#[cfg(unix)]
mod living;
mod options;
mod people;

use std::collections::BTreeMap;
#[cfg(unix)]
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{EngineKind, Facts};

#[cfg(unix)]
pub(super) use living::remove;

use super::dialect::{Beginning, Dialect, IN_CONTAINER, Image, START, Told, Wanted, Words};
#[cfg(unix)]
use super::dialect::{HandedOver, Running};
use super::engine::Chosen;
use super::home;
use super::plan::{Places, Plan};
#[cfg(unix)]
use super::script;
use super::settings::Settings;
use super::{LaunchError, Request};
use crate::casa_distro::{has_url_password, is_secret_name};
use crate::host::Host;

/// The script that starts the command behind the entry point.
const COMMAND: &str = "command";

/// Directories that Apptainer shows everywhere: programs hand files to each other there, and the X server has its sockets there.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// The keys by which Docker would leave a container behind. The usual ones begin with Ctrl-P, which shells and editors need.
const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^";

/// Variables of this shell that the container gets as with Apptainer: the kind of terminal, and the way to the network.
const HANDED_ON: [&str; 9] =
    ["TERM", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"];

/// The dialect of both.
pub(super) struct Docker;

impl Dialect for Docker {
    fn image(
        &self,
        host: &dyn Host,
        engine: &Chosen,
        settings: &Settings,
        facts: &Facts,
        request: &Request,
    ) -> Result<Image, LaunchError> {
        image::find(host, engine, settings, facts, request)
    }

    fn options(&self, host: &dyn Host, settings: &Settings, request: &Request, warnings: &mut Vec<String>) -> Vec<String> {
        options::from_configuration(host, settings, request, warnings)
    }

    /// The sockets are mounted whether `/tmp` is or not, so that a configuration that switches `/tmp` off keeps its windows.
    fn hides_tmp(&self, _: &[String]) -> bool {
        true
    }

    fn shared(&self, host: &dyn Host) -> Vec<PathBuf> {
        let current = host.current_dir().ok().filter(|path| path.as_path() != Path::new("/"));
        TEMPORARY.into_iter().map(PathBuf::from).filter(|path| host.exists(path) == Some(true)).chain(current).collect()
    }

    fn asks_sudo(&self) -> bool {
        false
    }

    fn can_mount(&self, _: &Chosen, _: &str) -> Result<(), &'static str> {
        Ok(())
    }

    /// `--volume` makes missing directories without a word and splits at colons; this takes a line of CSV and fails.
    fn mount(&self, source: &Path, container: &Path) -> Vec<OsString> {
        vec!["--mount".into(), format!("type=bind,{},{}", field("source", source), field("target", container)).into()]
    }

    fn words(&self, wanted: &Wanted<'_>, env: &mut BTreeMap<String, OsString>, told: &mut Told) -> Result<Words, LaunchError> {
        let Wanted { host, facts, engine, request, options, .. } = *wanted;
        tell_of_other_machines(host, engine.kind, told);
        if host.exists(&wanted.settings.directory.join("overlay.img")) == Some(true) {
            told.warnings.push("overlay.img is left out: only Apptainer and Singularity can use it".into());
        }
        env.insert("HOME".into(), wanted.home_in_container.into());
        for name in HANDED_ON {
            if let Some(value) = host.env(name).filter(|value| !value.is_empty()) {
                env.entry(name.into()).or_insert(value);
            }
        }
        let init = living_init(host, engine.kind);
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let people = people::of(host, engine.kind, request.root, wanted.home_in_container, options);

        let mut head: Vec<OsString> = vec!["run".into(), "--rm".into(), "--sig-proxy=false".into(), "--interactive".into()];
        if terminal {
            head.extend(["--tty".into(), "--detach-keys".into(), DETACH_KEYS.into()]);
        }
        head.extend(init.iter().flatten().map(OsString::from));
        head.extend(namespaces(host, engine.kind, options, env, told).into_iter().map(OsString::from));
        head.extend(people.arguments.into_iter().map(OsString::from));
        if host.read_text(Path::new("/sys/fs/selinux/enforce"), 16).is_ok_and(|text| text.trim() == "1") {
            // Else the files of the home and the X server's socket are out of reach.
            head.extend(["--security-opt", "label=disable"].map(OsString::from));
        }
        head.extend(devices::bring(host, facts, engine, request.opengl, &mut told.warnings).into_iter().map(OsString::from));
        let mut tail = Vec::new();
        if wanted.home_in_container != Path::new(home::IN_CONTAINER) {
            tail.extend(self.mount(&wanted.home.directory, wanted.home_in_container));
        }
        tail.extend(options::without_entry_point(options).into_iter().map(OsString::from));

        let entry_point = options::entry_point(options).map(|word| vec![word.into()]);
        let directory = request.cwd.clone().or_else(|| host.current_dir().ok()).unwrap_or_else(|| home::IN_CONTAINER.into());
        let beginning = Beginning {
            entry_point: entry_point.unwrap_or_else(|| wanted.image.entry_point.clone()),
            directory,
            strict: request.cwd.is_some(),
            is_first: init.is_none(),
            terminal,
            files: people.files,
        };
        Ok(Words { head, tail, process_env: process_env(env), beginning })
    }

    fn more(&self, plan: &Plan, places: Option<Places<'_>>) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Some(places) = places {
            words.extend(["--name".into(), places.name.into(), "--log-driver".into(), "none".into()]);
            for (name, place, _) in &plan.beginning.files {
                words.extend(self.mount(&places.shown.0.join(name), Path::new(place)));
            }
            words.extend(["--entrypoint".into(), "/bin/sh".into()]);
            return words;
        }
        for (name, value) in &plan.env {
            let mut word = OsString::from(name);
            // One that may be a secret is taken from the environment of the engine's program.
            if !is_secret(name, value) {
                word.push("=");
                word.push(value);
            }
            words.extend(["--env".into(), word]);
        }
        words.extend(["--workdir".into(), plan.beginning.directory.clone().into()]);
        words
    }

    fn start(&self, places: Places<'_>) -> Vec<OsString> {
        vec![places.seen(START).into()]
    }

    #[cfg(unix)]
    fn scripts(&self, plan: &Plan) -> Vec<(&'static str, Vec<u8>)> {
        let beginning = &plan.beginning;
        let start = [
            script::exports(plan.env.iter()),
            if beginning.terminal { script::AWAIT_SIZE.to_vec() } else { Vec::new() },
            script::change_directory(&beginning.directory, beginning.strict),
            script::enter(&beginning.entry_point, &format!("{IN_CONTAINER}/{COMMAND}"), beginning.is_first),
        ];
        let mut files = vec![(START, start.concat()), (COMMAND, [script::tell_start(), script::exec(&plan.words())].concat())];
        files.extend(beginning.files.iter().map(|(name, _, text)| (*name, text.clone())));
        files
    }

    #[cfg(unix)]
    fn is_apart(&self) -> bool {
        true
    }

    #[cfg(unix)]
    fn hand_over(&self, host: &dyn Host, plan: &Plan, running: &Running<'_>, signals: &BTreeSet<i32>) -> HandedOver {
        living::hand_over(host, &plan.engine, running, signals)
    }
}

/// A field of a line of CSV, which carries anything but a line break.
fn field(name: &str, path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.contains([',', '"']) || text.trim() != text {
        return format!("\"{name}={}\"", text.replace('"', "\"\""));
    }
    format!("{name}={text}")
}

fn is_secret(name: &str, value: &OsString) -> bool {
    is_secret_name(name) || has_url_password(&value.to_string_lossy())
}

/// The network and the shared memory of the machine, unless the configuration has something else.
///
/// Displays that ssh forwards are ports of this machine, and the tools of an environment (jobs, servers) talk to each other by such
/// ports. Shared memory is how programs hand pictures to a local X server: with memory of their own, Qt shows blank windows.
fn namespaces(
    host: &dyn Host,
    kind: EngineKind,
    options: &[String],
    env: &mut BTreeMap<String, OsString>,
    told: &mut Told,
) -> Vec<&'static str> {
    let mut words = Vec::new();
    match options::value(options, &["--network", "--net"]) {
        None => words.extend(["--network", "host"]),
        Some("host") => {}
        Some(other) => told.warnings.push(format!(
            "the configuration gives the container a network of its own (\"{other}\"): displays that ssh forwards cannot be reached from it"
        )),
    }
    // Podman refuses to share where the kernel's message queues are not mounted, as on machines without systemd.
    let can_share = kind == EngineKind::Docker || host.exists(Path::new("/dev/mqueue")) != Some(false);
    let is_shared = match options::value(options, &["--ipc"]) {
        None if can_share => {
            words.extend(["--ipc", "host"]);
            true
        }
        None => false,
        Some(given) => given == "host",
    };
    if !is_shared {
        // The server cannot see the container's memory: Qt is told not to use it.
        env.entry("QT_X11_NO_MITSHM".into()).or_insert_with(|| "1".into());
        told.notes.push("the container has shared memory of its own, so Qt is told not to use it with the X server".into());
    }
    words
}

/// The options by which the container gets a first process that reaps others; none where there is no program for it.
fn living_init(host: &dyn Host, kind: EngineKind) -> Option<Vec<String>> {
    if kind == EngineKind::Docker {
        return Some(vec!["--init".into()]);
    }
    // Podman's own choice, then programs that need nothing of the image's libraries.
    let own = "/usr/libexec/podman/catatonit";
    if host.exists(Path::new(own)) == Some(true) {
        return Some(vec!["--init".into()]);
    }
    let others = ["/usr/lib/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static", "/usr/bin/docker-init"];
    let other = others.into_iter().find(|path| host.exists(Path::new(path)) == Some(true))?;
    Some(vec!["--init".into(), "--init-path".into(), other.into()])
}

/// What is changed for the engine's own program: nothing of the container's variables may reach it, a HOME or a LD_LIBRARY_PATH least of
/// all. The exception is what is kept out of a line that is shown.
fn process_env(env: &BTreeMap<String, OsString>) -> BTreeMap<OsString, Option<OsString>> {
    let secrets = env.iter().filter(|(name, value)| is_secret(name, value)).map(|(name, value)| (name.into(), Some(value.clone())));
    ["LD_PRELOAD", "LD_AUDIT"].into_iter().map(|name| (name.into(), None)).chain(secrets).collect()
}

/// Says so when the containers are on another machine than this one, or in a virtual one.
fn tell_of_other_machines(host: &dyn Host, kind: EngineKind, told: &mut Told) {
    let place = match kind {
        EngineKind::Docker => crate::probes::docker_daemon::endpoint(host).ok(),
        _ => host.env_text("CONTAINER_HOST"),
    };
    let Some(place) = place else { return };
    let local = place.strip_prefix("unix://");
    let virtual_machine = local.is_some_and(|path| {
        let marks = [
            "/.docker/desktop/",
            "/.docker/run/",
            "/.colima/",
            "/.config/colima/",
            "/.lima/",
            "/.orbstack/",
            "/.rd/",
            "/podman-machine",
        ];
        marks.iter().any(|mark| path.contains(mark))
    });
    if virtual_machine {
        told.warnings.push(format!(
            "the containers of {} run in a virtual machine ({place}): they have no graphics card, see only the folders that are shared with \
             that machine, and reach a display only by its network name (on a Mac: host.docker.internal:0)",
            kind.program()
        ));
    } else if local.is_none() {
        told.warnings.push(format!(
            "the containers of {} run on another machine ({place}): they see that one's files and devices, not those of this one",
            kind.program()
        ));
    }
}

#[cfg(test)]
mod tests;
