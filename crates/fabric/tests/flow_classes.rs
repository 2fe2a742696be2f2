//! Classes against their members written out.

#![expect(clippy::unwrap_used, reason = "a test may fail in what it calls")]

use chokepoint_fabric::flow::{
    Classes, Flows, Options, Overlay, all_to_all, bundles, capacity, max_min, refine, run, shift,
};
use chokepoint_fabric::network::{Level, Network, Routing, Tree};
use chokepoint_fabric::schedule::{Schedule, Transfer};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use proptest::prelude::*;

fn level(children: u32, parents: u32) -> Level {
    Level {
        children,
        parents,
        rate: Bandwidth::new(50e9),
        latency: Seconds::new(0.5e-6),
    }
}

/// Values, each with how many there are of it, as one rising list.
fn spread(values: impl Iterator<Item = (f64, u64)>) -> Vec<f64> {
    let mut list: Vec<f64> = values
        .flat_map(|(value, copies)| std::iter::repeat_n(value, copies as usize))
        .collect();
    list.sort_by(f64::total_cmp);
    list
}

fn same(one: &[f64], other: &[f64]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a.total_cmp(b).is_eq() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()))
}

/// Rates and arrivals of the members of classes.
fn members(classes: &Classes) -> (Vec<f64>, Vec<f64>) {
    let (rates, outcome) = (classes.rates().unwrap(), classes.run(0.0).unwrap());
    let copies = || classes.classes().iter().map(|it| it.copies);
    let rate = (0..classes.classes().len() as u32).map(|it| rates.rate(it).get());
    let arrival = outcome.arrival.iter().map(|it| it.get());
    (spread(rate.zip(copies())), spread(arrival.zip(copies())))
}

/// Rates and arrivals of transfers written out.
fn written(tree: &Tree, overlay: &Overlay, transfers: &[Transfer]) -> (Vec<f64>, Vec<f64>) {
    let (mut flows, mut schedule) = (Flows::new(), Schedule::new(Seconds::ZERO));
    for it in transfers {
        flows.push_route(tree, it.from, it.to, 0).unwrap();
        schedule.add(*it, &[]);
    }
    let rates = max_min(&capacity(tree.links(), overlay), &flows).unwrap();
    let options = Options {
        coalescing: 0.0,
        seed: 0,
        overlay: overlay.clone(),
    };
    let outcome = run(tree, &schedule, &options).unwrap();
    let rate = (0..flows.len() as u32).map(|it| rates.rate(it).get());
    (
        spread(rate.map(|it| (it, 1))),
        spread(outcome.arrival.iter().map(|it| (it.get(), 1))),
    )
}

/// Trees of up to 24 chips over one to three levels, the last leaf perhaps not full, with some
/// links slow.
fn trees() -> impl Strategy<Value = (Tree, Overlay)> {
    let slow = (0..200_u32, (1..5_u32).prop_map(|it| f64::from(it) * 11e9));
    let shape = (1..4_usize, 2..4_u32, 2..4_u32, 1..4_u32, 0..3_u32);
    (shape, prop::collection::vec(slow, 0..4)).prop_map(|((height, leaf, pod, up, short), slow)| {
        let levels = [level(leaf, 1), level(pod, up), level(2, 2)][..height].to_vec();
        let all: u32 = levels.iter().map(|it| it.children).product();
        let tree = Tree::new((all - short).max(2), levels, Routing::Spray).unwrap();
        let links = tree.links().len() as u32;
        let overlay = slow
            .into_iter()
            .map(|(link, rate)| (link % links, Bandwidth::new(rate)));
        (tree, overlay.collect())
    })
}

#[test]
fn bundles_are_where_routes_go() {
    let tree = Tree::new(8, vec![level(4, 1), level(2, 2)], Routing::Spray).unwrap();
    let mut path = Vec::new();
    tree.route(1, 6, 0, &mut path);
    let (up, down) = (bundles(&tree, 1, 0).0, bundles(&tree, 1, 1).1);
    assert_eq!(
        path,
        [bundles(&tree, 0, 1).0, up, down, bundles(&tree, 0, 6).1]
    );
}

/// 100,000 chips under 32-port leaves and 16-leaf pods: three ways to meet in full pods, and the
/// chips of the last, smaller pod.
#[test]
fn a_uniform_all_to_all_is_a_few_classes() {
    let levels = vec![level(32, 1), level(16, 32), level(196, 16)];
    let full = Tree::new(98_304, levels.clone(), Routing::Spray).unwrap();
    let size = |_, _| Bytes::new(65_536.0);
    let classes = all_to_all(&full, &Overlay::new(), &[], size).unwrap();
    let copies: Vec<u64> = classes.classes().iter().map(|it| it.copies).collect();
    let chips = 98_304_u64;
    assert_eq!(
        copies,
        [chips * (chips - 512), chips * (512 - 32), chips * 31]
    );
    let time = classes.run(0.0).unwrap().makespan.get();
    let wire = (chips - 1) as f64 * 65_536.0 / 50e9 + 3e-6;
    assert!((time / wire - 1.0).abs() < 1e-9);
    let ragged = Tree::new(100_000, levels, Routing::Spray).unwrap();
    let classes = all_to_all(&ragged, &Overlay::new(), &[], size).unwrap();
    let flows: u64 = classes.classes().iter().map(|it| it.copies).sum();
    assert_eq!(flows, 100_000 * 99_999);
    assert!(classes.classes().len() <= 20);
}

