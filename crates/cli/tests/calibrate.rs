//! `calibrate serving` as users meet it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../../tests/support/program.rs"]
mod program;

use std::process::Output;

use program::{chokepoint, every_fault};

fn fitted(results: &[&str], more: &[&str]) -> Output {
    let setting = [
        "--model",
        "llama-3.1-8b",
        "--system",
        "hgx-h200",
        "--plan",
        "tp=1",
        "--formats",
        "bf16",
    ];
    chokepoint(&[&["calibrate", "serving"], results, &setting, more].concat())
}

fn text(output: &Output) -> String {
    let problem = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{problem}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

const GUIDELLM: &str = "tests/benchmarks/guidellm.json";

#[test]
fn results_become_an_engine_that_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engines/my-vllm.toml");
    let results = [GUIDELLM, "tests/benchmarks/vllm.json"];
    let said = text(&fitted(&results, &["--output", path.to_str().unwrap()]));
    for words in [
        "4 runs",
        "8 clients, 512/128",
        "2.50 requests/s",
        "iteration_host",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let data = folder.path().to_str().unwrap();
    let shown = text(&chokepoint(&[
        "catalog",
        "show",
        "my-vllm",
        "--sources",
        "--data",
        data,
    ]));
    for words in ["own-measurement", "guidellm.json sha256", "iteration_host"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // What was fitted before is what is predicted now.
    let again = text(&fitted(&results, &["--data", data, "--engine", "my-vllm"]));
    let errors = |said: &str| -> Vec<String> {
        let mut lines = said.lines().rev();
        let found = lines.find(|line| line.contains("later token, ms"));
        let last = found.unwrap().split_whitespace();
        last.filter(|word| word.contains('.'))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(errors(&said)[1], errors(&again)[0]);
}

#[test]
fn a_fit_reads_in_chinese() {
    let said = text(&fitted(&[GUIDELLM], &["--lang", "zh"]));
    assert!(
        said.contains("3 次测试") && said.contains("首 token"),
        "{said}"
    );
    assert!(!said.contains("fit."), "{said}");
}

#[test]
fn an_engine_is_written_only_where_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for (place, words) in [
        ("my-vllm.toml", "folder engines"),
        ("engines/my-vllm.json", "file .toml"),
        ("engines/My vLLM.toml", "no id of an engine"),
        ("engines/vllm.toml", "would replace"),
    ] {
        let path = folder.path().join(place);
        let output = fitted(&[GUIDELLM], &["--output", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{place}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(words), "{place}: {said}");
        assert!(output.stdout.is_empty() && !path.exists(), "{place}");
    }
}

/// Malformed result files, with the messages that they must give; `UPDATE=1` rewrites these.
#[test]
fn every_fault_of_a_result_is_explained() {
    every_fault("tests/faults/benchmarks", "json", 15, |file| {
        let output = fitted(&[file], &[]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(file), "{file} is not named: {message}");
        output
    });
}
