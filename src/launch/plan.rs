//! Working out a launch: which program, with which arguments and variables, after making which files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{EngineKind, Facts, ImageContents};

use super::binds::{self, Bind};
use super::dialect::{self, Beginning, Dialect, Told, Wanted};
use super::display::{self, Authority};
use super::home::{self, Home};
use super::settings::Settings;
use super::unbound::{Unbound, without_mounts};
use super::{LaunchError, Request, agent, engine, variables};
use crate::host::Host;
use crate::recommend::OpenGl;

/// Markers of containers in which casa_distro refuses to start another one. Inside of others (a development container) an engine may
/// well work.
const OWN_CONTAINERS: [&str; 3] = ["casa-distro", "apptainer", "singularity"];

/// What is started when no command is given. Every casa-distro image has it.
const SHELL: &str = "bash";

/// A launch, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The engine's program.
    pub(crate) engine: PathBuf,
    /// Which engine it is.
    pub(crate) kind: EngineKind,
    /// The OpenGL mode.
    pub(crate) mode: OpenGl,
    /// Whether programs get the display.
    pub(crate) gui: bool,
    /// Words before the engine's program: those of sudo.
    pub(super) through: Vec<OsString>,
    /// Variables of the container, besides those of the engine.
    pub(crate) env: BTreeMap<String, OsString>,
    /// Changes to the environment of the engine's process: values to set, names to remove.
    pub(crate) process_env: BTreeMap<OsString, Option<OsString>>,
    /// What is not done, or not as the configuration says, in words.
    pub(crate) warnings: Vec<String>,
    /// How the mode is done, in words.
    pub(crate) notes: Vec<String>,
    /// The cookie for the container.
    pub(crate) authority: Option<Authority>,
    /// A directory that the arguments mount, and that is made together with the container's home.
    pub(super) made_first: Option<PathBuf>,
    /// The container's home.
    pub(crate) home: Home,
    /// What stands before the mounts.
    pub(super) head: Vec<OsString>,
    /// The mounts.
    pub(super) binds: Vec<Bind>,
    /// Files that the container sees and cannot change: the path here, and the one there.
    pub(super) shown: Vec<(PathBuf, PathBuf)>,
    /// What stands between the mounts and the image.
    pub(super) tail: Vec<OsString>,
    /// The image: a file, or a name.
    pub(crate) image: PathBuf,
    /// The command and its arguments; empty for a shell.
    pub(crate) command: Vec<OsString>,
    /// Where our private files are seen, when nothing can be mounted.
    pub(super) unbound: Option<Unbound>,
    /// How it is begun.
    pub(super) beginning: Beginning,
}

/// Where the private files of a launch are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    /// The name of the launch.
    pub(super) name: &'a str,
    /// The authority file.
    pub(super) authority: &'a Path,
    /// The directory by which the container tells that the command was started, and its path there.
    pub(super) shown: (&'a Path, &'a str),
}

impl Places<'_> {
    /// A file of the directory, as the container sees it.
    pub(super) fn seen(&self, name: &str) -> String {
        format!("{}/{name}", self.shown.1)
    }
}

impl Plan {
    /// The argument vector, program first, without anything that only a real launch has: the cookie is shown as coming from the file
    /// where it is now. It can be run by hand and does the same.
    pub(crate) fn argv(&self) -> Vec<OsString> {
        self.argv_with(None)
    }

    /// The argument vector of a launch whose private files are made.
    pub(super) fn argv_with(&self, places: Option<Places<'_>>) -> Vec<OsString> {
        let mut argv = self.through.clone();
        argv.push(self.engine.clone().into_os_string());
        argv.extend(self.head.iter().cloned());
        for bind in &self.binds {
            let cookie = places
                .map(|places| places.authority)
                .or_else(|| self.authority.as_ref().map(|authority| authority.source.as_path()));
            if let Some(source) = bind.source.as_deref().or(cookie) {
                let dialect = self.dialect();
                argv.extend(if bind.read_only {
                    dialect.mount_read_only(source, &bind.container)
                } else {
                    dialect.mount(source, &bind.container)
                });
            }
        }
        if let Some(Places { shown: (source, container), .. }) = places
            && source != Path::new(container)
        {
            argv.extend(self.dialect().mount(source, Path::new(container)));
        }
        for (source, container) in &self.shown {
            argv.extend(self.dialect().mount_read_only(source, container));
        }
        argv.extend(self.tail.iter().cloned());
        argv.extend(self.dialect().more(self, places));
        argv.push(self.image.clone().into());
        argv.extend(places.map(|places| self.dialect().start(places)).unwrap_or_default());
        argv.extend(self.words());
        argv
    }

