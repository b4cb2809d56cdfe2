//! A machine of VirtualBox from inside: folders of the host, and who may use them.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{SharedFolder, VirtualBoxGuest};

use crate::host::{Access, Host};

/// The group whose members may use folders that are mounted by themselves.
const GROUP: &str = "vboxsf";

/// Looks at the mounts and at the group file.
pub(super) fn look(host: &dyn Host) -> VirtualBoxGuest {
    let mounts = host.read_text(Path::new("/proc/mounts"), 4 << 20).unwrap_or_default();
    let groups = host.read_text(Path::new("/etc/group"), 4 << 20).unwrap_or_default();
    let group = groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&GROUP));
    let user = host.identity().user;
    VirtualBoxGuest {
        shared_folders: mounts.lines().filter_map(|line| folder(host, line)).collect(),
        group: group.as_ref().and_then(|fields| fields.get(2)?.parse().ok()),
        member: group
            .as_ref()
            .zip(user)
            .map(|(fields, user)| fields.get(3).is_some_and(|names| names.split(',').any(|name| name == user))),
        additions: host.exists(Path::new("/dev/vboxguest")),
    }
}

/// A line of /proc/mounts, when it is a folder of the host.
fn folder(host: &dyn Host, line: &str) -> Option<SharedFolder> {
    let fields: Vec<_> = line.split(' ').collect();
    if fields.get(2) != Some(&"vboxsf") {
        return None;
    }
    let path = PathBuf::from(unescaped(fields.get(1)?));
    let may = |access| match host.access(&path, access) {
        Ok(()) => Some(true),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Some(false),
        Err(_) => None,
    };
    let usable = may(Access::Read).zip(may(Access::Execute)).map(|(read, enter)| read && enter);
    Some(SharedFolder { usable, group: host.metadata(&path).ok().map(|metadata| metadata.gid), path })
}

/// Blanks and backslashes stand in /proc/mounts as octal numbers (proc_pid_mounts(5)).
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    const MOUNTS: &str = "proc /proc proc rw 0 0\nhome /media/sf_my\\040data vboxsf rw,nodev,relatime,iocharset=utf8,uid=0,gid=998,dmode=0770,fmode=0770,tag=VBoxAutomounter 0 0\n";

    fn guest(groups: &str, mode: u32) -> VirtualBoxGuest {
        let host = RecordedHost::new().file("/proc/mounts", MOUNTS).file("/etc/group", groups).file("/dev/vboxguest", "");
        look(&host.file_mode("/media/sf_my data", "", mode))
    }

    #[test]
    fn a_folder_and_its_group() {
        let found = guest("root:x:0:\nvboxsf:x:998:bob,anna\n", 0o000);
        assert_eq!((found.group, found.member, found.additions), (Some(998), Some(true), Some(true)));
        assert_eq!(found.shared_folders[0].path, Path::new("/media/sf_my data"));
        assert_eq!(found.shared_folders[0].usable, Some(false));
        let found = guest("vboxsf:x:998:\n", 0o700);
        assert_eq!((found.member, found.shared_folders[0].usable), (Some(false), Some(true)));
        assert_eq!(guest("root:x:0:\n", 0o700).member, None);
    }
}