/// 4 leaves of 4; leaf 0 has lost one of its four links up: flows out of it share 3 links by 4
/// chips, 12 destinations.
#[test]
fn a_failed_uplink_slows_only_its_leaf() {
    let tree = Tree::new(16, vec![level(4, 1), level(4, 4)], Routing::Spray).unwrap();
    let overlay = Overlay::from([(bundles(&tree, 1, 0).0, Bandwidth::new(150e9))]);
    let classes = all_to_all(&tree, &overlay, &[], |_, _| Bytes::new(1e6)).unwrap();
    let rates = classes.rates().unwrap();
    let slowest = 150e9 / 48.0;
    assert!((rates.least().unwrap().get() / slowest - 1.0).abs() < 1e-12);
    let slow = (0..)
        .zip(classes.classes())
        .filter(|(flow, _)| rates.rate(*flow).get() < slowest * 1.01);
    assert_eq!(slow.map(|(_, class)| class.copies).sum::<u64>(), 48);
}

#[test]
fn single_paths_have_no_tree_classes() {
    let tree = Tree::new(8, vec![level(4, 1), level(2, 2)], Routing::Single).unwrap();
    let size = Bytes::new(1.0);
    assert!(all_to_all(&tree, &Overlay::new(), &[], |_, _| size).is_none());
    assert!(shift(&tree, &Overlay::new(), 1, size).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Uniform, or by the labels of source and destination, one of which gets nothing.
    #[test]
    fn all_to_all_is_its_flows((tree, overlay) in trees(), labels in prop::collection::vec(0..3_u32, 24), plain: bool) {
        let labels = if plain { &[] } else { &labels[..tree.chips() as usize] };
        let size = |from: u32, to: u32| Bytes::new(f64::from((from + 2 * to) % 5) * 1e5 + if plain { 1e5 } else { 0.0 });
        let label = |chip: u32| labels.get(chip as usize).copied().unwrap_or(0);
        let mut transfers = Vec::new();
        for from in 0..tree.chips() {
            for to in (0..tree.chips()).filter(|to| *to != from) {
                let size = size(label(from), label(to));
                if size > Bytes::ZERO {
                    transfers.push(Transfer { from, to, size });
                }
            }
        }
        let classes = all_to_all(&tree, &overlay, labels, size).unwrap();
        let (one, other) = (members(&classes), written(&tree, &overlay, &transfers));
        prop_assert!(same(&one.0, &other.0), "{:?} is not {:?}", one.0, other.0);
        prop_assert!(same(&one.1, &other.1), "{:?} is not {:?}", one.1, other.1);
    }

    #[test]
    fn a_shift_is_its_flows((tree, overlay) in trees(), by in 0..60_u32) {
        let size = Bytes::new(1e6);
        let chips = tree.chips();
        let transfers: Vec<_> = (0..chips).map(|from| Transfer { from, to: (from + by) % chips, size }).collect();
        let classes = shift(&tree, &overlay, by, size).unwrap();
        let (one, other) = (members(&classes), written(&tree, &overlay, &transfers));
        prop_assert!(same(&one.0, &other.0));
        prop_assert!(same(&one.1, &other.1));
    }

    /// Colour refinement of flows written out, class by class, over hashed or sprayed paths.
    #[test]
    fn refined_flows_are_their_classes(
        (tree, overlay) in trees(), spray: bool, seed in 0..5_u64, keep in 1..4_u32,
    ) {
        let routing = if spray { Routing::Spray } else { Routing::Single };
        let tree = Tree::new(tree.chips(), tree.levels().to_vec(), routing).unwrap();
        let (mut flows, mut sizes, mut latency) = (Flows::new(), Vec::new(), Vec::new());
        for from in 0..tree.chips() {
            for to in (0..tree.chips()).filter(|to| (from + to) % keep == 0) {
                let flow = flows.push_route(&tree, from, to, seed + u64::from(from * to)).unwrap();
                sizes.push(Bytes::new(f64::from(to % 2 + 1) * 1e6));
                latency.push(Seconds::new(1e-6 * flows.path(flow).len() as f64));
            }
        }
        let capacity = capacity(tree.links(), &overlay);
        let refined = refine(&capacity, &flows, &sizes, &latency).unwrap();
        let (few, all) = (refined.classes.rates().unwrap(), max_min(&capacity, &flows).unwrap());
        for (flow, class) in (0..).zip(&refined.flow) {
            let (one, other) = (few.rate(*class).get(), all.rate(flow).get());
            prop_assert!(same(&[one], &[other]));
        }
        let copies: u64 = refined.classes.classes().iter().map(|it| it.copies).sum();
        prop_assert_eq!(copies, flows.len() as u64);
        let links: u64 = refined.classes.links().iter().map(|it| it.copies).sum();
        prop_assert_eq!(links, capacity.len() as u64);
    }
}

/// 8 chips of one switch, each to each: one class of flows, links up and links down.
#[test]
fn refinement_finds_the_coarsest_partition() {
    let tree = Tree::new(8, vec![level(8, 1)], Routing::Spray).unwrap();
    let mut flows = Flows::new();
    for from in 0..8 {
        for to in (0..8).filter(|to| *to != from) {
            flows.push_route(&tree, from, to, 0).unwrap();
        }
    }
    let capacity = capacity(tree.links(), &Overlay::new());
    let refined = refine(
        &capacity,
        &flows,
        &[Bytes::new(1e6); 56],
        &[Seconds::ZERO; 56],
    )
    .unwrap();
    assert_eq!(refined.classes.classes().len(), 1);
    assert_eq!(refined.classes.classes()[0].copies, 56);
    // Each link carries seven flows: up and down are alike, on each path two of the one class.
    assert_eq!(refined.classes.links().len(), 1);
    assert!(refine(&capacity, &flows, &[], &[]).is_none());
}
