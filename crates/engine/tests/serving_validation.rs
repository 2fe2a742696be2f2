//! Serving runs against published measurements: small tables by hand, and the published one where
//! it is.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "reads the published table and shows errors"
)]

use std::path::Path;
use std::sync::LazyLock;

use chokepoint_engine::{
    Data, Peer, ServingRow, ServingTable, ServingValidation, validate_serving,
};

static DATA: LazyLock<Data> = LazyLock::new(|| Data::load(&[]).unwrap());

const HEAD: &str = "row_id,source_id,chip,n_chips,model,model_class,n_layers,hidden,n_heads,n_kv_heads,ffn_hidden,moe_ffn_hidden,n_experts,topk,vocab,attn_type,mlp_type,engine,engine_version,precision,kv_precision,mode,isl,osl,batch_total,concurrency,tp,pp,dp_attention,ep,spec_decode,prefill_workers,prefill_tp,decode_workers,decode_tp,ttft_ms,primary_metric,primary_value";

/// Columns of Llama 2 70B.
const LLAMA: &str = "Llama-2-70B,dense,80,8192,64,8,28672,,,,32000,GQA,gated";
const QWEN: &str = "Qwen3-30B-A3B,moe,48,2048,32,4,6144,768,128,8,151936,GQA,gated";

/// A row: id, chip, number of chips, model, then the rest.
fn row(id: &str, chip: &str, chips: u64, model: &str, rest: &str) -> String {
    format!("{id},made up,{chip},{chips},{model},{rest}")
}

fn validated(rows: &[String]) -> ServingValidation {
    let text = format!("{HEAD}\n{}\n", rows.join("\n"));
    validate_serving("made-up.csv", &text, &DATA).unwrap()
}

fn one(row: String) -> ServingRow {
    validated(&[row]).rows.remove(0)
}

fn predicted(row: String) -> f64 {
    let row = one(row);
    assert_eq!(row.skipped, None);
    row.prediction.unwrap().predicted
}

/// A batch of Llama 2 70B in FP16 on H100: the whole time in ms.
fn static_batch(tp: u64, batch: u64, input: u64, output: u64) -> f64 {
    let rest = format!(
        "TensorRT-LLM (gptSessionBenchmark),0.9.0,FP16,FP16,static batch,{input},{output},{batch},,{tp},1,,,none,,,,,,e2e_latency_ms,1000"
    );
    predicted(row("a", "H100", tp, LLAMA, &rest))
}

/// One sequence on 8 chips reads 69e9 weights of 2 bytes less the embedding table, at 8 x 3.35 TB/s
/// at best: 5.1 ms a token. Kernels and all-reduces at most triple it.
#[test]
fn a_token_takes_at_least_the_reading_of_the_weights() {
    let token = static_batch(8, 1, 128, 101) - static_batch(8, 1, 128, 1);
    let reading = 2.0 * 68.7e9 / (8.0 * 3.35e12) * 1e3;
    let each = token / 100.0;
    assert!(each > reading && each < 3.0 * reading, "{each} ms");
}

/// 2,048 prompt tokens of 69e9 weights on 8 chips: 2 x 69e9 x 2048 operations at 8 x 989.5 TFLOP/s
/// take 36 ms at best.
#[test]
fn a_prompt_takes_at_least_its_operations() {
    let prompt = static_batch(8, 1, 2048, 1);
    let least = 2.0 * 68.7e9 * 2048.0 / (8.0 * 989.5e12) * 1e3;
    assert!(prompt > least && prompt < 3.0 * least, "{prompt} ms");
}

/// More sequences take longer in all and less each.
#[test]
fn batches_amortise() {
    let (few, many) = (static_batch(8, 4, 128, 128), static_batch(8, 64, 128, 128));
    assert!(many > few && many / 64.0 < few / 4.0, "{few} {many}");
}

/// The output of a full queue for each chip.
fn saturated(chip: &str, tp: u64) -> f64 {
    let rest = format!(
        "TensorRT-LLM,0.14,FP8,FP8,offline (all requests queued),2048,2048,,,{tp},1,,,none,,,,,,output_tok_s_per_chip,100"
    );
    predicted(row("a", chip, tp, LLAMA, &rest))
}

/// 70 GB of weights leave an 80 GB chip little for the cache, and enough on four chips. Measured:
/// 5 to 9 times between H200 and H100 on one chip, 1.2 on more (validation.md section 7); buffers of
/// the engine, which starve the smaller chip further, are not counted.
#[test]
fn memory_starves_one_chip_and_not_four() {
    let one = saturated("H200", 1) / saturated("H100", 1);
    let four = saturated("H200", 4) / saturated("H100", 4);
    assert!(one > 2.5, "{one}");
    assert!(four > 1.0 && four < 2.0, "{four}");
}

fn disaggregated(prefill: u64, decode: u64, clients: u64) -> f64 {
    let rest = format!(
        "SGLang,0.5.9,FP8,,disagg,4096,512,,{clients},,,,,none,{prefill},2,{decode},2,,output_tok_s_total,100"
    );
    predicted(row("a", "H200", 2 * (prefill + decode), LLAMA, &rest))
}

