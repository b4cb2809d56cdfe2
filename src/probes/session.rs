//! The probe "session": who is asking, from where, and which variables bend what follows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::Session;

use super::Context;
use crate::host::Host;

/// Variables whose value decides how something is drawn, besides the families below. Only these values are ever stored.
const GRAPHICS_VARIABLES: &[&str] = &[
    "CUDA_VISIBLE_DEVICES",
    "DRI_PRIME",
    "GALLIUM_DRIVER",
    "GBM_BACKEND",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LP_NUM_THREADS",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
    "QMLSCENE_DEVICE",
    "QT_OPENGL",
    "QT_QPA_PLATFORM",
    "QT_QUICK_BACKEND",
    "QT_X11_NO_MITSHM",
    "QT_XCB_GL_INTEGRATION",
    "SOFTWARE_OPENGL",
    "XLIB_SKIP_ARGB_VISUALS",
];

/// Families of such variables, each by the prefix that Mesa, glvnd, NVIDIA, the Vulkan loader, VirtualGL and others gave it.
const GRAPHICS_FAMILIES: &[&str] = &[
    "EGL_",
    "GALLIUM_",
    "LIBGL_",
    "LIBVA_",
    "MESA_",
    "PRIMUS_",
    "VDPAU_",
    "VGL_",
    "VK_",
    "__EGL_",
    "__GLX_",
    "__GL_",
    "__NV_",
    "__VK_LAYER_NV_",
];

/// Longest value that is stored, in characters: no real one comes near it.
const LONGEST_VALUE: usize = 4096;

/// Endings of engine variables that say where files are kept or how much is printed, and never reach the container; and of those by
/// which environment modules tell where they put the engine, and which it does not read.
const HARMLESS_ENGINE_VARIABLES: &[&str] = &[
    "BASE",
    "CACHEDIR",
    "CONFIGDIR",
    "DEBUG",
    "DIR",
    "DISABLE_CACHE",
    "KEYSDIR",
    "LOCALCACHEDIR",
    "MESSAGELEVEL",
    "NOCOLOR",
    "PREFIX",
    "PULLDIR",
    "QUIET",
    "ROOT",
    "SILENT",
    "SYPGPDIR",
    "TMPDIR",
    "VERBOSE",
    "VERSION",
];

/// Looks at the session of whoever called.
pub(crate) fn probe(context: &Context) -> Session {
    let host = context.host.as_ref();
    let identity = host.identity();
    let mut session = Session {
        uid: identity.uid,
        user: identity.user,
        home: identity.home,
        groups: identity.groups,
        display: host.env_text("DISPLAY"),
        xauthority: host.env("XAUTHORITY").filter(|value| !value.is_empty()).map(PathBuf::from),
        session_type: host.env_text("XDG_SESSION_TYPE"),
        wayland_display: host.env_text("WAYLAND_DISPLAY"),
        ssh: came_by_ssh(host),
        multiplexer: multiplexer(host),
        x2go: host.env_text("X2GO_SESSION").is_some(),
        sudo_user: host.env_text("SUDO_USER"),
        inside_container: inside_container(host),
        graphics_variables: graphics_variables(host),
        leftover_variables: Vec::new(),
        unknown: BTreeMap::new(),
    };
    session.leftover_variables = leftover_variables(host);
    for (field, known, reason) in [
        ("uid", session.uid.is_some(), "this system has no user ids"),
        ("user", session.user.is_some(), "neither the user database nor USER names this user"),
        ("home", session.home.is_some(), "HOME is not set and the user database names no home directory"),
    ] {
        if !known {
            session.unknown.insert(field.to_owned(), reason.to_owned());
        }
    }
    session
}

/// Whether an ssh server stands behind this session. Its variables are lost under sudo, su and in containers, its process is
/// not: the ancestors are asked, too.
fn came_by_ssh(host: &dyn Host) -> bool {
    ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"].iter().any(|name| host.env_text(name).is_some()) || sshd_is_an_ancestor(host)
}

