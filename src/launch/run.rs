//! Carrying out a plan.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;

use super::LaunchError;
use super::plan::{Places, Plan};
use super::private::{self, Private};
use super::process::{Watch, shell_status};
use crate::host::Host;

/// How a launch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The command's exit status, as a shell gives it.
    pub(crate) status: i32,
}

/// The files of a launch. Dropping it removes them.
#[derive(Debug)]
struct Prepared {
    private: Private,
    /// What is to be run, program first.
    argv: Vec<OsString>,
}

/// Makes the container's home where it is missing, and the private files.
fn prepare(host: &dyn Host, plan: &Plan) -> Result<Prepared, LaunchError> {
    let home = &plan.home;
    home.prepare(host).map_err(|source| LaunchError::Prepare {
        what: format!("{}, the container's home directory", home.directory.display()),
        source,
    })?;
    let cookie = plan.authority.as_ref().map(super::display::Authority::bytes);
    let private = Private::create(host, cookie.as_deref(), &start_script(plan))
        .map_err(|source| LaunchError::Prepare { what: "the private files of the launch".into(), source })?;
    let (authority, shown) = (private.authority(), private.shown());
    let start = format!("{}/{}", private::IN_CONTAINER, private::START);
    let argv = plan.argv_with(Some(Places { authority: &authority, shown: (&shown, private::IN_CONTAINER), start: &start }));
    Ok(Prepared { private, argv })
}

/// The script that starts the command in the container.
///
/// A shell's `exec` ends with 127 for a command that is not found and 126 for one that cannot be run, which not every engine and entry
/// point does. What it writes down first tells a failed start from a failed command; and since `exec` keeps the number of the process,
/// the command can be sent the signals that the shells of entry points swallow.
///
/// The engine hands arguments and variables over as JSON, which spoils bytes that are not UTF-8 (Apptainer 1.4.5): those go here.
fn start_script(plan: &Plan) -> Vec<u8> {
    let mut script = format!("echo \"$$\" 2>/dev/null >{}/{}\n", private::IN_CONTAINER, private::STARTED).into_bytes();
    for (name, value) in plan.env.iter().filter(|(_, value)| value.to_str().is_none()) {
        script.extend_from_slice(format!("export {name}=").as_bytes());
        push_quoted(&mut script, value);
        script.push(b'\n');
    }
    if plan.command.iter().all(|word| word.to_str().is_some()) {
        script.extend_from_slice(b"exec \"$@\"\n");
    } else {
        script.extend_from_slice(b"exec");
        for word in &plan.command {
            script.push(b' ');
            push_quoted(&mut script, word);
        }
        script.push(b'\n');
    }
    script
}

/// Adds a word in single quotes, which keep every byte but the single quote itself.
fn push_quoted(script: &mut Vec<u8>, word: &OsStr) {
    script.push(b'\'');
    for &byte in word.as_encoded_bytes() {
        if byte == b'\'' {
            script.extend_from_slice(br"'\''");
        } else {
            script.push(byte);
        }
    }
    script.push(b'\'');
}

impl Prepared {
    /// Whether the command was started in the container.
    fn command_started(&self, host: &dyn Host) -> bool {
        self.private.started(host).is_some()
    }
}

/// Starts the container on our own terminal or pipes, waits for its end, and removes the private files, whatever happens.
pub(crate) fn launch(host: &dyn Host, plan: &Plan) -> Result<Ended, LaunchError> {
    let failed = |source| LaunchError::Run { engine: plan.engine.clone(), source };
    // Before the private files exist, so that no signal leaves them behind.
    let mut watch = Watch::start(host).map_err(failed)?;
    let prepared = prepare(host, plan)?;
    if let Some(signal) = watch.already_ended() {
        return Ok(Ended { status: 128 + signal });
    }
    let end = watch.run(host, &prepared.argv, &plan.process_env, &prepared.private).map_err(failed)?;
    let status = shell_status(end.status);
    if prepared.command_started(host) {
        return Ok(Ended { status });
    }
    // Nothing was started. A signal that we got, and passed on to whatever was on its way, is the reason whatever the engine makes of
    // it: it ends with 1, 255 or something else, depending on how far it was. One that came to the engine alone ends it itself.
    match end.signal {
        Some(signal) => Ok(Ended { status: 128 + signal }),
        None if end.status.signal().is_some() || (129..=160).contains(&status) => Ok(Ended { status }),
        None => Err(LaunchError::NotStarted { engine: plan.engine.clone(), status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(word: &OsStr) -> String {
        let mut script = Vec::new();
        push_quoted(&mut script, word);
        String::from_utf8(script).unwrap()
    }

    #[test]
    fn words_are_quoted_for_the_script() {
        assert_eq!(quoted(OsStr::new("a b$c\n")), "'a b$c\n'");
        assert_eq!(quoted(OsStr::new("it's")), r"'it'\''s'");
        assert_eq!(quoted(OsStr::new("")), "''");
    }
}
