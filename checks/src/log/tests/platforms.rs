//! Texts of macOS, Windows and VirtualBox.

use super::{Row, row};

pub(super) static ROWS: &[Row] = &[
    row("SINGULARITY_CONTAINER=/dev/sda", "mac-env-lost", &[95]),
    row("connect /private/tmp/com.apple.launchd.XXX/org.xquartz:0: Connection refused", "mac-launchd-refused", &[]),
    row("Xquartz: No launchd socket handed off, unsetting DISPLAY", "mac-no-socket", &[]),
    row("WARNING: failed to set O_CLOEXEC flags on image", "wsl1-engine", &[]),
    row("ERROR  : Failed to set securebits: Invalid argument", "wsl1-engine", &[]),
    row(
        "FATAL: container creation failed: mount /session/mountinfo error: while mounting /var/session/mountinfo to /proc/self/mountinfo: no such file or directory",
        "wsl1-engine",
        &[],
    ),
    row("rm: cannot remove '/tmp/.X11-unix/X0': Read-only file system", "wsl-x11-readonly", &[]),
    row("ls: cannot access '/tmp/.X11-unix/X0': Too many levels of symbolic links", "wsl-x11-readonly", &[]),
    row("VBoxManage: error: Could not find a registered machine named 'nope'", "vb-unknown-machine", &[]),
    row(
        "VBoxManage: error: Details: code VBOX_E_OBJECT_NOT_FOUND (0x80bb0001), component VirtualBoxWrap",
        "vb-unknown-machine",
        &[],
    ),
    row("mount: /media/sf_home: unknown filesystem type 'vboxsf'.", "vb-guest-additions", &[]),
    row("bash: xhost: command not found", "x-xhost-missing", &[]),
    row("zsh: command not found: xhost", "x-xhost-missing", &[]),
    row("Windows Subsystem for Linux has no installed distributions.", "wsl-no-distribution", &[]),
    row("WslRegisterDistribution failed with error: 0x80370102", "wsl-no-virtualization", &[]),
    row(
        "Please enable the Virtual Machine Platform Windows feature and ensure virtualization is enabled in the BIOS.",
        "wsl-no-virtualization",
        &[],
    ),
    row(
        "VBoxManage: error: VT-x is disabled in the BIOS for all CPU modes (VERR_VMX_MSR_ALL_VMX_DISABLED)",
        "vb-no-virtualization",
        &[],
    ),
    row("AMD-V is disabled in the BIOS (or by the host OS) (VERR_SVM_DISABLED).", "vb-no-virtualization", &[]),
    row("Kernel driver not installed (rc=-1908)", "vb-driver-missing", &[]),
    row("WARNING: The vboxdrv kernel module is not loaded. Either there is no module", "vb-driver-missing", &[]),
    row(
        "VBoxManage: error: VirtualBox can't enable the AMD-V extension. Please disable the KVM kernel extension, recompile your kernel and reboot (VERR_SVM_IN_USE)",
        "vb-other-hypervisor",
        &[],
    ),
    row(
        "VBoxManage: error: Cannot run the machine because its platform architecture x86 is not supported on ARM",
        "img-architecture",
        &[],
    ),
    row("Callee RC: VBOX_E_PLATFORM_ARCH_NOT_SUPPORTED (0x80bb0012)", "img-architecture", &[]),
    row(
        "VBoxManage: error: The SHA1 digest of 'brainvisa-disk001.vmdk' does not match the one in 'brainvisa.mf' (VERR_MANIFEST_DIGEST_MISMATCH)",
        "img-checksum",
        &[],
    ),
    row("/sbin/mount.vboxsf: mounting failed with the error: Protocol error", "vb-share-unknown", &[]),
    row(
        "docker: Error response from daemon: error while creating mount source path '/home/anna/.ssh/id_rsa': mkdir \
         /home/anna/.ssh: permission denied.",
        "docker-root-squash",
        &[79],
    ),
    row("slurmstepd: error: execve(): AimsFileInfo: No such file or directory", "swf-slurm-command", &[116]),
    row("ValueError: invalid literal for int() with base 10: 'True'", "swf-light-mode", &[]),
    row("VBoxManage: error: The machine 'bv' is already locked for a session (or being unlocked)", "vb-locked", &[]),
    row("VBoxManage: error: Invalid VRAM size: 300 MB (must be in range [0, 256] MB)", "vb-vram-range", &[]),
];
