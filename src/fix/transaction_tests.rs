//! On real files of this machine.

#![expect(clippy::disallowed_methods, reason = "tests make and look at real files")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use casa_doctor_checks::finding::{Change, Edit};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::plan::plan_files;
use super::*;
use crate::host::LiveHost;
use crate::host::forward;

const OLD: &str = "{\n  \"name\": \"e\" ,\n  \"env\": {}\n}";

/// An environment and a user's file in a temporary directory.
struct Files {
    directory: TempDir,
    config: PathBuf,
    user: PathBuf,
}

impl Files {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("e/conf")).unwrap();
        fs::create_dir_all(root.join("user")).unwrap();
        let (config, user) = (root.join("e/conf/casa_distro.json"), root.join("user/casa_distro_3.json"));
        fs::write(&config, OLD).unwrap();
        fs::write(&user, "{}\n").unwrap();
        Self { directory, config, user }
    }

    fn scope(&self) -> Scope<'_> {
        Scope { config_file: Some(&self.config), user_file: Some(&self.user) }
    }

    fn fix(&self, edits: &[Edit]) -> Result<Vec<Written>, FixError> {
        write_all(&LiveHost, self.scope(), &plan_files(&LiveHost, edits)?)
    }

    fn undo(&self) -> Option<Undone> {
        undo(&LiveHost, self.scope()).unwrap()
    }

    /// The names in the directory of the configuration.
    fn names(&self) -> Vec<String> {
        names(self.config.parent().unwrap())
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn set(file: &Path, key: &str, to: Value) -> Edit {
    Edit { file: file.into(), key: key.into(), change: Change::Set { to }, because: "test".into() }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_fix_keeps_a_copy_and_an_undo_puts_it_back_byte_for_byte() {
    let files = Files::new();
    let written = files.fix(&[set(&files.config, "/env/A", json!("1"))]).unwrap();
    assert_eq!(text(&files.config), OLD.replace("{}", "{\n    \"A\": \"1\"\n  }"));
    assert_eq!(written.len(), 1);
    let name = written[0].backup.file_name().unwrap().to_str().unwrap();
    let time = name.strip_prefix("casa_distro.json.casa-doctor-").unwrap();
    assert!(time.len() == 16 && time.ends_with('Z'), "{name}");
    assert_eq!(text(&written[0].backup), OLD);
    let undone = files.undo().unwrap();
    assert_eq!((undone.time.as_str(), undone.left), (time, 0));
    assert_eq!(undone.files, [PutBack { path: files.config.clone(), kept: None, already: false }]);
    assert_eq!(text(&files.config), OLD);
    assert_eq!(files.names(), ["casa_distro.json"], "nothing of ours is left");
    assert_eq!(files.undo(), None);
}

#[test]
fn planning_touches_nothing() {
    let files = Files::new();
    let changes = plan_files(&LiveHost, &[set(&files.config, "/a", json!(1))]).unwrap();
    assert_eq!((changes.len(), text(&files.config).as_str()), (1, OLD));
    assert_eq!(files.names(), ["casa_distro.json"]);
    assert_eq!(plan_files(&LiveHost, &[set(&files.config, "/name", json!("e"))]), Ok(vec![]));
    assert_eq!(write_all(&LiveHost, files.scope(), &[]), Ok(vec![]));
    assert_eq!(files.names(), ["casa_distro.json"]);
}

#[test]
fn a_link_stays_a_link_and_modes_stay() {
    let files = Files::new();
    let shared = files.directory.path().canonicalize().unwrap().join("shared.json");
    fs::rename(&files.config, &shared).unwrap();
    symlink("../../shared.json", &files.config).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o664)).unwrap();
    let written = files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    assert_eq!(fs::read_link(&files.config).unwrap(), Path::new("../../shared.json"));
    assert!(text(&shared).contains("\"a\": 1"));
    assert_eq!(written[0].path, files.config);
    assert_eq!(written[0].backup.parent(), shared.parent(), "the copy stands beside the file itself");
    assert_eq!((mode(&shared), mode(&written[0].backup)), (0o664, 0o664));
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(files.undo().is_some());
    assert_eq!(text(&shared), OLD);
    assert!(fs::symlink_metadata(&files.config).unwrap().is_symlink());
    assert_eq!(mode(&shared), 0o640, "a mode that was changed after the fix stays too");
}

