//! Apptainer where the machine does not let it work. What it says itself is the witness, and is read as a user's log.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{
    assert_found, document_of, environment, expect, expect_in_log, expect_on_stage, finding, named, on_stage, said_by, told,
};
use crate::lab::{Patient, XServer, lab};

const ONLY_ENGINE: &str = "engine";

/// A command in a user namespace in which no further ones may be made: the real limit of the kernel, which each namespace has.
fn without_user_namespaces(command: &Command) -> Command {
    const SCRIPT: &str = r#"
        saved=$PATH; PATH=/usr/sbin:/usr/bin:/sbin:/bin
        go=$(mktemp -u); mkfifo "$go"
        unshare --user -- sh -c 'read -r _ <"$1"; shift; exec sh -euc "$@"' sh "$go" \
            'echo 0 >/proc/sys/user/max_user_namespaces; PATH=$1; shift; exec "$@"' sh "$saved" "$@" &
        child=$!
        until [ "$(readlink "/proc/$child/ns/user")" != "$(readlink "/proc/$$/ns/user")" ]; do sleep 0.01; done
        echo '0 0 65536' >"/proc/$child/uid_map"
        echo '0 0 65536' >"/proc/$child/gid_map"
        echo >"$go"; rm "$go"
        wait "$child"
    "#;
    let mut limited = Command::new("/bin/sh");
    limited.args(["-euc", SCRIPT, "sh"]).arg(command.get_program()).args(command.get_args()).env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.current_dir("/").stdin(Stdio::null());
    limited
}

fn apptainer(patient: &Patient, words: &[&str]) -> Command {
    let mut command = lab().command("apptainer", patient.home());
    command.arg("exec").args(words).arg(lab().image()).arg("true");
    command
}

#[test]
fn user_namespaces_are_used_up() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let args = ["--format", "json", "--only", ONLY_ENGINE, &environment];
    let (document, answer) = document_of(without_user_namespaces(&patient.command(args)));
    assert_found(&document, &answer, &["engine-userns-blocked"]);
    let text = told(&document, "engine-userns-blocked");
    assert!(text.contains("max_user_namespaces is 0") && text.contains("sudo sysctl user.max_user_namespaces"), "{text}");
    assert_eq!(finding(&document, "engine-userns-blocked")["severity"], "error");
    for words in [&[][..], &["--fakeroot"]] {
        expect_in_log(&mut without_user_namespaces(&apptainer(&patient, words)), "ap-userns-zero");
    }
}

#[test]
fn fuse_is_closed_or_missing() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let args = ["--only", ONLY_ENGINE, environment.as_str()];
    for (script, log) in [
        ("stage_begin; stage_nodes 666; chmod 600 /dev/fuse", "ap-fuse-device"),
        ("stage_begin; stage_nodes 666; rm /dev/fuse", "ap-fuse-device"),
    ] {
        let document = expect_on_stage(&patient, script, &args, &["engine-fuse-missing"]);
        assert!(told(&document, "engine-fuse-missing").contains("/dev/fuse"), "{script}");
        expect_in_log(&mut on_stage(&apptainer(&patient, &[]), script), log);
    }
    let script = "stage_begin; stage_without squashfuse squashfuse_ll";
    let document = expect_on_stage(&patient, script, &args, &["engine-fuse-missing"]);
    assert!(told(&document, "engine-fuse-missing").contains("squashfuse"));
}

/// Without squashfuse the image is unpacked, into a directory that is too small.
#[test]
fn an_image_is_unpacked_into_too_little_room() {
    let mut patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    patient.set("TMPDIR", "/mnt/tmp");
    let script =
        "stage_begin; stage_without squashfuse squashfuse_ll; mkdir /mnt/tmp; mount -t tmpfs -o size=8m,mode=1777 tmpfs /mnt/tmp";
    let document =
        expect_on_stage(&patient, script, &["--only", "engine,storage", &environment], &["disk-full", "engine-fuse-missing"]);
    assert!(told(&document, "disk-full").contains("/mnt/tmp"));
    expect_in_log(on_stage(&apptainer(&patient, &[]), script).env("TMPDIR", "/mnt/tmp"), "ap-tmp-full");
}

