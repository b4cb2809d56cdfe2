//! A display that ssh forwarded and that leads nowhere any more.

use super::no_display;
use super::sight::Sight;
use crate::facts::ConnectFailureKind as Kind;
use crate::finding::{Finding, FindingKind, Severity};

/// DISPLAY names a forwarding of ssh that is dead.
pub(super) static KIND: FindingKind = FindingKind {
    id: "x11-forwarding-dead",
    code: "CD0108",
    severity: Severity::Error,
    title: "The forwarded display leads nowhere: the ssh login that made it has ended",
    why: "A display such as localhost:10.0 is made by ssh and lives as long as the login that made it, on the machine that was \
          logged in to. tmux and screen keep its name after that, jobs take it along to machines where it means nothing, and \
          programs then cannot open a window.",
    cure: "Log in again with ssh -Y, and in tmux or screen take over the new DISPLAY. Ask the batch scheduler for an interactive job with X.",
    example: "cannot connect to X server localhost:18.0",
    since: "0.1.0",
};

/// What a forwarded display is in a job, where nothing answers behind it.
const OF_THE_JOBS_LOGIN: &str = "The forwarded display leads nowhere: it is that of the login from which this job was started";

pub(super) fn judge(sight: Sight<'_>) -> Finding {
    let finding = match sight.failure.kind {
        Kind::Reset => {
            KIND.found().title("The forwarded display is cut off: the X server at your own end of ssh is gone or refuses")
        }
        _ => KIND.found(),
    };
    let mut finding = sight.tell(finding);
    let job = sight.facts.gpu.as_ref().and_then(|gpu| gpu.job.as_ref());
    if let Some(job) = job.filter(|_| sight.failure.kind != Kind::Reset) {
        // The scheduler hands the variables of the login on, mostly to another machine; and most jobs need no display.
        return no_display::without_windows(no_display::of_job(finding.title(OF_THE_JOBS_LOGIN), job));
    }
    if sight.failure.kind == Kind::Reset {
        finding = finding
            .evidence("sshd still listens for this display, and cuts every connection")
            .advise("At your own machine: is its X server (the desktop, XQuartz, VcXsrv) still running? Start it, then log in again with ssh -Y.")
            .advise(
                "If you logged in with ssh -X: it stops accepting new windows after 20 minutes (ForwardX11Timeout); ssh -Y does not.",
            );
        return finding;
    }
    match sight.session().and_then(|session| session.multiplexer.as_deref()) {
        Some("tmux") => {
            finding = finding
                .evidence("this is a session of tmux, which keeps the DISPLAY of its beginning")
                .advise("Detach, log in again with ssh -Y, and attach again.")
                .advise_command("Then take over the new display in this shell.", r#"eval "$(tmux show-environment -s DISPLAY)""#);
        }
        Some(multiplexer) => {
            finding = finding
                .evidence(format!("this is a session of {multiplexer}, which keeps the DISPLAY of its beginning"))
                .advise("Detach, log in again with ssh -Y, note what echo $DISPLAY says, attach again and export that value here.");
        }
        None => finding = finding.advise("Log in again with ssh -Y: the new login has a display of its own."),
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::super::connection::CHECK;
    use super::super::testing::{display, facts, only_finding, told};
    use crate::facts::{ConnectFailure, ConnectFailureKind as Kind, Connection, Gpu, Job, Reach, X11};
    use crate::finding::Severity;

    /// A display of this machine by TCP, where nobody listens.
    fn refused(number: u16) -> X11 {
        let failure = ConnectFailure {
            kind: Kind::Refused,
            detail: "Connection refused".into(),
            address: Some(format!("localhost:{}", 6000 + number)),
            cookie_sent: false,
        };
        X11 {
            display: display(&format!("localhost:{number}.0"), number, Reach::Loopback),
            connection: Connection::Failed(failure),
            ..X11::default()
        }
    }

    #[test]
    fn a_display_of_this_machine_was_not_made_by_ssh() {
        assert_eq!(only_finding(&CHECK, &facts(refused(70))).kind.id, "x11-forwarding-dead");
        let x11 = X11 { local_displays: vec![":0".into(), ":70".into()], ..refused(70) };
        let finding = only_finding(&CHECK, &facts(x11));
        assert_eq!(finding.kind.id, "x11-unreachable");
        assert!(told(&finding).contains("export DISPLAY=:70"));
    }

    #[test]
    fn a_number_that_a_server_of_somebody_else_has_too_may_be_of_ssh() {
        let mut facts = facts(X11 { local_displays: vec![":1".into(), ":10".into()], ..refused(10) });
        facts.session.as_mut().unwrap().ssh = true;
        assert_eq!(only_finding(&CHECK, &facts).kind.id, "x11-forwarding-dead");
    }

    #[test]
    fn a_job_has_the_display_of_the_login_from_which_it_was_started() {
        let mut facts = facts(refused(12));
        facts.session.as_mut().unwrap().ssh = true;
        facts.gpu = Some(Gpu { job: Some(Job { scheduler: "Slurm".into(), gpus: None }), ..Gpu::default() });
        let finding = only_finding(&CHECK, &facts);
        assert_eq!((finding.kind.id, finding.severity), ("x11-forwarding-dead", Severity::Warning));
        let words = told(&finding);
        assert!(words.contains("srun --x11") && !words.contains("has ended"), "{words}");
    }

    #[test]
    fn tmux_keeps_an_old_display() {
        let mut facts = facts(refused(18));
        assert!(!told(&only_finding(&CHECK, &facts)).contains("tmux"));
        facts.session.as_mut().unwrap().multiplexer = Some("tmux".into());
        let finding = only_finding(&CHECK, &facts);
        assert!(told(&finding).contains("tmux show-environment -s DISPLAY"));
        facts.session.as_mut().unwrap().multiplexer = Some("screen".into());
        assert!(told(&only_finding(&CHECK, &facts)).contains("session of screen"));
    }
}
