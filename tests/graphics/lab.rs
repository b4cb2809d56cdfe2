//! X servers and drivers for tests: a real Xvfb, and vendor libraries that misbehave.
#![expect(clippy::disallowed_methods, reason = "a test makes its own surroundings")]
#![allow(dead_code, reason = "two test programs use this, each a part of it")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A real Xvfb without access control, ended with the test. Its Debian package is `xvfb`.
pub(crate) struct Xvfb {
    server: Child,
    /// What DISPLAY must be.
    pub(crate) display: String,
}

impl Xvfb {
    /// Starts one on a free display from :170 on. It does not reset when its last client leaves.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        for number in 170..190 {
            let display = format!(":{number}");
            let mut server = Command::new("Xvfb")
                .args([&display, "-displayfd", "1", "-noreset", "-screen", "0", "640x480x24", "-nolisten", "tcp"])
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("Xvfb must be installed");
            // It tells its number when it can be used, and nothing when the number is taken.
            let mut ready = String::new();
            let stdout = server.stdout.take().expect("a pipe");
            BufReader::new(stdout).read_line(&mut ready).expect("to be read");
            if ready.trim() == number.to_string() {
                return Self { server, display };
            }
            server.wait().expect("an end");
        }
        panic!("no free display from :170 to :189");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Stops it (`STOP`) or lets it go on (`CONT`): a stopped server accepts connections and answers nothing.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().expect("kill must be there");
        assert!(status.success());
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// A GLX vendor library that does something when it is loaded, written in C and compiled here.
pub(crate) struct Vendor {
    directory: tempfile::TempDir,
    name: &'static str,
}

impl Vendor {
    /// `body` is what its constructor does.
    pub(crate) fn new(name: &'static str, body: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let source = directory.path().join("vendor.c");
        let program = format!(
            "#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
             __attribute__((constructor)) static void begin(void) {{\n{body}\n}}\n"
        );
        std::fs::write(&source, program).expect("to be written");
        let library = directory.path().join(format!("libGLX_{name}.so.0"));
        let status = Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        assert!(status.expect("gcc must be installed").success());
        Self { directory, name }
    }

    /// The variables that make a program load it.
    pub(crate) fn variables(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("__GLX_VENDOR_LIBRARY_NAME".into(), self.name.into()),
            ("LD_LIBRARY_PATH".into(), self.directory.path().as_os_str().to_owned()),
        ]
    }

    /// A file in its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The text of a file; empty when there is none.
pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
