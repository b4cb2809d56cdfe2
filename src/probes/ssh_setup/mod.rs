//! The probe "ssh_setup": what is set up for ssh in the user's home and in the container's. Files are read, agents that
//! keychain remembers are asked for a listing, and nothing is started but a shell that parses a file without running it.

mod home_profile;
mod keychain;
mod keys;
mod shell;
mod startup;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{ContainerSsh, SshSetup, Unknowns};

use super::{Context, environment};
use crate::host::{FileKind, Host};

/// How long all agents that keychain remembers may take together.
const PATIENCE: Duration = Duration::from_secs(2);
/// A configuration of ssh larger than this is not read.
const MAX_CONFIG: u64 = 1 << 20;

/// Looks at keychain's files, start-up files, keys, and at the home of the container of the environment that is meant.
pub(crate) fn probe(context: &Context, named: Option<&OsStr>) -> SshSetup {
    let host = context.host.as_ref();
    let Some(home) = host.identity().home else {
        let unknown = [("home".to_owned(), "the user's home directory is not known".to_owned())].into();
        return SshSetup { unknown, ..SshSetup::default() };
    };
    let mut unknown = Unknowns::new();
    let mut told = |name: &str, error: &io::Error| drop(unknown.insert(name.to_owned(), error.to_string()));
    let hostname = hostname(host);
    let limit = PATIENCE.min(context.limit.mul_f32(0.7));
    let keychain_files = keychain::files(host, &home, hostname.as_deref(), limit)
        .inspect_err(|error| told("keychain_files", error))
        .unwrap_or_default();
    let ssh = home.join(".ssh");
    let keys = keys::in_directory(host, &ssh).inspect_err(|error| told("keys", error)).unwrap_or_default();
    let login_shell = login_shell(host);
    let container_home = environment::whereabouts(host, named)
        .and_then(|place| place.home)
        .map(|container| container_ssh(host, &home, container).inspect_err(|error| told("container_home", error)))
        .and_then(Result::ok);
    SshSetup {
        keychain_files,
        keys,
        login_file: login_shell.as_deref().and_then(|shell| startup::login_file(host, &home, shell)),
        login_shell,
        startup_files: startup::files(host, &home),
        known_hosts: has_content(host, &ssh.join("known_hosts")),
        identity_agent: host.read_text(&ssh.join("config"), MAX_CONFIG).ok().as_deref().and_then(identity_agent),
        container_home,
        hostname,
        home: Some(home),
        unknown,
    }
}

/// The name that keychain uses: it takes HOSTNAME from the environment before it asks `uname -n`.
fn hostname(host: &dyn Host) -> Option<String> {
    let kernel = || host.read_text(Path::new("/proc/sys/kernel/hostname"), 4096).ok().map(|name| name.trim().to_owned());
    host.env_text("HOSTNAME").or_else(kernel).filter(|name| !name.is_empty())
}

/// The name of the login shell, from SHELL or the user database.
fn login_shell(host: &dyn Host) -> Option<String> {
    let database = || {
        let uid = host.identity().uid?.to_string();
        let passwd = host.read_text(Path::new("/etc/passwd"), 4 << 20).ok()?;
        let entry =
            passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.get(2) == Some(&uid.as_str()))?;
        entry.get(6).map(|shell| (*shell).to_owned())
    };
    let path = host.env_text("SHELL").or_else(database)?;
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Whether a file exists and is not empty; `None` when that cannot be told.
fn has_content(host: &dyn Host, file: &Path) -> Option<bool> {
    match host.metadata(file) {
        Ok(metadata) => Some(metadata.size > 0),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Some(false),
        Err(_) => None,
    }
}

fn container_ssh(host: &dyn Host, home: &Path, path: PathBuf) -> io::Result<ContainerSsh> {
    let directory = path.join(".ssh");
    let is_link = host.symlink_metadata(&directory).is_ok_and(|metadata| metadata.kind == FileKind::Symlink);
    let mut keys = match keys::in_directory(host, &directory) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
        keys => keys.ok(),
    };
    for key in keys.iter_mut().flatten() {
        key.same_as_own = keys::are_the_same(host, &directory.join(&key.name), &home.join(".ssh").join(&key.name));
    }
    Ok(ContainerSsh {
        is_home: host.canonicalize(&path).is_ok_and(|real| host.canonicalize(home).is_ok_and(|home| home == real)),
        link: is_link.then(|| host.read_link(&directory).ok()).flatten(),
        keys,
        known_hosts: has_content(host, &directory.join("known_hosts")),
        profile: home_profile::look(host, &path),
        path,
    })
}

