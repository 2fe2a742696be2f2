//! Predictions beside published measurements, as scenarios give them. The DeepSeek-V3 row took part
//! in no fit; the steps of dense models are among the rows on which chips and framework releases
//! were calibrated, never one by one (`validation.rs` holds all of them).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![expect(
    clippy::disallowed_macros,
    reason = "shows predictions beside measurements"
)]

use chokepoint_engine::{Data, Row, evaluate, jobs, resolve};

fn rows(scenario: &str) -> Vec<Row> {
    let resolved = resolve("scenario.toml", scenario, Data::load(&[]).unwrap()).unwrap();
    jobs(&resolved)
        .into_iter()
        .map(|job| evaluate(&resolved, job))
        .collect()
}

fn metric(row: &Row, key: &str) -> f64 {
    let outcome = row
        .outcome
        .as_ref()
        .unwrap_or_else(|| panic!("{:?}", row.reason));
    outcome.metrics[key]
}

/// DeepSeek-V3 technical report, table 1: 2,664 thousand H800 GPU-hours for 14.8 trillion tokens,
/// 180 thousand for a trillion; the plan of its section 3.2.
#[test]
fn deepseek_v3_on_2048_h800_with_its_published_plan() {
    let rows = rows(include_str!("../../../examples/deepseek-v3-published.toml"));
    let published = 180e3;
    let predicted = metric(&rows[0], "chip_hours_per_trillion_tokens");
    println!(
        "H800 GPU-hours for a trillion tokens: predicted {predicted:.0}, published {published:.0} ({:+.1}%)",
        100.0 * (predicted / published - 1.0)
    );
    let outcome = rows[0].outcome.as_ref().unwrap();
    for (part, seconds) in &outcome.breakdown {
        println!("  {part:18} {:5.1}%", 100.0 * seconds / outcome.whole);
    }
    assert!((0.9..1.1).contains(&(predicted / published)), "{predicted}");
    let step = metric(&rows[0], "step_seconds");
    let (low, high) = outcome.interval;
    assert!(low < step && step < high);
    // The same report, section 3.2.1 and table 1 give 19.93 s for a step of 15,360 sequences.
    assert!(low < 19.93 && 19.93 < high, "{low} to {high}");
    // A free search must not be slower than a given plan of its own space.
    assert!(metric(&rows[1], "step_seconds") <= step);
}

const STEPS: &str = r#"
schema = 1
title = "Published steps"
date = "2026-11-24"
prices = "retail-2025"
systems = ["SYSTEM"]
equal = { chips = CHIPS }
[[training]]
id = "run"
model = "MODEL"
tokens = 1e12
sequence = SEQUENCE
global_batch = BATCH
formats = ["FORMAT"]
framework = "FRAMEWORK"
plan = { PLAN }
"#;

/// Steps of published runs at their own plans, within the 80% interval that the row itself
/// states. Sources: NVIDIA/dgxc-benchmarking v25 (Llama 3.1 405B), NVIDIA-NeMo/Megatron-Bridge
/// 25.09 to 26.08 performance summaries, Korthikanti et al. 2022 table 5 (selective recomputation).
#[test]
fn published_steps_lie_in_their_intervals() {
    let runs = [
        (
            "hgx-h100",
            1152,
            "llama-3.1-405b",
            8192,
            504,
            "bf16",
            "nemo",
            "tp = 8, pp = 9, cp = 2, vp = 7, dp = 8, overlap_tp = true",
            17.52,
        ),
        (
            "hgx-h100",
            1152,
            "llama-3.1-405b",
            8192,
            504,
            "fp8",
            "nemo",
            "tp = 8, pp = 9, cp = 2, vp = 7, dp = 8, overlap_tp = true",
            11.31,
        ),
        (
            "hgx-h100",
            1024,
            "llama-3.1-405b",
            8192,
            1536,
            "fp8",
            "megatron-bridge-26-06",
            "tp = 8, pp = 8, cp = 2, vp = 8, dp = 8, overlap_tp = true",
            37.69,
        ),
        (
            "dgx-a100",
            512,
            "megatron-1t",
            2048,
            512,
            "bf16",
            "megatron-2021",
            "tp = 8, pp = 64, dp = 1, recompute = \"selective\"",
            71.49,
        ),
    ];
    for (system, chips, model, sequence, batch, format, framework, plan, measured) in runs {
        let text = STEPS
            .replace("SYSTEM", system)
            .replace("CHIPS", &chips.to_string())
            .replace("MODEL", model)
            .replace("SEQUENCE", &sequence.to_string())
            .replace("BATCH", &batch.to_string())
            .replace("FORMAT", format)
            .replace("FRAMEWORK", framework)
            .replace("PLAN", plan);
        let row = rows(&text).remove(0);
        let predicted = metric(&row, "step_seconds");
        let (low, high) = row.outcome.as_ref().unwrap().interval;
        println!(
            "{system} {model} {format} {chips}: predicted {predicted:.2} s ({low:.2} to {high:.2}), measured {measured} s ({:+.1}%)",
            100.0 * (predicted / measured - 1.0)
        );
        assert!((low..=high).contains(&measured), "{low} to {high}");
        assert!(
            (0.85..1.15).contains(&(predicted / measured)),
            "{system} {model} {format}: {predicted}"
        );
    }
}
