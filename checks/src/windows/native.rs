//! Windows itself: is there a Linux in it in which containers can run, with a display?

use super::version;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, Windows, WslDistribution, XquartzTcp};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "windows-wsl",
    category: Category::Windows,
    question: "Does this Windows have a Linux in which containers can run and open windows?",
    needs: &[ProbeId::Windows],
    findings: &[&MISSING, &version::VERSION_1, &NO_DISPLAY],
    run,
};

static MISSING: FindingKind = FindingKind {
    id: "wsl-missing",
    code: "CD0607",
    severity: Severity::Error,
    title: "There is no Linux in this Windows (WSL), which containers need",
    why: "Apptainer, Singularity and the images of BrainVISA are made for Linux. On Windows they run in the Windows Subsystem for Linux, version 2, \
          which has to be installed once; the other way is the virtual machine of BrainVISA with VirtualBox.",
    cure: "As an administrator, install it with wsl --install, and start the machine again.",
    example: "Windows Subsystem for Linux has no installed distributions.",
    since: "0.1.0",
};

static NO_DISPLAY: FindingKind = FindingKind {
    id: "wsl-display-off",
    code: "CD0608",
    severity: Severity::Warning,
    title: "The display of Windows for Linux programs is switched off",
    why: "Windows gives Linux programs a display (WSLg). The file .wslconfig of this user switches it off, so that windows open only with an X server \
          of Windows, such as VcXsrv.",
    cure: "Take guiApplications=false out of the file .wslconfig in your user's folder, then end WSL with wsl --shutdown.",
    example: "[wsl2]\nguiApplications=false",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    let Some(windows) = &facts.windows else { return Outcome::Unknown("nothing was recorded about Windows".to_owned()) };
    if windows.wsl.is_none() {
        return Outcome::Findings(vec![missing("System32 has no wsl.exe")]);
    }
    let Some(distributions) = &windows.distributions else {
        let reason = windows.unknown.get("distributions").map_or("they were not recorded", String::as_str);
        return Outcome::Unknown(format!("which distributions of Linux there are is not known: {reason}"));
    };
    if distributions.is_empty() {
        return Outcome::Findings(vec![missing(
            "the registry (HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss) has no distribution",
        )]);
    }
    let old = || distributions.iter().filter(|distribution| distribution.version == Some(1));
    let usable = distributions.iter().any(|distribution| distribution.version == Some(2));
    let mut findings: Vec<Finding> = Vec::new();
    // Who has one of version 2 may keep an old one beside it, unless wsl starts that.
    for distribution in old().filter(|distribution| !usable || distribution.is_default) {
        findings.push(of_version_1(distribution, usable));
    }
    findings.extend(no_display(windows));
    if findings.is_empty() && distributions.iter().all(|distribution| distribution.version.is_none()) {
        return Outcome::Unknown("the registry does not tell the versions of the distributions".to_owned());
    }
    Outcome::of(findings)
}

fn missing(evidence: &str) -> Finding {
    MISSING
        .found()
        .evidence(evidence)
        .advise_command("As an administrator, in a Windows terminal; then start the machine again.", "wsl --install")
        .advise("Then install Apptainer in that Linux, and run casa-doctor there.")
}

fn of_version_1(distribution: &WslDistribution, usable: bool) -> Finding {
    let name = &distribution.name;
    let finding = version::VERSION_1
        .found()
        .severity(if usable { Severity::Warning } else { Severity::Error })
        .title(format!("The distribution {name} has version 1 of WSL, which cannot run containers"))
        .evidence(format!("registry: {name} has version 1{}", if distribution.is_default { ", and is the default" } else { "" }));
    if name.contains('"') {
        return finding.advise("Convert it with wsl --set-version and its name; its files are kept, and it takes some minutes.");
    }
    finding.advise_command(
        "Convert it, in a Windows terminal; its files are kept, and it takes some minutes.",
        format!("wsl --set-version \"{name}\" 2"),
    )
}

fn no_display(windows: &Windows) -> Option<Finding> {
    if windows.gui_applications != Some(false) {
        return None;
    }
    let finding = NO_DISPLAY.found().evidence(".wslconfig: guiApplications is false");
    Some(match windows.x_server {
        XquartzTcp::LetsIn | XquartzTcp::WantsCookie { .. } => finding
            .severity(Severity::Info)
            .evidence("127.0.0.1:6000: an X server of Windows answers, which can do instead")
            .advise("Nothing has to be done if windows open. DISPLAY in Linux must then name that server."),
        _ => finding
            .evidence("127.0.0.1:6000: no X server of Windows answers either")
            .advise("Take that line out of the file .wslconfig in your user's folder.")
            .advise_command("Then end WSL; it starts again with the next command.", "wsl --shutdown"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::answered;

    fn judge(windows: Windows) -> Outcome {
        CHECK.judge(&Facts { windows: Some(windows), ..answered() })
    }

    fn with(distributions: &[(&str, Option<u8>, bool)]) -> Windows {
        let distributions = distributions.iter().map(|(name, version, is_default)| WslDistribution {
            name: (*name).to_owned(),
            version: *version,
            is_default: *is_default,
        });
        Windows {
            wsl: Some("C:/Windows/System32/wsl.exe".into()),
            distributions: Some(distributions.collect()),
            ..Windows::default()
        }
    }

    fn ids(outcome: Outcome) -> Vec<&'static str> {
        match outcome {
            Outcome::Findings(findings) => findings.iter().map(|finding| finding.kind.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_linux_of_version_2_is_what_is_needed() {
        assert_eq!(judge(with(&[("Ubuntu", Some(2), true), ("Old", Some(1), false)])), Outcome::Pass);
        assert_eq!(ids(judge(with(&[("Ubuntu", Some(2), false), ("Old", Some(1), true)]))), ["wsl-version-1"]);
        assert_eq!(ids(judge(with(&[("Old", Some(1), true)]))), ["wsl-version-1"]);
        assert_eq!(ids(judge(with(&[]))), ["wsl-missing"]);
        assert_eq!(ids(judge(Windows::default())), ["wsl-missing"]);
        assert_eq!(judge(with(&[("Ubuntu", None, true)])).word(), "unknown");
        assert_eq!(judge(Windows { distributions: None, ..with(&[]) }).word(), "unknown");
    }

    #[test]
    fn a_display_that_is_switched_off_is_told() {
        let off = Windows { gui_applications: Some(false), ..with(&[("Ubuntu", Some(2), true)]) };
        assert_eq!(ids(judge(off.clone())), ["wsl-display-off"]);
        let Outcome::Findings(findings) = judge(Windows { x_server: XquartzTcp::LetsIn, ..off }) else { panic!() };
        assert_eq!(findings[0].severity, Severity::Info);
    }
}
