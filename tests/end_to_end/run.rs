//! The launch of a healthy environment.

use crate::lab::{Patient, XServer, lab};

#[test]
fn a_program_of_the_image_draws_on_the_display() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let environment = patient.healthy_environment();
    let answer = patient.run(["run", environment.to_str().unwrap(), "--", "glxinfo", "-B"]);
    answer.assert_status(0);
    assert!(answer.stdout().contains("OpenGL renderer string"), "{}", answer.all());
}

#[test]
fn the_two_mesas_of_the_image_are_told_apart_by_mode() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let environment = patient.healthy_environment();
    let renderer = |mode: &str| {
        let answer = patient.run(["run", environment.to_str().unwrap(), "--opengl", mode, "--", "glxinfo", "-B"]);
        answer.assert_status(0);
        let text = answer.stdout();
        text.lines()
            .find(|line| line.contains("OpenGL version string") || line.contains("core profile version"))
            .unwrap()
            .to_owned()
    };
    assert_ne!(renderer("container"), renderer("software"));
}

/// Software OpenGL would choose a picture format with transparency, and windows would be see-through.
#[test]
fn software_windows_are_not_see_through() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let environment = patient.healthy_environment();
    let set = |mode: &str| {
        let script = "echo ${XLIB_SKIP_ARGB_VISUALS:-unset}";
        let answer = patient.run(["run", environment.to_str().unwrap(), "--opengl", mode, "--", "sh", "-c", script]);
        answer.assert_status(0);
        answer.stdout().trim().to_owned()
    };
    assert_eq!((set("software"), set("container")), ("1".to_owned(), "unset".to_owned()));
}

#[test]
fn exit_statuses_are_exact() {
    let patient = Patient::new();
    let environment = patient.healthy_environment();
    let environment = environment.to_str().unwrap();
    for (script, status) in [("exit 0", 0), ("exit 42", 42), ("kill -TERM $$", 143)] {
        patient.run(["run", "--no-gui", environment, "--", "sh", "-c", script]).assert_status(status);
    }
    patient.run(["run", "--no-gui", environment, "--", "no-such-program"]).assert_status(127);
    patient.run(["run", "--no-gui", environment, "--image", "/nowhere.sif", "--", "true"]).assert_status(125);
}

#[test]
fn dry_run_prints_one_line_that_a_shell_takes() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let environment = patient.healthy_environment();
    let answer = patient.run(["run", "--dry-run", environment.to_str().unwrap(), "--", "echo", "two words"]);
    answer.assert_status(0);
    let text = answer.stdout();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    assert!(text.contains("--cleanenv") && text.contains("'two words'"), "{text}");
    // It works in an environment that was never started, and nothing was written to show it.
    let written = [".cache/casa-doctor", ".local/state/casa-doctor", "brainvisa-5.3/home"];
    assert!(written.iter().all(|name| !patient.home().join(name).exists()), "{text}");
    let pasted = lab().command("sh", patient.home()).args(["-c", &text]).envs(patient.variables.clone()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&pasted.stdout), "two words\n", "{text}\n{}", String::from_utf8_lossy(&pasted.stderr));
    let again = patient.run(["run", "--dry-run", environment.to_str().unwrap(), "--", "echo", "two words"]);
    assert!(!again.stdout().contains("mkdir"), "{}", again.all());
}

#[test]
fn the_agent_works_inside_and_a_dead_one_is_left_out() {
    let mut patient = Patient::new();
    let environment = patient.healthy_environment();
    let environment = environment.to_str().unwrap().to_owned();
    patient.set("SSH_AUTH_SOCK", "/nowhere/agent");
    let dead = patient.run(["run", "--no-gui", &environment, "--", "sh", "-c", "echo agent=$SSH_AUTH_SOCK"]);
    dead.assert_status(0);
    assert_eq!(dead.stdout(), "agent=\n");

    let socket = patient.home().join("agent.sock");
    let mut agent = lab().command("ssh-agent", patient.home()).arg("-D").arg("-a").arg(&socket).spawn().unwrap();
    while !socket.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    patient.set("SSH_AUTH_SOCK", socket.to_str().unwrap());
    let live = patient.run(["run", "--no-gui", &environment, "--", "sh", "-c", "test -S \"$SSH_AUTH_SOCK\" && echo bound"]);
    agent.kill().unwrap();
    agent.wait().unwrap();
    live.assert_status(0);
    assert_eq!(live.stdout(), "bound\n");
}
