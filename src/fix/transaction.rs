//! Writing the files of a fix together, and undoing a fix.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::FixError;
use super::journal::{self, Digest, Fix, FixedFile, Journal};
use super::plan::{FileChange, LARGEST};
use super::write::{self, Staged};
use crate::host::Host;

/// Whose configuration a fix is for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scope<'a> {
    /// The environment's configuration file; `None` without an environment.
    pub(crate) config_file: Option<&'a Path>,
    /// The user's configuration file; `None` when there is none.
    pub(crate) user_file: Option<&'a Path>,
}

impl Scope<'_> {
    fn environment(&self, host: &dyn Host) -> Option<PathBuf> {
        self.config_file.map(|file| real(host, file))
    }

    fn user_file(&self, host: &dyn Host) -> Option<PathBuf> {
        self.user_file.map(|file| real(host, file))
    }
}

/// A file, links followed, also when it is gone.
fn real(host: &dyn Host, file: &Path) -> PathBuf {
    let gone = || {
        // A link to a file that is gone leads to where it was.
        let target = host.read_link(file).map_or_else(|_| file.to_owned(), |target| write::parent(file).join(target));
        let directory = host.canonicalize(write::parent(&target)).ok()?;
        Some(directory.join(target.file_name()?))
    };
    host.canonicalize(file).ok().or_else(gone).unwrap_or_else(|| file.to_owned())
}

/// A file that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The file, as the edits name it.
    pub(crate) path: PathBuf,
    /// The copy of what it was.
    pub(crate) backup: PathBuf,
}

/// What an undo did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undone {
    /// When the fix was made that is now undone, in UTC, as in the names of copies (`20261123T101502Z`).
    pub(crate) time: String,
    /// The files of that fix.
    pub(crate) files: Vec<PutBack>,
    /// How many earlier fixes can still be undone.
    pub(crate) left: usize,
}

/// A file that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PutBack {
    /// The file, links followed.
    pub(crate) path: PathBuf,
    /// Where the content is kept that somebody wrote after the fix; `None` when nobody did.
    pub(crate) kept: Option<PathBuf>,
    /// Whether it was as before the fix already.
    pub(crate) already: bool,
}

/// One file on its way to a new content.
struct Step {
    /// The file, by the name under which the user knows it.
    path: PathBuf,
    /// The file itself, links followed.
    target: PathBuf,
    /// What it must still contain; `None` when it must not be there.
    before: Option<Vec<u8>>,
    /// Where its content of now is kept.
    copy: PathBuf,
    /// The new content.
    staged: Staged,
}

/// Writes the planned files: all of them, or none. `host` must be this machine.
pub(crate) fn write_all(host: &dyn Host, scope: Scope<'_>, changes: &[FileChange]) -> Result<Vec<Written>, FixError> {
    let _lock = lock(host, scope);
    let mut steps = Vec::new();
    for FileChange { path, target, old, new, .. } in changes {
        let before = Some(old.clone().into_bytes());
        check_unchanged(host, path, target, before.as_deref())?;
        // Whatever fails for want of space or rights fails here, before anything has changed.
        let staged = write::stage(host, target, new.as_bytes(), target)?;
        steps.push(Step { path: path.clone(), target: target.clone(), before, copy: PathBuf::new(), staged });
    }
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let time = write::stamp(host.now());
    let result = keep_copies(host, &mut steps, &time).and_then(|()| record(host, scope, changes, &steps, &time));
    let copies: Vec<_> = steps.iter().map(|step| step.copy.clone()).filter(|copy| copy != Path::new("")).collect();
    let result = result.and_then(|fix| {
        publish(host, steps).inspect_err(|error| {
            // A file that could not be put back still needs its record.
            if !matches!(error, FixError::NotPutBack { .. }) {
                drop(forget(host, &fix));
            }
        })
    });
    if let Err(error) = result {
        if !matches!(error, FixError::NotPutBack { .. }) {
            copies.iter().for_each(|copy| write::remove(copy));
        }
        return Err(error);
    }
    Ok(changes.iter().zip(copies).map(|(change, backup)| Written { path: change.path.clone(), backup }).collect())
}

fn keep_copies(host: &dyn Host, steps: &mut [Step], time: &str) -> Result<(), FixError> {
    for step in steps {
        step.copy = write::keep_copy(host, &step.target, step.before.as_deref().unwrap_or_default(), time)?;
    }
    Ok(())
}

