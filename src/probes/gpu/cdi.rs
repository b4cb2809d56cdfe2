//! NVIDIA's device specifications for containers (CDI): do the files that they name still exist?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::CdiSpec;
use serde_json::Value;

use super::nvidia::leading_version;
use crate::host::Host;

/// Where engines look; the second one wins over the first.
const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// A specification of a machine with many cards has some hundred kilobytes.
const LIMIT: u64 = 8 << 20;

/// Missing files that are kept by name.
const MOST_MISSING: usize = 10;

/// The specifications of NVIDIA devices.
pub(super) fn specs(host: &dyn Host) -> Vec<CdiSpec> {
    let mut specs = Vec::new();
    for directory in DIRECTORIES {
        for name in host.read_dir(Path::new(directory)).unwrap_or_default() {
            let text = name.to_string_lossy();
            if [".yaml", ".yml", ".json"].iter().any(|ending| text.ends_with(ending)) {
                specs.extend(spec(host, Path::new(directory).join(&name)));
            }
        }
    }
    specs
}

/// One specification; `None` when it is of another vendor's devices.
fn spec(host: &dyn Host, path: PathBuf) -> Option<CdiSpec> {
    let text = match host.read_text(&path, LIMIT) {
        Ok(text) => text,
        Err(error) => {
            let of_nvidia = path.to_string_lossy().contains("nvidia");
            let error = Some(format!("it cannot be read: {error}"));
            return of_nvidia.then_some(CdiSpec { path, error, ..CdiSpec::default() });
        }
    };
    if !text.contains("nvidia.com/") {
        return None;
    }
    let paths = if path.extension().is_some_and(|extension| extension == "json") {
        match serde_json::from_str::<Value>(&text) {
            Ok(json) => {
                let mut paths = BTreeSet::new();
                paths_of_json(&json, &mut paths);
                paths
            }
            Err(error) => {
                return Some(CdiSpec { path, error: Some(format!("it is no valid JSON: {error}")), ..CdiSpec::default() });
            }
        }
    } else {
        paths_of_yaml(&text)
    };
    let missing = paths.iter().filter(|path| host.exists(Path::new(path)) == Some(false));
    Some(CdiSpec {
        path,
        error: None,
        host_paths: u32::try_from(paths.len()).unwrap_or(u32::MAX),
        missing: missing.take(MOST_MISSING).map(PathBuf::from).collect(),
        versions: paths.iter().filter_map(|path| version(path)).collect::<BTreeSet<_>>().into_iter().collect(),
    })
}

/// The driver's version at the end of a library's name. Libraries with versions of their own (libnvidia-egl-gbm.so.1.1.1) do not
/// look like the driver's.
fn version(path: &str) -> Option<String> {
    let (name, version) = path.rsplit('/').next()?.split_once(".so.")?;
    let of_driver = name.contains("nvidia") || name.starts_with("libcuda");
    leading_version(version).filter(|_| of_driver).map(str::to_owned)
}

/// Every object with a path of the host: `hostPath`, or `path` where there is no `hostPath`.
fn paths_of_json(value: &Value, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            let path = object.get("hostPath").or_else(|| object.get("path")).and_then(Value::as_str);
            paths.extend(path.filter(|path| path.starts_with('/')).map(str::to_owned));
            object.values().for_each(|value| paths_of_json(value, paths));
        }
        Value::Array(array) => array.iter().for_each(|value| paths_of_json(value, paths)),
        _ => {}
    }
}

/// The same for YAML in the plain block form that `nvidia-ctk` writes: each entry of a list begins with `- `, and the keys of one
/// entry follow each other. Other forms of YAML give fewer paths, never wrong ones.
fn paths_of_yaml(text: &str) -> BTreeSet<String> {
    let (mut paths, mut host, mut path) = (BTreeSet::new(), None, None);
    for line in text.lines().chain(["- "]) {
        let mut line = line.trim_start();
        if let Some(rest) = line.strip_prefix('-').filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
            paths.extend(host.take().or(path.take()));
            path = None;
            line = rest.trim_start();
        }
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        if value.starts_with('/') {
            match key.trim_matches(['"', '\'']) {
                "hostPath" => host = Some(value.to_owned()),
                "path" => path = Some(value.to_owned()),
                _ => {}
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    /// The form that `nvidia-ctk cdi generate` writes.
    const YAML: &str = "---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
  - hostPath: /dev/nvidia0
    path: /dev/nvidia7
  hooks:
  - args:
    - nvidia-cdi-hook
    - create-symlinks
    - --link
    - /not/a/path::here
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.550.54.14
    hostPath: /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.550.54.14
    options:
    - ro
    - bind
  - containerPath: /usr/lib/x86_64-linux-gnu/libnvidia-egl-gbm.so.1.1.1
    hostPath: \"/usr/lib/x86_64-linux-gnu/libnvidia-egl-gbm.so.1.1.1\"
";

    #[test]
    fn a_specification_that_outlived_its_driver() {
        let host = RecordedHost::new()
            .file("/etc/cdi/nvidia.yaml", YAML)
            .file("/etc/cdi/other.yaml", "kind: vendor.com/net\ncontainerEdits:\n  mounts:\n  - hostPath: /gone\n")
            .file("/dev/nvidiactl", "")
            .file("/dev/nvidia0", "")
            .file("/usr/bin/nvidia-cdi-hook", "")
            .file("/usr/lib/x86_64-linux-gnu/libnvidia-egl-gbm.so.1.1.1", "");
        let specs = specs(&host);
        assert_eq!(specs.len(), 1);
        assert_eq!(specs[0].host_paths, 5);
        assert_eq!(specs[0].missing, [Path::new("/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.550.54.14")]);
        assert_eq!(specs[0].versions, ["550.54.14"]);
    }

    #[test]
    fn the_json_form_gives_the_same() {
        let json = r#"{"kind": "nvidia.com/gpu", "containerEdits": {"deviceNodes": [{"path": "/dev/nvidiactl"}],
            "mounts": [{"hostPath": "/usr/lib64/libcuda.so.535.183.01", "containerPath": "/x"}], "env": ["A=/b"]}}"#;
        let specs = specs(&RecordedHost::new().file("/var/run/cdi/nvidia.json", json).file("/dev/nvidiactl", ""));
        assert_eq!((specs[0].host_paths, specs[0].versions.clone()), (2, vec!["535.183.01".to_owned()]));
        assert_eq!(specs[0].missing, [Path::new("/usr/lib64/libcuda.so.535.183.01")]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let broken = specs(&RecordedHost::new().file("/etc/cdi/nvidia.json", "{\"kind\": \"nvidia.com/gpu\""));
        assert!(broken[0].error.as_deref().unwrap().contains("JSON"));
        let closed = specs(&RecordedHost::new().file_mode("/etc/cdi/nvidia.yaml", YAML, 0o060));
        assert!(closed[0].error.as_deref().unwrap().contains("cannot be read"));
        assert_eq!(paths_of_yaml("- \n-\n: :\nhostPath: /a\n- {hostPath: /b}"), BTreeSet::from(["/a".to_owned()]));
    }
}
