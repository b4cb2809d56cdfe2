//! The probe "soma_workflow": how distributed execution is configured, and whether the commands of an environment would be
//! found. Only files are read.

mod ini;
mod literal;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{ContainerCommand, RunScripts, SomaError, SomaFile, SomaResource, SomaSetting, SomaWorkflow};

use super::{Context, environment};
use crate::casa_distro::expand_variables;
use crate::host::{Access, FileKind, Host};
use ini::{Entry, Section};
use literal::Literal;

/// No real configuration comes near this size.
const MAX_SIZE: u64 = 1 << 20;
/// The configuration in a home directory (soma-workflow's `Configuration.search_config_path`).
const FILE: &str = ".soma-workflow.cfg";

/// Reads the configuration files and looks for the run scripts of the environment that is meant.
pub(crate) fn probe(context: &Context, named: Option<&OsStr>) -> SomaWorkflow {
    let host = context.host.as_ref();
    let place = environment::whereabouts(host, named);
    let own = host.identity().home.map(|home| home.join(FILE));
    let variable = host.env("SOMA_WORKFLOW_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    let container = place.as_ref().and_then(|place| place.home.as_ref()).map(|home| home.join(FILE));
    let mut seen = Vec::new();
    let candidates = [(variable, false), (own, false), (container, true)];
    let files = candidates
        .into_iter()
        .filter_map(|(path, in_container)| Some((path?, in_container)))
        // The container's file is a link to the user's own unless somebody changed that.
        .filter(|(path, _)| {
            let real = host.canonicalize(path).unwrap_or_else(|_| path.clone());
            let new = !seen.contains(&real);
            seen.push(real);
            new
        })
        .filter_map(|(path, in_container)| file(host, path, in_container))
        .collect();
    SomaWorkflow {
        files,
        bv_on_path: host.which(OsStr::new("bv")),
        scripts: place.and_then(|place| scripts(host, &place.directory)),
        host_package: host_package(host),
    }
}

fn file(host: &dyn Host, path: PathBuf, in_container: bool) -> Option<SomaFile> {
    let mut found = SomaFile { path, in_container, ..SomaFile::default() };
    let parsed = match host.read_text(&found.path, MAX_SIZE) {
        Ok(text) => ini::parse(&text),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return None,
        Err(error) => Err(SomaError { line: None, message: error.to_string() }),
    };
    match parsed {
        Ok(sections) => {
            let hostname = hostname(host);
            let defaults = sections.iter().find(|section| section.name == "DEFAULT");
            let resources = sections.iter().filter(|section| section.name != "DEFAULT");
            found.resources = resources.map(|section| resource(host, section, defaults, hostname.as_deref())).collect();
        }
        Err(error) => found.error = Some(error),
    }
    Some(found)
}

fn hostname(host: &dyn Host) -> Option<String> {
    let text = host.read_text(Path::new("/proc/sys/kernel/hostname"), 4096).ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

fn resource(host: &dyn Host, section: &Section, defaults: Option<&Section>, hostname: Option<&str>) -> SomaResource {
    let get = |name: &str| section.get(defaults, name);
    let short = hostname.and_then(|name| name.split('.').next());
    let is_here = |name: &str| name == "localhost" || Some(name) == hostname || Some(name) == short;
    let submitting = get("SUBMITTING_MACHINES").map(|entry| entry.value.split_whitespace().any(is_here));
    let address = get("CLUSTER_ADDRESS").map(|entry| is_here(&entry.value));
    let by_place = match (submitting, address) {
        (Some(here), _) | (None, Some(here)) => here,
        (None, None) => true,
    };
    let served_here = is_here(&section.name) || by_place;
    let setting = |entry: &Entry, value: &str| SomaSetting { line: entry.line, value: value.to_owned() };
    SomaResource {
        name: section.name.clone(),
        line: section.line,
        scheduler: get("SCHEDULER_TYPE").map(|entry| entry.value.clone()),
        served_here,
        local: is_local(section, defaults, is_here),
        light_mode: get("LIGHT_MODE").map(|entry| setting(entry, &entry.value)),
        python_command: get("PYTHON_COMMAND").and_then(|entry| Some(setting(entry, &first_word(&entry.value)?))),
        container_command: get("CONTAINER_COMMAND").map(|entry| container_command(host, entry)),
        bad_percent: section
            .entries
            .iter()
            .filter(|entry| ini::has_bad_percent(&entry.value))
            .map(|entry| setting(entry, &entry.name.to_uppercase()))
            .collect(),
    }
}

/// The rule of soma-workflow's `Configuration.is_local_resource`.
fn is_local(section: &Section, defaults: Option<&Section>, is_here: impl Fn(&str) -> bool) -> bool {
    let get = |name: &str| section.get(defaults, name);
    let light = get("LIGHT_MODE").and_then(|entry| entry.value.parse::<i64>().ok()).is_some_and(|mode| mode != 0);
    let nowhere = ["SCHEDULER_TYPE", "SUBMITTING_MACHINES", "CLUSTER_ADDRESS"].iter().all(|name| get(name).is_none());
    is_here(&section.name) || light || nowhere
}

/// The program of a command that is either a list in Python's notation or a line for the shell.
fn first_word(value: &str) -> Option<String> {
    if value.starts_with('[') {
        return match literal::list(value) {
            Literal::List(items) => items.into_iter().next(),
            _ => None,
        };
    }
    value.split_whitespace().next().map(str::to_owned)
}

fn container_command(host: &dyn Host, entry: &Entry) -> ContainerCommand {
    let found = ContainerCommand { line: entry.line, ..ContainerCommand::default() };
    match literal::list(&entry.value) {
        Literal::Wrong(why) => ContainerCommand { error: Some(why.to_owned()), ..found },
        Literal::Unclear => found,
        Literal::List(items) => {
            let program = items.into_iter().next().unwrap_or_default();
            ContainerCommand { found: is_there(host, &program), program: Some(program), ..found }
        }
    }
}

/// Whether a program can be run. Variables are replaced as by `os.path.expandvars`, and `~` is not.
fn is_there(host: &dyn Host, program: &str) -> Option<bool> {
    let expanded = expand_variables(host, program);
    if !expanded.unset.is_empty() {
        return None;
    }
    let expanded = expanded.text;
    if !expanded.contains('/') {
        return Some(host.which(OsStr::new(&expanded)).is_some());
    }
    let path = Path::new(&expanded);
    match host.metadata(path) {
        Ok(metadata) => Some(metadata.kind == FileKind::File && host.access(path, Access::Execute).is_ok()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Some(false),
        Err(_) => None,
    }
}

/// `bin` of the environment, where casa_distro 3.x puts its run scripts, or of the environment around a `host` directory.
fn scripts(host: &dyn Host, directory: &Path) -> Option<RunScripts> {
    let outer = directory.file_name().filter(|name| *name == "host").and_then(|_| directory.parent());
    let bin = [Some(directory), outer].into_iter().flatten().map(|directory| directory.join("bin"));
    let found = bin.into_iter().find(|bin| host.exists(&bin.join("bv")) == Some(true))?;
    let real = |path: &Path| host.canonicalize(path).ok();
    let wanted = real(&found);
    let path = host.env("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).any(|entry| entry == found || (wanted.is_some() && real(&entry) == wanted));
    Some(RunScripts { directory: found, on_path })
}

/// Where the host's own Python would find soma-workflow: the usual directories for packages.
fn host_package(host: &dyn Host) -> Option<PathBuf> {
    let mut libraries: Vec<PathBuf> = ["/usr/local/lib", "/usr/lib", "/usr/lib64"].map(PathBuf::from).into();
    libraries.extend(host.identity().home.map(|home| home.join(".local/lib")));
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        libraries.extend(host.env_text(variable).map(|prefix| Path::new(&prefix).join("lib")));
    }
    let python = host.which(OsStr::new("python3")).or_else(|| host.which(OsStr::new("python")));
    libraries.extend(python.as_deref().and_then(Path::parent).and_then(Path::parent).map(|prefix| prefix.join("lib")));
    let path = host.env("PYTHONPATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).filter(|entry| entry.is_absolute()).collect();
    for library in libraries {
        for name in host.read_dir(&library).unwrap_or_default() {
            if name.to_str().is_some_and(|name| name.starts_with("python")) {
                directories.extend(["site-packages", "dist-packages"].map(|packages| library.join(&name).join(packages)));
            }
        }
    }
    directories.into_iter().map(|directory| directory.join("soma_workflow")).find(|package| host.exists(package) == Some(true))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::host::RecordedHost;

    fn probed(host: RecordedHost) -> SomaWorkflow {
        let host = host.file("/bv/conf/casa_distro.json", "{}").directory("/bv/home").file("/proc/sys/kernel/hostname", "atlas\n");
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(1) }, Some(OsStr::new("/bv")))
    }

    fn resource_of(text: &str) -> SomaResource {
        probed(RecordedHost::new().file("/home/anna/.soma-workflow.cfg", text).file_mode("/bv/bin/bv", "", 0o755).env("BV", "/bv"))
            .files
            .remove(0)
            .resources
            .remove(0)
    }

    #[test]
    fn a_cluster_s_own_file() {
        let text = "[cluster]\nSCHEDULER_TYPE = slurm\nSUBMITTING_MACHINES = login1 atlas\nCONTAINER_COMMAND = ['$BV/bin/bv', '--token=s3cret']\nPYTHON_COMMAND = python3 -u\nLIGHT_MODE = True\nLOGIN = 50%\n";
        let resource = resource_of(text);
        assert!(resource.served_here && !resource.local);
        let command = resource.container_command.as_ref().unwrap();
        assert_eq!((command.program.as_deref(), command.found, command.line), (Some("$BV/bin/bv"), Some(true), 4));
        assert_eq!(resource.python_command.as_ref().unwrap().value, "python3");
        assert_eq!(resource.light_mode.as_ref().unwrap().value, "True");
        assert_eq!(resource.bad_percent[0], SomaSetting { line: 7, value: "LOGIN".into() });
        assert!(!serde_json::to_string(&resource).unwrap().contains("s3cret"));
    }

    #[test]
    fn where_jobs_are_submitted() {
        for (text, served_here, local) in [
            ("[cluster]\nCLUSTER_ADDRESS = cluster.example.org\n", false, false),
            ("[cluster]\nSUBMITTING_MACHINES = login1\n", false, false),
            ("[cluster]\nSCHEDULER_TYPE = slurm\n", true, false),
            ("[localhost]\nCLUSTER_ADDRESS = cluster\n", true, true),
            ("[atlas]\nSCHEDULER_TYPE = slurm\n", true, true),
            ("[x]\nLIGHT_MODE = 1\n", true, true),
            ("[DEFAULT]\nCLUSTER_ADDRESS = c\n[x]\nA = 1\n", false, false),
        ] {
            let resource = resource_of(text);
            assert_eq!((resource.served_here, resource.local), (served_here, local), "{text}");
        }
    }

    #[test]
    fn programs_that_are_there_or_not() {
        let found =
            |program: &str| resource_of(&format!("[x]\nCONTAINER_COMMAND = ['{program}']\n")).container_command.unwrap().found;
        assert_eq!(found("/bv/bin/bv"), Some(true));
        assert_eq!(found("/bv/bin/other"), Some(false));
        assert_eq!(found("/bv/conf/casa_distro.json"), Some(false));
        assert_eq!(found("~/bv"), Some(false));
        assert_eq!(found("$NOT_SET/bv"), None);
        assert_eq!(found("bv"), Some(false));
    }

    #[test]
    fn files_links_scripts_and_packages() {
        let host = RecordedHost::new()
            .file("/home/anna/.soma-workflow.cfg", "[x")
            .file("/tmp/mine.cfg", "[y]\n")
            .env("SOMA_WORKFLOW_CONFIG", "/tmp/mine.cfg")
            .env("PATH", "/usr/bin:/link")
            .symlink("/link", "/bv/bin")
            .file("/bv/bin/bv", "")
            .symlink("/bv/home/.soma-workflow.cfg", "/home/anna/.soma-workflow.cfg")
            .file("/home/anna/.local/lib/python3.11/site-packages/soma_workflow/__init__.py", "");
        let facts = probed(host);
        let paths: Vec<_> = facts.files.iter().map(|file| (file.path.to_str().unwrap(), file.error.is_some())).collect();
        assert_eq!(paths, [("/tmp/mine.cfg", false), ("/home/anna/.soma-workflow.cfg", true)]);
        assert_eq!(facts.scripts, Some(RunScripts { directory: "/bv/bin".into(), on_path: true }));
        assert!(facts.host_package.unwrap().ends_with("site-packages/soma_workflow"));
        let none = probed(RecordedHost::new());
        assert!(none.files.is_empty() && none.scripts.is_none() && none.host_package.is_none());
    }
}
