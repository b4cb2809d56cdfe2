//! docs/launch.md: every row has its proof, and every proof exists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fs;
use std::path::Path;

/// The cells of the rows of all tables, without heads.
fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/launch.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---") && !line.contains("| proof |"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_proof_exists_and_no_row_is_without_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for row in rows() {
        let proofs: Vec<_> = row.last().unwrap().split('`').filter(|part| !part.trim().is_empty()).collect();
        assert!(!proofs.is_empty(), "{row:?}");
        for proof in proofs {
            match proof.split_once("::") {
                Some((file, name)) => {
                    let text = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{proof}: {error}"));
                    assert!(text.contains("#[test]") && text.contains(&format!("fn {name}(")), "{proof} does not exist");
                }
                None => assert!(root.join(proof).exists(), "{proof} does not exist"),
            }
        }
    }
}

#[test]
fn every_known_gap_has_its_row_and_every_row_its_verdict() {
    let numbers: Vec<u32> = rows().iter().filter_map(|row| row[0].parse().ok()).collect();
    assert_eq!(numbers, (1..=42).collect::<Vec<_>>());
    for row in rows() {
        let verdict = &row[row.len() - 3];
        assert!(["same", "better", "told"].contains(&verdict.as_str()), "{row:?}");
    }
}
