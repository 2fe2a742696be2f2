//! `serve` as users meet it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

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

fn serve<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "serve",
        "--model",
        "deepseek-v3",
        "--system",
        "hgx-h200",
        "--input-tokens",
        "4096",
        "--output-tokens",
        "1024",
    ];
    arguments.extend(more);
    arguments
}

const SPLIT: &str =
    "prefill 2x[tp=1 dp=8 ep=8 batch=1] decode 1x[tp=1 dp=16 ep=16 batch=64] fp8 kv=bf16";

#[test]
fn a_run_keeps_its_json_contract() {
    let run = json(&serve(&["--chips", "32", "--front"]));
    assert_eq!(run["schema"], 1);
    let best = &run["best"];
    for key in ["plan", "metrics", "breakdown", "memory", "chokepoint"] {
        assert!(!best[key].is_null(), "{key}");
    }
    let sum = |list: &Value, key: &str| -> f64 {
        let all = list.as_array().unwrap().iter();
        all.map(|entry| entry[key].as_f64().unwrap()).sum()
    };
    let tpot = best["metrics"]["tpot_seconds"].as_f64().unwrap();
    assert!((sum(&best["breakdown"], "seconds") / tpot - 1.0).abs() < 1e-9);
    let bytes = best["metrics"]["memory_bytes"].as_f64().unwrap();
    assert!((sum(&best["memory"], "bytes") / bytes - 1.0).abs() < 1e-9);
    assert_eq!(run["alternatives"].as_array().unwrap().len(), 4);
    assert!(run["front"].as_array().unwrap().len() > 3);
    for list in ["alternatives", "front"] {
        for plan in run[list].as_array().unwrap() {
            assert!(plan["plan"]["text"].is_string() && plan["plan"]["decode"]["tp"].is_u64());
            assert!(plan["metrics"]["output_tokens_per_second_per_chip"].is_f64());
        }
    }
    assert!(run["evaluated"].as_u64().unwrap() > 0 && run["pruned"].is_u64());
    assert!(run["seconds"].as_f64().unwrap() > 0.0);
    // The printed plan can be given back.
    let plan = best["plan"]["text"].as_str().unwrap();
    let again = json(&serve(&["--chips", "32", "--plan", plan]));
    assert_eq!(again["best"]["metrics"], best["metrics"]);
}

#[test]
fn a_given_plan_is_shown_in_both_languages_and_as_csv() {
    for (language, words) in [
        (
            "en",
            ["Plan on 32 chips", "KV cache", "Cost of a chip-hour"],
        ),
        ("zh", ["运行方案", "KV 缓存", "每芯片·小时成本"]),
    ] {
        let shown = text(&serve(&["--plan", SPLIT, "--lang", language]));
        for word in words {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert!(shown.contains(SPLIT), "{shown}");
    }
    let csv = text(&serve(&["--plan", SPLIT, "--format", "csv"]));
    assert_eq!(csv.lines().count(), 2);
    let csv = text(&serve(&["--chips", "32", "--front", "--format", "csv"]));
    let front = csv.lines().filter(|line| line.contains(",front,")).count();
    assert!(front > 3 && csv.lines().count() == 6 + front, "{csv}");
}

#[test]
fn the_front_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let drawing = folder.path().join("front.svg");
    let path = drawing.to_str().unwrap();
    text(&serve(&["--chips", "32", "--front", "--svg", path]));
    let svg = std::fs::read_to_string(&drawing).unwrap();
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(!svg.contains("href") && !svg.contains("<script"));
}

#[test]
fn a_rate_and_a_goal_choose_the_chips() {
    let rate = json(&serve(&["--rate", "100"]));
    assert_eq!(rate["chips"].as_u64().unwrap() % 8, 0);
    let served = rate["best"]["metrics"]["requests_per_second"].as_f64();
    assert!(served.unwrap() >= 100.0);
    let of = |goal| json(&serve(&["--chips", "48", "--goal", goal]));
    let usd = |run: &Value| run["best"]["metrics"]["usd_per_million_output_tokens"].as_f64();
    let (fast, cheap) = (of("throughput"), of("cost"));
    assert!(usd(&cheap).unwrap() <= usd(&fast).unwrap());
    assert_eq!(cheap["goal"], "cost");
}

