//! Words that belong to everybody. A user or a machine may be called like one of them; it is then replaced where it stands as a
//! name and left where it is a word.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use casa_doctor_checks::facts::ProbeId;
use casa_doctor_checks::registry;

use super::tree;

/// Names of directories, systems, programs and roles that no machine is recognised by.
const COMMON: &str = "\
    admin administrator anatomist app apps apptainer archive arch auto automount base bash bin boot box brainvisa build cache casa \
    casadistro casa-distro casa_distro centos chroot client cluster cmd common compute conf config console container containers core \
    daemon data datasets debian default desktop dev develop device devel disk display docker documents download downloads driver egl \
    env environment environments etc export exports fedora file files folder fr de uk eu fs glx gnome gpu grid group groups guest hardware \
    home homes host hosts hpc image images indirect info install intel kde kernel key lab lan latest lib lib64 libs linux local \
    localdomain localhost loopback lost lustre mac machine macos master media mesa mnt mount my name net network nfs nfs4 node nobody \
    none nouveau nvidia oem opengl opt os pc pi podman private proc program programs project projects public python python3 qt raid \
    release remote research root run scratch screen server session shared sh share shm site singularity soft software soma source \
    src srv ssh staff standard state storage student students sudo sys system temp test tester tests tmp tmux tools tty ubuntu unix \
    unknown user username users usr utils vagrant var vbox version virtual virtualbox vm vnc volume volumes wayland web windows work \
    workspace workstation wsl x11 x2go xauthority xorg xquartz xvfb zsh amd amdgpu i915 vboxsvr tsclient vmwgfx llvmpipe softpipe swrast zink virgl \
    the and not for with from this that true false yes null error warning reason path";

static WORDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut words: BTreeSet<String> = COMMON.split_whitespace().map(str::to_owned).collect();
    let checks = registry::checks().flat_map(|check| [check.id, check.category.word()]);
    let kinds = registry::finding_kinds().map(|(kind, _)| kind.id);
    let probes = ProbeId::ALL.iter().map(|probe| probe.name());
    for id in checks.chain(kinds).chain(probes).chain(tree::KEYS.iter().copied()) {
        words.extend(id.split(['-', '_', '.']).chain([id]).map(str::to_lowercase));
    }
    words
});

/// Domains and machines that everybody knows.
const PUBLIC_DOMAINS: &[&str] = &[
    "apptainer.org",
    "brainvisa.info",
    "debian.org",
    "docker.com",
    "docker.internal",
    "docker.io",
    "freedesktop.org",
    "ghcr.io",
    "github.com",
    "github.io",
    "githubusercontent.com",
    "gitlab.com",
    "gnome.org",
    "gnu.org",
    "kde.org",
    "kernel.org",
    "khronos.org",
    "launchpad.net",
    "macosforge.org",
    "mesa3d.org",
    "microsoft.com",
    "mozilla.org",
    "nvidia.com",
    "nvcr.io",
    "openssh.com",
    "opensuse.org",
    "podman.io",
    "pypi.org",
    "python.org",
    "quay.io",
    "readthedocs.io",
    "redhat.com",
    "sylabs.io",
    "ubuntu.com",
    "virtualbox.org",
    "virtualgl.org",
    "x.org",
    "xquartz.org",
    "libssh.org",
    "lysator.liu.se",
    "wikipedia.org",
    "apple.com",
    "in-addr.arpa",
    "archlinux.org",
    "fedoraproject.org",
    "centos.org",
    "qt.io",
];

/// Whether a word is anybody's.
pub(super) fn is_common(word: &str) -> bool {
    let word = word.to_lowercase();
    WORDS.contains(&word) || word.chars().all(|c| c.is_ascii_digit())
}

/// Whether a machine's name is one that everybody knows, or means this machine itself.
pub(super) fn is_public_host(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_lowercase();
    let own = ["localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback", "unix", "."];
    own.contains(&name.as_str())
        || name.ends_with(".localhost")
        || PUBLIC_DOMAINS.iter().any(|domain| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Whether an address means a machine itself or no machine at all, or is the same in every WSL.
pub(super) fn is_public_address(address: std::net::IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || address == std::net::IpAddr::from([10, 255, 255, 254])
}
