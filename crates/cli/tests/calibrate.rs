//! `calibrate serving` as users meet it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn chokepoint(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap()
}

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
    let folder = root().join("tests/faults/benchmarks");
    let mut faults: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    faults.sort();
    assert!(faults.len() >= 15, "only {} faults", faults.len());
    let mut wrong = Vec::new();
    for fault in faults {
        let name = fault.file_name().unwrap().to_str().unwrap();
        let output = fitted(&[&format!("tests/faults/benchmarks/{name}")], &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {message}");
        assert!(output.stdout.is_empty(), "{name} printed a result");
        assert!(message.contains(name), "{name} is not named: {message}");
        let expected = fault.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &message).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != message {
            wrong.push(format!("{name}:\n{message}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "messages changed (UPDATE=1 accepts them):\n{}",
        wrong.join("\n")
    );
}
