//! DISPLAY is unset.

use super::shell_word;
use crate::check::Outcome;
use crate::facts::{Facts, Job, Session, X11};
use crate::finding::{Finding, FindingKind, Severity};
use crate::windows::{END, SWITCHED_OFF};

/// DISPLAY is unset or empty.
pub(super) static KIND: FindingKind = FindingKind {
    id: "x11-no-display",
    code: "CD0101",
    severity: Severity::Error,
    title: "There is no display: programs with windows cannot start here",
    why: "A program with windows finds its screen through the variable DISPLAY, which is not set in this session. \
          Programs without windows work. casa_distro 3 hands the text $DISPLAY to the container as it stands, so that a viewer \
          ends with \"could not connect to display $DISPLAY\". On a cluster node or a build machine this is as it should be.",
    cure: "Start casa-doctor in a terminal of the desktop, or log in with ssh -Y; in a job of a batch scheduler, ask it for an \
           interactive job with X. For work without windows, nothing is needed: use casa-doctor run --no-gui, or a virtual display \
           with xvfb-run.",
    example: "qt.qpa.xcb: could not connect to display $DISPLAY",
    since: "0.1.0",
};

/// The reasons a session may have for not having a display, the most telling first.
pub(super) fn judge(facts: &Facts, x11: &X11) -> Outcome {
    let os = facts.machine.as_ref().map_or("", |machine| machine.os.as_str());
    let Some(session) = &facts.session else { return Outcome::of(vec![KIND.found().evidence("DISPLAY is not set")]) };
    let mut finding = KIND.found().evidence("DISPLAY is not set");
    if let Some(multiplexer) = &session.multiplexer {
        finding = finding.evidence(format!("this is a session of {multiplexer}, which keeps the variables of its beginning"));
        if multiplexer == "tmux" {
            finding = finding.advise_command(
                "Take over the display of the terminal that tmux is attached to.",
                r#"eval "$(tmux show-environment -s DISPLAY)""#,
            );
        }
    }
    if let Some(container) = &session.inside_container {
        finding = finding
            .evidence(format!("this is inside of a container ({container})"))
            .advise("Start the container from a session that has a display, with casa-doctor run, which hands it over.");
    }
    if let Some(user) = &session.sudo_user {
        finding = finding
            .evidence(format!("SUDO_USER={user}: sudo may have dropped the variable"))
            .advise("Run the program as yourself, without sudo.");
    }
    let job = facts.gpu.as_ref().and_then(|gpu| gpu.job.as_ref());
    finding = match job {
        // What a job knows of ssh is that of the login from which it was started.
        Some(job) => of_job(finding, job),
        None => of_session(facts, x11, session, os, finding),
    };
    Outcome::of(vec![without_windows(finding)])
}

/// Adds how to do without a display.
pub(super) fn without_windows(finding: Finding) -> Finding {
    finding.advise_command("If no window is wanted, launch without one.", "casa-doctor run --no-gui -- COMMAND")
}

fn of_session(facts: &Facts, x11: &X11, session: &Session, os: &str, finding: Finding) -> Finding {
    match () {
        () if session.ssh => of_ssh(finding),
        () if os == "macos" => match facts.xquartz.as_ref().and_then(|xquartz| xquartz.app.as_ref()) {
            Some(app) => finding
                .evidence(format!("{} is installed", app.display()))
                .advise("Log out of macOS and in again: the system sets DISPLAY at login, and XQuartz starts by itself."),
            None => finding.advise(
                "Install XQuartz, then log out and in again: the system sets DISPLAY at login, and XQuartz starts by itself.",
            ),
        },
        () if facts.wsl.as_ref().is_some_and(|wsl| wsl.version == 1) => finding
            .evidence("version 1 of WSL has no display of its own (see wsl-version-1)")
            .advise("Convert this Linux to version 2 of WSL, which has a display (see wsl-version-1)."),
        // WSL sets the variable wherever it gives a display.
        () if facts.wsl.as_ref().is_some_and(|wsl| !wsl.wslg) && session.inside_container.is_none() => finding
            .evidence("/mnt/wslg is not there: this WSL gives Linux programs no display")
            .advise_command("In a Windows terminal, update WSL, which brings a display.", "wsl --update")
            .then_command(END, "wsl --shutdown")
            .advise(SWITCHED_OFF),
        () => match session.wayland_display.as_deref() {
            Some(wayland) => of_wayland(finding, x11, wayland),
            None => of_others(finding, x11),
        },
    }
}

fn of_ssh(finding: Finding) -> Finding {
    finding
        .evidence("this session came by ssh")
        .advise("Log in again with the display forwarded: ssh -Y THIS-MACHINE, from a machine with a screen.")
        .advise(
            "If it is still unset then: the administrator must install xauth on this machine and set \"X11Forwarding yes\" in \
             /etc/ssh/sshd_config. Where it is xauth, ssh -v -Y says \"No xauth program\"; of the setting it only says that the request failed.",
        )
}

/// In a job nothing forwards a display unless the scheduler is asked to; and most jobs need none.
pub(super) fn of_job(finding: Finding, job: &Job) -> Finding {
    let finding = finding.severity(Severity::Warning).evidence(format!("this is a job of {}", job.scheduler));
    let ask = "For windows, log in to the node from which jobs are started with ssh -Y, and ask there for an interactive job with X. \
               That works where the site has set it up.";
    let command = match job.scheduler.as_str() {
        "Slurm" => Some("srun --x11 --pty bash"),
        "PBS" => Some("qsub -I -X"),
        "LSF" => Some("bsub -XF -Is bash"),
        _ => None,
    };
    let finding = match command {
        Some(command) => finding.advise_command(ask, command),
        None => finding.advise(ask),
    };
    finding.advise_command("For pictures without a window, give the program a virtual display.", "xvfb-run -a COMMAND")
}

