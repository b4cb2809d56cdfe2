//! Checks of the family "virtualbox": is the virtual machine of BrainVISA set up so that it starts, draws and sees the data?
//!
//! What is right is casa_distro's own recipe: no sound on a Mac, the graphics controller VMSVGA with 3D acceleration and 128 MB. A
//! machine that is not known to be one of BrainVISA is never spoken of as wrong.

mod acceleration;
mod additions;
mod audio;
mod graphics;
mod shared_folders;

use std::path::Path;

use crate::check::{Check, Outcome};
use crate::facts::{Facts, VirtualBox, VirtualBoxGuest, VirtualMachine};
use crate::finding::{Finding, Severity};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[
    &acceleration::CHECK,
    &additions::CHECK,
    &graphics::CONTROLLER_CHECK,
    &graphics::MEMORY_CHECK,
    &shared_folders::CHECK,
    &audio::CHECK,
];

/// VirtualBox, or how a check ends without it.
fn virtualbox(facts: &Facts) -> Result<&VirtualBox, Outcome> {
    facts.virtualbox.as_ref().ok_or_else(|| Outcome::Unknown("nothing was recorded about VirtualBox".to_owned()))
}

/// This machine as one of VirtualBox, or how a check ends on another one.
fn guest(facts: &Facts) -> Result<&VirtualBoxGuest, Outcome> {
    let guest = virtualbox(facts)?.guest.as_ref();
    guest.ok_or_else(|| Outcome::Skipped("this is not a virtual machine of VirtualBox".to_owned()))
}

/// A machine that is worth a look, with what it may be told at most.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    machine: &'a VirtualMachine,
    /// VBoxManage.
    manage: &'a Path,
    /// [`Severity::Info`] for one that is only guessed to be that of BrainVISA.
    at_most: Severity,
}

impl Candidate<'_> {
    fn severity(&self, severity: Severity) -> Severity {
        severity.min(self.at_most)
    }

    /// Begins with the machine's name, and what must be done before a setting can be changed.
    fn begin(&self, finding: Finding) -> Finding {
        match self.machine.state.as_deref() {
            // There are many more states, such as "gurumeditation", "stopping" and, since 7.0, "aborted-saved".
            Some(state) if !matches!(state, "poweroff" | "aborted" | "teleported" | "unknown") => finding
                .evidence(format!("{}: VMState is {state}", self.machine.name))
                .advise("Shut the virtual machine down first: a setting cannot be changed while it runs or is saved."),
            _ => finding,
        }
    }

    /// A line of showvminfo as evidence.
    fn shown(&self, key: &str, value: &str) -> String {
        format!("VBoxManage showvminfo {}: {key} is {value}", self.machine.name)
    }

    /// Adds the steps that change a setting.
    fn change(&self, finding: Finding, text: &str, options: &str) -> Finding {
        let finding = self.begin(finding);
        match self.windows_folder() {
            // Neither shell of Windows finds VBoxManage by its name, and they do not agree on how a path with blanks is called.
            Some(folder) => finding
                .then_command("In a Windows terminal, go to the folder of VirtualBox.", format!("cd \"{folder}\""))
                .then_command(text, format!(".\\{}", self.modify(options))),
            None => finding.then_command(text, self.modify(options)),
        }
    }

    /// The folder of VBoxManage, where it is a program of Windows.
    fn windows_folder(&self) -> Option<&str> {
        let path = self.manage.to_str()?;
        let drive = path.get(1..3).is_some_and(|rest| matches!(rest, ":\\" | ":/"));
        path.rsplit_once(['\\', '/']).map(|(folder, _)| folder).filter(|_| drive)
    }

    /// A command that changes the machine. Its id is taken where the name would have to be quoted.
    fn modify(&self, options: &str) -> String {
        let name = &self.machine.name;
        let plain =
            !name.is_empty() && !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
        format!("VBoxManage modifyvm {} {options}", if plain { name } else { &self.machine.uuid })
    }
}

/// The machines whose settings are looked at. Other processors have other graphics controllers.
fn candidates(facts: &Facts) -> Result<Vec<Candidate<'_>>, Outcome> {
    let mut found = of_any_processor(facts)?;
    found.retain(|candidate| !is_for_arm(candidate.machine));
    if found.is_empty() {
        return Err(Outcome::Skipped("the virtual machine is for ARM processors, whose settings are others".to_owned()));
    }
    described(found)
}

