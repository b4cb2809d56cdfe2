//! What holds for any text.

use proptest::prelude::*;

use super::*;

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static str> = rows().map(|row| row.text).collect();
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\x1b[31m".to_vec()),
        Just("“".as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_and_described_within_bounds(bytes in pieces()) {
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.split('\n').count();
        for found in read(&text) {
            prop_assert!(found.line >= 1 && found.line <= lines);
            prop_assert!(found.count >= 1);
            prop_assert!(found.excerpt.chars().count() <= 241);
            prop_assert!(!found.excerpt.chars().any(char::is_control));
            prop_assert!(found.captures.0.iter().all(|(_, value)| value.chars().count() <= 161));
        }
        let _ = explain_for_launch(&text);
    }

    #[test]
    fn a_log_reads_the_same_in_parts_of_any_size(bytes in pieces(), size in 1_usize..64) {
        let mut whole = Reader::new();
        whole.push_bytes(&bytes);
        let mut parts = Reader::new();
        for part in bytes.chunks(size) {
            parts.push_bytes(part);
        }
        prop_assert_eq!(whole.finish(), parts.finish());
    }

    #[test]
    fn a_known_text_is_found_amid_lines_of_work(index in 0..rows().count(), before in 0_usize..40, after in 0_usize..40) {
        let row = rows().nth(index).unwrap();
        let text = format!("{}{}\n{}", "reading volume\n".repeat(before), row.text, "writing mesh\n".repeat(after));
        let found = read(&text);
        prop_assert_eq!(found[0].pattern.id, row.id);
        prop_assert!(found[0].line > before);
    }
}

#[test]
fn a_line_of_many_megabytes_is_read_in_pieces() {
    let mut reader = Reader::new();
    for _ in 0..200 {
        reader.push_bytes(&[b'x'; 10_000]);
    }
    reader.push_bytes("é".as_bytes());
    reader.push_bytes(b"\nNo protocol specified\n");
    let found = reader.finish();
    assert_eq!((found.len(), found[0].line), (1, 2));
}

#[test]
fn a_line_without_an_end_is_read_too() {
    let mut reader = Reader::new();
    reader.push_bytes(b"No protocol spec");
    reader.push_bytes(b"ified");
    assert_eq!(reader.finish()[0].pattern.id, "x-empty-cookie");
    let mut reader = Reader::new();
    reader.push_line("Host key verification failed.");
    assert_eq!(reader.finish()[0].line, 1);
}

#[test]
fn text_of_windows_shells_is_read() {
    let utf16: Vec<u8> =
        "\u{feff}wsl\r\nFailed to initialize NVML: Unknown Error\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut reader = Reader::new();
    reader.push_bytes(&utf16);
    let found = reader.finish();
    assert_eq!((found[0].pattern.id, found[0].line), ("nv-nvml-unknown", 2));
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n").replace('\t', r"\t")
}

/// What programs, batch systems and loggers put around each line of another program.
fn decorated(text: &str) -> Vec<(&'static str, String)> {
    let each = |around: &dyn Fn(&str) -> String| text.split('\n').map(around).collect::<Vec<_>>().join("\n");
    vec![
        ("CRLF", each(&|line| format!("{line}\r"))),
        ("colours", each(&|line| format!("\x1b[31m{line}\x1b[0m"))),
        ("srun --label", each(&|line| format!("0: {line}"))),
        ("srun --label of many", each(&|line| format!(" 12: {line}"))),
        ("docker compose", each(&|line| format!("app-1  | {line}"))),
        ("docker logs --timestamps", each(&|line| format!("2024-11-02T10:00:01.123456789Z {line}"))),
        ("a logger of Python", each(&|line| format!("2024-11-02 10:00:01,120 ERROR casa.launch: {line}"))),
        ("a logger with brackets", each(&|line| format!("[2024-11-02 10:00:01] {line}"))),
        ("journald", each(&|line| format!("Nov 02 10:00:01 host anatomist[123]: {line}"))),
        ("quotation by mail", each(&|line| format!("> {line}"))),
        ("bytes of Python", format!("stderr: b\"{}\"", escaped(text))),
        ("a record of JSON", format!("{{\"log\":\"{}\",\"stream\":\"stderr\"}}", escaped(text))),
    ]
}

#[test]
fn what_others_put_around_a_line_hides_no_message() {
    let mut hidden = Vec::new();
    let finding = |id: &str| patterns().find(|known| known.id == id).and_then(|known| known.finding);
    // Behind other text, these are the words of any program.
    for row in rows().filter(|row| !row.id.ends_with("-alone") && row.id != "config-container-type") {
        for (name, text) in decorated(row.text) {
            let found = read(&text);
            let is_it = |first: &Diagnosis| {
                first.pattern.id == row.id || finding(row.id).is_some_and(|finding| first.pattern.finding == Some(finding))
            };
            if !found.first().is_some_and(is_it) {
                hidden.push(format!(
                    "{} amid {name}: {:?}: {text}",
                    row.id,
                    found.iter().map(|found| found.pattern.id).collect::<Vec<_>>()
                ));
            }
        }
    }
    assert!(hidden.is_empty(), "{}", hidden.join("\n"));
}
