//! The half that runs in the container: looks, and leaves its answer in a file that nothing else writes to.
//!
//! It is not a child like those of the probes: it loads no driver, so it may use standard output and standard error like any
//! program, and it starts such children itself.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::look::{Look, look};
use crate::host::{Host, LiveHost};
use crate::output;
use crate::probes::Context;

/// The name under which it is started (`casa-doctor __probe measure RESULT STARTED DEADLINE`).
pub(crate) const PROBE: &str = "measure";

/// What is left of the limit for writing the answer down and for leaving the container.
const MARGIN: Duration = Duration::from_millis(500);

/// Less time than this is not worth a look.
const LEAST: Duration = Duration::from_millis(200);

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Time from the start of the container to the start of the look, in milliseconds.
    pub(super) began_ms: u64,
    /// What was seen.
    pub(super) look: Look,
}

/// The arguments: where the answer goes, when the container was started and until when the answer is waited for.
pub(super) fn arguments(result: &str, started: SystemTime, limit: Duration) -> Vec<OsString> {
    let millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    vec![PROBE.into(), result.into(), millis(started).into(), millis(started + limit).into()]
}

/// Runs in the container.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let host = LiveHost;
    let Some((result, started, deadline)) = parse(args) else {
        output::notice("this is for casa-doctor itself: __probe measure RESULT STARTED DEADLINE");
        return ExitCode::from(2);
    };
    let now = host.now();
    let began = now.duration_since(started).unwrap_or_default();
    let limit = deadline.duration_since(now).unwrap_or_default().saturating_sub(MARGIN).max(LEAST);
    let display = host.env_text("DISPLAY").is_some();
    let context = Context { host: Arc::new(host), limit };
    let answer = Answer { began_ms: u64::try_from(began.as_millis()).unwrap_or(u64::MAX), look: look(&context, display, None) };
    match leave(&result, &answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::notice(&format!("the measurement cannot be left at {}: {error}", result.display()));
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[OsString]) -> Option<(PathBuf, SystemTime, SystemTime)> {
    let [result, started, deadline] = args else { return None };
    let time = |text: &OsString| Some(UNIX_EPOCH + Duration::from_millis(text.to_str()?.parse().ok()?));
    Some((result.into(), time(started)?, time(deadline)?))
}

/// Writes the answer, whole or not at all.
fn leave(path: &Path, answer: &Answer) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(&part)?;
    file.write_all(&serde_json::to_vec(answer)?)?;
    std::fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_back_as_they_were_meant() {
        let started = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let args = arguments("/casa/doctor/result", started, Duration::from_secs(20));
        assert_eq!(args[0], PROBE);
        let (result, began, deadline) = parse(&args[1..]).unwrap();
        assert_eq!((result.to_str(), began, deadline), (Some("/casa/doctor/result"), started, started + Duration::from_secs(20)));
        assert!(parse(&args).is_none() && parse(&[]).is_none());
    }
}
