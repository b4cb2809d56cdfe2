use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::host::RecordedHost;

const GOOD: &str = r#"{"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_mesa.so.0"}}"#;

fn look(host: RecordedHost) -> Manifests {
    probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) })
}

fn names(search: &ManifestSearch) -> Vec<&str> {
    search.found.iter().map(|manifest| manifest.path.to_str().unwrap()).collect()
}

/// A described machine; an empty cache is one that knows nothing.
fn machine() -> RecordedHost {
    RecordedHost::new().file("/etc/ld.so.cache", "").file("/usr/lib/x86_64-linux-gnu/libEGL_mesa.so.0", "")
}

#[test]
fn egl_manifests_come_directory_by_directory_and_by_name() {
    let host = machine()
        .file("/usr/share/glvnd/egl_vendor.d/50_mesa.json", GOOD)
        .file("/usr/share/glvnd/egl_vendor.d/10_nvidia.json", GOOD)
        .file("/usr/share/glvnd/egl_vendor.d/README", "no manifest")
        .file("/etc/glvnd/egl_vendor.d/90_own.json", GOOD);
    let facts = look(host);
    assert_eq!(
        names(&facts.egl),
        [
            "/etc/glvnd/egl_vendor.d/90_own.json",
            "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
            "/usr/share/glvnd/egl_vendor.d/50_mesa.json"
        ]
    );
    assert_eq!(facts.egl.variable, None);
    assert_eq!(facts.egl.found[0].resolved.as_deref(), Some(Path::new("/usr/lib/x86_64-linux-gnu/libEGL_mesa.so.0")));
    assert_eq!(facts.has_egl, Some(false));
}

#[test]
fn variables_replace_the_usual_places() {
    let host = machine().file("/usr/share/glvnd/egl_vendor.d/50_mesa.json", GOOD).file("/opt/d/a.json", GOOD);
    let directories = look(host.env("__EGL_VENDOR_LIBRARY_DIRS", "/nowhere:/opt/d"));
    assert_eq!(
        (names(&directories.egl), directories.egl.variable.as_deref()),
        (vec!["/opt/d/a.json"], Some("__EGL_VENDOR_LIBRARY_DIRS"))
    );
    let host = machine().file("/usr/share/glvnd/egl_vendor.d/50_mesa.json", GOOD);
    let files = look(host.env("__EGL_VENDOR_LIBRARY_FILENAMES", "/gone.json").env("__EGL_VENDOR_LIBRARY_DIRS", "/opt/d"));
    assert_eq!(names(&files.egl), ["/gone.json"]);
    assert!(files.egl.found[0].error.as_deref().unwrap().contains("cannot be read"));
    // An empty list is a list: libglvnd then has no vendor at all.
    let none = look(machine().file("/usr/share/glvnd/egl_vendor.d/50_mesa.json", GOOD).env("__EGL_VENDOR_LIBRARY_FILENAMES", ""));
    assert_eq!(names(&none.egl), [""; 0]);
    assert_eq!(none.egl.variable.as_deref(), Some("__EGL_VENDOR_LIBRARY_FILENAMES"));
}

