//! When the program dies: a short diagnosis from its error output, or from what was seen of the machine before it was started.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use casa_doctor_checks::check::{Category, Outcome};
use casa_doctor_checks::facts::Facts;
use casa_doctor_checks::finding::{Finding, Severity};
use casa_doctor_checks::log::{self, Diagnosis};

use crate::catalog::Selection;
use crate::host::Host;
use crate::judge;
use crate::launch::Plan;
use crate::redact::hide_secrets;

/// A program that ends this soon did not get far: what is wrong with the machine may be why.
const SOON: Duration = Duration::from_secs(10);

/// Signals by which a program ends itself, and their names.
const CRASHES: [(i32, &str); 6] = [(4, "ILL"), (6, "ABRT"), (7, "BUS"), (8, "FPE"), (11, "SEGV"), (31, "SYS")];

/// How a program ended.
#[derive(Debug, Clone)]
pub(super) struct Death {
    /// The command, program first; none for a shell.
    pub(super) command: Vec<OsString>,
    /// Exit status, as a shell gives it.
    pub(super) status: i32,
    /// How long it ran.
    pub(super) took: Duration,
    /// Its error output and the engine's, as far as it could be read.
    pub(super) stderr: String,
    /// Whether a signal that we were sent ended it: somebody wanted that.
    pub(super) was_asked_to: bool,
    /// Whether it had a display.
    pub(super) gui: bool,
    /// Whether it was started at all.
    pub(super) started: bool,
    /// Whether there is no ssh agent in this session. One that does not answer was told of before the start.
    pub(super) without_agent: bool,
}

impl Death {
    /// Of a command that was not started.
    pub(super) fn new(host: &dyn Host, plan: &Plan, took: Duration) -> Self {
        let (command, gui) = (plan.command.clone(), plan.env.contains_key("DISPLAY"));
        let unset = host.env("SSH_AUTH_SOCK").is_none_or(|socket| socket.is_empty());
        let without_agent = unset && !plan.env.contains_key("SSH_AUTH_SOCK");
        Self { command, status: 125, took, stderr: String::new(), was_asked_to: false, gui, started: false, without_agent }
    }
}

/// The diagnosis, in lines; `None` where there is nothing to say.
///
/// The facts are told in parts, so secrets are hidden first; that takes time, and most programs end well.
pub(super) fn explain(facts: &Facts, death: &Death) -> Option<String> {
    if death.was_asked_to {
        return None;
    }
    if !death.stderr.trim_ascii().is_empty()
        && let Some(diagnosis) = log::explain_for_launch(&death.stderr)
    {
        return Some(from_text(death, &diagnosis));
    }
    // A shell ends with the status of whatever was the last thing in it.
    if death.status == 0 || death.took > SOON || (death.started && death.command.is_empty()) {
        return None;
    }
    from_facts(&hide_secrets(facts.clone()), death)
}

/// What its own words say.
fn from_text(death: &Death, diagnosis: &Diagnosis) -> String {
    let pattern = diagnosis.pattern;
    // The server's refusal does not tell why; that no agent reached the container does.
    let unset = pattern.id == "ssh-publickey-denied" && death.without_agent;
    let (id, next) = match if unset { Some("ssh-agent-unset") } else { pattern.finding } {
        Some(id) => (id, format!("casa-doctor explain {id}")),
        None => (pattern.id, "casa-doctor".to_owned()),
    };
    format!(
        "{}; its error output says: {} [{id}]\n  why:  {}\n  do:   {}\n  next: {next}",
        end(death),
        diagnosis.excerpt.trim(),
        pattern.cause,
        pattern.cure
    )
}

/// What was seen before the start and could be why. It is offered and not claimed: the program did not say so.
fn from_facts(facts: &Facts, death: &Death) -> Option<String> {
    let runs = judge::judge(facts, &Selection::default());
    let mut found: Vec<&Finding> = runs
        .iter()
        .filter(|run| may_stop(run.check.category, death))
        .filter_map(|run| match &run.outcome {
            Outcome::Findings(findings) => Some(findings),
            _ => None,
        })
        .flatten()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    found.truncate(2);
    let lines: String = found
        .iter()
        .map(|finding| {
            let title = finding.title.as_deref().unwrap_or(finding.kind.title);
            format!("\n  seen: {title} [{0}]\n  next: casa-doctor explain {0}", finding.kind.id)
        })
        .collect();
    if !lines.is_empty() {
        return Some(format!("{}; this was seen before it was started and may be why:{lines}", end(death)));
    }
    let crashed = CRASHES.iter().any(|(number, _)| death.status == 128 + number);
    (crashed && death.gui)
        .then(|| format!("{}; nothing that explains it was seen before it was started\n  next: casa-doctor", end(death)))
}