fn sshd_is_an_ancestor(host: &dyn Host) -> bool {
    let mut directory = PathBuf::from("/proc/self");
    // A chain of processes is short; the limit guards against one that changes while it is walked.
    for _ in 0..64 {
        let Ok(status) = host.read_text(&directory.join("status"), 64 * 1024) else { return false };
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        // OpenSSH 9.8 moved sessions into a program of their own.
        if matches!(field("Name"), Some("sshd" | "sshd-session")) {
            return true;
        }
        match field("PPid") {
            None | Some("0") => return false,
            Some(parent) => directory = Path::new("/proc").join(parent),
        }
    }
    false
}

fn multiplexer(host: &dyn Host) -> Option<String> {
    let set = |name: &str| host.env_text(name).is_some();
    let name = if set("TMUX") {
        "tmux"
    } else if set("STY") {
        "screen"
    } else {
        return None;
    };
    Some(name.to_owned())
}

/// The container around us, by the marks that each engine leaves. A lone `CASA_HOST_DIR` proves nothing: it may be a leftover
/// in the environment of the host. Nor does a lone `/.dockerenv`: virtual machines are made out of Docker images, too.
fn inside_container(host: &dyn Host) -> Option<String> {
    let there = |path: &str| host.exists(Path::new(path)) == Some(true);
    let set = |name: &str| host.env_text(name).is_some();
    let apptainer = there("/.singularity.d")
        && ["APPTAINER_NAME", "APPTAINER_CONTAINER", "SINGULARITY_NAME", "SINGULARITY_CONTAINER"].iter().any(|name| set(name));
    let engine = if apptainer {
        "apptainer"
    } else if there("/.dockerenv") && names_are_mounted(host) {
        "docker"
    } else if there("/run/.containerenv") && names_are_mounted(host) {
        "podman"
    } else if there("/.flatpak-info") {
        // The terminal of an editor, say, which sees none of the machine's programs.
        "flatpak"
    } else {
        return None;
    };
    Some(if set("CASA_HOST_DIR") { "casa-distro" } else { engine }.to_owned())
}

/// Whether the files that name the machine and its neighbours are mounts, which Docker and Podman make for every container.
/// Where mounts cannot be listed this is taken for granted.
fn names_are_mounted(host: &dyn Host) -> bool {
    let Ok(mounts) = host.read_text(Path::new("/proc/self/mountinfo"), 4 << 20) else { return true };
    let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.any(|point| matches!(point, "/etc/hosts" | "/etc/hostname" | "/etc/resolv.conf"))
}

/// Whether a variable decides how something is drawn: its value is stored, and may be told.
pub(crate) fn is_graphics_variable(name: &str) -> bool {
    GRAPHICS_VARIABLES.contains(&name) || GRAPHICS_FAMILIES.iter().any(|prefix| name.starts_with(prefix))
}

/// The variables of the allow-lists that are set, with their values.
fn graphics_variables(host: &dyn Host) -> BTreeMap<String, String> {
    let names = host.env_names().into_iter().filter_map(|name| name.into_string().ok());
    names
        .filter(|name| is_graphics_variable(name))
        .filter_map(|name| {
            let value = host.env(&name)?;
            let value = value.to_string_lossy().chars().take(LONGEST_VALUE).collect();
            Some((name, value))
        })
        .collect()
}