#[test]
fn what_does_not_serve_is_a_result_with_a_reason() {
    for (more, key) in [
        (["--chips", "4"].as_slice(), "memory-short"),
        (&["--chips", "32", "--tpot", "1 ms"], "tpot-missed"),
        (&["--chips", "64", "--rate", "1000"], "rate-short"),
        (&["--plan", SPLIT, "--tpot", "20 ms"], "tpot-missed"),
        (
            &["--plan", "1x[tp=2 dp=4 ep=8 batch=8]", "--emit", "trtllm"],
            "launch-split-attention",
        ),
    ] {
        let mut asked = serve(more);
        asked.extend(["--format", "json"]);
        let output = run(&asked);
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["reason_key"], key, "{more:?}");
        assert_eq!(found["feasible"], false);
        assert!(found["best"].is_null());
    }
}

#[test]
fn plans_are_written_for_engines() {
    let expected: [(&str, &[&str]); 4] = [
        (
            "vllm",
            &[
                "vllm serve MODEL",
                "--tensor-parallel-size 1",
                "--data-parallel-size 16",
                "--enable-expert-parallel",
                "--all2all-backend deepep_low_latency",
                "--max-num-seqs 64",
                "--max-num-batched-tokens 4096",
                "--max-model-len 5120",
                "--gpu-memory-utilization 0.9",
                "--quantization fp8",
                "NixlConnector",
                "--data-parallel-size-local 8",
            ],
        ),
        (
            "sglang",
            &[
                "python3 -m sglang.launch_server",
                "--tp-size 16",
                "--dp-size 16",
                "--enable-dp-attention",
                "--ep-size 16",
                "--max-running-requests 1024",
                "--disaggregation-mode prefill",
                "--disaggregation-mode decode",
                "--nnodes 2",
                "--pd-disaggregation",
            ],
        ),
        (
            "trtllm",
            &[
                "--tp_size 16",
                "--ep_size 16",
                "--max_batch_size 64",
                "enable_attention_dp: true",
                "cache_transceiver_config",
                "context_servers:\n  num_instances: 2",
            ],
        ),
        (
            "dynamo",
            &[
                "kind: DynamoGraphDeployment",
                "subComponentType: prefill",
                "nodeCount: 2",
                "replicas: 2",
                "- --data-parallel-size\n            - '16'",
            ],
        ),
    ];
    for (engine, words) in expected {
        let written = text(&serve(&["--plan", SPLIT, "--emit", engine]));
        for word in words {
            assert!(written.contains(word), "{engine} {word}: {written}");
        }
        assert!(
            written.starts_with('#') && written.contains(SPLIT),
            "{written}"
        );
    }
    let drafted = text(&serve(&[
        "--chips",
        "32",
        "--drafted",
        "1",
        "--accepted",
        "0.8",
        "--emit",
        "vllm",
    ]));
    assert!(drafted.contains(r#"'{"method": "mtp", "num_speculative_tokens": 1}'"#));
}

#[test]
fn targets_may_be_percentiles() {
    let asked = serve(&["--chips", "16", "--percentile", "95"]);
    let (first, second) = (json(&asked), json(&asked));
    assert_eq!(first["percentile"]["percent"], 95.0);
    let metrics = &first["best"]["metrics"];
    assert_eq!(metrics, &second["best"]["metrics"]);
    let number = |key: &str| metrics[key].as_f64().unwrap();
    assert!(number("ttft_percentile_seconds") <= 2.0);
    assert!(number("tpot_percentile_seconds") <= 0.05);
    assert!(number("requests_per_second") <= number("steady_requests_per_second"));
    for lang in ["en", "zh"] {
        let options = ["--chips", "16", "--percentile", "95", "--lang", lang];
        let table = text(&serve(&options));
        assert!(table.contains("95%"), "{table}");
    }
}

#[test]
fn a_path_stands_for_a_model() {
    let run = json(&[
        "serve",
        "--model",
        "data/models/llama-3.1-8b/config.json",
        "--system",
        "hgx-h200",
        "--chips",
        "8",
        "--input-tokens",
        "1000",
        "--output-tokens",
        "100",
    ]);
    assert_eq!(run["feasible"], true);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for more in [
        ["--chips", "8", "--rate", "1", "--goal", "cost"].as_slice(),
        &["--plan", SPLIT, "--rate", "1"],
        &["--plan", SPLIT, "--goal", "energy"],
        &["--chips", "8", "--svg", "front.svg"],
        &["--chips", "8", "--percentile", "99", "--rate", "1"],
        &["--chips", "8", "--percentile", "99", "--goal", "cost"],
        &["--chips", "8", "--percentile", "100"],
        &["--chips", "8", "--percentile", "p99"],
    ] {
        let output = run(&serve(more));
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(output.stdout.is_empty());
    }
}
