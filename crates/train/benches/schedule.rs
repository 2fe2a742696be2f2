//! How long exact timelines take: `cargo bench --package chokepoint-train`.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use chokepoint_train::{Chunk, Pipeline, Schedule, Scheduler};
use chokepoint_units::{Bytes, Seconds};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// 16 ranks and 64 micro-batches, two chunks a rank where the schedule can: chunks that differ,
/// with transfers, in buffers that are used again.
#[divan::bench(args = Schedule::ALL)]
fn timeline(bencher: Bencher, schedule: Schedule) {
    let vp = match schedule {
        Schedule::OneForwardOneBackward | Schedule::ZeroBubbleV | Schedule::DualPipeV => 2,
        Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 | Schedule::DualPipe => 1,
    };
    let chunks: Vec<Chunk> = (0..16 * vp)
        .map(|index| {
            let time = Seconds::new(1e-3 * (1.0 + 0.01 * (index % 7) as f64));
            Chunk {
                forward: time,
                input_gradient: time * 1.1,
                weight_gradient: time * 0.9,
                activations: Bytes::new(1e9),
            }
        })
        .collect();
    let pipeline = Pipeline {
        schedule,
        pp: 16,
        vp,
        micro_batches: 64,
        chunks: &chunks,
        transfer: Seconds::new(1e-4),
    };
    let mut scheduler = Scheduler::new();
    bencher.bench_local(|| {
        let timeline = scheduler.run(black_box(&pipeline)).unwrap();
        timeline.step()
    });
}