    /// What is started: the command, or the shell.
    pub(super) fn words(&self) -> Vec<OsString> {
        if self.command.is_empty() { vec![SHELL.into()] } else { self.command.clone() }
    }

    /// How its engine is spoken to.
    pub(super) fn dialect(&self) -> &'static dyn Dialect {
        dialect::of(self.kind)
    }
}

/// Works out a launch. Facts that were not probed are looked up where that is quick.
pub(crate) fn plan(host: &dyn Host, settings: &Settings, facts: &Facts, request: &Request) -> Result<Plan, LaunchError> {
    let mut told = Told { warnings: settings.problems.clone(), notes: Vec::new() };
    refuse_inside_container(host, facts, &mut told.warnings)?;
    let engine = engine::choose(host, facts, settings.container_type.as_deref(), request.engine.as_deref())?;
    let dialect = dialect::of(engine.kind);
    let image = dialect.image(host, &engine, settings, facts, request)?;

    let mut options = dialect.options(host, settings, request, &mut told.warnings);
    options.extend(request.options.iter().cloned());

    let mut env = variables::of_configuration(host, settings, request.gui, &request.env, &mut told.warnings);
    let home_in_container =
        env.remove("HOME").map_or_else(|| PathBuf::from(home::IN_CONTAINER), |home| PathBuf::from(home.as_os_str()));
    let host_home = host.identity().home.unwrap_or_else(|| "/".into());
    let host_home = host.canonicalize(&host_home).unwrap_or(host_home);
    let asked = variables::asked_for(&request.env, &env);
    env.entry("CASA_HOST_HOME".into()).or_insert_with(|| host_home.clone().into());

    let mut home = home::find(host, &settings.directory).ok_or(LaunchError::NoHome)?;
    let mut binds = binds::configured(host, settings, &engine, &mut told.warnings);
    binds.set(Some(home.directory.clone()), Path::new(home::IN_CONTAINER));
    binds::add_standard(host, &engine, &mut binds);
    home.link_to(&host_home, &binds);
    let authority = if request.gui { display::bring(host, facts, &mut env, &mut told.warnings, &mut told.notes) } else { None };
    if authority.is_some() {
        binds.set(None, Path::new(display::AUTHORITY));
    }
    let sockets = Path::new(display::SOCKETS);
    let hidden = || dialect.hides_tmp(&options) || binds.hides(Path::new("/tmp"));
    if request.gui && hidden() && host.exists(sockets) == Some(true) {
        binds.set(Some(sockets.into()), sockets);
    }
    match agent::live_socket(host, facts, &mut told.warnings) {
        Some(socket) => {
            binds.set(Some(socket), Path::new(agent::SOCKET));
            env.insert("SSH_AUTH_SOCK".into(), agent::SOCKET.into());
        }
        // Where this shell has none, the configuration may name one that the container sees by itself.
        None if env.get("SSH_AUTH_SOCK").is_some_and(|socket| socket != agent::SOCKET) && agent::is_unset(host) => {}
        None => drop(env.remove("SSH_AUTH_SOCK")),
    }
    if home.will_have_xkb(host) {
        binds.set(Some(home.directory.join(home::XKB)), Path::new("/var/lib/xkb"));
    }
    if !binds.has_source(&host_home) && binds::usable(host, &host_home, &host_home, &engine).is_ok() {
        binds.set_default(&host_home);
    }

    for path in dialect.shared(host) {
        if !binds.shows_at_same_place(&path) && binds::usable(host, &path, &path, &engine).is_ok() {
            binds.set_default(&path);
        }
    }

    let site = dialect.site(host, &engine);
    let unbound = (!site.binds)
        .then(|| without_mounts((host, &site, &engine), &host_home, &mut binds, authority.as_ref(), &mut env, &mut told));
    bring_mode(request.opengl, contents(facts, &image.what), &mut env, &mut told);
    let wanted = Wanted {
        host,
        settings,
        facts,
        request,
        engine: &engine,
        site: &site,
        image: &image,
        options: &options,
        home: &home,
        home_in_container: &home_in_container,
    };
    let words = dialect.words(&wanted, &mut env, &mut told)?;
    variables::tell_overridden(&asked, &env, request.opengl, &mut told.warnings);
    Ok(Plan {
        engine: engine.path,
        kind: engine.kind,
        mode: request.opengl,
        gui: request.gui,
        through: through_sudo(host, dialect, request, &words.process_env)?,
        env,
        process_env: words.process_env,
        warnings: told.warnings,
        notes: told.notes,
        authority,
        made_first: home.made_first(host).filter(|directory| binds.has_source(directory)),
        home,
        head: words.head,
        binds: binds.into_list(),
        shown: request.shown.clone(),
        tail: words.tail,
        image: image.what,
        command: request.command.clone(),
        unbound,
        beginning: words.beginning,
    })
}

