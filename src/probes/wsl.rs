//! The probe "wsl": Linux on Windows, seen from inside.
//!
//! Sources: microsoft/WSL (src/linux/init), microsoft/wslg. Variables of WSL vanish under sudo, ssh and in services, so files are
//! asked first.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{Wsl, WslDisplaySocket, WslSharedMemory};

use super::{Context, display_lines, machine};
use crate::host::{Access, Command, FileKind, Host};

/// The display of Windows for Linux programs.
const WSLG: &str = "/mnt/wslg";
/// Where programs look for the sockets of X servers.
const SOCKETS: &str = "/tmp/.X11-unix";
/// Libraries that Windows hands in.
const LIBRARIES: &str = "/usr/lib/wsl/lib";
/// Those of them without which Mesa's driver d3d12, or CUDA, does not work.
const NEEDED: &[&str] = &["libd3d12.so", "libd3d12core.so", "libdxcore.so", "libcuda.so.1", "libnvidia-ml.so.1"];
/// Where a driver for Linux puts its libraries.
const DRIVER_FOLDERS: &[&str] = &["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
/// The libraries of that driver which hide those of Windows.
const DRIVER_LIBRARIES: &[&str] = &["libcuda.so.1", "libnvidia-ml.so.1"];

/// Looks at WSL.
///
/// # Errors
///
/// The reason why there is nothing to look at, outside of WSL.
pub(crate) fn probe(context: &Context) -> Result<Wsl, String> {
    let host = context.host.as_ref();
    let kernel = host.read_text(Path::new("/proc/sys/kernel/osrelease"), 4096).unwrap_or_default();
    let Some(version) = machine::virtualization::wsl(host, kernel.trim_end()) else {
        return Err("this is not the Windows Subsystem for Linux".to_owned());
    };
    let mut facts = Wsl {
        version,
        distribution: host.env_text("WSL_DISTRO_NAME"),
        wslg: is_directory(host, WSLG),
        wslg_socket: is_socket(host, &Path::new(WSLG).join(".X11-unix/X0")),
        display_socket: display_socket(host),
        gateway: gateway(host),
        nameserver: nameserver(host),
        libraries: NEEDED
            .iter()
            .filter(|name| exists(host, &Path::new(LIBRARIES).join(name)))
            .map(|name| (*name).to_owned())
            .collect(),
        shared_memory: shared_memory(host),
        linux_nvidia_libraries: linux_nvidia_libraries(host),
        display_lines: display_lines::look(host),
        ..Wsl::default()
    };
    let device = Path::new("/dev/dxg");
    facts.dxg = Some(exists(host, device) && host.access(device, Access::ReadWrite).is_ok());
    match networking(host, context.limit) {
        Ok(mode) => facts.networking = Some(mode),
        Err(reason) => {
            facts.unknown.insert("networking".to_owned(), reason);
        }
    }
    for (field, known, reason) in [
        ("gateway", facts.gateway.is_some(), "/proc/net/route has no default route"),
        ("nameserver", facts.nameserver.is_some(), "/etc/resolv.conf names no server"),
        ("distribution", facts.distribution.is_some(), "WSL_DISTRO_NAME is not set"),
    ] {
        if !known {
            facts.unknown.insert(field.to_owned(), reason.to_owned());
        }
    }
    Ok(facts)
}

fn exists(host: &dyn Host, path: &Path) -> bool {
    host.exists(path) == Some(true)
}

fn is_directory(host: &dyn Host, path: &str) -> bool {
    host.metadata(Path::new(path)).is_ok_and(|metadata| metadata.kind == FileKind::Directory)
}

fn is_socket(host: &dyn Host, path: &Path) -> bool {
    host.metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::Socket)
}

