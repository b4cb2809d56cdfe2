//! Options, statuses and the offline commands.

use crate::lab::{Patient, healthy_configuration, ids, lab};

#[test]
fn wrong_usage_ends_with_2_and_names_the_nearest_id() {
    let patient = Patient::new();
    patient.run(["--no-such-option"]).assert_status(2);
    patient.run(["--format", "xml"]).assert_status(2);
    patient.run(["--probe-timeout", "0"]).assert_status(2);
    let answer = patient.run(["--only", "x11-no-disply"]);
    answer.assert_status(2);
    assert!(answer.stderr().contains("x11-no-display"), "{}", answer.all());
    let answer = patient.run(["explain", "config-brace"]);
    answer.assert_status(2);
    assert!(answer.stderr().contains("config-braces"), "{}", answer.all());
}

#[test]
fn an_environment_that_is_not_there_is_said_so() {
    let answer = Patient::new().run(["/no/such/environment"]);
    answer.assert_status(3);
    assert!(answer.stderr().contains("/no/such/environment"), "{}", answer.all());
    assert!(answer.stdout().is_empty());
}

#[test]
fn the_status_is_the_same_in_every_format() {
    let patient = Patient::new();
    let environment = patient.environment("e", "{");
    let environment = environment.to_str().unwrap();
    for format in ["human", "json", "markdown"] {
        patient.run(["--no-graphics", "--format", format, environment]).assert_status(1);
        patient.run(["--no-graphics", "--format", format, "--fail-on", "never", environment]).assert_status(0);
    }
}

#[test]
fn only_and_skip_choose_findings() {
    let patient = Patient::new();
    let environment = patient.environment("e", "{");
    let environment = environment.to_str().unwrap();
    let (document, _) = patient.diagnose(["--only", "config-invalid-json", environment]);
    assert_eq!(ids(&document), ["config-invalid-json"]);
    let (document, answer) = patient.diagnose(["--no-graphics", "--skip", "config,x11-no-display", environment]);
    assert!(!ids(&document).contains(&"config-invalid-json") && !ids(&document).contains(&"x11-no-display"), "{}", answer.all());
}

#[test]
fn every_id_can_be_listed_and_explained_offline() {
    let patient = Patient::new();
    let answer = patient.run(["list", "--format", "json"]);
    answer.assert_status(0);
    let list: serde_json::Value = serde_json::from_str(&answer.stdout()).unwrap();
    let findings = list["findings"].as_array().unwrap();
    assert!(findings.len() > 40, "{}", findings.len());
    for finding in findings {
        let id = finding["id"].as_str().unwrap();
        let answer = patient.run(["explain", id]);
        answer.assert_status(0);
        assert!(answer.stdout().contains(finding["cure"].as_str().unwrap().split_whitespace().next().unwrap()), "{id}");
    }
}

#[test]
fn nobody_is_called_hung_for_want_of_time() {
    let patient = Patient::new();
    let environment = patient.environment("e", &healthy_configuration(lab().value("LAB_IMAGE")));
    let (document, answer) = patient.diagnose(["--probe-timeout", "0.02", environment.to_str().unwrap()]);
    assert!(answer.stderr().contains("--probe-timeout is taken as 1 second"), "{}", answer.all());
    for id in ["engine-silent", "gl-probe-hung", "x11-server-hung"] {
        assert!(!ids(&document).contains(&id), "{}", answer.all());
    }
}

