//! The launch on real parts: the engine, an image, an X server, an ssh agent. `tests/lab/setup` prepares them; without them these
//! tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]
#![cfg(target_os = "linux")]

#[path = "../end_to_end/lab.rs"]
#[expect(dead_code, reason = "shared with the tests of the main job, each of which uses a part of it")]
mod lab;

mod death;
mod jobs;
mod names;
mod private;
mod signals;
mod site;
mod support;
mod terminal;

use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::{Patient, XServer, lab};
use serde_json::json;
use support::{Launch, environment, patient, private_directories, run, with_runtime_directory};

#[test]
fn exit_statuses_are_those_of_the_command_or_of_a_shell() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    for (script, status) in [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 42", 42),
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -SEGV $$", 139),
    ] {
        patient.run(run(&environment, &["sh", "-c", script])).assert_status(status);
    }
    patient.run(run(&environment, &["no-such-program", "x"])).assert_status(127);
    patient.run(run(&environment, &["/etc/passwd"])).assert_status(126);
    assert!(private_directories(&patient).is_empty());
}

#[test]
fn a_container_that_does_not_start_is_125_whatever_the_engine_says() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let broken = patient.file("broken.sif", "no image");
    let start = |more: &[&str]| {
        let args = [&["run", environment.as_str(), "--no-gui", "--opengl", "container"], more, &["--", "true"]].concat();
        patient.run(args).assert_status(125);
    };
    start(&["--image", broken.to_str().unwrap()]);
    start(&["--image", "/nowhere.sif"]);
    start(&["--cwd", "/nowhere"]);
    start(&["--engine", "/nowhere/apptainer"]);
    let unknown_option = self::environment(&patient, &json!({"container_options": ["--no-such-option"]}));
    patient.run(run(&unknown_option, &["true"])).assert_status(125);
    assert!(private_directories(&patient).is_empty(), "nothing stays behind a failed start");
}

#[test]
fn the_entry_point_of_real_images_does_not_spoil_statuses_and_signals() {
    // Real casa-distro images start the command as a child of a shell, two shells deep; the lab's image replaces its shell.
    let patient = patient();
    let script = "#!/bin/sh\n\"$@\"\n";
    let entry_point = patient.file("entrypoint", format!("#!/bin/sh\n/bin/sh {}/inner \"$@\"\n", patient.home().display()));
    patient.file("inner", script);
    fs::set_permissions(&entry_point, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let home = patient.home().to_str().unwrap();
    let mounts = json!({"/usr/local/bin/entrypoint": entry_point.to_str().unwrap(), home: home});
    let environment = environment(&patient, &json!({"mounts": mounts}));
    patient.run(run(&environment, &["sh", "-c", "exit 42"])).assert_status(42);
    patient.run(run(&environment, &["no-such-program"])).assert_status(127);
    let trap = "trap 'echo told; exit 7' TERM; echo ready; for i in $(seq 100); do sleep 0.1; done";
    let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", trap]));
    launch.signal("TERM");
    let (text, status) = launch.rest();
    assert_eq!((text.as_str(), status.code()), ("told\n", Some(7)));
}

#[test]
fn signals_reach_the_program_and_the_private_files_go() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    for (signal, status) in [("TERM", 5), ("HUP", 6)] {
        let trap =
            "trap 'echo TERM; exit 5' TERM; trap 'echo HUP; exit 6' HUP; echo ready; for i in $(seq 100); do sleep 0.1; done";
        let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", trap]));
        assert_eq!(private_directories(&patient).len(), 1);
        launch.signal(signal);
        let (text, ended) = launch.rest();
        assert_eq!((text, ended.code()), (format!("{signal}\n"), Some(status)));
        assert!(private_directories(&patient).is_empty());
    }
    let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", "echo ready; exec sleep 30"]));
    launch.signal("TERM");
    assert_eq!(launch.rest().1.code(), Some(143));
    // What Ctrl-C sends the program has already; sent to us alone it is passed on, once.
    for signal in ["INT", "QUIT", "USR1", "USR2"] {
        let trap = format!("trap 'echo told' {signal}; echo ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.1; done; exit 3");
        let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", &trap]));
        launch.signal(signal);
        let (text, ended) = launch.rest();
        assert_eq!((text.as_str(), ended.code()), ("told\n", Some(3)), "{signal}");
    }
}

