use std::ffi::OsStr;

use casa_doctor_checks::facts::ConfigFile;
use serde_json::{Value, json};

use super::*;
use crate::casa_distro::combine;
use crate::host::{Address, Peer, RecordedHost};
use crate::launch::plan;
use crate::recommend::OpenGl;

/// A machine with a Docker that keeps the image.
fn machine() -> RecordedHost {
    machine_with(Peer::Answers(b"HTTP/1.1 200 OK\r\n\r\nOK".to_vec()))
}

fn machine_with(daemon: Peer) -> RecordedHost {
    let told = r#"[{"Id":"sha256:d7","Config":{"Entrypoint":["/.singularity.d/runscript"]}}]"#;
    RecordedHost::new()
        .file("/usr/bin/docker", "\u{7f}ELF")
        .command(&["docker"], 0, "", "")
        .command(&["/usr/bin/docker", "image", "inspect", "casa:5"], 0, told, "")
        .command(&["/usr/bin/docker", "image", "inspect", "gone:1"], 1, "", "Error response from daemon: no such image: gone:1\n")
        .peer(Address::Unix("/var/run/docker.sock".into()), daemon)
        .file("/var/run/docker.sock", "")
        .owner("/var/run/docker.sock", 0)
        .directory("/env/home/.varlib/xkb")
        .directory("/data/a,b")
        .directory("/tmp/.X11-unix")
        .env("PWD", "/data")
}

fn configuration() -> Value {
    json!({
        "name": "brain", "system": "ubuntu-22.04", "distro": "brainvisa", "container_type": "docker", "image": "casa:5",
        "mounts": {"/data": "/data/a,b", "/none": "/none"}, "env": {"A": "it's", "API_TOKEN": "hunter2"},
    })
}

fn settings(host: &RecordedHost, configuration: &Value) -> Settings {
    let file = ConfigFile { value: Some(configuration.clone()), ..ConfigFile::default() };
    let loaded = combine(host, Path::new("/env"), &file, None).unwrap();
    Settings::from_merged(Path::new("/env"), &loaded.merged)
}

fn request() -> Request {
    Request { gui: false, ..Request::new(OpenGl::Software, vec!["anatomist".into(), "a b".into()]) }
}

fn planned(host: &RecordedHost, configuration: &Value, request: &Request) -> Result<Plan, LaunchError> {
    plan(host, &settings(host, configuration), &Facts::default(), request)
}

fn words(argv: &[OsString]) -> Vec<&str> {
    argv.iter().map(|word| word.to_str().unwrap()).collect()
}

#[test]
fn the_line_that_is_shown_does_the_same_by_hand_and_tells_no_secret() {
    let plan = planned(&machine(), &configuration(), &request()).unwrap();
    let argv = plan.argv();
    let text = words(&argv).join(" ");
    assert!(
        text.starts_with(
            "/usr/bin/docker run --rm --sig-proxy=false --interactive --init --network host --ipc host --user 1000:1000"
        ),
        "{text}"
    );
    assert!(text.contains("--mount type=bind,\"source=/data/a,b\",target=/data"), "{text}");
    assert!(text.contains("--mount type=bind,source=/tmp,target=/tmp") && text.contains("--env A=it's"), "{text}");
    assert!(text.contains("--env HOME=/casa/home") && text.contains("--env SOFTWARE_OPENGL=1"), "{text}");
    assert!(text.ends_with("casa:5 anatomist a b") && !text.contains("hunter2") && text.contains("--env API_TOKEN"), "{text}");
    assert!(plan.warnings.len() == 1 && plan.warnings[0].contains("/none"), "{:?}", plan.warnings);
    assert_eq!(plan.process_env[OsStr::new("API_TOKEN")], Some("hunter2".into()));
    assert!(!plan.process_env.contains_key(OsStr::new("HOME")), "the engine's program keeps its own");
    assert!(!plan.to_json().to_string().contains("hunter2"));
}

