//! The probe "windows": the Windows Subsystem for Linux and X servers, seen from Windows itself.
//!
//! Programs of Windows speak the user's language, `wsl.exe` in UTF-16 besides, so the registry is asked instead: its names are the same
//! everywhere (microsoft/WSL, `DistributionRegistration.h`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{Windows, WslDistribution};

use super::Context;
use super::xquartz::tcp;
use crate::host::{Command, CommandEnd, Host};

/// Where the subsystem keeps its distributions.
const KEY: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Lxss";
/// The key around it, which every Windows has.
const OUTER_KEY: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion";
/// The bit of a distribution's `Flags` that makes it one of version 2 (`LXSS_DISTRO_FLAGS_VM_MODE`). The value `Version` tells how its
/// files are kept, whatever version runs it.
const VIRTUAL_MACHINE: u32 = 0x8;
/// How long the registry, or the port of this machine, may take.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Looks at Windows.
///
/// # Errors
///
/// The reason why there is nothing to look at, on any other system.
pub(crate) fn probe(context: &Context, os: &str) -> Result<Windows, String> {
    if os != "windows" {
        return Err("this is not Windows".to_owned());
    }
    let host = context.host.as_ref();
    let limit = PATIENCE.min(context.limit.mul_f32(0.4));
    let root = host.env_text("SystemRoot").unwrap_or_else(|| r"C:\Windows".to_owned());
    let wsl = PathBuf::from(root).join("System32").join("wsl.exe");
    let mut facts = Windows { wsl: (host.exists(&wsl) == Some(true)).then_some(wsl), ..Windows::default() };
    match registered(host, limit) {
        Ok(distributions) => facts.distributions = Some(distributions),
        Err(reason) => drop(facts.unknown.insert("distributions".to_owned(), reason)),
    }
    facts.gui_applications = host.env("USERPROFILE").and_then(|home| gui_applications(host, Path::new(&home)));
    facts.x_server = tcp::ask(host, 0, limit);
    Ok(facts)
}

/// The distributions in the registry. An error says why it could not be asked.
fn registered(host: &dyn Host, limit: Duration) -> Result<Vec<WslDistribution>, String> {
    let output = host.run(&Command::new("reg", limit).args(["query", KEY, "/s"]));
    match output.end {
        CommandEnd::Exited(0) => Ok(distributions(&output.stdout_text())),
        // There is no such key: the subsystem was never used. A registry that is closed to its users answers in the same way.
        CommandEnd::Exited(1) if host.run(&Command::new("reg", limit).args(["query", OUTER_KEY])).success() => Ok(Vec::new()),
        CommandEnd::Exited(1) => Err("the registry may not be read".to_owned()),
        _ => Err(format!("\"reg query\" {}", output.end_in_words())),
    }
}

/// Reads what `reg query` prints: a line with the key, then its values as `    NAME    TYPE    DATA`.
fn distributions(text: &str) -> Vec<WslDistribution> {
    let mut default = None;
    let mut found: Vec<(String, WslDistribution)> = Vec::new();
    let mut id = String::new();
    for line in text.lines() {
        if line.starts_with("HKEY_") {
            line.rsplit('\\').next().unwrap_or_default().trim().clone_into(&mut id);
            continue;
        }
        let mut parts = line.trim().splitn(3, "    ").map(str::trim);
        let (Some(name), Some(_), Some(data)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let number = || data.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match name {
            "DefaultDistribution" => default = Some(data.to_owned()),
            "DistributionName" => entry(&mut found, &id).name = data.to_owned(),
            "Flags" if id.starts_with('{') => {
                entry(&mut found, &id).version = number().map(|flags| if flags & VIRTUAL_MACHINE == 0 { 1 } else { 2 });
            }
            _ => {}
        }
    }
    let named = found.into_iter().filter(|(_, distribution)| !distribution.name.is_empty());
    named.map(|(id, distribution)| WslDistribution { is_default: default.as_ref() == Some(&id), ..distribution }).collect()
}

fn entry<'a>(found: &'a mut Vec<(String, WslDistribution)>, id: &str) -> &'a mut WslDistribution {
    let at = found.iter().position(|(known, _)| known == id).unwrap_or_else(|| {
        found.push((id.to_owned(), WslDistribution::default()));
        found.len() - 1
    });
    &mut found[at].1
}