/// What stands at the place of the socket of display 0.
fn display_socket(host: &dyn Host) -> WslDisplaySocket {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let socket = Path::new(SOCKETS).join("X0");
    if is_socket(host, &socket) {
        return WslDisplaySocket::Present;
    }
    match host.symlink_metadata(&socket) {
        // Reading through it failed, or gave something that is no socket.
        Ok(metadata) if metadata.kind == FileKind::Symlink => WslDisplaySocket::Loop,
        Ok(_) => WslDisplaySocket::Other,
        Err(_) if !is_directory(host, SOCKETS) => match host.metadata(Path::new(SOCKETS)) {
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => WslDisplaySocket::NoDirectory,
            // The directory itself may be the link to itself.
            _ if host.symlink_metadata(Path::new(SOCKETS)).is_ok_and(|found| found.kind == FileKind::Symlink) => {
                WslDisplaySocket::Loop
            }
            _ => WslDisplaySocket::Unknown,
        },
        Err(error) if error.kind() == NotFound => WslDisplaySocket::Hidden,
        Err(_) => WslDisplaySocket::Unknown,
    }
}

/// The default gateway of /proc/net/route: addresses there are hexadecimal numbers in the processor's byte order (little-endian on
/// every processor that WSL runs on); flag 2 is RTF_GATEWAY.
fn gateway(host: &dyn Host) -> Option<String> {
    let text = host.read_text(Path::new("/proc/net/route"), 256 * 1024).ok()?;
    text.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| u32::from_str_radix(field, 16).ok());
        let is_default = number(1)? == 0 && number(3)? & 2 != 0;
        is_default.then(|| number(2)).flatten().map(|address| Ipv4Addr::from(address.to_le_bytes()).to_string())
    })
}

fn nameserver(host: &dyn Host) -> Option<String> {
    let text = host.read_text(Path::new("/etc/resolv.conf"), 64 * 1024).ok()?;
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten().map(str::to_owned)
    })
}

/// Asks WSL itself, which has this program since version 2.
fn networking(host: &dyn Host, limit: Duration) -> Result<String, String> {
    let command = Command::new("wslinfo", Duration::from_secs(2).min(limit.mul_f32(0.5))).arg("--networking-mode");
    let output = host.run(&command);
    let said = output.stdout_text().trim().to_owned();
    if output.success() && !said.is_empty() && said.chars().all(|c| c.is_ascii_alphanumeric()) {
        Ok(said)
    } else {
        Err(format!("\"wslinfo --networking-mode\" {}", output.end_in_words()))
    }
}

fn shared_memory(host: &dyn Host) -> WslSharedMemory {
    let path = Path::new("/dev/shm");
    match host.symlink_metadata(path) {
        Ok(found) if found.kind == FileKind::Symlink => {
            let usable = host.metadata(path).is_ok_and(|target| target.kind == FileKind::Directory && target.mode & 0o002 != 0);
            WslSharedMemory::Link { target: host.read_link(path).unwrap_or_default(), usable }
        }
        Ok(_) => WslSharedMemory::Directory,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => WslSharedMemory::Missing,
        Err(_) => WslSharedMemory::Unknown,
    }
}

