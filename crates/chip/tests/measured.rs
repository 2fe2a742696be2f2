//! Kernel times against medians of published kernel measurements, at one shape in the middle of each
//! bucket. Every row is printed with its error
//! (`cargo test -p chokepoint-chip --test measured -- --nocapture`).
//!
//! The curves were fitted on the same tables, so that this checks that the formulas reproduce what
//! the fit meant, not how well it extrapolates.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "../../../tests/support/shared.rs"]
mod shared;
#[path = "../../../tests/support/table.rs"]
mod table;

use std::collections::BTreeMap;

use chokepoint_chip::{ChipSpec, Precision};
use chokepoint_model::{GemmClass, GemmPass, Operator};
use chokepoint_units::{Bytes, NumberFormat, Ops};
use shared::catalog;
use table::{Errors, reference};

/// Chips of the table and their ids.
const CHIPS: [(&str, &str); 8] = [
    ("a100_sxm", "a100-80g-sxm"),
    ("h100_sxm", "h100-sxm"),
    ("h200_sxm", "h200-sxm"),
    ("b200_sxm", "b200-sxm"),
    ("b300_sxm", "b300-sxm"),
    ("gb200", "gb200"),
    ("gb300", "gb300"),
    ("rtx_pro_6000_server", "rtx-pro-6000-server"),
];

const FORMATS: [(&str, NumberFormat); 3] = [
    ("bfloat16", NumberFormat::Bf16),
    ("fp8", NumberFormat::Fp8),
    ("nvfp4", NumberFormat::Fp4),
];

fn specs() -> Vec<(&'static str, ChipSpec)> {
    let catalog = catalog();
    CHIPS
        .into_iter()
        .map(|(name, id)| {
            let chip = catalog.chip(id).unwrap();
            let curves = catalog.calibration(&chip.calibration.curve).unwrap();
            (name, ChipSpec::new(chip, curves).unwrap())
        })
        .collect()
}

/// Median fraction of the limit by (chip, kernel, format, bucket): of the fastest engine of each
/// shape where the table has it, else the best engine's median.
fn medians(rows: &[BTreeMap<String, String>]) -> BTreeMap<(String, String, String, String), f64> {
    let mut found = BTreeMap::new();
    for best in [false, true] {
        let wanted = |row: &&BTreeMap<String, String>| {
            (row["framework"] == "best_of_frameworks") == best && row["note"].is_empty()
        };
        for row in rows.iter().filter(wanted) {
            let key = ["chip", "op", "dtype", "shape_bucket"].map(|column| row[column].clone());
            let [chip, op, format, bucket] = key;
            let fraction: f64 = row["median_frac_of_peak"].parse().unwrap();
            let entry = found.entry((chip, op, format, bucket)).or_insert(0.0_f64);
            *entry = if best { fraction } else { entry.max(fraction) };
        }
    }
    found
}

#[test]
fn products_as_measured() {
    let Some(rows) = reference("kernel_efficiency.csv") else {
        return;
    };
    let medians = medians(&rows);
    let buckets = [
        (
            "compute-bound M>=2049 NK>=16M",
            8192.0,
            8192.0,
            8192.0,
            0.10,
        ),
        ("memory-bound M<=32 NK>=64M", 12.0, 8192.0, 16_384.0, 0.10),
        ("M513-2048;NK>64M", 1024.0, 8192.0, 16_384.0, 0.10),
        ("M33-128;NK>64M", 64.0, 8192.0, 16_384.0, 0.10),
        ("M513-2048;NK16-64M", 1024.0, 4096.0, 8192.0, 0.10),
        ("M<=8;NK16-64M", 4.0, 4096.0, 8192.0, 0.10),
    ];
    for (bucket, m, n, k, bound) in buckets {
        let mut errors = Errors::default();
        for (name, chip) in specs() {
            for (dtype, format) in FORMATS {
                let key = (
                    name.to_owned(),
                    "gemm".to_owned(),
                    dtype.to_owned(),
                    bucket.to_owned(),
                );
                let (Some(measured), Some(peak)) = (medians.get(&key), chip.peak(format)) else {
                    continue;
                };
                let operator = Operator::Gemm {
                    class: GemmClass::FeedForward,
                    pass: GemmPass::Forward,
                    m,
                    n,
                    k,
                    groups: 1.0,
                };
                let precision = Precision {
                    linear: format,
                    cache: NumberFormat::Bf16,
                };
                let time = chip.operator(&operator, &precision).total;
                let bytes = (n * k + m * k) * format.stored_bytes() + m * n * 2.0;
                let memory = Bytes::new(bytes) / chip.bandwidth;
                let compute = operator.ops() / peak;
                let limit = match bucket {
                    "compute-bound M>=2049 NK>=16M" => compute,
                    "memory-bound M<=32 NK>=64M" => memory,
                    _ => compute.max(memory),
                };
                errors.add(&format!("{name} {dtype} {bucket}"), limit / time, *measured);
            }
        }
        let median = errors.median(bucket);
        assert!(errors.len() >= 20, "{bucket}: {} rows", errors.len());
        assert!(median < bound, "{bucket}: {median}");
        assert!(errors.worst() < 0.30, "{bucket}: {}", errors.worst());
    }
}

#[test]
fn attention_as_measured() {
    let Some(rows) = reference("kernel_efficiency.csv") else {
        return;
    };
    let medians = medians(&rows);
    let mut prefill = Errors::default();
    let mut decode = Errors::default();
    for (name, chip) in specs() {
        let median = |op: &str, dtype: &str, bucket: &str| {
            let key = (
                name.to_owned(),
                op.to_owned(),
                dtype.to_owned(),
                bucket.to_owned(),
            );
            medians.get(&key).copied()
        };
        for (bucket, query) in [("s1025-4096", 2048.0_f64), ("s4097-16384", 8192.0)] {
            let op = "prefill_attention_hd128_causal";
            if let Some(measured) = median(op, "bfloat16", bucket) {
                // 8 sequences of 32 heads, causal: half of 4 q^2 d for each.
                let ops = Ops::new(8.0 * 32.0 * 2.0 * query * query * 128.0);
                let bytes = Bytes::new(8.0 * query * 128.0 * 2.0 * (2.0 * 32.0 + 2.0 * 8.0));
                let time = chip.prefill_attention(ops, bytes, query).total;
                let fraction = ops / chip.rate(NumberFormat::Bf16) / time;
                prefill.add(&format!("{name} prefill {bucket}"), fraction, measured);
            }
        }
        for (bucket, cache) in [
            ("KV1-16MB", 4e6),
            ("KV16-128MB", 45e6),
            ("KV128MB-1GB", 360e6),
            ("KV>1GB", 2e9),
        ] {
            if let Some(measured) = median("decode_attention_hd128_GQA", "bfloat16", bucket) {
                let bytes = Bytes::new(cache);
                // 4 query heads for each key head: 4 operations and 4 heads for 4 bytes.
                let ops = Ops::new(cache * 4.0);
                let time = chip.decode_attention(ops, bytes, NumberFormat::Bf16).total;
                let fraction = bytes / chip.bandwidth / time;
                decode.add(&format!("{name} decode {bucket}"), fraction, measured);
            }
        }
    }
    let (first, second) = (prefill.median("prefill"), decode.median("decode"));
    assert!(
        prefill.len() >= 12 && decode.len() >= 24,
        "{} {}",
        prefill.len(),
        decode.len()
    );
    assert!(first < 0.12 && second < 0.12, "{first} {second}");
    assert!(prefill.worst() < 0.30 && decode.worst() < 0.35);
}
