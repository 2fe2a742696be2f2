//! `replay` as users meet it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A trace of each known schema, of few lines.
const TRACES: [(&str, &str); 3] = [
    (
        "azure.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n\
         2023-11-16 18:17:03.9799600,374,44\n\
         2023-11-16 18:17:04.0319600,396,109\n\
         2023-11-16 18:17:04.0784780,879,55\n",
    ),
    (
        "burst.csv",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
         5,ChatGPT,472,18,490,Conversation log\n\
         45,ChatGPT,1087,230,1317,Conversation log\n\
         118,GPT-4,417,0,417,Conversation log\n",
    ),
    (
        "mooncake.jsonl",
        "{\"timestamp\": 0, \"input_length\": 1100, \"output_length\": 52, \"hash_ids\": [0, 1, 2]}\n\
         {\"timestamp\": 900, \"input_length\": 1100, \"output_length\": 26, \"hash_ids\": [0, 1, 3]}\n\
         {\"timestamp\": 9000, \"input_length\": 5000, \"output_length\": 2, \"hash_ids\": [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]}\n",
    ),
];

const DRAWN: [&str; 8] = [
    "--synthetic",
    "gamma:20:2",
    "--input",
    "400..600",
    "--answer",
    "32",
    "--requests",
    "200",
];

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(folder)
        .args(["replay", "--model", "llama-3.1-8b", "--system", "hgx-h100"])
        .args(arguments)
        .output()
        .unwrap()
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {problem}");
    assert!(problem.is_empty(), "{arguments:?}: {problem}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--format", "json"]].concat();
    serde_json::from_str(&text(folder, &arguments)).unwrap()
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    all
}

#[test]
fn every_known_schema_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    for (name, trace) in TRACES {
        std::fs::write(folder.path().join(name), trace).unwrap();
        let found = json(folder.path(), &[name]);
        assert_eq!(found["schema"], 1);
        assert_eq!(found["source"], name);
        assert_eq!(found["requests"], 3);
        assert_eq!(found["found"]["finished"], 3, "{name}");
        for key in ["ttft_target_seconds", "seed", "reason"] {
            assert!(found[key].is_null() && found.get(key).is_some(), "{key}");
        }
    }
    // The second Mooncake request finds two full blocks of 512 of the first.
    let found = json(folder.path(), &["mooncake.jsonl"]);
    let cached = found["found"]["per_instance"][0]["cached_tokens"].as_u64();
    assert_eq!(cached, Some(1024));
}

#[test]
fn the_same_seed_prints_the_same_bytes_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let with = |seed: &str, records: &str| {
        let more = ["--seed", seed, "--format", "json", "--records", records];
        let text = text(folder.path(), &[&DRAWN[..], &more].concat());
        (
            text,
            std::fs::read_to_string(folder.path().join(records)).unwrap(),
        )
    };
    let (first, second, other) = (with("1", "a.csv"), with("1", "b.csv"), with("2", "c.csv"));
    assert_eq!(first, second);
    assert_ne!(first.0, other.0);
    assert_eq!(first.1.lines().count(), 201);
}

#[test]
fn records_and_a_timeline_are_written_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    for lang in ["en", "zh"] {
        let more = ["--timeline", "t.svg", "--records", "r.csv", "--lang", lang];
        let table = text(folder.path(), &[&DRAWN[..], &more].concat());
        assert!(table.contains("vLLM"), "{table}");
        let drawing = std::fs::read_to_string(folder.path().join("t.svg")).unwrap();
        assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"));
        assert!(drawing.contains("class=\"prompts\""));
    }
    let [records, timeline] = &names(folder.path())[..] else {
        panic!("{:?}", names(folder.path()));
    };
    assert!(records.ends_with("r.csv") && timeline.ends_with("t.svg"));
}

#[test]
fn requests_go_to_parquet_where_the_name_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["r.parquet", "s.PARQUET"] {
        text(folder.path(), &[&DRAWN[..], &["--records", name]].concat());
    }
    let [first, second] = &names(folder.path())[..] else {
        panic!("{:?}", names(folder.path()));
    };
    let bytes = std::fs::read(first).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    assert_eq!(bytes, std::fs::read(second).unwrap());
}

#[test]
fn what_instances_do_is_asked_for_by_options() {
    let folder = tempfile::tempdir().unwrap();
    let more = [
        "--plan=tp=1 pp=2",
        "--autoscale=1..3",
        "--scale-target=4",
        "--scale-interval=1 s",
        "--load-bandwidth=10 GB/s",
        "--start-up=1 s",
        "--mtbf=5 s",
        "--repair=500 ms",
        "--preemption=swap",
        "--swap-space=8 GiB",
        "--block-size=32",
        "--drafted=2",
        "--accepted=1",
        "--latency=2 s",
    ];
    let found = json(folder.path(), &[&DRAWN[..], &more].concat());
    assert_eq!(found["latency_target_seconds"], 2.0);
    let found = &found["found"];
    assert_eq!(found["preemption"], "swap");
    assert_eq!(found["block_tokens"], 32);
    assert_eq!(found["tokens_per_iteration"], 2.0);
    assert_eq!(found["repair_seconds"], 0.5);
    assert_eq!(found["plan"], "tp=1 pp=2");
    let start_up = found["start_up_seconds"].as_f64().unwrap();
    assert!((1.5..3.0).contains(&start_up), "{start_up}");
    assert_eq!(found["finished"], 200);
    let split = [
        "--disaggregate=1:1",
        "--transfer=whole",
        "--reliability=nearest",
    ];
    let found = json(folder.path(), &[&DRAWN[..], &split].concat());
    assert_eq!(found["found"]["repair_seconds"], 600.0);
}

#[test]
fn a_mistake_late_in_a_trace_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let trace = TRACES[0].1.to_owned() + "2023-11-16 18:18:00.0000000,12,none\n";
    std::fs::write(folder.path().join("bad.csv"), trace).unwrap();
    let more = ["bad.csv", "--records", "r.csv", "--timeline", "t.svg"];
    let output = run(folder.path(), &[&more[..], &["--output", "o.txt"]].concat());
    assert_eq!(output.status.code(), Some(2));
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        problem.contains("bad.csv:5") && problem.contains("none"),
        "{problem}"
    );
    assert_eq!(names(folder.path()).len(), 1, "{:?}", names(folder.path()));
}

#[test]
fn a_result_that_cannot_be_written_takes_the_other_files_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--records", "r.csv", "--output", "no/such/folder.txt"];
    let output = run(folder.path(), &[&DRAWN[..], &more].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        names(folder.path()).is_empty(),
        "{:?}",
        names(folder.path())
    );
}

#[test]
fn a_model_that_does_not_fit_is_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(folder.path())
        .args([
            "replay",
            "--model",
            "deepseek-v3",
            "--system",
            "hgx-h100",
            "--chips",
            "8",
        ])
        .args(DRAWN)
        .args(["--format", "json", "--records", "r.csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["found"].is_null());
    assert_eq!(found["reason"]["key"], "memory-short");
    assert!(names(folder.path()).is_empty());
}
