//! How fast requests are replayed through the serving model: `cargo bench -p chokepoint-engine --bench
//! replay`.
//!
//! Items are requests, on one core; a run reads the trace twice, searches the plan and replays. The
//! traces are those of the peers' table (`reference/peers_inference.md`, section 3: Dynamo 14,000
//! requests a CPU-second on the first, 2,600 on the second), looked for in `shared/traces`; without
//! them those cases are left out.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::fs;

use chokepoint_engine::trace::{Drawn, Lengths, Process, Record, Router, Synthetic, Trace};
use chokepoint_engine::{Data, ReplayRequest, ReplaySource, run_replay};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

fn request(system: &str, source: ReplaySource) -> ReplayRequest {
    ReplayRequest {
        instances: Some(2),
        ..ReplayRequest::new("llama-3.1-70b", system, source)
    }
}

/// A trace as text, or nothing.
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark reads public data, and says what it skipped"
)]
fn text(name: &str) -> Option<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces");
    let text = fs::read_to_string(format!("{folder}/{name}")).ok();
    if text.is_none() {
        eprintln!("{name} is not in {folder}: skipped");
    }
    text
}

fn whole_trace(bencher: Bencher, name: &str, change: impl Fn(&mut ReplayRequest)) {
    let Some(text) = text(name) else {
        return;
    };
    let source = ReplaySource::Trace {
        name: name.to_owned(),
        rate_scale: 1.0,
        limit: None,
    };
    let mut request = request("hgx-h200", source);
    change(&mut request);
    let data = Data::load(&[]).unwrap();
    bencher
        .counter(ItemsCount::new(text.lines().count()))
        .bench_local(|| {
            let mut observer = |record: &Record| {
                black_box(record);
            };
            let mut open = || Trace::open(name, text.as_bytes());
            run_replay(black_box(&request), &data, &mut open, &mut observer).unwrap()
        });
}

/// Azure conversations of 2023: a dense model and a mixture.
#[divan::bench(sample_count = 10, args = ["llama-3.1-70b", "gpt-oss-120b", "deepseek-v3"])]
fn azure_conversation(bencher: Bencher, model: &str) {
    whole_trace(bencher, "AzureLLMInferenceTrace_conv.csv", |request| {
        request.model = model.to_owned();
        if model == "deepseek-v3" {
            request.instances = Some(1);
            request.plan = Some("tp=1 dp=8 ep=8".to_owned());
        }
    });
}

/// Mooncake conversations on eight instances, routed by cached prefixes.
#[divan::bench(sample_count = 10)]
fn mooncake_conversation(bencher: Bencher) {
    whole_trace(bencher, "mooncake_conversation_trace.jsonl", |request| {
        request.instances = Some(8);
        request.plan = Some("tp=4".to_owned());
        request.router = Router::KvAware {
            prefill_weight: 1.0,
        };
    });
}

/// The closed loop of the peers' table: 512 in, 64 out, 64 at once.
#[divan::bench(sample_count = 5, args = [100_000])]
fn closed_loop(bencher: Bencher, requests: u64) {
    let drawn = Synthetic {
        requests,
        process: Process::AtOnce,
        input: Lengths::fixed(512),
        output: Lengths::fixed(64),
        seed: 1,
    };
    let source = ReplaySource::Synthetic {
        drawn,
        concurrency: Some(64),
    };
    let mut request = request("hgx-h100", source);
    request.model = "llama-3.1-8b".to_owned();
    request.instances = Some(1);
    let data = Data::load(&[]).unwrap();
    bencher.counter(ItemsCount::new(requests)).bench_local(|| {
        let mut observer = |record: &Record| {
            black_box(record);
        };
        let mut open = || -> Result<Drawn, _> { drawn.draw() };
        run_replay(black_box(&request), &data, &mut open, &mut observer).unwrap()
    });
}
