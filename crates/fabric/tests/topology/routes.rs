//! Paths: by hand, and what holds of every one.

use chokepoint_catalog::Topology;
use chokepoint_fabric::network::{Network, Routing};
use chokepoint_fabric::scale_out_parts;
use chokepoint_fabric::topology::{Refusal, Role, ScaleOut, survey};
use proptest::prelude::*;

use crate::case::{case, every_case, giga, invented, path, sizes};
use crate::invented::sites;

#[test]
fn direct_meshes() {
    let eight = case("mi300x-8");
    let stage = eight.stage(16, Role::Mesh);
    assert_eq!((stage.links, stage.switches), (Some(56), Some(0)));
    // 4 x 4 pairs of 64 GB/s.
    assert!((giga(eight.bisection(8).domain) - 1024.0).abs() < 1e-6);
    let network = eight.network(16, Routing::Spray);
    assert_eq!(path(&network, 0, 7, 0).len(), 1);
    assert_eq!(network.domain_switch(0), None);
    // 28 pairs of 3 ports.
    let gaudi = case("gaudi3-8").stage(8, Role::Mesh);
    assert_eq!(gaudi.links, Some(84));
}

/// Rails of HGX H100: chip 3 of one node to chip 3 of another under one leaf, to chip 4 over a
/// spine; in the planes of DeepSeek first to the own node's chip 4 over NVLink.
#[test]
fn rails_and_planes() {
    let rails = case("hgx-h100").network(512, Routing::Spray);
    assert_eq!(path(&rails, 3, 8 + 3, 0).len(), 2);
    assert_eq!(path(&rails, 3, 8 + 4, 0).len(), 4);
    assert_eq!(path(&rails, 3, 4, 0).len(), 2);
    assert_eq!(rails.leaf_of(3), rails.leaf_of(8 + 3));
    assert_ne!(rails.leaf_of(3), rails.leaf_of(4));
    let planes = case("deepseek-2048").network(512, Routing::Spray);
    assert_eq!(path(&planes, 3, 8 + 3, 0).len(), 2);
    let crossing = path(&planes, 3, 8 + 4, 0);
    assert_eq!(crossing.len(), 4);
    assert_eq!(crossing[..2], path(&planes, 3, 4, 0));
}

/// Latency over the wire: 4 links of 0.45 us across leaves.
#[test]
fn distances() {
    let network = case("hgx-h100").network(2048, Routing::Spray);
    let found = survey(&network);
    assert_eq!(found.iter().map(|reach| reach.chips).sum::<u64>(), 2047);
    let hops: Vec<(u32, u32, u64)> = found
        .iter()
        .map(|reach| (reach.inside, reach.outside, reach.chips))
        .collect();
    // 7 in the node, 31 on the same rail of 32 nodes, all others over the spines.
    assert_eq!(hops, [(2, 0, 7), (0, 2, 31), (0, 4, 2009)]);
    assert!((found[2].latency.get() - 1.8e-6).abs() < 1e-12);
}

/// Two sites with a line of 1 TB/s: the bisection is the line.
#[test]
fn two_sites() {
    let case = invented(sites(2.0, "1 TB/s", "5 ms"));
    assert!((giga(case.bisection(1024).whole) - 1000.0).abs() < 1e-6);
    let network = case.network(1024, Routing::Spray);
    let far = path(&network, 0, 512, 0);
    let latency: f64 = far
        .iter()
        .map(|link| network.links()[*link as usize].latency.get())
        .sum();
    assert!((5e-3..5.1e-3).contains(&latency), "{latency}");
    let line = far
        .iter()
        .map(|link| network.links()[*link as usize].rate.get());
    assert!((line.fold(f64::MAX, f64::min) - 50e9).abs() < 1.0);
    assert!(far.len() > path(&network, 0, 511, 0).len());
    let stages = case.stages(1024);
    assert_eq!(stages.last().unwrap().role, Role::WideArea);
}

