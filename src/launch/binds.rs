//! What of the host stands where in the container.

use std::path::{Component, Path, PathBuf};

use casa_doctor_checks::facts::place_of_mount;

use super::dialect;
use super::engine::Chosen;
use super::settings::Settings;
use crate::casa_distro::substitute;
use crate::host::{FileKind, Host};

/// Directories that casa_distro mounts when they exist; besides them every `/volatile*`.
pub(crate) const STANDARD: [&str; 8] = ["/home", "/mnt", "/media", "/srv", "/neurospin", "/drf", "/i2bm", "/nfs"];

/// Something of the host that is mounted in the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bind {
    /// Path on the host; `None` for the cookie, whose file is made when the container is started.
    pub(super) source: Option<PathBuf>,
    /// Path in the container.
    pub(super) container: PathBuf,
    /// Whether it is for reading only.
    pub(super) read_only: bool,
}

/// Mounts in order, one for each place in the container.
#[derive(Debug, Default)]
pub(super) struct Binds {
    list: Vec<Bind>,
    switched_off: Vec<PathBuf>,
    /// Places of the configuration at which nothing could be mounted.
    left_out: Vec<PathBuf>,
}

impl Binds {
    /// Mounts something; what is mounted there already is replaced in its place, as in the dictionary that casa_distro works on.
    pub(super) fn set(&mut self, source: Option<PathBuf>, container: &Path) {
        let new = Bind { source, container: normalized(container), read_only: false };
        match self.list.iter_mut().find(|bind| bind.container == new.container) {
            Some(bind) => *bind = new,
            None => self.list.push(new),
        }
    }

    /// Mounts something unless the place is taken or switched off.
    pub(super) fn set_default(&mut self, path: &Path) {
        let container = normalized(path);
        if !self.is_taken(&container) {
            self.list.push(Bind { source: Some(container.clone()), container, read_only: false });
        }
    }

    fn is_taken(&self, container: &Path) -> bool {
        self.list.iter().any(|bind| bind.container == container) || self.switched_off.iter().any(|path| path == container)
    }

    /// Whether a path of the host stands at the same place in the container.
    pub(super) fn shows_at_same_place(&self, path: &Path) -> bool {
        self.list.iter().any(|bind| bind.source.as_ref() == Some(&bind.container) && path.starts_with(&bind.container))
    }

    /// Whether something is mounted over a directory of the container.
    pub(super) fn hides(&self, container: &Path) -> bool {
        self.list.iter().any(|bind| bind.container == container && bind.source.as_deref() != Some(container))
    }

    /// Whether the very path is the source of a mount.
    pub(super) fn has_source(&self, path: &Path) -> bool {
        self.list.iter().any(|bind| bind.source.as_deref() == Some(path))
    }

    /// The mounts, in order.
    pub(super) fn into_list(self) -> Vec<Bind> {
        self.list
    }
}

/// The mounts of the configuration. Those that cannot be made are named in the warnings.
pub(super) fn configured(host: &dyn Host, settings: &Settings, engine: &Chosen, warnings: &mut Vec<String>) -> Binds {
    let mut binds = Binds::default();
    for (container, source) in &settings.mounts {
        let place = substitute(host, container, &settings.merged);
        let Some(written) = source else {
            binds.switched_off.push(normalized(Path::new(&place.text)));
            continue;
        };
        let source = substitute(host, written, &settings.merged);
        let unset: Vec<_> = source.unset.iter().chain(&place.unset).map(String::as_str).collect();
        if !unset.is_empty() {
            warnings.push(format!(
                "the mount of {} at {} is left out: {} is not set on this machine",
                written,
                container,
                unset.join(", ")
            ));
            binds.left_out.push(normalized(Path::new(&place.text)));
            continue;
        }
        let (place, read_only) = place_of_mount(&place.text);
        // As casa_distro and Apptainer see it, from the current directory; Docker wants to be told.
        let source = match source.text.as_str() {
            "" => PathBuf::new(),
            text => host.current_dir().unwrap_or_default().join(text),
        };
        let place = Path::new(place);
        let is_taken = binds.list.iter().any(|bind| bind.container == normalized(place));
        // Of two ways to write one place the engine takes the first.
        let taken = if is_taken { Err("something else is mounted there already") } else { Ok(()) };
        match taken.and_then(|()| usable(host, &source, place, engine)) {
            Ok(()) => binds.list.push(Bind { source: Some(source), container: normalized(place), read_only }),
            Err(reason) => {
                binds.left_out.push(normalized(place));
                warnings.push(format!("the mount of {} at {} is left out: {reason}", source.display(), place.display()));
            }
        }
    }
    binds
}

