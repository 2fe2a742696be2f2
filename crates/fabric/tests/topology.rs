//! Topologies of the catalogue's systems: counts against published ones, ports that close, and
//! what holds of every route.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

#[path = "topology/invented.rs"]
mod invented;
#[path = "../../../tests/support/shared.rs"]
mod shared;

use std::sync::LazyLock;

use chokepoint_catalog::{Catalog, DomainLink, Network as Wires, System, Topology};
use chokepoint_fabric::network::{Degraded, Network, Routing};
use chokepoint_fabric::scale_out_parts;
use chokepoint_fabric::topology::{
    Bisection, Domain, Refusal, Role, ScaleOut, Stage, SystemNetwork, bisection, stages, survey,
};
use invented::{System as Invented, dragonfly, planes, sites, tpu};
use proptest::prelude::*;
use shared::catalog;

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

/// A system with its network and the kind of its links.
struct Case {
    system: System,
    network: Wires,
    link: Option<DomainLink>,
}

fn case(id: &str) -> Case {
    of(CATALOG.system(id).unwrap().clone(), None)
}

fn of(system: System, link: Option<DomainLink>) -> Case {
    let network = CATALOG.network(&system.scale_out.network).unwrap().clone();
    let named = system.domain.wiring.as_ref();
    let known = named.and_then(|wiring| CATALOG.link(&wiring.link).ok().cloned());
    Case {
        network,
        link: link.or(known),
        system,
    }
}

fn invented(invented: Invented) -> Case {
    of(invented.system, invented.link)
}

impl Case {
    fn domain(&self) -> Domain {
        Domain::new(&self.system, self.link.as_ref())
    }

    fn scale_out(&self, chips: u64) -> ScaleOut {
        ScaleOut::new(&self.system, &self.network, chips).unwrap()
    }

    fn stages(&self, chips: u64) -> Vec<Stage> {
        stages(&self.domain(), &self.scale_out(chips), &self.network, chips)
    }

    fn stage(&self, chips: u64, role: Role) -> Stage {
        let found = self.stages(chips).into_iter().find(|it| it.role == role);
        found.unwrap_or_else(|| panic!("{}: no {}", self.system.id, role.name()))
    }

    fn bisection(&self, chips: u64) -> Bisection {
        bisection(&self.domain(), &self.scale_out(chips), chips)
    }

    fn build(&self, chips: u64, routing: Routing) -> Result<SystemNetwork, Refusal> {
        SystemNetwork::new(
            &self.system,
            self.link.as_ref(),
            &self.network,
            chips,
            routing,
        )
    }

    fn network(&self, chips: u64, routing: Routing) -> SystemNetwork {
        self.build(chips, routing).unwrap()
    }
}

fn path(network: &impl Network, from: u32, to: u32, choice: u64) -> Vec<u32> {
    let mut path = Vec::new();
    network.route(from, to, choice, &mut path);
    path
}

fn giga(bandwidth: Option<chokepoint_units::Bandwidth>) -> f64 {
    bandwidth.unwrap().get() / 1e9
}

/// CloudMatrix 384 as published (arXiv 2506.12708): 7 first-level switch chips in each of 48 nodes,
/// 112 second-level chips of 48 ports in 7 planes, no oversubscription; 6,912 modules of 400G by
/// press, 5,376 of UB and 1,536 at the ends of the scale-out network's host links.
#[test]
fn cloudmatrix_384() {
    let case = case("cloudmatrix384");
    let first = case.stage(384, Role::FirstSwitch);
    let second = case.stage(384, Role::SecondSwitch);
    assert_eq!((first.switches, second.switches), (Some(336), Some(112)));
    assert_eq!((first.links, second.links), (Some(5376), Some(5376)));
    assert_eq!((second.ports, second.ports_used), (Some(48), Some(48)));
    assert_eq!(
        (first.ports_used, first.oversubscription),
        (Some(32), Some(1.0))
    );
    assert_eq!(second.modules, Some(5376));
    let listed = &case.system.domain;
    assert_eq!(
        listed.switch_chips.as_ref().unwrap().value as u64,
        336 + 112
    );
    assert_eq!(listed.optical_modules.as_ref().unwrap().value as u64, 5376);
    let two = case.stage(768, Role::Leaf);
    assert_eq!(two.modules.unwrap() / 2 + 5376, 6912);
    // 384 x 392 GB/s / 2.
    assert!((giga(case.bisection(384).domain) - 75_264.0).abs() < 1e-6);
    assert_eq!(case.bisection(384).whole, None);
}

