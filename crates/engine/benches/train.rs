//! How fast training plans are searched: `cargo bench -p chokepoint-engine --bench train`.
//!
//! One core. The first two print the space that Calculon enumerates for Megatron-1T on 4,096 A100
//! (`llm-optimal-execution megatron-1T 4096 4096 float16 a100_80g`): 1,053,228 executions without
//! its offload tier, 7,276,848 with it, eight choices of network for each dimension included, which
//! follow from placement here; 135,685 and 937,460 without them are what the rates below count.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use chokepoint_engine::model::{Architecture, Recompute};
use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::{Data, SystemParts, system_parts};
use chokepoint_train::{
    Case, ContextExchange, Offload, Schedule, SearchResult, Sharding, Software, Space,
    TensorExchange, TensorOverlap, Workload, search, search_in,
};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

struct Setup {
    architecture: Architecture,
    parts: SystemParts,
    workload: Workload,
    software: Software,
    chips: u64,
}

impl Setup {
    fn new(model: &str, system: &str, chips: u64, sequence: u64, batch: u64) -> Self {
        let data = Data::load(&[]).unwrap();
        let formats = vec![NumberFormat::Fp8, NumberFormat::Bf16];
        Self {
            architecture: data.model(model).unwrap(),
            parts: system_parts(&data.catalog, system).unwrap(),
            workload: Workload::pretraining(sequence, batch, 1e12, formats),
            software: Software::CURRENT,
            chips,
        }
    }

    fn search(&self, run: impl Fn(&Case) -> SearchResult) -> SearchResult {
        let chip = self.parts.spec.as_ref().unwrap();
        run(black_box(&Case {
            architecture: &self.architecture,
            workload: &self.workload,
            software: &self.software,
            chip,
            fabric: &self.parts.fabric,
            chips: self.chips,
        }))
    }
}

/// What Calculon enumerates; `offload` with its second tier of memory.
fn calculon(case: &Case, offload: bool) -> Space {
    let powers = |most: u64| (0..=most.ilog2()).map(|n| 1 << n).collect::<Vec<u64>>();
    let bits: &[bool] = if offload { &[false, true] } else { &[false] };
    let mut offloads = Vec::new();
    for &weights in bits {
        for &activations in bits {
            for &optimizer in bits {
                offloads.push(Offload {
                    weights,
                    activations,
                    optimizer,
                });
            }
        }
    }
    Space {
        tensor: powers(32),
        context: vec![1],
        expert: vec![1],
        expert_tensor: vec![false],
        pipeline: powers(128),
        most_virtual: 128,
        even_virtual: true,
        micro_batches: powers(case.workload.global_batch),
        recompute: vec![Recompute::None, Recompute::Selective, Recompute::Full],
        schedules: vec![Schedule::OneForwardOneBackward],
        exchanges: TensorExchange::ALL.to_vec(),
        tensor_overlaps: TensorOverlap::ALL.to_vec(),
        contexts: vec![ContextExchange::Ring],
        expert_overlaps: vec![false],
        shardings: vec![Sharding::None, Sharding::Optimizer],
        data_overlaps: vec![true, false],
        offloads,
        balanced: vec![false],
        all_chips: true,
    }
}

/// Megatron-1T on 4,096 A100, batch 4,096: executions of a second, evaluated or ruled out.
#[divan::bench(args = [false, true])]
fn calculons_space(bencher: Bencher, offload: bool) {
    let setup = Setup {
        software: Software {
            fused_attention: false,
            ..Software::CURRENT
        },
        ..Setup::new("megatron-1t", "dgx-a100", 4096, 2048, 4096)
    };
    let count: u64 = if offload { 937_460 } else { 135_685 };
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| setup.search(|case| search_in(case, &calculon(case, offload), 1)));
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
    bencher.bench_local(|| setup.search(|case| search(case, 5)));
}
