//! What decides whether NVIDIA's driver can be loaded: the cards of the PCI bus, the kernel's modules, Secure Boot.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use casa_doctor_checks::facts::{PciCard, Unknowns};

use crate::host::Host;

const PCI: &str = "/sys/bus/pci/devices";

/// The first two digits of the class of graphics devices: VGA (0300), 3D without a screen (0302), other displays (0380).
const GRAPHICS: &str = "0x03";

/// The graphics devices of the PCI bus. `/sys/class/drm` shows only those that a driver has taken.
pub(super) fn pci(host: &dyn Host, unknown: &mut Unknowns) -> Option<Vec<PciCard>> {
    let addresses = match host.read_dir(Path::new(PCI)) {
        Ok(addresses) => addresses,
        Err(error) => {
            unknown.insert("pci".to_owned(), format!("{PCI} cannot be read: {error}"));
            return None;
        }
    };
    let card = |address: &std::ffi::OsString| {
        let device = Path::new(PCI).join(address);
        let read = |file: &str| host.read_text(&device.join(file), 4096).ok().map(|text| text.trim().to_owned());
        read("class").filter(|class| class.starts_with(GRAPHICS))?;
        let driver = host.canonicalize(&device.join("driver")).ok();
        Some(PciCard {
            address: address.to_string_lossy().into_owned(),
            vendor: read("vendor")?,
            device: read("device"),
            driver: driver.and_then(|driver| Some(driver.file_name()?.to_string_lossy().into_owned())),
        })
    };
    Some(addresses.iter().filter_map(card).collect())
}

/// NVIDIA's programs that are on PATH.
pub(super) fn tools(host: &dyn Host) -> Vec<String> {
    let names = ["nvidia-container-cli", "nvidia-ctk", "nvidia-modprobe", "nvidia-smi"];
    names.into_iter().filter(|name| host.which(OsStr::new(name)).is_some()).map(str::to_owned).collect()
}

/// Whether the running kernel has a module of NVIDIA's driver, as depmod lists them.
pub(super) fn nvidia_module(host: &dyn Host, unknown: &mut Unknowns) -> Option<bool> {
    let release = host.read_text(Path::new("/proc/sys/kernel/osrelease"), 4096).ok()?;
    let list = Path::new("/lib/modules").join(release.trim()).join("modules.dep");
    match host.read_text(&list, 32 << 20) {
        Ok(text) => Some(text.lines().filter_map(|line| line.split(':').next()).any(is_the_module)),
        Err(error) => {
            unknown.insert("nvidia_module".to_owned(), format!("{}: {error}", list.display()));
            None
        }
    }
}

/// `nvidia.ko`, or as Debian calls it `nvidia-current.ko`, packed or not. The kernel's own `nvidiafb.ko` and
/// `nvidia-wmi-ec-backlight.ko` are something else, and `nvidia-drm.ko` and its like come on top.
fn is_the_module(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, packing)) = name.split_once(".ko") else { return false };
    let parts = ["-drm", "-modeset", "-uvm", "-peermem"];
    matches!(packing, "" | ".gz" | ".xz" | ".zst")
        && (stem == "nvidia" || ["nvidia-current", "nvidia-legacy", "nvidia-tesla"].iter().any(|start| stem.starts_with(start)))
        && !parts.iter().any(|part| stem.ends_with(part))
}

/// Whether Secure Boot is on: the fifth byte of the firmware's variable, after four bytes of attributes. For the kernel it is off where
/// its loader shim was told not to check (`mokutil --disable-validation`; Linux, `efi_get_secureboot`).
pub(super) fn secure_boot(host: &dyn Host, unknown: &mut Unknowns) -> Option<bool> {
    const FIRMWARE: &str = "/sys/firmware/efi";
    const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    const UNCHECKED: &str = "/sys/firmware/efi/efivars/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23";
    let is_set = |bytes: &[u8]| bytes.get(4) == Some(&1);
    match host.read(Path::new(VARIABLE), 64) {
        Ok(bytes) => Some(is_set(&bytes) && !host.read(Path::new(UNCHECKED), 64).is_ok_and(|bytes| is_set(&bytes))),
        // A machine that did not start by EFI has no Secure Boot.
        Err(error) if error.kind() == io::ErrorKind::NotFound && host.exists(Path::new(FIRMWARE)) == Some(false) => Some(false),
        Err(error) => {
            unknown.insert("secure_boot".to_owned(), format!("{VARIABLE}: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn cards_of_the_bus_are_found_without_a_driver() {
        let host = RecordedHost::new()
            .file("/sys/bus/pci/devices/0000:00:1f.3/class", "0x040300\n")
            .file("/sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n")
            .file("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
            .file("/sys/bus/pci/devices/0000:01:00.0/device", "0x1c82\n");
        let cards = pci(&host, &mut Unknowns::new()).unwrap();
        let card = PciCard { address: "0000:01:00.0".into(), vendor: "0x10de".into(), device: Some("0x1c82".into()), driver: None };
        assert_eq!(cards, [card]);
        let mut unknown = Unknowns::new();
        assert_eq!(pci(&RecordedHost::new(), &mut unknown), None);
        assert!(unknown.contains_key("pci"));
    }

    #[test]
    fn the_module_is_told_from_its_neighbours() {
        for name in
            ["kernel/drivers/video/nvidia.ko", "updates/dkms/nvidia-current.ko", "extra/nvidia.ko.xz", "x/nvidia-tesla-470.ko.zst"]
        {
            assert!(is_the_module(name), "{name}");
        }
        for name in [
            "updates/dkms/nvidia-current-drm.ko",
            "kernel/drivers/video/fbdev/nvidia/nvidiafb.ko",
            "x/nvidia-wmi-ec-backlight.ko",
            "x/nvidia-uvm.ko",
            "x/i2c-nvidia-gpu.ko",
        ] {
            assert!(!is_the_module(name), "{name}");
        }
    }

    #[test]
    fn secure_boot_is_the_fifth_byte() {
        let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
        let mut unknown = Unknowns::new();
        let on = RecordedHost::new().file(variable, [6, 0, 0, 0, 1]);
        assert_eq!(secure_boot(&on, &mut unknown), Some(true));
        let shim = "/sys/firmware/efi/efivars/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23";
        assert_eq!(secure_boot(&on.file(shim, [6, 0, 0, 0, 1]), &mut unknown), Some(false), "nothing is checked");
        assert_eq!(secure_boot(&RecordedHost::new().file(variable, [6, 0, 0, 0, 0]), &mut unknown), Some(false));
        assert_eq!(secure_boot(&RecordedHost::new(), &mut unknown), Some(false));
        assert!(unknown.is_empty());
        assert_eq!(secure_boot(&RecordedHost::new().directory("/sys/firmware/efi"), &mut unknown), None);
    }
}
