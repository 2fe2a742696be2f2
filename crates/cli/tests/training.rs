//! `train` and `validate` as users meet them.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Six rows made up for this test; no measurements.
const TABLE: &str = "crates/cli/tests/tables/invented-runs.csv";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {problem}");
    assert!(problem.is_empty(), "{arguments:?}: {problem}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.extend(["--format", "json"]);
    serde_json::from_str(&text(&arguments)).unwrap()
}

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "train",
        "--model",
        "llama-3.1-70b",
        "--system",
        "hgx-h100",
        "--chips",
        "256",
    ];
    arguments.extend(more);
    arguments
}

const PIPED: &str = "tp=8 pp=4 recompute=selective";

#[test]
fn a_run_keeps_its_json_contract() {
    let run = json(&train(&["--top", "2", "--front"]));
    assert_eq!(run["schema"], 1);
    let best = &run["best"];
    for key in ["plan", "metrics", "breakdown", "memory", "chokepoint"] {
        assert!(!best[key].is_null(), "{key}");
    }
    let sum = |list: &Value, key: &str| -> f64 {
        let all = list.as_array().unwrap().iter();
        all.map(|entry| entry[key].as_f64().unwrap()).sum()
    };
    let step = best["metrics"]["step_seconds"].as_f64().unwrap();
    assert!((sum(&best["breakdown"], "seconds") / step - 1.0).abs() < 1e-9);
    let bytes = best["metrics"]["memory_bytes"].as_f64().unwrap();
    assert!((sum(&best["memory"], "bytes") / bytes - 1.0).abs() < 1e-9);
    assert!((sum(&run["goodput"]["causes"], "share") - 1.0).abs() < 1e-9);
    assert_eq!(run["goodput"]["experience"], "meta-llama3-h100");
    assert_eq!(run["alternatives"].as_array().unwrap().len(), 2);
    let front = run["front"].as_array().unwrap();
    for pair in front.windows(2) {
        let of = |index: usize, key: &str| pair[index][key].as_f64().unwrap();
        assert!(of(1, "memory_bytes") < of(0, "memory_bytes"));
        assert!(of(1, "step_seconds") >= of(0, "step_seconds"));
    }
    assert!(run["evaluated"].as_u64().unwrap() > 0 && run["pruned"].is_u64());
    assert!(run["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_given_plan_is_predicted_and_drawn_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let drawing = folder.path().join("pipeline.svg");
    for (language, words) in [("en", ["Plan on", "Forward"]), ("zh", ["并行方案", "前向"])] {
        let path = drawing.to_str().unwrap();
        let shown = text(&train(&[
            "--plan", PIPED, "--svg", path, "--lang", language,
        ]));
        assert!(shown.contains(words[0]), "{shown}");
        let ranks = shown.lines().filter(|line| {
            let mut parts = line.split_whitespace();
            let rank = parts
                .next()
                .is_some_and(|first| first.parse::<u8>().is_ok());
            rank && parts.all(|part| part.chars().all(|mark| "FBW.…".contains(mark)))
        });
        assert_eq!(ranks.clone().count(), 4, "{shown}");
        assert!(ranks.clone().all(|line| line.chars().count() <= 100));
        let svg = std::fs::read_to_string(&drawing).unwrap();
        assert!(svg.starts_with("<svg xmlns") && svg.ends_with("</svg>\n"));
        assert!(svg.contains(words[1]) && svg.contains("prefers-color-scheme:dark"));
        assert!(!svg.contains("href") && !svg.contains("<script"));
    }
    let csv = text(&train(&["--plan", PIPED, "--format", "csv"]));
    assert_eq!(csv.lines().count(), 2);
    let quiet = json(&train(&["--plan", PIPED, "--no-failures"]));
    assert!(quiet["goodput"].is_null());
    let named = json(&train(&["--plan", PIPED, "--reliability", "meta-opt-a100"]));
    assert_eq!(named["goodput"]["experience"], "meta-opt-a100");
}

#[test]
fn a_run_is_split_over_sites() {
    let line = [
        "--sites",
        "2",
        "--wan",
        "100 Gbit/s",
        "--round-trip",
        "30 ms",
    ];
    let mut asked = train(&["--plan", PIPED, "--wan-overlap", "0.5"]);
    asked.extend(line);
    let run = json(&asked);
    let number = |key: &str| run["sites"][key].as_f64().unwrap();
    assert_eq!(run["chips"], 256);
    assert_eq!(run["sites"]["chips_per_site"], 128);
    assert!((number("wan_bytes_per_second") - 12.5e9).abs() < 1.0);
    assert!((number("round_trip_seconds") - 0.03).abs() < 1e-12);
    // Some of the exchange hides under the backward pass, and never more than half of that.
    let hidden = number("exchange_seconds") - number("exposed_seconds");
    assert!(hidden > 0.0 && hidden < number("site_step_seconds") / 2.0);
    let step = run["best"]["metrics"]["step_seconds"].as_f64().unwrap();
    let parts = number("site_step_seconds") + number("exposed_seconds_per_step");
    assert!((step / parts - 1.0).abs() < 1e-12);
    let single = &run["sites"]["single_site"];
    assert!(single["days"].as_f64() < run["best"]["metrics"]["run_days"].as_f64());
    let csv = text(&{
        let mut asked = asked.clone();
        asked.extend(["--format", "csv"]);
        asked
    });
    assert!(csv.contains(&step.to_string()), "{csv}");
}

/// What is asked beyond plain pre-training is said in the table and always in JSON.
#[test]
fn how_a_model_is_trained_is_stated() {
    let options = [
        "--plan",
        PIPED,
        "--lora",
        "16",
        "--optimizer",
        "adam-bf16-moments",
        "--gradients",
        "bf16",
        "--scaling",
        "block",
        "--extra-tokens",
        "0.05",
    ];
    for (language, words) in [
        (
            "en",
            [
                "adapters of rank 16",
                "BF16 moments",
                "in bf16",
                "by block",
                "5% more tokens",
            ],
        ),
        (
            "zh",
            ["秩为 16", "BF16 动量", "以 bf16 累加", "按块缩放", "多 5%"],
        ),
    ] {
        let mut asked = train(&options);
        asked.extend(["--lang", language]);
        let shown = text(&asked);
        for word in words {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        let plain = text(&train(&["--plan", PIPED, "--lang", language]));
        for option in [
            "--lora",
            "--optimizer",
            "--gradients",
            "--scaling",
            "--extra-tokens",
        ] {
            assert!(
                shown.contains(option) && !plain.contains(option),
                "{option}"
            );
        }
    }
    let found = json(&train(&options));
    let plain = json(&train(&["--plan", PIPED]));
    for (key, asked, usual) in [
        ("lora_rank", Value::from(16), Value::Null),
        ("optimizer", "adam-bf16-moments".into(), "adam-fp32".into()),
        ("gradients", "bf16".into(), "fp32".into()),
        ("scaling", "block".into(), "current".into()),
        ("expert_imbalance", 1.0.into(), 1.0.into()),
        ("extra_tokens_share", 0.05.into(), 0.0.into()),
        ("tokens", 1.05e12.into(), 1e12.into()),
    ] {
        assert_eq!(found["workload"][key], asked, "{key}");
        assert_eq!(plain["workload"][key], usual, "{key}");
    }
}

#[test]
fn a_path_stands_for_a_model() {
    let run = json(&[
        "train",
        "--model",
        "data/models/llama-3.1-8b/config.json",
        "--system",
        "hgx-h200",
        "--chips",
        "8",
        "--batch",
        "64",
    ]);
    assert_eq!(run["feasible"], true);
}

#[test]
fn a_run_that_does_not_fit_is_a_result_with_a_reason() {
    let output = run(&train(&["--plan", "tp=1 pp=1", "--format", "json"]));
    assert_eq!(output.status.code(), Some(1));
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["feasible"], false);
    assert_eq!(run["reason_key"], "memory-short");
    assert!(run["best"].is_null());
}

#[test]
fn plans_are_written_for_frameworks() {
    let plan = "tp=8 pp=4 vp=5 overlap=tp recompute=full";
    let megatron = text(&train(&[
        "--plan",
        plan,
        "--precision",
        "bf16",
        "--emit",
        "megatron",
    ]));
    for expected in [
        "--tensor-model-parallel-size 8",
        "--pipeline-model-parallel-size 4",
        "--num-virtual-stages-per-pipeline-rank 5",
        "--num-layers 80",
        "--group-query-attention",
        "--num-query-groups 8",
        "--swiglu",
        "--sequence-parallel",
        "--tp-comm-overlap",
        "--use-distributed-optimizer",
        "--recompute-granularity full",
        "--bf16",
    ] {
        assert!(megatron.contains(expected), "{expected}: {megatron}");
    }
    let plan = "tp=8 pp=4 vp=5 overlap=tp recompute=full sharding=gradients";
    let titan = text(&train(&["--plan", plan, "--emit", "torchtitan"]));
    for expected in [
        "tensor_parallel_degree = 8",
        "pipeline_parallel_schedule = \"Interleaved1F1B\"",
        "\"tok_embeddings\", \"layers.0\"",
        "\"layers.79\", \"norm\", \"output\"",
        "mode = \"full\"",
        "converters = [\"quantize.linear.float8\"]",
    ] {
        assert!(titan.contains(expected), "{expected}: {titan}");
    }
}

#[test]
fn counts_of_a_validation_add_up() {
    let found = json(&["validate", "--training", TABLE]);
    assert_eq!(found["schema"], 1);
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let predicted = row["status"] == "predicted";
        assert_eq!(row["reason"].is_null(), predicted, "{row}");
        for key in ["metric", "predicted", "measured", "low", "high", "plan"] {
            assert_eq!(row[key].is_null(), !predicted, "{key}: {row}");
        }
        if predicted {
            let value = |key: &str| row[key].as_f64().unwrap();
            let error = value("predicted") / value("measured") - 1.0;
            assert!((value("relative_error") - error).abs() < 1e-12);
            assert!(value("low") <= value("predicted") && value("predicted") <= value("high"));
        }
    }
    let summary = found["summary"].as_array().unwrap();
    let count = |group: &Value, key: &str| group[key].as_u64().unwrap();
    assert_eq!(summary[0]["group"], "all");
    assert_eq!(count(&summary[0], "rows"), 6);
    assert_eq!(count(&summary[0], "predicted"), 4);
    for group in summary {
        assert_eq!(
            count(group, "predicted") + count(group, "skipped"),
            count(group, "rows"),
            "{group}"
        );
        let reasons = group["skip_reasons"].as_array().unwrap().iter();
        let listed: u64 = reasons.map(|reason| count(reason, "rows")).sum();
        assert_eq!(listed, count(group, "skipped"), "{group}");
    }
    for key in ["source", "chip", "class", "precision"] {
        let of_key = summary.iter().filter(|group| {
            let name = group["group"].as_str().unwrap();
            name.starts_with(&format!("{key}="))
        });
        let rows: u64 = of_key.map(|group| count(group, "rows")).sum();
        assert_eq!(rows, 6, "{key}");
    }
}

#[test]
fn a_validation_reads_as_table_and_csv() {
    for language in ["en", "zh"] {
        let all = text(&["validate", "--training", TABLE, "--lang", language]);
        for row in 1..=6 {
            let name = format!(" test-{row} ");
            assert_eq!(all.matches(&name).count(), 1, "{all}");
        }
        let summary = [
            "validate",
            "--training",
            TABLE,
            "--lang",
            language,
            "--summary-only",
        ];
        let summary = text(&summary);
        assert!(all.ends_with(&summary), "{summary}");
    }
    let csv = text(&["validate", "--training", TABLE, "--format", "csv"]);
    assert_eq!(csv.lines().count(), 7);
}

#[test]
fn frameworks_and_failures_are_in_the_catalogue() {
    let list = text(&["catalog", "list"]);
    assert!(list.contains("megatron-lm") && list.contains("meta-llama3-h100"));
    let framework = text(&["catalog", "show", "megatron-lm", "--sources"]);
    assert!(framework.contains("sequence parallelism") && framework.contains("launch"));
    let failures = text(&["catalog", "show", "meta-llama3-h100"]);
    assert!(failures.contains("failures_per_node_day") && failures.contains("16384"));
}
