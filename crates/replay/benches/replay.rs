//! How fast replays run: `cargo bench --package chokepoint-replay`.
//!
//! Requests a second of the items column are per second of wall time on one thread. The traces
//! are those of the peers' table (`reference/peers_inference.md`, section 3), looked for in
//! `../shared/traces`; without them those cases are left out.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::fs;

use chokepoint_diag::Diagnostic;
use chokepoint_replay::{
    Affine, Curves, Engine, Fleet, Iteration, Lengths, Load, MOONCAKE_HASH_TOKENS, Process, Record,
    Request, Router, StepTime, Summary, Synthetic, Trace, replay,
};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

const TIME: Affine = Affine::MADE_UP;

/// Closed loop, 512 in and 64 out, 64 at once, one instance.
#[divan::bench(sample_count = 5, args = [(100_000, 1.0), (100_000, 0.8), (1_000_000, 0.8)])]
fn closed_loop(bencher: Bencher, (requests, share): (u64, f64)) {
    let fleet = Fleet::of(1, Engine::with_blocks(16_384), &TIME);
    closed(bencher, &fleet, requests, share);
}

fn closed(bencher: Bencher, fleet: &Fleet<'_>, requests: u64, share: f64) {
    let synthetic = Synthetic {
        requests,
        process: Process::AtOnce,
        input: Lengths::from_share(512, share),
        output: Lengths::from_share(64, share),
        seed: 1,
    };
    bencher.counter(ItemsCount::new(requests)).bench_local(|| {
        let load = Load::Closed {
            requests: synthetic.draw().unwrap(),
            concurrency: 64,
        };
        replay(black_box(fleet), load, &mut |record: &Record| {
            black_box(record);
        })
    });
}

/// The same with a curve instead of a line.
#[divan::bench(sample_count = 5)]
fn closed_loop_with_a_curve(bencher: Bencher) {
    let curves = Curves {
        mixed: |iteration: &Iteration<'_>| TIME.mixed(iteration),
        decode: |decodes: u32, context: f64| {
            let line = TIME.decode(decodes, context).lines()[0];
            line.base + line.per_token * context
        },
    };
    let fleet = Fleet::of(1, Engine::with_blocks(16_384), &curves);
    closed(bencher, &fleet, 100_000, 0.8);
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

fn timed<I>(fleet: &Fleet<'_>, requests: I) -> Summary
where
    I: Iterator<Item = Result<Request, Diagnostic>>,
{
    let mut observer = |record: &Record| {
        black_box(record);
    };
    replay(black_box(fleet), Load::Timed(requests), &mut observer).unwrap()
}

/// A whole trace, read and replayed.
fn whole(bencher: Bencher, name: &str, fleet: &Fleet<'_>) {
    let Some(text) = text(name) else {
        return;
    };
    let lines = text.lines().count();
    bencher
        .counter(ItemsCount::new(lines))
        .bench_local(|| timed(fleet, Trace::open(name, text.as_bytes()).unwrap()));
}

/// Azure conversations of 2023, by instances.
#[divan::bench(sample_count = 10, args = [1, 4])]
fn azure_conversation(bencher: Bencher, instances: u32) {
    let fleet = Fleet::of(instances, Engine::with_blocks(32_768), &TIME);
    whole(bencher, "AzureLLMInferenceTrace_conv.csv", &fleet);
}

/// Mooncake conversations on eight instances, routed by cached prefixes.
#[divan::bench(sample_count = 10)]
fn mooncake_conversation(bencher: Bencher) {
    let mut fleet = Fleet::of(8, Engine::with_blocks(65_536), &TIME);
    fleet.router = Router::KvAware {
        prefill_weight: 1.0,
    };
    fleet.hash_tokens = MOONCAKE_HASH_TOKENS;
    whole(bencher, "mooncake_conversation_trace.jsonl", &fleet);
}

/// The first 1000 requests of the Azure conversations, already read: what a search replays.
#[divan::bench]
fn thousand_requests(bencher: Bencher) {
    let Some(text) = text("AzureLLMInferenceTrace_conv.csv") else {
        return;
    };
    let trace = Trace::open("trace", text.as_bytes()).unwrap();
    let requests: Vec<Request> = trace.take(1000).map(Result::unwrap).collect();
    let fleet = Fleet::of(1, Engine::with_blocks(32_768), &TIME);
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| timed(&fleet, requests.iter().cloned().map(Ok)));
}
