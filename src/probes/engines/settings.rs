//! The administrator's settings of Apptainer or Singularity that change what a start does.

use std::collections::BTreeMap;
use std::path::Path;

use casa_doctor_checks::facts::EngineSettings;

use crate::host::Host;
use crate::probes::gpu::settings::{self, directories};

/// The file has some kilobytes.
const LIMIT: u64 = 1 << 20;

/// The directives that are judged. Those that take more than yes and no have their words beside them; a list of paths or names
/// has none (apptainer.conf of 1.4, and singularity.conf of SingularityCE 4).
const DIRECTIVES: [(&str, &[&str]); 19] = [
    ("allow container dir", &["yes", "no"]),
    ("allow container extfs", &["yes", "no"]),
    ("allow container sif", &["yes", "no"]),
    ("allow container squashfs", &["yes", "no"]),
    ("allow kernel squashfs", &["yes", "no"]),
    ("allow setuid", &["yes", "no"]),
    ("allow setuid-mount squashfs", &["yes", "no", "iflimited"]),
    ("allow user ns", &["yes", "no"]),
    ("always use nv", &["yes", "no"]),
    ("limit container groups", &[]),
    ("limit container owners", &[]),
    ("limit container paths", &[]),
    ("mount dev", &["yes", "no", "minimal"]),
    ("mount home", &["yes", "no"]),
    ("mount sys", &["yes", "no"]),
    ("mount tmp", &["yes", "no"]),
    ("sif fuse", &["yes", "no"]),
    ("use nvidia-container-cli", &["yes", "no"]),
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
    let (mut values, mut invalid) = (BTreeMap::<String, String>::new(), Vec::new());
    for (number, name, value) in settings::directives(text) {
        let Some((name, words)) = DIRECTIVES.iter().find(|(known, _)| *known == name) else { continue };
        let earlier = values.get_mut(*name);
        if words.is_empty() {
            // Lists add up.
            match earlier {
                Some(list) => *list = format!("{list},{value}"),
                None => drop(values.insert((*name).to_owned(), value.to_owned())),
            }
        } else if earlier.is_none() {
            // The first one counts, up to a comma, and the engine does not look at the others.
            let value = value.split(',').next().unwrap_or_default();
            if !words.contains(&value) {
                invalid.push(format!("line {number}: {name} = {value}"));
            }
            values.insert((*name).to_owned(), value.to_owned());
        }
    }
    (values, invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    /// Each was tried with Apptainer 1.4.5.
    #[test]
    fn directives_are_read_as_the_engine_reads_them() {
        let text = "# user bind control = no\nuser  bind control = no\nmount dev = minimal\nmount home =\n\
                    allow setuid = maybe\nlimit container paths = /srv/images, /Opt\nmax loop devices = 256\n\
                    mount tmp = yes,no\nlimit container paths = /data\nmount dev = yes\nallow setuid = perhaps\n";
        let (values, invalid) = directives(text);
        let known: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            known,
            [
                ("allow setuid", "maybe"),
                ("limit container paths", "/srv/images, /Opt,/data"),
                ("mount dev", "minimal"),
                ("mount tmp", "yes")
            ]
        );
        assert_eq!(invalid, ["line 5: allow setuid = maybe"]);
    }

    #[test]
    fn a_comment_behind_a_value_is_a_part_of_it() {
        let (_, invalid) = directives("always use nv = yes # cards everywhere\nmount sys = Yes\n");
        assert_eq!(invalid, ["line 1: always use nv = yes # cards everywhere", "line 2: mount sys = Yes"]);
    }

    #[test]
    fn the_file_of_the_installation_is_taken() {
        let host = RecordedHost::new().file("/usr/bin/apptainer", "").file("/etc/apptainer/apptainer.conf", "mount tmp = no\n");
        let found = settings(&host, Path::new("/usr/bin/apptainer")).unwrap();
        assert_eq!(found.config, Path::new("/etc/apptainer/apptainer.conf"));
        assert_eq!(found.values["mount tmp"], "no");
        let own = format!("/data/apptainer/{}/etc/apptainer/apptainer.conf", std::env::consts::ARCH);
        let unprivileged = host.file("/data/apptainer/bin/apptainer", "#!/bin/bash\n").file(&own, "mount tmp = yes\n");
        let found = settings(&unprivileged, Path::new("/data/apptainer/bin/apptainer")).unwrap();
        assert_eq!(found.config, Path::new(&own), "and not that of the package that is there as well");
        let none = RecordedHost::new().file("/usr/bin/apptainer", "");
        assert!(settings(&none, Path::new("/usr/bin/apptainer")).unwrap_err().contains("apptainer.conf"));
    }
}