/// Few clients are bound by decoding, many by the prompts: workers of the other kind help little.
#[test]
fn the_slower_pool_binds() {
    let base = disaggregated(1, 1, 256);
    let (prompts, answers) = (disaggregated(4, 1, 256), disaggregated(1, 4, 256));
    assert!(prompts > 1.5 * base, "{base} {prompts}");
    assert!(answers < 1.2 * base, "{base} {answers}");
}

/// Each row that cannot be predicted says why.
#[test]
fn reasons_are_given() {
    let rest = |precision: &str, mode: &str, load: &str, spec: &str| {
        format!("vLLM,0.19.0,{precision},,{mode},1024,128,,{load},2,1,,,{spec},,,,,,tpot_ms,10")
    };
    for (chip, rest, reason) in [
        (
            "Abacus",
            rest("FP8", "agg", "8", "none"),
            "no system of the catalogue is known by the chip \"Abacus\"",
        ),
        (
            "H100",
            rest("", "agg", "8", "none"),
            "precision is not given",
        ),
        (
            "H100",
            rest("FP3", "agg", "8", "none"),
            "precision fp3 is not modelled",
        ),
        (
            "H100",
            rest("FP8", "agg", "", "none"),
            "neither batch nor concurrency is given",
        ),
        (
            "H100",
            rest("FP8", "disagg", "8", "none"),
            "the number of prefill and decode workers is not given",
        ),
        (
            "H100",
            rest("FP8", "juggling", "8", "none"),
            "mode juggling is not known",
        ),
        (
            "H100",
            rest("FP8", "agg", "8", "EAGLE3"),
            "speculative decoding with an unknown acceptance",
        ),
    ] {
        let found = one(row("a", chip, 2, LLAMA, &rest));
        assert_eq!(found.skipped.as_deref(), Some(reason));
    }
}

/// A node of eight packages counts sixteen dies.
#[test]
fn ranks_of_dies_become_packages() {
    let rest = "vLLM-Ascend,,BF16,,agg,1024,1024,,16,16,1,,16,none,,,,,,tpot_ms,30";
    let found = one(row("a", "Ascend 910C", 8, QWEN, rest));
    let plan = found.prediction.unwrap().plan;
    assert!(plan.starts_with("1x[tp=8 ep=8]"), "{plan}");
    assert!(found.assumed.iter().any(|text| text.contains("dies")));
    // Chips of two dies by other makers are counted as chips.
    let rest = "vLLM,,FP8,,agg,1024,1024,,16,8,1,,8,none,,,,,,tpot_ms,30";
    let found = one(row("a", "B200", 8, QWEN, rest));
    assert!(found.prediction.unwrap().plan.starts_with("1x[tp=8 ep=8]"));
}

fn plan(chips: u64, engine: &str, tp: u64, dp: &str, ep: &str) -> String {
    let rest = format!("{engine},,FP8,,agg,1024,1024,,16,{tp},1,{dp},{ep},none,,,,,,tpot_ms,30");
    let found = one(row("a", "H200", chips, QWEN, &rest));
    found.prediction.unwrap().plan
}

/// Experts over more chips than attention: a group of attention for each; `SGLang`'s degree of data
/// parallelism is inside that of tensor parallelism; more experts' chips than there are is capped.
#[test]
fn degrees_are_read_as_engines_mean_them() {
    assert!(plan(8, "vLLM", 1, "", "8").starts_with("1x[tp=1 dp=8 ep=8]"));
    assert!(plan(8, "SGLang", 8, "8", "").starts_with("1x[tp=1 dp=8 ep=8]"));
    assert!(plan(2, "SGLang", 2, "", "4").starts_with("1x[tp=2 ep=2]"));
    assert!(plan(8, "vLLM", 2, "", "1").starts_with("4x[tp=2 moe_tp=2]"));
}

/// The time to the first token is a figure of its own, and the baseline one factor: on one row it
/// is what was measured.
#[test]
fn two_figures_and_a_baseline() {
    let rest = "SGLang,0.5.9,FP8,,agg,1024,1024,,16,4,1,,4,none,,,,,120,tpot_ms,9";
    let found = validated(&[row("a", "H200", 4, QWEN, rest)]);
    let metrics: Vec<&str> = found
        .rows
        .iter()
        .map(|row| row.prediction.as_ref().unwrap().metric)
        .collect();
    assert_eq!(metrics, ["tpot_ms", "ttft_ms"]);
    for row in &found.rows {
        let found = row.prediction.as_ref().unwrap();
        assert!((found.baseline.unwrap() / found.measured - 1.0).abs() < 1e-12);
        assert!(found.low < found.predicted && found.predicted < found.high);
    }
    // Parts of a token and of the first one sum to it.
    for row in &found.rows {
        let found = row.prediction.as_ref().unwrap();
        let sum: f64 = found.breakdown.iter().map(|(_, time)| time).sum();
        assert!(
            (sum * 1e3 / found.predicted - 1.0).abs() < 1e-9,
            "{found:?}"
        );
    }
}

