//! What is taken out and what stays, one by one.

use casa_doctor_checks::facts::{Facts, Machine, Session};
use serde_json::{Value, json};

use super::super::tree::Shape;
use super::super::{Private, Redactor};
use crate::tree_of_json;

fn facts() -> Facts {
    Facts {
        machine: Some(Machine { hostname: Some("raven.lab.example.org".into()), ..Machine::default() }),
        session: Some(Session { user: Some("anna".into()), home: Some("/nfs/homes3/anna".into()), ..Session::default() }),
        ..Facts::default()
    }
}

fn redactor() -> Redactor {
    let private = Private { names: vec!["Anna Müller".into()], serials: vec!["PF1XYZ9".into()], ..Private::default() };
    Redactor::new(&facts(), &private, &["Projekt Nebel".to_owned()])
}

#[test]
fn every_value_has_one_stand_in_in_all_its_forms() {
    let redactor = redactor();
    for (text, told) in [
        ("/nfs/homes3/anna/data", "/nfs/<dir-1>/<user>/data"),
        ("/nfs/homes3 is not mounted", "/nfs/<dir-1> is not mounted"),
        ("/home/anna", "/home/<user>"),
        ("/x/casa-distro/nfs_homes3_anna_bv 5.1/home", "/x/casa-distro/nfs_<dir-1>_<user>_bv 5.1/home"),
        ("/x/casa-distro/nfs_homes3_data", "/x/casa-distro/nfs_<dir-1>_data"),
        ("anna_old and ANNA", "<user>_old and <user>"),
        ("raven", "<host-1>"),
        ("raven.lab.example.org:10.0", "<host-1>.<domain-1>:10.0"),
        ("other.lab.example.org", "<host-2>.<domain-1>"),
        ("https://raven.lab.example.org/~anna/x", "https://<host-1>.<domain-1>/~<user>/x"),
        ("{\"home\": \"/nfs/homes3/anna\"}", "{\"home\": \"/nfs/<dir-1>/<user>\"}"),
        ("/mounts/~1nfs~1homes3~1anna", "/mounts/~1nfs~1<dir-1>~1<user>"),
        ("file=%2Fnfs%2Fhomes3%2Fanna", "file=%2Fnfs%2F<dir-1>%2F<user>"),
        ("by Anna Müller", "by <name-1>"),
        ("M\\u00fcller", "<name-2>"),
        ("M%C3%BCller", "<name-2>"),
        ("board PF1XYZ9", "board <serial-1>"),
        ("Projekt Nebel", "<hidden-1>"),
        ("raven.lab.exam…", "<host-1>.<domain-1>…"),
        ("…example.org", "…<domain-2>"),
    ] {
        assert_eq!(redactor.text(text), told, "{text}");
    }
}

#[test]
fn what_is_nobodys_stays() {
    let redactor = redactor();
    for text in [
        "annabelle",
        "localhost:10.0",
        ":0",
        "127.0.0.1",
        "/home",
        "nfs",
        "https://brainvisa.info/web/download.html",
        "NVIDIA 535.183.01",
        "DISPLAY=:1.0",
        "<user> on <host-1>",
    ] {
        assert_eq!(redactor.text(text), text);
    }
}

#[test]
fn a_redacted_machine_is_told_as_it_is() {
    let once = redactor().facts(&facts()).unwrap();
    let again = Redactor::new(&once, &Private::default(), &[]).facts(&once).unwrap();
    assert_eq!(once, again);
    // What is new there gets a number of its own.
    let redactor = Redactor::new(&once, &Private::default(), &[]);
    assert_eq!(redactor.text("other.example.org"), "<host-2>.<domain-2>");
}

#[test]
fn the_map_tells_what_each_stand_in_stands_for() {
    let map = redactor().map();
    assert_eq!((map["<user>"].as_str(), map["<host-1>"].as_str()), (Some("anna"), Some("raven")));
}