/// Keeps others away from the directories in which fixes of this scope are recorded, in one order for all, so that nobody waits for
/// somebody who waits for him.
fn lock(host: &dyn Host, scope: Scope<'_>) -> Vec<File> {
    let files = [scope.user_file(host), scope.environment(host)];
    let directories = journal::directories(files.iter().flatten().map(PathBuf::as_path));
    directories.into_iter().filter_map(|(directory, _)| write::lock(directory)).collect()
}

/// Refuses a file that is no longer what its new content was made from.
fn check_unchanged(host: &dyn Host, path: &Path, target: &Path, before: Option<&[u8]>) -> Result<(), FixError> {
    let unchanged = match (before, host.read(path, LARGEST)) {
        (Some(before), Ok(now)) => now == before && host.canonicalize(path).is_ok_and(|now| now == target),
        (None, Err(error)) => error.kind() == ErrorKind::NotFound,
        _ => false,
    };
    if unchanged { Ok(()) } else { Err(FixError::ChangedMeanwhile { path: path.to_owned() }) }
}

/// Records a fix beside each of its files before any of them changes: what was not reached is then simply as it was.
fn record(host: &dyn Host, scope: Scope<'_>, changes: &[FileChange], steps: &[Step], time: &str) -> Result<Fix, FixError> {
    let file = |(change, step): (&FileChange, &Step)| FixedFile {
        path: step.target.clone(),
        copy: step.copy.clone(),
        copied: step.before.as_deref().map(Digest::of),
        written: Digest::of(change.new.as_bytes()),
    };
    let files = changes.iter().zip(steps).map(file).collect();
    let (environment, user_file) = (scope.environment(host), scope.user_file(host));
    // The records of files that do not change count too, so that the numbers of all fixes of this environment are in order.
    let known = [&environment, &user_file].into_iter().flatten().map(PathBuf::as_path);
    let known = journal::directories(known).into_iter().map(|(directory, _)| Journal::read(host, directory));
    let last = known.map(|journal| journal.map_or(0, |journal| journal.last_number())).max().unwrap_or(0);
    let mut journals = Vec::new();
    for (directory, like) in journal::directories(steps.iter().map(|step| step.target.as_path())) {
        journals.push((Journal::read_or_start(host, directory, time)?, directory, like));
    }
    let number = journals.iter().map(|(journal, ..)| journal.last_number()).fold(last, u64::max) + 1;
    let fix = Fix { number, time: time.to_owned(), environment, files };
    for (mut journal, directory, like) in journals {
        journal.add(fix.clone());
        journal.write(host, directory, like).inspect_err(|_| drop(forget(host, &fix)))?;
    }
    Ok(fix)
}

/// Takes a fix out of every record.
fn forget(host: &dyn Host, fix: &Fix) -> Result<(), FixError> {
    for (directory, like) in journal::directories(fix.files.iter().map(|file| file.path.as_path())) {
        let mut journal = Journal::read(host, directory)?;
        journal.forget(fix);
        journal.write(host, directory, like)?;
    }
    Ok(())
}

/// Gives the new contents their names, one after the other; when one cannot have it, those before get their content back.
fn publish(host: &dyn Host, steps: Vec<Step>) -> Result<(), FixError> {
    let mut done: Vec<(PathBuf, PathBuf, Option<Vec<u8>>, PathBuf)> = Vec::new();
    for Step { path, target, before, copy, staged } in steps {
        if let Err(error) = check_unchanged(host, &path, &target, before.as_deref()).and_then(|()| staged.publish()) {
            for (path, target, before, copy) in done {
                let back = match before {
                    Some(before) => write::stage(host, &target, &before, &target).and_then(Staged::publish),
                    None => {
                        write::remove(&target);
                        Ok(())
                    }
                };
                if back.is_err() {
                    return Err(FixError::NotPutBack { path, copy, error: Box::new(error) });
                }
            }
            return Err(error);
        }
        done.push((path, target, before, copy));
    }
    Ok(())
}

/// Puts back, byte for byte, what the last fix changed; `None` when nothing is left to undo. A content that somebody wrote after
/// the fix is kept as a copy. `host` must be this machine.
pub(crate) fn undo(host: &dyn Host, scope: Scope<'_>) -> Result<Option<Undone>, FixError> {
    let _lock = lock(host, scope);
    let Some((fix, left)) = last(host, scope)? else { return Ok(None) };
    let files = put_back(host, &fix)?;
    forget(host, &fix)?;
    fix.files.iter().for_each(|file| write::remove(&file.copy));
    Ok(Some(Undone { time: fix.time, files, left }))
}

