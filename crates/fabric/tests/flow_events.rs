//! Schedules through time: closed forms, a simulation by the book, and laws.

#[path = "flow_oracle/rates.rs"]
mod oracle;
#[path = "flow_oracle/simulate.rs"]
mod slow;

use chokepoint_fabric::flow::{Fault, Options, Outcome, Overlay, capacity, run};
use chokepoint_fabric::network::{Level, Network, Routing, Tree};
use chokepoint_fabric::schedule::{Schedule, Transfer};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use proptest::prelude::*;

fn exact() -> Options {
    Options {
        coalescing: 0.0,
        ..Options::default()
    }
}

/// Links of 50 GB/s and 0.5 us: leaves of some chips with some spines.
fn tree(leaf: u32, leaves: u32, spines: u32, routing: Routing) -> Option<Tree> {
    let level = |children, parents| Level {
        children,
        parents,
        rate: Bandwidth::new(50e9),
        latency: Seconds::new(0.5e-6),
    };
    let levels = vec![level(leaf, 1), level(leaves, spines)];
    Tree::new(leaf * leaves, levels, routing)
}

fn transfer(from: u32, to: u32, size: f64) -> Transfer {
    Transfer {
        from,
        to,
        size: Bytes::new(size),
    }
}

/// From each chip to each other, sizes by a function of both.
fn all_to_all(chips: u32, size: impl Fn(u32, u32) -> f64) -> Schedule {
    let mut schedule = Schedule::new(Seconds::ZERO);
    for from in 0..chips {
        for to in (0..chips).filter(|to| *to != from) {
            schedule.add(transfer(from, to, size(from, to)), &[]);
        }
    }
    schedule
}

fn microseconds(outcome: &Outcome) -> f64 {
    outcome.makespan.get() * 1e6
}

/// n - 1 messages through one port, and 4 links of latency: 1321.2, 332.9 and 1340.9 us without.
#[test]
fn uniform_all_to_all_is_its_closed_form() {
    for (leaf, leaves, size, published) in [
        (16, 4, 1_048_576.0, 1321.2),
        (16, 8, 131_072.0, 332.9),
        (32, 32, 65_536.0, 1340.9),
    ] {
        let chips = leaf * leaves;
        let tree = tree(leaf, leaves, leaf, Routing::Spray).unwrap();
        let outcome = run(&tree, &all_to_all(chips, |_, _| size), &Options::default()).unwrap();
        let wire = f64::from(chips - 1) * size / 50e9;
        assert!((outcome.makespan.get() / (wire + 2e-6) - 1.0).abs() < 1e-9);
        assert!((microseconds(&outcome) - 2.0 - published).abs() < 0.05);
        assert_eq!(outcome.solves, 1);
        let (_, share) = outcome
            .busiest(&capacity(tree.links(), &Overlay::new()))
            .unwrap();
        assert!((share - wire / (wire + 2e-6)).abs() < 1e-9);
    }
}

/// Round r waits for round r - 1 at each chip: a ring in lock step takes a message and two links of
/// latency for each, plus the time to start.
#[test]
fn a_ring_is_steps_of_one_message() {
    let tree = tree(8, 1, 1, Routing::Spray).unwrap();
    let mut schedule = Schedule::new(Seconds::new(3e-6));
    let mut last: Vec<u32> = Vec::new();
    for _ in 0..7 {
        let waits = last.clone();
        last = (0..8)
            .map(|from: u32| {
                let after = waits.get(((from + 7) % 8) as usize);
                let after: Vec<u32> = after.copied().into_iter().collect();
                schedule.add(transfer(from, (from + 1) % 8, 50e3), &after)
            })
            .collect();
    }
    for coalescing in [0.0, 1e-2] {
        let options = Options {
            coalescing,
            ..exact()
        };
        let outcome = run(&tree, &schedule, &options).unwrap();
        assert!((microseconds(&outcome) - 7.0 * (3.0 + 1.0 + 1.0)).abs() < 1e-6);
        assert_eq!(outcome.solves, 7);
    }
}

