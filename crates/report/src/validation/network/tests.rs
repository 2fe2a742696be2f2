//! A table of rows made up for this test.

use chokepoint_engine::{Data, NetworkTable, NetworkValidation};
use serde_json::Value;

use super::{network_csv, network_json, network_table};
use crate::Language;
use crate::validation::Shown;

const TABLE: &str = "row_id,system,fabric,nodes,ranks,collective,algorithm,library,message_bytes,message_meaning,time_us,algbw_GBps,busbw_GBps,extra
made-up-1,H100,NVLink4,1,4,all_reduce,auto,NCCL,1048576,nccl-tests size,20,,,
made-up-2,Abacus,beads,1,8,all_reduce,auto,NCCL,1048576,nccl-tests size,20,,,
made-up-3,H100,NVLink4,1,8,moe_prepare,auto,TensorRT-LLM,,,20,,,
made-up-4,H100,NVLink4,1,8,all_gather,auto,NCCL,,,20,,,
";

fn validation(rows: std::ops::Range<usize>) -> NetworkValidation {
    let table = NetworkTable::parse("made-up.csv", TABLE).unwrap();
    let data = Data::load(&[]).unwrap();
    NetworkValidation::of(rows.filter_map(|row| table.validate(row, &data)).collect())
}

/// Skipped rows only: their text does not move with the calibration.
#[test]
fn skipped_rows_read_as_recorded() {
    let skipped = validation(1..4);
    for (name, language) in [("network_en", Language::En), ("network_zh", Language::Zh)] {
        insta::assert_snapshot!(name, network_table(&skipped, Shown::All, language));
    }
    insta::assert_snapshot!("network_json", network_json(&skipped).unwrap());
    insta::assert_snapshot!("network_csv", network_csv(&skipped).unwrap());
}

#[test]
fn a_row_is_a_line() {
    for language in Language::ALL {
        let text = network_table(&validation(0..4), Shown::All, language);
        for row in ["made-up-1", "made-up-2", "made-up-3", "made-up-4"] {
            assert_eq!(text.matches(row).count(), 1, "{text}");
        }
        // Four ranks of H100 without their own curve rest on those of two and eight.
        assert!(text.contains("2+8") && text.contains("Abacus"), "{text}");
    }
}

#[test]
fn json_keeps_the_contract() {
    let found: Value = serde_json::from_str(&network_json(&validation(0..4)).unwrap()).unwrap();
    assert_eq!(found["schema"], 1);
    let keys = [
        "row_id",
        "status",
        "reason",
        "predicted_seconds",
        "measured_seconds",
        "relative_error",
        "low_seconds",
        "high_seconds",
        "curves_of_ranks",
        "assumed",
    ];
    for row in found["rows"].as_array().unwrap() {
        assert!(keys.iter().all(|key| row.get(key).is_some()), "{row}");
    }
    let first = &found["rows"][0];
    assert_eq!(first["status"], "predicted");
    assert_eq!(first["curves_of_ranks"], serde_json::json!([2, 8]));
    assert_eq!(found["rows"][1]["status"], "skipped");
    assert_eq!(found["summary"][0]["skipped"], 3);
}