fn of_wayland(finding: Finding, x11: &X11, wayland: &str) -> Finding {
    const INSTALL: &str = "Install Xwayland (package xwayland, or xorg-x11-server-Xwayland), then log out and in again.";
    if x11.local_displays.is_empty() {
        let told = format!("WAYLAND_DISPLAY={wayland}: the desktop is a Wayland one that started no X server");
        return finding.evidence(told).advise(INSTALL);
    }
    // It may have an X server whose name this shell was not told.
    of_others(finding.evidence(format!("WAYLAND_DISPLAY={wayland}: the desktop is a Wayland one")), x11).advise(INSTALL)
}

fn of_others(finding: Finding, x11: &X11) -> Finding {
    let finding = match x11.local_displays.as_slice() {
        [] => finding,
        displays => {
            let first = displays.first().map_or(":0", String::as_str);
            // Which ones there are changes from one moment to the next, and is no evidence: none of them need be this session's.
            finding.advise_command(
                format!(
                    "This machine has the displays {} (/tmp/.X11-unix). If one of them is your own desktop, name it; another user's will refuse you.",
                    displays.join(", ")
                ),
                format!("export DISPLAY={}", shell_word(first)),
            )
        }
    };
    finding.advise_command(
        "Where there is no screen (a cluster node, a build machine), give the program a virtual one.",
        "xvfb-run -a COMMAND",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, told};
    use super::*;
    use crate::facts::{Gpu, Wsl, Xquartz};

    fn words(change: impl Fn(&mut Session), x11: X11) -> String {
        let mut facts = facts(X11::default());
        change(facts.session.as_mut().unwrap());
        let Outcome::Findings(findings) = judge(&facts, &x11) else { panic!("no finding") };
        told(&findings[0])
    }

    #[test]
    fn the_advice_follows_the_session() {
        assert!(words(|session| session.ssh = true, X11::default()).contains("ssh -Y"));
        assert!(words(|session| session.wayland_display = Some("wayland-0".into()), X11::default()).contains("Xwayland"));
        let with_server = X11 { local_displays: vec![":0".into()], ..X11::default() };
        let told = words(|session| session.wayland_display = Some("wayland-0".into()), with_server);
        assert!(told.contains("export DISPLAY=:0") && !told.contains("started no X server"), "{told}");
        assert!(words(|session| session.multiplexer = Some("tmux".into()), X11::default()).contains("tmux show-environment"));
        assert!(words(|session| session.sudo_user = Some("anna".into()), X11::default()).contains("without sudo"));
        let plain = words(|_| {}, X11::default());
        assert!(plain.contains("xvfb-run") && !plain.contains("ssh -Y") && !plain.contains("export DISPLAY"), "{plain}");
        let other = X11 { local_displays: vec![":1".into()], ..X11::default() };
        assert!(words(|_| {}, other).contains("export DISPLAY=:1"));
    }

    #[test]
    fn a_job_gets_its_display_from_the_scheduler() {
        for (scheduler, command) in [("Slurm", "srun --x11 --pty bash"), ("PBS", "qsub -I -X"), ("OAR", "interactive job with X")] {
            let mut facts = facts(X11::default());
            // The job has the variables of the ssh login that started it.
            facts.session.as_mut().unwrap().ssh = true;
            facts.gpu = Some(Gpu { job: Some(Job { scheduler: scheduler.into(), gpus: None }), ..Gpu::default() });
            let Outcome::Findings(found) = judge(&facts, &X11::default()) else { panic!("no finding") };
            assert_eq!(found[0].severity, Severity::Warning);
            let words = told(&found[0]);
            assert!(words.contains(command) && !words.contains("THIS-MACHINE"), "{words}");
        }
    }

    #[test]
    fn what_is_installed_is_not_to_be_installed_again() {
        let mut mac = facts(X11::default());
        mac.machine.as_mut().unwrap().os = "macos".into();
        let words_of = |facts: &Facts| {
            let Outcome::Findings(findings) = judge(facts, &X11::default()) else { panic!("no finding") };
            told(&findings[0])
        };
        assert!(words_of(&mac).contains("Install XQuartz"));
        mac.xquartz = Some(Xquartz { app: Some("/Applications/Utilities/XQuartz.app".into()), ..Xquartz::default() });
        assert!(words_of(&mac).contains("Log out of macOS") && !words_of(&mac).contains("Install XQuartz"));
        let mut old = facts(X11::default());
        old.wsl = Some(Wsl { version: 1, ..Wsl::default() });
        assert!(words_of(&old).contains("wsl-version-1") && !words_of(&old).contains("xvfb-run"));
        // The display of WSL may be switched off for this distribution alone.
        old.wsl = Some(Wsl { version: 2, ..Wsl::default() });
        assert!(words_of(&old).contains("/etc/wsl.conf") && !words_of(&old).contains("xvfb-run"), "{}", words_of(&old));
        old.wsl = Some(Wsl { version: 2, wslg: true, ..Wsl::default() });
        assert!(!words_of(&old).contains("/etc/wsl.conf"));
    }
}
