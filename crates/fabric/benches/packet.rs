//! How fast packets are: `cargo bench --package chokepoint-fabric --bench packet`.
//!
//! Rates are packet hops of a second without congestion control, events with it.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use chokepoint_fabric::network::{Level, Routing, Tree};
use chokepoint_fabric::packet::{Balance, Options, PacketResult, run};
use chokepoint_fabric::schedule::{Schedule, Transfer};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// Leaves of a number of chips and as many spines, 50 GB/s and 800 ns a link.
fn leaf_spine(chips: u32, leaf: u32) -> Tree {
    let level = |children, parents| Level {
        children,
        parents,
        rate: Bandwidth::new(50e9),
        latency: Seconds::new(800e-9),
    };
    let levels = vec![level(leaf, 1), level(chips / leaf, leaf)];
    Tree::new(chips, levels, Routing::Single).unwrap()
}

fn transfer(from: u32, to: u32, size: f64) -> Transfer {
    Transfer {
        from,
        to,
        size: Bytes::new(size),
    }
}

/// Every chip sends to another: an odd multiple of its number, so that leaves mix.
fn permutation(chips: u32, size: f64) -> Schedule {
    let mut schedule = Schedule::new(Seconds::new(0.0));
    for chip in 0..chips {
        schedule.add(transfer(chip, (chip * 2731 + 1365) % chips, size), &[]);
    }
    schedule
}

fn all_to_all(chips: u32, size: f64) -> Schedule {
    let mut schedule = Schedule::new(Seconds::new(0.0));
    for shift in 1..chips {
        for chip in 0..chips {
            schedule.add(transfer(chip, (chip + shift) % chips, size), &[]);
        }
    }
    schedule
}

fn time(
    bencher: Bencher,
    network: &Tree,
    schedule: &Schedule,
    options: &Options,
    items: impl Fn(&PacketResult) -> u64,
) {
    let result = run(network, schedule, options).unwrap();
    bencher
        .counter(ItemsCount::new(items(&result)))
        .bench_local(|| run(network, schedule, options).unwrap().makespan);
}

/// 8,192 chips, 2 MB each to another: 16 million hops.
#[divan::bench(args = [Balance::Message, Balance::Rotate, Balance::Random], sample_count = 3)]
fn permutation_8192(bencher: Bencher, balance: Balance) {
    let options = Options {
        balance,
        ..Options::default()
    };
    let network = leaf_spine(8192, 64);
    time(bencher, &network, &permutation(8192, 2e6), &options, |it| {
        it.hops
    });
}

/// 64 chips, 1 MiB to each other.
#[divan::bench(args = [Balance::Rotate, Balance::Random], sample_count = 10)]
fn all_to_all_64(bencher: Bencher, balance: Balance) {
    let options = Options {
        balance,
        ..Options::default()
    };
    let schedule = all_to_all(64, 1_048_576.0);
    time(bencher, &leaf_spine(64, 8), &schedule, &options, |it| {
        it.hops
    });
}

/// 1,024 chips, 64 KiB to each other: a million messages.
#[divan::bench(sample_count = 1)]
fn all_to_all_1024(bencher: Bencher) {
    let schedule = all_to_all(1024, 65_536.0);
    let options = Options::default();
    time(bencher, &leaf_spine(1024, 32), &schedule, &options, |it| {
        it.hops
    });
}

/// 1,024 chips, 2 MB each to another, buffers of 64 packets and marks from 16: events.
#[divan::bench(args = [Balance::Message, Balance::Random], sample_count = 5)]
fn permutation_1024_with_control(bencher: Bencher, balance: Balance) {
    let options = Options {
        balance,
        buffer: Some(Bytes::new(64.0 * 4160.0)),
        mark: Some(Bytes::new(16.0 * 4160.0)),
        ..Options::default()
    };
    let network = leaf_spine(1024, 32);
    time(bencher, &network, &permutation(1024, 2e6), &options, |it| {
        it.events
    });
}
