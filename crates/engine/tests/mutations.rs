//! Damaged scenarios, tables of published runs and plans: an error or a result, never a panic, and
//! never a hang.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::LazyLock;

use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::{
    Data, RunRequest, evaluate, jobs, resolve, run_training, validate_serving, validate_training,
};
use proptest::prelude::*;

const SCENARIO: &str = r#"schema = 1
title = "t"
date = "2026-11-24"
destination = "CN"
prices = "retail-2025"
systems = ["hgx-h200", "y"]
equal = { chips = 64 }
[[training]]
id = "a"
model = "llama-3.1-8b"
tokens = 1e12
sequence = 4096
global_batch = 256
plan = { tp = 2, pp = 2, dp = 16, micro_batch = 1, recompute = "selective" }
[[serving]]
id = "b"
model = "gpt-oss-120b"
input = 1024
output = 256
ttft = "1 s"
tpot = "50 ms"
[derive.chip.x]
from = "h200-sxm"
memory_bandwidth = "6 TB/s"
[derive.system.y]
from = "hgx-h200"
chip = "x"
domain_chips = 16
"#;

/// Rows of a dense model, of a mixture and of one that cannot be predicted.
const TABLE: &str = "\
row_id,source_id,chip,n_chips,model,n_layers,hidden,n_heads,n_kv_heads,ffn_hidden,moe_ffn_hidden,n_experts,topk,vocab,seq_len,gbs,mbs,tp,pp,vp,cp,ep,precision,recompute,framework,framework_version,step_time_s
a,s,H100,64,Llama-3-8B,32,4096,32,8,14336,,,,128256,8192,128,1,2,2,1,1,,BF16,none,NeMo/Megatron-Core,v25,2.5
b,s,GB200,64,Qwen3-30B-A3B,48,2048,32,4,6144,768,128,8,151936,4096,512,4,1,1,,1,8,FP8,,Megatron-Bridge (NeMo),25.09,1.5
\"c, d\",s,TPU v5p,8,X,2,128,2,,512,,,,1000,128,8,1,1,1,,,,BF16,full,MaxText,,0.1
";

/// Rows of serving runs: fixed concurrency, two pools, a queue, a fixed batch.
const SERVED: &str = "\
row_id,source_id,chip,n_chips,model,n_layers,hidden,n_heads,n_kv_heads,ffn_hidden,moe_ffn_hidden,n_experts,topk,vocab,attn_type,mlp_type,engine,engine_version,precision,mode,isl,osl,batch_total,concurrency,tp,pp,ep,prefill_workers,prefill_tp,decode_workers,decode_tp,primary_metric,primary_value
a,s,H200,4,Qwen3-30B-A3B,48,2048,32,4,6144,768,128,8,151936,GQA,gated,SGLang,0.5.9,FP8,agg,1024,1024,,16,4,1,4,,,,,tpot_ms,9
b,s,GB200,6,Llama-3-8B,32,4096,32,8,14336,,,,128256,GQA,gated,TensorRT-LLM,1.0,FP4,disagg,4096,512,,64,,,,1,2,2,2,output_tok_s_per_chip,900
c,s,L40S,1,Llama-3-8B,32,4096,32,8,14336,,,,128256,GQA,gated,TensorRT-LLM,0.14,FP8,offline (all requests queued),128,128,,,1,1,,,,,,output_tok_s_per_chip,900
d,s,A100-80GB,2,Llama-3-8B,32,4096,32,8,14336,,,,128256,GQA,gated,vLLM,0.6.3,FP16,static batch,128,128,16,,2,1,,,,,,e2e_latency_ms,900
";

const PLAN: &str =
    "tp=2 cp=2 ep=1 pp=4 vp=2 dp=4 mbs=1 bf16 recompute=selective overlap=tp sharding=optimizer";

