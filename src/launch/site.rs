//! What the administrator of this machine has decided about the engine: `apptainer.conf` and `nvliblist.conf`.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::EngineKind;

use super::engine::Chosen;
use crate::host::Host;

/// These files have some thousand bytes.
const LIMIT: u64 = 1 << 20;

/// Decisions that change a launch. Where they cannot be read they are the engine's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// The directory of the engine's configuration, where it was found.
    pub(super) directory: Option<PathBuf>,
    /// `user bind control`: whether users may mount anything.
    pub(super) binds: bool,
    /// `mount tmp`: whether the container sees `/tmp` of the host.
    pub(super) tmp: bool,
    /// `mount home`: whether it sees the user's home.
    pub(super) home: bool,
    /// `mount dev`: whether it sees all devices (`minimal` and `no` leave out those of graphics cards).
    pub(super) devices: bool,
}

impl Default for Site {
    fn default() -> Self {
        Self { directory: None, binds: true, tmp: true, home: true, devices: true }
    }
}

impl Site {
    /// Reads the engine's configuration.
    pub(super) fn read(host: &dyn Host, engine: &Chosen) -> Self {
        let name = name(engine);
        let Some((directory, text)) = directories(host, engine).into_iter().find_map(|directory| {
            let text = host.read_text(&directory.join(format!("{name}.conf")), LIMIT).ok()?;
            Some((directory, text))
        }) else {
            return Self::default();
        };
        let value = |key: &str| {
            let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(|line| line.split_once('='));
            lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
        };
        let is_on = |key: &str| value(key).as_deref() != Some("no");
        Self {
            binds: is_on("user bind control"),
            tmp: is_on("mount tmp"),
            home: is_on("mount home"),
            devices: !matches!(value("mount dev").as_deref(), Some("no" | "minimal")),
            directory: Some(directory),
        }
    }

    /// The file that says so, for messages.
    pub(super) fn file(&self, engine: &Chosen) -> String {
        let name = name(engine);
        self.directory
            .as_ref()
            .map_or_else(|| format!("{name}.conf"), |directory| directory.join(format!("{name}.conf")).display().to_string())
    }

    /// What `--nv` brings: beginnings of library names, and paths of files. `None` where the list cannot be read.
    pub(super) fn nv_list(&self, host: &dyn Host) -> Option<Vec<String>> {
        let text = host.read_text(&self.directory.as_ref()?.join("nvliblist.conf"), LIMIT).ok()?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Some(lines.map(str::to_owned).collect())
    }
}

const fn name(engine: &Chosen) -> &'static str {
    match engine.kind {
        EngineKind::Singularity => "singularity",
        _ => "apptainer",
    }
}

/// Where the configuration may be: beside the prefix of the program as it was called and as it is really, or below it, in the directory
/// of the processor, where Apptainer's own installer puts everything but a script that starts the program there.
fn directories(host: &dyn Host, engine: &Chosen) -> Vec<PathBuf> {
    let real = host.canonicalize(&engine.path).ok();
    let prefixes = [Some(engine.path.as_path()), real.as_deref()];
    let prefixes = prefixes.into_iter().flatten().filter_map(|path| path.parent()?.parent());
    let of_prefix = |prefix: &Path| {
        // Programs of the distribution have their configuration below /etc.
        let etc = if prefix == Path::new("/usr") || prefix == Path::new("/") { "/etc".into() } else { prefix.join("etc") };
        [etc, prefix.join(std::env::consts::ARCH).join("etc")].map(|etc| etc.join(name(engine)))
    };
    prefixes.flat_map(of_prefix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    fn engine(path: &str) -> Chosen {
        Chosen { path: path.into(), kind: EngineKind::Apptainer, version: None }
    }

    #[test]
    fn decisions_are_read_and_defaults_are_kept() {
        let text = "# user bind control = yes\nuser bind control = no\n  mount tmp=no\nmount dev = minimal\n";
        let host = RecordedHost::new().file("/usr/bin/apptainer", "").file("/etc/apptainer/apptainer.conf", text);
        let site = Site::read(&host, &engine("/usr/bin/apptainer"));
        let directory = Some(PathBuf::from("/etc/apptainer"));
        assert_eq!(site, Site { directory, binds: false, tmp: false, home: true, devices: false });
        assert_eq!(Site::read(&RecordedHost::new(), &engine("/usr/bin/apptainer")), Site::default());
    }

    #[test]
    fn the_configuration_is_found_beside_the_real_program() {
        let host = RecordedHost::new()
            .file("/opt/apptainer/bin/apptainer", "")
            .symlink("/usr/local/bin/apptainer", "/opt/apptainer/bin/apptainer")
            .file("/opt/apptainer/etc/apptainer/apptainer.conf", "user bind control = no\n")
            .file("/opt/apptainer/etc/apptainer/nvliblist.conf", "# libraries\nlibGL.so\n\n/usr/share/nvidia/nvoptix.bin\n");
        let site = Site::read(&host, &engine("/usr/local/bin/apptainer"));
        assert!(!site.binds);
        assert_eq!(site.nv_list(&host), Some(vec!["libGL.so".to_owned(), "/usr/share/nvidia/nvoptix.bin".to_owned()]));
        let unprivileged = format!("/data/apptainer/{}/etc/apptainer/apptainer.conf", std::env::consts::ARCH);
        let host = RecordedHost::new()
            .file("/data/apptainer/bin/apptainer", "#!/bin/bash\n")
            .file(&unprivileged, "mount tmp = no\n")
            .file("/etc/apptainer/apptainer.conf", "user bind control = no\n");
        let site = Site::read(&host, &engine("/data/apptainer/bin/apptainer"));
        assert!(site.binds && !site.tmp, "that of another installation does not count");
    }
}
