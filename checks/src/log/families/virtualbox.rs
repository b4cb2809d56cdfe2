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
