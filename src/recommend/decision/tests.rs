use super::*;
use crate::fix::apply;

const FILE: &str = "/e/conf/casa_distro.json";

fn decision(machine: &str, opengl: OpenGl) -> Decision {
    Decision {
        machine: machine.into(),
        display: DisplayKind::Local,
        opengl,
        basis: Basis::Predicted,
        because: "the X server names nvidia".into(),
        fingerprint: Map::from_iter([("driver".to_owned(), json!("550.90"))]),
        decided_at: Some("2026-11-23T10:00:00Z".into()),
    }
}

/// Applies the record of a decision, and what stock casa_distro needs for it, to the text of a configuration.
fn fixed(text: &str, new: &Decision, stock: impl FnOnce(&mut Stock<'_>)) -> Result<String, Clash> {
    let config: Value = serde_json::from_str(text).unwrap();
    let file = Path::new(FILE);
    let mut inputs = Stock {
        file,
        config: &config,
        user: None,
        decision: new,
        software_mesa: Some(true),
        auto_is_nv: false,
        nv_alone_fails: None,
    };
    stock(&mut inputs);
    let mut all = edits(config.get(KEY), file, new);
    all.extend(stock_edits(&inputs)?);
    Ok(apply(text, &all).unwrap())
}

/// Where the setting stands that is in the way.
#[track_caller]
fn place(clash: &Clash) -> (&Path, &str) {
    match clash {
        Clash::Setting { file, key, .. } => (file, key),
        Clash::NotEnough(_) => panic!("{clash}"),
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_decision_is_recorded_and_read_again() {
    let text = fixed("{\n  \"name\": \"e\"\n}\n", &decision("host.example", OpenGl::Container), |_| {}).unwrap();
    insta::assert_snapshot!(text, @r#"
    {
      "name": "e",
      "casa_doctor": {
        "version": 1,
        "decisions": {
          "host.example": {
            "local": {
              "opengl": "container",
              "basis": "predicted",
              "because": "the X server names nvidia",
              "fingerprint": {
                "driver": "550.90"
              },
              "decided_at": "2026-11-23T10:00:00Z"
            }
          }
        }
      }
    }
    "#);
    let record = Record::read(parsed(&text).get(KEY));
    assert_eq!(record.notes, Vec::<String>::new());
    assert_eq!(record.decision("host.example", DisplayKind::Local).unwrap().opengl, OpenGl::Container);
    assert_eq!(record.decision("host.example", DisplayKind::Ssh), None);
    assert_eq!(record.decision("host", DisplayKind::Local), None);
}

#[test]
fn a_second_fix_changes_nothing() {
    for opengl in [OpenGl::Container, OpenGl::Software, OpenGl::Nv, OpenGl::None] {
        for start in ["{}", r#"{"casa_doctor": 5}"#, r#"{"casa_doctor": {"decisions": []}, "container_options": ["--x"]}"#] {
            let mut new = decision("a", opengl);
            let once = fixed(start, &new, |_| {}).unwrap();
            new.because = "60 frames per second".into();
            new.decided_at = Some("2027-01-01T00:00:00Z".into());
            assert_eq!(fixed(&once, &new, |_| {}).unwrap(), once);
        }
    }
}

#[test]
fn a_change_of_mode_fingerprint_or_a_measurement_is_recorded_and_a_prediction_does_not_undo_it() {
    let old = decision("a", OpenGl::Container);
    let text = fixed("{}", &old, |_| {}).unwrap();
    let existing = parsed(&text)[KEY].clone();
    let differs = |new: &Decision, existing: &Value| !edits(Some(existing), Path::new(FILE), new).is_empty();
    assert!(differs(&decision("a", OpenGl::Nv), &existing));
    let other_driver = Map::from_iter([("driver".to_owned(), json!("560.35"))]);
    assert!(differs(&Decision { fingerprint: other_driver, ..old.clone() }, &existing));
    let knows_more = Map::from_iter([("driver".to_owned(), json!("550.90")), ("image_file".to_owned(), json!("/i 1 2"))]);
    assert!(differs(&Decision { fingerprint: knows_more, ..old.clone() }, &existing));
    let knows_less = Decision { fingerprint: Map::new(), ..old.clone() };
    assert!(!differs(&knows_less, &existing), "what is not known of one of the two says nothing");
    assert!(differs(&Decision { display: DisplayKind::Ssh, ..old.clone() }, &existing));
    let measured = Decision { basis: Basis::Measured, ..old.clone() };
    assert!(differs(&measured, &existing));
    let existing = parsed(&fixed(&text, &measured, |_| {}).unwrap())[KEY].clone();
    assert!(!differs(&old, &existing));
    let of_another_mode = decision("a", OpenGl::Nv);
    assert!(!differs(&of_another_mode, &existing), "what was measured on the same ground outranks what is predicted");
}

#[test]
fn a_launch_of_ours_does_not_see_what_was_set_for_stock() {
    for opengl in [OpenGl::Software, OpenGl::Nv] {
        let start = r#"{"gui_env": {"MINE": "1"}, "container_options": ["--mine"]}"#;
        let mut config = parsed(&fixed(start, &decision("a", opengl), |_| {}).unwrap());
        assert_ne!((&config["gui_env"], &config["container_options"]), (&json!({"MINE": "1"}), &json!(["--mine"])));
        without_stock(&mut config);
        assert_eq!((&config["gui_env"], &config["container_options"]), (&json!({"MINE": "1"}), &json!(["--mine"])));
    }
    let mut changed = parsed(&fixed("{}", &decision("a", OpenGl::Software), |_| {}).unwrap());
    changed["gui_env"]["LD_LIBRARY_PATH"] = json!("/my/own");
    without_stock(&mut changed);
    assert_eq!(changed["gui_env"], json!({"LD_LIBRARY_PATH": "/my/own"}), "what somebody changed since is theirs");
}

#[test]
fn other_machines_and_unknown_members_stay_byte_for_byte() {
    let others = r#""b": {"local" : {"opengl":"nv"}, "holodeck": {"opengl": "container"}}"#;
    let mine = r#"{"opengl": "software", "mine": [1]}"#;
    let text =
        format!(r#"{{"casa_doctor": {{"later": {{}}, "version": 7, "decisions": {{{others}, "a": {{"local": {mine}}}}}}}}}"#);
    let changed = fixed(&text, &decision("a", OpenGl::Container), |_| {}).unwrap();
    assert!(changed.contains(others) && changed.contains(r#""later": {}, "version": 7"#), "{changed}");
    assert_eq!(parsed(&changed)[KEY]["decisions"]["a"]["local"]["mine"], json!([1]));
}

#[test]
fn garbage_is_noted_and_never_fails() {
    for garbage in [json!(null), json!([]), json!("x"), json!({}), json!({"version": "1", "decisions": 3, "set_for_stock": []})] {
        let record = Record::read(Some(&garbage));
        assert!(!record.notes.is_empty(), "{garbage}");
        assert_eq!(record.decision("a", DisplayKind::Local), None);
    }
    let partly =
        json!({"version": 1, "decisions": {"a": {"local": {"opengl": "zink"}, "ssh": {"opengl": "nv", "basis": 3}}, "b": 1}});
    let record = Record::read(Some(&partly));
    assert_eq!(record.decision("a", DisplayKind::Ssh).unwrap().basis, Basis::Predicted);
    assert_eq!(record.notes.len(), 2, "{:?}", record.notes);
    assert_eq!(record.agreed_mode(&decision("c", OpenGl::Nv)), None, "one of them may have said anything");
}

#[test]
fn software_is_set_for_stock_and_taken_back_with_nothing_else() {
    let start = "{\n    \"gui_env\": {\n        \"MINE\": \"1\"\n    }\n}\n";
    let software = fixed(start, &decision("a", OpenGl::Software), |_| {}).unwrap();
    let expected = json!({"MINE": "1", "LD_LIBRARY_PATH": "/usr/local/lib/mesa", "XLIB_SKIP_ARGB_VISUALS": "1"});
    assert_eq!(parsed(&software)["gui_env"], expected);
    let container = fixed(&software, &decision("a", OpenGl::Container), |_| {}).unwrap();
    assert!(container.starts_with("{\n    \"gui_env\": {\n        \"MINE\": \"1\"\n    },\n    \"casa_doctor\""), "{container}");
    assert_eq!(parsed(&container)[KEY].get("set_for_stock"), None);
}

#[test]
fn an_image_without_its_own_software_libgl_gets_the_driver_of_mesa() {
    let text = fixed("{}", &decision("a", OpenGl::Software), |stock| stock.software_mesa = Some(false)).unwrap();
    assert_eq!(parsed(&text)["gui_env"], json!({"LIBGL_ALWAYS_SOFTWARE": "1", "__GLX_VENDOR_LIBRARY_NAME": "mesa"}));
    // A new image that has it: the old settings go.
    let text = fixed(&text, &decision("a", OpenGl::Software), |_| {}).unwrap();
    assert_eq!(parsed(&text)["gui_env"], json!({"LD_LIBRARY_PATH": "/usr/local/lib/mesa", "XLIB_SKIP_ARGB_VISUALS": "1"}));
}

#[test]
fn a_setting_of_the_users_own_is_neither_overwritten_nor_removed() {
    let software = decision("a", OpenGl::Software);
    for (text, key) in [
        (r#"{"gui_env": {"LD_LIBRARY_PATH": "/opt/secret"}}"#, "/gui_env/LD_LIBRARY_PATH"),
        (r#"{"gui_env": {"XLIB_SKIP_ARGB_VISUALS": 1}}"#, "/gui_env/XLIB_SKIP_ARGB_VISUALS"),
        (r#"{"env": {"LD_LIBRARY_PATH": "/opt/secret"}}"#, "/env/LD_LIBRARY_PATH"),
        (r#"{"container_gui_env": {"LD_LIBRARY_PATH": "/opt/secret"}}"#, "/container_gui_env/LD_LIBRARY_PATH"),
        (r#"{"gui_env": null}"#, "/gui_env"),
    ] {
        let clash = fixed(text, &software, |_| {}).unwrap_err();
        assert_eq!(place(&clash), (Path::new(FILE), key));
        assert!(!clash.to_string().contains("secret"));
    }
    let (config, user) = (json!({}), json!({"gui_env": {"LD_LIBRARY_PATH": "/opt/x"}}));
    let user = Some((Path::new("/u.json"), &user));
    let stock = Stock {
        file: Path::new(FILE),
        config: &config,
        user,
        decision: &software,
        software_mesa: Some(true),
        auto_is_nv: false,
        nv_alone_fails: None,
    };
    let clash = stock_edits(&stock).unwrap_err();
    assert_eq!(place(&clash).0, Path::new("/u.json"));
    // The same value of his own stays his when the mode changes.
    let same = r#"{"gui_env": {"LD_LIBRARY_PATH": "/usr/local/lib/mesa"}, "container_options": ["--nv=true"]}"#;
    let text = fixed(same, &software, |_| {}).unwrap();
    let text = fixed(&text, &decision("a", OpenGl::Container), |_| {}).unwrap();
    assert_eq!(parsed(&text)["gui_env"], json!({"LD_LIBRARY_PATH": "/usr/local/lib/mesa"}));
    assert_eq!(parsed(&text)["container_options"], json!(["--nv=true"]));
}

#[test]
fn a_setting_of_ours_that_the_user_changed_is_his_and_a_forged_record_removes_nothing_else() {
    let text = r#"{"name": "e", "gui_env": {"LD_LIBRARY_PATH": "/mine"}, "casa_doctor": {"version": 1,
        "set_for_stock": {"/gui_env/LD_LIBRARY_PATH": "/usr/local/lib/mesa", "/name": "e"}}}"#;
    let changed = parsed(&fixed(text, &decision("a", OpenGl::Container), |_| {}).unwrap());
    assert_eq!((&changed["name"], &changed["gui_env"]), (&json!("e"), &json!({"LD_LIBRARY_PATH": "/mine"})));
    assert_eq!(changed[KEY]["set_for_stock"], json!({"/name": "e"}), "of another version, perhaps");
}

#[test]
fn nv_is_set_for_stock_only_where_auto_does_not_choose_it_and_is_taken_back() {
    let start = r#"{"container_options": ["--x"]}"#;
    let by_itself = fixed(start, &decision("a", OpenGl::Nv), |stock| stock.auto_is_nv = true).unwrap();
    assert_eq!(parsed(&by_itself)["container_options"], json!(["--x"]));
    let set = fixed(start, &decision("a", OpenGl::Nv), |_| {}).unwrap();
    assert_eq!(parsed(&set)["container_options"], json!(["--x", "--nv=true"]));
    // Another machine, where auto would do, leaves what this one needs.
    let other = fixed(&set, &decision("b", OpenGl::Nv), |stock| stock.auto_is_nv = true).unwrap();
    assert_eq!(parsed(&other)["container_options"], json!(["--x", "--nv=true"]));
    let back = fixed(&set, &decision("a", OpenGl::Software), |_| {}).unwrap();
    assert_eq!(parsed(&back)["container_options"], json!(["--x"]));
    assert_eq!(parsed(&back)["gui_env"]["XLIB_SKIP_ARGB_VISUALS"], json!("1"));
    let clash = fixed(r#"{"container_options": "--x"}"#, &decision("a", OpenGl::Nv), |_| {}).unwrap_err();
    assert!(clash.to_string().contains("is not a list"), "{clash}");
    // The option alone would start programs that end at once.
    let clash = fixed(start, &decision("a", OpenGl::Nv), |stock| stock.nv_alone_fails = Some("it needs more")).unwrap_err();
    assert_eq!(clash, Clash::NotEnough("it needs more".into()));
}

#[test]
fn where_casa_distro_starts_nothing_and_where_the_image_is_not_known() {
    for kind in ["docker", "podman", "vbox"] {
        let text = format!(r#"{{"container_type": "{kind}", "container_options": ["--gpus", "all"]}}"#);
        for mode in [OpenGl::Nv, OpenGl::Software] {
            let fixed = parsed(&fixed(&text, &decision("a", mode), |_| {}).unwrap());
            assert_eq!((&fixed["container_options"], &fixed["gui_env"]), (&json!(["--gpus", "all"]), &Value::Null), "{kind}");
        }
    }
    let both = fixed("{}", &decision("a", OpenGl::Software), |stock| stock.software_mesa = None).unwrap();
    let known = parsed(&fixed(&both, &decision("a", OpenGl::Software), |_| {}).unwrap());
    assert_eq!(known["gui_env"], json!({"LD_LIBRARY_PATH": "/usr/local/lib/mesa", "XLIB_SKIP_ARGB_VISUALS": "1"}));
    let names: Vec<_> = parsed(&both)["gui_env"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["LD_LIBRARY_PATH", "XLIB_SKIP_ARGB_VISUALS", "LIBGL_ALWAYS_SOFTWARE", "__GLX_VENDOR_LIBRARY_NAME"]);
}

#[test]
fn machines_that_disagree_have_no_setting_for_stock() {
    let software = fixed("{}", &decision("a", OpenGl::Software), |_| {}).unwrap();
    let both = fixed(&software, &decision("b", OpenGl::Nv), |_| {}).unwrap();
    assert_eq!(parsed(&both)["gui_env"], json!({}), "what suits one machine breaks the other");
    assert_eq!(parsed(&both)[KEY].get("set_for_stock"), None);
    assert_eq!(parsed(&both).get("container_options"), None);
    // What cannot be read may be the reason for what is set.
    let newer = software.replace("\"local\": {", "\"new\": {\"opengl\": \"other\"}, \"local\": {");
    assert_eq!(parsed(&fixed(&newer, &decision("b", OpenGl::Nv), |_| {}).unwrap())["gui_env"], parsed(&software)["gui_env"]);
    assert_eq!(parsed(&both)[KEY]["decisions"]["b"]["local"]["opengl"], json!("nv"));
    // A machine without any OpenGL has no say.
    let third = fixed(&software, &decision("c", OpenGl::None), |_| {}).unwrap();
    assert_eq!(parsed(&third)["gui_env"], parsed(&software)["gui_env"]);
    let changed_mind = fixed(&third, &decision("a", OpenGl::Container), |_| {}).unwrap();
    assert_eq!(parsed(&changed_mind)["gui_env"], json!({}));
}
