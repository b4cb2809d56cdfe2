//! The administrator's settings of Apptainer or Singularity that change what a start does.

use std::collections::BTreeMap;
use std::path::Path;

use casa_doctor_checks::facts::EngineSettings;

use crate::host::Host;
use crate::probes::gpu::settings::directories;

/// The file has some kilobytes.
const LIMIT: u64 = 1 << 20;

/// The directives that are judged. Those that take more than yes and no have their words beside them; a list of paths or names
/// has none (apptainer.conf of 1.4, and singularity.conf of SingularityCE 4).
const DIRECTIVES: [(&str, &[&str]); 14] = [
    ("allow container dir", &["yes", "no"]),
    ("allow container extfs", &["yes", "no"]),
    ("allow container sif", &["yes", "no"]),
    ("allow container squashfs", &["yes", "no"]),
    ("allow setuid", &["yes", "no"]),
    ("allow user ns", &["yes", "no"]),
    ("limit container groups", &[]),
    ("limit container owners", &[]),
    ("limit container paths", &[]),
    ("mount dev", &["yes", "no", "minimal"]),
    ("mount home", &["yes", "no"]),
    ("mount sys", &["yes", "no"]),
    ("mount tmp", &["yes", "no"]),
    ("user bind control", &["yes", "no"]),
];

/// Reads the configuration that belongs to the engine's program. An error says why there is none.
pub(super) fn settings(host: &dyn Host, program: &Path) -> Result<EngineSettings, String> {
    let program = host.canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let files = directories(&program)
        .into_iter()
        .flat_map(|directory| ["apptainer.conf", "singularity.conf"].map(|name| directory.join(name)));
    let Some(config) = files.into_iter().find(|file| host.exists(file) == Some(true)) else {
        return Err("no apptainer.conf or singularity.conf was found where the engine keeps it".to_owned());
    };
    let text = host.read_text(&config, LIMIT).map_err(|error| format!("{}: {error}", config.display()))?;
    let (values, invalid) = directives(&text);
    Ok(EngineSettings { config, values, invalid })
}

/// The values of the directives that are judged, and the lines whose value the engine refuses.
fn directives(text: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut values, mut invalid) = (BTreeMap::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some((name, words)) = DIRECTIVES.iter().find(|(known, _)| *known == name) else { continue };
        let value = value.trim();
        if !words.is_empty() && !words.contains(&value) {
            invalid.push(format!("line {number}: {name} = {value}"));
        }
        values.insert((*name).to_owned(), value.to_owned());
    }
    (values, invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn directives_are_read_as_the_engine_reads_them() {
        let text = "# user bind control = no\nuser  bind control = no # by the site\nmount dev = minimal\n\
                    allow setuid = maybe\nlimit container paths = /srv/images, /Opt\nmax loop devices = 256\n";
        let (values, invalid) = directives(text);
        let known: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            known,
            [
                ("allow setuid", "maybe"),
                ("limit container paths", "/srv/images, /Opt"),
                ("mount dev", "minimal"),
                ("user bind control", "no")
            ]
        );
        assert_eq!(invalid, ["line 4: allow setuid = maybe"]);
    }

    #[test]
    fn the_file_of_the_installation_is_taken() {
        let host = RecordedHost::new().file("/usr/bin/apptainer", "").file("/etc/apptainer/apptainer.conf", "mount tmp = no\n");
        let found = settings(&host, Path::new("/usr/bin/apptainer")).unwrap();
        assert_eq!(found.config, Path::new("/etc/apptainer/apptainer.conf"));
        assert_eq!(found.values["mount tmp"], "no");
        let none = RecordedHost::new().file("/usr/bin/apptainer", "");
        assert!(settings(&none, Path::new("/usr/bin/apptainer")).unwrap_err().contains("apptainer.conf"));
    }
}