/// Whether something wrong there can stop a program, or a container.
fn may_stop(category: Category, death: &Death) -> bool {
    match category {
        Category::X11 | Category::Rendering | Category::Nvidia | Category::Macos | Category::Windows => death.gui && death.started,
        Category::Engine | Category::Image | Category::Config | Category::Storage => !death.started,
        _ => false,
    }
}

/// How it ended, in words.
fn end(death: &Death) -> String {
    let name = death.command.first().map_or_else(
        || "the shell".to_owned(),
        |command| Path::new(command).file_name().unwrap_or(command).to_string_lossy().into_owned(),
    );
    let took = if death.took < SOON { format!(" after {:.1} s", death.took.as_secs_f64()) } else { String::new() };
    if !death.started {
        return format!("{name} was not started");
    }
    match CRASHES.iter().find(|(number, _)| death.status == 128 + number) {
        Some((number, signal)) => format!("{name} died of signal {number} ({signal}){took}"),
        None if death.status == 0 => format!("{name} ended{took}"),
        None => format!("{name} ended with status {}{took}", death.status),
    }
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{
        ConnectFailure, ConnectFailureKind, Connection, DisplayName, ProbeEnd, ProbeId, ProbeRun, Reach, Session, X11,
    };

    use super::*;

    fn death(program: &str, status: i32, stderr: &str) -> Death {
        let (command, took, stderr) = (vec![program.into()], Duration::from_millis(400), stderr.to_owned());
        Death { command, status, took, stderr, was_asked_to: false, gui: true, started: true, without_agent: false }
    }

    fn shut_display() -> Facts {
        let failure = ConnectFailure {
            kind: ConnectFailureKind::Refused,
            detail: "connection refused".into(),
            address: None,
            cookie_sent: false,
        };
        let display = DisplayName { text: ":5".into(), host: String::new(), number: 5, screen: 0, reach: Reach::Local };
        let x11 = X11 { display: Some(display), connection: Connection::Failed(failure), ..X11::default() };
        let answered = ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 1 };
        let probes = [ProbeId::Session, ProbeId::X11].map(|probe| (probe, answered.clone())).into_iter().collect();
        Facts { x11: Some(x11), session: Some(Session::default()), probes, ..Facts::default() }
    }

    #[test]
    fn its_own_words_come_first() {
        let text = "Authorization required, but no authorization protocol specified\n";
        let told = explain(&Facts::default(), &death("/usr/bin/glxinfo", 1, text)).unwrap();
        assert!(told.starts_with("glxinfo ended with status 1 after 0.4 s; its error output says: "), "{told}");
        assert!(told.contains("[x11-cookie-missing]") && told.ends_with("next: casa-doctor explain x11-cookie-missing"), "{told}");
        let long = Death { took: Duration::from_secs(3600), ..death("/usr/bin/glxinfo", 1, text) };
        assert!(explain(&Facts::default(), &long).is_some_and(|told| !told.contains("after")), "the words count at any time");
    }

    #[test]
    fn a_refused_key_is_laid_to_the_agent_only_where_there_is_none() {
        let refused = death("git", 128, "anna@server: Permission denied (publickey).\n");
        let told = explain(&Facts::default(), &refused).unwrap();
        assert!(told.contains("[ssh-publickey-denied]") && told.ends_with("next: casa-doctor"), "{told}");
        let told = explain(&Facts::default(), &Death { without_agent: true, ..refused }).unwrap();
        assert!(told.contains("[ssh-agent-unset]") && told.ends_with("next: casa-doctor explain ssh-agent-unset"), "{told}");
    }

    #[test]
    fn without_words_what_was_seen_is_offered() {
        let told = explain(&shut_display(), &death("anatomist", 1, "")).unwrap();
        assert!(told.contains("may be why") && told.contains("[x11-unreachable]"), "{told}");
        let late = Death { took: Duration::from_secs(60), ..death("anatomist", 1, "") };
        assert_eq!(explain(&shut_display(), &late), None);
        let blind = Death { gui: false, ..death("anatomist", 1, "") };
        assert_eq!(explain(&shut_display(), &blind), None, "a program without a display does not die of it");
    }

    #[test]
    fn nothing_is_said_without_a_reason() {
        for (status, text) in [(1, ""), (0, "hello\n"), (3, "no such luck\n")] {
            assert_eq!(explain(&Facts::default(), &death("grep", status, text)), None, "{status} {text}");
        }
        let asked = Death { was_asked_to: true, ..death("grep", 143, "") };
        assert_eq!(explain(&shut_display(), &asked), None);
        let crash = explain(&Facts::default(), &death("grep", 139, "")).unwrap();
        assert!(crash.starts_with("grep died of signal 11 (SEGV)") && crash.ends_with("next: casa-doctor"), "{crash}");
    }
}
