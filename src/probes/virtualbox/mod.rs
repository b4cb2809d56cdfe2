//! The probe "virtualbox": the virtual machines of this user, and this machine when it is one itself. No machine is started or
//! changed.

mod guest;
mod listing;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{VirtualBox, VirtualMachine};

use super::{Context, machine};
use crate::crash;
use crate::host::{Command, CommandEnd, CommandOutput, Host};

/// The program that tells about machines.
const MANAGE: &str = "VBoxManage";
/// Where its installers put it when it is not on PATH.
const PLACES: &[&str] = &[
    "/usr/bin/VBoxManage",
    "/usr/local/bin/VBoxManage",
    "/opt/VirtualBox/VBoxManage",
    "/Applications/VirtualBox.app/Contents/MacOS/VBoxManage",
    r"C:\Program Files\Oracle\VirtualBox\VBoxManage.exe",
];
/// Folders of the user's settings, below the home directory, on Linux, on macOS, on Windows and in old versions.
const SETTINGS: &[&str] = &[".config/VirtualBox", "Library/VirtualBox", ".VirtualBox"];
/// What VBoxManage says when its service cannot be spoken to. That may be for a moment only: five seconds after its last client the
/// service ends, and who comes then is turned away, or waits ten seconds for an answer (seen with 7.2.22).
const NO_SERVICE: [&str; 2] = ["COM server", "initialize COM"];
/// How long after that it is asked once more.
const PAUSE: Duration = Duration::from_millis(100);
/// How many machines are looked at.
const MOST: usize = 16;

/// Looks at VirtualBox.
///
/// # Errors
///
/// The reason why there is nothing to look at.
pub(crate) fn probe(context: &Context) -> Result<VirtualBox, String> {
    let host = context.host.as_ref();
    let inside = machine::virtualization::hypervisor(host).ok().flatten().is_some_and(|name| name == "virtualbox");
    let manage = manage(host);
    if manage.is_none() && !inside {
        return Err("VirtualBox is not installed, and this is not one of its machines".to_owned());
    }
    let mut facts = VirtualBox { guest: inside.then(|| guest::look(host)), ..VirtualBox::default() };
    if let Some(program) = manage {
        let deadline = Instant::now() + context.limit.mul_f32(0.9);
        // The list, once more if need be, and then all machines at once.
        Manage { host, program: &program, limit: context.limit.mul_f32(0.3), deadline }.look(&mut facts, settings(host));
        facts.manage = Some(program);
    }
    Ok(facts)
}

fn manage(host: &dyn Host) -> Option<PathBuf> {
    let by_installer = host.env("VBOX_MSI_INSTALL_PATH").map(|folder| Path::new(&folder).join("VBoxManage.exe"));
    let places = by_installer.into_iter().chain(PLACES.iter().map(PathBuf::from));
    host.which(OsStr::new(MANAGE)).or_else(|| places.into_iter().find(|path| host.exists(path) == Some(true)))
}

/// Whether the user has ever used VirtualBox, so that it has a folder of settings.
fn settings(host: &dyn Host) -> bool {
    let file = "VirtualBox.xml";
    let named = host.env("VBOX_USER_HOME").map(PathBuf::from);
    let moved = host.env("XDG_CONFIG_HOME").map(|folder| Path::new(&folder).join("VirtualBox"));
    let home = host.identity().home.unwrap_or_default();
    let places = named.into_iter().chain(moved).chain(SETTINGS.iter().map(|folder| home.join(folder)));
    places.into_iter().any(|folder| host.exists(&folder.join(file)) == Some(true))
}

/// The program VBoxManage.
struct Manage<'a> {
    host: &'a dyn Host,
    program: &'a Path,
    /// How long it may take each time: it starts a service, which reads every machine.
    limit: Duration,
    deadline: Instant,
}

