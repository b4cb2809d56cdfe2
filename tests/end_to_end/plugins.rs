//! Plug-ins of sites: the two examples, and every way in which one may misbehave.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Patient, ids};

/// What these runs look at: plug-ins alone, with the environment as a fact for them.
const QUICK: [&str; 2] = ["--only", "plugin"];
const ANSWER: &str = r#"[{"id": "good-news", "severity": "info", "title": "Well", "why": "It matters."}]"#;

/// Puts a plug-in into the user's own directory.
fn plugin(patient: &Patient, name: &str, script: &str) -> PathBuf {
    let path = patient.file(&format!(".config/casa-doctor/checks.d/casa-doctor-check-{name}"), script);
    chmod(&path, 0o755);
    path
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A script that prints a text.
fn saying(text: &str) -> String {
    format!("#!/bin/sh\ncat >/dev/null\ncat <<'TEXT'\n{text}\nTEXT\n")
}

fn finding<'a>(document: &'a Value, id: &str) -> &'a Value {
    let findings = document["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id}: {findings:#?}"))
}

/// Evidence of the findings of that id which are about that plug-in.
fn evidence(document: &Value, id: &str, name: &str) -> String {
    let findings = document["findings"].as_array().unwrap().iter();
    let about = findings.filter(|finding| finding["id"] == id).flat_map(|finding| finding["evidence"].as_array().unwrap());
    let lines: Vec<_> = about.map(|line| line.as_str().unwrap()).filter(|line| line.contains(name)).collect();
    assert!(!lines.is_empty(), "nothing about {name}: {:#}", document["findings"]);
    lines.join("\n")
}

#[test]
fn the_shell_example_tells_a_quota_that_is_nearly_used_up() {
    let mut patient = Patient::new();
    plugin(&patient, "quota", include_str!("../../docs/plugins/casa-doctor-check-quota"));
    let (document, answer) = patient.diagnose(QUICK);
    assert_eq!(ids(&document), [""; 0], "where there is no quota nothing is wrong: {}", answer.all());

    let quota = "#!/bin/sh\necho 'Disk quotas for user x (uid 1):'\necho 'Filesystem blocks quota limit'\n\
                 echo '/dev/sda1 10 100 110'\necho '/home\"x 95* 100 110'\necho '/data 200* 100 300'\n";
    chmod(&patient.file("bin/quota", quota), 0o755);
    let path = format!("{}:/usr/bin:/bin", patient.home().join("bin").display());
    patient.set("PATH", &path);
    let (document, answer) = patient.diagnose(QUICK);
    assert_eq!(ids(&document), ["quota-nearly-used-up"; 2], "{}", answer.all());
    answer.assert_status(1);
    let worst = &document["findings"][0];
    assert_eq!((&worst["severity"], &worst["title"]), (&json!("error"), &json!("200 % of your quota on /data is used")));
    assert_eq!(document["findings"][1]["title"], "95 % of your quota on /homex is used");
}

#[test]
fn the_python_example_reads_the_facts() {
    let mut patient = Patient::new();
    patient.healthy_environment();
    let environment = patient.home().join("brainvisa-5.3");
    plugin(&patient, "site-software", include_str!("../../docs/plugins/casa-doctor-check-site-software"));
    let (document, answer) = patient.diagnose([QUICK[0], QUICK[1], environment.to_str().unwrap()]);
    assert_eq!(ids(&document), ["site-software-private-image"], "{}", answer.all());
    let finding = &document["findings"][0];
    assert_eq!((&finding["code"], &finding["docs"]), (&json!("CD1501"), &json!("https://wiki.example.org/casa-images")));
    assert!(finding["evidence"][0].as_str().unwrap().contains(crate::lab::lab().image().to_str().unwrap()), "{finding:#}");

    let images = crate::lab::lab().image().parent().unwrap().to_owned();
    patient.set("SITE_IMAGES", images.to_str().unwrap());
    let (document, answer) = patient.diagnose([QUICK[0], QUICK[1], environment.to_str().unwrap()]);
    assert_eq!(ids(&document), [""; 0], "{}", answer.all());
}