#[test]
fn the_machine_of_a_recorded_decision_has_the_stand_in_of_the_machine_whatever_it_is_called() {
    let base = include_str!("../../../tests/machines/config-shared-machines--one-static-mode/facts.json");
    for host in
        ["vm", "pc", "ab", "nv", "env", "data", "home", "linux", "user", "container", "decisions", "hostname", "hpc", "raven"]
    {
        let mut value = serde_json::from_str::<Value>(base).unwrap()["facts"].take();
        value["machine"]["hostname"] = host.into();
        let table = json!({host: {"local-x": {"opengl": "software", "basis": "predicted"}}});
        let record = json!({"version": 1, "decisions": table.clone()});
        value["environment"]["found"]["file"]["value"]["casa_doctor"] = record.clone();
        let facts: Facts = serde_json::from_value(value).unwrap();
        let redactor = Redactor::new(&facts, &Private::default(), &[]);
        let told = tree_of_json::from(&redactor.facts(&facts).unwrap()).unwrap();
        let stand_in = told["machine"]["hostname"].as_str().unwrap();
        assert_eq!(stand_in, "<host-1>", "{host}");
        let decisions = &told["environment"]["found"]["file"]["value"]["casa_doctor"]["decisions"];
        assert_eq!(*decisions, json!({stand_in: table[host]}), "{host}");
        // The edits of a plan name it, too: in the pointer, and in what they write.
        let pointer = redactor.text(&format!("/casa_doctor/decisions/{host}/local-x"));
        assert_eq!(pointer, "/casa_doctor/decisions/<host-1>/local-x");
        for (key, to) in [("/casa_doctor", record.clone()), ("/casa_doctor/decisions", table.clone())] {
            let mut document = json!({"plan": {"edits": [{"key": key, "to": to}]}});
            redactor.value(&mut document, Shape::Document);
            let to = &document["plan"]["edits"][0]["to"];
            assert_eq!(to.get("decisions").unwrap_or(to), &json!({"<host-1>": table[host]}), "{host}: {key}");
        }
    }
}

#[test]
fn a_machine_that_only_an_option_of_an_engine_or_a_cluster_names_is_taken_out_everywhere() {
    let base = include_str!("../../../tests/machines/config-shared-machines--one-static-mode/facts.json");
    let mut value = serde_json::from_str::<Value>(base).unwrap()["facts"].take();
    let options = json!(["--hostname", "zorro", "--add-host", "gaston:10.0.0.7", "-h", "linux", "--nv"]);
    value["environment"]["found"]["file"]["value"]["container_options"] = options;
    let resource = json!({"name": "obelix", "line": 1, "served_here": false, "local": false, "bad_percent": []});
    value["soma_workflow"] = json!({"files": [{"path": "/x", "in_container": false, "resources": [resource]}], "scripts": null});
    let facts: Facts = serde_json::from_value(value).unwrap();
    let redactor = Redactor::new(&facts, &Private::default(), &[]);
    let told = tree_of_json::from(&redactor.facts(&facts).unwrap()).unwrap();
    let options = told["environment"]["found"]["file"]["value"]["container_options"].to_string();
    assert!(options.starts_with(r#"["--hostname","<host-"#) && options.ends_with(r#"","--nv"]"#), "{options}");
    for name in ["zorro", "gaston", "obelix", "10.0.0.7", "linux"] {
        assert!(!options.contains(name), "{options}");
    }
    assert!(!redactor.text("[obelix] on zorro, gaston").contains(['z', 'g', 'x']));
}

#[test]
fn an_option_that_stands_in_a_variable_as_well_is_still_seen_to_be_one() {
    let base = include_str!("../../../tests/machines/config-shared-machines--one-static-mode/facts.json");
    let mut value = serde_json::from_str::<Value>(base).unwrap()["facts"].take();
    let file = &mut value["environment"]["found"]["file"]["value"];
    file["env"] = json!({"MINE": "--docker-password zqabdvzj"});
    file["container_options"] = json!(["--docker-password zqabdvzj"]);
    let facts: Facts = serde_json::from_value(value).unwrap();
    let redactor = Redactor::new(&facts, &Private::default(), &[]);
    let told = tree_of_json::from(&redactor.facts(&facts).unwrap()).unwrap();
    let file = &told["environment"]["found"]["file"]["value"];
    let option = file["container_options"][0].as_str().unwrap();
    assert!(option.starts_with("--docker-password <"), "{option}");
    assert!(!file.to_string().contains("zqabdvzj"), "{file}");
}