/// Names of variables that change a launch without being asked for, sorted. Inside a container they are the launch's own.
fn leftover_variables(host: &dyn Host) -> Vec<String> {
    let mut names: Vec<_> = host
        .env_names()
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .filter(|name| {
            if name == "CASA_HOST_DIR" || name.starts_with("APPTAINERENV_") || name.starts_with("SINGULARITYENV_") {
                return true;
            }
            let option = name.strip_prefix("APPTAINER_").or_else(|| name.strip_prefix("SINGULARITY_"));
            option.is_some_and(|option| !option.starts_with("DOCKER_") && !HARMLESS_ENGINE_VARIABLES.contains(&option))
        })
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::host::RecordedHost;

    fn probe_of(host: RecordedHost) -> Session {
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) })
    }

    #[test]
    fn only_listed_variables_are_stored() {
        let session = probe_of(
            RecordedHost::new()
                .env("LIBGL_ALWAYS_SOFTWARE", "1")
                .env("__GLX_VENDOR_LIBRARY_NAME", "nvidia")
                .env("GITHUB_TOKEN", "ghp_secret")
                .env("APPTAINERENV_PASSWORD", "hunter2")
                .env("APPTAINER_DOCKER_PASSWORD", "hunter2")
                .env("APPTAINER_BIND", "/data")
                .env("APPTAINER_TMPDIR", "/scratch")
                .env("APPTAINER_ROOT", "/opt/modules/apptainer/1.4.5")
                .env("DISPLAY", ":0"),
        );
        assert_eq!(session.graphics_variables.len(), 2);
        assert_eq!(session.graphics_variables["__GLX_VENDOR_LIBRARY_NAME"], "nvidia");
        assert_eq!(session.leftover_variables, ["APPTAINERENV_PASSWORD", "APPTAINER_BIND"]);
        let text = serde_json::to_string(&session).unwrap();
        assert!(!text.contains("secret") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_very_long_value_is_cut() {
        let session = probe_of(RecordedHost::new().env("LD_LIBRARY_PATH", &"x".repeat(100_000)));
        assert_eq!(session.graphics_variables["LD_LIBRARY_PATH"].len(), LONGEST_VALUE);
    }

    #[test]
    fn ssh_is_seen_through_the_ancestors_when_its_variables_are_lost() {
        let host = || {
            RecordedHost::new()
                .file("/proc/self/status", "Name:\tcasa-doctor\nPPid:\t40\n")
                .file("/proc/40/status", "Name:\tbash\nPPid:\t30\n")
                .file("/proc/1/status", "Name:\tsystemd\nPPid:\t0\n")
        };
        assert!(probe_of(host().file("/proc/30/status", "Name:\tsshd-session\nPPid:\t1\n")).ssh);
        assert!(!probe_of(host().file("/proc/30/status", "Name:\tgnome-terminal-\nPPid:\t1\n")).ssh);
        // A parent that is its own parent must not be walked for ever.
        assert!(!probe_of(host().file("/proc/30/status", "Name:\tloop\nPPid:\t30\n")).ssh);
        assert!(probe_of(RecordedHost::new().env("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")).ssh);
    }

    #[test]
    fn a_container_is_told_by_its_marks_and_not_by_a_leaked_variable() {
        let inside = |host| probe_of(host).inside_container;
        assert_eq!(inside(RecordedHost::new().env("CASA_HOST_DIR", "/x")), None);
        let apptainer = || RecordedHost::new().directory("/.singularity.d").env("APPTAINER_NAME", "x.sif");
        assert_eq!(inside(apptainer()).as_deref(), Some("apptainer"));
        assert_eq!(inside(apptainer().env("CASA_HOST_DIR", "/x")).as_deref(), Some("casa-distro"));
        assert_eq!(inside(RecordedHost::new().file("/.dockerenv", "")).as_deref(), Some("docker"));
        assert_eq!(inside(RecordedHost::new().file("/run/.containerenv", "")).as_deref(), Some("podman"));
        assert_eq!(inside(RecordedHost::new().file("/.flatpak-info", "[Application]\n")).as_deref(), Some("flatpak"));
        assert_eq!(inside(RecordedHost::new().directory("/.singularity.d")), None);
        let mounts = |lines: &str| RecordedHost::new().file("/.dockerenv", "").file("/proc/self/mountinfo", lines);
        let root = "22 1 254:0 / / rw - ext4 /dev/vda rw\n";
        assert_eq!(inside(mounts(root)), None);
        let hosts = "812 790 8:1 /var/lib/docker/containers/4f/hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw\n";
        assert_eq!(inside(mounts(&format!("{root}{hosts}"))).as_deref(), Some("docker"));
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let session = probe_of(RecordedHost::new().env("DISPLAY", "").env("XAUTHORITY", "").env("TMUX", ""));
        assert_eq!((session.display, session.xauthority, session.multiplexer), (None, None, None));
    }
}