/// Another program's predictions are joined by what was measured.
#[test]
fn a_peer_stands_beside() {
    let rest = "SGLang,0.5.9,FP8,,agg,1024,1024,,16,4,1,,4,none,,,,,120.5,tpot_ms,9.125";
    let text = format!("{HEAD}\n{}\n", row("a", "H200", 4, QWEN, rest));
    let table = ServingTable::parse("made-up.csv", &text).unwrap();
    let peer = "id,silicon_ttft_ms,silicon_tpot_ms,aic_predicted_ttft_ms,aic_predicted_tpot_ms\nx,120.5,9.125,80,\ny,7,8,9,10\n";
    let peer = Peer::parse("peer.csv", peer).unwrap();
    let found = ServingValidation::of(table.validate(0, &DATA), Some(&peer));
    let of = |row: usize| found.rows[row].prediction.as_ref().unwrap().peer;
    assert_eq!((of(0), of(1)), (None, Some(80.0)));
    let all = found.summary[0].peer.unwrap();
    assert_eq!(all.0, 1);
    assert!((all.2.median - (1.0 - 80.0 / 120.5)).abs() < 1e-12);
}

/// The published table, where it is: nine of ten complete rows are predicted, and throughput and
/// times of tokens beat bytes over bandwidth.
#[test]
fn the_published_table_is_predicted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/validation_inference.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not here", path.display());
        return;
    };
    let found = validate_serving("validation_inference.csv", &text, &DATA).unwrap();
    let (complete, predicted) = found.summary[0].complete;
    assert!(predicted * 10 >= complete * 9, "{predicted} of {complete}");
    for tier in ["I0", "I1 ", "I2 ", "I4 ", "I5"] {
        let begins = format!("tier={tier}");
        let group = found
            .summary
            .iter()
            .find(|group| group.group.starts_with(&begins));
        let group = group.unwrap();
        let (ours, baseline) = (group.errors.unwrap(), group.baseline.unwrap());
        println!("{}: {:.3} / {:.3}", group.group, ours.median, ours.p90);
        assert!(
            ours.median < baseline.median && ours.p90 < baseline.p90,
            "{}",
            group.group
        );
    }
}

/// What only notes say: the mean input of a data set, the batch that a submitter configured, how
/// many requests were sent at once, and whether power is the chips' own or at the wall.
#[test]
fn notes_are_read() {
    let head = "row_id,chip,n_chips,model,n_layers,hidden,n_heads,n_kv_heads,ffn_hidden,vocab,attn_type,mlp_type,engine,precision,mode,isl,osl,isl_osl_note,batch_total,concurrency,tp,output_tok_s_total,avg_power_w,primary_metric,primary_value,notes";
    let model = "Qwen3-14B,40,5120,40,8,17408,151936,GQA,gated";
    let rows = [
        format!(
            "a,B200,8,{model},TensorRT-LLM,FP8,MLPerf Offline,,274,LongBench mix; mean input ~9.4k tokens (memory),,,1,9000,10400,output_tok_s_total,9000,engine max batch 16; accuracy target 99%"
        ),
        format!(
            "b,H100,1,{model},vLLM,BF16,server (all requests at once),219,201,ShareGPT means,,,1,2600,,output_tok_s_total,2600,1000 requests in 76.59 s; command: vllm serve"
        ),
        format!(
            "c,B200,1,{model},vLLM,BF16,agg,,615,dataset lm-arena-chat,7.94,8,1,1087,760,output_tok_s_total,1087,GPU power summed over 1 GPUs (NVML)"
        ),
    ];
    let text = format!("{head}\n{}\n", rows.join("\n"));
    let found = validate_serving("notes.csv", &text, &DATA).unwrap().rows;
    let metrics: Vec<(&str, &str)> = found
        .iter()
        .map(|row| (row.row_id.as_str(), row.prediction.as_ref().unwrap().metric))
        .collect();
    let expected = [
        ("a", "output_tokens_per_second"),
        ("a", "power_watts"),
        ("a", "joules_per_output_token"),
        ("b", "output_tokens_per_second"),
        ("c", "output_tokens_per_second"),
        ("c", "power_watts"),
        ("c", "joules_per_output_token"),
    ];
    assert_eq!(metrics, expected);
    assert!(found[0].assumed.contains(&"isl = 9400".to_owned()));
    let value = |row: usize| found[row].prediction.as_ref().unwrap();
    // Some of the sixteen that may run wait for their first token.
    let running = value(0).batch;
    assert!(running > 8.0 && running <= 16.0, "{running}");
    assert!(value(3).batch <= 1000.0);
    // A chip draws more than when idle and no more than its limit of 1 kW.
    let watts = value(5).predicted;
    assert!(watts > 150.0 && watts <= 1000.0, "{watts} W");
    let joules = value(6).predicted;
    assert!((joules - watts / value(4).predicted).abs() < 1e-9);
    // At the wall of MLPerf: eight chips and 2.4 kW beside them.
    let wall = value(1).predicted;
    assert!(
        wall > 8.0 * 150.0 + 2400.0 && wall <= 8000.0 + 2400.0,
        "{wall} W"
    );
}
