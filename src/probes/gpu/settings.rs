//! What Apptainer's or Singularity's own configuration says about `--nv`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::NvSettings;

use crate::host::Host;

/// Both files have some kilobytes.
const LIMIT: u64 = 1 << 20;

/// The settings of the engine that casa_distro takes: Apptainer before Singularity.
pub(super) fn settings(host: &dyn Host) -> Option<NvSettings> {
    let program = ["apptainer", "singularity"].into_iter().find_map(|name| host.which(OsStr::new(name)))?;
    let program = host.canonicalize(&program).unwrap_or(program);
    let directory = directories(&program).into_iter().find(|directory| host.exists(directory) == Some(true));
    let Some(directory) = directory else { return Some(NvSettings::default()) };
    let config = ["apptainer.conf", "singularity.conf"].map(|name| directory.join(name));
    let config = config.into_iter().find_map(|path| Some((host.read_text(&path, LIMIT).ok()?, path)));
    let (text, config) = config.unzip();
    let yes = |key: &str| text.as_deref().map(|text| setting(text, key) == Some("yes"));
    let list = directory.join("nvliblist.conf");
    let listed = host.read_text(&list, LIMIT).ok();
    let (libraries, files) = listed.as_deref().map(entries).unwrap_or_default();
    Some(NvSettings {
        always: yes("always use nv"),
        container_cli: yes("use nvidia-container-cli"),
        config,
        list: listed.is_some().then_some(list),
        libraries,
        files,
    })
}

/// Where an engine's configuration stands, as the program's own place tells: `/usr` has it in `/etc`, every other prefix in its
/// own `etc`, or in that of the processor where Apptainer's own installer put it (`install-unprivileged.sh`). That of the program's own
/// name comes first: a package that is taken out leaves its configuration behind.
pub(in crate::probes) fn directories(program: &Path) -> Vec<PathBuf> {
    let mut names = ["apptainer", "singularity"];
    if program.file_name().is_some_and(|name| name == "singularity") {
        names.reverse();
    }
    let prefix = program.parent().and_then(Path::parent).filter(|prefix| *prefix != Path::new("/usr") && *prefix != Path::new("/"));
    let own = prefix.map(|prefix| [prefix.join("etc"), prefix.join(std::env::consts::ARCH).join("etc")]);
    let roots = own.into_iter().flatten().chain(["/etc".into(), "/usr/local/etc".into()]);
    roots.flat_map(|root| names.map(|name| root.join(name))).collect()
}

/// The directives of an engine's configuration: the number of the line, the name, the value. They are read as the engine reads them
/// (`GetDirectives` of Apptainer and Singularity): a value goes to the end of the line, with a comment behind it; an empty one is none.
pub(in crate::probes) fn directives(text: &str) -> impl Iterator<Item = (u32, &str, &str)> {
    let lines = (1..).zip(text.lines());
    lines.filter_map(|(number, line)| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        (!value.is_empty()).then_some((number, name.trim(), value))
    })
}

/// What a directive is set to that takes one value: the first in the file counts, up to a comma.
pub(in crate::probes) fn setting<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (.., value) = directives(text).find(|(_, name, _)| *name == key)?;
    value.split(',').next()
}

/// The libraries and the other files of `nvliblist.conf`; what has neither `.so` nor a leading `/` is a program.
fn entries(text: &str) -> (Vec<String>, Vec<PathBuf>) {
    let (mut libraries, mut files) = (Vec::new(), Vec::new());
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if line.contains(".so") {
            libraries.push(line.to_owned());
        } else if line.starts_with('/') {
            files.push(line.into());
        }
    }
    (libraries, files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn the_settings_of_a_described_installation() {
        let host = RecordedHost::new()
            .command(&["apptainer"], 0, "", "")
            .file("/usr/bin/apptainer", "")
            .file("/etc/apptainer/apptainer.conf", "# always use nv = no\nalways use nv = yes\nuse nvidia-container-cli = no\n")
            .file("/etc/apptainer/nvliblist.conf", "# libs\nnvidia-smi\nlibGL.so\n/usr/share/glvnd/egl_vendor.d/10_nvidia.json\n");
        let settings = settings(&host).unwrap();
        assert_eq!((settings.always, settings.container_cli), (Some(true), Some(false)));
        assert_eq!(settings.libraries, ["libGL.so"]);
        assert_eq!(settings.files, [Path::new("/usr/share/glvnd/egl_vendor.d/10_nvidia.json")]);
    }

    #[test]
    fn without_an_engine_or_its_files_nothing_is_claimed() {
        assert_eq!(settings(&RecordedHost::new()), None);
        let bare = RecordedHost::new().command(&["singularity"], 0, "", "");
        assert_eq!(settings(&bare), Some(NvSettings::default()));
    }

    #[test]
    fn a_prefix_of_its_own_has_its_own_files() {
        assert_eq!(directories(Path::new("/opt/conda/bin/apptainer"))[0], Path::new("/opt/conda/etc/apptainer"));
        assert_eq!(directories(Path::new("/usr/bin/apptainer"))[0], Path::new("/etc/apptainer"));
        assert_eq!(directories(Path::new("/usr/bin/singularity"))[0], Path::new("/etc/singularity"));
    }
}
