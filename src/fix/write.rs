//! Putting whole files on the disk: at any instant a file is the old one or the new one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tempfile::NamedTempFile;
use time::OffsetDateTime;

use super::error::FixError;
use crate::host::{Access, Host, Metadata};

/// How long another fix is waited for, which takes some milliseconds, and how often it is looked for its end.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A file's new content, complete and safe on the disk under another name.
#[derive(Debug)]
pub(super) struct Staged {
    file: NamedTempFile,
    target: PathBuf,
}

/// Writes the new content of `target` (links followed already) beside it, with the mode, and where possible the owner, group
/// and access list, of the file `like`.
pub(super) fn stage(host: &dyn Host, target: &Path, content: &[u8], like: &Path) -> Result<Staged, FixError> {
    // Renaming would replace even a file that is write-protected, which somebody will have wanted to be so.
    match host.access(target, Access::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FixError::unwritable(target, "written", &error)),
        _ => {}
    }
    let directory = parent(target);
    let stage = || {
        let mut file = tempfile::Builder::new().prefix(".casa-doctor-").suffix(".tmp").tempfile_in(directory)?;
        file.write_all(content)?;
        keep_attributes(file.as_file(), like, host.metadata(like).ok());
        file.as_file().sync_all()?;
        Ok(file)
    };
    let file = stage().map_err(|error| FixError::unwritable(directory, "written to", &error))?;
    Ok(Staged { file, target: target.to_owned() })
}

impl Staged {
    /// Gives the content its name. This is the one instant at which the file changes.
    pub(super) fn publish(self) -> Result<(), FixError> {
        let Self { file, target } = self;
        file.persist(&target).map_err(|error| FixError::unwritable(&target, "replaced", &error.error))?;
        // The new content has its name already; should the disk not confirm it, it is still whole.
        drop(sync_directory(parent(&target)));
        Ok(())
    }
}

/// Keeps content beside `target` in a new file, `<name>.casa-doctor-<UTC time>`, and tells its path. A file that exists is never
/// overwritten.
pub(super) fn keep_copy(host: &dyn Host, target: &Path, content: &[u8], time: &str) -> Result<PathBuf, FixError> {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".casa-doctor-{time}"));
    let mut number = 1;
    loop {
        let copy = match number {
            1 => target.with_file_name(&name),
            _ => {
                let mut name = name.clone();
                name.push(format!("-{number}"));
                target.with_file_name(name)
            }
        };
        match create(host, &copy, content, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(FixError::unwritable(&copy, "written", &error)),
            Ok(()) => return Ok(copy),
        }
    }
}

fn create(host: &dyn Host, copy: &Path, content: &[u8], like: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(copy)?;
    let mut write = || {
        file.write_all(content)?;
        keep_attributes(&file, like, host.metadata(like).ok());
        file.sync_all()?;
        sync_directory(parent(copy))
    };
    write().inspect_err(|_| remove(copy))
}

/// Keeps other fixes and undos away from a directory, as long as what is returned lives. Where the filesystem has no locks, or somebody
/// holds one for too long, it goes without: files are compared once more before they are replaced.
pub(super) fn lock(directory: &Path) -> Option<File> {
    #[expect(clippy::disallowed_methods, reason = "Host::open opens regular files for reading; this opens a directory to lock it")]
    let directory = File::open(directory).ok()?;
    let deadline = Instant::now() + LOCK_LIMIT;
    while matches!(directory.try_lock(), Err(TryLockError::WouldBlock)) && Instant::now() < deadline {
        std::thread::sleep(LOCK_PAUSE);
    }
    Some(directory)
}

/// Removes a file of ours. One that stays does no harm.
pub(super) fn remove(path: &Path) {
    drop(std::fs::remove_file(path));
}

/// A time as it stands in the names of copies: `20261123T101502Z`.
pub(super) fn stamp(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (date, clock) = (time.date(), time.time());
    let month = u8::from(date.month());
    format!("{:04}{month:02}{:02}T{:02}{:02}{:02}Z", date.year(), date.day(), clock.hour(), clock.minute(), clock.second())
}

/// The directory of a file.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes renames and new names in a directory last through a power failure.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "Host::open opens regular files for reading; this opens a directory to flush it")]
    let directory = File::open(directory)?;
    match directory.sync_all() {
        // Some network filesystems cannot do this for directories.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Gives a new file the owner, group, access list and mode of another, as far as this user may.
#[cfg(unix)]
fn keep_attributes(file: &File, like: &Path, metadata: Option<Metadata>) {
    use rustix::fs::{Gid, Mode, RawMode, Uid, fchmod, fchown};
    let Some(metadata) = metadata else { return };
    let (owner, group) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
    if fchown(file, Some(owner), Some(group)).is_err() {
        // Only root gives files away, but anybody may choose among his own groups.
        let _ = fchown(file, None, Some(group));
    }
    #[cfg(target_os = "linux")]
    keep_extended_attributes(file, like);
    #[cfg(not(target_os = "linux"))]
    let _ = like;
    // Last, since a change of owner clears the special bits.
    let _ = fchmod(file, Mode::from_raw_mode(metadata.mode as RawMode));
}

#[cfg(not(unix))]
fn keep_attributes(_: &File, _: &Path, _: Option<Metadata>) {}

/// Copies what Linux keeps beside a file, among it POSIX access lists (`system.posix_acl_access`).
#[cfg(target_os = "linux")]
fn keep_extended_attributes(file: &File, like: &Path) {
    use rustix::fs::{XattrFlags, fsetxattr, getxattr, listxattr};
    let mut names = [0; 8 * 1024];
    let Ok(length) = listxattr(like, &mut names) else { return };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = [0; 8 * 1024];
        if let Ok(length) = getxattr(like, name, &mut value) {
            // What this user may not set is what the system sets by itself.
            let _ = fsetxattr(file, name, &value[..length], XattrFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stamp_sorts_by_time() {
        assert_eq!(stamp(SystemTime::UNIX_EPOCH), "19700101T000000Z");
        assert_eq!(stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_429_782)), "20261123T102942Z");
    }
}
