//! `tools/measure` and `validate --kernels`: what the script lists is what the program reads.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../../tests/support/program.rs"]
mod program;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use program::{chokepoint, every_fault, root};

/// What a command prints when it ends well.
fn text(output: Output) -> String {
    let problem = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{problem}");
    String::from_utf8(output.stdout).unwrap()
}

/// The script's output; nothing where there is no Python to run it.
fn script(arguments: &[&str]) -> Option<Output> {
    let run = Command::new("python3")
        .current_dir(root())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg("tools/measure/measure.py")
        .args(arguments)
        .output();
    if run.is_err() {
        eprintln!("skipped: there is no python3 on this machine");
    }
    run.ok()
}

#[test]
fn a_dry_run_lists_the_kernels_of_the_models() {
    let Some(found) = script(&["--dry-run"]) else {
        return;
    };
    let listed = text(found);
    for row in [
        // Gate and up projections of Llama 3.1 8B, whole and over eight chips, at 4096 tokens.
        "gemm,bf16,,4096,28672,4096,",
        "gemm,fp8,,4096,3584,4096,",
        // The products of an eighth of the experts of DeepSeek-V3: 8 x 1024 / 8 rows in 32 groups.
        "grouped_gemm,bf16,,1024,4096,7168,32,",
        "prefill,bf16,,,,,,1,4096,,32,8,128,",
        "decode,bf16,,,,,,64,,8192,32,8,128,",
        "launch_graph,bf16,",
        "copy,bf16,",
    ] {
        assert!(listed.lines().any(|line| line.starts_with(row)), "{row}");
    }
    let lines: Vec<&str> = listed.lines().collect();
    let mut once = lines.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), lines.len(), "each kernel is listed once");
}

#[test]
fn the_script_says_what_is_wrong() {
    for (arguments, words) in [
        (&["--dry-run", "--only", "gem"], "there is no kernel gem"),
        (&["--dry-run", "--formats", "fp2"], "neither bf16 nor fp8"),
    ] {
        let Some(found) = script(arguments) else {
            return;
        };
        assert_eq!(found.status.code(), Some(2));
        let said = String::from_utf8(found.stderr).unwrap();
        assert!(said.contains(words), "{said}");
    }
    let Some(help) = script(&["--help"]) else {
        return;
    };
    assert!(text(help).contains("--dry-run"));
}

/// Every row that the script lists is read, with a time in it; all but what the host does have a
/// prediction.
#[test]
fn what_is_listed_can_be_validated() {
    let Some(found) = script(&["--dry-run", "--quick", "--chip", "h100-sxm"]) else {
        return;
    };
    let listed = text(found);
    let heads = listed.lines().find(|line| line.starts_with("kernel,"));
    let seconds = heads.unwrap().split(',').position(|head| head == "seconds");
    let filled: Vec<String> = listed
        .lines()
        .map(|line| {
            if line.starts_with('#') || line.starts_with("kernel,") {
                return line.to_owned();
            }
            let mut cells: Vec<&str> = line.split(',').collect();
            cells[seconds.unwrap()] = "0.001";
            cells.join(",")
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h100.csv");
    std::fs::write(&file, filled.join("\n")).unwrap();
    let file = file.to_str().unwrap();
    let json = text(chokepoint(&[
        "validate",
        "--kernels",
        file,
        "--format",
        "json",
    ]));
    let json: Value = serde_json::from_str(&json).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), filled.len() - 4);
    for row in rows {
        let launch = row["kernel"] == "launch";
        assert_eq!(row["predicted"].is_null(), launch, "{row}");
    }
}

/// A file of the script with times made up for these tests.
const KERNELS: &str = "crates/cli/tests/tables/invented-kernels.csv";

