//! What the kernel allows an engine that has no setuid starter: user namespaces and FUSE.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::Engines;

use crate::host::{Access, Command, CommandEnd, Host};

/// Helpers that mount or unpack an image without root.
const HELPERS: &[&str] = &["squashfuse", "squashfuse_ll", "fusermount3", "fusermount", "unsquashfs", "fuse-overlayfs", "fuse2fs"];

/// Directories that Apptainer adds to PATH when it looks for helpers.
const ENGINE_PATH: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Fills in everything about user namespaces and FUSE. `folders` are those in which engines keep helpers of their own.
pub(super) fn look(host: &dyn Host, folders: &[PathBuf], limit: Duration, engines: &mut Engines) {
    let number = |path: &str| host.read_text(Path::new(path), 64).ok().and_then(|text| text.trim().parse::<u64>().ok());
    engines.max_user_namespaces = number("/proc/sys/user/max_user_namespaces");
    engines.unprivileged_userns_clone = number("/proc/sys/kernel/unprivileged_userns_clone").map(|value| value != 0);
    engines.apparmor_restricts_userns = number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").map(|value| value != 0);
    let restricted = engines.apparmor_restricts_userns == Some(true);
    if restricted {
        engines.apparmor_profiles = apparmor_profiles(host);
    }
    match try_user_namespace(host, restricted, limit) {
        Trial::Works => engines.user_namespaces = Some(true),
        Trial::Refused(error) => {
            engines.user_namespaces = Some(false);
            engines.user_namespaces_error = Some(error);
        }
        Trial::NotTried(reason) => {
            engines.unknown.insert("user_namespaces".to_owned(), reason);
        }
    }
    let fuse = Path::new("/dev/fuse");
    match host.exists(fuse) {
        Some(true) => engines.dev_fuse = Some(host.access(fuse, Access::ReadWrite).is_ok()),
        Some(false) => engines.dev_fuse = Some(false),
        None => {
            engines.unknown.insert("dev_fuse".to_owned(), "/dev/fuse cannot be looked at".to_owned());
        }
    }
    match emulated(host) {
        Ok(found) => engines.emulated = Some(found),
        Err(error) => drop(engines.unknown.insert("emulated".to_owned(), error.to_string())),
    }
    let there = |name: &&&str| {
        host.which(OsStr::new(name)).is_some()
            || folders
                .iter()
                .map(PathBuf::as_path)
                .chain(ENGINE_PATH.iter().map(Path::new))
                .any(|folder| host.access(&folder.join(name), Access::Execute).is_ok())
    };
    engines.helpers = HELPERS.iter().filter(there).map(|name| (*name).to_owned()).collect();
}

enum Trial {
    Works,
    Refused(String),
    NotTried(String),
}

