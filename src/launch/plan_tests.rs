use std::ffi::OsStr;

use casa_doctor_checks::facts::{ConfigFile, Connection, EngineKind, Image, Machine, Session, X11, XServer};
use serde_json::{Value, json};

use super::*;
use crate::casa_distro::combine;
use crate::host::RecordedHost;
use crate::launch::engine::tests::facts_with;

/// The settings as they come from a file: merged with what casa_distro has built in.
fn settings_in(host: &RecordedHost, directory: &str, configuration: &Value) -> Settings {
    let file = ConfigFile { value: Some(configuration.clone()), ..ConfigFile::default() };
    let loaded = combine(host, Path::new(directory), &file, None).unwrap();
    Settings::from_merged(Path::new(directory), &loaded.merged)
}

fn settings(host: &RecordedHost, configuration: &Value) -> Settings {
    settings_in(host, "/env", configuration)
}

fn machine() -> RecordedHost {
    RecordedHost::new()
        .file("/env/image.sif", "")
        .directory("/env/home/.varlib/xkb")
        .directory("/data")
        .directory("/mnt")
        .directory("/tmp/.X11-unix")
}

fn configuration() -> Value {
    json!({
        "name": "brain", "system": "ubuntu-22.04", "distro": "brainvisa", "container_type": "singularity", "image": "image.sif",
        "mounts": {"/data": "/data", "/none": "/none"},
        "env": {"A": "1"}, "gui_env": {"DISPLAY": "$DISPLAY", "G": "2"},
        "container_options": ["--writable-tmpfs"], "container_gui_options": ["--gui-option"],
    })
}

fn facts() -> Facts {
    facts_with(EngineKind::Apptainer, "/usr/bin/apptainer", "1.4.5")
}

fn request(mode: OpenGl) -> Request {
    Request::new(mode, vec!["anatomist".into(), "a b".into()])
}

fn planned(host: &RecordedHost, merged: &Value, facts: &Facts, request: &Request) -> Plan {
    plan(host, &settings(host, merged), facts, request).unwrap()
}

fn words(argv: &[OsString]) -> Vec<&str> {
    argv.iter().map(|word| word.to_str().unwrap()).collect()
}

/// The values of an option.
fn values<'a>(argv: &'a [OsString], option: &str) -> Vec<&'a str> {
    argv.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1].to_str().unwrap()).collect()
}

/// Facts of a display that let us in with a cookie, and the host that has it.
fn with_cookie() -> (RecordedHost, Facts) {
    let mut cookie = vec![1, 0, 0, 2, b'p', b'c', 0, 1, b'5', 0, 18];
    cookie.extend(b"MIT-MAGIC-COOKIE-1");
    cookie.extend([0, 4, 1, 2, 3, 4]);
    let host = machine().env("DISPLAY", ":5").file("/run/auth", cookie);
    let server = XServer { cookie_from: Some("/run/auth".into()), ..XServer::default() };
    let display = casa_doctor_checks::facts::DisplayName { text: ":5".into(), number: 5, ..Default::default() };
    let x11 = X11 { display: Some(display), connection: Connection::Connected(Box::new(server)), ..X11::default() };
    let machine = Machine { hostname: Some("pc".into()), ..Machine::default() };
    (host, Facts { x11: Some(x11), machine: Some(machine), ..facts() })
}

