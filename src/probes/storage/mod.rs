//! The probe "storage": the places that a launch writes to, the room there, and who may go there. Nothing is written.

mod mounts;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{DiskPlace, DiskRole, PathPart, Space, Storage, Unknowns};

use super::{Context, environment};
use crate::host::{Access, FileKind, Host};
use mounts::{Mount, Mounts};

/// Variables that name the directory of Apptainer and Singularity for temporary files, the one that counts first.
const ENGINE_TEMPORARY: [&str; 2] = ["APPTAINER_TMPDIR", "SINGULARITY_TMPDIR"];
/// Where Docker keeps images and containers unless it is told otherwise.
const DOCKER: &str = "/var/lib/docker";

/// Looks at every place, and at the way to the home of the container of the environment that is meant.
pub(crate) fn probe(context: &Context, named: Option<&OsStr>) -> Storage {
    let host = context.host.as_ref();
    let mut unknown = Unknowns::new();
    let mounts = Mounts::read(host).inspect_err(|error| drop(unknown.insert("filesystem".to_owned(), error.to_string())));
    let mounts = mounts.unwrap_or_default();
    let whereabouts = environment::whereabouts(host, named);
    let container_home = whereabouts.as_ref().and_then(|place| place.home.clone());

    let mut wanted = vec![named_by(host, DiskRole::Temporary, &["TMPDIR"]).unwrap_or((DiskRole::Temporary, "/tmp".into(), None))];
    wanted.extend(named_by(host, DiskRole::EngineTemporary, &ENGINE_TEMPORARY));
    wanted.extend(whereabouts.map(|place| (DiskRole::Environment, place.directory, None)));
    wanted.extend(host.identity().home.map(|home| (DiskRole::Home, home, None)));
    wanted.extend(container_home.clone().map(|home| (DiskRole::ContainerHome, home, None)));
    if host.exists(Path::new(DOCKER)) == Some(true) {
        wanted.push((DiskRole::Docker, DOCKER.into(), None));
    }
    Storage {
        places: wanted.into_iter().map(|(role, path, variable)| place(host, &mounts, role, path, variable)).collect(),
        home_path: container_home.map(|home| parts(host, &home)).unwrap_or_default(),
        unknown,
    }
}

type Wanted = (DiskRole, PathBuf, Option<String>);

/// The directory that the first of these variables names.
fn named_by(host: &dyn Host, role: DiskRole, variables: &[&str]) -> Option<Wanted> {
    variables.iter().find_map(|name| {
        let value = host.env(name).filter(|value| !value.is_empty())?;
        Some((role, PathBuf::from(value), Some((*name).to_owned())))
    })
}

fn place(host: &dyn Host, mounts: &Mounts, role: DiskRole, path: PathBuf, variable: Option<String>) -> DiskPlace {
    let nearest = path.ancestors().find(|ancestor| host.exists(ancestor) != Some(false)).map(Path::to_owned);
    let mut place = DiskPlace { role, exists: host.exists(&path), variable, path, ..DiskPlace::default() };
    let Some(nearest) = nearest else { return place };
    (place.writable, place.refusal) = may_write(host, &nearest);
    place.space = host.free_space(&nearest).ok().filter(|space| space.total_bytes > 0).map(|space| Space {
        free_bytes: space.free_bytes,
        total_bytes: space.total_bytes,
        free_inodes: space.free_inodes,
    });
    let real = host.canonicalize(&nearest).unwrap_or(nearest);
    if let Some(mount) = mounts.of(&real) {
        place.root_refused = mount.root_access();
        place.read_only = Some(mount.read_only);
        let Mount { point, filesystem, .. } = mount;
        (place.mount_point, place.filesystem) = (Some(point.clone()), Some(filesystem.clone()));
    } else {
        place.root_refused = casa_doctor_checks::facts::RootAccess::Unknown;
    }
    place
}

/// Whether this user may make files in a directory, and why not.
fn may_write(host: &dyn Host, directory: &Path) -> (Option<bool>, Option<String>) {
    match host.metadata(directory) {
        Ok(metadata) if metadata.kind != FileKind::Directory => {
            return (Some(false), Some(format!("{} is not a directory", directory.display())));
        }
        Ok(_) => {}
        Err(error) => return (None, Some(error.to_string())),
    }
    for access in [Access::Execute, Access::Write] {
        match host.access(directory, access) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return (Some(false), Some(format!("permission denied in {}", directory.display())));
            }
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return (Some(false), Some(format!("{} is on a filesystem that is mounted read-only", directory.display())));
            }
            Err(error) => return (None, Some(error.to_string())),
        }
    }
    (Some(true), None)
}

