//! How long flows take to solve: `cargo bench --package chokepoint-fabric --bench flow`.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]
#![expect(
    clippy::disallowed_macros,
    reason = "a time without the answer that it bought says little"
)]

use chokepoint_fabric::flow::{
    Classes, Flows, Options, Overlay, all_to_all, bundles, max_min, refine, run, shift,
};
use chokepoint_fabric::network::{Level, Network, Routing, Tree};
use chokepoint_fabric::schedule::{Schedule, Transfer};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

fn level(children: u32, parents: u32) -> Level {
    Level {
        children,
        parents,
        rate: Bandwidth::new(50e9),
        latency: Seconds::new(0.65e-6),
    }
}

/// A non-blocking tree of switches with 32 ports down and, where that is not enough, 16 up.
fn tree(chips: u32, levels: u32, routing: Routing) -> Tree {
    let levels = match levels {
        2 => vec![level(32, 1), level(chips / 32, 32)],
        _ => vec![level(32, 1), level(16, 32), level(chips / 512, 16)],
    };
    Tree::new(chips, levels, routing).unwrap()
}

/// Bits that look random.
fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn capacity(network: &Tree) -> Vec<Bandwidth> {
    network.links().iter().map(|link| link.rate).collect()
}

/// Flows from each chip to each other.
fn pairs(network: &Tree) -> Flows {
    let chips = network.chips();
    let number = chips as usize * chips as usize;
    let mut flows = Flows::with_capacity(number, number * 2 * network.levels().len());
    for from in 0..chips {
        for to in (0..chips).filter(|to| *to != from) {
            let choice = mix(u64::from(from) << 32 | u64::from(to));
            flows.push_route(network, from, to, choice).unwrap();
        }
    }
    flows
}

/// As many random permutations of all chips as there are rounds.
fn permutations(network: &Tree, rounds: u32) -> Flows {
    let chips = network.chips();
    let number = chips as usize * rounds as usize;
    let mut flows = Flows::with_capacity(number, number * 2 * network.levels().len());
    let mut to: Vec<u32> = (0..chips).collect();
    for round in 0..rounds {
        for at in (1..chips).rev() {
            let draw = mix(u64::from(round) << 32 | u64::from(at));
            to.swap(at as usize, (draw % u64::from(at + 1)) as usize);
        }
        for from in 0..chips {
            let choice = mix(u64::from(from) << 32 | u64::from(to[from as usize]));
            flows
                .push_route(network, from, to[from as usize], choice)
                .unwrap();
        }
    }
    flows
}

fn solve(bencher: Bencher, network: &Tree, flows: &Flows) {
    let capacity = capacity(network);
    bencher
        .counter(ItemsCount::new(flows.len()))
        .bench_local(|| max_min(&capacity, flows));
}

/// All-to-all of 4,096 chips (16.8 M flows) over two and three levels, sprayed.
#[divan::bench(args = [2, 3], sample_count = 3)]
fn explicit_all_to_all(bencher: Bencher, levels: u32) {
    let network = tree(4096, levels, Routing::Spray);
    let flows = pairs(&network);
    solve(bencher, &network, &flows);
}

/// All-to-all of 1,024 and 4,096 chips over two levels, one hashed path for each flow.
#[divan::bench(args = [1024, 4096], sample_count = 3)]
fn explicit_all_to_all_hashed(bencher: Bencher, chips: u32) {
    let network = tree(chips, 2, Routing::Single);
    let flows = pairs(&network);
    solve(bencher, &network, &flows);
}

/// 16 permutations of 65,536 chips over three levels (1 M flows), sprayed and hashed.
#[divan::bench(args = [Routing::Spray, Routing::Single], sample_count = 3)]
fn explicit_permutations(bencher: Bencher, routing: Routing) {
    let network = tree(65_536, 3, routing);
    let flows = permutations(&network, 16);
    solve(bencher, &network, &flows);
}

/// All-to-all of sizes that all differ.
fn unequal(chips: u32, size: f64, spread: f64) -> Schedule {
    let mut schedule = Schedule::new(Seconds::ZERO);
    for round in 1..chips {
        for from in 0..chips {
            let to = (from + round) % chips;
            let draw = mix(u64::from(from) << 32 | u64::from(to)) as f64 / u64::MAX as f64;
            let size = Bytes::new(size * (1.0 + spread * (2.0 * draw - 1.0)));
            schedule.add(Transfer { from, to, size }, &[]);
        }
    }
    schedule
}

/// Runs sizes that all differ over hashed paths and prints what came out.
fn run_unequal(bencher: Bencher, chips: u32, size: f64, coalescing: f64) {
    let network = tree(chips, 2, Routing::Single);
    let schedule = unequal(chips, size, 0.5);
    let options = Options {
        coalescing,
        ..Options::default()
    };
    let mut last = None;
    bencher.bench_local(|| last = run(&network, &schedule, &options).ok());
    let outcome = last.unwrap();
    let time = outcome.makespan.get() * 1e6;
    println!(
        "{chips} chips, {coalescing}: {time:.2} us, {} solves",
        outcome.solves
    );
}

/// 16 k flows, by the share of coalescing.
#[divan::bench(args = [2e-2, 1e-2, 0.0], sample_count = 3, sample_size = 1)]
fn unequal_128(bencher: Bencher, coalescing: f64) {
    run_unequal(bencher, 128, 131_072.0, coalescing);
}