/// Makes a user namespace in a child that then ends. Making it is not enough: the AppArmor of Ubuntu lets that pass and refuses
/// the mapping of users, or, where unshare(1) has a profile of its own, whatever the namespace's root then tries.
fn try_user_namespace(host: &dyn Host, restricted: bool, limit: Duration) -> Trial {
    if host.which(OsStr::new("unshare")).is_none() {
        return Trial::NotTried("there is no program \"unshare\" (package util-linux) to try it with".to_owned());
    }
    let run = |args: &[&str]| host.run(&Command::new("unshare", limit).args(args.iter().copied()).env("LC_ALL", "C"));
    let mapped = run(&["--user", "--map-root-user", "true"]);
    let said = |text: String| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    match &mapped.end {
        CommandEnd::Exited(0) => {}
        CommandEnd::Exited(127) | CommandEnd::NotStarted(_) => {
            return Trial::NotTried(format!("\"unshare --user --map-root-user true\" {}", mapped.end_in_words()));
        }
        CommandEnd::Exited(_) => {
            return Trial::Refused(said(mapped.stderr_text()).unwrap_or_else(|| format!("unshare {}", mapped.end_in_words())));
        }
        _ => return Trial::NotTried(format!("\"unshare --user --map-root-user true\" {}", mapped.end_in_words())),
    }
    if restricted {
        // In mount and user namespaces of its own, so that nothing is changed for anybody.
        let mounted = run(&["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]);
        if matches!(mounted.end, CommandEnd::Exited(status) if status != 0 && status != 127) {
            return Trial::Refused(said(mounted.stderr_text()).unwrap_or_else(|| format!("mount {}", mounted.end_in_words())));
        }
    }
    Trial::Works
}

/// The kinds of processor that have an emulator, told as Apptainer does: by the beginning of the programs that each entry is for. An
/// emulator without the flag F is looked for inside the container, where it is not.
fn emulated(host: &dyn Host) -> io::Result<Vec<String>> {
    /// The field `e_machine` of ELF's header, in the order of its bytes, and the name that images have for it.
    const MACHINES: [(&str, &str); 5] =
        [("3e00", "amd64"), ("b700", "arm64"), ("1500", "ppc64le"), ("f300", "riscv64"), ("0016", "s390x")];
    /// Where it stands, in hexadecimal digits.
    const FIELD: std::ops::Range<usize> = 36..40;
    let directory = Path::new("/proc/sys/fs/binfmt_misc");
    match host.read_text(&directory.join("status"), 64) {
        Ok(status) if status.trim() == "enabled" => {}
        Ok(_) => return Ok(Vec::new()),
        // It is not mounted, and Apptainer finds no emulator either.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    for name in host.read_dir(directory)? {
        let Ok(text) = host.read_text(&directory.join(name), 4096) else { continue };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let works = text.lines().any(|line| line == "enabled") && field("flags:").is_some_and(|flags| flags.contains('F'));
        let machine = field("magic ").and_then(|magic| magic.get(FIELD));
        let known = machine.and_then(|machine| MACHINES.iter().find(|(field, _)| *field == machine));
        found.extend(known.filter(|_| works).map(|(_, name)| (*name).to_owned()));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Profiles that allow user namespaces to a starter and are not switched off. Whether one is loaded only root can see.
fn apparmor_profiles(host: &dyn Host) -> Vec<PathBuf> {
    let directory = Path::new("/etc/apparmor.d");
    let names = host.read_dir(directory).unwrap_or_default();
    names
        .iter()
        .filter(|name| host.symlink_metadata(&directory.join("disable").join(name)).is_err())
        .map(|name| directory.join(name))
        .filter(|path| {
            let text = host.read_text(path, 256 * 1024).unwrap_or_default();
            let lines = || text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
            let about_a_starter =
                lines().any(|line| line.contains("/apptainer/bin/starter") || line.contains("/singularity/bin/starter"));
            about_a_starter && lines().any(|line| line.starts_with("userns"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{LiveHost, RecordedHost};

    fn look_at(host: &dyn Host) -> Engines {
        let mut engines = Engines::default();
        look(host, &[], Duration::from_secs(5), &mut engines);
        engines
    }

    #[test]
    fn a_described_ubuntu_that_restricts_namespaces() {
        let host = RecordedHost::new()
            .file("/proc/sys/user/max_user_namespaces", "63000\n")
            .file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
            .command(
                &["unshare", "--user", "--map-root-user", "true"],
                1,
                "",
                "unshare: write failed /proc/self/uid_map: Operation not permitted\n",
            )
            .file(
                "/etc/apparmor.d/apptainer",
                "profile apptainer /usr{/local,}/libexec/apptainer/bin/starter{,-suid} flags=(unconfined) {\n  userns,\n}\n",
            )
            .file("/etc/apparmor.d/chrome", "profile chrome /opt/google/chrome/chrome flags=(unconfined) {\n  userns,\n}\n");
        let engines = look_at(&host);
        assert_eq!(engines.user_namespaces, Some(false));
        assert!(engines.user_namespaces_error.unwrap().contains("uid_map"));
        assert_eq!(engines.apparmor_restricts_userns, Some(true));
        assert_eq!(engines.apparmor_profiles, [PathBuf::from("/etc/apparmor.d/apptainer")]);
        assert_eq!(engines.unprivileged_userns_clone, None);
        assert_eq!(engines.max_user_namespaces, Some(63000));
        assert_eq!(engines.dev_fuse, Some(false));
    }

    #[test]
    fn a_described_ubuntu_whose_unshare_has_a_profile_that_takes_its_powers() {
        let host = RecordedHost::new()
            .file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
            .command(&["unshare", "--user", "--map-root-user", "true"], 0, "", "")
            .command(
                &["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"],
                32,
                "",
                "mount: /tmp: permission denied.\n",
            );
        assert_eq!(look_at(&host).user_namespaces, Some(false));
    }

    #[test]
    fn emulators_that_reach_into_containers() {
        let entry = |state: &str, flags: &str, machine: &str| {
            format!(
                "{state}\ninterpreter /usr/bin/qemu\nflags: {flags}\noffset 0\nmagic 7f454c460201010000000000000000000200{machine}\nmask ff\n"
            )
        };
        let of = |host: RecordedHost| look_at(&host).emulated;
        let here = |name: &str| format!("/proc/sys/fs/binfmt_misc/{name}");
        assert_eq!(of(RecordedHost::new()), Some(Vec::new()));
        let enabled = || RecordedHost::new().file(here("status"), "enabled\n");
        let host = enabled()
            .file(here("register"), "")
            .file(here("python3.12"), "enabled\ninterpreter /usr/bin/python3.12\nflags: \noffset 0\nmagic cb0d0d0a\n")
            .file(here("rosetta"), entry("enabled", "POCF", "3e00"))
            .file(here("qemu-x86_64"), entry("enabled", "F", "3e00"))
            .file(here("qemu-riscv64"), entry("disabled", "F", "f300"))
            .file(here("qemu-ppc64le"), entry("enabled", "OC", "1500"));
        assert_eq!(of(host), Some(vec!["amd64".to_owned()]));
        let off = RecordedHost::new().file(here("status"), "disabled\n").file(here("rosetta"), entry("enabled", "F", "3e00"));
        assert_eq!(of(off), Some(Vec::new()));
    }

    #[test]
    fn without_unshare_it_is_unknown_and_says_why() {
        let engines = look_at(&RecordedHost::new());
        assert_eq!(engines.user_namespaces, None);
        assert!(engines.unknown["user_namespaces"].contains("unshare"));
    }

    /// The real kernel, asked by the real unshare(1); both agree whatever the answer is.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_real_kernel_answers() {
        let engines = look_at(&LiveHost);
        if LiveHost.which(OsStr::new("unshare")).is_some() {
            assert!(engines.user_namespaces.is_some());
            assert_eq!(engines.user_namespaces == Some(false), engines.user_namespaces_error.is_some());
        }
        assert!(engines.max_user_namespaces.is_some());
        assert!(engines.dev_fuse.is_some());
    }
}
