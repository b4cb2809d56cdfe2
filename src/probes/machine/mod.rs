//! The probe "machine": the computer, its operating system, its C library.

pub(in crate::probes) mod glibc;
pub(in crate::probes) mod virtualization;

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{Distribution, Machine, Unknowns};
use object::ReadCache;

use super::Context;
use crate::host::Host;

/// Looks at the machine. Nothing is started and nothing but files is read.
pub(crate) fn probe(context: &Context) -> Machine {
    let mut machine = probe_without_glibc(context);
    if cfg!(target_os = "linux") {
        match glibc_version(context.host.as_ref()) {
            Ok(version) => {
                machine.glibc = Some(version);
                machine.unknown.remove(GLIBC);
            }
            Err(reason) => drop(machine.unknown.insert(GLIBC.to_owned(), reason)),
        }
    }
    machine
}

/// The name of the fact that takes longest.
const GLIBC: &str = "glibc";

/// The same for a launch without NVIDIA's driver, which alone makes it matter which C library the machine has.
pub(crate) fn probe_without_glibc(context: &Context) -> Machine {
    let host = context.host.as_ref();
    let mut machine =
        Machine { os: std::env::consts::OS.to_owned(), arch: std::env::consts::ARCH.to_owned(), ..Machine::default() };
    if cfg!(target_os = "linux") {
        linux(host, &mut machine);
    } else {
        elsewhere(&mut machine);
    }
    machine
}

fn linux(host: &dyn Host, machine: &mut Machine) {
    let unknown = &mut machine.unknown;
    machine.kernel = line_of(host, "/proc/sys/kernel/osrelease", "kernel", unknown);
    machine.hostname = line_of(host, "/proc/sys/kernel/hostname", "hostname", unknown);
    machine.distribution = os_release(host);
    if machine.distribution.is_none() {
        unknown.insert("distribution".to_owned(), "neither /etc/os-release nor /usr/lib/os-release can be read".to_owned());
    }
    machine.ostree = host.exists(Path::new("/run/ostree-booted")) == Some(true);
    unknown.insert(GLIBC.to_owned(), "it was not looked at".to_owned());
    machine.memory_bytes = memory(host);
    if machine.memory_bytes.is_none() {
        unknown.insert("memory_bytes".to_owned(), "/proc/meminfo has no line \"MemTotal\"".to_owned());
    }
    machine.wsl = machine.kernel.as_deref().and_then(|kernel| virtualization::wsl(host, kernel));
    match (virtualization::hypervisor(host), machine.wsl) {
        // It always is a virtual machine of Windows, which shows it no firmware tables.
        (_, Some(2)) => machine.hypervisor = Some("hyper-v".to_owned()),
        (Ok(hypervisor), _) => machine.hypervisor = hypervisor,
        (Err(reason), _) => {
            unknown.insert("hypervisor".to_owned(), reason);
        }
    }
}

/// macOS and Windows, through the calls of the system itself.
fn elsewhere(machine: &mut Machine) {
    use sysinfo::{MemoryRefreshKind, RefreshKind, System};
    machine.kernel = System::kernel_version().ok();
    machine.hostname = System::host_name().ok();
    machine.distribution = System::os_version().ok().map(|version| Distribution {
        id: std::env::consts::OS.to_owned(),
        version: Some(version),
        name: System::long_os_version().ok(),
    });
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
    machine.memory_bytes = system.ok().map(|system| system.total_memory()).filter(|bytes| *bytes > 0);
    for (field, known) in [
        ("kernel", machine.kernel.is_some()),
        ("hostname", machine.hostname.is_some()),
        ("distribution", machine.distribution.is_some()),
        ("memory_bytes", machine.memory_bytes.is_some()),
    ] {
        if !known {
            machine.unknown.insert(field.to_owned(), "the system did not tell".to_owned());
        }
    }
    machine.unknown.insert(GLIBC.to_owned(), "this system has no GNU C library".to_owned());
    machine.unknown.insert("hypervisor".to_owned(), "this is looked up on Linux only".to_owned());
}

fn line_of(host: &dyn Host, path: &str, field: &str, unknown: &mut Unknowns) -> Option<String> {
    match host.read_text(Path::new(path), 4096) {
        Ok(text) => Some(text.trim_end().to_owned()),
        Err(error) => {
            unknown.insert(field.to_owned(), format!("{path}: {error}"));
            None
        }
    }
}

