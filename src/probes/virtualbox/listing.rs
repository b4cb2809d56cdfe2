//! What VBoxManage prints. The same keys in 6.1, 7.0 and 7.2; without its kernel module every output begins with a warning.

use casa_doctor_checks::facts::VirtualMachine;

/// The numbers of `7.2.22_Debianr175245`, `6.1.32_Ubuntur149290`, `7.0.16r162802`.
pub(super) fn version(text: &str) -> Option<String> {
    text.lines().map(str::trim).find_map(|line| {
        let end = line.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(line.len());
        let numbers = line[..end].trim_end_matches('.');
        (numbers.split('.').filter(|part| !part.is_empty()).count() >= 3).then(|| numbers.to_owned())
    })
}

/// The lines `"name" {uuid}` of `list vms`. A quotation mark in the name stands as it is.
pub(super) fn machines(text: &str) -> Vec<VirtualMachine> {
    let line = |line: &str| {
        let (name, uuid) = line.trim_end().strip_prefix('"')?.strip_suffix('}')?.rsplit_once("\" {")?;
        let plain = !uuid.is_empty() && uuid.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        plain.then(|| VirtualMachine { name: name.to_owned(), uuid: uuid.to_owned(), ..VirtualMachine::default() })
    };
    text.lines().filter_map(line).collect()
}

/// Reads the lines `key="value"` and `key=value` of `showvminfo --machinereadable`.
pub(super) fn describe(machine: &mut VirtualMachine, text: &str) {
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let value = unquoted(value.trim_end());
        let number = value.parse().ok();
        match key {
            "ostype" => machine.os_type = Some(value),
            "VMState" => machine.state = Some(value),
            "graphicscontroller" => machine.graphics_controller = Some(value.to_ascii_lowercase()),
            "accelerate3d" => machine.accelerate_3d = Some(value == "on"),
            "vram" => machine.video_memory_mb = number,
            "memory" => machine.memory_mb = number,
            "audio" => machine.audio = Some(value.to_ascii_lowercase()),
            "GuestAdditionsVersion" => machine.guest_additions = Some(value).filter(|value| !value.is_empty()),
            key if key.starts_with("SharedFolderName") => machine.shared_folders.push(value),
            _ => {}
        }
    }
}

/// A value without its quotation marks, and without the backslashes before such marks inside.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_real_builds() {
        for (text, expected) in [
            ("7.2.22_Debianr175245\n", Some("7.2.22")),
            ("6.1.32_Ubuntur149290\n", Some("6.1.32")),
            ("7.0.16r162802\n", Some("7.0.16")),
            (include_str!("../../../tests/data/virtualbox/version.txt"), Some("7.2.22")),
            ("WARNING: The character device /dev/vboxdrv does not exist.\n", None),
            ("", None),
        ] {
            assert_eq!(version(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_may_hold_anything() {
        let machines = machines(include_str!("../../../tests/data/virtualbox/list-vms.txt"));
        let names: Vec<_> = machines.iter().map(|machine| machine.name.as_str()).collect();
        assert_eq!(names, ["brainvisa-5.1", "plain one", "healthy", r#"odd "quoted" \ name"#]);
        assert_eq!(machines[0].uuid, "11111111-2222-4333-8444-555555555555");
        assert!(super::machines("\"<inaccessible>\" {--option}\n\"x\" {}\nnothing\n").len() <= 1);
    }

    /// To the letter of 6.1 on Linux and on a Mac, from notes: no such version could be recorded here.
    #[test]
    fn sound_in_version_6_and_7() {
        for (line, expected) in [
            ("audio=\"alsa\"", "alsa"),
            ("audio=\"coreaudio\"", "coreaudio"),
            ("audio=\"none\"", "none"),
            ("audio=\"default\"", "default"),
        ] {
            let mut machine = VirtualMachine::default();
            describe(&mut machine, &format!("name=\"x\"\n{line}\naudio_out=\"off\"\n"));
            assert_eq!(machine.audio.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_running_machine_tells_its_additions() {
        let mut machine = VirtualMachine::default();
        describe(&mut machine, "VMState=\"running\"\r\nGuestAdditionsVersion=\"6.1.32 r149290\"\r\nvram=128\r\n");
        assert_eq!((machine.guest_additions.as_deref(), machine.video_memory_mb), (Some("6.1.32 r149290"), Some(128)));
    }
}
