//! How fast training plans are searched: `cargo bench -p chokepoint-engine --bench train`.
//!
//! One core. The first two print the space that Calculon enumerates for Megatron-1T on 4,096 A100
//! (`llm-optimal-execution megatron-1T 4096 4096 float16 a100_80g`): 1,053,228 executions without
//! its offload tier, 7,276,848 with it, eight choices of network for each dimension included, which
//! follow from placement here; 135,685 and 937,460 without them are what the rates below count.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

mod setup;

use chokepoint_train::{search, search_in};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use setup::{Setup, calculon};

fn main() {
    divan::main();
}

/// Megatron-1T on 4,096 A100, batch 4,096: executions of a second, evaluated or ruled out.
#[divan::bench(args = [false, true])]
fn calculons_space(bencher: Bencher, offload: bool) {
    let setup = Setup::calculon();
    let count: u64 = if offload { 937_460 } else { 135_685 };
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let case = black_box(setup.case());
        search_in(&case, &calculon(&case, offload), 1)
    });
}

/// Any model of the catalogue on any system of it, up to 100,000 chips, five layouts kept.
#[divan::bench(args = [
    ("deepseek-v3", "hgx-h100", 2048),
    ("deepseek-v3", "gb200-nvl72", 100_000),
    ("llama-3.1-405b", "hgx-h100", 16_384),
    ("llama-3.1-405b", "cloudmatrix384", 100_000),
    ("qwen3-235b-a22b", "dgx-a100", 2048),
    ("megatron-1t", "hgx-h200", 100_000),
    ("gpt-oss-120b", "hgx-h100", 1024),
])]
fn catalogue(bencher: Bencher, (model, system, chips): (&str, &str, u64)) {
    let setup = Setup::new(model, system, chips, 4096, 15_360);
    bencher.bench_local(|| search(black_box(&setup.case()), 5));
}
