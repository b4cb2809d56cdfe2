//! The only place that prints: one document on standard output or in a file, notices and questions on standard error.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Writes a document to standard output. A reader that went away (`| head`) is no error.
pub(crate) fn document(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// Writes bytes to standard output, as [`document`] does.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes one line to standard error. Nothing can be done about a failure there.
pub(crate) fn notice(line: &str) {
    drop(writeln!(io::stderr().lock(), "casa-doctor: {line}"));
}

/// Shows how far something long has come, in one line that the next one overwrites. Nothing is shown where nobody looks.
pub(crate) fn progress(line: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        drop(write!(stderr, "\rcasa-doctor: {line}\x1b[K").and_then(|()| stderr.flush()));
    }
}

/// Says what is waited for: with a sign that turns on a terminal, else once.
pub(crate) fn waiting(line: &str, turn: usize) {
    if io::stderr().is_terminal() {
        progress(&format!("{} {line}", ['|', '/', '-', '\\'][turn % 4]));
    } else if turn == 0 {
        notice(line);
    }
}

/// Ends the line of [`progress`].
pub(crate) fn progress_done() {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        drop(write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush()));
    }
}

/// Whether a person reads standard output.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How many columns the terminal behind standard output has; `None` when there is none, or it does not tell.
pub(crate) fn stdout_columns() -> Option<usize> {
    #[cfg(unix)]
    {
        rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }
    #[cfg(not(unix))]
    {
        None
    }
}

/// Writes a report to a file, as [`file_of_bytes`] does.
pub(crate) fn file(path: &Path, text: &str) -> io::Result<()> {
    file_of_bytes(path, text.as_bytes())
}

/// Writes bytes to a file: the whole of them or nothing. A device or a pipe is written to as it is.
pub(crate) fn file_of_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| not_written(path, &error);
    #[expect(clippy::disallowed_methods, reason = "the user's own output file is no part of the machine that is examined")]
    let there = std::fs::metadata(path).ok();
    if there.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).map_err(named)?;
        return file.write_all(bytes).map_err(named);
    }
    // A link stays one: what it leads to is replaced.
    #[expect(clippy::disallowed_methods, reason = "the user's own output file is no part of the machine that is examined")]
    let target = there.as_ref().and_then(|_| std::fs::canonicalize(path).ok()).unwrap_or_else(|| path.to_owned());
    // Readable as any new file is, not private as temporary ones are.
    #[cfg_attr(not(unix), expect(unused_mut, reason = "Windows has no such permissions"))]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(directory_of(&target)).map_err(named)?;
    if let Some(there) = there {
        // Replacing it needs no permission of the file itself, which may have been taken away for a reason.
        drop(std::fs::OpenOptions::new().write(true).open(&target).map_err(named)?);
        // A file that its owner made private stays so.
        file.as_file().set_permissions(there.permissions()).map_err(named)?;
    }
    file.write_all(bytes).map_err(named)?;
    file.persist(&target).map_err(|error| named(error.error))?;
    Ok(())
}

/// The directory of a file.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The error for a file that could not be written, by its own name and not by that of the temporary file beside it.
fn not_written(path: &Path, error: &io::Error) -> io::Error {
    let text = error.to_string();
    let reason = text.split_once(" at path \"").map_or(text.as_str(), |(reason, _)| reason);
    io::Error::new(error.kind(), format!("cannot write {}: {reason}", path.display()))
}

/// Writes a file that only its owner can read: the whole of it or nothing.
pub(crate) fn private_file(path: &Path, text: &str) -> io::Result<()> {
    let named = |error: io::Error| not_written(path, &error);
    #[expect(clippy::disallowed_methods, reason = "the user's own output file is no part of the machine that is examined")]
    let there = std::fs::metadata(path);
    // A device would be replaced, too.
    if there.is_ok_and(|metadata| !metadata.is_file()) {
        return Err(named(io::Error::other("it is no regular file")));
    }
    // Temporary files are private from their beginning.
    let mut file = tempfile::Builder::new().tempfile_in(directory_of(path)).map_err(named)?;
    file.write_all(text.as_bytes()).map_err(named)?;
    file.persist(path).map_err(|error| named(error.error))?;
    Ok(())
}

/// Asks a question that is answered with yes or no. `None` when there is nobody to ask: standard input or standard error is
/// no terminal.
pub(crate) fn ask(question: &str) -> io::Result<Option<bool>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    write!(io::stderr().lock(), "{question} Do it? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}
