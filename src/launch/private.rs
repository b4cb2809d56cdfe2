//! The private directory of a launch: the cookie, and the two files by which the container tells that the command was started.
//!
//! It is made for one launch and removed at its end. What a killed casa-doctor has left is removed by the next one: a lock that the
//! kernel drops when its holder ends tells whether somebody still uses a directory.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::dialect::STARTED;
use crate::host::{Access, FileKind, Host, LiveHost};

/// How the directories are called: this, the number of the process, a dot and something random.
const PREFIX: &str = "casa-doctor-run.";

/// The part of the directory that the container sees.
const SHOWN: &str = "shown";

/// The program that can remove the container.
const ENGINE: &str = "engine";

/// A directory whose lock cannot be had although its process is gone is left alone for this long: it may be just being made.
const MAKING: Duration = Duration::from_secs(60);

/// The directories that are there and have no container that would have to be removed first.
static PRESENT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes every such directory: the program ends by a mistake of ours, and nothing will be dropped.
pub(crate) fn remove_at_a_crash() {
    // Whoever holds the lock may be the one that made the mistake.
    for directory in PRESENT.try_lock().map(|mut present| std::mem::take(&mut *present)).unwrap_or_default() {
        drop(std::fs::remove_dir_all(directory));
    }
}

/// The directory. Dropping it removes it, and before it the container of its name, if there may be one.
#[derive(Debug)]
pub(super) struct Private {
    directory: tempfile::TempDir,
    /// The program that can remove the container, while there may be one.
    engine: Option<PathBuf>,
    /// Whether the engine may still be making it.
    abandoned: bool,
    /// Held until the directory is removed.
    _lock: File,
}

impl Private {
    /// Makes one, after removing what killed runs have left. `scripts` are the files that start the command, by name. `parent` is where
    /// it has to be; `engine` is the program by which a container of the directory's name can be removed, when there will be one.
    pub(super) fn create(
        host: &dyn Host,
        parent: Option<&Path>,
        authority: Option<&[u8]>,
        scripts: &[(&str, Vec<u8>)],
        engine: Option<&Path>,
    ) -> io::Result<Self> {
        let parent = parent.map_or_else(|| usual_parent(host), Path::to_owned);
        sweep(host, &parent);
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}.", std::process::id()))
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)?;
        let lock = create(&directory.path().join("lock"), b"")?;
        match lock.try_lock() {
            Err(TryLockError::Error(error)) if has_no_locks(&error) => {}
            locked => locked?,
        }
        if engine.is_none() {
            PRESENT.lock().unwrap_or_else(PoisonError::into_inner).push(directory.path().to_owned());
        }
        if let Some(engine) = engine {
            create(&directory.path().join(ENGINE), engine.as_os_str().as_encoded_bytes())?;
        }
        if let Some(bytes) = authority {
            create(&directory.path().join("Xauthority"), bytes)?;
        }
        let shown = directory.path().join(SHOWN);
        std::fs::create_dir(&shown)?;
        for (name, text) in scripts {
            create(&shown.join(name), text)?;
        }
        create(&shown.join(STARTED), b"")?;
        Ok(Self { directory, engine: engine.map(Path::to_owned), abandoned: false, _lock: lock })
    }

    /// Its name, which the launch and its container have, too.
    pub(super) fn name(&self) -> &str {
        self.directory.path().file_name().and_then(OsStr::to_str).unwrap_or(PREFIX)
    }

    /// The engine came to its end with the container, and has removed it.
    pub(super) fn without_container(&mut self) {
        self.engine = None;
    }

    /// The engine's program was ended while it was at work, which its daemon may still do.
    pub(super) fn was_interrupted(&mut self) {
        self.abandoned = true;
    }

    /// The authority file.
    pub(super) fn authority(&self) -> PathBuf {
        self.directory.path().join("Xauthority")
    }

    /// The part that the container sees.
    pub(super) fn shown(&self) -> PathBuf {
        self.directory.path().join(SHOWN)
    }

    /// The number of the command's process, as the container sees it; `None` while it has not been started.
    pub(super) fn started(&self, host: &dyn Host) -> Option<i32> {
        host.read_text(&self.shown().join(STARTED), 64).ok()?.trim().parse().ok()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        PRESENT.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| path != self.directory.path());
        if let Some(engine) = &self.engine
            && !super::docker::remove(&LiveHost, engine, self.name(), self.abandoned)
        {
            // What cannot be removed now is swept by a later launch.
            self.directory.disable_cleanup(true);
        }
    }
}

/// Where private directories are made: the user's run-time directory, else the one for temporary files.
fn usual_parent(host: &dyn Host) -> PathBuf {
    let usable = |path: &PathBuf| path.is_absolute() && path.to_str().is_some() && host.access(path, Access::Write).is_ok();
    ["XDG_RUNTIME_DIR", "TMPDIR"]
        .into_iter()
        .filter_map(|name| host.env(name).filter(|path| !path.is_empty()).map(PathBuf::from))
        .find(usable)
        .unwrap_or_else(|| "/tmp".into())
}

/// Whether the filesystem has no locks, as some of clusters. What cannot be locked is swept by nobody.
fn has_no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOLCK].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Removes the directories of runs that were killed. Nothing here can stop a launch.
fn sweep(host: &dyn Host, parent: &Path) {
    for name in host.read_dir(parent).unwrap_or_default() {
        let path = parent.join(&name);
        if is_ours(host, &path, &name) && is_abandoned(host, &path, &name) && has_no_container(host, &path, &name) {
            drop(std::fs::remove_dir_all(&path));
        }
    }
}

