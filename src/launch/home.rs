//! The container's home directory: where it is on the host, and what is put in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::binds::Binds;
use crate::casa_distro::container_home;
use crate::host::{Access, Host};

/// Where the home stands in the container.
pub(super) const IN_CONTAINER: &str = "/casa/home";

/// What is mounted at `/var/lib/xkb`: Xvfb wants to write there.
pub(super) const XKB: &str = ".varlib/xkb";

/// Settings of the host's home that are shared with the container by symbolic links.
const SHARED: [&str; 4] = [".anatomist", ".brainvisa", ".soma-workflow", ".soma-workflow.cfg"];

/// The image's settings are read first, so that a new image brings its own; what the user adds comes after them.
const BASHRC: &str = "\
# Settings of bash in the container. Those of the image come first: keep this line.
. /casa/bashrc

# Your own settings go below this line.
";

/// The home of the container on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Whether it is there already.
    pub(super) exists: bool,
    /// Links that it gets when it is made: name and target.
    pub(super) links: Vec<(String, PathBuf)>,
}

/// Finds the home as casa_distro does: `home` in the environment's directory when it is there, else one per user and environment.
pub(super) fn find(host: &dyn Host, directory: &Path) -> Option<Home> {
    let directory = container_home(host, directory)?;
    let exists = host.exists(&directory) == Some(true);
    Some(Home { directory, exists, links: Vec::new() })
}

impl Home {
    /// Says where the links to the settings in the host's home lead: to the same path where the container shows it, else by `/host`.
    pub(super) fn link_to(&mut self, host_home: &Path, binds: &Binds) {
        if self.exists {
            return;
        }
        let seen = if binds.shows_at_same_place(host_home) {
            host_home.to_owned()
        } else {
            Path::new("/host").join(host_home.strip_prefix("/").unwrap_or(host_home))
        };
        self.links = SHARED.iter().map(|name| ((*name).to_owned(), seen.join(name))).collect();
    }

    /// Whether the directory for `/var/lib/xkb` is there or will be made by [`Home::prepare`].
    pub(super) fn will_have_xkb(&self, host: &dyn Host) -> bool {
        !self.exists || host.exists(&self.directory.join(XKB)) == Some(true) || host.access(&self.directory, Access::Write).is_ok()
    }

    /// The directory for `/var/lib/xkb` where it is missing and [`Home::prepare`] will make it, with the home around it.
    pub(super) fn made_first(&self, host: &dyn Host) -> Option<PathBuf> {
        let directory = self.directory.join(XKB);
        (self.will_have_xkb(host) && host.exists(&directory) != Some(true)).then_some(directory)
    }

    /// Makes the home, and what is missing of its first content. What is there is never touched.
    ///
    /// It belongs to whoever owns the directory that it is made in, also when root calls: a home of root could not be used by the
    /// user whose environment this is.
    pub(super) fn prepare(&self, host: &dyn Host) -> io::Result<()> {
        let around = self.directory.ancestors().find_map(|directory| host.metadata(directory).ok());
        as_user(around.map_or((0, 0), |around| (around.uid, around.gid)), || self.make(host))
    }

    fn make(&self, host: &dyn Host) -> io::Result<()> {
        if self.exists && host.access(&self.directory, Access::Write).is_err() {
            return Ok(());
        }
        std::fs::create_dir_all(self.directory.join(XKB))?;
        #[cfg(unix)]
        for (name, target) in &self.links {
            ignore_existing(std::os::unix::fs::symlink(target, self.directory.join(name)))?;
        }
        create_new(&self.directory.join(".bashrc"), BASHRC)?;
        // Without it, bash of some images tells at every start to use sudo, which cannot work there.
        create_new(&self.directory.join(".sudo_as_admin_successful"), "")
    }
}

/// Does something as another user where root calls. As that user and not by giving it away afterwards: who owns the directories on
/// the way could lead root elsewhere meanwhile.
#[cfg(target_os = "linux")]
fn as_user((uid, gid): (u32, u32), work: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    use rustix::thread::{Gid, Uid, set_thread_res_gid, set_thread_res_uid};
    if uid == 0 || !rustix::process::geteuid().is_root() {
        return work();
    }
    // A thread that ends afterwards: the kernel has user ids for each thread.
    let made = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            work()
        });
        worker.join()
    });
    made.unwrap_or_else(|_| Err(io::Error::other("the thread that makes it ended too early")))
}

#[cfg(not(target_os = "linux"))]
fn as_user(_: (u32, u32), work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    work()
}

fn create_new(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
        // Half of it would stay for ever, since what is there is never touched.
        Ok(mut file) => file.write_all(text.as_bytes()).inspect_err(|_| drop(std::fs::remove_file(path))),
        Err(error) => ignore_existing(Err(error)),
    }
}

fn ignore_existing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::LiveHost;

    #[test]
    fn links_lead_to_where_the_container_shows_the_hosts_home() {
        let home = || Home { directory: "/h".into(), exists: false, links: Vec::new() };
        let mut seen = home();
        let mut binds = Binds::default();
        binds.set(Some("/home".into()), Path::new("/home"));
        seen.link_to(Path::new("/home/anna"), &binds);
        assert_eq!(seen.links[0], (".anatomist".into(), "/home/anna/.anatomist".into()));
        let mut unseen = home();
        unseen.link_to(Path::new("/users/anna"), &binds);
        assert_eq!(unseen.links[3].1, Path::new("/host/users/anna/.soma-workflow.cfg"));
    }

    #[cfg(unix)]
    #[test]
    fn a_home_is_made_once_and_never_overwritten() {
        let scratch = tempfile::tempdir().unwrap();
        let mut home = Home { directory: scratch.path().join("a/home"), exists: false, links: Vec::new() };
        home.link_to(Path::new("/users/anna"), &Binds::default());
        home.prepare(&LiveHost).unwrap();
        let text = |name: &str| LiveHost.read_text(&home.directory.join(name), 4096);
        assert!(text(".bashrc").unwrap().contains(". /casa/bashrc"));
        assert_eq!(LiveHost.read_link(&home.directory.join(".brainvisa")).unwrap(), Path::new("/host/users/anna/.brainvisa"));
        assert_eq!(LiveHost.read_dir(&home.directory).unwrap().len(), 7);
        drop(std::fs::OpenOptions::new().append(true).open(home.directory.join(".bashrc")).unwrap().write(b"mine"));
        home.prepare(&LiveHost).unwrap();
        assert!(text(".bashrc").unwrap().ends_with("mine"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_root_makes_in_the_environment_of_a_user_belongs_to_that_user() {
        let scratch = tempfile::tempdir().unwrap();
        // Root alone gives away; with another user's rights this is about his own files.
        drop(std::os::unix::fs::chown(scratch.path(), Some(65534), Some(65534)));
        let owner = LiveHost.metadata(scratch.path()).unwrap().uid;
        let mut home = Home { directory: scratch.path().join("home"), exists: false, links: Vec::new() };
        home.link_to(Path::new("/users/anna"), &Binds::default());
        home.prepare(&LiveHost).unwrap();
        for name in ["", ".varlib", ".varlib/xkb", ".bashrc", ".sudo_as_admin_successful"] {
            assert_eq!(LiveHost.metadata(&home.directory.join(name)).unwrap().uid, owner, "{name}");
        }
        assert_eq!(LiveHost.symlink_metadata(&home.directory.join(".anatomist")).unwrap().uid, owner);
    }
}