impl Manage<'_> {
    fn run(&self, arguments: &[&str]) -> CommandOutput {
        let limit = self.limit.min(self.deadline.saturating_duration_since(Instant::now()));
        let command = Command::new(self.program, limit).args(arguments.iter().copied());
        self.host.run(&command.env("LC_ALL", "C.UTF-8"))
    }

    /// Asks the service, and once more if it was not there.
    fn ask(&self, arguments: &[&str]) -> CommandOutput {
        let output = self.run(arguments);
        let said = output.stderr_text();
        let refused = !output.success() && NO_SERVICE.iter().any(|words| said.contains(words));
        if !refused && !matches!(output.end, CommandEnd::TimedOut { .. }) {
            return output;
        }
        if Instant::now() + PAUSE >= self.deadline {
            return output;
        }
        if refused {
            thread::sleep(PAUSE);
        }
        self.run(arguments)
    }

    fn look(&self, facts: &mut VirtualBox, settings: bool) {
        thread::scope(|scope| {
            // It says so without its service.
            let version = scope.spawn(crash::shared(|| self.run(&["--version"])));
            if settings {
                self.list(facts);
            } else {
                // To ask would make the folder, and looking must leave nothing behind. Who has none has no machines either.
                facts.total = Some(0);
            }
            let Ok(output) = version.join() else { return };
            facts.version = listing::version(&output.stdout_text());
            if facts.version.is_none() {
                facts.unknown.insert("version".to_owned(), format!("\"{MANAGE} --version\" {}", output.end_in_words()));
            }
        });
    }

    fn list(&self, facts: &mut VirtualBox) {
        let output = self.ask(&["list", "vms"]);
        if !output.success() {
            facts.unknown.insert("total".to_owned(), format!("\"{MANAGE} list vms\" {}", output.end_in_words()));
            return;
        }
        let machines = listing::machines(&output.stdout_text());
        facts.total = Some(machines.len());
        facts.machines = thread::scope(|scope| {
            let look = |machine| scope.spawn(crash::shared(move || self.machine(machine)));
            let looks: Vec<_> = machines.into_iter().take(MOST).map(look).collect();
            looks.into_iter().filter_map(|look| look.join().ok()).collect()
        });
    }

    fn machine(&self, mut machine: VirtualMachine) -> VirtualMachine {
        let uuid = machine.uuid.clone();
        let output = self.ask(&["showvminfo", &uuid, "--machinereadable"]);
        if !output.success() {
            let said = output.stderr_text();
            let said = said.lines().find(|line| line.contains("error:")).map(|line| format!(": {}", line.trim()));
            machine.error = Some(format!("\"{MANAGE} showvminfo\" {}{}", output.end_in_words(), said.unwrap_or_default()));
            return machine;
        }
        listing::describe(&mut machine, &output.stdout_text());
        let scale = self.ask(&["getextradata", &uuid, "GUI/ScaleFactor"]);
        machine.scale =
            scale.stdout_text().lines().find_map(|line| line.strip_prefix("Value: ")).map(|value| value.trim().to_owned());
        machine
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::RecordedHost;

    const FRESH: &str = include_str!("../../../tests/data/virtualbox/showvminfo-fresh.txt");
    const CONFIGURED: &str = include_str!("../../../tests/data/virtualbox/showvminfo-configured.txt");
    const LIST: &str = include_str!("../../../tests/data/virtualbox/list-vms.txt");
    const VERSION: &str = include_str!("../../../tests/data/virtualbox/version.txt");
    const SCALE: &str = include_str!("../../../tests/data/virtualbox/scale.txt");
    const NO_SCALE: &str = include_str!("../../../tests/data/virtualbox/no-scale.txt");

    fn probe_of(host: RecordedHost) -> Result<VirtualBox, String> {
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) })
    }

    fn installed() -> RecordedHost {
        let host = RecordedHost::new().file("/home/anna/.config/VirtualBox/VirtualBox.xml", "");
        host.command(&[MANAGE, "--version"], 0, VERSION, "").command(&[MANAGE, "list", "vms"], 0, LIST, "")
    }

    #[test]
    fn a_machine_without_virtualbox_is_not_looked_at() {
        assert!(probe_of(RecordedHost::new()).unwrap_err().contains("not installed"));
    }

    /// The real output of VBoxManage 7.2.22, in a described machine.
    #[test]
    fn real_machines_are_read() {
        let fresh = "11111111-2222-4333-8444-555555555555";
        let healthy = "9fd2f112-8ade-407f-9bf6-151cfe577c7d";
        let facts = probe_of(
            installed()
                .command(&[MANAGE, "showvminfo", fresh, "--machinereadable"], 0, FRESH, "")
                .command(&[MANAGE, "showvminfo", healthy, "--machinereadable"], 0, CONFIGURED, "")
                .command(&[MANAGE, "getextradata", fresh, "GUI/ScaleFactor"], 0, SCALE, "")
                .command(&[MANAGE, "getextradata", healthy, "GUI/ScaleFactor"], 0, NO_SCALE, ""),
        )
        .unwrap();
        assert_eq!((facts.version.as_deref(), facts.total), (Some("7.2.22"), Some(4)));
        let named = |name: &str| facts.machines.iter().find(|machine| machine.name == name).unwrap();
        let machine = named("brainvisa-5.1");
        assert_eq!((machine.graphics_controller.as_deref(), machine.accelerate_3d), (Some("vboxvga"), Some(false)));
        assert_eq!((machine.video_memory_mb, machine.memory_mb), (Some(50), Some(8192)));
        assert_eq!((machine.audio.as_deref(), machine.state.as_deref()), (Some("default"), Some("poweroff")));
        assert_eq!((machine.os_type.as_deref(), machine.scale.as_deref()), (Some("Ubuntu (64-bit)"), Some("2.0")));
        assert_eq!(machine.shared_folders, ["home"]);
        let machine = named("healthy");
        assert_eq!((machine.graphics_controller.as_deref(), machine.accelerate_3d), (Some("vmsvga"), Some(true)));
        assert_eq!((machine.audio.as_deref(), machine.scale.as_deref()), (Some("null"), None));
        assert!(named("plain one").error.as_deref().unwrap().contains("showvminfo"), "a machine that does not answer");
    }

    #[test]
    fn a_list_that_fails_is_unknown_and_a_user_without_settings_has_no_machines() {
        let host = RecordedHost::new().command(&[MANAGE, "--version"], 0, VERSION, "");
        let failing = || host_with(&[MANAGE, "list", "vms"]);
        let facts = probe_of(host).unwrap();
        assert_eq!((facts.total, facts.unknown.is_empty()), (Some(0), true), "{facts:?}");
        let facts = probe_of(failing().file("/home/anna/.config/VirtualBox/VirtualBox.xml", "")).unwrap();
        assert_eq!(facts.total, None);
        assert!(facts.unknown["total"].contains("status 1"), "{:?}", facts.unknown);
    }

    fn host_with(failing: &[&str]) -> RecordedHost {
        let host = RecordedHost::new().command(&[MANAGE, "--version"], 0, VERSION, "");
        host.command(failing, 1, "", "VBoxManage: error: Failed to initialize COM! (hrc=NS_ERROR_FAILURE)\n")
    }

    #[test]
    fn inside_of_a_machine_its_shared_folders_are_looked_at() {
        let host = RecordedHost::new()
            .file("/sys/class/dmi/id/product_name", "VirtualBox\n")
            .file("/sys/class/dmi/id/sys_vendor", "innotek GmbH\n")
            .file("/proc/mounts", "home /media/sf_home vboxsf rw,nodev,relatime 0 0\n")
            .directory("/media/sf_home");
        let facts = probe_of(host).unwrap();
        assert_eq!(facts.manage, None);
        assert_eq!(facts.guest.unwrap().shared_folders.len(), 1);
    }
}
