//! The only place that prints: one document on standard output, notices on standard error.

use std::io::{self, IsTerminal, Write};

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