/// What [`undo`] would do, as a unified diff for each file, empty where it is as before the fix already; `None` when there is
/// nothing to undo. Touches nothing.
pub(crate) fn preview_undo(host: &dyn Host, scope: Scope<'_>) -> Result<Option<Vec<(PathBuf, String)>>, FixError> {
    let Some((fix, _)) = last(host, scope)? else { return Ok(None) };
    let diff = |file: FixedFile| {
        let old = read_copy(host, &file)?;
        let now = read_if_there(host, &file.path)?.unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let diff = if now == old { String::new() } else { super::unified(&file.path, &text(&now), &text(&old)) };
        Ok((file.path, diff))
    };
    fix.files.into_iter().map(diff).collect::<Result<_, _>>().map(Some)
}

/// Whether a fix changed this file, which may be gone, and can still be undone.
pub(crate) fn was_fixed(host: &dyn Host, file: &Path) -> bool {
    let file = real(host, file);
    let journal = Journal::read(host, write::parent(&file));
    journal.is_ok_and(|journal| journal.of(Some(&file)).any(|fix| fix.files.iter().any(|fixed| fixed.path == file)))
}

/// The last fix, and how many there were before.
fn last(host: &dyn Host, scope: Scope<'_>) -> Result<Option<(Fix, usize)>, FixError> {
    let (environment, user_file) = (scope.environment(host), scope.user_file(host));
    let mut fixes: Vec<Fix> = Vec::new();
    for (directory, _) in journal::directories([environment.as_deref(), user_file.as_deref()].into_iter().flatten()) {
        let journal = Journal::read(host, directory)?;
        for fix in journal.of(environment.as_deref()) {
            if !fixes.iter().any(|known| known.number == fix.number && known.time == fix.time) {
                fixes.push(fix.clone());
            }
        }
    }
    fixes.sort_by_key(|fix| fix.number);
    Ok(fixes.pop().map(|fix| (fix, fixes.len())))
}

fn put_back(host: &dyn Host, fix: &Fix) -> Result<Vec<PutBack>, FixError> {
    let mut files = Vec::new();
    let mut steps = Vec::new();
    for file in &fix.files {
        let old = read_copy(host, file)?;
        let before = read_if_there(host, &file.path)?;
        // A fix or an undo that was interrupted may have left the old content in its place.
        let already = before.as_ref() == Some(&old);
        files.push(PutBack { path: file.path.clone(), kept: None, already });
        if !already {
            let target = host.canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
            let staged = write::stage(host, &target, &old, if before.is_some() { &target } else { &file.copy })?;
            steps.push((file, Step { path: file.path.clone(), target, before, copy: PathBuf::new(), staged }));
        }
    }
    let time = write::stamp(host.now());
    let result = keep_later(host, &mut steps, &mut files, &time)
        .and_then(|()| publish(host, steps.into_iter().map(|(_, step)| step).collect()));
    if let Err(error) = result {
        if !matches!(error, FixError::NotPutBack { .. }) {
            files.iter().filter_map(|file| file.kept.as_deref()).for_each(write::remove);
        }
        return Err(error);
    }
    Ok(files)
}

/// Keeps what somebody wrote after the fix.
fn keep_later(host: &dyn Host, steps: &mut [(&FixedFile, Step)], files: &mut [PutBack], time: &str) -> Result<(), FixError> {
    for (file, step) in steps {
        let later = step.before.as_ref().filter(|before| Digest::of(before) != file.written);
        if let Some(later) = later {
            step.copy = write::keep_copy(host, &step.target, later, time)?;
            for back in files.iter_mut().filter(|back| back.path == file.path) {
                back.kept = Some(step.copy.clone());
            }
        }
    }
    Ok(())
}

/// What a file was before a fix.
fn read_copy(host: &dyn Host, file: &FixedFile) -> Result<Vec<u8>, FixError> {
    let (path, copy) = (file.path.clone(), file.copy.clone());
    match read_if_there(host, &file.copy)? {
        None => Err(FixError::CopyGone { path, copy }),
        Some(old) if file.copied.as_ref().is_some_and(|copied| *copied != Digest::of(&old)) => {
            Err(FixError::CopyChanged { path, copy })
        }
        Some(old) => Ok(old),
    }
}

fn read_if_there(host: &dyn Host, path: &Path) -> Result<Option<Vec<u8>>, FixError> {
    match host.read(path, LARGEST) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FixError::unreadable(path, &error)),
    }
}

#[cfg(all(test, unix))]
#[path = "transaction_tests.rs"]
mod tests;
