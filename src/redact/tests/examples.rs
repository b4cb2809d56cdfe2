//! What is taken out and what stays, one by one.

use casa_doctor_checks::facts::{Facts, Machine, Session};

use super::super::{Private, Redactor};

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