/// Chips 0 and 1 send to 2: 1 MB and 3 MB at 25 GB/s each, the longer alone for its last 2 MB.
#[test]
fn who_stays_takes_the_rest() {
    let tree = tree(4, 1, 1, Routing::Spray).unwrap();
    let mut schedule = Schedule::new(Seconds::ZERO);
    schedule.add(transfer(0, 2, 1e6), &[]);
    schedule.add(transfer(1, 2, 3e6), &[]);
    let outcome = run(&tree, &schedule, &exact()).unwrap();
    let us: Vec<f64> = outcome.arrival.iter().map(|it| it.get() * 1e6).collect();
    assert!((us[0] - 41.0).abs() < 1e-9 && (us[1] - 81.0).abs() < 1e-9);
    // Up from 0 and 1, down to 2.
    let carried = [(0, 1e6), (1, 3e6), (tree.links().len() / 2 + 2, 4e6)];
    let mut expected = vec![Bytes::ZERO; tree.links().len()];
    for (link, bytes) in carried {
        expected[link] = Bytes::new(bytes);
    }
    assert_eq!(outcome.carried, expected);
}

/// 100 sizes through one port: sums of the smaller ones, to the share of coalescing.
#[test]
fn one_link_shared_serves_short_ones_first() {
    let tree = tree(128, 1, 1, Routing::Spray).unwrap();
    let size = |chip: u32| f64::from(1 + (chip * 37) % 101) * 1e5;
    let mut schedule = Schedule::new(Seconds::ZERO);
    for chip in 1..=100 {
        schedule.add(transfer(chip, 0, size(chip)), &[]);
    }
    for coalescing in [0.0, 1e-3, 1e-2, 5e-2] {
        let options = Options {
            coalescing,
            ..exact()
        };
        let outcome = run(&tree, &schedule, &options).unwrap();
        for chip in 1..=100 {
            let served: f64 = (1..=100).map(|it| size(it).min(size(chip))).sum();
            let arrival = outcome.arrival[chip as usize - 1].get();
            let error = arrival / (served / 50e9 + 1e-6) - 1.0;
            assert!(error.abs() <= coalescing + 1e-9, "{error} at {coalescing}");
        }
    }
}

#[test]
fn nothing_and_nowhere_take_latency_alone() {
    let tree = tree(4, 2, 2, Routing::Spray).unwrap();
    let mut schedule = Schedule::new(Seconds::new(1e-6));
    let nothing = schedule.add(transfer(0, 5, 0.0), &[]);
    let nowhere = schedule.add(transfer(5, 5, 1e6), &[nothing]);
    schedule.add(transfer(5, 0, 50e3), &[nowhere]);
    let outcome = run(&tree, &schedule, &exact()).unwrap();
    let us: Vec<f64> = outcome.arrival.iter().map(|it| it.get() * 1e6).collect();
    for (time, expected) in us.iter().zip([3.0, 4.0, 8.0]) {
        assert!((time - expected).abs() < 1e-9);
    }
}

#[test]
fn what_cannot_run_is_said() {
    let tree = tree(4, 1, 1, Routing::Spray).unwrap();
    let mut schedule = Schedule::new(Seconds::ZERO);
    schedule.add(transfer(1, 2, 1.0), &[]);
    schedule.add(transfer(0, 1, 1.0), &[]);
    let dead = Options {
        overlay: Overlay::from([(0, Bandwidth::ZERO)]),
        ..exact()
    };
    assert_eq!(run(&tree, &schedule, &dead), Err(Fault::Stalled(1)));
    let odd = Options {
        coalescing: f64::NAN,
        ..exact()
    };
    assert_eq!(run(&tree, &schedule, &odd), Err(Fault::Options));
    let rate = Options {
        overlay: Overlay::from([(1, Bandwidth::new(f64::NAN))]),
        ..exact()
    };
    assert_eq!(run(&tree, &schedule, &rate), Err(Fault::Links));
    schedule.add(transfer(0, 1, -1.0), &[]);
    assert_eq!(run(&tree, &schedule, &exact()), Err(Fault::Size(2)));
}

