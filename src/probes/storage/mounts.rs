//! The mounted filesystems, from /proc/self/mountinfo (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::RootAccess;

use crate::host::Host;

/// Filesystems whose server may take root for nobody. FUSE is told by its options.
const NETWORK: [&str; 12] = ["nfs", "nfs4", "lustre", "gpfs", "beegfs", "afs", "panfs", "ceph", "cifs", "smb3", "pvfs2", "autofs"];

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// Its type.
    pub(super) filesystem: String,
    /// Whether it is mounted read-only.
    pub(super) read_only: bool,
    /// Options of the filesystem itself.
    super_options: Vec<String>,
}

impl Mount {
    /// How root is treated there.
    pub(super) fn root_access(&self) -> RootAccess {
        let option = |name: &str| self.super_options.iter().any(|option| option == name);
        if self.filesystem == "fuse" || self.filesystem.starts_with("fuse.") {
            // Without one of these the kernel lets nobody in but the user who mounted it (mount.fuse(8)).
            let open = option("allow_other") || option("allow_root") || option("user_id=0");
            return if open { RootAccess::Full } else { RootAccess::Refused };
        }
        if NETWORK.contains(&self.filesystem.as_str()) { RootAccess::MayBeSquashed } else { RootAccess::Full }
    }
}

/// All of them; a later one hides an earlier one at the same point.
#[derive(Debug, Clone, Default)]
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    /// # Errors
    ///
    /// When the list cannot be read, as on every system but Linux.
    pub(super) fn read(host: &dyn Host) -> io::Result<Self> {
        let bytes = host.read(Path::new("/proc/self/mountinfo"), 4 << 20)?;
        Ok(Self(bytes.split(|byte| *byte == b'\n').filter_map(mount).collect()))
    }

    /// The one that holds a path without links.
    pub(super) fn of(&self, path: &Path) -> Option<&Mount> {
        let depth = |mount: &&Mount| mount.point.components().count();
        self.0.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(depth)
    }
}

fn mount(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    let text = |index: usize| fields.get(index).map(|field| String::from_utf8_lossy(field).into_owned());
    let options = |index: usize| text(index).unwrap_or_default().split(',').map(str::to_owned).collect::<Vec<_>>();
    let super_options = options(dash + 3);
    let read_only = options(5).iter().chain(&super_options).any(|option| option == "ro");
    Some(Mount { point: unescaped(fields.get(4)?), filesystem: text(dash + 1)?, read_only, super_options })
}

/// A field with its octal escapes (`\040` for a space) replaced.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = (first == b'\\').then(|| after.get(..3)).flatten().and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    path(bytes)
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from(String::from_utf8_lossy(&bytes).into_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn mounts(text: &str) -> Mounts {
        Mounts::read(&RecordedHost::new().file("/proc/self/mountinfo", text)).unwrap()
    }

    #[test]
    fn the_deepest_and_latest_mount_counts() {
        let mounts = mounts(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:2 / /a\\040b rw - xfs /dev/sdb ro\n24 22 8:3 / /home rw - ext4 x rw\n25 22 8:4 / /home rw shared:1 master:2 - nfs4 s:/h rw\nbroken line\n",
        );
        assert_eq!(mounts.of(Path::new("/a b/c")).map(|mount| (mount.filesystem.as_str(), mount.read_only)), Some(("xfs", true)));
        assert_eq!(mounts.of(Path::new("/home/anna")).unwrap().filesystem, "nfs4");
        assert_eq!(mounts.of(Path::new("/homes")).unwrap().point, Path::new("/"));
    }

    #[test]
    fn how_root_is_treated() {
        for (kind, options, access) in [
            ("ext4", "rw", RootAccess::Full),
            ("nfs4", "rw,vers=4.2", RootAccess::MayBeSquashed),
            ("fuse.sshfs", "rw,user_id=1000,group_id=1000", RootAccess::Refused),
            ("fuse.sshfs", "rw,user_id=1000,group_id=1000,allow_other", RootAccess::Full),
            ("fuse.lxcfs", "rw,user_id=0,group_id=0", RootAccess::Full),
            ("fuseblk", "rw,user_id=1000", RootAccess::Full),
        ] {
            let mounts = mounts(&format!("22 1 8:1 / / rw - {kind} x {options}\n"));
            assert_eq!(mounts.of(Path::new("/")).unwrap().root_access(), access, "{kind} {options}");
        }
    }
}
