//! VirtualBox, as VBoxManage and the guest's kernel speak.

use super::super::pattern::{Pattern, Texts};
use crate::finding::Severity;

pub(super) static PATTERNS: &[Pattern] = &[
    Pattern {
        id: "vb-unknown-machine",
        matcher: Texts::Any(&["Could not find a registered machine named '{machine*}'", "VBOX_E_OBJECT_NOT_FOUND"]),
        cause: "VirtualBox knows no virtual machine of that name; machines belong to the user who registered them.",
        cure: "See the names with VBoxManage list vms, or register the machine.",
        confirm: "The name is not in VBoxManage list vms.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-locked",
        matcher: Texts::Any(&["is already locked for a session", "VBOX_E_INVALID_OBJECT_STATE"]),
        cause: "The settings of a virtual machine cannot be changed while it runs or its settings window is open.",
        cure: "Shut the machine down and close its window, then try again.",
        confirm: "VMState in VBoxManage showvminfo --machinereadable is not poweroff.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-no-virtualization",
        fatal: true,
        matcher: Texts::Any(&[
            "VERR_VMX_MSR_ALL_VMX_DISABLED",
            "VERR_VMX_NO_VMX",
            "VERR_SVM_DISABLED",
            "VT-x is disabled in the BIOS",
            "AMD-V is disabled in the BIOS",
        ]),
        cause: "The processor of this computer may not run virtual machines: virtualization is switched off in its firmware (BIOS), or another program has taken it.",
        cure: "Switch virtualization (VT-x, AMD-V or SVM) on in the settings of the firmware, which are reached while the computer starts.",
        confirm: "On Linux, neither vmx nor svm stands among the flags in /proc/cpuinfo.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-other-hypervisor",
        fatal: true,
        matcher: Texts::Any(&["VERR_VMX_IN_VMX_ROOT_MODE", "VERR_SVM_IN_USE"]),
        cause: "Another program already uses the processor's part for virtual machines, and VirtualBox cannot share it. On Linux that is KVM, which takes it as soon as its module is loaded since Linux 6.12.",
        cure: "Shut down the virtual machines of the other program, then: sudo modprobe -r kvm_intel kvm_amd. For good: kvm.enable_virt_at_load=0 on the kernel's command line.",
        confirm: "lsmod shows kvm_intel or kvm_amd.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-driver-missing",
        fatal: true,
        matcher: Texts::Any(&[
            "Kernel driver not installed (rc=-{number})",
            "VERR_VM_DRIVER_NOT_INSTALLED",
            "The vboxdrv kernel module is not loaded",
        ]),
        cause: "The part of VirtualBox that works in the kernel is not loaded: on a Mac it was not allowed yet, on Linux it was not built for the kernel that runs.",
        cure: "On a Mac, allow the software of Oracle in the system's settings under Privacy and Security, and start the Mac again. On Linux, let an administrator run /sbin/vboxconfig.",
        confirm: "On Linux, lsmod does not list vboxdrv.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-guest-additions",
        finding: Some("vbox-guest-additions"),
        matcher: Texts::Any(&["unknown filesystem type 'vboxsf'"]),
        cause: "The guest additions of VirtualBox are not at work in this virtual machine, so that no folder of the computer around it can be mounted.",
        cure: "Insert the guest additions' CD (menu Devices), run VBoxLinuxAdditions.run of it, and restart the virtual machine.",
        confirm: "lsmod does not list vboxsf.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-share-unknown",
        matcher: Texts::Any(&["mount.vboxsf: mounting failed with the error: Protocol error"]),
        cause: "VirtualBox shares no folder under the name that should be mounted.",
        cure: "See the names in the settings of the virtual machine under Shared Folders, and mount one of them; a folder that is mounted by itself is in /media.",
        confirm: "VBoxControl sharedfolder list, in the virtual machine, does not have the name.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-vram-range",
        finding: Some("vbox-video-memory"),
        matcher: Texts::Any(&["Invalid VRAM size: {size} MB (must be in range"]),
        cause: "VirtualBox allows at most 256 MB of video memory.",
        cure: "VBoxManage modifyvm NAME --vram 128.",
        confirm: "The value that was asked for.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-audio-option",
        severity: Severity::Info,
        matcher: Texts::Any(&["--audio is deprecated and will be removed soon. Use --audio-driver instead"]),
        cause: "VirtualBox 7 calls this option otherwise and accepts it all the same. Harmless.",
        cure: "Nothing; use --audio-driver with VirtualBox 7.",
        confirm: "The command succeeded.",
        ..Pattern::BLANK
    },
    Pattern {
        id: "vb-vmwgfx-noise",
        severity: Severity::Info,
        matcher: Texts::Any(&["vmwgfx seems to be running on an unsupported hypervisor", "*ERROR* Failed to open channel"]),
        cause: "The graphics driver in a VirtualBox guest expected VMware. Harmless.",
        cure: "Nothing.",
        confirm: "The computer is a VirtualBox guest with the controller VMSVGA.",
        ..Pattern::BLANK
    },
];
