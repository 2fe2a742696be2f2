//! A table of rows made up for this test.

use chokepoint_engine::{Data, ServingTable, ServingValidation};
use serde_json::Value;

use super::{serving_csv, serving_json, serving_table};
use crate::Language;
use crate::validation::Shown;

const TABLE: &str = "row_id,source_id,chip,n_chips,model,n_layers,hidden,n_heads,n_kv_heads,ffn_hidden,vocab,attn_type,mlp_type,engine,precision,mode,isl,osl,concurrency,tp,pp,spec_decode,ttft_ms,tpot_ms,primary_metric,primary_value
made-up-1,invented,H100,1,small,16,2048,16,8,8192,32000,GQA,gated,vLLM,BF16,agg,1024,128,8,1,1,none,30,4,tpot_ms,4
made-up-2,invented,Abacus,1,small,16,2048,16,8,8192,32000,GQA,gated,vLLM,BF16,agg,1024,128,8,1,1,none,30,4,tpot_ms,4
made-up-3,invented,H100,1,small,16,2048,16,8,8192,32000,GQA,gated,vLLM,,agg,1024,128,8,1,1,none,30,4,tpot_ms,4
";

fn validation(rows: std::ops::Range<usize>) -> ServingValidation {
    let table = ServingTable::parse("made-up.csv", TABLE).unwrap();
    let data = Data::load(&[]).unwrap();
    let rows = rows.flat_map(|row| table.validate(row, &data));
    ServingValidation::of(rows.collect(), None)
}

/// Skipped rows only: their text does not move with the calibration.
#[test]
fn skipped_rows_read_as_recorded() {
    let skipped = validation(1..3);
    for (name, language) in [("serving_en", Language::En), ("serving_zh", Language::Zh)] {
        insta::assert_snapshot!(name, serving_table(&skipped, Shown::All, language));
    }
    insta::assert_snapshot!("serving_json", serving_json(&skipped).unwrap());
    insta::assert_snapshot!("serving_csv", serving_csv(&skipped).unwrap());
}

/// The first row has two figures, time for each token and to the first.
#[test]
fn a_figure_is_a_line() {
    for language in Language::ALL {
        let text = serving_table(&validation(0..3), Shown::All, language);
        for (row, lines) in [("made-up-1", 2), ("made-up-2", 1), ("made-up-3", 1)] {
            assert_eq!(text.matches(row).count(), lines, "{text}");
        }
        assert!(text.contains("TTFT") && text.contains("Abacus"), "{text}");
    }
    let csv = serving_csv(&validation(0..3)).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
}

#[test]
fn json_keeps_the_contract() {
    let found: Value = serde_json::from_str(&serving_json(&validation(0..3)).unwrap()).unwrap();
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
    let status = |row: usize| found["rows"][row]["status"].as_str().unwrap();
    assert_eq!(
        [0, 1, 2, 3].map(status),
        ["predicted", "predicted", "skipped", "skipped"]
    );
    assert_eq!(found["rows"][0]["metric"], "tpot_ms");
    assert_eq!(found["rows"][1]["metric"], "ttft_ms");
}