/// The words that start the engine as root. sudo takes the environment away but for what it is told by name, so that no value stands
/// in an argument.
fn through_sudo(
    host: &dyn Host,
    dialect: &dyn Dialect,
    request: &Request,
    process_env: &BTreeMap<OsString, Option<OsString>>,
) -> Result<Vec<OsString>, LaunchError> {
    if !request.root || !dialect.asks_sudo() || host.identity().uid == Some(0) {
        return Ok(Vec::new());
    }
    let sudo = host.which("sudo".as_ref()).ok_or(LaunchError::NoSudo)?;
    let names: Vec<_> = process_env.iter().filter(|(_, value)| value.is_some()).filter_map(|(name, _)| name.to_str()).collect();
    let mut words = vec![sudo.into_os_string()];
    if !names.is_empty() {
        words.push(format!("--preserve-env={}", names.join(",")).into());
    }
    words.push("--".into());
    Ok(words)
}

fn refuse_inside_container(host: &dyn Host, facts: &Facts, warnings: &mut Vec<String>) -> Result<(), LaunchError> {
    let inside = match &facts.session {
        Some(session) => session.inside_container.clone(),
        None => ["APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"]
            .iter()
            .any(|name| host.env_text(name).is_some())
            .then(|| "apptainer".to_owned()),
    };
    match inside {
        Some(marker) if OWN_CONTAINERS.contains(&marker.as_str()) => Err(LaunchError::InsideContainer(marker)),
        Some(marker) => {
            warnings
                .push(format!("this is inside a container itself ({marker}), which may forbid the engine to start another one"));
            Ok(())
        }
        None => Ok(()),
    }
}

/// What is known to be in the image that is really started.
fn contents<'a>(facts: &'a Facts, image: &Path) -> Option<&'a ImageContents> {
    facts.image.as_ref().filter(|known| known.used.as_deref().unwrap_or(&known.path) == image)?.contents.as_ref()
}

/// Sets what the mode needs whatever the engine.
fn bring_mode(mode: OpenGl, contents: Option<&ImageContents>, env: &mut BTreeMap<String, OsString>, told: &mut Told) {
    // The mode decides alone about this one, as in casa_distro.
    env.remove("SOFTWARE_OPENGL");
    if mode != OpenGl::Software {
        warn_of_forced_software(env, mode, &mut told.warnings);
        return;
    }
    let own_mesa = contents.and_then(|contents| contents.software_mesa);
    let mut set = |name: &str, value: &str| drop(env.insert(name.into(), value.into()));
    if own_mesa != Some(false) {
        set("SOFTWARE_OPENGL", "1");
        // Else programs may choose a visual with transparency, which this Mesa draws wrongly.
        set("XLIB_SKIP_ARGB_VISUALS", "1");
    }
    if own_mesa != Some(true) {
        set("LIBGL_ALWAYS_SOFTWARE", "1");
        set("__GLX_VENDOR_LIBRARY_NAME", "mesa");
    }
    told.notes.push(
        match own_mesa {
            Some(true) => {
                "software rendering by the OpenGL library in /usr/local/lib/mesa of the image, which needs nothing of the X server"
            }
            Some(false) => "software rendering by the image's own Mesa, since the image has no /usr/local/lib/mesa",
            None => "software rendering by /usr/local/lib/mesa of the image if it is there, else by the image's own Mesa",
        }
        .into(),
    );
}

fn warn_of_forced_software(env: &BTreeMap<String, OsString>, mode: OpenGl, warnings: &mut Vec<String>) {
    let forced = [("LIBGL_ALWAYS_SOFTWARE", ""), ("LD_LIBRARY_PATH", "/usr/local/lib/mesa"), ("GALLIUM_DRIVER", "pipe")];
    for (name, part) in forced {
        let forces = |value: &OsString| {
            let value = value.to_string_lossy();
            value.contains(part) && !matches!(value.as_ref(), "" | "0" | "false")
        };
        if env.get(name).is_some_and(forces) {
            warnings.push(format!(
                "the variable {name} of the configuration forces software rendering, although the mode is \"{}\"",
                mode.word()
            ));
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
