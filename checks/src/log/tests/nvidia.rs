//! Texts about the NVIDIA driver.

use super::{Row, row};

pub(super) static ROWS: &[Row] = &[
    row("modprobe: ERROR: could not insert 'nvidia': Exec format error", "nv-not-loaded", &[]),
    row("modprobe: ERROR: could not insert 'nvidia_drm': Exec format error", "nv-not-loaded", &[]),
    row("modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.8.0-45-generic", "nv-not-loaded", &[]),
    row(
        "nvidia-container-cli: initialization error: WSL environment detected but no adapters were found: unknown.",
        "nv-not-loaded",
        &[100],
    ),
    row("[ 100.1] NVRM: Xid (PCI:0000:01:00): 79, pid=1234, GPU has fallen off the bus.", "nv-gpu-lost", &[]),
    row("Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all", "nv-cdi-unknown", &[]),
    row(
        "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost. Reboot the system to recover this GPU",
        "nv-gpu-lost",
        &[],
    ),
    row("Failed to initialize NVML: Driver/library version mismatch", "nv-mismatch", &[32, 33]),
    row("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.124", "nv-mismatch", &[32]),
    row(
        "[ 7386.259769] NVRM: API mismatch: the client has the version 515.48.07, but\n               NVRM: this kernel module has the version 510.73.05.  Please\n               NVRM: make sure that this kernel module and all NVIDIA driver",
        "nv-mismatch",
        &[32],
    ),
    row("NVRM: API mismatch: the client has the version A, but this kernel module has the version B", "nv-mismatch", &[32]),
    row(
        "NVRM: API mismatch: the client 'kwin_wayland' (pid 1005)\nNVRM: has the version 595.84, but this kernel module has\nNVRM: the version 595.80.  Please make sure that this",
        "nv-mismatch",
        &[32],
    ),
    row("nvidia-container-cli: initialization error: nvml error: driver/library version mismatch", "nv-mismatch", &[32]),
    row(
        "subprocess.CalledProcessError: Command '['nvidia-container-cli', 'list', '--libraries']' returned non-zero exit status 1.",
        "nv-cli-error",
        &[34],
    ),
    row(
        "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory",
        "nv-cli-nolib",
        &[35],
    ),
    row("nvidia-container-cli: initialization error: nvml error: driver not loaded", "nv-not-loaded", &[]),
    row(
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
        "nv-not-loaded",
        &[100],
    ),
    row("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", "nv-secure-boot", &[]),
    row("modprobe: ERROR: could not insert 'nvidia': Required key not available", "nv-secure-boot", &[]),
    row("kernel: Loading of module with unavailable key is rejected", "nv-secure-boot", &[]),
    row(
        "/usr/bin/python3: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /.singularity.d/libs/libGLdispatch.so.0)",
        "nv-glibc",
        &[37],
    ),
    row(
        "glxinfo: /lib64/libc.so.6: version `GLIBC_2.38' not found (required by /.singularity.d/libs/libGL.so.1)",
        "nv-glibc",
        &[37],
    ),
    row("libc.so.6: version `GLIBC_ABI_DT_RELR' not found (required by /.singularity.d/libs/libGLX.so.0)", "nv-glibc", &[37]),
    row("GLIBC_ABI_DT_RELR not found", "glibc-too-new", &[37]),
    row("./tool: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./tool)", "glibc-too-new", &[37]),
    row("WARNING: Could not find any nv files on this host!", "nv-none", &[39]),
    row("WARNING: Could not find any nv libraries on this host!", "nv-none", &[39]),
    row("INFO:    Could not find any NVIDIA binaries on this host!", "nv-none", &[39]),
    row(
        "WARNING: Could not find any NVIDIA libraries on this host!\nWARNING: You may need to edit /etc/singularity/nvliblist.conf",
        "nv-none",
        &[39],
    ),
    row("WARNING: nv files may not be bound with --writable", "nv-writable", &[42]),
    row("Failed to initialize NVML: Insufficient Permissions", "nv-perm", &[43]),
    row("Failed to initialize NVML: Unknown Error", "nv-nvml-unknown", &[]),
    row(
        "docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]].",
        "nv-docker-driver",
        &[44],
    ),
    row("could not select device driver \"cdi\" with capabilities: []", "nv-docker-driver", &[44]),
    row("docker: Error response from daemon: Unknown runtime specified nvidia.", "nv-docker-driver", &[44]),
    row("Failed to initialize NVML: GPU access blocked by the operating system", "wsl-nv", &[100]),
    row("FATAL:   exec: \"nvidia-container-cli\": executable file not found in $PATH", "nv-cli-missing", &[]),
    row("failed to stat CDI host device \"/dev/dri/renderD129\": no such file or directory", "nv-cdi-stale", &[]),
];
