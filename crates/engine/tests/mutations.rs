//! Damaged scenarios: an error or a result, never a panic, and never a hang.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_engine::{Data, evaluate, jobs, resolve};
use proptest::prelude::*;

const SCENARIO: &str = r#"schema = 1
title = "t"
date = "2026-11-24"
destination = "CN"
prices = "retail-2025"
systems = ["hgx-h200", "y"]
equal = { chips = 64 }
[[training]]
id = "a"
model = "llama-3.1-8b"
tokens = 1e12
sequence = 4096
global_batch = 256
plan = { tp = 2, pp = 2, dp = 16, micro_batch = 1, recompute = "selective" }
[[serving]]
id = "b"
model = "gpt-oss-120b"
input = 1024
output = 256
ttft = "1 s"
tpot = "50 ms"
[derive.chip.x]
from = "h200-sxm"
memory_bandwidth = "6 TB/s"
[derive.system.y]
from = "hgx-h200"
chip = "x"
domain_chips = 16
"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Bytes removed, replaced or repeated.
    #[test]
    fn damaged_text(at in 0..SCENARIO.len(), length in 0..12_usize, with in "[0-9a-z.\"=\\-\\[\\]{}, \n]{0,6}") {
        let end = (at + length).min(SCENARIO.len());
        let text = format!("{}{with}{}", &SCENARIO[..at], &SCENARIO[end..]);
        try_out(&text);
    }

    /// Numbers replaced by extreme ones.
    #[test]
    fn extreme_numbers(
        which in 0..12_usize,
        value in prop::sample::select(vec!["0", "1", "3", "7", "1000003", "1048576", "18446744073709551615", "9223372036854775807", "-1", "1e308", "nan", "inf", "0.5"]),
    ) {
        let numbers = ["64", "1e12", "4096", "256\n", "tp = 2", "pp = 2", "dp = 16", "1024", "256\nttft", "domain_chips = 16", "micro_batch = 1", "schema = 1"];
        let old = numbers[which];
        let digits: String = old.chars().filter(|c| c.is_ascii_digit() || *c == 'e').collect();
        let digits = digits.trim_start_matches('e').to_owned();
        let start = old.find(digits.chars().next().unwrap()).unwrap();
        let new = format!("{}{value}{}", &old[..start], old[start..].trim_start_matches(|c: char| c.is_ascii_digit() || c == 'e'));
        try_out(&SCENARIO.replacen(old, &new, 1));
    }
}

fn try_out(text: &str) {
    let data = Data::load(&[]).unwrap();
    if let Ok(resolved) = resolve("scenario.toml", text, data) {
        for job in jobs(&resolved) {
            let row = evaluate(&resolved, job);
            assert!(row.outcome.is_some() != row.reason.is_some());
        }
    }
}