/// The machines named after BrainVISA, or else the only one when it is for Linux.
fn of_any_processor(facts: &Facts) -> Result<Vec<Candidate<'_>>, Outcome> {
    let virtualbox = virtualbox(facts)?;
    let Some(manage) = virtualbox.manage.as_deref() else {
        return Err(Outcome::Skipped(
            "this is a virtual machine itself: its settings are those of the computer around it".to_owned(),
        ));
    };
    if virtualbox.machines.is_empty() {
        return Err(match virtualbox.unknown.get("total") {
            Some(reason) => Outcome::Unknown(reason.clone()),
            None => Outcome::Skipped("VirtualBox has no machine of this user".to_owned()),
        });
    }
    let named = virtualbox.machines.iter().filter(|machine| is_named_after_brainvisa(&machine.name));
    let mut found: Vec<_> = named.map(|machine| Candidate { machine, manage, at_most: Severity::Error }).collect();
    if let ([], [only], None | Some(1)) = (found.as_slice(), virtualbox.machines.as_slice(), virtualbox.total)
        && is_for_linux(only)
    {
        found.push(Candidate { machine: only, manage, at_most: Severity::Info });
    }
    if found.is_empty() {
        return Err(Outcome::Skipped("no virtual machine is named after BrainVISA or casa-distro".to_owned()));
    }
    Ok(found)
}

