//! The NVIDIA driver, its tools, and what engines bring of it into a container.

use super::super::pattern::{Pattern, Texts};
use crate::finding::Severity;

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "nv-mismatch",
        case: 32,
        also: &[33],
        finding: Some("nvidia-driver-mismatch"),
        matcher: Texts::Sequences(&[
            &["API mismatch: the client has the version {client}, but", "this kernel module has the version {kernel}"],
            &[
                "API mismatch: the client{*}",
                "has the version {client}, but this kernel module has",
                "the version {kernel}. Please",
            ],
            &["API mismatch: the client has the version"],
            &["Failed to initialize NVML: Driver/library version mismatch", "NVML library version: {library}"],
            &["Failed to initialize NVML: Driver/library version mismatch"],
            &["nvml error: driver/library version mismatch"],
            &["NVML_ERROR_LIB_RM_VERSION_MISMATCH"],
            &["system has unsupported display driver / cuda driver combination"],
            &["forward compatibility was attempted on non supported HW"],
        ]),
        cause: "The NVIDIA driver was updated while the old one is still loaded: kernel module and libraries have different versions. Files of an older driver that were left behind look the same.",
        cure: "Restart the computer. Until then use opengl=software. When it stays after a restart, remove the old driver's files and reinstall the driver.",
        confirm: "The version in /proc/driver/nvidia/version differs from the one in the name of libnvidia-ml.so.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-cli-error",
        case: 34,
        fatal: true,
        matcher: Texts::Any(&["CalledProcessError: Command {*}nvidia-container-cli"]),
        follows: &["nv-mismatch", "nv-cli-nolib", "nv-not-loaded"],
        cause: "casa_distro asked nvidia-container-cli for the NVIDIA libraries, that program failed, and an old casa_distro (before April 2021) does not survive it.",
        cure: "Update casa-distro, and look at what nvidia-container-cli info says about the driver.",
        confirm: "The version of casa-distro, and whether nvidia-container-cli info succeeds.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-cli-nolib",
        case: 35,
        finding: Some("nvidia-driver-missing"),
        matcher: Texts::Any(&[
            "load library failed: libnvidia-ml.so.1: cannot open shared object file",
            "NVML_ERROR_LIBRARY_NOT_FOUND",
        ]),
        cause: "NVIDIA's container tool is installed, but the NVIDIA driver, or its libraries, are not.",
        cure: "Install the driver when the computer has an NVIDIA card; otherwise use opengl=container, since the tool alone makes casa_distro choose nv.",
        confirm: "libnvidia-ml.so.1 is not on the host.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-not-loaded",
        also: &[100],
        finding: Some("nvidia-driver-missing"),
        matcher: Texts::Any(&[
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",
            "nvml error: driver not loaded",
            "Failed to initialize NVML: Driver Not Loaded",
            "NVML_ERROR_DRIVER_NOT_LOADED",
            "Module nvidia not found in directory",
            "could not insert 'nvidia{part*}': Exec format error",
            "could not insert 'nvidia': No such device",
            "WSL environment detected but no adapters were found",
        ]),
        follows: &["nv-secure-boot"],
        cause: "The NVIDIA driver is installed and not running: no module was built for this kernel, nouveau holds the card, Secure Boot refuses it, or (WSL) the Windows driver's files are not visible here.",
        cure: "On Linux see what sudo modprobe nvidia answers and reinstall the driver for this kernel; on WSL make /usr/lib/wsl visible and install no Linux driver. Until then use opengl=software.",
        confirm: "/proc/driver/nvidia/version does not exist; which module drives the card (nouveau or none).",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-secure-boot",
        finding: Some("nvidia-driver-missing"),
        matcher: Texts::Any(&[
            "could not insert 'nvidia': Key was rejected by service",
            "could not insert 'nvidia': Required key not available",
            "Loading of module with unavailable key is rejected",
        ]),
        cause: "Secure Boot refuses a kernel module that is not signed with a known key; with the NVIDIA driver that is its own module.",
        cure: "Enrol the key with which the module is signed (sudo mokutil --import), or switch Secure Boot off in the firmware.",
        confirm: "mokutil --sb-state says SecureBoot enabled, and the module is unsigned or its key unknown.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-none",
        case: 39,
        finding: Some("nvidia-flag-without-driver"),
        severity: Severity::Warning,
        matcher: Texts::Any(&[
            "Could not find any nv files on this host",
            "Could not find any nv libraries on this host",
            "Could not find any NVIDIA libraries on this host",
            "Could not find any NVIDIA binaries on this host",
            "Could not find any NVIDIA devices on this host",
            "You may need to edit {file}nvliblist.conf",
        ]),
        cause: "The engine was told to bring the NVIDIA libraries (--nv) and found none: there is no NVIDIA driver, or its libraries are not in the linker's cache (NixOS, WSL, Jetson). SingularityCE says the same when asked for AMD's (--rocm).",
        cure: "Without an NVIDIA card use opengl=container. With one, have the libraries listed by ldconfig -p.",
        confirm: "ldconfig -p on the host lists no libGLX_nvidia.so.0.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-writable",
        case: 42,
        finding: Some("config-unknown-flag"),
        severity: Severity::Warning,
        matcher: Texts::Any(&["nv files may not be bound with --writable"]),
        cause: "The container is started writable (-w), and then the engine may not add the NVIDIA libraries to it.",
        cure: "Remove -w or --writable from container_options.",
        confirm: "container_options contains -w or --writable, or the image is a directory.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-perm",
        case: 43,
        finding: Some("nvidia-device-permission"),
        matcher: Texts::Any(&["Failed to initialize NVML: Insufficient Permissions", "NVML_ERROR_NO_PERMISSION"]),
        cause: "You may not use the NVIDIA devices: some distributions reserve them for the group video, and a batch system for jobs that asked for a graphics card.",
        cure: "Have your user added to the group video and log in again; in a batch job ask for a GPU.",
        confirm: "Owner, group and mode of /dev/nvidiactl and /dev/nvidia0.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-gpu-lost",
        finding: Some("nvidia-nvml-failed"),
        matcher: Texts::Any(&["Unable to determine the device handle for GPU {gpu}", "GPU is lost", "GPU has fallen off the bus"]),
        cause: "NVIDIA's driver is loaded, and the card does not answer it any more.",
        cure: "Start the machine again; if it stays, look into the kernel's log for messages of NVRM. Until then use opengl=software.",
        confirm: "nvidia-smi on the host says the same.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-nvml-unknown",
        finding: Some("nvidia-device-permission"),
        matcher: Texts::Any(&["Failed to initialize NVML: Unknown Error"]),
        cause: "The NVIDIA devices are there and may not be used any more; in a container this happens when the host reloads its services while the container runs.",
        cure: "Start the container again.",
        confirm: "nvidia-smi works on the host and not in the container.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "wsl-nv",
        case: 100,
        finding: Some("wsl-gl-unbound"),
        matcher: Texts::Any(&["Failed to initialize NVML: GPU access blocked by the operating system"]),
        cause: "On Windows the graphics card is reached through libraries of the Windows driver in /usr/lib/wsl, which this program does not see, or a Linux NVIDIA driver was installed over them.",
        cure: "Mount /usr/lib/wsl into the container, and remove any Linux NVIDIA driver from the Linux side.",
        confirm: "/dev/dxg exists; which libnvidia-ml.so.1 or libcuda.so.1 is found first.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-cli-missing",
        fatal: true,
        matcher: Texts::Any(&["exec: 'nvidia-container-cli': executable file not found in $PATH"]),
        cause: "The engine was told to use NVIDIA's container tool (--nvccli), which is not installed.",
        cure: "Use --nv instead (opengl=nv does), or install the tool libnvidia-container-tools.",
        confirm: "nvidia-container-cli is not on the PATH; container_options or the engine's configuration asks for it.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-cdi-unknown",
        fatal: true,
        matcher: Texts::Any(&["unresolvable CDI devices {device}"]),
        cause: "The container asks for graphics cards by the names in a list for containers (the CDI specification), and there is no such name: the list was never written, cannot be read, or is of other cards.",
        cure: "Write it: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml. Without an NVIDIA card take the device out of the options.",
        confirm: "nvidia-ctk cdi list does not show the device in the message.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "nv-cdi-stale",
        finding: Some("nvidia-cdi-stale"),
        fatal: true,
        matcher: Texts::Any(&["failed to stat CDI host device {device}"]),
        cause: "The list of NVIDIA devices and files for containers (the CDI specification) is older than the driver or the order of the devices.",
        cure: "Write it anew: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml.",
        confirm: "The device or a file named in /etc/cdi/nvidia.yaml or /var/run/cdi/nvidia.yaml does not exist.",
        ..Pattern::BLANK
    },
];