/// Libraries of a driver for Linux; links into the folder of Windows are none.
fn linux_nvidia_libraries(host: &dyn Host) -> Vec<PathBuf> {
    let places = DRIVER_FOLDERS.iter().flat_map(|folder| DRIVER_LIBRARIES.iter().map(|name| Path::new(folder).join(name)));
    places
        .filter(|path| host.canonicalize(path).is_ok_and(|real| exists(host, &real) && !real.starts_with("/usr/lib/wsl")))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::{Address, Peer, RecordedHost};

    fn probe_of(host: RecordedHost) -> Wsl {
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) }).unwrap()
    }

    fn windows(kernel: &str) -> RecordedHost {
        RecordedHost::new().file("/proc/sys/kernel/osrelease", kernel)
    }

    /// A described WSL 2 in good order.
    fn healthy() -> RecordedHost {
        windows("5.15.153.1-microsoft-standard-WSL2\n")
            .env("WSL_DISTRO_NAME", "Ubuntu-22.04")
            .peer(Address::Unix("/mnt/wslg/.X11-unix/X0".into()), Peer::Silent)
            .peer(Address::Unix("/tmp/.X11-unix/X0".into()), Peer::Silent)
            .file_mode("/dev/dxg", "", 0o666)
            .directory("/dev/shm")
            .file("/usr/lib/wsl/lib/libd3d12.so", "")
            .file("/usr/lib/wsl/lib/libd3d12core.so", "")
            .file("/usr/lib/wsl/lib/libdxcore.so", "")
            .file("/etc/resolv.conf", "# generated by WSL\nsearch home\nnameserver 10.255.255.254\n")
            .file(
                "/proc/net/route",
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                 eth0\t000018AC\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0\n\
                 eth0\t00000000\t010018AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
            )
            .command(&["wslinfo", "--networking-mode"], 0, "nat\n", "")
    }

    #[test]
    fn plain_linux_is_not_wsl() {
        let context = |host| Context { host: Arc::new(host), limit: Duration::from_secs(4) };
        assert!(probe(&context(windows("6.1.0-28-amd64"))).is_err());
        assert!(probe(&context(RecordedHost::new())).is_err());
    }

    #[test]
    fn a_described_wsl_2_in_good_order() {
        let facts = probe_of(healthy());
        assert_eq!((facts.version, facts.wslg, facts.wslg_socket), (2, true, true));
        assert_eq!(facts.display_socket, WslDisplaySocket::Present);
        assert_eq!(facts.gateway.as_deref(), Some("172.24.0.1"));
        assert_eq!(facts.nameserver.as_deref(), Some("10.255.255.254"));
        assert_eq!(facts.networking.as_deref(), Some("nat"));
        assert_eq!(facts.dxg, Some(true));
        assert_eq!(facts.libraries, ["libd3d12.so", "libd3d12core.so", "libdxcore.so"]);
        assert_eq!(facts.shared_memory, WslSharedMemory::Directory);
        assert!(facts.linux_nvidia_libraries.is_empty() && facts.unknown.is_empty(), "{facts:?}");
    }

    #[test]
    fn the_ways_in_which_the_display_of_windows_gets_lost() {
        let base = || windows("5.15.0-microsoft-standard-WSL2").peer(Address::Unix("/mnt/wslg/.X11-unix/X0".into()), Peer::Silent);
        let state = |host| probe_of(host).display_socket;
        assert_eq!(state(base()), WslDisplaySocket::NoDirectory);
        assert_eq!(state(base().directory("/tmp/.X11-unix")), WslDisplaySocket::Hidden);
        let looped = base().directory("/tmp/.X11-unix").symlink("/tmp/.X11-unix/X0", "/tmp/.X11-unix/X0");
        assert_eq!(state(looped), WslDisplaySocket::Loop);
        let linked = base().symlink("/tmp/.X11-unix", "/mnt/wslg/.X11-unix");
        assert_eq!(state(linked), WslDisplaySocket::Present);
        assert_eq!(state(base().file("/tmp/.X11-unix/X0", "")), WslDisplaySocket::Other);
    }

    #[test]
    fn an_old_wsl_with_a_link_for_shared_memory() {
        let link = || windows("4.19.84-microsoft-standard").symlink("/dev/shm", "/run/shm");
        let dangling = WslSharedMemory::Link { target: "/run/shm".into(), usable: false };
        assert_eq!(probe_of(link()).shared_memory, dangling);
        assert_eq!(probe_of(link().directory("/run/shm")).shared_memory, dangling, "only its owner may make files there");
        assert_eq!(probe_of(windows("4.4.0-19041-Microsoft")).version, 1);
    }

    #[test]
    fn a_driver_for_linux_is_told_from_links_to_that_of_windows() {
        let host = healthy()
            .file("/usr/lib/wsl/lib/libcuda.so.1", "")
            .symlink("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1")
            .file("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.261.03", "")
            .symlink("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "libnvidia-ml.so.535.261.03");
        let facts = probe_of(host);
        assert_eq!(facts.linux_nvidia_libraries, [Path::new("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")]);
        assert!(facts.libraries.contains(&"libcuda.so.1".to_owned()));
    }
}
