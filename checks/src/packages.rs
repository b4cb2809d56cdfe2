//! Which command installs a package on this machine. What the distribution is decides; a system that is not known gets no command,
//! since that of another one leads nowhere.

use crate::facts::Facts;

/// What a package, or the packages that belong together, are called for each tool; `None` where that is not known.
#[derive(Debug, Default)]
pub(crate) struct Package {
    /// Debian and Ubuntu.
    pub(crate) apt: Option<&'static str>,
    /// Fedora, RHEL and theirs.
    pub(crate) dnf: Option<&'static str>,
    /// SUSE.
    pub(crate) zypper: Option<&'static str>,
    /// Arch.
    pub(crate) pacman: Option<&'static str>,
}

/// The distribution's id in os-release, and its first number.
pub(crate) fn distribution(facts: &Facts) -> Option<(&str, Option<u32>)> {
    let distribution = facts.machine.as_ref()?.distribution.as_ref()?;
    let major = distribution.version.as_deref().and_then(|version| version.split('.').next()?.parse().ok());
    Some((&distribution.id, major))
}

/// Whether packages are layered onto an image of the system, which dnf cannot do; they are there after a restart.
pub(crate) fn is_layered(facts: &Facts) -> bool {
    facts.machine.as_ref().is_some_and(|machine| machine.ostree)
}

/// The command that installs a package here.
pub(crate) fn install(facts: &Facts, package: &Package) -> Option<String> {
    let (tool, names) = match distribution(facts)? {
        ("debian" | "ubuntu" | "linuxmint" | "pop" | "neon" | "elementary" | "zorin" | "kali" | "raspbian" | "devuan", _) => {
            ("apt-get install", package.apt)
        }
        ("fedora" | "rhel" | "rocky" | "almalinux" | "centos", _) if is_layered(facts) => ("rpm-ostree install", package.dnf),
        // The last ones without dnf.
        ("rhel" | "centos" | "ol" | "scientific", Some(..=7)) => ("yum install", package.dnf),
        ("fedora" | "rhel" | "rocky" | "almalinux" | "centos" | "ol", _) => ("dnf install", package.dnf),
        ("opensuse" | "opensuse-leap" | "opensuse-tumbleweed" | "sles" | "sled", _) => ("zypper install", package.zypper),
        ("arch" | "manjaro" | "endeavouros" | "cachyos", _) => ("pacman -S", package.pacman),
        _ => return None,
    };
    Some(format!("sudo {tool} {}", names?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Distribution, Machine};

    fn of(id: &str, version: &str) -> Facts {
        let distribution = Some(Distribution { id: id.into(), version: Some(version.into()), name: None });
        Facts { machine: Some(Machine { os: "linux".into(), distribution, ..Machine::default() }), ..Facts::default() }
    }

    #[test]
    fn each_distribution_has_its_own_tool_and_an_unknown_one_none() {
        let package = Package { apt: Some("xauth"), dnf: Some("xorg-x11-xauth"), zypper: Some("xauth"), pacman: None };
        for (id, version, command) in [
            ("linuxmint", "21.3", Some("sudo apt-get install xauth")),
            ("rocky", "8.10", Some("sudo dnf install xorg-x11-xauth")),
            ("centos", "7", Some("sudo yum install xorg-x11-xauth")),
            ("centos", "9", Some("sudo dnf install xorg-x11-xauth")),
            ("opensuse-leap", "15.6", Some("sudo zypper install xauth")),
            ("arch", "", None),
            ("nixos", "24.05", None),
        ] {
            assert_eq!(install(&of(id, version), &package).as_deref(), command, "{id} {version}");
        }
        assert_eq!(install(&Facts::default(), &package), None);
        let mut silverblue = of("fedora", "41");
        silverblue.machine.as_mut().unwrap().ostree = true;
        assert_eq!(install(&silverblue, &package).as_deref(), Some("sudo rpm-ostree install xorg-x11-xauth"));
    }
}
