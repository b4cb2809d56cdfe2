//! The setuid starter of Apptainer and Singularity: whether there is one, and whether it still has its power.

use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{EngineKind, Setuid};

use crate::host::{Access, Command, Host};
use crate::probes::gpu::settings::setting;

/// The bit that lets a program run as its owner.
const SETUID: u32 = 0o4000;

/// The folder in which an engine keeps its starters and helpers, `None` when it is not where any known package puts it and the engine
/// does not tell within the limit.
pub(super) fn libexec(host: &dyn Host, kind: EngineKind, program: &Path, limit: Duration) -> Option<PathBuf> {
    let real = host.canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let prefix = real.parent()?.parent()?.to_owned();
    let name = kind.program();
    let has_starter =
        |bin: &PathBuf| ["starter", "starter-suid"].iter().any(|starter| host.symlink_metadata(&bin.join(starter)).is_ok());
    // The last one is where Apptainer's own installer puts it (`install-unprivileged.sh`).
    let unprivileged = format!("{}/libexec", std::env::consts::ARCH);
    ["libexec", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib", "lib64", &unprivileged]
        .iter()
        .map(|part| prefix.join(part).join(name).join("bin"))
        .find(has_starter)
        .or_else(|| {
            if limit.is_zero() {
                return None;
            }
            let output = host.run(&Command::new(program, limit).arg("buildcfg").env("LC_ALL", "C"));
            let text = output.stdout_text();
            let directory = text.lines().find_map(|line| line.strip_prefix("LIBEXECDIR="))?;
            Some(Path::new(directory).join(name).join("bin")).filter(has_starter)
        })
}

/// The state of the starter in that folder. An error says why it cannot be told.
pub(super) fn state(host: &dyn Host, kind: EngineKind, program: &Path, bin: &Path) -> Result<Setuid, String> {
    let starter = bin.join("starter-suid");
    let metadata = match host.metadata(&starter) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Setuid::Absent),
        Err(error) => return Err(format!("{}: {error}", starter.display())),
    };
    if forbidden_by_configuration(host, kind, program) {
        return Ok(Setuid::Absent);
    }
    let lost = |reason: String| Ok(Setuid::Lost { reason: format!("{} {reason}", starter.display()) });
    if metadata.uid != 0 {
        return lost(format!("belongs to user {} and not to root", metadata.uid));
    }
    if metadata.mode & SETUID == 0 {
        return lost(format!("has mode {:04o}, without the setuid bit", metadata.mode));
    }
    // Sites admit a group alone (mode 4750), which this user may be in.
    if host.identity().uid != Some(0) && host.access(&starter, Access::Execute).is_err() {
        return lost(format!("has mode {:04o}, so that this user may not run it", metadata.mode));
    }
    if let Some(mount) = nosuid_mount(host, &starter) {
        return lost(format!("is on {}, which is mounted with \"nosuid\"", mount.display()));
    }
    if no_new_privileges(host) {
        return lost("has no effect here: this session may not gain privileges (NoNewPrivs)".to_owned());
    }
    Ok(Setuid::Works)
}

/// Whether the administrator switched the starter off: `allow setuid = no` in the engine's configuration.
fn forbidden_by_configuration(host: &dyn Host, kind: EngineKind, program: &Path) -> bool {
    let real = host.canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let prefix = real.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    let etc = if prefix == Path::new("/usr") { PathBuf::from("/etc") } else { prefix.join("etc") };
    let file = etc.join(kind.program()).join(format!("{}.conf", kind.program()));
    let text = host.read_text(&file, 1 << 20).unwrap_or_default();
    setting(&text, "allow setuid") == Some("no")
}

/// The mount that holds the file, when it takes the power of setuid programs away.
fn nosuid_mount(host: &dyn Host, file: &Path) -> Option<PathBuf> {
    let real = host.canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mounts = host.read_text(Path::new("/proc/self/mountinfo"), 4 << 20).ok()?;
    // Fields of a line: id, parent, device, root, mount point, options (proc_pid_mountinfo(5)). A later mount hides an earlier.
    let (point, options) = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(4);
            Some((PathBuf::from(fields.next()?.replace("\\040", " ")), fields.next()?))
        })
        .filter(|(point, _)| real.starts_with(point))
        .max_by_key(|(point, _)| point.components().count())?;
    options.split(',').any(|option| option == "nosuid").then_some(point)
}