static DATA: LazyLock<Data> = LazyLock::new(|| Data::load(&[]).unwrap());

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Bytes removed, replaced or repeated.
    #[test]
    fn damaged_text(at in 0..SCENARIO.len(), length in 0..12_usize, with in "[0-9a-z.\"=\\-\\[\\]{}, \n]{0,6}") {
        let end = (at + length).min(SCENARIO.len());
        let text = format!("{}{with}{}", &SCENARIO[..at], &SCENARIO[end..]);
        try_out(&text);
    }

    /// Numbers replaced by extreme ones.
    #[test]
    fn extreme_numbers(
        which in 0..12_usize,
        value in prop::sample::select(vec!["0", "1", "3", "7", "1000003", "1048576", "18446744073709551615", "9223372036854775807", "-1", "1e308", "nan", "inf", "0.5"]),
    ) {
        let numbers = ["64", "1e12", "4096", "256\n", "tp = 2", "pp = 2", "dp = 16", "1024", "256\nttft", "domain_chips = 16", "micro_batch = 1", "schema = 1"];
        let old = numbers[which];
        let digits: String = old.chars().filter(|c| c.is_ascii_digit() || *c == 'e').collect();
        let digits = digits.trim_start_matches('e').to_owned();
        let start = old.find(digits.chars().next().unwrap()).unwrap();
        let new = format!("{}{value}{}", &old[..start], old[start..].trim_start_matches(|c: char| c.is_ascii_digit() || c == 'e'));
        try_out(&SCENARIO.replacen(old, &new, 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Bytes of a table removed, replaced or repeated.
    #[test]
    fn damaged_table(at in 0..TABLE.len(), length in 0..40_usize, with in "[0-9a-zA-Z.\",\n\r -]{0,8}") {
        let end = (at + length).min(TABLE.len());
        validate(&format!("{}{with}{}", &TABLE[..at], &TABLE[end..]));
    }

    /// A cell of a table replaced by an extreme number.
    #[test]
    fn extreme_cells(
        row in 1..3_usize,
        column in 0..27_usize,
        value in prop::sample::select(vec!["0", "-1", "3", "1000003", "18446744073709551615", "1e308", "nan", "inf", "0.5", " 8 ", "eight"]),
    ) {
        let mut lines: Vec<String> = TABLE.lines().map(str::to_owned).collect();
        let mut cells: Vec<&str> = lines[row].split(',').collect();
        cells[column] = value;
        lines[row] = cells.join(",");
        validate(&lines.join("\n"));
    }

    /// Bytes of a table of serving runs removed, replaced or repeated.
    #[test]
    fn damaged_serving_table(at in 0..SERVED.len(), length in 0..40_usize, with in "[0-9a-zA-Z.\",\n\r -]{0,8}") {
        let end = (at + length).min(SERVED.len());
        serve(&format!("{}{with}{}", &SERVED[..at], &SERVED[end..]));
    }

    /// A cell of a table of serving runs replaced by an extreme number.
    #[test]
    fn extreme_serving_cells(
        row in 1..5_usize,
        column in 0..33_usize,
        value in prop::sample::select(vec!["", "0", "-1", "3", "1000003", "1048576", "18446744073709551615", "1e308", "1e-300", "nan", "inf", "0.5", " 8 ", "eight"]),
    ) {
        let mut lines: Vec<String> = SERVED.lines().map(str::to_owned).collect();
        let mut cells: Vec<&str> = lines[row].split(',').collect();
        cells[column] = value;
        lines[row] = cells.join(",");
        serve(&lines.join("\n"));
    }

    /// Bytes of a plan removed, replaced or repeated.
    #[test]
    fn damaged_plan(at in 0..PLAN.len(), length in 0..6_usize, with in "[0-9a-z=+ -]{0,6}") {
        let end = (at + length).min(PLAN.len());
        let plan = format!("{}{with}{}", &PLAN[..at], &PLAN[end..]);
        let request = RunRequest {
            batch: 256,
            formats: vec![NumberFormat::Bf16],
            plan: Some(plan),
            ..RunRequest::new("llama-3.1-8b", "hgx-h100", 64)
        };
        if let Ok(run) = run_training(&request, &DATA) {
            prop_assert!(run.found.is_some() != run.reason.is_some());
        }
    }
}

fn validate(text: &str) {
    if let Ok(found) = validate_training("runs.csv", text, &DATA) {
        for row in &found.rows {
            assert!(row.prediction.is_some() != row.skipped.is_some());
            if let Some(prediction) = &row.prediction {
                assert!(prediction.predicted > 0.0, "{text}");
            }
        }
    }
}

fn serve(text: &str) {
    if let Ok(found) = validate_serving("runs.csv", text, &DATA) {
        for row in &found.rows {
            assert!(row.prediction.is_some() != row.skipped.is_some());
            if let Some(prediction) = &row.prediction {
                assert!(
                    prediction.predicted > 0.0 && prediction.predicted.is_finite(),
                    "{text}"
                );
            }
        }
    }
}

/// The table of serving runs as it stands is predicted.
#[test]
fn the_serving_table_is_predicted() {
    let found = validate_serving("runs.csv", SERVED, &DATA).unwrap();
    let predicted = found.rows.iter().all(|row| row.prediction.is_some());
    assert!(predicted && found.rows.len() == 4, "{:?}", found.rows);
}

/// The table as it stands is predicted, but for the row whose chip has no system.
#[test]
fn the_table_is_predicted() {
    let found = validate_training("runs.csv", TABLE, &DATA).unwrap();
    let skipped: Vec<bool> = found.rows.iter().map(|row| row.skipped.is_some()).collect();
    assert_eq!(skipped, [false, false, true], "{:?}", found.rows);
}

fn try_out(text: &str) {
    let data = Data::load(&[]).unwrap();
    if let Ok(resolved) = resolve("scenario.toml", text, data) {
        for job in jobs(&resolved) {
            let row = evaluate(&resolved, job);
            assert!(row.outcome.is_some() != row.reason.is_some());
        }
    }
}
