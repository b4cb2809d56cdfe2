//! The whole probe, on described machines and on real squashfs images.

use std::sync::Arc;
use std::time::Duration;

use casa_doctor_checks::facts::ConfigFile;
use serde_json::json;

use super::*;
use crate::host::{LiveHost, RecordedHost};
#[cfg(target_os = "linux")]
use crate::probes::child::tests::SelfHost;

fn environment(directory: &Path, configuration: Value) -> Environment {
    Environment {
        directory: directory.to_owned(),
        file: ConfigFile {
            path: directory.join("conf/casa_distro.json"),
            value: Some(configuration.clone()),
            ..ConfigFile::default()
        },
        merged: Some(configuration),
        ..Environment::default()
    }
}

fn probe_with(host: impl Host + 'static, directory: &Path, configuration: Value) -> Image {
    probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) }, &environment(directory, configuration))
}

/// The root of a small system with merged /usr, as a description.
fn described_root(host: RecordedHost, root: &str) -> RecordedHost {
    let at = |path: &str| format!("{root}{path}");
    host.symlink(at("/lib"), "usr/lib")
        .symlink(at("/bin"), "/usr/bin")
        .symlink(at("/etc/os-release"), "../usr/lib/os-release")
        .file(at("/usr/lib/os-release"), "ID=ubuntu\nPRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\n")
        .file(at("/usr/lib/x86_64-linux-gnu/libGL.so.1"), "x")
        .file(at("/usr/lib/x86_64-linux-gnu/libGLdispatch.so.0"), "x")
        .symlink(at("/usr/lib/x86_64-linux-gnu/libGLX_mesa.so.0"), "libGLX_mesa.so.0.0.0")
        .file(at("/usr/lib/x86_64-linux-gnu/libGLX_mesa.so.0.0.0"), "x")
        .symlink(at("/usr/lib/x86_64-linux-gnu/libGLX_indirect.so.0"), "/usr/lib/x86_64-linux-gnu/libGLX_mesa.so.0")
        .symlink(at("/usr/lib/x86_64-linux-gnu/libGLX_broken.so.0"), "nowhere")
        .file(at("/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0"), "")
        .file(at("/usr/lib/x86_64-linux-gnu/dri/swrast_dri.so"), "x")
        .file(at("/usr/share/glvnd/egl_vendor.d/50_mesa.json"), "{}")
        .file(
            at("/var/lib/dpkg/status"),
            "Package: mesa-utils\nStatus: install ok installed\nVersion: 8.4.0\n\nPackage: libgl1-mesa-dri\nStatus: install ok installed\nVersion: 23.2.1-1ubuntu3.1~22.04.2\n",
        )
        .file(at("/casa/image_id"), r#"{"image_id": "5d1a", "image_version": "5.3"}"#)
        .file(at("/usr/local/bin/entrypoint"), "#!/bin/sh\n")
        .file(at("/usr/bin/glxinfo"), "x")
}

#[test]
fn a_described_sandbox_is_read_with_its_links_inside() {
    let host = described_root(RecordedHost::new(), "/images/brainvisa").file("/usr/bin/eglinfo", "of the host, not of the image");
    let image = probe_with(host, Path::new("/envs/x"), json!({"image": "/images/brainvisa", "container_type": "singularity"}));
    assert_eq!(image.kind, Some(ImageKind::Sandbox));
    let contents = image.contents.unwrap();
    assert_eq!(contents.distribution.as_deref(), Some("Ubuntu 22.04.5 LTS"));
    assert_eq!(contents.glx_vendors, ["mesa"]);
    assert!(contents.glx_indirect);
    assert_eq!(contents.glvnd, Some(true));
    assert_eq!(contents.egl_vendors, ["50_mesa.json"]);
    assert_eq!(contents.dri_drivers, ["swrast"]);
    assert_eq!(contents.mesa.as_deref(), Some("23.2.1"));
    assert_eq!(contents.software_mesa, Some(false));
    assert_eq!((contents.image_id.as_deref(), contents.image_version.as_deref()), (Some("5d1a"), Some("5.3")));
    assert_eq!(contents.casa_entrypoint, Some(true));
    assert_eq!(contents.tools, ["glxinfo"]);
    assert_eq!(contents.glibc, None);
}

#[test]
fn a_described_sandbox_that_is_closed_is_not_an_empty_one() {
    let host = described_root(RecordedHost::new(), "/images/brainvisa").file_mode(
        "/images/brainvisa/usr/lib/os-release",
        "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\n",
        0o000,
    );
    let image = probe_with(host, Path::new("/envs/x"), json!({"image": "/images/brainvisa", "container_type": "singularity"}));
    assert_eq!(image.contents, None);
    let reason = &image.unknown["contents"];
    assert!(reason.starts_with("/images/brainvisa/usr/lib/os-release cannot be read: "), "{reason}");
}

#[test]
fn links_that_lead_nowhere_or_in_circles_are_nothing() {
    let host = RecordedHost::new()
        .symlink("/image/a", "b")
        .symlink("/image/b", "a")
        .symlink("/image/up", "../../../etc")
        .file("/image/etc/hosts", "inside")
        .file("/etc/hosts", "outside");
    let sandbox = sandbox::Sandbox { host: &host, root: "/image".into() };
    let inside = tree::Inside(&sandbox);
    assert_eq!(inside.resolve(Path::new("/a")).unwrap(), None);
    assert_eq!(inside.read("/up/hosts", 100).unwrap().as_deref(), Some(&b"inside"[..]));
}

#[test]
fn what_is_no_file_is_not_looked_at() {
    let docker =
        probe_with(RecordedHost::new(), Path::new("/e"), json!({"image": "cati/brainvisa:5.1", "container_type": "docker"}));
    assert_eq!((docker.kind, docker.exists), (Some(ImageKind::Name), None));
    for configuration in [json!({}), json!({"image": 3}), json!({"image": null})] {
        let image = probe_with(RecordedHost::new(), Path::new("/e"), configuration);
        assert!(image.unknown.contains_key("path"));
    }
}

#[test]
fn described_files_that_are_broken() {
    let sif = sif::tests::written(1, &[7; 4000]);
    let probe_of = |content: &[u8], mode| {
        let host = RecordedHost::new().file_mode("/i/x.sif", content, mode).file("/i/x.sif.part", "");
        probe_with(host, Path::new("/e"), json!({"image": "/i/x.sif"}))
    };
    let cut = probe_of(&sif[..5000], 0o644);
    assert_eq!((cut.size, cut.sif.as_ref().map(|sif| sif.end)), (Some(5000), Some(8096)));
    assert!(cut.unknown["contents"].contains("cut short"));
    assert!(cut.part_file);
    // The partition is no squashfs.
    let damaged = Squashfs::open(Box::new(io::Cursor::new(sif.clone())), 4096).err().unwrap().to_string();
    assert!(damaged.contains("squashfs"), "{damaged}");
    let encrypted = probe_of(&sif::tests::written(5, b"x"), 0o644);
    assert!(encrypted.unknown["contents"].contains("encrypted"));
    let unreadable = probe_of(&sif, 0o000);
    assert_eq!((unreadable.readable, unreadable.kind), (Some(false), None));
    assert!(matches!(probe_of(b"<html>", 0o644).kind, Some(ImageKind::NotAnImage { .. })));
}

/// The machine's own C library.
#[cfg(target_os = "linux")]
fn c_library() -> Vec<u8> {
    let paths = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];
    paths.iter().find_map(|path| LiveHost.read(Path::new(path), 64 << 20).ok()).unwrap()
}