#[test]
fn what_a_loader_passes_over_is_told() {
    for (content, told) in [
        ("", "empty"),
        ("{", "no valid JSON"),
        ("\u{0}\u{1}", "no valid JSON"),
        ("[]", "file_format_version"),
        (r#"{"file_format_version": "2.0.0", "ICD": {"library_path": "x.so"}}"#, "2.0.0"),
        (r#"{"file_format_version": "1.1.0", "ICD": {"library_path": "x.so"}}"#, "1.1.0"),
        (r#"{"file_format_version": "1.0.0", "ICD": {}}"#, "library_path"),
        (r#"{"file_format_version": "1.0.0", "ICD": {"library_path": 7}}"#, "library_path"),
    ] {
        let facts = look(machine().file("/etc/glvnd/egl_vendor.d/x.json", content));
        let error = facts.egl.found[0].error.clone().unwrap_or_default();
        assert!(error.contains(told), "{content:?}: {error}");
    }
}

#[test]
fn what_follows_a_manifest_is_not_read_by_a_loader_either() {
    let facts = look(machine().file("/etc/glvnd/egl_vendor.d/x.json", format!("{GOOD}\\n\nEOF\n")));
    assert_eq!((facts.egl.found[0].error.as_deref(), facts.egl.found[0].resolved.is_some()), (None, true));
    let comma = look(machine().file("/etc/glvnd/egl_vendor.d/x.json", GOOD.replace("}}", "},}")));
    assert!(comma.egl.found[0].error.as_deref().unwrap().contains("no valid JSON"));
}

#[test]
fn a_library_is_missing_only_where_that_can_be_known() {
    let lost = r#"{"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_lost.so.0"}}"#;
    let absolute = r#"{"file_format_version": "1.0.0", "ICD": {"library_path": "/opt/libEGL_lost.so.0"}}"#;
    let with = |host: RecordedHost, content: &str| look(host.file("/etc/glvnd/egl_vendor.d/x.json", content)).egl.found.remove(0);
    assert!(with(machine(), lost).library_missing);
    assert!(with(machine(), absolute).library_missing);
    assert!(!with(RecordedHost::new(), lost).library_missing, "without a cache nothing is known");
    let found = with(machine().file("/opt/lib/libEGL_lost.so.0", "").env("LD_LIBRARY_PATH", "relative:/opt/lib"), lost);
    assert_eq!(found.resolved.as_deref(), Some(Path::new("/opt/lib/libEGL_lost.so.0")));
}

#[test]
fn vulkan_manifests_are_searched_as_its_loader_does() {
    let icd = r#"{"file_format_version": "1.0.1", "ICD": {"library_path": "../lib/libvulkan_x.so", "api_version": "1.3.0"}}"#;
    let host = || {
        machine()
            .env("XDG_CONFIG_HOME", "/home/u/.config")
            .env("XDG_DATA_HOME", "/home/u/.local/share")
            .file("/usr/share/vulkan/icd.d/x_icd.json", icd)
            .file("/usr/share/vulkan/lib/libvulkan_x.so", "")
            .file(
                "/usr/share/vulkan/icd.d/x_icd.i686.json",
                r#"{"file_format_version": "1.0.0", "ICD": {"library_path": "/usr/lib32/x.so"}}"#,
            )
            .file("/etc/vulkan/icd.d/nvidia_icd.json", icd)
            .file("/home/u/.config/vulkan/icd.d/own.json", icd)
    };
    let facts = look(host());
    assert_eq!(
        names(&facts.vulkan),
        [
            "/home/u/.config/vulkan/icd.d/own.json",
            "/etc/vulkan/icd.d/nvidia_icd.json",
            "/usr/share/vulkan/icd.d/x_icd.i686.json",
            "/usr/share/vulkan/icd.d/x_icd.json"
        ]
    );
    assert!(facts.vulkan.found[1].library_missing);
    assert!(facts.vulkan.found[2].other_architecture && !facts.vulkan.found[2].library_missing);
    assert!(facts.vulkan.found[3].resolved.is_some());
    let replaced = look(host().env("VK_ICD_FILENAMES", "/etc/vulkan/icd.d:/a.json"));
    assert_eq!(names(&replaced.vulkan), ["/etc/vulkan/icd.d/nvidia_icd.json", "/a.json"]);
}

/// The real files of the machine that runs the test.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_real_machine_is_read_within_a_moment() {
    let started = std::time::Instant::now();
    let facts = probe(&Context { host: Arc::new(crate::host::LiveHost), limit: Duration::from_secs(4) });
    assert!(started.elapsed().as_secs() < 3);
    for library in &facts.dispatch {
        assert!(library.path.is_absolute(), "{library:?}");
    }
}
