//! Which plug-ins there are, and which of them may be started.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use casa_doctor_checks::plugin::objection_to_name;

use crate::host::{Access, FileKind, Host, Metadata};

/// How the file of every plug-in begins.
const PREFIX: &str = "casa-doctor-check-";
/// Where the machine's administrators put plug-ins.
const SYSTEM: &str = "/etc/casa-doctor/checks.d";

/// A plug-in that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// What follows [`PREFIX`].
    pub(crate) name: String,
    /// The file, as it was found.
    pub(crate) file: PathBuf,
    /// Why it must not be started.
    pub(crate) refusal: Option<String>,
}

/// Every plug-in, sorted by name; of those with the same name the first: the user's own, the machine's, the first on PATH.
///
/// # Errors
///
/// When one of the directories for plug-ins is there and cannot be listed; a directory of PATH that cannot be is left out, as
/// a shell would.
pub(super) fn candidates(host: &dyn Host) -> Result<Vec<Candidate>, String> {
    let mut found: Vec<Candidate> = Vec::new();
    for (directory, is_ours) in directories(host) {
        let names = match host.read_dir(&directory) {
            Ok(names) => names,
            Err(error) if !is_ours || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(format!("cannot list {}: {error}", directory.display())),
        };
        for (file_name, name) in names.iter().filter_map(|file_name| Some((file_name, plugin_name(file_name)?))) {
            let file = directory.join(file_name);
            // A directory of that name, or a link to nowhere, is no program.
            let is_program = host.metadata(&file).is_ok_and(|metadata| metadata.kind != FileKind::Directory);
            if is_program && !found.iter().any(|known| known.name == name) {
                let refusal = objection_to_name(&name).or_else(|| objection_to_file(host, &file));
                found.push(Candidate { name, file, refusal });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Where plug-ins are looked for, and whether the directory is for nothing else. A relative directory of PATH would let
/// whoever wrote the current directory choose what runs.
fn directories(host: &dyn Host) -> Vec<(PathBuf, bool)> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let configured = host.env("XDG_CONFIG_HOME").map(PathBuf::from).and_then(absolute);
    let own = configured.or_else(|| host.identity().home.and_then(absolute).map(|home| home.join(".config")));
    let mut directories: Vec<_> = own.map(|own| (own.join("casa-doctor/checks.d"), true)).into_iter().collect();
    directories.push((PathBuf::from(SYSTEM), true));
    let path = host.env("PATH").unwrap_or_default();
    directories.extend(std::env::split_paths(&path).filter_map(absolute).map(|directory| (directory, false)));
    // Only the first of several files with one name counts, so that no directory needs a second look.
    let mut seen = BTreeSet::new();
    directories.retain(|(directory, _)| seen.insert(directory.clone()));
    directories
}

/// The NAME in a file's name; `None` for every other file.
fn plugin_name(file_name: &OsStr) -> Option<String> {
    let name = file_name.to_string_lossy();
    let name = name.strip_prefix(PREFIX)?;
    Some(name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name).to_owned())
}

/// Why a file must not be started: others than its owner and the administrators could have put it there, or changed it.
fn objection_to_file(host: &dyn Host, file: &Path) -> Option<String> {
    match object(host, file) {
        Ok(objection) => objection,
        Err(error) => Some(format!("cannot be looked at: {error}")),
    }
}

fn object(host: &dyn Host, file: &Path) -> io::Result<Option<String>> {
    let real = host.canonicalize(file)?;
    let metadata = host.metadata(&real)?;
    if metadata.kind != FileKind::File {
        return Ok(Some("is not a regular file".to_owned()));
    }
    let as_root = host.identity().uid == Some(0);
    if let Some(objection) = object_to_rights(&metadata, as_root) {
        return Ok(Some(format!("{objection}{}", chmod("go-w", &metadata, &real))));
    }
    // Where the link stands, too: who may write there can put another link in its place.
    for directory in [file.parent(), real.parent()].into_iter().flatten() {
        let directory = host.canonicalize(directory)?;
        let metadata = host.metadata(&directory)?;
        if let Some(objection) = object_to_rights(&metadata, as_root) {
            return Ok(Some(format!("its directory {}: {objection}{}", directory.display(), chmod("o-w", &metadata, &directory))));
        }
        for above in directory.ancestors().skip(1) {
            let metadata = host.metadata(above)?;
            // The sticky bit keeps others from moving away what is below.
            if metadata.mode & 0o1002 == 0o002 {
                return Ok(Some(format!("{}: everybody may write to it (mode {:04o})", above.display(), metadata.mode)));
            }
        }
    }
    Ok(host.access(file, Access::Execute).err().map(|error| format!("cannot be executed ({error}): chmod +x makes it a program")))
}

fn object_to_rights(metadata: &Metadata, as_root: bool) -> Option<String> {
    if metadata.mode & 0o002 != 0 {
        return Some(format!("everybody may write to it (mode {:04o})", metadata.mode));
    }
    (as_root && metadata.uid != 0).then(|| {
        format!("it belongs to user {}, and casa-doctor runs as root, who must start only what belongs to root", metadata.uid)
    })
}

/// The command that closes a file, where its mode is what is wrong.
fn chmod(change: &str, metadata: &Metadata, path: &Path) -> String {
    if metadata.mode & 0o002 == 0 { String::new() } else { format!("; `chmod {change} {}` closes it", path.display()) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::{Identity, RecordedHost};

    const OWN: &str = "/home/anna/.config/casa-doctor/checks.d/casa-doctor-check-quota";
    const PROGRAM: &str = "#!/bin/sh\n";

    fn names(host: &RecordedHost) -> Vec<(String, PathBuf)> {
        candidates(host).unwrap().into_iter().map(|candidate| (candidate.name, candidate.file)).collect()
    }

    fn refusal(host: &RecordedHost) -> Option<String> {
        let [candidate] = &candidates(host).unwrap()[..] else { panic!("expected one plug-in") };
        candidate.refusal.clone()
    }

    #[test]
    fn a_directory_that_stands_many_times_in_path_is_listed_once() {
        let host = RecordedHost::new().env("PATH", &format!("{}{SYSTEM}", "/opt/site:/usr/bin:".repeat(4500)));
        let listed: Vec<_> = directories(&host).into_iter().map(|(directory, _)| directory).collect();
        let expected = ["/home/anna/.config/casa-doctor/checks.d", SYSTEM, "/opt/site", "/usr/bin"];
        assert_eq!(listed, expected.map(PathBuf::from));
    }

    #[test]
    fn the_users_own_come_before_the_machines_and_those_on_path() {
        let host = RecordedHost::new()
            .env("PATH", "/opt/site:relative::/usr/bin")
            .file_mode("/opt/site/casa-doctor-check-quota", PROGRAM, 0o755)
            .file_mode("/opt/site/casa-doctor-check-licence", PROGRAM, 0o755)
            .file_mode("/opt/site/casa-doctor", PROGRAM, 0o755)
            .file_mode("/etc/casa-doctor/checks.d/casa-doctor-check-quota", PROGRAM, 0o755)
            .file_mode("/etc/casa-doctor/checks.d/README", "", 0o644)
            .file_mode("/relative/casa-doctor-check-never", PROGRAM, 0o755)
            .directory("/opt/site/casa-doctor-check-directory")
            .file_mode(OWN, PROGRAM, 0o755);
        assert_eq!(
            names(&host),
            [("licence".to_owned(), "/opt/site/casa-doctor-check-licence".into()), ("quota".to_owned(), OWN.into())]
        );
        let moved = host.env("XDG_CONFIG_HOME", "/elsewhere");
        assert_eq!(names(&moved)[1].1, Path::new("/etc/casa-doctor/checks.d/casa-doctor-check-quota"));
    }

    #[test]
    fn what_others_could_have_changed_is_refused_with_the_reason() {
        assert_eq!(refusal(&RecordedHost::new().file_mode(OWN, PROGRAM, 0o755)), None);
        let open = refusal(&RecordedHost::new().file_mode(OWN, PROGRAM, 0o757)).unwrap();
        assert!(open.contains("everybody may write to it (mode 0757)") && open.contains("chmod go-w"), "{open}");
        let plain = refusal(&RecordedHost::new().file_mode(OWN, PROGRAM, 0o644)).unwrap();
        assert!(plain.contains("chmod +x"), "{plain}");
        let linked = RecordedHost::new().symlink(OWN, "/data/quota").file_mode("/data/quota", PROGRAM, 0o777);
        assert!(refusal(&linked).unwrap().contains("everybody may write"), "the file behind the link counts");
        let dangling = RecordedHost::new().symlink(OWN, "/data/quota");
        assert_eq!(candidates(&dangling).unwrap(), [], "a link to nowhere is no program");
    }

    #[test]
    fn root_starts_only_what_belongs_to_root() {
        let root = Identity { uid: Some(0), home: Some("/home/anna".into()), ..Identity::default() };
        let host = RecordedHost::new().identity(root.clone()).file_mode(OWN, PROGRAM, 0o755);
        assert!(refusal(&host).unwrap().contains("belongs to user 1000"));
        let host = host.owner(OWN, 0);
        assert!(refusal(&host).unwrap().contains("its directory"), "who owns the directory can put another file there");
        let host = host.owner(Path::new(OWN).parent().unwrap(), 0);
        assert_eq!(refusal(&host), None);
    }

    #[test]
    fn a_name_of_ours_is_refused() {
        let file = OWN.replace("quota", "x11");
        assert!(refusal(&RecordedHost::new().file_mode(file, PROGRAM, 0o755)).unwrap().contains("casa-doctor's own"));
    }
}
