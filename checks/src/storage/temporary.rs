//! Can temporary files be made?

use super::place;
use crate::check::{Category, Check, Outcome};
use crate::config::layers::shell_word;
use crate::facts::{DiskPlace, DiskRole, Facts, ProbeId};
use crate::finding::{Finding, FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "temporary-directory",
    category: Category::Storage,
    question: "Can temporary files be made?",
    needs: &[ProbeId::Storage],
    findings: &[&UNWRITABLE],
    run,
};

static UNWRITABLE: FindingKind = FindingKind {
    id: "tmp-unwritable",
    code: "CD1305",
    severity: Severity::Error,
    title: "The directory for temporary files cannot be written to",
    why: "Programs put temporary files into the directory that TMPDIR names, or into /tmp. Where they may not, some take another \
          place and others end with a message about something else: X servers, ssh agents and engines keep their sockets and \
          private files there.",
    cure: "Unset TMPDIR where it names a directory that is gone. /tmp itself must be open to everybody, with mode 1777.",
    example: "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/home/anna']",
    since: "0.1.0",
};

fn run(facts: &Facts) -> Outcome {
    if facts.is_windows() {
        return Outcome::Skipped("Windows has another directory for them".to_owned());
    }
    let Some(storage) = &facts.storage else { return Outcome::Unknown("nothing was recorded about disks".to_owned()) };
    let Some(temporary) = place(storage, DiskRole::Temporary) else {
        return Outcome::Unknown("where temporary files go was not recorded".to_owned());
    };
    // Programs do not make the directory itself.
    if temporary.exists == Some(false) || temporary.writable == Some(false) {
        return Outcome::Findings(vec![unwritable(temporary)]);
    }
    match temporary.writable {
        Some(_) => Outcome::Pass,
        None => Outcome::Unknown(format!(
            "whether {} can be written to is not known: {}",
            temporary.path.display(),
            temporary.refusal.as_deref().unwrap_or("it was not recorded")
        )),
    }
}

fn unwritable(temporary: &DiskPlace) -> Finding {
    let path = temporary.path.display();
    let is_gone = temporary.exists == Some(false);
    let mut finding = UNWRITABLE.found().evidence(if is_gone {
        format!("{path} does not exist")
    } else {
        format!("{path} exists, and this user may not write to it")
    });
    if let Some(refusal) = temporary.refusal.as_ref().filter(|_| !is_gone) {
        finding = finding.evidence(refusal.as_str());
    }
    let word = shell_word(&path.to_string());
    match &temporary.variable {
        Some(variable) => {
            let title =
                if is_gone { "names a directory that does not exist" } else { "names a directory that cannot be written to" };
            finding
                // Python and others fall back to /tmp.
                .severity(Severity::Warning)
                .title(format!("{variable} {title}"))
                .evidence(format!("the variable {variable} names it"))
                .advise_command(
                    "Unset the variable, and remove the line that sets it from the shell's start-up file or the job's script:",
                    format!("unset {variable}"),
                )
                .advise("Or let it name a directory that you may write to.")
        }
        None if is_gone => finding.advise_command("An administrator can make it anew:", format!("sudo mkdir -m 1777 {word}")),
        None if temporary.read_only == Some(true) => finding.advise_command(
            "Its disk is mounted read-only, which the kernel does by itself after errors of the disk. Its log tells:",
            "sudo dmesg | grep -iE 'read-only|i/o error'",
        ),
        None => finding.advise_command("An administrator can open it to everybody again:", format!("sudo chmod 1777 {word}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Storage;
    use crate::image::tests::{answered, findings};

    fn facts(path: &str, variable: Option<&str>, exists: bool, writable: Option<bool>) -> Facts {
        let place = DiskPlace {
            role: DiskRole::Temporary,
            path: path.into(),
            variable: variable.map(str::to_owned),
            exists: Some(exists),
            writable,
            ..DiskPlace::default()
        };
        Facts { storage: Some(Storage { places: vec![place], ..Storage::default() }), ..answered() }
    }

    #[test]
    fn the_directory_of_a_variable_is_a_warning_and_that_of_the_system_an_error() {
        assert_eq!(CHECK.judge(&facts("/tmp", None, true, Some(true))), Outcome::Pass);
        for (path, variable, exists, writable, severity, command) in [
            ("/tmp", None, true, Some(false), Severity::Error, "sudo chmod 1777 /tmp"),
            ("/scratch/job 7", Some("TMPDIR"), true, Some(false), Severity::Warning, "unset TMPDIR"),
            // What is told of a directory that does not exist is that of the one above it.
            ("/scratch/7", Some("TMPDIR"), false, Some(true), Severity::Warning, "unset TMPDIR"),
        ] {
            let found = findings(&CHECK, &facts(path, variable, exists, writable));
            assert_eq!((found[0].kind.id, found[0].severity), ("tmp-unwritable", severity), "{path}");
            assert_eq!(found[0].advice[0].command.as_deref(), Some(command));
        }
    }

    #[test]
    fn permission_bits_do_not_open_a_disk_that_is_mounted_read_only() {
        let mut facts = facts("/tmp", None, true, Some(false));
        facts.storage.as_mut().unwrap().places[0].read_only = Some(true);
        assert!(findings(&CHECK, &facts)[0].advice[0].command.as_deref().unwrap().contains("dmesg"));
    }

    #[test]
    fn windows_has_no_tmp() {
        let mut facts = facts("/tmp", None, false, None);
        facts.machine = Some(crate::facts::Machine { os: "windows".into(), ..Default::default() });
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)));
    }

    #[test]
    fn what_was_not_told_is_unknown() {
        assert!(matches!(CHECK.judge(&facts("/tmp", None, true, None)), Outcome::Unknown(_)));
        assert!(matches!(CHECK.judge(&answered()), Outcome::Unknown(_)));
    }
}
