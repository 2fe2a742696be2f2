//! The transfers of each algorithm as flows against times worked by hand, and as packets against
//! flows.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "helpers fail the test; the table of errors is printed (--nocapture)"
)]

use chokepoint_fabric::algorithm::{Algorithm, Collective, Ranks, schedule};
use chokepoint_fabric::network::{Level, Network, Routing, Tree};
use chokepoint_fabric::{flow, packet};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

const RATE: f64 = 50e9;
const LINK: f64 = 1e-6;
const SIZE: f64 = 64.0 * 1024.0 * 1024.0;

/// Chips under one switch.
fn node(chips: u32, routing: Routing) -> Tree {
    let level = Level {
        children: chips,
        parents: 1,
        rate: Bandwidth::new(RATE),
        latency: Seconds::new(LINK),
    };
    Tree::new(chips, vec![level], routing).unwrap()
}

fn ranks(network: &Tree) -> Ranks {
    let chips = network.chips();
    Ranks::new((0..chips).collect(), chips, vec![network.switch(1, 0)]).unwrap()
}

/// Makespan as flows, without coalescing.
fn flows(what: (Collective, Algorithm), chips: u32, size: f64, slices: u32) -> f64 {
    let network = node(chips, Routing::Spray);
    let schedule = schedule(
        what,
        &ranks(&network),
        Bytes::new(size),
        slices,
        Seconds::ZERO,
    );
    let options = flow::Options {
        coalescing: 0.0,
        ..flow::Options::default()
    };
    flow::run(&network, &schedule.unwrap(), &options)
        .unwrap()
        .makespan
        .get()
}

fn packets(what: (Collective, Algorithm), chips: u32, size: f64, slices: u32) -> f64 {
    let network = node(chips, Routing::Single);
    let schedule = schedule(
        what,
        &ranks(&network),
        Bytes::new(size),
        slices,
        Seconds::ZERO,
    );
    let found = packet::run(&network, &schedule.unwrap(), &packet::Options::default());
    found.unwrap().makespan.get()
}

/// A path has two links. With b = 1/rate and a = 2 links (Thakur, Rabenseifner and Gropp 2005 for
/// ring, halving and direct exchange):
/// - ring: 2 (n-1) (a + S b / n), half of it for its halves;
/// - halving and doubling: 2 lg n a + 2 (n-1)/n S b;
/// - direct: 2 (a + (n-1)/n S b); all-to-all a + (n-1)/n S b;
/// - over a switch that sums, in one slice: S b up and S b / n down, S b / n up and (n-1)/n S b down,
///   each over one link.
#[test]
fn flows_take_the_closed_forms() {
    use Algorithm as A;
    use Collective as C;
    let (a, sb) = (2.0 * LINK, SIZE / RATE);
    for n in [2_u32, 4, 8, 16] {
        let ranks = f64::from(n);
        let (each, others) = (sb / ranks, sb * (ranks - 1.0) / ranks);
        let steps = ranks - 1.0;
        let levels = f64::from(n.ilog2());
        for (what, expected) in [
            ((C::AllReduce, A::Ring), 2.0 * steps * (a + each)),
            ((C::AllGather, A::Ring), steps * (a + each)),
            ((C::ReduceScatter, A::Ring), steps * (a + each)),
            (
                (C::AllReduce, A::RecursiveHalving),
                2.0 * (levels * a + others),
            ),
            ((C::AllGather, A::RecursiveHalving), levels * a + others),
            ((C::AllReduce, A::Direct), 2.0 * (a + others)),
            ((C::ReduceScatter, A::Direct), a + others),
            ((C::AllToAll, A::Direct), a + others),
            ((C::SendReceive, A::Direct), a + sb),
            (
                (C::AllReduce, A::InSwitch),
                2.0 * a + sb + 2.0 * each + others,
            ),
        ] {
            let found = flows(what, n, SIZE, 1);
            assert!(
                (found / expected - 1.0).abs() < 1e-9,
                "{what:?} {n}: {found} {expected}"
            );
        }
    }
}

/// Hierarchical: inside a node direct, on each rail a ring. 2 nodes of 4 chips; nodes are joined by
/// cards of half the rate.
#[test]
fn stages_of_a_hierarchy_follow_one_another() {
    let level = |children, rate| Level {
        children,
        parents: 1,
        rate: Bandwidth::new(rate),
        latency: Seconds::new(LINK),
    };
    // A node's trunk carries its four chips' rails at half a chip's rate each.
    let levels = vec![level(4, RATE), level(2, 4.0 * RATE / 2.0)];
    let network = Tree::new(8, levels, Routing::Spray).unwrap();
    let ranks = Ranks::new((0..8).collect(), 4, Vec::new()).unwrap();
    let what = (Collective::AllReduce, Algorithm::HierarchicalRing);
    let schedule = schedule(what, &ranks, Bytes::new(SIZE), 1, Seconds::ZERO).unwrap();
    let options = flow::Options {
        coalescing: 0.0,
        ..flow::Options::default()
    };
    let found = flow::run(&network, &schedule, &options)
        .unwrap()
        .makespan
        .get();
    let sb = SIZE / RATE;
    let inside = 2.0 * LINK + sb * 3.0 / 4.0;
    let step = 4.0 * LINK + sb / 8.0 * 2.0;
    let expected = 2.0 * inside + 2.0 * step;
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
}

/// More slices overlap the stages of trees and of sums in switches, down to what the busiest link
/// carries: three messages for the inner ranks of a tree, from two children and from above.
#[test]
fn slices_overlap_stages() {
    for (algorithm, floor) in [(Algorithm::Tree, 3.0), (Algorithm::InSwitch, 9.0 / 8.0)] {
        let what = (Collective::AllReduce, algorithm);
        let times = [1, 4, 16, 64].map(|slices| flows(what, 8, SIZE, slices));
        assert!(times.windows(2).all(|two| two[1] < two[0]), "{times:?}");
        let least = floor * SIZE / RATE;
        assert!(
            times[3] >= least && times[3] < 1.15 * least,
            "{times:?} {least}"
        );
    }
}

/// Packets take a header of 64 on 4,096 bytes more, and what queues and the last packet's second
/// hop add: with a mebibyte and more a transfer all of it stays within 5% of flows.
#[test]
fn packets_agree_with_flows_on_large_transfers() {
    use Algorithm as A;
    use Collective as C;
    for (what, slices) in [
        ((C::AllReduce, A::Ring), 1),
        ((C::AllReduce, A::DoubleTree), 8),
        ((C::AllReduce, A::RecursiveHalving), 1),
        ((C::AllReduce, A::Direct), 1),
        ((C::AllReduce, A::InSwitch), 8),
        ((C::AllToAll, A::Direct), 1),
        ((C::SendReceive, A::Direct), 1),
    ] {
        let (flows, packets) = (flows(what, 8, SIZE, slices), packets(what, 8, SIZE, slices));
        let error = packets / flows - 1.0;
        println!("{what:?} x{slices}: flows {flows:.3e} s, packets {error:+.3}");
        assert!((0.0..0.05).contains(&error), "{what:?}: {flows} {packets}");
    }
}
