//! Plug-ins that do not work: each way is a finding of its own, with the plug-in's name.

use super::said;
use crate::facts::{Plugin, PluginEnd};
use crate::finding::{Finding, FindingKind, Severity};

const CURE: &str = "Tell those who look after the plug-in, with the evidence. Until it is repaired, `casa-doctor --no-plugins` leaves all plug-ins out, and `--skip NAME` the one with that name. docs/plugins/plug-ins.md says what a plug-in must do.";

pub(super) static CRASHED: FindingKind = FindingKind {
    id: "plugin-crashed",
    code: "CD1502",
    severity: Severity::Warning,
    title: "A plug-in of this site broke down",
    why: "The plug-in ended with an error, so what it should have looked at was not looked at. Everything else in the report stands.",
    cure: CURE,
    example: "Traceback (most recent call last):\n  File \"/etc/casa-doctor/checks.d/casa-doctor-check-quota\", line 7, in <module>",
    since: "0.1.0",
};

pub(super) static FOREIGN_ID: FindingKind = FindingKind {
    id: "plugin-foreign-id",
    code: "CD1503",
    severity: Severity::Warning,
    title: "A plug-in gives findings under a name that is not its own",
    why: "The ids of a plug-in's findings begin with its name, so that nobody takes them for those of casa-doctor or of another plug-in. Findings with another id are not told: they might be believed, or left out, for what they are not.",
    cure: CURE,
    example: "the plug-in \"quota\" gave a finding \"disk-full\"; its ids must begin with \"quota-\"",
    since: "0.1.0",
};

pub(super) static HUNG: FindingKind = FindingKind {
    id: "plugin-hung",
    code: "CD1504",
    severity: Severity::Warning,
    title: "A plug-in of this site did not answer in time",
    why: "The plug-in was still running at the end of its time (--probe-timeout) and was ended, with what it had started; only a program in a session of its own (setsid) is left running. What it should have looked at was not looked at. Everything else in the report stands.",
    cure: CURE,
    example: "the plug-in \"licence-server\" did not end within 4.0 s",
    since: "0.1.0",
};

pub(super) static INVALID: FindingKind = FindingKind {
    id: "plugin-invalid",
    code: "CD1505",
    severity: Severity::Warning,
    title: "A plug-in of this site gave an answer that cannot be read",
    why: "A plug-in answers a list of findings in JSON. This answer is no JSON, has another form, or is too long, so nothing of it is told: half an answer might say the opposite of the whole.",
    cure: CURE,
    example: "the plug-in \"quota\": finding 1: unknown variant `fatal`, expected one of `info`, `warning`, `error`",
    since: "0.1.0",
};

pub(super) static REFUSED: FindingKind = FindingKind {
    id: "plugin-refused",
    code: "CD1506",
    severity: Severity::Warning,
    title: "A plug-in of this site was not started",
    why: "casa-doctor runs plug-ins with all your rights. It does not start a program that anybody on this machine could have put there or changed, one that cannot be executed, or one whose name would be mistaken for casa-doctor's own.",
    cure: "The evidence says what is wrong with the file. Where others may write to it, first make sure that it still is what your site put there. `casa-doctor --no-plugins` leaves all plug-ins out.",
    example: "/opt/site/casa-doctor-check-quota: everybody may write to it (mode 0777)",
    since: "0.1.0",
};

pub(super) static SILENT: FindingKind = FindingKind {
    id: "plugin-silent",
    code: "CD1507",
    severity: Severity::Warning,
    title: "A plug-in of this site said nothing",
    why: "A plug-in that finds nothing answers an empty list, []. This one ended without any answer, so it is not known whether it looked at all.",
    cure: CURE,
    example: "the plug-in \"quota\" exited with status 0 and wrote nothing to its standard output",
    since: "0.1.0",
};

/// The finding for an end other than an answer.
pub(super) fn of_end(plugin: &Plugin) -> Finding {
    let name = &plugin.name;
    match &plugin.end {
        PluginEnd::Refused { reason } => REFUSED
            .found()
            .title(format!("The plug-in \"{name}\" was not started"))
            .evidence(format!("{}: {reason}", plugin.file.display()))
            .by_plugin(name),
        PluginEnd::NotStarted { reason } => crashed(plugin, &format!("could not be started: {reason}")),
        PluginEnd::Failed { status } => crashed(plugin, &format!("exited with status {status}")),
        PluginEnd::Killed { signal } => crashed(plugin, &format!("was killed by signal {signal}")),
        PluginEnd::TimedOut { limit_ms } => {
            let seconds = *limit_ms as f64 / 1000.0;
            let title = format!("The plug-in \"{name}\" did not answer in time");
            about(HUNG.found().title(title), plugin, &format!("did not end within {seconds:.1} s"))
        }
        PluginEnd::TooMuch { limit_bytes } => invalid(plugin, &format!("it wrote more than {limit_bytes} bytes")),
        PluginEnd::NotJson { reason } => invalid(plugin, &format!("it is not JSON: {reason}")),
        PluginEnd::Silent => {
            let title = format!("The plug-in \"{name}\" said nothing");
            about(SILENT.found().title(title), plugin, "exited with status 0 and wrote nothing to its standard output")
        }
        PluginEnd::Answered => invalid(plugin, "the answer is missing"),
    }
}

fn crashed(plugin: &Plugin, how: &str) -> Finding {
    about(CRASHED.found().title(format!("The plug-in \"{}\" broke down", plugin.name)), plugin, how)
}

/// The finding for an answer that has another form.
pub(super) fn invalid(plugin: &Plugin, reason: &str) -> Finding {
    let title = format!("The answer of the plug-in \"{}\" cannot be read", plugin.name);
    about(INVALID.found().title(title), plugin, &format!("gave an answer that cannot be read: {reason}"))
}

/// The finding for ids that are not the plug-in's.
pub(super) fn foreign<'a>(plugin: &Plugin, ids: impl Iterator<Item = &'a str>) -> Finding {
    let name = &plugin.name;
    let mut finding = FOREIGN_ID.found().title(format!("The plug-in \"{name}\" gives findings under a name that is not its own"));
    for id in ids {
        finding = finding.evidence(format!("it gave a finding \"{id}\", which is not told; its ids must begin with \"{name}-\""));
    }
    finding.evidence(said(plugin)).by_plugin(name)
}

fn about(finding: Finding, plugin: &Plugin, how: &str) -> Finding {
    let mut finding = finding.evidence(format!("the plug-in \"{}\" ({}) {how}", plugin.name, plugin.file.display()));
    if let Some(stderr) = &plugin.stderr {
        finding = finding.evidence(format!("its standard error ends with: {stderr}"));
    }
    finding.by_plugin(&plugin.name)
}
