//! The probe "gpu": graphics cards and their device nodes, from files. No driver is loaded.

mod cdi;
mod job;
pub(super) mod ld_cache;
mod nvidia;
pub(super) mod settings;
mod system;

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{Card, DeviceNode, Gpu};

use super::{Context, Purpose};
use crate::host::{Access, Host};

const DRM: &str = "/sys/class/drm";
const NODES: &str = "/dev/dri";

/// Looks for graphics cards. On systems other than Linux there is nothing to be found this way.
pub(crate) fn probe(context: &Context, purpose: Purpose) -> Gpu {
    let host = context.host.as_ref();
    let mut gpu = Gpu { cards: cards(host), dxg: host.exists(Path::new("/dev/dxg")) == Some(true), ..Gpu::default() };
    gpu.render_nodes = host
        .read_dir(Path::new(NODES))
        .unwrap_or_default()
        .iter()
        .filter(|name| numbered(name.to_str(), "renderD"))
        .map(|name| device_node(host, Path::new(NODES).join(name)))
        .collect();
    gpu.nvidia = nvidia::nvidia(host, purpose, &mut gpu.unknown);
    gpu.pci = system::pci(host, &mut gpu.unknown);
    gpu.nvidia_tools = system::tools(host);
    gpu.nvidia_module = system::nvidia_module(host, &mut gpu.unknown);
    gpu.secure_boot = system::secure_boot(host, &mut gpu.unknown);
    gpu.cdi = cdi::specs(host);
    gpu.job = job::job(host);
    gpu.nv_settings = settings::settings(host);
    gpu
}

/// The cards that the kernel drives; `card0-HDMI-A-1` is a socket of one of them.
fn cards(host: &dyn Host) -> Vec<Card> {
    let names = host.read_dir(Path::new(DRM)).unwrap_or_default();
    names
        .iter()
        .filter(|name| numbered(name.to_str(), "card"))
        .map(|name| {
            let device = Path::new(DRM).join(name).join("device");
            let read = |file: &str| host.read_text(&device.join(file), 4096).ok().map(|text| text.trim().to_owned());
            let driver = host.canonicalize(&device.join("driver")).ok();
            Card {
                name: name.to_string_lossy().into_owned(),
                vendor: read("vendor"),
                device: read("device"),
                driver: driver.and_then(|driver| Some(driver.file_name()?.to_string_lossy().into_owned())),
            }
        })
        .collect()
}

fn numbered(name: Option<&str>, prefix: &str) -> bool {
    name.and_then(|name| name.strip_prefix(prefix))
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A device node, and whether this user may read and write it.
fn device_node(host: &dyn Host, path: PathBuf) -> DeviceNode {
    /// Operation not permitted, the answer of a cgroup's device controller; permission bits give EACCES.
    const EPERM: i32 = 1;
    let metadata = host.metadata(&path).ok();
    let access = host.access(&path, Access::ReadWrite);
    let group = metadata.map(|metadata| metadata.gid);
    DeviceNode {
        usable: access.is_ok(),
        group,
        mode: metadata.map(|metadata| metadata.mode),
        group_name: group.and_then(|group| group_name(host, group)),
        refused_by_cgroup: access.is_err_and(|error| error.raw_os_error() == Some(EPERM)),
        path,
    }
}

/// The group's name, as the group file has it. Groups of the network are not asked for: that may take long.
fn group_name(host: &dyn Host, group: u32) -> Option<String> {
    let text = host.read_text(Path::new("/etc/group"), 4 << 20).ok()?;
    let mut entries = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(group))?;
    Some(entry[0].to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn a_described_laptop_with_two_cards() {
        let host = RecordedHost::new()
            .directory("/sys/class/drm/card0-eDP-1")
            .symlink("/sys/class/drm/card0", "/sys/devices/pci/0000:00:02.0/drm/card0")
            .symlink("/sys/devices/pci/0000:00:02.0/drm/card0/device", "../..")
            .file("/sys/devices/pci/0000:00:02.0/vendor", "0x8086\n")
            .file("/sys/devices/pci/0000:00:02.0/device", "0x9a49\n")
            .symlink("/sys/devices/pci/0000:00:02.0/driver", "/sys/bus/pci/drivers/i915")
            .directory("/sys/bus/pci/drivers/i915")
            .directory("/sys/class/drm/card1")
            .directory("/sys/class/drm/renderD128")
            .file("/dev/dri/card0", "")
            .file_mode("/dev/dri/renderD128", "", 0o060)
            .file("/dev/dri/renderD129", "");
        let gpu = probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) }, Purpose::Diagnosis);
        assert_eq!(gpu.cards.len(), 2);
        assert_eq!(gpu.cards[0].driver.as_deref(), Some("i915"));
        assert_eq!(gpu.cards[0].vendor.as_deref(), Some("0x8086"));
        assert_eq!(gpu.cards[1], Card { name: "card1".to_owned(), ..Card::default() });
        let usable: Vec<_> = gpu.render_nodes.iter().map(|node| node.usable).collect();
        assert_eq!(usable, [false, true]);
        assert_eq!((gpu.nvidia, gpu.dxg), (None, false));
    }
}