fn is_ours(host: &dyn Host, path: &Path, name: &OsStr) -> bool {
    // The name first: a directory of temporary files may have thousands of entries.
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
        && host
            .symlink_metadata(path)
            .is_ok_and(|metadata| metadata.kind == FileKind::Directory && Some(metadata.uid) == host.identity().uid)
}

/// Removes the container that a killed run has left; false when it may still be there.
fn has_no_container(host: &dyn Host, path: &Path, name: &OsStr) -> bool {
    let Ok(engine) = host.read(&path.join(ENGINE), 4096) else { return true };
    let engine = PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(engine));
    name.to_str().is_none_or(|name| super::docker::remove(host, &engine, name, false))
}

fn is_abandoned(host: &dyn Host, path: &Path, name: &OsStr) -> bool {
    let locked = match OpenOptions::new().read(true).write(true).open(path.join("lock")) {
        // Whoever holds the lock lives, on this machine or on another one that shares the directory.
        Ok(file) => file.try_lock().is_err(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(_) => true,
    };
    if locked {
        return false;
    }
    // Between making the directory and taking its lock a launch is not protected by it.
    let age = host
        .symlink_metadata(path)
        .ok()
        .and_then(|metadata| metadata.modified)
        .and_then(|time| host.now().duration_since(time).ok());
    !is_running(name) || age.is_some_and(|age| age > MAKING)
}

/// Whether the process in the name of a directory is there, under whoever.
fn is_running(name: &OsStr) -> bool {
    let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok());
    let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::launch::dialect::START;

    #[test]
    fn a_directory_is_private_and_goes_away() {
        let private = Private::create(&LiveHost, None, Some(b"cookie"), &[(START, b"exit".to_vec())], None).unwrap();
        let path = private.directory.path().to_owned();
        let mode = |path: &Path| path.symlink_metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode(&path), mode(&private.authority())), (0o700, 0o600));
        assert_eq!(LiveHost.read(&private.authority(), 64).unwrap(), b"cookie");
        assert_eq!(LiveHost.read(&private.shown().join(START), 64).unwrap(), b"exit");
        assert_eq!(private.started(&LiveHost), None);
        drop(private);
        assert!(!path.exists());
    }

    #[test]
    #[ignore = "what the next test runs; alone it does nothing"]
    fn a_run_that_panics() {
        if LiveHost.env("CASA_DOCTOR_TEST_PANICS").is_none() {
            return;
        }
        crate::crash::install(|_| {
            remove_at_a_crash();
            #[expect(clippy::exit, clippy::disallowed_methods, reason = "as the program does")]
            std::process::exit(9);
        });
        let make = |engine| Private::create(&LiveHost, None, Some(b"cookie"), &[], engine).unwrap();
        let (one, ended, other) = (make(None), make(None), make(Some(Path::new("/bin/true"))));
        drop(ended);
        crate::output::document(&format!("one={}\nother={}\n", one.directory.path().display(), other.directory.path().display()))
            .unwrap();
        assert!(one.authority().exists() && !one.authority().exists(), "a mistake");
    }

    #[test]
    fn a_panic_leaves_nothing_behind_but_what_needs_its_engine() {
        let parent = tempfile::tempdir().unwrap();
        let program = LiveHost.own_program().unwrap();
        let arguments = ["--exact", "launch::private::tests::a_run_that_panics", "--ignored", "--nocapture", "--test-threads=1"];
        let command = crate::host::Command::new(&program, Duration::from_secs(20))
            .args(arguments)
            .env("CASA_DOCTOR_TEST_PANICS", OsStr::new("1"))
            .env("XDG_RUNTIME_DIR", parent.path().as_os_str());
        let output = LiveHost.run(&command);
        assert_eq!(output.end, crate::host::CommandEnd::Exited(9), "{}", output.stderr_text());
        let told = output.stdout_text();
        let path = |name: &str| PathBuf::from(told.lines().find_map(|line| line.split_once(name)).unwrap().1);
        assert!(path("other=").starts_with(parent.path()) && path("other=").exists());
        assert!(path("one=").starts_with(parent.path()) && !path("one=").exists());
        assert_eq!(LiveHost.read_dir(parent.path()).unwrap().len(), 1);
    }

    #[test]
    fn without_a_cookie_there_is_no_authority_file() {
        let private = Private::create(&LiveHost, None, None, &[], None).unwrap();
        assert!(!private.authority().exists());
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).unwrap();
            drop(create(&path.join("lock"), b"").unwrap());
            path
        };
        // No process can have these numbers: they are above the kernel's limit.
        let (abandoned, held) = (make("casa-doctor-run.1073741821.a"), make("casa-doctor-run.1073741822.b"));
        let being_made = make(&format!("casa-doctor-run.{}.c", std::process::id()));
        let (foreign, link) = (make("something-else.1073741823.d"), parent.path().join("casa-doctor-run.1073741820.e"));
        std::os::unix::fs::symlink(&foreign, &link).unwrap();
        let lock = OpenOptions::new().write(true).open(held.join("lock")).unwrap();
        lock.try_lock().unwrap();
        sweep(&LiveHost, parent.path());
        assert!(!abandoned.exists());
        assert!(held.exists() && being_made.exists() && foreign.join("lock").exists() && link.exists());
    }
}