/// The distribution: `/etc/os-release`, else the vendor's copy (os-release(5)).
fn os_release(host: &dyn Host) -> Option<Distribution> {
    ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| host.read_text(Path::new(path), 64 * 1024).ok())
        .map(|text| parse_os_release(&text))
}

/// Reads os-release(5): assignments as a shell writes them.
pub(in crate::probes) fn parse_os_release(text: &str) -> Distribution {
    let field = |name: &str| {
        text.lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('=').map(unquote))
            .filter(|value| !value.is_empty())
    };
    Distribution { id: field("ID").unwrap_or_else(|| "linux".to_owned()), version: field("VERSION_ID"), name: field("PRETTY_NAME") }
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    inner.replace("\\\"", "\"").replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\")
}

/// `MemTotal`, whose unit is always kibibytes (proc_meminfo(5)).
fn memory(host: &dyn Host) -> Option<u64> {
    let text = host.read_text(Path::new("/proc/meminfo"), 64 * 1024).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The version of the C library that the programs of this machine run with: the one in our own address space.
fn glibc_version(host: &dyn Host) -> Result<String, String> {
    let path = own_c_library(host)?;
    let file = host.open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let cache = ReadCache::new(file);
    glibc::version(&cache).ok_or_else(|| format!("{} does not tell a version of the GNU C library", path.display()))
}

/// The file of the C library that is mapped into this process.
fn own_c_library(host: &dyn Host) -> Result<PathBuf, String> {
    const MAPS: &str = "/proc/self/maps";
    let maps = host.read_text(Path::new(MAPS), 4 << 20).map_err(|error| format!("{MAPS}: {error}"))?;
    maps.lines()
        .filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])))
        .find(|path| {
            // Before glibc 2.34 the file is called after its version, and libc.so.6 is a link to it.
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name == "libc.so.6" || name.strip_prefix("libc-").is_some_and(|rest| rest.ends_with(".so"))
        })
        .map(Path::to_owned)
        .ok_or_else(|| format!("{MAPS} names no libc.so.6"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::host::{LiveHost, RecordedHost};

    fn context(host: impl Host + 'static) -> Context {
        Context { host: Arc::new(host), limit: Duration::from_secs(4) }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_described_linux_machine() {
        let host = RecordedHost::new()
            .file("/proc/sys/kernel/osrelease", "6.8.0-45-generic\n")
            .file("/proc/sys/kernel/hostname", "atlas\n")
            .file("/proc/meminfo", "MemTotal:       16309864 kB\nMemFree: 1 kB\n")
            .file("/usr/lib/os-release", "NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"24.04\"\nPRETTY_NAME='Ubuntu 24.04.1 LTS'\n")
            .file("/sys/class/dmi/id/sys_vendor", "innotek GmbH\n")
            .file("/sys/class/dmi/id/product_name", "VirtualBox\n");
        let machine = probe(&context(host));
        assert_eq!(machine.kernel.as_deref(), Some("6.8.0-45-generic"));
        assert_eq!(machine.hostname.as_deref(), Some("atlas"));
        assert_eq!(machine.memory_bytes, Some(16_309_864 * 1024));
        assert_eq!(machine.hypervisor.as_deref(), Some("virtualbox"));
        let distribution = machine.distribution.unwrap();
        assert_eq!((distribution.id.as_str(), distribution.version.as_deref()), ("ubuntu", Some("24.04")));
        assert_eq!(distribution.name.as_deref(), Some("Ubuntu 24.04.1 LTS"));
        assert_eq!(machine.glibc, None);
        assert!(machine.unknown["glibc"].contains("/proc/self/maps"));
        assert_eq!(machine.wsl, None);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_real_machine_tells_its_c_library() {
        let machine = probe(&context(LiveHost));
        let version = machine.glibc.unwrap();
        assert!(version.starts_with("2."), "{version}");
        assert!(machine.memory_bytes.unwrap() > 1 << 26);
        assert!(machine.kernel.is_some());
    }

    #[test]
    fn the_calls_for_other_systems_answer_here_too() {
        let mut machine = Machine::default();
        elsewhere(&mut machine);
        assert!(machine.kernel.is_some());
        assert!(machine.memory_bytes.unwrap() > 1 << 26);
        assert!(machine.unknown.contains_key("glibc"));
    }
}
