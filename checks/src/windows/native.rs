//! Windows itself: is there a Linux in it in which containers can run, with a display?

use super::{display::END, version};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId, Windows, WslDistribution, XquartzTcp};
use crate::finding::{Finding, FindingKind, Severity};
use crate::virtualbox::{MACHINE_IS_THERE, NOTHING_TO_DO, has_machine_of_brainvisa};

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
    cure: "As an administrator, install it with wsl --install -d Ubuntu, and start the machine again.",
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
        let finding = missing(facts, "System32 has no wsl.exe".to_owned());
        return Outcome::Findings(vec![install(
            finding.advise("Update Windows: WSL comes with Windows 11, and with Windows 10 since version 2004."),
        )]);
    }
    let Some(registered) = &windows.distributions else {
        let reason = windows.unknown.get("distributions").map_or("they were not recorded", String::as_str);
        return Outcome::Unknown(format!("which distributions of Linux there are is not known: {reason}"));
    };
    let (tools, distributions): (Vec<_>, Vec<_>) = registered.iter().partition(|distribution| is_of_a_tool(&distribution.name));
    if distributions.is_empty() {
        let evidence = match tools.first() {
            None => "the registry (HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss) has no distribution".to_owned(),
            Some(tool) => format!("the registry has {} alone, which is a part of another program", tool.name),
        };
        return Outcome::Findings(vec![install(missing(facts, evidence))]);
    }
    let old = || distributions.iter().copied().filter(|distribution| distribution.version == Some(1));
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

/// Whether a distribution is the inside of another program (Docker Desktop, Rancher Desktop, Podman), in which nothing can be
/// installed.
fn is_of_a_tool(name: &str) -> bool {
    ["docker-desktop", "rancher-desktop", "podman-"].iter().any(|tool| name.starts_with(tool))
}

/// Who has the virtual machine of BrainVISA needs no WSL.
fn missing(facts: &Facts, evidence: String) -> Finding {
    let finding = MISSING.found().evidence(evidence);
    if has_machine_of_brainvisa(facts) {
        return finding.severity(Severity::Info).evidence(MACHINE_IS_THERE).advise(NOTHING_TO_DO);
    }
    finding
}

fn install(finding: Finding) -> Finding {
    // Named, because a wsl.exe that has been used before only tells how it is called.
    let command = "wsl --install -d Ubuntu";
    let text = match finding.advice.as_slice() {
        [] => "As an administrator, in a Windows terminal; then start the machine again.",
        _ if finding.severity == Severity::Info => "Or, as an administrator, in a Windows terminal; then start the machine again.",
        _ => "Then, as an administrator, in a Windows terminal; then start the machine again.",
    };
    finding.advise_command(text, command).then("Install Apptainer in that Linux, and run casa-doctor there.")
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
            .then_command(END, "wsl --shutdown"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{VirtualBox, VirtualMachine};
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
    fn the_inside_of_docker_desktop_is_no_linux_to_work_in() {
        let Outcome::Findings(findings) =
            judge(with(&[("docker-desktop", Some(2), true), ("docker-desktop-data", Some(2), false)]))
        else {
            panic!()
        };
        assert_eq!(findings[0].kind.id, "wsl-missing");
        assert!(findings[0].evidence[0].contains("docker-desktop alone"), "{:?}", findings[0].evidence);
        assert_eq!(findings[0].advice[0].command.as_deref(), Some("wsl --install -d Ubuntu"));
        assert_eq!(ids(judge(with(&[("docker-desktop", Some(2), true), ("Ubuntu", Some(1), false)]))), ["wsl-version-1"]);
        assert_eq!(judge(with(&[("docker-desktop", Some(2), true), ("Ubuntu", Some(2), false)])), Outcome::Pass);
    }

    #[test]
    fn a_windows_without_the_command_is_updated_first() {
        let Outcome::Findings(findings) = judge(Windows::default()) else { panic!() };
        assert!(findings[0].advice[0].text.starts_with("Update Windows"), "{:?}", findings[0].advice);
        assert!(findings[0].advice[1].text.starts_with("Then, as an administrator"), "{:?}", findings[0].advice);
    }

    #[test]
    fn who_has_the_virtual_machine_is_not_alarmed() {
        let machine = VirtualMachine { name: "brainvisa-5.3".into(), ..VirtualMachine::default() };
        let virtualbox = VirtualBox { manage: Some("VBoxManage".into()), machines: vec![machine], ..VirtualBox::default() };
        let facts = Facts { windows: Some(with(&[])), virtualbox: Some(virtualbox), ..answered() };
        let Outcome::Findings(findings) = CHECK.judge(&facts) else { panic!() };
        assert_eq!(findings[0].severity, Severity::Info);
    }

    #[test]
    fn a_display_that_is_switched_off_is_told() {
        let off = Windows { gui_applications: Some(false), ..with(&[("Ubuntu", Some(2), true)]) };
        assert_eq!(ids(judge(off.clone())), ["wsl-display-off"]);
        let Outcome::Findings(findings) = judge(Windows { x_server: XquartzTcp::LetsIn, ..off }) else { panic!() };
        assert_eq!(findings[0].severity, Severity::Info);
    }
}
