//! Whether the machine is a virtual one, and whose.

use std::path::Path;

use crate::host::Host;

const DMI: &str = "/sys/class/dmi/id";

/// The version of the Windows Subsystem for Linux, `None` outside of it.
///
/// Version 1 has no kernel of its own and always says `4.4.0-…-Microsoft`; version 2 says `…-microsoft-standard-WSL2`, or
/// whatever the user's own kernel is called, where the registered interpreter for Windows programs gives it away. The number of
/// the release tells nothing.
pub(in crate::probes) fn wsl(host: &dyn Host, kernel: &str) -> Option<u8> {
    if kernel.to_ascii_lowercase().contains("wsl2") || kernel.contains("microsoft") {
        return Some(2);
    }
    if kernel.ends_with("-Microsoft") {
        return Some(1);
    }
    ["/proc/sys/fs/binfmt_misc/WSLInterop", "/proc/sys/fs/binfmt_misc/WSLInterop-late", "/run/WSL"]
        .iter()
        .any(|marker| host.exists(Path::new(marker)) == Some(true))
        .then_some(2)
}

/// The hypervisor, in the words of the tables of firmware (DMI): `Ok(None)` on real hardware, `Err` with the reason when they are
/// missing, or name nobody known while the processor says that it is a virtual one.
pub(in crate::probes) fn hypervisor(host: &dyn Host) -> Result<Option<String>, String> {
    let read = |name: &str| host.read_text(&Path::new(DMI).join(name), 4096).map(|text| text.trim().to_owned());
    let flagged = || {
        host.read_text(Path::new("/proc/cpuinfo"), 4 << 20).is_ok_and(|text| {
            text.lines().any(|line| line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor"))
        })
    };
    match (read("sys_vendor"), read("product_name")) {
        (Err(_), Err(_)) if flagged() => {
            Err(format!("the processor says that it is virtual, and {DMI}, which would name the hypervisor, is missing"))
        }
        (Err(_), Err(_)) => Err(format!("{DMI} cannot be read")),
        (vendor, product) => {
            let (vendor, product) = (vendor.unwrap_or_default(), product.unwrap_or_default());
            match named(&vendor, &product) {
                None if flagged() => Err(format!(
                    "the processor says that it is virtual, and {DMI} names \"{vendor}\", \"{product}\", which is no hypervisor that is known here"
                )),
                name => Ok(name.map(str::to_owned)),
            }
        }
    }
}

/// The hypervisor that gives itself these names.
fn named(vendor: &str, product: &str) -> Option<&'static str> {
    let is = |text: &str| vendor.contains(text) || product.contains(text);
    match () {
        () if is("VirtualBox") || is("innotek GmbH") => Some("virtualbox"),
        () if is("VMware") => Some("vmware"),
        () if is("Parallels") => Some("parallels"),
        () if is("BHYVE") => Some("bhyve"),
        () if is("Xen") || product.contains("HVM domU") => Some("xen"),
        // Microsoft also sells real computers (Surface).
        () if vendor == "Microsoft Corporation" && product == "Virtual Machine" => Some("hyper-v"),
        () if is("QEMU") || is("KVM") || is("OpenStack") || is("RHEV") || is("oVirt") => Some("kvm"),
        () if vendor == "Nutanix" && product == "AHV" => Some("kvm"),
        () if product.contains("Apple Virtualization") => Some("apple"),
        () if is("Google Compute Engine") || vendor == "DigitalOcean" || vendor == "Hetzner" && product == "vServer" => Some("kvm"),
        // Instances whose type ends so are whole computers.
        () if vendor == "Amazon EC2" && !product.contains(".metal") => Some("kvm"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn wsl_by_its_kernel_release() {
        let host = RecordedHost::new();
        for (kernel, version) in [
            ("4.4.0-19041-Microsoft", Some(1)),
            ("5.15.153.1-microsoft-standard-WSL2", Some(2)),
            ("4.19.84-microsoft-standard", Some(2)),
            ("4.4.0-210-generic", None),
            ("6.1.0-28-amd64", None),
        ] {
            assert_eq!(wsl(&host, kernel), version, "{kernel}");
        }
        let own_kernel = RecordedHost::new().file("/proc/sys/fs/binfmt_misc/WSLInterop", "enabled");
        assert_eq!(wsl(&own_kernel, "6.6.0-mine"), Some(2));
    }

    #[test]
    fn hypervisors_by_their_names() {
        for (vendor, product, name) in [
            ("innotek GmbH", "VirtualBox", Some("virtualbox")),
            ("VMware, Inc.", "VMware7,1", Some("vmware")),
            ("Microsoft Corporation", "Virtual Machine", Some("hyper-v")),
            ("Microsoft Corporation", "Surface Pro 7", None),
            ("QEMU", "Standard PC (Q35 + ICH9, 2009)", Some("kvm")),
            ("Amazon EC2", "m5.large", Some("kvm")),
            ("Amazon EC2", "c5.metal", None),
            ("Nutanix", "AHV", Some("kvm")),
            ("Apple Inc.", "Apple Virtualization Generic Platform", Some("apple")),
            ("Apple Inc.", "MacBookPro16,1", None),
            ("Dell Inc.", "Precision 3660", None),
        ] {
            assert_eq!(named(vendor, product), name, "{vendor} {product}");
        }
    }

    #[test]
    fn a_virtual_processor_without_firmware_tables_is_unknown_not_real() {
        let host = RecordedHost::new().file("/proc/cpuinfo", "flags\t\t: fpu vme hypervisor lahf_lm\n");
        assert!(hypervisor(&host).unwrap_err().contains("processor says that it is virtual"));
        let of = |vendor: &str, product: &str, flags: &str| {
            hypervisor(
                &RecordedHost::new()
                    .file("/sys/class/dmi/id/sys_vendor", format!("{vendor}\n"))
                    .file("/sys/class/dmi/id/product_name", format!("{product}\n"))
                    .file("/proc/cpuinfo", format!("flags\t\t: fpu vme {flags}\n")),
            )
        };
        assert_eq!(of("Dell Inc.", "Precision 3660", "lahf_lm"), Ok(None));
        assert_eq!(of("QEMU", "Standard PC", "hypervisor"), Ok(Some("kvm".to_owned())));
        // A provider of clouds who gives the machine his own names.
        assert!(of("Example", "VPS", "hypervisor").unwrap_err().contains("\"Example\", \"VPS\""));
    }
}