#[test]
fn what_is_listed_can_be_chosen() {
    let patient = Patient::new();
    let list = |words: &[&str]| -> serde_json::Value {
        let answer = patient.run(["list", "--format", "json"].iter().chain(words));
        answer.assert_status(0);
        serde_json::from_str(&answer.stdout()).unwrap()
    };
    let words = |value: &serde_json::Value, key: &str| -> Vec<String> {
        value.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    let vbox = list(&["--only", "virtualbox", "--skip", "vbox-audio"]);
    assert!(words(&vbox["findings"], "id").iter().all(|id| id.starts_with("vbox-") && id != "vbox-audio"));
    assert!(words(&vbox["checks"], "category").iter().all(|category| category == "virtualbox"));
    assert!(!vbox["checks"].as_array().unwrap().is_empty());
    // Of a check that may find several things, what is wanted.
    let one = list(&["--only", "x11-cookie-missing"]);
    assert_eq!((words(&one["findings"], "id"), words(&one["checks"], "id").len()), (vec!["x11-cookie-missing".to_owned()], 1));
    assert_eq!(one["checks"][0]["findings"], serde_json::json!(["x11-cookie-missing"]));
    patient.run(["list", "--only", "no-such-thing"]).assert_status(2);
}

#[test]
fn a_recording_judged_elsewhere_gives_the_same() {
    let patient = Patient::new();
    let environment = patient.environment("e", "{\"name\": 3, \"container_options\": [\"--softgl\"]}");
    let recording = patient.home().join("machine.json");
    let recording = recording.to_str().unwrap();
    patient.run(["record", "--raw", "-o", recording, environment.to_str().unwrap()]).assert_status(0);
    let (live, _) = patient.diagnose([&environment]);
    let (replayed, _) = patient.diagnose(["--replay", recording]);
    assert_eq!(replayed["source"], "recording");
    assert_eq!(ids(&live), ids(&replayed));
    assert_eq!(live["recommendation"], replayed["recommendation"]);
    let outcomes = |document: &serde_json::Value| {
        document["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| (check["id"].clone(), check["outcome"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&live), outcomes(&replayed));
}

#[test]
fn nothing_is_written_to_a_reader_that_went_away() {
    use std::process::Stdio;
    let patient = Patient::new();
    let mut child = patient.command(["list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_error_output_of_a_real_program_is_explained() {
    use std::io::Write;
    use std::process::Stdio;
    let patient = Patient::new();
    let mut glxinfo = lab().command("glxinfo", patient.home());
    let failed = glxinfo.env("DISPLAY", ":4711").output().unwrap();
    let mut child = patient.command(["explain", "--log", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&failed.stderr).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("[x11-unreachable]"), "{text}\n{}", String::from_utf8_lossy(&failed.stderr));
}

#[test]
fn a_log_may_be_a_pipe() {
    let patient = Patient::new();
    let fifo = patient.home().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    lab().give(patient.home());
    let path = fifo.clone();
    let writer = std::thread::spawn(move || std::fs::write(path, "libGL error: failed to load driver: swrast\n").unwrap());
    let answer = patient.run(["explain".as_ref(), "--log".as_ref(), fifo.as_os_str()]);
    answer.assert_status(0);
    assert!(answer.stdout().contains("swrast"), "{}", answer.all());
    writer.join().unwrap();
    patient.run(["explain", "--log", "/dev/null"]).assert_status(0);
    let refused = patient.run(["explain", "--log", "/tmp"]);
    refused.assert_status(3);
    assert!(refused.stderr().contains("is a directory"), "{}", refused.all());
}

#[test]
fn a_checksum_is_compared_on_request_only() {
    let patient = Patient::new();
    let image = patient.file("images/x.sif", "no image at all");
    patient.file("images/x.sif.json", r#"{"md5": "00000000000000000000000000000000"}"#);
    let environment = patient.environment("e", &healthy_configuration(image.to_str().unwrap()));
    let (silent, _) = patient.diagnose(["--no-graphics".as_ref(), environment.as_os_str()]);
    assert!(!ids(&silent).contains(&"image-checksum"));
    let (asked, _) = patient.diagnose(["--no-graphics".as_ref(), "--checksum".as_ref(), environment.as_os_str()]);
    assert!(ids(&asked).contains(&"image-checksum"), "{:?}", ids(&asked));
}

#[test]
fn a_dash_is_standard_output_and_every_command_writes_to_a_file() {
    let patient = Patient::new();
    let answer = patient.run(["record", "-o", "-"]);
    answer.assert_status(0);
    assert!(serde_json::from_str::<serde_json::Value>(&answer.stdout()).is_ok(), "{}", answer.all());
    for words in [["completions", "bash"], ["man", "--verbose"]] {
        let file = patient.home().join(words[0]);
        let answer = patient.run([words[0], words[1], "-o", file.to_str().unwrap()]);
        answer.assert_status(0);
        assert!(answer.stdout().is_empty() && std::fs::metadata(&file).unwrap().len() > 1000, "{}", words[0]);
    }
}

#[test]
fn a_report_keeps_the_link_and_the_mode_of_the_file_that_it_replaces() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let patient = Patient::new();
    let real = patient.file("real.json", "old");
    let link = patient.home().join("link.json");
    symlink("real.json", &link).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o600)).unwrap();
    patient.run(["list", "--format", "json", "-o", link.to_str().unwrap()]).assert_status(0);
    assert_eq!(std::fs::read_link(&link).unwrap(), std::path::Path::new("real.json"));
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&real).unwrap().starts_with('{'));
    let answer = patient.run(["list", "-o", "/no/such/place"]);
    answer.assert_status(3);
    assert_eq!(answer.stderr(), "casa-doctor: cannot write /no/such/place: No such file or directory (os error 2)\n");
}

#[test]
fn several_environments_are_named_whoever_asks() {
    let mut patient = Patient::new();
    let base = patient.environment("base/one", &healthy_configuration("i.sif")).parent().unwrap().to_owned();
    patient.environment("base/two", &healthy_configuration("i.sif"));
    patient.set("CASA_BASE_DIRECTORY", base.to_str().unwrap());
    for args in [vec!["-q", "--only", "config"], vec!["--format", "json", "--only", "config"], vec!["--only", "config"]] {
        let answer = patient.run(&args);
        answer.assert_status(0);
        let told = if args[0] == "--only" { answer.stdout() } else { answer.stderr() };
        assert!(told.contains("base/one") && told.contains("base/two"), "{args:?}: {}", answer.all());
    }
}

#[test]
fn a_report_does_not_take_the_place_of_what_is_read() {
    let patient = Patient::new();
    let environment = patient.environment("e", &healthy_configuration("i.sif"));
    let config = environment.join("conf/casa_distro.json");
    let before = std::fs::read(&config).unwrap();
    let (environment, config) = (environment.to_str().unwrap(), config.to_str().unwrap());
    let record = patient.home().join("record.json");
    patient.run(["record", environment, "-o", record.to_str().unwrap()]).assert_status(0);
    let recorded = std::fs::read(&record).unwrap();
    let record = record.to_str().unwrap();
    let image = patient.file("i.sif", "an image");
    let ticket = patient.home().join("ticket.md");
    let ticket = ticket.to_str().unwrap();
    for args in [
        vec!["--no-graphics", environment, "-o", config],
        vec!["list", "-o", image.to_str().unwrap()],
        vec!["record", environment, "-o", config],
        vec!["--replay", record, "-o", record],
        vec!["--replay", record, "--redact", "--redaction-map", record],
        vec!["report", environment, "-o", ticket, "--redaction-map", config],
    ] {
        let answer = patient.run(&args);
        answer.assert_status(2);
        assert!(answer.stderr().contains("must not replace"), "{args:?}: {}", answer.all());
    }
    assert_eq!((std::fs::read(config).unwrap(), std::fs::read(record).unwrap()), (before, recorded));
    // A ticket is sent to others, and the map of what was taken out of it is not.
    let same = format!("{}/../{}/ticket.md", patient.home().display(), patient.home().file_name().unwrap().to_str().unwrap());
    for args in [
        ["report", "--replay", record, "-o", ticket, "--redaction-map", &same],
        ["--replay", record, "--format=html", "-o", ticket, "--redaction-map", ticket],
        ["--replay", record, "--redact", "--write-baseline", ticket, "--redaction-map", ticket],
    ] {
        let answer = patient.run(args);
        answer.assert_status(2);
        assert!(answer.stderr().contains("give each its own"), "{args:?}: {}", answer.all());
    }
    assert!(!std::path::Path::new(ticket).exists());
    // Who took the permission away meant it.
    let kept = patient.file("kept.txt", "mine");
    std::fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    patient.run(["list", "-o", kept.to_str().unwrap()]).assert_status(3);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
}

#[test]
fn what_would_be_passed_over_is_refused_or_said() {
    let patient = Patient::new();
    let recording = patient.home().join("machine.json");
    let recording = recording.to_str().unwrap();
    patient.run(["record", "-o", recording]).assert_status(0);
    for words in [["run", "--replay"], ["undo", "--replay"], ["record", "--replay"], ["list", "--write-baseline"]] {
        let answer = patient.run([words[0], words[1], recording]);
        answer.assert_status(2);
        assert!(answer.stderr().contains(words[1]), "{}", answer.all());
    }
    patient.run(["--fix", "--write-baseline", "known.json"]).assert_status(2);
    let ticket = patient.home().join("ticket.html");
    let (page, text) = (ticket.to_str().unwrap(), patient.home().join("out.txt"));
    for (words, told) in [
        (&["--replay", recording, "--measure"][..], "--measure and --replay"),
        (&["report", "--replay", recording, "--measure", "-o", page], "--measure and --replay"),
        (&["report", "--replay", recording, "--format", "json", "-o", page], "--format json"),
        (&["run", "-o", text.to_str().unwrap(), "--", "true"], "-o"),
        (&["run", "--only", "x11-no-disply", "--", "true"], "\"x11-no-display\""),
        (&["record", "--skip", "x11-no-disply"], "\"x11-no-display\""),
        (&["explain", "x11-no-display", "--only", "x11-no-disply"], "\"x11-no-display\""),
        (&["undo", "--only", "x11-no-disply"], "\"x11-no-display\""),
    ] {
        let answer = patient.run(words);
        answer.assert_status(2);
        assert!(answer.stderr().contains(told), "{}", answer.all());
    }
    assert!(!ticket.exists() && !text.exists());
    patient.run(["report", "--replay", recording, "--format", "html", "--fail-on", "never", "-o", page]).assert_status(0);
    let answer = patient.run(["--replay", recording, "--fail-on", "never", "/some/environment"]);
    answer.assert_status(0);
    assert!(answer.stderr().contains("\"/some/environment\" was not looked at"), "{}", answer.all());
}

#[test]
fn slips_of_the_keyboard_get_a_useful_answer() {
    let patient = Patient::new();
    for (words, told) in [
        (&["mesure"][..], "or is the command \"measure\" meant?"),
        (&["--timeout", "-1"], "expected more than 0 seconds"),
        (&["explain", "x11"], "is a category, which is explained check by check: x11-access, x11-connection"),
    ] {
        let answer = patient.run(words);
        assert!(matches!(answer.output.status.code(), Some(2 | 3)), "{}", answer.all());
        assert!(answer.stderr().contains(told), "{}", answer.all());
    }
    assert!(!patient.run(["/some/place"]).stderr().contains("the command"));
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_to_standard_output_is_told_by_the_status_for_the_help_too() {
    let patient = Patient::new();
    for words in [&["--help"][..], &["--version"], &["run", "--help"], &["list"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = patient.command(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{words:?}");
    }
}

/// Somebody whose engine hangs, and its file.
#[cfg(target_os = "linux")]
fn with_an_engine_that_hangs() -> (Patient, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let mut patient = Patient::new();
    let engine = patient.file("bin/apptainer", "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n");
    std::fs::set_permissions(&engine, std::fs::Permissions::from_mode(0o755)).unwrap();
    patient.set("PATH", &format!("{}:/usr/bin:/bin", engine.parent().unwrap().display()));
    (patient, engine)
}

/// Whether a program comes to be there, or to be gone, within a moment.
#[cfg(target_os = "linux")]
fn comes_to(be_there: bool, program: &std::path::Path) -> bool {
    let line = |name: &std::ffi::OsStr| std::fs::read(std::path::Path::new("/proc").join(name).join("cmdline")).unwrap_or_default();
    let is_it = |line: Vec<u8>| String::from_utf8_lossy(&line).contains(program.to_str().unwrap());
    (0..100).any(|_| {
        let is_there = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| is_it(line(&entry.file_name())));
        std::thread::sleep(std::time::Duration::from_millis(20));
        is_there == be_there
    })
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_diagnosis_started_and_does_not_wait_for_any_more_ends_with_it() {
    let (patient, engine) = with_an_engine_that_hangs();
    let answer = patient.run(["--timeout", "0.4", "--no-graphics", "--fail-on", "never"]);
    answer.assert_status(0);
    assert!(answer.all().contains("[engine-version] timed out"), "{}", answer.all());
    assert!(comes_to(false, &engine));
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_what_a_diagnosis_started_too() {
    use std::os::unix::process::ExitStatusExt;
    let (patient, engine) = with_an_engine_that_hangs();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let mut child = patient.command(["--no-graphics", "-q"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        assert!(comes_to(true, &engine));
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert!(comes_to(false, &engine), "after {name}");
    }
}