#[test]
fn a_launch_ends_with_its_program_where_the_end_of_children_is_not_told() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let of_patient = patient.command(run(&environment, &["sh", "-c", "exit 7"]));
    let mut deaf = Command::new("timeout");
    deaf.args(["--signal=KILL", "20", "env", "--block-signal=CHLD"]).arg(of_patient.get_program()).args(of_patient.get_args());
    deaf.env_clear().envs(of_patient.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = deaf.output().unwrap();
    assert_eq!(ended.status.code(), Some(7), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(private_directories(&patient).is_empty());
}

#[test]
fn a_signal_during_the_start_is_not_lost() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    // Every stage of the start is met: our own, the engine's, the entry point's, the command's.
    for delay in (0..=240).step_by(8) {
        let mut child = patient.command(run(&environment, &["sleep", "30"])).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let started = Instant::now();
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        let status = child.wait().unwrap();
        // Before casa-doctor has taken the signal over, it ends by it as any program does.
        assert!(status.code() == Some(143) || status.signal() == Some(15), "after {delay} ms: {status:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "after {delay} ms");
    }
    patient.run(run(&environment, &["true"])).assert_status(0);
    assert!(private_directories(&patient).is_empty());
}

#[test]
fn what_a_killed_launch_leaves_is_swept_by_the_next_one() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let mut launch = Launch::start(&patient, &run(&environment, &["sh", "-c", "echo ready; echo $$; exec sleep 5"]));
    let mut pid = String::new();
    launch.output.read_line(&mut pid).unwrap();
    launch.signal("KILL");
    assert_eq!(launch.child.wait().unwrap().signal(), Some(9));
    assert_eq!(private_directories(&patient).len(), 1);
    let beside = Launch::start(&patient, &run(&environment, &["sh", "-c", "echo ready; exec sleep 2"]));
    let mut other = beside;
    assert_eq!(private_directories(&patient).len(), 1, "the old one is gone, that of the running launch is there");
    patient.run(run(&environment, &["true"])).assert_status(0);
    assert_eq!(private_directories(&patient).len(), 1, "a launch in use is not swept");
    assert_eq!(other.rest().1.code(), Some(0));
    assert!(private_directories(&patient).is_empty());
    drop(Command::new("kill").arg(pid.trim()).status());
}

#[test]
fn streams_pass_through_untouched() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut child = patient
        .command(run(&environment, &["cat"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let to_write = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&to_write).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == bytes, "{} bytes came back of {}", output.stdout.len(), bytes.len());
    let answer = patient.run(run(&environment, &["sh", "-c", "echo out; echo err >&2; test ! -t 1"]));
    answer.assert_status(0);
    assert_eq!(answer.stdout(), "out\n");
    assert!(answer.stderr().contains("err\n"));
}

#[test]
fn the_terminal_is_the_programs_own() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    // `script` gives a terminal and hands on the status.
    let line = format!(
        "{} run {environment} --no-gui --opengl container -- sh -c 'test -t 0 && test -t 1 && test -t 2 && exit 9'",
        lab().program().display()
    );
    let mut command = lab().command("script", patient.home());
    let status = command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(9));
}

