//! How fast serving is evaluated and searched: `cargo bench -p chokepoint-engine --bench serve`.
//!
//! One core. AIConfigurator 0.12 takes 29 CPU-seconds for the search of DeepSeek-V3 on 32 H200 that
//! is the first case (159,600 aggregated points; `peers_inference.md` section 3).

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use chokepoint_chip::Precision;
use chokepoint_engine::model::Architecture;
use chokepoint_engine::units::{NumberFormat, Seconds};
use chokepoint_engine::{Data, ServeRequest, SystemParts, run_serving, system_parts};
use chokepoint_serve::{Batch, Case, Instance, Layout, Software, Workload, front, search};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

struct Setup {
    architecture: Architecture,
    parts: SystemParts,
    workload: Workload,
    chips: u64,
}

impl Setup {
    fn new(model: &str, system: &str, chips: u64) -> Self {
        let data = Data::load(&[]).unwrap();
        Self {
            architecture: data.model(model).unwrap(),
            parts: system_parts(&data.catalog, system).unwrap(),
            workload: Workload {
                input: 4000,
                output: 1000,
                ttft: Seconds::new(2.0),
                tpot: Seconds::new(0.03),
                formats: vec![NumberFormat::Fp8, NumberFormat::Bf16],
                cache_format: NumberFormat::Bf16,
                imbalance: 1.0,
                prefix_hit: 0.0,
                speculation: None,
            },
            chips,
        }
    }

    fn case(&self) -> Case<'_> {
        Case {
            architecture: &self.architecture,
            workload: &self.workload,
            software: &Software::KERNELS,
            chip: self.parts.spec.as_ref().unwrap(),
            fabric: &self.parts.fabric,
            chips: self.chips,
        }
    }
}

#[divan::bench(args = [
    ("deepseek-v3", "hgx-h200", 32),
    ("llama-3.1-70b", "hgx-h200", 32),
    ("gpt-oss-120b", "hgx-b200", 64),
    ("deepseek-v3", "gb200-nvl72", 720),
])]
fn whole_search(bencher: Bencher, (model, system, chips): (&str, &str, u64)) {
    let setup = Setup::new(model, system, chips);
    bencher.bench_local(|| search(black_box(&setup.case())));
}

/// The front of interactivity against throughput.
#[divan::bench]
fn whole_front(bencher: Bencher) {
    let setup = Setup::new("deepseek-v3", "hgx-h200", 32);
    bencher.bench_local(|| front(black_box(&setup.case())));
}

/// A search for the plan that meets targets at the 99th percentile; items are whole replays, each of 1,000
/// requests that count and those that fill and empty the plan: thousands for instances of many chips.
#[divan::bench(sample_count = 5, args = [
    ("llama-3.1-8b", 1),
    ("llama-3.1-70b", 16),
    ("gpt-oss-120b", 8),
    ("deepseek-v3", 32),
])]
fn replays_of_a_search(bencher: Bencher, (model, chips): (&str, u64)) {
    let data = Data::load(&[]).unwrap();
    let mut request = ServeRequest::new(model, "hgx-h200", chips, 1024, 256);
    request.serving.engine = Some("vllm".to_owned());
    request.percentile = Some(99.0);
    let replays = run_serving(&request, &data).unwrap().arrivals.unwrap();
    bencher
        .counter(ItemsCount::new(replays.replays))
        .bench_local(|| run_serving(black_box(&request), &data).unwrap());
}

#[divan::bench(args = ["deepseek-v3", "llama-3.1-70b", "gpt-oss-120b"])]
fn iteration(bencher: Bencher, model: &str) {
    let setup = Setup::new(model, "hgx-h200", 32);
    let case = setup.case();
    let instance = Instance {
        case: &case,
        layout: if case.architecture.experts().is_some() {
            Layout::expert(1, 8)
        } else {
            Layout::tensor(8)
        },
        precision: Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16),
    };
    let batch = Batch::prompts(1.0, 4000.0, 0.0).beside(&Batch::decodes(64.0, 4500.0));
    bencher.bench_local(|| instance.iteration(black_box(&batch)));
}