fn no_new_privileges(host: &dyn Host) -> bool {
    let status = host.read_text(Path::new("/proc/self/status"), 64 * 1024).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("NoNewPrivs:").is_some_and(|value| value.trim() == "1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    const PROGRAM: &str = "/usr/bin/apptainer";
    const STARTER: &str = "/usr/libexec/apptainer/bin/starter-suid";

    fn installed(mode: u32, owner: u32) -> RecordedHost {
        RecordedHost::new()
            .file(PROGRAM, "")
            .file("/usr/libexec/apptainer/bin/starter", "")
            .file_mode(STARTER, "", mode)
            .owner(STARTER, owner)
            .file("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
    }

    fn state_of(host: &RecordedHost) -> Setuid {
        let limit = Duration::from_secs(1);
        let bin = libexec(host, EngineKind::Apptainer, Path::new(PROGRAM), limit).unwrap();
        state(host, EngineKind::Apptainer, Path::new(PROGRAM), &bin).unwrap()
    }

    fn reason(host: &RecordedHost) -> String {
        match state_of(host) {
            Setuid::Lost { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn described_starters() {
        assert_eq!(state_of(&installed(0o4755, 0)), Setuid::Works);
        assert!(reason(&installed(0o755, 0)).contains("mode 0755"));
        // The engine may be for a group of its own. Access to a described file is that of its owner.
        assert_eq!(state_of(&installed(0o4750, 0)), Setuid::Works);
        assert!(reason(&installed(0o4650, 0)).contains("this user may not run it"));
        assert!(reason(&installed(0o4755, 65534)).contains("user 65534"));
        let nosuid = installed(0o4755, 0).file(
            "/proc/self/mountinfo",
            "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n30 22 0:40 / /usr rw,nosuid,nodev shared:2 - nfs4 server:/usr rw\n31 22 0:41 / /usrlocal rw - ext4 x rw\n",
        );
        assert!(reason(&nosuid).contains("is on /usr, which is mounted with \"nosuid\""));
        let confined = installed(0o4755, 0).file("/proc/self/status", "Name:\tx\nNoNewPrivs:\t1\n");
        assert!(reason(&confined).contains("NoNewPrivs"));
    }

    #[test]
    fn no_starter_or_a_forbidden_one_counts_as_absent() {
        let absent = RecordedHost::new().file(PROGRAM, "").file("/usr/lib/x86_64-linux-gnu/apptainer/bin/starter", "");
        assert_eq!(state_of(&absent), Setuid::Absent);
        let forbidden = installed(0o4755, 0).file("/etc/apptainer/apptainer.conf", "# allow setuid = yes\nallow setuid = no\n");
        assert_eq!(state_of(&forbidden), Setuid::Absent);
        // Of a directive that stands there twice the engine takes the first.
        let twice = installed(0o4755, 0).file("/etc/apptainer/apptainer.conf", "allow setuid = yes\nallow setuid = no\n");
        assert_eq!(state_of(&twice), Setuid::Works);
    }

    #[test]
    fn what_needs_no_administrator_has_a_directory_for_each_processor() {
        let folder = format!("/data/apptainer/{}/libexec/apptainer/bin", std::env::consts::ARCH);
        let program = Path::new("/data/apptainer/bin/apptainer");
        let host = RecordedHost::new().file("/data/apptainer/bin/apptainer", "").file(format!("{folder}/starter"), "");
        assert_eq!(libexec(&host, EngineKind::Apptainer, program, Duration::ZERO), Some(folder.into()));
    }

    #[test]
    fn an_unusual_place_is_asked_of_the_engine() {
        let host = RecordedHost::new()
            .file("/home/anna/conda/bin/apptainer", "")
            .file("/home/anna/odd/apptainer/bin/starter", "")
            .command(&["/home/anna/conda/bin/apptainer", "buildcfg"], 0, "SYSCONFDIR=/x\nLIBEXECDIR=/home/anna/odd\n", "");
        let program = Path::new("/home/anna/conda/bin/apptainer");
        let found = libexec(&host, EngineKind::Apptainer, program, Duration::from_secs(1));
        assert_eq!(found.as_deref(), Some(Path::new("/home/anna/odd/apptainer/bin")));
    }
}
