//! Nothing that stands in a configuration brings the program down or reaches a shell.

use std::fs;

use crate::lab::{Patient, ids, lab};

#[test]
fn files_that_are_no_configuration() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("cut", br#"{"name": "x", "#.to_vec()),
        ("latin1", b"{\"name\": \"caf\xe9\"}".to_vec()),
        ("list", b"[1, 2]".to_vec()),
        ("deep", deep.into_bytes()),
        ("nul", b"{\"name\": \"a\x00b\"}".to_vec()),
    ];
    for (name, content) in cases {
        let patient = Patient::new();
        let file = patient.file(&format!("{name}/conf/casa_distro.json"), &content);
        let (document, answer) = patient.diagnose([patient.home().join(name)]);
        answer.assert_status(1);
        assert!(ids(&document).contains(&"config-invalid-json"), "{name}: {}", answer.all());
        assert!(answer.took.as_secs_f64() < 3.0, "{name} took {:?}", answer.took);
        assert_eq!(fs::read(&file).unwrap(), content, "{name}");
    }
}

#[test]
fn a_file_of_100_megabytes() {
    let patient = Patient::new();
    let file = patient.file("huge/conf/casa_distro.json", "{");
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(100 << 20).unwrap();
    let (document, answer) = patient.diagnose([patient.home().join("huge")]);
    assert!(ids(&document).contains(&"config-invalid-json"), "{}", answer.all());
}

#[test]
fn a_directory_where_the_file_should_be() {
    let patient = Patient::new();
    fs::create_dir_all(patient.home().join("e/conf/casa_distro.json")).unwrap();
    lab().give(patient.home());
    let (document, answer) = patient.diagnose([patient.home().join("e")]);
    answer.assert_status(1);
    assert!(ids(&document).contains(&"config-invalid-json"), "{}", answer.all());
}

#[test]
fn a_wrong_type_in_every_key() {
    let keys = [
        "name",
        "type",
        "container_type",
        "distro",
        "system",
        "version",
        "branch",
        "image",
        "image_id",
        "image_version",
        "env",
        "gui_env",
        "container_options",
        "container_gui_options",
        "mounts",
        "casa_doctor",
        "container_gui_env",
        "container_mounts",
    ];
    for wrong in ["null", "true", "7", "-1.5e300", "\"text\"", "[]", "[null, 1, [], {}]", "{}", "{\"\": null, \"a\": [1]}"] {
        for key in keys {
            let patient = Patient::new();
            let mut configuration: serde_json::Value = serde_json::from_str(&crate::lab::healthy_configuration("x.sif")).unwrap();
            configuration[key] = serde_json::from_str(wrong).unwrap();
            let environment = patient.environment("e", &configuration.to_string());
            let (_, answer) = patient.diagnose_once(["--no-graphics".as_ref(), environment.as_os_str()]);
            let status = answer.output.status.code();
            assert!(matches!(status, Some(0 | 1)), "{key}: {wrong}: {}", answer.all());
            assert!(!answer.stdout().contains("internal error"), "{key}: {wrong}: {}", answer.all());
        }
    }
}

#[test]
fn paths_that_a_shell_would_misread() {
    for name in ["two words", "it's", "a\"b", "a,b", "a:b", "a\nb", "été", "$(touch pwned)", "-rf", "{name}", "%s"] {
        let patient = Patient::new();
        let configuration = crate::lab::healthy_configuration(lab().image().to_str().unwrap());
        let environment = patient.environment(name, &configuration);
        let (document, answer) = patient
            .diagnose(["--no-graphics".as_ref(), "--".as_ref(), environment.as_os_str()].into_iter().filter(|arg| *arg != "--"));
        assert_eq!(document["environment"]["directory"].as_str(), environment.to_str(), "{name}: {}", answer.all());
        assert!(!patient.home().join("pwned").exists());
    }
}