/// 1.05 M flows, by the share of coalescing.
#[divan::bench(args = [5e-2, 2e-2], sample_count = 1, sample_size = 1)]
fn unequal_1024(bencher: Bencher, coalescing: f64) {
    run_unequal(bencher, 1024, 65_536.0, coalescing);
}

/// A ring of 256 chips whose 510 steps all differ (131 k transfers), each after the last of its
/// own and of its neighbour.
#[divan::bench(args = [1e-2, 0.0], sample_count = 3, sample_size = 1)]
fn unequal_ring(bencher: Bencher, coalescing: f64) {
    let network = tree(256, 2, Routing::Spray);
    let mut schedule = Schedule::new(Seconds::new(1e-6));
    for at in 0..256 * 510_u32 {
        let draw = mix(u64::from(at)) as f64 / u64::MAX as f64;
        let step = Transfer {
            from: at % 256,
            to: (at + 1) % 256,
            size: Bytes::new(1e6 * (0.5 + draw)),
        };
        let neighbour = (at - at % 256 + (at + 255) % 256).checked_sub(256);
        let after: Vec<u32> = neighbour.into_iter().chain(at.checked_sub(256)).collect();
        schedule.add(step, &after);
    }
    let options = Options {
        coalescing,
        ..Options::default()
    };
    let mut last = None;
    bencher.bench_local(|| last = run(&network, &schedule, &options).ok());
    let outcome = last.unwrap();
    let time = outcome.makespan.get() * 1e6;
    println!("{coalescing}: {time:.2} us, {} solves", outcome.solves);
}

fn run_classes(bencher: Bencher, coalescing: f64, classes: impl Fn() -> Option<Classes>) {
    bencher.bench_local(|| classes().unwrap().run(coalescing).unwrap().makespan);
    let classes = classes().unwrap();
    let outcome = classes.run(coalescing).unwrap();
    println!(
        "{} classes, {:.1} us, {} solves",
        classes.classes().len(),
        outcome.makespan.get() * 1e6,
        outcome.solves
    );
}

fn equal(_: u32, _: u32) -> Bytes {
    Bytes::new(65_536.0)
}

/// Uniform all-to-all on 98,304 and 100,000 chips of three levels.
#[divan::bench(args = [98_304, 100_000])]
fn classes_uniform(bencher: Bencher, chips: u32) {
    let levels = vec![level(32, 1), level(16, 32), level(196, 16)];
    let network = Tree::new(chips, levels, Routing::Spray).unwrap();
    run_classes(bencher, 0.0, || {
        all_to_all(&network, &Overlay::new(), &[], equal)
    });
}

/// A permutation by shift on 98,304 chips.
#[divan::bench]
fn classes_shift(bencher: Bencher) {
    let network = tree(98_304, 3, Routing::Spray);
    run_classes(bencher, 0.0, || {
        shift(&network, &Overlay::new(), 77, Bytes::new(1e6))
    });
}

/// All-to-all on 16,384 chips of two or three levels with 1% of the leaves' uplinks failed.
#[divan::bench(args = [2, 3])]
fn classes_failed(bencher: Bencher, levels: u32) {
    let network = tree(16_384, levels, Routing::Spray);
    let mut failed = vec![0_u32; 512];
    for failure in 0..164 {
        failed[(mix(failure) % 512) as usize] += 1;
    }
    let mut overlay = Overlay::new();
    for (leaf, failed) in (0..).zip(failed) {
        let rate = Bandwidth::new(50e9 * f64::from(32 - failed));
        let (up, down) = bundles(&network, 1, leaf);
        overlay.extend([(up, rate), (down, rate)]);
    }
    run_classes(bencher, 0.0, || all_to_all(&network, &overlay, &[], equal));
}

/// All-to-all on 16,384 chips to experts whose loads fall as 1 / rank^0.5: one load for each leaf
/// (262 k classes), exact and coalesced; and 256 experts of one chip each in every 256 chips.
#[divan::bench(args = [0.0, 1e-2], sample_count = 3, sample_size = 1)]
fn classes_zipf_by_leaf(bencher: Bencher, coalescing: f64) {
    let network = tree(16_384, 3, Routing::Spray);
    let labels: Vec<u32> = (0..16_384).map(|chip| chip / 32).collect();
    let size = |_, to: u32| Bytes::new(1e6 / f64::from(to + 1).sqrt());
    run_classes(bencher, coalescing, || {
        all_to_all(&network, &Overlay::new(), &labels, size)
    });
}

#[divan::bench(args = [0.0, 1e-2], sample_count = 3, sample_size = 1)]
fn classes_zipf_256_experts(bencher: Bencher, coalescing: f64) {
    let network = tree(16_384, 3, Routing::Spray);
    let labels: Vec<u32> = (0..16_384).map(|chip| chip % 256).collect();
    let size = |_, to: u32| Bytes::new(1e6 / f64::from(to + 1).sqrt());
    run_classes(bencher, coalescing, || {
        all_to_all(&network, &Overlay::new(), &labels, size)
    });
}

/// Colour refinement of a sprayed all-to-all of 1,024 chips (1.05 M flows).
#[divan::bench(sample_count = 3, sample_size = 1)]
fn refine_all_to_all(bencher: Bencher) {
    let network = tree(1024, 2, Routing::Spray);
    let (flows, capacity) = (pairs(&network), capacity(&network));
    let size = vec![Bytes::new(1e6); flows.len()];
    let latency = vec![Seconds::ZERO; flows.len()];
    bencher.bench_local(|| refine(&capacity, &flows, &size, &latency));
}