#[test]
fn every_byte_of_arguments_and_variables_arrives() {
    let patient = patient();
    let environment = environment(&patient, &json!({"env": {"FROM_FILE": "a $HOME {{b}}"}}));
    let words: Vec<Vec<u8>> = vec![
        b"plain".to_vec(),
        b"".to_vec(),
        b"two words".to_vec(),
        b"$HOME`id`\\\"'".to_vec(),
        b"line\nbreak".to_vec(),
        b"latin \xe9 1'".to_vec(),
    ];
    for words in [&words[..5], &words[..]] {
        let mut command = patient.command(run(&environment, &["printf", "%s|"]));
        command.args(words.iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        let output = command.output().unwrap();
        let expected = words.iter().flat_map(|word| [word.as_slice(), b"|"].concat()).collect::<Vec<u8>>();
        assert_eq!(output.stdout, expected, "{}", String::from_utf8_lossy(&output.stderr));
    }
    let value = "x$HOME`id`\\n\\\\\"'{}\ny";
    let assignment = format!("V={value}");
    let args = [
        "run",
        &environment,
        "--no-gui",
        "--opengl",
        "container",
        "--env",
        &assignment,
        "--",
        "sh",
        "-c",
        "printf '%s|%s' \"$V\" \"$FROM_FILE\"",
    ];
    let answer = patient.run(args);
    answer.assert_status(0);
    assert_eq!(answer.stdout(), format!("{value}|a {} {{b}}", patient.home().display()));
}

#[test]
fn mounts_of_any_name_arrive_and_missing_ones_do_not_stop_the_start() {
    let patient = patient();
    let names = ["plain", "two words", " blank ", "comma,colon:", "quote\"'caret^", "back\\slash", "é"];
    let mut mounts = json!({"/gone": "/no/such/place", "/data/line": patient.home().join("line\nbreak").to_str().unwrap()});
    patient.file("line\nbreak/file", "x");
    for (index, name) in names.iter().enumerate() {
        let file = patient.file(&format!("{name}/file"), format!("content {index}"));
        mounts[format!("/data/{index}")] = json!(file.parent().unwrap().to_str().unwrap());
    }
    let environment = environment(&patient, &json!({"mounts": mounts}));
    let answer = patient.run(run(&environment, &["sh", "-c", "cat /data/?/file; test ! -e /gone -a ! -e /data/line"]));
    answer.assert_status(0);
    let expected: String = (0..names.len()).map(|index| format!("content {index}")).collect();
    assert_eq!(answer.stdout(), expected, "{}", answer.stderr());
    assert!(answer.stderr().contains("/no/such/place") && answer.stderr().contains("line break"), "{}", answer.stderr());
}

#[test]
fn a_mount_for_reading_only_is_one_as_with_casa_distro() {
    let patient = patient();
    patient.file("kept/file", "content");
    let kept = patient.home().join("kept");
    let environment = environment(&patient, &json!({"mounts": {"/data:ro": kept.to_str().unwrap()}}));
    let answer = patient.run(run(&environment, &["sh", "-c", "cat /data/file; ! touch /data/new"]));
    answer.assert_status(0);
    assert_eq!(answer.stdout(), "content", "{}", answer.stderr());
}

/// Whether a GL program of the image draws, and with which renderer.
fn renderer(patient: &Patient, environment: &str, mode: &str) -> Result<String, String> {
    let answer = patient.run(["run", environment, "--opengl", mode, "--", "glxinfo", "-B"]);
    let text = answer.stdout();
    let line = text.lines().find(|line| line.contains("OpenGL renderer string")).map(str::to_owned);
    line.filter(|_| answer.output.status.success()).ok_or_else(|| answer.all())
}

#[test]
fn a_program_draws_on_a_display_that_wants_a_cookie() {
    let server = XServer::start();
    let patient = with_runtime_directory(Patient::at(&server));
    let environment = environment(&patient, &json!({}));
    let container = renderer(&patient, &environment, "container").unwrap();
    assert!(container.contains(lab().value("LAB_RENDERER_CONTAINER")), "{container}");
    let software = renderer(&patient, &environment, "software").unwrap();
    assert!(software.contains(lab().value("LAB_RENDERER_SOFTWARE")), "{software}");
    // The cookie is what lets the program in: as a private file, and not under any path of the host.
    let script = "echo $XAUTHORITY; stat -c '%a %u' /casa/Xauthority; id -u";
    let answer = patient.run(["run", &environment, "--opengl", "container", "--", "sh", "-c", script]);
    let text = answer.stdout();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[1]), ("/casa/Xauthority", format!("600 {}", lines[2]).as_str()), "{}", answer.all());
    assert!(private_directories(&patient).is_empty());
}