#[test]
fn the_arguments_stand_in_the_order_of_casa_distro() {
    let (host, facts) = with_cookie();
    let host = host.file("/env/overlay.img", "").env("SSH_AUTH_SOCK", "/run/agent");
    let host = host.peer(crate::host::Address::Unix("/run/agent".into()), crate::host::Peer::Silent);
    let request = Request { cwd: Some("/data".into()), ..request(OpenGl::Nv) };
    let plan = planned(&host, &configuration(), &facts, &request);
    assert_eq!(
        words(&plan.argv()),
        [
            "/usr/bin/apptainer",
            "run",
            "--cleanenv",
            "--pwd",
            "/data",
            "--overlay",
            "/env/overlay.img",
            "--bind",
            "/env:/casa/host",
            "--bind",
            "/:/host",
            "--bind",
            "/data:/data",
            "--bind",
            "/env/home:/casa/home",
            "--bind",
            "/home:/home",
            "--bind",
            "/mnt:/mnt",
            "--bind",
            "/run/auth:/casa/Xauthority",
            "--bind",
            "/run/agent:/casa/ssh_auth_sock",
            "--bind",
            "/env/home/.varlib/xkb:/var/lib/xkb",
            "--bind",
            "/home/anna:/home/anna",
            "--home",
            "/env/home:/casa/home",
            "--writable-tmpfs",
            "--gui-option",
            "--nv",
            "/env/image.sif",
            "anatomist",
            "a b",
        ]
    );
    let expected = [
        ("A", "1"),
        ("CASA_DISTRO", "brainvisa"),
        ("CASA_ENVIRONMENT", "brain"),
        ("CASA_HOST_DIR", "/env"),
        ("CASA_HOST_HOME", "/home/anna"),
        ("CASA_SYSTEM", "ubuntu-22.04"),
        ("DISPLAY", ":5"),
        ("G", "2"),
        ("SSH_AUTH_SOCK", "/casa/ssh_auth_sock"),
        ("XAUTHORITY", "/casa/Xauthority"),
    ];
    assert_eq!(plan.env, expected.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
    assert_eq!(plan.process_env[OsStr::new("APPTAINERENV_DISPLAY")], Some(":5".into()));
    assert_eq!(plan.warnings.len(), 1, "only the missing mount: {:#?}", plan.warnings);
}

#[test]
fn a_real_launch_has_its_private_files_in_the_arguments() {
    let (host, facts) = with_cookie();
    let plan = planned(&host, &configuration(), &facts, &request(OpenGl::Container));
    let places = Places {
        name: "casa-doctor-run.1.a",
        authority: Path::new("/p/Xauthority"),
        shown: (Path::new("/p/shown"), "/casa/doctor"),
    };
    let argv = plan.argv_with(Some(places));
    assert!(values(&argv, "--bind").contains(&"/p/Xauthority:/casa/Xauthority"));
    assert!(values(&argv, "--bind").contains(&"/p/shown:/casa/doctor"));
    assert!(words(&argv).ends_with(&["/env/image.sif", "/bin/sh", "/casa/doctor/start", "anatomist", "a b"]));
}

#[test]
fn without_gui_there_is_no_display_and_no_cookie() {
    let (host, facts) = with_cookie();
    let plan = planned(&host, &configuration(), &facts, &Request { gui: false, ..request(OpenGl::Container) });
    assert!(plan.authority.is_none() && !plan.env.contains_key("DISPLAY") && !plan.env.contains_key("G"), "{:?}", plan.env);
    assert!(!words(&plan.argv()).contains(&"--gui-option"));
}

#[test]
fn the_sockets_of_the_x_server_are_mounted_where_tmp_is_hidden() {
    let mount = "/tmp/.X11-unix:/tmp/.X11-unix";
    let mut contained = configuration();
    contained["container_options"] = json!(["--contain"]);
    let mut mounted = configuration();
    mounted["mounts"]["/tmp"] = json!("/data");
    for (merged, expected) in [(contained, true), (mounted, true), (configuration(), false)] {
        let plan = planned(&machine().env("DISPLAY", ":5"), &merged, &facts(), &request(OpenGl::Container));
        assert_eq!(values(&plan.argv(), "--bind").contains(&mount), expected, "{merged}");
    }
}

#[test]
fn software_depends_on_what_the_image_has() {
    let variables = |own: Option<bool>| {
        let contents = ImageContents { software_mesa: own, ..ImageContents::default() };
        let image = Image { path: "/env/image.sif".into(), contents: Some(contents), ..Image::default() };
        let facts = Facts { image: Some(image), ..facts() };
        let plan = planned(&machine(), &configuration(), &facts, &Request { gui: false, ..request(OpenGl::Software) });
        assert_eq!(plan.notes.len(), 1);
        let names = ["LIBGL_ALWAYS_SOFTWARE", "SOFTWARE_OPENGL", "XLIB_SKIP_ARGB_VISUALS", "__GLX_VENDOR_LIBRARY_NAME"];
        names.into_iter().filter(|name| plan.env.contains_key(*name)).collect::<Vec<_>>()
    };
    assert_eq!(variables(Some(true)), ["SOFTWARE_OPENGL", "XLIB_SKIP_ARGB_VISUALS"]);
    assert_eq!(variables(Some(false)), ["LIBGL_ALWAYS_SOFTWARE", "__GLX_VENDOR_LIBRARY_NAME"]);
    assert_eq!(variables(None).len(), 4);
}

#[test]
fn other_modes_add_nothing_and_tell_what_contradicts_them() {
    let mut merged = configuration();
    merged["env"] = json!({"SOFTWARE_OPENGL": "1", "LIBGL_ALWAYS_SOFTWARE": "1", "LD_LIBRARY_PATH": "/usr/local/lib/mesa"});
    let plan = planned(&machine(), &merged, &facts(), &Request { gui: false, ..request(OpenGl::Container) });
    assert!(!plan.env.contains_key("SOFTWARE_OPENGL") && !words(&plan.argv()).contains(&"--nv"));
    let told = plan.warnings.join("\n");
    assert!(told.contains("LIBGL_ALWAYS_SOFTWARE") && told.contains("LD_LIBRARY_PATH"), "{told}");
}

#[test]
fn an_overlay_that_may_not_be_written_is_taken_for_reading() {
    let host = machine().file_mode("/env/overlay.img", "", 0o444);
    let plan = planned(&host, &configuration(), &facts(), &request(OpenGl::Container));
    assert_eq!(values(&plan.argv(), "--overlay"), ["/env/overlay.img:ro"]);
}

#[test]
fn a_dead_agent_is_left_out_even_when_the_configuration_names_it() {
    let mut merged = configuration();
    merged["env"]["SSH_AUTH_SOCK"] = json!("/casa/ssh_auth_sock");
    let host = machine().env("SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1");
    let plan = planned(&host, &merged, &facts(), &request(OpenGl::Container));
    assert!(!plan.env.contains_key("SSH_AUTH_SOCK"));
    assert!(plan.warnings.iter().any(|warning| warning.contains("/tmp/ssh-x/agent.1")), "{:?}", plan.warnings);
}

#[test]
fn an_agent_of_the_configuration_stays_where_this_shell_has_none() {
    let of = |host: &RecordedHost, socket: &str| {
        let mut merged = configuration();
        merged["env"]["SSH_AUTH_SOCK"] = json!(socket);
        planned(host, &merged, &facts(), &request(OpenGl::Container)).env.get("SSH_AUTH_SOCK").cloned()
    };
    for host in [machine(), machine().env("SSH_AUTH_SOCK", "")] {
        assert_eq!(of(&host, "/host/run/agent"), Some("/host/run/agent".into()));
        assert_eq!(of(&host, "/casa/ssh_auth_sock"), None, "nothing is mounted there");
    }
}

#[test]
fn the_home_of_the_configuration_is_given_as_an_option() {
    let mut merged = configuration();
    merged["env"]["HOME"] = json!("/home/me");
    let plan = planned(&machine(), &merged, &facts(), &request(OpenGl::Container));
    assert_eq!(values(&plan.argv(), "--home"), ["/env/home:/home/me"]);
    assert!(!plan.env.contains_key("HOME"));
}

#[test]
fn singularity_gets_variables_under_its_own_name() {
    let facts = facts_with(EngineKind::Singularity, "/usr/bin/singularity", "4.1.0");
    let plan = planned(&machine(), &configuration(), &facts, &request(OpenGl::Container));
    assert!(plan.process_env.contains_key(OsStr::new("SINGULARITYENV_A")));
}

#[cfg(unix)]
#[test]
fn what_an_old_singularity_would_spoil_reaches_the_command_by_the_script() {
    let mut merged = configuration();
    merged["env"]["PRICE"] = json!("5 `x`");
    let start = |version| {
        let facts = facts_with(EngineKind::Singularity, "/usr/bin/singularity", version);
        let plan = planned(&machine(), &merged, &facts, &request(OpenGl::Container));
        String::from_utf8(plan.dialect().scripts(&plan)[0].1.clone()).unwrap()
    };
    let old = start("3.7.4");
    assert!(old.contains("export PRICE='5 `x`'\n") && !old.contains("export A="), "{old}");
    assert!(!start("4.1.0").contains("export PRICE="), "its engine hands it over");
}

#[test]
fn an_image_may_be_given_and_must_exist() {
    let host = machine().file("/data/other.sif", "").env("PWD", "/data");
    let asked = |path: &str| Request { image: Some(path.into()), ..request(OpenGl::Container) };
    let settings = settings(&host, &configuration());
    assert_eq!(plan(&host, &settings, &facts(), &asked("other.sif")).unwrap().image, Path::new("/data/other.sif"));
    let missing = plan(&host, &settings, &facts(), &asked("/gone.sif"));
    assert_eq!(missing, Err(LaunchError::ImageMissing("/gone.sif".into())));
    let nameless = Settings { image: None, ..settings };
    assert_eq!(plan(&host, &nameless, &facts(), &request(OpenGl::Container)), Err(LaunchError::NoImage));
}

#[test]
fn a_container_is_not_started_inside_another_one() {
    let inside = |marker: &str| {
        let session = Session { inside_container: Some(marker.into()), ..Session::default() };
        let host = machine();
        plan(&host, &settings(&host, &configuration()), &Facts { session: Some(session), ..facts() }, &request(OpenGl::Container))
    };
    assert_eq!(inside("casa-distro"), Err(LaunchError::InsideContainer("casa-distro".into())));
    let docker = inside("docker").unwrap();
    assert!(docker.warnings.iter().any(|warning| warning.contains("docker")), "a development container may well work");
}

#[test]
fn a_home_that_the_engine_cannot_take_is_refused() {
    let host = machine().directory("/a:b/home").file("/a:b/image.sif", "");
    let settings = settings_in(&host, "/a:b", &configuration());
    let refused = plan(&host, &settings, &facts(), &request(OpenGl::Container));
    assert_eq!(refused, Err(LaunchError::HomePath("/a:b/home".into())));
}

#[test]
fn a_plan_shown_holds_no_cookie() {
    let (host, facts) = with_cookie();
    let host = host.env("LD_PRELOAD", "libdlfaker.so");
    let plan = planned(&host, &configuration(), &facts, &request(OpenGl::Software));
    let line = plan.dry_run_line();
    assert!(line.starts_with("env -u LD_PRELOAD APPTAINERENV_A=1 "), "{line}");
    assert!(line.contains("--bind /run/auth:/casa/Xauthority") && line.ends_with("/env/image.sif anatomist 'a b'"), "{line}");
    let document = plan.to_json();
    assert_eq!(document["mode"], "software");
    assert_eq!(document["argv"][1], "run");
    assert_eq!(document["env"]["SOFTWARE_OPENGL"], "1");
    for text in [line, document.to_string(), format!("{plan:?}")] {
        assert!(!text.contains("\u{1}\u{2}\u{3}\u{4}") && !text.contains("[1, 2, 3, 4]"), "{text}");
    }
}

#[test]
fn a_plan_shown_holds_no_secret_of_its_command() {
    let command = ["sh", "-c", "curl -u me:SEKRET https://x", "--docker-password", "SEKRET", "--env=SMTP_PASS=SEKRET"];
    let env = vec![("SMTP_PASS".to_owned(), "SEKRET".to_owned()), ("DB".to_owned(), "x;pwd=SEKRET".to_owned())];
    let request = Request { env, cwd: Some("/data".into()), ..Request::new(OpenGl::Container, command.map(OsString::from).into()) };
    let plan = planned(&machine(), &configuration(), &facts(), &request);
    let document = plan.to_json();
    assert!(!document.to_string().contains("SEKRET"), "{document:#}");
    assert_eq!(document["argv"][4], "/data", "{document:#}");
    assert_eq!(plan.words()[4], "SEKRET", "what is started is not changed");
}

#[test]
fn a_line_makes_the_directory_that_it_mounts_where_the_launch_would_make_it() {
    let line = |host: &RecordedHost| planned(host, &configuration(), &facts(), &request(OpenGl::Container)).dry_run_line();
    let unused = || RecordedHost::new().file("/env/image.sif", "").directory("/data");
    let new = line(&unused());
    assert!(new.starts_with("mkdir -p ") && new.contains("/.varlib/xkb && APPTAINERENV_A=1 "), "{new}");
    let empty = line(&unused().directory("/env/home"));
    assert!(empty.starts_with("mkdir -p /env/home/.varlib/xkb && APPTAINERENV_A=1 "), "{empty}");
    assert!(!line(&machine()).contains("mkdir"), "what is there is not made");
}

#[test]
fn a_variable_that_was_asked_for_and_is_not_used_is_told() {
    let (host, facts) = with_cookie();
    let host = host.env("SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1");
    let asked = [("DISPLAY", ":9"), ("XAUTHORITY", "/x"), ("SSH_AUTH_SOCK", "/x"), ("SOFTWARE_OPENGL", "1"), ("MINE", "1")];
    let env: Vec<_> = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let with = |env: Vec<(String, String)>| {
        let request = Request { env, ..request(OpenGl::Container) };
        let plan = planned(&host, &configuration(), &facts, &request);
        plan.warnings.into_iter().filter(|warning| warning.contains("--env")).collect::<Vec<_>>()
    };
    let told = with(env);
    assert_eq!(told.len(), 4, "{told:#?}");
    for (name, _) in &asked[..4] {
        assert!(told.iter().any(|warning| warning.starts_with(&format!("the variable {name} "))), "{name}: {told:#?}");
    }
    let same = [("DISPLAY", ":5"), ("HOME", "/elsewhere"), ("bad name", "x")];
    assert_eq!(with(same.map(|(name, value)| (name.to_owned(), value.to_owned())).into()), Vec::<String>::new());
}

#[test]
fn no_command_means_a_shell() {
    let plan = planned(&machine(), &configuration(), &facts(), &Request::new(OpenGl::Container, Vec::new()));
    assert!(plan.command.is_empty() && plan.words() == ["bash"]);
}