#[test]
fn misbehaving_plug_ins_are_told_and_delay_nobody() {
    let patient = Patient::new();
    plugin(&patient, "good", &saying(ANSWER));
    plugin(&patient, "hanging", "#!/bin/sh\ntrap '' TERM\nsleep 600 &\nwait; sleep 600\n");
    plugin(&patient, "crashing", "#!/bin/sh\necho 'no such licence' >&2\nkill -SEGV $$\n");
    plugin(&patient, "failing", "#!/bin/sh\necho '[]'\nexit 3\n");
    plugin(&patient, "lying", &saying(&ANSWER.replace("good-news", "disk-full")));
    plugin(&patient, "thief", &saying(ANSWER));
    plugin(&patient, "mute", "#!/bin/sh\nexit 0\n");
    plugin(&patient, "prose", &saying("All is well."));
    plugin(&patient, "endless", "#!/bin/sh\nexec yes\n");
    plugin(&patient, "foreign-program", "\u{7f}not a program");
    let (document, answer) = patient.diagnose([QUICK[0], QUICK[1], "--probe-timeout", "1.5"]);
    assert!(answer.took < Duration::from_millis(1500 + 1500), "took {:?}", answer.took);
    answer.assert_status(0);
    assert_eq!(finding(&document, "good-news")["severity"], "info", "the rest is told");
    for (id, name, told) in [
        ("plugin-hung", "hanging", "did not end within 1.5 s"),
        ("plugin-crashed", "crashing", "signal 11"),
        ("plugin-crashed", "failing", "status 3"),
        ("plugin-crashed", "foreign-program", "could not be started"),
        ("plugin-foreign-id", "lying", "\"lying-\""),
        ("plugin-foreign-id", "thief", "\"thief-\""),
        ("plugin-silent", "mute", "wrote nothing"),
        ("plugin-invalid", "prose", "not JSON"),
        ("plugin-invalid", "endless", "more than 65536 bytes"),
    ] {
        let evidence = evidence(&document, id, name);
        assert!(evidence.contains(told), "{name}: {evidence}");
    }
    assert_eq!(ids(&document).len(), 10, "{}", answer.all());
    let crash = evidence_of_all(&document);
    assert!(crash.contains("no such licence"), "the last words are told: {crash}");
    assert!(!ids(&document).contains(&"disk-full"), "nobody speaks in another's name");
}

fn evidence_of_all(document: &Value) -> String {
    let findings = document["findings"].as_array().unwrap().iter();
    let lines = findings.flat_map(|finding| finding["evidence"].as_array().unwrap()).map(|line| line.as_str().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn plug_ins_that_others_could_have_written_are_refused() {
    let mut patient = Patient::new();
    let marker = patient.home().join("it-ran");
    let script = format!("#!/bin/sh\ntouch '{}'\necho '[]'\n", marker.display());
    chmod(&plugin(&patient, "open-file", &script), 0o777);
    let open = patient.file("open/casa-doctor-check-open-directory", &script);
    chmod(&open, 0o755);
    // The sticky bit does not help: anybody could have put a plug-in there.
    chmod(open.parent().unwrap(), 0o1777);
    chmod(&plugin(&patient, "x11", &script), 0o755);
    chmod(&plugin(&patient, "plain", &script), 0o644);
    patient.set("PATH", &format!("{}:/usr/bin:/bin", open.parent().unwrap().display()));
    let (document, answer) = patient.diagnose(QUICK);
    assert_eq!(ids(&document), ["plugin-refused"; 4], "{}", answer.all());
    for (name, told) in [
        ("open-file", "everybody may write to it (mode 0777)"),
        ("open-directory", "everybody may write to it (mode 1777)"),
        ("x11", "casa-doctor's own"),
        ("plain", "chmod +x"),
    ] {
        assert!(evidence(&document, "plugin-refused", &format!("casa-doctor-check-{name}")).contains(told), "{name}");
    }
    assert!(!marker.exists(), "a refused plug-in was started");
}

#[test]
fn plug_ins_can_be_left_out_named_and_replayed() {
    let patient = Patient::new();
    let marker = patient.home().join("runs");
    plugin(&patient, "good", &format!("#!/bin/sh\ncat >/dev/null\necho run >>'{}'\necho '{ANSWER}'\n", marker.display()));
    let runs = || std::fs::read_to_string(&marker).map_or(0, |text| text.lines().count());
    let told = |args: &[&str]| {
        let (document, _) = patient.diagnose_once(args);
        ids(&document).contains(&"good-news")
    };
    assert!(
        !told(&["--only", "plugin", "--no-plugins"]) && !told(&["--only", "x11"]) && !told(&["--only", "plugin", "--skip", "good"])
    );
    assert_eq!(runs(), 0, "what is not wanted is not started");
    assert!(!told(&["--only", "plugin", "--skip", "good-news"]));
    assert!(told(&["--only", "good"]) && told(&["--only", "good-news"]) && told(&["--only", "plugin-answers"]));
    patient.run(["--only", "good-morning,goodness"]).assert_status(2);

    let list = patient.run(["list", "--format", "json"]);
    let list: Value = serde_json::from_slice(&list.output.stdout).unwrap();
    assert_eq!(list["plugins"][0]["name"], "good");
    assert!(patient.run(["explain", "good-news"]).assert_status(0).stdout().contains("casa-doctor-check-good"));

    let recording = patient.home().join("recording.json");
    patient.run(["record", "--raw", "--no-graphics", "-o", recording.to_str().unwrap()]).assert_status(0);
    let before = runs();
    let replay = ["--replay", recording.to_str().unwrap(), "--only", "good"];
    assert!(told(&replay), "the recording keeps what was said");
    assert!(!told(&["--replay", recording.to_str().unwrap(), "--no-plugins"]));
    assert_eq!(runs(), before, "a replay starts no plug-in");
}