#[test]
fn a_setuid_starter_that_lost_its_power() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let args = ["--only", ONLY_ENGINE, environment.as_str()];
    let starter = |change: &str| {
        format!(
            "stage_begin; bin=/usr/lib/x86_64-linux-gnu/apptainer/bin; mkdir /mnt/starter; cp -a $bin/. /mnt/starter
             cp /mnt/starter/starter /mnt/starter/starter-suid; chmod 4755 /mnt/starter/starter-suid; {change}
             mount --bind /mnt/starter $bin"
        )
    };
    for (change, reason) in [
        ("chmod 755 /mnt/starter/starter-suid", "without the setuid bit"),
        ("chown nobody /mnt/starter/starter-suid", "not to root"),
    ] {
        let document = expect_on_stage(&patient, &starter(change), &args, &["engine-suid-lost"]);
        assert!(told(&document, "engine-suid-lost").contains(reason), "{change}: {:#}", document["findings"]);
    }
    let nosuid = starter("true") + "; mount -o remount,bind,nosuid $bin";
    let document = expect_on_stage(&patient, &nosuid, &args, &["engine-suid-lost"]);
    assert!(told(&document, "engine-suid-lost").contains("nosuid"));
    expect_on_stage(&patient, &starter("true"), &args, &[]);
}

#[test]
fn no_engine_on_the_path() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let script = "stage_begin; stage_without apptainer singularity";
    let document = expect_on_stage(&patient, script, &["--only", ONLY_ENGINE, &environment], &["engine-missing"]);
    assert_eq!(finding(&document, "engine-missing")["severity"], "error");
}

#[test]
fn variables_that_are_left_over() {
    let mut patient = Patient::new();
    let only = ["--only", ONLY_ENGINE];
    expect(&patient, only, &[]);
    patient.set("SINGULARITYENV_DISPLAY", ":0");
    let document = expect(&patient, only, &["env-leftover"]);
    assert!(told(&document, "env-leftover").contains("unset SINGULARITYENV_DISPLAY"));
    let (text, _) = said_by(apptainer(&patient, &[]).env("SINGULARITYENV_DISPLAY", ":0"));
    assert!(named(&text).contains(&"ap-singularity-env-warn".to_owned()), "{text}");
    patient.variables.clear();
    patient.set("APPTAINER_BIND", "/nowhere");
    let document = expect(&patient, only, &[]);
    assert_eq!(finding(&document, "env-leftover")["severity"], "info");
    expect_in_log(apptainer(&patient, &[]).env("APPTAINER_BIND", "/nowhere"), "ap-bind-source");
    patient.variables.clear();
    patient.set("CASA_HOST_DIR", "/casa/host");
    let document = expect(&patient, only, &["env-leftover"]);
    assert!(told(&document, "env-leftover").contains("unset CASA_HOST_DIR"));
}

#[test]
fn inside_of_a_container() {
    let patient = Patient::new();
    let mut command = lab().command("apptainer", patient.home());
    command.arg("exec").arg(lab().image()).arg(lab().program()).args(["--format", "json", "--only", ONLY_ENGINE]);
    let (document, answer) = document_of(command);
    assert_found(&document, &answer, &["nested-container"]);
    assert!(told(&document, "nested-container").contains("Apptainer"));
}

#[test]
fn what_apptainer_says_of_wrong_options() {
    let patient = Patient::new();
    let junk = patient.file("overlay.img", vec![0; 1 << 20]);
    for (words, expected) in [
        (&["--pwd", "/nowhere"][..], "ap-cwd"),
        (&["--bind", "/nowhere"], "ap-bind-source"),
        (&["--softgl"], "ap-unknown-flag"),
        (&["--overlay", junk.to_str().unwrap()], "ap-overlay-ro"),
    ] {
        expect_in_log(&mut apptainer(&patient, words), expected);
    }
    let (text, success) = said_by(lab().command("/usr/bin/env", patient.home()).args(["python", "bv"]));
    assert!(!success && named(&text) == ["py-missing"], "{text}");
}

