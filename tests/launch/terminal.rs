//! A terminal with a shell in it, as a person has one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::lab::{Patient, lab};

/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(20);

/// An interactive bash on a terminal of its own, as the lab's ordinary user. `$D` is casa-doctor.
pub(crate) struct Terminal {
    master: Option<File>,
    shell: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    /// How much of what was seen has been waited for.
    read: usize,
}

impl Terminal {
    pub(crate) fn open(patient: &Patient) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        lab().give(name.as_ref());
        let slave = || Stdio::from(OwnedFd::from(OpenOptions::new().read(true).write(true).open(&name).unwrap()));
        let mut command = lab().command("setsid", patient.home());
        command.args(["--ctty", "--wait", "bash", "--norc", "-i"]).stdin(slave()).stdout(slave()).stderr(slave());
        command.envs(patient.variables.iter().map(|(name, value)| (name, value)));
        command.env("D", lab().program()).env("PS1", "$ ").env("TERM", "dumb");
        let shell = command.spawn().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, kept) = (File::from(rustix::io::dup(&master).unwrap()), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { master: Some(File::from(master)), shell, seen, read: 0 }
    }

    /// What has appeared.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Types something.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text appears behind what was waited for before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let seen = self.seen.lock().unwrap().clone();
            let rest = &seen[self.read..];
            if let Some(at) = rest.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.read += at + text.len();
                return;
            }
            assert!(Instant::now() < deadline, "{text:?} did not appear:\n{}", String::from_utf8_lossy(&seen));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How often a text appears within some time from now.
    pub(crate) fn count_within(&self, text: &str, time: Duration) -> usize {
        let from = self.seen.lock().unwrap().len();
        std::thread::sleep(time);
        let seen = self.seen.lock().unwrap();
        seen[from..].windows(text.len()).filter(|window| *window == text.as_bytes()).count()
    }

    /// Changes its size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(self.master.as_ref().unwrap(), size).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.master.take());
        // bash ends when its terminal is gone; its jobs were sent HUP.
        let _ = std::process::Command::new("kill").args(["-HUP", &self.shell.id().to_string()]).status();
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