/// Transfers among 12 chips with sizes that repeat or not; each may wait for two before it.
fn schedules() -> impl Strategy<Value = Vec<(u32, u32, f64, Vec<usize>)>> {
    let size = prop_oneof![
        1 => Just(0.0),
        4 => (1..4_u32).prop_map(|it| f64::from(it) * 1e5),
        4 => 1e3..1e6_f64,
    ];
    let after = prop::collection::vec(0..1000_usize, 0..3);
    prop::collection::vec((0..12_u32, 0..12_u32, size, after), 1..30)
}

fn schedule(transfers: &[(u32, u32, f64, Vec<usize>)], start: f64) -> Schedule {
    let mut schedule = Schedule::new(Seconds::new(start));
    for (at, (from, to, size, after)) in transfers.iter().enumerate() {
        let after = after
            .iter()
            .filter(|_| at > 0)
            .map(|it| (it % at.max(1)) as u32);
        schedule.add(transfer(*from, *to, *size), &after.collect::<Vec<_>>());
    }
    schedule
}

fn routing() -> impl Strategy<Value = Routing> {
    prop_oneof![Just(Routing::Spray), Just(Routing::Single)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Exact mode, with rates kept up as flows come and go, is the simulation by the book.
    #[test]
    fn exact_mode_is_the_book(
        transfers in schedules(), routing in routing(), start in prop_oneof![Just(0.0), Just(1e-6)],
        slow in prop::collection::btree_map(0..40_u32, (1e9..50e9_f64).prop_map(Bandwidth::new), 0..3),
        seed in 0..9_u64,
    ) {
        let tree = tree(4, 3, 2, routing).unwrap();
        let schedule = schedule(&transfers, start);
        let options = Options { coalescing: 0.0, seed, overlay: slow.clone() };
        let outcome = run(&tree, &schedule, &options).unwrap();
        for (one, other) in outcome.arrival.iter().zip(slow::simulate(&tree, &schedule, &slow, seed)) {
            prop_assert!((one.get() - other).abs() <= 1e-9 * other, "{} is not {other}", one.get());
        }
    }

    /// Random sizes over random paths: each end and the makespan within the share of coalescing.
    #[test]
    fn coalescing_keeps_its_bound(
        sizes in prop::collection::vec(0.5..1.5_f64, 256), routing in routing(), seed in 0..99_u64,
        coalescing in prop_oneof![Just(1e-3), Just(1e-2), Just(5e-2)],
    ) {
        let tree = tree(4, 4, 4, routing).unwrap();
        let schedule = all_to_all(16, |from, to| sizes[(from * 16 + to) as usize] * 1e6);
        let exact = run(&tree, &schedule, &Options { seed, ..exact() }).unwrap();
        let coarse = run(&tree, &schedule, &Options { seed, coalescing, ..Options::default() }).unwrap();
        prop_assert!((coarse.makespan / exact.makespan - 1.0).abs() <= coalescing);
        for (one, other) in coarse.arrival.iter().zip(&exact.arrival) {
            prop_assert!((*one / *other - 1.0).abs() <= 1.5 * coalescing);
        }
        prop_assert!(coarse.solves <= exact.solves);
    }

    /// Slowing the one link that all flows share, and every wait on it, helps nobody; slowing a link
    /// of one of them helps the last no more than rounding.
    #[test]
    fn a_slower_shared_link_helps_nobody(
        sizes in prop::collection::vec(1e3..1e6_f64, 1..8), share in 0.05..1.0_f64, other in 1..8_u32,
    ) {
        let tree = tree(8, 1, 1, Routing::Spray).unwrap();
        let mut schedule = Schedule::new(Seconds::ZERO);
        for (chip, size) in (1..).zip(&sizes) {
            schedule.add(transfer(chip, 0, *size), &[]);
        }
        let down = tree.links().len() as u32 / 2;
        let slow = |link| Options {
            overlay: Overlay::from([(link, Bandwidth::new(50e9 * share))]),
            ..exact()
        };
        let before = run(&tree, &schedule, &exact()).unwrap();
        let after = run(&tree, &schedule, &slow(down)).unwrap();
        for (one, other) in before.arrival.iter().zip(&after.arrival) {
            prop_assert!(other.get() >= one.get() * (1.0 - 1e-9));
        }
        let one = run(&tree, &schedule, &slow(other)).unwrap();
        prop_assert!(one.makespan.get() >= before.makespan.get() * (1.0 - 1e-9));
    }

    /// A ring whose steps all differ and never share a link: what steps wait for the sake of
    /// windows adds up to no more than half the share.
    #[test]
    fn waiting_adds_up_to_the_share(
        sizes in prop::collection::vec(0.5..1.5_f64, 160), routing in routing(),
        coalescing in prop_oneof![Just(1e-3), Just(1e-2), Just(5e-2)],
    ) {
        let tree = tree(4, 2, 2, routing).unwrap();
        let mut schedule = Schedule::new(Seconds::new(1e-6));
        for (at, size) in (0..).zip(&sizes) {
            let after = if at < 8 { vec![] } else { vec![at - 8, at - 8 - at % 8 + (at + 7) % 8] };
            let step = transfer(at % 8, (at + 1) % 8, size * 1e6);
            schedule.add(step, &after);
        }
        let one = run(&tree, &schedule, &exact()).unwrap();
        let other = run(&tree, &schedule, &Options { coalescing, ..exact() }).unwrap();
        let error = other.makespan / one.makespan - 1.0;
        prop_assert!((-1e-9..=0.5 * coalescing + 1e-9).contains(&error), "{error} at {coalescing}");
    }

    /// No link carries its bytes faster than it can, coalesced or not.
    #[test]
    fn no_link_is_outrun(
        transfers in schedules(), routing in routing(), coalescing in prop_oneof![Just(0.0), Just(0.1)],
    ) {
        let tree = tree(4, 3, 2, routing).unwrap();
        let schedule = schedule(&transfers, 0.0);
        let outcome = run(&tree, &schedule, &Options { coalescing, ..exact() }).unwrap();
        for (bytes, link) in outcome.carried.iter().zip(tree.links()) {
            let least = bytes.get() / link.rate.get();
            prop_assert!(outcome.makespan.get() >= least * (1.0 - 1e-9));
        }
        // Bytes into switches come out of them: up and down links of chips carry the same.
        let chips: f64 = outcome.carried[..12].iter().map(|it| it.get()).sum();
        let half = outcome.carried.len() / 2;
        let down: f64 = outcome.carried[half..half + 12].iter().map(|it| it.get()).sum();
        prop_assert!((chips - down).abs() <= 1e-9 * chips);
    }

    /// Independent transfers in another order end at the same times, to the last bit.
    #[test]
    fn the_order_of_transfers_changes_nothing(
        transfers in schedules(), routing in routing(), turn in 0..30_usize,
        coalescing in prop_oneof![Just(0.0), Just(1e-2)],
    ) {
        let tree = tree(4, 3, 2, routing).unwrap();
        let free: Vec<_> = transfers.iter().map(|it| (it.0, it.1, it.2, Vec::new())).collect();
        let mut moved = free.clone();
        moved.rotate_left(turn % free.len());
        let options = Options { coalescing, ..exact() };
        let mut one = run(&tree, &schedule(&free, 0.0), &options).unwrap().arrival;
        let other = run(&tree, &schedule(&moved, 0.0), &options).unwrap().arrival;
        one.rotate_left(turn % free.len());
        prop_assert_eq!(one, other);
    }

    /// Leaves change places, and chips under each leaf.
    #[test]
    fn renaming_ranks_changes_nothing(transfers in schedules(), leaf in 0..3_u32, chip in 0..4_u32) {
        let tree = tree(4, 3, 2, Routing::Spray).unwrap();
        let renamed = |it: u32| (it / 4 + leaf) % 3 * 4 + (it % 4 + chip) % 4;
        let names = transfers.iter().map(|it| (renamed(it.0), renamed(it.1), it.2, it.3.clone()));
        let one = run(&tree, &schedule(&transfers, 1e-6), &exact()).unwrap();
        let other = run(&tree, &schedule(&names.collect::<Vec<_>>(), 1e-6), &exact()).unwrap();
        prop_assert_eq!(one.arrival, other.arrival);
    }
}
