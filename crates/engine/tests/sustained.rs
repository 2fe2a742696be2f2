//! The one calibration on whole steps: what kernels keep of their benchmark rate inside a training
//! step (`sustained` in `data/calibration`), fitted for each chip on published step times of dense
//! models at their own plans. This test repeats the fit where the table of measurements exists.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(
    clippy::disallowed_macros,
    reason = "shows predictions beside measurements"
)]

use std::collections::BTreeMap;
use std::path::Path;

use chokepoint_chip::ChipScale;
use chokepoint_engine::model::{Architecture, Recompute};
use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::{Data, system_parts};
use chokepoint_train::{Case, Optimizer, Plan, Schedule, Workload, evaluate};

/// A row of `validation_training.csv` by column.
type Row = BTreeMap<String, String>;

fn number(row: &Row, column: &str) -> Option<u64> {
    row.get(column)?
        .parse::<f64>()
        .ok()
        .map(|value| value as u64)
}

fn system(chip: &str) -> Option<&'static str> {
    Some(match chip {
        "A100-80GB" => "dgx-a100",
        "H100" => "hgx-h100",
        "H200" => "hgx-h200",
        "B200" => "hgx-b200",
        "GB200" => "gb200-nvl72",
        "GB300" => "gb300-nvl72",
        "Ascend 910B" => "atlas-800t-a2",
        _ => return None,
    })
}

/// The row's model as a configuration file: gated and grouped as Llama, else as GPT.
fn architecture(row: &Row) -> Option<Architecture> {
    let get = |column| number(row, column);
    let (layers, hidden, heads) = (get("n_layers")?, get("hidden")?, get("n_heads")?);
    let (inner, vocabulary, sequence) = (get("ffn_hidden")?, get("vocab")?, get("seq_len")?);
    let groups = get("n_kv_heads").unwrap_or(heads);
    let width = get("head_dim").unwrap_or(hidden / heads);
    let gated = row["mlp_type"].to_lowercase().contains("glu");
    let text = if gated || groups != heads {
        let inner = if gated { inner } else { inner * 2 / 3 };
        format!(
            r#"{{"model_type":"llama","hidden_size":{hidden},"intermediate_size":{inner},"num_hidden_layers":{layers},
            "num_attention_heads":{heads},"num_key_value_heads":{groups},"head_dim":{width},"vocab_size":{vocabulary}}}"#
        )
    } else {
        format!(
            r#"{{"model_type":"gpt2","n_embd":{hidden},"n_inner":{inner},"n_layer":{layers},"n_head":{heads},
            "n_positions":{sequence},"vocab_size":{vocabulary}}}"#
        )
    };
    Architecture::from_config("row", &text).ok()
}

/// Predicted over measured step time at the row's own plan, and whether the measured one lies in
/// the predicted interval. Memory is not asked: recomputation is often not printed.
fn ratio(data: &Data, row: &Row) -> Option<(f64, bool)> {
    let complete = row["fsdp_shard"].is_empty() && !row["dp_sharding"].contains("FSDP");
    let clean = row["quality_flag"].is_empty() || row["quality_flag"] == "proxy_model";
    let whole = !row["task"].to_lowercase().contains("lora") && row["source_id"] != "simumax";
    if row["model_class"] != "dense" || !(complete && clean && whole) {
        return None;
    }
    let get = |column| number(row, column);
    let (chips, sequence, batch) = (get("n_chips")?, get("seq_len")?, get("gbs")?);
    let (tp, pp, cp) = (get("tp")?, get("pp")?, get("cp").unwrap_or(1).max(1));
    let measured = row["step_time_s"].parse::<f64>().ok().or_else(|| {
        let rate: f64 = row["tokens_per_s_per_chip"].parse().ok()?;
        Some((batch * sequence) as f64 / rate / chips as f64)
    })?;
    let format = match row["precision"].as_str() {
        "BF16" | "FP16" => NumberFormat::Bf16,
        "FP8" => NumberFormat::Fp8,
        "FP4" => NumberFormat::Fp4,
        _ => return None,
    };
    let parts = system_parts(&data.catalog, system(&row["chip"])?).unwrap();
    let chip = parts.spec.unwrap().scaled(ChipScale {
        capacity: 100.0,
        ..ChipScale::default()
    });
    let architecture = architecture(row)?;
    let workload = Workload {
        sequence,
        global_batch: batch,
        tokens: 1e12,
        formats: vec![format],
        optimizer: Optimizer::AdamFp32,
        imbalance: 1.0,
    };
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        chip: &chip,
        fabric: &parts.fabric,
        chips,
    };
    let full = row["recompute"].to_lowercase().contains("full");
    let plan = Plan {
        tp,
        cp,
        ep: 1,
        pp,
        vp: if pp == 1 {
            1
        } else {
            get("vp").unwrap_or(1).max(1)
        },
        dp: chips / (tp * pp * cp).max(1),
        micro_batch: get("mbs")?,
        recompute: if full {
            Recompute::Full
        } else {
            Recompute::None
        },
        schedule: Schedule::OneForwardOneBackward,
        format,
        overlap_tp: tp > 1 && !row["chip"].contains("A100"),
        overlap_ep: false,
    };
    let found = evaluate(&case, &plan).ok()?;
    let ratio = found.step.get() / measured;
    Some((
        ratio,
        (1.0 - found.spread..=1.0 + found.spread).contains(&(1.0 / ratio)),
    ))
}

#[test]
fn published_steps_give_the_sustained_shares() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/validation_training.csv");
    let Ok(mut table) = csv::Reader::from_path(&path) else {
        println!("skipped: {} is not here", path.display());
        return;
    };
    let data = Data::load(&[]).unwrap();
    let mut by_chip: BTreeMap<String, Vec<(f64, bool)>> = BTreeMap::new();
    for row in table.deserialize::<Row>().map(Result::unwrap) {
        if let Some(found) = ratio(&data, &row) {
            by_chip.entry(row["chip"].clone()).or_default().push(found);
        }
    }
    assert!(by_chip.len() == 7, "{:?}", by_chip.keys());
    let (mut rows, mut covered) = (0, 0);
    for (chip, mut found) in by_chip {
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let at = |share: f64| found[((found.len() - 1) as f64 * share) as usize].0;
        let inside = found.iter().filter(|(_, inside)| *inside).count();
        println!(
            "{chip:12} {:3} rows: predicted over measured, median {:.2}, 10% {:.2}, 90% {:.2}; {inside} in their interval",
            found.len(),
            at(0.5),
            at(0.1),
            at(0.9)
        );
        assert!(
            (0.93..1.07).contains(&at(0.5)),
            "{chip}: the calibration is not the median: {}",
            at(0.5)
        );
        rows += found.len();
        covered += inside;
    }
    let coverage = covered as f64 / rows as f64;
    println!(
        "coverage of the 80% interval: {:.0}% of {rows} rows",
        100.0 * coverage
    );
    assert!((0.7..0.97).contains(&coverage), "{coverage}");
}
