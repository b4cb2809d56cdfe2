use std::path::Path;

use serde_json::json;

use super::*;

fn edit(key: &str, change: Change) -> Edit {
    Edit { file: Path::new("/e/conf/casa_distro.json").into(), key: key.into(), change, because: "test".into() }
}

fn set(key: &str, to: Value) -> Edit {
    edit(key, Change::Set { to })
}

fn remove(key: &str) -> Edit {
    edit(key, Change::Remove)
}

fn rename(key: &str, to: &str) -> Edit {
    edit(key, Change::Rename { to: to.into() })
}

fn append(key: &str, value: Value) -> Edit {
    edit(key, Change::Append { value })
}

#[track_caller]
fn gives(text: &str, edits: &[Edit], expected: &str) {
    assert_eq!(apply(text, edits).unwrap(), expected);
}

#[test]
fn a_value_is_set_where_it_stands_and_nothing_else_moves() {
    let text = "{\n  \"a\" : 1 ,\n\n\n     \"b\":[ 1,2 ,3],\n\t\"c\": {\"x\" :  true }}";
    gives(text, &[set("/b/1", json!("two"))], &text.replace("1,2 ,3", "1,\"two\" ,3"));
    gives(text, &[set("/c/x", json!(null)), set("/a", json!(1.5))], &text.replace("true", "null").replace(": 1 ,", ": 1.5 ,"));
}

#[test]
fn a_new_member_is_indented_as_its_neighbours() {
    gives(
        "{\n    \"a\": 1\n}\n",
        &[set("/b", json!({"c": [1]}))],
        "{\n    \"a\": 1,\n    \"b\": {\n        \"c\": [\n            1\n        ]\n    }\n}\n",
    );
    gives(
        "{\n\t\"a\": {\n\t\t\"x\": 1\n\t}\n}",
        &[set("/a/y", json!([2]))],
        "{\n\t\"a\": {\n\t\t\"x\": 1,\n\t\t\"y\": [\n\t\t\t2\n\t\t]\n\t}\n}",
    );
    gives("{\n  \"a\": {}\n}\n", &[set("/a/b/c", json!(1))], "{\n  \"a\": {\n    \"b\": {\n      \"c\": 1\n    }\n  }\n}\n");
}