/// Homes, rights and libraries that Apptainer does not take.
#[test]
fn what_apptainer_says_of_the_machine() {
    let patient = Patient::new();
    let user = lab().value("LAB_USER");
    let home = format!("stage_begin; sed -i 's#^\\({user}:.*:\\)[^:]*:#\\1.:#' /etc/passwd");
    let mut command = on_stage(&apptainer(&patient, &[]), &home);
    expect_in_log(command.env("HOME", "."), "home-nonstd");

    let unlisted = format!("stage_begin; sed -i /{user}/d /etc/subuid");
    let (text, success) = said_by(&mut on_stage(&apptainer(&patient, &["--fakeroot"]), &unlisted));
    assert!(success && text.contains("User not listed in /etc/subuid") && named(&text).is_empty(), "it is harmless: {text}");

    let sandbox = patient.home().join("sandbox");
    std::fs::create_dir_all(sandbox.join("bin")).unwrap();
    lab().give(&sandbox);
    let mut command = lab().command("apptainer", patient.home());
    command.args(["exec", "--nv", "--writable"]).arg(&sandbox).arg("true");
    let libraries = format!("stage_begin; stage_libraries {}", lab().value("LAB_NVIDIA"));
    expect_in_log(&mut on_stage(&command, &libraries), "nv-writable");
}

/// casa_distro, which is written in Python, cannot start without xauth; casa-doctor can.
#[test]
fn a_machine_without_xauth() {
    let server = XServer::start();
    let patient = Patient::at(&server);
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let script = "stage_begin; stage_without xauth";
    let mut python = lab().command("python3", patient.home());
    python.args(["-c", "import subprocess; subprocess.check_call(['xauth', 'list'])"]);
    expect_in_log(&mut on_stage(&python, script), "x-xauth-missing");
    let run = patient.command(["run", &environment, "--", "glxinfo", "-B"]);
    let (text, success) = said_by(&mut on_stage(&run, script));
    assert!(success && text.contains("OpenGL renderer string"), "{text}");
}

/// The configuration asks for NVIDIA's driver, on this machine without one.
#[test]
fn the_driver_of_nvidia_is_asked_for_in_vain() {
    let patient = Patient::new();
    let options = json!({"container_options": ["--nv=true"]});
    let wanted = environment(&patient, "LAB_IMAGE", &options);
    let document = expect(&patient, ["--only", "nvidia", &wanted], &["nvidia-flag-without-driver"]);
    assert!(told(&document, "nvidia-flag-without-driver").contains("--nv=true"));
}

/// What the administrator's settings forbid is told before, and Apptainer, without a setuid starter, keeps to it.
#[test]
fn settings_of_the_administrator() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let set = |line: &str| {
        let (name, _) = line.split_once(" = ").unwrap();
        format!(
            "stage_begin\nsed -i 's|^{name} = .*||' /etc/apptainer/apptainer.conf\necho '{line}' >>/etc/apptainer/apptainer.conf"
        )
    };
    for (line, severity, log) in [
        ("limit container paths = /srv", "error", "ap-policy"),
        ("allow container sif = no", "error", "ap-policy"),
        ("allow user ns = no", "error", "ap-userns-config"),
        ("limit container owners = nobody", "info", "ap-policy"),
    ] {
        let expected: &[&str] = if severity == "info" { &[] } else { &["engine-policy"] };
        let document = expect_on_stage(&patient, &set(line), &["--only", ONLY_ENGINE, &environment], expected);
        let finding = finding(&document, "engine-policy");
        assert!(finding["severity"] == severity && finding.to_string().contains(line), "{line}: {finding:#}");
        expect_in_log(&mut on_stage(&apptainer(&patient, &[]), &set(line)), log);
    }
}