/// The directories from the root down to a path, links resolved as far as it exists. What lies below a directory that this
/// user may not pass through is not seen.
fn parts(host: &dyn Host, path: &Path) -> Vec<PathPart> {
    let nearest = path.ancestors().find_map(|ancestor| host.canonicalize(ancestor).ok());
    let real = match (host.canonicalize(path), nearest) {
        (Ok(real), _) => real,
        // Permission is refused somewhere on the way: the path as it is written shows where.
        (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => path.to_owned(),
        (Err(_), Some(nearest)) => nearest,
        (Err(_), None) => return Vec::new(),
    };
    let mut parts: Vec<_> = real
        .ancestors()
        .filter_map(|directory| {
            let metadata = host.metadata(directory).ok().filter(|metadata| metadata.kind == FileKind::Directory)?;
            let passable = match host.access(directory, Access::Execute) {
                Ok(()) => Some(true),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(false),
                Err(_) => None,
            };
            Some(PathPart { path: directory.to_owned(), mode: metadata.mode & 0o7777, passable })
        })
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use casa_doctor_checks::facts::RootAccess;

    use super::*;
    use crate::host::{LiveHost, RecordedHost, Space as Room};

    const MOUNTS: &str = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
        30 22 0:40 / /home rw,nosuid shared:2 - nfs4 server:/home rw,vers=4.2\n\
        31 22 0:41 / /cd ro - iso9660 /dev/sr0 ro\n";

    fn machine() -> RecordedHost {
        let room = |free| Room { free_bytes: free, total_bytes: 1 << 40, free_inodes: Some(1000) };
        RecordedHost::new()
            .file("/proc/self/mountinfo", MOUNTS)
            .directory("/tmp")
            .space("/", room(1 << 30))
            .space("/home", room(5))
            .file("/bv/conf/casa_distro.json", "{}")
    }

    fn probed(host: RecordedHost) -> Storage {
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(1) }, Some(OsStr::new("/bv")))
    }

    fn of(storage: &Storage, role: DiskRole) -> &DiskPlace {
        storage.places.iter().find(|place| place.role == role).unwrap()
    }

    #[test]
    fn a_described_machine_with_a_home_on_the_network() {
        let facts = probed(machine().directory("/scratch").env("SINGULARITY_TMPDIR", "/scratch").directory("/var/lib/docker"));
        let temporary = of(&facts, DiskRole::Temporary);
        assert_eq!((temporary.path.as_path(), temporary.variable.as_deref()), (Path::new("/tmp"), None));
        assert_eq!((temporary.root_refused, temporary.writable), (RootAccess::Full, Some(true)));
        assert_eq!(of(&facts, DiskRole::EngineTemporary).variable.as_deref(), Some("SINGULARITY_TMPDIR"));
        let home = of(&facts, DiskRole::ContainerHome);
        assert_eq!(home.exists, Some(false));
        assert_eq!((home.root_refused, home.filesystem.as_deref()), (RootAccess::MayBeSquashed, Some("nfs4")));
        assert_eq!(home.space.unwrap().free_bytes, 5);
        assert_eq!(of(&facts, DiskRole::Docker).mount_point.as_deref(), Some(Path::new("/")));
        let names: Vec<_> = facts.home_path.iter().map(|part| part.path.to_str().unwrap()).collect();
        assert_eq!(names, ["/", "/home", "/home/anna"]);
    }

    #[test]
    fn a_place_that_refuses_says_why() {
        let facts = probed(machine().env("TMPDIR", "/file/x").file("/file", ""));
        let temporary = of(&facts, DiskRole::Temporary);
        assert_eq!(temporary.writable, Some(false));
        assert!(temporary.refusal.as_ref().unwrap().contains("/file is not a directory"));
    }

    #[test]
    fn without_a_list_of_mounts_nothing_is_claimed() {
        let facts = probed(RecordedHost::new().file("/bv/conf/casa_distro.json", "{}"));
        assert!(facts.unknown.contains_key("filesystem"));
        let home = of(&facts, DiskRole::Home);
        assert_eq!((home.root_refused, home.space, home.read_only), (RootAccess::Unknown, None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_real_machine_has_room_somewhere() {
        let room = LiveHost.free_space(Path::new("/")).unwrap();
        assert!(room.total_bytes > 0 && room.free_bytes <= room.total_bytes, "{room:?}");
        assert!(LiveHost.free_space(Path::new("/nothing at all")).is_err());
        let facts = probe(&Context { host: Arc::new(LiveHost), limit: Duration::from_secs(5) }, None);
        assert!(of(&facts, DiskRole::Temporary).mount_point.is_some());
    }
}
