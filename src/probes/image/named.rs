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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

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