/// Adds the directories that casa_distro mounts everywhere. It skips those that are symbolic links, so that nothing of them is
/// found in the container; here both the link's name and what it leads to are mounted.
pub(super) fn add_standard(host: &dyn Host, engine: &Chosen, binds: &mut Binds) {
    let volatile = host.read_dir(Path::new("/")).unwrap_or_default();
    let volatile =
        volatile.into_iter().filter(|name| name.as_encoded_bytes().starts_with(b"volatile")).map(|name| Path::new("/").join(name));
    for path in STANDARD.into_iter().map(PathBuf::from).chain(volatile) {
        if host.metadata(&path).map(|metadata| metadata.kind).ok() != Some(FileKind::Directory) {
            continue;
        }
        // What was to stand there is missing: something else in its place would be taken for it.
        if binds.left_out.contains(&path) {
            continue;
        }
        binds.set_default(&path);
        let is_link = host.symlink_metadata(&path).is_ok_and(|metadata| metadata.kind == FileKind::Symlink);
        if is_link
            && let Ok(real) = host.canonicalize(&path)
            && real != Path::new("/")
            && !binds.shows_at_same_place(&real)
            && usable(host, &real, &real, engine).is_ok()
        {
            binds.set_default(&real);
        }
    }
}

/// Whether a mount can be made, or why not.
pub(super) fn usable(host: &dyn Host, source: &Path, container: &Path, engine: &Chosen) -> Result<(), &'static str> {
    if source.as_os_str().is_empty() {
        return Err("its path on this machine is empty");
    }
    if !container.is_absolute() {
        return Err("the path in the container is not absolute");
    }
    for path in [source, container] {
        let Some(text) = path.to_str() else { return Err("the engine can only mount paths whose names are UTF-8") };
        if text.contains(['\n', '\r', '\0']) {
            return Err("the engine cannot mount a path with a line break in its name");
        }
        dialect::of(engine.kind).can_mount(engine, text)?;
    }
    match host.metadata(source) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err("this user may not look at it"),
        Err(_) => Err("there is no such path on this machine"),
    }
}