/// What a topology does not reach is refused with the most that it does.
#[test]
fn beyond_reach() {
    let refused = case("hgx-h100").build(65_537, Routing::Spray).unwrap_err();
    assert_eq!(refused, Refusal::TooManyChips { most: 65_536 });
    let planes = case("deepseek-2048").build(524_289, Routing::Spray);
    assert_eq!(planes.unwrap_err(), Refusal::TooManyChips { most: 524_288 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A path's links exist and carry, it has none twice, and the way back takes the same cables;
    /// except that a torus has two ways that are as long, and that in planes that do not meet
    /// either end crosses inside its node.
    #[test]
    fn routes(which in 0_usize..36, size in 0_usize..4, from in 0_u32..10_000, to in 0_u32..10_000,
              choice in any::<u64>(), single in any::<bool>()) {
        let cases = every_case();
        let case = &cases[which % cases.len()];
        let chips = sizes(case)[size];
        let routing = if single { Routing::Single } else { Routing::Spray };
        let Ok(network) = case.build(chips, routing) else {
            prop_assert!(case.scale_out(chips).reached().is_err());
            return Ok(());
        };
        let (from, to) = (from % network.vertices(), to % network.vertices());
        let there = path(&network, from, to, choice);
        prop_assert_eq!(there.is_empty(), from == to);
        let mut seen = there.clone();
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), there.len(), "no link twice: {:?}", there);
        for link in &there {
            prop_assert!((*link as usize) < network.links().len());
            prop_assert!(network.links()[*link as usize].rate.get() > 0.0);
            prop_assert_eq!(network.back(network.back(*link)), *link);
        }
        let across = from < network.chips() && to < network.chips()
            && network.domain_of(from) != network.domain_of(to);
        if let (true, Some(tree)) = (across, network.trees().first()) {
            let first = network.first_outside();
            let beyond = there.iter().filter(|link| **link >= first).count();
            prop_assert!(beyond % 2 == 0 && (2..=2 * tree.levels().len()).contains(&beyond));
            let inside = there.len() - beyond;
            if network.scale_out().groups == 1 {
                let same = network.leaf_of(from) == network.leaf_of(to);
                prop_assert_eq!(beyond == 2, same, "two links under one leaf, else more");
                prop_assert_eq!(inside, 0, "a chip has a card of its own");
            } else {
                prop_assert_eq!(inside > 0, from % 8 != to % 8, "only to another plane");
            }
        }
        let torus = case.system.domain.topology == Topology::Torus;
        if network.scale_out().groups == 1 && !torus {
            let back = path(&network, to, from, choice);
            let back: Vec<u32> = back.iter().rev().map(|link| network.back(*link)).collect();
            prop_assert_eq!(there, back);
        }
    }

    /// Every link is used by some pair of chips, in networks whose domains and groups are full;
    /// a link that begins a path belongs to the chip at its start, one that ends it to that at its
    /// end.
    #[test]
    fn no_link_is_idle(which in 0_usize..36, domains in 1_u64..3, single in any::<bool>()) {
        let cases = every_case();
        let case = &cases[which % cases.len()];
        let wiring = case.system.scale_out.wiring.as_ref();
        let groups = wiring.is_some_and(|wiring| wiring.dragonfly.is_some());
        let chips = if groups { 72 } else { case.system.domain.chips * domains };
        prop_assume!(chips <= 144);
        let routing = if single { Routing::Single } else { Routing::Spray };
        let network = case.network(chips, routing);
        let mut used = vec![false; network.links().len()];
        let mut starts: Vec<Option<u32>> = vec![None; used.len()];
        let mut ends = starts.clone();
        for (from, to) in (0..network.chips()).flat_map(|from| (0..network.chips()).map(move |to| (from, to))) {
            for choice in 0..72 {
                let links = path(&network, from, to, choice);
                if let (Some(first), Some(last)) = (links.first(), links.last()) {
                    prop_assert_eq!(*starts[*first as usize].get_or_insert(from), from);
                    prop_assert_eq!(*ends[*last as usize].get_or_insert(to), to);
                }
                for link in links {
                    used[link as usize] = true;
                }
            }
        }
        let idle: Vec<usize> = (0..used.len()).filter(|link| !used[*link]).collect();
        prop_assert!(idle.is_empty(), "{} {chips}: {:?}", case.system.id, idle);
    }

    /// More chips never need fewer switches, cables or modules.
    #[test]
    fn more_chips_need_no_less(which in 0_usize..36, chips in 1_u64..60_000, more in 0_u64..5000) {
        let cases = every_case();
        let case = &cases[which % cases.len()];
        let count = |chips| ScaleOut::new(&case.system, &case.network, chips)
            .map(|_| scale_out_parts(&case.system, &case.network, chips));
        let (Ok(base), Ok(larger)) = (count(chips), count(chips + more)) else { return Ok(()) };
        prop_assert!(larger.switches >= base.switches);
        prop_assert!(larger.links >= base.links && larger.modules >= base.modules);
        let sum = |chips| case.stages(chips).iter().filter_map(|it| it.switches).sum::<u64>();
        prop_assert!(sum(chips + more) >= sum(chips));
    }
}