/// Those that VBoxManage told about, or why it told about none.
fn described(found: Vec<Candidate<'_>>) -> Result<Vec<Candidate<'_>>, Outcome> {
    match found.iter().find_map(|candidate| candidate.machine.error.as_ref()) {
        Some(reason) if found.iter().all(|candidate| candidate.machine.error.is_some()) => Err(Outcome::Unknown(reason.clone())),
        _ => Ok(found.into_iter().filter(|candidate| candidate.machine.error.is_none()).collect()),
    }
}

/// What is told to those who have a virtual machine of BrainVISA and lack what they would need without it.
pub(crate) const MACHINE_IS_THERE: &str = "VirtualBox has a virtual machine that is named after BrainVISA";
pub(crate) const NOTHING_TO_DO: &str = "Nothing has to be done if you work in that machine.";

/// Whether there is a virtual machine whose name says that it is that of BrainVISA.
pub(crate) fn has_machine_of_brainvisa(facts: &Facts) -> bool {
    facts.virtualbox.as_ref().is_some_and(|found| found.machines.iter().any(|machine| is_named_after_brainvisa(&machine.name)))
}

/// Whether a name is one that BrainVISA or casa_distro gives: `brainvisa-5.1`, `BrainVISA VM`, `casa-dev-5.0`, `casa_distro`. "casa"
/// alone is Spanish for a house.
fn is_named_after_brainvisa(name: &str) -> bool {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let after_casa = |word: &str| matches!(word, "distro" | "dev" | "run" | "master" | "brainvisa");
    name.contains("brainvisa")
        || name.contains("brain visa")
        || words.windows(2).any(|pair| pair[0] == "casa" && after_casa(pair[1]))
}

fn is_for_linux(machine: &VirtualMachine) -> bool {
    let words = ["linux", "ubuntu", "debian", "fedora", "red hat", "redhat", "opensuse", "suse", "mint", "centos", "oracle"];
    machine.os_type.as_deref().map(str::to_lowercase).is_some_and(|os| words.iter().any(|word| os.contains(word)))
}

fn is_for_arm(machine: &VirtualMachine) -> bool {
    machine.os_type.as_deref().is_some_and(|os| os.to_lowercase().contains("arm"))
}

#[cfg(test)]
mod testing {
    //! Made-up computers with VirtualBox.

    use super::*;
    use crate::facts::Machine;
    use crate::image::tests::answered;

    /// A machine by casa_distro's recipe.
    pub(super) fn right(name: &str) -> VirtualMachine {
        VirtualMachine {
            name: name.into(),
            uuid: "11111111-2222-4333-8444-555555555555".into(),
            os_type: Some("Ubuntu (64-bit)".into()),
            state: Some("poweroff".into()),
            graphics_controller: Some("vmsvga".into()),
            accelerate_3d: Some(true),
            video_memory_mb: Some(128),
            memory_mb: Some(8192),
            audio: Some("null".into()),
            ..VirtualMachine::default()
        }
    }

    /// A machine as `createvm` leaves it.
    pub(super) fn bare(name: &str) -> VirtualMachine {
        VirtualMachine {
            graphics_controller: Some("vboxvga".into()),
            accelerate_3d: Some(false),
            video_memory_mb: Some(8),
            audio: Some("default".into()),
            ..right(name)
        }
    }

    /// A computer with these machines.
    pub(super) fn computer(os: &str, version: &str, machines: Vec<VirtualMachine>) -> Facts {
        let virtualbox = VirtualBox {
            manage: Some("/usr/bin/VBoxManage".into()),
            version: Some(version.into()),
            total: Some(machines.len()),
            machines,
            ..VirtualBox::default()
        };
        let machine = Some(Machine { os: os.into(), ..Machine::default() });
        Facts { machine, virtualbox: Some(virtualbox), ..answered() }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    fn severities(facts: &Facts) -> Vec<Severity> {
        let findings = CHECKS.iter().flat_map(|check| match check.judge(facts) {
            Outcome::Findings(findings) => findings,
            _ => Vec::new(),
        });
        findings.map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_machine_by_the_recipe_has_no_finding() {
        for os in ["linux", "macos", "windows"] {
            assert!(severities(&computer(os, "7.2.22", vec![right("brainvisa-5.1")])).is_empty(), "{os}");
        }
    }

    #[test]
    fn a_machine_that_is_not_at_rest_is_shut_down_first() {
        for (state, is_at_rest) in [
            ("poweroff", true),
            ("aborted", true),
            ("running", false),
            ("saved", false),
            ("gurumeditation", false),
            ("aborted-saved", false),
            ("stopping", false),
        ] {
            let machine = VirtualMachine { state: Some(state.into()), video_memory_mb: Some(16), ..right("brainvisa-5.1") };
            let Outcome::Findings(found) = graphics::MEMORY_CHECK.judge(&computer("linux", "7.2.22", vec![machine])) else {
                panic!("{state}");
            };
            let is_told = found[0].advice.iter().any(|advice| advice.text.contains("Shut the virtual machine down first"));
            assert_eq!(is_told, !is_at_rest, "{state}");
        }
    }

    #[test]
    fn windows_is_told_where_its_program_is() {
        let mut facts = computer("windows", "7.2.22", vec![VirtualMachine { video_memory_mb: Some(16), ..right("brainvisa-5.1") }]);
        let commands = |facts: &Facts| match graphics::MEMORY_CHECK.judge(facts) {
            Outcome::Findings(findings) => {
                findings[0].advice.iter().filter_map(|advice| advice.command.clone()).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(commands(&facts), ["VBoxManage modifyvm brainvisa-5.1 --vram 128"]);
        facts.virtualbox.as_mut().unwrap().manage = Some("C:\\Program Files\\Oracle\\VirtualBox\\VBoxManage.exe".into());
        assert_eq!(
            commands(&facts),
            ["cd \"C:\\Program Files\\Oracle\\VirtualBox\"", ".\\VBoxManage modifyvm brainvisa-5.1 --vram 128"]
        );
    }

    #[test]
    fn machines_of_others_are_not_spoken_of() {
        assert!(severities(&computer("macos", "7.2.22", vec![bare("Debian"), bare("casa")])).is_empty());
        let windows = VirtualMachine { os_type: Some("Windows 11 (64-bit)".into()), ..bare("work") };
        assert!(severities(&computer("macos", "7.2.22", vec![windows])).is_empty());
        let only = severities(&computer("macos", "7.2.22", vec![bare("my linux")]));
        assert!(!only.is_empty() && only.iter().all(|severity| *severity == Severity::Info), "{only:?}");
        let arm = VirtualMachine { os_type: Some("Ubuntu (ARM 64-bit)".into()), ..bare("brainvisa") };
        assert!(severities(&computer("macos", "7.2.22", vec![arm])).is_empty());
    }

    #[test]
    fn names() {
        for (name, is) in [
            ("brainvisa-5.1", true),
            ("BrainVISA VM", true),
            ("my BrainVisa", true),
            ("casa_distro", true),
            ("casa-dev-5.0", true),
            ("casa", false),
            ("mi casa", false),
            ("casablanca", false),
            ("Ubuntu", false),
            ("", false),
        ] {
            assert_eq!(is_named_after_brainvisa(name), is, "{name}");
        }
    }

    #[test]
    fn what_could_not_be_asked_is_unknown() {
        let silent = VirtualMachine { error: Some("did not end within 1.2 s".into()), ..VirtualMachine::default() };
        let silent = VirtualMachine { name: "brainvisa".into(), ..silent };
        let mut facts = computer("linux", "7.2.22", vec![silent]);
        let outcome = graphics::CONTROLLER_CHECK.judge(&facts);
        assert!(matches!(&outcome, Outcome::Unknown(reason) if reason.contains("1.2 s")), "{outcome:?}");
        let virtualbox = facts.virtualbox.as_mut().unwrap();
        (virtualbox.machines, virtualbox.total) = (Vec::new(), None);
        virtualbox.unknown.insert("total".into(), "exited with status 1".into());
        assert!(matches!(graphics::CONTROLLER_CHECK.judge(&facts), Outcome::Unknown(_)));
    }

    #[test]
    fn a_name_that_a_shell_would_take_apart_is_not_pasted() {
        let machine = right("brainvisa; rm -rf ~");
        let command =
            Candidate { machine: &machine, manage: Path::new("VBoxManage"), at_most: Severity::Error }.modify("--vram 128");
        assert_eq!(command, "VBoxManage modifyvm 11111111-2222-4333-8444-555555555555 --vram 128");
    }
}