/// 72 chips of 18 links, one to each of 18 switch chips of 72 ports; 4 pairs a link are the 5,184
/// copper cables.
#[test]
fn nvl72() {
    for id in ["gb200-nvl72", "gb300-nvl72"] {
        let stage = case(id).stage(72, Role::Switch);
        assert_eq!((stage.switches, stage.links), (Some(18), Some(1296)));
        assert_eq!((stage.ports, stage.ports_used), (Some(72), Some(72)));
        assert_eq!((stage.pairs, stage.modules), (Some(5184), Some(0)));
    }
}

/// 8 chips of 18 links over 4 chips of 64 ports: 144 of 256 ports, at most 5 links of a chip at
/// one of them.
#[test]
fn hgx_h100() {
    let stage = case("hgx-h100").stage(8, Role::Switch);
    assert_eq!((stage.switches, stage.links), (Some(4), Some(144)));
    assert_eq!((stage.ports, stage.ports_used), (Some(64), Some(40)));
    let blackwell = case("hgx-b200").stage(8, Role::Switch);
    assert_eq!(
        (blackwell.switches, blackwell.ports_used),
        (Some(2), Some(72))
    );
}

/// Table 3 of "Insights into DeepSeek-V3" (arXiv 2505.09343): 8 planes of 2,048 endpoints each take
/// 768 switches and 16,384 links between switches.
#[test]
fn the_planes_of_deepseek() {
    let case = case("deepseek-2048");
    let (leaf, spine) = (
        case.stage(16_384, Role::Leaf),
        case.stage(16_384, Role::Spine),
    );
    assert_eq!(leaf.switches.unwrap() + spine.switches.unwrap(), 768);
    assert_eq!(spine.links, Some(16_384));
    assert_eq!((leaf.ports_used, spine.ports_used), (Some(64), Some(64)));
    assert_eq!(case.scale_out(16_384).groups, 8);
    let parts = scale_out_parts(&case.system, &case.network, 16_384);
    assert_eq!((parts.tiers, parts.switches), (2, 768));
}

/// Table 3 of the same paper: a dragonfly of 511 groups with 64-port switches joins 261,632
/// endpoints with 16,352 switches and 384,272 links between them.
#[test]
fn the_dragonfly_of_deepseeks_table() {
    let case = invented(dragonfly(16, 32, 16));
    let stages = case.stages(261_632);
    let router = stages.iter().find(|it| it.role == Role::Router).unwrap();
    assert_eq!(
        (router.switches, router.links),
        (Some(16_352), Some(261_632))
    );
    assert_eq!(router.ports_used, Some(63));
    let between = stages
        .iter()
        .filter(|it| matches!(it.role, Role::Local | Role::Global));
    let links: u64 = between.map(|it| it.links.unwrap()).sum();
    assert_eq!(links, 384_272);
    let most = 513 * 512;
    assert_eq!(
        ScaleOut::new(&case.system, &case.network, most + 1).unwrap_err(),
        Refusal::TooManyChips { most }
    );
    let wide = invented(dragonfly(16, 48, 16));
    let refused = ScaleOut::new(&wide.system, &wide.network, 1024).unwrap_err();
    assert_eq!(
        refused,
        Refusal::Radix {
            used: 79,
            radix: 64
        }
    );
}

