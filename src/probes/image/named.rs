//! Images that Docker or Podman keep: asked of them by name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{EngineKind, NamedImage};
use serde_json::Value;

use crate::host::{Command, Host};

/// The program that keeps the images of a `container_type`: its own, else the other one, which can do the same.
pub(crate) fn keeper(host: &dyn Host, container_type: &str) -> Option<(EngineKind, PathBuf)> {
    let names = if container_type == "podman" { ["podman", "docker"] } else { ["docker", "podman"] };
    let path = names.into_iter().find_map(|name| host.which(OsStr::new(name)))?;
    Some((kind_of(host, &path), path))
}

/// Whether a program called `docker` or `podman` is the one or the other: the `docker` of Podman's own package is a script that
/// starts Podman.
pub(crate) fn kind_of(host: &dyn Host, path: &Path) -> EngineKind {
    let real = host.canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_podman = |text: &str| text.contains("podman");
    let by_name = real.file_name().is_some_and(|name| is_podman(&name.to_string_lossy()));
    // A real Docker is a large program and not read.
    let by_text = || host.read(&real, 4096).is_ok_and(|text| text.starts_with(b"#!") && is_podman(&String::from_utf8_lossy(&text)));
    if by_name || by_text() { EngineKind::Podman } else { EngineKind::Docker }
}

/// Asks for an image: `None` when there is none of that name. An error says why that is not known.
pub(crate) fn inspect(
    host: &dyn Host,
    kind: EngineKind,
    program: &Path,
    name: &str,
    limit: Duration,
) -> Result<Option<NamedImage>, String> {
    if name.starts_with('-') {
        return Err(format!("\"{name}\" cannot be the name of an image"));
    }
    if kind == EngineKind::Podman && has_no_store(host) {
        return Ok(None);
    }
    let command = Command::new(program, limit).args(["image", "inspect", name]).env("LC_ALL", "C");
    let output = host.run(&command);
    if !output.success() {
        let said = output.stderr_text();
        let is_missing = |line: &str| {
            let line = line.to_ascii_lowercase();
            ["no such image", "image not known", "no such object"].iter().any(|words| line.contains(words))
        };
        if said.lines().any(is_missing) {
            return Ok(None);
        }
        // Warnings of Podman stand before what counts.
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).map(|line| format!(": {line}"));
        return Err(format!("\"{} image inspect\" {}{}", kind.program(), output.end_in_words(), last.unwrap_or_default()));
    }
    let list: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("\"{} image inspect\" answered no JSON: {error}", kind.program()))?;
    let told = list.get(0).unwrap_or(&Value::Null);
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let words = told.pointer("/Config/Entrypoint").and_then(Value::as_array);
    Ok(Some(NamedImage {
        engine: kind,
        id: text("/Id").ok_or_else(|| format!("\"{} image inspect\" told no Id", kind.program()))?,
        architecture: text("/Architecture"),
        entry_point: words.map(|words| words.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default(),
        user: text("/Config/User"),
    }))
}

/// Whether this user certainly keeps no image with Podman, which would make a store just to say so, and leave a process behind
/// (containers-storage.conf(5)).
fn has_no_store(host: &dyn Host) -> bool {
    let identity = host.identity();
    let Some(home) = identity.home.filter(|_| cfg!(target_os = "linux") && identity.uid.is_some_and(|uid| uid != 0)) else {
        return false;
    };
    let directory = |variable: &str, below_home: &str| {
        host.env(variable).filter(|value| !value.is_empty()).map_or_else(|| home.join(below_home), PathBuf::from)
    };
    let is_elsewhere = ["CONTAINER_HOST", "CONTAINERS_STORAGE_CONF", "STORAGE_DRIVER"].iter().any(|name| host.env(name).is_some());
    let own = directory("XDG_CONFIG_HOME", ".config").join("containers/storage.conf");
    let names_a_store =
        |line: &str| ["rootless_storage_path", "additionalimagestores"].iter().any(|key| line.trim_start().starts_with(key));
    let is_named = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"]
        .iter()
        .any(|path| host.read_text(Path::new(path), 1 << 20).is_ok_and(|text| text.lines().any(names_a_store)));
    let store = directory("XDG_DATA_HOME", ".local/share").join("containers/storage");
    !is_elsewhere && !is_named && host.exists(&own) == Some(false) && host.exists(&store) == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[cfg(target_os = "linux")]
    #[test]
    fn podman_is_not_asked_where_it_would_have_to_make_a_store_to_say_that_there_is_nothing() {
        assert!(has_no_store(&RecordedHost::new()));
        for other in [
            RecordedHost::new().directory("/home/anna/.local/share/containers/storage"),
            RecordedHost::new().env("XDG_DATA_HOME", "/big").directory("/big/containers/storage"),
            RecordedHost::new().env("CONTAINER_HOST", "ssh://other"),
            RecordedHost::new().file("/home/anna/.config/containers/storage.conf", ""),
            RecordedHost::new().file("/etc/containers/storage.conf", "[storage.options]\nadditionalimagestores = [\"/srv\"]\n"),
        ] {
            assert!(!has_no_store(&other));
        }
        let commented = RecordedHost::new().file("/etc/containers/storage.conf", "# rootless_storage_path = \"x\"\n");
        assert!(has_no_store(&commented));
    }

    fn answered(status: i32, stdout: &str, stderr: &str) -> Result<Option<NamedImage>, String> {
        let words = ["/usr/bin/docker", "image", "inspect", "casa:5"];
        let host = RecordedHost::new().command(&words, status, stdout, stderr);
        inspect(&host, EngineKind::Docker, Path::new("/usr/bin/docker"), "casa:5", Duration::from_secs(1))
    }

    #[test]
    fn what_the_engines_answer() {
        let told =
            r#"[{"Id":"sha256:d76c","Architecture":"amd64","Config":{"User":"","Entrypoint":["/.singularity.d/runscript"]}}]"#;
        let image = answered(0, told, "").unwrap().unwrap();
        assert_eq!((image.id.as_str(), image.architecture.as_deref(), image.user), ("sha256:d76c", Some("amd64"), None));
        assert_eq!(image.entry_point, ["/.singularity.d/runscript"]);
        let bare = answered(0, r#"[{"Id":"798e","Config":{"Entrypoint":null}}]"#, "").unwrap().unwrap();
        assert!(bare.entry_point.is_empty());
        for missing in [
            "Error response from daemon: no such image: casa:5: No such image: casa:5\n",
            "time=\"…\" level=warning msg=\"…\"\nError: inspecting object: casa:5: image not known\n",
        ] {
            assert_eq!(answered(1, "", missing), Ok(None), "{missing}");
        }
        let down = answered(1, "", "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n");
        assert!(down.unwrap_err().contains("Cannot connect"));
        assert!(answered(0, "nonsense", "").is_err());
    }

    #[test]
    fn a_docker_that_is_podman_is_known() {
        let host =
            RecordedHost::new().command(&["docker"], 0, "", "").file("/usr/bin/docker", "#!/bin/sh\nexec /usr/bin/podman \"$@\"\n");
        assert_eq!(keeper(&host, "docker").unwrap().0, EngineKind::Podman);
        let host = RecordedHost::new().command(&["podman"], 0, "", "").file("/usr/bin/podman", "\u{7f}ELF");
        assert_eq!(keeper(&host, "docker"), Some((EngineKind::Podman, "/usr/bin/podman".into())));
        assert_eq!(keeper(&RecordedHost::new(), "docker"), None);
    }
}
