//! A table of rows made up for this test.

use chokepoint_engine::{Data, TrainingTable, Validation};
use serde_json::Value;

use super::Shown;
use crate::{Language, validation_csv, validation_json, validation_table};

const TABLE: &str = "row_id,source_id,chip,n_chips,model,n_layers,hidden,n_heads,ffn_hidden,vocab,seq_len,gbs,mbs,tp,pp,precision,recompute,framework,step_time_s
made-up-1,invented,H100,8,small,16,2048,16,8192,32000,2048,64,1,1,1,BF16,none,Megatron-LM,1.0
made-up-2,invented,Abacus,8,small,16,2048,16,8192,32000,2048,64,1,1,1,BF16,none,Megatron-LM,1.0
made-up-3,invented,H100,8,small,16,2048,16,8192,32000,2048,64,1,1,1,BF16,none,Megatron-LM,
";

fn validation(rows: std::ops::Range<usize>) -> Validation {
    let table = TrainingTable::parse("made-up.csv", TABLE).unwrap();
    let data = Data::load(&[]).unwrap();
    Validation::of(rows.filter_map(|row| table.validate(row, &data)).collect())
}

/// Skipped rows only: their text does not move with the calibration.
#[test]
fn skipped_rows_read_as_recorded() {
    let skipped = validation(1..3);
    for (name, language) in [
        ("validation_en", Language::En),
        ("validation_zh", Language::Zh),
    ] {
        insta::assert_snapshot!(name, validation_table(&skipped, Shown::All, language));
    }
    insta::assert_snapshot!("validation_json", validation_json(&skipped).unwrap());
    insta::assert_snapshot!("validation_csv", validation_csv(&skipped).unwrap());
}

#[test]
fn a_row_is_a_line() {
    for language in Language::ALL {
        let text = validation_table(&validation(0..3), Shown::All, language);
        for row in ["made-up-1", "made-up-2", "made-up-3"] {
            assert_eq!(text.matches(row).count(), 1, "{text}");
        }
        assert!(text.contains("bf16") && text.contains("Abacus"));
    }
}

#[test]
fn json_keeps_the_contract() {
    let found: Value = serde_json::from_str(&validation_json(&validation(0..3)).unwrap()).unwrap();
    assert_eq!(found["schema"], 1);
    let keys = [
        "row_id",
        "status",
        "reason",
        "metric",
        "predicted",
        "measured",
        "relative_error",
        "low",
        "high",
        "assumed",
    ];
    for row in found["rows"].as_array().unwrap() {
        assert!(keys.iter().all(|key| row.get(key).is_some()), "{row}");
    }
    let keys = [
        "group",
        "rows",
        "predicted",
        "skipped",
        "median_abs_error",
        "mean_abs_error",
        "p90_abs_error",
        "bias",
        "coverage",
        "baseline",
    ];
    for group in found["summary"].as_array().unwrap() {
        assert!(keys.iter().all(|key| group.get(key).is_some()), "{group}");
    }
    assert_eq!(found["rows"][0]["status"], "predicted");
    assert_eq!(found["rows"][1]["status"], "skipped");
}