/// TPU v4 (Jouppi et al. 2023): 64 blocks of 4 x 4 x 4 with 48 optical circuit switches of 128
/// ports, in which all 96 links out of a block end.
#[test]
fn circuit_switches_of_a_torus() {
    let case = invented(tpu(&[16, 16, 16], Some((&[4, 4, 4], 128))));
    let circuit = case.stage(4096, Role::Circuit);
    assert_eq!(
        (circuit.switches, circuit.ports_used),
        (Some(48), Some(128))
    );
    assert_eq!(circuit.links, Some(64 * 96 / 2));
    let direct = case.stage(4096, Role::Torus);
    assert_eq!(direct.links.unwrap() + circuit.links.unwrap(), 3 * 4096);
    // Two cuts of 256 links of 90 GB/s.
    assert!((giga(case.bisection(4096).domain) - 2.0 * 256.0 * 90.0).abs() < 1e-6);
}

#[test]
fn direct_meshes() {
    let case = case("mi300x-8");
    let stage = case.stage(16, Role::Mesh);
    assert_eq!((stage.links, stage.switches), (Some(56), Some(0)));
    // 4 x 4 pairs of 64 GB/s.
    assert!((giga(case.bisection(8).domain) - 1024.0).abs() < 1e-6);
    let network = case.network(16, Routing::Spray);
    assert_eq!(path(&network, 0, 7, 0).len(), 1);
    assert_eq!(network.domain_switch(0), None);
    // 28 pairs of 3 ports.
    let gaudi = crate::case("gaudi3-8").stage(8, Role::Mesh);
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

/// Chips of a system that fill its leaves, and some that do not.
fn sizes(case: &Case) -> [u64; 4] {
    let domain = case.system.domain.chips;
    [
        domain,
        2 * domain,
        2 * domain + 1,
        5 * domain + case.system.node.chips,
    ]
}

/// Every system of the catalogue: switches have the ports that they use, cables up are cables
/// down, and a switch of a level has room for all cables on both its sides.
#[test]
fn ports_close() {
    for id in CATALOG.systems.keys() {
        let case = case(id);
        for chips in sizes(&case).into_iter().chain([1000, 20_000]) {
            if case.scale_out(chips).reached().is_err() {
                continue;
            }
            let all = case.stages(chips);
            for (at, stage) in all.iter().enumerate() {
                let name = format!("{id} {chips} {}", stage.role.name());
                if let (Some(ports), Some(used)) = (stage.ports, stage.ports_used) {
                    assert!(used <= ports, "{name}: {used} of {ports}");
                }
                let above = all.get(at + 1);
                let above = above.filter(|it| it.role.in_domain() == stage.role.in_domain());
                let above = above.and_then(|it| it.links).unwrap_or(0);
                if let (Some(switches), Some(used), Some(links)) =
                    (stage.switches, stage.ports_used, stage.links)
                    && switches > 0
                {
                    assert!(switches * used >= links + above, "{name}: {links} {above}");
                }
            }
            let parts = scale_out_parts(&case.system, &case.network, chips);
            let outside = all.iter().filter(|it| !it.role.in_domain());
            let (mut switches, mut links, mut modules) = (0, 0, 0);
            for stage in outside {
                switches += stage.switches.unwrap();
                links += stage.links.unwrap();
                modules += stage.modules.unwrap();
            }
            assert_eq!(
                (switches, links),
                (parts.switches, parts.links),
                "{id} {chips}"
            );
            assert_eq!(modules, parts.modules, "{id} {chips}");
        }
    }
}

/// Cables of the network as the simulators see it are those that are counted.
#[test]
fn cables_are_those_counted() {
    for (id, chips) in [
        ("hgx-h100", 2048),
        ("hgx-b200", 2048),
        ("deepseek-2048", 16_384),
        ("cloudmatrix384", 384),
        ("gaudi3-8", 320),
        ("gb200-nvl72", 288),
    ] {
        let case = case(id);
        for routing in [Routing::Spray, Routing::Single] {
            let network = case.network(chips, routing);
            let all = 0..network.links().len() as u32;
            let cables: u64 = all.map(|link| u64::from(network.cables(link))).sum();
            let counted: u64 = case.stages(chips).iter().map(|it| it.links.unwrap()).sum();
            assert_eq!(cables, 2 * counted, "{id} {routing:?}");
        }
    }
}

fn every_case() -> Vec<Case> {
    let catalogue = CATALOG.systems.keys().map(|id| case(id));
    let others = [
        invented(dragonfly(2, 4, 2)),
        invented(tpu(&[4, 4, 2], None)),
        invented(tpu(&[5, 3, 1], None)),
        invented(sites(2.0, "1 TB/s", "5 ms")),
        invented(planes(2)),
    ];
    catalogue.chain(others).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

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

/// Failures of leaves, spines, cards, planes and of the switch chips of a domain.
#[test]
fn failures() {
    let rails = case("hgx-h100");
    let spray = rails.network(2048, Routing::Spray);
    // One of 32 spines: each of 64 leaves keeps 31 of 32 of its uplinks, both ways.
    let spine = spray.fail_switch(0, 2, 0, 5);
    assert_eq!(spine.len(), 128);
    assert!(
        spine
            .iter()
            .all(|(_, left)| (left - 31.0 / 32.0).abs() < 1e-12)
    );
    // A leaf: its 32 chips are cut off, and its uplinks.
    let leaf = spray.fail_switch(0, 1, 7, 0);
    assert_eq!(leaf.len(), 2 * 33);
    let degraded = Degraded::new(spray.clone(), leaf);
    let cut: Vec<u32> = (0..2048)
        .filter(|chip| !degraded.joins(2047 - 7, *chip))
        .collect();
    assert_eq!(cut.len(), 32, "{cut:?}");
    let single = rails.network(2048, Routing::Single);
    let degraded = Degraded::new(single.clone(), single.fail_switch(0, 2, 0, 5));
    assert!((0..64).all(|choice| {
        let path = path(&degraded, 0, 8 * 200 + 3, choice);
        path.iter()
            .all(|link| degraded.links()[*link as usize].rate.get() > 0.0)
    }));
    let card = Degraded::new(spray.clone(), spray.fail_card(9, 1));
    assert!(!card.joins(0, 9) && card.joins(8, 9) && card.joins(0, 8));
    let two = invented(planes(2)).network(256, Routing::Spray);
    let plane = two.fail_plane(1);
    assert_eq!(plane.len(), 512);
    assert!(plane.iter().all(|(_, left)| (left - 0.5).abs() < 1e-12));
    let one = invented(planes(2)).network(256, Routing::Single);
    let plane = one.fail_plane(1);
    assert_eq!(plane.len(), 512);
    assert!(plane.iter().all(|(_, left)| *left <= 0.0));
    let degraded = Degraded::new(one, plane);
    assert!((0..64).all(|chip| degraded.joins(0, 4 * chip)));
    let eight = case("deepseek-2048").network(512, Routing::Spray);
    assert_eq!(eight.fail_plane(3).len(), 2 * 64);
    let domain = spray.fail_domain_switch(0);
    assert_eq!(domain.len(), 16);
    assert!(domain.iter().all(|(_, left)| (left - 0.75).abs() < 1e-12));
}

/// A share of failed cables, by seed: about that share, the same for the same seed.
#[test]
fn cables_fail_by_seed() {
    let network = case("hgx-h100").network(2048, Routing::Single);
    let failed = network.fail_cables(0.01, 7);
    assert_eq!(failed, network.fail_cables(0.01, 7));
    assert_ne!(failed, network.fail_cables(0.01, 8));
    let lost: f64 = failed
        .iter()
        .map(|(link, left)| (1.0 - left) * f64::from(network.cables(*link)))
        .sum();
    let all: f64 = (0..network.links().len() as u32)
        .map(|link| f64::from(network.cables(link)))
        .sum();
    assert!((0.008..0.012).contains(&(lost / all)), "{}", lost / all);
    assert!(network.fail_cables(0.0, 7).is_empty());
}
