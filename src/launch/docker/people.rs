//! Who the user is in the container.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::EngineKind;

use super::options;
use crate::host::Host;
use crate::probes::docker_daemon;

/// A file of users or groups has some kilobytes.
const LIMIT: u64 = 1 << 20;

/// What makes the user the same in the container as outside.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct People {
    /// Options of the engine.
    pub(super) arguments: Vec<String>,
    /// Files that are put over the image's.
    pub(super) files: Vec<(&'static str, &'static str, Vec<u8>)>,
}

/// Works out who the user is.
///
/// Files are the user's own on both sides only when the number is the same. Where an engine runs as the user, its root is the user:
/// Podman is asked to map the number to itself (`keep-id`), rootless Docker cannot. Without an entry in the file of users, ssh refuses to
/// work ("No user exists for uid …") and git with it, so the container gets the machine's file with the container's home in it.
pub(super) fn of(host: &dyn Host, kind: EngineKind, root: bool, home: &Path, given: &[String]) -> People {
    let who = host.identity();
    if root {
        // Of a container of Podman that is the user, who has no more rights outside than before.
        let words = if kind == EngineKind::Docker { vec!["--user".into(), "0:0".into()] } else { Vec::new() };
        return People { arguments: words, files: Vec::new() };
    }
    let (Some(uid), Some(gid)) = (who.uid, who.gid) else { return People::default() };
    if options::has(given, &["--user", "-u", "--userns"]) {
        return People::default();
    }
    let mut arguments: Vec<String> = Vec::new();
    match kind {
        EngineKind::Podman if uid == 0 => {}
        EngineKind::Podman => {
            arguments.extend(["--userns".into(), "keep-id".into()]);
            if !options::has(given, &["--group-add"]) {
                // Only the runtime crun does it; others go on without.
                arguments.extend(["--group-add".into(), "keep-groups".into()]);
            }
        }
        _ if uid != 0 && daemon_is_of(host, uid) => {
            return People { arguments: vec!["--user".into(), "0:0".into()], files: Vec::new() };
        }
        _ => {
            arguments.extend(["--user".into(), format!("{uid}:{gid}")]);
            let others = who.groups.iter().filter(|group| **group != gid && uid != 0);
            arguments.extend(others.flat_map(|group| ["--group-add".into(), group.to_string()]));
        }
    }
    if uid == 0 {
        return People { arguments, files: Vec::new() };
    }
    let name = who.user.filter(|name| !name.is_empty() && !name.contains([':', '\n'])).unwrap_or_else(|| "user".into());
    let home = home.to_str().filter(|home| !home.contains([':', '\n'])).unwrap_or("/");
    let users = with_line(&text(host, "/etc/passwd"), &name, 2, uid, &format!("{name}:x:{uid}:{gid}:{name}:{home}:/bin/bash"));
    let groups = text(host, "/etc/group");
    let groups = if has_number(&groups, 2, gid) { groups } else { with_line(&groups, &name, 2, gid, &format!("{name}:x:{gid}:")) };
    let files = vec![("passwd", "/etc/passwd", users.into_bytes()), ("group", "/etc/group", groups.into_bytes())];
    People { arguments, files }
}

/// Whether the daemon's socket belongs to the user: rootless Docker, and Docker Desktop, whose root is the user as well.
fn daemon_is_of(host: &dyn Host, uid: u32) -> bool {
    let socket = docker_daemon::endpoint(host).ok().and_then(|place| place.strip_prefix("unix://").map(PathBuf::from));
    socket.and_then(|socket| host.metadata(&socket).ok()).is_some_and(|socket| socket.uid == uid)
}

fn text(host: &dyn Host, path: &str) -> String {
    host.read_text(Path::new(path), LIMIT).unwrap_or_else(|_| "root:x:0:0:root:/root:/bin/bash\n".into())
}

fn has_number(text: &str, field: usize, number: u32) -> bool {
    text.lines().any(|line| line.split(':').nth(field).and_then(|number| number.parse().ok()) == Some(number))
}

/// The text with a line of its own for a name and a number, whoever had them before.
fn with_line(text: &str, name: &str, field: usize, number: u32, line: &str) -> String {
    let others = text.lines().filter(|other| {
        let same_name = other.split(':').next() == Some(name);
        !same_name && !has_number(other, field, number)
    });
    others.chain([line]).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna,,,:/home/anna:/bin/zsh\nman:x:6:12:man:/x:/bin/false\n";

    fn machine() -> RecordedHost {
        RecordedHost::new().file("/etc/passwd", USERS).file("/etc/group", "root:x:0:\nanna:x:1000:\n")
    }

    fn arguments(kind: EngineKind, host: &RecordedHost, given: &[&str]) -> Vec<String> {
        let given: Vec<_> = given.iter().map(|word| (*word).to_owned()).collect();
        of(host, kind, false, Path::new("/casa/home"), &given).arguments
    }

    #[test]
    fn the_number_is_the_same_on_both_sides() {
        assert_eq!(arguments(EngineKind::Docker, &machine(), &[])[..2], ["--user", "1000:1000"]);
        let kept = ["--userns", "keep-id", "--group-add", "keep-groups"];
        assert_eq!(arguments(EngineKind::Podman, &machine(), &[]), kept);
        assert_eq!(arguments(EngineKind::Podman, &machine(), &["--group-add=44"]), kept[..2]);
        assert!(arguments(EngineKind::Docker, &machine(), &["--user", "0"]).is_empty(), "the configuration knows better");
        // The daemon of the user: its root is the user.
        let rootless = machine().env("DOCKER_HOST", "unix:///run/user/1000/docker.sock");
        let rootless = rootless.file("/run/user/1000/docker.sock", "").owner("/run/user/1000/docker.sock", 1000);
        assert_eq!(arguments(EngineKind::Docker, &rootless, &[]), ["--user", "0:0"]);
    }

    #[test]
    fn the_user_is_known_by_name_and_lives_in_the_containers_home() {
        let files = of(&machine(), EngineKind::Docker, false, Path::new("/casa/home"), &[]).files;
        let users = String::from_utf8(files[0].2.clone()).unwrap();
        assert_eq!(users.lines().count(), 3);
        assert!(users.ends_with("anna:x:1000:1000:anna:/casa/home:/bin/bash\n") && users.contains("man:x:6"), "{users}");
        assert_eq!(files[1].2, b"root:x:0:\nanna:x:1000:\n");
        // Users of a directory service are in no file.
        let bare = of(&RecordedHost::new(), EngineKind::Docker, false, Path::new("/casa/home"), &[]).files;
        assert!(String::from_utf8(bare[1].2.clone()).unwrap().ends_with("anna:x:1000:\n"));
    }
}