#[test]
fn the_cookie_is_brought_from_where_the_probe_found_it() {
    let server = XServer::start();
    let mut patient = with_runtime_directory(Patient::at(&server));
    let empty = patient.file("empty", "");
    patient.set("XAUTHORITY", empty.to_str().unwrap());
    let environment = environment(&patient, &json!({}));
    // It stands in the file that the server was started with.
    renderer(&patient, &environment, "container").unwrap();
}

#[test]
fn without_any_cookie_the_same_display_stays_shut() {
    let server = XServer::start();
    let patient = with_runtime_directory(Patient::at(&server));
    // Emptied, it would be read again by the server, which lets everybody in then.
    fs::set_permissions(server.authority(), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let environment = environment(&patient, &json!({}));
    renderer(&patient, &environment, "container").unwrap_err();
    let script = "echo x$XAUTHORITY; test ! -e /casa/Xauthority";
    let answer = patient.run(["run", &environment, "--opengl", "container", "--", "sh", "-c", script]);
    answer.assert_status(0);
    assert_eq!(answer.stdout(), "x\n", "an empty authority file would hide a working default");
}

#[test]
fn the_display_works_where_tmp_is_hidden() {
    let server = XServer::start();
    let patient = with_runtime_directory(Patient::at(&server));
    let environment = environment(&patient, &json!({"container_options": ["--contain"]}));
    renderer(&patient, &environment, "container").unwrap();
    let socket = format!("test -S /tmp/.X11-unix/X{}", server.number());
    patient.run(["run", &environment, "--opengl", "container", "--", "sh", "-c", &socket]).assert_status(0);
}

#[test]
fn the_cookie_works_under_another_machine_name() {
    let server = XServer::start();
    let patient = with_runtime_directory(Patient::at(&server));
    let environment = environment(&patient, &json!({"container_options": ["--hostname", "elsewhere"]}));
    let script = "uname -n; glxinfo -B >/dev/null";
    let answer = patient.run(["run", &environment, "--opengl", "container", "--", "sh", "-c", script]);
    answer.assert_status(0);
    assert_eq!(answer.stdout(), "elsewhere\n");
}

#[test]
fn the_cookie_of_this_machines_former_name_opens_the_display() {
    let server = XServer::start();
    let patient = with_runtime_directory(Patient::at(&server));
    let mut cookies = fs::read(server.authority()).unwrap();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let at = cookies.windows(name.trim().len()).position(|part| part == name.trim().as_bytes()).unwrap();
    cookies[at] ^= 1;
    fs::write(server.authority(), cookies).unwrap();
    let environment = environment(&patient, &json!({}));
    renderer(&patient, &environment, "container").unwrap();
}

#[test]
fn a_live_agent_lists_its_keys_inside_and_a_dead_one_is_left_out() {
    let mut patient = patient();
    let environment = environment(&patient, &json!({}));
    patient.set("SSH_AUTH_SOCK", "/nowhere/agent");
    let dead = patient.run(run(&environment, &["sh", "-c", "echo agent=$SSH_AUTH_SOCK"]));
    dead.assert_status(0);
    assert_eq!(dead.stdout(), "agent=\n");
    assert!(dead.stderr().contains("/nowhere/agent"), "{}", dead.stderr());

    let (socket, key) = (patient.home().join("agent"), patient.home().join("key"));
    let mut agent =
        lab().command("ssh-agent", patient.home()).arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    let make = lab()
        .command("ssh-keygen", patient.home())
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "of the test", "-f"])
        .arg(&key)
        .status();
    assert!(make.unwrap().success());
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let add = lab().command("ssh-add", patient.home()).env("SSH_AUTH_SOCK", &socket).arg("-q").arg(&key).status();
    assert!(add.unwrap().success());
    patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());
    let live = patient.run(run(&environment, &["ssh-add", "-l"]));
    agent.kill().unwrap();
    agent.wait().unwrap();
    live.assert_status(0);
    assert!(live.stdout().contains("of the test"), "{}", live.all());
    // Its socket is still there, and nobody listens.
    let stale = patient.run(run(&environment, &["sh", "-c", "echo agent=$SSH_AUTH_SOCK"]));
    stale.assert_status(0);
    assert_eq!(stale.stdout(), "agent=\n");
}