/// A path without doubled or trailing slashes and `.`, as text: links are not looked at.
fn normalized(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::EngineKind;

    use super::*;
    use crate::host::RecordedHost;

    fn engine(version: Option<(u32, u32, u32)>) -> Chosen {
        Chosen { path: "/usr/bin/singularity".into(), kind: EngineKind::Singularity, version }
    }

    fn settings(mounts: &[(&str, Option<&str>)]) -> Settings {
        let mounts = mounts.iter().map(|(container, source)| ((*container).into(), source.map(str::to_owned))).collect();
        Settings { mounts, ..Settings::default() }
    }

    #[test]
    fn a_mount_that_cannot_be_made_is_named_and_left_out() {
        let host = RecordedHost::new().directory("/data").directory("/data/a:b").directory("/data/a\nb");
        let mounts = [
            ("/data", Some("/data")),
            ("/gone", Some("/gone")),
            ("/unset", Some("$NOPE/x")),
            ("/colon", Some("/data/a:b")),
            ("/line", Some("/data/a\nb")),
            ("relative", Some("/data")),
        ];
        let mut warnings = Vec::new();
        let old = engine(Some((3, 8, 7)));
        let list = configured(&host, &settings(&mounts), &old, &mut warnings).into_list();
        assert_eq!(list, [Bind { source: Some("/data".into()), container: "/data".into(), read_only: false }]);
        assert_eq!(warnings.len(), 5, "{warnings:#?}");
        assert!(warnings[1].contains("NOPE"), "{}", warnings[1]);
        let mut warnings = Vec::new();
        configured(&host, &settings(&mounts), &engine(Some((3, 9, 0))), &mut warnings);
        assert_eq!(warnings.len(), 4, "with --mount the colon is no trouble: {warnings:#?}");
    }

    #[test]
    fn a_relative_source_is_seen_from_the_current_directory() {
        let host = RecordedHost::new().directory("/projects/data").env("PWD", "/projects").env("EMPTY", "");
        let mounts = [("/data", Some("data")), ("/none", Some("$EMPTY"))];
        let list = configured(&host, &settings(&mounts), &engine(None), &mut Vec::new()).into_list();
        assert_eq!(list, [Bind { source: Some("/projects/data".into()), container: "/data".into(), read_only: false }]);
    }

    #[test]
    fn what_the_engine_reads_as_an_option_is_no_part_of_the_place() {
        let host = RecordedHost::new().directory("/data").directory("/srv");
        let mounts = [("/data:ro", Some("/data")), ("/srv:rw", Some("/srv")), ("/odd:name", Some("/data"))];
        let old = engine(Some((3, 8, 7)));
        let list = configured(&host, &settings(&mounts), &old, &mut Vec::new()).into_list();
        let bind = |path: &str, read_only| Bind { source: Some(path.into()), container: path.into(), read_only };
        assert_eq!(list, [bind("/data", true), bind("/srv", false)]);
    }

    #[test]
    fn a_mount_set_to_null_stays_off() {
        let host = RecordedHost::new().directory("/mnt").directory("/srv");
        let mut binds = configured(&host, &settings(&[("/mnt/", None)]), &engine(None), &mut Vec::new());
        add_standard(&host, &engine(None), &mut binds);
        let places: Vec<_> = binds.into_list().into_iter().map(|bind| bind.container).collect();
        assert_eq!(places, [Path::new("/home"), Path::new("/srv")]);
    }

    #[test]
    fn what_was_to_stand_in_the_place_of_a_standard_directory_is_not_replaced_by_it() {
        let host = RecordedHost::new().directory("/mnt").directory("/srv").directory("/media");
        let mounts = [("/mnt", Some("/gone")), ("/srv/", Some("$UNSET/x")), ("/media", Some("/srv")), ("/media/", Some("/mnt"))];
        let mut binds = configured(&host, &settings(&mounts), &engine(None), &mut Vec::new());
        add_standard(&host, &engine(None), &mut binds);
        let places: Vec<_> = binds.into_list().into_iter().map(|bind| (bind.source.unwrap(), bind.container)).collect();
        assert_eq!(places, [("/srv".into(), "/media".into()), ("/home".into(), "/home".into())]);
    }

    #[test]
    fn a_standard_directory_that_is_a_link_is_mounted_under_both_names() {
        let host =
            RecordedHost::new().directory("/export/nfs").symlink("/nfs", "/export/nfs").directory("/volatile2").file("/drf", "");
        let mut binds = Binds::default();
        add_standard(&host, &engine(None), &mut binds);
        let places: Vec<_> = binds.into_list().into_iter().map(|bind| bind.container).collect();
        assert_eq!(places, ["/home", "/nfs", "/export/nfs", "/volatile2"].map(PathBuf::from));
    }

    #[test]
    fn a_place_is_mounted_once() {
        let mut binds = Binds::default();
        binds.set(Some("/a".into()), Path::new("/x"));
        binds.set(Some("/y".into()), Path::new("/y"));
        binds.set(Some("/b".into()), Path::new("/x/"));
        assert!(binds.shows_at_same_place(Path::new("/y/z")) && !binds.shows_at_same_place(Path::new("/yz")));
        assert!(binds.has_source(Path::new("/b")) && !binds.has_source(Path::new("/a")));
        assert_eq!(binds.into_list()[0].source, Some("/b".into()));
    }
}