/// `guiApplications` of the section `[wsl2]` in `.wslconfig`.
fn gui_applications(host: &dyn Host, home: &Path) -> Option<bool> {
    let text = host.read_text(&home.join(".wslconfig"), 1 << 20).ok()?;
    let mut in_section = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_section = section.trim_end_matches(']').eq_ignore_ascii_case("wsl2");
        } else if let Some((name, value)) = line.split_once('=').filter(|_| in_section)
            && name.trim().eq_ignore_ascii_case("guiApplications")
        {
            // A comment may stand behind the value, and quotes around it (microsoft/WSL, `configfile.cpp`).
            let value = value.split('#').next().unwrap_or_default().trim().trim_matches('"');
            return match value.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casa_doctor_checks::facts::XquartzTcp;

    use super::*;
    use crate::host::RecordedHost;

    const EXPORT: &str = "\r
HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss\r
    DefaultDistribution    REG_SZ    {8f1c9a3e-6f0b-4f0e-9a6d-0d3b0e2c7a11}\r
    DefaultVersion    REG_DWORD    0x2\r
\r
HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss\\{8f1c9a3e-6f0b-4f0e-9a6d-0d3b0e2c7a11}\r
    State    REG_DWORD    0x1\r
    DistributionName    REG_SZ    Ubuntu 22.04 LTS\r
    Version    REG_DWORD    0x1\r
    BasePath    REG_SZ    C:\\Users\\anna\\AppData\\Local\\Packages\\Ubuntu\\LocalState\r
    Flags    REG_DWORD    0xf\r
\r
HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss\\{11111111-2222-3333-4444-555555555555}\r
    DistributionName    REG_SZ    Debian\r
    Version    REG_DWORD    0x2\r
    Flags    REG_DWORD    0x7\r
\r
HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss\\{22222222-2222-3333-4444-555555555555}\r
    DistributionName    REG_SZ    torn\r
    Version    REG_DWORD    0x2\r
";

    fn look(host: RecordedHost) -> Windows {
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(1) }, "windows").unwrap()
    }

    #[test]
    fn a_described_windows() {
        let host = RecordedHost::new()
            .env("SystemRoot", "/Windows")
            .env("USERPROFILE", "/home/anna")
            .file("/Windows/System32/wsl.exe", "")
            .file("/home/anna/.wslconfig", "[wsl2]\r\nguiApplications = false\r\n[experimental]\r\nguiApplications=true\r\n")
            .command(&["reg", "query", KEY, "/s"], 0, EXPORT, "");
        let facts = look(host);
        let distribution = |name: &str, version, is_default| WslDistribution { name: name.into(), version, is_default };
        assert_eq!(
            facts.distributions,
            Some(vec![
                distribution("Ubuntu 22.04 LTS", Some(2), true),
                distribution("Debian", Some(1), false),
                distribution("torn", None, false)
            ])
        );
        assert_eq!(facts.gui_applications, Some(false));
        assert!(facts.wsl.is_some());
        assert_eq!(facts.x_server, XquartzTcp::Closed);
    }

    #[test]
    fn the_display_is_switched_off_in_every_way_that_wsl_reads() {
        for (line, expected) in [
            ("guiApplications=0", Some(false)),
            ("guiApplications=FALSE # no windows", Some(false)),
            ("guiApplications = \"false\"", Some(false)),
            ("guiApplications=1", Some(true)),
            ("guiApplications=off", None),
            ("# guiApplications=false", None),
        ] {
            let text = format!("[wsl2]\r\n{line}\r\n");
            let host = RecordedHost::new().file("/home/anna/.wslconfig", text);
            assert_eq!(gui_applications(&host, Path::new("/home/anna")), expected, "{line}");
        }
    }

    #[test]
    fn a_windows_without_any_of_it_and_a_registry_that_cannot_be_asked() {
        let without =
            RecordedHost::new().command(&["reg", "query", KEY, "/s"], 1, "", "ERROR: The system was unable to find the key");
        let bare = look(without.command(&["reg", "query", OUTER_KEY], 0, OUTER_KEY, ""));
        assert_eq!((bare.wsl, bare.distributions, bare.gui_applications), (None, Some(Vec::new()), None));
        let closed = RecordedHost::new().command(&["reg", "query", KEY, "/s"], 1, "", "ERROR: Registry editing has been disabled");
        assert_eq!(look(closed).distributions, None);
        let silent = look(RecordedHost::new());
        assert_eq!(silent.distributions, None);
        assert!(silent.unknown.contains_key("distributions"));
    }

    #[test]
    fn other_systems_are_left_alone() {
        let context = Context { host: Arc::new(RecordedHost::new()), limit: Duration::from_secs(1) };
        assert!(probe(&context, "linux").is_err());
    }
}