#[test]
fn the_line_of_a_dry_run_does_the_same_in_a_shell() {
    let server = XServer::start();
    let mut patient = with_runtime_directory(Patient::at(&server));
    patient.set("LD_PRELOAD", "");
    let environment = environment(&patient, &json!({"env": {"ODD": "it's $HOME"}}));
    let script = "echo \"$ODD|$DISPLAY\"; glxinfo -B | grep -c renderer; pwd; exit 4";
    let args = |dry: &'static str| {
        ["run", &environment, "--opengl", "software", "--cwd", "/casa", dry, "--", "sh", "-c", script].map(str::to_owned)
    };
    let answer = patient.run(args("--dry-run"));
    answer.assert_status(0);
    let line = answer.stdout();
    assert_eq!(line.lines().count(), 1);
    assert!(private_directories(&patient).is_empty(), "a dry run makes nothing");
    let real = patient.run(args("--color=never"));
    real.assert_status(4);
    let pasted = lab().command("bash", patient.home()).args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
    assert_eq!((pasted.status.code(), String::from_utf8_lossy(&pasted.stdout)), (Some(4), real.stdout().into()), "{line}");
}

#[test]
fn the_home_is_made_at_the_first_start_and_kept() {
    let patient = patient();
    let environment = environment(&patient, &json!({}));
    let script = "test -w $HOME && echo $HOME && readlink .brainvisa && test -d /var/lib/xkb && touch /var/lib/xkb/x && echo mine >> ~/.bashrc";
    let answer =
        patient.run(["run", &environment, "--no-gui", "--opengl", "container", "--cwd", "/casa/home", "--", "sh", "-c", script]);
    answer.assert_status(0);
    assert!(answer.stdout().starts_with("/casa/home\n"), "{}", answer.all());
    assert!(answer.stdout().trim_end().ends_with("/.brainvisa"), "{}", answer.all());
    let again = patient.run(run(&environment, &["tail", "-n1", "/casa/home/.bashrc"]));
    assert_eq!(again.stdout(), "mine\n");
    // A home in the environment's directory comes first.
    fs::create_dir(Path::new(&environment).join("home")).unwrap();
    lab().give(patient.home());
    patient
        .run(run(&environment, &["sh", "-c", "test -e /casa/host/home/.bashrc -a /casa/host/home -ef /casa/home"]))
        .assert_status(0);
}

#[test]
fn what_the_calling_shell_left_does_not_decide() {
    let mut patient = patient();
    patient.set("APPTAINERENV_LD_LIBRARY_PATH", "/nowhere").set("SINGULARITYENV___GLX_VENDOR_LIBRARY_NAME", "nvidia");
    patient.set("SINGULARITYENV_CASA_DISTRO", "theirs").set("APPTAINER_NV", "1").set("APPTAINERENV_HARMLESS", "kept");
    let environment = environment(&patient, &json!({}));
    let script = "echo \"$LD_LIBRARY_PATH|$__GLX_VENDOR_LIBRARY_NAME|$CASA_DISTRO|$HARMLESS\"; ls /.singularity.d/libs | wc -l";
    let answer = patient.run(run(&environment, &["sh", "-c", script]));
    answer.assert_status(0);
    assert_eq!(answer.stdout(), "/.singularity.d/libs:/usr/local/lib||brainvisa|kept\n0\n", "{}", answer.stderr());
    assert!(answer.stderr().contains("APPTAINER_NV") && answer.stderr().contains("APPTAINERENV_HARMLESS"), "{}", answer.stderr());
    assert!(!answer.stderr().contains("theirs"), "values are not told");
}