/// `IdentityAgent` as it holds for every host: the first value outside of any `Host` and `Match`, or under `Host *` or `Match
/// all` (ssh_config(5): the first value counts).
fn identity_agent(config: &str) -> Option<String> {
    let mut for_all = true;
    for line in config.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((keyword, rest)) = line.split_once(|c: char| c.is_whitespace() || c == '=') else { continue };
        let value = rest.trim_matches(|c: char| c.is_whitespace() || c == '=');
        match keyword.to_ascii_lowercase().as_str() {
            "host" => for_all = value.trim_matches('"') == "*",
            "match" => for_all = value.eq_ignore_ascii_case("all"),
            "identityagent" if for_all => return Some(value.trim_matches('"').to_owned()).filter(|value| !value.is_empty()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::RecordedHost;

    fn probed(host: RecordedHost, named: Option<&str>) -> SshSetup {
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(5) }, named.map(OsStr::new))
    }

    #[test]
    fn a_described_home_gives_complete_facts() {
        let host = RecordedHost::new()
            .file("/proc/sys/kernel/hostname", "atlas\n")
            .file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/bash\n")
            .file("/home/anna/.bash_profile", "eval $(keychain --eval id_rsa)")
            .file("/home/anna/.ssh/known_hosts", "github.com ssh-ed25519 AAAA")
            .file(
                "/home/anna/.ssh/config",
                "Host work\n IdentityAgent /no\nHost *\n\tIdentityAgent = \"~/.1password/agent.sock\"\n",
            )
            .file_mode("/home/anna/.ssh/id_rsa", "-----BEGIN PRIVATE KEY-----", 0o600)
            .file("/bv/conf/casa_distro.json", "{}")
            .file("/bv/home/.ssh/id_copy", "-----BEGIN PRIVATE KEY-----")
            .file("/bv/home/.ssh/id_rsa", "-----BEGIN PRIVATE KEY-----")
            .file("/home/anna/.ssh/id_work", "-----BEGIN PRIVATE KEY-----\none")
            .file("/bv/home/.ssh/id_work", "-----BEGIN PRIVATE KEY-----\ntwo");
        let facts = probed(host, Some("/bv"));
        assert_eq!((facts.hostname.as_deref(), facts.login_shell.as_deref()), (Some("atlas"), Some("bash")));
        assert_eq!((facts.login_file.as_deref(), facts.known_hosts), (Some(".bash_profile"), Some(true)));
        assert_eq!(facts.identity_agent.as_deref(), Some("~/.1password/agent.sock"));
        assert_eq!(facts.keys[0].name, "id_rsa");
        let container = facts.container_home.unwrap();
        assert_eq!(
            (container.path.as_path(), container.is_home, container.known_hosts),
            (Path::new("/bv/home"), false, Some(false))
        );
        let keys = container.keys.unwrap();
        let told: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.same_as_own)).collect();
        assert_eq!(told, [("id_copy", None), ("id_rsa", Some(true)), ("id_work", Some(false))]);
        assert!(facts.unknown.is_empty());
    }

    #[test]
    fn the_name_that_keychain_uses_is_that_of_the_environment() {
        let host = RecordedHost::new().file("/proc/sys/kernel/hostname", "atlas\n").env("HOSTNAME", "atlas.example.org");
        assert_eq!(probed(host, None).hostname.as_deref(), Some("atlas.example.org"));
    }

    #[test]
    fn links_and_the_own_home_are_told() {
        let environment = || RecordedHost::new().file("/bv/conf/casa_distro.json", "{}");
        let container = probed(environment().symlink("/bv/home", "/home/anna"), Some("/bv")).container_home.unwrap();
        assert!(container.is_home, "{container:?}");
        let linked = environment().symlink("/bv/home/.ssh", "/safe/ssh").directory("/safe/ssh");
        let container = probed(linked, Some("/bv")).container_home.unwrap();
        assert!(!container.is_home && container.link.as_deref() == Some(Path::new("/safe/ssh")), "{container:?}");
    }

    #[test]
    fn what_may_not_be_looked_into_is_unknown() {
        let host = RecordedHost::new().identity(crate::host::Identity::default());
        assert!(probed(host, None).unknown.contains_key("home"));
    }

    #[test]
    fn the_identity_agent_of_some_hosts_is_not_that_of_all() {
        assert_eq!(identity_agent("Host a b\nIdentityAgent /x\nMatch all\nidentityagent none"), Some("none".to_owned()));
        assert_eq!(identity_agent("# IdentityAgent /x\nMatch user x\nIdentityAgent /y\n"), None);
        assert_eq!(identity_agent("IdentityAgent /first\nHost *\nIdentityAgent /second"), Some("/first".to_owned()));
    }
}