#[test]
fn extended_attributes_stay_where_the_filesystem_has_them() {
    #[cfg(target_os = "linux")]
    {
        let files = Files::new();
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(&files.config, "user.casa", b"x", flags).is_err() {
            return; // This filesystem has none.
        }
        files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
        let mut value = [0; 8];
        assert_eq!(rustix::fs::getxattr(&files.config, "user.casa", &mut value), Ok(1));
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_left_alone() {
    let files = Files::new();
    let changes = plan_files(&LiveHost, &[set(&files.user, "/a", json!(1)), set(&files.config, "/a", json!(1))]).unwrap();
    fs::write(&files.config, "{\"mine\": 1}").unwrap();
    let error = write_all(&LiveHost, files.scope(), &changes).unwrap_err();
    assert_eq!(error, FixError::ChangedMeanwhile { path: files.config.clone() });
    assert_eq!((text(&files.config).as_str(), text(&files.user).as_str()), ("{\"mine\": 1}", "{}\n"));
    assert_eq!(files.names(), ["casa_distro.json"]);
    assert_eq!(names(files.user.parent().unwrap()), ["casa_distro_3.json"]);
}

#[test]
fn a_link_that_leads_elsewhere_meanwhile_is_left_alone() {
    let files = Files::new();
    let changes = plan_files(&LiveHost, &[set(&files.config, "/a", json!(1))]).unwrap();
    let elsewhere = files.directory.path().join("elsewhere.json");
    fs::rename(&files.config, &elsewhere).unwrap();
    symlink(&elsewhere, &files.config).unwrap();
    assert!(matches!(write_all(&LiveHost, files.scope(), &changes), Err(FixError::ChangedMeanwhile { .. })));
    assert_eq!(text(&elsewhere), OLD);
}

/// A host on which a file changes at the moment at which its last check is made.
struct Meddler {
    file: PathBuf,
    reads_left: std::sync::Mutex<u32>,
}

impl Host for Meddler {
    fn read(&self, path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
        if path == self.file {
            let mut left = self.reads_left.lock().unwrap();
            *left = left.saturating_sub(1);
            if *left == 0 {
                fs::write(path, "{\"meddled\": 1}")?;
            }
        }
        LiveHost.read(path, limit)
    }

    forward!(|_host| &LiveHost => env, env_names, identity, current_dir, open, metadata, symlink_metadata, read_link, canonicalize, read_dir, access, free_space, run, which, lookup, connect, now, own_program);
}

#[test]
fn when_the_second_file_cannot_be_replaced_the_first_is_put_back() {
    let files = Files::new();
    let changes = plan_files(&LiveHost, &[set(&files.user, "/a", json!(1)), set(&files.config, "/a", json!(1))]).unwrap();
    let meddler = Meddler { file: files.config.clone(), reads_left: std::sync::Mutex::new(2) };
    let error = write_all(&meddler, files.scope(), &changes).unwrap_err();
    assert_eq!(error, FixError::ChangedMeanwhile { path: files.config.clone() });
    assert_eq!((text(&files.config).as_str(), text(&files.user).as_str()), ("{\"meddled\": 1}", "{}\n"));
    assert_eq!(files.names(), ["casa_distro.json"]);
    assert_eq!(names(files.user.parent().unwrap()), ["casa_distro_3.json"]);
    assert_eq!(files.undo(), None);
}

#[test]
fn only_publishing_changes_the_file_and_it_does_so_in_one_rename() {
    let files = Files::new();
    let reader = File::open(&files.config).unwrap();
    let staged = write::stage(&LiveHost, &files.config, b"{\"new\": 1}", &files.config).unwrap();
    assert_eq!(text(&files.config), OLD, "killed here, the old file is whole");
    assert_eq!(files.names().len(), 2);
    staged.publish().unwrap();
    assert_eq!(text(&files.config), "{\"new\": 1}");
    assert_eq!(files.names(), ["casa_distro.json"]);
    assert_eq!(std::io::read_to_string(reader).unwrap(), OLD, "whoever had it open still reads the old one");
}

#[test]
fn an_undo_after_a_fix_that_was_killed_before_its_second_file_puts_the_first_back() {
    let files = Files::new();
    files.fix(&[set(&files.config, "/a", json!(1)), set(&files.user, "/a", json!(1))]).unwrap();
    fs::write(&files.user, "{}\n").unwrap(); // As it is when the second rename never came.
    let undone = files.undo().unwrap();
    assert_eq!(undone.files.iter().map(|file| file.already).collect::<Vec<_>>(), [false, true]);
    assert_eq!((text(&files.config).as_str(), text(&files.user).as_str()), (OLD, "{}\n"));
}

#[test]
fn two_fixes_are_undone_one_after_the_other() {
    let files = Files::new();
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    let between = text(&files.config);
    files.fix(&[set(&files.config, "/b", json!(2)), set(&files.user, "/b", json!(2))]).unwrap();
    assert_eq!(files.names().len(), 4, "two copies, also when made within one second: {:?}", files.names());
    let first = files.undo().unwrap();
    assert_eq!((first.files.len(), first.left), (2, 1));
    assert_eq!((text(&files.config), text(&files.user).as_str()), (between, "{}\n"));
    assert_eq!(files.undo().unwrap().left, 0);
    assert_eq!(text(&files.config), OLD);
    assert_eq!(files.undo(), None);
    assert_eq!(files.names(), ["casa_distro.json"]);
}

#[test]
fn fixes_at_the_same_time_lose_nothing_and_each_can_be_undone() {
    const AT_ONCE: usize = 6;
    let files = Files::new();
    std::thread::scope(|scope| {
        for key in 0..AT_ONCE {
            let files = &files;
            scope.spawn(move || {
                let edits =
                    [set(&files.config, &format!("/k{key}"), json!(key)), set(&files.user, &format!("/k{key}"), json!(key))];
                while let Err(error) = files.fix(&edits) {
                    assert!(matches!(error, FixError::ChangedMeanwhile { .. }), "{error}");
                }
            });
        }
    });
    let both = [&files.config, &files.user].map(|file| serde_json::from_str::<Value>(&text(file)).unwrap());
    for key in 0..AT_ONCE {
        assert!(both.iter().all(|value| value[format!("k{key}")] == key), "{both:?}");
    }
    for left in (0..AT_ONCE).rev() {
        assert_eq!(files.undo().map(|undone| undone.left), Some(left));
    }
    assert_eq!((text(&files.config).as_str(), text(&files.user).as_str()), (OLD, "{}\n"));
    assert_eq!(files.names(), ["casa_distro.json"]);
}

#[test]
fn what_the_user_wrote_after_the_fix_is_kept() {
    let files = Files::new();
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    fs::write(&files.config, "{\"mine\": 1").unwrap();
    let undone = files.undo().unwrap();
    assert_eq!(text(&files.config), OLD);
    assert_eq!(text(undone.files[0].kept.as_ref().unwrap()), "{\"mine\": 1");
}

#[test]
fn a_file_that_the_user_deleted_after_the_fix_comes_back() {
    let files = Files::new();
    fs::set_permissions(&files.config, fs::Permissions::from_mode(0o604)).unwrap();
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    fs::remove_file(&files.config).unwrap();
    assert!(files.undo().is_some());
    assert_eq!((text(&files.config).as_str(), mode(&files.config)), (OLD, 0o604));
}

#[test]
fn an_undo_whose_copy_is_gone_changes_nothing() {
    let files = Files::new();
    let written = files.fix(&[set(&files.config, "/a", json!(1)), set(&files.user, "/a", json!(1))]).unwrap();
    fs::remove_file(&written[1].backup).unwrap();
    let fixed = text(&files.config);
    let error = undo(&LiveHost, files.scope()).unwrap_err();
    assert!(matches!(&error, FixError::CopyGone { copy, .. } if *copy == written[1].backup), "{error}");
    assert_eq!(text(&files.config), fixed);
}

#[test]
fn an_undo_whose_copy_was_changed_changes_nothing() {
    let files = Files::new();
    let written = files.fix(&[set(&files.config, "/a", json!(1)), set(&files.user, "/a", json!(1))]).unwrap();
    let fixed = text(&files.config);
    fs::write(&written[1].backup, "{\"mine\": 1}").unwrap();
    let changed = FixError::CopyChanged { path: files.user.clone(), copy: written[1].backup.clone() };
    assert_eq!(undo(&LiveHost, files.scope()).unwrap_err(), changed);
    assert_eq!(preview_undo(&LiveHost, files.scope()).unwrap_err(), changed);
    assert_eq!((text(&files.config), text(&written[1].backup).as_str()), (fixed, "{\"mine\": 1}"));
}

#[test]
fn a_record_of_an_earlier_version_tells_nothing_of_the_copy_and_is_believed() {
    let files = Files::new();
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    let journal = files.config.with_file_name("casa-doctor-undo.json");
    let mut record: Value = serde_json::from_str(&text(&journal)).unwrap();
    assert!(record["fixes"][0]["files"][0].as_object_mut().unwrap().remove("copied").is_some());
    fs::write(&journal, record.to_string()).unwrap();
    assert!(files.undo().is_some());
    assert_eq!(text(&files.config), OLD);
}

#[test]
fn a_file_that_is_gone_is_known_by_the_record_beside_it() {
    let files = Files::new();
    assert!(!was_fixed(&LiveHost, &files.config));
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    fs::remove_file(&files.config).unwrap();
    let root = files.directory.path().canonicalize().unwrap();
    symlink(root.join("e"), root.join("link")).unwrap();
    let through_link = root.join("link/conf/casa_distro.json");
    assert!(was_fixed(&LiveHost, &files.config) && was_fixed(&LiveHost, &through_link));
    assert!(!was_fixed(&LiveHost, &files.config.with_file_name("other.json")));
    assert!(undo(&LiveHost, Scope { config_file: Some(&through_link), user_file: None }).unwrap().is_some());
    assert_eq!(text(&files.config), OLD);
}

#[test]
fn the_target_of_a_link_that_is_gone_is_put_back_through_the_link() {
    let files = Files::new();
    let shared = files.directory.path().canonicalize().unwrap().join("shared.json");
    fs::rename(&files.config, &shared).unwrap();
    symlink("../../shared.json", &files.config).unwrap();
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    fs::remove_file(&shared).unwrap();
    assert!(files.undo().is_some());
    assert_eq!(text(&shared), OLD);
}

#[test]
fn an_environment_undoes_its_own_fixes_only() {
    let (first, second) = (Files::new(), Files::new());
    let other = Scope { config_file: Some(&second.config), user_file: Some(&first.user) };
    first.fix(&[set(&first.config, "/a", json!(1)), set(&first.user, "/a", json!(1))]).unwrap();
    let changes = plan_files(&LiveHost, &[set(&first.user, "/b", json!(2))]).unwrap();
    write_all(&LiveHost, other, &changes).unwrap();
    // The user's file has changed since, by the other environment's fix: that content is kept.
    let undone = first.undo().unwrap();
    assert_eq!(undone.files.len(), 2);
    assert!(undone.files[1].kept.is_some());
    assert_eq!((text(&first.config).as_str(), text(&first.user).as_str()), (OLD, "{}\n"));
    assert_eq!(first.undo(), None);
    assert_eq!(undo(&LiveHost, other).unwrap().unwrap().files[0].path, first.user);
}

#[test]
fn an_environment_that_was_moved_can_still_be_undone() {
    let files = Files::new();
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    let root = files.directory.path().canonicalize().unwrap();
    fs::rename(root.join("e"), root.join("moved")).unwrap();
    let config = root.join("moved/conf/casa_distro.json");
    let undone = undo(&LiveHost, Scope { config_file: Some(&config), user_file: None }).unwrap().unwrap();
    assert_eq!(undone.files[0].path, config);
    assert_eq!(text(&config), OLD);
}

#[test]
fn a_record_that_is_garbage_stops_no_fix_and_is_told_by_undo() {
    let files = Files::new();
    let journal = files.config.with_file_name("casa-doctor-undo.json");
    fs::write(&journal, "garbage").unwrap();
    let error = undo(&LiveHost, files.scope()).unwrap_err().to_string();
    assert!(error.contains("casa-doctor-undo.json does not tell what was changed"), "{error}");
    files.fix(&[set(&files.config, "/a", json!(1))]).unwrap();
    assert!(files.undo().is_some());
    let aside: Vec<_> = files.names().into_iter().filter(|name| name.starts_with("casa-doctor-undo.json.casa-doctor-")).collect();
    assert_eq!(aside.len(), 1);
}

/// Runs something without root's power over other people's files.
#[cfg(target_os = "linux")]
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{Uid, set_thread_res_uid};
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                let nobody = Uid::from_raw(65534);
                set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            work()
        });
        worker.join().unwrap()
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_may_not_be_written_is_named_and_nothing_is_lost() {
    let files = Files::new();
    let conf = files.config.parent().unwrap();
    fs::set_permissions(files.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&files.config, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(conf, fs::Permissions::from_mode(0o555)).unwrap();
    let error = as_nobody(|| files.fix(&[set(&files.config, "/a", json!(1))])).unwrap_err();
    fs::set_permissions(conf, fs::Permissions::from_mode(0o755)).unwrap();
    let told = error.to_string();
    assert!(told.starts_with(&format!("{} could not be written to: permission denied", conf.display())), "{told}");
    assert!(told.contains("ask its owner"), "{told}");
    assert!(!told.contains("casa-doctor-"), "the temporary file means nothing to the user: {told}");
    assert_eq!(text(&files.config), OLD);
    assert_eq!(files.names(), ["casa_distro.json"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_write_protected_file_is_not_replaced() {
    let files = Files::new();
    fs::set_permissions(files.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(files.config.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&files.config, fs::Permissions::from_mode(0o444)).unwrap();
    let error = as_nobody(|| files.fix(&[set(&files.config, "/a", json!(1))])).unwrap_err();
    assert!(matches!(&error, FixError::Unwritable { path, .. } if *path == files.config), "{error}");
    assert_eq!((text(&files.config).as_str(), mode(&files.config)), (OLD, 0o444));
    assert_eq!(files.names(), ["casa_distro.json"]);
}
