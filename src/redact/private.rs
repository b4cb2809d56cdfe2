//! What the machine itself tells of its user and its hardware, beyond the facts: never stored, only taken out.

use std::path::Path;

use crate::host::Host;

/// What is private on a machine and stands in no fact. Empty for a recording, whose machine is not at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Private {
    /// Login names, besides that of the session.
    pub(crate) users: Vec<String>,
    /// Real names.
    pub(crate) names: Vec<String>,
    /// Home directories.
    pub(crate) homes: Vec<String>,
    /// Names of this machine, with and without domain.
    pub(crate) hosts: Vec<String>,
    /// Domains in which names are looked up.
    pub(crate) domains: Vec<String>,
    /// Serial numbers and identifiers of the hardware and of the installation.
    pub(crate) serials: Vec<String>,
}

/// Files that each hold one identifier of this machine, where they can be read.
const IDENTIFIERS: &[&str] = &[
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/sys/class/dmi/id/board_serial",
    "/sys/class/dmi/id/chassis_serial",
    "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/product_uuid",
    "/sys/firmware/devicetree/base/serial-number",
];

/// What firmware says where it has no serial number.
const NO_SERIAL: &[&str] =
    &["none", "n/a", "not specified", "to be filled by o.e.m.", "default string", "system serial number", "0", "unknown"];

impl Private {
    /// Asks the machine.
    pub(crate) fn of(host: &dyn Host) -> Self {
        let mut private = Self::default();
        let identity = host.identity();
        private.users.extend(["USER", "LOGNAME", "SUDO_USER", "USERNAME"].iter().filter_map(|name| host.env_text(name)));
        private.hosts.extend(["HOSTNAME", "HOST", "COMPUTERNAME"].iter().filter_map(|name| host.env_text(name)));
        private.domains.extend(host.env_text("USERDNSDOMAIN"));
        private.users.extend(identity.user);
        private.homes.extend(identity.home.map(|home| home.to_string_lossy().into_owned()));
        if let Ok(passwd) = host.read_text(Path::new("/etc/passwd"), 4 << 20) {
            private.names = real_names(&passwd, identity.uid, &private.users);
        }
        if let Ok(resolver) = host.read_text(Path::new("/etc/resolv.conf"), 1 << 16) {
            private.domains.extend(search_domains(&resolver));
        }
        if let Ok(name) = host.read_text(Path::new("/etc/hostname"), 1 << 10) {
            private.hosts.extend(name.split_whitespace().next().map(str::to_owned));
        }
        if let Ok(hosts) = host.read_text(Path::new("/etc/hosts"), 1 << 16) {
            let own: Vec<String> = private.hosts.iter().map(|name| name.to_lowercase()).collect();
            private.hosts.extend(full_names(&hosts, &own));
        }
        for file in IDENTIFIERS {
            let Ok(text) = host.read_text(Path::new(file), 1 << 10) else { continue };
            let text = text.trim_matches(['\0', ' ', '\n']);
            if text.len() >= 4 && !NO_SERIAL.contains(&text.to_lowercase().as_str()) {
                private.serials.push(text.to_owned());
            }
        }
        private
    }
}

/// The first part of the fifth field of the user database, for this user.
fn real_names(passwd: &str, uid: Option<u32>, users: &[String]) -> Vec<String> {
    passwd
        .lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [name, _, id, _, gecos, ..] = fields.as_slice() else { return None };
            let own = uid.is_some() && id.parse().ok() == uid || users.iter().any(|user| user == name);
            let real = gecos.split(',').next().unwrap_or_default().replace('&', name);
            (own && !real.trim().is_empty()).then(|| real.trim().to_owned())
        })
        .collect()
}

fn search_domains(resolver: &str) -> Vec<String> {
    let lines = resolver.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| matches!(words.first(), Some(&("search" | "domain"))))
        .flat_map(|words| words[1..].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        .collect()
}

/// The names that stand on a line with a name of this machine.
fn full_names(hosts: &str, own: &[String]) -> Vec<String> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .flat_map(|line| {
            let names: Vec<_> = line.split_whitespace().skip(1).map(str::to_owned).collect();
            let is_own = |name: &String| own.iter().any(|own| name.to_lowercase().split('.').next() == own.split('.').next());
            if names.iter().any(is_own) { names } else { Vec::new() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn the_machine_is_asked_for_names_domains_and_numbers() {
        let host = RecordedHost::new()
            .env("USER", "anna")
            .env("HOSTNAME", "raven")
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nanna:x:4242:4242:Anna Müller,room 12,,:/home/anna:/bin/bash\n")
            .file("/etc/resolv.conf", "nameserver 10.0.0.1\nsearch lab.example.org example.org\n")
            .file("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 raven.lab.example.org raven # us\n10.0.0.9 other\n")
            .file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
            .file("/sys/class/dmi/id/product_serial", "To Be Filled By O.E.M.\n")
            .file("/sys/class/dmi/id/board_serial", "PF1XYZ9\n");
        let private = Private::of(&host);
        assert!(private.users.iter().any(|user| user == "anna"));
        assert_eq!(private.names.last().map(String::as_str), Some("Anna Müller"));
        assert_eq!(private.domains, ["lab.example.org", "example.org"]);
        assert_eq!(private.hosts, ["raven", "raven.lab.example.org", "raven"]);
        assert_eq!(private.serials, ["0123456789abcdef0123456789abcdef", "PF1XYZ9"]);
    }
}
