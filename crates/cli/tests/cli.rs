//! The command line as users meet it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(arguments: &[&str], threads: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(root())
        .env("RAYON_NUM_THREADS", threads)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = run(arguments, "2");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.stderr.is_empty(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

const EXAMPLES: [&str; 6] = [
    "examples/h200-or-nvl72.toml",
    "examples/same-deadline.toml",
    "examples/same-power.toml",
    "examples/same-budget.toml",
    "examples/deepseek-v3-published.toml",
    "examples/own-parts.toml",
];

#[test]
fn every_example_gives_the_same_bytes_on_every_run_and_thread_count() {
    for example in EXAMPLES {
        let arguments = ["compare", example, "--format", "json"];
        let one = run(&arguments, "1");
        assert_eq!(
            one.status.code(),
            Some(0),
            "{example}: {}",
            String::from_utf8_lossy(&one.stderr)
        );
        assert_eq!(one.stdout, run(&arguments, "2").stdout, "{example}");
    }
    for format in ["table", "csv"] {
        let arguments = ["compare", EXAMPLES[4], "--format", format];
        assert_eq!(
            run(&arguments, "1").stdout,
            run(&arguments, "2").stdout,
            "{format}"
        );
    }
}

#[test]
fn json_keeps_its_contract() {
    let value: serde_json::Value = serde_json::from_str(&text(&[
        "compare",
        "examples/h200-or-nvl72.toml",
        "--format",
        "json",
    ]))
    .unwrap();
    assert_eq!(value["schema"], 1);
    let rows = value["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 60);
    for row in rows {
        for key in [
            "system",
            "workload",
            "chips",
            "feasible",
            "reason",
            "plan",
            "metrics",
            "breakdown",
            "chokepoint",
            "cost",
            "export",
        ] {
            assert!(
                row.get(key).is_some(),
                "{key} is missing in {} {}",
                row["system"],
                row["workload"]
            );
        }
        assert!(row["export"]["verdict"].is_string() && row["export"]["on"] == "2026-11-24");
        if row["feasible"] == true {
            assert!(
                row["chokepoint"]["resource"].is_string()
                    && row["chokepoint"]["elasticity"].is_f64()
            );
            let parts: f64 = row["breakdown"]
                .as_array()
                .unwrap()
                .iter()
                .map(|part| part["seconds"].as_f64().unwrap())
                .sum();
            assert!(parts > 0.0);
        } else {
            assert!(
                row["reason"]
                    .as_str()
                    .is_some_and(|reason| !reason.is_empty())
            );
        }
    }
}

#[test]
fn the_report_is_one_file_that_needs_no_network() {
    let folder = tempfile::tempdir().unwrap();
    for language in ["en", "zh"] {
        let page = folder.path().join(format!("{language}.html"));
        let table = folder.path().join("table.txt");
        let arguments = [
            "compare",
            "examples/same-power.toml",
            "--lang",
            language,
            "--html",
            page.to_str().unwrap(),
            "--output",
            table.to_str().unwrap(),
        ];
        assert!(text(&arguments).is_empty(), "the result went to the file");
        let page = std::fs::read_to_string(page).unwrap();
        assert!(
            page.to_lowercase().starts_with("<!doctype html>")
                && page.trim_end().ends_with("</html>")
        );
        for outside in [
            "<script src",
            "<link rel=\"stylesheet\"",
            "@import",
            "url(http",
            "src=\"http",
        ] {
            assert!(!page.contains(outside), "{language}: {outside}");
        }
        assert!(
            std::fs::read_to_string(table)
                .unwrap()
                .contains("GB200 NVL72")
        );
    }
}

#[test]
fn chinese_output_is_chinese() {
    let table = text(&["compare", "examples/same-power.toml", "--lang", "zh"]);
    assert!(table.contains("芯片") && table.contains("功率"));
    assert!(!table.contains("Chokepoint"));
}

#[test]
fn every_catalogue_figure_can_be_traced() {
    assert!(text(&["catalog", "list"]).contains("cloudmatrix384"));
    let shown = text(&["catalog", "show", "h200-sxm", "--sources"]);
    for expected in [
        "memory.bandwidth",
        "4.8 TB/s",
        "ml-engineering",
        "peak.fp8",
        "1.979 PFLOP/s",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(text(&["catalog", "show", "deepseek-v3"]).contains("70.27 kB"));
    assert!(text(&["catalog", "check"]).contains("0 problems"));
    let unknown = run(&["catalog", "show", "h20-sxm"], "1");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("h200-sxm"));
}

#[test]
fn a_data_folder_overrides_by_id() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("chips")).unwrap();
    let own = std::fs::read_to_string(root().join("data/chips/h200-sxm.toml")).unwrap();
    let own = own
        .replace("\"4800 GB/s\"", "\"5200 GB/s\"")
        .replace("\"4.8 TB/s\"", "\"5.2 TB/s\"");
    std::fs::write(folder.path().join("chips/h200-sxm.toml"), own).unwrap();
    let shown = text(&[
        "--data",
        folder.path().to_str().unwrap(),
        "catalog",
        "show",
        "h200-sxm",
    ]);
    assert!(shown.contains("5.2 TB/s"), "{shown}");
}

#[test]
fn nothing_feasible_is_no_error_of_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = std::fs::read_to_string(root().join("examples/same-power.toml")).unwrap();
    let scenario = scenario.replace("\"5 MW\"", "\"3 kW\"");
    let path = folder.path().join("small.toml");
    std::fs::write(&path, scenario).unwrap();
    let output = run(&["compare", path.to_str().unwrap(), "--format", "csv"], "2");
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() == 17);
}

#[test]
fn the_schema_in_the_project_is_the_program_s() {
    let kept = std::fs::read_to_string(root().join("schemas/scenario.schema.json")).unwrap();
    assert!(
        kept == text(&["schema"]),
        "run: chokepoint schema > schemas/scenario.schema.json"
    );
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let printed = text(&["compare", "examples/h200-or-nvl72.toml"]);
    let shown = readme
        .split("From its output:")
        .nth(1)
        .unwrap()
        .split("```")
        .nth(1)
        .unwrap();
    assert!(shown.lines().count() > 30);
    for line in shown.lines() {
        assert!(
            printed.contains(line),
            "README.md shows, but the program does not print:\n{line}"
        );
    }
    let run = "cargo run --release -- compare examples/h200-or-nvl72.toml";
    assert!(readme.contains(run) && readme.contains("cargo test --workspace"));
}

/// A result file may be a pipe or a device, which stays what it is.
#[cfg(unix)]
#[test]
fn a_pipe_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;

    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let reader = Command::new("cat")
        .arg(&pipe)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let compared = ["compare", "examples/own-parts.toml", "--format", "csv"];
    text(&[&compared[..], &["--output", pipe.to_str().unwrap()]].concat());
    let read = reader.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap(), text(&compared));
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
}