#[test]
fn a_file_of_one_line_stays_one() {
    gives(
        r#"{"a":1,"b":{}}"#,
        &[set("/b/x", json!([1, {"y": 2}])), set("/c", json!("z"))],
        r#"{"a":1,"b":{"x":[1,{"y":2}]},"c":"z"}"#,
    );
    gives(r#"{"a": 1}"#, &[set("/b", json!([1, 2]))], r#"{"a": 1, "b": [1, 2]}"#);
    gives(r#"{ "a": 1 }"#, &[set("/b", json!(2))], r#"{ "a": 1, "b": 2 }"#);
}

#[test]
fn an_empty_file_object_gets_four_spaces() {
    gives("{}", &[set("/a", json!(1))], "{\n    \"a\": 1\n}");
    gives("{ \n}\n", &[set("/a", json!(1)), set("/b", json!(2))], "{\n    \"a\": 1,\n    \"b\": 2\n}\n");
}

#[test]
fn lines_keep_ending_as_they_do() {
    gives(
        "{\r\n  \"a\": 1\r\n}\r\n",
        &[set("/b", json!({"c": 1}))],
        "{\r\n  \"a\": 1,\r\n  \"b\": {\r\n    \"c\": 1\r\n  }\r\n}\r\n",
    );
}

#[test]
fn a_short_list_on_one_line_stays_on_it() {
    let text = "{\n    \"container_options\": [\"--pwd\", \"/x\"],\n    \"name\": \"n\"\n}";
    gives(text, &[append("/container_options", json!("--nv=true"))], &text.replace("\"/x\"]", "\"/x\", \"--nv=true\"]"));
}

#[test]
fn a_list_is_made_when_it_is_missing_and_filled_when_empty() {
    gives(
        "{\n  \"a\": 1\n}",
        &[append("/l", json!(1)), append("/l", json!(2))],
        "{\n  \"a\": 1,\n  \"l\": [\n    1,\n    2\n  ]\n}",
    );
    gives("{\n  \"l\": [ ]\n}", &[append("/l", json!(1))], "{\n  \"l\": [\n    1\n  ]\n}");
}

#[test]
fn removing_leaves_no_comma_and_no_blank_line() {
    let text = "{\n    \"a\": 1,\n    \"b\": {\n        \"x\": 1\n    },\n    \"c\": 3\n}\n";
    gives(text, &[remove("/a")], "{\n    \"b\": {\n        \"x\": 1\n    },\n    \"c\": 3\n}\n");
    gives(text, &[remove("/b")], "{\n    \"a\": 1,\n    \"c\": 3\n}\n");
    gives(text, &[remove("/c")], "{\n    \"a\": 1,\n    \"b\": {\n        \"x\": 1\n    }\n}\n");
    gives(text, &[remove("/a"), remove("/b")], "{\n    \"c\": 3\n}\n");
    gives(text, &[remove("/a"), remove("/c")], "{\n    \"b\": {\n        \"x\": 1\n    }\n}\n");
    gives(text, &[remove("/a"), remove("/b"), remove("/c")], "{}\n");
    gives(text, &[remove("/b/x")], &text.replace("{\n        \"x\": 1\n    }", "{}"));
}

#[test]
fn elements_are_removed_by_the_index_that_they_have_now() {
    gives(r#"{"l": ["a", "b", "c", "d"]}"#, &[remove("/l/0"), remove("/l/2"), remove("/l/3")], r#"{"l": ["b"]}"#);
    gives("{\n  \"l\": [\n    \"--softgl\"\n  ]\n}", &[remove("/l/0")], "{\n  \"l\": []\n}");
    gives("{\n  \"l\": [\n    \"x\"\n  ]\n}", &[remove("/l/0"), append("/l", json!("y"))], "{\n  \"l\": [\n    \"y\"\n  ]\n}");
    gives(r#"{"l": [1, 2, 3]}"#, &[remove("/l/2"), set("/l/1", json!(0)), append("/l", json!(4))], r#"{"l": [1, 0, 4]}"#);
}

#[test]
fn a_renamed_key_keeps_its_place_and_its_bytes() {
    let text = "{\n  \"container_env\"  :{ \"A\":1,\"B\" : 2 },\n  \"z\": 0\n}";
    gives(text, &[rename("/container_env", "env")], &text.replace("container_env", "env"));
    let below = [set("/container_env/A", json!(9)), remove("/container_env/B"), set("/env/C", json!(3))];
    let edits = [&[rename("/container_env", "env")], below.as_slice()].concat();
    gives(text, &edits, "{\n  \"env\"  :{ \"A\":9,\"C\" :3 },\n  \"z\": 0\n}");
}

#[test]
fn renaming_into_an_existing_object_merges_and_what_is_there_wins() {
    let text = "{\n    \"container_env\": {\n        \"A\": \"old\",\n        \"B\"  :  \"kept\"\n    },\n    \"env\": {\n        \"A\": \"new\"\n    }\n}\n";
    let merged = "{\n    \"env\": {\n        \"A\": \"new\",\n        \"B\"  :  \"kept\"\n    }\n}\n";
    gives(text, &[rename("/container_env", "env")], merged);
    gives(
        text,
        &[rename("/container_env", "env"), remove("/container_env/B")],
        &merged.replace(",\n        \"B\"  :  \"kept\"", ""),
    );
    gives(text, &[rename("/container_env", "env"), set("/container_env/A", json!("asked"))], &merged.replace("new", "asked"));
    gives("{\"a\": {}, \"b\": {}}", &[rename("/a", "b")], "{\"b\": {}}");
}

#[test]
fn renaming_into_something_else_is_refused_unless_it_is_the_same() {
    let error = apply(r#"{"a": {}, "b": 1}"#, &[rename("/a", "b")]).unwrap_err();
    assert!(matches!(error, EditError::CannotMerge { .. }), "{error}");
    gives(r#"{"a": "x", "b": "x"}"#, &[rename("/a", "b")], r#"{"b": "x"}"#);
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts_and_the_other_stays() {
    let text = r#"{"a": 1, "b": 0, "a": 2}"#;
    gives(text, &[set("/a", json!(3))], r#"{"a": 1, "b": 0, "a": 3}"#);
    gives(text, &[set("/b", json!(3))], r#"{"a": 1, "b": 3, "a": 2}"#);
    gives(text, &[remove("/a")], r#"{"b": 0}"#);
    gives(text, &[rename("/a", "c")], r#"{"c": 1, "b": 0, "c": 2}"#);
}

#[test]
fn pointers_with_escapes_name_the_right_key() {
    gives(
        r#"{"mounts": {"/casa/x~y": "/a", "é": 1}}"#,
        &[set("/mounts/~1casa~1x~0y", json!(null)), remove("/mounts/é")],
        r#"{"mounts": {"/casa/x~y": null}}"#,
    );
}

#[test]
fn a_text_of_ascii_stays_one() {
    gives("{\n  \"a\": 1\n}", &[set("/b", json!("é😀\n"))], "{\n  \"a\": 1,\n  \"b\": \"\\u00e9\\ud83d\\ude00\\n\"\n}");
    gives("{\n  \"à\": 1\n}", &[set("/b", json!("é"))], "{\n  \"à\": 1,\n  \"b\": \"é\"\n}");
}

#[test]
fn what_is_there_already_changes_no_byte() {
    let text = "{ \"a\":{\"x\" :1}, \"l\":[ \"--nv=true\"] ,\"env\":{} }";
    let edits = [
        set("/a/x", json!(1)),
        set("/a", json!({"x": 1})),
        append("/l", json!("--nv=true")),
        remove("/gone/too"),
        rename("/container_env", "env"),
    ];
    gives(text, &edits, text);
}

#[test]
fn edits_that_agree_are_one() {
    let edits = [
        set("/a", json!(1)),
        set("/a", json!(1)),
        append("/l", json!("x")),
        append("/l", json!("x")),
        remove("/b"),
        remove("/b"),
        remove("/b/c"),
    ];
    gives(r#"{"b": {"c": 1}}"#, &edits, r#"{"a": 1, "l": ["x"]}"#);
    gives(r#"{"a": "?"}"#, &[set("/a", json!({"x": 1})), set("/a/y", json!(2))], r#"{"a": {"x": 1, "y": 2}}"#);
}

#[test]
fn edits_that_contradict_each_other_are_refused_with_both_reasons() {
    let mut other = set("/a", json!(2));
    other.because = "config-old-keys".into();
    let error = apply("{}", &[set("/a", json!(1)), other]).unwrap_err();
    assert_eq!(error.to_string(), "test sets \"/a\" and config-old-keys sets \"/a\": these changes exclude each other");
    let clashing: [&[Edit]; 9] = [
        &[set("/a", json!(1)), remove("/a")],
        &[rename("/a", "x"), rename("/a", "y")],
        &[rename("/a", "x"), rename("/b", "x")],
        &[rename("/a", "b"), set("/b", json!(1))],
        &[rename("/a", "b"), remove("/a")],
        &[remove("/a"), set("/a/x", json!(1))],
        &[remove("/l"), append("/l", json!(1))],
        &[set("/a", json!({"x": 1})), set("/a/x", json!(2))],
        &[set("/a", json!({"x": 1})), remove("/a/x")],
    ];
    for edits in clashing {
        let result = apply(r#"{"a": {"x": 0}, "b": {}, "l": [1]}"#, edits);
        assert!(matches!(result, Err(EditError::Clash { .. })), "{edits:?} gave {result:?}");
        let reversed: Vec<_> = edits.iter().rev().cloned().collect();
        assert!(matches!(apply(r#"{"a": {"x": 0}, "b": {}, "l": [1]}"#, &reversed), Err(EditError::Clash { .. })));
    }
}

#[test]
fn edits_that_do_not_fit_the_file_are_refused() {
    let text = r#"{"a": 1, "l": [1], "n": null}"#;
    assert!(matches!(apply(text, &[set("/a/b", json!(1))]), Err(EditError::WrongKind { wanted: "an object", .. })));
    assert!(matches!(apply(text, &[set("/n/b", json!(1))]), Err(EditError::WrongKind { found: "null", .. })));
    assert!(matches!(apply(text, &[append("/a", json!(1))]), Err(EditError::WrongKind { wanted: "a list", .. })));
    assert!(matches!(apply(text, &[set("/l/1", json!(1))]), Err(EditError::NoElement { .. })));
    assert!(matches!(apply(text, &[rename("/l/0", "x")]), Err(EditError::NoName { .. })));
    assert!(matches!(apply(text, &[set("", json!({}))]), Err(EditError::WholeFile { .. })));
    assert!(matches!(apply(text, &[set("a", json!({}))]), Err(EditError::BadPointer { .. })));
}

#[test]
fn what_casa_distro_could_not_read_is_refused_with_its_place() {
    let edits = [set("/a", json!(1))];
    assert_eq!(apply("\u{feff}{}", &edits), Err(EditError::ByteOrderMark));
    for (text, line) in
        [("{\n// no\n}", 2), ("{\n\"a\": 1,\n}", 3), ("", 1), ("{\n\n\"a\": 'x'}", 3), ("{\"a\": 1} x", 1), ("{\"a\": 01}", 1)]
    {
        match apply(text, &edits) {
            Err(EditError::NotJson { line: found, .. }) => assert_eq!(found, line, "{text}"),
            other => panic!("{text} gave {other:?}"),
        }
    }
}

mod random {
    use std::collections::BTreeMap;

    use jsonc_parser::ast::Value as Ast;
    use jsonc_parser::common::Ranged;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Map;

    use super::super::super::pointer::{json_pointer, steps};
    use super::*;

    const NAMES: [&str; 6] = ["a", "b", "c/d", "e~0", "é", "0"];
    const SPACES: [&str; 9] = ["", " ", "", " ", "\n", "\n  ", "\t", "\r\n    ", "\n\n "];

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~é\"\\\\\n]{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::Array), vec((0..NAMES.len(), inner), 0..4).prop_map(object),]
        })
    }

    fn object(members: Vec<(usize, Value)>) -> Value {
        Value::Object(members.into_iter().map(|(name, value)| (NAMES[name].to_owned(), value)).collect())
    }

    fn document() -> impl Strategy<Value = Value> {
        vec((0..NAMES.len(), value()), 0..5).prop_map(object)
    }

    /// Writes a value with white space wherever it may stand.
    fn write(out: &mut String, value: &Value, spaces: &mut impl Iterator<Item = usize>) {
        let mut space = |out: &mut String| out.push_str(SPACES[spaces.next().unwrap() % SPACES.len()]);
        match value {
            Value::Array(elements) => {
                out.push('[');
                space(out);
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                        out.push_str(SPACES[spaces.next().unwrap() % SPACES.len()]);
                    }
                    write(out, element, spaces);
                    out.push_str(SPACES[spaces.next().unwrap() % SPACES.len()]);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                space(out);
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                        out.push_str(SPACES[spaces.next().unwrap() % SPACES.len()]);
                    }
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push_str(SPACES[spaces.next().unwrap() % SPACES.len()]);
                    out.push(':');
                    out.push_str(SPACES[spaces.next().unwrap() % SPACES.len()]);
                    write(out, member, spaces);
                    out.push_str(SPACES[spaces.next().unwrap() % SPACES.len()]);
                }
                out.push('}');
            }
            leaf => out.push_str(&leaf.to_string()),
        }
    }

    /// Every place of a value.
    fn places(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        let parts: Vec<(String, &Value)> = match value {
            Value::Array(elements) => elements.iter().enumerate().map(|(index, part)| (index.to_string(), part)).collect(),
            Value::Object(members) => members.iter().map(|(name, part)| (name.clone(), part)).collect(),
            _ => return,
        };
        for (step, part) in parts {
            path.push(step);
            found.push(path.clone());
            places(part, path, found);
            path.pop();
        }
    }

    /// The bytes of every value that stands at a place.
    fn slices(text: &str, value: &Ast<'_>, path: &mut Vec<String>, found: &mut BTreeMap<Vec<String>, String>) {
        let range = value.range();
        found.insert(path.clone(), text[range.start..range.end].to_owned());
        let parts: Vec<(String, &Ast<'_>)> = match value {
            Ast::Array(array) => array.elements.iter().enumerate().map(|(index, part)| (index.to_string(), part)).collect(),
            Ast::Object(object) => {
                object.properties.iter().map(|member| (member.name.as_str().to_owned(), &member.value)).collect()
            }
            _ => return,
        };
        for (step, part) in parts {
            path.push(step);
            slices(text, part, path, found);
            path.pop();
        }
    }

    fn all_slices(text: &str) -> BTreeMap<Vec<String>, String> {
        let parsed = jsonc_parser::parse_to_ast(text, &Default::default(), &Default::default()).unwrap();
        let mut found = BTreeMap::new();
        slices(text, &parsed.value.unwrap(), &mut Vec::new(), &mut found);
        found
    }

    #[derive(Debug, Clone)]
    struct Plan {
        place: usize,
        further: Vec<usize>,
        kind: usize,
        value: Value,
        name: usize,
    }

    fn plan() -> impl Strategy<Value = Plan> {
        (any::<usize>(), vec(0..NAMES.len(), 0..3), 0_usize..4, value(), 0..NAMES.len())
            .prop_map(|(place, further, kind, value, name)| Plan { place, further, kind, value, name })
    }

    fn edit_of(document: &Value, plan: &Plan) -> Edit {
        let mut found = vec![Vec::new()];
        places(document, &mut Vec::new(), &mut found);
        let mut path = found[plan.place % found.len()].clone();
        path.extend(plan.further.iter().map(|name| NAMES[*name].to_owned()));
        let key = json_pointer(&path);
        match plan.kind {
            0 => set(&key, plan.value.clone()),
            1 => remove(&key),
            2 => rename(&key, NAMES[plan.name]),
            _ => append(&key, plan.value.clone()),
        }
    }

    fn is_part(place: &[String], whole: &[String]) -> bool {
        place.starts_with(whole)
    }

    /// Whether an edit may change what stands at the place.
    fn touches(edit: &Edit, place: &[String], document: &Value) -> bool {
        let path = steps(&edit.key).unwrap();
        let (last, parent) = match path.split_last() {
            Some((last, parent)) => (last.clone(), parent.to_vec()),
            None => return is_part(&path, place) || is_part(place, &path),
        };
        let related = |path: &[String]| is_part(place, path) || is_part(path, place);
        let in_list = document.pointer(&json_pointer(&parent)).is_some_and(Value::is_array);
        match &edit.change {
            Change::Rename { to } => {
                let target: Vec<_> = parent.iter().cloned().chain([to.clone()]).collect();
                related(&path) || related(&target)
            }
            // What stands behind a removed element moves up.
            Change::Remove if in_list && last.parse::<usize>().is_ok() => related(&parent),
            _ => related(&path),
        }
    }

    /// A simple-minded way to make one edit.
    fn naively(document: &mut Value, edit: &Edit) {
        let path = steps(&edit.key).unwrap();
        let (last, parent) = path.split_last().unwrap();
        if matches!(edit.change, Change::Remove) {
            match document.pointer_mut(&json_pointer(parent)) {
                Some(Value::Object(members)) => drop(members.shift_remove(last)),
                Some(Value::Array(elements)) => match last.parse::<usize>() {
                    Ok(index) if index < elements.len() => drop(elements.remove(index)),
                    _ => {}
                },
                _ => {}
            }
            return;
        }
        let mut here = document;
        for step in &path {
            here = match here {
                Value::Array(elements) => &mut elements[step.parse::<usize>().unwrap()],
                other => {
                    if !other.is_object() {
                        *other = Value::Object(Map::new());
                    }
                    other.as_object_mut().unwrap().entry(step).or_insert(Value::Null)
                }
            };
        }
        match &edit.change {
            Change::Set { to } => *here = to.clone(),
            Change::Append { value } => match here {
                Value::Array(elements) if elements.last() == Some(value) => {}
                Value::Array(elements) => elements.push(value.clone()),
                other => *other = Value::Array(vec![value.clone()]),
            },
            _ => unreachable!(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn random_edits_of_random_documents(
            document in document(),
            spaces in vec(0_usize..100, 1..40),
            plans in vec(plan(), 1..5),
        ) {
            let mut text = String::new();
            write(&mut text, &document, &mut spaces.iter().copied().cycle());
            let edits: Vec<_> = plans.iter().map(|plan| edit_of(&document, plan)).collect();
            match apply(&text, &edits) {
                Err(EditError::Internal(reason)) => prop_assert!(false, "{}", reason),
                Err(_) => {}
                Ok(changed) => {
                    let (before, after) = (all_slices(&text), all_slices(&changed));
                    for (place, slice) in before {
                        if !edits.iter().any(|edit| touches(edit, &place, &document)) {
                            prop_assert_eq!(after.get(&place), Some(&slice), "{:?} of {}", place, changed);
                        }
                    }
                    let by_index = |edit: &Edit| {
                        matches!(edit.change, Change::Remove | Change::Rename { .. })
                            && edit.key.split('/').any(|step| step.parse::<usize>().is_ok())
                    };
                    let renames = edits.iter().filter(|edit| matches!(edit.change, Change::Rename { .. })).count();
                    // An index, and a name that a second renaming gives anew, mean something else the second time.
                    if renames < 2 && !edits.iter().any(by_index) {
                        prop_assert_eq!(apply(&changed, &edits), Ok(changed.clone()));
                    }
                    if edits.len() == 1 && renames == 0 {
                        let mut naive = document.clone();
                        naively(&mut naive, &edits[0]);
                        prop_assert_eq!(serde_json::from_str::<Value>(&changed).unwrap(), naive);
                    }
                }
            }
        }

        #[test]
        fn random_texts_never_panic(text in "[\\[\\]{}:,\" a1\n\r\\\\]{0,20}") {
            let _ = apply(&text, &[set("/a", json!({"b": 1})), remove("/1"), rename("/ ", "a b")]);
        }
    }
}

#[test]
fn what_python_reads_and_json_does_not_have_is_named() {
    for text in ["{\"a\": NaN}", "{\"a\":\n  Infinity}"] {
        let error = apply(text, &[set("/b", json!(1))]).unwrap_err();
        assert!(matches!(&error, EditError::NotJson { message, .. } if message.contains("NaN")), "{error}");
    }
}

#[test]
fn what_python_reads_and_json_has_not_stays_as_it_is() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for odd in [r#""\ud800x""#, "1.0E+400", "-1e999", deep.as_str(), r#"{"\udc00": ["\ud800", "\ud83d\ude00"]}"#] {
        let text = format!("{{\n    \"odd\": {odd},\n    \"a\": 1\n}}\n");
        gives(&text, &[set("/a", json!(2))], &text.replace("\"a\": 1", "\"a\": 2"));
        gives(&text, &[remove("/a"), rename("/odd", "new")], &format!("{{\n    \"new\": {odd}\n}}\n"));
        gives(&text, &[set("/odd", json!(3))], &text.replace(odd, "3"));
        gives(&text, &[set("/a", json!(1))], &text);
    }
}

#[test]
fn what_is_broken_deep_inside_is_still_an_error() {
    let text = format!("{{\"odd\": {}1 2{}, \"a\": 1}}", "[".repeat(200), "]".repeat(200));
    let error = apply(&text, &[set("/a", json!(2))]).unwrap_err();
    assert!(matches!(&error, EditError::NotJson { line: 1, column: 211, .. }), "{error}");
    for text in ["{\"odd\": \"\\ud800\" \"a\": 1}", "{\"odd\": 1e999, \"a\": 1,}", "{\"odd\": 1e999"] {
        assert!(matches!(apply(text, &[set("/a", json!(2))]), Err(EditError::NotJson { .. })), "{text}");
    }
}
