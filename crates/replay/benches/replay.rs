//! How fast replays run: `cargo bench --package chokepoint-replay`.
//!
//! Requests a second of the items column are per second of wall time on one thread. The traces
//! are those of the peers' table (`reference/peers_inference.md`, section 3), looked for in
//! `../shared/traces`; without them those cases are left out.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use chokepoint_replay::{Affine, Engine, Fleet, Lengths, Load, Process, Record, Synthetic, replay};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

const TIME: Affine = Affine::MADE_UP;

/// Closed loop, 512 in and 64 out, 64 at once, one instance.
#[divan::bench(sample_count = 5, args = [(100_000, 1.0), (100_000, 0.8), (1_000_000, 0.8)])]
fn closed_loop(bencher: Bencher, (requests, share): (u64, f64)) {
    let fleet = Fleet::of(1, Engine::with_blocks(16_384), &TIME);
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
        replay(black_box(&fleet), load, &mut |record: &Record| {
            black_box(record);
        })
    });
}
