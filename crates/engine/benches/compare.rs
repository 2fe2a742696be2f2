//! How long the main job and its searches take: `cargo bench`.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use chokepoint_engine::{Data, Resolved, evaluate, jobs, resolve};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn resolved() -> Resolved {
    let text = include_str!("../../../examples/h200-or-nvl72.toml");
    resolve("scenario.toml", text, Data::load(&[]).unwrap()).unwrap()
}

/// Reading all embedded data.
#[divan::bench]
fn data() -> Data {
    Data::load(&[]).unwrap()
}

/// One row of the shipped example on one core: a training or serving search with its
/// elasticities. Rows 0 to 14 train DeepSeek-V3, 15 to 29 Llama 405B, 30 to 44 and 45 to 59 serve
/// them; 4 is HGX H200 and 6 GB200 NVL72.
#[divan::bench(args = [4, 6, 19, 34, 36, 49])]
fn row(bencher: Bencher, index: usize) {
    let resolved = resolved();
    let job = jobs(&resolved)[index];
    bencher.bench_local(|| evaluate(black_box(&resolved), job));
}