#[cfg(unix)]
#[test]
fn a_real_launch_has_its_variables_in_a_script_and_a_name() {
    let request = Request { cwd: Some("/data/x y".into()), ..request() };
    let plan = planned(&machine(), &configuration(), &request).unwrap();
    let name = "casa-doctor-run.1.a";
    let places = Places { name, authority: Path::new("/p/Xauthority"), shown: (Path::new("/p/shown"), "/casa/doctor") };
    let argv = plan.argv_with(Some(places));
    let text = words(&argv).join(" ");
    assert!(!text.contains("--env") && text.contains("--name casa-doctor-run.1.a"), "{text}");
    assert!(text.contains("--mount type=bind,source=/p/shown/passwd,target=/etc/passwd"), "{text}");
    assert!(text.ends_with("--entrypoint /bin/sh casa:5 /casa/doctor/start anatomist a b"), "{text}");
    let scripts = Docker.scripts(&plan);
    let start = String::from_utf8(scripts[0].1.clone()).unwrap();
    assert!(start.contains("export A='it'\\''s'\n") && start.contains("cd -- '/data/x y' || exit 125\n"), "{start}");
    assert!(start.ends_with("set -- '/.singularity.d/runscript' \"$@\"\nexec \"$@\"\n"), "{start}");
    let names: Vec<_> = scripts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [START, COMMAND, "passwd", "group"]);
}

#[test]
fn what_keeps_docker_from_starting_is_told_with_its_finding() {
    let refused = |host: &RecordedHost, image: &str| {
        let mut configuration = configuration();
        configuration["image"] = json!(image);
        planned(host, &configuration, &request()).unwrap_err().to_string()
    };
    assert!(refused(&machine(), "gone:1").contains("image-missing"));
    for file in ["/images/brainvisa.sif", "brainvisa-5.3.sif"] {
        assert!(refused(&machine(), file).contains("convert_image"));
    }
    let denied = machine_with(Peer::Refuses(std::io::ErrorKind::PermissionDenied));
    assert!(refused(&denied, "casa:5").contains("docker-daemon-denied"));
    assert!(refused(&denied, "casa:5").contains("the group"));
    let down = machine_with(Peer::Refuses(std::io::ErrorKind::ConnectionRefused));
    assert!(refused(&down, "casa:5").contains("docker-daemon-down"));
    let own = |kind| {
        let socket = "/run/user/1000/podman/podman.sock";
        machine()
            .peer(Address::Unix(socket.into()), Peer::Refuses(kind))
            .env("DOCKER_HOST", "unix:///run/user/1000/podman/podman.sock")
    };
    let told = refused(&own(std::io::ErrorKind::PermissionDenied), "casa:5");
    assert!(told.contains("docker-daemon-denied") && !told.contains("the group"), "{told}");
    let told = refused(&own(std::io::ErrorKind::ConnectionRefused), "casa:5");
    assert!(told.contains("docker-daemon-down") && !told.contains("sudo"), "{told}");
}

#[test]
fn shared_memory_and_network_follow_the_configuration() {
    let mut with = configuration();
    with["container_options"] = json!(["--ipc", "private", "--network=none"]);
    let plan = planned(&machine(), &with, &request()).unwrap();
    let argv = plan.argv();
    let text = words(&argv).join(" ");
    assert!(!text.contains("--network host") && !text.contains("--ipc host") && text.contains("--ipc private"), "{text}");
    assert_eq!(plan.env["QT_X11_NO_MITSHM"], "1");
    assert!(plan.warnings.iter().any(|warning| warning.contains("none")), "{:?}", plan.warnings);
}

#[test]
fn podman_has_a_first_process_where_there_is_a_program_for_it() {
    let with = |host: RecordedHost| living_init(&host, EngineKind::Podman);
    assert_eq!(with(RecordedHost::new()), None);
    assert_eq!(with(RecordedHost::new().file("/usr/libexec/podman/catatonit", "")), Some(vec!["--init".into()]));
    let other = with(RecordedHost::new().file("/usr/bin/tini-static", "")).unwrap();
    assert_eq!(other, ["--init", "--init-path", "/usr/bin/tini-static"]);
}

#[test]
fn engines_of_other_machines_are_told() {
    let told = |place: &str| {
        let host = machine().env("DOCKER_HOST", place);
        let mut told = Told::default();
        tell_of_other_machines(&host, EngineKind::Docker, &mut told);
        told.warnings.join(" ")
    };
    assert!(told("ssh://anna@server").contains("another machine"));
    for socket in [
        "/home/anna/.docker/desktop/docker.sock",
        "/Users/anna/.orbstack/run/docker.sock",
        "/Users/anna/.config/colima/default/docker.sock",
    ] {
        assert!(told(&format!("unix://{socket}")).contains("virtual machine"), "{socket}");
    }
    assert!(told("unix:///run/user/1000/docker.sock").is_empty());
}