/// A real squashfs by mksquashfs, with the machine's own C library in it, bare and inside a SIF.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_real_squashfs_is_read_like_the_directory_it_was_made_of() {
    use std::io::Write;
    use std::os::unix::fs::symlink;
    let mksquashfs = LiveHost.which("mksquashfs".as_ref()).expect("mksquashfs is missing: run tests/lab/setup");
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let file = |path: &str, content: &[u8]| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(content).unwrap();
    };
    file("usr/lib/x86_64-linux-gnu/libc.so.6", &c_library());
    file("usr/lib/x86_64-linux-gnu/libgallium-25.0.7-2.so", b"x");
    file("usr/lib/x86_64-linux-gnu/libGL.so.1", b"x");
    file("usr/local/lib/mesa/libGL.so.1", b"x");
    file("usr/lib/os-release", b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
    file("etc/glvnd/egl_vendor.d/10_nvidia.json", b"{}");
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("/usr/lib/os-release", root.join("etc/os-release")).unwrap();
    let of_directory = probe_with(SelfHost::default(), directory.path(), json!({"image": "root"})).contents.unwrap();
    assert!(of_directory.glibc.as_deref().is_some_and(|version| version.starts_with("2.")), "{of_directory:?}");
    assert_eq!(of_directory.mesa.as_deref(), Some("25.0.7"));
    assert_eq!((of_directory.glvnd, of_directory.software_mesa), (Some(false), Some(true)));
    assert_eq!(of_directory.distribution.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    for compression in ["gzip", "xz", "zstd"] {
        let squashfs = directory.path().join(format!("{compression}.squashfs"));
        let command = crate::host::Command::new(&mksquashfs, Duration::from_secs(60)).arg(&root).arg(&squashfs).args([
            "-noappend",
            "-no-progress",
            "-quiet",
            "-comp",
            compression,
        ]);
        let output = LiveHost.run(&command);
        assert!(output.success(), "{}", output.stderr_text());
        let bare = probe_with(SelfHost::default(), directory.path(), json!({"image": squashfs}));
        assert_eq!(bare.kind, Some(ImageKind::Squashfs));
        assert_eq!(bare.contents.as_ref(), Some(&of_directory), "{compression}: {:?}", bare.unknown);
        let bytes = LiveHost.read(&squashfs, 64 << 20).unwrap();
        let sif = directory.path().join(format!("{compression}.sif"));
        std::fs::File::create(&sif).unwrap().write_all(&sif::tests::written(1, &bytes)).unwrap();
        let image = probe_with(SelfHost::default(), directory.path(), json!({"image": format!("{compression}.sif")}));
        assert_eq!((image.kind, image.contents.as_ref()), (Some(ImageKind::Sif), Some(&of_directory)));
    }
}

#[test]
fn described_places_that_are_no_image() {
    let probe_of = |host: RecordedHost, image: &str| probe_with(host, Path::new("/e"), json!({"image": image}));
    let plain = probe_of(RecordedHost::new().file("/e/conf/casa_distro.json", "{}"), "");
    assert_eq!(plain.kind, Some(ImageKind::NotAnImage { looks_like: "directory without a system in it".to_owned() }));
    let system = || RecordedHost::new().file("/i/usr/bin/true", "x");
    let open = probe_of(system(), "/i");
    assert_eq!((open.kind, open.readable), (Some(ImageKind::Sandbox), Some(true)));
    let not_searched = probe_of(system().directory_mode("/i", 0o644), "/i");
    assert_eq!((not_searched.kind, not_searched.readable), (Some(ImageKind::Sandbox), Some(false)));
}

/// A real squashfs that is cut or damaged, bare and in a SIF: what it says of its own length, and what is wrong.
#[cfg(target_os = "linux")]
#[test]
fn a_real_squashfs_tells_whether_it_is_cut_or_damaged() {
    use std::io::Write;
    let mksquashfs = LiveHost.which("mksquashfs".as_ref()).expect("mksquashfs is missing: run tests/lab/setup");
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir_all(root.join("usr/lib/x86_64-linux-gnu")).unwrap();
    std::fs::File::create(root.join("usr/lib/x86_64-linux-gnu/libc.so.6")).unwrap().write_all(&c_library()).unwrap();
    let squashfs = directory.path().join("x.squashfs");
    let command = crate::host::Command::new(&mksquashfs, Duration::from_secs(60)).arg(&root).arg(&squashfs);
    assert!(LiveHost.run(&command.args(["-noappend", "-no-progress", "-quiet"])).success());
    let bytes = LiveHost.read(&squashfs, 64 << 20).unwrap();
    let probe_of = |name: &str, bytes: &[u8]| {
        std::fs::File::create(directory.path().join(name)).unwrap().write_all(bytes).unwrap();
        probe_with(LiveHost, directory.path(), json!({"image": name}))
    };
    let whole = probe_of("whole", &bytes);
    assert!(whole.end <= whole.size && whole.end > Some(4096) && whole.damage.is_none() && whole.contents.is_some());
    let cut = probe_of("cut", &bytes[..bytes.len() / 2]);
    assert_eq!((cut.end, cut.damage.as_deref()), (whole.end, None));
    assert_eq!(cut.unknown["contents"], "the file is cut short");
    // The library's own blocks come first, and nothing but its version asks for them.
    let mut damaged = bytes.clone();
    damaged[200..bytes.len() / 2].fill(0xa5);
    let damaged = probe_of("damaged", &damaged);
    assert!(damaged.contents.is_none() && damaged.damage.is_some_and(|damage| damage.contains("cannot be unpacked")));
    let mut resumed = bytes.clone();
    resumed[bytes.len() / 2..].fill(0);
    let resumed = probe_of("resumed.sif", &sif::tests::written(1, &resumed));
    assert!(resumed.damage.is_some() && resumed.end.is_none(), "{:?}", resumed.unknown);
}

/// A real SIF by the real apptainer around a real squashfs: whole, with a part taken out again, and cut.
#[cfg(target_os = "linux")]
#[test]
fn a_real_sif_is_read_as_apptainer_lists_it() {
    use std::io::Write;
    let tools = ["apptainer", "mksquashfs"].map(|tool| LiveHost.which(tool.as_ref()));
    let [Some(apptainer), Some(mksquashfs)] = tools else { panic!("apptainer or mksquashfs is missing: run tests/lab/setup") };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(at("root/casa")).unwrap();
    std::fs::File::create(at("root/casa/image_id")).unwrap().write_all(br#"{"image_id": "5d1a"}"#).unwrap();
    let run = |program: &Path, args: &[&str]| {
        let mut command = crate::host::Command::new(program, Duration::from_secs(60)).args(args.iter().copied());
        command.current_dir = Some(directory.path().to_owned());
        let output = LiveHost.run(&command);
        assert!(output.success(), "{args:?}: {}", output.stderr_text());
    };
    run(&mksquashfs, &["root", "x.squashfs", "-noappend", "-no-progress", "-quiet"]);
    run(&apptainer, &["sif", "new", "x.sif"]);
    run(&apptainer, &["sif", "add", "--datatype", "1", "x.sif", "root/casa/image_id"]);
    run(
        &apptainer,
        &["sif", "add", "--datatype", "4", "--parttype", "2", "--partfs", "1", "--partarch", "2", "x.sif", "x.squashfs"],
    );
    let probe_of =
        |name: &str| probe_with(SelfHost::default(), directory.path(), json!({"image": name, "container_type": "singularity"}));
    let whole = probe_of("x.sif");
    let sif = whole.sif.unwrap();
    assert_eq!((sif.arch.as_deref(), sif.filesystem.as_deref()), (Some("amd64"), Some("squashfs")));
    assert_eq!(Some(sif.end), whole.size);
    assert_eq!(whole.contents.unwrap().image_id.as_deref(), Some("5d1a"));
    let bytes = LiveHost.read(&at("x.sif"), 64 << 20).unwrap();
    std::fs::File::create(at("cut.sif")).unwrap().write_all(&bytes[..bytes.len() - 1]).unwrap();
    let cut = probe_of("cut.sif");
    assert_eq!(cut.sif.unwrap().end, bytes.len() as u64);
    assert!(cut.contents.is_none() && cut.unknown["contents"].contains("cut short"));
    run(&apptainer, &["sif", "del", "1", "x.sif"]);
    let smaller = probe_of("x.sif");
    assert!(smaller.sif.unwrap().end <= smaller.size.unwrap());
    assert!(smaller.contents.is_some(), "{:?}", smaller.unknown);
}