#[test]
fn errors_are_told_by_kernel_and_format() {
    let json = text(chokepoint(&[
        "validate",
        "--kernels",
        KERNELS,
        "--format",
        "json",
    ]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["chip"], "h100-sxm");
    assert_eq!(json["machine"]["gpu"], "Made-up GPU");
    let rows = json["rows"].as_array().unwrap();
    // Two libraries measured one shape: the faster counts.
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[1]["library"], "flash_attn");
    for row in rows.iter().filter(|row| row["status"] == "predicted") {
        let value = |key: &str| row[key].as_f64().unwrap();
        let error = value("predicted") / value("measured") - 1.0;
        assert!((value("relative_error") - error).abs() < 1e-12, "{row}");
    }
    // 268 MB over a link to the host of about 63 GB/s.
    let host = rows.iter().find(|row| row["kernel"] == "host_to_device");
    let host = host.unwrap()["predicted"].as_f64().unwrap();
    assert!((4e-3..4.5e-3).contains(&host), "{host}");
    let summary = json["summary"].as_array().unwrap();
    let gemm = summary
        .iter()
        .find(|group| group["group"] == "kernel=gemm format=bf16");
    let gemm = gemm.unwrap();
    assert_eq!(gemm["predicted"], 2);
    assert_eq!(gemm["power_rows"], 1);
    let csv = text(chokepoint(&[
        "validate",
        "--kernels",
        KERNELS,
        "--format",
        "csv",
    ]));
    assert_eq!(csv.lines().count(), 7);
}

#[test]
fn kernels_read_in_both_languages() {
    for (language, words) in [("en", "Errors by kernel"), ("zh", "按算子与格式的误差")] {
        let arguments = ["validate", "--kernels", KERNELS, "--lang", language];
        let all = text(chokepoint(&arguments));
        assert!(all.contains(words) && all.contains("flash_attn"), "{all}");
        assert!(!all.contains("kernels."), "{all}");
        let short = text(chokepoint(&[&arguments[..], &["--summary-only"]].concat()));
        assert!(short.contains(words) && !short.contains("flash_attn"));
    }
}

/// Malformed files, with the messages that they must give; `UPDATE=1` rewrites these.
#[test]
fn every_fault_of_a_measurement_is_explained() {
    every_fault("tests/faults/kernels", "csv", 7, |file| {
        chokepoint(&["validate", "--kernels", file])
    });
}

/// Products of a file without their times.
fn products() -> Vec<String> {
    let rows = [64, 512, 2048, 4096, 8192].iter();
    rows.flat_map(|m| [1024, 4096, 8192].map(|n| (m, n)))
        .flat_map(|(m, n)| {
            [1024, 4096, 16384].map(|k| format!("gemm,bf16,torch,{m},{n},{k},,,,,,,,,"))
        })
        .collect()
}

/// A file of products with times, and the program's word on it.
fn validated(file: &Path, seconds: &dyn Fn(usize) -> f64, more: &[&str]) -> Value {
    let products = products();
    let rows = products.iter().enumerate();
    let rows: Vec<String> = rows
        .map(|(at, row)| format!("{row}{},", seconds(at)))
        .collect();
    let header = "# chip: h100-sxm\n# gpu: Made-up GPU\n# torch: 2.9.0\nkernel,format,library,m,n,k,groups,batch,query,keys,heads,kv_heads,head,bytes,seconds,power_watts";
    std::fs::write(file, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["validate", "--kernels", file, "--format", "json"];
    let json = text(chokepoint(&[&arguments[..], more].concat()));
    serde_json::from_str(&json).unwrap()
}

/// Products that all take a quarter longer than the chip's curves say become curves that say so.
#[test]
fn measured_kernels_become_curves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.csv");
    let any = validated(&file, &|_| 1e-3, &[]);
    let rows = any["rows"].as_array().unwrap().iter();
    let predicted: Vec<f64> = rows.map(|row| row["predicted"].as_f64().unwrap()).collect();
    let slower = |at: usize| predicted[at] * 1.25;
    let error = |found: &Value| found["summary"][0]["median_abs_error"].as_f64().unwrap();
    let before = error(&validated(&file, &slower, &[]));
    assert!((before - 0.2).abs() < 1e-6, "{before}");
    let data = folder.path().join("data");
    let curves = data.join("calibration");
    let said = text(chokepoint(&[
        "calibrate",
        "kernels",
        file.to_str().unwrap(),
        "--output",
        curves.to_str().unwrap(),
    ]));
    assert!(
        said.contains("gemm bf16") && said.contains("replaced"),
        "{said}"
    );
    let written = std::fs::read_to_string(curves.join("h100-sxm.toml")).unwrap();
    assert!(written.contains("Made-up GPU, torch 2.9.0"), "{written}");
    let after = error(&validated(
        &file,
        &slower,
        &["--data", data.to_str().unwrap()],
    ));
    assert!(after < 0.05, "{after}");
}
