//! `validate --serving` and serving engines as users meet them.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Runs made up for these tests.
const TABLE: &str = "crates/cli/tests/tables/invented-serving.csv";
/// Rows of the table, and lines of output: a row with a time to the first token beside has two,
/// one with power measured at the chips three.
const ROWS: u64 = 7;
const LINES: usize = 10;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{problem}");
    assert!(problem.is_empty(), "{problem}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rows_and_groups_add_up() {
    let found = text(&["validate", "--serving", TABLE, "--format", "json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["schema"], 1);
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), LINES);
    for row in rows {
        let value = |key: &str| row[key].as_f64().unwrap();
        if row["status"] == "predicted" {
            let error = value("predicted") / value("measured") - 1.0;
            assert!((value("relative_error") - error).abs() < 1e-12, "{row}");
            assert!(value("low") <= value("predicted") && value("predicted") <= value("high"));
            assert!(!row["breakdown"].as_array().unwrap().is_empty(), "{row}");
        } else {
            assert!(
                row["reason"].is_string() && row["predicted"].is_null(),
                "{row}"
            );
        }
    }
    let summary = found["summary"].as_array().unwrap();
    let count = |group: &Value, key: &str| group[key].as_u64().unwrap();
    assert_eq!(count(&summary[0], "rows"), ROWS);
    assert_eq!(count(&summary[0], "predicted"), ROWS - 2);
    for group in summary {
        let reasons = group["skip_reasons"].as_array().unwrap().iter();
        let listed: u64 = reasons.map(|reason| count(reason, "rows")).sum();
        assert_eq!(listed, count(group, "skipped"), "{group}");
    }
    for key in ["source", "chip", "class"] {
        let of_key = summary.iter().filter(|group| {
            let name = group["group"].as_str().unwrap();
            name.starts_with(&format!("{key}="))
        });
        let rows: u64 = of_key.map(|group| count(group, "rows")).sum();
        assert_eq!(rows, ROWS, "{key}");
    }
}

#[test]
fn a_validation_reads_as_table_and_csv() {
    for language in ["en", "zh"] {
        let all = text(&["validate", "--serving", TABLE, "--lang", language]);
        let ids = (1..=ROWS).map(|row| format!(" test-{row} "));
        let lines: usize = ids.map(|id| all.matches(&id).count()).sum();
        assert_eq!(lines, LINES, "{all}");
        let only = [
            "validate",
            "--serving",
            TABLE,
            "--lang",
            language,
            "--summary-only",
        ];
        assert!(all.ends_with(&text(&only)));
    }
    let csv = text(&["validate", "--serving", TABLE, "--format", "csv"]);
    assert_eq!(csv.lines().count(), LINES + 1);
}

#[test]
fn engines_are_in_the_catalogue() {
    let list = text(&["catalog", "list"]);
    assert!(list.contains("trtllm-static") && list.contains("vllm-ascend"));
    let shown = text(&["catalog", "show", "trtllm", "--sources"]);
    for words in [
        "memory_share",
        "free",
        "batching",
        "trtllm-docs",
        "rates.decode.all",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(text(&["catalog", "check"]).contains("engines"));
}
